"""The clients of a house (:mod:`pipeline.engine.house`), as it keeps them."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from pathlib import Path

from pipeline.config.clients import ENVIRONMENT, Found, Stamp, stamp_of
from pipeline.config.load import FILE_NAME, files_of
from pipeline.engine.clientread import Read, Reading
from pipeline.engine.nursery import ClientPool
from pipeline.engine.runtime import Client
from pipeline.engine.supervisor import Supervisor
from pipeline.engine.waking import Waker
from pipeline.errors import Finding

#: A client that could not be opened, or whose part failed, is tried again after so long: at first, and at most.
FIRST_AGAIN, LAST_AGAIN = 5.0, 300.0


@dataclass(eq=False)
class Member:
    """One client of the house. ``supervisor`` None: it is not at work now; ``findings`` and the log say why."""

    folder: Path
    read: Read | None = None
    as_read: Found | None = None  #: what its folder says, also when it is not served for what another one says
    reading: Reading | None = None
    client: Client | None = None
    supervisor: Supervisor | None = None
    pool: ClientPool | None = None
    findings: tuple[Finding, ...] = ()
    stamp: Stamp = ()  #: of the files of a config that is wrong
    again_at: float = 0.0
    again_in: float = FIRST_AGAIN
    next: float = float("inf")  #: when its next turn is
    waits: bool = False  #: to be read apart, behind others
    going: bool = False  #: its folder is gone
    failed: float | None = None  #: when its part failed last
    reference: str = ""  #: of what nobody thought of, as the log has it

    @property
    def name(self) -> str:
        """The client's name; the folder's, where that is not known."""
        return self.read.found.name if self.read is not None else self.folder.name


class Hint(Waker):
    """Wakes the house's loop for one client."""

    def __init__(self, shared: Waker, hinted: deque[Member], member: Member) -> None:
        self._shared, self._hinted, self._member = shared, hinted, member

    def wake(self) -> None:
        """Safe from threads and signal handlers."""
        self._hinted.append(self._member)
        self._shared.wake()


def is_gone(member: Member) -> bool:
    """Whether its folder, with the ledger in it most likely, was taken away while it was served."""
    return not (member.folder / FILE_NAME).is_file()


def stamp(folder: Path) -> Stamp:
    """Of the files of a client's config, and of its environment."""
    return stamp_of((*files_of(folder / FILE_NAME), folder / ENVIRONMENT))
