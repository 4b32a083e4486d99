"""The golden cases: planner x model x options x keys. Each is a function that returns arrays by name.

Public names alone are used. How an option is written stands in one place, "Spelling", so that a new spelling of the
same option is one line here and no new numbers in `decisions.json`. A case is `quick` if `make test` runs it; every
planner has a quick one.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from tests.golden import models
from tests.golden.golden import TOLERANCE, flat

import seriatim as st
from seriatim.training._labels import costs_to_go, labels_of

# ---- Spelling ----
EVERY = 99  # a window for all turns
IN_TURN, BEST_FIRST = st.InTurn(), st.BestFirst()
HALVING = st.InTurn(allocation=st.Halving())
HALVING_AT_RANDOM = st.InTurn("random", allocation=st.Halving())
ALL_AT_ONCE = st.Speculative("random", window=EVERY)


def within(planner, budget_ms):
    """Decide within a budget, None for no deadline; never warmed up, so that nothing is measured."""
    anytime = st.Anytime(planner)
    return lambda state, key: anytime.act(state, key, budget_ms=budget_ms)


def remembering(model, policy):
    return st.networks.WithMemory(model, policy)


def plans_apart(policy, knowledge, **options):
    return st.beliefs.IndependentPlanning(policy, knowledge, **options)


def own_beliefs(filter, guess):
    return st.beliefs.PerAgentFilter(filter, guess)


def exact_own_beliefs(exact, guess):
    return st.beliefs.ExactAgentFilter(exact, guess)


def labels(states, decisions):
    return labels_of(states, decisions)


def visited_states(model, policy, keys, horizon, noise):
    return st.training.visited(model, policy, keys, horizon, noise)


def visited_costs(model, policy, keys, horizon):
    return costs_to_go(model, policy, keys, horizon)


# What a decision says, and an estimate; what a version does not say is left out.
EVIDENCE = (
    *("control", "base_control", "q_factors", "q_errors", "improvement", "standard_error", "num_q_factors"),
    *("num_simulations", "num_passes", "num_trajectories", "admissible", "num_incomparable", "num_truncated"),
    *("tail_weight", "tail_bound"),
)
ESTIMATE = ("costs", "stages", "mean", "standard_error", "truncated", "tail_weight", "incomparable")


# ---- Registry ----
class Case(NamedTuple):
    function: Any
    quick: bool
    tolerance: float

    def __call__(self):
        return self.function()


CASES: dict[str, Case] = {}


def case(name, *, quick=False, tolerance=TOLERANCE):
    def add(function):
        assert name not in CASES
        CASES[name] = Case(function, quick, tolerance)
        return function

    return add


# ---- What is asked ----
SAMPLED = st.Simulation(num_samples=6, horizon=10)
ENUMERATED = st.Simulation(horizon=2, expectation="exact")


def key(number):
    return jax.random.key(number)


def starts(model, count=2, seed=0):
    """Some initial states, one by one."""
    return [model.initial_state(each) for each in jax.random.split(key(seed), count)]


def stacked(states):
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *states)


def evidence(decision, prefix=""):
    found = {name: getattr(decision, name, None) for name in EVIDENCE}
    return {prefix + name: leaf for name, leaf in found.items() if leaf is not None}


def one_by_one(planner, states, prefix="", seed=10):
    """Decide at each state by itself; the decisions are stacked. `planner` decides, or is a function that does."""
    decide = getattr(planner, "decide", planner)
    keys = jax.random.split(key(seed), len(states))
    decisions = [decide(state, each) for state, each in zip(states, keys, strict=True)]
    return evidence(stacked(decisions), prefix)


def called(planner, states, seed=10):
    """Ask for the controls alone."""
    keys = jax.random.split(key(seed), len(states))
    return {"called": jnp.stack([planner(state, each) for state, each in zip(states, keys, strict=True)])}


def together(planner, states, prefix="", seed=10):
    """Decide at many states at once."""
    count = jax.tree.leaves(states)[0].shape[0]
    return evidence(st.decide_many(planner, states, jax.random.split(key(seed), count)), prefix)


def estimate(found, prefix=""):
    named = {name: getattr(found, name, None) for name in ESTIMATE}
    return {prefix + name: np.asarray(leaf) for name, leaf in named.items() if leaf is not None}


def played(model, policy, episodes=6, horizon=30, prefix="", seed=20):
    """Evaluate: what every episode cost, and how long it was."""
    return estimate(st.evaluate(model, policy, key(seed), episodes=episodes, horizon=horizon), prefix)


def episode(model, policy, horizon=20, prefix="", seed=21):
    """Keep one episode."""
    path = st.simulate(model, policy, key(seed), horizon=horizon)
    names = ("controls", "costs", "cost", "length", "terminated")
    return {**{prefix + name: getattr(path, name) for name in names}, **flat(prefix + "states", path.states)}


def other_ways(model, planner, count=2):
    """What can be asked of a planner beside decisions one by one: controls alone, and decisions together."""
    states = starts(model, count)
    return {**called(planner, states), **together(planner, stacked(states))}


def over_team(simulation=SAMPLED, model_of=models.team, states=(0, 4), base=None, **options):
    """One-at-a-time rollout over a random team."""
    model = model_of()
    planner = st.OneAtATimeRollout(model, base or model.base_policy(), simulation, **options)
    return one_by_one(planner, [np.int32(state) for state in states])


def team_planner(kind=st.OneAtATimeRollout, simulation=SAMPLED, model_of=models.team, **options):
    model = model_of()
    return kind(model, model.base_policy(), simulation=simulation, **options)


# ---- One agent at a time ----
@case("in turn", quick=True)
def _():
    """The values of significance are arguments of one program."""
    return {
        f"{significance}: {name}": leaf
        for significance in (0.0, 1.0, 2.5)
        for name, leaf in over_team(schedule=IN_TURN, significance=significance).items()
    }


@case("in turn, other ways")
def _():
    model, planner = models.team(), team_planner(schedule=IN_TURN)
    return {
        **other_ways(model, planner),
        **played(model, planner, 4, 12, "evaluated: "),
        **episode(model, planner, 12, "episode: "),
    }


@case("auto, other ways")
def _():
    return other_ways(models.team(), team_planner(simulation=st.Simulation(num_samples=1, horizon=10)))


@case("in turn, order given")
def _():
    return over_team(schedule=st.InTurn((2, 0, 1)))


@case("in turn, order random")
def _():
    return over_team(states=range(4), schedule=st.InTurn("random"))


@case("order optimised")
def _():
    return over_team(schedule=BEST_FIRST, significance=0.0)


@case("order optimised, together")
def _():
    return together(team_planner(schedule=BEST_FIRST, significance=0.0), models.team().states())


@case("speculative")
def _():
    return over_team(schedule=st.Speculative(window=EVERY))


@case("speculative, window 2, random order, guess")
def _():
    model = models.team()
    guess = st.problems.TablePlayer(jnp.asarray(model.base_control)[::-1])
    return over_team(schedule=st.Speculative("random", guess, 2))


@case("speculative, together")
def _():
    return together(team_planner(schedule=st.Speculative(window=EVERY)), models.team().states())


@case("halving")
def _():
    return over_team(st.Simulation(num_samples=16, horizon=10), schedule=HALVING)


@case("halving, four controls, together")
def _():
    planner = team_planner(
        simulation=st.Simulation(num_samples=32, horizon=8),
        model_of=models.alone,
        schedule=HALVING,
    )
    return together(planner, models.alone().states())


@case("halving, order optimised")
def _():
    return over_team(st.Simulation(num_samples=16, horizon=6), schedule=st.BestFirst(allocation=st.Halving()))


@case("sampled candidates")
def _():
    return over_team(states=range(4), schedule=st.InTurn(candidates=st.Sampled(2)))


@case("sampled candidates by a proposal, halving, random order")
def _():
    simulation = st.Simulation(num_samples=16, horizon=5)
    proposal = models.Likes(3, 3)
    return over_team(simulation, schedule=st.InTurn("random", st.Sampled(2, proposal), st.Halving()))


@case("own turns of a batch", quick=True)
def _():
    """At each state other agents have a choice."""
    return together(team_planner(model_of=models.idle), models.idle().states())


@case("own turns of a batch, halving, random order")
def _():
    simulation = st.Simulation(num_samples=8, horizon=5)
    return together(
        team_planner(simulation=simulation, model_of=models.idle, schedule=HALVING_AT_RANDOM),
        models.idle().states(),
    )


@case("idle agents, one by one")
def _():
    return {**over_team(model_of=models.idle), **over_team(model_of=models.alone)}


@case("constraints")
def _():
    return over_team(model_of=models.bound, states=range(4), significance=0.0, schedule=IN_TURN)


@case("constraints, speculative, together")
def _():
    planner = team_planner(model_of=models.bound, significance=0.0, schedule=st.Speculative(window=2))
    return together(planner, models.bound().states())


@case("constraints, order optimised")
def _():
    return over_team(model_of=models.bound, significance=0.0, schedule=BEST_FIRST)


@case("dice for a base policy")
def _():
    return over_team(base=models.Dice(models.team()), schedule=IN_TURN)


@case("a planner for a base policy")
def _():
    inner = team_planner(simulation=ENUMERATED, schedule=IN_TURN)
    return over_team(st.Simulation(num_samples=2, horizon=3), base=inner, schedule=IN_TURN)


@case("raw keys")
def _():
    planner = team_planner(schedule=IN_TURN)
    decisions = [planner.decide(np.int32(state), jax.random.PRNGKey(state)) for state in range(2)]
    return evidence(stacked(decisions))


@case("stacked models under vmap")
def _():
    both = stacked([models.team(0), models.team(7)])

    def decide(model, state, each):
        return st.OneAtATimeRollout(model, model.base_policy(), SAMPLED, schedule=IN_TURN).decide(state, each)

    return evidence(jax.jit(jax.vmap(decide))(both, jnp.array([0, 4]), jax.random.split(key(10), 2)))


# ---- How it is simulated ----
@case("one sample")
def _():
    return over_team(st.Simulation(num_samples=1, horizon=10), schedule=IN_TURN)


@case("many samples, put into order")
def _():
    return over_team(st.Simulation(num_samples=32, horizon=10), schedule=IN_TURN)


@case("many samples, chunks of lanes, together")
def _():
    """So many lanes that they are taken in chunks."""
    planner = team_planner(simulation=st.Simulation(num_samples=800, horizon=4), schedule=IN_TURN)
    return together(planner, models.team().states())


@case("to the end")
def _():
    return over_team(st.Simulation(num_samples=6), schedule=IN_TURN)


@case("default samples")
def _():
    return over_team(st.Simulation(horizon=4), schedule=IN_TURN)


@case("terminal cost")
def _():
    value = models.exact_value(models.team)
    return over_team(st.Simulation(num_samples=6, horizon=2, terminal_cost=value), schedule=IN_TURN)


@case("bound of stage costs")
def _():
    """The bounds are arguments of one program."""
    return {
        f"{bound}: {name}": leaf
        for bound in (0.0, 1.5)
        for name, leaf in over_team(st.Simulation(num_samples=6, horizon=5, cost_bound=bound), schedule=IN_TURN).items()
    }


@case("exact expectation", quick=True)
def _():
    return over_team(ENUMERATED, significance=0.0, schedule=IN_TURN)


@case("exact Q-factors, together")
def _():
    value = models.exact_value(models.team)
    simulation = st.Simulation(horizon=1, expectation="exact", terminal_cost=value)
    return together(team_planner(simulation=simulation, significance=0.0), models.team().states())


@case("lookahead 2")
def _():
    return over_team(st.Simulation(num_samples=2, horizon=3, lookahead=2), schedule=IN_TURN)


@case("lookahead 2, exact, all joint controls")
def _():
    simulation = st.Simulation(horizon=2, expectation="exact", lookahead=2)
    return one_by_one(team_planner(st.StandardRollout, simulation), [np.int32(0), np.int32(4)])


@case("numbers with a fraction")
def _():
    model = models.Room()
    planner = st.OneAtATimeRollout(
        model, model.base_policy(), st.Simulation(num_samples=20, horizon=80), schedule=IN_TURN
    )
    return one_by_one(planner, starts(model))


@case("numbers with a fraction, terminal cost, together")
def _():
    model = models.Room()
    simulation = st.Simulation(num_samples=20, horizon=5, terminal_cost=models.Coldness())
    planner = st.OneAtATimeRollout(model, model.base_policy(), simulation)
    return together(planner, stacked(starts(model, 5)))


@case("nominal disturbances from a stage on")
def _():
    model = models.Room()
    found = {}
    for stage in (0, 2):
        simulation = st.Simulation(num_samples=4, horizon=6, nominal_from=stage)
        planner = st.OneAtATimeRollout(model, model.base_policy(), simulation, schedule=IN_TURN)
        found.update(one_by_one(planner, starts(model), f"{stage}: "))
    return found


# ---- Other planners ----
@case("all joint controls", quick=True)
def _():
    return one_by_one(team_planner(st.StandardRollout), [np.int32(0), np.int32(4)])


@case("all joint controls, other ways")
def _():
    return other_ways(models.team(), team_planner(st.StandardRollout, st.Simulation(num_samples=3, horizon=4)))


@case("all joint controls, constraints, together")
def _():
    planner = team_planner(st.StandardRollout, model_of=models.bound, significance=0.0)
    return together(planner, models.bound().states())


@case("signalling", quick=True)
def _():
    return one_by_one(team_planner(st.SignallingRollout), [np.int32(0), np.int32(4)])


@case("signalling, other ways")
def _():
    return other_ways(models.team(), team_planner(st.SignallingRollout, st.Simulation(num_samples=3, horizon=4)))


@case("signalling by a policy, random order")
def _():
    model = models.team()
    signal = st.problems.TablePlayer(jnp.asarray(model.base_control)[::-1])
    planner = team_planner(st.SignallingRollout, signal=signal, order="random")
    return one_by_one(planner, [np.int32(state) for state in range(4)])


@case("signalling by a planner, constraints, together")
def _():
    """Some agents arrive at joint controls that are infeasible; the base control is applied there."""
    signal = team_planner(model_of=models.bound, significance=0.0, schedule=IN_TURN)
    planner = team_planner(st.SignallingRollout, model_of=models.bound, signal=signal, significance=0.0)
    return together(planner, models.bound().states())


# ---- Deadlines ----
@case("deadlines", quick=True)
def _():
    """No deadline; one that passes before anything is simulated; one that is never met."""
    planner = team_planner(schedule=IN_TURN)
    return {
        f"{budget}: {name}": leaf
        for budget in (None, 1e-9, 1e9)
        for name, leaf in one_by_one(within(planner, budget), [np.int32(0), np.int32(4)]).items()
    }


@case("deadlines, order optimised, halving")
def _():
    simulation = st.Simulation(num_samples=16, horizon=6)
    planner = team_planner(simulation=simulation, schedule=st.BestFirst(allocation=st.Halving()))
    return one_by_one(within(planner, 1e9), [np.int32(0), np.int32(4)])


@case("deadlines, speculative, random order")
def _():
    return one_by_one(within(team_planner(schedule=ALL_AT_ONCE), None), [np.int32(0), np.int32(4)])


@case("deadlines, all joint controls")
def _():
    planner = team_planner(st.StandardRollout)
    return {
        f"{budget}: {name}": leaf
        for budget in (None, 1e-9, 1e9)
        for name, leaf in one_by_one(within(planner, budget), [np.int32(0)]).items()
    }


# ---- Spiders and flies ----
def hunting(model, *, count=3, simulation=None, **options):
    planner = st.OneAtATimeRollout(model, model.base_policy(), simulation or st.Simulation(horizon=60), **options)
    return planner, starts(model, count)


@case("hunt", quick=True)
def _():
    return one_by_one(*hunting(models.hunt()))


@case("hunt, other ways")
def _():
    return other_ways(models.hunt(), hunting(models.hunt())[0], 6)


@case("hunt in turn, discounted, costs by flies")
def _():
    model = models.hunt(discount=0.95, cost="flies")
    return one_by_one(*hunting(model, simulation=st.Simulation(), schedule=IN_TURN))


@case("hunt of a large team")
def _():
    """As many spiders as make the default schedule speculate further."""
    model = models.hunt(spiders=32, flies=8, width=12, height=12)
    return one_by_one(*hunting(model, count=2))


@case("hunt among walls, wandering flies, no collisions")
def _():
    model = models.wanderers()
    planner, states = hunting(model, simulation=st.Simulation(num_samples=16, horizon=40))
    return {**one_by_one(planner, states), **called(planner, states), **episode(model, planner, 20, "episode: ")}


@case("hunt among walls, wandering flies, no collisions, together")
def _():
    planner, states = hunting(models.wanderers(), count=5, simulation=st.Simulation(num_samples=16, horizon=40))
    return together(planner, stacked(states))


@case("hunt of fleeing flies")
def _():
    simulation = st.Simulation(num_samples=8, horizon=12)
    return one_by_one(*hunting(models.hunt(fly_behaviour="flee"), simulation=simulation, schedule=IN_TURN))


@case("hunt with arrivals, numbers that change")
def _():
    model = models.hunt(max_spiders=5, max_flies=8, arrival_rate=0.2, arrival_stages=(2, 5))
    planner, states = hunting(model, simulation=st.Simulation(num_samples=4, horizon=12))
    joined = model.with_fly(model.with_spider(states[0], (0, 0)), (7, 7))
    return one_by_one(planner, [states[0], joined, model.without_spider(states[1], 0)])


@case("hunt by signals, together")
def _():
    model = models.hunt()
    planner = st.SignallingRollout(model, model.base_policy(), simulation=st.Simulation(horizon=40))
    return together(planner, stacked(starts(model, 6)))


@case("hunt compared")
def _():
    model = models.hunt()
    base, (planner, _states) = model.base_policy(), hunting(model)
    found = st.compare(model, {"base": base, "in turn": planner}, key(22), episodes=8, horizon=40)
    lines = {}
    for name, row in found.rows.items():
        lines.update(estimate(row.estimate, f"{name}: "))
        if row.difference is not None:
            lines[f"{name}: difference"] = np.array([row.difference.mean, row.difference.standard_error])
        lines[f"{name}: q_factors"] = np.asarray(row.q_factors_per_decision)
    return lines


@case("episodes of base policies", quick=True)
def _():
    model = models.hunt()
    return {**played(model, model.base_policy(), 20, 60), **episode(model, model.base_policy(), 40, "episode: ")}


@case("episodes of base policies, other models")
def _():
    found = {}
    others = {
        "wanderers": models.wanderers(),
        "arrivals": models.hunt(arrival_rate=0.2, discount=0.9),
        "repair": models.repair().belief_model(),
        "rocks": models.rocks().belief_model(),
    }
    for name, model in others.items():
        found.update(played(model, model.base_policy(), 8, 20, f"{name}: "))
    return found


@case("spiders on a line")
def _():
    model = st.problems.SpidersOnALine(7, 3)
    planner = st.OneAtATimeRollout(model, model.base_policy(), st.Simulation(horizon=20), schedule=IN_TURN)
    return {**one_by_one(planner, starts(model, 4)), **played(model, planner, 8, 20, "evaluated: ")}


@case("fire brigade")
def _():
    """README's example."""
    from examples.fire_brigade import FireBrigade

    model = FireBrigade(engines=4)
    planner = st.OneAtATimeRollout(model, model.base_policy(), st.Simulation(num_samples=32, horizon=20))
    return {**one_by_one(planner, starts(model)), **played(model, planner, 3, 10, "evaluated: ")}


