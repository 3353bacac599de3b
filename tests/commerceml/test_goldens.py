"""Each sample of CommerceML is read as its golden says: goods, offers and documents, or what is wrong with it.

``WRITE_GOLDENS=1`` writes the goldens anew; what changed is then read by a person, in the diff.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, is_dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from pipeline.api import Finding, FormatContext, Rejected
from pipeline.rules.pricing import order_totals
from plugins.commerceml.documents import documents_of, has_lines, state_of
from plugins.commerceml.goods import read_goods
from plugins.commerceml.words import open_file
from plugins.formats.commerceml import CommerceML, CommerceMLSettings

SAMPLES_OF = Path(__file__).parents[2] / "samples" / "commerceml"
SAMPLES = sorted(SAMPLES_OF.rglob("*.xml"))


def context_of(file: str) -> FormatContext:
    now = datetime(2026, 11, 22, tzinfo=UTC)
    return FormatContext(
        client="demo",
        timezone=ZoneInfo("Europe/Kyiv"),
        currency="UAH",
        language="uk-UA",
        now=now,
        file=file,
        source="shop",
    )


def plain(value: Any) -> Any:
    match value:
        case Finding():
            return {"code": value.code, "text": value.text.render("en"), "line": value.where.line}
        case Decimal():
            return str(value)
        case datetime():
            return value.isoformat()
        case dict():
            return {name: plain(one) for name, one in value.items()}
        case tuple() | list():
            return [plain(one) for one in value]
    return _lean(value) if is_dataclass(value) and not isinstance(value, type) else value


def _lean(value: Any) -> dict[str, Any]:
    """Without what is empty, so that goldens are read by people."""
    found = {name: plain(getattr(value, name)) for name in asdict(value)}
    return {name: one for name, one in found.items() if one not in (None, "", [], {}, False)}


def read(sample: Path) -> dict[str, Any]:
    data = sample.read_bytes()
    try:
        parsed = open_file(data, sample.name)
    except Rejected as error:
        return {"rejected": plain(error.findings)}
    found: dict[str, Any] = {"version": parsed.version, "encoding": parsed.encoding, "goods": plain(read_goods(parsed))}
    documents = list(documents_of(parsed))
    found["states"] = [plain(state_of(one)) for one in documents if not has_lines(one)]
    if any(has_lines(one) for one in documents):
        decoded = CommerceML().decode(data, CommerceMLSettings(), context_of(sample.name))
        found["notes"] = plain(decoded.notes)
        found["orders"] = [
            {"id": one.id, "line": one.line, "order": plain(one.order), "findings": plain(one.findings)}
            for one in decoded.orders
        ]
        for one in decoded.orders:
            if one.order is not None:
                assert order_totals(one.order).total == one.order.total, one.id
    return found


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.relative_to(SAMPLES_OF).as_posix())
def test_a_sample_is_read_as_its_golden_says(sample: Path) -> None:
    golden = sample.with_name(sample.name + ".expected.json")
    found = read(sample)
    if os.environ.get("WRITE_GOLDENS"):
        golden.write_text(json.dumps(found, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    assert found == json.loads(golden.read_text(encoding="utf-8"))


def test_each_golden_has_its_sample() -> None:
    goldens = {path.name.removesuffix(".expected.json") for path in SAMPLES_OF.rglob("*.expected.json")}
    assert goldens == {path.name for path in SAMPLES}
    assert len(SAMPLES) >= 15
