"""Clients, tasks, payments and the CRM's own incoming webhooks in the fake KeepinCRM."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from typing import Any

from pipeline.testing.fakehttp import Answer, Answered, Asked
from plugins.systems.keepincrm._fake_account import Account, Row
from plugins.systems.keepincrm._fake_lists import listing, object_of

_CLIENT = ("company", "person", "email", "phones", "lead", "source_id", "status_id", "tag_names")
_CONTACTS = "contacts_attributes"
_PAYMENT = ("amount", "kind", "purse_id", "at", "comment", "planned", "currency")


def blank_client(**values: Any) -> Row:
    """All fields of a client's row."""
    return {
        "company": "", "person": None, "email": None, "phones": [], "lead": False, "source_id": None,
        "status_id": None, "tag_names": [], "contacts": [], **values,
    }  # fmt: skip


class Clients:
    """The handlers of ``/clients…``, and what ``client_attributes`` of other bodies do."""

    def __init__(self, account: Account) -> None:
        self.account = account

    def all(self, asked: Asked) -> Row:
        """``GET /clients``."""
        return listing(self.account, asked, self.account.tables["clients"].values(), self.tell)

    def statuses(self, asked: Asked) -> Any:
        """``GET /clients/statuses``: cheap, any token may ask."""
        rows = self.account.tables["client_statuses"].values()
        told = [{"id": row["id"], "name": row["name"]} for row in rows]
        return told if self.account.quirks.statuses_bare else listing(self.account, asked, rows, dict)

    def one(self, _asked: Asked, key: str) -> Row:
        """``GET /clients/{id}``."""
        return self.tell(self.account.found("clients", key))

    def create(self, asked: Asked) -> Answer:
        """``POST /clients``: 201."""
        body = object_of(self.account, asked)
        self._check_company(body, required=True)
        return Answer(201, self.tell(self._made(body)))

    def change(self, asked: Asked, key: str) -> Row:
        """``PATCH`` and ``PUT /clients/{id}``: just the fields that it names; contacts are added."""
        row = self.account.found("clients", key)
        body = object_of(self.account, asked)
        self._check_company(body, required=False)
        row.update(self._fields(body))
        row["contacts"] = [*row["contacts"], *self._contacts(body)]
        self.account.touch(row)
        return self.tell(row)

    def delete(self, _asked: Asked, key: str) -> Answer:
        """``DELETE /clients/{id}``."""
        row = self.account.found("clients", key)
        del self.account.tables["clients"][row["id"]]
        return Answer(204) if self.account.quirks.delete_answer == "empty" else Answer(200, self.tell(row))

    # --- as a part of another body -------------------------------------------------------------------------------

    def check_nested(self, attributes: Any) -> Mapping[str, Any]:
        """``client_attributes`` that can be taken. A comment in it is refused, and a blank company."""
        if not isinstance(attributes, dict):
            raise self.account.misshapen("client", "is invalid")
        if "comment" in attributes:
            raise self.account.misshapen("client.comment", "is unknown")
        self._check_company(attributes, required=self.account.quirks.company_required, nested=True)
        self._fields(attributes)
        self._contacts(attributes)
        return attributes

    def nested(self, attributes: Mapping[str, Any]) -> Row:
        """The client for checked attributes: a new one, or one that matches where this account does match."""
        if self.account.quirks.client_matching:
            phones = {_digits(str(phone)) for phone in attributes.get("phones") or ()}
            email = str(attributes.get("email") or "").lower()
            for row in self.account.tables["clients"].values():
                known = {_digits(str(phone)) for phone in row["phones"]}
                if phones & known or (email and str(row["email"] or "").lower() == email):
                    return row
        return self._made({"company": attributes.get("person") or "", **attributes})

    # --- rows ----------------------------------------------------------------------------------------------------

    def _check_company(self, body: Mapping[str, Any], *, required: bool, nested: bool = False) -> None:
        if ("company" in body or required) and not str(body.get("company") or "").strip():
            if nested:
                raise self.account.misshapen("client.company", "is required")
            raise self.account.invalid(company="is required")

    def _made(self, body: Mapping[str, Any]) -> Row:
        return self.account.add("clients", blank_client(**self._fields(body), contacts=self._contacts(body)))

    def _fields(self, body: Mapping[str, Any]) -> Row:
        given = self.account.known(body, (*_CLIENT, _CONTACTS))
        given.pop(_CONTACTS, None)
        for name in ("phones", "tag_names"):
            value = given.get(name, [])
            if value is not None and not isinstance(value, list):
                raise self.account.misshapen(name, "is invalid")
            if name in given:
                given[name] = [str(one) for one in value or ()]
        for name, table in (("source_id", "sources"), ("status_id", "client_statuses")):
            if name in given:
                given[name] = self.account.reference(name, table, given[name])
        if "lead" in given:
            given["lead"] = given["lead"] in (True, "true", "1", 1)
        return given

    def _contacts(self, body: Mapping[str, Any]) -> list[Row]:
        return [
            {
                "fullname": str(row.get("fullname") or ""),
                "phones": [str(phone) for phone in row.get("phones") or ()],
                "custom_fields": {
                    str(one.get("name")): one.get("value")
                    for one in self.account.rows("custom_fields", row.get("custom_fields"))
                },
            }
            for row in self.account.rows(_CONTACTS, body.get(_CONTACTS))
        ]

    def tell(self, row: Row) -> Row:
        """A client as the API tells it."""
        account = self.account
        told: Row = {name: row[name] for name in ("id", *_CLIENT, "contacts")}
        told["status"] = account.named("client_statuses", row["status_id"])
        told["source"] = account.named("sources", row["source_id"])
        return told | {name: account.moment(row[name]) for name in ("created_at", "updated_at")}


