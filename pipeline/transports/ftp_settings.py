"""What the config says of an FTP server, and which of its certificates are trusted.

In a file of its own, as every process that reads a config loads it: Python's libraries of FTP and TLS (2 MiB) are left
to those that use them.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr, field_validator, model_validator

from pipeline.errors import ConfigError
from pipeline.settings import Duration, Settings, parse_duration
from pipeline.texts import T

_THIRTY, _FIFTEEN = parse_duration("30s"), parse_duration("15s")
_PIN = re.compile(r"sha256:[0-9a-f]{64}")
Tls = Literal["none", "explicit", "implicit"]


class FtpSettings(Settings):
    """An FTP server, with TLS (FTPS) or without."""

    host: Annotated[str, Field(min_length=1)]
    """Name or address of the server."""
    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    """Port; 21 by default, 990 for implicit TLS."""
    user: Annotated[str, Field(min_length=1)]
    """Login name."""
    password: SecretStr
    """Password: `${env:NAME}`, `${file:PATH}` or `${keyring:SERVICE/NAME}`."""
    tls: Tls = "none"
    """`explicit` (AUTH TLS, port 21), `implicit` (port 990), or `none`: then the password travels in the clear."""
    certificate: tuple[str, ...] = ()
    """Fingerprint of the server's certificate, `sha256:…` (64 hex digits), or a list: trusted instead of a CA."""
    known_certs: Path = Path("known_certs")
    """File of trusted certificates, relative to the config file; `mistok trust` writes it."""
    ca: Path | None = None
    """File with the CA certificates (PEM) to trust, relative to the config file; the system's when not given."""
    passive: bool = True
    """`false` lets the server connect back to this machine (active mode)."""
    encoding: str = "utf-8"
    """Encoding of file names that are sent; `cp1251` for old servers. Listed names are read in either."""
    root: str = ""
    """Folder on the server from which all folders count; the login folder when not given."""
    timeout: Duration = Field(default=_THIRTY, validate_default=True)
    """How long the server may be silent in the middle of work."""
    connect_timeout: Duration = Field(default=_FIFTEEN, validate_default=True)
    """How long connecting may take."""
    connections: Annotated[int, Field(ge=1, le=32)] = 4
    """Connections that read and delete many files at once; fewer where the server lets no more in."""

    @field_validator("certificate", mode="before", json_schema_input_type=str | tuple[str, ...])
    @classmethod
    def _one_or_many(cls, value: object) -> object:
        return (value,) if isinstance(value, str) else value

    @field_validator("certificate")
    @classmethod
    def _looks_right(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        pins = tuple(normal_pin(pin) for pin in value)
        for given, pin in zip(value, pins, strict=True):
            if not _PIN.fullmatch(pin):
                raise ValueError(T("`{value}` is not a fingerprint such as sha256:… (64 hex digits).", value=given))
        return pins

    @field_validator("encoding")
    @classmethod
    def _known(cls, value: str) -> str:
        try:
            "".encode(value)
        except LookupError:
            raise ValueError(T("`{value}` is not an encoding such as utf-8 or cp1251.", value=value)) from None
        return value

    @field_validator("user")
    @classmethod
    def _one_line(cls, value: str) -> str:
        if any(c in value for c in "\r\n\0"):
            raise ValueError(T("A login name has no line ends in it."))
        return value

    @model_validator(mode="after")
    def _tls_words(self) -> FtpSettings:
        if self.tls == "none" and (self.certificate or self.ca):
            raise ValueError(T("`certificate` and `ca` need `tls: explicit` or `tls: implicit`."))
        return self

    @property
    def real_port(self) -> int:
        """The port that is used."""
        return self.port or (990 if self.tls == "implicit" else 21)


class FtpsSettings(FtpSettings):
    """An FTP server with TLS."""

    tls: Tls = "explicit"
    """`explicit` (AUTH TLS, port 21) or `implicit` (port 990)."""


def normal_pin(pin: str) -> str:
    """``SHA256:AB:CD…`` as tools print it -> ``sha256:abcd…``."""
    text = pin.strip().lower()
    head, colon, digits = text.partition(":")
    return head + colon + digits.replace(":", "").replace(" ", "")


def certificate_fingerprint(der: bytes) -> str:
    """``sha256:`` and the hex digits of a certificate."""
    return "sha256:" + hashlib.sha256(der).hexdigest()


def pinned_certificates(settings: FtpSettings, base: Path) -> tuple[str, ...]:
    """The fingerprints trusted for this server: of the config, else of known_certs. Raises ConfigError."""
    if settings.certificate:
        return settings.certificate
    path = base / settings.known_certs.expanduser()
    if not path.exists():
        return ()
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(T("File {path} cannot be read: {words}", path=str(path), words=str(error))) from error
    pairs = [line.split() for line in lines if line.strip() and not line.startswith("#")]
    return tuple(normal_pin(pair[1]) for pair in pairs if len(pair) == 2 and pair[0] == server_name(settings))


def server_name(settings: FtpSettings) -> str:
    """The server's name as known_certs writes it."""
    return f"{settings.host}:{settings.real_port}"
