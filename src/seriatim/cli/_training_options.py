"""Options of `seriatim train`, and the records that they fill.

The defaults equal those of the trainers and networks that are made from these options; a test compares them.
"""

import dataclasses

import click

from seriatim.cli._option_types import above_zero, count, default_of, from_zero, group, layers, shared

# Default steps of a training whose trainer sets no number, and steps between its checkpoints.
STEPS = 1000
CHECKPOINT_EVERY = 100


@dataclasses.dataclass(frozen=True)
class Network:
    """The network of an agent."""

    hidden: tuple[int, ...] = (64, 64)
    memory: int = 0
    shared: bool = True


network = group(
    Network,
    "network",
    [
        layers(Network),
        count(Network, "--memory", 0, "Numbers that an agent remembers, in a gated recurrent unit."),
        shared(Network),
    ],
)


@dataclasses.dataclass(frozen=True)
class Gradient:
    """The settings of the policy gradient: how it is estimated and followed."""

    estimator: str = "leave-one-out"
    batch: int = 64
    horizon: int = 40
    learning_rate: float = 3e-3
    num_samples: int = 4
    temperature: float = 1.0
    entropy: float = 0.0
    through_observations: bool = False


gradient = group(
    Gradient,
    "gradient",
    [
        click.option(
            "--estimator",
            default=default_of(Gradient, "--estimator"),
            show_default=True,
            metavar="NAME",
            help="score-function, leave-one-out, straight-through, straight-through-gumbel-softmax, gumbel-rao; "
            "gumbel-softmax (models that take soft controls).",
        ),
        count(Gradient, "--batch", 1, "Trajectories of a step."),
        count(Gradient, "--horizon", 1, "Stages of a trajectory; what comes later counts nothing."),
        above_zero(Gradient, "--learning-rate", "Of Adam."),
        count(
            Gradient, "--num-samples", 1, "Trajectories of one start (leave-one-out); draws of the noise (gumbel-rao)."
        ),
        above_zero(Gradient, "--temperature", "Of relaxed choices."),
        from_zero(Gradient, "--entropy", "Weight of the agents' entropy, which keeps choices open."),
        click.option(
            "--through-observations",
            is_flag=True,
            help="Also differentiate what agents see; more variance, less bias.",
        ),
    ],
)


@dataclasses.dataclass(frozen=True)
class Classifier:
    """The networks of a policy classifier and of its value."""

    hidden: tuple[int, ...] = (64, 64)
    entities: int = 32
    shared: bool = True


classifier = group(
    Classifier,
    "classifier",
    [
        layers(Classifier),
        count(
            Classifier,
            "--entities",
            1,
            "Size of the vector that pools entities, where the model's features have any.",
        ),
        shared(Classifier),
    ],
)


@dataclasses.dataclass(frozen=True)
class Iteration:
    """The settings of approximate policy iteration."""

    iterations: int = 3
    states: int = 4096
    rounds: int = 2
    noise: float = 0.1
    temperature: float = 0.0
    passes: int = 20
    episodes: int = 400
    horizon: int = 400
    on: str = "cores"


iteration = group(
    Iteration,
    "iteration",
    [
        count(
            Iteration,
            "--iterations",
            1,
            "Policies to make, one from the other; fewer if nothing is gained any more.",
        ),
        count(Iteration, "--states", 10, "States labelled in an iteration."),
        count(
            Iteration, "--rounds", 1, "In which they are labelled; all but the first at states the networks come to."
        ),
        from_zero(Iteration, "--noise", "Chance of a stage, on the way to those states, that an agent strays."),
        from_zero(Iteration, "--temperature", "Of soft targets, in units of cost; 0: the controls chosen."),
        count(Iteration, "--passes", 1, "How often a label is used in fitting."),
        count(Iteration, "--episodes", 2, "Episodes that compare each policy with the one before."),
        count(Iteration, "--horizon", 1, "Stages after which an episode is cut."),
        click.option(
            "--on",
            default=default_of(Iteration, "--on"),
            show_default=True,
            metavar="WHERE",
            help="Who makes labels, plays episodes and fits regions: cores (of this process), devices, ray (processes "
            "on this machine), ray=ADDRESS (a cluster). It changes no number.",
        ),
    ],
)


@dataclasses.dataclass(frozen=True)
class Loop:
    """How long training goes on, and where it is kept; None leaves a number to the trainer."""

    max_seconds: float | None = None
    run: str | None = None
    resume: bool = False
    steps: int | None = None
    checkpoint_every: int | None = None


_KEEPING = [
    above_zero(Loop, "--max-seconds", "Stop when so much time is up.  [default: no limit]", "SECONDS"),
    click.option("--run", metavar="DIR", help="Where all is kept.  [default: runs/MODEL-WAY-SEED]"),
    click.option("--resume", is_flag=True, help="Go on with the run."),
]

training_loop = group(
    Loop,
    "training_loop",
    [
        count(Loop, "--steps", 1, "Steps in all, those before a --resume included.", STEPS),
        count(Loop, "--checkpoint-every", 1, "Steps between checkpoints.", CHECKPOINT_EVERY),
        *_KEEPING,
    ],
)

iteration_loop = group(Loop, "iteration_loop", _KEEPING)
