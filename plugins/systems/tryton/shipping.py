"""What follows a sale: the shipment that Tryton makes of it, taken to its end, and returns. Each once.

A shipment is not made by us: Tryton makes it as it processes a sale, of all that is still to be shipped. Ours gives it
its reference, lowers it to what leaves, and takes it through its states. Less than all: Tryton makes a further shipment
of the rest by itself. A return is a sale of negative quantities, as Tryton's own wizard makes it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

from pipeline.api import DocumentOutcome, DocumentRef, Held, InDoubt, Return, Shipment, Strikes, SystemEnv, T, cents
from plugins.systems.tryton.goods import Good, Goods
from plugins.systems.tryton.marks import mark_of, marks_of, on_shipment, shipment_in
from plugins.systems.tryton.names import MOVE, PERIOD, SALE, SHIPMENT, SHIPMENT_BACK
from plugins.systems.tryton.order_out import called, check_not_empty, pieces
from plugins.systems.tryton.papers import FIELDS, Papers, Sale, counted, less
from plugins.systems.tryton.refusals import held
from plugins.systems.tryton.values import ZERO, Row, ids, link, number, text

OUT_FIELDS = ("number", "reference", "state", "create_date", "effective_date", "outgoing_moves", "inventory_moves")
MOVE_FIELDS = ("product", "quantity", "unit", "state", "origin", "shipment")
#: States of a shipment whose goods are on their way.
GONE = frozenset({"shipped", "done"})
#: States of a shipment whose goods have been taken out of the store, at least.
LEFT = frozenset({"picked", "packed", "shipped", "done"})
OPEN = frozenset({"draft", "waiting", "assigned"})
Quantities = Mapping[int, Decimal]


@dataclass(frozen=True, slots=True)
class Parcel:
    """A shipment as it is, with what leaves by it."""

    id: int
    row: Row
    moves: tuple[Row, ...]

    @property
    def number(self) -> str:
        """As people call it."""
        return text(self.row.get("number")).strip() or str(self.id)

    @property
    def state(self) -> str:
        """See ``OPEN`` and ``LEFT``; else ``cancelled``."""
        return text(self.row.get("state"))

    @property
    def reference(self) -> str:
        """Ours, or what a person wrote there."""
        return text(self.row.get("reference"))

    def quantities(self) -> dict[int, Decimal]:
        """By product."""
        return counted(self.moves)

    def ref(self, key: str = "") -> DocumentRef:
        """As others name it. A shipment of Tryton has no sum."""
        known = key or (self.reference if self.reference.count("/") == 4 else "")
        return DocumentRef(str(self.id), self.number, known, self.row.get("create_date"))


class Shipping:
    """Shipments and returns of one database."""

    def __init__(self, papers: Papers, goods: Goods, env: SystemEnv) -> None:
        self.papers, self.goods, self.env = papers, goods, env
        self.client, self.settings = papers.client, papers.client.settings.documents

    # --- finding -----------------------------------------------------------------------------------------------------

    def find_shipments(self, keys: Collection[str]) -> dict[str, DocumentRef]:
        """See ShipDocuments: those whose goods have left."""
        marks = marks_of(keys)
        rows = list(self.client.rows(SHIPMENT, [["reference", "in", sorted(set(marks.values()))]], OUT_FIELDS))
        parcels = {text(row.get("reference")): Parcel(row["id"], row, ()) for row in rows if row.get("state") in GONE}
        return {key: parcels[mark].ref(key) for key, mark in marks.items() if mark in parcels}

    def shipments_of(self, orders: Collection[DocumentRef]) -> dict[str, list[DocumentRef]]:
        """See ShipDocuments. What Tryton has made and nobody has picked is no shipment yet."""
        linked = self.papers.linked([id_ for ref in orders if (id_ := _id(ref.id))], "shipments")
        parcels = self.parcels([one for several in linked.values() for one in several])
        found: dict[str, list[DocumentRef]] = {}
        for sale, several in linked.items():
            left = [parcels[one].ref() for one in several if one in parcels and parcels[one].state in GONE]
            if left:
                found[str(sale)] = left
        return found

    def _parcels_of(self, sale: Sale) -> list[Parcel]:
        return list(self.parcels(self.papers.linked([sale.id], "shipments").get(sale.id, [])).values())

    def parcels(self, wanted: Sequence[int]) -> dict[int, Parcel]:
        """Shipments by id, with what leaves by them."""
        rows = self.client.of_ids(SHIPMENT, wanted, OUT_FIELDS)
        moves = self.client.of_ids(MOVE, [one for row in rows.values() for one in ids(row.get("outgoing_moves"))],
                                   MOVE_FIELDS)  # fmt: skip
        return {
            id_: Parcel(id_, row, tuple(moves[one] for one in ids(row.get("outgoing_moves"))
                                        if one in moves and moves[one].get("state") != "cancelled"))
            for id_, row in sorted(rows.items())
        }  # fmt: skip

    def find_returns(self, keys: Collection[str]) -> dict[str, DocumentRef]:
        """See ReturnDocuments. One whose goods have not come in yet is unfinished."""
        found = self.papers.by_key(keys, action=True)
        return {
            key: replace(self._back_ref(sale, key), unfinished=not self._came_in(sale))
            for key, sale in found.items()
            if sale.state != "cancelled"
        }

    def _back_ref(self, sale: Sale, key: str) -> DocumentRef:
        known = key or (text(sale.row.get("reference")) if text(sale.row.get("reference")).count("/") == 4 else "")
        return self.papers.ref_of(sale, known, abs(sale.total))

    def _came_in(self, sale: Sale) -> bool:
        if sale.state not in ("processing", "done"):
            return False
        rows = self.client.of_ids(
            SHIPMENT_BACK, self.papers.linked([sale.id], "shipment_returns").get(sale.id, []), ("state",)
        )
        return bool(rows) and all(row.get("state") in ("done", "cancelled") for row in rows.values())

    def returns_of(self, shipments: Collection[DocumentRef]) -> dict[str, list[DocumentRef]]:
        """See ReturnDocuments. A return that names no shipment stands on every one of its sale."""
        found: dict[str, list[DocumentRef]] = {}
        for ref in shipments:
            if backs := self._backs(ref.id):
                found[ref.id] = [self._back_ref(sale, "") for sale in backs]
        return found

    def _backs(self, shipment: str) -> list[Sale]:
        """The returns of a shipment that have come in or are about to, by whoever."""
        id_ = _id(shipment)
        sales = self._sales_of(id_) if id_ else []
        return [sale for sale in self._returns(sales) if shipment_in(sale.comment) in (0, id_)]

    def _sales_of(self, shipment: int) -> list[int]:
        rows = self.client.rows(SALE, [["shipments", "=", shipment]], ("id",))
        return [row["id"] for row in rows]

    def _returns(self, sales: Sequence[int]) -> list[Sale]:
        """The returns of sales that are being processed, or done."""
        if not sales:
            return []
        domain = [
            ["origin", "in", [f"{SALE},{one}" for one in sales]],
            ["state", "in", ["confirmed", "processing", "done"]],
        ]
        return [Sale(row["id"], row) for row in self.client.rows(SALE, domain, FIELDS)]

    def away(self, sale: Sale) -> dict[int, Decimal] | None:
        """What of a sale has left and not come back, by product; None: nothing of it has ever left."""
        parcels = [one for one in self._parcels_of(sale) if one.state in LEFT]
        if not parcels:
            return None
        left = _sum(parcels)
        for back in self._returns([sale.id]):
            full = self.papers.standing(back.id)
            for product, qty in full.quantities().items():
                if product in left:
                    left[product] += qty  # a return's quantities are negative
        return left

    # --- shipping ----------------------------------------------------------------------------------------------------

    def ship(self, shipments: Sequence[Shipment]) -> list[DocumentOutcome]:
        """See ShipDocuments."""
        if not shipments:
            return []
        goods = self.goods.by_id({ref.id for one in shipments for ref in one.draft.products})
        act = Strikes("changed")
        return [act(one.key, partial(self._ship, one, goods)) for one in shipments]

    def _ship(self, wanted: Shipment, goods: Mapping[str, Good]) -> DocumentOutcome:
        mark = mark_of(wanted.key, action=True)
        with self.papers.lock:
            known = self._known(mark)
            if known is not None and known.state in LEFT and known.state != "picked":
                return DocumentOutcome(wanted.key, self._done(known).ref(wanted.key), existed=True)
            check_not_empty(wanted.draft)
            sale = self.papers.standing(wanted.order.id)
            if sale.cancelled:
                raise held(T("Sale {number} is cancelled: nothing is shipped on it.", number=sale.number),
                           code="tryton-cancelled")  # fmt: skip
            leaving = _leaving(wanted, goods)
            self._period_open(self._day(wanted.at))
            self._within(leaving, sale, goods, mark)
            sale = self.papers.processed(sale)
            parcel = known if known is not None else self._open(sale, leaving)
            parcel = self._fitted(parcel, leaving, mark, self._day(wanted.at))
            parcel = self._done(parcel)
        return DocumentOutcome(wanted.key, parcel.ref(wanted.key))

    def _known(self, mark: str) -> Parcel | None:
        rows = [row for row in self.client.rows(SHIPMENT, [["reference", "=", mark]], ("state",))
                if row.get("state") != "cancelled"]  # fmt: skip
        return self.parcels([rows[0]["id"]]).get(rows[0]["id"]) if rows else None

    def _within(self, leaving: Quantities, sale: Sale, goods: Mapping[str, Good], mark: str) -> None:
        """Raises Held where more is to leave of a product than is left of it."""
        before = [one for one in self._parcels_of(sale)
                  if one.state in LEFT and one.reference != mark]  # fmt: skip
        left = less(sale.quantities(), _sum(before))
        for product, qty in leaving.items():
            if qty > left.get(product, ZERO):
                raise held(
                    T("Sale {number} has {left} of {name} left to be shipped; {n} was to be.", number=sale.number,
                      left=left.get(product, ZERO).normalize(), name=_name(product, goods), n=qty),
                    T("It stands already: {names}.", names=", ".join(one.number for one in before))
                    if before else None,
                    code="tryton-beyond",
                )  # fmt: skip

    def _open(self, sale: Sale, leaving: Quantities) -> Parcel:
        """The shipment that Tryton has made of what is to leave, and that nobody has taken. Raises Held."""
        parcel = self._fitting(sale, leaving)
        if parcel is None and text(sale.row.get("shipment_method")) == "manual":
            self.client.press(SALE, "manual_shipment", sale.id)
            sale = self.papers.standing(sale.id)
            parcel = self._fitting(sale, leaving)
        if parcel is None:
            raise held(
                T("Tryton has made no shipment of sale {number} that has what is to leave.", number=sale.number),
                T("Its shipment method is “{method}”. A shipment that somebody divided is shipped in Tryton by hand.",
                  method=text(sale.row.get("shipment_method"))),
                code="tryton-no-shipment",
            )  # fmt: skip
        return parcel

    def _fitting(self, sale: Sale, leaving: Quantities) -> Parcel | None:
        """One that nobody has picked and that has these products, also one whose act was refused before; first one
        that has enough of each."""
        fitting = []
        for parcel in self._parcels_of(sale):
            has = parcel.quantities()
            if parcel.state in OPEN and set(leaving) <= set(has):
                fitting.append((any(has[product] < qty for product, qty in leaving.items()), parcel))
        return min(fitting, key=lambda one: (one[0], one[1].id))[1] if fitting else None

    def _fitted(self, parcel: Parcel, leaving: Quantities, mark: str, day: date | None) -> Parcel:
        """A shipment of just what leaves, under our reference. What stays has a quantity of 0, and goes when it is
        packed: so it can be raised again where this act is refused and another one comes."""
        if parcel.state not in OPEN:
            return parcel
        values: dict[str, Any] = {}
        if parcel.reference != mark:
            values["reference"] = mark
        if parcel.row.get("effective_date") != day:
            values["effective_date"] = day
        commands = [
            ["write", [move["id"]], {"quantity": pieces(takes)}]
            for move, takes in shares(parcel.moves, leaving)
            if takes != number(move.get("quantity"))
        ]
        if commands:
            for button in {"assigned": ("wait", "draft"), "waiting": ("draft",)}.get(parcel.state, ()):
                self.client.press(SHIPMENT, button, parcel.id)
            values["outgoing_moves"] = commands
        if values:
            self.client.write(SHIPMENT, parcel.id, values)
        return self.parcels([parcel.id])[parcel.id]

    def _done(self, parcel: Parcel) -> Parcel:
        """A shipment taken to its end. Raises Held where its goods are not there, or Tryton refuses a step."""
        try:
            return self._stepped(parcel)
        except Held as error:
            if error.code != "tryton-refused":
                raise
            raise held(
                T("Shipment {number} of Tryton could not be done: {words}", number=parcel.number, words=error.text),
                T("It stays there as it is, and is taken on when this is tried again."),
                code="tryton-not-done",
            ) from error

    def _stepped(self, parcel: Parcel) -> Parcel:
        id_ = parcel.id
        if parcel.state == "draft":
            self.client.press(SHIPMENT, "wait", id_)
            parcel = self._again(id_)
        if parcel.state == "waiting":
            self.client.press(SHIPMENT, "assign_force" if self.settings.force else "assign_try", id_)
            parcel = self._again(id_)
            if parcel.state == "waiting":
                raise held(
                    T("Too little lies in stock for shipment {number}: {names}.", number=parcel.number,
                      names=self._short(parcel)),
                    T("Book the goods in, or have them shipped all the same: `documents: {force: true}`."),
                    code="tryton-stock",
                )  # fmt: skip
        if parcel.state == "assigned":
            self.client.press(SHIPMENT, "pick", id_)
            parcel = self._again(id_)
        if parcel.state in ("assigned", "picked"):
            self.client.press(SHIPMENT, "pack", id_)
            parcel = self._again(id_)
        if parcel.state in ("packed", "shipped"):
            # with this the goods have left: where no answer comes, it is looked up and not done again
            self.client.press(SHIPMENT, "do", id_, safe=False)
            parcel = self._again(id_)
        if parcel.state != "done":
            raise held(
                T("Shipment {number} of Tryton is in the state {there}, and was to be done.", number=parcel.number,
                  there=parcel.state),
                code="tryton-state",
            )  # fmt: skip
        return parcel

    def _again(self, id_: int) -> Parcel:
        found = self.parcels([id_]).get(id_)
        if found is None:
            raise held(T("Tryton has no shipment {id} any more.", id=id_), code="tryton-gone")
        return found

    def _short(self, parcel: Parcel) -> str:
        moves = self.client.of_ids(MOVE, ids(parcel.row.get("inventory_moves")), (*MOVE_FIELDS, "product.code"))
        short = [move for move in moves.values() if move.get("state") in ("draft", "staging")] or [*parcel.moves]
        names = self.goods.by_id({str(link(move.get("product"))) for move in short})
        return ", ".join(sorted(good.code or good.name for good in names.values())) or "—"

    def _day(self, at: datetime | None) -> date | None:
        return at.astimezone(ZoneInfo(self.env.timezone)).date() if at is not None else None

    def _period_open(self, day: date | None) -> None:
        """Raises Held for a day of a closed period: Tryton itself asks only for the day that a move was planned for,
        and that is today."""
        if day is None:
            return
        domain = [["state", "=", "closed"], ["company", "=", self.client.company], ["date", ">=", day]]
        closed = [row["date"] for row in self.client.rows(PERIOD, domain, ("date",))]
        if closed:
            raise held(
                T("The stock period of Tryton up to {end} is closed: nothing is dated {day}.",
                  end=max(closed).isoformat(), day=day.isoformat()),
                T("Reopen the period in Tryton, or do it under a later day by hand and reject this card."),
                code="tryton-period",
            )  # fmt: skip

    # --- taking back -------------------------------------------------------------------------------------------------

    def take_back(self, returns: Sequence[Return]) -> list[DocumentOutcome]:
        """See ReturnDocuments."""
        if not returns:
            return []
        goods = self.goods.by_id({ref.id for one in returns for ref in one.draft.products})
        act = Strikes("changed")
        return [act(one.key, partial(self._take_back, one, goods)) for one in returns]

    def _take_back(self, wanted: Return, goods: Mapping[str, Good]) -> DocumentOutcome:
        mark = mark_of(wanted.key, action=True)
        with self.papers.lock:
            there = self.papers.look([mark]).get(mark)
            if there is not None and there.state == "cancelled":
                raise held(T("Return {number} was cancelled in Tryton.", number=there.number), code="tryton-cancelled")
            if there is not None and self._came_in(there):
                return DocumentOutcome(wanted.key, self._back_ref(there, wanted.key), existed=True)
            self._period_open(self._day(wanted.at))
            if there is None:
                there = self._return(wanted, goods, mark)
            back = self._received(self.papers.processed(self.papers.standing(there.id)), self._day(wanted.at))
        return DocumentOutcome(wanted.key, self._back_ref(back, wanted.key))

    def _return(self, wanted: Return, goods: Mapping[str, Good], mark: str) -> Sale:
        """A new sale of negative quantities, of what was shipped and has not come back. Raises Held, InDoubt."""
        check_not_empty(wanted.draft)
        id_ = _id(wanted.shipment.id)
        parcel = self.parcels([id_]).get(id_) if id_ else None
        if parcel is None or parcel.state not in GONE:
            name = wanted.shipment.number or wanted.shipment.id
            raise held(T("Tryton has no shipment {id} whose goods have left.", id=name), code="tryton-gone")
        sales = self._sales_of(parcel.id)
        if len(sales) != 1:
            raise held(T("Shipment {number} is of {n} sales: nothing of it comes back by itself.",
                         number=parcel.number, n=len(sales)), code="tryton-several")  # fmt: skip
        sale = self.papers.standing(sales[0])
        backs = [self.papers.standing(one.id) for one in self._backs(wanted.shipment.id)]
        coming = _quantities(wanted.draft.order.lines, wanted.draft.products, goods, moved=True)
        if not coming:
            raise held(T("Order {number} has only services: nothing of it comes back to a warehouse.",
                         number=wanted.draft.order.number), code="empty")  # fmt: skip
        for back in backs:
            if self._refused_before(back, mark, coming):
                self.client.write(SALE, back.id, {"reference": mark})
                return back
        left = parcel.quantities()
        for back in backs:
            for product, qty in back.quantities().items():
                left[product] = left.get(product, ZERO) + qty
        for product, qty in coming.items():
            if qty > left.get(product, ZERO):
                raise held(
                    T("Shipment {number} has {left} of {name} left to come back; {n} was to.", number=parcel.number,
                      left=left.get(product, ZERO).normalize(), name=_name(product, goods), n=qty),
                    T("It stands already: {names}.", names=", ".join(one.number for one in backs)) if backs else None,
                    code="tryton-beyond",
                )  # fmt: skip
        services = _quantities(wanted.draft.order.lines, wanted.draft.products, goods, moved=False)
        lines = self._back_lines(sale, {**coming, **services}, whole=cents(wanted.draft.order.total) == sale.total)
        row = self.client.of_ids(SALE, [sale.id], _COPIED).get(sale.id, {})
        values = {name: row.get(name) for name in _COPIED if row.get(name) is not None}
        made = self._made(mark, {
            **values,
            "origin": f"{SALE},{sale.id}",
            "shipment_method": "order",  # its goods come in by a shipment of its own, whatever the sale's own method
            "reference": mark,
            "description": called(wanted.draft.order),
            "comment": "\n".join(filter(None, (wanted.draft.comment, on_shipment(str(id_))))),
            "lines": [["create", lines]],
        })  # fmt: skip
        return self.papers.standing(made)

    def _refused_before(self, back: Sale, mark: str, coming: Quantities) -> bool:
        """Whether a return is of just these goods, and was made by us for the same order and not received."""
        ours = text(back.row.get("reference")).rpartition("/")[0] == mark.rpartition("/")[0]
        goods = {product: -qty for product, qty in back.quantities().items() if product in coming}
        return ours and goods == dict(coming) and not self._came_in(back)

    def _made(self, mark: str, values: Mapping[str, Any]) -> int:
        """A new sale. Where no answer comes it is looked for: what follows can go on if it is there."""
        try:
            return self.client.create(SALE, values)
        except InDoubt:
            there = self.papers.look([mark]).get(mark)
            if there is None:
                raise
            return there.id

    def _back_lines(self, sale: Sale, coming: Quantities, *, whole: bool) -> list[dict[str, Any]]:
        """Lines of the sale with what comes back, at their own prices and taxes; what was not named as goods (delivery,
        a cent) comes back with ``whole``."""
        rest = dict(coming)
        lines: list[dict[str, Any]] = []
        kinds = {int(id_): good.kind for id_, good in
                 self.goods.by_id({str(link(row.get("product"))) for row in sale.lines}).items()}  # fmt: skip
        for row in sale.lines:
            product, has = link(row.get("product")), number(row.get("quantity"))
            if product in coming:
                takes = min(has, rest[product])
                rest[product] -= takes
            else:
                takes = has if whole and kinds.get(product, "service") == "service" else ZERO
            if takes > 0:
                values: dict[str, Any] = {
                    "type": "line",
                    "quantity": pieces(-takes),
                    "unit_price": row.get("unit_price"),
                }
                if product:
                    values |= {"product": product, "unit": link(row.get("unit"))}
                else:
                    values["description"] = row.get("description")
                taxes = ids(row.get("taxes"))
                lines.append(values | ({"taxes": [["add", taxes]]} if taxes else {}))
        return lines

    def _received(self, back: Sale, day: date | None) -> Sale:
        """A return whose goods have come in. Raises Held where Tryton refuses that."""
        try:
            for id_ in self.papers.linked([back.id], "shipment_returns").get(back.id, []):
                self._come_in(id_, day)
        except Held as error:
            raise held(
                T("Return {number} of Tryton could not be done: {words}", number=back.number, words=error.text),
                T("It stays there as it is, and is taken on when this is tried again."),
                code="tryton-not-done",
            ) from error
        if not self._came_in(back):
            raise held(
                T("Tryton shows no goods of return {number} that have come in.", number=back.number),
                T("Look at it in Tryton, and receive its goods there: it is looked at again by itself."),
                code="tryton-not-done",
            )
        return self.papers.standing(back.id)

    def _come_in(self, id_: int, day: date | None) -> None:
        row = self.client.of_ids(SHIPMENT_BACK, [id_], ("state", "effective_date")).get(id_, {})
        state = text(row.get("state"))
        if state == "draft":
            if row.get("effective_date") != day:
                self.client.write(SHIPMENT_BACK, id_, {"effective_date": day})
            self.client.press(SHIPMENT_BACK, "receive", id_)
            state = text(self.client.of_ids(SHIPMENT_BACK, [id_], ("state",)).get(id_, {}).get("state"))
        if state == "received":
            self.client.press(SHIPMENT_BACK, "do", id_, safe=False)


#: Of a sale what its return has as well.
_COPIED = ("company", "party", "invoice_party", "shipment_party", "invoice_address", "shipment_address", "currency",
           "warehouse", "payment_term", "invoice_method")  # fmt: skip


def _id(said: str) -> int:
    return int(said) if said.isascii() and said.isdecimal() and len(said) < 10 else 0


def _quantities(lines: Sequence[Any], products: Sequence[Any], goods: Mapping[str, Good], *, moved: bool) -> Quantities:
    """Quantities by product: of what a warehouse moves, or of services."""
    found: dict[int, Decimal] = {}
    for line, ref in zip(lines, products, strict=True):
        good = goods.get(ref.id)
        if good is None:
            raise held(
                T("Tryton has no product {id} with the code {code} any more that is sold.", id=ref.id,
                  code=ref.code or "—"),
                code="tryton-gone",
            )  # fmt: skip
        if (good.kind != "service") == moved:
            found[good.id] = found.get(good.id, ZERO) + line.quantity
    return found


def _leaving(wanted: Shipment, goods: Mapping[str, Good]) -> Quantities:
    found = _quantities(wanted.draft.order.lines, wanted.draft.products, goods, moved=True)
    if not found:
        raise held(T("Order {number} has only services: nothing of it leaves a warehouse.",
                     number=wanted.draft.order.number), code="empty")  # fmt: skip
    return found


def shares(moves: Sequence[Row], leaving: Quantities) -> list[tuple[Row, Decimal]]:
    """How much leaves by each move: as much as it has, and what is wanted beyond that by the first of the product."""
    rest = dict(leaving)
    taken: dict[int, Decimal] = {}
    for move in moves:
        product = link(move.get("product"))
        taken[move["id"]] = min(number(move.get("quantity")), rest.get(product, ZERO))
        rest[product] = rest.get(product, ZERO) - taken[move["id"]]
    for move in moves:
        taken[move["id"]] += max(rest.pop(link(move.get("product")), ZERO), ZERO)
    return [(move, taken[move["id"]]) for move in moves]


def _sum(parcels: Sequence[Parcel]) -> dict[int, Decimal]:
    found: dict[int, Decimal] = {}
    for one in parcels:
        for product, qty in one.quantities().items():
            found[product] = found.get(product, ZERO) + qty
    return found


def _name(product: int, goods: Mapping[str, Good]) -> str:
    good = goods.get(str(product))
    return good.code or good.name if good is not None else str(product)
