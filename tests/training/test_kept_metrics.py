"""What a run keeps of its steps is what it was given: no step is lost, and nothing is written that cannot be read."""

import json

import numpy as np
import pytest

import seriatim as st
from seriatim.training import Run
from seriatim.training.runs._stamp import Kind, stamped

STATE = {"w": np.arange(4.0, dtype=np.float32)}


def columns(first, last):
    steps = np.arange(first, last + 1)
    return {"step": steps, "seconds": steps / 2, "cost": np.sqrt(steps), "good": steps > 2}


@pytest.fixture
def run(tmp_path):
    run = Run.create(tmp_path / "r", {})
    for first in (1, 3, 5):
        run.save(first + 1, STATE, columns(first, first + 1))
    return run


@pytest.mark.parametrize(("file", "missing"), [("00000002", (1, 2)), ("00000004", (3, 4)), ("00000006", (5, 6))])
def test_steps_whose_file_is_missing_are_told_and_have_nan(run, file, missing):
    whole = run.metrics()
    assert whole["step"].dtype == np.int64
    (run.path / "metrics" / f"{file}.parquet").unlink()
    with pytest.warns(UserWarning, match=f"the metrics of steps {missing[0]} to {missing[1]} are missing"):
        found = run.metrics()
    gone = np.isin(whole["step"], missing)
    assert found["step"].tolist() == [1, 2, 3, 4, 5, 6]
    for name in ("seconds", "cost", "good"):
        assert np.isnan(found[name][gone]).all()
        assert found[name][~gone].tolist() == whole[name][~gone].tolist()


def test_a_checkpoint_after_missing_metrics_does_not_know_its_mean_cost(run):
    (run.path / "metrics/00000006.parquet").unlink()
    with pytest.warns(UserWarning, match="steps 5 to 6 are missing"):
        run.save(8, STATE, columns(7, 8), every=8)
    with pytest.warns(UserWarning, match="steps 5 to 6 are missing"):
        assert np.isnan(run.metrics()["cost"]).sum() == 2
    assert run._about(8)["cost"] is None


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"step": np.array([7]), "cost": np.array([1.0])}, "it has no column seconds"),
        ({"step": np.array([7]), "seconds": np.array([1.0]), "note": np.array(["a"])}, "column note is "),
        ({"step": np.array([9]), "seconds": np.array([1.0])}, "its steps are not those up to 7"),
        ({"step": np.array([6.5]), "seconds": np.array([1.0])}, "its steps are not those up to 7"),
        ({"step": np.array([7]), "seconds": np.array([1.0, 2.0])}, "expected length 1 but got length 2"),
        ({"step": np.array([7]), "seconds": np.array([None])}, "column seconds is null"),
        ({"step": np.array([[7]]), "seconds": np.array([1.0])}, "only handle 1-dimensional arrays"),
        ({"step": [7], "seconds": [object()]}, "The columns are no metrics of the steps up to 7"),
    ],
)
def test_columns_that_could_not_be_read_are_not_written(run, given, said, without_type_checks):
    before = sorted(path.name for path in run.path.rglob("*"))
    with pytest.raises(st.InputError, match=said):
        without_type_checks(lambda: run.save(7, STATE, given))
    assert sorted(path.name for path in run.path.rglob("*")) == before
    assert len(run.metrics()["step"]) == 6


@pytest.mark.parametrize("step", [-1, 2.5, True, "7"])
def test_a_checkpoint_is_after_a_number_of_steps(run, step, without_type_checks):
    with pytest.raises(st.InputError, match="step="):
        without_type_checks(lambda: run.save(step, STATE, {}))


def test_a_damaged_word_of_the_format_is_called_damage(run):
    path = run.path / "status.json"
    path.write_text(path.read_text().replace("seriatim status", "seriatim rtatus"))
    with pytest.raises(st.InputError, match="is damaged, or is of the format 'seriatim rtatus 1'"):
        _ = run.status
    path.write_text(json.dumps(stamped({"state": "running"}, Kind("", "seriatim status 2", ""))))
    with pytest.raises(st.InputError, match=r"status.json is of the format 'seriatim status 2'.*read it by seriatim"):
        _ = run.status
