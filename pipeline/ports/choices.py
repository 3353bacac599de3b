"""Why a field of a document has its value: which keys of a step's parameters gave it, or what else. Pure.

A step's plan gives them with what it plans; the ledger keeps them with the order and the hash of the config, so that
``mistok trace --why`` can name the line long after the config has changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

#: ``config``: a key of the step says it. ``order``: the order itself. ``person``: a mapping that a person gave.
#: ``target``: the accounting system's own choice. ``built-in``: what Mistok does where nothing else is said.
By = Literal["config", "order", "person", "target", "built-in"]
Keys = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What one field of a document was given."""

    field: str  #: warehouse, party, executor, status, rule …
    value: str  #: code, name or word; "" where nothing was chosen
    by: By
    keys: tuple[Keys, ...] = ()  #: keys of the step's parameters that had a part in it, the deciding one last
    said: str = ""  #: what the order says there
    path: str = ""  #: where in the order: ``warehouse``, ``payment.method``

    def to_json(self) -> dict[str, Any]:
        """As the ledger keeps it."""
        return {
            "field": self.field,
            "value": self.value,
            "by": self.by,
            "keys": [list(keys) for keys in self.keys],
            "said": self.said,
            "path": self.path,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Choice:
        """From what the ledger keeps."""
        return cls(
            field=data["field"],
            value=data["value"],
            by=data["by"],
            keys=tuple(tuple(keys) for keys in data["keys"]),
            said=data["said"],
            path=data["path"],
        )
