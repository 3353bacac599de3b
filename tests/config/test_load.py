"""What a config without mistakes becomes: typed values, includes, secrets that nobody sees."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import keyring
import keyring.backend
import keyring.backends.fail
import pytest

from pipeline.config.load import load_config, plugin_folder
from pipeline.config.masking import MASK, mask, mask_any
from pipeline.config.model import ClientConfig
from pipeline.errors import ConfigError
from pipeline.registry import Registry
from pipeline.settings import Settings

Load = Callable[..., ClientConfig]
Mistakes = Callable[..., list[str]]

WHOLE = """\
# yaml-language-server: $schema=../schemas/config.schema.json
client: demo
timezone: Europe/Kyiv
x-server: &server {type: sftp, user: 0042, port: "0022"}
connections:
  site: {<<: *server, host: NO, password: "${env:PW}"}
  tls: {type: ftps, host: on}
  books: {type: books, url: "sqlite:///books.sqlite3"}
jobs:
  orders:
    watch: yes
    every: 1h30m
    steps:
      - {step: import-orders, inbox: site, into: books, user: true, max_size: 10 MB, after: {move: 1.10}}
      - {step: tidy, systems: [books], words: {no: NO, on: 12:30}, flags: [true, "true", off]}
  catalogue:
    at: 03:00
    steps: [{step: export-catalogue, from: books, to: tls, format: {type: joomshopping-csv, limit: 5}}]
  by_hand: {steps: [{step: tidy}]}
alerts: {channels: [desktop, {type: desktop, timeout: 9}]}
log: {file: ~}
"""


def test_values_are_typed_by_the_schema_not_by_their_spelling(load: Load, tmp_path: Path) -> None:
    config = load(WHOLE, environ={"PW": "hunter2"})
    site, tls = config.connections["site"], config.connections["tls"]
    assert site.params.model_dump(exclude={"password"}) == {"host": "NO", "port": 22, "user": "0042"}
    assert (site.kind, config.connections["books"].kind) == ("transport", "system")
    assert (tls.type, tls.params.model_dump()["tls"], tls.params.model_dump()["host"]) == ("ftp", "explicit", "on")
    orders = config.jobs["orders"]
    assert (orders.watch, orders.every, orders.enabled) == (True, timedelta(hours=1.5), True)
    taken = orders.steps[0].params.model_dump()
    assert (taken["user"], taken["max_size"], taken["after"]) == ("true", 10_000_000, {"move": "1.10"})
    tidy = orders.steps[1].params.model_dump()
    assert tidy == {"systems": ("books",), "words": {"no": "NO", "on": "12:30"}, "flags": (True, "true", "off")}
    step = config.jobs["catalogue"].steps[0]
    assert config.jobs["catalogue"].at == ("03:00",)
    assert step.format_params is not None
    assert step.format_params.model_dump() == {"profile": "core", "limit": 5}
    assert [channel.params.model_dump() for channel in config.alerts.channels] == [{"timeout": 5}, {"timeout": 9}]
    assert config.log.file is None
    assert (config.base, config.source) == (tmp_path, tmp_path / "config.yaml")
    assert type(config) is ClientConfig
    assert {type(job).__name__ for job in config.jobs.values()} == {"JobConfig"}


def test_the_hash_tells_meaning_not_writing(load: Load) -> None:
    first = load(WHOLE, environ={"PW": "one-password"}).config_hash
    remarked = load(
        "# remark\n" + WHOLE.replace("{type: sftp, user: 0042", "{user: 0042, type: sftp"), environ={"PW": "x"}
    )
    assert remarked.config_hash == first
    assert load(WHOLE.replace("1h30m", "2h"), environ={"PW": "one-password"}).config_hash != first
    assert len(first) == 64


# --- secrets -----------------------------------------------------------------------------------------------------

SECRETS = """\
client: demo
connections:
  site: {type: sftp, host: "${env:HOST:-localhost}", user: "u-${env:USER_PART}", password: "${file:secrets/pw}"}
  other: {type: sftp, host: h, password: written-here}
  books: {type: books, url: "postgresql+psycopg://me:${env:DB_PW}@db/books"}
