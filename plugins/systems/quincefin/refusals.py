"""What Quincefin says when it does not take something, and what is told of it. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from pipeline.api import Held, T, Text

#: The articles show no error: these are the likeliest members.
_MEMBERS = ("error", "errors", "message", "Error", "Errors", "Message", "text", "description")
_LONGEST = 400
#: A refusal of the login, where it comes with the status 200.
_LOGIN = re.compile(r"(?i)un-?authori[sz]ed|forbidden|access denied|(api|access).?(key|token)|авторизац|доступ|login")


def words_of(body: bytes, fallback: str) -> str:
    """Its own words in an answer, wherever they stand in it."""
    try:
        said = _said(json.loads(body)) if body else ""
    except (ValueError, RecursionError):
        said = ""
    said = " ".join(said.split()) or fallback
    return said if len(said) <= _LONGEST else said[: _LONGEST - 1] + "…"


def _said(value: Any, depth: int = 4) -> str:
    if depth and isinstance(value, Mapping):
        parts = [said for name in _MEMBERS if (said := _said(value.get(name), depth - 1))]
        return "; ".join(dict.fromkeys(parts))
    if depth and isinstance(value, list):
        return "; ".join(filter(None, (_said(one, depth - 1) for one in value[:10])))
    if isinstance(value, bool) or value is None or isinstance(value, Mapping | list):
        return ""
    return str(value).strip()


def about_login(words: str) -> bool:
    """Whether these words are about the key, and not about what was asked."""
    return bool(_LOGIN.search(words))


def refused(words: str, hint: Text | None = None) -> Held:
    """A record that Quincefin does not take, in its own words."""
    return Held(T("Quincefin refuses it: {words}", words=words), hint=hint, code="quincefin-refused")


def held(words: Text, hint: Text | None = None, *, code: str = "quincefin-held") -> Held:
    """A record that is not sent, or not shown as it was sent, with the reason."""
    return Held(words, hint=hint, code=code)
