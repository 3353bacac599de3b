"""``mistok new plugin``: what it writes runs, passes and is loaded at once; names that cannot be are told."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.cli.new import KINDS, new_plugin
from pipeline.config.load import load_config
from pipeline.errors import ConfigError
from pipeline.flow import API_VERSION
from pipeline.registry import load_registry
from pipeline.texts import use_language
from tests.e2e.command import mistok

CONFIG = """\
client: acme
language: en
connections:
  inbox: {type: local, path: inbox, create: true}
  goods: {type: my-system, path: goods.csv}
  books: {type: books}
jobs:
  count: {every: 1h, steps: [{step: my-step, connection: inbox}]}
  orders: {every: 1h, steps: [{step: import-orders, inbox: inbox, into: books, pattern: "*.txt", format: my-format}]}
alerts: {channels: [{type: my-channel, path: notices.txt}]}
"""


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A client's folder with one plugin of each kind, made by the verb."""
    folder = tmp_path_factory.mktemp("client")
    (folder / "config.yaml").write_text("client: acme\nconnections: {}\njobs: {}\n", encoding="utf-8")
    for kind in KINDS:
        said = mistok("--language", "en", "-c", folder / "config.yaml", "new", "plugin", f"my-{kind}", "--kind", kind)
        assert said.code == 0, said.err
        assert "pytest" in said.out
    (folder / "config.yaml").write_text(CONFIG, encoding="utf-8")
    (folder / "goods.csv").write_text("article,name,price\nAB-1,Фарба,389.50\n", encoding="utf-8")
    return folder


def _run(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *words],
        cwd=cwd,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )


@pytest.mark.full
def test_its_tests_pass_at_once(client: Path) -> None:
    said = _run("pytest", "-q", "-p", "no:cacheprovider", "-p", "no:randomly", cwd=client)
    assert said.returncode == 0, said.stdout + said.stderr
    assert " passed" in said.stdout
    assert "skipped" not in said.stdout


def test_the_config_takes_them_and_the_step_runs(client: Path) -> None:
    config = load_config(client / "config.yaml")
    assert config.connections["goods"].kind == "system"
    said = mistok("-c", client / "config.yaml", "run", "count")
    assert said.code == 0, said.err
    assert "0 files wait" in said.out
    order = "id;date;phone;article;title;quantity;price\n17;2026-11-28 10:15;+380501112233;AB-1;Фарба;2;389.50\n"
    (client / "inbox" / "orders.txt").write_text(order, encoding="utf-8")
    said = mistok("-c", client / "config.yaml", "run", "count")
    assert "1 files wait" in said.out


def test_they_are_as_neat_as_our_own(client: Path) -> None:
    root = Path(__file__).parents[2]
    for words in (("check",), ("format", "--check")):
        said = _run("ruff", *words, "--config", str(root / "pyproject.toml"), str(client), cwd=client)
        assert said.returncode == 0, said.stdout + said.stderr


@pytest.mark.full
def test_mypy_finds_nothing_in_them(client: Path) -> None:
    said = _run("mypy", "--strict", "--cache-dir", os.devnull, "plugins", "tests", cwd=client)
    assert said.returncode == 0, said.stdout


@pytest.mark.full
def test_their_tests_fail_when_a_promise_is_broken(client: Path, tmp_path: Path) -> None:
    for name in ("plugins", "tests"):
        (tmp_path / name).mkdir()
    source = (client / "plugins" / "my_step.py").read_text(encoding="utf-8")
    (tmp_path / "plugins" / "my_step.py").write_text(source.replace(" and not context.dry_run", ""), encoding="utf-8")
    test = (client / "tests" / "test_my_step.py").read_text(encoding="utf-8")
    (tmp_path / "tests" / "test_my_step.py").write_text(test, encoding="utf-8")
    said = _run("pytest", "-q", "-p", "no:cacheprovider", cwd=tmp_path)
    assert "1 failed" in said.stdout
    assert "test_a_dry_run_changes_nothing" in said.stdout


@pytest.mark.whole
@pytest.mark.parametrize(
    ("name", "kind", "words"),
    [
        ("Count", "step", "Here: `count`."),
        ("рахунок", "step", "Here: `rakhunok`."),
        ("count files", "step", "Here: `count-files`."),
        ("../evil", "step", "Here: `evil`."),
        ("9lives", "step", "Here: `lives`."),
        ("", "step", "small Latin letters"),
        ("import", "step", "small Latin letters"),
        ("a" * 41, "step", "small Latin letters"),
        ("import-orders", "step", "There is a step called import-orders already"),
        ("books", "system", "There is a system called books already"),
        ("mine", "planet", "step, format, system or channel"),
    ],
)
def test_a_name_that_cannot_be(tmp_path: Path, name: str, kind: str, words: str) -> None:
    use_language("en")
    with pytest.raises(ConfigError) as caught:
        new_plugin(tmp_path, name, kind, load_registry())
    (finding,) = caught.value.findings
    assert words in f"{finding.text} {finding.hint}"
    assert list(tmp_path.iterdir()) == []


def test_what_is_there_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_mine.py").write_text("mine", encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        new_plugin(tmp_path, "mine", "step", load_registry())
    assert caught.value.code == "new-exists"
    assert (tmp_path / "tests" / "test_mine.py").read_text(encoding="utf-8") == "mine"
    assert not (tmp_path / "plugins").exists()


def test_without_a_config_it_says_where_to_run(tmp_path: Path) -> None:
    said = mistok("--language", "en", "-c", tmp_path / "config.yaml", "new", "plugin", "mine", "--kind", "step")
    assert said.code == 2
    assert "Run it in the client's folder" in said.err


@pytest.mark.whole
@pytest.mark.parametrize(
    ("version", "words"),
    [
        (API_VERSION, ""),
        (f"{int(API_VERSION.split('.')[0]) + 1}.0", "Update Mistok"),
        (f"{API_VERSION.split('.')[0]}.{int(API_VERSION.split('.')[1]) + 1}", "Update Mistok"),
        ("0.9", "Bring it up to date"),
        ("one", "is not a version"),
    ],
)
def test_a_plugin_of_another_version_is_told(tmp_path: Path, version: str, words: str) -> None:
    use_language("en")
    plugin, _test = new_plugin(tmp_path, "mine", "step", load_registry())
    written = plugin.read_text(encoding="utf-8")
    plugin.write_text(written.replace(f'"{API_VERSION}"', f'"{version}"'), encoding="utf-8")
    if not words:
        assert "mine" in load_registry(tmp_path / "plugins").steps
        return
    with pytest.raises(ConfigError) as caught:
        load_registry(tmp_path / "plugins")
    assert words in f"{caught.value.findings[0].text} {caught.value.findings[0].hint}"
