"""What a system must keep that tells or takes stock levels in a sync: part of :mod:`pipeline.testing.sync_contract`."""

from __future__ import annotations

from decimal import Decimal

from pipeline.model import Offer
from pipeline.ports import ApplyStock, Stock
from pipeline.testing.sync_subject import (
    CODES,
    Subject,
    done,
    held,
    levels_of,
    seeded,
    sellables,
    set_stock,
    touched_only,
    traits_of,
)


class StockContract:
    """The promises of :class:`pipeline.ports.Stock` and :class:`pipeline.ports.ApplyStock`."""

    def _stocked(self, subject: Subject) -> tuple[dict[str, Offer], dict[tuple[str, str], Decimal]] | None:
        """Three offers with levels in the first two warehouses, and what may be sold of them; None: it keeps none."""
        if not isinstance(subject.open(), Stock):
            return None
        assert subject.seed_stock is not None
        offers = seeded(subject)
        first, last = subject.warehouses[0], subject.warehouses[:2][-1]
        reserved = Decimal(2) if subject.reserves else Decimal(0)
        places = {
            (offers[CODES[0]].id, first): (Decimal(10), reserved),
            (offers[CODES[1]].id, first): (Decimal(0), Decimal(0)),
            (offers[CODES[2]].id, first): (Decimal(5), Decimal(0)),
        }
        wanted = {(CODES[0], first): Decimal(10) - reserved, (CODES[2], first): Decimal(5)}
        if last != first:
            places[(offers[CODES[0]].id, last)] = (Decimal(4), Decimal(0))
            wanted[(CODES[0], last)] = Decimal(4)
        subject.seed_stock(places)
        return offers, wanted

    def test_levels_are_told_once_for_each_offer_and_warehouse(self, subject: Subject) -> None:
        stocked = self._stocked(subject)
        if stocked is None:
            return
        offers, wanted = stocked
        assert sellables(subject) == wanted
        ids = {code: offer.id for code, offer in offers.items()}
        for level in levels_of(subject):
            assert isinstance(level.on_hand, Decimal)
            assert isinstance(level.reserved, Decimal)
            assert level.code in ids
            assert level.offer == ids[level.code]

    def test_the_warehouses_are_told(self, subject: Subject) -> None:
        system = subject.open()
        stocked = self._stocked(subject)
        if stocked is None:
            return
        assert isinstance(system, Stock)
        codes = [ref.code for ref in system.warehouses()]
        assert len(set(codes)) == len(codes)
        assert set(codes) == set(subject.warehouses) - {""}
        assert {level.warehouse for level in levels_of(subject)} <= set(codes or [""])
        system.close()

    def test_levels_that_have_changed_since_are_told(self, subject: Subject) -> None:
        stocked = self._stocked(subject)
        if stocked is None or not traits_of(subject).delta:
            return
        assert subject.tick is not None
        assert subject.seed_stock is not None
        since = subject.tick()
        subject.tick()
        assert levels_of(subject, since) == []
        place = subject.warehouses[0]
        subject.seed_stock({(stocked[0][CODES[2]].id, place): (Decimal(6), Decimal(0))})
        assert [(level.code, level.warehouse) for level in levels_of(subject, since)] == [(CODES[2], place)]

    def _applying(self, subject: Subject) -> tuple[dict[str, Offer], dict[tuple[str, str], Decimal]] | None:
        return self._stocked(subject) if isinstance(subject.open(), ApplyStock) else None

    def test_a_level_is_set_and_twice_is_once(self, subject: Subject) -> None:
        stocked = self._applying(subject)
        if stocked is None:
            return
        offers, wanted = stocked
        place = subject.warehouses[-1]
        before = subject.rows()
        for number in (Decimal(7), Decimal(7), Decimal(0), Decimal(0), Decimal(3)):
            done(set_stock(subject, [(offers[CODES[0]], place, number)]))
            there = wanted | {(CODES[0], place): number}
            assert sellables(subject) == {key: value for key, value in there.items() if value}
        touched_only(subject, "stock", before, subject.rows(), offers[CODES[0]].id)

    def test_a_level_is_set_where_there_was_none(self, subject: Subject) -> None:
        if not isinstance(subject.open(), ApplyStock):
            return
        offers = seeded(subject)
        place = subject.warehouses[-1]
        done(set_stock(subject, [(offers[CODES[1]], place, Decimal(12))]))
        assert sellables(subject)[CODES[1], place] == Decimal(12)

    def test_what_is_reserved_stays_reserved(self, subject: Subject) -> None:
        stocked = self._applying(subject)
        if stocked is None or not subject.reserves:
            return
        offers, place = stocked[0], subject.warehouses[0]
        done(set_stock(subject, [(offers[CODES[0]], place, Decimal(20))]))
        (level,) = (one for one in levels_of(subject) if (one.code, one.warehouse) == (CODES[0], place))
        assert (level.on_hand, level.reserved) == (Decimal(22), Decimal(2))

    def test_a_fraction_is_kept_or_refused(self, subject: Subject) -> None:
        stocked = self._applying(subject)
        if stocked is None:
            return
        offers, wanted = stocked
        place = subject.warehouses[0]
        (outcome,) = set_stock(subject, [(offers[CODES[0]], place, Decimal("2.5"))])
        if outcome.error is None:
            assert sellables(subject) == wanted | {(CODES[0], place): Decimal("2.5")}
        else:
            assert held(outcome)
            assert sellables(subject) == wanted

    def test_a_bad_level_spoils_no_other(self, subject: Subject) -> None:
        stocked = self._applying(subject)
        if stocked is None:
            return
        offers, wanted = stocked
        place = subject.warehouses[0]
        gone = Offer(id="987654321", product="987654321", keys={traits_of(subject).keys[0]: "GONE"})
        outcomes = set_stock(
            subject,
            [
                (offers[CODES[0]], place, Decimal(1)),
                (gone, place, Decimal(1)),
                (offers[CODES[1]], place, Decimal(-1)),
                (offers[CODES[1]], "немає такого складу", Decimal(1)),
                (offers[CODES[2]], place, Decimal(9)),
            ],
        )
        assert [held(outcome) for outcome in outcomes] == [False, True, True, True, False]
        done([outcomes[0], outcomes[4]])
        assert sellables(subject) == wanted | {(CODES[0], place): Decimal(1), (CODES[2], place): Decimal(9)}

    def test_more_levels_than_one_write_takes(self, subject: Subject) -> None:
        if not isinstance(subject.open(), ApplyStock):
            return
        traits = traits_of(subject)
        codes = [f"M-{n:05d}" for n in range(traits.batch + 1)]
        offers = seeded(subject, *codes)
        place = subject.warehouses[0]
        numbers = {code: Decimal(n) for n, code in enumerate(codes, 1)}
        done(set_stock(subject, [(offers[code], place, number) for code, number in numbers.items()]))
        assert sellables(subject) == {(code, place): number for code, number in numbers.items()}

    def test_no_levels_are_no_outcomes(self, subject: Subject) -> None:
        if isinstance(subject.open(), ApplyStock):
            assert list(set_stock(subject, [])) == []
