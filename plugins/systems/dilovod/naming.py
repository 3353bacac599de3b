"""What a document to be made refers to, found in the base: firm, storage, buyer, state, trade channel, services.

No default takes the place of what is not known: the order is held with what the base has.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pipeline.api import ConfigError, DocumentDraft, Party, Ref, T, Text, check_foreign, rate_line, yaml_word
from plugins.systems.dilovod.lists import Lists
from plugins.systems.dilovod.mapping import Good
from plugins.systems.dilovod.names import CHANNELS, KINDS, RETAIL_TYPE, TITLES, find
from plugins.systems.dilovod.order_out import Services, Sums
from plugins.systems.dilovod.parties import PartyBook
from plugins.systems.dilovod.reading import Reader
from plugins.systems.dilovod.refusals import held
from plugins.systems.dilovod.values import both

#: Setting that names a thing, for the hint of what is not known.
HINTS: Mapping[str, Text] = {
    "firm": T("documents: {firm: …}"),
    "warehouse": T("documents: {storage: …}"),
    "business": T("documents: {business: …}"),
    "account": T("documents: {account: …}"),
    "policy": T("goods: {policy: …, services: …}"),
}


@dataclass(frozen=True, slots=True)
class Resolved:
    """What of the base an order refers to: attributes of its header, and lines of its remark."""

    header: Mapping[str, Any]
    services: Services
    goods: Sequence[Good]
    notes: tuple[str, ...] = ()


class Naming:
    """Finds what names mean."""

    def __init__(self, reader: Reader, lists: Lists, parties: PartyBook) -> None:
        self.reader, self.lists, self.parties = reader, lists, parties
        self.settings = reader.settings.documents

    # --- References --------------------------------------------------------------------------------------------------

    def find(self, kind: str, codes: Collection[str]) -> Mapping[str, Ref]:
        """The known ones: by id, code or name; a party by its id or code; a warehouse by its name in the settings; a
        service by its article."""
        if kind == "party":
            return self.parties.coded(codes)
        if kind == "service":
            found_goods = self.reader.by_article(codes).items()
            return {code: same[0].ref for code, same in found_goods if len(same) == 1}
        if kind == "warehouse":
            known = self.reader.storages()
            found = {code: Ref(known[code].id, code, known[code].name) for code in codes if code in known}
            if self.reader.settings.warehouses:
                return found
            others = {code: one for code in codes if code not in found and (one := self.lists.named(kind, code))}
            return {**found, **others}
        if kind not in KINDS:
            return {}
        return {code: ref for code in codes if (ref := find(self.lists.all(kind), code)) is not None}

    def all(self, kind: str) -> Sequence[Ref]:
        """All of a kind, by code."""
        if kind == "warehouse":
            refs = [Ref(ref.id, code, ref.name) for code, ref in self.reader.storages().items()]
        else:
            refs = [Ref(ref.id, ref.code or ref.id, ref.name) for ref in self.lists.all(kind)]
        return tuple(sorted(refs, key=lambda ref: ref.code))

    def ensure(self, kind: str, code: str, name: str = "") -> Ref:
        """Find it; a source is made as a trade channel. Raises ConfigError for anything else that is missing."""
        found = self.find(kind, [code]).get(code)
        if found is not None:
            return found
        if kind == "source" and code.strip() and not self._alike(kind, name or code):
            made = self.lists.client.create(CHANNELS, {"name": both(name or code)})
            self.lists.forget(kind)
            return Ref(made, code, name or code)
        raise ConfigError(
            T("Dilovod has no {kind} {name}, or several.", kind=TITLES.get(kind, kind), name=code or "—"),
            hint=T("Make it in Dilovod."),
        )

    def _alike(self, kind: str, name: str) -> bool:
        return any(ref.name.casefold() == name.strip().casefold() for ref in self.lists.all(kind))

    # --- of an order -------------------------------------------------------------------------------------------------

    def of(self, draft: DocumentDraft, sums: Sums, goods: Mapping[str, Good], *, new: bool) -> Resolved:
        """What this order refers to. Raises Held for what is not known.

        Args:
            goods: by id, as they are now.
            new: a document is made; else the buyer and the storage stay those that it has, unless the draft says so.
        """
        own = self.reader.env.currency
        taken, how = self.settings.foreign == "own_rate", "`documents: {foreign: own_rate}`"
        currency = self.currency(draft.order.currency)
        check_foreign(draft.order, own, "Dilovod", taken=taken, setting=how)
        notes: list[str] = [*rate_line(draft.order, own)]
        header: dict[str, Any] = {
            "firm": self._given(draft, "firm", self.settings.firm, new=new),
            "storage": self._storage(draft, new=new),
            "business": self._optional(draft, "business", self.settings.business),
            "currency": currency,
            "person": self._person(draft, new=new),
            "state": self.state(draft),
            "tradeChanel": self._channel(draft),
            "paymentForm": self._method(draft, notes),
            "deliveryMethod": self._delivery(draft, notes),
            "cashAccount": self._optional(draft, "account", None),
            "author": draft.user.id if draft.user is not None else "",
            "manager": draft.executor.id if draft.executor is not None else "",
            "priceType": self._price_type() if new else "",
        }
        return Resolved(
            header={name: value for name, value in header.items() if value},
            services=Services(
                self.service(draft.delivery, "delivery") if sums.delivery else None,
                self.service(None, "fee") if sums.fee else None,
            ),
            goods=self.goods_of(draft, goods),
            notes=tuple(notes),
        )

    def goods_of(self, draft: DocumentDraft, goods: Mapping[str, Good]) -> list[Good]:
        """The good of each line. Raises Held for one that is not sold any more."""
        found = []
        for ref in draft.products:
            good = goods.get(ref.id)
            if good is None or not good.sold:
                raise held(
                    T("Dilovod has no good {id} with the article {article} any more.", id=ref.id,
                      article=ref.code or "—"),
                    code="dilovod-gone",
                )  # fmt: skip
            found.append(good)
        return found

    def currency(self, code: str) -> str:
        """The id of a currency. Raises Held."""
        found = self.lists.named("currency", code)
        if found is None:
            raise held(
                T("Dilovod has no currency {code}.", code=code or "—"),
                T("It has: {names}.", names=", ".join(ref.code or ref.name for ref in self.lists.all("currency"))),
                code="currency",
            )
        return found.id

    def state(self, draft: DocumentDraft) -> str:
        """The state that an order is to have; "" leaves it as it is."""
        given = draft.references.get("status")
        if given is not None:
            return given.id
        return self.state_of(draft.order.status)

    def state_of(self, status: str) -> str:
        """The state of a status by the settings; "" for others. Raises Held for one that the base does not have."""
        said = self.settings.states.get(status)
        if said is None:
            return ""
        return self.lists.wanted("status", said, T("documents: {{states: {{{name}: …}}}}", name=yaml_word(status))).id

    def _given(self, draft: DocumentDraft, kind: str, said: str | None, *, new: bool) -> str:
        given = draft.references.get(kind)
        if given is not None:
            return given.id
        return self.lists.only(kind, said, HINTS[kind]).id if new else ""

    def _optional(self, draft: DocumentDraft, kind: str, said: str | None) -> str:
        given = draft.references.get(kind)
        if given is not None:
            return given.id
        return self.lists.wanted(kind, said, HINTS[kind]).id if said else ""

    def _storage(self, draft: DocumentDraft, *, new: bool) -> str:
        if draft.warehouse is not None:
            return draft.warehouse.id
        return self.lists.only("warehouse", self.settings.storage, HINTS["warehouse"]).id if new else ""

    def _person(self, draft: DocumentDraft, *, new: bool) -> str:
        if draft.client is not None:
            return draft.client.id
        return self.buyer(draft.order.customer).id if new else ""

    def buyer(self, party: Party) -> Ref:
        """Who an order is booked on: found, made, or the one of the settings where it names nobody. Raises Held."""
        if not (party.title or party.phone or party.email):
            said = self.settings.person
            found = self.parties.coded([said]).get(said) if said else None
            if found is None:
                raise held(
                    T("The order has no buyer: no name, no phone, no mail."),
                    T("Name one for such orders: `documents: {person: …}` of the connection, by id or code."),
                    code="no-buyer",
                )
            return found
        (same,) = self.parties.find([party])
        if len(same) > 1:
            raise held(
                T("Several parties of Dilovod are {name}: {names}.", name=party.title or party.phone or party.email,
                  names=", ".join(f"{ref.name} ({ref.code or ref.id})" for ref in same[:10])),
                T("Keep one of them, or say which one is meant."),
                code="twins",
            )  # fmt: skip
        return same[0] if same else self.parties.create(party)

    def _channel(self, draft: DocumentDraft) -> str:
        given = draft.references.get("source") or draft.object
        if given is not None:
            return given.id
        source = draft.order.source
        said = self.settings.sources.get(source)
        if said:
            return self.lists.wanted(
                "source", said, T("documents: {{sources: {{{name}: …}}}}", name=yaml_word(source))
            ).id
        found = self.lists.named("source", source) if source else None
        return found.id if found is not None else ""

    def _method(self, draft: DocumentDraft, notes: list[str]) -> str:
        given = draft.references.get("payment-method")
        if given is not None:
            return given.id
        name = draft.order.payment.method
        said = self.settings.payments.get(name)
        if said:
            return self.lists.wanted(
                "payment-method", said, T("documents: {{payments: {{{name}: …}}}}", name=yaml_word(name))
            ).id
        found = self.lists.named("payment-method", name) if name else None
        if found is None and name:
            notes.append(str(T("Payment: {name}", name=name)))
        return found.id if found is not None else ""

    def _delivery(self, draft: DocumentDraft, notes: list[str]) -> str:
        given = draft.references.get("delivery-service")
        if given is not None:
            return given.id
        names = [name for name in (draft.order.delivery.method, draft.order.delivery.carrier) if name]
        for name in names:
            if said := self.settings.deliveries.get(name):
                example = T("documents: {{deliveries: {{{name}: …}}}}", name=yaml_word(name))
                return self.lists.wanted("delivery-service", said, example).id
        for name in names:
            if (found := self.lists.named("delivery-service", name)) is not None:
                return found.id
        if names:
            notes.append(str(T("Delivery method: {name}", name=names[0])))
        return ""

    def service(self, given: Ref | None, what: Literal["delivery", "fee"]) -> Good:
        """The good by which a cost is booked. Raises Held where nobody said which."""
        said = self.settings.delivery if what == "delivery" else self.settings.fee
        if given is not None:
            good = self.reader.by_id([given.id]).get(given.id)
            found = [good] if good is not None and good.sold else []
        else:
            found = self.reader.by_article([said]).get(said, []) if said else []
        if len(found) != 1:
            words = (
                T("The order has a cost of delivery, and nothing says by which service it is booked.")
                if what == "delivery"
                else T("The order has a surcharge of its payment, and nothing says by which service it is booked.")
            )
            raise held(
                words, T("Name the article of a service: `documents: {{{name}: …}}` of the connection.", name=what),
                code=f"no-{what}-service",
            )  # fmt: skip
        return found[0]

    def _price_type(self) -> str:
        known = self.lists.all("price-type")
        said = self.reader.settings.retail or RETAIL_TYPE
        found = find(known, said)
        return found.id if found is not None else ""
