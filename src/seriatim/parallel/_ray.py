"""Who works elsewhere: processes that Ray starts on the cores of this machine, or on those of a cluster.

What is shared is put into Ray's object store once, and unpacked once by each worker. As many parts are under way as
keep the workers busy, no more. A part whose worker dies is done again by another; since it is a function of its keys
alone, the result is the same, and it is counted once, when it arrives.
"""

import logging
import os
import socket
import sys
import warnings
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from seriatim._errors import InputError
from seriatim._record import record, static
from seriatim.parallel._backends import cores

# How often a part is begun again because its worker died. One that kills its worker every time must end.
RETRIES = 20
# Parts under way for each worker: one that is worked on, and one that waits for it.
WAITING = 2
# Parts that travel together, at most, and journeys of each worker, at least.
TOGETHER, JOURNEYS = 8, 4
# A worker has a core to itself. XLA would start threads for all cores in each: with two workers on two cores that
# halved the labels a second.
ALONE = {"env_vars": {"NPROC": "1"}}
# Seconds in which a cluster must answer.
PATIENCE = 5.0
# What was unpacked in this worker, by the name it was put into the store under; the last few.
_UNPACKED: dict[Any, Any] = {}
REMEMBERED = 4


@record
class Ray:
    """Worker processes on Ray, which is started on this machine when first used, and ends with this process.

    Attributes:
        address: of a cluster ("auto", "ray://host:10001"); None: this machine. Where the program has called `ray.init`
            itself, that is used.
        workers: processes that work at a time; None: one for each core.
    """

    address: str | None = static(default=None)
    workers: int | None = static(default=None)

    def __post_init__(self) -> None:
        if self.workers is not None and self.workers < 1:
            raise InputError(f"workers={self.workers}: give a positive whole number, or None for all cores.")

    def run(
        self, function: Callable[..., Any], shared: Any, given: Callable[[int], tuple[Any, Any]], count: int
    ) -> Iterator[tuple[int, Any]]:
        """Yield numbers and results as they are done."""
        ray = _started(self)
        call = ray.remote(num_cpus=1, max_retries=RETRIES, retry_exceptions=False, runtime_env=ALONE)(_work)
        packed = ray.put(ray.cloudpickle.dumps((function, portable(shared))))
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


def _started(settings: Ray) -> Any:
    """Return Ray, connected."""
    # Nothing is reported to anybody; said before Ray is imported, which reads it then.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # What a worker does is bounded by its cores, not by Ray's guess of accelerators.
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    # The first error is raised here; those of parts that were under way beside it need no second traceback.
    os.environ.setdefault("RAY_IGNORE_UNHANDLED_ERRORS", "1")
    try:
        import ray
    except ImportError:
        raise InputError("Ray is not installed; install it by: pip install 'seriatim[ray]'") from None
    if not ray.is_initialized():
        _start(ray, settings)
    _send_by_value(ray)
    return ray


def _start(ray: Any, settings: Ray) -> None:
    if settings.address is not None:
        _require_an_answer(settings.address)
    here = {} if settings.address else {"num_cpus": settings.workers or cores(), "include_dashboard": False}
    before = os.environ.get("PYTHONPATH")
    # Workers on this machine find the modules that this process finds.
    os.environ["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    try:
        with warnings.catch_warnings():
            # Ray forks, and at once becomes another program; JAX warns of forks that go on.
            warnings.filterwarnings("ignore", message=r"os\.fork\(\)", category=RuntimeWarning)
            ray.init(settings.address or "local", log_to_driver=False, logging_level=logging.ERROR, **here)
    # The last: what Ray does with the program when what answers is no cluster.
    except (ConnectionError, RuntimeError, ValueError, SystemExit) as error:
        raise _unreachable(settings.address or "this machine", error) from error
    finally:
        os.environ.pop("PYTHONPATH")
        if before is not None:
            os.environ["PYTHONPATH"] = before


def _require_an_answer(address: str) -> None:
    """Refuse an address at which nobody listens; Ray would try for minutes, and speak of each try.

    Raises:
        InputError: nobody does.
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
    """Let what was loaded from a file by its path, which no worker would find by its name, travel with the work."""
    for module in list(sys.modules.values()):
        if getattr(module, "__loaded_by_path__", False):
            ray.cloudpickle.register_pickle_by_value(module)


def _next(ray: Any, under_way: dict[Any, range]) -> list[tuple[int, Any]]:
    """Wait for one journey, and return its parts; raise what the function raised, as it raised it."""
    (ready, *_), _ = ray.wait(list(under_way))
    numbers = under_way.pop(ready)
    try:
        return list(zip(numbers, with_keys(ray.get(ready)), strict=True))
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


def _work(packed: list[Any], journey: list[Any]) -> list[Any]:
    """Do some parts, in a worker."""
    (reference,) = packed
    if reference not in _UNPACKED:
        import ray

        function, shared = ray.cloudpickle.loads(ray.get(reference))
        while len(_UNPACKED) >= REMEMBERED:
            _UNPACKED.pop(next(iter(_UNPACKED)))
        # Unpacked once, so that constants stay the same objects, and nothing is compiled again.
        arrays = jax.tree.map(lambda leaf: _array(leaf), shared)
        _UNPACKED[reference] = function, with_keys(arrays)
    function, shared = _UNPACKED[reference]
    return [portable(function(shared, *with_keys(given))) for given in journey]


class _KeyData(NamedTuple):
    """A typed key, as numbers."""

    data: Any
    implementation: str


def portable(tree: Any) -> Any:
    """Return the tree with arrays of NumPy, which other processes can read; keys as numbers."""

    def one(leaf: Any) -> Any:
        if not isinstance(leaf, jax.Array):
            return leaf
        if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            return _KeyData(np.asarray(jax.random.key_data(leaf)), str(jax.random.key_impl(leaf)))
        return np.asarray(leaf)

    return jax.tree.map(one, tree)


def with_keys(tree: Any) -> Any:
    """Return a portable tree with its keys; arrays stay NumPy's."""

    def one(leaf: Any) -> Any:
        return jax.random.wrap_key_data(leaf.data, impl=leaf.implementation) if isinstance(leaf, _KeyData) else leaf

    return jax.tree.map(one, tree, is_leaf=lambda node: isinstance(node, _KeyData))


def _array(leaf: Any) -> Any:
    return jnp.asarray(leaf) if isinstance(leaf, np.ndarray) else leaf
