"""Decisions on an accelerator: one command for the day that one is at hand.

    python -m benchmarks accelerator [--minutes 8]

It measures the chip (`_chip.py`), the joint steps a second that the library simulates on it and which share of the
chip's limit that is, decisions a second at one state and at many, and the seconds that programs take to write and to
compile; and it insists on the decisions of a CPU. Rows that would not be over in time are left out, and say so. Without
an accelerator all of it runs on the CPU, which the caption says.
"""

import jax

from benchmarks import _accelerator_decisions as decisions
from benchmarks import _accelerator_steps as steps
from benchmarks._accelerator_plan import Plan
from benchmarks._budget import Budget
from benchmarks._machine import machine
from benchmarks._results import Row, publish

MINUTES = 8.0


def device() -> str:
    """Say what was measured on."""
    first, count = jax.devices()[0], len(jax.devices())
    if first.platform == "cpu":
        return f"No accelerator was found: all of this ran on the CPU. {machine()}"
    return f"{first.device_kind}{f', one of {count}' if count > 1 else ''}; its host: {machine()}"


def main(*, redraw: bool = False, minutes: float = MINUTES, plan: Plan | None = None) -> None:
    """Measure and publish both tables; end with an error where a decision is not that of a CPU."""
    plan, budget = plan or Plan(), Budget(60 * minutes)
    if not redraw:
        budget.say(device())
    limits = {} if redraw else {team: steps.most(team, plan) for team in plan.teams}
    publish(
        "accelerator_steps",
        steps.COLUMNS,
        lambda: steps.measure(plan, budget, limits),
        redraw=redraw,
        where=device,
    )
    rows: list[Row] = []

    def measured() -> list[Row]:
        rows.extend(decisions.measure(plan, budget, {team: most.limit for team, most in limits.items()}))
        return rows

    publish("accelerator_decisions", decisions.COLUMNS, measured, redraw=redraw, where=device)
    if any(str(row.get(name, "")).startswith("no") for row in rows for name in decisions.SAME):
        raise SystemExit("Some decisions are not those of a CPU; see the table.")
