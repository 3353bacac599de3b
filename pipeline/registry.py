"""Finds plugins: built-in, of installed packages (entry points ``mistok.plugins``), and of a client's own folder.

The engine imports the built-in ones by name, so no module of ``pipeline`` imports ``plugins``.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import pkgutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import TypeVar

from pipeline.errors import ConfigError
from pipeline.flow import ChannelPlugin, FormatPlugin, Plugin, StepPlugin, SystemPlugin
from pipeline.texts import T

BUILT_IN = ("plugins.formats", "plugins.systems", "plugins.steps", "plugins.channels")
GROUP = "mistok.plugins"
P = TypeVar("P", FormatPlugin, SystemPlugin, ChannelPlugin, StepPlugin)


@dataclass(frozen=True, slots=True)
class Registry:
    """Every plugin by kind and name, and where each came from."""

    formats: Mapping[str, FormatPlugin]
    systems: Mapping[str, SystemPlugin]
    steps: Mapping[str, StepPlugin]
    channels: Mapping[str, ChannelPlugin]
    origins: Mapping[tuple[str, str], str]  #: (kind, name) -> module or file


def load_registry(folder: Path | None = None) -> Registry:
    """All plugins, with a client's own from ``folder``.

    Raises ConfigError naming the plugin when one cannot be imported, has no record, or has a name twice.
    """
    found: dict[str, dict[str, Plugin]] = {"format": {}, "system": {}, "step": {}, "channel": {}}
    origins: dict[tuple[str, str], str] = {}
    for plugin, origin in (*_packaged(), *(_own(folder) if folder else ())):
        kind = _kind(plugin)
        if plugin.name in found[kind]:
            raise ConfigError(
                T(
                    "Two plugins are called {name} ({kind}): {first} and {second}.",
                    name=plugin.name,
                    kind=kind,
                    first=origins[kind, plugin.name],
                    second=origin,
                ),
                hint=T("Rename one of them."),
            )
        found[kind][plugin.name] = plugin
        origins[kind, plugin.name] = origin
    return Registry(
        _only(found["format"], FormatPlugin),
        _only(found["system"], SystemPlugin),
        _only(found["step"], StepPlugin),
        _only(found["channel"], ChannelPlugin),
        origins,
    )


def _only(plugins: Mapping[str, Plugin], kind: type[P]) -> dict[str, P]:
    return {name: plugin for name, plugin in sorted(plugins.items()) if isinstance(plugin, kind)}


def _kind(plugin: Plugin) -> str:
    match plugin:
        case FormatPlugin():
            return "format"
        case SystemPlugin():
            return "system"
        case StepPlugin():
            return "step"
        case ChannelPlugin():
            return "channel"


@cache
def _packaged() -> tuple[tuple[Plugin, str], ...]:
    found: list[tuple[Plugin, str]] = []
    for package_name in BUILT_IN:
        package = importlib.import_module(package_name)
        for module in sorted(pkgutil.iter_modules(package.__path__), key=lambda info: info.name):
            if module.name.startswith("_"):
                continue  # a part of a plugin
            name = f"{package_name}.{module.name}"
            found.extend((plugin, name) for plugin in _records(importlib.import_module(name), name))
    for point in sorted(entry_points(group=GROUP), key=lambda point: point.name):
        try:
            module = point.load()
        except Exception as error:
            raise _broken(point.value, error) from error
        found.extend((plugin, point.value) for plugin in _records(module, point.value))
    return tuple(found)


def _own(folder: Path) -> Iterator[tuple[Plugin, str]]:
    for path in sorted(folder.glob("*.py")):
        if path.name.startswith("_"):
            continue
        # A private name, made of the whole path, so that two clients' plugins of one file name never meet.
        private = f"mistok_client_{hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:12]}_{path.stem}"
        spec = importlib.util.spec_from_file_location(private, path)
        if spec is None or spec.loader is None:
            raise ConfigError(T("Plugin {path} cannot be loaded.", path=str(path)))
        module = importlib.util.module_from_spec(spec)
        sys.modules[private] = module
        try:
            spec.loader.exec_module(module)
        except Exception as error:
            del sys.modules[private]
            raise _broken(str(path), error) from error
        for plugin in _records(module, str(path)):
            yield plugin, str(path)


def _records(module: ModuleType, origin: str) -> tuple[Plugin, ...]:
    records = getattr(module, "PLUGINS", None) or (getattr(module, "PLUGIN", None),)
    kinds = (FormatPlugin, SystemPlugin, StepPlugin, ChannelPlugin)
    if not all(isinstance(record, kinds) for record in records):
        raise ConfigError(
            T("{origin} registers no plugin.", origin=origin),
            hint=T("Give the module PLUGIN = StepPlugin(…), FormatPlugin(…), SystemPlugin(…) or ChannelPlugin(…)."),
        )
    return tuple(records)


def _broken(origin: str, error: Exception) -> ConfigError:
    line = ""
    trace = error.__traceback__
    while trace:
        if trace.tb_frame.f_code.co_filename == origin:
            line = f":{trace.tb_lineno}"
        trace = trace.tb_next
    if isinstance(error, SyntaxError) and error.filename == origin:
        line = f":{error.lineno}"
    return ConfigError(
        T(
            "Plugin {origin} does not load: {kind}: {words}",
            origin=origin + line,
            kind=type(error).__name__,
            words=str(error),
        ),
        hint=T("Mend the plugin, or move it out of the folder."),
    )
