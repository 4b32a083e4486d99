"""The benchmark of accelerators works on the day that one is at hand: its arithmetic, and all of it, small.

No accelerator is needed for that: one is claimed to be the default, so that programs are those of an accelerator, and
the CPU is asked for those of a CPU.
"""

import json
import os
import sys
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks import __main__ as command
from benchmarks import _accelerator_decisions as decisions
from benchmarks import _accelerator_plan as plans
from benchmarks import _accelerator_steps as steps
from benchmarks import _budget, _one_core, _results, accelerator
from benchmarks import _chip as chip

SMALL = plans.Team(3, 5, 2)


def test_the_limit_is_the_fewer_of_two():
    rates = chip.Rates(operations=100.0, bytes=60.0)
    assert chip.limit(rates, chip.Work(operations=10.0, bytes=2.0)) == (10.0, "operations")
    assert chip.limit(rates, chip.Work(operations=10.0, bytes=20.0)) == (3.0, "memory")


def test_work_counts_operations_and_bytes_in_and_out():
    work = chip.work_of(lambda x, y: x * y + x, jnp.ones(8, jnp.int16), jnp.ones(8, jnp.int16))
    assert work == chip.Work(operations=16, bytes=8 * 2 * 3)


def test_the_kernels_of_the_chip_do_what_is_counted():
    x, near, far = jnp.arange(5, dtype=jnp.int16), jnp.int16(3), jnp.int16(77)
    asked = chip._chains.lower(x, near, far).cost_analysis()["flops"]
    counted = x.size * chip.LINKS * chip.CHAINS * chip.OPERATIONS_OF_A_LINK
    assert counted <= asked <= 1.02 * counted
    chains = [np.arange(5) + k for k in range(chip.CHAINS)]
    for _ in range(chip.LINKS):
        chains = [np.minimum(np.abs(each - 3), 77) for each in chains]
    np.testing.assert_array_equal(chip._chains(x, near, far), sum(chains))


def test_what_would_take_too_long_is_left_out():
    now = [0.0]
    budget = _budget.Budget(60, clock=lambda: now[0])
    assert budget.too_long(59) is None
    now[0] = 50
    assert budget.too_long(59) == "up to 59 s expected, 10 s left"
    now[0] = 70
    assert budget.too_long(0) == "up to 0 s expected, 0 s left"


def test_expected_seconds_grow_with_states_and_team():
    large = plans.Team(6, 10, 1)
    known = {(SMALL, 1): plans.Timed(None, 2.0, {"tracing, s": 3.0, "compiling, s": 4.0})}
    assert decisions.expected_seconds({}, SMALL, 1) == 0
    assert decisions.expected_seconds(known, SMALL, 256) == 2 * 2 * 256 + 2 * 7
    assert decisions.expected_seconds(known, large, 4) == 2 * 2 * 4 * 16 + 2 * 7
    known[SMALL, 256] = plans.Timed(None, 10.0, {"tracing, s": 3.0, "compiling, s": 4.0})
    assert decisions.expected_seconds(known, SMALL, 1024) == 2 * 10 * 4


def decision(control, q_factors, base=(0, 0)):
    return SimpleNamespace(control=np.array(control), q_factors=np.array(q_factors), base_control=np.array(base))


Q = [[3.0, 2.0, np.inf], [2.0, 2.0, 1.0]]


@pytest.mark.parametrize(
    ("control", "q_factors", "tolerance", "same"),
    [
        ([1, 2], Q, 0, True),
        ([1, 0], Q, 0, False),
        ([1, 2], [[3.0, 2.0, 5.0], Q[1]], 1e-4, False),
        ([1, 2], [[3.0001, 2.0, np.inf], Q[1]], 1e-4, True),
        ([1, 2], [[3.01, 2.0, np.inf], Q[1]], 1e-4, False),
        # The first agent's tie was broken otherwise: what the second then compares is another thing.
        ([0, 1], [Q[0], [9.0, 1.0, 9.0]], 1e-4, True),
        ([0, 1], [[2.0, 3.0, np.inf], [9.0, 1.0, 9.0]], 1e-4, False),
    ],
)
def test_decisions_are_the_same(control, q_factors, tolerance, same):
    assert decisions.agreement(decision(control, q_factors), decision([1, 2], Q), tolerance).same is same


