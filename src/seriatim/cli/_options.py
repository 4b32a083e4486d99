"""Options that commands share, and the records they arrive in.

Nothing here may import JAX, numpy or rich: `seriatim --help` must not wait for them.
"""

import dataclasses
import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import click

from seriatim._errors import InputError
from seriatim.cli import _completion

# A larger seed would lose its upper bits in a key of two 32-bit words.
LARGEST_SEED = 2**32 - 1

# Stages of an episode, where neither the user nor the model says.
HORIZON = 400

# Counts are 32-bit numbers where programs are compiled.
MOST = 2**31 - 1

Command = Callable[..., Any]


@dataclasses.dataclass(frozen=True)
class Problem:
    """What is solved: the model, the fields set, the base policy; and how the answer is given."""

    model: str
    assignments: tuple[str, ...]
    seed: int
    form: str
    base: str | None = None


@dataclasses.dataclass(frozen=True)
class Planning:
    """How planners work; None leaves it to them."""

    samples: int | None
    simulation_horizon: int | None
    significance: float | None
    order: Any
    lookahead: int | None = None
    signal: str | None = None
    value: str | None = None


@dataclasses.dataclass(frozen=True)
class Network:
    """The network of an agent."""

    hidden: tuple[int, ...]
    memory: int
    shared: bool


@dataclasses.dataclass(frozen=True)
class Gradient:
    """How a policy gradient is estimated and followed."""

    estimator: str
    batch: int
    horizon: int
    learning_rate: float
    num_samples: int
    temperature: float
    entropy: float
    through_observations: bool


@dataclasses.dataclass(frozen=True)
class Classifier:
    """The networks of a policy classifier and of its value."""

    hidden: tuple[int, ...]
    entities: int
    shared: bool


@dataclasses.dataclass(frozen=True)
class Iteration:
    """How policies are iterated."""

    iterations: int
    states: int
    rounds: int
    noise: float
    temperature: float
    passes: int
    episodes: int
    horizon: int
    on: str


@dataclasses.dataclass(frozen=True)
class Loop:
    """How long training goes on, and what is kept; None: as the trainer says."""

    max_seconds: float | None
    run: str | None
    resume: bool
    steps: int | None = None
    checkpoint_every: int | None = None


def whole_number(lowest: int, largest: int = MOST) -> Callable[..., int | None]:
    """Return a callback that reads a whole number in a range."""

    def read(_: click.Context, parameter: click.Parameter, value: Any) -> int | None:
        if value is None:
            return None
        try:
            number = int(str(value))
        except ValueError:
            number = lowest - 1
        if not lowest <= number <= largest:
            up_to = "up" if number < lowest and largest == MOST else f"to {largest}"
            raise InputError(f"{parameter.opts[0]} {value}: give a whole number from {lowest} {up_to}.")
        return number

    return read


def number_from_zero(_: click.Context, parameter: click.Parameter, value: Any) -> float | None:
    """Read a number from 0 up, or none."""
    if value is None:
        return None
    number = _number(value)
    if not 0 <= number < math.inf:
        raise InputError(f"{parameter.opts[0]} {value}: give a number from 0 up.")
    return number


def number_above_zero(_: click.Context, parameter: click.Parameter, value: Any) -> float | None:
    """Read a number above 0, or none."""
    if value is None:
        return None
    number = _number(value)
    if not 0 < number < math.inf:
        raise InputError(f"{parameter.opts[0]} {value}: give a number above 0.")
    return number


def _number(value: Any) -> float:
    try:
        return float(value)
    except ValueError:
        return math.nan


def read_order(_: click.Context, parameter: click.Parameter, value: str | None) -> Any:
    """Read `random`, `optimised`, or agents in their turn as in `2,0,1`."""
    if value in (None, "random", "optimised"):
        return value
    try:
        return tuple(int(agent) for agent in str(value).split(","))
    except ValueError:
        expected = "random, optimised, or the agents in their turn, as in 2,0,1"
        raise InputError(f"{parameter.opts[0]} {value}: give {expected}.") from None


def read_sizes(_: click.Context, parameter: click.Parameter, value: str) -> tuple[int, ...]:
    """Read sizes of layers as in `64,64`."""
    try:
        sizes = tuple(int(size) for size in value.split(",") if size.strip())
    except ValueError:
        sizes = (0,)
    if min(sizes, default=1) < 1:
        raise InputError(f"{parameter.opts[0]} {value}: give the sizes of the layers, as in 64,64.")
    return sizes


def grouped(
    into: type[Any], name: str, options: Sequence[Callable[[Command], Command]]
) -> Callable[[Command], Command]:
    """Give a command some options, which arrive together as one record."""

    def decorate(command: Command) -> Command:
        @functools.wraps(command)
        def call(**given: Any) -> Any:
            names = [field.name for field in dataclasses.fields(into) if field.name in given]
            record = into(**{name: given.pop(name) for name in names})
            return command(**given, **{name: record})

        # Decorators apply from the last to the first, so that help lists the options in the order given.
        decorated: Command = call
        for option in reversed(options):
            decorated = option(decorated)
        return decorated

    return decorate


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

