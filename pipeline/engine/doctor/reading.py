"""The articles of systems, as they are written there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pipeline.config.model import ClientConfig
from pipeline.engine.context import RunContext
from pipeline.errors import ConfigError
from pipeline.model import Offer
from pipeline.ports import Catalogue, Offers, Stock, System
from pipeline.rules.articles import in_brackets
from pipeline.syncing import SyncSettings
from pipeline.texts import T, Text

_TELL = 50  #: articles between two words of progress


@dataclass(frozen=True, slots=True)
class Article:
    """One thing that a system sells, by what people call it there."""

    system: str
    text: str  #: the article as it is written, blanks around it included; "" when it is empty
    id: str = ""  #: the system's own; "" where it tells none
    name: str = ""
    elsewhere: Mapping[str, str] | None = None  #: where else a code stands: another key, ``barcode``, ``name``
    #: all article fields as the system has them, for what a job chooses among them
    keys: Mapping[str, str] | None = None

    @property
    def bare(self) -> str:
        """Without the blanks around it: what mappings are kept by."""
        return self.text.strip()


def can_tell(system: System) -> bool:
    """Whether it has a list of articles to look at."""
    return isinstance(system, (Offers, Catalogue, Stock))


def chosen_systems(ctx: RunContext, names: Sequence[str]) -> tuple[list[str], list[str]]:
    """Names of the systems to look at, and of those that tell no articles; all of the config when none is named.

    Raises ConfigError for a named one that is not there or tells no articles, and when none is left.
    """
    every = [name for name, spec in ctx.config.connections.items() if spec.kind == "system"]
    asked = list(dict.fromkeys(names))
    for name in asked:
        if name not in every:
            raise ConfigError(
                T("There is no system {name} in the config.", name=name),
                hint=T("Its systems: {names}.", names=", ".join(every) or "-"),
            )
    able = {name: can_tell(ctx.system(name)) for name in asked or every}
    for name in asked:
        if not able[name]:
            raise ConfigError(T("{name} cannot tell its articles.", name=name), hint=_HINT)
    telling = [name for name, can in able.items() if can]
    if not telling:
        raise ConfigError(T("No system of the config can tell its articles."), hint=_HINT)
    return telling, [name for name, can in able.items() if not can]


_HINT: Text = T("mistok plugins tells what each system can do.")


def read(ctx: RunContext, name: str) -> list[Article]:
    """All articles of a system. Bases of products with variants are left out: their variants are what is sold.

    Raises ConfigError, Refused, Transient.
    """
    system = ctx.system(name)
    found: list[Article] = []
    for article in _articles(ctx, system, name):
        found.append(article)
        if len(found) % _TELL == 0:
            ctx.progress(len(found), None, T("reading {name}", name=name))
    return found


def _articles(ctx: RunContext, system: System, name: str) -> Iterator[Article]:
    match system:
        case Offers():
            key = article_field(ctx.config, name, system.offer_traits().keys)
            for offer in system.offers():
                if offer.kind != "base":
                    yield of_offer(offer, name, key)
        case Catalogue():
            title = f"name.{ctx.config.catalogue_language}"
            for batch in system.batches(("code", title), at=ctx.clock.now(), size=5000):
                for code, words in zip(batch.columns["code"], batch.columns[title], strict=True):
                    yield Article(name, code, name=words or "")
        case Stock():
            known: set[str] = set()
            for level in system.levels():
                place = level.offer or level.code
                if place not in known:
                    known.add(place)
                    yield Article(name, level.code, level.offer)


def of_offer(offer: Offer, system: str, key: str) -> Article:
    """An offer by its article in the field ``key``."""
    text = offer.keys.get(key, "")
    elsewhere = {}
    if not text.strip():
        text = ""
        elsewhere = {name: value.strip() for name, value in offer.keys.items() if name != key and value.strip()}
        if bracketed := in_brackets(str(offer.values.get("name") or "")):
            elsewhere["name"] = bracketed[0]
        if offer.id:
            elsewhere["id"] = offer.id
    if barcode := str(offer.values.get("barcode") or "").strip():
        elsewhere["barcode"] = barcode
    return Article(system, text, offer.id, str(offer.values.get("name") or ""), elsewhere, offer.keys)


def article_field(config: ClientConfig, system: str, keys: Sequence[str]) -> str:
    """The article field of a system: the one by which a job finds things in it, else its usual one."""
    for job in config.jobs.values():
        for spec in job.steps:
            params = spec.params
            if isinstance(params, SyncSettings) and params.to == system and params.match.target:
                return params.match.target
    return keys[0]
