"""Finds plugins: built-in, of installed packages (entry points ``mistok.plugins``), and of a client's own folder.

The engine imports the built-in ones by name, so no module of ``pipeline`` imports ``plugins``.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import linecache
import pkgutil
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, TypeAlias, TypeVar, cast

from pipeline.errors import ConfigError, Finding, system_words
from pipeline.flow import API_VERSION, ChannelPlugin, FormatPlugin, Plugin, StepPlugin, SystemPlugin
from pipeline.texts import T

if TYPE_CHECKING:
    from pipeline.ports import Asker

BUILT_IN = ("plugins.formats", "plugins.systems", "plugins.steps", "plugins.channels")
GROUP = "mistok.plugins"
P = TypeVar("P", FormatPlugin, SystemPlugin, ChannelPlugin, StepPlugin)


#: By kind and name: a record, or the built-in module that has it.
Found: TypeAlias = dict[str, "dict[str, Plugin | str]"]
_RECORD = re.compile(r"^(?:PLUGIN = | {4})(Format|System|Step|Channel)Plugin\(\s*name=\"([a-z0-9-]+)\"", re.MULTILINE)


class Lazily(Mapping[str, P]):
    """Plugins of one kind by name, in order; a built-in one is imported when it is asked for."""

    def __init__(self, places: Mapping[str, Plugin | str], kind: type[P]) -> None:
        self._places: dict[str, Plugin | str] = dict(sorted(places.items()))
        self._kind: type[P] = kind

    def __getitem__(self, name: str) -> P:
        place = self._places[name]
        if isinstance(place, str):
            records = _records(importlib.import_module(place), place)
            place = self._places[name] = next(
                one for one in records if isinstance(one, self._kind) and one.name == name
            )
        return cast("P", place)

    def __contains__(self, name: object) -> bool:
        return name in self._places

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


#: What the names of modules of clients' own plugins begin with.
OWN = "mistok_client_"


@dataclass(frozen=True, slots=True)
class Registry:
    """Every plugin by kind and name, and where each came from."""

    formats: Mapping[str, FormatPlugin]
    systems: Mapping[str, SystemPlugin]
    steps: Mapping[str, StepPlugin]
    channels: Mapping[str, ChannelPlugin]
    origins: Mapping[tuple[str, str], str]  #: (kind, name) -> module or file


@dataclass(frozen=True, slots=True)
class Source:
    """One file of a client's plugin folder, as it was read."""

    path: Path
    code: bytes

    @property
    def module(self) -> str:
        """The name its module goes by: of the whole path, so that two clients' files of one name never meet, and of the
        content, so that a file is run once however often it is looked for, and anew when it was changed."""
        print_ = hashlib.sha256(str(self.path.resolve()).encode() + b"\0" + self.code).hexdigest()[:16]
        return f"{OWN}{print_}_{self.path.stem}"


@dataclass(frozen=True, slots=True)
class Broken:
    """A file of a client's plugin folder that gives no plugin."""

    source: Source
    findings: tuple[Finding, ...]

    def may_hold(self, name: str) -> bool:
        """Whether a plugin called ``name`` could be in it: what is missing because of this is no mistake of its own."""
        quoted = (f"{quote}{name}{quote}".encode() for quote in "\"'")
        return any(word in self.source.code for word in quoted)


def load_registry(folder: Path | None = None, *, sources: tuple[Source, ...] | None = None) -> Registry:
    """All plugins, with a client's own from ``folder`` (or from ``sources``, read before).

    Raises ConfigError naming every plugin that cannot be imported, has no record, or has a name twice.
    """
    registry, broken = load_what_loads(folder, sources=sources)
    if broken:
        raise ConfigError(findings=tuple(finding for one in broken for finding in one.findings))
    return registry


def load_what_loads(
    folder: Path | None = None, *, sources: tuple[Source, ...] | None = None
) -> tuple[Registry, tuple[Broken, ...]]:
    """The same, with the client's own files that are broken told beside the good ones.

    Raises ConfigError for a broken plugin of an installed package.
    """
    found: Found = {"format": {}, "system": {}, "step": {}, "channel": {}}
    origins: dict[tuple[str, str], str] = {}
    for kind, name, plugin, origin in _packaged():
        _enter(found, origins, (kind, name), plugin, origin)
    broken: list[Broken] = []
    for source in own_sources(folder) if sources is None else sources:
        try:
            for record in records_of(source):
                _enter(found, origins, (_kind(record), record.name), record, str(source.path))
        except ConfigError as error:
            broken.append(Broken(source, error.findings))
    registry = Registry(
        Lazily(found["format"], FormatPlugin),
        Lazily(found["system"], SystemPlugin),
        Lazily(found["step"], StepPlugin),
        Lazily(found["channel"], ChannelPlugin),
        origins,
    )
    return registry, tuple(broken)


def records_of(source: Source) -> tuple[Plugin, ...]:
    """The plugins of one file, loaded as those of a client's folder are. Raises ConfigError."""
    return _records(_module(source), str(source.path))


def asker(name: str, parameters: Mapping[str, object]) -> Asker:
    """A built-in channel whose reader can answer, opened. No other plugin is loaded: it is started by sessions."""
    (plugin,) = _records(importlib.import_module(f"plugins.channels.{name}"), name)
    assert isinstance(plugin, ChannelPlugin)
    opened = plugin.open(plugin.settings.model_validate(parameters))
    assert hasattr(opened, "ask")
    return cast("Asker", opened)


