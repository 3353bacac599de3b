"""The site's side of the exchange, request by request, and over real HTTP: what is taken, what is refused, when."""

from __future__ import annotations

import base64
import io
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import pytest

from pipeline.api import DocumentDraft, FormatContext, Held, Refused
from pipeline.testing.documents_contract import amendment_of, drafts_of, larger, order
from plugins.formats.commerceml import CommerceML, CommerceMLSettings
from plugins.systems.commerceml import sessions
from plugins.systems.commerceml._fake_accounting import Asker, Refusal
from plugins.systems.commerceml.exchange import Answer, Asked, Exchange
from plugins.systems.commerceml.fake import Quirks, Thing
from plugins.systems.commerceml.received import Inbox, safe_path
from plugins.systems.commerceml.serving import ExchangeServer
from plugins.systems.commerceml.store import Store
from tests.systems.commerceml.world import PASSWORD, USER, Accounting

NOW = datetime(2026, 11, 22, tzinfo=UTC)
BASIC = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()


class Desk:
    """Asks an exchange without a network."""

    def __init__(self, world: Accounting) -> None:
        self.world = world
        server = world.settings.server
        assert server is not None
        self.exchange = Exchange(world.settings, server, world.env(), lambda: Store(world.state))
        self.cookie = ""

    def ask(self, kind: str, mode: str, name: str = "", body: bytes = b"", **headers: str) -> str:
        return self.answer(kind, mode, name, body, **headers).text

    def answer(self, kind: str, mode: str, name: str = "", body: bytes = b"", **headers: str) -> Answer:
        query = {"type": kind, "mode": mode} | ({"filename": name} if name else {})
        return self.exchange.answer(Asked(query, {"cookie": self.cookie} | headers, body, "10.0.0.1"))

    def login(self, kind: str = "catalog") -> None:
        lines = self.ask(kind, "checkauth", authorization=BASIC).split("\n")
        assert lines[0] == "success"
        self.cookie = f"{lines[1]}={lines[2]}"
        assert self.ask(kind, "init").startswith("zip=yes\nfile_limit=3000")

    def send(self, name: str, data: bytes, kind: str = "catalog") -> str:
        said = "success\n"
        for start in range(0, len(data), 3000):
            said = self.ask(kind, "file", name, data[start : start + 3000])
        return said


@pytest.fixture
def world(tmp_path: Path) -> Accounting:
    made = Accounting(tmp_path, http=True)
    for n in range(1, 11):
        thing = Thing(f"g{n}", article=f"A-{n}", name=f"Товар {n}", prices={"pr1": Decimal(n)})
        thing.stock = {"w1": Decimal(n)}
        made.fake.things[thing.id] = thing
    return made


@pytest.fixture
def desk(world: Accounting) -> Iterator[Desk]:
    made = Desk(world)
    yield made
    made.exchange.close()


def shown(world: Accounting) -> list[str]:
    return sorted(one.keys["sku"] for one in world.accounting().offers() if one.values["published"])


def noticed(world: Accounting) -> list[str]:
    return [one.code for one in world.accounting().noticed()]


# --- logging in ------------------------------------------------------------------------------------------------------


def test_nothing_is_done_without_a_login(desk: Desk, world: Accounting) -> None:
    for kind, mode in (
        ("catalog", "init"),
        ("catalog", "file"),
        ("catalog", "import"),
        ("sale", "query"),
        ("sale", "success"),
    ):
        assert desk.ask(kind, mode, "import.xml", b"<x/>").startswith("failure\n")
    desk.cookie = "mistok_exchange=guessed"
    assert desk.ask("sale", "query").startswith("failure\n")


@pytest.mark.parametrize(
    "header",
    ["", "Basic", "Basic !!!", "Bearer x", "Basic " + base64.b64encode(b"exchange:wrong").decode(), "Basic " + "A" * 9],
)
def test_a_wrong_login_is_a_failure_with_words(desk: Desk, header: str) -> None:
    assert desk.ask("catalog", "checkauth", authorization=header).startswith("failure\n")
    assert desk.ask("catalog", "checkauth").startswith("failure\n")


