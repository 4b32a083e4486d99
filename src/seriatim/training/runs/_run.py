"""Runs: directories with all that is needed to understand a training, to resume it, and to use its result.

    config.json        what was asked for
    environment.json   what it was made with: versions, platform, device
    status.json        how it ended: "running", "finished", "interrupted", "failed", and the step
    checkpoints/       NNNNNNNN.safetensors: the state after so many steps, and in its header the mean cost
    metrics/           NNNNNNNN.parquet: the metrics of the steps since the checkpoint before; one table together

Every file has a digest of its content (see `_stamp`), and checkpoints and metrics that of the configuration, so that no
damaged file, and none of another run, is taken for one of this run.

Whenever the process is killed, the directory stays good. Files are written whole or not at all, metrics before the
checkpoint they lead to; metrics beyond the last checkpoint belong to steps that will be made again, and are removed
when the run goes on.

Checkpoints are due after regular numbers of steps; one that was written because a training stopped elsewhere serves
until the next. So what is kept in the end, and which is the best, does not tell how often a training was stopped.
"""

import json
import os
import platform
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any, Literal, TypeVar

import filelock
import jax
import numpy as np
import pyarrow as pa
from jaxtyping import Shaped

from seriatim._arguments import require_whole
from seriatim._errors import InputError
from seriatim._files import MEGABYTE, as_path, is_leftover, read_bytes, remove_leftovers, write_atomically
from seriatim._record import record, static
from seriatim.training.runs._checkpoint import about_checkpoint, load_checkpoint, save_checkpoint
from seriatim.training.runs._metrics import Columns, read_metrics, write_metrics
from seriatim.training.runs._stamp import STAMP, Kind, digest_of_object, stamped, without_stamp

T = TypeVar("T")

