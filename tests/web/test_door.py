"""An edited config whose page cannot listen: the service goes on with the old one, whose page listens on."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from pipeline.cli import common, serve
from pipeline.config.load import hash_now, load_config
from pipeline.config.model import ClientConfig, WebConfig
from pipeline.engine import configwatch
from pipeline.engine.configwatch import ConfigWatch
from pipeline.engine.runtime import Client
from pipeline.errors import ConfigError
from pipeline.ledger import tables as t
from pipeline.texts import Text
from pipeline.web.server import Door
from tests.servers.common import free_port

CONFIG = """\
client: acme
language: en
connections: {{site: {{type: local, path: site}}, books: {{type: books}}}}
jobs: {{orders: {{every: 9h, steps: [{{step: import-orders, inbox: site, into: books}}]}}}}
alerts: {{channels: []}}
web:
  listen: "{listen}"
"""


def write(path: Path, listen: str) -> Path:
    path.write_text(CONFIG.format(listen=listen), encoding="utf-8")
    return path


@pytest.fixture
def door() -> Iterator[Door]:
    with closing(Door()) as door:
        yield door


@pytest.fixture
def old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ClientConfig:
    """The config that the service works by; what is loaded from now on is what the file says then."""
    path = write(tmp_path / "config.yaml", f"127.0.0.1:{free_port()}")
    monkeypatch.setattr(common, "load", lambda _context: load_config(path))
    return load_config(path)


def notices(config: ClientConfig) -> list[dict[str, Any]]:
    with Client.open(config) as client, client.ledger.read() as conn:
        rows = conn.execute(t.notices.select().where(t.notices.c.subject == "config").order_by(t.notices.c.id))
        return [t.row_dict(row) for row in rows]


def answers(listen: str) -> bool:
    host, _, port = listen.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=5).close()
    except ConnectionError:
        return False
    return True


@pytest.mark.parametrize(
    ("listen", "hint"),
    [
        ("{taken}", "Another program has it"),
        ("192.0.2.1:8470", "This machine has no such address"),  # TEST-NET-1 of RFC 5737: nobody's
    ],
)
def test_an_address_that_cannot_be_had_leaves_the_old_config_at_work_and_is_told(
    old: ClientConfig, door: Door, monkeypatch: pytest.MonkeyPatch, listen: str, hint: str
) -> None:
    assert old.web is not None
    door.open(old.web)
    context: Any = None
    with socket.create_server(("127.0.0.1", 0)) as taken:
        write(old.source, listen.format(taken=f"127.0.0.1:{taken.getsockname()[1]}"))
        for _ in range(2):
            config, refused = serve._edited(context, old, door, None)
            assert config is old
        assert refused == hash_now(old.source)
    assert answers(old.web.listen)
    [told] = notices(old)  # once
    words = Text.from_json(told["body"]).render("en")
    assert "cannot be listened on" in words
    assert hint in words
    assert re.search(r"config\.yaml\D+7\b", words), words
    assert "goes on with the config that it has" in words

    # it is not tried again and again: only when it is edited again
    monkeypatch.setattr(configwatch, "LOOK_EVERY", 0.0)
    began: list[float] = []
    monkeypatch.setattr(ConfigWatch, "_begin", lambda _self, now: began.append(now))
    watch = ConfigWatch(old, refused)
    for _ in range(4):
        assert watch.look() is None
    assert not began
    write(old.source, old.web.listen + "0")
    for _ in range(4):
        watch.look()
    assert began


def test_an_address_that_can_be_had_takes_the_place_of_the_old_one(old: ClientConfig, door: Door) -> None:
    assert old.web is not None
    door.open(old.web)
    write(old.source, listen := f"127.0.0.1:{free_port()}")
    context: Any = None
    config, refused = serve._edited(context, old, door, None)
    assert config.web is not None
    assert (config.web.listen, refused) == (listen, "")
    assert answers(listen)
    assert not answers(old.web.listen)
    assert notices(config) == []


def test_without_a_page_its_address_does_not_matter(old: ClientConfig, door: Door) -> None:
    context: Any = None
    with socket.create_server(("127.0.0.1", 0)) as taken:
        write(old.source, f"127.0.0.1:{taken.getsockname()[1]}")
        config, refused = serve._edited(context, old, door, False)
    assert config is not old
    assert refused == ""


def test_the_door_stays_open_while_its_address_stays(door: Door) -> None:
    settings = WebConfig(listen="127.0.0.1:0")
    first = door.open(settings)
    assert door.open(settings.model_copy(update={"url": "https://mistok.example"})) is first


def test_its_own_port_is_not_in_its_way(door: Door) -> None:
    port = free_port()
    door.open(WebConfig(listen=f"127.0.0.1:{port}"))
    assert door.open(WebConfig(listen=f"0.0.0.0:{port}")).getsockname() == ("0.0.0.0", port)
    with pytest.raises(ConfigError, match=r"192\.0\.2\.1"):
        door.open(WebConfig(listen=f"192.0.2.1:{port}"))
    assert answers(f"127.0.0.1:{port}"), "the old one again"
