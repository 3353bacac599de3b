"""How a selftest gets to the server: sessions of its own, and one that watches while another one writes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self

from pipeline.errors import MistokError
from pipeline.ports import Transport


@dataclass(kw_only=True)
class Doors:
    """How the profile gets to the server: new sessions that are not patient, so that what happens is seen."""

    open: Callable[[], Transport]  #: a new session by the connection's own settings
    variant: Callable[..., Transport | None]  #: the same with other settings; None where there are none of that name
    kind: str  #: type of the connection
    settings: Mapping[str, Any]  #: the connection's own settings, for lines that depend on them


class Watcher:
    """Lists the folder again and again by a session of its own, while another one writes into it."""

    def __init__(self, doors: Doors, folder: str, *, enabled: bool) -> None:
        self.seen: set[tuple[str, int]] = set()  #: (name, size)
        #: name -> when it was first and last seen with no bytes in it, and in how many looks
        self.bare: dict[str, tuple[float, float, int]] = {}
        self._doors, self._folder, self._enabled = doors, folder, enabled
        self._over = threading.Event()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="mistok-selftest-watcher", daemon=True)

    def __enter__(self) -> Self:
        if self._enabled:
            self._thread.start()
            self._ready.wait(20)
        return self

    def __exit__(self, *_exc: object) -> None:
        self._over.set()
        if self._enabled:
            self._thread.join(60)

    def _watch(self) -> None:
        session = self._doors.open()
        try:
            while not self._over.is_set():
                listed, now = session.list(self._folder), time.monotonic()
                self.seen |= {(file.name, file.size) for file in listed}
                for name in (file.name for file in listed if not file.size):
                    first, _, looks = self.bare.get(name, (now, now, 0))
                    self.bare[name] = (first, now, looks + 1)
                self._ready.set()
        except MistokError:
            return  # what was seen until then counts
        finally:
            self._ready.set()
            session.close()
