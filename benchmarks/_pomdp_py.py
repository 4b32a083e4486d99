"""The rivals' problems in pomdp-py, played by its POUCT: its own problem files, and exact beliefs.

Its POMCP keeps the particles that its searches came upon, and at a few milliseconds a decision is soon left with none.
So it is given particles of the exact belief anew at every stage.

Source: K. Zheng and S. Tellex, pomdp_py: A Framework to Build and Solve POMDP Problems, 2020; its own problem files.
"""

import random
from typing import Any

import jax.numpy as jnp
import numpy as np
import pomdp_py
from pomdp_py.problems.rocksample import rocksample_problem as rock
from pomdp_py.problems.tiger import tiger_problem as tiger

import seriatim as st

DISCOUNT, PARTICLES = 0.95, 200


def tiger_costs(seconds: float, episodes: int, stages: int) -> list[float]:
    """Return the discounted cost of each episode of the tiger, with so many seconds a decision."""
    random.seed(0)
    return [_tiger(seconds, stages) for _ in range(episodes)]


def _tiger(seconds: float, stages: int) -> float:
    state = random.choice(["tiger-left", "tiger-right"])
    problem = tiger.TigerProblem.create(state)
    agent, world = problem.agent, problem.env
    planner = _planner(agent, 110, seconds, depth=20)
    total = 0.0
    for stage in range(stages):
        action = planner.plan(agent)
        total -= DISCOUNT**stage * world.state_transition(action, execute=True)
        seen = agent.observation_model.sample(world.state, action)
        agent.update_history(action, seen)
        planner.update(agent, action, seen)
        agent.set_belief(
            pomdp_py.update_histogram_belief(
                agent.cur_belief, action, seen, agent.observation_model, agent.transition_model
            )
        )
    return total


def rock_costs(problem: st.problems.RockSample, seconds: float, episodes: int, stages: int) -> list[float]:
    """Return the discounted cost of each episode of RockSample, with so many seconds a decision."""
    random.seed(0)
    return [_rock(problem, seconds, stages) for _ in range(episodes)]


def _rock(given: st.problems.RockSample, seconds: float, stages: int) -> float:
    places = {(column, row): number for number, (row, column) in enumerate(given.rocks)}
    start = given.start[::-1]
    count = len(given.rocks)

    chances = np.full(count, 0.5)

    def drawn(position: Any) -> Any:
        kinds = (rock.RockType.GOOD if random.random() < chance else rock.RockType.BAD for chance in chances)
        return rock.State(position, tuple(kinds), False)

    def believed(position: Any) -> Any:
        return pomdp_py.Particles([drawn(position) for _ in range(PARTICLES)])

    problem = rock.RockSampleProblem(given.size, count, drawn(start), places, believed(start), given.half_distance)
    agent, world = problem.agent, problem.env
    planner = _planner(agent, 20, seconds, depth=30)
    total = 0.0
    for stage in range(stages):
        action = planner.plan(agent)
        before = world.state.position
        total -= DISCOUNT**stage * world.state_transition(action, execute=True)
        if problem.in_exit_area(world.state.position):
            break
        seen = world.provide_observation(agent.observation_model, action)
        agent.update_history(action, seen)
        planner.update(agent, action, seen)
        if isinstance(action, rock.SampleAction) and before in places:
            chances[places[before]] = 0.0
        elif isinstance(action, rock.CheckAction):
            right = float(given.accuracy(jnp.array(before[::-1]))[action.rock_id])
            likely = right if seen.quality == rock.RockType.GOOD else 1 - right
            good = chances[action.rock_id] * likely
            chances[action.rock_id] = good / (good + (1 - chances[action.rock_id]) * (1 - likely))
        agent.set_belief(believed(world.state.position))
    return total


def _planner(agent: Any, exploration: float, seconds: float, depth: int) -> Any:
    return pomdp_py.POUCT(
        max_depth=depth,
        discount_factor=DISCOUNT,
        planning_time=seconds,
        exploration_const=exploration,
        rollout_policy=agent.policy_model,
    )