def test_whoever_guesses_has_to_wait(desk: Desk, world: Accounting) -> None:
    for _ in range(10):
        desk.ask("catalog", "checkauth", authorization="Basic eDp5")
    assert "wait" in desk.ask("catalog", "checkauth", authorization=BASIC)
    world.clock.sleep(61)
    assert desk.ask("catalog", "checkauth", authorization=BASIC).startswith("success")


def test_a_password_in_windows_1251_is_right_too(tmp_path: Path) -> None:
    world = Accounting(tmp_path, http=True, server={"password": "пароль"})
    desk = Desk(world)
    for codec in ("utf-8", "cp1251"):
        basic = "Basic " + base64.b64encode(f"{USER}:пароль".encode(codec)).decode()
        assert desk.ask("sale", "checkauth", authorization=basic).startswith("success")
    desk.exchange.close()


def test_a_session_ends_when_it_is_silent_too_long(desk: Desk, world: Accounting) -> None:
    desk.login()
    world.clock.sleep(3601)
    assert desk.ask("catalog", "import", "import.xml").startswith("failure\nLog in")


def test_the_token_is_not_kept_as_it_is(desk: Desk, world: Accounting) -> None:
    desk.login()
    token = desk.cookie.partition("=")[2]
    assert token.encode() not in world.state.read_bytes() + world.state.with_name("state.sqlite3-wal").read_bytes()


# --- goods in --------------------------------------------------------------------------------------------------------


def test_goods_come_in_parts_and_are_told(desk: Desk, world: Accounting) -> None:
    desk.login()
    data = world.fake.import_xml()
    assert len(data) > 3000
    assert desk.send("import.xml", data) == "success\n"
    assert desk.ask("catalog", "import", "import.xml") == "success\n"
    assert desk.send("offers.xml", world.fake.offers_xml()) == "success\n"
    assert desk.ask("catalog", "import", "offers.xml") == "success\n"
    assert len(shown(world)) == 10
    (level,) = [one for one in world.accounting().levels() if one.code == "A-7"]
    assert (level.warehouse, level.on_hand) == ("Основний", Decimal(7))


def test_a_lost_part_is_a_failure_and_nothing_is_taken(desk: Desk, world: Accounting) -> None:
    desk.login()
    data = world.fake.import_xml()
    desk.ask("catalog", "file", "import.xml", data[:3000])
    assert desk.ask("catalog", "import", "import.xml").startswith("failure\n")
    assert shown(world) == []
    # sent again from its start, it is whole
    desk.send("import.xml", data)
    assert desk.ask("catalog", "import", "import.xml") == "success\n"
    assert len(shown(world)) == 10


def test_a_part_that_came_twice_is_seen(desk: Desk, world: Accounting) -> None:
    desk.login()
    data = world.fake.import_xml()
    for part in (data[:2000], data[2000:2500], data[2000:2500], data[2500:]):
        desk.ask("catalog", "file", "import.xml", part)
    assert desk.ask("catalog", "import", "import.xml").startswith("failure\n")


def test_a_part_larger_than_the_limit_is_refused(desk: Desk) -> None:
    desk.login()
    assert desk.ask("catalog", "file", "import.xml", b"x" * 3001).startswith("failure\n")


def test_a_file_that_never_came_is_a_failure(desk: Desk) -> None:
    desk.login()
    assert desk.ask("catalog", "import", "import.xml").startswith("failure\n")
    assert desk.ask("catalog", "import", "").startswith("failure\n")


