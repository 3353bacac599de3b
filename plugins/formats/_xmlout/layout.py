"""Elements and attributes of a catalogue's products, and where each stands."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from pipeline.api import Batch
from plugins.formats._columns.spec import Spec

NAME = r"[A-Za-z_][\w.-]*(:[A-Za-z_][\w.-]*)?"  #: of an element or attribute, with a prefix or without
Path = tuple[str, ...]
Slot = tuple[Path, str]  #: an element below the product, and its attribute or ""


@dataclass(frozen=True, slots=True)
class Leaf:
    """An element of a product, or several of one name when ``parts`` is given."""

    path: Path  #: names from below the product down
    spec: Spec | None = None  #: of its text, when it is one
    parts: Literal["", "list", "pairs"] = ""  #: one element for each part of a list, or for each option
    source: str = ""  #: field of the parts
    key: str = ""  #: attribute that names an option
    cdata: bool = False
    empty: bool = False  #: written also when there is nothing in it
    attributes: tuple[Spec, ...] = ()


@dataclass(frozen=True, slots=True)
class Layout:
    """The shape of a file: elements around the products, the product's attributes and elements."""

    root: Path
    item: str
    attributes: tuple[Spec, ...]
    leaves: tuple[Leaf, ...]
    root_attributes: Mapping[str, str] = field(default_factory=dict)
    head: Mapping[str, str] = field(default_factory=dict)

    @property
    def specs(self) -> tuple[Spec, ...]:
        """Everything that has one text, in the order of the cells: see :func:`cells_of`."""
        found = list(self.attributes)
        for leaf in self.leaves:
            found += [leaf.spec] if leaf.spec is not None else []
            found += leaf.attributes
        return tuple(found)

    @property
    def lists(self) -> tuple[Leaf, ...]:
        """Elements of which there are several."""
        return tuple(leaf for leaf in self.leaves if leaf.parts)


def parts_of(leaf: Leaf, batch: Batch) -> list[Sequence[str]]:
    """The texts of the parts, row by row; of options name and value by turns."""
    values: Sequence[Any] = batch.columns[leaf.source]
    if leaf.parts == "pairs":
        return [[word for pair in options.items() for word in pair] for options in values]
    return [[part for part in value if part] for value in values]


@dataclass(frozen=True, slots=True)
class Written:
    """One product's values: texts in the order of ``Layout.specs``, lists in that of ``Layout.lists``."""

    texts: Sequence[str]
    lists: Sequence[Sequence[str]]

    def cells(self) -> tuple[str, ...]:
        """As a chunk carries them: each list is one cell."""
        return (*self.texts, *(json.dumps(list(parts), ensure_ascii=False) for parts in self.lists))

    @classmethod
    def from_cells(cls, layout: Layout, cells: Sequence[str]) -> Written:
        """What :meth:`cells` gave."""
        split = len(layout.specs)
        return cls(list(cells[:split]), [json.loads(cell) for cell in cells[split:]])


def expected(layout: Layout, written: Written) -> dict[Slot, list[str]]:
    """What a reader must find in the product's element: the texts of each slot, in order."""
    found: dict[Slot, list[str]] = {}
    texts, lists = iter(written.texts), iter(written.lists)
    for spec in layout.attributes:
        if text := next(texts):
            found.setdefault(((), spec.header), []).append(text)
    for leaf in layout.leaves:
        if leaf.parts:
            parts = next(lists)
            values = parts[1::2] if leaf.parts == "pairs" else parts
            found.setdefault((leaf.path, ""), []).extend(values)
            if leaf.parts == "pairs":
                found.setdefault((leaf.path, leaf.key), []).extend(parts[0::2])
            continue
        text = next(texts) if leaf.spec is not None else ""
        attributes = [(spec.header, next(texts)) for spec in leaf.attributes]
        if not text and not leaf.empty:
            continue
        found.setdefault((leaf.path, ""), []).append(text)
        for name, value in attributes:
            if value:
                found.setdefault((leaf.path, name), []).append(value)
    return {slot: values for slot, values in found.items() if values}
