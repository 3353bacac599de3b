"""Looks whether an account is as a sync needs it, and tells what it has. Reads only."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pipeline.api import Finding, T, Text, Who
from plugins.systems.keycrm.mapping import Warehouses, balance
from plugins.systems.keycrm.names import find
from plugins.systems.keycrm.naming import NAMES
from plugins.systems.keycrm.reading import CATEGORIES, OFFERS, STOCKS, Reader
from plugins.systems.keycrm.values import Row, text

#: Types of custom fields that take the parts of a special price.
_PRICES, _DAYS = frozenset({"float", "number", "text"}), frozenset({"date", "datetime", "text"})


def check(reader: Reader) -> Sequence[Finding]:
    """What is not as it is needed; and remarks (for the accountant) on what the account has."""
    return [*_goods(reader), *_warehouses(reader), *_fields(reader), *_names(reader)]


def _goods(reader: Reader) -> Iterator[Finding]:
    offers = _count(reader.client.page(OFFERS, {"limit": 1, "page": 1}))
    categories = _count(reader.client.page(CATEGORIES, {"limit": 1, "page": 1}))
    yield _remark(T("Offers in KeyCRM: {n}; categories: {m}.", n=offers, m=categories))


def _count(page: Row) -> int:
    total = page.get("total")
    return total if isinstance(total, int) else len(page["data"])


def _warehouses(reader: Reader) -> Iterator[Finding]:
    """By the first page alone: to see every warehouse, all stock would have to be read."""
    page = reader.client.page(STOCKS, {"filter[details]": "true", "limit": 50, "page": 1})
    seen = [one for _number, row in reader.client.rows_of(STOCKS, page) if (one := balance(row)) is not None]
    if seen and all(one.places is None for one in seen):
        yield _wrong(
            "no-details",
            T("KeyCRM does not tell its stock by warehouse."),
            T("Look whether stock keeping is switched on in the account."),
        )
    names = Warehouses.of({}, seen).names
    if names:
        shown = ", ".join(f"{name}: {number}" for number, name in sorted(names.items()))
        yield _remark(T("Warehouses seen in the first products (name: id): {names}.", names=shown))
    elif seen:
        yield _remark(T("Nothing lies in any warehouse of the first products: is stock kept in this account?"))


def _fields(reader: Reader) -> Iterator[Finding]:
    settings = reader.settings
    wanted: list[tuple[str, str, frozenset[str]]] = []
    if settings.special is not None:
        for uuid, kinds in (
            (settings.special.price, _PRICES),
            (settings.special.start, _DAYS),
            (settings.special.end, _DAYS),
        ):
            if uuid:
                wanted.append((uuid, "crm_product", kinds))
    if settings.orders.number_field:
        wanted.append((settings.orders.number_field, "order", frozenset({"text", "textarea", "link"})))
    if not wanted:
        return
    known = {text(one.get("uuid")): one for one in reader.lists.fields()}
    for uuid, model, kinds in wanted:
        if uuid not in known:
            yield _wrong("no-field", T("KeyCRM has no custom field {uuid}.", uuid=uuid), _others(known, model))
            continue
        if text(known[uuid].get("model")) != model:
            words = T("Custom field {uuid} is of {model}, not of {wanted}.", uuid=uuid,
                      model=text(known[uuid].get("model")), wanted=model)  # fmt: skip
            yield _wrong("other-field", words, _others(known, model))
        elif text(known[uuid].get("type")) not in kinds:
            words = T("Custom field {uuid} is of type {type}, which cannot keep it.", uuid=uuid,
                      type=text(known[uuid].get("type")))  # fmt: skip
            yield _wrong("other-type", words, T("It takes one of: {names}.", names=", ".join(sorted(kinds))))


def _others(known: dict[str, Row], model: str) -> Text:
    names = [f"{uuid} ({text(one.get('name'))})" for uuid, one in known.items() if text(one.get("model")) == model]
    return T("It has: {names}.", names=", ".join(names) or "—")


def _names(reader: Reader) -> Iterator[Finding]:
    """Names in the settings that the account does not have."""
    documents = reader.settings.documents
    for kind, names in (
        ("source", list(documents.sources.values())),
        ("payment-method", list(documents.payments.values())),
        ("delivery-service", list(documents.deliveries.values())),
        ("status", [*documents.statuses.values(), *reader.settings.orders.statuses]),
    ):
        rows = reader.lists.rows(kind) if names else ()
        for name in dict.fromkeys(filter(None, names)):
            if find(rows, name) is None:
                yield _wrong(
                    "unknown-name",
                    T("KeyCRM has no {kind} {name}, which the connection names.", kind=NAMES[kind], name=name),
                    T("It has: {names}.", names=", ".join(text(one.get("name")) for one in rows) or "—"),
                )


def _remark(words: Text) -> Finding:
    return Finding("keycrm-account", words, who=Who.ACCOUNTANT)


def _wrong(code: str, words: Text, hint: Text) -> Finding:
    return Finding(code, words, hint=hint, who=Who.ADMIN)
