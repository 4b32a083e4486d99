"""A base policy that draws lots: its draws are common to all candidates, like every other noise.

Were they not, a candidate's Q-factor would differ from another's by luck, and an agent's best would not be bounded by
its predecessor's on the samples.
"""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import seriatim as st
from seriatim.exact import cost_to_go, tabulate


@st.record
class Lots:
    """Every control with the same chance, whatever the state, among the admissible."""

    model: object

    def __call__(self, info, key):
        logits = st.distributions.masked(jnp.zeros((3, 3)), self.model.control_mask(info))
        return st.distributions.gumbel_max(logits, key)


@functools.cache
def team():
    return st.problems.random_team(5, states=12, agents=3, controls=3, discount=0.9, masked=0.2)


def at_every_state(planner):
    keys = jax.random.split(jax.random.key(1), 12)
    found = [planner.decide(np.int32(state), key) for state, key in enumerate(keys)]
    return jax.tree.map(lambda *each: np.stack(each), *found)


@functools.cache
def decided(schedule):
    simulation = st.Simulation(horizon=10, num_samples=8)
    turns = st.InTurn() if schedule == "in turn" else st.Speculative(window=3)
    return at_every_state(st.OneAtATimeRollout(team(), Lots(team()), simulation, 0.0, turns))


@pytest.mark.parametrize("schedule", ["in turn", "speculative"])
def test_no_sampled_cost_rises_along_the_turns(schedule):
    found = decided(schedule)
    best = np.asarray(found.q_factors).min(axis=-1)
    assert (np.diff(best, axis=1) <= 1e-5).all()
    assert (np.asarray(found.improvement) >= -1e-5).all()
    if schedule == "in turn":
        assert (np.asarray(found.num_simulations) <= 3 * 2 + 1).all()


def test_both_schedules_draw_the_same_lots():
    one, other = decided("in turn"), decided("speculative")
    assert np.array_equal(one.control, other.control)
    assert np.array_equal(one.q_factors, other.q_factors)


def test_the_same_lots_are_drawn_for_every_candidate():
    """A model of one stage's memory: what the base draws next is all that is paid, so all candidates cost the same."""
    model = team()
    free = dataclasses.replace(
        model, costs=jnp.zeros_like(jnp.asarray(model.costs)), successors=jnp.zeros_like(jnp.asarray(model.successors))
    )
    joint = jnp.arange(27) % 3
    paying = dataclasses.replace(free, costs=jnp.broadcast_to(joint[None, :, None], free.costs.shape).astype(float))
    # The candidate's own stage is paid as well: subtract it, and what is left is the base's, the same for all.
    simulation = st.Simulation(horizon=6, num_samples=4)
    planner = st.OneAtATimeRollout(paying, Lots(paying), simulation, significance=0.0, schedule=st.InTurn())
    found = planner.decide(np.int32(3), jax.random.key(2))
    row = np.asarray(found.q_factors)[2]
    own = np.arange(3)
    left = row - own
    assert np.ptp(left[np.isfinite(left)]) <= 1e-5


def test_the_policy_is_improved():
    """On average over the lots: the rollout of a random base has a cost-to-go below the base's, exactly evaluated.

    The base draws all admissible joint controls alike, so its law and costs are the means of theirs.
    """
    model = team()
    simulation = st.Simulation(horizon=40, num_samples=64)
    planner = st.OneAtATimeRollout(model, Lots(model), simulation, schedule=st.InTurn())
    tables = tabulate(model, dense=True)
    allowed = np.isfinite(tables.costs)
    law = tables.transitions.reshape(12, 27, 12)
    costs, ahead = (np.stack([rows[s, allowed[s]].mean(axis=0) for s in range(12)]) for rows in (tables.costs, law))
    base = np.linalg.solve(np.eye(12) - 0.9 * ahead, costs)
    assert (cost_to_go(model, at_every_state(planner).control) < base).all()
