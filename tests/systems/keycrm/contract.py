"""Holds requests and answers to the vendor's OpenAPI document.

``openapi.json`` is the structure of the document's version 1.2.0 (operations, parameters, types; the names of filters,
includes and sorts are from its examples and prose), without its texts. The document has slips; they are mended here,
each with its reason, so that what remains can be taken at its word.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from pipeline.testing.fakehttp import Answer, Asked

DOCUMENT = Path(__file__).with_name("openapi.json")
#: Answers that the document does not have anywhere, or not everywhere: Laravel's own.
UNDOCUMENTED = {400, 401, 404, 405, 413, 422, 429}
#: Query parameters of lists that the document does not name, seen live.
LIVE_INCLUDES = ("products", "shipping", "attachments", "attachments.file")
LIVE_NAMES = {
    ("GET", "/order", "include"): LIVE_INCLUDES,
    ("GET", "/order/{orderId}", "include"): LIVE_INCLUDES,
    ("GET", "/order", "sort"): ("created_at", "updated_at"),
    ("GET", "/offers", "sort"): ("product_id",),
}
#: Properties that are null in recorded answers, or plainly must be able to, and are not declared so.
NULLS = {
    # an order that came from no marketplace, is not closed, has no promo code
    "Order": ("promocode", "last_synced_at", "closed_at"),
    "OrderWithIncludes": ("promocode", "last_synced_at", "closed_at"),
    # recorded: {"barcode": null, "weight": null, "length": null, "height": null, "width": null}; SKUs may be missing
    "Offer": ("sku", "barcode", "thumbnail_url", "weight", "length", "width", "height"),
    "OfferStocks": ("sku",),
    # a product with neither picture, description, category nor sizes
    "Product": ("sku", "description", "thumbnail_url", "category_id", "weight", "length", "width", "height"),
    "ProductWithIncludes": (
        *("sku", "barcode", "description", "thumbnail_url", "category_id"),
        *("weight", "length", "width", "height"),
    ),
    "ProductOffer": ("sku", "description", "thumbnail_url", "category_id", "weight", "length", "width", "height"),
    # "for root categories it will be null" says the prose
    "Category": ("parent_id",),
    # a delivery service that is no integration
    "DeliveryService": ("source_name",),
}
#: The same in what is included.
NULLS_WITHIN = {
    ("OrderWithIncludes", "products"): ("comment", "product_status_id", "sku", "name", "offer"),
    ("OrderWithIncludes", "shipping"): ("shipping_secondary_line", "shipping_date_actual"),
}


@dataclass
class Operation:
    """One operation of the document."""

    method: str
    template: str
    path: re.Pattern[str]
    names: dict[str, tuple[str, ...]]  #: of filters, includes, sorts
    query: frozenset[str]
    body: Draft202012Validator | None
    known: dict[str, Any]  #: the schema of the body
    answers: dict[int, Draft202012Validator | None]


@dataclass
class Contract:
    """The document. ``seen`` collects (method, path, status) of what was held to it."""

    seen: set[tuple[str, str, int]] = field(default_factory=set)

    def __post_init__(self) -> None:
        document = json.loads(DOCUMENT.read_text(encoding="utf-8"))
        _mend(document)
        self._document = document
        self.operations = [
            self._operation(method.upper(), template, spec)
            for template, methods in document["paths"].items()
            for method, spec in methods.items()
        ]
        # a path that is all words goes before one with a number in it
        self.operations.sort(key=lambda one: one.template.count("{"))

    def problems(self, asked: Asked, answer: Answer, *, strict: bool = True) -> list[str]:
        """What is wrong with a request and its answer; ``strict``: unknown names in the request, too."""
        operation = self.operation(asked)
        if operation is None:
            return [] if answer.status in (401, 404, 405) else [f"{asked.method} {asked.path}: not in the document"]
        self.seen.add((operation.method, operation.template, answer.status))
        found = _answer(operation, answer)
        if answer.status < 400:  # what was refused need not have been right
            found = [*_request(operation, asked, strict=strict), *found]
        return [f"{asked.method} {asked.path}: {one}" for one in found]

    def answer_problems(self, asked: Asked, answer: Answer) -> list[str]:
        """What is wrong with an answer, whatever was asked."""
        operation = self.operation(asked)
        return [f"{asked.method} {asked.path}: {one}" for one in (_answer(operation, answer) if operation else ())]

    def operation(self, asked: Asked) -> Operation | None:
        """Which one a request means; paths have ``/v1`` before."""
        path = asked.path.removeprefix("/v1")
        found = (one for one in self.operations if one.method == asked.method and one.path.fullmatch(path))
        return next(found, None)

    # --- reading the document -------------------------------------------------------------------------------------

    def _operation(self, method: str, template: str, spec: dict[str, Any]) -> Operation:
        parameters = [self._deref(one) for one in spec["parameters"]]
        content = spec.get("requestBody", {}).get("content", {})
        media = content.get("application/json")
        schema = self._schema(media["schema"]) if media else {}
        answers = {}
        for status, answer in spec["responses"].items():
            of_status = answer.get("content", {}).get("application/json")
            answers[int(status)] = Draft202012Validator(self._schema(of_status["schema"])) if of_status else None
        names = {}
        for one in parameters:
            if "x-names" in one:
                names[one["name"]] = (*one["x-names"], *LIVE_NAMES.get((method, template, one["name"]), ()))
        return Operation(
            method,
            template,
            re.compile(re.sub(r"\{\w+\}", "[^/]+", template)),
            names,
            frozenset(one["name"] for one in parameters if one["in"] == "query"),
            Draft202012Validator(schema) if media else None,
            schema,
            answers,
        )

    def _deref(self, value: dict[str, Any]) -> dict[str, Any]:
        if "$ref" not in value:
            return value
        found: Any = self._document
        for key in value["$ref"].removeprefix("#/").split("/"):
            found = found[key]
        assert isinstance(found, dict)
        return found

    def _schema(self, value: dict[str, Any]) -> dict[str, Any]:
        """OpenAPI 3.0's dialect as JSON Schema: references put in their places, ``nullable`` as a type."""
        value = self._deref(value)
        made = {key: inner for key, inner in value.items() if key not in ("nullable", "properties", "items", "allOf")}
        if "properties" in value:
            made["properties"] = {name: self._schema(inner) for name, inner in value["properties"].items()}
        if "items" in value:
            made["items"] = self._schema(value["items"])
        if "allOf" in value:
            made["allOf"] = [self._schema(inner) for inner in value["allOf"]]
        if value.get("nullable"):
            if "type" in made:
                made["type"] = [made["type"], "null"]
            if "enum" in made:
                made["enum"] = [*made["enum"], None]
        return made


