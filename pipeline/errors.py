"""One tree of errors, grouped by what can be done about them, and the findings that they carry.

An error that a person must act on says what happened (``text``), what to do (``hint``), where (``where``) and who mends
it (``who``). The engine decides by class alone:

========== ==========================================================
ConfigError  stop: the admin mends the YAML
Transient    try again later (network, lock, 5xx, disk full)
Rejected     quarantine the file: it cannot be read without guessing
Held         keep the order and ask a person
InDoubt      the target may or may not have done it: look it up
Changed      the source moved on between look and act
Refused      login, rights or an unverified host: once per back-off
========== ==========================================================
"""

from __future__ import annotations

import errno
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any

from pipeline.texts import T, Text, verbatim


class Who(StrEnum):
    """The person who can mend it."""

    SITE = "site"  #: the shop's developer
    ACCOUNTANT = "accountant"
    ADMIN = "admin"  #: whoever edits the YAML and runs the servers
    US = "us"  #: Mistok's developers


@dataclass(frozen=True, slots=True)
class Where:
    """A place in an input. Lines and columns count from 1; None where not known."""

    file: str | None = None
    line: int | None = None
    column: int | None = None
    element: str | None = None  #: XPath-like path or YAML key path
    order: str | None = None
    order_line: int | None = None

    def to_json(self) -> dict[str, Any]:
        """Only the fields that are known."""
        pairs = ((name, getattr(self, name)) for name in self.__slots__)
        return {name: value for name, value in pairs if value is not None}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong, for the person who mends it.

    ``code`` is stable and machine-readable (``totals``). ``about`` names what it is about for a machine, where a person
    can answer with a mapping: ``sku:AB-1``, ``warehouse:Склад 3`` (kind:code, kinds as in a step's ``mappings``).
    """

    code: str
    text: Text
    where: Where = Where()
    hint: Text | None = None
    who: Who = Who.SITE
    about: str = ""

    def to_json(self) -> dict[str, Any]:
        """A JSON-able form that :meth:`from_json` reads back exactly."""
        data: dict[str, Any] = {"code": self.code, "text": self.text.to_json(), "who": str(self.who)}
        if where := self.where.to_json():
            data["where"] = where
        if self.hint:
            data["hint"] = self.hint.to_json()
        if self.about:
            data["about"] = self.about
        return data

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Finding:
        """The finding that :meth:`to_json` wrote."""
        hint = data.get("hint")
        return cls(
            data["code"],
            Text.from_json(data["text"]),
            Where(**data.get("where", {})),
            Text.from_json(hint) if hint else None,
            Who(data["who"]),
            data.get("about", ""),
        )


class MistokError(Exception):
    """Something went wrong."""

    code = "error"
    who = Who.US
    #: seconds after which another try is worth it, where that is known (a connection that is backing off)
    again_in: float | None = None

    def __init__(
        self,
        text: Text | str | None = None,
        *,
        hint: Text | None = None,
        where: Where | None = None,
        who: Who | None = None,
        code: str | None = None,
        findings: tuple[Finding, ...] = (),
    ) -> None:
        if text is None:
            text = findings[0].text if findings else T("Something went wrong.")
        self.text = verbatim(text) if isinstance(text, str) else text
        self.findings = findings or (Finding(code or self.code, self.text, where or Where(), hint, who or self.who),)
        self.code = self.findings[0].code
        super().__init__(self.text)

    def __str__(self) -> str:
        return str(self.text)

    @property
    def hint(self) -> Text | None:
        """What to do, of the first finding."""
        return self.findings[0].hint


class ConfigError(MistokError):
    """The configuration or the call is wrong; nothing was done."""

    code = "config"
    who = Who.ADMIN


class Transient(MistokError):
    """It did not work now and may work later. ``retry_after``: the other side itself said when (Retry-After)."""

    code = "transient"
    who = Who.ADMIN

    def __init__(
        self,
        text: Text | str | None = None,
        *,
        hint: Text | None = None,
        where: Where | None = None,
        who: Who | None = None,
        code: str | None = None,
        findings: tuple[Finding, ...] = (),
        retry_after: timedelta | None = None,
    ) -> None:
        super().__init__(text, hint=hint, where=where, who=who, code=code, findings=findings)
        self.retry_after = max(retry_after, timedelta(0)) if retry_after is not None else None
        if self.retry_after is not None:
            self.again_in = self.retry_after.total_seconds()


class Rejected(MistokError):
    """The file cannot be accepted: quarantine it."""

    code = "rejected"
    who = Who.SITE


class Held(MistokError):
    """The order waits for a person."""

    code = "held"
    who = Who.ACCOUNTANT


class InDoubt(MistokError):
    """The target may have done it: look up before anything else."""

    code = "in-doubt"
    who = Who.ACCOUNTANT


class Changed(MistokError):
    """The remote file is no longer the one that was read."""

    code = "changed"
    who = Who.SITE


class Refused(MistokError):
    """The server refuses: login, rights, or a host that is not the one we trust."""

    code = "refused"
    who = Who.ADMIN


class BackingOff(Refused):
    """Nothing was tried: the server refused or did not answer before, and is left alone until a time."""

    code = "backing-off"


class FolderMissing(Refused):
    """The remote folder does not exist."""

    code = "folder-missing"


class HostKeyRefused(Refused):
    """The server's host key or certificate is unknown or has changed. ``seen`` and ``pinned`` are fingerprints."""

    code = "host-key"

    def __init__(self, text: Text, *, seen: str, pinned: str | None, hint: Text | None = None) -> None:
        super().__init__(text, hint=hint)
        self.seen = seen
        self.pinned = pinned


#: What systems say most, in the reader's language; the rest is told in the system's own words.
_SYSTEM: Mapping[int, Text] = {
    errno.ENOENT: T("there is no such file or folder"),
    errno.EACCES: T("access is denied"),
    errno.EPERM: T("this is not permitted"),
    errno.EEXIST: T("it is there already"),
    errno.ENOTDIR: T("it is not a folder"),
    errno.EISDIR: T("it is a folder"),
    errno.ENOTEMPTY: T("the folder is not empty"),
    errno.ENOSPC: T("the disk is full"),
    errno.EROFS: T("the disk is read-only"),
    errno.EBUSY: T("it is in use"),
    errno.EIO: T("the disk or device failed"),
    errno.ENAMETOOLONG: T("the name is too long"),
    errno.ECONNREFUSED: T("nothing answers there (connection refused)"),
    errno.ECONNRESET: T("the other side broke off"),
    errno.ECONNABORTED: T("the connection was broken off"),
    errno.EPIPE: T("the other side broke off"),
    errno.ETIMEDOUT: T("no answer in time"),
    errno.EHOSTUNREACH: T("the machine cannot be reached"),
    errno.ENETUNREACH: T("the network cannot be reached"),
}


def system_words(error: BaseException) -> Text:
    """What the operating system or a library says of a failure, for the ``{words}`` of a text."""
    if isinstance(error, OSError):
        # the numbers of look-ups of names (socket.gaierror) are others of their own
        known = None if type(error).__name__ == "gaierror" else _SYSTEM.get(error.errno or 0)
        if known is not None:
            return known
        if error.strerror:
            return verbatim(error.strerror)
    return verbatim(str(error) or type(error).__name__)
