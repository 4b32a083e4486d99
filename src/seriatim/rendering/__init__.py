"""Pictures: a state on a grid as SVG or text, an episode as a page or as an animated picture."""

from seriatim.rendering._grid_svg import grid_svg
from seriatim.rendering._grid_text import grid_text
from seriatim.rendering._marks import Mark
from seriatim.rendering._save import save_episode

__all__ = ["Mark", "grid_svg", "grid_text", "save_episode"]
