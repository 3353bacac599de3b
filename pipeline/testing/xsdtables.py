"""The reference tables of a format's page, made from its XSD: tests hold the pages fresh by it.

``python -m pipeline.testing.xsdtables`` writes them into docs/order-format*.md of a checkout.
"""

from __future__ import annotations

import re
from pathlib import Path

from pipeline.resources import schemas
from pipeline.xmlio import Schema
from pipeline.xmlio.xsd import Declared

BEGIN, END = "<!-- elements of the schema -->", "<!-- end of elements -->"
_HEADS = {
    "en": ("Element", "Must", "Form", "Example", "Meaning", "yes", "list", "Form", "What may stand there", "Allowed"),
    "uk": (
        "Елемент",
        "Треба",
        "Вигляд",
        "Приклад",
        "Значення",
        "так",
        "список",
        "Вигляд",
        "Що там може стояти",
        "Дозволено",
    ),
}


def tables(schema: Schema, language: str) -> str:
    """Markdown: a table for each element that holds others, then one of the simple forms. ``language``: en or uk."""
    element, must, form, example, meaning, yes, several, form_head, stands, allowed = _HEADS[language]
    parts: list[str] = []
    done: set[str] = set()
    for path, declared in schema.declarations.walk():
        kind = declared.type_name or declared.name
        if not declared.children or kind in done:
            continue
        done.add(kind)
        parts += [f"### `<{declared.name}>`", "", f"`{path}`. {declared.docs.get(language, '')}".rstrip(), ""]
        parts += [f"| {element} | {must} | {form} | {example} | {meaning} |", "|---|---|---|---|---|"]
        for child in declared.children:
            name = f"`<{child.name}>`" + (f" ({several})" if child.many else "")
            shown = f"`{child.example}`" if child.example else ""
            attributes = ", ".join(f'`{attribute}="…"`' for attribute, _ in child.attributes)
            what = " ".join(part for part in (child.docs.get(language, ""), attributes) if part)
            parts.append(f"| {name} | {yes if child.required else ''} | {_form(child)} | {shown} | {what} |")
        parts.append("")
    parts += [f"### {form_head}", "", f"| {form_head} | {stands} | {allowed} |", "|---|---|---|"]
    for name, simple in sorted(schema.declarations.simple_types().items()):
        values = ", ".join(f"`{value}`" for value in simple.allowed)
        parts.append(f"| {name} | {simple.docs.get(language, '')} | {values} |")
    parts += ["| boolean | `true`, `false`, `1`, `0` | |", "| date | `2026-11-23` | |"]
    return "\n".join(parts)


def _form(declared: Declared) -> str:
    return f"`<{declared.name}>` ↓" if declared.children else declared.type_name.removeprefix("xs:")


def put_into(page: str, schema: Schema, language: str) -> str:
    """The page with fresh tables between its marks. Raises ValueError when it has no marks."""
    pattern = re.compile(re.escape(BEGIN) + r".*?" + re.escape(END), re.DOTALL)
    if not pattern.search(page):
        raise ValueError("the page has no marks for the tables")
    fresh = f"{BEGIN}\n\n{tables(schema, language)}\n\n{END}"
    return pattern.sub(lambda _: fresh, page)


def main() -> None:
    """Refresh the pages of this checkout."""
    schema = Schema.load(schemas() / "order.xsd")
    for name, language in (("order-format.md", "en"), ("order-format.uk.md", "uk")):
        page = Path(__file__).parents[2] / "docs" / name
        page.write_text(put_into(page.read_text(encoding="utf-8"), schema, language), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
