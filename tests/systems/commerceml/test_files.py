"""An exchange over folders: what is taken, when, and how often; what is put, and when it counts as taken; kills."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from pipeline.api import Move, Refused, Transient
from pipeline.testing.documents_contract import amendment_of, drafts_of, larger, order
from pipeline.testing.sftpd import SftpServer
from pipeline.transports.sftp import SftpSettings, SftpTransport
from plugins.systems.commerceml.cli import make_app
from plugins.systems.commerceml.fake import Quirks, Thing
from tests.e2e.command import environment
from tests.signals import SIGKILL
from tests.systems.commerceml.test_exchange import packed
from tests.systems.commerceml.world import PASSWORD, PRICES, USER, Accounting

CODES = ("A-1", "A-2", "A-3")
SAMPLES = Path(__file__).parents[3] / "samples" / "commerceml"


@pytest.fixture
def world(tmp_path: Path) -> Accounting:
    return filled(Accounting(tmp_path))


def filled(world: Accounting) -> Accounting:
    for n in range(1, 11):
        world.fake.things[f"g{n}"] = Thing(f"g{n}", article=f"A-{n}", name=f"Товар {n}", stock={"w1": Decimal(n)})
    return world


def taken(world: Accounting) -> list[str]:
    return sorted(one.keys["sku"] for one in world.accounting().offers() if one.values["published"])


def documents(world: Accounting) -> list[str]:
    """Ид of every document that lies in the folder, file by file."""
    found = []
    for name in world.put():
        text = (world.base / "site" / "to-1c" / name).read_text(encoding="utf-8")
        found += [part.partition("<")[0] for part in text.split("<Ид>")[1:] if part.startswith("shop-") and "#" not in
                  part.partition("<")[0]]  # fmt: skip
    return found


def make(world: Accounting, *numbers: int) -> None:
    accounting = world.accounting()
    outcomes = accounting.create(drafts_of(accounting, [order(n, CODES) for n in numbers]))
    assert [one.error for one in outcomes] == [None] * len(numbers)


# --- taking ----------------------------------------------------------------------------------------------------------


def test_nothing_is_taken_before_the_marker_is_there(world: Accounting) -> None:
    world.export(marker=False)
    assert taken(world) == []
    world.export()
    assert len(taken(world)) == 10
    assert not (world.base / "site" / "from-1c" / "done.txt").exists()


def test_a_kept_file_is_taken_once_and_a_newer_one_of_its_name_again(world: Accounting) -> None:
    world.export()
    taken(world)
    world.export()
    taken(world)
    assert len(world.rows("SELECT * FROM taken")) == 2
    world.fake.things["g1"].name = "Інший"
    world.export()
    names = {one.keys["sku"]: one.values["name"] for one in world.accounting().offers()}
    assert names["A-1"] == "Інший"


@pytest.mark.parametrize("after", ["delete", Move(move="done")])
def test_what_was_taken_goes_and_what_could_not_be_stays(tmp_path: Path, after: Any) -> None:
    world = filled(Accounting(tmp_path, files={"on": "site", "take": "from-1c", "put": "to-1c", "after": after}))
    world.export(marker=False)
    folder = world.base / "site" / "from-1c"
    (folder / "bad.xml").write_bytes((SAMPLES / "bad" / "cut.xml").read_bytes())
    (folder / "import.xml.part").write_bytes(b"<half")
    assert len(taken(world)) == 10
    assert sorted(path.name for path in folder.iterdir() if path.is_file()) == ["bad.xml", "import.xml.part"]
    if isinstance(after, Move):
        assert sorted(path.name for path in (world.base / "site" / "done").iterdir()) == ["import.xml", "offers.xml"]
    assert [one.code for one in world.accounting().noticed()] == ["not-whole"]


def test_full_exports_hide_only_with_a_marker(tmp_path: Path, world: Accounting) -> None:
    world.export()
    taken(world)
    del world.fake.things["g5"]
    world.export()
    assert "A-5" not in taken(world)
    (tmp_path / "other").mkdir()
    other = filled(Accounting(tmp_path / "other", files={"on": "site", "take": "from-1c", "put": "to-1c"}))
    other.export(marker=False)
    taken(other)
    del other.fake.things["g5"]
    other.export(marker=False)
    assert len(taken(other)) == 10


def test_a_bad_file_spoils_no_other_and_nothing_is_hidden(world: Accounting) -> None:
    world.export()
    taken(world)
    del world.fake.things["g5"]
    world.export(marker=False)
    for name in ("cut.xml", "says-cp1251-is-utf8.xml", "other.xml"):
        world.drop(name, (SAMPLES / "bad" / name).read_bytes())
    world.drop("broken.zip", packed(world.fake.files())[:-30])
    assert len(taken(world)) == 10
    codes = [one.code for one in world.accounting().noticed()]
    assert sorted(codes) == ["encoding", "not-whole", "not-whole", "wrong-root"]


def test_archives_are_opened_and_older_files_come_first(world: Accounting) -> None:
    newer = (
        world.fake.import_xml()
        .replace(b"2026-11-22T12:00:00", b"2026-11-22T13:00:00")
        .replace("Товар 1<".encode(), "Новіший<".encode())
    )
    world.drop("a-newer.xml", newer)
    world.drop("z-older.zip", packed(world.fake.files()))
    names = {one.keys["sku"]: one.values["name"] for one in world.accounting().offers()}
    assert names["A-1"] == "Новіший"


def test_changes_of_prices_and_levels_leave_the_rest_alone(tmp_path: Path) -> None:
    world = Accounting(tmp_path, prices={"price": "Роздрібна", "price.cost": "pr-2"})
    for name in ("import.xml", "offers-cp1251.xml", "rests-2.08.xml", "changes-2.09.xml"):
        world.drop(name, (SAMPLES / name).read_bytes())
        list(world.accounting().offers())
    offers = {one.id: one for one in world.accounting().offers()}
    first = offers["6f1d2c3a-0000-4000-8000-000000000100"]
    assert first.kind == "single"
    assert first.keys == {
        "sku": "Б- 130005", "code": "00-00000042", "barcode": "4820000000017",
        "id": "6f1d2c3a-0000-4000-8000-000000000100",
    }  # fmt: skip
    assert (first.values["price"], first.values["price.cost"]) == (Decimal("1401.00"), Decimal(900))
    assert first.values["category"] == ("Фарби", "Ґрунтівки")
    assert first.values["weight"] == Decimal("1.35")
    shirt = offers["6f1d2c3a-0000-4000-8000-000000000200"]
    red = offers["6f1d2c3a-0000-4000-8000-000000000200#c-red-m"]
    assert (shirt.kind, red.kind, red.product) == ("base", "variant", shirt.id)
    assert red.values["options"] == {"Колір": "Червоний", "Розмір": "M"}
    assert shirt.values["price"] == Decimal("450.00")
    levels = {(one.offer[36:] or "base", one.warehouse): one.on_hand for one in world.accounting().levels()}
    assert levels == {
        ("base", "Основний склад"): Decimal(8),  # of the light packet
        ("base", "Магазин"): Decimal(-1),  # below nothing is told as it is
        ("#c-red-m", ""): Decimal(6),
        ("#c-blue-m", ""): Decimal(4),
    }
    old = offers["6f1d2c3a-0000-4000-8000-000000000300"]
    assert old.values["published"] is False


def test_variants_among_the_goods_of_2_04(tmp_path: Path) -> None:
    world = Accounting(tmp_path, prices={})
    world.drop("import.xml", (SAMPLES / "variants-2.04.xml").read_bytes())
    base, white, black = world.accounting().offers()
    assert (base.kind, base.id, base.values["name"]) == ("base", "*5108", "Краска")
    assert (white.id, white.values["options"]) == ("*5108#ч-1", {"Цвет": "белая"})
    assert "sku" not in white.keys, "an article that all variants share is that of the product"
    assert (white.values["published"], black.values["published"]) == (True, False)


def test_several_price_types_must_be_told_apart(tmp_path: Path) -> None:
    world = filled(Accounting(tmp_path, prices={}))
    world.export()
    with pytest.raises(Refused) as caught:
        list(world.accounting().offers())
    assert "Собівартість" in str(caught.value)
    wrong = Accounting(tmp_path, prices={"price": "Гуртова"})
    with pytest.raises(Refused):
        list(wrong.accounting().offers())


def test_statuses_come_by_files(world: Accounting) -> None:
    world.export()
    make(world, 10452, 10453)
    sample = (SAMPLES / "states-2.03-cp1251.xml").read_bytes()
    world.drop("states.xml", sample)
    seen = {one.id: one for one in world.accounting().orders()}
    assert (seen["10452"].number, seen["10452"].status) == ("ФР00-000042", "[F] Доставлен")
    assert seen["10453"].status == "cancelled"


# --- putting ---------------------------------------------------------------------------------------------------------


def test_documents_lie_in_files_of_their_own_until_they_are_taken(world: Accounting) -> None:
    world.export()
    make(world, 1)
    make(world, 2)
    make(world, 1)
    assert documents(world) == ["shop-1", "shop-2"]
    first, second = world.put()
    (world.base / "site" / "to-1c" / first).unlink()  # the accounting program has taken it
    world.accounting().find(["demo/shop/1/create/0"])
    assert world.rows("SELECT id, taken FROM documents ORDER BY id") == [
        {"id": "shop-1", "taken": 1}, {"id": "shop-2", "taken": 0},
    ]  # fmt: skip
    assert world.put() == [second]


def test_an_amended_document_lies_there_again(world: Accounting) -> None:
    world.export()
    make(world, 1)
    accounting = world.accounting()
    (ref,) = accounting.find(["demo/shop/1/create/0"]).values()
    for _ in range(2):
        accounting.amend([amendment_of(accounting, larger(CODES), ref, "2")])
    assert documents(world) == ["shop-1", "shop-1"]
    newest = (world.base / "site" / "to-1c" / world.put()[-1]).read_text(encoding="utf-8")
    assert "1359.30" in newest


def test_f07_a_folder_that_cannot_be_written_to_is_told_and_made_good(world: Accounting) -> None:
    world.export()
    list(world.accounting().offers())
    real = world.transport_of

    class Broken:
        def __init__(self, inner: Any) -> None:
            self.inner = inner

        def __getattr__(self, name: str) -> Any:
            return getattr(self.inner, name)

        def write(self, *_: Any) -> None:
            raise Transient("the line broke")

    world.transport_of = lambda name: Broken(real(name))  # type: ignore[assignment, return-value]
    accounting = world.accounting()
    (outcome,) = accounting.create(drafts_of(accounting, [order(1, CODES)]))
    assert isinstance(outcome.error, Transient)
    world.transport_of = real
    assert list(world.accounting().find(["demo/shop/1/create/0"])) == ["demo/shop/1/create/0"]
    assert documents(world) == ["shop-1"]


def test_goods_go_out_by_files_and_the_other_role_reads_them(tmp_path: Path, world: Accounting) -> None:
    from pipeline.api import Offer, ProductDraft
    from plugins.systems.commerceml.system import ToShop
    from tests.systems.commerceml.world import World

    (tmp_path / "x").mkdir()
    files = {"on": "site", "take": "a", "put": "b"}
    sender = World(tmp_path / "x", role="accounting", files=files, prices=PRICES)
    for name in ("a", "b"):
        (tmp_path / "x" / "site" / name).mkdir(parents=True)
    session = sender.open()
    assert isinstance(session, ToShop)
    values = {"name": "Фарба", "price": Decimal("10.50"), "category": ("Фарби",)}
    (outcome,) = session.create_products([ProductDraft(base=Offer(keys={"sku": "A-77"}, values=values))])
    assert outcome.error is None
    for path in sorted((tmp_path / "x" / "site" / "b").iterdir()):
        world.drop(path.name, path.read_bytes())
    (offer,) = world.accounting().offers()
    assert (offer.keys["sku"], offer.values["price"], offer.values["category"]) == (
        "A-77",
        Decimal("10.50"),
        ("Фарби",),
    )


# --- SFTP ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def sftp(world: Accounting) -> Iterator[SftpServer]:
    opened: list[SftpTransport] = []
    with SftpServer(world.base / "site", user="shop", password="s3cret") as server:

        def transport(name: str) -> SftpTransport:
            if not opened:
                said = {"host": server.host, "port": server.port, "user": "shop", "password": "s3cret", "timeout": 5}
                params = SftpSettings.model_validate(said | {"host_key": server.fingerprint})
                opened.append(SftpTransport(name, params, base=world.base))
            return opened[0]

        world.transport_of = transport
        yield server
        for one in opened:
            one.close()


def test_over_sftp_both_ways(world: Accounting, sftp: SftpServer) -> None:
    world.export()
    assert len(taken(world)) == 10
    make(world, 1, 2)
    assert documents(world) == ["shop-1", "shop-2"]
    world.drop("states.xml", world.fake.states_xml({"shop-1": {"Статус заказа": "Готово"}}))
    assert [one.status for one in world.accounting().orders()] == ["Готово"]
    assert any(one.startswith("read from-1c") for one in sftp.asked)


# --- kills -----------------------------------------------------------------------------------------------------------

CHILD = """
import os, signal, sys
from pathlib import Path
from pipeline.testing.documents_contract import drafts_of, order
from plugins.systems.commerceml.room import Room
from tests.systems.commerceml.world import Accounting

