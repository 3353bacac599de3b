"""F53: configs with slips of every kind: a ConfigError with file and line, or a config; never anything else."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.config.load import load_config
from pipeline.config.yaml import YamlProblem, parse_yaml, plain
from pipeline.errors import ConfigError
from pipeline.registry import Registry, load_registry
from pipeline.settings import Settings
from tests.faults import tally
from tests.fuzz.profile import examples

CONFIG = """\
client: acme
timezone: Europe/Kyiv
language: uk
currency: UAH
connections:
  site: {type: sftp, host: shop.example, port: 22, user: shop, password: "${env:SHOP_PASSWORD}"}
  old: &old
    type: ftp
    host: ftp.example
    user: "0042"
    password: secret
    tls: explicit
  older:
    <<: *old
    user: NO
  here: {type: local, path: inbox}
  books:
    type: books
    url: sqlite:///books.sqlite3
    matching: {leading_zeros: false, dashes: unify}
ledger: {url: "sqlite:///ledger.sqlite3"}
log: {file: null, level: info}
alerts:
  burst: 4
jobs:
  orders:
    every: 1m
    watch: true
    time_limit: 5m
    steps:
      - step: import-orders
        inbox: site
        folder: orders
        into: books
        client: {from: customer.code, else: "0042"}
        grace: 10m
        max_size: 10 MB
        tolerance: "0.01"
        mappings: {sku: {AB-1: AB1, "0042": "42"}, warehouse: {Склад 3: main}}
  catalogue:
    cron: "30 3 * * *"
    steps:
      - {step: export-catalogue, from: books, to: older, folder: goods, format: {type: joomshopping-csv}}
