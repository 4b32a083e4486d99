"""`seriatim train`: off-line training of a policy, in a run that can be interrupted, resumed and used.

The ways to train differ only in the trainer they make.
"""

import dataclasses
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np
from rich.text import Text

import seriatim as st
from seriatim._errors import InputError
from seriatim.cli._faults import INTERRUPTED, exit_with, say
from seriatim.cli._load import Loaded, load
from seriatim.cli._options import Planning, Problem
from seriatim.cli._output import console, described, plural, print_json, print_table, with_errors
from seriatim.cli._policies import base_policy, require_lawful, schedule, significance
from seriatim.cli._progress import Show, progress
from seriatim.cli._training_options import Classifier, Gradient, Iteration, Loop, Network

# Labels that are made between two checkpoints.
PART = 1024
# So many first and last steps are averaged, to report the cost at the beginning and at the end.
SHOWN = 20


# Makes a trainer, and the number of its steps, from the loaded model and a key.
Make = Callable[[Any, Any], tuple[Any, int]]


def policy_gradient(problem: Problem, network: Network, gradient: Gradient, loop: Loop) -> None:
    """Train by a policy gradient, and print the result."""
    parts = {"network": dataclasses.asdict(network), "settings": dataclasses.asdict(gradient)}

    def make(loaded: Loaded, key: Any) -> tuple[Any, int]:
        training = training_part()
        policy = st.networks.decentralised_policy(loaded.model, key, **parts["network"])
        return training.PolicyGradient(policy, **parts["settings"]), loop.steps or 1

    _train("policy-gradient", gradient.estimator, parts, make, problem, loop)


def policy_iteration(
    problem: Problem, labelling: Planning, classifier: Classifier, iteration: Iteration, loop: Loop
) -> None:
    """Train by approximate policy iteration, and print the result."""
    network, settings = dataclasses.asdict(classifier), dataclasses.asdict(iteration)
    of_rollout = {name: getattr(labelling, name) for name in ("samples", "simulation_horizon", "significance", "order")}
    iterations, passes, on = (settings.pop(name) for name in ("iterations", "passes", "on"))
    workers = _workers(on)

    def make(loaded: Loaded, key: Any) -> tuple[Any, int]:
        training = training_part()
        base = require_lawful(base_policy(loaded, problem.base), loaded, key)
        for_policy, for_value = jax.random.split(key)
        sizes = {name: network[name] for name in ("hidden", "entities")}
        cut = labelling.simulation_horizon
        long = st.Simulation(num_samples=labelling.samples)
        trainer = training.PolicyIteration(
            loaded.model,
            base,
            st.networks.policy_classifier(loaded.model, for_policy, **network),
            None if cut is None else st.networks.value_network(loaded.model, for_value, **sizes),
            long if cut is None else st.Simulation(horizon=cut, num_samples=labelling.samples),
            first_simulation=long,
            **significance(labelling),
            schedule=schedule(labelling.order),
            part=min(PART, settings["states"]),
            fitting=training.Fitting(passes=passes),
            on=workers,
            **settings,
        )
        return trainer, trainer.steps(iterations)

    parts = {"base": problem.base, "network": network, "settings": settings | {"passes": passes}, "rollout": of_rollout}
    _train("policy-iteration", "policy-iteration", parts, make, problem, loop)


def _workers(where: str) -> Any:
    """Read where work is done: `cores`, `devices`, `ray` or `ray=ADDRESS`."""
    known: dict[str, Callable[[], Any]] = {
        "cores": lambda: None,
        "devices": st.parallel.Devices,
        "ray": st.parallel.Ray,
    }
    if where in known:
        return known[where]()
    if where.startswith("ray=") and len(where) > len("ray="):
        return st.parallel.Ray(address=where.removeprefix("ray="))
    raise InputError(f"--on {where}: give cores, devices, ray, or ray=ADDRESS of a cluster.")


def _train(kind: str, way: str, parts: Mapping[str, Any], make: Make, problem: Problem, loop: Loop) -> None:
    """Train in a run.

    Args:
        kind: the command.
        way: the part of a run's name beside the model and the seed.
        parts: the settings beside the model; they are kept, and must be the same when the run is resumed.
        make: makes the trainer.
        problem: the model.
        loop: how long training goes on, and where it is kept.
    """
    training = training_part()
    with progress() as show:
        show("checking the model")
        loaded = load(problem)
        st.check_model(loaded.model, jax.random.key(problem.seed), quick=True).raise_if_broken()
        show("checking the model", 1, 1)
        keys = jax.random.split(jax.random.key(problem.seed))
        trainer, steps = make(loaded, keys[0])
        config = _config(kind, problem, loaded, parts)
        run = _run(training, config, _place(loop.run, problem, way), resume=loop.resume)
        show("training", 0, steps)
        trained = training.train(
            trainer,
            keys[1],
            steps=steps,
            run=run,
            resume=loop.resume,
            checkpoint_every=loop.checkpoint_every,
            max_seconds=loop.max_seconds,
            progress=_shown(show),
        )
    _report(problem, loaded, run, trained)
    if not trained.finished:
        say(f"stopped after {plural(trained.step, 'step')}; the same command with --resume goes on from there.")
    if trained.interrupted:
        exit_with(INTERRUPTED)


def training_part() -> Any:
    """Return `seriatim.training`, which needs packages that may be missing."""
    try:
        return st.training
    except ImportError as error:
        raise InputError(f"{error}.") from error


