"""A faithful fake of WooCommerce's REST API v3, by its source and its documentation: see docs/dev/woocommerce.md.

What differs from shop to shop is a switch of :class:`Quirks`. Run as a process it keeps its state in a file::

    python -m plugins.systems.woocommerce.fake --port 8091 --state shop.json --token ck_one:cs_one --seed
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from pipeline.testing.fakehttp import Answer, Answered, Asked, FakeApi, Fault
from pipeline.testing.fakerun import arguments, chosen, load_state, post, serve
from plugins.systems.woocommerce._fake_orders import Orders, blank_order
from plugins.systems.woocommerce._fake_products import VARIATION, Products, blank_product
from plugins.systems.woocommerce._fake_quirks import Quirks
from plugins.systems.woocommerce._fake_reads import Attributes, Categories, Reads
from plugins.systems.woocommerce._fake_shop import DEFAULT_CATEGORY, HOME, Shop
from plugins.systems.woocommerce._fake_wordpress import (
    JSON,
    Row,
    fields_of,
    filtered,
    narrowed,
    no_route,
    slugged,
    wrong,
)
from plugins.systems.woocommerce._fake_writes import Writes

__all__ = ["DEFAULT_CATEGORY", "HOME", "KEY", "SECRET", "FakeWoo", "Quirks", "main"]

KEY, SECRET = "ck_fake", "cs_fake"  # of the fake alone
BASE = "/wp-json/wc/v3"
_NOT_FOUND = "<!DOCTYPE html>\n<html><head><title>Сторінку не знайдено</title></head><body>404</body></html>\n"
_NOTICE = (
    "<br />\n<b>Deprecated</b>:  Creation of dynamic property is deprecated in <b>x.php</b> on line <b>1</b><br />\n"
)
_MANY_FAILURES = 5


class FakeWoo(FakeApi):
    """The API under ``/wp-json/wc/v3``, over one shop.

    ``shop`` is its state, to be looked into and changed by a test; ``quirks`` may be exchanged at any time with
    :meth:`behave`. ``now`` is the fake's clock. Webhooks wait until :meth:`send_webhooks`.
    """

    def __init__(
        self,
        quirks: Quirks | None = None,
        *,
        key: str = KEY,
        secret: str = SECRET,
        now: Callable[[], datetime] | None = None,
    ) -> None:
        super().__init__()
        self.now = now or (lambda: datetime.now(UTC))
        self.shop = Shop(quirks or Quirks(), self.now)
        self.shop.happened = self._happened
        self.products = Products(self.shop)
        self.writes = Writes(self.shop, self.products)
        self.orders = Orders(self.shop, self.products, self.writes)
        self.attributes = Attributes(self.shop, self.writes)
        self.categories = Categories(self.shop, self.products, self.writes)
        self._waiting: list[tuple[Row, str, Row]] = []
        self.add_key(key, secret)
        reads = Reads(self.shop, self.products)
        for method, path, handler in (
            ("GET", "/products", reads.all),
            ("POST", "/products", self.writes.create),
            ("*", "/products/batch", self.writes.batch),
            ("GET", "/products/categories", self.categories.all),
            ("POST", "/products/categories", self.categories.create),
            ("*", "/products/categories/batch", self.categories.batch),
            ("GET", "/products/categories/{key}", self.categories.one),
            ("*", "/products/categories/{key}", self.categories.update),
            ("DELETE", "/products/categories/{key}", self.categories.delete),
            ("GET", "/products/attributes", self.attributes.all),
            ("POST", "/products/attributes", self.attributes.create),
            ("GET", "/products/attributes/{key}/terms", self.attributes.terms),
            ("POST", "/products/attributes/{key}/terms", self.attributes.create_term),
            ("GET", "/products/{key}", reads.one),
            ("*", "/products/{key}", self.writes.update),
            ("DELETE", "/products/{key}", self.writes.delete),
            ("GET", "/products/{parent}/variations", reads.variations),
            ("POST", "/products/{parent}/variations", self.writes.create_variation),
            ("*", "/products/{parent}/variations/batch", self.writes.batch_variations),
            ("GET", "/products/{parent}/variations/{key}", reads.variation),
            ("*", "/products/{parent}/variations/{key}", self.writes.update_variation),
            ("DELETE", "/products/{parent}/variations/{key}", self.writes.delete_variation),
            ("GET", "/orders", self.orders.all),
            ("POST", "/orders", self.orders.create),
            ("*", "/orders/batch", self.orders.batch),
            ("GET", "/orders/{key}", self.orders.one),
            ("*", "/orders/{key}", self.orders.update),
            ("DELETE", "/orders/{key}", self.orders.delete),
            ("GET", "/orders/{key}/notes", self.orders.notes),
            ("POST", "/orders/{key}/notes", self.orders.create_note),
            ("GET", "/orders/{key}/notes/{note}", self.orders.note),
            ("DELETE", "/orders/{key}/notes/{note}", self.orders.delete_note),
            ("GET", "/system_status", self._system_status),
            ("GET", "/data/currencies/current", self._currency),
            ("GET", "/settings/{group}/{name}", self._setting),
        ):
            for verb in ("POST", "PUT", "PATCH") if method == "*" else (method,):
                self.add(verb, BASE + path, _numbered(handler))
        self.add("GET", f"{BASE}/variations", lambda asked: self._all_variations(asked, reads))
        self.add("GET", "/wp-json", self._index)
        self.add("GET", "/wp-json/", self._index)
        self.add("GET", BASE, lambda _asked: {"namespace": "wc/v3", "routes": {}})

    # --- every request -------------------------------------------------------------------------------------------

    def serve(self, asked: Asked) -> tuple[Answer | None, Fault | None]:
        """As the base does; ``?rest_route=/wc/v3/…`` is the same as ``/wp-json/wc/v3/…``."""
        route = asked.param("rest_route")
        if route and asked.path in {"/", "/index.php"}:
            rest = tuple((name, value) for name, value in asked.query if name != "rest_route")
            asked = dataclasses.replace(asked, path=f"/wp-json/{route.strip('/')}", raw_path="", query=rest)
        elif asked.path.startswith("/wp-json") and not self.shop.quirks.pretty_permalinks:
            asked = dataclasses.replace(asked, path="/404", raw_path="")
        return super().serve(asked)

    def before(self, asked: Asked) -> None:
        """Special prices that are due, and the keys."""
        if self.shop.quirks.exact_sales:
            self.products.run_sales(daily=False)
        if not asked.path.startswith(f"{BASE}/"):
            return
        key, secret = self._credentials(asked)
        known = self.shop.keys.get(key)
        if known is None:
            raise self._refused(asked)
        if not hmac.compare_digest(str(known["secret"]), secret):
            realm = {"WWW-Authenticate": 'Basic realm="WooCommerce API"'}
            refused = wrong(401, "woocommerce_rest_authentication_error", "Consumer secret is invalid.").answer
            raise Answered(dataclasses.replace(refused, headers=realm))
        wanted = "read" if asked.method in {"GET", "HEAD"} else "write"
        if wanted not in known["permissions"]:
            words = f"The API key provided does not have {wanted} permissions."
            raise wrong(401, "woocommerce_rest_authentication_error", words)

    def _credentials(self, asked: Asked) -> tuple[str, str]:
        """The key and secret of a request; the query goes before the header; none are seen over plain HTTP."""
        if not self.shop.quirks.https:
            return "", ""
        if asked.param("consumer_key") and asked.param("consumer_secret"):
            return asked.param("consumer_key"), asked.param("consumer_secret")
        scheme, _, coded = asked.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "basic" or not self.shop.quirks.authorization_header:
            return "", ""
        try:
            key, _, secret = base64.b64decode(coded, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return "", ""
        return (key, secret) if secret else ("", "")

    def _refused(self, asked: Asked) -> Answered:
        """What a stranger is told."""
        if asked.path.endswith("/batch"):
            words = "Sorry, you are not allowed to batch manipulate this resource."
            return wrong(401, "woocommerce_rest_cannot_batch", words)
        one = asked.path.rsplit("/", 1)[-1].isdigit()
        match asked.method:
            case "GET" | "HEAD":
                words = "Sorry, you cannot view this resource." if one else "Sorry, you cannot list resources."
                return wrong(401, "woocommerce_rest_cannot_view", words)
            case "DELETE":
                return wrong(
                    401, "woocommerce_rest_cannot_delete", "Sorry, you are not allowed to delete this resource."
                )
            case "POST" if not one:
                return wrong(401, "woocommerce_rest_cannot_create", "Sorry, you are not allowed to create resources.")
            case _:
                return wrong(401, "woocommerce_rest_cannot_edit", "Sorry, you are not allowed to edit this resource.")

    def after(self, asked: Asked, answer: Answer) -> Answer:
        """Only the fields that were asked for; what PHP says before."""
        body = answer.body
        if isinstance(body, (dict, list)):
            kind = answer.content_type or JSON
            fields = fields_of(asked) if answer.status < 300 else []
            answer = dataclasses.replace(answer, body=narrowed(body, fields), content_type=kind)
            if self.shop.quirks.php_notice:
                return dataclasses.replace(answer, body=_NOTICE.encode() + answer.raw()[0])
        return answer

    def unknown(self, asked: Asked) -> Answer:
        """No route: JSON below ``/wp-json``, a page of the shop elsewhere."""
        return no_route().answer if asked.path.startswith("/wp-json/") else Answer(404, _NOT_FOUND)

    def behave(self, **changes: Any) -> None:
        """Go on with other switches of :class:`Quirks`."""
        with self.lock:
            self.shop.quirks = dataclasses.replace(self.shop.quirks, **changes)

    def run_daily_job(self) -> None:
        """What shops before 10.5 do once a day: begin and end special prices."""
        with self.lock:
            self.products.run_sales(daily=True)

    def _all_variations(self, asked: Asked, reads: Reads) -> Answer:
        if not self.shop.quirks.all_variations:
            raise no_route()
        return reads.all_variations(asked)

    def _index(self, _asked: Asked) -> Row:
        offset = self.now().astimezone(self.shop.zone).utcoffset()
        hours = offset.total_seconds() / 3600 if offset else 0
        told: Row = {"name": self.shop.settings["title"], "url": HOME, "home": HOME, "gmt_offset": f"{hours:g}"}
        return told | {"timezone_string": self.shop.quirks.zone, "namespaces": ["wp/v2", "wc/v3"], "routes": {}}

    def _system_status(self, _asked: Asked) -> Row:
        settings = self.shop.settings
        environment = {"home_url": HOME, "site_url": HOME, "version": settings["version"], "wp_version": "6.8"}
        told = {"currency": settings["currency"], "number_of_decimals": settings["price_decimals"]}
        return {"environment": environment | {"default_timezone": "UTC"}, "settings": told}

    def _currency(self, _asked: Asked) -> Row:
        code = self.shop.settings["currency"]
        return {"code": code, "name": code, "symbol": code}

    def _setting(self, _asked: Asked, group: str, name: str) -> Row:
        settings, quirks = self.shop.settings, self.shop.quirks
        values = {
            ("general", "woocommerce_currency"): settings["currency"],
            ("general", "woocommerce_price_num_decimals"): str(settings["price_decimals"]),
            ("general", "woocommerce_price_decimal_sep"): quirks.decimal_separator,
            ("products", "woocommerce_weight_unit"): settings["weight_unit"],
            ("products", "woocommerce_dimension_unit"): settings["dimension_unit"],
            ("products", "woocommerce_manage_stock"): "yes" if quirks.manage_stock else "no",
            ("tax", "woocommerce_prices_include_tax"): "yes" if settings["prices_include_tax"] else "no",
        }
        if (group, name) not in values:
            raise wrong(404, "rest_setting_setting_invalid", "Invalid setting.")
        return {"id": name, "value": values[group, name], "group_id": group}

    # --- state ---------------------------------------------------------------------------------------------------

    def dump(self) -> dict[str, Any]:
        """The shop as JSON values."""
        return self.shop.dump()

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take a shop that ``dump`` gave. Its keys count beside the fake's own."""
        blanks: dict[str, Callable[..., Row]] = {"products": blank_product, "orders": blank_order}
        blanks["categories"] = Shop.category_row
        self.shop.restore(state, blanks)

    # --- seeds ---------------------------------------------------------------------------------------------------

    def add_key(self, key: str, secret: str, permissions: str = "read_write") -> None:
        """A key: ``read``, ``write`` or ``read_write``."""
        self.shop.keys[key] = {"secret": secret, "permissions": permissions}

    def add_category(self, name: str, parent: int = 0) -> int:
        """A category."""
        taken = (row["slug"] for row in self.shop.tables["categories"].values())
        row = Shop.category_row(filtered(name), parent=parent, slug=slugged(name, taken))
        return int(self.shop.add("categories", row)["id"])

    def add_product(self, sku: str, name: str = "Товар", price: str = "100", **values: Any) -> int:
        """A product. Dates of special prices as aware datetimes; others as in its row."""
        given = {"sku": sku, "name": filtered(name), "regular_price": price, "slug": self.products.slug(name)}
        return int(self.products.new_row(**{**given, **values})["id"])

    def add_variable(self, name: str, options: Mapping[str, Sequence[str]], sku: str = "", **values: Any) -> int:
        """A product with variations, which are to be added by their chosen options."""
        attributes = [
            {"id": 0, "name": one, "position": place, "visible": True, "variation": True, "options": list(listed)}
            for place, (one, listed) in enumerate(options.items())
        ]
        return self.add_product(sku, name, "", type="variable", attributes=attributes, **values)

    def add_variation(self, parent: int, sku: str, chosen: Mapping[str, str], price: str = "100", **values: Any) -> int:
        """A variation of a product."""
        row = {"type": VARIATION, "parent_id": parent, "sku": sku, "chosen": dict(chosen), "regular_price": price}
        return int(self.products.new_row(**{**row, **values})["id"])

    def add_order(self, lines: Sequence[tuple[int, int | str]] = (), status: str = "processing", **values: Any) -> int:
        """An order of products or variations: pairs of their id and quantity, at their price now."""
        rows = []
        for key, count in lines:
            product = self.shop.row("products", key)
            quantity = Decimal(count)
            price = Decimal((product or {}).get("price") or 0)
            rows.append(self.orders.line(product, quantity=quantity, total=price * quantity))
        made = self.shop.add("orders", blank_order(line_items=rows, **values))
        made["number"] = made["number"] or str(made["id"])
        self.orders.set_status(made, status)
        return int(made["id"])

    def seed(self) -> None:
        """A small shop: a tree of categories, goods with and without variations, a special price, an order."""
        root = self.add_category("Автоемалі")
        leaf = self.add_category("Акрилові & алкідні", root)
        stock = {"manage_stock": True, "stock_quantity": Decimal(12)}
        first = self.add_product("LMP-9", "Лак акриловий 1 л", "450.50", categories=[leaf], **stock)
        self.add_product("", "Ґрунт 2К", "1234.5", sale_price="999", categories=[root])
        paint = self.add_variable("Емаль", {"Колір": ["Червона", "Синя"], "Об'єм": ["0,5 л", "1 л"]}, categories=[leaf])
        self.add_variation(paint, "EM-R-1", {"Колір": "Червона", "Об'єм": "1 л"}, "320", **stock)
        self.add_variation(paint, "EM-B-05", {"Колір": "Синя", "Об'єм": "0,5 л"}, "180")
        buyer = {"first_name": "Олена", "last_name": "Коваленко", "phone": "+380500000000", "email": "o@example.com"}
        self.add_order([(first, 2)], billing=blank_order()["billing"] | buyer)

    # --- webhooks ------------------------------------------------------------------------------------------------

    def add_webhook(self, topic: str, url: str, secret: str = "") -> int:
        """Tell ``url`` of a topic: ``product.created``, ``product.updated``, ``product.deleted``, ``order.…``."""
        with self.lock:
            row = {"topic": topic, "delivery_url": url, "secret": secret, "status": "active", "failures": 0}
            return int(self.shop.add("webhooks", row)["id"])

    def send_webhooks(self) -> list[int]:
        """Post what waits; the status of each answer, 0 for none. Five failures in a row disable a webhook."""
        with self.lock:
            waiting, self._waiting = self._waiting, []
        told = []
        for hook, topic, body in waiting:
            if hook["status"] != "active":
                continue
            data = json.dumps(body, ensure_ascii=True, default=_number).encode()
            resource, _, event = topic.partition(".")
            digest = hmac.new(str(hook["secret"]).encode(), data, hashlib.sha256).digest()
            headers = {
                "X-WC-Webhook-Source": f"{HOME}/",
                "X-WC-Webhook-Topic": topic,
                "X-WC-Webhook-Resource": resource,
                "X-WC-Webhook-Event": event,
                "X-WC-Webhook-Signature": base64.b64encode(digest).decode(),
                "X-WC-Webhook-ID": str(hook["id"]),
                "X-WC-Webhook-Delivery-ID": hashlib.sha256(data).hexdigest()[:32],
            }
            status = post(hook["delivery_url"], data, headers)
            hook["failures"] = 0 if 200 <= status < 300 else hook["failures"] + 1
            if hook["failures"] >= _MANY_FAILURES:
                hook["status"] = "disabled"
            told.append(status)
        return told

    def _happened(self, topic: str, row: Row) -> None:
        resource, _, event = topic.partition(".")
        for hook in self.shop.tables["webhooks"].values():
            if hook["topic"] == topic:
                tell = self.products.tell if resource == "product" else self.orders.tell
                self._waiting.append((hook, topic, {"id": row["id"]} if event == "deleted" else tell(row)))


def _number(value: object) -> Any:
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    raise TypeError(type(value).__name__)


def _numbered(handler: Callable[..., Any]) -> Callable[..., Any]:
    """A handler whose ids must be numbers, as in the real routes."""

    def handle(asked: Asked, **parts: str) -> Any:
        if not all(
            part.isascii() and part.isdigit() for name, part in parts.items() if name in {"key", "parent", "note"}
        ):
            raise no_route()
        return handler(asked, **parts)

    return handle


def main(argv: Sequence[str] | None = None) -> None:
    """Run it as a process: see the module's text."""
    parser = arguments("A fake WooCommerce, on loopback; the token is KEY:SECRET")
    parser.add_argument("--seed", action="store_true", help="begin with a small shop when there is no state")
    options = parser.parse_args(argv)
    key, _, secret = options.token.partition(":")
    fake = FakeWoo(chosen(Quirks, options.quirk), key=key or KEY, secret=secret or SECRET)
    state: Path | None = options.state
    known = load_state(state) if state else {}
    if known:
        fake.restore(known)
    elif options.seed:
        fake.seed()
    serve(fake, fake, options.port, state)


if __name__ == "__main__":
    main()
