"""What another config would have made of what came, beside what was made of it; asking changes nothing."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from pipeline.engine.replay.choose import Asked, choose
from pipeline.engine.replay.compare import compare, other_client
from pipeline.engine.replay.lines import Compared
from pipeline.engine.runtime import Client
from pipeline.errors import ConfigError
from pipeline.ledger import tables as t
from pipeline.ledger.decisions import give_mapping
from pipeline.resources import schemas
from tests.engine.conftest import Shop


def other(shop: Shop, *pairs: tuple[str, str], name: str = "new.yaml") -> Path:
    """The client's config with some of its words changed, in a file of its own."""
    text = (shop.folder / "config.yaml").read_text("utf-8")
    for old, new in pairs:
        assert old in text, old
        text = text.replace(old, new)
    path = shop.folder / name
    path.write_text(text, encoding="utf-8")
    return path


def compared(shop: Shop, path: Path, **asked: object) -> list[Compared]:
    """Every order and file, as it was and would be."""
    with Client.open(shop.config(), read_only=True) as client:
        under = other_client(client, path)
        return list(compare(client, under, choose(client, Asked(**(asked or {"words": ("*",)})))))  # type: ignore[arg-type]


def differing(found: list[Compared]) -> dict[str, str]:
    """How orders and files differ, by order's number or file's name."""
    return {one.order or one.file: str(one.text) for one in found if one.text is not None}


