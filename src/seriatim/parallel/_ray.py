"""Workers in other processes, which Ray starts on the cores of this machine or of a cluster.

The shared argument is put into Ray's object store once, and unpacked once by each worker. As many parts are under way
as keep the workers busy, no more. A part whose worker dies is done again by another; since it is a function of its keys
alone, the result is the same, and it is counted once, when it arrives.
"""

import logging
import os
import socket
import sys
import warnings
from collections.abc import Callable, Iterator
from typing import Any

from seriatim._errors import InputError
from seriatim._record import record, static
from seriatim.parallel._backends import cores, require_workers
from seriatim.parallel._configuration import configuration
from seriatim.parallel._worker import Failure, portable, with_keys, work

# How often a part is begun again because its worker died. One that kills its worker every time must end.
RETRIES = 20
# Parts under way for each worker: one that is worked on, and one that waits for it.
WAITING = 2
# Parts that travel together, at most, and journeys of each worker, at least.
TOGETHER, JOURNEYS = 8, 4
# A worker has a core to itself. XLA would start threads for all cores in each: with two workers on two cores that
# halved the labels a second.
ALONE = {"env_vars": {"NPROC": "1"}}
# The connection that was made here, if one was: its name, and the address that was asked for.
_STARTED: list[tuple[str, str | None]] = []
# Seconds in which a cluster must answer.
PATIENCE = 5.0


