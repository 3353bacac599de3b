"""What PHP's ``fgetcsv`` reads out of bytes: a streaming reader that follows it byte for byte.

The shop reads its catalogue by ``fgetcsv($file, 262144, ';', '"')``, which is not the CSV of RFC 4180: a backslash
shields the next character inside quotes, blanks before an opening quote vanish, text after a closing quote is kept, and
a line longer than the limit becomes two rows. The tests compare this reader with a real PHP over thousands of files.
"""

from __future__ import annotations

import re
from collections.abc import Generator

#: One row as PHP sees it. A blank line is ``(None,)``.
PhpRow = tuple[bytes | None, ...]

PHP_LINE_LIMIT = 262_144  #: the shop's second argument to fgetcsv: bytes that the first line of a row may have

_BLANK: PhpRow = (None,)
# What glibc's mbrlen accepts in a UTF-8 locale: also the forms of four to six bytes that Unicode has since given up.
_MULTIBYTE = re.compile(
    rb"[\xc2-\xdf][\x80-\xbf]"
    rb"|(?:\xe0[\xa0-\xbf]|[\xe1-\xec\xee\xef][\x80-\xbf]|\xed[\x80-\x9f])[\x80-\xbf]"
    rb"|(?:\xf0[\x90-\xbf]|[\xf1-\xf7][\x80-\xbf])[\x80-\xbf]{2}"
    rb"|(?:\xf8[\x88-\xbf]|[\xf9-\xfb][\x80-\xbf])[\x80-\xbf]{3}"
    rb"|(?:\xfc[\x84-\xbf]|\xfd[\x80-\xbf])[\x80-\xbf]{4}"
)
_SPACES = frozenset(b" \t\n\v\f\r")


