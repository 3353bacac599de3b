"""Lines that are added to a comment which people write in as well: each once, and nothing of theirs is lost. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


def noted(comment: str, notes: Sequence[str]) -> str | None:
    """A comment with these notes as lines of their own behind it; None where it has them all."""
    lines = _clean(comment).split("\n")
    new = [note for note in map(_clean, notes) if note]
    missing = [note for note in new if not _stands(lines, note.split("\n"))]
    return "\n".join([*filter(None, ["\n".join(lines)]), *missing]) if missing else None


def renewed(comment: str, labelled: Mapping[str, str], notes: Sequence[str] = ()) -> str | None:
    """A comment in which each line ``Label: …`` says what ``labelled`` has now, and which has these notes; None as is.

    A label without a text goes from the comment, a new one comes to its end. Other lines stay as people wrote them.
    """
    told: set[str] = set()
    lines: list[str] = []
    for line in _clean(comment).split("\n"):
        label = next((one for one in labelled if line.strip().startswith(f"{one}:")), None)
        if label is None:
            lines.append(line)
        elif labelled[label] and label not in told:
            told.add(label)
            lines.append(f"{label}: {labelled[label]}")
    kept = "\n".join(lines).strip()
    missing = [f"{label}: {text}" for label, text in labelled.items() if text and label not in told]
    after = noted(kept, [*notes, *missing])
    found = kept if after is None else after
    return found if found != _clean(comment) else None


def _clean(text: str) -> str:
    return text.replace("\r\n", "\n").strip()


def _stands(lines: Sequence[str], wanted: Sequence[str]) -> bool:
    """Whether the wanted lines stand among these, one after the other."""
    return any(list(lines[n : n + len(wanted)]) == list(wanted) for n in range(len(lines) - len(wanted) + 1))
