"""What is told of a row that KeyCRM does not take, or that is not sent to it at all. Pure."""

from __future__ import annotations

from pipeline.api import Held, T, Text


def refused(words: str, hint: Text | None = None) -> Held:
    """A row that KeyCRM does not take, in its own words."""
    return Held(T("KeyCRM refuses it: {words}", words=words), hint=hint, code="keycrm-refused")


def held(words: Text, hint: Text | None = None, *, code: str = "keycrm-held") -> Held:
    """A row that is not sent, or not shown as it was sent, with the reason."""
    return Held(words, hint=hint, code=code)
