"""Packages that only some parts need, asked for before anything of such a part is imported."""

from importlib.util import find_spec


def require_extra(part: str, *packages: str) -> None:
    """Say in a sentence what is missing.

    Raises:
        ImportError: a package is not installed.
    """
    missing = [name for name in packages if find_spec(name) is None]
    if missing:
        raise ImportError(
            f"{part} needs {', '.join(missing)}, which {'is' if len(missing) == 1 else 'are'} not installed; "
            "install what it needs by: pip install 'seriatim[train]'"
        )
