"""A small FTP server inside this process, on one folder, for tests that script faults: it refuses, lies, loses answers,
mangles bytes in text mode, and has the manners of old servers (no MLSD, 550 for an empty folder, no renaming over).

Names on its wire are bytes, as FTP has them: they come and go in latin-1 text (``"caf\\xc3\\xa9.xml"``), which stands
for those bytes one to one. It listens on the loopback address only, knows passive mode only, and no path leads out of
its folder. With a ``tls`` context it speaks explicit TLS, and takes no login without it.
"""

from __future__ import annotations

import hmac
import os
import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from pipeline.testing.rooted import After, Cut, inside, real_path

__all__ = ["Cut", "Fault", "FtpServer", "Told"]

#: Called before each operation with its word (``login list enter size time read write delete rename mkdir rmdir``) and
#: its path below the root. None lets it happen; a reply (``550 Permission denied``) is answered instead; :class:`Cut`
#: ends the session; it may also sleep, or change files.
Fault = Callable[[str, str], str | None]
#: Called with the path and the bytes of a file that is read: what really travels.
Mangle = Callable[[str, bytes], bytes]
_WIRE = "latin-1"
_GHOST_TIME = datetime(2025, 11, 22, 8, 26, 40, tzinfo=UTC)


@dataclass
class Told:
    """What the server says of a file in a listing and in MLST, SIZE and MDTM; a lie may change it."""

    name: str
    size: int
    modified: datetime
    kind: str = "file"


#: Called with the path and what would be said of it, and with the command that asks.
Lie = Callable[[str, Told, str], None]


class FtpServer:
    """``with FtpServer(root, user="shop", password="…") as server: …``; or ``start()`` and ``stop()``."""

    host = "127.0.0.1"

    def __init__(
        self, root: Path, *, user: str, password: str, tls: ssl.SSLContext | None = None, port: int = 0
    ) -> None:
        self.root = Path(os.path.realpath(root))
        self.user = user
        self.password = password
        self.tls = tls
        self.port = port
        self.fault: Fault | None = None
        self.lie: Lie | None = None
        self.mangle: Mangle | None = None
        #: what happens when a thing is done, before it is answered
        self.after: After | None = None
        #: what it knows beyond the oldest standard; without MLST it lists by LIST
        self.features = {"MLST", "SIZE", "MDTM", "UTF8"}
        #: what it answers to the listing of an empty folder, such as ``550 No files found``; None: an empty listing
        self.empty: str | None = None
        self.rename_over = True
        #: text mode: ``asked`` as the standard has it (TYPE A), ``listing`` also after each listing, ``always`` even
        #: when binary was asked for
        self.text_mode = "asked"
        #: what ends a line on its disk, for text mode
        self.line_end = b"\n"
        #: files that are listed and served under names that no disk takes: path below the root -> bytes
        self.ghosts: dict[str, bytes] = {}
        #: every line that was said to it, whole, oldest first
        self.commands: list[str] = []
        self._listener: socket.socket | None = None
        self._threads: list[threading.Thread] = []
        self._sessions: set[socket.socket] = set()
        self._lock = threading.Lock()

    def start(self) -> Self:
        """Listen; ``port`` is known from here on, and stays the same over stop and start."""
        listener = socket.create_server((self.host, self.port), backlog=32)
        self.port = listener.getsockname()[1]
        self._listener = listener
        self._spawn(self._accept, listener)
        return self

    def stop(self) -> None:
        """End every session and stop listening."""
        listener, self._listener = self._listener, None
        if listener is None:
            return
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        with suppress(OSError):
            socket.create_connection((self.host, self.port), timeout=1).close()
        self.cut()
        for thread in self._threads:
            thread.join(5)
        self._threads = []

    def cut(self) -> None:
        """End every session without a word; new ones are welcome."""
        with self._lock:
            sessions, self._sessions = self._sessions, set()
        for sock in sessions:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.stop()

    def _spawn(self, act: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=act, args=args, name="ftpd", daemon=True)
        self._threads = [old for old in self._threads if old.is_alive()] + [thread]
        thread.start()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            if self._listener is not listener:
                sock.close()
                return
            with self._lock:
                self._sessions.add(sock)
            self._spawn(self._serve, sock)

    def _serve(self, sock: socket.socket) -> None:
        session = _Session(self, sock)
        try:
            sock.settimeout(60)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            session.talk()
        except (Cut, OSError):
            pass  # a client that hangs up ends its session only
        finally:
            with self._lock:
                self._sessions.discard(session.sock)
            with suppress(OSError):
                session.sock.shutdown(socket.SHUT_RDWR)
            session.sock.close()

    def secured(self, plain: socket.socket) -> socket.socket:
        """The session's socket, in TLS from here on."""
        assert self.tls is not None
        with self._lock:
            self._sessions.discard(plain)
        sock = self.tls.wrap_socket(plain, server_side=True)
        with self._lock:
            self._sessions.add(sock)
        return sock

    # --- what a session asks --------------------------------------------------------------------------------------

    def told(self, path: str, command: str) -> Told:
        """What is said of the file (or folder) at ``path``. Raises OSError when it is not there."""
        name = path.rsplit("/", 1)[-1]
        if path in self.ghosts:
            told = Told(name, len(self.ghosts[path]), _GHOST_TIME)
        else:
            status = real_path(self.root, os.fsdecode(path.encode(_WIRE))).lstat()
            kind = "dir" if os.path.isdir(self.root / os.fsdecode(path.encode(_WIRE))) else "file"  # noqa: PTH112 - as lstat's twin
            told = Told(name, status.st_size, datetime.fromtimestamp(int(status.st_mtime), UTC), kind)
        if self.lie:
            self.lie(path, told, command)
        return told

    def names(self, folder: str) -> list[str]:
        """Paths of what lies in ``folder``, ghosts too. Raises OSError."""
        real = real_path(self.root, os.fsdecode(folder.encode(_WIRE)))
        below = folder and folder + "/"
        ghosts = [key for key in self.ghosts if key.startswith(below)]
        return [below + os.fsencode(name).decode(_WIRE) for name in sorted(os.listdir(real))] + ghosts  # noqa: PTH208


