"""Nothing that a drawing brings along runs or loads anything in a file that was saved."""

import base64
import contextlib
import hashlib
import json
import re
import shutil
import subprocess
import warnings
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as some

import seriatim as st
from seriatim.rendering import Mark, grid_svg
from seriatim.rendering._animated_svg import animated_svg
from seriatim.rendering._safe_svg import LeftOut, safe_frames
from seriatim.rendering._save import episode_html

NAMES = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="0 0 9 9"'
SVG = "{http://www.w3.org/2000/svg}"
ALERT = "document.title='hacked'"


def drawing(inside):
    return f'<svg {NAMES}><rect width="9" height="9" fill="#fff"/>{inside}<circle r="3"/></svg>'


# What a drawing has beside its shapes, and a name of what is left out.
ATTACKS = [
    (f"<script>{ALERT}</script>", "<script>"),
    (f"<g><g><script type='text/javascript'><![CDATA[{ALERT}]]></script></g></g>", "<script>"),
    ("<script href='data:text/javascript,alert(1)'/>", "<script>"),
    (f'<path d="M0 0" onload="{ALERT}"/>', "onload of <path>"),
    (f'<g onmouseover="{ALERT}"><path d="M0 0"/></g>', "onmouseover of <g>"),
    (f'<image href="x" onerror="{ALERT}"/>', "href of <image>, onerror of <image>"),
    (f'<a href="javascript:{ALERT}"><text>a</text></a>', "href of <a>"),
    (f'<a xlink:href="java&#x0A;script:{ALERT}"><text>a</text></a>', "href of <a>"),
    ('<a href="https://example.org"><text>a</text></a>', "href of <a>"),
    ('<use href="https://example.org/a.svg#b"/>', "href of <use>"),
    ('<use xlink:href="data:image/svg+xml;base64,AAAA#b"/>', "href of <use>"),
    ('<image xlink:href="https://example.org/a.png"/>', "href of <image>"),
    (f'<image href="data:image/svg+xml,&lt;svg onload={ALERT}&gt;"/>', "href of <image>"),
    (f'<foreignObject><b xmlns="http://www.w3.org/1999/xhtml" onload="{ALERT}"/></foreignObject>', "<foreignObject>"),
    (f"<b:script xmlns:b='http://www.w3.org/1999/xhtml'>{ALERT}</b:script>", "<script>"),
    (f"<s:script xmlns:s='http://www.w3.org/2000/svg'>{ALERT}</s:script>", "<script>"),
    ("<iframe src='https://example.org'/>", "<iframe>"),
    (f'<animate attributeName="href" values="javascript:{ALERT}"/>', "<animate>"),
    (f'<set attributeName="onmouseover" to="{ALERT}"/>', "<set>"),
    ("<style>@import 'https://example.org/a.css';</style>", "a style that loads something"),
    ("<style>circle { fill: url(https://example.org/a.svg#b) }</style>", "a style that loads something"),
    ("<style><![CDATA[circle { fill: url( 'https://example.org' ) }]]></style>", "a style that loads something"),
    (r"<style>circle { fill: u\72l(https://example.org) }</style>", "a style that loads something"),
    ("<style>g { background: image-set('https://example.org/a.png' 1x) }</style>", "a style that loads something"),
    ('<g style="background:URL(//example.org/a)"/>', "style of <g>"),
    ('<path fill="url(https://example.org/a.svg#b)" d="M0 0"/>', "fill of <path>"),
    ('<g xml:base="https://example.org"/>', "base of <g>"),
    ('<metadata><r:RDF xmlns:r="r"/></metadata>', "<metadata>"),
]
HARMLESS = [
    "<style>circle { fill: url(#paint); stroke: red } @media print { text { fill: black } }</style>",
    '<defs><linearGradient id="paint"><stop offset="0" stop-color="red"/></linearGradient></defs>',
    '<path style="fill:url(&quot;#paint&quot;)" clip-path="url( \'#c\' )" d="M0 0"/><use xlink:href="#c"/>',
    '<image href="data:image/png;base64,iVBORw0KGgo=" width="1" height="1"/><!-- a comment -->',
    "<text xml:space='preserve' font-family='a, &quot;b&quot;'>  a &lt; b &amp;&amp; c  </text>",
    '<title>é</title><g aria-label="C:\\a" data-x="url(1)" transform="scale(2)"/>',
    "<text><![CDATA[<script>]]></text>",
]


