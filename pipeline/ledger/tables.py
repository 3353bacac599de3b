"""The ledger's tables: current state, beside an append-only table of events. SQLite and PostgreSQL alike.

Times are stored as UTC (``Moment`` gives aware datetimes back), money as text of exact decimals, findings as JSON.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Connection,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    Update,
    bindparam,
)

from pipeline.manyrows import run_rows

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

Id = BigInteger().with_variant(Integer, "sqlite")
#: JSON in a column that may be empty: nothing is nothing there, and no JSON null, which IS NOT NULL would find.
MaybeJson = JSON(none_as_null=True)


class Moment(TypeDecorator[datetime]):
    """An aware datetime, kept in UTC."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def bind_processor(self, dialect: Dialect) -> Any:
        """For SQLite what its own dialect makes of :meth:`process_bind_param`, in a third of the time."""
        return _written if dialect.name == "sqlite" else super().bind_processor(dialect)

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse naive datetimes; store UTC."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("the ledger takes aware datetimes only")
        utc = value.astimezone(UTC)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Give UTC back."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _written(value: datetime | None) -> str | None:
    if value is None:
        return None
    if value.tzinfo is None:
        raise ValueError("the ledger takes aware datetimes only")
    return value.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")


class FileState(StrEnum):
    """Where a file is on its way. Each value tells the transition into it."""

    SEEN = "seen"  #: listed, not complete or not yet taken
    CLAIMED = "claimed"  #: a worker holds a lease on it
    ARCHIVED = "archived"  #: a verified copy is in the archive
    CHECKED = "checked"  #: read; its orders are in the ledger
    QUARANTINED = "quarantined"  #: cannot be accepted; a card is open
    DONE = "done"  #: the outcome of each of its orders is committed
    ACKNOWLEDGED = "acknowledged"  #: what the policy says has happened to the remote file


class OrderState(StrEnum):
    """Where an order is on its way."""

    NEW = "new"  #: read
    CREATING = "creating"  #: its key is written down; the target may be called
    CREATED = "created"  #: the document exists
    HELD = "held"  #: waits for a person
    IN_DOUBT = "in_doubt"  #: the document may exist; being looked up
    REJECTED = "rejected"  #: by a person or a rule, with the reason
    NOTHING_TO_DO = "nothing_to_do"  #: such as cancelled before it came


files = Table(
    "files",
    metadata,
    Column("id", Id, primary_key=True),
    Column("client", String(64), nullable=False),
    Column("connection", String(64), nullable=False),
    Column("folder", Text, nullable=False),
    Column("name", Text, nullable=False),  # as the server gave it, for people
    Column("raw", Text),  # hex of the name on the wire when it is not UTF-8 of name
    Column("size", BigInteger, nullable=False),
    Column("modified", Moment),  # as the server said; identifies the version, never an age
    Column("sha256", String(64)),
    Column("state", String(16), nullable=False),
    Column("first_seen", Moment, nullable=False),  # by our own clock
    Column("last_look", Moment, nullable=False),
    Column("stable_since", Moment, nullable=False),  # since when size and time have not changed
    Column("tries", Integer, nullable=False, default=0),
    Column("lease_owner", String(128)),
    Column("lease_until", Moment),
    Column("fence", BigInteger, nullable=False, default=0),
    Column("duplicate_of", Id, ForeignKey("files.id")),
    Column("findings", MaybeJson),  # list of Finding
    Column("policy", String(16)),  # what was done about the remote file: deleted, gone, moved, kept, rejected …
    Column("config_hash", String(64)),  # of the config that quarantined it: another one may read it
    Column("ack_error", MaybeJson),  # Finding, when acknowledging is refused
    Column("pruned", Moment),  # when retention dropped its archive copy
    Column("updated", Moment, nullable=False),
    Index("ix_files_client_sha256", "client", "sha256"),
    Index("ix_files_client_state", "client", "state"),
    Index("ix_files_client_connection_name", "client", "connection", "name"),
)

