"""The typed config of one client. The loader makes it from YAML; the rest of the engine sees only this."""

from __future__ import annotations

import re
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SecretStr,
    SerializeAsAny,
    SerializerFunctionWrapHandler,
    field_validator,
    model_serializer,
)

from pipeline.config.alerts import AlertsConfig
from pipeline.config.masking import mask, mask_any, url_passwords
from pipeline.settings import DatabaseUrl, Duration, Settings, Size
from pipeline.texts import T


def _one_or_many(value: object) -> object:
    """``at: 03:00`` is ``at: ["03:00"]``."""
    return (value,) if isinstance(value, str) else value


class ScheduleSettings(Settings):
    """When a job runs: one of `every`, `at`, `cron`, `watch`; `watch` may be joined with `every` as a safety net."""

    every: Duration | None = None
    """Run at this interval: `30s`, `5m`, `1h`."""
    at: Annotated[tuple[str, ...], BeforeValidator(_one_or_many, json_schema_input_type=str | tuple[str, ...])] = ()
    """Run at these wall-clock times of the client's time zone: `["03:00", "15:00"]`."""
    cron: str | None = None
    """Run by a cron expression in the client's time zone: `30 6 * * 1-5`."""
    watch: bool = False
    """Run as soon as something changes in the inbox; remote inboxes are looked at every `poll`."""
    poll: Duration = timedelta(seconds=10)
    """How often `watch` looks at a remote inbox, and re-scans a local one."""
    catch_up: Literal["last", "all", "none"] = "last"
    """What happens to runs that were missed while nothing ran: the last one, all of them, or none."""
    time_limit: Duration = timedelta(minutes=10)
    """A step that takes longer is ended."""
    enabled: bool = True
    """`false` leaves the job out of `serve`; `mistok run` still runs it."""


class StepSpec(Settings):
    """One step of a job, resolved: the plugin's name and its checked parameters."""

    step: str
    params: Annotated[SerializeAsAny[Settings], Field(repr=False)]
    format_params: Annotated[SerializeAsAny[Settings] | None, Field(repr=False)] = None
    """Checked parameters of `params.format`, when the step has one."""


class JobConfig(ScheduleSettings):
    """A schedule plus steps."""

    steps: tuple[StepSpec, ...]
    """What the job does, one after the other; the next step runs only when the one before it did its work."""


class ConnectionSpec(Settings):
    """One named connection, resolved. ``kind`` says whether a transport or a system answers to it."""

    type: str
    kind: Literal["transport", "system"]
    params: Annotated[SerializeAsAny[Settings], Field(repr=False)]
    format_params: Annotated[SerializeAsAny[Settings] | None, Field(repr=False)] = None
    """Checked parameters of `params.format`, when the connection has one."""


class ArchiveConfig(Settings):
    """Where copies of every file are kept."""

    path: Path = Path("archive")
    """Folder, relative to the config file."""
    keep_days: Annotated[int, Field(ge=1)] | None = None
    """Copies of what was done longer ago than so many days are dropped; without it they are kept for ever."""
    keep_size: Size | None = None
    """When the copies take more room than this, such as `20 GB`, the oldest of what is done are dropped."""
    least_days: Annotated[int, Field(ge=1)] = 30
    """`keep_size` drops nothing that was done in the last so many days."""


