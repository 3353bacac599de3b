"""Keeps the Ukrainian catalogue in step with the code: `python .ci/texts.py` adds new texts and drops unused ones.

New texts come with an empty translation, which a test (tests/texts) refuses until a person has written it.
`--missing` lists what is not translated yet.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from inspect import cleandoc
from itertools import pairwise
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po, write_po
from jinja2 import Environment, nodes

ROOT = Path(__file__).resolve().parents[1]
PO = ROOT / "pipeline" / "locales" / "uk" / "LC_MESSAGES" / "mistok.po"
ROOMS = ("pipeline", "plugins")
#: How many of the first arguments are texts.
KEYWORDS = {"T": 1, "TN": 2}
#: What is looked for in a module: few of its many nodes.
LOOKED_AT = (ast.ClassDef, ast.Call)
#: Classes below this one describe their fields by docstrings, which `mistok plugins` shows.
SETTINGS = "Settings"
#: Here the classes' own docstrings are shown, too: connections have no other summary.
SUMMARISED = "pipeline/transports/"


@dataclass(frozen=True)
class Found:
    """A text marked in the code."""

    id: str | tuple[str, str]
    place: str  #: file:line


def extract(root: Path = ROOT) -> tuple[list[Found], list[str]]:
    """Every text marked by T or TN or that describes a parameter, in order, and the marks that have no literal."""
    found: list[Found] = []
    wrong: list[str] = []
    trees = {
        path.relative_to(root).as_posix(): ast.parse(path.read_text(encoding="utf-8"), str(path))
        for room in ROOMS
        for path in sorted((root / room).rglob("*.py"))
    }
    nodes_of = {name: [one for one in ast.walk(tree) if isinstance(one, LOOKED_AT)] for name, tree in trees.items()}
    settings = _below(SETTINGS, nodes_of.values())
    for name, within in nodes_of.items():
        for node in within:
            if isinstance(node, ast.ClassDef) and node.name in settings:
                found += [Found(words, name) for words in _descriptions(node, whole=name.startswith(SUMMARISED))]
        for call, count in _calls(within):
            words = [_literal(argument) for argument in call.args[:count]]
            if len(words) < count or not all(words):
                wrong.append(f"{name}:{call.lineno}")
            elif count == 1:
                found.append(Found(str(words[0]), name))
            else:
                found.append(Found((str(words[0]), str(words[1])), name))
    for path in sorted((root / "pipeline").rglob("templates/*.html")):
        name = path.relative_to(root).as_posix()
        for line, words in _in_template(path.read_text(encoding="utf-8")):
            if not all(words):
                wrong.append(f"{name}:{line}")
            else:
                found.append(Found(str(words[0]) if len(words) == 1 else (str(words[0]), str(words[1])), name))
    return found, wrong


def _in_template(text: str) -> Iterator[tuple[int, list[str | None]]]:
    """The line and the texts of each T and TN of a page's template; None for one that is no literal."""
    for call in Environment(autoescape=True).parse(text).find_all(nodes.Call):
        name = call.node.name if isinstance(call.node, nodes.Name) else ""
        if name in KEYWORDS:
            words = [one.value if isinstance(one, nodes.Const) else None for one in call.args[: KEYWORDS[name]]]
            yield call.lineno, words if len(words) == KEYWORDS[name] else [None]


def catalogue() -> Catalog:
    """The catalogue as it lies in the repository."""
    with PO.open("rb") as source:
        return read_po(source, locale="uk", abort_invalid=True)


def update() -> Catalog:
    """The catalogue with the texts of the code: old translations kept, new ones empty, unused ones gone."""
    old = catalogue() if PO.exists() else Catalog(locale="uk")
    new = Catalog(
        locale="uk",
        project="Mistok",
        version="1",
        header_comment="# Mistok's texts in Ukrainian. New ones are added by: python .ci/texts.py",
        fuzzy=False,
    )
    # fixed, so that the file changes only when its texts do
    new.creation_date = new.revision_date = datetime(2026, 1, 1, tzinfo=UTC)
    found, _ = extract()
    for text in found:
        known = old.get(text.id if isinstance(text.id, str) else text.id[0])
        string = known.string if known is not None and known.id == text.id else ""
        new.add(text.id, string or ("" if isinstance(text.id, str) else ("", "", "")), locations=[(text.place, 0)])
    return new


def _calls(within: Iterable[ast.AST]) -> Iterator[tuple[ast.Call, int]]:
    for node in within:
        if isinstance(node, ast.Call):
            name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
            if name in KEYWORDS:
                yield node, KEYWORDS[name]


def _below(name: str, trees: Iterable[Iterable[ast.AST]]) -> set[str]:
    """The names of the classes that derive from ``name``, near or far. Of classes with one name, any may."""
    bases: dict[str, set[str]] = {}
    for within in trees:
        for node in within:
            if isinstance(node, ast.ClassDef):
                its = {getattr(base, "id", getattr(base, "attr", "")) for base in node.bases}
                bases.setdefault(node.name, set()).update(its)
    found = {name}
    while more := {one for one, its in bases.items() if its & found} - found:
        found |= more
    return found - {name}


def _descriptions(node: ast.ClassDef, *, whole: bool) -> Iterator[str]:
    """The docstrings of a class's fields, as pydantic takes them; with ``whole`` that of the class before them."""
    if whole and (own := ast.get_docstring(node)):
        yield _one_line(own)
    for before, after in pairwise(node.body):
        if isinstance(before, ast.AnnAssign) and isinstance(after, ast.Expr) and (words := _literal(after.value)):
            yield _one_line(words)


def _one_line(words: str) -> str:
    """The first paragraph in one line, as `described` of pipeline/flow.py makes it."""
    return " ".join(cleandoc(words).split("\n\n")[0].split())


def _literal(node: ast.expr) -> str | None:
    # adjacent literals are one constant already
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def main() -> int:
    """Update the file, or list what is missing."""
    fresh = update()
    if "--missing" not in sys.argv:
        with PO.open("wb") as target:
            write_po(target, fresh, width=120, sort_by_file=False, omit_header=False, include_lineno=False)
    empty = [m for m in fresh if m.id and not (all(m.string) if isinstance(m.string, tuple) else m.string)]
    for message in empty:
        sys.stdout.write(f"{message.id!r} {message.locations[0][0]}\n")
    sys.stdout.write(f"{len(fresh)} texts, {len(empty)} without a translation\n")
    return 1 if empty else 0


if __name__ == "__main__":
    sys.exit(main())
