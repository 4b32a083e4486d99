"""The commands, and the promise of their exit statuses.

0: done. 2: a mistake of the user's, in one sentence on standard error. 1: a fault of ours, with a traceback.
130: stopped by Ctrl-C. 141: whoever read the output went away.

What a command needs is imported in its body, so that `seriatim --help` does not wait for JAX.
"""

import sys
import time
import warnings
from collections.abc import Sequence
from typing import Any

import click

from seriatim.cli import _completion, _faults, _interruptions, _option_types, _options, _training_options
from seriatim.cli._options import Planning, Problem

MODEL_HELP = f"""
    MODEL is a built-in name ({", ".join(_completion.MODELS)}), a problem file (.pomdp,
    .dpomdp, .mdp, .pomdpx; policies see its state), or path/to/file.py:name, where the name is a model, or a class or
    function that makes one. Fields to --set are those of the model, or the parameters of what makes it; an unknown one
    lists them.
    """


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status.

    Args:
        arguments: those of the command line; by default, the process's own. In that case the process ends here, if
            Ctrl-C has interrupted the command.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    _faults.survive_odd_streams()
    with _interruptions.listening() as interruptions:
        status = _status(given)
    if interruptions.heard and arguments is None:
        _interruptions.end_at_once(status)
    return status


def _status(given: list[str]) -> int:
    """Run a command, and say what went wrong."""
    path = list(sys.path)
    with warnings.catch_warnings():
        warnings.showwarning = _faults.show_warning
        try:
            return commands.main(given, prog_name="seriatim", standalone_mode=False) or 0
        except BaseException as error:
            return _faults.report(error, with_traceback="--traceback" in given)
        finally:
            # Loading a model makes its folder importable, for as long as the command runs.
            sys.path[:] = path


@click.group(invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="seriatim", message="%(prog)s %(version)s")
@click.pass_context
def commands(context: click.Context) -> None:
    """Bring a simulator of a team and a heuristic; get a better team policy, one agent at a time.

    \b
    seriatim compare spiders-and-flies              how much better is rollout than the heuristic?
    seriatim run spiders-and-flies --save e.html    watch one episode, keep its picture
    seriatim check my_model.py:MyModel              is my model lawful?
    seriatim solve spiders-on-a-line                how far from the optimum is it, exactly?
    seriatim train policy-gradient MODEL            descend the gradient instead, and keep the run
    seriatim runs                                   what was trained, and how far it came
    """
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


def _prepare() -> None:
    from seriatim.cli import _jax

    _jax.prepare()


@commands.command(epilog=MODEL_HELP)
@_options.problem
@click.option(
    "--policies",
    default="base,one-at-a-time",
    show_default=True,
    metavar="NAMES",
    shell_complete=_completion.policies,
    help="Of base, standard, one-at-a-time, signalling-base, signalling-learned (with --signal), optimal (finite "
    "models), what a file defines (file.py:name, or a name in the model's own file), and what a run trained (its "
    "directory). The first is the "
    "reference.",
)
@click.option(
    "--episodes",
    default=100,
    show_default=True,
    metavar="N",
    type=str,
    callback=_option_types.whole_number(1),
    help="Episodes that each policy plays.",
)
@_options.horizon
@_options.planning
def compare(problem: Problem, planning: Planning, policies: str, episodes: int, horizon: int | None) -> None:
    """Compare policies on the same episodes.

    Printed are mean costs, and differences to the first policy, paired episode by episode.
    """
    _prepare()
    from seriatim.cli import _compare

    _compare.compare(problem, planning, policies=policies, episodes=episodes, horizon=horizon)


@commands.command(epilog=MODEL_HELP)
@_options.problem
@click.option(
    "--policy",
    default="one-at-a-time",
    show_default=True,
    metavar="NAME",
    shell_complete=_completion.policies,
    help="As in compare --policies.",
)
@_options.horizon
@_options.planning
@click.option(
    "--budget-ms",
    metavar="MS",
    callback=_option_types.number_above_zero,
    help="Decide within so many milliseconds (one-at-a-time, standard), and say how punctually.  [default: no limit]",
)
@click.option("--save", metavar="FILE", help="Save the episode as a picture: .html (play, pause, step) or .svg.")
@click.option("--watch/--no-watch", default=None, help="Show the stages as they are played.  [default: in a terminal]")
@click.option(
    "--delay",
    default=0.1,
    show_default=True,
    metavar="SECONDS",
    type=str,
    callback=_option_types.number_from_zero,
    help="Least time for which each stage is shown.",
)
def run(problem: Problem, planning: Planning, **settings: Any) -> None:
    """Play one episode and watch it.

    It is the first of those that compare plays under the same seed.
    """
    _prepare()
    from seriatim.cli import _run

    _run.run(problem, planning, **settings)


