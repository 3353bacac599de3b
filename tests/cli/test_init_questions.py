"""``mistok init`` at a terminal: asks, tries a real server, writes a folder that passes; Ctrl-C leaves nothing."""

from __future__ import annotations

import itertools
import os
import re
import select
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from pipeline.cli.init import JOBS, Server, Shape, init
from pipeline.config.load import load_config
from pipeline.errors import ConfigError
from tests.servers.common import Server as RealServer

SERVERS = (
    Server(),
    Server("sftp", "h.example", 2222, "u", "p: #1", None, "in"),
    Server("sftp", "h.example", None, "u", None, "id", None),
    Server("ftp", "h.example", None, "u", 'x"'),
    Server("ftps", "h.example", 990, "u"),
)
CHOICES = list(itertools.product(SERVERS, (("catalogue",), ("orders",), JOBS), ("uk", "en")))
PLACES = (("Europe/Kyiv", "UAH"), ("America/New_York", "USD"))


def test_each_combination_of_answers_passes_check(tmp_path: Path) -> None:
    for number, (server, jobs, language) in enumerate(CHOICES):
        zone, currency = PLACES[number % 3 % 2]
        folder = tmp_path / f"c{number}"
        init(folder, server=server, client="acme", language=language, shape=Shape(jobs, zone, currency))
        config = load_config(folder, environ={})
        assert (config.timezone, config.currency, config.language) == (zone, currency, language)
        assert set(config.jobs) == set(jobs)
        text = (folder / "config.yaml").read_text(encoding="utf-8")
        assert not server.password or server.password not in text
        assert re.search(r"^  # .*\n  (catalogue|orders):$", text, re.MULTILINE), "each job keeps its comment"


@pytest.mark.parametrize(
    "shape", [Shape(("sell",)), Shape(()), Shape(timezone="Europe/Kiyv"), Shape(currency="hryvnia"), Shape(currency="")]
)
def test_a_shape_that_cannot_be_writes_nothing(tmp_path: Path, shape: Shape) -> None:
    with pytest.raises(ConfigError):
        init(tmp_path / "c", shape=shape)
    assert not (tmp_path / "c").exists()


# --- at a real terminal -------------------------------------------------------------------------------------------

if sys.platform == "win32":
    pytest.skip("a pseudo-terminal is a thing of POSIX", allow_module_level=True)
