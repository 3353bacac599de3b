"""The made-up client of a selftest: the real connection, and everything else thrown away afterwards.

Orders, products and references are of our own making; the documents go to books in a temporary folder, and so do the
ledger and the archive. Of the client's own config the connection is used, and how its inbox takes files: what happens
to them afterwards, the marker, and the parameters of the format.
"""

from __future__ import annotations

import csv
import io
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from pipeline.config.alerts import AlertsConfig
from pipeline.config.model import (
    ArchiveConfig,
    ClientConfig,
    ConnectionSpec,
    JobConfig,
    LedgerConfig,
    StepSpec,
)
from pipeline.engine.selftest.folder import join
from pipeline.errors import MistokError
from pipeline.flow import InboundSettings, Move
from pipeline.ports import FormatContext, OrderFormat
from pipeline.registry import Registry
from pipeline.settings import Settings

BOOKS, IMAGES = "selftest-books", "selftest-images"
ORDERS_JOB, CATALOGUE_JOB = "selftest-orders", "selftest-catalogue"
CATALOGUE, MARKER = "catalogue.csv", "catalogue.ok"
_FORMAT = "order-xml"
_NAMESPACE = "urn:mistok:order:1"
_MOMENT = datetime(2026, 11, 22, 12, 0)  # noqa: DTZ001 - the client's zone is put on it
#: code, name, unit, price: letters, signs and digits of all the kinds that real articles have
_PRODUCTS = (
    ("ST-0042", "Ґрунт акриловий 4+1, 0,8 л", "шт", Decimal("389.50")),
    ("ST 19/50", "Стрічка малярна «19 мм»", "шт", Decimal("48.60")),
    ("ЛК-500", "Лак глянцевий, 500 мл", "шт", Decimal("215.30")),
    ("0043", "Шпаклівка; зі скловолокном", "кг", Decimal("241.00")),
    ("ST-GIFT", "Подарунок", "шт", Decimal("1.00")),
)
_NAMES = (("Шевченко", "Олена"), ("Ґудзь", "Їжак"), ("О'Ніл", "Анна-Марія"))


@dataclass(frozen=True, slots=True)
class Trial:
    """Where a selftest works. Plain values: they cross processes."""

    connection: str
    folder: str  #: on the server, of our own
    temp: str  #: on this machine: books, ledger, archive, products
    shelf: int = 0  #: which of the catalogues is published
    batch: int = 2


def throw_away(config: ClientConfig, registry: Registry, trial: Trial) -> ClientConfig:
    """The client with its real connection, and all else in ``trial.temp``. Nothing is opened and nothing is made."""
    temp = Path(trial.temp)
    books, steps = registry.systems["books"], registry.steps
    seed = [temp / f"products-{trial.shelf}.csv", temp / "references.csv"]
    url = f"sqlite:///{(temp / f'books-{trial.shelf}.sqlite3').as_posix()}"
    connections = {
        trial.connection: config.connections[trial.connection],
        BOOKS: ConnectionSpec(
            type="books", kind="system", params=books.settings.model_validate({"url": url, "seed": seed})
        ),
        IMAGES: ConnectionSpec(type="local", kind="transport", params=_local(temp / "images")),
    }
    orders = steps["import-orders"].settings.model_validate(_inbound(config, trial))
    catalogue = steps["export-catalogue"].settings.model_validate(_outbound(trial))
    jobs = {
        ORDERS_JOB: JobConfig(
            steps=(StepSpec(step="import-orders", params=orders, format_params=order_format(config, registry, trial)),)
        ),
        CATALOGUE_JOB: JobConfig(
            steps=(
                StepSpec(
                    step="export-catalogue",
                    params=catalogue,
                    format_params=registry.formats["joomshopping-csv"].settings(),
                ),
            )
        ),
    }
    return config.model_copy(
        update={
            "connections": connections,
            "jobs": jobs,
            "alerts": AlertsConfig(),
            "archive": ArchiveConfig(path=temp / "archive"),
            "ledger": LedgerConfig(url=f"sqlite:///{(temp / 'ledger.sqlite3').as_posix()}"),
            "config_hash": f"selftest-{config.config_hash}",
        }
    )


def inbox_of(config: ClientConfig, connection: str) -> tuple[str, StepSpec] | None:
    """The first job and step of the client that takes files from the connection."""
    for name, job in config.jobs.items():
        for step in job.steps:
            if isinstance(step.params, InboundSettings) and step.params.inbox == connection:
                return name, step
    return None


def order_format(config: ClientConfig, registry: Registry, trial: Trial) -> Settings:
    """The parameters of the client's own order-xml, when made-up orders can be read by them; else the plain ones."""
    plugin = registry.formats[_FORMAT]
    found = inbox_of(config, trial.connection)
    if found is None or not isinstance(found[1].params, InboundSettings) or found[1].params.format.type != _FORMAT:
        return plugin.settings()
    own = found[1].format_params or plugin.settings()
    assert isinstance(plugin.format, OrderFormat)
    context = FormatContext(
        client=config.client,
        timezone=config.zone,
        currency=config.currency,
        language=config.catalogue_language,
        now=_MOMENT.replace(tzinfo=config.zone),
        base=config.base,
    )
    try:
        decoded = plugin.format.decode(order_file(1, config.currency), own, context)
    except MistokError:
        return plugin.settings()  # a schema of the client's own, that our orders do not follow
    return own if all(one.order is not None for one in decoded.orders) else plugin.settings()


