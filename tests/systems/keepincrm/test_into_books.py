"""The life of an agreement of KeepinCRM in the books: confirmed, sent, won, lost, returned."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from pipeline.testing.fakehttp import FakeServer
from plugins.systems.keepincrm.fake import TOKEN, FakeKeepin
from tests.systems.into_books import IntoBooks

RULES = {
    "Нове": "nothing", "Підтверджено": "order", "Відправлено": ["order", "ship"], "Скасовано": "cancel",
    "Повернено": ["return", "cancel"],
}  # fmt: skip
#: Stock is counted in the books alone.
MORE = {"back": {"number": True}, "compare_stock": "off"}


@pytest.fixture
def account() -> Iterator[tuple[FakeKeepin, str]]:
    fake = FakeKeepin()
    with FakeServer(fake) as server:
        yield fake, server.url


def test_an_agreement_lives_in_the_books_as_it_lives_in_the_crm(
    account: tuple[FakeKeepin, str], tmp_path: Path
) -> None:
    fake, url = account
    fake.add_material("0042", "Ґрунт", price=Decimal("389.50"))
    funnel = fake.add_named("funnels", "Продажі")
    stages = {name: fake.add_stage(name, funnel) for name in RULES}
    client = fake.add_client("Шевченко Олена", person="Шевченко Олена", phones=["+380501112233"])
    source: dict[str, Any] = {
        "type": "keepincrm", "url": f"{url}/v1", "token": "${env:KEEPIN}", "pace": 50, "per_minute": None,
        "orders": {"stages": stages, "statuses": {"Скасовано": "cancelled", "Повернено": "refunded"}},
    }  # fmt: skip
    books = IntoBooks(tmp_path, source, RULES, ["0042"], MORE, {"KEEPIN": TOKEN})
    ordered = datetime.now(UTC).isoformat()

    def sell(stage: str) -> int:
        job = {"sku": "0042", "title": "Ґрунт", "amount": 2, "price": Decimal("389.50")}
        links = {"client_id": client, "stage_id": stages[stage], "ordered_at": ordered}
        return int(fake.add_agreement("Замовлення", [job], **links))

    def move(number: int, stage: str) -> None:
        with fake.lock:
            fake.account.tables["agreements"][number]["stage_id"] = stages[stage]

    first, sent = sell("Нове"), sell("Відправлено")
    counts = books.run()
    assert (counts["created"], counts["shipped"], counts["nothing"]) == (1, 1, 1)
    assert books.documents() == {str(sent): Decimal("779.00")}
    assert [row[0] for row in books.sql("SELECT phone FROM parties")] == ["+380501112233"]
    move(first, "Підтверджено")
    counts = books.run()
    assert (counts["created"], "shipped" in counts) == (1, False)
    assert books.stock("0042") == 48
    move(first, "Скасовано")
    move(sent, "Повернено")
    counts = books.run()
    assert (counts["returned"], counts["cancelled"]) == (1, 2)
    assert books.stock("0042") == 50
    assert len(books.documents()) == 2
    assert books.cards() == []
    assert not {"created", "shipped", "returned", "cancelled", "told"} & set(books.run())
