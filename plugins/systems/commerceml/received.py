"""Files as they come from outside: names are never trusted, parts are appended, archives are opened with limits."""

from __future__ import annotations

import re
import shutil
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from pipeline.api import Rejected, T, Transient, Where, verbatim

ALLOWED = frozenset((".xml", ".zip", ".jpg", ".jpeg", ".png", ".gif", ".webp", ".bmp"))
MAX_FILES = 100_000
#: Unpacked bytes for one packed byte; XML of an export packs 10 to 30 times.
MAX_RATIO = 200
_SMALL = 10_000_000  #: bytes; what is not larger may be packed as well as it likes
_LONGEST, _DEEPEST = 150, 8
_BAD = re.compile(r'[\x00-\x1f\x7f<>:"|?*]')
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?\Z", re.IGNORECASE)


def safe_path(raw: str) -> str | None:
    """A relative path below any folder, ``/``-separated; None for a name that may lead anywhere else."""
    parts = [part.strip() for part in raw.replace("\\", "/").split("/")]
    parts = [part for part in parts if part not in ("", ".")]
    if not parts or len(parts) > _DEEPEST:
        return None
    for part in parts:
        if part == ".." or part.endswith(".") or len(part.encode("utf-8", "replace")) > _LONGEST:
            return None
        if _BAD.search(part) or _RESERVED.match(part) or any(0xD800 <= ord(char) < 0xE000 for char in part):
            return None
    return "/".join(parts)


def suffix_of(path: str) -> str:
    """``.xml`` of ``goods/1/import.XML``."""
    return Path(path).suffix.casefold()


class Inbox:
    """The folder of one session. ``limit``: bytes that all its files may have together, unpacked."""

    def __init__(self, folder: Path, limit: int) -> None:
        self.folder, self._limit = folder, limit

    def clear(self) -> None:
        """Forget what came."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def append(self, path: str, part: bytes) -> int:
        """Add a part to a file, or begin it anew; gives its size. Raises Rejected (too large), Transient (disk).

        A part that begins as an XML file does begins a file: it is sent again from its start.
        """
        target = self.folder / path
        with _disk(path):
            target.parent.mkdir(parents=True, exist_ok=True)
            there = target.stat().st_size if target.exists() else 0
            if there and self._begins_anew(target, part):
                there = 0
            if self._used(but=target) + there + len(part) > self._limit:
                raise too_large(path, self._limit)
            with target.open("ab" if there else "wb") as stream:
                stream.write(part)
        return there + len(part)

    def unpack(self, path: str) -> list[str]:
        """Open an archive, and give the names of what was in it; the archive goes. Raises Rejected, Transient."""
        source = self.folder / path
        found: list[str] = []
        used = self._used(but=source)
        try:
            with _disk(path), zipfile.ZipFile(source) as archive:
                members = [one for one in archive.infolist() if not one.is_dir()]
                if len(members) > MAX_FILES:
                    raise too_large(path, self._limit)
                for member in members:
                    name = safe_path(member.filename)
                    if name is None:
                        raise Rejected(
                            T("The archive {file} has a name that leads out of it: {name}.", file=path,
                              name=member.filename[:80]),
                            code="unsafe",
                            where=Where(path),
                        )  # fmt: skip
                    if suffix_of(name) not in ALLOWED - {".zip"}:
                        continue
                    used += self._member(archive, member, name, used)
                    found.append(name)
        # the library says NotImplementedError of a compression that it does not know, RuntimeError of a password
        except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError) as error:
            raise Rejected(
                T("The archive {file} cannot be opened: {words}", file=path, words=verbatim(str(error)[:200])),
                code="truncated",
                where=Where(path),
                hint=T("A part of it may be missing: send it again from its start."),
            ) from error
        source.unlink(missing_ok=True)
        return found

    def _member(self, archive: zipfile.ZipFile, member: zipfile.ZipInfo, name: str, used: int) -> int:
        """Unpack one file; gives its size. What is really in it is counted, whatever the archive says."""
        most = max(_SMALL, member.compress_size * MAX_RATIO)
        target = self.folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        size = 0
        with archive.open(member) as packed, target.open("wb") as stream:
            while block := packed.read(1 << 20):
                size += len(block)
                if size > most or used + size > self._limit:
                    stream.close()
                    target.unlink()
                    raise too_large(name, min(most, self._limit))
                stream.write(block)
        return size

    def archives(self) -> list[str]:
        """The archives that came and are not opened yet."""
        return [name for name in self.names() if suffix_of(name) == ".zip"]

    def names(self) -> list[str]:
        """All files, by name."""
        if not self.folder.is_dir():
            return []
        return sorted(one.relative_to(self.folder).as_posix() for one in self.folder.rglob("*") if one.is_file())

    def move_pictures(self, to: Path) -> None:
        """Put the pictures that came into the folder ``to``, in place of older ones. Raises Transient."""
        for name in self.names():
            if suffix_of(name) in ALLOWED - {".xml", ".zip"}:
                with _disk(name):
                    (to / name).parent.mkdir(parents=True, exist_ok=True)
                    (self.folder / name).replace(to / name)

    def read(self, path: str) -> bytes | None:
        """A file's bytes; None where there is none such."""
        target = self.folder / path
        with _disk(path):
            return target.read_bytes() if target.is_file() else None

    def _begins_anew(self, target: Path, part: bytes) -> bool:
        if part.removeprefix(b"\xef\xbb\xbf").startswith(b"<?xml "):
            return True
        return part.startswith(b"PK\x03\x04") and zipfile.is_zipfile(target)

    def _used(self, *, but: Path) -> int:
        return sum(one.stat().st_size for one in self._files() if one != but)

    def _files(self) -> Iterator[Path]:
        return (one for one in self.folder.rglob("*") if one.is_file()) if self.folder.is_dir() else iter(())


class _disk:  # noqa: N801 - used as a function
    """What a disk says, in our words."""

    def __init__(self, path: str) -> None:
        self._path = path

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, OSError):
            words = verbatim(error.strerror or str(error))
            raise Transient(T("{path} cannot be kept: {words}", path=self._path, words=words)) from error


def too_large(path: str, limit: int) -> Rejected:
    """More than is taken."""
    return Rejected(
        T("{file} is larger than the {limit} bytes that are taken.", file=path, limit=limit),
        code="too-large",
        where=Where(path),
    )
