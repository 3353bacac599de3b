"""In which language a call is answered, before and after its config is read."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.cli import language_first, language_of_config
from tests.e2e.command import mistok


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    assert mistok("init", tmp_path / "shop", "--language", "uk").code == 0
    return tmp_path / "shop"


@pytest.mark.parametrize(
    "words", [("orders", "-s", "bogus"), ("notices", "-s", "bogus"), ("orders", "--limit", "0"), ("nosuch",)]
)
def test_the_configs_language_tells_wrong_calls_too(shop: Path, words: tuple[str, ...]) -> None:
    said = mistok(*words, cwd=shop)
    assert said.code == 2
    assert any("а" <= letter <= "я" for letter in said.err), said.err
    assert "There is no" not in said.err
    english = mistok("--language", "en", *words, cwd=shop)
    assert not any("а" <= letter <= "я" for letter in english.err), english.err
    assert mistok(*words, cwd=shop, env={"MISTOK_LANGUAGE": "en"}).err == english.err


def test_the_language_is_taken_before_and_after_the_verb(shop: Path) -> None:
    for words in (("--language", "en", "orders"), ("orders", "--language", "en"), ("orders", "--language=en")):
        assert mistok(*words, cwd=shop).out == "No orders yet.\n", words
    assert mistok("plugins", "desktop", cwd=shop).out != mistok("plugins", "desktop", "--language", "en", cwd=shop).out


def test_verbs_with_a_language_of_their_own_keep_it() -> None:
    for words in (["init", "shop", "--language", "uk"], ["books", "load", "t.csv", "--language", "uk-UA"]):
        assert language_first(words) == words
    assert language_first(["orders", "x", "--language", "en", "-s", "held"])[:3] == ["--language", "en", "orders"]
    assert language_first(["trace", "--", "--language"]) == ["trace", "--", "--language"]


def test_the_language_is_seen_through_includes_and_in_broken_files(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text("language: 'uk'\n", "utf-8")
    (tmp_path / "one.yaml").write_text("include: base.yaml\nclient: {broken\n", "utf-8")
    (tmp_path / "circle.yaml").write_text("include: circle.yaml\n", "utf-8")
    assert language_of_config(["-c", str(tmp_path / "one.yaml"), "orders"]) == "uk"
    assert language_of_config([f"--config={tmp_path / 'base.yaml'}"]) == "uk"
    assert language_of_config(["-c", str(tmp_path / "circle.yaml")]) is None
    assert language_of_config(["-c", str(tmp_path)]) is None
