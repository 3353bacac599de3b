"""A logged-in FTP session: plain, explicit TLS (AUTH TLS) or implicit TLS; the data channels reuse its TLS session.

Everything on the control channel is latin-1 on our side, so that every byte of a name goes through as it is; names are
encoded and decoded by the transport.
"""

from __future__ import annotations

import ftplib
import re
import socket
import ssl
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from pipeline.errors import ConfigError, HostKeyRefused, MistokError, Refused, Transient, system_words
from pipeline.texts import T
from pipeline.transports.ftp_settings import FtpSettings, certificate_fingerprint, pinned_certificates, server_name

_WIRE = "latin-1"
#: So many small commands are sent before the reply to the first of them is awaited.
AHEAD = 32
#: Seconds that a server has for the first two that it is sent so.
_TRIAL = 5.0
#: Words by which servers say with the number of a wrong login (530) that too many are logged in already.
_CROWDED = re.compile(r"(too many|max\w*)( \S+){0,4}? (connect|client|user|session)", re.IGNORECASE)


#: Words by which servers say that it is a matter of rights (the number, 550, is the same as for a missing file).
_RIGHTS = ("permission", "denied", "not allowed", "forbidden", "failed to open directory", "prohibited")


def is_rights(error: ftplib.Error) -> bool:
    """Whether a server's "no" is a matter of rights."""
    return any(word in str(error).lower() for word in _RIGHTS)


@dataclass
class Manners:
    """What was learnt of a server, for all connections to it: asked once, and known to those that come later."""

    features: dict[str, str] | None = None
    home: str = ""
    #: whether it takes commands that are sent before it has answered those before; None: not tried yet
    ahead: bool | None = None
    broken: int = 0  #: so many connections ended while it had such commands


Reply = str | ftplib.Error
Replies = list[Reply]


