"""A small SFTP server inside this process, on one folder: for ``mistok demo`` and for tests that script faults.

It listens on the loopback address only, and no path leads out of its folder.
"""

from __future__ import annotations

import hmac
import io
import os
import socket
import stat
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO, Self, TypeVar

import paramiko
from paramiko.common import AUTH_FAILED, AUTH_SUCCESSFUL, OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED, OPEN_SUCCEEDED
from paramiko.sftp import SFTP_FAILURE, SFTP_NO_SUCH_FILE, SFTP_OK, SFTP_OP_UNSUPPORTED, SFTP_PERMISSION_DENIED

from pipeline.testing.rooted import After, Cut, inside, real_path
from pipeline.transports.sftp_session import fingerprint

if TYPE_CHECKING:
    from typing_extensions import Buffer

#: Called before each operation with its word and its path below the root (``inbox/a.xml``; the user for ``login``).
#: None lets it happen; a number is answered as an SFTP status instead; :class:`Cut` ends the session; it may also
#: sleep, or change files.
Fault = Callable[[str, str], int | None]
#: Called with the path and what would be said of it (size, times), which it may change.
Lie = Callable[[str, paramiko.SFTPAttributes], None]
R = TypeVar("R")
__all__ = ["Cut", "Fault", "Lie", "SftpServer"]
_BINARY = getattr(os, "O_BINARY", 0)
_GHOST_TIME = 1_763_800_000


class SftpServer:
    """``with SftpServer(root, user="shop", password="…") as server: …``; or ``start()`` and ``stop()``.

    ``host_key``: a key, or a file that is read, and made when it is missing; without it a new key each time.
    ``authorized``: public keys that may log in as ``user`` too.
    """

    host = "127.0.0.1"

    def __init__(
        self,
        root: Path,
        *,
        user: str,
        password: str | None = None,
        host_key: paramiko.PKey | Path | None = None,
        authorized: Sequence[paramiko.PKey] = (),
        port: int = 0,
    ) -> None:
        self.root = Path(os.path.realpath(root))
        self.user = user
        self.password = password
        self.authorized = tuple(authorized)
        self.port = port
        self.fault: Fault | None = None
        self.lie: Lie | None = None
        #: called with the path and the bytes of a file that is opened to be read: what really travels
        self.mangle: Callable[[str, bytes], bytes] | None = None
        #: what happens when a thing is done, before it is answered
        self.after: After | None = None
        #: files that are listed and served under names that no disk takes: path below the root -> bytes
        self.ghosts: dict[str, bytes] = {}
        #: a read gives no more bytes than this, however many are asked for
        self.piece: int | None = None
        #: what was asked of it, in order: ``login shop``, ``list inbox``, ``read inbox/a.xml``, …
        self.asked: list[str] = []
        #: whether it knows posix-rename@openssh.com
        self.posix_rename = True
        self._key = _host_key(host_key)
        self._listener: socket.socket | None = None
        self._thread: threading.Thread | None = None
        self._sessions: list[paramiko.Transport] = []
        #: held here, because a session that is cut at the wrong moment leaves what it had open to nobody
        self._streams: list[BinaryIO] = []
        self._lock = threading.Lock()

    def change_host_key(self, key: paramiko.PKey | None = None) -> str:
        """Show another host key (a new one by default) to whoever connects from here on; gives its fingerprint."""
        self._key = _host_key(key)
        return self.fingerprint

    @property
    def fingerprint(self) -> str:
        """Of the host key: ``SHA256:…``."""
        return fingerprint(self._key)

    def start(self) -> Self:
        """Listen; ``port`` is known from here on, and stays the same over stop and start."""
        listener = socket.create_server((self.host, self.port))
        self.port = listener.getsockname()[1]
        self._listener = listener
        self._thread = threading.Thread(target=self._accept, args=(listener,), name="sftpd", daemon=True)
        self._thread.start()
        return self

    def stop(self) -> None:
        """End every session and stop listening."""
        listener, self._listener = self._listener, None
        if listener is None:
            return
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        # where shutdown does not wake an accept, a knock does
        with suppress(OSError):
            socket.create_connection((self.host, self.port), timeout=1).close()
        if self._thread:
            self._thread.join(5)
        self.cut()

    def cut(self) -> None:
        """End every session without a word; new ones are welcome."""
        with self._lock:
            sessions, self._sessions = self._sessions, []
        for session in sessions:
            session.close()
            session.join(5)
        with self._lock:
            streams, self._streams = self._streams, []
        for stream in streams:
            stream.close()

    def open_files(self) -> int:
        """How many files its clients have open."""
        with self._lock:
            return sum(not stream.closed for stream in self._streams)

    def opened(self, stream: BinaryIO) -> BinaryIO:
        """``stream``, which is closed with the sessions at the latest."""
        with self._lock:
            self._streams = [old for old in self._streams if not old.closed] + [stream]
        return stream

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.stop()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            if self._listener is not listener:
                sock.close()
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            session = paramiko.Transport(sock)
            session.add_server_key(self._key)
            session.set_subsystem_handler("sftp", paramiko.SFTPServer, _Files, owner=self, session=session)
            with self._lock:
                self._sessions = [old for old in self._sessions if old.is_active() or not old.is_alive()] + [session]
            # an event makes it return at once, so that a slow client does not hold up the next
            with suppress(paramiko.SSHException, EOFError, OSError):
                session.start_server(event=threading.Event(), server=_Door(self, session))


