"""Settings of JAX for the command line: no log messages, quick tracing, and compiled programs kept between runs."""

import gc
import logging
import os
from pathlib import Path

# Tracing a program makes millions of small objects that live long. Collecting garbage as often as Python does by
# default takes a twentieth of the time.
GARBAGE = 100_000, 50, 100
# Programs that compile faster than this, in seconds, are not worth keeping.
WORTH_KEEPING = 0.02


def prepare() -> None:
    """Set JAX up; call it before anything imports JAX."""
    # Hidden are the compiler's messages about the machine, and JAX's about missing accelerators. Errors still arrive as
    # exceptions.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    logging.getLogger("jax._src.xla_bridge").setLevel(logging.ERROR)
    gc.set_threshold(*GARBAGE)
    keep_compiled_programs()


def keep_compiled_programs() -> None:
    """Keep compiled programs in the user's cache folder, if it can be used and JAX has no other folder already."""
    import jax

    folder = cache_folder()
    if folder is None or keeps_compiled_programs():
        return
    jax.config.update("jax_compilation_cache_dir", str(folder))
    if "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS" not in os.environ:
        jax.config.update("jax_persistent_cache_min_compile_time_secs", WORTH_KEEPING)


def keeps_compiled_programs() -> bool:
    """Say whether JAX has a folder for compiled programs, and its cache is not switched off."""
    import jax

    settings = jax.config.values
    return settings["jax_compilation_cache_dir"] is not None and bool(settings["jax_enable_compilation_cache"])


def cache_folder() -> Path | None:
    """Return a folder that can be written to, or None."""
    try:
        place = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "seriatim" / "jax"
        place.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError):  # a home that is read-only, or none at all
        return None
    return place if os.access(place, os.W_OK) else None
