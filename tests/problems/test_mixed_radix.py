"""Numbers and digits are two names of one thing."""

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

import seriatim as st
from seriatim.problems._mixed_radix import MixedRadix


@given(sizes=some.lists(some.integers(1, 5), min_size=1, max_size=4))
@settings(max_examples=25, deadline=None)
def test_number_inverts_digits(sizes):
    radix = MixedRadix(tuple(sizes))
    digits = radix.digits()
    np.testing.assert_array_equal(jax.vmap(radix.number)(digits), np.arange(np.prod(sizes)))
    assert (digits < sizes).all()


def test_too_many_are_refused_with_their_count():
    with pytest.raises(st.InputError, match="1,048,577 states or outcomes"):
        MixedRadix((2**20 + 1,))
    with pytest.raises(st.InputError, match=r"1\.3e\+30 states or outcomes"):
        MixedRadix((2,) * 100)