world = Accounting(Path(sys.argv[1]))
real = Room._write
def write(self, name, parts):
    if sys.argv[2] == "behind":
        real(self, name, parts)
    os.kill(os.getpid(), signal.SIGKILL)
Room._write = write
accounting = world.accounting()
accounting.create(drafts_of(accounting, [order(1, ("A-1", "A-2", "A-3"))]))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
@pytest.mark.parametrize("when", ["before", "behind"])
def test_f03_killed_around_the_file_hands_the_document_out_again(world: Accounting, when: str) -> None:
    world.export()
    list(world.accounting().offers())
    command = [sys.executable, "-c", CHILD, str(world.base), when]
    done = subprocess.run(command, env=environment(), capture_output=True, timeout=120)
    assert done.returncode == -SIGKILL, done.stderr
    assert world.rows("SELECT id FROM documents") == [{"id": "shop-1"}], "it stood in the store before the file was put"
    make(world, 1)
    assert documents(world) == ["shop-1"] * (2 if when == "behind" else 1), "known again by its id"
    assert world.rows("SELECT count(*) AS n FROM documents") == [{"n": 1}]


SERVE = (
    "connections:\n  1c: {type: commerceml, goods: any, server: {user: exchange, password: s3cret, port: 0}}\n"
    "client: demo\njobs: {}\n"
)


