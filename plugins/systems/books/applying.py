"""Takes products of a sync: new ones, and changes of single fields. Absolute, so that twice is the same as once.

A batch is one transaction. Its rows are written together; if the database refuses them, they are written again one by
one, each behind a savepoint, so that only the row at fault fails.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import Connection, bindparam, insert, select, update
from sqlalchemy.exc import DBAPIError, IntegrityError, StatementError

from pipeline.api import (
    Held,
    InDoubt,
    MatchRules,
    MistokError,
    Offer,
    OfferChange,
    ProductDraft,
    Refused,
    RowOutcome,
    T,
    Transient,
    normal_form,
)
from plugins.systems.books import tables as t
from plugins.systems.books.counters import lock
from plugins.systems.books.database import Database, in_doubt
from plugins.systems.books.documents import commit
from plugins.systems.books.offers import BATCH, KEY, by_id, traits
from plugins.systems.books.settings import BooksSettings
from plugins.systems.books.store import ensure, ensure_categories, forget, keep_texts, many, upsert
from plugins.systems.books.values import COLUMNS, TEXTS, clean, clean_code, refused, same_currency

Row = TypeVar("Row")
_P = t.products.c


@dataclass(frozen=True, slots=True)
class Taking:
    """What a write needs to know besides its rows. ``now`` becomes the time of change; ``currency`` is the client's."""

    settings: BooksSettings
    rules: MatchRules
    currency: str
    now: datetime

    @property
    def fields(self) -> frozenset[str]:
        """Fields that are taken."""
        return traits(self.settings).writes


def update_offers(database: Database, changes: Sequence[OfferChange], taking: Taking) -> Sequence[RowOutcome]:
    """Change the fields named in each; one outcome each, in order. What is so already is not written."""
    return in_batches(
        database, changes, lambda change: [change.offer.id], lambda connection, rows: _update(connection, rows, taking)
    )


def create_products(database: Database, drafts: Sequence[ProductDraft], taking: Taking) -> Sequence[RowOutcome]:
    """Create each; one outcome each, in order. Variants that a known product lacks are added to it."""
    return in_batches(
        database, drafts, lambda draft: [""] * (1 + len(draft.variants)), lambda c, rows: creating(c, rows, taking)
    )


def creating(connection: Connection, drafts: Sequence[ProductDraft], taking: Taking) -> Sequence[RowOutcome]:
    """The writing of :func:`create_products`, within a transaction."""
    return _Creating(connection, taking).run(drafts)


# --- batches ---------------------------------------------------------------------------------------------------------


def in_batches(
    database: Database,
    rows: Sequence[Row],
    names: Callable[[Row], Sequence[str]],
    write: Callable[[Connection, Sequence[Row]], Sequence[RowOutcome]],
) -> Sequence[RowOutcome]:
    """``write`` over batches of ``rows``, each a transaction. ``names``: of what a row is about, "" for new things.

    One thing is never twice in a batch, so that what a batch looks up holds for all its rows.
    """
    outcomes: list[RowOutcome] = []
    while len(outcomes) < len(rows):
        batch: list[Row] = []
        size, seen = 0, set[str]()
        for row in rows[len(outcomes) :]:
            named = names(row)
            if batch and (size + len(named) > BATCH or not seen.isdisjoint(named)):
                break
            batch.append(row)
            size += len(named)
            seen.update(name for name in named if name)
        try:
            outcomes += _batch(database, batch, write)
        except (InDoubt, Held) as error:
            outcomes += [RowOutcome(error=error)] * len(batch)
        except (Transient, Refused) as error:  # it would strike all that follow as well
            outcomes += [RowOutcome(error=error)] * (len(rows) - len(outcomes))
    return outcomes


def _batch(
    database: Database, rows: Sequence[Row], write: Callable[[Connection, Sequence[Row]], Sequence[RowOutcome]]
) -> Sequence[RowOutcome]:
    with database.write() as connection:
        lock(connection, "lists")  # as whoever loads: what is looked up below cannot change before we write
        try:
            with connection.begin_nested():
                outcomes = write(connection, rows)
        except (IntegrityError, StatementError) as error:
            _raise_if_in_doubt(error)
            outcomes = [_alone(connection, row, write) for row in rows]
        commit(database, connection)
    return outcomes


def _alone(
    connection: Connection, row: Row, write: Callable[[Connection, Sequence[Row]], Sequence[RowOutcome]]
) -> RowOutcome:
    try:
        with connection.begin_nested():
            return write(connection, [row])[0]
    except (IntegrityError, StatementError) as error:
        _raise_if_in_doubt(error)
        words = str(getattr(error, "orig", None) or error).splitlines()[0]
        return RowOutcome(error=refused("refuse", T("The books refuse what was to be written: {words}", words=words)))


def _raise_if_in_doubt(error: StatementError) -> None:
    if isinstance(error, DBAPIError) and not isinstance(error, IntegrityError) and in_doubt(error):
        raise error


