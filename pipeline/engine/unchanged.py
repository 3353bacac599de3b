"""A catalogue that has not changed, known by a mark of its source: nothing is encoded, checked or sent again.

The mark (a hash that the source makes of its own tables) is kept in the ledger with the hash of the file that was made
of it. It is made when a whole run has found the file unchanged, of the very moment that this run has read: a catalogue
that changes every time never pays for it.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import pipeline
from pipeline.errors import Finding
from pipeline.flow import FormatPlugin, OutboundSettings, OutboundStep
from pipeline.ports import CatalogueMoment, FormatContext, Moments, System
from pipeline.settings import Settings

FROM = 10_000  #: rows; a smaller catalogue is written as quickly as it is marked
NOTES = 100  #: remarks that are kept with a mark; a catalogue of more is read whole every time


@dataclass(frozen=True, slots=True)
class Mark:
    """What the ledger keeps: ``sha256`` of the file, ``key`` of all but the source, the source's ``mark``, remarks."""

    sha256: str
    key: str
    mark: str
    notes: tuple[Finding, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """For the ledger."""
        notes = [note.to_json() for note in self.notes]
        return {"sha256": self.sha256, "key": self.key, "mark": self.mark, "notes": notes}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Mark:
        """What :meth:`to_json` gave."""
        notes = tuple(Finding.from_json(note) for note in data["notes"])
        return cls(data["sha256"], data["key"], data["mark"], notes)


@dataclass(frozen=True, slots=True)
class Marking:
    """How one catalogue is marked: what is asked of the source, and what else its file depends on."""

    fields: tuple[str, ...]
    at: datetime
    key: str

    def of(self, moment: CatalogueMoment) -> str | None:
        """The source's mark now; None where it has none."""
        return moment.mark(self.fields, at=self.at)


def marking(
    system: System,
    step: OutboundStep,
    settings: OutboundSettings,
    plugin: FormatPlugin,
    format_settings: Settings,
    context: FormatContext,
    fields: Sequence[str],
) -> Marking | None:
    """How this catalogue is marked; None where the source has no marks, or the file depends on more than is known.

    A format must say that it is steady. Steps and formats of a client's own may do anything, and image files lie
    elsewhere.
    """
    steady = getattr(plugin.format, "steady", False)
    known = steady and are_ours(step, plugin.format)
    if not (isinstance(system, Moments) and known) or settings.images is not None:
        return None
    depends = {
        "code": _code(),
        "format": plugin.name,
        "fields": fields,
        "settings": settings.model_dump(mode="json"),
        "format_settings": format_settings.model_dump(mode="json"),
        "context": (str(context.timezone), context.currency, context.language, context.file),
    }
    key = hashlib.sha256(json.dumps(depends, sort_keys=True, default=str).encode()).hexdigest()
    return Marking(tuple(fields), context.now, key)


def are_ours(step: OutboundStep, form: object) -> bool:
    """Whether step and format are none of a client's own, which may do anything."""
    codes = (form.__class__, step.keep, step.fields)
    return all(code is None or code.__module__.startswith("plugins.") for code in codes)


@lru_cache(maxsize=1)
def _code() -> str:
    """A hash that changes with the program: its version, and size and time of each of its source files."""
    whole = hashlib.sha256(pipeline.__version__.encode())
    engine = Path(pipeline.__file__).parent
    for room in (engine, engine.parent / "plugins"):
        for folder, folders, files in os.walk(room):
            folders.sort()
            for name in sorted(files):
                if name.endswith(".py"):
                    known = (Path(folder) / name).stat()
                    whole.update(f"{folder}/{name}:{known.st_size}:{known.st_mtime_ns}\n".encode())
    return whole.hexdigest()
