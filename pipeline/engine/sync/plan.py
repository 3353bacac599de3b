"""The plan of a sync as a value: what would be created, changed and left alone, and why. Pure."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from pipeline.engine.sync.match import Matches
from pipeline.engine.sync.near import near
from pipeline.engine.sync.rows import TOLD, Row, Rows, next_change, of_variant, values_for
from pipeline.engine.sync.vanishing import Vanish, vanished
from pipeline.errors import Finding, Where, Who
from pipeline.model import Offer, SpecialPrice
from pipeline.ports import OfferTraits, ProductDraft
from pipeline.syncing import CatalogueSyncSettings, is_price
from pipeline.texts import TN, T, Text


@dataclass(frozen=True, slots=True)
class Change:
    """One field of an offer of the target. ``before`` is UNKNOWN where the target does not tell it."""

    name: str
    before: Any
    after: Any


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
    wanted: Mapping[str, str] = field(default_factory=dict)  #: fingerprints of all fields that it is to have


@dataclass(frozen=True, slots=True)
class Settled:
    """An offer of the target that is as it should be; ``seen`` are fingerprints of how the target keeps it."""

    row: Row
    target: Offer
    wanted: Mapping[str, str]
    seen: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Known:
    """What the ledger knows of an offer of the target that was kept in step: fingerprints by field, of what was sent
    (``wanted``) and of how the target then showed it (``seen``)."""

    target_id: str
    source_key: str
    wanted: Mapping[str, str] = field(default_factory=dict)
    seen: Mapping[str, str] = field(default_factory=dict)


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

    @property
    def empty(self) -> bool:
        """Whether nothing is to be done."""
        return not (self.creates or self.updates or any(one.act != "keep" for one in self.vanished))


def fingerprint(value: Any) -> str:
    """Tells two values of a field apart; equal numbers written in two ways are one."""
    match value:  # most fields are texts and numbers: no need to make JSON of them
        case str():
            words = "s" + value
        case Decimal():
            words = "n" + format(value.normalize(), "f")
        case _:
            words = "j" + json.dumps(_canonical(value), ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.blake2b(words.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def _canonical(value: Any) -> Any:
    match value:
        case Decimal():
            return format(value.normalize(), "f")
        case datetime():
            return value.astimezone(UTC).isoformat()
        case date():
            return value.isoformat()
        case SpecialPrice():
            return [
                _canonical(value.money.amount),
                value.money.currency,
                _canonical(value.start),
                _canonical(value.end),
            ]
        case Mapping():
            return {str(name): _canonical(one) for name, one in value.items()}
        case str() | bool() | int() | None:
            return value
        case _ if isinstance(value, Iterable):
            return [_canonical(one) for one in value]
        case _:
            return str(value)


def same(one: Any, other: Any) -> bool:
    """Whether two values of a field mean the same. Texts: blanks at the ends and the kind of line ends do not count."""
    if one == other:
        return True
    if isinstance(one, str) and isinstance(other, str):
        return _text(one) == _text(other)
    if one is None or other is None:
        return (one or ()) == (other or ()) if not isinstance(one or other, Decimal) else False
    if isinstance(one, tuple | list) and isinstance(other, tuple | list):
        return len(one) == len(other) and all(same(a, b) for a, b in zip(one, other, strict=True))
    return False


def _text(value: str) -> str:
    return re.sub(r"\r\n?", "\n", value).replace("\u00a0", " ").strip()


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
    shown: list[Row] = field(default_factory=list)  #: variants that the source hides and the target cannot

    def go(self, *, full: bool) -> SyncPlan:
        lacking = [row for row in self.matches.missing if not row.hidden]
        self.near = near(lacking, self.matches.only_there) if full else {}
        for pair in (*self.matches.bases, *self.matches.pairs):
            for target in pair.targets:
                self._bring(pair.row, target)
        if self.settings.create and self.traits.creates:
            self._create_all(lacking)
        else:
            self.findings += [_not_there(row, self.near.get(row.key, ()), self.settings.to) for row in lacking]
        if self.shown:
            self.findings.append(_still_shown(self.shown, self.settings.to))
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
        )

    def _wake(self, lacking: Sequence[Row]) -> None:
        rows = [pair.row for pair in self.matches.pairs] + (list(lacking) if self.settings.create else [])
        self.wakes += [moment for row in rows if (moment := next_change(row.offer, self.at)) is not None]

    def _bring(self, row: Row, target: Offer) -> None:
        allowed = self.traits.writes
        if target.kind == "variant":
            own = {"published"} if self.traits.hides(target) else set()
            allowed = frozenset(name for name in allowed if of_variant(name) or name in own) - self.traits.fixed
        elif target.kind == "base":
            allowed = frozenset(name for name in allowed if not of_variant(name))
        wanted = values_for(row.offer, self.settings, allowed, self.traits, self.at)
        if not str(wanted.get("name", "x")).strip():
            del wanted["name"]
            self.findings.append(_nameless(row))
        if target.kind == "variant" and wanted.get("published") and target.values.get("published") is not False:
            del wanted["published"]  # that it is shown goes without saying
        if self.went.get(target.id) and self.traits.hides(target):
            wanted.setdefault("published", True)
        about = self.settings.fields is None or "published" in self.settings.fields
        if row.hidden and about and "published" not in wanted and target.values.get("published") is not False:
            self.shown.append(row)
        before = self.known.get(target.id)
        if (others := self._others(row, target, wanted, before)) is not None:
            self.findings.append(_other_currency(row, others))
            wanted = {name: value for name, value in wanted.items() if not is_price(name)}
        prints = {name: fingerprint(value) for name, value in wanted.items()}
        prints = with_currency(prints, row.offer)
        changes: list[Change] = []
        seen: dict[str, str] = {}
        for name, value in wanted.items():
            sent = before.wanted.get(name) if before else None
            if name not in target.values:  # it takes it and does not tell it
                if sent != prints[name]:
                    changes.append(Change(name, UNKNOWN, value))
                continue
            there = target.values[name]
            if same(there, value):
                continue
            shown = fingerprint(there)
            kept = before.seen.get(name) if before else None
            # the target keeps it in its own way (it tidies HTML): what was sent and what it shows are both as they were
            # after the last time. A price or a yes is what it is: another one was put there by somebody.
            if sent == prints[name] and (kept == shown or (kept is None and isinstance(there, str | tuple))):
                seen[name] = shown
                if kept is None:
                    self.findings.append(_kept_otherwise(row, target, name))
                continue
            changes.append(Change(name, there, value))
        if changes:
            self.updates.append(Update(row, target, tuple(changes), prints))
        else:
            self.settled.append(Settled(row, target, prints, seen))

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
            self.findings.append(_nameless(base))
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
            self.findings.append(_priceless(row, price))
            return False
        ours = currency_of(row.offer)
        if price is None or "currency" in values or self.settings.other_currency == "ignore":
            return True
        if ours and self.currency and ours != self.currency:
            self.findings.append(_new_in_other_currency(row, ours, self.currency))
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


def _not_there(row: Row, close: Sequence[Offer], target: str) -> Finding:
    example = f"sku:{row.article}={next(iter(close[0].keys.values()), '…') if close else '…'}"
    hint = T("Create it there, or say which one is meant: mistok resolve CARD --map {example}", example=example)
    if close:
        names = ", ".join(f"{one.title} ({next(iter(one.keys.values()), one.id)})" for one in close)
        hint = T("Near to it are: {codes}. If it is one of them: mistok resolve CARD --map {example}",
                 codes=names, example=example)  # fmt: skip
    return Finding(
        "not-there",
        T("{article} ({title}) is not in {target}.", article=row.article, title=row.offer.title, target=target),
        Where(element=row.article),
        hint,
        Who.ACCOUNTANT,
        about=f"sku:{row.article}",
    )


def currency_of(offer: Offer) -> str:
    """ISO code of the currency that an offer tells; "" when it tells none."""
    return str(offer.values.get("currency") or "").strip().upper()


def with_currency(prints: Mapping[str, str], offer: Offer) -> dict[str, str]:
    """Fingerprints with that of the currency, where there is a price among them: between two looks at everything the
    target is not asked in what it prices."""
    code = currency_of(offer)
    return {"currency": fingerprint(code), **prints} if code and any(map(is_price, prints)) else dict(prints)


def other_currencies(ours: Offer, theirs: Offer) -> tuple[str, str] | None:
    """The currencies in which the two price a thing, where both tell one and it is not the same."""
    one, other = currency_of(ours), currency_of(theirs)
    return (one, other) if one and other and one != other else None


def _other_currency(row: Row, others: tuple[str, str]) -> Finding:
    ours, theirs = others
    text = T("{article}: its price is in {ours} now, and was in another currency: it is not written.",
             article=row.article, ours=ours)  # fmt: skip
    if theirs:
        text = T(
            "{article}: its price is in {ours} in the source and in {theirs} in the target: it is not written.",
            article=row.article,
            ours=ours,
            theirs=theirs,
        )
    return Finding("other-currency", text, Where(element=row.article), _ONE_CURRENCY, Who.ADMIN)


def _new_in_other_currency(row: Row, ours: str, theirs: str) -> Finding:
    text = T(
        "{article} ({title}) is not created: its price is in {ours}, and {theirs} is the target's currency.",
        article=row.article or row.offer.id,
        title=row.offer.title,
        ours=ours,
        theirs=theirs,
    )
    return Finding("other-currency", text, Where(element=row.article or row.offer.id), _ONE_CURRENCY, Who.ADMIN)


_ONE_CURRENCY = T(
    "Let both price it in one currency: nothing is converted. Where the numbers are right as they are, say "
    "`other_currency: ignore` in the step."
)


def _priceless(row: Row, price: Any) -> Finding:
    article = row.article or row.offer.id
    text = T("{article} ({title}) has no price in the source that can be read: it is not created.",
             article=article, title=row.offer.title)  # fmt: skip
    if isinstance(price, Decimal):
        text = T("{article} ({title}) has the price {price} in the source: it is not created.",
                 article=article, title=row.offer.title, price=price)  # fmt: skip
    hint = T("Give it a price in the source: the next run creates it.")
    return Finding("no-price", text, Where(element=article), hint, Who.ACCOUNTANT)


def _still_shown(rows: Sequence[Row], target: str) -> Finding:
    articles = list(dict.fromkeys(row.article for row in rows))
    text = TN(
        "{n} variant is not shown to buyers in the source, and {target} cannot hide it: {names}.",
        "{n} variants are not shown to buyers in the source, and {target} cannot hide them: {names}.",
        len(articles),
        target=target,
        names=", ".join(articles[:TOLD]) + (" …" if len(articles) > TOLD else ""),
    )
    hint = T("Take it off there by hand, or let its stock in the source be 0.")
    return Finding("still-shown", text, Where(element=articles[0]), hint, Who.ADMIN)


def _nameless(row: Row) -> Finding:
    return Finding(
        "no-name",
        T("{article} has no name in the source.", article=row.article or row.offer.id),
        Where(element=row.article or row.offer.id),
        T("Fill it in; everything else of the catalogue goes on."),
        Who.SITE,
    )


def _kept_otherwise(row: Row, target: Offer, name: str) -> Finding:
    return Finding(
        "kept-otherwise",
        T(
            "{article}: the target shows `{name}` otherwise than it was sent ({id}). It is left so.",
            article=row.article or row.offer.title,
            name=name,
            id=target.id,
        ),
        Where(element=row.article),
        T("Look at it there once: the system may tidy it in its own way."),
        Who.ADMIN,
    )


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
