"""One mistake does not hide another: five slips are five findings of one report, each with its line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.config.load import load_config
from pipeline.errors import ConfigError
from tests.everyday import examples


def test_a_wrong_value_hides_no_other_mistake_of_the_schedule(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(
        "client: acme\nlanguage: en\nconnections: {site: {type: local, path: site}, books: {type: books}}\njobs:\n"
        '  j:\n    every: 30s\n    at: ["25:00"]\n    cron: "61 * * * *"\n    catch_up: lst\n    wach: true\n'
        "    steps: [{step: import-orders, inbox: site, into: books}]\n",
        encoding="utf-8",
    )
    with pytest.raises(ConfigError) as caught:
        load_config(tmp_path / "config.yaml")
    lines = sorted(finding.where.line or 0 for finding in caught.value.findings)
    assert {7, 8, 9, 10} <= set(lines), [str(finding.text) for finding in caught.value.findings]


FIVE = """\
client: acme
timezone: Europe/Kiyv
connections:
  site:
    type: sftp
    host: h
    pasword: ${env:NOPE}
    port: abc
  books: {type: bookz}
jobs:
  orders:
    cron: "61 * * * *"
    steps:
      - step: import-orders
        inbox: sitte
        into: books
        after: delette
  orders:
    every: 5 minutes
    steps:
      - step: import-order
        inbox: site
\tinto: books
alerts: {chanels: [desktop]}
"""


def test_a_tab_a_twin_and_a_missing_secret_hide_nothing(mistakes: Callable[..., list[str]]) -> None:
    assert [line.partition(" -> ")[0].partition(":")[2] for line in mistakes(FIVE)] == [
        "2:11 timezone: Time zone `Europe/Kiyv` is not known.",
        "7:5 connections.site.pasword: Key `pasword` is not known here.",
        "7:14 connections.site.pasword: The environment variable NOPE is not set, or is empty.",
        "8:11 connections.site.port: `abc` is not a whole number.",
        "9:17 connections.books.type: Connection type `bookz` is not known.",
        "12:11 jobs.orders.cron: `61 * * * *` is not a cron expression: the minute is wrong.",
        "15:16 jobs.orders.steps[0].inbox: There is no connection `sitte`.",
        "17:16 jobs.orders.steps[0].after: `delette` is not one of the words known here.",
        "18:3 orders: Key `orders` is here twice; the first is in line 11.",
        "19:12 jobs.orders.every: `5 minutes` is not a duration such as 30s, 5m or 1h30m.",
        "21:15 jobs.orders.steps[0].step: Step `import-order` is not known.",
        "23:1 -: There is a tab here; YAML wants spaces.",
        "24:10 alerts.chanels: Key `chanels` is not known here.",
    ]


@pytest.mark.parametrize(
    ("slip", "words"),
    [
        ("    host: a: b", "5:12 -: A colon is not expected here."),
        ("   host: h", "5:4 -: This does not fit the block that begins in line 3."),
        ("    host: [a, b", "6:9 -: "),
        ("    host: 'h", "5:11 -: A quote that opens in line 5 is never closed."),
        ('    host: "h', "5:11 -: A quote that opens in line 5 is never closed."),
        ("    host: @h", "5:11 -: The character `@` may not begin a value."),
        ("    host", "6:5 -: A key without a colon"),
        ("    host: *h", "5:11 -: The alias `h` has no anchor above it in this file."),
        ("\thost: h", "5:1 -: There is a tab here; YAML wants spaces."),
    ],
)
def test_behind_what_is_no_yaml_the_looking_goes_on(mistakes: Callable[..., list[str]], slip: str, words: str) -> None:
    """And what stands in the lost line, or may, is told as missing by nobody."""
    found = mistakes(
        f"client: acme\nconnections:\n  site:\n    type: sftp\n{slip}\n    port: 70000\n"
        '  books: {type: books}\njobs:\n  j:\n    at: "25:00"\n    steps:\n'
        "      - {step: import-orders, inbox: site, into: books, after: delette}\n"
    )
    lines = [line.partition(":")[2] for line in found]
    assert lines[0].startswith(words) or lines[1].startswith(words), lines
    assert [line.partition(" ")[0] for line in lines if not line.startswith(("5:", words))] == ["6:11", "10:9", "12:64"]


def test_a_slip_in_an_included_file_hides_nothing_of_the_other(mistakes: Callable[..., list[str]]) -> None:
    found = mistakes(
        "include: base.yaml\nclient: a b\njobs:\n  j: {every: soon, steps: [{step: tidy, systems: [books, other]}]}\n",
        files={"base.yaml": "connections:\n  books: {type: books, seed: [}\n  other: {type: boks}\n"},
    )
    assert [line.partition(" ")[0] for line in found] == [
        "config.yaml:2:9",
        "config.yaml:4:14",
        "base.yaml:2:31",
        "base.yaml:3:17",
    ]


def test_unknown_keys_do_not_hide_what_a_class_says_of_its_keys_together(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(
        "client: acme\nlanguage: en\nconnections:\n"
        "  site: {type: ftp, host: h, user: u, tls: none, ca: x.pem, prot: 21}\n"
        "  books: {type: books}\njobs: {}\n",
        encoding="utf-8",
    )
    with pytest.raises(ConfigError) as caught:
        load_config(tmp_path / "config.yaml")
    assert len(caught.value.findings) == 2, [str(finding.text) for finding in caught.value.findings]


_LINES = FIVE.replace("\t", "        ").splitlines()


@given(
    st.lists(
        st.tuples(st.integers(0, len(_LINES) - 1), st.sampled_from("\t'\"[{:&*|@%-"), st.integers(0, 30)), max_size=4
    )
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=examples(25))
def test_whatever_is_mistyped_is_told_with_its_line(
    mistakes: Callable[..., list[str]], slips: list[tuple[int, str, int]]
) -> None:
    lines = list(_LINES)
    for number, what, column in slips:
        lines[number] = lines[number][:column] + what + lines[number][column:]
    found = mistakes("\n".join(lines) + "\n")
    assert found
    assert all(line.startswith("config.yaml:") and line.split(":")[1].isdigit() for line in found)
    assert len(found) == len(set(found))
