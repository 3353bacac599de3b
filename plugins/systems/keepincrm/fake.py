"""A faithful fake of KeepinCRM's API, as public client code and the vendor's own shop modules show it.

What they leave open is a switch of :class:`Quirks`. Run as a process it keeps its state in a file::

    python -m plugins.systems.keepincrm.fake --port 8090 --state keepincrm.json --token secret --seed
"""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from email.utils import format_datetime
from pathlib import Path
from typing import Any

from pipeline.testing.fakehttp import Answer, Answered, Asked, FakeApi
from pipeline.testing.fakerun import arguments, chosen, load_state, post, serve
from plugins.systems.keepincrm._fake_account import Account, Row
from plugins.systems.keepincrm._fake_agreements import Agreements, blank_agreement
from plugins.systems.keepincrm._fake_clients import Clients, Desk, blank_client
from plugins.systems.keepincrm._fake_materials import Materials, blank_material
from plugins.systems.keepincrm._fake_quirks import Quirks
from plugins.systems.keepincrm._fake_webhooks import agreement_values, material_values, render

__all__ = ["FREE_PLAN", "TOKEN", "FakeKeepin", "Quirks", "main", "render"]

TOKEN = "fake-token"  # noqa: S105 - of the fake alone
FREE_PLAN = "Недоступно на безкоштовному тарифі"  # the words of the real 402
_MINUTE = timedelta(seconds=60)


