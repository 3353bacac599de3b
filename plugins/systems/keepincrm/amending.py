"""Agreements whose orders have changed, or were cancelled: as far as the API goes, and told where it does not.

A PATCH with lines or a client in it adds them again, so that just plain fields are written. Lines are exchanged by
their ids only where the config says that this account takes that; what came of it is looked at.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from pipeline.api import (
    Amendment,
    Cancellation,
    DocumentDraft,
    Held,
    InDoubt,
    Order,
    Party,
    Ref,
    T,
    Text,
    Where,
    cents,
    phone,
    renewed,
    tidy,
)
from plugins.systems.keepincrm import values as v
from plugins.systems.keepincrm.agreements import Line, part, parts, party_of, result_of, stage_of, total_of
from plugins.systems.keepincrm.client import KeepinApi
from plugins.systems.keepincrm.drafting import body_of, labels_of
from plugins.systems.keepincrm.moving import closed, comment_in, gone, moved, see_moved, still_closed
from plugins.systems.keepincrm.order_settings import OrderSettings
from plugins.systems.keepincrm.orders import AGREEMENTS
from plugins.systems.keepincrm.paging import Row
from plugins.systems.keepincrm.writing import refused

#: Statuses of orders whose agreements have come to nothing.
DEAD = ("cancelled", "refunded")
Key = tuple[str, Decimal | None, Decimal | None]  #: article, or title of what has none; amount; price


@dataclass(frozen=True, slots=True)
class Amender:
    """Changes agreements of one account."""

    api: KeepinApi
    settings: OrderSettings
    client: str
    see_product: Callable[[Ref, str], None]  #: raises Held for one that a line must not name

    def amend(self, amendment: Amendment) -> tuple[Row, bool]:
        """The agreement as it is then, and whether it was so already. Raises Held, InDoubt, Transient, Refused."""
        draft, number = amendment.draft, amendment.ref.id
        row = self._row(number)
        wanted = body_of(draft, self.settings, self.client)["jobs_attributes"]
        _see_same(row, draft.order)
        body = self._scalars(row, draft)
        if lines := self._lines(row, wanted):
            for ref in draft.products:
                self.see_product(ref, draft.order.number)
            if body.get("total") is None:
                body["total"] = cents(draft.order.total)
            body |= {"products_total_as_total": False, "jobs_attributes": lines}
        if not body:
            return row, True
        after = self._exchanged(number, body, wanted) if lines else self._changed(number, body)
        see_moved(after, body, self.settings)
        row = {**row, **after}
        total = _total(row)
        if total is not None and total != cents(draft.order.total):
            raise _differs(number, T("its total is {there} instead of {here}", there=total,
                                     here=cents(draft.order.total)))  # fmt: skip
        return row, False

    def cancel(self, cancellation: Cancellation) -> tuple[Row, bool]:
        """The same, for an agreement that is to be marked."""
        row = self._row(cancellation.ref.id)
        stage = self.settings.stage_of(cancellation.status) or self.settings.stage_of("cancelled")
        if result_of(row) == "failed":
            return row, True
        if stage is not None:
            body = moved(row, self.settings, stage)
        elif self.settings.close:
            body = closed(row, self.settings, "failed")
        else:
            raise refused(
                "unknown-status",
                T("The config does not say which stage agreements of cancelled orders get."),
                T("Name it: `orders: {stage_for: {cancelled: …}}` of the connection."),
            )
        if not body:
            return row, True
        after = self._changed(cancellation.ref.id, body)
        see_moved(after, body, self.settings)
        return {**row, **after}, False

    def _row(self, number: str) -> Row:
        """The agreement, which is not won yet. Raises Held."""
        row = self.api.one(f"{AGREEMENTS}/{number}") if number.isascii() and number.isdigit() else None
        if row is None:
            raise gone(number)
        if result_of(row) not in ("", "failed"):
            raise refused(
                "closed",
                T("Agreement {number} is closed as {result}.", number=number, result=result_of(row)),
                T("Change it in the CRM by hand: it is looked at again by itself."),
            )
        return row

    def _changed(self, number: str, body: Mapping[str, Any]) -> Row:
        after = self.api.change(f"{AGREEMENTS}/{number}", body)
        if after is None:
            raise gone(number)
        return after

    # --- plain fields ------------------------------------------------------------------------------------------------

    def _scalars(self, row: Row, draft: DocumentDraft) -> dict[str, Any]:
        """Total, comment and stage, where they are not so yet."""
        order = draft.order
        body: dict[str, Any] = {}
        if result_of(row) and not self.settings.close:
            raise still_closed(row)
        if _total(row) not in (None, cents(order.total)):
            body["total"] = cents(order.total)
        comment = renewed(comment_in(row), labels_of(order), [draft.comment])
        if comment is not None:
            body["comment"] = comment
        stage = self.settings.stage_of(order.status)
        dead = {str(own) for one in DEAD if (own := self.settings.stage_of(one)) is not None}
        if stage is None and (stage_of(row, self.settings) in dead or result_of(row)):
            stage = self.settings.stages.get(self.settings.stage or "")
            if stage is None:
                raise refused(
                    "unknown-status",
                    T("Agreement {number} was cancelled, and the config does not say at which stage it goes on.",
                      number=v.text(row.get("id"))),
                    T("Name it: `orders: {stage: …}` of the connection."),
                )  # fmt: skip
        if stage is not None:
            body |= moved(row, self.settings, stage)
        return body

    # --- lines -------------------------------------------------------------------------------------------------------

    def _lines(self, row: Row, wanted: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """What of ``jobs_attributes`` exchanges lines; nothing where they are so. Raises Held where that cannot be."""
        number = v.text(row.get("id"))
        if not isinstance(row.get("jobs"), list):
            raise refused("lines", T("The API does not tell the lines of agreement {number}.", number=number), _BY_HAND)
        standing = [(Line.of(job), _key_there(Line.of(job))) for job in parts(row["jobs"])]
        left = Counter(_key_wanted(job) for job in wanted)
        going: list[str] = []
        for line, key in standing:
            if left[key]:
                left[key] -= 1
            else:
                going.append(line.id)
        coming: list[dict[str, Any]] = []
        for job in reversed(wanted):
            if left[_key_wanted(job)]:
                left[_key_wanted(job)] -= 1
                coming.insert(0, dict(job))
        if not going and not coming:
            return []
        if not self.settings.change_lines or not all(going):
            raise refused(
                "lines",
                T("The lines of agreement {number} are not what the order has now, and its API changes none.",
                  number=number),
                _BY_HAND,
            )  # fmt: skip
        return [*({"id": int(own), "_destroy": True} for own in going), *coming]

    def _exchanged(self, number: str, body: Mapping[str, Any], wanted: Sequence[Mapping[str, Any]]) -> Row:
        """The agreement with its new lines. Raises Held when it has others, InDoubt when nobody knows."""
        path = f"{AGREEMENTS}/{number}"
        try:
            after = self.api.change(path, body, absolute=False, params=(("ignore_price_list", "true"),))
        except InDoubt:
            after = self.api.one(path)
            if after is None or not _has(after, wanted):
                raise
        if after is not None and "jobs" not in after:
            after = self.api.one(path)
        if after is None:
            raise gone(number)
        if not _has(after, wanted):
            raise _differs(number, T("its lines are not those of the order"))
        return after


_BY_HAND = T("Change the agreement in the CRM by hand: it is looked at again by itself.")


def _differs(number: str, wrong: Text) -> Held:
    return Held(
        T("Agreement {number} was changed, but {wrong}.", number=number, wrong=wrong),
        code="keepin-differs",
        hint=_BY_HAND,
    )


def _has(row: Row, wanted: Sequence[Mapping[str, Any]]) -> bool:
    there = Counter(_key_there(Line.of(job)) for job in parts(row.get("jobs")))
    return there == Counter(map(_key_wanted, wanted))


def _key_wanted(job: Mapping[str, Any]) -> Key:
    product = job["product_attributes"]
    return product.get("sku") or job["title"].casefold(), job["amount"], product["price"]


def _key_there(line: Line) -> Key:
    return line.sku or line.title.casefold(), _number(line.amount), _number(line.price)


def _number(value: object) -> Decimal | None:
    try:
        return v.number(value)
    except ValueError:
        return None


def _total(row: Row) -> Decimal | None:
    """In cents; None where it is not told, or not as a number."""
    try:
        found = total_of(row)
    except ValueError:
        return None
    return None if found is None else cents(found)


# --- what cannot be changed --------------------------------------------------------------------------------------


def _see_same(row: Row, order: Order) -> None:
    """That it is the same buyer and currency as before. Raises Held: the API changes neither."""
    where = Where(order=order.number)
    said = v.text(row.get("currency")).strip().upper()
    if said and said != order.currency:
        words = T("Agreement {number} is in {there}, and its order in {here}.", number=v.text(row.get("id")),
                  there=said, here=order.currency)  # fmt: skip
        raise Held(words, code="currency", where=where, hint=_BY_HAND)
    told, buyer = _signs(party_of(part(row.get("client")))), _signs(order.customer)
    if told and buyer and not told & buyer:
        raise Held(
            T("Order {number} has another buyer than its agreement, and the API exchanges none.", number=order.number),
            code="keepin-client",
            where=where,
            hint=_BY_HAND,
        )


def _signs(party: Party) -> set[str]:
    """By what a buyer is known: any of these is enough, since people put names and numbers right."""
    names = {tidy(party.title).casefold()} | {
        " ".join(sorted(tidy(f"{party.last_name} {party.first_name}").casefold().split()))
    }
    return {one for one in (phone(party.phone) or tidy(party.phone), tidy(party.email).casefold(), *names) if one}
