"""The PC's token: in the system's own store of secrets where it has one, else in a file that only this user reads."""

from __future__ import annotations

import contextlib
from pathlib import Path

from pipeline.agent.state import named_for, write_safely
from pipeline.texts import T, Text

SERVICE = "Mistok alerts"


def _file(folder: Path, server: str) -> Path:
    return folder / f"token-{named_for(server)}"


def find(folder: Path, server: str) -> str:
    """The token for a server; empty when there is none."""
    import keyring
    from keyring.errors import KeyringError

    with contextlib.suppress(FileNotFoundError, ValueError):
        if kept := _file(folder, server).read_text(encoding="ascii").strip():
            return kept
    with contextlib.suppress(KeyringError):
        return keyring.get_password(SERVICE, server) or ""
    return ""


def keep(folder: Path, server: str, token: str, *, in_file: bool = False) -> Text:
    """Keep it, and say where. ``in_file``: not in the system's store. Raises ConfigError."""
    import keyring
    from keyring.errors import KeyringError

    forget(folder, server)
    if not in_file:
        with contextlib.suppress(KeyringError):
            keyring.set_password(SERVICE, server, token)
            if keyring.get_password(SERVICE, server) == token:
                return T("The token is kept in the system's store of secrets.")
    path = _file(folder, server)
    write_safely(path, token.encode("ascii"))
    return T("The token is kept in {path}; only you can read it.", path=str(path))


def forget(folder: Path, server: str) -> None:
    """Keep it no more."""
    import keyring
    from keyring.errors import KeyringError

    _file(folder, server).unlink(missing_ok=True)
    with contextlib.suppress(KeyringError):
        keyring.delete_password(SERVICE, server)
