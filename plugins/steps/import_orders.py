"""``import-orders``: order files become documents of an accounting system. Every part here is pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from functools import lru_cache
from typing import Annotated, Literal

from pydantic import Field

from pipeline.api import (
    Action,
    Choice,
    Comment,
    CreateDocument,
    DocumentDraft,
    Finding,
    Found,
    FromOrder,
    HoldOrder,
    InboundSettings,
    InboundStep,
    NothingToDo,
    Order,
    OrderLine,
    Pick,
    PlanContext,
    Ref,
    StepPlugin,
    T,
    Text,
    Wanted,
    Where,
    Who,
    at_line,
    cents,
    changed,
    filled,
    is_currency,
    mapped,
    normal_order,
    order_findings,
    order_totals,
    party_findings,
    picked,
    tax_remarks,
    yaml_word,
)

ZERO = Decimal(0)

_What = Literal["create", "nothing", "hold"]
STATUSES: dict[str, _What] = {
    "new": "create",
    "confirmed": "create",
    "paid": "create",
    "shipped": "create",
    "completed": "create",
    "cancelled": "nothing",
    "refunded": "nothing",
}
"""The statuses of the order format, and what orders of them become; what other formats say is asked for."""


class ImportOrdersSettings(InboundSettings):
    """Takes order files from an inbox and makes a document of each order."""

    client: Pick | None = None
    """Party that documents are booked on: a code, or `{from: customer.code, else: "0042"}`. Without it the buyer is
    found in the system by code, EDRPOU, phone or mail, and added when missing."""
    object: Pick | None = None
    """Shop or branch: a code, or taken from the order."""
    user: Pick | None = None
    """Author of the documents: a code, or taken from the order."""
    executor: Pick | None = None
    """Who carries the order out: a code, or taken from the order."""
    warehouse: Pick | None = FromOrder(path="warehouse")
    """Warehouse to reserve in: a code, or taken from the order; where the order names none, the system's own choice."""
    tolerance: Annotated[Decimal, Field(ge=0, le=1)] = Decimal("0.01")
    """A stated total may differ from the sum of its parts by so much (in the order's currency); more is held."""
    rounding: Literal["line", "hold"] = "line"
    """What happens to a difference within `tolerance`: `line` evens it out on the document, `hold` asks a person."""
    statuses: dict[str, Literal["create", "nothing", "hold"]] = Field(default_factory=dict)
    """What orders of a status become, besides `{cancelled: nothing, refunded: nothing}`. Those of the other statuses of
    docs/order-format.md are created; those of a status that is neither there nor here wait for a person."""
    currencies: tuple[str, ...] = ()
    """Currencies that are accepted (`[UAH, EUR]`); none named: all that the system knows."""
    unknown_product: Literal["hold"] = "hold"
    """An order with a product that the system does not know waits for a person; no other product takes its place."""
    comment: Comment = "{source} № {number} {source_number}\n{comment}"
    """Comment of the document; `{source}`, `{number}`, `{source_number}`, `{comment}`, `{manager_comment}`,
    `{customer}` and `{phone}` stand for the order's."""


def normalise(order: Order, _settings: ImportOrdersSettings, _context: PlanContext) -> Order:
    """Names, phones, mails, codes and the currency in one notation; nothing is added or left out."""
    return normal_order(order)


def validate(order: Order, settings: ImportOrdersSettings, context: PlanContext) -> Sequence[Finding]:
    """What is wrong with the order in itself; an order that is nothing to do is not looked at."""
    if _by_status(order, settings, context) == "nothing":
        return ()
    return order_findings(
        order,
        currency_known=_is_currency(order.currency, settings, context),
        tolerance=settings.tolerance if settings.rounding == "line" else ZERO,
        accepted=context.accepted,
    )


def _is_currency(code: str, settings: ImportOrdersSettings, context: PlanContext) -> bool:
    """Whether ISO 4217 knows it, by the client's own mapping too; a code that the step names is accepted as well."""
    if not re.fullmatch(r"[A-Z]{3}", code):
        return False
    meant = _mapped("currency", code, context)
    return meant != code or meant in settings.currencies or is_currency(meant)


def wanted(order: Order, settings: ImportOrdersSettings, context: PlanContext) -> Wanted:
    """The products and references that the order needs in the target."""
    if _by_status(order, settings, context) == "nothing":
        return Wanted()
    references = {("currency", _mapped("currency", order.currency, context))}
    references |= {(one.field, one.value) for one, _said in _picked(order, settings, context) if one.value}
    codes = frozenset(_mapped("sku", line.code, context) for line in order.lines)
    return Wanted(codes, frozenset(references))


