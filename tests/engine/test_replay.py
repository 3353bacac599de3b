"""Replays on a real folder, real books and a real archive: what they say, what they do, and what they never undo."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from pipeline.config.load import load_config
from pipeline.config.model import ClientConfig
from pipeline.engine.replay.apply import apply
from pipeline.engine.replay.choose import Asked, choose
from pipeline.engine.replay.lines import Line
from pipeline.engine.replay.look import look
from pipeline.engine.runtime import Client
from pipeline.errors import ConfigError, Finding, MistokError
from pipeline.ledger import decisions
from pipeline.ledger import tables as t
from pipeline.ledger.decisions import give_mapping
from pipeline.resources import samples, schemas
from tests.engine.conftest import Shop

ORDER = '<xs:element name="order" type="Order" maxOccurs="unbounded"/>'


def show(shop: Shop, *words: str, job: str | None = None, **asked: object) -> list[Line]:
    """What a replay would do."""
    with Client.open(shop.config(), read_only=True) as client:
        return list(look(client, choose(client, Asked(words=words, **asked), job=job), job=job))  # type: ignore[arg-type]


def do(shop: Shop, *words: str, job: str | None = None, **asked: object) -> list[Line]:
    """What a replay has done."""
    with Client.open(shop.config()) as client:
        picks = choose(client, Asked(words=words, **asked), job=job)  # type: ignore[arg-type]
        return list(apply(client, picks, by="anna", job=job, patience=timedelta(seconds=2)))


def texts(told: Sequence[Line]) -> list[str]:
    return [str(line.text) for line in told]


def written(shop: Shop) -> list[list[tuple[object, ...]]]:
    """All that a replay could have changed."""
    return [
        shop.ledger_rows(f"SELECT * FROM {name} ORDER BY id")
        for name in ("files", "orders", "sightings", "cards", "events", "notices", "runs")
    ]


def own_schema(shop: Shop, *, mended: bool = False) -> None:
    """The client's own copy of the schema; ``mended``: it knows the stray element of the sample loose-element."""
    schema = (schemas() / "order.xsd").read_text("utf-8")
    assert ORDER in schema
    if mended:
        schema = schema.replace(ORDER, f'{ORDER}<xs:element name="summa" type="xs:decimal" minOccurs="0"/>')
    (shop.folder / "own.xsd").write_text(schema, encoding="utf-8")
    shop.more["format"] = "{type: order-xml, xsd: own.xsd}"


def meant(shop: Shop, code: str, product: str) -> None:
    with Client.open(shop.config()) as client, client.ledger.begin() as conn:
        give_mapping(conn, "acme", "sku", code, product, by="anna", now=client.clock.now())


def variant(shop: Shop, to: str, *pairs: tuple[str, str], name: str = "single") -> None:
    """A sample order file with some of its words changed, dropped by the site."""
    text = next(samples().glob(f"orders/*/{name}.xml")).read_text("utf-8")
    for old, new in pairs:
        assert old in text, old
        text = text.replace(old, new)
    (shop.inbox / to).write_text(text, encoding="utf-8")


# --- it shows, and does -------------------------------------------------------------------------------------------


def test_it_shows_what_it_would_do_and_changes_nothing(shop: Shop) -> None:
    own_schema(shop)
    for name in ("single", "unknown-product", "loose-element", "cut", "one-bad-of-three"):
        shop.drop(name)
    shop.run()
    own_schema(shop, mended=True)
    meant(shop, "НЕМА-ТАКОГО-77", "0042")
    before, documents = written(shop), shop.documents()
    told = show(shop, "*.xml")
    assert (written(shop), shop.documents()) == (before, documents)
    by_order = {line.order or line.file: str(line.text) for line in told}
    number = shop.ledger_rows("SELECT document_number FROM orders WHERE order_id = '4701'")[0][0]
    assert by_order["00004701"] == f"№00004701 is already document {number}: nothing."
    assert by_order["00004813"] == "№00004813 would be created: 336.40 UAH"
    assert by_order["00004805"].startswith("№00004805 would stay held: line 65: <quantity>")
    assert by_order["cut.xml"].startswith("cut.xml would be quarantined still: line 40: ")
    assert by_order["loose-element.xml"] == "loose-element.xml would now be read: 1 order"
    assert by_order["00004820"] == "№00004820 would be created: 86.40 UAH"
    assert sum(line.acts for line in told) == 3


