"""What a person's decision on a card does: a mapping, an acceptance, a rejection, another try.

Each decision is one transaction that looks first whether the card is still open and its subject still is what the
person saw, then writes the verdict, its event and what follows from it. What may go on goes on afterwards, through the
walk (:mod:`pipeline.engine.carrying`): at once, or with the next run of the job when one is under way.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from pipeline.engine import amending, carrying
from pipeline.engine.booking import OTHER_DOCUMENT
from pipeline.engine.carrying import Came
from pipeline.engine.context import Progress, no_progress
from pipeline.engine.runtime import Client
from pipeline.errors import ConfigError, Finding, MistokError, Refused, Transient, Who
from pipeline.ledger import acts, cards, decisions, plans, revisions
from pipeline.ledger import files as file_rows
from pipeline.ledger import orders as order_rows
from pipeline.ledger.tables import FileState, OrderState
from pipeline.syncing import SyncSettings
from pipeline.texts import T, Text

Row = dict[str, Any]

#: Kinds of cards about one order that waits.
OF_ORDER = frozenset({"held", "in_doubt"})
#: Kinds of cards about a job that a brake stopped.
STOPPED = frozenset({"brake", "plan"})
#: Code of a finding -> what accepting it does.
_ACCEPTS: Mapping[str, Text] = {
    "totals": T("the document gets the total that the order states; a line of rounding evens it out"),
    "taxes": T("the document gets the taxes that its items make, not those that the order states"),
    "status": T("the document is made although the order came with this status"),
    "changed-order": T("what this card shows holds: the document is brought to it, or marked cancelled"),
    "changed-by-hand": T("the document was brought to its order in the target by hand, and counts as done"),
    "shipped-changed": T("the order document is brought to it; its shipments are put right by hand"),
    "paid-back": T("the money has been paid back in the target by hand, and counts as paid back"),
    "other-document": T("the document that is there becomes this order's own, as it is"),
    "alike": T("the buyer is added beside those of a like name"),
    "brake": T("this very catalogue is published; a changed one would be stopped anew"),
    "plan": T("what the brake held is applied; anything else would be stopped anew"),
}


@dataclass(frozen=True, slots=True)
class Resolved:
    """What a decision did: words for the person, what came of the orders, whether it was decided before."""

    card: int
    said: tuple[Text, ...] = ()
    came: tuple[Came, ...] = ()
    before: bool = False
    waits: bool = False  #: somebody is waited for all the same
    error: MistokError | None = field(default=None, compare=False)


def findings_of(card: Mapping[str, Any]) -> tuple[Finding, ...]:
    """What is wrong, as the card says."""
    return tuple(Finding.from_json(data) for data in card["findings"])


def asked_for(card: Mapping[str, Any]) -> tuple[str, ...]:
    """The mappings that would help: ``sku:AB-1``, each once."""
    if card["kind"] not in ("held", "changed", "sync", "alike", "status"):
        return ()
    return tuple(dict.fromkeys(finding.about for finding in findings_of(card) if finding.about))


def acceptable(client: Client, card: Mapping[str, Any]) -> frozenset[str]:
    """Which of the card's findings a person may accept as they are; of a stopped catalogue: ``brake``."""
    codes = {finding.code for finding in findings_of(card)}
    if card["kind"] in STOPPED:
        return frozenset({card["kind"]})
    if card["kind"] not in ("held", "changed"):
        return frozenset()
    with client.ledger.read() as conn:
        order = order_rows.by_ids(conn, [card["order_row"]]).get(card["order_row"]) if card["order_row"] else None
        changed = card["kind"] == "changed"
        if changed and (
            amending.UNFIT in codes or order is None or revisions.asked_about(conn, client.config.client, order) is None
        ):
            return frozenset()
        file = file_rows.by_id(conn, card["file_id"] if changed else order["file_id"]) if order else None
    place = carrying.place_of(client, file, order) if file and order else None
    of_step = place.step.acceptable if place else frozenset()
    if changed:  # the content is taken with all of it that may be taken as it is
        return frozenset((codes & of_step) | {amending.CODE})
    return frozenset(codes & (of_step | {OTHER_DOCUMENT}))


def accepting(codes: Collection[str]) -> Text:
    """What ``--accept`` does for these findings."""
    parts = [_ACCEPTS.get(code) or T("`{code}` is taken as it is", code=code) for code in sorted(codes)]
    text = parts[0]
    for part in parts[1:]:
        text = T("{first}; {second}", first=text, second=part)
    return text


