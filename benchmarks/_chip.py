"""What the chip at hand can do at most, measured on itself, since it is not known beforehand which one it will be.

A joint step is bound by two things: the operations that its program asks for, and the state that it reads and writes.
So two rates are measured: simple operations on whole numbers as small as the model's, in one kernel that never leaves
the registers, and bytes copied. The limit is the fewer joint steps of the two (a roofline). What a step asks for is
counted by XLA for one state, before it optimises anything; its bytes are those of a state, in and out, which is the
least that a loop over stages moves.
"""

import functools
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

# A kernel is started again and again, for so many seconds at least, and the best of some rounds counts.
SECONDS, ROUNDS, MOST_QUEUED = 0.1, 5, 1024
# Links of the chains of operations, and chains side by side, so that none waits for its own result alone.
LINKS, CHAINS = 64, 4
OPERATIONS_OF_A_LINK = 3


class Rates(NamedTuple):
    """What the chip does in a second."""

    operations: float
    bytes: float


class Work(NamedTuple):
    """What a joint step asks for."""

    operations: float
    bytes: float


class Limit(NamedTuple):
    """Joint steps a second that the chip allows, and what bounds them."""

    steps: float
    bound: str


def limit(rates: Rates, work: Work) -> Limit:
    """Return the fewer of the joint steps that operations and memory allow."""
    by_operations, by_memory = rates.operations / work.operations, rates.bytes / work.bytes
    return Limit(by_memory, "memory") if by_memory < by_operations else Limit(by_operations, "operations")


def work_of(step: Callable[..., Any], *example: Any) -> Work:
    """Count the operations of a step of one state, and the bytes of what it is given and of what it returns."""
    # What a program asks for is the same everywhere, and not every device's compiler counts it.
    with jax.default_device(jax.devices("cpu")[0]):
        asked = jax.jit(step).lower(*jax.device_get(example)).cost_analysis()
    moved = sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves((example, jax.eval_shape(step, *example))))
    return Work(float(asked["flops"]), float(moved))


@functools.cache
def rates(kind: Any, size: int) -> Rates:
    """Measure the chip: operations on numbers of a kind, on arrays of a quarter of so many bytes, and copies.

    Copies are of so many bytes, and of an eighth and a 64th: a state may lie in a cache, and the fastest counts.
    """
    numbers = jnp.arange(max(1, size // 4 // jnp.dtype(kind).itemsize)).astype(kind)
    operations = numbers.size * LINKS * CHAINS * OPERATIONS_OF_A_LINK
    near, far = jnp.asarray(3, kind), jnp.asarray(77, kind)
    return Rates(
        operations=operations * times_a_second(lambda: _chains(numbers, near, far)),
        bytes=max(_bytes_a_second(max(4, part)) for part in (size, size // 8, size // 64)),
    )


@jax.jit
def _chains(x: Any, near: Any, far: Any) -> Any:
    """Subtract, take the absolute value, take the lesser: what a heuristic of distances does, over and over."""
    chains = [x + jnp.asarray(k, x.dtype) for k in range(CHAINS)]
    for _ in range(LINKS):
        chains = [jnp.minimum(jnp.abs(each - near), far) for each in chains]
    return sum(chains[1:], chains[0])


def _bytes_a_second(size: int) -> float:
    """Read and write so many bytes, in place: to ask for memory anew each time would take longer than to write it."""
    words = [jnp.arange(size // 4, dtype=jnp.int32)]

    def run() -> Any:
        words[0] = _added(words[0])
        return words[0]

    return 2 * words[0].nbytes * times_a_second(run)


@functools.partial(jax.jit, donate_argnums=0)
def _added(x: Any) -> Any:
    return x + 1


def times_a_second(run: Callable[[], Any]) -> float:
    """Return how often a program runs in a second when it is queued without a pause."""
    jax.block_until_ready(run())
    count = 1
    while count < MOST_QUEUED and _seconds(run, count) < SECONDS:
        count *= 2
    return count / min(_seconds(run, count) for _ in range(ROUNDS))


def _seconds(run: Callable[[], Any], count: int) -> float:
    begin, last = time.perf_counter(), None
    for _ in range(count):
        last = run()
    jax.block_until_ready(last)
    return time.perf_counter() - begin
