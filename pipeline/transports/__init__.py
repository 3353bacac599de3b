"""Files in folders: on this machine, on SFTP servers, on FTP and FTPS servers. One file each."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pipeline.errors import ConfigError
from pipeline.ports import Gate, Transport, open_gate
from pipeline.settings import Settings
from pipeline.texts import T
from pipeline.transports.ftp_settings import FtpSettings, FtpsSettings
from pipeline.transports.local import LocalSettings, LocalTransport
from pipeline.transports.sftp_session import SftpSettings
from pipeline.transports.wrap import DryRun, Log, Logged, Retrying

__all__ = ["TRANSPORTS", "open_transport"]

#: Type of connection in the YAML -> its parameters. Importing this loads no network library.
TRANSPORTS: Mapping[str, type[Settings]] = {
    "local": LocalSettings,
    "sftp": SftpSettings,
    "ftp": FtpSettings,
    "ftps": FtpsSettings,
}


def open_transport(
    name: str,
    type: str,  # noqa: A002 - the word of the YAML
    params: Settings,
    *,
    base: Path,
    dry_run: bool = False,
    patient: bool = True,
    log: Log | None = None,
    gate: Gate = open_gate,
) -> Transport:
    """The connection ``name``, ready for its first use (nothing is connected yet).

    ``params`` are of ``TRANSPORTS[type]``; relative paths in them count from ``base``, the config's folder. What fails
    for the moment is tried again a few times, if ``patient``; with ``dry_run`` nothing is changed on the far side; with
    ``log`` every file is written down; every connection to a server goes through ``gate``. Raises ConfigError for an
    unknown type.
    """
    transport = _plain(name, type, params, base, gate)
    if patient:
        transport = Retrying(transport)
    if dry_run:
        transport = DryRun(transport)
    return Logged(transport, log) if log is not None else transport


def _plain(name: str, kind: str, params: Settings, base: Path, gate: Gate) -> Transport:
    match params:
        case LocalSettings():
            return LocalTransport(name, params, base=base)
        case SftpSettings():
            from pipeline import lightssh  # noqa: F401 - before all that loads paramiko
            from pipeline.transports.sftp import SftpTransport

            return SftpTransport(name, params, base=base, gate=gate)
        case FtpSettings():
            from pipeline.transports.ftp_many import FtpManyTransport

            return FtpManyTransport(name, params, base=base, gate=gate)
    raise ConfigError(T("{type} is not a kind of connection that carries files.", type=kind))
