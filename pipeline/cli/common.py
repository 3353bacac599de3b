"""What every verb needs: the config, the language, error cards, tables and JSON, exit codes.

Exit codes: 0 done · 1 something that came up waits for a person, the own disk of ledger and archive included · 2 wrong
config or usage · 3 a server could not be reached, or refuses what is needed.
"""

from __future__ import annotations

import gc
import json
import os
import shlex
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import typer

from pipeline.engine.shown import words
from pipeline.errors import ConfigError, Finding, MistokError, Refused, Transient, Who
from pipeline.texts import LANGUAGES, T, Text, hide_from_now_on, use_language

if TYPE_CHECKING:
    from rich.console import Console

    from pipeline.config.model import ClientConfig
    from pipeline.engine.runtime import Client

DONE, WAITING, WRONG, UNREACHABLE = 0, 1, 2, 3

# what every verb says, said from here
WHO, OUTCOMES = words.WHO, words.OUTCOMES
cell, size_words, counts_line = words.cell, words.size_words, words.counts_line
where, where_short, place_of = words.where, words.where_short, words.place_of
finding_row, jsonable = words.finding_row, words.jsonable

EXIT_CODES = T(
    "Exit codes: 0 done, or there was nothing to do · 1 something that came up in this call waits for a person "
    "(or what was asked for is not there) · 2 wrong config or usage · 3 a server could not be reached, "
    "or refuses what is needed."
)


#: What is done before a verb is run, when it was called as a command.
before_verbs: list[Callable[[], None]] = []


@dataclass
class Options:
    """What was given before the verb."""

    config: Path = Path("config.yaml")
    language: str | None = None


def language_of_environment() -> str:
    """``uk`` or ``en``, by MISTOK_LANGUAGE or the machine's locale."""
    for name in ("MISTOK_LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG"):
        value = os.environ.get(name, "")[:2].lower()
        if value in LANGUAGES:
            return value
    return "en"


def early_log() -> None:
    """Until a config says where the log is: unexpected errors go whole to a file of this user, never to the screen."""
    from pipeline import logs

    logs.configure(level="error", file=early_log_file(), max_size=1_000_000, keep=1, console=False)


def early_log_file() -> Path:
    """Where that is."""
    import tempfile

    name = f"mistok-{os.environ.get('USERNAME') or os.environ.get('USER') or 'user'}.log"
    return Path(tempfile.gettempdir()) / name


def loaded() -> None:
    """What a verb needs is loaded: from here on garbage is collected again, and not looked for in what was loaded.

    The command begins without (see :func:`pipeline.cli.main`); where that did not begin this process, nothing is done.
    """
    if not gc.isenabled():
        gc.freeze()
        gc.enable()


def options(context: typer.Context) -> Options:
    """The options given before the verb."""
    found = context.find_root().obj
    return found if isinstance(found, Options) else Options()


def console(*, stderr: bool = False) -> Console:
    """Where to print. Wide enough to keep rows whole when the output is not a terminal."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    width = None if (stream is not None and stream.isatty()) or "COLUMNS" in os.environ else 160
    # what stands between colons is somebody's words, and no emoji: it need not be looked up among all of them
    return Console(stderr=stderr, width=width, highlight=False, soft_wrap=False, emoji=False)


def load(context: typer.Context) -> ClientConfig:
    """The client's config, with its language in use and its log set up. Raises ConfigError with every mistake."""
    return load_path(options(context))


def load_path(chosen: Options, *, logged: bool = True) -> ClientConfig:
    """The same, by the options given before the verb. Not ``logged``: for verbs that leave nothing in its folder."""
    from pipeline import logs
    from pipeline.config.clients import is_folder_of_clients
    from pipeline.config.load import language_of, load_config
    from pipeline.config.masking import mask

    if chosen.config.is_dir() and is_folder_of_clients(chosen.config):
        usage(
            T("{folder} has many clients, and this verb is about one.", folder=str(chosen.config)),
            T("Name its config: --config {path}", path=str(chosen.config / "CLIENT" / "config.yaml")),
        )
    try:
        config = load_config(chosen.config)
    except ConfigError:
        # its mistakes in the language that it would have
        asked = chosen.language or os.environ.get("MISTOK_LANGUAGE") or language_of(chosen.config)
        if asked:
            use_language(asked)
        raise
    hide_from_now_on(lambda words: mask(words, config.secrets))
    use_language(chosen.language or os.environ.get("MISTOK_LANGUAGE") or config.language)
    if logged:
        logs.for_client(config, console=False)
    loaded()
    return config