def _config(kind: str, problem: Problem, loaded: Loaded, parts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings as JSON will give them back when they are read: tuples become lists."""
    model = {"model": loaded.name, "set": sorted(problem.assignments), "seed": problem.seed}
    config: dict[str, Any] = json.loads(json.dumps({"kind": kind, **model, **parts}))
    return config


def _place(given: str | None, problem: Problem, way: str) -> Path:
    if given is not None:
        return Path(given)
    model = Path(problem.model.partition(":")[0]).stem
    return Path("runs") / f"{model}-{way}-{problem.seed}"


def _run(training: Any, config: dict[str, Any], place: Path, *, resume: bool) -> Any:
    """Make the run or, with `resume`, open it again and require the same settings."""
    # A blank run is left by a process that was killed while it made the directory. It is made anew.
    if not resume or training.Run(place).is_blank:
        try:
            return training.Run.create(place, config)
        except InputError as error:
            advice = "resume it, or give another directory"
            raise InputError(str(error).replace(advice, "go on with --resume, or give another --run DIR")) from None
    run = training.Run.open(place)
    _require_the_same(place, _flat(run.config), _flat(config))
    return run


def _flat(config: Mapping[str, Any]) -> dict[str, Any]:
    """Put nested settings, such as those of the network, beside the others, under their own names."""
    nested = {name: entry for part in config.values() if isinstance(part, Mapping) for name, entry in part.items()}
    return {name: entry for name, entry in config.items() if not isinstance(entry, Mapping)} | nested


def _require_the_same(place: Path, before: dict[str, Any], now: dict[str, Any]) -> None:
    for name in {**before, **now}:
        if before.get(name) != now.get(name):
            raise InputError(
                f"--resume: {place} was started with {name} {before.get(name)!r}, not {now.get(name)!r}; give the same "
                "settings, or start another --run DIR."
            )


def _shown(show: Show) -> Any:
    """Return a function that shows the steps done and the cost of the last one."""
    return lambda done, steps, means: show("training", done, steps, _cost(means))


def _cost(means: Mapping[str, float]) -> str:
    if "cost" not in means:
        return ""
    error = f" ± {means['cost_error']:.2g}" if "cost_error" in means else ""
    return f"cost {means['cost']:.4g}{error}"


def _report(problem: Problem, loaded: Loaded, run: Any, trained: Any) -> None:
    metrics = run.metrics()
    if problem.form == "json":
        last = {name: float(np.mean(column)) for name, column in at_the_end(metrics).items()}
        head = {"model": loaded.name, "fields": loaded.fields, "seed": problem.seed, "run": str(run.path)}
        print_json({**head, "steps": trained.step, "finished": trained.finished, "last": last})
        return
    out = console()
    out.print(Text(described(loaded.name, loaded.fields), style="bold"))
    out.print(f"{plural(trained.step, 'step')}, seed {problem.seed}, kept in {run.path}")
    if "iteration" in metrics:
        _print_iterations(metrics)
    elif "cost" in metrics:
        _print_costs(metrics)
    if run.config["kind"] == "policy-iteration" and "iteration" not in metrics:
        return  # no policy is trained yet
    fields = "".join(f" --set {assignment}" for assignment in problem.assignments)
    fields += "" if problem.base is None else f" --base {problem.base}"
    # The command stands in one line, however long, so that it can be copied.
    out.print(Text(f"\nseriatim compare {problem.model}{fields} --policies base,{run.path}"), soft_wrap=True)


def _names(metrics: Mapping[str, Any]) -> list[str]:
    return [name for name in metrics if name not in ("step", "seconds")]


def at_the_end(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Return the end of each column: its last steps or, for policies, which form no series, only the last one."""
    shown = 1 if "iteration" in metrics else SHOWN
    return {name: measured(metrics, name)[-shown:] for name in _names(metrics)}


def measured(metrics: Mapping[str, Any], name: str) -> Any:
    """Return a column without the steps that did not measure it."""
    return metrics[name][~np.isnan(metrics[name])]


def _print_iterations(metrics: Mapping[str, Any]) -> None:
    found = {name: [float(number) for number in measured(metrics, name)] for name in _names(metrics)}
    means = with_errors(found["cost"], found["cost_error"])
    changes, gains = (with_errors(found[name], found[f"{name}_error"]) for name in ("change", "gain"))
    rows = [
        [f"{int(number)}", mean, change, gain, f"{truncated:.0%}", f"{agreement:.0%}"]
        for number, mean, change, gain, truncated, agreement in zip(
            found["iteration"], means, changes, gains, found["truncated"], found["agreement"], strict=True
        )
    ]
    headings = ("iteration", "mean cost", "difference to\nthe one before", "difference\nto base")
    print_table((*headings, "truncated", "agrees with\nlabels"), rows)
    best = int(found["iteration"][int(np.argmin(found["cost"]))])
    console().print(f"\nThe policy of iteration {best} is kept, the best on these episodes.")


def _print_costs(metrics: Mapping[str, Any]) -> None:
    cost = metrics["cost"]
    parts = {"first": cost[:SHOWN], "last": cost[-SHOWN:]}
    errors = [
        float(np.std(part, ddof=1) / np.sqrt(len(part))) if len(part) > 1 else float("nan") for part in parts.values()
    ]
    written = with_errors([float(np.mean(part)) for part in parts.values()], errors)
    rows = [
        [f"{name} {plural(len(part), 'step')}", mean] for (name, part), mean in zip(parts.items(), written, strict=True)
    ]
    print_table(("training", "mean cost"), rows)