class FakeKeepin(FakeApi):
    """The API under ``/v1`` (and ``/callbacks``), over one account.

    ``account`` is its state, to be looked into and changed by a test; ``quirks`` may be exchanged at any time with
    :meth:`behave`. ``now`` is the fake's clock. Webhooks wait until :meth:`send_webhooks`.
    """

    def __init__(
        self, quirks: Quirks | None = None, *, token: str = TOKEN, now: Callable[[], datetime] | None = None
    ) -> None:
        super().__init__()
        self.now = now or (lambda: datetime.now(UTC))
        self.account = Account(quirks or Quirks(), {token}, self.now)
        self.materials = Materials(self.account)
        self.clients = Clients(self.account)
        self.agreements = Agreements(self.account, self.materials, self.clients)
        self._recent: deque[datetime] = deque()
        self._waiting: list[tuple[str, bytes]] = []
        self.account.happened = self._happened
        desk = Desk(self.account, self.clients)
        for method, path, handler in (
            ("GET", "/materials", self.materials.all),
            ("POST", "/materials", self.materials.create),
            ("GET", "/materials/categories", self.materials.categories),
            ("POST", "/materials/categories", self.materials.create_category),
            ("GET", "/materials/sku/{sku}", self.materials.by_sku),
            ("PUT", "/materials/sku/{sku}", self.materials.put_by_sku),
            ("GET", "/materials/{key}", self.materials.one),
            ("PATCH", "/materials/{key}", self.materials.change),
            ("DELETE", "/materials/{key}", self.materials.delete),
            ("GET", "/agreements", self.agreements.all),
            ("POST", "/agreements", self.agreements.create),
            ("GET", "/agreements/{key}", self.agreements.one),
            ("PATCH", "/agreements/{key}", self.agreements.change),
            ("GET", "/clients", self.clients.all),
            ("POST", "/clients", self.clients.create),
            ("GET", "/clients/statuses", self.clients.statuses),
            ("GET", "/clients/{key}", self.clients.one),
            ("PATCH", "/clients/{key}", self.clients.change),
            ("PUT", "/clients/{key}", self.clients.change),
            ("DELETE", "/clients/{key}", self.clients.delete),
            ("POST", "/tasks", desk.create_task),
            ("GET", "/payments", desk.payments),
            ("POST", "/payments", desk.create_payment),
            ("GET", "/payments/purses", desk.purses),
        ):
            self.add(method, f"/v1{path}", handler)
        self.add("POST", "/callbacks/webhook/{code}", desk.webhook)

    # --- every request -------------------------------------------------------------------------------------------

    def before(self, asked: Asked) -> None:
        """Token, plan and rate."""
        if asked.path.startswith("/callbacks/"):
            return
        if asked.headers.get("x-auth-token") not in self.account.tokens:
            raise Answered(Answer(401, {"errors": ["Invalid auth token"]}))
        quirks = self.account.quirks
        if quirks.free_plan:
            body = {"errors": [FREE_PLAN]} if quirks.free_plan_body == "errors" else {quirks.free_plan_body: FREE_PLAN}
            raise Answered(Answer(402, body))
        if quirks.rate_limit:
            self._count(quirks)

    def _count(self, quirks: Quirks) -> None:
        now = self.now()
        while self._recent and self._recent[0] <= now - _MINUTE:
            self._recent.popleft()
        if len(self._recent) < quirks.rate_limit:
            self._recent.append(now)
            return
        again = self._recent[0] + _MINUTE
        headers = {
            "seconds": {"Retry-After": str(max(-(-(again - now) // timedelta(seconds=1)), 1))},
            "date": {"Retry-After": format_datetime((again + timedelta(seconds=1)).astimezone(UTC), usegmt=True)},
            "none": {},
        }[quirks.retry_after]
        raise Answered(Answer(429, {"error": "Too Many Requests"}, headers))

    def unknown(self, _asked: Asked) -> Answer:
        """404 that is no JSON."""
        return self.account.not_found()

    def behave(self, **changes: Any) -> None:
        """Go on with other switches of :class:`Quirks`."""
        with self.lock:
            self.account.quirks = dataclasses.replace(self.account.quirks, **changes)

    # --- state ---------------------------------------------------------------------------------------------------

    def dump(self) -> dict[str, Any]:
        """The account as JSON values."""
        return self.account.dump()

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take an account that ``dump`` gave. Its tokens count beside the fake's own."""
        self.account.restore(
            state, {"materials": blank_material, "clients": blank_client, "agreements": blank_agreement}
        )

    # --- seeds ---------------------------------------------------------------------------------------------------

    def add_named(self, table: str, name: str, **more: Any) -> int:
        """A row of a list with names (``sources``, ``users``, ``client_statuses``, ``price_kinds``, ``purses``,
        ``funnels``); gives its id."""
        return int(self.account.add(table, {"name": name, **more})["id"])

    def add_office(self, name: str, hash_id: str = "") -> int:
        """A branch with stock of its own."""
        return self.add_named("offices", name, hash_id=hash_id or f"hash-{name}")

    def add_category(self, name: str, parent: int | None = None) -> int:
        """A category of materials."""
        return self.add_named("categories", name, parent_id=parent)

    def add_custom_field(self, name: str, kind: str = "material") -> int:
        """A field that the operator made, of a ``material`` or an ``agreement``."""
        return self.add_named("custom_fields", name, kind=kind)

    def add_stage(self, name: str, funnel: int) -> int:
        """A stage of a funnel."""
        return self.add_named("stages", name, funnel_id=funnel)

    def add_material(self, sku: str, title: str = "Товар", **values: Any) -> int:
        """A material. ``rests``: rest by office's id; ``named``: price by price kind's id; others as in its row."""
        rests = [{"office_id": key, "available": Decimal(rest)} for key, rest in values.pop("rests", {}).items()]
        named = {
            str(key): {"amount": Decimal(price), "currency": values.get("currency", "UAH")}
            for key, price in values.pop("named", {}).items()
        }
        row = blank_material(sku=sku, title=title, rests=rests, named_prices=named, **values)
        return int(self.account.add("materials", row)["id"])

    def add_client(self, company: str, **values: Any) -> int:
        """A client."""
        return int(self.account.add("clients", blank_client(company=company, **values))["id"])

    def add_agreement(self, title: str, jobs: Sequence[Mapping[str, Any]] = (), **values: Any) -> int:
        """An agreement. ``jobs``: rows with ``sku``, ``title``, ``amount``, ``price``."""
        row = blank_agreement(**{"title": title, "ordered_at": self.account.stamp(), **values})
        for job in jobs:
            self.account.last += 1
            material = self.materials.match(str(job.get("sku", "")))
            blank = {"id": self.account.last, "sku": "", "title": "Товар", "amount": Decimal(1), "price": Decimal(0)}
            link = {"currency": row["currency"], "material_id": material["id"] if material else None}
            row["jobs"].append({**blank, **link, **job})
        if "total" not in values:
            row["total"] = sum((Decimal(job["price"]) * Decimal(job["amount"]) for job in row["jobs"]), Decimal(0))
        return int(self.account.add("agreements", row)["id"])

    def add_incoming(self, code: str) -> None:
        """An address ``/callbacks/webhook/<code>`` that takes JSON of others."""
        self.account.add("incoming", {"code": code})

    def received(self, code: str) -> list[Any]:
        """What was posted there."""
        return [row["body"] for row in self.account.tables["incoming"].values() if row.get("for") == code]

    def by_sku(self, sku: str) -> list[Row]:
        """All materials' rows with that SKU, oldest first."""
        return [row for row in self.materials.rows() if row["sku"] == sku]

    def move_stock(self, material: int, office: int, amount: Decimal | int) -> None:
        """A sale (below zero), a receipt or a return in the CRM itself."""
        with self.lock:
            self.materials.move_stock(material, office, Decimal(amount))

    def seed(self) -> None:
        """A small account: two offices, a tree of categories, price kinds, goods, an order on its way."""
        office, depot = self.add_office("Магазин"), self.add_office("Склад")
        root = self.add_category("Автоемалі")
        leaf = self.add_category("Акрилові", root)
        wholesale = self.add_named("price_kinds", "Опт")
        self.add_named("price_kinds", "Акція")
        self.add_custom_field("Опис")
        self.add_custom_field("Номер на сайті", "agreement")
        funnel = self.add_named("funnels", "Продажі")
        stages = [self.add_stage(name, funnel) for name in ("Нове", "Підтверджено", "Відправлено", "Виконано")]
        source = self.add_named("sources", "Сайт")
        self.add_named("users", "Олена Коваленко")
        self.add_named("client_statuses", "Новий")
        self.add_named("purses", "Каса")
        first = {"category_id": leaf, "rests": {office: 9, depot: 3}, "named": {wholesale: "410"}}
        self.add_material("LMP-9", "Лак акриловий 1 л", price=Decimal("450.50"), cost=Decimal(300), **first)
        self.add_material("ГР-2 К", "Ґрунт 2К, 0.8 л", price=Decimal("1234.5"), category_id=root, rests={office: 0})
        self.add_material("LMP-9", "Лак акриловий 1л (копія)", price=Decimal(440), rests={depot: 1})
        client = self.add_client("Іван Тестовий", person="Іван Тестовий", phones=["+380500000000"])
        jobs = [{"sku": "LMP-9", "title": "Лак акриловий 1 л", "amount": Decimal(2), "price": Decimal("450.50")}]
        links = {"client_id": client, "source_id": source, "stage_id": stages[0], "funnel_id": funnel}
        self.add_agreement("Замовлення #7001", jobs, **links)

    # --- webhooks ------------------------------------------------------------------------------------------------

    def add_trigger(self, event: str, url: str, template: str) -> None:
        """Tell ``url`` of every ``event`` from now on, with a body of the operator's ``template``.

        Events: ``agreement.created``, ``agreement.updated``, ``agreement.stage``, ``material.created``,
        ``material.updated``, ``material.stock``. There is no signature: a secret goes into the URL.
        """
        with self.lock:
            self.account.add("triggers", {"event": event, "url": url, "template": template})

    def webhook_body(self, event: str, row: Row, template: str) -> bytes:
        """The body that a trigger's template makes of a row."""
        if event.startswith("agreement."):
            values = agreement_values(self.account, row)
        else:
            values = material_values(self.materials, row)
        return render(template, values, self.account.quirks.webhook_escape).encode()

    def send_webhooks(self) -> list[int]:
        """Post what waits, one after the other, outside of any request; the status of each answer, 0 for none."""
        with self.lock:
            waiting, self._waiting = self._waiting, []
        return [post(url, body) for url, body in waiting]

    def _happened(self, event: str, row: Row) -> None:
        for trigger in self.account.tables["triggers"].values():
            if trigger["event"] == event:
                self._waiting.append((trigger["url"], self.webhook_body(event, row, trigger["template"])))


def main(argv: Sequence[str] | None = None) -> None:
    """Run it as a process: see the module's text."""
    parser = arguments("A fake KeepinCRM, on loopback")
    parser.add_argument("--seed", action="store_true", help="begin with a small account when there is no state")
    options = parser.parse_args(argv)
    fake = FakeKeepin(chosen(Quirks, options.quirk), token=options.token or TOKEN)
    state: Path | None = options.state
    kept = load_state(state) if state else {}
    if kept:
        fake.restore(kept)
    elif options.seed:
        fake.seed()
    serve(fake, fake, options.port, state)


if __name__ == "__main__":
    main()
