"""A small registry and transports of the tests' own, so that the config room is tested without its neighbours."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field, SecretStr

from pipeline.config.load import load_config
from pipeline.config.model import ClientConfig
from pipeline.errors import ConfigError
from pipeline.flow import (
    ChannelPlugin,
    FormatPlugin,
    FreeStep,
    InboundSettings,
    InboundStep,
    NothingToDo,
    OutboundSettings,
    OutboundStep,
    StepPlugin,
    StepResult,
    SystemPlugin,
    Wanted,
)
from pipeline.registry import Registry
from pipeline.settings import Names, Settings, SystemName
from pipeline.texts import T


class LocalSettings(Settings):
    """A folder."""

    path: str
    """Where it is."""


class SftpSettings(Settings):
    """A server."""

    host: str
    """Name or address."""
    port: Annotated[int, Field(ge=1, le=65535)] = 22
    """Port."""
    user: str = ""
    password: SecretStr | None = None


class FtpSettings(SftpSettings):
    """An FTP server."""

    tls: Literal["none", "explicit", "implicit"] = "none"
    passive: bool = True


class BooksSettings(Settings):
    """Books."""

    url: str = "sqlite:///books.sqlite3"
    seed: str | None = None


class Taken(Settings):
    """A value taken from elsewhere."""

    source: Literal["name", "number"] = Field(alias="from")


class ImportSettings(InboundSettings):
    """Orders in."""

    executor: str | Taken | None = None

    user: str = ""
    mirror: Annotated[str, Names("connection")] | None = None


class ExportSettings(OutboundSettings):
    """Catalogue out."""


class TidySettings(Settings):
    """A step of a client's own."""

    systems: tuple[SystemName, ...] = ()
    words: dict[str, str] = Field(default_factory=dict)
    flags: tuple[bool | str, ...] = ()


class CsvSettings(Settings):
    """CSV."""

    profile: Literal["core", "extended", "stock"] = "core"
    limit: int | None = None


class DesktopSettings(Settings):
    """Popups."""

    timeout: int = 5


class OrderCode:
    """Decodes nothing."""

    def decode(self, data: bytes, settings: Any, context: Any) -> Any:
        raise NotImplementedError

    def complete(self, tail: bytes, settings: Any) -> bool:
        raise NotImplementedError


class CsvCode:
    """Encodes nothing."""

    def fields(self, settings: Any, languages: Any = ()) -> Any:
        raise NotImplementedError

    def encode(self, batches: Any, settings: Any, context: Any = None) -> Any:
        raise NotImplementedError

    def checker(self, settings: Any, context: Any = None) -> Any:
        raise NotImplementedError


def _never(*_args: Any) -> Any:
    raise NotImplementedError


TRANSPORTS: Mapping[str, type[Settings]] = {"local": LocalSettings, "sftp": SftpSettings, "ftp": FtpSettings}
INBOUND = InboundStep(
    normalise=lambda order, _settings, _context: order,
    validate=lambda _order, _settings, _context: (),
    wanted=lambda _order, _settings, _context: Wanted(),
    plan=lambda _order, _key, _settings, _context, _found: NothingToDo(T("nothing to do")),
)


def small_registry() -> Registry:
    """One plugin of each kind, and two formats."""
    word = T("For tests.")
    return Registry(
        formats={
            "order-xml": FormatPlugin("order-xml", word, OrderCode()),
            "joomshopping-csv": FormatPlugin("joomshopping-csv", word, CsvCode(), CsvSettings),
        },
        systems={"books": SystemPlugin("books", word, BooksSettings, _never)},
        steps={
            "import-orders": StepPlugin("import-orders", word, ImportSettings, INBOUND),
            "export-catalogue": StepPlugin("export-catalogue", word, ExportSettings, OutboundStep()),
            "tidy": StepPlugin("tidy", word, TidySettings, FreeStep(lambda _settings, _context: StepResult())),
        },
        channels={"desktop": ChannelPlugin("desktop", word, DesktopSettings, _never)},
        origins={},
    )


Load = Callable[..., ClientConfig]


@pytest.fixture(scope="session")
def registry() -> Registry:
    """See small_registry."""
    return small_registry()


@pytest.fixture(scope="session")
def transports() -> Mapping[str, type[Settings]]:
    """Types of connections of these tests."""
    return TRANSPORTS


@pytest.fixture
def load(tmp_path: Path, registry: Registry) -> Load:
    """Writes the text as ``config.yaml`` (further files by keyword ``files``) and loads it."""

    def one(
        text: str | bytes, *, files: Mapping[str, str] | None = None, environ: Mapping[str, str] | None = None
    ) -> ClientConfig:
        path = tmp_path / "config.yaml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8"))
        for name, words in (files or {}).items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(words, encoding="utf-8", newline="")
        return load_config(path, environ=environ or {}, registry=registry, transports=TRANSPORTS)

    return one


@pytest.fixture
def mistakes(load: Load, tmp_path: Path) -> Callable[..., list[str]]:
    """Loads what must fail; gives ``file:line:column key: words -> hint`` lines in English."""

    def lines(text: str | bytes, **options: Any) -> list[str]:
        with pytest.raises(ConfigError) as caught:
            load(text, **options)
        shown = []
        for finding in caught.value.findings:
            where = finding.where
            name = Path(where.file or "").relative_to(tmp_path).as_posix() if where.file else "-"
            hint = f" -> {finding.hint.render('en')}" if finding.hint else ""
            place = f"{name}:{where.line}:{where.column} {where.element or '-'}"
            shown.append(f"{place}: {finding.text.render('en')}{hint}")
        return shown

    return lines
