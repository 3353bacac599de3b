"""Looks up in the target what orders name: products, buyers, references. Asks; adds nothing but what lists ensure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pipeline.documents import REFERENCES, DocumentsSettings
from pipeline.engine.documents import money, parties, products
from pipeline.engine.documents.work import Work
from pipeline.errors import ConfigError, Finding, Held, Rejected, Where, Who
from pipeline.model import Order, cents
from pipeline.picking import Pick, filled, mapped, picked
from pipeline.ports import DocumentDraft, Parties, ProductLookup, ProductNames, Ref, References, System
from pipeline.ports.choices import By, Choice
from pipeline.rules.orders import tax_remarks
from pipeline.rules.parties import party_findings
from pipeline.rules.pricing import order_totals
from pipeline.rules.yamlwords import yaml_word
from pipeline.texts import T, Text

Mappings = Mapping[tuple[str, str], str]
_KINDS: Mapping[str, Text] = {
    "party": T("Client"),
    "object": T("Object"),
    "warehouse": T("Warehouse"),
    "user": T("User"),
    "executor": T("Executor"),
    "firm": T("Firm"),
    "account": T("Account"),
    "currency": T("Currency"),
    "service": T("Service"),
    "source": T("Source"),
}


@dataclass
class Desk:
    """Asks one target, for one run. ``adds``: lists may be added to (not in a dry run)."""

    settings: DocumentsSettings
    target: System
    mappings: Mappings
    adds: bool
    #: what the target does not add to its lists, and what it said
    refused: dict[tuple[str, str], Finding] = field(default_factory=dict)
    people: frozenset[tuple[str, str]] = frozenset()  #: those of ``mappings`` that people gave
    _known: dict[tuple[str, str], Ref | None] = field(default_factory=dict)

    def look(self, works: Sequence[Work]) -> None:
        """Find what each order names; sets its draft, or findings that say what is not there.

        Raises Transient and Refused of the target.
        """
        some = [work for work in works if work.order is not None]
        self._products(some)
        self._references(some)
        self._buyers(some)
        for work in some:
            self._draft(work)

    # --- products ------------------------------------------------------------------------------------------------

    def _products(self, works: Sequence[Work]) -> None:
        settings, target = self.settings.products, self.target
        lines = [line for work in works if work.order for line in work.order.lines]
        codes = {code for line in lines if (code := products.wanted(line, settings, self.mappings))}
        found: Mapping[str, Sequence[Ref]] = {}
        if codes and isinstance(target, ProductLookup):
            found = target.find_products(codes)
        named: Mapping[str, Sequence[Ref]] = {}
        if isinstance(target, ProductNames):
            asked = [line for line in lines if line.name and products.by_name(line, settings, self.mappings)]
            names = {line.name for line in asked if not found.get(products.wanted(line, settings, self.mappings))}
            named = target.find_by_name(names) if names else {}
        for work in works:
            assert work.order is not None
            work.chosen = products.choose(work.order, settings, self.mappings, found, named)

    # --- references ----------------------------------------------------------------------------------------------

    def _references(self, works: Sequence[Work]) -> None:
        asked = {pair for work in works if work.order for pair in self._asked(work.order)}
        self._find(asked)
        for work in works:
            assert work.order is not None
            references: dict[str, Ref] = {}
            findings: list[Finding] = []
            for one, said in self._picked(work.order):
                work.choices = (*work.choices, one)
                kind, code = one.field, one.value
                if not code:
                    continue
                ref = self._known.get((kind, code)) or self._ensured(kind, code)
                if ref is None and not said and (meant := self.mappings.get((kind, code))):
                    # the step's own name is not there, and somebody has said which one is meant
                    ref = self._known.get((kind, meant))
                    work.choices = (*work.choices[:-1], self._instead(one, meant))
                if ref is not None:
                    references[kind] = ref
                elif (said_no := self.refused.get((kind, code))) is not None:
                    findings.append(replace(said_no, about=said_no.about or f"{kind}:{said or code}"))
                else:
                    findings.append(_unknown(work.order, kind, code, said))
            work.references = references
            work.findings = (*work.findings, *findings)

    def _instead(self, choice: Choice, meant: str) -> Choice:
        """What is meant by a name that the step fixes and the target lacks, and who said so."""
        by: By = "person" if (choice.field, choice.value) in self.people else "config"
        return replace(choice, value=meant, by=by)

    def _find(self, asked: set[tuple[str, str]]) -> None:
        """Look these up, each once in a run as long as it is there."""
        fresh = {pair for pair in asked if self._known.get(pair) is None}
        if not isinstance(self.target, References):
            return
        for kind in sorted({kind for kind, _code in fresh}):
            codes = {code for one, code in fresh if one == kind and code}
            for code, ref in (self.target.find_references(kind, codes) if codes else {}).items():
                self._known[kind, code] = ref

    def _ensured(self, kind: str, code: str) -> Ref | None:
        if kind != "source" or not isinstance(self.target, References):
            return None
        if not self.adds:
            return Ref("", code)  # it would be added
        return self._added(kind, code)

    def _added(self, kind: str, code: str) -> Ref | None:
        """Found or added by the target; None where it adds no such thing: its words are in ``refused``."""
        assert isinstance(self.target, References)
        if (kind, code) in self.refused:
            return None
        try:
            self._known[kind, code] = self.target.ensure(kind, code, code)
        except (ConfigError, Held, Rejected) as error:  # it adds no such thing, or not this one
            self.refused[kind, code] = error.findings[0]
        return self._known.get((kind, code))

    def status(self, name: str) -> Ref | None:
        """The target's status of that name or code; with ``statuses: auto`` it is added when missing."""
        if not isinstance(self.target, References):
            return None
        meant = self.mappings.get(("status", name), name)
        self._find({("status", name), ("status", meant)})
        found = self._known.get(("status", name)) or self._known.get(("status", meant))
        if found is None and self.settings.statuses == "auto" and self.adds:
            found = self._added("status", name)
        return found

    def _asked(self, order: Order) -> set[tuple[str, str]]:
        pairs = {(one.field, one.value) for one, _said in self._picked(order) if one.value}
        code = self._party_code(order)
        pairs |= {("party", code)} if code else set()
        return pairs | {(kind, self.mappings[kind, code]) for kind, code in pairs if (kind, code) in self.mappings}

    def _picked(self, order: Order) -> list[tuple[Choice, str]]:
        """(what it is given and why, what the order says for it) of all that documents name besides goods and buyer."""
        settings = self.settings
        picks: list[tuple[str, str, Pick | None]] = [
            (kind, name, getattr(settings, name)) for kind, name in REFERENCES.items()
        ]
        picks += [
            ("source", "shop", settings.shop),
            ("service", "delivery_service", settings.delivery_service if order.delivery.cost else None),
        ]
        found = [picked(kind, (name,), pick, order, self.mappings, self.people) for kind, name, pick in picks]
        if isinstance(self.target, References):
            found.append((mapped("currency", order.currency, self.mappings, self.people), order.currency))
        return found

    def _mapped(self, kind: str, code: str) -> str:
        return self.mappings.get((kind, code), code)

    # --- buyers --------------------------------------------------------------------------------------------------

    def _party_code(self, order: Order) -> str:
        return self._party_choice(order).value

    def _party_choice(self, order: Order) -> Choice:
        """The code on which the document is booked, where a person or the settings name one, and why."""
        key = ("parties", "always")
        always, _said = picked("party", key, self.settings.parties.always, order, self.mappings, self.people)
        if always.value:
            return always
        return parties.asked_choice(order, self.settings.parties, self.mappings, self.people)

    def _buyers(self, works: Sequence[Work]) -> None:
        settings, target = self.settings.parties, self.target
        asked: list[Work] = []
        for work in works:
            assert work.order is not None
            choice = self._party_choice(work.order)
            code = choice.value
            if code:
                ref = self._known.get(("party", code))
                if ref is None and (meant := self.mappings.get(("party", code))):
                    ref = self._known.get(("party", meant))
                    choice = self._instead(choice, meant)
                work.choices = (*work.choices, choice)
                unknown = () if ref is not None else (_unknown(work.order, "party", code, ""),)
                work.buyer = parties.Buyer(ref, findings=unknown)
            elif not isinstance(target, Parties):
                # the target's own way of finding and adding whoever the order names
                nobody = parties.is_nobody(parties.party_of(work.order))
                work.buyer = parties.choose(work.order, settings, (), ()) if nobody else parties.Buyer()
            else:
                asked.append(work)
        if not asked or not isinstance(target, Parties):
            return
        wanted = [parties.party_of(work.order) for work in asked if work.order is not None]
        some = [party for party in wanted if not parties.is_nobody(party)]
        answers = iter(target.find_parties(some) if some else ())
        for work, party in zip(asked, wanted, strict=True):
            assert work.order is not None
            found = () if parties.is_nobody(party) else tuple(next(answers))
            near: Sequence[Ref] = ()
            if not found and settings.create and parties.identity(party) and party.title:
                near = target.near_parties(party)
            accepted = "alike" in work.accepted
            work.buyer = parties.choose(work.order, settings, found, near, accepted=accepted)
            value = work.buyer.ref.code or work.buyer.ref.id if work.buyer.ref is not None else ""
            work.choices = (
                *work.choices,
                Choice(field="party", value=value, by="target", said=parties.identity(party) or party.title),
            )

    # --- the document --------------------------------------------------------------------------------------------

    def _draft(self, work: Work) -> None:
        order = work.order
        assert order is not None
        work.findings = (*work.findings, *work.chosen.findings, *work.buyer.findings)
        currency = self._mapped("currency", order.currency)
        if self.settings.currencies and currency not in self.settings.currencies:
            work.findings = (*work.findings, _unknown(order, "currency", currency, order.currency))
        if work.findings:
            return
        totals = order_totals(order)
        difference = cents(order.total) - totals.total
        booked = money.with_line_discounts(order) if self.settings.discounts == "lines" else order
        of = work.references
        extra = {kind: of[kind] for kind in ("source", "firm", "account") if kind in of}
        work.draft = DocumentDraft(
            key=work.key,
            order=replace(booked, currency=currency),
            # what is to be added first has no reference yet: see supply
            products=tuple(
                ref or Ref("", products.wanted(line, self.settings.products, self.mappings))
                for ref, line in zip(work.chosen.products, order.lines, strict=True)
            ),
            client=work.buyer.ref,
            object=of.get("object"),
            warehouse=of.get("warehouse"),
            user=of.get("user"),
            executor=of.get("executor"),
            comment=filled(self.settings.comment, order),
            rounding=difference or None,
            delivery=of.get("service"),
            references=extra,
        )
        if difference:
            work.notes = (*work.notes, money.rounded(order, totals.total, difference))
        remarks = (*party_findings(order.customer, Where(order=order.number)), *tax_remarks(order, totals))
        work.notes = (*work.notes, *remarks, *work.chosen.notes, *work.buyer.notes)


def _unknown(order: Order, kind: str, code: str, said: str) -> Finding:
    values: dict[str, Any] = {"kind": _KINDS[kind], "code": code, "number": order.number}
    if said:
        text = T("{kind} {code} of order {number} is not known.", **values)
        hint = T(
            "Add it there, or say which one is meant: `mistok cards` tells how "
            "(or write it into the step: mappings: {{{kind}: {{{code}: …}}}}).",
            kind=kind,
            code=yaml_word(said),
        )
        who = Who.ACCOUNTANT if kind in ("party", "currency") else Who.ADMIN
        where = Where(order=order.number, element=kind if kind == "currency" else None)
        return Finding(f"unknown-{kind}", text, where, hint, who, f"{kind}:{said}")
    text = T("{kind} {code}, which the step names, is not known.", **values)
    hint = T(
        "Add it there, say which one is meant (`mistok cards` tells how), or correct `{name}` of the step in the "
        "config.",
        name=_SETTINGS.get(kind, kind),
    )
    return Finding(f"unknown-{kind}", text, hint=hint, who=Who.ADMIN, about=f"{kind}:{code}")


_SETTINGS = {"party": "parties", "service": "delivery_service", "source": "shop"}
