"""What a test puts into an account, and what people do in its cabinet: the ways in that the API does not have."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from pipeline.testing.fakehttp import FakeApi
from plugins.systems.keycrm._fake_account import Account
from plugins.systems.keycrm._fake_ask import Row, check, stamp
from plugins.systems.keycrm._fake_bodies import CHANGE, NEW
from plugins.systems.keycrm._fake_catalogue import NEW_PRODUCT, VARIANTS, Catalogue
from plugins.systems.keycrm._fake_hooks import Hooks
from plugins.systems.keycrm._fake_orders import Orders
from plugins.systems.keycrm._fake_parties import BUYER, COMPANY, Parties
from plugins.systems.keycrm._fake_quirks import Quirks
from plugins.systems.keycrm._fake_rest import Rest
from plugins.systems.keycrm._fake_show import Show
from plugins.systems.keycrm._fake_stock import Goods

Amount = Decimal | int | str  #: of money or goods; never float
#: What a status does to the goods of an order, by its group: 1 new, 2 in work, 3 production, 4 delivery, 5 success,
#: 6 failure. In KeyCRM each status is set up by itself.
STOCK_OF_GROUP = {1: "reserve", 2: "reserve", 3: "reserve", 4: "reserve", 5: "write_off", 6: "free"}


def moment(when: datetime | str | None) -> str | None:
    """A moment as rows have it. Raises ValueError for a naive datetime."""
    if not isinstance(when, datetime):
        return when
    if when.tzinfo is None:
        raise ValueError("a moment must be aware")
    return stamp(when)


class Seeded(FakeApi):
    """An account with its parts, and the hands that fill it. Every maker gives the new id."""

    def __init__(self, quirks: Quirks | None = None, now: Callable[[], datetime] | None = None) -> None:
        super().__init__()
        self.quirks = quirks or Quirks()
        self.account = Account(self.quirks, now or (lambda: datetime.now(UTC)))
        self.goods, self.view = Goods(self.account), Show(self.account)
        self.catalogue = Catalogue(self.account, self.goods, self.view)
        self.parties = Parties(self.account, self.view, self.catalogue)
        self.orders = Orders(self.account, self.goods, self.view, self.catalogue, self.parties)
        self.hooks = Hooks(self.account)
        for part in (self.catalogue, self.parties, Rest(self.account, self.view), self.orders):
            part.routes(self)
        self._furnish()

    def _furnish(self) -> None:
        """What every account has from the start."""
        self.add_warehouse("Основний")
        self.add_source("Сайт", driver="opencart")
        self.add_status("Новий", group=1)
        self.add_status("Погоджено", group=2)
        self.add_status("Відправлено", group=4)
        self.add_status("Виконано", group=5, number=12)
        self.add_status("Скасовано", group=6, number=19)
        for name in ("Готівка", "Картка", "Безготівковий рахунок"):
            self._name("payment_methods", name, is_active=True)
        self._name("delivery_services", "Нова Пошта", source_name="novaposhta")
        self._name("delivery_services", "Самовивіз", source_name=None)
        self._name("expense_types", "Доставка", is_active=True, is_reserved=True, by_order=True)
        self._name("product_statuses", "В наявності", position=1, is_active=True, is_reserved=False)
        self.add_user("Олена", "Власник", role_id=1)
        self.account.moved.clear()

    # --- names ----------------------------------------------------------------------------------------------------

    def _name(self, table: str, name: str, number: int | None = None, **more: Any) -> int:
        row = self.account.new(table, {"name": name, "alias": more.pop("alias", None) or name.lower(), **more}, number)
        return int(row["id"])

    def add_warehouse(
        self,
        name: str,
        *,
        number: int | None = None,
        description: str = "",
        is_active: bool = True,
    ) -> int:
        """A warehouse; the API lists none."""
        values = {"name": name, "description": description, "is_active": is_active}
        return int(self.account.new("warehouses", values, number)["id"])

    def add_source(
        self,
        name: str,
        *,
        number: int | None = None,
        driver: str = "other",
        currency_code: str = "UAH",
    ) -> int:
        """Where orders come from; its currency is theirs."""
        more = {"driver": driver, "currency_code": currency_code, "source_uuid": None, "source_name": None}
        return self._name("sources", name, number, **more)

    def add_status(
        self,
        name: str,
        *,
        group: int,
        number: int | None = None,
        stock: str | None = None,
        closing: bool | None = None,
        is_active: bool = True,
    ) -> int:
        """A status of orders. ``stock``: "reserve", "write_off" or "free"; by its group where not said.

        (``is_reserved`` of the API means that the status cannot be deleted; it has nothing to do with goods.)
        """
        return self._name(
            "statuses",
            name,
            number,
            group_id=group,
            is_active=is_active,
            is_closing_order=group in (5, 6) if closing is None else closing,
            is_reserved=group == 1,
            expiration_period=None,
            deleted_at=None,
            stock=stock or STOCK_OF_GROUP[group],
        )

    def add_payment_method(self, name: str, *, number: int | None = None) -> int:
        """How is paid."""
        return self._name("payment_methods", name, number, is_active=True)

    def add_delivery_service(self, name: str, *, number: int | None = None, source_name: str | None = None) -> int:
        """How is delivered."""
        return self._name("delivery_services", name, number, source_name=source_name)

    def add_expense_type(self, name: str, *, number: int | None = None) -> int:
        """What is spent on."""
        return self._name("expense_types", name, number, is_active=True, is_reserved=False, by_order=True)

    def add_product_status(self, name: str, *, number: int | None = None) -> int:
        """A status of an order's line."""
        return self._name("product_statuses", name, number, position=1, is_active=True, is_reserved=False)

    def add_tag(self, name: str, *, number: int | None = None, color: str = "#FF0000") -> int:
        """A tag of orders."""
        return self._name("tags", name, number, color=color)

    def add_category(self, name: str, parent_id: int | None = None, *, number: int | None = None) -> int:
        """A category."""
        return int(self.account.new("categories", {"name": name, "parent_id": parent_id}, number)["id"])

    def add_user(
        self,
        first_name: str,
        last_name: str = "",
        *,
        number: int | None = None,
        role_id: int = 2,
        status: str = "active",
        email: str | None = None,
        phone: str | None = None,
    ) -> int:
        """Somebody who works here."""
        names = {"first_name": first_name, "last_name": last_name, "full_name": f"{first_name} {last_name}".strip()}
        more = {"username": None, "email": email, "phone": phone, "role_id": role_id, "status": status}
        return int(self.account.new("users", {**names, **more, "last_logged_at": self.account.stamp()}, number)["id"])

    def add_custom_field(
        self,
        uuid: str,
        model: str,
        *,
        name: str = "",
        kind: str = "text",
        options: Sequence[str] = (),
        is_multiple: bool = False,
        required: bool = False,
    ) -> int:
        """A custom field of ``order``, ``lead``, ``client``, ``crm_product`` or ``company``. The API makes none."""
        position = len(self.account.table("custom_fields")) + 1
        values = {"name": name or uuid, "uuid": uuid, "model": model, "type": kind, "required": required}
        more = {"position": position, "is_multiple": is_multiple, "options": list(options)}
        return int(self.account.new("custom_fields", {**values, **more})["id"])

    def add_transaction(
        self, uuid: int | str, amount: Amount, *, gateway_id: int = 1, description: str | None = None
    ) -> int:
        """Money that came in at a payment service."""
        values: Row = {
            "uuid": uuid,
            "source_uuid": None,
            "gateway_id": gateway_id,
            "payments_data": [],
            "amount": Decimal(amount),
            "description": description,
            "currency": "UAH",
            "transaction_date": self.account.stamp(),
            "payment_id": None,
        }
        return int(self.account.new("transactions", values)["id"])

    def add_call(self, **values: Any) -> int:
        """A telephone call, with what the API shows of it."""
        return int(self.account.new("calls", values)["id"])

    # --- goods ----------------------------------------------------------------------------------------------------

    def add_product(
        self,
        name: str,
        sku: str | None = None,
        *,
        number: int | None = None,
        stock: Amount | Mapping[int, Amount] | None = None,
        variants: Sequence[Mapping[str, Any]] = (),
        is_archived: bool = False,
        **values: Any,
    ) -> int:
        """A product with what POST takes. ``stock``: of the first warehouse, or by warehouse.

        ``variants``: each with what POST takes, ``stock``, ``id`` and ``is_archived``; those of an archived product
        are archived with it. Raises ValueError for what POST would refuse.
        """
        body = self._checked({"name": name, **values} | ({} if sku is None else {"sku": sku}), NEW_PRODUCT)
        product = self.catalogue.create(body, number)
        product["is_archived"] = is_archived
        if stock is not None:
            self._stock(self.account.offers_of(product)[0], stock)
        for one in variants:
            own = {key: value for key, value in one.items() if key not in ("stock", "id", "is_archived")}
            row = self._checked({"offers": [own]}, VARIANTS)["offers"][0]
            offer = self.catalogue.add_variant(product, row, one.get("id"))
            offer["is_archived"] = bool(one.get("is_archived"))
            if one.get("stock") is not None:
                self._stock(offer, one["stock"])
        for offer in self.account.offers_of(product) if is_archived else ():
            offer["is_archived"] = True
        return int(product["id"])

    def _stock(self, offer: Row, stock: Amount | Mapping[int, Amount]) -> None:
        first = next(iter(self.account.table("warehouses")))
        for warehouse, quantity in (stock if isinstance(stock, Mapping) else {first: stock}).items():
            self.goods.put(warehouse, [(offer, Decimal(quantity))], "manual")
        self.account.moved.discard(offer["id"])  # what is there from the start is not told

    def offer(self, which: str | int) -> Row:
        """The first offer of a SKU, or the one of an id, as it is kept. Raises LookupError."""
        with self.lock:
            self.catalogue.settle()
        if isinstance(which, int):
            return self.account.table("offers")[which]
        return self.account.offers_with(which)[0]

    def offers_of(self, product: int) -> list[Row]:
        """A product's offers."""
        return self.account.offers_of(self.account.table("products")[product])

    def quantity(self, which: str | int, *warehouses: int) -> Decimal:
        """How much of an offer there is, the reserved with it; over all warehouses or the named ones."""
        return Goods.total(self.offer(which), "quantity", warehouses)

    def reserve(self, which: str | int, *warehouses: int) -> Decimal:
        """How much of an offer is reserved."""
        return Goods.total(self.offer(which), "reserve", warehouses)

    def set_stock(self, which: str | int, quantity: Amount, warehouse: int = 1) -> None:
        """A document of somebody in the cabinet."""
        with self.lock:
            self.goods.put(warehouse, [(self.offer(which), Decimal(quantity))], "manual")

    def movements(self, reason: str = "") -> list[Row]:
        """The movement documents, or those of a reason: ``api``, ``manual``, ``order 5``."""
        return [row for row in self.account.table("movements").values() if reason in ("", row["reason"])]

    # --- people and orders ----------------------------------------------------------------------------------------

    def add_buyer(self, full_name: str, *, number: int | None = None, **values: Any) -> int:
        """A buyer with what POST takes."""
        return int(self.parties.create(self._checked({"full_name": full_name, **values}, BUYER), number)["id"])

    def add_company(self, name: str, *, number: int | None = None, **values: Any) -> int:
        """A company with what POST takes."""
        return int(self.parties.create_company(self._checked({"name": name, **values}, COMPANY), number)["id"])

    def add_order(
        self,
        products: Sequence[Mapping[str, Any]] = (),
        *,
        number: int | None = None,
        source_id: int = 1,
        buyer: Mapping[str, Any] | None = None,
        status_id: int | None = None,
        created_at: datetime | str | None = None,
        updated_at: datetime | str | None = None,
        **values: Any,
    ) -> int:
        """An order with what POST takes, and what only KeyCRM itself sets."""
        body = {"source_id": source_id, "buyer": buyer or {"full_name": "Покупець"}, "products": list(products)}
        row = self.orders.create(self._checked({**body, **values}, NEW), number)
        if status_id is not None:
            self.orders.change(row, {"status_id": status_id})
        for name, when in (("created_at", created_at), ("updated_at", updated_at)):
            if when is not None:
                row[name] = moment(when)
        return int(row["id"])

    def order(self, number: int) -> Row:
        """An order as it is kept. Raises LookupError."""
        return self.account.table("orders")[number]

    def change_order(self, number: int, **values: Any) -> None:
        """Somebody changes an order in the cabinet: with what PUT takes, and ``source_uuid`` and ``manager_id``."""
        with self.lock:
            row = self.order(number)
            for name in ("source_uuid", "manager_id"):
                if name in values:
                    row[name] = values.pop(name)
            self.orders.change(row, self._checked(values, CHANGE))
            self.account.touch(row)
            self.hooks.collect()

    def set_status(self, number: int, status: int) -> None:
        """Somebody moves an order on."""
        self.change_order(number, status_id=status)

    def seed(self) -> None:
        """A small shop whose orders go into an accounting program: goods leave when the courier has them and come back
        by a status of their own; a second warehouse, a manager, and goods that were there before."""
        with self.lock:
            sent = next(row for row in self.account.table("statuses").values() if row["name"] == "Відправлено")
            sent["stock"] = "write_off"
            self.add_status("Повернено", group=6, number=20)
            self.add_warehouse("Магазин")
            self.add_user("Ганна", "Бойко", number=7)
            sizes: dict[str, Any] = {"weight": Decimal("0.27"), "length": 8, "width": 6, "height": 19}
            self.add_product("Кава мелена", "COF-2", price=150, stock={1: 35}, **sizes)
            self.account.moved.clear()

    def _checked(self, body: Mapping[str, Any], fields: Mapping[str, Any]) -> Row:
        values, errors = check(dict(body), fields, self.quirks)
        if errors:
            raise ValueError(errors)
        return values
