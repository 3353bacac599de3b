"""``mistok users``: who may use the page that ``mistok serve`` offers."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from pipeline.cli import common
from pipeline.cli.orders import AsJson
from pipeline.cli.words import Verb, VerbGroup
from pipeline.texts import T

group = typer.Typer(
    cls=VerbGroup,
    no_args_is_help=True,
    epilog=str(common.EXIT_CODES),
)
Name = Annotated[str, typer.Argument(help=str(T("The user's name.")), metavar="NAME", show_default=False)]


@group.command(
    "add", cls=Verb, help=str(T("Add a user, or give one another role or password.")), epilog=str(common.EXIT_CODES)
)
def add(
    context: typer.Context,
    name: Name,
    role: Annotated[
        str, typer.Option("--role", "-r", help=str(T("viewer, accountant, support or admin.")), show_default=False)
    ],
    no_password: Annotated[
        bool, typer.Option("--no-password", help=str(T("The user comes in through the reverse proxy only.")))
    ] = False,
    keep_password: Annotated[
        bool, typer.Option("--keep-password", help=str(T("Give another role only; the password stays.")))
    ] = False,
) -> None:
    """Add a user, or change one."""
    with common.cards():
        from pipeline.ledger import people
        from pipeline.web.access import ROLES, Role
        from pipeline.web.names import name_trouble
        from pipeline.web.passwords import Passwords, trouble

        try:
            chosen = Role(role)
        except ValueError:
            common.usage(T("There is no role {name}.", name=role), T("Roles: {names}.", names=", ".join(Role)))
        if (wrong := name_trouble(name)) is not None:
            common.usage(wrong)
        if no_password and keep_password:
            common.usage(T("{names} do not go together.", names="--no-password, --keep-password"))
        with common.client(context, read_only=False) as client:
            ledger = client.ledger
            with ledger.read() as conn:
                known = people.by_name(conn, ledger.client, name)
            if keep_password and known is None:
                common.usage(T("There is no user {name}.", name=name), T("mistok users list shows them."))
            kept = None
            if not (no_password or keep_password):
                password = _password()
                if (wrong := trouble(password, name)) is not None:
                    common.usage(wrong)
                kept = Passwords().hashed(password)
            with ledger.begin() as conn:
                _id, new = people.keep(conn, ledger.client, name, role=chosen, password=kept, now=ledger.clock.now())
                if known is not None and no_password:
                    people.rehash(conn, known["id"], None)
                people.record(
                    conn,
                    ledger.client,
                    at=ledger.clock.now(),
                    who=common.person(),
                    role="",
                    address="",
                    act="user-added" if new else "user-changed",
                    subject=name.casefold(),
                    data={"role": str(chosen)},
                )
        words = T("{name} may use the page now: {role}.", name=name.casefold(), role=ROLES[chosen])
        if not new:
            words = T(
                "{name} is changed: {role}. Who was logged in by that name is not any more.",
                name=name.casefold(),
                role=ROLES[chosen],
            )
        common.console().print(str(words), markup=False)


def _password() -> str:
    """Asked twice at a terminal; else the first line of standard input."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    import getpass

    first = getpass.getpass(str(T("Password: ")))
    if getpass.getpass(str(T("The same again: "))) != first:
        common.usage(T("The two passwords are not the same."))
    return first


@group.command("list", cls=Verb, help=str(T("List the users with their roles.")), epilog=str(common.EXIT_CODES))
def list_(context: typer.Context, as_json: AsJson = False) -> None:
    """List the users."""
    with common.cards(as_json=as_json):
        from pipeline.ledger import people
        from pipeline.web.access import ROLES, Role

        with common.client(context) as client:
            with client.ledger.read() as conn:
                found = people.listing(conn, client.ledger.client)
            zone = client.config.zone
        rows = [
            {
                "name": row["name"],
                "role": row["role"],
                "role_text": str(ROLES[Role(row["role"])]),
                "password": bool(row["password"]),
                "created": row["created"].astimezone(zone),
            }
            for row in found
        ]
        if as_json:
            common.print_json(rows)
            return
        columns = (("name", T("Name")), ("role_text", T("Role")), ("logs_in", T("Logs in")), ("created", T("Since")))
        ways = {True: T("by password"), False: T("through the proxy")}
        told = [{**row, "logs_in": ways[bool(row["password"])]} for row in rows]
        common.table(columns, told, empty=T("There are no users yet: mistok users add NAME --role admin"))


@group.command(
    "remove", cls=Verb, help=str(T("Remove a user; what it did stays in the log.")), epilog=str(common.EXIT_CODES)
)
def remove(context: typer.Context, name: Name) -> None:
    """Remove a user."""
    with common.cards():
        from pipeline.ledger import people

        with common.client(context, read_only=False) as client:
            ledger = client.ledger
            with ledger.begin() as conn:
                gone = people.remove(conn, ledger.client, name)
                if gone:
                    people.record(
                        conn,
                        ledger.client,
                        at=ledger.clock.now(),
                        who=common.person(),
                        role="",
                        address="",
                        act="user-removed",
                        subject=name.casefold(),
                    )
        if not gone:
            common.not_found(T("There is no user {name}.", name=name), T("mistok users list shows them."))
        common.console().print(str(T("{name} may use the page no more.", name=name.casefold())), markup=False)