@pytest.mark.parametrize("name", ["broken", "encoding", "other", "old"])
def test_bad_files_are_failures_in_words(desk: Desk, world: Accounting, name: str) -> None:
    bad = Path(__file__).parents[3] / "samples" / "commerceml" / "bad"
    files = {
        "broken": "cut.xml",
        "encoding": "says-cp1251-is-utf8.xml",
        "other": "other.xml",
        "old": "commerceml-1.xml",
    }
    desk.login()
    desk.send("import.xml", (bad / files[name]).read_bytes())
    said = desk.ask("catalog", "import", "import.xml")
    assert said.startswith("failure\n")
    assert len(said) > 30
    (row,) = world.rows("SELECT * FROM sessions")
    assert row["words"]


def test_rows_without_an_id_are_left_out_and_the_export_is_no_whole_one(desk: Desk, world: Accounting) -> None:
    world.export()
    desk.login()
    bad = Path(__file__).parents[3] / "samples" / "commerceml" / "bad" / "no-id.xml"
    desk.send("import.xml", bad.read_bytes())
    assert desk.ask("catalog", "import", "import.xml") == "success\n"
    assert desk.ask("catalog", "deactivate") == "success\n"
    assert len(shown(world)) == 10, "nothing was hidden by an export with rows that could not be read"
    assert set(noticed(world)) == {"no-id", "value", "twice"}


def test_an_unknown_mode_is_a_success_and_an_unknown_type_a_failure(desk: Desk) -> None:
    desk.login()
    assert desk.ask("catalog", "whatever") == "success\n"
    assert desk.ask("sale", "info") == "success\n"
    assert desk.ask("crm", "checkauth").startswith("failure\n")
    assert desk.exchange.answer(Asked({})).text.startswith("failure\n")


