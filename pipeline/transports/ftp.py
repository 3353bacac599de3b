"""Folders of an FTP or FTPS server. One file at a time: FTP cannot have two transfers on one connection. What is no
transfer (looks, deletes, renames) is asked for many files together."""

from __future__ import annotations

import ftplib
import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import TypeVar

from pipeline.errors import FolderMissing, MistokError, Refused, Transient, Who
from pipeline.ports import Capabilities, FileOutcome, Gate, ReadResult, RemoteFile, Transport, open_gate
from pipeline.texts import T
from pipeline.transports import common, ftp_ahead
from pipeline.transports.ftp_data import finish, piece_of, put_over, upload
from pipeline.transports.ftp_listing import (
    FILE,
    FOLDER,
    Entry,
    Unreadable,
    parse_facts,
    parse_list,
    parse_mlsd,
    parse_moment,
)
from pipeline.transports.ftp_probe import Probed, probe
from pipeline.transports.ftp_session import (
    AHEAD,
    Manners,
    Session,
    as_words,
    connect,
    is_rights,
    said,
)
from pipeline.transports.ftp_settings import FtpSettings

R = TypeVar("R")
Entries = list[Entry]  # inside the class, list is the port's own word
Outcomes = list[FileOutcome]
Commands = tuple[str, ...]
Act = Callable[[RemoteFile], Commands]
Times = dict[bytes, tuple[tuple[int, bytes], datetime | None]]
_WIRE = "latin-1"


