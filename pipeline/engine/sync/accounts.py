"""Of which accounts of its two systems a step remembers what: ids of one account are nothing to another.

A connection keeps its name when it is pointed at another account (a fake, a test account, the real one). All that a
step remembers hangs on a name in the ledger (``store.link_of``); here is told which name that is for the accounts that
answer now. The accounts that were there first have the plain one, so that a ledger from before accounts were told
apart goes on as it was; others have one of their own, and going back finds the old one again.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from pipeline.engine.sync import store
from pipeline.errors import Finding, Who
from pipeline.ledger import decisions
from pipeline.ledger.store import Ledger
from pipeline.ledger.tables import links, mappings, values
from pipeline.ports import KnowsAccount, System
from pipeline.rules.accounts import account_mark, place_of
from pipeline.settings import Names, Settings
from pipeline.texts import T

if TYPE_CHECKING:
    from pipeline.engine.context import RunContext

#: By link: which accounts it was kept in step for, and under which name what is known of each is kept.
ACCOUNTS = "sync-accounts"
#: By a mapping of an id of the source: of which account's ids it was said, and when.
OF_IDS = "mapping-account"
KEPT = 5  #: accounts besides the present ones that are remembered for each link
#: Settings that say where something lies; the second ones do where a connection for files is named beside or above.
_PLACES = frozenset({"url", "base_url", "address", "host", "socket", "database", "prefix", "path", "root"})
_FOLDERS = frozenset({"folder", "take", "put"})


@dataclass(frozen=True, slots=True)
class Ends:
    """Marks of the two accounts; "" for a system that cannot say."""

    source: str = ""
    target: str = ""


@dataclass(frozen=True, slots=True)
class Memory:
    """What a step remembers."""

    name: str  #: under which it is kept in the ledger
    ends: Ends
    #: Connections that lead to another account than before, and have not been in step since; with whether that account
    #: was in step once.
    moved: Mapping[str, bool]
    first: bool  #: these are the accounts that were there before any others


# --- which account it is ---------------------------------------------------------------------------------------------


def account_of(ctx: RunContext, name: str, system: System) -> str:
    """The mark of the account that the connection ``name`` leads to; "" when nothing tells it. Raises as the system."""
    if isinstance(system, KnowsAccount):
        return system.account
    spec = ctx.config.connections.get(name)
    told = _told(ctx, spec.params, ()) if spec is not None else []
    return account_mark(*told) if told else ""


def _told(ctx: RunContext, settings: Settings, above: Collection[str]) -> list[str]:
    """Of settings all that tells an account from others: places, names of people, keys; no passwords.

    Args:
        above: connections for files that were named on the way here.
    """
    found: list[str] = []
    fields = {
        name: (field, value)
        for name, field in sorted(type(settings).model_fields.items())
        if (value := getattr(settings, name)) not in (None, "")
    }
    for name, (field, value) in fields.items():
        if any(isinstance(one, Names) and one.kind == "transport" for one in field.metadata) and value not in above:
            above = {*above, str(value)}
            if (lies := ctx.config.connections.get(str(value))) is not None:
                found += [f"{name}.{one}" for one in _told(ctx, lies.params, above)]
    for name, (_field, value) in fields.items():
        if isinstance(value, Settings):
            found += [f"{name}.{one}" for one in _told(ctx, value, above)]
        elif hasattr(value, "get_secret_value"):
            if "key" in name or "token" in name:
                found.append(f"{name}={value.get_secret_value()}")
        elif name in _PLACES or (name in _FOLDERS and above):
            found.append(f"{name}={place_of(str(value))}")
        elif (name == "port" and "host" in fields) or (name == "user" and "database" not in fields):
            found.append(f"{name}={value}")
    return found


# --- what is remembered of it ----------------------------------------------------------------------------------------


def look_up(ledger: Ledger, conn: sa.Connection, link: str, ends: Ends, names: tuple[str, str]) -> Memory:
    """What the step ``link`` remembers of these accounts.

    Args:
        names: of the connections, source and target.
    """
    value = ledger.get_value(conn, ACCOUNTS, link)
    if not value:
        return Memory(link, ends, {}, first=True)
    now: Mapping[str, Any] = next(one for one in value["of"] if one["name"] == value["now"])
    ends = Ends(ends.source or now["source"], ends.target or now["target"])
    known: Mapping[str, Any] | None = next((one for one in (now, *value["of"]) if _fits(one, ends)), None)
    if known is now:
        before_that = {one: back for one, back in now["moved"].items() if one in names}
        return Memory(now["name"], ends, before_that, first=now["name"] == link)
    moved = {}
    for name, mark, before in ((names[0], ends.source, now["source"]), (names[1], ends.target, now["target"])):
        if before and mark != before:
            moved[name] = known is not None
    own = known["name"] if known else f"{link}@{account_mark(ends.source, ends.target)[:8]}"
    return Memory(own, ends, moved, first=own == link)


def _fits(row: Mapping[str, Any], ends: Ends) -> bool:
    """Whether what is kept is of these accounts; what could not be told then is taken for the same."""
    return row["source"] in (ends.source, "") and row["target"] in (ends.target, "")


def enter(ledger: Ledger, conn: sa.Connection, link: str, memory: Memory) -> None:
    """Write down that these accounts are the present ones: everything is looked at once when they were not."""
    value = ledger.get_value(conn, ACCOUNTS, link) or {"now": memory.name, "of": []}
    row = {
        "name": memory.name, "source": memory.ends.source, "target": memory.ends.target, "moved": dict(memory.moved),
    }  # fmt: skip
    others = [one for one in value["of"] if one["name"] != memory.name]
    if value["now"] != memory.name:
        store.set_moment(ledger, conn, store.FULL, memory.name, None)
        store.set_moment(ledger, conn, store.WAKE, value["now"], None)
    for old in others[KEPT:]:
        _drop(ledger, conn, old["name"])
    new = {"now": memory.name, "of": [row, *others[:KEPT]]}
    if new != value:
        ledger.set_value(conn, ACCOUNTS, link, new)


def settle(ledger: Ledger, conn: sa.Connection, link: str, memory: Memory) -> None:
    """After a whole run: that the accounts are others than before was told, and is over."""
    if memory.moved:
        enter(ledger, conn, link, Memory(memory.name, memory.ends, {}, memory.first))


def _drop(ledger: Ledger, conn: sa.Connection, name: str) -> None:
    conn.execute(links.delete().where(links.c.client == ledger.client, links.c.link == name))
    conn.execute(values.delete().where(values.c.client == ledger.client, values.c.name == name))


def present(ledger: Ledger, conn: sa.Connection, link: str) -> str:
    """The name under which the step ``link`` keeps what is in step with the accounts of its last run."""
    value = ledger.get_value(conn, ACCOUNTS, link)
    return str(value["now"]) if value else link


def kept_of(ledger: Ledger, conn: sa.Connection, link: str, target: str) -> list[str]:
    """The names under which the step ``link`` keeps what is in step with this account of its target."""
    value = ledger.get_value(conn, ACCOUNTS, link)
    if not value:
        return [link]
    return [str(one["name"]) for one in value["of"] if not target or one["target"] in (target, "")]


def told(memory: Memory) -> tuple[Finding, ...]:
    """A line for each connection that leads to another account than before."""
    found = []
    for name, back in memory.moved.items():
        if back:
            text = T(
                "{name} is an account that was kept in step before: what is known of it counts again, and everything "
                "is compared anew.",
                name=name,
            )
        else:
            text = T(
                "{name} is another account than at the last run: what was in step with the other one counts for "
                "nothing, everything is compared anew and asked about as the first time.",
                name=name,
            )
        hint = T("A new address, database or key is another account. Is it one that is meant?")
        found.append(Finding("other-account", text, hint=hint, who=Who.ADMIN))
    return tuple(found)


# --- two systems that were compared ----------------------------------------------------------------------------------


def compared_with(value: Any, marks: Mapping[str, str], *, first: bool) -> bool:
    """Whether the comparison that was kept was one of these accounts.

    Args:
        marks: connection -> mark of its account.
        first: they are the ones that a comparison from before accounts were told apart was made with.
    """
    if not value:
        return False
    kept = value.get("accounts")
    if kept is None:
        return first
    return all(not mark or kept.get(name, "") in (mark, "") for name, mark in marks.items())


# --- what people said of ids -----------------------------------------------------------------------------------------


def articles(ledger: Ledger, conn: sa.Connection, source: str, target: str, account: str) -> dict[tuple[str, str], str]:
    """``decisions.articles_of`` without what was said of ids of another account of the source."""
    given = decisions.articles_of(conn, ledger.client, source, target)
    prefix = decisions.of_pair("", source, target)
    for code, at in _of_ids(conn, ledger.client, prefix).items():
        kept = ledger.get_value(conn, OF_IDS, code)
        if account and kept and kept["at"] == at and kept["account"] not in (account, ""):
            given.pop(("sku", code.removeprefix(prefix)), None)
    return given


def keep_ids(ledger: Ledger, conn: sa.Connection, source: str, target: str, account: str) -> None:
    """What was said of ids since the last run was said of this account of the source."""
    for code, at in _of_ids(conn, ledger.client, decisions.of_pair("", source, target)).items():
        kept = ledger.get_value(conn, OF_IDS, code)
        if not kept or kept["at"] != at:
            ledger.set_value(conn, OF_IDS, code, {"account": account, "at": at})


def _of_ids(conn: sa.Connection, client: str, prefix: str) -> dict[str, str]:
    m = mappings.c
    query = sa.select(m.code, m.at).where(
        m.client == client, m.kind == "sku", m.code.startswith(f"{prefix}#", autoescape=True)
    )
    return {str(row.code): row.at.isoformat() for row in conn.execute(query)}
