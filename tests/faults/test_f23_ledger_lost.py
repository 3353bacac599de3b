"""F23: the ledger is locked, damaged, missing or empty beside a full archive: waits, or refuses and says what to do."""

from __future__ import annotations

import json
import shutil
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from pipeline.engine import restoring
from pipeline.engine.rebuild import rebuild
from pipeline.engine.runtime import Client
from pipeline.errors import ConfigError, Transient
from pipeline.ledger import store
from tests.e2e.command import mistok
from tests.faults import forks, invariants, tally
from tests.faults.conftest import Victim
from tests.faults.pairs import FULL

Make = Callable[[str, str], Victim]
VERBS = ("mistok ledger restore", "mistok ledger rebuild")


def lose(victim: Victim) -> None:
    """The ledger is gone."""
    if victim.ledger.startswith("sqlite"):
        for path in victim.folder.glob("ledger.sqlite3*"):
            path.unlink()
        return
    engine = sa.create_engine(victim.ledger)
    with engine.begin() as conn:
        conn.execute(sa.text("DROP SCHEMA public CASCADE"))
        conn.execute(sa.text("CREATE SCHEMA public"))
    engine.dispose()


def refuses(victim: Victim, code: str) -> None:
    """Nothing runs, nothing is looked at, and it is said what to do."""
    before = {path.name: path.read_bytes() for path in victim.inbox.iterdir()}
    for dry_run in (False, True):
        with pytest.raises(ConfigError) as caught:
            victim.run(dry_run=dry_run)
        assert caught.value.code == code
        hint = (caught.value.hint or caught.value.text).render("en")
        assert all(verb in hint for verb in VERBS), hint
    assert {path.name: path.read_bytes() for path in victim.inbox.iterdir()} == before


def goes_on(victim: Victim, documents: int) -> None:
    """The next run does what is left, and nothing twice."""
    report = victim.run()
    assert report.state == "done", report
    assert list(victim.inbox.iterdir()) == []
    assert len(invariants.books_rows(victim.config())) == documents
    victim.check()


@pytest.mark.parametrize("ledger", ["sqlite", "postgres"])
@pytest.mark.parametrize("point", [None, "inbound:archived", "inbound:created", "inbound:committed"])
def test_f23_a_missing_ledger_is_refused_and_rebuilt(make_victim: Make, ledger: str, point: str | None) -> None:
    """``point``: where a run was killed before the ledger was lost; None: it had ended well."""
    victim = make_victim("local", ledger)
    victim.drop_twenty()
    if point is None:
        victim.run()
    else:
        assert victim.die(point, 2) == -9
    lose(victim)
    refuses(victim, "ledger-missing")
    config = victim.config()
    shown = rebuild(config)
    assert {one.state for one in shown.orders} <= {"created", "new"}
    refuses(victim, "ledger-missing")  # nothing was changed by looking
    done = rebuild(config, apply=True, by="anna")
    assert done.counts() == shown.counts()
    if point is None:
        assert done.counts() == {"files": {"acknowledged": 20}, "orders": {"created": 20}}
        assert victim.run().counts == {}
    goes_on(victim, 20)
    assert rebuild(config).counts() == {"files": {}, "orders": {}}, "the ledger knows all"


#: Only a ledger that is a file can be damaged, and set aside.
REBUILDS = [
    ("rebuild:planned", "sqlite", True),
    ("rebuild:aside", "sqlite", True),
    ("rebuild:middle", "sqlite", False),
    ("rebuild:middle", "postgres", False),
    ("rebuild:written", "sqlite", False),
    *([("rebuild:planned", "postgres", False), ("rebuild:written", "postgres", False)] if FULL else []),
]


@pytest.mark.parametrize(("point", "ledger", "damaged"), REBUILDS)
def test_f23_rebuilding_is_killed_and_done_again(make_victim: Make, point: str, ledger: str, damaged: bool) -> None:
    victim = make_victim("local", ledger)
    victim.drop_twenty()
    victim.run()
    lose(victim)
    if damaged:
        (victim.folder / "ledger.sqlite3").write_text("I am a letter to my grandmother." * 500, encoding="utf-8")
    victim.config()
    done = forks.run("tests.faults.rebuild_and_die", victim.path, point)
    assert done.returncode == -9, done.stderr
    tally.note("kills")
    if point != "rebuild:written":
        refuses(victim, "ledger-damaged" if damaged and point == "rebuild:planned" else "ledger-missing")
        rebuild(victim.config(), apply=True)
    assert victim.run().counts == {}, "all is known"
    goes_on(victim, 20)
    kept = list(victim.folder.glob("ledger.sqlite3.replaced-*"))
    assert len(kept) == damaged, "what was there is kept"


