"""``mistok plugins``: every plugin with its parameters, from the same declarations that check the config."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args, get_origin

import typer

from pipeline.cli import common
from pipeline.texts import T, Text

if TYPE_CHECKING:
    from pydantic import BaseModel
    from pydantic.fields import FieldInfo

#: The kinds in the order they are listed.
KINDS: Mapping[str, Text] = {
    "step": T("step"),
    "format": T("format"),
    "system": T("system"),
    "connection": T("connection"),
    "channel": T("channel"),
}


def plugins(
    context: typer.Context,
    name: Annotated[str | None, typer.Argument(help=str(T("Show the parameters of this one only.")))] = None,
    as_json: Annotated[bool, typer.Option("--json", help=str(T("Print JSON.")))] = False,
) -> None:
    """List the plugins: steps, formats, systems with what they can do, channels, connections."""
    with common.cards(as_json=as_json):
        from pipeline.cli.common import options
        from pipeline.config.load import plugin_folder
        from pipeline.registry import load_registry

        path = options(context).config
        registry = load_registry(plugin_folder(path) if path.exists() else None)
        rows = list(_rows(registry))
        if name is not None:
            rows = [row for row in rows if row["name"] == name]
            if not rows:
                common.usage(T("There is no plugin {name}.", name=name), T("mistok plugins lists them all."))
        if as_json:
            common.print_json(rows)
            return
        for kind, word in KINDS.items():
            for row in rows:
                if row["kind"] == kind:
                    _show(row, word, whole=name is not None or kind == "step")


def _show(row: Mapping[str, Any], kind: Text, *, whole: bool) -> None:
    from rich.text import Text as Rich

    head = Rich.assemble((f"{kind} {row['name']}", "bold"), f"  {row['summary']}  ", (row["origin"], "dim"))
    common.console().print(head)
    if row.get("capabilities"):
        can = ", ".join(f"{one['name']} ({one['description']})" for one in row["capabilities"])
        common.console().print(Rich(f"  {T('can do')}: {can}"))
    if whole:
        common.table(
            (
                ("parameter", T("Parameter")),
                ("type", T("Type")),
                ("default", T("Default")),
                ("description", T("Meaning")),
            ),
            [{**one, "default": T("required") if one["required"] else one["default"]} for one in row["parameters"]],
            empty=T("No parameters."),
        )


def _capabilities(plugin: Any) -> dict[str, Any]:
    """For a system: what it can do, by name and in words."""
    from pipeline.capabilities import CAPABILITIES, capabilities
    from pipeline.flow import SystemPlugin

    if not isinstance(plugin, SystemPlugin):
        return {}
    return {"capabilities": [{"name": one, "description": str(CAPABILITIES[one][1])} for one in capabilities(plugin)]}


def _rows(registry: Any) -> Iterator[dict[str, Any]]:
    from pipeline.settings import described
    from pipeline.transports import TRANSPORTS

    for kind, plugins_of_kind in (
        ("step", registry.steps),
        ("format", registry.formats),
        ("system", registry.systems),
        ("channel", registry.channels),
    ):
        for name, plugin in plugins_of_kind.items():
            yield {
                "kind": kind,
                "name": name,
                "summary": str(plugin.summary),
                "origin": registry.origins[kind, name],
                **_capabilities(plugin),
                "parameters": list(parameters(plugin.settings)),
            }
    for name, settings in TRANSPORTS.items():
        yield {
            "kind": "connection",
            "name": name,
            "summary": str(described(settings.__doc__)),
            "origin": settings.__module__,
            "parameters": list(parameters(settings)),
        }


def parameters(
    settings: type[BaseModel], before: str = "", told: dict[type[BaseModel], str] | None = None
) -> Iterator[dict[str, Any]]:
    """Each parameter with what it takes, its default and its meaning; the keys of a mapping follow it, once."""
    from pipeline.config import shape
    from pipeline.flow import FormatSpec
    from pipeline.settings import described, meaning

    told = {} if told is None else told
    for name, field in settings.model_fields.items():
        key = before + shape.key_of(name, field)
        many = any(get_origin(arm) in (tuple, list) for arm in shape.arms(field.annotation))
        inner = shape.item_of(field.annotation) if many else field.annotation
        nested = [one for one in shape.models_in(inner) if not issubclass(one, FormatSpec)]
        as_for = [str(T("Its keys are those of {name}.", name=told[one])) for one in nested if one in told]
        yield {
            "parameter": key,
            "type": " | ".join(_takes(field.annotation, field.metadata)),
            "required": field.is_required(),
            "default": None if field.is_required() else _default(field),
            "description": " ".join([str(described(meaning(settings, name))), *as_for]).strip(),
        }
        for one in nested:
            if one not in told:
                told[one] = key
                yield from parameters(one, f"{key}[]." if many else f"{key}.", told)


def _takes(annotation: Any, metadata: Sequence[Any] = ()) -> list[str]:
    """What a parameter takes, in words; one or more to choose from."""
    from pipeline.config import shape
    from pipeline.settings import parse_size

    names = shape.names_in(annotation, metadata)
    if names:
        return [str(T("name of a system") if names.kind == "system" else T("name of a connection"))]
    if any(getattr(mark, "func", None) is parse_size for mark in metadata):
        return [str(T("size"))]
    words = [word for arm in shape.arms(annotation) if arm is not type(None) for word in _words(arm)]
    return list(dict.fromkeys(words))


def _words(arm: Any) -> list[str]:
    from decimal import Decimal
    from pathlib import Path

    from pydantic import SecretStr

    from pipeline.config import shape
    from pipeline.flow import FormatSpec
    from pipeline.settings import Settings

    origin = get_origin(arm)
    if origin is Literal:
        return [_seen(word) for word in get_args(arm)]
    if origin in (tuple, list):
        return [str(T("list of {item}", item=" | ".join(_takes(shape.item_of(arm)))))]
    if origin is Annotated:
        return _takes(get_args(arm)[0], get_args(arm)[1:])
    if origin is dict or (isinstance(arm, type) and hasattr(arm, "model_fields")):
        if isinstance(arm, type) and issubclass(arm, Settings) and arm.takes is not None:
            return [str(arm.takes)]
        named = isinstance(arm, type) and issubclass(arm, FormatSpec)
        return [str(T("name of a format"))] if named else [str(T("mapping of keys"))]
    known: dict[Any, Text] = {
        bool: T("yes or no (true, false)"),
        int: T("whole number"),
        float: T("number"),
        Decimal: T("number"),
        Path: T("path"),
        timedelta: T("duration"),
        SecretStr: T("text (secret)"),
    }
    return [str(known.get(arm, T("text")))]


def _default(field: FieldInfo) -> str:
    """A default as it would stand in the config."""
    from pathlib import PurePath

    from pydantic import BaseModel

    from pipeline.flow import FormatSpec
    from pipeline.settings import parse_size

    value = field.get_default(call_default_factory=True, validated_data={})
    if isinstance(value, FormatSpec):
        return value.type
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    if value is None or value in ("", (), {}):
        return "—"
    if isinstance(value, timedelta):
        return duration_words(value)
    if any(getattr(mark, "func", None) is parse_size for mark in field.metadata) and value % 1_000_000 == 0:
        return f"{value // 1_000_000} MB"
    if isinstance(value, tuple | list):
        return ", ".join(str(item) for item in value)
    if isinstance(value, bool | dict):
        return json.dumps(value, ensure_ascii=False)
    return _seen(value.as_posix() if isinstance(value, PurePath) else value)


def _seen(value: object) -> str:
    """With what cannot be seen written out."""
    return str(value).replace("\n", "\\n").replace("\t", "\\t")


def duration_words(value: timedelta) -> str:
    """A duration as it is written in the config: ``10m``."""
    seconds = value.total_seconds()
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds and seconds % size == 0:
            return f"{seconds / size:g}{unit}"
    return f"{seconds:g}s"