class Session(ftplib.FTP):
    """One control connection. Names and replies on it are latin-1 text that stands for bytes."""

    def __init__(
        self,
        settings: FtpSettings,
        context: ssl.SSLContext | None,
        pins: tuple[str, ...],
        manners: Manners | None = None,
    ) -> None:
        super().__init__(encoding=_WIRE)
        self._settings = settings
        self._context = context
        self._pins = pins
        self.manners = manners or Manners()
        self.features: dict[str, str] = {}
        self.banner = ""
        self._binary = False
        self.set_pasv(settings.passive)

    def begin(self) -> None:
        """Connect, and with TLS check who it is. Raises ftplib's and the network's errors, HostKeyRefused."""
        settings = self._settings
        self.host, self.port = settings.host, settings.real_port
        self.timeout = settings.connect_timeout.total_seconds()
        self.sock = socket.create_connection((self.host, self.port), self.timeout)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.af = self.sock.family
        if settings.tls == "implicit":
            self._secure()
        self.file = self.sock.makefile("r", encoding=_WIRE)
        self.welcome = self.getresp()
        self.banner = as_words(self.welcome or "").removeprefix("220").strip(" -")
        if settings.tls == "explicit":
            try:
                self.voidcmd("AUTH TLS")
            except ftplib.error_perm as error:
                raise Refused(
                    T("{host} offers no TLS: {words}", host=self.host, words=as_words(error)),
                    hint=T("Ask the server's admin for FTPS or SFTP; tls: none would send the password in the clear."),
                ) from error
            self._secure()
            self.file = self.sock.makefile("r", encoding=_WIRE)
        self.timeout = settings.timeout.total_seconds()
        self.sock.settimeout(self.timeout)

    def enter(self) -> None:
        """Log in and agree on binary, protected transfers. Raises Refused for a wrong login."""
        settings = self._settings
        name = settings.user.encode(settings.encoding, "replace").decode(_WIRE)
        secret = settings.password.get_secret_value().encode(settings.encoding, "replace").decode(_WIRE)
        if any(c in secret for c in "\r\n\0"):
            raise Refused(
                T("The password for {host} has a line end in it.", host=self.host),
                hint=T("Take the line end out of the file or variable that holds it."),
            )
        try:
            self.login(name, secret)
        except ftplib.error_perm as error:
            if _CROWDED.search(as_words(error)):
                raise ftplib.error_temp(str(error)) from error  # noqa: S321 - only its kind
            raise Refused(
                T(
                    "{host} refused the login of {user}: {words}",
                    host=self.host,
                    user=settings.user,
                    words=as_words(error),
                ),
                code="login",
                hint=T("Mend user, password or tls of the connection. It is not tried again at once."),
            ) from error
        if self.manners.features is not None:
            self.features = dict(self.manners.features)
            self._agree_at_once()
            return
        if self._context is not None:
            self.voidcmd("PBSZ 0")
            self.voidcmd("PROT P")
        self._ask_features()
        if self._takes_utf8():
            with suppress(ftplib.error_perm):  # most servers speak it without being asked
                self.voidcmd("OPTS UTF8 ON")
        self.binary()
        self.manners.features = dict(self.features)
        try:
            self.manners.home = self.pwd() or "/"
        except ftplib.error_perm:
            self.manners.home = "/"

    def _agree_at_once(self) -> None:
        """The same with a server that is known already, in one round trip."""
        needed = [] if self._context is None else ["PBSZ 0", "PROT P"]
        liked = ["OPTS UTF8 ON"] if self._takes_utf8() else []
        for command, reply in zip([*liked, *needed, "TYPE I"], self.ask_many([*liked, *needed, "TYPE I"]), strict=True):
            if isinstance(reply, ftplib.Error) and command not in liked:
                raise reply
        self._binary = True

    def _takes_utf8(self) -> bool:
        return "UTF8" in self.features and self._settings.encoding.lower().replace("-", "") == "utf8"

    def ask_many(self, commands: Sequence[str]) -> Replies:
        """The reply to each of ``commands``, none of which may transfer anything; a "no" is among them as an error.

        Many are asked before the first answer is awaited, where the server takes that: it is tried once with two that
        do nothing, and given up when it goes wrong. Raises the network's errors.
        """
        if len(commands) > 1:
            self.try_ahead()
        waiting, replies = iter(commands), Replies()
        while some := list(islice(waiting, AHEAD if self.manners.ahead else 1)):
            try:
                replies += self._ask_ahead(some)
            except (OSError, EOFError) as error:
                if len(some) > 1:
                    self._broke(error)
                raise
        return replies

    def _ask_ahead(self, commands: Sequence[str]) -> Iterator[Reply]:
        assert self.sock is not None
        if any(c in command for command in commands for c in "\r\n"):
            raise ValueError("a line end in a command")
        self.sock.sendall("".join(command + "\r\n" for command in commands).encode(_WIRE))
        for _ in commands:
            try:
                yield self.getresp()
            except (ftplib.error_perm, ftplib.error_temp) as error:
                if str(error).startswith("421"):
                    raise  # it says goodbye
                yield error

    def try_ahead(self) -> None:
        """Find out whether the server takes commands ahead, unless that is known. Raises the network's errors: it may
        be of no use after that."""
        if self.manners.ahead is not None:
            return
        assert self.sock is not None
        self.sock.settimeout(min(_TRIAL, self._settings.timeout.total_seconds()))
        try:
            list(self._ask_ahead(["NOOP", "NOOP"]))
        except (OSError, EOFError) as error:
            self._broke(error)
            raise
        self.manners.ahead = True
        self.sock.settimeout(self._settings.timeout.total_seconds())

    def _broke(self, error: Exception) -> None:
        """It went wrong while there were questions ahead: silence is not borne twice, a break may be the network's."""
        self.manners.broken += 1
        if isinstance(error, TimeoutError) or self.manners.broken > 1:
            self.manners.ahead = False

    def binary(self) -> None:
        """Be in binary mode. After a listing it is asked for anew: some servers are in text mode then, and would
        rewrite line ends."""
        if not self._binary:
            self.voidcmd("TYPE I")
            self._binary = True

    def transfercmd(self, cmd: str, rest: int | str | None = None) -> socket.socket:
        """As ftplib's."""
        if not cmd.startswith(("RETR", "STOR")):
            self._binary = False
        return super().transfercmd(cmd, rest)

    def _ask_features(self) -> None:
        try:
            reply = self.sendcmd("FEAT")
        except ftplib.error_perm:
            return
        for line in reply.splitlines()[1:]:
            if line.startswith(" "):
                word, _, rest = line.strip().partition(" ")
                self.features[word.upper()] = rest

    def ntransfercmd(self, cmd: str, rest: int | str | None = None) -> tuple[socket.socket, int | None]:
        """A data connection, secured as the control connection is."""
        conn, size = super().ntransfercmd(cmd, rest)
        try:
            conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._context is None:
                return conn, size
            assert isinstance(self.sock, ssl.SSLSocket)
            # one that was reset meanwhile would be left open by wrap_socket, which looks into it before the handshake
            conn.getpeername()
            # vsftpd and ProFTPD take a data connection only when it continues the session of the control connection
            secured = self._context.wrap_socket(
                conn, server_hostname=self.host, session=self.sock.session, suppress_ragged_eofs=False
            )
        except BaseException:
            conn.close()
            raise
        try:
            self._check_pin(secured)
        except BaseException:
            secured.close()
            raise
        return secured, size

    def _secure(self) -> None:
        assert self._context is not None
        assert self.sock is not None
        self.sock = self._context.wrap_socket(self.sock, server_hostname=self.host)
        self._check_pin(self.sock)

    def _check_pin(self, sock: ssl.SSLSocket) -> None:
        if not self._pins:
            return  # the context verified it
        der = sock.getpeercert(binary_form=True)
        seen = certificate_fingerprint(der) if der else ""
        if seen not in self._pins:
            raise Unpinned(seen)

    def peer_certificate(self) -> bytes:
        """The server's certificate (DER)."""
        der = self.sock.getpeercert(binary_form=True) if isinstance(self.sock, ssl.SSLSocket) else None
        return der or b""


