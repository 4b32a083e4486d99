"""Common parts are kept once, and nothing is lost."""

from xml.etree import ElementTree

import pytest
from hypothesis import example, given
from hypothesis import strategies as some

import seriatim as st
from seriatim.rendering._frames import share, share_elements

# Few letters, so that texts have much in common by chance.
TEXTS = some.lists(some.text(alphabet="<a/>", max_size=8), min_size=1, max_size=4)
CHILDREN = some.lists(
    some.sampled_from(
        ["<a/>", "<a><b/></a>", "<a><b/></a >", "<b>é</b>", "text &amp; ", "<!-- <a/> --> ", "<![CDATA[<a/>]]>"]
    ),
    max_size=4,
).map("".join)
PICTURES = some.tuples(
    some.sampled_from(["", "<?xml version='1.0'?>\n<!-- <svg> é -->"]),
    CHILDREN,
    some.lists(CHILDREN, min_size=1, max_size=4),
    CHILDREN,
).map(lambda parts: [f"{parts[0]}<svg width='1>2'>{parts[1]}{middle}{parts[3]}</svg>\n" for middle in parts[2]])


def put_together(frames):
    return [frames.prefix + middle + frames.suffix for middle in frames.middles]


@given(TEXTS)
def test_pictures_come_back_to_the_letter(texts):
    assert put_together(share(texts)) == texts


@given(TEXTS)
def test_nothing_in_common_is_left_in_the_middles(texts):
    frames = share(texts)
    for end in (0, -1):
        letters = {middle[end] if middle else None for middle in frames.middles}
        assert letters == {None} if len(set(texts)) == 1 else len(letters) > 1 or None in letters


@given(PICTURES)
@example([f"<svg><![CDATA[<{letter}>]]></svg>" for letter in "ab"])
def test_svg_comes_back_to_the_letter_and_middles_are_whole_elements(pictures):
    frames = share_elements(pictures)
    assert put_together(frames) == pictures
    for middle in frames.middles:
        ElementTree.fromstring(f"<g>{middle}</g>")
    # Whole elements, too, where they stand: they can be put beside one another.
    ElementTree.fromstring(frames.prefix + "".join(f"<g>{middle}</g>" for middle in frames.middles) + frames.suffix)


def test_common_elements_are_kept_once():
    frames = share_elements([f"<svg><rect/><a x='{i}'/><rect/></svg>" for i in range(3)])
    assert frames == ("<svg><rect/>", ("<a x='0'/>", "<a x='1'/>", "<a x='2'/>"), "<rect/></svg>")


@pytest.mark.parametrize(
    ("pictures", "message"),
    [
        ([], "There are no pictures"),
        (["<svg><a></svg>"], "stage 0 is not well-formed SVG, mismatched tag: line 1, column 10; mend"),
        (["<svg/>", "no"], "stage 1 is not well-formed SVG"),
        (["<html/>"], "stage 0 is an element 'html'; an svg element is expected"),
        (["<svg width='1'><a/></svg>", "<svg width='2'><a/></svg>"], "outermost svg elements of the pictures differ"),
        (["<svg><a/></svg>", "<svg><a/></svg >"], "closing tags of the pictures differ"),
    ],
)
def test_mistakes_are_one_sentence(pictures, message):
    with pytest.raises(st.InputError, match=message):
        share_elements(pictures)