@dataclass
class _Session:
    """One client at the counter."""

    owner: FtpServer
    sock: socket.socket
    here: str = ""
    known: bool = False
    named: str = ""
    binary: bool = False
    private: bool = False
    moving: str | None = None
    passive: socket.socket | None = None
    _rest: bytearray = field(default_factory=bytearray)

    def talk(self) -> None:
        self.say("220 scripted FTP")
        try:
            while (line := self._line()) is not None:
                self.owner.commands.append(line)
                word, _, rest = line.partition(" ")
                if not self._answer(word.upper(), rest):
                    return
        finally:
            if self.passive:
                self.passive.close()

    def say(self, words: str) -> None:
        self.sock.sendall(words.encode(_WIRE) + b"\r\n")

    def _line(self) -> str | None:
        while b"\n" not in self._rest:
            piece = self.sock.recv(4096)
            if not piece:
                return None
            self._rest += piece
        line, _, rest = bytes(self._rest).partition(b"\n")
        self._rest = bytearray(rest)
        return line.rstrip(b"\r").decode(_WIRE)

    def _answer(self, word: str, rest: str) -> bool:
        owner = self.owner
        if word == "QUIT":
            self.say("221 Bye")
            return False
        if word == "AUTH" and owner.tls is not None:
            self.say("234 Go on")
            self._rest.clear()
            self.sock = owner.secured(self.sock)
            return True
        if word in ("USER", "PASS"):
            self.say(self._login(word, rest))
        elif word not in _FREE and not self.known:
            self.say("530 Log in first")
        else:
            act = getattr(self, f"_do_{word.lower()}", None)
            self.say(act(rest) if act else "502 Not known here")
        return True

    def _login(self, word: str, rest: str) -> str:
        owner = self.owner
        if owner.tls is not None and not isinstance(self.sock, ssl.SSLSocket):
            return "530 TLS first"
        if word == "USER":
            self.named = rest
            return "331 Password"
        refused = owner.fault("login", self.named) if owner.fault else None
        if refused:
            return refused
        self.known = self.named == owner.user and hmac.compare_digest(rest.encode(_WIRE), owner.password.encode())
        return "230 Welcome" if self.known else "530 Login incorrect"

    # --- small words ---------------------------------------------------------------------------------------------

    def _do_feat(self, _rest: str) -> str:
        extra = {"MLST": "MLST type*;size*;modify*;"}
        return (
            "211-Features:\r\n"
            + "".join(f" {extra.get(name, name)}\r\n" for name in sorted(self.owner.features))
            + "211 End"
        )

    def _do_noop(self, _rest: str) -> str:
        return "200 Still here"

    def _do_opts(self, _rest: str) -> str:
        return "200 As you like"

    def _do_pbsz(self, _rest: str) -> str:
        return "200 PBSZ=0"

    def _do_prot(self, rest: str) -> str:
        self.private = rest == "P"
        return "200 Protected" if self.private else "200 Clear"

    def _do_pwd(self, _rest: str) -> str:
        return f'257 "/{self.here}" is here'

    def _do_type(self, rest: str) -> str:
        self.binary = rest.upper() == "I"
        return "200 Type set"

    def _do_pasv(self, _rest: str) -> str:
        if self.passive:
            self.passive.close()
        self.passive = socket.create_server((self.owner.host, 0))
        self.passive.settimeout(10)
        port = self.passive.getsockname()[1]
        return f"227 Entering Passive Mode (127,0,0,1,{port >> 8},{port & 255})."

    # --- one file ------------------------------------------------------------------------------------------------

    def _do_cwd(self, rest: str) -> str:
        def act(path: str) -> str:
            if not self._real(path).is_dir():
                return "550 No such directory"
            self.here = path
            return "250 Here"

        return self._do("enter", rest, act)

    def _do_size(self, rest: str) -> str:
        if "SIZE" not in self.owner.features:
            return "502 Not known here"
        if not self.binary:
            return "550 SIZE not allowed in ASCII mode"
        return self._do("size", rest, lambda path: f"213 {self.owner.told(path, 'SIZE').size}")

    def _do_mdtm(self, rest: str) -> str:
        if "MDTM" not in self.owner.features:
            return "502 Not known here"
        return self._do("time", rest, lambda path: f"213 {_moment(self.owner.told(path, 'MDTM').modified)}")

    def _do_mlst(self, rest: str) -> str:
        if "MLST" not in self.owner.features:
            return "502 Not known here"

        def act(path: str) -> str:
            return f"250-Listing\r\n {_facts(self.owner.told(path, 'MLST'))}\r\n250 End"

        return self._do("size", rest, act)

    def _do_dele(self, rest: str) -> str:
        def act(path: str) -> str:
            if self.owner.ghosts.pop(path, None) is None:
                self._real(path).unlink()
            return "250 Gone"

        return self._do("delete", rest, act)

    def _do_mkd(self, rest: str) -> str:
        def act(path: str) -> str:
            self._real(path).mkdir()
            return "257 Made"

        return self._do("mkdir", rest, act)

    def _do_rmd(self, rest: str) -> str:
        def act(path: str) -> str:
            self._real(path).rmdir()
            return "250 Gone"

        return self._do("rmdir", rest, act)

    def _do_rnfr(self, rest: str) -> str:
        path = self._path(rest)
        try:
            self.owner.told(path, "RNFR")
        except (OSError, ValueError):
            return "550 No such file"
        self.moving = path
        return "350 To what?"

    def _do_rnto(self, rest: str) -> str:
        old, self.moving = self.moving, None
        if old is None:
            return "503 RNFR first"
        real = self._real(self._path(rest))
        if real.exists() and not self.owner.rename_over:
            return "553 It exists already"

        def act(path: str) -> str:
            if path in self.owner.ghosts:
                real.write_bytes(self.owner.ghosts.pop(path))
            else:
                self._real(path).replace(real)
            return "250 Renamed"

        return self._do("rename", "/" + old, act)

    # --- transfers -----------------------------------------------------------------------------------------------

    def _do_list(self, rest: str) -> str:
        return self._listing(rest, _unix)

    def _do_mlsd(self, rest: str) -> str:
        return self._listing(rest, _facts) if "MLST" in self.owner.features else "502 Not known here"

    def _listing(self, rest: str, form: Callable[[Told], str]) -> str:
        def act(path: str) -> str:
            below = path and path + "/"
            lines = []
            for name in self.owner.names(path):
                try:
                    told = self.owner.told(name, "LIST")
                except FileNotFoundError:  # another session has deleted it just now
                    continue
                told.name = name[len(below) :]  # a ghost's may have a slash in it
                lines.append(form(told))
            if not lines and self.owner.empty is not None:
                return self.owner.empty
            data = "".join(line + "\r\n" for line in lines).encode(_WIRE)
            if self.owner.text_mode == "listing":
                self.binary = False
            return self._send(data)

        return self._do("list", rest, act)

    def _do_retr(self, rest: str) -> str:
        def act(path: str) -> str:
            ghosts = self.owner.ghosts
            data = ghosts[path] if path in ghosts else self._real(path).read_bytes()
            if self.owner.mangle:
                data = self.owner.mangle(path, data)
            return self._send(data.replace(self.owner.line_end, b"\r\n") if self._as_text() else data)

        return self._do("read", rest, act)

    def _do_stor(self, rest: str) -> str:
        def act(path: str) -> str:
            with self._real(path).open("wb") as target:
                self.say("150 Send it")
                with self._data() as data:
                    content = b"".join(iter(lambda: data.recv(65536), b""))
                if self._as_text():
                    content = content.replace(b"\r\n", b"\n").replace(b"\n", self.owner.line_end)
                target.write(content)
            return "226 Taken"

        return self._do("write", rest, act)

    def _as_text(self) -> bool:
        return not self.binary or self.owner.text_mode == "always"

    def _send(self, data: bytes) -> str:
        self.say("150 Here it comes")
        with self._data() as sock:
            sock.sendall(data)
            if isinstance(sock, ssl.SSLSocket):
                with suppress(OSError, ValueError):
                    sock.unwrap()
        return "226 That is all"

    def _data(self) -> socket.socket:
        if self.passive is None:
            raise Cut
        try:
            sock, _ = self.passive.accept()
        finally:
            self.passive.close()
            self.passive = None
        sock.settimeout(60)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.private and self.owner.tls is not None:
            return self.owner.tls.wrap_socket(sock, server_side=True)
        return sock

    # --- paths ---------------------------------------------------------------------------------------------------

    def _path(self, rest: str) -> str:
        below = (rest if rest.startswith("/") else f"{self.here}/{rest}").lstrip("/")
        if below in self.owner.ghosts:
            return below
        return inside(rest if rest.startswith("/") else below)

    def _real(self, path: str) -> Path:
        return real_path(self.owner.root, os.fsdecode(path.encode(_WIRE)))

    def _do(self, act: str, rest: str, call: Callable[[str], str]) -> str:
        path = self._path(rest)
        refused = self.owner.fault(act, path) if self.owner.fault else None
        if refused is not None:
            return refused
        try:
            reply = call(path)
        except FileNotFoundError:
            return "550 No such file or directory"
        except PermissionError:
            return "550 Permission denied"
        except (ConnectionError, TimeoutError, ssl.SSLError):
            raise
        except (OSError, ValueError) as error:
            return f"550 {error}"
        if self.owner.after is not None:
            self.owner.after(act, path)
        return reply


_FREE = {"AUTH", "PBSZ", "PROT", "FEAT", "NOOP", "OPTS"}


def _moment(time: datetime) -> str:
    return time.strftime("%Y%m%d%H%M%S")


def _facts(told: Told) -> str:
    return f"type={told.kind};size={told.size};modify={_moment(told.modified)}; {told.name}"


def _unix(told: Told) -> str:
    kind = "d" if told.kind == "dir" else "-"
    return f"{kind}rw-r--r--   1 owner group {told.size:12} {told.modified:%b %d %H:%M} {told.name}"
