"""``mistok trust CONNECTION``: show who the server says it is, and pin that once a person has compared it."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli import common
from pipeline.errors import Transient
from pipeline.texts import T, Text

if TYPE_CHECKING:
    from pipeline.transports.identity import ServerIdentity

_DETAILS = {
    "key": T("kind of key"),
    "server": T("server"),
    "subject": T("issued to"),
    "issuer": T("issued by"),
    "valid until": T("valid until"),
}


def trust(
    context: typer.Context,
    connection: Annotated[str, typer.Argument(help=str(T("Name of the connection in the config.")))],
    fingerprint: Annotated[
        str | None,
        typer.Option(
            "--fingerprint", help=str(T("Pin without asking when the server shows exactly this; refuse otherwise."))
        ),
    ] = None,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help=str(T("Pin what the server shows now, without asking.")))
    ] = False,
    show: Annotated[bool, typer.Option("--show", help=str(T("Only show the fingerprint; pin nothing.")))] = False,
    as_json: Annotated[bool, typer.Option("--json", help=str(T("Print JSON.")))] = False,
) -> None:
    """Show a server's fingerprint (host key or certificate), then trust it from now on."""
    with common.cards(as_json=as_json):
        from pipeline.transports.identity import fetch_identity, pin_identity

        config = common.load(context)
        spec = config.connections.get(connection)
        if spec is None:
            common.usage(
                T("There is no connection {name}.", name=connection),
                T("Connections: {names}.", names=", ".join(config.connections) or "-"),
            )
        try:
            identity = fetch_identity(connection, spec.type, spec.params, config.base)
        except Transient as error:
            # a run would try again; here nobody does
            hint = T("Look at host and port of the connection, the network and the firewall; then call this again.")
            raise Transient(findings=tuple(replace(finding, hint=hint) for finding in error.findings)) from error
        if not as_json:
            _show(identity)
        pinned = False
        if fingerprint is not None and _plain(fingerprint) != _plain(identity.fingerprint):
            common.usage(
                T(
                    "The server shows {seen}, not {expected}: nothing was pinned.",
                    seen=identity.fingerprint,
                    expected=fingerprint,
                ),
                T("Ask the server's admin which of the two is right."),
            )
        if not identity.trusted and not show and (fingerprint is not None or _agreed(yes=yes, as_json=as_json)):
            path = pin_identity(connection, spec.type, spec.params, config.base, identity)
            pinned = True
            if not as_json:
                common.console().print(str(T("Pinned in {path}.", path=str(path))), soft_wrap=True)
        if as_json:
            common.print_json(_row(connection, identity, pinned=pinned))
        raise typer.Exit(common.DONE if identity.trusted or pinned or show else common.WAITING)


def _show(identity: ServerIdentity) -> None:
    lines: list[tuple[Text, str]] = [(T("Server"), identity.server), (T("Shows"), identity.fingerprint)]
    lines += [(_DETAILS[name], value) for name, value in identity.details.items()]
    lines.append((T("Trusted"), identity.pinned or str(T("nothing yet"))))
    width = max(len(str(word)) for word, _ in lines)
    for word, value in lines:
        print(f"{word!s:{width}}  {value}")
    if identity.trusted:
        print(T("It is the one that is trusted already."))
    elif identity.pinned:
        print(T("It is NOT the one that is trusted. Pin it only when the server's admin confirms the change."))
    else:
        print(T("Compare it with the fingerprint that the server's admin gives you."))


def _agreed(*, yes: bool, as_json: bool) -> bool:
    if yes:
        return True
    if as_json or not sys.stdin.isatty():
        common.usage(
            T("Nobody is here to compare the fingerprint: nothing was pinned."),
            T("Give --fingerprint with what the server's admin told you, or --yes."),
        )
    return typer.confirm(str(T("Trust it from now on?")), default=False)


def _plain(fingerprint: str) -> str:
    """Host keys differ by case, certificates do not."""
    text = fingerprint.strip().rstrip("=")
    return text if text.startswith("SHA256:") and ":" not in text[7:] else text.lower().replace(":", "")


def _row(connection: str, identity: ServerIdentity, *, pinned: bool) -> dict[str, object]:
    return {
        "connection": connection,
        "server": identity.server,
        "kind": identity.kind,
        "fingerprint": identity.fingerprint,
        "trusted_before": identity.pinned,
        "trusted": identity.trusted or pinned,
        "details": dict(identity.details),
        "file": str(identity.file),
    }
