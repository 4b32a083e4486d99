"""The palette of all pictures: colours that people of any colour vision can tell apart.

Agents and targets differ in shape too, so that pictures can be read in a black-and-white print.

Source: M. Okabe and K. Ito, Color Universal Design, 2008: blue and vermilion.
"""

FONT = "system-ui, -apple-system, Segoe UI, Roboto, Helvetica, Arial, sans-serif"
PAPER = "#ffffff"
INK = "#30363d"
LINE = "#e4e7eb"
BORDER = "#b9c0c8"
WALL = "#78828e"
AGENT = "#0072b2"
TARGET = "#d55e00"
GONE = "#6f7882"

# The levels of a site, from well to worst. Lightness falls at each step, so that the order shows without colour.
_LEVELS = ((255, 244, 205), (243, 178, 84), (172, 74, 20), (92, 26, 8))


def level_colour(level: float | int) -> str:
    """Return the colour of a site of a level from 0 to 1."""
    place = level * (len(_LEVELS) - 1)
    low = min(int(place), len(_LEVELS) - 2)
    part = place - low
    channels = (round(a + part * (b - a)) for a, b in zip(_LEVELS[low], _LEVELS[low + 1], strict=True))
    return "#" + "".join(f"{channel:02x}" for channel in channels)


def ink_on(level: float | int) -> str:
    """Return a colour in which a label is legible on a site of that level."""
    return INK if level < 0.5 else PAPER
