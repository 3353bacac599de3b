"""A catalogue file of somebody else's as a system: what the engine asks for, by capability. It is only read."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from datetime import datetime
from fnmatch import fnmatchcase
from pathlib import Path

from pipeline.api import (
    Changed,
    ConfigError,
    Finding,
    Goods,
    GoodsShape,
    MistokError,
    Noticing,
    Offer,
    Offers,
    OfferTraits,
    Ref,
    Refused,
    Rejected,
    RemoteFile,
    Stock,
    StockLevel,
    System,
    SystemEnv,
    T,
    Text,
    Transient,
    Transport,
    Where,
    Who,
)
from plugins.systems.catalogue_file.settings import CatalogueFileSettings

_HALF_WRITTEN = ("*.part", "*.partial", "*.tmp", "*.filepart", "*.crdownload", ".*", "~*")
_FEW = 5  #: so few bad rows are left out in any file


class CatalogueFile:
    """The newest file of a folder. One object is for one run: the file is read once, and not twice differently."""

    def __init__(self, settings: CatalogueFileSettings, env: SystemEnv) -> None:
        self.name = env.name
        self.settings, self.env = settings, env
        self._read: Goods | None = None
        self._noticed: list[Finding] = []

    # --- System ------------------------------------------------------------------------------------------------------

    def check(self) -> Sequence[Finding]:
        """Read the file as a run would; remarks tell what of it would be left out. Raises Refused, Transient."""
        self.goods()
        return self.noticed()

    def close(self) -> None:
        """Nothing stays open."""
        self._read = None

    # --- Offers, Noticing --------------------------------------------------------------------------------------------

    def offer_traits(self) -> OfferTraits:
        """See Offers: it takes nothing."""
        shape = self._shape
        return OfferTraits(keys=shape.keys, reads=shape.fields, dated_specials="specials" in shape.fields)

    def offers(self, since: datetime | None = None) -> Iterator[Offer]:  # noqa: ARG002 - a file has no filter by time
        """All offers, whatever ``since`` is. Raises Refused where the file is missing or no catalogue."""
        yield from self.goods().offers

    def noticed(self) -> Sequence[Finding]:
        """See Noticing: rows that were left out, and values that could not be read; once."""
        told, self._noticed = self._noticed, []
        return told

    # --- the file ----------------------------------------------------------------------------------------------------

    @property
    def _shape(self) -> GoodsShape:
        return self.env.goods.shape if self.env.goods is not None else GoodsShape(frozenset())

    def goods(self) -> Goods:
        """What the newest file has. Raises Refused (missing, old, no catalogue), Transient (being written, network)."""
        if self._read is None:
            goods = self._decoded()
            self._noticed += goods.findings
            self._read = goods
        return self._read

    def _decoded(self) -> Goods:
        if self.env.goods is None or self.env.transport is None:
            raise ConfigError(
                T("{name} can only be opened by a run: it needs a connection.", name=self.env.name),
            )
        transport = self.env.transport(self.settings.files)
        file = self._newest(transport)
        data = self._fetched(transport, file)
        try:
            goods = self.env.goods.read(data, file.name)
        except Rejected as error:
            first, *rest = error.findings
            raise Refused(first.text, hint=first.hint, where=first.where, who=Who.SITE, code=first.code,
                          findings=(first, *rest)) from error  # fmt: skip
        lost = [one for one in goods.findings if one.code == "goods-row"]
        if len(lost) > _FEW and len(lost) * 100 > goods.rows * self.settings.bad_rows:
            raise _refused(
                "bad-rows",
                T("{file}: {n} of {all} rows cannot be read, such as: {words}", file=file.name, n=len(lost),
                  all=goods.rows, words=lost[0].text),
                T("The file has another shape than the mapping says, or is damaged."),
                lost[0].where,
            )  # fmt: skip
        return goods

    def _newest(self, transport: Transport) -> RemoteFile:
        settings = self.settings
        found = [
            file
            for file in transport.list(settings.folder)
            if fnmatchcase(file.name.casefold(), settings.pattern.casefold())
            and not any(fnmatchcase(file.name.casefold(), one) for one in _HALF_WRITTEN)
        ]
        if not found:
            raise _refused(
                "no-file",
                T("There is no file {pattern} in the folder {folder}.", pattern=settings.pattern,
                  folder=settings.folder or "."),
                T("Let it be written, or correct `folder` and `pattern` of this connection."),
            )  # fmt: skip
        if len(found) > 1 and any(file.modified is None for file in found):
            names = ", ".join(sorted(file.name for file in found)[:5])
            raise _refused(
                "several-files",
                T("There are several files, and the server does not say which is the newest: {names}.", names=names),
                T("Name the one to read: `pattern`."),
            )
        file = max(found, key=lambda one: (one.modified.timestamp() if one.modified else 0.0, one.name))
        if file.size is not None and file.size > settings.max_size:
            raise _refused(
                "too-large",
                T("{file} has {size} bytes; at most {limit} are read.", file=file.name, size=file.size,
                  limit=settings.max_size),
                T("Raise `max_size` of this connection if it is right."),
                Where(file=file.name),
            )  # fmt: skip
        if settings.max_age is not None and file.modified is not None:
            age = self.env.clock.now() - file.modified
            if age > settings.max_age:
                raise _refused(
                    "old-file",
                    T("{file} was last written at {when}: it is older than `max_age`.", file=file.name,
                      when=file.modified),
                    T("Ask whoever writes it; nothing is taken from it until it is new."),
                    Where(file=file.name),
                )  # fmt: skip
        return file

    def _fetched(self, transport: Transport, file: RemoteFile) -> bytes:
        with tempfile.TemporaryDirectory(prefix="mistok-catalogue-", ignore_cleanup_errors=True) as folder:
            (result,) = transport.read_many([file], Path(folder))
            if isinstance(result.error, Changed) or (result.error is None and self._newest(transport) != file):
                raise Transient(
                    T("{file} is being written.", file=file.name), hint=T("It is read when it is finished.")
                )
            if result.error is not None:
                error: MistokError = result.error
                raise error
            assert result.path is not None
            return result.path.read_bytes()


class StockedFile(CatalogueFile):
    """One that tells how much there is, too."""

    def levels(self, since: datetime | None = None) -> Iterator[StockLevel]:  # noqa: ARG002 - as above
        """All levels, whatever ``since`` is. A value that is missing or cannot be read is no level, and no zero."""
        yield from self.goods().levels

    def warehouses(self) -> Sequence[Ref]:
        """Those that the mapping names."""
        return tuple(Ref(name, name, name) for name in self._shape.warehouses)


def _refused(code: str, text: Text, hint: Text | None = None, where: Where | None = None) -> Refused:
    return Refused(text, hint=hint, where=where, who=Who.SITE, code=f"file-{code}")


_system: type[System] = CatalogueFile
_offers: type[Offers] = CatalogueFile
_noticing: type[Noticing] = CatalogueFile
_stock: type[Stock] = StockedFile