def test_f23_a_damaged_ledger_is_refused_set_aside_and_rebuilt(make_victim: Make) -> None:
    victim = make_victim("sftp", "sqlite")
    victim.drop_twenty()
    victim.run()
    path = victim.folder / "ledger.sqlite3"
    for rest in victim.folder.glob("ledger.sqlite3-*"):
        rest.unlink()
    size = path.stat().st_size
    with path.open("r+b") as file:  # pages in the middle, as a bad disk leaves them
        file.seek(4096)
        file.write(b"\xa5" * (size - 8192))
    victim.drop("company.xml")
    damaged = path.read_bytes()
    refuses(victim, "ledger-damaged")
    done = rebuild(victim.config(), apply=True)
    assert done.before is not None
    assert done.before.read_bytes() == damaged, "what was there is kept"
    goes_on(victim, 21)


def test_f23_a_file_that_is_no_database_is_refused(make_victim: Make) -> None:
    victim = make_victim("local", "sqlite")
    victim.drop_twenty()
    victim.run()
    lose(victim)
    (victim.folder / "ledger.sqlite3").write_text("I am a letter to my grandmother." * 500, encoding="utf-8")
    refuses(victim, "ledger-damaged")
    rebuild(victim.config(), apply=True)
    goes_on(victim, 20)


@pytest.mark.parametrize("ledger", ["sqlite", "postgres"])
def test_f23_a_backup_of_yesterday_is_restored_and_completed(make_victim: Make, tmp_path: Path, ledger: str) -> None:
    victim = make_victim("local", ledger)
    for name in ("single.xml", "company.xml"):
        victim.drop(name)
    victim.run()
    path, _outcome = restoring.back_up(victim.config(), tmp_path / "yesterday.jsonl.gz")
    victim.drop_twenty()
    victim.run()
    made = len(invariants.books_rows(victim.config()))
    lose(victim)
    refuses(victim, "ledger-missing")
    restoring.restore(victim.config(), path)
    assert len(rebuild(victim.config(), apply=True).files) == 20
    goes_on(victim, made)


def test_f23_a_locked_ledger_is_waited_for(make_victim: Make) -> None:
    victim = make_victim("local", "sqlite")
    with Client.open(victim.config()):
        pass
    victim.drop_twenty()
    holder = sqlite3.connect(victim.folder / "ledger.sqlite3", isolation_level=None, check_same_thread=False)
    holder.execute("BEGIN IMMEDIATE")
    threading.Timer(1.5, lambda: holder.execute("COMMIT")).start()
    began = time.monotonic()
    assert victim.run().state == "done"
    assert time.monotonic() - began > 1
    holder.close()
    goes_on(victim, 20)


def test_f23_a_ledger_that_stays_locked_is_told_and_nothing_is_touched(
    make_victim: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "BUSY", 200)
    victim = make_victim("local", "sqlite")
    with Client.open(victim.config()):
        pass
    victim.drop_twenty()
    holder = sqlite3.connect(victim.folder / "ledger.sqlite3", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(Transient, match="locked") as caught:
        victim.run()
    assert caught.value.code == "ledger"
    assert len(list(victim.inbox.iterdir())) == 20
    assert invariants.books_rows(victim.config()) == []
    holder.execute("ROLLBACK")
    holder.close()
    goes_on(victim, 20)


def test_f23_an_archive_that_others_share_stops_nobody_new(make_victim: Make) -> None:
    victim = make_victim("local", "sqlite")
    victim.drop_twenty()
    victim.run()
    other = victim.folder.parent / "other"
    other.mkdir()
    config = victim.config().model_copy(update={"client": "other", "base": other})
    archive = config.archive.model_copy(update={"path": victim.folder / "archive"})
    with Client.open(config.model_copy(update={"archive": archive})) as client:
        assert client.without is None
    lose(victim)
    refuses(victim, "ledger-missing")
    rebuild(victim.config(), apply=True)
    goes_on(victim, 20)


def test_f23_what_a_person_sees(make_victim: Make) -> None:
    """By the verbs: exit code 2 and advice; then a ledger begun anew on purpose, which books nothing twice."""
    victim = make_victim("local", "sqlite")
    victim.drop("single.xml")
    victim.run()
    keep = {path.name: path.read_bytes() for path in victim.folder.glob("ledger.sqlite3*")}
    lose(victim)
    victim.drop("company.xml")
    for words in (["run", "orders"], ["run", "orders", "--dry-run"], ["orders"], ["serve"]):
        said = mistok("-c", victim.path, "--language", "en", *words)
        assert said.code == 2, (words, said.all)
        assert all(verb in said.all for verb in (*VERBS, "mistok ledger new")), said.all
    said = mistok("-c", victim.path, "--language", "en", "archive", "verify", "--json")
    assert said.code == 1, "that the ledger is missing is what it found"
    assert (json.loads(said.out)["copies"], [one["code"] for one in json.loads(said.out)["findings"]]) == (
        1,
        ["ledger-missing"],
    )
    assert not list(victim.folder.glob("ledger.sqlite3*")), "looking makes nothing"
    assert mistok("-c", victim.path, "--language", "en", "ledger", "new").code == 0
    assert mistok("-c", victim.path, "--language", "en", "ledger", "new").code == 2
    shutil.copy(next((victim.folder / "archive" / "objects").glob("*/*")), victim.inbox / "single.xml")
    assert mistok("-c", victim.path, "run", "orders").code == 0
    assert len(invariants.books_rows(victim.config())) == 2
    victim.check()
    assert keep