def served(base: Path, port: str) -> tuple[subprocess.Popen[str], str]:
    command = [sys.executable, "-c", "from pipeline.cli import main; main()", "--language", "en", "-c",
               str(base / "config.yaml"), "commerceml", "serve", "--port", port]  # fmt: skip
    process = subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE, text=True, bufsize=1)
    assert process.stdout is not None
    said = process.stdout.readline()
    assert "http://127.0.0.1:" in said
    return process, said.split()[-1]


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_f03_killed_between_query_and_success_loses_and_doubles_nothing(tmp_path: Path) -> None:
    from plugins.systems.commerceml._fake_accounting import Asker

    (tmp_path / "config.yaml").write_text(SERVE, encoding="utf-8")
    world = Accounting(tmp_path, Quirks(), http=True, goods="any")
    make(world, 1)
    process, url = served(tmp_path, "0")
    try:
        asker = Asker(url, "sale")
        asker.login(USER, PASSWORD)
        asker.init()
        assert b"shop-1" in asker.ask("query")
        _end(process)
        make(world, 2)  # comes while nobody answers
        process, _ = served(tmp_path, url.rpartition(":")[2].partition("/")[0])
        assert asker.said(asker.ask("success")) == "success", "the session outlives the process"
        body = asker.ask("query")
        assert b"shop-2" in body
        assert b"shop-1" not in body
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    finally:
        _end(process)


