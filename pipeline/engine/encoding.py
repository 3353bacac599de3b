"""The first half of the walk out: select the rows, write them to a file here, read them back as the consumer would."""

from __future__ import annotations

import errno
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from pipeline.engine import halves, second
from pipeline.engine.context import RunContext
from pipeline.engine.exportable import unable
from pipeline.engine.halves import Half, Output, Rest
from pipeline.engine.prices import Packed, PriceList
from pipeline.engine.selling import Selling
from pipeline.engine.unchanged import are_ours
from pipeline.errors import ConfigError, Finding, Held, Transient, Who, system_words
from pipeline.flow import OutboundSettings, OutboundStep
from pipeline.ports import (
    Batch,
    Catalogue,
    CatalogueChecker,
    CatalogueFormat,
    CatalogueMoment,
    Chunk,
    DividedCatalogue,
    DividedFormat,
    DividedMoment,
    FormatContext,
    Noticing,
    Offers,
    PartChecker,
    Stock,
    System,
    kept_of,
    texts_of,
)
from pipeline.settings import Settings
from pipeline.spool import Spool
from pipeline.texts import T


@dataclass
class Encoded:
    """The new file, here: its hash, what is wrong with it, remarks, and the images that it names."""

    path: Path
    sha256: str = ""
    size: int = 0
    rows: int = 0
    findings: list[Finding] = field(default_factory=list)
    notes: list[Finding] = field(default_factory=list)
    images: set[str] = field(default_factory=set)
    prices: Packed | None = None  #: see prices.py; None: not looked at


