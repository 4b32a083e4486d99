"""What training needs beside the library itself, asked for before anything else is imported."""

from importlib.util import find_spec

NEEDED = ("equinox", "filelock", "optax", "pyarrow", "safetensors")


def require_the_extra() -> None:
    """Say in a sentence what is missing.

    Raises:
        ImportError: a package is not installed.
    """
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise ImportError(
            f"training needs {', '.join(missing)}, which {'is' if len(missing) == 1 else 'are'} not installed; "
            "install what it needs by: pip install 'seriatim[train]'"
        )


require_the_extra()
