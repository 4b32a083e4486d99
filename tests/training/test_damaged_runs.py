"""Whatever lies in the place of a run's file, it is refused in one sentence that names the file, or it is the file."""

import json
import os
import shutil
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import seriatim as st
from seriatim.training import Run, trained_policy
from seriatim.training.runs._checkpoint import load_checkpoint, save_checkpoint
from seriatim.training.runs._stamp import Kind, stamped

STATE = {"w": np.arange(4.0, dtype=np.float32), "step": np.int32(5)}
CONFIG, STATUS = "config.json", "status.json"
CHECKPOINT, METRICS = "checkpoints/00000005.safetensors", "metrics/00000005.parquet"
FILES = [CONFIG, STATUS, CHECKPOINT, METRICS]
# The stamp of the format to come.
FUTURE = {"format": "seriatim other 9", "version": "9.1", "digest": "0"}


def columns(first, last, name="cost"):
    steps = np.arange(first, last + 1)
    return {"step": steps, "seconds": steps / 2, name: np.sqrt(steps), "done": steps > 3}


def new_run(folder, seed=3):
    run = Run.create(folder, {"kind": "descent", "set": ["a=1"], "seed": seed})
    run.save(5, STATE, columns(1, 5))
    run.save(10, STATE, columns(6, 10))
    run.say("finished", 10)
    return run


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return new_run(tmp_path_factory.mktemp("runs") / "whole")


@pytest.fixture
def run(whole, tmp_path):
    return Run(shutil.copytree(whole.path, tmp_path / "r"))


def read(run, file):
    """Read one of the run's files as the package does."""
    readers = {
        CONFIG: lambda: run.config,
        STATUS: lambda: run.status,
        CHECKPOINT: lambda: run.restore(STATE, 5),
        METRICS: run.metrics,
    }
    return readers[file]()


def read_if_sound(run, file):
    """Return what is read, or None where it is refused in a sentence that names the file."""
    try:
        return read(run, file)
    except st.InputError as error:
        return None if str(run.path / file) in str(error) else error


def refused(run, file, said):
    with pytest.raises(st.InputError) as caught:
        read(run, file)
    assert said in str(caught.value), caught.value
    assert str(caught.value).startswith(str(run.path / file))
    assert "\n" not in str(caught.value)


def test_a_copied_and_renamed_run_is_read(run):
    assert run.config == {"kind": "descent", "set": ["a=1"], "seed": 3}
    assert run.status == {"state": "finished", "step": 10}
    assert run.metrics()["cost"].tolist() == np.sqrt(np.arange(1, 11)).tolist()
    assert run.restore(STATE, 5)["w"].tolist() == STATE["w"].tolist()


@pytest.mark.parametrize("file", FILES)
def test_what_is_no_regular_file_is_refused_at_once(run, file):
    path = run.path / file
    path.unlink()
    os.mkfifo(path)
    refused(run, file, "cannot be read (it is a named pipe, not a regular file)")
    path.unlink()
    path.symlink_to("/dev/zero")
    refused(run, file, "cannot be read (it is a device, not a regular file)")
    path.unlink()
    path.touch()
    os.truncate(path, 2**40)
    refused(run, file, "MB, the most that is read of such a file")


@pytest.mark.parametrize("file", [CONFIG, STATUS])
@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("[" * 10**6, "it is nested too deeply"),
        ('{"a":' * 10**6, "it is nested too deeply"),
        ("", "Expecting value"),
        ("[]", "it holds list where an object is expected"),
        ("\xff", "can't decode byte"),
        ("9" * 5000, "integer string conversion"),
        ("{}", "it does not say which version of seriatim wrote it"),
        ('{"seriatim": 3}', "it does not say which version"),
        ('{"seriatim": {"format": 1, "version": [], "digest": {}}}', "is no text"),
        (json.dumps({"seriatim": FUTURE}), "is of the format 'seriatim other 9', and this version of seriatim reads"),
    ],
)
def test_other_json_is_refused(run, file, content, said):
    (run.path / file).write_bytes(content.encode("latin-1"))
    refused(run, file, said)


@pytest.mark.parametrize("file", [CONFIG, STATUS])
def test_no_flipped_bit_in_json_is_taken_for_what_was_written(run, file):
    """Every byte in turn. Blanks between the words may differ: they say nothing."""
    path, right = run.path / file, read(run, file)
    content = path.read_bytes()
    for place in range(len(content)):
        path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        found = read_if_sound(run, file)
        assert found is None or (found == right and chr(content[place]).isspace())


