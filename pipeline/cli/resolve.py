"""``mistok resolve N``: answer a card. Says what it did, and what came of every order that waited for the answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli import common
from pipeline.cli.orders import AsJson
from pipeline.engine.shown.answers import came_words, check_acceptable, meant, parse_map
from pipeline.texts import T

if TYPE_CHECKING:
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
            from pipeline.engine.fleet import hinting

            shown = _shown(client, numbers, as_json=as_json)
            by = common.person()
            reason = why.strip() if why else None
            with progress() as report:
                if maps:
                    done = _map(client, shown, maps, by=by, why=reason, report=report)
                else:
                    if accept:
                        check_acceptable(client, shown)
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
            hinting.answered(client.config)
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
    checked = {pair: meant(client, still, pair, code) for pair, code in given.items()}
    return [*closed, *deciding.give_mappings(client, still, checked, by=by, why=why, report=report)]


# --- what came of it -------------------------------------------------------------------------------------------------


def _tell_people(client: Client) -> None:
    """Popups of documents that were made just now. One that cannot be shown stops nothing."""
    from pipeline.engine.tell import deliver_waiting

    deliver_waiting(client)


def _tell(one: Resolved) -> None:
    out = common.console()
    for words in one.said:
        out.print(str(words), soft_wrap=True)
    for came in one.came:
        out.print(str(came_words(came)), soft_wrap=True)
        if came.settled:  # of what still waits the words above tell why
            common.show_findings(came.findings, of_story=True)
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
