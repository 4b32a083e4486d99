"""Files of metrics: a Parquet table with a row for each step, in a file that is named by the last of them.

The schema, which is checked before a number is read and again afterwards:

    step      whole numbers, each one more than the one before; the last is the number that the file is named by
    seconds   numbers
    others    numbers or truth values, none missing

In its metadata the file has a stamp (see `_stamp`) with a digest of all columns, their names included, and with the
run that it belongs to.
"""

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Shaped

from seriatim._errors import InputError
from seriatim._files import MEGABYTE, read_bytes, write_atomically
from seriatim.training.runs._stamp import STAMP, Kind, digest_of_arrays, stamped, without_stamp

METRICS = Kind(
    "metrics of a run", "seriatim metrics 1", "remove it to read the others", {"run": "a text", "columns": "a text"}
)
LARGEST = 1024 * MEGABYTE

Columns: TypeAlias = Mapping[str, Shaped[np.ndarray, " steps"]]


def write_metrics(path: Path, columns: Columns, run: str) -> None:
    """Write a file whose name is the number of the last step.

    Raises:
        InputError: the columns are none that would be read again; nothing is written.
        OSError: it cannot be written.
    """
    table = _table(columns, int(path.stem))
    stamp = stamped({"run": run, "columns": digest_of_arrays(columns)}, METRICS)
    table = table.replace_schema_metadata({STAMP: json.dumps(stamp)})
    content = io.BytesIO()
    pq.write_table(table, content, write_page_checksum=True)
    write_atomically(path, content.getvalue())


def _table(columns: Columns, last: int) -> pa.Table:
    """Return the columns as a table; refuse what `read_metrics` would."""
    try:
        table = pa.table({name: pa.array(np.asarray(values)) for name, values in columns.items()})
        _require_columns(table.schema)
        _require_rows(table, last)
    except (pa.ArrowException, TypeError, ValueError) as error:
        reason = (str(error).splitlines() or ["no message"])[0].rstrip(".")
        raise InputError(
            f"The columns are no metrics of the steps up to {last} ({reason}); give arrays of numbers of one length, "
            "step and seconds among them."
        ) from None
    return table


def read_metrics(path: Path, run: str) -> pa.Table:
    """Read a file of the run.

    Raises:
        InputError: it is damaged, or is not the one that was written in this place.
    """
    content = read_bytes(path, METRICS.advice, limit=LARGEST)
    try:
        with pq.ParquetFile(pa.BufferReader(content), page_checksum_verification=True) as file:
            metadata = file.schema_arrow.metadata or {}
            said = without_stamp(path, metadata.get(STAMP.encode(), b"{}"), METRICS)
            _require_schema(file, len(content))
            table = file.read()
        _require_rows(table, int(path.stem))
        _require_digest(table, said["columns"])
    except InputError:
        raise
    except (pa.ArrowException, OSError, ValueError) as error:
        raise METRICS.damaged(path, (str(error).splitlines() or ["no message"])[0].rstrip(".")) from error
    if said["run"] != run:
        raise InputError(f"{path} has the metrics of another run; put it back to that run, or remove it.")
    return table


def _require_schema(file: Any, size: int) -> None:
    """Refuse tables of other columns, and more rows than a file of `size` bytes has steps."""
    _require_columns(file.schema_arrow)
    # The numbers of steps differ, so that each takes room.
    if not 0 < file.metadata.num_rows <= size:
        raise ValueError(f"it says that it has {file.metadata.num_rows:,} rows in {size:,} bytes")


def _require_columns(schema: pa.Schema) -> None:
    """Refuse what has no columns of numbers."""
    for name, kind in zip(schema.names, schema.types, strict=True):
        if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)):
            raise ValueError(f"column {name} is {kind}, where numbers are expected")
    if len(set(schema.names)) < len(schema.names):
        raise ValueError("two of its columns have the same name")
    for name in ("step", "seconds"):
        if name not in schema.names:
            raise ValueError(f"it has no column {name}")


def _require_rows(table: pa.Table, last: int) -> None:
    """Refuse missing numbers, and other steps than those that end with `last`."""
    for name in table.column_names:
        if table.column(name).null_count:
            raise ValueError(f"column {name} has {table.column(name).null_count:,} missing numbers")
    steps = table.column("step").to_numpy()
    if not np.array_equal(steps, np.arange(last - len(steps) + 1, last + 1)):
        raise ValueError(f"its steps are not those up to {last}, which it is named by")


def _require_digest(table: pa.Table, digest: str) -> None:
    if digest != digest_of_arrays({name: table.column(name).to_numpy() for name in table.column_names}):
        raise ValueError("its columns are not what was written")
