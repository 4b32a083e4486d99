"""Distance fields against SciPy's shortest paths, on random graphs and mazes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some
from scipy import sparse
from scipy.sparse import csgraph

import seriatim as st
from seriatim.problems._distance_fields import UNREACHABLE, distance_fields


def reference(neighbours, sources):
    cells = len(neighbours)
    edges = np.zeros((cells, cells))
    edges[np.repeat(np.arange(cells), neighbours.shape[1]), neighbours.ravel()] = 1
    np.fill_diagonal(edges, 0)
    distance = csgraph.shortest_path(sparse.csr_array(edges), unweighted=True, indices=sources)
    return np.where(np.isinf(distance), UNREACHABLE, distance).astype(np.int32)


@given(seed=some.integers(0, 2**32 - 1), cells=some.integers(1, 40), degree=some.integers(1, 4))
def test_distances_are_shortest_on_any_graph(seed, cells, degree):
    rng = np.random.default_rng(seed)
    neighbours = rng.integers(0, cells, (cells, degree))
    sources = rng.integers(0, cells, rng.integers(1, cells + 1))
    np.testing.assert_array_equal(distance_fields(neighbours, sources), reference(neighbours, sources))


def test_many_sources_in_several_searches_give_the_same(monkeypatch):
    neighbours = np.random.default_rng(0).integers(0, 50, (50, 3))
    whole = distance_fields(neighbours, np.arange(50))
    monkeypatch.setattr("seriatim.problems._distance_fields.PAIRS_AT_ONCE", 120)
    np.testing.assert_array_equal(distance_fields(neighbours, np.arange(50)), whole)


def test_no_source_gives_no_field():
    assert distance_fields(np.zeros((3, 1), int), np.zeros(0, int)).shape == (0, 3)


@pytest.mark.parametrize(("neighbours", "sources"), [([[0], [2]], [0]), ([[0], [1]], [-1])])
def test_what_is_no_cell_is_refused(neighbours, sources):
    with pytest.raises(st.InputError, match=r"is no cell; numbers from 0 to 1 are expected"):
        distance_fields(np.array(neighbours), np.array(sources))
