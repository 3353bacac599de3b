"""On whom a document is booked: found by code, EDRPOU, telephone or mail; else added; never merged. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from pipeline.documents import PartySettings
from pipeline.errors import Finding, Where, Who
from pipeline.model import Address, Order, Party
from pipeline.picking import mapped
from pipeline.ports import Ref
from pipeline.ports.choices import Choice
from pipeline.texts import T

Mappings = Mapping[tuple[str, str], str]
#: Code of what is told of a buyer who may be another who is there.
ALIKE = "alike"


@dataclass(frozen=True, slots=True)
class Buyer:
    """The party of an order: a reference that is known, a code to look up, or a party to be added."""

    ref: Ref | None = None
    create: Party | None = None
    findings: tuple[Finding, ...] = ()  #: why a person is asked
    notes: tuple[Finding, ...] = ()
    alike: tuple[Ref, ...] = ()  #: those that a person may mean, where one is added
    found: bool = False  #: the party is one that has the same telephone, mail or EDRPOU, and that nobody named


def party_of(order: Order) -> Party:
    """The buyer as the order names him: without address, which is the order's own; with names wherever they stand.

    Where the buyer has no name, and the parcel goes to somebody with the same telephone (or the buyer has none), the
    recipient's names are the buyer's.
    """
    party = replace(order.customer, address=Address())
    other = order.delivery.recipient
    if not party.title and other is not None and other.title and (not party.phone or party.phone == other.phone):
        party = replace(
            party,
            first_name=other.first_name,
            last_name=other.last_name,
            middle_name=other.middle_name,
            company=other.company,
            phone=party.phone or other.phone,
        )
    return party


def identity(party: Party) -> str:
    """By what a party is found again, and what a person's mapping names: EDRPOU, tax number, telephone or mail."""
    return party.edrpou or party.tax_number or party.phone or party.email


def is_nobody(party: Party) -> bool:
    """Whether the order names no buyer at all."""
    return not (party.title or party.code or identity(party))


def asked_choice(
    order: Order, settings: PartySettings, mappings: Mappings, people: Collection[tuple[str, str]] = ()
) -> Choice:
    """The code of the party that a person or the settings name for this order; "" when it is to be found."""
    party = party_of(order)
    for said in (identity(party), party.title):
        if mappings.get(("party", said)):
            return mapped("party", said, mappings, people)
    # who cannot be found again would be added once more with each try
    if not (identity(party) or party.code) and settings.default:
        return Choice(field="party", value=settings.default, by="config", keys=(("parties", "default"),))
    return Choice(field="party", value="", by="target", said=identity(party) or party.title)


def choose(
    order: Order,
    settings: PartySettings,
    found: Sequence[Ref],
    near: Sequence[Ref],
    *,
    accepted: bool = False,
) -> Buyer:
    """The party of an order whose code nobody has named.

    Args:
        found: those of the target that are the same, by code, EDRPOU, telephone or mail.
        near: those of a like name, where none is the same.
        accepted: a person has seen the like names, and a new one is to be added.
    """
    party = party_of(order)
    where = Where(order=order.number, element="customer")
    if is_nobody(party):
        text = T("Order {number} names no buyer.", number=order.number)
        hint = T("Say on whom such orders are booked: parties: {default: CODE}; or fill the buyer in the source.")
        return Buyer(findings=(Finding("no-buyer", text, where, hint, Who.ADMIN),))
    if len(found) == 1:
        return Buyer(found[0], found=True)
    about = f"party:{identity(party) or party.title}"
    if found:
        text = T(
            "The buyer of order {number} ({name}, {identity}) can be any of: {codes}.",
            number=order.number,
            name=party.title or "—",
            identity=identity(party) or "—",
            codes=", ".join(title(ref) for ref in found),
        )
        hint = T("Say which one is meant: `mistok cards` tells how. They are never made one by Mistok.")
        return Buyer(findings=(Finding("ambiguous-party", text, where, hint, Who.ACCOUNTANT, about),))
    if not (identity(party) or party.code):
        text = T(
            "The buyer of order {number} ({name}) has no telephone, mail or EDRPOU, and could not be found again.",
            number=order.number,
            name=party.title,
        )
        hint = T("Fill one of them in the source, say who is meant, or name a party for such: parties: {default: …}.")
        return Buyer(findings=(Finding("buyer-without-contact", text, where, hint, Who.ACCOUNTANT, about),))
    if not settings.create:
        text = T(
            "The buyer of order {number} ({name}, {identity}) is not known to the target.",
            number=order.number,
            name=party.title or "—",
            identity=identity(party),
        )
        hint = T("Add it there, or say which one is meant: `mistok cards` tells how.")
        return Buyer(findings=(Finding("unknown-party", text, where, hint, Who.ACCOUNTANT, about),))
    if not party.title:
        party = replace(party, last_name=identity(party))
    if not near:
        return Buyer(create=party)
    alike = Finding(
        ALIKE,
        T(
            "The buyer of order {number} ({name}, {identity}) is new; it may be one of: {codes}.",
            number=order.number,
            name=party.title,
            identity=identity(party),
            codes=", ".join(title(ref) for ref in near),
        ),
        where,
        T("If it is one of them, say so: `mistok cards` tells how; later orders are booked on that one."),
        Who.ACCOUNTANT,
        about,
    )
    if settings.alike == "hold" and not accepted:
        return Buyer(findings=(alike,), alike=tuple(near))
    return Buyer(create=party, notes=(alike,), alike=tuple(near))


def other_name(order: Order, ref: Ref) -> tuple[Finding, ...]:
    """What is told where the party that was found is called otherwise than the buyer of the order: one telephone of a
    family, a company and who orders for it. Nothing where the words of one name are those of the other."""
    party = party_of(order)
    here, there = _words(party.title), _words(ref.name)
    if not here or not there or here <= there or there <= here:
        return ()
    text = T(
        "Order {number} names {name}; it is booked on {party}, who has the same {identity}.",
        number=order.number,
        name=party.title,
        party=title(ref),
        identity=identity(party) or party.code,
    )
    hint = T("Its document names both. If it is somebody else, divide them in the target.")
    return (Finding("other-name", text, Where(order=order.number, element="customer"), hint, Who.ACCOUNTANT),)


def naming(comment: str, order: Order, ref: Ref) -> str:
    """The comment of a document with the buyer's name, where its party has another one: no name is lost."""
    name = party_of(order).title
    if not other_name(order, ref) or name in comment:
        return comment
    return f"{comment}\n{T('Buyer: {name}', name=name)}".strip()


def _words(name: str) -> frozenset[str]:
    return frozenset(word for word in name.casefold().replace(",", " ").split() if word)


def title(ref: Ref) -> str:
    """A party for people."""
    return f"{ref.name} ({ref.code or ref.id})" if ref.name else ref.code or ref.id
