"""Names of the target that a step's own settings fix: each is looked up before the first order is touched.

What orders say is found out order by order; an account, an author or a status that the config itself names wrongly
would hold every one of them. Asks the target; changes nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from pipeline.documents import REFERENCES, DocumentsSettings
from pipeline.engine import nearest
from pipeline.engine.documents import rules
from pipeline.errors import ConfigError, Finding, Held, Rejected, Where, Who
from pipeline.picking import FromOrder, Pick
from pipeline.ports import AddsReferences, ProductLookup, Ref, ReferenceLists, References, System
from pipeline.texts import T, Text

SHOWN = 12  #: names of a list that are told
KINDS: Mapping[str, Text] = {
    "party": T("client"),
    "object": T("object"),
    "warehouse": T("warehouse"),
    "user": T("user"),
    "executor": T("executor"),
    "firm": T("own company"),
    "account": T("bank account or cash desk"),
    "currency": T("currency"),
    "service": T("service"),
    "source": T("source"),
    "status": T("status"),
    "sku": T("product"),
}


@dataclass(frozen=True, slots=True)
class Fixed:
    """A name that the settings fix: of which list, and the key of the step where it stands."""

    kind: str
    value: str
    keys: tuple[str, ...]


def names(settings: DocumentsSettings) -> Iterator[Fixed]:
    """All names that do not come from an order: fixed ones, those of ``map`` and ``else``, and of ``mappings``."""
    picks: list[tuple[str, tuple[str, ...], Pick | None]] = [
        (kind, (name,), getattr(settings, name)) for kind, name in REFERENCES.items()
    ]
    picks += [
        ("source", ("shop",), settings.shop),
        ("service", ("delivery_service",), settings.delivery_service),
        ("party", ("parties", "always"), settings.parties.always),
        ("party", ("parties", "default"), settings.parties.default),
    ]
    for kind, keys, pick in picks:
        match pick:
            case str():
                yield Fixed(kind, pick, keys)
            case FromOrder():
                yield from (Fixed(kind, code, (*keys, "map", said)) for said, code in pick.map.items())
                if pick.otherwise:
                    yield Fixed(kind, pick.otherwise, (*keys, "else"))
    for kind, pairs in settings.mappings.items():
        yield from (Fixed(kind, meant, ("mappings", kind, code)) for code, meant in pairs.items())
    if isinstance(settings.statuses, dict):
        yield from (Fixed("status", status, ("statuses", key)) for key, status in settings.statuses.items())


def of_statuses(settings: DocumentsSettings, known: Sequence[Ref]) -> Iterator[Fixed]:
    """The statuses that ``statuses: auto`` gives documents, as the rules have it."""
    if settings.statuses != "auto":
        return
    for row in rules.table(settings, known):
        if row.taken and row.target and set(row.acts) - {"nothing", "hold"}:
            yield Fixed("status", row.target, ("statuses",))


def lacking(
    settings: DocumentsSettings,
    target: System,
    statuses: Sequence[Ref] = (),
    mappings: Mapping[tuple[str, str], str] | None = None,
) -> Iterator[tuple[Fixed, Finding]]:
    """Each fixed name that the target does not know, with what it does know.

    Args:
        statuses: those of the source, for ``statuses: auto``.
        mappings: of people, who may have said what is meant.

    Raises Transient and Refused of the target.
    """
    wanted: dict[str, list[Fixed]] = {}
    for one in dict.fromkeys((*names(settings), *of_statuses(settings, statuses))):
        wanted.setdefault(one.kind, []).append(one)
    adds = target.adds_references() if isinstance(target, AddsReferences) else ()
    for kind, some in wanted.items():
        # what a run adds by itself need not be there yet
        if kind in adds and (kind == "source" or (kind == "status" and settings.statuses == "auto")):
            continue
        meant = {one: (mappings or {}).get((kind, one.value), one.value) for one in some}
        known, words = _known(target, kind, {*(one.value for one in some), *meant.values()})
        if known is None and words is None:
            continue
        for one in some:
            if known is not None and (one.value in known or meant[one] in known):
                continue
            yield one, _lacks(settings, target, one, words)


def _known(target: System, kind: str, codes: Collection[str]) -> tuple[Collection[str] | None, Text | None]:
    """Those of the codes that it knows; None with its words where it keeps no such list, None alone: not asked."""
    if kind == "sku":
        found = target.find_products(codes) if isinstance(target, ProductLookup) else None
        return ({code for code, refs in found.items() if refs} if found is not None else None), None
    if not isinstance(target, References):
        return None, None
    try:
        return target.find_references(kind, codes), None
    except (ConfigError, Held, Rejected) as error:
        return None, error.text


def _lacks(settings: DocumentsSettings, target: System, one: Fixed, words: Text | None) -> Finding:
    key = ".".join(one.keys)
    values = {"system": settings.to, "kind": KINDS.get(one.kind, one.kind), "code": one.value, "key": key}
    text = T("{system} has no {kind} {code}, which `{key}` names.", **values)
    if one.keys == ("statuses",):
        text = T(
            "{system} has no status {code} and adds none: documents that are to have it keep the one that they have "
            "(`statuses: auto`).",
            **values,
        )
    return Finding(f"unknown-{one.kind}", text, Where(element=key), words or _has(target, one), Who.ADMIN)


def _has(target: System, one: Fixed) -> Text:
    """What it has of that kind: the near ones first, else all where they are few."""
    listed: Sequence[Ref] = ()
    if isinstance(target, ReferenceLists) and one.kind != "sku":
        try:
            listed = target.references(one.kind)
        except (ConfigError, Held, Rejected):
            listed = ()
    near = nearest.alike({ref.code: ref.name for ref in listed}, one.value, one.value)
    every = ", ".join(_title(ref.code, ref.name) for ref in listed[:SHOWN])
    more = T("{names} and {n} more", names=every, n=len(listed) - SHOWN) if len(listed) > SHOWN else every
    if near:
        meant = " · ".join(_title(found.code, found.name) for found in near[:3])
        return T("Did you mean {meant}? It has: {names}.", meant=meant, names=more)
    if listed:
        return T("It has: {names}.", names=more)
    return T("Add it there, or correct the config.")


def _title(code: str, name: str) -> str:
    return f"{code} ({name})" if name and name != code else code


def placed(finding: Finding, where: Where | None) -> Finding:
    """The finding at its place in the config, where that is known."""
    return replace(finding, where=where) if where is not None and finding.where.file is None else finding
