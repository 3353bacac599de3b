"""What a plan has to say of single products. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from pipeline.engine.sync.rows import TOLD, Row
from pipeline.errors import Finding, Where, Who
from pipeline.model import Offer
from pipeline.texts import TN, T


def not_there(row: Row, close: Sequence[Offer], target: str) -> Finding:
    """Something that the target has not got, and what may be it."""
    example = f"sku:{row.article}={next(iter(close[0].keys.values()), '…') if close else '…'}"
    hint = T("Create it there, or say which one is meant: mistok resolve CARD --map {example}", example=example)
    if close:
        names = ", ".join(f"{one.title} ({next(iter(one.keys.values()), one.id)})" for one in close)
        hint = T("Near to it are: {codes}. If it is one of them: mistok resolve CARD --map {example}",
                 codes=names, example=example)  # fmt: skip
    return Finding(
        "not-there",
        T("{article} ({title}) is not in {target}.", article=row.article, title=row.offer.title, target=target),
        Where(element=row.article),
        hint,
        Who.ACCOUNTANT,
        about=f"sku:{row.article}",
    )


def other_currency(row: Row, others: tuple[str, str]) -> Finding:
    """A price in another currency than the target's."""
    ours, theirs = others
    text = T("{article}: its price is in {ours} now, and was in another currency: it is not written.",
             article=row.article, ours=ours)  # fmt: skip
    if theirs:
        text = T(
            "{article}: its price is in {ours} in the source and in {theirs} in the target: it is not written.",
            article=row.article,
            ours=ours,
            theirs=theirs,
        )
    return Finding("other-currency", text, Where(element=row.article), _ONE_CURRENCY, Who.ADMIN)


def new_in_other_currency(row: Row, ours: str, theirs: str) -> Finding:
    text = T(
        "{article} ({title}) is not created: its price is in {ours}, and {theirs} is the target's currency.",
        article=row.article or row.offer.id,
        title=row.offer.title,
        ours=ours,
        theirs=theirs,
    )
    return Finding("other-currency", text, Where(element=row.article or row.offer.id), _ONE_CURRENCY, Who.ADMIN)


_ONE_CURRENCY = T(
    "Let both price it in one currency: nothing is converted. Where the numbers are right as they are, say "
    "`other_currency: ignore` in the step."
)


def priceless(row: Row, price: Any) -> Finding:
    """Something new without a price."""
    article = row.article or row.offer.id
    text = T("{article} ({title}) has no price in the source that can be read: it is not created.",
             article=article, title=row.offer.title)  # fmt: skip
    if isinstance(price, Decimal):
        text = T("{article} ({title}) has the price {price} in the source: it is not created.",
                 article=article, title=row.offer.title, price=price)  # fmt: skip
    hint = T("Give it a price in the source: the next run creates it.")
    return Finding("no-price", text, Where(element=article), hint, Who.ACCOUNTANT)


def still_shown(rows: Sequence[Row], target: str) -> Finding:
    """Variants that are hidden in the source and cannot be in the target."""
    articles = list(dict.fromkeys(row.article for row in rows))
    text = TN(
        "{n} variant is not shown to buyers in the source, and {target} cannot hide it: {names}.",
        "{n} variants are not shown to buyers in the source, and {target} cannot hide them: {names}.",
        len(articles),
        target=target,
        names=", ".join(articles[:TOLD]) + (" …" if len(articles) > TOLD else ""),
    )
    hint = T("Take it off there by hand, or let its stock in the source be 0.")
    return Finding("still-shown", text, Where(element=articles[0]), hint, Who.ADMIN)


def nameless(row: Row) -> Finding:
    """Something without a name."""
    return Finding(
        "no-name",
        T("{article} has no name in the source.", article=row.article or row.offer.id),
        Where(element=row.article or row.offer.id),
        T("Fill it in; everything else of the catalogue goes on."),
        Who.SITE,
    )


def kept_otherwise(row: Row, target: Offer, name: str) -> Finding:
    """A field that the target keeps in its own way."""
    return Finding(
        "kept-otherwise",
        T(
            "{article}: the target shows `{name}` otherwise than it was sent ({id}). It is left so.",
            article=row.article or row.offer.title,
            name=name,
            id=target.id,
        ),
        Where(element=row.article),
        T("Look at it there once: the system may tidy it in its own way."),
        Who.ADMIN,
    )
