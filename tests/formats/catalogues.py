"""A catalogue of a few products with everything that is hard to write, and how a format's file is made and checked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from pipeline.api import Batch, CatalogueFormat, Chunk, Finding, FormatContext, FormatPlugin

CONTEXT = FormatContext(
    client="demo",
    timezone=ZoneInfo("Europe/Kyiv"),
    currency="UAH",
    language="uk-UA",
    now=datetime(2026, 11, 28, tzinfo=UTC),
    file="catalogue",
)
NOVEMBER, DECEMBER = datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC)
PLAIN: dict[str, Any] = {
    "parent": "",
    "name.uk-UA": "Ґрунт",
    "short_description.uk-UA": "",
    "description.uk-UA": "",
    "category": ("Авто", "Ґрунти"),
    "price": Decimal("389.50"),
    "price.cost": None,
    "currency": "UAH",
    "special_price": None,
    "special_start": None,
    "special_end": None,
    "stock": Decimal("24.000"),
    "unit": "шт",
    "tax_rate": Decimal(20),
    "barcode": "4820001000375",
    "manufacturer": "Mobihel",
    "weight": Decimal("1.350"),
    "image": "primer.png",
    "images": (),
    "published": True,
    "updated_at": datetime(2026, 11, 20, tzinfo=UTC),
    "options": {},
}


def row(code: str, **fields: Any) -> dict[str, Any]:
    """A product; ``name`` and ``description`` are those of the client's language."""
    for name in ("name", "description"):
        if name in fields:
            fields[f"{name}.uk-UA"] = fields.pop(name)
    return {**PLAIN, "code": code, **fields}


ROWS = (
    row(
        "0042",
        name='Ґрунт «4+1»; & <лак>, "сірий"',
        description="<p>Опис ]]> з\n двох рядків</p>\t",
        images=("a b.png", "set.jpg"),
        special_price=Decimal(350),
        special_start=NOVEMBER,
        special_end=DECEMBER,
    ),
    row("E-303", name="Емаль", category=("Авто", "Фарби"), price=Decimal(298), stock=Decimal(0), image=""),
    row(
        "E-303-2",
        parent="E-303",
        name="=Емаль, 2 л",
        category=("Авто", "Фарби"),
        price=Decimal(689),
        stock=Decimal("6.5"),
        weight=None,
        options={"Об'єм": "2 л", "Колір & тон": "хакі"},
        updated_at=datetime(2026, 11, 21, tzinfo=UTC),
    ),
    row("ЛК-500", category=(), manufacturer="", barcode="", image="", tax_rate=None),
)


class Made:
    """A file, and what was found in writing and checking it."""

    def __init__(self, chunks: Sequence[Chunk], findings: Sequence[Finding]) -> None:
        self.data = b"".join(chunk.data for chunk in chunks)
        self.codes = [code for chunk in chunks for code in chunk.codes]
        self.chunks = chunks
        self.findings = list(findings)

    @property
    def text(self) -> str:
        return self.data.decode("utf-8")


def settings_of(plugin: FormatPlugin, settings: Mapping[str, Any]) -> Any:
    return plugin.settings.model_validate(settings)


def batches(rows: Sequence[Mapping[str, Any]], fields: Sequence[str], size: int = 2) -> Iterator[Batch]:
    """The rows as a system gives them: only what was asked for."""
    for start in range(0, len(rows), size):
        part = rows[start : start + size]
        yield Batch(len(part), {name: [one[name] for one in part] for name in fields})


def make(
    plugin: FormatPlugin, settings: Mapping[str, Any], rows: Sequence[Mapping[str, Any]] = ROWS, size: int = 2
) -> Made:
    """The file, read back as the engine does. Raises Held."""
    chosen, catalogue = settings_of(plugin, settings), plugin.format
    assert isinstance(catalogue, CatalogueFormat)
    checker = catalogue.checker(chosen, CONTEXT)
    chunks: list[Chunk] = []
    found: list[Finding] = []
    for chunk in catalogue.encode(batches(rows, catalogue.fields(chosen, CONTEXT), size), chosen, CONTEXT):
        chunks.append(chunk)
        found += checker.feed(chunk)
    found += checker.close()
    return Made(chunks, found)


def check(plugin: FormatPlugin, settings: Mapping[str, Any], chunks: Sequence[Chunk]) -> list[str]:
    """What a fresh checker says of these pieces."""
    catalogue = plugin.format
    assert isinstance(catalogue, CatalogueFormat)
    checker = catalogue.checker(settings_of(plugin, settings), CONTEXT)
    found = [finding for chunk in chunks for finding in checker.feed(chunk)]
    return [finding.text.render("en") for finding in (*found, *checker.close())]