jobs: {}
ledger: {url: "postgresql+psycopg://me:p%40ss-in-url@db/ledger"}
archive: {path: "a$${x}"}
"""
ENVIRON = {"USER_PART": "user-part-secret", "DB_PW": "db-secret/&"}


def test_secrets_are_found_and_never_shown(load: Load) -> None:
    config = load(SECRETS, environ=ENVIRON, files={"secrets/pw": "﻿file-secret \r\n"})
    site = config.connections["site"].params
    assert site.password.get_secret_value() == "file-secret "  # type: ignore[attr-defined]
    assert site.user == "u-user-part-secret"  # type: ignore[attr-defined]
    assert site.host == "localhost"  # type: ignore[attr-defined]
    assert config.archive.path == Path("a${x}")
    hidden = {"file-secret ", "user-part-secret", "db-secret/&", "written-here", "p%40ss-in-url", "p@ss-in-url"}
    assert hidden <= config.secrets
    outputs = [
        str(config), repr(config), f"{config}", json.dumps(config.summary()), config.model_dump_json(),
        str(config.model_dump()), repr(config.connections), repr(config.ledger), config.ledger.model_dump_json(),
        str(config.ledger), repr(config.jobs),
    ]  # fmt: skip
    for output in outputs:
        for secret in hidden:
            assert secret not in output
            assert json.dumps(secret)[1:-1] not in output
    assert pickle.loads(pickle.dumps(config)) == config
    assert MASK in json.dumps(config.summary(), ensure_ascii=False)


def test_masking_knows_how_secrets_are_written() -> None:
    secrets = frozenset({"pä/ss w&rd", "7", 'quo"te\\'})
    shown = mask('pä/ss w&rd p%C3%A4%2Fss%20w%26rd p%C3%A4%2Fss+w%26rd 7 17 quo\\"te\\\\', secrets)
    assert shown == f"{MASK} {MASK} {MASK} {MASK} 17 {MASK}"
    assert mask("nothing", frozenset({"", " "})) == "nothing"


def test_no_finding_tells_a_secret(mistakes: Mistakes) -> None:
    text = 'client: demo\njobs: {}\nconnections: {a: {type: sftp, host: h, port: "${env:PW}"}}\nlanguage: ${env:PW}\n'
    lines = mistakes(text, environ={"PW": "hunter2"})
    assert len(lines) == 2
    assert "hunter2" not in "\n".join(lines)
    assert MASK in "\n".join(lines)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("${env:NOPE}", "The environment variable NOPE is not set, or is empty."),
        ("${env:EMPTY}", "The environment variable EMPTY is not set, or is empty."),
        ("${file:secrets/nope}", "The secret file {base}/secrets/nope is not there."),
        ("${file:empty}", "The secret file {base}/empty is empty."),
        ("${file:.}", "The secret file {base} cannot be read: "),
        ("${keyring:x}", "`${keyring:x}` needs the form SERVICE/NAME."),
        ("${keyring:mistok/site}", "This machine has no key ring to look up mistok/site in."),
        ("${enw:X}", "`${enw:X}` is not known. -> Did you mean `env`?"),
        ("${X}", "`${X}` is not known. -> Write ${env:NAME}, ${file:PATH} or ${keyring:SERVICE/NAME}; `$${` for the"),
        ("a${b", "`${` is never closed. -> Write `$${` for these two characters themselves."),
    ],
)
def test_a_missing_secret_is_told_once_with_what_was_looked_up(
    mistakes: Mistakes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str, expected: str
) -> None:
    monkeypatch.setattr(keyring, "get_password", keyring.backends.fail.Keyring().get_password)  # type: ignore[no-untyped-call]
    text = f"client: demo\njobs: {{}}\nconnections:\n  a: {{type: sftp, host: h, port: '{value}'}}\n"
    lines = mistakes(text, environ={"EMPTY": ""}, files={"empty": ""})
    assert len(lines) == 1, lines
    place, words = lines[0].split(": ", 1)
    assert place == "config.yaml:4:34 connections.a.port"
    assert words.startswith(expected.replace("{base}", str(tmp_path)))


def test_the_key_ring(load: Load, mistakes: Mistakes, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "client: demo\njobs: {}\nconnections: {a: {type: sftp, host: h, password: '${keyring:mistok/shop/site}'}}\n"
    asked: list[tuple[str, str]] = []

    def get(service: str, name: str) -> str | None:
        asked.append((service, name))
        return "ring-secret"

    monkeypatch.setattr(keyring, "get_password", get)
    assert "ring-secret" in load(text).secrets
    assert asked == [("mistok/shop", "site")]
    monkeypatch.setattr(keyring, "get_password", lambda _service, _name: None)
    assert "The key ring has no mistok/shop/site. -> Put it there: keyring set mistok/shop site" in mistakes(text)[0]

    def locked(_service: str, _name: str) -> str:
        raise RuntimeError("bus said ring-secret")

    monkeypatch.setattr(keyring, "get_password", locked)
    assert "The key ring did not give mistok/shop/site: RuntimeError" in mistakes(text)[0]


# --- includes ----------------------------------------------------------------------------------------------------

BASE = """\
timezone: Europe/Kyiv
connections:
  site: {type: sftp, host: sftp.example, port: 2222, user: mistok, password: "${file:secrets/site}"}
  books: {type: books, url: "sqlite:///books.sqlite3"}
jobs:
  orders: {watch: true, steps: [{step: import-orders, inbox: site, into: books}]}
  nightly: {at: ["03:00"], steps: [{step: tidy}]}