def closed_words(card: Mapping[str, Any], client: Client) -> Text:
    """By whom a closed card was closed, when and why."""
    when = card["closed"].astimezone(client.config.zone)
    why = card["why"] or T("no reason was given")
    if card["closed_by"]:
        return T(
            "Card {n} is resolved: by {who}, {when} ({why}).", n=card["id"], who=card["closed_by"], when=when, why=why
        )
    return T("Card {n} is closed since {when} ({why}).", n=card["id"], when=when, why=why)


# --- mappings ----------------------------------------------------------------------------------------------------


def give_mappings(
    client: Client,
    shown: Sequence[Row],
    given: Mapping[tuple[str, str], str],
    *,
    by: str,
    why: str | None = None,
    report: Progress = no_progress,
) -> list[Resolved]:
    """Keep mappings for the client, and carry on every held order that waited for one of them.

    Args:
        shown: the open cards that the person answers.
        given: (kind, code) -> what is meant; checked by :func:`pipeline.engine.nearest.meant` before.
        by: who gives them.
        why: for the record.

    What a card of a sync asked for is kept for its two systems only: another pair has other ids and articles.

    Raises ConfigError for a card of a sync that is not in the config any more; Transient when the ledger does not
    answer.
    """
    name = client.config.client
    now = client.clock.now()
    said: list[Text] = []
    kept = _by_pair(client, shown, given)
    with client.ledger.begin() as conn:
        for (kind, code), (meant, asker) in kept.items():
            before = decisions.give_mapping(conn, name, kind, code, meant, by=by, now=now, card_id=asker, why=why)
            if before is None:
                said.append(T("{kind}:{code} means {meant} from now on.", kind=kind, code=code, meant=meant))
            elif before == meant:
                said.append(T("{kind}:{code} means {meant} already.", kind=kind, code=code, meant=meant))
            else:
                values = {"kind": kind, "code": code, "meant": meant, "before": before}
                said.append(T("{kind}:{code} means {meant} from now on; it meant {before}.", **values))
        abouts = {f"{kind}:{code}": (kind, code, meant) for (kind, code), (meant, _) in kept.items()}
        freed = cards.held_for(conn, name, abouts)
        for card in shown:
            # nothing waits for it: later orders are booked on whoever was named, documents get what was named with the
            # next look at all of them
            if card["kind"] in ("alike", "status"):
                cards.close_one(conn, name, card["id"], now, by=by, why=why or "mapped")
        changed = cards.changed_for(conn, name, abouts)
        files = file_rows.by_ids(conn, {card["file_id"] for card in changed})
        said_of = {row["id"]: file_rows.findings_of(row) for row in order_rows.by_ids(conn, freed).values()}
        said_of |= {card["order_row"]: findings_of(card) for card in changed}
        for row_id, findings in said_of.items():
            for about in {finding.about for finding in findings} & abouts.keys():
                kind, code, meant = abouts[about]
                data = {"kind": kind, "code": code, "meant": meant, "by": by, "why": why}
                client.ledger.event(conn, f"order:{row_id}", "mapped", data)
        for (kind, code), (meant, _) in kept.items():
            client.ledger.event(conn, "mappings", "mapped", {"kind": kind, "code": code, "meant": meant, "by": by})
    came = (
        *carrying.carry_on(client, freed, by=by, report=report),
        # documents that were to be amended, and lacked this; where a person is asked, the card tells so now
        *(carrying.amend(client, card["order_row"], files[card["file_id"]], by=by, report=report) for card in changed),
    )
    jobs = {job_of(card["subject"]): card for card in shown if card["kind"] == "sync"}
    ran = [_run(client, card, (), by=by, report=report) for card in jobs.values()]
    said += [words for one in ran for words in one.said]
    first, *others = [card["id"] for card in shown]
    waits = _waits(came) or any(one.waits for one in ran)
    error = _error(came) or next((one.error for one in ran if one.error is not None), None)
    return [Resolved(first, tuple(said), came, waits=waits, error=error), *map(Resolved, others)]


def _by_pair(
    client: Client, shown: Sequence[Row], given: Mapping[tuple[str, str], str]
) -> dict[tuple[str, str], tuple[str, int | None]]:
    """Each mapping as it is kept, and the card that asked for it, so that it can be traced to its reason."""
    kept: dict[tuple[str, str], tuple[str, int | None]] = {}
    for (kind, code), meant in given.items():
        asking = [card for card in shown if f"{kind}:{code}" in asked_for(card)]
        for card in asking or shown:
            own = code
            if card["kind"] == "sync":
                own = decisions.of_pair(code, *_pair_of(client, card))
            kept.setdefault((kind, own), (meant, card["id"] if asking else None))
    return kept


