"""``service.yaml`` of a folder of clients: what one service of all of them has of its own. The file may be missing."""

from __future__ import annotations

import os
from collections.abc import Mapping as Environ
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from pipeline.config.check import Checker
from pipeline.config.includes import read_config
from pipeline.config.model import LogConfig, WebConfig
from pipeline.config.secrets import Resolver
from pipeline.config.yaml import Mapping
from pipeline.errors import ConfigError
from pipeline.settings import Duration, Settings

FILE = "service.yaml"


class ServiceConfig(Settings):
    """One service of many clients."""

    language: Literal["uk", "en"] = "uk"
    """Language of what the service says of itself; each client has its own."""
    workers: Annotated[int, Field(ge=1, le=256)] | None = None
    """How many runs there are at once; by default twice the machine's cores, 4 at least. Those that work for long get
    half as many places more."""
    waiting: Annotated[int, Field(ge=0, le=2048)] | None = None
    """How many more that only wait, as for a server that is silent: they need memory and no processor. By default
    eight times `workers`, 32 at least; never fewer than `workers`; 0: none."""
    each: Annotated[int, Field(ge=1, le=64)] = 1
    """How many of them one client may have at once."""
    slice: Annotated[Duration, Field(gt=timedelta(0))] = timedelta(seconds=3)
    """After so long an import of many files makes room for others, and goes on when it is its turn again."""
    log: LogConfig = LogConfig()
    """The log of the service, with the lines of all clients; each client's own log is as its config says."""
    web: WebConfig | None = None
    """One page for all clients: a list of them, and the page of each; none when not given."""


def load_service(folder: Path, *, environ: Environ[str, str] | None = None) -> ServiceConfig:
    """The service's own settings in a folder of clients; the defaults when there is no file.

    Raises ConfigError with every finding, each with its file, line, column and key path.
    """
    path = folder / FILE
    if not path.exists():
        return ServiceConfig()
    root, findings = read_config(path)
    if root is None:
        raise ConfigError(findings=findings)
    resolver = Resolver(folder.resolve(), os.environ if environ is None else environ)
    node = resolver.resolve(root)
    assert isinstance(node, Mapping)  # a mapping stays one
    checker = Checker(node, frozenset(resolver.failed), [*findings, *resolver.findings])
    settings = checker.settings(ServiceConfig, node, ())
    if settings is None or checker.findings:
        raise ConfigError(findings=tuple(checker.findings))
    return settings
