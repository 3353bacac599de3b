"""Lists say when they are cut, and the story of a file has its orders, what happened to them, and who was told."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pipeline.cli.orders import SHOWN
from pipeline.resources import samples
from tests.e2e.command import Said, mistok
from tests.engine.conftest import Shop

ORDERS = SHOWN + 10


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A client with ten orders more than a list shows, of which one file brought three and one file's were held."""
    made = Shop(tmp_path_factory.mktemp("lists"))
    made.inbox.mkdir(parents=True)
    text = next(samples().glob("orders/twenty/order-00002001.xml")).read_text("utf-8")
    for n in range(ORDERS - 4):
        one = text.replace("<id>2001<", f"<id>9{n:04d}<").replace("<number>00002001<", f"<number>9{n:04d}<")
        (made.inbox / f"{n:04d}.xml").write_text(one, encoding="utf-8")
    made.drop("three-orders")
    made.drop("unknown-product")
    assert made.run().counts["created"] == ORDERS - 1
    return made.folder


def say(folder: Path, *words: object, language: str = "en") -> Said:
    return mistok("-c", folder / "config.yaml", "--language", language, *words, cwd=folder)


@pytest.mark.parametrize("verb", ["orders", "files"])
def test_a_list_that_is_cut_says_so(many: Path, verb: str) -> None:
    total = len(say(many, verb, "--json").json())
    assert total > SHOWN, "JSON has them all"
    said = say(many, verb)
    assert said.err == f"Only the newest {SHOWN} are shown; -n {SHOWN * 10} shows more, --json all.\n"
    assert len(re.findall(r"\.xml|document made|held: waits", said.out)) == SHOWN
    assert say(many, verb, "-n", total).err == "", "all are shown: there is nothing to say"
    assert say(many, verb, "-n", 5).err.startswith("Only the newest 5 are shown; -n 50 shows more")
    assert len(say(many, verb, "-n", 5, "--json").json()) == 5
    assert str(SHOWN) in say(many, verb, language="uk").err


def test_the_newest_are_the_ones_that_are_shown(many: Path) -> None:
    whole = [row["number"] for row in say(many, "orders", "--json").json()]
    shown = re.findall(r"^ ?(\d{5,8}) ", say(many, "orders").out, re.MULTILINE)
    assert shown == whole[:SHOWN]


def test_the_story_of_a_file_has_its_orders(many: Path) -> None:
    (story,) = say(many, "trace", "three-orders.xml", "--json").json()
    numbers = ["00004702", "00004703", "00004704"]
    assert story["kind"] == "file"
    assert [order["number"] for order in story["orders"]] == numbers
    documents = [order["document"] for order in story["orders"]]
    assert all(documents)
    told = [(event["what"], event["event"]) for event in story["events"]]
    for number in numbers:
        assert (f"order №{number}", "read") in told
        assert (f"order №{number}", "created") in told
    for event in ("archived", "done", "acknowledged"):
        assert ("three-orders.xml", event) in told
    assert len(story["notices"]) == 3, "whom each order was told to belongs to the story"
    out = say(many, "trace", "three-orders.xml").out
    for number, document in zip(numbers, documents, strict=True):
        assert f"Order: №{number}: document made {document}" in out
    assert "№00004701" not in out
    times = [event["at"] for event in story["events"]]
    assert times == sorted(times)


def test_the_story_of_a_file_tells_why_an_order_of_it_is_held(many: Path) -> None:
    said = say(many, "trace", "unknown-product.xml")
    assert said.code == 0
    assert "Order: №00004813: held: waits for a person" in said.out
    assert "НЕМА-ТАКОГО-77" in said.out


def test_a_story_is_found_by_the_beginning_of_the_hash(many: Path) -> None:
    (story,) = say(many, "trace", "three-orders.xml", "--json").json()
    (same,) = say(many, "trace", story["sha256"][:10], "--json").json()
    assert same == story