# --- changes ---------------------------------------------------------------------------------------------------------


def _update(connection: Connection, changes: Sequence[OfferChange], taking: Taking) -> Sequence[RowOutcome]:
    ids = sorted({int(change.offer.id) for change in changes if _is_id(change.offer.id)})
    known = by_id(connection, taking.settings, ids)
    outcomes: list[RowOutcome] = []
    rows: dict[int, Mapping[str, Any]] = {}
    for change in changes:
        here = known.get(int(change.offer.id)) if _is_id(change.offer.id) else None
        try:
            new = _difference(here, change, taking)
        except Held as error:
            outcomes.append(RowOutcome(error=error))
            continue
        if new and here:
            rows[int(here.id)] = new
        outcomes.append(RowOutcome(existed=not new))
    _write(connection, rows, taking)
    return outcomes


def _difference(here: Offer | None, change: OfferChange, taking: Taking) -> dict[str, Any]:
    """What of a change is not so already. Raises Held."""
    if here is None:
        raise gone(change.offer)
    code = here.keys[KEY]
    values = clean(change.values, taking.fields, code, taking.currency)
    if "specials" in values:
        same_currency(values["specials"], values.get("currency", here.values["currency"]), code)
    return {name: value for name, value in values.items() if here.values.get(name) != value}


def gone(offer: Offer) -> MistokError:
    """What is said of an offer that the books do not have."""
    return refused(
        "gone",
        T("{title} is not in the books any more.", title=offer.title[:80]),
        T("Find out who took it out; the next run looks anew."),
    )


