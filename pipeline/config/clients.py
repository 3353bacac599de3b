"""The clients of one folder: which folders have a config, and what each of them is, read apart from all others.

A folder is one client when it has a ``config.yaml``; else each of its direct subfolders that has one is a client. What
is wrong with one is told of that one: the others are read all the same. Secrets that a config takes from the
environment may stand in a ``service.env`` beside it; they are that client's alone.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.config.load import FILE_NAME, files_of, load_config
from pipeline.config.model import ClientConfig
from pipeline.errors import ConfigError, Finding, Where, Who, system_words
from pipeline.registry import Registry
from pipeline.texts import T

#: File in a client's folder with NAME=value lines, for secrets that its config takes from the environment.
ENVIRONMENT = "service.env"
TWIN = "client-twin"  #: code of the finding of two folders that are one client, or share a ledger file
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_MOST = 200_000
Stamp = tuple[tuple[str, int, int], ...]


@dataclass(frozen=True, slots=True)
class Found:
    """One client's folder and what was read there: its config, or what is wrong with it.

    ``own``: what its ``service.env`` sets, for its own processes and nobody else's.
    """

    folder: Path
    config: ClientConfig | None = None
    findings: tuple[Finding, ...] = ()
    own: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def source(self) -> Path:
        """Its config file."""
        return self.folder / FILE_NAME

    @property
    def name(self) -> str:
        """The client's name; the folder's, where the config does not tell it."""
        return self.config.client if self.config is not None else self.folder.name

    def environ(self, base: Mapping[str, str] | None = None) -> dict[str, str]:
        """The environment of its processes: ``base`` (this process's own by default) and what is its own."""
        return {**(os.environ if base is None else base), **self.own}


def is_folder_of_clients(folder: Path) -> bool:
    """Whether ``folder`` is no client itself, and has one in a subfolder."""
    return not (folder / FILE_NAME).is_file() and bool(_below(folder))


def client_folders(folder: Path) -> tuple[Path, ...]:
    """The folders of the clients in ``folder``, by name: itself, or its direct subfolders with a ``config.yaml``.

    Raises ConfigError when there is none, or when the folder cannot be read.
    """
    folder = folder.resolve()
    if (folder / FILE_NAME).is_file():
        return (folder,)
    found = _below(folder)
    if not found:
        raise ConfigError(
            T("There is no client in {folder}.", folder=str(folder)),
            hint=T("Each client is a folder of its own there, with a config.yaml: mistok init makes one."),
        )
    return found


def _below(folder: Path) -> tuple[Path, ...]:
    try:
        inside = sorted(folder.resolve().iterdir())
    except OSError as error:
        raise ConfigError(
            T("{path} cannot be read: {words}", path=str(folder), words=system_words(error)),
        ) from error
    # one that may not be looked into, such as lost+found of a disk, is none
    return tuple(one for one in inside if not one.name.startswith(".") and os.path.isfile(one / FILE_NAME))  # noqa: PTH113


def read_client(folder: Path, *, environ: Mapping[str, str] | None = None, registry: Registry | None = None) -> Found:
    """What is in one client's folder. Never raises for what is wrong there: that is in ``findings``.

    Its own plugins are loaded into this process; a service reads a client that has some in a process of its own.
    ``registry``: what may be named (all that are installed, and the client's own, by default).
    """
    found = Found(folder)
    try:
        found = Found(folder, own=own_environment(folder))
        return Found(
            folder, load_config(found.source, environ=found.environ(environ), registry=registry), own=found.own
        )
    except ConfigError as error:
        return Found(folder, None, error.findings, found.own)


def read_clients(
    folder: Path,
    *,
    environ: Mapping[str, str] | None = None,
    served: Callable[[Found], bool] | None = None,
    read: Callable[[tuple[Path, ...]], Iterable[Found]] | None = None,
) -> tuple[Found, ...]:
    """Every client in ``folder``; of twins each has an error that names both, and no config.

    ``served``: tells whether a client is at work now, which is asked only where there are twins. ``read``: reads the
    clients of these folders (each here, with its own plugins, by default). Raises ConfigError when there is none at
    all.
    """
    folders = client_folders(folder)
    clients = tuple(read(folders) if read else (read_client(one, environ=environ) for one in folders))
    single = without_twins(clients)
    twins = {one.folder for one in single if any(finding.code == TWIN for finding in one.findings)}
    if served is None or not twins:
        return single
    return without_twins(clients, {one.folder for one in clients if one.folder in twins and served(one)})


def without_twins(clients: Iterable[Found], at_work: Collection[Path] = ()) -> tuple[Found, ...]:
    """The same, with an error for each that is the same client as another one, or keeps its state in the same file.

    A ledger on a server is for many clients; one file for two would let one of them hold up the other. Of two, one of
    which is served already (its folder is in ``at_work``), the other alone is wrong: a folder that somebody copies
    stops nobody's work.
    """
    clients = tuple(clients)
    twins: dict[Path, Finding] = {}
    names: dict[str, Found] = {}
    files: dict[Path, Found] = {}
    for one in clients:
        if one.config is None:
            continue
        # file systems of Windows and macOS do not tell letters apart by their case, and people do not either
        first = names.setdefault(one.config.client.casefold(), one)
        for this, other in _wrong(one, first, at_work):
            twins.setdefault(this.folder, same_name(this, other))
        file = ledger_file(one.config)
        first = files.setdefault(file, one) if file is not None else one
        for this, other in _wrong(one, first, at_work):
            twins.setdefault(this.folder, _same_ledger(this, other))
    return tuple(
        Found(one.folder, None, (*one.findings, twins[one.folder]), one.own) if one.folder in twins else one
        for one in clients
    )


def _wrong(one: Found, first: Found, at_work: Collection[Path]) -> Iterator[tuple[Found, Found]]:
    """Who of the two is not to be served, with the other; nobody when they are the same."""
    if one is not first:
        for this, other in ((one, first), (first, one)):
            if this.folder not in at_work or other.folder in at_work:
                yield this, other


def ledger_file(config: ClientConfig) -> Path | None:
    """The file that the client's ledger is; None on a database server."""
    prefix = "sqlite:///"
    url = config.ledger.url
    return (config.base / url.removeprefix(prefix)).resolve() if url.startswith(prefix) else None


def same_name(this: Found, other: Found) -> Finding:
    """What is said of a client whose name another one has."""
    return Finding(
        TWIN,
        T("Client {client} is here twice: in {this} and in {other}.", client=this.name, this=str(this.source),
          other=str(other.source)),
        Where(file=str(this.source)),
        T("Each client has a name of its own: change `client` in one of them, before it has run."),
        Who.ADMIN,
    )  # fmt: skip


def _same_ledger(this: Found, other: Found) -> Finding:
    return Finding(
        TWIN,
        T("{this} and {other} have one and the same ledger file.", this=str(this.source), other=str(other.source)),
        Where(file=str(this.source)),
        T("Give each client a file of its own: set another `url` of `ledger` in one of them."),
        Who.ADMIN,
    )


def own_environment(folder: Path) -> dict[str, str]:
    """What the ``service.env`` of a client's folder sets; nothing when there is none.

    Lines are ``NAME=value``, as systemd reads them (systemd.exec(5), EnvironmentFile): blank lines and those that begin
    with ``#`` or ``;`` are comments, quotes around a value are taken away. Raises ConfigError with file and line.
    """
    path = folder / ENVIRONMENT
    try:
        with path.open(encoding="utf-8-sig") as source:
            text = source.read(_MOST)
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        words = system_words(error) if isinstance(error, OSError) else "UTF-8"
        raise ConfigError(
            T("{path} cannot be read: {words}", path=str(path), words=words), where=Where(file=str(path))
        ) from error
    found: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.strip()[0] in "#;":
            continue
        name, equals, value = line.partition("=")
        name, value = name.strip(), value.strip()
        if not equals or not _NAME.fullmatch(name) or "\0" in value:
            raise ConfigError(  # the line itself may be a secret
                T("This line is not NAME=value."),
                where=Where(file=str(path), line=number),
                hint=T("A name is of Latin letters, digits and _; a comment begins with #."),
            )
        if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'":
            value = value[1:-1]
        found[name] = value
    return found


@dataclass(frozen=True, slots=True)
class Changes:
    """What is different in a folder of clients: folders that came, went, or whose files were edited."""

    added: tuple[Path, ...] = ()
    gone: tuple[Path, ...] = ()
    edited: tuple[Path, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.added or self.gone or self.edited)


class Roster:
    """Notices what changes in a folder of clients. Looks only when asked, blocks for nothing and raises nothing.

    ``edits`` False: only which folders there are is looked at.
    """

    def __init__(self, folder: Path, *, edits: bool = True) -> None:
        self._folder, self._edits = folder.resolve(), edits
        self._files: dict[Path, tuple[Path, ...]] = {}
        self._known: dict[Path, Stamp] = {}
        self._seen: dict[Path, Stamp] = {}
        for one in self._folders():
            self._known[one] = self._seen[one] = self._take(one)

    @property
    def folders(self) -> tuple[Path, ...]:
        """The folders as last seen."""
        return tuple(self._known)

    def look(self) -> Changes:
        """What changed since the last look. An edit counts when two looks see the same: it may still be being saved."""
        there = dict.fromkeys(self._folders())
        gone = tuple(one for one in self._known if one not in there)
        for one in gone:
            del self._known[one], self._seen[one], self._files[one]
        added = tuple(one for one in there if one not in self._known)
        for one in added:
            self._known[one] = self._seen[one] = self._take(one)
        edited = []
        for one in self._known if self._edits else ():
            stamp = stamp_of(self._files[one])
            if stamp != self._seen[one]:
                self._seen[one] = stamp
            elif stamp != self._known[one]:
                self._known[one] = self._seen[one] = self._take(one)
                edited.append(one)
        return Changes(added, gone, tuple(edited))

    def _folders(self) -> tuple[Path, ...]:
        try:
            return client_folders(self._folder)
        except ConfigError:
            return ()

    def _take(self, folder: Path) -> Stamp:
        self._files[folder] = (*files_of(folder / FILE_NAME), folder / ENVIRONMENT) if self._edits else ()
        return stamp_of(self._files[folder])


def stamp_of(files: Iterable[Path]) -> Stamp:
    """How these files stand: name, time of change (nanoseconds) and size of each; -1 for one that is not there."""
    found = []
    for path in files:
        try:
            status = path.stat()
        except OSError:
            found.append((str(path), -1, -1))
        else:
            found.append((str(path), status.st_mtime_ns, status.st_size))
    return tuple(found)
