"""A foreign word as it must stand in a line of YAML that people are told to write. Pure."""

from __future__ import annotations

import json
import re

#: What needs no quotes as a key or value of a flow mapping, whatever stands around it.
_PLAIN = re.compile(r"\w(?:[\w ./()+'-]*[\w)])?")
#: Words that mean something else without quotes.
_TAKEN = frozenset({"null", "true", "false", "nan", "inf"})


def yaml_word(text: str) -> str:
    """``text`` as it stands in ``{KEY: VALUE}``: in double quotes where it could be read otherwise.

    ``Підтверджено`` -> ``Підтверджено``, ``[n] прийнято`` -> ``"[n] прийнято"``.
    """
    if _PLAIN.fullmatch(text) and text.casefold() not in _TAKEN:
        return text
    return json.dumps(text, ensure_ascii=False)