orders = Table(
    "orders",
    metadata,
    Column("id", Id, primary_key=True),
    Column("client", String(64), nullable=False),
    Column("source", Text, nullable=False),
    Column("order_id", Text, nullable=False),
    Column("number", Text, nullable=False),
    Column("revision", String(64), nullable=False),  # hash of its content
    Column("state", String(16), nullable=False),
    Column("key", Text, nullable=False),
    Column("file_id", Id, ForeignKey("files.id"), nullable=False),
    Column("line", Integer),  # where it begins in the file
    Column("into", String(64), nullable=False),
    Column("job", String(128), nullable=False),
    Column("document_id", Text),
    Column("document_number", Text),
    Column("customer", Text),
    Column("phone", Text),
    Column("total", Text),
    Column("currency", String(3)),
    Column("items", Integer),
    Column("status", String(64)),  # the shop's own status of it, as it last came
    Column("warehouse", String(64)),  # as the shop names it
    Column("placed", Moment),  # when it was made in the shop, as the shop says; none: taken before this was kept
    Column("payment_method", Text),  # in the shop's words; none: taken before this was kept
    Column("payment_status", String(16)),  # unpaid, paid, partly
    Column("document_says", MaybeJson),  # what the target said of its document last: total, currency, at; or gone
    Column("decided", MaybeJson),  # what the step chose for it, by which keys of which config
    Column("amended", Moment),  # when its document was last brought to a newer content
    Column("findings", MaybeJson),  # list of Finding: why held, or remarks
    Column("tries", Integer, nullable=False, default=0),
    Column("next_try", Moment),
    Column("created", Moment, nullable=False),
    Column("updated", Moment, nullable=False),
    UniqueConstraint("client", "source", "order_id", name="uq_orders_client_source_order_id"),
    UniqueConstraint("key", name="uq_orders_key"),
    Index("ix_orders_client_state", "client", "state"),
    Index("ix_orders_client_number", "client", "number"),
    Index("ix_orders_client_placed", "client", "placed"),
    Index("ix_orders_file_id", "file_id"),
)

#: what the documents walk did, or is about to do, about an order: its document made, shipped, returned, paid …
acts = Table(
    "acts",
    metadata,
    Column("id", Id, primary_key=True),
    Column("client", String(64), nullable=False),
    Column("order_row", Id, ForeignKey("orders.id"), nullable=False),
    Column("act", String(16), nullable=False),  # create, amend, pay, ship, return, cancel, status, party, back
    Column("key", Text, nullable=False),  # of its document; another one for each revision
    Column("revision", String(64), nullable=False),  # of the order's content that it is about
    Column("state", String(16), nullable=False),  # begun, done, in_doubt, refused, dropped
    Column("document_id", Text),
    Column("document_number", Text),
    Column("content", MaybeJson),  # what it moved, paid or set
    Column("tries", Integer, nullable=False, default=0),
    Column("run_id", Id),
    Column("created", Moment, nullable=False),
    Column("updated", Moment, nullable=False),
    UniqueConstraint("order_row", "act", "key", name="uq_acts_order_row_act_key"),
    Index("ix_acts_client_state", "client", "state"),
)

#: every appearance of an order in a file, so that a trace shows them all
sightings = Table(
    "sightings",
    metadata,
    Column("id", Id, primary_key=True),
    Column("order_row", Id, ForeignKey("orders.id"), nullable=False),
    Column("file_id", Id, ForeignKey("files.id"), nullable=False),
    Column("revision", String(64), nullable=False),
    Column("line", Integer),
    Column("outcome", String(16), nullable=False),  # see pipeline.ledger.revisions
    Column("at", Moment, nullable=False),
    UniqueConstraint("order_row", "file_id", "line", name="uq_sightings_order_row_file_id_line"),
    Index("ix_sightings_file_id", "file_id"),
    Index("ix_sightings_outcome", "outcome"),  # what waits is looked for at each run
)

#: what waits for a person: a quarantined file, a held order, an order that came again with other content
cards = Table(
    "cards",
    metadata,
    Column("id", Id, primary_key=True),
    Column("client", String(64), nullable=False),
    Column("kind", String(32), nullable=False),  # quarantined, held, changed, brake
    Column("subject", String(80), nullable=False),  # file:12, order:7, job:catalogue
    Column("file_id", Id, ForeignKey("files.id")),
    Column("state", String(16), nullable=False),  # open, resolved, superseded
    Column("findings", JSON, nullable=False),
    Column("opened", Moment, nullable=False),
    Column("closed", Moment),
    Column("closed_by", String(128)),
    Column("why", Text),
    Index("ix_cards_client_state", "client", "state"),
    Index("ix_cards_client_subject", "client", "subject"),
)

