"""The clients of a folder: found, read apart from one another, and watched."""

from __future__ import annotations

import os
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import Field, TypeAdapter, ValidationError

from pipeline.config.clients import (
    TWIN,
    Changes,
    Found,
    Roster,
    client_folders,
    is_folder_of_clients,
    own_environment,
    read_clients,
)
from pipeline.config.service import load_service
from pipeline.config.words import duration, explain
from pipeline.errors import ConfigError
from tests.e2e.command import here

CONFIG = """\
client: {name}
language: en
connections:
  site: {{type: sftp, host: shop.example, user: anna, password: "${{env:PW}}"}}
  books: {{type: books, url: "sqlite:///books.sqlite3"}}
ledger: {{url: "{ledger}"}}
jobs:
  orders:
    steps: [{{step: import-orders, inbox: site, folder: orders, into: books}}]
"""


def client(root: Path, folder: str, name: str = "", *, ledger: str = "sqlite:///ledger.sqlite3") -> Path:
    made = root / folder
    made.mkdir(parents=True, exist_ok=True)
    (made / "config.yaml").write_text(CONFIG.format(name=name or folder, ledger=ledger), "utf-8")
    (made / "service.env").write_text(f"# of {folder} alone\nPW='secret of {folder}'\n", "utf-8")
    return made


def test_a_folder_is_a_client_or_holds_some(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no client"):
        client_folders(tmp_path)
    assert not is_folder_of_clients(tmp_path)
    for name in ("b", "a", ".hidden", "deeper/down"):
        client(tmp_path, name, name.strip(".").replace("/", "-"))
    (tmp_path / "notes").mkdir()
    (tmp_path / "file").write_text("", "utf-8")
    assert client_folders(tmp_path) == (tmp_path / "a", tmp_path / "b")
    assert is_folder_of_clients(tmp_path)
    assert client_folders(tmp_path / "a") == (tmp_path / "a",)
    client(tmp_path, ".", "one")
    assert client_folders(tmp_path) == (tmp_path,), "a folder with a config is one client, whatever lies below"
    assert not is_folder_of_clients(tmp_path)


def test_each_has_secrets_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PW", raising=False)
    for name in ("a", "b"):
        client(tmp_path, name)
    found = read_clients(tmp_path)
    assert [one.name for one in found] == ["a", "b"]
    for one in found:
        assert one.config is not None
        assert one.config.connections["site"].params.password.get_secret_value() == f"secret of {one.name}"  # type: ignore[attr-defined]
        assert one.environ()["PW"] == f"secret of {one.name}"
        assert one.environ({"PW": "of all", "TZ": "UTC"}) == {"PW": f"secret of {one.name}", "TZ": "UTC"}
        assert "secret of" not in repr(one)
    assert "PW" not in os.environ, "nothing of a client is in the process that reads them"


def test_what_is_wrong_with_one_is_told_of_it_and_stops_no_other(tmp_path: Path) -> None:
    for name in ("a", "b", "c", "d"):
        client(tmp_path, name)
    (tmp_path / "b" / "config.yaml").write_text("client: b\njobz: {}\n", "utf-8")
    (tmp_path / "c" / "config.yaml").write_text("client: [\n", "utf-8")
    (tmp_path / "d" / "service.env").write_text("\n# fine\nexport of=secret value\n", "utf-8")
    a, b, c, d = read_clients(tmp_path)
    assert a.config is not None
    for one, name, line in ((b, "config.yaml", 2), (c, "config.yaml", 2), (d, "service.env", 3)):
        assert one.config is None
        places = {(finding.where.file, finding.where.line) for finding in one.findings}
        assert (str(one.folder / name), line) in places, places
    assert "secret value" not in str([finding.to_json() for finding in d.findings])


def test_of_twins_each_names_the_other(tmp_path: Path) -> None:
    client(tmp_path, "a", "shop")
    client(tmp_path, "b", "Shop")
    client(tmp_path, "c", ledger=f"sqlite:///{(tmp_path / 'one.sqlite3').as_posix()}")
    client(tmp_path, "d", ledger="sqlite:///../one.sqlite3")
    client(tmp_path, "e")
    a, b, c, d, e = read_clients(tmp_path)
    assert e.config is not None
    for one, other in ((a, b), (b, a), (c, d), (d, c)):
        assert one.config is None
        (finding,) = one.findings
        assert finding.code == TWIN
        words = finding.text.render("en")
        assert str(one.source) in words, words
        assert str(other.source) in words, words


def test_of_twins_the_one_that_is_at_work_stays_so(tmp_path: Path) -> None:
    client(tmp_path, "a", "shop")
    client(tmp_path, "b", "Shop")
    client(tmp_path, "c", "shop")
    a, b, c = read_clients(tmp_path, served=lambda one: one.folder.name == "b")
    assert (a.config, c.config) == (None, None)
    assert b.config is not None
    assert {one.code for one in (*a.findings, *c.findings)} == {TWIN}
    a, b, c = read_clients(tmp_path, served=lambda one: one.folder.name in ("a", "b"))
    assert (a.config, b.config, c.config) == (None, None, None), "two at work are two too many"
    asked: list[str] = []

    def served(one: Found) -> bool:
        asked.append(one.folder.name)
        return False

    client(tmp_path, "d")
    read_clients(tmp_path, served=served)
    assert asked == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", {}),
        ("A=1\r\nB = two words \n;C=3\n\n#D=4\n", {"A": "1", "B": "two words"}),
        ("\ufeffПАРОЛЬ=x", None),
        ("A=пароль із = та #\n", {"A": "пароль із = та #"}),
        ("A=' b '\nB=\"\"\nC='\n", {"A": " b ", "B": "", "C": "'"}),
        ("A", None),
        ("=1", None),
        ("A=\0", None),
    ],
)
def test_the_environment_of_a_client(tmp_path: Path, text: str, found: dict[str, str] | None) -> None:
    (tmp_path / "service.env").write_text(text, "utf-8")
    if found is not None:
        assert own_environment(tmp_path) == found
        return
    with pytest.raises(ConfigError) as error:
        own_environment(tmp_path)
    assert error.value.findings[0].where.line == 1


