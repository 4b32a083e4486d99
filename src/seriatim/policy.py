"""Policies: from what is known (a state, a belief, what one team sees) to a joint control.

A planner is a policy made from a policy: `OneAtATimeRollout(model, base, simulation)` is called like its base, and may
itself be the base of another planner.
"""

from typing import Any, Protocol, runtime_checkable

from jaxtyping import Array, Float, Int

from seriatim._record import record
from seriatim.model import Key


@runtime_checkable
class Policy(Protocol):
    """A joint control for the team.

    Any callable of this signature serves. A record whose parameters are fields is compiled once for all parameters; a
    closure is compiled again for each. A deterministic policy ignores `key`.
    """

    def __call__(self, info: Any, key: Key) -> Int[Array, " m"]:
        """Choose a control for each agent, admissible at `info`."""
        ...


@record
class Decision:
    """A joint control, with the evidence it rests on.

    Attributes:
        control: the control chosen for each agent, `[m]`.
        base_control: what the base policy would have done, `[m]`.
        q_factors: the estimates that were compared, in cost units; infinity where inadmissible, infeasible or
            not compared. One agent at a time and signalling: `[m, c]`, row `i` the estimates agent `i` chose from,
            given its predecessors' choices or their signals. Standard rollout: `[c**m]`, joint controls in the order
            of `seriatim.controls.joint_controls`. Nan where a deadline left no time to estimate them.
        q_errors: shaped like `q_factors`, standard errors of their differences to the Q-factor of the control that the
            row was compared with (the agent's present one; standard rollout: the base control), paired on common
            random numbers; 0 for that control and for exact expectations, nan where not known.
        improvement: estimated cost of `base_control` less that of `control`, both followed by the base policy.
        standard_error: of `improvement`, from paired differences on common random numbers; nan where one sample
            leaves it unknown, 0 where the expectation is exact. Choosing the best of noisy estimates flatters it: take
            `improvement` as evidence, and `seriatim.compare` as the proof.
        num_q_factors: Q-factors compared in this decision (m*c, or c**m).
        num_simulations: joint controls that were simulated for it, each `num_samples` times, or fewer where
            alternatives were dropped early. Taking turns, none for an agent with one admissible control.
        num_passes: rounds of simulations that had to wait for one another; within a round all run side by side.
        num_trajectories: futures simulated, one for each joint control and sample it was given: the work done.
            `num_simulations * num_samples` where none is dropped early.
    """

    control: Int[Array, "*batch m"]
    base_control: Int[Array, "*batch m"]
    q_factors: Float[Array, "..."]
    q_errors: Float[Array, "..."]
    improvement: Float[Array, "*batch"]
    standard_error: Float[Array, "*batch"]
    num_q_factors: Int[Array, "*batch"]
    num_simulations: Int[Array, "*batch"]
    num_passes: Int[Array, "*batch"]
    num_trajectories: Int[Array, "*batch"]

    def __str__(self) -> str:
        if self.control.ndim != 1:
            return f"{self.control.shape[0]} decisions of {self.control.shape[-1]} agents"
        departures = int((self.control != self.base_control).sum())
        evidence = f"{self.num_q_factors} Q-factors, {self.num_simulations} joint controls simulated"
        if not departures:
            return f"control {self.control.tolist()}, the base policy's ({evidence})"
        error = "" if self.standard_error != self.standard_error else f" ± {self.standard_error:.2g}"
        return (
            f"control {self.control.tolist()}, where the base policy's is {self.base_control.tolist()}: "
            f"better by {self.improvement:.4g}{error} ({evidence})"
        )


@runtime_checkable
class Planner(Policy, Protocol):
    """A policy made from a policy: a base policy in, a better one out."""

    @property
    def base(self) -> Policy:
        """The policy that is improved."""
        ...

    def decide(self, info: Any, key: Key) -> Decision:
        """Choose a joint control and show the evidence; `planner(info, key)` is `decide(info, key).control`."""
        ...
