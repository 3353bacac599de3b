"""One file's or order's trouble stays its own: the others go on, it is told, and it goes on when it is mended."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pipeline.archive import Archive
from pipeline.engine import mending
from pipeline.engine.runtime import Client
from pipeline.errors import InDoubt, Transient
from pipeline.ports import DocumentOutcome
from pipeline.resources import samples
from pipeline.testing.sftpd import SftpServer
from plugins.systems.books.system import Books
from tests.engine.conftest import Shop


def damage(shop: Shop) -> None:
    """Every copy in the archive loses its bytes."""
    archive = Archive(shop.folder / "archive")
    for sha in archive.hashes():
        path = archive.find(sha)
        assert path is not None
        path.chmod(0o644)
        path.write_bytes(b"damaged")


def test_a_damaged_copy_of_a_held_order_stops_nobody(shop: Shop) -> None:
    shop.drop("unknown-product")
    shop.run()
    damage(shop)
    shop.drop("single")
    report = shop.run()
    assert report.counts["created"] == 1
    assert shop.documents() == ["4701"]


def test_a_damaged_copy_of_a_file_on_its_way_is_fetched_again(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.drop("single")
    shop.drop("company")

    def locked(*_args: object, **_kwargs: object) -> None:
        raise Transient("not now")

    with monkeypatch.context() as patch:
        patch.setattr(Books, "find_products", locked)
        assert shop.run().exit_code == 3
    damage(shop)
    shop.run()
    shop.run()
    assert len(shop.documents()) == 2
    assert list(shop.inbox.iterdir()) == []


def test_a_file_taken_away_with_a_damaged_copy_is_told_as_lost(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    path = shop.drop("single")

    def locked(*_args: object, **_kwargs: object) -> None:
        raise Transient("not now")

    with monkeypatch.context() as patch:
        patch.setattr(Books, "find_products", locked)
        shop.run()
    damage(shop)
    path.unlink()
    shop.run()
    assert ("lost", "open") in shop.ledger_rows("SELECT kind, state FROM cards")


KILLER = """
import os, signal
from pipeline.api import FormatPlugin, T
from plugins.formats.order_xml import PLUGIN as ORIGINAL

class Killing:
    def decode(self, data, settings, context):
        if b"4705" in data:
            os.kill(os.getpid(), signal.SIGKILL)
        return ORIGINAL.format.decode(data, settings, context)

    def complete(self, tail, settings):
        return True

PLUGIN = FormatPlugin("killing", T("kills its process"), Killing(), ORIGINAL.settings)
"""


@pytest.mark.full
def test_a_file_that_kills_its_reader_is_found_out_and_the_others_go_on(shop: Shop) -> None:
    shop.more = {"format": "killing"}
    (shop.folder / "plugins").mkdir()
    (shop.folder / "plugins" / "killing.py").write_text(KILLER, encoding="utf-8")
    shop.drop("company", "a.xml")
    shop.drop("single", "b.xml")
    shop.drop("discounts", "c.xml")
    shop.config()
    command = [sys.executable, "-c", "from pipeline.cli import main; main()", "-c", str(shop.folder / "config.yaml")]
    codes = [subprocess.run([*command, "run", "orders"], capture_output=True, timeout=60).returncode for _ in range(7)]
    assert -9 in codes
    assert codes[-1] == 0, "it is in quarantine, and no run dies of it any more"
    assert sorted(shop.documents()) == ["4701", "4706"]
    assert shop.ledger_rows("SELECT name FROM files WHERE state = 'quarantined'") == [("a.xml",)]
    ((kept,),) = shop.ledger_rows("SELECT findings FROM files WHERE state = 'quarantined'")
    assert json.loads(kept)[0]["code"] == "reader-crashed"


STUMBLING = """
from dataclasses import replace
from pipeline.api import StepPlugin, T
from plugins.steps.import_orders import PLUGIN as ORIGINAL

def wanted(order, settings, context):
    if order.id == "4701":
        raise KeyError("an oversight")
    return ORIGINAL.kind.wanted(order, settings, context)

