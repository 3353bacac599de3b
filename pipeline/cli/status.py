"""``mistok status``: how it stands, on one screen for support, and as an exit code for a monitoring system."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli import common, many
from pipeline.cli.many import Folder
from pipeline.engine.shown.jobs import STATES, left_out_words
from pipeline.engine.shown.troubles import ROOMS, gigabytes, headline, other_troubles, placed, service_words, troubles
from pipeline.errors import ConfigError, MistokError, Transient
from pipeline.texts import T, Text, hide_from_now_on, verbatim

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from pipeline.config.model import ClientConfig
    from pipeline.engine.health import Connection, Health, Job, Level
    from pipeline.engine.quiet import Inbox

#: Codes of Nagios and its kin: OK, WARNING, CRITICAL, UNKNOWN.
NAGIOS = {0: (0, "OK"), 1: (1, "WARNING"), 2: (3, "UNKNOWN"), 3: (2, "CRITICAL")}


def status(
    context: typer.Context,
    folder: Folder = None,
    max_age: Annotated[
        str, typer.Option("--max-age", help=str(T("A service that was silent for longer is not alive: 60s, 5m.")))
    ] = "60s",
    nagios: Annotated[
        bool,
        typer.Option(
            "--nagios", help=str(T("One line, and the exit codes of Nagios (0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN)."))
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help=str(T("Print JSON.")))] = False,
) -> None:
    """Tell how it stands."""
    with common.cards(as_json=as_json):
        if nagios and as_json:
            common.usage(T("--nagios and --json do not go together."), T("Nagios reads one line of text."))
        clients = many.many(context, folder)
        if clients is not None:
            raise typer.Exit(many.status(context, clients, _duration(max_age), nagios=nagios, as_json=as_json))
        raise typer.Exit(_guarded(context, max_age, nagios=nagios, as_json=as_json))


def _guarded(context: typer.Context, max_age: str, *, nagios: bool, as_json: bool) -> int:
    try:
        code = _status(context, max_age, nagios=nagios, as_json=as_json)
    except MistokError as error:
        if isinstance(error, ConfigError) and error.code.startswith(("config", "yaml")):
            told = _without_config(context, error, max_age, nagios=nagios, as_json=as_json)
            if told is not None:
                return told
        # a ledger that does not answer is no mistake of the call: nobody can work
        gone = isinstance(error, Transient) or error.code.startswith("ledger")
        code = common.UNREACHABLE if gone else common.WRONG if isinstance(error, ConfigError) else common.WAITING
        if nagios:
            print(f"MISTOK {NAGIOS[code][1]} - {error.text}".replace("\n", " "))
        else:
            common.show_findings(error.findings, as_json=as_json)
    return NAGIOS[code][0] if nagios else code


def _status(context: typer.Context, max_age: str, *, nagios: bool, as_json: bool) -> int:
    from pipeline.engine import health

    age = _duration(max_age)
    with common.client(context) as client:
        config = client.config
        found = health.examine(config, client.ledger, max_age=age)
        level = health.level(config, found)
    code = {"well": common.DONE, "trouble": common.WAITING, "down": common.UNREACHABLE}[level.value]
    if nagios:
        told = "; ".join(str(words) for words in troubles(config, found)) or str(T("all is well"))
        print(f"MISTOK {NAGIOS[code][1]} - {config.client}: {told}".replace("\n", " "))
    elif as_json:
        common.print_json({**as_data(config, found), "level": level.value, "exit_code": code})
    else:
        show(config, found, level)
    return code


def _without_config(
    context: typer.Context, error: ConfigError, max_age: str, *, nagios: bool, as_json: bool
) -> int | None:
    """Tell of a service although the config is wrong; the exit code, or None when its ledger cannot be found."""
    from pipeline.config.masking import mask
    from pipeline.engine import health

    try:
        examined = health.examine_without_config(common.options(context).config, max_age=_duration(max_age))
    except MistokError:
        return None  # the mistakes of the config come first
    if examined is None:
        return None
    config, found = examined
    hide_from_now_on(lambda words: mask(words, config.secrets))
    told = [placed(error.findings[0]), *_service_troubles(found), *other_troubles(found)]
    if nagios:
        code, word = (2, "CRITICAL") if found.down else (1, "WARNING")
        print(f"MISTOK {word} - {config.client}: {'; '.join(map(str, told))}".replace("\n", " "))
        return code
    if as_json:
        left = {"jobs", "connections", "inboxes", "config_trouble", "troubles"}
        data = {key: value for key, value in as_data(config, found).items() if key not in left}
        level = "down" if found.down else "trouble"
        rows = [common.finding_row(finding) for finding in error.findings]
        common.print_json(
            {**data, "troubles": list(map(str, told)), "findings": rows, "level": level, "exit_code": common.WRONG}
        )
        return common.WRONG
    common.show_findings(error.findings, of_story=True)
    out = common.console()
    out.print()
    headline = T("{client}: the config is wrong.", client=config.client)
    out.print(str(headline), style="bold red" if found.down else "bold yellow", markup=False)
    for words in told[1:]:
        out.print(f"  ! {words}", soft_wrap=True, markup=False)
    for service in found.services:
        out.print(str(service_words(service, config.zone)), soft_wrap=True, markup=False)
    out.print(str(T("More is told when the config is right. Times are those of {zone}.", zone=config.timezone)))
    return common.WRONG


def _service_troubles(found: Health) -> Iterator[Text]:
    if found.down:
        yield T("No service is at work, and none can be started with this config.")
    elif any(service.life.value in ("alive", "standby") for service in found.services):
        yield T("The service goes on with the config that it has.")


def _duration(words: str) -> timedelta:
    from pipeline.settings import parse_duration

    try:
        age = parse_duration(words)
    except ValueError as error:
        common.usage(verbatim(str(error.args[0])))
    if not isinstance(age, timedelta) or age <= timedelta(0):
        common.usage(T("--max-age must be longer than nothing."))
    return age


# --- in words ----------------------------------------------------------------------------------------------------


def show(config: ClientConfig, found: Health, level: Level) -> None:
    """Print it, one screen."""
    from rich.text import Text as Rich

    out, zone = common.console(), config.zone
    style = {"well": "bold green", "trouble": "bold yellow", "down": "bold red"}[level.value]
    out.print(Rich(str(headline(config, level)), style=style))
    for words in troubles(config, found):
        out.print(Rich("  ! ", style=style) + Rich(str(words)), soft_wrap=True)
    out.print()
    for service in found.services:
        out.print(Rich(str(service_words(service, zone))), soft_wrap=True)
    common.table(JOBS, [_job_row(job, zone) for job in found.jobs], empty=T("The config has no jobs."))
    if found.connections:
        rows = [_connection_row(connection, zone) for connection in found.connections]
        common.table(CONNECTIONS, rows, empty=T("No connections to servers."))
    if found.inboxes:
        common.table(INBOXES, [_inbox_row(inbox, zone) for inbox in found.inboxes], empty=T("No inboxes."))
    for room in found.rooms:
        out.print(
            str(
                T(
                    "{what}: {free} GB free ({path})",
                    what=ROOMS[room.what],
                    free=gigabytes(room.free),
                    path=str(room.path),
                )
            ),
            soft_wrap=True,
        )
    out.print(str(T("Times are those of {zone}.", zone=config.timezone)))


JOBS = (
    ("job", T("Job")),
    ("last", T("Last run")),
    ("state", T("State")),
    ("next", T("Next run")),
    ("left_out", T("Left out")),
)
CONNECTIONS = (
    ("name", T("Connection")),
    ("type", T("Type")),
    ("well", T("Worked last")),
    ("state", T("State")),
    ("until", T("Left alone until")),
)
INBOXES = (
    ("inbox", T("Inbox")),
    ("last", T("Last file")),
    ("looked", T("Looked at")),
    ("state", T("State")),
    ("alarm", T("Silence is unusual from")),
)


def _job_row(job: Job, zone: ZoneInfo) -> dict[str, Any]:
    last = job.last
    state: Text | str = ""
    if not job.enabled:
        state = T("off")
    elif last is not None:
        state = STATES.get(last.state, last.state)
    return {
        "job": job.name,
        "last": _local(last.started if last else None, zone),
        "state": state,
        "next": _local(job.due, zone),
        "left_out": left_out_words(job.left_out, 1) or "",
    }


def _connection_row(connection: Connection, zone: ZoneInfo) -> dict[str, Any]:
    standing = connection.standing
    if standing.since is not None:
        state: Text = T("fails since {since}", since=standing.since.astimezone(zone))
    else:
        state = T("works") if standing.well else T("not used yet")
    return {
        "name": connection.name,
        "type": connection.type,
        "well": _local(standing.well, zone),
        "state": state,
        "until": _local(standing.until, zone) if standing.since else None,
    }


def _inbox_row(inbox: Inbox, zone: ZoneInfo) -> dict[str, Any]:
    words = {
        "off": T("no alarm"),
        "learning": T("still learning what is usual"),
        "learned": T("as usual"),
        "fixed": T("within its time"),
    }
    return {
        "inbox": inbox.name,
        "last": _local(inbox.last, zone),
        "looked": _local(inbox.looked, zone),
        "state": T("UNUSUALLY QUIET") if inbox.finding else words[inbox.rule],
        "alarm": _local(inbox.alarm_at, zone),
    }


def _local(moment: datetime | None, zone: ZoneInfo) -> datetime | None:
    return moment.astimezone(zone) if moment else None


# --- as data -----------------------------------------------------------------------------------------------------


def as_data(config: ClientConfig, found: Health) -> dict[str, Any]:
    """For --json."""
    zone = config.zone
    return {
        "client": config.client,
        "at": _local(found.at, zone),
        "timezone": config.timezone,
        "troubles": [str(words) for words in troubles(config, found)],
        "services": [
            {
                "life": service.life.value,
                "host": service.host,
                "pid": service.pid,
                "version": service.version,
                "since": _local(service.since, zone),
                "last_sign": _local(service.last, zone),
                "age_seconds": round(service.age.total_seconds(), 1) if service.age is not None else None,
                "other_config": service.other_config,
                **({"clock_ahead_seconds": service.ahead} if service.queue is not None else {}),
            }
            for service in found.services
        ],
        **({"queue": dict(found.queue)} if found.queue is not None else {}),
        "jobs": [
            {
                "job": job.name,
                "enabled": job.enabled,
                "state": job.last.state if job.last else None,
                "trigger": job.last.trigger if job.last else None,
                "started": _local(job.last.started if job.last else None, zone),
                "ended": _local(job.last.ended if job.last else None, zone),
                "error": job.last.error if job.last else None,
                "running_since": _local(job.running_since, zone),
                "over_limit": job.over_limit,
                "next": _local(job.due, zone),
                "overdue": job.overdue,
                "left_out": dict(job.left_out),
            }
            for job in found.jobs
        ],
        "connections": [
            {
                "name": connection.name,
                "type": connection.type,
                "worked": _local(connection.standing.well, zone),
                "failing_since": _local(connection.standing.since, zone),
                "failures": connection.standing.failures,
                "left_alone_until": _local(connection.standing.until, zone) if connection.standing.since else None,
                "refused": connection.standing.refused,
                "error": connection.standing.finding if connection.standing.since else None,
            }
            for connection in found.connections
        ],
        "inboxes": [
            {
                "inbox": inbox.name,
                "job": inbox.job,
                "last_file": _local(inbox.last, zone),
                "looked": _local(inbox.looked, zone),
                "files": inbox.listed,
                "rule": inbox.rule,
                "alarm_at": _local(inbox.alarm_at, zone),
                "finding": inbox.finding,
            }
            for inbox in found.inboxes
        ],
        "cards": dict(found.cards),
        "notices_not_shown": found.untold,
        "disks": [
            {
                "what": room.what,
                "path": room.path,
                "free_bytes": room.free,
                "total_bytes": room.total,
                "scarce": room.scarce,
            }
            for room in found.rooms
        ],
        "config_trouble": found.config_trouble,
    }