@contextmanager
def client(context: typer.Context, *, read_only: bool = True, guarded: bool = True) -> Iterator[Client]:
    """The client's config, ledger and archive, opened. Listing verbs open read-only: no ledger is made for them.

    ``guarded`` False: for verbs that have work to do also without a ledger; what is wrong with it is told.
    """
    from pipeline.engine.runtime import Client

    with Client.open(load(context), read_only=read_only, guarded=guarded) as opened:
        if opened.without is not None:
            show_findings(opened.without.findings)
        yield opened


@contextmanager
def cards(*, as_json: bool = False) -> Iterator[None]:
    """Turn errors into cards and exit codes; an unexpected one goes whole to the log, with a reference."""
    try:
        yield
    except MistokError as error:
        show_findings(error.findings, as_json=as_json)
        raise typer.Exit(exit_code(error)) from error
    except KeyboardInterrupt as error:
        console(stderr=True).print(str(T("Stopped. What was under way goes on with the next run.")))
        raise typer.Exit(130) from error
    except (typer.Exit, typer.Abort, typer.BadParameter):
        raise
    except Exception as error:
        if hasattr(error, "format_message"):  # a wrong call: words.run tells it
            raise
        import secrets

        import structlog

        from pipeline.engine.endings import unexpected

        reference = secrets.token_hex(4)
        structlog.get_logger("mistok.cli").exception("unexpected", reference=reference)
        show_findings((unexpected("mistok", error, reference),), as_json=as_json)
        if not as_json:
            from pipeline import logs

            console(stderr=True).print(str(T("  The log: {path}", path=str(logs.where() or "-"))))
        raise typer.Exit(WAITING) from error


def person() -> str:
    """Who is at the keyboard, for what is written down of a decision: MISTOK_USER, else ``user@machine``."""
    import getpass
    import socket

    if named := os.environ.get("MISTOK_USER", "").strip():
        return named[:128]
    try:
        user = getpass.getuser()
    except (OSError, KeyError, ImportError):  # a user without a name, such as in a container
        user = "?"
        if sys.platform != "win32":
            user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"[:128]


def exit_code(error: MistokError) -> int:
    """The exit code of an error."""
    if isinstance(error, ConfigError):
        return WRONG
    from pipeline.engine.runtime import OWN_TROUBLE

    away = isinstance(error, (Transient, Refused)) and error.code not in OWN_TROUBLE
    return UNREACHABLE if away else WAITING


def usage(text: Text, hint: Text | None = None) -> NoReturn:
    """Say that the call is wrong."""
    raise ConfigError(text, hint=hint)


def not_found(text: Text, hint: Text, *, as_json: bool = False) -> NoReturn:
    """Say that what was asked for is not there: the call was right, so it ends with 1."""
    show_findings((Finding("not-found", text, hint=hint, who=Who.ACCOUNTANT),), as_json=as_json)
    raise typer.Exit(WAITING)


def show_findings(findings: Sequence[Finding], *, as_json: bool = False, of_story: bool = False) -> None:
    """Print findings as short cards, or as JSON (to standard output).

    What went wrong with the call itself goes to standard error. Findings ``of_story`` are part of what was asked for
    (a run, a trace, a check) and go to standard output with it, so that ``mistok trace X > file`` loses none.
    """
    if as_json:
        print(json.dumps({"findings": [finding_row(finding) for finding in findings]}, ensure_ascii=False, indent=2))
        return
    out = console(stderr=not of_story)
    from rich.text import Text as Rich

    for finding in findings:
        line = Rich(no_wrap=False)
        if place := place_of(finding):
            line.append(place + ": ", style="bold")
        line.append(str(finding.text), style="red")
        out.print(line, soft_wrap=True)  # a place broken in two cannot be clicked or copied
        if finding.hint:
            out.print(Rich("  → " + str(finding.hint), style="cyan"), soft_wrap=True)


def quoted(path: Path) -> str:
    """A path as it is typed in a command: one word, whatever blanks it has."""
    if os.name == "nt":
        return f'"{path}"' if " " in str(path) else str(path)
    return shlex.quote(str(path))


def print_json(data: Any) -> None:
    """Print data as JSON, Cyrillic readable."""
    print(json.dumps(jsonable(data), ensure_ascii=False, indent=2))


def table(columns: Sequence[tuple[str, Text]], rows: Sequence[Mapping[str, Any]], *, empty: Text) -> None:
    """Print rows under translated headings; ``empty`` when there are none."""
    out = console()
    if not rows:
        out.print(str(empty))
        return
    from rich import box
    from rich.table import Table
    from rich.text import Text as Rich

    shown = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name, heading in columns:
        numeric = all(isinstance(row.get(name), (int, Decimal)) or row.get(name) in (None, "") for row in rows)
        shown.add_column(str(heading), justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        shown.add_row(*(Rich(cell(row.get(name))) for name, _heading in columns))
    out.print(shown)
