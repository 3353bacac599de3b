"""Our mark in the remark of a document: what it is known again by, as the API has no key of ours. Pure.

``(Mistok demo/shop/5501)`` stands in the document of an order, ``(Mistok demo/shop/5501/ship/1)`` in what follows it. A
mark begins and ends by a bracket, so that none is contained in another; what is no letter or digit is escaped, so that
it means itself whatever way Dilovod looks for texts.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote

_MARK = re.compile(r"\(Mistok ([\w.\-~]+(?:/[\w.\-~]+){2,4})\)")
_UNSAFE = re.compile(r"[^\w.\-]")
_ESCAPED = re.compile(r"~([0-9a-f]{1,6})~")
BEGIN = "(Mistok "


@dataclass(frozen=True, slots=True)
class Mark:
    """Whose order it is, and what was done on it (``""``: the order itself)."""

    client: str
    source: str
    order_id: str
    action: str = ""
    revision: str = ""

    @classmethod
    def of_key(cls, key: str, *, action: bool = False) -> Mark | None:
        """The mark of an idempotency key ``client/source/order-id/action/revision``; None for any other text.

        ``action``: that of what follows an order; else that of the order, whatever the key's action is.
        """
        parts = [unquote(part) for part in key.split("/")]
        if len(parts) != 5 or not all(parts):
            return None
        return cls(*parts) if action else cls(*parts[:3])

    @property
    def text(self) -> str:
        """As it is written."""
        parts = (self.client, self.source, self.order_id, self.action, self.revision)
        return f"{BEGIN}{'/'.join(_escape(part) for part in parts if part)})"

    @property
    def key(self) -> str:
        """The key that the document was made with."""
        parts = (self.client, self.source, self.order_id, self.action or "create", self.revision or "0")
        return "/".join(part.replace("%", "%25").replace("/", "%2F") for part in parts)


def marks_in(remark: str) -> list[Mark]:
    """The marks of ours in a remark."""
    found = []
    for match in _MARK.finditer(remark):
        parts = [_ESCAPED.sub(lambda one: chr(int(one[1], 16)), part) for part in match[1].split("/")]
        if len(parts) in (3, 5):
            found.append(Mark(*parts))
    return found


def with_mark(mark: Mark, *lines: str) -> str:
    """A new remark: what it says, and the mark at its end."""
    return "\n".join(filter(None, (*lines, mark.text)))


def changed(remark: str, mark: Mark, *lines: str) -> str:
    """A remark with other words of ours. What people wrote behind the mark stays."""
    return with_mark(mark, *lines) + remark.partition(mark.text)[2]


def _escape(part: str) -> str:
    return _UNSAFE.sub(lambda one: f"~{ord(one[0]):x}~", part)
