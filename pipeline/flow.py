"""The values that walk through the engine, the settings that steps share, and the records by which plugins register.

A plugin module has one or more of these records at module level (``PLUGIN = StepPlugin(…)``, or a tuple ``PLUGINS``);
the registry collects them by kind and name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Protocol

from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    model_validator,
)

from pipeline.errors import Finding
from pipeline.model import Offer, Order
from pipeline.ports import (
    CatalogueFormat,
    Clock,
    DocumentDraft,
    FormatContext,
    Gate,
    GoodsFormat,
    GoodsReader,
    Notifier,
    OrderFormat,
    Pacer,
    Ref,
    System,
    Transport,
    Unread,
    open_gate,
)
from pipeline.ports.choices import Choice
from pipeline.settings import (
    Duration,
    Settings,
    Size,
    SystemName,
    TransportName,
)
from pipeline.texts import T, Text

if TYPE_CHECKING:
    import typer

#: The version of what plugins may import (``pipeline.api``, ``pipeline.testing``): ``MAJOR.MINOR``. MINOR rises with
#: what is added, MAJOR with what is taken away or means something else: see docs/plugins.md. A plugin says by
#: ``MISTOK_API`` at module level which one it was written for; one of another MAJOR, or a later MINOR, is not loaded.
API_VERSION = "1.0"

# --- settings of steps --------------------------------------------------------------------------------------------


class FormatSpec(Settings):
    """``format: NAME``, ``format: {type: NAME, …}`` or ``format: {NAME: {…}}``.

    The config checks the rest by that format's Settings.
    """

    model_config = ConfigDict(extra="allow", frozen=True)

    type: str
    """Name of the format: `mistok plugins` lists them."""

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: object) -> object:
        if isinstance(value, str):
            return {"type": value}
        if isinstance(value, dict) and len(value) == 1 and "type" not in value:
            ((name, inner),) = value.items()
            if isinstance(inner, dict):
                return {**inner, "type": name}
        return value


class Move(Settings):
    """``after: {move: done}``."""

    move: str
    """Folder on the same connection that taken files are moved to; made if missing."""


class Marker(Settings):
    """A second file by which the site says that the first one is whole."""

    suffix: str = ".ok"
    """Name of the marker: the file's name plus this."""


def _sheet_name(value: str) -> str:
    if "/" in value or "\\" in value or not value.endswith(".xlsx"):
        raise ValueError(T("`{value}` is not a file name that ends in .xlsx.", value=value))
    if "{" in value.replace("{day}", "") or "}" in value.replace("{day}", ""):
        raise ValueError(T("`{value}`: only `{{day}}` may stand in braces here.", value=value))
    return value


class InboundSettings(Settings):
    """What every step that takes files in has."""

    inbox: TransportName
    """Connection that the site drops files on."""
    folder: str = ""
    """Folder of the inbox, relative to the connection's root."""
    pattern: str = "*.xml"
    """Which names are taken (shell pattern, case ignored)."""
    ignore: tuple[str, ...] = ("*.part", "*.partial", "*.tmp", "*.filepart", "*.crdownload", ".*", "~*")
    """Names that are still being written, by pattern."""
    min_age: Duration = timedelta(seconds=0)
    """Leave a file alone for this long after our own first look at it."""
    stable: Duration = timedelta(seconds=1)
    """Size and time must be the same over two looks at least this far apart."""
    marker: Marker | None = None
    """Take a file only when its marker file is there too."""
    max_size: Size = 50_000_000
    """A larger file is quarantined unread."""
    stream_from: Size = 2_000_000
    """A file of this size or more is read in parts, in little memory, where its format can do that (`order-xml`, `csv`,
    `json`)."""
    grace: Duration = timedelta(minutes=10)
    """A file whose end is missing is given this long before it is quarantined as truncated."""
    format: FormatSpec = FormatSpec(type="order-xml")
    """How the files are read."""
    after: Literal["delete", "keep"] | Move = "delete"
    """What happens to the remote file once its orders are safe: `delete`, `keep` or `{move: FOLDER}`."""
    rejected: str | None = None
    """Folder on the same connection that quarantined files are moved to; without it they stay where they are."""
    into: SystemName
    """System in which the orders become documents."""
    mappings: dict[
        Literal["sku", "party", "object", "warehouse", "user", "executor", "currency", "status"], dict[str, str]
    ] = Field(default_factory=dict)
    """What orders name -> what the system knows it by, by kind: `{sku: {AB-1: AB1}, warehouse: {Склад 3: main}}`."""
    changed: Literal["hold", "amend", "ignore"] = "hold"
    """What happens when a booked order comes again with other content: `hold` shows a person every difference and
    leaves the document as it is, `amend` brings the document to the new content and tells, `ignore` only writes it
    down."""
    cancelled: Literal["hold", "mark", "ignore"] = "hold"
    """What happens when a booked order comes again as one that needs no document (cancelled, refunded): `hold` asks a
    person, `mark` marks the document cancelled, frees its stock and tells, `ignore` only writes it down."""
    batch: Annotated[int, Field(ge=1, le=1000)] = 150
    """Files that are on their way at once, and share one commit and one sync to disk."""
    quiet_alarm: Literal["learned", "off"] | Duration = "learned"
    """When nothing has come for unusually long: `learned` from the client's own history, a fixed time, or `off`."""


