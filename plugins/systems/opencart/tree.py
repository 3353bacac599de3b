"""Categories as paths from the root down. Pure; a loop of parents ends, and is told."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from pipeline.api import Finding, T, Text, paths_of_parents


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
    """The tree of ``parents`` (category's id -> parent's id, 0: a root); see :func:`paths_of_parents`."""
    paths, found = paths_of_parents(parents, names)
    return Tree(paths, tuple(replace(one, hint=_hints()[one.code]) for one in found))


def _hints() -> Mapping[str, Text]:
    return {
        "category-loop": T("Give one of them another parent in the shop's admin (Catalog > Categories)."),
        "category-nameless": T("Give it a name in the shop's admin (Catalog > Categories)."),
    }
