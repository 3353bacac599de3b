"""The JSON API: what the pages show and do, for programs. Described by ``/api/openapi.json``.

Whoever calls is logged in as on the page (its cookie); what changes something needs the header ``X-CSRF-Token`` with
the secret that ``/api/me`` tells.
"""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from pipeline.engine.deciding import Resolved
from pipeline.engine.replay.choose import Asked
from pipeline.engine.runtime import RunReport
from pipeline.engine.shown.answers import Answer, came_words
from pipeline.engine.shown.runs import runs_of
from pipeline.engine.shown.today import as_data
from pipeline.engine.shown.words import finding_row, jsonable
from pipeline.web.access import RIGHTS, Person, Right
from pipeline.web.entry import Someone, TheSite, calling, having
from pipeline.web.pages import audit, cards, config, jobs, orders, replay, today
from pipeline.web.site import Site
from pipeline.web.tasks import Task


class Out(BaseModel):
    """An answer: just these fields."""

    model_config = ConfigDict(extra="ignore")


class In(BaseModel):
    """A question: no other fields."""

    model_config = ConfigDict(extra="forbid")


class FindingOut(Out):
    """One thing that is wrong, where, and who mends it."""

    code: str
    text: str
    hint: str | None = None
    who: str
    file: str | None = None
    line: int | None = None
    column: int | None = None
    element: str | None = None
    order: str | None = None
    order_line: int | None = None


class Problem(Out):
    """Why a call did not work."""

    findings: list[FindingOut]


class Me(Out):
    """Who is logged in."""

    name: str
    role: str
    rights: list[str]
    csrf: str = Field(description="To be sent as the header X-CSRF-Token with every call that changes something.")


class DayOut(Out):
    """A day's orders. Sums are exact decimals, by currency."""

    day: str
    count: int
    states: dict[str, int]
    sums: dict[str, str]
    hours: list[int]
    usual: list[float]
    waiting: int


class TodayOut(Out):
    """How it stands."""

    level: str
    troubles: list[str]
    cards: dict[str, int]
    day: DayOut


class OrderOut(Out):
    """An order; ``row`` is its number in the ledger. ``customer`` and ``findings`` are empty for viewers."""

    row: int
    number: str
    id: str
    source: str
    at: datetime
    customer: str | None
    total: str | None
    currency: str | None
    state: str
    state_text: str
    status: str | None
    document: str | None
    findings: list[FindingOut]


class FileOut(Out):
    """A file that came."""

    id: int
    name: str
    connection: str
    folder: str
    size: int
    first_seen: datetime
    state: str
    state_text: str
    sha256: str | None
    findings: list[FindingOut] = []


class EventOut(Out):
    """One thing that happened."""

    at: datetime
    what: str
    text: str
    by: str | None


class OrderStory(OrderOut):
    """An order with its files and what happened."""

    files: list[FileOut]
    events: list[EventOut]


class CardOut(Out):
    """What waits for a person."""

    number: int
    since: datetime
    kind: str
    kind_text: str
    state: str
    file: str | None
    order: str | None
    who: list[str]
    words: str
    findings: list[FindingOut]
    closed: datetime | None
    closed_by: str | None
    why: str | None


class RunOut(Out):
    """One run of a job."""

    run: int
    trigger: str
    started: datetime
    ended: datetime | None
    state: str
    counts: dict[str, int]
    config: str | None
    error: FindingOut | None


class JobOut(Out):
    """A job."""

    job: str
    schedule: str
    enabled: bool
    paused: bool
    asked: bool
    last_state: str | None
    last_started: datetime | None
    next: list[datetime]


class TaskOut(Out):
    """Something that was begun: look again until ``state`` is done or failed."""

    id: str
    kind: str
    state: str
    done: int
    total: int | None
    findings: list[FindingOut]
    lines: list[str] = Field(description="What came of it, or would come, in words.")
    acts: int = Field(description="Of a replay: how many things were, or would be, done.")


class ActOut(Out):
    """One act on the page."""

    id: int
    at: datetime
    who: str
    role: str
    address: str
    act: str
    subject: str
    outcome: str


class ConfigOut(Out):
    """The checked config, secrets masked."""

    hash: str
    source: str
    yaml: str


class AnswerIn(In):
    """An answer to a card: ``act`` is map, accept, retry, document or reject."""

    act: Annotated[str, Field(pattern="^(map|accept|retry|document|reject)$")]
    maps: dict[str, str] = Field(default_factory=dict, description="Of map: sku:AB-1 -> what is meant.")
    document: Annotated[str, Field(max_length=100)] = ""
    why: Annotated[str, Field(max_length=500)] = ""


