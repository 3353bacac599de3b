"""Creates products: found first by their articles, made in batches, variations behind their product.

A reply that is lost leaves it open what was made: it is looked up by the articles, which WooCommerce keeps unique.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pipeline.api import Held, InDoubt, MistokError, Offer, ProductDraft, Refused, RowOutcome, T, Transient
from plugins.systems.woocommerce import mapping
from plugins.systems.woocommerce import values as v
from plugins.systems.woocommerce.batches import Answer, Batches, Taken, Write
from plugins.systems.woocommerce.client import NoRoute, WooApi
from plugins.systems.woocommerce.paging import Row
from plugins.systems.woocommerce.reading import PRODUCTS, Reader
from plugins.systems.woocommerce.settings import WooSettings
from plugins.systems.woocommerce.updating import keep_origins, picture_bodies

ATTRIBUTES = "/products/attributes"


@dataclass
class _Job:
    """One draft on its way."""

    place: int
    draft: ProductDraft
    base: Row | None = None  #: as the shop has it
    ids: dict[str, str] = field(default_factory=dict)  #: of variations, by article in small letters
    made: bool = False
    error: MistokError | None = None

    @property
    def missing(self) -> list[Offer]:
        """Variations that are not there."""
        return [one for one in self.draft.variants if _sku(one) not in self.ids]


class Creator:
    """One call of create_products."""

    def __init__(self, api: WooApi, settings: WooSettings, reader: Reader) -> None:
        self._api, self._settings, self._reader = api, settings, reader
        self._shared: dict[str, int] | None = None

    def create(self, drafts: Sequence[ProductDraft]) -> list[RowOutcome]:
        """See ApplyCatalogue."""
        firsts: dict[str, int] = {}
        again: dict[int, int] = {}
        jobs = []
        for place, draft in enumerate(drafts):
            job = _Job(place, draft, error=_without_article(draft))
            key = draft.base.id or _sku(draft.base) or "\0".join(map(_sku, draft.variants))
            if job.error is None and key in firsts and drafts[firsts[key]] == draft:
                again[place] = firsts[key]
                continue
            if job.error is None:
                firsts.setdefault(key, place)
            jobs.append(job)
        self._find(jobs)
        self._bases([job for job in jobs if job.error is None and job.base is None])
        for job in jobs:
            if job.error is None and job.missing:
                self._variations(job)
        outcomes = {job.place: _outcome(job) for job in jobs}
        for place, first in again.items():
            before = outcomes[first]
            outcomes[place] = before if before.error else RowOutcome(before.ids, existed=True)
        return [outcomes[place] for place in range(len(drafts))]

    # --- what is there -----------------------------------------------------------------------------------------------

    def _find(self, jobs: Sequence[_Job]) -> None:
        """Fill in what the shop has. Raises Refused, Transient: nothing was done yet."""
        open_jobs = [job for job in jobs if job.error is None]
        named = [v.whole(job.draft.base.id) for job in open_jobs if job.draft.base.id]
        by_id = self._reader.by_ids([key for key in named if key]) if named else {}
        there = self._reader.by_skus([sku for job in open_jobs for sku in _skus(job.draft)])
        for job in open_jobs:
            if job.draft.base.id:
                job.base = by_id.get(v.whole(job.draft.base.id))
                if job.base is None:
                    job.error = Held(T("There is no product {id} in the shop.", id=job.draft.base.id), code="woo-gone")
                    continue
            self._known(job, there)

    def _known(self, job: _Job, there: Mapping[str, Row]) -> None:
        if job.base is None:
            job.base = there.get(_sku(job.draft.base)) if _sku(job.draft.base) else None
        if job.base is not None and v.whole(job.base.get("parent_id")) and job.draft.variants:
            job.error = _elsewhere(job.draft.base, job.base)
            return
        for one in job.draft.variants:
            row = there.get(_sku(one))
            if row is None:
                continue
            parent = v.whole(row.get("parent_id"))
            if job.base is None and parent and not job.draft.base.id:
                job.base = {"id": parent, "type": "variable"}
            if job.base is not None and parent != v.whole(job.base.get("id")):
                job.error = _elsewhere(one, row)
                return
            job.ids[_sku(one)] = str(v.whole(row.get("id")))

    # --- products ----------------------------------------------------------------------------------------------------

    def _bases(self, jobs: Sequence[_Job]) -> None:
        writes = []
        for job in jobs:
            try:
                writes.append(Write(job.place, PRODUCTS, self._base_body(job.draft)))
            except (Held, InDoubt) as error:
                job.error = error
        answers = Batches(self._api, "create", self._settings.batch).send(writes)
        asked = {job.place: job for job in jobs if job.place in answers}
        self._look_up(asked.values(), answers)
        written: dict[int, tuple[Row, Sequence[str]]] = {}
        for place, job in asked.items():
            answer = answers[place]
            if isinstance(answer, MistokError):
                job.error = job.error if job.base is not None else answer
                continue
            job.base, job.made = answer, True
            if job.draft.base.values.get("images"):
                written[place] = (answer, job.draft.base.values["images"])
        for place, trouble in self._origins(written).items():
            asked[place].error = trouble

    def _origins(self, written: Mapping[int, tuple[Row, Sequence[str]]]) -> Mapping[int, MistokError]:
        try:
            return keep_origins(self._api, self._settings, written)
        except Transient as error:  # the products are made all the same
            return dict.fromkeys(written, error)

    def _look_up(self, jobs: Iterable[_Job], answers: Mapping[int, Answer]) -> None:
        """What is open, or said to be there already, is looked for by its article."""
        wanted = [job for job in jobs if isinstance(answers[job.place], (InDoubt, Taken))]
        if not wanted:
            return
        try:
            there = self._reader.by_skus([sku for job in wanted for sku in _skus(job.draft)])
        except (Refused, Transient):
            return  # it stays in doubt
        for job in wanted:
            self._known(job, there)
            job.made = job.base is not None and isinstance(answers[job.place], InDoubt)

    def _base_body(self, draft: ProductDraft) -> dict[str, Any]:
        offer, kind = draft.base, "base" if draft.variants else "single"
        values = dict(offer.values)
        if kind == "base":
            values = {name: value for name, value in values.items() if name not in ("price", "specials")}
        values.setdefault("name", "")
        body = mapping.body_of(values, kind, self._settings)
        body |= {"type": "variable" if draft.variants else "simple"}
        body |= {"sku": offer.keys["sku"]} if offer.keys.get("sku") else {}
        paths = [tuple(values.get("category") or ()), *map(tuple, values.get("categories") or ())]
        ids = dict.fromkeys(self._reader.categories.ensure(path) for path in paths if path)
        body["categories"] = [{"id": key} for key in ids]
        body["images"] = picture_bodies(values.get("images") or (), None)
        if draft.variants:
            body["attributes"] = mapping.attribute_bodies((), _options(draft.variants), self._attributes())
        return body

    def _attributes(self) -> dict[str, int]:
        """The shop's shared attributes, by name in small letters."""
        if self._shared is None:
            try:
                told = self._api.get(ATTRIBUTES)
            except NoRoute:
                told = []
            rows = told if isinstance(told, list) else []
            self._shared = {v.name_read(one.get("name")).casefold(): v.whole(one.get("id")) for one in rows}
        return self._shared

    # --- variations --------------------------------------------------------------------------------------------------

    def _variations(self, job: _Job) -> None:
        """The missing variations of a product that is there. What goes wrong is told at the draft."""
        assert job.base is not None
        own = v.whole(job.base.get("id"))
        missing = job.missing
        path = f"{PRODUCTS}/{own}/variations"
        try:
            attributes = self._prepared(job, own, missing)
            writes = [
                Write(n, path, self._variation_body(one, attributes)) for n, one in enumerate(missing)
            ]  # fmt: skip
            answers = Batches(self._api, "create", self._settings.batch).send(writes)
        except (Held, InDoubt, Transient) as error:
            job.error = error
            return
        doubt = [n for n, answer in answers.items() if isinstance(answer, (InDoubt, Taken))]
        if doubt:
            try:
                there = self._reader.by_skus([missing[n].keys["sku"] for n in doubt])
            except (Refused, Transient):
                there = {}
            for n in doubt:
                row = there.get(_sku(missing[n]))
                if row is not None and v.whole(row.get("parent_id")) == own:
                    answers[n] = row
        for n, answer in answers.items():
            if not isinstance(answer, MistokError):
                job.made = True
                job.ids[_sku(missing[n])] = str(v.whole(answer.get("id")))
            elif job.error is None:
                job.error = _of_variant(missing[n], answer)

    def _prepared(self, job: _Job, own: int, missing: Sequence[Offer]) -> Sequence[Row]:
        """The attributes of the product, which must name every option that its variations have."""
        there = (job.base or {}).get("attributes")
        if there is None:
            job.base = self._reader.by_ids([own]).get(own)
            if job.base is None:
                raise Held(T("There is no product {id} in the shop.", id=str(own)), code="woo-gone")
            there = job.base.get("attributes") or ()
        bodies = mapping.attribute_bodies(there, _options(missing), self._attributes())
        before = mapping.attribute_bodies(there, (), {})
        if bodies == before and (job.base or {}).get("type") == "variable":
            return list(there)
        body = {"type": "variable", "attributes": bodies}
        told = self._api.send("PUT", f"{PRODUCTS}/{own}", body, again=True)
        return list(told.get("attributes") or ())

    def _variation_body(self, offer: Offer, attributes: Sequence[Row]) -> dict[str, Any]:
        values = {name: value for name, value in offer.values.items() if name not in ("name", "short_description")}
        values.pop("description", None)
        body = mapping.body_of(values, "variant", self._settings)
        images = picture_bodies((values.get("images") or ())[:1], None)
        choice = mapping.choice_body(values.get("options") or {}, attributes)
        return body | {"sku": offer.keys["sku"], "attributes": choice} | ({"image": images[0]} if images else {})