else:
    import pty
    import termios

    class Terminal:
        """A call of Mistok in a pseudo-terminal."""

        def __init__(self, words: Sequence[str], folder: Path) -> None:
            self.said = ""
            self.pid, self.fd = pty.fork()
            if self.pid == 0:
                os.chdir(folder)
                os.environ.update(MISTOK_LANGUAGE="en", TERM="dumb", COLUMNS="200")
                os.execv(sys.executable, [sys.executable, "-c", "from pipeline.cli import main; main()", *words])

        def read_until(self, words: str) -> None:
            """Wait for what is to be shown."""
            end = time.monotonic() + 60
            while words not in self.said:
                if not select.select([self.fd], [], [], max(end - time.monotonic(), 0))[0]:
                    raise AssertionError(f"{words!r} did not come: {self.said}")
                try:
                    more = os.read(self.fd, 4096)
                except OSError:  # the other end is closed
                    more = b""
                if not more:
                    raise AssertionError(f"{words!r} did not come: {self.said}")
                self.said += more.decode("utf-8", "replace")

        def answer(self, question: str, words: str) -> None:
            """Wait for a question and type."""
            self.read_until(question)
            self.said = self.said[self.said.index(question) + len(question) :]
            os.write(self.fd, f"{words}\n".encode() if words != "\x03" else b"\x03")

        def answer_unseen(self, question: str, words: str) -> None:
            """The same where nothing is echoed: what is typed before the echo is off would be thrown away."""
            self.read_until(question)
            end = time.monotonic() + 60
            while termios.tcgetattr(self.fd)[3] & termios.ECHO:
                assert time.monotonic() < end, "the password is echoed"
                time.sleep(0.01)
            self.answer(question, words)

        def end(self, *, again: bytes = b"") -> int:
            """Read what is left; the exit code.

            ``again`` is typed every second until the call ends: a Ctrl-C that comes between the showing of a
            question and the wait for its answer is only seen by CPython's `input` (Modules/readline.c: the flag is
            looked at when `select` is interrupted) at the next key, as a person at the terminal finds too.
            """
            end = time.monotonic() + 120
            while True:
                if not select.select([self.fd], [], [], 1.0)[0]:
                    assert time.monotonic() < end, f"it does not end: {self.said}"
                    if again:
                        os.write(self.fd, again)
                    continue
                try:
                    more = os.read(self.fd, 4096)
                except OSError:
                    break
                if not more:
                    break
                self.said += more.decode("utf-8", "replace")
            return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    @contextmanager
    def terminal(words: Sequence[str], folder: Path) -> Iterator[Terminal]:
        one = Terminal(words, folder)
        try:
            yield one
        finally:
            os.close(one.fd)

    @pytest.mark.full
    def test_at_a_terminal_against_a_real_server(tmp_path: Path, sshd_server: RealServer) -> None:
        """A wrong password is told and corrected; the host key is trusted after a yes; the folder works at once."""
        server = sshd_server
        (server.root / "orders").mkdir(exist_ok=True)
        with terminal(["init", "acme"], tmp_path) as at:
            at.answer("Language of comments", "")
            at.answer("Name of the client", "")
            at.answer("Where does the site put its orders", "ssh")
            at.read_until("Known: ")
            at.answer("Where does the site put its orders", "sftp")
            at.answer("Name or address of the server", server.host)
            at.answer("Port", str(server.port))
            at.answer("Login name", server.user)
            at.answer("Private key file", "")
            at.answer_unseen("Password", "wrong")
            at.answer("Folder on the server", "")
            at.answer("Trust it from now on?", "y")
            at.answer("Correct the answers?", "")
            at.answer("Where does the site put its orders", "")
            at.answer("Name or address of the server", "")
            at.answer("Port", "")
            at.answer("Login name", "")
            at.answer("Private key file", "")
            at.answer_unseen("Password", server.password)
            at.answer("Folder on the server", "")
            at.answer("Trust it from now on?", "y")
            at.read_until("The login works.")
            at.answer("Accounting that orders go to", "")
            at.answer("Jobs:", "orders")
            at.answer("Time zone", "Europe/Kiyv")
            at.read_until("Did you mean `Europe/Kyiv`?")
            at.answer("Time zone", "")
            at.answer("Currency", "")
            assert at.end() == 0, at.said
            shown = at.said
        assert server.password not in shown
        assert "Accept the server's key" not in shown, "it is trusted already"
        folder = tmp_path / "acme"
        assert "known_hosts" in {path.name for path in folder.iterdir()}
        assert server.password not in (folder / "config.yaml").read_text(encoding="utf-8")
        config = load_config(folder)
        assert set(config.jobs) == {"orders"}
        with terminal(["-c", "acme/config.yaml", "run", "orders"], tmp_path) as at:
            assert at.end() == 0, at.said

    @pytest.mark.full
    def test_another_accounting_is_asked_for_what_it_must_be_told(tmp_path: Path) -> None:
        with terminal(["init", "acme"], tmp_path) as at:
            at.answer("Language of comments", "")
            at.answer("Name of the client", "")
            at.answer("Where does the site put its orders", "")
            at.answer("Accounting that orders go to", "trytn")
            at.read_until("Known: ")
            at.answer("Accounting that orders go to", "tryton")
            at.answer("\nurl", "not an address")
            at.answer("\nurl", "https://erp.example")
            at.answer("\ndatabase", "shop")
            at.answer("\nuser", "mistok")
            at.answer_unseen("password (not shown", "s3cret")
            at.read_until("tells no products")
            at.answer("Time zone", "")
            at.answer("Currency", "")
            assert at.end() == 0, at.said
        folder = tmp_path / "acme"
        assert (folder / "secrets" / "tryton-password").read_text(encoding="utf-8") == "s3cret\n"
        assert "s3cret" not in (folder / "config.yaml").read_text(encoding="utf-8")
        assert set(load_config(folder, environ={}).jobs) == {"orders"}

    @pytest.mark.full
    def test_ctrl_c_at_a_question_leaves_nothing(tmp_path: Path) -> None:
        with terminal(["init", "acme"], tmp_path) as at:
            at.answer("Language of comments", "")
            at.answer("Name of the client", "")
            at.answer("Where does the site put its orders", "\x03")
            assert at.end(again=b"\x03") == 130, at.said
        assert list(tmp_path.iterdir()) == []