def test_joint_steps_are_those_of_different_joint_controls():
    assert decisions.joint_steps(decision([1, 2], Q)) == 3 + 2 + 2 + 1
    both = decision([[1, 2]] * 2, [Q, Q], base=[[0, 0], [1, 2]])
    np.testing.assert_array_equal(decisions.joint_steps(both), [8, 3 + 2 + 2 + 2])


def test_a_decision_that_is_not_that_of_a_cpu_is_an_error(monkeypatch, tmp_path, capsys):
    published_in(monkeypatch, tmp_path)
    monkeypatch.setattr(
        steps, "most", lambda *_: steps.Most(chip.Rates(1, 1), chip.Work(1, 1), chip.Limit(1, "memory"))
    )
    monkeypatch.setattr(steps, "measure", lambda *_: [{"spiders, flies, grid": "3, 3, 5", "left out": "said"}])
    row = {"spiders, flies, grid": "3, 3, 5", "states": 1, "as on a CPU": "no: 1 of 2"}
    monkeypatch.setattr(decisions, "measure", lambda *_: [row])
    with pytest.raises(SystemExit, match="not those of a CPU"):
        accelerator.main(plan=plans.Plan(teams=(SMALL,)))
    assert "no: 1 of 2" in (tmp_path / "benchmarks.md").read_text()  # published all the same
    assert "No accelerator was found: all of this ran on the CPU." in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("accelerator growth", "accelerator runs alone"),
        ("growth --minutes 3", "--minutes 3: give a number above 0, to accelerator alone"),
        ("accelerator --minutes 0", "--minutes 0: give a number above 0"),
    ],
)
def test_the_command_refuses_what_cannot_be(given, says, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["benchmarks", *given.split()])
    with pytest.raises(SystemExit):
        command.main()
    assert says in capsys.readouterr().err


@pytest.mark.parametrize(("before", "after"), [("cuda", "cuda,cpu"), ("cpu", "cpu"), ("", "")])
def test_the_cpu_is_kept_beside_the_accelerator(before, after, monkeypatch):
    monkeypatch.setenv("JAX_PLATFORMS", before)
    monkeypatch.setenv("JAX_ENABLE_COMPILATION_CACHE", "true")
    _one_core.use_the_accelerator()
    assert os.environ["JAX_PLATFORMS"] == after
    assert os.environ["JAX_ENABLE_COMPILATION_CACHE"] == "false"


def published_in(monkeypatch, folder):
    monkeypatch.setattr(_results, "RESULTS", folder)
    monkeypatch.setattr(_results, "DOCS", folder)
    (folder / "benchmarks.md").write_text("Benchmarks.\n")


@pytest.mark.slow
def test_all_of_it_runs_small(monkeypatch, tmp_path, capsys):
    """With a row that is left out for want of time, and programs of an accelerator that a CPU's confirm."""
    published_in(monkeypatch, tmp_path)
    monkeypatch.setattr(chip, "SECONDS", 0.001)
    monkeypatch.setattr(plans, "PATIENCE", 0.01)
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    monkeypatch.setattr(steps, "WORTHWHILE", 1e9)  # one number of lanes will do
    small = plans.Plan(teams=(SMALL,), states=(1, 3, 10**9), lanes=(16, 32), stages=2, array_bytes=2**10)
    accelerator.main(plan=small)
    rows = json.loads((tmp_path / "accelerator_decisions.json").read_text())["rows"]
    assert [row["states"] for row in rows] == [1, 3, 10**9]
    assert [row.get("as on a CPU") for row in rows] == ["1 of 1", "2 of 2", None]
    assert [row.get("discounted, as on a CPU", "")[:6] for row in rows] == ["1 of 1", "2 of 2", ""]
    assert "s expected" in rows[2]["left out"]
    assert all(row["decisions/s"] > 0 and row["share of the limit"] > 0 for row in rows[:2])
    assert rows[0]["tracing, s"] > 0
    assert rows[0]["compiling, s"] > 0
    (speed,) = json.loads((tmp_path / "accelerator_steps.json").read_text())["rows"]
    assert speed["million joint steps/s"] > 0
    assert speed["bound by"] in ("operations", "memory")
    page = (tmp_path / "benchmarks.md").read_text()
    assert "No accelerator was found" in page
    assert "<!-- bench:accelerator_decisions -->" in page
    shown = capsys.readouterr().err
    assert "decisions, 3, 3, 5, 3 at once" in shown
    assert "left out" in shown
