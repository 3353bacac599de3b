"""All mistakes come in one report, each with its place and what to do."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.config.load import load_config
from pipeline.errors import ConfigError, Finding, Who
from pipeline.registry import Registry
from pipeline.settings import Settings

Mistakes = Callable[..., list[str]]

MANY = """\
client: de mo
timezone: Europe/Kiyv
langage: uk
connections:
  site: {type: sftpp, host: h}
  shop:
    type: sftp
    hst: h
    port: 70000
    password: true
  books: {type: books, url: "${env:BOOKS_URL}"}
  books: {type: books}
jobs:
  orders:
    watch: true
    at: ["3:0"]
    steps:
      - step: import-orders
        inbox: sho
        into: shop
        after: delet
        min_age: soon
      - step: import-order
  catalogue:
    watch: true
    steps:
      - step: export-catalogue
        from: books
        to: shop
        format: {type: joomshopping-csv, profile: extnded}
  empty: {steps: []}
  cron: {cron: 61 * * * *, steps: [{step: tidy, systems: [books, boks]}]}
  "a b": {enabled: maybe}
alerts: {channels: [desctop, {type: desktop, timeout: long}], burst: 0}
сlient: x
"""

REPORT = """\
config.yaml:1:9 client: `de mo` has not the form ^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$. -> Short name \
of the client: Latin letters, digits, `-`, `_`, `.`; it is part of every document's key.
config.yaml:2:11 timezone: Time zone `Europe/Kiyv` is not known. -> Did you mean `Europe/Kyiv`?
config.yaml:3:1 langage: Key `langage` is not known here. -> Did you mean `language`?
config.yaml:5:16 connections.site.type: Connection type `sftpp` is not known. -> Did you mean `sftp`?
config.yaml:8:5 connections.shop.hst: Key `hst` is not known here. -> Did you mean `host`?
config.yaml:9:11 connections.shop.port: 70000 is too large: at most 65535.
config.yaml:11:29 connections.books.url: The environment variable BOOKS_URL is not set, or is empty. -> Set it for the \
user or service that runs Mistok.
config.yaml:12:3 books: Key `books` is here twice; the first is in line 11. -> Keep one of them.
config.yaml:15:5 jobs.orders.watch: A job has one schedule; this one has `at`, `watch`. -> Keep one of `every`, `at`, \
`cron`, `watch`; only `watch` and `every` go together.
config.yaml:16:10 jobs.orders.at[0]: `3:0` is not a time such as 03:00.
config.yaml:19:16 jobs.orders.steps[0].inbox: There is no connection `sho`. -> Did you mean `shop`?
config.yaml:20:15 jobs.orders.steps[0].into: Connection `shop` is a place for files; a system is needed here. -> \
Known: books, site.
config.yaml:21:16 jobs.orders.steps[0].after: `delet` is not one of the words known here. -> Did you mean `delete`?
config.yaml:22:18 jobs.orders.steps[0].min_age: `soon` is not a duration such as 30s, 5m or 1h30m.
config.yaml:23:15 jobs.orders.steps[1].step: Step `import-order` is not known. -> Did you mean `import-orders`?
config.yaml:25:5 jobs.catalogue.watch: `watch` needs a first step that takes files in; `export-catalogue` does not. -> \
Use `every`, `at` or `cron`.
config.yaml:30:51 jobs.catalogue.steps[0].format.profile: `extnded` is not one of the words known here. -> Did you \
mean `extended`?
config.yaml:31:11 jobs.empty.steps: The job has no step. -> Write `steps:` with at least one `- step: NAME`.
config.yaml:32:16 jobs.cron.cron: `61 * * * *` is not a cron expression: the minute is wrong. -> Five fields: minute \
hour day month weekday, such as `30 6 * * 1-5`.
config.yaml:32:66 jobs.cron.steps[0].systems[1]: There is no connection `boks`. -> Did you mean `books`?
config.yaml:33:3 jobs.a b: `a b` cannot be a name here. -> Names have Latin letters, digits, `-`, `_` and `.`, and \
begin with a letter or a digit.
config.yaml:33:3 jobs.a b: `steps` is missing. -> Write `steps:` with at least one `- step: NAME`.
config.yaml:33:20 jobs.a b.enabled: `maybe` is neither true nor false. -> Write `true` or `false`.
config.yaml:34:21 alerts.channels[0]: Alert channel `desctop` is not known. -> Did you mean `desktop`?
config.yaml:34:55 alerts.channels[1].timeout: `long` is not a whole number.
config.yaml:34:70 alerts.burst: 0 is too small: at least 1.
config.yaml:35:1 сlient: Key `сlient` is not known here. -> Did you mean `client`? Yours has Cyrillic letters that \
look like Latin ones.
"""

GOOD = """\
client: demo
connections:
  site: {type: sftp, host: h}
  books: {type: books}