class LedgerConfig(Settings):
    """Where the state is kept."""

    url: Annotated[DatabaseUrl, Field(repr=False)] = "sqlite:///ledger.sqlite3"
    """SQLAlchemy URL: `sqlite:///FILE` (relative to the config file) or `postgresql+psycopg://…`."""

    @model_serializer(mode="wrap")
    def _masked(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        hidden: dict[str, Any] = mask_any(handler(self), frozenset(url_passwords(self.url)))
        return hidden


def _is_address(value: str) -> str:
    host, colon, port = value.rpartition(":")
    if not colon or not host or not (port.isascii() and port.isdigit() and int(port) < 65536):
        raise ValueError(T("`{value}` is not an address such as 127.0.0.1:8788.", value=value))
    return value


#: Where to listen.
Address = Annotated[str, AfterValidator(_is_address)]


def host_and_port(listen: str) -> tuple[str, int]:
    """``[::1]:8788`` as ("::1", 8788)."""
    host, _, port = listen.rpartition(":")
    return host.strip("[]"), int(port)


class HooksConfig(Settings):
    """Where systems may post that something has changed."""

    listen: Address = "127.0.0.1:8788"
    """Address and port; put a web server with TLS in front of it to be reached from outside."""
    secret: Annotated[SecretStr, Field(min_length=16)]
    """Part of the address that only the systems know: http://ADDRESS/hooks/CONNECTION/SECRET"""

    def address(self) -> tuple[str, int]:
        """Host and port."""
        return host_and_port(self.listen)


def _networks(value: tuple[str, ...]) -> tuple[str, ...]:
    for one in value:
        try:
            ip_network(one, strict=False)
        except ValueError as error:
            raise ValueError(T("`{value}` is no address and no network.", value=one)) from error
    return value


class WebProxy(Settings):
    """A reverse proxy in front of the page that has asked already who somebody is."""

    trusted: Annotated[
        tuple[str, ...],
        BeforeValidator(_one_or_many, json_schema_input_type=str | tuple[str, ...]),
        Field(min_length=1),
    ]
    """Addresses or networks of the proxy: `127.0.0.1`, `10.0.0.0/8`; nobody else's word on users is believed."""
    user_header: str | None = None
    """Header with the user's name, such as `X-Remote-User`; without it people log in on the page all the same."""
    role: Literal["viewer", "accountant", "support", "admin"] | None = None
    """Role of those whom the proxy names and `mistok users` does not know; without it they are turned away."""

    _are_networks = field_validator("trusted")(_networks)


class WebConfig(Settings):
    """The page: what goes on, and what waits, in a browser."""

    listen: Address = "127.0.0.1:8470"
    """Address and port; reached from this machine only unless told otherwise."""
    url: str | None = None
    """How people reach it from outside, such as `https://mistok.shop.example`; with https, cookies go by https only."""
    idle: Duration = timedelta(hours=2)
    """Who does nothing for so long must log in again."""
    longest: Duration = timedelta(hours=12)
    """The longest that somebody stays logged in."""
    metrics: tuple[str, ...] = ("127.0.0.0/8", "::1/128")
    """Where `/metrics` may be read from without a login: addresses or networks."""
    proxy: WebProxy | None = None
    """A reverse proxy whose word on who somebody is counts."""

    _are_networks = field_validator("metrics")(_networks)

    @field_validator("url")
    @classmethod
    def _is_url(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(r"https?://[^\s/?#]+/?", value):
            raise ValueError(T("`{value}` is not an address such as https://mistok.shop.example.", value=value))
        return value

    def address(self) -> tuple[str, int]:
        """Host and port."""
        return host_and_port(self.listen)


class LogConfig(Settings):
    """The log."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """How much is written."""
    file: Path | None = Path("logs/mistok.log")
    """File, relative to the config file; `null` for none."""
    max_size: Size = 10_000_000
    """A file that has grown to this size is put aside and a new one begun."""
    keep: Annotated[int, Field(ge=1)] = 10
    """How many put-aside files are kept."""
    keep_days: Annotated[int, Field(ge=1, le=3660)] = 30
    """Put-aside files that are older are dropped."""


class ClientConfig(Settings):
    """One client, whole and checked."""

    client: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
    """Short name of the client: Latin letters, digits, `-`, `_`, `.`; it is part of every document's key."""
    timezone: str = "Europe/Kyiv"
    """Time zone of schedules and of times without one, such as `Europe/Kyiv`."""
    language: Literal["uk", "en"] = "uk"
    """Language of messages and notices."""
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")] = "UAH"
    """Currency of amounts that name none, such as `UAH`."""
    catalogue_language: Annotated[str, Field(pattern=r"^[a-z]{2}-[A-Z]{2}$")] = "uk-UA"
    """Language of product texts that name none, such as `uk-UA`."""
    connections: dict[str, ConnectionSpec]
    """Servers, folders and systems, by a name of your own."""
    jobs: dict[str, JobConfig]
    """What runs, by a name of your own."""
    alerts: AlertsConfig = AlertsConfig()
    """Who is told, and how."""
    archive: ArchiveConfig = ArchiveConfig()
    """Where copies of every file are kept."""
    ledger: LedgerConfig = LedgerConfig()
    """Where the state is kept."""
    log: LogConfig = LogConfig()
    """The log."""
    hooks: HooksConfig | None = None
    """Where systems may post that something has changed, so that jobs look at once; none when not given."""
    web: WebConfig | None = None
    """The page for people, offered by `mistok serve`; none when not given."""
    plugins: Path | None = None
    """Folder with the client's own plugins, relative to the config file; `plugins` beside it is used when it exists."""
    #: set by the loader
    base: Path = Path()
    source: Path = Path()
    config_hash: str = ""
    #: every secret value met, for masking; never shown
    secrets: Annotated[frozenset[str], Field(repr=False, exclude=True)] = frozenset()

    @property
    def zone(self) -> ZoneInfo:
        """The client's time zone."""
        return ZoneInfo(self.timezone)

    def path(self, path: Path | str) -> Path:
        """``path`` made absolute from the config's folder."""
        return (self.base / Path(path)).resolve()

    def summary(self) -> dict[str, Any]:
        """The checked config with secrets masked, for people."""
        return self.model_dump(mode="json", exclude={"secrets", "base", "source"})

    @model_serializer(mode="wrap")
    def _masked(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        hidden: dict[str, Any] = mask_any(handler(self), self.secrets)
        return hidden

    def __repr__(self) -> str:
        return mask(super().__repr__(), self.secrets)

    __str__ = __repr__
