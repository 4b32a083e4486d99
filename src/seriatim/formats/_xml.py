"""A reader of XML from unknown sources: it takes only the text of the file itself, and keeps the line of every element.

Entities can make a small file grow to any size, or name another file. So a file that declares any is refused.
"""

import dataclasses
import math
from pathlib import Path
from typing import Any
from xml.parsers import expat

from seriatim._errors import InputError
from seriatim._files import read_bytes
from seriatim.formats._lines import LARGEST_TABLE, quoted, require_time

# The deepest nesting of elements; files of problems have six levels.
MAX_DEPTH = 1000
# Characters of a text that the parser hands over together.
TEXT_AT_ONCE = 2**20


@dataclasses.dataclass(slots=True)
class Element:
    """An element: its tag, attributes and first line, and its child elements or, without any, its text."""

    tag: str
    attributes: dict[str, str]
    line: int
    children: list["Element"]
    text: str

    def words(self) -> list[str]:
        """Return the words of the text."""
        return self.text.split()


class Document:
    """A file and its outermost element."""

    def __init__(self, path: str | Path, what: str, root: str, latest: float = math.inf) -> None:
        """Read a file whose outermost element is called `root`; all further reading must be done at the time `latest`.

        Raises:
            InputError: the file cannot be read, is no XML, declares an entity, is another document, or the time is
                over.
        """
        self.path, self.latest, self.lines = path, latest, 0
        self._open: list[Element] = []
        self._texts: list[list[str]] = []
        self.root = Element("", {}, 1, [], "")
        self._parse(read_bytes(path, f"give the path of a file with {what}", limit=LARGEST_TABLE))
        if self.root.tag != root:
            raise self.mistake(self.root.line, f"the document is <{self.root.tag[:40]}>; <{root}> is expected.")

    def mistake(self, line: int, sentence: str) -> InputError:
        """Return the error to raise for a mistake on a line."""
        return InputError(f"{self.path}, line {line}: {sentence}")

    def require_time(self, line: int) -> None:
        """Refuse to read on from a line if the time is over."""
        require_time(self.path, self.latest, line, self.lines)

    def _parse(self, content: bytes) -> None:
        self.lines = content.rstrip().count(b"\n") + 1
        parser = expat.ParserCreate()
        parser.buffer_text, parser.buffer_size = True, TEXT_AT_ONCE
        parser.StartElementHandler = lambda tag, attributes: self._begin(tag, attributes, parser.CurrentLineNumber)
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._add
        parser.EntityDeclHandler = lambda *_: self._refuse_entity(parser.CurrentLineNumber)
        try:
            parser.Parse(content, True)
        except (expat.ExpatError, LookupError, ValueError) as error:
            # A mistake that a handler found is a ValueError too, and has its sentence already.
            if isinstance(error, InputError):
                raise
            line = getattr(error, "lineno", 1)
            reason = str(error).partition(":")[0]
            raise self.mistake(line, f"the file is no well-formed XML ({reason}); correct it.") from None

    def _begin(self, tag: str, attributes: dict[str, str], line: int) -> None:
        self.require_time(line)
        if len(self._open) == MAX_DEPTH:
            raise self.mistake(
                line, f"<{tag[:40]}> stands inside {MAX_DEPTH} others; write the elements of the format."
            )
        # An element with children has no text of its own: text between elements is only layout.
        if self._texts:
            self._texts[-1].clear()
        self._open.append(Element(tag, attributes, line, [], ""))
        self._texts.append([])

    def _end(self, _: str) -> None:
        done = self._open.pop()
        done.text = "".join(self._texts.pop())
        if self._open:
            self._open[-1].children.append(done)
        else:
            self.root = done

    def _add(self, text: str) -> None:
        self._texts[-1].append(text)

    def _refuse_entity(self, line: int) -> Any:
        raise self.mistake(line, "an entity is declared; write what it stands for in its place.")

    def only(self, parent: Element, tag: str) -> Element:
        """Return the one child with this tag.

        Raises:
            InputError: there is none, or several.
        """
        found = self.all(parent, tag)
        if len(found) != 1:
            line = found[1].line if found else parent.line
            raise self.mistake(line, f"<{parent.tag}> has {len(found)} elements <{tag}>; write one.")
        return found[0]

    def all(self, parent: Element, tag: str) -> list[Element]:
        """Return the children with this tag."""
        return [child for child in parent.children if child.tag == tag]

    def refuse_others(self, parent: Element, *tags: str) -> None:
        """Refuse children with other tags, which would otherwise be ignored silently.

        Raises:
            InputError: there is such a child.
        """
        for child in parent.children:
            if child.tag not in tags:
                known = ", ".join(f"<{tag}>" for tag in tags)
                raise self.mistake(child.line, f"{quoted(child.tag)} is no element of <{parent.tag}>; write {known}.")
