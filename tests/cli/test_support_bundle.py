"""``mistok support-bundle``: everything that helps, nothing that is anybody's, whatever is broken."""

from __future__ import annotations

import json
import sqlite3
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.cli.support import free
from pipeline.resources import samples
from tests.e2e.command import here, mistok

#: What is in one order or another, and must be in no file of a bundle.
PLANTED = (
    "Водограй-Срібненко", "Водограй", "Срібненко", "Zoltan", "Žižek", "O'Drisceoil", "Мар'яна", "Пречудова",
    "067 123 45 99", "0671234599", "671234599", "+38 (067) 123-45-99", "zoltan.zizek+shop@example.org", "zoltan.zizek",
    "вул. Кирило-Мефодіївська, 17-б", "Мефодіївська", "04071", "Нью-Йоркський", "будинок біля верби", "3216549870",
    "s3cr3t-Password-17", "sk_live_51H8xk2LkdIwHu7ixXYZ",
)  # fmt: skip
CONFIG = """\
client: acme
language: {language}
connections:
  site: {{type: local, path: site}}
  books: {{type: books, url: "sqlite:///books.sqlite3", seed: ["{samples}/products.csv", "{samples}/references.csv"]}}
  far: {{type: sftp, host: far.invalid, user: u, password: s3cr3t-Password-17}}
log: {{file: logs/mistok.log}}
jobs:
  orders:
    every: 10m
    steps:
      - {{step: import-orders, inbox: site, folder: orders, into: books, stable: 10ms, grace: 0s}}
"""
#: Of a sample order, what is put in place of its own.
ORDER = {
    "<last-name>Ткачук</last-name>": "<last-name>Водограй-Срібненко</last-name>",
    "<first-name>Сергій</first-name>": "<first-name>Мар'яна</first-name>",
    "<middle-name>Олександрович</middle-name>": "<middle-name>Пречудова</middle-name>",
    "8 063 123 45 13": "067 123 45 99",
    "serhii.tkachuk@example.com": "zoltan.zizek+shop@example.org",
    "Магазин на Подолі": "вул. Кирило-Мефодіївська, 17-б",
    "<city>Київ</city>": "<city>Нью-Йоркський</city><zip>04071</zip>",
}


def planted(name: str) -> str:
    text = (samples() / "orders" / "bad" / name).read_text(encoding="utf-8")
    for old, new in ORDER.items():
        text = text.replace(old, new)
    return text


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A client whose orders, log, cards and notices are full of what is to be hidden."""
    folder = tmp_path_factory.mktemp("support")
    (folder / "config.yaml").write_text(CONFIG.format(samples=samples().as_posix(), language="uk"), encoding="utf-8")
    inbox = folder / "site" / "orders"
    inbox.mkdir(parents=True)
    held = planted("unknown-product.xml").replace("<zip>04071</zip>", "")
    assert "Водограй" in held
    (inbox / "held.xml").write_text(held, encoding="utf-8")
    # quarantined: an element that is not known, with words that its finding tells
    (inbox / "Срібненко.xml").write_text(planted("unknown-product.xml").replace("4813", "4999"), encoding="utf-8")
    assert mistok("run", "orders", cwd=folder).code == 1
    log = folder / "logs" / "mistok.log"
    with log.open("a", encoding="utf-8") as out:
        for value in PLANTED:
            out.write(json.dumps({"event": "failed", "error": f"the server says: {value}!", "level": "error"}) + "\n")
            out.write(f"no JSON at all: {value}\n")
        out.write(json.dumps({"event": "cut", "customer": "Order"})[:-3] + "\n")
    (folder / "logs" / "mistok.log.1").write_text("{}\n", encoding="utf-8")
    return folder


def texts(path: Path) -> Iterator[tuple[str, str]]:
    with zipfile.ZipFile(path) as made:
        assert made.testzip() is None
        for name in made.namelist():
            yield name, made.read(name).decode("utf-8")


def nothing_told(path: Path) -> dict[str, str]:
    found = dict(texts(path))
    for name, text in found.items():
        told = [value for value in PLANTED if value in text or json.dumps(value)[1:-1] in text or value in name]
        assert told == [], name
    return found


@pytest.mark.parametrize("language", ["uk", pytest.param("en", marks=pytest.mark.full)])
def test_nothing_of_anybody_is_in_it(client: Path, tmp_path: Path, language: str) -> None:
    out = tmp_path / "b.zip"
    said = mistok(
        "--language", language, "support-bundle", "--out", out, "--order", "00004813", "--order", "Срібненко.xml",
        "--order", "nothing", cwd=client,
    )  # fmt: skip
    assert said.code == 0, said.all
    found = nothing_told(out)
    wanted = [
        "versions",
        "config",
        "check",
        "status",
        "ledger",
        "jobs",
        "runs",
        "cards",
        "notices",
        "orders/1",
        "orders/2",
        "manifest",
    ]
    assert {f"{one}.{'yaml' if one == 'config' else 'json'}" for one in wanted} <= found.keys()
    # what helps is in it
    (story,) = json.loads(found["orders/1.json"])
    assert story["number"] == "00004813"
    assert "НЕМА-ТАКОГО-77" in story["findings"][0]["text"]
    assert any(name.endswith(".xml") and "<code>НЕМА-ТАКОГО-77</code>" in text for name, text in found.items())
    assert json.loads(found["ledger.json"])["rows"]["files"] == 2
    assert {card["kind"] for card in json.loads(found["cards.json"])} >= {"held"}
    assert "password:" in found["config.yaml"]
    assert json.loads(found["runs.json"])[0]["state"] == "waiting"
    assert sum(name.startswith("logs/") for name in found) >= 2
    manifest = json.loads(found["manifest.json"])
    assert {one["name"] for one in manifest["files"]} == found.keys() - {"manifest.json"}
    assert manifest["hidden"].keys() >= {"secrets", "words", "e-mails", "long numbers", "whole values", "keys"}
    assert [one["part"] for one in manifest["left_out"]] == ["order 3"]
    assert out.stat().st_mode & 0o077 == 0


def test_a_file_that_is_there_is_not_replaced(client: Path, tmp_path: Path) -> None:
    out = tmp_path / "b.zip"
    out.write_text("mine", encoding="utf-8")
    assert here("--config", client / "config.yaml", "support-bundle", "--out", out).code == 2
    assert here("--config", client / "config.yaml", "support-bundle", "--out", tmp_path / "no" / "b.zip").code == 2
    assert out.read_text(encoding="utf-8") == "mine"
    assert sorted(one.name for one in tmp_path.iterdir()) == ["b.zip"]


def test_one_that_has_no_name_given_takes_a_free_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two of the same second, by two people."""
    monkeypatch.chdir(tmp_path)
    names = []
    for _ in range(3):
        names.append(free("mistok-support-acme-20261129-033728"))
        names[-1].touch()
    assert [path.name[-8:] for path in names] == ["3728.zip", "28-2.zip", "28-3.zip"]


