"""What follows an order in Quincefin: shipments, returns, payments.

None of their writes was seen, but the names of those of bank receipts: each kind is switched on by the settings. They
are known again by a mark in their comment, looked for before they are made and after an answer that was lost; what was
made is read back, and one that should be posted and is not is told.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any

from pipeline.api import (
    DocumentDraft,
    DocumentOutcome,
    DocumentRef,
    InDoubt,
    PaymentDraft,
    Return,
    Shipment,
    Strikes,
    T,
    Text,
    cents,
)
from plugins.systems.quincefin.client import NoMethod, found_after, shown_after
from plugins.systems.quincefin.documents import DocumentBook
from plugins.systems.quincefin.listing import AHEAD, BANK, CASH, RECENT, RETURN, SHIPMENT, Listing
from plugins.systems.quincefin.marks import follower_mark, mark_in, marked
from plugins.systems.quincefin.order_out import follower_body, line_bodies, lines_of, total_of
from plugins.systems.quincefin.reckoning import ZERO, Reckoned
from plugins.systems.quincefin.refusals import held
from plugins.systems.quincefin.settings import Kind, MoneyPlace
from plugins.systems.quincefin.values import Row, flag, ident, moment, own, refers, text

#: Days before now in which what is to be made is looked for once more, just before.
_JUST_NOW = timedelta(days=2)
WORDS: Mapping[Kind, Text] = {"shipments": T("shipment"), "returns": T("return"), "payments": T("payment")}


class Followers:
    """Documents of one kind that stand on others."""

    def __init__(self, book: DocumentBook, kind: Kind, paths: Sequence[str]) -> None:
        self.book, self.kind = book, kind
        self.client, self.settings, self.env = book.client, book.settings, book.env
        self._has_cash: bool | None = None
        self.listings = {path: Listing(path, book.client, book.settings, book.env) for path in paths}

    # --- finding -----------------------------------------------------------------------------------------------------

    def _live(self) -> list[Listing]:
        """All but cash receipts where the API does not have them: none of ours can be among them then."""
        if self._has_cash is None and CASH in self.listings:
            self._has_cash = self.client.has(CASH, self.listings[CASH].dates())
        return [one for path, one in self.listings.items() if path != CASH or self._has_cash]

    def find(self, keys: Collection[str]) -> dict[str, DocumentRef]:
        """Those that exist for ``keys``."""
        marks = {key: mark for key in keys if (mark := follower_mark(key)) is not None}
        if not marks:
            return {}
        known = self._marks(fresh=False)
        if any(mark not in known for mark in marks.values()):
            known = self._marks(fresh=True)
        for listing in self._live():
            while any(mark not in known for mark in marks.values()) and listing.further():
                known = self._marks(fresh=False)
        return {key: self._found(known[mark], key) for key, mark in marks.items() if mark in known}

    def _found(self, row: Row, key: str) -> DocumentRef:
        """One that was to be posted and is a draft yet is unfinished: a run broke off in between."""
        return replace(
            self.ref(row, key), unfinished=self.kind in self.settings.post and flag(row.get("Fixed")) is False
        )

    def _marks(self, *, fresh: bool) -> dict[str, Row]:
        found: dict[str, Row] = {}
        for listing in self._live():
            for row in listing.recent(fresh=fresh):
                if (mark := self._mark(row)) is not None:
                    found.setdefault(mark, row)
        return found

    def _mark(self, row: Row) -> str | None:
        return mark_in(text(row.get(self.settings.fields.comment)))

    def on(self, field: str, bases: Collection[DocumentRef]) -> dict[str, list[DocumentRef]]:
        """Those that stand on each of ``bases``, whoever made them, by the id of it."""
        rows = self.rows_on(field, bases)
        return {base: [self.ref(row, self.key_of(row)) for row in some] for base, some in rows.items()}

    def rows_on(self, field: str, bases: Collection[DocumentRef]) -> dict[str, list[Row]]:
        """The same as rows. They are dated when their base is, or later."""
        ids = {key: base.id for base in bases if (key := ident(base.id)) is not None}
        if not ids:
            return {}
        now, dated = self.env.clock.now(), [base.created_at for base in bases]
        first = min((one for one in dated if one is not None), default=now - self.settings.look_back) - RECENT
        found: dict[str, list[Row]] = {}
        for listing in self._live():
            for row in listing.days(min(first, now - RECENT), now + AHEAD):
                base = refers(row.get(field)) if field else None
                if base in ids:
                    found.setdefault(ids[base], []).append(row)
        return found

    def key_of(self, row: Row) -> str:
        """Our own key of one that we made; else ""."""
        mark = self._mark(row)
        return f"{self.env.client}/{mark}" if mark else ""

    def ref(self, row: Row, key: str) -> DocumentRef:
        """As the engine knows it. Its total is told where all of the order can stand in it."""
        key_ = str(own(row))
        whole = self.kind == "payments" or self.settings.orders.delivery == "line"
        return DocumentRef(
            id=key_,
            number=text(row.get("Number")) or key_,
            key=key,
            created_at=moment(row.get("Date"), self.settings.zone),
            total=total_of(row) if whole else None,
        )

    # --- making ------------------------------------------------------------------------------------------------------

    def there(self, key: str, at: datetime | None = None) -> Row | None:
        """The one with this key, looked for just now, also among those of the day that it is to have."""
        mark = follower_mark(key)
        if mark is None:
            raise held(T("{key} is no key of a document.", key=key))
        if (row := self._marks(fresh=False).get(mark)) is not None:
            return row
        now = self.env.clock.now()
        for listing in self._live():
            for first, last in [(now - _JUST_NOW, now), *([(at, at)] if at is not None else [])]:
                for row in listing.days(first, last):
                    if self._mark(row) == mark:
                        return row
        return None

    def comment(self, key: str, comment: str) -> str:
        """A comment with the mark of ``key``."""
        if not self.settings.fields.comment:
            raise held(
                T("Without a comment a document would not be known again."),
                T("Name the field: `fields: {comment: …}` of the connection."),
            )
        return marked(comment, follower_mark(key) or "")

    def make(self, path: str, key: str, body: dict[str, Any]) -> Row:
        """A new one, read back. Raises InDoubt where neither an answer came nor it is there."""
        if self.kind in self.settings.post:
            body["Fixed"] = True
        listing = self.listings[path]
        try:
            made = self.client.add(path, body)
        except InDoubt as doubt:
            return found_after(doubt, lambda: self._look(listing, key, body))
        except NoMethod as error:
            raise held(error.text, _no_method(self.kind), code="quincefin-method") from error

        def look() -> Row | None:
            row = listing.one(made) if made is not None else None
            return row or self._look(listing, key, body)

        return shown_after(look, WORDS[self.kind])

    def _look(self, listing: Listing, key: str, body: Mapping[str, Any]) -> Row | None:
        at = moment(body.get("Date"), self.settings.zone) or self.env.clock.now()
        rows = listing.days(at, at)
        return next((row for row in rows if self._mark(row) == follower_mark(key)), None)

    def outcome(self, path: str, key: str, row: Row, total: Decimal | None, *, existed: bool) -> DocumentOutcome:
        """What came of it: posted where that is wanted, and of the right sum. Raises Held where it is not."""
        if self.kind in self.settings.post and flag(row.get("Fixed")) is False:
            row = self._post(path, row)
        told = total_of(row)
        if total is not None and told is not None and told != total and not existed:
            raise held(
                T("Quincefin reckons {there} for the {kind} {number}, and not {wanted}.", there=told,
                  kind=WORDS[self.kind], number=text(row.get("Number")), wanted=total),
                T("Compare the two, and put it right in Quincefin: it is looked at again by itself."),
                code="quincefin-total",
            )  # fmt: skip
        return DocumentOutcome(key, self.ref(row, key), existed=existed)

    def _post(self, path: str, row: Row) -> Row:
        """Post what was made and stands as a draft; one that stays a draft is told."""
        key = own(row) or 0
        body: dict[str, Any] = {"Id": key, "Fixed": True}
        if self.settings.update == "partial":
            self.client.update(path, body)
            after = self.listings[path].one(key)
            if after is not None and flag(after.get("Fixed")) is not False:
                return after
        raise held(
            T("The {kind} {number} was made in Quincefin, but stays a draft.", kind=WORDS[self.kind],
              number=text(row.get("Number")) or str(key)),
            T("Post it there by hand, or leave `{kind}` out of `post` of the connection.", kind=self.kind),
            code="quincefin-draft",
        )  # fmt: skip


def _no_method(kind: Kind) -> Text:
    return T("Leave `{kind}` of the connection out: this account's API does not make them.", kind=kind)


# --- shipments -------------------------------------------------------------------------------------------------------


class Shipments:
    """See ShipDocuments."""

    def __init__(self, book: DocumentBook) -> None:
        self.book, self.settings = book, book.settings
        self.followers = Followers(book, "shipments", [SHIPMENT])
        self._returns = Followers(book, "returns", [RETURN])

    def of(self, orders: Collection[DocumentRef]) -> dict[str, list[DocumentRef]]:
        """Those that stand on orders."""
        return self.followers.on(self.settings.fields.order, orders)

    def ship(self, shipments: Sequence[Shipment]) -> list[DocumentOutcome]:
        """One outcome for each, in order."""
        with self.book.lock:
            act = Strikes()
            return [act(one.key, partial(self._ship, one)) for one in shipments]

    def _ship(self, shipment: Shipment) -> DocumentOutcome:
        followers, fields = self.followers, self.settings.fields
        if (there := followers.there(shipment.key, shipment.at)) is not None:
            return followers.outcome(SHIPMENT, shipment.key, there, None, existed=True)
        _not_empty(shipment.draft)
        order = self.book.there(shipment.order)
        self._alive(order, shipment.order)
        reckoned = goods_of(self.book, shipment.draft)
        standing = followers.rows_on(fields.order, [shipment.order]).get(shipment.order.id, [])
        within(reckoned, order, standing, self.book, T("than was ordered"), self._back(standing))
        total = cents(sum((line.sum for line in reckoned.lines), ZERO))
        comment = followers.comment(shipment.key, shipment.draft.comment)
        body = follower_body(
            order, shipment.at or self.book.env.clock.now(), comment, total, self.settings,
            **{fields.order: ident(shipment.order.id)} if fields.order else {},
        )  # fmt: skip
        if shipment.draft.warehouse is not None and fields.store:
            body[fields.store] = ident(shipment.draft.warehouse.id)
        body[fields.lines] = line_bodies(reckoned.lines, fields)
        row = followers.make(SHIPMENT, shipment.key, body)
        return followers.outcome(SHIPMENT, shipment.key, row, total, existed=False)

    def _back(self, standing: Sequence[Row]) -> list[Row]:
        """What came back of these shipments, and so may leave again; nothing where the API has no returns."""
        if not (standing and self.settings.returns):
            return []
        followers = self.followers
        refs = [followers.ref(row, followers.key_of(row)) for row in standing]
        rows = self._returns.rows_on(self.settings.fields.shipment, refs)
        return [row for some in rows.values() for row in some]

    def _alive(self, order: Row, ref: DocumentRef) -> None:
        """Raises Held for an order that was cancelled: goods do not leave on it."""
        if self.book.is_cancelled(order):
            raise held(
                T("Order {number} is cancelled in Quincefin: nothing leaves on it.", number=ref.number or ref.id),
                T("Give it another status there; or let the step do so: `statuses`."),
                code="quincefin-cancelled",
            )


def goods_of(book: DocumentBook, draft: DocumentDraft) -> Reckoned:
    """What leaves or comes back: all discounts on the lines, as such documents have none of their own."""
    return book.reckoned(draft, shipped=True)


def _not_empty(draft: DocumentDraft) -> None:
    if not draft.order.lines or any(line.quantity <= 0 for line in draft.order.lines):
        raise held(
            T("Order {number}: a document without goods, or with none of something, is not made.",
              number=draft.order.number),
            code="empty-document",
        )  # fmt: skip


def within(
    wanted: Reckoned, base: Row, standing: Sequence[Row], book: DocumentBook, than: Text, back: Sequence[Row] = ()
) -> None:
    """Raises Held where more leaves or comes back, together with what has, than its base has of it.

    Args:
        back: documents by which some of that came back again.
    """
    has = _quantities(base, book)
    if has is None:  # the account does not show lines: the walk's own look at the documents must do
        return
    left = Counter(has)
    for row in standing:
        left.subtract(_quantities(row, book) or {})
    for row in back:
        left.update(_quantities(row, book) or {})
    asked: Counter[int] = Counter()
    for line in wanted.lines:
        asked[line.product] += line.quantity  # type: ignore[assignment]  # a Counter of Decimals
    for product, quantity in asked.items():
        if quantity > left[product]:
            good = book.shelf.goods().by_id.get(product)
            name = good.name or good.article if good is not None else str(product)
            raise held(
                T("More of {name} {than}: {n}, and {left} are left.", name=name, than=than, n=quantity,
                  left=max(Decimal(left[product]), ZERO)),
                T("Look at the documents of the order in Quincefin."),
                code="quincefin-too-much",
            )  # fmt: skip


def _quantities(row: Row, book: DocumentBook) -> dict[int, Any] | None:
    lines = lines_of(row, book.settings.fields)
    if lines is None:
        return None
    found: dict[int, Any] = {}
    for line in lines:
        found[line.product] = found.get(line.product, ZERO) + line.quantity
    return found


# --- returns ---------------------------------------------------------------------------------------------------------


class Returns:
    """See ReturnDocuments."""

    def __init__(self, book: DocumentBook, shipments: Shipments) -> None:
        self.book, self.settings, self.shipments = book, book.settings, shipments
        self.followers = Followers(book, "returns", [RETURN])

    def of(self, shipments: Collection[DocumentRef]) -> dict[str, list[DocumentRef]]:
        """Those that stand on shipments."""
        return self.followers.on(self.settings.fields.shipment, shipments)

    def take_back(self, returns: Sequence[Return]) -> list[DocumentOutcome]:
        """One outcome for each, in order."""
        with self.book.lock:
            act = Strikes()
            return [act(one.key, partial(self._take_back, one)) for one in returns]

    def _take_back(self, back: Return) -> DocumentOutcome:
        followers, fields = self.followers, self.settings.fields
        if (there := followers.there(back.key, back.at)) is not None:
            return followers.outcome(RETURN, back.key, there, None, existed=True)
        _not_empty(back.draft)
        key = ident(back.shipment.id)
        shipped = (
            self.shipments.followers.listings[SHIPMENT].one(key, back.shipment.created_at) if key is not None else None
        )
        if shipped is None:
            raise held(
                T("Quincefin has no shipment {number}.", number=back.shipment.number or back.shipment.id),
                code="quincefin-gone",
            )
        reckoned = goods_of(self.book, back.draft)
        standing = followers.rows_on(fields.shipment, [back.shipment]).get(back.shipment.id, [])
        within(reckoned, shipped, standing, self.book, T("than was shipped"))
        total = cents(sum((line.sum for line in reckoned.lines), ZERO))
        body = follower_body(
            shipped, back.at or self.book.env.clock.now(), followers.comment(back.key, back.draft.comment), total,
            self.settings, **{fields.shipment: key} if fields.shipment else {},
        )  # fmt: skip
        body[fields.lines] = line_bodies(reckoned.lines, fields)
        row = followers.make(RETURN, back.key, body)
        return followers.outcome(RETURN, back.key, row, total, existed=False)


# --- payments --------------------------------------------------------------------------------------------------------


class PaymentBook:
    """See Payments. Receipts of a bank account, and of a cash desk where the settings name one."""

    def __init__(self, book: DocumentBook) -> None:
        self.book, self.settings = book, book.settings
        cash = any(one.kind == "cash" for one in self.settings.money_places().values())
        self.followers = Followers(book, "payments", [BANK, *([CASH] if cash else [])])

    def pay(self, payments: Sequence[PaymentDraft]) -> list[DocumentOutcome]:
        """One outcome for each, in order."""
        with self.book.lock:
            act = Strikes()
            return [act(one.key, partial(self._pay, one)) for one in payments]

    def _pay(self, payment: PaymentDraft) -> DocumentOutcome:
        followers, fields = self.followers, self.settings.fields
        if (there := followers.there(payment.key, payment.at)) is not None:
            path = self._path_of(there)
            return followers.outcome(path, payment.key, there, None, existed=True)
        if payment.amount <= 0 or payment.amount != cents(payment.amount):
            raise held(T("{amount} is no amount of a payment.", amount=payment.amount), code="quincefin-amount")
        order = self.book.there(payment.order)
        currency = text(order.get(fields.currency)).strip().upper() if fields.currency else ""
        if currency and currency != payment.currency:
            raise held(
                T("The order is in {there}, and the payment in {here}.", there=currency, here=payment.currency),
                code="currency",
            )
        place = self._place(payment)
        path = CASH if place is not None and place.kind == "cash" else BANK
        links = {
            fields.account: place.id if place is not None else None,
            fields.order: ident(payment.order.id),
            fields.partner: ident(payment.payer.id) if payment.payer is not None else None,
        }
        body = follower_body(
            order, payment.at or self.book.env.clock.now(), followers.comment(payment.key, payment.comment),
            payment.amount, self.settings, **{name: value for name, value in links.items() if name},
        )  # fmt: skip
        body.pop(fields.store, None)
        if fields.currency:
            body[fields.currency] = payment.currency
        row = followers.make(path, payment.key, body)
        return followers.outcome(path, payment.key, row, payment.amount, existed=False)

    def _place(self, payment: PaymentDraft) -> MoneyPlace | None:
        places = self.settings.money_places()
        if payment.account is None:
            return places[self.settings.account] if self.settings.account is not None else None
        key = ident(payment.account.id)
        if key is None:
            raise held(T("Quincefin has no bank account or cash desk {name} that is known here.",
                         name=payment.account.name or payment.account.code), code="unknown-account")  # fmt: skip
        return next((one for one in places.values() if one.id == key), MoneyPlace(id=key))

    def _path_of(self, row: Row) -> str:
        for path, listing in self.followers.listings.items():
            if any(one is row for one in listing.kept()):
                return path
        return BANK