def _inbound(config: ClientConfig, trial: Trial) -> dict[str, Any]:
    found = inbox_of(config, trial.connection)
    own = found[1].params if found else None
    after: Any = "delete"
    marker: Any = None
    if isinstance(own, InboundSettings):
        after = {"move": join(trial.folder, "taken")} if isinstance(own.after, Move) else own.after
        marker = own.marker.model_dump() if own.marker else None
    return {
        "inbox": trial.connection,
        "folder": join(trial.folder, "orders"),
        "into": BOOKS,
        "stable": "50ms",  # they are put there whole, by a rename
        "grace": "0s",
        "marker": marker,
        "after": after,
        "batch": trial.batch,
        "format": _FORMAT,
        "client": "selftest-buyer",
        "object": "selftest-shop",
        "user": "selftest-user",
        "executor": "selftest-executor",
    }


def _outbound(trial: Trial) -> dict[str, Any]:
    goods = join(trial.folder, "goods")
    return {
        "from": BOOKS,
        "to": trial.connection,
        "folder": goods,
        "name": CATALOGUE,
        "marker": MARKER,
        "format": "joomshopping-csv",
        "images": {"from": IMAGES, "to": join(goods, "images")},
        "max_shrink": 100,
    }


def _local(path: Path) -> Settings:
    from pipeline.transports import TRANSPORTS

    return TRANSPORTS["local"].model_validate({"path": path})


# --- files -----------------------------------------------------------------------------------------------------------


def prepare(temp: Path, currency: str) -> None:
    """The products and references of the throw-away books, and the images of the catalogue."""
    (temp / "images").mkdir()
    references = [("kind", "code", "name")]
    references += [
        ("party", "selftest-buyer", "Selftest: buyer"),
        ("object", "selftest-shop", "Selftest: shop"),
        ("user", "selftest-user", "Selftest: user"),
        ("executor", "selftest-executor", "Selftest: executor"),
        ("warehouse", "main", "Selftest: warehouse"),
        ("currency", currency, currency),
    ]
    _table(temp / "references.csv", references)
    stock_shelf(temp, 0, currency)


def stock_shelf(temp: Path, shelf: int, currency: str) -> None:
    """Another catalogue: the same products at other prices, and one image that has changed."""
    rows = [
        ("code", "name_uk-UA", "category", "unit", "price", "currency", "tax_rate", "stock:main", "image", "published")
    ]
    rows += [
        (
            code,
            name,
            "Самоперевірка",
            unit,
            str(price + shelf),
            currency,
            "20",
            "1000000",
            f"selftest-{number}.png",
            "1",
        )
        for number, (code, name, unit, price) in enumerate(_PRODUCTS)
    ]
    _table(temp / f"products-{shelf}.csv", rows)
    for number in range(len(_PRODUCTS)):
        path = temp / "images" / f"selftest-{number}.png"
        if number == 0 or not path.exists():
            path.write_bytes(_png(shelf))


def _table(path: Path, rows: list[Any]) -> None:
    text = io.StringIO()
    csv.writer(text, delimiter=";", lineterminator="\n").writerows(rows)
    path.write_text(text.getvalue(), encoding="utf-8")


def _png(number: int) -> bytes:
    """A picture of one dot, another one for each number."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    dot = zlib.compress(bytes((0, number % 256, number // 256 % 256, 7)))
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0))
        + chunk(b"IDAT", dot)
        + chunk(b"IEND", b"")
    )


def order_id(number: int) -> str:
    """The id of a made-up order."""
    return f"ST{number:06d}"


def order_name(number: int) -> str:
    """The name of its file."""
    return f"selftest-{number:06d}.xml"


def order_file(number: int, currency: str) -> bytes:
    """A file with one made-up order, whose parts make its total."""
    lines = [_PRODUCTS[(number + place) % len(_PRODUCTS)] for place in range(1 + number % 3)]
    total = Decimal("70.00")
    items = ""
    for place, (code, name, unit, price) in enumerate(lines, 1):
        total += price * place
        items += (
            f"      <item><code>{code}</code><name>{name}</name><quantity>{place}</quantity>"
            f"<unit>{unit}</unit><price>{price}</price></item>\n"
        )
    last, first = _NAMES[number % len(_NAMES)]
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<orders xmlns="{_NAMESPACE}" generator="mistok selftest">\n'
        f"  <order>\n    <id>{order_id(number)}</id>\n    <number>{order_id(number)}</number>\n"
        f"    <created>{_MOMENT:%Y-%m-%d %H:%M:%S}</created>\n    <source>mistok-selftest</source>\n"
        f"    <customer><last-name>{last}</last-name><first-name>{first}</first-name></customer>\n"
        f"    <delivery><cost>70.00</cost></delivery>\n    <items>\n{items}    </items>\n"
        f"    <currency>{currency}</currency>\n    <total>{total}</total>\n"
        f"    <comment>Made up by mistok selftest. Not an order.</comment>\n  </order>\n</orders>\n"
    ).encode()


def made_up_orders(first: int, count: int, currency: str) -> Mapping[str, bytes]:
    """Files of made-up orders by name, with the numbers from ``first`` on."""
    return {order_name(number): order_file(number, currency) for number in range(first, first + count)}
