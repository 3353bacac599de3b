"""samples/site-tryton as it stands: XML orders on a real SSH server become sales of a real Tryton.

Every sale is looked up afterwards by programs that are not this one: plain SQL in Tryton's database, and proteus.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from pipeline.resources import samples
from tests.conftest import Servers
from tests.e2e.command import Said, here
from tests.servers.common import Server
from tests.servers.tryton import NAME, TrytonServer

pytestmark = [pytest.mark.server("tryton"), pytest.mark.server("sshd"), pytest.mark.xdist_group("tryton")]
SALES = """
    select s.reference, s.number, s.state, s.description, p.name
    from sale_sale s join party_party p on p.id = s.party order by s.reference
"""
LINES = """
    select s.reference, coalesce(p.code, '-'), l.quantity, l.unit_price, t.name
    from sale_line l join sale_sale s on s.id = l.sale left join product_product p on p.id = l.product
    left join "sale_line-account_tax" lt on lt.line = l.id left join account_tax t on t.id = lt.tax
    order by s.reference, l.id
"""


@dataclass
class Client:
    """The client's folder, the folder of the site on the SSH server, and Tryton as other programs see it."""

    folder: Path
    inbox: Path
    site: Server
    erp: TrytonServer
    env: dict[str, str]

    def run(self, *words: object, code: int | None = 0) -> Said:
        """``mistok …`` with the config of the sample."""
        said = here("-c", self.folder / "config.yaml", "--language", "en", *words, env=self.env)
        assert code is None or said.code == code, said.all
        return said

    def put(self, *names: str) -> None:
        """The site writes its orders."""
        for name in names:
            target = self.inbox / name
            shutil.copyfile(self.folder / "orders" / name, target)
            if self.site.owner:
                self.site.owner.own(target)

    def counts(self, code: int | None = 0) -> dict[str, int]:
        """One run of the job: what was done, by count."""
        counts: dict[str, int] = self.run("run", "orders", "--json", code=code).json()["counts"]
        return counts


@pytest.fixture
def client(servers: Servers, tryton_server: TrytonServer, tmp_path: Path) -> Iterator[Client]:
    site = servers.get("sshd")
    tryton_server.restore()
    name = f"t{hashlib.sha256(str(tmp_path).encode()).hexdigest()[:10]}"
    inbox = site.fresh(name)
    folder = tmp_path / "client"
    shutil.copytree(samples() / "site-tryton", folder)
    env = {
        "SITE_HOST": site.host, "SITE_PORT": str(site.port), "SITE_USER": site.user, "SITE_PASSWORD": site.password,
        "SITE_FOLDER": name, "TRYTON_URL": tryton_server.url, "TRYTON_DATABASE": NAME,
        "TRYTON_USER": tryton_server.user, "TRYTON_PASSWORD": tryton_server.password,
    }  # fmt: skip
    one = Client(folder, inbox, site, tryton_server, env)
    one.run("trust", "site", "--yes")
    yield one
    shutil.rmtree(inbox, ignore_errors=True)


@pytest.mark.full
def test_orders_of_a_site_become_sales_of_a_real_tryton(client: Client) -> None:
    told = client.run("check", "--connect").all
    assert "Tryton does not cancel a sale that is being processed" in " ".join(told.split())
    client.put("order-3001.xml", "order-3002.xml", "orders-3003.xml", "order-3005.xml")
    counts = client.counts(None)
    assert (counts["created"], counts["held"]) == (4, 1)

    # --- by plain SQL: which sales, of whom, and their lines with their taxes
    sales = client.erp.rows(SALES)
    key = "site-tryton/farbashop.example"
    assert [(row[0], row[2], row[4]) for row in sales] == [
        (f"{key}/3001", "quotation", "Шевченко Олена Петрівна"),
        (f"{key}/3002", "quotation", "ТОВ «Інтеріор»"),
        (f"{key}/3003", "quotation", "Шевченко Олена Петрівна"),
        (f"{key}/3004", "quotation", "Коваленко Ігор Степанович"),
    ]
    assert len({row[1] for row in sales if row[1]}) == 4, "each has a number of its own"
    lines = client.erp.rows(LINES)
    assert {row[4] for row in lines if row[1] != "-"} == {"ПДВ 20 %"}
    assert [(bytes(row[3]), row[4]) for row in lines if row[1] == "-"] == [(b"0.01", None)], (
        "99.99 is 99.98 or 100.00 there"
    )
    quantities: dict[str, dict[str, Decimal]] = {}
    for reference, code, quantity, *_ in lines:
        order = quantities.setdefault(reference.rpartition("/")[2], {})
        order[code] = order.get(code, Decimal(0)) + Decimal(str(quantity))
    assert quantities == {
        "3001": {"COF-1": 3, "TEA-1": 2, "DELIVERY": 1},
        "3002": {"TEA-1": 1000},
        "3003": {"GIFT-1": 1, "-": 1},
        "3004": {"COF-1": 1},
    }
    identified = (
        "select i.code from party_identifier i join party_party p on p.id = i.party where p.name like '%Інтеріор%'"
    )
    assert client.erp.one(identified) == "14360570"

    # --- by proteus: what Tryton itself reckons
    shown = {sale.reference.rpartition("/")[2]: sale for sale in client.erp.model("sale.sale").find([])}
    assert {number: (sale.total_amount, sale.untaxed_amount + sale.tax_amount) for number, sale in shown.items()} == {
        "3001": (Decimal("770.00"), Decimal("770.00")),
        "3002": (Decimal("1000.00"), Decimal("1000.00")),
        "3003": (Decimal("99.99"), Decimal("99.99")),
        "3004": (Decimal("189.90"), Decimal("189.90")),
    }
    assert "00003001" in shown["3001"].description
    assert "Вінниця" in shown["3001"].comment

    # --- a second run, and the same files once more, make nothing; the fifth order waits for a person
    assert not client.counts(None).get("created")
    client.put("order-3001.xml", "orders-3003.xml")
    client.counts(None)
    assert client.erp.rows(SALES) == sales
    assert sorted(path.name for path in client.inbox.iterdir()) == []
    assert "NEW-9" in client.run("cards").all
    everything(client, sales)


def everything(client: Client, sales: list[tuple[Any, ...]]) -> None:
    """What was made is what the orders of the program's own list say."""
    listed = client.run("orders", "--json").json()
    assert sorted(row["state"] for row in listed) == ["created"] * 4 + ["held"]
    assert {row[1] for row in sales} >= {row["document"] for row in listed if row.get("document")}
