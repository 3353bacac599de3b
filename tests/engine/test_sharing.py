"""Machines that share a ledger must share the archive: who does not have a copy is told where it may lie."""

from __future__ import annotations

import json
import platform
import shutil
from pathlib import Path
from typing import Any

import pytest

from pipeline.config.load import load_config
from pipeline.config.model import ClientConfig
from pipeline.engine import sharing
from pipeline.engine.runtime import Client, run_job
from pipeline.engine.supervisor import Supervisor
from tests.e2e.command import Said, here
from tests.engine.deciding_world import World


class TwoMachines(World):
    """A second machine: the same ledger and shops, and an archive of its own."""

    def second(self, archive: str = "other") -> Path:
        text = self.path.read_text("utf-8").replace("ledger:", f"archive: {{path: {archive}}}\nledger:", 1)
        path = self.folder / "second.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    def there(self) -> ClientConfig:
        return load_config(self.second())

    def say(self, *words: object) -> Said:
        return here("-c", self.second(), "--language", "en", *words, env={"MISTOK_USER": "anna"})

    def data(self, *words: object) -> tuple[int, Any]:
        said = self.say(*words, "--json")
        return said.code, json.loads(said.out)

    def place(self, name: str = "archive") -> str:
        return f"{platform.node()}:{self.folder / name}"


@pytest.fixture
def world(tmp_path: Path) -> TwoMachines:
    """An order is held, and its copy lies in the first machine's archive."""
    made = TwoMachines(tmp_path)
    made.drop(1, "AB-1")
    made.run("shop")
    assert made.states() == {"1": "held"}
    return made


def troubles(config: ClientConfig) -> list[str]:
    with Client.open(config) as client:
        found = sharing.missing_here(client.ledger, client.archive)
    return [] if found is None else [found.text.render("en")]


def told(world: TwoMachines) -> list[str]:
    return [row[0] for row in world.rows("SELECT subject FROM notices WHERE kind = 'failure' ORDER BY id")]


def test_one_machine_has_nothing_to_say(world: TwoMachines) -> None:
    assert troubles(world.config()) == []


def test_a_machine_with_an_archive_of_its_own_is_told_where_the_copies_are(world: TwoMachines) -> None:
    (words,) = troubles(world.there())
    assert words.startswith(f"1 copy that the ledger knows of is not in the archive {world.folder / 'other'}: ")
    assert words.endswith(f"files were kept in {world.place()}.")
    code, status = world.data("status")
    assert code == 1
    assert any("is not in the archive" in words for words in status["troubles"]), status["troubles"]

    said = world.say("resolve", "1", "--map", "sku:AB-1=0042")
    assert f"may be in {world.place()}" in said.all
    assert "let the site send it again" not in said.all
    assert world.documents() == []
    said = world.say("replay", "order-1.xml")
    assert f"may be in {world.place()}" in said.all

    code, found = world.data("archive", "verify")
    assert (code, found["missing"], len(found["elsewhere"])) == (1, [], 1)
    assert [finding["code"] for finding in found["findings"]] == ["archive-elsewhere"]
    said = world.say("archive", "verify")
    assert said.code == 1
    assert "not sound" not in said.all, "nothing is damaged"

    # the first machine carries on with what was given on the second
    world.run("shop")
    assert world.states() == {"1": "created"}


def test_both_are_told_once_each_keeps_files(world: TwoMachines) -> None:
    world.drop(2)
    assert run_job(world.there(), "shop").counts.get("created") == 1
    assert len(troubles(world.config())) == len(troubles(world.there())) == 1
    assert told(world) == ["archive-shared"], "one word, not one for each file whose order is looked at again"

    # the remedy: what lies in the others is copied into the one that all use
    shutil.copytree(world.folder / "other" / "objects", world.folder / "archive" / "objects", dirs_exist_ok=True)
    assert troubles(world.config()) == []
    assert world.data("archive", "verify")[0] == 1, "the second one still looks at its own"


def test_a_service_tells_it_when_it_takes_office_and_only_once(world: TwoMachines) -> None:
    with Client.open(world.there()) as client:
        for _ in range(2):
            Supervisor(client.config, client.ledger)._see_the_archive()
        assert told(world) == ["archive-shared"]
        shutil.copytree(world.folder / "archive", world.folder / "other", dirs_exist_ok=True)
        Supervisor(client.config, client.ledger)._see_the_archive()
        with client.ledger.read() as conn:
            assert client.ledger.get_value(conn, "alarm", sharing.SUBJECT)["code"] == ""


def test_an_archive_that_was_moved_is_the_same_and_one_begun_anew_replaces_it(world: TwoMachines) -> None:
    (world.folder / "archive").rename(world.folder / "other")
    assert troubles(world.there()) == []
    world.drop(2)
    assert run_job(world.there(), "shop").counts.get("created") == 1
    assert troubles(world.there()) == [], "it knows its new place"
    shutil.rmtree(world.folder / "other")
    world.drop(3)
    assert run_job(world.there(), "shop").counts.get("created") == 1
    code, found = world.data("archive", "verify")
    assert code == 1
    assert {finding["code"] for finding in found["findings"]} == {"archive-missing"}, "these are lost"


def test_the_name_of_an_archive_is_made_once(tmp_path: Path) -> None:
    from pipeline.archive import Archive

    assert Archive(tmp_path).identity(make=False) == ""
    made = Archive(tmp_path).identity()
    assert len(made) == 32
    assert Archive(tmp_path).identity() == Archive(tmp_path).identity(make=False) == made
