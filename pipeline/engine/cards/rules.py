"""Rules of the engine itself, in the words of a letter, for files of any format."""

from __future__ import annotations

from collections.abc import Mapping

from pipeline.texts import T, Text

_ONCE = T("An order stands once in a file, and its id is no other order's. A changed order comes in a new file.")
_WHOLE = T("A file is written under a temporary name, and gets its own name when it is whole.")
_STAYS = T("A file stays where it was put until Mistok takes it away; the site neither deletes nor changes it.")
_AGAIN = T("An order that was sent once is sent again with its own id only when it has changed on the site.")

#: Code of a finding -> the rule.
RULES: Mapping[str, Text] = {
    "twin-order": _ONCE,
    "incomplete": _WHOLE,
    "truncated": _WHOLE,
    "too-large": T("A file has at most as many bytes as the settings allow: a few hundred orders always fit."),
    "lost-copy": _STAYS,
    "changed": _STAYS,
    "changed-order": _AGAIN,
    "changed-unfit": _AGAIN,
}