class _Door(paramiko.ServerInterface):
    """Who may come in, and for what."""

    def __init__(self, owner: SftpServer, session: paramiko.Transport) -> None:
        self._owner = owner
        self._session = session

    def get_allowed_auths(self, username: str) -> str:
        self._owner.asked.append(f"auths {username}")
        kinds = [word for word, on in (("password", self._owner.password), ("publickey", self._owner.authorized)) if on]
        return ",".join(kinds)

    def check_auth_password(self, username: str, password: str) -> int:
        owner = self._owner
        owner.asked.append(f"login {username}")
        if owner.fault is not None:
            try:
                if owner.fault("login", username) is not None:
                    return AUTH_FAILED
            except Cut:
                self._session.close()
                return AUTH_FAILED
        known = owner.password is not None and username == owner.user
        right = hmac.compare_digest(password.encode(), (owner.password or "").encode())
        return AUTH_SUCCESSFUL if known and right else AUTH_FAILED

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        self._owner.asked.append(f"login {username}")
        known = username == self._owner.user and key in self._owner.authorized
        return AUTH_SUCCESSFUL if known else AUTH_FAILED

    def check_channel_request(self, kind: str, chanid: int) -> int:  # noqa: ARG002 - paramiko's signature
        return OPEN_SUCCEEDED if kind == "session" else OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED


class _File(paramiko.SFTPHandle):
    """An open file."""

    def __init__(self, flags: int, path: str, stream: BinaryIO, files: _Files) -> None:
        super().__init__(flags)
        self._path = path
        self._files = files
        self._stream = stream
        self.readfile = self.writefile = stream  # the names that the base class works with

    def read(self, offset: int, length: int) -> bytes | int:
        refused = self._files.asked("read", self._path)
        if refused is not None:
            return refused
        return super().read(offset, min(length, self._files.piece or length))

    def write(self, offset: int, data: Buffer) -> int:
        refused = self._files.asked("write", self._path)
        return super().write(offset, data) if refused is None else refused

    def stat(self) -> paramiko.SFTPAttributes | int:
        self._stream.flush()
        return self._files.told(self._path, os.fstat(self._stream.fileno()))


class _Ghost(_File):
    """An open file that lies on no disk."""

    def stat(self) -> paramiko.SFTPAttributes | int:
        return self._files.stat("/" + self._path)


class _Mangled(_File):
    """An open file, of which other bytes are served than lie there."""

    def stat(self) -> paramiko.SFTPAttributes | int:
        return self._files.stat("/" + self._path)


