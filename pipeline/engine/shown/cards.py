"""Cards for people: what waits, what happened, what can be done, and a letter about it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from pipeline.engine.shown.words import WHO
from pipeline.errors import Finding, MistokError, Who
from pipeline.ledger.cards import reason
from pipeline.texts import T, Text

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
    "status": T("status that the target lacks"),
}
STATES: Mapping[str, Text] = {
    "open": T("open"),
    "resolved": T("resolved"),
    "superseded": T("over by itself"),
}
VERDICTS: Mapping[str, Text] = {"accept": T("accepted"), "reject": T("rejected")}
SHOWN = 60  #: characters of a finding in the table


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
        "who_text": ", ".join(str(WHO[one]) for one in people),
        "words": _short(words) if len(findings) == 1 else words,
        "findings": findings,
        "closed": row["closed"].astimezone(zone) if row["closed"] else None,
        "closed_by": row["closed_by"],
        "why": reason(row["why"]),
    }


def _place(finding: Finding | None) -> str:
    if finding is None or not finding.where.line:
        return ""
    element = (finding.where.element or "").rpartition("/")[2]
    return f"{finding.where.line} {element}".strip()


def _short(words: str) -> str:
    return words if len(words) <= SHOWN else words[: SHOWN - 1] + "…"


def write_letter(
    client: Client,
    row: Mapping[str, Any],
    to: Who | None,
    language: str,
    *,
    trouble: Callable[[Text], None] = lambda _words: None,
) -> tuple[Letter, list[Who]]:
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
        proposals={about: near for story in stories for about, near in near_ones(client, story, trouble).items()}
        if inside
        else {},
        acceptable={story.number: acceptable(client, story.card) for story in stories} if inside else {},
    )
    return letter(stories, chosen, language, known), [who for who in people if who is not chosen]


def story_data(
    client: Client, story: Story, *, trouble: Callable[[Text], None] = lambda _words: None, propose: bool = True
) -> dict[str, Any]:
    """A card with its history and what can be done, for people and JSON.

    ``propose``: with what may be meant, for which the target is asked.
    """
    from pipeline.engine.cards.ways import ways
    from pipeline.engine.deciding import acceptable
    from pipeline.engine.shown.stories import events_of, notices_of
    from pipeline.ledger import decisions

    near = near_ones(client, story, trouble) if propose else {}
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


def history_of(data: Mapping[str, Any]) -> list[dict[str, Any]]:
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


def near_ones(client: Client, story: Story, trouble: Callable[[Text], None]) -> dict[str, tuple[Proposal, ...]]:
    """What may be meant. A target that does not answer proposes nothing, which is told to ``trouble``; everything else
    can be told all the same."""
    from pipeline.engine.cards.story import proposals

    if story.card["state"] != "open":
        return {}
    try:
        return proposals(client, story)
    except MistokError as error:
        trouble(T("Nothing can be proposed now: {words}", words=error.text))
        return {}
