"""Categories as paths from the root down. Pure; a loop of parents ends, and is told."""

from __future__ import annotations

from collections.abc import Mapping

from pipeline.errors import Finding, Who
from pipeline.texts import T


def paths_of_parents(
    parents: Mapping[int, int], names: Mapping[int, str]
) -> tuple[dict[int, tuple[str, ...]], tuple[Finding, ...]]:
    """The paths by category's id, and why some have none.

    Args:
        parents: category's id -> parent's id, 0: a root.

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
    return {one: path for one, path in paths.items() if path is not None}, tuple(findings)


def _loop(ring: list[int], names: Mapping[int, str]) -> Finding:
    shown = " → ".join(names.get(one) or str(one) for one in [*ring, ring[0]])
    return Finding(
        "category-loop",
        T("The categories {names} are each other's parents: goods are told as if they were not in them.", names=shown),
        hint=T("Give one of them another parent."),
        who=Who.SITE,
        about=f"category:{min(ring)}",
    )


def _nameless(category: int) -> Finding:
    return Finding(
        "category-nameless",
        T("The category {id} has no name: goods are told as if they were not in it, nor below it.", id=str(category)),
        hint=T("Give it a name."),
        who=Who.SITE,
        about=f"category:{category}",
    )
