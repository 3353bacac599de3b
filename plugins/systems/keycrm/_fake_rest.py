"""What is left of the API: dictionaries, files, external transactions, calls; funnels, which are switched off."""

from __future__ import annotations

import hashlib
import mimetypes
import re
from pathlib import PurePosixPath

from pipeline.testing.fakehttp import Answer, Asked, FakeApi
from plugins.systems.keycrm._fake_account import Account
from plugins.systems.keycrm._fake_ask import (
    F,
    Keep,
    Listing,
    Row,
    between,
    body_of,
    equal,
    includes_of,
    invalid,
    missing,
    ordered,
    page,
    read,
    refuse,
    select,
    truth,
    words,
)
from plugins.systems.keycrm._fake_show import DICTIONARY, FILE, Show, only

BIGGEST = 10 * 1024 * 1024  # bytes of a file
DICTIONARIES = {
    "/v1/order/source": "sources",
    "/v1/order/status": "statuses",
    "/v1/order/payment-method": "payment_methods",
    "/v1/order/expense-type": "expense_types",
    "/v1/order/delivery-service": "delivery_services",
    "/v1/order/product-status": "product_statuses",
    "/v1/order/tag": "tags",
}
FUNNELS = (
    ("GET", "/v1/pipelines"),
    ("GET", "/v1/pipelines/{number}/statuses"),
    ("GET", "/v1/pipelines/cards"),
    ("POST", "/v1/pipelines/cards"),
    ("GET", "/v1/pipelines/cards/{number}"),
    ("PUT", "/v1/pipelines/cards/{number}"),
    ("POST", "/v1/pipelines/cards/{number}/payment"),
    ("PUT", "/v1/pipelines/cards/{number}/payment/{payment}"),
    ("POST", "/v1/pipelines/cards/{number}/attachment/{file}"),
    ("DELETE", "/v1/pipelines/cards/{number}/attachment/{file}"),
)
NAMES = Listing(sorts=("id",))
FILES = Listing(sorts=("id", "size"))


def _attached(value: str) -> Keep:
    wanted = truth(value)
    return lambda row: (row["payment_id"] is not None) is wanted


TRANSACTIONS = Listing(
    {
        "id": equal("id"),
        "transaction_uuid": equal("uuid"),
        "gateway_id": equal("gateway_id"),
        "is_attached": _attached,
        "created_between": between("created_at"),
    }
)
CALLS = Listing(
    {
        **{name: equal(name) for name in ("reference_id", "client_id", "lead_id", "type")},
        "manager_id": equal("user_id"),
        "client_phone": equal("external_number"),
        "created_between": between("created_at"),
    },
    ("manager", "service", "lead", "client"),
)
TRANSACTION = words(
    "id uuid source_uuid gateway_id payments_data amount description currency transaction_date created_at updated_at"
)
CALL = words(
    "id internal_number external_number source_number reference_id type state user_id call_route_service_id duration"
    " call_url comment client_id lead_id utm_source utm_medium utm_campaign utm_term utm_content created_at updated_at"
)
ATTACH = {"transaction_id": F("num"), "transaction_uuid": F("str")}


