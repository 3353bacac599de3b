"""Looks into settings classes: what a field takes, what it names, what a data path means."""

from __future__ import annotations

import types
from collections.abc import Iterable, Iterator
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from pipeline.config.yaml import Mapping, Node, Scalar, Sequence
from pipeline.flow import FormatSpec
from pipeline.settings import Names

Loc = tuple[str | int, ...]
#: Members of a union that take a bool as it is.
_ANY: tuple[object, ...] = (bool, object, Any)


def key_of(name: str, info: FieldInfo) -> str:
    """The key by which the YAML knows a field."""
    return info.alias or name


def keys_of(model: type[BaseModel]) -> list[str]:
    """Every key of a settings class."""
    return [key_of(name, info) for name, info in model.model_fields.items()]


def field_of(model: type[BaseModel], key: str) -> FieldInfo | None:
    """The field that takes ``key``."""
    name = name_of(model, key)
    return None if name is None else model.model_fields[name]


def name_of(model: type[BaseModel], key: str) -> str | None:
    """The attribute that takes ``key``."""
    for name, info in model.model_fields.items():
        if key in (key_of(name, info), name):
            return name
    return None


def arms(annotation: Any) -> Iterator[Any]:
    """The members of a union, with ``Annotated`` taken off; anything else alone."""
    origin: Any = get_origin(annotation)
    if origin is Annotated:
        yield from arms(get_args(annotation)[0])
    elif origin in (Union, types.UnionType):
        for arg in get_args(annotation):
            yield from arms(arg)
    else:
        yield annotation


def models_in(annotation: Any) -> list[type[BaseModel]]:
    """The settings classes among the members."""
    return [arm for arm in arms(annotation) if isinstance(arm, type) and issubclass(arm, BaseModel)]


def item_of(annotation: Any) -> Any:
    """What a list (or the values of a mapping) of this annotation holds; Any when that is not known."""
    for arm in arms(annotation):
        args = [arg for arg in get_args(arm) if arg is not Ellipsis]
        origin: Any = get_origin(arm)
        if args and origin is not Literal and isinstance(origin, type):
            return args[-1]
    return Any


def data_for(annotation: Any, node: Node) -> Any:
    """The node's data as pydantic should see it: ``true`` stays text where the field takes no bool."""
    match node:
        case Scalar(value=bool()):
            return node.value if _takes_bool(annotation) else node.text
        case Scalar():
            return node.value
        case Sequence():
            item = item_of(annotation)
            return [data_for(item, child) for child in node.items]
        case Mapping():
            models = models_in(annotation)
            item = item_of(annotation)
            data: dict[str, Any] = {}
            for key, entry in node.entries.items():
                info = next((found for model in models if (found := field_of(model, key))), None)
                data[key] = data_for(info.annotation if info else item, entry.node)
            return data


def _takes_bool(annotation: Any) -> bool:
    for arm in arms(annotation):
        if arm in _ANY:
            return True
        if get_origin(arm) is Literal and any(isinstance(arg, bool) for arg in get_args(arm)):
            return True
    return False


def names_in(annotation: Any, metadata: Iterable[Any] = ()) -> Names | None:
    """The ``Names`` mark of a field, also inside unions and lists."""
    for mark in metadata:
        if isinstance(mark, Names):
            return mark
    if get_origin(annotation) is Annotated:
        inner, *marks = get_args(annotation)
        return names_in(inner, marks)
    for arg in get_args(annotation):
        found = names_in(arg) if get_origin(annotation) is not Literal else None
        if found:
            return found
    return None


def references(model: type[BaseModel], node: Node, path: Loc = ()) -> Iterator[tuple[Loc, str, Names]]:
    """Every name of a connection in data meant for ``model``, right or wrong: (data path, name, what it must be)."""
    if not isinstance(node, Mapping):
        return
    for key, entry in node.entries.items():
        info = field_of(model, key)
        if info is None:
            continue
        names = names_in(info.annotation, info.metadata)
        if names:
            yield from ((loc, text, names) for loc, text in _texts(entry.node, (*path, key)))
        else:
            yield from _nested(info.annotation, entry.node, (*path, key))
    for name, info in model.model_fields.items():
        names = names_in(info.annotation, info.metadata)
        if names and isinstance(info.default, str) and not {name, key_of(name, info)} & node.entries.keys():
            yield (*path, key_of(name, info)), info.default, names


def _texts(node: Node, path: Loc) -> Iterator[tuple[Loc, str]]:
    match node:
        case Scalar() if node.value is not None:
            yield path, node.text
        case Sequence():
            for index, item in enumerate(node.items):
                yield from _texts(item, (*path, index))
        case Mapping():
            for key, entry in node.entries.items():
                yield from _texts(entry.node, (*path, key))


def _nested(annotation: Any, node: Node, path: Loc) -> Iterator[tuple[Loc, str, Names]]:
    match node:
        case Mapping():
            models = models_in(annotation)
            for model in models:
                yield from references(model, node, path)
            for key, entry in node.entries.items() if not models else ():
                yield from _nested(item_of(annotation), entry.node, (*path, key))
        case Sequence():
            for index, item in enumerate(node.items):
                yield from _nested(item_of(annotation), item, (*path, index))


def format_fields(model: type[BaseModel]) -> list[str]:
    """Keys of the fields that choose a format."""
    return [
        key_of(name, info)
        for name, info in model.model_fields.items()
        if any(issubclass(found, FormatSpec) for found in models_in(info.annotation))
    ]


def model_at(model: type[BaseModel], loc: Loc) -> list[type[BaseModel]]:
    """The settings classes that a data path below ``model`` may mean."""
    here: list[Any] = [model]
    for part in loc:
        after: list[Any] = []
        for annotation in here:
            if isinstance(part, int):
                after.append(item_of(annotation))
                continue
            for found in models_in(annotation):
                info = field_of(found, part)
                if info:
                    after.append(info.annotation)
            if not models_in(annotation):
                after.append(item_of(annotation))
        here = after
    # where a list may stand, some settings take one of it alone
    return [found for annotation in here for found in models_in(annotation) or models_in(item_of(annotation))]
