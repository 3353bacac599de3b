"""Every verb as a person meets it: its help, its JSON, its exit codes, its words, and what it never says."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.testing.sftpd import SftpServer
from tests.e2e.command import ROOT, Said, environment, mistok

OWN = (
    *("demo", "init", "check", "trust", "run", "jobs", "serve", "orders", "files", "notices", "trace", "validate"),
    *("cards", "card", "resolve", "mappings"),
)
VERBS = (*OWN, "plugins")
BOOKS = ("load", "products", "stock", "parties", "documents", "document")
GROUPS = {
    "archive": ("verify", "list", "extract", "prune", "index"),
    "ledger": ("backup", "restore", "rebuild", "new"),
    "books": BOOKS,
    "doctor": ("sku", "aliases"),
}
CALLS: list[list[str]] = [
    [],
    *([verb] for verb in VERBS),
    *([group] for group in GROUPS),
    *([group, verb] for group, verbs in GROUPS.items() for verb in verbs),
]

#: All helps in one process, for speed; each call is what ``mistok VERB --help`` does.
HELPS = """
import contextlib, io, json, sys
from pipeline.texts import use_language
use_language(sys.argv[1])
from pipeline.cli.app import app
from pipeline.cli.words import run
told = []
for words in json.loads(sys.argv[2]):
    sys.argv = ["mistok", *words, "--help"]
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        try:
            code = run(app)
        except SystemExit as end:
            code = end.code
    told.append([words, code or 0, out.getvalue()])
print(json.dumps(told))
"""


@pytest.mark.parametrize(
    ("language", "codes", "usage"), [("en", "Exit codes: 0", "Usage:"), ("uk", "Коди завершення: 0", "Виклик:")]
)
def test_every_help_tells_the_exit_codes(language: str, codes: str, usage: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", HELPS, language, json.dumps(CALLS)], env=environment(), capture_output=True, check=True
    )
    told = json.loads(done.stdout)
    assert len(told) == len(CALLS)
    for words, code, text in told:
        assert code == 0, (words, text)
        assert usage in text, (words, text)
        assert codes in text, (words, text)
    verbs = next(text for words, _code, text in told if not words)
    for verb in (*VERBS, *GROUPS):
        assert re.search(rf"^  {verb} ", verbs, re.MULTILINE), verb
    if language == "uk":
        for words, _code, text in told:
            plain = re.sub(r"https?://\S+", "", text)
            assert not re.search(r"\b(?:the|and|of the|Show|List|Print|Options|Commands|Arguments)\b", plain), (
                words,
                text,
            )


# --- JSON ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new client folder on local folders; one order is made, one held, one file quarantined."""
    folder = tmp_path_factory.mktemp("verbs") / "shop"
    assert mistok("init", folder, "--language", "en").code == 0
    assert say(folder, "run", "catalogue").code == 0
    text = (folder / "config.yaml").read_text("utf-8")
    assert "        after: delete" in text
    (folder / "config.yaml").write_text(
        text.replace("        after: delete", "        grace: 0s\n        after: delete"), "utf-8"
    )
    for name in ("good/single.xml", "bad/unknown-product.xml", "bad/cut.xml"):
        shutil.copy(ROOT / "samples/orders" / name, folder / "site/orders")
    assert say(folder, "run", "orders").code == 1
    return folder


def say(folder: Path, *words: object, language: str = "en", stdin: str = "") -> Said:
    return mistok("-c", folder / "config.yaml", "--language", language, *words, cwd=folder.parent, stdin=stdin)


