"""Which accounting a new client has: what a connection to it needs, read from its own settings.

Nothing is known here of any vendor. What must be there is asked, secrets stay out of the config, the rest has its
defaults; a system that needs more than a few words (tables of one's own) is not offered.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

from pipeline.errors import ConfigError
from pipeline.texts import T, Text

if TYPE_CHECKING:
    from pydantic import BaseModel

    from pipeline.flow import SystemPlugin
    from pipeline.registry import Registry

#: What is there without anything; and the connection that the site's files lie on.
BOOKS, SITE = "books", "site"


@dataclass(frozen=True, slots=True)
class Wanted:
    """One setting that a connection must have. ``key``: dotted, as under its connection."""

    key: str
    about: Text
    secret: bool = False
    fixed: str = ""  #: what it is in any case
    kind: Any = None  #: what pydantic checks it by

    def trouble(self, answer: str) -> Text | None:
        """What is wrong with an answer, or None."""
        from pydantic import TypeAdapter, ValidationError

        from pipeline.config.words import explain

        try:
            TypeAdapter(self.kind).validate_python(answer)
        except ValidationError as error:
            _code, words, hint = explain(error.errors()[0])
            return T("{one} {other}", one=words, other=hint) if hint else words
        return None


@dataclass(frozen=True, slots=True)
class Accounting:
    """The accounting of a client. ``given``: settings by their dotted keys; secrets among them go into ``secrets/``."""

    type: str = BOOKS
    given: Mapping[str, str] = field(default_factory=dict, repr=False)
    wanted: tuple[Wanted, ...] = ()
    about: Text = field(default_factory=lambda: T("the embedded accounting"))
    products: bool = True  #: whether it can tell its products

    @property
    def embedded(self) -> bool:
        """Whether it is the one that comes along."""
        return self.type == BOOKS

    def file_of(self, one: Wanted) -> str:
        """Where a secret that was given is kept."""
        return f"secrets/{self.type}-{one.key.rpartition('.')[2]}"

    def variable_of(self, one: Wanted) -> str:
        """The variable of the environment that a secret which was not given is taken from."""
        return f"{self.type}_{one.key.rpartition('.')[2]}".replace("-", "_").upper()

    def secrets(self) -> dict[str, str]:
        """Files of ``secrets/`` with what goes into them."""
        return {self.file_of(one): self.given[one.key] for one in self.wanted if one.secret and self.given.get(one.key)}

    def variables(self) -> list[str]:
        """Variables that are to be set before the config is right."""
        return [self.variable_of(one) for one in self.wanted if one.secret and not self.given.get(one.key)]

    def values(self) -> dict[str, str]:
        """What stands in the config, by dotted keys."""
        told = {}
        for one in self.wanted:
            if one.secret:
                given = self.given.get(one.key)
                told[one.key] = f"${{file:{self.file_of(one)}}}" if given else f"${{env:{self.variable_of(one)}}}"
            else:
                told[one.key] = one.fixed or self.given[one.key]
        return told


def offered(registry: Registry) -> dict[str, SystemPlugin]:
    """The systems that take order documents and can be begun by a few answers, by name; the embedded one first."""
    from pipeline.capabilities import capabilities

    found = {
        name: plugin
        for name, plugin in sorted(registry.systems.items())
        if "documents" in capabilities(plugin) and wanted(plugin) is not None
    }
    return {BOOKS: found.pop(BOOKS), **found} if BOOKS in found else found


def wanted(plugin: SystemPlugin) -> tuple[Wanted, ...] | None:
    """What a connection to it must be told; None when that is more than a few words."""
    try:
        return tuple(_wanted(plugin.settings, "", plugin.begins))
    except _TooMuch:
        return None


class _TooMuch(Exception):
    pass


def _wanted(model: type[BaseModel], before: str, begins: tuple[str, ...]) -> Iterator[Wanted]:
    from pydantic import SecretStr

    from pipeline.config.shape import arms, key_of, models_in, names_in
    from pipeline.settings import described, meaning

    for name, info in model.model_fields.items():
        if not info.is_required() and name not in begins:
            continue
        key = f"{before}{key_of(name, info)}"
        if models := models_in(info.annotation):
            if len(models) > 1 or name not in begins:
                raise _TooMuch
            yield from _wanted(models[0], f"{key}.", ())
            continue
        types = [one for one in arms(info.annotation) if one is not type(None)]
        if types not in ([str], [SecretStr]):
            raise _TooMuch
        named = names_in(info.annotation, info.metadata)
        kind = Annotated[info.annotation, *info.metadata] if info.metadata else info.annotation
        fixed = SITE if named is not None and named.kind != "system" else ""
        yield Wanted(key, described(meaning(model, name)), types == [SecretStr], fixed, kind)


def chosen(registry: Registry, name: str, given: Mapping[str, str]) -> Accounting:
    """That accounting with these settings. Raises ConfigError for what does not fit, or is not there."""
    from pydantic import ValidationError

    from pipeline.capabilities import capabilities
    from pipeline.config.suggest import one_of
    from pipeline.config.words import explain

    known = offered(registry)
    if name not in known:
        raise ConfigError(
            T("`{value}` is no accounting that can be begun here.", value=name), hint=one_of(name, list(known))
        )
    plugin = known[name]
    asked = wanted(plugin) or ()
    by_key = {one.key: one for one in asked}
    for key in given:
        if key not in by_key or by_key[key].fixed:
            raise ConfigError(
                T("`{key}` is nothing that {name} must be told.", key=key, name=name),
                hint=one_of(key, [one.key for one in asked if not one.fixed and not one.secret]),
            )
    missing = [one.key for one in asked if not (one.secret or one.fixed or given.get(one.key))]
    if missing:
        raise ConfigError(
            T("{name} must be told: {keys}.", name=name, keys=", ".join(missing)),
            hint=T("Such as: --set {key}=VALUE", key=missing[0]),
        )
    can = capabilities(plugin)
    tells = "products" in can or "catalogue" in can
    made = Accounting(name, dict(given), asked, plugin.summary, tells)
    try:
        plugin.settings.model_validate(nested({**made.values(), **{one.key: "x" * 24 for one in asked if one.secret}}))
    except ValidationError as error:
        _code, words, hint = explain(error.errors()[0])
        where = ".".join(str(part) for part in error.errors()[0]["loc"])
        raise ConfigError(T("{key}: {words}", key=where or name, words=words), hint=hint) from error
    return made


def nested(values: Mapping[str, str]) -> dict[str, Any]:
    """Dotted keys as mappings in one another."""
    made: dict[str, Any] = {}
    for key, value in values.items():
        *folders, last = key.split(".")
        place = made
        for folder in folders:
            place = place.setdefault(folder, {})
        place[last] = value
    return made