def forbidden(text):
    """What runs or loads in a document, by a parser of its own."""
    found = []
    for element in ElementTree.fromstring(text).iter():
        name = element.tag.replace(SVG, "")
        if name in ("script", "foreignObject", "iframe", "animate", "set", "body") or "{" in name:
            found.append(name)
        if name == "style" and re.search(r"import|//|\\|image-set", element.text or ""):
            found.append(name)
        found += [key for key, value in element.attrib.items() if key.startswith("on") or "base" in key]
        found += [key for key, value in element.attrib.items() if re.search(r"//|script:|svg\+xml", value)]
    return found


@pytest.mark.parametrize(("inside", "name"), ATTACKS)
def test_what_runs_or_loads_is_left_out_and_said(inside, name):
    assert forbidden(drawing(inside))
    with pytest.warns(LeftOut, match=re.escape(name)):
        (safe,) = safe_frames([drawing(inside)])
    assert not forbidden(safe)
    shapes = [element.tag for element in ElementTree.fromstring(safe)]
    assert (shapes[0], shapes[-1]) == (f"{SVG}rect", f"{SVG}circle")


@pytest.mark.parametrize("inside", [*HARMLESS, "".join(HARMLESS)])
def test_what_is_harmless_is_kept_to_the_letter(inside):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert safe_frames([drawing(inside)]) == [drawing(inside)]


@pytest.mark.parametrize("inside", HARMLESS)
def test_what_is_kept_beside_something_else_says_the_same(inside):
    with pytest.warns(LeftOut):
        (safe,) = safe_frames([drawing(f"<script/>{inside}")])
    one, other = (ElementTree.fromstring(text) for text in (safe, drawing(inside)))
    for mine, whole in zip(one.iter(), other.iter(), strict=True):
        assert (mine.tag, mine.text, mine.tail) == (whole.tag, whole.text, whole.tail)
        assert mine.attrib == {key.replace("{http://www.w3.org/1999/xlink}", ""): v for key, v in whole.attrib.items()}


WORDS = some.sampled_from(
    [
        *(
            "<g>",
            "</g>",
            "<script>",
            "</script>",
            "<style>",
            "</style>",
            "<text>",
            "</text>",
            "<!--",
            "-->",
            "<![CDATA[",
        ),
        *(
            "]]>",
            "url(//a)",
            "url(#a)",
            "@import 'a'",
            "\\",
            '<g onload="a"/>',
            '<a href="javascript:a"/>',
            "&lt;script>",
        ),
        *("é", " "),
    ]
)


@given(some.lists(WORDS, max_size=12).map("".join))
def test_however_they_are_mixed(inside):
    """A drawing is refused, or nothing in it runs or loads."""
    with warnings.catch_warnings(), contextlib.suppress(st.InputError):
        warnings.simplefilter("ignore")
        (safe,) = safe_frames([drawing(inside)])
        assert not forbidden(safe)
        assert safe_frames([safe]) == [safe]


@pytest.mark.parametrize(
    ("picture", "said"),
    [
        ('<!DOCTYPE svg [<!ENTITY a "b">]><svg>&a;</svg>', "declares entities or the like in its DOCTYPE"),
        ('<!DOCTYPE svg SYSTEM "a.dtd"><svg>&a;</svg>', "has &a;, which nothing declares; write the character"),
        ("<svg>&nbsp;</svg>", "is not well-formed SVG, undefined entity"),
        ("<svg><g></svg>", "is not well-formed SVG, mismatched tag"),
        ("<svg><text>\x00</text></svg>", "is not well-formed SVG"),
        ("<svg><text>\ud83d</text></svg>", "half of a surrogate pair"),
        ("<html/>", "is an element 'html'; an svg element is expected"),
        ("<svg xmlns='http://www.w3.org/1999/xhtml'/>", "is an element 'svg'; an svg element is expected"),
    ],
)
def test_what_is_no_drawing_is_refused(picture, said):
    with pytest.raises(st.InputError) as caught:
        safe_frames(["<svg/>", picture])
    assert "The picture of stage 1 " in str(caught.value)
    assert said in str(caught.value)


