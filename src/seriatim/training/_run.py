"""A run: a directory with all that is needed to understand a training, to go on with it, and to use its result.

    config.json        what was asked for
    environment.json   what it was made with: versions, platform, device
    status.json        how it ended: "running", "finished", "interrupted", "failed", and the step
    checkpoints/       NNNNNNNN.safetensors: the state after so many steps, and in its header the mean cost
    metrics/           NNNNNNNN.parquet: the metrics of the steps since the checkpoint before; one table together

Whenever the process is killed, the directory stays good. Files are written whole or not at all, metrics before the
checkpoint they lead to; metrics beyond the last checkpoint belong to steps that will be made again, and are removed
when the run goes on.

Checkpoints are due after regular numbers of steps; one that was written because a training stopped elsewhere serves
until the next. So what is kept in the end, and which is the best, does not tell how often a training was stopped.
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
from seriatim._files import is_leftover, remove_leftovers, write_atomically
from seriatim._record import record, static
from seriatim.training._checkpoint import about_checkpoint, load_checkpoint, save_checkpoint

T = TypeVar("T")
Columns = Mapping[str, Shaped[np.ndarray, " steps"]]

# The last so many of the regular checkpoints are kept, beside the best of them and the last of all.
KEPT = 3


@record
class Run:
    """A directory with a training in it. Made by `Run.create`, found again by `Run.open`."""

    path: Path = static()

    @staticmethod
    def create(path: str | Path, config: Mapping[str, Any]) -> "Run":
        """Make the directory of a new run.

        Args:
            path: of the directory, which is blank or not there yet.
            config: what was asked for, as JSON can say it.

        Raises:
            InputError: there is something in the directory already, or JSON cannot say `config`; nothing is touched.
        """
        run = Run(Path(path))
        if run.path.exists() and not run.is_blank:
            known = (run.path / "config.json").is_file()
            advice = "resume it, or give another directory" if known else "give a directory that is empty, or new"
            raise InputError(f"{run.path} {'is a run already' if known else 'is not empty'}; {advice}.")
        try:
            asked = _as_json(config)
        except (TypeError, ValueError) as error:
            raise InputError(f"the configuration of {run.path} cannot be written as JSON ({error}).") from None
        try:
            for folder in (run._checkpoints, run._metrics):
                folder.mkdir(parents=True, exist_ok=True)
            _write_json(run.path / "environment.json", _environment())
            _write_json(run.path / "status.json", {"state": "running", "step": 0})
            write_atomically(run.path / "config.json", asked)
        except OSError as error:
            raise InputError(f"{run.path} cannot be made a run ({error.strerror}); give another directory.") from error
        return run

    @staticmethod
    def open(path: str | Path) -> "Run":
        """Find a run.

        Raises:
            InputError: there is none.
        """
        run = Run(Path(path))
        if not is_run(run.path):
            missing = "checkpoints" if (run.path / "config.json").is_file() else "config.json"
            raise InputError(f"{run.path} is no run, for it has no {missing}; give the directory of one.")
        return run

    @property
    def is_blank(self) -> bool:
        """Whether the directory has nothing of a run yet: it is empty, or the process that made it was killed at it."""
        if not self.path.is_dir():
            return False
        folders, files = (self._checkpoints, self._metrics), ("environment.json", "status.json")
        return all(
            (each in folders and each.is_dir() and not any(each.iterdir())) or each.name in files or is_leftover(each)
            for each in self.path.iterdir()
        )

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
        if not isinstance(status.get("state"), str):
            raise InputError(
                f"{self.path / 'status.json'} does not say the state; resume the run, which writes it anew."
            )
        if status["state"] == "running" and not self._is_held():
            status["state"] = "killed"
        return status

    @property
    def steps(self) -> list[int]:
        """The steps after which there is a checkpoint, from first to last."""
        return list(_numbered(self._checkpoints, ".safetensors"))

    def metrics(self) -> dict[str, Shaped[np.ndarray, " steps"]]:
        """Return the metrics of all steps up to the last checkpoint; each column is an array, `step` among them.

        Raises:
            InputError: a file of them is damaged.
        """
        return self._metrics_between(0, max(self.steps, default=0))

    def restore(self, template: T, which: int | Literal["latest", "best"] = "latest", *, part: str = "") -> T:
        """Read a checkpoint.

        Args:
            template: a state of the same structure, shapes and types.
            which: after how many steps; the last; or the one with the least mean cost since the regular one before.
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
        """The step of the checkpoint with the least mean `cost` since the regular one before; the last where costs
        are not known.

        Of irregular checkpoints only the last counts, for it alone is there whether or not training was stopped."""
        steps = self.steps
        return min([*self._regular(steps), *steps[-1:]], key=self._cost_and_age, default=0)

    def save(self, step: int, state: Any, columns: Columns, *, every: int = 1) -> None:
        """Keep the state after `step` steps, and the metrics of the steps since the last time.

        Checkpoints after a multiple of `every` steps are regular: the last of them are kept, and the best. Others are
        removed by the next.

        Raises:
            OSError: something cannot be written; the checkpoints that were there still are.
        """
        if columns and len(next(iter(columns.values()))):
            content = io.BytesIO()
            table = pa.table({name: pa.array(values) for name, values in columns.items()})
            pq.write_table(table, content, write_page_checksum=True)
            write_atomically(self._metrics / f"{step:08d}.parquet", content.getvalue())
        cost = self._mean_cost((step - 1) // every * every, step)
        save_checkpoint(self._checkpoint(step), state, {"step": step, "cost": cost, "regular": step % every == 0})
        self._keep_few()

    def say(self, state: str, step: int, **more: Any) -> None:
        """Write the status."""
        _write_json(self.path / "status.json", {"state": state, "step": step, **more})

    def forget_after(self, step: int) -> None:
        """Remove what a process that was killed left: unfinished files, and metrics of steps to be made again."""
        for folder in (self.path, self._checkpoints, self._metrics):
            remove_leftovers(folder)
        for last, path in _numbered(self._metrics, ".parquet").items():
            if last > step:
                path.unlink()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep other processes from writing to the run; let go at the end, also of the process.

        Raises:
            InputError: another process is at it.
        """
        try:
            # Not at once: whoever asks for the status of the run holds it for a moment.
            with self._lock.acquire(timeout=0.5):
                yield
        except filelock.Timeout:
            raise InputError(f"{self.path} is being written to by another process; wait for it, or stop it.") from None

    @property
    def _lock(self) -> filelock.FileLock:
        return filelock.FileLock(self.path / ".lock")

    def _is_held(self) -> bool:
        if not (self.path / ".lock").exists():
            return False
        try:
            with self._lock.acquire(blocking=False):
                return False
        except (filelock.Timeout, OSError):  # the latter: a run of somebody else's, which may only be read
            return True

    @property
    def _checkpoints(self) -> Path:
        return self.path / "checkpoints"

    @property
    def _metrics(self) -> Path:
        return self.path / "metrics"

    def _checkpoint(self, step: int) -> Path:
        return self._checkpoints / f"{step:08d}.safetensors"

    def _metrics_between(self, first: int, last: int) -> dict[str, Shaped[np.ndarray, " steps"]]:
        """Return the metrics in the files that end after step `first`, and not after `last`."""
        parts = [path for end, path in _numbered(self._metrics, ".parquet").items() if first < end <= last]
        if not parts:
            return {}
        table = pa.concat_tables([_read_table(path) for path in parts], promote_options="default")
        return {name: table.column(name).to_numpy() for name in table.column_names}

    def _mean_cost(self, first: int, last: int) -> float | None:
        """Return the mean cost of the steps after `first` up to `last`, if there are any."""
        found = self._metrics_between(first, last)
        if "cost" not in found:
            return None
        return float(np.mean(found["cost"][found["step"] > first], dtype=float))

    def _keep_few(self) -> None:
        steps = self.steps
        regular = self._regular(steps)
        kept = {*regular[-KEPT:], min(regular, key=self._cost_and_age, default=0), *steps[-1:]}
        for old in set(steps) - kept:
            self._checkpoint(old).unlink(missing_ok=True)

    def _regular(self, steps: list[int]) -> list[int]:
        return [step for step in steps if self._about(step).get("regular", False)]

    def _cost_and_age(self, step: int) -> tuple[float, int]:
        """Order by cost; where costs are equal or not known, the later comes first."""
        cost = self._about(step).get("cost")
        return (np.inf if cost is None else cost, -step)

    def _about(self, step: int) -> dict[str, Any]:
        """Return what is said of a checkpoint: nothing of a damaged one, which must not stop what needs it no more."""
        try:
            return about_checkpoint(self._checkpoint(step))
        except InputError:
            return {}


def is_run(folder: str | Path) -> bool:
    """Say whether a directory is a run; a file config.json is in many that are not."""
    return (Path(folder) / "config.json").is_file() and (Path(folder) / "checkpoints").is_dir()


def runs_in(folder: str | Path) -> list[Run]:
    """List the runs in a directory, by name; the directory itself, if it is one."""
    here = Path(folder)
    if not here.is_dir():
        raise InputError(f"{here} is no directory; give one with runs in it.")
    places = [here, *sorted(path for path in here.iterdir() if path.is_dir())]
    return [Run(path) for path in places if is_run(path)]


def _numbered(folder: Path, suffix: str) -> dict[int, Path]:
    """Return the files of a folder that are named by a number, in its order; others are none of ours."""
    found = [path for path in folder.glob(f"*{suffix}") if path.stem.isdecimal()]
    return {int(path.stem): path for path in sorted(found, key=lambda path: int(path.stem))}


def _read_table(path: Path) -> pa.Table:
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            return file.read()
    except (pa.ArrowException, OSError, ValueError) as error:
        said = str(error).splitlines()[0].rstrip(".")
        raise InputError(f"{path} is damaged ({said}); remove it to read the others.") from error


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    write_atomically(path, _as_json(content))


def _as_json(content: Mapping[str, Any]) -> bytes:
    return (json.dumps(dict(content), indent=2) + "\n").encode()


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
