"""Both sides of the lines of a sync: each a process of its own."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.bench.child import Stopwatch, tell
from tests.bench.made_sync import FIELDS, NOW, TRAITS, offers

BATCH = 4  #: rows of one request of the API


def plan(count: int) -> None:
    """What has changed of so many products that are in step: shaped, matched and planned, with all links at hand."""
    from pipeline.engine.sync import match as matching
    from pipeline.engine.sync.plan import plan as planned
    from pipeline.engine.sync.rows import shape
    from pipeline.engine.sync.store import Link
    from pipeline.engine.sync.unchanged import one_run, uncollected
    from pipeline.syncing import CatalogueSyncSettings

    step = CatalogueSyncSettings.model_validate({"from": "shop", "to": "crm"})
    there = offers(count, own="t")
    rows = shape(offers(count, own="s"), step, TRAITS, {})
    before = planned(rows, matching.match(rows, there, "sku", step.match), TRAITS, step, {}, NOW)
    links = {
        one.target.id: Link(
            one.target, one.row.key, one.row.offer.id, before.wanted(one), one.seen, {}, before.mark(one)
        )
        for one in before.settled
    }
    del rows, before
    source, watch = offers(count, own="s", changed=True), Stopwatch()
    with one_run():
        with watch.running(), uncollected():
            rows = shape(source, step, TRAITS, {})
            matches = matching.match(rows, there, "sku", step.match)
            made = planned(rows, matches, TRAITS, step, links, NOW)
        tell(watch, len(made.settled) + len(made.updates))


def compare(count: int) -> None:
    """The same rows in a dict by their articles, compared as tuples."""
    there = offers(count, own="t")
    source, watch = offers(count, own="s", changed=True), Stopwatch()
    with watch.running():
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
        case ["plan", count]:
            plan(int(count))
        case ["compare", count]:
            compare(int(count))
        case ["budget", folder, minutes]:
            budget(Path(folder), int(minutes))
        case other:
            sys.exit(f"not a side of a line: {other}")