#: what a code of the client's shops means in its systems, given by a person; it outweighs the config's ``mappings``
mappings = Table(
    "mappings",
    metadata,
    Column("id", Id, primary_key=True),
    Column("client", String(64), nullable=False),
    Column("kind", String(32), nullable=False),  # sku, party, warehouse, currency …
    Column("code", Text, nullable=False),  # as the shop writes it
    Column("meant", Text, nullable=False),
    Column("by", String(128), nullable=False),
    Column("at", Moment, nullable=False),
    Column("card_id", Id, ForeignKey("cards.id")),
    Column("why", Text),
    UniqueConstraint("client", "kind", "code", name="uq_mappings_client_kind_code"),
)

#: what a person decided about one card; never changed, the newest one of a subject and revision holds
decisions = Table(
    "decisions",
    metadata,
    Column("id", Id, primary_key=True),
    Column("client", String(64), nullable=False),
    Column("subject", String(80), nullable=False),  # order:7, file:12, job:catalogue
    Column("revision", String(64), nullable=False),  # of the content that was decided on; another one is another matter
    Column("verdict", String(16), nullable=False),  # accept, reject
    Column("codes", JSON, nullable=False),  # of the findings that were accepted or rejected
    Column("by", String(128), nullable=False),
    Column("at", Moment, nullable=False),
    Column("why", Text),
    Column("card_id", Id, ForeignKey("cards.id")),
    Index("ix_decisions_client_subject", "client", "subject"),
)

events = Table(
    "events",
    metadata,
    Column("id", Id, primary_key=True),
    Column("client", String(64), nullable=False),
    Column("at", Moment, nullable=False),
    Column("run_id", Id),
    Column("subject", String(80), nullable=False),  # file:12, order:7, job:orders, notice:3
    Column("event", String(40), nullable=False),
    Column("data", MaybeJson),
    Index("ix_events_client_subject", "client", "subject"),
    Index("ix_events_client_at", "client", "at"),
)

runs = Table(
    "runs",
    metadata,
    Column("id", Id, primary_key=True),
    Column("client", String(64), nullable=False),
    Column("job", String(128), nullable=False),
    Column("trigger", String(16), nullable=False),  # schedule, watch, catch-up, person, retry, webhook, wake
    Column("scheduled_for", Moment),
    Column("started", Moment, nullable=False),
    Column("ended", Moment),
    Column("state", String(16), nullable=False),  # running, done, waiting, failed, timed_out, interrupted, skipped
    Column("counts", MaybeJson),
    Column("error", MaybeJson),  # Finding
    Column("reference", String(16)),  # of an unexpected error in the log
    Column("config_hash", String(64)),
    Index("ix_runs_client_job_started", "client", "job", "started"),
    Index("ix_runs_client_job_scheduled_for", "client", "job", "scheduled_for"),
)

notices = Table(
    "notices",
    metadata,
    Column("id", Id, primary_key=True),
    Column("client", String(64), nullable=False),
    Column("kind", String(32), nullable=False),
    Column("subject", String(80), nullable=False),
    Column("title", JSON, nullable=False),  # Text
    Column("body", JSON, nullable=False),  # Text
    Column("data", MaybeJson),
    Column("created", Moment, nullable=False),
    Column("state", String(16), nullable=False),  # waiting, sending, shown, summarised, undelivered, muted
    Column("channel", String(64)),
    Column("shown", Moment),
    Column("why", MaybeJson),  # Text: why it was not shown
    Column("tries", Integer, nullable=False, default=0),
    Column("next_try", Moment),
    Column("summary_id", Id, ForeignKey("notices.id")),
    Column("routed", Moment),  # when it was decided which PCs are told
    Index("ix_notices_client_state", "client", "state"),
    Index("ix_notices_client_routed", "client", "routed"),
    Index("ix_notices_client_subject", "client", "subject"),
)

