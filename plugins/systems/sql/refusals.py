"""What a database says when it does not do something, and what can be done about it. Pure.

Codes: SQLSTATE of PostgreSQL (its manual, appendix A) and of ODBC (SQL Server), numbers of MariaDB and MySQL (their
lists of server and client errors), gds codes of Firebird (its language reference, appendix B).
"""

from __future__ import annotations

import re
from typing import Any, Literal

from sqlalchemy.exc import DBAPIError

from pipeline.api import ConfigError, Held, MistokError, Refused, T, Text, Transient, verbatim

#: unique: such a key is there already · data: it will not take the values · again: rolled back for another
#: transaction's sake · busy: waited in vain for another one · lost: the line broke, or nobody answers · missing: no
#: such table, column or database
Kind = Literal["unique", "data", "again", "busy", "lost", "login", "rights", "missing", "full"]

_STATES: tuple[tuple[str, Kind], ...] = (
    ("23505", "unique"), ("40001", "again"), ("40P01", "again"), ("55P03", "busy"), ("42501", "rights"),
    ("25006", "rights"), ("3D000", "missing"), ("3F000", "missing"), ("42P01", "missing"), ("42703", "missing"),
    ("42S02", "missing"), ("42S22", "missing"), ("28", "login"), ("08", "lost"), ("57P0", "lost"), ("57014", "busy"),
    ("53", "full"), ("HYT", "lost"), ("22", "data"), ("23", "data"), ("P0", "data"), ("42804", "data"),
)  # fmt: skip
_MYSQL: dict[Kind, frozenset[int]] = {
    "unique": frozenset({1062, 1169, 1586}),
    "again": frozenset({1213, 1020}),
    "busy": frozenset({1205}),
    "login": frozenset({1044, 1045, 1130, 1698, 1251, 1862, 2059, 3118, 4151}),
    "rights": frozenset({1142, 1143, 1227, 1290, 1370, 1792, 1836}),
    "missing": frozenset({1049, 1054, 1146}),
    "full": frozenset({1021, 1040, 1041, 1114, 1203, 3}),
    "lost": frozenset({0, 1053, 1077, 1079, 1152, 1158, 1159, 1160, 1161, 1317, 1927, 2002, 2003, 2005, 2006, 2013,
                       2014, 2055}),
}  # fmt: skip
_FIREBIRD: dict[Kind, frozenset[int]] = {
    "busy": frozenset({335544510}),
    "again": frozenset({335544336, 335544345, 335544451, 335544878}),
    "unique": frozenset({335544349, 335544665}),
    "login": frozenset({335544472}),
    "rights": frozenset({335544352, 335544765}),
    "missing": frozenset({335544344, 335544375, 335544578, 335544580, 335544734}),
    "lost": frozenset({335544421, 335544528, 335544648, 335544721, 335544722, 335544723, 335544724, 335544725,
                       335544726, 335544727, 335544741, 335544856}),
}  # fmt: skip


def kind_of(dialect: str, error: DBAPIError) -> Kind:
    """What an error is about."""
    orig: Any = error.orig
    if error.connection_invalidated:
        return "lost"
    match dialect:
        case "sqlite":
            return _sqlite(str(orig).lower())
        case "mysql" | "mariadb":
            args = getattr(orig, "args", ())
            code = args[0] if args and isinstance(args[0], int) else 0
            return next((kind for kind, codes in _MYSQL.items() if code in codes), "data")
        case "firebird":
            return _firebird(orig)
        case _:
            state = str(getattr(orig, "sqlstate", None) or "")
            if not state and dialect == "mssql":
                state = str(next(iter(getattr(orig, "args", ())), ""))
            return next((kind for start, kind in _STATES if state.startswith(start)), _stateless(orig, state))


def _stateless(orig: Any, state: str) -> Kind:
    """psycopg tells no state of a login that fails, or of a server that cannot be reached."""
    low = str(orig).lower()
    if state:
        return "data"
    if "authentication" in low or "no pg_hba" in low or ("role " in low and "does not exist" in low):
        return "login"
    if "database " in low and "does not exist" in low:
        return "missing"
    return "data" if "unicode" in low or "nul" in low else "lost"


def _sqlite(low: str) -> Kind:
    if "unique constraint" in low:
        return "unique"
    if "locked" in low or "busy" in low:
        return "busy"
    if "readonly" in low or "read-only" in low or "not authorized" in low:
        return "rights"
    if "no such" in low or "no column" in low or "unable to open" in low or "not a database" in low:
        return "missing"
    return "full" if "disk" in low or "full" in low else "data"


def _firebird(orig: Any) -> Kind:
    codes = set(getattr(orig, "gds_codes", ()) or ())
    return next((kind for kind, known in _FIREBIRD.items() if codes & known), "data")


def words_of(error: BaseException) -> str:
    """Its own words, in one line."""
    orig: Any = getattr(error, "orig", None) or error
    args: tuple[Any, ...] = getattr(orig, "args", ())
    said = str(args[1]) if len(args) > 1 and isinstance(args[0], int) else str(orig)
    # PostgreSQL adds rows of details and of the place in a function; Firebird one line after another
    lines = [line.strip(" -") for line in said.splitlines() if line.strip(" -")]
    lines = [line for line in lines if not re.match(r"(CONTEXT|LINE \d+|PL/pgSQL function|\^)", line)]
    return "; ".join(lines)[:500] or type(orig).__name__


def ours(dialect: str, error: DBAPIError, shown: str) -> MistokError:
    """Ours for one of the database's."""
    kind = kind_of(dialect, error)
    named: dict[str, str | Text] = {"database": shown, "words": verbatim(words_of(error))}
    match kind:
        case "unique" | "data":
            return Held(
                T("The database refuses it: {words}", **named),
                hint=T("The words are the database's own: a rule of it, a trigger, or a column that it does not fit."),
                code="database-refuses",
            )
        case "again" | "busy":
            return Transient(
                T("Another program works on the same rows of {database}: {words}", **named),
                hint=T("It is tried again by itself."),
                code="database-busy",
            )
        case "login":
            return Refused(
                T("The database {database} refuses the login: {words}", **named),
                hint=T("Check the user and the password in `url`, and from where that user may come."),
            )
        case "rights":
            return Refused(
                T("The database {database} refuses: {words}", **named),
                hint=T("The user needs to read, add and change rows; docs/systems/sql.md has the rights."),
                code="rights",
            )
        case "missing":
            return ConfigError(
                T("The database {database} is not as the config declares it: {words}", **named),
                hint=T("`mistok check --connect` tells what is missing."),
                code="database-differs",
            )
        case "full":
            return Transient(
                T("The database {database} has no room: {words}", **named), hint=T("It is tried again by itself.")
            )
        case _:
            return Transient(
                T("The database {database} did not answer as it should: {words}", **named),
                hint=T("It is tried again by itself. Check that the server runs and can be reached."),
            )