# ---- Finite horizons ----
@case("finite horizon", quick=True)
def _():
    model = st.FiniteHorizon(st.problems.SpidersOnALine(7, 2), 3)
    planner = st.OneAtATimeRollout(model, model.base_policy(), st.Simulation(horizon=20), schedule=IN_TURN)
    return {**one_by_one(planner, starts(model)), **episode(model, planner, 5, "episode: ")}


@case("finite horizon, planners that do not know the time")
def _():
    model = st.FiniteHorizon(models.team(), 4, final_cost=models.exact_value(models.team))
    knows = st.OneAtATimeRollout(model, model.base_policy(), st.Simulation(num_samples=6), schedule=IN_TURN)
    does_not = st.at_any_time(team_planner(schedule=IN_TURN))
    return {**one_by_one(knows, starts(model)), **one_by_one(does_not, starts(model), "does not: ")}


@case("finite horizon, constraints, together")
def _():
    model = st.FiniteHorizon(models.bound(), 3)
    planner = st.OneAtATimeRollout(model, model.base_policy(), st.Simulation(num_samples=6), significance=0.0)
    return together(planner, stacked(starts(model, 5)))


# ---- Beliefs ----
def ahead(problem):
    return st.Simulation(horizon=4, num_samples=6, terminal_cost=st.problems.DamageForever(problem))


