"""Draw the pictures of docs/architecture.md from the code: which folder imports which; the way of a joint control.

`make pictures` draws them with all others; `python docs/architecture_pictures.py` draws these two, in a few seconds.
"""

import ast
import sys
from pathlib import Path
from types import CodeType, GeneratorType
from typing import Any, NamedTuple
from unittest import mock

import jax
import jax.numpy as jnp
import svg

import seriatim as st
from seriatim import _mapping
from seriatim.model import Key, State
from seriatim.simulation import _q_samples

IMAGES = Path(__file__).parent / "images"
PACKAGE = Path(st.__file__).parent

# Where folders stand from left to right; rows follow from the imports. A new folder needs a place here.
PLACES = {
    "gradients": 0.1,
    "networks": 0.95,
    "distributions": 1.2,
    "parallel": 2.1,
    "planning": 2.25,
    "training": 2.5,
    "lanes": 3.0,
    "simulation": 3.0,
    "evaluation": 3.05,
    "testing": 3.72,
    "rendering": 4.1,
    "exact": 4.1,
    "beliefs": 4.55,
    "problems": 4.8,
    "formats": 5.2,
}
UNIT, ROW, WIDE, HIGH, MARGIN = 150, 84, 100, 34, 24
INK, LINE = "#30363d", "#8b949e"
FILLS = {"planning": "#dbe9f6", "simulation": "#fbe6d4", "lanes": "#d9f0e8", "your model": "#ffffff"}
OTHER = "#f0f2f4"
FONT = "system-ui, sans-serif"


def architecture() -> None:
    """Draw both pictures."""
    for name, picture in (("architecture", folders()), ("one-joint-control", way(followed()))):
        path = IMAGES / f"{name}.svg"
        path.write_text(picture)
        print(f"{path.name}: {path.stat().st_size:,} bytes")


# Which folder imports which.


def imports() -> dict[str, set[str]]:
    """Return, for each folder, the folders that its files import; `core` are the files beside the folders."""
    files = {path.stem for path in PACKAGE.glob("*.py")}

    def part(name: str) -> str:
        return "core" if name in files else name

    found: dict[str, set[str]] = {}
    for path in PACKAGE.rglob("*.py"):
        here = part(path.relative_to(PACKAGE).parts[0].removesuffix(".py"))
        targets = {part(name) for name in _imported(path)} - {here}
        found.setdefault(here, set()).update(targets)
    return found


def _imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "seriatim":
            inner = (node.module or "").split(".")[1:]
            names |= {inner[0]} if inner else {each.name for each in node.names if (PACKAGE / each.name).is_dir()}
    return names


def reduced(arrows: dict[str, set[str]]) -> dict[str, set[str]]:
    """Leave out arrows that say what a chain of others says."""

    def reach(name: str) -> set[str]:
        return set().union(*({each} | reach(each) for each in arrows[name]))

    return {
        name: {each for each in to if not any(each in reach(other) for other in to - {each})}
        for name, to in arrows.items()
    }


def folders() -> str:
    """Draw the folders, each above all that it imports."""
    arrows = imports()
    del arrows["core"], arrows["cli"]  # below all others, and above

    def row(name: str) -> int:
        return 0 if name == "core" else 1 + max(row(each) for each in arrows[name])

    top = 1 + max(row(name) for name in arrows)
    width = round((max(PLACES.values()) + 0.1) * UNIT) + WIDE + 2 * MARGIN

    def centre(name: str) -> tuple[float, float]:
        return MARGIN + WIDE / 2 + PLACES[name] * UNIT, MARGIN + HIGH / 2 + (top - row(name)) * ROW

    parts: list[svg.Element] = []
    for name, targets in sorted(reduced({**arrows, "core": set()}).items()):
        for target in sorted(targets):
            (x, y), (x2, y2) = centre(name), (0.0, 0.0) if target == "core" else centre(target)
            end = (x, MARGIN + top * ROW) if target == "core" else (x2, y2 - HIGH / 2)
            parts += arrow((x, y + HIGH / 2), end)
    parts += [box(*centre(name), WIDE, [name], FILLS.get(name, OTHER)) for name in sorted(arrows)]
    core = sorted(path.stem for path in PACKAGE.glob("*.py") if not path.stem.startswith("__"))
    inside, middle = width - 2 * MARGIN, width / 2
    half = len(core) // 2
    lines = ["core: every folder may import these files", ", ".join(core[:half]), ", ".join(core[half:])]
    parts.append(box(middle, MARGIN + top * ROW + 30, inside, lines, OTHER))
    parts.append(box(middle, MARGIN + HIGH / 2, inside, ["cli: uses all below by the public names, as you do"], OTHER))
    return drawn(parts, width, MARGIN * 2 + top * ROW + 60)


