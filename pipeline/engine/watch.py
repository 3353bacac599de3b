"""Watches the folder that a job takes its files from. What it says is a hint; the job's own look at the folder decides.

A folder of this machine is watched by the system's own events, a network share by looking at it again and again. When
the folder is gone, or the system has no watches left, the poll of the schedule goes on alone, and watching comes back
by itself.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import structlog

from pipeline.config.model import ClientConfig, JobConfig
from pipeline.errors import MistokError
from pipeline.flow import InboundSettings
from pipeline.transports import open_transport

if TYPE_CHECKING:
    from watchdog.events import FileSystemEvent
    from watchdog.observers.api import BaseObserver

log = structlog.get_logger("mistok.watch")

#: Seconds between two looks at a network share, where the system tells of no changes made by others.
SHARE_LOOK = 1.0
#: File systems over a network, or shared with a host: events for what others do there do not come.
SHARES = frozenset(
    {
        *("9p", "afpfs", "afs", "autofs", "ceph", "cifs", "coda", "drvfs", "fuse.glusterfs", "fuse.rclone"),
        *("fuse.s3fs", "fuse.sshfs", "fuse.vmhgfs-fuse", "glusterfs", "lustre", "ncpfs", "nfs", "nfs4", "smb"),
        *("smb2", "smb3", "smbfs", "vboxsf", "virtiofs", "webdav"),
    }
)
_NO_WATCHES = (errno.ENOSPC, errno.EMFILE, errno.ENFILE)


class Watch(Protocol):
    """Something that gives hints."""

    def ensure(self) -> None:
        """See that it is watching; called again and again. Never raises."""
        ...

    def stop(self) -> None:
        """Give no more hints."""
        ...


class NoWatch:
    """A remote inbox: the poll of the schedule is all there is."""

    def ensure(self) -> None:
        """Nothing to see to."""

    def stop(self) -> None:
        """Nothing to stop."""


class FolderWatch:
    """Calls ``hint`` (from another thread) when a file appears or changes directly in one of ``folders``."""

    def __init__(self, job: str, folders: list[Path], hint: Callable[[], None]) -> None:
        self._job, self._folders, self._hint = job, folders, hint
        self._watched: dict[Path, tuple[BaseObserver, tuple[int, int]]] = {}
        self._said: dict[Path, str] = {}

    def ensure(self) -> None:
        """Watch every folder that is there, anew where it was replaced or its observer has died."""
        for folder in self._folders:
            identity = _identity(folder)
            known = self._watched.get(folder)
            if known is not None:
                observer, seen = known
                if identity == seen and observer.is_alive() and all(e.is_alive() for e in observer.emitters):
                    continue
                self._forget(folder)
            if identity is None:
                self._say(folder, "folder_missing")
                continue
            self._start(folder, identity)

    def stop(self) -> None:
        """End all observers."""
        for folder in list(self._watched):
            self._forget(folder)

    def _start(self, folder: Path, identity: tuple[int, int]) -> None:
        from watchdog.observers import Observer
        from watchdog.observers.polling import PollingObserver

        if is_share(folder):
            if self._try(PollingObserver(timeout=SHARE_LOOK), folder, identity):
                self._say(folder, "watching_share")
        elif self._try(Observer(), folder, identity):
            self._say(folder, "watching")
        elif self._said.get(folder) == "no_watches_left" and self._try(
            PollingObserver(timeout=SHARE_LOOK), folder, identity
        ):
            log.info("watching_by_looking", job=self._job, folder=str(folder))

    def _try(self, observer: BaseObserver, folder: Path, identity: tuple[int, int]) -> bool:
        from watchdog.events import FileSystemEventHandler

        handler = FileSystemEventHandler()
        handler.on_any_event = self._event  # type: ignore[method-assign] # one listener for all kinds
        try:
            observer.schedule(handler, str(folder), recursive=False)
            observer.start()
        except OSError as error:
            self._say(folder, "no_watches_left" if error.errno in _NO_WATCHES else "cannot_watch", error)
            observer.unschedule_all()
            return False
        self._watched[folder] = (observer, identity)
        self._hint()  # what came before the watch began
        return True

    def _event(self, event: FileSystemEvent) -> None:
        # leaving files and reading them is what we do ourselves; a folder changes with each of its files
        if event.event_type in ("deleted", "opened", "closed_no_write") or event.is_directory:
            return
        self._hint()

    def _forget(self, folder: Path) -> None:
        observer, _ = self._watched.pop(folder)
        observer.stop()
        observer.join(5)

    def _say(self, folder: Path, what: str, error: OSError | None = None) -> None:
        """Once, until it changes."""
        if self._said.get(folder) == what:
            return
        self._said[folder] = what
        extra = {"error": str(error)} if error else {}
        if what.startswith("watching"):
            log.info(what, job=self._job, folder=str(folder))
        else:
            log.warning(what, job=self._job, folder=str(folder), instead="looked at every poll", **extra)


def poll_every(spec: JobConfig) -> timedelta:
    """How often an inbox is looked at, so that a file is taken within one ``poll`` of its being whole.

    Two looks ``stable`` apart are needed, so the first of them comes that much earlier; never more than twice as often
    as the poll that the client asked for.
    """
    params = spec.steps[0].params if spec.steps else None
    stable = params.stable if isinstance(params, InboundSettings) else timedelta(0)
    return max(spec.poll - stable, spec.poll / 2)


def watch_for(config: ClientConfig, job: str, hint: Callable[[], None]) -> Watch:
    """What watches the inboxes of ``job``: the local ones by events, the others not at all."""
    folders = inboxes_of(config, job)
    return FolderWatch(job, folders, hint) if folders else NoWatch()


def inboxes_of(config: ClientConfig, job: str) -> list[Path]:
    """The folders of this machine that ``job`` takes its files from."""
    folders: list[Path] = []
    for step in config.jobs[job].steps:
        if not isinstance(step.params, InboundSettings):
            continue
        spec = config.connections[step.params.inbox]
        transport = open_transport(step.params.inbox, spec.type, spec.params, base=config.base)
        try:
            path = transport.local_path(step.params.folder)
        except MistokError as error:
            log.warning("cannot_watch", job=job, error=error.text.render("en"), instead="looked at every poll")
            path = None
        finally:
            transport.close()
        if path is not None:
            folders.append(path)
    return folders


def is_share(folder: Path) -> bool:
    """Whether ``folder`` lies on a network share (by the kind of its mount); False where that cannot be known."""
    import psutil

    if str(folder).startswith("\\\\"):
        return True
    try:
        real = folder.resolve()
        mounts = psutil.disk_partitions(all=True)
    except OSError:
        return False
    best = max(
        (mount for mount in mounts if real.is_relative_to(mount.mountpoint)),
        key=lambda mount: len(mount.mountpoint),
        default=None,
    )
    return best is not None and (best.fstype.lower() in SHARES or "remote" in best.opts.split(","))


def _identity(folder: Path) -> tuple[int, int] | None:
    try:
        status = folder.stat()
    except OSError:
        return None
    return (status.st_dev, status.st_ino) if folder.is_dir() else None