class FtpTransport:
    """See :class:`pipeline.ports.Transport`.

    Between the look and the delete a window of one round trip remains: FTP has no compare-and-delete.
    """

    def __init__(
        self,
        name: str,
        settings: FtpSettings,
        *,
        base: Path,
        gate: Gate = open_gate,
        manners: Manners | None = None,
    ) -> None:
        self.name = name
        self._settings = settings
        self._base = base
        self._gate = gate
        self._manners = manners or Manners()
        self._session: Session | None = None
        self._here: str | None = None
        self._curt = False  #: the server ends its TLS data connections without saying so
        self._empty_reply = ""  #: the error by which the server last answered the listing of an empty folder
        #: folder -> name -> (size and rough time, exact time), for servers whose listing has rough times only
        self._times: dict[str, Times] = {}

    # --- the port ------------------------------------------------------------------------------------------------

    def list(self, folder: str) -> Sequence[RemoteFile]:
        folder = common.clean_folder(folder)
        return self._run(lambda: self._list(folder))

    def read_many(self, files: Iterable[RemoteFile], into: Path) -> Iterator[ReadResult]:
        return self.read_small(files, into, -1)  # not even an empty one

    def read_small(self, files: Iterable[RemoteFile], into: Path, limit: int) -> Iterator[ReadResult]:
        dead: MistokError | None = None
        for file in files:
            if dead:
                yield common.failed(file, dead)
                continue
            result = self._read(file, into, limit)
            if isinstance(result.error, Transient):  # once more on a new session: the old one may have died of idleness
                try:
                    self._run(self._connected)
                except MistokError as error:
                    dead = error
                else:
                    result = self._read(file, into, limit)
            yield result

    def write(self, folder: str, name: str, source: Path | bytes) -> RemoteFile:
        folder, name = common.clean_folder(folder), common.clean_name(name)
        partial = self._encode(common.partial_name(name))
        expected = common.source_size(source)
        target, backup = self._encode(name), self._backup(name)
        self._run(lambda: self._enter(folder))
        self._run(lambda: self._undo_swap(folder, target, backup))
        try:
            self._run(lambda: upload(self._ftp, partial, source))
            size = self._run(lambda: self._size(folder, partial))
            if size != expected:
                raise common.short(name, expected, -1 if size is None else size)
            self._run(lambda: put_over(self._ftp, partial, target, backup))
        except MistokError:
            with suppress(MistokError):
                self._run(lambda: self._undo_swap(folder, target, backup))
            with suppress(MistokError):
                self._run(lambda: self._quietly(folder, f"DELE {partial}"))
            raise
        raw = self._encode(name).encode(_WIRE)
        entry = Entry(raw, FILE, expected, self._run(lambda: self._modified(folder, raw)))
        self._times.get(folder, {}).pop(raw, None)
        return _remote(folder, entry)

    def delete_many(self, files: Iterable[RemoteFile]) -> Sequence[FileOutcome]:
        return self._each(files, lambda file: (f"DELE {self._wire(file)}",))

    def move_many(self, files: Iterable[RemoteFile], to: str) -> Sequence[FileOutcome]:
        to = common.clean_folder(to)
        self.make_folder(to)
        taken = self._run(lambda: {entry.name for entry in self._entries(to)})

        def move(file: RemoteFile) -> Commands:
            raw = common.wire_name(file)
            for twin in common.twins(raw.decode("utf-8", "surrogateescape")):
                name = twin.encode("utf-8", "surrogateescape")
                if name not in taken:
                    taken.add(name)
                    target = self._absolute(to).rstrip("/") + "/" + name.decode(_WIRE)
                    return f"RNFR {raw.decode(_WIRE)}", f"RNTO {target}"
            raise common.no_free_name(file, to)

        return self._each(files, move)

    def make_folder(self, folder: str) -> None:
        parts = common.clean_folder(folder).split("/")
        for depth in range(1, len(parts) + 1):
            if parts[0]:
                self._run(lambda depth=depth: self._make("/".join(parts[:depth])))  # type: ignore[misc]

    def folders(self, folder: str) -> Sequence[str]:
        folder = common.clean_folder(folder)
        found = self._run(lambda: self._entries(folder))
        names = [common.decode_name(entry.name)[0] for entry in found if entry.kind == FOLDER]
        return [name for name in names if common.usable(name) is None]  # some list the folder itself and its parent

    def remove_folder(self, folder: str) -> None:
        folder = common.removable(folder)
        self._run(lambda: self._remove(folder))

    def probe(self, folder: str) -> Capabilities:
        folder = common.clean_folder(folder)
        self._empty_reply = ""
        self.list(folder)
        return self._run(lambda: self._probe(folder))

    def local_path(self, folder: str) -> Path | None:  # noqa: ARG002 - nothing of a server lies here
        return None

    def close(self) -> None:
        session, self._session, self._here = self._session, None, None
        if session:
            session.close()

    # --- the session ---------------------------------------------------------------------------------------------

    @property
    def _ftp(self) -> Session:
        assert self._session is not None
        return self._session

    def _connected(self) -> None:
        if self._session is not None:
            return
        self._session = self._gate(lambda: connect(self.name, self._settings, self._base, self._manners))

    def _run(self, act: Callable[[], R]) -> R:
        ahead = self._manners.ahead
        try:
            with said(self._settings):
                self._connected()
                return act()
        except BaseException as error:  # Ctrl-C too: the answer to come is not that of the next question
            if isinstance(error, Transient) or not isinstance(error, MistokError):
                self.close()
            if not isinstance(error, Transient) or ahead is False or self._manners.ahead is not False:
                raise
        return self._run(act)  # the server does not bear to be asked ahead, as is known now

    def _encode(self, name: str) -> str:
        """A name of ours -> latin-1 text that stands for its bytes. Raises Refused."""
        try:
            return name.encode(self._settings.encoding, "surrogateescape").decode(_WIRE)
        except UnicodeEncodeError as error:
            raise Refused(
                T("{name} cannot be written in {encoding}.", name=name, encoding=self._settings.encoding),
                hint=T("Use another name, or mend encoding of the connection."),
            ) from error

    def _backup(self, name: str) -> str:
        return self._encode(common.partial_name(name, common.BACKUP))

    def _wire(self, file: RemoteFile) -> str:
        return common.wire_name(file).decode(_WIRE)

    def _absolute(self, folder: str) -> str:
        root = self._settings.root
        home = "" if root.startswith("/") else self._manners.home
        parts = [part for part in (home, self._encode(root), self._encode(folder)) if part.strip("/")]
        return "/" + "/".join(part.strip("/") for part in parts) if parts else "/"

    def _shown(self, folder: str) -> str:
        return as_words(self._absolute(folder))

    def _enter(self, folder: str) -> None:
        path = self._absolute(folder)
        if self._here == path:
            return
        self._here = None
        try:
            self._ftp.voidcmd(f"CWD {path}")
        except ftplib.error_perm as error:
            if is_rights(error):
                raise self._no_rights(self._shown(folder), error) from error
            raise FolderMissing(
                T("Folder {folder} does not exist on {host}.", folder=self._shown(folder), host=self._settings.host),
                hint=T("Make it on the server, or mend root or folder in the config."),
            ) from error
        self._here = path

    def _no_rights(self, what: str, error: ftplib.Error) -> Refused:
        return Refused(
            T("{host} refuses {path}: {words}", host=self._settings.host, path=what, words=as_words(error)),
            hint=T("Ask the server's admin for the right to do this as user {user}.", user=self._settings.user),
        )

    def _quietly(self, folder: str, command: str) -> None:
        self._enter(folder)
        with suppress(ftplib.error_perm):
            self._ftp.voidcmd(command)

    # --- looking -------------------------------------------------------------------------------------------------

    def _entries(self, folder: str) -> Entries:
        """Everything in ``folder``. Raises FolderMissing, Refused."""
        self._enter(folder)
        facts = "MLST" in self._ftp.features
        data = self._fetch_listing("MLSD" if facts else "LIST", folder)
        try:
            return parse_mlsd(data) if facts else parse_list(data)
        except Unreadable as error:
            raise Refused(
                T(
                    "{host} lists its files in a form that is not understood: {words}",
                    host=self._settings.host,
                    words=repr(error.args[0]),
                ),
                hint=T("Ask the server's admin for SFTP, or send us this line."),
                who=Who.US,
            ) from error

    def _fetch_listing(self, command: str, folder: str) -> Sequence[bytes]:
        try:
            conn = self._ftp.transfercmd(command)
        except (ftplib.error_perm, ftplib.error_temp) as error:
            if str(error)[:3] not in ("450", "550"):
                raise
            if is_rights(error):
                raise self._no_rights(self._shown(folder), error) from error
            self._empty_reply = as_words(error)
            return ()  # we stand in the folder, so it is there: this is how some servers say that it is empty
        data = b""
        try:
            while piece := piece_of(conn, common.CHUNK):
                data += piece
        finally:
            finish(conn)
        reply = self._ftp.voidresp()
        if piece is None and not self._curt:
            # cut off on its way, though the server is content; or it never says goodbye, as its second answer tells
            self._curt = True
            return self._fetch_listing(command, folder)
        self._curt = piece is None
        reason = ftplib.error_perm(reply)  # noqa: S321 - only the words: vsftpd says 226 for a folder it may not open
        if is_rights(reason):
            raise self._no_rights(self._shown(folder), reason)
        return data.splitlines() if b"\r" not in data else data.split(b"\r\n")

    def _list(self, folder: str) -> Sequence[RemoteFile]:
        entries = [entry for entry in self._entries(folder) if entry.kind == FILE]
        if any(entry.modified is None for entry in entries) and self._has("MDTM"):
            # one question a file, and only once as long as its line in the listing stays the same
            known, now = self._times.get(folder, {}), Times()
            for entry in entries:
                line = (entry.size, entry.stamp)
                before = known.get(entry.name)
                if before and before[0] == line:
                    now[entry.name] = before
            asked = [entry for entry in entries if entry.name not in now]
            for entry, exact in zip(asked, self._moments(folder, [entry.name for entry in asked]), strict=True):
                now[entry.name] = (entry.size, entry.stamp), exact
            self._times[folder] = now
            entries = [replace(entry, modified=now[entry.name][1]) for entry in entries]
        return [_remote(folder, entry) for entry in entries]

    def _moments(self, folder: str, names: Sequence[bytes]) -> Sequence[datetime | None]:
        if "MLST" in self._ftp.features:
            return [self._modified(folder, name) for name in names]
        asked = [wire for wire in (name.decode(_WIRE) for name in names) if common.usable(wire) is None]
        self._enter(folder)
        found = dict(zip(asked, ftp_ahead.moments(self._ftp, asked), strict=True))
        return [found.get(name.decode(_WIRE)) for name in names]

    def _has(self, command: str) -> bool:
        return ftp_ahead.knows(self._ftp, command)

    def _modified(self, folder: str, name: bytes) -> datetime | None:
        """The exact time of a file, where the server tells it."""
        if common.usable(name.decode(_WIRE)) is not None:
            return None
        self._enter(folder)
        wire = name.decode(_WIRE)
        try:
            if "MLST" in self._ftp.features:
                return self._facts(wire).modified
            if self._has("MDTM"):
                return parse_moment(self._ftp.voidcmd(f"MDTM {wire}")[4:])
        except (ftplib.error_perm, Unreadable):
            return None
        return None

    def _size(self, folder: str, wire: str) -> int | None:
        """The size of a file in bytes; None when it is not there (or hidden from us)."""
        self._enter(folder)
        if "MLST" in self._ftp.features:
            try:
                return self._facts(wire).size
            except (ftplib.error_perm, Unreadable):
                return None
        if self._has("SIZE"):
            try:
                self._ftp.binary()
                return self._ftp.size(wire)
            except ftplib.error_perm as error:
                if str(error)[:3] == "550":
                    return None
        sizes = [entry.size for entry in self._entries(folder) if entry.name == wire.encode(_WIRE)]
        return sizes[0] if sizes else None

    def _facts(self, wire: str) -> Entry:
        lines = self._ftp.sendcmd(f"MLST {wire}").splitlines()
        return parse_facts(next((line for line in lines[1:-1] if "=" in line), "").encode(_WIRE))

    def _now(self, file: RemoteFile) -> tuple[int | None, datetime | None]:
        """Size and exact time of a file, each as far as the server tells it."""
        if "MLST" in self._ftp.features:
            self._enter(file.folder)
            try:
                entry = self._facts(self._wire(file))
            except (ftplib.error_perm, Unreadable):
                return None, None
            return entry.size, entry.modified
        size = self._size(file.folder, self._wire(file))
        return size, self._modified(file.folder, common.wire_name(file)) if size is not None and file.modified else None

    def _is_listed(self, file: RemoteFile) -> bool:
        return any(entry.name == common.wire_name(file) for entry in self._entries(file.folder))

    # --- reading -------------------------------------------------------------------------------------------------

    def _read(self, file: RemoteFile, into: Path, limit: int) -> ReadResult:
        if error := common.unusable(file):
            return common.failed(file, error)
        copy = common.local_copy(into)
        result: ReadResult | None = None
        try:
            result = self._run(lambda: self._fetch(file, copy, limit))
        except MistokError as error:
            return common.failed(file, error)
        finally:
            if result is None or result.error:
                copy.unlink(missing_ok=True)
        return result

    def _fetch(self, file: RemoteFile, copy: Path, limit: int) -> ReadResult:
        self._enter(file.folder)
        digest, size = hashlib.sha256(), 0
        try:
            self._ftp.binary()
            conn = self._ftp.transfercmd(f"RETR {self._wire(file)}")
        except ftplib.error_perm as error:
            if not self._is_listed(file):
                return common.failed(file, common.vanished(file))
            return common.failed(file, self._no_rights(file.name, error))
        try:
            with BytesIO() if file.size <= limit else common.LocalCopy(copy) as target:
                while size <= file.size and (piece := piece_of(conn, common.CHUNK)):
                    digest.update(piece)
                    size += target.write(piece)
                data = target.getvalue() if isinstance(target, BytesIO) else None
        finally:
            finish(conn)
        if size > file.size:
            self.close()  # it goes on and on; the session ends here rather than the disk
            return common.failed(file, common.altered(file, size, None) or common.vanished(file))
        self._ftp.voidresp()
        if size != file.size:
            now = self._size(file.folder, self._wire(file))
            if now == file.size:
                raise common.short(file.name, file.size, size)
            return common.failed(file, common.altered(file, size, None) or common.vanished(file))
        return ReadResult(file, copy if data is None else None, size, digest.hexdigest(), data=data)

    # --- writing -------------------------------------------------------------------------------------------------

    def _undo_swap(self, folder: str, name: str, backup: str) -> None:
        """A swap that was cut in the middle left the old file under its other name: it is served again."""
        self._enter(folder)
        if self._size(folder, backup) is None:
            return
        if self._size(folder, name) is None:
            self._ftp.rename(backup, name)
        else:
            self._ftp.voidcmd(f"DELE {backup}")

    def _each(self, files: Iterable[RemoteFile], act: Act) -> Sequence[FileOutcome]:
        """``act`` gives the commands that are to be done to a file when it still is the version that was listed."""
        outcomes: Outcomes = []
        dead: MistokError | None = None
        waiting = iter(files)
        while batch := list(islice(waiting, AHEAD)):
            known: dict[int, FileOutcome] = {}
            if not dead and len(batch) > 1 and self._manners.ahead is not False:
                with suppress(MistokError):  # what could not be done so is done one by one, and its error told there
                    self._run(lambda: self._together(batch, act, known))  # noqa: B023 - called at once
            for number, file in enumerate(batch):
                if (outcome := known.get(number)) is None:
                    outcome, dead = self._one(file, act, dead)
                outcomes.append(outcome)
        return outcomes

    def _together(self, batch: Sequence[RemoteFile], act: Act, known: dict[int, FileOutcome]) -> None:
        """Look at the files all at once, then do ``act`` to all that are as they were; those of the first one's folder
        (others are rare, and are done one by one)."""
        folder = batch[0].folder
        here = {n: file for n, file in enumerate(batch) if file.folder == folder and common.unusable(file) is None}
        for file in here.values():
            self._times.get(folder, {}).pop(common.wire_name(file), None)
        self._enter(folder)
        names = [self._wire(file) for file in here.values()]
        seen = ftp_ahead.looks(self._ftp, names, times=any(file.modified for file in here.values()))
        listed: set[bytes] | None = None
        acts: dict[int, Commands] = {}
        for (number, file), (size, modified) in zip(here.items(), seen, strict=True):
            if size is None:
                listed = {entry.name for entry in self._entries(folder)} if listed is None else listed
                if common.wire_name(file) not in listed:
                    known[number] = FileOutcome(file, done=True, gone=True)
            elif changed := common.altered(file, size, modified):
                known[number] = common.undone(file, changed)
            else:
                try:
                    acts[number] = act(file)
                except MistokError as error:
                    known[number] = common.undone(file, error)
        for number, done in zip(acts, ftp_ahead.done(self._ftp, list(acts.values())), strict=True):
            if done:
                known[number] = FileOutcome(batch[number], done=True)

    def _one(self, file: RemoteFile, act: Act, dead: MistokError | None) -> tuple[FileOutcome, MistokError | None]:
        """One file alone, and whether the server is dead by now."""
        if dead:
            return common.undone(file, dead), dead
        try:
            try:
                return self._run(lambda: self._checked(file, act)), None
            except Transient:
                try:
                    self._run(self._connected)
                except MistokError as error:
                    dead = error
                    raise
                # what was done although its reply was lost is gone now, and counts as done
                return self._run(lambda: self._checked(file, act)), None
        except MistokError as error:
            return common.undone(file, error), dead

    def _checked(self, file: RemoteFile, act: Act) -> FileOutcome:
        """``act`` on the file when it still is the version that was listed."""
        if error := common.unusable(file):
            return common.undone(file, error)
        self._times.get(file.folder, {}).pop(common.wire_name(file), None)
        size, modified = self._now(file)
        if size is None and not self._is_listed(file):
            return FileOutcome(file, done=True, gone=True)
        if changed := common.altered(file, size, modified):
            return common.undone(file, changed)
        try:
            *first, last = act(file)
            for command in first:
                self._ftp.sendcmd(command)
            self._ftp.voidcmd(last)
            return FileOutcome(file, done=True)
        except ftplib.error_perm as problem:
            if not self._is_listed(file):
                return FileOutcome(file, done=True, gone=True)
            return common.undone(file, self._no_rights(file.name, problem))

    def _make(self, folder: str) -> None:
        try:
            self._enter(folder)
            return
        except FolderMissing:
            pass
        try:
            self._ftp.voidcmd(f"MKD {self._absolute(folder)}")
        except ftplib.error_perm as error:
            try:
                self._enter(folder)  # another one made it
            except FolderMissing:
                raise self._no_rights(self._shown(folder), error) from error

    def _remove(self, folder: str) -> None:
        path, parent = self._absolute(folder), folder.rpartition("/")[0]
        try:
            self._enter(parent)  # nobody may stand in a folder that goes
            self._ftp.voidcmd(f"RMD {path}")
            return
        except FolderMissing:
            return
        except ftplib.error_perm as error:
            try:
                self._enter(folder)
            except FolderMissing:
                return
            self._drop_probes(folder)
            self._enter(parent)
            first = error
        try:
            self._ftp.voidcmd(f"RMD {path}")
        except ftplib.error_perm as error:
            raise common.not_empty(self._shown(folder), as_words(first)) from error

    def _drop_probes(self, folder: str) -> None:
        """What a killed probe left in ``folder``: its names begin with a dot, and many servers do not list such."""
        lines: Sequence[bytes] = ()
        with suppress(ftplib.error_perm, Refused):
            lines = self._fetch_listing("LIST -a", folder)
        for line in lines:
            name = line.decode(_WIRE).rpartition(" ")[2]
            if name.startswith(common.PROBE):
                with suppress(ftplib.error_perm):
                    self._ftp.voidcmd(f"DELE {name}")

    def _probe(self, folder: str) -> Capabilities:
        self._enter(folder)
        place = Probed(
            session=self._ftp,
            settings=self._settings,
            shown=self._shown(folder),
            empty_reply=self._empty_reply,
            modified=lambda name: self._modified(folder, name),
        )
        return probe(place)


def _remote(folder: str, entry: Entry) -> RemoteFile:
    name, raw = common.decode_name(entry.name)
    return RemoteFile(folder, name, entry.size, entry.modified, raw)


_: type[Transport] = FtpTransport
