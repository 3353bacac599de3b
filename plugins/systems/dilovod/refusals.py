"""What is told of a packet that Dilovod refuses, or that is not sent to it at all. Pure."""

from __future__ import annotations

import re

from pipeline.api import Held, MistokError, Refused, T, Text, Transient
from plugins.systems.dilovod.values import plain

#: Words by which an error of the API begins (see the sources in docs/systems/dilovod.md).
BLOCKED, LOCKED, BAD_KEY = "multithreadapisession", "object locked", "bad key"
_NO_RIGHT = re.compile(r"access to (\S+) denied", re.IGNORECASE)
_MISSING = re.compile(r"emptyRequiredReq\s+(?P<where>\S+)[^|]*\|(?P<name>\w+)\s*(?:\((?P<title>[^)]*)\))?")
_GONE = re.compile(r"object with id \S* ?not found", re.IGNORECASE)
_HINTS = {
    "business": T("Set `documents: {business: …}` of the connection."),
    "storage": T("Set `documents: {storage: …}` of the connection."),
    "firm": T("Set `documents: {firm: …}` of the connection."),
}


def refused(words: str, *, saving: bool) -> MistokError:
    """An error of the API as one of ours, in its own words.

    Refused: the role lacks a right. Held: this one thing is not taken. Transient: a reading that was not understood.
    """
    told = plain(words)
    if found := _NO_RIGHT.search(words):
        return Refused(
            T("Dilovod denies access to {name}: {words}", name=found[1], words=told),
            code="rights",
            hint=T("Allow it to the role of the API node (Settings, User roles); at first it may do nothing."),
        )
    if _GONE.search(words):
        return held(T("Dilovod has it no more: {words}", words=told), code="dilovod-gone")
    if not saving:
        return Transient(
            T("Dilovod refuses to be read: {words}", words=told),
            code="refused-reading",
            hint=T("The service may have changed: tell us if it stays so."),
        )
    if found := _MISSING.search(words):
        return held(
            T("Dilovod wants {name} to be filled in: {words}", name=found["title"] or found["name"], words=told),
            _HINTS.get(found["name"]),
            code="dilovod-refused",
        )
    told = told.removeprefix("applicationLayerError").strip()
    return held(T("Dilovod refuses it: {words}", words=told), code="dilovod-refused")


def held(words: Text, hint: Text | None = None, *, code: str = "dilovod-held") -> Held:
    """Something that is not sent, or not shown as it was sent, with the reason."""
    return Held(words, hint=hint, code=code)