def test_it_does_what_it_showed_and_the_next_run_takes_the_file_away(shop: Shop) -> None:
    own_schema(shop)
    for name in ("loose-element", "unknown-product"):
        shop.drop(name)
    shop.run()
    own_schema(shop, mended=True)
    meant(shop, "НЕМА-ТАКОГО-77", "0042")
    shown = show(shop, all_held=True)
    done = do(shop, all_held=True)
    assert [line.outcome for line in done] == [line.outcome for line in shown]
    assert [line.document for line in done if line.order] == shown_documents(shop)
    assert set(shop.documents()) == {"4813", "4820"}
    assert shop.ledger_rows("SELECT state, closed_by FROM cards") == [("resolved", "anna")] * 2
    assert [path.name for path in shop.inbox.iterdir()] == ["loose-element.xml"], "the server is left alone"
    assert shop.run().counts == {"acknowledged": 1}
    assert list(shop.inbox.iterdir()) == []
    assert shop.ledger_rows("SELECT state, policy FROM files WHERE name = 'loose-element.xml'") == [
        ("acknowledged", "deleted")
    ]
    assert do(shop, all_held=True) == []
    story = shop.ledger_rows("SELECT job, state FROM runs ORDER BY id DESC LIMIT 1")
    assert story == [("replay", "done")]


def shown_documents(shop: Shop) -> list[str]:
    return [row[0] for row in shop.ledger_rows("SELECT document_number FROM orders ORDER BY file_id")]


def test_a_file_that_the_site_has_replaced_meanwhile_is_not_taken_for_the_one_that_was_read(shop: Shop) -> None:
    own_schema(shop)
    shop.drop("loose-element")
    shop.run()
    own_schema(shop, mended=True)
    variant(shop, "loose-element.xml", ("4820", "4899"), name="loose-element")
    do(shop, all_held=True)
    assert shop.documents() == ["4820"]
    shop.run()
    assert shop.documents() == ["4820", "4899"]
    assert list(shop.inbox.iterdir()) == []


def test_the_whole_file_goes_when_one_order_of_a_quarantined_file_is_named(shop: Shop) -> None:
    own_schema(shop)
    text = next(samples().glob("orders/good/three-orders.xml")).read_text("utf-8")
    (shop.inbox / "three.xml").write_text(text.replace("</orders>", "<summa>1</summa></orders>"), encoding="utf-8")
    shop.run()
    own_schema(shop, mended=True)
    told = do(shop, "00004703")
    assert [line.order for line in told] == ["", "00004702", "00004703", "00004704"]
    assert shop.documents() == ["4702", "4703", "4704"]


def test_a_file_that_is_quarantined_still_says_what_is_wrong_now(shop: Shop) -> None:
    own_schema(shop)
    variant(shop, "a.xml", ("</orders>", "<summa>1</summa><other/></orders>"))
    shop.run()
    (card,) = shop.ledger_rows("SELECT id FROM cards")
    own_schema(shop, mended=True)
    (line,) = do(shop, "a.xml")
    assert line.outcome == "quarantined"
    (finding,) = line.findings
    assert "<other>" in str(finding.text)
    assert "summa" not in str(finding.text)
    ((kept,),) = shop.ledger_rows("SELECT findings FROM cards")
    assert [Finding.from_json(one).text for one in json.loads(kept)] == [finding.text]
    assert shop.ledger_rows("SELECT id FROM cards WHERE state = 'open'") == [card], "it is the same card"
    assert shop.documents() == []


