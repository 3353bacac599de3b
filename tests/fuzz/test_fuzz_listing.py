"""F36: what a server may answer to LIST and MLSD, mutated and made up: read whole, or refused; in bounded time."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.transports.ftp_listing import (
    FILE,
    FOLDER,
    MAX_LINE,
    OTHER,
    Entry,
    Unreadable,
    parse_facts,
    parse_list,
    parse_list_line,
    parse_mlsd,
    parse_moment,
)
from tests.faults import tally
from tests.fuzz.profile import examples

LINES = [
    b"-rw-r--r--   1 ftp      ftp          1234 Nov 22 20:20 orders.xml",
    b"-rw-r--r--   1 1000     1000            0 Jan  1  2025 a b  c.xml",
    "-rw-r--r--    1 owner group 77 22 лис 20:20 замовлення №5.xml".encode(),
    "-rw-rw-rw-   1 user group 7 Лис 22 20:20 замовлення.xml".encode("cp1251"),
    b"drwxr-xr-x    2 1000     1000         4096 2026-11-22 20:20 done",
    b"lrwxrwxrwx    1 1000     1000            5 Nov 22 20:20 link -> a.xml",
    b"-rwxrwx---+   1 DOMAIN\\user Domain Users 99999999999 Dec 31 23:59 x.xml",
    b"11-22-26  08:20PM               1234 orders.xml",
    b"2026-11-22  20:20       <DIR>          done",
    b"total 12",
    b"Type=file;Size=1234;Modify=20261122202001.123;UNIX.mode=0644; orders.xml",
    b"type=dir;modify=20261122202001; done",
    b"size=5;type=file;  two spaces.xml",
    b"type=OS.unix=symlink;size=3; x",
    b" plain.xml",
]
PIECES = [
    *(
        b" ",
        b"  ",
        b"\t",
        b";",
        b"=",
        b"-",
        b"/",
        b"../",
        b"\0",
        b"\r",
        b"\n",
        b"\xff",
        b"9" * 30,
        b"1 ",
        b" Nov 22 20:20 ",
    ),
    *(b" -> ", b"type=file;", b"size=-1;", b"size=1e9;", "size=٣;".encode(), b"modify=99999999999999;", b"<DIR>"),
    *(b"total", b" " * 300, b"x" * 300, "ї".encode(), b"AM", b"\xc2\xa0"),
]
tried: list[int] = []


@pytest.fixture(autouse=True)
def _count() -> None:
    tried.clear()


def mutated(line: bytes, seed: int) -> bytes:
    chance = random.Random(seed)
    for _ in range(chance.choice((1, 1, 2, 4))):
        at = chance.randrange(len(line) + 1)
        match chance.randrange(5):
            case 0:
                line = line[:at] + chance.choice(PIECES) + line[at:]
            case 1:
                line = line[:at] + line[at + chance.randrange(1, 9) :]
            case 2:
                line = line[:at]
            case 3:
                line = line[:at] + bytes([chance.randrange(256)]) + line[at + 1 :]
            case _:
                line = line + chance.choice(LINES)
    return line


def sound(line: bytes, read: Callable[[bytes], Entry | None]) -> None:
    """Whatever the line: an entry that stands in it, or Unreadable; for ever, and the time limit meets it."""
    tried.append(1)
    try:
        entry = read(line)
    except Unreadable:
        entry = None
    if entry is None:
        return
    assert entry.name
    assert entry.kind in (FILE, FOLDER, OTHER)
    assert 0 <= entry.size < 10**19
    text = line.strip(b"\r\n")
    assert entry.name in text
    if entry.kind == FILE:
        assert text.endswith(entry.name), "a file's name is all that stands at the end, to the last byte"
        assert str(entry.size).encode() in text or entry.size == 0 or b"0" in text


@examples(1000, 20_000)
@given(st.sampled_from(LINES), st.integers(0, 2**32))
def _any_mutation(line: bytes, seed: int) -> None:
    for read in (parse_list_line, parse_facts):
        sound(mutated(line, seed), read)


@examples(300, 5000)
@given(st.lists(st.sampled_from(LINES), max_size=6), st.integers(0, 2**32))
def _a_whole_listing(lines: list[bytes], seed: int) -> None:
    """No line is dropped in silence: a listing with a line that nobody understands is refused whole."""
    tried.append(1)
    broken = [mutated(line, seed + n) for n, line in enumerate(lines)]
    for parse, one in ((parse_list, parse_list_line), (parse_mlsd, parse_facts)):
        try:
            found = parse(broken)
        except Unreadable:
            continue
        read = [entry for line in broken if line.strip(b"\r\n") and (entry := one(line)) is not None]
        assert found == read


@examples(500, 5000)
@given(st.text(max_size=30))
def _any_moment(text: str) -> None:
    tried.append(1)
    moment = parse_moment(text)
    assert moment is None or moment.tzinfo is not None


def test_f36_any_line_of_a_listing_is_read_whole_or_refused() -> None:
    _any_mutation()
    _a_whole_listing()
    _any_moment()
    tally.note("inputs", len(tried))


@pytest.mark.parametrize(
    "line",
    [
        b"-rw-r--r-- " + b" " * 8000,  # found by fuzzing: the blanks were read over and over again
        b"-rw-r--r-- " + b" " * 1_000_000 + b"x",
        b"-rw-r--r-- " + b"1 " * 4000,
        b"-rw-r--r-- " + b"1 Nov 22 " * 900,
        b"-rw-r--r-- 1 a b " + b"9" * 5000 + b" Nov 22 20:20 x",  # found: a size of more digits than Python reads
        b"type=file;size=" + b"9" * 5000 + b"; x",
        b"11-22-26  08:20PM " + b" " * 8000,
        b"11-22-26  08:20PM " + b"9" * 5000 + b" x",
        b"type=file;size=1;" * 480 + b" x",
        b"x" * (MAX_LINE + 1),
        b"lrwxrwxrwx    1 1000     1000            5 Nov 22 20:20  -> a.xml",  # found: a link without a name
    ],
    ids=range(11),
)
def test_f36_a_hostile_line_takes_no_time_and_does_no_harm(line: bytes) -> None:
    for read in (parse_list_line, parse_facts):
        sound(line, read)
    tally.note("inputs")
