"""``mistok demo``: the main job in front of your eyes, on an SFTP server of its own, with good and bad samples."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli import common
from pipeline.errors import system_words
from pipeline.texts import T, current_language

if TYPE_CHECKING:
    from pipeline.config.model import ClientConfig
    from pipeline.engine.runtime import RunReport

PASSWORD = "demo-password"  # noqa: S105 - of a server that lives for seconds on this machine only

CONFIG = """\
# yaml-language-server: $schema=.mistok/config.schema.json
# Made by `mistok demo`. The shop's folders lie beside this file, in site/.
client: demo
timezone: Europe/Kyiv
language: {language}

connections:
  site:
    type: local
    path: site
  images:
    type: local
    path: images
  books:
    type: books
    url: sqlite:///books.sqlite3
    seed: [products.csv, references.csv]

jobs:
  catalogue:
    at: ["03:00", "15:00"]
    steps:
      - step: export-catalogue
        from: books
        to: site
        folder: goods
        name: catalogue.csv
        format: {{type: joomshopping-csv, profile: extended}}
        marker: catalogue.ok
        images: {{from: images, to: images}}
  orders:
    watch: true
    steps:
      - step: import-orders
        inbox: site
        folder: orders
        into: books
        grace: 0s
        stable: 0.2s
        client: "0042"
        object: "01"
        user: anna
        executor: petro
"""

SFTP = """\
# yaml-language-server: $schema=.mistok/config.schema.json
# The same client, with its shop on an SFTP server.
include: config.yaml
connections:
  site:
    type: sftp
    host: 127.0.0.1
    port: {port}
    user: shop
    password: ${{file:password.txt}}
    host_key: {fingerprint}