@pytest.mark.parametrize(
    ("old", "new"),
    [("sftp, host", "sfpt, host"), ("  far:", "\tfar:"), ("client: acme", "client: [acme"), ("ledger", "ledger")],
)
def test_a_wrong_config_is_told(client: Path, tmp_path: Path, old: str, new: str) -> None:
    text = (client / "config.yaml").read_text(encoding="utf-8") + "\nladder: {Срібненко: 067 123 45 99}\n"
    wrong = client / f"wrong-{tmp_path.name}.yaml"
    wrong.write_text(text.replace(old, new), encoding="utf-8")
    out = tmp_path / "b.zip"
    said = here("--config", wrong, "support-bundle", "--out", out)
    wrong.unlink()
    assert said.code == 0, said.all
    found = nothing_told(out)
    assert json.loads(found["config-trouble.json"])
    assert "connections:" in found["config-as-written.yaml"]
    assert "config.yaml" not in found
    assert any(name.startswith("logs/") for name in found)


@pytest.mark.parametrize("how", ["damaged", "gone"])
def test_a_ledger_that_cannot_be_used_is_told(client: Path, tmp_path: Path, how: str) -> None:
    ledger = next(one for one in client.rglob("*.sqlite3") if "ledger" in one.name)
    kept = ledger.read_bytes()
    try:
        ledger.unlink()
        if how == "damaged":
            ledger.write_bytes(b"Zoltan" * 2000)
        out = tmp_path / "b.zip"
        said = here("--config", client / "config.yaml", "support-bundle", "--out", out, "--order", "00004813")
    finally:
        ledger.write_bytes(kept)
    assert said.code == 0, said.all
    found = nothing_told(out)
    assert "ledger" in [one["part"] for one in json.loads(found["manifest.json"])["left_out"]]
    assert "config.yaml" in found


@pytest.mark.full
def test_a_ledger_that_is_locked_is_told(client: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pipeline.ledger import store

    monkeypatch.setattr(store, "BUSY", 10)
    ledger = next(one for one in client.rglob("*.sqlite3") if "ledger" in one.name)
    other = sqlite3.connect(ledger, isolation_level=None)
    other.execute("PRAGMA journal_mode=DELETE")
    other.execute("BEGIN EXCLUSIVE")
    try:
        out = tmp_path / "b.zip"
        said = here("--config", client / "config.yaml", "support-bundle", "--out", out)
    finally:
        other.rollback()
        other.close()
    assert said.code == 0, said.all
    assert "ledger" in [one["part"] for one in json.loads(nothing_told(out)["manifest.json"])["left_out"]]