"""


def test_forty_clients_share_one_base(
    tmp_path: Path, registry: Registry, transports: dict[str, type[Settings]]
) -> None:
    (tmp_path / "base.yaml").write_text(BASE, encoding="utf-8")
    hashes = set()
    for number in range(40):
        folder = tmp_path / f"client-{number:02}"
        (folder / "secrets").mkdir(parents=True)
        (folder / "secrets" / "site").write_text(f"password-{number}\n", encoding="utf-8")
        text = f"include: ../base.yaml\nclient: shop-{number:02}\nconnections: {{site: {{host: s{number}.example}}}}\n"
        if number % 2:
            text += "jobs:\n  nightly: ~\n  orders: {watch: false, every: 5m}\n"
        (folder / "config.yaml").write_text(text, encoding="utf-8")
        config = load_config(folder, environ={}, registry=registry, transports=transports)
        site: Any = config.connections["site"].params
        assert (site.host, site.port, site.password.get_secret_value()) == (
            f"s{number}.example",
            2222,
            f"password-{number}",
        )
        assert set(config.jobs) == ({"orders"} if number % 2 else {"orders", "nightly"})
        assert config.jobs["orders"].watch is not bool(number % 2)
        hashes.add(config.config_hash)
    assert len(hashes) == 40


def test_lists_are_replaced_and_other_kinds_are_not_mixed(load: Load) -> None:
    config = load(
        "include: [one.yaml, two.yaml]\nclient: demo\njobs: {a: {at: [05:00]}}\nconnections: {x: {type: books}}\n",
        files={
            "one.yaml": "connections: {x: {type: sftp, host: h}}\n"
            "jobs: {a: {at: ['03:00', '04:00'], steps: [{step: tidy}]}}",
            "two.yaml": "timezone: Europe/Warsaw\nlanguage: en\n",
        },
    )
    assert config.jobs["a"].at == ("05:00",)
    assert config.connections["x"].type == "books"
    assert (config.timezone, config.language) == ("Europe/Warsaw", "en")


def test_places_point_into_the_file_that_is_wrong(mistakes: Mistakes) -> None:
    lines = mistakes(
        "include: sub/base.yaml\nclient: demo\nconnections: {site: {prot: 22}}\njobs: {}\n",
        files={"sub/base.yaml": "connections:\n  site:\n    type: sftp\n    port: many\ntimezone: Kyiv\n"},
    )
    assert [line.split(": ")[0] for line in lines] == [
        "config.yaml:3:15 connections.site.host",
        "config.yaml:3:22 connections.site.prot",
        "sub/base.yaml:4:11 connections.site.port",
        "sub/base.yaml:5:11 timezone",
    ]


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (
            {"a.yaml": "include: b.yaml", "b.yaml": "include: a.yaml"},
            "b.yaml:1:10 include: a.yaml is included by itself",
        ),
        (
            {"a.yaml": "include: config.yaml"},
            "a.yaml:1:10 include: config.yaml is included by itself, through 2 files.",
        ),
        ({}, "config.yaml:1:10 include: The included file a.yaml is not there."),
        ({"a.yaml": "x: 'open"}, "a.yaml:1:4 -: A quote that opens in line 1 is never closed."),
        ({"a.yaml": "- x"}, "a.yaml:1:1 -: A config is a mapping of keys, such as `client: demo`."),
        ({"a.yaml": "include: {x: y}"}, "a.yaml:1:10 include: `include` takes a file name or a list of them."),
    ],
)
def test_includes_that_cannot_be(mistakes: Mistakes, tmp_path: Path, files: dict[str, str], expected: str) -> None:
    lines = mistakes("include: a.yaml\nclient: demo\nconnections: {}\njobs: {}\n", files=files)
    assert len(lines) == 1, lines
    assert lines[0].replace(f"{tmp_path}/", "").startswith(expected)


def test_very_many_includes_are_refused(mistakes: Mistakes) -> None:
    files = {f"f{n}.yaml": f"include: [f{n + 1}.yaml, f{n + 1}.yaml]" for n in range(20)} | {"f20.yaml": "language: en"}
    lines = mistakes("include: f0.yaml\nclient: demo\nconnections: {}\njobs: {}\n", files=files)
    assert len(lines) == 1, lines
    assert "More than 50 files are included." in lines[0]


def test_the_plugin_folder_is_known_though_the_config_is_wrong(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("client: [wrong]\n", encoding="utf-8")
    assert plugin_folder(path) is None
    (tmp_path / "plugins").mkdir()
    assert plugin_folder(tmp_path) == tmp_path / "plugins"
    path.write_text("plugins: nowhere\n", encoding="utf-8")
    assert plugin_folder(path) is None
    path.write_text("a: 'open\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="never closed"):
        plugin_folder(path)


def test_a_short_secret_leaves_the_names_of_our_own_tables_alone() -> None:
    """The key of a try-out is the word "key", and a row of a plan has a column of that name."""
    row = {
        "order": "1",
        "acts": [{"key": "acme/crm/1/create/0", "said": "key"}],
        "long-secret-value": "long-secret-value",
    }
    assert mask_any(row, frozenset({"key", "long-secret-value"})) == {
        "order": "1", "acts": [{"key": "acme/crm/1/create/0", "said": MASK}], MASK: MASK,
    }  # fmt: skip
