"""The game, the networks and the iteration that two benchmarks share."""

from typing import Any

import jax
import numpy as np

import seriatim as st
from seriatim.networks import policy_classifier, value_network
from seriatim.training import Fitting, PolicyIteration

WANDER = st.problems.SpidersAndFlies(15, 15, 20, 20, fly_behaviour="wander")
STAY = st.problems.SpidersAndFlies(15, 15, 20, 20)
# Long simulations of the heuristic, one sample where flies stay; short ones of the networks, whose value does the rest.
LONG, SHORT = st.Simulation(num_samples=32), st.Simulation(horizon=6, num_samples=16)
LONG_STAY = st.Simulation()
NETWORK = {"hidden": (32, 32), "entities": 16}
EVALUATION = jax.random.key(1000)


def trainer(states: int, model: st.problems.SpidersAndFlies = WANDER) -> PolicyIteration:
    """Return the iteration with so many labels."""
    return PolicyIteration(
        model,
        model.base_policy(),
        policy_classifier(model, jax.random.key(0), **NETWORK),
        value_network(model, jax.random.key(1), **NETWORK),
        SHORT,
        first_simulation=LONG_STAY if model is STAY else LONG,
        states=states,
        part=1024,
        temperature=0.15,
        fitting=Fitting(passes=20),
        value_fitting=Fitting(passes=15),
        value_states=16384,
        episodes=1000,
    )


def costs(policy: Any, episodes: int, model: Any = WANDER) -> Any:
    """Return the costs of the first episodes, the same for all policies."""
    return st.evaluate(model, policy, EVALUATION, episodes=episodes)


def paired(found: Any, reference: Any) -> dict[str, float]:
    """Return the entries of a table for a policy beside the heuristic."""
    n = len(found.costs)
    difference = found.costs - reference.costs[:n]
    return {
        "episodes": n,
        "cost": found.mean,
        "±": found.standard_error,
        "to the heuristic": float(np.mean(difference)),
        "± ": float(np.std(difference, ddof=1) / np.sqrt(n)),
        "truncated, %": 100 * found.truncated,
    }
