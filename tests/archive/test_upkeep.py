"""Looking after the archive: every copy read again, copies let go of, lines for copies that have none."""

from __future__ import annotations

import errno
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipeline.archive import Archive, ArchiveCopy, Entry, Index, upkeep

AT = datetime(2026, 11, 22, 14, 5, tzinfo=UTC)
LATER = datetime(2027, 11, 22, 14, 5, tzinfo=UTC)


def keep(archive: Archive, data: bytes, name: str = "a.xml", client: str = "acme", at: datetime = AT) -> ArchiveCopy:
    path = archive.root.parent / "staged"
    path.write_bytes(data)
    return archive.keep(path, client=client, name=name, at=at)


def damage(path: Path) -> None:
    path.chmod(0o644)
    path.write_bytes(b"evil")
    path.chmod(0o444)


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive(tmp_path / "archive")


def drop(archive: Archive, *hashes: str, client: str = "acme", index: Index | None = None) -> upkeep.Dropped:
    index = index or Index.of(archive.journal)
    return upkeep.drop(archive, client, {sha: len(index.kept.get(sha, ())) for sha in hashes}, index, LATER)


def test_a_check_reads_every_copy_and_names_what_is_wrong(archive: Archive) -> None:
    good, bad, gone = (keep(archive, data, data.decode()) for data in (b"good", b"bad", b"gone"))
    damage(bad.path)
    gone.path.unlink()
    told: list[tuple[int, int | None]] = []
    found = upkeep.check(archive, lambda done, total: told.append((done, total)))
    assert (found.copies, found.unsound, found.missing) == (2, (bad.sha256,), (gone.sha256,))
    assert found.bytes == 8
    assert told == [(1, 2), (2, 2)]
    assert upkeep.mend(archive, [*found.unsound, *found.missing], Index.of(archive.journal)) == [
        bad.sha256,
        gone.sha256,
    ]
    after = upkeep.check(archive)
    assert (after.copies, after.unsound, after.missing) == (3, (), ())
    assert [path.read_bytes() for path in after.aside] == [b"evil"], "nothing is overwritten"
    assert archive.read(good.sha256) == b"good"


def test_what_somebody_edited_mends_nothing(archive: Archive) -> None:
    copy = keep(archive, b"as it came")
    copy.view.write_bytes(b"as I like")
    damage(copy.path)
    assert upkeep.mend(archive, [copy.sha256], Index.of(archive.journal)) == []
    assert upkeep.check(archive).unsound == (copy.sha256,)


def test_a_dropped_copy_goes_with_its_names_and_is_not_missed(archive: Archive) -> None:
    copy, other = keep(archive, b"old"), keep(archive, b"new", "b.xml")
    done = drop(archive, copy.sha256)
    assert (done.copies, done.bytes) == ([copy.sha256], 3)
    assert archive.find(copy.sha256) is None
    assert not copy.view.exists()
    assert other.view.exists()
    assert upkeep.check(archive).missing == ()
    drop(archive, other.sha256)
    assert list((archive.root / "view").iterdir()) == [], "empty folders go with the last name"


def test_a_name_that_somebody_edited_is_left(archive: Archive) -> None:
    copy = keep(archive, b"old")
    copy.view.write_bytes(b"old, seen by Anna")
    done = drop(archive, copy.sha256)
    assert done.views_left == [copy.view]
    assert copy.view.read_bytes() == b"old, seen by Anna"
    assert archive.find(copy.sha256) is None


def test_what_another_client_keeps_stays(archive: Archive) -> None:
    mine, theirs = keep(archive, b"same"), keep(archive, b"same", client="other")
    assert drop(archive, mine.sha256).shared == [mine.sha256]
    assert archive.verify(mine.sha256)
    assert theirs.view.exists()
    assert not mine.view.exists()
    assert drop(archive, mine.sha256, client="other").copies == [mine.sha256]
    assert archive.find(mine.sha256) is None


def test_what_came_again_meanwhile_stays(archive: Archive) -> None:
    copy = keep(archive, b"same")
    index = Index.of(archive.journal)
    keep(archive, b"same", at=LATER)  # an import, after retention had made up its mind
    done = upkeep.drop(archive, "acme", {copy.sha256: 1}, index, LATER)
    assert done.copies == []
    assert archive.verify(copy.sha256)
    assert not Index.of(archive.journal).let_go("acme", copy.sha256)


def test_what_is_dropped_between_the_look_and_the_line_is_kept_anew(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = keep(archive, b"same")
    real, went = Archive._show, [False]

    def late(self: Archive, *more: object) -> str:
        if not went[0]:
            went[0] = True
            drop(Archive(archive.root), copy.sha256)
        return real(self, *more)  # type: ignore[arg-type]

    monkeypatch.setattr(Archive, "_show", late)
    again = keep(archive, b"same", at=LATER)
    assert went[0]
    assert archive.verify(again.sha256)
    assert not Index.of(archive.journal).let_go("acme", again.sha256)


def test_a_drop_that_was_killed_is_found(archive: Archive) -> None:
    copy = keep(archive, b"old")
    with archive.journal.locked():
        archive.journal.append([Entry(what="dropped", sha256=copy.sha256, client="acme", at=LATER)])
    index = Index.of(archive.journal)
    assert upkeep.left_over(archive, index) == [copy.sha256]
    assert drop(archive, copy.sha256, index=index).copies == [copy.sha256]
    assert upkeep.left_over(archive, Index.of(archive.journal)) == []


def test_copies_from_before_the_journal_get_their_lines(archive: Archive) -> None:
    """By the ledger where it knows them, else by their names in the view; whoever's they are."""
    known, seen, shared = keep(archive, b"1", "a.xml"), keep(archive, b"2", "b.xml"), keep(archive, b"3", "c.xml")
    keep(archive, b"3", "d.xml", client="other")
    nameless = keep(archive, b"4", "e.xml")
    nameless.view.unlink()
    for path in archive.journal.months():
        path.unlink()
    assert upkeep.holds(archive, "acme")
    assert upkeep.holds(archive, "other")
    assert not upkeep.holds(archive, "third")
    told = Entry(sha256=known.sha256, client="acme", at=AT, size=1, name="№1.xml", connection="site", folder="orders")
    both = Entry(sha256=shared.sha256, client="acme", at=AT, size=1, name="c.xml", connection="site", folder="orders")
    index = Index.of(archive.journal)
    assert len(upkeep.complete(archive, index, [told, both])) == 4
    lines = {(entry.client, entry.name): entry for entries in index.kept.values() for entry in entries}
    assert set(lines) == {("acme", "№1.xml"), ("acme", "b.xml"), ("acme", "c.xml"), ("other", "d.xml")}
    assert lines["acme", "№1.xml"].view == known.view.relative_to(archive.root).as_posix()
    assert lines["acme", "b.xml"].sha256 == seen.sha256
    assert lines["acme", "b.xml"].direction == ""
    assert upkeep.complete(archive, index, [told, both]) == []
    assert upkeep.check(archive).unknown == (nameless.sha256,)


def test_an_empty_archive_holds_nothing(tmp_path: Path) -> None:
    archive = Archive(tmp_path / "none")
    assert not upkeep.holds(archive, "acme")
    assert upkeep.check(archive) == upkeep.Checked(0, 0, (), (), (), (), 0)
    assert not archive.root.exists(), "looking makes nothing"


def test_a_copy_that_cannot_be_read_is_not_sound(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = keep(archive, b"x")

    def refused(*_: object) -> bool:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Archive, "verify", refused)
    assert upkeep.check(archive).unsound == (copy.sha256,)