def test_a_held_order_that_gets_its_number_by_another_format_is_one_order(shop: Shop) -> None:
    (shop.folder / "plugins").mkdir()
    plugin = shop.folder / "plugins" / "own.py"
    code = PLAIN_FORMAT
    plugin.write_text(code.replace("KNOWS", "False"), encoding="utf-8")
    shop.more |= {"format": "own-lines", "pattern": '"*.txt"'}
    (shop.inbox / "a.txt").write_bytes(b"7;0042;1;389.50\nend\n")
    shop.run()
    assert [row[0][-2:] for row in shop.ledger_rows("SELECT order_id FROM orders")] == ["#1"]
    plugin.write_text(code.replace("KNOWS", "True"), encoding="utf-8")
    shown = show(shop, all_held=True)
    assert sorted(line.outcome for line in shown) == ["created", "nothing"]
    done = do(shop, all_held=True)
    assert sorted(line.outcome for line in done) == ["created", "nothing"]
    assert shop.documents() == ["7"]
    assert shop.ledger_rows("SELECT state FROM orders ORDER BY id") == [("nothing_to_do",), ("created",)]
    assert shop.ledger_rows("SELECT count(*) FROM cards WHERE state = 'open'") == [(0,)]
    assert do(shop, all_held=True) == []


PLAIN_FORMAT = """
from datetime import datetime, UTC
from decimal import Decimal
from pipeline.api import *

class Lines:
    def decode(self, data, settings, context):
        number, code, quantity, price = data.decode().splitlines()[0].split(";")
        if not KNOWS:
            finding = Finding("own", T("The number is not understood."))
            return Decoded((DecodedOrder(None, (finding,), source="lines", fragment=data),))
        line = OrderLine(code=code, name="x", quantity=Decimal(quantity), price=Decimal(price))
        order = Order(id=number, number=number, source="lines", created_at=datetime(2026, 11, 1, tzinfo=UTC),
                      currency="UAH", customer=Party(first_name="Anna", phone="+380501112233"), lines=(line,),
                      total=Decimal(price))
        return Decoded((DecodedOrder(order, id=number, number=number, source="lines", fragment=data),))

    def complete(self, tail, settings):
        return True

PLUGIN = FormatPlugin(name="own-lines", summary=T("x"), format=Lines())
"""


# --- it undoes nothing --------------------------------------------------------------------------------------------


def test_an_older_file_never_takes_the_place_of_newer_content(shop: Shop) -> None:
    variant(shop, "old.xml", ("<total>849.00", "<total>850.00"))
    shop.run()
    variant(shop, "new.xml", ("<total>849.00", "<total>851.00"))
    shop.run()
    before = shop.ledger_rows("SELECT state, revision, total, file_id FROM orders")
    assert before[0][0] == "held"
    (line,) = show(shop, "old.xml")
    assert str(line.text) == "№00004701: newer content of it came in new.xml: nothing."
    assert [one.outcome for one in do(shop, "old.xml")] == ["older"]
    assert shop.ledger_rows("SELECT state, revision, total, file_id FROM orders") == before


def test_other_content_waits_for_its_card_unless_the_policy_amends(shop: Shop) -> None:
    shop.drop("company")
    shop.run()
    variant(shop, "again.xml", ("<comment>", "<comment>Терміново! "), name="company")
    shop.run()
    (line,) = show(shop, "again.xml")
    assert line.outcome == "changed"
    ((card,),) = shop.ledger_rows("SELECT id FROM cards WHERE state = 'open'")
    assert f"Card {card} waits for a person." in str(line.text)
    cards = shop.ledger_rows("SELECT * FROM cards")
    notices = shop.ledger_rows("SELECT * FROM notices")
    assert [one.outcome for one in do(shop, "again.xml")] == ["changed"]
    assert (shop.ledger_rows("SELECT * FROM cards"), shop.ledger_rows("SELECT * FROM notices")) == (cards, notices)
    shop.more["changed"] = "amend"
    (line,) = show(shop, "again.xml")
    assert (line.outcome, line.acts) == ("amended", True)
    assert [one.outcome for one in do(shop, "again.xml")] == ["amended"]
    assert [one.outcome for one in do(shop, "again.xml")] == ["known"]
    assert [one.outcome for one in do(shop, "company.xml")] == ["older"]
    assert shop.documents() == ["4705"]