def _digits(phone: str) -> str:
    return re.sub(r"\D", "", phone)[-10:]


class Desk:
    """The handlers of ``/tasks``, ``/payments…`` and ``/callbacks/webhook/{code}``."""

    def __init__(self, account: Account, clients: Clients) -> None:
        self.account = account
        self.clients = clients

    def create_task(self, asked: Asked) -> Answer:
        """``POST /tasks``: 201."""
        body = self.account.known(
            object_of(self.account, asked), ("title", "comment", "source_id", "client_attributes")
        )
        if not str(body.get("title") or "").strip():
            raise self.account.invalid(title="is required")
        source = self.account.reference("source_id", "sources", body.get("source_id"))
        client = None
        if body.get("client_attributes") is not None:
            client = self.clients.nested(self.clients.check_nested(body["client_attributes"]))["id"]
        row = self.account.add(
            "tasks",
            {"title": body["title"], "comment": body.get("comment"), "source_id": source, "client_id": client},
        )
        return Answer(201, self._stamped({"id": row["id"], "title": row["title"]}, row))

    def payments(self, asked: Asked) -> Row:
        """``GET /payments``."""
        return listing(self.account, asked, self.account.tables["payments"].values(), self._payment)

    def purses(self, asked: Asked) -> Row:
        """``GET /payments/purses``."""
        rows = self.account.tables["purses"].values()
        return listing(self.account, asked, rows, lambda row: {"id": row["id"], "name": row["name"]})

    def create_payment(self, asked: Asked) -> Answer:
        """``POST /payments``: 201."""
        body = self.account.known(object_of(self.account, asked), _PAYMENT)
        amount = self.account.number("amount", body.get("amount"))
        if amount is None:
            raise self.account.invalid(amount="is required")
        if not str(body.get("kind") or ""):
            raise self.account.invalid(kind="is required")
        purse = self.account.reference("purse_id", "purses", body.get("purse_id"))
        if purse is None:
            raise self.account.invalid(purse="must exist")
        at = str(body.get("at") or self.account.now().date().isoformat())
        try:
            date.fromisoformat(at)
        except ValueError:
            raise self.account.invalid(at="is invalid") from None
        row = {"currency": "UAH", "comment": None, **body, "amount": amount, "purse_id": purse, "at": at}
        row["planned"] = body.get("planned") in (True, "true", "1", 1)
        return Answer(201, self._payment(self.account.add("payments", row)))

    def webhook(self, asked: Asked, code: str) -> Row:
        """``POST /callbacks/webhook/{code}``: any JSON, no token; the code is the secret, and is set in the CRM."""
        known = {row["code"] for row in self.account.tables["incoming"].values() if row.get("code")}
        if code not in known:
            raise Answered(self.account.not_found())
        self.account.add("incoming", {"for": code, "body": asked.json()})
        return {}

    def _payment(self, row: Row) -> Row:
        told: Row = {name: row[name] for name in ("id", "amount", "currency", "kind", "at", "comment", "planned")}
        told["purse"] = self.account.named("purses", row["purse_id"])
        return self._stamped(told, row)

    def _stamped(self, told: Row, row: Row) -> Row:
        return told | {name: self.account.moment(row[name]) for name in ("created_at", "updated_at")}