class Unpinned(Exception):
    """The certificate is not a pinned one."""

    def __init__(self, seen: str) -> None:
        super().__init__(seen)
        self.seen = seen


def connect(name: str, settings: FtpSettings, base: Path, manners: Manners | None = None) -> Session:
    """A new session, logged in; ``manners``: what other sessions have learnt, and learn from this one. Raises
    Transient, HostKeyRefused, Refused, ConfigError."""
    context: ssl.SSLContext | None = None
    pins: tuple[str, ...] = ()
    if settings.tls != "none":
        pins = pinned_certificates(settings, base)
        context = _context(settings, base, verify=not pins)
    session = Session(settings, context, pins, manners)
    try:
        with said(settings):
            try:
                session.begin()
            except Unpinned as error:
                raise _refused(name, settings, error.seen, pins) from error
            except ssl.SSLCertVerificationError as error:
                raise _refused(name, settings, _seen(settings, base), pins, error.verify_message) from error
            except ssl.SSLError as error:
                raise _no_tls(settings, error) from error
            session.enter()
    except BaseException:
        session.close()
        raise
    return session


def peer_certificate(settings: FtpSettings, base: Path) -> bytes:
    """The certificate (DER) that the server shows, unverified; nothing is sent. Raises Transient, Refused."""
    with said(settings):
        session = Session(settings, _context(settings, base, verify=False), ())
        try:
            session.begin()
            return session.peer_certificate()
        finally:
            session.close()


def _seen(settings: FtpSettings, base: Path) -> str:
    return certificate_fingerprint(peer_certificate(settings, base))


def _context(settings: FtpSettings, base: Path, *, verify: bool) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if not verify:
        # a pin says more than a CA: exactly this certificate
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context
    if settings.ca is None:
        context.load_default_certs()
        return context
    path = base / settings.ca.expanduser()
    try:
        context.load_verify_locations(cafile=path)
    except OSError as error:
        raise ConfigError(
            T("File {path} cannot be read: {words}", path=str(path), words=system_words(error)),
            hint=T("Give the CA's certificates in PEM form."),
        ) from error
    return context


