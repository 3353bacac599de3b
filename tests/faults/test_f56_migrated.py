"""F56: upgraded: an old ledger is backed up and migrated, killed in the middle of that too; a newer one is refused."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from pipeline.engine import restoring
from pipeline.engine.rebuild import rebuild
from pipeline.engine.runtime import Client
from pipeline.errors import ConfigError
from pipeline.ledger import backup
from pipeline.ledger import tables as t
from pipeline.ledger.migrate import upgrade_to
from pipeline.ledger.store import HEAD
from tests.faults import invariants, tally
from tests.faults.conftest import Victim

Make = Callable[[str, str], Victim]

DIE = """
import os, signal, sys
import sqlalchemy as sa
from pathlib import Path
from pipeline.config.load import load_config
from pipeline.engine.runtime import Client
left = int(sys.argv[2])
def count(conn, cursor, statement, parameters, context, executemany):
    global left
    if statement.lstrip().upper().startswith(("CREATE", "ALTER", "UPDATE ALEMBIC")):
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
sa.event.listen(sa.Engine, "after_cursor_execute", count)
Client.open(load_config(Path(sys.argv[1]))).close()
"""


def engine_of(victim: Victim) -> sa.Engine:
    if victim.ledger.startswith("sqlite"):
        return sa.create_engine(f"sqlite:///{victim.folder / 'ledger.sqlite3'}")
    return sa.create_engine(victim.ledger)


def make_old(victim: Victim) -> None:
    """The ledger as Mistok 0.1 left it: its tables at the first version, with what they had in them."""
    engine = engine_of(victim)
    with engine.begin() as conn:
        rows = {
            table.name: [t.row_dict(row) for row in conn.execute(sa.select(table))]
            for table in t.metadata.sorted_tables
        }
        for table in reversed(t.metadata.sorted_tables):
            table.drop(conn)
        conn.execute(sa.text("DROP TABLE alembic_version"))
        upgrade_to(conn, "0001")
        there = sa.inspect(conn)
        for table in t.metadata.sorted_tables:
            if there.has_table(table.name) and rows[table.name]:
                columns = {column["name"] for column in there.get_columns(table.name)}
                old = sa.table(table.name, *(sa.column(c.name, c.type) for c in table.columns if c.name in columns))
                values = [{k: v for k, v in row.items() if k in columns} for row in rows[table.name]]
                conn.execute(old.insert(), values)
        if conn.dialect.name == "postgresql":
            backup.set_sequences(conn)
    engine.dispose()


def version(victim: Victim) -> str | None:
    engine = engine_of(victim)
    with engine.connect() as conn:
        found = backup.version_of(conn)
    engine.dispose()
    return found


def copies(victim: Victim) -> list[Path]:
    return sorted(path for path in victim.folder.glob("ledger*before-0001-*") if path.suffix != ".partial")


def goes_on(victim: Victim, documents: int) -> None:
    victim.drop("company.xml")
    assert victim.run().counts["created"] == 1
    assert len(invariants.books_rows(victim.config())) == documents + 1
    victim.check()


@pytest.mark.parametrize("ledger", ["sqlite", "postgres"])
def test_f56_an_old_ledger_is_backed_up_and_migrated(make_victim: Make, ledger: str) -> None:
    victim = make_victim("local", ledger)
    victim.drop_twenty()
    victim.run()
    make_old(victim)
    assert version(victim) == "0001"
    engine = engine_of(victim)
    with engine.begin() as conn:
        conn.execute(sa.text("UPDATE files SET ack_error = 'null'"))  # as the first version wrote that there is none
    engine.dispose()
    assert victim.run().counts == {}
    assert version(victim) == HEAD
    assert victim.ledger_rows("SELECT count(*) FROM files WHERE ack_error IS NOT NULL") == [(0,)]
    [copy] = copies(victim)
    goes_on(victim, 20)
    # the copy is one that can be gone back to
    done = restoring.restore(victim.config(), copy, replace=True)
    assert done.outcome.head.version == "0001"
    assert victim.ledger_rows("SELECT count(*) FROM orders") == [(20,)]
    assert version(victim) == HEAD
    rebuild(victim.config(), apply=True)  # what came after the copy was made
    victim.check()


@pytest.mark.parametrize("ledger", ["sqlite", "postgres"])
@pytest.mark.parametrize("nth", [1, 3, 6, 99])
def test_f56_killed_in_the_middle_of_migrating(make_victim: Make, ledger: str, nth: int) -> None:
    victim = make_victim("local", ledger)
    victim.drop("single.xml")
    victim.run()
    make_old(victim)
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", DIE, str(victim.path), str(nth)], cwd=root, timeout=120, capture_output=True, text=True
    )
    if nth < 99:
        assert done.returncode == -9, done.stderr
        tally.note("kills")
        assert version(victim) == "0001", "all of it or nothing"
    else:
        assert done.returncode == 0, done.stderr
    goes_on(victim, 1)
    assert version(victim) == HEAD


def test_f56_a_ledger_of_a_newer_version_is_refused_and_left_as_it_is(make_victim: Make) -> None:
    victim = make_victim("local", "sqlite")
    victim.drop_twenty()
    with Client.open(victim.config()):
        pass
    path, _ = restoring.back_up(victim.config(), None)
    engine = engine_of(victim)
    with engine.begin() as conn:
        conn.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    with pytest.raises(ConfigError, match="newer Mistok") as caught:
        victim.run()
    assert "mistok ledger restore" in str(caught.value.hint)
    assert version(victim) == "9999"
    assert len(list(victim.inbox.iterdir())) == 20
    with pytest.raises(ConfigError, match="no ledger that can be used"):
        restoring.restore(victim.config(), path)
    done = restoring.restore(victim.config(), path, replace=True)
    assert done.before is not None
    assert done.before.exists(), "what was there is kept"
    assert victim.run().counts["created"] == 20
    victim.check()