problem = grouped(Problem, "problem", [*_MODEL, _BASE, *_ANSWER])

problem_without_base = grouped(Problem, "problem", [*_MODEL, *_ANSWER])

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
        callback=read_order,
        help="Agents' turns: random, optimised (one-at-a-time only), or as in 2,0,1.  [default: 0,1,...]",
    ),
]

planning = grouped(
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

labelling = grouped(Planning, "labelling", _LABELLING)

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

network = grouped(
    Network,
    "network",
    [
        click.option(
            "--hidden", default="64,64", show_default=True, metavar="N,N", callback=read_sizes, help="Sizes of layers."
        ),
        click.option(
            "--memory",
            default=0,
            show_default=True,
            metavar="N",
            type=str,
            callback=whole_number(0),
            help="Numbers that an agent remembers, in a gated recurrent unit.",
        ),
        click.option(
            "--shared/--separate", default=True, show_default=True, help="Whether agents have the same parameters."
        ),
    ],
)


def _count(option: str, lowest: int, default: int, meaning: str) -> Callable[[Command], Command]:
    read = whole_number(lowest)
    return click.option(option, default=default, show_default=True, metavar="N", type=str, callback=read, help=meaning)


def _positive(option: str, default: float | None, meaning: str, unit: str = "X") -> Callable[[Command], Command]:
    shown = default is not None
    return click.option(
        option, default=default, show_default=shown, metavar=unit, type=str, callback=number_above_zero, help=meaning
    )


gradient = grouped(
    Gradient,
    "gradient",
    [
        click.option(
            "--estimator",
            default="leave-one-out",
            show_default=True,
            metavar="NAME",
            help="score-function, leave-one-out, straight-through, straight-through-gumbel-softmax, gumbel-rao; "
            "gumbel-softmax (models that take soft controls).",
        ),
        _count("--batch", 1, 64, "Trajectories of a step."),
        _count("--horizon", 1, 40, "Stages of a trajectory; what comes later counts nothing."),
        _positive("--learning-rate", 3e-3, "Of Adam."),
        _count("--num-samples", 1, 4, "Trajectories of one start (leave-one-out); draws of the noise (gumbel-rao)."),
        _positive("--temperature", 1.0, "Of relaxed choices."),
        click.option(
            "--entropy",
            default=0.0,
            show_default=True,
            metavar="X",
            type=str,
            callback=number_from_zero,
            help="Weight of the agents' entropy, which keeps choices open.",
        ),
        click.option(
            "--through-observations",
            is_flag=True,
            help="Also differentiate what agents see; more variance, less bias.",
        ),
    ],
)

classifier = grouped(
    Classifier,
    "classifier",
    [
        click.option(
            "--hidden", default="64,64", show_default=True, metavar="N,N", callback=read_sizes, help="Sizes of layers."
        ),
        _count("--entities", 1, 32, "Size of the vector that pools entities, where the model's features have any."),
        click.option(
            "--shared/--separate", default=True, show_default=True, help="Whether agents have the same parameters."
        ),
    ],
)


def _from_zero(option: str, default: float, meaning: str) -> Callable[[Command], Command]:
    return click.option(
        option, default=default, show_default=True, metavar="X", type=str, callback=number_from_zero, help=meaning
    )


iteration = grouped(
    Iteration,
    "iteration",
    [
        _count("--iterations", 1, 3, "Policies to make, one from the other; fewer if nothing is gained any more."),
        _count("--states", 10, 4096, "States labelled in an iteration."),
        _count("--rounds", 1, 2, "In which they are labelled; all but the first at states the networks come to."),
        _from_zero("--noise", 0.1, "Chance of a stage, on the way to those states, that an agent strays."),
        _from_zero("--temperature", 0.0, "Of soft targets, in units of cost; 0: the controls chosen."),
        _count("--passes", 1, 20, "How often a label is used in fitting."),
        _count("--episodes", 2, 400, "Episodes that compare each policy with the one before."),
        _count("--horizon", 1, 400, "Stages after which an episode is cut."),
        click.option(
            "--on",
            default="cores",
            show_default=True,
            metavar="WHERE",
            help="Who makes labels, plays episodes and fits regions: cores (of this process), devices, ray (processes "
            "on this machine), ray=ADDRESS (a cluster). It changes no number.",
        ),
    ],
)

_KEEPING = [
    _positive("--max-seconds", None, "Stop when so much time is up.  [default: no limit]", "SECONDS"),
    click.option("--run", metavar="DIR", help="Where all is kept.  [default: runs/MODEL-WAY-SEED]"),
    click.option("--resume", is_flag=True, help="Go on with the run."),
]

training_loop = grouped(
    Loop,
    "training_loop",
    [
        _count("--steps", 1, 1000, "Steps in all, those before a --resume included."),
        _count("--checkpoint-every", 1, 100, "Steps between checkpoints."),
        *_KEEPING,
    ],
)

iteration_loop = grouped(Loop, "iteration_loop", _KEEPING)
