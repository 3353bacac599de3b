"""A large XML file whose root holds many elements of one kind, in pieces: each one is a small document of its own.

The whole file runs through expat once, which refuses what the one parser refuses (see :mod:`pipeline.xmlio.parser`) and
tells where each child of the root begins. A piece is the root's start tag, some children with all that stands between
them, and the root's end; it is parsed by the one parser, and its places are told as those of the file.
"""

from __future__ import annotations

import mmap
import re
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import IO, Self
from xml.parsers import expat

from pipeline.errors import Finding, Rejected, Where
from pipeline.xmlio.encoding import open_text
from pipeline.xmlio.parser import MAX_NODES, MAX_SIZE, ParsedXml, _Guard, nothing_in, parse, too_large

PIECE = 1 << 20  #: bytes from which a piece has no further child
CHILDREN = 100  #: of a piece, at most
_BLOCK = 1 << 18
_NAMES = 1000  #: different names of children; files have one
_TAG = re.compile(rb"""<(?:[^<>"']|"[^"]*"|'[^']*')*>""")
_BREAKS = re.compile(rb"\r\n|\r|\n")


@dataclass(frozen=True, slots=True)
class Piece:
    """Some children of the root, as a document of its own.

    ``utf8`` is its text, ``first`` and ``end`` count children of the root: those from ``first`` on, before ``end``.
    """

    file: XmlPieces
    first: int
    end: int
    utf8: bytes
    begin: tuple[int, int]  #: line and column of its first child in the file

    def parse(self) -> ParsedXml:
        """The piece as a tree. Raises Rejected as the parser does, with places of the file."""
        limit = 2 * MAX_NODES  # of one child it was counted before
        try:
            return parse(
                self.utf8, file=self.file.name, encoding="utf-8", max_size=2 * MAX_SIZE, max_depth=255, max_nodes=limit
            )
        except Rejected as error:
            moved = (_moved(finding, self) for finding in error.findings)
            raise Rejected(findings=tuple(moved)) from error

    def place(self, line: int, column: int) -> tuple[int, int]:
        """The line and column of the file that these of the piece are."""
        if not self.first:
            return line, column
        if line == 1:
            return self.file.root
        begin, indent = self.begin
        return begin + line - 2, column + indent - 1 if line == 2 else column

    def line(self, line: int) -> int:
        """The line of the file that this one of the piece is."""
        return self.begin[0] + line - 2 if self.first and line > 1 else self.place(line, 1)[0]

    def path(self, path: str) -> str:
        """The path in the file of what has this one in the piece: positions count from the file's first child."""
        steps = path.split("/", 2)
        if len(steps) > 1:
            name, _, position = steps[1].partition("[")
            before, among = self.file.counted(name, self.first)
            steps[1] = f"{name}[{before + int(position.rstrip(']') or 1)}]" if among > 1 else name
        return "/".join(steps)


