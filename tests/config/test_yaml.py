"""Nasty YAML: what it says is what comes out, or a finding at the right place."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.config import yaml as reading
from pipeline.config.load import load_config
from pipeline.config.yaml import Mapping, Scalar, YamlProblem, parse_yaml, plain, read_yaml
from pipeline.errors import ConfigError
from pipeline.registry import Registry
from pipeline.settings import Settings as PluginSettings
from tests.everyday import examples


def data(text: str) -> Any:
    """What a text without mistakes says."""
    node, findings = parse_yaml(text, "x.yaml")
    assert findings == ()
    return plain(node)


def why(text: str) -> str:
    """The one mistake of a text, with its place."""
    try:
        _, findings = parse_yaml(text, "x.yaml")
    except YamlProblem as error:
        findings = (error.finding,)
    assert len(findings) == 1, findings
    found = findings[0]
    return f"{found.where.line}:{found.where.column} {found.text.render('en')}"


@pytest.mark.parametrize(
    "written", ["0042", "1.10", "NO", "on", "yes", "12:30", "0x1F", "1e3", "2026-11-22", ".5", "0o17", "+380", "nan"]
)
def test_plain_scalars_stay_as_written(written: str) -> None:
    assert data(f"key: {written}") == {"key": written}
    assert data(f"{written}: value") == {written: "value"}


@pytest.mark.parametrize(
    ("written", "value"), [("true", True), ("FALSE", False), ("null", None), ("~", None), ("", None)]
)
def test_only_the_core_words_mean_something(written: str, value: object) -> None:
    assert data(f"key: {written}") == {"key": value}
    assert data(f'key: "{written}"') == {"key": written}


def test_keys_are_text() -> None:
    assert data("true: 1\nnull: 2\n0042: 3") == {"true": "1", "null": "2", "0042": "3"}


def test_anchors_and_merge_keys() -> None:
    text = "a: &a {x: 1, y: 2}\nb: &b {y: 3, z: 4}\nc:\n  <<: [*a, *b]\n  x: 9\nd: *a"
    assert data(text)["c"] == {"x": "9", "y": "2", "z": "4"}
    assert data(text)["d"] == {"x": "1", "y": "2"}


def test_block_text_and_windows_line_ends() -> None:
    assert data("a: |\r\n  one\r\n  two\r\nb: 'C:\\orders'\r\n") == {"a": "one\ntwo\n", "b": "C:\\orders"}


def test_every_value_knows_its_place() -> None:
    node, _ = parse_yaml("a:\n  - b: value", "x.yaml")
    assert isinstance(node, Mapping)
    deep = node.entries["a"].node.items[0].entries["b"]  # type: ignore[union-attr]
    assert (deep.key_mark.line, deep.key_mark.column) == (2, 5)
    assert isinstance(deep.node, Scalar)
    assert (deep.node.mark.line, deep.node.mark.column) == (2, 8)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: 1\nb: 2\na: 3", "3:1 Key `a` is here twice; the first is in line 1."),
        ("a:\n\tb: 1", "2:1 There is a tab here; YAML wants spaces."),
        ("a: b: c", "1:5 A colon is not expected here."),
        ("a: 'open\nb: 1", "2:5 A quote that opens in line 1 is never closed."),
        ("a: *nobody", "1:4 The alias `nobody` has no anchor above it in this file."),
        ("a: &x 1\nb: &x 2", "2:4 The anchor `x` is here twice."),
        ("a: !!python/object:os.system x", "1:4 Tag `!!python/object:os.system` is not known here."),
        ("a: !secret x", "1:4 Tag `!secret` is not known here."),
        ("a: @x", "1:4 The character `@` may not begin a value."),
        ("a: 1\n---\nb: 2", "2:1 One file holds one config; a second one begins here."),
        ("a: [1, 2\nb: 3", "2:2 The brackets that open in line 1 are not closed here, or a comma is missing."),
        ("a: 1\n   b: 2", "2:5 A colon is not expected here."),
        ("a:\n  b: 1\n c: 2", "3:2 This does not fit the block that begins in line 1."),
        ('a: "C:\\orders"', "1:8 `\\o` is not an escape that YAML knows."),
        ("? [a, b]\n: 1", "1:3 A key must be a word, not a list or a mapping."),
        ("a: &a [*a]", "1:4 This anchor contains itself."),
        ("a: {<<: 5}", "1:9 `<<` takes a mapping by its anchor, such as `<<: *common`, or a list of them."),
        ("a: {<<: {b: 1}, <<: {c: 1}}", "1:17 `<<` stands here twice."),
        ('a: "\\ud800"', "1:4 This text has half a character (a lone surrogate)."),
        ("", "1:1 The file is empty."),
        ("# only a remark\n", "1:1 The file is empty."),
        ("a: \x07", "1:4 Character U+0007 may not stand in a YAML file."),
        ("a: " + "[" * 60 + "]" * 60, "1:43 Nested deeper than 40 levels."),
    ],
)
def test_mistakes_have_our_words_and_a_place(text: str, expected: str) -> None:
    assert why(text) == expected


def test_an_alias_bomb_is_refused() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    assert "more than 50000 values" in why("\n".join(lines))


def test_encodings(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_bytes("﻿client: їжак".encode())
    assert plain(read_yaml(path)[0]) == {"client": "їжак"}
    path.write_bytes("a: 1\nclient: Їжак".encode("cp1251"))
    with pytest.raises(YamlProblem) as caught:
        read_yaml(path)
    found = caught.value.finding
    assert found.text.render("en") == "The file is not UTF-8: it looks like windows-1251."
    assert (found.where.line, found.where.column) == (2, 9)
    path.write_bytes("client: demo".encode("utf-16"))
    with pytest.raises(YamlProblem, match="yaml-encoding"):
        read_yaml(path)
    path.write_bytes(b"a: " + b"x" * 1_000_001)
    with pytest.raises(YamlProblem, match="config-file"):
        read_yaml(path)
    with pytest.raises(YamlProblem, match="config-file"):
        read_yaml(tmp_path / "nothing.yaml")
    with pytest.raises(YamlProblem, match="config-file"):
        read_yaml(tmp_path)


@given(st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S", "Zs")), max_size=40))
def test_quoted_text_comes_back_whole(text: str) -> None:
    quoted = text.replace("'", "''")
    assert data(f"key: '{quoted}'") == {"key": text}


@given(st.from_regex(r"[0-9A-Za-z_.+][0-9A-Za-z_.:+-]{0,15}", fullmatch=True).filter(lambda word: word[-1] != ":"))
def test_plain_text_comes_back_whole(word: str) -> None:
    if word.lower() not in ("null", "true", "false"):
        assert data(f"key: {word}") == {"key": word}


_LINES = """client: demo|connections:|jobs:|  a: {type: sftp, host: h}|    steps:|      - step: tidy|  b:|- |&a |*a|
<<: |!!str |!x|{|}|[|]|,|: |>|'|"|#|---|...|%YAML 9.9|include: config.yaml|include: [a, {b: c}]|${env:X}|${file:\\0}|
${|~|0042|watch: true|cron: '* * * * *'|at: 25:00|null|\\|"\\U00110000"|"\\ud800"|timezone: ../x|alerts: |
    password: |  a:|    type: books|    url: sqlite:///x""".replace("|\n", "|").split("|")
_SPACES = ["\n", "\n  ", "\n    ", "\t", "\ufeff", "\x00", "|\n", f"every: {'9' * 400}d", f"max_size: {'9' * 400}"]
_PIECES = st.sampled_from([*_LINES, *_SPACES])


@settings(max_examples=examples(300), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pieces=st.lists(st.one_of(_PIECES, st.text(max_size=6)), max_size=25), tail=st.binary(max_size=4))
def test_nothing_but_config_errors_ever(
    tmp_path: Path, registry: Registry, transports: dict[str, type[PluginSettings]], pieces: list[str], tail: bytes
) -> None:
    path = tmp_path / "config.yaml"
    path.write_bytes("".join(pieces).encode("utf-8", "surrogatepass") + tail)
    with contextlib.suppress(ConfigError):
        load_config(path, environ={}, registry=registry, transports=transports)
        return
    with pytest.raises(ConfigError) as caught:
        load_config(path, environ={}, registry=registry, transports=transports)
    for finding in caught.value.findings:
        assert finding.text.render("uk")
        assert finding.text.render("en")


def test_the_shape_of_the_mistakes(mistakes: Callable[..., list[str]]) -> None:
    assert mistakes("- a\n- b") == ["config.yaml:1:1 -: A config is a mapping of keys, such as `client: demo`."]


#: What an editor, a slip of the hand or another system may leave in a file.
_BITS = [
    "\t",
    "\n",
    "\ufeff",
    "\x85",
    "\u2028",
    "\r\n",
    "\\u12",
    "a: b\n",
    "---\n",
    "<<: ",
    "null",
    "&a ",
    "&a [",
    "*a",
    "!x ",
]
_BITS += list(" :-{}[],#\"'|>%\\?@é😀")


@given(st.lists(st.tuples(st.integers(0, 400), st.sampled_from(_BITS), st.integers(0, 2)), min_size=0, max_size=4))
@settings(deadline=None)
def test_libyaml_reads_what_the_slow_reader_does(slips: list[tuple[int, str, int]]) -> None:
    """Whichever is installed, a text says the same, at the same places, and its mistakes have the same words."""
    text = (
        "client: demo  # Ω\n"
        "x-common: &c {type: sftp, host: h, port: 22}\nconnections:\n  site:\n    <<: *c\n"
        "    password: '${env:P}'\n  books: {type: books, url: \"b\\u0041\"}\njobs:\n  orders:\n    every: 5m\n"
        '    at: ["03:00", 12:30]\n    steps:\n'
        "    - step: import-orders\n      note: >-\n        two\n        lines\n\n"
        "      inbox: site\n    - {step: tidy}\n"
    )
    for place, bit, cut in slips:
        text = text[:place] + bit + text[place + cut :]

    def read() -> object:
        try:
            node, findings = parse_yaml(text, "x.yaml")
        except YamlProblem as error:
            return error.finding
        return _without_columns_of_nothing(node), findings

    fast = read()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading, "_Fast", None)
        assert read() == fast


def _without_columns_of_nothing(node: reading.Node) -> object:
    """A value that is not there has its place, which may be told a column apart."""
    match node:
        case Scalar(value=None, text=""):
            return None
        case Scalar():
            return node, node.text, node.value
        case reading.Sequence():
            return node.mark, [_without_columns_of_nothing(item) for item in node.items]
        case Mapping():
            return node.mark, [
                (key, entry.key_mark, _without_columns_of_nothing(entry.node)) for key, entry in node.entries.items()
            ]
