"""The tables of keys in docs/config.md, made of the settings classes: ``python -m pipeline.config.reference``.

A table stands between ``<!-- keys: NAME -->`` and ``<!-- end -->``; NAME is a connection type, a step, a format or a
channel (``step import-orders``), or a section of the config (``section archive``).
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from pipeline.config import shape
from pipeline.config.alerts import AlertsConfig, ChannelSpec
from pipeline.config.model import (
    ArchiveConfig,
    ClientConfig,
    HooksConfig,
    JobConfig,
    LedgerConfig,
    LogConfig,
    ScheduleSettings,
    WebConfig,
)
from pipeline.config.schema import built_in
from pipeline.config.words import duration
from pipeline.flow import FormatSpec
from pipeline.registry import Registry, load_registry
from pipeline.settings import Settings, meaning, parse_size

_BLOCK = re.compile(r"(<!-- keys: (\w+) ([\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)
_SECTIONS: Mapping[str, type[BaseModel]] = {
    "client": ClientConfig,
    "schedule": ScheduleSettings,
    "alerts": AlertsConfig,
    "archive": ArchiveConfig,
    "ledger": LedgerConfig,
    "log": LogConfig,
    "hooks": HooksConfig,
    "web": WebConfig,
}
_HIDDEN = frozenset({"base", "source", "config_hash", "secrets", "steps"})


def with_tables(page: str, registry: Registry, transports: Mapping[str, type[Settings]]) -> str:
    """``page`` with every table made anew. Raises KeyError when a table names what is not there."""
    models: dict[tuple[str, str], type[BaseModel]] = {("section", name): model for name, model in _SECTIONS.items()}
    models |= {("connection", name): model for name, model in transports.items()}
    models |= {("connection", name): plugin.settings for name, plugin in registry.systems.items()}
    models |= {("step", name): plugin.settings for name, plugin in registry.steps.items()}
    models |= {("format", name): plugin.settings for name, plugin in registry.formats.items()}
    models |= {("channel", name): plugin.settings for name, plugin in registry.channels.items()}

    elsewhere: dict[type[BaseModel], str] = {}  # what the tables of other formats tell already

    def one(match: re.Match[str]) -> str:
        kind, name = match[2], match[3]
        told = dict(elsewhere) if kind == "format" else {}
        rows = list(_rows(models[kind, name], "", told))
        if kind == "format":
            elsewhere.update((model, f"{key} of {name}") for model, key in told.items() if model not in elsewhere)
        table = "| key | takes | default | meaning |\n|---|---|---|---|\n" + "\n".join(rows) if rows else "No keys."
        return f"{match[1]}\n{table}\n\n{match[4]}"

    return _BLOCK.sub(one, page)


def _rows(model: type[BaseModel], before: str, told: dict[type[BaseModel], str]) -> Iterator[str]:
    for name, info in model.model_fields.items():
        if name in _HIDDEN and issubclass(model, ClientConfig | JobConfig):
            continue
        key = before + shape.key_of(name, info)
        nested = [] if model is ClientConfig else _nested(info)
        as_for = [f"Its keys are those of {told[one]}." for one in nested if one in told]
        means = " ".join([meaning(model, name) or "", *as_for])
        cells = (f"`{key}`", _takes(info.annotation, info.metadata), _default(info), means)
        yield "| " + " | ".join(_cell(cell) for cell in cells) + " |"
        many = "[]" if _is_list(info.annotation) else ""
        for one in nested:
            if one not in told:
                told[one] = f"`{key}`"
                yield from _rows(one, f"{key}{many}.", told)


def _is_list(annotation: Any) -> bool:
    return any(get_origin(arm) in (tuple, list) for arm in shape.arms(annotation))


def _nested(info: FieldInfo) -> list[type[BaseModel]]:
    inner = shape.item_of(info.annotation) if _is_list(info.annotation) else info.annotation
    return [one for one in shape.models_in(inner) if not issubclass(one, FormatSpec | ChannelSpec)]


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|") or "–"


def _takes(annotation: Any, metadata: Any = ()) -> str:
    names = shape.names_in(annotation, metadata)
    if names:
        return {"transport": "name of a connection", "system": "name of a system"}.get(names.kind, "name")
    inner = [mark for arm in get_args(annotation) for mark in getattr(arm, "__metadata__", ())]  # of `Size | None`
    if any(getattr(mark, "func", None) is parse_size for mark in (*metadata, *inner)):
        return "size"
    words = [_word(arm) for arm in shape.arms(annotation) if arm is not type(None)]
    return " or ".join(dict.fromkeys(words))


def _word(arm: Any) -> str:
    if get_origin(arm) is Literal:
        return ", ".join(_code(word) for word in get_args(arm))
    if get_origin(arm) in (tuple, list, set, frozenset):
        return "list of " + _plural(_takes(shape.item_of(arm)))
    if get_origin(arm) is dict:
        return "mapping"
    if get_origin(arm) is Annotated:
        return _takes(get_args(arm)[0], get_args(arm)[1:])
    plain: Mapping[Any, str] = {
        bool: "true, false",
        int: "whole number",
        float: "number",
        Decimal: "number",
        str: "text",
        Path: "path",
        timedelta: "duration",
        SecretStr: "text (secret)",
    }
    if isinstance(arm, type) and issubclass(arm, FormatSpec):
        return "name, or mapping with `type`"
    if isinstance(arm, type) and issubclass(arm, Settings) and arm.takes is not None:
        return arm.takes.render("en")
    return plain.get(arm, "mapping" if isinstance(arm, type) and issubclass(arm, BaseModel) else "text")


def _plural(word: str) -> str:
    return {"text": "texts", "path": "paths", "whole number": "whole numbers"}.get(word, word)


def _default(info: FieldInfo) -> str:
    if info.is_required():
        return "**required**"
    value = info.get_default(call_default_factory=True, validated_data={})
    if value is None or value is PydanticUndefined or value in ("", (), {}) or isinstance(value, BaseModel):
        return f"`{value.type}`" if isinstance(value, FormatSpec) else "–"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, timedelta):
        return f"`{duration(value)}`"
    if isinstance(value, tuple | list | frozenset):
        return ", ".join(f"`{item}`" for item in value)
    if any(getattr(mark, "func", None) is parse_size for mark in info.metadata) and value % 1_000_000 == 0:
        return f"`{value // 1_000_000} MB`"
    return _code(value.as_posix() if isinstance(value, Path) else value)


def _code(value: object) -> str:
    """As code, with what cannot be seen written out."""
    shown = str(value).replace("\n", "\\n").replace("\t", "\\t")
    return f"`{shown}`"


def main() -> int:
    """Writes the tables of ``docs/config.md`` of the checkout (or of the page that is named)."""
    from pipeline.transports import TRANSPORTS

    page = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parents[2] / "docs" / "config.md"
    made = with_tables(page.read_text(encoding="utf-8"), built_in(load_registry()), TRANSPORTS)
    page.write_text(made, encoding="utf-8", newline="\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