def _without_article(draft: ProductDraft) -> Held | None:
    """Nothing would find it again, and it would be made twice."""
    bare = [one for one in draft.variants if not _sku(one)]
    if not bare and (_sku(draft.base) or draft.variants or draft.base.id):
        return None
    title = (bare[0] if bare else draft.base).title
    return Held(T("{title} has no article: it would not be found again.", title=title or "-"), code="woo-no-article")


def _elsewhere(offer: Offer, row: Row) -> Held:
    return Held(
        T("The article {article} is that of another product in the shop ({id}).",
          article=offer.keys.get("sku", offer.title), id=str(v.whole(row.get("id")))),
        code="woo-elsewhere",
    )  # fmt: skip


def _sku(offer: Offer) -> str:
    return offer.keys.get("sku", "").strip().casefold()


def _skus(draft: ProductDraft) -> list[str]:
    offers = draft.variants if draft.base.id else (draft.base, *draft.variants)
    return [sku for one in offers if (sku := one.keys.get("sku", "").strip())]


def _options(offers: Iterable[Offer]) -> list[Mapping[str, str]]:
    return [one.values.get("options") or {} for one in offers]


def _of_variant(offer: Offer, error: MistokError) -> MistokError:
    first = error.findings[0]
    text = T("{article}: {words}", article=offer.keys.get("sku", offer.title), words=first.text)
    kind = type(error) if type(error) in (InDoubt, Transient) else Held
    return kind(text, code=first.code, hint=first.hint, who=first.who)


def _outcome(job: _Job) -> RowOutcome:
    if job.error is not None:
        return RowOutcome(error=job.error)
    assert job.base is not None
    ids = [str(v.whole(job.base.get("id"))), *(job.ids[_sku(one)] for one in job.draft.variants)]
    return RowOutcome(tuple(ids), existed=not job.made)