JSON_CALLS: list[tuple[list[object], int, type]] = [
    (["orders", "--json"], 0, list),
    (["files", "--json"], 0, list),
    (["notices", "--json"], 0, list),
    (["jobs", "--json"], 0, dict),
    (["trace", "00004701", "--json"], 0, list),
    (["trace", "cut.xml", "--json"], 0, list),
    (["plugins", "--json"], 0, list),
    (["cards", "--json"], 0, list),
    (["card", "1", "--json"], 0, dict),
    (["card", "1", "--letter", "--json"], 0, dict),
    (["check", "--json"], 0, dict),
    (["check", "--connect", "--json"], 0, dict),
    (["run", "orders", "--json"], 0, dict),
    (["run", "catalogue", "--dry-run", "--json"], 0, dict),
    (["validate", ROOT / "samples/orders/bad/cut.xml", "--json"], 1, list),
    (["books", "products", "--json"], 0, list),
    (["books", "documents", "--json"], 0, list),
    # what goes wrong is JSON as well
    (["run", "nosuchjob", "--json"], 2, dict),
    (["trust", "books", "--json"], 2, dict),
    (["orders", "--state", "lost", "--json"], 2, dict),
    (["card", "999", "--json"], 1, dict),
    (["resolve", "1", "--json"], 2, dict),
]


@pytest.mark.parametrize(("words", "code", "kind"), JSON_CALLS, ids=lambda value: None)
def test_json_is_json(shop: Path, words: list[object], code: int, kind: type) -> None:
    said = say(shop, *words)
    assert said.code == code, said.all
    data = said.json()
    assert isinstance(data, kind)
    assert data
    assert said.err == "", "what a program reads stands alone"
    if code == 2:
        assert all(finding["text"] and finding["code"] for finding in said.json()["findings"])


def test_what_the_tables_say_is_what_happened(shop: Path) -> None:
    orders = say(shop, "orders").out
    assert "00004701" in orders
    assert "document made" in orders
    assert "held: waits for a person" in orders
    files = say(shop, "files").out
    assert "quarantined" in files
    story = say(shop, "trace", "00004701")
    assert story.code == 0
    for word in ("single.xml", "SHA-256", "Archive copy", "document made"):
        assert word.lower() in story.out.lower(), (word, story.out)
    assert "Замовлення" in say(shop, "orders", language="uk").out
    assert say(shop, "trace", "no-such-thing").code == 1


def test_what_people_type_finds_the_order(shop: Path) -> None:
    for words in ("шевченко", "ОЛЕНА шевченко", "4701", "single"):
        said = say(shop, "orders", words)
        assert "00004701" in said.out, (words, said.all)
        assert "00004813" not in said.out, words
    assert say(shop, "orders", "nobody at all").out == "Nothing matches nobody at all.\n"
    assert say(shop, "files", "nothing").out == "Nothing matches nothing.\n"
    assert say(shop, "orders", "--state", "rejected").out == "No order is in this state.\n"


def test_a_story_is_whole_on_standard_output(shop: Path) -> None:
    cut = say(shop, "trace", "cut.xml")
    assert cut.err == ""
    for words in ("cut.xml:40:18", "is cut off", "→ Write the file under a temporary name", "orders, by hand: "):
        assert words in cut.out, cut.all
    held = say(shop, "trace", "00004813")
    assert "→ Add it to books, or say" in held.out
    assert held.err == ""


def test_what_was_published_is_found_too(shop: Path) -> None:
    rows = say(shop, "files", "catalogue", "--json").json()
    assert [(row["direction"], row["name"], row["job"], row["rows"]) for row in rows] == [
        ("out", "catalogue.csv", "catalogue", 30)
    ]
    assert Path(rows[0]["archive"]).read_bytes() == (shop / "site/goods/catalogue.csv").read_bytes()
    story = say(shop, "trace", "catalogue.csv")
    assert story.code == 0
    for words in ("Published file catalogue.csv", rows[0]["sha256"], "published by job catalogue: 30 rows", "notice"):
        assert words in story.out, story.all
    assert "catalogue.csv" in say(shop, "files").out


# --- exit codes ------------------------------------------------------------------------------------------------------


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


