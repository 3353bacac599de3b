"""Which format a verb reads files by: one of a job of the config, or a mapping in a file of its own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import typer

from pipeline.cli import common
from pipeline.errors import ConfigError
from pipeline.texts import T

if TYPE_CHECKING:
    from pipeline.config.model import ClientConfig
    from pipeline.flow import FormatPlugin, InboundSettings, StepPlugin
    from pipeline.registry import Registry
    from pipeline.settings import Settings

ByFormat = Annotated[
    str | None,
    typer.Option(
        "--format",
        metavar="FORMAT",
        show_default=False,
        help=str(
            T(
                "How the files are read: a format of the config's jobs, or a connection that reads a catalogue, by its "
                "name; or a YAML file with a mapping."
            )
        ),
    ),
]
ByJob = Annotated[
    str | None,
    typer.Option("--job", metavar="JOB", show_default=False, help=str(T("Read as this job of the config does."))),
]


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """A format, its parameters, and what files are read for."""

    plugin: FormatPlugin
    settings: Settings
    zone: ZoneInfo
    client: str = ""
    currency: str = "UAH"
    language: str = "uk-UA"
    base: Path = Path()
    source: str = ""  #: name of the source for orders that name none
    pattern: str = ""  #: names of the files that the job takes
    step: StepPlugin | None = None
    step_settings: Settings | None = None


def choose(context: typer.Context, name: str | None, job: str | None, timezone: str | None = None) -> Chosen:
    """By the options of a call. Raises ConfigError: no such format or job, more than one, or a wrong mapping."""
    from pipeline.config.formatfile import is_config, read_format
    from pipeline.registry import load_registry

    options = common.options(context)
    if name is not None and (name.lower().endswith((".yaml", ".yml")) or Path(name).is_file()):
        path = Path(name)
        if not is_config(path):
            registry = load_registry()
            plugin, settings = read_format(path, registry)
            return Chosen(
                plugin=plugin,
                settings=settings,
                zone=zone_of(timezone or "Europe/Kyiv"),
                base=path.resolve().parent,
                step=registry.steps.get("import-orders"),
            )
        options, name = common.Options(path, options.language), None
    elif name is not None and job is None and not options.config.exists():
        registry = load_registry()
        if name not in registry.formats:
            common.usage(
                T("Format `{name}` is not known.", name=name),
                T("Give a YAML file with the mapping, or the client's config: mistok -c CONFIG …"),
            )
        plugin = registry.formats[name]
        zone, step = zone_of(timezone or "Europe/Kyiv"), registry.steps.get("import-orders")
        return Chosen(plugin=plugin, settings=_bare(plugin), zone=zone, step=step)
    return _of_config(common.load_path(options, logged=False), name, job, timezone)


def zone_of(name: str) -> ZoneInfo:
    """The time zone. Raises ConfigError."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ConfigError(
            T("There is no time zone {name}.", name=name),
            hint=T("Write it such as {example}", example="Europe/Kyiv"),
        ) from error


def _bare(plugin: FormatPlugin) -> Settings:
    from pydantic import ValidationError

    try:
        return plugin.settings()
    except ValidationError as error:
        raise ConfigError(
            T("Format `{name}` needs parameters.", name=plugin.name),
            hint=T("Give a YAML file with the mapping, or the client's config: mistok -c CONFIG …"),
        ) from error


def _of_config(config: ClientConfig, name: str | None, job: str | None, timezone: str | None) -> Chosen:
    from pipeline.engine.ownplugins import plugin_folder
    from pipeline.registry import load_registry

    registry = load_registry(plugin_folder(config))
    if job is None and (catalogue := _catalogue(config, registry, name, timezone)) is not None:
        return catalogue
    if job is not None and job not in config.jobs:
        common.usage(T("There is no job {name}.", name=job), T("Known: {names}.", names=", ".join(config.jobs)))
    found = _steps(config, registry, job, name)
    if not found:
        text = T("No job of {file} takes orders in.", file=str(config.source))
        if name is not None:
            text = T("No job of {file} reads files as `{name}`.", file=str(config.source), name=name)
        common.usage(text, T("Give a YAML file with the mapping: --format FILE."))
    if len({place for place, _ in found}) > 1:
        names = ", ".join(dict.fromkeys(place for place, _ in found))
        common.usage(T("Several jobs take orders in: {names}.", names=names), T("Name one of them: --job JOB."))
    step = found[0][1]
    params: InboundSettings = step.params
    plugin = registry.formats[params.format.type]
    return Chosen(
        plugin=plugin,
        settings=step.format_params or _bare(plugin),
        zone=zone_of(timezone) if timezone else config.zone,
        client=config.client,
        currency=config.currency,
        language=config.catalogue_language,
        base=config.base,
        source=f"{params.inbox}/{params.folder}".strip("/"),
        pattern=params.pattern,
        step=registry.steps.get(step.step),
        step_settings=params,
    )


def _catalogue(config: ClientConfig, registry: Registry, name: str | None, timezone: str | None) -> Chosen | None:
    """The catalogue format of a connection, by its own name or the format's; None: nothing of this is meant."""
    found = {
        key: spec
        for key, spec in config.connections.items()
        if spec.format_params is not None and name in (None, key, getattr(spec.params, "format").type)  # noqa: B009
    }
    if not found or (name is None and _steps(config, registry, None, None)):
        return None
    spec = found.get(name or "") or (next(iter(found.values())) if len(found) == 1 else None)
    if spec is None:
        common.usage(
            T("Several connections read catalogues: {names}.", names=", ".join(found)),
            T("Name one of them: --format CONNECTION."),
        )
    assert spec.format_params is not None
    return Chosen(
        plugin=registry.formats[getattr(spec.params, "format").type],  # noqa: B009 - of the plugin's own
        settings=spec.format_params,
        zone=zone_of(timezone) if timezone else config.zone,
        client=config.client,
        currency=config.currency,
        language=config.catalogue_language,
        base=config.base,
    )


def _steps(config: ClientConfig, registry: Registry, job: str | None, name: str | None) -> list[tuple[str, Any]]:
    from pipeline.flow import InboundSettings
    from pipeline.ports import OrderFormat

    return [
        (place, step)
        for place, one in config.jobs.items()
        if job in (None, place)
        for step in one.steps
        if isinstance(step.params, InboundSettings)
        and name in (None, step.params.format.type)
        and isinstance(registry.formats[step.params.format.type].format, OrderFormat)
    ]
