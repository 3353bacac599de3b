"""The plan of a sync as a value: what would be created, changed and left alone, and why. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from itertools import chain
from typing import Any, NamedTuple

from pipeline.engine.sync import said
from pipeline.engine.sync.match import Matches
from pipeline.engine.sync.near import near
from pipeline.engine.sync.prints import currency_of, fingerprint, same
from pipeline.engine.sync.rows import Row, Rows, next_change, values_for
from pipeline.engine.sync.unchanged import Glance, Known, allowed_of, uncollected
from pipeline.engine.sync.vanishing import Vanish, vanished
from pipeline.errors import Finding, Where, Who
from pipeline.model import Offer, SpecialPrice
from pipeline.ports import OfferTraits, ProductDraft
from pipeline.syncing import CatalogueSyncSettings, is_price
from pipeline.texts import T, Text


@dataclass(frozen=True, slots=True)
class Change:
    """One field of an offer of the target. ``before`` is UNKNOWN where the target does not tell it."""

    name: str
    before: Any
    after: Any


_NOTHING: Mapping[str, str] = {}


class _Unknown:
    def __repr__(self) -> str:
        return "?"


UNKNOWN = _Unknown()


@dataclass(frozen=True, slots=True)
class Create:
    """A product, or new variants of one, to be created; ``rows`` of the base (or the single one) and the variants."""

    draft: ProductDraft
    rows: tuple[Row, ...]

    @property
    def count(self) -> int:
        """How many things that are sold it makes."""
        return max(len(self.draft.variants), 1)


@dataclass(frozen=True, slots=True)
class Update:
    """An offer of the target to be changed."""

    row: Row
    target: Offer
    changes: tuple[Change, ...]
    #: fingerprints of all fields that it is to have; None: see ``SyncPlan.wanted``
    prints: Mapping[str, str] | None = field(default_factory=dict)


class Settled(NamedTuple):
    """An offer of the target that is as it should be; ``seen`` are fingerprints of how the target keeps it.

    ``prints`` are fingerprints of all fields that it is to have; None: see ``SyncPlan.wanted``.
    """

    row: Row
    target: Offer
    prints: Mapping[str, str] | None
    seen: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class SyncPlan:
    """All that a run would do."""

    creates: tuple[Create, ...] = ()
    updates: tuple[Update, ...] = ()
    settled: tuple[Settled, ...] = ()
    vanished: tuple[Vanish, ...] = ()
    findings: tuple[Finding, ...] = ()  #: ambiguous, twins, without an article, without a name …
    counts: Mapping[str, int] = field(default_factory=dict)
    only_there: tuple[Offer, ...] = ()
    near: Mapping[str, tuple[Offer, ...]] = field(default_factory=dict)  #: by a row's key, what it may be in the target
    wake_at: datetime | None = None  #: when a special price begins or ends next
    full: bool = True
    aside: Mapping[str, Text] = field(default_factory=dict)  #: key of what the source has and does not send -> why

    #: made when asked for: most of what is in step is as it was, and the ledger has them already
    marks: Callable[[Row, Offer], int] = field(default=lambda _row, _target: 0, compare=False)
    prints: Callable[[Row, Offer], Mapping[str, str]] = field(default=lambda _row, _target: {}, compare=False)

    def wanted(self, one: Settled | Update) -> Mapping[str, str]:
        """Fingerprints of all fields that something is to have."""
        return self.prints(one.row, one.target) if one.prints is None else one.prints

    def mark(self, one: Settled | Update) -> int:
        """The mark of what the source has of it, see unchanged.py; 0: none."""
        return self.marks(one.row, one.target) if one.prints is None else 0

    @property
    def empty(self) -> bool:
        """Whether nothing is to be done."""
        return not (self.creates or self.updates or any(one.act != "keep" for one in self.vanished))


def plan(
    rows: Rows,
    matches: Matches,
    traits: OfferTraits,
    settings: CatalogueSyncSettings,
    known: Mapping[str, Known],
    at: datetime,
    *,
    gone: Mapping[str, bool] | None = None,
    full: bool = True,
    priced: bool = False,
    currency: str = "",
) -> SyncPlan:
    """What is to be done so that the target is in step at the moment ``at``.

    Args:
        traits: of the target.
        known: by the target's id, what was kept in step before.
        gone: by the target's id, what had gone from the source, and whether it was hidden then: it is shown again.
        full: all of both sides was read, so that what is missing has vanished.
        priced: the source can tell prices: where it does tell any, that one that it does not tell could not be read.
        currency: of all prices of the target; "" when that is not known, or when each offer has its own.
    """
    origin = settings.map.get("price", "price")
    priced = priced and (
        any(origin in row.offer.values for row in rows.sold) or any("price" in one.wanted for one in known.values())
    )
    maker = _Planner(rows, matches, traits, settings, known, at, gone or {}, priced, currency)
    with uncollected():
        return maker.go(full=full)


@dataclass
class _Planner:
    rows: Rows
    matches: Matches
    traits: OfferTraits
    settings: CatalogueSyncSettings
    known: Mapping[str, Known]
    at: datetime
    went: Mapping[str, bool]
    priced: bool
    currency: str
    updates: list[Update] = field(default_factory=list)
    settled: list[Settled] = field(default_factory=list)
    creates: list[Create] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    wakes: list[datetime] = field(default_factory=list)
    near: Mapping[str, tuple[Offer, ...]] = field(default_factory=dict)
    glances: dict[str, Glance] = field(default_factory=dict)  #: by the kind of the target's offer
    shown: list[Row] = field(default_factory=list)  #: variants that the source hides and the target cannot

    def go(self, *, full: bool) -> SyncPlan:
        lacking = [row for row in self.matches.missing if not row.hidden]
        self.near = near(lacking, self.matches.only_there) if full else {}
        glances, went, settle = self.glances, self.went, self.settled.append
        for row, targets in chain(self.matches.bases, self.matches.pairs):
            for target in targets:
                glance = glances.get(target.kind) or self._glance(target.kind)
                if glance.is_same(row, target) and not (went and went.get(target.id)):
                    settle(tuple.__new__(Settled, (row, target, None, _NOTHING)))  # Settled(…), in half its time
                else:
                    self._bring(row, target)
        if self.settings.create and self.traits.creates:
            self._create_all(lacking)
        else:
            self.findings += [said.not_there(row, self.near.get(row.key, ()), self.settings.to) for row in lacking]
        if self.shown:
            self.findings.append(said.still_shown(self.shown, self.settings.to))
        gone = self._gone() if full else ()
        if any(name in self.traits.writes or name in self.traits.creates for name in ("price", "specials")):
            self._wake(lacking)
        counts = {
            "matched": len(self.settled),
            "new": sum(one.count for one in self.creates),
            "updated": len(self.updates),
            "vanished": sum(one.target.kind != "base" for one in gone),
            "twins": self.matches.twins,
            "ambiguous": self.matches.ambiguous,
            "keyless": sum(one.code == "no-article" for one in self.rows.findings),
        }
        return SyncPlan(
            tuple(self.creates),
            tuple(self.updates),
            tuple(self.settled),
            gone,
            (*self.rows.findings, *self.matches.findings, *self.findings),
            counts,
            self.matches.only_there,
            self.near,
            min(self.wakes, default=None),
            full,
            self.rows.aside,
            lambda row, target: glances[target.kind].mark(row.offer, target),
            self._prints,
        )

    def _glance(self, kind: str) -> Glance:
        found = self.glances[kind] = Glance(kind, self.settings, self.traits, self.at, self.known, self.currency)
        return found

    def _prints(self, row: Row, target: Offer) -> Mapping[str, str]:
        """Fingerprints of all that the target is to have of a row of which nothing odd is to be said."""
        wanted = values_for(row.offer, self.settings, allowed_of(target, self.traits), self.traits, self.at)
        if target.kind == "variant":
            wanted.pop("published", None)  # that it is shown goes without saying
        return with_currency({name: fingerprint(value) for name, value in wanted.items()}, row.offer)

    def _wake(self, lacking: Sequence[Row]) -> None:
        rows = [pair.row for pair in self.matches.pairs] + (list(lacking) if self.settings.create else [])
        self.wakes += [
            moment
            for row in rows
            if row.offer.values.get("specials") and (moment := next_change(row.offer, self.at)) is not None
        ]

    def _bring(self, row: Row, target: Offer) -> None:
        wanted = values_for(row.offer, self.settings, allowed_of(target, self.traits), self.traits, self.at)
        usual = True  # nothing of what is wanted depends on the target
        if not str(wanted.get("name", "x")).strip():
            del wanted["name"]
            self.findings.append(said.nameless(row))
            usual = False
        if target.kind == "variant" and "published" in wanted:
            if wanted["published"] and target.values.get("published") is not False:
                del wanted["published"]  # that it is shown goes without saying
            else:
                usual = False
        if self.went.get(target.id) and self.traits.hides(target):
            wanted.setdefault("published", True)
            usual = False
        about = self.settings.fields is None or "published" in self.settings.fields
        if row.hidden and about and "published" not in wanted and target.values.get("published") is not False:
            self.shown.append(row)
        before = self.known.get(target.id)
        if (others := self._others(row, target, wanted, before)) is not None:
            self.findings.append(said.other_currency(row, others))
            wanted = {name: value for name, value in wanted.items() if not is_price(name)}
            usual = False
        changes, seen = self._differing(row, target, wanted, before)
        prints = None
        if not usual:
            prints = with_currency({name: fingerprint(value) for name, value in wanted.items()}, row.offer)
        if changes:
            self.updates.append(Update(row, target, tuple(changes), prints))
        else:
            self.settled.append(Settled(row, target, prints, seen))

    def _differing(
        self, row: Row, target: Offer, wanted: Mapping[str, Any], before: Known | None
    ) -> tuple[list[Change], Mapping[str, str]]:
        """What is to change; and fingerprints of the fields that the target keeps in its own way."""
        changes: list[Change] = []
        seen: dict[str, str] = {}
        for name, value in wanted.items():
            told = name in target.values
            there = target.values[name] if told else UNKNOWN
            if told and same(there, value):
                continue
            sent = before.wanted.get(name) if before else None
            as_sent = sent is not None and sent == fingerprint(value)
            if not told:  # it takes it and does not tell it
                if not as_sent:
                    changes.append(Change(name, UNKNOWN, value))
                continue
            kept = before.seen.get(name) if before else None
            # the target keeps it in its own way (it tidies HTML): what was sent and what it shows are both as they were
            # after the last time. A price or a yes is what it is: another one was put there by somebody.
            if as_sent:
                shown = fingerprint(there)
                if kept == shown or (kept is None and isinstance(there, str | tuple)):
                    seen[name] = shown
                    if kept is None:
                        self.findings.append(said.kept_otherwise(row, target, name))
                    continue
            changes.append(Change(name, there, value))
        return changes, seen

    def _others(
        self, row: Row, target: Offer, wanted: Mapping[str, Any], before: Known | None
    ) -> tuple[str, str] | None:
        """The two currencies, where a price would be written by its mere number over one of another currency; the
        target's is "" where only that its price was of another is known."""
        ours = currency_of(row.offer)
        if self.settings.other_currency == "ignore" or "currency" in wanted or not any(map(is_price, wanted)):
            return None
        theirs = currency_of(target) or self.currency
        if ours and not theirs and before is not None and "currency" in before.wanted:
            return (ours, "") if before.wanted["currency"] != fingerprint(ours) else None
        return (ours, theirs) if ours and theirs and ours != theirs else None

    def _gone(self) -> tuple[Vanish, ...]:
        links = {name: one.source_key for name, one in self.known.items()}
        found = vanished(self.rows, self.matches, self.traits, self.settings, links, self.went)
        self.findings += found.findings
        return found.gone

    # --- new ---------------------------------------------------------------------------------------------------------

    def _create_all(self, lacking: Sequence[Row]) -> None:
        if not lacking:
            return
        groups: dict[str, list[Row]] = {}
        there = {pair.row.product: pair.targets for pair in self.matches.bases}
        if not self.currency:  # what is sold there already tells in what something new is priced, too
            sold = (*self.matches.only_there, *(one for pair in self.matches.pairs for one in pair.targets))
            told = {code for one in sold if (code := currency_of(one))}
            self.currency = told.pop() if len(told) == 1 else ""
        for row in lacking:
            groups.setdefault(
                row.product if row.offer.kind == "variant" else f"\0{row.offer.id}\0{row.key}", []
            ).append(row)
        for product, rows in groups.items():
            base_row = self.rows.bases.get(product)
            if rows[0].offer.kind != "variant":
                self._create(rows[0], ())
            elif base_row is None:
                for row in rows:  # a variant whose product the source does not tell: on its own
                    self._create(row, ())
            else:
                self._create(base_row, rows, there.get(product, ()))

    def _create(self, base: Row, variants: Sequence[Row], there: Sequence[Offer] = ()) -> None:
        values = self._new(base.offer)
        if not there and not str(values.get("name", "")).strip():
            self.findings.append(said.nameless(base))
            return
        if variants:
            variants = [row for row in variants if self._may_be_sold(row)]
        if not variants and (base.offer.kind == "base" or not self._may_be_sold(base)):
            return
        for target in there or (None,):
            # of twins in the target each gets the new variants
            draft = ProductDraft(
                base=Offer(
                    id=target.id if target else "",
                    product=target.product if target else "",
                    kind="base" if variants else "single",
                    keys=self._keys(base),
                    values={} if target else values,
                ),
                variants=tuple(
                    Offer(kind="variant", keys=self._keys(row), values=self._new(row.offer)) for row in variants
                ),
            )
            self.creates.append(Create(draft, (base, *variants)))
        for row in variants or (base,):
            self._look_at_prices(row, self._new(row.offer))

    def _may_be_sold(self, row: Row) -> bool:
        """Whether something new has a price at which it may be sold there; what has none is told, and not created."""
        if "price" not in self.traits.creates or (
            self.settings.fields is not None and "price" not in self.settings.fields
        ):
            return True  # the step is not about prices
        values = self._new(row.offer)
        price = values.get("price")
        told = self.settings.map.get("price", "price") in row.offer.values
        if (not isinstance(price, Decimal) or price <= 0) and (told or self.priced):
            self.findings.append(said.priceless(row, price))
            return False
        ours = currency_of(row.offer)
        if price is None or "currency" in values or self.settings.other_currency == "ignore":
            return True
        if ours and self.currency and ours != self.currency:
            self.findings.append(said.new_in_other_currency(row, ours, self.currency))
            return False
        return True

    def _look_at_prices(self, row: Row, values: Mapping[str, Any]) -> None:
        """Tell what is created at a special price far from its price."""
        article, price = row.article or row.offer.id, values.get("price")
        for one in values.get("specials") or ():
            beside = _comparable(price, row, one)
            if odd(one, beside, self.settings.max_price_change):
                self.findings.append(odd_special(article, one, beside))

    def _keys(self, row: Row) -> dict[str, str]:
        """The article under which it is created, and whatever else of its keys the target has a field for."""
        own = {name: value for name, value in row.offer.keys.items() if name in self.traits.keys}
        name = self.settings.match.target or self.traits.keys[0]
        return {**own, name: row.article} if row.article else own

    def _new(self, offer: Offer) -> dict[str, Any]:
        values = values_for(offer, self.settings, self.traits.creates, self.traits, self.at)
        if offer.kind == "variant" and (values.get("published") or "published" in self.traits.of_products):
            values.pop("published", None)  # that it is shown goes without saying
        chosen = self.settings.fields is None or "category" in self.settings.fields
        if self.settings.root and chosen and "category" in self.traits.creates and offer.kind != "variant":
            # what stands in no category of the source is new in the root; once there, people may move it
            values.setdefault("category", tuple(part.strip() for part in self.settings.root.split("/")))
        code = currency_of(offer)
        takes = "currency" in self.traits.creates and self.settings.other_currency != "ignore"
        if code and takes and self.currency != code and any(map(is_price, values)):
            values.setdefault("currency", code)  # a new price is told with its currency where the target takes one
        return values


