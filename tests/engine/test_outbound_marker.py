"""A catalogue that goes out with a marker file behind it."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from pipeline.errors import Transient
from pipeline.ports import RemoteFile
from pipeline.transports.memory import MemoryTransport
from tests.engine.outbound_world import Killed, World, product


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


# --- marker ----------------------------------------------------------------------------------------------------------


def marker_is_true(world: World) -> bool:
    """A marker that is there vouches for the very file beside it."""
    marker = world.files.get("catalogue.ok")
    if marker is None:
        return True
    return marker.split()[0].decode() == hashlib.sha256(world.files["catalogue.csv"]).hexdigest()


def test_the_marker_follows_the_catalogue(world: World) -> None:
    world.run(marker="catalogue.ok")
    assert world.files["catalogue.ok"].decode().endswith("  catalogue.csv\n")
    assert marker_is_true(world)


def test_a_marker_that_the_site_took_away_is_not_written_again_for_the_same_file(world: World) -> None:
    world.run(marker="catalogue.ok")
    del world.site.files["import"]["catalogue.ok"]
    world.run(marker="catalogue.ok")
    assert "catalogue.ok" not in world.files


def test_a_marker_that_is_switched_on_later_is_written_for_the_file_that_lies_there(world: World) -> None:
    world.run()
    before = world.site.files["import"]["catalogue.csv"]
    plan = world.run(marker="catalogue.ok", dry_run=True)
    assert plan.details[0]["action"] == "unchanged"
    assert any("marker catalogue.ok would be written" in str(note) for note in plan.notes)
    assert "catalogue.ok" not in world.files
    result = world.run(marker="catalogue.ok")
    assert result.counts == {"rows": 10, "unchanged": 1}
    assert any("marker catalogue.ok has been written" in str(note) for note in result.notes)
    assert world.files["catalogue.ok"].split()[1] == b"catalogue.csv"
    assert marker_is_true(world)
    assert world.site.files["import"]["catalogue.csv"] == before, "the file itself is left in peace"
    assert world.run(marker="catalogue.ok").notes == ()


def test_an_old_marker_is_no_marker_for_a_new_file(world: World) -> None:
    """Switched off, the catalogue changes, switched on again."""
    world.run(marker="catalogue.ok")
    world.rows[0] = product("0000", "19.00")
    world.run()
    assert "catalogue.ok" not in world.files, "nobody would keep it true"
    world.run(marker="catalogue.ok")
    assert "catalogue.ok" in world.files
    assert marker_is_true(world)


@pytest.mark.parametrize("changed", [True, False])
def test_a_marker_with_a_new_name_takes_the_old_ones_place(world: World, changed: bool) -> None:
    world.run(marker="old.ok")
    if changed:
        world.rows[0] = product("0000", "19.00")
    world.run(marker="catalogue.ok")
    assert set(world.files) == {"catalogue.csv", "catalogue.ok"}
    assert marker_is_true(world)


def test_a_file_sent_again_gets_its_marker_again(world: World) -> None:
    world.run(marker="catalogue.ok")
    del world.site.files["import"]["catalogue.ok"]
    world.site.write("import", "catalogue.csv", b"x" * len(world.files["catalogue.csv"]))
    world.run(marker="catalogue.ok")
    assert "catalogue.ok" in world.files
    assert marker_is_true(world)


@pytest.mark.parametrize("point", ["marked", "marker-recorded"])
def test_killed_while_a_marker_is_made_up_for(world: World, point: str) -> None:
    world.run()

    def kill(name: str) -> None:
        if name == f"outbound:{point}":
            raise Killed

    with pytest.raises(Killed):
        world.run(marker="catalogue.ok", reach=kill)
    assert marker_is_true(world)
    world.run(marker="catalogue.ok")
    assert "catalogue.ok" in world.files
    assert marker_is_true(world)


POINTS = ["encoded", "archived", "unmarked", "uploaded", "marked", "recorded"]


@pytest.mark.parametrize("point", POINTS)
def test_f32_killed_anywhere_the_file_is_whole_and_the_next_run_ends_it(world: World, point: str) -> None:
    world.run(marker="catalogue.ok")
    old = world.files["catalogue.csv"]
    world.rows[0] = product("0000", "19.00")
    reached = []

    def kill(name: str) -> None:
        reached.append(name)
        if name == f"outbound:{point}":
            raise Killed

    with pytest.raises(Killed):
        world.run(marker="catalogue.ok", reach=kill)
    killed = world.files["catalogue.csv"]
    assert killed == old or b"19.00" in killed
    assert marker_is_true(world)
    world.run(marker="catalogue.ok")
    assert b"19.00" in world.files["catalogue.csv"]
    assert "catalogue.ok" in world.files
    assert marker_is_true(world)
    assert world.run(marker="catalogue.ok").counts.get("unchanged") == 1


def test_a_source_that_goes_back_after_a_kill_is_published_all_the_same(world: World) -> None:
    """Last recorded: A. B went out, unrecorded. The source is A again: same hash as recorded, but B lies there."""
    world.run()
    before = world.rows[0]
    world.rows[0] = product("0000", "19.00")

    def kill(name: str) -> None:
        if name == "outbound:uploaded":
            raise Killed

    with pytest.raises(Killed):
        world.run(reach=kill)
    assert b"19.00" in world.files["catalogue.csv"]
    world.rows[0] = before
    assert world.run().counts["uploaded"] == 1
    assert b"19.00" not in world.files["catalogue.csv"]


class Failing(MemoryTransport):
    """A server whose disk fills up."""

    def write(self, folder: str, name: str, source: Path | bytes) -> RemoteFile:
        raise Transient("disk full")


def test_f32_a_failed_upload_leaves_the_old_file_and_is_repeated(world: World) -> None:
    world.run()
    old, good = world.files, world.site
    world.site = Failing("site", ["import"])
    world.site.files = good.files
    world.rows[0] = product("0000", "19.00")
    with pytest.raises(Transient):
        world.run()
    assert world.files == old
    world.site = good
    assert world.run().counts["uploaded"] == 1
