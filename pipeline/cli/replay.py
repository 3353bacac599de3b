"""``mistok replay``: what came before, once more, from the archive. It shows what it would do; --apply does it."""

from __future__ import annotations

import socket
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli import common
from pipeline.cli.run import moment, progress
from pipeline.engine.shown.stories import STARTED_BY
from pipeline.texts import T, Text

if TYPE_CHECKING:
    from pipeline.config.model import ClientConfig
    from pipeline.engine.context import Progress
    from pipeline.engine.replay.choose import Asked, Pick
    from pipeline.engine.replay.lines import Line
    from pipeline.engine.runtime import Client

QUIET = 50  #: orders for which nothing is to be done, of which a table tells one by one

COUNTS: Mapping[str, Text] = {
    "created": T("created"),
    "held": T("held"),
    "in_doubt": T("in doubt"),
    "known": T("known already"),
    "nothing": T("nothing to do"),
    "rejected": T("rejected"),
    "older": T("came later with newer content"),
    "changed": T("came again with other content"),
    "amended": T("amended"),
    "cancelled": T("marked cancelled"),
    "ignored": T("other content ignored"),
    "read": T("files that can be read now"),
    "quarantined": T("quarantined"),
    "pruned": T("copies dropped by retention"),
    "unsound": T("copies missing or damaged"),
    "unfetched": T("never fetched"),
    "strange": T("files that would be rejected now"),
    "failed": T("failed"),
}
STYLES: Mapping[str, str] = {"created": "green", "read": "green", "held": "yellow", "quarantined": "yellow"}


def replay(
    context: typer.Context,
    selectors: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="SELECTOR",
            help=str(T("Order or document numbers, file names (also patterns) or beginnings of a SHA-256.")),
        ),
    ] = None,
    since: Annotated[
        str | None, typer.Option(help=str(T("Only files that came from this time on: 2026-11-01 or 2026-11-01T08:00.")))
    ] = None,
    until: Annotated[str | None, typer.Option(help=str(T("Only files that came before this time.")))] = None,
    card: Annotated[
        list[int] | None, typer.Option("--card", help=str(T("What this card is about (may be repeated).")))
    ] = None,
    all_held: Annotated[
        bool,
        typer.Option("--all-held", help=str(T("All that waits: held orders, orders in doubt, quarantined files."))),
    ] = False,
    apply: Annotated[bool, typer.Option("--apply", help=str(T("Do it. Without this nothing is changed.")))] = False,
    as_of_config: Annotated[
        Path | None,
        typer.Option(
            "--as-of-config",
            metavar="FILE",
            help=str(T("Tell what this config would have made of what came (of the last 30 days); change nothing.")),
        ),
    ] = None,
    job: Annotated[
        str | None, typer.Option(help=str(T("The job that reads files whose inbox no job takes any more.")))
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(
            "--limit", "-n", min=0, help=str(T("How many orders are told for which there is nothing to do (50)."))
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help=str(T("Print JSON.")))] = False,
) -> None:
    """Go through what came before once more."""
    with common.cards(as_json=as_json):
        from pipeline.engine.replay.choose import Asked

        config = common.load(context)
        asked = Asked(
            words=tuple(selectors or ()),
            cards=tuple(card or ()),
            all_held=all_held,
            since=moment(since, config.zone),
            until=moment(until, config.zone),
        )
        _check(asked, apply=apply, other=as_of_config)
        if as_of_config is not None:
            from pipeline.cli.compare import compare

            code = compare(config, as_of_config, asked, job=job, limit=limit, as_json=as_json)
        else:
            code = _replay(config, asked, job=job, apply=apply, limit=limit, as_json=as_json)
    raise typer.Exit(code)


def _check(asked: Asked, *, apply: bool, other: Path | None) -> None:
    if apply and other is not None:
        common.usage(
            T("--apply does not go with --as-of-config: it only tells."),
            T("Put the change into the config, then replay with --apply."),
        )
    if not asked and other is None:
        common.usage(
            T("Say what to replay: SELECTOR, --card, --all-held, --since or --until."),
            T("Such as `mistok replay 1043`, or `mistok replay 'orders-*.xml' --since 2026-11-01`."),
        )
    if asked.since and asked.until and asked.since >= asked.until:
        common.usage(
            T("--since {since} is not before --until {until}.", since=asked.since, until=asked.until),
            T("Files from --since on and before --until are taken."),
        )