def _pair_of(client: Client, card: Row) -> tuple[str, str]:
    """The two systems that a card of a sync is about: ``sync:JOB:STEP``."""
    job, number = job_of(card["subject"]), card["subject"].rpartition(":")[2]
    steps = client.config.jobs[job].steps if job in client.config.jobs else ()
    params = steps[int(number) - 1].params if number.isdigit() and 0 < int(number) <= len(steps) else None
    if not isinstance(params, SyncSettings):
        raise refusal(card, T("The step that card {n} is about is not in the config any more.", n=card["id"]))
    return params.source, params.to


# --- accept, try again -------------------------------------------------------------------------------------------


def accept(client: Client, card: Row, *, by: str, why: str | None = None, report: Progress = no_progress) -> Resolved:
    """Take what the card tells as it is, for this content only.

    Raises ConfigError, with what works instead, when that cannot be accepted.
    """
    if card["state"] != "open":
        return Resolved(card["id"], (closed_words(card, client),), before=True)
    codes = acceptable(client, card)
    if not codes:
        raise refusal(card, T("Card {n} tells of something that nobody can accept as it is.", n=card["id"]))
    if card["kind"] in STOPPED:
        return _accept_brake(client, card, by=by, why=why, report=report)
    if card["kind"] == "changed":
        return _accept_change(client, card, codes, by=by, why=why, report=report)
    return _accept_order(client, card, codes, by=by, why=why, report=report)


def _accept_order(
    client: Client, card: Row, codes: frozenset[str], *, by: str, why: str | None, report: Progress
) -> Resolved:
    name, subject = client.config.client, card["subject"]
    with client.ledger.begin() as conn:
        if (gone := _decided(conn, client, card)) is not None:
            return gone
        order = order_rows.by_ids(conn, [card["order_row"]])[card["order_row"]]
        if OrderState(order["state"]) is not OrderState.HELD:
            return Resolved(card["id"], (moved_on(order),), before=True)
        known = decisions.accepted_codes(conn, name, [subject]).get((subject, order["revision"]), frozenset())
        if codes <= known:
            who = decisions.of_subject(conn, name, subject)[-1]["by"]
            said = T("{who} has accepted this already.", who=who)
        else:
            now = client.clock.now()
            decisions.decide(
                conn, name, subject, order["revision"], "accept", codes, by=by, now=now, card_id=card["id"], why=why
            )
            client.ledger.event(conn, subject, "accepted", {"codes": sorted(codes), "by": by, "why": why})
            said = T("Accepted: {does}.", does=accepting(codes))
    came = tuple(carrying.carry_on(client, [order["id"]], by=by, report=report))
    return Resolved(card["id"], (said,), came, waits=_waits(came), error=_error(came))


def _accept_change(
    client: Client, card: Row, codes: frozenset[str], *, by: str, why: str | None, report: Progress
) -> Resolved:
    """The newer content is the right one: its document is brought to it, or its first one is made."""
    name, subject = client.config.client, card["subject"]
    with client.ledger.begin() as conn:
        if (gone := _decided(conn, client, card)) is not None:
            return gone
        now = client.clock.now()
        order = order_rows.by_ids(conn, [card["order_row"]])[card["order_row"]]
        revision = amending.accept_change(conn, name, order, now)
        if revision is None:
            return Resolved(card["id"], (moved_on(order),), before=True)
        decisions.decide(conn, name, subject, revision, "accept", codes, by=by, now=now, card_id=card["id"], why=why)
        client.ledger.event(conn, subject, "accepted", {"codes": sorted(codes), "by": by, "why": why})
        documented = OrderState(order["state"]) in (OrderState.CREATED, OrderState.IN_DOUBT)
        if not documented:  # it goes on as any order does
            cards.close_one(conn, name, card["id"], now, by=by, why=why or "accepted")
        file = file_rows.by_id(conn, card["file_id"])
    if documented and file is not None:
        came = [carrying.amend(client, order["id"], file, by=by, report=report)]
    else:
        came = carrying.carry_on(client, [order["id"]], by=by, report=report)
    said = T("Accepted: what the card shows holds for №{number}.", number=order["number"])
    return Resolved(card["id"], (said,), tuple(came), waits=_waits(came), error=_error(came))