@record
class Ray:
    """Worker processes on Ray, which is started on this machine when first used, and ends with this process.

    Attributes:
        address: of a cluster ("auto", "ray://host:10001"); None: this machine. Where the program has called `ray.init`
            itself, that is used; while it is connected to another cluster, `run` raises an InputError.
        workers: processes that work at a time; None: one for each core.
    """

    address: str | None = static(default=None)
    workers: int | None = static(default=None)

    def __post_init__(self) -> None:
        require_workers(self.workers)
        if not isinstance(self.address, str | None):
            raise InputError(f"address={self.address!r}: give a text, such as 'auto', or None for this machine.")

    def run(
        self, function: Callable[..., Any], shared: Any, given: Callable[[int], tuple[Any, Any]], count: int
    ) -> Iterator[tuple[int, Any]]:
        """Yield numbers and results as they are done."""
        ray = _started(self)
        call = ray.remote(num_cpus=1, max_retries=RETRIES, retry_exceptions=False, runtime_env=ALONE)(work)
        packed = ray.put(_packed(ray, function, shared))
        return self._journeys(ray, call, packed, given, count)

    def _journeys(
        self, ray: Any, call: Any, packed: Any, given: Callable[[int], tuple[Any, Any]], count: int
    ) -> Iterator[tuple[int, Any]]:
        processors = max(1, int(ray.cluster_resources().get("CPU", 1)))
        workers = min(self.workers or processors, processors)
        most = self.workers or WAITING * workers
        # Several parts travel together, for each journey costs milliseconds; enough journeys to end together.
        together = max(1, min(TOGETHER, count // (JOURNEYS * workers)))
        under_way: dict[Any, range] = {}
        try:
            for first in range(0, count, together):
                numbers = range(first, min(count, first + together))
                under_way[call.remote([packed], [portable(given(number)) for number in numbers])] = numbers
                if len(under_way) >= most:
                    yield from _next(ray, under_way)
            while under_way:
                yield from _next(ray, under_way)
        finally:
            for reference in under_way:
                ray.cancel(reference, force=True)


def _packed(ray: Any, function: Callable[..., Any], shared: Any) -> bytes:
    """Return the arguments of every worker, with the options of JAX that it is to work under.

    Raises:
        InputError: something in it cannot be sent.
    """
    try:
        packed: bytes = ray.cloudpickle.dumps((function, portable(shared), configuration(elsewhere=True)))
    except Exception as error:  # whatever the objects of the user's raise when they are packed
        name = getattr(function, "__qualname__", type(function).__name__)
        said = (str(error) or type(error).__name__).splitlines()[0].rstrip(".")
        raise InputError(
            f"{name}, or what is shared with it, cannot be sent to other processes ({said}); let them hold no locks, "
            "files, threads or connections, or work in this process, with Local()."
        ) from error
    return packed


def _started(settings: Ray) -> Any:
    """Return Ray, connected."""
    # Nothing is reported to anybody; said before Ray is imported, which reads it then.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # The work of a worker is bounded by its cores, not by Ray's guess of accelerators.
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    # The first error is raised here; those of parts that were under way beside it need no second traceback.
    os.environ.setdefault("RAY_IGNORE_UNHANDLED_ERRORS", "1")
    try:
        import ray
    except ImportError:
        raise InputError("Ray is not installed; install it by: pip install 'seriatim[ray]'") from None
    if ray.is_initialized():
        _require_the_same(ray, settings.address)
    else:
        _start(ray, settings)
        _STARTED[:] = [(_connection(ray), settings.address)]
    _send_by_value(ray)
    return ray


def _cluster(ray: Any) -> str:
    """Return the address of the cluster that this process is connected to; none is known through `ray://`."""
    return str(getattr(ray.get_runtime_context(), "gcs_address", ""))


def _connection(ray: Any) -> str:
    """Return a name of the connection to Ray, another one after `ray.shutdown()` and `ray.init()`."""
    return f"{_cluster(ray)} {ray.get_runtime_context().get_job_id()}"


def _require_the_same(ray: Any, address: str | None) -> None:
    """Refuse to work on another cluster than the one that is meant.

    Raises:
        InputError: the process is connected to another.
    """
    ours = [asked for connection, asked in _STARTED if connection == _connection(ray)]
    # Where there are none, the program has called `ray.init` itself.
    if address not in (ours or (None, "auto", _cluster(ray))):
        used = (ours[0] or "this machine") if ours else f"{_cluster(ray)}, by its own ray.init,"
        raise InputError(
            f"Ray(address={address!r}): this process works with Ray at {used} already; give the same address, or end "
            "that by ray.shutdown() first."
        )


def _start(ray: Any, settings: Ray) -> None:
    if settings.address is not None:
        _require_an_answer(settings.address)
    here = {} if settings.address else {"num_cpus": max(settings.workers or 1, cores()), "include_dashboard": False}
    before = os.environ.get("PYTHONPATH")
    # Workers on this machine find the modules that this process finds.
    os.environ["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    try:
        with warnings.catch_warnings():
            # Ray forks, and at once becomes another program; JAX warns of forks that go on.
            warnings.filterwarnings("ignore", message=r"os\.fork\(\)", category=RuntimeWarning)
            ray.init(settings.address or "local", log_to_driver=False, logging_level=logging.ERROR, **here)
    # SystemExit: Ray ends the program when something else than a cluster answers.
    except (ConnectionError, RuntimeError, ValueError, SystemExit) as error:
        raise _unreachable(settings.address or "this machine", error) from error
    finally:
        os.environ.pop("PYTHONPATH")
        if before is not None:
            os.environ["PYTHONPATH"] = before


def _require_an_answer(address: str) -> None:
    """Refuse an address at which no cluster listens; Ray would try for minutes, and report each try.

    Raises:
        InputError: no cluster listens there.
    """
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not (host and port.isdecimal()):
        return  # such as "auto", of which Ray knows more
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=PATIENCE).close()
    except (OSError, OverflowError) as error:
        raise _unreachable(address, error) from error


def _unreachable(where: str, error: BaseException) -> InputError:
    said = (str(error) or type(error).__name__).splitlines()[0].rstrip(".")
    return InputError(
        f"Ray at {where} cannot be reached ({said}); give the address of a cluster that runs, or none for this machine."
    )


def _send_by_value(ray: Any) -> None:
    """Let modules that were loaded from a file by its path travel with the work: no worker would find them by name."""
    for module in list(sys.modules.values()):
        if getattr(module, "__loaded_by_path__", False):
            ray.cloudpickle.register_pickle_by_value(module)


def _next(ray: Any, under_way: dict[Any, range]) -> list[tuple[int, Any]]:
    """Wait for one journey, and return its parts; an error of the function is raised as it was."""
    (ready, *_), _ = ray.wait(list(under_way))
    numbers = under_way.pop(ready)
    try:
        found = ray.get(ready)
    except ray.exceptions.RayTaskError as error:
        raise (error.cause or error) from None
    except ray.exceptions.WorkerCrashedError as error:
        raise InputError(
            f"the worker of a part died {RETRIES + 1} times, as it does for want of memory; give a smaller part, or "
            "fewer workers."
        ) from error
    except ray.exceptions.RayError as error:
        said = str(error).strip().splitlines()[0].rstrip(".")
        raise InputError(
            f"Ray lost a part ({type(error).__name__}: {said}); see that the cluster runs and has room; begin again."
        ) from error
    if isinstance(found, Failure):
        raise found.unpacked(ray.cloudpickle.loads)
    return list(zip(numbers, with_keys(found), strict=True))
