"""What users may be called. Pure."""

from __future__ import annotations

import re

from pipeline.texts import T, Text

_NAME = re.compile(r"[\w.@+-]{1,64}\Z")


def name_trouble(name: str) -> Text | None:
    """Why nobody can be called so; None when somebody can."""
    if not name:
        return T("A name is needed.")
    if not _NAME.match(name):
        return T("A name has letters, digits and . _ - @ + only, 64 at the most.")
    return None
