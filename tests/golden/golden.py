"""What golden cases record, how it is written down, and what counts as a difference.

Every array is a line of text: its type, its shape, its numbers; floating-point numbers are in hexadecimal, which loses
nothing. Of arrays longer than `LONGEST` the line has the first numbers, a sum and a norm, and a digest of the bytes.

Another CPU, or another version of XLA, adds in another order, and a sum may differ in its last bits. So the committed
test compares whole numbers exactly and others to `TOLERANCE` of the largest in the case; `exact` compares every bit,
and is for one machine: before a change, and after it.
"""

import hashlib
import json
from pathlib import Path

import jax
import numpy as np

DECISIONS = Path(__file__).with_name("decisions.json")
LONGEST, FIRST = 100, 4
TOLERANCE = 2e-6


def record(found):
    """Write down what a case found: arrays by name."""
    lines = {}
    for name, leaf in found.items():
        lines.update(_lines(name, np.asarray(leaf)))
    return lines


def flat(name, tree):
    """Name the arrays of a tree, keys of JAX's randomness left out."""
    leaves = [leaf for leaf in jax.tree.leaves(tree) if not jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key)]
    return {f"{name}.{number}": leaf for number, leaf in enumerate(leaves)}


def _lines(name, array):
    if array.size <= LONGEST:
        return {name: _line(array)}
    digest = hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()
    lines = {
        f"{name}, first": _line(array.ravel()[:FIRST]),
        f"{name}, digest": f"sha256 {array.dtype} {shape_of(array)} {digest}",
    }
    if array.dtype.kind == "f":
        numbers = array.astype(np.float64)
        finite = np.where(np.isfinite(numbers), numbers, 0.0)
        lines[f"{name}, sum and norm"] = _line(np.array([finite.sum(), np.abs(finite).sum(), np.linalg.norm(finite)]))
    return lines


def shape_of(array):
    return "x".join(map(str, array.shape)) or "scalar"


def _line(array):
    write = _hexadecimal if array.dtype.kind == "f" else lambda number: str(int(number))
    return " ".join([str(array.dtype), shape_of(array), *map(write, array.ravel().tolist())])


def _hexadecimal(number):
    """Write 0x1.8000000000000p+1 as 0x1.8p+1."""
    mantissa, point, exponent = float(number).hex().partition("p")
    return (mantissa.rstrip("0").rstrip(".") if "." in mantissa else mantissa) + point + exponent


def _numbers(line):
    """Read a line: its type and shape, and its numbers."""
    kind, shape, *words = line.split(" ")
    return (kind, shape), np.array([float.fromhex(word) for word in words] if kind.startswith("f") else words)


def differences(expected, found, exact, tolerance=TOLERANCE):
    """Return a sentence for each name whose line differs."""
    scale = _scale(expected)
    sentences = [f"{name}: is not recorded any more" for name in expected.keys() - found.keys()]
    sentences += [f"{name}: is new" for name in found.keys() - expected.keys()]
    for name in sorted(expected.keys() & found.keys()):
        if not _same(expected[name], found[name], exact, tolerance * scale):
            sentences.append(f"{name}: {_pair(expected[name], found[name])}")
    return sentences


def _scale(lines):
    """The largest finite number of a case; a difference of two costs is as uncertain as they are."""
    floats = [_numbers(line)[1] for line in lines.values() if line.startswith("float")]
    sizes = np.abs(np.concatenate([np.zeros(1), *floats]))
    return float(np.max(sizes[np.isfinite(sizes)]))


def _same(expected, found, exact, tolerance):
    if exact or not expected.startswith(("float", "sha256 float")):
        return expected == found
    if expected.startswith("sha256"):  # sum and norm stand beside it
        return expected.split(" ")[:3] == found.split(" ")[:3]
    (kind, ours), (other, theirs) = _numbers(expected), _numbers(found)
    return kind == other and np.allclose(theirs, ours, rtol=TOLERANCE, atol=tolerance, equal_nan=True)


def _pair(expected, found):
    """Write what was expected and what was found, numbers as people read them, and only those that differ."""
    if not (expected.startswith("float") and found.startswith("float")):
        return f"expected {expected}, found {found}"
    (kind, ours), (other, theirs) = _numbers(expected), _numbers(found)
    if kind != other:
        return f"expected {' '.join(kind)}, found {' '.join(other)}"
    places = np.flatnonzero(~((ours == theirs) | (np.isnan(ours) & np.isnan(theirs))))
    some = "; ".join(f"[{at}] expected {ours[at]!r}, found {theirs[at]!r}" for at in places[:4])
    return f"{len(places)} of {len(ours)} numbers, {some}"


def read(path=DECISIONS):
    """Return the recorded lines, by case and name."""
    return json.loads(path.read_text()) if path.exists() else {}


def write(cases, path=DECISIONS):
    """Record lines by case and name, sorted, so that a difference of two files is readable."""
    path.write_text(json.dumps(cases, indent=1, sort_keys=True) + "\n")
