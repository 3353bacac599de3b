"""Delivers the notices that wait, through the client's channels. Orders never wait for this."""

from __future__ import annotations

from pipeline.alerts.outbox import DeliveryReport, deliver
from pipeline.engine.runtime import Client
from pipeline.ports import Notifier


def open_channels(client: Client) -> list[Notifier]:
    """The channels of the client's config, in their order."""
    return [client.registry.channels[spec.type].open(spec.params) for spec in client.config.alerts.channels]


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