def test_a_drawing_is_named_svg_and_what_stands_around_it_is_left_out():
    named = f'<svg xmlns="{SVG[1:-1]}" width="1"><g/></svg>'
    assert safe_frames(['<svg width="1"><g/></svg>', "<!-- <svg> --><svg><g/></svg>\n"]) == [
        named,
        f'<!-- <svg> --><svg xmlns="{SVG[1:-1]}"><g/></svg>',
    ]
    around = '<?xml version="1.0"?>\n<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "a.dtd"><?xml-stylesheet href="a"?>'
    assert safe_frames([around + named]) == [named.replace("<g/>", "<g></g>")]


def test_many_things_that_are_left_out_are_one_warning():
    with pytest.warns(LeftOut, match=r"<a0>, <a1>, <a2>, <a3>, <a4> and 3 more: left out") as caught:
        safe_frames([drawing("".join(f"<a{i}/>" for i in range(8))), drawing("<a0/>")])
    assert len(caught) == 1


def test_pictures_of_the_library_are_kept_to_the_letter():
    picture = grid_svg(3, 3, [Mark(0, 1, "agent", "a<b"), Mark(2, 2, "target")])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert safe_frames([picture]) == [picture]


@pytest.mark.parametrize("make", [lambda frames: episode_html(frames, ["a", "b"], "t"), animated_svg])
def test_both_kinds_of_files_are_made_of_safe_drawings(make):
    frames = [drawing(f"<script>{ALERT}</script>"), drawing(f'<g onload="{ALERT}"/>')]
    with pytest.warns(LeftOut, match=re.escape("<script>, onload of <g>: left out")):
        assert ALERT not in make(frames)


def test_the_page_lets_its_own_script_run_alone():
    page = episode_html([drawing("")], ["start"], "Title")
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)[1]
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    (script,) = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert rules["script-src"] == f"'sha256-{digest}'"
    assert rules["default-src"] == rules["base-uri"] == rules["form-action"] == "'none'"
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", script)
    assert not re.findall(r"\son\w+=", re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL))


BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def browsed(page, folder, steps):
    """What a browser shows after the page has loaded and `steps` were taken, as text of its document."""
    # The steps are a script of the test's: the policy is told to let it run.
    script = f"<script>{steps}</script>"
    digest = base64.b64encode(hashlib.sha256(steps.encode()).digest()).decode()
    page = page.replace("script-src ", f"script-src 'sha256-{digest}' ").replace("</body>", f"{script}</body>")
    (folder / "page.html").write_text(page, encoding="utf-8")
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=4000"]
    command = [BROWSER, *flags, f"--user-data-dir={folder}/user", "--dump-dom", f"file://{folder}/page.html"]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout


STEPS = """
const seen = [], id = (name) => document.getElementById(name);
const note = () => seen.push(id("count").textContent + id("picture").querySelector("#letter").textContent);
id("stage").value = 0; id("stage").dispatchEvent(new Event("input")); note();
id("step").click(); note();
id("back").click(); note();
document.dispatchEvent(new KeyboardEvent("keydown", {key: "End"})); note();
id("play").click(); const label = id("play").getAttribute("aria-label"); note();
id("play").click(); seen.push(label + id("play").getAttribute("aria-label"));
id("play").click();
setTimeout(() => { note(); seen.push(document.title); document.body.dataset.seen = JSON.stringify(seen); }, 2500);
"""


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="there is no chromium on this machine")
def test_in_a_browser_the_page_plays_and_nothing_of_a_drawing_runs(tmp_path, monkeypatch):
    attack = "".join(inside for inside, _ in ATTACKS)
    frames = [drawing(f'{attack}<text id="letter" onclick="{ALERT}">{letter}</text>') for letter in "abc"]
    with pytest.warns(LeftOut):
        safe = episode_html(frames, ["1", "2", "3"], "Title")
    # The policy and the way of insertion hold by themselves, should something slip through the list.
    monkeypatch.setattr("seriatim.rendering._save.safe_frames", lambda frames: frames)
    for name, page in (("safe", safe), ("unsafe", episode_html(frames, ["1", "2", "3"], "Title"))):
        (tmp_path / name).mkdir()
        document = browsed(page, tmp_path / name, STEPS)
        seen = json.loads(re.search(r'data-seen="([^"]*)"', document)[1].replace("&quot;", '"'))
        assert seen == ["0 / 2a", "1 / 2b", "0 / 2a", "2 / 2c", "0 / 2a", "PausePlay", "2 / 2c", "Title"], name
