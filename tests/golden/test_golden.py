"""Decisions stay what they are: golden decisions, recorded before a change, compared after it.

A difference is either a fault, or meant; then `python -m tests.golden --write` records the new decisions and says which
ones differ, and the change says why. Whole numbers (controls, counts, stages) are compared exactly, others to the last
bits but a few (`golden.py`); `python -m tests.golden --exact` compares every bit on the machine that wrote them.
"""

import pytest
from tests.golden import golden
from tests.golden.cases import CASES

RECORDED = golden.read()


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if case.quick else [pytest.mark.slow]) for name, case in CASES.items()]
)
def test_decisions_are_those_recorded(name):
    case = CASES[name]
    found = golden.differences(RECORDED[name], golden.record(case()), False, case.tolerance)
    assert not found, "\n".join(found)


def test_every_case_is_recorded_and_every_record_has_a_case():
    assert RECORDED.keys() == CASES.keys()


def test_a_difference_is_seen():
    recorded = {
        "control": "int32 2 1 2",
        "q_factors": "float32 2 0x1.8p+1 inf",
        "long, digest": "sha256 float32 200 0a",
    }
    one_bit = {**recorded, "q_factors": "float32 2 0x1.800002p+1 inf", "long, digest": "sha256 float32 200 0b"}
    assert golden.differences(recorded, one_bit, False) == []
    assert len(golden.differences(recorded, one_bit, True)) == 2
    assert golden.differences(recorded, {**recorded, "q_factors": "float32 2 0x1.801p+1 inf"}, False)
    assert golden.differences(recorded, {**recorded, "q_factors": "float32 2 0x1.8p+1 nan"}, False)
    assert golden.differences(recorded, {**recorded, "control": "int32 2 1 1"}, False)
    assert golden.differences(recorded, {"control": "int32 2 1 2"}, False)
