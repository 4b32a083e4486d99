"""The picture that plays: at every moment one frame is seen, each in its turn."""

import re
from xml.etree import ElementTree

import numpy as np
import pytest

import seriatim as st
from seriatim.rendering import Mark, grid_svg
from seriatim.rendering._animated_svg import animated_svg

SVG = "{http://www.w3.org/2000/svg}"
WALLS = np.eye(3, 4, dtype=bool)


def pictures(number):
    return [grid_svg(3, 4, [Mark(0, 3, "target"), Mark(2, t, "agent", str(t))], walls=WALLS) for t in range(number)]


def groups(animation):
    return ElementTree.fromstring(animation).findall(f"{SVG}g[@class]")


def visible(animation, time):
    """Which frames are seen at a time: the style rules worked out by hand, as a browser would."""
    total = float(re.search(r"seriatim-frame ([\d.e-]+)s step-end infinite", animation)[1])
    until = {
        name: float(re.search(rf"@keyframes {name}{{0%{{visibility:visible}}([\d.]+)%", animation)[1]) / 100 * total
        for name in ("seriatim-frame", "seriatim-last")
    }
    seen = []
    for t, group in enumerate(groups(animation)):
        delay = float(re.fullmatch(r"animation-delay:([\d.]+)s", group.get("style"))[1])
        rule = "seriatim-last" if "seriatim-last" in group.get("class") else "seriatim-frame"
        if time >= delay and (time - delay) % total < until[rule]:
            seen.append(t)
    return seen


@pytest.mark.parametrize(("number", "seconds"), [(2, 0.4), (4, 0.15), (4, 2.5)])
def test_each_frame_is_seen_in_its_turn_and_the_last_rests(number, seconds):
    animation = animated_svg(pictures(number), seconds)
    rest = max(seconds, 1.6)
    round_trip = (number - 1) * seconds + rest
    for start in (0, round_trip, 7 * round_trip):
        for t in range(number):
            assert visible(animation, start + (t + 0.01) * seconds) == [t]
            assert visible(animation, start + (t + 0.99) * seconds) == [t]
        assert visible(animation, start + round_trip - 0.01) == [number - 1]


def test_a_frame_is_what_changes_and_the_rest_is_written_once():
    animation = animated_svg(pictures(3))
    frames = groups(animation)
    assert [[text.text for text in frame.iter(f"{SVG}text")] for frame in frames] == [["0"], ["1"], ["2"]]
    (wall,) = (path for path in ElementTree.fromstring(animation) if path.get("transform"))
    assert animation.count(wall.get("d")) == 1


def test_without_animation_the_first_frame_is_seen():
    """Frames are hidden; a later rule of the same weight shows the first. Reduced motion takes the animation away."""
    animation = animated_svg(pictures(3))
    assert ["seriatim-first" in group.get("class") for group in groups(animation)] == [True, False, False]
    hidden, shown = (
        animation.index(".seriatim-frame{visibility:hidden"),
        animation.index(".seriatim-first{visibility:v"),
    )
    assert hidden < shown < animation.index("prefers-reduced-motion:reduce){.seriatim-frame{animation:none")


def test_it_needs_neither_script_nor_network():
    animation = animated_svg(pictures(3), captions=["a", "b", "c"])
    assert re.findall(r"https?://[^\"]+", animation) == ["http://www.w3.org/2000/svg"]
    assert not re.search(r"<script|href|url\(|@import", animation)


def test_captions_stand_below_the_picture():
    plain, captioned = (animated_svg(pictures(2), captions=captions) for captions in ((), ("a < b", "c")))
    before, after = (ElementTree.fromstring(text) for text in (plain, captioned))
    assert [group[-1].text for group in groups(captioned)] == ["a < b", "c"]
    (x, y, width, height), (x2, y2, width2, height2) = (
        map(float, root.get("viewBox").split()) for root in (before, after)
    )
    assert (x, y, width) == (x2, y2, width2)
    for group in groups(captioned):
        assert y + height < float(group[-1].get("y")) < y + height2
    # The scale stays: the picture is taller by as much as what it shows.
    pixels, pixels2 = (float(root.get("height")) for root in (before, after))
    assert pixels2 / pixels == pytest.approx(height2 / height, rel=1e-4)


def test_pictures_without_a_view_have_no_captions():
    frames = [f'<svg xmlns="http://www.w3.org/2000/svg"><circle r="{r}"/></svg>' for r in (1, 2)]
    assert animated_svg(frames, captions=["a", "b"]) == animated_svg(frames)


def test_pictures_that_do_not_change_are_one_picture():
    picture = grid_svg(2, 2, [])
    assert animated_svg([picture, picture]) == picture


@pytest.mark.parametrize("seconds", [0.0, -1.0, float("nan"), float("inf")])
def test_the_time_of_a_frame_is_positive(seconds):
    with pytest.raises(st.InputError, match=rf"seconds_per_frame={seconds}: give a time greater than 0"):
        animated_svg(pictures(2), seconds)


def test_there_are_as_many_captions_as_frames():
    with pytest.raises(st.InputError, match="1 captions for 2 frames; give one for each, or none"):
        animated_svg(pictures(2), captions=["a"])
