"""Where a client keeps plugins of its own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.config.model import ClientConfig


def plugin_folder(config: ClientConfig) -> Path | None:
    """The client's own plugins, if it has a folder of them."""
    folder = config.path(config.plugins) if config.plugins else config.base / "plugins"
    # The repository's own `plugins/` package is not a client's folder.
    return folder if folder.is_dir() and not (folder / "__init__.py").exists() else None