def _answer(operation: Operation, answer: Answer) -> list[str]:
    if answer.status not in operation.answers:
        return [] if answer.status in UNDOCUMENTED else [f"answered by {answer.status}, which is not documented"]
    validator = operation.answers[answer.status]
    if validator is None:
        return []
    return _found(validator, json.loads(answer.raw()[0]), "answer")


def _request(operation: Operation, asked: Asked, *, strict: bool) -> list[str]:
    found = []
    if "json" not in asked.headers.get("accept", ""):
        found.append("does not accept JSON")
    if operation.body:
        body = json.loads(asked.body)
        found += _found(operation.body, body, "body")
        if strict:
            found += [f"body: {one} is not known" for one in _unknown(body, operation.known)]
    for name, value in asked.query if strict else ():
        found += _query(operation, name, value)
    return found


def _query(operation: Operation, name: str, value: str) -> list[str]:
    filtered = re.fullmatch(r"filter\[(\w+)\]", name)
    base = "filter" if filtered else name
    if base not in operation.query:
        return [f"query: {name} is not known"]
    given = [filtered[1]] if filtered else value.split(",") if base in ("include", "sort") else []
    known = operation.names.get(base, ())
    found = [f"query: {base} {one} is not known" for one in given if one.removeprefix("-") not in known]
    most = {"limit": 50, "page": 1_000_000}.get(base)
    if most and not (value.isdecimal() and 1 <= int(value) <= most):
        found.append(f"query: {name}={value}")
    return found


def _found(validator: Draft202012Validator, value: Any, what: str) -> list[str]:
    return [f"{what} at {error.json_path}: {error.message[:200]}" for error in validator.iter_errors(value)]


