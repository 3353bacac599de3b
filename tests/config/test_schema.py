"""The editor's schema says what the loader says."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest
from jsonschema.validators import Draft202012Validator

from pipeline.config.schema import config_schema
from pipeline.config.yaml import parse_yaml, plain
from pipeline.registry import Registry
from pipeline.settings import Settings


@pytest.fixture(scope="module")
def schema(registry: Registry, transports: dict[str, type[Settings]]) -> dict[str, Any]:
    """Of the tests' own plugins."""
    return config_schema(registry, transports)


def valid(schema: dict[str, Any], text: str) -> bool:
    """Whether an editor would be content."""
    node, findings = parse_yaml(text, "x")
    assert not findings
    return bool(Draft202012Validator(schema).is_valid(plain(node)))


EXPORT = "jobs: {a: {steps: [{step: export-catalogue, from: books, to: site, format: FORMAT}]}}"
HEAD = "client: demo\nconnections: {site: {type: sftp, host: h, port: '${env:PORT}'}, books: {type: books}}\n"


def test_it_is_a_schema(schema: dict[str, Any]) -> None:
    jsonschema.Draft202012Validator.check_schema(schema)
    texts = str(schema)
    assert "config_hash" not in texts
    assert schema["$defs"]["connection.sftp"]["properties"]["host"]["description"] == "Name or address."
    assert schema["$defs"]["connection.ftps"]["properties"]["type"] == {
        "const": "ftps",
        "description": "An FTP server.",
    }
    for reference in set(_references(schema)):
        assert reference.removeprefix("#/$defs/") in schema["$defs"], reference


def _references(value: Any) -> list[str]:
    if isinstance(value, dict):
        own = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
        return own + [found for item in value.values() for found in _references(item)]
    return [found for item in value for found in _references(item)] if isinstance(value, list) else []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("jobs: {}", True),
        ("jobs: {a: {every: 30s, steps: [{step: tidy, systems: [books]}]}}", True),
        ("jobs: {a: {at: '03:00', steps: [{step: tidy}]}}", True),
        ("jobs: {a: {watch: on, steps: [{step: import-orders, inbox: site, into: books, after: {move: x}}]}}", True),
        ("jobs: {a: {steps: [{step: export-catalogue, from: books, to: site, format: joomshopping-csv}]}}", True),
        (EXPORT.replace("FORMAT", "{type: joomshopping-csv, limit: 5}"), True),
        ("jobs: {}\nalerts: {channels: [desktop, {type: desktop, timeout: 5}]}\nx-mine: {any: thing}", True),
        ("include: base.yaml\njobs: {a: ~}", True),
        ("", False),
        ("jobs: {a: {every: soon, steps: [{step: tidy}]}}", False),
        ("jobs: {a: {steps: []}}", False),
        ("jobs: {a: {steps: [{step: tidi}]}}", False),
        ("jobs: {a: {steps: [{step: tidy, sistems: [books]}]}}", False),
        ("jobs: {'a b': {steps: [{step: tidy}]}}", False),
        (EXPORT.replace("FORMAT", "{type: joomshopping-csv, profile: x}"), False),
        ("jobs: {}\nalerts: {channels: [desctop]}", False),
        ("jobs: {}\nlangage: uk", False),
    ],
)  # fmt: skip
def test_it_agrees_with_the_loader(schema: dict[str, Any], text: str, expected: bool) -> None:
    assert valid(schema, HEAD + text) is expected


def test_numbers_that_an_editor_sees_may_be_text(schema: dict[str, Any]) -> None:
    # an editor reads YAML's own types: 0042 is a number to it
    data = {"client": 42, "connections": {"s": {"type": "sftp", "host": 5, "port": 22, "password": True}}, "jobs": {}}
    Draft202012Validator(schema).validate(data)
    data["connections"]["s"]["port"] = "many"  # type: ignore[index]
    assert not Draft202012Validator(schema).is_valid(data)