class Rest:
    """The handlers."""

    def __init__(self, account: Account, show: Show) -> None:
        self.account, self.show = account, show

    def routes(self, api: FakeApi) -> None:
        """Register everything; before the orders, whose ``/order/{number}`` would take the dictionaries' paths."""
        for path in DICTIONARIES:
            api.add("GET", path, self._names)
        for method, path in FUNNELS:
            api.add(method, path, self._no_funnels)
        api.add("GET", "/v1/storage", self._files)
        api.add("POST", "/v1/storage/upload", self._upload)
        api.add("GET", "/v1/storage/attachment/{kind}/{number}", self._attachments)
        api.add("POST", "/v1/order/{number}/attachment/{file}", self._attach)
        api.add("DELETE", "/v1/order/{number}/attachment/{file}", self._detach)
        api.add("GET", "/v1/payments/external-transactions", self._transactions)
        api.add("POST", "/v1/payments/{number}/external-transactions", self._attach_transaction)
        api.add("GET", "/v1/calls", self._calls)

    def _names(self, asked: Asked) -> Answer:
        """A dictionary. Of the statuses only the active ones are listed, as documented."""
        table = DICTIONARIES[asked.path]
        rows = [row for row in self.account.table(table).values() if table != "statuses" or row["is_active"]]
        rows = ordered(NAMES, asked, self.account.quirks, rows)
        return page(asked, self.account.quirks, rows, lambda row: only(row, DICTIONARY[table]))

    @staticmethod
    def _no_funnels(_asked: Asked, **_path: str) -> Answer:
        return Answer(400, {"message": "Leads are not enabled"})

    # --- files ----------------------------------------------------------------------------------------------------

    def _files(self, asked: Asked) -> Answer:
        rows = ordered(FILES, asked, self.account.quirks, list(self.account.table("files").values()))
        return page(asked, self.account.quirks, rows, lambda row: only(row, FILE))

    def _upload(self, asked: Asked) -> Answer:
        """201 for a new file, 200 for the same again, 413 for one of more than 10 MB."""
        found = _file_part(asked)
        if found is None:
            invalid({"file": ["The file field is required."]}, self.account.quirks)
        name, data = found
        if len(data) > BIGGEST:
            refuse(413, "The file is too large.")
        digest = hashlib.sha256(data).hexdigest()
        for row in self.account.table("files").values():
            if row["digest"] == digest:
                return Answer(200, only(row, FILE))
        suffix = PurePosixPath(name).suffix
        stored = f"{digest[:32]}{suffix}"
        row = self.account.new(
            "files",
            {
                "file_name": stored,
                "url": f"https://openapi.keycrm.app/storage/fake/{stored}",
                "size": len(data),
                "extension": suffix.removeprefix("."),
                "original_file_name": name,
                "mime_type": mimetypes.guess_type(name)[0] or "application/octet-stream",
                "digest": digest,
            },
        )
        return Answer(201, only(row, FILE))

    def _attachments(self, _asked: Asked, kind: str, number: str) -> list[Row]:
        """A bare list."""
        if kind != "order":
            missing()
        order = self.account.one("orders", number)
        files = self.account.table("files")
        return [only(files[row["file_id"]], FILE) for row in self.show.of_order("attachments", order)]

    def _attach(self, _asked: Asked, number: str, file: str) -> Answer:
        order, row = self.account.one("orders", number), self.account.one("files", file)
        if all(one["file_id"] != row["id"] for one in self.show.of_order("attachments", order)):
            made = self.account.new("attachments", {"destination_id": order["id"], "file_id": row["id"]})
            order["own"]["attachments"].append(made["id"])
            self.account.touch(order)
        return Answer(202, {"status": True})

    def _detach(self, _asked: Asked, number: str, file: str) -> Answer:
        """Documented with 201, of all numbers."""
        order, row = self.account.one("orders", number), self.account.one("files", file)
        for one in self.show.of_order("attachments", order):
            if one["file_id"] == row["id"]:
                order["own"]["attachments"].remove(one["id"])
                del self.account.table("attachments")[one["id"]]
                self.account.touch(order)
                return Answer(201, {"status": True})
        return refuse(400, "The order does not have this file.")

    # --- transactions and calls -----------------------------------------------------------------------------------

    def _transactions(self, asked: Asked) -> Answer:
        rows = select(TRANSACTIONS, asked, self.account.quirks, list(self.account.table("transactions").values()))
        return page(asked, self.account.quirks, rows, lambda row: only(row, TRANSACTION))

    def _attach_transaction(self, asked: Asked, number: str) -> Answer:
        payment = self.account.one("payments", number)
        values = read(body_of(asked), ATTACH, self.account.quirks)
        wanted, uuid = values.get("transaction_id"), values.get("transaction_uuid")
        if wanted is None and not uuid:
            invalid({"transaction_id": ["The transaction id field is required."]}, self.account.quirks)
        for row in self.account.table("transactions").values():
            if row["id"] == wanted if wanted is not None else str(row["uuid"]) == uuid:
                row["payment_id"] = payment["id"]
                payment["transaction_uuid"] = str(row["uuid"])
                self.account.touch(payment)
                return Answer(201, self.show.payment(payment))
        return missing()

    def _calls(self, asked: Asked) -> Answer:
        include = includes_of(CALLS, asked, self.account.quirks)
        rows = select(CALLS, asked, self.account.quirks, list(self.account.table("calls").values()))

        def show(row: Row) -> Row:
            client = self.account.get("buyers", row.get("client_id"))
            more = {
                "manager": self.show.user(self.account.get("users", row.get("user_id"))),
                "client": only(client, ("id", "company_id", "full_name")) if client else None,
                "lead": None,
                "service": None,
            }
            return only(row, CALL) | {name: value for name, value in more.items() if name in include}

        return page(asked, self.account.quirks, rows, show)


def _file_part(asked: Asked) -> tuple[str, bytes] | None:
    """Name and bytes of the part ``file`` of a multipart body."""
    boundary = re.search(r'boundary="?([^";]+)', asked.headers.get("content-type", ""))
    if boundary is None:
        return None
    for part in asked.body.split(b"--" + boundary[1].encode())[1:-1]:
        head, found, data = part.partition(b"\r\n\r\n")
        about = head.decode("utf-8", "replace")
        name = re.search(r'filename="([^"]*)"', about)
        if found and name and re.search(r'\bname="file"', about):
            return name[1], data.removesuffix(b"\r\n")
    return None
