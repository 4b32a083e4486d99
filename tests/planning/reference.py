"""Planners written a second time, plainly, on a table of Q-factors: what the compiled ones must agree with.

`q` maps a joint control (a tuple) to its Q-factor, infinity where it may not be chosen.
"""

import itertools

import numpy as np

# A gain that is neither clearly above nor clearly below rounding may be taken or left.
SURE, UNSURE = 1e-7, 1e-4


def table(row, num_agents, num_controls):
    """Read a row of Q-factors `[c**m]` as a dictionary."""
    joint = itertools.product(range(num_controls), repeat=num_agents)
    return dict(zip(joint, np.asarray(row, float).tolist(), strict=True))


def better(new, old, rounding=SURE):
    return new < old - rounding * (1 + abs(old) if np.isfinite(old) else 1)


def standard(q, base):
    best = min(q, key=q.get)
    return best if better(q[best], q[base]) else base


def one_at_a_time(q, base, order, num_controls):
    control = base
    for agent in order:
        own = [with_control(control, agent, v) for v in range(num_controls)]
        best = min(own, key=q.get)
        if better(q[best], q[control]):
            control = best
    return control


def optimised(q, base, num_controls):
    control, remaining = base, set(range(len(base)))
    while remaining:
        moves = [(with_control(control, i, v), i) for i in sorted(remaining) for v in range(num_controls)]
        best, agent = min(moves, key=lambda move: q[move[0]])
        if not better(q[best], q[control]):
            break
        control = best
        remaining.remove(agent)
    return control


def signalling(q, base, signal, order, num_controls, rounding=SURE):
    control = list(base)
    for place, agent in enumerate(order):
        context = tuple(signal[j] if j in order[:place] else base[j] for j in range(len(base)))
        own = [with_control(context, agent, v) for v in range(num_controls)]
        best = min(own, key=q.get)
        if better(q[best], q[context], rounding):
            control[agent] = best[agent]
    return tuple(control) if np.isfinite(q[tuple(control)]) else base


def with_control(joint, agent, control):
    return (*joint[:agent], control, *joint[agent + 1 :])
