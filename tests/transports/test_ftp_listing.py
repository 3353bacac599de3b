"""Listings of FTP servers, without a server: what is rendered is read back, and nothing is dropped in silence."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.transports.ftp_listing import (
    FILE,
    FOLDER,
    OTHER,
    Entry,
    Unreadable,
    parse_facts,
    parse_list,
    parse_list_line,
    parse_mlsd,
    parse_moment,
)

names = (
    st.text(st.characters(codec="utf-8", exclude_characters="\r\n\0/"), min_size=1, max_size=60)
    .filter(lambda name: name.strip() and name not in (".", ".."))
    .map(str.encode)
)
sizes = st.integers(0, 10**12)
months = st.sampled_from([b"Jan", b"Nov", "лис".encode(), b"Sept."])
stamps = st.one_of(
    st.tuples(months, st.integers(1, 31), st.sampled_from([b"20:20", b"2025"])).map(lambda t: b"%s %2d %5s" % t),
    st.sampled_from([b"2026-11-22 20:20", b"22 Nov 20:20"]),
)
owners = st.sampled_from([b"ftp      ftp     ", b"1000 1000", b"DOMAIN\\user Domain Users", b"owner"])


@given(names, sizes, stamps, owners, st.sampled_from([b"-rw-r--r--", b"-rwxr-x--T+", b"-rw-------."]))
def test_unix_lines(name: bytes, size: int, stamp: bytes, owner: bytes, mode: bytes) -> None:
    line = b"%s   1 %s %12d %s %s" % (mode, owner, size, stamp, name)
    assert parse_list_line(line) == Entry(name, FILE, size, stamp=stamp)


@given(
    names.filter(lambda name: name[:1].strip() != b""),
    sizes,
    st.sampled_from([b"11-22-26  08:20PM", b"2026-11-22  20:20"]),
)
def test_dos_lines(name: bytes, size: int, stamp: bytes) -> None:
    assert parse_list_line(b"%s %20d %s" % (stamp, size, name)) == Entry(name, FILE, size, stamp=stamp)
    assert parse_list_line(b"%s       <DIR>          %s" % (stamp, name)) == Entry(name, FOLDER, 0, stamp=stamp)


@given(names, sizes, st.datetimes(timezones=st.just(UTC)))
def test_facts(name: bytes, size: int, moment: datetime) -> None:
    when = f"{moment.year:04}" + moment.strftime("%m%d%H%M%S") + f".{moment.microsecond:06}"
    line = f"Type=file;Size={size};Modify={when};UNIX.mode=0644; ".encode() + name
    assert parse_facts(line) == Entry(name, FILE, size, moment.replace(tzinfo=UTC))


@given(st.binary(max_size=80))
def test_any_bytes_are_read_or_refused(line: bytes) -> None:
    for parse in (parse_list_line, parse_facts):
        try:
            entry = parse(line)
        except Unreadable:
            continue
        assert entry is None or entry.name


def test_a_listing_with_its_heading_links_and_folders() -> None:
    lines = [
        b"total 12",
        b"drwxr-xr-x    2 1000     1000         4096 Nov 22 20:20 done",
        b"lrwxrwxrwx    1 1000     1000            5 Nov 22 20:20 link -> a.xml",
        b"-rw-r--r--    1 1000     1000            7 Nov 22 20:20  two spaces.xml",
        b"",
    ]
    assert [(entry.name, entry.kind) for entry in parse_list(lines)] == [
        (b"done", FOLDER),
        (b"link", OTHER),
        (b" two spaces.xml", FILE),
    ]
    facts = [b"type=cdir;modify=20261122202001; .", b"type=pdir; ..", b"type=OS.unix=symlink;size=3; x", b""]
    assert [entry.kind for entry in parse_mlsd(facts)] == [FOLDER, FOLDER, OTHER]


@pytest.mark.parametrize("line", [b"what is this", b"-rw-r--r-- 1 a b Nov 22 20:20 x", b"type=file; name", b"total"])
def test_a_line_that_is_not_understood_is_an_error(line: bytes) -> None:
    if line == b"total":
        assert parse_list_line(line) is None
        return
    with pytest.raises(Unreadable):
        parse_list_line(line)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("20261122202001", datetime(2026, 11, 22, 20, 20, 1, tzinfo=UTC)),
        (" 20261122202001.5 ", datetime(2026, 11, 22, 20, 20, 1, 500_000, tzinfo=UTC)),
        ("20261322202001", None),
        ("22.11.2026", None),
    ],
)
def test_moments(text: str, moment: datetime | None) -> None:
    assert parse_moment(text) == moment
