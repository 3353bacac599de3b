"""The inbound walk on a real folder, real books and real files: what comes of each order, and nothing twice."""

from __future__ import annotations

import json
import os
import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pipeline.engine import booking, taking
from pipeline.engine.runtime import Client, RunReport
from pipeline.errors import Transient
from pipeline.resources import samples
from pipeline.texts import T
from tests.engine.conftest import Shop

NAMES = sorted(path.stem for path in samples().glob("orders/*/*.xml") if path.parent.name != "twenty")


def outcomes(report: RunReport) -> list[tuple[str, str]]:
    return [(row["file"], row["outcome"]) for step in report.steps if step.result for row in step.result.details]


def test_an_order_becomes_a_document_and_its_file_an_archive_copy(shop: Shop) -> None:
    data = shop.drop("single").read_bytes()
    report = shop.run()
    assert report.state == "done"
    assert report.exit_code == 0
    assert report.counts == {"files": 1, "created": 1, "acknowledged": 1}
    assert list(shop.inbox.iterdir()) == []
    assert shop.documents() == ["4701"]
    with Client.open(shop.config()) as client:
        (sha,) = client.archive.hashes()
        assert client.archive.read(sha) == data
        view = client.archive.view_of(sha)
    assert [path.name for path in view] == ["single.xml"]
    assert shop.ledger_rows("SELECT kind, state FROM notices") == [("order", "waiting")]
    (row,) = shop.ledger_rows("SELECT key, state, document_number FROM orders")
    assert row == ("acme/farbashop.example/4701/create/0", "created", "000001")


@pytest.mark.parametrize("name", NAMES)
def test_every_sample_ends_as_its_golden_says(shop: Shop, name: str) -> None:
    source = next(samples().glob(f"orders/*/{name}.xml"))
    golden = json.loads(source.with_suffix(".expected.json").read_text(encoding="utf-8"))
    before = 0
    if "after" in golden:
        shop.drop(Path(golden["after"]).stem)
        shop.run()
        before = len(shop.documents())
    shop.drop(name)
    report = shop.run()
    states = dict(shop.ledger_rows("SELECT order_id, state FROM orders"))
    if golden["outcome"] == "quarantined":
        assert [state for _name, state in outcomes(report)] == ["quarantined"]
        assert (shop.inbox / source.name).exists(), "a quarantined file stays where it is"
        ((kept,),) = shop.ledger_rows("SELECT findings FROM files WHERE state = 'quarantined'")
        found = [(one["code"], one["where"].get("line")) for one in json.loads(kept)]
        assert found == [(one["code"], one["line"]) for one in golden["findings"]]
    else:
        assert not (shop.inbox / source.name).exists()
        for order in golden["orders"]:
            changed = [one["code"] for one in order["findings"]] == ["changed-order"]
            expected = {"nothing": "nothing_to_do", "known": "created"}.get(order["outcome"], order["outcome"])
            assert states[order["id"]] == ("created" if changed else expected), order
    created = sum(order["outcome"] == "created" for order in golden["orders"])
    assert len(shop.documents()) == before + (0 if golden["outcome"] == "quarantined" else created)
    again = shop.run()
    assert len(shop.documents()) == before + (0 if golden["outcome"] == "quarantined" else created)
    assert not again.counts.get("created")


def test_the_same_file_again_is_recognised_under_any_name(shop: Shop) -> None:
    shop.drop("single")
    shop.run()
    shop.drop("single", "other-name.xml")
    report = shop.run()
    assert outcomes(report) == [("other-name.xml", "known")]
    assert list(shop.inbox.iterdir()) == []
    assert shop.documents() == ["4701"]


def test_the_same_order_in_two_files_at_once_is_one_document(shop: Shop) -> None:
    shop.drop("single", "a.xml")
    shop.drop("single", "b.xml")
    (shop.inbox / "c.xml").write_bytes((shop.inbox / "a.xml").read_bytes() + b"\n<!-- again -->\n")
    report = shop.run()
    assert shop.documents() == ["4701"]
    assert report.counts["created"] == 1
    assert list(shop.inbox.iterdir()) == []
    assert len(shop.ledger_rows("SELECT * FROM notices")) == 1


def test_a_held_order_goes_on_when_its_product_is_there(shop: Shop) -> None:
    shop.drop("unknown-product")
    report = shop.run()
    assert report.exit_code == 1
    assert outcomes(report) == [("unknown-product.xml", "held")]
    assert shop.documents() == []
    assert shop.run().counts == {}, "it is not told again at each run"
    (shop.folder / "more.csv").write_text(
        "code;name_uk-UA;unit;price;currency;tax_rate\nНЕМА-ТАКОГО-77;Фарба;шт;336.40;UAH;20\n", encoding="utf-8"
    )
    shop.load(shop.folder / "more.csv")
    report = shop.run()
    assert report.counts == {"created": 1}
    assert len(shop.documents()) == 1
    assert shop.ledger_rows("SELECT kind, state FROM cards") == [("held", "resolved")]


