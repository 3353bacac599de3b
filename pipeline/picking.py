"""What a document names besides its items: taken from the settings, or from what the order says. Pure."""

from __future__ import annotations

import string
from collections.abc import Callable, Collection, Mapping
from functools import lru_cache
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints

from pipeline.model import Order
from pipeline.ports.choices import By, Choice, Keys
from pipeline.rules.parties import tidy
from pipeline.settings import Settings
from pipeline.texts import T

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
Known = Literal[
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

#: `extra.NAME`: what a system or a client's own format carries besides.
Path = Known | Annotated[str, StringConstraints(pattern=r"^extra\..+$")]

COMMENT_FIELDS: Mapping[str, Callable[[Order], str]] = {
    "source": lambda o: o.source,
    "number": lambda o: o.number,
    "source_number": lambda o: o.source_number,
    "comment": lambda o: o.comment,
    "manager_comment": lambda o: o.manager_comment,
    "customer": lambda o: o.customer.title,
    "phone": lambda o: o.customer.phone,
}


def comment_template(value: str) -> str:
    """The template of a comment, if it names only what an order says; raises ValueError."""
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
Mappings = Mapping[tuple[str, str], str]


Comment = Annotated[str, AfterValidator(comment_template)]


def said_in_order(order: Order, path: str) -> str:
    """What an order says at one of :data:`PATHS`, or in ``extra.NAME``."""
    read = PATHS.get(path)
    return (read(order) if read else order.extra.get(path.removeprefix("extra."), "")).strip()


def filled(template: str, order: Order) -> str:
    """A comment from its template, without empty lines, and without those of which only signs are left (``№``)."""
    words = template.format_map({name: read(order) for name, read in COMMENT_FIELDS.items()})
    return "\n".join(line for part in words.splitlines() if any(map(str.isalnum, line := tidy(part))))


def picked(
    field: str, key: Keys, pick: Pick | None, order: Order, mappings: Mappings, people: Collection[tuple[str, str]] = ()
) -> tuple[Choice, str]:
    """What a setting picks for an order, and what the order says there after the setting's own ``map``.

    What the settings say by themselves is no business of mappings; what the order says is looked up as it is, as
    falling back on ``else`` would book it on somebody else.

    Args:
        field: kind of the reference, by which mappings know it.
        key: where the setting stands in the step's parameters.
        mappings: (kind, code) -> what is meant, of people and of the step.
        people: those of them that people gave.
    """
    match pick:
        case None:
            return _choice(field=field, value="", by="target"), ""
        case str():
            return _choice(field=field, value=pick, by="config", keys=(key,)), ""
        case FromOrder():
            raw = said_in_order(order, pick.path)
            if not raw:
                if pick.otherwise:
                    return (
                        _choice(field=field, value=pick.otherwise, by="config", keys=((*key, "else"),), path=pick.path),
                        "",
                    )
                return _choice(field=field, value="", by="target", keys=((*key, "from"),), path=pick.path), ""
            keys: tuple[Keys, ...] = ((*key, "from"),)
            by: By = "order"
            said = raw
            if raw in pick.map:
                said, by, keys = pick.map[raw], "config", (*keys, (*key, "map", raw))
            found = mapped(field, said, mappings, people)
            if found.by != "order":
                by, keys = found.by, (*keys, *found.keys)
            return _choice(field=field, value=found.value, by=by, keys=keys, said=raw, path=pick.path), said


def mapped(field: str, said: str, mappings: Mappings, people: Collection[tuple[str, str]] = ()) -> Choice:
    """What is meant by what an order says, by the mappings; itself where none says otherwise."""
    meant = mappings.get((field, said))
    if meant is None:
        return _choice(field=field, value=said, by="order", said=said)
    if (field, said) in people:
        return _choice(field=field, value=meant, by="person", said=said)
    return _choice(field=field, value=meant, by="config", keys=(("mappings", field, said),), said=said)


@lru_cache(maxsize=512)
def _choice(*, field: str, value: str, by: By, keys: tuple[Keys, ...] = (), said: str = "", path: str = "") -> Choice:
    """Most orders of a run are given the very same: one is kept of each."""
    return Choice(field=field, value=value, by=by, keys=keys, said=said, path=path)
