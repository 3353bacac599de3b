"""``import-orders``: order files become documents of an accounting system. Every part here is pure."""

from __future__ import annotations

import re
import string
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from pipeline.api import (
    Action,
    CreateDocument,
    DocumentDraft,
    Finding,
    Found,
    HoldOrder,
    InboundSettings,
    InboundStep,
    NothingToDo,
    Order,
    OrderLine,
    PlanContext,
    Ref,
    Settings,
    StepPlugin,
    T,
    Text,
    Totals,
    Wanted,
    Where,
    Who,
    cents,
    normal_party,
    order_totals,
    party_findings,
    tidy,
)

ZERO = Decimal(0)

#: what a default may be taken from
PATHS: Mapping[str, Callable[[Order], str]] = {
    "customer.code": lambda o: o.customer.code,
    "customer.edrpou": lambda o: o.customer.edrpou,
    "customer.tax_number": lambda o: o.customer.tax_number,
    "customer.kind": lambda o: o.customer.kind,
    "source": lambda o: o.source,
    "manager": lambda o: o.manager,
    "warehouse": lambda o: o.warehouse,
    "language": lambda o: o.language,
    "currency": lambda o: o.currency,
    "status": lambda o: o.status,
    "payment.method": lambda o: o.payment.method,
    "delivery.carrier": lambda o: o.delivery.carrier,
    "delivery.service": lambda o: o.delivery.service,
    "delivery.method": lambda o: o.delivery.method,
}
Path = Literal[
    "customer.code",
    "customer.edrpou",
    "customer.tax_number",
    "customer.kind",
    "source",
    "manager",
    "warehouse",
    "language",
    "currency",
    "status",
    "payment.method",
    "delivery.carrier",
    "delivery.service",
    "delivery.method",
]

COMMENT_FIELDS: Mapping[str, Callable[[Order], str]] = {
    "source": lambda o: o.source,
    "number": lambda o: o.number,
    "source_number": lambda o: o.source_number,
    "comment": lambda o: o.comment,
    "manager_comment": lambda o: o.manager_comment,
    "customer": lambda o: o.customer.title,
    "phone": lambda o: o.customer.phone,
}

HUGE = Decimal(10) ** 12
"""No amount, quantity or line sum of an order reaches it."""

STATUSES: dict[str, Literal["create", "nothing", "hold"]] = {
    "new": "create",
    "confirmed": "create",
    "paid": "create",
    "shipped": "create",
    "completed": "create",
    "cancelled": "nothing",
    "refunded": "nothing",
}
"""The statuses of the order format, and what orders of them become; what other formats say is asked for."""


def _template(value: str) -> str:
    for _, name, spec, conversion in string.Formatter().parse(value):
        if name is not None and (name not in COMMENT_FIELDS or spec or conversion):
            raise ValueError(
                T("`{name}` is not known in a comment: {names}.", name=name, names=", ".join(COMMENT_FIELDS))
            )
    return value


class FromOrder(Settings):
    """A value taken from the order: `{from: customer.edrpou, else: "0042"}`."""

    path: Path = Field(alias="from")
    """What of the order."""
    map: dict[str, str] = Field(default_factory=dict)
    """What it says -> code in the accounting system; what is not named here is taken as it is."""
    otherwise: str | None = Field(default=None, alias="else")
    """Code for orders that say nothing there."""


Pick = str | FromOrder


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
    comment: Annotated[str, AfterValidator(_template)] = "{source} № {number} {source_number}\n{comment}"
    """Comment of the document; `{source}`, `{number}`, `{source_number}`, `{comment}`, `{manager_comment}`,
    `{customer}` and `{phone}` stand for the order's."""


def normalise(order: Order, _settings: ImportOrdersSettings, _context: PlanContext) -> Order:
    """Names, phones, mails, codes and the currency in one notation; nothing is added or left out."""
    delivery = order.delivery
    if delivery.recipient is not None:
        delivery = replace(delivery, recipient=normal_party(delivery.recipient))
    return replace(
        order,
        currency=order.currency.strip().upper(),
        status=order.status.strip().casefold(),
        customer=normal_party(order.customer),
        delivery=delivery,
        lines=tuple(
            replace(line, code=line.code.strip(), name=tidy(line.name), number=line.number or n)
            for n, line in enumerate(order.lines, 1)
        ),
    )