def test_an_import_that_takes_long_answers_progress(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = Accounting(tmp_path, http=True, server={"step": "0.01s"})
    world.fake.things["g1"] = Thing("g1", article="A-1", name="Товар")
    desk, go, real = Desk(world), threading.Event(), sessions.import_file

    def slow(*args: Any) -> int:
        assert go.wait(30)
        return real(*args)

    monkeypatch.setattr(sessions, "import_file", slow)
    desk.login()
    desk.send("import.xml", world.fake.import_xml())
    assert desk.ask("catalog", "import", "import.xml").startswith("progress\n")
    assert desk.ask("catalog", "import", "import.xml").startswith("progress\n")
    go.set()
    desk.exchange._pool.submit(int).result(30)
    assert desk.ask("catalog", "import", "import.xml") == "success\n"
    assert shown(world) == ["A-1"]
    desk.exchange.close()


# --- hiding ----------------------------------------------------------------------------------------------------------


def test_what_a_whole_full_session_does_not_name_is_hidden(world: Accounting) -> None:
    world.export()
    del world.fake.things["g3"]
    world.export()
    assert "A-3" not in shown(world)
    assert len(shown(world)) == 9
    assert "hidden" in noticed(world)
    world.fake.things["g3"] = Thing("g3", article="A-3", name="Товар 3")
    world.export(full=False)
    assert len(shown(world)) == 10, "what is named again is shown again"


def test_changes_hide_nothing(world: Accounting) -> None:
    world.export()
    for n in range(2, 11):
        del world.fake.things[f"g{n}"]
    world.export(full=False)
    assert len(shown(world)) == 10


def test_too_many_gone_goods_wait_for_a_person(world: Accounting) -> None:
    world.export()
    for n in range(1, 6):
        del world.fake.things[f"g{n}"]
    world.export()
    assert len(shown(world)) == 10
    assert "brake" in noticed(world)
    (finding,) = [one for one in world.accounting().check() if one.code == "brake"]
    (row,) = world.rows("SELECT id FROM sessions WHERE state = 'braked'")
    assert str(row["id"]) in str(finding.hint)
    store = Store(world.state)
    with store.writing() as db:
        state = sessions.finish(db, row["id"], world.settings, world.clock.now(), ended=True, asked=True)
    store.close()
    assert state == "hidden"
    assert len(shown(world)) == 5


def test_a_session_that_was_cut_hides_nothing(desk: Desk, world: Accounting) -> None:
    world.export()
    del world.fake.things["g1"]
    desk.login()
    desk.send("import0_1.xml", world.fake.import_xml(ids=frozenset({"g2", "g3", "g4", "g5", "g6", "g7", "g8", "g9"})))
    assert desk.ask("catalog", "import", "import0_1.xml") == "success\n"
    # here the line broke: neither the second packet nor an end has come
    desk.login()
    world.clock.sleep(7200)
    assert len(shown(world)) == 10


def test_an_end_with_a_file_that_was_not_taken_in_hides_nothing(desk: Desk, world: Accounting) -> None:
    world.export()
    del world.fake.things["g1"]
    desk.login()
    desk.send("import.xml", world.fake.import_xml())
    desk.ask("catalog", "import", "import.xml")
    desk.ask("catalog", "file", "import2.xml", b"<?xml version='1.0'?><x>")
    assert desk.ask("catalog", "complete") == "success\n"
    assert len(shown(world)) == 10


def test_packets_of_a_session_count_together(desk: Desk, world: Accounting) -> None:
    world.export()
    del world.fake.things["g1"]
    desk.login()
    for n, ids in enumerate(({"g2", "g3", "g4", "g5"}, {"g6", "g7", "g8", "g9", "g10"}), 1):
        desk.send(f"goods/{n}/import0_{n}.xml", world.fake.import_xml(ids=frozenset(ids)))
        assert desk.ask("catalog", "import", f"goods/{n}/import0_{n}.xml") == "success\n"
    desk.ask("catalog", "deactivate")
    assert shown(world) == sorted(f"A-{n}" for n in range(2, 11))


def test_a_packet_of_changes_among_full_ones_makes_changes_of_all(desk: Desk, world: Accounting) -> None:
    world.export()
    del world.fake.things["g1"]
    desk.login()
    desk.send("import1.xml", world.fake.import_xml())
    desk.ask("catalog", "import", "import1.xml")
    desk.send("import2.xml", world.fake.import_xml(full=False, ids=frozenset({"g2"})))
    desk.ask("catalog", "import", "import2.xml")
    desk.ask("catalog", "deactivate")
    assert len(shown(world)) == 10


@pytest.mark.parametrize(("hide", "left"), [("end", 10), ("offers", 9), ("never", 10)])
def test_programs_that_never_say_that_it_is_over(tmp_path: Path, hide: str, left: int) -> None:
    world = Accounting(tmp_path, Quirks(ends=()), http=True, hide=hide)
    for n in range(1, 11):
        world.fake.things[f"g{n}"] = Thing(f"g{n}", article=f"A-{n}", name=f"Товар {n}")
    world.export()
    del world.fake.things["g3"]
    world.export()
    world.export(full=False)
    assert len(shown(world)) == left


def test_a_deleted_good_is_told_as_hidden(world: Accounting) -> None:
    world.export()
    world.fake.things["g1"].deleted = True
    world.export(full=False)
    assert "A-1" not in shown(world)
    offers = {one.id: one for one in world.accounting().offers()}
    assert offers["g1"].values["published"] is False


# --- names and archives ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "../../etc/passwd.xml", "..\\..\\x.xml", "a/../../b.xml", "C:/x.xml", "C:\\x.xml", "x\0.xml", "con.xml",
        "a/NUL", "a" * 300 + ".xml", "/".join("a" * 20), "", "/", "..", "x.xml.", "a|b.xml", "\ud800.xml", "a\nb.xml",
    ],
)  # fmt: skip
def test_names_that_lead_elsewhere_are_refused(name: str) -> None:
    assert safe_path(name) is None


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("import.xml", "import.xml"),
        ("/import.xml", "import.xml"),
        ("import_files/6f/a b.JPG", "import_files/6f/a b.JPG"),
        ("goods\\1\\import.xml", "goods/1/import.xml"),
        ("./ imports___6f1d.xml ", "imports___6f1d.xml"),
        ("Каталог/файл.xml", "Каталог/файл.xml"),
    ],
)
def test_names_that_are_names(name: str, path: str) -> None:
    assert safe_path(name) == path


