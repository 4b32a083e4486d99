"""Records: frozen pytrees whose checks run only when a person builds them."""

import dataclasses

import jax
import jax.numpy as jnp
import pytest

import seriatim as st
from seriatim._record import with_fields


@st.record
class Tank:
    level: jax.Array | float
    inflow: jax.Array | float = 0.5
    name: str = st.static(default="tank")
    half: jax.Array | float = dataclasses.field(init=False)

    def __post_init__(self) -> None:
        if not self.level >= 0:
            raise st.InputError(f"level={self.level}: a level from 0 up is expected.")
        object.__setattr__(self, "half", self.level / 2)


def test_leaves_are_the_fields_that_are_not_static():
    assert jax.tree.leaves(Tank(4.0)) == [4.0, 0.5, 2.0]


def test_checks_run_when_a_person_builds_it():
    with pytest.raises(st.InputError, match="level=-1"):
        Tank(-1.0)
    with pytest.raises(st.InputError, match="level=-2"):
        dataclasses.replace(Tank(1.0), level=-2.0)


def test_checks_do_not_run_inside_jit_vmap_and_tree_map():
    negated = jax.tree.map(lambda x: -x, Tank(4.0))
    assert (negated.level, negated.half) == (-4.0, -2.0)
    many = jax.vmap(lambda tank: tank.half)(jax.tree.map(lambda x: jnp.full(3, -x), Tank(4.0)))
    assert many.tolist() == [-2.0] * 3
    assert jax.jit(lambda t: t.level)(negated) == -4.0


def test_a_record_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Tank(1.0).level = 2.0


def test_static_fields_are_part_of_the_structure():
    one, other = Tank(1.0, name="a"), Tank(1.0, name="b")
    assert jax.tree.structure(one) != jax.tree.structure(other)
    assert jax.tree.structure(one) == jax.tree.structure(Tank(7.0, name="a"))


def test_paths_name_the_fields():
    paths = [jax.tree_util.keystr(path) for path, _ in jax.tree_util.tree_flatten_with_path(Tank(1.0))[0]]
    assert paths == [".level", ".inflow", ".half"]


def test_with_fields_copies_without_checks():
    assert with_fields(Tank(4.0), level=-1.0).level == -1.0
    assert with_fields(Tank(4.0), level=-1.0).half == 2.0
