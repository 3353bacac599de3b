"""``mistok cards`` and ``mistok card N``: what waits for a person, what happened, what can be done, and a letter."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli import common
from pipeline.cli.orders import AsJson, Limit, asked, cut
from pipeline.errors import Finding, MistokError, Who
from pipeline.texts import LANGUAGES, T, Text

if TYPE_CHECKING:
    from pipeline.engine.cards.letters import Letter
    from pipeline.engine.cards.story import Story
    from pipeline.engine.nearest import Proposal
    from pipeline.engine.runtime import Client

KINDS: Mapping[str, Text] = {
    "quarantined": T("file in quarantine"),
    "held": T("order waits"),
    "changed": T("order came again with other content"),
    "in_doubt": T("order in doubt"),
    "lost": T("file lost"),
    "unread": T("file cannot be fetched"),
    "inbox": T("inbox cannot be read"),
    "brake": T("catalogue stopped by a brake"),
    "plan": T("plan stopped by a brake"),
    "sync": T("products that are not in step"),
    "alike": T("buyers of a like name"),
}
STATES: Mapping[str, Text] = {
    "open": T("open"),
    "resolved": T("resolved"),
    "superseded": T("over by itself"),
}
VERDICTS: Mapping[str, Text] = {"accept": T("accepted"), "reject": T("rejected")}
SHOWN = 60  #: characters of a finding in the table
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
        common.usage(T("There is no {name} to write to.", name=name), T("They are: {names}.", names=", ".join(Who)))


def card_row(row: Mapping[str, Any], client: Client) -> dict[str, Any]:
    """A card for tables and JSON."""
    findings = [Finding.from_json(data) for data in row["findings"]]
    first = findings[0] if findings else None
    people = list(dict.fromkeys(finding.who for finding in findings))
    zone = client.config.zone
    words = " ".join(str(first.text).split()) if first else ""
    if len(findings) > 1:
        words = str(T("{words} (and {n} more)", words=_short(words), n=len(findings) - 1))
    order = row["order_number"]
    return {
        "number": row["id"],
        "since": row["opened"].astimezone(zone),
        "kind": row["kind"],
        "kind_text": str(KINDS.get(row["kind"], row["kind"])),
        "state": row["state"],
        "state_text": str(STATES.get(row["state"], row["state"])),
        "file": row["file"],
        "order": order,
        "order_id": row["order_id"],
        "line": first.where.line if first else None,
        "column": first.where.column if first else None,
        "element": first.where.element if first else None,
        "place": _place(first),
        "subject_text": " · ".join(one for one in (f"№{order}" if order else "", row["file"] or "") if one)
        or row["subject"].partition(":")[2],
        "who": [str(one) for one in people],
        "who_text": ", ".join(str(common.WHO[one]) for one in people),
        "words": _short(words) if len(findings) == 1 else words,
        "findings": findings,
        "closed": row["closed"].astimezone(zone) if row["closed"] else None,
        "closed_by": row["closed_by"],
        "why": row["why"],
    }


def _place(finding: Finding | None) -> str:
    if finding is None or not finding.where.line:
        return ""
    element = (finding.where.element or "").rpartition("/")[2]
    return f"{finding.where.line} {element}".strip()


def _short(words: str) -> str:
    return words if len(words) <= SHOWN else words[: SHOWN - 1] + "…"


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
                written, others = write_letter(client, row, who, letter_language or client.config.language)
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
            data = story_data(client, story)
            if as_json:
                common.print_json(data)
            else:
                _tell(client, story, data)


# --- letters ---------------------------------------------------------------------------------------------------------


def write_letter(client: Client, row: Mapping[str, Any], to: Who | None, language: str) -> tuple[Letter, list[Who]]:
    """The letter about a card and all others of its file, and who else should get one."""
    from pipeline.engine.cards.letters import Known, addressees, letter
    from pipeline.engine.cards.story import explained, load
    from pipeline.engine.deciding import acceptable
    from pipeline.ledger.cards import open_of_file

    (mine,) = load(client, [dict(row)])
    people = addressees([mine])
    chosen = to or (people[0] if people else Who.US)
    stories = [mine]
    if row["file_id"] and row["state"] == "open":
        with client.ledger.read() as conn:
            beside = [one for one in open_of_file(conn, client.config.client, row["file_id"]) if one["id"] != row["id"]]
        stories += [one for one in load(client, beside) if any(finding.who is chosen for finding in one.findings)]
    inside = chosen in (Who.ACCOUNTANT, Who.ADMIN)
    known = Known(
        client=client.config.client,
        zone=client.config.zone,
        explain=lambda story, finding: explained(client, story.file, finding, language),
        proposals={about: near for story in stories for about, near in near_ones(client, story).items()}
        if inside
        else {},
        acceptable={story.number: acceptable(client, story.card) for story in stories} if inside else {},
    )
    return letter(stories, chosen, language, known), [who for who in people if who is not chosen]


def near_ones(client: Client, story: Story) -> dict[str, tuple[Proposal, ...]]:
    """What may be meant. A target that does not answer proposes nothing; everything else can be told all the same."""
    from pipeline.engine.cards.story import proposals

    if story.card["state"] != "open":
        return {}
    try:
        return proposals(client, story)
    except MistokError as error:
        words = T("Nothing can be proposed now: {words}", words=error.text)
        common.console(stderr=True).print(str(words), style="dim")
        return {}


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


def story_data(client: Client, story: Story) -> dict[str, Any]:
    """A card with its history and what can be done, for people and JSON."""
    from pipeline.cli.trace import events_of, notices_of
    from pipeline.engine.cards.ways import ways
    from pipeline.engine.deciding import acceptable
    from pipeline.ledger import decisions

    near = near_ones(client, story)
    codes = acceptable(client, story.card) if story.card["state"] == "open" else frozenset()
    subjects = [story.card["subject"]]
    names = {story.file["id"]: story.file["name"]} if story.file else {}
    if story.file is not None and story.order is not None:
        subjects.append(f"file:{story.file['id']}")
    with client.ledger.read() as conn:
        events = events_of(client, conn, subjects, names)
        told = notices_of(client, conn, subjects[:1])
        decided = decisions.of_subject(conn, client.config.client, story.card["subject"])
    if story.card["kind"] == "brake":  # a job's story is long; of it the card's own days are of interest
        events = [row for row in events if row["at"] >= story.card["opened"] and row["event"] != "published"]
        told = [row for row in told if row["at"] >= story.card["opened"]]
    zone = client.config.zone
    waiting = story.order is not None and story.card["state"] == "open"
    order = story.order or {}
    return {
        **card_row(story.card, client),
        "excerpts": [
            [{"line": one.number, "text": one.text, "marked": one.marked} for one in lines] for lines in story.excerpts
        ],
        "tries": order.get("tries") if waiting else None,
        "next_try": order["next_try"].astimezone(zone) if waiting and order["next_try"] else None,
        "events": events,
        "notices": told,
        "decisions": [
            {
                "verdict": one["verdict"],
                "codes": one["codes"],
                "by": one["by"],
                "at": one["at"].astimezone(zone),
                "why": one["why"],
            }
            for one in decided
        ],
        "acceptable": sorted(codes),
        "near": {
            about: [{"code": one.code, "name": one.name, "alike": one.alike} for one in found]
            for about, found in near.items()
        },
        "ways": [
            {"command": way.command, "does": str(way.does)} for way in ways(story, codes, near, windows=os.name == "nt")
        ],
    }


def _tell(client: Client, story: Story, data: Mapping[str, Any]) -> None:
    from rich.text import Text as Rich

    out = common.console()
    out.print(Rich.assemble((str(T("Card {n}", n=data["number"])), "bold"), ": ", data["kind_text"]))
    for heading, words in _facts(client, story, data):
        out.print(Rich(f"  {heading}: ", style="dim") + Rich(words), soft_wrap=True)
    for who in list(dict.fromkeys(finding.who for finding in story.findings)):
        out.print()
        out.print(Rich(str(T("For {who}:", who=common.WHO[who])), style="bold"))
        theirs = [(n, finding) for n, finding in enumerate(story.findings) if finding.who is who]
        for n, finding in theirs[:TOLD]:
            common.show_findings((finding,), of_story=True)
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
    rows = [{"at": row["at"], "text": row["text"]} for row in _history(data)]
    common.table((("at", T("When")), ("text", T("What happened"))), rows, empty=T("No events."))
    if data["ways"]:
        out.print(Rich(str(T("What can be done:")), style="bold"))
        for way in data["ways"]:
            out.print(Rich.assemble("  ", (way["command"], "cyan")), soft_wrap=True)
            out.print(Rich(f"      {way['does']}"), soft_wrap=True)


def _facts(client: Client, story: Story, data: Mapping[str, Any]) -> Iterator[tuple[Text, str]]:
    from pipeline.cli.orders import file_row, order_row
    from pipeline.cli.trace import copy_words

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


def _history(data: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What happened with it, by time: events, who was told, what was decided, its opening and closing."""
    rows = [{"at": data["since"], "text": str(T("card {n} opened", n=data["number"]))}]
    rows += [{"at": row["at"], "text": f"{row['what']}: {row['text']}"} for row in data["events"]]
    for notice in data["notices"]:
        if notice["shown"]:
            words = T("told by {channel}: {title}", channel=notice["channel"] or "?", title=notice["title"])
        else:
            words = T(
                "to be told: {title}{why}", title=notice["title"], why=f" ({notice['why']})" if notice["why"] else ""
            )
        rows.append({"at": notice["shown"] or notice["at"], "text": str(words)})
    if data["closed"]:
        rows.append({"at": data["closed"], "text": str(T("card {n} closed", n=data["number"]))})
    return sorted(rows, key=lambda row: row["at"])
