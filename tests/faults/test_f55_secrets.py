"""F55: a secret is in nothing that Mistok writes or prints: every verb there is, its log, its ledger, its archive.

The verbs are asked for at run time, so that a new one is covered by itself: each is called plainly, with ``--json`` and
with each of its switches. The secret is put in the way: a server that repeats the password in its refusal, and a step
of the client's own that raises with it.
"""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from pipeline.cli.app import app
from pipeline.config.load import load_config
from pipeline.engine.runtime import Client, RunOptions, RunReport, run_job
from pipeline.ledger import tables as t
from pipeline.resources import samples
from tests.faults import invariants, tally

#: Found by its core, in whatever form the rest of it is written.
CORE = "s3cret-Kern"
SECRET = f'п"а&р {CORE} %41'
CONFIG = """\
client: acme
language: {language}
connections:
  site: {{type: local, path: site}}
  far: {{type: ftp, tls: none, host: 127.0.0.1, port: {port}, user: shop, password: "${{file:{secret}}}"}}
  books: {{type: books, url: "sqlite:///books.sqlite3", seed: ["{samples}/products.csv", "{samples}/references.csv"]}}
log: {{file: logs/mistok.log, level: debug}}
alerts: {{channels: []}}
jobs:
  orders:
    every: 1h
    steps: [{{step: import-orders, inbox: site, folder: orders, into: books, stable: 10ms, client: "0042",
             object: "01", user: anna, executor: petro}}]
  refused:
    every: 1h
    steps: [{{step: import-orders, inbox: far, folder: orders, into: books, client: "0042", object: "01",
             user: anna, executor: petro}}]
  raises:
    every: 1h
    steps: [{{step: blurt, word: "${{file:{secret}}}"}}]
"""
BLURT = '''\
"""A step of the client's own that talks too much."""
import logging
from pydantic import SecretStr
from pipeline.api import FreeStep, Settings, StepPlugin, T

class Blurt(Settings):
    """Raises with its secret."""
    word: SecretStr
    """A secret."""

def run(params, ctx):
    word = params.word.get_secret_value()
    logging.getLogger("own").warning("the word is %s", word)
    try:
        raise ValueError(word)
    except ValueError as error:
        raise RuntimeError(f"cannot use {word!r}") from error

PLUGIN = StepPlugin("blurt", T("Blurt."), Blurt, FreeStep(run))
'''
#: What a required argument is given, by its name; another one gets "1".
FILLED = {
    "job": "refused",
    "connection": "far",
    "what": "2001",
    "files": str(samples() / "orders/twenty/order-00002001.xml"),
    "directory": "another",
    "folder": "another",
}
#: They ask a person, or run until they are stopped: called in ways of their own, below or in tests of theirs.
OTHERWISE = {"serve", "demo"}


@pytest.fixture
def tactless() -> Iterator[int]:
    """The port of an FTP server that says aloud which password it did not like."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve(talk: socket.socket) -> None:
        with talk, talk.makefile("rwb", buffering=0) as line:
            line.write(b"220 hello\r\n")
            while said := line.readline():
                word, _, rest = said.strip().partition(b" ")
                if word.upper() == b"PASS":
                    line.write(b"530 " + rest + b" is not the password of shop\r\n")
                elif word.upper() == b"QUIT":
                    line.write(b"221 bye\r\n")
                    return
                else:
                    line.write(b"331 go on\r\n" if word.upper() == b"USER" else b"502 no\r\n")

    def accept() -> None:
        while True:
            try:
                talk, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(talk,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    yield listener.getsockname()[1]
    listener.close()


@pytest.fixture
def place(tmp_path: Path, tactless: int, monkeypatch: pytest.MonkeyPatch) -> Path:
    secret = tmp_path / "hidden" / "word.txt"
    secret.parent.mkdir()
    secret.write_text(SECRET, "utf-8")
    folder = tmp_path / "client"
    (folder / "site" / "orders").mkdir(parents=True)
    (folder / "plugins").mkdir()
    (folder / "plugins" / "blurt.py").write_text(BLURT, "utf-8")
    text = CONFIG.format(port=tactless, secret=secret.as_posix(), samples=samples().as_posix(), language="en")
    (folder / "config.yaml").write_text(text, "utf-8")
    for order in sorted(samples().glob("orders/twenty/*.xml"))[:3]:
        (folder / "site" / "orders" / order.name).write_bytes(order.read_bytes())
    monkeypatch.chdir(folder)
    return folder


def leaves(command: Any, words: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every verb with its sub-verbs: its words and its command."""
    names = getattr(command, "list_commands", None)
    if names is None:
        yield words, command
        return
    import click

    context = click.Context(command)
    for name in names(context):
        found = command.get_command(context, name)
        if found is not None and name not in OTHERWISE:
            yield from leaves(found, (*words, name))