def test_a_hostile_name_writes_nothing_outside(desk: Desk, world: Accounting) -> None:
    desk.login()
    for name in ("../../../escaped.xml", "..\\..\\escaped.xml", "/../escaped.xml"):
        assert desk.ask("catalog", "file", name, b"<x/>").startswith("failure\n")
    assert desk.ask("catalog", "file", "shell.php", b"<?php") == "success\n"
    found = [path.name for path in world.base.rglob("*") if path.is_file()]
    assert "escaped.xml" not in found
    assert "shell.php" not in found
    assert "file-kind" in noticed(world)


def packed(files: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return stream.getvalue()


def test_an_archive_in_parts_is_opened_at_its_first_import(desk: Desk, world: Accounting) -> None:
    desk.login()
    assert desk.send(
        "import.zip", packed(world.fake.files() | {"import_files/6f/a.jpg": b"\xff\xd8", "evil.php": b"x"})
    ) == ("success\n")
    for name in world.fake.files():
        assert desk.ask("catalog", "import", name) == "success\n"
    assert len(shown(world)) == 10
    assert [path.name for path in world.base.rglob("*.php")] == []
    assert (world.state.parent / "pictures" / "import_files" / "6f" / "a.jpg").read_bytes() == b"\xff\xd8"


def test_pictures_are_kept_when_their_session_is_forgotten(desk: Desk, world: Accounting) -> None:
    for n in range(9):
        desk.login()
        for part in (b"x" * 3000, b"y" * n):
            desk.ask("catalog", "file", "import_files/a.jpg", part)
        desk.ask("catalog", "file", f"import_files/{n}.png", b"\x89PNG")
        desk.ask("catalog", "complete")
    pictures = world.state.parent / "pictures" / "import_files"
    assert (pictures / "a.jpg").read_bytes() == b"x" * 3000 + b"y" * 8
    assert len(list(pictures.iterdir())) == 10


@pytest.mark.parametrize("name", ["../escaped.xml", "/../../escaped.xml", "a/../../escaped.xml"])
def test_an_archive_with_names_that_lead_out_is_refused(desk: Desk, world: Accounting, name: str) -> None:
    desk.login()
    desk.send("import.zip", packed({name: b"<x/>", "import.xml": world.fake.import_xml()}))
    assert desk.ask("catalog", "import", "import.xml").startswith("failure\n")
    assert list(world.base.rglob("escaped.xml")) == []


def test_a_bomb_is_refused(desk: Desk, world: Accounting) -> None:
    desk.login()
    data = packed({"import.xml": b" " * 60_000_000})
    assert len(data) < 100_000
    desk.send("import.zip", data)
    assert desk.ask("catalog", "import", "import.xml").startswith("failure\n")
    assert sum(path.stat().st_size for path in world.base.rglob("*") if path.is_file()) < 5_000_000


def test_a_session_that_sends_without_end_is_stopped(tmp_path: Path) -> None:
    world = Accounting(tmp_path, http=True, server={"session_limit": 10_000})
    desk = Desk(world)
    desk.login()
    said = [desk.ask("catalog", "file", f"{n}.jpg", b"x" * 3000)[:7] for n in range(5)]
    assert said == ["success"] * 3 + ["failure"] * 2
    desk.exchange.close()


def test_an_archive_that_is_cut_is_a_failure(desk: Desk, world: Accounting) -> None:
    desk.login()
    desk.send("import.zip", packed(world.fake.files())[:-50])
    assert desk.ask("catalog", "import", "import.xml").startswith("failure\n")
    assert shown(world) == []


def test_an_archive_that_says_less_than_it_holds_is_counted_by_what_it_holds(tmp_path: Path) -> None:
    data = bytearray(packed({"import.xml": b" " * 30_000_000}))
    at = data.rfind(b"PK\x01\x02")
    data[at + 24 : at + 28] = (10).to_bytes(4, "little")  # the size that the directory tells
    inbox = Inbox(tmp_path / "s", 1_000_000)
    inbox.append("x.zip", bytes(data))
    with pytest.raises(Exception, match=r"larger|cannot be opened"):
        inbox.unpack("x.zip")
    assert sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file()) < 1_000_000


