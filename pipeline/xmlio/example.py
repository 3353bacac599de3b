"""A right example of an element, made from what its schema declares: what must be there, with the schema's examples."""

from __future__ import annotations

import re

from pipeline.xmlio.xsd import Declarations, Declared

_SHOWN = 4  #: elements of one that need none: so many say how it is meant
_DEEP = 8  #: elements inside one another; a type that holds itself ends there


def find_declared(declarations: Declarations, path: str) -> Declared | None:
    """The declaration at ``orders/order[2]/items/item[1]/price``; None where the schema has none."""
    names = [re.sub(r"\[\d+\]$", "", step) for step in path.strip("/").split("/")]
    found = declarations.roots.get(names[0])
    for name in names[1:]:
        found = next((child for child in found.children if child.name == name), None) if found else None
    return found


def example_of(declared: Declared) -> str:
    """The element as it is rightly written, by lines of two blanks for each depth, without a namespace."""
    return "\n".join(_lines(declared, 0))


def _lines(declared: Declared, depth: int) -> list[str]:
    indent = "  " * depth
    attributes = "".join(f' {name}="…"' for name, required in declared.attributes if required)
    if not declared.children:
        from html import escape  # half a MiB, for letters to sites alone

        value = escape(declared.example or (declared.allowed[0] if declared.allowed else "…"), quote=False)
        return [f"{indent}<{declared.name}{attributes}>{value}</{declared.name}>"]
    inner = [child for child in declared.children if child.required]
    if not inner:
        inner = [child for child in declared.children if child.example and not child.children][:_SHOWN]
        inner = inner or list(declared.children[:1])
    if depth >= _DEEP or not inner:
        return [f"{indent}<{declared.name}{attributes}/>"]
    lines = [f"{indent}<{declared.name}{attributes}>"]
    for child in inner:
        lines += _lines(child, depth + 1)
    return [*lines, f"{indent}</{declared.name}>"]
