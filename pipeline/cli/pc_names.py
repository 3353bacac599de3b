"""What ``mistok check`` says of the PCs that `alerts.tell` names: those that nobody invited, and those left out."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

from pipeline.errors import Finding, MistokError, Where, Who
from pipeline.texts import T

if TYPE_CHECKING:
    from pipeline.config.model import ClientConfig


def remarks(config: ClientConfig, *, connect: bool) -> list[Finding]:
    """What is found; nothing when there are no rules, or the ledger cannot be read.

    ``connect``: also a ledger on a server is asked.
    """
    if not config.alerts.tell or not (connect or config.ledger.url.startswith("sqlite")):
        return []
    from pipeline.engine.runtime import Client
    from pipeline.ledger import pcs

    try:
        with Client.open(config, read_only=True, guarded=False) as client, client.ledger.read() as conn:
            live = [str(row["name"]) for row in pcs.listing(conn, config.client, live=True)]
    except MistokError:
        return []  # a ledger that cannot be used is told by what needs it
    return list(gaps(config, live))


def gaps(config: ClientConfig, live: Collection[str]) -> Iterator[Finding]:
    """Names of rules that are no PC's, and PCs that no rule names. ``live``: the folded names of those that are in."""
    from pipeline.config.suggest import did_you_mean

    rules = config.alerts.tell
    for number, rule in enumerate(rules):
        for name in rule.to:
            if name.casefold() not in live:
                where = _place(config, number)
                text = T("`{name}` of `alerts.tell` (line {line}) is no PC that is invited: nobody is told there.",
                         name=name, line=where.line or 0)  # fmt: skip
                hint = did_you_mean(name.casefold(), live) or T("Let it in: mistok alerts invite {name}", name=name)
                yield Finding("pc-unknown", text, where, hint, Who.ADMIN)
    if all(rule.to for rule in rules):
        named = {name.casefold() for rule in rules for name in rule.to}
        for name in sorted(set(live) - named):
            text = T("The PC {name} is told of nothing: no rule of `alerts.tell` names it.", name=name)
            hint = T("Name it in a rule's `to`, or take it out: mistok alerts revoke {name}", name=name)
            yield Finding("pc-left-out", text, hint=hint, who=Who.ADMIN)


def _place(config: ClientConfig, number: int) -> Where:
    from pipeline.config.includes import read_config
    from pipeline.config.places import mark_of

    mark = mark_of(read_config(config.source)[0], "alerts", "tell", number, "to")
    return mark.where("alerts.tell") if mark is not None else Where(file=str(config.source))