class ImageSettings(Settings):
    """``images:`` of an export: send the image files too."""

    copy_from: TransportName = Field(alias="from")
    """Connection (usually a local folder) that holds the image files."""
    folder: str = ""
    """Folder there."""
    to: str = "images"
    """Folder on the export's connection; only new or changed files are sent."""


class OutboundSettings(Settings):
    """What every step that publishes a file has."""

    source: SystemName = Field(alias="from")
    """System that the catalogue is read from."""
    to: TransportName
    """Connection that the file is published on."""
    folder: str = ""
    """Folder there."""
    name: str = "catalogue.csv"
    """Name of the published file."""
    format: FormatSpec = FormatSpec(type="joomshopping-csv")
    """How the file is written."""
    marker: str | None = None
    """Name of a marker file written after the catalogue, such as `catalogue.ok`."""
    only_changed: bool = True
    """Upload nothing when the file would be the same as the last one published."""
    images: ImageSettings | None = None
    """Send the image files too."""
    min_rows: Annotated[int, Field(ge=0)] = 1
    """Fewer products than this are not published: a person is asked."""
    max_shrink: Annotated[int, Field(ge=0, le=100)] = 50
    """Percent of products that may vanish between two exports before a person is asked."""
    max_price_change: Annotated[Decimal, Field(gt=1)] | None = Decimal(5)
    """How many times higher or lower a price may become between two exports before a person is asked, as for one that
    becomes 0 or vanishes; `null`: prices are not looked at."""


class ReportSettings(Settings):
    """What every step that writes the sheet of a day has."""

    to: TransportName
    """Connection that the workbook is written to."""
    folder: str = ""
    """Folder there."""
    name: Annotated[str, AfterValidator(_sheet_name)] = "report-{day}.xlsx"
    """Name of the workbook; `{day}` stands for the day, such as `2026-11-27`."""
    days_back: Annotated[int, Field(ge=0, le=31)] = 1
    """Which day it is about: `1` is yesterday, in the client's time zone."""
    ask: bool = True
    """Ask the accounting systems what their documents say now; else the sheet has what they said last."""
    tell: bool = False
    """Tell the summary and where the workbook lies, by the channels of `alerts`."""


# --- values that walk --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Wanted:
    """What must be looked up in the target before an order can be planned."""

    products: frozenset[str] = frozenset()
    references: frozenset[tuple[str, str]] = frozenset()  #: (kind, code)


@dataclass(frozen=True, slots=True)
class Found:
    """What the look-up gave. ``products``: all that match a code. ``references``: by (kind, code)."""

    products: Mapping[str, Sequence[Ref]]
    references: Mapping[tuple[str, str], Ref]


@dataclass(frozen=True, slots=True)
class PlanContext:
    """Values a step's pure parts may use."""

    client: str
    currency: str
    now: datetime
    mappings: Mapping[tuple[str, str], str] = field(default_factory=dict)  #: (kind, from) -> to, by people and config
    people: frozenset[tuple[str, str]] = frozenset()  #: those of ``mappings`` that people gave
    accepted: frozenset[str] = frozenset()  #: codes of findings that a person has accepted for this very order


@dataclass(frozen=True, slots=True)
class CreateDocument:
    """Make this document."""

    draft: DocumentDraft
    notes: tuple[Finding, ...] = ()
    choices: tuple[Choice, ...] = ()  #: why its fields have their values, for `mistok trace --why`


