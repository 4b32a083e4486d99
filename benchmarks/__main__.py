"""Run all benchmarks, or those named.

    python -m benchmarks [NAME ...] [--redraw] [--all-cores]
    python -m benchmarks accelerator [--redraw] [--minutes 8]

--redraw makes tables and pictures from the last measurement; --all-cores measures on every core instead of one.
"accelerator" runs alone, on the device that JAX finds, and on all cores.
"""

import argparse
import importlib
import pkgutil

import benchmarks
from benchmarks._one_core import use_one_core, use_the_accelerator

NAMES = [module.name for module in pkgutil.iter_modules(benchmarks.__path__) if not module.name.startswith("_")]
ALONE = "accelerator"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=benchmarks.__doc__)
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"one of {', '.join(NAMES)}; all but {ALONE} by default"
    )
    parser.add_argument("--redraw", action="store_true", help="draw what was measured last")
    parser.add_argument("--all-cores", action="store_true", help="do not pin the process to one core")
    parser.add_argument("--minutes", type=float, help=f"{ALONE}: leave out what would take longer; 8 by default")
    given = parser.parse_args()
    for name in given.names:
        if name not in NAMES:
            parser.error(f"there is no benchmark {name}; there are {', '.join(NAMES)}.")
    if ALONE in given.names and len(given.names) > 1:
        parser.error(f"{ALONE} runs alone: it needs another device than the others.")
    if given.minutes is not None and (given.names != [ALONE] or not given.minutes > 0):
        parser.error(f"--minutes {given.minutes:g}: give a number above 0, to {ALONE} alone.")
    if given.names == [ALONE]:
        use_the_accelerator()
        options = {} if given.minutes is None else {"minutes": given.minutes}
        importlib.import_module(f"benchmarks.{ALONE}").main(redraw=given.redraw, **options)
        return
    if not given.all_cores:
        use_one_core()
    for name in given.names or [name for name in NAMES if name != ALONE]:
        importlib.import_module(f"benchmarks.{name}").main(redraw=given.redraw)


if __name__ == "__main__":
    main()
