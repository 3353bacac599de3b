"""What people decided about articles: read strictly, kept as the mappings that matching uses, and taken back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from pipeline.engine.doctor.checking import key_of, refusal
from pipeline.engine.doctor.reading import Article
from pipeline.engine.sync import accounts, store
from pipeline.engine.sync.compare import match_settings
from pipeline.engine.sync.rows import article_of
from pipeline.errors import ConfigError, Finding, Where, Who
from pipeline.ledger import decisions
from pipeline.model import Offer
from pipeline.rules.matching import normal_form
from pipeline.syncing import SyncSettings
from pipeline.texts import T, Text

if TYPE_CHECKING:
    from pipeline.config.model import ClientConfig
    from pipeline.engine.runtime import Client

#: The subject of what people said is not the same.
SUBJECT = "aliases"
YES = frozenset({"yes", "y", "так", "+", "✓"})
NO = frozenset({"no", "n", "ні", "-", "–", "—"})
Pair = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Decision:
    """One filled row of a workbook."""

    row: int
    system: str
    article: str
    id: str
    other: str
    proposed: str
    decision: str
    remark: str = ""


@dataclass(frozen=True, slots=True)
class Alias:
    """An article of one system that means one of another."""

    source: str
    target: str
    code: str  #: article of the source, or ``#ID``
    meant: str
    row: int
    why: str = ""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Two articles that a person said are not the same."""

    source: str
    target: str
    code: str
    other: str
    row: int

    @property
    def mark(self) -> str:
        """Under which it is kept."""
        return refusal(self.source, self.code, self.target, self.other)


@dataclass
class Decided:
    """All that a workbook says; nothing of it is kept while there are ``findings``."""

    aliases: list[Alias] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    rows: int = 0  #: filled ones


def judge(
    rows: Sequence[Decision],
    systems: Mapping[str, Sequence[Article]],
    config: ClientConfig,
    kept: Mapping[Pair, Mapping[str, str]],
    file: str = "",
) -> Decided:
    """What the filled rows say of the systems as they are now. Pure.

    Args:
        kept: what is kept already, by pair.
        file: name of the workbook, for what is told of its rows.
    """
    return _Judge(systems, config, kept, file).go(rows)