def calls(words: tuple[str, ...], command: Any) -> Iterator[list[str]]:
    """Ways to call a verb: plainly, as JSON, and with each switch."""
    filled = [FILLED.get(p.name, "1") for p in command.params if p.param_type_name == "argument" and p.required]
    yield [*words, *filled]
    for param in command.params:
        if getattr(param, "is_flag", False) and "--help" not in param.opts:
            yield [*words, *filled, param.opts[0]]


def lie_about(folder: Path) -> list[str]:
    """Files under ``folder`` that hold the secret."""
    return [
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_file() and CORE.encode() in path.read_bytes()
    ]


def check(place: Path) -> None:
    """The promises; of the other jobs nothing is to be expected, as what is wrong with them stays so."""
    config = load_config(place / "config.yaml")
    dropped = {path.name: path.read_bytes() for path in sorted(samples().glob("orders/twenty/*.xml"))[:3]}

    def again(job: str) -> RunReport:
        return run_job(config, job, RunOptions(trigger="schedule"))

    invariants.check(
        config, inboxes=[place / "site" / "orders"], dropped=dropped, goods=None, again=again, jobs=["orders"]
    )


@pytest.mark.full
def test_f55_no_verb_and_no_file_tells_a_secret(place: Path) -> None:
    told: list[str] = []
    asked = 0
    runner = CliRunner()

    def call(words: list[str]) -> str:
        nonlocal asked
        asked += 1
        done = runner.invoke(app, ["-c", str(place / "config.yaml"), *words], input="n\n" * 5)
        if CORE in done.output:
            told.append(" ".join(words))
        assert not done.exception or isinstance(done.exception, SystemExit), (words, done.exception)
        return done.output

    refused = call(["run", "refused"])
    assert "is not the password of shop" in refused, "the server said it aloud"
    assert "•••" in refused
    raised = call(["run", "raises"])
    assert "failed by a mistake of the program" in raised
    call(["run", "orders"])
    seen = set()
    for words, command in leaves(typer.main.get_command(app)):
        seen.add(words[0])
        for one in calls(words, command):
            call(one)
    assert {"status", "check", "run", "notices", "trace", "plugins", "jobs"} <= seen
    assert told == []
    assert lie_about(place) == []
    log = (place / "logs" / "mistok.log").read_text("utf-8")
    assert "Traceback" in log, "the log has it whole"
    assert "the word is •••" in log
    with Client.open(load_config(place / "config.yaml")) as client, client.ledger.read() as conn:
        for table in t.metadata.sorted_tables:
            for row in conn.execute(table.select()):
                assert CORE not in str(tuple(row)), table.name
    tally.note("inputs", asked)
    check(place)


def test_f55_the_service_tells_none_either(place: Path) -> None:
    with (place / "screen.txt").open("wb") as screen:
        service = subprocess.Popen(
            [sys.executable, "-c", "from pipeline.cli import main; main()", "serve"], stdout=screen, stderr=screen
        )
    try:
        start = time.monotonic()
        while (place / "screen.txt").read_text("utf-8", "replace").count("run_ended") < 3:
            assert time.monotonic() - start < 60, (place / "screen.txt").read_text("utf-8", "replace")[-3000:]
            time.sleep(0.05)
        service.send_signal(signal.SIGTERM)
        assert service.wait(30) == 0
    finally:
        service.kill()
        service.wait()
    assert "•••" in (place / "screen.txt").read_text("utf-8")
    assert lie_about(place) == []
    check(place)


@pytest.mark.unchecked("the config is refused, so that nothing is opened")
def test_f55_a_config_that_is_wrong_around_a_secret_does_not_tell_it(place: Path) -> None:
    path = place / "config.yaml"
    path.write_text(path.read_text("utf-8").replace('password: "${file', 'pasword: "${file', 1), "utf-8")
    done = CliRunner().invoke(app, ["-c", str(path), "check"])
    assert done.exit_code == 2
    assert CORE not in done.output
    assert lie_about(place) == []