class XmlPieces:
    """A file that was read to its end and is well-formed. ``name`` is its name for messages."""

    def __init__(
        self, path: Path, *, file: str, scratch: Path, default_encoding: str | None = None, max_depth: int
    ) -> None:
        """Read through the file at ``path``; ``scratch`` is a folder for a copy in UTF-8, where it is in another one.

        Raises Rejected as :func:`parse` does, and OSError; neither its size nor the number of its elements is limited,
        but that of each child is.
        """
        self.name = file
        if not _any_words(path):
            raise nothing_in(file)
        self._text, self.encoding, self.notes = open_text(
            path, file=file, default_encoding=default_encoding, scratch=scratch
        )
        try:
            self._guard = _Scan(file, max_depth, self._text)
            self._guard.scan()
            self.root: tuple[int, int] = self._guard.root
            self._end = self._text.seek(0, 2)
            self._tag, self._close = self._root_tag()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """No piece is read any more."""
        self._text.close()

    def __len__(self) -> int:
        """How many children the root has."""
        return len(self._guard.starts)

    def line(self, child: int) -> int:
        """The line where this child of the root begins (from 1)."""
        return self._guard.lines[child]

    def column(self, child: int) -> int:
        """The column where it begins (from 1)."""
        return self._guard.columns[child]

    def called(self, name: str) -> array[int]:
        """Which children have this local name."""
        number = self._guard.names.get(name, -1)
        return array("L", (child for child, kind in enumerate(self._guard.kinds) if kind == number))

    def counted(self, name: str, before: int) -> tuple[int, int]:
        """How many children have this local name: of those before that one, and of all."""
        number = self._guard.names.get(name, -1)
        kinds = self._guard.kinds
        return kinds[:before].count(number), kinds.count(number)

    def cuts(self, name: str) -> Iterator[tuple[int, int]]:
        """Where pieces begin and end: children from the first one on, before the second one.

        A piece has at least one child of this local name, where there is any, and all but the first begin with one.
        """
        starts, kinds = self._guard.starts, self._guard.kinds
        number = self._guard.names.get(name, -1)
        first, has = 0, False
        for child, kind in enumerate(kinds):
            if kind != number:
                continue
            if has and (child - first >= CHILDREN or starts[child] - starts[first] >= PIECE):
                yield first, child
                first = child
            has = True
        yield first, len(starts)

    def piece(self, first: int, end: int) -> Piece:
        """Those children; the first piece begins with the file itself, the last one ends with it."""
        starts = self._guard.starts
        begin = starts[first] if first else 0
        until = starts[end] if end < len(starts) else self._end
        if until - begin > 2 * MAX_SIZE:
            raise too_large(self.name, until - begin, 2 * MAX_SIZE)
        self._text.seek(begin)
        words = self._text.read(until - begin)
        head = self._tag + b"\n" if first else b""
        place = (self.line(first), self.column(first)) if starts else (1, 1)
        return Piece(self, first, end, head + words + (self._close if end < len(starts) else b""), place)

    def _root_tag(self) -> tuple[bytes, bytes]:
        """The root's start tag in one line (in values of attributes a line break is a blank), and its end tag."""
        self._text.seek(self._guard.begin)
        until = self._guard.starts[0] if self._guard.starts else self._end
        found = _TAG.match(self._text.read(min(until - self._guard.begin, MAX_SIZE)))
        tag = found[0] if found else b""
        name = re.split(rb"[\s/>]", tag[1:], maxsplit=1)[0]
        return _BREAKS.sub(b" ", tag), b"</" + name + b">"


def _any_words(path: Path) -> bool:
    with path.open("rb") as source:
        return any(chunk.strip(b" \t\r\n\0") for chunk in iter(partial(source.read, _BLOCK), b""))


def _moved(finding: Finding, piece: Piece) -> Finding:
    where = finding.where
    if where.line is None:
        return finding
    line, column = piece.place(where.line, where.column or 1)
    element = piece.path(where.element) if where.element else None
    return replace(finding, where=Where(piece.file.name, line, column if where.column else None, element))


class _Scan(_Guard):
    """Expat's way through a whole file: only where the root and its children begin is kept."""

    def __init__(self, file: str, max_depth: int, text: IO[bytes]) -> None:
        super().__init__(file, max_depth, MAX_NODES)
        self._text = text
        self.starts = array("Q")
        self.kinds = array("H")
        self.names: dict[str, int] = {}
        self.begin = 0
        self.root = (1, 1)

    def scan(self) -> None:
        """From the file's first byte to its last. Raises Rejected."""
        parser = self._prepared()
        self._text.seek(0)
        try:
            while chunk := self._text.read(_BLOCK):
                parser.Parse(chunk, False)
            parser.Parse(b"", True)
        except expat.ExpatError as error:
            self._open = [(name.rpartition(" ")[2], line) for name, line in self._open]
            if not self._text.seek(0, 2):
                raise self._refusal(error) from error
            with mmap.mmap(self._text.fileno(), 0, access=mmap.ACCESS_READ) as whole:
                self._utf8 = whole  # type: ignore[assignment] # looked into as bytes are
                raise self._refusal(error) from error
        del self._parser

    def _start(self, name: str, attributes: list[str]) -> None:
        depth = len(self._open)
        if depth < 2:
            self._nodes = 0
            self._beginning(depth, name.rpartition(" ")[2])
        self._nodes += 1 + len(attributes) // 2
        if depth >= self._max_depth or self._nodes > self._max_nodes:
            self._bounded()
        self._open.append((name, self._parser.CurrentLineNumber))

    @property
    def _begun(self) -> bool:
        return self._nodes > 0

    def _beginning(self, depth: int, name: str) -> None:
        parser = self._parser
        line, column = parser.CurrentLineNumber, parser.CurrentColumnNumber + 1
        if not depth:
            self.begin, self.root = parser.CurrentByteIndex, (line, column)
            return
        self.starts.append(parser.CurrentByteIndex)
        self.lines.append(line)
        self.columns.append(column)
        kind = self.names.get(name)
        if kind is None and len(self.names) < _NAMES:
            kind = self.names[name] = len(self.names)
        self.kinds.append(_NAMES if kind is None else kind)
