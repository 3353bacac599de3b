"""F36: file names that lead elsewhere or that no disk takes: ``../``, NUL, 300 characters, reserved Windows names,
Cyrillic in windows-1251. What can be fetched is stored under a safe name and its own name kept in the ledger; what
cannot gets its card; nothing is ever read, written, moved or deleted outside of its folder."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.archive.names import safe_name
from tests.faults import invariants, tally
from tests.faults.conftest import Victim
from tests.faults.proxied import Orders, impatient
from tests.faults.scripted import SCRIPTED, scripted
from tests.faults.seen import open_cards

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the site's disk must take these names")

CYRILLIC = "замовлення №7.xml"
OLD = "Стара система.xml"  #: as an old site writes it: in windows-1251
#: Names that a POSIX disk takes and servers list as they are.
ODD = (
    "con.xml",
    "AUX.xml",
    "nul.tar.xml",
    "com1.xml",
    "..\\..\\evil.xml",
    "C:evil.xml",
    "C:\\Windows\\evil.xml",
    "%2e%2e%2fevil.xml",
    "..xml",
    ".. .xml",
    "q?*<>|.xml",
    "$(touch evil).xml",
    "-rf.xml",
    CYRILLIC,
    "x" * 251 + ".xml",
    "ї" * 125 + ".xml",
)
#: Names that only a listing can have, and what can be done about them.
TAKEN = ("x" * 300 + ".xml", "ї" * 300 + ".xml")
REFUSED = (
    "../evil.xml",
    "../../client/config.yaml.xml",
    "/etc/evil.xml",
    "sub/evil.xml",
    "a\0b.xml",
    "../goods/evil.xml",
)
#: Names that begin with a dot are left alone by default; here they are wanted too.
ALL = "ignore: []"


#: What Windows keeps for devices, whatever the ending: told here once more, not asked of the code that is tested.
RESERVED = ("con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in "123456789"))


def on_disk(victim: Victim, orders: Orders, raw: bytes) -> None:
    """A file under a name of these bytes."""
    _, text = orders.next()
    victim.drop(os.fsdecode(raw), text)


def tree(folder: Path, but: tuple[str, ...] = ()) -> set[str]:
    """Everything below a folder."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.relative_to(folder).parts[0] not in but}


def view_is_safe(victim: Victim, count: int) -> None:
    """Every name in the archive's view of files for people is one that every disk takes, inside of the view."""
    config = victim.config()
    view = config.path(config.archive.path) / "view"
    files = [path for path in view.rglob("*") if path.is_file()]
    assert len(files) == count
    for path in files:
        assert len(path.relative_to(view).parts) == 3, "date, client, name"
        assert safe_name(path.name) == path.name
        assert path.name.split(".")[0].lower() not in RESERVED
        assert not set(path.name) & set('<>:"/\\|?*'), path.name
        assert path.name == path.name.strip(" .")
        assert len(path.name.encode()) <= 160
    assert not list(victim.folder.parent.rglob("*evil"))


@pytest.mark.parametrize("transport", ["local", "sshd", "vsftpd-explicit", "proftpd-explicit", "pyftpdlib-explicit"])
def test_f36_odd_names_of_a_disk_on_real_servers(make_victim: Callable[[str, str], Victim], transport: str) -> None:
    victim = make_victim(transport, "sqlite")
    victim.step = ALL
    orders = Orders()
    odd = [name for name in ODD if transport != "vsftpd-explicit" or name[0] != "."]  # it hides what begins with a dot
    raws = [name.encode() for name in odd]
    if transport != "pyftpdlib-explicit":  # it leaves out what is not UTF-8
        raws.append(OLD.encode("cp1251"))
    for raw in raws:
        tally.note("inputs")
        on_disk(victim, orders, raw)
    before = tree(victim.inbox.parent, (victim.inbox.name,))
    report = victim.run()
    assert report.counts["created"] == len(raws), report
    assert report.counts["acknowledged"] == len(raws), [path.name for path in victim.inbox.iterdir()]
    assert list(victim.inbox.iterdir()) == []
    assert tree(victim.inbox.parent, (victim.inbox.name,)) == before, "nothing else was touched"
    names = [row[0] for row in victim.ledger_rows("select name from files")]
    assert sorted(names) == sorted([*odd, *([OLD] if len(raws) > len(odd) else [])]), "the original names"
    view_is_safe(victim, len(raws))
    victim.check()


ALIKE = (OLD.encode(), OLD.encode("cp1251"))  #: two names that read alike: the site was moved to another system


@pytest.mark.parametrize(
    ("transport", "ledger"),
    [("local", "sqlite"), ("sshd", "postgres"), ("vsftpd-explicit", "sqlite"), ("proftpd-explicit", "sqlite")],
)
def test_f36_two_names_that_read_alike_are_two_files(
    make_victim: Callable[[str, str], Victim], transport: str, ledger: str
) -> None:
    victim = make_victim(transport, ledger)
    orders = Orders()
    for raw in ALIKE:
        tally.note("inputs")
        _, text = orders.next()
        victim.drop(os.fsdecode(raw), text + "\n" * len(raw))  # of different sizes
    report = victim.run()
    assert report.counts == {"files": 2, "created": 2, "acknowledged": 2}, report
    assert list(victim.inbox.iterdir()) == []
    assert victim.ledger_rows("select name, state, policy from files") == [(OLD, "acknowledged", "deleted")] * 2
    victim.check()


