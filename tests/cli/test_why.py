"""``mistok trace --why FIELD ORDER``: the line of the config that gave a value, long after the config has changed."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.config.load import load_config
from pipeline.engine.runtime import Client
from pipeline.ledger.tables import orders
from tests.e2e.command import Said, mistok
from tests.engine.conftest import Shop

STEP = {
    "warehouse": "{from: warehouse, map: {main: shop}}",
    "statuses": "{confirmed: create}",
    "mappings": "{executor: {anna: petro}}",
}


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """A client with orders that were booked by a config, and another config since."""
    made = Shop(tmp_path_factory.mktemp("why"), more=STEP)
    made.inbox.mkdir(parents=True)
    made.drop("full")
    made.drop("autumn-night")
    made.drop("unknown-product")
    made.run()
    path = made.folder / "config.yaml"
    text = path.read_text(encoding="utf-8")
    path.write_text("# edited since\n" + text.replace("petro", "anna"), encoding="utf-8")
    return made


def say(shop: Shop, *words: object, language: str = "en") -> Said:
    return mistok("-c", shop.folder / "config.yaml", "--language", language, "trace", *words, cwd=shop.folder)


def why(shop: Shop, field: str, number: str) -> Any:
    (one,) = say(shop, "--why", field, number, "--json").json()
    return one


def line_of(shop: Shop, words: str) -> int:
    """Where the words stood in the config that the order was booked by: one line higher than now."""
    lines = (shop.folder / "config.yaml").read_text(encoding="utf-8").splitlines()
    return next(place for place, line in enumerate(lines) if words in line)


def test_a_value_of_the_config_has_its_line(shop: Shop) -> None:
    one = why(shop, "responsible", "00004718")
    assert (one["field"], one["value"], one["by"]) == ("executor", "petro", "config")
    (line,) = one["lines"]
    assert (line["file"], line["text"]) == ("config.yaml", "executor: petro")
    assert line["line"] == line_of(shop, "executor: anna")
    assert one["config"]["now"] is False, "the config has changed since, and its line is told all the same"
    assert one["config"]["since"]


def test_what_the_order_says_is_told_with_the_line_that_takes_it(shop: Shop) -> None:
    one = why(shop, "warehouse", "00004716")
    assert (one["value"], one["by"], one["said"], one["path"]) == ("shop", "config", "main", "warehouse")
    assert [line["key"] for line in one["lines"]] == [
        "jobs.orders.steps.0.warehouse.from",
        "jobs.orders.steps.0.warehouse.map.main",
    ]
    nothing = why(shop, "warehouse", "00004718")
    assert (nothing["value"], nothing["by"]) == ("", "target"), "the order names none: the books choose"


def test_a_rule_has_its_line_or_is_mistoks_own(shop: Shop) -> None:
    assert why(shop, "rule", "00004718")["by"] == "built-in"
    one = why(shop, "action", "00004716")
    assert (one["value"], one["by"], one["said"]) == ("create", "config", "confirmed")
    assert one["lines"][0]["key"] == "jobs.orders.steps.0.statuses.confirmed"


def test_an_order_that_is_held_is_told_of_too(shop: Shop) -> None:
    assert why(shop, "client", "00004813")["value"] == "0042"


@pytest.mark.parametrize("language", ["en", "uk"])
def test_on_the_screen(shop: Shop, language: str) -> None:
    said = say(shop, "--why", "party", "00004718", language=language)
    assert said.code == 0
    number = line_of(shop, 'client: "0042"')
    assert f'config.yaml:{number}: client: "0042"' in said.out


def test_what_is_not_known_says_so(shop: Shop) -> None:
    said = say(shop, "--why", "colour", "00004718")
    assert said.code == 2
    assert "warehouse" in said.err
    assert say(shop, "--why", "warehouse", "nobody").code == 1
    config = load_config(shop.folder / "config.yaml")
    with Client.open(config) as client, client.ledger.begin() as conn:  # taken by a Mistok of before
        conn.execute(orders.update().where(orders.c.number == "00004719").values(decided=None))
    said = say(shop, "--why", "warehouse", "00004719")
    assert said.code == 1
    assert "It is not known" in said.out
