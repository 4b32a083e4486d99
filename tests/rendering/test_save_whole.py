"""Whatever goes wrong at saving an episode, the file from before stays, and nothing lies beside it."""

import numpy as np
import pytest

import seriatim as st
from seriatim.rendering import save_episode
from seriatim.simulation import Trajectory

LONE = "\ud83d"  # half of a surrogate pair


class Draws:
    """A model of one drawing."""

    discount = 1.0

    def __init__(self, text):
        self.text = text

    def draw(self, state):
        return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><text>{self.text}</text></svg>'


def still():
    return Trajectory(
        states=np.zeros(1), controls=np.zeros((0, 1), int), costs=np.zeros(0), cost=0.0, length=0, terminated=False
    )


@pytest.mark.parametrize("suffix", [".html", ".svg"])
def test_a_lone_surrogate_in_a_drawing_leaves_the_old_file(tmp_path, suffix, without_type_checks):
    path = tmp_path / f"episode{suffix}"
    without_type_checks(lambda: save_episode(path, Draws("a"), still()))
    before = path.read_bytes()
    assert b"<text>a</text>" in before.replace(b"<\\/", b"</")
    with pytest.raises(st.InputError, match="half of a surrogate pair"):
        without_type_checks(lambda: save_episode(path, Draws(LONE), still()))
    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == [path.name]
