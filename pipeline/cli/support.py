"""``mistok support-bundle``: one file for those who help from afar, without secrets and people's data."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli import common
from pipeline.errors import ConfigError
from pipeline.texts import TN, T, hide_from_now_on

if TYPE_CHECKING:
    from pipeline.config.model import ClientConfig


def support_bundle(
    context: typer.Context,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            help=str(T("The file to write (default: mistok-support-CLIENT-TIME.zip here).")),
            show_default=False,
        ),
    ] = None,
    order: Annotated[
        list[str] | None,
        typer.Option("--order", help=str(T("Also the whole story of this order, document or file (may be repeated)."))),
    ] = None,
    days: Annotated[int, typer.Option(min=1, max=366, help=str(T("Runs, notices and logs of so many last days.")))] = 7,
    connect: Annotated[
        bool, typer.Option("--connect", help=str(T("Also try every server, as mistok check --connect does.")))
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help=str(T("Print JSON.")))] = False,
) -> None:
    """Write the bundle; also when the config is wrong, or the ledger cannot be used."""
    from datetime import UTC, datetime

    from pipeline.engine.support.bundle import Bundle, write

    with common.cards(as_json=as_json):
        asked = common.options(context)
        now = datetime.now(UTC)
        config, trouble = _config(asked)
        name = config.client if config is not None else "client"
        path = out or free(f"mistok-support-{name}-{now:%Y%m%d-%H%M%S}")
        if path.exists():
            common.usage(T("{path} is there already.", path=str(path)), T("Give another name with --out."))
        bundle = Bundle(
            config,
            asked.config / "config.yaml" if asked.config.is_dir() else asked.config,
            now,
            days=days,
            orders=tuple(order or ()),
            parts=tuple(_parts(asked.config, config, connect=connect, wrong=trouble is not None)),
            logs=(common.early_log_file(),),
            trouble=trouble,
        )
        try:
            write(bundle, path, _opener(config))
        except OSError as error:
            text = T("{path} cannot be written: {why}", path=str(path), why=error.strerror or str(error))
            raise ConfigError(text, hint=T("Give another place with --out.")) from error
        if as_json:
            common.print_json(
                {"path": path, "files": bundle.files, "left_out": bundle.left_out, "hidden": bundle.hidden}
            )
            return
        screen = common.console()
        files = TN("{n} file", "{n} files", len(bundle.files))
        screen.print(
            str(T("{path}: {files}, without secrets and people's data.", path=str(path), files=files)),
            soft_wrap=True,
            markup=False,
        )
        for missed in bundle.left_out:
            screen.print(
                str(T("  Not in it: {part}: {why}", part=missed["part"], why=missed["why"])),
                soft_wrap=True,
                markup=False,
            )
        screen.print(
            str(T("manifest.json in it tells what there is and what was hidden. Look at it before you send it."))
        )


def free(stem: str) -> Path:
    """A name that no file has yet: a second bundle of the same second gets a number."""
    numbered = (Path(f"{stem}-{number}.zip") for number in itertools.count(2))
    return next(path for path in itertools.chain([Path(f"{stem}.zip")], numbered) if not path.exists())


def _config(asked: common.Options) -> tuple[ClientConfig | None, Any]:
    """The config, or what is left of a wrong one; and what is wrong with it, as data."""
    from pipeline.config.masking import mask
    from pipeline.config.salvage import salvage

    try:
        return common.load_path(asked, logged=False), None
    except ConfigError as error:
        rows = [common.finding_row(finding) for finding in error.findings]
        if not asked.config.exists():
            raise
        left = salvage(asked.config)
        if left is not None:
            hide_from_now_on(lambda words: mask(words, left.secrets))
        return left, rows


def _opener(config: ClientConfig | None) -> Callable[[], Any] | None:
    from pipeline.engine.runtime import Client

    return None if config is None else lambda: Client.open(config, read_only=True, guarded=False)


def _parts(
    path: Path, config: ClientConfig | None, *, connect: bool, wrong: bool
) -> list[tuple[str, Callable[[], Any]]]:
    if config is None:
        return []
    if not wrong:
        return parts(config, connect)
    from pipeline.cli import status
    from pipeline.engine import health

    def how_it_stands() -> Any:
        examined = health.examine_without_config(path)
        return common.jsonable(status.as_data(*examined)) if examined is not None else None

    return [("status.json", how_it_stands)]


def parts(config: ClientConfig, connect: bool) -> list[tuple[str, Callable[[], Any]]]:
    """What the verbs ``status`` and ``check`` tell of a client."""

    # imported by each part: a program that was updated under a running service lacks one of them, not the whole bundle
    def how_it_stands() -> Any:
        from pipeline.cli import status
        from pipeline.engine import health
        from pipeline.engine.runtime import Client

        with Client.open(config, read_only=True, guarded=False) as client:
            return common.jsonable(status.as_data(config, health.examine(config, client.ledger)))

    def checked() -> Any:
        from pipeline.cli import check

        answers, code = check.look(config, connect=connect)
        return common.jsonable(check.as_data(config, answers, code))

    return [("status.json", how_it_stands), ("check.json", checked)]
