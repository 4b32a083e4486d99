"""Objects from files of the user, named as `path/to/file.py:name`."""

import difflib
import hashlib
import importlib.machinery
import importlib.util
import sys
from collections.abc import Iterable
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from seriatim._errors import InputError, in_words
from seriatim._files import MEGABYTE, read_bytes

# The largest file of Python that is executed, in bytes.
LARGEST = 16 * MEGABYTE


def is_in_file(text: str) -> bool:
    """Say whether `text` names a file, with or without a name in it."""
    return text.endswith(".py") or ".py:" in text


def load_name(text: str) -> tuple[Any, ModuleType]:
    """Load `path/to/file.py:name`; return the object of that name, and the file as a module.

    Raises:
        InputError: there is no such file or name. An exception that the file itself raises is passed on.
    """
    place, _, name = text.rpartition(":")
    if not place.endswith(".py"):
        place, name = text, ""
    module = load_file(Path(place))
    if not name:
        raise InputError(
            f"{place} names a file; say what to take from it, as in {place}:name; it defines "
            f"{listed(public_names(module))}."
        )
    return name_in(module, name, place), module


def name_in(module: ModuleType, name: str, place: str) -> Any:
    """Return the object of this name in a module loaded from `place`."""
    if not hasattr(module, name):
        names = public_names(module)
        raise InputError(f"{place} defines no {name}{did_you_mean(name, names)}; it defines {listed(names)}.")
    return getattr(module, name)


def load_file(place: Path) -> ModuleType:
    """Execute a file as a module of its own name, once for the same content; make its folder importable."""
    content = read_bytes(place, "give the path of a Python file of yours", limit=LARGEST)
    path = place.resolve()
    digest = hashlib.sha256(str(path).encode() + content).hexdigest()[:12]
    name = f"seriatim_file_{path.stem}_{digest}"
    if name in sys.modules:
        return sys.modules[name]
    if str(path.parent) not in sys.path:
        sys.path.insert(0, str(path.parent))
    return _execute(name, path)


def _execute(name: str, path: Path) -> ModuleType:
    loader = importlib.machinery.SourceFileLoader(name, str(path))
    spec = importlib.util.spec_from_loader(name, loader)
    assert spec is not None  # never None for a loader
    module = importlib.util.module_from_spec(spec)
    code = _compiled(loader, name)
    # The user's files may import one another. The file must not be executed again under its own name then.
    known_as = [name, path.stem] if _is_imported_as(path.stem, path) else [name]
    vars(module)["__loaded_by_path__"] = True  # other processes will not find it by its name
    sys.modules.update(dict.fromkeys(known_as, module))
    try:
        exec(code, module.__dict__)
    except BaseException:
        # A half-executed module must not be found by a later import.
        for alias in known_as:
            sys.modules.pop(alias, None)
        raise
    return module


def _compiled(loader: importlib.machinery.SourceFileLoader, name: str) -> CodeType:
    """Compile a file; if it is no Python, raise a sentence for the user, of whose code no line was executed."""
    try:
        code = loader.get_code(name)
    except (SyntaxError, ValueError) as error:  # ValueError: zero bytes, up to Python 3.11.3
        where = "" if isinstance(error, SyntaxError) and error.filename else f" ({loader.path})"
        raise InputError(f"{in_words(error)}{where}; give a file of Python.") from error
    assert code is not None  # never None for a source file
    return code


def _is_imported_as(stem: str, path: Path) -> bool:
    """Say whether a neighbour's `import stem` would execute the same file again."""
    if stem in sys.modules or not stem.isidentifier():
        return False
    spec = importlib.util.find_spec(stem)
    return spec is not None and spec.origin is not None and Path(spec.origin) == path


def public_names(module: ModuleType) -> list[str]:
    """List the public names that a file defines itself, without those it imports."""
    return [
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and getattr(value, "__module__", module.__name__) == module.__name__
        if not isinstance(value, ModuleType)
    ]


def did_you_mean(given: str, known: Iterable[str]) -> str:
    """Return ` (did you mean 'x'?)`, or an empty text if no known name is similar."""
    near = difflib.get_close_matches(given, list(known), n=1)
    return f" (did you mean {near[0]}?)" if near else ""


def listed(names: Iterable[str]) -> str:
    """Write names in one line, separated by commas."""
    return ", ".join(names) or "nothing"