def test_a_status_with_entries_of_other_types_is_refused(run):
    form = json.loads((run.path / STATUS).read_text())["seriatim"]["format"]
    for content, said in (
        ({"state": 3, "step": 1}, "state is 3, where a text is expected"),
        ({"state": "finished", "step": True}, "step is True, where a whole number from 0 is expected"),
        ({"state": "finished"}, "it has no step"),
    ):
        (run.path / STATUS).write_text(json.dumps(stamped(content, Kind("", form, ""))))
        refused(run, STATUS, said)


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"set": 3}, "cannot be kept: set is 3, where a list of texts is expected"),
        ({"set": [3]}, r"cannot be kept: set is \[3\], where a list of texts is expected"),
        ({"kind": 3}, "cannot be kept: kind is 3, where a text is expected"),
        ({"network": []}, r"cannot be kept: network is \[\], where an object is expected"),
        ({"seriatim": 1}, "has 'seriatim', a name that the run itself uses"),
    ],
)
def test_a_configuration_that_could_not_be_read_is_not_written(tmp_path, config, said):
    with pytest.raises(st.InputError, match=said):
        Run.create(tmp_path / "new", config)
    assert not (tmp_path / "new").exists()


def test_a_configuration_that_is_nested_too_deeply_is_not_written(tmp_path):
    deep = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(st.InputError, match="cannot be written as JSON"):
        Run.create(tmp_path / "new", {"deep": deep})


def test_a_network_that_is_described_wrongly_is_a_sentence(tmp_path):
    run = Run.create(tmp_path / "r", {"kind": "policy-iteration", "network": {"entity": 2}})
    with pytest.raises(st.InputError, match="network has entity 2; it has hidden, shared, entities"):
        trained_policy(run, None)


def header(metadata):
    """A file of the format of checkpoints with another header."""
    text = json.dumps({"__metadata__": metadata} if isinstance(metadata, dict) else metadata).encode()
    return len(text).to_bytes(8, "little") + text


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "its header is cut off"),
        (b"\xff" * 8, "its header is cut off"),
        ((10**6).to_bytes(8, "little") + b"[" * 10**6, "it is nested too deeply"),
        (header([]), "it holds list where an object is expected"),
        (header({}), "was not written as a checkpoint of seriatim"),
        (header({"seriatim": 3}), "was not written as a checkpoint of seriatim"),
        (header({"seriatim": "[" * 10**5}), "it is nested too deeply"),
        (header({"seriatim": "[]"}), "it holds list where an object is expected"),
        (header({"seriatim": json.dumps({"seriatim": FUTURE})}), "is of the format 'seriatim other 9'"),
    ],
)
def test_other_headers_of_checkpoints_are_refused(run, content, said):
    (run.path / CHECKPOINT).write_bytes(content)
    refused(run, CHECKPOINT, said)
    assert run.best == 10  # which needs it no more


@pytest.mark.parametrize(
    ("name", "entry"),
    [("kinds", []), ("kinds", {"['w']": 3}), ("about", []), ("about", 3), ("arrays", None)],
)
def test_headers_with_entries_of_other_types_are_refused(run, name, entry):
    path = run.path / CHECKPOINT
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    head = json.loads(json.loads(content[8 : 8 + length])["__metadata__"]["seriatim"])
    form = head.pop("seriatim")["format"]
    changed = stamped({**head, name: entry}, Kind("", form, ""))
    path.write_bytes(header({"seriatim": json.dumps(changed)}))
    refused(run, CHECKPOINT, f"{name} is ")


def test_a_checkpoint_in_place_of_another_is_refused(run, tmp_path):
    shutil.copy(run.path / "checkpoints/00000010.safetensors", run.path / CHECKPOINT)
    refused(run, CHECKPOINT, "is the checkpoint of another run, or after 10 steps")
    other = new_run(tmp_path / "other", seed=4)
    shutil.copy(other.path / CHECKPOINT, run.path / CHECKPOINT)
    refused(run, CHECKPOINT, "is the checkpoint of another run, or after 5 steps")


