"""A large JSON document looked through where it lies: where the elements of one of its lists begin. Nothing is kept."""

from __future__ import annotations

import mmap
import re
from collections.abc import Iterator, Sequence
from typing import IO, Any

from plugins.formats._declared.jsontext import Parser

_BLOCK = 1 << 20


class JsonScan(Parser):
    """The same pass as that of the parser, over the bytes of a file in UTF-8, which drops what it has read."""

    string = re.compile(Parser.string.pattern.encode())
    number = re.compile(Parser.number.pattern.encode())
    word = re.compile(Parser.word.pattern.encode())
    blanks = re.compile(Parser.blanks.pattern.encode())
    odd = re.compile(Parser.odd.pattern.encode())

    def __init__(self, text: mmap.mmap, file: str, max_depth: int, keys: Sequence[str]) -> None:
        """``keys``: the path of the list, from the root."""
        super().__init__(text, file, len(text), max_depth, 0)
        self._wanted = [None, *keys]
        self._path: list[Any] = []
        self.found: list[Any] | None = None  #: as many values as the list has
        self.end = 0  #: where it ends

    def starts(self) -> Sequence[int]:
        """The offset of each of its elements."""
        return list(self.offsets[id(self.found)].values())[: len(self.found or ())]

    def entered(self, key: Any, stack: list[Any]) -> None:
        """Is it the list?"""
        self._path.append(key)
        if self._path == self._wanted and isinstance(stack[-1], list):
            self.found = stack[-1]

    def left(self, value: Any, stack: list[Any], at: int) -> None:
        """What is read is dropped, but for how many elements the list has."""
        self._path.pop()
        if value is self.found:
            self.end = at
            return
        del self.offsets[id(value)]
        if not stack:
            return
        outer = stack[-1]
        outer[-1 if isinstance(outer, list) else next(reversed(outer))] = None
        if outer is self.found:
            self.nodes = 0  # of each element it is counted anew

    def said(self, token: Any) -> str:
        """As text."""
        return str(token, "utf-8", "surrogatepass")

    def _here(self, at: int) -> str:
        return chr(self._text[at]) if at < self._end else ""

    def place(self, at: int) -> tuple[int, int]:
        """Line and column of an offset: columns count letters."""
        return next(places(self._text, [min(at, len(self._text))]))


def places(text: mmap.mmap, offsets: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Line and column of each of these offsets of a file in UTF-8, which go up."""
    at, line, column = 0, 1, 1
    for offset in offsets:
        while at < offset:
            block = text[at : min(offset, at + _BLOCK)]
            at += len(block)
            if breaks := block.count(b"\n"):
                line += breaks
                column = 1
                block = block[block.rfind(b"\n") + 1 :]
            column += sum(1 for sign in block if sign & 0xC0 != 0x80) if not block.isascii() else len(block)
        yield line, column


def mapped(text: IO[bytes]) -> mmap.mmap:
    """The file's bytes, which are read as they are asked for."""
    return mmap.mmap(text.fileno(), 0, access=mmap.ACCESS_READ)
