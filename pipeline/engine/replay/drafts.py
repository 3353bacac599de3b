"""In what two drafts of one order's document differ, field by field. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.flow import Action, CreateDocument
from pipeline.ports import DocumentDraft, Ref
from pipeline.rules.differences import Difference, differences
from pipeline.texts import T, Text, verbatim

_REFS = (
    ("client", T("client")),
    ("object", T("object")),
    ("warehouse", T("warehouse")),
    ("user", T("user")),
    ("executor", T("executor")),
)
_NAMES = {"firm": T("own company"), "account": T("bank account or cash desk"), "source": T("source")}


def draft_differences(before: Action | None, after: Action | None) -> tuple[Difference, ...]:
    """The fields that ``after`` has otherwise; nothing when one of them makes no document."""
    match before, after:
        case CreateDocument(draft=old), CreateDocument(draft=new):
            return tuple(of_drafts(old, new))
    return ()


def of_drafts(old: DocumentDraft, new: DocumentDraft) -> Iterator[Difference]:
    """The fields that ``new`` has otherwise."""
    for name, words in _REFS:
        was, now = getattr(old, name), getattr(new, name)
        if _same(was, now):
            continue
        yield Difference(name, (words,), _ref(was), _ref(now))
    for kind in sorted({*old.references, *new.references}):
        was, now = old.references.get(kind), new.references.get(kind)
        if not _same(was, now):
            yield Difference(kind, (_NAMES.get(kind) or verbatim(kind),), _ref(was), _ref(now))
    if not _same(old.delivery, new.delivery):
        yield Difference("delivery_service", (T("service"),), _ref(old.delivery), _ref(new.delivery))
    yield from _products(old, new)
    if old.rounding != new.rounding:
        yield Difference("rounding", (T("rounding"),), _value(old.rounding), _value(new.rounding))
    if old.comment != new.comment:
        yield Difference("comment", (T("comment"),), _quoted(old.comment), _quoted(new.comment))
    yield from differences(old.order, new.order)


def _products(old: DocumentDraft, new: DocumentDraft) -> Iterator[Difference]:
    if len(old.products) != len(new.products):
        return  # other items: the orders' own difference tells it
    for line, was, now in zip(new.order.lines, old.products, new.products, strict=True):
        if not _same(was, now):
            names = (T("product"), verbatim(line.code))
            yield Difference(f"products/{line.code}", names, _ref(was), _ref(now), line.source_line)


def _same(one: Ref | None, other: Ref | None) -> bool:
    # by code, which two systems may share, not by a number that each gives of its own
    return (one.code if one else None) == (other.code if other else None)


def _ref(ref: Ref | None) -> Text | None:
    if ref is None:
        return None
    return T("{code} ({name})", code=ref.code, name=ref.name) if ref.name else verbatim(ref.code)


def _value(value: object) -> Text | None:
    return None if value is None else verbatim(str(value))


def _quoted(words: str) -> Text | None:
    return T("“{words}”", words=" ⏎ ".join(words.splitlines())) if words else None
