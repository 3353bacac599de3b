"""The fake Dilovod's door: packets, keys and roles, one request at a time; objects' metadata; state; webhooks."""

from __future__ import annotations

import dataclasses
import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.testing.fakehttp import FakeApi, FakeServer
from pipeline.testing.fakerun import load_state, save_state
from plugins.systems.dilovod import fake as module
from plugins.systems.dilovod.fake import KEY, FakeDilovod, Quirks, action
from tests.systems.dilovod.conftest import Clock, Reply, Wire, told

BLOCKED = {"error": "multithreadApiSession multithread api request blocked", "clientMessages": []}
FIRMS = {"from": "catalogs.firms", "fields": {"id": "id", "name": "name"}, "limit": 10}


def test_each_switch_has_a_test() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in sorted(Path(__file__).parent.glob("test_fake*.py")))
    assert [field.name for field in dataclasses.fields(Quirks) if f"{field.name}=" not in text] == []


# --- packets ---------------------------------------------------------------------------------------------------------


def test_both_forms_of_the_body_are_taken(wire: Wire) -> None:
    rows = [{"id": "1100400000001001", "id__pr": "ФОП Приклад", "name": "ФОП Приклад"}]
    assert wire("request", FIRMS) == rows
    assert wire.form("request", FIRMS) == rows
    packet = json.dumps(wire.packet("request", FIRMS), ensure_ascii=False).encode()
    body = b'--x\r\nContent-Disposition: form-data; name="packet"\r\n\r\n' + packet + b"\r\n--x--\r\n"
    assert wire.post(body, "multipart/form-data; boundary=x").json == rows
    assert wire.post(packet, path="/api/").json == rows
    assert wire("request", FIRMS, clientID="partner") == rows
    assert wire.post(packet).kind == "application/json"


def test_a_form_that_is_not_encoded_breaks_or_is_taken_as_it_is(fake: FakeDilovod, wire: Wire) -> None:
    def post(text: str) -> Any:
        packet = json.dumps(wire.packet("request", {**FIRMS, "filters": [
            {"alias": "name", "operator": "!=", "value": text}]}))  # fmt: skip
        return wire.post(b"packet=" + packet.encode(), "application/x-www-form-urlencoded").json

    assert len(post("A")) == 1
    assert "error" in post("A&B")
    fake.behave(raw_form=True)
    assert len(post("A&B")) == 1
    fake.edit("1100400000001001", name="A+B")
    assert post("A+B") == []
    fake.behave(raw_form=False)
    assert len(post("A+B")) == 1  # the plus has become a space


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'"text"', b"\xff"])
def test_what_is_no_packet_is_refused_with_200(wire: Wire, body: bytes) -> None:
    for kind in ("application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x",
                 "multipart/form-data"):  # fmt: skip
        reply = wire.post(body, kind)
        assert (reply.status, list(reply.json)) == (200, ["error", "clientMessages"])


def test_params_and_actions_that_are_none(wire: Wire) -> None:
    for name, params in (("getStorage", {}), ("", {}), ("request", "text"), ("saveObject", {"header": 5})):
        assert "error" in wire(name, params)
    assert "catalogs.goods" in wire("listMetadata", [])
    assert wire.post(b"{}", path="/v1/objects").status == 404
    assert wire.post(b"", method="GET").status == 404


def test_a_version_is_asked_for_or_not(fake: FakeDilovod, wire: Wire) -> None:
    packet = json.dumps({"key": KEY, "action": "listMetadata"}).encode()
    assert "error" in wire.post(packet).json
    fake.behave(version_checked=False)
    assert "catalogs.goods" in wire.post(packet).json


# --- keys and roles --------------------------------------------------------------------------------------------------


def test_a_wrong_key_is_told_with_200(wire: Wire) -> None:
    assert Wire(wire.url, "wrong")("request", FIRMS) == {"error": "bad key", "clientMessages": []}


