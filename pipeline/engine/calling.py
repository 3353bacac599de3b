"""Which server a run waits for: told by the connections' gate, heard by the service that shares places among runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from pipeline.config.model import ClientConfig, ConnectionSpec, JobConfig
from pipeline.errors import ConfigError, MistokError, Transient

#: Told of this process's run: the server, and whether it answered (None: it is being called).
Listener = Callable[[str, bool | None], None]
_listener: list[Listener] = []


def listen(listener: Listener | None) -> None:
    """Have it told of the calls of the run that this process is at; None: of none."""
    _listener[:] = [listener] if listener is not None else []


@contextmanager
def called(server: str) -> Iterator[None]:
    """Around the first words with a server. A refusal is an answer."""
    if not (server and _listener):
        yield
        return
    tell = _listener[0]
    tell(server, None)
    try:
        yield
    except ConfigError:
        tell(server, True)  # nobody was asked at all
        raise
    except MistokError as error:
        tell(server, not isinstance(error, Transient))
        raise
    tell(server, True)


def server_of(spec: ConnectionSpec) -> str:
    """Host and port (or scheme) of a connection's server; "" where it has none, such as a folder or a file."""
    host, port = getattr(spec.params, "host", None), getattr(spec.params, "port", None)
    if isinstance(host, str) and host:
        return f"{host.lower()}:{port or spec.type}"
    url: Any = getattr(spec.params, "url", None)
    if isinstance(url, str):
        try:
            parts = urlsplit(url)
            if parts.hostname:
                return f"{parts.hostname}:{parts.port or parts.scheme.partition('+')[0]}"
        except ValueError:
            pass
    return ""


def servers_of(config: ClientConfig, jobs: Iterable[JobConfig] = (), *, own: bool = False) -> frozenset[str]:
    """The servers that runs of these jobs may call; without any: all jobs that are on.

    ``own``: it has plugins of its own. Whom they call nobody knows: one more, that is nobody else's.
    """
    jobs = [*jobs] or [job for job in config.jobs.values() if job.enabled]
    named = {word for job in jobs for step in job.steps for word in _words(step.params.model_dump())}
    servers = {server_of(spec) for name, spec in config.connections.items() if name in named}
    return frozenset(servers - {""}) | ({f"plugins of {config.client}"} if own else frozenset())


def _words(value: Any) -> Iterator[str]:
    match value:
        case str():
            yield value
        case dict():
            for one in value.values():
                yield from _words(one)
        case list() | tuple() | set() | frozenset():
            for one in value:
                yield from _words(one)
