"""What takes from the evidence of a decision is said: a base that is not admissible, costs that are no numbers, futures
that were cut off."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import seriatim as st

KEY = jax.random.key(0)


@st.record
class Priced:
    """Two agents whose controls have a price each, paid at every stage until `ends` is true. All of it is data."""

    prices: jax.Array
    mask: jax.Array
    feasible_at_all: jax.Array
    ends: jax.Array
    discount: float = 0.5
    num_agents: int = st.static(default=2)
    num_controls: int = st.static(default=3)

    def initial_state(self, key):
        return jnp.zeros(())

    def control_mask(self, state):
        return self.mask

    def feasible(self, state, control):
        return self.feasible_at_all

    def sample_disturbance(self, key):
        return ()

    def transition(self, state, control, disturbance):
        return st.Transition(state + 1, jnp.sum(self.prices[control]), self.ends)


@st.record
class Fixed:
    control: jax.Array

    def __call__(self, state, key):
        return self.control


def priced(prices=(1.0, 2.0, 3.0), mask=True, feasible=True, ends=True):
    whole = jnp.broadcast_to(jnp.asarray(mask), (2, 3))
    return Priced(jnp.array(prices), whole, jnp.array(feasible), jnp.array(ends))


def always(*control):
    return Fixed(jnp.array(control, jnp.int32))


SIMULATION = st.Simulation(horizon=3)
KINDS = {
    "in turn": lambda model, base: st.OneAtATimeRollout(model, base, SIMULATION),
    "standard": lambda model, base: st.StandardRollout(model, base, SIMULATION),
    "signalling": lambda model, base: st.SignallingRollout(model, base, simulation=SIMULATION),
}
every_kind = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
STATE = jnp.zeros(())
WAYS = {
    "decide": lambda planner: planner.decide(STATE, KEY),
    "call": lambda planner: planner(STATE, KEY),
    "many": lambda planner: st.decide_many(planner, STATE[None], KEY[None]),
}
# What the base policy says in what world, and words of the sentence.
INADMISSIBLE = {
    "too large": (priced(), always(0, 7), r"control 7 for agent 1, where control_mask admits only \[0, 1, 2\]"),
    "too small": (priced(), always(-1, -1), r"control -1 for agent 0, where control_mask admits only"),
    "masked": (priced(mask=[True, False, True]), always(1, 0), r"control 1 for agent 0, where .* only \[0, 2\]"),
    "nothing admitted": (priced(mask=False), always(0, 0), "for agent 0, whom control_mask leaves no admissible"),
    "nothing feasible": (
        priced(feasible=False),
        always(0, 0),
        r"joint control \[0, 0\], which Priced.feasible refuses",
    ),
}


@every_kind
def test_a_base_that_is_not_admissible_is_refused_outside_and_flagged_inside(kind):
    for model, base, sentence in INADMISSIBLE.values():
        planner = kind(model, base)
        for way in WAYS.values():
            with pytest.raises(st.InputError, match=f"The base policy chose .*{sentence}.*check_policy"):
                way(planner)
    inside = jax.jit(lambda planner: planner.decide(STATE, KEY))
    for model, base, _ in INADMISSIBLE.values():
        assert not inside(kind(model, base)).admissible
    lawful = inside(kind(priced(), always(2, 1)))
    assert lawful.admissible
    np.testing.assert_array_equal(lawful.control, [0, 0])


def test_a_deadline_refuses_it_too():
    model, base, sentence = INADMISSIBLE["too large"]
    planner = KINDS["in turn"](model, base)
    for budget in (None, 1e-9):
        with pytest.raises(st.InputError, match=sentence):
            st.Anytime(planner).act(STATE, KEY, budget_ms=budget)


def test_of_many_states_the_first_is_named():
    @st.record
    class Strays:
        def __call__(self, state, key):
            return jnp.where(state >= 3, 9, 0) * jnp.ones(2, jnp.int32)

    planner = st.OneAtATimeRollout(priced(), Strays(), SIMULATION)
    with pytest.raises(st.InputError, match=r"At 2 of 5 states, first at state 3: The base policy chose control 9"):
        st.decide_many(planner, jnp.arange(5.0), jax.random.split(KEY, 5))


NAN, INF = float("nan"), float("inf")


@every_kind
def test_costs_that_are_no_numbers_are_counted_and_said(kind):
    def decided(*prices, base=(0, 0)):
        return kind(priced(prices), always(*base)).decide(STATE, KEY)

    fine = decided(1.0, 0.5, 2.0)
    assert fine.num_incomparable == 0
    assert "could not be compared" not in str(fine)
    # One agent at a time: the nan control of each agent; all at once: every joint control with it.
    met = 5 if fine.q_factors.ndim == 1 else 2
    one = decided(1.0, NAN, 0.5)
    assert one.num_incomparable == met
    assert f"{met} could not be compared, since costs were nan" in str(one)
    np.testing.assert_array_equal(one.control, [2, 2])  # the others are still compared
    # Nothing can be said of a base whose cost is nan, nor beside one that is infinite of what is infinite too.
    lost = decided(NAN, 1.0, 1.0)
    assert lost.num_incomparable == (9 if fine.q_factors.ndim == 1 else 4)
    assert np.isnan(lost.improvement)
    assert np.isnan(lost.standard_error)
    endless = decided(INF, INF, INF)
    assert endless.num_incomparable == (9 if fine.q_factors.ndim == 1 else 4)
    assert "could not be compared, since costs were infinite" in str(endless)
    # Minus infinity is no gain: what costs it is not chosen, and nothing is compared with a base that does.
    endless_gain = decided(1.0, -INF, 0.5)
    assert endless_gain.num_incomparable == met
    assert f"{met} could not be compared, since costs were infinite" in str(endless_gain)
    np.testing.assert_array_equal(endless_gain.control, [2, 2])
    np.testing.assert_array_equal(decided(1.0, -INF, 2.0).control, [0, 0])
    from_endless = decided(-INF, 1.0, 1.0)
    assert from_endless.num_incomparable == (9 if fine.q_factors.ndim == 1 else 4)
    np.testing.assert_array_equal(from_endless.control, [0, 0])
    # What is only expensive is compared.
    assert decided(1.0, INF, 0.5).num_incomparable == 0
    two = jax.tree.map(lambda *leaves: jnp.stack(leaves), fine, one)
    assert str(two) == "2 decisions of 2 agents; 1 with alternatives that could not be compared"


def test_halving_drops_what_is_no_number_first():
    """A nan, or minus infinity, would be kept as the best, and crowd out the control that is."""
    for none in (NAN, -INF):
        planner = st.OneAtATimeRollout(
            priced((5.0, none, 1.0)),
            always(0, 0),
            st.Simulation(horizon=1, num_samples=8),
            schedule=st.InTurn(allocation=st.Halving()),
            significance=0.0,
        )
        found = planner.decide(STATE, KEY)
        np.testing.assert_array_equal(found.control, [2, 2])
        assert found.num_incomparable == 2


def test_what_only_the_planner_met_in_its_imagination_is_reported():
    world, imagined = priced((1.0, 2.0, 3.0)), priced((1.0, NAN, 3.0))
    planner = KINDS["in turn"](imagined, always(0, 0))
    found = st.evaluate(world, planner, KEY, episodes=3, horizon=2)
    assert found.incomparable == 1.0
    assert "100.00% of decisions met costs that are nan or infinite" in str(found)


@every_kind
def test_futures_that_are_cut_off_are_counted(kind):
    ends, goes_on = (kind(priced(ends=ends), always(1, 1)).decide(STATE, KEY) for ends in (True, False))
    assert (ends.num_truncated, ends.tail_weight) == (0, 0)
    assert "cut off" not in str(ends)
    assert goes_on.num_truncated == goes_on.num_trajectories > 0
    assert goes_on.tail_weight == 0.5**3
    count = int(goes_on.num_trajectories)
    assert f"{count} of {count} futures cut off before they ended, where a cost weighs 0.12" in str(goes_on)
    assert (ends.tail_bound, goes_on.tail_bound) == (0, np.inf)


@st.record
class Trap:
    """Control 0 costs 1 and ends. Control 1 costs nothing until stage 100, where it costs a fortune."""

    fortune: float = 1e9
    discount: float = 0.9
    num_agents: int = st.static(default=1)
    num_controls: int = st.static(default=2)

    def initial_state(self, key):
        return jnp.zeros((), jnp.int32)

    def control_mask(self, state):
        return jnp.ones((1, 2), bool)

    def sample_disturbance(self, key):
        return ()

    def transition(self, state, control, disturbance):
        cost = jnp.where(control[0] == 0, 1.0, jnp.where(state == 100, self.fortune, 0.0))
        return st.Transition(state + 1, cost, (control[0] == 0) | (state >= 100))


def ends_at_once(state, key):
    return jnp.where(state == 0, 0, 1).astype(jnp.int32)[None]


def test_what_lies_beyond_the_cut_is_bounded_where_stage_costs_are():
    """The improvement of 1 is false: the control that seems to cost nothing costs 26,561. The decision says so."""
    model = Trap()
    planner = st.OneAtATimeRollout(model, ends_at_once, st.Simulation(cost_bound=1e9))
    found = planner.decide(jnp.int32(0), KEY)
    assert found.improvement == 1.0
    assert (found.num_truncated, found.num_trajectories) == (1, 2)
    missing = 1e9 * 0.9**100
    assert missing <= found.tail_bound <= 100 * missing
    assert "1 of 2 futures cut off before they ended" in str(found)
    assert "is missing from a Q-factor" in str(found)
    whole = st.OneAtATimeRollout(model, ends_at_once, st.Simulation(horizon=101, cost_bound=1e9))
    followed = whole.decide(jnp.int32(0), KEY)
    assert (followed.improvement, followed.num_truncated, followed.tail_bound) == (0, 0, 0)


@pytest.mark.slow
def test_no_q_factor_is_further_from_the_uncut_one_than_the_bound():
    model = st.problems.random_team(3, states=8, agents=2, controls=3, discount=0.8, termination=0.05)
    bound = float(jnp.max(jnp.abs(jnp.where(jnp.isfinite(model.costs), model.costs, 0.0))))
    states, keys = model.states(), jax.random.split(KEY, 8)

    def decided(horizon):
        simulation = st.Simulation(horizon=horizon, num_samples=4, cost_bound=bound)
        return st.decide_many(st.StandardRollout(model, model.base_policy(), simulation), states, keys)

    short, long = decided(3), decided(200)
    off = np.abs(np.nan_to_num(short.q_factors, posinf=0.0) - np.nan_to_num(long.q_factors, posinf=0.0))
    assert off.max() > 0
    assert np.all(off <= np.asarray(short.tail_bound)[:, None])
