"""Retrying, dry runs and the log, around a transport that fails as it is told."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import Changed, Refused, Transient
from pipeline.ports import FileOutcome, ReadResult, RemoteFile
from pipeline.texts import T
from pipeline.transports.memory import MemoryTransport
from pipeline.transports.wrap import DryRun, Logged, Retrying


class Flaky(MemoryTransport):
    """Fails so many times before it works."""

    def __init__(self, failures: int, error: type[Exception] = Transient) -> None:
        super().__init__()
        self.failures, self.error, self.calls, self.closed = failures, error, 0, 0

    def _trip(self) -> None:
        self.calls += 1
        if self.failures:
            self.failures -= 1
            raise self.error(T("The line broke."))

    def list(self, folder: str) -> Sequence[RemoteFile]:
        self._trip()
        return super().list(folder)

    def read_many(self, files: Iterable[RemoteFile], into: Path) -> Iterator[ReadResult]:
        for file in files:
            try:
                self._trip()
            except Transient as error:
                yield ReadResult(file, error=error)
            else:
                yield from super().read_many([file], into)

    def delete_many(self, files: Iterable[RemoteFile]) -> Sequence[FileOutcome]:
        outcomes: Any = []
        for file in files:
            try:
                self._trip()
            except Transient as error:
                outcomes.append(FileOutcome(file, done=False, error=error))
            else:
                outcomes.extend(super().delete_many([file]))
        return tuple(outcomes)

    def close(self) -> None:
        self.closed += 1


def test_what_is_transient_is_tried_again_on_a_new_session() -> None:
    pauses: list[float] = []
    flaky = Flaky(2)
    assert list(Retrying(flaky, pauses=(1, 5), sleep=pauses.append).list("")) == []
    assert (pauses, flaky.calls, flaky.closed) == ([1, 5], 3, 2)


def test_attempts_are_bounded() -> None:
    flaky = Flaky(9)
    with pytest.raises(Transient):
        Retrying(flaky, pauses=(1, 5), sleep=lambda _: None).list("")
    assert flaky.calls == 3


@pytest.mark.parametrize("error", [Refused, Changed])
def test_what_is_not_transient_is_not(error: type[Exception]) -> None:
    flaky = Flaky(1, error)
    with pytest.raises(error):
        Retrying(flaky, sleep=lambda _: None).list("")
    assert flaky.calls == 1


def test_only_the_files_that_failed_are_tried_again(tmp_path: Path) -> None:
    flaky = Flaky(0)
    for name in ("a", "b", "c"):
        flaky.write("", name, b"x")
    files = flaky.list("")
    flaky.calls, flaky.failures = 0, 1
    retrying = Retrying(flaky, sleep=lambda _: None)
    results = list(retrying.read_many(files, tmp_path))
    assert [(result.file.name, result.error) for result in results] == [("b", None), ("c", None), ("a", None)]
    assert flaky.calls == 4
    flaky.calls, flaky.failures = 0, 2
    outcomes = retrying.delete_many(files)
    assert [(outcome.file.name, outcome.done) for outcome in outcomes] == [("a", True), ("b", True), ("c", True)]
    assert flaky.calls == 5
    flaky.failures = 99
    results = list(retrying.read_many(files, tmp_path))
    assert all(isinstance(result.error, Transient) for result in results)
    assert len(results) == 3


def test_a_dry_run_reads_and_changes_nothing(tmp_path: Path) -> None:
    memory = MemoryTransport()
    memory.write("", "a.xml", b"x")
    dry = DryRun(memory)
    (file,) = dry.list("")
    (read,) = dry.read_many([file], tmp_path)
    assert read.path
    assert dry.write("", "b.xml", b"12345").size == 5
    assert dry.delete_many([file])[0].done
    assert dry.move_many([file], "done")[0].done
    dry.make_folder("new")
    assert dry.probe("").listing
    assert {folder: set(names) for folder, names in memory.files.items()} == {"": {"a.xml"}}


class Lines:
    """A log that keeps its lines."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str, dict[str, Any]]] = []

    def debug(self, event: str, **fields: Any) -> None:
        self.lines.append(("debug", event, fields))

    def info(self, event: str, **fields: Any) -> None:
        self.lines.append(("info", event, fields))

    def warning(self, event: str, **fields: Any) -> None:
        self.lines.append(("warning", event, fields))


def test_the_log_names_every_file_and_every_failure(tmp_path: Path) -> None:
    log = Lines()
    memory = MemoryTransport("shop")
    logged = Logged(memory, log)
    logged.write("", "a.xml", b"x")
    (file,) = logged.list("")
    list(logged.read_many([file], tmp_path))
    logged.delete_many([file])
    list(logged.read_many([file], tmp_path))
    with pytest.raises(Refused):
        logged.list("nope")
    told = [(level, event, fields.get("name"), fields.get("code")) for level, event, fields in log.lines]
    assert told == [
        ("info", "write", "a.xml", None),
        ("debug", "list", None, None),
        ("info", "read", "a.xml", None),
        ("info", "delete", "a.xml", None),
        ("warning", "read", "a.xml", "changed"),
        ("warning", "list", None, "folder-missing"),
    ]
    assert {fields["connection"] for _, _, fields in log.lines} == {"shop"}
