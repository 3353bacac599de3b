"""F21: the name in the archive is taken: by a person's file, a folder, a dangling link, bytes that are not its own."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest

from pipeline.archive import Archive
from tests.faults import invariants
from tests.faults.conftest import Victim
from tests.faults.seen import alarms

Make = Callable[[str, str], Victim]


def _view(victim: Victim, name: str) -> Path:
    config = victim.config()
    today = datetime.now(config.zone).strftime("%Y-%m-%d")
    return config.path(config.archive.path) / "view" / today / "acme" / name


@pytest.mark.parametrize("taken_by", ["file", "folder", "link", "twenty"])
def test_f21_a_name_for_people_that_is_taken_is_left_as_it_is(make_victim: Make, taken_by: str) -> None:
    victim = make_victim("local", "sqlite")
    victim.drop("single.xml")
    path = _view(victim, "single.xml")
    path.parent.mkdir(parents=True)
    match taken_by:
        case "file":
            path.write_bytes(b"Anna's own notes")
        case "folder":
            path.mkdir()
        case "link":
            if os.name == "nt":
                path.write_bytes(b"Anna's own notes")
            else:
                path.symlink_to("nowhere")
        case "twenty":
            path.write_bytes(b"0")
            for number in range(2, 21):
                path.with_name(f"single~{number}.xml").write_bytes(str(number).encode())
    before = {one.name: one.read_bytes() if one.is_file() else b"" for one in path.parent.iterdir()}
    assert victim.run().counts["created"] == 1
    after = {one.name: one.read_bytes() if one.is_file() else b"" for one in path.parent.iterdir()}
    [new] = set(after) - set(before)
    assert new == ("single~21.xml" if taken_by == "twenty" else "single~2.xml")
    assert after[new] == victim.dropped["single.xml"]
    assert {name: after[name] for name in before} == before, "what was there is as it was"
    victim.check()


def test_f21_bytes_that_are_not_their_names_are_set_aside_and_the_file_is_kept(make_victim: Make) -> None:
    victim = make_victim("sftp", "sqlite")
    victim.drop("company.xml")
    assert victim.run().counts["created"] == 1
    victim.drop("single.xml")
    config = victim.config()
    archive = Archive(config.path(config.archive.path))
    target = archive.object_of(hashlib.sha256(victim.dropped["single.xml"]).hexdigest())
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(b"whatever this is")
    assert victim.run().counts["created"] == 1
    [aside] = archive.set_aside()
    assert aside.read_bytes() == b"whatever this is", "nothing is overwritten"
    aside.unlink()
    victim.check()


@pytest.mark.parametrize(("transport", "how"), [("local", "evil"), ("sshd", "cut"), ("vsftpd-explicit", "gone")])
def test_f21_a_copy_that_was_damaged_before_the_file_is_deleted(make_victim: Make, transport: str, how: str) -> None:
    """Killed before the delete, and then the disk spoils the copy: the remote file is the only one left."""
    victim = make_victim(transport, "sqlite")
    path = victim.drop("single.xml")
    assert victim.die("inbound:committed") == -9, victim.last_words
    config = victim.config()
    archive = Archive(config.path(config.archive.path))
    sha = hashlib.sha256(victim.dropped["single.xml"]).hexdigest()
    copy = archive.object_of(sha)
    copy.chmod(0o644)
    if how == "gone":
        copy.unlink()
    else:
        copy.write_bytes(b"evil" if how == "evil" else victim.dropped["single.xml"][:100])
    first = victim.run()
    assert first.counts == {"failed": 1}, first
    assert path.read_bytes() == victim.dropped["single.xml"], "it is left where it is"
    again = victim.run()
    assert again.counts == {"files": 1, "known": 1, "acknowledged": 1}, again
    assert not path.exists()
    assert archive.verify(sha), "it was fetched once more"
    assert len(invariants.books_rows(config)) == 1
    assert len(alarms(victim)) == 1, "told once"
    for aside in archive.set_aside():
        aside.unlink()
    victim.check()


def test_f21_the_same_name_with_other_content_again_and_again(make_victim: Make) -> None:
    victim = make_victim("local", "sqlite")
    names = ["single.xml", "company.xml", "discounts.xml"]
    archive = Archive(victim.folder / "archive")
    for name in names:
        source = victim.drop(name)
        data = victim.dropped.pop(name)
        source.rename(victim.inbox / "order.xml")
        victim.dropped["order.xml"] = data
        assert victim.run().counts["created"] == 1
    assert len(list(archive.hashes())) == 3
    assert sorted(path.name for path in _view(victim, "x").parent.iterdir()) == [
        "order.xml",
        "order~2.xml",
        "order~3.xml",
    ]
    victim.check()
