"""A client's own plugins: loaded once, and a broken one is the only mistake that it makes."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from pipeline.config.load import load_config
from pipeline.errors import ConfigError
from pipeline.registry import load_registry, own_sources

PLUGIN = """\
from pipeline.api import FreeStep, Settings, StepPlugin, StepResult, T

class Own(Settings):
    words: str = "a"

PLUGIN = StepPlugin(name="{name}", summary=T("x"), settings=Own, kind=FreeStep(lambda settings, context: StepResult()))
"""
CONFIG = """\
client: shop
connections: {site: {type: local, path: site}}
jobs:
  good: {every: 1h, steps: [{step: good-step}]}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins/good.py").write_text(PLUGIN.format(name="good-step"), "utf-8")
    (tmp_path / "config.yaml").write_text(CONFIG, "utf-8")
    return tmp_path


def mistakes(folder: Path) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_config(folder)
    return [finding.text.render("en") for finding in caught.value.findings]


def test_a_plugin_is_one_and_the_same_however_often_it_is_looked_for(folder: Path) -> None:
    config = load_config(folder)
    again = load_registry(folder / "plugins").steps["good-step"]
    params = config.jobs["good"].steps[0].params
    assert type(params) is again.settings
    assert pickle.loads(pickle.dumps(params)) == params


def test_a_changed_plugin_is_loaded_anew_and_the_old_values_stay_what_they_are(folder: Path) -> None:
    path = folder / "plugins/good.py"
    old = load_config(folder).jobs["good"].steps[0].params
    kept = own_sources(folder / "plugins")
    path.write_text(path.read_text("utf-8").replace('"a"', '"b"'), "utf-8")
    new = load_config(folder).jobs["good"].steps[0].params
    assert (old.words, new.words) == ("a", "b")  # type: ignore[attr-defined]
    assert pickle.loads(pickle.dumps(old)) == old
    assert load_registry(sources=kept).steps["good-step"].settings is type(old)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("import nowhere_at_all", "ModuleNotFoundError"),
        ("import sys; sys.exit(3)", "SystemExit: 3"),
        ("def broken(:", "SyntaxError"),
        ("PLUGINS = 5", "registers no plugin"),
        ("raise ValueError", "ValueError: -"),
    ],
)
def test_a_broken_plugin_is_the_only_mistake(folder: Path, code: str, words: str) -> None:
    (folder / "plugins/bad.py").write_text(f"NAME = 'bad-step'\n{code}\n", "utf-8")
    with (folder / "config.yaml").open("a", encoding="utf-8") as text:
        text.write("  bad: {every: 1h, steps: [{step: bad-step}]}\n")
    [mistake] = mistakes(folder)
    assert words in mistake
    assert str(folder / "plugins/bad.py") in mistake


def test_a_misspelt_step_is_told_beside_a_broken_plugin(folder: Path) -> None:
    (folder / "plugins/bad.py").write_text("import nowhere_at_all\n", "utf-8")
    text = (folder / "config.yaml").read_text("utf-8")
    (folder / "config.yaml").write_text(text.replace("good-step", "good-stp"), "utf-8")
    broken, misspelt = mistakes(folder)
    assert "nowhere_at_all" in broken
    assert misspelt == "Step `good-stp` is not known."


def test_two_plugins_of_one_name_are_told_with_both_files(folder: Path) -> None:
    (folder / "plugins/twin.py").write_text(PLUGIN.format(name="good-step"), "utf-8")
    [mistake] = mistakes(folder)
    assert "good.py" in mistake
    assert "twin.py" in mistake
