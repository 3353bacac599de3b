"""Answers to cards, as people write them, and what came of them in words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pipeline.engine.shown.rows import ORDER_STATES
from pipeline.errors import ConfigError
from pipeline.texts import T, Text

if TYPE_CHECKING:
    from pipeline.engine.carrying import Came
    from pipeline.engine.context import Progress
    from pipeline.engine.deciding import Resolved
    from pipeline.engine.runtime import Client

Row = dict[str, Any]


def parse_map(text: str, asked: Sequence[str]) -> tuple[tuple[str, str], str]:
    """``sku:AB-1=AB1`` as ((kind, code), what is meant), for one of the mappings that are asked for.

    A code may hold ``=`` and ``:`` itself: what is asked for says where it ends. Raises ConfigError.
    """
    # the longest first, as one code may be the beginning of another
    for about in sorted(asked, key=len, reverse=True):
        if text.startswith(f"{about}=") and (code := text.removeprefix(f"{about}=").strip()):
            kind, _, said = about.partition(":")
            return (kind, said), code
    from pipeline.config.suggest import nearest as closest

    head, equals, tail = text.partition("=")
    if not equals or not tail.strip() or ":" not in head:
        raise ConfigError(
            T("{text} is no mapping.", text=text),
            hint=T("Write it as KIND:CODE=MEANT: {example}", example=f"{asked[0]}=…"),
        )
    close = closest(head, asked)
    hint = T("It asks for: {names}.", names=", ".join(asked))
    if close:
        hint = T("Did you mean {near}? It asks for: {names}.", near=close, names=", ".join(asked))
    raise ConfigError(T("No card given here asks what {about} means.", about=head), hint=hint)


def meant(client: Client, shown: Iterable[Row], pair: tuple[str, str], code: str) -> str:
    """The code of the thing that is meant, as its target writes it. Raises ConfigError when it is not there."""
    from pipeline.engine import carrying, nearest
    from pipeline.engine.cards.story import load
    from pipeline.engine.deciding import asked_for

    about = f"{pair[0]}:{pair[1]}"
    card = next(card for card in shown if about in asked_for(card))
    if card["kind"] == "sync":
        return code  # it may be an article that is yet to be created in the target
    (story,) = load(client, [card])
    place = carrying.place_of(client, story.file, story.order) if story.file and story.order else None
    if place is None:
        raise ConfigError(T("No job of the config takes the orders of card {n} any more.", n=card["id"]))
    with carrying.opened_any(client, place, by="") as walk:
        system = walk.ctx.system(place.settings.into)
        language = client.config.catalogue_language
        return nearest.meant(system, pair[0], code, client.clock.now(), language).code


def check_acceptable(client: Client, shown: Iterable[Row]) -> None:
    """All of them, before the first one is touched. Raises ConfigError."""
    from pipeline.engine.deciding import acceptable, refusal

    for card in shown:
        if card["state"] == "open" and not acceptable(client, card):
            raise refusal(card, T("Card {n} tells of something that nobody can accept as it is.", n=card["id"]))


def came_words(one: Came) -> Text:
    """``№1043 -> document 78``, or why it still waits."""
    order = one.order
    number = order["number"]
    if one.amended:
        return T("№{number}: document {document} is brought to it", number=number, document=order["document_number"])
    if order["state"] == "created" and one.later is None:
        document = order["document_number"]
        if one.card is None:
            return T("№{number} → document {document}", number=number, document=document)
        words = T("card {n} waits for you", n=one.card)
        return T("№{number} is document {document}; {words}", number=number, document=document, words=words)
    if one.later is not None:
        return T("№{number}: {words}", number=number, words=one.later)
    state = ORDER_STATES[order["state"]]
    if one.findings and one.card is not None:
        words = one.findings[0].text
        return T("№{number}: {state}. {words} (card {n})", number=number, state=state, words=words, n=one.card)
    if order["state"] == "rejected" and one.findings:  # somebody else was quicker: by whom, and why
        return T("№{number}: {words}", number=number, words=one.findings[-1].text)
    return T("№{number}: {state}", number=number, state=state)


ACTS = ("map", "accept", "retry", "document", "reject")


@dataclass(frozen=True, slots=True)
class Answer:
    """What a person answers to a card: one of ``ACTS``, and what goes with it."""

    act: str
    maps: Mapping[str, str] = field(default_factory=dict)  #: ``sku:AB-1`` -> what is meant
    document: str = ""
    why: str | None = None


def answered(client: Client, card: Row, answer: Answer, *, by: str, report: Progress) -> list[Resolved]:
    """Do what a person has answered to one card, as ``mistok resolve`` does.

    Raises ConfigError when it does not go with the card or what is meant is not there, Transient or Refused when the
    target cannot be asked.
    """
    from pipeline.engine import adopting, deciding

    why = answer.why
    match answer.act:
        case "map":
            if card["state"] != "open":
                return [deciding.Resolved(card["id"], (deciding.closed_words(card, client),), before=True)]
            checked = {}
            for about, code in answer.maps.items():
                kind, _, said = about.partition(":")
                checked[kind, said] = meant(client, [card], (kind, said), code)
            return deciding.give_mappings(client, [card], checked, by=by, why=why, report=report)
        case "accept":
            check_acceptable(client, [card])
            return [deciding.accept(client, card, by=by, why=why, report=report)]
        case "retry":
            return [deciding.try_again(client, card, by=by, why=why, report=report)]
        case "document":
            return [adopting.adopt(client, card, answer.document, by=by, why=why, report=report)]
        case "reject":
            return [deciding.reject(client, card, by=by, why=why or "")]
        case _:
            raise ConfigError(T("It is not said how to resolve it."))