def test_2_is_a_wrong_call_or_config(shop: Path, tmp_path: Path) -> None:
    calls: list[list[object]] = [
        ["run", "nosuchjob"],
        ["run", "orders", "--no-such-option"],
        ["run", "orders", "--since", "yesterday"],
        ["run", "orders", "--since", "2026-11-02", "--until", "2026-11-01"],
        ["run"],
        ["no-such-verb"],
        ["trust", "nosuchconnection"],
        ["orders", "--limit", "many"],
        ["books", "products", "--no-such-option"],
        ["books", "period", "2026-12-31"],
    ]
    for words in calls:
        said = say(shop, *words)
        assert said.code == 2, (words, said.all)
        assert said.err.strip(), words
        assert said.out == "", words
    assert "orders" in say(shop, "run", "order").err, "the jobs that there are"
    assert mistok("-c", tmp_path / "none.yaml", "orders").code == 2
    assert mistok("--language", "de", "orders").code == 2


@pytest.mark.full
def test_3_is_a_server_that_cannot_be_reached(tmp_path: Path) -> None:
    folder = tmp_path / "shop"
    options = ["--server", "sftp", "--host", "127.0.0.1", "--port", free_port(), "--user", "u", "--password-stdin"]
    made = mistok("init", folder, *options, "--language", "en", stdin="pass-word-1\n")
    assert made.code == 0, made.all
    for words in (["check", "--connect"], ["run", "orders"], ["trust", "site"]):
        said = say(folder, *words)
        assert said.code == 3, (words, said.all)
        assert said.all.count("127.0.0.1") == 1, "once, however many folders wait for it"
        assert words[0] != "run" or said.out.endswith("Job orders: failed\n")
    ftp = tmp_path / "ftp"
    options[1], options[5] = "ftps", free_port()
    assert mistok("init", ftp, *options, stdin="pass-word-1\n").code == 0
    assert say(ftp, "check", "--connect").code == 3
    plain = say(ftp, "check")
    assert plain.code == 0, "without --connect nobody is asked"


def test_five_mistakes_are_five_findings_with_their_places(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(
        """\
client: acme
timezone: Europe/Kiyv
conections:
  site: {type: local, path: site}
connections:
  site: {type: local, path: site}
  books: {type: bookz, url: "sqlite:///books.sqlite3"}
jobs:
  orders:
    every: 30 parsecs
    steps:
      - {step: import-orders, inbox: site, folder: orders, into: books, stabel: 2s}
""",
        "utf-8",
    )
    expected = {(2, "timezone"), (3, "conections"), (7, "type"), (10, "every"), (12, "stabel")}
    said = mistok("-c", path, "--language", "en", "check")
    assert said.code == 2
    places = re.findall(r"config\.yaml:(\d+):\d+ (\S+):", said.err)
    assert {(int(line), element.split(".")[-1]) for line, element in places} == expected, said.err
    assert len(places) == 5
    assert "Did you mean" in said.err
    as_json = mistok("-c", path, "check", "--json")
    assert as_json.code == 2
    found = as_json.json()["findings"]
    assert {(one["line"], one["element"].split(".")[-1]) for one in found} == expected
    assert all(one["column"] for one in found)


# --- secrets ---------------------------------------------------------------------------------------------------------

SECRET = 'Пароль"s3cr\\et;%40?'

PLUGIN = """
from pipeline.api import FreeStep, Held, Settings, StepContext, StepPlugin, StepResult, T
import os


class BlabSettings(Settings):
    '''What is said.'''

    how: str = "raise"
    '''raise, held or note.'''


def run(settings: BlabSettings, context: StepContext) -> StepResult:
    secret = os.environ["SHOP_PASSWORD"]
    if settings.how == "raise":
        raise RuntimeError(f"the login as shop:{secret} failed")
    if settings.how == "held":
        raise Held(T("The server said: {words}", words=f"password {secret} is wrong"))
    return StepResult(notes=(T("I know {words}", words=secret),), counts={}, details=({"file": secret},))


PLUGIN = StepPlugin("blab", T("Tells everything."), BlabSettings, FreeStep(run))
"""

CONFIG = """\
client: acme
timezone: Europe/Kyiv
language: en
connections:
  site:
    type: sftp
    host: 127.0.0.1
    port: {port}
    user: shop
    password: ${{env:SHOP_PASSWORD}}
    host_key: {fingerprint}
  books: {{type: books, url: "sqlite:///books.sqlite3", seed: ["{samples}/products.csv", "{samples}/references.csv"]}}
jobs:
  catalogue: {{steps: [{{step: export-catalogue, from: books, to: site, folder: goods}}]}}
  orders: {{steps: [{{step: import-orders, inbox: site, folder: orders, into: books, grace: 0s, stable: 10ms}}]}}
  raise: {{steps: [{{step: blab, how: raise}}]}}
  held: {{steps: [{{step: blab, how: held}}]}}
  note: {{steps: [{{step: blab, how: note}}]}}
alerts: {{channels: []}}
log: {{level: debug}}
"""


@pytest.fixture
def blabbing(tmp_path: Path) -> Iterator[Path]:
    site, folder = tmp_path / "site", tmp_path / "client"
    (site / "goods").mkdir(parents=True)
    (site / "orders").mkdir()
    (folder / "plugins").mkdir(parents=True)
    (folder / "plugins" / "blab.py").write_text(PLUGIN, "utf-8")
    with SftpServer(site, user="shop", password=SECRET) as server:
        text = CONFIG.format(port=server.port, fingerprint=server.fingerprint, samples=(ROOT / "samples").as_posix())
        (folder / "config.yaml").write_text(text, "utf-8")
        yield folder


def forms(secret: str) -> set[bytes]:
    """How a secret may stand in a text, a JSON, a URL, a repr."""
    from urllib.parse import quote

    written = {secret, json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1], repr(secret)[1:-1]}
    written |= {quote(secret), quote(secret, safe="")}
    return {form.encode() for form in written}


