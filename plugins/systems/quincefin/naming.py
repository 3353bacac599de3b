"""What documents refer to by name: statuses, sources, users, warehouses, accounts, organisations.

The API has no lists of these: the settings name them with their numbers, and documents that tell ``{Id, Name}`` teach
the rest.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence

from pipeline.api import ConfigError, DocumentDraft, Ref, T, Text, verbatim
from plugins.systems.quincefin.client import Client
from plugins.systems.quincefin.goods import Shelf
from plugins.systems.quincefin.listing import Listing
from plugins.systems.quincefin.mapping import PRICE_TYPE
from plugins.systems.quincefin.order_out import Links
from plugins.systems.quincefin.parties import Partners
from plugins.systems.quincefin.refusals import held
from plugins.systems.quincefin.settings import QuincefinSettings
from plugins.systems.quincefin.values import ident, named, own, refers, text

#: Kinds that steps ask for -> the list of the settings.
KINDS = {
    "status": "statuses", "source": "sources", "user": "users", "executor": "users", "warehouse": "warehouses",
    "firm": "companies", "account": "accounts",
}  # fmt: skip
_CURRENCY = re.compile(r"[A-Z]{3}")
#: Those that an account may make by itself when an order names them.
MADE = frozenset({"status", "source"})


class Naming:
    """Finds what names mean."""

    def __init__(
        self, client: Client, settings: QuincefinSettings, orders: Listing, shelf: Shelf, partners: Partners
    ) -> None:
        self.client, self.settings = client, settings
        self._orders, self._shelf, self._partners = orders, shelf, partners
        self._types: list[Ref] | None = None

    # --- References --------------------------------------------------------------------------------------------------

    def all(self, kind: str) -> Sequence[Ref]:
        """All that are known of a kind, by code."""
        if kind == "service":
            found = [one.ref for one in self._shelf.goods().by_id.values() if not one.kind]
        elif kind == "price-type":
            found = self._price_types()
        elif kind in KINDS:
            found = [*self._said(kind).values()]
            known = {ref.id for ref in found}
            found += [ref for ref in self._learnt(kind) if ref.id not in known]
        else:
            found = []
        return tuple(sorted(found, key=lambda ref: ref.code))

    def find(self, kind: str, codes: Collection[str]) -> Mapping[str, Ref]:
        """The known ones: by name, or by number. Contracts and prices name any currency by its ISO code."""
        if kind == "currency":
            return {code: Ref(code, code, code) for code in codes if _CURRENCY.fullmatch(code)}
        if kind == "party":
            partners = self._partners.all()
            keys = {code: ident(code) for code in codes}
            return {code: partners[key].ref for code, key in keys.items() if key is not None and key in partners}
        if kind not in {*KINDS, "service", "price-type"}:
            return {}
        found = {code: ref for code in codes if (ref := self._one(kind, code, self._said(kind).values())) is not None}
        missing = [code for code in codes if code not in found]
        if missing:
            every = self.all(kind)
            found |= {code: ref for code in missing if (ref := self._one(kind, code, every)) is not None}
        return found

    def made(self) -> frozenset[str]:
        """The kinds that the first order makes."""
        return MADE if self.settings.new_names else frozenset()

    def ensure(self, kind: str, code: str, name: str = "") -> Ref:
        """Find it. A status or source that is not there is made by its first order, where `new_names` says so.

        Raises ConfigError for anything else.
        """
        found = self.find(kind, [code]).get(code)
        if found is not None:
            return found
        if kind in MADE and self.settings.new_names:
            return Ref("", name or code, name or code)
        raise ConfigError(
            T("Quincefin has no {kind} {code} that is known here.", kind=NAMES.get(kind, verbatim(kind)), code=code),
            hint=T("Name it with its number in `{list}` of the connection.", list=KINDS.get(kind, kind)),
        )

    def _one(self, kind: str, code: str, among: Collection[Ref]) -> Ref | None:
        wanted = code.strip().casefold()
        for ref in among:
            if wanted and wanted in (ref.name.casefold(), ref.code.casefold()):
                return ref
        for ref in among:
            if ref.id == code.strip():
                return ref
        # a number that is typed is believed: there is no list to look it up in
        return Ref(code.strip(), code.strip()) if kind in KINDS and ident(code) is not None and kind != "user" else None

    def _said(self, kind: str) -> dict[str, Ref]:
        if kind not in KINDS:
            return {}
        if kind == "account":
            return {name: Ref(str(one.id), name, name) for name, one in self.settings.money_places().items()}
        listed: Mapping[str, int] = getattr(self.settings, KINDS[kind])
        return {name: Ref(str(number), name, name) for name, number in listed.items()}

    def _learnt(self, kind: str) -> list[Ref]:
        """Those that orders of the account tell by id and name."""
        fields = self.settings.fields
        names = {
            "status": (fields.status,), "source": (fields.source,), "user": (fields.manager, fields.author),
            "executor": (fields.manager, fields.author), "warehouse": (fields.store,), "firm": (fields.company,),
        }.get(kind, ())  # fmt: skip
        found: dict[int, Ref] = {}
        for row in self._orders.recent() if names else ():
            for name in filter(None, names):
                key, said = refers(row.get(name)), named(row.get(name))
                if key is not None and said:
                    found[key] = Ref(str(key), said, said)
        return list(found.values())

    def _price_types(self) -> list[Ref]:
        if self._types is None:
            rows = self.client.rows(PRICE_TYPE)
            self._types = [Ref(str(own(row)), text(row.get("Name")), text(row.get("Name"))) for row in rows]
        return self._types

    # --- of an order -------------------------------------------------------------------------------------------------

    def links(self, draft: DocumentDraft, partner: int, contract: int | None) -> Links:
        """What an order refers to. Raises Held for what is not known."""
        settings, order = self.settings, draft.order
        more = draft.references
        store = draft.warehouse or self._default("warehouse", settings.warehouse)
        return Links(
            company=self.company(draft),
            partner=partner,
            contract=contract,
            store=ident(store.id) if store is not None else None,
            status=self.sent(
                "status", more.get("status") or self._of(order.status, settings.orders.statuses, "status")
            ),
            source=self.sent("source", more.get("source") or self._source(draft)),
            manager=ident(draft.executor.id) if draft.executor is not None else None,
            author=ident(draft.user.id) if draft.user is not None else None,
            delivery_service=self.delivery_service(draft),
        )

    def company(self, draft: DocumentDraft) -> int | None:
        """The own organisation that a document is of."""
        firm = draft.references.get("firm")
        return ident(firm.id) if firm is not None else self.settings.company

    def delivery_service(self, draft: DocumentDraft) -> int | None:
        """The service that delivery is booked as."""
        return ident(draft.delivery.id) if draft.delivery is not None else self.settings.orders.delivery_service

    def status(self, word: str) -> int | str | None:
        """The status that orders of this one are to have, by the settings; None: nothing is said of it."""
        return self.sent("status", self._of(word, self.settings.orders.statuses, "status"))

    def shown_status(self, word: str) -> int | str | None:
        """As what an order shows the status of this one, by the settings: its number, or its name where that is not
        known here. None: nothing is said of it."""
        said = self.settings.orders.statuses.get(word)
        found = self.find("status", [said]).get(said) if said is not None else None
        return ident(found.id) if found is not None else said

    def sent(self, kind: str, ref: Ref | None) -> int | str | None:
        """How a reference is sent: its number, or the name of one that the account makes."""
        if ref is None:
            return None
        if (key := ident(ref.id)) is not None:
            return key
        if not self.settings.new_names:
            raise self._unknown(kind, ref.name or ref.code)
        return ref.name or ref.code

    def notes(self, draft: DocumentDraft) -> tuple[str, ...]:
        """Lines of the comment: what has no field of its own."""
        order = draft.order
        if draft.references.get("source") is None and order.source and self._source(draft) is None:
            return (str(T("Source: {name}", name=order.source)),)
        return ()

    def _of(self, word: str, mapped: Mapping[str, str], kind: str) -> Ref | None:
        said = mapped.get(word)
        if said is None:
            return None
        found = self.find(kind, [said]).get(said)
        if found is None and not self.settings.new_names:
            raise self._unknown(kind, said)
        return found or Ref("", said, said)

    def _source(self, draft: DocumentDraft) -> Ref | None:
        word = draft.order.source
        found = self._of(word, self.settings.orders.sources, "source")
        if found is None and (found := self._said("source").get(word)) is None and self.settings.new_names:
            return Ref("", word, word)
        return found

    def _default(self, kind: str, name: str | None) -> Ref | None:
        return self._said(kind).get(name) if name is not None else None

    def _unknown(self, kind: str, said: str) -> Exception:
        names = ", ".join(ref.name or ref.code for ref in self.all(kind))
        return held(
            T("Quincefin has no {kind} {code} that is known here.", kind=NAMES[kind], code=said),
            T("Name it with its number in `{list}` of the connection, or set `new_names`. Known are: {names}.",
              list=KINDS[kind], names=names or "—"),
            code=f"unknown-{kind}",
        )  # fmt: skip


NAMES: Mapping[str, Text] = {
    "status": T("order status"),
    "source": T("order source"),
    "user": T("user"),
    "executor": T("user"),
    "warehouse": T("warehouse"),
    "firm": T("own organisation"),
    "account": T("bank account or cash desk"),
    "party": T("partner"),
    "service": T("service"),
    "price-type": T("price type"),
}
