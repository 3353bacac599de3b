"""From decoded orders to actions: the pure middle of the inbound walk. Looks things up, changes nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import structlog

from pipeline.engine.context import RunContext
from pipeline.errors import ConfigError, Finding, MistokError, Who
from pipeline.flow import (
    Action,
    CreateDocument,
    Found,
    HoldOrder,
    InboundSettings,
    InboundStep,
    NothingToDo,
    PlanContext,
    Wanted,
)
from pipeline.ledger import decisions
from pipeline.model import Order
from pipeline.ports import DecodedOrder, Documents, ProductLookup, Ref, References, System
from pipeline.rules.keys import key_of
from pipeline.texts import T

log = structlog.get_logger("mistok.inbound")


@dataclass
class Work:
    """One order of one file on its way through a run."""

    file_id: int
    file_name: str
    decoded: DecodedOrder
    key: str
    source: str
    order_id: str
    revision: str
    index: int = 0  #: its place in the file, from 0
    row: dict[str, Any] = field(default_factory=dict)  #: its ledger row, once there is one
    action: Action | None = None
    order: Order | None = None  #: normalised
    accepted: frozenset[str] = frozenset()  #: codes of findings that a person has accepted for this content

    @property
    def number(self) -> str:
        """As people call it."""
        return self.decoded.number or self.order_id

    @property
    def subject(self) -> str:
        """Its name in events, cards and decisions, once it has a ledger row."""
        return f"order:{self.row['id']}"


def make_work(file: Mapping[str, Any], index: int, decoded: DecodedOrder, client: str) -> Work:
    """The work for one decoded order of a file's ledger row.

    An order whose id could not be read is known by its file's bytes and its place.
    """
    order = decoded.order
    source = order.source if order else decoded.source
    order_id = (order.id if order else decoded.id) or nameless_id(file, index)
    content = decoded.fragment or repr(order).encode()
    return Work(
        file_id=file["id"],
        file_name=file["name"],
        decoded=decoded,
        key=key_of(client, source, order_id),
        source=source,
        order_id=order_id,
        revision=hashlib.sha256(content).hexdigest(),
        index=index,
    )


def nameless_id(file: Mapping[str, Any], index: int) -> str:
    """By what an order is known whose id could not be read: its file's bytes and its place."""
    return f"{file['sha256'][:16]}#{index + 1}"


def is_nameless(order_id: str, file: Mapping[str, Any]) -> bool:
    """Whether an order of this file goes by such a name."""
    return order_id.startswith(f"{file['sha256'][:16]}#")


def plan(works: Sequence[Work], step: InboundStep, settings: InboundSettings, system: System, ctx: RunContext) -> None:
    """Set ``action`` (and the normalised ``order``) of each work.

    Findings of the format, the step's validation and its look-ups become HoldOrder. Raises Transient or Refused when
    the target cannot be asked; then nothing has happened and all can be tried again.
    """
    contexts = _contexts(works, step, settings, ctx)
    ready: list[tuple[Work, Order]] = []
    for work in works:
        values = contexts[id(work)]
        order = work.decoded.order
        if order is None or work.decoded.findings:
            work.order = order
            work.action = HoldOrder(_placed(work.decoded.findings, work))
            continue
        try:
            order = step.normalise(order, settings, values)
            work.order = order
            findings = tuple(step.validate(order, settings, values))
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a plugin may raise anything
            work.action = _plugin_failed(work, error)
            continue
        if findings:
            work.action = HoldOrder(_placed(findings, work))
        else:
            ready.append((work, order))
    asked: list[tuple[Work, Order, Wanted]] = []
    for work, order in ready:
        try:
            asked.append((work, order, step.wanted(order, settings, contexts[id(work)])))
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a plugin may raise anything
            work.action = _plugin_failed(work, error)
    found = _look_up([wanted for _work, _order, wanted in asked], system)
    for work, order, _wanted in asked:
        try:
            action = step.plan(order, work.key, settings, contexts[id(work)], found)
        except MistokError:
            raise
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a plugin may raise anything
            action = _plugin_failed(work, error)
        match action:
            case HoldOrder(findings=held, choices=choices):
                action = HoldOrder(_placed(held, work), choices)
            case CreateDocument() | NothingToDo():
                pass
        work.action = action


def _contexts(
    works: Sequence[Work], step: InboundStep, settings: InboundSettings, ctx: RunContext
) -> dict[int, PlanContext]:
    """For each work (by identity) what its plan may use: people's mappings over the config's, and what was accepted."""
    with ctx.ledger.read() as conn:
        accepted = decisions.accepted_codes(conn, ctx.client, {work.subject for work in works if work.row})
    plain = plain_context(settings, ctx)
    contexts = dict.fromkeys((id(work) for work in works), plain)
    for work in works:
        if codes := accepted.get((work.subject, work.revision)) if work.row else None:
            work.accepted = codes
            contexts[id(work)] = replace(plain, accepted=codes & step.acceptable)
    return contexts


def plain_context(settings: InboundSettings, ctx: RunContext) -> PlanContext:
    """What the plan of any order may use: people's mappings over the config's."""
    with ctx.ledger.read() as conn:
        given = decisions.mappings_of(conn, ctx.client)
    written = {(str(kind), code): meant for kind, pairs in settings.mappings.items() for code, meant in pairs.items()}
    people = frozenset(given)
    return PlanContext(ctx.client, ctx.config.currency, ctx.clock.now(), {**written, **given}, people)


def documents(system: System) -> Documents:
    """The system as a keeper of documents. Raises ConfigError when it is none."""
    if not isinstance(system, Documents):
        raise ConfigError(T("System {name} cannot take orders.", name=system.name), hint=T("Choose another `into`."))
    return system


def _look_up(wanted: Sequence[Wanted], system: System) -> Found:
    codes = frozenset[str]().union(*(one.products for one in wanted))
    pairs = frozenset[tuple[str, str]]().union(*(one.references for one in wanted))
    products = system.find_products(codes) if codes and isinstance(system, ProductLookup) else {}
    references: dict[tuple[str, str], Ref] = {}
    if isinstance(system, References):
        for kind in sorted({kind for kind, _code in pairs}):
            known = system.find_references(kind, {code for k, code in pairs if k == kind})
            references.update({(kind, code): ref for code, ref in known.items()})
    return Found(products, references)


def _placed(findings: Sequence[Finding], work: Work) -> tuple[Finding, ...]:
    """The findings with the file and order filled in where they do not say."""
    return tuple(
        Finding(
            finding.code,
            finding.text,
            replace(where, order=where.order or work.number),
            finding.hint,
            finding.who,
            finding.about,
        )
        for finding in findings
        for where in (work.decoded.where(finding.where, work.file_name),)
    )


def _plugin_failed(work: Work, error: BaseException) -> HoldOrder:
    reference = hashlib.sha256(f"{work.key}{work.revision}".encode()).hexdigest()[:8]
    log.error("plugin_failed", reference=reference, order=work.number, file=work.file_name, exc_info=error)
    finding = Finding(
        "plugin-error",
        T("The step failed on this order by a mistake of its own ({kind}).", kind=type(error).__name__),
        hint=T("Look up reference {reference} in the log and send it to the plugin's author.", reference=reference),
        who=Who.US,
    )
    return HoldOrder(_placed((finding,), work))