def test_what_a_person_has_rejected_stays_rejected(shop: Shop) -> None:
    shop.drop("unknown-product")
    shop.run()
    ((order, revision),) = shop.ledger_rows("SELECT id, revision FROM orders")
    with Client.open(shop.config()) as client, client.ledger.begin() as conn:
        now = client.clock.now()
        decisions.decide(
            conn, "acme", f"order:{order}", revision, "reject", ["unknown-product"], by="anna", now=now, why="a test"
        )
        conn.execute(t.orders.update().values(state="rejected"))
    meant(shop, "НЕМА-ТАКОГО-77", "0042")
    (line,) = show(shop, "00004813")
    assert str(line.text) == "№00004813 was rejected by anna (a test): nothing."
    assert [one.outcome for one in do(shop, "unknown-product.xml")] == ["rejected"]
    assert shop.documents() == []


def test_a_rejected_file_stays_rejected(shop: Shop) -> None:
    own_schema(shop)
    shop.drop("loose-element")
    shop.run()
    with Client.open(shop.config()) as client, client.ledger.begin() as conn:
        now = client.clock.now()
        decisions.decide(conn, "acme", "file:1", "", "reject", [], by="anna", now=now, why="a test")
        conn.execute(t.files.update().values(state="done"))
    own_schema(shop, mended=True)
    assert texts(do(shop, "loose-element.xml")) == ["loose-element.xml was rejected by anna (a test): nothing."]
    assert shop.documents() == []


def test_what_was_nothing_to_do_is_made_when_the_config_says_so(shop: Shop) -> None:
    shop.drop("cancelled")
    shop.run()
    before = written(shop)
    assert [line.outcome for line in do(shop, "cancelled.xml")] == ["nothing"]
    after = written(shop)
    assert before[:6] == after[:6], "not even an event"
    shop.more["statuses"] = "{cancelled: create}"
    assert [line.outcome for line in show(shop, "cancelled.xml")] == ["created"]
    assert [line.outcome for line in do(shop, "cancelled.xml")] == ["created"]
    assert len(shop.documents()) == 1


def test_an_order_in_doubt_is_looked_up_and_never_made_again(shop: Shop) -> None:
    shop.drop("single")
    shop.drop("company")
    shop.run()
    made = shop.ledger_rows("SELECT document_number FROM orders WHERE order_id = '4701'")
    with Client.open(shop.config()) as client, client.ledger.begin() as conn:
        doubt = {"state": "in_doubt", "document_id": None, "document_number": None}
        conn.execute(t.orders.update().values(**doubt))
        conn.execute(t.notices.delete())
    engine = sa.create_engine(f"sqlite:///{shop.folder / 'books.sqlite3'}")
    with engine.begin() as conn:
        conn.execute(sa.text("DELETE FROM document_lines WHERE document_id <> (SELECT min(id) FROM documents)"))
        conn.execute(sa.text("UPDATE documents SET key = 'gone' WHERE order_id <> '4701'"))
    engine.dispose()
    told = {line.order: line for line in show(shop, all_held=True)}
    assert f"document {made[0][0]} of it was found" in str(told["00004701"].text)
    assert (told["00004705"].outcome, told["00004705"].acts) == ("in_doubt", False)
    done = {line.order: line.outcome for line in do(shop, all_held=True)}
    assert done == {"00004701": "created", "00004705": "in_doubt"}
    assert len(shop.documents()) == 2, "nothing was made"


# --- copies -------------------------------------------------------------------------------------------------------


