"""Monte Carlo tree search over controls and observations: POMCP, the rival of rollout.

A tree of histories grows by one node a simulation. A simulation draws a hidden state from the belief, descends by
optimism in the face of uncertainty (costs are minimised),

    u = argmin Q(h, u) - exploration sqrt(log N(h) / N(h, u)),      controls never tried first,

lets the model move and look, until it leaves the tree; there a playout policy takes over. Its cost is averaged into
every Q(h, u) on the way.

Theorem. With more and more simulations Q tends to the optimal Q-factors at the root, for the horizon simulated. Nothing
is guaranteed of any number of them: unlike rollout it may be worse than its playout policy.

The tree lives in arrays of fixed size, so that decisions compile and many are made side by side. Every joint control is
tried once at a history before any is tried twice, so c**m simulations are spent before the second stage is thought of.

Sources: D. Silver and J. Veness, Monte-Carlo Planning in Large POMDPs, NeurIPS 2010; L. Kocsis and C. Szepesvari,
Bandit Based Monte-Carlo Planning, ECML 2006.
"""

from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, UInt32

from seriatim import _optional
from seriatim._arguments import require_real, require_whole
from seriatim._compile import jit, unknown
from seriatim._errors import InputError
from seriatim._preconditions import control_of, require_policy, why_not_allowed
from seriatim._record import record, static
from seriatim.beliefs._filter import Belief, Filter, require_filter, require_observed
from seriatim.beliefs._hidden import CertaintyEquivalent
from seriatim.beliefs.solvers._children import Children, find, mark, no_children
from seriatim.controls import joint_controls, joint_index, num_joint_controls
from seriatim.finite_horizon import TimedState
from seriatim.model import Key, State
from seriatim.policy import Decision, Policy

# Pairs of a history and a joint control that a tree may hold, and stages that a simulation may keep.
MAX_PAIRS = 2**26
# Stands for a cost that is no number where controls are tried: above every cost, below that of controls not allowed.
LARGEST = float(np.finfo(np.float32).max)

Stages: TypeAlias = int | Int[Array, ""]