@case("repair", quick=True)
def _():
    model = models.repair().belief_model()
    planner = st.OneAtATimeRollout(model, model.base_policy(), ahead(models.repair()), schedule=IN_TURN)
    return one_by_one(planner, starts(model))


@case("repair, other ways")
def _():
    model = models.repair().belief_model()
    return other_ways(model, st.OneAtATimeRollout(model, model.base_policy(), ahead(models.repair())))


@case("repair by signals and all joint controls")
def _():
    model = models.repair().belief_model()
    signals = st.SignallingRollout(model, model.base_policy(), simulation=ahead(models.repair()))
    standard = st.StandardRollout(model, model.base_policy(), ahead(models.repair()))
    return {
        **one_by_one(signals, starts(model), "signals: "),
        **together(standard, stacked(starts(model)), "standard: "),
    }


@case("repair, where true damage moves")
def _():
    problem, model = models.repair(), models.repair().belief_model()
    world = st.beliefs.HiddenModel(problem, model.filter)
    planner = st.OneAtATimeRollout(model, model.base_policy(), ahead(problem), schedule=IN_TURN)
    return {
        **played(world, st.beliefs.on_belief(model.base_policy()), 6, 10, "base: "),
        **episode(world, st.beliefs.on_belief(planner), 6, "episode: "),
    }


