"""Verbs over a folder of clients: how each of them stands, and what is wrong with any."""

from __future__ import annotations

import os
from contextlib import closing
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli import common
from pipeline.errors import ConfigError, MistokError
from pipeline.texts import TN, T, hide_from_now_on, use_language

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pipeline.cli.check import Answer, Begun
    from pipeline.config.clients import Found
    from pipeline.config.model import ClientConfig
    from pipeline.engine.apart import Apart, Mouth
    from pipeline.errors import Finding

#: Where verbs that know folders of clients take one.
Folder = Annotated[
    Path | None,
    typer.Argument(
        metavar="DIR",
        help=str(T("A client's folder, or one with a folder for each of many clients (default: --config).")),
        show_default=False,
    ),
]


def many(context: typer.Context, folder: Path | None) -> Path | None:
    """The folder of clients that is meant by the call; None: one client is, whose config is chosen then.

    A folder with a config of its own is that client's. Raises ConfigError when there is no such folder.
    """
    from pipeline.config.clients import is_folder_of_clients

    options = common.options(context)
    if folder is not None:
        if not folder.is_dir():
            common.usage(
                T("There is no folder {path}.", path=str(folder)),
                T("Name the folder of a client, or one with a folder for each client."),
            )
        options.config = folder
    place = options.config
    if place.is_dir() and is_folder_of_clients(place):
        return place.resolve()
    return None


def read(
    context: typer.Context,
    folder: Path,
    served: Callable[[Found], bool] | None = None,
    *,
    how: Callable[[], Any] | None = None,
    defaults: bool = False,
) -> tuple[Found, ...]:
    """Every client there, with the language of the service in use, and all their secrets masked. Those with plugins of
    their own are read apart, and what only those know is left out of their config. ``how``: gives the context of
    ``multiprocessing`` for that. ``defaults``: its own settings are not read.

    Raises ConfigError when they are wrong, or when there is no client.
    """
    from pipeline.config.clients import read_clients
    from pipeline.config.masking import mask
    from pipeline.config.service import ServiceConfig, load_service
    from pipeline.engine.clientread import all_read

    common.loaded()
    settings = ServiceConfig() if defaults else load_service(folder)
    use_language(common.options(context).language or os.environ.get("MISTOK_LANGUAGE") or settings.language)
    found = read_clients(folder, served=served, read=partial(all_read, how=how))
    secrets = frozenset(secret for one in found if one.config is not None for secret in one.config.secrets)
    hide_from_now_on(lambda words: mask(words, secrets))
    return found


# --- check -------------------------------------------------------------------------------------------------------


def check(context: typer.Context, folder: Path, *, connect: bool, write_probe: bool, as_json: bool) -> int:
    """Check every config; the worst exit code."""
    from pipeline.cli import check as one_client

    worst = common.DONE
    rows: list[dict[str, Any]] = []
    try:
        clients = read(context, folder, how=_context)
    except ConfigError as error:  # such as a typo in service.yaml: the clients' mistakes are told all the same
        clients = read(context, folder, how=_context, defaults=True)
        worst = common.WRONG
        rows.append({"client": None, "findings": error.findings, "exit_code": worst})
        if not as_json:
            common.show_findings(error.findings)
    with closing(_Looks(clients, connect=connect, write_probe=write_probe)) as looks:
        for found in clients:
            if found.config is None:
                code = common.WRONG
                rows.append({"client": found.name, "findings": found.findings, "exit_code": code})
                if not as_json:
                    common.console().print(str(T("{client}: the config is wrong.", client=found.name)), markup=False)
                    common.show_findings(found.findings, of_story=True)
            else:
                answers, code = looks.of(found)
                rows.append(one_client.as_data(found.config, answers, code))
                if not as_json:
                    one_client.show(found.config, answers)
            worst = max(worst, code, key=_ORDER.index)
    if as_json:
        common.print_json({"clients": rows, "exit_code": worst})
    else:
        good = sum(found.config is not None for found in clients)
        words = TN("{n} client, {good} of them with a good config.", "{n} clients, {good} of them with a good config.",
                   len(clients), good=good)  # fmt: skip
        common.console().print(str(words))
    return worst