@dataclass(frozen=True, slots=True)
class HoldOrder:
    """Keep the order for a person."""

    findings: tuple[Finding, ...]
    choices: tuple[Choice, ...] = ()


@dataclass(frozen=True, slots=True)
class NothingToDo:
    """An end state without a document, such as an order cancelled before it came."""

    reason: Text
    choices: tuple[Choice, ...] = ()


#: What a step's plan says about one order.
Action = CreateDocument | HoldOrder | NothingToDo


@dataclass(frozen=True, slots=True)
class StepResult:
    """What a run of a step did: counts by word (``created``, ``held``, …), whether a person is waited for, remarks."""

    counts: Mapping[str, int] = field(default_factory=dict)
    waiting: bool = False
    notes: tuple[Text, ...] = ()
    details: Sequence[Mapping[str, Any]] = ()  #: rows for tables and --json
    findings: tuple[Finding, ...] = ()  #: what did not work although the run went on; told as a failure of the job
    unreachable: bool = False  #: among ``findings`` is a server or system that did not answer
    again_in: float | None = None  #: seconds after which another look is worth it (a file was not whole yet)
    left_alone: bool = False  #: somebody else was at it: nothing was done, and how it stands is not known
    more: bool = False  #: it made room for others (``RunContext.slice_is_over``): the job's next run goes on, soon
    wake_at: datetime | None = None  #: a run is wanted at this moment besides the schedule's (a special price begins)
    plan: Any = None  #: what a dry run would do, as a value
    remarks: tuple[Finding, ...] = ()  #: all that it came upon, dry or not: rows for workbooks and --json


# --- plugins -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Explained:
    """What a letter to a site says of a finding: the rule that was broken, and how it is rightly written."""

    rule: Text
    example: str = ""  #: lines of the format itself


@dataclass(frozen=True, slots=True)
class FormatPlugin:
    """A format: its name in the YAML, its parameters, and its code."""

    name: str
    summary: Text
    format: OrderFormat | CatalogueFormat | GoodsFormat
    settings: type[Settings] = Settings
    #: For letters: (finding, settings, the config's folder, language of the rule) -> rule and example, or None.
    explain: Callable[[Finding, Any, Path, str], Explained | None] | None = None
    #: For `mistok map try`: (bytes, settings, context) -> what of the file is not read. Raises Rejected as decode does.
    unread: Callable[[bytes, Any, FormatContext], Sequence[Unread]] | None = None


@dataclass(frozen=True, slots=True)
class SystemEnv:
    """What a system may know of the client when it is opened."""

    name: str
    client: str
    base: Path  #: folder of the config, for relative paths
    currency: str
    timezone: str
    clock: Clock
    dry_run: bool = False  #: nothing may be created or changed, not even a database of the system's own
    gate: Gate = open_gate  #: what the first request to its server, and every refusal, passes through
    pacer: Pacer | None = None  #: shares the allowance of its API key; None: it is this object's alone
    #: opens a connection of the config that its settings name (a TransportName); None: there are none
    transport: Callable[[str], Transport] | None = None
    goods: GoodsReader | None = None  #: the catalogue format that its connection names; None: it names none


@dataclass(frozen=True, slots=True)
class SystemPlugin:
    """A system: how it is opened, and verbs of its own for the command line (a callable that makes a Typer app)."""

    name: str
    summary: Text
    settings: type[Settings]
    open: Callable[[Any, SystemEnv], System]
    #: what it is given: (name of a connection of this type, or the first one) -> its settings and surroundings
    cli: Callable[[Callable[..., tuple[Any, SystemEnv]]], typer.Typer] | None = None
    #: the classes of what ``open`` gives, by the settings one or another; imported when it is called
    classes: Callable[[], Sequence[type]] = tuple
    #: every class of ``classes`` tells a catalogue (see ``Catalogue``), which then is known without importing any
    exports: bool = False
    #: groups of settings that may be left out, but that a new connection is best begun with
    begins: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ChannelPlugin:
    """An alert channel."""

    name: str
    summary: Text
    settings: type[Settings]
    open: Callable[[Any], Notifier]


