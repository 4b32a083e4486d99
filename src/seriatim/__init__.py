"""seriatim: a simulator of a team and a heuristic in; a better team policy out, one agent at a time.

Names are loaded when they are first used (the list is in `__init__.pyi`), so that `seriatim --help` does not wait for
JAX.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
