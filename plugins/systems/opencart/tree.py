"""Categories as paths from the root down. Pure; a loop of parents ends, and is told."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from pipeline.api import Finding, T, Who


@dataclass(frozen=True, slots=True)
class Tree:
    """``paths``: by category's id, the names from the root down. ``findings``: those that have no path, and why."""

    paths: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()

    def main(self, categories: Iterable[tuple[int, bool]]) -> tuple[str, ...]:
        """The path of the main category of a product: the one that is marked so, else the deepest, else the oldest.

        OpenCart itself has no main category; ocStore and SEO extensions mark one.
        """
        found = [(not marked, -len(self.paths[one]), one) for one, marked in categories if one in self.paths]
        return self.paths[min(found)[2]] if found else ()

    def all(self, categories: Iterable[tuple[int, bool]]) -> tuple[tuple[str, ...], ...]:
        """All paths, by category's id; each once."""
        return tuple(dict.fromkeys(self.paths[one] for one, _ in sorted(categories) if one in self.paths))


def grow(parents: Mapping[int, int], names: Mapping[int, str]) -> Tree:
    """The tree of ``parents`` (category's id -> parent's id, 0: a root).

    A category below one that is not there begins a path of its own. One whose parents run in a circle, or that has (or
    whose parents have) no name, has none: told once.
    """
    paths: dict[int, tuple[str, ...] | None] = {}
    findings: list[Finding] = []
    for first in sorted(parents):
        way: list[int] = []
        one = first
        while one in parents and one not in paths and one not in way:
            way.append(one)
            one = parents[one]
        if one in way:  # round and round
            ring = way[way.index(one) :]
            findings.append(_loop(ring, names))
            paths.update(dict.fromkeys(ring))
            way = way[: way.index(one)]
            path: tuple[str, ...] | None = None
        else:
            path = paths.get(one, ())
        for child in reversed(way):
            name = names.get(child, "").strip()
            if not name:
                findings.append(_nameless(child))
            path = (*path, name) if path is not None and name else None
            paths[child] = path
    return Tree({one: path for one, path in paths.items() if path is not None}, tuple(findings))


def _loop(ring: list[int], names: Mapping[int, str]) -> Finding:
    shown = " → ".join(names.get(one) or str(one) for one in [*ring, ring[0]])
    return Finding(
        "category-loop",
        T("The categories {names} are each other's parents: goods are told as if they were not in them.", names=shown),
        hint=T("Give one of them another parent in the shop's admin (Catalog > Categories)."),
        about=f"category:{min(ring)}",
    )


def _nameless(category: int) -> Finding:
    return Finding(
        "category-nameless",
        T("The category {id} has no name: goods are told as if they were not in it, nor below it.", id=str(category)),
        hint=T("Give it a name in the shop's admin (Catalog > Categories)."),
        who=Who.SITE,
        about=f"category:{category}",
    )