# The way of one joint control.


class Step(NamedTuple):
    """A function on the way: its file and name, and whether it waits for an answer while others work."""

    file: str
    name: str
    waits: bool = False


@st.record
class Watched:
    """A small team whose `transition` notes which functions have called it."""

    num_agents: int = st.static(default=2)
    num_controls: int = st.static(default=3)
    discount: float = 0.9

    def initial_state(self, key: Key) -> State:
        """Start at zero."""
        del key
        return jnp.zeros(2)

    def control_mask(self, state: State) -> jax.Array:
        """Let every agent do everything."""
        del state
        return jnp.ones((2, 3), bool)

    def sample_disturbance(self, key: Key) -> jax.Array:
        """Draw a number."""
        return jax.random.uniform(key)

    def transition(self, state: State, control: jax.Array, disturbance: jax.Array) -> st.Transition:
        """Play a stage, and note who asked for it."""
        NOTED.append(callers())
        return st.Transition(0.5 * state + control, jnp.sum(state) + disturbance, False)


NOTED: list[list[Step]] = []


def idle(state: State, key: Key) -> jax.Array:
    """Choose the first control for every agent."""
    del state, key
    return jnp.zeros(2, int)


def followed() -> list[Step]:
    """Return the functions between `planner.decide` and the stage of a simulation, in their order.

    The decision is made once, in turns, and never compiled: its program is written, which calls every function. What
    `two_ways` would write later, when the program is lowered, is written at once, or the stack would begin anew there.
    """
    model = Watched()
    planner = st.OneAtATimeRollout(model, idle, st.Simulation(num_samples=4, horizon=3), schedule=st.InTurn())
    NOTED.clear()
    state = model.initial_state(jax.random.key(0))
    with mock.patch.object(_mapping, "two_ways", at_once), mock.patch.object(_q_samples, "two_ways", at_once):
        jax.make_jaxpr(planner.decide)(state, jax.random.key(0))
    return [*max(NOTED, key=len), Step("your model", "transition")]


def at_once(alone: Any, mapped: Any, arrays: Any, like: Any) -> Any:
    """Take the way for one state, as `two_ways` does."""
    del mapped, like
    return alone(arrays)


def callers() -> list[Step]:
    """Return the library's functions on the stack, the first one first; generators that wait among them."""
    steps: list[Step] = []
    frame = sys._getframe(2)
    while frame is not None:
        steps += _step(frame.f_code)
        if frame.f_code.co_name == "answered":
            steps += [each._replace(waits=True) for each in reversed(_waiting(frame.f_locals["asking"]))]
        frame = frame.f_back  # type: ignore[assignment]
    return [step for step, before in zip(steps, [None, *steps], strict=False) if step != before][::-1]


def _waiting(asking: object) -> list[Step]:
    """Return a generator that asks, and those that ask on its behalf."""
    found = []
    while isinstance(asking, GeneratorType):
        found += _step(asking.gi_code)
        asking = asking.gi_yieldfrom
    return found


def _step(code: CodeType) -> list[Step]:
    """Name a function of the library, or the one it is written in; nothing of others."""
    path = Path(code.co_filename)
    if PACKAGE not in path.parents:
        return []
    return [Step(path.relative_to(PACKAGE).as_posix(), code.co_qualname.split(".<locals>")[0])]


