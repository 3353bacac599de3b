"""``mistok cards`` and ``mistok card N``: what waits for a person, what happened, what can be done, and a letter."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli import common
from pipeline.cli.orders import AsJson, Limit, asked, cut
from pipeline.engine.shown.cards import KINDS, card_row, history_of, story_data, write_letter
from pipeline.errors import Who
from pipeline.texts import LANGUAGES, T, Text, verbatim

if TYPE_CHECKING:
    from pipeline.engine.cards.letters import Letter
    from pipeline.engine.cards.story import Story
    from pipeline.engine.runtime import Client

TOLD = 12  #: findings of one card that are shown with their lines


def cards(
    context: typer.Context,
    who: Annotated[
        str | None, typer.Option("--who", help=str(T("Only what this one must mend: site, accountant, admin or us.")))
    ] = None,
    kind: Annotated[
        list[str] | None, typer.Option("--kind", help=str(T("Only cards of this kind (may be repeated).")))
    ] = None,
    order: Annotated[
        str | None, typer.Option("--order", help=str(T("Only cards of the order with this number.")))
    ] = None,
    closed: Annotated[bool, typer.Option("--all", help=str(T("Also cards that are closed.")))] = False,
    limit: Limit = None,
    as_json: AsJson = False,
) -> None:
    """List what waits for a person."""
    with common.cards(as_json=as_json):
        chosen = addressee(who) if who is not None else None
        if unknown := sorted(set(kind or ()) - set(KINDS)):
            common.usage(T("There is no kind {name}.", name=unknown[0]), T("Kinds: {names}.", names=", ".join(KINDS)))
        with common.client(context) as client:
            from pipeline.ledger.cards import listing

            with client.ledger.read() as conn:
                found = listing(conn, client.config.client, closed=closed, kinds=kind or ())
            rows = [card_row(row, client) for row in found]
        rows = [row for row in rows if chosen is None or str(chosen) in row["who"]]
        rows = [row for row in rows if order is None or order.strip() in (row["order"], row["order_id"])]
        if as_json:
            common.print_json(rows[: asked(limit, as_json=True)])
            return
        # as many as fit are the newest, shown from the oldest on
        rows = cut(rows[::-1], limit)[::-1]
        columns = [
            ("number", T("Card")),
            ("since", T("Since")),
            ("kind_text", T("Kind")),
            ("subject_text", T("Order or file")),
            ("place", T("Line")),
            ("who_text", T("Who mends it")),
            ("words", T("What")),
        ]
        if closed:
            columns.append(("state_text", T("State")))
        empty = T("Nothing waits for a person.") if found == [] else T("No card is like that.")
        common.table(columns, rows, empty=empty)
        if rows:
            common.console().print(str(T("mistok card {n} tells more, and what can be done.", n=rows[-1]["number"])))


def addressee(name: str) -> Who:
    """One of the people who mend. Raises ConfigError when there is none such."""
    try:
        return Who(name)
    except ValueError:
        common.usage(T("Nobody here is called {name}.", name=name), T("They are: {names}.", names=", ".join(Who)))


def card(
    context: typer.Context,
    number: Annotated[int, typer.Argument(help=str(T("Number of the card.")), metavar="N", show_default=False)],
    as_letter: Annotated[
        bool, typer.Option("--letter", help=str(T("Print a letter to the one who must mend it, ready to be sent.")))
    ] = False,
    to: Annotated[
        str | None, typer.Option("--to", help=str(T("To whom the letter goes: site, accountant, admin or us.")))
    ] = None,
    letter_language: Annotated[
        str | None, typer.Option("--lang", help=str(T("Language of the letter: uk or en; else the config's.")))
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Tell one card: what happened, who must mend it, what can be done; or print a letter about it."""
    with common.cards(as_json=as_json):
        who = addressee(to) if to is not None else None
        if letter_language is not None and letter_language not in LANGUAGES:
            common.usage(T("Language is uk or en."))
        if (who or letter_language) and not as_letter:
            common.usage(T("--to and --lang go with --letter."))
        with common.client(context) as client:
            from pipeline.engine.cards.story import load
            from pipeline.engine.deciding import closed_words
            from pipeline.ledger.cards import by_numbers

            with client.ledger.read() as conn:
                row = by_numbers(conn, client.config.client, [number]).get(number)
            if row is None:
                common.not_found(
                    T("There is no card {n}.", n=number),
                    T("mistok cards --all lists them, the closed ones as well."),
                    as_json=as_json,
                )
            if as_letter:
                written, others = write_letter(
                    client, row, who, letter_language or client.config.language, trouble=_not_proposed
                )
                if as_json:
                    common.print_json(
                        {
                            "to": str(written.to),
                            "language": written.language,
                            "subject": written.subject,
                            "body": written.body,
                        }
                    )
                else:
                    _print_letter(written, others, number)
                    if row["state"] != "open":
                        common.console(stderr=True).print(str(closed_words(row, client)), soft_wrap=True, markup=False)
                return
            (story,) = load(client, [row])
            data = story_data(client, story, trouble=_not_proposed)
            if as_json:
                common.print_json(data)
            else:
                _tell(client, story, data)


