"""What every system that is an end of a sync must keep: one suite, many subjects.

Subclass :class:`SyncContract` in a test module and give it a fixture ``subject`` (a
:class:`~pipeline.testing.sync_subject.Subject`)::

    class TestMySystem(SyncContract):
        @pytest.fixture
        def subject(self, tmp_path): ...

A case that needs what the traits or the protocols of the system do not have passes without looking.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from pipeline.model import Offer
from pipeline.ports import ApplyCatalogue, Offers, OfferTraits
from pipeline.testing.sync_stock_contract import StockContract
from pipeline.testing.sync_subject import (
    CODES,
    FAMILY,
    Subject,
    article_of,
    by_article,
    create,
    done,
    draft,
    empty,
    family,
    faults_of,
    held,
    known_field,
    sample,
    seeded,
    told,
    touched_only,
    traits_of,
    update,
)

#: Names and texts as people really write them: each is kept exactly as it is, or refused with words.
AWKWARD = (
    "Ґрунтівка «Ювілейна» — 10 л, їжа & є",
    "Набір пензлів 🎨🖌️",
    "Фарба\u00a0біла, 10\u00a0л",
    "Дюбель <b>6×40</b> &amp; шуруп <script>alert(1)</script>",
    "Профіль 27\" 'UD' \\ ; , | %20 {x} $y",
    "Труба Ø15–22 ½″",
    "й",
    "0042",
    "null",
)


class OffersContract:
    """The promises of :class:`pipeline.ports.Offers`."""

    def test_the_traits_agree_with_themselves_and_with_the_protocols(self, subject: Subject) -> None:
        system = subject.open()
        assert isinstance(system, Offers)
        traits = system.offer_traits()
        assert traits.keys
        assert all(traits.keys)
        assert len(set(traits.keys)) == len(traits.keys)
        for names in (traits.reads, traits.writes, traits.creates):
            assert [name for name in sorted(names) if not known_field(name)] == []
        assert traits.reads
        assert traits.batch >= 1
        assert not traits.dated_specials or "specials" in traits.reads
        if traits.writes or traits.creates:
            assert isinstance(system, ApplyCatalogue)
        missing = {name for name in traits.writes | traits.creates if name not in subject.columns}
        assert missing == set(), "the subject must say where these are kept"
        assert system.offer_traits() == traits
        system.close()

    def test_an_empty_system_tells_nothing(self, subject: Subject) -> None:
        assert told(subject) == []

    def test_each_offer_is_told_with_all_its_values(self, subject: Subject) -> None:
        traits = traits_of(subject)
        offers = seeded(subject)
        assert set(offers) == set(CODES)
        wanted = {name: sample(subject, traits, name) for name in traits.reads if name != "options"}
        for offer in offers.values():
            assert offer.kind == "single"
            assert {name: offer.values.get(name) for name in wanted} == wanted

    def test_values_are_of_the_types_that_the_fields_have(self, subject: Subject) -> None:
        traits = traits_of(subject)
        subject.seed([draft(subject, traits, traits.reads, code) for code in CODES])
        bare = {name for name in traits.reads if name in ("name", "currency", "published")}
        subject.seed([draft(subject, traits, bare, "BARE-1")])  # most of its fields are empty
        if traits.variants != "none":
            subject.seed([family(subject, traits, traits.reads)])
        offers = told(subject)
        assert len(offers) >= 4
        for offer in offers:
            assert faults_of(offer, traits) == []
            hash(offer.id)

    def test_the_base_of_a_product_comes_before_its_variants(self, subject: Subject) -> None:
        traits = traits_of(subject)
        if traits.variants != "offers":
            return
        subject.seed([draft(subject, traits, traits.reads, code) for code in CODES[:2]])
        subject.seed([family(subject, traits, traits.reads)])
        subject.seed([draft(subject, traits, traits.reads, CODES[2])])
        offers = told(subject)
        assert len({offer.id for offer in offers}) == len(offers) == 6
        kinds = {article_of(subject, traits.keys[0], offer): offer.kind for offer in offers}
        assert kinds == dict.fromkeys(CODES, "single") | {FAMILY[0]: "base"} | dict.fromkeys(FAMILY[1:], "variant")
        (base,) = (n for n, offer in enumerate(offers) if offer.kind == "base")
        variants = [n for n, offer in enumerate(offers) if offer.kind == "variant"]
        assert base < min(variants)
        assert {offers[n].product for n in variants} == {offers[base].product}
        if "options" in traits.reads:
            assert [offers[n].values["options"] for n in variants] == [
                sample(subject, traits, "options"),
                sample(subject, traits, "options", other=True),
            ]

    def test_ids_are_the_same_at_every_look(self, subject: Subject) -> None:
        first = {code: offer.id for code, offer in seeded(subject).items()}
        traits = traits_of(subject)
        subject.seed([draft(subject, traits, traits.reads, "AAA-0001"), draft(subject, traits, traits.reads, "ZZZ-1")])
        later = {code: offer.id for code, offer in by_article(subject).items()}
        assert {code: later[code] for code in first} == first
        assert len(set(later.values())) == 5

    def test_pages_that_shift_lose_nothing_and_tell_nothing_twice(self, subject: Subject) -> None:
        traits = traits_of(subject)
        codes = [f"M-{n:05d}" for n in range(subject.many)]
        subject.seed([draft(subject, traits, traits.reads, code) for code in codes])
        ids = {offer.id for offer in told(subject)}
        assert len(ids) == subject.many
        for shift in (self._grow, self._shrink):
            system = subject.open()
            assert isinstance(system, Offers)
            reading = system.offers()
            seen = [next(reading)]
            kept = ids - shift(subject, traits, seen[0])
            seen += reading
            system.close()
            assert len({offer.id for offer in seen}) == len(seen), "an offer was told twice"
            assert kept - {offer.id for offer in seen} == set(), "an offer was lost"

    @staticmethod
    def _grow(subject: Subject, traits: OfferTraits, _first: Offer) -> set[str]:
        subject.seed([draft(subject, traits, traits.reads, code) for code in ("A-00001", "M-00000-1", "Я-9")])
        return set()

    @staticmethod
    def _shrink(subject: Subject, _traits: OfferTraits, first: Offer) -> set[str]:
        if subject.remove is not None:
            subject.remove(first.id)
        return {first.id}

    def test_an_offer_without_an_article_has_no_keys(self, subject: Subject) -> None:
        if not subject.articleless:
            return
        traits = traits_of(subject)
        subject.seed([draft(subject, traits, traits.reads, ""), draft(subject, traits, traits.reads, CODES[0])])
        offers = told(subject)
        assert len(offers) == 2
        (bare,) = (offer for offer in offers if traits.keys[0] not in offer.keys)
        assert faults_of(bare, traits) == []

    def test_two_offers_with_one_article_are_two(self, subject: Subject) -> None:
        if not subject.twins:
            return
        traits = traits_of(subject)
        subject.seed([draft(subject, traits, traits.reads, CODES[0]) for _ in range(2)])
        offers = told(subject)
        assert len({offer.id for offer in offers}) == 2
        assert {offer.keys[traits.keys[0]] for offer in offers} == {CODES[0]}
        if "price" in traits.writes:
            before = subject.rows()
            (outcome,) = update(subject, [(offers[0], {"price": Decimal("1.50")})])
            if outcome.error is not None:  # a system that cannot tell them apart says so
                assert held(outcome)
                assert subject.rows() == before
                return
            prices = {offer.id: offer.values["price"] for offer in told(subject)}
            assert prices == {offers[0].id: Decimal("1.50"), offers[1].id: offers[1].values["price"]}

    def test_what_has_changed_since_is_told(self, subject: Subject) -> None:
        traits = traits_of(subject)
        if not traits.delta:
            return
        assert subject.tick is not None
        offers = seeded(subject)
        since = subject.tick()
        subject.tick()
        assert told(subject, since) == []
        subject.seed([draft(subject, traits, traits.reads, "NEW-1")])
        changed = {"NEW-1"}
        for name in ("price", "name"):
            if name in traits.writes:
                done(update(subject, [(offers[CODES[1]], {name: sample(subject, traits, name, other=True)})]))
                changed |= {CODES[1]}
                break
        assert {offer.keys[traits.keys[0]] for offer in told(subject, since)} == changed


class CatalogueContract:
    """The promises of :class:`pipeline.ports.ApplyCatalogue`."""

    # --- create ------------------------------------------------------------------------------------------------------

    def test_what_is_created_reads_back_equal(self, subject: Subject) -> None:
        traits = traits_of(subject)
        if not traits.creates:
            return
        outcomes = create(subject, [draft(subject, traits, traits.creates, code) for code in CODES])
        done(outcomes)
        offers = by_article(subject)
        assert set(offers) == set(CODES)
        wanted = {n: sample(subject, traits, n) for n in traits.creates & traits.reads if n != "options"}
        for code, outcome in zip(CODES, outcomes, strict=True):
            assert not outcome.existed
            assert outcome.ids == (offers[code].id,)
            assert {name: offers[code].values.get(name) for name in wanted} == wanted
            assert faults_of(offers[code], traits) == []

    def test_a_second_create_finds_the_first(self, subject: Subject) -> None:
        traits = traits_of(subject)
        if not traits.creates:
            return
        drafts = [draft(subject, traits, traits.creates, code) for code in CODES]
        done(create(subject, drafts))
        before = subject.rows()
        outcomes = create(subject, drafts)
        done(outcomes)
        assert [outcome.existed for outcome in outcomes] == [True] * 3
        assert subject.rows() == before

    def test_twice_in_one_call_is_once(self, subject: Subject) -> None:
        traits = traits_of(subject)
        if not traits.creates:
            return
        one = draft(subject, traits, traits.creates, CODES[0])
        outcomes = create(subject, [one, draft(subject, traits, traits.creates, CODES[1]), one])
        done(outcomes)
        assert [outcome.existed for outcome in outcomes] == [False, False, True]
        assert set(by_article(subject)) == set(CODES[:2])

    def test_a_product_whose_article_is_there_is_found_and_left_as_it_is(self, subject: Subject) -> None:
        traits = traits_of(subject)
        if not traits.creates:
            return
        known = seeded(subject)
        before = subject.rows()
        other = {name: sample(subject, traits, name, other=True) for name in traits.creates if name != "options"}
        outcomes = create(
            subject,
            [
                draft(subject, traits, traits.creates, CODES[1], **other),
                draft(subject, traits, traits.creates, "NEW-1"),
            ],
        )
        done(outcomes)
        assert [outcome.existed for outcome in outcomes] == [True, False]
        assert outcomes[0].ids in ((), (known[CODES[1]].id,))
        after = subject.rows()
        assert {key: after[key] for key in before} == before
        assert len(after) == len(before) + 1

    def test_a_draft_without_an_article_is_held(self, subject: Subject) -> None:
        # made twice, it would be there twice: nothing finds it again
        traits = traits_of(subject)
        if not traits.creates:
            return
        drafts = [draft(subject, traits, traits.creates, code) for code in ("", CODES[0])]
        outcomes = create(subject, drafts)
        assert held(outcomes[0])
        done(outcomes[1:])
        assert set(by_article(subject)) == {CODES[0]}

    def test_a_product_with_variants_is_created_whole(self, subject: Subject) -> None:
        traits = traits_of(subject)
        if not traits.creates or traits.variants == "none":
            return
        product = family(subject, traits, traits.creates)
        (outcome,) = create(subject, [product])
        done([outcome])
        offers = by_article(subject)
        ids = [offers[code].id for code in FAMILY if code in offers]
        assert set(FAMILY[1:]) <= set(offers) <= set(FAMILY)
        assert outcome.ids
        assert set(outcome.ids) <= set(ids)
        if traits.variants == "offers":
            assert outcome.ids[0] == offers[FAMILY[0]].id
            assert [offers[code].kind for code in FAMILY] == ["base", "variant", "variant"]
            assert len({offers[code].product for code in FAMILY}) == 1
        else:
            assert {offer.kind for offer in offers.values()} == {"single"}
        for variant in product.variants:
            offer = offers[variant.keys[traits.keys[0]]]
            names = {name for name in variant.values if name.startswith(("price", "options"))} & set(traits.reads)
            assert {n: offer.values.get(n) for n in names} == {n: variant.values[n] for n in names}
        before = subject.rows()
        (again,) = create(subject, [product])
        done([again])
        assert again.existed
        assert subject.rows() == before

    def test_a_variant_that_is_missing_below_a_known_product_is_added_or_told(self, subject: Subject) -> None:
        traits = traits_of(subject)
        if not traits.creates or traits.variants == "none":
            return
        product = family(subject, traits, traits.creates)
        done(create(subject, [type(product)(base=product.base, variants=product.variants[:1])]))
        before = set(by_article(subject))
        (outcome,) = create(subject, [product])
        after = by_article(subject)
        if outcome.error is not None:
            assert held(outcome)
            assert set(after) == before
        else:
            assert set(after) == before | {FAMILY[2]}
            assert not outcome.existed
            if traits.variants == "offers":
                assert after[FAMILY[2]].product == after[FAMILY[1]].product

    def test_new_variants_of_a_product_that_is_named_by_its_id(self, subject: Subject) -> None:
        traits = traits_of(subject)
        if not traits.creates or traits.variants != "offers":
            return
        product = family(subject, traits, traits.creates)
        done(create(subject, [type(product)(base=product.base, variants=product.variants[:1])]))
        before, there = subject.rows(), by_article(subject)[FAMILY[0]]
        named = Offer(id=there.id, product=there.product, kind="base", keys={traits.keys[0]: "in another notation"})
        gone = Offer(id="987654321", product="987654321", kind="base", keys=there.keys)
        outcomes = create(subject, [type(product)(base=base, variants=product.variants[1:]) for base in (gone, named)])
        assert held(outcomes[0])
        done(outcomes[1:])
        after = by_article(subject)
        assert set(after) == set(FAMILY)
        assert after[FAMILY[2]].product == there.product
        assert outcomes[1].ids in ((after[FAMILY[2]].id,), (there.id, after[FAMILY[2]].id))
        rows = subject.rows()
        assert _without({key: rows[key] for key in before}, subject.stamps) == _without(before, subject.stamps)

    def test_categories_on_the_way_are_made_once(self, subject: Subject) -> None:
        traits = traits_of(subject)
        if "category" not in traits.creates or subject.categories is None:
            return
        before = set(subject.categories())
        one, two = sample(subject, traits, "category"), sample(subject, traits, "category", other=True)
        paths = [one, two, one]
        drafts = [
            draft(subject, traits, traits.creates - {"categories"}, code, category=path)
            for code, path in zip(CODES, paths, strict=True)
        ]
        done(create(subject, drafts))
        there = list(subject.categories())
        assert len(set(there)) == len(there), "a category was made twice"
        assert set(there) - before == {path[: n + 1] for path in (one, two) for n in range(len(path))} - before
        offers = by_article(subject)
        if "category" in traits.reads:
            assert [offers[code].values["category"] for code in CODES] == paths

    def test_awkward_texts_are_kept_exactly_or_refused(self, subject: Subject) -> None:
        traits = traits_of(subject)
        for name in ("name", "description", "manufacturer", "category"):
            if name not in traits.creates or name not in traits.reads:
                continue
            texts = [*AWKWARD, ""] if name == "name" else AWKWARD
            values = [(text,) if name == "category" else text for text in texts]
            fields = traits.creates - {"categories"}
            drafts = [
                draft(subject, traits, fields, f"{name[:4].upper()}-{n:02d}", **{name: value})
                for n, value in enumerate(values)
            ]
            outcomes = create(subject, drafts)
            offers = by_article(subject)
            for one, value, outcome in zip(drafts, values, outcomes, strict=True):
                code = one.base.keys[traits.keys[0]]
                if outcome.error is None:
                    assert offers[code].values[name] == value
                else:
                    assert held(outcome), (name, value)
                    assert code not in offers

    def test_a_long_description_is_kept_whole_or_refused(self, subject: Subject) -> None:
        traits = traits_of(subject)
        if "description" not in traits.creates & traits.reads:
            return
        long = "<p>" + "Довгий опис із літерою ґ. " * 400 + "</p>"
        assert len(long) > 10_000
        (outcome,) = create(subject, [draft(subject, traits, traits.creates, CODES[0], description=long)])
        if outcome.error is None:
            assert by_article(subject)[CODES[0]].values["description"] == long
        else:
            assert held(outcome)
            assert told(subject) == []

    def test_more_rows_than_one_write_takes(self, subject: Subject) -> None:
        traits = traits_of(subject)
        codes = [f"M-{n:05d}" for n in range(traits.batch + 1)]
        if traits.creates:
            outcomes = create(subject, [draft(subject, traits, traits.creates, code) for code in codes])
            done(outcomes)
            assert len({outcome.ids for outcome in outcomes}) == len(codes)
        else:
            subject.seed([draft(subject, traits, traits.reads, code) for code in codes])
        if "price" not in traits.writes & traits.reads:
            return
        offers = by_article(subject)
        prices = {code: Decimal(n) + Decimal("0.25") for n, code in enumerate(codes, 1)}
        done(update(subject, [(offers[code], {"price": price}) for code, price in prices.items()]))
        assert {code: offer.values["price"] for code, offer in by_article(subject).items()} == prices

    # --- update ------------------------------------------------------------------------------------------------------

    def test_an_update_touches_just_the_fields_that_it_names(self, subject: Subject) -> None:
        traits = traits_of(subject)
        for name in sorted(traits.writes - {"options"}):
            code = f"{name.upper()}-1"
            offers = seeded(subject, code, f"{code}-BESIDE")
            before = subject.rows()
            value = sample(subject, traits, name, other=True)
            done(update(subject, [(offers[code], {name: value})]))
            moved = touched_only(subject, name, before, subject.rows(), offers[code].id)
            assert moved or value == offers[code].values.get(name), f"{name}: nothing was written"
            after = by_article(subject)[code]
            if name in traits.reads:
                assert after.values[name] == value
            assert after.id == offers[code].id

    def test_a_variant_is_updated_alone(self, subject: Subject) -> None:
        traits = traits_of(subject)
        if "price" not in traits.writes or traits.variants != "offers":
            return
        subject.seed([family(subject, traits, traits.reads)])
        offers, before = by_article(subject), subject.rows()
        done(update(subject, [(offers[FAMILY[2]], {"price": Decimal("77.70")})]))
        touched_only(subject, "price", before, subject.rows(), offers[FAMILY[2]].id)
        assert by_article(subject)[FAMILY[2]].values["price"] == Decimal("77.70")

    def test_an_update_twice_is_once(self, subject: Subject) -> None:
        traits = traits_of(subject)
        if not traits.writes:
            return
        offers = seeded(subject)
        values = {name: sample(subject, traits, name, other=True) for name in traits.writes if name != "options"}
        done(update(subject, [(offers[CODES[0]], values)]))
        before = _without(subject.rows(), subject.stamps)
        done(update(subject, [(offers[CODES[0]], values)]))
        assert _without(subject.rows(), subject.stamps) == before

    def test_a_field_that_is_none_is_cleared_or_the_row_is_held(self, subject: Subject) -> None:
        traits = traits_of(subject)
        for name in sorted(traits.writes - {"options", "currency", "published"}):
            code = f"{name.upper()}-0"
            offers = seeded(subject, code, f"{code}-BESIDE")
            before = subject.rows()
            (outcome,) = update(subject, [(offers[code], {name: None})])
            after = by_article(subject)[code]
            if outcome.error is not None:
                assert held(outcome), name
                assert subject.rows() == before
            else:
                none = subject.cleared.get(name, empty(name))
                assert name not in traits.reads or after.values[name] == none, name
                touched_only(subject, name, before, subject.rows(), offers[code].id)

    def test_a_bad_row_spoils_no_other(self, subject: Subject) -> None:
        traits = traits_of(subject)
        if "price" not in traits.writes & traits.reads:
            return
        offers = seeded(subject)
        gone = Offer(id="987654321", product="987654321", keys={traits.keys[0]: "GONE"})
        prices = (Decimal("11.10"), Decimal("12.20"), Decimal("13.30"))
        rows = [(offers[code], {"price": price}) for code, price in zip(CODES, prices, strict=True)]
        outcomes = update(subject, [rows[0], (gone, {"price": Decimal(1)}), *rows[1:]])
        assert held(outcomes[1])
        done([outcomes[0], *outcomes[2:]])
        after = by_article(subject)
        assert set(after) == set(CODES)
        assert tuple(after[code].values["price"] for code in CODES) == prices

    def test_a_price_below_nothing_is_held(self, subject: Subject) -> None:
        traits = traits_of(subject)
        if "price" not in traits.writes:
            return
        offers, before = seeded(subject), subject.rows()
        (outcome,) = update(subject, [(offers[CODES[0]], {"price": Decimal("-0.01")})])
        assert held(outcome)
        assert subject.rows() == before

    def test_a_field_that_it_does_not_write_is_never_taken_in_silence(self, subject: Subject) -> None:
        traits = traits_of(subject)
        missing = sorted({"name", "price", "unit", "weight", "length", "barcode"} - traits.writes)
        if not traits.writes or not missing:
            return
        offers, before = seeded(subject), subject.rows()
        values = {missing[0]: sample(subject, traits, missing[0], other=True)}
        (outcome,) = update(subject, [(offers[CODES[0]], values)])
        assert held(outcome)
        assert subject.rows() == before

    def test_no_rows_are_no_outcomes(self, subject: Subject) -> None:
        if isinstance(subject.open(), ApplyCatalogue):
            assert list(create(subject, [])) == []
            assert list(update(subject, [])) == []


def _without(rows: Mapping[str, Mapping[str, Any]], names: Any) -> dict[str, dict[str, Any]]:
    return {key: {name: value for name, value in row.items() if name not in names} for key, row in rows.items()}


class SyncContract(OffersContract, CatalogueContract, StockContract):
    """All that a system which is an end of a sync has promised."""
