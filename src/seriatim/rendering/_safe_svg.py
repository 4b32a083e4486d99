"""Safe drawings: a file with them runs no code and loads nothing in the program that opens it.

A model's `draw` may show text from anywhere, and a page with an episode is sent to others. So a drawing is parsed, and
only elements and attributes of two lists are kept. Links must lead to places in the drawing, pictures inside it must be
data, and styles must not refer to other files. A drawing that satisfies all this is kept unchanged.

Left out are scripts, foreign objects, animations (which can change a link), events (`on...`), and metadata. Names are
those of SVG 2 and of its presentation attributes; letter case counts.

Sources of the dangers to think of: the HTML5 Security Cheatsheet (html5sec.org); SVG 2, chapters 2.4 and 5.
"""

import re
import warnings
from collections.abc import Sequence
from html import escape
from typing import Any
from xml.parsers import expat

from seriatim._errors import InputError

_ELEMENTS = """
    svg g defs symbol use switch a title desc style view
    path rect circle ellipse line polyline polygon image
    text tspan textPath
    linearGradient radialGradient stop pattern clipPath mask marker
    filter feBlend feColorMatrix feComponentTransfer feComposite feConvolveMatrix feDiffuseLighting feDisplacementMap
    feDistantLight feDropShadow feFlood feFuncA feFuncB feFuncG feFuncR feGaussianBlur feMerge feMergeNode feMorphology
    feOffset fePointLight feSpecularLighting feSpotLight feTile feTurbulence
"""
_ATTRIBUTES = """
    id class style lang tabindex role xml:space xml:lang href version baseProfile
    x y x1 y1 x2 y2 cx cy r rx ry fx fy fr d dx dy width height points pathLength viewBox preserveAspectRatio transform
    transform-origin transform-box gradientUnits gradientTransform spreadMethod offset patternUnits patternContentUnits
    patternTransform clipPathUnits maskUnits maskContentUnits markerUnits markerWidth markerHeight refX refY orient
    rotate textLength lengthAdjust startOffset method spacing side media type
    filterUnits primitiveUnits in in2 result mode values operator k1 k2 k3 k4 order kernelMatrix divisor bias targetX
    targetY edgeMode kernelUnitLength preserveAlpha surfaceScale diffuseConstant specularConstant specularExponent scale
    xChannelSelector yChannelSelector stdDeviation azimuth elevation z pointsAtX pointsAtY pointsAtZ limitingConeAngle
    radius baseFrequency numOctaves seed stitchTiles tableValues slope intercept amplitude exponent
    alignment-baseline baseline-shift clip clip-path clip-rule color color-interpolation color-interpolation-filters
    color-rendering cursor direction display dominant-baseline enable-background fill fill-opacity fill-rule filter
    flood-color flood-opacity font font-family font-feature-settings font-kerning font-size font-size-adjust
    font-stretch font-style font-variant font-variant-numeric font-weight glyph-orientation-horizontal
    glyph-orientation-vertical image-rendering isolation kerning letter-spacing lighting-color line-height marker
    marker-end marker-mid marker-start mask mask-type mix-blend-mode opacity overflow paint-order pointer-events
    shape-rendering stop-color stop-opacity stroke stroke-dasharray stroke-dashoffset stroke-linecap stroke-linejoin
    stroke-miterlimit stroke-opacity stroke-width text-anchor text-decoration text-overflow text-rendering
    unicode-bidi vector-effect visibility white-space word-spacing writing-mode
"""
ELEMENTS, ATTRIBUTES = frozenset(_ELEMENTS.split()), frozenset(_ATTRIBUTES.split())


SVG, XLINK, XML = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink", "http://www.w3.org/XML/1998/namespace"
# Attributes of other namespaces, and the names under which they are written.
_FOREIGN = {f"{XLINK} href": "href", f"{XML} space": "xml:space", f"{XML} lang": "xml:lang"}
_PICTURE = re.compile(r"data:image/(png|jpeg|gif|webp);base64,[A-Za-z0-9+/=\s]*")
# Styles must not refer to other places. Backslashes are forbidden too, because they can hide words from this pattern.
_LOADING = re.compile(r"""url\((?!\s*["']?\#)|@import|image-set\(|src\(|expression\(|\\""", re.IGNORECASE)


class LeftOut(UserWarning):
    """Parts of a drawing were left out of the file, since they could run code or load something, or are unknown."""


def safe_frames(pictures: Sequence[str]) -> list[str]:
    """Return SVG pictures without the parts that are not known to be harmless, and warn of those.

    Warns:
        LeftOut: parts were left out.

    Raises:
        InputError: a picture is not well-formed SVG, or declares entities.
    """
    found = [_read(picture, t) for t, picture in enumerate(pictures)]
    left_out = dict.fromkeys(name for each in found for name in each.left_out)
    if left_out:
        some = ", ".join(list(left_out)[:5]) + (f" and {len(left_out) - 5} more" if len(left_out) > 5 else "")
        warnings.warn(
            f"the drawing has {some}: left out, since it could run code or load something, or is unknown; draw with "
            "shapes, text and styles.",
            LeftOut,
            stacklevel=3,
        )
    return [each.text for each in found]


