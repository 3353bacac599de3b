"""The fake KeepinCRM's agreements, clients, tasks, payments and webhooks; its state in a file; it as a process."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import plugins
from pipeline.testing.fakehttp import FakeApi, FakeServer
from pipeline.testing.fakerun import load_state, save_state
from plugins.systems.keepincrm import fake as fake_module
from plugins.systems.keepincrm.fake import FakeKeepin, render
from tests.systems.keepincrm.conftest import Http
from tests.systems.keepincrm.world import Clock

CLIENT: dict[str, Any] = {
    "company": "Іван Тестовий",
    "person": "Іван Тестовий",
    "email": "i@example.com",
    "phones": ["+380500000000"],
}


def line(sku: str = "LMP-9", amount: Any = 2, price: Any = 135.0, title: str = "Лампа") -> dict[str, Any]:
    product = {"title": title, "price": price, "currency": "UAH"} | ({"sku": sku} if sku else {})
    return {"amount": amount, "title": title, "product_attributes": product}


def order(**changes: Any) -> dict[str, Any]:
    body = {"title": "Замовлення #7001", "total": 270, "currency": "UAH", "client_attributes": CLIENT}
    return body | {"jobs_attributes": [line()]} | changes


def jobs(http_: Http, key: int) -> list[tuple[str, float, float]]:
    return [(job["sku"], job["amount"], job["price"]) for job in http_.get(f"/agreements/{key}").json["jobs"]]


# --- creating --------------------------------------------------------------------------------------------------------


def test_an_order_becomes_an_agreement(fake: FakeKeepin, http_: Http) -> None:
    material = fake.add_material("LMP-9", "Лампа LED")
    funnel = fake.add_named("funnels", "Продажі")
    new, sent = fake.add_stage("Нове", funnel), fake.add_stage("Відправлено", funnel)
    source, user = fake.add_named("sources", "Сайт"), fake.add_named("users", "Олена")
    field = fake.add_custom_field("Оплата", "agreement")
    body = order(
        source_id=source,
        main_responsible_id=user,
        comment="Нова Пошта, відділення 1",
        jobs_attributes=[line(), line("", 1, 70, "Доставка")],
        products_total_as_total=True,
        custom_fields=[{"name": f"field_{field}", "value": "Післяплата"}],
    )
    made = http_.post("/agreements", body)
    assert (made.status, set(made.json)) == (201, {"id", "created_at", "updated_at"})
    told = http_.get(f"/agreements/{made.json['id']}").json
    assert (told["title"], told["comment"]) == ("Замовлення #7001", "Нова Пошта, відділення 1")
    assert (told["total_amount"], told["total"], told["paid"], told["credit"]) == (340, 340, 0, 340)
    assert (told["stage"], told["stage_id"], told["funnel"]) == ({"id": new, "name": "Нове"}, new, {"id": funnel})
    assert (told["source"]["id"], told["main_responsible"]["name"], told["result"]) == (source, "Олена", None)
    assert told["client"]["phones"] == ["+380500000000"]
    assert told["custom_fields"] == {"Оплата": "Післяплата"}
    assert told["custom_fields_detailed"] == [{"name": f"oplata_{field}", "value": "Післяплата"}]
    assert [(job["title"], job["sku"], job["amount"], job["price"]) for job in told["jobs"]] == [
        ("Лампа", "LMP-9", 2, 135),
        ("Доставка", "", 1, 70),
    ]
    assert fake.account.tables["agreements"][told["id"]]["jobs"][0]["material_id"] == material
    assert told["ordered_at"] == "2026-11-22T14:00:00.000+02:00"
    assert http_.patch(f"/agreements/{told['id']}", {"stage_id": sent}).json["stage"]["name"] == "Відправлено"
    fake.behave(create_answer="full")
    assert http_.post("/agreements", body).json["client"]["company"] == "Іван Тестовий"


def test_there_is_no_external_id_so_twice_is_two(fake: FakeKeepin, http_: Http) -> None:
    fake.lose_reply(method="POST", path="/v1/agreements")
    with pytest.raises((http.client.RemoteDisconnected, ConnectionError)):
        http_.post("/agreements", order())
    found = http_.q("/agreements", {"q[title_eq]": "Замовлення #7001"})
    assert len(found) == 1  # it is there, though nobody was told
    assert http_.post("/agreements", order()).status == 201
    assert len(http_.q("/agreements", {"q[title_i_cont]": "#7001"})) == 2
    assert len(fake.account.tables["clients"]) == 2


def test_the_total_is_the_sent_one_or_follows_the_lines(fake: FakeKeepin, http_: Http) -> None:
    def total(**changes: Any) -> Any:
        return http_.get(f"/agreements/{http_.post('/agreements', order(**changes)).json['id']}").json["total"]

    assert total(total=271) == 271
    assert total(total=271, products_total_as_total=True) == 270
    assert total(total=271, products_total_as_total=True, discount=20.5, discount_kind="absolute_discount") == 249.5
    flagged = http_.post("/agreements", order(total=271, products_total_as_total=True), products_total_as_total="false")
    assert http_.get(f"/agreements/{flagged.json['id']}").json["total"] == 271
    bare = {name: value for name, value in order().items() if name != "total"}
    assert http_.post("/agreements", bare).status == 201
    fake.behave(total_required=True)
    refused = http_.post("/agreements", bare)
    assert (refused.status, refused.json["errors"]) == (422, {"total": ["is required"]})
    assert refused.json["message"]
    assert http_.post("/agreements", bare | {"products_total_as_total": True}).status == 201


@pytest.mark.parametrize(
    "changes",
    [
        {"client_attributes": {**CLIENT, "company": ""}},
        {"client_attributes": {**CLIENT, "company": "  "}},
        {"client_attributes": {**CLIENT, "comment": "Київ"}},
        {"client_attributes": {**CLIENT, "phones": "+380500000000"}},
        {"client_attributes": [CLIENT]},
        {"jobs_attributes": [{**line(), "price": 135}]},
        {"jobs_attributes": [{"amount": 1, "title": "Лампа"}]},
        {"jobs_attributes": {"0": line()}},
        {"jobs_attributes": [line(), "x"]},
        {"custom_fields": {"Оплата": "x"}},
    ],
)
def test_what_the_real_one_rejects_is_refused_and_leaves_nothing(fake: FakeKeepin, http_: Http, changes: Any) -> None:
    reply = http_.post("/agreements", order(**changes))
    assert (reply.status, len(reply.json["errors"])) == (422, 1)
    fake.behave(refusal=500)
    reply = http_.post("/agreements", order(**changes))
    assert (reply.status, "errors" in reply.json) == (500, False)
    tables = fake.account.tables
    assert (tables["agreements"], tables["clients"], tables["materials"]) == ({}, {}, {})


def test_values_that_are_none_are_refused_with_their_field(http_: Http) -> None:
    cases: list[tuple[dict[str, Any], str]] = [
        ({"total": "x"}, "total"),
        ({"jobs_attributes": [line(price="багато")]}, "jobs.product.price"),
        ({"jobs_attributes": [line(amount="x")]}, "jobs.amount"),
        ({"jobs_attributes": [line(title="")]}, "jobs.product.title"),
        ({"source_id": 5}, "source"),
        ({"funnel_id": 5}, "funnel"),
        ({"main_responsible_id": "x"}, "main_responsible"),
        ({"client_id": 5}, "client"),
        ({"ordered_at": "учора"}, "ordered_at"),
        ({"result": "won"}, "result"),
    ]
    for changes, field in cases:
        reply = http_.post("/agreements", order(**changes))
        assert (reply.status, list(reply.json["errors"])) == (422, [field])
    assert http_.get("/agreements").items == []


def test_the_company_may_be_missing_or_not(fake: FakeKeepin, http_: Http) -> None:
    client = {name: value for name, value in CLIENT.items() if name != "company"}
    key = http_.post("/agreements", order(client_attributes=client)).json["id"]
    assert http_.get(f"/agreements/{key}").json["client"]["company"] == "Іван Тестовий"
    fake.behave(company_required=True)
    assert http_.post("/agreements", order(client_attributes=client)).status == 422


def test_clients_are_made_anew_or_matched(fake: FakeKeepin, http_: Http) -> None:
    fake.add_client("Іван", phones=["050 000-00-00"], email="I@Example.com")
    http_.post("/agreements", order())
    assert len(fake.account.tables["clients"]) == 2
    fake.behave(client_matching=True)
    http_.post("/agreements", order(client_attributes={"company": "Ваня", "phones": ["0500000000"]}))
    http_.post("/agreements", order(client_attributes={"company": "Ваня", "email": "i@example.com"}))
    assert len(fake.account.tables["clients"]) == 2
    http_.post("/agreements", order(client_attributes={"company": "Петро"}))
    assert len(fake.account.tables["clients"]) == 3


def test_a_client_by_id(fake: FakeKeepin, http_: Http) -> None:
    client = fake.add_client("ТОВ «Ромашка»")
    body = {name: value for name, value in order(client_id=client).items() if name != "client_attributes"}
    key = http_.post("/agreements", body).json["id"]
    assert http_.get(f"/agreements/{key}").json["client"]["id"] == client
    fake.behave(client_by_id=False)
    key = http_.post("/agreements", body).json["id"]
    assert http_.get(f"/agreements/{key}").json["client"] is None


def test_lines_without_a_match_make_materials(fake: FakeKeepin, http_: Http) -> None:
    lines = [line("NEW-1", 1, 10), line("", 1, 70, "Доставка")]
    for _ in range(2):
        assert http_.post("/agreements", order(jobs_attributes=lines)).status == 201
    # the unknown SKU is known from the first time on; the empty one is a new material each time
    assert [row["sku"] for row in fake.materials.rows()] == ["NEW-1", "", ""]
    assert fake.by_sku("NEW-1")[0]["price"] == 10
    fake.behave(line_material="with_sku", create_material="not_found")  # orders make them also where the API does not
    http_.post("/agreements", order(jobs_attributes=[*lines, line("NEW-2")]))
    assert [row["sku"] for row in fake.materials.rows()] == ["NEW-1", "", "", "NEW-2"]
    fake.behave(line_material="never")
    key = http_.post("/agreements", order(jobs_attributes=[line("NEW-3", 1, 5)])).json["id"]
    assert len(fake.materials.rows()) == 4
    assert jobs(http_, key) == [("NEW-3", 1, 5)]


def test_a_price_list_goes_over_the_sent_price_unless_told_not_to(fake: FakeKeepin, http_: Http) -> None:
    fake.add_material("LMP-9", price=Decimal(150))
    assert jobs(http_, http_.post("/agreements", order()).json["id"]) == [("LMP-9", 2, 135)]
    fake.behave(price_list=True)
    assert jobs(http_, http_.post("/agreements", order()).json["id"]) == [("LMP-9", 2, 150)]
    kept = http_.post("/agreements", order(), ignore_price_list="true").json["id"]
    assert jobs(http_, kept) == [("LMP-9", 2, 135)]
    bare = {"amount": 1, "product_attributes": {"sku": "LMP-9", "title": "Лампа"}}
    assert jobs(http_, http_.post("/agreements", order(jobs_attributes=[bare])).json["id"]) == [("LMP-9", 1, 150)]


def test_the_office_of_an_order(fake: FakeKeepin, http_: Http) -> None:
    office = fake.add_office("Склад", "h-2")
    keys = [http_.post("/agreements", order(), office_hash_id=code).json["id"] for code in ("h-2", "none")]
    assert [fake.account.tables["agreements"][key]["office_id"] for key in keys] == [office, None]


# --- changing --------------------------------------------------------------------------------------------------------


def test_lines_in_a_patch_are_added_again_or_refused(fake: FakeKeepin, http_: Http) -> None:
    key = http_.post("/agreements", order(products_total_as_total=True)).json["id"]
    told = http_.patch(f"/agreements/{key}", {"jobs_attributes": [line()]}).json
    assert (len(told["jobs"]), told["total"]) == (2, 540)
    fake.behave(patch_jobs="taken")
    reply = http_.patch(f"/agreements/{key}", {"title": "Інше", "jobs_attributes": [line()]})
    assert (reply.status, reply.json["errors"]) == (422, {"jobs": ["Товар вже зайнятий"]})
    told = http_.patch(f"/agreements/{key}", {"comment": "лише рядок"}).json
    assert (len(told["jobs"]), told["title"], told["comment"]) == (2, "Замовлення #7001", "лише рядок")


def test_a_client_in_a_patch_is_made_again(fake: FakeKeepin, http_: Http) -> None:
    key = http_.post("/agreements", order()).json["id"]
    assert http_.patch(f"/agreements/{key}", {"client_attributes": CLIENT}).status == 200
    assert len(fake.account.tables["clients"]) == 2
    assert http_.patch(f"/agreements/{key}", {"client_attributes": {"company": ""}}).status == 422


def test_lines_can_be_changed_by_id_or_not(fake: FakeKeepin, http_: Http) -> None:
    key = http_.post(
        "/agreements", order(jobs_attributes=[line(), line("B", 1, 5)], products_total_as_total=True)
    ).json["id"]
    first, second = (job["id"] for job in http_.get(f"/agreements/{key}").json["jobs"])
    body = {"jobs_attributes": [{"id": first, "amount": 3}, {"id": second, "_destroy": True}]}
    assert http_.patch(f"/agreements/{key}", body).json["total"] == 405
    assert jobs(http_, key) == [("LMP-9", 3, 135)]
    assert http_.patch(f"/agreements/{key}", {"jobs_attributes": [{"id": 5, "amount": 1}]}).status == 422
    fake.behave(job_ids=False)
    http_.patch(f"/agreements/{key}", {"jobs_attributes": [{"id": first, **line("LMP-9", 1, 1)}]})
    assert jobs(http_, key) == [("LMP-9", 3, 135), ("LMP-9", 1, 1)]


def test_stages_and_results(fake: FakeKeepin, http_: Http) -> None:
    funnel = fake.add_named("funnels", "Опт")
    done = fake.add_stage("Виконано", funnel)
    key = fake.add_agreement("Замовлення #1")
    told = http_.patch(f"/agreements/{key}", {"stage_id": done, "result": "successful"}).json
    assert (told["stage"]["name"], told["funnel"], told["result"]) == ("Виконано", {"id": funnel}, "successful")
    assert http_.patch(f"/agreements/{key}", {"stage_id": 5}).json["errors"] == {"stage": ["must exist"]}
    assert http_.patch(f"/agreements/{key}", {"result": "won"}).status == 422
    fake.behave(unknown_stage="ignored", result_write=False)
    told = http_.patch(f"/agreements/{key}", {"stage_id": 5, "result": "failed"}).json
    assert (told["stage_id"], told["result"]) == (done, "successful")
    fake.behave(stage_read="name")
    told = http_.get(f"/agreements/{key}").json
    assert (told["stage"], "stage_id" in told) == ({"name": "Виконано"}, False)


# --- reading ---------------------------------------------------------------------------------------------------------


def test_agreements_are_filtered_but_by_stage_perhaps_not(fake: FakeKeepin, http_: Http, clock: Clock) -> None:
    funnel = fake.add_named("funnels", "Продажі")
    new, done = fake.add_stage("Нове", funnel), fake.add_stage("Виконано", funnel)
    first = fake.add_agreement("#1", stage_id=new)
    clock.pass_(days=1)
    second = fake.add_agreement("#2", stage_id=done, result="successful")
    assert http_.q("/agreements", {"q[ordered_at_gteq]": "2026-11-23"}) == [second]
    assert http_.q("/agreements", {"q[ordered_at_lteq]": "2026-11-23T00:00:00+02:00"}) == [first]
    assert http_.q("/agreements", {"q[result_null]": "true"}) == [first]
    assert http_.q("/agreements", {"q[stage_id_eq]": str(done)}) == [second, first]
    fake.behave(stage_filter=True)
    assert http_.q("/agreements", {"q[stage_id_eq]": str(done)}) == [second]


def test_totals_and_lines_are_told_in_many_forms(fake: FakeKeepin, http_: Http) -> None:
    row = {"sku": "A", "title": "Лак", "amount": Decimal(3), "price": Decimal("1200.10")}
    key = fake.add_agreement("#1", [row])
    told = http_.get(f"/agreements/{key}").json
    assert (told["total_amount"], told["total"]) == (3600.3, 3600.3)
    fake.behave(total_name="total", total_form="comma")
    told = http_.get(f"/agreements/{key}").json
    assert (told["total"], "total_amount" in told) == ("3 600,30", False)
    fake.behave(total_name="total_amount", total_form="text", jobs_read="nested")
    told = http_.get(f"/agreements/{key}").json
    assert (told["total_amount"], "total" in told) == ("3600.3", False)
    assert told["jobs"][0]["product"] == {"id": None, "sku": "A", "title": "Лак", "price": 1200.1, "currency": "UAH"}
    fake.behave(jobs_in_list=False)
    assert "jobs" not in http_.get("/agreements").items[0]
    assert "jobs" in http_.get(f"/agreements/{key}").json
    fake.behave(jobs_read="absent", jobs_in_list=True)
    assert "jobs" not in http_.get(f"/agreements/{key}").json
    assert "jobs" not in http_.get("/agreements").items[0]


# --- clients, tasks, payments ----------------------------------------------------------------------------------------


def test_clients(fake: FakeKeepin, http_: Http) -> None:
    source, status = fake.add_named("sources", "Сайт"), fake.add_named("client_statuses", "Новий")
    body = {
        **CLIENT,
        "lead": True,
        "source_id": source,
        "status_id": status,
        "tag_names": ["VIP"],
        "contacts_attributes": [
            {"fullname": "Олена", "phones": ["1"], "custom_fields": [{"name": "Посада", "value": "Директор"}]}
        ],
    }
    made = http_.post("/clients", body)
    told = made.json
    key = told["id"]
    assert (made.status, told["lead"], told["status"]["name"], told["source"]["id"]) == (201, True, "Новий", source)
    assert told["contacts"] == [{"fullname": "Олена", "phones": ["1"], "custom_fields": {"Посада": "Директор"}}]
    assert http_.q("/clients", {"q[lead_true]": "1"}) == [key]
    assert http_.q("/clients", {"q[lead_true]": "0"}) == []
    assert http_.q("/clients", {"q[phones_cont]": "050000"}) == [key]
    told = http_.patch(
        f"/clients/{key}", {"email": "new@example.com", "contacts_attributes": [{"fullname": "Петро"}]}
    ).json
    assert (told["email"], told["company"], len(told["contacts"])) == ("new@example.com", "Іван Тестовий", 2)
    assert http_.put(f"/clients/{key}", {"lead": False}).json["lead"] is False
    for refused in ({"company": " "}, {"phones": "1"}, {"status_id": 5}, {"contacts_attributes": {"a": 1}}):
        assert http_.patch(f"/clients/{key}", refused).status == 422
    assert http_.post("/clients", {"person": "Без назви"}).json["errors"] == {"company": ["is required"]}
    assert http_.delete(f"/clients/{key}").json["id"] == key
    assert http_.get(f"/clients/{key}").status == 404
    fake.behave(delete_answer="empty")
    assert http_.delete(f"/clients/{fake.add_client('Б')}").status == 204


def test_tasks(fake: FakeKeepin, http_: Http) -> None:
    reply = http_.post("/tasks", {"title": "Передзвонити", "comment": "до 18:00", "client_attributes": CLIENT})
    assert (reply.status, reply.json["title"]) == (201, "Передзвонити")
    assert fake.account.tables["tasks"][reply.json["id"]]["client_id"] in fake.account.tables["clients"]
    assert http_.post("/tasks", {"comment": "без назви"}).json["errors"] == {"title": ["is required"]}
    assert http_.post("/tasks", {"title": "А", "client_attributes": {"company": ""}}).status == 422
    assert http_.post("/tasks", {"title": "А", "source_id": 5}).status == 422
    assert http_.get("/tasks").status == 404


def test_payments(fake: FakeKeepin, http_: Http) -> None:
    purse = fake.add_named("purses", "Каса")
    assert http_.get("/payments/purses").items == [{"id": purse, "name": "Каса"}]
    made = http_.post("/payments", {"amount": "150.5", "kind": "income", "purse_id": purse, "at": "2026-11-20"})
    assert made.status == 201
    told = http_.get("/payments").items[0]
    assert (told["amount"], told["kind"], told["purse"]) == (150.5, "income", {"id": purse, "name": "Каса"})
    assert (told["at"], told["planned"], told["currency"]) == ("2026-11-20", False, "UAH")
    refused: list[tuple[dict[str, Any], str]] = [
        ({"amount": None}, "amount"),
        ({"kind": ""}, "kind"),
        ({"purse_id": 5}, "purse"),
        ({"at": "20.11.2026"}, "at"),
    ]
    for changes, field in refused:
        body = {"amount": 1, "kind": "income", "purse_id": purse, **changes}
        assert list(http_.post("/payments", body).json["errors"]) == [field]
    for method in ("GET", "PATCH", "DELETE"):
        assert http_(method, f"/v1/payments/{told['id']}").status == 404


# --- webhooks --------------------------------------------------------------------------------------------------------


@pytest.fixture
def receiver() -> Iterator[FakeServer]:
    api = FakeApi()
    api.add("POST", "/hook", lambda _asked: {})
    with FakeServer(api) as server:
        yield server


def test_triggers_post_the_operators_template(fake: FakeKeepin, http_: Http, receiver: FakeServer) -> None:
    template = '{"deal_id":"{{id}}","stage":"{{ stage_name }}","products":[{{#products}}{"sku":"{{sku}}","amount":"{{amount}}"}{{^last}},{{/last}}{{/products}}],"unknown":"{{what}}"}'  # noqa: E501
    funnel = fake.add_named("funnels", "Продажі")
    fake.add_stage("Нове", funnel)
    sent = fake.add_stage("Відправлено", funnel)
    url = receiver.url + "/hook?token=s"
    fake.add_trigger("agreement.created", url, template)
    fake.add_trigger("agreement.stage", url, '{"id":"{{id}}","new_status":"{{new_status}}","total":"{{total}}"}')
    fake.add_trigger("material.stock", url, '{"material_sku":"{{material_sku}}","amount":"{{amount}}"}')
    key = http_.post("/agreements", order(jobs_attributes=[line(), line("B", 1.5)])).json["id"]
    http_.patch(f"/agreements/{key}", {"stage_id": sent})
    http_.patch(f"/agreements/{key}", {"comment": "етап той самий"})
    office, material = fake.add_office("Склад"), fake.by_sku("LMP-9")[0]["id"]
    fake.move_stock(material, office, -2)
    assert receiver.api.log == []  # nothing goes out while requests are handled
    assert fake.send_webhooks() == [200, 200, 200]
    bodies = [json.loads(one.body) for one in receiver.api.asked()]
    assert bodies[0] == {
        "deal_id": str(key),
        "stage": "Нове",
        "products": [{"sku": "LMP-9", "amount": "2.0"}, {"sku": "B", "amount": "1.5"}],
        "unknown": "",
    }
    assert bodies[1:] == [
        {"id": str(key), "new_status": "Відправлено", "total": "270.0"},
        {"material_sku": "LMP-9", "amount": "-2.0"},
    ]
    assert (receiver.api.asked()[0].param("token"), fake.send_webhooks()) == ("s", [])
    receiver.api.drop(method="POST")
    fake.move_stock(material, office, 1)
    assert fake.send_webhooks() == [0]


def test_values_in_a_template_are_escaped_or_not(fake: FakeKeepin) -> None:
    key = fake.add_agreement('Лак "А" & <Б>')
    row = fake.account.tables["agreements"][key]

    def body() -> str:
        return fake.webhook_body("agreement.updated", row, '{"t":"{{title}}"}').decode()

    assert body() == '{"t":"Лак "А" & <Б>"}'  # no JSON any more
    fake.behave(webhook_escape="json")
    assert json.loads(body()) == {"t": 'Лак "А" & <Б>'}
    fake.behave(webhook_escape="html")
    assert json.loads(body()) == {"t": "Лак &quot;А&quot; &amp; &lt;Б&gt;"}
    assert render("{{#a}}x{{/a}}{{^a}}y{{/a}}{{b}}", {"a": [], "b": True}) == "ytrue"


def test_incoming_webhooks_need_no_token_but_their_code(fake: FakeKeepin, http_: Http) -> None:
    fake.add_incoming("c0de")
    stranger = Http(http_.url, "")
    assert stranger("POST", "/callbacks/webhook/c0de", {"name": "Іван"}).status == 200
    assert stranger("POST", "/callbacks/webhook/other", {"name": "Іван"}).status == 404
    assert fake.received("c0de") == [{"name": "Іван"}]


# --- state and process -----------------------------------------------------------------------------------------------


def test_the_state_goes_through_a_file(fake: FakeKeepin, http_: Http, tmp_path: Path) -> None:
    fake.seed()
    http_.post("/agreements", order())
    save_state(tmp_path / "state.json", fake.dump())
    again = FakeKeepin(now=fake.now)
    again.restore(load_state(tmp_path / "state.json"))
    with FakeServer(again) as server:
        other = Http(server.url)
        for path in (
            "/materials",
            "/materials/categories",
            "/agreements",
            "/clients",
            "/clients/statuses",
            "/payments/purses",
        ):
            assert other.get(path).json == http_.get(path).json, path
        assert other.post("/materials", {"title": "Далі"}).json["id"] == fake.account.last + 1


def test_a_state_written_by_hand_needs_only_what_matters(fake: FakeKeepin, http_: Http) -> None:
    fake.restore({"tokens": ["own"], "materials": [{"id": 7, "sku": "A", "price": 5}, {"id": 8, "sku": "B"}]})
    assert Http(http_.url, "own").get("/materials/7").json["price_amount"] == "5.0"
    office = fake.add_office("Склад")
    assert office == 901  # beyond every id that is there
    fake.move_stock(8, office, 3)
    assert [fake.materials.available(row) for row in fake.materials.rows()] == [0, 3]


def test_it_runs_as_a_process_and_keeps_its_state(tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    root = Path(next(iter(plugins.__path__))).parent
    command = [sys.executable, "-m", fake_module.__name__, "--state", str(state), "--token", "t", "--seed"]
    command += ["--quirk", "price_form=number"]

    def run() -> subprocess.Popen[str]:
        return subprocess.Popen(
            command, cwd=root, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONUTF8": "1"}
        )

    with run() as process:
        assert process.stdout
        http_ = Http(process.stdout.readline().strip(), "t")
        assert len(http_.get("/materials").items) == 3
        assert http_.post("/materials", {"sku": "NEW", "title": "Нова"}).status == 201
        end = time.monotonic() + 10
        while not state.exists():
            assert time.monotonic() < end
            time.sleep(0.02)
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0 or os.name == "nt"
    with run() as process:
        assert process.stdout
        http_ = Http(process.stdout.readline().strip(), "t")
        told = http_.get("/materials/sku/NEW").json
        assert (told["title"], told["price_amount"]) == ("Нова", 0)
        assert len(http_.get("/materials").items) == 4  # seeded once
        process.terminate()