@record
class TreeSearch:
    """Monte Carlo tree search over beliefs, a planner: all agents at once, c**m joint controls a node.

    `Decision.q_factors` is `[c**m]`, infinite for controls never tried; `improvement` compares its own estimates, and
    its standard error is unknown (nan). A cost of nan or infinity, at any stage that was simulated, makes the Q-factor
    of the control that led there nan or infinite: `Decision.num_incomparable` counts these controls, and none is
    chosen.

    Attributes:
        filter: the filter of the beliefs; the search simulates its model. Histories part where observations
            differ: those drawn from a density never come again, and the tree stays one stage deep.
        playout: a policy of the model's *states*, which plays on from where the tree ends; None draws admissible
            controls at random. It sees the simulated state, which no policy of beliefs does.
        num_simulations: for each decision.
        exploration: how many cost units a control never tried is given credit for; about the spread of costs-to-go.
        horizon: stages simulated, in and beyond the tree. Of a `TimedState`, a belief with a number of stages left, no
            more than these are.

    Raises:
        InputError: the filter is none, an argument is out of range, or the tree would be too large.
    """

    filter: Filter
    playout: Policy | None = None
    num_simulations: int = static(default=1000)
    exploration: float | Float[Array, ""] = 1.0
    horizon: int = static(default=50)

    def __post_init__(self) -> None:
        require_filter(self.filter)
        require_observed(self._model, "observation")
        if self.playout is not None:
            require_policy("playout", self.playout)
        require_whole("num_simulations", self.num_simulations)
        require_whole("horizon", self.horizon, 1, MAX_PAIRS)
        require_real("exploration", self.exploration, "a number from 0 up, in the units of the cost", least=0)
        pairs = (self.num_simulations + 1) * self._num_joint
        if pairs > MAX_PAIRS:
            raise InputError(
                f"The tree would hold {pairs:,} pairs of a history and a control, more than {MAX_PAIRS:,}: "
                f"{self.num_simulations:,} simulations, {self._num_joint:,} joint controls; take fewer simulations."
            )

    @property
    def base(self) -> Policy:
        """The playout policy at the most likely state: a decision is compared with it."""
        return CertaintyEquivalent(self.playout or First(self._model), self.filter)

    def __call__(self, info: Belief | TimedState, key: Key) -> Int[Array, " m"]:
        """Return the control of `decide`."""
        return self.decide(info, key).control

    def decide(self, info: Belief | TimedState, key: Key) -> Decision:
        """Search from a belief. Compiled when first called.

        Raises:
            InputError: the playout policy's control at the likeliest state is not admissible and feasible there.
        """
        made = _decide(self, info, key)
        if self.playout is not None and not isinstance(made.admissible, jax.core.Tracer) and not made.admissible:
            reason = why_not_allowed(
                self._model,
                self.filter.most_likely(info.state if isinstance(info, TimedState) else info),
                made.base_control,
            )
            raise InputError(f"The playout policy chose {reason}; give one that is admissible at every state.")
        return made

    @property
    def _model(self) -> Any:
        return self.filter.model

    @property
    def _num_joint(self) -> int:
        return num_joint_controls(self._model.num_agents, self._model.num_controls)

    def _decide(self, info: Belief, key: Key) -> Decision:
        search, ask = jax.random.split(key)
        timed = isinstance(info, TimedState)  # nothing is paid after the last stage
        belief, stages = (info.state, jnp.minimum(self.horizon, info.left)) if timed else (info, self.horizon)

        def one(number: Int[Array, ""], tree: _Tree) -> _Tree:
            return self._simulated(tree, belief, stages, jax.random.fold_in(search, number))

        tree = jax.lax.fori_loop(0, self.num_simulations, one, self._empty())
        q = jnp.where(tree.visits[0] > 0, tree.cost[0], jnp.inf)
        base_control = control_of(self._model, self.base, belief, ask, "The playout policy")
        base = joint_index(base_control, self._model.num_controls)
        # Where nothing can be compared, the base control stays.
        best = jnp.where(jnp.any(jnp.isfinite(q)), jnp.argmin(jnp.where(jnp.isnan(q), jnp.inf, q)), base)
        compared = jnp.sum(tree.visits[0] > 0, dtype=jnp.int32)
        count, c = jnp.asarray(self.num_simulations, jnp.int32), self._model.num_controls
        exists = jnp.all((base_control >= 0) & (base_control < c))
        weight = jnp.asarray(self._model.discount, float) ** self.horizon
        # Simulations that reach the last stage of the problem are not cut.
        truncated = jnp.where(info.left <= self.horizon, 0, tree.truncated) if timed else tree.truncated
        return Decision(
            control=self._controls[best],
            base_control=base_control,
            q_factors=q,
            q_errors=jnp.full_like(q, unknown()),
            improvement=q[base] - q[best],
            standard_error=jnp.full((), unknown()),
            num_q_factors=compared,
            num_simulations=compared,
            num_passes=count,
            num_trajectories=count,
            # As everywhere in the tree: by the hidden state, here the likeliest, at which the base control was chosen.
            admissible=self._allowed(self.filter.most_likely(belief))[base] & exists,
            num_incomparable=jnp.sum((tree.visits[0] > 0) & ~jnp.isfinite(q), dtype=jnp.int32),
            num_truncated=truncated,
            tail_weight=jnp.where(truncated > 0, weight, 0.0),
            tail_bound=jnp.asarray(jnp.where(truncated > 0, jnp.inf, 0.0), float),
        )

    @property
    def _controls(self) -> Int[Array, "a m"]:
        return jnp.asarray(joint_controls(self._model.num_agents, self._model.num_controls))

    def _empty(self) -> "_Tree":
        nodes, a = self.num_simulations + 1, self._num_joint
        return _Tree(
            used=jnp.ones((), jnp.int32),
            visits=jnp.zeros((nodes, a), jnp.int32),
            cost=jnp.zeros((nodes, a)),
            children=no_children(nodes),
            truncated=jnp.zeros((), jnp.int32),
        )

    def _simulated(self, tree: "_Tree", belief: Belief, stages: Stages, key: Key) -> "_Tree":
        """Run one simulation and average its cost into the tree."""
        start, inside, outside = jax.random.split(key, 3)
        hidden = self.filter.sample_state(belief, self.filter.sample_disturbance(start))
        left = self._descended(tree, hidden, stages, inside)
        rest, ended = self._played_out(left, stages, outside)
        slot = jnp.where(left.grows, left.slot, tree.children.edge.shape[0])  # beyond the end: nothing is written
        entry = Children(self._edge(left), left.mark, tree.used)
        children = jax.tree.map(lambda held, new: held.at[slot].set(new, mode="drop"), tree.children, entry)
        # A simulation adds one node at most, so room for num_simulations + 1 is enough.
        used = tree.used + left.grows.astype(jnp.int32)
        grown = tree._replace(used=used, children=children, truncated=tree.truncated + jnp.where(ended, 0, 1))
        return self._backed_up(grown, left, rest)

    def _edge(self, now: "_Descent") -> Int[Array, ""]:
        return now.node * self._num_joint + now.control

    def _descended(self, tree: "_Tree", hidden: State, stages: Stages, key: Key) -> "_Descent":
        def inside(now: _Descent) -> Bool[Array, ""]:
            return (now.t < stages) & ~now.done & ~now.grows

        def stage(now: _Descent) -> _Descent:
            # The first stage is at the root, which no slot leads to.
            node = jnp.where(now.t == 0, 0, tree.children.child[now.slot])
            control = self._optimistic(tree, node, self._allowed(now.state))
            after, seen = self._moved(now.state, self._controls[control], jax.random.fold_in(key, now.t))
            slot, known = find(tree.children, node * self._num_joint + control, seen)
            return _Descent(
                t=now.t + 1,
                state=after.state,
                done=jnp.asarray(after.done),
                node=node,
                control=control,
                mark=seen,
                slot=slot,
                # A history after the last stage would have no controls to try.
                grows=~known & ~after.done & (now.t + 1 < stages),
                nodes=now.nodes.at[now.t].set(node),
                controls=now.controls.at[now.t].set(control),
                costs=now.costs.at[now.t].set(jnp.asarray(after.cost, float)),
            )

        zero, off = jnp.zeros((), jnp.int32), jnp.array(False)
        none = jnp.full(self.horizon, self.num_simulations + 1, jnp.int32)  # no node: updates there are dropped
        state = jax.tree.map(jnp.asarray, hidden)
        unseen = jnp.zeros(2, jnp.uint32)
        first = _Descent(zero, state, off, zero, zero, unseen, zero, off, none, none * 0, jnp.zeros(self.horizon))
        return jax.lax.while_loop(inside, stage, first)

    def _optimistic(self, tree: "_Tree", node: Int[Array, ""], allowed: Bool[Array, " a"]) -> Int[Array, ""]:
        visits = tree.visits[node]
        total = jnp.maximum(jnp.sum(visits), 1)
        # Divided by 1 at least: the credit of a control never tried is computed as well, and replaced below.
        credit = self.exploration * jnp.sqrt(jnp.log(total) / jnp.maximum(visits, 1).astype(float))
        worth = jnp.where(visits > 0, tree.cost[node] - credit, -jnp.inf)
        # Controls never tried come first, and among them the first; a control not allowed comes never. One that met a
        # cost of nan or infinity comes last of all others: it would take all simulations that are left.
        worth = jnp.where(worth < jnp.inf, worth, LARGEST)
        return jnp.argmin(jnp.where(allowed, worth, jnp.inf)).astype(jnp.int32)

    def _allowed(self, state: State) -> Bool[Array, " a"]:
        return jax.vmap(lambda u: _optional.is_allowed(self._model, state, u))(self._controls)

    def _moved(self, state: State, control: Int[Array, " m"], key: Key) -> tuple[Any, UInt32[Array, " 2"]]:
        disturbance = self._model.sample_disturbance(key)
        after = self._model.transition(state, control, disturbance)
        return after, mark(self._model.observation(after.state, control, disturbance))

    def _played_out(self, left: "_Descent", stages: Stages, key: Key) -> tuple[Float[Array, ""], Bool[Array, ""]]:
        """Return the playout policy's cost from where the tree was left, discounted to there, and whether it ended."""
        playout, discount = self.playout or Uniform(self._model), jnp.asarray(self._model.discount, float)

        def stage(now: tuple[Any, ...]) -> tuple[Any, ...]:
            t, state, _, cost, weight = now
            own, noise = jax.random.split(jax.random.fold_in(key, t))
            control = jnp.asarray(playout(state, own), jnp.int32)
            after = self._model.transition(state, control, self._model.sample_disturbance(noise))
            paid = cost + weight * jnp.asarray(after.cost, float)
            return t + 1, after.state, jnp.asarray(after.done), paid, weight * discount

        first = (left.t, left.state, left.done, jnp.zeros(()), jnp.ones(()))
        end = jax.lax.while_loop(lambda now: (now[0] < stages) & ~now[2], stage, first)
        return end[3], end[2]

    def _backed_up(self, tree: "_Tree", left: "_Descent", rest: Float[Array, ""]) -> "_Tree":
        discount = jnp.asarray(self._model.discount, float)

        def stage(later: Array, now: tuple[Array, Array]) -> tuple[Array, Array]:
            # Beyond the tree there is nothing to discount: the playout is counted from where the tree was left.
            total = jnp.where(now[1], now[0] + discount * later, later)
            return total, total

        inside = jnp.arange(self.horizon) < left.t
        # From the last stage to the first: the cost of a history is that of its stage and of all later ones.
        _, totals = jax.lax.scan(stage, rest, (left.costs, inside), reverse=True)
        at = (left.nodes, left.controls)
        visits = tree.visits.at[at].add(1, mode="drop")
        before, count = tree.cost.at[at].get(mode="clip"), visits.at[at].get(mode="clip")
        # The running mean: m + (x - m) / n, with n after this visit.
        cost = tree.cost.at[at].add((totals - before) / jnp.maximum(count, 1).astype(before.dtype), mode="drop")
        return tree._replace(visits=visits, cost=cost)