def copy_of(shop: Shop, name: str) -> Path:
    ((kept,),) = shop.ledger_rows(f"SELECT sha256 FROM files WHERE name = '{name}'")
    sha = str(kept)
    return shop.folder / "archive" / "objects" / sha[:2] / sha


@pytest.mark.parametrize("what", ["pruned", "missing", "damaged"])
def test_a_copy_that_is_not_sound_is_said_with_its_hash(shop: Shop, what: str) -> None:
    shop.drop("unknown-product")
    shop.run()
    meant(shop, "НЕМА-ТАКОГО-77", "0042")
    path = copy_of(shop, "unknown-product.xml")
    path.chmod(stat.S_IRUSR | stat.S_IWUSR)
    if what == "damaged":
        path.write_bytes(path.read_bytes().replace(b"336", b"337"))
    else:
        path.unlink()
    with Client.open(shop.config()) as client, client.ledger.begin() as conn:
        conn.execute(t.files.update().values(pruned=client.clock.now() if what == "pruned" else None))
    before = shop.ledger_rows("SELECT * FROM files"), shop.ledger_rows("SELECT * FROM orders")
    (line,) = show(shop, "00004813")
    assert line.outcome == ("pruned" if what == "pruned" else "unsound")
    assert path.name in str(line.text)
    assert {"pruned": "retention", "missing": "missing", "damaged": "damaged"}[what] in str(line.text)
    assert line.waits
    assert texts(do(shop, "00004813")) == [str(line.text)]
    assert (shop.ledger_rows("SELECT * FROM files"), shop.ledger_rows("SELECT * FROM orders")) == before
    assert shop.documents() == []


def test_a_file_that_was_never_fetched_is_said(shop: Shop) -> None:
    shop.more["max_size"] = "100"
    shop.drop("single")
    shop.run()
    (line,) = show(shop, "single.xml")
    assert line.outcome == "unfetched"
    assert "the next run of job orders takes it" in str(line.text)


# --- which job ----------------------------------------------------------------------------------------------------


