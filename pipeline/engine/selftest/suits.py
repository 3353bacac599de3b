"""The settings that suit a server, by its profile: only ones that exist, ready to paste."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from pipeline.config.model import ClientConfig
from pipeline.engine.selftest.made_up import inbox_of
from pipeline.engine.selftest.profile import Profile
from pipeline.engine.selftest.report import Setting, State
from pipeline.engine.selftest.seen import span
from pipeline.flow import InboundSettings, Move
from pipeline.texts import T, Text

#: A server may be silent for as long as so many of its round trips, and connecting may take so many times as it did.
_ROUND_TRIPS, _CONNECTS = 200, 10


def settings_for(config: ClientConfig, connection: str, profile: Profile) -> tuple[Setting, ...]:
    """Settings of the connection, then of the step that takes files from it, each with its reason."""
    spec = config.connections[connection]
    params: Any = spec.params
    return (*_connection(spec.type, params, profile), *_step(config, connection, profile))


def _connection(kind: str, params: Any, profile: Profile) -> Iterator[Setting]:
    if kind == "local":
        return
    names = profile.value("names") or {}
    if kind in ("ftp", "ftps"):
        if names.get("encoding"):
            why = T("Cyrillic names come back as they were sent with this one only")
            yield Setting("connection", "encoding", names["encoding"], why, params.encoding)
        elif names.get("cyrillic") == "same":
            yield Setting(
                "connection",
                "encoding",
                params.encoding,
                T("Cyrillic names come back as they were sent"),
                params.encoding,
            )
        if profile.state("connect") is State.OK:
            why = T("data connections work this way")
            yield Setting("connection", "passive", _yaml(params.passive), why, _yaml(params.passive))
        if profile.value("secrecy") == "offered":
            yield Setting(
                "connection", "tls", "explicit", T("the server offers it; run mistok trust first"), params.tls
            )
        elif profile.value("secrecy") == "tls":
            yield Setting("connection", "tls", params.tls, T("login and files travel under TLS"), params.tls)
    yield from _patience(params, profile)


def _patience(params: Any, profile: Profile) -> Iterator[Setting]:
    trip, connect = profile.caps.round_trip, profile.value("connect")
    if trip is not None:
        least = timedelta(seconds=_rounded(trip * _ROUND_TRIPS))
        now = params.timeout
        why = T("one question takes {time}", time=span(trip))
        yield Setting("connection", "timeout", _duration(max(now, least)), why, _duration(now))
    if isinstance(connect, float):
        least = timedelta(seconds=_rounded(connect * _CONNECTS))
        now = params.connect_timeout
        why = T("connecting and logging in took {time}", time=span(connect))
        yield Setting("connection", "connect_timeout", _duration(max(now, least)), why, _duration(now))


def _step(config: ClientConfig, connection: str, profile: Profile) -> Iterator[Setting]:
    found = inbox_of(config, connection)
    if found is None or not isinstance(found[1].params, InboundSettings):
        return
    job, step = found
    own = found[1].params
    place = f"{job}/{step.step}"
    now = f"{{move: {own.after.move}}}" if isinstance(own.after, Move) else str(own.after)
    delete, move = profile.value("delete"), profile.value("move")
    why: Text
    if own.after == "delete" and delete is False:
        best, why = (
            ("{move: taken}", T("deleting is refused, moving is allowed"))
            if move
            else (
                "keep",
                T("neither deleting nor moving is allowed; each file is remembered"),
            )
        )
        yield Setting(place, "after", best, why, now)
    elif isinstance(own.after, Move) and move is False:
        best = "delete" if delete else "keep"
        yield Setting(place, "after", best, T("moving is refused"), now)
    elif own.after == "delete" and delete:
        yield Setting(place, "after", now, T("deleting is allowed"), now)
    elif isinstance(own.after, Move) and move:
        yield Setting(place, "after", now, T("moving is allowed"), now)
    yield from _stillness(own, place, profile)


def _stillness(own: InboundSettings, place: str, profile: Profile) -> Iterator[Setting]:
    resolution = (profile.value("times") or {}).get("resolution")
    least = own.stable
    why = T("sizes grow while a file is written")
    if profile.value("growing") == "hidden":
        least, why = max(own.stable, timedelta(seconds=10)), T("the size of a file on its way tells nothing")
    elif profile.state("times") is State.REMARK and resolution is None:
        least, why = max(own.stable, timedelta(seconds=5)), T("the server tells no exact times: sizes are all there is")
    elif resolution is not None and resolution > 1:
        least, why = (
            max(own.stable, timedelta(seconds=2 * resolution)),
            T("times are told to {n} seconds", n=int(resolution)),
        )
    elif profile.value("growing") != "grows":
        if resolution is None:
            return
        why = T("times are told to the second, or finer")
    yield Setting(place, "stable", _duration(least), why, _duration(own.stable))


def _yaml(value: bool) -> str:
    return "true" if value else "false"


def _rounded(seconds: float) -> int:
    """Up to the next five seconds."""
    return -int(-seconds // 5) * 5


def _duration(span: timedelta) -> str:
    seconds = span.total_seconds()
    if seconds >= 3600 and not seconds % 3600:
        return f"{seconds / 3600:g}h"
    if seconds >= 60 and not seconds % 60:
        return f"{seconds / 60:g}m"
    return f"{seconds:g}s" if seconds >= 1 or seconds == 0 else f"{seconds * 1000:g}ms"