def validate(order: Order, settings: ImportOrdersSettings, context: PlanContext) -> Sequence[Finding]:
    """What is wrong with the order in itself; an order that is nothing to do is not looked at."""
    if _by_status(order, settings, context) == "nothing":
        return ()
    where = Where(order=order.number)
    if findings := _number_findings(order, where):
        return findings
    findings = [finding for line in order.lines for finding in _line_findings(order, line)]
    if not order.lines:
        text = T("Order {number} has no items.", number=order.number)
        findings.append(Finding("no-items", text, replace(where, element="lines"), _ASK_SITE))
    if not _is_currency(order.currency, settings, context):
        findings.append(
            Finding(
                "currency",
                T("Order {number} is in {code}, which is no currency code.", number=order.number, code=order.currency),
                replace(where, element="currency"),
                T("Write the three letters of ISO 4217, such as UAH."),
                about=f"currency:{order.currency}",
            )
        )
    for what, amount in (
        (T("a discount"), min((d.amount for d in order.discounts), default=ZERO)),
        (T("a delivery cost"), order.delivery.cost),
        (T("a total"), order.total),
    ):
        if amount < 0:
            text = T("Order {number} has {what} below 0: {amount}.", number=order.number, what=what, amount=amount)
            findings.append(Finding("negative", text, where, _ASK_SITE))
    if findings:
        return findings  # sums of wrong parts would only repeat what is told already
    totals = order_totals(order)
    # taxes first: where they are added to the prices, a total that disagrees only repeats them
    for code, found in (
        ("taxes", _tax_findings(order, totals, where)),
        ("totals", _total_findings(order, totals, settings, context, where)),
    ):
        if found and code not in context.accepted:
            return found
    return ()


def _is_currency(code: str, settings: ImportOrdersSettings, context: PlanContext) -> bool:
    """Whether ISO 4217 knows it, by the client's own mapping too; a code that the step names is accepted as well."""
    from babel.numbers import list_currencies

    if not re.fullmatch(r"[A-Z]{3}", code):
        return False
    meant = _mapped("currency", code, context)
    return meant != code or meant in settings.currencies or meant in list_currencies()


def _line_findings(order: Order, line: OrderLine) -> Iterator[Finding]:
    where = _at(order, line)
    if not line.code:
        text = T("Item {n} ({name}) has no code.", n=line.number, name=line.name)
        yield Finding("no-code", text, where, T("Fill the article of the product on the site."))
    for code, wrong, text in (
        (
            "quantity",
            line.quantity <= 0,
            T("Item {code}: a quantity of {value} cannot be.", code=line.code, value=line.quantity),
        ),
        ("price", line.price < 0, T("Item {code}: a price of {value} cannot be.", code=line.code, value=line.price)),
        (
            "discount",
            line.discount < 0 or line.discount > max(cents(line.price * line.quantity), ZERO),
            T(
                "Item {code}: a discount of {value} on {sum} cannot be.",
                code=line.code,
                value=line.discount,
                sum=cents(line.price * line.quantity),
            ),
        ),
    ):
        if wrong:
            yield Finding(code, text, where, _ASK_SITE)


def _number_findings(order: Order, where: Where) -> list[Finding]:
    """Numbers that no order has: a format of one's own may let them through, and they break reckoning."""
    numbers = [
        (where, order.total),
        (where, order.delivery.cost),
        (where, order.payment.fee),
        *((where, discount.amount) for discount in order.discounts),
        *((where, tax) for _, tax in order.taxes),
    ]
    for line in order.lines:
        at = _at(order, line)
        numbers += [(at, line.price), (at, line.quantity), (at, line.discount), (at, line.price * line.quantity)]
    for at, number in numbers:
        if not number.is_finite() or abs(number) >= HUGE:
            words = str(number) if len(str(number)) <= 60 else str(number)[:59] + "…"
            text = T("Order {order} has an impossible number: {number}.", order=order.number, number=words)
            return [Finding("number", text, at, _ASK_SITE)]
    return []