def _read(picture: str, t: int) -> "_Drawing":
    content = _encoded(picture, t)
    drawing = _Drawing(content, t)
    if drawing.unnamed is None:
        return drawing
    # Without the namespace of SVG, browsers show nothing. It is added, and the picture is read again.
    after = drawing.unnamed + len("<svg")
    return _Drawing(content[:after] + f' xmlns="{SVG}"'.encode() + content[after:], t)


class _Drawing:
    """A drawing that was read.

    Attributes:
        text: the text that is kept.
        left_out: the names of the parts that are not kept.
        unnamed: where the root begins, if it does not have the namespace of SVG.
    """

    def __init__(self, content: bytes, t: int) -> None:
        self.t = t
        self.left_out: list[str] = []
        self.unnamed: int | None = None
        self._kept: list[str] = []
        self._depth = 0
        self._below: int | None = None  # depth of the element that is being left out, with its content
        self._style: int | None = None  # place in `_kept` where the content of a style element begins
        self._is_kept_to_the_letter = True
        self._parse(content)
        self.text = content.decode().strip() if self._is_kept_to_the_letter else "".join(self._kept)

    def _parse(self, content: bytes) -> None:
        # The parser writes names as "namespace name", with a space in between.
        parser = self._parser = expat.ParserCreate("utf-8", " ")
        parser.buffer_text = True
        parser.StartElementHandler, parser.EndElementHandler = self._start, self._end
        parser.CharacterDataHandler = self._data
        parser.StartDoctypeDeclHandler = self._doctype
        parser.XmlDeclHandler = parser.ProcessingInstructionHandler = self._outside
        parser.SkippedEntityHandler = self._entity
        try:
            parser.Parse(content, True)
        except expat.ExpatError as error:
            raise InputError(
                f"The picture of stage {self.t} is not well-formed SVG, {error}; mend what draws it."
            ) from None

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth == 1:
            self._root(name)
        if self._below is not None:
            return
        space, _, local = name.rpartition(" ")
        if local not in ELEMENTS or space not in (SVG, ""):
            self._below = self._depth
            self._leave_out(f"<{local}>")
            return
        kept = {"xmlns": SVG} if self._depth == 1 else {}
        kept |= dict(filter(None, (self._attribute(local, *each) for each in attributes.items())))
        self._kept.append(f"<{local}{''.join(f' {name}={_quoted(value)}' for name, value in kept.items())}>")
        if local == "style":
            self._style = len(self._kept)

    def _root(self, name: str) -> None:
        space, _, local = name.rpartition(" ")
        if local != "svg" or space not in (SVG, ""):
            raise InputError(f"The picture of stage {self.t} is an element {local!r}; an svg element is expected.")
        if not space:
            self.unnamed = self._parser.CurrentByteIndex

    def _attribute(self, element: str, name: str, value: str) -> tuple[str, str] | None:
        """Return the name and value under which an attribute is written, or None if it is left out."""
        written = _FOREIGN.get(name, name)
        is_text = written.startswith(("data-", "aria-"))
        is_harmless = _is_harmless_link(element, value) if written == "href" else not _LOADING.search(value)
        if is_text or (written in ATTRIBUTES and is_harmless):
            return written, value
        self._leave_out(f"{name.rpartition(' ')[2]} of <{element}>")
        return None

    def _end(self, name: str) -> None:
        depth, self._depth = self._depth, self._depth - 1
        if self._below is not None:
            self._below = None if self._below == depth else self._below
            return
        if self._style is not None:
            # The parser may hand over a style in pieces, so it can be judged only at its end.
            if _LOADING.search("".join(self._kept[self._style :])):
                del self._kept[self._style :]
                self._leave_out("a style that loads something")
            self._style = None
        self._kept.append(f"</{name.rpartition(' ')[2]}>")

    def _data(self, text: str) -> None:
        if self._below is None:
            self._kept.append(escape(text, quote=False))

    def _doctype(self, name: str, system: str | None, public: str | None, has_declarations: int) -> None:  # noqa: ARG002
        if has_declarations:
            raise InputError(
                f"The picture of stage {self.t} declares entities or the like in its DOCTYPE; draw without it."
            )
        self._is_kept_to_the_letter = False

    def _outside(self, *_: Any) -> None:
        """Leave out, without a warning, text that is no part of the picture, such as `<?xml ...?>`."""
        self._is_kept_to_the_letter = False

    def _entity(self, name: str, _: int) -> None:
        raise InputError(f"The picture of stage {self.t} has &{name};, which nothing declares; write the character.")

    def _leave_out(self, name: str) -> None:
        self.left_out.append(name)
        self._is_kept_to_the_letter = False


def _encoded(picture: str, t: int) -> bytes:
    try:
        return picture.encode()
    except UnicodeEncodeError as error:
        raise InputError(
            f"The picture of stage {t} has {picture[error.start]!r} at character {error.start}, half of a surrogate "
            "pair, which no file can hold; write the whole character."
        ) from None


def _is_harmless_link(element: str, value: str) -> bool:
    """Say whether a link leads to a place in the drawing, or is itself the data of a picture."""
    link = value.strip()
    return link.startswith("#") or (element == "image" and _PICTURE.fullmatch(link) is not None)


def _quoted(value: str) -> str:
    return f'"{escape(value)}"'.replace("\n", "&#10;").replace("\t", "&#9;").replace("\r", "&#13;")
