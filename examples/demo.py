"""The main job: 15 spiders chase 15 flies; how much better than their heuristic can the team do?

It draws a map of nine rooms, puts all spiders into one corner of it, and runs the commands that it prints: a comparison
of three policies, and one game played by the heuristic and by its rollout. All files are written to `out/`.
"""

import os
import shlex
import sys
from pathlib import Path

from seriatim.cli import main

OUT = Path(__file__).resolve().parents[1] / "out"
ROOMS = """
......@......@......
......@......@......
......@......@......
....................
......@......@......
......@......@......
@@@.@@@@@.@@@@@@.@@@
......@......@......
......@......@......
....................
......@......@......
......@......@......
......@......@......
@@@.@@@@@.@@@@@@.@@@
......@......@......
......@......@......
....................
......@......@......
......@......@......
......@......@......
""".splitlines()[1:]


def rooms(path: Path) -> str:
    """Write the map, in the MovingAI format, and return the option that sets it."""
    path.write_text("\n".join(["type octile", f"height {len(ROOMS)}", f"width {len(ROOMS[0])}", "map", *ROOMS, ""]))
    return f"map={os.path.relpath(path)}"


def corner(path: Path) -> str:
    """Write the cells where the spiders start, three rows of five, and return the option that sets them."""
    cells = [row * len(ROOMS[0]) + column for row in range(3) for column in range(5)]
    path.write_text("\n".join(map(str, [len(cells), *cells, ""])))
    return f"starts={os.path.relpath(path)}"


def run(*arguments: str) -> None:
    """Print a command, then do what it says."""
    print(f"$ seriatim {shlex.join(arguments)}", flush=True)
    status = main(list(arguments))
    if status:
        sys.exit(status)
    print(flush=True)


if __name__ == "__main__":
    OUT.mkdir(exist_ok=True)
    model = ["spiders-and-flies", "--set", rooms(OUT / "rooms.map"), "--set", corner(OUT / "corner.agents")]
    run("compare", *model, "--policies", "base,one-at-a-time,signalling-base", "--episodes", "200")
    for policy in ("base", "one-at-a-time"):
        picture = os.path.relpath(OUT / f"{policy}.html")
        run("run", *model, "--policy", policy, "--seed", "3", "--no-watch", "--save", picture)
    print(f"Open {OUT / 'one-at-a-time.html'} in a browser to watch the game, and base.html beside it.")