@dataclass(frozen=True, slots=True)
class InboundStep:
    """A step that turns files into documents. The engine owns order, effects and ledger; these parts are pure."""

    normalise: Callable[[Order, Any, PlanContext], Order]
    validate: Callable[[Order, Any, PlanContext], Sequence[Finding]]
    wanted: Callable[[Order, Any, PlanContext], Wanted]
    plan: Callable[[Order, str, Any, PlanContext, Found], Action]  #: order, idempotency key, …
    #: codes of findings that a person may accept for one order; the parts above leave those in ``accepted`` out
    acceptable: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class OutboundStep:
    """A step that publishes a catalogue: which fields, and which rows."""

    keep: Callable[[Mapping[str, Any], Any], bool] | None = None  #: row (field -> value), settings
    fields: Callable[[Any], Sequence[str]] | None = None  #: further fields that ``keep`` looks at


@dataclass(frozen=True, slots=True)
class SyncStep:
    """A step that keeps two systems in step, with settings of :mod:`pipeline.syncing`.

    ``change`` may alter an offer of the source, or drop it (None); it is pure.
    """

    what: Literal["catalogue", "stock"]
    change: Callable[[Offer, Any], Offer | None] | None = None


@dataclass(frozen=True, slots=True)
class DocumentsStep:
    """A step that makes documents of a system's orders, with settings of :mod:`pipeline.documents`.

    ``change`` may alter an order before it is planned, or drop it (None); it is pure.
    """

    change: Callable[[Order, Any], Order | None] | None = None
    #: codes of findings that a person may take as they are
    acceptable: frozenset[str] = frozenset(
        {
            "totals",
            "taxes",
            "status",
            "total-differs",
            "alike",
            "changed-order",
            "changed-by-hand",
            "shipped-changed",
            "paid-back",
        }
    )


class StepContext(Protocol):
    """What a free step is given."""

    clock: Clock
    dry_run: bool

    @property
    def client(self) -> str:
        """Whose run it is."""
        ...

    @property
    def base(self) -> Path:
        """The config's folder."""
        ...

    def transport(self, name: str) -> Transport:
        """The connection of that name."""
        ...

    def system(self, name: str) -> System:
        """The system of that name."""
        ...

    def progress(self, done: int, total: int | None, what: Text) -> None:
        """Tell how far it is."""
        ...


@dataclass(frozen=True, slots=True)
class FreeStep:
    """A step of a client's own that fits no walk: it does its work through the context and says what it did."""

    run: Callable[[Any, StepContext], StepResult]


@dataclass(frozen=True, slots=True)
class ReportStep:
    """A step that writes the sheet of a day, with settings of :class:`ReportSettings`; the engine reads the ledger.

    ``keep`` may leave orders out of it, such as those of one source (row of the ledger, settings); it is pure.
    """

    keep: Callable[[Mapping[str, Any], Any], bool] | None = None


@dataclass(frozen=True, slots=True)
class StepPlugin:
    """A step: its name in the YAML, its parameters, and its kind."""

    name: str
    summary: Text
    settings: type[Settings]
    kind: InboundStep | OutboundStep | SyncStep | DocumentsStep | ReportStep | FreeStep


Plugin = FormatPlugin | SystemPlugin | ChannelPlugin | StepPlugin

#: Words for what a run counts, for people.
COUNT_WORDS: Mapping[str, Text] = {
    "files": T("files"),
    "created": T("created"),
    "known": T("known already"),
    "held": T("held"),
    "quarantined": T("quarantined"),
    "in_doubt": T("in doubt"),
    "waiting": T("not complete yet"),
    "acknowledged": T("acknowledged"),
    "changed": T("came again with other content"),
    "shipped": T("shipped"),
    "returned": T("returned"),
    "paid": T("payments noted"),
    "restated": T("statuses set"),
    "told": T("told to the source"),
    "disagree": T("with other stock on both sides"),
    "parties": T("buyers added"),
    "products": T("products added"),
    "amended": T("amended"),
    "cancelled": T("marked cancelled"),
    "ignored": T("other content ignored"),
    "refused": T("refused by the server"),
    "failed": T("failed"),
    "nothing": T("nothing to do"),
    "later": T("to be tried later"),
    "rows": T("rows"),
    "orders": T("orders"),
    "differences": T("differences"),
    "open": T("waiting orders"),
    "uploaded": T("uploaded"),
    "matched": T("in step"),
    "new": T("new"),
    "updated": T("updated"),
    "vanished": T("vanished from the source"),
    "twins": T("twins in the target"),
    "ambiguous": T("ambiguous"),
    "keyless": T("without an article"),
    "unchanged": T("unchanged"),
    "unconfirmed": T("accepted and not shown yet"),
    "images": T("images"),
}
