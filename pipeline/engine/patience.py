"""When a target is asked again that did not take an order: at the time it named itself, else with growing pauses.

A target that answers 429 or 503 may say when it wants to be asked again (Retry-After, RFC 9110 §10.2.3): for one order,
or for all of them. That time is kept whoever runs the job, over restarts too: asking earlier makes it longer, or ends
in a ban. Where the target names no time, the pauses are ours, and a person who runs the job need not wait for them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from pipeline.engine.planning import Work
from pipeline.errors import Finding, MistokError, Transient
from pipeline.ledger.tables import OrderState
from pipeline.texts import T

if TYPE_CHECKING:
    from pipeline.engine.inbound import Inbound
    from pipeline.engine.walking import Walk

Row = dict[str, Any]
KIND = "asked-to-wait"  #: of the value that says until when a system wants to be left alone
FIRST, LONGEST = timedelta(seconds=30), timedelta(hours=1)
AT_MOST = timedelta(days=1)  #: a target that names a time further away is asked once a day all the same


def next_try(error: MistokError, tries: int, now: datetime) -> tuple[int, datetime]:
    """The tries to write down and the time of the next one, after try number ``tries`` (from 1) of an order failed.

    A time that the target named is no failure of ours: it is marked by 0 tries.
    """
    asked = error.retry_after if isinstance(error, Transient) else None
    if asked is not None:
        return 0, now + min(asked, AT_MOST)
    doubled: int = 2 ** min(max(tries - 1, 0), 20)
    return tries, now + min(FIRST * doubled, LONGEST)


def must_wait(row: Row, now: datetime, *, person: bool) -> bool:
    """Whether an order that the target did not take (its ledger ``row``) is left for later."""
    if row.get("state") != OrderState.NEW or row["next_try"] is None or row["next_try"] <= now:
        return False
    return not person or row["tries"] == 0


def put_off(walk: Inbound, works: list[Work], now: datetime) -> list[Work]:
    """Take the works out of ``works`` whose orders are left for later, and give them; the run tells of them."""
    person = walk.ctx.trigger == "person"
    later = [work for work in works if must_wait(work.row, now, person=person)]
    if later:
        waiting = {id(work) for work in later}
        works[:] = [work for work in works if id(work) not in waiting]
        _tell(walk, later, now)
    return later


def _tell(walk: Inbound, works: Sequence[Work], now: datetime) -> None:
    """Count orders that are left for later. What the target said of them still is a trouble of the job."""
    walk.count("later", len(works))
    for work in works:
        row = work.row
        when = row["next_try"].astimezone(walk.ctx.config.zone)
        hint = (
            T("The target asked for patience: it is asked again from {when} on.", when=when)
            if row["tries"] == 0
            else T("It is tried again from {when} on.", when=when)
        )
        findings = tuple(replace(Finding.from_json(data), hint=hint) for data in row["findings"] or ())
        walk.trouble(Transient(findings=findings))
        walk.come_back((row["next_try"] - now).total_seconds())
        walk.tell(
            file=work.file_name,
            order=row["number"],
            customer=row["customer"] or "",
            total=row["total"],
            currency=row["currency"] or "",
            outcome="later",
            findings=list(findings),
        )


@contextmanager
def asking(walk: Walk) -> Iterator[None]:
    """Around whatever asks the target. Raises Transient at once while it wants to be left alone altogether.

    A Transient out of the block that names a time is remembered for every job that uses this system.
    """
    ctx, name = walk.ctx, walk.settings.into
    now = ctx.clock.now()
    with ctx.ledger.read() as conn:
        kept = ctx.ledger.get_value(conn, KIND, name)
    if kept and (until := datetime.fromisoformat(kept["until"])) > now:
        raise _left_alone(name, Finding.from_json(kept["finding"]), until, now, ctx)
    try:
        yield
    except Transient as error:
        if error.retry_after is not None:
            until = ctx.clock.now() + min(error.retry_after, AT_MOST)
            with ctx.begin() as conn:
                ctx.ledger.set_value(
                    conn, KIND, name, {"until": until.isoformat(), "finding": error.findings[0].to_json()}
                )
        raise


def _left_alone(name: str, finding: Finding, until: datetime, now: datetime, ctx: Any) -> Transient:
    text = T(
        "{name} asked to be left alone until {until}: {words}",
        name=name,
        until=until.astimezone(ctx.config.zone),
        words=finding.text,
    )
    # the code of the trouble itself: it is one and the same alarm
    return Transient(text, code=finding.code, hint=finding.hint, who=finding.who, retry_after=until - now)