def test_f36_of_two_names_that_read_alike_each_has_its_own_marker_and_its_own_card(
    make_victim: Callable[[str, str], Victim],
) -> None:
    victim = make_victim("local", "sqlite")
    victim.step = "marker: {suffix: .ok}, grace: 1ms"
    for raw in ALIKE:
        on_disk(victim, Orders(), raw)
    victim.drop(os.fsdecode(ALIKE[1]), "<orders><order>cut</orders>")
    (victim.inbox / os.fsdecode(ALIKE[1] + b".ok")).touch()
    assert victim.run().counts == {"files": 1, "quarantined": 1, "waiting": 1}
    (victim.inbox / os.fsdecode(ALIKE[0] + b".ok")).touch()
    assert victim.run().counts == {"files": 1, "created": 1, "acknowledged": 1}
    left = {os.fsencode(path.name) for path in victim.inbox.iterdir()}
    assert left == {ALIKE[1], ALIKE[1] + b".ok"}, "what is refused stays, with its marker"
    assert [card[0] for card in open_cards(victim)] == ["quarantined"], "the other file does not mend it"
    del victim.dropped[os.fsdecode(ALIKE[1])]
    victim.check()


@pytest.mark.parametrize("transport", ["local", "sshd", "vsftpd-explicit", "proftpd-explicit"])
def test_f36_a_refused_file_stays_inside_the_rejected_folder(
    make_victim: Callable[[str, str], Victim], transport: str
) -> None:
    victim = make_victim(transport, "sqlite")
    victim.step = f"rejected: {victim.remote_inbox}/bad, grace: 1ms, {ALL}"
    odd = [name for name in ODD[:-2] if transport != "vsftpd-explicit" or name[0] != "."]
    raws = [*(name.encode() for name in odd), OLD.encode("cp1251")]
    for number, raw in enumerate(raws):
        victim.drop(os.fsdecode(raw), f"<orders><order>{number}</orders>")
    before = tree(victim.inbox.parent, (victim.inbox.name,))
    report = victim.run()
    assert report.counts["quarantined"] == len(raws), report
    assert [path.name for path in victim.inbox.iterdir()] == ["bad"]
    assert {os.fsencode(path.name) for path in (victim.inbox / "bad").iterdir()} == set(raws)
    assert tree(victim.inbox.parent, (victim.inbox.name,)) == before
    view_is_safe(victim, len(raws))
    victim.dropped.clear()
    victim.check()


@pytest.mark.parametrize("ledger", ["sqlite", "postgres"])
@pytest.mark.parametrize("transport", SCRIPTED)
def test_f36_names_that_only_a_listing_can_have(
    tmp_path: Path,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    transport: str,
    ledger: str,
) -> None:
    impatient(monkeypatch)
    with scripted(tmp_path, transport) as (victim, server):
        if ledger == "postgres":
            victim.ledger = request.getfixturevalue("postgres")
        victim.step = ALL
        orders = Orders()
        plain = orders.drop(victim, 2)
        refused = [name for name in REFUSED if transport != "ftp-old" or "\0" not in name]
        for name in (*TAKEN, *refused):
            tally.note("inputs")
            _, text = orders.next()
            wire = name if transport == "sftp" else name.encode().decode("latin-1")
            server.ghosts[f"orders/{wire}"] = text.encode()
            if name in TAKEN:
                victim.dropped[name] = text.encode()
        (tmp_path / "site" / "goods" / "evil.xml").write_bytes(b"not ours to take")
        outside = tree(tmp_path, ("client",)) - {f"site/orders/{name}" for name in plain}
        report = victim.run()
        assert report.counts["created"] == 2 + len(TAKEN), report
        assert tree(tmp_path, ("client",)) == outside, "nothing was touched beside the inbox"
        assert len(server.ghosts) == len(refused), "what was taken was taken away"
        names = {row[0] for row in victim.ledger_rows("select name from files where state = 'acknowledged'")}
        assert names == {*plain, *TAKEN}, "the original names"
        assert [kind for kind, _ in open_cards(victim)] == ["unread"] * len(refused)
        assert len(invariants.books_rows(victim.config())) == 2 + len(TAKEN)
        view_is_safe(victim, 2 + len(TAKEN))
        server.ghosts.clear()  # the site has taken them away itself
        victim.check()


def test_f36_names_in_windows_1251_are_written_as_the_connection_says(tmp_path: Path) -> None:
    """``encoding: cp1251``: for old servers whose sites read only that."""
    with scripted(tmp_path, "ftp-old") as (victim, _server):
        victim.site += "\nencoding: cp1251"
        victim.catalogue = "name: каталог.csv"
        for _ in range(2):
            assert victim.run("catalogue").state == "done"
            assert [os.fsencode(path.name) for path in victim.goods.iterdir()] == ["каталог.csv".encode("cp1251")]
        on_disk(victim, Orders(), CYRILLIC.encode("cp1251"))
        assert victim.run().counts["created"] == 1
        assert list(victim.inbox.iterdir()) == []
        assert victim.ledger_rows("select name from files") == [(CYRILLIC,)]
        victim.check(work_left=True)  # the order has reserved goods: the catalogue tells fewer
