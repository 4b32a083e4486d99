"""Options that planners had before: each answers with one sentence that says what to write now."""

import pytest

import seriatim as st

MODEL = st.problems.random_team(0, states=3, agents=2, controls=2, discount=0.9)
BASE = MODEL.base_policy()
OPTIONS = {
    "order": ((1, 0), r"InTurn\(order\), Speculative\(order\), or BestFirst\(\)"),
    "guess": (BASE, r"schedule=Speculative\(guess=...\)"),
    "window": (2, r"schedule=Speculative\(window=...\)"),
    "allocation": ("halving", r"schedule=InTurn\(allocation=Halving\(\)\)"),
    "max_candidates": (2, r"schedule=InTurn\(candidates=Sampled\(number, proposal\)\)"),
    "proposal": (None, r"schedule=InTurn\(candidates=Sampled\(number, proposal\)\)"),
    "pace": (None, r"Anytime\(planner\) keeps it"),
}
KINDS = {st.OneAtATimeRollout: OPTIONS, st.StandardRollout: {"pace": OPTIONS["pace"]}}
CASES = [(kind, name, *seen) for kind, options in KINDS.items() for name, seen in options.items()]


@pytest.mark.parametrize(("kind", "name", "value", "advice"), CASES)
def test_an_old_option_says_what_to_write(kind, name, value, advice):
    with pytest.raises(st.InputError, match=rf"^{kind.__name__} takes no {name} any more: .*{advice}"):
        kind(MODEL, BASE, **{name: value})


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["act", "warmup"])
def test_old_methods_say_where_they_are(kind, name):
    planner = kind(MODEL, BASE)
    with pytest.raises(AttributeError, match=rf"{kind.__name__} has no {name} any more: give Anytime\(planner\)"):
        getattr(planner, name)
    assert not hasattr(planner, name)
    with pytest.raises(AttributeError, match=f"{kind.__name__} has no colour$"):
        planner.colour  # noqa: B018


@pytest.mark.parametrize(
    ("old", "seen"),
    [*((name, repr(name)) for name in ("sequential", "speculative", "auto")), (st.InTurn, "InTurn, a class")],
)
def test_what_is_no_schedule_is_answered(old, seen, without_type_checks):
    with pytest.raises(st.InputError, match=rf"schedule={seen}: give InTurn\(...\), Speculative\(...\) or BestFirst"):
        without_type_checks(lambda: st.OneAtATimeRollout(MODEL, BASE, schedule=old))


def test_a_mistake_that_never_was_an_option_is_pythons():
    with pytest.raises(TypeError, match="colour"):
        st.OneAtATimeRollout(MODEL, BASE, colour="red")


def test_a_deadline_is_refused_where_agents_take_no_turns(without_type_checks):
    at_once = st.SignallingRollout(MODEL, BASE)
    with pytest.raises(st.InputError, match="SignallingRollout takes no steps that could be left out"):
        without_type_checks(lambda: st.Anytime(at_once))
