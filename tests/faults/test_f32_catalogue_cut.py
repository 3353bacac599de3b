"""F32: the exporting process is killed (SIGKILL); what the shop sees is always a whole file, the old one or the new.

The matrix is point x transport x ledger x whether a file was published before. By default every pair is covered; with
MISTOK_FULL set all combinations run.
"""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path

import pytest

from pipeline.resources import samples
from tests.faults.conftest import TRANSPORTS, Victim
from tests.faults.pairs import chosen, in_turn, pairs
from tests.faults.pairs import of as pairs_of

POINTS = tuple(
    f"outbound:{name}" for name in ("encoded", "images", "archived", "unmarked", "uploaded", "marked", "recorded")
)
LEDGERS = ("sqlite", "postgres")
BEFORE = ("first", "again")
#: Servers that let nothing be renamed over: the name is missing for a moment there, while the files are swapped.
SWAPS = ("proftpd-explicit",)
AXES = (POINTS, TRANSPORTS, LEDGERS, BEFORE)


def test_the_default_cases_cover_every_pair() -> None:
    covered = set().union(*map(pairs_of, pairs(*AXES)))
    assert covered == set().union(*map(pairs_of, product(*AXES)))
    assert len(pairs(*AXES)) == len(POINTS) * len(TRANSPORTS)


class Shop:
    """The site's side of a publication, looked at all the time, as customers' and importers' programs would."""

    def __init__(self, goods: Path) -> None:
        self.file = goods / "catalogue.csv"
        self.marker = goods / "catalogue.ok"
        self.seen: set[bytes | None] = set()
        self.looks = 0

    def look(self) -> bytes | None:
        self.looks += 1
        try:
            data = self.file.read_bytes()
        except FileNotFoundError:
            data = None
        self.seen.add(data)
        return data

    @contextmanager
    def watched(self) -> Iterator[None]:
        over = threading.Event()

        def watch() -> None:
            while not over.wait(0.001):
                self.look()

        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            yield
        finally:
            over.set()
            watcher.join()
            self.look()

    def marker_is_honest(self) -> None:
        """A marker is there only beside the very file that it was written for."""
        if self.marker.exists():
            assert self.marker.read_text("ascii").split()[0] == hashlib.sha256(self.file.read_bytes()).hexdigest()


def partials(goods: Path) -> list[str]:
    return [path.name for path in goods.parent.rglob("*") if ".part" in path.name]


def exporting(victim: Victim) -> Victim:
    shutil.copytree(samples() / "images", victim.folder / "images")
    victim.catalogue = f'marker: catalogue.ok, images: {{from: images, to: "{victim.remote_goods}/images"}}'
    return victim


def dearer_prices(victim: Victim) -> None:
    """Something changed in the books since the last publication."""
    books = sqlite3.connect(victim.folder / "books.sqlite3")
    with books:
        assert books.execute("UPDATE prices SET amount = amount + 1000000").rowcount > 30
    books.close()


def dearer(victim: Victim) -> None:
    """The same, and one picture."""
    dearer_prices(victim)
    with (victim.folder / "images" / "polish.png").open("ab") as picture:
        picture.write(b"\0")


@pytest.mark.whole
@pytest.mark.parametrize(("point", "transport", "ledger", "before"), chosen(*AXES))
def test_f32_killed_at_a_point(
    make_victim: Callable[[str, str], Victim], point: str, transport: str, ledger: str, before: str
) -> None:
    victim = exporting(make_victim(transport, ledger))
    shop = Shop(victim.goods)
    if before == "again":
        assert victim.run("catalogue").state == "done"
        dearer(victim)
    old = shop.look()
    assert (old is not None) == (before == "again")
    with shop.watched():
        assert victim.die(point, job="catalogue") == -9, f"{point} was never reached: {victim.last_words}"
        killed = shop.look()
        shop.marker_is_honest()
        report = victim.run("catalogue")
    assert report.state == "done", report
    new = shop.look()
    assert new is not None
    assert new != old
    gap = {None} if transport in SWAPS else set()
    assert shop.seen <= {old, new} | gap, "somebody could see a file that is neither the old one nor the new one"
    assert killed == (new if point in POINTS[4:] else old)
    assert partials(victim.goods) == []
    assert shop.marker.exists()
    shop.marker_is_honest()
    assert (victim.goods / "images" / "polish.png").read_bytes() == (
        victim.folder / "images" / "polish.png"
    ).read_bytes()
    assert victim.run("catalogue").counts.get("unchanged") == 1, "what is repaired is left in peace"
    victim.check()


