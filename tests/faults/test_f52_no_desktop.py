"""F52: no desktop, and another channel that is down: documents never wait, and the notice goes by the next channel."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.config.load import load_config
from pipeline.engine.runtime import Client
from pipeline.ledger import tables as t
from tests.faults import invariants
from tests.faults.conftest import Victim
from tests.faults.serving import as_json, scheduled, serving, until

#: A client's own channel: a file that stands for a mailbox; when ``down`` lies beside it, its server does not answer.
MAILBOX = '''\
"""Notices as lines of a file."""
from pathlib import Path
from pipeline.api import ChannelPlugin, Delivered, Settings, T

class Mailbox(Settings):
    """A mailbox."""
    path: Path
    """Where it lies."""

class Channel:
    name = "mailbox"
    def __init__(self, settings):
        self._path = settings.path
    def available(self):
        down = self._path.with_name("down").exists()
        return Delivered(not down, T("The mail server does not answer.") if down else None)
    def send(self, notice, language):
        with self._path.open("a", encoding="utf-8") as mailbox:
            mailbox.write(notice.title.render(language) + "\\n")
        return Delivered(True)
    def close(self):
        pass

PLUGIN = ChannelPlugin("mailbox", T("A mailbox."), Mailbox, Channel)
'''


@pytest.fixture
def no_desktop(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is logged in: no bus, no display."""
    for name in ("DBUS_SESSION_BUS_ADDRESS", "DISPLAY", "WAYLAND_DISPLAY", "XDG_RUNTIME_DIR"):
        monkeypatch.delenv(name, raising=False)


def notices(path: Path) -> list[dict[str, Any]]:
    with Client.open(load_config(path)) as client, client.ledger.read() as conn:
        rows = [t.row_dict(row) for row in conn.execute(t.notices.select().order_by(t.notices.c.id))]
    return [row for row in rows if row["kind"] != "summary"]


@pytest.mark.full
def test_f52_documents_never_wait_and_the_notice_goes_by_the_next_channel(
    make_victim: Callable[[str, str], Victim], no_desktop: None
) -> None:
    victim = make_victim("local", "sqlite")
    scheduled(victim, "every: 1s")
    mailbox, down = victim.folder / "mail.txt", victim.folder / "down"
    (victim.folder / "plugins").mkdir()
    (victim.folder / "plugins" / "mailbox.py").write_text(MAILBOX, "utf-8")
    channels = f"alerts: {{channels: [desktop, {{type: mailbox, path: {mailbox.as_posix()}}}], burst: 50}}\n"
    victim.path.write_text(victim.path.read_text("utf-8") + channels, "utf-8")
    down.touch()
    config = load_config(victim.path)
    victim.drop_twenty()
    with serving(victim):
        until(lambda: len(invariants.books_rows(config)) == 20, victim)
        until(lambda: not list(victim.inbox.iterdir()), victim)
        until(lambda: all(row["state"] == "undelivered" for row in notices(victim.path)), victim)
        assert len(notices(victim.path)) == 20
        assert not mailbox.exists()
        assert as_json(victim, "status")["notices_not_shown"] == 20
        whys = {row["why"] for row in as_json(victim, "notices")}
        assert whys == {"mailbox: The mail server does not answer."}, "why the last one that was asked cannot"
        down.unlink()  # the mail server is back; the desktop is not
        until(lambda: all(row["state"] == "shown" for row in notices(victim.path)), victim, 90)
        time.sleep(0.7)
    told = mailbox.read_text("utf-8").splitlines()
    assert len(told) == len(set(told)) == 20, "each once"
    assert {row["channel"] for row in notices(victim.path)} == {"mailbox"}
    victim.check()
