"""The walk of a catalogue out, with a system of our own making and a server in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from pipeline.archive import Archive
from pipeline.errors import ConfigError, FolderMissing, Held, Refused
from pipeline.flow import FormatPlugin
from pipeline.ledger import tables as t
from pipeline.ports import RemoteFile
from pipeline.transports.memory import MemoryTransport
from plugins.formats import joomshopping_csv, order_xml
from tests.engine.outbound_world import CSV, Deaf, Killed, World, product


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_a_catalogue_is_published_archived_and_recorded(world: World) -> None:
    result = world.run()
    data = world.files["catalogue.csv"]
    assert world.codes() == [f"{n:04}" for n in range(10)]
    assert result.counts == {"rows": 10, "uploaded": 1}
    assert not result.waiting
    (row,) = world.table(t.publications)
    sha = hashlib.sha256(data).hexdigest()
    assert (row["sha256"], row["size"], row["rows"], row["connection"]) == (sha, len(data), 10, "site")
    assert Archive(world.base / "archive").read(sha) == data
    assert [event["event"] for event in world.table(t.events)] == ["published"]
    assert [notice["kind"] for notice in world.table(t.notices)] == ["catalogue"]


def test_nothing_is_sent_when_nothing_changed(world: World) -> None:
    world.run()
    before = dict(world.site.files["import"])
    assert world.run().counts == {"rows": 10, "unchanged": 1}
    assert world.site.files["import"] == before
    assert len(world.table(t.publications)) == 1


def test_the_same_is_sent_again_when_asked(world: World) -> None:
    world.run()
    assert world.run(only_changed=False).counts["uploaded"] == 1


@pytest.mark.parametrize("damage", ["gone", "cut"])
def test_f32_a_damaged_or_missing_file_is_repaired(world: World, damage: str) -> None:
    world.run()
    data, at = world.site.files["import"].pop("catalogue.csv")
    if damage == "cut":
        world.site.files["import"]["catalogue.csv"] = (data[:-7], at)
    assert world.run().counts["uploaded"] == 1
    assert world.files["catalogue.csv"] == data


def test_f32_another_file_of_the_same_size_is_noticed_and_told(world: World) -> None:
    world.run()
    data = world.files["catalogue.csv"]
    world.site.write("import", "catalogue.csv", b"x" * len(data))
    plan = world.run(dry_run=True)
    assert plan.details[0]["action"] == "upload"
    assert any("would be sent again" in str(note) for note in plan.notes)
    result = world.run()
    assert result.counts["uploaded"] == 1
    assert any("catalogue.csv on site is not as Mistok left it" in str(note) for note in result.notes)
    assert world.files["catalogue.csv"] == data
    assert [row["state"] for row in world.table(t.cards)] == []
    altered = [row["data"]["altered"] for row in world.table(t.events) if row["event"] == "published"]
    assert altered == [False, True]
    again = world.run()
    assert again.counts["unchanged"] == 1
    assert again.notes == ()


class Rounding(MemoryTransport):
    """Its listing tells other times than its reply to an upload: whole minutes, or none at all."""

    def __init__(self, *args: Any, told: Callable[[datetime], datetime | None]) -> None:
        super().__init__(*args)
        self.told = told

    def list(self, folder: str) -> Sequence[RemoteFile]:
        return [replace(file, modified=file.modified and self.told(file.modified)) for file in super().list(folder)]


@pytest.mark.parametrize("told", [lambda at: at.replace(second=0), lambda _at: None], ids=["minutes", "none"])
def test_what_the_listing_says_is_what_is_compared(world: World, told: Callable[[datetime], datetime | None]) -> None:
    world.site = Rounding("site", ["", "import"], told=told)
    world.run()
    assert [row["remote_modified"] for row in world.table(t.publications)] == [world.site.list("import")[0].modified]
    assert world.run().counts["unchanged"] == 1
    data, at = world.site.files["import"]["catalogue.csv"]
    world.site.files["import"]["catalogue.csv"] = (b"x" * len(data), at + timedelta(minutes=5))
    seen = told(at) is not None
    assert ("uploaded" in world.run().counts) == seen, "a server that tells no times is believed by the size alone"


def test_a_server_that_begins_to_tell_times_gets_the_file_once_more(world: World) -> None:
    world.site = Rounding("site", ["", "import"], told=lambda _at: None)
    world.run()
    world.site.told = lambda at: at
    assert world.run().counts["uploaded"] == 1
    assert world.run().counts["unchanged"] == 1


def test_a_site_that_takes_the_file_away_at_once_is_no_error(world: World) -> None:
    class Hasty(MemoryTransport):
        def write(self, folder: str, name: str, source: Path | bytes) -> RemoteFile:
            written = super().write(folder, name, source)
            self.files[folder].clear()
            return written

    world.site = Hasty("site", ["", "import"])
    assert world.run().counts["uploaded"] == 1
    result = world.run()
    assert result.counts["uploaded"] == 1
    assert result.notes == (), "taking it away is the site's right"


def test_a_missing_folder_is_made_and_told(world: World) -> None:
    assert any("would be made" in str(note) for note in world.run(folder="goods/new", dry_run=True).notes)
    assert "goods/new" not in world.site.files
    result = world.run(folder="goods/new")
    assert any("has been made" in str(note) for note in result.notes)
    assert list(world.site.files["goods/new"]) == ["catalogue.csv"]
    assert world.run(folder="goods/new").notes == ()


def test_a_missing_root_is_an_error(world: World) -> None:
    world.site.files.clear()
    with pytest.raises(FolderMissing):
        world.run()
    assert world.site.files == {}


# --- brakes ----------------------------------------------------------------------------------------------------------


def test_f45_an_empty_feed_is_not_published(world: World) -> None:
    world.run()
    before = world.files
    world.rows = []
    result = world.run()
    assert result.waiting
    assert world.files == before
    (notice,) = (row for row in world.table(t.notices) if row["kind"] == "brake")
    assert notice["subject"] == "job:catalogue"
    assert "uploaded" not in result.counts


def test_f45_a_feed_shrunk_by_more_than_half_waits_for_approval(world: World) -> None:
    world.run()
    world.rows = world.rows[:4]
    assert world.run().waiting
    assert world.run().waiting
    assert len(world.codes()) == 10
    assert len([row for row in world.table(t.notices) if row["kind"] == "brake"]) == 1, "told once, not at each run"
    assert [card["state"] for card in world.table(t.cards)] == ["open"]
    result = world.run(approve=True)
    assert not result.waiting
    assert len(world.codes()) == 4
    assert [card["state"] for card in world.table(t.cards)] == ["resolved"]
    # what was approved is the new measure
    assert not world.run().waiting


def test_exactly_the_allowed_part_may_vanish(world: World) -> None:
    world.run()
    world.rows = world.rows[:5]
    assert not world.run(max_shrink=50).waiting
    world.rows = world.rows[:1]
    assert not world.run(max_shrink=100).waiting


@pytest.mark.parametrize("more", [True, False])
def test_a_brake_is_over_when_the_feed_is_whole_again(world: World, more: bool) -> None:
    world.run()
    rows, world.rows = world.rows, []
    world.run()
    world.rows = [*rows, product("9999")] if more else rows
    assert not world.run().waiting
    assert [card["state"] for card in world.table(t.cards)] == ["superseded"]


# --- what cannot be written, or would be read otherwise --------------------------------------------------------------


def test_a_product_without_a_price_stops_the_upload(world: World) -> None:
    world.run()
    before = world.files
    world.rows[3] = product("0003", None)
    with pytest.raises(Held) as error:
        world.run()
    words = [str(finding.text) for finding in error.value.findings]
    assert "0003" in words[0]
    assert words[1:] == ["Product 0003 cannot be written: it has no price."]
    assert world.files == before
    assert [row["event"] for row in world.table(t.events)] == ["published", "catalogue_refused"]


def test_codes_that_the_shop_would_cut_stop_the_upload(world: World) -> None:
    world.rows += [product("X" * 33), product("X" * 32)]
    with pytest.raises(Held) as error:
        world.run()
    assert {finding.code for finding in error.value.findings[1:]} == {"csv-code-length", "csv-code-twin"}
    assert world.files == {}


def test_a_format_that_writes_otherwise_than_it_says_is_caught(world: World) -> None:
    """The check does not trust the writer: a quote too few, and nothing is sent."""

    class Broken(joomshopping_csv.JoomShoppingCsv):
        def encode(self, batches: Any, settings: Any, context: Any) -> Any:
            for chunk in super().encode(batches, settings, context):
                yield replace(chunk, data=chunk.data.replace(b'0002"', b"0002"))

    world.rows[2] = product("0002", **{"name.uk-UA": 'a;b "0002"'})
    plugin = FormatPlugin(CSV.name, CSV.summary, Broken(), CSV.settings)
    with pytest.raises(Held) as error:
        world.run(plugin=plugin)
    assert error.value.findings[1].code == "csv-read-back"
    assert "0002" in str(error.value.findings[1].text)
    assert world.files == {}


# --- choice of rows --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "codes"),
    [
        ({}, ["a", "b", "d"]),
        ({"only_published": False}, ["a", "b", "c", "d"]),
        ({"in_stock_only": True}, ["a", "d"]),
        ({"categories": {"include": ["Авто/Плівки"]}}, ["a"]),
        ({"categories": {"include": ["Авто"]}}, ["a", "b"]),
        ({"categories": {"exclude": [" Авто / Плівки "]}}, ["b", "d"]),
        ({"categories": {"include": ["Авто"], "exclude": ["Авто/Плівки"]}}, ["b"]),
    ],
)
def test_only_the_chosen_products_go_out(world: World, settings: dict[str, Any], codes: list[str]) -> None:
    world.rows = [
        product("a", category=("Авто", "Плівки", "Чорні")),
        product("b", category=("Авто",), stock=Decimal(0)),
        product("c", category=("Авто",), published=False),
        product("d"),
    ]
    world.run(**settings)
    assert world.codes() == codes


def test_a_format_for_orders_is_refused(world: World) -> None:
    with pytest.raises(ConfigError, match="cannot write a catalogue"):
        world.run(plugin=order_xml.PLUGIN)


def test_a_system_without_products_is_refused(world: World) -> None:
    with pytest.raises(ConfigError, match="tells no products"):
        world.run(system=Deaf())


# --- dry run ---------------------------------------------------------------------------------------------------------


def test_a_dry_run_writes_nothing_and_tells_the_plan(world: World) -> None:
    world.disk.write("photos", "a.jpg", b"picture")
    world.rows[0]["image"] = "a.jpg"
    images = {"from": "disk", "folder": "photos"}
    result = world.run(dry_run=True, marker="catalogue.ok", images=images)
    assert result.details[0]["action"] == "upload"
    assert result.details[0]["rows"] == 10
    assert result.counts["images"] == 1
    assert world.files == {}
    for table in (t.publications, t.events, t.notices, t.cards, t.values):
        assert world.table(table) == []
    assert not (world.base / "archive").exists()


def test_a_dry_run_shows_a_brake_and_leaves_no_card(world: World) -> None:
    world.rows = []
    assert world.run(dry_run=True).waiting
    assert world.table(t.cards) == []


# --- images ----------------------------------------------------------------------------------------------------------

PICTURES = {"from": "disk", "folder": "photos", "to": "pictures"}


def test_new_and_changed_images_are_sent_before_the_catalogue_and_only_once(world: World) -> None:
    for name in ("a.jpg", "b.jpg", "unused.jpg"):
        world.disk.write("photos", name, name.encode())
    world.rows[0] |= {"image": "a.jpg", "images": ("b.jpg", "https://cdn.example/c.jpg")}
    seen: list[str] = []

    def look(point: str) -> None:
        if point == "outbound:images":
            seen.extend(world.files)

    assert world.run(images=PICTURES, reach=look).counts["images"] == 2
    assert seen == [], "no catalogue yet when the images went out"
    assert set(world.site.files["pictures"]) == {"a.jpg", "b.jpg"}
    assert world.run(images=PICTURES).counts["images"] == 0
    world.disk.write("photos", "b.jpg", b"B.JPG")
    assert world.run(images=PICTURES).counts["images"] == 1
    assert world.site.files["pictures"]["b.jpg"][0] == b"B.JPG"
    del world.site.files["pictures"]["a.jpg"]
    assert world.run(images=PICTURES).counts["images"] == 1


def test_an_image_touched_but_not_changed_is_not_sent_again(world: World) -> None:
    world.disk.write("photos", "a.jpg", b"same")
    world.rows[0]["image"] = "a.jpg"
    world.run(images=PICTURES)
    world.disk.write("photos", "a.jpg", b"same")
    before = world.site.files["pictures"]["a.jpg"]
    assert world.run(images=PICTURES).counts["images"] == 0
    assert world.site.files["pictures"]["a.jpg"] == before


def test_a_missing_image_is_a_remark(world: World) -> None:
    world.rows[0]["image"] = "gone.jpg"
    result = world.run(images=PICTURES)
    assert result.counts == {"rows": 10, "uploaded": 1, "images": 0}
    assert any("gone.jpg" in str(note) for note in result.notes)


def test_images_in_folders_keep_them(world: World) -> None:
    world.disk.make_folder("photos/2026")
    world.disk.write("photos/2026", "a.jpg", b"a")
    world.rows[0] |= {"image": "2026/a.jpg", "images": ("../../secret.txt",)}
    result = world.run(images=PICTURES)
    assert result.counts["images"] == 1
    assert set(world.site.files["pictures/2026"]) == {"a.jpg"}
    assert any("secret.txt" in str(note) for note in result.notes)


def test_one_image_that_is_refused_costs_the_others_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The export stops with what the server says; the images beside it are there and recorded."""
    for name in ("a.jpg", "b.jpg", "c.jpg"):
        world.disk.write("photos", name, name.encode())
    world.rows[0] |= {"image": "a.jpg", "images": ("b.jpg", "c.jpg")}
    write = MemoryTransport.write

    def refuses(site: MemoryTransport, folder: str, name: str, source: Path | bytes) -> RemoteFile:
        if name == "b.jpg":
            raise Refused("no room for b.jpg")
        return write(site, folder, name, source)

    monkeypatch.setattr(MemoryTransport, "write", refuses)
    with pytest.raises(Refused, match="no room"):
        world.run(images=PICTURES)
    assert set(world.site.files["pictures"]) == {"a.jpg", "c.jpg"}
    assert "catalogue.csv" not in world.files
    monkeypatch.undo()
    assert world.run(images=PICTURES).counts["images"] == 1
    assert set(world.site.files["pictures"]) == {"a.jpg", "b.jpg", "c.jpg"}


def test_an_image_killed_half_way_is_sent_by_the_next_run(world: World) -> None:
    world.disk.write("photos", "a.jpg", b"a")
    world.rows[0]["image"] = "a.jpg"

    def kill(point: str) -> None:
        if point == "outbound:images":
            raise Killed

    with pytest.raises(Killed):
        world.run(images=PICTURES, reach=kill)
    assert world.run(images=PICTURES).counts == {"rows": 10, "uploaded": 1, "images": 0}
