"""An SSH session to a server whose key we know: connect, check the host key, log in, open SFTP."""

from __future__ import annotations

import base64
import hashlib
import logging
import socket
import threading
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import Field, SecretStr, field_validator

from pipeline.errors import ConfigError, HostKeyRefused, MistokError, Refused, Transient, system_words
from pipeline.settings import Duration, Settings, parse_duration
from pipeline.texts import T
from pipeline.transports.sftp_line import Line
from pipeline.transports.sftp_wire import Wire

if TYPE_CHECKING:
    import paramiko

_CIPHERS = ("aes128-gcm@openssh.com", "aes256-gcm@openssh.com")
# Paramiko reports a lost connection to its own log with a traceback, besides raising it: we say it in our own words.
logging.getLogger("paramiko").addHandler(logging.NullHandler())
#: Code of the Transient for a line that ended in the middle of a login: the network's fault, or a server's manner to
#: refuse. Whoever sees it twice in a row takes it for the latter.
BROKEN_LOGIN = "login-broken"
#: Bytes that may be on their way to us on one channel: more than is ever asked for at once, so that only this decides.
_WINDOW = 1 << 24
_THIRTY, _FIFTEEN = parse_duration("30s"), parse_duration("15s")


class SftpSettings(Settings):
    """An SFTP server (SSH)."""

    host: Annotated[str, Field(min_length=1)]
    """Name or address of the server."""
    port: Annotated[int, Field(ge=1, le=65535)] = 22
    """Port; 22 by default."""
    user: Annotated[str, Field(min_length=1)]
    """Login name."""
    password: SecretStr | None = None
    """Password: `${env:NAME}`, `${file:PATH}` or `${keyring:SERVICE/NAME}`."""
    key: Path | None = None
    """Private key file (OpenSSH or PEM), relative to the config file."""
    key_passphrase: SecretStr | None = None
    """Passphrase of the key file."""
    agent: bool = False
    """Try the keys of the SSH agent too."""
    host_key: tuple[str, ...] = ()
    """Fingerprint of the server's key, `SHA256:…`, or a list of them. Without it, `known_hosts` decides."""
    known_hosts: Path = Path("known_hosts")
    """File of trusted host keys in OpenSSH's form, relative to the config file; `mistok trust` writes it."""
    root: str = ""
    """Folder on the server from which all folders count; the login folder when not given."""
    timeout: Duration = Field(default=_THIRTY, validate_default=True)
    """How long the server may be silent in the middle of work."""
    connect_timeout: Duration = Field(default=_FIFTEEN, validate_default=True)
    """How long connecting and logging in may take."""
    in_flight: Annotated[int, Field(ge=1, le=1024)] = 512
    """Small files that are read or deleted at once over the one connection; fewer where the server opens no more."""
    channels: Annotated[int, Field(ge=1, le=8)] = 3
    """Channels of the connection over which a large file is sent to a far server; fewer where it lets no more in."""

    @field_validator("host_key", mode="before", json_schema_input_type=str | tuple[str, ...])
    @classmethod
    def _one_or_many(cls, value: object) -> object:
        return (value,) if isinstance(value, str) else value

    @field_validator("host_key")
    @classmethod
    def _looks_right(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for fingerprint in value:
            if not fingerprint.startswith("SHA256:") or len(fingerprint.rstrip("=")) != 50:
                raise ValueError(
                    T("`{value}` is not a fingerprint such as SHA256:… (43 letters and digits).", value=fingerprint)
                )
        return tuple(fingerprint.rstrip("=") for fingerprint in value)


def fingerprint(key: paramiko.PKey) -> str:
    """A host key's fingerprint as ``ssh-keygen -l`` shows it."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(key.asbytes()).digest()).decode("ascii").rstrip("=")


def host_name(settings: SftpSettings) -> str:
    """The server's name as known_hosts writes it."""
    return settings.host if settings.port == 22 else f"[{settings.host}]:{settings.port}"


def pinned_keys(settings: SftpSettings, base: Path) -> dict[str, str]:
    """Key type -> fingerprint, of the keys that known_hosts trusts for this server. Raises ConfigError."""
    import paramiko

    path = base / settings.known_hosts.expanduser()
    if not path.exists():
        return {}
    keys = paramiko.HostKeys()
    try:
        keys.load(str(path))
    except (OSError, ValueError, paramiko.SSHException) as error:
        raise ConfigError(T("File {path} cannot be read: {words}", path=str(path), words=str(error))) from error
    known = keys.lookup(host_name(settings))
    return {kind: fingerprint(key) for kind, key in known.items()} if known else {}


class Session:
    """A connected, checked and logged-in session. ``wire`` speaks SFTP, ``server`` is the server's banner."""

    def __init__(self, transport: paramiko.Transport, wire: Wire) -> None:
        self._transport = transport
        self._lanes: list[Wire] = []
        self._lock = threading.Lock()
        self.wire = wire
        self.server = transport.remote_version

    def lane(self, settings: SftpSettings) -> Wire:
        """A channel more, for one thread, until it is given back. Raises what paramiko and the network raise when there
        is none to be had."""
        with self._lock:
            if self._lanes:
                return self._lanes.pop()
        return Wire(_channel(self._transport, settings))

    def give(self, lane: Wire) -> None:
        """It has nothing to do, and may be asked for again."""
        with self._lock:
            self._lanes.append(lane)

    def close(self) -> None:
        """End it; never raises."""
        for part in (self.wire, self._transport):
            with suppress(Exception):
                part.close()


def connect(name: str, settings: SftpSettings, base: Path) -> Session:
    """A new session. Raises Transient (network), HostKeyRefused, Refused (login), ConfigError (key file)."""
    import paramiko

    keys = _private_keys(settings, base)
    trusted = {} if settings.host_key else pinned_keys(settings, base)
    transport = start(settings, tuple(trusted))
    try:
        with said(settings):
            _check_host(name, settings, trusted, transport.get_remote_server_key())
            _log_in(transport, settings, keys)
            transport.set_keepalive(30)
            try:
                channel = _channel(transport, settings)
            except paramiko.SSHException as error:
                if not transport.is_active():
                    raise
                raise Refused(
                    T("{host} takes the login but offers no SFTP: {words}", host=settings.host, words=str(error)),
                    hint=T("Ask the server's admin to allow SFTP for user {user}.", user=settings.user),
                ) from error
            return Session(transport, Wire(channel))
    except BaseException:
        transport.close()
        raise


def _channel(transport: paramiko.Transport, settings: SftpSettings) -> paramiko.Channel:
    channel = transport.open_session(window_size=_WINDOW, timeout=settings.connect_timeout.total_seconds())
    channel.settimeout(settings.timeout.total_seconds())
    channel.invoke_subsystem("sftp")
    return channel


def start(settings: SftpSettings, key_types: Sequence[str] = ()) -> paramiko.Transport:
    """Connect and agree on keys; nobody is logged in yet and the host key is unchecked. ``key_types``: ask for these
    kinds of host key first, so that a server with several shows the one that we know. Raises Transient."""

    limit = settings.connect_timeout.total_seconds()
    with said(settings):
        sock = socket.create_connection((settings.host, settings.port), timeout=limit)
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            transport = _transport_kind()(Line(sock))
        except BaseException:
            sock.close()
            raise
        try:
            transport.banner_timeout = transport.auth_timeout = limit
            options = transport.get_security_options()
            options.ciphers = tuple(sorted(options.ciphers, key=lambda name: name not in _CIPHERS))
            options.key_types = tuple(sorted(options.key_types, key=lambda name: not _is_kind(name, key_types)))
            transport.start_client(timeout=limit)
            return transport
        except BaseException:
            transport.close()
            raise


@cache
def _transport_kind() -> type[paramiko.Transport]:
    import paramiko

    class Transport(paramiko.Transport):
        """Remembers whether the line ended: paramiko reports that in a login with the words of a refused one."""

        line_ended = False

        def get_exception(self) -> Exception | None:
            error: Exception | None = super().get_exception()
            self.line_ended = self.line_ended or isinstance(error, EOFError)
            return error

    return Transport


def _is_kind(algorithm: str, key_types: Sequence[str]) -> bool:
    # an ssh-rsa key is offered under the names of its signatures
    return algorithm in key_types or (algorithm.startswith("rsa-sha2") and "ssh-rsa" in key_types)


def _check_host(name: str, settings: SftpSettings, trusted: dict[str, str], key: paramiko.PKey) -> None:
    seen = fingerprint(key)
    pinned = settings.host_key or tuple(trusted.values())
    if seen in pinned:
        return
    where = host_name(settings)
    if not pinned:
        raise HostKeyRefused(
            T(
                "The host key of {host} is not known yet: it shows {seen} ({kind}). Nothing was sent.",
                host=where,
                seen=seen,
                kind=key.get_name(),
            ),
            seen=seen,
            pinned=None,
            hint=T(
                "Compare the fingerprint with the one the server's admin gives you; when they agree, run: "
                "mistok trust {name}",
                name=name,
            ),
        )
    shown = ", ".join(pinned)
    hint = T("Ask the server's admin whether the key was changed. Only if it was, run: mistok trust {name}", name=name)
    if settings.host_key:
        hint = T(
            "Ask the server's admin whether the key was changed. Only if it was, put the new fingerprint in host_key "
            "of connection {name} (mistok trust {name} shows it).",
            name=name,
        )
    raise HostKeyRefused(
        T(
            "The host key of {host} is not the one we trust: it shows {seen} ({kind}), trusted is {pinned}. "
            "Nothing was sent.",
            host=where,
            seen=seen,
            kind=key.get_name(),
            pinned=shown,
        ),
        seen=seen,
        pinned=shown,
        hint=hint,
    )


def _private_keys(settings: SftpSettings, base: Path) -> list[paramiko.PKey]:
    import paramiko
    from cryptography.exceptions import UnsupportedAlgorithm

    keys: list[paramiko.PKey] = []
    if settings.key:
        path = base / settings.key.expanduser()
        secret = settings.key_passphrase.get_secret_value() if settings.key_passphrase else None
        try:
            keys.append(_load_key(path, secret))
        except FileNotFoundError as error:
            raise ConfigError(
                T("Key file {path} does not exist.", path=str(path)), hint=T("Mend key of the connection.")
            ) from error
        except (paramiko.PasswordRequiredException, TypeError) as error:
            raise ConfigError(
                T("Key file {path} is locked with a passphrase.", path=str(path)), hint=T("Give key_passphrase.")
            ) from error
        except (OSError, ValueError, paramiko.SSHException, UnsupportedAlgorithm) as error:
            raise ConfigError(
                T("Key file {path} cannot be read: {words}", path=str(path), words=str(error)),
                hint=T("Give an OpenSSH or PEM private key (not .ppk, not .pub), and its passphrase if it has one."),
            ) from error
    if settings.agent:
        keys.extend(paramiko.Agent().get_keys())
    if not keys and settings.password is None:
        raise ConfigError(
            T("The connection to {host} has neither a password nor a key.", host=settings.host),
            hint=T("Give password, key, or agent: true."),
        )
    return keys


def _load_key(path: Path, secret: str | None) -> paramiko.PKey:
    import paramiko

    # from_path() hands the passphrase on as text where bytes are due, so the kinds are tried one by one
    wrong: Exception | None = None
    with path.open(encoding="utf-8", errors="replace"):
        pass  # so that a missing or forbidden file is said as such
    for kind in (paramiko.Ed25519Key, paramiko.ECDSAKey, paramiko.RSAKey):
        try:
            return kind.from_private_key_file(str(path), secret)
        except paramiko.PasswordRequiredException:
            raise
        except (paramiko.SSHException, ValueError) as error:
            wrong = wrong or error
    raise wrong or ValueError("unknown kind of key")


def _log_in(transport: paramiko.Transport, settings: SftpSettings, keys: Sequence[paramiko.PKey]) -> None:
    """Keys, then the password: each once, so that no server counts us out. Raises Refused; Transient when the line
    ended, or nothing was answered, before the server said yes or no."""
    import paramiko

    refusal: paramiko.AuthenticationException | None = None
    for key in keys:
        try:
            if not transport.auth_publickey(settings.user, key):
                return
            break  # accepted, and the server wants the password as well
        except paramiko.AuthenticationException as error:
            refusal = error
            if not transport.is_active():
                break
    if settings.password is not None and transport.is_active():
        try:
            if not transport.auth_password(settings.user, settings.password.get_secret_value()):
                return
        except paramiko.AuthenticationException as error:
            refusal = error
    if getattr(transport, "line_ended", False):
        raise Transient(
            T(
                "The connection to {host}:{port} broke off in the login of {user}.",
                host=settings.host,
                port=str(settings.port),
                user=settings.user,
            ),
            code=BROKEN_LOGIN,
            hint=T("It is tried again; when it goes on, the server may be shutting us out: ask its admin."),
        ) from refusal
    if "timeout" in str(refusal).lower():
        raise TimeoutError(str(refusal)) from refusal
    if isinstance(refusal, paramiko.BadAuthenticationType):
        raise Refused(
            T(
                "{host} does not take this kind of login for {user}; it takes: {kinds}.",
                host=settings.host,
                user=settings.user,
                kinds=", ".join(refusal.allowed_types),
            ),
            hint=T("Give what the server takes: key for publickey, password for password."),
        ) from refusal
    raise Refused(
        T("{host} refused the login of {user}.", host=settings.host, user=settings.user),
        code="login",
        hint=T("Mend user, password or key of the connection. It is not tried again at once, to avoid a lock-out."),
    ) from refusal


class said:  # noqa: N801 - used as a statement: with said(settings):
    """Turns the network's and paramiko's errors into ours."""

    def __init__(self, settings: SftpSettings) -> None:
        self._settings = settings

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if not isinstance(error, Exception) or isinstance(error, MistokError):
            return  # nothing, or somebody stops us: maybe in the midst of the import below
        import paramiko

        host, port = self._settings.host, self._settings.port
        if isinstance(error, socket.gaierror):
            raise Transient(
                T("The name {host} is not known to the network: {words}", host=host, words=system_words(error)),
                hint=T("Mend host of the connection, or look at this machine's network."),
            ) from error
        if isinstance(error, TimeoutError):
            raise Transient(
                T("{host}:{port} did not answer in time.", host=host, port=str(port)),
                hint=T("It is tried again; when it goes on, look at the network, the firewall and the server."),
            ) from error
        if isinstance(error, paramiko.ssh_exception.IncompatiblePeer):
            raise Refused(
                T("{host} speaks only old ciphers or keys: {words}", host=host, words=str(error)),
                hint=T("Ask the server's admin to update it."),
            ) from error
        if isinstance(error, (OSError, EOFError, paramiko.SSHException)):
            raise Transient(
                T(
                    "The connection to {host}:{port} failed: {words}",
                    host=host,
                    port=str(port),
                    words=system_words(error),
                ),
                hint=T("It is tried again; when it goes on, look at the network, the firewall and the server."),
            ) from error
