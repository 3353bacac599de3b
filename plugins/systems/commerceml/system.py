"""Both ends of an exchange: an accounting program whose goods we take, and a shop that takes ours."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from pipeline.api import (
    AmendDocuments,
    Amendment,
    ApplyCatalogue,
    ApplyOrders,
    ApplyStock,
    Cancellation,
    DocumentDraft,
    DocumentList,
    DocumentOutcome,
    DocumentRef,
    Documents,
    DocumentStatuses,
    Finding,
    Held,
    ListedDocument,
    MatchRules,
    MistokError,
    Noticing,
    Offer,
    OfferChange,
    Offers,
    OfferTraits,
    OrderChange,
    Orders,
    ProductDraft,
    ProductLookup,
    Ref,
    ReferenceLists,
    References,
    Refused,
    RowOutcome,
    SeenOrder,
    StatusChange,
    Stock,
    StockLevel,
    StockTarget,
    System,
    SystemEnv,
    T,
    Transient,
    normal_form,
)
from plugins.commerceml.documents import NUMBER_1C, STATUS, TRACKING
from plugins.commerceml.order_out import file_of, state_document
from plugins.commerceml.words import open_file
from plugins.systems.commerceml import sending, sessions, shelf
from plugins.systems.commerceml.exchange import state_folder
from plugins.systems.commerceml.incoming import NAMELESS, Incoming, put_documents
from plugins.systems.commerceml.outbox import Outbox, strike
from plugins.systems.commerceml.room import Room
from plugins.systems.commerceml.sending import Sender
from plugins.systems.commerceml.settings import CommerceMLSettings
from plugins.systems.commerceml.store import Store, dump, note, take_notes

_SILENT = timedelta(minutes=15)  #: a session that was not ended is looked at so long after its last word


class _End:
    """What both have."""

    def __init__(self, settings: CommerceMLSettings, env: SystemEnv) -> None:
        """Nothing is opened yet."""
        self.name = env.name
        self.settings, self.env = settings, env
        self.store = Store(state_folder(settings, env) / "state.sqlite3", memory=env.dry_run)
        self.room = Room(settings.files, settings, env, self.store) if settings.files else None
        self.incoming = Incoming(self.store, settings, env)

    def close(self) -> None:
        """Let go of the store."""
        self.store.close()

    def noticed(self) -> Sequence[Finding]:
        """What was left out or hidden since the last call."""
        with self.store.writing() as db:
            return take_notes(db)

    def _refresh(self) -> None:
        """Take what lies in the folder, or see that sessions which fell silent are over."""
        if self.room is not None:
            self.room.take()
            return
        now = self.env.clock.now()
        with self.store.writing() as db:
            rows = db.execute("SELECT id, last FROM sessions WHERE state = 'open' AND kind = 'catalog'").fetchall()
            for row in rows:
                if now - datetime.fromisoformat(row["last"]) > _SILENT:
                    sessions.finish(db, int(row["id"]), self.settings, now, ended=False)

    def _shelf(self, *, refresh: bool = True) -> tuple[list[Offer], list[StockLevel], list[Ref]]:
        if refresh:
            self._refresh()
        with self.store.reading() as db:
            found = shelf.Shelf(db, self.settings, self.env.currency)
            return list(found.offers()), list(found.levels()), found.warehouses()

    def order_statuses(self) -> Sequence[Ref]:
        """Those that the connection names, and those that were seen."""
        return self.incoming.statuses()


class FromAccounting(_End):
    """A 1C, BAS or MoySklad: it tells its goods, takes orders as documents, and says what became of them."""

    def __init__(self, settings: CommerceMLSettings, env: SystemEnv) -> None:
        """Nothing is opened yet."""
        super().__init__(settings, env)
        self.outbox = Outbox(self.store, settings, env)
        self._index: tuple[Mapping[str, Sequence[Ref]], Mapping[str, Sequence[Ref]]] | None = None

    def check(self) -> Sequence[Finding]:
        """Look into the folders; tells when nothing has ever come. Raises Refused, Transient."""
        if self.room is not None:
            self.room.check()
        with self.store.reading() as db:
            goods = db.execute("SELECT count(*) AS n FROM goods").fetchone()["n"]
            braked = db.execute("SELECT max(id) AS id FROM sessions WHERE state = 'braked'").fetchone()["id"]
        found = []
        if not goods and self.settings.goods == "known":
            hint = T("Let the accounting program export its goods once, or set `goods: any`.")
            found.append(Finding("no-goods", T("The accounting program has told no goods yet."), hint=hint))
        if braked is not None:
            hint = T("If that is right: {command}", command=f"mistok commerceml hide {braked}")
            text = T("Session {n} left out too many goods: none was hidden.", n=braked)
            found.append(Finding("brake", text, hint=hint))
        return found

    # --- Offers, Stock -----------------------------------------------------------------------------------------------

    def offer_traits(self) -> OfferTraits:
        """What an accounting program tells; nothing of its goods is written."""
        return shelf.traits(self.settings)

    def offers(self, since: datetime | None = None) -> Iterator[Offer]:  # noqa: ARG002 - all is here already
        """All goods that were told, with their variants. Raises Refused, Transient."""
        return iter(self._shelf()[0])

    def levels(self, since: datetime | None = None) -> Iterator[StockLevel]:  # noqa: ARG002
        """All levels that were told, by warehouse where it tells them so."""
        return iter(self._shelf()[1])

    def warehouses(self) -> Sequence[Ref]:
        """Those that it told."""
        return self._shelf(refresh=False)[2]

    # --- look-ups ----------------------------------------------------------------------------------------------------

    def find_products(self, codes: Collection[str]) -> Mapping[str, Sequence[Ref]]:
        """By article, exactly, else by its normal form; of a product with variants only those."""
        if self.settings.goods == "any":
            return {code: (Ref(code, code),) for code in codes}
        if self._index is None:
            exact: dict[str, list[Ref]] = defaultdict(list)
            normal: dict[str, list[Ref]] = defaultdict(list)
            for offer in self._shelf()[0]:
                code = offer.keys.get("sku", "")
                if code and offer.kind != "base":
                    ref = Ref(offer.id, code, offer.title)
                    exact[code].append(ref)
                    normal[normal_form(code, MatchRules())].append(ref)
            self._index = exact, normal
        exact_, normal_ = self._index
        found = {code: exact_.get(code) or normal_.get(normal_form(code, MatchRules()), ()) for code in codes}
        return {code: tuple(refs) for code, refs in found.items() if refs}

    def find_references(self, kind: str, codes: Collection[str]) -> Mapping[str, Ref]:
        """Warehouses that were told, by name or id; anything else is known there by what it is called."""
        if kind == "warehouse" and (known := self.warehouses()):
            by = {word: ref for ref in known for word in (ref.id, ref.name, ref.code)}
            return {code: by[code] for code in codes if code in by}
        if kind == "status" and self.settings.statuses:
            return {ref.code: ref for ref in self.order_statuses() if ref.code in codes}
        return {code: Ref(code, code, code) for code in codes}

    def ensure(self, kind: str, code: str, name: str = "") -> Ref:
        """As it is: the accounting program makes what it lacks itself."""
        found = self.find_references(kind, [code]).get(code)
        if found is None:
            what = T("The accounting program has told no warehouse {name}.", name=code)
            if kind == "status":
                what = T("`statuses` of the exchange names no status {name}.", name=code)
            raise Held(what, code=f"unknown-{kind}")
        return Ref(found.id, found.code, name or found.name)

    def references(self, kind: str) -> Sequence[Ref]:
        """Warehouses and statuses; it tells no other lists."""
        return self.warehouses() if kind == "warehouse" else self.order_statuses() if kind == "status" else ()

    # --- Documents ---------------------------------------------------------------------------------------------------

    def find(self, keys: Collection[str]) -> Mapping[str, DocumentRef]:
        """The documents that there are; what of them was not put into the folder yet is put first."""
        self._deliver()
        return self.outbox.find(keys)

    def create(self, drafts: Sequence[DocumentDraft]) -> Sequence[DocumentOutcome]:
        """Documents that are handed out until the accounting program has them."""
        return self._handed_out(drafts, self.outbox.create(drafts)) if drafts else []

    def amend(self, amendments: Sequence[Amendment]) -> Sequence[DocumentOutcome]:
        """Hand a document out again with its new content."""
        return self._handed_out(amendments, self.outbox.amend(amendments)) if amendments else []

    def cancel(self, cancellations: Sequence[Cancellation]) -> Sequence[DocumentOutcome]:
        """Hand it out again as cancelled (``Отменен``); what it says else stays."""
        return self._handed_out(cancellations, self.outbox.cancel(cancellations)) if cancellations else []

    def set_statuses(self, changes: Sequence[StatusChange]) -> Sequence[DocumentOutcome]:
        """Hand it out again with another ``Статус заказа``."""
        return self._handed_out(changes, self.outbox.set_statuses(changes)) if changes else []

    def all_documents(self) -> Iterator[ListedDocument]:
        """Every document, oldest first."""
        return iter(self.outbox.all())

    def _deliver(self) -> None:
        if self.room is not None and not self.env.dry_run:
            self.room.deliver()

    def _handed_out(self, rows: Sequence[object], outcomes: list[DocumentOutcome]) -> list[DocumentOutcome]:
        try:
            self._deliver()
        except (Refused, Transient) as error:  # they stand in the store, and are put by the next call
            return strike(rows, error)
        return outcomes

    # --- Orders ------------------------------------------------------------------------------------------------------

    def orders(
        self, since: datetime | None = None, until: datetime | None = None, statuses: Collection[str] = ()
    ) -> Iterator[SeenOrder]:
        """What became of the orders that it was given, and orders of its own."""
        self._refresh()
        return self.incoming.orders(since, until, statuses)


class ToShop(_End):
    """A shop that takes goods and gives orders as it would to a 1C."""

    def __init__(self, settings: CommerceMLSettings, env: SystemEnv) -> None:
        """Nothing is opened yet."""
        super().__init__(settings, env)
        from plugins.systems.commerceml.client import ShopClient

        self.client = ShopClient(settings.http, env) if settings.http is not None else None
        self.sender = Sender(self.store, settings, env, self._send)

    def check(self) -> Sequence[Finding]:
        """Log in, or look into the folders. Raises Refused, Transient."""
        if self.client is not None:
            self.client.check()
        if self.room is not None:
            self.room.check()
        return ()

    def close(self) -> None:
        """Let go of connections and of the store."""
        if self.client is not None:
            self.client.close()
        super().close()

    # --- Offers, Stock: what the shop has confirmed ------------------------------------------------------------------

    def offer_traits(self) -> OfferTraits:
        """What is sent; what is told is what the shop has confirmed."""
        return sending.traits(self.settings)

    def offers(self, since: datetime | None = None) -> Iterator[Offer]:  # noqa: ARG002
        """What was sent so far and confirmed; a shop on CommerceML tells nobody what it has."""
        return iter(self._shelf(refresh=False)[0])

    def prices_in(self) -> str:
        """The currency in which prices are written."""
        return self.settings.currency or self.env.currency

    def levels(self, since: datetime | None = None) -> Iterator[StockLevel]:  # noqa: ARG002
        """The levels that were sent."""
        return iter(self._shelf(refresh=False)[1])

    def warehouses(self) -> Sequence[Ref]:
        """Those of the connection."""
        return [Ref(own, name or own, name) for own, name in self.settings.warehouses.items()]

    def create_products(self, drafts: Sequence[ProductDraft]) -> Sequence[RowOutcome]:
        """Send products; ids are made of the articles, so that twice is once."""
        return self.sender.create(drafts)

    def update_offers(self, changes: Sequence[OfferChange]) -> Sequence[RowOutcome]:
        """Send what has changed."""
        return self.sender.update(changes)

    def apply_stock(self, targets: Sequence[StockTarget]) -> Sequence[RowOutcome]:
        """Send levels."""
        return self.sender.stock(targets)

    def _send(self, parts: Mapping[str, Sequence[str]], full: bool) -> None:
        if self.room is not None:
            self.room.put(parts)
        if self.client is not None:
            self.client.send_goods({f"{kind}0_1.xml": self._file(one) for kind, one in parts.items()}, full=full)

    def _file(self, parts: Sequence[str]) -> bytes:
        settings = self.settings
        return file_of(parts, version=settings.version, encoding=settings.encoding, formed=self.env.clock.now())

    # --- Orders and ApplyOrders --------------------------------------------------------------------------------------

    def orders(
        self, since: datetime | None = None, until: datetime | None = None, statuses: Collection[str] = ()
    ) -> Iterator[SeenOrder]:
        """The shop's orders. They stand in the store before the shop hears that we have them."""
        if self.client is not None and not self.env.dry_run:
            self._fetch()
        elif self.room is not None:
            self.room.take()
        return self.incoming.orders(since, until, statuses)

    def _fetch(self) -> None:
        assert self.client is not None
        parsed = open_file(self.client.orders(), self.name)
        with self.store.writing() as db:
            note(db, *put_documents(db, parsed, self.env.clock.now(), own=False))
        self.client.took_orders()  # every document is kept, also one that waits for a person

    def apply_orders(self, changes: Sequence[OrderChange]) -> Sequence[RowOutcome]:
        """Send statuses, numbers and tracking numbers; what the shop has confirmed is not sent again."""
        outcomes: list[RowOutcome] = []
        parts: list[str] = []
        fresh: dict[str, str] = {}
        now = self.env.clock.now()
        with self.store.reading() as db:
            known = {row["id"] for row in db.execute("SELECT id FROM orders") if not row["id"].startswith(NAMELESS)}
            sent = {row["id"]: json.loads(row["told"]) for row in db.execute("SELECT id, told FROM answers")}
        for change in changes:
            if change.id not in known:
                outcomes.append(RowOutcome(error=Held(T("The shop gave no order {id}.", id=change.id), code="gone")))
                continue
            told = {**sent.get(change.id, {}), **self._told(change)}
            if told == sent.get(change.id, {}):
                outcomes.append(RowOutcome(existed=True))
                continue
            sent[change.id], fresh[change.id] = told, dump(told)
            parts.append(state_document(change.id, "", now, told))
            outcomes.append(RowOutcome())
        if parts:
            error = self._answer(parts)
            if error is not None:
                return [one if one.error or one.existed else RowOutcome(error=error) for one in outcomes]
            with self.store.writing() as db:
                db.executemany("INSERT OR REPLACE INTO answers VALUES (?, ?, 1)", list(fresh.items()))
        return outcomes

    def _told(self, change: OrderChange) -> dict[str, str]:
        status = None if change.status is None else self.settings.statuses.get(change.status, change.status)
        cancelled = None if change.status is None else "true" if change.status == "cancelled" else "false"
        told = {
            NUMBER_1C[0]: change.number,
            STATUS[0]: status,
            "Отменен": cancelled,
            TRACKING[0]: change.tracking,
            "Комментарий": change.comment,
        }
        return {name: value for name, value in told.items() if value is not None}

    def _answer(self, parts: Sequence[str]) -> MistokError | None:
        try:
            if self.room is not None:
                self.room.put({"states": parts})
            if self.client is not None:
                stamp = self.env.clock.now().strftime("%Y%m%d%H%M%S")
                self.client.send_states(f"orders-{stamp}.xml", self._file(parts))
        except Held as error:
            return error
        return None


_systems: tuple[type[System], ...] = (FromAccounting, ToShop)
_offers: tuple[type[Offers], ...] = (FromAccounting, ToShop)
_stock: tuple[type[Stock], ...] = (FromAccounting, ToShop)
_noticing: tuple[type[Noticing], ...] = (FromAccounting, ToShop)
_orders: tuple[type[Orders], ...] = (FromAccounting, ToShop)
_products: type[ProductLookup] = FromAccounting
_references: type[References] = FromAccounting
_lists: type[ReferenceLists] = FromAccounting
_documents: type[Documents] = FromAccounting
_amending: type[AmendDocuments] = FromAccounting
_statuses: type[DocumentStatuses] = FromAccounting
_listed: type[DocumentList] = FromAccounting
_catalogue: type[ApplyCatalogue] = ToShop
_levels: type[ApplyStock] = ToShop
_answers: type[ApplyOrders] = ToShop