#: PCs of people that notices go to; those that are no more stay, as it is written down what they were told
pcs = Table(
    "pcs",
    metadata,
    Column("id", Id, primary_key=True),
    Column("client", String(64), nullable=False),
    Column("name", String(64), nullable=False),  # folded
    Column("token", String(64)),  # SHA-256 of what the PC has; none: revoked
    Column("created", Moment, nullable=False),
    Column("created_by", String(128), nullable=False),
    Column("revoked", Moment),
    Column("seen", Moment),  # when it was last connected
    Column("address", String(64)),
    Column("program", String(128)),  # what it says of itself
    UniqueConstraint("client", "name", name="uq_pcs_client_name"),
    Index("ix_pcs_token", "token"),
)

#: which PC is told of which notice, and what became of it there
deliveries = Table(
    "deliveries",
    metadata,
    Column("id", Id, primary_key=True),
    Column("client", String(64), nullable=False),
    Column("pc_id", Id, ForeignKey("pcs.id"), nullable=False),
    Column("notice_id", Id, ForeignKey("notices.id"), nullable=False),
    Column("created", Moment, nullable=False),
    Column("quiet", Integer, nullable=False, default=0),  # 1: it came in the quiet hours
    Column("seq", BigInteger),  # the popup that tells of it, several with one number in a summary; none: held back
    Column("released", Moment),
    Column("shown", Moment),
    Column("clicked", Moment),
    Column("done", Moment),
    UniqueConstraint("pc_id", "notice_id", name="uq_deliveries_pc_id_notice_id"),
    Index("ix_deliveries_client_seq", "client", "seq"),
    Index("ix_deliveries_pc_id_seq", "pc_id", "seq"),
    Index("ix_deliveries_notice_id", "notice_id"),
)

#: what was told elsewhere because nobody had clicked, once for each rule
escalations = Table(
    "escalations",
    metadata,
    Column("id", Id, primary_key=True),
    Column("client", String(64), nullable=False),
    Column("notice_id", Id, ForeignKey("notices.id"), nullable=False),
    Column("rule", String(64), nullable=False),
    Column("channel", String(64), nullable=False),
    Column("state", String(16), nullable=False),  # sending, sent, failed
    Column("at", Moment, nullable=False),
    Column("next_try", Moment),
    Column("tries", Integer, nullable=False, default=0),
    Column("why", MaybeJson),  # Text
    UniqueConstraint("notice_id", "rule", name="uq_escalations_notice_id_rule"),
)

