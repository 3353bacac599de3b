"""Cards with everything that a person may want to know of them, gathered from ledger, archive, format and target."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.engine import carrying, deciding, nearest
from pipeline.engine.cards.excerpt import Line, excerpt
from pipeline.engine.cards.rules import RULES
from pipeline.engine.nearest import Proposal
from pipeline.engine.runtime import Client
from pipeline.errors import ConfigError, Finding, MistokError, Rejected
from pipeline.flow import Explained
from pipeline.ledger import files as file_rows
from pipeline.ledger import orders as order_rows
from pipeline.ledger.tables import OrderState
from pipeline.xmlio.encoding import read_text

Row = dict[str, Any]
LARGEST = 20_000_000  #: bytes of a file that is shown beside what is wrong with it


@dataclass(frozen=True, slots=True)
class Story:
    """A card, its findings, and the file and order that they are about."""

    card: Row
    findings: tuple[Finding, ...]
    file: Row | None
    order: Row | None
    excerpts: tuple[tuple[Line, ...], ...]  #: for each finding the lines of the file around it; none where not known
    taken: int = 0  #: other orders of the file that are documents

    @property
    def number(self) -> int:
        """The card's number."""
        return int(self.card["id"])


def load(client: Client, shown: Sequence[Row]) -> list[Story]:
    """The stories of these cards (rows of :mod:`pipeline.ledger.cards`)."""
    with client.ledger.read() as conn:
        files = file_rows.by_ids(conn, {card["file_id"] for card in shown if card["file_id"]})
        orders = order_rows.by_ids(conn, {card["order_row"] for card in shown if card["order_row"]})
        own = {card["order_row"] for card in shown if card["order_row"]}
        taken = {file_id: order_rows.count_in_file(conn, file_id, OrderState.CREATED, own) for file_id in files}
    texts: dict[int, str] = {}
    stories = []
    for card in shown:
        findings = deciding.findings_of(card)
        file = files.get(card["file_id"]) if card["file_id"] else None
        if file is not None and file["id"] not in texts:
            texts[file["id"]] = text_of(client, file)
        text = texts.get(file["id"], "") if file else ""
        excerpts = tuple(
            excerpt(text, finding.where.line, finding.where.column) if text and finding.where.line else ()
            for finding in findings
        )
        order = orders.get(card["order_row"]) if card["order_row"] else None
        stories.append(Story(card, findings, file, order, excerpts, taken.get(card["file_id"], 0)))
    return stories


def text_of(client: Client, file: Row) -> str:
    """The archived file as text, as well as it can be read; empty when there is no sound copy of it, or it is so large
    that it does not belong into memory."""
    path = client.archive.find(file["sha256"]) if file["sha256"] else None
    if path is None or path.stat().st_size > LARGEST:
        return ""
    try:
        data = client.archive.read(file["sha256"])
    except MistokError:
        return ""
    place = carrying.place_of(client, file)
    default = getattr(place.spec.format_params, "encoding", None) if place else None
    try:
        return read_text(data, file=file["name"], default_encoding=default)[0]
    except Rejected:
        return data.decode("utf-8", "replace")


def explained(client: Client, file: Row | None, finding: Finding, language: str) -> Explained | None:
    """The rule that a finding tells of and a right example, by the format of the file; None where there is none."""
    place = carrying.place_of(client, file) if file else None
    found: Explained | None = None
    if isinstance(place, carrying.Place):
        plugin = client.registry.formats[place.settings.format.type]
        if plugin.explain is not None:
            try:
                found = plugin.explain(finding, place.spec.format_params, client.config.base, language)
            except ConfigError:
                found = (
                    None  # the client's own schema cannot be read now: a letter without its rule is one all the same
                )
    if found is None and finding.code in RULES:
        return Explained(RULES[finding.code])
    return found


def proposals(client: Client, story: Story) -> dict[str, tuple[Proposal, ...]]:
    """For each mapping that the card asks for the known things that come near to it, most alike first.

    Raises Transient, Refused or ConfigError when the target cannot be asked.
    """
    asked = deciding.asked_for(story.card)
    place = carrying.place_of(client, story.file, story.order) if story.file and story.order else None
    if not asked or place is None:
        return {}
    config = client.config
    found: dict[str, tuple[Proposal, ...]] = {}
    with carrying.opened_any(client, place, by="") as walk:
        system = walk.ctx.system(place.settings.into)
        for about in asked:
            kind, _, code = about.partition(":")
            names = [dict(one.text.args).get("name", "") for one in story.findings if one.about == about]
            name = next((str(one) for one in names if one), "")
            found[about] = nearest.near(system, kind, code, name, client.clock.now(), config.catalogue_language)
    return found
