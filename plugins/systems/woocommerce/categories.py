"""The tree of a shop's categories: paths by id, and missing ones made, parents first."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline.api import Finding, Held, InDoubt, T, Who
from plugins.systems.woocommerce import values as v
from plugins.systems.woocommerce.client import Said, WooApi
from plugins.systems.woocommerce.paging import Row

CATEGORIES = "/products/categories"
Path = tuple[str, ...]
#: What WordPress changes in a name of a category in silence: it joins blanks, and takes codes such as %20 out.
_CHANGED = re.compile(r"[\t\r\n]|  |^ | $|%[0-9a-fA-F]{2}")


@dataclass(frozen=True, slots=True)
class _Tree:
    """The paths of one moment, and the ids by them; of several with one path the first."""

    paths: Mapping[int, Path]
    ids: Mapping[Path, int]
    folded: Mapping[Path, int]

    @classmethod
    def of(cls, paths: Mapping[int, Path]) -> _Tree:
        """What is found by these paths."""
        ids = {path: key for key, path in sorted(paths.items(), reverse=True)}
        folded = {_folded(path): key for key, path in sorted(paths.items(), reverse=True)}
        return cls(paths, ids, folded)

    def find(self, path: Path) -> int | None:
        """The id of a path: exactly that, else one that differs by capitals or blanks."""
        return self.ids.get(path) or self.folded.get(_folded(path))


class Categories:
    """The categories of a shop.

    Args:
        default: slug of that of goods in none.
    """

    def __init__(self, api: WooApi, default: str) -> None:
        self._api, self._default = api, default
        self._rows: dict[int, Row] | None = None
        self._known: _Tree | None = None
        self.findings: tuple[Finding, ...] = ()

    def load(self) -> Mapping[int, Path]:
        """The paths by id as they are now, without that of goods in none. Raises Refused, Transient."""
        self._rows = {v.whole(row.get("id")): row for row in self._api.rows(CATEGORIES)}
        self._known = None
        return self.paths()

    def paths(self) -> Mapping[int, Path]:
        """The same as they were last read or made in this session."""
        return self._tree().paths

    def _tree(self) -> _Tree:
        if self._rows is None:
            self.load()
        assert self._rows is not None
        if self._known is None:
            paths = {key: self._path(key) for key, row in self._rows.items() if row.get("slug") != self._default}
            lost = sorted(key for key, path in paths.items() if not path)
            self.findings = (_circle(lost),) if lost else ()
            self._known = _Tree.of({key: path for key, path in paths.items() if path})
        return self._known

    def _path(self, key: int) -> Path:
        """The names from the root down; empty where parents are each other's."""
        names: list[str] = []
        seen: set[int] = set()
        assert self._rows is not None
        while key in self._rows:
            if key in seen:
                return ()
            seen.add(key)
            names.append(v.name_read(self._rows[key].get("name")))
            key = v.whole(self._rows[key].get("parent"))
        return tuple(reversed(names))

    def ensure(self, path: Sequence[str]) -> int:
        """The id of a category, made with all above it where it is missing.

        Raises Held (a name that the shop would change, refused), InDoubt, Refused, Transient.
        """
        parent, way = 0, tuple(path)
        for n, name in enumerate(way):
            parent = self._tree().find(way[: n + 1]) or self._make(name, parent)
        return parent

    def _make(self, name: str, parent: int) -> int:
        if not name.strip() or _CHANGED.search(name):
            raise Held(
                T("A category cannot be called “{name}”: the shop would change the name.", name=name),
                code="woo-category", who=Who.SITE,
            )  # fmt: skip
        body = {"name": v.name_written(name), "parent": parent}
        try:
            (row,) = self._api.batch(CATEGORIES, "create", [body], again=False)
        except InDoubt:
            self.load()
            found = self._child(name, parent)
            if found is None:
                raise
            return found
        assert self._rows is not None
        if isinstance(row, Said):
            there = v.whole(row.data.get("resource_id"))
            if row.code != "term_exists" or not there:
                raise self._api.held(row)
            self.load()  # made by somebody else since it was read
            return there
        key = v.whole(row.get("id"))
        self._rows[key] = row
        self._known = None
        return key

    def _child(self, name: str, parent: int) -> int | None:
        assert self._rows is not None
        return next(
            (
                key
                for key, row in self._rows.items()
                if v.whole(row.get("parent")) == parent and v.name_read(row.get("name")) == name
            ),
            None,
        )


def _folded(path: Sequence[str]) -> Path:
    return tuple(" ".join(name.split()).casefold() for name in path)


def _circle(ids: Sequence[int]) -> Finding:
    return Finding(
        "category-circle",
        T("Categories {ids} are each other's parents: they are left out.", ids=", ".join(map(str, ids))),
        hint=T("Mend their parents in the shop's admin."),
        who=Who.SITE,
        about=f"category:{ids[0]}",
    )
