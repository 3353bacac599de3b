"""What is done beside the workers of a fleet, by hand or on the page, and leaves something that they should see."""

from __future__ import annotations

import os

import structlog

from pipeline.config.model import ClientConfig
from pipeline.documents import DocumentsSettings
from pipeline.errors import MistokError
from pipeline.flow import InboundSettings

log = structlog.get_logger("mistok.queue")

#: Where the queue's address is.
ENVIRONMENT = "MISTOK_QUEUE"


def run_soon(config: ClientConfig, job: str, *, by: str = "") -> bool:
    """Have a worker run the job as soon as the client is free; False: there is no queue here, or it does not answer.

    By ``by``, a person, it runs whatever its schedule says, also when it is paused; else it is a mere look.
    """
    url = os.environ.get(ENVIRONMENT, "")
    if not url:
        return False
    from pipeline.engine.fleet.queue import Ask, ask_now

    try:
        ask_now(url, Ask(config.client, job, "person" if by else "retry", by=by))
    except MistokError as error:
        log.warning("workers_not_asked", client=config.client, job=job, error=error.text.render("en"))
        return False
    return True


def answered(config: ClientConfig) -> None:
    """Somebody has answered cards: what waited for it is looked at now, and not at the next time of the schedule."""
    for name, job in config.jobs.items():
        if job.enabled and any(isinstance(one.params, InboundSettings | DocumentsSettings) for one in job.steps):
            run_soon(config, name)