class _Tree(NamedTuple):
    """Histories by number, the root 0: visits and mean costs of each joint control, and the histories that follow.

    `truncated` counts the simulations that had not ended at the horizon.
    """

    used: Int[Array, ""]
    visits: Int[Array, "nodes a"]
    cost: Float[Array, "nodes a"]
    children: Children
    truncated: Int[Array, ""]


class _Descent(NamedTuple):
    """A simulation inside the tree: its place, the slot of its observation, whether it grows the tree, and its path."""

    t: Int[Array, ""]
    state: State
    done: Bool[Array, ""]
    node: Int[Array, ""]
    control: Int[Array, ""]
    mark: UInt32[Array, " 2"]
    slot: Int[Array, ""]
    grows: Bool[Array, ""]
    nodes: Int[Array, " T"]
    controls: Int[Array, " T"]
    costs: Float[Array, " T"]


_decide = jit(TreeSearch._decide)


@record
class Uniform:
    """Each agent draws one of its admissible controls."""

    model: Any

    def __call__(self, info: State, key: Key) -> Int[Array, " m"]:
        """Draw a control for each agent."""
        logits = jnp.where(self.model.control_mask(info), 0.0, -jnp.inf)
        return jax.random.categorical(key, logits).astype(jnp.int32)


@record
class First:
    """Each agent takes its first admissible control."""

    model: Any

    def __call__(self, info: State, key: Key) -> Int[Array, " m"]:
        """Return the first of each; `key` is not used."""
        del key
        return jnp.argmax(self.model.control_mask(info), axis=1).astype(jnp.int32)
