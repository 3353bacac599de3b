"""A large catalogue is written by two processes, each its half: file, counts and findings are those of one process."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from pipeline.engine import halves, prices, second
from pipeline.engine.encoding import Encoder
from pipeline.engine.halves import Half, Rest
from pipeline.engine.published import PRICES
from pipeline.errors import Held
from pipeline.flow import StepResult
from pipeline.ledger import tables as t
from plugins.systems.books import catalogue
from plugins.systems.books.system import Books
from tests.bench import million
from tests.bench.made import open_books
from tests.engine.outbound_world import World

ROWS = 40
LANGUAGES = {"profile": "extended", "variants": "rows", "languages": ["uk-UA", "ru-RU", "bg-BG"]}
LOST = "second_process_lost"
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="no process is forked off a run there")


@dataclass
class Place:
    """Books, and what became of each second half."""

    folder: Path
    ends: list[Rest | None]
    pids: list[int]

    def open(self) -> Books:
        books: Books = open_books(self.folder)
        return books

    def sql(self, words: str) -> None:
        with closing(sqlite3.connect(self.folder / "books.sqlite3", isolation_level=None)) as database:
            database.execute(words)

    def export(self, folder: Path, *, cores: int, **more: Any) -> tuple[World, StepResult | Held, Sequence[Any]]:
        """By one process or two, into a client of its own; what it said."""
        folder.mkdir(parents=True, exist_ok=True)
        world = World(folder)
        return world, *self.again(world, cores=cores, **more)

    def again(self, world: World, *, cores: int, **more: Any) -> tuple[StepResult | Held, Sequence[Any]]:
        books = self.open()
        with pytest.MonkeyPatch.context() as patch, capture_logs() as said:
            patch.setattr(second, "cores", lambda: cores)
            try:
                result: StepResult | Held = world.run(system=books, **{"shop": LANGUAGES, **more})
            except Held as error:
                result = error
            finally:
                books.close()
        assert not [*world.base.glob("temp*/catalogue.rest"), *world.base.glob("temp*/catalogue.seen*")]
        for pid in self.pids:
            assert not Path(f"/proc/{pid}").exists()
        return result, said


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    million.fill(tmp_path / "books", ROWS)
    made = Place(tmp_path / "books", [], [])
    follow, fork = Half.follow, second.fork

    def noted(self: Half, each: Callable[[], None]) -> Rest | None:
        made.ends.append(follow(self, each))
        return made.ends[-1]

    def forked(serve: Callable[[Any], None]) -> second.Second | None:
        process = fork(serve)
        if process is not None:
            made.pids.append(process._pid)
        return process

    reader = catalogue._Reader.__init__

    def small(self: Any, connection: Any, fields: Any, at: Any, _size: int, last: str = "") -> None:
        reader(self, connection, fields, at, halves.BATCH, last)  # one process reads such batches, too

    monkeypatch.setattr(catalogue._Reader, "__init__", small)
    monkeypatch.setattr(Half, "follow", noted)
    monkeypatch.setattr(second, "fork", forked)
    monkeypatch.setattr(halves, "START", 200.0)  # whatever else the machine has to do
    monkeypatch.setattr(halves, "LEAST", 2)
    monkeypatch.setattr(halves, "BATCH", 5)
    return made


def published(world: World) -> tuple[dict[str, bytes], Sequence[Any], Sequence[Any]]:
    rows = [(row["sha256"], row["rows"]) for row in world.table(t.publications)]
    return world.files, rows, [*unpacked(world)]


def unpacked(world: World) -> Iterator[tuple[str, str, str]]:
    for row in world.table(t.values):
        if row["kind"] == PRICES:
            yield from prices.unpack(prices.Packed.of_text(row["value"]["packed"]))


def told(result: StepResult | Held) -> Any:
    if isinstance(result, StepResult):
        return result.counts, [str(note) for note in result.notes], result.details
    return [(finding.code, str(finding.text), finding.where) for finding in result.findings]


def same(place: Place, tmp_path: Path, **more: Any) -> StepResult | Held:
    """Both ways; what they gave."""
    by_one, one, _ = place.export(tmp_path / "one", cores=1, **more)
    assert not place.pids
    by_two, two, said = place.export(tmp_path / "two", cores=2, **more)
    assert place.pids, "nothing was divided"
    assert told(one) == told(two)
    if isinstance(one, StepResult):
        assert published(by_one) == published(by_two)
    assert LOST not in [line["event"] for line in said]
    return two


ODD = (
    "UPDATE products SET published = 0 WHERE id % 3 = 0",
    "UPDATE product_texts SET name = name || '; \\' WHERE product_id % 4 = 0",
    "UPDATE product_texts SET description = '\"a\"' || char(10) || ';b' WHERE product_id % 5 = 0",
    "UPDATE product_texts SET short_description = char(30) || name WHERE product_id IN (7, 23)",
    "UPDATE products SET parent_id = 1 + id % 4 WHERE id BETWEEN 10 AND 30",
    "DELETE FROM prices WHERE kind = 'old' AND product_id % 2 = 0",
    "UPDATE products SET code = lower(code), normal = lower(code) WHERE id % 7 = 0",
)


@pytest.mark.parametrize("batch", [1, 3, 7, 19])
@pytest.mark.parametrize("newlines", ["space", "keep"])
def test_the_file_is_that_of_one_process(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, batch: int, newlines: str
) -> None:
    monkeypatch.setattr(halves, "BATCH", batch)
    for words in ODD:
        place.sql(words)
    result = same(place, tmp_path, shop={**LANGUAGES, "newlines": newlines})
    assert isinstance(result, StepResult)
    assert result.counts["rows"] == ROWS - ROWS // 3
    assert result.notes
    assert place.ends[0] is not None


@pytest.mark.parametrize(
    "shop",
    [
        {"profile": "stock"},
        {"profile": "extended", "header": False, "delimiter": ","},
        {"columns": [{"header": "code", "field": "code"}, {"header": "price", "field": "price"}]},
        {"profile": "extended", "encoding": "windows-1251", "languages": ["ru-RU"]},
    ],
)
def test_with_other_columns_too(place: Place, tmp_path: Path, shop: dict[str, Any]) -> None:
    same(place, tmp_path, shop=shop)
    assert place.ends[0] is not None


def test_prices_are_braked_over_both_halves(place: Place, tmp_path: Path) -> None:
    world, _, _ = place.export(tmp_path / "two", cores=2)
    place.sql("UPDATE prices SET amount = amount * 100 WHERE kind = 'retail' AND product_id IN (3, 38)")
    result, _ = place.again(world, cores=2)
    assert isinstance(result, StepResult)
    assert result.waiting
    assert "2 prices" in str(result.notes[0])
    assert [rest is not None for rest in place.ends] == [True, True]


def test_two_codes_that_the_shop_takes_for_one_are_found_across_the_halves(place: Place, tmp_path: Path) -> None:
    place.sql("UPDATE products SET code = 'f-0000002' WHERE id = 30")
    result = same(place, tmp_path)
    assert isinstance(result, Held)
    assert [finding.code for finding in result.findings] == ["catalogue", "csv-code-twin"]
    assert place.ends[0] is not None


@pytest.mark.parametrize("ids", [(2,), (38,), (2, 38)])
@pytest.mark.parametrize(
    "words",
    [
        "DELETE FROM prices WHERE kind = 'retail' AND product_id = {}",  # cannot be written
        "UPDATE product_texts SET name = printf('%300s', name) WHERE product_id = {}",  # would be read otherwise
    ],
)
def test_what_is_wrong_is_told_as_by_one_process(place: Place, tmp_path: Path, ids: Sequence[int], words: str) -> None:
    for number in ids:
        place.sql(words.format(number))
    result = same(place, tmp_path)
    assert isinstance(result, Held)
    for number in ids:
        assert any(f"F-{number - 1:07}" in str(finding.text) for finding in result.findings[1:])


def end_here(*_: object) -> Any:
    os.kill(os.getpid(), second._KILL)


@pytest.mark.parametrize("when", ["first", "begun", "half", "last"])
def test_what_a_lost_process_leaves_the_run_writes(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    by_one, one, _ = place.export(tmp_path / "one", cores=1)
    chunks, write = Encoder.rest_chunks, halves._write

    def some(self: Encoder, batches: Any) -> Iterator[Any]:
        for place, chunk in enumerate(chunks(self, batches)):
            if place == 2:
                end_here()
            yield chunk

    def lost_at_last(*words: Any) -> Any:
        write(*words)
        end_here()

    match when:
        case "first":
            monkeypatch.setattr(halves, "_serve", end_here)
        case "begun":
            monkeypatch.setattr(halves, "_write", end_here)
        case "half":
            monkeypatch.setattr(Encoder, "rest_chunks", some)
        case "last":
            monkeypatch.setattr(halves, "_write", lost_at_last)
    by_two, two, said = place.export(tmp_path / "two", cores=2)
    assert LOST in [line["event"] for line in said]
    assert place.pids
    assert told(one) == told(two)
    assert published(by_one) == published(by_two)
    assert place.ends == ([] if when == "first" else [None])


def test_one_that_does_not_answer_is_done_without(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(halves, "START", 0.1)
    monkeypatch.setattr(halves, "_serve", lambda *_: time.sleep(600))
    world, result, said = place.export(tmp_path / "two", cores=2)
    assert isinstance(result, StepResult)
    assert result.counts["rows"] == ROWS
    assert LOST in [line["event"] for line in said]
    assert len(world.codes()) == ROWS


def test_a_change_between_the_two_moments_leaves_all_to_one(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_one, one, _ = place.export(tmp_path / "one", cores=1)
    tell = second.Second.tell

    def change_first(self: second.Second, words: object) -> None:
        if words == "look":
            place.sql("UPDATE prices SET amount = 77000000 WHERE kind = 'retail' AND product_id = 39")
        tell(self, words)

    monkeypatch.setattr(second.Second, "tell", change_first)
    by_two, two, _ = place.export(tmp_path / "two", cores=2)
    assert place.pids
    assert not place.ends
    assert told(one) == told(two)
    assert published(by_one) == published(by_two)


def test_a_change_while_both_read_is_seen_by_none(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_one, one, _ = place.export(tmp_path / "one", cores=1)
    begin = Half.begin

    def change_then(self: Half, *words: Any) -> bool:
        begun = begin(self, *words)
        place.sql("UPDATE prices SET amount = 77000000 WHERE kind = 'retail'")
        place.sql("DELETE FROM specials")
        place.sql("PRAGMA wal_checkpoint(PASSIVE)")
        return begun

    monkeypatch.setattr(Half, "begin", change_then)
    by_two, two, _ = place.export(tmp_path / "two", cores=2)
    assert place.ends[0] is not None
    assert told(one) == told(two)
    assert published(by_one) == published(by_two)


def test_whoever_ends_the_run_ends_both(place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(_self: Half) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Half, "look", stop)
    with pytest.raises(KeyboardInterrupt):
        place.export(tmp_path / "two", cores=2)
    (pid,) = place.pids
    assert not Path(f"/proc/{pid}").exists()
    assert not [*(tmp_path / "two").glob("temp*/catalogue.rest"), *(tmp_path / "two").glob("temp*/catalogue.seen*")]


KILLED = """
import os, signal, sys
from pathlib import Path
from pipeline.engine import halves, prices, second
from tests.bench.made import open_books
from tests.engine.outbound_world import World

