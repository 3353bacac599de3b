"""The other side of each line: a plain script as a user would write it. It does the same, with no safety at all.

No sync of its own, no copy kept, no check of what is read, nothing that a second run could go on from.
"""

from __future__ import annotations

import csv
import os
import sqlite3
import sys
from pathlib import Path
from typing import Any

from tests.bench.child import Stopwatch, tell

_NAME = "{urn:mistok:order:1}"
_TABLES = """
CREATE TABLE documents (id INTEGER PRIMARY KEY, order_id TEXT, number TEXT, created TEXT, source TEXT, customer TEXT,
    phone TEXT, email TEXT, city TEXT, branch TEXT, delivery TEXT, payment TEXT, currency TEXT, total TEXT);
CREATE TABLE lines (document INTEGER, position INTEGER, code TEXT, name TEXT, quantity TEXT, unit TEXT, price TEXT,
    tax TEXT);
"""
#: one SELECT with the same columns as the profile `extended`
_CATALOGUE = """
SELECT p.code, replace(c.path, char(31), '/'), uk.name, uk.short_description, uk.description, ru.name,
    ru.short_description, ru.description, price.amount / 1000000.0, old.amount / 1000000.0, s.amount / 1000000.0,
    s.start_at, s.end_at, p.currency, p.tax_rate / 1000000.0,
    (SELECT sum(max(on_hand - reserved, 0)) / 1000000.0 FROM stock WHERE product_id = p.id),
    0, p.unit, p.weight / 1000000.0, p.published, p.manufacturer, p.barcode,
    (SELECT name FROM images WHERE product_id = p.id AND position = 0),
    (SELECT group_concat(name, '|') FROM images WHERE product_id = p.id AND position > 0),
    p.updated_at
FROM products p
LEFT JOIN categories c ON c.id = p.category_id
LEFT JOIN product_texts uk ON uk.product_id = p.id AND uk.language = 'uk-UA'
LEFT JOIN product_texts ru ON ru.product_id = p.id AND ru.language = 'ru-RU'
LEFT JOIN prices price ON price.product_id = p.id AND price.kind = 'retail'
LEFT JOIN prices old ON old.product_id = p.id AND old.kind = 'old'
LEFT JOIN specials s ON s.product_id = p.id AND s.position = 0
WHERE p.parent_id IS NULL AND p.published
ORDER BY p.code
"""
_HEADER = (
    "ean;categories;name_uk-UA;short_description_uk-UA;description_uk-UA;name_ru-RU;short_description_ru-RU;"
    "description_ru-RU;price;old_price;special_price;special_price_start;special_price_end;currency;tax;qty;unlimited;"
    "unit;weight;publish;manufacturer;real_ean;image;images;date_modify"
)


def take_orders(port: int, user: str, key: str, folder: str, work: Path) -> None:
    """get, parse, insert, commit, remove: one file after another."""
    import paramiko
    from lxml import etree

    database = sqlite3.connect(work / "plain.sqlite3")
    database.executescript(_TABLES)
    watch, done = Stopwatch(), 0
    with watch.running():
        client = paramiko.SSHClient()
        client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
        client.connect("127.0.0.1", port, user, key_filename=key, allow_agent=False, look_for_keys=False)
        sftp = client.open_sftp()
        for name in sorted(sftp.listdir(folder)):
            copy = work / name
            sftp.get(f"{folder}/{name}", str(copy))
            for order in etree.parse(str(copy)).getroot():
                _insert(database, _order(order))
                database.commit()
                done += 1
            sftp.remove(f"{folder}/{name}")
        client.close()
    database.close()
    tell(watch, done)


def take_orders_by_ftp(host: str, port: int, user: str, password: str, *, tls: bool, work: Path) -> None:
    """The same with ftplib."""
    import ftplib
    import ssl

    from lxml import etree

    class Tls(ftplib.FTP_TLS):
        def ntransfercmd(self, cmd: str, rest: Any = None) -> Any:
            conn, size = ftplib.FTP.ntransfercmd(self, cmd, rest)
            # as people write it: without the session of the control connection many servers refuse
            return self.context.wrap_socket(conn, server_hostname=self.host, session=self.sock.session), size  # type: ignore[union-attr]

    database = sqlite3.connect(work / "plain.sqlite3")
    database.executescript(_TABLES)
    watch, done = Stopwatch(), 0
    with watch.running():
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        ftp = Tls(context=context) if tls else ftplib.FTP()
        ftp.connect(host, port)
        ftp.login(user, password)
        if isinstance(ftp, Tls):
            ftp.prot_p()
        ftp.cwd("inbox")
        for name in sorted(ftp.nlst()):
            copy = work / name
            with copy.open("wb") as file:
                ftp.retrbinary(f"RETR {name}", file.write)
            for order in etree.parse(str(copy)).getroot():
                _insert(database, _order(order))
                database.commit()
                done += 1
            ftp.delete(name)
        ftp.quit()
    database.close()
    tell(watch, done)


