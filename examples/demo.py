"""The main job: 15 spiders chase 15 flies; how much better than their heuristic can the team do?

Runs the two commands it prints. On a real map where one lies beside the project, on an open grid otherwise.
"""

import os
import shlex
import sys
from pathlib import Path

from seriatim.cli import main

HERE = Path(__file__).resolve().parents[1]
MAPS = HERE.parent / "shared" / "data" / "maps"
MODEL = ["spiders-and-flies", "--set", "spiders=15", "--set", "flies=15"]
SAVED = HERE / "out" / "episode.html"


def fields() -> list[str]:
    """Return the options that put the game on the real map, if it is there."""
    grid, starts = MAPS / "random-64-64-10.map", MAPS / "random-example_400.agents"
    if grid.exists() and starts.exists():
        return ["--set", f"map={os.path.relpath(grid)}", "--set", f"starts={os.path.relpath(starts)}"]
    print(f"No maps at {MAPS}; playing on an open grid of 20 x 20 cells.\n")
    return []


def run(*arguments: str) -> None:
    """Print a command, then do what it says."""
    print(f"$ seriatim {shlex.join(arguments)}", flush=True)
    status = main(list(arguments))
    if status:
        sys.exit(status)


if __name__ == "__main__":
    SAVED.parent.mkdir(exist_ok=True)
    model = [*MODEL, *fields()]
    run("compare", *model, "--policies", "base,one-at-a-time,signalling-base", "--episodes", "200")
    run("run", *model, "--policy", "one-at-a-time", "--seed", "3", "--no-watch", "--save", os.path.relpath(SAVED))
    print(f"\nOpen {SAVED} in a browser to watch the episode.")
