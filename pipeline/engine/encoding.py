"""The first half of the walk out: select the rows, write them to a file here, read them back as the consumer would."""

from __future__ import annotations

import errno
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.engine.context import RunContext
from pipeline.engine.exportable import unable
from pipeline.engine.prices import PriceList
from pipeline.engine.selling import Selling
from pipeline.errors import ConfigError, Finding, Held, Transient, Who, system_words
from pipeline.flow import OutboundSettings, OutboundStep
from pipeline.ports import (
    Batch,
    Catalogue,
    CatalogueFormat,
    CatalogueMoment,
    FormatContext,
    Noticing,
    Offers,
    Stock,
    System,
    kept_of,
    texts_of,
)
from pipeline.settings import Settings
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
    prices: str | None = None  #: packed, see prices.py; None: not looked at


@dataclass
class Encoder:
    """What is written, and how."""

    step: OutboundStep
    settings: OutboundSettings
    format: CatalogueFormat
    format_settings: Settings
    context: FormatContext
    ctx: RunContext
    _prices: PriceList | None = None

    def encode(self, moment: CatalogueMoment | None = None) -> Encoded:
        """Write the file into the run's temporary folder, and check every piece of it.

        ``moment``: which one of the system to read; that of now when not given.
        Raises ConfigError (no catalogue there), Transient (the disk is full), and what the system raises.
        """
        ctx = self.ctx
        encoded = Encoded(ctx.temp / "catalogue.part")
        system = self._catalogue(ctx.system(self.settings.source), encoded)
        total = system.count()
        self._prices = PriceList() if self._looks_at_prices() else None
        checker = self.format.checker(self.format_settings, self.context)
        digest = hashlib.sha256()
        batches = self._batches(moment or system, encoded)
        chunks = self.format.encode(batches, self.format_settings, self.context)
        try:
            with encoded.path.open("wb") as file:
                for chunk in chunks:
                    file.write(chunk.data)
                    digest.update(chunk.data)
                    encoded.size += len(chunk.data)
                    encoded.rows += len(chunk.codes)
                    encoded.notes += chunk.notes
                    if self._prices is not None:
                        self._prices.add(chunk.codes)
                    encoded.findings += checker.feed(chunk)
                    ctx.progress(encoded.rows, total, T("products"))
        except Held as error:
            encoded.findings += error.findings
        except OSError as error:
            raise _local_trouble(error, encoded.path) from error
        encoded.findings += checker.close()
        if self._prices is not None:
            encoded.prices = self._prices.finish()
        encoded.sha256 = digest.hexdigest()
        return encoded

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

    def _batches(self, system: Catalogue | CatalogueMoment | Selling, encoded: Encoded) -> Iterator[Batch]:
        looked_at = self._looked_at()
        pictures = self.settings.images is not None
        for whole in system.batches(self.fields(), at=self.context.now):
            batch = self._kept(whole, looked_at) if looked_at else whole
            if self._prices is not None:
                columns = batch.columns
                self._prices.see(columns["code"], columns["price"], columns.get("special_price"))
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


def _local_trouble(error: OSError, path: Path) -> Transient:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        text = T("The disk of the temporary folder {folder} is full.", folder=str(path.parent))
        return Transient(text, code="disk-full", hint=T("Make room; the last good file stays on the server."))
    return Transient(T("{path} cannot be written: {words}", path=str(path), words=system_words(error)))
