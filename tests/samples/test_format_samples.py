"""Files of foreign shapes with the config that maps them: each is read as its golden says, field by field.

``WRITE_GOLDENS=1`` writes the goldens anew; what changed is then read by a person, in the diff.
"""

from __future__ import annotations

import json
import os
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest

from pipeline.cli.formats import Chosen
from pipeline.cli.map import fields_of, line_rows
from pipeline.cli.validate import context_for, judge_file
from pipeline.config.includes import read_config
from pipeline.config.load import load_config
from pipeline.config.yaml import plain
from pipeline.engine.shown.words import jsonable
from pipeline.errors import Finding
from pipeline.flow import InboundSettings
from pipeline.registry import load_registry
from pipeline.rules.pricing import order_totals
from pipeline.texts import use_language
from tests.editors import check_as_editors_do

FORMATS = Path(__file__).parents[2] / "samples" / "formats"
CONFIGS = sorted(FORMATS.glob("*/config.yaml"))
SAMPLES = sorted(
    path
    for config in CONFIGS
    for path in config.parent.iterdir()
    if path.name != "config.yaml" and not path.name.endswith(".expected.json")
)


def identity(path: Path) -> str:
    return path.relative_to(FORMATS).as_posix()


def golden_of(sample: Path) -> Path:
    return sample.with_name(sample.name + ".expected.json")


def chosen_for(sample: Path) -> Chosen:
    """How the job that takes files of this name reads them."""
    config = load_config(sample.parent / "config.yaml")
    registry = load_registry()
    steps = [step for job in config.jobs.values() for step in job.steps]
    (step,) = [
        step for step in steps if isinstance(step.params, InboundSettings) and fnmatch(sample.name, step.params.pattern)
    ]
    assert isinstance(step.params, InboundSettings)
    assert step.format_params is not None
    return Chosen(
        plugin=registry.formats[step.params.format.type],
        settings=step.format_params,
        zone=config.zone,
        client=config.client,
        currency=config.currency,
        base=config.base,
        source=step.params.inbox,
        step=registry.steps[step.step],
        step_settings=step.params,
    )


def finding(one: Finding) -> dict[str, Any]:
    where = one.where.to_json()
    return {"code": one.code, "text": str(one.text), **{k: where[k] for k in ("line", "element") if k in where}}


def read(sample: Path) -> dict[str, Any]:
    use_language("en")
    chosen = chosen_for(sample)
    verdict = judge_file(sample, chosen)
    unread = chosen.plugin.unread
    assert unread is not None
    data = sample.read_bytes()
    return {
        "outcome": verdict.outcome,
        "findings": [finding(one) for one in verdict.findings],
        "notes": [finding(one) for one in verdict.notes],
        "orders": [
            {
                "id": one.decoded.id,
                "line": one.decoded.line,
                "findings": [finding(found) for found in one.findings],
                "fields": jsonable(dict(fields_of(one.order))) if one.order else None,
                "lines": jsonable(line_rows(one.order)) if one.order else None,
                "made": jsonable(order_totals(one.order).total) if one.order else None,
            }
            for one in verdict.orders
        ],
        "unread": [
            {"path": one.path, "count": one.count, "sample": one.sample, "line": one.line}
            for one in unread(data, chosen.settings, context_for(sample, chosen))
        ],
    }


def test_there_are_samples_and_each_has_its_golden_and_each_golden_its_sample() -> None:
    assert {config.parent.name for config in CONFIGS} >= {"prom", "horoshop", "php-cp1251"}
    goldens = set(FORMATS.rglob("*.expected.json"))
    if not os.environ.get("WRITE_GOLDENS"):
        assert goldens == {golden_of(sample) for sample in SAMPLES}


@pytest.mark.parametrize("config", CONFIGS, ids=identity)
def test_the_config_is_right_for_the_loader_and_for_editors(config: Path) -> None:
    load_config(config)
    node, findings = read_config(config)
    assert node is not None
    assert not findings
    check_as_editors_do(plain(node))


@pytest.mark.parametrize("sample", SAMPLES, ids=identity)
def test_a_sample_is_read_as_its_golden_says(sample: Path) -> None:
    got = read(sample)
    if os.environ.get("WRITE_GOLDENS"):
        golden_of(sample).write_text(json.dumps(got, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    assert got == json.loads(golden_of(sample).read_text(encoding="utf-8"))


@pytest.mark.parametrize("sample", SAMPLES, ids=identity)
def test_a_whole_file_is_whole_and_half_of_one_is_not(sample: Path) -> None:
    chosen = chosen_for(sample)
    data = sample.read_bytes()
    order_format: Any = chosen.plugin.format
    assert order_format.complete(data[-4096:], chosen.settings)
    # a byte or two may be a line break that changes nothing
    assert not order_format.complete(data[: len(data) * 2 // 3][-4096:].rstrip()[:-3], chosen.settings)
