"""The tree of categories of one session: paths by id, and missing ones made where the config allows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pipeline.api import Finding, Held, InDoubt, Refused, T, Who, paths_of_parents, tidy
from plugins.systems.keepincrm import values as v
from plugins.systems.keepincrm.client import KeepinApi
from plugins.systems.keepincrm.paging import Row
from plugins.systems.keepincrm.settings import KeepinSettings
from plugins.systems.keepincrm.writing import refused

CATEGORIES = "/materials/categories"
Path = tuple[str, ...]


class Categories:
    """The categories of an account."""

    def __init__(self, api: KeepinApi, settings: KeepinSettings) -> None:
        self._api, self._settings = api, settings
        self._rows: dict[int, Row] | None = None
        self._paths: dict[int, Path] = {}
        self.findings: tuple[Finding, ...] = ()  #: which have no path, and why

    def load(self) -> Mapping[int, Path]:
        """The paths by id, as they are now. Raises Refused, Transient."""
        try:
            rows = list(self._api.rows(CATEGORIES))
        except Refused as error:
            if error.code != "keepin-list":
                raise
            raise Refused(
                error.text, code="keepin-categories",
                hint=T("This account tells no categories: set `categories: off`, and send the goods as a feed."),
            ) from error  # fmt: skip
        self._rows = {int(v.text(row["id"])): row for row in rows}
        if self._settings.category_separator is None:
            parents = {own: _parent(row) or 0 for own, row in self._rows.items()}
            names = {own: _name(row) for own, row in self._rows.items()}
            self._paths, self.findings = paths_of_parents(parents, names)
        else:
            self._paths = {own: path for own, row in self._rows.items() if (path := self._path(row))}
        return self._paths

    def paths(self) -> Mapping[int, Path]:
        """The same as they were last read in this session."""
        return self.load() if self._rows is None else self._paths

    def ensure(self, path: Sequence[str]) -> int | None:
        """The id of the category; of an empty path none. Missing ones are made where the config allows it.

        Raises Held, InDoubt (nobody knows whether one was made), Refused, Transient.
        """
        wanted = tuple(map(tidy, path))
        if not wanted:
            return None
        self.paths()
        known = self._find(wanted)
        if known is not None:
            return known
        if self._settings.categories != "create":
            raise refused(
                "category",
                T("The CRM has no category {path}.", path=" / ".join(path)),
                T("Make it there, or set `categories: create` of the connection."),
                field="category",
            )
        separator = self._settings.category_separator
        if separator is not None:
            if any(separator.strip() in part for part in path):
                raise refused(
                    "category",
                    T("A category has {text} in its name, which stands between the parts of a path.", text=separator),
                    T("Choose another `category_separator`, or rename it: {path}.", path=" | ".join(path)),
                    field="category",
                )
            return self._make(separator.join(map(str.strip, path)), None, wanted)
        parent = None
        for n in range(1, len(path) + 1):
            known = self._find(wanted[:n])
            parent = self._make(path[n - 1].strip(), parent, wanted[:n]) if known is None else known
        return parent

    def _find(self, wanted: Path) -> int | None:
        """The oldest one of that path."""
        return min((own for own, path in self._paths.items() if tuple(map(tidy, path)) == wanted), default=None)

    def _path(self, row: Row) -> Path:
        assert self._rows is not None
        separator = self._settings.category_separator
        if separator is not None:
            return tuple(part.strip() for part in _name(row).split(separator.strip() or separator) if part.strip())
        path, seen = [_name(row)], {row["id"]}
        while (above := self._rows.get(_parent(row) or -1)) is not None and above["id"] not in seen:
            row = above
            seen.add(row["id"])
            path.insert(0, _name(row))
        return tuple(path)

    # --- new ones ----------------------------------------------------------------------------------------------------

    def _make(self, name: str, parent: int | None, wanted: Path) -> int:
        assert self._rows is not None
        shows_tree = any("parent_id" in row for row in self._rows.values())
        if parent is not None and not shows_tree and any(tidy(_name(row)) == wanted[-1] for row in self._rows.values()):
            raise _no_tree(wanted)  # what stands there under this name was perhaps made by a try before
        made = self._posted(name, parent, wanted)
        own = int(v.text(made.get("id")) or "0")
        if not own or (parent is not None and _parent(made) != parent):
            self.load()
            found = self._find(wanted)
            if found is None:
                raise _no_tree(wanted)
            return found
        whole = made if _name(made) else {"name": name, **made}
        self._rows[own] = whole
        self._paths[own] = self._path(whole)
        return own

    def _posted(self, name: str, parent: int | None, wanted: Path) -> Row:
        """What the account answers to the new one; its name goes under the key that its lists show, or may show."""
        assert self._rows is not None
        keys = [key for key in ("name", "title") if any(key in row for row in self._rows.values())] or ["name", "title"]
        below = {"parent_id": parent} if parent is not None else {}
        for n, key in enumerate(keys):
            try:
                made = self._api.add(CATEGORIES, {key: name, **below})
            except Held:
                if n == len(keys) - 1:
                    raise
                continue
            except InDoubt:
                self.load()
                found = self._find(wanted)
                if found is None:
                    raise
                return self._rows[found]
            if made is None:
                break
            return made
        raise refused(
            "category",
            T("This account takes no new categories by its API: {path} is missing.", path=" / ".join(wanted)),
            T("Make it there and set `categories: match`, or send the goods as a feed (format keepincrm-yml)."),
            field="category",
            who=Who.ADMIN,
        )


def _no_tree(wanted: Path) -> Held:
    return refused(
        "category-tree",
        T("The account does not show that one category stands below another: {path}.", path=" / ".join(wanted)),
        T('Name what stands between the parts of a path: `category_separator: " / "` of the connection.'),
        field="category",
        who=Who.ADMIN,
    )


def _name(row: Row) -> str:
    return v.text(row.get("name", row.get("title"))).strip()


def _parent(row: Row) -> int | None:
    told = row.get("parent_id")
    if told is None and isinstance(row.get("parent"), Mapping):
        told = row["parent"].get("id")
    text = v.text(told)
    return int(text) if text.isascii() and text.isdigit() else None
