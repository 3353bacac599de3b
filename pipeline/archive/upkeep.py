"""Looking after the archive: every copy read again, copies let go of, and a journal for copies that have none."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from pipeline.archive.disk import digest, remove
from pipeline.archive.journal import DROPPED, Entry, Index
from pipeline.archive.names import safe_name
from pipeline.archive.store import Archive

#: (done, total): called often
Tell = Callable[[int, int | None], None]
AT_ONCE = 4  #: copies that are hashed side by side
_CHUNK = 200  #: copies that are dropped while other writers wait


def quiet(_done: int, _total: int | None) -> None:
    """Nobody watches."""


@dataclass(frozen=True, slots=True)
class Checked:
    """What a check of every copy found. Hashes; paths of what lies aside."""

    copies: int
    bytes: int
    unsound: tuple[str, ...]
    missing: tuple[str, ...]  #: in the journal, not let go of, not there
    aside: tuple[Path, ...]  #: unsound copies that a sound one took the place of
    unknown: tuple[str, ...]  #: there, but in no line of the journal
    torn: int  #: lines of the journal that cannot be read


def holds(archive: Archive, client: str) -> bool:
    """Whether anything was ever kept here for this client. Raises Transient when the disk does not answer."""
    try:
        if archive.journal.has(client):
            return True
        if archive.journal.months() or next(archive.hashes(), None) is None:
            return False
        # from before there was a journal: whose copies they are only the view tells, if it is still there
        folders = [folder.name for folder in (archive.root / "view").glob("*/*")]
        return not folders or safe_name(client) in folders
    except OSError as error:
        raise archive.trouble(error) from error


def check(archive: Archive, tell: Tell = quiet) -> Checked:
    """Read every copy again and compare it with its name. Raises Transient when the disk does not answer."""
    index = Index.of(archive.journal)
    hashes = list(archive.hashes())
    unsound = []
    size = 0
    try:
        from concurrent.futures import ThreadPoolExecutor  # not for those who keep copies only

        with ThreadPoolExecutor(AT_ONCE, "mistok-verify") as pool:
            for done, (sha, sound, length) in enumerate(pool.map(lambda one: _look(archive, one), hashes), 1):
                size += length
                if not sound:
                    unsound.append(sha)
                tell(done, len(hashes))
    except OSError as error:
        raise archive.trouble(error) from error
    here = set(hashes)
    # what an import has written down while we looked is looked for again
    missing = [sha for sha, clients in index.holders.items() if clients and sha not in here and not archive.find(sha)]
    return Checked(
        len(hashes),
        size,
        tuple(unsound),
        tuple(sorted(missing)),
        tuple(archive.set_aside()),
        tuple(sha for sha in hashes if sha not in index.kept),
        index.torn,
    )


def _look(archive: Archive, sha: str) -> tuple[str, bool, int]:
    try:
        return sha, archive.verify(sha), archive.object_of(sha).stat().st_size
    except FileNotFoundError:
        return sha, True, 0  # let go of meanwhile; whether it should be here the journal tells
    except PermissionError:
        return sha, False, 0


def mend(archive: Archive, hashes: Iterable[str], index: Index) -> list[str]:
    """Put sound copies in the place of missing or unsound ones, where the view still has them. Gives the mended ones.

    An unsound copy is put aside, never overwritten. Raises Transient when the disk is full or does not answer.
    """
    mended = []
    for sha in hashes:
        for view in sorted(index.views(sha)):
            path = archive.root / view
            try:
                sound = digest(path) == sha
            except (FileNotFoundError, PermissionError):
                continue
            except OSError as error:
                raise archive.trouble(error) from error
            try:
                if sound and archive.restore(path, sha):
                    mended.append(sha)
                    break
            except OSError as error:
                raise archive.trouble(error) from error
    return mended


# --- letting go ------------------------------------------------------------------------------------------------------


@dataclass
class Dropped:
    """What was let go of."""

    copies: list[str] = field(default_factory=list)
    bytes: int = 0
    shared: list[str] = field(default_factory=list)  #: let go of by this client, but another one keeps them
    views_left: list[Path] = field(default_factory=list)  #: names in the view that somebody has edited


def drop(
    archive: Archive, client: str, wanted: Mapping[str, int], index: Index, now: datetime, tell: Tell = quiet
) -> Dropped:
    """Let go of copies for one client, and delete those that no other client keeps.

    Killed in the middle, the next call goes on: the journal says first what is let go of, then its views go, then the
    bytes.

    Args:
        wanted: by hash, how often the bytes had come when it was decided to let go of them; when they have come again
            since (an import that is under way), they stay.

    Raises Transient when the disk does not answer.
    """
    done = Dropped()
    hashes = sorted(wanted)
    try:
        for start in range(0, len(hashes), _CHUNK):
            with archive.journal.locked():
                index.refresh()
                part = [sha for sha in hashes[start : start + _CHUNK] if len(index.kept.get(sha, ())) <= wanted[sha]]
                entries = [
                    Entry(what=DROPPED, sha256=sha, client=client, at=now)
                    for sha in part
                    if not index.let_go(client, sha)
                ]
                archive.journal.append(entries)
                index.refresh()
                for sha in part:
                    _forget(archive, client, sha, index, done)
            tell(min(start + _CHUNK, len(hashes)), len(hashes))
        _tidy(archive.root / "view")
    except OSError as error:
        raise archive.trouble(error) from error
    return done


def _forget(archive: Archive, client: str, sha: str, index: Index, done: Dropped) -> None:
    for view in sorted(index.views(sha, [client])):
        path = archive.root / view
        try:
            if digest(path) == sha:
                remove(path)
            else:
                done.views_left.append(path)
        except FileNotFoundError:
            continue  # somebody has deleted it, as is their right
    target = archive.object_of(sha)
    if index.holders.get(sha):
        done.shared.append(sha)
    elif target.is_file():
        size = target.stat().st_size
        remove(target)
        done.copies.append(sha)
        done.bytes += size


def _tidy(view: Path) -> None:
    """Folders of the view in which nothing is left."""
    for folder in [*view.glob("*/*"), *view.glob("*")]:
        if folder.is_dir():
            with contextlib.suppress(OSError):  # not empty, or somebody looks at it on Windows
                folder.rmdir()


def left_over(archive: Archive, index: Index) -> list[str]:
    """Copies that everybody has let go of and that are still here: a run was killed in the middle."""
    return [sha for sha, clients in index.holders.items() if not clients and archive.find(sha)]


# --- copies from before there was a journal ------------------------------------------------------------------------


def complete(archive: Archive, index: Index, known: Iterable[Entry], tell: Tell = quiet) -> list[Entry]:
    """Write a line for each copy that has none: by what the ledger knows of it, else by its name in the view.

    Args:
        known: what the ledger tells of copies, of one client.

    Gives the lines that were written. A copy that nobody knows anything of gets none. Raises Transient when the disk
    does not answer.
    """
    try:
        missing = {sha for sha in archive.hashes() if sha not in index.kept}
        if not missing:
            return []
        found = [entry for entry in known if entry.sha256 in missing]
        # another client of a shared archive may have kept the same bytes: each name in the view counts
        told = {(entry.sha256, safe_name(entry.client)): place for place, entry in enumerate(found)}
        for entry in _by_view(archive, missing, tell):
            place = told.get((entry.sha256, safe_name(entry.client)))
            if place is None:
                found.append(entry)
            elif not found[place].view:
                found[place] = replace(found[place], view=entry.view)
        found.sort(key=lambda entry: entry.at)
        with archive.journal.locked():
            archive.journal.append(found)
            index.refresh()
    except OSError as error:
        raise archive.trouble(error) from error
    return found


def without_line(archive: Archive, index: Index) -> list[Entry]:
    """What the view tells of copies that stand in no line of the journal. Raises Transient."""
    try:
        missing = {sha for sha in archive.hashes() if sha not in index.kept}
        return sorted(_by_view(archive, missing, quiet), key=lambda entry: entry.at) if missing else []
    except OSError as error:
        raise archive.trouble(error) from error


def _by_view(archive: Archive, hashes: Collection[str], tell: Tell) -> Iterator[Entry]:
    sizes = {archive.object_of(sha).stat().st_size for sha in hashes}
    paths = sorted((archive.root / "view").glob("*/*/*"))
    for done, path in enumerate(paths, 1):
        tell(done, len(paths))
        with contextlib.suppress(FileNotFoundError, PermissionError):
            stat = path.stat()
            if stat.st_size not in sizes or not path.is_file():
                continue
            sha = digest(path)
            if sha in hashes:
                yield Entry(
                    sha256=sha,
                    client=path.parent.name,
                    at=_day(path.parent.parent.name, stat.st_mtime),
                    size=stat.st_size,
                    name=path.name,
                    direction="",
                    view=path.relative_to(archive.root).as_posix(),
                )


def _day(name: str, written: float) -> datetime:
    """When a copy was made: its file's time when that lies at its folder's date, else noon of that date."""
    made = datetime.fromtimestamp(written, UTC)
    try:
        noon = datetime.fromisoformat(f"{name}T12:00:00+00:00")
    except ValueError:
        return made
    return made if abs((made - noon).total_seconds()) < 30 * 3600 else noon