def test_a_corrected_file_takes_the_place_of_a_held_order(shop: Shop) -> None:
    shop.drop("totals-disagree")
    assert outcomes(shop.run()) == [("totals-disagree.xml", "held")]
    text = next(samples().glob("orders/bad/totals-disagree.xml")).read_text(encoding="utf-8")
    (shop.inbox / "totals-disagree.xml").write_text(text.replace("292.40", "291.40"), encoding="utf-8")
    report = shop.run()
    assert report.counts["created"] == 1
    assert shop.ledger_rows("SELECT state FROM orders") == [("created",)]
    assert shop.ledger_rows("SELECT state FROM cards") == [("resolved",)]


def test_a_booked_order_with_other_content_is_never_a_second_document(shop: Shop) -> None:
    shop.drop("single")
    shop.run()
    shop.drop("same-id-changed")
    report = shop.run()
    assert report.exit_code == 1
    assert report.counts["changed"] == 1
    assert shop.documents() == ["4701"]
    assert shop.ledger_rows("SELECT kind, state FROM cards") == [("changed", "open")]


def test_a_growing_file_is_left_alone_until_it_is_whole(shop: Shop) -> None:
    shop.more = {"grace": "1h"}
    whole = next(samples().glob("orders/good/single.xml")).read_bytes()
    path = shop.inbox / "order.xml"
    path.write_bytes(whole[: len(whole) // 2])
    report = shop.run()
    assert report.counts == {"waiting": 1}
    assert shop.documents() == []
    path.write_bytes(whole)
    os.utime(path, (1, 1))
    report = shop.run()
    assert report.counts["created"] == 1
    assert not path.exists()


def test_partial_names_are_not_touched(shop: Shop) -> None:
    shop.drop("single", "single.xml.part")
    assert shop.run().counts == {}
    (shop.inbox / "single.xml.part").rename(shop.inbox / "single.xml")
    assert shop.run().counts["created"] == 1


def test_a_marker_is_waited_for_and_taken_away_with_its_file(shop: Shop) -> None:
    shop.more = {"marker": '{suffix: ".ok"}'}
    shop.drop("single")
    assert shop.run().counts == {"waiting": 1}
    (shop.inbox / "single.xml.ok").write_bytes(b"")
    assert shop.run().counts["created"] == 1
    assert list(shop.inbox.iterdir()) == []


def test_after_keep_leaves_the_file_and_takes_it_once(shop: Shop) -> None:
    shop.more = {"after": "keep"}
    path = shop.drop("single")
    assert shop.run().counts["acknowledged"] == 1
    assert shop.run().counts == {}
    assert path.exists()


def test_after_move_moves_and_never_overwrites(shop: Shop) -> None:
    shop.more = {"after": "{move: done}"}
    shop.drop("single", "order.xml")
    shop.run()
    shop.drop("company", "order.xml")
    shop.run()
    assert len(shop.documents()) == 2
    assert len(list((shop.folder / "site" / "done").iterdir())) == 2


def test_quarantined_files_move_where_the_client_wants_them(shop: Shop) -> None:
    shop.more = {"rejected": "rejected"}
    shop.drop("not-xml")
    assert shop.run().exit_code == 1
    assert list(shop.inbox.iterdir()) == []
    assert [path.name for path in (shop.folder / "site" / "rejected").iterdir()] == ["not-xml.xml"]


def test_a_quarantined_file_is_told_once_and_read_again_when_it_is_replaced(shop: Shop) -> None:
    path = shop.drop("not-xml", "order.xml")
    shop.run()
    assert shop.run().counts == {}
    os.utime(path, (1, 1))  # touched, the same bytes
    shop.run()
    assert shop.ledger_rows("SELECT kind FROM notices") == [("quarantined",)]
    path.write_bytes(next(samples().glob("orders/good/single.xml")).read_bytes())
    assert shop.run().counts["created"] == 1


def test_a_large_file_is_quarantined_unread(shop: Shop) -> None:
    shop.more = {"max_size": "1 KB"}
    shop.drop("single")
    report = shop.run()
    assert outcomes(report) == [("single.xml", "quarantined")]
    assert list(shop.inbox.iterdir()) != []


def test_only_files_of_the_period_are_taken(shop: Shop) -> None:
    path = shop.drop("single")
    os.utime(path, (1_700_000_000, 1_700_000_000))
    shop.drop("company")
    from datetime import UTC, datetime

    report = shop.run(until=datetime(2024, 1, 1, tzinfo=UTC))
    assert [name for name, _ in outcomes(report)] == ["single.xml"]
    report = shop.run(since=datetime(2024, 1, 1, tzinfo=UTC))
    assert [name for name, _ in outcomes(report)] == ["company.xml"]


def test_a_dry_run_changes_nothing_anywhere(shop: Shop) -> None:
    for name in ("single", "not-xml", "unknown-product", "same-id-changed"):
        shop.drop(name)
    shop.config()
    before = _tree(shop.folder)
    report = shop.run(dry_run=True)
    assert sorted(state for _, state in outcomes(report)) == ["changed", "created", "held", "quarantined"]
    after = _tree(shop.folder)
    books = {name for name in after if name.startswith("books.sqlite3")}
    assert {name: size for name, size in after.items() if name not in books} == before


def _tree(folder: Path) -> dict[str, int]:
    return {str(path.relative_to(folder)): path.stat().st_size for path in folder.rglob("*") if path.is_file()}


def test_a_missing_inbox_folder_is_an_error_with_words(shop: Shop) -> None:
    shutil.rmtree(shop.inbox)
    report = shop.run()
    assert report.state == "failed"
    assert report.exit_code == 3
    assert report.steps[0].findings[0].code == "folder-missing"
    shop.run()
    assert shop.ledger_rows("SELECT kind FROM notices") == [("failure",)], "told once, until it changes"
    shop.inbox.mkdir()
    assert shop.run().state == "done"


def test_a_second_run_at_the_same_time_is_skipped_and_counted(shop: Shop) -> None:
    with Client.open(shop.config()) as client:
        other = client.ledger.acquire("job:orders", timedelta(minutes=5))
        assert other is not None
        assert shop.run().state == "skipped"
        client.ledger.release(other)
    assert shop.run().state == "done"
    assert shop.ledger_rows("SELECT state FROM runs ORDER BY id") == [("skipped",), ("done",)]


def test_many_files_in_batches(shop: Shop) -> None:
    shop.more = {"batch": "7"}
    for path in sorted(samples().glob("orders/twenty/*.xml")):
        shutil.copyfile(path, shop.inbox / path.name)
    report = shop.run()
    assert report.counts == {"files": 20, "created": 20, "acknowledged": 20}
    assert len(shop.documents()) == 20
    with Client.open(shop.config()) as client:
        assert sum(client.archive.verify(sha) for sha in client.archive.hashes()) == 20


def test_where_a_run_has_a_slice_a_batch_is_no_longer_than_that(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(taking, "IN_SLICES", 8)
    for path in sorted(samples().glob("orders/twenty/*.xml")):
        shutil.copyfile(path, shop.inbox / path.name)
    reports = [shop.run(slice=1e-9) for _ in range(3)]
    assert [(report.counts["created"], report.more) for report in reports] == [(8, True), (8, True), (4, False)]
    assert len(shop.documents()) == 20


def test_what_was_made_of_a_large_batch_is_kept_when_the_rest_is_not(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(booking, "AT_ONCE", 8)
    for path in sorted(samples().glob("orders/twenty/*.xml")):
        shutil.copyfile(path, shop.inbox / path.name)
    made: list[Any] = []
    real = booking._made

    def breaks(*call: Any) -> Any:
        if len(made) == 2:
            raise Transient(T("The books do not answer."))
        made.append(call)
        return real(*call)

    with monkeypatch.context() as broken:
        broken.setattr(booking, "_made", breaks)
        assert shop.run().state == "failed"
    assert len(shop.documents()) == 16
    assert shop.ledger_rows("SELECT state, count(*) FROM orders GROUP BY state ORDER BY state") == [
        ("created", 16),
        ("creating", 4),
    ]
    assert len(list(shop.inbox.iterdir())) == 20, "a file goes when all of its batch is settled"
    report = shop.run()
    assert report.counts["created"] == 4
    assert len(shop.documents()) == 20
    assert list(shop.inbox.iterdir()) == []


def test_a_file_in_its_grace_is_looked_at_again_when_the_grace_is_over_and_not_each_second(shop: Shop) -> None:
    shop.more = {"grace": "1h"}
    shop.drop("cut")
    shop.run()
    report = shop.run()
    assert report.counts == {"waiting": 1}
    assert report.again_in is not None
    assert report.again_in > 3000


def test_a_quarantined_file_seen_again_keeps_its_one_row_card_and_notice(shop: Shop) -> None:
    path = shop.drop("not-xml")
    shop.run()
    for moment in (1, 2):
        os.utime(path, (moment, moment))
        assert shop.run().counts["quarantined"] == 1
    assert shop.run().counts == {}
    assert shop.ledger_rows("SELECT id, state FROM files") == [(1, "quarantined")]
    assert shop.ledger_rows("SELECT count(*) FROM cards") == [(1,)]
    assert shop.ledger_rows("SELECT count(*) FROM notices") == [(1,)]
