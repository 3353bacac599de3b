"""Keeps the Ukrainian catalogue in step with the code: `python .ci/texts.py` adds new texts and drops unused ones.

New texts come with an empty translation, which a test (tests/texts) refuses until a person has written it.
`--missing` lists what is not translated yet.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po, write_po

ROOT = Path(__file__).resolve().parents[1]
PO = ROOT / "pipeline" / "locales" / "uk" / "LC_MESSAGES" / "mistok.po"
ROOMS = ("pipeline", "plugins")
#: How many of the first arguments are texts.
KEYWORDS = {"T": 1, "TN": 2}


@dataclass(frozen=True)
class Found:
    """A text marked in the code."""

    id: str | tuple[str, str]
    place: str  #: file:line


def extract(root: Path = ROOT) -> tuple[list[Found], list[str]]:
    """Every text marked by T or TN, in order, and the places where the mark has no literal."""
    found: list[Found] = []
    wrong: list[str] = []
    for room in ROOMS:
        for path in sorted((root / room).rglob("*.py")):
            name = path.relative_to(root).as_posix()
            for call, count in _calls(ast.parse(path.read_text(encoding="utf-8"), name)):
                words = [_literal(argument) for argument in call.args[:count]]
                if len(words) < count or not all(words):
                    wrong.append(f"{name}:{call.lineno}")
                elif count == 1:
                    found.append(Found(str(words[0]), name))
                else:
                    found.append(Found((str(words[0]), str(words[1])), name))
    return found, wrong


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


def _calls(tree: ast.Module) -> Iterator[tuple[ast.Call, int]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
            if name in KEYWORDS:
                yield node, KEYWORDS[name]


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
