"""The stamp of every file of a run: its format, the version that wrote it, and a digest of its content.

    {"state": "running", "step": 5, "seriatim": {"format": "seriatim status 1", "version": "0.1.0", "digest": "1f..."}}

The stamp stands in the JSON of configuration and status, and in the headers of checkpoints and metrics. A file is read
only if the format is known, the digest is that of the content, and the entries are of the types that the kind of file
has. So a damaged file is never taken for a good one. A digest is no signature: it does not find what was changed on
purpose.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Shaped

from seriatim._errors import InputError

STAMP = "seriatim"
# The types of entries, by the words of a message.
TYPES: dict[str, Callable[[Any], bool]] = {
    "a text": lambda entry: isinstance(entry, str),
    "a whole number from 0": lambda entry: isinstance(entry, int) and not isinstance(entry, bool) and entry >= 0,
    "an object": lambda entry: isinstance(entry, dict),
    "a list of texts": lambda entry: isinstance(entry, list) and all(isinstance(each, str) for each in entry),
    "an object of texts": lambda entry: isinstance(entry, dict) and all(isinstance(e, str) for e in entry.values()),
}


class Kind(NamedTuple):
    """A kind of file.

    Attributes:
        name: what it is, as in "checkpoint".
        form: the format that is written and read, a name and a number.
        advice: what to do with a file that is damaged.
        required: entries that it must have, and their types, each a word of `TYPES`.
        optional: entries that it may have; the types of all others are free.
    """

    name: str
    form: str
    advice: str
    required: Mapping[str, str] = {}
    optional: Mapping[str, str] = {}

    def require_types(self, content: Mapping[str, Any]) -> None:
        """Refuse what lacks an entry, or has one of another type.

        Raises:
            ValueError: with the first that is wrong.
        """
        missing = [name for name in self.required if name not in content]
        if missing:
            raise ValueError(f"it has no {missing[0]}")
        for name, words in {**self.required, **self.optional}.items():
            if name in content and not TYPES[words](content[name]):
                raise ValueError(f"{name} is {content[name]!r:.60}, where {words} is expected")

    def damaged(self, path: Path, reason: str) -> InputError:
        """Return the error to raise for a file that cannot be used."""
        return InputError(f"{path} is damaged, or no {self.name} ({reason}); {self.advice}.")


def stamped(content: Mapping[str, Any], kind: Kind) -> dict[str, Any]:
    """Return an object that JSON can say, with a stamp on it."""
    unsigned = {**content, STAMP: {"format": kind.form, "version": version("seriatim")}}
    return {**content, STAMP: {**unsigned[STAMP], "digest": digest_of_object(unsigned)}}


def without_stamp(path: Path, text: str | bytes, kind: Kind) -> dict[str, Any]:
    """Read an object in JSON that has a stamp, and return it without.

    Args:
        path: of the file, for the sentence.
        text: the JSON.
        kind: what it should be.

    Raises:
        InputError: it is no such object, it is of another version's format, or it is not what was written.
    """
    try:
        found = parsed(text)
        stamp = _stamp(found)
        intact = stamp.pop("digest") == digest_of_object(found)
        if stamp["format"] != kind.form:
            raise _other_format(path, stamp, kind, intact=intact)
        if not intact:
            raise ValueError("it is not what was written")
        content = {name: entry for name, entry in found.items() if name != STAMP}
        kind.require_types(content)
    except InputError:
        raise
    except ValueError as error:
        raise kind.damaged(path, str(error).rstrip(".")) from error
    return content


def parsed(text: str | bytes) -> dict[str, Any]:
    """Parse an object in JSON.

    Raises:
        ValueError: the text is something else.
    """
    try:
        found = json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if not isinstance(found, dict):
        raise ValueError(f"it holds {type(found).__name__} where an object is expected")
    return found


def digest_of_object(content: Mapping[str, Any]) -> str:
    """Return a digest of an object that JSON can say, however it is laid out."""
    return hashlib.blake2b(json.dumps(content, sort_keys=True).encode(), digest_size=16).hexdigest()


def digest_of_arrays(arrays: Mapping[str, Shaped[np.ndarray, "..."]]) -> str:
    """Return a digest of the names, types, shapes and numbers of arrays."""
    digest = hashlib.blake2b(digest_size=16)
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(repr((name, array.dtype.name, array.shape)).encode())
        digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def _stamp(found: dict[str, Any]) -> dict[str, str]:
    stamp = found.get(STAMP)
    if not isinstance(stamp, dict) or stamp.keys() != {"format", "version", "digest"}:
        raise ValueError("it does not say which version of seriatim wrote it")
    if not all(isinstance(entry, str) for entry in stamp.values()):
        raise ValueError("what it says of the version that wrote it is no text")
    return stamp


def _other_format(path: Path, stamp: dict[str, str], kind: Kind, *, intact: bool) -> InputError:
    """Return the error for a file of another format; where its digest is not right either, it may be damaged."""
    differs = f"is of the format {stamp['format']!r}, and this version of seriatim reads {kind.form!r}"
    if intact:
        return InputError(f"{path} {differs}; read it by seriatim {stamp['version']}, which wrote it.")
    advice = f"{kind.advice}, or read it by seriatim {stamp['version']}, which wrote it"
    return InputError(f"{path} is damaged, or {differs}; {advice}.")
