"""The policy that a run has trained, for the model it was trained on or for a changed one."""

from typing import Any, Literal

import jax

from seriatim._errors import InputError
from seriatim._record import with_fields
from seriatim.training._decentralised import DecentralisedPolicy, decentralised_policy
from seriatim.training._run import Run


def trained_policy(
    run: Run, model: Any, which: int | Literal["latest", "best"] = "latest", *, greedy: bool = False
) -> DecentralisedPolicy:
    """Return the policy of a run.

    Args:
        run: whose configuration has a `network`: `{"hidden": [64, 64], "memory": 0, "shared": true}`.
        model: what the policy shall play. Its numbers may be others than in training (more flies, other walls); what an
            agent sees must be as many numbers.
        which: the checkpoint, as in `Run.restore`.
        greedy: whether agents take their likeliest controls instead of drawing.

    Raises:
        InputError: the run trained no such policy, has no checkpoint yet, or its networks do not fit the model.
    """
    network = run.config.get("network")
    if not isinstance(network, dict):
        raise InputError(f"{run.path}: its configuration names no network, so it has no policy to give.")
    policy = decentralised_policy(
        model,
        jax.random.key(0),
        hidden=tuple(network["hidden"]),
        memory=network["memory"],
        shared=network["shared"],
        greedy=greedy,
    )
    parameters = run.restore(policy.parameters, which, part=".parameters")
    return with_fields(policy, parameters=parameters)
