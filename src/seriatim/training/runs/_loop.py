"""The training loop: steps, checkpoints, and ways to stop that lose nothing.

A *trainer* is a pair: `init(key) -> state` and `step(state) -> (state, metrics)`, both functions of their argument
alone. So a training is determined by its key, and one that was stopped anywhere and resumed is the one that never
stopped, bit for bit. For this the loop runs one compiled program of any number of steps, whatever the blocks it is
cut into and however often checkpoints are written.

Source of the pattern (a pair of pure functions): optax and blackjax.
"""

import contextlib
import logging
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, NamedTuple, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Shaped

from seriatim._arguments import require_callable, require_real, require_whole
from seriatim._compile import jit
from seriatim._errors import InputError
from seriatim._preconditions import require_key
from seriatim.model import Key
from seriatim.training.runs._run import Run

# Seconds that a block may last: how long an interruption waits, and how often progress is shown.
BLOCK_SECONDS = 0.5
# Steps that a block may have: room for their metrics is part of the program. Enough that the host's part of a block,
# a fraction of a millisecond, is small beside it.
BLOCK_STEPS = 1024
# Steps between checkpoints.
DEFAULT_EVERY = 100
LOG = logging.getLogger("seriatim")
# The columns that every run's metrics have.
COLUMNS = ("step", "seconds")

Progress = Callable[[int, int, dict[str, float]], None]


@runtime_checkable
class Trainer(Protocol):
    """A restartable pair. The state is a pytree of arrays, and all that a step depends on; its key is in it.

    Numbers in the state and in the metrics must be finite: at the first that is not, the loop ends the training.

    A step that is long, or has work for the host, says so by an attribute `on_host = True`: it is then called as it is,
    and may return metrics or none, `{}`. Such a trainer may end by itself, by a method `finished(state) -> bool`.
    """

    def init(self, key: Key) -> Any:
        """Return the state before the first step."""
        ...

    def step(self, state: Any) -> tuple[Any, dict[str, Float[Array, ""]]]:
        """Make one step; return the state after it, and numbers that describe it."""
        ...


class Training(NamedTuple):
    """The result of a training.

    Attributes:
        state: after the last step.
        step: how many steps were made, those before a resumption included.
        finished: whether all were; otherwise it was interrupted, or its time was up.
        interrupted: whether it was stopped by Ctrl-C or a signal to terminate.
        metrics: a column for each, an element for each step made by this call.
    """

    state: Any
    step: int
    finished: bool
    interrupted: bool
    metrics: dict[str, Shaped[np.ndarray, " steps"]]


class Diverged(InputError):
    """A number stopped being one. `state` is the last good state, after `step` steps."""

    def __init__(self, sentence: str, state: Any, step: int) -> None:
        super().__init__(sentence)
        self.state = state
        self.step = step


def train(
    trainer: Trainer,
    key: Key,
    *,
    steps: int,
    run: Run | None = None,
    resume: bool = False,
    checkpoint_every: int | None = None,
    max_seconds: float | int | None = None,
    progress: Progress | None = None,
) -> Training:
    """Train for so many steps in all.

    Ctrl-C, or a signal to terminate, ends it after the steps under way, with everything kept; a second Ctrl-C ends it
    at once, at the last checkpoint. Resumed with the same trainer and key it goes on as if it had never stopped.

    Args:
        trainer: what to train, see `PolicyGradient`.
        key: decides everything random.
        steps: how many, in all.
        run: where to keep checkpoints and metrics; None keeps nothing.
        resume: go on from the run's last checkpoint, if it has one.
        checkpoint_every: steps between checkpoints; by default 100, or 1 where steps are made on the host.
        max_seconds: stop after the steps under way when so much time is up; None never does.
        progress: called several times a second with steps made, steps in all, and the means of the metrics since.

    Raises:
        InputError: an argument is out of range, the run cannot be resumed or written to, another process is at it, or
            it has checkpoints and `resume` is false.
        Diverged: a metric or a parameter became infinite or no number. The state before that step is kept.
    """
    require_key(key)
    _check_trainer(trainer, progress)
    if checkpoint_every is None:
        checkpoint_every = 1 if _on_host(trainer) else DEFAULT_EVERY
    _check(steps, checkpoint_every, max_seconds, run)
    with nullcontext() if run is None else run.held():
        if run is not None and run.steps and not resume:
            raise InputError(
                f"{run.path} has a checkpoint after {run.steps[-1]} steps; give resume=True to go on, or another run."
            )
        state, done = jax.tree.map(_strong, trainer.init(key)), 0
        if run is not None and run.steps:
            # The first state tells structure, shapes and types of the one that is read.
            state, done = run.restore(state), run.steps[-1]
        limit = None if max_seconds is None else float(max_seconds)
        task = _Task(trainer, steps, run, checkpoint_every, limit, progress)
        try:
            if run is not None:
                # Metrics may have been written after the last checkpoint; those steps are made again.
                run.forget_after(done)
                run.say("running", done)
            with _interruptions() as stopped:
                return _train(task, state, done, 0.0 if run is None else _spent(run), stopped)
        except OSError as error:
            if run is None or not str(error.filename).startswith(str(run.path)):
                raise
            raise _unwritable(run, error) from error
        except Exception as error:
            # Otherwise the run would seem to have been killed. Divergence has said so itself.
            if run is not None and not isinstance(error, Diverged):
                # The error itself is raised below; if it cannot be noted in the run either, that adds nothing.
                with contextlib.suppress(OSError):
                    run.say("failed", max(run.steps, default=0), reason=str(error))
            raise


