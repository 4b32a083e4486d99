"""Policies: from information (a state, a belief, the observations of a team) to a joint control.

A planner is a policy made from a policy: `OneAtATimeRollout(model, base, simulation)` is called like its base, and may
itself be the base of another planner.

A *value* approximates the cost-to-go; it is used where a simulation is cut short.
"""

from typing import Any, Protocol, runtime_checkable

from jaxtyping import Array, Bool, Float, Int

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
            random numbers; 0 for that control and for exact expectations, nan where not known (infinite where
            `jax_debug_nans` is set, with which JAX stops at nan).
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
        admissible: whether `base_control` is admissible and feasible. Where it is not, nothing holds of the decision;
            outside of `jax.jit` and other transformations, planners then raise an InputError.
        num_incomparable: alternatives that could not be compared with the control before them: a simulated cost was
            nan or minus infinity (so is their Q-factor, or that of the control before them), or both were infinite.
            They are not chosen.
        num_truncated: futures, of `num_trajectories`, that had not ended where they were cut off, and so cost more
            (or less) than their Q-factors say. 0 where the expectation is exact: that ends where you say.
        tail_weight: the weight a**H of the first stage cut off; 0 where no future was.
        tail_bound: the most by which cutting can have changed a Q-factor, a**H * cost_bound / (1 - a), and half of the
            most by which it can have changed `improvement`. 0 where no future was cut off; elsewhere infinity without
            `Simulation.cost_bound`, and without a discount.

    The last five are None where a planner does not say.
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
    admissible: Bool[Array, "*batch"] | None = None
    num_incomparable: Int[Array, "*batch"] | None = None
    num_truncated: Int[Array, "*batch"] | None = None
    tail_weight: Float[Array, "*batch"] | None = None
    tail_bound: Float[Array, "*batch"] | None = None

    def __str__(self) -> str:
        if self.control.ndim != 1:
            return f"{self.control.shape[0]} decisions of {self.control.shape[-1]} agents{_together(self)}"
        departures = int((self.control != self.base_control).sum())
        evidence = f"{self.num_q_factors} Q-factors, {self.num_simulations} joint controls simulated{_doubts(self)}"
        if not departures:
            return f"control {self.control.tolist()}, the base policy's ({evidence})"
        error = "" if self.standard_error != self.standard_error else f" ± {self.standard_error:.2g}"
        return (
            f"control {self.control.tolist()}, where the base policy's is {self.base_control.tolist()}: "
            f"better by {self.improvement:.4g}{error} ({evidence})"
        )


def _doubts(decision: Decision) -> str:
    """Write what takes from the evidence of one decision; nothing where nothing does."""
    doubts = ""
    if decision.admissible is not None and not decision.admissible:
        doubts += "; the base policy's control is not admissible"
    if decision.num_incomparable:
        nan = bool((decision.q_factors != decision.q_factors).any())
        doubts += (
            f"; {decision.num_incomparable} could not be compared, since costs were {'nan' if nan else 'infinite'}"
        )
    if decision.num_truncated:
        doubts += (
            f"; {decision.num_truncated} of {decision.num_trajectories} futures cut off before they ended, where a "
            f"cost weighs {decision.tail_weight:.2g}"
        )
        bound = decision.tail_bound
        known = bound is not None and bound < float("inf")
        doubts += f": at most {bound:.2g} is missing from a Q-factor" if known else ""
    return doubts


def _together(decision: Decision) -> str:
    """Write at how many of many decisions something takes from the evidence."""
    counts = {
        "without an admissible base control": None if decision.admissible is None else ~decision.admissible,
        "with alternatives that could not be compared": decision.num_incomparable,
        "with futures cut off before they ended": decision.num_truncated,
    }
    found = {what: 0 if each is None else int((each > 0).sum()) for what, each in counts.items()}
    return "".join(f"; {count} {what}" for what, count in found.items() if count)


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


@runtime_checkable
class Value(Protocol):
    """An estimate of the cost still to come, in the units of the stage cost, undiscounted to the present stage."""

    def __call__(self, info: Any) -> Float[Array, ""]:
        """Return the estimated cost-to-go from `info`."""
        ...
