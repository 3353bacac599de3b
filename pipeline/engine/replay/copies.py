"""Archived files, read again by the step that takes the files of their inbox now."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import gettempdir
from typing import Any

import sqlalchemy as sa

from pipeline.engine import carrying, parts, reading, sharing
from pipeline.engine.carrying import Place
from pipeline.engine.foreseeing import Unread, decode, unread_by
from pipeline.engine.parts import Parts
from pipeline.engine.replay import lines
from pipeline.engine.replay.lines import Line
from pipeline.engine.runtime import Client
from pipeline.errors import ConfigError, Finding, MistokError, Where, Who
from pipeline.ledger import decisions
from pipeline.ledger import files as file_rows
from pipeline.ports import Decoded, DecodedOrder, FormatContext, OrderFormat, StreamedFormat
from pipeline.settings import Settings
from pipeline.texts import T

Row = dict[str, Any]


class Copies:
    """Reads archive copies with the formats of a client's config.

    Args:
        client: whose config, registry and archive.
        job: the job that reads files whose inbox no job of the config takes any more.

    Raises ConfigError when there is no such job, or it takes no files.
    """

    def __init__(self, client: Client, job: str | None = None) -> None:
        self.client = client
        self._job = job
        self._places = {_inbox(one.settings.inbox, one.settings.folder): one for one in carrying.places(client)}
        self._chosen = _of_job(client, job) if job is not None else None

    def place(self, row: Row) -> Place | None:
        """The step that takes the files of this file's inbox; of the chosen job, when no job does."""
        return self._places.get(_inbox(row["connection"], row["folder"])) or self._chosen

    def homeless(self, row: Row) -> ConfigError:
        """What is said of a file whose inbox no job takes any more."""
        inbox = f"{row['connection']}/{row['folder']}".rstrip("/")
        for one in carrying.document_places(self.client):
            if (one.settings.inbox, one.settings.folder) == (row["connection"], row["folder"]):
                return ConfigError(
                    T(
                        "{file} is an order of {system}: it came in no file.",
                        file=row["name"],
                        system=one.settings.inbox,
                    ),
                    hint=T("Job {job} reads it again: mistok run {job} --full, or --since its day.", job=one.job),
                    code="no-file",
                )
        return ConfigError(
            T("No job of {file} takes files from {inbox} any more.", file=self.client.config.source.name, inbox=inbox),
            hint=T("Say which job is to read them: --job NAME. Jobs that take files: {names}.", names=self._names())
            if self._places
            else T("Put the job back into the config."),
            code="no-job",
        )

    def read(self, row: Row) -> Decoded | Unread | Line:
        """The orders of a file, why its format rejects it, or a line that says why there is no copy to read."""
        found = self._copy(row)
        if isinstance(found, Line):
            return found
        place, path = found
        settings = place.spec.format_params or Settings()
        least = place.settings.stream_from
        return decode(self._format(place), path, least, settings, self._context(row), Path(gettempdir()))

    def is_large(self, row: Row) -> bool:
        """Whether a file is read in parts, so that it is carried on by itself."""
        place = self.place(row)
        return (
            place is not None
            and row["size"] >= place.settings.stream_from
            and isinstance(self._format(place), StreamedFormat)
        )

    @contextmanager
    def in_parts(self, row: Row) -> Iterator[Parts | Unread | Line | None]:
        """The same as :meth:`read` of a large file, whose orders are read some at a time while this is open.

        It was looked through to its end, and orders that stand twice were compared. None: it is read as a whole.

        Raises Transient when there is no room for what does not belong into memory.
        """
        found = self._copy(row)
        if isinstance(found, Line):
            yield found
            return
        place, path = found
        context = self._context(row)
        stream = None
        try:
            settings = place.spec.format_params or Settings()
            stream = parts.opened(self._format(place), path, 0, settings, context, Path(gettempdir()))
            size = min(place.settings.batch, reading.PART)
            whole = None if stream is None else Parts(stream, row, self.client.config.client, size)
            if whole is not None:
                whole.compare()
        except (Exception, SystemExit) as error:
            if stream is not None:
                stream.close()
            if isinstance(error, OSError):
                raise reading.no_room(row, error) from error
            yield unread_by(error, path, context.file)
            return
        if stream is None:
            yield None
            return
        with closing(stream):
            yield whole

    def orders(self, row: Row) -> Generator[DecodedOrder, None, None]:
        """The orders of a file one by one; none of one that cannot be read. Of a large file few are in memory."""
        if not self.is_large(row):
            got = self.read(row)
            yield from got.orders if isinstance(got, Decoded) else ()
            return
        with self.in_parts(row) as whole:
            if whole is None:
                got = self.read(row)
                yield from got.orders if isinstance(got, Decoded) else ()
            elif isinstance(whole, Parts):
                for part in whole:
                    yield from (work.decoded for work in part.works)

    def _copy(self, row: Row) -> tuple[Place, Path] | Line:
        """Where a file's sound copy lies, and the step that takes it; or a line that says why there is none."""
        place = self.place(row)
        if place is None:
            raise self.homeless(row)
        if not row["sha256"]:
            return self._unfetched(row, place)
        try:
            return place, self.client.archive.sound(row["sha256"])
        except MistokError as error:
            return self._no_copy(row, error)

    def _format(self, place: Place) -> OrderFormat:
        plugin = self.client.registry.formats[place.settings.format.type]
        assert isinstance(plugin.format, OrderFormat)
        return plugin.format

    def _context(self, row: Row) -> FormatContext:
        config = self.client.config
        return FormatContext(
            client=config.client,
            timezone=config.zone,
            currency=config.currency,
            language=config.catalogue_language,
            now=self.client.clock.now(),
            file=row["name"],
            # of the inbox that it came by, so that orders which name no source keep their keys
            source=f"{row['connection']}/{row['folder']}".strip("/"),
            base=config.base,
        )

    def _names(self) -> str:
        return ", ".join(dict.fromkeys(place.job for place in self._places.values()))

    def _unfetched(self, row: Row, place: Place) -> Line:
        findings = file_rows.findings_of(row)
        words = T(
            "{file} was never fetched, so there is no copy of it: the next run of job {job} takes it when it can.",
            file=row["name"],
            job=place.job,
        )
        return lines.of_file(row, "unfetched", words, findings)

    def _no_copy(self, row: Row, error: MistokError) -> Line:
        there = self.client.archive.find(row["sha256"]) is not None
        values: dict[str, Any] = {"file": row["name"], "sha": row["sha256"]}
        if not there and row["pruned"]:
            when = row["pruned"].astimezone(self.client.config.zone)
            text = T(
                "{file}: its archive copy was dropped by retention on {when} (SHA-256 {sha}).", when=when, **values
            )
            again = T("Ask the site for the file again, or put it back into the archive from a backup.")
            finding = Finding("pruned", text, Where(file=row["name"]), again, Who.ADMIN)
            return lines.of_file(row, "pruned", text, (finding,))
        damaged = T("{file}: its archive copy is damaged (SHA-256 {sha}): nothing is read out of it.", **values)
        text = damaged if there else T("{file}: its archive copy is missing (SHA-256 {sha}).", **values)
        hint = error.hint
        if not there:
            with self.client.ledger.read() as conn:
                client = self.client.config.client
                hint = sharing.in_another(conn, client, self.client.archive, row["name"]) or hint
        finding = Finding("archive", text, Where(file=row["name"]), hint, Who.ADMIN)
        return lines.of_file(row, "unsound", text, (finding,))


def rejected(conn: sa.Connection, client: str, rows: Sequence[Row]) -> dict[int, Line]:
    """Lines for those of the files that a person has rejected: by file id."""
    found: dict[int, Line] = {}
    verdicts = decisions.rejections(conn, client, {f"file:{row['id']}" for row in rows})
    for row in rows:
        if verdict := verdicts.get(f"file:{row['id']}"):
            words = T(
                "{file} was rejected by {who} ({why}): nothing.",
                file=row["name"],
                who=verdict["by"],
                why=verdict["why"] or T("no reason was given"),
            )
            found[row["id"]] = lines.of_file(row, "rejected", words)
    return found


def _inbox(connection: str, folder: str) -> tuple[str, str]:
    return connection, folder.strip("/")


def _of_job(client: Client, job: str) -> Place:
    if job not in client.config.jobs:
        raise ConfigError(
            T("There is no job {name} in {file}.", name=job, file=str(client.config.source)),
            hint=T("Its jobs are: {names}.", names=", ".join(client.config.jobs)),
        )
    for place in carrying.places(client):
        if place.job == job:
            return place
    raise ConfigError(T("Job {name} takes no order files.", name=job), hint=T("Name one that does."))
