"""Paths into JSON: ``customer.phones[0]``, ``items[*]``, ``totals[code=shipping].value``, ``["Номер"]``, ``$.day``."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import lru_cache

from pipeline.api import T
from plugins.formats._declared.convert import Wrong

_NAME = re.compile(r"[^.\[\]\"$*=\s][^.\[\]\"]*")
_QUOTED = r'"(?:[^"\\]|\\.)*"'
_BRACKET = re.compile(
    rf"\[\s*(?:(?P<all>\*)|(?P<index>[0-9]{{1,9}})|(?P<key>{_QUOTED})"
    rf"|(?P<name>{_QUOTED}|[^\[\]\"=]+?)\s*=\s*(?P<value>{_QUOTED}|[^\[\]\"]*?))\s*\]"
)


@dataclass(frozen=True, slots=True)
class Step:
    """One step down: a key, an index, all of a list (or the values of an object), or those that have a value."""

    key: str | None = None
    index: int | None = None
    every: bool = False
    having: tuple[str, str] | None = None

    def __str__(self) -> str:
        if self.key is not None:
            return self.key
        if self.having is not None:
            return f"[{self.having[0]}={self.having[1]}]"
        return "[*]" if self.every else f"[{self.index}]"


@dataclass(frozen=True, slots=True)
class Path:
    """A path, from the record or (``$``) from the whole document."""

    steps: tuple[Step, ...]
    absolute: bool = False


@lru_cache(maxsize=1024)
def parse_path(text: str) -> Path:
    """The path that ``text`` is. Raises Wrong."""
    at, steps = 0, []
    text = text.strip()
    absolute = text.startswith("$")
    at = 1 if absolute else 0
    if text in (".", "$"):
        return Path((), absolute)
    while at < len(text):
        after = at + 1 if text[at] == "." and at > 0 else at
        bracket, name = _BRACKET.match(text, after), _NAME.match(text, after)
        if bracket is not None:
            steps.append(_step(bracket))
            at = bracket.end()
        elif name is not None and (after > at or at == 0):
            steps.append(Step(key=name[0].strip()))
            at = name.end()
        else:
            break
    if at < len(text) or not steps or text.endswith("."):
        raise Wrong(
            T("`{path}` is no path into JSON", path=text),
            T("Write such as `customer.phone`, `items[*]`, `phones[0]`, `totals[code=shipping].value`."),
        )
    return Path(tuple(steps), absolute)


def path_mistake(path: str) -> ValueError | None:
    """What is wrong with a path; None when nothing is."""
    try:
        parse_path(path)
    except Wrong as wrong:
        return ValueError(T("{what}.", what=wrong.text), wrong.hint)
    return None


def _step(found: re.Match[str]) -> Step:
    if found["all"]:
        return Step(every=True)
    if found["index"] is not None:
        return Step(index=int(found["index"]))
    if found["key"] is not None:
        return Step(key=str(json.loads(found["key"])))
    return Step(having=(_plain(found["name"]), _plain(found["value"])))


def _plain(word: str) -> str:
    return str(json.loads(word)) if word.startswith('"') else word.strip()
