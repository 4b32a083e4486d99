"""Peak memory of deciding many states of a large team, in a process of its own.

The reference is the same process doing everything but the decision: JAX loaded, the states drawn.
"""

import os
import resource
import subprocess
import sys
from pathlib import Path

from benchmarks._results import ROOT, Row, publish

# A short horizon: stages follow one another in the same memory, so more of them only take longer.
SPIDERS, STATES, SIDE, HORIZON = 200, 256, 73, 3
MEGABYTE = 2**20
COLUMNS = {"what": "", "peak, MB": ",.0f", "seconds": ",.1f"}
TITLES = {"start": "states drawn", "decide": f"{STATES} states of {SPIDERS} spiders decided"}


def _peak(what: str) -> Row:
    """Run one part in a fresh process; return its peak resident memory and its time."""
    command = [sys.executable, "-m", "benchmarks.memory", what]
    done = subprocess.run(command, cwd=ROOT, env=os.environ, capture_output=True, text=True, check=True)
    peak, seconds = done.stdout.split()
    return {"what": TITLES[what], "peak, MB": float(peak), "seconds": float(seconds)}


def _part(what: str) -> None:
    """Do one part, and print the peak in megabytes and the seconds."""
    import time

    import jax

    import seriatim as st
    from seriatim.problems import SpidersAndFlies

    begin = time.perf_counter()
    model = SpidersAndFlies(spiders=SPIDERS, flies=SPIDERS, width=SIDE, height=SIDE)
    keys = jax.random.split(jax.random.key(0), STATES)
    states = jax.block_until_ready(jax.vmap(model.initial_state)(keys))
    if what == "decide":
        planner = st.OneAtATimeRollout(model, model.base_policy(), st.Simulation(horizon=HORIZON))
        jax.block_until_ready(st.decide_many(planner, states, keys))
    print(_peak_megabytes(), time.perf_counter() - begin)


def _peak_megabytes() -> float:
    """Return the peak of this process alone; what `getrusage` says on Linux may be that of the process it came from."""
    status = Path("/proc/self/status")
    if status.exists():
        lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return float(lines["VmHWM"].split()[0]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / MEGABYTE


def measure() -> list[Row]:
    return [_peak(what) for what in TITLES]


def main(*, redraw: bool = False) -> None:
    publish("memory", COLUMNS, measure, redraw=redraw)


if __name__ == "__main__":
    _part(sys.argv[1])
