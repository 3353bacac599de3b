"""What whoever tells people, or asks a target, needs of a walk."""

from __future__ import annotations

from typing import Any, Protocol

from pipeline.engine.context import RunContext


class Walk(Protocol):
    """A walk of orders: its run, and the settings of its step (which name the target: ``into``)."""

    @property
    def ctx(self) -> RunContext:
        """The run."""
        ...

    @property
    def settings(self) -> Any:
        """Of the step."""
        ...