@dataclass
class _Judge:
    systems: Mapping[str, Sequence[Article]]
    config: ClientConfig
    kept: Mapping[Pair, Mapping[str, str]]
    file: str = ""
    times: dict[str, Counter[str]] = field(default_factory=dict)
    out: Decided = field(default_factory=Decided)
    given: dict[Pair, dict[str, Alias]] = field(default_factory=dict)

    def go(self, rows: Sequence[Decision]) -> Decided:
        self.times = {name: Counter(one.bare for one in some) for name, some in self.systems.items()}
        refused: dict[str, Refusal] = {}
        for row in rows:
            self.out.rows += 1
            if row.system == row.other or row.other not in self.systems:
                self._wrong(row, T("It is not said of which other system it is an article."))
            elif (mine := self._own(row)) is not None:
                word = row.decision.casefold()
                if word in NO:
                    if not row.proposed:
                        self._wrong(row, T("Nothing is proposed in this row that it could not be."))
                        continue
                    one = Refusal(row.system, row.other, key_of(mine, self.times[row.system]), row.proposed, row.row)
                    refused.setdefault(one.mark, one)
                elif (theirs := self._meant(row, row.proposed if word in YES else row.decision)) is not None:
                    self._alias(row, mine, theirs)
        for aliases in self.given.values():
            for alias in aliases.values():
                mark = refusal(alias.source, alias.code, alias.target, alias.meant)
                if (no := refused.get(mark)) is not None:
                    self._contrary(alias.row, no.row)
        self._twice()
        self.out.aliases = [one for some in self.given.values() for one in some.values()]
        self.out.refusals = list(refused.values())
        self.out.findings.sort(key=lambda one: one.where.line or 0)
        return self.out

    # --- what a row is about -----------------------------------------------------------------------------------------

    def _own(self, row: Decision) -> Article | None:
        same = [one for one in self.systems.get(row.system, ()) if one.id == row.id and one.bare == row.article.strip()]
        if len(same) == 1:
            return same[0]
        self._wrong(
            row,
            T(
                "{system} has no {article} ({id}) as it stands in this row.",
                system=row.system,
                article=row.article or T("product without an article"),
                id=row.id or "-",
            ),
            T("It was changed since, or the row was: run mistok doctor sku again."),
        )
        return None

    def _meant(self, row: Decision, article: str) -> Article | None:
        if not article.strip():
            self._wrong(row, T("Nothing is proposed in this row: write the article that is meant."))
            return None
        some = self.systems[row.other]
        found = [one for one in some if one.bare == article.strip()]
        if not found:
            rules = match_settings(self.config, row.system, row.other).rules()
            form = normal_form(article, rules)
            found = [one for one in some if form and normal_form(one.text, rules) == form]
        if len(found) == 1:
            return found[0]
        if found:
            text = T("{system} has {article} several times.", system=row.other, article=article)
            self._wrong(row, text, T("Let it have each article once first."))
        else:
            text = T("{system} has no article {article}.", system=row.other, article=article)
            self._wrong(row, text, T("Write yes, no, or an article as {system} writes it.", system=row.other))
        return None

    def _alias(self, row: Decision, mine: Article, theirs: Article) -> None:
        why = f"row {row.row}" + (f": {row.remark}" if row.remark else "")
        self._give(Alias(row.system, row.other, self._code(mine, row.other), theirs.bare, row.row, why))
        if mine.bare and self.times[row.system][mine.bare] == 1:
            # a sync the other way asks what the other's article means here
            self._give(Alias(row.other, row.system, self._code(theirs, row.system), mine.bare, row.row, why))

    def _code(self, article: Article, other: str) -> str:
        """What the mapping is kept by: the article that a sync from its system reads, else ``#ID``."""
        chain = match_settings(self.config, article.system, other).keys
        read = article_of(Offer(keys=article.keys), chain) if article.keys is not None else article.bare
        code = key_of(article, self.times[article.system])
        return code if read == code or not article.id else f"#{article.id}"

    def _give(self, alias: Alias) -> None:
        pair = self.given.setdefault((alias.source, alias.target), {})
        before = pair.get(alias.code)
        if before is None:
            pair[alias.code] = alias
        elif before.meant != alias.meant and before.row != alias.row:
            self._contrary(alias.row, before.row)

    # --- what does not go together -----------------------------------------------------------------------------------

    def _twice(self) -> None:
        """Two things of one system cannot be one of the other: matching could not tell them apart."""
        for (source, target), aliases in self.given.items():
            rules = match_settings(self.config, source, target).rules()
            meant: dict[str, Alias] = {}
            for alias in aliases.values():
                form = normal_form(alias.meant, rules)
                if (before := meant.get(form)) is not None:
                    self._contrary(alias.row, before.row)
                meant.setdefault(form, alias)
            kept = {code: one for code, one in self.kept.get((source, target), {}).items() if code not in aliases}
            for code, one in kept.items():
                if (alias_ := meant.get(normal_form(one, rules))) is not None:
                    text = T(
                        "{article} of {target} is meant by {code} of {source} already.",
                        article=one, target=target, code=code, source=source,
                    )  # fmt: skip
                    self._wrong(alias_.row, text, T("mistok doctor aliases lists what is kept, and takes it back."))
            moved = {*aliases, *kept}
            for article in self.systems[source]:
                if article.bare in moved or f"#{article.id}" in moved or not article.bare:
                    continue
                if (alias_ := meant.get(normal_form(article.text, rules))) is not None:
                    text = T(
                        "{source} has {article} itself: {code} cannot be it, too.",
                        source=source, article=article.bare, code=alias_.code,
                    )  # fmt: skip
                    self._wrong(alias_.row, text, T("Say of that one first what it is in the other system."))

    def _contrary(self, row: int, other: int) -> None:
        first, last = sorted((row, other))
        text = T("This row and row {other} contradict each other.", other=first)
        self._wrong(last, text, T("Leave one of the two decisions."))

    def _wrong(self, row: Decision | int, text: Text, hint: Text | None = None) -> None:
        line = row if isinstance(row, int) else row.row
        one = Finding("decision", text, Where(file=self.file or None, line=line), hint, Who.ACCOUNTANT)
        if one not in self.out.findings:
            self.out.findings.append(one)


# --- the ledger ------------------------------------------------------------------------------------------------------


def of_pairs(
    conn: sa.Connection, client: str, config: ClientConfig, names: Sequence[str]
) -> dict[Pair, dict[str, str]]:
    """What is said of the articles of these systems, by pair: by people, and by ``aliases`` of the config."""
    found: dict[Pair, dict[str, str]] = {}
    for source in names:
        for target in names:
            if source != target:
                said = _config_aliases(config, source, target)
                given = decisions.articles_of(conn, client, source, target)
                said |= {code: meant for (_kind, code), meant in given.items() if not _other_pair(code, config)}
                if said:
                    found[source, target] = said
    return found


def _other_pair(code: str, config: ClientConfig) -> bool:
    """Whether a code is kept for two systems only, and stands among those of the client with their names."""
    pair, colon, _article = code.partition(":")
    source, arrow, target = pair.partition(">")
    return bool(colon and arrow) and source in config.connections and target in config.connections