"""


def demo(
    context: typer.Context,
    keep: Annotated[
        Path | None, typer.Option("--keep", help=str(T("Leave the whole set-up in this new folder for playing.")))
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help=str(T("Print JSON.")))] = False,
) -> None:
    """Run the main job on samples: catalogue out, orders in, over SFTP."""
    with common.cards(as_json=as_json):
        with _folder(keep) as folder:
            story = _play(
                folder, common.options(context).language or current_language(), quiet=as_json, keep=keep is not None
            )
        if as_json:
            common.print_json({key: value for key, value in story.items() if key != "reports"})
        else:
            _closing(story, keep)


@contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    if keep is None:
        with TemporaryDirectory(prefix="mistok-demo-", ignore_cleanup_errors=True) as folder:
            yield Path(folder)
        return
    if keep.is_dir() and any(keep.iterdir()):
        common.usage(T("{folder} is not empty.", folder=str(keep)), T("Name a new folder."))
    try:
        keep.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        common.usage(
            T("{path} cannot be written: {words}", path=str(keep), words=system_words(error)),
            T("Name a new folder."),
        )
    yield keep.resolve()


def _prepare(folder: Path, language: str) -> None:
    """The client's folder and the shop's folders, with sample data in both."""
    from pipeline.resources import samples, schemas

    (folder / "site" / "goods").mkdir(parents=True)
    inbox = folder / "site" / "orders"
    inbox.mkdir()
    for kind in ("good", "bad"):
        for path in sorted((samples() / "orders" / kind).glob("*.xml")):
            shutil.copyfile(path, inbox / path.name)
    for name in ("products.csv", "references.csv"):
        shutil.copyfile(samples() / name, folder / name)
    shutil.copytree(samples() / "images", folder / "images")
    (folder / ".mistok").mkdir()
    shutil.copyfile(schemas() / "config.schema.json", folder / ".mistok" / "config.schema.json")
    (folder / "config.yaml").write_text(CONFIG.format(language=language), encoding="utf-8")


def _play(folder: Path, language: str, *, quiet: bool, keep: bool) -> dict[str, Any]:
    from pipeline import logs
    from pipeline.config.load import load_config
    from pipeline.engine.runtime import run_job
    from pipeline.testing.sftpd import SftpServer

    _prepare(folder, language)
    sent = sorted(path.name for path in (folder / "site" / "orders").iterdir())
    (folder / "password.txt").write_text(PASSWORD, encoding="utf-8")
    with SftpServer(folder / "site", user="shop", password=PASSWORD, host_key=folder / "server-key") as server:
        (folder / "config.sftp.yaml").write_text(
            SFTP.format(port=server.port, fingerprint=server.fingerprint), encoding="utf-8"
        )
        config = load_config(folder / "config.sftp.yaml")
        logs.configure(file=config.path("logs/mistok.log"), secrets=config.secrets, console=False)
        if not quiet:
            common.console().print(
                str(
                    T("SFTP server of the demo shop: 127.0.0.1:{port}, {key}", port=server.port, key=server.fingerprint)
                )
            )
        catalogue = run_job(config, "catalogue")
        if not quiet:
            _show_catalogue(catalogue, folder)
        orders = run_job(config, "orders")
        again = [run_job(config, "orders"), run_job(config, "catalogue")]
    if keep:
        # the kept folder goes on without the server: what lies there is looked at once, so that it begins quietly
        run_job(load_config(folder / "config.yaml"), "orders")
    return _story(folder, config, sent, catalogue, orders, again)


def _story(
    folder: Path,
    config: ClientConfig,
    sent: Sequence[str],
    catalogue: RunReport,
    orders: RunReport,
    again: Sequence[RunReport],
) -> dict[str, Any]:
    from pipeline.engine.runtime import Client
    from pipeline.engine.shown.rows import file_row, order_row
    from pipeline.ledger.search import find_files, find_orders

    with Client.open(config) as client, client.ledger.read() as conn:
        files = [file_row(row, client) for row in find_files(conn, config.client, limit=10_000)]
        kept = [order_row(row, client) for row in find_orders(conn, config.client, limit=10_000)]
    left = sorted(path.name for path in (folder / "site" / "orders").iterdir())
    return {
        "folder": folder,
        "sent": sent,
        "left": left,
        "files": files[::-1],
        "orders": kept[::-1],
        "rows": list(_rows(orders)),
        "catalogue": dict(catalogue.counts),
        "counts": dict(orders.counts),
        "again": [dict(report.counts) for report in again],
        "findings": [
            finding for report in (catalogue, orders, *again) for step in report.steps for finding in step.findings
        ],
        "reports": (catalogue, orders),
    }


def _rows(report: RunReport) -> Iterator[Mapping[str, Any]]:
    for step in report.steps:
        if step.result is not None:
            yield from step.result.details


def _show_catalogue(report: RunReport, folder: Path) -> None:
    out = common.console()
    out.print(str(T("1. The catalogue goes out: {counts}", counts=common.counts_line(report.counts))), style="bold")
    for step in report.steps:
        common.show_findings(step.findings)
    path = folder / "site" / "goods" / "catalogue.csv"
    if path.exists():
        with path.open(encoding="utf-8", newline="") as source:
            for _number in range(3):
                line = source.readline().rstrip()
                out.print("   " + (line if len(line) <= 110 else line[:109] + "…"), markup=False)


def _closing(story: Mapping[str, Any], keep: Path | None) -> None:
    out = common.console()
    out.print(str(T("2. The orders come in: {counts}", counts=common.counts_line(story["counts"]))), style="bold")
    rows = []
    for row in story["rows"]:
        findings = row.get("findings") or ()
        why = f"{common.where_short(findings[0].where)}{findings[0].text}" if findings else ""
        rows.append({**row, "result": common.OUTCOMES.get(row["outcome"], row["outcome"]), "why": why})
    common.table(
        (
            ("file", T("File")),
            ("order", T("Order")),
            ("total", T("Sum")),
            ("currency", T("Currency")),
            ("result", T("Result")),
            ("document", T("Document")),
            ("why", T("Why")),
        ),
        rows,
        empty=T("Nothing new."),
    )
    common.show_findings(story["findings"])
    out.print(
        str(T("3. Run once more, nothing happens twice: {counts}", counts=common.counts_line(story["again"][0]))),
        style="bold",
    )
    out.print(
        str(
            T(
                "Of {sent} files {taken} were taken off the server and {left} stay there for the site's developer.",
                sent=len(story["sent"]),
                taken=len(story["sent"]) - len(story["left"]),
                left=len(story["left"]),
            )
        )
    )
    if keep is None:
        out.print(str(T("To look around in all of it: mistok demo --keep DIR")))
        return
    out.print(str(T("Everything is in {folder}. Look there:", folder=str(story["folder"]))), style="bold")
    for verb in ("orders", "files", "notices", "books documents", "trace 00004804", "run orders", "serve"):
        out.print(f"   mistok -c {common.quoted(story['folder'] / 'config.yaml')} {verb}", markup=False, soft_wrap=True)
