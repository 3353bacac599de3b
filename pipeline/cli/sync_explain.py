"""``mistok sync JOB --explain ARTICLE``: how an article is read, what it is matched with, and what would be done."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipeline.engine.sync.catalogue import plain
from pipeline.engine.sync.plan import SyncPlan
from pipeline.engine.sync.stock import StockPlan
from pipeline.rules.matching import MatchRules, normal_form
from pipeline.syncing import SyncSettings
from pipeline.texts import T, Text

if TYPE_CHECKING:
    from pipeline.config.model import ClientConfig
    from pipeline.engine.runtime import RunReport

RULES: tuple[tuple[str, Text], ...] = (
    ("compatibility", T("forms of one character")),
    ("lookalikes", T("Cyrillic letters that look Latin")),
    ("dashes", T("kinds of dashes")),
    ("spaces", T("blanks")),
    ("case", T("capitals")),
    ("leading_zeros", T("zeros in front")),
)


def steps_of(article: str, rules: MatchRules) -> list[tuple[Text, str]]:
    """Each rule that changes the article, and what it makes of it, one after the other."""
    none: dict[str, Any] = {
        "compatibility": False, "case": False, "spaces": False, "dashes": "keep", "lookalikes": False,
        "leading_zeros": False,
    }  # fmt: skip
    on = dict(none)
    before, found = article, []
    for name, words in RULES:
        on[name] = getattr(rules, name)
        after = normal_form(article, MatchRules(**on))
        if after != before:
            found.append((words, after))
            before = after
    return found


def explained(config: ClientConfig, job: str, report: RunReport, article: str) -> dict[str, Any]:
    """``lines`` for people and the same as data; ``found``: whether the source or the target knows the article."""
    lines: list[str] = []
    steps: list[dict[str, Any]] = []
    known = False
    for spec, step in zip(config.jobs[job].steps, report.steps, strict=False):
        settings, plan = spec.params, step.result.plan if step.result else None
        if not isinstance(settings, SyncSettings) or plan is None:
            continue
        rules = settings.match.rules()
        key = normal_form(article, rules)
        told = _of(plan, key, article)
        known = known or bool(told)
        lines.append(str(T("{step}: {article} is compared as {key}", step=spec.step, article=article, key=key)))
        lines += [f"  {words}: {after}" for words, after in steps_of(article, rules)]
        lines += [f"  {line['text']}" for line in told] or ["  " + str(T("Neither side has such an article."))]
        steps.append({"step": spec.step, "key": key, "told": told})
    return {"article": article, "found": known, "lines": lines, "steps": steps}


def _of(plan: SyncPlan | StockPlan, key: str, article: str) -> list[dict[str, Any]]:
    told: list[dict[str, Any]] = []

    def add(words: Text, **data: Any) -> None:
        told.append({"text": str(words), **data})

    if isinstance(plan, StockPlan):
        for push in (*plan.pushes, *plan.settled):
            if push.row is not None and push.row.key == key:
                before = "?" if push.before is None else str(push.before)
                names = {"title": push.target.offer.title, "id": push.target.offer.id, "before": before}
                if push in plan.settled:
                    add(T("{title} ({id}): the stock is {before}, as it should be.", **names), id=names["id"])
                else:
                    after = str(push.target.quantity)
                    add(T("{title} ({id}): the stock {before} becomes {after}.", **names, after=after), id=names["id"])
    else:
        for create in plan.creates:
            if any(row.key == key for row in create.rows):
                add(T("{title} would be created.", title=create.draft.base.title or create.rows[-1].article))
        for update in plan.updates:
            if update.row.key == key:
                for change in update.changes:
                    values = {
                        "title": update.target.title, "id": update.target.id, "name": change.name,
                        "before": str(plain(change.before)), "after": str(plain(change.after)),
                    }  # fmt: skip
                    add(T("{title} ({id}): {name} {before} becomes {after}.", **values), id=update.target.id)
        for settled in plan.settled:
            if settled.row.key == key:
                names = {"title": settled.target.title, "id": settled.target.id}
                add(T("{title} ({id}) is in step.", **names), id=settled.target.id)
    for offer in plan.only_there:
        if article in offer.keys.values() or any(normal_form(one) == key for one in offer.keys.values()):
            add(T("{title} ({id}) is in the target only.", title=offer.title, id=offer.id), id=offer.id)
    for finding in plan.findings:
        if finding.where.element and normal_form(finding.where.element) == normal_form(article):
            add(finding.text)
    return told
