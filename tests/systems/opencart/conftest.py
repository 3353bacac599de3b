"""Shops of both versions: templates made once, a copy for each test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.servers.mariadb import MariaDb
from tests.systems.opencart import shops
from tests.systems.opencart.shops import Shop

Templates = Callable[[str, bool], Shop]


@pytest.fixture(scope="session")
def templates(mariadb_server: MariaDb) -> Iterator[Templates]:
    """``templates(version, goods)``: a shop to be copied, never to be changed."""
    made: dict[tuple[str, bool], Shop] = {}

    def get(version: str, goods: bool) -> Shop:
        if (version, goods) not in made:
            made[version, goods] = shops.make(mariadb_server, version, goods=goods)
        return made[version, goods]

    yield get
    for shop in made.values():
        shop.close()


@pytest.fixture(params=shops.VERSIONS)
def version(request: pytest.FixtureRequest) -> str:
    """Each version of OpenCart in turn."""
    return str(request.param)


@pytest.fixture(scope="session")
def _spare() -> Iterator[dict[tuple[str, bool], list[Shop]]]:
    """Copies that no test uses just now."""
    spare: dict[tuple[str, bool], list[Shop]] = {}
    yield spare
    for made in spare.values():
        for shop in made:
            shop.close()


@pytest.fixture
def copied(
    mariadb_server: MariaDb, templates: Templates, _spare: dict[tuple[str, bool], list[Shop]], tmp_path: Path
) -> Iterator[Callable[[str, bool], Shop]]:
    """``copied(version, goods)``: a shop of this test alone, which may do with it what it likes."""
    made: list[tuple[tuple[str, bool], Shop]] = []

    def get(version: str, goods: bool) -> Shop:
        free = _spare.setdefault((version, goods), [])
        shop = free.pop() if free else shops.fresh(mariadb_server, templates(version, goods))
        shop.base = tmp_path
        made.append(((version, goods), shop))
        return shop

    yield get
    for key, shop in made:
        shops.reset(shop, templates(*key))
        _spare[key].append(shop)


@pytest.fixture
def demo_shop(copied: Callable[[str, bool], Shop], version: str) -> Shop:
    """The demo shop, in each version."""
    return copied(version, True)


@pytest.fixture
def bare_shop(copied: Callable[[str, bool], Shop], version: str) -> Shop:
    """A shop without goods, in each version."""
    return copied(version, False)
