"""Who may see and do what on the page. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from pipeline.texts import T, Text


class Role(StrEnum):
    """What a user is here for."""

    VIEWER = "viewer"
    ACCOUNTANT = "accountant"
    SUPPORT = "support"
    ADMIN = "admin"


class Right(StrEnum):
    """One thing that a role lets somebody do."""

    SEE = "see"  #: counts, states, jobs, files by name; nobody's name
    PERSONAL = "personal"  #: customers, telephones, files as they came, cards
    RESOLVE = "resolve"  #: answer cards about orders and files
    APPROVE = "approve"  #: let pass what a brake has stopped
    REPLAY = "replay"
    RUN = "run"  #: run jobs now, pause them
    CONFIG = "config"  #: the config, its secrets masked
    AUDIT = "audit"
    BUNDLE = "bundle"  #: make a support bundle
    PCS = "pcs"  #: see, invite and revoke people's PCs
    USERS = "users"  #: see, invite, change and remove users


RIGHTS: Mapping[Role, frozenset[Right]] = {
    Role.VIEWER: frozenset({Right.SEE}),
    Role.ACCOUNTANT: frozenset({Right.SEE, Right.PERSONAL, Right.RESOLVE, Right.APPROVE}),
    Role.SUPPORT: frozenset(Right) - {Right.APPROVE, Right.AUDIT, Right.USERS},
    Role.ADMIN: frozenset(Right),
}
ROLES: Mapping[Role, Text] = {
    Role.VIEWER: T("viewer"),
    Role.ACCOUNTANT: T("accountant"),
    Role.SUPPORT: T("support"),
    Role.ADMIN: T("administrator"),
}


@dataclass(frozen=True, slots=True)
class Person:
    """Whoever asks for a page. ``token``: hash of the session's, empty for one whom the reverse proxy has named."""

    name: str
    role: Role
    address: str
    csrf: str
    token: str = ""

    def may(self, right: Right | str) -> bool:
        """Whether its role lets it."""
        return Right(right) in RIGHTS[self.role]

    @property
    def role_text(self) -> str:
        """The role in words."""
        return str(ROLES[self.role])
