"""The verbs, put together: the one that is called is loaded, the list of them loads none."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from pipeline import __version__
from pipeline.cli import common
from pipeline.cli.verbs import VERBS, Lazy, of_systems, system
from pipeline.cli.words import Verb, help_words, in_words, types_in_words
from pipeline.texts import LANGUAGES, T, use_language

if TYPE_CHECKING:
    from pipeline.flow import SystemEnv, SystemPlugin


_OWN = {verb.name: verb for verb in VERBS}
#: Verbs that load most of what they need when they run: the config, and then they say so themselves.
_LIGHT = frozenset({"check"})


class Verbs(TyperGroup):
    """Mistok's own verbs, and those that systems bring: each loaded when it is called."""

    def __init__(self, **words: Any) -> None:
        super().__init__(**words)
        self.commands = {name: TyperCommand(name) for name in _OWN}  # what a mistyped verb is compared with, too

    def list_commands(self, ctx: Any) -> list[str]:
        """Own verbs first, in the order of a day's work."""
        return [*super().list_commands(ctx), *of_systems()]

    def get_help(self, ctx: Any) -> str:
        """The help in the reader's language."""
        types_in_words(self)
        return help_words(super().get_help(ctx))

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002 - the library's own signature
        """The list of verbs, none of which is loaded for it."""
        helps = {**{name: verb.help for name, verb in _OWN.items()}, **of_systems()}
        limit = formatter.width - 6 - max(map(len, helps))
        with formatter.section("Commands"):
            formatter.write_dl(
                [(name, TyperCommand(name, help=str(text)).get_short_help_str(limit)) for name, text in helps.items()]
            )

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """An own verb, else one of a system."""
        if super().get_command(ctx, cmd_name) is not None:
            found = _own(_OWN[cmd_name])
        elif cmd_name in of_systems():
            found = _system_command(system(cmd_name), ctx)
        else:
            return None
        if cmd_name not in _LIGHT:
            common.loaded()
        return found


@cache
def _own(verb: Lazy) -> Any:
    """A verb of our own as the command line library knows it."""
    found = verb.load()
    around = typer.Typer(add_completion=False, rich_markup_mode=None)
    if isinstance(found, typer.Typer):
        around.add_typer(found, name=verb.name, help=str(verb.help))
        return getattr(typer.main.get_command(around), "commands")[verb.name]  # noqa: B009 - of a group, as it is
    around.command(verb.name, help=str(verb.help), epilog=str(common.EXIT_CODES), cls=Verb)(found)
    command = typer.main.get_command(around)
    command.name = verb.name
    return command


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
    for prepare in common.before_verbs:
        prepare()
