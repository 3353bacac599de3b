"""Looks whether a database is as its settings say and its user may do what is needed. Reads only.

It tells what Tryton cannot do, so that nobody discovers it later.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pipeline.api import ConfigError, Finding, MistokError, Refused, T, Text, Transient, Who
from plugins.systems.tryton.client import Client
from plugins.systems.tryton.goods import Goods
from plugins.systems.tryton.lists import Lists
from plugins.systems.tryton.names import (
    CATEGORY,
    CONTACT,
    CURRENCY,
    IDENTIFIER,
    LINE,
    LOCATION,
    MOVE,
    PARTY,
    PAYMENT,
    PRODUCT,
    SALE,
    SHIPMENT,
    SHIPMENT_BACK,
    TAX,
    TEMPLATE,
    TITLES,
    UNIT,
    shown,
)
from plugins.systems.tryton.parties import PartyBook

#: Model -> what it is needed for; the rights that a user must have.
NEEDED = (SALE, LINE, PARTY, CONTACT, IDENTIFIER, PRODUCT, TEMPLATE, CATEGORY, UNIT, TAX, CURRENCY, LOCATION, SHIPMENT,
          SHIPMENT_BACK, MOVE)  # fmt: skip
SERIES = "8."
CANNOT: Sequence[Text] = (
    T("Tryton does not cancel a sale that is being processed: its goods come back by a return first."),
    T("Tryton changes no line of a sale that is being processed."),
    T("Tryton keeps addresses on parties alone: the address of a delivery stands in the comment of the sale."),
    T("Tryton keeps prices without tax; a discount has no field of its own and goes into the prices."),
    T("Tryton posts no invoice and books no money by itself: invoices stay drafts, payments wait for a person."),
)
PAYMENTS = T("Tryton neither amends nor cancels a sale with a payment that has not failed.")


def check(client: Client, lists: Lists, goods: Goods, parties: PartyBook) -> Sequence[Finding]:
    """What is not as it is needed; and remarks (for the accountant). Raises Refused, Transient."""
    found = [*_server(client), *_rights(client)]
    if not found:
        found += [*_names(client, lists), *_services(client, goods, parties), *_payments(client, lists)]
    return [*found, *(_remark("tryton-cannot", words) for words in CANNOT)]


def _server(client: Client) -> Iterator[Finding]:
    series = client.series()
    if not series.startswith(SERIES):
        yield _wrong(
            "tryton-series",
            T("The server is Tryton {series}; this connector speaks to Tryton {wanted}x.", series=series,
              wanted=SERIES),
        )  # fmt: skip
    try:
        client.company  # noqa: B018 - asked for what it raises
    except ConfigError as error:
        yield Finding("tryton-company", error.text, hint=error.hint, who=Who.ADMIN)


def _rights(client: Client) -> Iterator[Finding]:
    """One record of each list that documents need."""
    for model in NEEDED:
        yield from _may_read(client, model)


def _may_read(client: Client, model: str) -> Iterator[Finding]:
    try:
        client.call(f"model.{model}.search_read", [], 0, 1, None, ["id"])
    except Transient as error:
        if error.code != "refused-reading":
            raise
        yield _wrong(
            "tryton-module",
            T("Tryton does not have {name}: {words}", name=model, words=error.text),
            T("Activate the module `sale` and what it needs."),
        )
    except MistokError as error:
        if isinstance(error, Refused):
            raise
        yield _wrong(
            "tryton-rights",
            T("The user may not read {name}: {words}", name=model, words=error.text),
            T("Put the user into the groups of sale, stock, products and parties (Administration, Users)."),
        )


def _names(client: Client, lists: Lists) -> Iterator[Finding]:
    """Names in the settings that the database does not have, or twice."""
    documents, goods = client.settings.documents, client.settings.goods
    named = [
        ("warehouse", documents.warehouse),
        ("category", goods.category),
        ("unit", goods.unit),
        *(("unit", name) for name in goods.units.values()),
        *(("tax", name) for name in documents.taxes.values()),
    ]
    for kind, name in dict.fromkeys(named):
        if name and lists.named(kind, name) is None:
            yield _wrong(
                "unknown-name",
                T("Tryton has no {kind} {name}, or several.", kind=TITLES[kind], name=name),
                T("It has: {names}.", names=shown(lists.all(kind))),
            )
    yield _remark("tryton-base", T("{kind}: {names}.", kind=TITLES["warehouse"], names=shown(lists.all("warehouse"))))
    if not goods.category:
        yield _remark(
            "tryton-choice",
            T("No product can be added: nothing says which accounting category a new one has."),
            T(
                "Name it: `goods: {{category: …}}` of the connection. It has: {names}.",
                names=shown(lists.all("category")),
            ),
        )


def _services(client: Client, goods: Goods, parties: PartyBook) -> Iterator[Finding]:
    documents = client.settings.documents
    for code in filter(None, (documents.delivery, documents.fee, documents.rounding)):
        found = goods.by_code([code]).get(code, [])
        if len(found) != 1 or found[0].kind != "service":
            yield _wrong(
                "unknown-name",
                T("Tryton has no service with the code {code}, which the connection names, or several.", code=code),
            )
    if documents.party and documents.party not in parties.coded([documents.party]):
        yield _wrong("unknown-name", T("Tryton has no party {name}, which the connection names.", name=documents.party))


def _payments(client: Client, lists: Lists) -> Iterator[Finding]:
    """Whether payments can be noted at all: that needs a module of its own."""
    try:
        client.call(f"model.{PAYMENT}.search_read", [], 0, 1, None, ["origin", "reference"])
        fields = client.call(f"model.{SALE}.fields_get", ["payments"])
        has = isinstance(fields, dict) and "payments" in fields
    except MistokError as error:
        if isinstance(error, Refused) or (isinstance(error, Transient) and error.code != "refused-reading"):
            raise
        has = False
    if not has:
        yield _remark(
            "tryton-payments",
            T("Payments cannot be noted: Tryton's module `sale_payment` is not activated, or not to be read."),
            T("Activate it, or leave `pay` out of the rules."),
        )
        return
    said = client.settings.documents.account
    if said and lists.named("account", said) is None:
        yield _wrong(
            "unknown-name",
            T("Tryton has no {kind} {name}, or several.", kind=TITLES["account"], name=said),
            T("It has: {names}.", names=shown(lists.all("account"))),
        )
    yield _remark("tryton-cannot", PAYMENTS)


def _remark(code: str, words: Text, hint: Text | None = None) -> Finding:
    return Finding(code, words, hint=hint, who=Who.ACCOUNTANT)


def _wrong(code: str, words: Text, hint: Text | None = None) -> Finding:
    return Finding(code, words, hint=hint, who=Who.ADMIN)
