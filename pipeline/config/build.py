"""The parts of a client's config, checked one by one by whoever declares them, and then against one another."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from collections.abc import Mapping as Plain
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Literal

from pydantic import Field

from pipeline.config import shape
from pipeline.config.alertparts import alerts_of, check_alerts
from pipeline.config.alerts import AlertsConfig
from pipeline.config.check import OWN_FIELDS, Checker, known_keys
from pipeline.config.model import (
    ClientConfig,
    ConnectionSpec,
    JobConfig,
    StepSpec,
)
from pipeline.config.shape import Loc
from pipeline.config.suggest import did_you_mean, misspelt, one_of
from pipeline.config.yaml import Entry, Mapping, Node, Scalar, Sequence
from pipeline.flow import InboundSettings, InboundStep, OutboundStep, StepPlugin
from pipeline.ports import CatalogueFormat, GoodsFormat, OrderFormat
from pipeline.registry import Registry
from pipeline.settings import Settings
from pipeline.syncing import CatalogueSyncSettings, StockSyncSettings, SyncSettings
from pipeline.texts import T, Text, verbatim

#: Top-level keys that begin so are the admin's own, for anchors.
EXTENSION = "x-"
#: Still known, and not to be proposed to anybody.
_OLD_KYIV = "Europe/Kiev"
#: `type: ftps` is FTP with TLS.
ALIASES = {"ftps": ("ftp", {"tls": "explicit"})}


def build(checker: Checker, registry: Registry, transports: Plain[str, type[Settings]]) -> ClientConfig | None:
    """The whole config; None when something is wrong (the checker has the findings)."""
    root = checker.root
    connections = _connections(checker, registry, transports)
    jobs = _jobs(checker, registry)
    alerts = alerts_of(checker, registry)
    if alerts is not None:
        check_alerts(checker, alerts, jobs)
    _check_references(checker, registry, transports, connections)
    _check_timezone(checker, root.get("timezone"))
    config = _head(checker, root)
    if config is None:
        return None
    whole = {name: connection for name, connection in connections.items() if connection is not None}
    parts = {"connections": whole, "jobs": jobs, "alerts": alerts or AlertsConfig()}
    return ClientConfig.model_construct(**{**dict(config), **parts})


def _head(checker: Checker, root: Mapping) -> ClientConfig | None:
    own = [key for key in root.entries if key.startswith(EXTENSION) or key in ("connections", "jobs", "alerts")]
    for key in sorted(OWN_FIELDS & set(root.entries)):
        text = T("Key `{key}` is not known here.", key=key)
        checker.add("config-unknown-key", (key,), text, one_of(key, known_keys(_Head, top=True)), at_key=True)
    node = root.without(*own, *OWN_FIELDS)
    return checker.settings(_Head, node, ())


class _Head(ClientConfig):
    """The config without the parts that are checked one by one."""

    connections: dict[str, ConnectionSpec] = Field(default_factory=dict)
    jobs: dict[str, JobConfig] = Field(default_factory=dict)


# --- connections -------------------------------------------------------------------------------------------------


def _connections(
    checker: Checker, registry: Registry, transports: Plain[str, type[Settings]]
) -> dict[str, ConnectionSpec | None]:
    """By name; None for one that is there and wrong."""
    node = _section(checker, "connections")
    found: dict[str, ConnectionSpec | None] = {}
    for name, entry in node.entries.items() if node else ():
        path: Loc = ("connections", name)
        found[name] = None
        _check_name(checker, path, name)
        one = checker.mapping(path, entry.node)
        if one is not None:
            found[name] = _connection(checker, path, one, registry, transports)
    return found


def _connection(
    checker: Checker, path: Loc, node: Mapping, registry: Registry, transports: Plain[str, type[Settings]]
) -> ConnectionSpec | None:
    aliases = {alias: real for alias, real in ALIASES.items() if real[0] in transports and alias not in transports}
    known = {*transports, *aliases, *registry.systems}
    kind = checker.text(path, node, "type", known)
    if kind is None:
        return None
    defaults: dict[str, str] = {}
    if kind in aliases:
        kind, defaults = aliases[kind]
    model = transports.get(kind)
    if model is None and kind in registry.systems:
        model = registry.systems[kind].settings
    if model is None:
        text = T("Connection type `{type}` is not known.", type=kind)
        checker.unknown("config-unknown-type", (*path, "type"), kind, text, known)
        return None
    own = node.without("type", *_nameless(model, node))
    params = checker.settings(model, _with(own, defaults), path, who=kind)
    before = len(checker.findings)
    goods = _Usable(registry, (GoodsFormat,))
    format_params = _format(
        checker, path, node, model, params, registry, goods,
        lambda name: T("A connection `{type}` reads catalogues, and `{name}` reads none.", type=kind, name=name),
    )  # fmt: skip
    if params is None or len(checker.findings) > before:
        return None
    family: Literal["transport", "system"] = "transport" if kind in transports else "system"
    return ConnectionSpec(type=kind, kind=family, params=params, format_params=format_params)


def _with(node: Mapping, defaults: Plain[str, str]) -> Mapping:
    added = {key: Entry(node.mark, Scalar(node.mark, value, value)) for key, value in defaults.items()}
    return Mapping(node.mark, {**added, **node.entries})


# --- jobs --------------------------------------------------------------------------------------------------------


def _jobs(checker: Checker, registry: Registry) -> dict[str, JobConfig]:
    node = _section(checker, "jobs")
    jobs: dict[str, JobConfig] = {}
    for name, entry in node.entries.items() if node else ():
        path: Loc = ("jobs", name)
        _check_name(checker, path, name)
        one = checker.mapping(path, entry.node)
        if one is None:
            continue
        schedule = checker.settings(_Schedule, one.without("steps"), path)
        steps = _steps(checker, path, one, registry)
        readable = schedule or _readable_schedule(one.without("steps"), path)
        if readable is not None:
            _check_schedule(checker, path, readable)
            if readable.watch:
                _check_watch(checker, path, one.get("steps"), registry)
        if schedule is not None and steps is not None:
            whole = tuple(step for step in steps if step is not None)
            jobs[name] = JobConfig.model_construct(**{**dict(schedule), "steps": whole})
    _check_inboxes(checker, jobs)
    _check_masters(checker, jobs)
    return jobs


def _check_masters(checker: Checker, jobs: Plain[str, JobConfig]) -> None:
    """One field has one master: of two systems that each overwrite it in the other, neither would hold."""
    seen: list[tuple[str, SyncSettings]] = []
    for name, job in jobs.items():
        for index, step in enumerate(job.steps):
            params = step.params
            if not isinstance(params, SyncSettings):
                continue
            path: Loc = ("jobs", name, "steps", index)
            if params.source == params.to:
                checker.add("config-masters", (*path, "to"), T("A system cannot be kept in step with itself."))
                continue
            against = ((other, _both_write(before, params)) for other, before in seen if _other_way(before, params))
            found = next(((other, what) for other, what in against if what is not None), None)
            if found is not None:  # told once for a step, whatever other steps it is against
                checker.add(
                    "config-masters",
                    path,
                    T(
                        "Job `{other}` writes {what} the other way round: `{source}` and `{to}` cannot both be master.",
                        other=found[0],
                        what=found[1],
                        source=params.source,
                        to=params.to,
                    ),
                    T("Name the `fields` of each direction, so that no field goes both ways."),
                )
            seen.append((name, params))


def _other_way(one: SyncSettings, other: SyncSettings) -> bool:
    return (one.source, one.to) == (other.to, other.source)


def _both_write(one: SyncSettings, other: SyncSettings) -> Text | None:
    if isinstance(one, StockSyncSettings) and isinstance(other, StockSyncSettings):
        return T("the stock")
    if not isinstance(one, CatalogueSyncSettings) or not isinstance(other, CatalogueSyncSettings):
        return None
    if one.fields is None or other.fields is None:
        return T("fields of the products")
    both = sorted(set(one.fields) & set(other.fields))
    return verbatim(", ".join(f"`{name}`" for name in both)) if both else None


def _check_inboxes(checker: Checker, jobs: Plain[str, JobConfig]) -> None:
    """One inbox has one taker: of two, each would miss what the other took."""
    takers: dict[tuple[str, str], tuple[str, int]] = {}
    for name, job in jobs.items():
        for index, step in enumerate(job.steps):
            if not isinstance(step.params, InboundSettings):
                continue
            inbox = (step.params.inbox, step.params.folder.strip("/"))
            first = takers.setdefault(inbox, (name, index))
            if first != (name, index):
                checker.add(
                    "config-inbox",
                    ("jobs", name, "steps", index),
                    T(
                        "Job `{first}` takes files from folder `{folder}` of `{inbox}` already.",
                        first=first[0],
                        folder=inbox[1],
                        inbox=inbox[0],
                    ),
                    T("Let each step have a folder of its own; the site can put the file into both."),
                )


def _readable_schedule(node: Mapping, path: Loc) -> _Schedule | None:
    """The schedule without its wrong keys, so that one mistake does not hide the others."""
    aside = Checker(node)
    wrong = []
    for key in node.entries:
        alone = node.without(*(other for other in node.entries if other != key))
        if aside.settings(_Schedule, alone, path) is None:
            wrong.append(key)
    return aside.settings(_Schedule, node.without(*wrong), path)


class _Schedule(JobConfig):
    """A job without its steps."""

    steps: tuple[StepSpec, ...] = ()


def _steps(checker: Checker, job: Loc, node: Mapping, registry: Registry) -> list[StepSpec | None] | None:
    path: Loc = (*job, "steps")
    steps = node.get("steps")
    if steps is None and "steps" not in node.entries:
        # `step: import-orders` straight under the job, or a misspelt `steps`
        hint = misspelt(node.entries, "steps")
        checker.add(
            "config-missing",
            job,
            T("`{key}` is missing.", key="steps"),
            hint or T("Write `steps:` with at least one `- step: NAME`."),
            at_key=True,
        )
        return None
    if not isinstance(steps, Sequence) or not steps.items:
        empty = isinstance(steps, Sequence) or (isinstance(steps, Scalar) and steps.value is None)
        text = T("The job has no step.") if empty else T("A list is expected here.")
        checker.add("config-missing", path, text, T("Write `steps:` with at least one `- step: NAME`."), at_key=True)
        return None
    return [_step(checker, (*path, index), step, registry) for index, step in enumerate(steps.items)]


def _step(checker: Checker, path: Loc, item: Node, registry: Registry) -> StepSpec | None:
    node = checker.mapping(path, item) if not isinstance(item, Scalar) or item.value is None else None
    if node is None:
        if isinstance(item, Scalar) and item.value is not None:
            checker.add("config-type", path, T("A step is a mapping."), T("Write `- step: {name}`.", name=item.text))
        return None
    name = checker.text(path, node, "step", registry.steps)
    if name is None:
        return None
    plugin = registry.steps.get(name)
    if plugin is None:
        text = T("Step `{name}` is not known.", name=name)
        checker.unknown("config-unknown-type", (*path, "step"), name, text, registry.steps)
        return None
    own = node.without("step", *_nameless(plugin.settings, node))
    params = checker.settings(plugin.settings, own, path, who=name)
    formats_before = len(checker.findings)
    format_params = _format(
        checker, path, node, plugin.settings, params, registry, _formats(plugin, registry),
        lambda kind: T("Format `{name}` is of the wrong kind for step `{step}`.", name=kind, step=plugin.name),
    )  # fmt: skip
    if params is None or len(checker.findings) > formats_before:
        return None
    return StepSpec(step=name, params=params, format_params=format_params)


def _nameless(model: type[Settings], node: Mapping) -> list[str]:
    """Formats without their name, which are told once, by whoever looks for the name."""
    return [
        key
        for key in shape.format_fields(model)
        if isinstance(chosen := node.get(key), Mapping) and "type" not in chosen.entries and not short_form(chosen)
    ]


def _format(
    checker: Checker,
    path: Loc,
    node: Mapping,
    model: type[Settings],
    params: Settings | None,
    registry: Registry,
    known: _Usable,
    wrong: Callable[[str], Text],
) -> Settings | None:
    """The checked parameters of the format that a step or a connection names.

    Args:
        known: the formats that it can use.
        wrong: what is said of another one.
    """
    for key in shape.format_fields(model):
        here: Loc = (*path, key)
        chosen = node.get(key)
        own, short = Mapping(node.mark), None
        kind: str | None
        at: Loc
        if isinstance(chosen, Mapping) and (short := short_form(chosen)) is not None:
            kind, own = short
            here = at = (*here, kind)
        elif isinstance(chosen, Mapping):
            own = chosen
            kind = checker.text(here, own, "type", known)
            at = (*here, "type")
        elif isinstance(chosen, Scalar) and chosen.value is not None:
            kind, at = chosen.text, here
        else:
            default = getattr(params, "format", None) if params is not None else None
            kind, at = getattr(default, "type", None), here
            if kind not in registry.formats:
                continue  # the step's own default; a registry without it is a test's
        if kind is None or at in checker.failed:
            return None
        if kind not in registry.formats:
            text = T("Format `{name}` is not known.", name=kind)
            checker.unknown("config-unknown-type", at, kind, text, known, at_key=short is not None)
            return None
        if kind not in known:
            checker.add(
                "config-value",
                at,
                wrong(kind),
                one_of(kind, known),
                at_key=short is not None,
            )
            return None
        return checker.settings(registry.formats[kind].settings, own.without("type"), here, who=kind)
    return None


def short_form(node: Mapping) -> tuple[str, Mapping] | None:
    """``{NAME: {…}}`` as (name, parameters): one key that is not ``type`` and holds a mapping; else None."""
    if len(node.entries) != 1:
        return None
    ((name, entry),) = node.entries.items()
    return (name, entry.node) if name != "type" and isinstance(entry.node, Mapping) else None


class _Usable(Collection[str]):
    """Names of the formats of some kinds.

    A format is imported when it is asked for, all of them only when they are to be told: a config that names one need
    not wait for the others.
    """

    def __init__(self, registry: Registry, kinds: tuple[type, ...]) -> None:
        self._formats, self._kinds = registry.formats, kinds

    def __contains__(self, name: object) -> bool:
        return name in self._formats and isinstance(self._formats[str(name)].format, self._kinds)

    def __iter__(self) -> Iterator[str]:
        return (name for name in self._formats if name in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _formats(plugin: StepPlugin, registry: Registry) -> _Usable:
    """Formats that this kind of step can use."""
    match plugin.kind:
        case InboundStep():
            return _Usable(registry, (OrderFormat,))
        case OutboundStep():
            return _Usable(registry, (CatalogueFormat,))
        case _:
            return _Usable(registry, (object,))


def _check_schedule(checker: Checker, path: Loc, job: JobConfig) -> None:
    chosen = [key for key in ("every", "at", "cron") if getattr(job, key)]
    if len(chosen) > 1 or (job.watch and chosen not in ([], ["every"])):
        keys = [*chosen, *(["watch"] if job.watch else [])]
        checker.add(
            "config-schedule",
            (*path, keys[-1]),
            T("A job has one schedule; this one has {keys}.", keys=", ".join(f"`{key}`" for key in keys)),
            T("Keep one of `every`, `at`, `cron`, `watch`; only `watch` and `every` go together."),
            at_key=True,
        )
    for key in ("every", "poll"):
        value: timedelta | None = getattr(job, key)
        if value is not None and value < timedelta(seconds=1):
            checker.add("config-value", (*path, key), T("The shortest interval is one second: `1s`."))
    if job.time_limit < timedelta(seconds=1):
        checker.add("config-value", (*path, "time_limit"), T("The shortest time limit is one second: `1s`."))
    for index, time in enumerate(job.at):
        if not _is_time(time):
            _, node = checker.find((*path, "at"))
            at: Loc = (*path, "at", index) if isinstance(node, Sequence) else (*path, "at")
            checker.add("config-value", at, T("`{value}` is not a time such as 03:00.", value=time))
    if job.cron is not None:
        _check_cron(checker, (*path, "cron"), job.cron)


def _is_time(text: str) -> bool:
    hours, colon, minutes = text.partition(":")
    digits = hours.isascii() and hours.isdigit() and minutes.isascii() and minutes.isdigit()
    right_size = bool(colon) and len(hours) in (1, 2) and len(minutes) == 2
    return digits and right_size and int(hours) < 24 and int(minutes) < 60


#: What cronsim says, in the reader's language.
_CRON: Plain[str, Text] = {
    "Bad minute": T("the minute is wrong"),
    "Bad hour": T("the hour is wrong"),
    "Bad day-of-month": T("the day of the month is wrong"),
    "Bad month": T("the month is wrong"),
    "Bad day-of-week": T("the day of the week is wrong"),
}


def _check_cron(checker: Checker, path: Loc, cron: str) -> None:
    from cronsim import CronSim, CronSimError

    hint = T("Five fields: minute hour day month weekday, such as `30 6 * * 1-5`.")
    if len(cron.split()) != 5:
        checker.add("config-value", path, T("`{value}` is not a cron expression.", value=cron), hint)
        return
    try:
        # any fixed moment will do: only whether there is a next run is asked
        next(CronSim(cron, datetime(2026, 1, 1, tzinfo=UTC)))
    except CronSimError as error:
        wrong = _CRON.get(str(error), verbatim(str(error)))
        text = T("`{value}` is not a cron expression: {words}.", value=cron, words=wrong)
        checker.add("config-value", path, text, hint)
    except StopIteration:
        checker.add("config-value", path, T("`{value}` never comes.", value=cron), hint)


def _check_watch(checker: Checker, path: Loc, steps: Node | None, registry: Registry) -> None:
    first = steps.items[0] if isinstance(steps, Sequence) and steps.items else None
    name = first.get("step") if isinstance(first, Mapping) else None
    plugin = registry.steps.get(name.text) if isinstance(name, Scalar) else None
    if plugin and not isinstance(plugin.kind, InboundStep):
        checker.add(
            "config-schedule",
            (*path, "watch"),
            T("`watch` needs a first step that takes files in; `{step}` does not.", step=plugin.name),
            T("Use `every`, `at` or `cron`."),
            at_key=True,
        )


# --- across ------------------------------------------------------------------------------------------------------


def _section(checker: Checker, key: str) -> Mapping | None:
    if key in checker.root.entries:
        return checker.mapping((key,), checker.root.get(key))
    if misspelt(checker.root.entries, key) is None:
        checker.add("config-missing", (), T("`{key}` is missing.", key=key))
    return None


def _check_name(checker: Checker, path: Loc, name: str) -> None:
    ok = name.isascii() and name[:1].isalnum() and len(name) <= 64 and all(c.isalnum() or c in "_.-" for c in name)
    if not ok:
        checker.add(
            "config-value",
            path,
            T("`{name}` cannot be a name here.", name=name),
            T("Names have Latin letters, digits, `-`, `_` and `.`, and begin with a letter or a digit."),
            at_key=True,
        )


def _check_references(
    checker: Checker,
    registry: Registry,
    transports: Plain[str, type[Settings]],
    connections: Plain[str, ConnectionSpec | None],
) -> None:
    """Every name of a connection, also in parts that are wrong otherwise: all mistakes come in one report."""
    kinds: dict[str, str | None] = dict.fromkeys(connections)
    for path, _, model in _declared(checker, registry, transports):
        if path[0] == "connections":
            kinds[str(path[1])] = "transport" if model in transports.values() else "system"
    for path, node, model in _declared(checker, registry, transports):
        for loc, name, names in shape.references(model, node, path):
            if loc not in checker.failed:
                _check_reference(checker, loc, name, names.kind, kinds)


def _declared(
    checker: Checker, registry: Registry, transports: Plain[str, type[Settings]]
) -> Iterator[tuple[Loc, Mapping, type[Settings]]]:
    for path, node in _children(("connections",), checker.root.get("connections")):
        kind = node.get("type")
        word = kind.text if isinstance(kind, Scalar) else ""
        word = ALIASES[word][0] if word in ALIASES and word not in transports else word
        model = transports.get(word) or (registry.systems[word].settings if word in registry.systems else None)
        if model:
            yield path, node, model
    for job, node in _children(("jobs",), checker.root.get("jobs")):
        for path, step in _children((*job, "steps"), node.get("steps")):
            kind = step.get("step")
            plugin = registry.steps.get(kind.text) if isinstance(kind, Scalar) else None
            if plugin:
                yield path, step, plugin.settings


def _children(path: Loc, node: Node | None) -> Iterator[tuple[Loc, Mapping]]:
    children: list[tuple[str | int, Node]] = []
    if isinstance(node, Mapping):
        children = [(key, entry.node) for key, entry in node.entries.items()]
    elif isinstance(node, Sequence):
        children = list(enumerate(node.items))
    yield from (((*path, key), child) for key, child in children if isinstance(child, Mapping))


def _check_reference(checker: Checker, path: Loc, name: str, kind: str, kinds: Plain[str, str | None]) -> None:
    # one whose own type is not known might be right
    fitting = [other for other, its in kinds.items() if its is None or kind in ("connection", its)]
    if name in fitting:
        return
    if name not in kinds:
        text = T("There is no connection `{name}`.", name=name)
    elif kind == "transport":
        text = T("Connection `{name}` is a system; a place for files (local, sftp, ftp) is needed here.", name=name)
    else:
        text = T("Connection `{name}` is a place for files; a system is needed here.", name=name)
    # a name that is there and of the wrong kind is no misspelling: list what would do
    hint = one_of("" if name in kinds else name, fitting)
    checker.add("config-reference", path, text, hint)


def _check_timezone(checker: Checker, node: Node | None) -> None:
    if not isinstance(node, Scalar) or node.value is None or ("timezone",) in checker.failed:
        return
    name = node.text
    if _is_zone(name):
        return
    text = T("Time zone `{name}` is not known.", name=name)
    checker.add(
        "config-value",
        ("timezone",),
        text,
        did_you_mean(name, _zones() - {_OLD_KYIV}) or T("Write one such as Europe/Kyiv."),
    )


def _is_zone(name: str) -> bool:
    from zoneinfo import ZoneInfo

    if name.startswith(("posix/", "right/")) or name == "posixrules":  # found, and no names for people
        return False
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # no such file, a path that leads elsewhere, a folder
        return False
    return True


@cache
def _zones() -> frozenset[str]:
    """All names, for suggestions: listing them takes longer than all else that a check does."""
    from zoneinfo import available_timezones

    return frozenset(available_timezones())