class _Files(paramiko.SFTPServerInterface):
    """The folder, as SFTP."""

    def __init__(
        self,
        server: paramiko.ServerInterface,
        *args: object,
        owner: SftpServer,
        session: paramiko.Transport,
        **more: object,
    ) -> None:
        super().__init__(server, *args, **more)
        self._owner = owner
        self._session = session

    @property
    def piece(self) -> int | None:
        """The most bytes that one read gives."""
        return self._owner.piece

    def asked(self, act: str, path: str) -> int | None:
        """What the scripted fault says to this."""
        self._owner.asked.append(f"{act} {path}")
        if self._owner.fault is None:
            return None
        try:
            return self._owner.fault(act, path)
        except Cut:
            self._session.close()
            return int(SFTP_FAILURE)

    def done(self, act: str, path: str) -> None:
        """It is done; what happens before it is answered."""
        if self._owner.after is not None:
            try:
                self._owner.after(act, path)
            except Cut:
                self._session.close()

    def told(self, path: str, status: os.stat_result, name: str | None = None) -> paramiko.SFTPAttributes:
        """What is said of a file."""
        attributes = paramiko.SFTPAttributes.from_stat(status, name)
        if self._owner.lie:
            self._owner.lie(path, attributes)
        return attributes

    def canonicalize(self, path: str) -> str:
        return "/" + inside(path)

    def list_folder(self, path: str) -> list[paramiko.SFTPAttributes] | int:
        def act(real: Path, shown: str) -> list[paramiko.SFTPAttributes]:
            found: list[paramiko.SFTPAttributes] = []
            for name in os.listdir(real):  # noqa: PTH208 - names only, as they are
                with suppress(FileNotFoundError):
                    found.append(self.told(f"{shown}/{name}".lstrip("/"), (real / name).lstat(), name))
            below = shown and shown + "/"
            ghosts = [key for key in self._owner.ghosts if key.startswith(below)]
            return found + [self._ghost(key, key[len(below) :]) for key in ghosts]

        return self._do("list", path, act)

    def stat(self, path: str) -> paramiko.SFTPAttributes | int:
        if path.lstrip("/") in self._owner.ghosts:
            return self._ghost(path.lstrip("/"))
        return self._do("stat", path, lambda real, shown: self.told(shown, real.stat()))

    def lstat(self, path: str) -> paramiko.SFTPAttributes | int:
        if path.lstrip("/") in self._owner.ghosts:
            return self._ghost(path.lstrip("/"))
        return self._do("stat", path, lambda real, shown: self.told(shown, real.lstat()))

    def open(self, path: str, flags: int, attr: paramiko.SFTPAttributes) -> paramiko.SFTPHandle | int:  # noqa: ARG002
        ghost = path.lstrip("/")
        if ghost in self._owner.ghosts:
            refused = self.asked("open", ghost)
            spirit = _Ghost(flags, ghost, io.BytesIO(self._owner.ghosts[ghost]), self)
            return refused if refused is not None else spirit

        def act(real: Path, shown: str) -> paramiko.SFTPHandle:
            writes = flags & (os.O_WRONLY | os.O_RDWR)
            if real.is_dir():
                raise PermissionError
            if self._owner.mangle is not None and not writes:
                data = self._owner.mangle(shown, real.read_bytes())
                return _Mangled(flags, shown, io.BytesIO(data), self)
            # always readable as well, so that one stream serves both; never appending: offsets come with the data
            mode = (flags & ~(os.O_WRONLY | os.O_APPEND)) | os.O_RDWR if writes else flags
            handle = os.open(real, mode | _BINARY, 0o666)
            stream = self._owner.opened(os.fdopen(handle, "r+b" if writes else "rb"))
            return _File(flags, shown, stream, self)

        return self._do("open", path, act)

    def remove(self, path: str) -> int:
        if path.lstrip("/") in self._owner.ghosts:
            refused = self.asked("remove", path.lstrip("/"))
            if refused is None:
                del self._owner.ghosts[path.lstrip("/")]
            return int(SFTP_OK) if refused is None else refused
        return self._plain("remove", path, lambda real: real.unlink())

    def rename(self, oldpath: str, newpath: str) -> int:
        def act(real: Path) -> None:
            target = real_path(self._owner.root, newpath)
            if os.path.lexists(target):
                raise FileExistsError
            real.rename(target)

        return self._plain("rename", oldpath, act)

    def posix_rename(self, oldpath: str, newpath: str) -> int:
        if not self._owner.posix_rename:
            return int(SFTP_OP_UNSUPPORTED)
        return self._plain("posix-rename", oldpath, lambda real: real.replace(real_path(self._owner.root, newpath)))

    def mkdir(self, path: str, attr: paramiko.SFTPAttributes) -> int:  # noqa: ARG002 - the server's own rights
        return self._plain("mkdir", path, lambda real: real.mkdir())

    def rmdir(self, path: str) -> int:
        return self._plain("rmdir", path, lambda real: real.rmdir())

    def _ghost(self, key: str, name: str | None = None) -> paramiko.SFTPAttributes:
        attributes = paramiko.SFTPAttributes()
        attributes.st_mode = stat.S_IFREG | 0o644
        attributes.st_size = len(self._owner.ghosts[key])
        attributes.st_mtime = attributes.st_atime = _GHOST_TIME
        if name is not None:
            attributes.filename = name
        if self._owner.lie:
            self._owner.lie(key, attributes)
        return attributes

    def _plain(self, act: str, path: str, call: Callable[[Path], object]) -> int:
        def done(real: Path, _: str) -> int:
            call(real)
            return int(SFTP_OK)

        return self._do(act, path, done)

    def _do(self, act: str, path: str, call: Callable[[Path, str], R]) -> R | int:
        shown = inside(path)
        refused = self.asked(act, shown)
        if refused is not None:
            return refused
        try:
            result = call(real_path(self._owner.root, path), shown)
            self.done(act, shown)
            return result
        except (FileNotFoundError, NotADirectoryError):
            return int(SFTP_NO_SUCH_FILE)
        except PermissionError:
            return int(SFTP_PERMISSION_DENIED)
        except (OSError, ValueError):
            return int(SFTP_FAILURE)


def _host_key(given: paramiko.PKey | Path | None) -> paramiko.PKey:
    if isinstance(given, paramiko.PKey):
        return given
    if given is not None and given.exists():
        return paramiko.ECDSAKey.from_private_key_file(str(given))
    key = paramiko.ECDSAKey.generate()
    if given is not None:
        key.write_private_key_file(str(given))
    return key
