"""Models: a team in an uncertain world, as the functions `f`, `g` and the distribution of `w`.

    x' = f(x, u, w),   stage cost g(x, u, w),   w ~ a fixed distribution, independent of x and u.

All randomness is in the disturbance `w`. A law of motion whose probabilities depend on state and control is
*reparameterised*: a Gaussian is `mean(x, u) + std(x, u) * w`; a categorical is `argmax(logits(x, u) + w)` with Gumbel
`w`, or inverts a cumulative sum at a uniform `w`. Since `w` is drawn without knowing `x` and `u`, alternatives can meet
the same `w` (common random numbers), and no planner can see the future.

Shapes, throughout the package: `m` agents, `c` controls of one agent, `n` samples or alternatives, `T` stages,
`s` states, `k` outcomes. Everything is written for one state; `vmap` makes many.

Source: D. Bertsekas, Reinforcement Learning and Optimal Control, Athena Scientific, 2019.
"""

from typing import Any, Protocol, TypeAlias, runtime_checkable

from jaxtyping import Array, ArrayLike, Bool, Float, Int, PRNGKeyArray, Shaped

from seriatim._record import record

State: TypeAlias = Any  # a pytree of arrays; the same structure, shapes and dtypes at every stage
Disturbance: TypeAlias = Any  # a pytree of arrays, or a key: the laziest disturbance
Observation: TypeAlias = Any  # a pytree of arrays
Key: TypeAlias = PRNGKeyArray | Array  # a typed key (`jax.random.key`) or an old one (`jax.random.PRNGKey`)


@record
class Transition:
    """What one stage leads to: the next state, the stage cost, and whether the problem has ended.

    `done` says that the problem *terminated*: no cost follows. A limit on time is the evaluator's word, or part of the
    problem (`seriatim.FiniteHorizon`). `cost` is a number and `done` a boolean for one transition, with leading axes
    for stacked ones.
    """

    state: State
    cost: Shaped[ArrayLike, "..."]
    done: Shaped[ArrayLike, "..."]


@record
class Features:
    """What a network is told of a state on behalf of one agent, where there are entities of a kind: targets, parcels.

    A network makes the same of the entities in whatever order they come, and of any number of them.

    Attributes:
        own: about the agent and the whole, `[k]`.
        entities: about each entity, seen from the agent, `[n, d]`.
        present: which of them there are, `[n]`; the others count nothing.
    """

    own: Float[Array, "*batch k"]
    entities: Float[Array, "*batch n d"]
    present: Bool[Array, "*batch n"]


@runtime_checkable
class Model(Protocol):
    """A team problem: `m` agents, each with up to `c` controls, costs to be minimised.

    Laws (tested by `seriatim.check_model`): the methods are pure and can be traced by JAX; `transition` returns a state
    of the structure, shapes and dtypes of the one it got; costs are finite; at every state every agent has at least
    one admissible control.

    Optional methods and attributes; the table in docs/models.md says who uses them, and what happens without:

    * `feasible(state, control) -> Bool[""]`: coupled constraints, which the base policy must keep.
    * `base_policy() -> Policy`: the heuristic that comes with the model; `terminal_cost() -> Value | None`: its
      cost-to-go where simulations are cut.
    * `ends_after = 120`: the problem ends after so many stages; `endless = True`: no control ever ends it.
    * `nominal_disturbance() -> Disturbance`: the typical `w`, for certainty equivalence.
    * `lanes_last = True`: `transition` takes one state, or many along one more axis, the last, kept apart.
    * `features(state, agent) -> Float["k"] | Features`: what a network is told of the state on behalf of an agent.
    * `draw(state) -> str`: an SVG picture; `text(state) -> str`: one for the terminal.
    """

    @property
    def num_agents(self) -> int:
        """The number of agents, m."""
        ...

    @property
    def num_controls(self) -> int:
        """The number of controls of one agent, c; where agents differ, the largest, with masks for the rest."""
        ...

    @property
    def discount(self) -> float | Float[Array, ""]:
        """The discount factor of one stage, in (0, 1]."""
        ...

    def initial_state(self, key: Key) -> State:
        """Draw the state an episode starts from."""
        ...

    def control_mask(self, state: State) -> Bool[Array, "m c"]:
        """Say which controls each agent may choose: True is admissible; every agent always has one."""
        ...

    def sample_disturbance(self, key: Key) -> Disturbance:
        """Draw `w`. Exogenous: it sees neither state nor control."""
        ...

    def transition(self, state: State, control: Int[Array, " m"], disturbance: Disturbance) -> Transition:
        """Return `f(x, u, w)`, `g(x, u, w)` and whether the problem has ended."""
        ...


