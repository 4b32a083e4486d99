"""Compare the golden decisions, or record them again.

    python -m tests.golden [NAME ...]            compares, as the test does; NAME is a part of a case's name
    python -m tests.golden --exact               compares every bit: for one machine, before a change and after it
    python -m tests.golden --write               records again what differs, and says what did
    python -m tests.golden --file other.json     compares with, or writes, another file
    python -m tests.golden --optimised           compiles as users do; by default as the tests do, which is quicker

A change that must keep every bit is checked so:

    python -m tests.golden --optimised --write --file /tmp/before.json      # before it
    python -m tests.golden --optimised --exact --file /tmp/before.json      # after it
"""

import argparse
import os
import sys
import time
from pathlib import Path

import jaxlib


def arguments():
    parser = argparse.ArgumentParser(prog="python -m tests.golden", description="Golden decisions.")
    parser.add_argument("names", nargs="*", help="cases whose name has one of these in it; all by default")
    parser.add_argument("--exact", action="store_true", help="compare floating-point numbers bit for bit")
    parser.add_argument("--write", action="store_true", help="record what differs")
    parser.add_argument("--optimised", action="store_true", help="compile with all optimisations, as users do")
    parser.add_argument("--quick", action="store_true", help="only the cases of `make test`")
    parser.add_argument("--times", action="store_true", help="say what each case takes")
    parser.add_argument("--file", type=Path, help="in place of tests/golden/decisions.json")
    return parser.parse_args()


def configure(optimised):
    """Compile as the tests do (tests/conftest.py), or as users do; before JAX is used."""
    if not optimised and jaxlib.__version__.startswith("0.10."):
        os.environ["XLA_FLAGS"] = os.environ.get("XLA_FLAGS", "") + " --xla_cpu_use_fusion_emitters=false"
    import jax

    jax.config.update("jax_platforms", "cpu")
    jax.config.update("jax_disable_most_optimizations", not optimised)


def chosen(given):
    from tests.golden.cases import CASES

    def asked(name, case):
        return (case.quick or not given.quick) and (not given.names or any(part in name for part in given.names))

    return {name: case for name, case in CASES.items() if asked(name, case)}


def found_by(case):
    """What a case records, or the sentence of what it raised."""
    from tests.golden import golden

    try:
        return golden.record(case()), None
    except Exception as error:
        return {}, f"raised {type(error).__name__}: {str(error).splitlines()[:1]}"


def sentences(name, case, recorded, exact):
    """Return what a case records now, and a sentence for each difference."""
    from tests.golden import golden

    found, fault = found_by(case)
    if fault is not None:
        return found, [fault]
    if name not in recorded:
        return found, ["not recorded before"]
    return found, golden.differences(recorded[name], found, exact, case.tolerance)


def main():
    given = arguments()
    configure(given.optimised)
    from tests.golden import golden
    from tests.golden.cases import CASES

    path = given.file or golden.DECISIONS
    recorded, count = golden.read(path), 0
    for name, case in chosen(given).items():
        start = time.process_time()
        found, differ = sentences(name, case, recorded, given.exact or given.write)
        took = f" ({time.process_time() - start:.1f} s)" if given.times else ""
        print(*(f"{name}{took}: {sentence}" for sentence in differ or ["the same"]), sep="\n", flush=True)
        count += len(differ)
        if given.write and found:
            recorded = {each: lines for each, lines in {**recorded, name: found}.items() if each in CASES}
            golden.write(recorded, path)  # at once: what was found stays, whatever comes
    print(f"{count} differences from {path}{', written' if given.write else ''}")
    sys.exit(bool(count) and not given.write)


if __name__ == "__main__":
    main()
