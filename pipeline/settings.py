"""How parameters are written: the base of every plugin's settings, and the kinds of values that they share."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from importlib.util import find_spec
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, SecretStr, WithJsonSchema

from pipeline.texts import T, Text

if TYPE_CHECKING:
    from pydantic import GetJsonSchemaHandler
    from pydantic.json_schema import JsonSchemaValue
    from pydantic_core import CoreSchema


class Settings(BaseModel):
    """Base of every plugin's and connection's parameters: unknown keys are errors, values never change."""

    # not use_attribute_docstrings: to read each class's source as it is made is a fifth of the time of `mistok check`
    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True, populate_by_name=True)
    #: What may be written in its place, for people, where a mapping of keys is not all that may.
    takes: ClassVar[Text | None] = None

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """The JSON schema, with what each parameter means."""
        made = handler(core_schema)
        properties = handler.resolve_ref_schema(made).get("properties", {})
        for name, info in cls.model_fields.items():
            words, told = meaning(cls, name), properties.get(info.alias or name)
            if words is not None and told is not None:
                told.setdefault("description", words)
        return made


def meaning(model: type[BaseModel], name: str) -> str | None:
    """What a parameter of a settings class means: its ``description``, or else the docstring that stands below it.

    Args:
        model: the class, or one derived from it.
        name: the attribute, not its key of the YAML.
    """
    described_by = model.model_fields[name].description
    if described_by is not None:
        return described_by
    return next((found[name] for one in model.__mro__ if name in (found := _docstrings(one))), None)


@cache
def _docstrings(model: type) -> dict[str, str]:
    """By attribute, the text that stands below it in the source of the class; of this class alone."""
    if "__annotations__" not in vars(model):
        return {}
    try:
        tree = ast.parse(textwrap.dedent("".join(inspect.getsourcelines(model)[0])))
    except (OSError, TypeError, SyntaxError):  # made without a file, or its file is gone or another now
        return {}
    body = tree.body[0].body if tree.body and isinstance(tree.body[0], ast.ClassDef) else []
    return {
        above.target.id: inspect.cleandoc(below.value.value)
        for above, below in pairwise(body)
        if isinstance(above, ast.AnnAssign)
        and isinstance(above.target, ast.Name)
        and isinstance(below, ast.Expr)
        and isinstance(below.value, ast.Constant)
        and isinstance(below.value.value, str)
    }


def described(words: str | None) -> Text:
    """The description of a parameter, or the first paragraph of a class's docstring, as a text of the catalogue."""
    # not T: the words stand in docstrings, where .ci/texts.py finds them
    return Text(" ".join((words or "").split("\n\n")[0].split()))


@dataclass(frozen=True, slots=True)
class Names:
    """Marks a field that names something else of the config, so that a misspelt name is found when it is read."""

    kind: Literal["transport", "system", "connection"]


_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}
_SIZES = {"": 1, "B": 1, "KB": 1000, "MB": 1000**2, "GB": 1000**3, "KIB": 1024, "MIB": 1024**2, "GIB": 1024**3}


