"""A wrong config is told in its own language, in our own words, and never without an end."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipeline.cli.app import app
from pipeline.config.load import language_of, load_config
from pipeline.config.yaml import YamlProblem, parse_yaml
from pipeline.errors import ConfigError

BROKEN = (
    *("a: [", "a: {b: ", "a: [1, ]]", "a: - b", "? a\n? - b: ? c", "a: &", "a: *", "a: !<x", "a: !x!y z", "a: |x\n  b"),
    *(
        'a: "\\xZZ"',
        'a: "b\n---\nc"',
        "%FOO\na: b",
        "%YAML 3.0\n--- a",
        'a: "\\UFFFFFFFF"',
        "a: b: c",
        "a: 'x",
        "a: %x",
    ),
)


@pytest.mark.parametrize("text", BROKEN)
def test_no_sentence_of_the_library_is_told(text: str) -> None:
    with pytest.raises(YamlProblem) as caught:
        parse_yaml(text, "f")
    words = caught.value.finding.text.render("en")
    assert not any(part in words for part in ("while ", "expected '", "found ", "<", "could not"))
    assert caught.value.finding.where.line


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("client: a\nbogus: 1\n", "uk"),
        ("client: a\nlanguage: en\nbogus: 1\n", "en"),
        ("client: a\nlanguage: ru\n", "uk"),
        ("language: en\nclient: [\n", "en"),
        ("language: 'en' # words\nclient: [\n", "en"),
        ("client: [\n", "uk"),
    ],
)
def test_mistakes_are_told_in_the_language_of_the_file(
    tmp_path: Path, text: str, language: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("MISTOK_LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    path = tmp_path / "config.yaml"
    path.write_text(text, "utf-8")
    assert language_of(path) == language_of(tmp_path) == language

    def told(*options: str) -> bool:
        """Whether it was in Ukrainian."""
        done = CliRunner().invoke(app, ["--config", str(path), *options, "check"])
        assert done.exit_code == 2
        own = (done.output + done.stderr).replace(str(tmp_path), "")
        return any("а" <= letter <= "я" for letter in own)

    assert told() is (language == "uk")
    assert told("--language", "en") is False
    monkeypatch.setenv("MISTOK_LANGUAGE", "en")
    assert told() is False


def test_a_file_that_is_not_there_has_no_language(tmp_path: Path) -> None:
    assert language_of(tmp_path / "none.yaml") is None


def test_thirty_thousand_unknown_keys_end(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("".join(f"clientt{n}: 1\n" for n in range(30_000)), "utf-8")
    began = time.process_time()
    with pytest.raises(ConfigError) as caught:
        load_config(tmp_path)
    assert time.process_time() - began < 30
    findings = caught.value.findings
    assert len(findings) == 101
    assert sum(finding.code == "config-unknown-key" for finding in findings) >= 95
    assert findings[-1].text.render("en").endswith("more mistakes.")


@pytest.mark.parametrize("key", ["base", "source", "config_hash", "secrets", "bogus"])
def test_keys_that_are_known_are_those_that_people_may_write(tmp_path: Path, key: str) -> None:
    (tmp_path / "config.yaml").write_text(f"client: a\nconnections: {{}}\njobs: {{}}\n{key}: 1\n", "utf-8")
    with pytest.raises(ConfigError) as caught:
        load_config(tmp_path)
    [finding] = caught.value.findings
    assert finding.hint is not None
    words = finding.hint.render("en")
    assert "config_hash" not in words
    assert "secrets" not in words
    assert "include" in words


def test_a_misspelt_include_is_known(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("client: a\nconnections: {}\njobs: {}\ninclud: b.yaml\n", "utf-8")
    with pytest.raises(ConfigError) as caught:
        load_config(tmp_path)
    assert caught.value.hint is not None
    assert caught.value.hint.render("en") == "Did you mean `include`?"