class _Task(NamedTuple):
    trainer: Trainer
    steps: int
    run: Run | None
    checkpoint_every: int
    max_seconds: float | int | None
    progress: Progress | None


def _spent(run: Run) -> float:
    """Return the seconds that the steps made so far took, in whatever processes."""
    return float(run.metrics().get("seconds", np.zeros(1))[-1])


def _train(task: _Task, state: Any, done: int, spent: float, stopped: threading.Event) -> Training:
    started, length, unsaved, columns = time.monotonic(), 1, [], []
    advance = _one_on_host if _on_host(task.trainer) else _some_compiled
    ended = _ended(task.trainer, state)
    while not (done >= task.steps or ended or stopped.is_set() or _is_up(task.max_seconds, started)):
        # Blocks end at checkpoints, which are after the same steps however often a run was stopped.
        until = min(task.steps, done + length, (done // task.checkpoint_every + 1) * task.checkpoint_every)
        began = time.monotonic()
        block = advance(task.trainer, state, until - done)
        # Reading these waits for the block.
        made, failed = int(block.made), bool(block.failed)
        rows = {name: np.asarray(column)[: made + failed] for name, column in block.metrics.items()}
        state, done = block.state, done + made
        # The row of the step that failed is for the message; only the steps that were made are saved.
        good = _columns(rows, done, made, spent + time.monotonic() - started)
        unsaved.append(good)
        columns.append(good)
        if failed:
            raise _diverged(task, block, done, rows, unsaved)
        # The first block has one step, whose time includes compiling.
        length = _next_length(length, made, time.monotonic() - began)
        if task.progress is not None:
            task.progress(done, task.steps, {name: float(np.mean(column)) for name, column in rows.items()})
        ended = _ended(task.trainer, state)
        if task.run is not None and (done % task.checkpoint_every == 0 or done == task.steps or ended):
            task.run.save(done, state, _joined(unsaved), every=task.checkpoint_every)
            unsaved = []
    finished = done >= task.steps or ended
    if task.run is not None:
        if unsaved:
            task.run.save(done, state, _joined(unsaved), every=task.checkpoint_every)
        task.run.say("finished" if finished else "interrupted", done)
    return Training(state, done, finished, not finished and stopped.is_set(), _joined(columns))


def _on_host(trainer: Trainer) -> bool:
    return bool(getattr(trainer, "on_host", False))


def _ended(trainer: Trainer, state: Any) -> bool:
    """Say whether a trainer that may end by itself has."""
    finished = getattr(trainer, "finished", None)
    return finished is not None and bool(finished(state))


class _Block(NamedTuple):
    state: Any
    metrics: dict[str, Float[Array, " size"]]
    made: Int[Array, ""]
    failed: Bool[Array, ""]
    finite: Bool[Array, " arrays"]  # of the arrays of the state after the last step, made or not


def _steps(trainer: Trainer, state: Any, length: Int[Array, ""], *, size: int) -> _Block:
    """Make `length` steps, at most `size`; stop before one that leads to nan or infinity.

    The length is data: one program serves blocks of all lengths, so that they cannot differ in a rounding.
    """
    after, like = jax.eval_shape(trainer.step, state)
    _require_a_pair(state, after, like)
    # One more than steps, for the metrics of one that failed.
    room = {name: jnp.zeros((size + 1,), metric.dtype) for name, metric in like.items()}

    def more(block: _Block) -> Bool[Array, ""]:
        return (block.made < length) & ~block.failed

    def one(block: _Block) -> _Block:
        after, found = trainer.step(block.state)
        finite = _finite(after)
        fine = jnp.all(finite) & jnp.all(_finite(found))
        # A step that went wrong is undone, so that the last good state can be kept.
        state = jax.tree.map(lambda new, old: jnp.where(fine, new, old), after, block.state)
        metrics = {name: block.metrics[name].at[block.made].set(value) for name, value in found.items()}
        return _Block(state, metrics, block.made + fine.astype(jnp.int32), ~fine, finite)

    block: _Block = jax.lax.while_loop(more, one, _Block(state, room, jnp.int32(0), jnp.array(False), _finite(state)))
    return block


_block = jit(_steps, static_argnames=("size",))


def _some_compiled(trainer: Trainer, state: Any, length: int) -> _Block:
    """Make some steps in the compiled program."""
    block: _Block = _block(trainer, state, jnp.asarray(length, jnp.int32), size=BLOCK_STEPS)
    return block


def _one_on_host(trainer: Trainer, state: Any, _: int) -> _Block:
    """Make one step on the host; a step that leads to nan or infinity is not made."""
    after, found = trainer.step(state)
    after = jax.tree.map(_strong, after)
    _require_a_pair(state, after, found)
    finite = _finite(after)
    fine = bool(jnp.all(finite)) and bool(jnp.all(_finite(found)))
    metrics = {name: jnp.asarray(value)[None] for name, value in found.items()}
    return _Block(after if fine else state, metrics, jnp.int32(fine), jnp.array(not fine), finite)


def _require_a_pair(state: Any, after: Any, metrics: dict[str, Any]) -> None:
    """Refuse a trainer whose steps cannot follow one another, or whose metrics are no columns of numbers."""
    before, then = (
        {
            jax.tree_util.keystr(path): f"{x.dtype}{list(x.shape)}"
            for path, x in jax.tree_util.tree_leaves_with_path(tree)
        }
        for tree in (state, after)
    )
    for name in {**before, **then}:
        found, wanted = then.get(name, "missing"), before.get(name, "not there")
        if found != wanted:
            raise InputError(
                f"state{name} is {wanted} before a step and {found} after it; let the trainer's step return a state of "
                "the structure, shapes and types of the one it gets."
            )
    for name, metric in metrics.items():
        if metric.shape != () or name in COLUMNS:
            what = "has a column of its own" if name in COLUMNS else f"is {metric.dtype}{list(metric.shape)}"
            raise InputError(f"metric {name} {what}; let the trainer's step return single numbers under other names.")


def _finite(tree: Any) -> Bool[Array, " arrays"]:
    """Say of every array whether its numbers are; whole numbers, keys and the like always are."""
    leaves = jax.tree.leaves(tree)
    return jnp.array([jnp.all(jnp.isfinite(x)) if jnp.issubdtype(x.dtype, jnp.inexact) else True for x in leaves], bool)


def _strong(number: Any) -> Array:
    """Return an array of a type that stays: a Python number's would change after the first block, and compile again."""
    array = jnp.asarray(number)
    return array.astype(array.dtype) if getattr(array, "weak_type", False) else array  # keys have no such thing


def _columns(rows: dict[str, Any], done: int, made: int, seconds: float) -> dict[str, Shaped[np.ndarray, " steps"]]:
    """Number the steps, and say after how many seconds of training they were known."""
    numbers = {"step": np.arange(done - made + 1, done + 1), "seconds": np.full(made, seconds)}
    return numbers | {name: _known_to_all(column[:made]) for name, column in rows.items()}


def _known_to_all(column: Shaped[np.ndarray, " steps"]) -> Shaped[np.ndarray, " steps"]:
    """Widen numbers of a type that only JAX knows (bfloat16 and the like), which it loses nothing by."""
    return column if column.dtype.isbuiltin == 1 else column.astype(np.float32)


def _joined(blocks: list[dict[str, Any]]) -> dict[str, Shaped[np.ndarray, " steps"]]:
    """Put blocks together; a column that a block lacks is nan there, as a step on the host may have no metrics."""
    names = dict.fromkeys(name for block in blocks for name in block)
    return {name: np.concatenate([block.get(name, _unknown(block)) for block in blocks]) for name in names}


def _unknown(block: dict[str, Any]) -> Shaped[np.ndarray, " steps"]:
    return np.full(len(block["step"]), np.nan)


def _next_length(length: int, made: int, seconds: float) -> int:
    """Return how many steps take half a second: at most twice as many as before, the first having compiled."""
    return max(1, min(2 * length, int(made * BLOCK_SECONDS / max(seconds, 1e-9))))


def _diverged(task: _Task, block: _Block, done: int, rows: dict[str, Any], unsaved: list[Any]) -> Diverged:
    state, bad = block.state, [name for name, column in rows.items() if not np.isfinite(column[-1])]
    what = f"{bad[0]} became {rows[bad[0]][-1]}" if bad else f"{_first_bad(block)} became infinite or no number"
    kept = "the state before it is in the error's `state`"
    if task.run is not None:
        task.run.save(done, state, _joined(unsaved), every=task.checkpoint_every)
        task.run.say("failed", done, reason=what)
        kept = f"the state before it is kept in {task.run.path}"
    return Diverged(
        f"{what} at step {done + 1}; {kept}; start again with a smaller learning rate, or a higher temperature.",
        state,
        done,
    )


def _first_bad(block: _Block) -> str:
    """Name the first array of the state that was not finite."""
    named, _ = jax.tree_util.tree_flatten_with_path(block.state)
    path, _ = named[int(np.argmin(block.finite))]
    return f"state{jax.tree_util.keystr(path)}"


def _unwritable(run: Run, error: OSError) -> InputError:
    """Name the file that cannot be written, and the last checkpoint."""
    last = max(run.steps, default=0)
    with contextlib.suppress(OSError):
        run.say("failed", last, reason=f"{error.filename}: {error.strerror}")
    return InputError(
        f"{error.filename} cannot be written ({error.strerror}); the checkpoint after {last} steps is kept: make room, "
        "and resume."
    )


def _is_up(max_seconds: float | int | None, started: float) -> bool:
    return max_seconds is not None and time.monotonic() - started >= max_seconds


@contextmanager
def _interruptions() -> Iterator[threading.Event]:
    """Set an event at the first Ctrl-C or signal to terminate; the second has its usual effect.

    Signals reach the main thread of a program alone; in another thread nothing changes.
    """
    stopped = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stopped
        return
    before = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)}

    def stop(number: int, _: Any) -> None:
        stopped.set()
        # A step may take minutes; the user shall know what the wait is for. Shown on standard error by default.
        LOG.warning("seriatim: stopping after the steps under way; once more stops at once, at the last checkpoint.")
        # From now on the signal has its usual effect.
        signal.signal(number, before[signal.Signals(number)])

    for each in before:
        signal.signal(each, stop)
    try:
        yield stopped
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def _check_trainer(trainer: Any, progress: Any) -> None:
    if isinstance(trainer, type) or not isinstance(trainer, Trainer):
        raise InputError(f"trainer={trainer!r} has no init and step; give a trainer, such as PolicyGradient(policy).")
    if progress is not None:
        require_callable("progress", progress, "a function (steps made, steps, means of metrics)", 3)


def _check(steps: int, checkpoint_every: int, max_seconds: float | int | None, run: Any) -> None:
    for name, value in (("steps", steps), ("checkpoint_every", checkpoint_every)):
        require_whole(name, value)
    if max_seconds is not None:
        require_real("max_seconds", max_seconds, "a number above 0, or None for no limit", above=0)
    if run is not None and not isinstance(run, Run):
        raise InputError(f"run={run!r} is no run; give Run.create(directory, configuration) or Run.open(directory).")
