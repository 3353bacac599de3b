"""What changed between two checked configs, key by key, and what comes of it where that is known."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import timedelta
from difflib import SequenceMatcher
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.cli import common
from pipeline.config.masking import MASK
from pipeline.texts import T, Text

if TYPE_CHECKING:
    from pipeline.config.model import ClientConfig

_SCHEDULE = frozenset({"every", "at", "cron", "watch", "enabled", "poll"})
_NOTHING = object()
#: How durations stand among the plain values.
_DURATION = re.compile(r"P(?=.)(\d+D)?(T(\d+H)?(\d+M)?(\d+(\.\d+)?S)?)?")


def ran_last(config: ClientConfig) -> tuple[dict[str, Any], Text]:
    """The config by which the service, or the last run, worked: its plain values, and a word on which one it is.

    Raises ConfigError (through :func:`common.not_found`: an exit) when none is kept.
    """
    from pipeline.engine.history import beats
    from pipeline.engine.runtime import Client
    from pipeline.engine.shown.configs import history

    with Client.open(config, read_only=True) as client:
        kept = [row for row in history(client) if row["config"] is not None]
        heard, _now = beats(client.ledger)
        served = next((beat.value.get("config_hash") for beat in heard), None)
    row = next((row for row in kept if row["hash"] == served), kept[0] if kept else None)
    if row is None:
        common.not_found(
            T("No run has used a config yet, so there is nothing to compare with."),
            T("Name two files: mistok config diff OLD.yaml NEW.yaml"),
        )
    return row["config"], T(
        "Against the config that the last runs used, {when}; secrets are not compared.", when=row["last"]
    )


def of_files(old: Path, new: Path) -> list[dict[str, Any]]:
    """The changes between two files (or client folders). Raises ConfigError for one that is wrong."""
    from pipeline.cli.common import Options, load_path
    from pipeline.engine.shown.configs import told

    before = load_path(Options(old), logged=False)
    after = load_path(Options(new), logged=False)
    return changes(told(before), before, after)


def changes(before: dict[str, Any], old: ClientConfig | None, new: ClientConfig) -> list[dict[str, Any]]:
    """Rows ``key``, ``change`` (added, removed, changed), ``old``, ``new``, ``effects``, in the config's order.

    ``before``: the old one's plain values; ``old``: itself, where it is at hand, so that secrets are compared, too.
    """
    from pipeline.engine.shown.configs import told

    after = told(new)
    rows = [_row(key, was, now, new) for key, was, now in _walk((), before, after)]
    if old is not None:
        for key in _secrets_changed(old, new):
            if not any(row["key"] == key or key.startswith(f"{row['key']}.") for row in rows):
                rows.append(_row(tuple(key.split(".")), MASK, f"{MASK} ({T('another one')})", new))
    return rows


def _walk(path: tuple[str | int, ...], old: Any, new: Any) -> Iterator[tuple[tuple[str | int, ...], Any, Any]]:
    if isinstance(old, dict) and isinstance(new, dict) and _kind(old) == _kind(new):
        for key in [*old, *(key for key in new if key not in old)]:
            yield from _walk((*path, key), old.get(key, _NOTHING), new.get(key, _NOTHING))
    elif _of_mappings(old) and _of_mappings(new):
        yield from _lists(path, old, new)
    elif old != new and not (_empty(old) and _empty(new)):
        yield path, old, new


def _empty(value: Any) -> bool:
    return value is _NOTHING or value is None


def _of_mappings(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, dict) for item in value)


def _kind(value: dict[str, Any]) -> Any:
    """Parameters of two kinds are not compared one by one."""
    return value.get("step"), value.get("type") if "params" in value else None


def _lists(
    path: tuple[str | int, ...], old: list[Any], new: list[Any]
) -> Iterator[tuple[tuple[str | int, ...], Any, Any]]:
    """Items that are the same, wherever they stand, are none; of the others, those of one kind are compared."""
    was, now = [repr(item) for item in old], [repr(item) for item in new]
    for word, first, last, start, end in SequenceMatcher(None, was, now, autojunk=False).get_opcodes():
        if word == "equal":
            continue
        gone, come = list(range(first, last)), list(range(start, end))
        for index in list(come):
            like = next((one for one in gone if _kind(old[one]) == _kind(new[index])), None)
            if like is not None:
                gone.remove(like)
                come.remove(index)
                yield from _walk((*path, index), old[like], new[index])
        for index in gone:
            yield (*path, index), old[index], _NOTHING
        for index in come:
            yield (*path, index), _NOTHING, new[index]


def _row(path: Sequence[str | int], old: Any, new: Any, config: ClientConfig) -> dict[str, Any]:
    change = "added" if old is _NOTHING else "removed" if new is _NOTHING else "changed"
    return {
        "key": ".".join(str(part) for part in path if part != "params"),
        "change": change,
        "old": None if old is _NOTHING else _short(old),
        "new": None if new is _NOTHING else _short(new),
        "effects": [str(effect) for effect in _effects(tuple(path), change, config)],
    }


def _short(value: Any) -> Any:
    """A block without what it leaves at nothing."""
    if isinstance(value, dict):
        found = {key: _short(item) for key, item in value.items() if item not in (None, [], {})}
        return {**{key: item for key, item in found.items() if key != "params"}, **(found.get("params") or {})}
    if isinstance(value, str) and _DURATION.fullmatch(value):
        from pydantic import TypeAdapter

        from pipeline.cli.plugins import duration_words

        return duration_words(TypeAdapter(timedelta).validate_python(value))
    return [_short(item) for item in value] if isinstance(value, list) else value


# --- what comes of it --------------------------------------------------------------------------------------------


def _effects(path: tuple[str | int, ...], change: str, config: ClientConfig) -> Iterator[Text]:
    match path:
        case ("client",):
            yield T("Every document's key changes: orders that are booked would be booked anew.")
        case ("ledger", *_):
            yield T("The next start works with another ledger: what the old one knows is not in it.")
        case ("archive", "path"):
            yield T("New copies go there; those that are there stay where they are.")
        case ("timezone",):
            for name in config.jobs:
                yield from _next_run(name, config)
        case ("jobs", str(name), *rest):
            if change == "removed" and not rest:
                yield T("Job {job} runs no more.", job=name)
            elif not rest or rest[0] in _SCHEDULE:
                yield from _next_run(name, config)
        case ("connections", str(name), *_):
            users = [job for job in config.jobs if _uses(config, job, name)]
            if users:
                yield T("Used by: {jobs}.", jobs=", ".join(users))
        case ("web", *_) if config.web is not None:
            yield T("The page starts anew, at {address}.", address=config.web.listen)


def _next_run(name: str, config: ClientConfig) -> Iterator[Text]:
    from pipeline.clock import SystemClock
    from pipeline.engine.schedule import next_runs

    job = config.jobs.get(name)
    if job is None:
        return
    if not job.enabled:
        yield T("Job {job} runs by hand only.", job=name)
        return
    if job.watch:
        yield T("Job {job} runs as soon as something comes.", job=name)
    coming = next_runs(job, config.zone, SystemClock().now(), 1)
    if coming:
        yield T("Job {job} starts next at {when}.", job=name, when=coming[0].at)


def _uses(config: ClientConfig, job: str, connection: str) -> bool:
    def named(value: Any) -> bool:
        if isinstance(value, dict):
            return any(named(item) for item in value.values())
        if isinstance(value, list):
            return any(named(item) for item in value)
        return bool(value == connection)

    return any(named(step.params.model_dump(mode="json")) for step in config.jobs[job].steps)


def _secrets_changed(old: ClientConfig, new: ClientConfig) -> Iterator[str]:
    """The keys of secrets that are another one now, by name: what they are is told nowhere."""
    from pydantic import BaseModel, SecretStr

    def secrets(value: Any, path: str) -> Iterator[tuple[str, str]]:
        match value:
            case SecretStr():
                yield path, value.get_secret_value()
            case BaseModel():
                for name in type(value).model_fields:
                    own = path if name == "params" else f"{path}.{name}" if path else name
                    yield from secrets(getattr(value, name), own)
            case dict():
                for key, item in value.items():
                    yield from secrets(item, f"{path}.{key}")
            case tuple() | list():
                for index, item in enumerate(value):
                    yield from secrets(item, f"{path}.{index}")

    before = dict(secrets(old, ""))
    yield from (key for key, secret in secrets(new, "") if key in before and before[key] != secret)
