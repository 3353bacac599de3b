"""The first half of the walk out: select the rows, write them to a file here, read them back as the consumer would."""

from __future__ import annotations

import errno
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import compress
from pathlib import Path

from pipeline.engine.context import RunContext
from pipeline.engine.prices import PriceList
from pipeline.errors import ConfigError, Finding, Held, Transient, system_words
from pipeline.flow import OutboundSettings, OutboundStep, Settings
from pipeline.ports import Batch, Catalogue, CatalogueFormat, FormatContext
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

    def encode(self) -> Encoded:
        """Write the file into the run's temporary folder, and check every piece of it.

        Raises ConfigError (no catalogue there), Transient (the disk is full), and what the system raises.
        """
        settings, ctx = self.settings, self.ctx
        system = ctx.system(settings.source)
        if not isinstance(system, Catalogue):
            raise ConfigError(T("The system {name} has no catalogue to export.", name=settings.source))
        total = system.count()
        encoded = Encoded(ctx.temp / "catalogue.part")
        self._prices = PriceList() if self._looks_at_prices() else None
        checker = self.format.checker(self.format_settings, self.context)
        digest = hashlib.sha256()
        batches = self._batches(system, encoded)
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

    def _batches(self, system: Catalogue, encoded: Encoded) -> Iterator[Batch]:
        looked_at = tuple(self.step.fields(self.settings)) if self.step.fields else ()
        pictures = ("image", "images") if self.settings.images else ()
        asked = self.format.fields(self.format_settings, self.context)
        priced = ("code", "price") if self._prices is not None else ()
        fields = (*asked, *looked_at, *pictures, *priced)
        for whole in system.batches(tuple(dict.fromkeys(fields)), at=self.context.now):
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
        rows = zip(*(batch.columns[name] for name in looked_at), strict=True)
        kept = [self.step.keep(dict(zip(looked_at, row, strict=True)), self.settings) for row in rows]
        if all(kept):
            return batch
        columns = {name: list(compress(column, kept)) for name, column in batch.columns.items()}
        return Batch(sum(kept), columns)


def _local_trouble(error: OSError, path: Path) -> Transient:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        text = T("The disk of the temporary folder {folder} is full.", folder=str(path.parent))
        return Transient(text, code="disk-full", hint=T("Make room; the last good file stays on the server."))
    return Transient(T("{path} cannot be written: {words}", path=str(path), words=system_words(error)))
