"""What an order to be made refers to, found in the account: source, payment method, delivery service, buyer, manager.

No default takes the place of what is not known: the order is held with what the account has.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from pipeline.api import ConfigError, DocumentDraft, Held, Ref, SystemEnv, T, Text, yaml_word
from plugins.systems.keycrm.lists import PATHS
from plugins.systems.keycrm.names import find_all, name_of, refs
from plugins.systems.keycrm.order_out import Names
from plugins.systems.keycrm.reading import Reader
from plugins.systems.keycrm.refusals import held
from plugins.systems.keycrm.values import Row, ident, text

BUYERS = "/buyer"
#: Kinds that steps ask for -> kinds of lists.
KINDS = {**{kind: kind for kind in PATHS}, "object": "source"}
#: Our names of carriers -> ``source_name`` of delivery services.
SERVICES = {"nova-poshta": "novaposhta"}


class Naming:
    """Finds what names mean."""

    def __init__(self, reader: Reader, env: SystemEnv) -> None:
        self.reader, self.env = reader, env
        self.lists, self.settings = reader.lists, reader.settings.documents

    # --- References --------------------------------------------------------------------------------------------------

    def find(self, kind: str, codes: Collection[str]) -> Mapping[str, Ref]:
        """The known ones: by id, alias or name; currencies as sources have them; a party by its id as a buyer."""
        if kind == "currency":
            known = self._currencies()
            return {code: Ref(code, code, code) for code in codes if code in known}
        if kind == "warehouse":
            warehouses = self.reader.warehouses()
            return {code: Ref(str(warehouses.ids[code]), code, code) for code in codes if code in warehouses.ids}
        if kind == "party":
            return self._buyers(codes)
        return find_all(self.lists.rows(KINDS[kind]), codes) if kind in KINDS else {}

    def ensure(self, kind: str, code: str, name: str = "") -> Ref:
        """Find it. A source that is not there is made by its first order. Raises ConfigError for anything else."""
        found = self.find(kind, [code]).get(code)
        if found is not None:
            return found
        if KINDS.get(kind) == "source":
            return Ref("", code, name or code)
        raise ConfigError(
            T("KeyCRM has no {kind} {code}, and its API makes none.", kind=kind, code=code),
            hint=T("Make it in KeyCRM."),
        )

    def all(self, kind: str) -> Sequence[Ref]:
        """All of a kind, by code."""
        if kind == "currency":
            return tuple(Ref(code, code, code) for code in sorted(self._currencies()))
        if kind == "warehouse":
            known = self.reader.warehouses()
            found = (Ref(str(number), code, known.names.get(number, code)) for code, number in known.ids.items())
            return tuple(sorted(found, key=lambda one: one.code))
        return refs(self.lists.rows(KINDS[kind])) if kind in KINDS else ()

    def _currencies(self) -> set[str]:
        """Those of the sources; a source that is yet to be made has the client's own."""
        return {self.env.currency, *(text(row.get("currency_code")) for row in self.lists.rows("source"))} - {""}

    def _buyers(self, codes: Collection[str]) -> dict[str, Ref]:
        numbers = sorted({code for code in codes if code.isascii() and code.isdigit()})
        found = self.reader.client.chosen(BUYERS, "buyer_id", numbers) if numbers else ()
        known = {str(ident(row.get("id"))): Ref(str(ident(row.get("id"))), str(ident(row.get("id"))), name_of(row))
                 for row in found}  # fmt: skip
        return {code: known[code] for code in numbers if code in known}

    # --- of an order -------------------------------------------------------------------------------------------------

    def of(self, draft: DocumentDraft) -> Names:
        """What this order refers to. Raises Held for what is not known."""
        notes: list[str] = []
        if draft.warehouse is not None:
            notes.append(str(T("Warehouse: {name}", name=draft.warehouse.name or draft.warehouse.code)))
        service = self._service(draft)
        said = draft.order.delivery.method or draft.order.delivery.carrier
        if service is None and said:
            notes.append(str(T("Delivery: {name}", name=said)))
        source_id, source_name = self._source(draft)
        return Names(
            source_id=source_id,
            source_name=source_name,
            method_id=self._method(draft),
            service_id=service,
            manager_id=int(draft.user.id) if draft.user is not None else None,
            buyer=self._buyer(draft),
            notes=tuple(notes),
        )

    def is_source(self, source: str, number: int | None) -> bool:
        """Whether KeyCRM's source of this number is that of orders of ``source``."""
        found = self.lists.named("source", self.settings.sources.get(source, source))
        return found is not None and found.id == str(number)

    def _source(self, draft: DocumentDraft) -> tuple[int | None, str]:
        order = draft.order
        said = draft.object.id if draft.object is not None else self.settings.sources.get(order.source, order.source)
        rows = self.lists.rows("source")
        found = self.lists.named("source", said) if said else None
        if found is None:
            alike = [row for row in rows if name_of(row).casefold() == said.strip().casefold()]
            if alike or not said or order.source in self.settings.sources:
                raise self._unknown(
                    "source", said, rows, T("documents: {{sources: {{{name}: …}}}}", name=yaml_word(order.source))
                )
            currency = self.env.currency
        else:
            currency = text(self.lists.by_id("source", int(found.id)).get("currency_code")) or self.env.currency
        if currency != order.currency:
            raise held(
                T("Orders of source {source} are in {there} in KeyCRM, and this one is in {here}.",
                  source=said, there=currency, here=order.currency),
                T("Name a source with that currency: {example}",
                  example=T("documents: {{sources: {{{name}: …}}}}", name=yaml_word(order.source))),
                code="currency",
            )  # fmt: skip
        return (int(found.id), "") if found is not None else (None, said)

    def _method(self, draft: DocumentDraft) -> int | None:
        """The payment method; None where nothing is said of it, or the settings leave it out."""
        payment = draft.order.payment
        said = self.settings.payments.get(payment.method, payment.method)
        paid = bool(payment.paid) or payment.status in ("paid", "partly")
        if not said and (payment.method in self.settings.payments or not paid):
            return None
        found = self.lists.named("payment-method", said) if said else None
        if found is None:
            hint = T("documents: {{payments: {{{name}: …}}}}", name=yaml_word(payment.method))
            raise self._unknown("payment-method", said, self.lists.rows("payment-method"), hint)
        return int(found.id)

    def _service(self, draft: DocumentDraft) -> int | None:
        """The delivery service; None where none of the account's is meant: its name is written down then."""
        delivery = draft.order.delivery
        rows = self.lists.rows("delivery-service")
        for name in (delivery.method, delivery.carrier):
            said = self.settings.deliveries.get(name) if name else None
            if said is not None:
                found = self.lists.named("delivery-service", said)
                if found is None:
                    hint = T("documents: {{deliveries: {{{name}: …}}}}", name=yaml_word(name))
                    raise self._unknown("delivery-service", said, rows, hint)
                return int(found.id)
        for name in (delivery.method, delivery.carrier):
            if name and (found := self.lists.named("delivery-service", name)) is not None:
                return int(found.id)
        wanted = SERVICES.get(delivery.carrier, delivery.carrier)
        alike = [row for row in rows if wanted and text(row.get("source_name")) == wanted]
        return ident(alike[0].get("id")) if len(alike) == 1 else None

    def _buyer(self, draft: DocumentDraft) -> dict[str, str] | None:
        """The party that the order is booked on, as an order names a buyer: KeyCRM knows it again by phone or mail."""
        if draft.client is None:
            return None
        row = self.reader.client.one(f"{BUYERS}/{draft.client.id}")
        if row is None:
            raise held(T("KeyCRM has no buyer {id} any more.", id=draft.client.id), code="keycrm-gone")
        body = {"full_name": name_of(row), "phone": _first(row.get("phone")), "email": _first(row.get("email"))}
        if not body["phone"] and not body["email"]:
            raise held(
                T("Buyer {id} of KeyCRM has neither phone nor mail, and an order knows its buyer by these alone.",
                  id=draft.client.id),
            )  # fmt: skip
        return {name: value for name, value in body.items() if value}

    def _unknown(self, kind: str, said: str, rows: Sequence[Row], example: Text) -> Held:
        return held(
            T("KeyCRM has no {kind} {name}.", kind=NAMES[kind], name=said or "—"),
            T("Say which one is meant: `{example}` of the connection. It has: {names}.",
              example=example, names=", ".join(filter(None, map(name_of, rows))) or "—"),
            code=f"unknown-{kind}",
        )  # fmt: skip


def _first(value: object) -> str:
    """At ``/buyer`` phones and mails are lists."""
    return text(value[0] if isinstance(value, list) and value else value).strip()


NAMES: Mapping[str, Text] = {
    "source": T("order source"),
    "payment-method": T("payment method"),
    "delivery-service": T("delivery service"),
    "status": T("order status"),
}