def write(*_):
    (Path(sys.argv[2]) / "pid").write_text(str(os.getpid()))
    signal.pause()

halves.LEAST, halves.BATCH, halves.START = 2, 5, 200.0
halves._write, second.cores = write, lambda: 2
World(Path(sys.argv[2])).run(system=open_books(Path(sys.argv[1])))
"""


def test_it_does_not_outlive_a_run_that_is_killed(place: Place, tmp_path: Path) -> None:
    folder = tmp_path / "two"
    folder.mkdir()
    root = Path(__file__).resolve().parents[2]
    run = subprocess.Popen([sys.executable, "-c", KILLED, str(place.folder), str(folder)], cwd=root)
    try:
        wait_for(lambda: (folder / "pid").exists() and (folder / "pid").read_text() != "")
    finally:
        run.kill()
        run.wait()
    pid = int((folder / "pid").read_text())
    wait_for(lambda: not alive(pid))


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"  # nobody waits for it, where a container has no init


def wait_for(happened: Callable[[], bool]) -> None:
    until = time.monotonic() + 120
    while not happened():
        assert time.monotonic() < until
        time.sleep(0.02)


@pytest.mark.parametrize("why", ["core", "small", "dry", "leaves", "open", "memory"])
def test_where_it_is_written_by_one(place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, why: str) -> None:
    if why == "small":
        monkeypatch.setattr(halves, "LEAST", ROWS + 1)
    more: dict[str, Any] = {"dry_run": True} if why == "dry" else {}
    if why == "leaves":
        more["shop"] = {"profile": "extended", "category": "leaf"}
    if why == "memory":  # nothing that two processes could open
        monkeypatch.setattr(Books, "let_go", lambda _self: False)
    with closing(sqlite3.connect(place.folder / "books.sqlite3")) as database:
        if why == "open":  # somebody else in this process has it open
            database.execute("SELECT count(*) FROM products").fetchone()
        else:
            database.close()
        _, result, _ = place.export(tmp_path / "one", cores=1 if why == "core" else 2, **more)
    assert isinstance(result, StepResult)
    assert result.counts["rows"] == ROWS
    assert not place.pids
