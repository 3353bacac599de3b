"""What posting a document moves in the registers of the fake Dilovod: stock, and what is ordered and reserved."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import ROUND_HALF_UP, Decimal

from plugins.systems.dilovod._fake_base import EMPTY, Base, Row, not_saved, refuse
from plugins.systems.dilovod._fake_schema import CONTROL, ORDER, REGISTERS, RETURN, SALE, STOCK

SHIPMENT, SERVICES, TO_AGENT, AGENT_REPORT, RETURN_MODE = (f"100400000000035{digit}" for digit in "01234")
PURCHASE_MODE = "1004000000000343"
KIT_POLICY = "1201200000001031"
SERVICE_POLICY = "1201200000001900"  # the fake's own: the id of the policy of services is not known
NOUGHT, CENT, MILLI = Decimal(0), Decimal("0.01"), Decimal("0.001")
RECEIPTS = ("documents.purchase", "documents.goodWriteOn", RETURN)
SHORT_OF = "Недостатня кількість. <span>{name}: потрібно {need}, є {have}</span>"
TOO_MUCH = "Кількість повернення більша за відвантажену. <span>{name}</span>"


class Posting:
    """The movements of documents. Nothing is kept before a document is known to be right."""

    def __init__(self, base: Base) -> None:
        self.base = base

    def moves(self, row: Row) -> list[Row]:
        """What a document moves when it is posted. Refused when a register lacks what it needs."""
        kind, mode = row["type"], row["values"].get("docMode", EMPTY)
        if kind == ORDER:
            return self._ordered(row)
        if kind == SALE and mode in (SERVICES, AGENT_REPORT):
            return self._fulfilled(row)
        if kind == SALE:
            return [*self._stock(row, -1), *self._fulfilled(row)]
        if kind == "documents.goodWriteOff":
            return self._stock(row, -1)
        if kind in RECEIPTS:
            if kind == RETURN and self.base.quirks.return_over == "refused":
                self._within_shipment(row)
            return self._stock(row, 1)
        return []

    def replace(self, row: Row, moves: Sequence[Row]) -> None:
        """Take these movements for those that the document has made so far. Refused when there is too little stock."""
        others = [move for move in self.base.moves if move["doc"] != row["id"]]
        if self.base.quirks.stock_control:
            before, after = self._totals(self.base.moves), self._totals([*others, *moves])
            for place, have in after.items():
                was = before.get(place, NOUGHT)
                if have < 0 and have < was:
                    named = self.base.named(place[0])
                    not_saved(SHORT_OF.format(name=named, need=(was - have).quantize(MILLI), have=was.quantize(MILLI)))
        self.base.moves = [*others, *moves]

    # --- stock ----------------------------------------------------------------------------------------------------

    @staticmethod
    def _totals(moves: Iterable[Row]) -> dict[tuple[str, str], Decimal]:
        totals: dict[tuple[str, str], Decimal] = {}
        for move in moves:
            if move["register"] == STOCK:
                place = (move["good"], move["storage"])
                totals[place] = totals.get(place, NOUGHT) + move["qty"]
        return totals

    def _stock(self, row: Row, sign: int) -> list[Row]:
        values = row["values"]
        moves = []
        for line in row["parts"]["tpGoods"]:
            for good, qty in self._moved(line):
                self._need(good, "good", "Товар")
                self._need(values["storage"], "storage", "Місце зберігання")
                self._need(values["firm"], "firm", "Фірма")
                if self.base.quirks.business_required:
                    self._need(values["business"], "business", "Бізнес")
                amount = self._cost(row, good, qty) if sign < 0 or row["type"] == RETURN else Decimal(line["amountCur"])
                moves.append(
                    {
                        **self._move(STOCK, row),
                        "good": good,
                        "storage": values["storage"],
                        "firm": values["firm"],
                        "currency": EMPTY,
                        "account": "",
                        "goodPart": line["goodPart"],
                        "qty": sign * qty,
                        "amount": sign * amount,
                        "amountCur": sign * amount,
                    }
                )
        return moves

    def _moved(self, line: Row) -> list[tuple[str, Decimal]]:
        """The goods that a line is of, and how much: none of a service, the components of a kit."""
        qty = self.quantity(line)
        good = self.base.objects.get(line["good"])
        policy = good["values"]["accPolicy"] if good else EMPTY
        if policy == SERVICE_POLICY or (good and not qty):
            return []
        if good and policy == KIT_POLICY and self.base.quirks.kits == "components":
            parts = good["parts"]["tpGoods"]
            return [(part["good"], (qty * Decimal(part["qty"])).quantize(MILLI)) for part in parts]
        return [(line["good"], qty)]

    def quantity(self, line: Row) -> Decimal:
        """How much of the main unit a line is of."""
        if Decimal(line["baseQty"]) or self.base.quirks.base_qty == "sent":
            return Decimal(line["baseQty"])
        return (Decimal(line["qty"]) * (Decimal(line["ratio"]) or 1)).quantize(MILLI, ROUND_HALF_UP)

    def _cost(self, row: Row, good: str, qty: Decimal) -> Decimal:
        """The cost of a quantity, at the mean of what is there without this document."""
        have = cost = NOUGHT
        for move in self.base.moves:
            if move["register"] == STOCK and move["good"] == good and move["doc"] != row["id"]:
                have, cost = have + move["qty"], cost + move["amount"]
        return (cost * qty / have).quantize(CENT, ROUND_HALF_UP) if have > 0 else NOUGHT

    def _need(self, value: str, name: str, title: str) -> None:
        if value in (EMPTY, ""):
            refuse(f"emptyRequiredReq {STOCK} ({REGISTERS[STOCK].title})|{name} ({title})")

    def _within_shipment(self, row: Row) -> None:
        """A return may take back what its shipment (or the shipments of its order) has, less what came back before."""
        values = row["values"]
        on = {values.get("baseDoc", EMPTY), values.get("contract", EMPTY)} - {EMPTY}
        for line in row["parts"]["tpGoods"]:
            left = NOUGHT
            for kind, sign in ((SALE, 1), (RETURN, -1)):
                for other in self.base.by_type[kind].values():
                    links = {other["id"], other["values"].get("baseDoc"), other["values"].get("contract")}
                    if other["id"] != row["id"] and other["values"]["posted"] == "1" and links & on:
                        same = [one for one in other["parts"]["tpGoods"] if one["good"] == line["good"]]
                        left += sign * sum((self.quantity(one) for one in same), NOUGHT)
            if self.quantity(line) > left:
                not_saved(TOO_MUCH.format(name=self.base.named(line["good"])))

    # --- orders ---------------------------------------------------------------------------------------------------

    def _ordered(self, row: Row) -> list[Row]:
        values = row["values"]
        reserves = self.base.quirks.posting_reserves or row.get("placed", False)
        moves = []
        for line in row["parts"]["tpGoods"]:
            if line["good"] == EMPTY or not (qty := self.quantity(line)):
                continue
            here = (values["storage"], values["firm"])
            taken = min(qty, max(self.free(line["good"], values["storage"], row["id"]), NOUGHT)) if reserves else NOUGHT
            wanted = qty - taken if row.get("placed") else NOUGHT
            moves.append(self._control(row, line["good"], here, row["id"], (qty, taken, wanted)))
        return moves

    def _fulfilled(self, row: Row) -> list[Row]:
        """A shipment takes its goods off what its order has outstanding and reserved."""
        values = row["values"]
        order = self.base.objects.get(values.get("baseDoc", EMPTY))
        if order is None or order["type"] != ORDER:
            return []
        moves = []
        for line in row["parts"]["tpGoods"]:
            left = [self.sum_of(CONTROL, name, line["good"], baseDoc=order["id"], but=row["id"])
                    for name in ("qty", "qtyReserve", "qtyPurchase")]  # fmt: skip
            if any(left):
                here = (order["values"]["storage"], order["values"]["firm"])
                off = [-min(self.quantity(line), max(one, NOUGHT)) for one in left]
                moves.append(self._control(row, line["good"], here, order["id"], (off[0], off[1], off[2])))
        return moves

    def _control(
        self, row: Row, good: str, here: tuple[str, str], order: str, sums: tuple[Decimal, Decimal, Decimal]
    ) -> Row:
        return {
            **self._move(CONTROL, row),
            "good": good,
            "storage": here[0],
            "firm": here[1],
            "baseDoc": order,
            "qty": sums[0],
            "qtyReserve": sums[1],
            "qtyPurchase": sums[2],
        }

    @staticmethod
    def _move(register: str, row: Row) -> Row:
        """A movement of nothing."""
        sums = dict.fromkeys(REGISTERS[register].resources, NOUGHT)
        return {"register": register, "doc": row["id"], "date": row["values"]["date"], **sums}

    # --- sums -----------------------------------------------------------------------------------------------------

    def sum_of(self, register: str, resource: str, good: str, *, but: str = "", **dims: str | None) -> Decimal:
        """All that was moved of a good, by the dimensions that are given; without those of one document."""
        return sum(
            (
                move[resource]
                for move in self.base.moves
                if move["register"] == register
                and move["good"] == good
                and move["doc"] != but
                and all(value is None or move[name] == value for name, value in dims.items())
            ),
            NOUGHT,
        )

    def free(self, good: str, storage: str | None, but: str = "") -> Decimal:
        """What lies there and is not reserved."""
        lies = self.sum_of(STOCK, "qty", good, storage=storage)
        return lies - self.sum_of(CONTROL, "qtyReserve", good, storage=storage, but=but)
