"""Certainty-equivalent control: take the most likely state for the true one.

Source: D. Bertsekas, Dynamic Programming and Optimal Control, vol. I, 4th ed., Athena Scientific, 2017, section 6.2.
"""

from jaxtyping import Array, Int

from seriatim._preconditions import require_policy
from seriatim._record import record
from seriatim.beliefs._filter import Belief, Filter, require_filter
from seriatim.model import Key
from seriatim.policy import Policy


@record
class CertaintyEquivalent:
    """The policy of beliefs that asks a policy of states what to do in the most likely state.

    Guarantee: none. It never looks for its own sake, and where it is surely wrong it may repeat itself for ever. As a
    base policy of rollout it often serves well.

    Attributes:
        policy: of the model's states: a heuristic, or `exact.value_iteration(model).policy`.
        filter: whose beliefs they are.

    Raises:
        InputError: the policy cannot be called, or the filter is none.
    """

    policy: Policy
    filter: Filter

    def __post_init__(self) -> None:
        require_policy("policy", self.policy)
        require_filter(self.filter)

    def __call__(self, info: Belief, key: Key) -> Int[Array, " m"]:
        """Return the control of the most likely state."""
        return self.policy(self.filter.most_likely(info), key)