def test_a_checkpoint_is_read_into_shapes_and_types(tmp_path):
    tree = {"key": jax.random.key(3), "w": jnp.arange(3, dtype=jnp.bfloat16)}
    save_checkpoint(tmp_path / "c", tree)
    found = load_checkpoint(tmp_path / "c", jax.eval_shape(lambda: tree))
    assert found["key"] == tree["key"]
    assert found["w"].tolist() == [0, 1, 2]
    with pytest.raises(st.InputError, match=r"\['w'\] is bfloat16\[3\], where float32\[3\] is expected"):
        load_checkpoint(tmp_path / "c", {"key": tree["key"], "w": jax.ShapeDtypeStruct((3,), jnp.float32)})


def table(content, metadata=None):
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(content, metadata=metadata), sink)
    return sink.getvalue().to_pybytes()


def with_stamp_of(path, content):
    """A table that keeps the stamp of a file."""
    return table(content, pq.read_schema(path).metadata)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"step": ["1"], "seconds": [1.0]}, "column step is string, where numbers are expected"),
        ({"step": [1], "seconds": [1.0], "cost": [[1.0]]}, "column cost is list<"),
        ({"step": [1], "seconds": [1.0], "cost": [None]}, "column cost is null, where numbers are expected"),
        ({"step": [5], "seconds": pa.array([None], pa.float64())}, "column seconds has 1 missing numbers"),
        ({"step": [1], "cost": [1.0]}, "it has no column seconds"),
        ({"step": [4], "seconds": [1.0]}, "its steps are not those up to 5"),
        ({"step": [3, 5], "seconds": [1.0, 2.0]}, "its steps are not those up to 5"),
        ({"step": [5], "seconds": [1.0]}, "its columns are not what was written"),
        (columns(1, 5, name="dost"), "its columns are not what was written"),
        ({name: values[:0] for name, values in columns(1, 5).items()}, "it says that it has 0 rows"),
        ({"step": pa.nulls(10**6, pa.int64()), "seconds": pa.nulls(10**6, pa.float64())}, "has 1,000,000 rows in"),
    ],
)
def test_other_tables_are_refused(run, content, said):
    path = run.path / METRICS
    path.write_bytes(with_stamp_of(path, content))
    refused(run, METRICS, said)


def test_a_table_without_a_stamp_or_of_a_format_to_come_is_refused(run):
    path = run.path / METRICS
    path.write_bytes(table(columns(1, 5)))
    refused(run, METRICS, "it does not say which version of seriatim wrote it")
    path.write_bytes(table({"other": ["columns"]}, {"seriatim": json.dumps({"seriatim": FUTURE})}))
    refused(run, METRICS, "is of the format 'seriatim other 9'")


def test_one_file_of_metrics_in_place_of_another_is_refused(run, tmp_path):
    shutil.copy(run.path / "metrics/00000010.parquet", run.path / METRICS)
    refused(run, METRICS, "its steps are not those up to 5, which it is named by")
    other = new_run(tmp_path / "other", seed=4)
    shutil.copy(other.path / METRICS, run.path / METRICS)
    refused(run, METRICS, "has the metrics of another run; put it back")


def test_no_flipped_bit_in_a_footer_is_taken_for_another_table(run):
    """Bytes after the last page: names and types of columns, counts, the stamp."""
    path, right = run.path / METRICS, run.metrics()
    content = path.read_bytes()
    footer = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    refusals = 0
    for place in range(footer, len(content), 7):
        path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        found = read_if_sound(run, METRICS)
        refusals += found is None
        assert found is None or found.keys() == right.keys()
        assert all(np.array_equal(found[name], right[name]) for name in found or ())
    assert refusals > 50


def test_columns_that_some_files_lack_are_nan_there_whatever_their_type(tmp_path):
    run = Run.create(tmp_path / "r", {})
    run.save(5, STATE, columns(1, 5))
    run.save(10, STATE, columns(6, 10, name="gain") | {"done": np.arange(5.0)})
    with pytest.raises(st.InputError, match="differ in the types of columns"):
        run.metrics()
    Path(run.path / "metrics/00000010.parquet").unlink()
    run.save(10, STATE, {name: column for name, column in columns(6, 10).items() if name != "done"})
    assert run.metrics()["done"][:5].tolist() == [0, 0, 0, 1, 1]
    assert np.isnan(run.metrics()["done"][5:]).all()
