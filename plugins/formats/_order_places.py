"""Where the fields of an <order> stand in its file, for checks outside of the format."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

#: Where an element begins: line and column.
Placed = Callable[[Any], tuple[int, int]]
#: Where the fields of an order stand: element, line, column.
Places = Mapping[str, tuple[str, int, int]]
#: Fields of an order that checks outside of the format name, and their elements.
_FIELDS = (("total", "total"), ("currency", "currency"), ("lines", "items"), ("taxes", "taxes"), ("status", "status"))


class LazyPlaces(Mapping[str, tuple[str, int, int]]):
    """Where the fields of an order stand, worked out when somebody asks: almost always nobody does."""

    def __init__(self, find: Callable[[], Places]) -> None:
        self._find = find
        self._found: Places | None = None

    def _all(self) -> Places:
        if self._found is None:
            self._found = self._find()
        return self._found

    def __getitem__(self, name: str) -> tuple[str, int, int]:
        return self._all()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())


def named_places(order: Any, placed: Placed, path: str) -> Places:
    """Where the fields of an <order> stand that are looked up outside of its file: what is missing stands at its
    parent. ``path`` is the order's own."""
    found = {}
    children = _by_name(order)
    for name, tag in _FIELDS:
        child = children.get(tag)
        if child is not None:
            found[name] = (f"{path}/{tag}", *placed(child))
        else:
            found[name] = (path, *placed(order))
    items = list(children["items"]) if "items" in children else []
    for number, item in enumerate(items, start=1):
        code = _by_name(item).get("code")
        at = f"{path}/items/item" + (f"[{number}]" if len(items) > 1 else "")
        found[f"lines[{number}].code"] = (at if code is None else f"{at}/code", *placed(item if code is None else code))
    return found


def _by_name(parent: Any) -> dict[str, Any]:
    return {str(child.tag).rpartition("}")[2]: child for child in parent.iterchildren(reversed=True)}
