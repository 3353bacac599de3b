"""One file of a site against what must hold of it, whatever its bytes: for the property tests and for atheris."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from xml.etree import ElementTree as ET
from zoneinfo import ZoneInfo

from pipeline.errors import Finding, Rejected
from pipeline.flow import CreateDocument, Found, PlanContext, StepPlugin
from pipeline.model import Order
from pipeline.ports import Decoded, FormatContext, OrderFormat, Ref
from plugins.formats.order_xml import PLUGIN, OrderXmlSettings
from plugins.steps.import_orders import PLUGIN as STEP
from plugins.steps.import_orders import ImportOrdersSettings

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
CONTEXT = FormatContext("acme", ZoneInfo("Europe/Kyiv"), "UAH", "uk-UA", NOW, "x.xml")
PLAN = PlanContext("acme", "UAH", NOW)
SETTINGS = ImportOrdersSettings.model_validate({"inbox": "site", "into": "books"})
SECONDS = 5.0  #: of the processor that any file may take, whatever else it does; an ordinary one takes a hundredth
CENT = Decimal("0.01")
_CODES = {"not-xml", "truncated", "unsafe", "encoding", "too-large", "too-deep", "wrong-root", "version"}


class _Everything(Mapping[object, object]):
    """A target that knows every code."""

    def __init__(self, answer: object) -> None:
        self._answer = answer

    def __getitem__(self, key: object) -> object:
        return self._answer

    def __iter__(self):  # type: ignore[no-untyped-def]
        return iter(())

    def __len__(self) -> int:
        return 0

    def __contains__(self, key: object) -> bool:
        return True


REF = Ref("1", "1")
KNOWS_ALL = Found(_Everything((REF,)), _Everything(REF))  # type: ignore[arg-type]


def look(data: bytes) -> Decoded | None:
    """Decode ``data`` and plan its orders; None when it is rejected. AssertionError for whatever must never be."""
    assert isinstance(PLUGIN.format, OrderFormat)
    start = time.thread_time()
    PLUGIN.format.complete(data[-4096:], OrderXmlSettings())
    try:
        decoded = PLUGIN.format.decode(data, OrderXmlSettings(), CONTEXT)
    except Rejected as error:
        _told(error.findings)
        for finding in error.findings:
            assert finding.where.file == "x.xml"
            assert finding.code in _CODES or finding.code.startswith("xsd"), finding.code
        return None
    finally:
        took = time.thread_time() - start
        assert took < SECONDS, f"{took:.1f} s for {len(data)} bytes"
    said = independently(data)
    assert said is None or len(said) == len(decoded.orders)
    for place, one in enumerate(decoded.orders):
        _told(one.findings)
        assert (one.order is None) == bool(one.findings), "an order is read, or held with its findings"
        if one.order is not None:
            planned = plan(one.order)
            if planned is not None and said is not None:
                stated, made = said[place]
                assert planned == stated, f"the document says {planned}, the file {stated}"
                assert not made or min(abs(one - stated) for one in made) <= CENT, (
                    f"{stated}, but its parts make {made}"
                )
    return decoded


def plan(order: Order) -> Decimal | None:
    """The total of the document that would be made of it; None when it would be held, or nothing is to be made."""
    step = STEP
    assert isinstance(step, StepPlugin)
    kind = step.kind
    normal = kind.normalise(order, SETTINGS, PLAN)  # type: ignore[union-attr]
    if found := kind.validate(normal, SETTINGS, PLAN):  # type: ignore[union-attr]
        _told(found)
        return None
    action = kind.plan(normal, "key", SETTINGS, PLAN, KNOWS_ALL)  # type: ignore[union-attr]
    return action.draft.order.total if isinstance(action, CreateDocument) else None


def _told(findings: Sequence[Finding]) -> None:
    """Every finding has words in both languages, and none shows the file's bytes without end."""
    for one in findings:
        for language in ("uk", "en"):
            words = one.text.render(language) + (one.hint.render(language) if one.hint else "")
            assert words
            assert len(words) < 2000, words[:200]


def independently(data: bytes) -> list[tuple[Decimal, tuple[Decimal, ...]]] | None:
    """(stated total, what its parts make) of each order, by another parser and a reckoning of our own.

    The parts make two sums, both right (docs/order-format.md): rounded once at the end, or each part before it is
    added. None where that parser does not read the file; no sums where the prices are without tax.
    """
    try:
        root = ET.fromstring(data)
    except (ET.ParseError, ValueError, LookupError, UnicodeError):
        return None
    for element in root.iter():
        element.tag = str(element.tag).rpartition("}")[2]
    try:
        return [(_number(order, "total"), _made(order)) for order in root if order.tag == "order"]
    except InvalidOperation:
        return None


def _number(element: ET.Element, path: str) -> Decimal:
    found = element.find(path)
    text = "".join(found.itertext()).strip() if found is not None else ""
    return Decimal(text or "0")


def _made(order: ET.Element) -> tuple[Decimal, ...]:
    if (order.findtext("prices-include-tax") or "").strip() in ("false", "0"):
        return ()
    parts = []
    for item in order.iterfind("items/item"):
        gross = _number(item, "price") * _number(item, "quantity")
        off = _number(item, "discount")
        if not off and item.find("discount-percent") is not None:
            off = _cents(gross * _number(item, "discount-percent") / 100)
        parts.append(gross - off)
    parts += [_number(order, "delivery/cost"), _number(order, "payment/fee")]
    off = sum((_number(one, "amount") for one in order.iterfind("discounts/discount")), Decimal(0))
    totals = sum(parts, Decimal(0)), sum(map(_cents, parts), Decimal(0))
    # a certificate for more than the order takes off what there is
    return tuple(_cents(total - min(off, total)) for total in totals)


def _cents(amount: Decimal) -> Decimal:
    return amount.quantize(CENT, ROUND_HALF_UP)
