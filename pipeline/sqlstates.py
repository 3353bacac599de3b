"""What PostgreSQL says by SQLSTATE of troubles that are over by themselves, or once somebody has mended its server.

Drivers sort them into classes that do not tell this: a server that became read-only is an "internal error", missing
rights are a "programming error". The codes are those of PostgreSQL's manual, appendix A.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.texts import T

if TYPE_CHECKING:
    from pipeline.texts import Text

#: The transaction, or the whole session, may only read. A session keeps that from its begin: only a new one can write
#: after the server can.
READ_ONLY = "25006"
NO_RIGHTS = "42501"
_PASSING: tuple[tuple[str, Text, Text], ...] = (
    (
        READ_ONLY,
        T("its database is read-only now"),
        T("Let the address name the server that writes, as after a failover; see whether the server's disk is full."),
    ),
    (
        NO_RIGHTS,
        T("its database does not give this user the rights"),
        T("Give its user the rights on all tables and sequences of the database (GRANT), or make it their owner."),
    ),
    ("53100", T("the disk of its database is full"), T("Make room on the database server.")),
    (
        "53300",
        T("its database has no connection left"),
        T("Raise max_connections of the server, or put a pool such as PgBouncer before it."),
    ),
    ("53", T("its database server is out of means"), T("See the log of the database server.")),
    (
        "57P",
        T("its database server is being stopped or started"),
        T("Start the database server; nothing else is to be done."),
    ),
    ("40", T("another transaction was in the way"), T("Nothing is to be done: it is tried again.")),
    ("55P03", T("another transaction was in the way"), T("Nothing is to be done: it is tried again.")),
    ("57014", T("its database server ended the statement"), T("See statement_timeout of the server and of its user.")),
    ("58", T("its database server has trouble with its disk"), T("See the log of the database server.")),
)


def sqlstate(error: BaseException | None) -> str:
    """The code that a driver's error carries (psycopg's or psycopg2's); empty where it carries none."""
    return str(getattr(error, "sqlstate", None) or getattr(error, "pgcode", None) or "")


def passing(error: BaseException | None) -> tuple[Text, Text] | None:
    """Words of what is wrong and of what to do, where it is worth to try again later; None where it is not known."""
    return words_of(sqlstate(error))


def words_of(code: str) -> tuple[Text, Text] | None:
    """The same by the code itself."""
    return next(((words, hint) for begins, words, hint in _PASSING if code and code.startswith(begins)), None)
