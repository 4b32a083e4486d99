"""Results of a run, for the model it was trained on or for a changed one: its policy, and its value."""

from typing import Any, Literal

import jax
import jax.numpy as jnp

from seriatim import _optional
from seriatim._errors import InputError
from seriatim._record import with_fields
from seriatim.networks._classifier import NetworkValue, policy_classifier, value_network
from seriatim.networks._decentralised import decentralised_policy
from seriatim.networks._feasible_fallback import with_fallback
from seriatim.policy import Policy
from seriatim.training.runs._run import Run


def trained_policy(
    run: Run,
    model: Any,
    which: int | Literal["latest", "best"] = "latest",
    *,
    greedy: bool = False,
    otherwise: Policy | None = None,
) -> Policy:
    """Return the policy of a run: of a policy iteration the best so far.

    Args:
        run: whose configuration has a `network`: `{"hidden": [64, 64], "memory": 0, "shared": true}`; of a policy
            iteration, `"kind": "policy-iteration"`, `{"hidden": [64, 64], "entities": 32, "shared": true}`.
        model: what the policy shall play. Its numbers may be others than in training (more flies, other walls); what an
            agent is told must be as many numbers.
        which: the checkpoint, as in `Run.restore`.
        greedy: whether agents take their likeliest controls instead of drawing; those of a policy iteration always do.
        otherwise: for a policy iteration, what is played where the networks' joint control is infeasible; by default
            the model's base policy.

    Raises:
        InputError: the run trained no such policy, has made none yet, or its networks do not fit the model.
    """
    network, key = _network(run), jax.random.key(0)
    if _iterates(run):
        _require_a_policy(run, which)
        classifier = policy_classifier(model, key, **network)
        parameters = run.restore(classifier.parameters, which, part=".best[0]")
        own = _optional.base_policy(model)
        heuristic = otherwise or (None if own is None else own())
        learned = with_fields(classifier, parameters=parameters)
        return learned if heuristic is None else with_fallback(model, learned, heuristic)
    policy = decentralised_policy(model, key, **network, greedy=greedy)
    return with_fields(policy, parameters=run.restore(policy.parameters, which, part=".parameters"))


def trained_value(run: Run, model: Any, which: int | Literal["latest", "best"] = "latest") -> NetworkValue:
    """Return the value network of a policy iteration that trained one: the cost-to-go of its best policy so far.

    Raises:
        InputError: the run trained none, has made none yet, or it does not fit the model.
    """
    network = _network(run)
    if not _iterates(run) or run.config.get("rollout", {}).get("simulation_horizon", 0) is None:
        raise InputError(
            f"{run.path} trained no value network; a policy iteration does, with a horizon of its simulations."
        )
    _require_a_policy(run, which)
    network.pop("shared", None)
    value = value_network(model, jax.random.key(0), **network)
    return with_fields(value, parameters=run.restore(value.parameters, which, part=".best[1]"))


def _iterates(run: Run) -> bool:
    return bool(run.config.get("kind") == "policy-iteration")


def _require_a_policy(run: Run, which: int | Literal["latest", "best"]) -> None:
    """Refuse networks of a policy iteration that are as they were at the start."""
    if not run.steps or not int(run.restore(jnp.int32(0), which, part=".best[2]")):
        raise InputError(f"{run.path} has made no policy yet; resume it until its first iteration is done.")


def _network(run: Run) -> dict[str, Any]:
    """Return the settings of the run's networks."""
    network = run.config.get("network")
    if not isinstance(network, dict):
        raise InputError(f"{run.path}: its configuration names no network, so it has no policy to give.")
    known = {"hidden": list, "shared": bool, "entities" if _iterates(run) else "memory": int}
    for name, value in network.items():
        if not isinstance(value, known.get(name, ())):
            raise InputError(
                f"{run.path / 'config.json'}: network has {name} {value!r}; it has {', '.join(known)}, a list, a truth "
                "value and a number: restore it."
            )
    return {name: tuple(value) if isinstance(value, list) else value for name, value in network.items()}