def way(steps: list[Step]) -> str:
    """Draw the way: a box for each file, as it is entered, in the column of its folder, or of the one before."""
    groups: list[list[Step]] = []
    for step in steps:
        if groups and groups[-1][0][::2] == step[::2]:
            groups[-1].append(step)
        else:
            groups.append([step])
    columns = {"planning": 0, "simulation": 1, "lanes": 2, "your model": 2}
    wide, gap, line = 250, 40, 17
    parts: list[svg.Element] = []
    width, y, before, column = 2 * MARGIN + 3 * wide + 2 * gap, float(MARGIN), None, 0
    entered: dict[str, tuple[float, float]] = {}
    for group in groups:
        folder = group[0].file.split("/")[0]
        column = columns.get(folder, column)
        x = MARGIN + wide / 2 + column * (wide + gap)
        lines = (
            [group[0].file, *(step.name for step in group)] if folder != "your model" else ["transition, your model"]
        )
        high = 12 + line * len(lines)
        if before is not None:
            parts += arrow(before, (x, y) if before[0] == x else (x - wide / 2, y + high / 2), level=before[0] != x)
        parts.append(box(x, y + high / 2, wide, lines, FILLS.get(folder, OTHER), dashed=group[0].waits))
        entered[group[0].file] = (x, y + high / 2)
        before, y = (x, y + high), y + high + 18
    parts = [*_handed_over(entered, wide), *parts]
    return drawn(parts, width, round(y) - 18 + MARGIN)


def _handed_over(entered: dict[str, tuple[float, float]], wide: float) -> list[svg.Element]:
    """Write what passes between the search and the engine: questions go down, answers come back."""
    (x, y), (x2, y2) = entered["planning/_search.py"], entered["simulation/_engine.py"]
    side = x + wide / 2
    return [
        svg.Line(x1=x2, y1=y2 - 30, x2=x2, y2=y, stroke=LINE),
        *arrow((x2, y), (side, y)),
        text(side + 14, y - 7, "Costs [n, samples]", anchor="start"),
        text(x + 8, y2 - 7, "Ask, controls [n, m]", anchor="start"),
    ]


# Drawing.


def box(x: float, y: float, wide: float, lines: list[str], fill: str, *, dashed: bool = False) -> svg.G:
    """Draw lines of text in a box around a centre."""
    high = max(HIGH, 12 + 17 * len(lines))
    frame = svg.Rect(x=x - wide / 2, y=y - high / 2, width=wide, height=high, rx=5, fill=fill, stroke=LINE)
    if dashed:
        frame.stroke_dasharray = [4, 3]
    first = y - 17 * (len(lines) - 1) / 2 + 5
    words = [text(x, first + 17 * i, each, bold=i == 0 and len(lines) > 1) for i, each in enumerate(lines)]
    return svg.G(elements=[frame, *words])


def text(x: float, y: float, words: str, *, anchor: str = "middle", bold: bool = False) -> svg.Text:
    """Write a line of text."""
    return svg.Text(
        x=round(x, 1),
        y=round(y, 1),
        text=words,
        text_anchor=anchor,  # type: ignore[arg-type]
        font_family=FONT,
        font_size=13,
        font_weight="600" if bold else "400",
        fill=INK,
    )


def arrow(start: tuple[float, float], end: tuple[float, float], *, level: bool = False) -> list[svg.Element]:
    """Draw a line with a head; `level` goes down first and arrives from the side."""
    (x, y), (x2, y2) = start, end
    places = [(x, y), (x, y2), (x2, y2)] if level else [(x, y), (x2, y2)]
    (a, b), (x2, y2) = places[-2:]
    length = max(1.0, ((x2 - a) ** 2 + (y2 - b) ** 2) ** 0.5)
    ux, uy = (x2 - a) / length, (y2 - b) / length
    head = [(x2, y2), (x2 - 8 * ux + 4 * uy, y2 - 8 * uy - 4 * ux), (x2 - 8 * ux - 4 * uy, y2 - 8 * uy + 4 * ux)]

    def flat(points: list[tuple[float, float]]) -> list[float]:
        return [round(number, 1) for point in points for number in point]

    return [
        svg.Polyline(points=flat(places), fill="none", stroke=LINE),  # type: ignore[arg-type]
        svg.Polygon(points=flat(head), fill=LINE),  # type: ignore[arg-type]
    ]


def drawn(parts: list[svg.Element], width: int, height: int) -> str:
    """Put a picture together."""
    paper = svg.Rect(width=width, height=height, fill="#ffffff")
    view = svg.ViewBoxSpec(0, 0, width, height)
    return f"{svg.SVG(viewBox=view, width=width, height=height, elements=[paper, *parts])}\n"


if __name__ == "__main__":
    architecture()
