"""Options of all commands that solve a problem, and the records that they fill.

Nothing here may import JAX, numpy or rich: `seriatim --help` must not wait for them.
"""

import dataclasses
from typing import Any

import click

from seriatim.cli import _completion
from seriatim.cli._option_types import group, number_from_zero, order_of_agents, whole_number

# A larger seed would lose its upper bits in a key of two 32-bit words.
LARGEST_SEED = 2**32 - 1

# Stages of an episode, if neither the user nor the model gives a number.
HORIZON = 400


@dataclasses.dataclass(frozen=True)
class Problem:
    """The problem to solve: the model, the fields set and the base policy; also the seed and the form of the answer."""

    model: str
    assignments: tuple[str, ...]
    seed: int
    form: str
    base: str | None = None


@dataclasses.dataclass(frozen=True)
class Planning:
    """The settings of planners; None leaves a setting to the planner."""

    samples: int | None
    simulation_horizon: int | None
    significance: float | None
    order: Any
    lookahead: int | None = None
    signal: str | None = None
    value: str | None = None


_MODEL = [
    click.argument("model", shell_complete=_completion.models),
    click.option(
        "--set",
        "assignments",
        multiple=True,
        metavar="KEY=VALUE",
        shell_complete=_completion.fields,
        help="Set a field of the model; may be repeated.",
    ),
]

_BASE = click.option(
    "--base",
    metavar="FILE.py:NAME|DIR",
    shell_complete=_completion.policies,
    help="Another base policy than the model's own: a policy, or a class or function whose single required "
    "parameter is `model` and that returns one; or the directory of a run.",
)

_ANSWER = [
    click.option(
        "--seed",
        default=0,
        show_default=True,
        metavar="N",
        callback=whole_number(0, LARGEST_SEED),
        type=str,
        help="The same seed gives the same output, times apart.",
    ),
    click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True),
    click.option(
        "--traceback", is_flag=True, expose_value=False, help="Show where an error in a file of yours came from."
    ),
]

problem = group(Problem, "problem", [*_MODEL, _BASE, *_ANSWER])

problem_without_base = group(Problem, "problem", [*_MODEL, *_ANSWER])

_LABELLING = [
    click.option(
        "--samples",
        metavar="N",
        callback=whole_number(1),
        help="Samples averaged for each Q-factor.  [default: 1 for a deterministic model, else 32]",
    ),
    click.option(
        "--simulation-horizon",
        metavar="N",
        callback=whole_number(1),
        help="Stages that planners simulate.  [default: to termination; 10 where a problem never ends]",
    ),
    click.option(
        "--significance",
        metavar="Z",
        callback=number_from_zero,
        help="Leave the base control only for a gain of more than Z standard errors.  [default: 1]",
    ),
    click.option(
        "--order",
        metavar="ORDER",
        callback=order_of_agents,
        help="Agents' turns: random, optimised (one-at-a-time only), or as in 2,0,1.  [default: 0,1,...]",
    ),
]

planning = group(
    Planning,
    "planning",
    [
        *_LABELLING,
        click.option(
            "--lookahead",
            metavar="N",
            callback=whole_number(1, 6),
            help="Stages that planners optimise; each more takes several times as long.  [default: 1]",
        ),
        click.option(
            "--signal",
            metavar="DIR",
            help="The run whose policy agents take for their predecessors' choices (signalling-learned), and one-at-a-"
            "time guesses with.",
        ),
        click.option(
            "--value",
            metavar="DIR",
            help="The run whose value network is the terminal cost of simulations that --simulation-horizon cuts.",
        ),
    ],
)

labelling = group(Planning, "labelling", _LABELLING)

horizon = click.option(
    "--horizon",
    metavar="N",
    callback=whole_number(1),
    help="Stages after which an episode is cut; where nothing ends a problem of discount 1, the stages that it has.  "
    f"[default: those that the model says, or else {HORIZON}]",
)

stages = click.option(
    "--horizon",
    metavar="N",
    callback=whole_number(1),
    help="Solve the problem of so many stages.  [default: those that the model says, or else no last stage]",
)
