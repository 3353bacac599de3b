"""The goods of an installed shop as the feed that KeepinCRM fetches, where its API takes no new goods."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from lxml import etree

from pipeline.config.load import load_config
from pipeline.engine.runtime import RunOptions, run_job
from tests.systems.opencart.shops import Shop
from tests.systems.opencart.test_reading import told

pytestmark = [pytest.mark.server("mariadb"), pytest.mark.xdist_group("mariadb-2")]
IMAGES = "https://shop.example/image/"
CONFIG = """\
client: acme
timezone: Europe/Kyiv
language: en
currency: USD
connections:
  shop:
    type: opencart
    host: {host}
    port: {port}
    user: {user}
    password: ${{env:SHOP_PASSWORD}}
    database: {database}
    image_url: {images}
    article: model
  site: {{type: local, path: site, create: true}}
log: {{file: null}}
jobs:
  feed:
    steps:
      - {{step: export-catalogue, from: shop, to: site, name: feed.xml, format: {{keepincrm-yml: {{shop: Demo}}}}}}
"""


def test_the_demo_goods_become_a_feed_with_images_variants_and_the_category_tree(
    demo_shop: Shop, tmp_path: Path
) -> None:
    server = demo_shop.server
    path = tmp_path / "config.yaml"
    path.write_text(
        CONFIG.format(host=server.host, port=server.port, user=server.user, database=demo_shop.database, images=IMAGES),
        encoding="utf-8",
    )
    config = load_config(path, environ={"SHOP_PASSWORD": server.password})
    report = run_job(config, "feed", RunOptions())
    assert report.state == "done", [str(one.text) for step in report.steps for one in step.findings]
    shop = etree.fromstring((tmp_path / "site" / "feed.xml").read_bytes())[0]
    feed = {one.get("id"): one for one in shop.iter("offer")}
    offers = told(demo_shop, image_url=IMAGES)
    bases = {one.product: one for one in offers.values() if one.kind == "base"}
    shown = {one.product for one in offers.values() if one.values.get("published")}
    sold = {one.keys["model"]: one for one in offers.values() if one.kind != "base" and one.product in shown}
    assert set(feed) == set(sold)
    assert len(sold) > 30

    # the tree: every path of the shop, each category below its parent
    parents = {one.get("id"): (one.text, one.get("parentId")) for one in shop.find("categories")}
    for article, offer in sold.items():
        base = bases.get(offer.product, offer)
        path_of: list[str] = []
        at = feed[article].findtext("categoryId")
        while at:
            word, at = parents[at]
            path_of.insert(0, word)
        assert tuple(path_of) == tuple(base.values["category"])
        # all the images, the main one first, as whole addresses
        pictures = [one.text for one in feed[article].findall("picture")]
        assert pictures == list(dict.fromkeys(offer.values.get("images") or base.values["images"]))
        assert all(one.startswith(IMAGES) for one in pictures)
        assert Decimal(feed[article].findtext("price")) == offer.values["price"]
        assert feed[article].get("group_id") == (base.keys["model"] if offer.kind == "variant" else None)
    assert max(len(one.findall("picture")) for one in feed.values()) > 2
    assert any(parent for _, parent in parents.values())
    assert feed["Product 1"].findtext("stock_quantity") == "939"

    again = run_job(config, "feed", RunOptions())
    assert again.counts["unchanged"] == 1
