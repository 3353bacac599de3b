"""Order JSON of any shape, looked into by paths."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from pipeline.api import T, Unread
from plugins.formats._declared.convert import Wrong
from plugins.formats._declared.jsonpath import Path, Step, parse_path
from plugins.formats._declared.jsontext import Number, ParsedJson
from plugins.formats._declared.record import Value, summed

#: A value, the container that holds it (None for the root), and its key or index there.
At = tuple[Any, Any, Any]


class JsonFile:
    """A parsed document: where each value stands, and what was read of it."""

    def __init__(self, document: ParsedJson) -> None:
        self.document = document
        self.seen: set[tuple[int, Any]] | None = None  #: (container, key), when somebody wants to know

    def orders(self, path: str, items: str) -> tuple[JsonRecord, ...]:
        """The orders at ``path``. Raises Wrong."""
        whole = JsonRecord(self, (self.document.root, None, None), "", items)
        return tuple(JsonRecord(self, at, name, items) for at, name in whole.each(path))

    def elements(self, name: str, first: int, items: str) -> tuple[JsonRecord, ...]:
        """The elements of a list that is the whole document here; in its file it goes by ``name``, and they are those
        from ``first`` on."""
        root = self.document.root
        return tuple(
            JsonRecord(self, (value, root, place), f"{name}[{first + place}]", items)
            for place, value in enumerate(root)
        )

    def has_list(self, path: str) -> bool:
        """Whether the list (or object) that the orders would stand in is there, though it may be empty."""
        steps = parse_path(path).steps
        while steps and (steps[-1].every or steps[-1].having):
            steps = steps[:-1]
        whole = JsonRecord(self, (self.document.root, None, None), "")
        return any(isinstance(at[0], (dict, list)) for at, _name in whole.walk(steps, path))

    def line(self, at: At) -> tuple[int, int]:
        """Line and column where a value begins."""
        _value, container, key = at
        offset = self.document.start if container is None else self.document.offsets[id(container)][key]
        return self.document.place(offset)

    def look(self, at: At) -> None:
        """Remember what was read."""
        if self.seen is not None:
            self.seen.add((id(at[1]), at[2]))

    def unread(self) -> Iterator[tuple[str, str, int | None]]:
        """(path, value, line) of what nothing was read of, since ``seen`` is kept."""
        seen = self.seen or set()
        stack: list[tuple[At, str]] = [((self.document.root, None, None), "")]
        while stack:
            at, path = stack.pop()
            value = at[0]
            if isinstance(value, (dict, list)):
                inner = list(value.items() if isinstance(value, dict) else enumerate(value))
                stack += [((one, value, name), _below(path, name)) for name, one in reversed(inner)]
            elif value not in (None, "") and (id(at[1]), at[2]) not in seen:
                yield path or ".", _words(value), self.line(at)[0]


def unread_of(files: Sequence[JsonFile]) -> tuple[Unread, ...]:
    """What nothing was read of in the documents of a file."""
    return summed(found for file in files for found in file.unread())


class JsonRecord:
    """A value that others are taken from. ``name`` is its path from the root, for people."""

    def __init__(self, file: JsonFile, at: At, name: str, items: str = "") -> None:
        self._file = file
        self._at = at
        self._name = name
        self._items = items

    def values(self, path: str) -> Sequence[Value]:
        """What stands at a path. Raises Wrong for what is no single value."""
        found = []
        for at, name in self.find(path):
            value = at[0]
            if isinstance(value, (dict, list)):
                if not value:
                    continue  # PHP writes an empty array for nothing at all
                raise Wrong(
                    T("`{path}` holds others", path=path),
                    T("Name the one that holds the value: `{path}.NAME`, or `{path}[*]` for all of a list.", path=path),
                )
            self._file.look(at)
            if value not in (None, ""):
                found.append(Value(_words(value), (at, name), isinstance(value, Number)))
        return found

    def records(self, path: str) -> Sequence[JsonRecord]:
        """The values at a path, as records; a list stands for all that is in it. Raises Wrong."""
        return tuple(JsonRecord(self._file, at, name) for at, name in self.each(path))

    def items(self) -> Sequence[JsonRecord]:
        """The order's items. Raises Wrong."""
        return self.records(self._items)

    def each(self, path: str) -> Iterator[tuple[At, str]]:
        """What stands at a path, lists taken apart. Raises Wrong."""
        for at, name in self.find(path):
            if isinstance(at[0], list):
                yield from ((found, place) for found, place in self._down(at, name, Step(every=True), path))
            elif at[0] is not None:
                yield at, name

    def find(self, path: str) -> list[tuple[At, str]]:
        """What stands at a path, and its path from the root. Raises Wrong."""
        parsed: Path = parse_path(path)
        if parsed.absolute:
            return JsonRecord(self._file, (self._file.document.root, None, None), "").walk(parsed.steps, path)
        return self.walk(parsed.steps, path)

    def walk(self, steps: Sequence[Step], path: str) -> list[tuple[At, str]]:
        """What stands at the end of the steps of a path. Raises Wrong."""
        here: list[tuple[At, str]] = [(self._at, self._name)]
        for step in steps:
            here = [found for at, name in here for found in self._down(at, name, step, path)]
        return here

    def _down(self, at: At, name: str, step: Step, path: str) -> Iterator[tuple[At, str]]:
        value = at[0]
        if step.key is not None:
            if isinstance(value, dict):
                if step.key in value:
                    yield (value[step.key], value, step.key), _joined(name, step.key)
            elif isinstance(value, list) and value:
                raise Wrong(
                    T("`{path}` leads through a list before {key}", path=path, key=step.key),
                    T("Write `[*]` for all of a list, or `[0]` for its first."),
                )
            return
        if not isinstance(value, (dict, list)):
            return
        inner = list(value.items() if isinstance(value, dict) else enumerate(value))
        for key, one in inner:
            if step.index is not None and key != step.index:
                continue
            if step.having is not None and not self._has(one, *step.having):
                continue
            yield (one, value, key), (_joined(name, key) if isinstance(key, str) else f"{name}[{key}]")

    def _has(self, value: Any, key: str, wanted: str) -> bool:
        if not isinstance(value, dict) or key not in value or isinstance(value[key], (dict, list)):
            return False
        self._file.look((value[key], value, key))
        return value[key] is not None and _words(value[key]) == wanted

    def place(self, at: Any = None) -> tuple[str, int, int]:
        """Path, line and column of a value; of the record itself without one."""
        found, name = at or (self._at, self._name)
        return name or ".", *self._file.line(found)

    def fragment(self) -> bytes:
        """The value as JSON with sorted keys and no blanks."""
        return json.dumps(self._at[0], sort_keys=True, ensure_ascii=True, separators=(",", ":")).encode("ascii")


def _words(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def name_of(keys: Sequence[str]) -> str:
    """What the value at the end of these keys goes by."""
    name = ""
    for key in keys:
        name = _joined(name, key)
    return name


def _joined(name: str, key: str) -> str:
    shown = key if key and not set(key) & set('.[]"') else f'["{key}"]'
    return f"{name}{'.' if name and not shown.startswith('[') else ''}{shown}"


def _below(path: str, key: Any) -> str:
    """A path without positions. Keys that are numbers are positions in all but name."""
    if isinstance(key, int) or key.isdigit():
        return f"{path}[*]"
    return _joined(path, key)