def plan(order: Order, key: str, settings: ImportOrdersSettings, context: PlanContext, found: Found) -> Action:
    """A document of the order, or what keeps it from being one. No default is put in place of what is not known."""
    picks = _picked(order, settings, context)
    choices = _choices(order, settings, context, picks)
    match _by_status(order, settings, context):
        case "nothing":
            words = T("Order {number} came as {status}.", number=order.number, status=order.status)
            return NothingToDo(words, choices)
        case "unknown":
            return HoldOrder((_unknown_status(order),), choices)
        case "hold" if "status" not in context.accepted:
            finding = Finding(
                "status",
                T("Order {number} came as {status}.", number=order.number, status=order.status),
                Where(order=order.number),
                T("Orders of this status wait for a person, as `statuses` says."),
                Who.ACCOUNTANT,
            )
            return HoldOrder((finding,), choices)
    findings: list[Finding] = []
    products: list[Ref] = []
    for line in order.lines:
        code = _mapped("sku", line.code, context)
        match tuple(found.products.get(code, ())):
            case (only,):
                products.append(only)
            case ():
                findings.append(_unknown_product(order, line, code, settings.into))
            case several:
                findings.append(_ambiguous_product(order, line, several))
    references: dict[str, Ref | None] = {}
    for one, said in picks:
        kind, code = one.field, one.value
        references[kind] = found.references.get((kind, code)) if code else None
        if code and references[kind] is None:
            findings.append(_unknown_reference(order, kind, code, said) if said else _unknown_setting(kind, code))
    currency = _mapped("currency", order.currency, context)
    if (settings.currencies and currency not in settings.currencies) or ("currency", currency) not in found.references:
        findings.append(_unknown_reference(order, "currency", currency, order.currency))
    if findings:
        return HoldOrder(tuple(findings), choices)
    totals = order_totals(order)
    difference = cents(order.total) - totals.total
    draft = DocumentDraft(
        key=key,
        order=changed(order, {"currency": currency, "status": _status(order, context)}),
        products=tuple(products),
        client=references["party"],
        object=references["object"],
        warehouse=references["warehouse"],
        user=references["user"],
        executor=references["executor"],
        comment=filled(settings.comment, order),
        rounding=difference or None,
    )
    notes = (*party_findings(order.customer, Where(order=order.number)), *tax_remarks(order, totals))
    return CreateDocument(draft, notes, choices)


def _by_status(
    order: Order, settings: ImportOrdersSettings, context: PlanContext
) -> Literal["create", "nothing", "hold", "unknown"]:
    return _told(tuple(settings.statuses.items())).get(_status(order, context), "unknown")


@lru_cache(maxsize=256)  # it is asked several times an order
def _told(statuses: tuple[tuple[str, _What], ...]) -> Mapping[str, _What]:
    """What orders of each status become, by the step's own ``statuses`` over the built-in ones."""
    return STATUSES | {name.strip().casefold(): what for name, what in statuses}


def _status(order: Order, context: PlanContext) -> str:
    """The order's status as people have mapped it; case does not matter."""
    said = order.status.strip().casefold() or "new"
    if not context.mappings:
        return said
    meant = {code.strip().casefold(): to for code, to in _of_statuses(context.mappings).items()}
    return meant.get(said, said).strip().casefold()


def _of_statuses(mappings: Mapping[tuple[str, str], str]) -> Mapping[str, str]:
    """Those of statuses, as they are written. A client may have thousands of others, and all orders of a batch are
    planned by the very same mappings: they are looked through once."""
    global _last_mapped  # noqa: PLW0603
    last = _last_mapped
    if last is None or last[0] is not mappings or last[1] != len(mappings):
        found = {code: to for (kind, code), to in mappings.items() if kind == "status"}
        last = _last_mapped = (mappings, len(mappings), found)
    return last[2]


_last_mapped: tuple[Mapping[tuple[str, str], str], int, Mapping[str, str]] | None = None


def _unknown_status(order: Order) -> Finding:
    return Finding(
        "unknown-status",
        T("Order {number} has the status {status}, which is not known.", number=order.number, status=order.status),
        Where(order=order.number, element="status"),
        T(
            "Say which status of the order format is meant: `mistok cards` tells how (or write into the step what "
            "orders of it become: statuses: {{{status}: create}}).",
            status=yaml_word(order.status),
        ),
        Who.ADMIN,
        f"status:{order.status}",
    )


def _picked(order: Order, settings: ImportOrdersSettings, context: PlanContext) -> tuple[tuple[Choice, str], ...]:
    """(what a reference is given and why, what the order says for it), the last one as mappings see it.

    What the settings say by themselves is no business of mappings: there the last one is empty.
    """
    picks: tuple[tuple[str, str, Pick | None], ...] = (
        ("party", "client", settings.client),
        ("object", "object", settings.object),
        ("warehouse", "warehouse", settings.warehouse),
        ("user", "user", settings.user),
        ("executor", "executor", settings.executor),
    )
    return tuple(picked(kind, (name,), pick, order, context.mappings, context.people) for kind, name, pick in picks)


