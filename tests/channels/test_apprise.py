"""The channel of Apprise: a real service of HTTP on this machine takes, or refuses, what is sent."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from pipeline.ports import Notice
from pipeline.texts import verbatim
from plugins.channels.apprise import LONGEST, AppriseChannel, AppriseSettings


class Service(ThreadingHTTPServer):
    """Takes JSON."""

    def __init__(self) -> None:
        self.taken: list[dict[str, Any]] = []
        self.status = 200
        super().__init__(("127.0.0.1", 0), Answer)

    @property
    def url(self) -> str:
        return f"json://user:geheim@127.0.0.1:{self.server_address[1]}/"


class Answer(BaseHTTPRequestHandler):
    server: Service

    def do_POST(self) -> None:
        self.server.taken.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
        self.send_response(self.server.status)
        self.end_headers()

    def log_message(self, *_words: object) -> None:
        pass


@pytest.fixture
def service() -> Iterator[Service]:
    made = Service()
    thread = threading.Thread(target=made.serve_forever, daemon=True)
    thread.start()
    yield made
    made.shutdown()
    made.server_close()
    thread.join(10)


def notice(body: str) -> Notice:
    return Notice("order", verbatim("Замовлення <1042>"), verbatim(body))


def test_a_notice_is_taken_as_it_is_and_a_refusal_says_why(service: Service) -> None:
    channel = AppriseChannel(AppriseSettings(urls=(service.url,)))
    assert channel.available().shown
    assert channel.send(notice("Іван & Ко\n100 грн"), "uk").shown
    assert channel.send(notice("x" * 2 * LONGEST), "uk").shown
    first, second = service.taken
    assert (first["title"], first["message"]) == ("Замовлення <1042>", "Іван & Ко\n100 грн")
    assert len(second["message"]) == LONGEST
    service.status = 503
    answer = channel.send(notice("y"), "uk")
    assert not answer.shown
    assert answer.why is not None
    assert "503" in answer.why.render("en")
    assert "geheim" not in answer.why.render("en")
    channel.close()


def test_an_address_of_nobody_is_said_by_its_place() -> None:
    answer = AppriseChannel(AppriseSettings(urls=("json://localhost", "nosuch://geheim"))).available()
    assert not answer.shown
    assert answer.why is not None
    assert answer.why.render("en") == "Apprise does not understand address 2."


@pytest.mark.parametrize("urls", [(), ("geheim",), ("json://localhost", "://geheim"), ("tgram://",)])
def test_what_is_no_address_is_found_by_check(urls: tuple[str, ...]) -> None:
    with pytest.raises(ValidationError) as error:
        AppriseSettings(urls=urls)
    assert "geheim" not in " ".join(one["msg"] for one in error.value.errors(include_input=False))


def test_mistakes_about_who_is_told_are_found_at_their_places(tmp_path: Path) -> None:
    from tests.e2e.command import here

    (tmp_path / "config.yaml").write_text(
        """\
client: acme
connections: {site: {type: local, path: .}, books: {type: books}}
jobs: {orders: {every: 9h, steps: [{step: import-orders, inbox: site, into: books}]}}
alerts:
  tell:
    - {to: Olena, jobs: [ordesr]}
    - {least: 10, most: 5}
  quiet:
    - {since: "0:00", until: "24:00"}
  escalate:
    - {name: a, after: 10m, kinds: held, channel: desktop}
    - {name: a, after: 1h, channel: desktop}
    - {name: b, after: 1h, chanel: desktop}
    - {name: c, after: 1h, channel: {type: apprise, urls: [geheim]}}
""",
        encoding="utf-8",
    )
    said = here("--language", "en", "-c", tmp_path / "config.yaml", "check")
    assert said.code == 2
    for words in (
        "config.yaml:6:26 alerts.tell[0].jobs[0]: There is no job `ordesr`.",
        "alerts.tell[1].most: `most` is less than `least`",
        "config.yaml:9:5 alerts.quiet: The quiet hours never end",
        "alerts.escalate[1].name: Another escalation is called `a`, too.",
        "alerts.escalate[2].chanel: Key `chanel` is not known here.",
        "alerts.escalate[3].channel.urls: Address 1 is none of Apprise",
    ):
        assert words in said.all, said.all
    assert "geheim" not in said.all