def test_sessions_of_long_ago_are_forgotten(desk: Desk, world: Accounting, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "REMEMBERED", 3)
    for _ in range(9):
        desk.login()
        desk.send("import.xml", world.fake.import_xml())
    assert len(world.rows("SELECT * FROM sessions")) <= 4
    assert len(world.rows("SELECT * FROM session_files")) <= 4


def test_only_the_files_of_the_last_sessions_are_kept(desk: Desk, world: Accounting) -> None:
    for n in range(9):
        desk.login()
        desk.send(f"import{n}.xml", world.fake.import_xml())
    assert len(list(world.base.rglob("import*.xml"))) <= sessions.KEPT


# --- orders ----------------------------------------------------------------------------------------------------------


def made(world: Accounting, *numbers: int) -> list[DocumentDraft]:
    world.export()
    accounting = world.accounting()
    drafts = drafts_of(accounting, [order(n, ("A-1", "A-2", "A-3")) for n in numbers])
    assert all(one.error is None for one in accounting.create(drafts))
    return drafts


def ids(data: bytes) -> list[str]:
    context = FormatContext("demo", ZoneInfo("Europe/Kyiv"), "UAH", "uk-UA", NOW, "q.xml", "shop")
    return [one.id for one in CommerceML().decode(data, CommerceMLSettings(), context).orders]


def test_orders_are_given_until_they_are_confirmed(desk: Desk, world: Accounting) -> None:
    made(world, 1, 2)
    desk.login("sale")
    for _ in range(2):
        assert ids(desk.answer("sale", "query").body) == ["shop-1", "shop-2"]
    assert desk.ask("sale", "success") == "success\n"
    assert ids(desk.answer("sale", "query").body) == []


def test_success_confirms_what_was_given_and_not_what_came_meanwhile(desk: Desk, world: Accounting) -> None:
    made(world, 1)
    desk.login("sale")
    desk.ask("sale", "query")
    made(world, 2)
    desk.ask("sale", "success")
    assert ids(desk.answer("sale", "query").body) == ["shop-2"]


def test_success_of_a_session_that_asked_for_nothing_confirms_nothing(desk: Desk, world: Accounting) -> None:
    made(world, 1)
    desk.login("sale")
    assert desk.ask("sale", "success") == "success\n"
    desk.login("sale")
    assert ids(desk.answer("sale", "query").body) == ["shop-1"]
    desk.login("sale")  # the session that was given it is gone
    assert desk.ask("sale", "success") == "success\n"
    assert ids(desk.answer("sale", "query").body) == ["shop-1"]


def test_an_order_that_is_amended_between_is_given_again(desk: Desk, world: Accounting) -> None:
    made(world, 1)
    desk.login("sale")
    desk.ask("sale", "query")
    accounting = world.accounting()
    (ref,) = accounting.find(["demo/shop/1/create/0"]).values()
    accounting.amend([amendment_of(accounting, larger(("A-1", "A-2", "A-3")), ref, "2")])
    desk.ask("sale", "success")
    body = desk.answer("sale", "query").body
    assert ids(body) == ["shop-1"]
    assert "1359.30" in body.decode()


