"""Ratios of the bench: each round's own, and the median of these."""

from __future__ import annotations

from typing import Any

import pytest

from tests.bench import ratios, report


def side(*rounds: float, done: int = 10, **figures: list[float]) -> dict[str, Any]:
    seconds = sorted(rounds)[len(rounds) // 2]
    return {
        "seconds": seconds,
        "done": done,
        "rate": done / seconds,
        "peak_mib": 50.0,
        "rounds": list(rounds),
        "figures": {name: sorted(each)[len(each) // 2] for name, each in figures.items()},
        "each": {"figures": figures},
    }


def line(mistok: dict[str, Any], plain: dict[str, Any], **goal: Any) -> dict[str, Any]:
    return {
        "key": "some",
        "title": "Some",
        "unit": "files",
        "count": 10,
        "note": "what it does",
        "sides": {"mistok": mistok, "plain": plain},
        "missing": {},
        "goals": [{"of": "rate", "limit": 3, "at_least": True, "beside": "plain", "title": "", **goal}],
        "ratio": 99.0,
    }


# the machine was slow in the second round, and slower in the third one while the plain side ran
OURS, THEIRS = side(1.0, 4.0, 2.0), side(2.0, 8.0, 12.0)


def test_the_median_of_the_rounds_own_ratios_is_told_and_not_the_ratio_of_medians() -> None:
    assert ratios.value("rate", OURS, THEIRS) == 2.0
    assert THEIRS["seconds"] / OURS["seconds"] == 4.0
    assert ratios.value("time", OURS, THEIRS) == 0.5
    assert ratios.value("worst", side(1.0, 4.0, 2.0), side(2.0, 2.0, 12.0)) == 0.5
    assert ratios.rate(OURS, THEIRS) == 2.0


def test_a_plain_script_that_is_given_fewer_is_compared_by_its_rate() -> None:
    assert ratios.value("rate", side(1.0, done=20), side(1.0, done=2)) == 10.0


def test_the_time_to_the_file_is_that_of_each_round() -> None:
    ours = side(9.0, 9.0, 9.0, seconds_to_file=[1.0, 4.0, 2.0])
    assert ratios.value("time_to_file", ours, THEIRS) == 0.5
    before = {key: kept for key, kept in side(9.0, seconds_to_file=[1.0]).items() if key != "each"}
    assert ratios.value("time_to_file", before, side(2.0)) == 0.5


def test_figures_that_are_no_ratio_and_sides_that_are_not_there() -> None:
    assert ratios.value("peak", OURS, None) == 50.0
    assert ratios.value("requests", side(1.0, requests=[1.5]), None) == 1.5
    assert ratios.value("peak_ratio", OURS, THEIRS) == 1.0
    assert ratios.value("rate", OURS, None) is None
    assert ratios.rate(OURS, None) is None


@pytest.mark.parametrize(("goal", "found", "reached"), [({}, 2.0, False), ({"limit": 2}, 2.0, True),
    ({"of": "time", "limit": 0.5, "at_least": False}, 0.5, True), ({"beside": "rclone"}, None, None)])  # fmt: skip
def test_figures_of_before_are_reckoned_anew(goal: dict[str, Any], found: float | None, reached: bool | None) -> None:
    before = {"machine": {"load": 0.5}, "lines": [line(OURS, THEIRS, value=4.0, reached=True, **goal)]}
    (now,) = report.joined([before], ["some"])["lines"]
    assert (now["goals"][0]["value"], now["goals"][0]["reached"]) == (found, reached)
    assert now["ratio"] == 2.0


def test_a_line_of_one_round_says_so() -> None:
    def told(mistok: dict[str, Any], plain: dict[str, Any]) -> str:
        return report.rows({"lines": [ratios.renewed(line(mistok, plain))]})[0][report.HEAD.index("measured")]

    assert told(side(1.0), side(2.0)) == "2.00 x (one round)"
    assert told(OURS, THEIRS) == "2.00 x"


def test_the_page_says_how_its_lines_came_together() -> None:
    machine = dict.fromkeys(("cores", "system", "architecture", "python", "sqlite", "sftp_server", "paramiko", "lxml"))
    one = {"machine": {**machine, "load": 0.5, "sync_ms": 0.4}, "lines": [ratios.renewed(line(OURS, THEIRS))]}
    assert "Made by `uv run python -m tests.bench --docs`; edit" in report.page(one)
    page = " ".join(report.page(report.joined([one, {**one, "loads": [0.2, 3.0]}], ["some"])).split())
    assert "Made by `uv run python -m tests.bench --docs --from …`, which joined the figures of 3 runs" in page
    assert "0.2 to 3.0 processes were busy" in page
