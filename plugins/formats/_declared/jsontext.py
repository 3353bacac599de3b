"""JSON -> plain values with the place of each, strictly: what is hostile, cut or ambiguous is refused.

A parser of our own, as Python's gives no places, takes twin keys in silence, reads ``NaN`` and follows any depth by
recursion. Numbers stay as they are written: an id of twenty digits is no float.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from dataclasses import dataclass, field
from typing import Any

from pipeline.api import Rejected, T, Text, Where

MAX_NODES = 1_000_000  #: values: thousands of orders, a few hundred MB of memory
_BLANKS = re.compile(r"[ \t\n\r]*")
_STRING = re.compile(r'"[^"\\\x00-\x1f]*(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})[^"\\\x00-\x1f]*)*"')
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?")
_WORDS = {"true": True, "false": False, "null": None}
_WORD = re.compile(r"[A-Za-z]+")
#: What does not belong into a text, or ends it.
_ODD = re.compile(r'[\x00-\x1f]|\\(?!["\\/bfnrt]|u[0-9a-fA-F]{4})|"')
_LIBRARY = T("Write JSON by a library (json_encode in PHP), and nothing before or after it.")
_WHOLE = T("Write the file under a temporary name and rename it when it is whole; send this one again.")


class Number(str):
    """A number as it is written."""

    __slots__ = ()


@dataclass(slots=True)
class ParsedJson:
    """A parsed text. Objects are dicts, arrays lists, numbers :class:`Number`."""

    root: Any
    text: str
    file: str
    #: id(object or array) -> offset of each of its values, by key or index; they live as long as the root does
    offsets: dict[int, dict[Any, int]]
    start: int = 0  #: offset of the root
    nodes: int = 0
    line: int = 1  #: of a file, on which the text begins
    column: int = 1  #: the same
    _breaks: list[int] = field(default_factory=list)

    def place(self, offset: int) -> tuple[int, int]:
        """Line and column of an offset, from 1."""
        if not self._breaks:
            self._breaks = line_breaks(self.text)
        line = bisect_right(self._breaks, offset) + 1
        if line == 1:
            return self.line, offset + self.column
        return self.line + line - 1, offset - self._breaks[line - 2] + 1


def line_breaks(text: str) -> list[int]:
    """Offsets at which the second and further lines begin."""
    return [match.end() for match in re.finditer("\n", text)]


def parse_json(
    text: str,
    *,
    file: str,
    max_depth: int,
    start: int = 0,
    end: int | None = None,
    nodes: int = 0,
    line: int = 1,
    column: int = 1,
) -> ParsedJson:
    """Parse ``text``, which begins at ``line`` and ``column`` of its file, between two offsets; ``nodes`` were read of
    the file before.

    Raises Rejected with code ``not-json``, ``truncated``, ``twin-key``, ``too-deep`` or ``too-large``.
    """
    parser = Parser(text, file, len(text) if end is None else end, max_depth, nodes, (line, column))
    root, begin = parser.document(start)
    return ParsedJson(root, text, file, parser.offsets, begin, parser.nodes, line, column)


class Parser:
    """One pass over the text, with a stack of its own."""

    string: re.Pattern[Any] = _STRING
    number: re.Pattern[Any] = _NUMBER
    word: re.Pattern[Any] = _WORD
    blanks: re.Pattern[Any] = _BLANKS
    odd: re.Pattern[Any] = _ODD

    def __init__(
        self, text: Any, file: str, end: int, max_depth: int, nodes: int, begin: tuple[int, int] = (1, 1)
    ) -> None:
        self._begin = begin
        self._text = text
        self._file = file
        self._end = end
        self._max_depth = max_depth
        self.nodes = nodes
        self.offsets: dict[int, dict[Any, int]] = {}

    def document(self, start: int) -> tuple[Any, int]:
        """The one value of the text, and where it begins."""
        at = begin = self._blanks(start)
        root: Any = None
        stack: list[Any] = []
        key: Any = None  # of the innermost container, for the value that comes
        while True:
            value, at, opened = self._value(at)
            if stack:
                container = stack[-1]
                if isinstance(container, dict):
                    container[key] = value
                else:
                    container.append(value)
            else:
                root = value
            if opened:
                stack.append(value)
                self.entered(key, stack)
                if len(stack) > self._max_depth:
                    text = T("More than {limit} objects and arrays stand inside one another.", limit=self._max_depth)
                    raise self._refused(text, "too-deep", at, T("Close each of them before the next one begins."))
                at = self._blanks(at)
                closing = "}" if isinstance(value, dict) else "]"
                if self._here(at) != closing:
                    key, at = self._key(value, at)
                    continue
            # what is closed, is closed as far as it goes
            while True:
                at = self._blanks(at)
                if not stack:
                    if at < self._end:
                        raise self._refused(T("After the end of the document there is more."), "not-json", at, _LIBRARY)
                    return root, begin
                container = stack[-1]
                closing = "}" if isinstance(container, dict) else "]"
                sign = self._here(at)
                if sign == closing:
                    self.left(stack.pop(), stack, at)
                    at += 1
                elif sign == ",":
                    at = self._blanks(at + 1)
                    key, at = self._key(container, at)
                    break
                else:
                    raise self._unexpected(at, T("`,` or `{sign}` is missing", sign=closing))

    def entered(self, key: Any, stack: list[Any]) -> None:
        """A container was opened (the last one of the stack), which is the value of that key."""

    def left(self, value: Any, stack: list[Any], at: int) -> None:
        """A container was closed there, and these are still open."""

    def said(self, token: Any) -> str:
        """What was matched, as text."""
        return str(token)

    def _key(self, container: Any, at: int) -> tuple[Any, int]:
        """The key or index of the value that comes next in a container, and where that value begins."""
        places = self.offsets[id(container)]
        if isinstance(container, list):
            places[len(container)] = at
            return len(container), at
        found = self.string.match(self._text, at, self._end)
        if found is None:
            raise self._unexpected(at, T("a key in double quotes is missing"))
        key = _unescaped(self.said(found[0]))
        if key in container:
            text = T("The key {key} stands twice in one object.", key=key[:60])
            raise self._refused(text, "twin-key", at, T("Nobody can say which one is meant: write each key once."))
        if not _sound(key):
            raise self._refused(T("A key is no text that can be shown."), "not-json", at, _LIBRARY)
        at = self._blanks(found.end())
        if self._here(at) != ":":
            raise self._unexpected(at, T("`:` is missing"))
        at = self._blanks(at + 1)
        places[key] = at
        return key, at

    def _value(self, at: int) -> tuple[Any, int, bool]:
        """The value that begins at ``at``, where it ends, and whether it is an object or array that was opened."""
        self.nodes += 1
        if self.nodes > MAX_NODES:
            text = T("The file has more than {limit} values.", limit=MAX_NODES)
            raise self._refused(text, "too-large", at, T("Send fewer orders in one file."))
        sign = self._here(at)
        if sign in ("{", "["):
            value: Any = {} if sign == "{" else []
            self.offsets[id(value)] = {}
            return value, at + 1, True
        if sign == '"':
            found = self.string.match(self._text, at, self._end)
            if found is None:
                raise self._bad_string(at)
            return _unescaped(self.said(found[0])), found.end(), False
        if found := self.number.match(self._text, at, self._end):
            return Number(self.said(found[0])), found.end(), False
        if found := self.word.match(self._text, at, self._end):
            said = self.said(found[0])
            if said in _WORDS:
                return _WORDS[said], found.end(), False
            if found.end() == self._end and any(word.startswith(said) for word in _WORDS):
                raise self._cut(at)
        raise self._unexpected(at, T("a value is missing"))

    def _bad_string(self, at: int) -> Rejected:
        """Why what begins with a quote is no text."""
        odd = self.odd.search(self._text, at + 1, self._end)
        sign = self.said(odd[0]) if odd is not None else ""
        if odd is None or sign == '"' or (sign == "\\" and odd.end() == self._end):
            return self._cut(at)
        what = T("a control character in a text") if sign != "\\" else T("`\\` before a letter that it is not for")
        return self._refused(T("This is not JSON: {words}.", words=what), "not-json", odd.start(), _LIBRARY)

    def _blanks(self, at: int) -> int:
        found = self.blanks.match(self._text, at, self._end)
        return found.end() if found else at

    def _here(self, at: int) -> str:
        return self._text[at] if at < self._end else ""

    def _unexpected(self, at: int, what: Text) -> Rejected:
        if at >= self._end:
            return self._cut(at)
        return self._refused(T("This is not JSON: {words}.", words=what), "not-json", at, _LIBRARY)

    def _cut(self, at: int) -> Rejected:
        return self._refused(T("The file is cut off: its JSON does not end."), "truncated", at, _WHOLE)

    def _refused(self, text: Text, code: str, at: int, hint: Text) -> Rejected:
        line, column = self.place(at)
        return Rejected(text, code=code, where=Where(self._file, line, column), hint=hint)

    def place(self, at: int) -> tuple[int, int]:
        """Line and column of an offset."""
        before = self._text[: min(at, len(self._text))]
        line, column = before.count("\n"), len(before) - (before.rfind("\n") + 1)
        return self._begin[0] + line, column + (1 if line else self._begin[1])


def _unescaped(token: str) -> str:
    return str(json.loads(token)) if "\\" in token else token[1:-1]


def _sound(text: str) -> bool:
    """Whether it can be shown: an escape may stand for half of a letter, or for none."""
    if any(ord(letter) < 32 for letter in text):
        return False
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