def _is_id(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 19


# --- new products ----------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Known:
    """A product that is there, or is about to be. ``base``: code of the product that it is a variant of, or ""."""

    code: str
    base: str
    id: int = 0


class _Creating:
    """One write of drafts."""

    def __init__(self, connection: Connection, taking: Taking) -> None:
        self._connection, self._taking = connection, taking
        self._exact: dict[str, _Known] = {}
        self._alike: dict[str, list[_Known]] = {}
        self._by_id: dict[int, _Known] = {}
        self._new: list[tuple[_Known, dict[str, Any]]] = []

    def run(self, drafts: Sequence[ProductDraft]) -> Sequence[RowOutcome]:
        """The outcome of each draft."""
        self._look_up(
            {offer.keys.get(KEY, "") for draft in drafts for offer in (draft.base, *draft.variants)},
            {int(draft.base.id) for draft in drafts if _is_id(draft.base.id)},
        )
        planned: list[tuple[list[_Known], bool] | Held] = []
        for draft in drafts:
            try:
                planned.append(self._plan(draft))
            except Held as error:
                planned.append(error)
        self._insert()
        return [
            RowOutcome(error=one)
            if isinstance(one, Held)
            else RowOutcome(tuple(str(known.id) for known in one[0]), existed=one[1])
            for one in planned
        ]

    def _look_up(self, codes: set[str], ids: set[int]) -> None:
        base = t.products.alias()
        found = select(_P.id, _P.code, _P.normal, base.c.code.label("base")).outerjoin(base, base.c.id == _P.parent_id)
        forms = {form for code in codes if (form := self._form(code))}
        rows = {
            row.id: row
            for row in (
                *self._connection.execute(found.where(_P.code.in_(sorted(codes)))),
                *self._connection.execute(found.where(_P.normal.in_(sorted(forms)))),
                *self._connection.execute(found.where(_P.id.in_(sorted(ids)))),
            )
        }
        for row in sorted(rows.values(), key=lambda row: int(row.id)):
            self._remember(_Known(row.code, row.base or "", row.id), row.normal)

    def _form(self, code: str) -> str:
        return normal_form(code, self._taking.rules)

    def _remember(self, known: _Known, form: str) -> None:
        self._exact[known.code] = known
        if known.id:
            self._by_id[known.id] = known
        self._alike.setdefault(form, []).append(known)

    def _there(self, code: str) -> _Known | None:
        """The product of exactly that code, else the one of the same normal form. Raises Held for several."""
        if known := self._exact.get(code):
            return known
        alike = self._alike.get(self._form(code), []) if self._form(code) else []
        if len(alike) > 1:
            raise refused(
                "ambiguous",
                T("Several products of the books fit: {codes}.", codes=", ".join(one.code for one in alike)),
                T("Mend the twins in the books, or the article in the system that it comes from."),
                code=code,
            )
        return alike[0] if alike else None

    def _plan(self, draft: ProductDraft) -> tuple[list[_Known], bool]:
        """All products of a draft, and whether all of them were there. Raises Held; nothing of it is planned then."""
        taking = self._taking
        if draft.base.id:  # it is there, whatever its code: only variants are new
            base = self._by_id.get(int(draft.base.id)) if _is_id(draft.base.id) else None
            if base is None:
                raise gone(draft.base)
        else:
            base = self._there(clean_code(draft.base.keys.get(KEY, "")))
        if base and base.base:
            raise refused(
                "variant", T("It is a variant of {base} in the books, not a product.", base=base.base), code=base.code
            )
        found = [base or _Known(draft.base.keys[KEY], "")]
        fresh: list[tuple[_Known, Offer]] = [] if base else [(found[0], draft.base)]
        for variant in draft.variants:
            code = clean_code(variant.keys.get(KEY, ""))
            known = self._there(code)
            if known and (known.base != found[0].code or known in found):
                raise refused(
                    "variant",
                    T("It is in the books already, and not as this variant of {base}.", base=found[0].code),
                    T("Mend the articles, or put it below its product in the books."),
                    code=code,
                )
            if any(self._form(one.code) == self._form(code) for one in found if one is not known):
                raise refused("twin", T("Two of its variants have this article."), code=code)
            found.append(known or _Known(code, found[0].code))
            if not known:
                fresh.append((found[-1], variant))
        rows: list[tuple[_Known, dict[str, Any]]] = []
        for known, offer in fresh:
            values = {"currency": taking.currency} | clean(offer.values, taking.fields, known.code, taking.currency)
            same_currency(values.get("specials", ()), values["currency"], known.code)
            rows.append((known, values))
        self._new += rows
        for known, _ in rows:
            self._remember(known, self._form(known.code))
        return found, not fresh

    def _insert(self) -> None:
        taking = self._taking
        if not self._new:
            return
        for variants in (False, True):  # bases first: variants name them
            some = [known for known, _ in self._new if bool(known.base) is variants]
            rows = [
                {
                    "code": known.code,
                    "normal": self._form(known.code),
                    "parent_id": self._exact[known.base].id if variants else None,
                    "currency": taking.currency,
                    "updated_at": taking.now,
                }
                for known in some
            ]
            many(self._connection, insert(t.products), rows)
            by_code = select(_P.id, _P.code).where(_P.code.in_([known.code for known in some]))
            for row in self._connection.execute(by_code) if some else ():
                self._exact[row.code].id = row.id
        _write(self._connection, {known.id: values for known, values in self._new}, taking)


# --- writing ---------------------------------------------------------------------------------------------------------


def _write(connection: Connection, rows: Mapping[int, Mapping[str, Any]], taking: Taking) -> None:
    """Set just these fields of these products, in few statements."""
    if not rows:
        return
    categories = ensure_categories(connection, {path for values in rows.values() if (path := values.get("category"))})
    ensure(connection, t.currencies, {values["currency"] for values in rows.values() if "currency" in values})
    groups: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for product, values in rows.items():
        # what a table said last is not so any more: loading it again must bring it back
        columns: dict[str, Any] = {"product": product, "updated_at": taking.now, "content": ""}
        columns |= {name: values[name] for name in COLUMNS if name in values}
        if "options" in columns:
            columns["options"] = columns["options"] or None
        if "category" in values:
            columns["category_id"] = categories.get(values["category"])
        groups.setdefault(tuple(columns), []).append(columns)
    for group in groups.values():
        many(connection, update(t.products).where(_P.id == bindparam("product")), group)
    _texts(connection, rows, taking.settings.language)
    _prices(connection, rows)
    _lists(connection, rows)


def _texts(connection: Connection, rows: Mapping[int, Mapping[str, Any]], language: str) -> None:
    groups: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for product, values in rows.items():
        if names := tuple(name for name in TEXTS if name in values):
            row = {"product_id": product, "language": language} | {name: values[name] for name in names}
            groups.setdefault(names, []).append(row)
    for names, some in groups.items():
        keep_texts(connection, some, names)


def _prices(connection: Connection, rows: Mapping[int, Mapping[str, Any]]) -> None:
    named = sorted({name for values in rows.values() for name in values if name.partition(".")[0] == "price"})
    for name in named:
        kind = name.partition(".")[2] or "retail"
        given = {product: values[name] for product, values in rows.items() if name in values}
        none = [product for product, amount in given.items() if amount is None]
        forget(connection, t.prices, none, t.prices.c.kind == kind)
        amounts = [{"product_id": i, "kind": kind, "amount": a} for i, a in given.items() if a is not None]
        upsert(connection, t.prices, amounts, ["amount"])


def _lists(connection: Connection, rows: Mapping[int, Mapping[str, Any]]) -> None:
    """Specials and images: the whole list in the place of the one before."""
    specials = {product: values["specials"] for product, values in rows.items() if "specials" in values}
    forget(connection, t.specials, list(specials))
    many(
        connection,
        insert(t.specials),
        [
            {"product_id": i, "position": n, "amount": one.money.amount, "start_at": one.start, "end_at": one.end}
            for i, several in specials.items()
            for n, one in enumerate(several)
        ],
    )
    images = {product: values["images"] for product, values in rows.items() if "images" in values}
    forget(connection, t.images, list(images))
    pictures = [{"product_id": i, "position": n, "name": x} for i, names in images.items() for n, x in enumerate(names)]
    many(connection, insert(t.images), pictures)
