"""The options of JAX on which results depend, handed from the thread that asks for work to the one that does it.

JAX keeps options for the process (`jax.config.update`) and for one thread (`with jax.enable_x64():`). Neither reaches
another process, and the latter no other thread. So the values are noted in the thread that asks for work, and put in
force in the thread or process that does it.
"""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import jax

from seriatim._errors import InputError

Configuration: TypeAlias = dict[str, Any]

# Options on which results depend, or whether an error is raised instead of a result.
RESULTS = (
    # types and precision
    *("jax_enable_x64", "jax_explicit_x64_dtypes", "jax_default_matmul_precision", "jax_allow_f16_reductions"),
    *("jax_numpy_dtype_promotion", "jax_numpy_rank_promotion", "jax_softmax_custom_jvp", "jax_use_direct_linearize"),
    # random numbers
    *("jax_threefry_partitionable", "jax_default_prng_impl", "jax_enable_custom_prng", "jax_legacy_prng_key"),
    *("jax_random_seed_offset", "jax_high_dynamic_range_gumbel"),
    # looking for mistakes
    *("jax_debug_nans", "jax_debug_infs", "jax_debug_key_reuse", "jax_check_tracer_leaks", "jax_enable_checks"),
    *("jax_disable_jit", "jax_check_static_indices", "jax_mutable_array_checks"),
    *("jax_error_checking_behavior_nan", "jax_error_checking_behavior_divide", "jax_error_checking_behavior_oob"),
    # what the compiler may do to the order of operations
    *("jax_disable_most_optimizations", "jax_optimization_level", "jax_exec_time_optimization_effort"),
    "jax_compiler_enable_remat_pass",
)
# Options that mean something within one process alone.
HERE = ("jax_default_device",)


def configuration(*, elsewhere: bool = False) -> Configuration:
    """Return the options that hold in this thread.

    Args:
        elsewhere: whether they are meant for another process.
    """
    values = jax.config.values
    # Versions of JAX differ in the options that they have.
    return {name: values[name] for name in (RESULTS if elsewhere else RESULTS + HERE) if name in values}


@contextlib.contextmanager
def in_this_thread(wanted: Configuration) -> Iterator[None]:
    """Put options in force in this thread of the process, for a while.

    Raises:
        InputError: one was set for a single thread, and cannot be for another.
    """
    values = jax.config.values
    with contextlib.ExitStack() as stack:
        for name, value in wanted.items():
            if values[name] != value:
                stack.enter_context(_manager(name, value)(value))
        yield


def in_this_process(wanted: Configuration) -> None:
    """Put options in force in a process that works for others, until others are wanted.

    Raises:
        InputError: this version of JAX does not know one of them.
    """
    values = jax.config.values
    unknown = [name for name in wanted if name not in values]
    if unknown:
        raise InputError(
            f"JAX {jax.__version__} of a worker does not know {unknown[0]}, which the program has set; install the "
            "program's version of JAX there."
        )
    changed = {name: value for name, value in wanted.items() if values[name] != value}
    for name, value in changed.items():
        jax.config.update(name, value)
    if changed:
        # Programs compiled before are not told apart by all of the options.
        jax.clear_caches()


def _manager(name: str, value: Any) -> Callable[[Any], Any]:
    manager: Callable[[Any], Any] | None = getattr(jax, name.removeprefix("jax_"), None)
    if manager is None:
        raise InputError(
            f"{name} is {value!r} in the thread that asks for work, and cannot be set for the threads that do it; set "
            f"it for the whole program: jax.config.update({name!r}, {value!r})."
        )
    return manager