def _unknown(value: Any, schema: dict[str, Any], path: str = "") -> list[str]:
    """The keys of a body that the document does not have, which KeyCRM would drop in silence."""
    if isinstance(value, list):
        return [one for inner in value for one in _unknown(inner, schema.get("items", {}), path + "[]")]
    if not isinstance(value, dict) or "properties" not in schema:
        return []
    found = []
    for key, inner in value.items():
        if key in schema["properties"]:
            found += _unknown(inner, schema["properties"][key], f"{path}.{key}")
        else:
            found.append(f"{path}.{key}")
    return found


# --- the slips ---------------------------------------------------------------------------------------------------


def _mend(document: dict[str, Any]) -> None:
    schemas, paths = document["components"]["schemas"], document["paths"]
    _lengths(document["paths"])
    # bearerAuth sits among the schemas; it is a security scheme
    del schemas["bearerAuth"]
    # the body's property is called `name`, and so are the answer's
    _body(paths, "/products/categories", "post")["required"] = ["name"]
    # the body has `offers` only
    _body(paths, "/products/{productId}/offers", "post")["required"] = ["offers"]
    # `required: true` of an object is no JSON Schema
    del _body(paths, "/payments/{paymentId}/external-transactions", "post")["required"]
    # a file has `file_name`; `name` and `alias` were copied from the schema above it
    schemas["File"]["required"] = ["id", "file_name"]
    # the envelope has more in recorded answers, and a last page has no next one
    envelope = schemas["PaginatedResponse"]["properties"]
    envelope["next_page_url"]["nullable"] = True
    envelope |= {
        "last_page": {"type": "integer"},
        "from": {"type": "integer", "nullable": True},
        "to": {"type": "integer", "nullable": True},
        "path": {"type": "string"},
        "prev_page_url": {"type": "string", "nullable": True},
    }
    schemas["PaginatedResponse"]["required"] = list(envelope)
    # a select's value is an array of texts, says the prose beside "string"
    for one in _customs(document):
        one["properties"]["value"] = {}
    # ids of buyers are shown as integers in the example of an array of strings
    for path, method in (("/companies", "post"), ("/companies/{companyId}", "put")):
        _body(paths, path, method)["properties"]["buyer_id"]["items"] = {}
    for name, columns in NULLS.items():
        for column in columns:
            schemas[name]["properties"][column]["nullable"] = True
    for (name, within), columns in NULLS_WITHIN.items():
        inner = schemas[name]["properties"][within]
        inner = inner.get("items", inner)
        for column in columns:
            inner["properties"][column]["nullable"] = True
    offer = schemas["OrderWithIncludes"]["properties"]["products"]["items"]["properties"]["offer"]["properties"]
    for column in set(NULLS["Offer"]) & set(offer):
        offer[column]["nullable"] = True
    # of what is included, what is not there is null
    for name, column in (
        *(("OrderWithIncludes", one) for one in ("manager", "buyer")),
        *(("BuyerWithIncludes", one) for one in ("manager", "company")),
        *(("CompanyWithIncludes", one) for one in ("manager", "buyer")),
        ("CallWithIncludes", "service"),
    ):
        schemas[name]["properties"][column]["nullable"] = True


def _lengths(value: Any) -> None:
    """`maximum` is put on arrays where `maxItems` is meant."""
    if isinstance(value, dict):
        if value.get("type") == "array" and "maximum" in value:
            value["maxItems"] = value.pop("maximum")
        for inner in value.values():
            _lengths(inner)
    elif isinstance(value, list):
        for inner in value:
            _lengths(inner)


def _customs(value: Any) -> list[dict[str, Any]]:
    """Every schema of a custom field's uuid and value."""
    if isinstance(value, list):
        return [one for inner in value for one in _customs(inner)]
    if not isinstance(value, dict):
        return []
    found = [one for inner in value.values() for one in _customs(inner)]
    properties = value.get("properties")
    return [*found, value] if isinstance(properties, dict) and {"uuid", "value"} <= set(properties) else found


def _body(paths: dict[str, Any], path: str, method: str) -> dict[str, Any]:
    schema = paths[path][method]["requestBody"]["content"]["application/json"]["schema"]
    assert isinstance(schema, dict)
    return schema