@pytest.mark.full
def test_a_password_is_nowhere_to_be_read(blabbing: Path) -> None:
    secrets = forms(SECRET)

    def run(*words: object, code: int | tuple[int, ...]) -> Said:
        said = mistok("-c", blabbing / "config.yaml", *words, cwd=blabbing, env={"SHOP_PASSWORD": SECRET})
        assert said.code in (code if isinstance(code, tuple) else (code,)), (words, said.all)
        for secret in secrets:
            assert secret not in said.all.encode(), words
        return said

    for name in ("good/single.xml", "bad/cut.xml"):
        shutil.copy(ROOT / "samples/orders" / name, blabbing.parent / "site/orders")
    run("check", "--connect", code=0)
    run("check", "--connect", "--json", code=0)
    run("run", "catalogue", code=0)
    run("run", "orders", "--json", code=1)

    card = run("run", "raise", code=1)
    [reference] = re.findall(r"reference ([0-9a-f]{8})", card.out)
    assert "RuntimeError" in card.out
    assert "login as shop" not in card.all, "the words of an unexpected error are for the log"
    log = (blabbing / "logs/mistok.log").read_text("utf-8")
    [line] = [line for line in log.splitlines() if reference in line and "Traceback" in line]
    told = json.loads(line)
    assert "the login as shop:••• failed" in told["exception"]
    assert "blab.py" in told["exception"]

    held = run("run", "held", code=1)
    assert "password ••• is wrong" in held.out
    run("run", "held", "--json", code=1)
    run("run", "note", code=0)
    run("run", "note", "--json", code=0)
    for words in (["jobs"], ["orders"], ["files", "--json"], ["notices"], ["plugins", "--json"]):
        run(*words, code=0)
    run("trace", "00004701", code=0)
    run("trust", "site", "--show", code=0)
    # refused by the server: what it says and what was sent stay apart
    wrong = mistok("-c", blabbing / "config.yaml", "run", "orders", cwd=blabbing, env={"SHOP_PASSWORD": SECRET + "x"})
    assert wrong.code == 3, wrong.all
    assert SECRET not in wrong.all

    for path in blabbing.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            for secret in secrets:
                assert secret not in data, path
    assert os.environ.get("SHOP_PASSWORD") is None
