"""``mistok plugins`` tells what each system can do; ``mistok check`` what an export asks of one that cannot."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.capabilities import CAPABILITIES, capabilities
from pipeline.ports import Catalogue, Offers
from pipeline.registry import load_registry
from tests.e2e.command import mistok

SYSTEMS = load_registry().systems


@pytest.mark.parametrize("name", sorted(SYSTEMS))
def test_every_system_of_ours_says_what_it_can_do(name: str) -> None:
    assert capabilities(SYSTEMS[name])


def test_capabilities_are_told_by_name_and_in_words() -> None:
    rows = {row["name"]: row for row in mistok("--language", "en", "plugins", "--json").json()}
    told = {one["name"]: one["description"] for one in rows["opencart"]["capabilities"]}
    assert {"products", "stock", "take-stock", "orders"} <= set(told)
    assert "catalogue" not in told
    assert told["products"] == "telling its products"
    assert "catalogue" in {one["name"] for one in rows["books"]["capabilities"]}
    # what only some settings switch on is told, too
    assert {"shipments", "payments"} <= {one["name"] for one in rows["quincefin"]["capabilities"]}
    assert "capabilities" not in rows["export-catalogue"]
    said = mistok("--language", "en", "plugins", "woocommerce")
    assert "take-stock (taking stock levels)" in " ".join(said.out.split())


def test_the_names_are_those_of_the_ports() -> None:
    assert CAPABILITIES["catalogue"][0] is Catalogue
    assert CAPABILITIES["products"][0] is Offers


def _client(folder: Path, source: str, more: str = "") -> Path:
    path = folder / "config.yaml"
    path.write_text(
        f"""\
client: acme
language: en
connections:
  site: {{type: local, path: ., create: true}}
  pictures: {{type: local, path: .}}
  source: {source}
jobs:
  feed:
    steps:
      - {{step: export-catalogue, from: source, to: site, name: feed.xml, format: keepincrm-yml{more}}}
""",
        encoding="utf-8",
    )
    return path


SHOP = "{type: woocommerce, url: 'https://shop.example', key: ck_0, secret: cs_0}"
FILES = "{type: quincefin-file, to: site}"


def test_an_export_from_what_tells_no_products_is_a_fault_of_the_config(tmp_path: Path) -> None:
    said = mistok("-c", _client(tmp_path, FILES), "check")
    assert said.code == 1, said.all
    assert "The system source tells no products" in " ".join(said.all.split())
    assert mistok("-c", _client(tmp_path, SHOP), "check").code == 0


def test_so_are_files_of_images_where_there_are_only_addresses(tmp_path: Path) -> None:
    images = ", images: {from: pictures}"
    said = mistok("-c", _client(tmp_path, SHOP, images), "check", "--json")
    assert said.code == 1, said.all
    (told,) = said.json()["connections"]
    assert [finding["code"] for finding in told["findings"]] == ["capability"]
    assert mistok("-c", _client(tmp_path, "{type: books}", images), "check").code == 0