def _replay(
    config: ClientConfig, asked: Asked, *, job: str | None, apply: bool, limit: int | None, as_json: bool
) -> int:
    from pipeline.engine.replay.choose import choose
    from pipeline.engine.runtime import Client

    teller = _Teller(limit, as_json=as_json)
    with Client.open(config, read_only=not apply) as client, watched(as_json=as_json) as tell:
        picks = choose(client, asked, job=job, report=tell)
        told = _applied(client, picks, job, tell) if apply else _looked(client, picks, job, tell)
        try:
            with closing(told):  # let go of the inbox before the ledger is closed, whatever stops us
                for line in told:
                    teller.take(line)
        finally:
            teller.flush()
    teller.close(asked, apply=apply)
    return teller.code


@contextmanager
def watched(*, as_json: bool) -> Iterator[Progress]:
    """A progress bar for a person at a terminal."""
    if as_json:
        yield lambda _done, _total, _what: None
        return
    with progress() as tell:
        yield tell


def _looked(client: Client, picks: list[Pick], job: str | None, tell: Progress) -> Generator[Line, None, None]:
    from pipeline.engine.replay.look import look

    yield from look(client, picks, job=job, report=tell)


def _applied(client: Client, picks: list[Pick], job: str | None, tell: Progress) -> Generator[Line, None, None]:
    from pipeline.engine.replay.apply import JOB, apply
    from pipeline.engine.tell import deliver_waiting

    by = common.person()

    def started(run_id: int) -> None:
        user, _, host = by.partition("@")
        with client.ledger.begin() as conn:
            data = {"user": user, "host": host or socket.gethostname()}
            client.ledger.event(conn, f"job:{JOB}", STARTED_BY, data, run_id=run_id)

    try:
        yield from apply(client, picks, by=by, job=job, report=tell, started=started)
    finally:
        deliver_waiting(client)


class _Teller:
    """Prints lines as they come, or keeps them for JSON; counts them."""

    def __init__(self, limit: int | None, *, as_json: bool) -> None:
        self.quiet = QUIET if limit is None else limit
        self.as_json = as_json
        self.rows: list[dict[str, Any]] = []
        self.counts: dict[str, int] = {}
        self.acts = self.told_quietly = self.left_out = 0
        self.code = common.DONE
        self._reading = ""  #: the file whose orders follow

    def take(self, line: Line) -> None:
        """One more line."""
        self.counts[line.outcome] = self.counts.get(line.outcome, 0) + 1
        self.acts += line.acts
        if any(finding.code == "no-job" for finding in line.findings):
            self.code = common.WRONG
        elif line.waits and self.code == common.DONE:
            self.code = common.WAITING
        if self.as_json:
            self.rows.append(_data(line))
            return
        if not line.acts and not line.waits:
            if self.told_quietly >= self.quiet:
                self.left_out += 1
                return
            self.told_quietly += 1
        self._print(line)

    def _print(self, line: Line) -> None:
        from rich.text import Text as Rich

        style = STYLES.get(line.outcome, "" if line.acts or line.waits else "dim")
        indent = "  " if line.order and line.file == self._reading else ""
        if not line.order:
            self._reading = line.file if line.outcome == "read" else ""
        out = common.console()
        out.print(Rich(indent + str(line.text), style=style), soft_wrap=True)
        hints = [str(finding.hint) for finding in line.findings if finding.hint] if line.waits else []
        for hint in list(dict.fromkeys(hints))[:1]:
            out.print(Rich(f"{indent}  → {hint}", style="cyan"), soft_wrap=True)

    def flush(self) -> None:
        """Say how many quiet lines were left out."""
        if self.left_out:
            words = T("… and {n} more for which there is nothing to do (-n shows more, --json all).", n=self.left_out)
            common.console().print(str(words))

    def close(self, asked: Asked, *, apply: bool) -> None:
        """The closing line, or the JSON."""
        if self.as_json:
            common.print_json({"applied": apply, "counts": self.counts, "exit_code": self.code, "orders": self.rows})
            return
        out = common.console()
        if not self.counts:
            out.print(str(_nothing(asked)))
            return
        words = " · ".join(f"{words}: {self.counts[name]}" for name, words in COUNTS.items() if name in self.counts)
        out.print(words, soft_wrap=True)
        if not apply:
            out.print(
                str(
                    T("Nothing was changed; --apply does it.")
                    if self.acts
                    else T("Nothing was changed, and --apply would change nothing.")
                )
            )


def _nothing(asked: Asked) -> Text:
    if asked.all_held:
        return T("Nothing waits: no order is held, and no file is quarantined.")
    if asked.words or asked.cards:
        return T("Nothing of it came in this period.")
    return T("No file came in this period.")


def _data(line: Line) -> dict[str, Any]:
    return {
        "outcome": line.outcome,
        "text": str(line.text),
        "file": line.file,
        "sha256": line.sha256,
        "order": line.order or None,
        "customer": line.customer or None,
        "total": line.total,
        "currency": line.currency or None,
        "document": line.document,
        "acts": line.acts,
        "waits": line.waits,
        "findings": list(line.findings),
    }
