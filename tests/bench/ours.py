"""Mistok's side of each line: one process that does the work as a run of the service does it."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.bench import disk
from tests.bench.child import Stopwatch, peak_mib, tell


def run(config_path: Path, job: str, word: str) -> None:
    """One run of a job, with every promise kept; counted from when all code is loaded."""
    from pipeline import logs
    from pipeline.clock import SystemClock
    from pipeline.config.load import load_config
    from pipeline.engine.runtime import run_job
    from pipeline.engine.warming import warm
    from pipeline.registry import load_registry

    logs.configure(file=None, console=False)
    config = load_config(config_path)
    registry = load_registry(None)
    warm(config, registry, SystemClock())
    watch, before, held, begun = Stopwatch(), disk.syncs(), peak_mib(), time.perf_counter()
    with _first_kept() as kept, watch.running(), _profiled():
        report = run_job(config, job, registry=registry)
    after = disk.syncs()
    if report.state != "done":
        sys.exit(f"the run ended {report.state}: {[str(f.text) for step in report.steps for f in step.findings]}")
    done = report.counts.get(word, 0)
    if job == "catalogue":
        file_at = kept[0] if kept else time.perf_counter()
        uploaded = report.counts.get("uploaded", 0)
        rose = peak_mib() + watch.others_mib - held
        tell(watch, done, rise_mib=rose, uploaded=uploaded, seconds_to_file=file_at - begun)
        return
    tell(watch, done, **({"syncs_per_order": (after - before) / done} if after and before is not None and done else {}))


def decode(folder: Path) -> None:
    """Hardened parse, XSD, all checks of the format, model."""
    found, watch = 0, Stopwatch()
    read = _decoder()
    files = sorted(folder.iterdir())
    read(files[0])  # compiles the schema, once
    with watch.running(), _profiled():
        for path in files:
            found += len(read(path))
    tell(watch, found)


def book(folder: Path, work: Path) -> None:
    """Books.create in batches of 50, as the import calls it: looked up, checked to the cent, reserved, synced."""
    from pipeline.api import DocumentDraft
    from tests.bench.made import open_books

    read = _decoder()
    orders = [one.order for path in sorted(folder.iterdir()) for one in read(path)]
    books = open_books(work)
    books.make_ready()
    codes = {line.code for order in orders for line in order.lines}
    refs = {code: found[0] for code, found in books.find_products(codes).items()}
    party = books.find_references("party", {"0042"})["0042"]
    drafts = [
        DocumentDraft(
            key=f"bench/{order.source}/{order.id}/create/0",
            order=order,
            products=tuple(refs[line.code] for line in order.lines),
            client=party,
        )
        for order in orders
    ]
    made, watch = 0, Stopwatch()
    with watch.running(), _profiled():
        for start in range(0, len(drafts), 50):
            made += sum(outcome.ref is not None for outcome in books.create(drafts[start : start + 50]))
    books.close()
    tell(watch, made)


def _decoder() -> Any:
    from datetime import UTC, datetime
    from zoneinfo import ZoneInfo

    from pipeline.api import FormatContext
    from plugins.formats.order_xml import OrderXml, OrderXmlSettings

    context = FormatContext(
        client="bench",
        timezone=ZoneInfo("Europe/Kyiv"),
        currency="UAH",
        language="uk-UA",
        now=datetime.now(UTC),
        file="order.xml",
        base=Path(),
    )
    reader, settings = OrderXml(), OrderXmlSettings()
    return lambda path: reader.decode(path.read_bytes(), settings, context).orders


@contextmanager
def _first_kept() -> Iterator[list[float]]:
    """When something first went into the archive: a catalogue is whole, checked and past its brake then."""
    from pipeline.archive import Archive

    times: list[float] = []
    keep = Archive.keep

    def kept(self: Archive, *args: Any, **more: Any) -> Any:
        times.append(time.perf_counter())
        return keep(self, *args, **more)

    Archive.keep = kept  # type: ignore[method-assign]
    try:
        yield times
    finally:
        Archive.keep = keep  # type: ignore[method-assign]


@contextmanager
def _profiled() -> Iterator[None]:
    """With BENCH_PROFILE=FILE in the environment: a cProfile of the work goes there. Times mean nothing then."""
    target = os.environ.get("BENCH_PROFILE")
    if not target:
        yield
        return
    import cProfile

    with cProfile.Profile() as profile:
        yield
    profile.dump_stats(target)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["import", config]:
            run(Path(config), "orders", "created")
        case ["export", config]:
            run(Path(config), "catalogue", "rows")
        case ["decode", folder]:
            decode(Path(folder))
        case ["book", folder, work]:
            book(Path(folder), Path(work))
        case other:
            sys.exit(f"not a line of the bench: {other}")
