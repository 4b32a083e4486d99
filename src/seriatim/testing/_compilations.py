"""Counting compilations, to test that a run of any length compiles nothing new.

A program is compiled for the structure, shapes and dtypes of its arguments and for their constants. So everything that
changes between calls (states, keys, parameters of a policy, the agents at work) must be leaves of constant shape. One
size that changes costs seconds of compilation on-line, and is easily overlooked before.

JAX announces every program on `jax.monitoring`, whether it was compiled or fetched from the cache on disk.
"""

import contextlib
from collections.abc import Iterator

import jax

_EVENT = "/jax/core/compile/backend_compile_duration"


@contextlib.contextmanager
def count_compilations() -> Iterator[list[str]]:
    """List the programs that JAX compiles, in any thread, until the block ends: their names, oldest first.

    A single operation outside `jit` (`x + 1`) is a program too, and is compiled for each new shape. Call the function
    to be tested once before counting.

    >>> import jax.numpy as jnp
    >>> double = jax.jit(lambda x: 2 * x)
    >>> three, four = jnp.ones(3), jnp.ones(4)
    >>> with count_compilations() as compiled:
    ...     _ = double(three), double(three), double(four)
    >>> len(compiled)
    2
    """
    compiled: list[str] = []

    def listen(event: str, duration_secs: float, **details: str | int) -> None:
        del duration_secs
        if event == _EVENT:
            compiled.append(str(details.get("fun_name", "unnamed")))

    jax.monitoring.register_event_duration_secs_listener(listen)
    try:
        yield compiled
    finally:
        jax.monitoring.unregister_event_duration_listener(listen)
