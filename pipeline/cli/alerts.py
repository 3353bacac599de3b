"""``mistok alerts``: popups on people's own PCs. Without a verb it is the program on such a PC."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

import typer

from pipeline.cli import common
from pipeline.cli.orders import AsJson
from pipeline.cli.words import Verb, VerbGroup
from pipeline.texts import T, Text

group = typer.Typer(
    cls=VerbGroup,
    invoke_without_command=True,
    epilog=str(common.EXIT_CODES),
)
Name = Annotated[str, typer.Argument(help=str(T("The PC's name.")), metavar="NAME", show_default=False)]
#: The machine itself: nobody reads along.
_HERE = frozenset({"localhost", "127.0.0.1", "::1"})


_SERVER = str(T("Address of the page, such as https://mistok.shop.example."))
_IN_FILE = str(T("Keep the token in a file, not in the system's store."))
_CA = str(T("File with the certificate of your own authority."))
_PLAIN = str(T("Allow http:// to another machine: the token can be read on the way."))
_SECONDS = str(T("How long a popup about a new order stays."))
_FOLDER = str(T("Where it remembers what was shown (default: the user's own data folder)."))


@group.callback()
def alerts(
    context: typer.Context,
    server: Annotated[str | None, typer.Option("--server", help=_SERVER, show_default=False)] = None,
    token: Annotated[bool, typer.Option("--token", help=str(T("Ask for the token anew.")))] = False,
    token_in_file: Annotated[bool, typer.Option("--token-in-file", help=_IN_FILE)] = False,
    install: Annotated[bool, typer.Option("--install", help=str(T("Start with the session from now on.")))] = False,
    uninstall: Annotated[bool, typer.Option("--uninstall", help=str(T("Start with the session no more.")))] = False,
    ca: Annotated[Path | None, typer.Option("--ca", help=_CA, exists=True, dir_okay=False, show_default=False)] = None,
    plain_http: Annotated[bool, typer.Option("--plain-http", help=_PLAIN)] = False,
    seconds: Annotated[int, typer.Option(min=1, max=3600, help=_SECONDS)] = 60,
    folder: Annotated[Path | None, typer.Option("--folder", help=_FOLDER, show_default=False)] = None,
    with_session: Annotated[bool, typer.Option("--with-session", hidden=True)] = False,
) -> None:
    """Show popups on this PC, until it is stopped."""
    if context.invoked_subcommand is not None:
        return
    with _final(with_session), common.cards():
        if uninstall:
            from pipeline.agent import autostart

            _say_all(autostart.uninstall(Path.home()))
            return
        if server is None:
            common.usage(
                T("--server is missing."),
                T("On a person's PC: mistok alerts --server URL; on the server: invite NAME."),
            )
        address = _checked(server, plain_http=plain_http)
        home = _folder(folder)
        secret = _token(home, address, anew=token, in_file=token_in_file)
        if install:
            from pipeline.agent import autostart

            words = autostart.command(Path(sys.executable), address, _more(ca, plain_http, seconds, folder, context))
            _say_all(autostart.install(words, Path.home()))
            return
        _follow(context, address, secret, home, ca, seconds)


@contextmanager
def _final(with_session: bool) -> Iterator[None]:
    """With 0 ends what a new start would not mend: see autostart.WITH_SESSION."""
    try:
        yield
    except typer.Exit as end:
        if with_session and end.exit_code in (common.WRONG, common.UNREACHABLE):
            raise typer.Exit(common.DONE) from end
        raise


def _follow(context: typer.Context, server: str, secret: str, home: Path, ca: Path | None, seconds: int) -> None:
    import ssl
    import webbrowser

    from pipeline.agent.follow import Agent
    from pipeline.agent.state import State, only_one
    from pipeline.registry import asker

    with only_one(home, server) as first:
        if not first:  # ends with 0: what starts it with the session must not start it again
            _say(T("Another mistok alerts shows the popups of {server} on this PC already.", server=server))
            return
        screen = asker("desktop", {"seconds": seconds})
        agent = Agent(
            server,
            secret,
            State(home, server),
            screen,
            browse=webbrowser.open,
            say=_say,
            language=common.options(context).language or "",
            verify=ssl.create_default_context(cafile=str(ca)) if ca else True,
        )
        try:
            agent.run()
        finally:
            screen.close()


def _say(words: Text) -> None:
    if sys.stdout is not None:  # pythonw has none
        print(words, flush=True)


def _say_all(lines: list[Text]) -> None:
    for line in lines:
        _say(line)


def _checked(server: str, *, plain_http: bool) -> str:
    parts = urlsplit(server.strip())
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        common.usage(T("`{value}` is not an address such as https://mistok.shop.example.", value=server))
    if parts.scheme == "http" and parts.hostname not in _HERE and not plain_http:
        common.usage(
            T("{server} has no TLS: anybody on the way could read the token.", server=server),
            T("Use its https:// address; in a network that only you use, --plain-http allows it."),
        )
    return server.strip().rstrip("/")


def _folder(folder: Path | None) -> Path:
    if folder is not None:
        return folder.resolve()
    from platformdirs import user_data_path

    return user_data_path("Mistok", appauthor=False) / "alerts"


def _token(home: Path, server: str, *, anew: bool, in_file: bool) -> str:
    """The token that is kept, or the one that is given now: asked for at a terminal, else the first line of input."""
    from pipeline.agent import token as kept

    if not anew and (found := kept.find(home, server)):
        return found
    if sys.stdin is None:
        common.usage(T("This PC has no token for {server} yet.", server=server), T("Start it once in a terminal."))
    if sys.stdin.isatty():
        import getpass

        given = getpass.getpass(str(T("Token (from mistok alerts invite): ")))
    else:
        given = sys.stdin.readline()
    given = given.strip()
    if not given or not given.isascii() or " " in given:
        common.usage(T("This is no token."), T("It is the line that mistok alerts invite NAME prints on the server."))
    _say(kept.keep(home, server, given, in_file=in_file))
    return given


def _more(ca: Path | None, plain_http: bool, seconds: int, folder: Path | None, context: typer.Context) -> list[str]:
    words: list[str] = []
    if ca is not None:
        words += ["--ca", str(ca.resolve())]
    if plain_http:
        words.append("--plain-http")
    if seconds != 60:
        words += ["--seconds", str(seconds)]
    if folder is not None:
        words += ["--folder", str(folder.resolve())]
    if language := common.options(context).language:
        words += ["--language", language]
    return words


# --- on the server ---------------------------------------------------------------------------------------------------


@group.command("invite", cls=Verb, help=str(T("Let a PC in: prints its token, once.")), epilog=str(common.EXIT_CODES))
def invite(context: typer.Context, name: Name) -> None:
    """Make a token for a PC; one that it had before counts no more."""
    with common.cards():
        from pipeline.ledger.invitations import invited
        from pipeline.web.names import name_trouble

        if (wrong := name_trouble(name)) is not None:
            common.usage(wrong)
        with common.client(context, read_only=False) as client:
            token, new = invited(client.ledger, name, by=common.person())
            web = client.config.web
        out = common.console()
        if not new:
            _say(T("The token that {name} had before counts no more.", name=name.casefold()))
        _say(T("The token of {name}; it is shown this once:", name=name.casefold()))
        out.print(f"  {token}", soft_wrap=True, markup=False)
        _say(T("On that PC:"))
        out.print(
            f"  mistok alerts --server {(web.url if web else None) or 'URL'} --install", soft_wrap=True, markup=False
        )


@group.command("list", cls=Verb, help=str(T("List the PCs that may follow.")), epilog=str(common.EXIT_CODES))
def list_(context: typer.Context, as_json: AsJson = False) -> None:
    """List the PCs."""
    with common.cards(as_json=as_json):
        from pipeline.ledger import pcs

        with common.client(context) as client:
            with client.ledger.read() as conn:
                found = pcs.listing(conn, client.ledger.client)
            zone = client.config.zone
        rows: list[dict[str, Any]] = [
            {
                "name": row["name"],
                "state": "revoked" if row["token"] is None else "live",
                "invited": row["created"].astimezone(zone),
                "by": row["created_by"],
                "seen": row["seen"].astimezone(zone) if row["seen"] else None,
                "address": row["address"],
                "program": row["program"],
            }
            for row in found
        ]
        if as_json:
            common.print_json(rows)
            return
        states = {"live": T("may follow"), "revoked": T("revoked")}
        columns = (
            ("name", T("Name")),
            ("state_text", T("State")),
            ("invited", T("Invited")),
            ("by", T("By")),
            ("seen", T("Last seen")),
            ("address", T("Address")),
        )
        told = [{**row, "state_text": str(states[row["state"]])} for row in rows]
        common.table(columns, told, empty=T("There are no PCs yet: mistok alerts invite NAME"))


@group.command("revoke", cls=Verb, help=str(T("Let a PC in no more.")), epilog=str(common.EXIT_CODES))
def revoke(context: typer.Context, name: Name) -> None:
    """Take a PC's token back; what it was told stays written down."""
    with common.cards():
        from pipeline.ledger.invitations import revoked

        with common.client(context, read_only=False) as client:
            gone = revoked(client.ledger, name, by=common.person())
        if not gone:
            common.usage(T("There is no PC {name}.", name=name), T("mistok alerts list shows them."))
        _say(T("{name} is told nothing any more.", name=name.casefold()))
