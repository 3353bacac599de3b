"""Who a server is: fetch its host key or certificate, and pin it once a person has compared the fingerprint."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from pipeline.errors import ConfigError, system_words
from pipeline.settings import Settings
from pipeline.texts import T
from pipeline.transports.ftp_settings import FtpSettings, certificate_fingerprint, pinned_certificates, server_name
from pipeline.transports.sftp_session import SftpSettings


@dataclass(frozen=True, slots=True)
class ServerIdentity:
    """What a server shows of itself. ``pinned``: what is trusted so far, or None."""

    server: str  #: host and port, as the file of pins writes it
    fingerprint: str  #: SHA256:… of a host key, sha256:… of a certificate
    kind: Literal["host-key", "certificate"]
    pinned: str | None
    file: Path  #: where it is pinned
    details: Mapping[str, str] = field(default_factory=dict)  #: kind of key; subject, issuer, end of a certificate
    line: str = field(default="", repr=False)  #: what is written into ``file``

    @property
    def trusted(self) -> bool:
        """Whether it is pinned already."""
        return self.pinned is not None and self.fingerprint in self.pinned.split(", ")


def fetch_identity(name: str, type: str, params: Settings, base: Path) -> ServerIdentity:  # noqa: A002 - the YAML's word
    """Connect, and see who answers; no login, nothing is sent. Raises Transient, Refused; ConfigError when the
    connection has no identity (a local folder, FTP without TLS)."""
    match params:
        case SftpSettings():
            return _ssh(params, base)
        case FtpSettings() if params.tls != "none":
            return _tls(params, base)
    raise ConfigError(
        T("Connection {name} ({type}) shows no key or certificate that could be trusted.", name=name, type=type),
        hint=T("Only sftp connections, and ftp connections with tls, have one."),
    )


def pin_identity(name: str, type: str, params: Settings, base: Path, identity: ServerIdentity) -> Path:  # noqa: A002, ARG001
    """Trust ``identity`` from now on, instead of what was trusted for this server before; gives the file written.

    Raises ConfigError when the config itself pins the server (that is where it must be changed), or on a full disk.
    """
    key: str
    given: tuple[str, ...]
    ours: Callable[[str], bool]
    match params:
        case SftpSettings():
            key, given, ours = "host_key", params.host_key, _is_known_host(identity.server)
        case FtpSettings():
            key, given, ours = "certificate", params.certificate, _is_known_cert(identity.server)
        case _:
            raise ConfigError(T("Connection {name} shows no key or certificate that could be trusted.", name=name))
    if given:
        raise ConfigError(
            T("Connection {name} pins the server in the config itself, by {key}.", name=name, key=key),
            hint=T("Put {fingerprint} there.", fingerprint=identity.fingerprint),
        )
    try:
        old = identity.file.read_text(encoding="utf-8").splitlines() if identity.file.exists() else []
        lines = [line for line in old if not ours(line)] + [identity.line]
        _write(identity.file, "".join(line + "\n" for line in lines))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            T("File {path} could not be written: {words}", path=str(identity.file), words=system_words(error)),
            hint=T("Look at the rights on the folder and at the disk."),
        ) from error
    return identity.file


def _ssh(settings: SftpSettings, base: Path) -> ServerIdentity:
    from pipeline.transports.sftp_session import fingerprint, host_name, pinned_keys, said, start

    known = {} if settings.host_key else pinned_keys(settings, base)
    transport = start(settings, tuple(known))
    try:
        with said(settings):
            key, banner = transport.get_remote_server_key(), transport.remote_version
    finally:
        transport.close()
    server = host_name(settings)
    return ServerIdentity(
        server,
        fingerprint(key),
        "host-key",
        ", ".join(settings.host_key or tuple(known.values())) or None,
        base / settings.known_hosts.expanduser(),
        {"key": key.get_name(), "server": banner},
        f"{server} {key.get_name()} {key.get_base64()}",
    )


def _tls(settings: FtpSettings, base: Path) -> ServerIdentity:
    from cryptography import x509

    from pipeline.transports.ftp_session import peer_certificate

    der = peer_certificate(settings, base)
    seen, server = certificate_fingerprint(der), server_name(settings)
    certificate = x509.load_der_x509_certificate(der)
    return ServerIdentity(
        server,
        seen,
        "certificate",
        ", ".join(pinned_certificates(settings, base)) or None,
        base / settings.known_certs.expanduser(),
        {
            "subject": certificate.subject.rfc4514_string(),
            "issuer": certificate.issuer.rfc4514_string(),
            "valid until": certificate.not_valid_after_utc.date().isoformat(),
        },
        f"{server} {seen}",
    )


def _is_known_host(server: str) -> Callable[[str], bool]:
    import paramiko

    def ours(line: str) -> bool:
        hosts = line.split(" ", 1)[0].split(",")
        for host in hosts:
            if host == server:
                return True
            if host.startswith("|1|"):
                # a hashed name is compared by hashing ours with its salt
                with contextlib.suppress(ValueError, IndexError):
                    if paramiko.HostKeys.hash_host(server, host) == host:
                        return True
        return False

    return ours


def _is_known_cert(server: str) -> Callable[[str], bool]:
    return lambda line: line.split(" ", 1)[0] == server


def _write(path: Path, text: str) -> None:
    """Replace the file in one act: a half-written file of pins would lock every connection out."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".part")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
