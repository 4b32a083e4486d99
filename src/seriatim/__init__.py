"""seriatim: a simulator of a team and a heuristic in; a better team policy out, one agent at a time.

Names are loaded when they are first used (the list is in `__init__.pyi`), so that `seriatim --help` does not wait for
JAX.
"""

from typing import Any

import lazy_loader

from seriatim._moved import MOVED, moved_names

_load, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("seriatim")
    if name in MOVED:
        moved_names(__name__)(name)
    return _load(name)
