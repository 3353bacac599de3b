"""``mistok sync JOB --explain ARTICLE``: how an article is read, what it is matched with, and what would be done."""

from __future__ import annotations

from datetime import tzinfo
from typing import TYPE_CHECKING, Any

from pipeline.engine.shown.syncs import flat
from pipeline.engine.sync.plan import SyncPlan
from pipeline.engine.sync.planrows import plain
from pipeline.engine.sync.rows import Row, article_of
from pipeline.engine.sync.stock import StockPlan
from pipeline.rules.matching import MatchRules, normal_form
from pipeline.syncing import MatchSettings, SyncSettings
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


def rules_of(article: str, rules: MatchRules) -> list[tuple[str, bool, Text]]:
    """Every rule with its name, whether it is on, and what it does to the article, in words."""
    changed = {str(words): after for words, after in steps_of(article, rules)}
    told: list[tuple[str, bool, Text]] = []
    for name, words in RULES:
        on = getattr(rules, name) not in (False, "keep")
        after = changed.get(str(words))
        if not on:
            text = T("{rule} (`{name}`): off", rule=words, name=name)
        elif after is None:
            text = T("{rule} (`{name}`): on, nothing to change", rule=words, name=name)
        else:
            text = T("{rule} (`{name}`): on, {after}", rule=words, name=name, after=after)
        told.append((name, on, text))
    return told


def rows_of(plan: SyncPlan | StockPlan, key: str, match: MatchSettings) -> list[Row]:
    """The products of the source that the key is about: as the target is to know them, or by their own article."""
    if isinstance(plan, StockPlan):
        rows = [one.row for one in (*plan.pushes, *plan.settled) if one.row is not None]
        rows += [row for row, _ in (*plan.missing, *plan.untold)]
    else:
        rows = [row for create in plan.creates for row in create.rows]
        rows += [one.row for one in plan.updates]
        rows += [one.row for one in plan.settled]
    rules = match.rules()
    found = {
        row.offer.id: row for row in rows
        if row.key and key in (row.key, normal_form(article_of(row.offer, match.keys), rules))
    }  # fmt: skip
    return list(found.values())


def used_of(row: Row, match: MatchSettings) -> tuple[str, Text]:
    """Which article field of the source decided ("" when none did), and that in words."""
    own = article_of(row.offer, match.keys)
    used = next((name for name in match.keys if row.offer.keys.get(name, "").strip()), "")
    names = {"title": row.offer.title, "id": row.offer.id, "name": used, "own": own, "article": row.article}
    if not own and row.article:
        return "", T("{title} ({id}) has no article of its own: it is {article}, as was decided.", **names)
    if own != row.article:
        return used, T("{title} ({id}): its `{name}` is {own}; it means {article}, as was decided.", **names)
    return used, T("{title} ({id}): its article {own} is from `{name}`.", **names)


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
        rows = rows_of(plan, key, settings.match)
        used = [used_of(row, settings.match) for row in rows]
        told = [
            line
            for one in dict.fromkeys((key, *(row.key for row in rows)))
            for line in _of(plan, one, article, rules, config.zone)
        ]
        known = known or bool(told)
        lines.append(str(T("{step}: {article} is compared as {key}", step=spec.step, article=article, key=key)))
        every = rules_of(article, rules)
        lines += [f"  {text}" for _name, _on, text in every]
        chain = ", ".join(settings.match.keys)
        lines.append("  " + str(T("Of the source's fields {names} the first that is filled in decides.", names=chain)))
        lines += [f"  {text}" for _name, text in used]
        lines += [f"  {line['text']}" for line in told] or ["  " + str(T("Neither side has such an article."))]
        steps.append(
            {
                "step": spec.step, "key": key, "rules": {name: on for name, on, _text in every},
                "keys": list(settings.match.keys),
                "used": [{"id": row.offer.id, "key": name} for row, (name, _text) in zip(rows, used, strict=True)],
                "told": told,
            }
        )  # fmt: skip
    return {"article": article, "found": known, "lines": lines, "steps": steps}


def _of(plan: SyncPlan | StockPlan, key: str, article: str, rules: MatchRules, zone: tzinfo) -> list[dict[str, Any]]:
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
        for row, quantity in plan.missing:
            if row.key == key and quantity is None:
                add(T("{title} ({id}) is in the source only, which tells no stock of it.", title=row.offer.title,
                      id=row.offer.id))  # fmt: skip
            elif row.key == key:
                add(T("{title} ({id}) is in the source only; its stock there is {quantity}.", title=row.offer.title,
                      id=row.offer.id, quantity=str(quantity)))  # fmt: skip
        for row, target in plan.untold:
            if row.key == key:
                add(T("{title} ({id}) is in both; the source tells no stock of it.", title=target.title, id=target.id),
                    id=target.id)  # fmt: skip
    else:
        for create in plan.creates:
            if any(row.key == key for row in create.rows):
                add(T("{title} would be created.", title=create.draft.base.title or create.rows[-1].article))
        for update in plan.updates:
            if update.row.key == key:
                for change in update.changes:
                    before, after = (flat(plain(one, zone)) or "—" for one in (change.before, change.after))
                    values = {
                        "title": update.target.title, "id": update.target.id, "name": change.name,
                        "before": before, "after": after,
                    }  # fmt: skip
                    add(T("{title} ({id}): {name} {before} becomes {after}.", **values), id=update.target.id)
        for settled in plan.settled:
            if settled.row.key == key:
                names = {"title": settled.target.title, "id": settled.target.id}
                add(T("{title} ({id}) is in step.", **names), id=settled.target.id)
    if key in plan.aside:
        add(T("The source has it, and it is left out: {why}.", why=plan.aside[key]))
    for offer in plan.only_there:
        if article in offer.keys.values() or any(normal_form(one, rules) == key for one in offer.keys.values()):
            add(T("{title} ({id}) is in the target only.", title=offer.title, id=offer.id), id=offer.id)
    for finding in plan.findings:
        if finding.where.element and normal_form(finding.where.element, rules) == key:
            add(finding.text)
    return told
