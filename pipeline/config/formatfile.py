"""A format with its parameters in a file of its own, so that a mapping can be tried before it is put into a config."""

from __future__ import annotations

import os
from pathlib import Path

from pipeline.config.build import short_form
from pipeline.config.check import Checker
from pipeline.config.includes import read_config
from pipeline.config.secrets import Resolver
from pipeline.config.shape import Loc
from pipeline.config.yaml import Mapping, Scalar
from pipeline.errors import ConfigError
from pipeline.flow import FormatPlugin
from pipeline.registry import Registry
from pipeline.settings import Settings
from pipeline.texts import T


def is_config(path: Path) -> bool:
    """Whether the YAML at ``path`` is a whole config, with jobs."""
    root, _ = read_config(path)
    return root is not None and "jobs" in root.entries


def read_format(path: Path, registry: Registry) -> tuple[FormatPlugin, Settings]:
    """The format of a YAML file that holds ``format: …``, or what stands after it, and its checked parameters.

    Raises ConfigError with every finding, each with its file, line, column and key path.
    """
    root, findings = read_config(path)
    if root is None:
        raise ConfigError(findings=findings)
    resolver = Resolver(path.resolve().parent, os.environ)
    node = resolver.resolve(root)
    assert isinstance(node, Mapping)  # a mapping stays one
    checker = Checker(node, frozenset(resolver.failed), [*findings, *resolver.findings])
    at: Loc = ()
    chosen = node.get("format")
    if chosen is not None:
        at = ("format",)
        if isinstance(chosen, Scalar) and chosen.value is not None:
            chosen = Mapping(chosen.mark, {"type": node.entries["format"]})
        node = checker.mapping(at, chosen) or Mapping(chosen.mark)
    short = short_form(node)
    if short is not None:
        name, node = short
        at = (*at, name)
    elif not checker.findings:
        found = checker.text(at, node, "type", registry.formats)
        name, node = found or "", node.without("type")
    else:
        name = ""
    settings = None
    if name in registry.formats:
        settings = checker.settings(registry.formats[name].settings, node, at, who=name)
    elif name:
        place = at if short is not None else (*at, "type")
        text = T("Format `{name}` is not known.", name=name)
        checker.unknown("config-unknown-type", place, name, text, registry.formats, at_key=short is not None)
    if settings is None or checker.findings:
        raise ConfigError(findings=tuple(checker.findings))
    return registry.formats[name], settings