@case("repair over the general belief model")
def _():
    problem = models.repair()
    filter = st.beliefs.FactoredFilter(problem)
    model = st.beliefs.BeliefModel(problem, filter)
    planner = st.OneAtATimeRollout(model, problem.base_policy(), ahead(problem), schedule=IN_TURN)
    return one_by_one(planner, starts(model))


@case("rock sample")
def _():
    model = models.rocks().belief_model()
    planner = st.OneAtATimeRollout(
        model, model.base_policy(), st.Simulation(num_samples=16, horizon=20), schedule=IN_TURN
    )
    return {**one_by_one(planner, starts(model)), **episode(model, planner, 10, "episode: ")}


@case("rock sample by tree search")
def _():
    problem = models.rocks()
    world = st.beliefs.HiddenModel(problem, st.beliefs.FactoredFilter(problem))
    planner = st.beliefs.TreeSearch(st.beliefs.FactoredFilter(problem), num_simulations=200, exploration=10.0)
    return {
        **one_by_one(planner, starts(problem.belief_model())),
        **episode(world, st.beliefs.on_belief(planner), 5, "episode: "),
    }


def tiger():
    world = models.loaded(models.TIGER, ".pomdp")
    return world, st.beliefs.ExactFilter(world)


def exact_tiger_planner():
    world, filter = tiger()
    imagined = st.beliefs.BeliefModel(world, filter)
    simulation = st.Simulation(horizon=3, expectation="exact")
    return st.OneAtATimeRollout(imagined, st.beliefs.qmdp(world).policy, simulation, schedule=IN_TURN)


