"""Joint controls as the digits of a number."""

import itertools

import jax.numpy as jnp
import numpy as np
import pytest

from seriatim.controls import count_in_words, is_admissible, joint_controls, joint_index, num_joint_controls


@pytest.mark.parametrize(("m", "c"), [(1, 1), (1, 4), (3, 2), (2, 5), (4, 3)])
def test_the_list_is_complete_ordered_and_inverted_by_the_index(m, c):
    listed = joint_controls(m, c)
    assert [tuple(u) for u in listed.tolist()] == list(itertools.product(range(c), repeat=m))
    assert np.array_equal(joint_index(jnp.asarray(listed), c), np.arange(c**m))


def test_counts_are_exact_at_any_size():
    assert num_joint_controls(15, 5) == 30_517_578_125
    assert count_in_words(15, 5) == "5**15 = 30,517,578,125"


def test_admissible_means_existing_and_allowed():
    mask = jnp.array([[True, False, True], [True, True, False]])
    good = [u for u in itertools.product(range(-1, 5), repeat=2) if is_admissible(jnp.array(u), mask)]
    assert good == [(0, 0), (0, 1), (2, 0), (2, 1)]