publications = Table(
    "publications",
    metadata,
    Column("id", Id, primary_key=True),
    Column("client", String(64), nullable=False),
    Column("job", String(128), nullable=False),
    Column("connection", String(64), nullable=False),
    Column("folder", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("rows", Integer, nullable=False),
    Column("remote_modified", Moment),
    Column("at", Moment, nullable=False),
    Column("pruned", Moment),  # when retention dropped its archive copy
    Index("ix_publications_client_connection_name", "client", "connection", "name"),
)

#: what a sync keeps in step: one row for each offer of the target, with fingerprints of what was last applied
links = Table(
    "links",
    metadata,
    Column("client", String(64), primary_key=True),
    Column("link", String(255), primary_key=True),  # JOB/FROM>TO/STEP
    Column("target_id", String(255), primary_key=True),
    Column("source_key", Text, nullable=False),  # normal form of the article
    Column("source_id", Text, nullable=False),
    Column("kind", String(8), nullable=False),  # single, base, variant
    Column("product", Text, nullable=False),  # of the target
    Column("keys", JSON, nullable=False),  # article fields of the target
    Column("wanted", JSON, nullable=False),  # field -> fingerprint of what was last sent; "*": mark of it all
    Column("seen", JSON, nullable=False),  # field -> fingerprint of how the target shows what was sent
    Column("sent", JSON, nullable=False),  # prices and stock levels as last sent, as text
    Column("updated", Moment, nullable=False),
    Index("ix_links_client_link_source_key", "client", "link", "source_key"),
)

#: plans of syncs: those that wait for a person, and what the last ones did
plans = Table(
    "plans",
    metadata,
    Column("id", Id, primary_key=True),
    Column("client", String(64), nullable=False),
    Column("job", String(128), nullable=False),
    Column("link", String(255), nullable=False),
    Column("subject", String(80), nullable=False),  # of its card
    Column("state", String(16), nullable=False),  # waiting, approved, rejected, applied, undone, superseded
    Column("digest", String(64), nullable=False),  # of what the brake stopped it for; "" when nothing did
    Column("counts", JSON, nullable=False),
    Column("findings", JSON, nullable=False),  # list of Finding
    Column("rows", JSON, nullable=False),  # the first of what it would do
    Column("created", Moment, nullable=False),
    Column("decided", Moment),
    Column("decided_by", String(128)),
    Column("why", Text),
    Column("run_id", Id),
    Index("ix_plans_client_link", "client", "link"),
    Index("ix_plans_client_state", "client", "state"),
)

#: small named values: cursors, fingerprints of sent images, heartbeat, back-off of a connection
values = Table(
    "values",
    metadata,
    Column("client", String(64), primary_key=True),
    Column("kind", String(32), primary_key=True),
    Column("name", String(512), primary_key=True),
    Column("value", JSON, nullable=False),
    Column("updated", Moment, nullable=False),
)

#: who may use the page
users = Table(
    "users",
    metadata,
    Column("id", Id, primary_key=True),
    Column("client", String(64), nullable=False),
    Column("name", String(64), nullable=False),  # folded: names differ in more than case
    Column("role", String(16), nullable=False),  # viewer, accountant, support, admin
    Column("password", Text),  # argon2; none: comes in through the reverse proxy only
    Column("created", Moment, nullable=False),
    Column("changed", Moment, nullable=False),
    UniqueConstraint("client", "name", name="uq_users_client_name"),
)

#: who is logged in on the page
sessions = Table(
    "sessions",
    metadata,
    Column("token", String(64), primary_key=True),  # SHA-256 of what the browser has
    Column("client", String(64), nullable=False),
    Column("user_id", Id, ForeignKey("users.id"), nullable=False),
    Column("csrf", String(64), nullable=False),
    Column("address", String(64), nullable=False),
    Column("begun", Moment, nullable=False),
    Column("seen", Moment, nullable=False),
    Column("until", Moment, nullable=False),
)

#: each act on the page: who, when, what, from where; never changed
audit = Table(
    "audit",
    metadata,
    Column("id", Id, primary_key=True),
    Column("client", String(64), nullable=False),
    Column("at", Moment, nullable=False),
    Column("who", String(128), nullable=False),
    Column("role", String(16), nullable=False),
    Column("address", String(64), nullable=False),
    Column("act", String(32), nullable=False),
    Column("subject", String(200), nullable=False),
    Column("outcome", String(16), nullable=False),  # done, refused, failed
    Column("data", MaybeJson),
    Index("ix_audit_client_at", "client", "at"),
)

#: one holder at a time: a job's run, an inbox
leases = Table(
    "leases",
    metadata,
    Column("client", String(64), primary_key=True),
    Column("name", String(200), primary_key=True),
    Column("owner", String(128), nullable=False),
    Column("until", Moment, nullable=False),
    Column("fence", BigInteger, nullable=False),
)


def row_dict(row: Any) -> dict[str, Any]:
    """A SQLAlchemy row as a plain dict."""
    return dict(row._mapping)  # noqa: SLF001 - the documented name of the mapping view


def set_each(conn: Connection, table: Table, rows: Sequence[Mapping[str, Any]], now: datetime) -> None:
    """Set values row by row, in one statement: each mapping has ``id`` and the columns to set (the same in all)."""
    if not rows:
        return
    columns = tuple(name for name in rows[0] if name != "id")
    run_rows(
        conn,
        _set_each(table, columns),
        [{"row_id": row["id"], "new_updated": now, **{f"new_{name}": row[name] for name in columns}} for row in rows],
    )


@lru_cache(maxsize=64)
def _set_each(table: Table, columns: tuple[str, ...]) -> Update:
    values: dict[str, Any] = {name: bindparam(f"new_{name}") for name in (*columns, "updated")}
    return table.update().where(table.c.id == bindparam("row_id")).values(values)