@case("tiger over exact beliefs")
def _():
    planner = exact_tiger_planner()
    world, filter = tiger()
    honest = st.beliefs.HiddenModel(world, filter)
    beliefs = [filter.initial(key(0)), jnp.array([0.85, 0.15]), jnp.array([0.03, 0.97])]
    return {**one_by_one(planner, beliefs), **played(honest, st.beliefs.on_belief(planner), 4, 8, "evaluated: ")}


@case("tiger over particles")
def _():
    world, _filter = tiger()
    filter = st.beliefs.ParticleFilter(world, num_particles=30)
    imagined = st.beliefs.BeliefModel(world, filter)
    base = st.beliefs.CertaintyEquivalent(st.exact.value_iteration(world).policy, filter)
    planner = st.OneAtATimeRollout(imagined, base, st.Simulation(num_samples=8, horizon=3), schedule=IN_TURN)
    honest = st.beliefs.HiddenModel(world, filter)
    return {
        **one_by_one(planner, starts(imagined)),
        **played(honest, st.beliefs.on_belief(base), 4, 8, "evaluated: "),
    }


@case("tree search", quick=True)
def _():
    _world, filter = tiger()
    planner = st.beliefs.TreeSearch(filter, num_simulations=100, exploration=30.0, horizon=8)
    return one_by_one(planner, [filter.initial(key(0)), jnp.array([0.03, 0.97])])