def _tax_findings(order: Order, totals: Totals, where: Where) -> list[Finding]:
    findings = []
    for one in totals.differences:
        if one.stated is None:
            text = T(
                "Order {number} states no tax of {rate} %, its items make {made}.",
                number=order.number,
                rate=plain(one.rate),
                made=one.made,
            )
        else:
            text = T(
                "Order {number} states a tax of {rate} % of {stated}, its items make {made}.",
                number=order.number,
                rate=plain(one.rate),
                stated=one.stated,
                made=one.made,
            )
        findings.append(Finding("taxes", text, replace(where, element="taxes"), _TAX_RULE))
    if not order.prices_include_tax:
        for rate, tax in totals.unplaced:
            text = T(
                "Order {number} adds a tax of {rate} % of {stated}, and it cannot be told to which of its items.",
                number=order.number,
                rate=plain(rate),
                stated=tax,
            )
            findings.append(Finding("taxes", text, replace(where, element="taxes"), _NAME_RATES))
    return findings


def _tax_remarks(order: Order, totals: Totals) -> tuple[Finding, ...]:
    where = Where(order=order.number)
    if totals.assumed_rate is not None:
        text = T(
            "Items of order {number} name no tax rate; {rate} % is taken, as the stated tax confirms it.",
            number=order.number,
            rate=plain(totals.assumed_rate),
        )
        return (Finding("tax-rate", text, where, _NAME_RATES),)
    return tuple(
        Finding(
            "tax-rate",
            T(
                "Order {number} states a tax of {rate} % of {stated}, but no item names that rate: it is not booked.",
                number=order.number,
                rate=plain(rate),
                stated=tax,
            ),
            where,
            _NAME_RATES,
        )
        for rate, tax in totals.unplaced
    )


def plain(number: Decimal) -> str:
    """``20.0000`` -> ``20``."""
    return f"{number.normalize():f}"


def _total_findings(
    order: Order, totals: Totals, settings: ImportOrdersSettings, context: PlanContext, where: Where
) -> Sequence[Finding]:
    made, stated = totals.total, cents(order.total)
    difference = stated - made
    allowed = settings.tolerance if settings.rounding == "line" else ZERO
    # stated taxes that agree within their own tolerance are in the shop's total, and explain a difference of theirs
    added = order.taxes and not order.prices_include_tax and settings.rounding == "line"
    explained = cents(sum((tax for _, tax in order.taxes), ZERO)) - totals.tax if added else ZERO
    if min(abs(difference), abs(difference - explained)) <= allowed:
        return ()
    return (
        Finding(
            "totals",
            T(
                "Order {number} says {stated} {currency}, its parts make {made}: a difference of {difference}.",
                number=order.number,
                stated=stated,
                made=made,
                difference=difference,
                currency=order.currency or context.currency,
            ),
            replace(where, element="total"),
            T("The total is items - discounts + delivery + payment fee (+ tax when prices are without it)."),
        ),
    )


def wanted(order: Order, settings: ImportOrdersSettings, context: PlanContext) -> Wanted:
    """The products and references that the order needs in the target."""
    if _by_status(order, settings, context) == "nothing":
        return Wanted()
    references = {("currency", _mapped("currency", order.currency, context))}
    references |= {(kind, code) for kind, code, _said in _picked(order, settings, context) if code}
    codes = frozenset(_mapped("sku", line.code, context) for line in order.lines)
    return Wanted(codes, frozenset(references))


def plan(order: Order, key: str, settings: ImportOrdersSettings, context: PlanContext, found: Found) -> Action:
    """A document of the order, or what keeps it from being one. No default is put in place of what is not known."""
    match _by_status(order, settings, context):
        case "nothing":
            return NothingToDo(T("Order {number} came as {status}.", number=order.number, status=order.status))
        case "unknown":
            return HoldOrder((_unknown_status(order),))
        case "hold" if "status" not in context.accepted:
            finding = Finding(
                "status",
                T("Order {number} came as {status}.", number=order.number, status=order.status),
                Where(order=order.number),
                T("Orders of this status wait for a person, as `statuses` says."),
                Who.ACCOUNTANT,
            )
            return HoldOrder((finding,))
    findings: list[Finding] = []
    products: list[Ref] = []
    for line in order.lines:
        code = _mapped("sku", line.code, context)
        match tuple(found.products.get(code, ())):
            case (only,):
                products.append(only)
            case ():
                findings.append(_unknown_product(order, line, code))
            case several:
                findings.append(_ambiguous_product(order, line, several))
    references: dict[str, Ref | None] = {}
    for kind, code, said in _picked(order, settings, context):
        references[kind] = found.references.get((kind, code)) if code else None
        if code and references[kind] is None:
            findings.append(_unknown_reference(order, kind, code, said) if said else _unknown_setting(kind, code))
    currency = _mapped("currency", order.currency, context)
    if (settings.currencies and currency not in settings.currencies) or ("currency", currency) not in found.references:
        findings.append(_unknown_reference(order, "currency", currency, order.currency))
    if findings:
        return HoldOrder(tuple(findings))
    totals = order_totals(order)
    difference = cents(order.total) - totals.total
    draft = DocumentDraft(
        key=key,
        order=replace(order, currency=currency, status=_status(order, context)),
        products=tuple(products),
        client=references["party"],
        object=references["object"],
        warehouse=references["warehouse"],
        user=references["user"],
        executor=references["executor"],
        comment=_comment(order, settings),
        rounding=difference or None,
    )
    notes = (*party_findings(order.customer, Where(order=order.number)), *_tax_remarks(order, totals))
    return CreateDocument(draft, notes)


