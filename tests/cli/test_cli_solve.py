"""`seriatim solve`: exact costs, as `st.exact` finds them."""

import json

import numpy as np
import pytest

import seriatim as st

ORDER = ["base", "one-at-a-time", "agent-by-agent optimal", "optimal"]
# Both improve at once or neither: staying is agent-by-agent optimal, and not optimal (Bertsekas 2021, section II).
STUCK = """
    import jax.numpy as jnp
    import seriatim as st

    @st.record
    class Team:
        num_agents: int = st.static(default=2)
        num_controls: int = st.static(default=2)
        discount: float = 0.5

        def initial_state(self, key):
            return jnp.int32(0)

        def control_mask(self, state):
            return jnp.ones((2, 2), bool)

        def sample_disturbance(self, key):
            return ()

        def transition(self, state, control, disturbance):
            return st.Transition(state, jnp.array([1.0, 2.0, 0.0])[control.sum()], jnp.array(False))

        def states(self):
            return jnp.zeros(1, jnp.int32)

        def index(self, state):
            return state

        def outcomes(self, state, control):
            only = self.transition(state, control, ())
            return st.Transition(only.state[None], only.cost[None], only.done[None]), jnp.ones(1)

        def base_policy(self):
            return lambda state, key: jnp.zeros(2, jnp.int32)
"""


@pytest.fixture(scope="module")
def line(seriatim):
    return json.loads(seriatim("solve", "spiders-on-a-line", "--format", "json").out)


def test_each_row_is_no_worse_than_the_one_above(line):
    rows = line["policies"]
    assert list(rows) == ORDER
    for figure in ("cost_at_start", "largest_gap"):
        values = [rows[name][figure] for name in ORDER]
        assert values == sorted(values, reverse=True)
    assert rows["optimal"]["largest_gap"] == 0


def test_costs_are_those_of_the_exact_solver(line):
    model = st.problems.SpidersOnALine()
    base = st.exact.cost_to_go(model, model.base_policy())
    optimum = st.exact.value_iteration(model).cost_to_go
    assert line["states"] == len(optimum)
    assert line["policies"]["base"]["largest_gap"] == pytest.approx(np.max(base - optimum))
    assert line["policies"]["base"]["above_optimum"] == pytest.approx(np.mean(base > optimum + 1e-6))


def test_the_table_shows_where_agents_alone_are_stuck(seriatim, write_text):
    result = seriatim("solve", f"{write_text(STUCK)}:Team")
    assert (result.status, result.err) == (0, "")
    lines = result.out.splitlines()
    assert lines[1] == "1 state, one start, tolerance 1e-06"
    # Discount 1/2 doubles a stage's cost: 1 for ever costs 2.
    assert lines[-4].split() == ["base", "2", "2", "100", "%"]
    assert lines[-2].split() == ["agent-by-agent", "optimal", "2", "2", "100", "%", "0"]
    assert lines[-1].split()[:5] == ["optimal", "0", "0", "0", "%"]


def test_without_a_base_policy_it_starts_from_some_policy(seriatim, write_text):
    file = write_text(STUCK.replace("def base_policy", "def heuristic"))
    found = json.loads(seriatim("solve", f"{file}:Team", "--format", "json").out)
    assert list(found["policies"]) == ["some policy", *ORDER[1:]]
