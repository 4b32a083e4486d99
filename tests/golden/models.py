"""The models and base policies of the golden cases: small, fixed, each made once."""

import functools
import tempfile
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

import seriatim as st

TIGER = """
discount: 0.75
values: cost
states: left right
actions: listen open-left open-right
observations: left right
T: listen
identity
T: open-left
uniform
T: open-right
uniform
O: listen : left : left 0.85
O: listen : left : right 0.15
O: listen : right : left 0.15
O: listen : right : right 0.85
O: open-left
uniform
O: open-right
uniform
R: listen : * : * : * 1
R: open-left : left : * : * 100
R: open-left : right : * : * -10
R: open-right : left : * : * -10
R: open-right : right : * : * 100
"""
RELAY = """
agents: 2
discount: 1
values: reward
states: on off
start:
uniform
actions:
wait switch
wait switch
observations:
dark light
dark light
T: * :
uniform
O: * : on : dark light : 1
O: * : off : light dark : 1
R: switch wait : on : * : * : 2
R: wait switch : off : * : * : 2
"""
ROOMS = """
........
...@....
...@....
@.@@@.@@
........
...@....
........
...@....
"""


@st.record
class Dice:
    """A base policy that throws dice: each agent takes any admissible control."""

    model: st.problems.Tabular

    def __call__(self, info, key):
        return jax.random.categorical(key, jnp.where(self.model.control_mask(info), 0.0, -jnp.inf)).astype(jnp.int32)


@st.record
class Likes:
    """A proposal: it likes controls of large numbers, and draws a little luck of its own."""

    agents: int = st.static()
    controls: int = st.static()

    def __call__(self, info, key):
        return jnp.arange(self.controls, dtype=float) + jax.random.uniform(key, (self.agents, self.controls))


@st.record
class Room:
    """Two agents heat a room on their own sides: numbers with a fraction, noise, and a nominal disturbance."""

    discount: float = 0.9
    num_agents: int = st.static(default=2)
    num_controls: int = st.static(default=3)

    def initial_state(self, key):
        return jax.random.normal(key, (2,)) * 3

    def control_mask(self, state):
        return jnp.ones((2, 3), bool)

    def sample_disturbance(self, key):
        return jax.random.normal(key, (2,))

    def nominal_disturbance(self):
        return jnp.zeros(2)

    def transition(self, state, control, disturbance):
        after = 0.9 * state + 0.1 * state[::-1] + (control - 1) + 0.5 * disturbance
        cost = jnp.sum(after**2) + 0.3 * jnp.sum(jnp.abs(control - 1))
        return st.Transition(after, cost, jnp.all(jnp.abs(after) < 0.1))

    def base_policy(self):
        return Lukewarm()


@st.record
class Lukewarm:
    def __call__(self, info, key):
        return jnp.where(info > 2, 0, jnp.where(info < -2, 2, 1)).astype(jnp.int32)


@st.record
class Coldness:
    """A terminal cost of rooms."""

    def __call__(self, info):
        return 2.5 * jnp.sum(info**2)


def _garnet(seed, controls, **options):
    options = {"states": 9, "agents": len(controls), "discount": 0.9, "termination": 0.1, **options}
    return st.problems.random_team(seed, controls=controls, **options)


@functools.cache
def team(seed=0):
    """Three agents with two or three controls, nine states; finite, so that outcomes can be enumerated."""
    return _garnet(seed, (2, 3, 3))


@functools.cache
def bound():
    """The same kind with joint controls that are infeasible."""
    return _garnet(1, (2, 3, 3), infeasible=0.5)


@functools.cache
def idle():
    """Five agents, of which many have no choice at many states."""
    return _garnet(2, (3, 1, 3, 1, 2), masked=0.6)


@functools.cache
def alone():
    """One agent."""
    return _garnet(3, (4,))


@functools.cache
def exact_value(model_of):
    """The base policy's exact cost-to-go."""
    model = model_of()
    return st.exact.TableValue(model, jnp.asarray(st.exact.cost_to_go(model, np.asarray(model.base_control)), float))


@functools.cache
def hunt(**options):
    """Four spiders, four flies."""
    return st.problems.SpidersAndFlies(**{"spiders": 4, "flies": 4, "width": 8, "height": 8, **options})


@functools.cache
def rooms():
    """The map of four rooms."""
    rows = ROOMS.split()
    return st.formats.GridMap(np.array([[cell == "." for cell in row] for row in rows]), name="rooms")


@functools.cache
def wanderers(**options):
    """Three spiders that may not share a cell, among walls, and three flies that move."""
    return hunt(**{"spiders": 3, "flies": 3, "map": rooms(), "fly_behaviour": "wander", "collisions": False, **options})


@functools.cache
def repair():
    """Two robots, six sites."""
    return st.problems.Repair(robots=2, layout="grid", width=3, height=2)


@functools.cache
def rocks():
    """A rover and two rocks."""
    return st.problems.RockSample(size=4, rocks=((1, 1), (2, 3)), start=(2, 0))


@functools.cache
def loaded(text, suffix):
    """A model by a problem file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"problem{suffix}")
        path.write_text(text)
        return st.formats.load(path)
