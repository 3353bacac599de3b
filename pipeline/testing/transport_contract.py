"""What every transport must do, as tests. Give a subclass a fixture ``subject`` and pytest runs them all over it::

    class TestMine(TransportContract):
        @pytest.fixture
        def subject(self, tmp_path):
            yield Subject(open=lambda: MyTransport(…), folder="inbox", far=…)

:class:`ServerContract` adds what only a server has: log-ins and connections that break.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Protocol

import pytest

from pipeline.errors import Changed, ConfigError, FolderMissing, Refused, Transient
from pipeline.ports import RemoteFile, Transport, Upload, read_small, write_many
from pipeline.transports.wrap import Retrying

#: Names as sites really make them; every one must come through as it is.
AWKWARD = (
    "order 1.xml",
    "замовлення №7 «Львів».xml",
    'it\'s "quoted".xml',
    "-dash.xml",
    "semi;colon.xml",
    "hash#100%.xml",
    "per%20cent & co.xml",
    "ї" * 20 + ".xml",
    "a" * 200 + ".xml",
    "UPPER.XML",
    "two..dots.xml",
    "[brackets]{x}*.xml",
    "~tilde$HOME`x`.xml",
    "no-suffix",
)
#: Bytes that a transfer in text mode would change.
BINARY = b"\xef\xbb\xbf<a>\r\nb\nc\r\r\n\x00\x1a\xff\xfe \r\n</a>\r\n"


class Far(Protocol):
    """The far side's own view of the test's folder, past the transport."""

    def put(self, name: str, data: bytes) -> None:
        """Another program drops a file (over an old one of that name)."""
        ...

    def files(self, folder: str = "") -> Mapping[str, bytes]:
        """Everything there (or in a folder below it): name -> bytes."""
        ...

    def remove(self, name: str) -> None:
        """Another program takes a file away."""
        ...


@dataclass(frozen=True, kw_only=True)
class Subject:
    """One transport under test. ``open`` gives a new object each time, on the same place."""

    open: Callable[[], Transport]
    folder: str  #: an existing, empty folder of this test's own
    far: Far
    #: names that this system cannot have (Windows: quotes and the like)
    impossible: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True)
class ServerSubject(Subject):
    """A transport to a server."""

    wrong_password: Callable[[], Transport]
    stop: Callable[[], None]
    start: Callable[[], None]

    def restart(self) -> None:
        """As its admin would: every session is cut."""
        self.stop()
        self.start()


@dataclass(frozen=True, kw_only=True)
class RightsSubject(ServerSubject):
    """A server on which rights can be taken away."""

    lock: Callable[[str], None]  #: makes a file unreadable for the login
    forbid: Callable[[], None]  #: takes the right to write and delete in the folder


class TransportContract:
    """For every transport."""

    def test_an_empty_folder_is_an_empty_list(self, subject: Subject) -> None:
        transport = subject.open()
        assert list(transport.list(subject.folder)) == []
        transport.close()

    def test_a_missing_folder_is_said(self, subject: Subject) -> None:
        transport = subject.open()
        for act in (
            lambda: transport.list(subject.folder + "/nope"),
            lambda: transport.write(subject.folder + "/nope", "a.xml", b"x"),
            lambda: transport.probe(subject.folder + "/nope"),
        ):
            with pytest.raises(FolderMissing) as caught:
                act()
            assert "nope" in str(caught.value)
        transport.close()

    def test_awkward_names_come_through(self, subject: Subject, tmp_path: Path) -> None:
        names = [name for name in AWKWARD if name not in subject.impossible]
        for name in names:
            subject.far.put(name, f"<order>{name}</order>".encode())
        transport = subject.open()
        files = transport.list(subject.folder)
        assert {file.name for file in files} == set(names)
        assert {file.folder for file in files} == {subject.folder}
        results = list(transport.read_many(files, tmp_path))
        assert [result.error for result in results if result.error] == []
        for result in results:
            assert result.path is not None
            assert result.path.parent == tmp_path
            data = result.path.read_bytes()
            assert data == f"<order>{result.file.name}</order>".encode()
            assert result.sha256 == hashlib.sha256(data).hexdigest()
            assert result.size == len(data) == result.file.size
        moved = transport.move_many(files[: len(files) // 2], subject.folder + "/done")
        deleted = transport.delete_many(files[len(files) // 2 :])
        assert all(outcome.done and not outcome.gone for outcome in (*moved, *deleted))
        assert dict(subject.far.files()) == {}
        assert set(subject.far.files("done")) == {file.name for file in files[: len(files) // 2]}
        transport.close()

    def test_awkward_names_are_written(self, subject: Subject) -> None:
        names = [name for name in AWKWARD if name not in subject.impossible]
        transport = subject.open()
        for name in names:
            written = transport.write(subject.folder, name, name.encode())
            assert (written.folder, written.name, written.size) == (subject.folder, name, len(name.encode()))
        assert dict(subject.far.files()) == {name: name.encode() for name in names}
        transport.close()

    @pytest.mark.parametrize("size", [0, 1, 32_768, 5_000_000])
    def test_all_sizes_there_and_back(self, subject: Subject, tmp_path: Path, size: int) -> None:
        data = os.urandom(size)
        source = tmp_path / "source"
        source.write_bytes(data)
        into = tmp_path / "into"
        into.mkdir()
        transport = subject.open()
        written = transport.write(subject.folder, "file.bin", source)
        assert dict(subject.far.files()) == {"file.bin": data}
        (listed,) = transport.list(subject.folder)
        assert (listed.size, listed.modified) == (size, written.modified)
        (result,) = transport.read_many([listed], into)
        assert result.error is None
        assert result.path is not None
        assert result.path.read_bytes() == data
        assert [path.name for path in into.iterdir()] == [result.path.name]
        (small,) = read_small(transport, [listed], into, 1000)
        assert small.error is None
        assert small.data is None or size <= 1000, "only small files are handed over in memory"
        assert (small.data if small.path is None else small.path.read_bytes()) == data
        assert (small.size, small.sha256) == (size, result.sha256)
        transport.close()

    def test_bytes_stay_bytes(self, subject: Subject, tmp_path: Path) -> None:
        """Also after a listing, which leaves some servers in text mode."""
        transport = subject.open()
        transport.write(subject.folder, "a.xml", BINARY)
        transport.list(subject.folder)
        transport.write(subject.folder, "b.xml", BINARY)
        assert dict(subject.far.files()) == {"a.xml": BINARY, "b.xml": BINARY}
        results = list(transport.read_many(transport.list(subject.folder), tmp_path))
        assert [result.path.read_bytes() for result in results if result.path] == [BINARY, BINARY]
        transport.close()

    def test_a_write_replaces_and_leaves_no_partial(self, subject: Subject) -> None:
        transport = subject.open()
        transport.write(subject.folder, "catalogue.csv", b"old" * 1000)
        written = transport.write(subject.folder, "catalogue.csv", b"new")
        assert written.size == 3
        assert dict(subject.far.files()) == {"catalogue.csv": b"new"}
        transport.close()

    def test_a_partial_left_by_a_killed_run_is_taken_over(self, subject: Subject) -> None:
        subject.far.put("catalogue.csv.part", b"half of somethi")
        subject.far.put("catalogue.csv", b"old")
        transport = subject.open()
        transport.write(subject.folder, "catalogue.csv", b"new")
        assert dict(subject.far.files()) == {"catalogue.csv": b"new"}
        transport.close()

    def test_names_that_lead_elsewhere_are_refused(self, subject: Subject, tmp_path: Path) -> None:
        subject.far.put("a.xml", b"x")
        transport = subject.open()
        (good,) = transport.list(subject.folder)
        for name in ("../a.xml", "..", "", "sub/a.xml", "a\0.xml", "a\r\nDELE a.xml"):
            with pytest.raises(ConfigError):
                transport.write(subject.folder, name, b"x")
            evil = RemoteFile(subject.folder, name, 1, good.modified)
            (read,) = transport.read_many([evil], tmp_path)
            (deleted,) = transport.delete_many([evil])
            (moved,) = transport.move_many([evil], subject.folder)
            assert isinstance(read.error, Refused)
            assert isinstance(deleted.error, Refused)
            assert isinstance(moved.error, Refused)
        with pytest.raises(ConfigError):
            transport.list(subject.folder + "/../..")
        assert list(tmp_path.iterdir()) == []
        assert dict(subject.far.files()) == {"a.xml": b"x"}
        transport.close()

    def test_what_changed_since_the_listing_is_neither_read_nor_deleted(self, subject: Subject, tmp_path: Path) -> None:
        subject.far.put("grew.xml", b"<a>")
        subject.far.put("shrank.xml", b"<a></a>")
        subject.far.put("same.xml", b"<a/>")
        transport = subject.open()
        files = transport.list(subject.folder)
        subject.far.put("grew.xml", b"<a></a>")
        subject.far.put("shrank.xml", b"<")
        read = {result.file.name: result for result in transport.read_many(files, tmp_path)}
        assert isinstance(read["grew.xml"].error, Changed)
        assert isinstance(read["shrank.xml"].error, Changed)
        assert read["same.xml"].error is None
        assert len(list(tmp_path.iterdir())) == 1
        for act in (transport.delete_many, lambda some: transport.move_many(some, subject.folder + "/done")):
            outcomes = {outcome.file.name: outcome for outcome in act(files[:])}
            assert isinstance(outcomes["grew.xml"].error, Changed)
            assert isinstance(outcomes["shrank.xml"].error, Changed)
            assert outcomes["same.xml"].done
        assert dict(subject.far.files()) == {"grew.xml": b"<a></a>", "shrank.xml": b"<"}
        transport.close()

    def test_a_new_version_of_the_same_size_is_not_deleted(self, subject: Subject) -> None:
        subject.far.put("a.xml", b"<a/>")
        transport = subject.open()
        (file,) = transport.list(subject.folder)
        assert file.modified is not None
        earlier = RemoteFile(file.folder, file.name, file.size, file.modified - timedelta(hours=1), file.raw)
        (outcome,) = transport.delete_many([earlier])
        assert isinstance(outcome.error, Changed)
        assert dict(subject.far.files()) == {"a.xml": b"<a/>"}
        (outcome,) = transport.delete_many(transport.list(subject.folder))
        assert outcome.done
        transport.close()

    def test_what_is_gone_counts_as_deleted_and_cannot_be_read(self, subject: Subject, tmp_path: Path) -> None:
        for name in ("a.xml", "b.xml", "c.xml"):
            subject.far.put(name, b"<a/>")
        transport = subject.open()
        files = sorted(transport.list(subject.folder), key=lambda file: file.name)
        subject.far.remove("b.xml")
        read = {result.file.name: result for result in transport.read_many(files, tmp_path)}
        assert isinstance(read["b.xml"].error, Changed)
        assert read["a.xml"].path
        assert read["c.xml"].path
        moved = transport.move_many(files[1:2], subject.folder + "/done")
        assert [(outcome.done, outcome.gone) for outcome in moved] == [(True, True)]
        deleted = transport.delete_many(files)
        assert [(outcome.done, outcome.gone) for outcome in deleted] == [(True, False), (True, True), (True, False)]
        again = transport.delete_many(files)
        assert all(outcome.done and outcome.gone for outcome in again)
        transport.close()

    def test_a_move_never_overwrites(self, subject: Subject) -> None:
        transport = subject.open()
        for text in (b"first", b"second", b"third"):
            subject.far.put("order.xml", text)
            (outcome,) = transport.move_many(transport.list(subject.folder), subject.folder + "/deep/done")
            assert outcome.done
            assert not outcome.error
        assert dict(subject.far.files("deep/done")) == {
            "order.xml": b"first",
            "order-1.xml": b"second",
            "order-2.xml": b"third",
        }
        assert dict(subject.far.files()) == {}
        transport.close()

    def test_folders_are_no_files_and_are_made_once(self, subject: Subject) -> None:
        transport = subject.open()
        transport.make_folder(subject.folder + "/one/two")
        transport.make_folder(subject.folder + "/one/two")
        assert list(transport.list(subject.folder)) == []
        assert list(transport.list(subject.folder + "/one/two/")) == []
        transport.close()

    def test_folders_are_listed_and_removed_when_empty(self, subject: Subject) -> None:
        transport = subject.open()
        transport.make_folder(subject.folder + "/one/two")
        transport.make_folder(subject.folder + "/Друга тека")
        transport.write(subject.folder, "a.xml", b"x")
        assert sorted(transport.folders(subject.folder)) == ["one", "Друга тека"]
        assert list(transport.folders(subject.folder + "/one")) == ["two"]
        assert list(transport.folders(subject.folder + "/one/two")) == []
        with pytest.raises(Refused):
            transport.remove_folder(subject.folder + "/one")
        with pytest.raises(Refused):
            transport.remove_folder(subject.folder)
        with pytest.raises(ConfigError):
            transport.remove_folder("/")
        with pytest.raises(FolderMissing):
            transport.folders(subject.folder + "/nope")
        for folder in ("one/two", "one", "one", "Друга тека"):  # gone is fine
            transport.remove_folder(f"{subject.folder}/{folder}")
        assert list(transport.folders(subject.folder)) == []
        assert dict(subject.far.files()) == {"a.xml": b"x"}
        transport.close()

    def test_many_files(self, subject: Subject, tmp_path: Path) -> None:
        expected = {f"order-{number:04}.xml": f"<order>{number}</order>".encode() for number in range(300)}
        for name, data in expected.items():
            subject.far.put(name, data)
        transport = subject.open()
        files = transport.list(subject.folder)
        assert len(files) == len(expected)
        results = transport.read_many(files, tmp_path)
        read = {result.file.name: result.path.read_bytes() for result in results if result.path}
        assert read == expected
        assert all(outcome.done for outcome in transport.delete_many(files))
        assert list(transport.list(subject.folder)) == []
        transport.close()

    def test_files_written_side_by_side_are_each_as_written_alone(self, subject: Subject, tmp_path: Path) -> None:
        """Old ones are replaced, an error spoils only its own file, the later of two of one name stays."""
        for number in range(0, 30, 3):
            subject.far.put(f"{number:02}.jpg", b"old")
        expected = {f"{number:02}.jpg": os.urandom(number * 1000) for number in range(30)}
        uploads = []
        for number, (name, data) in enumerate(expected.items()):
            source = tmp_path / name
            source.write_bytes(data)
            uploads.append(Upload(subject.folder, name, source if number % 2 else data))
        twins = [Upload(subject.folder, "a.jpg", b"first"), Upload(subject.folder, "a.jpg", b"second")]
        clash = [Upload(subject.folder, "b.jpg", b"b"), Upload(subject.folder, "b.jpg.part", b"no partial of ours")]
        wrong = [Upload(subject.folder, "../c.jpg", b"c"), Upload(subject.folder, "d.jpg", tmp_path / "not there")]
        wrong += [Upload(f"{subject.folder}/none", "e.jpg", b"e")]
        transport = subject.open()
        results = list(write_many(transport, [*uploads, *twins, *clash, *wrong]))
        assert len(results) == len(uploads) + 7
        errors = {written.upload: written.error for written in results if written.error}
        assert set(errors) == set(wrong)
        assert isinstance(errors[wrong[0]], ConfigError)
        assert isinstance(errors[wrong[1]], Transient)
        assert isinstance(errors[wrong[2]], FolderMissing)
        assert all(
            written.file is not None
            and (written.file.name, written.file.folder) == (written.upload.name, subject.folder)
            for written in results
            if not written.error
        )
        there = dict(subject.far.files())
        assert there == {**expected, "a.jpg": b"second", "b.jpg": b"b", "b.jpg.part": b"no partial of ours"}
        listed = {file.name: file for file in transport.list(subject.folder)}
        assert {name: file.size for name, file in listed.items()} == {name: len(data) for name, data in there.items()}
        transport.close()

    def test_a_closed_transport_opens_again(self, subject: Subject) -> None:
        transport = subject.open()
        transport.write(subject.folder, "a.xml", b"1")
        transport.close()
        transport.close()
        assert [file.name for file in transport.list(subject.folder)] == ["a.xml"]
        transport.close()

    def test_a_caller_may_work_between_two_results(self, subject: Subject, tmp_path: Path) -> None:
        for number in range(20):
            subject.far.put(f"{number}.xml", b"x" * number)
        transport = subject.open()
        for result in transport.read_many(transport.list(subject.folder), tmp_path):
            assert result.error is None
            assert transport.delete_many([result.file])[0].done
        assert dict(subject.far.files()) == {}
        transport.close()

    def test_a_probe_says_what_is_allowed_and_leaves_nothing(self, subject: Subject) -> None:
        subject.far.put("theirs.xml", b"x")
        transport = subject.open()
        seen = transport.probe(subject.folder)
        assert (seen.listing, seen.write, seen.rename, seen.delete) == (True, True, True, True)
        assert seen.rename_over is not None
        assert seen.rename_by == ("swap" if not seen.rename_over else seen.rename_by or "none")
        assert seen.exact_times
        assert seen.server
        assert dict(subject.far.files()) == {"theirs.xml": b"x"}
        transport.close()


class ServerContract(TransportContract):
    """For transports to a server."""

    @pytest.fixture
    def subject(self) -> ServerSubject:
        """To be given by the subclass."""
        raise NotImplementedError

    def test_a_wrong_password_is_refused_once(self, subject: ServerSubject) -> None:
        transport = Retrying(subject.wrong_password(), sleep=_never)
        with pytest.raises(Refused) as caught:
            transport.list(subject.folder)
        assert caught.value.hint
        transport.close()

    def test_a_server_that_restarts_is_found_again(self, subject: ServerSubject, tmp_path: Path) -> None:
        for number in range(5):
            subject.far.put(f"{number}.xml", b"x")
        transport = subject.open()
        files = transport.list(subject.folder)
        subject.restart()
        assert [result.error for result in transport.read_many(files, tmp_path)] == [None] * 5
        subject.restart()
        assert all(outcome.done for outcome in transport.delete_many(files[:2]))
        subject.restart()
        patient = Retrying(transport, pauses=(0.1, 0.5))
        assert len(patient.list(subject.folder)) == 3
        subject.restart()
        patient.write(subject.folder, "new.xml", b"new")
        assert "new.xml" in subject.far.files()
        transport.close()

    def test_a_server_that_is_away_is_transient(self, subject: ServerSubject, tmp_path: Path) -> None:
        transport = subject.open()
        file = RemoteFile(subject.folder, "a.xml", 1)
        subject.stop()
        try:
            with pytest.raises(Transient):
                transport.list(subject.folder)
            with pytest.raises(Transient):
                transport.write(subject.folder, "a.xml", b"x")
            (read,) = transport.read_many([file], tmp_path)
            (deleted,) = transport.delete_many([file])
        finally:
            subject.start()
        assert isinstance(read.error, Transient)
        assert isinstance(deleted.error, Transient)
        transport.close()


class RightsContract(ServerContract):
    """For servers on which rights can be taken away."""

    @pytest.fixture
    def subject(self) -> RightsSubject:
        """To be given by the subclass."""
        raise NotImplementedError

    def test_an_unreadable_file_spoils_only_itself(self, subject: RightsSubject, tmp_path: Path) -> None:
        for name in ("a.xml", "locked.xml", "z.xml"):
            subject.far.put(name, b"<a/>")
        subject.lock("locked.xml")
        transport = subject.open()
        results = {result.file.name: result for result in transport.read_many(transport.list(subject.folder), tmp_path)}
        assert isinstance(results["locked.xml"].error, Refused)
        assert results["a.xml"].path
        assert results["z.xml"].path
        assert len(list(tmp_path.iterdir())) == 2
        transport.close()

    def test_rights_that_lack_are_said(self, subject: RightsSubject) -> None:
        subject.far.put("a.xml", b"<a/>")
        subject.forbid()
        transport = subject.open()
        (deleted,) = transport.delete_many(transport.list(subject.folder))
        assert isinstance(deleted.error, Refused)
        assert not isinstance(deleted.error, FolderMissing)
        with pytest.raises(Refused) as caught:
            transport.write(subject.folder, "b.xml", b"x")
        assert not isinstance(caught.value, FolderMissing)
        seen = transport.probe(subject.folder)
        assert (seen.listing, seen.write) == (True, False)
        assert [finding.code for finding in seen.findings] == ["rights-write"]
        assert seen.findings[0].hint
        assert dict(subject.far.files()) == {"a.xml": b"<a/>"}
        transport.close()


def _never(_: float) -> None:
    raise AssertionError("a refused login must not be tried again")
