"""The front of a fleet: webhooks of all clients become runs in the queue; what people do beside it is heard, too."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.config.load import load_config
from pipeline.engine.fleet import hinting, standing
from pipeline.engine.fleet.front import Front
from pipeline.engine.fleet.queue import Ask
from pipeline.engine.fleet.roster import Clients
from tests.engine.fleet import clients

SECRET = "a-long-enough-secret"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two clients, one of which has webhooks."""
    clients.write(tmp_path, "bravo")
    path = clients.write(tmp_path, "acme")
    hooks = f"hooks: {{listen: '127.0.0.1:0', secret: {SECRET}}}\n"
    path.write_text(path.read_text("utf-8") + hooks, encoding="utf-8")
    return tmp_path


@pytest.fixture
def front() -> Iterator[Front]:
    made = Front()
    yield made
    made.close()


def call(port: int) -> int:
    request = urllib.request.Request(f"http://127.0.0.1:{port}/hooks/site/{SECRET}", data=b"{}", method="POST")
    with urllib.request.urlopen(request, timeout=60) as answer:
        return int(answer.status)


def test_a_webhook_asks_for_the_runs_that_read_from_there(folder: Path, front: Front) -> None:
    heard: list[Ask] = []
    served = Clients(folder)
    front.follow(served.served, heard.append)
    front.follow(served.served, heard.append)
    first = front.ports
    assert set(first) == {"acme"}
    assert call(first["acme"]) < 300
    assert heard == [Ask("acme", "orders", "webhook")]
    path = folder / "acme" / "config.yaml"
    path.write_text(path.read_text("utf-8").replace("every: 5m", "every: 6m"), encoding="utf-8")
    front.follow(Clients(folder).served, heard.append)
    assert call(front.ports["acme"]) < 300
    with pytest.raises(urllib.error.URLError):
        call(first["acme"])
    assert len(heard) == 2
    front.follow({}, heard.append)
    assert front.ports == {}


def test_an_answered_card_and_a_run_by_hand_are_heard_at_once(
    folder: Path, queue_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = load_config(folder / "acme")
    monkeypatch.delenv(hinting.ENVIRONMENT, raising=False)
    hinting.answered(config)
    assert not hinting.run_soon(config, "orders", by="olena")
    assert standing.look(queue_url).clients == {}
    monkeypatch.setenv(hinting.ENVIRONMENT, queue_url)
    hinting.answered(config)
    hinting.answered(config)
    assert standing.look(queue_url).clients["acme"].waiting == 1
    assert hinting.run_soon(config, "orders", by="olena")
    assert standing.look(queue_url).clients["acme"].waiting == 2
    monkeypatch.setenv(hinting.ENVIRONMENT, "postgresql://nobody@127.0.0.1:9/none")
    assert not hinting.run_soon(config, "orders"), "what was done is done, whatever becomes of the queue"
