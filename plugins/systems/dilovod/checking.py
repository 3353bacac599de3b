"""Looks whether a base is as its settings say and its role may do what is needed. Reads only.

It tells what the API cannot do, and what of it is only inferred, so that nobody discovers it later.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from pipeline.api import ConfigError, Finding, MistokError, Refused, T, Text, Who
from plugins.systems.dilovod.client import Client, Source
from plugins.systems.dilovod.names import (
    BARCODES,
    CASH_IN,
    CONTROL,
    CURRENCIES,
    FIRMS,
    GOODS,
    ORDER,
    PERSONS,
    PRICES,
    RETURN,
    SALE,
    STOCK,
    STORAGES,
    TITLES,
    shown,
)
from plugins.systems.dilovod.naming import Naming
from plugins.systems.dilovod.reading import BALANCE, Reader
from plugins.systems.dilovod.values import stamp

#: What the API cannot do at all.
CANNOT: Sequence[Text] = (
    T("The API does not tell what changed since: everything is read each time."),
    T("The API deletes nothing for good: it sets deletion marks."),
    T("The API has no reserve that could be set, and sets no stock: registers are moved by posted documents alone."),
    T("The API has no variants: each is a good of its own. Pictures, sizes and VAT are not sent."),
)
#: What is our reading of it alone, and a write probe shows: by the name that the probe has for it.
PROBED: Mapping[str, Text] = {
    "mark": T("our mark in the remark is found again by the operator “contains”"),
    "rows": T("rows that are sent take the place of all that a document had"),
    "unposting": T("a posted order can be changed by way of unposting it"),
    "lifting": T("a save lifts a deletion mark"),
    "sums": T("sums that are sent with the lines are kept as they are"),
    "links": T("a shipment and a return take the links that ours have"),
}
#: What no write can show.
INFERRED: Sequence[Text] = (
    T("what may be sold is what lies there less what is reserved"),
    T("a good without a row in the balance lies nowhere"),
    T("one request at a time is counted for each key, not for the whole base"),
)


def check(reader: Reader, naming: Naming) -> Sequence[Finding]:
    """What is not as it is needed; and remarks (for the accountant) on the base and its API. Raises Refused."""
    reader.client.objects()
    found = [*_rights(reader), *_names(reader, naming), *_base(reader), *_api(reader)]
    return list({(finding.code, str(finding.text)): finding for finding in reversed(found)}.values())[::-1]


# --- rights ----------------------------------------------------------------------------------------------------------


def _rights(reader: Reader) -> Iterator[Finding]:
    """One row of each list and register. What only documents need is a remark: a base may be read alone."""
    now, settings = stamp(reader.env.clock.now()), reader.settings
    balance: Mapping[str, Any] = {"type": BALANCE, "date": now}
    wanted: list[tuple[str, Source, Mapping[str, str], bool]] = [
        *((name, name, {"id": "id"}, True) for name in (GOODS, CURRENCIES, STORAGES)),
        (PRICES, {"type": "sliceLast", "register": PRICES, "date": now}, {"good": "good", "price": "price"}, True),
        (BARCODES, {"type": "sliceLast", "register": BARCODES}, {"object": "object", "code": "code"}, False),
        (STOCK, {**balance, "register": STOCK, "dimensions": ["good"]}, {"good": "good", "qty": "qty"}, True),
        *((name, name, {"id": "id"}, False) for name in (FIRMS, PERSONS, ORDER, SALE, RETURN, CASH_IN)),
    ]
    if settings.reserves:
        reserve = {"good": "good", "qtyReserve": "qtyReserve"}
        wanted.append((CONTROL, {**balance, "register": CONTROL, "dimensions": ["good"]}, reserve, True))
    for _name, source, fields, needed in wanted:
        yield from _may_read(reader.client, source, fields, needed=needed)


def _may_read(client: Client, source: Source, fields: Mapping[str, str], *, needed: bool) -> Iterator[Finding]:
    try:
        client.ask("request", {"from": source, "fields": dict(fields), "limit": 1, "assembleLinks": False})
    except Refused as error:
        if error.code != "rights":
            raise
        yield Finding("dilovod-rights", error.text, hint=error.hint, who=Who.ADMIN if needed else Who.ACCOUNTANT)
    except MistokError as error:
        if error.code != "refused-reading":
            raise
        yield Finding("dilovod-reading", error.text, hint=error.hint, who=Who.ADMIN if needed else Who.ACCOUNTANT)


# --- names -----------------------------------------------------------------------------------------------------------


def _names(reader: Reader, naming: Naming) -> Iterator[Finding]:
    """Names in the settings that the base does not have, or twice."""
    settings = reader.settings
    for read in (reader.price_types, reader.storages):
        try:
            read()
        except ConfigError as error:
            yield Finding("unknown-name", error.text, hint=error.hint, who=Who.ADMIN)
        except Refused as error:
            if error.code != "rights":
                raise
    documents = settings.documents
    named: list[tuple[str, str | None]] = [
        ("firm", documents.firm),
        ("warehouse", documents.storage),
        ("business", documents.business),
        ("account", documents.account),
        *(("status", name) for name in documents.states.values()),
        *(("source", name) for name in documents.sources.values()),
        *(("payment-method", name) for name in documents.payments.values()),
        *(("delivery-service", name) for name in documents.deliveries.values()),
        ("policy", settings.goods.policy),
        ("policy", settings.goods.services),
    ]
    for kind, name in dict.fromkeys(named):
        if name:
            yield from _named(naming, kind, name)
    try:
        yield from _looked_up(reader, naming)
    except Refused as error:
        if error.code != "rights":
            raise
        yield Finding("dilovod-rights", error.text, hint=error.hint, who=Who.ADMIN)


def _looked_up(reader: Reader, naming: Naming) -> Iterator[Finding]:
    documents = reader.settings.documents
    for article in filter(None, (documents.delivery, documents.fee)):
        found = reader.by_article([article]).get(article, [])
        if len(found) != 1:
            yield _wrong(
                "unknown-name",
                T("Dilovod has {n} goods with the article {article}, which the connection names as a service.",
                  n=len(found), article=article),
            )  # fmt: skip
    if documents.person and documents.person not in naming.parties.coded([documents.person]):
        yield _wrong(
            "unknown-name", T("Dilovod has no party {name}, which the connection names.", name=documents.person)
        )


def _named(naming: Naming, kind: str, name: str) -> Iterator[Finding]:
    try:
        if naming.lists.named(kind, name) is None:
            yield _wrong(
                "unknown-name",
                T("Dilovod has no {kind} {name}, or several.", kind=TITLES[kind], name=name),
                T("It has: {names}.", names=shown(naming.lists.all(kind))),
            )
    except Refused as error:
        if error.code != "rights":
            raise
        yield Finding("dilovod-rights", error.text, hint=error.hint, who=Who.ADMIN)


# --- the base and its API --------------------------------------------------------------------------------------------


def _base(reader: Reader) -> Iterator[Finding]:
    """What there is to choose from."""
    for kind, said in (("firm", reader.settings.documents.firm), ("warehouse", reader.settings.documents.storage)):
        try:
            known = reader.lists.all(kind)
        except Refused as error:
            if error.code != "rights":
                raise
            continue
        yield _remark("dilovod-base", T("{kind}: {names}.", kind=TITLES[kind], names=shown(known)))
        if len(known) > 1 and not said:
            yield _remark(
                "dilovod-choice",
                T("Orders are held unless the job or the connection says which {kind} is meant.", kind=TITLES[kind]),
                T("Set `documents: {{{name}: …}}` of the connection.", name="firm" if kind == "firm" else "storage"),
            )


def _api(reader: Reader) -> Iterator[Finding]:
    for words in CANNOT:
        yield _remark("dilovod-cannot", words)
    known = reader.client.attributes(RETURN)
    if known is None:
        yield _remark(
            "dilovod-inferred", T("The base does not tell the attributes of its objects: ours are sent as they are.")
        )
    elif not {"baseDoc", "contract"} & known:
        yield _wrong("dilovod-return", T("A return of this base has no link to its shipment or order."))
    elif "baseDoc" not in known:
        yield _remark("dilovod-return", T("A return of this base is linked to its order, and not to its shipment."))
    hint = T("`mistok check --connect --write-probe` tries it.")
    for name, words in PROBED.items():
        found = _remark("dilovod-inferred", T("Only inferred: {what}.", what=words), hint)
        yield replace(found, about=f"inferred:{name}")
    for words in INFERRED:
        yield _remark("dilovod-inferred", T("Only inferred: {what}.", what=words))


def _remark(code: str, words: Text, hint: Text | None = None) -> Finding:
    return Finding(code, words, hint=hint, who=Who.ACCOUNTANT)


def _wrong(code: str, words: Text, hint: Text | None = None) -> Finding:
    return Finding(code, words, hint=hint, who=Who.ADMIN)
