"""Workers in this process: its cores, or its devices."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any, Protocol, runtime_checkable

import jax

from seriatim._errors import InputError
from seriatim._record import record, static
from seriatim.parallel._configuration import Configuration, configuration, in_this_thread


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
        if self.workers is not None and self.workers < 1:
            raise InputError(f"workers={self.workers}: give a positive whole number, or None for all cores.")

    def run(
        self, function: Callable[..., Any], shared: Any, given: Callable[[int], tuple[Any, Any]], count: int
    ) -> Iterator[tuple[int, Any]]:
        """Yield numbers and results as they are done."""
        workers = self.workers or cores()
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
            # What lies on a device is worked on there; what is shared follows.
            inputs, keys = jax.device_put(given(number), devices[number % len(devices)])
            return jax.device_put(function(shared, inputs, keys), devices[0])

        return _in_threads(call, count, len(devices), configuration())


def cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _in_threads(
    call: Callable[[int], Any], count: int, workers: int, wanted: Configuration
) -> Iterator[tuple[int, Any]]:
    """Yield what calls return as they are done; as many are under way as there are workers."""

    def finished(number: int) -> tuple[int, Any]:
        with in_this_thread(wanted):
            return number, jax.block_until_ready(call(number))

    pool = ThreadPoolExecutor(workers)
    try:
        under_way: set[Future[tuple[int, Any]]] = set()
        for number in range(count):
            under_way.add(pool.submit(finished, number))
            if len(under_way) >= workers:
                done, under_way = wait(under_way, return_when=FIRST_COMPLETED)
                yield from (each.result() for each in done)
        while under_way:
            done, under_way = wait(under_way, return_when=FIRST_COMPLETED)
            yield from (each.result() for each in done)
    finally:
        # After an error, or Ctrl-C, what has not begun never will.
        pool.shutdown(wait=False, cancel_futures=True)