def take_orders_with_care(folder: Path, work: Path) -> None:
    """From a local folder, by somebody who knows of power cuts: a synced copy and a synced commit for each."""
    from lxml import etree

    archive = work / "archive"
    archive.mkdir()
    database = sqlite3.connect(work / "plain.sqlite3")
    database.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;" + _TABLES)
    watch, done = Stopwatch(), 0
    with watch.running():
        for path in sorted(folder.iterdir()):
            data = path.read_bytes()
            partial = archive / f"{path.name}.partial"
            with partial.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            partial.rename(archive / path.name)
            _sync_folder(archive)
            for order in etree.fromstring(data):
                _insert(database, _order(order))
                database.commit()
                done += 1
            path.unlink()
    database.close()
    tell(watch, done)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def decode(folder: Path) -> None:
    """Parse files and pick the values out."""
    from lxml import etree

    watch, done = Stopwatch(), 0
    with watch.running():
        for path in sorted(folder.iterdir()):
            for order in etree.parse(str(path)).getroot():
                done += bool(_order(order))
    tell(watch, done)


def book(folder: Path, work: Path) -> None:
    """Insert the orders of files that are parsed already: one commit an order."""
    from lxml import etree

    orders = [_order(order) for path in sorted(folder.iterdir()) for order in etree.parse(str(path)).getroot()]
    database = sqlite3.connect(work / "plain.sqlite3")
    database.executescript(_TABLES)
    watch = Stopwatch()
    with watch.running():
        for order in orders:
            _insert(database, order)
            database.commit()
    database.close()
    tell(watch, len(orders))


#: the same in three languages and with variants: 30 columns, as `variants: rows` writes them
_CATALOGUE_30 = (
    _CATALOGUE.replace("SELECT p.code,", "SELECT p.code, '', '',")
    .replace("ru.description,", "ru.description, bg.name, bg.short_description, bg.description,")
    .replace(
        "LEFT JOIN prices price",
        "LEFT JOIN product_texts bg ON bg.product_id = p.id AND bg.language = 'bg-BG'\nLEFT JOIN prices price",
    )
)


def write_catalogue(books: Path, target: Path, query: str = _CATALOGUE) -> None:
    """csv.writer over a cursor."""
    watch, done = Stopwatch(), 0
    with watch.running():
        database = sqlite3.connect(books)
        with target.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, delimiter=";", lineterminator="\n")
            writer.writerow(_HEADER.split(";"))
            for row in database.execute(query):
                writer.writerow(row)
                done += 1
    tell(watch, done)


def _order(order: Any) -> tuple[tuple[Any, ...], list[tuple[Any, ...]]]:
    def text(path: str, start: Any = order) -> str:
        return start.findtext("/".join(_NAME + part for part in path.split("/"))) or ""

    customer = f"{text('customer/last-name')} {text('customer/first-name')} {text('customer/middle-name')}"
    head = (
        text("id"),
        text("number"),
        text("created"),
        text("source"),
        customer,
        text("customer/phone"),
        text("customer/email"),
        text("delivery/city"),
        text("delivery/branch-name"),
        text("delivery/cost"),
        text("payment/method"),
        text("currency"),
        text("total"),
    )
    names = ("code", "name", "quantity", "unit", "price", "tax-rate")
    lines = [tuple(text(name, item) for name in names) for item in order.find(f"{_NAME}items")]
    return head, lines


def _insert(database: sqlite3.Connection, order: tuple[tuple[Any, ...], list[tuple[Any, ...]]]) -> None:
    head, lines = order
    made = database.execute(f"INSERT INTO documents VALUES (NULL, {', '.join('?' * len(head))})", head)
    rows = [(made.lastrowid, position, *line) for position, line in enumerate(lines, 1)]
    database.executemany("INSERT INTO lines VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["import", port, user, key, folder, work]:
            take_orders(int(port), user, key, folder, Path(work))
        case ["import-ftp", host, port, user, password, tls, work]:
            take_orders_by_ftp(host, int(port), user, password, tls=bool(tls), work=Path(work))
        case ["careful", folder, work]:
            take_orders_with_care(Path(folder), Path(work))
        case ["decode", folder]:
            decode(Path(folder))
        case ["book", folder, work]:
            book(Path(folder), Path(work))
        case ["export", books, target]:
            write_catalogue(Path(books), Path(target))
        case ["export-30", books, target]:
            write_catalogue(Path(books), Path(target), _CATALOGUE_30)
        case other:
            sys.exit(f"not a line of the bench: {other}")
