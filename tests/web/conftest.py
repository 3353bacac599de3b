"""A client with a day behind it, made once, and its page with a user of each role."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from argon2 import PasswordHasher
from fastapi.testclient import TestClient
from httpx2 import Response

from pipeline.config.load import load_config
from pipeline.config.model import WebConfig
from pipeline.engine.runtime import Client, RunOptions, run_job
from pipeline.ledger import people
from pipeline.resources import samples
from pipeline.web.app import make_app
from pipeline.web.passwords import Passwords
from pipeline.web.site import Site

CONFIG = """\
client: acme
timezone: Europe/Kyiv
language: en
connections:
  site: {{type: local, path: site}}
  books: {{type: books, url: "sqlite:///books.sqlite3", seed: ["{samples}/products.csv", "{samples}/references.csv"]}}
  shop: {{type: books, url: "sqlite:///shop.sqlite3", seed: ["{samples}/products.csv", "{samples}/references.csv"]}}
log: {{file: null}}
jobs:
  orders:
    watch: true
    every: 10m
    steps:
      - step: import-orders
        inbox: site
        folder: orders
        into: books
        stable: 10ms
        grace: 0s
        client: "0042"
        object: "01"
        user: anna
        executor: petro
  catalogue:
    at: "03:00"
    steps:
      - {{step: export-catalogue, from: books, to: site, folder: goods}}
  stock:
    every: 1h
    steps:
      - {{step: sync-stock, from: books, to: shop, warehouses: {{main: [main], shop: [shop]}}, buffer: 1}}
"""
PASSWORD = "a long enough password"
CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
ROLES = ("viewer", "accountant", "support", "admin")
FILES = ("bad/unknown-product", "bad/totals-disagree", "bad/cut")


def make_client(folder: Path) -> None:
    """A folder with a config, files that came, and what became of them."""
    (folder / "config.yaml").write_text(CONFIG.format(samples=samples().as_posix()), encoding="utf-8")
    inbox = folder / "site" / "orders"
    inbox.mkdir(parents=True)
    (folder / "site" / "goods").mkdir()
    good = sorted(samples().glob("orders/good/*.xml"))[:6]
    for source in (*good, *(samples() / "orders" / f"{name}.xml" for name in FILES)):
        shutil.copyfile(source, inbox / source.name)
    config = load_config(folder / "config.yaml")
    run_job(config, "orders", RunOptions())
    run_job(config, "catalogue", RunOptions())
    run_job(config, "stock", RunOptions())
    passwords = Passwords(CHEAP)
    with Client.open(config) as client, client.ledger.begin() as conn:
        for role in ROLES:
            kept = passwords.hashed(PASSWORD)
            people.keep(conn, "acme", role, role=role, password=kept, now=client.clock.now())


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One worker runs them all, as the client is made once in each."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.xdist_group("web"))


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a client; not to be changed."""
    folder = tmp_path_factory.mktemp("web")
    make_client(folder)
    return folder


@dataclass
class Browser:
    """Somebody at a browser without JavaScript."""

    http: TestClient
    site: Site
    csrf: str = ""

    def get(self, path: str, **more: Any) -> Response:
        return self.http.get(path, follow_redirects=False, **more)

    def post(self, path: str, fields: dict[str, Any] | None = None, **more: Any) -> Response:
        return self.http.post(path, data={"csrf": self.csrf, **(fields or {})}, follow_redirects=False, **more)

    def log_in(self, name: str, password: str = PASSWORD) -> Response:
        self.csrf = secret(self.get("/login").text)
        answer = self.post("/login", {"name": name, "password": password})
        if answer.status_code == 303:
            self.csrf = secret(self.get("/orders").text)
        return answer


def secret(html: str) -> str:
    """The secret of the first form on a page."""
    found = re.search(r'name="csrf" value="([^"]+)"', html)
    assert found, html[:2000]
    return found[1]


@dataclass
class World:
    """One client's folder and its page."""

    folder: Path
    stack: ExitStack
    settings: WebConfig = field(default_factory=WebConfig)
    site: Site = field(init=False)

    def __post_init__(self) -> None:
        client = self.stack.enter_context(Client.open(load_config(self.folder / "config.yaml")))
        self.site = Site(client, self.settings, Passwords(CHEAP))

    def browser(self, name: str = "", *, at: str = "127.0.0.1", https: bool = False) -> Browser:
        app = make_app(self.site)
        base = "https://testserver" if https else "http://testserver"
        made = Browser(self.stack.enter_context(TestClient(app, base, client=(at, 50000))), self.site)
        if name:
            assert made.log_in(name).status_code == 303
        return made

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        import sqlalchemy as sa

        with self.site.client.ledger.read() as conn:
            return [tuple(row) for row in conn.execute(sa.text(query))]


@pytest.fixture(scope="session")
def looked_at(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The finished client's page, for looking only."""
    folder = tmp_path_factory.mktemp("looked") / "copy"
    shutil.copytree(finished, folder)
    with ExitStack() as stack:
        yield World(folder, stack)


@pytest.fixture
def world(finished: Path, tmp_path: Path) -> Iterator[World]:
    """A copy of it to work on."""
    shutil.copytree(finished, tmp_path / "copy")
    with ExitStack() as stack:
        yield World(tmp_path / "copy", stack)


@pytest.fixture
def world_with(finished: Path, tmp_path: Path) -> Iterator[Callable[[WebConfig], World]]:
    """The same with other settings."""
    shutil.copytree(finished, tmp_path / "copy")
    with ExitStack() as stack:
        yield lambda settings: World(tmp_path / "copy", stack, settings)
