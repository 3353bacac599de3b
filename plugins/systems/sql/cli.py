"""The verb of ``mistok sql``: the statements that would run, for whoever looks after the database."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import typer

from pipeline.api import SystemEnv, T
from plugins.systems.sql.settings import DRIVERS

Get = Callable[..., tuple[Any, SystemEnv]]


def make_app(get: Get) -> typer.Typer:
    """The Typer app; ``get`` gives the connection's settings and surroundings when a verb runs."""
    app = typer.Typer(
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
        help=str(T("Orders as rows of declared tables: see what would be written.")),
    )

    @app.callback()
    def _main() -> None:
        """Verbs are named, though there is one."""

    @app.command(
        help=str(T("Print the SQL by which an order is looked up, written, amended and cancelled; nothing is asked."))
    )
    def show(
        connection: Annotated[
            str, typer.Argument(help=str(T("Which connection, where there are several; the first by default.")))
        ] = "",
        dialect: Annotated[
            str, typer.Option(help=str(T("For another database than that of `url`: mssql, firebird, mariadb …")))
        ] = "",
    ) -> None:
        """Print the SQL by which an order is looked up, written, amended and cancelled; nothing is asked."""
        from plugins.systems.sql.showing import script

        if dialect and dialect not in DRIVERS:
            known = ", ".join(sorted(DRIVERS))
            raise typer.BadParameter(str(T("There are: {names}.", names=known)), param_hint="--dialect")
        settings, env = get(connection) if connection else get()
        typer.echo(script(settings, env, dialect))

    return app