jobs:
  orders:
    STEP
"""


def one(lines: list[str]) -> str:
    """The only line."""
    assert len(lines) == 1, lines
    return lines[0].split(" ", 1)[1]


def test_all_mistakes_in_one_report(mistakes: Mistakes) -> None:
    assert "\n".join(mistakes(MANY)) + "\n" == REPORT


def test_findings_survive_the_ledger_and_speak_both_languages(
    tmp_path: Path, registry: Registry, transports: dict[str, type[Settings]]
) -> None:
    (tmp_path / "config.yaml").write_text(MANY, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_config(tmp_path / "config.yaml", environ={}, registry=registry, transports=transports)
    for finding in caught.value.findings:
        assert Finding.from_json(json.loads(json.dumps(finding.to_json()))) == finding
        assert finding.who is Who.ADMIN
        for language in ("uk", "en"):
            assert "{" not in finding.text.render(language).replace("[A-Za-z0-9_.-]{0,63}", "")


@pytest.mark.parametrize(
    ("job", "expected"),
    [
        ("{steps: [tidy]}", "jobs.orders.steps[0]: A step is a mapping. -> Write `- step: tidy`."),
        ("{steps: {step: tidy}}", "jobs.orders.steps: A list is expected here. -> Write `steps:` with at least one"),
        ("{steps: [{stepp: tidy}]}", "jobs.orders.steps[0]: `step` is missing. -> Did you mean `step`?"),
        ("{every: 0s, steps: [{step: tidy}]}", "jobs.orders.every: The shortest interval is one second: `1s`."),
        ("{every: 9999999999d, steps: [{step: tidy}]}", "jobs.orders.every: `9999999999d` is longer than any duration"),
        ("{at: 24:00, steps: [{step: tidy}]}", "jobs.orders.at: `24:00` is not a time such as 03:00."),
        ("{cron: '* * * * * *', steps: [{step: tidy}]}", "jobs.orders.cron: `* * * * * *` is not a cron expression."),
        (
            "{every: 1m, cron: '* * * * *', steps: [{step: tidy}]}",
            "jobs.orders.cron: A job has one schedule; this one has",
        ),
        ("~", "jobs.orders: `orders` is empty."),
        ("5", "jobs.orders: A mapping of keys is expected here."),
        (
            "{steps: [{step: import-orders, inbox: site, into: books, after: {mv: done}}]}",
            "jobs.orders.steps[0].after.mv: Key `mv` is not known here. -> Did you mean `move`?",
        ),
        (
            "{steps: [{step: import-orders, inbox: site, into: books, after: {}}]}",
            "jobs.orders.steps[0].after.move: `move` is missing.",
        ),
        (
            "{steps: [{step: import-orders, inbox: site, into: books, format: joomshopping-csv}]}",
            "jobs.orders.steps[0].format: Format `joomshopping-csv` is of the wrong kind for step `import-orders`. -> ",
        ),
        (
            "{steps: [{step: import-orders, inbox: site, into: books, format: {typ: order-xml}}]}",
            "jobs.orders.steps[0].format: `type` is missing. -> Did you mean `type`?",
        ),
        (
            "{steps: [{step: import-orders, inbox: site, into: books, mirror: bok}]}",
            "jobs.orders.steps[0].mirror: There is no connection `bok`. -> Did you mean `books`?",
        ),
        (
            "{steps: [{step: import-orders, inbox: site, into: books, executor: {from: nmber}}]}",
            "jobs.orders.steps[0].executor.from: `nmber` is not one of the words known here. -> Did you mean `number`?",
        ),
        (
            "{steps: [{step: import-orders, inbox: site, into: books, executor: {}}]}",
            "jobs.orders.steps[0].executor.from: `from` is missing.",
        ),
        (
            "{steps: [{step: import-orders, inbox: site, into: books, executor: [x]}]}",
            "jobs.orders.steps[0].executor: A text is expected here.",
        ),
        (
            "{steps: [{step: import-orders, inbox: site, into: books, batch: true}]}",
            "jobs.orders.steps[0].batch: `true` is not a whole number.",
        ),
        (
            "{steps: [{step: export-catalogue, from: books, to: site, images: {from: sit}}]}",
            "jobs.orders.steps[0].images.from: There is no connection `sit`. -> Did you mean `site`?",
        ),
    ],
)
def test_one_mistake_is_told_once(mistakes: Mistakes, job: str, expected: str) -> None:
    assert one(mistakes(GOOD.replace("\n    STEP", f" {job}"))).startswith(expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("client: demo\njobs: {}\n", "-: `connections` is missing."),
        (
            "client: demo\njobs: {}\nconections: {}\n",
            "conections: Key `conections` is not known here. -> Did you mean `con",
        ),
        ("client: demo\njobs: {}\nconnections: {}\nbase: x\n", "base: Key `base` is not known here."),
        ("client: demo\njobs: {}\nconnections:\n", "connections: `connections` is empty."),
        ("client: demo\njobs: {}\nconnections: {}\nplugins: nowhere\n", None),
        (
            "client: demo\njobs: {}\nconnections: {}\ntimezone: Kyiv\n",
            "timezone: Time zone `Kyiv` is not known. -> Did you",
        ),
        ("client:\njobs: {}\nconnections: {}\n", "client: The value is missing. -> Write one after the colon"),
        (
            "client: d\njobs: {}\nconnections: {}\nlog: {level: 5}\n",
            "log.level: `5` is not one of the words known here.",
        ),
        (
            "client: d\njobs: {}\nconnections: {}\nalerts: {channels: desktop}\n",
            "alerts.channels: A list is expected here.",
        ),
        (
            "client: d\njobs: {}\nconnections: {a: {host: h}}\n",
            "connections.a: `type` is missing. -> Write `type: …`: books,",
        ),
    ],
)
def test_mistakes_at_the_top(mistakes: Mistakes, load: Callable[..., Any], text: str, expected: str | None) -> None:
    if expected is None:
        load(text)  # the registry is given: no folder of plugins is looked for
    else:
        assert one(mistakes(text)).startswith(expected)


def test_a_broken_plugin_of_the_client_is_a_finding(tmp_path: Path, transports: dict[str, type[Settings]]) -> None:
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "bad.py").write_text("x = 1\nraise KeyError('x')\n", encoding="utf-8")
    path = tmp_path / "config.yaml"
    path.write_text("client: demo\njobs: {}\nconnections: {}\nlangage: uk\n", encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_config(path, environ={}, transports=transports)
    texts = [finding.text.render("en") for finding in caught.value.findings]
    assert any("bad.py:2 does not load: KeyError" in text for text in texts), texts
    assert any("langage" in text for text in texts), texts


def test_a_plugin_of_the_client_is_loaded(tmp_path: Path, transports: dict[str, type[Settings]]) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "hello.py").write_text(
        "from pipeline.api import FreeStep, Settings, StepPlugin, StepResult, T\n"
        "class S(Settings):\n    whom: str\n"
        "PLUGIN = StepPlugin('hello', T('Greets.'), S, FreeStep(lambda settings, context: StepResult()))\n",
        encoding="utf-8",
    )
    path = tmp_path / "config.yaml"
    path.write_text(
        "client: demo\nconnections: {}\nplugins: own\njobs: {hi: {steps: [{step: hello, whom: 0042}]}}\n",
        encoding="utf-8",
    )
    config = load_config(path, environ={}, transports=transports)
    assert config.jobs["hi"].steps[0].params.model_dump() == {"whom": "0042"}
    path.write_text("client: demo\nconnections: {}\nplugins: nowhere\njobs: {}\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"There is no folder .*nowhere"):
        load_config(path, environ={}, transports=transports)


def test_a_plugin_whose_check_fails_is_named(
    tmp_path: Path, registry: Registry, transports: dict[str, type[Settings]]
) -> None:
    class Rude(Settings):
        """Its check has a fault."""

        word: str

        def model_post_init(self, _context: Any) -> None:
            raise RuntimeError("oops")

    (tmp_path / "config.yaml").write_text(
        "client: d\njobs: {}\nconnections: {a: {type: rude, word: x}}", encoding="utf-8"
    )
    with pytest.raises(ConfigError, match="rude failed: RuntimeError: oops"):
        load_config(tmp_path, environ={}, registry=registry, transports={**transports, "rude": Rude})


URLS = {
    "mysql://u:hush@h/d": "A database of kind `mysql` cannot be used: SQLite and PostgreSQL can.",
    "nonsense": "This is not a database URL.",
    "nonsense u:hush@h": "This is not a database URL.",
    "sqlite://books.sqlite3": "This names no file: a URL of SQLite has three slashes before the path.",
    "sqlite:///": "This names no file: a URL of SQLite has three slashes before the path.",
    "postgresql://u:hush@h:port/d": "The port in this database URL is not a number up to 65535.",
    "postgresql://u:hush@h:99999/d": "The port in this database URL is not a number up to 65535.",
}
ADVICE = "Write `sqlite:///FILE` or `postgresql+psycopg://USER:PASSWORD@HOST/NAME`."


@pytest.mark.parametrize("url", URLS)
@pytest.mark.parametrize("of", ["ledger", "books"])
def test_a_database_that_cannot_be_is_told_at_its_line(tmp_path: Path, url: str, of: str) -> None:
    text = f"connections:\n  books:\n    type: books\n    url: {url!r}\n" if of == "books" else "connections: {}\n"
    text += f"ledger:\n  url: {url!r}\n" if of == "ledger" else ""
    (tmp_path / "config.yaml").write_text("client: a\njobs: {}\n" + text, "utf-8")
    with pytest.raises(ConfigError) as caught:
        load_config(tmp_path)
    [finding] = caught.value.findings
    assert finding.where.line == (6 if of == "books" else 5)
    assert finding.text.render("en") == URLS[url]
    assert finding.hint is not None
    assert finding.hint.render("en") == ADVICE
    assert "hush" not in repr(finding)


def test_postgresql_gets_the_driver_that_mistok_brings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "client: a\njobs: {}\nconnections: {}\nledger: {url: 'postgresql://u:p@h:5432/d'}\n"
    (tmp_path / "config.yaml").write_text(text, "utf-8")
    assert load_config(tmp_path).ledger.url == "postgresql+psycopg://u:p@h:5432/d"
    monkeypatch.setattr("pipeline.settings.find_spec", lambda _name: None)
    with pytest.raises(ConfigError) as caught:
        load_config(tmp_path)
    assert caught.value.hint is not None
    assert "mistok[postgres]" in caught.value.hint.render("en")
