"""A client in a folder: local inbox, books with the sample products, no popups."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from pipeline.config.load import load_config
from pipeline.config.model import ClientConfig
from pipeline.engine.runtime import Client, RunOptions, RunReport, run_job
from pipeline.resources import samples

CONFIG = """\
client: acme
timezone: Europe/Kyiv
language: en
connections:
  site: {site}
  books: {{type: books, url: "{books}", seed: ["{samples}/products.csv", "{samples}/references.csv"]}}
ledger: {{url: "{ledger}"}}
log: {{file: null}}
jobs:
  orders:
    steps:
      - step: {step}
        inbox: site
        folder: orders
        into: books
        stable: 10ms
        client: "0042"
        object: "01"
        user: anna
        executor: petro
{more}
  catalogue:
    steps:
      - {{step: export-catalogue, from: books, to: site, folder: goods}}
"""


@dataclass
class Shop:
    """The client's folder and the shop's side of it."""

    folder: Path
    more: dict[str, str] = field(default_factory=dict)
    site: str = "{type: local, path: site}"
    step: str = "import-orders"
    books: str = "sqlite:///books.sqlite3"
    ledger: str = "sqlite:///ledger.sqlite3"

    @property
    def inbox(self) -> Path:
        return self.folder / "site" / "orders"

    def config(self) -> ClientConfig:
        text = CONFIG.format(
            samples=samples().as_posix(),
            site=self.site,
            step=self.step,
            books=self.books,
            ledger=self.ledger,
            more="".join(f"        {key}: {value}\n" for key, value in ({"grace": "0s"} | self.more).items()),
        )
        path = self.folder / "config.yaml"
        path.write_text(text, encoding="utf-8")
        return load_config(path)

    def run(self, job: str = "orders", **options: Any) -> RunReport:
        return run_job(self.config(), job, RunOptions(**options))

    def drop(self, name: str, to: str | None = None) -> Path:
        """A sample order file dropped into the inbox, as a site would."""
        source = next(samples().glob(f"orders/*/{name}.xml"))
        target = self.inbox / (to or source.name)
        target.write_bytes(source.read_bytes())
        return target

    def load(self, path: Path) -> None:
        """Load a table into the books, as a person would."""
        import subprocess
        import sys

        self.config()
        command = [sys.executable, "-c", "from pipeline.cli import main; main()"]
        subprocess.run([*command, "-c", str(self.folder / "config.yaml"), "books", "load", str(path)], check=True)

    def ledger_rows(self, query: str) -> list[Any]:
        with Client.open(self.config()) as client, client.ledger.read() as conn:
            return [tuple(row) for row in conn.execute(sa.text(query))]

    def documents(self) -> list[str]:
        """Order ids of the documents in the books, by a query of our own."""
        path = self.folder / "books.sqlite3"
        if self.books.startswith("sqlite"):
            engine = sa.create_engine(f"sqlite:///{path}")
        else:
            engine = sa.create_engine(self.books)
        if not sa.inspect(engine).has_table("documents"):  # nothing was ever booked
            engine.dispose()
            return []
        with engine.connect() as conn:
            rows = [row[0] for row in conn.execute(sa.text("SELECT order_id FROM documents ORDER BY 1"))]
        engine.dispose()
        return rows


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """A shop with an empty inbox."""
    made = Shop(tmp_path)
    made.inbox.mkdir(parents=True)
    (made.folder / "site" / "goods").mkdir()
    return made
