"""Agreements (orders) of the fake KeepinCRM, with their nested client and lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from pipeline.testing.fakehttp import Answer, Asked
from plugins.systems.keepincrm._fake_account import Account, Row, money
from plugins.systems.keepincrm._fake_clients import Clients
from plugins.systems.keepincrm._fake_lists import listing, object_of, read_moment
from plugins.systems.keepincrm._fake_materials import Materials, blank_material

_WRITTEN = (
    "title", "total", "currency", "comment", "discount", "discount_kind", "products_total_as_total", "funnel_id",
    "stage_id", "source_id", "main_responsible_id", "client_id", "client_attributes", "jobs_attributes",
    "custom_fields", "result", "ordered_at",
)  # fmt: skip
_RESULTS = (None, "successful", "failed")
_YES = (True, "true", "1", 1)


def blank_agreement(**values: Any) -> Row:
    """All fields of an agreement's row."""
    return {
        "title": "", "total": Decimal(0), "currency": "UAH", "comment": None, "discount": None, "discount_kind": None,
        "products_total_as_total": False, "funnel_id": None, "stage_id": None, "source_id": None,
        "main_responsible_id": None, "client_id": None, "result": None, "ordered_at": None, "office_id": None,
        "custom_fields": {}, "jobs": [], "paid": Decimal(0), "deliveries": [], "archive_status": None, **values,
    }  # fmt: skip