def _by_status(
    order: Order, settings: ImportOrdersSettings, context: PlanContext
) -> Literal["create", "nothing", "hold", "unknown"]:
    status = _status(order, context)
    told = STATUSES | {name.strip().casefold(): what for name, what in settings.statuses.items()}
    return told.get(status, "unknown")


def _status(order: Order, context: PlanContext) -> str:
    """The order's status as people have mapped it; case does not matter."""
    said = order.status.strip().casefold() or "new"
    meant = {code.strip().casefold(): to for (kind, code), to in context.mappings.items() if kind == "status"}
    return meant.get(said, said).strip().casefold()


def _unknown_status(order: Order) -> Finding:
    return Finding(
        "unknown-status",
        T("Order {number} has the status {status}, which is not known.", number=order.number, status=order.status),
        Where(order=order.number, element="status"),
        T(
            "Say which status of the order format is meant: `mistok cards` tells how (or write into the step what "
            "orders of it become: statuses: {{{status}: create}}).",
            status=order.status,
        ),
        Who.ADMIN,
        f"status:{order.status}",
    )


def _picked(order: Order, settings: ImportOrdersSettings, context: PlanContext) -> tuple[tuple[str, str, str], ...]:
    """(kind of reference, its code or an empty string, what the order says for it), the last one as mappings see it.

    What the settings say by themselves is no business of mappings: there the last one is empty.
    """
    picks: tuple[tuple[str, Pick | None], ...] = (
        ("party", settings.client),
        ("object", settings.object),
        ("warehouse", settings.warehouse),
        ("user", settings.user),
        ("executor", settings.executor),
    )
    codes: list[tuple[str, str, str]] = []
    for kind, pick in picks:
        match pick:
            case None:
                codes.append((kind, "", ""))
            case str():
                codes.append((kind, pick, ""))
            case FromOrder():
                said = PATHS[pick.path](order).strip()
                said = pick.map.get(said, said)
                # what the order says is looked up as it is: falling back on `else` would book it on somebody else
                codes.append((kind, _mapped(kind, said, context) if said else pick.otherwise or "", said))
    return tuple(codes)


def _mapped(kind: str, code: str, context: PlanContext) -> str:
    return context.mappings.get((kind, code), code)


def _comment(order: Order, settings: ImportOrdersSettings) -> str:
    filled = settings.comment.format_map({name: read(order) for name, read in COMMENT_FIELDS.items()})
    return "\n".join(line for part in filled.splitlines() if (line := tidy(part)))


def _at(order: Order, line: OrderLine) -> Where:
    return Where(order=order.number, order_line=line.number or None, line=line.source_line)


def _unknown_product(order: Order, line: OrderLine, code: str) -> Finding:
    return Finding(
        "unknown-product",
        T("Product {code} ({name}) is not in the books.", code=code, name=line.name),
        replace(_at(order, line), element="code"),
        T(
            "Add it to the books, or say which product is meant: `mistok cards` tells how "
            "(or write it into the step: mappings: {{sku: {{{code}: …}}}}).",
            code=line.code,
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
        replace(_at(order, line), element="code"),
        T(
            "Say which one is meant: `mistok cards` tells how (or write it into the step: "
            "mappings: {{sku: {{{code}: …}}}}); or mend the twins.",
            code=line.code,
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
            code=said,
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
_ASK_SITE = T("Mend the order at the site and let it come again.")
_TAX_RULE = T(
    "Tax is reckoned by rate on items, delivery and fee after discounts; correct <taxes> or the rates on the site."
)
_NAME_RATES = T("Let the site write <tax-rate> into each item, and into delivery and payment when they are taxed.")
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