def try_again(
    client: Client, card: Row, *, by: str, why: str | None = None, report: Progress = no_progress
) -> Resolved:
    """Try a waiting order again now. One in doubt: a person has looked, and there is no document of it.

    Raises ConfigError, with what works instead, for a card that is not about a waiting order.
    """
    if card["state"] != "open":
        return Resolved(card["id"], (closed_words(card, client),), before=True)
    if card["kind"] in (*STOPPED, "sync"):
        return _run(client, card, (), by=by, report=report)
    if card["kind"] not in OF_ORDER:
        raise refusal(card, T("Card {n} is not about an order that waits.", n=card["id"]))
    with client.ledger.begin() as conn:
        if (gone := _decided(conn, client, card)) is not None:
            return gone
        now = client.clock.now()
        row_id = card["order_row"]
        if card["kind"] == "in_doubt":
            fresh = {"state": OrderState.NEW, "tries": 0, "next_try": None}
            if not order_rows.settle(conn, row_id, (OrderState.IN_DOUBT,), now, **fresh):
                return Resolved(card["id"], (moved_on(order_rows.by_ids(conn, [row_id])[row_id]),), before=True)
        client.ledger.event(conn, card["subject"], "tried-again", {"by": by, "why": why})
    came = tuple(carrying.carry_on(client, [row_id], by=by, report=report))
    return Resolved(card["id"], (), came, waits=_waits(came), error=_error(came))


def _accept_brake(client: Client, card: Row, *, by: str, why: str | None, report: Progress) -> Resolved:
    name, subject = client.config.client, card["subject"]
    with client.ledger.begin() as conn:
        if (gone := _decided(conn, client, card)) is not None:
            return gone
        revision = _content_of(conn, client, card)
        now = client.clock.now()
        codes = [card["kind"]]
        cards.close_one(conn, name, card["id"], now, by=by, why=why or "approved")
        decisions.decide(conn, name, subject, revision, "accept", codes, by=by, now=now, card_id=card["id"], why=why)
        plans.decide(conn, name, subject, "approved", by=by, why=why, now=now)
        client.ledger.event(conn, subject, "accepted", {"codes": codes, "by": by, "why": why})
    said = T("Approved: what the brake held may be published.")
    if card["kind"] == "plan":
        said = T("Approved: what the brake held may be applied.")
    return _run(client, card, (said,), by=by, report=report)


def job_of(subject: str) -> str:
    """The job of ``job:NAME`` or ``sync:NAME:STEP``."""
    return subject.split(":")[1] if ":" in subject else ""


def _run(client: Client, card: Row, said: tuple[Text, ...], *, by: str, report: Progress) -> Resolved:
    """Run the card's job now; its own report says what it did."""
    from pipeline.engine.runtime import UNREACHABLE, RunOptions, run_job

    job = job_of(card["subject"])
    if job not in client.config.jobs:
        return Resolved(card["id"], (*said, T("There is no job {job} in the config any more.", job=job)), waits=True)
    options = RunOptions(full=card["kind"] in ("sync", "plan"))  # all that the card was about
    done = run_job(client.config, job, options, registry=client.registry, report=report)
    if done.state == "skipped":
        words = T("A run of job {job} is under way; its next run carries on.", job=job)
        return Resolved(card["id"], (*said, words))
    with client.ledger.read() as conn:
        again = [
            row for row in cards.of_subjects(conn, client.config.client, [card["subject"]]) if row["state"] == "open"
        ]
    findings = [finding for step in done.steps for finding in step.findings]
    notes = [note for step in done.steps if step.result for note in step.result.notes]
    if findings:
        error: MistokError = MistokError(findings=tuple(findings))
        if done.exit_code == UNREACHABLE:
            error = Transient(findings=tuple(findings))
        return Resolved(card["id"], (*said, *notes), waits=True, error=error)
    if braked := [row for row in again if row["kind"] in STOPPED]:
        words = T("It has changed since: card {n} tells what the brake holds now.", n=braked[-1]["id"])
        return Resolved(card["id"], (*said, words), waits=True)
    if again:
        words = T("Job {job} has run, and something of it is open: card {n} tells what.", job=job, n=again[-1]["id"])
        return Resolved(card["id"], (*said, *notes, words), waits=True)
    return Resolved(card["id"], (*said, *notes, T("Job {job} has run: by {who}.", job=job, who=by)))


# --- reject ------------------------------------------------------------------------------------------------------


