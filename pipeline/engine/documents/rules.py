"""What is done with orders of a status: the client's rules, and where they have gaps. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pipeline.documents import Act, DocumentsSettings
from pipeline.errors import Finding, Where, Who
from pipeline.ports import Ref
from pipeline.ports.choices import Choice
from pipeline.rules.yamlwords import yaml_word
from pipeline.texts import T, Text

#: Our own words of a status, into which systems sort theirs: they may stand in a rule for a whole group.
GROUPS = ("new", "confirmed", "paid", "shipped", "completed", "cancelled", "refunded")


@dataclass(frozen=True, slots=True)
class RuleRow:
    """One line of the table of rules."""

    status: Ref  #: of the source
    rule: str  #: the key that applies; "" where none does
    acts: tuple[Act, ...]
    target: str = ""  #: status that the target's document gets
    taken: bool = True  #: orders of it are taken at all, as ``only.statuses`` says
    followed: tuple[Act, ...] = ()  #: of one that is not taken: what is done with an order that has its document


def same(one: str, other: str) -> bool:
    """Whether two names of a status are one: blanks at the ends and case do not matter."""
    return one.strip().casefold() == other.strip().casefold()


def names(ref: Ref) -> tuple[str, ...]:
    """All that a status may be called by, the surest first."""
    return tuple(dict.fromkeys(one for one in (ref.id, ref.code, ref.name) if one))


def called(keys: Sequence[str] | Mapping[str, object], status: str, known: Sequence[Ref], group: str = "") -> str:
    """The one of ``keys`` that names this status: by id, else code, else name, else group; "" when none does.

    A key that is the name of a status stands for that one alone, though it may be the word for a group, too.

    Args:
        status: as the source tells it of an order: the id or code.
        known: all statuses of the source, as far as it tells them.
        group: our own word for it.
    """
    ref = find(status, known)
    for name in names(ref) if ref is not None else (status,):
        for key in keys:
            if same(key, name):
                return key
    return next((key for key in keys if group in GROUPS and same(key, group) and find(key, known) is None), "")


def find(status: str, known: Sequence[Ref]) -> Ref | None:
    """The status that is called so: by id, else code, else name."""
    for name in ("id", "code", "name"):
        for ref in known:
            if status and same(getattr(ref, name), status):
                return ref
    return None


def acts_for(settings: DocumentsSettings, status: str, known: Sequence[Ref], group: str) -> tuple[Act, ...] | None:
    """What is done with an order of this status; None when no rule says."""
    key = called(settings.rules, status, known, group)
    if key:
        return settings.rules[key]
    match settings.unknown_status:
        case "create-order":
            return ("order",)
        case "nothing":
            return ("nothing",)
        case _:
            return None


def target_status(settings: DocumentsSettings, status: str, known: Sequence[Ref], group: str) -> str | None:
    """The status that the target's document is to have, by name or code; None: it is left alone.

    With ``auto`` it is the name of the source's own.
    """
    if settings.statuses is None:
        return None
    if settings.statuses == "auto":
        ref = find(status, known)
        return (ref.name or ref.code) if ref is not None else status
    key = called(settings.statuses, status, known, group)
    return settings.statuses[key] if key else None


def choices(settings: DocumentsSettings, status: str, known: Sequence[Ref], group: str) -> tuple[Choice, ...]:
    """What is done with orders of this status and which status the document gets, each with the key that says so."""
    ref = find(status, known)
    said = title(ref) if ref is not None else status
    acts = acts_for(settings, status, known, group)
    key = called(settings.rules, status, known, group)
    rule = Choice(
        field="rule",
        value=", ".join(acts or ("hold",)),
        by="config",
        keys=(("rules", key) if key else ("unknown_status",),),
        said=said,
    )
    target = target_status(settings, status, known, group)
    if target is None:
        return rule, Choice(field="status", value="", by="target", said=said)
    where: tuple[str, ...] = ("statuses",)
    if isinstance(settings.statuses, dict):
        where = ("statuses", called(settings.statuses, status, known, group))
    return rule, Choice(field="status", value=target, by="config", keys=(where,), said=said)


def is_group(key: str, known: Sequence[Ref]) -> bool:
    """Whether a key of the rules stands for a whole group of statuses."""
    return any(same(key, group) for group in GROUPS) and find(key, known) is None


def table(settings: DocumentsSettings, known: Sequence[Ref]) -> list[RuleRow]:
    """Every status of the source with what is done. Groups show where a status has no rule of its own, as far as its
    own name is one of them; what else a system sorts into a group is known of each order only."""
    rows = []
    for ref in known:
        key = called(settings.rules, ref.id or ref.code, known, _group(ref))
        acts = settings.rules[key] if key else _unknown(settings)
        target = target_status(settings, ref.id or ref.code, known, _group(ref)) or ""
        # what a system sorts into a group is known of each order only
        only = settings.only.statuses
        taken = not only or _chosen(settings, ref, known) or any(is_group(one, known) for one in only)
        rows.append(RuleRow(ref, key, acts, target) if taken else RuleRow(ref, key, (), "", taken, acts))
    return rows


def without_rule(settings: DocumentsSettings, known: Sequence[Ref]) -> tuple[list[Ref], list[Ref]]:
    """The statuses that no rule names: those whose orders are taken, and others that orders with a document may get."""
    rows = [row for row in table(settings, known) if not row.rule]
    return [row.status for row in rows if row.taken], [row.status for row in rows if not row.taken]


def _group(ref: Ref) -> str:
    return next((group for group in GROUPS if any(same(group, name) for name in names(ref))), "")


def _unknown(settings: DocumentsSettings) -> tuple[Act, ...]:
    return acts_for(settings.model_copy(update={"rules": {}}), "", (), "") or ("hold",)


def gaps(settings: DocumentsSettings, known: Sequence[Ref] | None = None) -> list[Finding]:
    """What the rules leave open or get wrong, told before the first order is touched.

    Args:
        known: the statuses of the source; None: it was not asked, and only the rules themselves are looked at.
    """
    found = list(_within(settings))
    if known is None:
        return found
    groups = [key for key in settings.rules if is_group(key, known)]
    for key in settings.rules:
        if key not in groups and find(key, known) is None:
            text = T("A rule names status {status}, and {system} has none of that name.", status=key,
                     system=settings.source)  # fmt: skip
            found.append(Finding("unknown-status", text, Where(element=f"rules.{key}"), _has(known), Who.ADMIN))
    for key in settings.statuses if isinstance(settings.statuses, dict) else ():
        if key not in GROUPS and find(key, known) is None:
            text = T("`statuses` names status {status}, and {system} has none of that name.", status=key,
                     system=settings.source)  # fmt: skip
            found.append(Finding("unknown-status", text, Where(element=f"statuses.{key}"), _has(known), Who.ADMIN))
    for did, status in settings.back.statuses.items():
        if find(status, known) is None:
            text = T("`back` names status {status}, and {system} has none of that name.", status=status,
                     system=settings.source)  # fmt: skip
            found.append(Finding("unknown-status", text, Where(element=f"back.statuses.{did}"), _has(known), Who.ADMIN))
    for one in settings.only.statuses:
        if not any(same(one, group) for group in GROUPS) and find(one, known) is None:
            text = T("`only` names status {status}, and {system} has none of that name.", status=one,
                     system=settings.source)  # fmt: skip
            found.append(Finding("unknown-status", text, Where(element="only.statuses"), _has(known), Who.ADMIN))
    if not groups and settings.unknown_status == "hold":
        wanted = [one for one in known if not settings.only.statuses or _chosen(settings, one, known)]
        for ref in wanted:
            if not called(settings.rules, ref.id or ref.code, known):
                text = T("Status {status} has no rule: its orders wait for a person.", status=title(ref))
                hint = T("Write what becomes of them: rules: {{{status}: …}}; `nothing` is an answer, too.",
                         status=yaml_word(ref.name or ref.code or ref.id))  # fmt: skip
                found.append(Finding("no-rule", text, Where(element="rules"), hint, Who.ADMIN))
    return found


def _chosen(settings: DocumentsSettings, ref: Ref, known: Sequence[Ref]) -> bool:
    return bool(called(settings.only.statuses, ref.id or ref.code, known, _group(ref)))


def _within(settings: DocumentsSettings) -> Iterator[Finding]:
    acts = {act for rule in settings.rules.values() for act in rule}
    makes = "order" in acts or settings.unknown_status == "create-order"
    if "return" in acts and "ship" not in acts:
        text = T("A rule takes goods back, and none ships them: there would be no shipment to take back.")
        hint = T("Say by which status goods leave: rules: {…: [order, ship]}.")
        yield Finding("return-without-ship", text, Where(element="rules"), hint, Who.ADMIN)
    for act in ("ship", "cancel", "pay"):
        if act in acts and not makes:
            text = T("A rule does `{act}`, and none makes the order document that it needs.", act=act)
            hint = T("Say by which status the order is made: rules: {…: order}.")
            yield Finding("no-order-rule", text, Where(element="rules"), hint, Who.ADMIN)


def _has(known: Sequence[Ref]) -> Text:
    return T("It has: {names}.", names=", ".join(title(ref) for ref in known) or "—")


def title(ref: Ref) -> str:
    """A status for people: its name with its id behind it, where they differ."""
    name = ref.name or ref.code
    return f"{name} ({ref.id})" if ref.id and not same(name, ref.id) else name or ref.id
