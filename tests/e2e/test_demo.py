"""``mistok demo``: what a newcomer sees first, and the set-up that it leaves for playing."""

from __future__ import annotations

import json
import re
import shlex
import signal
import time
from pathlib import Path

import pytest

from tests.e2e.command import ROOT, Said, mistok, start

SAMPLES = {path.name: path for kind in ("good", "bad") for path in (ROOT / "samples/orders" / kind).glob("*.xml")}


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Said]:
    """The demo's folder, and what it said."""
    folder = tmp_path_factory.mktemp("demo") / "мій демо"
    return folder, mistok("--language", "en", "demo", "--keep", folder, cwd=folder.parent)


def test_it_shows_what_became_of_every_file_and_order(kept: tuple[Path, Said]) -> None:
    folder, said = kept
    assert said.code == 0, said.all
    assert said.err == ""
    plain = re.sub(r"\s+", " ", said.out)
    for name in SAMPLES:
        assert name in said.out, name
    assert f"Of {len(SAMPLES)} files" in plain
    assert "3. Run once more, nothing happens twice" in plain
    assert not re.search(r"\bT\(|<class|object at 0x|\{\w+\}", said.out)
    assert (folder / "site/goods/catalogue.csv").stat().st_size > 1000
    left = {path.name for path in (folder / "site/orders").iterdir()}
    refused = {
        name
        for name, path in SAMPLES.items()
        if json.loads(path.with_suffix(".expected.json").read_text("utf-8"))["outcome"] == "quarantined"
    }
    assert left == refused, "refused files stay for the site's developer, all others are gone"


def test_every_command_that_it_prints_works(kept: tuple[Path, Said]) -> None:
    folder, said = kept
    commands = [line.strip() for line in said.out.splitlines() if line.strip().startswith("mistok ")]
    assert len(commands) >= 6
    served = False
    for command in commands:
        words = shlex.split(command)[1:]
        if words[-1] == "serve":
            served = True
            _serves(words, folder)
            continue
        ran = mistok(*words, cwd=folder.parent)
        assert ran.code in (0, 1), (command, ran.all)
        assert ran.code == 0 or "run" in words, (command, ran.all)
        assert len(ran.out.splitlines()) >= 1, command
    assert served


def _serves(words: list[str], folder: Path) -> None:
    screen = folder.parent / "screen.txt"
    service = start(*words, cwd=folder.parent, screen=screen)
    try:
        end = time.monotonic() + 60
        while "serving" not in screen.read_text("utf-8"):
            assert time.monotonic() < end, screen.read_text("utf-8")
            assert service.poll() is None, screen.read_text("utf-8")
            time.sleep(0.05)
        service.send_signal(signal.SIGTERM)
        assert service.wait(30) == 0
    finally:
        service.kill()
        service.wait()
    assert "Traceback" not in screen.read_text("utf-8")


def test_it_runs_on_the_kept_folder_from_elsewhere(kept: tuple[Path, Said], tmp_path: Path) -> None:
    folder, _said = kept
    listed = mistok("-c", folder / "config.yaml", "files", "--json", "--limit", 100, cwd=tmp_path)
    assert listed.code == 0, listed.all
    ways = {way: {row["name"] for row in listed.json() if row["direction"] == way} for way in ("in", "out")}
    assert ways == {"in": set(SAMPLES), "out": {"catalogue.csv"}}
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_empty_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine", "utf-8")
    said = mistok("--language", "en", "demo", "--keep", tmp_path)
    assert said.code == 2
    assert "is not empty" in said.err
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
    taken = mistok("--language", "en", "demo", "--keep", tmp_path / "mine.txt")
    assert taken.code == 2, taken.all


def test_json_tells_the_same_and_leaves_nothing_behind(tmp_path: Path) -> None:
    said = mistok("demo", "--json", cwd=tmp_path, env={"TMPDIR": str(tmp_path)})
    assert said.code == 0, said.all
    story = said.json()
    assert set(story["sent"]) == set(SAMPLES)
    assert story["catalogue"]["rows"] == 30
    expected: dict[str, set[str]] = {}
    for name, path in SAMPLES.items():
        golden = json.loads(path.with_suffix(".expected.json").read_text("utf-8"))
        for order in golden["orders"]:
            expected.setdefault(order["number"], set()).add(name)
    assert {row["number"] for row in story["orders"]} <= set(expected)
    assert sum(row["state"] == "created" for row in story["orders"]) == story["counts"]["created"] >= 15
    assert story["again"][0] == {}, "the second run of the orders finds nothing to do"
    left = [path.name for path in tmp_path.iterdir() if not path.name.endswith(".log")]
    assert left == [], "no folder stays without --keep"


def test_it_speaks_ukrainian(tmp_path: Path) -> None:
    said = mistok("--language", "uk", "demo", cwd=tmp_path, env={"COLUMNS": "200"})
    assert said.code == 0, said.all
    assert "1. Каталог" in said.out
    for word in ("Файл", "Замовлення", "карантин", "Документ"):
        assert word.lower() in said.out.lower(), word
    own = re.sub(r"<[^>]*>|[A-Za-z0-9_.-]+\.(xml|csv|png|jpg)|127\.0\.0\.1\S*|SHA256:\S+|mistok\b.*", "", said.out)
    english = re.findall(r"\b(?:document made|held|quarantined|nothing|files|orders|line \d+|cut off|unknown)\b", own)
    assert english == []


@pytest.mark.parametrize(
    ("words", "env", "language"),
    [
        ((), {}, "en"),
        ((), {"LANG": "uk_UA.UTF-8"}, "uk"),
        ((), {"LANG": "uk_UA.UTF-8", "MISTOK_LANGUAGE": "en"}, "en"),
        (("--language", "uk"), {"MISTOK_LANGUAGE": "en"}, "uk"),
    ],
    ids=["plain", "machine", "variable", "option"],
)
def test_it_speaks_the_reader_s_language_and_so_does_what_it_leaves(
    tmp_path: Path, words: tuple[str, ...], env: dict[str, str], language: str
) -> None:
    said = mistok(*words, "demo", "--keep", tmp_path / "kept", cwd=tmp_path, env=env)
    assert said.code == 0, said.all
    assert ("1. Каталог" in said.out) == (language == "uk")
    assert f"language: {language}" in (tmp_path / "kept/config.yaml").read_text("utf-8").splitlines()
    # the set-up that is left answers in it by itself
    listed = mistok("-c", tmp_path / "kept/config.yaml", "orders", cwd=tmp_path)
    assert ("Замовлення" in listed.out) == (language == "uk"), listed.all