def test_what_became_of_orders_comes_back(desk: Desk, world: Accounting) -> None:
    made(world, 1, 2)
    desk.login("sale")
    told = {
        "Номер по 1С": "ФР-42",
        "Статус заказа": "Відвантажено",
        "Идентификатор отправления": "2045",
        "Оплачен": "true",
    }
    assert desk.send("orders.xml", world.fake.states_xml({"shop-1": told}), "sale") == "success\n"
    (seen,) = world.accounting().orders()
    assert (seen.id, seen.number, seen.status) == ("1", "ФР-42", "Відвантажено")
    assert seen.order is not None
    assert (seen.order.source, seen.order.delivery.tracking, seen.order.payment.status) == ("shop", "2045", "paid")
    assert seen.order.total == Decimal("969.80")
    assert len(seen.order.lines) == 3, "a status does not empty an order"
    (ref,) = world.accounting().find(["demo/shop/1/create/0"]).values()
    assert ref.number == "ФР-42"
    revision = seen.revision
    desk.send("orders.xml", world.fake.states_xml({"shop-1": told}), "sale")
    assert [one.revision for one in world.accounting().orders()] == [revision]
    world.clock.sleep(60)
    since = world.clock.now()
    assert list(world.accounting().orders(since)) == []
    desk.send("orders.xml", world.fake.states_xml({"shop-1": told | {"Отменен": "true"}}), "sale")
    assert [one.status for one in world.accounting().orders(since)] == ["cancelled"]
    assert list(world.accounting().orders(since, statuses=["new"])) == []


def test_a_status_of_an_order_that_was_never_given_is_noticed(desk: Desk, world: Accounting) -> None:
    desk.login("sale")
    assert (
        desk.send("orders.xml", world.fake.states_xml({"other-7": {"Статус заказа": "Новий"}}), "sale") == "success\n"
    )
    assert list(world.accounting().orders()) == []
    assert noticed(world) == ["unknown-order"]


def test_orders_of_the_accounting_programs_own_are_told(desk: Desk, world: Accounting) -> None:
    desk.login("sale")
    sample = Path(__file__).parents[3] / "samples" / "commerceml" / "orders-2.05-cp1251.xml"
    assert desk.send("orders.xml", sample.read_bytes(), "sale") == "success\n"
    seen = {one.id: one for one in world.accounting().orders()}
    assert set(seen) == {"JS-10452", "JS-10453"}
    assert seen["JS-10453"].status == "cancelled"


def test_statuses_in_parts_are_taken_when_they_are_whole(desk: Desk, world: Accounting) -> None:
    made(world, 1)
    desk.login("sale")
    data = world.fake.states_xml({"shop-1": {"Статус заказа": "x" * 5000}})
    assert desk.ask("sale", "file", "orders.xml", data[:3000]) == "success\n"
    assert list(world.accounting().orders()) == []
    assert desk.ask("sale", "file", "orders.xml", data[3000:]) == "success\n"
    assert len(list(world.accounting().orders())) == 1
    assert desk.ask("sale", "file", "cut.xml", data[:2000]).startswith("failure\n")


def test_an_order_without_lines_is_never_handed_out(desk: Desk, world: Accounting) -> None:
    world.export()
    accounting = world.accounting()
    empty = replace(order(1, ("A-1", "A-2", "A-3")), lines=(), discounts=(), total=Decimal("70.00"))
    (outcome,) = accounting.create([DocumentDraft(key="demo/shop/1/create/0", order=empty, products=())])
    assert isinstance(outcome.error, Held)
    desk.login("sale")
    assert ids(desk.answer("sale", "query").body) == []


def test_two_orders_that_would_be_one_document_are_told_apart(tmp_path: Path) -> None:
    world = Accounting(tmp_path, http=True, goods="any", document_id="{id}")
    accounting = world.accounting()
    drafts = drafts_of(accounting, [order(1, ("A", "B", "C")), order(1, ("A", "B", "C"), source="market")])
    first, second = accounting.create(drafts)
    assert first.error is None
    assert isinstance(second.error, Held)
    assert world.rows("SELECT source FROM documents") == [{"source": "shop"}]


