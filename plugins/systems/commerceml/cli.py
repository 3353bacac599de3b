"""The verbs of ``mistok commerceml``: serve the address that a 1C asks, look at sessions, hide what one left out."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Annotated, Any

import typer

from pipeline.api import Refused, SystemEnv, T

Get = Callable[..., tuple[Any, SystemEnv]]
Connection = Annotated[
    str, typer.Option("--connection", help=str(T("Which connection, where there are several; the first by default.")))
]


def make_app(get: Get) -> typer.Typer:
    """The Typer app; ``get`` gives the connection's settings and surroundings when a verb runs."""
    app = typer.Typer(
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
        help=str(T("Exchange with 1C, BAS or MoySklad: serve its address, look at its sessions.")),
    )

    @app.command(help=str(T("Answer the accounting program until it is stopped.")))
    def serve(
        port: Annotated[
            int | None, typer.Option(min=0, max=65535, help=str(T("Another port than the config's.")))
        ] = None,
        connection: Connection = "",
    ) -> None:
        """Answer the accounting program until it is stopped."""
        import signal

        from plugins.systems.commerceml.serving import ExchangeServer

        # asked to end by a service manager, it ends as by Ctrl+C
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        settings, env = get(connection)
        server = ExchangeServer(settings, env, port=port)
        typer.echo(str(T("The exchange is served: {url}", url=server.url)))
        try:
            server.serve()
        except KeyboardInterrupt:
            typer.echo(str(T("Stopped.")))
        finally:
            server.stop()

    @app.command(name="sessions", help=str(T("List the sessions of the exchange, newest first.")))
    def sessions_(
        limit: Annotated[int, typer.Option("--limit", min=1, help=str(T("At most so many rows.")))] = 20,
        as_json: Annotated[bool, typer.Option("--json", help=str(T("Print JSON instead of a table.")))] = False,
        connection: Connection = "",
    ) -> None:
        """List the sessions of the exchange, newest first."""
        with _store(get(connection)).reading() as db:
            rows = [
                dict(row)
                for row in db.execute(
                    "SELECT id, kind, begun, last, state, full, goods, words FROM sessions ORDER BY id DESC LIMIT ?",
                    [limit],
                )
            ]
        if as_json:
            typer.echo(json.dumps(rows, ensure_ascii=False, indent=2))
            return
        for row in rows:
            full = T("all goods") if row["full"] else T("changes")
            words = f"  {row['words']}" if row["words"] else ""
            typer.echo(f"{row['id']:>5}  {row['begun'][:19]}  {row['kind']:<8} {row['state']:<7} {full}{words}")
        if not rows:
            typer.echo(str(T("No session yet.")))

    @app.command(help=str(T("Hide the goods that a full export left out, although the brake stopped it.")))
    def hide(
        session: Annotated[int, typer.Argument(help=str(T("Number of the session.")))], connection: Connection = ""
    ) -> None:
        """Hide the goods that a full export left out, although the brake stopped it."""
        from plugins.systems.commerceml import sessions

        settings, env = get(connection)
        with _store((settings, env)).writing() as db:
            state = sessions.finish(db, session, settings, env.clock.now(), ended=True, asked=True)
        if state != "hidden":
            raise Refused(
                T("Session {n} hides nothing: it was no whole full export, or a later one has come.", n=session),
                code="no-hiding",
            )
        typer.echo(str(T("The goods that session {n} left out are hidden.", n=session)))

    return app


def _store(of: tuple[Any, SystemEnv]) -> Any:
    from plugins.systems.commerceml.exchange import state_folder
    from plugins.systems.commerceml.store import Store

    settings, env = of
    return Store(state_folder(settings, env) / "state.sqlite3")