@case("tree search, finite horizon, together")
def _():
    world, filter = tiger()
    planner = st.beliefs.TreeSearch(filter, num_simulations=60, exploration=30.0, horizon=8)
    imagined = st.FiniteHorizon(st.beliefs.BeliefModel(world, filter), 3)
    return together(planner, stacked(starts(imagined, 3)))


# ---- Agents that know different things ----
@case("sightings, messages get lost")
def _():
    game = models.hunt(spiders=2, flies=2, width=6, height=6, vision=2)
    memory = st.problems.LastSeenFilter(game)
    world = st.beliefs.InformationModel(game, memory, arrival=0.5)
    planner = st.OneAtATimeRollout(game, game.base_policy(), st.Simulation(horizon=15))
    team = plans_apart(planner, memory, completion="most-likely")
    drawn = plans_apart(game.base_policy(), memory, completion="sampled", num_samples=3)
    return {**played(world, team, 4, 12, "planned: "), **played(world, drawn, 4, 12, "drawn: ")}


@case("repair, messages get lost")
def _():
    model = models.repair().belief_model()
    own = own_beliefs(model.filter, model.base_policy())
    world = st.beliefs.InformationModel(models.repair(), own, arrival=0.5)
    planner = st.OneAtATimeRollout(model, model.base_policy(), ahead(models.repair()), schedule=IN_TURN)
    return played(world, plans_apart(planner, own), 3, 5)