def test_nothing_known_is_told_by_check(tmp_path: Path) -> None:
    world = Accounting(tmp_path, http=True)
    assert [one.code for one in world.accounting().check()] == ["no-goods"]


# --- over real HTTP --------------------------------------------------------------------------------------------------


def test_a_real_session_over_http_both_ways(world: Accounting) -> None:
    made(world, 1)
    assert world.fake.pull(world.url, USER, PASSWORD, confirm=False) == 1
    assert world.fake.pull(world.url, USER, PASSWORD) == 1
    assert world.fake.pull(world.url, USER, PASSWORD) == 0
    assert world.fake.seen == ["shop-1", "shop-1"]
    world.fake.tell(world.url, USER, PASSWORD, {"shop-1": {"Статус заказа": "Готово"}})
    assert [one.status for one in world.accounting().orders()] == ["Готово"]


def test_a_wrong_password_over_http(world: Accounting) -> None:
    with pytest.raises(Refusal, match="failure"):
        world.fake.push(world.url, USER, "wrong")


def raw(url: str, method: str = "GET", path: str = "", body: bytes = b"", **headers: str) -> tuple[int, bytes]:
    parts = urlsplit(url)
    connection = HTTPConnection(parts.hostname or "", parts.port, timeout=10)
    try:
        connection.request(method, path or parts.path, body, headers)
        reply = connection.getresponse()
        return reply.status, reply.read()
    finally:
        connection.close()


def test_the_rim_refuses_what_is_no_exchange(world: Accounting) -> None:
    assert raw(world.url, path="/")[0] == 404
    assert raw(world.url, path="/1c_exchange/../x")[0] == 404
    assert raw(world.url)[1].startswith(b"failure\n")
    assert raw(world.url, "PUT")[0] == 501
    status, said = raw(world.url, "POST", body=b"x" * 200_000)
    assert (status, said[:8]) == (200, b"failure\n")
    status, said = raw(world.url, "POST", "", b"", **{"Transfer-Encoding": "chunked"})
    assert said[:8] == b"failure\n"


def test_a_file_name_in_windows_1251_is_read(world: Accounting) -> None:
    asker = Asker(world.url, "catalog")
    asker.login(USER, PASSWORD)
    asker.init()
    path = f"{urlsplit(world.url).path}?type=catalog&mode=file&filename=%EA%E0%F2.xml"
    assert raw(world.url, "POST", path, b"<?xml version='1.0'?><x/>", **asker.headers)[1] == b"success\n"
    assert [one.name for one in world.base.rglob("*.xml")] == ["кат.xml"]


def test_a_port_that_is_taken_is_told(world: Accounting) -> None:
    port = urlsplit(world.url).port
    with pytest.raises(Refused) as caught:
        ExchangeServer(world.settings, world.env(), port=port)
    assert caught.value.code == "port"


def test_a_read_only_run_changes_nothing(world: Accounting) -> None:
    world.export()
    before = world.rows("SELECT * FROM documents")
    accounting = world.accounting(dry_run=True)
    drafts = drafts_of(accounting, [order(1, ("A-1", "A-2", "A-3"))])
    assert accounting.create(drafts)[0].error is None
    assert world.rows("SELECT * FROM documents") == before == []


def test_sessions_that_fell_silent_are_over(world: Accounting) -> None:
    world.export()
    assert {row["state"] for row in world.rows("SELECT state FROM sessions")} == {"done"}
    asker = Asker(world.url, "catalog")
    asker.login(USER, PASSWORD)
    asker.init()
    shown(world)
    assert "open" in {row["state"] for row in world.rows("SELECT state FROM sessions")}
    world.clock.moment += timedelta(hours=1)
    shown(world)
    assert {row["state"] for row in world.rows("SELECT state FROM sessions")} == {"done"}
