"""F38: a file that crashes or hangs a client's own reader, under the real ``mistok serve`` and its worker processes."""

from __future__ import annotations

import json
import signal
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

import pytest

from pipeline.resources import samples
from tests.e2e.command import start
from tests.faults import ends, tally
from tests.faults.conftest import Victim

Make = Callable[[str, str], Victim]
GOOD = next(samples().glob("orders/good/single.xml")).read_text("utf-8")

FORMAT = """
import ctypes, os, sys, time
from pipeline.api import FormatPlugin, T
from plugins.formats.order_xml import PLUGIN as ORIGINAL

def endless():
    while True:
        time.sleep(0.05)

def spinning():
    while True:
        pass



WAYS = {
    b"ABORT": os.abort,
    b"SEGFAULT": lambda: ctypes.string_at(0),
    b"EXIT": lambda: os._exit(7),
    b"HANG": endless,
    b"SPIN": spinning,
    b"RAISE": lambda: [][1],
    b"SYSEXIT": lambda: sys.exit(3),
}

class Frail:
    def decode(self, data, settings, context):
        for word, way in WAYS.items():
            if b"<comment>" + word in data:
                way()
        return ORIGINAL.format.decode(data, settings, context)

    def complete(self, tail, settings):
        return ORIGINAL.format.complete(tail, settings)

PLUGIN = FormatPlugin("frail", T("breaks on some files"), Frail(), ORIGINAL.settings)
"""


def order(number: int, comment: str = "x") -> str:
    text = GOOD.replace("4701", str(number))
    return text.replace("    <items>", f"    <comment>{comment}</comment>\n    <items>")


@contextmanager
def serving(victim: Victim, limit: str) -> Iterator[Callable[[str], list[tuple[object, ...]]]]:
    """The service of that client; gives a look into its ledger."""
    victim.plugin("frail", FORMAT)
    victim.step = "format: {type: frail}"
    victim.config()
    text = victim.path.read_text("utf-8")
    text = text.replace("  orders:\n", f"  orders:\n    watch: true\n    poll: 1s\n    time_limit: {limit}\n")
    victim.path.write_text(text, encoding="utf-8")
    victim.edited = True  # under another config the files would be read again, in the tests' own process
    ends.happened("a service")
    screen = victim.folder / "screen.txt"
    service = start("-c", victim.path, "serve", cwd=victim.folder, screen=screen)

    def look(query: str) -> list[tuple[object, ...]]:
        ledger = victim.folder / "ledger.sqlite3"
        if not ledger.exists():
            return []
        with closing(sqlite3.connect(f"file:{ledger}?mode=ro", uri=True)) as conn:
            try:
                return conn.execute(query).fetchall()
            except sqlite3.OperationalError:
                return []  # not made yet

    try:
        yield look
        assert service.poll() is None, screen.read_text("utf-8")
    finally:
        if service.poll() is None:
            service.send_signal(signal.SIGTERM if sys.platform != "win32" else signal.SIGINT)
            try:
                service.wait(30)
            finally:
                service.kill()
                service.wait()


def until(what: Callable[[], bool], seconds: float, victim: Victim) -> None:
    screen = victim.folder / "screen.txt"
    end = time.monotonic() + seconds
    while not what():
        said = screen.read_text("utf-8")
        assert time.monotonic() < end, said[-3000:]
        assert "config.yaml:" not in said, said
        time.sleep(0.1)


@pytest.mark.full
@pytest.mark.parametrize("ways", [("ABORT", "SEGFAULT", "EXIT"), ("HANG",), ("SPIN", "RAISE", "SYSEXIT")], ids="-".join)
def test_f38_files_that_end_or_hang_their_reader_are_found_out_and_the_others_go_on(
    make_victim: Make, ways: tuple[str, ...]
) -> None:
    victim = make_victim("local", "sqlite")
    for n in range(3):
        victim.drop(f"a-{n}.xml", order(8000 + n))
    for n, way in enumerate(ways):
        victim.drop(f"b-{way}.xml", order(8100 + n, way))
    for n in range(3):
        victim.drop(f"c-{n}.xml", order(8200 + n))
    tally.note("inputs", len(ways))
    # where nothing hangs, nothing is to be ended by its time, on however slow a machine
    with serving(victim, "2s" if {"HANG", "SPIN"} & set(ways) else "1m") as look:
        until(lambda: len(look("SELECT 1 FROM files WHERE state = 'quarantined'")) == len(ways), 120, victim)
        until(lambda: len(look("SELECT 1 FROM orders WHERE state = 'created'")) == 6, 60, victim)
        # and what comes after it is taken within its time, as if nothing had been
        victim.drop("later.xml", order(8300))
        until(lambda: len(look("SELECT 1 FROM orders WHERE state = 'created'")) == 7, 20, victim)
    found = victim.ledger_rows("SELECT name, findings FROM files WHERE state = 'quarantined' ORDER BY name")
    assert [name for name, _ in found] == sorted(f"b-{way}.xml" for way in ways)
    for name, words in found:
        (one,) = json.loads(words)
        code = "plugin-error" if name in ("b-RAISE.xml", "b-SYSEXIT.xml") else "reader-crashed"
        assert one["code"] in (code, "plugin-error" if "SYSEXIT" in name else code), name
        assert one["where"]["file"] == name
    assert sorted(path.name for path in victim.inbox.iterdir()) == sorted(f"b-{way}.xml" for way in ways)
    assert victim.ledger_rows("SELECT count(*) FROM cards WHERE state = 'open'") == [(len(ways),)]
    victim.check()