@dataclass
class Encoder:
    """What is written, and how."""

    step: OutboundStep
    settings: OutboundSettings
    format: CatalogueFormat
    format_settings: Settings
    context: FormatContext
    ctx: RunContext

    @contextmanager
    def beside(self, rows: int | None) -> Iterator[Half | None]:
        """A second process that writes the second half of the next file; None where there is none.

        ``rows``: of the file before. It is to be asked for before a moment of the system is begun; see halves.py.
        """
        ctx, system = self.ctx, self.ctx.system(self.settings.source)
        alone = ctx.dry_run or ctx.slice_ends is not None or self.settings.images is not None or second.cores() < 2
        if alone or not (isinstance(system, Catalogue) and isinstance(system, DividedCatalogue) and self._divides()):
            yield None
            return
        if (system.count() if rows is None else rows) < halves.LEAST:
            yield None
            return
        with halves.half(system, self, ctx.temp) as half:
            yield half

    def encode(self, moment: CatalogueMoment | None = None, half: Half | None = None) -> Encoded:
        """Write the file into the run's temporary folder, and check every piece of it.

        ``moment``: which one of the system to read; that of now when not given. ``half`` writes its second half, and
        nothing else is different by it.
        Raises ConfigError (no catalogue there), Transient (the disk is full), and what the system raises.
        """
        ctx = self.ctx
        encoded = Encoded(ctx.temp / "catalogue.part")
        system = self._catalogue(ctx.system(self.settings.source), encoded)
        total = system.count()
        packed = Spool()
        prices = self.price_list(packed.add)
        checker = self.format.checker(self.format_settings, self.context)
        joined: list[Rest] = []
        try:
            with encoded.path.open("wb") as file:
                output = Output(file)

                def progress() -> None:
                    ctx.progress(encoded.rows + (half.rows if half else 0), total, T("products"))

                def append() -> bool:
                    assert half is not None
                    rest = None if encoded.findings else self._appended(output, half, checker, progress)
                    joined.extend([rest] if rest else ())
                    half.rows = 0
                    return rest is not None

                if half is not None and isinstance(moment, DividedMoment) and half.begin(moment, total):
                    whole = moment.batches(self.fields(), at=self.context.now, size=halves.BATCH)
                    source = _up_to(whole, half.place, append)
                else:
                    half = None
                    source = (moment or system).batches(self.fields(), at=self.context.now)
                batches = self._batches(source, encoded, prices)
                for chunk in self.format.encode(batches, self.format_settings, self.context):
                    output.write(chunk.data)
                    encoded.rows += len(chunk.codes)
                    encoded.notes += chunk.notes
                    if prices is not None:
                        prices.add(chunk.codes)
                    encoded.findings += checker.feed(chunk)
                    if half is not None:
                        half.look()
                    progress()
        except Held as error:
            encoded.findings += error.findings
        except OSError as error:
            raise _local_trouble(error, encoded.path) from error
        encoded.findings += checker.close()
        if joined and encoded.findings:  # what is wrong with the second half is to be told as well
            return self.encode(moment)
        for rest in joined:
            encoded.rows += rest.rows
            encoded.notes += rest.notes
        if prices is not None:
            try:
                encoded.prices = _packed(prices, packed, [(half.packed, rest) for rest in joined if half is not None])
            except OSError as error:
                raise _local_trouble(error, encoded.path) from error
        encoded.sha256, encoded.size = output.sha256, output.size
        return encoded

    def _appended(
        self, output: Output, half: Half, checker: CatalogueChecker, progress: Callable[[], None]
    ) -> Rest | None:
        """The second half, at the end of the first one; None: it is not there, and has to be written."""
        output.keep()

        def more() -> None:
            output.append(half.places.data, half.written)
            progress()

        rest = half.follow(more)
        whole = rest is not None and output.since_kept == rest.size == half.written
        if whole and isinstance(checker, PartChecker) and checker.fits(half.places.seen):
            return rest
        output.take_back()
        return None

    # --- the second half, see halves.Writing -----------------------------------------------------------------------

    def _divides(self) -> bool:
        if not isinstance(self.format, DividedFormat) or not are_ours(self.step, self.format):
            return False
        return self.format.divides(self.format_settings, self.context)

    def rest_batches(self, moment: DividedMoment, after: str, prices: PriceList | None) -> Iterator[Batch]:
        """The batches after that code, as they go into the format."""
        source = moment.batches(self.fields(), at=self.context.now, size=halves.BATCH, after=after)
        return self._batches(source, Encoded(Path()), prices)

    def rest_chunks(self, batches: Iterator[Batch]) -> Iterator[Chunk]:
        """The format's pieces of them."""
        assert isinstance(self.format, DividedFormat)
        return self.format.encode_rest(batches, self.format_settings, self.context)

    def rest_checker(self, seen: Path) -> CatalogueChecker:
        """The checker of them, which leaves what it has seen there."""
        assert isinstance(self.format, DividedFormat)
        return self.format.rest_checker(self.format_settings, self.context, seen)

    def price_list(self, keep: Callable[[bytes], object]) -> PriceList | None:
        """A fresh one, where prices are looked at."""
        return PriceList(keep) if self._looks_at_prices() else None

    # --- what is asked for, and kept -------------------------------------------------------------------------------

    def _catalogue(self, system: System, encoded: Encoded) -> Catalogue | Selling:
        """The catalogue of a system; where it keeps none to be asked for, what it sells makes one."""
        name = self.settings.source
        if wrong := unable(type(system), name, self.settings):
            text, hint = wrong
            raise ConfigError(text, hint=hint)
        if isinstance(system, Catalogue):
            return system
        assert isinstance(system, Offers)
        offers = list(system.offers())
        levels = list(system.levels()) if isinstance(system, Stock) else None
        made = Selling(offers, levels, keys=system.offer_traits().keys, language=self.context.language)
        encoded.notes += made.findings
        if isinstance(system, Noticing):
            encoded.notes += system.noticed()
        if levels is None and "stock" in self.format.fields(self.format_settings, self.context):
            text = T("{name} tells no stock; it stays empty in the file.", name=name)
            encoded.notes.append(Finding("no-stock", text, who=Who.ADMIN))
        return made

    def fields(self) -> tuple[str, ...]:
        """All that the system is asked for."""
        pictures = ("image", "images") if self.settings.images else ()
        asked = self.format.fields(self.format_settings, self.context)
        priced = ("code", "price") if self._looks_at_prices() else ()
        return tuple(dict.fromkeys((*asked, *self._looked_at(), *pictures, *priced)))

    def _looked_at(self) -> tuple[str, ...]:
        return tuple(self.step.fields(self.settings)) if self.step.fields else ()

    def _batches(self, source: Iterable[Batch], encoded: Encoded, prices: PriceList | None) -> Iterator[Batch]:
        looked_at = self._looked_at()
        pictures = self.settings.images is not None
        for whole in source:
            batch = self._kept(whole, looked_at) if looked_at else whole
            if prices is not None:
                columns = batch.columns
                prices.see(columns["code"], columns["price"], columns.get("special_price"))
            if pictures:
                encoded.images.update(name for name in batch.columns["image"] if name)
                for names in batch.columns["images"]:
                    encoded.images.update(names)
            yield batch

    def _looks_at_prices(self) -> bool:
        """Whether a change of prices is braked, and there is one in the file."""
        if self.settings.max_price_change is None:
            return False
        return "price" in self.format.fields(self.format_settings, self.context)

    def _kept(self, batch: Batch, looked_at: Sequence[str]) -> Batch:
        if self.step.keep is None:
            return batch
        kept = self._choice(batch, looked_at)
        if all(kept):
            return batch
        return Batch(sum(kept), {name: kept_of(column, kept) for name, column in batch.columns.items()})

    def _choice(self, batch: Batch, looked_at: Sequence[str]) -> list[bool]:
        """What the step keeps of each row. Where equal texts are equal values, it is asked once for each."""
        keep, settings = self.step.keep, self.settings
        assert keep is not None
        columns = [batch.columns[name] for name in looked_at]
        texts = [found for column in columns if (found := texts_of(column)) is not None]
        if len(texts) < len(columns):
            values = zip(*columns, strict=True)
            return [keep(dict(zip(looked_at, row, strict=True)), settings) for row in values]
        keys = list(zip(*texts, strict=True))
        first = {key: row for row, key in enumerate(keys)}
        chosen = {
            key: keep({name: column[row] for name, column in zip(looked_at, columns, strict=True)}, settings)
            for key, row in first.items()
        }
        return [chosen[key] for key in keys]


def _up_to(source: Iterator[Batch], place: int, over: Callable[[], bool]) -> Iterator[Batch]:
    """The batches before the row at ``place``; all the others as well, where ``over`` says then that it is not."""
    seen = 0
    with closing(cast("Generator[Batch]", source)):
        for batch in source:
            yield batch
            seen += batch.length
            if seen == place and over():
                return


def _packed(prices: PriceList, pieces: Spool, rests: Iterable[tuple[Spool, Rest]]) -> Packed:
    """The prices of the whole file, whose first part is all in ``prices``."""
    span = prices.finish()
    for more, rest in rests:
        for piece in more:
            pieces.add(piece)
        span = span.followed_by(rest.prices) if rest.prices is not None else span
    return Packed(pieces, span.sorted)


def _local_trouble(error: OSError, path: Path) -> Transient:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        text = T("The disk of the temporary folder {folder} is full.", folder=str(path.parent))
        return Transient(text, code="disk-full", hint=T("Make room; the last good file stays on the server."))
    return Transient(T("{path} cannot be written: {words}", path=str(path), words=system_words(error)))
