"""Every `mistok …` in the README and in docs/ is one that can be called, and those that a test can run are run.

A line of a block that has no language, or ``sh`` and its like, is a command when it begins with ``mistok`` (after
``$``, ``sudo`` or ``uv run``). Each must be
understood: verb, options and arguments. Run are those that need nothing but a client with a day behind it; their
numbers and articles may be strange to it, so "not there" (1) is a right answer and "wrong call" (2) is not.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer
import typer.main

from pipeline.cli.app import app
from tests.e2e.command import here

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]

#: What click says of a wrong call; typer may bring a click of its own.
USAGE: type[Exception] = typer.BadParameter.__mro__[1]
#: Verbs that are run: a new one is understood only, until somebody knows that it ends by itself and asks nothing.
RUN_VERBS = frozenset(
    {"approve", "archive", "books", "card", "cards", "check", "compare", "files", "jobs", "ledger", "mappings",
     "notices",
     "orders", "plans", "plugins", "resolve", "rules", "run", "status", "support-bundle", "sync", "trace", "users"}
)  # fmt: skip
#: Commands of those verbs that are not run here, and others, by how they begin, and why.
NOT_RUN = {
    "demo": "takes seconds and starts a server: tests/e2e/test_demo.py",
    "serve": "runs until it is stopped: tests/engine/test_supervisor_for_real.py",
    "selftest": "kills runs against a server: tests/engine/test_selftest.py",
    "trust": "needs an SSH server: tests/transports, tests/cli/test_trust_words.py",
    "users add": "asks for a password: tests/web/test_access.py",
    "check --connect --write-probe": "writes into a CRM: tests/systems",
    "service": "changes the machine: tests/cli/test_service.py",
    "init": "asks at a keyboard where nothing is given, and makes a folder: tests/cli/test_init.py",
    "sql": "needs a database: tests/systems/sql",
    "commerceml": "needs sessions of 1C: tests/commerceml",
    "sync goods": "needs a pair of systems under that name: tests/cli/test_sync_verbs.py",
    "compare": "needs two systems: tests/engine/test_compare.py",
    "doctor": "needs two systems: tests/cli, tests/engine/doctor",
    "rules orders": "needs a step with rules: tests/cli/test_rules.py",
    "run orders --since": "needs a step that asks a system: tests/steps",
    "ledger restore": "needs a backup to restore: tests/ledger",
    "validate": "needs the page's own file: tests/formats/test_order_xml_docs.py, tests/cli/test_validate.py",
    "replay": "needs the page's own files and config: tests/cli/test_replay.py",
    "archive extract": "writes where the page says: tests/cli/test_archive_verbs.py",
    "books load": "needs the page's own tables: tests/systems",
    "support-bundle --connect": "tries every server: tests/cli/test_support_bundle.py",
}

#: Languages of blocks that hold commands.
SHELLS = ("", "sh", "bash", "console", "text")


def commands() -> list[tuple[str, int, tuple[str, ...]]]:
    """(page, line, words) of every command that the pages show, comments cut."""
    found = []
    for page in PAGES:
        block: str | None = None  # its language, while inside of one
        for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
            if line.lstrip().startswith("```"):
                block = line.strip().removeprefix("```") if block is None else None
                continue
            match = re.match(r"\s*(?:\$ )?(?:sudo )?(?:uv run )?mistok\s+(?P<rest>\S.*)$", line)
            if block in SHELLS and match:  # what stands far to the right tells of the command
                words = shlex.split(re.split(r" {3,}", match["rest"])[0], comments=True)
                cut = next((at for at, word in enumerate(words) if word in (">", "|", "&&")), len(words))
                found.append((page.relative_to(ROOT).as_posix(), number, tuple(words[:cut])))
    return found


COMMANDS = commands()


@cache
def _root() -> Any:
    return typer.main.get_command(app)


def understood(words: tuple[str, ...]) -> None:
    """Parse the words as a call would, down to the verb, and run nothing. Raises UsageError of click."""
    command, rest, context = _root(), list(words), None
    while True:
        context = command.make_context(command.name, rest, parent=context)
        if not hasattr(command, "resolve_command"):
            return
        rest = [*getattr(context, "_protected_args", ()), *context.args]
        _name, command, rest = command.resolve_command(context, rest)


def test_there_are_commands() -> None:
    assert len(COMMANDS) > 80


def test_every_command_is_understood(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("products.csv", "references.csv", "products.xlsx"):  # which must be there to be understood
        (tmp_path / name).write_text("", encoding="utf-8")
    wrong = []
    for page, line, words in COMMANDS:
        try:
            understood(words)
        except USAGE as error:
            wrong.append(f"{page}:{line}: mistok {' '.join(words)}: {error}")
        except typer.Exit:
            continue  # --version and --help
    assert wrong == []


def test_a_wrong_command_would_be_found() -> None:
    for words in (("ordres",), ("orders", "--stat", "new"), ("service", "instal"), ("card",)):
        with pytest.raises(USAGE):
            understood(words)


def left_out(words: tuple[str, ...]) -> str | None:
    line = re.sub(r"^(?:--(?:config|language) \S+ )+", "", " ".join(words))
    why = next((why for start, why in NOT_RUN.items() if f"{line} ".startswith(f"{start} ")), None)
    return why or (None if line.split()[0] in RUN_VERBS else "not known to end by itself")


def test_what_is_left_out_is_in_the_docs() -> None:
    lines = [" ".join(words) for _, _, words in COMMANDS]
    assert [start for start in NOT_RUN if not any(f"{line} ".startswith(f"{start} ") for line in lines)] == []


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tests.web.conftest import make_client

    folder = tmp_path_factory.mktemp("docs")
    make_client(folder)
    return folder


RUN = sorted({words for _, _, words in COMMANDS if left_out(words) is None})


@pytest.mark.full
def test_the_others_are_run(client: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All in one client, as a day has them; the order of their names is as good as any."""
    folder = tmp_path / "client"
    shutil.copytree(client, folder)
    monkeypatch.chdir(folder)
    assert len(RUN) > 40
    wrong = []
    for words in RUN:
        # a folder of a machine that this one is not
        here_words = [str(tmp_path) if word == "/mnt/nas" else word for word in words]
        said = here("--config", folder / "config.yaml", *here_words)
        if said.code not in ((0, 1, 3) if words[0] == "status" else (0, 1)):  # 3: no service is at work, which is so
            wrong.append(f"mistok {' '.join(words)}: {said.code}: {said.err[:300]}")
    assert wrong == [], os.linesep.join(wrong)
