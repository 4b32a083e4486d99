"""A planner in use learns how busy the machine is, from one decision to the next. No program is compiled here: a
made-up machine says what its pieces take."""

import fractions
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
import pytest

import seriatim as st
from seriatim.planning._anytime import Pieces, Unfinished, milliseconds
from seriatim.planning._pace import Pace

TURNS, SECOND, BASE = 10, 1.0, 0.01


class Planner:
    """Stands for a planner; the machine knows what it does."""

    model = base = shape = None

    def __call__(self, info, key):
        raise NotImplementedError

    decide = steps = __call__


class Made(NamedTuple):
    """A decision: its control is the number of turns taken."""

    control: int
    admissible: bool = True


class Machine:
    """Takes a second for the beginning and for each turn, times what the test says."""

    def __init__(self):
        self.now, self.factor = 0.0, 1.0

    def paced(self):
        """Return a planner with a clock, that of this machine, and a pace."""
        anytime = self.cold()
        anytime.pace = Pace(SECOND, 0.0, SECOND, BASE)
        return anytime

    def cold(self):
        anytime = st.Anytime(Planner(), clock=lambda: self.now)
        anytime._pieces = Pieces(self._base, self._begin, self._advance)
        return anytime

    def decide(self, anytime, seconds):
        """Return the turns taken, -1 for none and no beginning, and the seconds it took."""
        start = self.now
        return anytime.act(None, None, budget_ms=1e3 * seconds).control, self.now - start

    def _base(self, *_):
        self.now += self.factor * BASE
        return Made(-1)

    def _begin(self, *_):
        self.now += self.factor * SECOND
        return Unfinished(None, 0, TURNS, Made(0))

    def _advance(self, planner, info, key, unfinished, count):
        self.now += self.factor * count * SECOND
        taken = unfinished.work + count
        return count, Unfinished(None, taken, TURNS - taken, Made(taken))


@pytest.mark.parametrize("factor", [1.5, 2.0, 4.0, 10.0])
@pytest.mark.parametrize("seconds", [2.0, 5.0, 9.0, 20.0])
def test_decisions_are_not_late_in_a_row(without_type_checks, factor, seconds):
    machine = Machine()
    planner = machine.paced()
    machine.factor = factor
    late = without_type_checks(lambda: [machine.decide(planner, seconds)[1] > seconds for _ in range(60)])
    # The factor is learned in log(factor) / log(1.5) decisions.
    assert not any(late[6:])


def test_when_the_machine_is_idle_again_the_budget_is_used_again(without_type_checks):
    def play():
        machine = Machine()
        planner = machine.paced()
        fresh = machine.decide(machine.paced(), 9.0)[0]
        machine.factor = 4.0
        slow = [machine.decide(planner, 9.0)[0] for _ in range(10)][-1]
        machine.factor = 1.0
        again = [machine.decide(planner, 9.0)[0] for _ in range(20)][-1]
        return fresh, slow, again

    fresh, slow, again = without_type_checks(play)
    assert slow < fresh == again


def test_one_interruption_counts_little(without_type_checks):
    def play():
        machine = Machine()
        planner = machine.paced()
        machine.factor = 50.0
        machine.decide(planner, 9.0)
        machine.factor = 1.0
        return [machine.decide(planner, 9.0)[0] for _ in range(5)], machine.decide(machine.paced(), 9.0)[0]

    after, fresh = without_type_checks(play)
    assert after[0] >= 1
    assert after[-1] == fresh


def test_what_was_learned_belongs_to_one_clock(without_type_checks):
    machine = Machine()
    used, other, cold = machine.paced(), machine.paced(), machine.cold()
    machine.factor = 3.0
    without_type_checks(lambda: machine.decide(used, 9.0))
    without_type_checks(lambda: machine.decide(cold, 9.0))
    assert used._slowness > 1
    assert other._slowness == cold._slowness == 1


@pytest.mark.parametrize("budget", [5, 5.0, np.float32(5), np.int64(5), jnp.float32(5), jnp.int32(5), np.array(5.0)])
def test_a_budget_is_any_real_number(budget):
    assert milliseconds(budget) == 5.0


def test_a_fraction_is_a_budget_and_none_is_no_deadline(without_type_checks):
    assert without_type_checks(lambda: milliseconds(fractions.Fraction(5, 2))) == 2.5
    assert milliseconds(None) is None
    assert milliseconds(10**400) == float("inf")


@pytest.mark.parametrize("budget", [True, 0, -1.0, float("nan"), "5", 5j, jnp.ones(2), np.bool_(True), jnp.array(True)])
def test_what_is_none_is_refused(budget, without_type_checks):
    with pytest.raises(st.InputError, match=r"budget_ms=.*: give the milliseconds a decision may take"):
        without_type_checks(lambda: milliseconds(budget))
