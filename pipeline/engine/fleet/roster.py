"""The clients that one worker has, and whether the workers beside it have the same ones.

Machines that share a client must share its ledger and its archive. That cannot be seen from one machine, so each worker
tells the others what it has; of two that do not fit the one that came later leaves the client alone. Who that is, is
settled in the queue's database before the first run.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import structlog

from pipeline.archive import Archive
from pipeline.config.clients import Found, Roster, ledger_file, without_twins
from pipeline.config.model import ClientConfig
from pipeline.engine import retention
from pipeline.engine.clientread import NOT_CHECKED, Read, Readings
from pipeline.engine.configwatch import AGAIN
from pipeline.engine.fleet.steps import Load, load_of
from pipeline.engine.sidebyside import Beside
from pipeline.errors import Finding, MistokError, Who
from pipeline.texts import T

log = structlog.get_logger("mistok.worker")

APART = "clients-apart"  #: code of the finding of a client that lies on two machines without being shared
VERSIONS = "clients-versions"  #: code of the finding of a client whose config is another one elsewhere


#: Seconds that the archives of all clients are waited for, by who has no less time: a folder may be a share that hangs.
PATIENCE = 60.0
#: Of so many clients all is looked at whenever it is asked for; nothing is done more seldom than that (seconds).
FEW, LONGEST_PACE = 100, 60.0


@dataclass(frozen=True, slots=True)
class Member:
    """One client of this worker: its config, without what only its own plugins can read, and all of it as it is sent.

    ``tells``: it has a channel to people; ``escalates``: somebody is to be told elsewhere of what nobody has clicked.
    """

    config: ClientConfig
    load: Load
    tells: bool = False
    escalates: bool = False

    @property
    def cares(self) -> tuple[str, ...]:
        """What it wants besides its runs and its notices (see :mod:`pipeline.engine.fleet.care`)."""
        wanted = {"care": True, "escalate": self.escalates, "tidy": retention.wanted(self.config.archive)}
        return tuple(why for why, is_wanted in wanted.items() if is_wanted)

    def said(self, *, name_archive: bool = False) -> dict[str, str]:
        """What other workers are told of it. ``name_archive``: an archive that has kept no file yet, and may be another
        machine's as well, gets its name now, so that two that are not one are known before a file is in either.
        """
        file = ledger_file(self.config)
        archive: str | None = ""
        with suppress(MistokError, OSError):  # its runs tell of it
            archive = Archive(self.config.path(self.config.archive.path)).identity(make=name_archive and not file)
        return {
            "config": self.config.config_hash[:16],
            "ledger": f"{platform.node()}:{file}" if file else "",
            "archive": archive or "",
        }


@dataclass(frozen=True, slots=True)
class Other:
    """Another worker that is alive: since when (ISO, UTC), where, and what it has."""

    owner: str
    since: str
    host: str
    clients: Mapping[str, Mapping[str, str]]


class Pace:
    """How often something is done that takes the longer the more clients there are: for a twentieth of the time."""

    def __init__(self) -> None:
        self._next = float("-inf")
        self._begun = 0.0

    def due(self) -> bool:
        """Whether it is time."""
        return time.monotonic() >= self._next

    def __enter__(self) -> None:
        self._begun = time.monotonic()

    def __exit__(self, *_: object) -> None:
        now = time.monotonic()
        self._next = now + min((now - self._begun) * 20, LONGEST_PACE)


class Clients:
    """The clients in ``folder`` whose names fit one of ``only`` (patterns such as ``a*``; none: all).

    One that has plugins of its own is read apart and joins the others when that is through: see :meth:`wait`. ``how``
    gives the context of ``multiprocessing`` for that (that of a worker's step processes by default).
    """

    def __init__(self, folder: Path, only: Sequence[str] = (), how: Callable[[], Any] | None = None) -> None:
        self.folder, self.only = folder, tuple(only)
        self._roster = Roster(folder)
        self._read: dict[Path, Read] = {}
        self._readings = Readings(how or _as_steps)
        self._again: dict[Path, float] = {}  #: when to read again what could not be read to the end
        self.members: dict[str, Member] = {}
        self.secrets: frozenset[str] = frozenset()  #: of all that are or were here
        self.broken: tuple[Found, ...] = ()
        self.findings: dict[str, Finding] = {}  #: what does not fit with other workers, by client
        self.left_alone: frozenset[str] = frozenset()
        #: those that no other worker has otherwise, as it was settled; None: nobody else is asked
        self.settled: frozenset[str] | None = None
        self.serving: frozenset[str] = frozenset()  #: clients on whom a ``mistok serve`` is at work
        self._said: dict[str, dict[str, str]] = {}
        self._told: dict[str, Member] | None = None  #: the members when that was found out
        self._beside = Beside[tuple[Member, dict[str, str]]]()
        self._found: dict[str, tuple[Member, dict[str, str]]] = {}  #: what each is, as it was last seen
        self._silent: frozenset[str] = frozenset()  #: those that were never seen, since their archive hangs
        self._pace, self._looking = Pace(), Pace()
        self._take(self._readings.begin(self._roster.folders))
        self._sort()

    def wait(self, *, for_all: bool) -> None:
        """Wait until there is a client that can be worked on, or ``for_all`` that are there. Nothing is logged."""
        while (for_all or not self.members) and (through := self._readings.wait()):
            self._take(through)
            self._sort()

    def close(self) -> None:
        """Read no more; no process is left."""
        self._readings.close()

    @property
    def wanted(self) -> dict[str, Member]:
        """The clients whose runs this worker would take."""
        away = self.left_alone | self.serving
        return {name: one for name, one in self.members.items() if name not in away}

    @property
    def served(self) -> dict[str, Member]:
        """The clients whose runs this worker takes."""
        if self.settled is None:
            return self.wanted
        return {name: one for name, one in self.wanted.items() if name in self.settled}

    def said(self, seconds: float = PATIENCE) -> Mapping[str, Mapping[str, str]]:
        """What other workers are told of the clients that are wanted. The same object as before where nothing changed;
        the archives are looked at as often as that takes little of the time.

        One whose archive gives no answer in so many ``seconds`` is told of as it was before, or not at all (and so it
        is not worked on) where it was not seen yet: it holds up no other.
        """
        members, wanted = self.members, self.wanted
        known = (self._said.keys() | self._silent) == wanted.keys() and self._told is members
        if not known or len(wanted) <= FEW or self._pace.due():
            with self._pace:
                self._find_out(wanted, seconds, name_archives=True)
            self._told = members
        found = {name: self._found[name][1] for name in wanted if self._is_found(name)}
        self._tell_of_silent(self._beside.hanging & (wanted.keys() - found.keys()))
        if found != self._said:
            self._said = found
        return self._said

    def _find_out(self, members: Mapping[str, Member], seconds: float, *, name_archives: bool = False) -> None:
        def asking(member: Member) -> Callable[[], tuple[Member, dict[str, str]]]:
            return lambda: (member, member.said(name_archive=name_archives))

        self._found |= self._beside.ask({name: asking(one) for name, one in members.items()}, seconds)
        self._found = {name: one for name, one in self._found.items() if name in self.members}

    def _is_found(self, name: str) -> bool:
        return name in self._found and self._found[name][0] is self.members.get(name)

    def _tell_of_silent(self, silent: frozenset[str]) -> None:
        for name in sorted(silent - self._silent):
            log.error("archive_silent", client=name, why="no answer: it is not worked on until there is one")
        for name in sorted(self._silent - silent):
            log.info("archive_back", client=name)
        self._silent = silent

    def look(self) -> bool:
        """Whether something changed: folders that came or went, configs that were edited. A wrong edit changes nothing
        but is told; the config before it works on. Waits for none that is read apart: that is seen by a later look.
        """
        gone: tuple[Path, ...] = ()
        through: list[Read] = []
        if len(self._roster.folders) <= FEW or self._looking.due():
            with self._looking:
                changes = self._roster.look()
            gone, anew = changes.gone, (*changes.added, *changes.edited)
            for folder in gone:
                known = self._read.get(folder)
                log.warning("client_gone", client=known.found.name if known else folder.name, folder=str(folder))
            for folder in changes.added:
                log.info("client_added", client=folder.name, folder=str(folder))
            for folder in gone:
                self._read.pop(folder, None)
                self._readings.drop(folder)
            now = time.monotonic()
            overdue = [one for one, moment in self._again.items() if moment <= now and one not in gone]
            for folder in (*gone, *anew, *overdue):
                self._again.pop(folder, None)
            through += self._readings.begin(dict.fromkeys((*anew, *overdue)))
        through += self._readings.ready()
        if not gone and not through:
            return False
        self._take(through)
        told = {(one.folder, one.findings) for one in self.broken}
        self._sort()
        for one in self.broken:
            if (one.folder, one.findings) not in told:
                for finding in one.findings[:1]:
                    log.error("config_wrong", client=one.name, error=finding.text.render("en"), instead="not run")
        return True

    def leave_to_serve(self, serving: frozenset[str]) -> None:
        """Leave clients alone whose jobs a ``mistok serve`` runs, for as long as it does."""
        for name in sorted(serving - self.serving):
            log.error("served_already", client=name, why="mistok serve is at work on it: stop that one")
        for name in sorted(self.serving - serving):
            log.info("served_no_more", client=name)
        self.serving = serving

    def _take(self, through: Iterable[Read]) -> None:
        for read in through:
            new, old = read.found, self._read.get(read.found.folder)
            self._again.pop(new.folder, None)
            if any(finding.code == NOT_CHECKED for finding in new.findings):
                self._again[new.folder] = time.monotonic() + AGAIN
            if new.config is None and old is not None and old.found.config is not None:
                for finding in new.findings[:1]:
                    name = old.found.name
                    log.error("config_wrong", client=name, error=finding.text.render("en"), instead="the old one")
                continue
            self._read[new.folder] = read

    def _sort(self) -> None:
        members: dict[str, Member] = {}
        broken: list[Found] = []
        at_work = {one.config.base for one in self.members.values()}
        read = [self._read[folder] for folder in self._roster.folders if folder in self._read]
        for one in without_twins([one.found for one in read], at_work):
            if self.only and not any(fnmatchcase(one.name, pattern) for pattern in self.only):
                continue
            if one.config is None:
                broken.append(one)
                continue
            known, its = self.members.get(one.name), self._read[one.folder]
            assert its.payload is not None  # it has a config
            load = load_of(one.config, one.own, its.payload[:2])
            if known is not None and known.load == load:
                members[one.name] = known
                continue
            tells = bool(one.config.alerts.channels) or its.tells_itself
            members[one.name] = Member(one.config, load, tells, its.escalates)
        self.members, self.broken = members, tuple(broken)
        self.secrets = self.secrets.union(*(one.load.secrets for one in members.values()))

    def settle(self, others: Sequence[Other], said: Mapping[str, Mapping[str, str]]) -> frozenset[str]:
        """Of those that this worker is to have from now on (``said``), the ones that another one has otherwise: they
        are that one's, whoever has begun first. What was settled before stays so: see :meth:`compare`.
        """
        before = self.settled or frozenset()
        new = said.keys() - before
        refused = frozenset(
            name
            for other in others
            for name in new & other.clients.keys()
            if not _fits(said[name], other.clients[name])
        )
        self.settled = frozenset(said) - refused
        return refused

    def compare(
        self,
        others: Sequence[Other],
        since: str,
        owner: str,
        said: Mapping[str, Mapping[str, str]] | None = None,
        seconds: float = PATIENCE,
    ) -> None:
        """See what does not fit with other workers, and leave alone what this one came too late for. ``said``: what
        is known of the own clients; what is not there is found out, as far as it answers in so many ``seconds``.
        """
        known: dict[str, Mapping[str, str]] = dict(said or {})
        unknown = {name for other in others for name in other.clients} - known.keys()
        if missing := {name: self.members[name] for name in unknown & self.members.keys()}:
            self._find_out(missing, seconds)
            known |= {name: self._found[name][1] for name in missing if self._is_found(name)}
        findings: dict[str, Finding] = {}
        left: set[str] = set()
        for other in others:
            for name, theirs in other.clients.items():
                mine = known.get(name) if name in self.members else None
                if mine is None:
                    continue
                if not _fits(mine, theirs):
                    findings[name] = _apart(name, other)
                    unsettled = self.settled is not None and name not in self.settled
                    if unsettled or (other.since, other.owner) < (since, owner):
                        left.add(name)
                elif mine["config"] != theirs.get("config"):
                    findings.setdefault(name, _versions(name, other))
        for name, finding in findings.items():
            if self.findings.get(name) != finding:
                log.error(finding.code, client=name, error=finding.text.render("en"))
        self.findings, self.left_alone = findings, frozenset(left)


def _as_steps() -> Any:
    from pipeline.engine.fleet.room import LOADED
    from pipeline.engine.nursery import Nursery

    return Nursery(LOADED).how


def _fits(mine: Mapping[str, str], theirs: Mapping[str, str]) -> bool:
    if mine["ledger"] != theirs.get("ledger", ""):
        return False
    # one without a name could not be read or written, or is of an older worker and has kept no file yet
    archives = {mine["archive"], theirs.get("archive", "")} - {""}
    return len(archives) < 2


def _apart(name: str, other: Other) -> Finding:
    return Finding(
        APART,
        T("Client {client} is on {host}, too, with another ledger or archive.", client=name, host=other.host),
        hint=T(
            "Workers on several machines need the ledger on PostgreSQL and one archive folder for all (a share). Or "
            "let one machine alone have the client: mistok worker --only."
        ),
        who=Who.ADMIN,
    )


def told_by(hosts: Sequence[str], name: str, code: str) -> Finding:
    """What workers of these machines say of a client, for people: ``code`` is that of what each of them found."""
    where = ", ".join(sorted(set(hosts)))
    if code == VERSIONS:
        words = T("Client {client} has not the same config everywhere: so say workers of {hosts}.",
                  client=name, hosts=where)  # fmt: skip
        return replace(_versions(name, Other("", "", "", {})), text=words)
    words = T("Client {client} has not the same ledger and archive everywhere: so say workers of {hosts}.",
              client=name, hosts=where)  # fmt: skip
    return replace(_apart(name, Other("", "", "", {})), text=words, code=code)


def _versions(name: str, other: Other) -> Finding:
    return Finding(
        VERSIONS,
        T("Client {client} has another config on {host}.", client=name, host=other.host),
        hint=T("Bring the client's folder to the same state on all machines."),
        who=Who.ADMIN,
    )
