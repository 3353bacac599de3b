"""The JSON Schema of ``config.yaml``, by which editors complete and check: ``python -m pipeline.config.schema``.

It is made of the same settings classes that check the config, so that it cannot say something else. It is a little more
lenient than they are: a number may be text, and any value may come from ``${env:…}``.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from pipeline.config.build import ALIASES, EXTENSION
from pipeline.config.check import OWN_FIELDS
from pipeline.config.model import ClientConfig
from pipeline.flow import ChannelPlugin, FormatPlugin, StepPlugin, SystemPlugin
from pipeline.registry import Registry, load_registry
from pipeline.settings import Settings

FILE_NAME = "config.schema.json"
_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_REFERENCE = r"\$\{"
_NAME = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$"
Json = dict[str, Any]


def config_schema(registry: Registry, transports: Mapping[str, type[Settings]] | None = None) -> Json:
    """The schema (draft 2020-12) for what ``registry`` and ``transports`` (all of ours by default) can do."""
    if transports is None:
        from pipeline.transports import TRANSPORTS

        transports = TRANSPORTS
    parts = _parts(registry, transports)
    models: list[type[BaseModel]] = list(dict.fromkeys([ClientConfig, *(model for _, _, model, _ in parts)]))
    made, shared = models_json_schema([(model, "validation") for model in models], ref_template="#/$defs/{model}")
    defs: Json = shared.get("$defs", {})
    inline = {model: _resolve(made[model, "validation"], defs) for model in models}
    chosen: dict[str, list[str]] = {"connection": [], "step": [], "format": [], "channel": []}
    for kind, name, model, summary in parts:
        defs[f"{kind}.{name}"] = _choice(inline[model], kind, name, summary)
        chosen[kind].append(name)
    for kind, names in chosen.items():
        defs[kind] = _one_of(kind, names)
    defs["format-by-key"] = _by_key({name: inline[model] for kind, name, model, _ in parts if kind == "format"})
    defs["format"]["oneOf"].append({"$ref": "#/$defs/format-by-key"})
    if "FormatSpec" in defs:
        defs["FormatSpec"] = {"$ref": "#/$defs/format"}
    schema = _client(inline[ClientConfig], defs)
    used = _used(schema, defs)
    whole: Json = _lenient(_tidy({**schema, "$defs": {name: defs[name] for name in sorted(used)}}))
    return whole


def built_in(registry: Registry) -> Registry:
    """``registry`` without what other packages and clients added."""

    def ours(kind: str, name: str) -> bool:
        return registry.origins.get((kind, name), "").startswith("plugins.")

    return replace(
        registry,
        formats={name: plugin for name, plugin in registry.formats.items() if ours("format", name)},
        systems={name: plugin for name, plugin in registry.systems.items() if ours("system", name)},
        steps={name: plugin for name, plugin in registry.steps.items() if ours("step", name)},
        channels={name: plugin for name, plugin in registry.channels.items() if ours("channel", name)},
    )


def schema_text(schema: Json) -> str:
    """As it is written to files."""
    return json.dumps(schema, ensure_ascii=False, indent=2) + "\n"


_Part = tuple[str, str, type[Settings], str]


def _parts(registry: Registry, transports: Mapping[str, type[Settings]]) -> list[_Part]:
    parts: list[_Part] = []
    for name, model in transports.items():
        parts.append(("connection", name, model, (model.__doc__ or "").strip()))
    for alias, (real, _) in ALIASES.items():
        if real in transports and alias not in transports:
            parts.append(("connection", alias, transports[real], (transports[real].__doc__ or "").strip()))
    plugins: list[tuple[str, Mapping[str, SystemPlugin | StepPlugin | FormatPlugin | ChannelPlugin]]] = [
        ("connection", dict(registry.systems)),
        ("step", dict(registry.steps)),
        ("format", dict(registry.formats)),
        ("channel", dict(registry.channels)),
    ]
    for kind, found in plugins:
        parts.extend((kind, name, plugin.settings, plugin.summary.render("en")) for name, plugin in found.items())
    return parts


def _resolve(schema: Json, defs: Json) -> Json:
    reference = schema.get("$ref")
    # a copy, as it will be changed
    found: Json = deepcopy(defs[reference.rsplit("/", 1)[-1]] if reference else schema)
    return found


def _used(value: Any, defs: Json) -> set[str]:
    """Names of the definitions that ``value`` leads to."""
    found: set[str] = set()
    todo: list[Any] = [value]
    while todo:
        match todo.pop():
            case dict() as mapping:
                reference = mapping.get("$ref")
                name = reference.removeprefix("#/$defs/") if isinstance(reference, str) else None
                if name and name not in found:
                    found.add(name)
                    todo.append(defs[name])
                todo.extend(mapping.values())
            case list() as items:
                todo.extend(items)
            case _:
                pass
    return found


def _choice(model: Json, kind: str, name: str, summary: str) -> Json:
    """The parameters of one plugin, with the word that chooses it."""
    key = "step" if kind == "step" else "type"
    properties: Json = {key: {"const": name, "description": summary}, **model.get("properties", {})}
    choice: Json = {"type": "object", "description": summary, "properties": properties}
    choice["required"] = [key, *model.get("required", [])]
    choice["additionalProperties"] = False
    return choice


def _one_of(kind: str, names: list[str]) -> Json:
    options: list[Json] = [{"$ref": f"#/$defs/{kind}.{name}"} for name in names]
    if kind in ("format", "channel"):
        options.insert(0, {"enum": names})
    return {"oneOf": options}


def _by_key(models: Mapping[str, Json]) -> Json:
    """The short form of a format: `{NAME: {…}}`."""
    properties = {
        name: {
            "type": "object",
            "properties": model.get("properties", {}),
            "required": model.get("required", []),
            "additionalProperties": False,
        }
        for name, model in models.items()
    }
    return {
        "type": "object",
        "description": "The format's name, and its parameters below it.",
        "properties": properties,
        "minProperties": 1,
        "maxProperties": 1,
        "additionalProperties": False,
    }


def _client(model: Json, defs: Json) -> Json:
    properties: Json = {key: value for key, value in model["properties"].items() if key not in OWN_FIELDS}
    names = {"propertyNames": {"pattern": _NAME}}
    for key, ref in (("connections", "connection"), ("jobs", "JobConfig")):
        properties[key] = {
            "type": "object",
            "description": model["properties"][key].get("description", ""),
            **names,
            "additionalProperties": {"$ref": f"#/$defs/{ref}"},
        }
    properties["include"] = {
        "description": "A file, or several, that this one is laid on; relative to this file.",
        "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}],
    }
    defs["JobConfig"]["properties"]["steps"] = {
        "type": "array",
        "minItems": 1,
        "description": defs["JobConfig"]["properties"]["steps"].get("description", ""),
        "items": {"$ref": "#/$defs/step"},
    }
    defs["JobConfig"]["required"] = ["steps"]
    defs["AlertsConfig"]["properties"]["channels"]["items"] = {"$ref": "#/$defs/channel"}
    words = defs["Escalation"]["properties"]["channel"].get("description", "")
    defs["Escalation"]["properties"]["channel"] = {"description": words, "$ref": "#/$defs/channel"}
    return {
        "$schema": _DIALECT,
        "title": "Mistok: config.yaml of one client",
        "type": "object",
        # a file that includes another may leave out, add to, or take away what that one has
        "if": {"required": ["include"]},
        "then": {"properties": {key: {"type": ["object", "null"]} for key in _SECTIONS}},
        "else": {"properties": properties, "required": ["client", "connections", "jobs"]},
        "properties": {
            key: {"description": value["description"]} if "description" in value else True
            for key, value in properties.items()
        },
        "patternProperties": {f"^{EXTENSION}": {"description": "Yours, for anchors; not looked at."}},
        "additionalProperties": False,
    }


_SECTIONS = ("connections", "jobs", "alerts", "archive", "ledger", "log")


def _tidy(value: Any) -> Any:
    """Without pydantic's titles, which editors show in place of the key's name."""
    if isinstance(value, dict):
        keep = {
            key: _tidy(item)
            for key, item in value.items()
            if not (key == "title" and isinstance(item, str) and item != "Mistok: config.yaml of one client")
        }
        return {key: item for key, item in keep.items() if key != "writeOnly"}
    return [_tidy(item) for item in value] if isinstance(value, list) else value


def _lenient(value: Any) -> Any:
    """What the loader takes though YAML spells it otherwise: numbers for text, text for numbers, references."""
    if isinstance(value, list):
        return [_lenient(item) for item in value]
    if not isinstance(value, dict):
        return value
    out = {key: _lenient(item) for key, item in value.items()}
    if "const" in out or "enum" in out:
        return out
    match out.get("type"):
        case "string":
            out["type"] = ["string", "number", "boolean"]
            if "pattern" in out:
                out["pattern"] = f"{out['pattern']}|{_REFERENCE}"
        case "integer" | "number" as number:
            out["type"] = [number, "string"]
            out["pattern"] = rf"^[-+]?\d+$|{_REFERENCE}" if number == "integer" else rf"^[-+]?[\d.]+$|{_REFERENCE}"
        case "boolean":
            out["type"] = ["boolean", "string"]
            out["pattern"] = rf"^([Tt]rue|[Ff]alse|yes|no|on|off)$|{_REFERENCE}"
        case [*_] if "pattern" in out:
            out["pattern"] = f"{out['pattern']}|{_REFERENCE}"
    return out


def main(arguments: Sequence[str] | None = None) -> int:
    """``[FILE [PLUGINS]]``: writes ``schemas/config.schema.json`` of the checkout, or FILE.

    With PLUGINS, a client's own plugin folder, the schema knows those as well, and those of installed packages.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    target = Path(words[0]) if words else Path(__file__).resolve().parents[2] / "schemas" / FILE_NAME
    registry = load_registry(Path(words[1])) if len(words) > 1 else built_in(load_registry())
    target.write_text(schema_text(config_schema(registry)), encoding="utf-8", newline="\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
