"""``mistok plugins``: every plugin with its parameters, from the same declarations that check the config."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli import common
from pipeline.texts import T

if TYPE_CHECKING:
    from pipeline.flow import Settings


def plugins(
    context: typer.Context,
    name: Annotated[str | None, typer.Argument(help=str(T("Show the parameters of this one only.")))] = None,
    as_json: Annotated[bool, typer.Option("--json", help=str(T("Print JSON.")))] = False,
) -> None:
    """List the plugins: steps, formats, systems, channels, connections."""
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
        out = common.console()
        for kind in ("step", "format", "system", "connection", "channel"):
            chosen = [row for row in rows if row["kind"] == kind]
            for row in chosen:
                out.print(f"[bold]{row['kind']} {row['name']}[/bold]  {row['summary']}  [dim]{row['origin']}[/dim]")
                if name is not None or kind == "step":
                    common.table(
                        (
                            ("parameter", T("Parameter")),
                            ("type", T("Type")),
                            ("default", T("Default")),
                            ("description", T("Meaning")),
                        ),
                        row["parameters"],
                        empty=T("No parameters."),
                    )


def _rows(registry: Any) -> Iterator[dict[str, Any]]:
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
                "parameters": list(parameters(plugin.settings)),
            }
    for name, settings in TRANSPORTS.items():
        doc = (settings.__doc__ or "").strip().splitlines()
        yield {
            "kind": "connection",
            "name": name,
            "summary": doc[0] if doc else "",
            "origin": settings.__module__,
            "parameters": list(parameters(settings)),
        }


def parameters(settings: type[Settings]) -> Iterator[dict[str, Any]]:
    """Each parameter with its type, default and meaning."""
    schema = settings.model_json_schema()
    for name, field in settings.model_fields.items():
        key = field.alias or name
        spec = schema.get("properties", {}).get(key, {})
        yield {
            "parameter": key,
            "type": _type_words(spec),
            "default": str(T("required")) if field.is_required() else _default(spec.get("default"), field.default),
            "description": field.description or "",
        }


def _type_words(spec: dict[str, Any]) -> str:
    if "enum" in spec:
        return " | ".join(str(one) for one in spec["enum"])
    if "const" in spec:
        return str(spec["const"])
    if "anyOf" in spec:
        return " | ".join(dict.fromkeys(_type_words(one) for one in spec["anyOf"]))
    if "$ref" in spec:
        return str(spec["$ref"]).rsplit("/", 1)[-1]
    kind = spec.get("type", "")
    if isinstance(kind, list):
        return " | ".join(kind)
    return f"{kind} of {_type_words(spec['items'])}" if kind == "array" and "items" in spec else str(kind)


def _default(value: Any, original: Any) -> str:
    if isinstance(original, timedelta):
        return f"{original.total_seconds():g}s"
    if value is None:
        return "—"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
