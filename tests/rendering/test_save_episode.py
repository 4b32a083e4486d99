"""An episode on disk: the stages that were played, and a sentence where it cannot be saved."""

import json
import re
from xml.etree import ElementTree

import jax
import jax.numpy as jnp
import pytest

import seriatim as st
from seriatim.rendering import save_episode

SVG = "{http://www.w3.org/2000/svg}"


@st.record
class Walk:
    """One agent walks along a line; a stage costs 1."""

    discount: float = 0.5
    num_agents: int = st.static(default=1)
    num_controls: int = st.static(default=1)
    picture: str | None = st.static(default=None)

    def initial_state(self, key):
        return jnp.zeros((), int)

    def control_mask(self, state):
        return jnp.ones((1, 1), bool)

    def sample_disturbance(self, key):
        return None

    def transition(self, state, control, disturbance):
        return st.Transition(state + 1, jnp.ones(()), state + 1 >= 3)

    def draw(self, state):
        circle = f'<circle cx="{int(state)}" r="1"/>'
        return self.picture or f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9">{circle}</svg>'


class Blind(Walk):
    draw = property()


def walk(length=3, terminated=True):
    """An episode cut or ended after `length` of 5 stages; what follows must not be looked at."""
    return st.Trajectory(
        states=jnp.where(jnp.arange(6) <= length, jnp.arange(6), -1),
        controls=jnp.zeros((5, 1), int),
        costs=jnp.ones(5),
        cost=jnp.ones(()),
        length=jnp.array(length),
        terminated=jnp.array(terminated),
    )


def test_a_page_shows_the_stages_that_were_played(tmp_path):
    path = save_episode(tmp_path / "walk.html", Walk(), walk())
    assert path == tmp_path / "walk.html"
    page = path.read_text(encoding="utf-8")
    data = json.loads(re.search(r'type="application/json">(.*?)</script>', page)[1])
    frames = [data["prefix"] + middle + data["suffix"] for middle in data["middles"]]
    assert frames == [Walk().draw(state) for state in range(4)]
    assert "<title>Walk</title>" in page
    # Costs are discounted by half at each stage.
    assert data["captions"] == [
        "stage 0, cost so far 0",
        "stage 1, cost so far 1",
        "stage 2, cost so far 1.5",
        "stage 3, cost so far 1.75, ended",
    ]


def test_a_moving_picture_shows_them_too(tmp_path):
    path = save_episode(str(tmp_path / "walk.SVG"), Walk(), walk(terminated=False))
    root = ElementTree.parse(path).getroot()
    assert [circle.get("cx") for circle in root.iter(f"{SVG}circle")] == ["0", "1", "2", "3"]
    assert [text.text for text in root.iter(f"{SVG}text")][-1] == "stage 3, cost so far 1.75, cut here"


def test_an_episode_that_was_simulated_is_saved(tmp_path):
    trajectory = st.simulate(Walk(), lambda state, key: jnp.zeros(1, int), jax.random.key(0), horizon=5)
    saved = save_episode(tmp_path / "simulated.html", Walk(), trajectory).read_text()
    assert saved == save_episode(tmp_path / "by_hand.html", Walk(), walk()).read_text()


def test_an_episode_without_a_stage_is_its_first_state(tmp_path):
    saved = save_episode(tmp_path / "stopped.html", Walk(), walk(length=0, terminated=False)).read_text()
    assert '"captions": ["stage 0, cost so far 0, cut here"]' in saved


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("walk.gif", r"walk\.gif: unknown kind of picture '\.gif'; name the file \.html or \.svg"),
        ("walk", r"walk: unknown kind of picture ''; name"),
        ("absent/walk.html", r"there is no folder .*absent; make it, or save elsewhere"),
        ("folder.html", r"folder\.html: cannot be written \(it is a directory, not a regular file\); save elsewhere"),
    ],
)
def test_a_path_that_cannot_be_used_is_a_mistake(tmp_path, name, message):
    (tmp_path / "folder.html").mkdir()
    with pytest.raises(st.InputError, match=message) as error:
        save_episode(tmp_path / name, Walk(), walk())
    assert "\n" not in str(error.value)


def test_a_model_that_cannot_draw_is_a_mistake(tmp_path):
    with pytest.raises(st.InputError, match=r"Blind has no method draw\(state\) that returns an SVG picture; add one"):
        save_episode(tmp_path / "walk.html", Blind(), walk())
    with pytest.raises(
        st.InputError, match=r"Walk\.draw returned 'a spider'; a string with an SVG picture is expected"
    ):
        save_episode(tmp_path / "walk.html", Walk(picture="a spider"), walk())


def test_many_episodes_at_once_are_a_mistake(tmp_path, without_type_checks):
    many = jax.tree.map(lambda leaf: jnp.stack([leaf, leaf]), walk())
    with pytest.raises(st.InputError, match=r"trajectories of shape \(2,\) were given; choose one of them"):
        without_type_checks(lambda: save_episode(tmp_path / "walk.html", Walk(), many))
