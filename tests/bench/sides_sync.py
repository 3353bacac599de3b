"""Both sides of the lines of a sync: each a process of its own."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pipeline.engine.sync.unchanged import uncollected
from pipeline.model import Offer
from tests.bench.child import Stopwatch, tell
from tests.bench.made_sync import FIELDS, NOW, TRAITS, each

BATCH = 4  #: rows of one request of the API
_SOME, _PAGE = 1000, 10_000


def plan(count: int, *, whole: bool = False) -> None:
    """What has changed of so many products that are in step, with all links at hand: kept with equal values once,
    shaped, matched and planned, as a run does it. The keeping, which a run does as pages come, is counted if ``whole``.
    """
    from pipeline.engine.sync import match as matching
    from pipeline.engine.sync.plan import plan as planned
    from pipeline.engine.sync.pooled import Pool
    from pipeline.engine.sync.rows import shape
    from pipeline.engine.sync.unchanged import one_run
    from pipeline.syncing import CatalogueSyncSettings

    step = CatalogueSyncSettings.model_validate({"from": "shop", "to": "crm"})
    links, pool, watch = _in_step(count, step), Pool(), Stopwatch()
    there: list[Offer] = []
    source: list[Offer] = []
    with one_run(), uncollected():
        for offers, own in ((source, "s"), (there, "t")):
            for page in _pages(count, own, changed=own == "s"):
                if whole:
                    with watch.running():
                        offers.extend(pool.kept(page))
                else:
                    offers.extend(pool.kept(page))
        with watch.running():
            rows = shape(source, step, TRAITS, {})
            matches = matching.match(rows, there, "sku", step.match)
            made = planned(rows, matches, TRAITS, step, links, NOW)
        tell(watch, len(made.settled) + len(made.updates))


def _pages(count: int, own: str, *, changed: bool = False) -> Iterator[list[Offer]]:
    """The offers of a system as they come, so many at once that neither side is held twice."""
    for start in range(0, count, _PAGE):
        yield list(each(range(start, min(start + _PAGE, count)), own=own, changed=changed))


def _in_step(count: int, step: Any) -> dict[str, Any]:
    """The links of so many products, as a run reads them from the ledger; they were written some at a time."""
    import sqlalchemy as sa

    from pipeline.engine.sync import match as matching
    from pipeline.engine.sync import store
    from pipeline.engine.sync.plan import plan as planned
    from pipeline.engine.sync.rows import shape
    from pipeline.ledger import tables

    with TemporaryDirectory() as folder:
        engine = sa.create_engine(f"sqlite:///{folder}/links.sqlite3")
        tables.metadata.create_all(engine, [tables.links])
        with engine.begin() as conn:
            for start in range(0, count, _SOME):
                some = range(start, min(start + _SOME, count))
                rows = shape(each(some, own="s"), step, TRAITS, {})
                matches = matching.match(rows, list(each(some, own="t")), "sku", step.match)
                before = planned(rows, matches, TRAITS, step, {}, NOW)
                kept = [
                    store.Link(
                        one.target, one.row.key, one.row.offer.id, before.wanted(one), one.seen,
                        {name: str(one.target.values[name]) for name in ("price", "price.cost")}, before.mark(one),
                    )
                    for one in before.settled
                ]  # fmt: skip
                store.write_links(conn, "acme", "link", kept, NOW)
        with engine.connect() as conn:
            links = store.read_links(conn, "acme", "link")
        engine.dispose()
    return links


def compare(count: int) -> None:
    """The same offers as they come, in a dict by their articles, compared as tuples. The collector is off, as it is on
    the other side.
    """
    there, source = ([one for page in _pages(count, own, changed=own == "s") for one in page] for own in "ts")
    watch = Stopwatch()
    with uncollected(), watch.running():
        known = {one.keys["sku"]: tuple([one.values[name] for name in FIELDS]) for one in there}
        changed, same = [], 0
        for one in source:
            row = tuple([one.values[name] for name in FIELDS])
            if known.get(one.keys["sku"]) == row:
                same += 1
            else:
                changed.append((one, row))
    tell(watch, same + len(changed))


def budget(folder: Path, minutes: int) -> None:
    """Writes of so many minutes' worth and one more to an API of 60 requests a minute: by a run of the engine's own
    with its ledger, over HTTP, on a clock that passes by waiting and by travelling alone."""
    from tests.engine.limited import Quirks, scale

    spent, refused, requests, watch = [], 0, 0, Stopwatch()
    rows = BATCH * (60 * minutes + 1)
    for window in ("sliding", "fixed"):
        (folder / window).mkdir()
        with scale(folder / window, quirks=Quirks(window), largest=BATCH) as made:
            made.fill(rows)
            made.run()
            made.clock.sleep(120)
            made.change(1)
            made.api.forget()
            begun = made.clock.seconds
            with watch.running():
                done = made.run().counts["updated"]
            spent.append((made.clock.seconds - begun) / (60 * minutes))
            refused += made.api.refused
            requests += len(made.api.asked())
    figures = {"budget": max(spent), "requests": requests / 2 / (60 * minutes + 1), "refused": float(refused)}
    tell(watch, done, **figures)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["plan" | "keep-and-plan" as word, count]:
            plan(int(count), whole=word != "plan")
        case ["compare", count]:
            compare(int(count))
        case ["budget", folder, minutes]:
            budget(Path(folder), int(minutes))
        case other:
            sys.exit(f"not a side of a line: {other}")