class PauseIn(In):
    """Why a job is paused."""

    why: Annotated[str, Field(max_length=500)] = ""


class ReplayIn(In):
    """What to replay: words as of ``mistok replay``, or a time, or all that waits."""

    words: list[Annotated[str, Field(min_length=1, max_length=200)]] = Field(default_factory=list, max_length=50)
    held: bool = False
    since: str = ""
    until: str = ""


PROBLEMS: dict[int | str, dict[str, Any]] = {
    code: {"model": Problem} for code in (400, 401, 403, 404, 409, 413, 422, 503)
}
router = APIRouter(prefix="/api", responses=PROBLEMS)
Number = Annotated[int, Path(ge=1, le=2**63 - 1)]
Name = Annotated[str, Path(max_length=128)]
Insider = Annotated[Person, Depends(having(Right.PERSONAL))]


@router.get("/me")
def me(who: Someone) -> Me:
    """Who is logged in, and what it may do."""
    return Me(name=who.name, role=str(who.role), rights=sorted(map(str, RIGHTS[who.role])), csrf=who.csrf)


@router.get("/today")
def the_day(site: TheSite, who: Someone) -> TodayOut:  # noqa: ARG001 - somebody who is logged in
    """How it stands, and the orders of today."""
    told = today.view(site)
    return TodayOut(
        level=told["level"],
        troubles=[str(one) for one in told["troubles"]],
        cards={kind: n for kind, _words, n in told["cards"]},
        day=DayOut.model_validate(jsonable(as_data(told["day"]))),
    )


@router.get("/orders")
def some_orders(
    site: TheSite,
    who: Someone,
    q: Annotated[str, Query(max_length=200)] = "",
    state: Annotated[str, Query(max_length=32)] = "",
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
) -> list[OrderOut]:
    """Orders by number, document, customer, phone or file, newest first."""
    return [OrderOut.model_validate(jsonable(row)) for row in orders.listing(site, who, q, state, limit)["orders"]]


@router.get("/orders/{row}")
def one_order(site: TheSite, who: Someone, row: Number) -> OrderStory:
    """The story of an order."""
    told = orders.order_view(site, who, row)
    if told is None:
        raise HTTPException(HTTPStatus.NOT_FOUND)
    return OrderStory.model_validate(jsonable(told["story"]))


