"""Workers in this process: its cores, or its devices."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any, Protocol, runtime_checkable

import jax

from seriatim._arguments import require_whole
from seriatim._errors import InputError
from seriatim._record import record, static
from seriatim.parallel._configuration import Configuration, configuration, in_this_thread

# Threads, or processes, that work at a time.
MOST_WORKERS = 4096


def require_workers(workers: Any) -> None:
    """Refuse a number of workers that no machine has, or that is none.

    Raises:
        InputError: it is no whole number from 1 to `MOST_WORKERS`, nor None.
    """
    if workers is not None:
        require_whole("workers", workers, 1, MOST_WORKERS, advice=", or None for all cores")


def require_backend(on: Any) -> None:
    """Refuse what cannot share out work.

    Raises:
        InputError: it is a class, or has no method `run`.
    """
    if on is not None and (isinstance(on, type) or not isinstance(on, Backend)):
        raise InputError(f"on={on!r} shares out no work; give parallel.Local(), Devices() or Ray(), or None.")


@runtime_checkable
class Backend(Protocol):
    """Makes calls `function(shared, *given(number))` for the numbers 0 .. count - 1, several at a time.

    Laws: every number is yielded once, in any order; few more parts are made than are worked on; an error of the
    function is raised, and no further call is begun; calls are made under the configuration of JAX that holds where
    `run` is called.
    """

    def run(
        self, function: Callable[..., Any], shared: Any, given: Callable[[int], tuple[Any, Any]], count: int
    ) -> Iterator[tuple[int, Any]]:
        """Yield numbers and results as they are done."""
        ...


@record
class Local:
    """Threads of this process: compiled programs run side by side on its cores.

    Attributes:
        workers: how many calls at a time; None: one for each core that the process may use.
    """

    workers: int | None = static(default=None)

    def __post_init__(self) -> None:
        require_workers(self.workers)

    def run(
        self, function: Callable[..., Any], shared: Any, given: Callable[[int], tuple[Any, Any]], count: int
    ) -> Iterator[tuple[int, Any]]:
        """Yield numbers and results as they are done."""
        workers = self.workers or cores()
        # The options of this thread, which those of the pool do not have by themselves.
        return _in_threads(lambda number: function(shared, *given(number)), count, workers, configuration())


@record
class Devices:
    """One worker for each device of this process; results lie on the first."""

    def run(
        self, function: Callable[..., Any], shared: Any, given: Callable[[int], tuple[Any, Any]], count: int
    ) -> Iterator[tuple[int, Any]]:
        """Yield numbers and results as they are done."""
        devices = jax.local_devices()

        def call(number: int) -> Any:
            # JAX computes where the arrays lie; the shared argument is brought there.
            inputs, keys = jax.device_put(given(number), devices[number % len(devices)])
            return jax.device_put(function(shared, inputs, keys), devices[0])

        return _in_threads(call, count, len(devices), configuration())


def cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _in_threads(
    call: Callable[[int], Any], count: int, workers: int, wanted: Configuration
) -> Iterator[tuple[int, Any]]:
    """Yield the results of calls as they are done; as many are under way as there are workers."""

    def finished(number: int) -> tuple[int, Any]:
        with in_this_thread(wanted):
            # JAX returns before the work is done; a worker that did, too, would take on all of it at once.
            return number, jax.block_until_ready(call(number))

    pool = ThreadPoolExecutor(workers)
    try:
        under_way: set[Future[tuple[int, Any]]] = set()
        for number in range(count):
            under_way.add(pool.submit(finished, number))
            # No part is made before a worker is free for it, or all of them would lie in memory.
            if len(under_way) >= workers:
                done, under_way = wait(under_way, return_when=FIRST_COMPLETED)
                yield from (each.result() for each in done)
        while under_way:
            done, under_way = wait(under_way, return_when=FIRST_COMPLETED)
            yield from (each.result() for each in done)
    finally:
        # After an error, or Ctrl-C, no further call is begun.
        pool.shutdown(wait=False, cancel_futures=True)