PLUGIN = StepPlugin("stumbling", T("stumbles"), ORIGINAL.settings, replace(ORIGINAL.kind, wanted=wanted))
"""


def test_an_order_that_a_plugin_stumbles_over_is_held_and_the_others_go_on(shop: Shop) -> None:
    (shop.folder / "plugins").mkdir()
    (shop.folder / "plugins" / "stumbling.py").write_text(STUMBLING, encoding="utf-8")
    shop.step = "stumbling"
    shop.drop("single")
    shop.drop("company")
    report = shop.run()
    assert report.counts["created"] == 1
    assert report.counts["held"] == 1
    assert shop.documents() == ["4705"]


def test_a_target_that_cannot_write_is_a_failure_told_once(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    def locked(_self: Books, drafts: Any) -> tuple[DocumentOutcome, ...]:
        return tuple(DocumentOutcome(draft.key, error=Transient("the books are locked")) for draft in drafts)

    shop.drop("single")
    with monkeypatch.context() as patch:
        patch.setattr(Books, "create", locked)
        for _ in range(3):
            report = shop.run()
            assert report.state == "failed"
            assert report.exit_code == 3
    assert shop.ledger_rows("SELECT kind FROM notices") == [("failure",)]
    assert shop.run().counts["created"] == 1
    assert list(shop.inbox.iterdir()) == []


def test_an_order_in_doubt_has_a_card_and_is_never_made_again(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def silent(_self: Books, drafts: Any) -> tuple[DocumentOutcome, ...]:
        calls.extend(drafts)
        return tuple(DocumentOutcome(draft.key, error=InDoubt("no answer")) for draft in drafts)

    shop.drop("single")
    monkeypatch.setattr(Books, "create", silent)
    monkeypatch.setattr(mending, "DOUBT_PAUSE", timedelta(0))
    for _ in range(mending.DOUBT_TOLD + 2):
        assert shop.run().exit_code in (0, 1)
    assert len(calls) == 1
    assert shop.ledger_rows("SELECT state FROM orders") == [("in_doubt",)]
    assert shop.ledger_rows("SELECT kind, state FROM cards") == [("in_doubt", "open")]
    assert shop.ledger_rows("SELECT kind FROM notices") == [("held",), ("held",)], "told, and told again once"


def test_an_order_in_doubt_that_was_made_is_found(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    original = Books.create

    def answer_lost(self: Books, drafts: Any) -> tuple[DocumentOutcome, ...]:
        original(self, drafts)
        return tuple(DocumentOutcome(draft.key, error=InDoubt("no answer")) for draft in drafts)

    shop.drop("single")
    with monkeypatch.context() as patch:
        patch.setattr(Books, "create", answer_lost)
        patch.setattr(mending, "DOUBT_PAUSE", timedelta(0))
        shop.run()
    shop.run()
    assert shop.documents() == ["4701"]
    assert shop.ledger_rows("SELECT state, document_number FROM orders") == [("created", "000001")]
    assert shop.ledger_rows("SELECT kind, state FROM cards") == [("in_doubt", "resolved")]


def test_a_run_that_was_overtaken_writes_nothing_more(shop: Shop) -> None:
    from pipeline.engine.runtime import RunOptions, run_job
    from pipeline.ledger.store import Ledger

    shop.drop("single")
    config = shop.config()
    taken: list[Any] = []

    def reach(point: str) -> None:
        if point == "inbound:created" and not taken:
            with Client.open(config) as client:
                other: Ledger = client.ledger
                with other.begin() as conn:  # as if the lease had run out while this run slept
                    conn.exec_driver_sql(
                        "UPDATE leases SET until = '2000-01-01 00:00:00', owner = 'elsewhere:1:1:00000000'"
                    )
                taken.append(other.acquire("inbox:site/orders", timedelta(seconds=30)))
                other.release(taken[0])

    report = run_job(config, "orders", RunOptions(), reach=reach)
    assert report.steps[0].findings[0].code == "lease"
    assert shop.ledger_rows("SELECT count(*) FROM notices WHERE kind = 'order'") == [(0,)]
    shop.run()
    assert shop.documents() == ["4701"]
    assert shop.ledger_rows("SELECT count(*) FROM notices WHERE kind = 'order'") == [(1,)]


@pytest.mark.full
def test_a_file_that_is_always_shorter_than_listed_is_told(shop: Shop, tmp_path: Path) -> None:
    with SftpServer(tmp_path / "site", user="shop", password="secret-1") as server:
        shop.site = (
            f"{{type: sftp, host: 127.0.0.1, port: {server.port}, user: shop, password: secret-1, "
            f"host_key: '{server.fingerprint}'}}"
        )
        shop.drop("single")

        def lie(path: str, attributes: Any) -> Any:
            if path.endswith(".xml"):
                attributes.st_size += 10
            return attributes

        server.lie = lie
        codes = [shop.run().exit_code for _ in range(4)]
    assert codes[-1] == 1
    assert shop.ledger_rows("SELECT kind FROM notices") == [("failure",)]


def test_an_order_that_stands_twice_in_a_file_with_other_content_is_held(shop: Shop) -> None:
    text = next(samples().glob("orders/good/single.xml")).read_text(encoding="utf-8")
    order = text[text.index("<order>") : text.index("</order>") + len("</order>")]
    other = order.replace("Шевченко", "Шевчук")
    (shop.inbox / "twice.xml").write_text(text.replace(order, order + other), encoding="utf-8")
    report = shop.run()
    assert report.counts["held"] == 1
    assert shop.run().counts == {}
    assert shop.documents() == []
    ((kept,),) = shop.ledger_rows("SELECT findings FROM cards WHERE state = 'open'")
    assert [one["code"] for one in json.loads(kept)] == ["twin-order"]
    assert shop.ledger_rows("SELECT count(*) FROM notices") == [(1,)]


def test_an_order_cancelled_first_gets_no_document_later(shop: Shop) -> None:
    text = next(samples().glob("orders/good/single.xml")).read_text(encoding="utf-8")
    cancelled = text.replace("<customer>", "<status>cancelled</status>\n    <customer>", 1)
    assert cancelled != text
    (shop.inbox / "a.xml").write_text(cancelled, encoding="utf-8")
    assert shop.run().counts["nothing"] == 1
    (shop.inbox / "b.xml").write_text(text, encoding="utf-8")
    report = shop.run()
    assert shop.documents() == []
    assert report.counts["changed"] == 1


def test_cards_close_when_what_they_ask_for_has_happened(shop: Shop) -> None:
    path = shop.drop("not-xml", "a.xml")
    shop.run()
    path.write_bytes(next(samples().glob("orders/good/single.xml")).read_bytes())
    shop.run()
    assert shop.ledger_rows("SELECT kind, state FROM cards") == [("quarantined", "resolved")]


def test_another_lack_of_a_held_order_is_told_again(shop: Shop) -> None:
    text = next(samples().glob("orders/bad/unknown-product.xml")).read_text(encoding="utf-8")
    (shop.inbox / "a.xml").write_text(text, encoding="utf-8")
    shop.run()
    (shop.inbox / "a.xml").write_text(text.replace("НЕМА-ТАКОГО-77", "НЕМА-ТАКОГО-78"), encoding="utf-8")
    shop.run()
    assert shop.ledger_rows("SELECT kind FROM notices") == [("held",), ("held",)]


def test_a_new_marker_put_down_while_the_old_file_is_deleted_stays(shop: Shop) -> None:
    from pipeline.engine.runtime import RunOptions, run_job

    shop.more = {"marker": '{suffix: ".ok"}'}
    shop.drop("single", "a.xml")
    (shop.inbox / "a.xml.ok").write_bytes(b"")

    def reach(point: str) -> None:
        if point == "inbound:deleted" and not (shop.inbox / "a.xml").exists():
            shop.drop("company", "a.xml")
            (shop.inbox / "a.xml.ok").write_bytes(b"new")

    run_job(shop.config(), "orders", RunOptions(), reach=reach)
    shop.run()
    assert sorted(shop.documents()) == ["4701", "4705"]
    assert list(shop.inbox.iterdir()) == []


def test_a_quarantined_file_is_read_again_under_another_config(shop: Shop) -> None:
    shop.drop("undeclared-1251")
    assert shop.run().counts["quarantined"] == 1
    assert shop.run().counts == {}
    shop.more = {"format": "{type: order-xml, encoding: windows-1251}"}
    assert shop.run().counts["created"] == 1


def test_a_file_put_back_from_the_rejected_folder_is_read_again(shop: Shop) -> None:
    shop.more = {"rejected": "rejected"}
    shop.drop("undeclared-1251")
    shop.run()
    shop.more |= {"format": "{type: order-xml, encoding: windows-1251}"}
    (shop.folder / "site" / "rejected" / "undeclared-1251.xml").rename(shop.inbox / "undeclared-1251.xml")
    assert shop.run().counts["created"] == 1


def test_a_rejected_folder_that_cannot_be_made_stops_nobody(shop: Shop) -> None:
    shop.more = {"rejected": "rejected"}
    (shop.folder / "site" / "rejected").write_text("a file stands in the way", encoding="utf-8")
    shop.drop("not-xml", "a.xml")
    shop.drop("cut", "b.xml")
    shop.drop("single")
    report = shop.run()
    assert report.counts["created"] == 1
    assert report.counts["quarantined"] == 2


def test_held_orders_take_turns_so_that_none_starves(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mending, "AT_ONCE", 2)
    text = next(samples().glob("orders/bad/unknown-product.xml")).read_text(encoding="utf-8")
    number = text[text.index("<id>") + 4 : text.index("</id>")]
    for place in range(5):
        one = text.replace(f"<id>{number}</id>", f"<id>77{place}</id>")
        if place == 4:
            one = one.replace("НЕМА-ТАКОГО-77", "НЕМА-ТАКОГО-99")
        (shop.inbox / f"{place}.xml").write_text(one, encoding="utf-8")
    assert shop.run().counts["held"] == 5
    (shop.folder / "more.csv").write_text(
        "code;name_uk-UA;unit;price;currency;tax_rate\nНЕМА-ТАКОГО-99;Фарба;шт;336.40;UAH;20\n", encoding="utf-8"
    )
    shop.load(shop.folder / "more.csv")
    for _ in range(4):
        shop.run()
    assert shop.documents() == ["774"]


def test_a_mapping_in_the_config_frees_what_waited_for_it(shop: Shop) -> None:
    shop.drop("unknown-product")
    assert shop.run().counts["held"] == 1
    shop.more = {"mappings": '{sku: {НЕМА-ТАКОГО-77: "0042"}}'}
    assert shop.run().counts == {"created": 1}
    assert len(shop.documents()) == 1