@router.get("/cards")
def some_cards(
    site: TheSite,
    who: Insider,  # noqa: ARG001 - the right is what matters
    kind: Annotated[str, Query(max_length=32)] = "",
    closed: bool = False,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> list[CardOut]:
    """What waits for a person, newest first."""
    found = cards.view(site, kind, closed=closed, most=limit)["cards"]
    return [CardOut.model_validate(jsonable(row)) for row in found]


@router.get("/cards/{number}")
def one_card(site: TheSite, who: Insider, number: Number) -> CardOut:  # noqa: ARG001 - the right is what matters
    """One card."""
    from pipeline.engine.shown.cards import card_row

    return CardOut.model_validate(jsonable(card_row(cards.found(site, number), site.client)))


@router.post("/cards/{number}/answer", status_code=HTTPStatus.ACCEPTED)
def answer_card(
    site: TheSite, who: Annotated[Person, Depends(calling(Right.PERSONAL))], number: Number, given: AnswerIn
) -> TaskOut:
    """Answer a card, as ``mistok resolve`` does."""
    row = cards.found(site, number)
    asked = Answer(given.act, given.maps, given.document.strip(), given.why.strip() or None)
    return _task(cards.begin(site, who, row, asked))


@router.get("/jobs")
def all_jobs(site: TheSite, who: Someone) -> list[JobOut]:  # noqa: ARG001 - somebody who is logged in
    """The jobs."""
    return [
        JobOut(
            job=row["job"],
            schedule=str(row["schedule"]),
            enabled=row["enabled"],
            paused=row["paused"] is not None,
            asked=row["asked"] is not None,
            last_state=row["last"]["state"] if row["last"] else None,
            last_started=row["last"]["started"] if row["last"] else None,
            next=[run["at"] for run in row["next"]],
        )
        for row in jobs.view(site)["jobs"]
    ]


@router.get("/jobs/{name}/runs")
def runs(
    site: TheSite,
    who: Someone,  # noqa: ARG001 - somebody who is logged in
    name: Name,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
) -> list[RunOut]:
    """The newest runs of a job."""
    jobs.check(site, name)
    return [RunOut.model_validate(jsonable(row)) for row in runs_of(site.client, name, limit)]


Runner = Annotated[Person, Depends(calling(Right.RUN))]
Replayer = Annotated[Person, Depends(calling(Right.REPLAY))]


@router.post("/jobs/{name}/run", status_code=HTTPStatus.NO_CONTENT)
def run_job_now(site: TheSite, who: Runner, name: Name) -> None:
    """Have the service run a job as soon as a worker is free."""
    jobs.ask(site, who, name)


@router.post("/jobs/{name}/dry-run", status_code=HTTPStatus.ACCEPTED)
def try_job(site: TheSite, who: Runner, name: Name) -> TaskOut:
    """Look what a run would do."""
    return _task(jobs.begin_dry_run(site, who, name))


@router.post("/jobs/{name}/pause", status_code=HTTPStatus.NO_CONTENT)
def pause_job(site: TheSite, who: Runner, name: Name, given: PauseIn) -> None:
    """Let no schedule and no file start a job."""
    jobs.hold(site, who, name, given.why.strip())


@router.post("/jobs/{name}/resume", status_code=HTTPStatus.NO_CONTENT)
def resume_job(site: TheSite, who: Runner, name: Name) -> None:
    """Let a job run by itself again."""
    jobs.let_go(site, who, name)


@router.post("/replay", status_code=HTTPStatus.ACCEPTED)
def look_at_replay(site: TheSite, who: Replayer, given: ReplayIn) -> TaskOut:
    """Look what a replay would do."""
    from pipeline.texts import T

    start, end = replay.moments(given.since, given.until, site.client.config.zone)
    asked = Asked(words=tuple(given.words), all_held=given.held, since=start, until=end)
    return _task(replay.begin_look(site, who, None, asked, T("Replay")))


@router.post("/replay/{task_id}/apply", status_code=HTTPStatus.ACCEPTED)
def apply_replay(site: TheSite, who: Replayer, task_id: Name) -> TaskOut:
    """Do what a look has shown."""
    shown = _own(site, who, task_id)
    if shown.kind != "replay-look" or not isinstance(shown.result, replay.Told):
        raise HTTPException(HTTPStatus.NOT_FOUND)
    return _task(replay.begin_apply(site, who, shown.result.picks, shown.title))


@router.get("/tasks/{task_id}")
def one_task(site: TheSite, who: Someone, task_id: Name) -> TaskOut:
    """How far something is that was begun."""
    return _task(_own(site, who, task_id))


@router.get("/config")
def the_config(site: TheSite, who: Annotated[Person, Depends(having(Right.CONFIG))]) -> ConfigOut:  # noqa: ARG001
    """The config, as it was checked."""
    told = config.view(site)
    return ConfigOut(hash=told["hash"], source=told["source"], yaml=told["yaml"])


@router.get("/audit")
def the_log(
    site: TheSite,
    who: Annotated[Person, Depends(having(Right.AUDIT))],  # noqa: ARG001 - the right is what matters
    by: Annotated[str, Query(max_length=128)] = "",
    below: Annotated[int | None, Query(ge=1, le=2**63 - 1)] = None,
) -> list[ActOut]:
    """Who did what, newest first, a hundred at a time."""
    return [ActOut.model_validate(jsonable(row)) for row in audit.view(site, by, below)["acts"]]


def _own(site: Site, who: Person, task_id: str) -> Task:
    found = site.tasks.find(task_id, who.name)
    if found is None:
        raise HTTPException(HTTPStatus.NOT_FOUND)
    return found


def _task(task: Task) -> TaskOut:
    return TaskOut(
        id=task.id,
        kind=task.kind,
        state=task.state,
        done=task.done,
        total=task.total,
        findings=[FindingOut.model_validate(finding_row(one)) for one in task.findings],
        lines=_lines(task.result),
        acts=task.result.acts if isinstance(task.result, replay.Told) else 0,
    )


def _lines(result: Any) -> list[str]:
    match result:
        case replay.Told():
            return [str(line.text) for line in result.lines]
        case RunReport():
            return [str(note) for step in result.steps if step.result for note in step.result.notes]
        case [Resolved(), *_]:
            said = [str(words) for one in result for words in one.said]
            return [*said, *(str(came_words(came)) for one in result for came in one.came)]
        case _:
            return []