@runtime_checkable
class FiniteModel(Model, Protocol):
    """A model with few enough states to be solved exactly.

    The states are numbered `0 .. s-1`; `index` inverts `states`.

    Optional: `tabulated_motion() -> (costs, transitions)`: what `outcomes` says of all joint controls, in double
    precision, which exact methods then use. `costs` `[s, c**m]` are expected stage costs, infinite for what may not be
    chosen; `transitions` is a SciPy matrix compressed by rows, of shape `(s * c**m, s)`; what a row lacks of one ends
    the problem. Joint controls are numbered as in `seriatim.controls.joint_controls`.
    """

    def states(self) -> State:
        """Return all states, stacked along a leading axis `s`."""
        ...

    def index(self, state: State) -> Int[Array, ""]:
        """Return the number of `state` in `states()`."""
        ...

    def outcomes(self, state: State, control: Int[Array, " m"]) -> tuple[Transition, Float[Array, " k"]]:
        """Enumerate the `k` outcomes: stacked transitions and their probabilities, which sum to one."""
        ...


@runtime_checkable
class ObservedModel(Model, Protocol):
    """A model whose state is hidden; the team sees observations.

    Optional methods, see docs/models.md:

    * `initial_distribution() -> Float["s"]`: the probabilities of the states that `initial_state` draws.
    * `observations() -> Observation`: all observations, stacked along a leading axis `o`; for every new state and
      control their likelihoods sum to one.
    * `tabulated_observations() -> Float["c**m s o"]`: those likelihoods in double precision, by joint control, new
      state and observation.
    * `belief_model() -> Model`: the problem over beliefs. `base_policy()` of such a model is a policy of beliefs.
    """

    def observation(self, state: State, control: Int[Array, " m"], disturbance: Disturbance) -> Observation:
        """Return what is seen of the *new* state, after the transition that `control` and `disturbance` made."""
        ...

    def observation_likelihood(
        self, observation: Observation, state: State, control: Int[Array, " m"]
    ) -> Float[Array, ""]:
        """Return the probability of `observation` given the new state and the control that led to it."""
        ...


@runtime_checkable
class RelaxedModel(Model, Protocol):
    """A model that also takes *soft* controls: for each agent a point of the simplex instead of one of its corners.

    A soft control asks for a state that can be between states: the *relaxed state*, of whatever structure carries
    derivatives from stage to stage (chances to be in a cell, say). A relaxed trajectory at fixed disturbances is a
    differentiable function of its soft controls.

    Law (tested by `seriatim.check_model`): begun at `relaxed_state(x)` and played with one-hot controls, the relaxed
    model has at every stage the cost, the end, the admissible controls and, where there are any, the observations of
    the model itself under the same disturbances. What it says between the corners is the model's choice. It is best the
    *multilinear extension*, the mean over independent draws of the controls: then gradients are those of expected
    costs.

    Costs are expected costs: a problem that has ended with chance p contributes (1 - p) times what it would, so a
    relaxed trajectory may be played on for a fixed number of stages. `done` is true only when the problem has ended but
    for rounding, and no cost follows.
    """

    def relaxed_state(self, state: State) -> State:
        """Return the relaxed state that stands for `state`."""
        ...

    def relaxed_mask(self, state: State) -> Bool[Array, "m c"]:
        """Say which controls an agent may put weight on, at a relaxed state."""
        ...

    def relaxed_transition(self, state: State, control: Float[Array, "m c"], disturbance: Disturbance) -> Transition:
        """Play one stage from a relaxed state; rows of `control` are non-negative and sum to one."""
        ...


@runtime_checkable
class DecentralisedModel(Model, Protocol):
    """A model that says what each agent sees by itself, for policies whose agents decide on that alone.

    Where the model is also a `RelaxedModel`, `agent_observations` takes relaxed states too, so that one network is
    trained on the one and plays on the other.
    """

    def agent_observations(self, state: State) -> Float[Array, "m k"]:
        """Return what each agent sees, as `k` numbers of the size of one."""
        ...
