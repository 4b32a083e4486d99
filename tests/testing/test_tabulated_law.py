"""What a model says in double precision must be what it says outcome by outcome."""

import jax
import numpy as np
import pytest

import seriatim as st
from seriatim.testing._finite_laws import _tabulated, finite_laws
from seriatim.testing._report import Broken

TABLES = st.formats.TeamTables(
    transition=np.array([[[0.3, 0.7], [1.0, 0.0]]] * 6),
    observation=np.ones((6, 2, 1)),
    cost=np.arange(24.0).reshape(6, 2, 2),
    start=np.array([0.5, 0.5]),
    states=("x", "y"),
    actions=(("u", "v"), ("u", "v", "w")),
    observations=(("o",), ("o",)),
    agents=("one", "other"),
)


@st.record
class Wrong(st.formats.TeamPOMDP):
    """Forgets what costs are, or where the problem goes."""

    wrong: str = st.static(default="costs")

    def tabulated_motion(self):
        costs, rows = super().tabulated_motion()
        return (costs + 1, rows) if self.wrong == "costs" else (costs, rows[::-1])


def test_tables_of_a_file_are_lawful():
    said = _tabulated(st.formats.TeamPOMDP(TABLES, 0.9), jax.random.key(0))
    assert said == "costs and probabilities agree at 2 states, one control each"
    models = st.formats.TeamPOMDP(TABLES, 0.9), st.problems.SpidersOnALine(3)
    assert [len(finite_laws(model, jax.random.key(0))) for model in models] == [4, 3]


@pytest.mark.parametrize(
    ("wrong", "said"), [("costs", "has the cost .*, where outcomes"), ("rows", "leads to state 0 with .*, where")]
)
def test_other_numbers_are_found(wrong, said):
    with pytest.raises(Broken, match=f"Wrong.tabulated_motion at state 0, control .* {said}"):
        _tabulated(Wrong(TABLES, 0.9, wrong=wrong), jax.random.key(0))
