"""The walk of a catalogue out: select, encode, read back, brake, archive, upload, marker, record.

The file on the server is always whole, the old one or the new one. What is wrong with the new one is found before
anything is sent. A run that was killed anywhere is made good by the next one: until a publication is recorded, a mark
in the ledger (written before the first byte goes out) makes the next run send everything again. So does a file on the
server that somebody else wrote: its size and time are compared with what the server listed right after our own upload.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from pipeline.alerts import notices
from pipeline.engine import prices, unchanged
from pipeline.engine.context import RunContext
from pipeline.engine.encoding import Encoded, Encoder
from pipeline.engine.images import Images
from pipeline.engine.published import Memory
from pipeline.errors import ConfigError, Finding, FolderMissing, Held, Transient, Where, Who
from pipeline.flow import FormatPlugin, OutboundSettings, OutboundStep, StepResult
from pipeline.ledger import cards, decisions
from pipeline.ports import CatalogueFormat, Moments, RemoteFile, System
from pipeline.settings import Settings
from pipeline.texts import TN, T, Text

TOLD = 20  #: remarks that are told one by one; findings that the ledger keeps


def publish(
    step: OutboundStep, settings: OutboundSettings, plugin: FormatPlugin, format_settings: Settings, ctx: RunContext
) -> StepResult:
    """Publish the catalogue, or say why not.

    Gives counts ``rows`` and ``uploaded`` or ``unchanged``, and ``images``; ``waiting`` when a brake wants approval.
    Raises Held (a product cannot be written, or would be read otherwise; nothing was sent), ConfigError, Refused,
    Transient. In a dry run nothing is written anywhere and ``details`` holds the plan.
    """
    return _Publication(step, settings, plugin, format_settings, ctx).run()


class _Publication:
    def __init__(
        self,
        step: OutboundStep,
        settings: OutboundSettings,
        plugin: FormatPlugin,
        format_settings: Settings,
        ctx: RunContext,
    ) -> None:
        if not isinstance(plugin.format, CatalogueFormat):
            raise ConfigError(
                T("The format {name} reads orders; it cannot write a catalogue.", name=plugin.name),
                hint=T("Give the step a format for catalogues, such as joomshopping-csv."),
            )
        self.settings = settings
        self.plugin = plugin
        self.ctx = ctx
        self._looked: Sequence[RemoteFile] | None = None
        self.context = ctx.format_context(settings.name)
        self.encoder = Encoder(step, settings, plugin.format, format_settings, self.context, ctx)
        #: what cards, events and notices of this file are filed under
        self.subject = f"job:{ctx.job}"
        self.memory = Memory(ctx, settings)
        #: what a person decided about this very content on its card (``mistok resolve``)
        self.verdict: str | None = None

    def run(self) -> StepResult:
        ctx, settings = self.ctx, self.settings
        last = self.memory.last()
        encoded = self._encoded(last)
        ctx.reach("outbound:encoded")
        if encoded.findings:
            self._refuse(encoded)
        if (brake := self._brake(encoded, last)) and not ctx.approve:
            self.verdict = self._verdict(encoded)
            if self.verdict != "accept":
                return self._stop(encoded, last, brake)
        listed = self._listed(encoded)
        images = Images(settings.images, settings.to, ctx) if settings.images else None
        altered = self._altered(encoded, last, listed)
        unchanged = not altered and self._unchanged(encoded, last, listed)
        unmarked = unchanged and self._unmarked(encoded)
        if ctx.dry_run:
            would_send = images.plan(encoded.images) if images else 0
            action = "unchanged" if unchanged else "upload"
            return self._result(encoded, last, action, images=would_send, notes=images.notes if images else ())
        # Images go first, so that the catalogue never names one that is still on its way.
        sent = images.send(encoded.images) if images else 0
        if unchanged:
            self._release(encoded)
        else:
            self._upload(encoded, listed, altered=altered)
        if unmarked:
            self._mark_late(encoded, listed)
        action = "unchanged" if unchanged else "uploaded"
        return self._result(encoded, last, action, images=sent, notes=images.notes if images else ())

    # --- what would be published -----------------------------------------------------------------------------------

    def _encoded(self, last: dict[str, Any] | None) -> Encoded:
        """The new file; where the source and all else are surely what they were, only what is known of it."""
        system = self.ctx.system(self.settings.source)
        how = None
        if last is not None and last["rows"] >= unchanged.FROM and self.settings.only_changed and not self.ctx.full:
            encoder = self.encoder
            how = unchanged.marking(
                system,
                encoder.step,
                self.settings,
                self.plugin,
                encoder.format_settings,
                self.context,
                encoder.fields(),
            )
        if last is not None and how is not None and (known := self._known(last, how, system)):
            return known
        rows = last["rows"] if last is not None else None
        with ExitStack() as stack:
            half = stack.enter_context(self.encoder.beside(rows))
            held = isinstance(system, Moments) and (how or half)
            moment = stack.enter_context(system.moment()) if held and isinstance(system, Moments) else None
            encoded = self.encoder.encode(moment, half)
            if last is None or how is None or moment is None:
                return encoded
            again = encoded.sha256 == last["sha256"] and not encoded.findings and len(encoded.notes) <= unchanged.NOTES
            if again and not self.ctx.dry_run and (made := how.of(moment)) is not None:
                self.memory.set_mark(unchanged.Mark(encoded.sha256, how.key, made, tuple(encoded.notes)))
            return encoded

    def _known(self, last: dict[str, Any], how: unchanged.Marking, system: System) -> Encoded | None:
        """What was published, where the source's mark is still the one of then."""
        known = self.memory.mark()
        if known is None or (known.sha256, known.key) != (last["sha256"], how.key) or not isinstance(system, Moments):
            return None
        with system.moment() as moment:
            same = how.of(moment) == known.mark
        if not same or not self._lies_there(last):
            return None
        path = self.ctx.temp / "catalogue.part"
        return Encoded(path, known.sha256, last["size"], last["rows"], notes=list(known.notes))

    def _lies_there(self, last: dict[str, Any]) -> bool:
        """Whether the server has the file as we left it. What it lists is remembered for the rest of the run."""
        try:
            listed = self.ctx.transport(self.settings.to).list(self.settings.folder)
        except FolderMissing:
            return False
        there = self._find(self.settings.name, listed)
        if there is None or self.memory.under_way() or not self._as_left(there, last):
            return False
        self._looked = listed
        return True

    @staticmethod
    def _as_left(there: RemoteFile, last: dict[str, Any]) -> bool:
        # Where the server tells no time, the size is all there is.
        same_time = there.modified is None or there.modified == last["remote_modified"]
        return there.size == last["size"] and same_time

    # --- what is wrong ---------------------------------------------------------------------------------------------

    def _refuse(self, encoded: Encoded) -> None:
        """Stop with everything that is wrong; the summary in front is what a popup shows."""
        text = T(
            "{file} was not published: {problems}. {first}",
            file=self.settings.name,
            problems=TN("{n} problem", "{n} problems", len(encoded.findings)),
            first=encoded.findings[0].text,
        )
        hint = T("The last good file stays on the server. Mend the products named here and run the job again.")
        summary = Finding("catalogue", text, Where(file=self.settings.name), hint, Who.ACCOUNTANT)
        if not self.ctx.dry_run:
            with self.ctx.begin() as conn:
                told = [finding.to_json() for finding in encoded.findings[:TOLD]]
                self.ctx.event(conn, self.subject, "catalogue_refused", findings=told, rows=encoded.rows)
        raise Held(findings=(summary, *encoded.findings))

    # --- brake ---------------------------------------------------------------------------------------------------

    def _brake(self, encoded: Encoded, last: dict[str, Any] | None) -> tuple[Finding, ...]:
        """What keeps the new file from being published, the summary first; nothing when all is well."""
        settings = self.settings
        if encoded.rows < settings.min_rows:
            text = T(
                "{file} would have {rows}, fewer than the least allowed ({least}).",
                file=settings.name,
                rows=TN("{n} product", "{n} products", encoded.rows),
                least=settings.min_rows,
            )
        elif last and encoded.rows * 100 < last["rows"] * (100 - settings.max_shrink):
            text = T(
                "{file} would have {rows} instead of {before}: more than {percent} % would vanish.",
                file=settings.name,
                rows=TN("{n} product", "{n} products", encoded.rows),
                before=last["rows"],
                percent=settings.max_shrink,
            )
        else:
            return self._price_brake(encoded, last)
        return (Finding("brake", text, Where(file=settings.name), self._look_first(), Who.ACCOUNTANT),)

    def _price_brake(self, encoded: Encoded, last: dict[str, Any] | None) -> tuple[Finding, ...]:
        times = self.settings.max_price_change
        if times is None or encoded.prices is None or last is None or last["sha256"] == encoded.sha256:
            return ()
        with self.memory.prices() as before:
            found = prices.brake(before, encoded.prices, times, self.settings.name) if before else ()
        return tuple(replace(one, hint=self._look_first()) if place == 0 else one for place, one in enumerate(found))

    def _look_first(self) -> Text:
        return T(
            "Look whether the source is whole. If it is right so, publish it by: mistok run {job} --approve "
            "(or accept its card: mistok cards).",
            job=self.ctx.job,
        )

    def _verdict(self, encoded: Encoded) -> str | None:
        with self.ctx.ledger.read() as conn:
            return decisions.verdict_on(conn, self.ctx.client, self.subject, encoded.sha256)

    def _stop(self, encoded: Encoded, last: dict[str, Any] | None, findings: tuple[Finding, ...]) -> StepResult:
        ctx = self.ctx
        if not ctx.dry_run and self.verdict is None:  # what a person has rejected is asked about once
            with ctx.begin() as conn:
                told = cards.carded(conn, ctx.client, {self.subject}, "brake")
                cards.open_card(conn, ctx.client, "brake", self.subject, findings, ctx.clock.now())
                if not told:
                    ctx.notify(conn, notices.brake(self.subject, ctx.job, findings[0]))
                before = last["rows"] if last else None
                ctx.event(conn, self.subject, "brake", rows=encoded.rows, before=before, sha256=encoded.sha256)
        return self._result(encoded, last, "brake", notes=findings)

    def _listed(self, encoded: Encoded) -> Sequence[RemoteFile]:
        """What lies in the folder; a folder that is missing is made (and told), when the connection's root is there."""
        transport, folder = self.ctx.transport(self.settings.to), self.settings.folder
        try:
            return transport.list(folder) if self._looked is None else self._looked
        except FolderMissing:
            transport.list("")  # a root that is missing, such as a share that is not mounted, is an error
            transport.make_folder(folder)
            text = (
                T(
                    "Folder {folder} is not there on {connection}; it would be made.",
                    folder=folder,
                    connection=self.settings.to,
                )
                if self.ctx.dry_run
                else T(
                    "Folder {folder} was not there on {connection}; it has been made.",
                    folder=folder,
                    connection=self.settings.to,
                )
            )
            encoded.notes.append(Finding("folder-made", text, who=Who.ADMIN))
            return ()

    # --- upload --------------------------------------------------------------------------------------------------

    def _unchanged(self, encoded: Encoded, last: dict[str, Any] | None, listed: Sequence[RemoteFile]) -> bool:
        """Whether the server surely has this very file already."""
        if not self.settings.only_changed or last is None or last["sha256"] != encoded.sha256:
            return False
        return self._find(self.settings.name, listed) is not None and not self.memory.under_way()

    def _altered(self, encoded: Encoded, last: dict[str, Any] | None, listed: Sequence[RemoteFile]) -> bool:
        """Whether what lies there is not what we left there. A file that is gone is not altered: a site may take it."""
        there = self._find(self.settings.name, listed)
        if last is None or there is None or self.memory.under_way():
            return False
        if self._as_left(there, last):
            return False
        names = {"file": self.settings.name, "connection": self.settings.to}
        text = (
            T("{file} on {connection} is not as Mistok left it; it would be sent again.", **names)
            if self.ctx.dry_run
            else T("{file} on {connection} is not as Mistok left it; it has been sent again.", **names)
        )
        hint = T("Look for another program or person that writes to this file.")
        encoded.notes.append(Finding("catalogue-altered", text, Where(file=self.settings.name), hint, Who.ADMIN))
        return True

    def _upload(self, encoded: Encoded, listed: Sequence[RemoteFile], *, altered: bool) -> None:
        ctx, settings = self.ctx, self.settings
        transport = ctx.transport(settings.to)
        now = ctx.clock.now()
        copy = ctx.archive.keep(
            encoded.path,
            client=ctx.client,
            name=settings.name,
            at=now.astimezone(self.context.timezone),
            direction="out",
            connection=settings.to,
            folder=settings.folder,
            job=ctx.job,
            rows=encoded.rows,
            sha256=encoded.sha256,
            left=True,
        )
        ctx.reach("outbound:archived")
        self.memory.begin(copy.sha256)
        # A marker must never vouch for a file that it was not written for: it goes before the file changes.
        if self._remove_markers(listed):
            ctx.reach("outbound:unmarked")
        remote = transport.write(settings.folder, settings.name, encoded.path)
        if remote.size != encoded.size:
            raise Transient(
                T(
                    "{file} has {seen} bytes on the server instead of {meant}.",
                    file=settings.name,
                    seen=remote.size,
                    meant=encoded.size,
                ),
                hint=T("The next run sends it again."),
            )
        ctx.reach("outbound:uploaded")
        # The listing may tell another time than the reply to the upload, and the listing is what the next run sees.
        seen = self._find(settings.name, transport.list(settings.folder))
        if seen is not None and seen.size == remote.size:
            remote = seen
        if settings.marker:
            self._mark(encoded, settings.marker)
        self._record(encoded, remote, altered=altered)
        ctx.reach("outbound:recorded")

    @staticmethod
    def _find(name: str, listed: Sequence[RemoteFile]) -> RemoteFile | None:
        return next((file for file in listed if file.name == name), None)

    # --- marker --------------------------------------------------------------------------------------------------

    def _unmarked(self, encoded: Encoded) -> bool:
        """Whether this content never got the marker that the settings ask for.

        A marker that was written and is gone is none of our business: so a site says that it has taken the file, and
        to write it again would make the site take it again.
        """
        marker = self.settings.marker
        written = self.memory.marker()
        if not marker or (written and (written.name, written.sha256) == (marker, encoded.sha256)):
            return False
        names = {"file": self.settings.name, "marker": marker}
        text = (
            T("The marker {marker} would be written for {file}, which has none yet.", **names)
            if self.ctx.dry_run
            else T("The marker {marker} has been written for {file}, which had none yet.", **names)
        )
        encoded.notes.append(Finding("marker-late", text, Where(file=self.settings.name), who=Who.ADMIN))
        return True

    def _mark_late(self, encoded: Encoded, listed: Sequence[RemoteFile]) -> None:
        """The marker of a file that lies there already."""
        self._remove_markers(listed)
        self._mark(encoded, self.settings.marker or "")
        with self.ctx.begin() as conn:
            self.memory.set_marker(conn, encoded.sha256)
            self.ctx.event(conn, self.subject, "marked", file=self.settings.name, marker=self.settings.marker)
        self.ctx.reach("outbound:marker-recorded")

    def _mark(self, encoded: Encoded, marker: str) -> None:
        words = f"{encoded.sha256}  {self.settings.name}\n"
        self.ctx.transport(self.settings.to).write(self.settings.folder, marker, words.encode())
        self.ctx.reach("outbound:marked")

    def _remove_markers(self, listed: Sequence[RemoteFile]) -> bool:
        """Take away the marker, and the one before under another name. Whether there is any to speak of."""
        written = self.memory.marker()
        names = {self.settings.marker, written.name if written else None} - {None}
        old = [file for file in listed if file.name in names]
        for outcome in self.ctx.transport(self.settings.to).delete_many(old):
            if outcome.error is not None:
                raise outcome.error
        return bool(names)

    # --- record --------------------------------------------------------------------------------------------------

    def _record(self, encoded: Encoded, remote: RemoteFile, *, altered: bool) -> None:
        ctx, settings = self.ctx, self.settings
        with ctx.begin() as conn:
            self.memory.record(conn, encoded.sha256, encoded.rows, remote)
            self.memory.set_prices(conn, encoded.prices)
            self.memory.set_marker(conn, encoded.sha256)
            self._close_brake(conn)
            ctx.event(
                conn,
                self.subject,
                "published",
                file=settings.name,
                connection=settings.to,
                rows=encoded.rows,
                sha256=encoded.sha256,
                altered=altered,
            )
            ctx.notify(conn, notices.catalogue(self.subject, settings.name, encoded.rows, settings.to))

    def _release(self, encoded: Encoded) -> None:
        """The feed is whole again, though nothing new: a brake of a run before is over."""
        with self.memory.prices() as before:
            unknown = before is None  # published before prices were looked at
        if encoded.prices is not None and unknown:
            with self.ctx.begin() as conn:
                self.memory.set_prices(conn, encoded.prices)
        with self.ctx.ledger.read() as conn:
            if not cards.carded(conn, self.ctx.client, {self.subject}, "brake"):
                return
        with self.ctx.begin() as conn:
            self._close_brake(conn)

    def _close_brake(self, conn: sa.Connection) -> None:
        ctx = self.ctx
        approved = ctx.approve or self.verdict == "accept"
        state, why = ("resolved", T("approved")) if approved else ("superseded", "")
        cards.close(conn, ctx.client, self.subject, ["brake"], ctx.clock.now(), state=state, why=why)

    # --- what is said --------------------------------------------------------------------------------------------

    def _result(
        self,
        encoded: Encoded,
        last: dict[str, Any] | None,
        action: str,
        *,
        images: int = 0,
        notes: Iterable[Finding] = (),
    ) -> StepResult:
        settings, waiting = self.settings, action == "brake" and self.verdict is None
        counts = {"rows": encoded.rows}
        if action != "brake":
            counts["unchanged" if action == "unchanged" else "uploaded"] = 1
        if settings.images:
            counts["images"] = images
        row = {
            "file": settings.name,
            "to": "/".join(part for part in (settings.to, settings.folder) if part),
            "action": action,
            "rows": encoded.rows,
            "rows_before": last["rows"] if last else None,
            "bytes": encoded.size,
        }
        return StepResult(counts, waiting=waiting, notes=_words([*encoded.notes, *notes]), details=(row,))


def _words(findings: Sequence[Finding]) -> tuple[Text, ...]:
    words: list[Text] = []
    for finding in findings[:TOLD]:
        words.append(finding.text)
        if finding.hint:
            words.append(finding.hint)
    if len(findings) > TOLD:
        words.append(T("{n} more remarks.", n=len(findings) - TOLD))
    return tuple(words)