def test_a_new_connection_may_do_nothing(fake: FakeDilovod, wire: Wire) -> None:
    fake.add_key("new")
    new = Wire(wire.url, "new")
    denied = {"error": "Access to catalogs.firms denied, check role settings", "clientMessages": []}
    assert new("request", FIRMS) == denied
    assert new("getObject", {"id": "1100400000001001"}) == denied
    assert new.save("1100400000001001", name="Б") == denied
    assert new.mark("1100400000001001") == denied
    assert "denied" in new.rows({"type": "balance", "register": "goods"}, "good qty")["error"]
    assert "denied" in new.save("informationRegisters.goodsPrices", good="1")["error"]
    fake.allow("new", "catalogs.firms", "read")
    assert len(new("request", FIRMS)) == 1
    assert new.save("1100400000001001", name="Б") == denied
    fake.allow("new", "catalogs.firms", "read+write")
    assert new.made("1100400000001001", name="Б") == "1100400000001001"


def test_a_link_that_the_role_may_not_read_keeps_its_id(fake: FakeDilovod, wire: Wire) -> None:
    good = fake.add_good("Кава", "COF-1")
    fake.add_key("narrow", {"catalogs.goods": "read"})
    narrow = Wire(wire.url, "narrow")
    row = narrow.rows("catalogs.goods", "id mainUnit")[0]
    assert row == {"id": good, "id__pr": "Кава", "mainUnit": "1103600000000001", "mainUnit__pr": "[access restricted]"}
    assert narrow("getObject", {"id": good})["header"]["mainUnit"]["pr"] == "[access restricted]"
    assert narrow.rows("catalogs.goods", "mainUnit.code") == [{"mainUnit.code": "[access restricted]"}]
    fake.behave(restricted_path="refused")
    assert "Access to catalogs.units denied" in narrow.rows("catalogs.goods", "mainUnit.code")["error"]


def test_call_is_under_the_role_or_not(fake: FakeDilovod, wire: Wire) -> None:
    fake.add_key("reader", {"*": "read"})
    reader, params = Wire(wire.url, "reader"), {"method": "saleOrderCreate", "arguments": {}}
    assert "Access to documents.saleOrder denied" in reader("call", params)["error"]
    assert fake.orders() == []
    fake.behave(call_needs_right=False)
    assert reader("call", params)["status"] == "success"
    assert len(fake.orders()) == 1


def test_a_limit_of_requests_if_there_is_one(fake: FakeDilovod, wire: Wire, clock: Clock) -> None:
    packet = json.dumps(wire.packet("listMetadata")).encode()
    fake.behave(rate_limit=2)
    assert [wire.post(packet).status for _ in range(3)] == [200, 200, 429]
    clock.pass_(seconds=60)
    assert wire.post(packet).status == 200
    fake.behave(rate_limit=0)
    assert [wire.post(packet).status for _ in range(5)] == [200] * 5


# --- one at a time ---------------------------------------------------------------------------------------------------


def in_flight(fake: FakeDilovod, wire: Wire, meanwhile: Callable[[], Reply]) -> Reply:
    """What is answered while a save of ``wire`` is held."""
    go = fake.hold(when=action("saveObject", "catalogs.units"))
    done: list[Any] = []
    thread = threading.Thread(target=lambda: done.append(wire.save("catalogs.units", code="X")))
    before = len(fake.rows("catalogs.units"))
    thread.start()
    end = time.monotonic() + 5
    while len(fake.rows("catalogs.units")) == before and time.monotonic() < end:
        time.sleep(0.002)
    reply = meanwhile()
    go.set()
    thread.join(5)
    assert done[0]["result"] == "ok"
    return reply


