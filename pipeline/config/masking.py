"""Keeps secret values out of everything that people read."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from functools import lru_cache
from typing import Any
from urllib.parse import quote, quote_plus, unquote

from pydantic import BaseModel, SecretBytes, SecretStr

from pipeline.errors import Finding
from pipeline.texts import Arg, Text

MASK = "•••"
#: Shorter secrets are masked only where they stand alone: a password `1` must not blot out every number.
_WHOLE_WORD_BELOW = 4
#: Characters of a secret from which on it is hidden in the keys of tables, too.
_IN_KEYS = 8


def mask(text: str, secrets: Iterable[str]) -> str:
    """``text`` with every secret of ``secrets`` (also as written in URLs, JSON and reprs) replaced by three dots."""
    pattern = _pattern(frozenset(secrets))
    return pattern.sub(MASK, text) if pattern else text


def mask_any(value: Any, secrets: AbstractSet[str]) -> Any:
    """The same for every string, key or value, inside dicts, lists and tuples.

    A key is left alone where the secret is a short word: that of a try-out, "key", is what our own tables call theirs.
    """
    if isinstance(value, str):
        return mask(value, secrets)
    if isinstance(value, dict):
        in_keys = frozenset(one for one in secrets if len(one) >= _IN_KEYS)
        return {mask_any(key, in_keys): mask_any(item, secrets) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(mask_any(item, secrets) for item in value)
    return value


def mask_finding(finding: Finding, secrets: AbstractSet[str]) -> Finding:
    """The same for what a finding says."""
    hint = _mask_text(finding.hint, secrets) if finding.hint else None
    return Finding(finding.code, _mask_text(finding.text, secrets), finding.where, hint, finding.who)


def secrets_of(value: Any) -> Iterator[str]:
    """Every secret held in checked settings: SecretStr and SecretBytes, and passwords inside URLs."""
    match value:
        case SecretStr():
            yield value.get_secret_value()
        case SecretBytes():
            yield value.get_secret_value().decode("utf-8", "replace")
        case str():
            yield from url_passwords(value)
        case BaseModel():
            for name in type(value).model_fields:
                yield from secrets_of(getattr(value, name))
            yield from secrets_of(value.model_extra or {})
        case dict():
            for item in value.values():
                yield from secrets_of(item)
        case list() | tuple() | set() | frozenset():
            for item in value:
                yield from secrets_of(item)


def url_passwords(text: str) -> Iterator[str]:
    """The password of ``scheme://user:password@host``, as written and decoded."""
    # greedy up to the last @, as a hand-written password may hold one
    for found in re.findall(r"[A-Za-z][A-Za-z0-9+.\-]*://[^/\s:@]*:([^\s/]+)@", text):
        yield found
        yield unquote(found)


def _mask_text(text: Text, secrets: AbstractSet[str]) -> Text:
    def one(value: Arg) -> Arg:
        if isinstance(value, Text):
            return _mask_text(value, secrets)
        return mask(value, secrets) if isinstance(value, str) else value

    return Text(text.msgid, tuple((name, one(value)) for name, value in text.args), text.plural)


@lru_cache(maxsize=64)
def _pattern(secrets: frozenset[str]) -> re.Pattern[str] | None:
    forms: set[str] = set()
    for secret in secrets:
        if not secret.strip():
            continue
        encodable = secret.encode("utf-8", "replace")
        forms |= {secret, quote(encodable, safe=""), quote(encodable), quote_plus(encodable), repr(secret)[1:-1]}
        forms |= {json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]}
        # a key of several lines is also masked line by line, as logs break it
        forms |= {line for line in secret.splitlines() if len(line) >= 2 * _WHOLE_WORD_BELOW}
    if not forms:
        return None
    ordered = sorted(forms, key=lambda form: (-len(form), form))
    return re.compile(
        "|".join(
            rf"(?<!\w){re.escape(form)}(?!\w)" if len(form) < _WHOLE_WORD_BELOW else re.escape(form) for form in ordered
        )
    )