@case("relay, nothing is heard")
def _():
    model = models.loaded(models.RELAY, ".dpomdp")
    own = exact_own_beliefs(st.beliefs.ExactFilter(model), model.base_policy())
    world = st.beliefs.InformationModel(model, own, arrival=0.0)
    return episode(world, plans_apart(model.base_policy(), own), 4)


# ---- Trained policies, training ----
LOOSE = 1e-4  # an optimiser divides by the size of what may be small


def small_hunt(**options):
    return models.hunt(**{"spiders": 2, "flies": 2, "width": 5, "height": 5, "vision": 3, "cost": "flies", **options})


def trained_by(trainer, steps):
    found = st.training.train(trainer, key(30), steps=steps)
    return found, {**flat("parameters", found.state.parameters), **metrics(found.metrics)}


def metrics(columns):
    return {f"metric {name}": column for name, column in columns.items() if name not in ("seconds", "step")}


def gradient_training(estimator, **options):
    policy = st.networks.decentralised_policy(small_hunt(), key(31), hidden=(8,))
    options = {"batch": 8, "horizon": 6, "entropy": 0.01, **options}
    return trained_by(st.training.PolicyGradient(policy, estimator, **options), 2)[1]


@case("policy gradient, score function", quick=True, tolerance=LOOSE)
def _():
    return gradient_training("score-function")


