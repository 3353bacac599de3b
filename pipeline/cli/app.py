"""The verbs, registered. Those of systems (``mistok books …``) come from the registry: no vendor is named here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from pipeline import __version__
from pipeline.cli import archive, common, ledger
from pipeline.cli.alerts import group as alerts_group
from pipeline.cli.cards import card, cards
from pipeline.cli.check import check
from pipeline.cli.config import group as config_group
from pipeline.cli.demo import demo
from pipeline.cli.doctor import group as doctor_group
from pipeline.cli.init import command as init
from pipeline.cli.jobs import jobs
from pipeline.cli.map import group as map_group
from pipeline.cli.mappings import mappings
from pipeline.cli.new import group as new_group
from pipeline.cli.notices import notices
from pipeline.cli.orders import files, orders
from pipeline.cli.plugins import plugins
from pipeline.cli.replay import replay
from pipeline.cli.report import group as report_group
from pipeline.cli.resolve import resolve
from pipeline.cli.rules import rules
from pipeline.cli.run import run
from pipeline.cli.selftest import selftest
from pipeline.cli.serve import serve
from pipeline.cli.service import group as service_group
from pipeline.cli.status import HELP as STATUS_HELP
from pipeline.cli.status import status
from pipeline.cli.support import support_bundle
from pipeline.cli.sync import approve, compare, plans, sync
from pipeline.cli.trace import trace
from pipeline.cli.trust import trust
from pipeline.cli.users import group as users_group
from pipeline.cli.validate import validate
from pipeline.cli.words import Verb, help_words, in_words, types_in_words
from pipeline.texts import LANGUAGES, T, Text, use_language

if TYPE_CHECKING:
    from pipeline.flow import SystemEnv, SystemPlugin


class Verbs(TyperGroup):
    """Mistok's own verbs, and those that systems bring."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Own verbs first, in the order of a day's work."""
        return [*super().list_commands(ctx), *sorted(_system_verbs())]

    def get_help(self, ctx: Any) -> str:
        """The help in the reader's language."""
        types_in_words(self)
        return help_words(super().get_help(ctx))

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """An own verb, else one of a system."""
        own = super().get_command(ctx, cmd_name)
        if own is not None:
            return own
        plugin = _system_verbs().get(cmd_name)
        return _system_command(plugin, ctx) if plugin else None


def _system_verbs() -> dict[str, SystemPlugin]:
    from pipeline.registry import load_registry

    return {name: plugin for name, plugin in load_registry().systems.items() if plugin.cli is not None}


def _system_command(plugin: SystemPlugin, ctx: Any) -> Any:
    def get(name: str = "") -> tuple[Any, SystemEnv]:
        """The settings of a connection of this type (the first), and what the system may know of the client."""
        from pipeline.clock import SystemClock
        from pipeline.flow import SystemEnv

        config = common.load_path(_options(ctx))
        names = [name for name, spec in config.connections.items() if spec.type == plugin.name]
        if not names:
            common.usage(T("{file} has no connection of type {type}.", file=str(config.source), type=plugin.name))
        if name and name not in names:
            text = T(
                "{file} has no connection {name} of type {type}.", file=str(config.source), name=name, type=plugin.name
            )
            common.usage(text)
        chosen = name or names[0]
        spec = config.connections[chosen]
        env = SystemEnv(chosen, config.client, config.base, config.currency, config.timezone, SystemClock())
        return spec.params, env

    assert plugin.cli is not None
    command = typer.main.get_command(plugin.cli(get))
    command.name = plugin.name
    command.help = command.help or str(plugin.summary)
    for verb in (command, *getattr(command, "commands", {}).values()):
        verb.epilog = verb.epilog or str(common.EXIT_CODES)
    return _guarded(in_words(command))


def _guarded(command: Any) -> Any:
    """The command with its errors shown as cards."""
    invoke = command.invoke

    def safely(ctx: Any) -> Any:
        with common.cards():
            return invoke(ctx)

    command.invoke = safely  # click offers no hook around a foreign command
    return command


def _options(ctx: Any) -> common.Options:
    found = ctx.find_root().obj
    return found if isinstance(found, common.Options) else common.Options()


app = typer.Typer(
    name="mistok",
    cls=Verbs,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=str(common.EXIT_CODES),
)


def _version(value: bool) -> None:
    if value:
        typer.echo(f"mistok {__version__}")
        raise typer.Exit


@app.callback(help=str(T("Mistok: a bridge between shops and their books. Catalogue out, orders in.")))
def _main(
    context: typer.Context,
    config: Annotated[
        Path, typer.Option("--config", "-c", envvar="MISTOK_CONFIG", help=str(T("The client's config file.")))
    ] = Path("config.yaml"),
    language: Annotated[str | None, typer.Option(help=str(T("Language of texts: uk or en.")))] = None,
    _show_version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help=str(T("Show the version.")))
    ] = False,
) -> None:
    if language is not None and language not in LANGUAGES:
        raise typer.BadParameter(str(T("Language is uk or en.")))
    if language:
        use_language(language)
    context.obj = common.Options(config, language)


def _add(verb: Callable[..., Any], help_text: Text, name: str | None = None) -> None:
    app.command(name or verb.__name__, help=f"{help_text}", epilog=str(common.EXIT_CODES), cls=Verb)(verb)


_add(demo, T("Show the main job on samples: catalogue out, orders in, over SFTP."))
_add(init, T("Make a commented client folder."), "init")
_add(check, T("Check the config; with --connect, every server."))
_add(selftest, T("Try a server in a folder of our own; with --kill, see what killed runs leave on it."))
_add(trust, T("Show a server's fingerprint, then trust it."))
_add(run, T("Run a job now."))
_add(sync, T("Bring two systems in step now; --dry-run shows the difference first."))
_add(plans, T("List the plans that a brake stopped, and that wait for you."))
_add(approve, T("Approve a plan that a brake stopped, and apply it; or reject it."))
_add(rules, T("Show what is done with the orders of each status, and what the rules leave open."))
_add(compare, T("Compare two systems by their articles, prices and stock."))
_add(jobs, T("List the jobs: when each ran last, and its next five runs."))
_add(serve, T("Run the jobs on their schedules until it is stopped."))
_add(status, STATUS_HELP)
_add(orders, T("List orders, newest first."))
_add(files, T("List files that came or were published, newest first."))
_add(notices, T("List what was told, and what could not be shown."))
_add(cards, T("List what waits for a person."))
_add(card, T("Tell one card: what happened, who mends it, what can be done; or print a letter about it."))
_add(resolve, T("Answer cards: say what a code means, accept, try again, or reject."))
_add(mappings, T("List what codes of the shops mean; take one back."))
_add(trace, T("Tell the whole story of an order or a file."))
_add(replay, T("Go through what came before once more, oldest first: shows what it would do, does it with --apply."))
_add(
    support_bundle,
    T("Write one file for those who help: how it stands, without secrets and people's data."),
    "support-bundle",
)
_add(validate, T("Check order files before they are sent."))
_add(plugins, T("List the plugins with their parameters."))
app.add_typer(config_group, name="config")
app.add_typer(new_group, name="new")
app.add_typer(map_group, name="map")
app.add_typer(doctor_group, name="doctor")
app.add_typer(service_group, name="service")
app.add_typer(report_group, name="report")
app.add_typer(archive.group, name="archive")
app.add_typer(ledger.group, name="ledger")
app.add_typer(users_group, name="users")
app.add_typer(alerts_group, name="alerts")
