"""Labels a second: one planner alone, threads, and processes of Ray.

One-at-a-time decisions at states of a hunt, fifteen spiders and wandering flies, 20 x 20 cells, 32 samples, in parts of
32: labels of approximate policy iteration. The bare planner is one compiled call for each part, on one core of two;
workers are threads, or processes. Two cores are needed: `python -m benchmarks workers --all-cores`.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from matplotlib.figure import Figure

import seriatim as st
from benchmarks._results import Row, publish
from seriatim.parallel import Local, Ray

MODEL = st.problems.SpidersAndFlies(15, 15, 20, 20, fly_behaviour="wander")
PLANNER = st.OneAtATimeRollout(MODEL, MODEL.base_policy(), st.Simulation(num_samples=32))
PART, STATES, REPEATS = 32, 1536, 5
COLUMNS = {"workers": "", "labels a second": ",.0f", "to the bare planner": ".2f", "to one of the kind": ".2f"}


def main(*, redraw: bool = False) -> None:
    publish("workers", COLUMNS, measure, draw=draw, redraw=redraw, page="parallel.md")


def measure() -> list[Row]:
    seconds = json.loads(_on_one_core())
    seconds["2 threads"] = _median(spread(Local(2)))
    for workers in (1, 2):
        seconds[f"{workers} Ray"] = _median(spread(Ray(workers=workers)))
        _stop_ray()
    rate = {name: STATES / each for name, each in seconds.items()}
    return [
        {
            "workers": name.replace("Ray", "process of Ray" if name[0] == "1" else "processes of Ray"),
            "labels a second": each,
            "to the bare planner": each / rate["bare planner"],
            "to one of the kind": each / rate[name.replace("2 threads", "1 thread").replace("2 Ray", "1 Ray")],
        }
        for name, each in rate.items()
    ]


def alone() -> dict[str, float]:
    """Return the seconds of the bare planner and of one thread; for a process that has one core."""
    states, keys = _given()
    bare = jax.jit(jax.vmap(PLANNER.decide))
    parts = [jax.tree.map(lambda leaf, n=n: leaf[n : n + PART], (states, keys)) for n in range(0, STATES, PART)]

    def each() -> None:
        for part in parts:
            jax.block_until_ready(bare(*part))

    return {"bare planner": _median(each), "1 thread": _median(spread(Local(1)))}


def spread(on: Any) -> Callable[[], None]:
    """Return a call that makes all labels."""
    states, keys = _given()
    return lambda: jax.block_until_ready(st.decide_many(PLANNER, states, keys, on=on))


def _given() -> tuple[Any, Any]:
    keys = jax.random.split(jax.random.key(1), STATES)
    return jax.vmap(MODEL.initial_state)(keys), keys


def _on_one_core() -> str:
    """Measure in a process that was given one core before JAX started, and counted the cores."""
    script = (
        "from benchmarks._one_core import use_one_core; use_one_core(); "
        "import json; from benchmarks.workers import alone; print(json.dumps(alone()))"
    )
    return subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout


def _median(call: Callable[[], None]) -> float:
    call()  # compiles, starts
    seconds = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - began)
    return float(np.median(seconds))


def _stop_ray() -> None:
    import ray

    ray.shutdown()


def draw(rows: list[Any]) -> Figure:
    """Labels a second of each."""
    figure = Figure(figsize=(7, 3), layout="constrained")
    axes = figure.subplots()
    axes.barh([row["workers"] for row in rows], [row["labels a second"] for row in rows])
    axes.invert_yaxis()
    axes.set_xlabel("labels a second")
    return figure
