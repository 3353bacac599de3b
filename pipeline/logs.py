"""The log: lines on the console for people, JSON in a rotating file for machines, secrets masked in both."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Collection, Mapping, MutableMapping
from pathlib import Path
from typing import Any

import structlog

from pipeline.config.masking import mask, mask_any
from pipeline.config.model import ClientConfig
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
) -> None:
    """Set the log up for this process. Safe to call again (the last call holds)."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _masker(frozenset(secrets)),
    ]
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
            structlog.stdlib.ProcessorFormatter(
                foreign_pre_chain=shared,
                processors=[
                    structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                    structlog.processors.JSONRenderer(ensure_ascii=False),
                ],
            ),
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


def _masker(secrets: frozenset[str]) -> Processor:
    def hide(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:
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