# --- letters ---------------------------------------------------------------------------------------------------------


def _not_proposed(words: Text) -> None:
    common.console(stderr=True).print(str(words), style="dim")


def _print_letter(written: Letter, others: Sequence[Who], number: int) -> None:
    # plain, and broken nowhere: it is copied into a mail
    print(written.subject)
    print()
    print(written.body, end="")
    if not sys.stdout.isatty():
        return
    note = common.console(stderr=True)
    note.print(str(T("For {who}.", who=common.WHO[written.to])), style="dim")
    for who in others:
        command = f"mistok card {number} --letter --to {who}"
        note.print(str(T("The card names {who} as well: {command}", who=common.WHO[who], command=command)), style="dim")


# --- telling one card ------------------------------------------------------------------------------------------------


def _tell(client: Client, story: Story, data: Mapping[str, Any]) -> None:
    from rich.text import Text as Rich

    from pipeline.engine.cards.ways import here

    out = common.console()
    out.print(Rich.assemble((str(T("Card {n}", n=data["number"])), "bold"), ": ", data["kind_text"]))
    for heading, words in _facts(client, story, data):
        out.print(Rich(f"  {heading}: ", style="dim") + Rich(words), soft_wrap=True)
    for who in list(dict.fromkeys(finding.who for finding in story.findings)):
        out.print()
        out.print(Rich(str(T("For {who}:", who=common.WHO[who])), style="bold"))
        theirs = [(n, finding) for n, finding in enumerate(story.findings) if finding.who is who]
        for n, finding in theirs[:TOLD]:
            told = finding.hint and verbatim(here(str(finding.hint), story.number))
            common.show_findings((replace(finding, hint=told or None),), of_story=True)
            _show_lines(out, story, n)
        if len(theirs) > TOLD:
            out.print(str(T("… and {n} more: --json and the letter tell them.", n=len(theirs) - TOLD)))
    for about, found in data["near"].items():
        if found:
            out.print()
            out.print(Rich(str(T("Near to {about}:", about=about)), style="bold"))
            for one in found:
                out.print(Rich(f"  {one['code']}  {one['name']} ({one['alike']} %)"))
    out.print()
    rows = [{"at": row["at"], "text": row["text"]} for row in history_of(data)]
    common.table((("at", T("When")), ("text", T("What happened"))), rows, empty=T("No events."))
    if data["ways"]:
        out.print(Rich(str(T("What can be done:")), style="bold"))
        for way in data["ways"]:
            out.print(Rich.assemble("  ", (way["command"], "cyan")), soft_wrap=True)
            out.print(Rich(f"      {way['does']}"), soft_wrap=True)


def _facts(client: Client, story: Story, data: Mapping[str, Any]) -> Iterator[tuple[Text, str]]:
    from pipeline.engine.shown.rows import file_row, order_row
    from pipeline.engine.shown.stories import copy_words

    if data["state"] != "open":
        yield (
            T("State"),
            " · ".join(
                str(one)
                for one in (data["state_text"], data["closed_by"], common.cell(data["closed"]), data["why"])
                if one
            ),
        )
    if story.order is not None:
        order = order_row(story.order, client)
        total = f"{common.cell(order['total'])} {order['currency']}" if order["total"] is not None else ""
        parts = (f"№{order['number']}", order["source"], order["customer"] or "", total, order["state_text"])
        yield T("Order"), ", ".join(part for part in parts if part)
        if order["document"]:
            yield T("Document"), order["document"]
    if story.file is not None:
        file = file_row(story.file, client)
        yield T("File"), f"{file['name']} ({file['connection']}/{file['folder']}): {file['state_text']}"
        yield T("Archive copy"), copy_words(file)
    if data["next_try"]:
        yield T("Tried"), str(T("{n} times; next try {when}", n=data["tries"], when=data["next_try"]))


def _show_lines(out: Any, story: Story, n: int) -> None:
    from rich.text import Text as Rich

    from pipeline.engine.cards.excerpt import drawn

    lines = story.excerpts[n]
    # once for several mistakes at one place
    if not lines or lines in story.excerpts[:n]:
        return
    for row in drawn(lines).split("\n"):
        out.print(Rich("    " + row, style="bold" if row.startswith(">") else "dim"), soft_wrap=True)
