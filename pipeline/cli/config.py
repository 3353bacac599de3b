"""``mistok config``: what a key means and whence its value comes; what changed between two configs, by meaning."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args, get_origin

import typer

from pipeline.cli import common
from pipeline.cli.orders import AsJson
from pipeline.cli.words import Verb, VerbGroup
from pipeline.texts import T

if TYPE_CHECKING:
    from pipeline.config.places import Place
    from pipeline.config.yaml import Node

group = typer.Typer(
    cls=VerbGroup,
    no_args_is_help=True,
    epilog=str(common.EXIT_CODES),
)
Key = Annotated[
    str,
    typer.Argument(help=str(T("A key: jobs.orders.steps.0.inbox, or import-orders.inbox.")), metavar="KEY"),
]


@group.command(
    "explain",
    cls=Verb,
    help=str(T("Tell what a key means, what it takes, its value now and the line that it is from.")),
    epilog=str(common.EXIT_CODES),
)
def explain(context: typer.Context, key: Key, as_json: AsJson = False) -> None:
    """What a key means, and its value now."""
    with common.cards(as_json=as_json):
        row = explained(common.options(context).config, key)
        if as_json:
            common.print_json(row)
            return
        _show(row)


def explained(path: Path, key: str) -> dict[str, Any]:
    """All that is known of a key of the config at ``path`` (which may be wrong, or not there), secrets masked."""
    from pipeline.config.check import known_keys
    from pipeline.config.includes import look_at_config
    from pipeline.config.load import FILE_NAME, plugin_folder
    from pipeline.config.model import ClientConfig
    from pipeline.config.places import Places
    from pipeline.errors import ConfigError
    from pipeline.registry import load_what_loads
    from pipeline.transports import TRANSPORTS

    if path.is_dir():
        path = path / FILE_NAME
    folder, root = None, None
    if path.exists():
        root = look_at_config(path).root
        try:
            folder = plugin_folder(path)
        except ConfigError:
            folder = path.resolve().parent / "plugins"
    registry, _broken = load_what_loads(folder if folder and folder.is_dir() else None)
    places = Places(root, registry, TRANSPORTS)
    place = places.find(key)
    row = _row(place, path)
    if place.path[0] not in known_keys(ClientConfig, top=True) and not (root and place.path[0] in root.entries):
        row["source"] = ""
        row["uses"] = [_use(used, place, path) for used in places.uses(str(place.path[0]))]
    return row


def _use(used: Place, wanted: Place, path: Path) -> dict[str, Any]:
    """One place of a plugin in the config: the value there of the parameter that is asked for, or of all."""
    from pipeline.config.yaml import Mapping

    node, mark, secret = used.node, used.mark, _is_secret(wanted)
    for part in wanted.path[1:]:
        entry = node.entries.get(str(part)) if isinstance(node, Mapping) else None
        if entry is None:
            return {"key": _dotted((*used.path, *wanted.path[1:])), "value": None, "source": "default"}
        node, mark = entry.node, entry.key_mark
    full = (*used.path, *wanted.path[1:])
    assert node is not None
    source = f"{mark.file}:{mark.line}" if mark else str(path)
    return {"key": _dotted(full), "value": _masked(node, secret, full), "source": source}


def _dotted(path: tuple[str | int, ...]) -> str:
    return ".".join(str(part) for part in path)


def _row(place: Place, path: Path) -> dict[str, Any]:
    from pipeline.cli.plugins import parameters
    from pipeline.settings import described

    row: dict[str, Any] = {"key": _dotted(place.path)}
    if place.field is not None and place.owner is not None:
        told = next(
            one
            for one in parameters(place.owner)
            if one["parameter"] == _own_key(place) and "." not in one["parameter"]
        )
        row |= {
            "meaning": told["description"],
            "type": told["type"],
            "required": told["required"],
            "default": told["default"],
            "allowed": _allowed(place.field.annotation),
        }
    elif place.models:
        row["meaning"] = str(described(place.models[0].__doc__))
    row["value"], row["source"] = _now(place, path)
    row["keys"] = [
        {name: one[name] for name in ("parameter", "type", "required", "default", "description")}
        for model in place.models
        for one in parameters(model)
        if "." not in one["parameter"] and one["parameter"] not in _HIDDEN
    ]
    return row


_HIDDEN = frozenset({"base", "source", "config_hash", "secrets"})


def _own_key(place: Place) -> str:
    from pipeline.config import shape

    assert place.owner is not None
    word = str(place.path[-1])
    return next(
        shape.key_of(name, info)
        for name, info in place.owner.model_fields.items()
        if word in (name, shape.key_of(name, info))
    )


def _allowed(annotation: Any) -> list[str]:
    from pipeline.config import shape

    words: list[str] = []
    for arm in shape.arms(annotation):
        if get_origin(arm) is Literal:
            words += [str(word) for word in get_args(arm)]
        elif get_origin(arm) in (tuple, list):
            words += _allowed(shape.item_of(arm))
    return words


def _now(place: Place, path: Path) -> tuple[Any, str]:
    """The value now, and where it is from: ``file:line``, ``default``, or nothing."""
    if place.node is not None and place.mark is not None:
        return _masked(place.node, _is_secret(place), place.path), f"{place.mark.file}:{place.mark.line}"
    if not path.exists() or place.field is None or place.field.is_required():
        return None, ""
    return None, "default"


def _is_secret(place: Place) -> bool:
    from pydantic import SecretBytes, SecretStr

    from pipeline.config import shape

    info = place.field
    return info is not None and any(arm in (SecretStr, SecretBytes) for arm in shape.arms(info.annotation))


#: Keys whose values are hidden wherever they stand: also below a plugin that is not known.
_SECRET_KEY = re.compile(r"(?i)(pass(word|wd|phrase)|secret|token|api_?key|credential)")
_REFERENCE = re.compile(r"\$\{[^}]*\}")


def _masked(node: Node, secret: bool, path: tuple[str | int, ...]) -> Any:
    """What is written, for people: references as they stand, secrets as three dots."""
    from pipeline.config.masking import MASK, mask, url_passwords
    from pipeline.config.yaml import Mapping, Sequence

    match node:
        case Mapping():
            return {key: _masked(entry.node, secret, (*path, key)) for key, entry in node.entries.items()}
        case Sequence():
            return [_masked(item, secret, (*path, index)) for index, item in enumerate(node.items)]
    if node.value is None or isinstance(node.value, bool):
        return node.value
    names = [part for part in path if isinstance(part, str)]
    if secret or (names and _SECRET_KEY.search(names[-1])) or names[-1:] == ["key"]:
        return node.text if _REFERENCE.fullmatch(node.text) and ":-" not in node.text else MASK
    return mask(node.text, frozenset(url_passwords(node.text)))


def _show(row: dict[str, Any]) -> None:
    from rich.text import Text as Rich

    out = common.console()
    out.print(Rich(row["key"], "bold"))
    if row.get("meaning"):
        out.print(f"  {row['meaning']}", markup=False)
    if "type" in row:
        out.print(f"  {T('takes: {what}', what=row['type'])}", markup=False)
        default = T("it must be given") if row["required"] else T("default: {value}", value=row["default"])
        out.print(f"  {default}", markup=False)
    if row["source"] and row["source"] != "default":
        now = T("now: {value}, from {place}", value=_seen(row["value"]), place=row["source"])
        out.print(f"  {now}", markup=False, soft_wrap=True)
    elif row["source"]:
        out.print(f"  {T('now: the default, as the config does not name it')}", markup=False)
    for used in row.get("uses", ()):
        value = T("the default") if used["source"] == "default" else _seen(used["value"])
        line = f"{used['key']}: {value}" + ("" if used["source"] == "default" else f" ({used['source']})")
        out.print(f"  {line}", markup=False, soft_wrap=True)
    if row["keys"]:
        common.table(
            (
                ("parameter", T("Parameter")),
                ("type", T("Type")),
                ("default", T("Default")),
                ("description", T("Meaning")),
            ),
            [{**one, "default": T("required") if one["required"] else one["default"]} for one in row["keys"]],
            empty=T("No parameters."),
        )


def _seen(value: Any) -> str:
    import json

    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


# --- what changed ------------------------------------------------------------------------------------------------


@group.command(
    "diff",
    cls=Verb,
    help=str(T("Tell what changed between two configs by meaning; by default, from what runs to what is written.")),
    epilog=str(common.EXIT_CODES),
)
def diff(
    context: typer.Context,
    old: Annotated[
        Path | None, typer.Argument(help=str(T("The old config; what ran last, when not given.")), show_default=False)
    ] = None,
    new: Annotated[
        Path | None, typer.Argument(help=str(T("The new one; the client's, when not given.")), show_default=False)
    ] = None,
    as_json: AsJson = False,
) -> None:
    """What changed, by meaning."""
    with common.cards(as_json=as_json):
        from pipeline.cli.config_diff import changes, of_files, ran_last

        chosen = common.options(context)
        if old is None:
            config = common.load(context)
            before, since = ran_last(config)
            rows = changes(before, None, config)
        else:
            since = None
            rows = of_files(old, new or chosen.config)
        if as_json:
            common.print_json(rows)
            return
        out = common.console()
        if since is not None:
            out.print(str(since), markup=False, soft_wrap=True)
        if not rows:
            out.print(str(T("Nothing changed in what the config means.")))
        for line in _lines(rows):
            out.print(line, markup=False, soft_wrap=True)


def _lines(rows: list[dict[str, Any]]) -> Iterator[str]:
    for row in rows:
        match row["change"]:
            case "added":
                yield f"+ {row['key']}: {_seen(row['new'])}"
            case "removed":
                yield f"- {row['key']}: {_seen(row['old'])}"
            case _:
                yield f"~ {row['key']}: {_seen(row['old'])} → {_seen(row['new'])}"
        for effect in row["effects"]:
            yield f"    {effect}"