@commands.command(epilog=MODEL_HELP)
@_options.problem
def check(problem: Problem) -> None:
    """Check the laws of a model, and of its base policy."""
    _prepare()
    from seriatim.cli import _check

    _check.check(problem)


@commands.command(epilog=MODEL_HELP)
@_options.problem
@_options.stages
@click.option(
    "--tolerance",
    default=1e-6,
    show_default=True,
    metavar="COST",
    type=str,
    callback=_option_types.number_above_zero,
    help="How near the optimum the costs are.",
)
@click.option(
    "--max-seconds",
    default=60.0,
    show_default=True,
    metavar="S",
    type=str,
    callback=_option_types.number_above_zero,
    help="What was found when they are over, counted from the start, is printed; reading counts too.",
)
def solve(problem: Problem, horizon: int | None, tolerance: float, max_seconds: float) -> None:
    """Solve a finite model exactly.

    The optimum, the base policy, one-at-a-time rollout of it with exact Q-factors, and the agent-by-agent optimal
    policy that repeating this leads to. Of a problem file also what it costs not to see the state. With --horizon, the
    problem of so many stages is solved, stage by stage.
    """
    latest = time.monotonic() + max_seconds
    _prepare()
    from seriatim.cli import _solve

    _solve.solve(problem, horizon=horizon, tolerance=tolerance, latest=latest)


@commands.group()
def train() -> None:
    """Train a policy off-line, in a directory that keeps all of it.

    Ctrl-C stops it with everything kept; --resume goes on as if it had never stopped.
    """


@train.command("policy-gradient", epilog=MODEL_HELP)
@_options.problem_without_base
@_training_options.network
@_training_options.gradient
@_training_options.training_loop
def policy_gradient(
    problem: Problem,
    network: _training_options.Network,
    gradient: _training_options.Gradient,
    training_loop: _training_options.Loop,
) -> None:
    """Descend the expected cost of a team of networks, each of which sees what one agent sees.

    No guarantee comes with the result: compare it, or put a rollout on top of it (--base).
    """
    _prepare()
    from seriatim.cli import _train

    _train.policy_gradient(problem, network, gradient, training_loop)


@train.command("policy-iteration", epilog=MODEL_HELP)
@_options.problem
@_options.labelling
@_training_options.classifier
@_training_options.iteration
@_training_options.iteration_loop
def policy_iteration(
    problem: Problem,
    labelling: Planning,
    classifier: _training_options.Classifier,
    iteration: _training_options.Iteration,
    iteration_loop: _training_options.Loop,
) -> None:
    """Improve the base policy by rollout, imitate the result with networks, and go on from there.

    Every policy is compared with the one before and with the base on the same episodes; the best is kept. With
    --simulation-horizon, simulations of networks end so early, and a value network that is trained beside says what the
    rest costs; the heuristic's are always played to the end.
    """
    _prepare()
    from seriatim.cli import _train

    _train.policy_iteration(problem, labelling, classifier, iteration, iteration_loop)


@commands.command()
@click.argument("places", nargs=-1, metavar="[DIR]...")
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True)
@click.option("--plot", metavar="FILE", help="Save learning curves as .svg, .png or .pdf.")
@click.option("--traceback", is_flag=True, expose_value=False, help="Show where an error came from.")
def runs(places: tuple[str, ...], form: str, plot: str | None) -> None:
    """List runs, or directories of runs; by default those in runs/.

    Several runs that are named, by their directories or by their names in runs/, are also compared: the settings that
    differ, and all metrics.
    """
    _prepare()
    from seriatim.cli import _runs

    _runs.runs(places, form=form, plot=plot)
