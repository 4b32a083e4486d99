"""Run all benchmarks, or those named.

    python -m benchmarks [NAME ...] [--redraw] [--all-cores]

--redraw makes tables and pictures from the last measurement; --all-cores measures on every core instead of one.
"""

import argparse
import importlib
import pkgutil

import benchmarks
from benchmarks._one_core import use_one_core

NAMES = [module.name for module in pkgutil.iter_modules(benchmarks.__path__) if not module.name.startswith("_")]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=benchmarks.__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of {', '.join(NAMES)}; all by default")
    parser.add_argument("--redraw", action="store_true", help="draw what was measured last")
    parser.add_argument("--all-cores", action="store_true", help="do not pin the process to one core")
    given = parser.parse_args()
    for name in given.names:
        if name not in NAMES:
            parser.error(f"there is no benchmark {name}; there are {', '.join(NAMES)}.")
    if not given.all_cores:
        use_one_core()
    for name in given.names or NAMES:
        importlib.import_module(f"benchmarks.{name}").main(redraw=given.redraw)


if __name__ == "__main__":
    main()