def own_plugins(sources: Iterable[Source]) -> frozenset[tuple[str, str]]:
    """Kind and name of the plugins of a client's own, which are loaded into this process. Raises ConfigError."""
    return frozenset((_kind(one), one.name) for source in sources for one in records_of(source))


def own_sources(folder: Path | None) -> tuple[Source, ...]:
    """The plugin files of a client's folder, read. Raises ConfigError for one that cannot be read."""
    paths = sorted(path for path in folder.glob("*.py") if not path.name.startswith("_")) if folder else []
    sources = []
    for path in paths:
        try:
            sources.append(Source(path, path.read_bytes()))
        except OSError as error:
            raise ConfigError(
                T("Plugin {path} cannot be read: {words}", path=str(path), words=system_words(error))
            ) from error
    return tuple(sources)


def _enter(
    found: Found, origins: dict[tuple[str, str], str], key: tuple[str, str], plugin: Plugin | str, origin: str
) -> None:
    kind, name = key
    if name in found[kind]:
        raise ConfigError(
            T(
                "Two plugins are called {name} ({kind}): {first} and {second}.",
                name=name,
                kind=kind,
                first=origins[key],
                second=origin,
            ),
            hint=T("Rename one of them."),
        )
    found[kind][name] = plugin
    origins[key] = origin


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
def _packaged() -> tuple[tuple[str, str, Plugin | str, str], ...]:
    """Kind, name, and record or module of every plugin that is installed, and where it came from."""
    found: list[tuple[str, str, Plugin | str, str]] = []
    for package_name in BUILT_IN:
        package = importlib.import_module(package_name)
        for info in sorted(pkgutil.iter_modules(package.__path__), key=lambda info: info.name):
            if not info.name.startswith("_"):  # a part of a plugin
                module = f"{package_name}.{info.name}"
                found += [(kind, name, module, module) for kind, name in _declared(Path(package.__path__[0]), info)]
    for point in sorted(entry_points(group=GROUP), key=lambda point: point.name):
        try:
            records = _records(point.load(), point.value)
        except (Exception, SystemExit) as error:
            if isinstance(error, ConfigError):
                raise
            raise _broken(point.value, error) from error
        found.extend((_kind(plugin), plugin.name, plugin, point.value) for plugin in records)
    return tuple(found)


def _declared(folder: Path, info: pkgutil.ModuleInfo) -> list[tuple[str, str]]:
    """Kind and name of the plugins that a built-in module declares, by its source: loading all of them takes long."""
    source = folder / info.name / "__init__.py" if info.ispkg else folder / f"{info.name}.py"
    return [(kind.lower(), name) for kind, name in _RECORD.findall(source.read_text(encoding="utf-8"))]


def _module(source: Source) -> ModuleType:
    """The file as a module, run once in this process: values of its classes must stay values of its classes."""
    name, path = source.module, source.path
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None:
        raise ConfigError(T("Plugin {path} cannot be loaded.", path=str(path)))
    module = importlib.util.module_from_spec(spec)
    linecache.checkcache(str(path))  # texts below fields are read from there
    sys.modules[name] = module
    try:
        exec(compile(source.code, str(path), "exec"), module.__dict__)  # noqa: S102 - running it is what a plugin is for
    except BaseException as error:
        del sys.modules[name]
        if isinstance(error, (Exception, SystemExit)):
            raise _broken(str(path), error) from error
        raise
    return module


def _records(module: ModuleType, origin: str) -> tuple[Plugin, ...]:
    _check_version(getattr(module, "MISTOK_API", API_VERSION), origin)
    records = getattr(module, "PLUGINS", None) or (getattr(module, "PLUGIN", None),)
    kinds = (FormatPlugin, SystemPlugin, StepPlugin, ChannelPlugin)
    if not isinstance(records, (tuple, list)) or not all(isinstance(record, kinds) for record in records):
        raise ConfigError(
            T("{origin} registers no plugin.", origin=origin),
            hint=T("Give the module PLUGIN = StepPlugin(…), FormatPlugin(…), SystemPlugin(…) or ChannelPlugin(…)."),
        )
    return tuple(records)


def _check_version(written_for: object, origin: str) -> None:
    """Raises ConfigError for a plugin that was written for another version of what plugins may import."""
    found = re.fullmatch(r"(\d{1,6})\.(\d{1,6})", written_for) if isinstance(written_for, str) else None
    if found is None:
        raise ConfigError(
            T("{origin}: MISTOK_API is not a version such as {version}.", origin=origin, version=API_VERSION),
            hint=T('Write MISTOK_API = "{version}".', version=API_VERSION),
        )
    major, minor = int(found[1]), int(found[2])
    ours = tuple(int(part) for part in API_VERSION.split("."))
    words = {"origin": origin, "theirs": f"{major}.{minor}", "ours": API_VERSION}
    if (major, minor) > ours:
        raise ConfigError(
            T("{origin} was written for version {theirs} of the plugin interface; this Mistok has {ours}.", **words),
            hint=T("Update Mistok, or take an older version of the plugin."),
        )
    if major < ours[0]:
        raise ConfigError(
            T("{origin} was written for version {theirs} of the plugin interface; this Mistok has {ours}.", **words),
            hint=T("Bring it up to date: docs/plugins.md tells what has changed; then write MISTOK_API anew."),
        )


def _broken(origin: str, error: BaseException) -> ConfigError:
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
            words=str(error) or "-",
        ),
        hint=T("Mend the plugin, or move it out of the folder."),
    )