def test_a_request_beside_another_of_its_key_is_refused(fake: FakeDilovod, wire: Wire) -> None:
    fake.add_key("other", {"*": "read"})
    packet = json.dumps(wire.packet("request", FIRMS)).encode()
    other = json.dumps(Wire(wire.url, "other").packet("request", FIRMS)).encode()
    reply = in_flight(fake, wire, lambda: wire.post(packet))
    assert (reply.status, reply.json) == (200, BLOCKED)
    assert len(in_flight(fake, wire, lambda: wire.post(other)).json) == 1
    fake.behave(flight="base")
    assert in_flight(fake, wire, lambda: wire.post(other)).json == BLOCKED
    fake.behave(flight="key", flight_status=500)
    assert in_flight(fake, wire, lambda: wire.post(packet)).status == 500
    assert len(wire("request", FIRMS)) == 1  # and afterwards all is well


def test_switches_may_change_while_a_request_is_in_flight(fake: FakeDilovod, wire: Wire) -> None:
    packet = json.dumps(wire.packet("request", FIRMS)).encode()

    def meanwhile() -> Reply:
        fake.behave(flight="base")
        return wire.post(packet)

    assert len(in_flight(fake, wire, meanwhile).json) == 1  # what flies was a key's, this is the base's
    assert len(wire("request", FIRMS)) == 1


def test_a_refused_save_has_saved_nothing(fake: FakeDilovod, wire: Wire) -> None:
    body = json.dumps(wire.packet("saveObject", {"header": {"id": "catalogs.firms", "name": "Друга"}})).encode()
    assert in_flight(fake, wire, lambda: wire.post(body)).json == BLOCKED
    assert len(fake.rows("catalogs.firms")) == 1


# --- faults that a test scripts --------------------------------------------------------------------------------------


def test_faults_strike_one_action(fake: FakeDilovod, wire: Wire) -> None:
    fake.lose_reply(when=action("saveObject", "documents.saleOrder"))
    assert wire.save("catalogs.units", code="X")["result"] == "ok"
    with pytest.raises(ConnectionError):
        wire.save("documents.saleOrder", remark="KC-1")
    assert [order["remark"] for order in fake.orders()] == ["KC-1"]  # in doubt, and there
    fake.fail(503, "<h1>503</h1>", when=action("request", "goodsPrices"))
    assert wire("request", FIRMS)
    packet = wire.packet("request", {"from": {"type": "sliceLast", "register": "goodsPrices"}, "fields": {"good": "g"}})
    assert wire.post(json.dumps(packet).encode()).status == 503
    assert [action("call", "saleOrderCreate")(one) for one in fake.asked()] == [False] * 4


def test_an_object_that_somebody_has_open(fake: FakeDilovod, wire: Wire) -> None:
    order = wire.made("documents.saleOrder")
    fake.lock_object(order)
    locked = {"error": "object locked", "clientMessages": []}
    assert wire.save(order, remark="x") == locked
    assert wire.mark(order) == locked
    fake.unlock_object(order)
    assert wire.made(order, remark="x") == order


# --- metadata --------------------------------------------------------------------------------------------------------


def test_metadata(fake: FakeDilovod, wire: Wire) -> None:
    listed = wire("listMetadata", {"lang": "uk"})
    assert listed["catalogs.goods"] == {
        "id": "1000000000001258",
        "idPrefix": "11003",
        "presentation": "Товари та послуги",
    }
    assert {listed[name]["idPrefix"] for name in ("catalogs.persons", "documents.saleOrder")} == {"11001", "11091"}
    assert (
        len({one["idPrefix"] for one in listed.values()}) == len({one["id"] for one in listed.values()}) == len(listed)
    )
    units = wire("getMetadata", {"objectName": "catalogs.units", "lang": "uk"})
    assert {name: units[name] for name in ("name", "idPrefix", "hierarchyType")} == {
        "name": "catalogs.units",
        "idPrefix": "11036",
        "hierarchyType": "none",
    }
    assert [one["name"] for one in units["reqs"]] == ["id", "code", "name", "delMark"]
    assert wire("getMetadata", {"objectId": listed["catalogs.units"]["id"]}) == units
    assert "error" in wire("getMetadata", {"objectName": "documents.sale_order"})
    fake.behave(reqs="map")
    assert set(wire("getMetadata", {"objectName": "catalogs.units"})["reqs"]) == {"id", "code", "name", "delMark"}