class PhpCsvReader:
    """Bytes in pieces of any size in, rows out.

    ``utf8`` tells which character type PHP's locale has: UTF-8 (as PHP 8 sets it at start) or the plain C locale, to
    which every byte from 128 up is broken. It only matters next to a backslash or a carriage return.
    """

    def __init__(
        self, delimiter: bytes = b";", enclosure: bytes = b'"', *, length: int = PHP_LINE_LIMIT, utf8: bool = True
    ) -> None:
        self._delimiter = delimiter
        self._enclosure = enclosure
        self._special = re.compile(b"[" + re.escape(enclosure) + rb"\\]")
        self._length = length
        self._utf8 = utf8
        self._data = b""
        self._at = 0
        self._searched = 0
        self._ended = False
        self._in_row = False
        self._reading = self._rows()

    @property
    def between_rows(self) -> bool:
        """Whether all that was fed so far has been read into whole rows."""
        return not self._in_row and self._at == len(self._data)

    def feed(self, data: bytes) -> list[PhpRow]:
        """The rows that end within what was fed so far."""
        rest = self._data[self._at :]
        self._data = rest + data
        self._searched -= self._at
        self._at = 0
        return self._take()

    def close(self) -> list[PhpRow]:
        """The rows that only the end of the file ends."""
        self._ended = True
        return self._take()

    def _take(self) -> list[PhpRow]:
        rows: list[PhpRow] = []
        for row in self._reading:
            if row is None:
                break
            rows.append(row)
        return rows

    def _rows(self) -> Generator[PhpRow | None, None, None]:
        while True:
            line = yield from self._line(self._length)
            if line is None:
                return
            self._in_row = True
            row = yield from self._row(line)
            self._in_row = False
            yield row

    def _line(self, limit: int | None) -> Generator[None, None, bytes | None]:
        """One line with its end, at most ``limit`` bytes of it; None at the end of the file."""
        while True:
            stop = self._data.find(b"\n", max(self._at, self._searched))
            length = len(self._data) - self._at if stop < 0 else stop + 1 - self._at
            if limit is not None and length >= limit:
                length = limit
            elif stop < 0 and not self._ended:
                self._searched = len(self._data)
                yield None
                continue
            if not length:
                return None
            line = self._data[self._at : self._at + length]
            self._at += length
            return line

    def _row(self, buffer: bytes) -> Generator[None, None, PhpRow]:
        """The fields of the row that begins with the line ``buffer``; a quoted field fetches the lines it needs.

        ``limit`` is where the line's own end begins. C reads a NUL behind the last byte; the added one stands for it.
        """
        delimiter = self._delimiter
        limit = self._without_line_end(buffer)
        line_end = buffer[limit:]
        buffer += b"\0"
        at = 0
        fields: list[bytes | None] = []
        while True:
            start = at
            if at < limit and self._width(buffer, at, limit) == 1:
                at = self._skip_space(buffer, at)
            if not fields and at == limit:
                return _BLANK
            if start < limit and buffer[at : at + 1] == self._enclosure:
                text, buffer, at, limit, line_end = yield from self._quoted(buffer, at + 1, limit, line_end)
                end = self._find_delimiter(buffer, at, limit)
                fields.append(text + buffer[at:end])
            else:
                end = self._find_delimiter(buffer, at, limit)
                field = buffer[at:end]
                fields.append(field[: self._without_line_end(field)])
            if end >= limit:
                return tuple(fields)
            at = end + len(delimiter)

    def _quoted(
        self, buffer: bytes, at: int, limit: int, line_end: bytes
    ) -> Generator[None, None, tuple[bytes, bytes, int, int, bytes]]:
        """The text of a quoted field from behind its quote, and where its row goes on."""
        text = bytearray()
        hunk = at
        if at == limit:
            # PHP takes the first step without looking whether the line is over.
            at += 1
        while True:
            found = self._special.search(buffer, at, limit)
            if found is None:
                # The line is over inside the quotes: its end belongs to the text, and the next line goes on.
                at = max(at, limit)
                if hunk != limit:
                    text += buffer[hunk:at]
                    hunk = at
                text += line_end
                line = yield from self._line(None)
                if line is None:
                    return bytes(text) + buffer[hunk:at], buffer, at, limit, line_end
                limit = self._without_line_end(line)
                line_end = line[limit:]
                buffer = line + b"\0"
                hunk = at = 0
                continue
            at = found.start()
            if found[0] == self._enclosure:
                if at + 1 < limit and buffer[at + 1 : at + 2] == self._enclosure:
                    text += buffer[hunk : at + 1]
                    hunk = at = at + 2
                    continue
                return bytes(text) + buffer[hunk:at], buffer, at + 1, limit, line_end
            at += 1
            if at < limit:
                at += self._width(buffer, at, limit)

    def _find_delimiter(self, buffer: bytes, at: int, limit: int) -> int:
        found = buffer.find(self._delimiter, at, limit)
        return max(at, limit) if found < 0 else found

    def _skip_space(self, buffer: bytes, at: int) -> int:
        """Where a quote opens after blanks, else ``at`` itself."""
        stop = at
        while buffer[stop] in _SPACES and buffer[stop : stop + 1] != self._delimiter:
            stop += 1
        return stop if buffer[stop : stop + 1] == self._enclosure else at

    def _width(self, buffer: bytes, at: int, limit: int) -> int:
        """Bytes of the character at ``at``; 1 also for a byte that belongs to none."""
        if not self._utf8 or buffer[at] < 0x80:
            return 1
        found = _MULTIBYTE.match(buffer, at, limit)
        return found.end() - at if found else 1

    def _without_line_end(self, buffer: bytes) -> int:
        """Where the line end of ``buffer`` begins. PHP looks at its last two whole characters."""
        last, before = self._last_character(buffer, len(buffer))
        if last == 0x0A:
            return len(buffer) - (2 if self._last_character(buffer, before)[0] == 0x0D else 1)
        return len(buffer) - 1 if last == 0x0D else len(buffer)

    def _last_character(self, buffer: bytes, end: int) -> tuple[int, int]:
        """First byte of the last whole character before ``end`` (0: there is none), and where it stands."""
        start = end
        while start and buffer[start - 1] >= 0x80:
            start -= 1
        if self._utf8 and start < end and _MULTIBYTE.search(buffer, start, end):
            return 0x80, start
        return (buffer[start - 1], start - 1) if start else (0, 0)