def tree(folder: Path) -> dict[str, tuple[int, int]]:
    return {
        str(path.relative_to(folder)): (path.stat().st_size, path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file() and path.name != "config.yaml" and not path.name.endswith(("-wal", "-shm"))
    }


STEP = "        stable: 10ms\n"


def test_the_same_config_makes_the_same(shop: Shop) -> None:
    for name in ("single", "three-orders", "unknown-product", "cut", "cancelled", "same-id-changed"):
        shop.drop(name)
        shop.run()
    found = compared(shop, other(shop))
    assert differing(found) == {}
    assert len([one for one in found if one.order]) == 7


def test_what_was_held_would_be_created_and_the_other_way_round(shop: Shop) -> None:
    for name in ("single", "unknown-product", "totals-disagree", "cut"):
        shop.drop(name)
    shop.run()
    ((number,),) = shop.ledger_rows("SELECT document_number FROM orders WHERE order_id = '4701'")
    path = other(shop, (STEP, f"{STEP}        mappings: {{sku: {{НЕМА-ТАКОГО-77: '0042', '0042': nothing}}}}\n"))
    told = differing(compared(shop, path))
    assert sorted(told) == ["00004701", "00004813"]
    assert told["00004813"].startswith("№00004813 was held (line 36: Product НЕМА-ТАКОГО-77")
    assert told["00004813"].endswith("); would be created: 336.40 UAH")
    assert told["00004701"].startswith(f"№00004701 is document {number}; would be held: line ")
    assert "Product nothing" in told["00004701"]


def test_fields_of_documents_that_would_differ_are_named(shop: Shop) -> None:
    shop.drop("company")
    shop.run()
    path = other(
        shop,
        ('object: "01"', 'object: "02"'),
        ("executor: petro", 'executor: olena\n        comment: "{number}"\n        warehouse: shop'),
        (STEP, f"{STEP}        mappings: {{sku: {{GR-PLAST-1L: '0042'}}}}\n"),
    )
    (one,) = [one for one in compared(shop, path) if one.order]
    assert (one.was, one.would) == ("created", "created")
    fields = {field.path: (str(field.before), str(field.after)) for field in one.fields}
    assert fields["object"] == ("01 (Інтернет-магазин)", "02 (Магазин на Подолі)")
    assert fields["executor"] == ("petro (Петро Шевчук)", "olena (Олена Бондар)")
    assert fields["warehouse"][1] == "shop (Магазин на Подолі)"
    assert fields["comment"][1] == "“00004705”"
    assert [path for path in fields if path.startswith("products/")] in ([], ["products/GR-PLAST-1L"])


def test_files_that_would_be_read_or_rejected_or_not_taken(shop: Shop) -> None:
    for name in ("single", "no-namespace", "cut", "loose-element"):
        shop.drop(name)
    shop.run()
    schema = shop.folder / "own.xsd"
    order = '<xs:element name="order" type="Order" maxOccurs="unbounded"/>'
    text = (schemas() / "order.xsd").read_text("utf-8")
    schema.write_text(
        text.replace(order, f'{order}<xs:element name="summa" type="xs:decimal" minOccurs="0"/>'), encoding="utf-8"
    )
    told = differing(compared(shop, other(shop, (STEP, f"{STEP}        format: {{type: order-xml, xsd: own.xsd}}\n"))))
    assert sorted(told) == ["00004820", "loose-element.xml"]
    assert "was quarantined (line 32: " in told["loose-element.xml"]
    assert told["loose-element.xml"].endswith("would be read: 1 order")
    assert told["00004820"] == "№00004820: would be created: 86.40 UAH"
    # a stricter one
    told = differing(compared(shop, other(shop, (STEP, f"{STEP}        max_size: 1000\n"))))
    assert told["single.xml"].startswith("single.xml was read (1 order); would be quarantined: single.xml has ")
    told = differing(compared(shop, other(shop, (STEP, f'{STEP}        pattern: "s*.xml"\n'))))
    assert "00004701" not in told
    assert "single.xml" not in told
    assert told["no-namespace.xml"].endswith("would not be taken: job orders takes only s*.xml.")
    (shop.folder / "site" / "more").mkdir()
    told = differing(compared(shop, other(shop, ("folder: orders", "folder: more"))))
    assert "No job of new.yaml takes files from site/orders any more." in told["single.xml"]


def test_an_order_that_would_be_known_by_another_name_is_told(shop: Shop) -> None:
    text = shop.drop("single").read_text("utf-8")
    (shop.inbox / "single.xml").write_text(text.replace("<source>farbashop.example</source>", ""), encoding="utf-8")
    shop.run()
    path = other(shop, (STEP, f"{STEP}        format: {{type: order-xml, source: newshop}}\n"))
    told = differing(compared(shop, path))
    assert told["00004701"] == (
        "№00004701 of site/orders would be another order, №00004701 of newshop, and would be made once more."
    )


def test_the_policy_for_other_content_is_compared(shop: Shop) -> None:
    shop.drop("single")
    shop.run()
    shop.drop("same-id-changed")
    shop.run()
    told = differing(compared(shop, other(shop, (STEP, f"{STEP}        changed: amend\n"))))
    assert told == {
        "00004701": "№00004701 came again with other content, and a person was asked; its document would be amended"
    }


def test_what_the_present_config_would_now_make_too_is_said(shop: Shop) -> None:
    shop.drop("unknown-product")
    shop.run()
    with Client.open(shop.config()) as client, client.ledger.begin() as conn:
        give_mapping(conn, "acme", "sku", "НЕМА-ТАКОГО-77", "0042", by="anna", now=client.clock.now())
    told = differing(compared(shop, other(shop)))
    assert told["00004813"].endswith("would be created: 336.40 UAH (the present config would now do so too)")


def test_asking_changes_nothing(shop: Shop) -> None:
    for name in ("single", "unknown-product", "cut"):
        shop.drop(name)
    shop.run()
    path = other(
        shop,
        ('url: "sqlite:///ledger.sqlite3"', 'url: "sqlite:///other-ledger.sqlite3"'),
        ('url: "sqlite:///books.sqlite3"', 'url: "sqlite:///other-books.sqlite3"'),
        ("language: en", "language: en\narchive: {path: other-archive}"),
    )
    shop.config()
    before = tree(shop.folder)
    assert compared(shop, path)
    assert tree(shop.folder) == before
    assert not list(shop.folder.glob("other-*"))


def test_another_client_is_refused(shop: Shop) -> None:
    shop.config()
    with pytest.raises(ConfigError, match="config of client globex"):
        compared(shop, other(shop, ("client: acme", "client: globex")))


def test_a_copy_that_is_gone_is_told_and_the_others_compared(shop: Shop) -> None:
    for name in ("single", "company"):
        shop.drop(name)
    shop.run()
    with Client.open(shop.config()) as client, client.ledger.begin() as conn:
        path = client.archive.find(shop.ledger_rows("SELECT sha256 FROM files WHERE name = 'single.xml'")[0][0])
        assert path is not None
        path.unlink()
        now = client.clock.now()
        conn.execute(t.files.update().where(t.files.c.name == "single.xml").values(pruned=now - timedelta(days=1)))
    found = compared(shop, other(shop))
    assert "dropped by retention" in differing(found)["single.xml"]
    assert [one.order for one in found if one.order] == ["00004705"]
