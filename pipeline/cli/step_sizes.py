"""What ``mistok check`` says of sizes in steps that have no effect."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pipeline.errors import Finding, Where, Who
from pipeline.flow import InboundSettings
from pipeline.texts import T

if TYPE_CHECKING:
    from pipeline.config.model import ClientConfig


def remarks(config: ClientConfig) -> Iterator[tuple[str, str, Finding]]:
    """(job, step, remark) of each `stream_from` that no file can reach, as a larger one than `max_size` is not read."""
    for name, job in config.jobs.items():
        for number, step in enumerate(job.steps):
            settings = step.params
            if not isinstance(settings, InboundSettings) or "stream_from" not in settings.model_fields_set:
                continue
            if settings.stream_from > settings.max_size:
                where = _place(config, name, number)
                text = T(
                    "`stream_from` (line {line}) has no effect: it is above `max_size`; a file so large is not read.",
                    line=where.line or 0,
                )
                hint = T("Raise `max_size`, or set `stream_from` to less.")
                yield name, step.step, Finding("no-effect", text, where, hint, Who.ADMIN)


def _place(config: ClientConfig, job: str, number: int) -> Where:
    from pipeline.config.includes import read_config
    from pipeline.config.places import mark_of

    mark = mark_of(read_config(config.source)[0], "jobs", job, "steps", number, "stream_from")
    return mark.where(f"jobs.{job}.steps") if mark is not None else Where(file=str(config.source))