def test_an_environment_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "service.env").write_bytes(b"A=\xff\xfe")
    with pytest.raises(ConfigError, match=r"service\.env"):
        own_environment(tmp_path)


def test_changes_are_noticed(tmp_path: Path) -> None:
    for name in ("a", "b"):
        client(tmp_path, name)
    roster = Roster(tmp_path)
    assert not roster.look()
    client(tmp_path, "c")
    (tmp_path / "b" / "config.yaml").rename(tmp_path / "b" / "config.off")
    assert roster.look() == Changes(added=(tmp_path / "c",), gone=(tmp_path / "b",))
    assert roster.folders == (tmp_path / "a", tmp_path / "c")
    assert not roster.look()
    (tmp_path / "a" / "service.env").write_text("PW=another, longer one\n", "utf-8")
    assert not roster.look(), "it may still be being saved"
    assert roster.look() == Changes(edited=(tmp_path / "a",))
    (tmp_path / "a" / "plugins").mkdir()
    (tmp_path / "a" / "plugins" / "own.py").write_text("X = 1\n", "utf-8")
    assert [roster.look().edited, roster.look().edited] == [(), (tmp_path / "a",)]
    (tmp_path / "a" / "plugins" / "own.py").write_text("X = 22\n", "utf-8")
    assert [roster.look().edited, roster.look().edited] == [(), (tmp_path / "a",)]
    assert not Roster(tmp_path / "nothing").look()


def test_folders_alone_may_be_looked_at(tmp_path: Path) -> None:
    client(tmp_path, "a")
    roster = Roster(tmp_path, edits=False)
    (tmp_path / "a" / "config.yaml").write_text("client: [\n", "utf-8")
    assert not any(roster.look() for _ in range(3))
    client(tmp_path, "b")
    assert roster.look().added == (tmp_path / "b",)


def test_a_mistake_in_the_services_settings_hides_none_of_the_clients(tmp_path: Path) -> None:
    client(tmp_path, "a")
    (client(tmp_path, "b") / "config.yaml").write_text("client: b\njobz: {}\n", "utf-8")
    (tmp_path / "service.yaml").write_text("wrokers: 2\n", "utf-8")
    said = here("--language", "en", "check", tmp_path)
    assert said.code == 2
    words = said.out + said.err
    assert "Did you mean `workers`?" in words
    assert "Did you mean `jobs`?" in words
    assert "is right: client a" in words


def test_a_bound_of_a_span_of_time_is_told_in_words(tmp_path: Path) -> None:
    (tmp_path / "service.yaml").write_text("slice: 0s\n", "utf-8")
    with pytest.raises(ConfigError) as caught:
        load_service(tmp_path)
    (finding,) = caught.value.findings
    assert finding.text.render("en") == "0s is too small: it must be more than 0s."
    assert [duration(timedelta(seconds=n)) for n in (90, 120, 0.5, 7200, 86400)] == ["90s", "2m", "500ms", "2h", "1d"]


@pytest.mark.parametrize(
    ("bound", "words"),
    [(Decimal("1.5"), "1.5"), (timedelta(minutes=1), "1m"), (timedelta(days=1, hours=2), "26h"), (3, "3")],
)
def test_bounds_are_told_as_a_config_has_them(bound: Any, words: str) -> None:
    bounded: Any = Annotated[type(bound), Field(gt=bound)]
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(bounded).validate_python(type(bound)(0))
    _code, text, _hint = explain(dict(caught.value.errors()[0]))
    assert text.render("en").endswith(f"it must be more than {words}.")
