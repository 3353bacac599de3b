"""``mistok worker --front`` as it is started, beside a worker without: its page, webhooks, metrics, and its end."""

from __future__ import annotations

import re
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx2
import psutil
import pytest

from tests.faults.fleet import Fleet
from tests.servers.common import free_port
from tests.servers.postgresql import Postgres
from tests.web.conftest import PASSWORD, secret

pytestmark = [
    pytest.mark.full,
    pytest.mark.skipif(sys.platform == "win32", reason="told to end by a signal here; the end is the same there"),
]
SECRET = "a-long-enough-secret"


@pytest.fixture
def page() -> int:
    return free_port()


@pytest.fixture
def hooks() -> int:
    return free_port()


@pytest.fixture
def fleet(tmp_path: Path, postgres_server: Postgres, queue_url: str, page: int, hooks: int) -> Iterator[Fleet]:
    """Clients acme, which has webhooks, and bravo; nothing runs by itself but once at the beginning."""
    folder = tmp_path / "clients"
    folder.mkdir()
    with postgres_server.database("ledger") as ledger:
        made = Fleet(folder, postgres_server, ledger, queue_url, every="9h")
        for name in ("acme", "bravo"):
            made.add(name, 0)
            config = folder / name / "config.yaml"
            text = config.read_text("utf-8")
            if name == "acme":
                text += f"hooks: {{listen: '127.0.0.1:{hooks}', secret: {SECRET}}}\n"
            config.write_text(text, encoding="utf-8")
        (folder / "service.yaml").write_text(f"language: en\nweb: {{listen: '127.0.0.1:{page}'}}\n", encoding="utf-8")
        yield made


def first_link(fleet: Fleet) -> str:
    """The link that makes the first user, once the front has told it."""
    said = fleet.folder / "front.log"
    found: list[str] = []

    def told() -> bool:
        found[:] = re.findall(r"http://\S+/setup/\S+", said.read_text("utf-8", "replace"))
        return bool(found)

    fleet.until(told)
    return found[0]


def answers(ask: Callable[[], httpx2.Response]) -> bool:
    """Whether it is answered well yet."""
    try:
        return ask().status_code < 300
    except httpx2.TransportError:
        return False


def test_a_front_offers_all_pages_takes_webhooks_and_ends_when_told(fleet: Fleet, page: int, hooks: int) -> None:
    address = f"http://127.0.0.1:{page}"
    with ExitStack() as stack:
        front = stack.enter_context(fleet.worker("front", "--front"))
        stack.enter_context(fleet.worker("other"))
        http = stack.enter_context(httpx2.Client(base_url=address, timeout=120))
        link = first_link(fleet)
        fleet.until(lambda: answers(lambda: http.get("/healthz", follow_redirects=False)) or front.poll() is not None)
        assert front.poll() is None, fleet.said()
        fleet.until(lambda: sum(one.alive for one in fleet.state().workers) == 2)
        fleet.until(lambda: {"acme", "bravo"} <= set(fleet.state().clients))

        # the first user, the page of all, and a client's
        fields = {"csrf": secret(http.get(link).text), "name": "olha", "password": PASSWORD, "again": PASSWORD}
        assert http.post(link, data=fields).headers["location"] == "/"
        fleet.until(lambda: all(f'href="/c/{name}/"' in http.get("/").text for name in fleet.clients))
        one = http.get("/c/bravo/jobs").text
        assert '<span class="client">bravo</span>' in one

        # Run now
        fleet.drop("bravo", 2)
        answer = http.post("/c/bravo/jobs/orders/run", data={"csrf": secret(one)})
        assert answer.headers["location"] == "/c/bravo/jobs/orders"
        fleet.until(lambda: "person" in fleet.triggers("bravo"))
        fleet.until(lambda: not fleet.left())

        # a webhook
        assert not {"webhook"} & set(fleet.triggers("acme"))
        fleet.drop("acme", 2)
        call = f"http://127.0.0.1:{hooks}/hooks/site/"
        fleet.until(lambda: answers(lambda: httpx2.post(call + SECRET, content=b"{}", timeout=60)))
        assert httpx2.post(call + "wrong", content=b"{}", timeout=60).status_code >= 400
        fleet.until(lambda: "webhook" in fleet.triggers("acme"))
        fleet.until(lambda: not fleet.left())

        # figures
        assert "mistok" in http.get("/metrics").text
        fleet.until(lambda: "mistok_queue_workers 2.0" in http.get("/c/acme/metrics").text)
        figures = http.get("/c/acme/metrics").text
        for name in ("waiting", "running", "oldest_seconds"):
            assert re.search(rf"^mistok_queue_{name} [0-9.e-]+$", figures, re.MULTILINE), figures

        family = psutil.Process(front.pid).children(recursive=True)
        assert family
        front.send_signal(signal.SIGTERM)
        assert front.wait(120) == 0, fleet.said()
        fleet.until(lambda: not any(is_alive(child) for child in family))
        assert not answers(lambda: http.get("/healthz"))

        # the other one works on
        fleet.drop("acme", 1)
        fleet.ask("acme", by="olha")
        fleet.until(fleet.settled)
    said = fleet.said()
    assert "Traceback" not in said
    assert link.rpartition("/")[2] not in said.replace(link, ""), "the link is told once, and to people"
    fleet.check()


def is_alive(process: psutil.Process) -> bool:
    """Whether it is, a dead one that nobody has asked for left aside."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