CONFIG = Kind(
    "configuration of a run",
    "seriatim run 1",
    "restore it, or start another run",
    optional={
        **dict.fromkeys(("kind", "model"), "a text"),
        **dict.fromkeys(("network", "settings", "rollout"), "an object"),
        "set": "a list of texts",
    },
)
STATUS = Kind(
    "status of a run",
    "seriatim status 1",
    "resume the run, which writes it anew",
    {"state": "a text", "step": "a whole number from 0"},
)
ENVIRONMENT = Kind("environment of a run", "seriatim environment 1", "remove it")
# The most that is read of an object in JSON, in bytes.
LARGEST = 16 * MEGABYTE
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
            config: what was asked for, as JSON can say it. Where it has `kind` and `model`, they are texts, `set` is a
                list of texts, `network`, `settings` and `rollout` are mappings; "seriatim" is taken.

        Raises:
            InputError: there is something in the directory already, JSON cannot say `config`, or an entry of it is of
                another type; nothing is touched.
        """
        run = Run(as_path(path))
        if run.path.exists() and not run.is_blank:
            known = (run.path / "config.json").is_file()
            advice = "resume it, or give another directory" if known else "give a directory that is empty, or new"
            raise InputError(f"{run.path} {'is a run already' if known else 'is not empty'}; {advice}.")
        asked = _asked(run.path, config)
        try:
            for folder in (run._checkpoints, run._metrics):
                folder.mkdir(parents=True, exist_ok=True)
            _write_json(run.path / "environment.json", _environment(), ENVIRONMENT)
            _write_json(run.path / "status.json", {"state": "running", "step": 0}, STATUS)
            _write_json(run.path / "config.json", asked, CONFIG)
        except OSError as error:
            raise InputError(f"{run.path} cannot be made a run ({error.strerror}); give another directory.") from error
        return run

    @staticmethod
    def open(path: str | Path) -> "Run":
        """Find a run.

        Raises:
            InputError: there is none.
        """
        run = Run(as_path(path))
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
        """The configuration that the run was created with.

        Raises:
            InputError: the file is damaged.
        """
        return _read_json(self.path / "config.json", CONFIG)

    @property
    def status(self) -> dict[str, Any]:
        """How it stands: `state` and `step`. A run that says "running" and that no process holds was killed."""
        status = _read_json(self.path / "status.json", STATUS)
        if status["state"] == "running" and not self._is_held():
            status["state"] = "killed"
        return status

    @property
    def steps(self) -> list[int]:
        """The steps after which there is a checkpoint, from first to last."""
        return list(_numbered(self._checkpoints, ".safetensors"))

    def metrics(self) -> dict[str, Shaped[np.ndarray, " steps"]]:
        """Return the metrics of all steps up to the last checkpoint; each column is an array, `step` among them.

        Steps whose file is missing are warned of (`UserWarning`), and have nan in place of numbers.

        Raises:
            InputError: a file of them is damaged, or is of another run.
        """
        return self._metrics_between(0, max(self.steps, default=0))

    def restore(self, template: T, which: int | Literal["latest", "best"] = "latest", *, part: str = "") -> T:
        """Read a checkpoint.

        Args:
            template: a state of the same structure, shapes and types.
            which: after how many steps; the last; or the one with the least mean cost since the regular one before.
            part: the place in the state of what is read, such as ".parameters"; by default all of it.

        Raises:
            InputError: there is no such checkpoint, it is damaged, of another run, or of another setting.
        """
        steps = self.steps
        step = self.best if which == "best" else max(steps, default=0) if which == "latest" else which
        if step not in steps:
            kept = ", ".join(map(str, steps)) or "none"
            raise InputError(f"{self.path} has no checkpoint after {step} steps; it has {kept}.")
        self._own(step)
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
            InputError: `columns` are not metrics of the steps up to `step` (nothing is written then), or there is
                something else than arrays in `state`.
            OSError: something cannot be written; the checkpoints that were there still are.
        """
        require_whole("step", step, 0)
        require_whole("every", every)
        if columns and len(next(iter(columns.values()))):
            write_metrics(self._metrics / f"{step:08d}.parquet", columns, self._identity)
        cost = self._mean_cost((step - 1) // every * every, step)
        about = {"run": self._identity, "step": step, "cost": cost, "regular": step % every == 0}
        save_checkpoint(self._checkpoint(step), state, about)
        self._keep_few()

    def say(self, state: str, step: int, **more: Any) -> None:
        """Write the status."""
        _write_json(self.path / "status.json", {"state": state, "step": step, **more}, STATUS)

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
            # Not at once: a process that asks for the status of the run holds it for a moment.
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
        """Return the metrics in the files that end after step `first`, and not after `last`; nan for steps in none."""
        parts = [path for end, path in _numbered(self._metrics, ".parquet").items() if first < end <= last]
        if not parts:
            return {}
        identity = self._identity
        tables = _without_gaps([read_metrics(path, identity) for path in parts], first, last, self._metrics)
        try:
            table = pa.concat_tables(tables, promote_options="default")
        except pa.ArrowException as error:
            raise InputError(f"the files in {self._metrics} differ in the types of columns ({error}).") from error
        return {name: _numbers(table.column(name)) for name in table.column_names}

    def _mean_cost(self, first: int, last: int) -> float | None:
        """Return the mean cost of the steps after `first` up to `last`, if there are any."""
        found = self._metrics_between(first, last)
        if "cost" not in found:
            return None
        mean = float(np.mean(found["cost"][found["step"] > first], dtype=float))
        return None if np.isnan(mean) else mean

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
            return self._own(step)
        except InputError:
            return {}

    def _own(self, step: int) -> dict[str, Any]:
        """Return what is said of a checkpoint; refuse one that is not the one that was written in its place."""
        path = self._checkpoint(step)
        about = about_checkpoint(path)
        if about.get("step") != step or about.get("run") != self._identity:
            raise InputError(
                f"{path} is the checkpoint of another run, or after {about.get('step')} steps; put it back there, or "
                "remove it."
            )
        return about

    @property
    def _identity(self) -> str:
        """The mark of all files of this run; it stays the same when its directory is copied or renamed."""
        return digest_of_object(self.config)


def is_run(folder: str | Path) -> bool:
    """Say whether a directory is a run; a file config.json is in many that are not."""
    return (Path(folder) / "config.json").is_file() and (Path(folder) / "checkpoints").is_dir()


def runs_in(folder: str | Path) -> list[Run]:
    """List the runs in a directory, by name; the directory itself, if it is one."""
    here = as_path(folder)
    if not here.is_dir():
        raise InputError(f"{here} is no directory; give one with runs in it.")
    places = [here, *sorted(path for path in here.iterdir() if path.is_dir())]
    return [Run(path) for path in places if is_run(path)]


def _numbered(folder: Path, suffix: str) -> dict[int, Path]:
    """Return the files of a folder that are named by a number, in its order; others are none of ours."""
    found = {int(path.stem): path for path in folder.glob(f"*{suffix}") if path.stem.isdecimal()}
    return {number: found[number] for number in sorted(found) if found[number].name == f"{number:08d}{suffix}"}


def _without_gaps(tables: list[pa.Table], first: int, last: int, folder: Path) -> list[pa.Table]:
    """Put rows that have nothing but their number where steps are missing, and say so."""
    whole: list[pa.Table] = []
    for table in [*tables, None]:
        begin, end = (last + 1, last) if table is None else (table["step"][0].as_py(), table["step"][-1].as_py())
        if begin > first + 1:
            missing = f"the metrics of steps {first + 1} to {begin - 1} are missing"
            warnings.warn(f"{folder}: {missing}, and nan stands in their place; restore the file.", stacklevel=4)
            whole.append(pa.table({"step": np.arange(first + 1, begin)}))
        whole += [] if table is None else [table]
        first = max(first, end)
    return whole


def _numbers(column: pa.ChunkedArray) -> Shaped[np.ndarray, " steps"]:
    """Return a column as an array; what some of the files do not have is nan there."""
    numbers: Shaped[np.ndarray, " steps"] = (column.cast(pa.float64()) if column.null_count else column).to_numpy()
    return numbers


def _asked(path: Path, config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a configuration as it will be read again."""
    try:
        asked: dict[str, Any] = json.loads(json.dumps(dict(config)))
    except (TypeError, ValueError, RecursionError) as error:
        raise InputError(f"the configuration of {path} cannot be written as JSON ({error}).") from None
    if STAMP in asked:
        raise InputError(f"the configuration of {path} has {STAMP!r}, a name that the run itself uses; give another.")
    try:
        CONFIG.require_types(asked)
    except ValueError as error:
        raise InputError(f"the configuration of {path} cannot be kept: {error}.") from None
    return asked


def _write_json(path: Path, content: Mapping[str, Any], kind: Kind) -> None:
    write_atomically(path, (json.dumps(stamped(content, kind), indent=2) + "\n").encode())


def _read_json(path: Path, kind: Kind) -> dict[str, Any]:
    return without_stamp(path, read_bytes(path, kind.advice, limit=LARGEST), kind)


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
