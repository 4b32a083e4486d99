"""`--set key=value`: text becomes a value of the annotated type, or is refused with the type in words."""

import contextlib
import dataclasses
from pathlib import Path
from typing import Any, Literal

import jax
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as some
from jaxtyping import Array, Bool, Float, Int

from seriatim._errors import InputError
from seriatim.cli._fields import made_with, read_assignments, replaced
from seriatim.cli._values import in_words, read_value

READ = [
    ("3", int, 3),
    ("-3", int, -3),
    ("0.5", float, 0.5),
    ("1e-3", float, 1e-3),
    ("inf", float, float("inf")),
    ("true", bool, True),
    ("No", bool, False),
    ("3", str, "3"),
    ("wander", Literal["stay", "wander"], "wander"),
    ("2", Literal[1, 2], 2),
    ("none", int | None, None),
    ("7", int | None, 7),
    ("none", str | None, None),
    ("3", str | int, 3),
    ("a/b.map", str | Path | None, "a/b.map"),
    ("1,2,3", tuple[int, ...], (1, 2, 3)),
    ("(1, 2)", tuple[int, int], (1, 2)),
    ("", tuple[int, ...], ()),
    ("a, b", list[str], ["a", "b"]),
    ("(1,2),(3,4)", tuple[tuple[int, int], ...], ((1, 2), (3, 4))),
    ("[1, 'x']", Any, [1, "x"]),
    ("plain", Any, "plain"),
]

REFUSED = [
    ("ten", int, "a whole number"),
    ("2.0", int, "a whole number"),
    ("nan", float, "a number"),
    ("1", bool, "true or false"),
    ("run", Literal["stay", "wander"], "stay or wander"),
    ("x", int | None, "a whole number or none"),
    ("x", float | int, "a number"),
    ("1,2,3", tuple[int, int], "2 values separated by commas, each a whole number"),
    ("1,x", tuple[int, ...], "values separated by commas, each a whole number"),
    ("1,2", Float[Array, ""], "a number"),
    ("x", Float[Array, " m"], "numbers, as in 1,2,3"),
    ("1.5,2", Int[Array, " m"], "numbers, as in 1,2,3"),
    ("[[1, 2], [3]]", Float[Array, "m 2"], "numbers, as in 1,2,3"),
    ("x", np.ndarray, "numbers, as in 1,2,3"),
]


@pytest.mark.parametrize(("text", "kind", "value"), READ)
def test_text_is_read_as_the_type_says(text, kind, value):
    found = read_value(text, kind)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(("text", "kind", "words"), REFUSED)
def test_other_text_is_refused_and_the_type_is_said_in_words(text, kind, words):
    with pytest.raises(ValueError, match=r".*"):
        read_value(text, kind)
    assert in_words(kind) == words


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("1", Float[Array, ""]),
        ("1, 2", Float[Array, " m"]),
        ("[[1, 2], [3, 4]]", Int[Array, "m 2"]),
        ("True, False", Bool[Array, " m"]),
        ("0.5, 1", jax.Array),
        ("0.5, 1", np.ndarray),
        ("0.5, 1", Float[np.ndarray, " m"]),
    ],
)
def test_arrays_are_read_as_annotated(text, kind):
    assert isinstance(read_value(text, kind), kind)


@given(some.integers())
def test_every_whole_number_comes_back(number):
    assert read_value(str(number), int) == number


@given(some.floats(allow_nan=False))
def test_every_number_comes_back(number):
    assert read_value(str(number), float) == number


@given(
    some.text(max_size=12), some.sampled_from([int, float, bool, tuple[int, ...], Float[Array, " m"], int | str, Any])
)
@example(",", Float[Array, " m"])  # numpy reads text as the name of a dtype, parsed ...
@example("\x0f", Float[Array, " m"])  # ... or by its number
@example("['a']", Float[Array, " m"])
def test_any_text_is_a_value_or_refused(text, kind):
    with contextlib.suppress(ValueError):
        read_value(text, kind)


def test_the_last_assignment_counts_and_hyphens_are_underscores():
    assert read_assignments(["a=1", "fly-cells=x=y", "a= 2 "]) == {"a": "2", "fly_cells": "x=y"}


@dataclasses.dataclass(frozen=True)
class Game:
    size: int
    luck: float = 0.5
    hidden: int = dataclasses.field(default=1, init=False)


def maker(size: int, *rest, luck=0.25, name=None, **others):
    return size, luck, name


class Plain:
    def __init__(self, size: int = 2):
        self.size = size


def test_a_class_and_a_function_are_made_with_fields():
    made, fields = made_with(Game, {"size": "3"})
    assert made == Game(3)
    assert fields == {"size": 3}
    assert made_with(maker, {"size": "3", "luck": "1", "name": "x"})[0] == (3, 1.0, "x")
    assert made_with(Plain, {"size": "5"})[0].size == 5


def test_an_instance_is_copied_with_fields():
    made, fields = replaced(Game(3), {"luck": "1"})
    assert made == Game(3, 1.0)
    assert fields == {"luck": 1.0}
    assert replaced(made, {}) == (made, {})


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda: made_with(Game, {}), r"^Game needs size, a whole number; give it with --set size=\.\.\.$"),
        (lambda: made_with(Game, {"hidden": "2", "size": "1"}), r"Game has no field hidden; it has size, luck\.$"),
        (lambda: made_with(maker, {"rest": "1"}), r"maker has no field rest.*; it has size, luck, name\.$"),
        (lambda: replaced(Game(3), {"size": "x"}), r"size of Game is a whole number; give it as in --set size=3\.$"),
        (lambda: replaced(Plain(), {"size": "3"}), r"this Plain is no record, so no field of it can be set"),
        (lambda: read_assignments(["size"]), r"^--set size: give a field and its value, as in --set spiders=15\.$"),
        (lambda: read_assignments(["=3"]), r"^--set =3: give a field and its value"),
    ],
)
def test_wrong_fields_are_refused(change, sentence):
    with pytest.raises(InputError, match=sentence):
        change()
