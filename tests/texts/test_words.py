"""What the command line library says of a wrong call, whole in the reader's language."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer.main

from pipeline.cli.app import app
from pipeline.cli.words import error_words
from pipeline.texts import current_language, use_language


@pytest.fixture(autouse=True)
def _ukrainian() -> Iterator[None]:
    before = current_language()
    use_language("uk")
    yield
    use_language(before)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (["orders", "--limit", "0"], "Так не можна задати --limit / -n: щонайменше 1"),
        (["orders", "--limit", "x"], "Так не можна задати --limit / -n: потрібне ціле число"),
        (["serve", "--workers", "65"], "Так не можна задати --workers: щонайбільше 64"),
        (["serve", "--drain", "x"], "Так не можна задати --drain: потрібне число"),
        (["books", "load", "absent.csv"], "Так не можна задати files: absent.csv немає"),
        (["books", "load", "."], "Так не можна задати files: . — папка"),
        (["books", "load", "--numbers", "fr", "x"], "Так не можна задати --numbers: fr немає серед auto, uk, en"),
        (["orders", "--limt", "3"], "Параметра --limt немає. Можливо, ви мали на увазі --limit?"),
        (["orders", "--limit"], "Параметр --limit потребує значення."),
        (["run"], "Бракує job."),
        (["ordrs"], "Команди ordrs немає. Можливо, ви мали на увазі orders, cards?"),
        (["qqq"], "Команди qqq немає."),
        (["jobs", "x", "y"], "Забагато слів: x y."),
    ],
)
def test_a_wrong_call_is_told_in_ukrainian(
    call: list[str], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Exception) as caught:  # noqa: PT011 - the library's own, of several classes
        app(call, standalone_mode=False)
    tell = caught.value.format_message  # type: ignore[attr-defined]
    assert error_words(tell()) == words


def test_the_help_names_no_types_of_python() -> None:
    command = typer.main.get_command(app)
    context = command.make_context("mistok", [], resilient_parsing=True)
    texts = [command.get_help(context)]
    for name in command.list_commands(context):  # type: ignore[attr-defined]
        verb = command.get_command(context, name)  # type: ignore[attr-defined]
        texts.append(verb.get_help(verb.make_context(name, [], parent=context, resilient_parsing=True)))
    assert len(texts) > 10
    assert "<текст>" in texts[0]
    for text in texts:
        assert re.findall(r"<[^>]*(?:str|int|float|Path|list|range)[^>]*>|Usage:|Options:", text) == []
