"""Agreements made of orders: each once, although the API has no id of ours and gives no second look at a lost reply.

An agreement is looked up by its title before it is made, and again when no answer came. Who makes agreements of one
account in this process does it one after the other; the engine's leases keep processes apart.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from pipeline.api import (
    Amendment,
    Cancellation,
    DocumentDraft,
    DocumentOutcome,
    DocumentRef,
    Held,
    InDoubt,
    ListedDocument,
    Ref,
    Refused,
    Strikes,
    SystemEnv,
    T,
    Transient,
    Where,
    Who,
    cents,
    key_of,
    key_parts,
    tidy,
)
from plugins.systems.keepincrm import titles
from plugins.systems.keepincrm import values as v
from plugins.systems.keepincrm.agreements import part, parts, total_of
from plugins.systems.keepincrm.amending import Amender
from plugins.systems.keepincrm.client import KeepinApi
from plugins.systems.keepincrm.drafting import body_of
from plugins.systems.keepincrm.goods import Goods
from plugins.systems.keepincrm.orders import AGREEMENTS
from plugins.systems.keepincrm.paging import FilterRefused, Params, Row
from plugins.systems.keepincrm.settings import KeepinSettings
from plugins.systems.keepincrm.titles import Identity, identity_of

Change = TypeVar("Change", Amendment, Cancellation)
#: More keys than this are looked for in the whole list at once.
FEW = 100
#: One for each account, for all sessions of this process.
_LOCKS: dict[str, threading.Lock] = {}
_LOCK = threading.Lock()


class DocumentBook:
    """The agreements of one session, as documents of orders."""

    def __init__(self, api: KeepinApi, settings: KeepinSettings, goods: Goods, env: SystemEnv) -> None:
        self._api, self._settings, self._goods, self._env = api, settings, goods, env
        self._orders = settings.orders
        self._zone = ZoneInfo(env.timezone)
        self._filters = True
        self._amender = Amender(api, settings.orders, env.client, self._see_product)
        with _LOCK:
            self._lock = _LOCKS.setdefault(api.account, threading.Lock())

    # --- looking -----------------------------------------------------------------------------------------------------

    def find(self, keys: Collection[str]) -> Mapping[str, DocumentRef]:
        """The agreements that exist for ``keys``. Raises Refused, Transient."""
        wanted = {key: identity for key in keys if (identity := key_parts(key)) is not None}
        if len(wanted) > FEW or (wanted and not self._filters):
            there = self._all()
            found = {key: there[identity] for key, identity in wanted.items() if identity in there}
        else:
            found = {key: row for key, identity in wanted.items() if (row := self._one(identity)) is not None}
        return {key: self._ref(row, wanted[key], key) for key, row in found.items()}

    def listed(self) -> Iterator[ListedDocument]:
        """Every agreement that was made of an order, oldest first. Raises Refused, Transient."""
        rows = sorted(self._api.rows(AGREEMENTS), key=lambda row: int(v.text(row["id"])))
        for row in rows:
            identity = identity_of(row, self._orders, self._env.client)
            if identity is not None and identity[0] == self._env.client:
                yield ListedDocument(self._ref(row, identity), identity[1], identity[2])

    def _ref(self, row: Row, identity: Identity, key: str = "") -> DocumentRef:
        """An agreement as a document; its number is the CRM's own."""
        own = v.text(row.get("id"))
        total = made = None
        with suppress(ValueError):
            total = total_of(row)
        with suppress(ValueError):
            made = v.moment(row.get("created_at"), self._zone)
        currency = v.text(row.get("currency")).strip().upper() or self._env.currency
        return DocumentRef(own, own, key or key_of(*identity), made, total, currency)

    def _one(self, identity: Identity) -> Row | None:
        """The oldest agreement of that order: asked for by its title, and looked at whether it really is."""
        if self._filters:
            predicate, piece = titles.query(self._orders, identity)
            asked: Params = ((f"q[{predicate}]", piece),)
            try:
                page = self._api.page(AGREEMENTS, (*asked, ("page", "1"), ("per_page", str(self._settings.page))))
                obeys = all(piece.casefold() in tidy(v.text(row.get("title"))).casefold() for row in page.rows)
                if obeys:
                    rows = page.rows if page.pages <= 1 else list(self._api.rows(AGREEMENTS, asked))
                    return self._oldest(rows).get(identity)
            except FilterRefused:
                pass
            self._filters = False  # the account does not listen to it: all of the list is looked at
        return self._all().get(identity)

    def _all(self) -> dict[Identity, Row]:
        return self._oldest(list(self._api.rows(AGREEMENTS)))

    def _oldest(self, rows: Sequence[Row]) -> dict[Identity, Row]:
        found: dict[Identity, Row] = {}
        for row in sorted(rows, key=lambda row: -int(v.text(row["id"]))):
            identity = identity_of(row, self._orders, self._env.client)
            if identity is not None:
                found[identity] = row
        return found

    # --- making ------------------------------------------------------------------------------------------------------

    def create(self, drafts: Sequence[DocumentDraft]) -> Sequence[DocumentOutcome]:
        """An agreement for each draft; one outcome each, in order."""
        act = Strikes()
        with self._lock:
            return [act(draft.key, partial(self._create, draft)) for draft in drafts]

    def _create(self, draft: DocumentDraft) -> DocumentOutcome:
        order = draft.order
        identity = (self._env.client, order.source, order.id)
        there = self._one(identity)
        if there is not None:
            return DocumentOutcome(draft.key, self._ref(there, identity, draft.key), existed=True)
        body = body_of(draft, self._orders, self._env.client)
        for ref in draft.products:
            self._see_product(ref, order.number)
        # without it an account may put its own price in the place of the one that the buyer agreed to
        params: Params = (("ignore_price_list", "true"), *self._office(draft.warehouse))
        try:
            made = self._api.add(AGREEMENTS, body, params)
        except InDoubt as doubt:
            try:
                found = self._one(identity)
            except (Transient, Refused) as error:
                raise doubt from error
            if found is None:
                raise
            return DocumentOutcome(draft.key, self._seen(draft, found, identity, body))
        if made is None:
            raise Refused(
                T("{name} does not take agreements by its API.", name=self._api.name),
                code="keepin-no-way", hint=T("Look whether the address of the API is right."),
            )  # fmt: skip
        row = self._read_back(made, identity)
        return DocumentOutcome(draft.key, self._seen(draft, row, identity, body))

    def _read_back(self, made: Row, identity: Identity) -> Row:
        """The new agreement as it is now; the answer tells little more than its id."""
        own = v.text(made.get("id"))
        try:
            row = self._api.one(f"{AGREEMENTS}/{own}") if own else self._one(identity)
        except (Transient, Refused, Held):
            row = None  # it is made all the same
        return row or made

    def _seen(self, draft: DocumentDraft, row: Row, identity: Identity, body: Mapping[str, Any]) -> DocumentRef:
        """The agreement as a document. Raises Held when it does not say what was sent: it is there, to be mended."""
        ref = self._ref(row, identity, draft.key)
        order = draft.order
        lines = parts(row.get("jobs")) if "jobs" in row else None
        wrong = None
        if ref.total is not None and cents(ref.total) != cents(order.total):
            wrong = T("its total is {there} instead of {here}", there=cents(ref.total), here=cents(order.total))
        elif draft.client is not None and "client" in row and v.text(part(row["client"]).get("id")) != draft.client.id:
            wrong = T("its client is not {name}", name=draft.client.name or draft.client.id)
        elif lines is not None and len(lines) != len(body["jobs_attributes"]):
            wrong = T("it has {n} lines instead of {m}", n=len(lines), m=len(body["jobs_attributes"]))
        if wrong is not None:
            raise Held(
                T("Agreement {number} was made for order №{order}, but {wrong}.", number=ref.number, order=order.number,
                  wrong=wrong),
                code="keepin-differs", where=Where(order=order.number), who=Who.ACCOUNTANT,
                hint=T("Mend it in the CRM, or delete it there: the order is tried again by itself."),
            )  # fmt: skip
        return ref

    def _see_product(self, ref: Ref, order: str) -> None:
        """That the CRM has the product, once: it links a line by its article, and makes what it does not know.

        Raises Held.
        """
        row = self._goods.seen().get(ref.id)
        if row is None and ref.id.isascii() and ref.id.isdigit():
            row = self._api.one(f"/materials/{ref.id}")
        if row is None or not ref.code.strip() or tidy(v.text(row.get("sku"))) != tidy(ref.code):
            raise Held(
                T("Product {code} is not in the CRM any more.", code=ref.code or ref.id),
                code="unknown-product", where=Where(order=order), who=Who.ACCOUNTANT,
                hint=T("Make it there again with this article, or say which product is meant."),
            )  # fmt: skip
        twins = [one for one in self._goods.seen().values() if tidy(v.text(one.get("sku"))) == tidy(ref.code)]
        if len(twins) > 1:
            raise Held(
                T("Several products of the CRM have the article {code}, and lines are linked by it.", code=ref.code),
                code="twins", where=Where(order=order), who=Who.ACCOUNTANT,
                hint=T("Keep one of them, and give the others another article."),
            )  # fmt: skip

    def _office(self, warehouse: Ref | None) -> Params:
        """The branch whose stock the agreement takes. Raises Held for one whose sign is not known."""
        if warehouse is None:
            return ()
        office = self._settings.all_offices().get(warehouse.code)
        if office is None or office.hash is None:
            raise Held(
                T("The config does not say by which sign the API knows office {name}.", name=warehouse.code),
                code="keepin-office", who=Who.ADMIN,
                hint=T("Write it into `offices` of the connection: {{{name}: {{id: {id}, hash: …}}}}.",
                       name=warehouse.code, id=warehouse.id),
            )  # fmt: skip
        return (("office_hash_id", office.hash),)

    # --- changing ----------------------------------------------------------------------------------------------------

    def amend(self, amendments: Sequence[Amendment]) -> list[DocumentOutcome]:
        """One outcome for each, in order."""
        act = Strikes()
        return [act(one.key, partial(self._changed, one, self._amender.amend)) for one in amendments]

    def cancel(self, cancellations: Sequence[Cancellation]) -> list[DocumentOutcome]:
        """One outcome for each, in order."""
        act = Strikes()
        return [act(one.key, partial(self._changed, one, self._amender.cancel)) for one in cancellations]

    def _changed(self, one: Change, change: Callable[[Change], tuple[Row, bool]]) -> DocumentOutcome:
        row, existed = change(one)
        ref = self._ref(row, key_parts(one.ref.key) or ("", "", ""), one.ref.key)
        return DocumentOutcome(one.key, ref, existed=existed)