def reject(client: Client, card: Row, *, by: str, why: str) -> Resolved:
    """Close the card: what it tells of is not wanted. Its order makes no document, its file waits for nobody."""
    if card["state"] != "open":
        return Resolved(card["id"], (closed_words(card, client),), before=True)
    if card["kind"] in OF_ORDER:
        return _reject_order(client, card, by=by, why=why)
    if card["kind"] == "quarantined":
        return _reject_file(client, card, by=by, why=why)
    name, subject = client.config.client, card["subject"]
    with client.ledger.begin() as conn:
        if (gone := _decided(conn, client, card)) is not None:
            return gone
        now = client.clock.now()
        revision = _content_of(conn, client, card)
        cards.close_one(conn, name, card["id"], now, by=by, why=why)
        codes = {finding.code for finding in findings_of(card)}
        decisions.decide(conn, name, subject, revision, "reject", codes, by=by, now=now, card_id=card["id"], why=why)
        plans.decide(conn, name, subject, "rejected", by=by, why=why, now=now)
        client.ledger.event(conn, subject, "rejected", {"by": by, "why": why})
    said = T("Rejected: {why}.", why=why)
    if card["kind"] == "brake":
        said = T("Rejected: this catalogue is not published; the last good file stays on the server.")
    elif card["kind"] == "changed":
        said = T("Rejected: the order stays as it is.")
    return Resolved(card["id"], (said,))


def _reject_order(client: Client, card: Row, *, by: str, why: str) -> Resolved:
    name, subject, row_id = client.config.client, card["subject"], card["order_row"]
    with client.ledger.begin() as conn:
        if (gone := _decided(conn, client, card)) is not None:
            return gone
        now = client.clock.now()
        order = order_rows.by_ids(conn, [row_id])[row_id]
        reason = Finding("rejected", T("Rejected by {who}: {why}", who=by, why=why), who=Who.ACCOUNTANT)
        words = [*(order["findings"] or ()), reason.to_json()]
        waiting = (OrderState.HELD, OrderState.IN_DOUBT)
        if not order_rows.settle(conn, row_id, waiting, now, state=OrderState.REJECTED, findings=words, next_try=None):
            return Resolved(card["id"], (moved_on(order),), before=True)
        acts.drop_open(conn, row_id, now)
        codes = {finding.code for finding in findings_of(card)}
        decisions.decide(
            conn, name, subject, order["revision"], "reject", codes, by=by, now=now, card_id=card["id"], why=why
        )
        client.ledger.event(conn, subject, "rejected", {"by": by, "why": why})
        cards.close(conn, name, subject, OF_ORDER, now, state="resolved", why=why, by=by)
    said = T("№{number} is rejected: no document is made of it.", number=order["number"])
    if order["document_number"]:
        said = T("№{number} is rejected: its document stays as it is.", number=order["number"])
    return Resolved(card["id"], (said,))


def _reject_file(client: Client, card: Row, *, by: str, why: str) -> Resolved:
    name, subject = client.config.client, card["subject"]
    with client.ledger.begin() as conn:
        if (gone := _decided(conn, client, card)) is not None:
            return gone
        now = client.clock.now()
        file = file_rows.by_id(conn, card["file_id"]) if card["file_id"] else None
        codes = {finding.code for finding in findings_of(card)}
        sha = (file["sha256"] or "") if file else ""
        decisions.decide(conn, name, subject, sha, "reject", codes, by=by, now=now, card_id=card["id"], why=why)
        client.ledger.event(conn, subject, "rejected", {"by": by, "why": why})
        cards.close_one(conn, name, card["id"], now, by=by, why=why)
        if file is not None and file["state"] == FileState.QUARANTINED:
            if file["policy"] == "rejected":  # it lies in the rejected folder, and stays there
                values: dict[str, Any] = {"state": FileState.ACKNOWLEDGED}
            elif sha:
                values = {"state": FileState.DONE}
            else:  # it was never fetched: without a copy of it nothing is deleted
                values = {"state": FileState.ACKNOWLEDGED, "policy": "kept"}
            file_rows.update(conn, [file["id"]], now, **values)
    said = [T("{file} is rejected: nothing is read out of it.", file=card["file"] or "")]
    if file is not None and sha and file["policy"] != "rejected":
        said.append(_acknowledge(client, file, by=by))
    return Resolved(card["id"], tuple(said))