class Agreements:
    """The handlers of ``/agreements…``."""

    def __init__(self, account: Account, materials: Materials, clients: Clients) -> None:
        self.account = account
        self.materials = materials
        self.clients = clients

    def all(self, asked: Asked) -> Row:
        """``GET /agreements``."""
        rows = self.account.tables["agreements"].values()
        return listing(self.account, asked, rows, lambda row: self.tell(row, in_list=True))

    def one(self, _asked: Asked, key: str) -> Row:
        """``GET /agreements/{id}``."""
        return self.tell(self.account.found("agreements", key))

    def create(self, asked: Asked) -> Answer:
        """``POST /agreements``: 201. There is no field for an id of the sender: a second time makes a second one."""
        account = self.account
        body = account.known(object_of(account, asked), _WRITTEN)
        flag = asked.param("products_total_as_total")
        if flag:
            body["products_total_as_total"] = flag
        body.setdefault("title", "")
        follows = body.get("products_total_as_total") in _YES
        if account.quirks.total_required and not follows and body.get("total") in (None, ""):
            raise account.invalid(total="is required")
        row = blank_agreement(ordered_at=account.stamp())
        office = asked.param("office_hash_id")
        if office:
            offices = account.tables["offices"].values()
            row["office_id"] = next((one["id"] for one in offices if one["hash_id"] == office), None)
        self._write(row, body, keep_price=asked.param("ignore_price_list") == "true")
        made = account.add("agreements", row)
        account.happened("agreement.created", made)
        if account.quirks.create_answer == "full":
            return Answer(201, self.tell(made))
        stamps = {name: account.moment(made[name]) for name in ("created_at", "updated_at")}
        return Answer(201, {"id": made["id"], **stamps})

    def change(self, asked: Asked, key: str) -> Row:
        """``PATCH /agreements/{id}``. Lines and client in it are nested attributes: they are added."""
        account = self.account
        row = account.found("agreements", key)
        body = account.known(object_of(account, asked), _WRITTEN)
        before = row["stage_id"]
        if body.get("jobs_attributes") and account.quirks.patch_jobs == "taken":
            raise account.invalid(jobs="Товар вже зайнятий")
        self._write(row, body, keep_price=asked.param("ignore_price_list") == "true")
        account.touch(row)
        account.happened("agreement.stage" if row["stage_id"] != before else "agreement.updated", row)
        return self.tell(row)

    # --- writing -------------------------------------------------------------------------------------------------

    def _write(self, row: Row, body: Mapping[str, Any], *, keep_price: bool) -> None:
        """Put a body into a row: checked whole before anything is made, as one transaction of the database."""
        account = self.account
        new = self._scalars(row, body)
        lines = account.rows("jobs_attributes", body.get("jobs_attributes"))
        self._check_lines(row, lines)
        attributes = body.get("client_attributes")
        if attributes is not None:
            attributes = self.clients.check_nested(attributes)
        row.update(new)
        if attributes is not None:
            row["client_id"] = self.clients.nested(attributes)["id"]
        for line in lines:
            self._line(row, line, keep_price=keep_price)
        if row["products_total_as_total"]:
            total = sum((Decimal(job["price"]) * Decimal(job["amount"]) for job in row["jobs"]), Decimal(0))
            row["total"] = total - Decimal(row["discount"] or 0)

    def _scalars(self, row: Row, body: Mapping[str, Any]) -> Row:
        account = self.account
        new: Row = {}
        for name in ("title", "currency", "comment", "discount_kind"):
            if name in body:
                if isinstance(body[name], (dict, list)):
                    raise account.misshapen(name, "is invalid")
                new[name] = None if body[name] is None else str(body[name])
        for name in ("total", "discount"):
            if name in body:
                new[name] = account.number(name, body[name])
        if "total" in new and new["total"] is None:
            new["total"] = Decimal(0)
        if "products_total_as_total" in body:
            new["products_total_as_total"] = body["products_total_as_total"] in _YES
        for name, table in (("source_id", "sources"), ("main_responsible_id", "users"), ("funnel_id", "funnels")):
            if name in body:
                new[name] = account.reference(name, table, body[name])
        if body.get("stage_id"):
            stage = account.row("stages", body["stage_id"])
            if stage is None and account.quirks.unknown_stage == "refused":
                raise account.invalid(stage="must exist")
            if stage is not None:
                new |= {"stage_id": stage["id"], "funnel_id": stage["funnel_id"]}
        elif row["stage_id"] is None:
            new |= self._first_stage(new.get("funnel_id"))
        if body.get("client_id") and account.quirks.client_by_id:
            new["client_id"] = account.reference("client_id", "clients", body["client_id"])
        if "result" in body and account.quirks.result_write:
            if body["result"] not in _RESULTS:
                raise account.invalid(result="is not included in the list")
            new["result"] = body["result"]
        if body.get("ordered_at"):
            moment = read_moment(str(body["ordered_at"]), ZoneInfo(account.quirks.zone))
            if moment is None:
                raise account.invalid(ordered_at="is invalid")
            new["ordered_at"] = moment.astimezone(UTC).isoformat()
        if "custom_fields" in body:
            new["custom_fields"] = account.custom_values("agreement", body["custom_fields"], row["custom_fields"])
        return new

    def _first_stage(self, funnel: int | None) -> Row:
        stages = self.account.tables["stages"].values()
        first = next((one for one in stages if funnel in (None, one["funnel_id"])), None)
        return {"stage_id": first["id"], "funnel_id": first["funnel_id"]} if first else {}

    def _check_lines(self, row: Row, lines: Sequence[Mapping[str, Any]]) -> None:
        account = self.account
        for line in lines:
            if line.get("id") and account.quirks.job_ids:
                if not any(str(job["id"]) == str(line["id"]) for job in row["jobs"]):
                    raise account.misshapen("jobs.id", "must exist")
                account.number("jobs.amount", line.get("amount"))
                continue
            product = line.get("product_attributes")
            if not isinstance(product, dict):
                raise account.misshapen("jobs.product", "is required")
            if "price" in line:
                raise account.misshapen("jobs.price", "is unknown")
            account.number("jobs.amount", line.get("amount"))
            account.number("jobs.product.price", product.get("price"))
            if not str(product.get("title") or line.get("title") or "").strip():
                raise account.invalid(**{"jobs.product.title": "is required"})

    def _line(self, row: Row, line: Mapping[str, Any], *, keep_price: bool) -> None:
        account = self.account
        there = next((job for job in row["jobs"] if str(job["id"]) == str(line.get("id"))), None)
        if there is not None and account.quirks.job_ids:
            if line.get("_destroy") in _YES:
                row["jobs"] = [job for job in row["jobs"] if job is not there]
                return
            if line.get("amount") is not None:
                there["amount"] = account.number("jobs.amount", line["amount"])
            there["title"] = line.get("title") or there["title"]
            return
        product = line["product_attributes"]
        sku = str(product.get("sku") or "")
        title = str(line.get("title") or product.get("title"))
        price = account.number("jobs.product.price", product.get("price"))
        material = self.materials.match(sku)
        makes = account.quirks.line_material
        if material is None and (makes == "always" or (makes == "with_sku" and sku)):
            # without a SKU it is a new one each time: how catalogues fill up with copies
            material = account.add(
                "materials",
                blank_material(
                    sku=sku,
                    title=str(product.get("title") or title),
                    price=price or Decimal(0),
                    currency=str(product.get("currency") or row["currency"]),
                ),
            )
            account.happened("material.created", material)
        if material is not None and (price is None or (account.quirks.price_list and not keep_price)):
            price = Decimal(material["price"] or 0)
        account.last += 1
        amount = account.number("jobs.amount", line.get("amount"))
        job = {"id": account.last, "title": title, "sku": sku, "price": price or Decimal(0)}
        job["amount"] = Decimal(1) if amount is None else amount
        job["currency"] = str(product.get("currency") or row["currency"])
        job["material_id"] = material["id"] if material else None
        row["jobs"].append(job)

    # --- reading -------------------------------------------------------------------------------------------------

    def tell(self, row: Row, *, in_list: bool = False) -> Row:
        """An agreement as the API tells it."""
        account, quirks = self.account, self.account.quirks
        told: Row = {"id": row["id"], "title": row["title"], "currency": row["currency"], "comment": row["comment"]}
        total = money(row["total"], quirks.total_form)
        if quirks.total_name != "total":
            told["total_amount"] = total
        if quirks.total_name != "total_amount":
            told["total"] = total
        told |= {"paid": row["paid"], "credit": Decimal(row["total"]) - Decimal(row["paid"]), "result": row["result"]}
        stage = account.named("stages", row["stage_id"])
        if quirks.stage_read == "both":
            told |= {"stage": stage, "stage_id": row["stage_id"]}
        else:
            told["stage"] = stage and {"name": stage["name"]}
        told["funnel"] = {"id": row["funnel_id"]} if row["funnel_id"] else None
        told["source"] = account.named("sources", row["source_id"])
        told["main_responsible"] = account.named("users", row["main_responsible_id"])
        client = account.row("clients", row["client_id"]) if row["client_id"] else None
        told["client"] = client and self.clients.tell(client)
        if quirks.jobs_read != "absent" and (quirks.jobs_in_list or not in_list):
            told["jobs"] = [self._job(job) for job in row["jobs"]]
        told["deliveries"] = row["deliveries"]
        told["archive_status"] = row["archive_status"] and {"name": row["archive_status"]}
        told["custom_fields"] = account.custom_read(row["custom_fields"], slugs=False)
        slugs = account.custom_read(row["custom_fields"], slugs=True)
        told["custom_fields_detailed"] = [{"name": name, "value": value} for name, value in slugs.items()]
        return told | {name: account.moment(row[name]) for name in ("ordered_at", "created_at", "updated_at")}

    def _job(self, job: Row) -> Row:
        told: Row = {"id": job["id"], "title": job["title"], "amount": job["amount"]}
        if self.account.quirks.jobs_read == "flat":
            return told | {"sku": job["sku"], "price": job["price"]}
        product = {"id": job["material_id"], "sku": job["sku"], "title": job["title"]}
        return told | {"product": product | {"price": job["price"], "currency": job["currency"]}}
