"""Categories are made where a path has none: parents first, and never twice."""

from __future__ import annotations

from pipeline.api import InDoubt, T
from plugins.systems.keycrm.reading import CATEGORIES, Reader
from plugins.systems.keycrm.refusals import held
from plugins.systems.keycrm.values import ident


class Categories:
    """Finds the category of a path, and makes it."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._doubts: dict[tuple[str, ...], InDoubt] = {}

    def ensure(self, path: tuple[str, ...]) -> int | None:
        """The id of a category by its path from the root down; None for no category.

        Raises Held where KeyCRM refuses one, InDoubt where it is not known whether one was made.
        """
        path = tuple(part.strip() for part in path)
        if not all(path):
            raise held(T("A category has no name."))
        parent: int | None = None
        for depth in range(1, len(path) + 1):
            at = path[:depth]
            parent = self._reader.tree().ids.get(at) or self._make(at, parent)
        return parent

    def _make(self, path: tuple[str, ...], parent: int | None) -> int:
        if path in self._doubts:
            raise self._doubts[path]
        try:
            made = self._reader.client.post(CATEGORIES, {"name": path[-1], "parent_id": parent})
        except InDoubt as doubt:
            # whoever has made it in the meantime, it is there once
            known = self._reader.tree(again=True).ids.get(path)
            if known is None:
                self._doubts[path] = doubt
                raise
            return known
        number = ident(made.get("id"))
        if number is None:
            self._reader.tree(again=True)
            number = self._reader.tree().ids.get(path)
        if number is None:
            raise InDoubt(T("KeyCRM does not tell the category {name} that it has made.", name=path[-1]))
        self._reader.know(self._reader.tree().with_one(number, path))
        return number