def test_a_time_of_the_last_change_if_the_base_has_one(fake: FakeDilovod, wire: Wire, clock: Clock) -> None:
    good = fake.add_good("Кава")
    assert "error" in wire.rows("catalogs.goods", "id changed")
    fake.behave(modified_attribute="changed")
    clock.pass_(hours=1)
    wire.made(good, name="Чай")
    assert wire.rows("catalogs.goods", "changed", ("changed", ">", "2026-11-22")) == [
        {"changed": "2026-11-22 15:00:00"}
    ]
    assert wire("getObject", {"id": good})["header"]["changed"] == "2026-11-22 15:00:00"
    reqs = wire("getMetadata", {"objectName": "catalogs.goods"})["reqs"]
    assert "changed" in [one["name"] for one in reqs]
    assert "error" in wire.save(good, changed="2026-11-22")


# --- state and webhooks ----------------------------------------------------------------------------------------------


def test_state_goes_through_a_file(fake: FakeDilovod, wire: Wire, tmp_path: Path, clock: Clock) -> None:
    fake.seed()
    fake.add_key("other", {"catalogs.goods": "read"})
    order = wire.made("documents.saleOrder", [{"good": fake.good("COF-1")["id"], "qty": "2", "price": "460"}], 1)
    fake.lock_object(order)
    path = tmp_path / "state.json"
    save_state(path, fake.dump())
    again = FakeDilovod(now=clock.now, key="mine")
    again.load(load_state(path))
    assert again.dump() == {**fake.dump(), "roles": {"mine": {"*": "read+write"}, **fake.base.roles}}
    good = again.good("COF-1")["id"]
    assert told(again.stock(good), again.price(good), again.cost(good)) == (12, 460, 3600)
    with FakeServer(again) as server:
        assert Wire(server.url).save(order, remark="x")["error"] == "object locked"
        assert Wire(server.url, "mine").made("documents.saleOrder") != order
        assert len(Wire(server.url, "other").ids("catalogs.goods")) == 8
    assert fake.dump() == load_state(path)  # the copy is its own


def test_webhooks_are_hints_by_get(fake: FakeDilovod, wire: Wire) -> None:
    told = FakeApi()
    told.add("GET", "/hook", lambda _asked: {})
    with FakeServer(told) as receiver:
        fake.on_change("documents.saleOrder", f"{receiver.url}/hook?job=1")
        order = wire.made("documents.saleOrder")
        wire.mark(order)
        wire.save("informationRegisters.propValues", object=order, propKind="1114600000001001", strValue="1")
        wire.made("catalogs.units")
        assert fake.send_webhooks() == [200] * 3
        assert fake.send_webhooks() == []
        fake.behave(own_webhooks=False)
        wire.made(order, remark="x")
        assert fake.send_webhooks() == []
        fake.edit(order, remark="y")  # in the cabinet
        assert fake.send_webhooks() == [200]
    asked = told.asked()
    assert {one.param("job") for one in asked} == {"1"}
    assert json.loads(asked[0].param("packet")) == {
        "action": "objectChanged",
        "params": {"objectName": "documents.saleOrder", "id": order},
    }


def test_it_runs_as_a_process_with_its_switches(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    served: list[FakeDilovod] = []
    monkeypatch.setattr(module, "serve", lambda fake, *_rest: served.append(fake))
    state = tmp_path / "state.json"
    arguments = ["--state", str(state), "--token", "t", "--quirk", "totals=all", "--quirk", "flight_status=500"]
    module.main([*arguments, "--seed", "--webhook", "documents.sale=http://127.0.0.1:9/"])
    assert (served[0].quirks.totals, served[0].quirks.flight_status) == ("all", 500)
    assert (len(served[0].rows("catalogs.goods")), served[0].hooks) == (
        8,
        [("documents.sale", "http://127.0.0.1:9/")],
    )
    save_state(state, served[0].dump())
    module.main(arguments)
    assert (served[1].dump(), set(served[1].base.roles)) == (served[0].dump(), {"t"})
