"""What every page needs: the opened client, the settings, who may try to log in, and what is under way."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pipeline.config.model import ClientConfig, WebConfig
from pipeline.engine.runtime import Client
from pipeline.ledger import people
from pipeline.web.access import Person
from pipeline.web.limits import Attempts
from pipeline.web.passwords import Passwords
from pipeline.web.streams import Streams
from pipeline.web.tasks import Tasks

if TYPE_CHECKING:
    from pipeline.web.street import Standings

#: Parts of a support bundle that the command line makes: (name, maker of data), given whether to try the servers.
SupportParts = Callable[[ClientConfig, bool], Sequence[tuple[str, Callable[[], Any]]]]


@dataclass
class Site:
    """One client's page."""

    client: Client
    settings: WebConfig
    passwords: Passwords = field(default_factory=Passwords)
    tasks: Tasks = field(default_factory=Tasks)
    support_parts: SupportParts | None = None
    house: Site | None = None  #: of one of many: the site of those who look after all of them
    standings: Standings | None = None  #: of that site itself: how each client stands
    attempts: Attempts = field(init=False)
    streams: Streams = field(init=False)

    def __post_init__(self) -> None:
        self.attempts = Attempts(self.now)
        self.streams = Streams(self.client)

    def now(self) -> datetime:
        """The time by the client's clock."""
        return self.client.clock.now()

    @property
    def https(self) -> bool:
        """Whether people are known to come by https."""
        return (self.settings.url or "").startswith("https://")

    def record(
        self,
        person: Person,
        act: str,
        subject: str = "",
        *,
        outcome: str = "done",
        data: Mapping[str, Any] | None = None,
    ) -> None:
        """Write an act of a person down."""
        ledger = self.client.ledger
        with ledger.begin() as conn:
            people.record(
                conn,
                ledger.client,
                at=self.now(),
                who=person.name,
                role=str(person.role),
                address=person.address,
                act=act,
                subject=subject,
                outcome=outcome,
                data=data,
            )

    def has_users(self) -> bool:
        """Whether anybody can log in."""
        with self.client.ledger.read() as conn:
            return bool(people.listing(conn, self.client.ledger.client))
