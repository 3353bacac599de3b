"""Every version and encoding of CommerceML 2, packed and in parts: orders out and in, and what became of them."""

from __future__ import annotations

import io
import zipfile
from decimal import Decimal
from pathlib import Path
from typing import Literal

import pytest

from pipeline.testing.documents_contract import drafts_of, order
from plugins.commerceml.order_out import VERSIONS
from plugins.systems.commerceml.fake import Quirks, Thing
from plugins.systems.commerceml.system import ToShop
from tests.systems.commerceml.desk import Desk
from tests.systems.commerceml.world import PRICES, Accounting, World

CODES = ("A-1", "A-2", "A-3")
#: By turns packed and in parts: each encoding in both ways.
FORMS = [
    (version, encoding, ("parts", "zip")[(n + m) % 2])
    for n, version in enumerate(VERSIONS)
    for m, encoding in enumerate(("windows-1251", "utf-8"))
]


def packed(name: str, data: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, data)
    return stream.getvalue()


@pytest.mark.parametrize(("version", "encoding", "way"), FORMS)
def test_orders_go_out_and_what_became_of_them_comes_in(
    tmp_path: Path, version: str, encoding: Literal["utf-8", "windows-1251"], way: str
) -> None:
    quirks = Quirks(version=version, encoding=encoding)
    world = Accounting(tmp_path, quirks, http=True, version=version, encoding=encoding)
    for n, code in enumerate(CODES, 1):
        world.fake.things[f"g{n}"] = Thing(f"g{n}", article=code, name=f"Товар {n} «ґ»", prices={"pr1": Decimal(n)})
    world.export()
    accounting = world.accounting()
    outcomes = accounting.create(drafts_of(accounting, [order(n, CODES) for n in (1, 2)]))
    assert [outcome.error for outcome in outcomes] == [None, None]
    desk = Desk(world)
    try:
        desk.login("sale")
        body = desk.answer("sale", "query").body
        head = body.decode("cp1251" if encoding == "windows-1251" else "utf-8")[:400]
        assert f'ВерсияСхемы="{version}"' in head
        assert f'encoding="{encoding.upper() if encoding == "utf-8" else encoding}"' in head
        assert ("xmlns=" in head) == (version >= "2.07")
        assert orders_of(tmp_path, body, way) == {"shop-1": Decimal("969.80"), "shop-2": Decimal("969.80")}
        told = {"Статус заказа": "Відвантажено «ґ»", "Номер по 1С": "ФР-42", "Комментарий": "ж" * 5000}
        states = world.fake.states_xml({"shop-1": told})
        name, data = ("orders.xml", states) if way == "parts" else ("orders.zip", packed("orders.xml", states))
        assert len(states) > 3000, "it comes in several parts"
        assert desk.send(name, data, "sale") == "success\n"
        assert desk.ask("sale", "success") == "success\n"
    finally:
        desk.exchange.close()
    (seen,) = world.accounting().orders()
    assert (seen.id, seen.number, seen.status) == ("1", "ФР-42", "Відвантажено «ґ»")
    assert seen.order is not None
    assert seen.order.extra["Комментарий"] == "ж" * 5000


def orders_of(base: Path, body: bytes, way: str) -> dict[str, Decimal]:
    """A shop's file as we take it, being the accounting program, from a folder."""
    (base / "taken").mkdir()
    files = {"on": "site", "take": "from-shop", "put": "to-shop"}
    shop = World(base / "taken", role="accounting", files=files, prices=PRICES)
    folder = base / "taken" / "site" / "from-shop"
    folder.mkdir(parents=True)
    (base / "taken" / "site" / "to-shop").mkdir()
    name, data = ("orders.xml", body) if way == "parts" else ("orders.zip", packed("orders.xml", body))
    (folder / name).write_bytes(data)
    session = shop.open()
    assert isinstance(session, ToShop)
    seen = list(session.orders())
    assert session.noticed() == []
    assert {one.order.customer.title for one in seen if one.order} == {"Шевченко Олена"}
    return {one.id: one.order.total for one in seen if one.order}
