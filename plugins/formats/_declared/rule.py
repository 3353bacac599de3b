"""One line of a mapping: from where a value comes, and what is done to it on its way."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, GetJsonSchemaHandler, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from pipeline.api import Settings, T
from plugins.formats._declared.convert import Convert, or_shorter

#: What a field of the order holds; it decides how a text is read, and which texts can be its value at all.
KindName = Literal[
    "text", "note", "decimal", "percent", "moment", "day", "flag", "status", "paid", "service", "party", "currency"
]  # fmt: skip
Loc = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Kind:
    """Marks a field of a mapping with what it holds. Without it: a text in one line."""

    name: KindName


def _one_or_many(value: object) -> object:
    return (value,) if isinstance(value, str) else value


class Rule(Settings):
    """Where a value comes from: a path, a list of paths (the first that has something is taken), or these keys."""

    takes = T("a path, a list of paths, or a mapping of keys")

    path: Annotated[tuple[str, ...], BeforeValidator(_one_or_many)] = ()
    """A path, or a list of them: the first that has something is taken. What a path looks like, the format says."""
    join: str | None = None
    """Everything that all of the paths have is put together with this between it."""
    value: str | None = None
    """The same value always, written plainly: `UAH`, `20`, `2026-11-28`, `true`."""
    default: str | None = None
    """The value, written plainly, where the paths have nothing."""
    convert: Annotated[tuple[Convert, ...], BeforeValidator(lambda v: v if isinstance(v, (list, tuple)) else (v,))] = ()
    """What is done to it first: a word such as `upper`, a mapping such as `{regex: "№(.*)"}`, or a list of them."""
    table: dict[str, str] = Field(default_factory=dict)
    """What the file says -> the value, written plainly; case does not count. `*` in what it says stands for anything:
    `"*Нова Пошта*"`, and `"*"` alone for everything else."""
    keep: bool = False
    """What is not in `table` is taken as it is; else the order is held."""
    required: bool = False
    """An order without it is held."""

    @model_validator(mode="before")
    @classmethod
    def _paths_alone(cls, value: object) -> object:
        return {"path": value} if isinstance(value, (str, list, tuple)) else value

    @model_validator(mode="after")
    def _makes_sense(self) -> Rule:
        if bool(self.path) == (self.value is not None):
            raise ValueError(
                T("A field has either `path` or `value`."), T("Write a path, or `{value: …}` for the same always.")
            )
        if self.value is not None and (self.default is not None or self.table or self.convert or self.required):
            raise ValueError(T("With `value` nothing else is needed: it is taken as it is."))
        if any(not path.strip() for path in self.path):
            raise ValueError(T("The path is empty."))
        if self.default is not None and self.required:
            raise ValueError(T("`required` has no meaning where there is a `default`."))
        if self.keep and not self.table:
            raise ValueError(T("`keep` belongs to `table`."))
        return self

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """For editors: a path, a list of paths, or the mapping."""
        whole = super().__get_pydantic_json_schema__(schema, handler)
        mapping = handler.resolve_ref_schema(whole)
        paths: list[JsonSchemaValue] = [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]
        for name, short in (("path", paths[0]), ("convert", mapping["properties"]["convert"]["items"])):
            many = mapping["properties"][name]
            meaning = many.pop("description")
            mapping["properties"][name] = {"description": meaning, "anyOf": [short, many]}
        or_shorter(mapping, *paths)
        return whole

    def last(self, kind: str) -> Convert | None:
        """The converter that says how a value of this kind (``number``, ``date``, ``flag``) is written, if any does."""
        return next((one for one in reversed(self.convert) if one.kind == kind), None)


def rules(settings: Settings, loc: Loc = ()) -> Iterator[tuple[Loc, KindName, Rule]]:
    """Every rule of a mapping with its place in the YAML and what its field holds."""
    for name, info in type(settings).model_fields.items():
        kind: KindName = next((mark.name for mark in info.metadata if isinstance(mark, Kind)), "text")
        here: Loc = (*loc, info.alias or name)
        match getattr(settings, name):
            case Rule() as rule:
                yield here, kind, rule
            case Settings() as inner:
                yield from rules(inner, here)
            case tuple() as several:
                for index, one in enumerate(several):
                    if isinstance(one, Settings) and not isinstance(one, Convert):
                        yield from rules(one, (*here, index))
            case Mapping() as named:
                for key, one in named.items():
                    if isinstance(one, Rule):
                        yield (*here, key), kind, one
