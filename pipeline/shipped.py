"""Where the files lie that come with Mistok: schemas and samples, in a checkout and in an installed wheel alike."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).parent


def shipped(name: str) -> Path:
    """The real path of a shipped file or folder, such as ``schemas/order.xsd`` or ``samples/orders``."""
    inside = _PACKAGE / "_data" / name
    return inside if inside.exists() else _PACKAGE.parent / name
