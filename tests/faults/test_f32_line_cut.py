"""F32 on the line: the upload of a catalogue is cut half way and no attempt comes through. The shop goes on reading the
old file, to the byte; the next run repairs, and leaves no half of anything behind."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable

import pytest

from pipeline.engine.runtime import UNREACHABLE
from tests.faults import tally
from tests.faults.conftest import Victim
from tests.faults.proxied import REAL, impatient, proxied, run, spread
from tests.faults.seen import alarms


@pytest.mark.parametrize("transport", REAL)
def test_f32_the_line_is_cut_half_way_and_stays_so(
    request: pytest.FixtureRequest,
    make_victim: Callable[[str, str], Victim],
    monkeypatch: pytest.MonkeyPatch,
    transport: str,
) -> None:
    impatient(monkeypatch)
    with proxied(request, make_victim, transport) as (victim, proxy):
        assert victim.run("catalogue").state == "done"
        target = victim.goods / "catalogue.csv"
        size = target.stat().st_size
        shares = (0, 1) if os.environ.get("MISTOK_FULL") else (REAL.index(transport), len(REAL))
        for place in spread(size * 9 // 10, 12, *shares):
            tally.note("inputs")
            books = sqlite3.connect(victim.folder / "books.sqlite3")
            with books:
                books.execute("UPDATE prices SET amount = amount + 1000000")
            books.close()
            old = target.read_bytes()

            def reach(point: str, place: int = place) -> None:
                if point == "outbound:archived":
                    # bytes that go up: the file is most of them; no attempt gets further
                    proxy.cut(after=place, direction="up", times=None)

            report = run(victim, "catalogue", reach=reach, trigger="schedule")
            assert (report.state, report.exit_code) == ("failed", UNREACHABLE), report
            assert proxy.fired >= 2, "it was tried again"
            assert target.read_bytes() == old
            proxy.forgive()
            assert victim.run("catalogue").state == "done"
            assert target.read_bytes() != old
            assert [path.name for path in victim.goods.iterdir()] == [target.name], "no half of a file is left"
        assert set(alarms(victim)) <= {"connection:site", "job:catalogue"}
        victim.check()