def test_files_of_an_inbox_that_no_job_takes_need_a_job(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    variant(shop, "unknown-product.xml", ("<source>farbashop.example</source>", ""), name="unknown-product")
    shop.run()
    ((key,),) = shop.ledger_rows("SELECT key FROM orders")
    meant(shop, "НЕМА-ТАКОГО-77", "0042")
    text = (shop.folder / "config.yaml").read_text("utf-8")
    (shop.inbox.parent / "elsewhere").mkdir()
    moved = text.replace("folder: orders", "folder: elsewhere")
    assert moved != text
    monkeypatch.setattr(shop, "config", lambda: _load(shop, moved))
    (line,) = show(shop, "unknown-product.xml")
    assert line.outcome == "failed"
    assert line.findings[0].code == "no-job"
    assert "--job" in str(line.findings[0].hint)
    assert [one.outcome for one in do(shop, "unknown-product.xml")] == ["failed"]
    assert shop.documents() == []
    with pytest.raises(ConfigError, match="no job nosuch"):
        show(shop, "unknown-product.xml", job="nosuch")
    with pytest.raises(ConfigError, match="takes no order files"):
        show(shop, "unknown-product.xml", job="catalogue")
    assert [one.outcome for one in show(shop, "unknown-product.xml", job="orders")] == ["created"]
    assert [one.outcome for one in do(shop, "unknown-product.xml", job="orders")] == ["created"]
    assert shop.ledger_rows("SELECT key, state FROM orders") == [(key, "created")], "it is the order that it was"


def _load(shop: Shop, text: str) -> ClientConfig:
    path = shop.folder / "config.yaml"
    path.write_text(text, encoding="utf-8")
    return load_config(path)


def test_an_inbox_that_somebody_works_on_is_waited_for_and_then_said(shop: Shop) -> None:
    shop.drop("unknown-product")
    shop.run()
    with Client.open(shop.config()) as other:
        lease = other.ledger.acquire("inbox:site/orders", timedelta(minutes=5))
        assert lease is not None
        with pytest.raises(MistokError, match="is working on this inbox"):
            do(shop, all_held=True)
        other.ledger.release(lease)
    assert [line.outcome for line in do(shop, all_held=True)] == ["held"]


def many_held(shop: Shop, count: int) -> None:
    for n in range(count):
        pairs = (("<id>4813</id>", f"<id>9{n:03d}</id>"), ("<number>00004813<", f"<number>9{n:03d}<"))
        variant(shop, f"{n:03d}.xml", *pairs, name="unknown-product")
    assert shop.run().counts["held"] == count
    meant(shop, "НЕМА-ТАКОГО-77", "0042")


def test_stopped_between_two_batches_it_leaves_all_whole(shop: Shop) -> None:
    many_held(shop, 60)
    with Client.open(shop.config()) as client:
        going = apply(client, choose(client, Asked(all_held=True)), by="anna")
        next(going)
        going.close()  # as Ctrl-C does while the lines are printed
    assert len(shop.documents()) == 50, "the batch that was begun is settled"
    assert shop.ledger_rows("SELECT state, count(*) FROM orders GROUP BY state ORDER BY state") == [
        ("created", 50),
        ("held", 10),
    ]
    assert shop.ledger_rows("SELECT state FROM runs ORDER BY id DESC LIMIT 1") == [("interrupted",)]
    assert [line.outcome for line in do(shop, all_held=True)] == ["created"] * 10
    assert len(shop.documents()) == len(set(shop.documents())) == 60


def test_stopped_in_the_middle_of_a_batch_it_is_gone_on_with(shop: Shop) -> None:
    many_held(shop, 5)

    def stop(point: str) -> None:
        if point == "inbound:created":
            raise KeyboardInterrupt

    with Client.open(shop.config()) as client, pytest.raises(KeyboardInterrupt):
        list(apply(client, choose(client, Asked(all_held=True)), by="anna", reach=stop))
    assert shop.ledger_rows("SELECT DISTINCT state FROM orders") == [("creating",)]
    assert [line.outcome for line in do(shop, all_held=True)] == ["created"] * 5, "the inbox was let go of"
    assert len(shop.documents()) == len(set(shop.documents())) == 5
    assert shop.ledger_rows("SELECT count(*) FROM notices WHERE kind = 'order'") == [(5,)]


# --- what is meant ------------------------------------------------------------------------------------------------


def test_words_name_orders_documents_files_and_hashes(shop: Shop) -> None:
    for name in ("single", "three-orders"):
        shop.drop(name)
    shop.run()
    rows = dict(shop.ledger_rows("SELECT number, document_number FROM orders"))
    sha = copy_of(shop, "single.xml").name
    for words in ("00004701", "№00004701", "4701", "farbashop.example/4701", "single.xml", "SINGLE.XML", sha[:8]):
        assert [line.order for line in show(shop, words)] == ["00004701"], words
    bare = rows["00004703"].lstrip("0")
    for words in (rows["00004703"], f"document:{rows['00004703']}", "order:4703", bare, f"document:{bare}"):
        assert [line.order for line in show(shop, words)] == ["00004703"], words
    assert len(show(shop, "*.xml")) == 4
    assert len(show(shop, "file:three*", "00004701")) == 4
    for words in ("00009999", "nothing*.xml", "catalogue.csv", "abcdef12"):
        with pytest.raises(MistokError) as caught:
            show(shop, words)
        assert caught.value.code == "not-found", words


def test_words_that_can_mean_several_things_are_listed(shop: Shop) -> None:
    shop.drop("single")
    shop.run()
    variant(shop, "single.xml", ("<source>farbashop.example</source>", "<source>other.example</source>"))
    shop.run()
    with pytest.raises(ConfigError) as caught:
        show(shop, "00004701")
    told = {str(finding.text): str(finding.hint) for finding in caught.value.findings[1:]}
    assert told == {
        "order №00004701 of farbashop.example": "mistok replay farbashop.example/4701",
        "order №00004701 of other.example": "mistok replay other.example/4701",
    }
    with pytest.raises(ConfigError) as caught:
        show(shop, "single.xml")
    said = [str(finding.hint).removeprefix("mistok replay ") for finding in caught.value.findings[1:]]
    assert len(said) == 2
    for words in (*said, "other.example/4701"):
        assert len(show(shop, words)) == 1
    assert len(show(shop, "single*")) == 2


def test_files_are_shown_oldest_first_as_a_run_takes_them(shop: Shop) -> None:
    """Those that came at once by the server's times, then by name; also in a ledger that was completed later."""
    for number, name in enumerate(("m", "c", "z", "a")):
        variant(shop, f"{name}.xml", ("4701</id>", f"{number}</id>"))
        os.utime(shop.inbox / f"{name}.xml", (1_790_000_000 + number // 3, 1_790_000_000 + number // 3))
    shop.more["statuses"] = "{new: hold}"
    shop.run()
    assert shop.ledger_rows("SELECT name FROM files ORDER BY id") == [("c.xml",), ("m.xml",), ("z.xml",), ("a.xml",)]
    with Client.open(shop.config()) as client, client.ledger.begin() as conn:
        conn.execute(
            t.files.update().where(t.files.c.name == "z.xml").values(first_seen=datetime(2026, 1, 2, tzinfo=UTC))
        )
    in_order = ["z.xml", "c.xml", "m.xml", "a.xml"]
    for asked in ({"all_held": True}, {"since": datetime(2026, 1, 1, tzinfo=UTC)}):
        assert [line.file for line in show(shop, **asked)] == in_order
    assert [line.file for line in show(shop, "*.xml")] == in_order


def test_cards_and_the_period_name_files_too(shop: Shop) -> None:
    for name in ("single", "unknown-product", "cut"):
        shop.drop(name)
    shop.run()
    kinds = dict(shop.ledger_rows("SELECT kind, id FROM cards"))
    assert [line.file for line in show(shop, cards=(kinds["quarantined"],))] == ["cut.xml"]
    assert [line.order for line in show(shop, cards=(kinds["held"],))] == ["00004813"]
    with pytest.raises(MistokError, match="There is no card 99"):
        show(shop, cards=(99,))
    with Client.open(shop.config()) as client, client.ledger.begin() as conn:
        now = client.clock.now()
        day = timedelta(days=1)
        for days, name in ((9, "single.xml"), (5, "unknown-product.xml"), (1, "cut.xml")):
            here = t.files.c.name == name
            conn.execute(t.files.update().where(here).values(first_seen=now - days * day))
    assert {line.file for line in show(shop, since=now - 6 * day)} == {"unknown-product.xml", "cut.xml"}
    assert {line.file for line in show(shop, until=now - 2 * day)} == {"single.xml", "unknown-product.xml"}
    assert [line.file for line in show(shop, "*.xml", since=now - 6 * day, until=now - 2 * day)] == [
        "unknown-product.xml"
    ]
    assert show(shop, all_held=True, until=now - 8 * day) == []


def test_the_number_of_an_order_in_a_quarantined_file_is_found(shop: Shop) -> None:
    own_schema(shop)
    shop.drop("loose-element")
    shop.run()
    with pytest.raises(MistokError, match="Nothing is known of 00004820"):
        show(shop, "00004820")
    own_schema(shop, mended=True)
    assert [line.order for line in show(shop, "00004820")] == ["", "00004820"]
    # where the format told the number with what is wrong, it is found though nothing can be read
    own_schema(shop)
    with Client.open(shop.config()) as client, client.ledger.begin() as conn:
        row = conn.execute(sa.select(t.files.c.findings)).scalar_one()
        row[0]["where"]["order"] = "00004820"
        conn.execute(t.files.update().values(findings=row))
    (line,) = show(shop, "00004820")
    assert (line.file, line.outcome) == ("loose-element.xml", "quarantined")