def _acknowledge(client: Client, file: Row, *, by: str) -> Text:
    """Do with the remote file what the policy says, now that a person has resolved its card."""
    from pipeline.engine import acknowledge

    place = carrying.place_of(client, file)
    if not isinstance(place, carrying.Place):
        return T("It stays on the server: no job of the config takes files from there.")
    try:
        with carrying.opened(client, place, by=by) as walk, carrying.holding(walk) as ours:
            if ours:
                with client.ledger.read() as conn:
                    now = file_rows.by_ids(conn, [file["id"]])
                acknowledge.rows(walk, list(now.values()))
    except (Transient, Refused) as error:
        return T("{words} The next run of job {job} carries on.", words=error.text, job=place.job)
    with client.ledger.read() as conn:
        row = file_rows.by_id(conn, file["id"])
    if row is None or row["state"] != FileState.ACKNOWLEDGED:
        return T("The next run of job {job} does with it what `after` says.", job=place.job)
    if row["policy"] == "kept":
        return T("It is left on the server, as `after` says.")
    return T("It was taken away from the server, as `after` says; the archive keeps a copy.")


# --- common ------------------------------------------------------------------------------------------------------


def refusal(card: Mapping[str, Any], text: Text) -> ConfigError:
    """Why a decision does not go with a card, with what works instead."""
    n = card["id"]
    match card["kind"]:
        case "quarantined" | "lost":
            hint = T(
                "Let the site send the file once more, mended: `mistok card {n} --letter` is a letter about it; "
                "or `mistok resolve {n} --reject --why …`.",
                n=n,
            )
        case "in_doubt":
            hint = T(
                "Look into the accounting system: without a document `mistok resolve {n} --retry` makes it; "
                "with one, say so: `mistok resolve {n} --document NUMBER`.",
                n=n,
            )
        case "held" if asked_for(card):
            hint = T("Say what is meant: `mistok resolve {n} --map {about}=…`.", n=n, about=asked_for(card)[0])
        case "held":
            hint = T(
                "Let it be mended where it comes from (`mistok card {n} --letter` is a letter about it): it goes on by "
                "itself then; or `mistok resolve {n} --reject --why …`.",
                n=n,
            )
        case "changed" if any(one.code == amending.UNFIT for one in findings_of(card)):
            hint = T(
                "Let the site send it rightly: `mistok card {n} --letter` is a letter about it; "
                "or `mistok resolve {n} --reject --why …`.",
                n=n,
            )
        case _:
            hint = T("`mistok card {n}` tells what can be done; `--reject --why …` always works.", n=n)
    return ConfigError(text, hint=hint, code="decision")


def _decided(conn: sa.Connection, client: Client, card: Row) -> Resolved | None:
    """That somebody was quicker, if so. Locks the card until the transaction ends."""
    row = cards.lock(conn, client.config.client, card["id"])
    if row["state"] == "open":
        return None
    return Resolved(card["id"], (closed_words(row, client),), before=True)


def moved_on(order: Mapping[str, Any]) -> Text:
    """Why an order cannot be decided on any more."""
    if order["document_number"]:
        return T("№{number} is document {document}.", number=order["number"], document=order["document_number"])
    return T("№{number} does not wait any more: a run is working on it.", number=order["number"])


def _stopped_content(conn: sa.Connection, client: Client, subject: str) -> str:
    """The hash of the catalogue that the brake stopped last."""
    from pipeline.ledger.tables import events

    query = (
        sa.select(events.c.data)
        .where(events.c.client == client.config.client, events.c.subject == subject, events.c.event == "brake")
        .order_by(events.c.id.desc())
        .limit(1)
    )
    return str((conn.execute(query).scalar() or {}).get("sha256", ""))


def _content_of(conn: sa.Connection, client: Client, card: Row) -> str:
    """The content that a card is about: a decision holds for that one only."""
    if card["kind"] == "brake":
        return _stopped_content(conn, client, card["subject"])
    if card["kind"] == "plan":
        return plans.digest(conn, client.config.client, card["subject"])
    if card["kind"] == "changed" and card["order_row"]:
        order = order_rows.by_ids(conn, [card["order_row"]])[card["order_row"]]
        if revision := amending.reject_change(conn, client.config.client, order):
            return revision
    file = file_rows.by_id(conn, card["file_id"]) if card["file_id"] else None
    return (file["sha256"] or "") if file else ""


def _waits(came: Sequence[Came]) -> bool:
    return any(not one.settled for one in came)


def _error(came: Sequence[Came]) -> MistokError | None:
    return next((one.error for one in came if one.error is not None), None)
