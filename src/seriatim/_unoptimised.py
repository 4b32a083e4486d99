"""Compiling for a single run.

A check compiles for seconds and computes for milliseconds, so its programs are compiled without optimisations, whatever
the rest of the process does: 4 spiders and flies are checked in 12 seconds instead of 30, a random team in 12 instead
of 17. So are programs that are called once or twice for a long computation, such as its beginning.
"""

import functools
from collections.abc import Callable
from typing import Any

import jax

# The first two are what `jax_disable_most_optimizations` sets for a whole process; the third chooses the older of XLA's
# two ways to write fused loops, which compiles faster.
OPTIONS = {
    "xla_backend_optimization_level": 0,
    "xla_llvm_disable_expensive_passes": True,
    "xla_cpu_use_fusion_emitters": False,
}


def jit_unoptimised(function: Callable[..., Any]) -> Any:
    """Compile a function that is called once or twice."""
    return jax.jit(function, compiler_options=known_options())


@functools.cache
def known_options() -> dict[str, Any]:
    """Return the options that this compiler knows; it refuses programs with any other."""
    if _are_known(OPTIONS):
        return dict(OPTIONS)
    return {name: value for name, value in OPTIONS.items() if _are_known({name: value})}


def _are_known(options: dict[str, Any]) -> bool:
    try:
        jax.jit(lambda: 0, compiler_options=options).lower().compile()
    except RuntimeError:
        return False
    return True
