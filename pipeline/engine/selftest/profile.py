"""The server profile: what a client's server really does, line by line, seen in a folder of our own.

Each line is tried by itself: what is refused becomes a line with the server's words, and the others go on.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from pipeline.engine.selftest.doors import Doors, Watcher
from pipeline.engine.selftest.folder import join
from pipeline.engine.selftest.naming import names_line
from pipeline.engine.selftest.report import Line, State
from pipeline.engine.selftest.seen import (
    RIGHTS,
    UNTRIED,
    WITHOUT,
    Seen,
    amount,
    rename_over,
    resolution_of,
    span,
    together,
)
from pipeline.errors import Changed, FolderMissing, MistokError, Refused, Transient
from pipeline.ports import Capabilities, Clock, RemoteFile, Transport
from pipeline.texts import TN, T, Text, verbatim
from pipeline.transports.common import PARTIAL

SESSIONS = 4  #: no more are tried at once
#: A time is taken for another zone's when it is off by about a multiple of this.
_QUARTER = 15 * 60
_SECOND_LOOK = 1.1  #: seconds between two files by which the resolution of times is told
_SMALL, _LARGE = 200_000, 1_000_000  #: bytes that are sent to measure the speed, over a slow line and a quick one
#: A file that is listed as empty for so many seconds, in so many looks, while it is written does not tell its growth.
_BARE, _LOOKS = 0.3, 4
_SLOW = 0.1  #: seconds of a round trip from which on a line is slow

Progress = Callable[[Text], None]


@dataclass
class Profile:
    """The lines, and what they say for machines."""

    lines: list[Line] = field(default_factory=list)
    caps: Capabilities = field(default_factory=Capabilities)

    def value(self, about: str) -> Any:
        """The value of a line; None where there is no such line."""
        return next((line.value for line in self.lines if line.about == about), None)

    def state(self, about: str) -> State:
        """The state of a line; untried where there is no such line."""
        return next((line.state for line in self.lines if line.about == about), State.UNTRIED)


class Profiler:
    """Tries the server in ``folder`` (an empty one of our own). Network failures that end a line are its words."""

    def __init__(self, doors: Doors, folder: str, temp: Path, clock: Clock, tell: Progress) -> None:
        self.doors = doors
        self.folder = folder
        self.temp = temp
        self.clock = clock
        self.tell = tell
        self.profile = Profile()
        self._idle: Transport | None = None
        self._silent_since = 0.0
        self._stamps: list[tuple[datetime, datetime]] = []  #: (what the server says, what our clock says)
        self._sizes: list[tuple[str, int, int]] = []  #: (name, as sent, as listed)
        self._short: Text | None = None  #: what was said of a file that came through with another size

    def run(self) -> Profile:
        """All lines but that of the idle session, in the order in which they are shown."""
        session = self.doors.open()
        try:
            self._line("connect", T("Connecting"), lambda: self._connect(session))
            self._line("server", T("Server"), lambda: self._server(session))
            for about, heading in RIGHTS.items():
                self._line(about, heading, lambda about=about: self._right(about))  # type: ignore[misc]
            self._line("replace", T("New file over an old one"), lambda: self._replace(session))
            self._line("move", T("Moving to another folder"), lambda: self._move(session))
            self._line("empty", T("Empty folder"), lambda: self._empty(session))
            self._line("missing", T("Folder that is not there"), lambda: self._missing(session))
            self._line("names", T("File names"), lambda: self._names(session))
            self._line("sessions", T("Sessions side by side"), self._sessions)
            self._line("speed", T("Speed"), lambda: self._speed(session))
            self._line("growing", T("File on its way"), self._growing)
            self._line("times", T("Times of files"), lambda: self._times(session))
            self._line("sizes", T("Sizes of files"), self._sized)
            self._line("features", T("Extensions"), self._features)
            self._line("round-trip", T("Round trip"), self._round_trip)
            self._line("secrecy", T("Secrecy"), self._secrecy)
        finally:
            session.close()
        return self.profile

    # --- lines ---------------------------------------------------------------------------------------------------

    def _line(self, about: str, heading: Text, look: Callable[[], Seen | None]) -> None:
        self.tell(heading)
        try:
            seen = look()
        except MistokError as error:
            seen = Seen(State.FAULT, error.text, error.hint, None)
        if seen is not None:
            self.profile.lines.append(Line(about, heading, seen.state, seen.words, seen.means, seen.value))

    def _connect(self, session: Transport) -> Seen:
        for patience in (1, 2, 0):  # a server that allows one session may not have let go of the one before
            before = time.perf_counter()
            try:
                session.list(self.folder)
                break
            except Transient:
                if not patience:
                    raise
                time.sleep(patience)
        seconds = time.perf_counter() - before
        if self.doors.kind == "local":
            return Seen(State.OK, T("a folder of this machine, or a share that it has mounted"), None, seconds)
        return Seen(State.OK, T("connected, logged in and listed in {time}", time=span(seconds)), None, seconds)

    def _server(self, session: Transport) -> Seen:
        here = join(self.folder, "probe")
        session.make_folder(here)
        self.profile.caps = caps = session.probe(here)
        with suppress(MistokError):  # our whole folder goes at the end; what is in the way of that is told there
            session.remove_folder(here)
        here_is = session.local_path("")
        name = str(here_is) if here_is is not None else caps.server or "?"
        return Seen(State.OK, verbatim(name), None, name)

    def _right(self, about: str) -> Seen:
        caps = self.profile.caps
        allowed = {"write": caps.write, "rename": caps.rename, "delete": caps.delete}.get(about)
        if about == "rename-over":
            return rename_over(caps)
        if allowed:
            return Seen(State.OK, T("allowed"), None, True)
        refused = next((finding for finding in caps.findings if finding.code == f"rights-{about}"), None)
        if allowed is None and refused is None:
            return UNTRIED
        words = refused.text if refused else T("refused")
        return Seen(State.FAULT, words, WITHOUT[about], False)

    @property
    def _usable(self) -> bool:
        """Whether files can be put there at all: most lines need some."""
        return self.profile.state("replace") is State.OK

    def _replace(self, session: Transport) -> Seen:
        if self.profile.caps.write is False:
            return UNTRIED
        for data in (b"<old/>" * 50, b"<new/>"):
            self._put(session, "replaced.xml", data)
        there = self._read(session, self._listed(session, "replaced.xml"))
        if there != b"<new/>":
            text = T("{n} bytes came back, and they are not what was sent last", n=len(there))
            return Seen(State.FAULT, text, T("The shop could read an old or a mixed catalogue."), False)
        how = {"posix-rename": T("posix-rename"), "rename": T("a plain rename"), "swap": T("a safe swap")}
        by = how.get(self.profile.caps.rename_by, T("a rename"))
        return Seen(State.OK, T("whole and in place, by {how}", how=by), None, True)

    def _move(self, session: Transport) -> Seen:
        if not self._usable:
            return UNTRIED
        self._put(session, "moved.xml", b"<moved/>")
        files = [file for file in session.list(self.folder) if file.name == "moved.xml"]
        for outcome in session.move_many(files, join(self.folder, "moved")):
            if outcome.error is not None:
                return Seen(
                    State.REMARK,
                    outcome.error.text,
                    T("Taken files cannot be moved here: `after: delete` or `after: keep`."),
                    False,
                )
        there = [file.name for file in session.list(join(self.folder, "moved"))]
        if there != ["moved.xml"]:
            return Seen(State.FAULT, T("said to be done, but the file is not in the other folder"), None, False)
        return Seen(State.OK, T("allowed; folders can be made"), None, True)

    def _empty(self, session: Transport) -> Seen:
        here = join(self.folder, "empty")
        session.make_folder(here)
        files = session.list(here)
        with suppress(MistokError):
            session.remove_folder(here)
        if files:
            return Seen(State.FAULT, T("{n} files are listed in a new folder", n=len(files)), None, "files")
        said = self.profile.caps.empty_reply
        if said:
            means = T("This error is taken for an empty folder, where the folder itself can be entered.")
            return Seen(State.OK, T("answered with an error: {words}", words=said), means, said)
        return Seen(State.OK, T("listed as empty"), None, "")

    def _missing(self, session: Transport) -> Seen:
        try:
            files = session.list(join(self.folder, "there-is-no-such-folder"))
        except FolderMissing:
            return Seen(State.OK, T("said to be missing"), None, "missing")
        except Refused as error:
            means = T("A mistyped folder is told as a matter of rights.")
            return Seen(State.REMARK, error.text, means, "refused")
        text = T("listed as if it were there, with {n} files", n=len(files))
        means = T("A mistyped or lost folder would look like a quiet shop: watch the last order's age.")
        return Seen(State.FAULT, text, means, "listed")

    def _names(self, session: Transport) -> Seen:
        if not self._usable:
            return UNTRIED
        return names_line(session, self.doors, join(self.folder, "names"), self._read)

    # --- sessions, speed -------------------------------------------------------------------------------------------

    def _sessions(self) -> Seen:
        if self.doors.kind == "local":
            return Seen(State.OK, T("as many as are wanted"), None, SESSIONS)
        held: list[Transport] = []
        refused: Text | None = None
        try:
            while len(held) + 1 < SESSIONS and refused is None:
                one = self.doors.open()
                held.append(one)
                try:
                    one.list(self.folder)
                except MistokError as error:
                    refused = error.text
        finally:
            for one in held:
                one.close()
        if refused is None:
            self._idle = self._opened()
            return Seen(State.OK, T("{n} at once are allowed (more were not tried)", n=SESSIONS), None, SESSIONS)
        words = T("{n} at once, then: {words}", n=len(held), words=refused)
        means = T("Jobs that work on this connection at the same time may fail: let their times not meet.")
        return Seen(State.REMARK, words, means if len(held) < 3 else None, len(held))

    def _opened(self) -> Transport | None:
        one = self.doors.open()
        try:
            one.list(self.folder)
        except MistokError:
            one.close()
            return None
        self._silent_since = time.monotonic()
        return one

    def idle(self) -> None:
        """Ask the session that was left alone since :meth:`run` whether it still lives; the line about it."""
        session = self._idle
        if session is None:
            return
        silence = time.monotonic() - self._silent_since
        if silence >= 1:
            self._line("idle", T("Silent session"), lambda: self._awake(session, silence))
        self.close()

    def close(self) -> None:
        """Let go of the silent session."""
        session, self._idle = self._idle, None
        if session is not None:
            session.close()

    def _awake(self, session: Transport, silence: float) -> Seen:
        try:
            session.list(self.folder)
        except Transient as error:
            text = T("ended by the server within {time} of silence: {words}", time=span(silence), words=error.text)
            return Seen(State.REMARK, text, T("Mistok opens a new one by itself."), silence)
        return Seen(State.OK, T("still alive after {time} of silence", time=span(silence)), None, silence)

    def _speed(self, session: Transport) -> Seen:
        if not self._usable:
            return UNTRIED
        slow = (self.profile.caps.round_trip or 0) > _SLOW
        # incompressible, and with everything in it that a transfer in text mode would change
        data = b"\r\n\n\r\x00\x1a\xff" + os.urandom(_SMALL if slow else _LARGE)
        with Watcher(self.doors, self.folder, enabled=self.profile.value("sessions") != 1) as self._watcher:
            before = time.perf_counter()
            self._put(session, "speed.bin", data)
            up = time.perf_counter() - before
        file = self._listed(session, "speed.bin")
        before = time.perf_counter()
        there = self._read(session, file)
        down = time.perf_counter() - before
        if there != data:
            text = T("{n} bytes came back otherwise than they were sent", n=len(data))
            return Seen(State.FAULT, text, T("Something on the way changes files: text mode, or a damaged disk."), None)
        value = {"up": round(len(data) / up), "down": round(len(data) / down), "bytes": len(data)}
        text = T("out {up}/s, in {down}/s", up=amount(value["up"]), down=amount(value["down"]))
        return Seen(State.OK, text, None, value)

    _watcher: Watcher | None = None

    def _growing(self) -> Seen | None:
        watcher = self._watcher
        if watcher is None:
            return UNTRIED
        if self._short is not None or any(sent != listed for _name, sent, listed in self._sizes):
            return UNTRIED  # what the server says of sizes tells nothing
        full = self.profile.value("speed")["bytes"] if self.profile.value("speed") else _LARGE
        final = {size for name, size in watcher.seen if name == "speed.bin"}
        partial = {size for name, size in watcher.seen if name == "speed.bin" + PARTIAL}
        if any(size < full for size in final):
            means = T("A shop could take half a catalogue.")
            return Seen(State.FAULT, T("seen under its final name before it was whole"), means, "half")
        first, last, looks = watcher.bare.get("speed.bin" + PARTIAL, (0.0, 0.0, 0))
        if any(0 < size < full for size in partial):
            means = T("A file that a site still writes is known by its size.")
            return Seen(State.OK, T("seen under its partial name, with a size that grows"), means, "grows")
        if last - first < _BARE or looks < _LOOKS:
            return Seen(State.OK, T("too quick to be seen"), None, "unseen")
        means = T("Its size tells nothing until it is whole: let the site rename files when they are, or use `marker`.")
        return Seen(State.REMARK, T("seen under its partial name, with no size that grows"), means, "hidden")

    # --- times and sizes -------------------------------------------------------------------------------------------

    def _times(self, session: Transport) -> Seen:
        if not self._usable:
            return UNTRIED
        self._stamps.clear()
        for number in range(3):
            if number:
                time.sleep(_SECOND_LOOK)
            name = f"time-{number}.xml"
            before = self.clock.now()
            self._put(session, name, b"<t/>")
            middle = before + (self.clock.now() - before) / 2
            listed = next((file for file in session.list(self.folder) if file.name == name), None)
            if listed is None or listed.modified is None:
                means = T(
                    "Another version of a file is known by its size alone: let the site give each file a new name."
                )
                return Seen(State.REMARK, T("not told exactly"), means, None)
            self._stamps.append((listed.modified, middle))
        resolution = resolution_of([stamp for stamp, _ in self._stamps])
        off = sorted((stamp - ours).total_seconds() for stamp, ours in self._stamps)[1]
        zone = round(off / _QUARTER) * 15
        rest = off - zone * 60
        value = {"resolution": resolution, "minutes": zone, "seconds": round(rest, 1)}
        finer = T("finer than a second") if resolution < 1 else TN("to {n} second", "to {n} seconds", int(resolution))
        means = T("Mistok reckons a file's age by its own first look, so that this does no harm.")
        if zone:
            text = T("{finer}; {minutes} minutes off our clock (another time zone)", finer=finer, minutes=zone)
            return Seen(State.REMARK, text, means, value)
        if abs(rest) > max(5, 2 * resolution):
            text = T("{finer}; {seconds} seconds off our clock", finer=finer, seconds=round(rest))
            return Seen(State.REMARK, text, means, value)
        return Seen(State.OK, T("{finer}, as our clock says", finer=finer), None, value)

    def _sized(self) -> Seen:
        lies = [(name, sent, listed) for name, sent, listed in self._sizes if sent != listed]
        if lies or self._short is not None:
            text = self._short
            if lies:
                name, sent, listed = lies[0]
                text = T("{name} has {sent} bytes, and the server says {listed}", name=name, sent=sent, listed=listed)
            assert text is not None
            means = T("No file can be known to be whole here: nothing is taken, and nothing is published.")
            return Seen(State.FAULT, text, means, False)
        if not self._sizes:
            return UNTRIED
        return Seen(State.OK, T("as sent"), None, True)

    # --- what it offers --------------------------------------------------------------------------------------------

    def _features(self) -> Seen | None:
        if self.doors.kind == "local":
            return None
        features = self.profile.caps.features
        words = {feature.split(" ", 1)[0].upper() for feature in features}
        if self.doors.kind == "sftp":
            has = {name.split("@")[0] for name in features}
            hashing = any(name.startswith("check-file") for name in has)
            parts = [
                T("fsync is offered") if "fsync" in has else T("no fsync"),
                T("hashes are offered") if hashing else T("no hashes: files are compared by size"),
            ]
            means = None
        else:
            listing = "MLST" in words
            parts = [
                T("exact listings (MLSD)") if listing else T("plain listings (LIST)"),
                T("exact times (MDTM)") if listing or "MDTM" in words else T("no exact times"),
                T("hashes are offered")
                if words & {"HASH", "XSHA256", "XSHA1", "XMD5", "XCRC"}
                else T("no hashes: files are compared by size"),
            ]
            parts += [T("EPSV is known")] if "EPSV" in words else []
            means = None if listing else T("LIST is read line by line; times come by one question for each new file.")
        return Seen(State.OK, together(parts), means, list(features))

    def _round_trip(self) -> Seen:
        seconds = self.profile.caps.round_trip
        if seconds is None:
            return UNTRIED
        means = T("A run asks some dozens of questions: it takes seconds here.") if seconds > _SLOW else None
        return Seen(State.OK, T("{time} (median)", time=span(seconds)), means, round(seconds, 6))

    def _secrecy(self) -> Seen | None:
        if self.doors.kind not in ("ftp", "ftps"):
            return None
        if self.doors.settings.get("tls") != "none":
            return Seen(State.OK, T("login and files travel under TLS"), None, "tls")
        offered = any(feature.upper().startswith("AUTH") for feature in self.profile.caps.features)
        means = (
            T("The server offers TLS: set `tls: explicit`, and run mistok trust.")
            if offered
            else T("Ask the server's admin for FTPS or SFTP.")
        )
        text = T("password and orders travel in the clear")
        return Seen(State.REMARK, text, means, "offered" if offered else "none")

    # --- helpers ---------------------------------------------------------------------------------------------------

    def _put(self, session: Transport, name: str, data: bytes) -> None:
        try:
            session.write(self.folder, name, data)
        except MistokError as error:
            if error.code == "short":  # what was sent and what the server says are two numbers
                self._short = error.text
            raise
        self._compare(session, name, len(data))

    def _compare(self, session: Transport, name: str, size: int) -> None:
        """Note what the server says of a file's size."""
        self._sizes += [(file.name, size, file.size) for file in session.list(self.folder) if file.name == name]

    def _listed(self, session: Transport, name: str) -> RemoteFile:
        """A file that was just written. Raises Changed when the listing does not have it."""
        for file in session.list(self.folder):
            if file.name == name:
                return file
        raise Changed(
            T("{name} was written and is not listed", name=name),
            hint=T("Orders that a site leaves would not be seen: look which names the server hides."),
        )

    def _read(self, session: Transport, file: RemoteFile) -> bytes:
        for result in session.read_many([file], self.temp):
            if result.error is not None:
                raise result.error
            if result.path is not None:
                data = result.path.read_bytes()
                result.path.unlink()
                return data
        raise Changed(T("{name} is gone from the server.", name=file.name))