def with_currency(prints: Mapping[str, str], offer: Offer) -> dict[str, str]:
    """Fingerprints with that of the currency, where there is a price among them: between two looks at everything the
    target is not asked in what it prices."""
    code = currency_of(offer)
    return {"currency": fingerprint(code), **prints} if code and any(map(is_price, prints)) else dict(prints)


def other_currencies(ours: Offer, theirs: Offer) -> tuple[str, str] | None:
    """The currencies in which the two price a thing, where both tell one and it is not the same."""
    one, other = currency_of(ours), currency_of(theirs)
    return (one, other) if one and other and one != other else None


def jumps(before: Decimal, after: Decimal, times: Decimal) -> bool:
    """Whether a price that was more than 0 becomes 0, or more than ``times`` higher or lower."""
    return before > 0 and (after <= 0 or after > before * times or after * times < before)


def odd(special: SpecialPrice, beside: Decimal | None, times: Decimal | None) -> bool:
    """Whether a special price is 0, or more than ``times`` over or under the price beside which it stands."""
    if times is None:
        return False
    amount = special.money.amount
    return amount <= 0 or (beside is not None and jumps(beside, amount, times))


def odd_special(article: str, special: SpecialPrice, beside: Decimal | None) -> Finding:
    """A line about such a special price."""
    amount = special.money.amount
    text = T("{article}: the special price {after}.", article=article, after=amount)
    if beside is not None:
        text = T(
            "{article}: the special price {after} beside the price {price}.",
            article=article,
            after=amount,
            price=beside,
        )
    return Finding("special-price", text, Where(element=article), None, Who.ACCOUNTANT)


def special_changes(plan: SyncPlan) -> Iterable[tuple[Update, SpecialPrice, Decimal | None]]:
    """Every special price that the plan puts where it was not, with the price beside which it will stand; None where
    that is not known, or in another currency."""
    for update in plan.updates:
        changed = {change.name: change for change in update.changes}
        if (specials := changed.get("specials")) is None:
            continue
        price = update.target.values.get("price", update.row.offer.values.get("price"))
        if "price" in changed:
            price = changed["price"].after
        for one in specials.after:
            if specials.before is UNKNOWN or not any(same((one,), (was,)) for was in specials.before or ()):
                yield update, one, _comparable(price, update.row, one)


def _comparable(price: Any, row: Row, special: SpecialPrice) -> Decimal | None:
    currency = row.offer.values.get("currency")
    return price if isinstance(price, Decimal) and currency in (None, "", special.money.currency) else None


def price_changes(plan: SyncPlan) -> Iterable[tuple[Update, Change]]:
    """Every price that the plan changes."""
    for update in plan.updates:
        for change in update.changes:
            if is_price(change.name):
                yield update, change
