"""The site's side of the exchange, request by request, and over real HTTP: what is taken, what is refused, when."""

from __future__ import annotations

import base64
import io
import threading
import zipfile
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from plugins.systems.commerceml import sessions
from plugins.systems.commerceml.exchange import Asked
from plugins.systems.commerceml.fake import Quirks, Thing
from plugins.systems.commerceml.received import Inbox, safe_path
from plugins.systems.commerceml.store import Store
from tests.systems.commerceml.desk import BASIC, Desk, noticed, shown
from tests.systems.commerceml.world import USER, Accounting


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