def _config_aliases(config: ClientConfig, source: str, target: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for job in config.jobs.values():
        for spec in job.steps:
            params = spec.params
            if isinstance(params, SyncSettings) and (params.source, params.to) == (source, target):
                found = {**params.match.aliases, **found}
    return found


def refused(conn: sa.Connection, client: str) -> frozenset[str]:
    """Marks of what people said is not the same, as far as they did not say otherwise later."""
    newest = {row["revision"]: row["verdict"] for row in decisions.of_subject(conn, client, SUBJECT)}
    return frozenset(mark for mark, verdict in newest.items() if verdict == "reject")


def keep(client: Client, decided: Decided, *, file: str, by: str) -> list[tuple[Alias, str | None]]:
    """Keep it: every alias with what its code meant before. Syncs of these systems compare everything next time.

    Raises ConfigError when there is something wrong with it.
    """
    if decided.findings:
        raise ConfigError(findings=tuple(decided.findings))
    name, now, ledger = client.config.client, client.clock.now(), client.ledger
    told: list[tuple[Alias, str | None]] = []
    with ledger.begin() as conn:
        no = refused(conn, name)
        for one in decided.aliases:
            code = decisions.of_pair(one.code, one.source, one.target)
            before = decisions.mapping_of(conn, name, "sku", code)
            if before == one.meant:
                told.append((one, before))
                continue
            why = f"doctor: {file}, {one.why}"
            decisions.give_mapping(conn, name, "sku", code, one.meant, by=by, now=now, why=why)
            data = {"kind": "sku", "code": code, "meant": one.meant, "by": by, "why": why}
            ledger.event(conn, "mappings", "mapped", data)
            if (mark := refusal(one.source, one.code, one.target, one.meant)) in no:
                decisions.decide(conn, name, SUBJECT, mark, "accept", (), by=by, now=now, why=why)
            told.append((one, before))
        for refusal_ in decided.refusals:
            if refusal_.mark not in no:
                why = f"doctor: {file}, row {refusal_.row}: {refusal_.source} {refusal_.code} / "
                why += f"{refusal_.target} {refusal_.other}"
                decisions.decide(conn, name, SUBJECT, refusal_.mark, "reject", (), by=by, now=now, why=why)
        _compare_all(client, conn, {(one.source, one.target) for one, before in told if before != one.meant})
    return told


def _compare_all(client: Client, conn: sa.Connection, pairs: set[Pair]) -> None:
    """Let the next run of what keeps these in step look at everything: nothing of the products has changed."""
    for job, described in client.config.jobs.items():
        for number, spec in enumerate(described.steps):
            params = spec.params
            if isinstance(params, SyncSettings) and (params.source, params.to) in pairs:
                link = accounts.present(client.ledger, conn, store.link_of(job, described.steps, number))
                store.set_moment(client.ledger, conn, store.FULL, link, None)


def listed(client: Client) -> list[dict[str, Any]]:
    """The aliases between two systems that people gave, with their numbers."""
    with client.ledger.read() as conn:
        rows = decisions.all_mappings(conn, client.config.client)
    found = []
    for row in rows:
        pair, _colon, code = row["code"].partition(":")
        source, _arrow, target = pair.partition(">")
        if row["kind"] == "sku" and _other_pair(row["code"], client.config):
            found.append(
                {
                    "id": row["id"], "from": source, "to": target, "article": code, "means": row["meant"],
                    "by": row["by"], "at": row["at"].astimezone(client.config.zone), "why": row["why"],
                }
            )  # fmt: skip
    return found


def remove(client: Client, numbers: Sequence[int], *, by: str) -> list[dict[str, Any]]:
    """Take aliases back, each with that of the other way round. Raises ConfigError for unknown numbers."""
    rows = listed(client)
    known = {row["id"]: row for row in rows}
    for number in numbers:
        if number not in known:
            raise ConfigError(
                T("There is no alias {n}.", n=number), hint=T("mistok doctor aliases lists them with their numbers.")
            )
    gone: dict[int, dict[str, Any]] = {}
    for number in numbers:
        row = known[number]
        gone[number] = row
        for other in rows:
            if (other["from"], other["to"], other["article"], other["means"]) == (
                row["to"], row["from"], row["means"], row["article"],
            ):  # fmt: skip
                gone[other["id"]] = other
    name = client.config.client
    with client.ledger.begin() as conn:
        for row in gone.values():
            code = decisions.of_pair(row["article"], row["from"], row["to"])
            decisions.forget_mapping(conn, name, "sku", code)
            client.ledger.event(conn, "mappings", "forgotten", {"kind": "sku", "code": code, "by": by})
        _compare_all(client, conn, {(row["from"], row["to"]) for row in gone.values()})
    return list(gone.values())
