"""The questions of ``mistok init`` at a terminal, and the look at the server that the answers name.

Nothing is written here: what was answered comes back whole, so that Ctrl-C at any question leaves nothing behind.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import typer

from pipeline.cli import common
from pipeline.cli.init import NAME, Server, Shape, client_name, jobs_for, kind_of
from pipeline.cli.init_accounting import Accounting, Wanted, chosen, offered, wanted
from pipeline.errors import ConfigError, MistokError
from pipeline.texts import T, Text, use_language, verbatim


@dataclass(frozen=True, slots=True)
class Answers:
    """What was answered. ``pinned``: files that keep which server is trusted, by their path in the client's folder."""

    server: Server
    client: str
    language: str
    shape: Shape
    accounting: Accounting
    pinned: Mapping[str, bytes] = field(default_factory=dict)


def ask(directory: Path, client: str | None, language: str, shape: Shape, accounting: Accounting) -> Answers:
    """Ask everything, with what is given as proposals; try the server. Raises typer.Abort on Ctrl-C."""
    say(T("A few questions; Enter takes what stands in brackets, Ctrl-C stops and writes nothing."))
    language = question(T("Language of comments and messages (uk, en)"), language, _one_of("uk", "en"))
    use_language(language)
    client = question(T("Name of the client, in Latin letters"), client or client_name(directory), _is_name)
    server, pinned = _server(directory)
    accounting = _accounting(accounting)
    possible = [job for job in shape.jobs if job in jobs_for(accounting)] or ["orders"]
    jobs = " ".join(possible)
    if len(jobs_for(accounting)) > 1:
        jobs = question(T("Jobs: catalogue (goods to the site), orders (from the site), or both"), jobs, _are_jobs)
    else:
        say(T("{name} tells no products: the job is to take orders.", name=accounting.type))
    zone = question(T("Time zone of the shop"), shape.timezone, _is_zone)
    currency = question(T("Currency of the shop"), shape.currency, _is_currency)
    shape = Shape(tuple(jobs.split()), zone, currency)
    return Answers(server, client, language, shape, accounting, pinned)


def _accounting(before: Accounting) -> Accounting:
    """Which accounting, and what a connection to it must be told."""
    from pipeline.registry import load_registry

    registry = load_registry(sources=())
    known = offered(registry)
    for name, plugin in known.items():
        say(T("  {name}: {what}", name=name, what=plugin.summary))
    while True:
        name = question(T("Accounting that orders go to"), before.type, _one_of(*known))
        given: dict[str, str] = {}
        for one in wanted(known[name]) or ():
            if one.fixed:
                continue
            say(T("{key}: {about}", key=one.key, about=one.about))
            if one.secret:
                unseen = T("{key} (not shown; kept in `secrets/`; empty: from the environment)", key=one.key)
                given[one.key] = str(typer.prompt(str(unseen), hide_input=True, default="", show_default=False)).strip()
            else:
                given[one.key] = question(verbatim(one.key), before.given.get(one.key), _fits(one))
        try:
            return chosen(registry, name, given)
        except ConfigError as error:
            common.show_findings(error.findings, of_story=True)


def _fits(one: Wanted) -> Callable[[str], Text | None]:
    return lambda answer: _is_given(answer) or one.trouble(answer)


def _server(directory: Path) -> tuple[Server, dict[str, bytes]]:
    server = Server()
    while True:
        server = _described(server)
        if server.kind == "local":
            return server, {}
        with TemporaryDirectory(prefix="mistok-") as temp:
            base = Path(temp)
            try:
                probe(server, base, directory)
            except MistokError as error:
                common.show_findings(error.findings, of_story=True)
                if typer.confirm(str(T("Correct the answers? (n: go on with them as they are)")), default=True):
                    continue
            pinned = {
                path.relative_to(base).as_posix(): path.read_bytes() for path in base.rglob("*") if path.is_file()
            }
            return server, pinned


def _described(before: Server) -> Server:
    kind = kind_of(
        question(
            T("Where does the site put its orders: local (a folder here), sftp, ftp or ftps"),
            before.kind,
            _one_of("local", "sftp", "ftp", "ftps"),
        )
    )
    if kind == "local":
        return Server()
    host = question(T("Name or address of the server"), before.host, _is_given)
    port = question(T("Port (0: the usual one)"), str(before.port or 0), _is_port)
    user = question(T("Login name"), before.user, _is_given)
    key = ""
    if kind == "sftp":
        key = question(T("Private key file (-: log in with a password)"), before.key or "-", _is_given)
    password = None
    if key in ("", "-"):
        password = (
            typer.prompt(
                str(T("Password (not shown; kept in `secrets/`)")), hide_input=True, default="", show_default=False
            )
            or None
        )
    root = question(T("Folder on the server (.: where the login begins)"), before.root or ".", _is_given)
    return Server(
        kind, host, int(port) or None, user, password, None if key in ("", "-") else key, None if root == "." else root
    )


