"""Where a dotted key leads (``jobs.orders.steps.0.inbox``): the settings class that takes it, and what stands there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from collections.abc import Mapping as Plain
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from pipeline.config import shape
from pipeline.config.build import ALIASES, short_form
from pipeline.config.check import OWN_FIELDS, known_keys
from pipeline.config.model import ClientConfig
from pipeline.config.shape import Loc
from pipeline.config.suggest import one_of
from pipeline.config.yaml import Mapping, Mark, Node, Scalar, Sequence
from pipeline.errors import ConfigError
from pipeline.flow import FormatSpec
from pipeline.registry import Registry
from pipeline.settings import Settings
from pipeline.texts import T


@dataclass(frozen=True, slots=True)
class Place:
    """What a key leads to.

    ``models``: the settings classes whose keys may stand below it. ``owner`` and ``field``: what declares it; None for
    a name of the admin's own. ``node``: what is written there, None when nothing is.
    """

    path: Loc
    models: tuple[type[BaseModel], ...]
    annotation: Any
    owner: type[BaseModel] | None = None
    field: FieldInfo | None = None
    node: Node | None = None
    mark: Mark | None = None  #: of the key, or of the item


class Places:
    """The places of one config. ``root``: as it is written, includes merged, or None when there is no config."""

    def __init__(self, root: Mapping | None, registry: Registry, transports: Plain[str, type[Settings]]) -> None:
        self.root = root
        self._registry = registry
        self._connections: dict[str, type[Settings]] = {
            **{alias: transports[real] for alias, (real, _) in ALIASES.items() if real in transports},
            **{name: plugin.settings for name, plugin in registry.systems.items()},
            **transports,
        }

    def find(self, key: str) -> Place:
        """The place of a dotted key; of a plugin's parameter (``import-orders.inbox``) when it begins with its name.

        Raises ConfigError with what was probably meant.
        """
        words = re.sub(r"\[(\d+)\]", r".\1", key.strip()).strip(".").split(".")
        if not words[0]:
            raise ConfigError(T("A key is a word, such as `jobs.orders.every`."))
        root = Place((), (ClientConfig,), ClientConfig, node=self.root)
        known = known_keys(ClientConfig, top=True)
        if words[0] not in known and not (self.root and words[0] in self.root.entries):
            plugin = self._plugins().get(words[0])
            if plugin is None:
                raise _unknown(words[0], {*known, *self._plugins()})
            root = Place((words[0],), (plugin,), plugin)
            words = words[1:]
        place = root
        while words:
            place, words = self._below(place, words)
        return place

    def _plugins(self) -> dict[str, type[Settings]]:
        registry = self._registry
        kinds = (registry.channels, registry.formats, registry.systems, registry.steps)
        found = dict(self._connections)
        for kind in kinds:
            found.update({name: plugin.settings for name, plugin in kind.items()})
        return found

    def uses(self, plugin: str) -> Iterator[Place]:
        """Where the config has a step, a connection or a channel of this plugin."""
        for head in (("connections",), ("jobs",), ("alerts", "channels")):
            for place in self._all(self._reach(head)):
                if self._word(place.node, "step" if place.path[0] == "jobs" else "type") == plugin:
                    yield place

    def _reach(self, path: tuple[str, ...]) -> Place | None:
        place = Place((), (ClientConfig,), ClientConfig, node=self.root)
        for part in path:
            entry = place.node.entries.get(part) if isinstance(place.node, Mapping) else None
            if entry is None:
                return None
            place = self._at(place, part, entry.node, entry.key_mark)
        return place

    def _all(self, above: Place | None) -> Iterator[Place]:
        node = above.node if above is not None else None
        if above is None or node is None or len(above.path) > 3:
            return
        children: list[tuple[str | int, Node, Mark]] = []
        if isinstance(node, Mapping):
            children = [(key, entry.node, entry.key_mark) for key, entry in node.entries.items()]
        elif isinstance(node, Sequence):
            children = [(index, item, item.mark) for index, item in enumerate(node.items)]
        for part, child, mark in children:
            try:
                place = self._at(above, part, child, mark)
            except ConfigError:
                continue  # a wrong key: `mistok check` tells it
            yield place
            yield from self._all(place)

    def _below(self, place: Place, words: list[str]) -> tuple[Place, list[str]]:
        node = place.node
        if isinstance(node, Mapping):
            # names of the admin's own may have dots in them
            for taken in range(len(words), 0, -1):
                name = ".".join(words[:taken])
                if name in node.entries:
                    entry = node.entries[name]
                    return self._at(place, name, entry.node, entry.key_mark), words[taken:]
        if isinstance(node, Sequence) and words[0].isdigit():
            if int(words[0]) >= len(node.items):
                raise ConfigError(
                    T("`{key}` has no item {item}: they are counted from 0.", key=_said(place.path), item=words[0])
                )
            item = node.items[int(words[0])]
            return self._at(place, int(words[0]), item, item.mark), words[1:]
        return self._at(place, int(words[0]) if words[0].isdigit() else words[0], None, None), words[1:]

    def _at(self, place: Place, part: str | int, node: Node | None, mark: Mark | None) -> Place:
        path = (*place.path, part)
        if isinstance(part, str):
            for model in place.models:
                info = shape.field_of(model, part)
                if info is not None and not (model is ClientConfig and part in OWN_FIELDS):
                    annotation = info.annotation
                    models = self._models(path, annotation, node)
                    return Place(path, models, annotation, model, info, node, mark)
            if place.models and not any(self._free(model) for model in place.models) and self._strict(place):
                raise _unknown(part, {key for model in place.models for key in known_keys(model)}, _said(place.path))
        if node is None and isinstance(part, str) and isinstance(place.node, Mapping) and not place.models:
            raise _unknown(part, set(place.node.entries), _said(place.path))
        item = shape.item_of(place.annotation)
        return Place(path, self._models(path, item, node), item, node=node, mark=mark)

    def _strict(self, place: Place) -> bool:
        """Whether the keys below are those of a class, and none of the admin's own."""
        return any(isinstance(arm, type) and issubclass(arm, BaseModel) for arm in shape.arms(place.annotation))

    def _free(self, model: type[BaseModel]) -> bool:
        return model is not ClientConfig and model.model_config.get("extra") == "allow"

    def _models(self, path: Loc, annotation: Any, node: Node | None) -> tuple[type[BaseModel], ...]:
        """The classes below ``path``: what is written there says which plugin's they are."""
        kind = self._word(node, "step" if len(path) > 2 and path[0] == "jobs" else "type")
        registry = self._registry
        match path:
            case ("connections", str()) if kind in self._connections:
                return (self._connections[kind],)
            case ("jobs", str(), "steps", int()) if kind in registry.steps:
                return (registry.steps[kind].settings,)
            case ("alerts", "channels", int()) if kind in registry.channels:
                return (registry.channels[kind].settings,)
        models = shape.models_in(annotation)
        if any(issubclass(model, FormatSpec) for model in models) and node is not None:
            chosen = short_form(node) if isinstance(node, Mapping) else None
            name = chosen[0] if chosen else self._word(node, "type")
            if name in registry.formats:
                return (registry.formats[name].settings, *models)
        return tuple(models)

    def _word(self, node: Node | None, key: str) -> str:
        if isinstance(node, Mapping):
            node = node.get(key)
        return node.text if isinstance(node, Scalar) else ""


def _said(path: Loc) -> str:
    return ".".join(str(part) for part in path)


def _unknown(word: str, known: set[str], below: str = "") -> ConfigError:
    text = (
        T("Key `{key}` is not known below `{place}`.", key=word, place=below)
        if below
        else T("Key `{key}` is not known here.", key=word)
    )
    return ConfigError(text, hint=one_of(word, known), code="config-unknown-key")


def mark_of(root: Node | None, *keys: str | int) -> Mark | None:
    """Where this key or item stands; where what it would stand in does when it is not written itself; else None."""
    mark, node = None, root
    for key in keys:
        if isinstance(node, Mapping) and key in node.entries:
            entry = node.entries[str(key)]
            mark, node = entry.key_mark, entry.node
        elif isinstance(node, Sequence) and isinstance(key, int) and key < len(node.items):
            node = node.items[key]
            mark = node.mark
        else:
            break
    return mark
