"""The Ukrainian catalogue: every text of the code is in it, translated, with the same fields, and nothing else is."""

from __future__ import annotations

import importlib.util
import re
import string
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from pydantic import BaseModel

from pipeline.cli.plugins import parameters
from pipeline.config import shape
from pipeline.config.model import ClientConfig
from pipeline.registry import load_registry
from pipeline.settings import described, meaning
from pipeline.texts import current_language, use_language
from pipeline.transports import TRANSPORTS

ROOT = Path(__file__).resolve().parents[2]


def _script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("mistok_texts_script", ROOT / ".ci" / "texts.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


script: Any = _script()
#: One process of several: the whole code is read for them.
pytestmark = pytest.mark.xdist_group("texts")


@cache
def texts() -> tuple[list[Any], list[str]]:
    """What is marked in the code; read once, and not before a test asks."""
    found: tuple[list[Any], list[str]] = script.extract()
    return found


catalogue: Any = script.catalogue()
HOW = "run: python .ci/texts.py, then write the translation"


def entries() -> Iterator[tuple[tuple[str, ...], tuple[str, ...]]]:
    """(English singular and plural, Ukrainian forms) of each message."""
    for message in catalogue:
        if message.id:
            english = message.id if isinstance(message.id, (tuple, list)) else (message.id,)
            ukrainian = message.string if isinstance(message.string, (tuple, list)) else (message.string,)
            yield tuple(english), tuple(ukrainian)


def fields(pattern: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(pattern) if name}


def formatted(english: tuple[str, ...]) -> bool:
    """Whether the code gives it arguments: other texts are never formatted, and may have braces of any kind."""
    return len(english) == 2 or bool(re.search(r"(?<![{$])\{\w+\}", english[0]))


def test_every_text_is_a_literal_where_it_is_marked() -> None:
    assert texts()[1] == []


def test_braces_are_doubled_only_where_fields_are_filled_in() -> None:
    """What is given no arguments is shown as it is written."""
    doubled = {text.id for text in texts()[0] if isinstance(text.id, str) and "{{" in text.id}
    assert sorted(one for one in doubled if not re.search(r"\{\w+\}", re.sub(r"\{\{|\}\}", "", one))) == []


def test_no_text_is_missing_in_the_catalogue() -> None:
    known = {english if len(english) == 2 else english[0] for english, _ in entries()}
    singulars = {english[0] for english, _ in entries()}
    missing = {
        text.id for text in texts()[0] if (text.id if isinstance(text.id, tuple) else None) not in known | {None}
    }
    missing |= {text.id for text in texts()[0] if isinstance(text.id, str) and text.id not in singulars}
    assert sorted(map(str, missing)) == [], HOW


def test_every_text_is_translated() -> None:
    empty = [english[0] for english, ukrainian in entries() if not all(ukrainian)]
    assert empty == [], HOW


def test_no_text_of_the_catalogue_is_unused_or_unsure() -> None:
    used = {text.id[0] if isinstance(text.id, tuple) else text.id for text in texts()[0]}
    assert [english[0] for english, _ in entries() if english[0] not in used] == []
    assert list(catalogue.obsolete) == []
    assert [message.id for message in catalogue if message.fuzzy] == []


def test_the_fields_are_the_same_in_both_languages() -> None:
    wrong = [
        (english[-1], form)
        for english, ukrainian in entries()
        if formatted(english)
        for form in ukrainian
        if form and fields(form) != fields(english[-1])
    ]
    assert wrong == []


def test_plurals_have_the_three_forms_of_ukrainian() -> None:
    assert catalogue.num_plurals == 3
    assert [english for english, ukrainian in entries() if len(english) == 2 and len(ukrainian) != 3] == []


def test_line_breaks_and_ends_agree() -> None:
    """A question stays a question, and what ends without a full stop is a label."""
    wrong = []
    for english, ukrainian in entries():
        for form in ukrainian:
            if form and (form.count("\n") != english[0].count("\n") or (english[0][-1] == "?") != (form[-1] == "?")):
                wrong.append((english[0], form))
            if form and (english[0][-1] == ".") != (form[-1] == ".") and english[0] != "No.":
                wrong.append((english[0], form))
    assert wrong == []


def test_indents_agree() -> None:
    """What is set in by blanks in one language is set in by as many in the other."""
    strip = [(english[0], form) for english, forms in entries() for form in forms if form]
    wrong = [
        (english, form)
        for english, form in strip
        if len(english) - len(english.lstrip()) != len(form) - len(form.lstrip())
        or english.endswith(" ") != form.endswith(" ")
    ]
    assert wrong == []


@pytest.mark.parametrize("letters", ["ы", "э", "ё", "ъ"])
def test_no_russian_letter_slipped_in(letters: str) -> None:
    """Between backticks stand names as a format has them: those of CommerceML are Russian."""
    written = [(form, re.sub(r"`[^`]*`", "", form)) for _, forms in entries() for form in forms]
    assert [form for form, words in written if letters in words.lower()] == []


def test_words_have_one_alphabet() -> None:
    """A Latin i or a in a Cyrillic word looks right and is never found again."""
    mixed = re.compile(r"[а-яіїєґ][a-z]|[a-z][а-яіїєґ]", re.IGNORECASE)
    assert [form for _, forms in entries() for form in forms if mixed.search(form.replace("\\n", " "))] == []


def settings_shown() -> Iterator[type[BaseModel]]:
    """Every settings class that `mistok plugins` can show, and the config's own."""
    registry = load_registry(None)
    plugins = (registry.steps, registry.formats, registry.systems, registry.channels)
    waiting: list[type[BaseModel]] = [ClientConfig, *TRANSPORTS.values()]
    waiting += [plugin.settings for kind in plugins for plugin in kind.values()]
    seen: set[type[BaseModel]] = set()
    while waiting:
        model = waiting.pop()
        if model not in seen:
            seen.add(model)
            yield model
            for field in model.model_fields.values():
                waiting += shape.models_in(field.annotation) + shape.models_in(shape.item_of(field.annotation))


def test_every_description_of_a_parameter_is_translated() -> None:
    """What pydantic takes of the docstrings at run time is what the extraction found in the files."""
    shown = {described(meaning(model, name)) for model in settings_shown() for name in model.model_fields}
    shown |= {described(model.__doc__) for model in TRANSPORTS.values()}
    assert len(shown) > 100
    assert sorted(text.msgid for text in shown if text.msgid and text.render("uk") == text.msgid) == []


def test_parameters_are_told_in_ukrainian() -> None:
    before = current_language()
    use_language("uk")
    try:
        rows = {row["parameter"]: row for row in parameters(load_registry(None).formats["joomshopping-csv"].settings)}
    finally:
        use_language(before)
    assert (rows["columns"]["type"], rows["columns"]["required"]) == ("список: набір ключів", False)
    assert (rows["columns[].header"]["type"], rows["columns[].header"]["required"]) == ("текст", True)
    assert rows["header"]["description"] == "Записувати рядок заголовків."
    assert rows["encoding"]["type"] == "utf-8 | windows-1251 | iso-8859-1"
    assert rows["encoding"]["default"] == "utf-8"


def test_extraction_finds_what_it_should(tmp_path: Path) -> None:
    for room in script.ROOMS:
        (tmp_path / room).mkdir()
    (tmp_path / "pipeline" / "a.py").write_text(
        'T("one")\nTN("{n} two", "{n} twos", 2)\nT("three "\n  "four")\nT(words)\nT(f"{x}")\ntexts.T("five")\n',
        encoding="utf-8",
    )
    (tmp_path / "plugins" / "b.py").write_text(
        'class Mine(api.Settings):\n    """Not shown."""\n\n    x: int\n    """Of two\n    lines."""\n    y: int\n\n'
        'class Yours(Mine):\n    z: int = 1\n    """Six.\n\n    Not shown."""\n\n'
        'class Other(Base):\n    q: int\n    """Not shown."""\n',
        encoding="utf-8",
    )
    found, wrong = script.extract(tmp_path)
    told = {"one", ("{n} two", "{n} twos"), "three four", "five", "Of two lines.", "Six."}
    assert {text.id for text in found} == told
    assert wrong == ["pipeline/a.py:5", "pipeline/a.py:6"]
