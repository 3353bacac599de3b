"""The archive: a sound copy of every file that ever came or was published, and a journal of what each copy is."""

from __future__ import annotations

from pipeline.archive import upkeep
from pipeline.archive.disk import digest
from pipeline.archive.journal import Entry, Index, Journal
from pipeline.archive.names import safe_name
from pipeline.archive.store import Archive, ArchiveCopy, ArchiveItem

__all__ = ["Archive", "ArchiveCopy", "ArchiveItem", "Entry", "Index", "Journal", "digest", "safe_name", "upkeep"]
