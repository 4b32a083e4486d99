"""A trained guess of the state by one agent: its filter's belief, corrected by a network.

    b'(k)  ~  (b(k) + floor) exp(network(b, agent)(k)),        for each hidden part of the state by itself

The filter of one agent's information guesses the controls of the others. Where they choose something else the belief is
wrong, and may be sure of a state that is not the true one. The network is fitted to episodes of the team as it plays,
to the least cross-entropy of the true state. With enough episodes and width it tends to the probability of the state
given the filter's belief. Before it is fitted it repeats that belief, but for the floor.

Source: D. Bertsekas, Multiagent Reinforcement Learning: Rollout and Policy Iteration, IEEE/CAA Journal of Automatica
Sinica 8(2), 2021, section V, for guesses of missing information that are made off-line.
"""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from seriatim import _optional
from seriatim._arguments import require_whole
from seriatim._compile import jit
from seriatim._errors import InputError
from seriatim._preconditions import require_key, require_policy
from seriatim._record import record, static, with_fields
from seriatim.beliefs import FactoredBelief, InformationModel
from seriatim.model import Key, State
from seriatim.policy import Policy
from seriatim.simulation import simulate
from seriatim.training._fit import Fitting, fit, loss_of

# A belief may rule out the truth where a guess was wrong; the network must be able to bring it back.
FLOOR = 1e-3


@record
class CompletionNetwork:
    """A function from one agent's knowledge to a better belief of the same form. Made by `completion_network`.

    Use it in `IndependentPlanning(policy, filter, completion="network", network=...)`, with a policy of beliefs.

    Attributes:
        num_agents: m.
        parameters: the arrays of the network.
        structure: all else of it; called as `network(told [k]) -> [n * l]`.
    """

    num_agents: int = static()
    parameters: Any
    structure: Any = static()

    def __call__(self, known: Any, agent: Int[Array, ""]) -> Any:
        """Return the corrected belief; the rest of the agent's knowledge stays."""
        sites = jax.nn.softmax(self.logits(known, agent), axis=-1)
        return FactoredBelief(known.known, sites) if isinstance(known, FactoredBelief) else sites[0]

    def logits(self, known: Any, agent: Int[Array, ""]) -> Float[Array, "n l"]:
        """Return the logits of the level of each hidden part; a state without parts is one part."""
        sites = _sites(known)
        change = eqx.combine(self.parameters, self.structure)(_told(known, agent, self.num_agents))
        logits: Float[Array, "n l"] = jnp.log(sites + FLOOR) + change.reshape(sites.shape)
        return logits


def completion_network(world: InformationModel, key: Key, *, width: int = 64, depth: int = 2) -> CompletionNetwork:
    """Make a network that repeats the filter's belief, to be fitted by `fit_completion`.

    Args:
        world: its filter keeps beliefs `[s]` (`ExactAgentFilter`) or factored ones (`PerAgentFilter` with a
            `FactoredFilter`).
        key: decides the first parameters.
        width: units of a hidden layer.
        depth: hidden layers.

    Raises:
        InputError: a size is out of range, or what agents know is no distribution.
    """
    require_key(key)
    for name, size in (("width", width), ("depth", depth)):
        require_whole(name, size)
    known = jax.tree.map(lambda leaf: leaf[0], world.filter.initial(key))
    if not isinstance(known, FactoredBelief) and getattr(known, "ndim", None) != 1:
        raise InputError(
            f"{type(world.filter).__name__} keeps a {type(known).__name__}; a completion network corrects "
            "distributions: give an ExactAgentFilter, or a PerAgentFilter with a FactoredFilter."
        )
    told = _told(known, jnp.int32(0), world.num_agents)
    made = eqx.nn.MLP(told.size, _sites(known).size, width, depth, key=key)
    # The last layer starts at zero, so that nothing is corrected yet.
    made = eqx.tree_at(lambda n: n.layers[-1], made, jax.tree.map(jnp.zeros_like, made.layers[-1]))
    parameters, structure = eqx.partition(made, eqx.is_array)
    return CompletionNetwork(world.num_agents, parameters, structure)


def fit_completion(
    network: CompletionNetwork,
    world: InformationModel,
    policy: Policy,
    key: Key,
    *,
    episodes: int = 512,
    horizon: int = 20,
    fitting: Fitting | None = None,
) -> CompletionNetwork:
    """Fit the network to the true states of episodes that a team plays.

    Args:
        network: where to start.
        world: the model that is played.
        policy: of informations, such as `IndependentPlanning`; the network is good for teams that play alike.
        key: decides the episodes, and which rows are drawn.
        episodes: how many.
        horizon: stages of each, at most.
        fitting: how.

    Raises:
        InputError: a number is out of range.
    """
    require_key(key)
    for name, count in (("episodes", episodes), ("horizon", horizon)):
        require_whole(name, count)
    require_policy("policy", policy)
    playing, drawing = jax.random.split(key)
    rows, chance = played(world, policy, jax.random.split(playing, episodes), horizon)
    loss = loss_of(completion_loss, network)
    parameters, _ = fit(loss, network.parameters, rows, chance, drawing, fitting or Fitting())
    return with_fields(network, parameters=parameters)


def completion_loss(network: CompletionNetwork, parameters: Any, rows: Any) -> Float[Array, " batch"]:
    """Return the cross-entropy of true levels, for rows of an agent's knowledge, the agent, and the levels `[n]`."""
    trained = with_fields(network, parameters=parameters)

    def one(known: Any, agent: Int[Array, ""], levels: Int[Array, " n"]) -> Float[Array, ""]:
        likely = jax.nn.log_softmax(trained.logits(known, agent), axis=-1)
        return -jnp.sum(jnp.take_along_axis(likely, levels[:, None], axis=1))

    losses: Float[Array, " batch"] = jax.vmap(one)(*rows)
    return losses


def _rows(world: InformationModel, policy: Policy, keys: Key, *, horizon: int) -> tuple[Any, Float[Array, " rows"]]:
    found = jax.vmap(lambda key: simulate(world, policy, key, horizon=horizon))(keys)
    # The state after the last stage is no longer decided at, nor are repetitions after the end.
    m, decided = world.num_agents, jnp.arange(horizon + 1) < found.length[:, None]
    levels = jax.vmap(jax.vmap(lambda state: _levels(world.model, state)))(found.states.state)
    shape = (*decided.shape, m)
    each = (found.states.known, jnp.broadcast_to(jnp.arange(m), shape), jnp.repeat(levels[:, :, None], m, axis=2))
    rows = jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[3:]), each)
    return rows, jnp.repeat(decided.ravel(), m).astype(float)


_played = jit(_rows, static_argnames=("horizon",))


def played(world: InformationModel, policy: Policy, keys: Key, horizon: int) -> tuple[Any, Float[Array, " rows"]]:
    """Play episodes; return rows for `completion_loss`, one for each agent and stage, and 1 for those that count."""
    return _played(world, policy, keys, horizon=horizon)


def _levels(model: Any, state: State) -> Int[Array, " n"]:
    """Return the level of each hidden part of the true state."""
    split = _optional.split(model)
    return jnp.asarray(model.index(state))[None] if split is None else split(state)[1]


def _sites(known: Any) -> Float[Array, "n l"]:
    return known.sites if isinstance(known, FactoredBelief) else known[None]


def _told(known: Any, agent: Int[Array, ""], num_agents: int) -> Float[Array, " k"]:
    numbers = [jnp.ravel(leaf).astype(float) for leaf in jax.tree.leaves(known)]
    return jnp.concatenate([*numbers, jax.nn.one_hot(agent, num_agents)])
