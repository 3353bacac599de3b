"""A whole row that is as it was is told at once, and never otherwise than field by field."""

from __future__ import annotations

import gc
import sys
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pipeline.engine.sync import match as matching
from pipeline.engine.sync.plan import Settled, SyncPlan, Update, plan
from pipeline.engine.sync.prints import fingerprint
from pipeline.engine.sync.rows import Rows, shape
from pipeline.engine.sync.store import Link
from pipeline.engine.sync.unchanged import Glance, one_run, uncollected
from pipeline.model import Money, Offer, SpecialPrice
from pipeline.ports import OfferTraits
from pipeline.syncing import CatalogueSyncSettings
from tests.everyday import examples

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
ALL = frozenset(
    {"name", "description", "price", "price.cost", "currency", "specials", "category", "weight", "published"}
)
SHOP = OfferTraits(keys=("sku",), reads=ALL, writes=ALL - {"currency"}, creates=ALL, dated_specials=True)
TRAITS = {
    "shop": SHOP,
    "switching": replace(SHOP, special_in_price=True),
    "undated": replace(SHOP, dated_specials=False),
    "flat": replace(SHOP, variants="flat"),
    "of products": replace(SHOP, of_products=frozenset({"published"}), fixed=frozenset({"weight"})),
    "priced": replace(SHOP, writes=ALL),
}
STEPS: tuple[dict[str, Any], ...] = (
    {},
    {"root": "Сайт / Імпорт"},
    {"fields": ("price", "price.cost")},
    {"fields": ("name", "published", "category")},
    {"map": {"price.cost": "price", "description": "name"}},
    {"other_currency": "ignore", "only_published": False},
)

specials = st.lists(
    st.builds(
        lambda amount, start, days: SpecialPrice(
            Money(Decimal(amount), "UAH"),
            NOW + timedelta(days=start),
            None if days is None else NOW + timedelta(days=start + days),
        ),
        st.integers(1, 2), st.integers(-2, 1), st.sampled_from((None, 1, 2)),
    ),
    max_size=1,
).map(tuple)  # fmt: skip
values = st.fixed_dictionaries(
    {},
    optional={
        "name": st.sampled_from(("Фарба", "Фарба ", " ", "Емаль")),
        "description": st.sampled_from(("", "<p>а</p>", "<p>а</p>\r\n", "б")),
        "price": st.sampled_from((None, Decimal(0), Decimal("1.0"), Decimal("1.00"), Decimal(2))),
        "price.cost": st.sampled_from((None, Decimal(1), Decimal(2))),
        "currency": st.sampled_from(("", "UAH", "uah", "USD")),
        "specials": specials,
        "category": st.sampled_from(((), ("А",), ("А", "Б"), ("Сайт", "Імпорт", "А"))),
        "weight": st.sampled_from((None, Decimal(0), Decimal("0.5"))),
        "published": st.booleans(),
    },
)


@st.composite
def sides(draw: st.DrawFn, own: str) -> list[Offer]:
    """Up to three products, the last of them with variants."""
    found = []
    for n in range(draw(st.integers(0, 2))):
        found.append(Offer(id=f"{own}{n}", product=f"{own}{n}", keys={"sku": f"Е-{n}"}, values=draw(values)))
    if draw(st.booleans()):
        found.append(Offer(id=f"{own}b", product=f"{own}b", kind="base", keys={"sku": "B"}, values=draw(values)))
        found += [
            Offer(id=f"{own}v{n}", product=f"{own}b", kind="variant", keys={"sku": f"V-{n}"}, values=draw(values))
            for n in range(draw(st.integers(1, 2)))
        ]
    return found


def planned(
    source: list[Offer], target: list[Offer], step: CatalogueSyncSettings, traits: OfferTraits,
    links: Mapping[str, Link], gone: Mapping[str, bool], currency: str,
) -> tuple[SyncPlan, Rows]:  # fmt: skip
    rows = shape(source, step, traits, {})
    found = matching.match(rows, target, "sku", step.match)
    return plan(rows, found, traits, step, links, NOW, gone=gone, currency=currency), rows


def linked(made: SyncPlan) -> dict[str, Link]:
    """What the ledger keeps once the plan is done."""
    every: list[Settled | Update] = [*made.settled, *made.updates]
    seen = {one.target.id: one.seen for one in made.settled}
    return {
        one.target.id: Link(
            one.target, one.row.key, one.row.offer.id, made.wanted(one), seen.get(one.target.id, {}), {}, made.mark(one)
        )
        for one in every
    }


def told(made: SyncPlan) -> Any:
    """All that the plan says, whatever is told at once in it."""
    return (
        made.creates,
        [(one.row, one.target, one.changes, made.wanted(one)) for one in made.updates],
        [(one.row, one.target, made.wanted(one), one.seen) for one in made.settled],
        [str(one.text) for one in made.findings],
        made.vanished,
        made.counts,
        made.wake_at,
    )


def bare(own: str, number: int, **values: Any) -> Offer:
    return Offer(id=f"{own}{number}", product=f"{own}{number}", keys={"sku": f"Е-{number}"}, values=values)


