"""A catalogue that has not changed is known by its source's mark, and is neither written nor sent again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pipeline.engine import unchanged
from pipeline.flow import OutboundStep
from pipeline.ledger import tables as t
from pipeline.ports import Batch
from tests.engine.outbound_world import CSV, Shelf, World, product


@dataclass
class Marked(Shelf):
    """A shelf that tells what it was asked for."""

    log: list[str] = field(default_factory=list)
    marks: bool = True

    @contextmanager
    def moment(self) -> Iterator[Marked]:
        yield self

    def batches(self, fields: Sequence[str], *, at: datetime, size: int = 1000) -> Iterator[Batch]:
        self.log.append("read")
        return super().batches(fields, at=at, size=size)

    def mark(self, fields: Sequence[str], *, at: datetime) -> str | None:
        self.log.append("mark")
        return repr([[row.get(name) for name in fields] for row in self.rows]) if self.marks else None

    def asked_for(self) -> list[str]:
        said, self.log = self.log, []
        return said


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(unchanged, "FROM", 1)
    return World(tmp_path)


@pytest.fixture
def shelf(world: World) -> Marked:
    """Published, and found unchanged once, so that it is marked."""
    shelf = Marked(world.rows)
    assert world.run(system=shelf).counts["uploaded"] == 1
    assert shelf.asked_for() == ["read"]
    assert world.run(system=shelf).counts == {"rows": 10, "unchanged": 1}
    assert shelf.asked_for() == ["read", "mark"]
    return shelf


def test_the_third_run_reads_no_product(world: World, shelf: Marked) -> None:
    before = dict(world.site.files["import"])
    world.clock.at += timedelta(days=1)
    result = world.run(system=shelf)
    assert shelf.asked_for() == ["mark"]
    assert result.counts == {"rows": 10, "unchanged": 1}
    assert result.details[0]["bytes"] == len(world.files["catalogue.csv"])
    assert world.site.files["import"] == before
    assert len(world.table(t.publications)) == 1
    assert world.run(system=shelf, dry_run=True).details[0]["action"] == "unchanged"
    assert shelf.asked_for() == ["mark"]


def test_a_change_is_published_and_marked_anew_when_it_lasts(world: World, shelf: Marked) -> None:
    world.rows[3] = product("0003", "11.00")
    assert world.run(system=shelf).counts["uploaded"] == 1
    assert shelf.asked_for() == ["mark", "read"]
    assert b"11.00" in world.files["catalogue.csv"]
    runs = []
    for _ in range(3):
        assert world.run(system=shelf).counts["unchanged"] == 1
        runs.append(shelf.asked_for())
    assert runs == [["read", "mark"], ["mark"], ["mark"]]


@pytest.mark.parametrize("damage", ["gone", "cut", "touched", "under way"])
def test_what_lies_on_the_server_is_looked_at_all_the_same(world: World, shelf: Marked, damage: str) -> None:
    data, at = world.site.files["import"]["catalogue.csv"]
    if damage == "gone":
        del world.site.files["import"]["catalogue.csv"]
    elif damage == "cut":
        world.site.files["import"]["catalogue.csv"] = (data[:-7], at)
    elif damage == "touched":
        world.clock.at += timedelta(hours=1)
        world.site.write("import", "catalogue.csv", b"x" * len(data))
    else:

        def stop(point: str) -> None:
            if point == "outbound:uploaded":
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            world.run(system=shelf, only_changed=False, reach=stop)
        shelf.asked_for()
    assert world.run(system=shelf).counts["uploaded"] == 1
    assert shelf.asked_for()[:2] == ["mark", "read"]
    assert world.files["catalogue.csv"] == data


def test_a_folder_that_is_gone_is_made_again(world: World, shelf: Marked) -> None:
    data = world.files["catalogue.csv"]
    del world.site.files["import"]
    assert world.run(system=shelf).counts["uploaded"] == 1
    assert world.files["catalogue.csv"] == data


@pytest.mark.parametrize(
    "other",
    [
        {"shop": {"profile": "stock"}, "max_price_change": None},
        {"only_published": False},
        {"min_rows": 2},
        {"only_changed": False},
        {"step": OutboundStep(keep=lambda row, settings: True)},
        {"images": {"from": "disk", "to": "site", "folder": "photos"}},
    ],
)
def test_all_that_a_file_depends_on_counts(world: World, shelf: Marked, other: dict[str, Any]) -> None:
    if "images" in other:
        world.disk.files["photos"] = {}
    world.run(system=shelf, **other)
    assert "read" in shelf.asked_for()


def test_a_format_that_is_not_steady_is_written_every_time(world: World, shelf: Marked) -> None:
    class Unsteady(type(CSV.format)):  # type: ignore[misc]
        steady = False

    Unsteady.__module__ = "plugins.formats.unsteady"
    for _ in range(3):
        world.run(system=shelf, plugin=replace(CSV, format=Unsteady()))
        assert "read" in shelf.asked_for()


def test_remarks_are_told_every_time(world: World, shelf: Marked) -> None:
    world.rows[2] = product("0002", **{"name.uk-UA": 'Лак "А\\"'})
    first = world.run(system=shelf, approve=True)
    told = [[note.render("en") for note in world.run(system=shelf).notes] for _ in range(3)]
    assert any("backslash" in note for note in told[0])
    assert told[0] == told[1] == told[2] == [note.render("en") for note in first.notes]
    assert shelf.asked_for()[-1] == "mark"
    assert shelf.log == []


def test_a_brake_holds_as_long_as_the_settings_say_so(world: World, shelf: Marked) -> None:
    assert world.run(system=shelf, min_rows=20).waiting
    assert world.run(system=shelf, min_rows=20, approve=True).counts["unchanged"] == 1
    shelf.asked_for()
    assert world.run(system=shelf, min_rows=20).waiting
    assert shelf.asked_for() == ["mark"]


def test_the_marker_is_written_without_a_reading(world: World, shelf: Marked) -> None:
    marked: dict[str, Any] = {"marker": "catalogue.csv.ok"}
    assert world.run(system=shelf, **marked).counts["unchanged"] == 1  # other settings: read once more
    shelf.asked_for()
    assert world.run(system=shelf, **marked).counts["unchanged"] == 1
    assert shelf.asked_for() == ["mark"]
    assert "catalogue.csv.ok" in world.files


def test_a_source_without_a_mark_and_a_small_catalogue_are_read(
    world: World, shelf: Marked, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf.marks = False
    assert world.run(system=shelf).counts["unchanged"] == 1
    assert shelf.asked_for() == ["mark", "read", "mark"]
    shelf.marks = True
    monkeypatch.setattr(unchanged, "FROM", 11)
    assert world.run(system=shelf).counts["unchanged"] == 1
    assert shelf.asked_for() == ["read"]