@case("policy gradient, leave one out", tolerance=LOOSE)
def _():
    return gradient_training("leave-one-out", num_samples=4)


@case("policy gradient, straight-through", tolerance=LOOSE)
def _():
    """What each control was worth (counterfactual costs)."""
    return gradient_training("straight-through")


@case("policy gradient, Gumbel", tolerance=LOOSE)
def _():
    return {
        f"{estimator}: {name}": leaf
        for estimator in ("straight-through-gumbel-softmax", "gumbel-rao", "gumbel-softmax")
        for name, leaf in gradient_training(estimator, temperature=0.7).items()
    }


@case("policy gradient, agents that remember", tolerance=LOOSE)
def _():
    policy = st.networks.decentralised_policy(small_hunt(), key(32), hidden=(8,), memory=4, shared=False)
    return trained_by(st.training.PolicyGradient(policy, "leave-one-out", batch=8, horizon=6), 2)[1]


@case("policy iteration", tolerance=LOOSE)
def _():
    """One iteration of all that it does, with a value; and rollout on what was trained."""
    model = small_hunt(fly_behaviour="wander")
    fitting = st.training.Fitting(passes=1, least_steps=4, batch=16)
    trainer = st.training.PolicyIteration(
        model,
        model.base_policy(),
        st.networks.policy_classifier(model, key(33), hidden=(8,), entities=4),
        st.networks.value_network(model, key(34), hidden=(8,), entities=4),
        st.Simulation(horizon=3, num_samples=4),
        states=24,
        part=12,
        value_states=32,
        episodes=6,
        horizon=30,
        temperature=0.2,
        fitting=fitting,
        value_fitting=fitting,
        gain=None,
    )
    found, lines = trained_by(trainer, trainer.steps(1))
    made = found.state.labels
    lines.update(flat("value", found.state.value))
    lines.update({"labels: control": made.control, "labels: excess": made.excess, "labels: errors": made.errors})
    planner = st.OneAtATimeRollout(model, trainer.trained(found.state), st.Simulation(horizon=3, num_samples=4))
    return {**lines, **together(planner, stacked(starts(model)), "rollout: ")}


@case("untrained networks for base policies")
def _():
    """Policies that draw; and agents that remember, whose memories are a part of the state."""
    game = small_hunt()
    draws = st.networks.decentralised_policy(game, key(36), hidden=(8,))
    recalls = st.networks.decentralised_policy(game, key(37), hidden=(8,), memory=3)
    remembered = remembering(game, recalls)
    found = {}
    for name, model, base in (("draws", game, draws), ("recalls", remembered, recalls)):
        simulation = st.Simulation(num_samples=4, horizon=6)
        planner = st.OneAtATimeRollout(model, base, simulation, schedule=IN_TURN)
        found.update(one_by_one(planner, starts(model), f"{name}: "))
        found.update(played(model, base, 6, 10, f"{name}, alone: "))
    found.update(played(remembered, remembered.base_policy(), 6, 10, "heuristic: "))
    return found


@case("labels")
def _():
    model = models.wanderers(discount=0.95)
    planner, _states = hunting(model, simulation=st.Simulation(num_samples=16, horizon=40))
    keys = jax.random.split(key(40), 5)
    states = visited_states(model, model.base_policy(), keys, 12, 0.3)
    made = labels(states, st.decide_many(planner, states, keys))
    again, costs = visited_costs(model, model.base_policy(), keys, 12)
    return {
        **flat("states", states),
        **{name: getattr(made, name) for name in ("control", "compared", "excess", "errors")},
        **flat("costs: states", again),
        "costs": costs,
    }
