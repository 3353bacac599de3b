"""F34: an FTP server in text mode, which would rewrite line ends: always binary; and where a server mangles all the
same, the size tells, and nothing is taken or published."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from pipeline.archive import Archive
from tests.faults import invariants
from tests.faults.conftest import Victim
from tests.faults.proxied import Orders, impatient
from tests.faults.scripted import scripted
from tests.faults.seen import alarms, open_cards


def kept(victim: Victim) -> set[str]:
    config = victim.config()
    return set(Archive(config.path(config.archive.path)).hashes())


def ends(text: str) -> bytes:
    """Line ends of every kind: what text mode would change in one direction or the other."""
    head, *rest = text.split("\n")
    return "".join(line + ("\r\n" if number % 2 else "\n") for number, line in enumerate([head, *rest])).encode()


@pytest.mark.parametrize("mode", ["asked", "listing"])
@pytest.mark.parametrize("transport", ["ftp", "ftp-old"])
def test_f34_every_byte_arrives_as_it_is(tmp_path: Path, transport: str, mode: str) -> None:
    """The server begins in text mode, as the standard has it, and falls back to it after each listing."""
    with scripted(tmp_path, transport) as (victim, server):
        server.text_mode = mode
        orders = Orders()
        for _ in range(3):
            name, text = orders.next()
            victim.drop(name, ends(text))
        assert victim.run().counts["created"] == 3
        assert kept(victim) == {hashlib.sha256(data).hexdigest() for data in victim.dropped.values()}
        assert victim.run("catalogue").state == "done"
        assert victim.run("catalogue").counts.get("unchanged") == 1
        published = (victim.goods / "catalogue.csv").read_bytes()
        ((sha,),) = victim.ledger_rows("select sha256 from publications")
        assert sha == hashlib.sha256(published).hexdigest()
        types = [line for line in server.commands if line.startswith("TYPE")]
        assert set(types) == {"TYPE I"}, "text was never asked for"
        victim.check()


@pytest.mark.parametrize("transport", ["ftp", "ftp-old"])
def test_f34_a_server_that_mangles_all_the_same_is_found_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, transport: str
) -> None:
    impatient(monkeypatch)
    with scripted(tmp_path, transport) as (victim, server):
        Orders().drop(victim, 2)
        server.text_mode = "always"
        for _ in range(3):
            report = victim.run()
        assert report.counts == {"refused": 2}, report
        assert [kind for kind, _ in open_cards(victim)] == ["unread", "unread"]
        assert invariants.books_rows(victim.config()) == []
        assert kept(victim) == set()
        assert {path.name: path.read_bytes() for path in victim.inbox.iterdir()} == victim.dropped
        server.text_mode = "asked"
        assert victim.run().counts["created"] == 2
        assert open_cards(victim) == []
        victim.check()


@pytest.mark.parametrize("transport", ["ftp", "ftp-old"])
def test_f34_a_catalogue_that_arrives_mangled_is_not_published(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, transport: str
) -> None:
    """By a server that puts its own line ends in place of ours: the size tells."""
    impatient(monkeypatch)
    with scripted(tmp_path, transport) as (victim, server):
        (victim.goods / "catalogue.csv").write_bytes(b"the last good one")
        server.text_mode, server.line_end = "always", b"\r\n"
        assert victim.run("catalogue", trigger="schedule").state == "failed"
        assert {path.name: path.read_bytes() for path in victim.goods.iterdir()} == {
            "catalogue.csv": b"the last good one"
        }
        assert len(alarms(victim)) == 1
        server.text_mode = "asked"
        assert victim.run("catalogue").state == "done"
        assert (victim.goods / "catalogue.csv").read_bytes().count(b"\n") > 10
        victim.check()