@pytest.mark.parametrize(("transport", "ledger"), in_turn(TRANSPORTS, LEDGERS))
def test_f32_killed_when_the_marker_of_a_file_from_before_was_written(
    make_victim: Callable[[str, str], Victim], transport: str, ledger: str
) -> None:
    """The catalogue was published before anybody wanted a marker."""
    victim = make_victim(transport, ledger)
    shop = Shop(victim.goods)
    assert victim.run("catalogue").state == "done"
    old = shop.look()
    victim.catalogue = "marker: catalogue.ok"
    with shop.watched():
        assert victim.die("outbound:marker-recorded", job="catalogue") == -9, victim.last_words
        assert shop.marker.exists()
        shop.marker_is_honest()
        assert victim.run("catalogue").counts.get("unchanged") == 1
    assert shop.seen == {old}
    shop.marker.unlink()  # so the shop says that it has taken the file: it must not take it again
    assert victim.run("catalogue").counts.get("unchanged") == 1
    assert not shop.marker.exists()
    assert partials(victim.goods) == []
    dearer_prices(victim)
    assert victim.run("catalogue").counts.get("uploaded") == 1
    shop.marker_is_honest()
    assert shop.marker.exists()
    victim.check()


@pytest.mark.parametrize("transport", ["sftp", "sshd", "vsftpd-explicit"])
def test_f32_killed_while_the_bytes_go_out(make_victim: Callable[[str, str], Victim], transport: str) -> None:
    """From outside, when a part of the new file is on the server."""
    victim = make_victim(transport, "sqlite")
    shop = Shop(victim.goods)
    assert victim.run("catalogue").state == "done"
    books = sqlite3.connect(victim.folder / "books.sqlite3")
    with books:  # long enough to be caught on its way
        books.execute("UPDATE product_texts SET description = ?", ("довгий опис " * 2_900,))
    whole = {shop.look()}
    with shop.watched():
        for number in range(8):
            with books:
                books.execute("UPDATE prices SET amount = amount + ?", (number * 1_000_000,))
            if _killed_in_the_upload(victim):
                break
            whole.add(shop.look())  # it was quicker than the eye
        else:
            raise AssertionError("the upload was never caught on its way")
        assert shop.look() in whole
        assert victim.run("catalogue").state == "done"
    books.close()
    new = shop.look()
    assert new not in whole
    assert shop.seen <= {*whole, new}
    assert partials(victim.goods) == []
    victim.check()


def _killed_in_the_upload(victim: Victim) -> bool:
    """Whether the process died when a part of the file had arrived, and the part is still there."""
    script = Path(__file__).with_name("run_and_die.py")
    running = subprocess.Popen(
        [sys.executable, str(script), str(victim.path), "catalogue", "never", "1"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while running.poll() is None and not _arrived(victim):
            time.sleep(0.0005)
    finally:
        running.kill()
        running.wait(30)
    return _arrived(victim)


def _arrived(victim: Victim) -> bool:
    for path in victim.goods.glob("*.part"):
        with contextlib.suppress(FileNotFoundError):  # renamed meanwhile
            return path.stat().st_size > 0
    return False


def test_f45_an_empty_or_shrunk_feed_publishes_nothing_until_it_is_approved(
    make_victim: Callable[[str, str], Victim],
) -> None:
    from tests.e2e.command import mistok

    victim = make_victim("sshd", "sqlite")
    assert victim.run("catalogue").state == "done"
    whole = (victim.goods / "catalogue.csv").read_bytes()
    books = sqlite3.connect(victim.folder / "books.sqlite3")

    def keep(products: int) -> None:
        with books:
            books.execute("UPDATE products SET published = 0")
            books.execute(
                "UPDATE products SET published = 1 WHERE id IN (SELECT id FROM products ORDER BY id LIMIT ?)",
                (products,),
            )

    for products in (0, 9):
        keep(products)
        said = mistok("-c", victim.path, "--language", "en", "run", "catalogue")
        assert said.code == 1, said.all
        assert "mistok run catalogue --approve" in said.all
        assert (victim.goods / "catalogue.csv").read_bytes() == whole
        assert partials(victim.goods) == []
    waiting = mistok("-c", victim.path, "--language", "en", "notices", "--json").json()
    assert [row["kind"] for row in waiting].count("brake") == 1, "one alarm, however often it is looked at"
    approved = mistok("-c", victim.path, "run", "catalogue", "--approve", "--json")
    assert approved.code == 0, approved.all
    shrunk = (victim.goods / "catalogue.csv").read_bytes()
    assert shrunk != whole
    assert approved.json()["steps"][0]["details"][0]["rows"] == shrunk.count(b"\n") - 1
    keep(0)
    assert mistok("-c", victim.path, "run", "catalogue").code == 1, "an approval is for one publication"
    assert (victim.goods / "catalogue.csv").read_bytes() == shrunk
    books.close()
    victim.check()