def parse_duration(value: object) -> object:
    """``30s``, ``5m``, ``1h30m``, ``250ms``, ``2d`` or seconds -> timedelta. Raises ValueError."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return timedelta(seconds=value)
    if not isinstance(value, str):
        return value
    text = value.strip().lower().replace(" ", "")
    if re.fullmatch(r"\d+(\.\d+)?", text):
        return _seconds(float(text), text)
    parts = re.findall(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)", text)
    if not parts or "".join(n + u for n, u in parts) != text:
        raise ValueError(T("`{value}` is not a duration such as 30s, 5m or 1h30m.", value=value))
    return _seconds(sum(float(n) * _UNITS[u] for n, u in parts), text)


def _seconds(seconds: float, text: str) -> timedelta:
    try:
        return timedelta(seconds=seconds)
    except OverflowError:
        raise ValueError(T("`{value}` is longer than any duration can be.", value=text)) from None


def parse_size(value: object) -> object:
    """``10 MB``, ``512KiB`` or bytes -> int bytes. Raises ValueError."""
    if not isinstance(value, str):
        return value
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([A-Za-z]*)", value.strip())
    if not match or match[2].upper() not in _SIZES:
        raise ValueError(T("`{value}` is not a size such as 10 MB or 512 KiB.", value=value))
    if len(match[1]) > 18:
        raise ValueError(T("`{value}` is larger than any file.", value=value))
    return int(float(match[1]) * _SIZES[match[2].upper()])


Duration = Annotated[
    timedelta,
    BeforeValidator(parse_duration),
    WithJsonSchema(
        {"type": ["string", "number"], "pattern": r"^(\d+(\.\d+)?\s*(ms|s|m|h|d)?\s*)+$", "examples": ["30s"]}
    ),
]
Size = Annotated[
    int,
    BeforeValidator(parse_size),
    WithJsonSchema({"type": ["string", "integer"], "pattern": r"^\d+(\.\d+)?\s*[A-Za-z]*$", "examples": ["10 MB"]}),
]


def parse_database_url(value: str) -> str:
    """A URL of SQLite or PostgreSQL, with the driver that Mistok brings; raises ValueError with text and advice.

    The URL itself is in no message: it may hold a password.
    """
    advice = T("Write `sqlite:///FILE` or `postgresql+psycopg://USER:PASSWORD@HOST/NAME`.")
    scheme, found, rest = value.strip().partition("://")
    if not found or not scheme:
        raise ValueError(T("This is not a database URL."), advice)
    match scheme.lower():
        case "sqlite" | "sqlite+pysqlite":
            if not rest.startswith("/") or not rest.strip("/"):
                raise ValueError(T("This names no file: a URL of SQLite has three slashes before the path."), advice)
            return value.strip()
        case "postgresql" | "postgres" | "postgresql+psycopg":
            # greedy up to the last @, as a hand-written password may hold one
            host = rest.rpartition("@")[2].partition("/")[0]
            port = host.rpartition(":")[2] if ":" in host and not host.endswith("]") else ""
            if port and not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
                raise ValueError(T("The port in this database URL is not a number up to 65535."), advice)
            if find_spec("psycopg") is None:
                raise ValueError(
                    T("The driver of PostgreSQL is not installed."), T("Install it: pip install 'mistok[postgres]'")
                )
            return f"postgresql+psycopg://{rest.rstrip()}"
        case other:
            raise ValueError(
                T("A database of kind `{kind}` cannot be used: SQLite and PostgreSQL can.", kind=other), advice
            )


def one_line_key(value: SecretStr) -> SecretStr:
    """An API key without the blanks around it. Raises ValueError where it is empty or could not stand in a header."""
    key = value.get_secret_value().strip()
    if not key or not key.isascii() or not key.isprintable():
        raise ValueError(T("This is no API key: it is empty, or has characters that no key has."))
    return SecretStr(key)


def service_url(value: str) -> str:
    """The address of a web service that is sent a key, without a slash at its end. Raises ValueError: HTTPS only, but
    for this very machine.
    """
    parts = urlsplit(value)
    if parts.scheme not in ("https", "http") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError(T("`{value}` is no address of a web service.", value=value))
    if parts.scheme == "http" and parts.hostname not in ("localhost", "127.0.0.1", "::1"):
        raise ValueError(T("The key would travel in the clear: write https."))
    return value.rstrip("/")


ApiKey = Annotated[SecretStr, AfterValidator(one_line_key)]
ServiceUrl = Annotated[str, AfterValidator(service_url)]
DatabaseUrl = Annotated[str, AfterValidator(parse_database_url), WithJsonSchema({"type": "string"})]
TransportName = Annotated[str, Names("transport")]
SystemName = Annotated[str, Names("system")]