@example([], [bare("s", 0, name="Фарба"), bare("s", 1)], [bare("t", 0), bare("t", 1)], "flat", {}, "", False, False)
@settings(max_examples=examples(250))
@given(
    sides("s"), sides("s"), sides("t"), st.sampled_from(sorted(TRAITS)), st.sampled_from(STEPS),
    st.sampled_from(("", "UAH")), st.booleans(), st.booleans(),
)  # fmt: skip
def test_at_once_is_as_field_by_field(
    was: list[Offer], now: list[Offer], there: list[Offer], traits: str, step: dict[str, Any], currency: str,
    same: bool, hidden: bool,
) -> None:  # fmt: skip
    settled = CatalogueSyncSettings.model_validate({"from": "a", "to": "b", **step})
    if same:  # the source has changed nothing since, and the target shows it as it was sent
        now = was
        there = [replace(one, id=f"t{one.id[1:]}", product=f"t{one.product[1:]}") for one in was]
    links = linked(planned(was, there, settled, TRAITS[traits], {}, {}, currency)[0])
    gone = {"t0": True} if hidden else {}
    quick, _ = planned(now, there, settled, TRAITS[traits], links, gone, currency)
    with patch.object(Glance, "is_same", lambda *_args: False):
        slow, _ = planned(now, there, settled, TRAITS[traits], links, gone, currency)
    assert told(quick) == told(slow)
    for one in quick.settled:  # what the ledger need not be told again is what it has
        link = links.get(one.target.id)
        if link and (mark := quick.mark(one)) and mark == link.mark:
            assert {**link.wanted, **quick.wanted(one)} == link.wanted


def product(own: str, **values: Any) -> Offer:
    return Offer(id=own, product=own, keys={"sku": "AB-1"}, values={"name": "Фарба", "price": Decimal(5), **values})


def test_of_rows_as_they_were_no_fingerprint_is_made() -> None:
    step = CatalogueSyncSettings.model_validate({"from": "a", "to": "b"})
    links = linked(planned([product("s")], [product("t")], step, SHOP, {}, {}, "")[0])
    with patch("pipeline.engine.sync.plan.fingerprint", side_effect=AssertionError):
        made, _ = planned([product("s")], [product("t")], step, SHOP, links, {}, "")
        (one,) = made.settled
        assert made.mark(one) == links["t"].mark != 0


@pytest.mark.parametrize(
    "change",
    [{"price": Decimal(6)}, {"name": "Фарба біла"}, {"weight": Decimal(1)}, {"currency": "USD"}, {"published": False}],
)
def test_every_change_has_another_mark(change: dict[str, Any]) -> None:
    step = CatalogueSyncSettings.model_validate({"from": "a", "to": "b", "only_published": False})
    marks = set()
    for source in (product("s"), product("s", **change)):
        made, _ = planned([source], [source], step, SHOP, {}, {}, "")
        marks |= {made.mark(one) for one in made.settled}
    assert len(marks) == 2


def test_what_the_target_does_not_tell_is_known_by_the_mark() -> None:
    step = CatalogueSyncSettings.model_validate({"from": "a", "to": "b"})
    there = [Offer(id="t", product="t", keys={"sku": "AB-1"}, values={"price": Decimal(5)})]
    links = linked(planned([product("s")], there, step, SHOP, {}, {}, "")[0])
    made, _ = planned([product("s")], there, step, SHOP, links, {}, "")
    assert (len(made.settled), made.updates) == (1, ())
    made, _ = planned([product("s", name="Емаль")], there, step, SHOP, links, {}, "")
    assert [change.after for one in made.updates for change in one.changes] == ["Емаль"]


def test_a_value_of_a_foreign_type_has_no_mark() -> None:
    class Own(str):
        __slots__ = ()

    step = CatalogueSyncSettings.model_validate({"from": "a", "to": "b"})
    made, _ = planned([product("s", name=Own("Фарба"))], [product("t")], step, SHOP, {}, {}, "")
    (one,) = made.settled
    assert made.mark(one) == 0
    assert made.wanted(one)["name"] == fingerprint("Фарба")


def test_the_collector_is_left_as_it_was() -> None:
    assert gc.isenabled()
    with uncollected():
        pass
    assert gc.get_freeze_count() == 0
    with one_run():
        with uncollected():
            assert not gc.isenabled()
            with uncollected():
                pass
            assert not gc.isenabled()
        assert gc.isenabled()
        assert gc.get_freeze_count() > 0
    assert gc.get_freeze_count() == 0


def test_a_plan_that_is_done_with_is_gone_without_the_collector() -> None:
    """Of hundreds of thousands of records none waits for the collector of cycles."""
    step = CatalogueSyncSettings.model_validate({"from": "a", "to": "b"})
    own = product("s")
    before = sys.getrefcount(own)
    gc.disable()
    try:
        made, rows = planned([own], [product("t", name="Емаль")], step, SHOP, {}, {}, "")
        assert sys.getrefcount(own) > before
        del made, rows
        assert sys.getrefcount(own) == before
    finally:
        gc.enable()