def probe(server: Server, base: Path, directory: Path) -> None:
    """Try the server: who it is (trusted only after a yes), the login, a look at its folder. Raises MistokError.

    What is trusted is kept in ``base``, a folder of nobody's; a key's path counts from ``directory``.
    """
    from pipeline.cli.trust import _show
    from pipeline.transports import TRANSPORTS, open_transport
    from pipeline.transports.identity import fetch_identity, pin_identity

    kind = "sftp" if server.kind == "sftp" else "ftp"
    say(T("Trying the server…"))
    params = TRANSPORTS[kind].model_validate(settings_of(server, directory))
    if server.kind != "ftp":
        identity = fetch_identity("site", kind, params, base)
        _show(identity)
        if not identity.trusted:
            if not typer.confirm(str(T("Trust it from now on?")), default=False):
                raise ConfigError(
                    T("The server is not trusted, so nobody logged in."),
                    hint=T("Ask its admin for the fingerprint; `mistok trust site` asks again."),
                )
            pin_identity("site", kind, params, base, identity)
    transport = open_transport("site", kind, params, base=base, patient=False)
    try:
        files, folders = transport.list(""), transport.folders("")
    finally:
        transport.close()
    say(
        T(
            "The login works. The folder has {files} files and these folders: {folders}.",
            files=len(files),
            folders=", ".join(sorted(folders)[:10]) or "–",
        )
    )


def settings_of(server: Server, directory: Path) -> dict[str, Any]:
    """The answers as parameters of a connection."""
    given: dict[str, Any] = {
        "host": server.host,
        "port": server.port,
        "user": server.user,
        "password": None if server.key else server.password or "",
        "key": str((directory / Path(server.key).expanduser()).resolve()) if server.key else None,
        "root": server.root,
        "tls": {"ftp": "none", "ftps": "explicit"}.get(server.kind),
    }
    return {name: value for name, value in given.items() if value is not None}


# --- one question ------------------------------------------------------------------------------------------------


def question(text: Text, default: str | None, right: Callable[[str], Text | None]) -> str:
    """Ask until the answer is right; ``right`` says what is wrong with one."""
    while True:
        answer = str(typer.prompt(str(text), default=default, show_default=bool(default))).strip()
        wrong = right(answer)
        if wrong is None:
            return answer
        say(wrong)


def say(text: Text) -> None:
    """Print a line."""
    common.console().print(str(text), soft_wrap=True, markup=False)


def _one_of(*words: str) -> Callable[[str], Text | None]:
    def right(answer: str) -> Text | None:
        return None if answer in words else T("Known: {names}.", names=", ".join(words))

    return right


def _is_given(answer: str) -> Text | None:
    return None if answer and answer.isprintable() else T("An answer is needed here.")


def _is_name(answer: str) -> Text | None:
    ok = NAME.fullmatch(answer)
    return None if ok else T("Names have Latin letters, digits, `-`, `_` and `.`, and begin with a letter or a digit.")


def _is_port(answer: str) -> Text | None:
    ok = re.fullmatch(r"[0-9]{1,5}", answer) and int(answer) < 65536
    return None if ok else T("A port is a number up to 65535.")


def _are_jobs(answer: str) -> Text | None:
    words = answer.split()
    ok = words and len(set(words)) == len(words) and set(words) <= set(Shape().jobs)
    return None if ok else T("Known: {names}.", names=", ".join(Shape().jobs))


def _is_zone(answer: str) -> Text | None:
    return shape_trouble(replace(Shape(), timezone=answer))


def _is_currency(answer: str) -> Text | None:
    return shape_trouble(replace(Shape(), currency=answer))


def shape_trouble(shape: Shape) -> Text | None:
    """What is wrong with it, or None."""
    try:
        shape.check()
    except ConfigError as error:
        finding = error.findings[0]
        return T("{one} {other}", one=finding.text, other=finding.hint) if finding.hint else finding.text
    return None
