"""The log: lines on the console for people, JSON in a rotating file for machines, secrets masked in both."""

from __future__ import annotations

import logging
import sys
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping, MutableMapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from pipeline.config.masking import mask, mask_any
from pipeline.config.model import ClientConfig, LogConfig
from pipeline.lightlog import structlog
from pipeline.logfile import LogFile

Processor = Callable[
    [Any, str, MutableMapping[str, Any]], Mapping[str, Any] | str | bytes | bytearray | tuple[Any, ...]
]


def configure(
    *,
    level: str = "info",
    file: Path | None = None,
    max_size: int = 10_000_000,
    keep: int = 10,
    keep_days: int = 30,
    secrets: Collection[str] = (),
    console: bool = True,
    secrets_of: Callable[[Mapping[str, Any]], Collection[str]] | None = None,
) -> None:
    """Set the log up for this process. Safe to call again (the last call holds).

    ``secrets_of``: what is masked in a line, where that is not the same in all of them.
    """
    known = frozenset(secrets)
    shared = structlog_chain(secrets_of or (lambda _event: known))
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.PositionalArgumentsFormatter(),
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    root = logging.getLogger()
    for handler in list(root.handlers):
        if getattr(handler, "mistok", False):
            root.removeHandler(handler)
            handler.close()
    root.setLevel(level.upper())
    for noisy in ("paramiko", "desktop_notifier", "asyncio", "alembic", "watchdog", "httpx", "httpcore"):
        logging.getLogger(noisy).setLevel(logging.WARNING if noisy != "paramiko" else logging.CRITICAL)
    if console:
        _add(
            root,
            logging.StreamHandler(sys.stderr),
            structlog.stdlib.ProcessorFormatter(
                foreign_pre_chain=shared,
                processors=[
                    structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                    structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty()),
                ],
            ),
        )
    if file is None and not console:  # else Python itself prints what goes nowhere, as it is inside
        _add(root, logging.NullHandler(), logging.Formatter())
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
        _add(
            root,
            LogFile(file, max_size=max_size, keep=keep, keep_days=keep_days),
            _json(shared),
        )


def structlog_chain(secrets_of: Callable[[Mapping[str, Any]], Collection[str]]) -> list[Processor]:
    """What is done with every line before it is written."""
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _masker(secrets_of),
    ]


def _json(chain: list[Processor]) -> logging.Formatter:
    """Lines as JSON."""
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=chain,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
    )


def for_client(config: ClientConfig, *, console: bool) -> None:
    """Set the log up as the client's config says."""
    configure(
        level=config.log.level,
        file=config.path(config.log.file) if config.log.file else None,
        max_size=config.log.max_size,
        keep=config.log.keep,
        keep_days=config.log.keep_days,
        secrets=config.secrets,
        console=console,
    )


def for_many(settings: LogConfig, folder: Path) -> None:
    """Set the log up for a service of many clients: all lines on the screen and in its own file, each with its client's
    name, and each client's lines in that client's file as soon as :func:`add_client` was called."""
    files = ClientFiles()
    configure(
        level=settings.level,
        file=folder / settings.file if settings.file else None,
        max_size=settings.max_size,
        keep=settings.keep,
        keep_days=settings.keep_days,
        console=True,
        secrets_of=files.secrets_of,
    )
    _add(logging.getLogger(), files, _json(structlog_chain(files.secrets_of)))


def add_client(config: ClientConfig) -> None:
    """From now on this client's lines go to its own log, too, and its secrets are masked in them."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler, ClientFiles):
            handler.add(config)


class ClientFiles(logging.Handler):
    """Writes the lines of each client into its own file. A file is open only while it is among the last few used."""

    OPEN = 32

    def __init__(self) -> None:
        super().__init__()
        self._clients: dict[str, ClientConfig] = {}
        self._files: OrderedDict[str, LogFile] = OrderedDict()

    def add(self, config: ClientConfig) -> None:
        """A client of this service."""
        with self.lock or nullcontext():
            self._clients[config.client] = config
            if (before := self._files.pop(config.client, None)) is not None:
                before.close()

    def secrets_of(self, event: Mapping[str, Any]) -> frozenset[str]:
        """What is masked in a line."""
        config = self._clients.get(str(event.get("client", "")))
        return config.secrets if config is not None else frozenset()

    def emit(self, record: logging.LogRecord) -> None:
        """A line of the client whose name is in it."""
        name = record.msg.get("client") if isinstance(record.msg, dict) else None
        config = self._clients.get(str(name))
        if config is None or config.log.file is None:
            return
        client = config.client
        file = self._files.get(client)
        if file is None:
            log = config.log
            path = config.path(config.log.file)
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
            except OSError:
                return  # a log must not stop the work that it tells of
            file = LogFile(path, max_size=log.max_size, keep=log.keep, keep_days=log.keep_days)
            file.setFormatter(self.formatter)
            self._files[client] = file
        self._files.move_to_end(client)
        file.emit(record)
        while len(self._files) > self.OPEN:
            self._files.popitem(last=False)[1].close()

    def close(self) -> None:
        """Close every file."""
        for file in self._files.values():
            file.close()
        self._files.clear()
        super().close()


def where() -> Path | None:
    """The file that the log goes to now."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler, logging.FileHandler) and getattr(handler, "mistok", False):
            return Path(handler.baseFilename)
    return None


def _add(root: logging.Logger, handler: logging.Handler, formatter: logging.Formatter) -> None:
    handler.setFormatter(formatter)
    handler.mistok = True  # type: ignore[attr-defined] # our own mark, to find it again
    root.addHandler(handler)


def _masker(secrets_of: Callable[[Mapping[str, Any]], Collection[str]]) -> Processor:
    def hide(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:
        secrets = frozenset(secrets_of(event))
        return {key: _hide(value, secrets) for key, value in event.items()} if secrets else event

    return hide


def _hide(value: Any, secrets: frozenset[str]) -> Any:
    if isinstance(value, (str, dict, list, tuple)):
        return mask_any(value, secrets)
    if value is None or isinstance(value, (int, float)):
        return value
    shown = str(value)
    hidden = mask(shown, secrets)
    return value if hidden == shown else hidden
