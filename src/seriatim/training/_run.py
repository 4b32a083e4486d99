"""A run: a directory with all that is needed to understand a training, to go on with it, and to use its result.

    config.json        what was asked for
    environment.json   what it was made with: versions, platform, device
    status.json        how it ended: "running", "finished", "interrupted", "failed", and the step
    checkpoints/       NNNNNNNN.safetensors: the state after so many steps
    metrics/           NNNNNNNN.parquet: the metrics of the steps since the checkpoint before; one table together

Whenever the process is killed, the directory stays good. Files are written whole or not at all, metrics before the
checkpoint they lead to; metrics beyond the last checkpoint belong to steps that will be made again, and are removed
when the run goes on.
"""

import io
import json
import os
import platform
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any, Literal, TypeVar

import filelock
import jax
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Shaped

from seriatim._errors import InputError
from seriatim._record import record, static
from seriatim.training._checkpoint import load_checkpoint, save_checkpoint
from seriatim.training._files import remove_leftovers, write_atomically

T = TypeVar("T")
Columns = Mapping[str, Shaped[np.ndarray, " steps"]]

# The last so many checkpoints are kept, beside the best.
KEPT = 3


@record
class Run:
    """A directory with a training in it. Made by `Run.create`, found again by `Run.open`."""

    path: Path = static()

    @staticmethod
    def create(path: str | Path, config: Mapping[str, Any]) -> "Run":
        """Make the directory of a new run.

        Args:
            path: of the directory, which is empty or not there yet.
            config: what was asked for, as JSON can say it.

        Raises:
            InputError: there is something in the directory already; nothing is touched.
        """
        run = Run(Path(path))
        if run.path.exists() and (not run.path.is_dir() or any(run.path.iterdir())):
            known = (run.path / "config.json").is_file()
            advice = "resume it, or give another directory" if known else "give a directory that is empty, or new"
            raise InputError(f"{run.path} {'is a run already' if known else 'is not empty'}; {advice}.")
        for folder in (run._checkpoints, run._metrics):
            folder.mkdir(parents=True, exist_ok=True)
        _write_json(run.path / "environment.json", _environment())
        _write_json(run.path / "status.json", {"state": "running", "step": 0})
        _write_json(run.path / "config.json", dict(config))
        return run

    @staticmethod
    def open(path: str | Path) -> "Run":
        """Find a run.

        Raises:
            InputError: there is none.
        """
        run = Run(Path(path))
        if not (run.path / "config.json").is_file():
            raise InputError(f"{run.path} is no run, for it has no config.json; give the directory of one.")
        return run

    @property
    def name(self) -> str:
        """The name of the directory."""
        return self.path.resolve().name

    @property
    def config(self) -> dict[str, Any]:
        """What was asked for."""
        return _read_json(self.path / "config.json")

    @property
    def status(self) -> dict[str, Any]:
        """How it stands: `state` and `step`. A run that says "running" and that no process holds was killed."""
        status = _read_json(self.path / "status.json")
        if status["state"] == "running" and not self._is_held():
            status["state"] = "killed"
        return status

    @property
    def steps(self) -> list[int]:
        """The steps after which there is a checkpoint, from first to last."""
        return sorted(int(path.stem) for path in self._checkpoints.glob("*.safetensors"))

    def metrics(self) -> dict[str, Shaped[np.ndarray, " steps"]]:
        """Return the metrics of all steps up to the last checkpoint; each column is an array, `step` among them."""
        last = max(self.steps, default=0)
        parts = [path for path in sorted(self._metrics.glob("*.parquet")) if int(path.stem) <= last]
        if not parts:
            return {}
        try:
            table = pa.concat_tables([pq.read_table(path) for path in parts], promote_options="default")
        except pa.ArrowInvalid as error:
            raise InputError(f"{self._metrics} has a damaged file ({error}); remove it to read the others.") from error
        return {name: table.column(name).to_numpy() for name in table.column_names}

    def restore(self, template: T, which: int | Literal["latest", "best"] = "latest", *, part: str = "") -> T:
        """Read a checkpoint.

        Args:
            template: a state of the same structure, shapes and types.
            which: after how many steps; the last; or the one with the least mean cost since the checkpoint before it.
            part: the place in the state of what is read, such as ".parameters"; by default all of it.

        Raises:
            InputError: there is no such checkpoint, it is damaged, or of another setting.
        """
        steps = self.steps
        step = self.best if which == "best" else max(steps, default=0) if which == "latest" else which
        if step not in steps:
            kept = ", ".join(map(str, steps)) or "none"
            raise InputError(f"{self.path} has no checkpoint after {step} steps; it has {kept}.")
        return load_checkpoint(self._checkpoint(step), template, part=part)

    @property
    def best(self) -> int:
        """The step of the checkpoint with the least mean `cost` since the one before; the last where costs are not
        known."""
        steps, found = self.steps, self.metrics()
        if not steps or "cost" not in found:
            return max(steps, default=0)
        return min(steps, key=lambda step: self._mean_cost(step, found))

    def save(self, step: int, state: Any, columns: Columns) -> None:
        """Keep the state after `step` steps, and the metrics of the steps since the last time; the older are removed,
        but for the best."""
        if columns and len(next(iter(columns.values()))):
            content = io.BytesIO()
            pq.write_table(pa.table({name: pa.array(values) for name, values in columns.items()}), content)
            write_atomically(self._metrics / f"{step:08d}.parquet", content.getvalue())
        save_checkpoint(self._checkpoint(step), state)
        kept = {*self.steps[-KEPT:], self.best}
        for old in set(self.steps) - kept:
            self._checkpoint(old).unlink(missing_ok=True)

    def say(self, state: str, step: int, **more: Any) -> None:
        """Write the status."""
        _write_json(self.path / "status.json", {"state": state, "step": step, **more})

    def forget_after(self, step: int) -> None:
        """Remove what a process that was killed left: unfinished files, and metrics of steps to be made again."""
        for folder in (self.path, self._checkpoints, self._metrics):
            remove_leftovers(folder)
        for path in self._metrics.glob("*.parquet"):
            if int(path.stem) > step:
                path.unlink()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep other processes from writing to the run; let go at the end, also of the process.

        Raises:
            InputError: another process is at it.
        """
        try:
            with self._lock.acquire(blocking=False):
                yield
        except filelock.Timeout:
            raise InputError(f"{self.path} is being written to by another process; wait for it, or stop it.") from None

    @property
    def _lock(self) -> filelock.FileLock:
        return filelock.FileLock(self.path / ".lock")

    def _is_held(self) -> bool:
        try:
            with self._lock.acquire(blocking=False):
                return False
        except filelock.Timeout:
            return True

    @property
    def _checkpoints(self) -> Path:
        return self.path / "checkpoints"

    @property
    def _metrics(self) -> Path:
        return self.path / "metrics"

    def _checkpoint(self, step: int) -> Path:
        return self._checkpoints / f"{step:08d}.safetensors"

    def _mean_cost(self, step: int, found: Columns) -> float:
        before = max((int(p.stem) for p in self._metrics.glob("*.parquet") if int(p.stem) < step), default=0)
        mine = found["cost"][(found["step"] > before) & (found["step"] <= step)]
        return float(np.mean(mine)) if len(mine) else np.inf


def runs_in(folder: str | Path) -> list[Run]:
    """List the runs in a directory, by name; the directory itself, if it is one."""
    here = Path(folder)
    if not here.is_dir():
        raise InputError(f"{here} is no directory; give one with runs in it.")
    places = [here, *sorted(path for path in here.iterdir() if path.is_dir())]
    return [Run(path) for path in places if (path / "config.json").is_file()]


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    write_atomically(path, (json.dumps(content, indent=2) + "\n").encode())


def _read_json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text())
    except FileNotFoundError:
        raise InputError(f"{path} is missing; the run is not complete.") from None
    except ValueError as error:
        raise InputError(f"{path} is damaged ({error}); restore it, or start another run.") from error
    if not isinstance(found, dict):
        raise InputError(f"{path} holds {type(found).__name__} where an object is expected; restore it.")
    return found


def _environment() -> dict[str, Any]:
    names = ("seriatim", "jax", "jaxlib", "numpy", "equinox", "optax")
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "device": str(jax.devices()[0].device_kind),
        "devices": jax.device_count(),
        "cores": os.cpu_count(),
        "packages": {name: metadata.version(name) for name in names},
    }
