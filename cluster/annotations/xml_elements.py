"""XML of any size → its elements, one by one, in the memory of one of them.

Elements whose names are among `whole` come as a tree once they are closed; all others are announced when they open and
when they close. Files of users are hostile: a document type (DTD), which entities that expand or name other files need,
is refused, and so are deep nesting, and trees or texts beyond all measure. What is no XML raises `ValueError` with its
line.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum
from typing import IO, NoReturn
from xml.parsers import expat

CHUNK_BYTES = 1 << 18
MAX_DEPTH = 64
CUT_SHORT = [
    expat.errors.codes[text] for text in (expat.errors.XML_ERROR_NO_ELEMENTS, expat.errors.XML_ERROR_UNCLOSED_TOKEN)
]
MAX_TREE_ELEMENTS = 200_000
MAX_TEXT_CHARACTERS = 1 << 20  # of one element, and of all its attributes
# A file that was converted to UTF-8 may still declare what it was.
WRONG_DECLARATION = re.compile(rb"""<\?xml[^>]{0,100}encoding=["']utf-?16""", re.IGNORECASE)


class Event(Enum):
    """What happens to an element; `WHOLE` ones have their children and text."""

    OPENS = "opens"
    WHOLE = "whole"
    CLOSES = "closes"


@dataclass(slots=True)
class XmlElement:
    """An element; `text` is what stands in it before any child."""

    name: str
    attributes: dict[str, str]
    line: int
    children: list[XmlElement] = field(default_factory=list)
    text: str = ""

    def child(self, name: str) -> XmlElement | None:
        """The first child of that name."""
        return next((child for child in self.children if child.name == name), None)

    def child_text(self, name: str) -> str:
        """The text of the first child of that name, without blanks at its ends; empty where there is none."""
        found = self.child(name)
        return found.text.strip() if found else ""

    @property
    def named_values(self) -> dict[str, str]:
        """The texts of its children `<attribute name="…">`, by their names."""
        return {
            child.attributes.get("name", ""): child.text.strip() for child in self.children if child.name == "attribute"
        }

    def attribute(self, name: str) -> str:
        """An attribute that must be there."""
        if name not in self.attributes:
            raise ValueError(f"line {self.line}: <{self.name}> has no attribute {name!r}")
        return self.attributes[name]


def elements(stream: IO[bytes], whole: Collection[str]) -> Iterator[tuple[Event, XmlElement]]:
    """The elements of a document, in its order."""
    builder = _Builder(frozenset(whole))
    chunk = stream.read(CHUNK_BYTES)
    parser = expat.ParserCreate("utf-8" if WRONG_DECLARATION.match(chunk) else None)
    parser.buffer_text = True
    builder.parser = parser
    parser.StartDoctypeDeclHandler = _refuse_document_type
    parser.StartElementHandler = builder.open
    parser.EndElementHandler = builder.close
    parser.CharacterDataHandler = builder.add_text
    try:
        while chunk:
            parser.Parse(chunk, False)
            while builder.ready:
                yield builder.ready.popleft()
            chunk = stream.read(CHUNK_BYTES)
        parser.Parse(b"", True)
    except expat.ExpatError as error:
        text = expat.ErrorString(error.code)
        hint = ": is it cut short?" if error.code in CUT_SHORT else ""
        raise ValueError(f"line {error.lineno}: it is no XML, {text}{hint}") from error
    except LookupError as error:
        raise ValueError(f"it declares an encoding that is not known: {error}") from error
    yield from builder.ready


def root_of(head: bytes) -> str:
    """The name of the root element of a document that begins like this; empty where it is no XML."""
    names: list[str] = []
    parser = expat.ParserCreate("utf-8" if WRONG_DECLARATION.match(head) else None)
    parser.StartDoctypeDeclHandler = _refuse_document_type
    parser.StartElementHandler = lambda name, _: names.append(name)
    with suppress(expat.ExpatError, LookupError, ValueError):
        parser.Parse(head, False)
    return names[0] if names else ""


def _refuse_document_type(*_: object) -> NoReturn:
    raise ValueError("it declares a document type (<!DOCTYPE …>), which is refused: entities could expand without end")


class _Builder:
    """The parser's handlers: builds the trees of whole elements, and lines up what is ready."""

    def __init__(self, whole: frozenset[str]) -> None:
        self.parser: expat.XMLParserType
        self.ready: deque[tuple[Event, XmlElement]] = deque()
        self._whole = whole
        self._path: list[XmlElement] = []
        self._top = 0  # depth at which the tree begins that is being built; 0 outside of any
        self._count = 0
        self._texts: list[str] = []
        self._characters = 0

    def open(self, name: str, attributes: dict[str, str]) -> None:
        if len(self._path) >= MAX_DEPTH:
            raise ValueError(f"line {self.parser.CurrentLineNumber}: elements are nested deeper than {MAX_DEPTH}")
        element = XmlElement(name, attributes, self.parser.CurrentLineNumber)
        if sum(map(len, attributes.values())) > MAX_TEXT_CHARACTERS:
            raise ValueError(f"line {element.line}: attributes of more than {MAX_TEXT_CHARACTERS:,} characters")
        self._flush()
        if self._top:
            self._count += 1
            if self._count > MAX_TREE_ELEMENTS:
                raise ValueError(f"line {element.line}: more than {MAX_TREE_ELEMENTS:,} elements in one")
            self._path[-1].children.append(element)
        elif name in self._whole:
            self._top = len(self._path) + 1
            self._count = 0
        else:
            self.ready.append((Event.OPENS, element))
        self._path.append(element)

    def close(self, _: str) -> None:
        self._flush()
        element = self._path[-1]
        if not self._top:
            self.ready.append((Event.CLOSES, element))
        elif len(self._path) == self._top:
            self.ready.append((Event.WHOLE, element))
            self._top = 0
        self._path.pop()

    def add_text(self, text: str) -> None:
        if self._top:
            self._characters += len(text)
            if self._characters > MAX_TEXT_CHARACTERS:
                line = self.parser.CurrentLineNumber
                raise ValueError(f"line {line}: a text of more than {MAX_TEXT_CHARACTERS:,} characters")
            self._texts.append(text)

    def _flush(self) -> None:
        if self._texts:
            if not self._path[-1].children:  # no format has text between children
                self._path[-1].text = "".join(self._texts)
            self._texts.clear()
        self._characters = 0