def _refused(
    name: str, settings: FtpSettings, seen: str, pins: tuple[str, ...], why: str | None = None
) -> HostKeyRefused:
    host = server_name(settings)
    pinned = ", ".join(pins) or None
    if pinned is None:
        return HostKeyRefused(
            T(
                "The certificate of {host} is not trusted ({why}): it shows {seen}. Nothing was sent.",
                host=host,
                why=why or "?",
                seen=seen,
            ),
            seen=seen,
            pinned=None,
            hint=T(
                "Compare the fingerprint with the one the server's admin gives you; when they agree, run: "
                "mistok trust {name}",
                name=name,
            ),
        )
    hint = T(
        "Ask the server's admin whether the certificate was renewed. Only if it was, run: mistok trust {name}",
        name=name,
    )
    if settings.certificate:
        hint = T(
            "Ask the server's admin whether the certificate was renewed. Only if it was, put the new fingerprint in "
            "certificate of connection {name} (mistok trust {name} shows it).",
            name=name,
        )
    return HostKeyRefused(
        T(
            "The certificate of {host} is not the one we trust: it shows {seen}, trusted is {pinned}. "
            "Nothing was sent.",
            host=host,
            seen=seen,
            pinned=pinned,
        ),
        seen=seen,
        pinned=pinned,
        hint=hint,
    )


def _no_tls(settings: FtpSettings, error: ssl.SSLError) -> MistokError:
    words = error.reason or str(error)
    host, port = settings.host, str(settings.real_port)
    if words in _NOT_TLS:
        return Refused(
            T("{host}:{port} does not speak this kind of TLS: {words}", host=host, port=port, words=words),
            hint=T("Mend tls (none, explicit, implicit) or port of the connection."),
        )
    return Transient(T("The connection to {host}:{port} failed: {words}", host=host, port=port, words=words))


class said:  # noqa: N801 - used as a statement: with said(settings):
    """Turns the network's and ftplib's errors into ours. 5xx replies of single files are dealt with before."""

    def __init__(self, settings: FtpSettings) -> None:
        self._settings = settings

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if error is None or isinstance(error, MistokError):
            return
        host, port = self._settings.host, str(self._settings.real_port)
        again = T("It is tried again; when it goes on, look at the network, the firewall and the server.")
        if isinstance(error, socket.gaierror):
            raise Transient(
                T(
                    "The name {host} is not known to the network: {words}",
                    host=host,
                    words=system_words(error),
                ),
                hint=T("Mend host of the connection, or look at this machine's network."),
            ) from error
        if isinstance(error, TimeoutError):
            raise Transient(T("{host}:{port} did not answer in time.", host=host, port=port), hint=again) from error
        if isinstance(error, ssl.SSLCertVerificationError):
            raise Refused(
                T("The certificate of {host} is not trusted: {words}", host=host, words=error.verify_message)
            ) from error
        # vsftpd says 500 OOPS with its last breath, when it is stopped in the middle of a session
        if isinstance(error, ftplib.error_perm) and "OOPS" not in str(error):
            raise Refused(
                T("{host} refuses: {words}", host=host, words=as_words(error)),
                hint=T("Ask the server's admin for the right to do this as user {user}.", user=self._settings.user),
            ) from error
        if isinstance(error, ftplib.Error):
            raise Transient(
                T("{host} cannot do it now: {words}", host=host, words=as_words(error)), hint=again
            ) from error
        if isinstance(error, (OSError, EOFError)):
            words = system_words(error) if str(error) else T("the other side broke off")
            raise Transient(
                T("The connection to {host}:{port} failed: {words}", host=host, port=port, words=words), hint=again
            ) from error


_NOT_TLS = {"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "UNSUPPORTED_PROTOCOL", "UNKNOWN_PROTOCOL"}


def as_words(reply: object) -> str:
    """A server's reply as text: what it sent as bytes, read as UTF-8 or windows-1251."""
    raw = str(reply).encode(_WIRE, "replace")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("cp1251", "replace")
