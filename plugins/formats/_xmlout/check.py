"""Reads the file back by expat, piece by piece, and compares every product with what was meant."""

from __future__ import annotations

import codecs
from collections import deque
from collections.abc import Callable, Sequence
from xml.parsers import expat

from pipeline.api import Chunk, Finding, T, Text, Where, verbatim
from plugins.formats._xmlout.layout import Layout, Slot, Written, expected

LIMIT = 100  #: findings that are told one by one; the rest is a number
Seen = dict[Slot, list[str]]


class Checker:
    """One file's check. ``beside`` is told of every element outside of products: path, attributes, text."""

    def __init__(
        self,
        layout: Layout,
        codec: str,
        file: str,
        beside: Callable[[tuple[str, ...], dict[str, str], str], None] | None = None,
    ) -> None:
        self._layout = layout
        self._file = file
        self._beside = beside
        self._decoder = codecs.getincrementaldecoder(codec)()
        self._parser = expat.ParserCreate("utf-8")
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._text
        self._parser.buffer_text = True
        self._begun = False
        self._path: list[str] = []
        self._stack: list[list[str]] = []
        self._attributes: list[dict[str, str]] = []
        self._row: Seen | None = None
        self._read: deque[Seen] = deque()
        self._meant: deque[tuple[str, Seen]] = deque()
        self._codes: set[str] = set()
        self._told = 0
        self._broken = False

    def feed(self, chunk: Chunk) -> Sequence[Finding]:
        """What of ``chunk`` would be read otherwise than meant."""
        found: list[Finding] = []
        for code, cells in zip(chunk.codes, chunk.rows, strict=True):
            self._meant.append((code, expected(self._layout, Written.from_cells(self._layout, cells))))
            if code in self._codes:
                found.append(self._finding("twin-code", T("Product {code} stands twice in the file.", code=code)))
            self._codes.add(code)
        try:
            found += self._parse(self._decoder.decode(chunk.data), final=False)
        except UnicodeDecodeError:
            self._broken = True
            found.append(self._finding("xml-read", T("The bytes of the file are no letters of its encoding.")))
        return self._limited(found + self._compare())

    def close(self) -> Sequence[Finding]:
        """What the end of the file shows."""
        try:
            found = self._parse(self._decoder.decode(b"", final=True), final=True)
        except UnicodeDecodeError:
            found = [self._finding("xml-read", T("The file ends in the middle of a letter."))]
        found += self._compare()
        for code, _ in self._meant:
            found.append(self._finding("xml-read", T("Product {code} would not be read.", code=code)))
        if self._read:
            text = T("Products too many would be read: {n}.", n=len(self._read))
            found.append(self._finding("xml-read", text))
        found = self._limited(found)
        if self._told > LIMIT:
            found.append(Finding("csv-more", T("{n} more rows would be read otherwise.", n=self._told - LIMIT)))
        return found

    def _parse(self, text: str, *, final: bool) -> list[Finding]:
        if self._broken:
            return []
        if not self._begun:
            # the declaration names the file's encoding; what is fed here is decoded already
            text = text.partition("?>")[2].lstrip("\n") if text.startswith("<?xml") else text
            self._begun = bool(text)
        try:
            self._parser.Parse(text.encode("utf-8", "surrogatepass"), final)
        except expat.ExpatError as error:
            self._broken = True
            words = expat.errors.messages.get(error.code, str(error))
            where = Where(self._file or None, error.lineno, error.offset + 1)
            return [Finding("xml-read", T("The file would not be read: {words}.", words=verbatim(words)), where)]
        return []

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._path.append(name)
        self._stack.append([])
        self._attributes.append(attributes)
        root = self._layout.root
        if tuple(self._path) == (*root, self._layout.item):
            self._row = {}
        if self._row is not None:
            below = tuple(self._path[len(root) + 1 :])
            for key, value in attributes.items():
                self._row.setdefault((below, key), []).append(value)

    def _text(self, words: str) -> None:
        self._stack[-1].append(words)

    def _end(self, _name: str) -> None:
        words = "".join(self._stack.pop())
        attributes = self._attributes.pop()
        path = tuple(self._path)
        self._path.pop()
        root = self._layout.root
        if self._row is None:
            if self._beside is not None:
                self._beside(path, attributes, words)
            return
        if path == (*root, self._layout.item):
            self._read.append(self._row)
            self._row = None
            return
        below = path[len(root) + 1 :]
        groups = {leaf.path[:depth] for leaf in self._layout.leaves for depth in range(1, len(leaf.path))}
        if below not in groups:
            self._row.setdefault((below, ""), []).append(words)

    def _compare(self) -> list[Finding]:
        found = []
        while self._meant and self._read:
            code, meant = self._meant.popleft()
            read = self._read.popleft()
            if meant != read:
                slot = next(slot for slot in {**meant, **read} if meant.get(slot) != read.get(slot))
                name = "/".join(slot[0]) + (f"@{slot[1]}" if slot[1] else "")
                text = T(
                    "Product {code}: {column} would be read as “{read}”.",
                    code=code,
                    column=name,
                    read=", ".join(read.get(slot, []))[:60],
                )
                found.append(self._finding("xml-read", text, name))
        return found

    def _finding(self, code: str, text: Text, element: str | None = None) -> Finding:
        return Finding(code, text, Where(self._file or None, element=element))

    def _limited(self, found: list[Finding]) -> list[Finding]:
        room = max(0, LIMIT - self._told)
        self._told += len(found)
        return found[:room]
