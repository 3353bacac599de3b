"""Which encoding a file is in: what it declares, else its byte order mark, else the client's default, else UTF-8.

Nothing is replaced or dropped: bytes that do not fit are refused, and so are bytes that fit only as nonsense.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Protocol

from pipeline.errors import Finding, Rejected, Where
from pipeline.texts import T, Text

_BOMS = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_BARE_WIDE = ((b"<\0?\0", "utf-16-le"), (b"\0<\0?", "utf-16-be"))
_DECLARED = re.compile(rb"""\A\s*<\?xml\s[^>]*?encoding\s*=\s*["']([A-Za-z][A-Za-z0-9._-]*)["']""")
#: Python knows "encodings" that unpack or unescape (zip, utf-7, idna …); a file may name only those of plain letters.
_LETTERS = re.compile(r"(ascii|utf-8|utf-(16|32)(-[lb]e)?|cp\d+|iso8859-\d+|koi8-[rtu]|mac-[a-z]+)\Z")
_HEAD, _CHUNK = 4096, 1 << 20
_HINT = T('Save the file in UTF-8 and begin it with <?xml version="1.0" encoding="UTF-8"?>.')


def read_text(
    data: bytes, *, file: str, default_encoding: str | None = None, hint: Text = _HINT
) -> tuple[str, str, tuple[Finding, ...]]:
    """``data`` as text, the encoding it was read by, and remarks (``bom``, ``guessed-encoding``).

    ``hint`` says how to write the file rightly, for what is no XML.
    Raises Rejected, code ``encoding``, when the bytes are not what they are said to be.
    """
    notes: list[Finding] = []
    encoding, declared, mark = _told(data[:_HEAD], data, file, default_encoding, notes, hint)
    body = data[mark:]
    try:
        text = body.decode(encoding)
    except UnicodeDecodeError as error:
        raise _unreadable(declared, encoding, _place_of(error.start, encoding, (body,)), file, hint) from error
    if _single_byte(encoding) and not body.isascii() and _is_utf8(body):
        raise _really_utf8(encoding, file, hint)
    return text, encoding, tuple(notes)


def open_text(
    path: Path, *, file: str, default_encoding: str | None, scratch: Path, hint: Text = _HINT
) -> tuple[IO[bytes], str, tuple[Finding, ...]]:
    """The file at ``path`` as UTF-8 without a byte order mark, for reading, and the rest as :func:`read_text` gives it.

    In memory is no more than a piece. A file in UTF-8 is read where it lies; of another one a copy is made in the
    folder ``scratch``, which is gone when it is closed. Raises Rejected just as :func:`read_text`, and OSError.
    """
    notes: list[Finding] = []
    with path.open("rb") as source:
        encoding, declared, mark = _told(source.read(_HEAD), _Lying(path, 0), file, default_encoding, notes, hint)
    lying = _Lying(path, mark)
    if not mark and encoding in ("utf-8", "ascii"):
        _read_through(lying, encoding, declared, None, file, hint)
        return path.open("rb"), encoding, tuple(notes)
    copy = TemporaryFile(dir=scratch)  # noqa: SIM115 - given away
    try:
        _read_through(lying, encoding, declared, copy, file, hint)
        copy.seek(0)
    except BaseException:
        copy.close()
        raise
    return copy, encoding, tuple(notes)


def _read_through(lying: _Lying, encoding: str, declared: str, copy: IO[bytes] | None, file: str, hint: Text) -> None:
    try:
        for text in lying.pieces(encoding):
            if copy is not None:
                copy.write(text.encode("utf-8", "surrogatepass"))
    except UnicodeDecodeError as error:
        place = _place_of(error.start, encoding, lying.chunks())
        raise _unreadable(declared, encoding, place, file, hint) from error
    if _single_byte(encoding) and not lying.isascii() and _is_utf8(lying):
        raise _really_utf8(encoding, file, hint)


class _Body(Protocol):
    """The bytes of a file, here or where they lie."""

    def isascii(self) -> bool: ...

    def decode(self, encoding: str) -> object: ...


class _Lying:
    """The bytes of a file from ``start`` on, where they lie."""

    def __init__(self, path: Path, start: int) -> None:
        self._path, self._start = path, start

    def chunks(self) -> Iterator[bytes]:
        with self._path.open("rb") as source:
            source.seek(self._start)
            while chunk := source.read(_CHUNK):
                yield chunk

    def pieces(self, encoding: str) -> Iterator[str]:
        """Its text. Raises UnicodeDecodeError, whose ``start`` counts from its beginning."""
        decoder = codecs.getincrementaldecoder(encoding)()
        before = 0
        for chunk, last in _with_last(self.chunks()):
            kept = len(decoder.getstate()[0])
            try:
                yield decoder.decode(chunk, last)
            except UnicodeDecodeError as error:
                error.start += before - kept
                raise
            before += len(chunk)

    def isascii(self) -> bool:
        return all(chunk.isascii() for chunk in self.chunks())

    def decode(self, encoding: str) -> None:
        for _ in self.pieces(encoding):
            pass


def _with_last(chunks: Iterator[bytes]) -> Iterator[tuple[bytes, bool]]:
    before = next(chunks, b"")
    for chunk in chunks:
        yield before, False
        before = chunk
    yield before, True


def _told(
    head: bytes, data: _Body, file: str, default: str | None, notes: list[Finding], hint: Text
) -> tuple[str, str, int]:
    """The encoding to read ``data`` by, the one that it declares, and the length of its byte order mark."""
    bom, mark = next(((name, mark) for mark, name in _BOMS if head.startswith(mark)), ("", b""))
    head = head[len(mark) :]
    wide = bom if bom.startswith(("utf-16", "utf-32")) else next((n for m, n in _BARE_WIDE if head.startswith(m)), "")
    head = head[:400]
    if wide:
        head = head[: len(head) // 4 * 4].decode(wide, "replace").encode("ascii", "replace")
    match = _DECLARED.match(head)
    declared = match[1].decode("ascii").lower() if match else ""
    if bom:
        notes.append(
            Finding(
                "bom", T("The file begins with a byte order mark ({bom}); it was left out.", bom=bom), Where(file, 1)
            )
        )
    return _choose(declared, bom, wide, data, default, file, notes, hint), declared, len(mark)


def _really_utf8(encoding: str, file: str, hint: Text) -> Rejected:
    # Cyrillic in a single-byte encoding is practically never also valid UTF-8, so this would be read as nonsense.
    return Rejected(
        T("The file says it is in {encoding}, but it is in UTF-8: its letters would be garbled.", encoding=encoding),
        code="encoding",
        where=Where(file, 1, 1),
        hint=hint,
    )


def known_encoding(name: str) -> str | None:
    """The proper name of an encoding of letters (``windows-1251`` -> ``cp1251``); None when there is none such."""
    try:
        proper = codecs.lookup(name).name
    except LookupError:
        return None
    proper = "utf-8" if proper == "utf-8-sig" else proper
    return proper if _LETTERS.match(proper) else None


def _choose(
    declared: str, bom: str, wide: str, body: _Body, default: str | None, file: str, notes: list[Finding], hint: Text
) -> str:
    if declared:
        known = known_encoding(declared)
        if known is None:
            raise Rejected(
                T("The file declares an encoding that does not exist: {encoding}.", encoding=declared),
                code="encoding",
                where=Where(file, 1, 1),
                hint=_HINT,
            )
        family = wide[:6] or "8-bit"
        said = known[:6] if known.startswith(("utf-16", "utf-32")) else "8-bit"
        if family != said:
            raise Rejected(
                T(
                    "The file declares {declared}, but its bytes are {real}.",
                    declared=declared,
                    real=wide or T("not in it"),
                ),
                code="encoding",
                where=Where(file, 1, 1),
                hint=_HINT,
            )
        return wide or known
    if bom or wide:
        return wide or bom
    if default:
        known = known_encoding(default) or "utf-8"
        if known == "utf-8" or body.isascii() or not _is_utf8(body):
            return known
        # XML says that a file which declares nothing is UTF-8, and this one is: the default would garble it.
        notes.append(
            Finding(
                "guessed-encoding",
                T(
                    "The file declares no encoding; it was read as UTF-8, not as the default {default}.",
                    default=default,
                ),
                Where(file, 1),
                hint=hint,
            )
        )
    return "utf-8"


def garbled(text: str) -> str | None:
    """What ``text`` was meant to say when it is Cyrillic that was garbled by a wrong encoding on its way; else None.

    An empty string: it is surely garbled, but cannot be brought back (``??????``, U+FFFD).
    """
    if text.isascii():
        return "" if "????" in text and not any(letter.isalpha() for letter in text) else None
    if "\ufffd" in text:
        return ""
    for wrong, right in (("cp1251", "utf-8"), ("cp1252", "utf-8"), ("latin-1", "utf-8"), ("cp1252", "cp1251")):
        if right == "cp1251" and not _LATIN_RUN.search(text):
            continue
        try:
            meant = text.encode(wrong).decode(right)
        except UnicodeError:
            continue
        if _CYRILLIC.search(meant):
            return meant
    return None


def may_be_garbled(utf8: bytes) -> bool:
    """Whether :func:`garbled` could say so of any part of this text: one quick look for all texts of a file."""
    # its own signs; an accented Latin letter (U+00C0 to U+00FF); two Cyrillic letters in UTF-8 read as windows-1251
    signs = (b"????", b"\xef\xbf\xbd", b"\xc3")
    return any(sign in utf8 for sign in signs) or _CYRILLIC_TWICE.search(utf8.decode()) is not None


_CYRILLIC = re.compile("[А-ЯҐЄІЇа-яґєії]{2}")
#: Four accented Latin letters in a row are no language's word: they are windows-1251 read as windows-1252.
_LATIN_RUN = re.compile("[À-Öà-öØ-Þø-ÿ]{4}")


def _in_cp1251(codes: range) -> str:
    return "[" + re.escape(bytes(codes).decode("cp1251", "ignore")) + "]"


#: A letter's lead byte (U+0400 to U+04BF) and the byte after it, twice, as windows-1251 shows them.
_CYRILLIC_TWICE = re.compile((_in_cp1251(range(0xD0, 0xD3)) + _in_cp1251(range(0x80, 0xC0))) * 2)


def _single_byte(encoding: str) -> bool:
    return encoding.startswith(("cp", "iso8859", "koi8", "latin", "mac", "windows"))


def _is_utf8(data: _Body) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _place_of(start: int, encoding: str, chunks: Iterable[bytes]) -> tuple[int, int, str]:
    """Line and column of the byte at ``start``, and how it is shown (empty: there is none)."""
    line, rest, before, octet = 1, b"", 0, ""
    for chunk in chunks:
        if before <= start < before + len(chunk):
            octet = f"0x{chunk[start - before]:02X}"
        part = chunk[: max(start - before, 0)]
        line += part.count(b"\n")
        rest = part.rpartition(b"\n")[2] if b"\n" in part else rest + part
        before += len(chunk)
        if before > start:
            break
    return line, len(rest.decode(encoding, "ignore")) + 1, octet


def _unreadable(declared: str, encoding: str, place: tuple[int, int, str], file: str, hint: Text) -> Rejected:
    line, column, octet = place
    what: Text
    if declared:
        what = T(
            "The file declares {encoding}, but byte {octet} at line {line}, column {column} is not {encoding}.",
            encoding=declared,
            octet=octet,
            line=line,
            column=column,
        )
    else:
        what = T(
            "The file does not say its encoding, and byte {octet} at line {line}, column {column} is not {encoding}.",
            encoding=encoding.upper(),
            octet=octet,
            line=line,
            column=column,
        )
    return Rejected(what, code="encoding", where=Where(file, line, column), hint=hint)
