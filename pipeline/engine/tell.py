"""Delivers the notices that wait, through the client's channels. Orders never wait for this."""

from __future__ import annotations

from pipeline.alerts.escalating import Escalated, Escalator
from pipeline.alerts.outbox import DeliveryReport, deliver
from pipeline.alerts.routing import Ways
from pipeline.config.model import ClientConfig
from pipeline.engine.runtime import Client
from pipeline.ports import Notifier


def open_channels(client: Client) -> list[Notifier]:
    """The channels of the client's config, in their order."""
    return [client.registry.channels[spec.type].open(spec.params) for spec in client.config.alerts.channels]


def ways_of(config: ClientConfig) -> Ways:
    """Which PCs are told of what, and when, by the client's config."""
    alerts = config.alerts
    return Ways(
        kinds=frozenset(alerts.kinds),
        zone=config.zone,
        rules=tuple(rule.rule() for rule in alerts.tell),
        quiet=tuple(hours.hours() for hours in alerts.quiet),
        loud=frozenset(alerts.loud),
        burst=alerts.burst,
    )


def escalator(client: Client) -> Escalator:
    """What tells somewhere else when nobody has clicked; it owns its channels."""
    config = client.config
    rules = [
        Escalated(one.rule(), client.registry.channels[one.channel.type].open(one.channel.params))
        for one in config.alerts.escalate
    ]
    language = config.alerts.language or config.language
    return Escalator(client.ledger, ways_of(config), rules, language=language)


def deliver_waiting(client: Client) -> DeliveryReport:
    """Show what waits. What cannot be shown stays in ``mistok notices`` with its reason.

    Raises Transient when the ledger does not answer.
    """
    alerts = client.config.alerts
    channels = open_channels(client)
    try:
        return deliver(
            client.ledger,
            channels,
            burst=alerts.burst,
            kinds=alerts.kinds,
            language=alerts.language or client.config.language,
        )
    finally:
        for channel in channels:
            channel.close()
