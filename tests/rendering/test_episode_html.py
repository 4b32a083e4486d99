"""The page of an episode: one file, everything in it, nothing that can break out of its place."""

import json
import re
from html import escape
from html.parser import HTMLParser

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

import seriatim as st
from seriatim.rendering import Mark, grid_svg
from seriatim.rendering._save import episode_html

NAMESPACE = "http://www.w3.org/2000/svg"
NASTY = some.text(alphabet="<>/!-&$\"'\\é\u2028", max_size=12) | some.sampled_from(
    ["</script>", "<!--<script>", "${data}", "$title", "</SCRIPT >", "\\u003c"]
)


class Page(HTMLParser):
    """What a browser would see: the text of each element, and all attributes."""

    def __init__(self, page):
        super().__init__(convert_charrefs=True)
        self.texts, self.attributes, self.open = [], [], []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.attributes += [(tag, *attr) for attr in attrs]
        self.open = [tag, dict(attrs).get("id")]
        self.texts.append([*self.open, ""])

    def handle_data(self, data):
        if self.texts:
            self.texts[-1][2] += data

    def handle_endtag(self, tag):
        self.texts.append([None, None, ""])

    def text(self, tag, id=None):
        return [text for kind, name, text in self.texts if kind == tag and name == id]


def episode(page):
    (data,) = Page(page).text("script", "episode")
    return json.loads(data)


@given(some.lists(some.tuples(NASTY, NASTY), min_size=1, max_size=4), NASTY)
def test_frames_captions_and_title_come_back_to_the_letter(stages, title):
    texts, captions = map(list, zip(*stages, strict=True))
    frames = [f'<svg xmlns="{NAMESPACE}"><text>{escape(text)}</text></svg>' for text in texts]
    page = episode_html(frames, captions, title)
    data = episode(page)
    assert [data["prefix"] + middle + data["suffix"] for middle in data["middles"]] == frames
    assert data["captions"] == captions
    assert Page(page).text("title") == Page(page).text("h1") == [title]
    assert len(Page(page).text("script", "episode")) == len(Page(page).text("script")) == 1
    # Neither the end of a script nor the start of a comment, after which browsers read scripts otherwise.
    assert not re.search("</|<!--", Page(page).text("script", "episode")[0])


def test_nothing_is_loaded_from_anywhere():
    page = episode_html([grid_svg(2, 2, [])], ["start"], "Nothing")
    assert set(re.findall(r"https?://[^\"'\s\\]+", page)) == {NAMESPACE}
    assert not [attribute for attribute in Page(page).attributes if attribute[1] in ("src", "href", "srcset", "data")]
    assert "@import" not in page
    assert "url(" not in page
    assert ("meta", "http-equiv", "Content-Security-Policy") in Page(page).attributes


def test_everything_that_can_be_operated_has_a_name():
    page = Page(episode_html(["<svg/>"], ["start"], "Names"))
    operated = [tag for tag, name, value in page.attributes if name == "id" and tag in ("button", "input", "select")]
    named = [tag for tag, name, value in page.attributes if name == "aria-label" and value and tag != "div"]
    assert operated == named == ["button", "button", "button", "input", "select"]


def test_200_stages_on_a_large_map_stay_small():
    random = np.random.default_rng(0)
    walls = random.random((64, 64)) < 0.1
    kinds = ["target"] * 10 + ["gone"] * 5 + ["agent"] * 15
    frames = [
        grid_svg(64, 64, [Mark(r, c, kind) for (r, c), kind in zip(cells, kinds, strict=True)], walls=walls)
        for cells in random.integers(0, 64, (200, 30, 2)).tolist()
    ]
    # Every mark at a new place at every stage: more than any episode needs.
    assert len(episode_html(frames, [f"stage {t}" for t in range(200)], "Large").encode()) < 500_000


def test_mistakes_are_one_sentence():
    with pytest.raises(st.InputError, match="1 captions for 2 frames; give one for each"):
        episode_html(["<svg/>", "<svg/>"], ["start"], "")
    with pytest.raises(st.InputError, match="There are no pictures; an episode needs at least"):
        episode_html([], [], "")
