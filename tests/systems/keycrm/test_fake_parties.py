"""The fake of KeyCRM: buyers, companies, users; files, transactions, calls, dictionaries, funnels."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from plugins.systems.keycrm.fake import FakeKeyCrm
from tests.systems.keycrm.conftest import Api, Clock, Make, Reply

ANN = {"full_name": "Олена Коваленко", "phone": ["+380500000000"], "email": ["buyer@example.test"]}


def order(**buyer: Any) -> dict[str, Any]:
    """An order of a buyer."""
    return {"source_id": 1, "buyer": buyer}


# --- buyers ------------------------------------------------------------------------------------------------------


def test_buyers_have_lists_of_phones_and_letters(api: Api, fake: FakeKeyCrm) -> None:
    fake.add_custom_field("CT_1", "client", kind="select", is_multiple=True)
    reply = api.post(
        "/buyer",
        {
            **ANN,
            "birthday": "1990-05-16",
            "discount": 5,
            "shipping": [{"city": "Київ", "address": "вул. Зелена, 1", "dropped": 1}],
            "custom_fields": [{"uuid": "CT_1", "value": ["VIP", "Опт"]}],
        },
    )
    assert reply.status == 201
    assert (reply.body["phone"], reply.body["email"]) == (["+380500000000"], ["buyer@example.test"])
    assert (reply.body["birthday"], reply.body["note"]) == ("1990-05-16", None)
    buyer = api.get("/buyer/1", include="shipping,custom_fields,loyalty,company,manager,shippingCount").body
    assert buyer["shipping"] == [{"city": "Київ", "address": "вул. Зелена, 1"}]
    assert buyer["custom_fields"][0]["value"] == ["VIP", "Опт"]
    assert (buyer["loyalty"], buyer["company"], buyer["manager"], buyer["shipping_count"]) == ([], None, None, 1)
    for wrong in (
        {**ANN, "phone": "+380500000000"},
        {"phone": ["+380500000000"]},
        {**ANN, "company_id": 9},
        {**ANN, "manager_id": 9},
        {**ANN, "birthday": "16.05.1990"},
    ):
        assert api.post("/buyer", wrong).status == 422
    assert api.get("/buyer/2").status == 404


def test_a_put_of_a_buyer_needs_the_name(api: Api, fake: FakeKeyCrm, clock: Clock) -> None:
    fake.add_buyer("Олена", phone=["1"], note="була", shipping=[{"city": "Київ"}])
    company = fake.add_company("ТОВ Кава")
    assert api.put("/buyer/1", {"note": "x"}).status == 422
    clock.move(60)
    reply = api.put("/buyer/1", {"full_name": "Олена К.", "company_id": company, "shipping": []})
    assert reply.status == 202
    assert (reply.body["full_name"], reply.body["note"], reply.body["phone"]) == ("Олена К.", "була", ["1"])
    assert reply.body["updated_at"] == "2026-01-29T18:54:35.000000Z"
    shown = api.get("/buyer/1", include="company,shipping").body
    assert (shown["company"]["name"], shown["shipping"]) == ("ТОВ Кава", [])
    assert api.put("/buyer/2", {"full_name": "x"}).status == 404


@pytest.mark.parametrize(("replace", "phones"), [(True, ["2", "3"]), (False, ["1", "2", "3"])])
def test_lists_of_a_put(make: Make, replace: bool, phones: list[str]) -> None:
    fake, api = make(buyer_lists_replace=replace)
    fake.add_buyer("Олена", phone=["1", "2"])
    assert api.put("/buyer/1", {"full_name": "Олена", "phone": ["2", "3"]}).body["phone"] == phones
    assert api.put("/buyer/1", {"full_name": "Олена", "phone": None}).body["phone"] == ([] if replace else phones)


def test_an_import_of_buyers(api: Api) -> None:
    reply = api.post("/buyer/import", {"buyers": [ANN, {"full_name": "Іван"}]})
    assert (reply.status, reply.body) == (201, {"status": True})
    wrong: dict[str, Any]
    for wrong in ({}, {"buyers": []}, {"buyers": [ANN, {"phone": ["1"]}]}):
        refused = api.post("/buyer/import", wrong)
        assert (refused.status, refused.body) == (400, {"status": False})
    assert api.get("/buyer").body["total"] == 2


def test_buyers_are_found(api: Api, fake: FakeKeyCrm) -> None:
    fake.add_buyer("Олена", phone=["+380500000000", "+380671112233"], email=["a@example.test"])
    fake.add_buyer("Іван", phone=["+380990000000"])
    for name, value in {
        "filter_buyer_phone": "+380671112233",
        "filter_buyer_email": "a@example.test,b@example.test",
        "filter_buyer_id": "1",
    }.items():
        assert api.get("/buyer", **{name: value}).ids() == [1]
    assert api.get("/buyer", filter_buyer_phone="380671112233").ids() == []
    assert api.get("/buyer", filter_created_between="2026-01-29,2026-01-30").ids() == [1, 2]
    assert api.get("/buyer", filter_updated_between="2026-01-28,2026-01-29").ids() == []


@pytest.mark.parametrize(
    ("match", "buyers"),
    [("phone or email", [1, 1, 1, 2]), ("phone", [1, 1, 2, 3]), ("none", [2, 3, 4, 5])],
)
def test_whom_an_order_is_linked_to(make: Make, match: str, buyers: list[int]) -> None:
    fake, api = make(buyer_match=match)
    fake.add_buyer("Олена", phone=["1", "+380500000000"], email=["a@example.test"])
    for buyer in (
        {"full_name": "Інше ім'я", "phone": "+380500000000"},
        {"phone": "+380500000000", "email": "other@example.test"},
        {"full_name": "Пошта", "email": "a@example.test"},
        {"full_name": "Ніхто"},
    ):
        assert api.post("/order", order(**buyer)).status == 201
    assert [api.get(f"/order/{number}").body["client_id"] for number in (1, 2, 3, 4)] == buyers
    assert api.get("/buyer/1").body["full_name"] == "Олена"  # who is there stays as he is


@pytest.mark.parametrize(("match", "found"), [("exact", []), ("digits", [1])])
def test_how_phones_are_compared(make: Make, match: str, found: list[int]) -> None:
    fake, api = make(phone_match=match)
    fake.add_buyer("Олена", phone=["+380 (50) 000-00-00"])
    assert api.get("/buyer", filter_buyer_phone="+380500000000").ids() == found
    api.post("/order", order(phone="380500000000"))
    assert api.get("/order/1").body["client_id"] == (1 if found else 2)


# --- companies and users -----------------------------------------------------------------------------------------


def test_companies(api: Api, fake: FakeKeyCrm) -> None:
    fake.add_custom_field("CY_1", "company")
    for name in ("Олена", "Іван", "Ганна"):
        fake.add_buyer(name, phone=[name])
    body = {
        "name": "ТОВ Кава",
        "bank_account": "UA393287040000026006654312944",
        "manager_id": 1,
        "buyer_id": [1, "2"],
        "custom_fields": [{"uuid": "CY_1", "value": "12345678"}],
    }
    reply = api.post("/companies", body)
    assert (reply.status, reply.body["name"], reply.body["custom_fields"][0]["value"]) == (201, "ТОВ Кава", "12345678")
    shown = api.get("/companies/1", include="manager,buyer,custom_fields,buyerCount").body
    assert (shown["manager"]["first_name"], shown["buyer"]["full_name"], shown["buyer_count"]) == ("Олена", "Олена", 2)
    assert (shown["buyer"]["phone"], shown["title"]) == ("Олена", None)
    changed = api.put("/companies/1", {"name": "ТОВ Чай", "buyer_id": [3]})
    assert (changed.status, changed.body["name"], changed.body["bank_account"]) == (
        200,
        "ТОВ Чай",
        body["bank_account"],
    )
    assert [row["company_id"] for row in fake.account.table("buyers").values()] == [None, None, 1]
    assert api.put("/companies/1", {"title": "x"}).status == 422
    assert api.put("/companies/1", {"name": "x", "buyer_id": "3"}).status == 422
    assert api.get("/companies", filter_company_id="1,2").ids() == [1]
    assert api.get("/companies", include="buyer").data[0]["buyer"]["full_name"] == "Ганна"
    assert api.get("/companies/2").status == api.put("/companies/2", {"name": "x"}).status == 404


def test_users(api: Api, fake: FakeKeyCrm) -> None:
    fake.add_user("Іван", "Франко", role_id=5, status="blocked", email="ivan@example.test", phone="+380500000000")
    for name, value in {
        "full_name": "Іван Франко",
        "role_id": "5",
        "status": "blocked,pending",
        "email": "ivan@example.test",
        "phone": "+380500000000",
    }.items():
        (row,) = api.get("/users", **{f"filter_{name}": value}).data
        assert (row["id"], row["full_name"]) == (2, "Іван Франко")
    assert api.get("/users", filter_last_logged_between="2026-01-29,2026-01-30", include="role").ids() == [1, 2]


# --- the rest ----------------------------------------------------------------------------------------------------


def test_dictionaries(api: Api, fake: FakeKeyCrm) -> None:
    fake.add_status("Старий", group=2, is_active=False)
    fake.add_payment_method("PayPal", number=9)
    fake.add_delivery_service("Укрпошта", source_name="ukrposhta")
    fake.add_expense_type("Пакування")
    fake.add_product_status("Замовлено")
    fake.add_tag("VIP")
    fake.add_source("Prom", driver="promua", currency_code="USD", number=6)
    names = {
        path: [row["name"] for row in api.get(f"/order/{path}", limit=50).data]
        for path in ("status", "payment-method", "delivery-service", "expense-type", "product-status", "tag", "source")
    }
    assert names == {
        "status": ["Новий", "Погоджено", "Відправлено", "Виконано", "Скасовано"],
        "payment-method": ["Готівка", "Картка", "Безготівковий рахунок", "PayPal"],
        "delivery-service": ["Нова Пошта", "Самовивіз", "Укрпошта"],
        "expense-type": ["Доставка", "Пакування"],
        "product-status": ["В наявності", "Замовлено"],
        "tag": ["VIP"],
        "source": ["Сайт", "Prom"],
    }
    done = api.get("/order/status", sort="-id", limit=2).data[1]
    assert (done["id"], done["group_id"], done["is_closing_order"]) == (12, 5, True)
    assert "stock" not in done


def test_funnels_are_switched_off(api: Api) -> None:
    asked = [
        api.get("/pipelines"),
        api.get("/pipelines/1/statuses"),
        api.get("/pipelines/cards"),
        api.post("/pipelines/cards", {}),
        api.get("/pipelines/cards/1"),
        api.put("/pipelines/cards/1", {}),
    ]
    assert {(reply.status, reply.body["message"]) for reply in asked} == {(400, "Leads are not enabled")}


def upload(api: Api, data: bytes, name: str = "рахунок.pdf", field: str = "file") -> Reply:
    """Post a file as a form does."""
    head = f'--B\r\nContent-Disposition: form-data; name="{field}"; filename="{name}"\r\n\r\n'.encode()
    body = b'--B\r\nContent-Disposition: form-data; name="note"\r\n\r\nx\r\n' + head + data + b"\r\n--B--\r\n"
    headers: dict[str, Any] = {"Content-Type": "multipart/form-data; boundary=B"}
    return api.ask("POST", "/storage/upload", body, **headers)


def test_files(api: Api, fake: FakeKeyCrm) -> None:
    fake.add_order()
    data = b"%PDF\r\n\x00\xff\r\n"
    first = upload(api, data)
    assert (first.status, first.body["size"], first.body["original_file_name"]) == (201, len(data), "рахунок.pdf")
    assert (first.body["mime_type"], first.body["extension"]) == ("application/pdf", "pdf")
    assert first.body["file_name"] == hashlib.sha256(data).hexdigest()[:32] + ".pdf"
    again = upload(api, data, "other.pdf")
    assert (again.status, again.body["id"]) == (200, first.body["id"])
    assert upload(api, b"x" * (10 * 1024 * 1024 + 1)).status == 413
    assert upload(api, b"", "empty", "other").status == 422
    assert api.post("/storage/upload", {}).status == 422
    upload(api, b"longer than the first one", "b.txt")
    assert api.get("/storage", sort="-size").ids() == [2, 1]
    assert [api.post("/order/1/attachment/1").status for _ in range(2)] == [202, 202]
    assert [row["id"] for row in api.get("/storage/attachment/order/1").body] == [1]
    (shown,) = api.get("/order/1", include="attachments.file").body["attachments"]
    assert (shown["file_id"], shown["file"]["original_file_name"]) == (1, "рахунок.pdf")
    assert [api.delete("/order/1/attachment/1").status for _ in range(2)] == [201, 400]
    assert api.get("/storage/attachment/order/1").body == []
    for path in ("/storage/attachment/order/9", "/storage/attachment/buyer/1"):
        assert api.get(path).status == 404
    assert api.post("/order/1/attachment/9").status == 404


def test_transactions_are_attached_to_payments(api: Api, fake: FakeKeyCrm) -> None:
    fake.add_order(payments=[{"amount": 5, "payment_method_id": 1}, {"amount": 6, "payment_method_id": 1}])
    fake.add_transaction(4815, 5)
    fake.add_transaction(1623, 6, gateway_id=2)
    assert api.get("/payments/external-transactions", filter_gateway_id="2").ids() == [2]
    reply = api.post("/payments/1/external-transactions", {"transaction_id": 1})
    assert (reply.status, reply.body["transaction_uuid"]) == (201, "4815")
    assert api.post("/payments/2/external-transactions", {"transaction_uuid": "1623"}).status == 201
    assert api.get("/payments/external-transactions", filter_is_attached="true").ids() == [1, 2]
    assert api.get("/payments/external-transactions", filter_transaction_uuid="1623").ids() == [2]
    assert api.post("/payments/1/external-transactions", {}).status == 422
    assert api.post("/payments/1/external-transactions", {"transaction_id": 9}).status == 404
    assert api.post("/payments/9/external-transactions", {"transaction_id": 1}).status == 404


def test_calls(api: Api, fake: FakeKeyCrm) -> None:
    fake.add_buyer("Олена")
    fake.add_call(
        type="incoming", client_id=1, user_id=1, reference_id="r", external_number="+380500000000", duration=30,
        **dict.fromkeys(("internal_number", "source_number", "state", "call_url", "comment"), ""),
        call_route_service_id=1, lead_id=1,
    )  # fmt: skip
    (row,) = api.get("/calls", include="manager,client", filter_type="incoming", filter_manager_id="1").data
    assert (row["client"]["full_name"], row["manager"]["first_name"]) == ("Олена", "Олена")
    assert api.get("/calls", filter_client_phone="+380500000000").ids() == [1]
    assert api.get("/calls", filter_lead_id="7").ids() == []
