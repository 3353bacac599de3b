"""Writes in batches: many rows in one request, an outcome for each, and no row spoils another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pipeline.api import Held, InDoubt, MistokError, T, Transient
from plugins.systems.woocommerce.client import Said, TooMany, WooApi
from plugins.systems.woocommerce.paging import Row

#: Pictures that the shop is made to fetch within one request: it fetches them while we wait.
PICTURES = 20
#: A row of the shop's answer, or why there is none.
Answer = Row | MistokError


@dataclass(frozen=True, slots=True)
class Write:
    """One row to be written: at ``path``, by its place among the rows of the call."""

    place: int
    path: str
    body: Mapping[str, Any]

    @property
    def pictures(self) -> int:
        """How many pictures the shop has to fetch."""
        there = [*self.body.get("images", ()), *filter(None, [self.body.get("image")])]
        return sum("src" in one for one in there)


@dataclass
class Batches:
    """Sends writes of one kind.

    Args:
        part: ``create`` or ``update``.
        size: rows of one request at most; the shop may take fewer.
    """

    api: WooApi
    part: str
    size: int
    answers: dict[int, Answer] = field(default_factory=dict)
    _done: bool = False

    def send(self, writes: Sequence[Write]) -> dict[int, Answer]:
        """An answer for each, by its place. Raises Refused, and Transient when nothing was done before it."""
        by_path: dict[str, list[Write]] = {}
        for one in writes:
            by_path.setdefault(one.path, []).append(one)
        trouble: MistokError | None = None
        for some in by_path.values():
            waiting = self._parts(some)
            while waiting:
                part = waiting.pop(0)
                if trouble is not None:
                    self.answers |= dict.fromkeys((one.place for one in part), trouble)
                    continue
                try:
                    self._send(part)
                except TooMany:
                    self.size = max(min(self.size, len(part)) // 2, 1)
                    if len(part) == 1:
                        self.answers[part[0].place] = _too_long(self.api.name)
                    else:
                        waiting = [*self._parts(part), *waiting]
                except Transient as error:
                    if not self._done:
                        raise
                    trouble = error
                    self.answers |= dict.fromkeys((one.place for one in part), error)
        return self.answers

    def _parts(self, writes: Sequence[Write]) -> list[list[Write]]:
        parts: list[list[Write]] = []
        pictures = 0
        for one in writes:
            pictures += one.pictures
            if not parts or len(parts[-1]) >= self.size or (pictures > PICTURES and one.pictures):
                parts.append([])
                pictures = one.pictures
            parts[-1].append(one)
        return parts

    def _send(self, writes: Sequence[Write]) -> None:
        # a picture that is fetched twice lies in the shop twice
        again = self.part == "update" and not any(one.pictures for one in writes)
        try:
            rows = self.api.batch(writes[0].path, self.part, [one.body for one in writes], again=again)
        except (Held, InDoubt) as error:
            self.answers |= dict.fromkeys((one.place for one in writes), error)
            self._done = self._done or isinstance(error, InDoubt)
            return
        self._done = True
        for one, row in zip(writes, rows, strict=True):
            self.answers[one.place] = refusal(self.api, row) if isinstance(row, Said) else row


class Taken(Held):
    """The article is there already, or was a moment ago."""


def refusal(api: WooApi, said: Said) -> Held:
    """Why a row was refused."""
    held = api.held(said)
    if said.code == "product_invalid_sku" or "lookup table" in said.words:
        return Taken(held.text, code=held.code, hint=held.hint, who=held.findings[0].who)
    return held


def _too_long(name: str) -> Held:
    return Held(T("{name} takes not even one row in a batch.", name=name), code="woo-batch")