class _Looks:
    """Looks at clients. Those with plugins of their own are looked at apart, some side by side, each by a process of
    its own; the others here, when it is their turn.
    """

    def __init__(self, clients: Iterable[Found], *, connect: bool, write_probe: bool) -> None:
        from pipeline.engine.apart import SideBySide
        from pipeline.engine.clientread import AT_ONCE, has_own

        self._how = connect, write_probe
        self._clients = {one.folder: one for one in clients if one.config is not None and has_own(one.folder)}
        self._heard: dict[Path, list[Begun | Answer]] = {folder: [] for folder in self._clients}
        self._apart = SideBySide(self._clients, self._begin, AT_ONCE)
        self.close = self._apart.close

    def of(self, found: Found) -> tuple[list[Answer], int]:
        """What is found about this one, once; and the exit code."""
        from pipeline.cli.check import Answer, Begun, look
        from pipeline.engine.apart import NoAnswer
        from pipeline.engine.clientread import not_checked

        assert found.config is not None
        if found.folder not in self._clients:
            self._apart.go_on()
            connect, write_probe = self._how
            return look(found.config, connect=connect, write_probe=write_probe)
        try:
            answers, code, findings = self._apart.result(found.folder)
        except NoAnswer as error:
            heard = self._heard[found.folder]
            answers = [one for one in heard if isinstance(one, Answer)]
            at = next((one for one in reversed(heard) if isinstance(one, Begun)), Begun(found.name, ""))
            findings, code = (not_checked(found.folder, error.why),), common.WRONG
            return [*answers, Answer(at.name, at.kind, findings=list(findings), exit_code=code)], code
        if findings:
            answers = [Answer(found.name, "", findings=list(findings), exit_code=code)]
        return answers, code

    def _begin(self, folder: Path) -> Apart:
        from pipeline.engine.apart import Apart
        from pipeline.texts import current_language

        given = (folder, current_language(), *self._how)
        return Apart(_context(), _look_here, *given, heard=self._heard[folder].append)


def _context() -> Any:
    from pipeline.engine.clientread import context_of_a_verb

    return context_of_a_verb("pipeline.cli.check")


def _look_here(
    folder: Path, language: str, connect: bool, write_probe: bool, mouth: Mouth
) -> tuple[list[Answer], int, tuple[Finding, ...]]:
    """The same, in the process of its own: what was found, the exit code, and what it could not be done for."""
    from pipeline.cli.check import Answer, look
    from pipeline.config.clients import read_client
    from pipeline.config.masking import mask

    use_language(language)
    found = read_client(folder)
    if found.config is None:  # it was edited a moment ago
        return [], common.WRONG, found.findings
    secrets, own = found.config.secrets, _own_systems(found.config)
    hide_from_now_on(lambda words: mask(words, secrets))

    def tell(what: Begun | Answer) -> None:
        mouth.say(what)
        if not isinstance(what, Answer):
            # servers take the time that they take, and what is built in gives them up by itself
            mouth.limit(bool(what.systems & own))

    try:
        answers, code = look(found.config, connect=connect, write_probe=write_probe, tell=tell)
    except MistokError as error:
        return [], common.exit_code(error), error.findings
    except Exception as error:  # noqa: BLE001 - of its own plugins, or of ours: the others are looked at all the same
        from pipeline.engine.endings import unexpected  # it loads much

        return [], common.WAITING, (unexpected("mistok", error, ""),)
    return answers, code, ()


def _own_systems(config: ClientConfig) -> frozenset[str]:
    """The types of systems that the client's own plugins are."""
    from pipeline.engine.ownplugins import plugin_folder
    from pipeline.registry import own_plugins, own_sources

    return frozenset(name for kind, name in own_plugins(own_sources(plugin_folder(config))) if kind == "system")


_ORDER = (common.DONE, common.WAITING, common.UNREACHABLE, common.WRONG)

# --- status ------------------------------------------------------------------------------------------------------

CODES = {"well": common.DONE, "trouble": common.WAITING, "down": common.UNREACHABLE, "wrong": common.WRONG}
COLUMNS = (
    ("client", T("Client")),
    ("state", T("State")),
    ("last", T("Last run")),
    ("running", T("Runs now")),
    ("cards", T("Cards")),
    ("told", T("What is wrong")),
)


def status(context: typer.Context, folder: Path, age: timedelta, *, nagios: bool, as_json: bool) -> int:
    """How every client stands; the exit code is that of the worst."""
    from pipeline.engine.shown.standings import in_short, standing, standings, worst
    from pipeline.registry import load_registry

    registry = load_registry()
    clients = read(context, folder, lambda one: standing(one, registry, age).level != "down")
    found = standings(clients, registry, age)
    level = worst(found)
    code, told = CODES[level], in_short(found)
    if nagios:
        from pipeline.cli.status import NAGIOS

        bad = ", ".join(one.client for one in found if one.level != "well")
        print(f"MISTOK {NAGIOS[code][1]} - {told}{f' ({bad})' if bad else ''}")
        return NAGIOS[code][0]
    if as_json:
        common.print_json({"clients": [one.row() for one in found], "level": level, "exit_code": code})
        return code
    rows = [{**one.row(), "state": one.state, "running": ", ".join(one.running), "told": one.told} for one in found]
    common.table(COLUMNS, rows, empty=T("There is no client."))
    common.console().print(told, markup=False)
    return code
