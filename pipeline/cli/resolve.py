"""``mistok resolve N``: answer a card. Says what it did, and what came of every order that waited for the answer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli import common
from pipeline.cli.orders import AsJson
from pipeline.texts import T, Text

if TYPE_CHECKING:
    from pipeline.engine.carrying import Came
    from pipeline.engine.deciding import Resolved
    from pipeline.engine.runtime import Client

Row = dict[str, Any]


def resolve(
    context: typer.Context,
    numbers: Annotated[
        list[int], typer.Argument(help=str(T("Numbers of the cards.")), metavar="N", show_default=False)
    ],
    maps: Annotated[
        list[str] | None,
        typer.Option(
            "--map",
            help=str(T("What a code means, kept for the client: sku:AB-1=AB1 (may be repeated).")),
            show_default=False,
        ),
    ] = None,
    accept: Annotated[
        bool, typer.Option("--accept", help=str(T("Take it as it is, for this very content only.")))
    ] = False,
    retry: Annotated[
        bool,
        typer.Option("--retry", help=str(T("Try again now. In doubt: you have looked, and there is no document."))),
    ] = False,
    document: Annotated[
        str | None,
        typer.Option(
            "--document",
            help=str(T("The document of this number is the order's own: found in the target, or made by hand.")),
            show_default=False,
        ),
    ] = None,
    reject: Annotated[
        bool, typer.Option("--reject", help=str(T("It is not wanted: no document is made of it. Needs --why.")))
    ] = False,
    why: Annotated[str | None, typer.Option("--why", help=str(T("The reason, for the record.")))] = None,
    as_json: AsJson = False,
) -> None:
    """Answer cards: say what a code means, accept, try again, or reject. What waited for it goes on at once."""
    with common.cards(as_json=as_json):
        _check_call(maps, accept=accept, retry=retry, document=document, reject=reject, why=why)
        if document is not None and len(set(numbers)) > 1:
            common.usage(T("One document stands for one order: give one card."))
        with common.client(context, read_only=False) as client:
            from pipeline.cli.run import progress
            from pipeline.engine import adopting, deciding

            shown = _shown(client, numbers, as_json=as_json)
            by = common.person()
            reason = why.strip() if why else None
            with progress() as report:
                if maps:
                    done = _map(client, shown, maps, by=by, why=reason, report=report)
                else:
                    if accept:
                        _check_acceptable(client, shown)
                    done = []
                    for card in shown:
                        if accept:
                            done.append(deciding.accept(client, card, by=by, why=reason, report=report))
                        elif document is not None:
                            done.append(
                                adopting.adopt(client, card, document.strip(), by=by, why=reason, report=report)
                            )
                        elif retry:
                            done.append(deciding.try_again(client, card, by=by, why=reason, report=report))
                        else:
                            done.append(deciding.reject(client, card, by=by, why=reason or ""))
            _tell_people(client)
        if as_json:
            common.print_json([_data(one) for one in done])
        else:
            for one in done:
                _tell(one)
    raise typer.Exit(_exit_code(done))


def _check_call(
    maps: Sequence[str] | None, *, accept: bool, retry: bool, document: str | None, reject: bool, why: str | None
) -> None:
    given = {
        "--map": maps,
        "--accept": accept,
        "--retry": retry,
        "--document": document is not None,
        "--reject": reject,
    }
    ways = [name for name, value in given.items() if value]
    if len(ways) != 1:
        text = (
            T("{names} do not go together.", names=", ".join(ways)) if ways else T("It is not said how to resolve it.")
        )
        common.usage(
            text,
            T("Give one of --map, --accept, --retry, --document and --reject; mistok card N tells which ones help."),
        )
    if document is not None and not document.strip():
        common.usage(T("--document needs a number."))
    if reject and not (why and why.strip()):
        common.usage(T("--reject needs a reason."), T("Write it such as {example}", example='--why "a test order"'))


def _shown(client: Client, numbers: Sequence[int], *, as_json: bool) -> list[Row]:
    """The cards of these numbers, in that order. Ends with 1 when there is none of a number."""
    from pipeline.ledger.cards import by_numbers

    with client.ledger.read() as conn:
        known = by_numbers(conn, client.config.client, numbers)
    for number in numbers:
        if number not in known:
            common.not_found(
                T("There is no card {n}.", n=number),
                T("mistok cards --all lists them, the closed ones as well."),
                as_json=as_json,
            )
    return [known[number] for number in dict.fromkeys(numbers)]


# --- mappings --------------------------------------------------------------------------------------------------------


def _map(
    client: Client, shown: Sequence[Row], maps: Sequence[str], *, by: str, why: str | None, report: Any
) -> list[Resolved]:
    from pipeline.engine import deciding
    from pipeline.engine.deciding import Resolved, asked_for, closed_words

    still = [card for card in shown if card["state"] == "open"]
    closed = [Resolved(card["id"], (closed_words(card, client),), before=True) for card in shown if card not in still]
    if not still:
        return closed
    for card in still:
        if not asked_for(card):
            raise deciding.refusal(card, T("Card {n} waits for no mapping.", n=card["id"]))
    asked = list(dict.fromkeys(about for card in still for about in asked_for(card)))
    given: dict[tuple[str, str], str] = {}
    for pair, code in (parse_map(text, asked) for text in maps):
        if given.setdefault(pair, code) != code:
            about = ":".join(pair)
            common.usage(T("{about} cannot mean both {one} and {other}.", about=about, one=given[pair], other=code))
    checked = {pair: _meant(client, still, pair, code) for pair, code in given.items()}
    return [*closed, *deciding.give_mappings(client, still, checked, by=by, why=why, report=report)]


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
        common.usage(
            T("{text} is no mapping.", text=text),
            T("Write it as KIND:CODE=MEANT: {example}", example=f"{asked[0]}=…"),
        )
    close = closest(head, asked)
    hint = T("It asks for: {names}.", names=", ".join(asked))
    if close:
        hint = T("Did you mean {near}? It asks for: {names}.", near=close, names=", ".join(asked))
    return common.usage(T("No card given here asks what {about} means.", about=head), hint)


def _meant(client: Client, shown: Iterable[Row], pair: tuple[str, str], code: str) -> str:
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
        common.usage(T("No job of the config takes the orders of card {n} any more.", n=card["id"]))
    with carrying.opened_any(client, place, by="") as walk:
        system = walk.ctx.system(place.settings.into)
        language = client.config.catalogue_language
        return nearest.meant(system, pair[0], code, client.clock.now(), language).code


def _check_acceptable(client: Client, shown: Iterable[Row]) -> None:
    """All of them, before the first one is touched. Raises ConfigError."""
    from pipeline.engine.deciding import acceptable, refusal

    for card in shown:
        if card["state"] == "open" and not acceptable(client, card):
            raise refusal(card, T("Card {n} tells of something that nobody can accept as it is.", n=card["id"]))


# --- what came of it -------------------------------------------------------------------------------------------------


def _tell_people(client: Client) -> None:
    """Popups of documents that were made just now. One that cannot be shown stops nothing."""
    from pipeline.engine.tell import deliver_waiting

    deliver_waiting(client)


def came_words(one: Came) -> Text:
    """``№1043 -> document 78``, or why it still waits."""
    from pipeline.cli.orders import ORDER_STATES

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


def _tell(one: Resolved) -> None:
    out = common.console()
    for words in (*one.said, *(came_words(came) for came in one.came)):
        out.print(str(words), soft_wrap=True)
    if one.error is not None and not one.came:
        common.show_findings(one.error.findings, of_story=True)


def _data(one: Resolved) -> Mapping[str, Any]:
    return {
        "card": one.card,
        "before": one.before,
        "waits": one.waits,
        "said": [str(words) for words in one.said],
        "orders": [
            {
                "number": came.order["number"],
                "id": came.order["order_id"],
                "state": came.order["state"],
                "document": came.order["document_number"],
                "card": came.card,
                "text": str(came_words(came)),
                "findings": list(came.findings),
            }
            for came in one.came
        ],
        "findings": list(one.error.findings) if one.error is not None else [],
    }


def _exit_code(done: Sequence[Resolved]) -> int:
    errors = [one.error for one in done if one.error is not None]
    if errors:
        return max(common.exit_code(error) for error in errors)
    return common.WAITING if any(one.waits for one in done) else common.DONE
