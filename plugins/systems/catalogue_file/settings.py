"""Parameters of a catalogue file that somebody else writes."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from pipeline.api import Duration, FormatSpec, Settings, Size, TransportName


class CatalogueFileSettings(Settings):
    """A catalogue, or a price list, that lies in a folder as a file: a supplier's, a marketplace's, another shop's."""

    files: TransportName
    """Connection that the file lies on."""
    folder: str = ""
    """Folder of the file, relative to the connection's root."""
    pattern: str = "*"
    """Name of the file (shell pattern, case ignored); of several the newest is read."""
    format: FormatSpec
    """How it is read: `xml-goods`, `csv-goods` or `json-goods` with the mapping, or by the columns and elements of a
    `catalogue-csv` or `catalogue-xml`."""
    max_size: Size = 50_000_000
    """A larger file is refused."""
    max_age: Duration | None = None
    """A file that was last changed longer ago is refused, such as `3d`: whoever writes it has stopped."""
    bad_rows: Annotated[int, Field(ge=0, le=100)] = 20
    """Percent of the rows that may have no article or the wrong number of cells; with more the file is refused."""