def _choices(
    order: Order, settings: ImportOrdersSettings, context: PlanContext, picks: Sequence[tuple[Choice, str]]
) -> tuple[Choice, ...]:
    """All that was chosen for the order, and why; ``picks`` as of :func:`_picked`."""
    status = _status_choice(order, context)
    named = {name.strip().casefold(): name for name in settings.statuses}
    what = _by_status(order, settings, context)
    if status.value in named:
        rule = Choice(
            field="rule", value=what, by="config", keys=(("statuses", named[status.value]),), said=status.value
        )
    else:
        rule = Choice(field="rule", value="hold" if what == "unknown" else what, by="built-in", said=status.value)
    currency = mapped("currency", order.currency, context.mappings, context.people)
    rate = (Choice(field="rate", value=f"{order.rate:f}", by="order"),) if order.rate is not None else ()
    return (status, rule, *(one for one, _said in picks), currency, *rate)


def _status_choice(order: Order, context: PlanContext) -> Choice:
    """The order's status, as people or the step have mapped it."""
    said = order.status.strip().casefold() or "new"
    for code in _of_statuses(context.mappings):
        if code.strip().casefold() == said:
            found = mapped("status", code, context.mappings, context.people)
            return replace(found, value=_status(order, context), said=order.status)
    by: Literal["order", "built-in"] = "order" if order.status.strip() else "built-in"
    return Choice(field="status", value=said, by=by, said=order.status)


def _mapped(kind: str, code: str, context: PlanContext) -> str:
    return context.mappings.get((kind, code), code)


def _unknown_product(order: Order, line: OrderLine, code: str, target: str) -> Finding:
    return Finding(
        "unknown-product",
        T("Product {code} ({name}) is not in {target}.", code=code, name=line.name, target=target),
        replace(at_line(order, line), element="code"),
        T(
            "Add it to {target}, or say which product is meant: `mistok cards` tells how "
            "(or write it into the step: mappings: {{sku: {{{code}: …}}}}).",
            target=target,
            code=yaml_word(line.code),
        ),
        Who.ACCOUNTANT,
        f"sku:{line.code}",
    )


def _ambiguous_product(order: Order, line: OrderLine, several: Sequence[Ref]) -> Finding:
    return Finding(
        "ambiguous-product",
        T(
            "Product {code} ({name}) can be any of: {codes}.",
            code=line.code,
            name=line.name,
            codes=", ".join(ref.code for ref in several),
        ),
        replace(at_line(order, line), element="code"),
        T(
            "Say which one is meant: `mistok cards` tells how (or write it into the step: "
            "mappings: {{sku: {{{code}: …}}}}); or mend the twins.",
            code=yaml_word(line.code),
        ),
        Who.ACCOUNTANT,
        f"sku:{line.code}",
    )


def _unknown_reference(order: Order, kind: str, code: str, said: str) -> Finding:
    return Finding(
        f"unknown-{kind}",
        T("{kind} {code} of order {number} is not known.", kind=_KINDS[kind], code=code, number=order.number),
        Where(order=order.number, element=kind if kind == "currency" else None),
        T(
            "Add it there, or say which one is meant: `mistok cards` tells how "
            "(or write it into the step: mappings: {{{kind}: {{{code}: …}}}}).",
            kind=kind,
            code=yaml_word(said),
        ),
        Who.ACCOUNTANT if kind in ("party", "currency") else Who.ADMIN,
        f"{kind}:{said}",
    )


def _unknown_setting(kind: str, code: str) -> Finding:
    """The settings name what the system does not know: no order can pass before an admin has mended that."""
    name = "client" if kind == "party" else kind
    return Finding(
        f"unknown-{kind}",
        T("{kind} {code}, which the step names, is not known.", kind=_KINDS[kind], code=code),
        hint=T("Add it there, or correct `{name}` of the step in the config.", name=name),
        who=Who.ADMIN,
    )


#: What a person may take as it is: the document then has the stated total (a rounding line evens it out), the taxes as
#: its items make them, or is made in spite of the order's status.
ACCEPTABLE = frozenset({"totals", "taxes", "status"})
_KINDS: Mapping[str, Text] = {
    "party": T("Client"),
    "object": T("Object"),
    "warehouse": T("Warehouse"),
    "user": T("User"),
    "executor": T("Executor"),
    "currency": T("Currency"),
}

PLUGIN = StepPlugin(
    name="import-orders",
    summary=T("Takes order files from an inbox and makes a document of each order"),
    settings=ImportOrdersSettings,
    kind=InboundStep(normalise=normalise, validate=validate, wanted=wanted, plan=plan, acceptable=ACCEPTABLE),
)