def _end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.wait(30)
    if process.stdout is not None:
        process.stdout.close()


# --- verbs -----------------------------------------------------------------------------------------------------------


def test_the_verbs_list_sessions_and_hide_what_the_brake_kept(world: Accounting) -> None:
    def call(*words: str) -> Any:
        return CliRunner().invoke(make_app(lambda _name="": (world.settings, world.env())), list(words))

    assert "No session yet" in call("sessions").output
    world.export()
    taken(world)
    for n in range(1, 6):
        del world.fake.things[f"g{n}"]
    world.export()
    assert len(taken(world)) == 10
    listed = call("sessions").output.splitlines()
    assert "braked" in listed[0]
    number = listed[0].split()[0]
    assert call("hide", number).exit_code == 0
    assert len(taken(world)) == 5
    assert call("hide", number).exit_code == 0, "twice is the same as once"
    for other in ("1", "99"):
        assert isinstance(call("hide", other).exception, Refused)
    assert '"state": "hidden"' in call("sessions", "--json").output


def test_dry_runs_take_nothing_away(world: Accounting) -> None:
    world.export()
    session = world.accounting(dry_run=True)
    assert len(list(session.offers())) == 10
    assert (world.base / "site" / "from-1c" / "done.txt").exists()
    assert not world.state.exists() or world.rows("SELECT * FROM goods") == []
    assert world.put() == []
