"""Books of very many products, written by SQL alone: a million in about two minutes."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from tests.bench import made

LANGUAGES = ("uk-UA", "ru-RU", "bg-BG")
CONFIG = """\
client: bench
timezone: Europe/Kyiv
language: en
connections:
  out: {{type: local, path: out, create: true}}
  books: {{type: books, url: "sqlite:///{books}"}}
log: {{file: null}}
jobs:
  catalogue:
    steps:
      - step: export-catalogue
        from: books
        to: out
        format: {{type: joomshopping-csv, profile: extended, variants: rows, languages: [{languages}]}}
"""
_FILL = """
BEGIN;
INSERT INTO warehouses (id, code, name) VALUES (1, 'main', ''), (2, 'shop', '');
INSERT INTO categories (id, parent_id, name, path) VALUES (1, NULL, 'Фарби', 'Фарби');
WITH RECURSIVE g(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM g WHERE n < 39)
INSERT INTO categories SELECT 2 + n, 1, 'Група ' || n, 'Фарби' || char(31) || 'Група ' || n FROM g;
CREATE TEMP TABLE g AS
    WITH RECURSIVE g(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM g WHERE n < {last}) SELECT n FROM g;
CREATE TEMP TABLE l (language, word);
INSERT INTO l VALUES ('uk-UA', 'Ґрунт акриловий'), ('ru-RU', 'Грунт акриловый'), ('bg-BG', 'Акрилен грунд');
INSERT INTO products (id, code, normal, category_id, unit, currency, tax_rate, barcode, manufacturer, weight,
    published, service, content, updated_at)
    SELECT n + 1, printf('F-%07d', n), printf('f-%07d', n), 2 + n % 40, 'шт', 'UAH', 20000000,
    '' || (4820001000000 + n), 'Novol', 1350000, 1, 0, '', '2026-11-20 09:00:00.000000' FROM g;
INSERT INTO product_texts (product_id, language, name, short_description, description)
    SELECT n + 1, language, word || ' ' || n || ', 0,8 л', word || ': швидко сохне; для кузова',
    '<p>' || word || ' 4+1 для ремонту.</p><ul><li>Залишок: 62&nbsp;%</li><li>Висихання при 20&nbsp;°C: '
    || '"3&nbsp;год"</li></ul><p>Артикул ' || n || '.</p>' FROM g, l;
INSERT INTO prices SELECT n + 1, kind, (1990 + n % 1000 * 5) * 10000 + more
    FROM g, (SELECT 'retail' AS kind, 0 AS more UNION ALL SELECT 'old', 10000000);
INSERT INTO specials SELECT n + 1, 0, (1990 + n % 1000 * 5) * 10000 - 1000000, '2026-11-20 09:00:00.000000',
    '2027-11-20 09:00:00.000000' FROM g WHERE n % 10 = 0;
INSERT INTO images SELECT n + 1, place, 'f-' || n || '-' || place || '.jpg'
    FROM g, (SELECT 0 AS place UNION ALL SELECT 1 UNION ALL SELECT 2);
INSERT INTO stock (product_id, warehouse_id, on_hand, reserved)
    SELECT n + 1, warehouse, (5 + n % 9) * 1000000, 1000000
    FROM g, (SELECT 1 AS warehouse UNION ALL SELECT 2);
COMMIT;
"""


def fill(folder: Path, count: int) -> None:
    """Books with so many products as tests/bench/made.py has them, and a third language: 30 columns."""
    folder.mkdir(parents=True)
    books = made.open_books(folder)
    books.make_ready()
    books.close()
    database = sqlite3.connect(folder / "books.sqlite3", isolation_level=None)
    for pragma in ("synchronous = OFF", "journal_mode = MEMORY", "foreign_keys = OFF", "cache_size = -400000"):
        database.execute(f"PRAGMA {pragma}")
    database.executescript(_FILL.format(last=count - 1))
    database.execute("PRAGMA journal_mode = WAL")
    database.close()


def raise_a_price(books: Path, product: int) -> None:
    """The catalogue has changed since the last export."""
    database = sqlite3.connect(books, isolation_level=None)
    database.execute("UPDATE prices SET amount = amount + 10000 WHERE product_id = ? AND kind = 'retail'", (product,))
    database.close()


def write_client(folder: Path, books: Path) -> Path:
    """A client's folder, with a ledger of its own, whose books lie elsewhere."""
    folder.mkdir(parents=True)
    config = folder / "config.yaml"
    words = CONFIG.format(books=books.as_posix(), languages=", ".join(LANGUAGES))
    config.write_text(words, encoding="utf-8")
    made.make_ledger(config)
    return config