"""
PIECES = [
    *("\t", "  ", "\n", ":", ": ", "- ", "#", "'", '"', "{", "}", "[", "]", ",", "&a ", "*a", "<<: ", "!!python/x "),
    *("|", "? ", "---\n", "...\n", "%YAML 1.1\n", "null", "~", "yes", "NO", "0042", "0o17", "1e3", "12:30", "-1"),
    *("9" * 400, "${env:NONE}", "${file:/nothing}", "${", "Склад", "\u00a0", "\ufeff", "\x00", "\x85", "\u2028"),
    *("×" * 300, "client: b\n", "jobs:\n", "include: x.yaml\n", "steps:\n", "every: 0s\n", "type: smtp\n"),
    *("[" * 60, "&x [*x]"),
]
WORDS = sorted({word for word in CONFIG.replace("{", " ").replace("}", " ").replace(",", " ").split() if len(word) > 1})
#: Mistakes of a file as a whole have no line.
WHOLE = {"config-file", "yaml-encoding"}
tried: list[int] = []


@pytest.fixture(autouse=True)
def _count() -> None:
    tried.clear()


@pytest.fixture(scope="module")
def registry() -> Registry:
    return load_registry()


@pytest.fixture(scope="module")
def transports() -> dict[str, type[Settings]]:
    from pipeline.transports import TRANSPORTS

    return dict(TRANSPORTS)


def mutated(seed: int) -> str:
    chance = random.Random(seed)
    text = CONFIG
    for _ in range(chance.choice((1, 1, 1, 2, 4))):
        lines = text.splitlines(keepends=True) or [""]
        place = chance.randrange(len(lines))
        at = chance.randrange(len(text) + 1)
        match chance.randrange(8):
            case 0:
                text = text[:at] + chance.choice(PIECES) + text[at:]
            case 1:
                text = text[:at] + text[at + chance.randrange(1, 12) :]
            case 2:  # a slip of one key
                text = text[:at] + chance.choice("abcxyzабв-_ .1") + text[at + 1 :]
            case 3:
                text = "".join(lines[:place] + lines[place + 1 :])
            case 4:
                text = "".join([*lines[:place], lines[place], *lines[place:]])
            case 5:  # the wrong indentation
                lines[place] = chance.choice((" ", "  ", "\t", "    ")) + lines[place].lstrip(" ")
                text = "".join(lines)
            case 6:
                other = chance.randrange(len(lines))
                lines[place], lines[other] = lines[other], lines[place]
                text = "".join(lines)
            case _:
                text = text.replace(chance.choice(WORDS), chance.choice([*WORDS, *PIECES]), 1)
    return text


def looked_at(path: Path, data: bytes, registry: Registry, transports: dict[str, type[Settings]]) -> bool:
    """Whether the config is taken; AssertionError for whatever must never be."""
    tried.append(1)
    path.write_bytes(data)
    lines = data.count(b"\n") + data.count(b"\r") + 2
    try:
        load_config(path, environ={"SHOP_PASSWORD": "hidden-words"}, registry=registry, transports=transports)
    except ConfigError as error:
        findings = error.findings
    else:
        return True
    assert findings
    for one in findings:
        for language in ("uk", "en"):
            words = one.text.render(language) + (one.hint.render(language) if one.hint else "")
            assert words
            assert "hidden-words" not in words
            assert len(words) < 3000, words[:300]
        assert one.where.file
        if one.code not in WHOLE:
            assert one.where.line, (one.code, words)
            assert 1 <= one.where.line <= lines + 8 * data.count(b"\xe2\x80"), words
    return False


def test_f53_the_config_that_is_mutated_is_good(
    tmp_path: Path, registry: Registry, transports: dict[str, type[Settings]]
) -> None:
    assert looked_at(tmp_path / "config.yaml", CONFIG.encode(), registry, transports)
    config = load_config(tmp_path / "config.yaml", environ={"SHOP_PASSWORD": "x"})
    assert config.connections["older"].params.model_dump()["user"] == "NO"
    assert config.connections["old"].params.model_dump()["user"] == "0042"


def test_f53_any_slip_in_a_config_is_told_with_its_line(
    tmp_path: Path, registry: Registry, transports: dict[str, type[Settings]]
) -> None:
    path = tmp_path / "config.yaml"
    good: list[bool] = []

    @examples(200, 2000)
    @given(st.integers(0, 2**32), st.binary(max_size=2))
    def any_slip(seed: int, tail: bytes) -> None:
        data = mutated(seed).encode("utf-8", "surrogatepass")
        good.append(looked_at(path, data + tail if seed % 10 == 0 else data, registry, transports))

    any_slip()
    assert 0.05 < sum(good) / len(good) < 0.8, "some slips do no harm, most do"
    tally.note("inputs", good.count(False))


ODD = (
    *(
        "0042",
        "NO",
        "no",
        "on",
        "1e3",
        "12:30",
        "0x1F",
        "1_000",
        ".5",
        "+380671234567",
        "2026-11-22",
        "0o7",
        "1.10",
        "00",
    ),
    *("-0", "nan", ".inf", "y", "N", "Off", "12:30:45", "1,5", "007", "=", "<<"),
)
SCALARS = st.one_of(
    st.sampled_from(ODD),
    st.from_regex(r"[0-9]{1,12}", fullmatch=True),
    st.from_regex(r"[A-Za-zА-Яа-яІіЇїЄєҐґ0-9_.+/-]{1,14}", fullmatch=True),
    st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S", "Zs")), max_size=20),
)


@examples(300, 4_000)
@given(
    st.dictionaries(
        SCALARS.filter(lambda key: key not in ("", "<<")), st.one_of(SCALARS, st.lists(SCALARS, max_size=4)), max_size=6
    )
)
def _what_is_quoted_comes_back(said: dict[str, object]) -> None:
    tried.append(1)
    written = "\n".join(
        f"{json.dumps(key, ensure_ascii=False)}: {json.dumps(value, ensure_ascii=False)}" for key, value in said.items()
    )
    node, findings = parse_yaml(written or "{}", "x.yaml")
    assert findings == ()
    assert plain(node) == said


@examples(300, 4_000)
@given(st.lists(SCALARS, max_size=5))
def _what_is_plain_stays_as_written(words: list[str]) -> None:
    """A bare word that YAML takes for a word at all is that word: no octal, no Norway, no sexagesimal clock."""
    tried.append(1)
    for word in words:
        try:
            node, findings = parse_yaml(f"key: {word}\n", "x.yaml")
        except YamlProblem:
            continue
        value = plain(node)["key"]
        core = {"null": None, "~": None, "true": True, "false": False, "": None}
        bare = word.strip(" ")
        expected = core.get(bare.lower(), bare)
        if (
            findings
            or not isinstance(value, (str, bool, type(None)))
            or " #" in word
            or word[:1] in "&*!|>'\"%@`#{[-?:"
        ):
            continue
        assert value == expected, word


def test_f53_values_come_back_as_they_were_written() -> None:
    _what_is_quoted_comes_back()
    _what_is_plain_stays_as_written()
