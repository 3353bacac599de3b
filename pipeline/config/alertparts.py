"""The config's part `alerts`, checked: its channels by the registry, its rules by one another."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from pipeline.config.alerts import AlertsConfig, ChannelSpec, Escalation, NoticeChoice
from pipeline.config.check import Checker
from pipeline.config.shape import Loc
from pipeline.config.suggest import misspelt
from pipeline.config.yaml import Mapping, Node, Scalar, Sequence
from pipeline.registry import Registry
from pipeline.texts import T


def alerts_of(checker: Checker, registry: Registry) -> AlertsConfig | None:
    """The part `alerts`; None when something is wrong with it (the checker has the findings)."""
    path: Loc = ("alerts",)
    if "alerts" not in checker.root.entries:
        return AlertsConfig()
    node = checker.mapping(path, checker.root.get("alerts"))
    if node is None:
        return None
    head = checker.settings(AlertsConfig, node.without("channels", "escalate"), path)
    channels: list[ChannelSpec] = []
    listed = node.get("channels")
    if isinstance(listed, Sequence):
        for index, item in enumerate(listed.items):
            channel = _channel(checker, ("alerts", "channels", index), item, registry)
            if channel is not None:
                channels.append(channel)
    elif listed is not None:
        text = T("A list is expected here.")
        checker.add("config-type", ("alerts", "channels"), text, T("Write `[one, two]`, or one `- item` a line."))
    escalate = _escalations(checker, node, registry)
    return head.model_copy(update={"channels": tuple(channels), "escalate": escalate}) if head else None


class _Escalation(Escalation):
    """An escalation without its channel, which the registry checks."""

    channel: ChannelSpec | None = None  # type: ignore[assignment] # filled in below


def _escalations(checker: Checker, node: Mapping, registry: Registry) -> tuple[Escalation, ...]:
    listed = node.get("escalate")
    path: Loc = ("alerts", "escalate")
    if not isinstance(listed, Sequence):
        if listed is not None:
            checker.add("config-type", path, T("A list is expected here."), T("Write one `- item` a line."))
        return ()
    found: list[Escalation] = []
    for index, item in enumerate(listed.items):
        here: Loc = (*path, index)
        own = checker.mapping(here, item)
        if own is None:
            continue
        head = checker.settings(_Escalation, own.without("channel"), here)
        chosen = own.get("channel")
        told = (*here, "channel") in checker.failed or misspelt(own.entries, "channel") is not None
        if chosen is None and not told:
            hint = T("Write `{key}: …`: {names}.", key="channel", names=", ".join(sorted(registry.channels)))
            checker.add("config-missing", here, T("`{key}` is missing.", key="channel"), hint)
        channel = _channel(checker, (*here, "channel"), chosen, registry) if chosen is not None else None
        if head is not None and channel is not None:
            found.append(Escalation(**{**dict(head), "channel": channel}))
    return tuple(found)


def check_alerts(checker: Checker, alerts: AlertsConfig, jobs: Iterable[str]) -> None:
    """What the parts of `alerts` say of one another, and of jobs."""
    known = set(jobs)
    parts: list[tuple[Loc, NoticeChoice]] = [(("alerts", "tell", index), one) for index, one in enumerate(alerts.tell)]
    parts += [(("alerts", "escalate", index), one) for index, one in enumerate(alerts.escalate)]
    for path, one in parts:
        for place, job in enumerate(one.jobs):
            if job not in known:
                text = T("There is no job `{name}`.", name=job)
                checker.unknown("config-reference", (*path, "jobs", place), job, text, known)
        if one.least is not None and one.most is not None and one.least > one.most:
            checker.add("config-value", (*path, "most"), T("`most` is less than `least`: no order has such a sum."))
    names = [one.name for one in alerts.escalate]
    for index, name in enumerate(names):
        if name in names[:index]:
            text = T("Another escalation is called `{name}`, too.", name=name)
            checker.add("config-value", ("alerts", "escalate", index, "name"), text, T("Give it another name."))
    if alerts.quiet and _always_quiet(alerts):
        text = T("The quiet hours never end: PCs would never be told of anything.")
        checker.add("config-value", ("alerts", "quiet"), text, T("Leave some hours of the week out of them."))


def _always_quiet(alerts: AlertsConfig) -> bool:
    hours = [one.hours() for one in alerts.quiet]
    week = datetime(2024, 1, 1)  # noqa: DTZ001 - a Monday by the wall clock
    return all(any(one.end_at(week + timedelta(minutes=n)) for one in hours) for n in range(0, 7 * 24 * 60, 5))


def _channel(checker: Checker, path: Loc, item: Node, registry: Registry) -> ChannelSpec | None:
    own = Mapping(item.mark)
    at = path
    if isinstance(item, Scalar) and item.value is not None:
        kind: str | None = item.text
    else:
        node = checker.mapping(path, item)
        if node is None:
            return None
        own, at = node, (*path, "type")
        kind = checker.text(path, own, "type", registry.channels)
    if kind is None or at in checker.failed:
        return None
    plugin = registry.channels.get(kind)
    if plugin is None:
        text = T("Alert channel `{name}` is not known.", name=kind)
        checker.unknown("config-unknown-type", at, kind, text, registry.channels)
        return None
    params = checker.settings(plugin.settings, own.without("type"), path, who=kind)
    return ChannelSpec(type=kind, params=params) if params is not None else None
