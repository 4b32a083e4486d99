"""Every method of every problem can be written under JAX's strict promotion of types, and leaks nothing."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import seriatim as st

PROBLEMS = {
    "flies seen from afar": lambda: st.problems.SpidersAndFlies(spiders=2, flies=2, width=3, height=3),
    "flies between walls": lambda: st.problems.SpidersAndFlies(
        spiders=2, flies=2, map=walled("....", ".@..", "...."), fly_behaviour="wander", max_flies=3, vision=1
    ),
    "spiders come": lambda: st.problems.SpidersAndFlies(
        spiders=2, flies=2, width=3, height=2, vision=1.5, max_spiders=3
    ),
    "flies arrive": lambda: st.problems.SpidersAndFlies(
        spiders=2, flies=2, width=4, height=5, fly_behaviour="wander", arrival_rate=0.2, arrival_stages=(2, 2, 7)
    ),
    "repair": lambda: repair(),
    "repair, beliefs": lambda: repair().belief_model(),
    "rocks": lambda: rocks(),
    "rocks, beliefs": lambda: rocks().belief_model(),
    "spiders on a line": lambda: st.problems.SpidersOnALine(length=5),
    "tabular": lambda: st.problems.random_team(0, states=4, agents=2, controls=(2, 3), discount=0.9, infeasible=0.3),
    "tabular, timed": lambda: st.FiniteHorizon(st.problems.random_team(0, states=4, agents=2, controls=2), 4),
}
FAST = ("flies between walls", "repair, beliefs", "rocks")


def walled(*rows):
    return st.formats.GridMap(np.array([[cell == "." for cell in row] for row in rows]))


def repair():
    return st.problems.Repair(
        robots=2, layout="line", width=3, gamma=(0.3, 0.2), costs=(0.0, 1.0, 5.0), prior=(0.5, 0.3, 0.2)
    )


def rocks():
    return st.problems.RockSample(size=3, rocks=((0, 0), (2, 2)), start=(1, 0))


def called(model, key):
    """Return what the methods of a problem return, those that all have and those that some have."""
    state, disturbance = model.initial_state(key), model.sample_disturbance(key)
    control = jnp.zeros(model.num_agents, jnp.int32)
    arguments = {
        "control_mask": (state,),
        "transition": (state, control, disturbance),
        "feasible": (state, control),
        "observation": (state, control, disturbance),
        "agent_observations": (state,),
        "features": (state, jnp.int32(0)),
        "visible": (state,),
        "nominal_disturbance": (),
    }
    found = [getattr(model, name)(*given) for name, given in arguments.items() if hasattr(model, name)]
    if hasattr(model, "observation_likelihood"):
        found.append(model.observation_likelihood(model.observation(state, control, disturbance), state, control))
    return found


def policies(model, key):
    """Return what the policies and the terminal cost of a problem return."""
    state = model.initial_state(key)
    names = [name for name in ("base_policy", "local_policy") if hasattr(model, name)]
    found = [getattr(model, name)()(state, key) for name in names]
    return found + ([model.terminal_cost()(state)] if hasattr(model, "terminal_cost") else [])


def listed(model, key):
    """Return what the methods of a finite problem return."""
    control, state = jnp.zeros(model.num_agents, jnp.int32), model.initial_state(key)
    return model.states(), model.index(state), model.outcomes(state, control)


def softened(model, key):
    """Return what the methods of a relaxed problem return."""
    state = model.relaxed_state(model.initial_state(key))
    soft = model.relaxed_mask(state).astype(float)
    after = model.relaxed_transition(state, soft, model.sample_disturbance(key))
    return after, model.agent_observations(state)


KINDS = {
    called: PROBLEMS,
    policies: [name for name in PROBLEMS if name not in ("repair", "rocks")],  # theirs play beliefs
    listed: ("rocks", "spiders on a line", "tabular", "flies seen from afar"),
    softened: ("flies seen from afar", "flies between walls", "flies arrive"),
}


def marked(methods, name):
    return pytest.param(
        methods, name, marks=[] if name in FAST else [pytest.mark.slow], id=f"{name}, {methods.__name__}"
    )


@pytest.mark.parametrize(("methods", "name"), [marked(methods, name) for methods in KINDS for name in KINDS[methods]])
def test_methods_are_written_with_explicit_types(methods, name):
    """Flags speak while a program is written; so nothing needs to be compiled."""
    model = PROBLEMS[name]()
    with jax.numpy_dtype_promotion("strict"), jax.checking_leaks():
        jax.eval_shape(lambda key: methods(model, key), jax.random.key(0))
