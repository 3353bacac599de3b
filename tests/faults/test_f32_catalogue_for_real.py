"""F32 beside real servers: what is there already is left in peace, what another hand wrote is mended, and only that.

What lies on the server is looked at on its disk, never through our own transport.
"""

from __future__ import annotations

import csv
import hashlib
import os
import shutil
import sqlite3
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from pipeline.engine.runtime import RunReport
from pipeline.resources import samples
from tests.e2e.command import mistok
from tests.faults.conftest import Victim

SERVERS = ("local", "sshd", "vsftpd", "vsftpd-explicit", "proftpd-explicit", "pyftpdlib-list")


def said(report: RunReport) -> str:
    """All remarks of a run, as a person reads them."""
    return "\n".join(note.render("en") for step in report.steps if step.result for note in step.result.notes)


def versions(folder: Path) -> dict[str, tuple[int, int]]:
    """What identifies each file on the disk: a file that was sent again is another one, even with the same bytes."""
    return {
        str(path.relative_to(folder)): (path.stat().st_ino, path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize("transport", SERVERS)
def test_f32_a_file_of_the_same_size_by_another_hand_is_replaced_and_told(
    make_victim: Callable[[str, str], Victim], transport: str
) -> None:
    victim = make_victim(transport, "sqlite")
    victim.catalogue = "marker: catalogue.ok"
    assert victim.run("catalogue").counts.get("uploaded") == 1
    catalogue, marker = victim.goods / "catalogue.csv", victim.goods / "catalogue.ok"
    whole = catalogue.read_bytes()
    before = versions(victim.goods)
    quiet = victim.run("catalogue")
    assert quiet.counts.get("unchanged") == 1
    assert said(quiet) == ""
    assert versions(victim.goods) == before, "nothing was sent"

    catalogue.write_bytes(b"x" * len(whole))
    os.utime(catalogue, (1_790_000_000, 1_790_000_000))  # servers tell seconds, and the test is quicker than one
    mended = victim.run("catalogue")
    assert mended.counts.get("uploaded") == 1
    assert "not as Mistok left it" in said(mended)
    assert catalogue.read_bytes() == whole
    assert marker.read_text("ascii").split()[0] == hashlib.sha256(whole).hexdigest()
    assert victim.run("catalogue").counts.get("unchanged") == 1

    # the site takes the file: it deletes the marker, and is not told to take it again
    marker.unlink()
    assert victim.run("catalogue").counts.get("unchanged") == 1
    assert not marker.exists()
    victim.check()


@pytest.mark.parametrize("transport", SERVERS)
def test_f32_a_marker_that_is_switched_on_later_is_written(
    make_victim: Callable[[str, str], Victim], transport: str
) -> None:
    victim = make_victim(transport, "sqlite")
    assert victim.run("catalogue").counts.get("uploaded") == 1
    before = versions(victim.goods)
    victim.catalogue = "marker: catalogue.ok"
    late = victim.run("catalogue")
    assert late.counts.get("unchanged") == 1
    assert "catalogue.ok" in said(late)
    words = (victim.goods / "catalogue.ok").read_text("ascii").split()
    assert words == [hashlib.sha256((victim.goods / "catalogue.csv").read_bytes()).hexdigest(), "catalogue.csv"]
    after = versions(victim.goods)
    assert after.pop("catalogue.ok")
    assert after == before
    victim.check()


@pytest.mark.parametrize("transport", SERVERS)
def test_f45_a_shrunk_feed_waits_on_every_server(make_victim: Callable[[str, str], Victim], transport: str) -> None:
    victim = make_victim(transport, "sqlite")
    victim.catalogue = "marker: catalogue.ok"
    assert victim.run("catalogue").state == "done"
    before = versions(victim.goods)
    books = sqlite3.connect(victim.folder / "books.sqlite3")
    with books:
        books.execute("UPDATE products SET published = 0 WHERE id > 3")
    books.close()
    assert victim.run("catalogue").exit_code == 1
    assert versions(victim.goods) == before
    victim.check()


@pytest.mark.parametrize("transport", SERVERS)
def test_images_are_sent_once_and_then_only_the_new_and_changed_ones(
    make_victim: Callable[[str, str], Victim], transport: str
) -> None:
    victim = make_victim(transport, "sqlite")
    here, there = victim.folder / "images", victim.goods / "images"
    shutil.copytree(samples() / "images", here)
    withheld = (here / "lacquer-ms.png").read_bytes()
    (here / "lacquer-ms.png").unlink()
    victim.catalogue = f'images: {{from: images, to: "{victim.remote_goods}/images"}}'
    first = victim.run("catalogue")
    assert "lacquer-ms.png" in said(first)
    sent = versions(there)
    assert len(sent) > 5
    assert first.counts["images"] == len(sent)
    assert victim.run("catalogue").counts["images"] == 0
    assert versions(there) == sent

    (here / "lacquer-ms.png").write_bytes(withheld)  # new
    changed = bytearray((here / "polish.png").read_bytes())  # changed, of the same size
    changed[-1] ^= 1
    (here / "polish.png").write_bytes(changed)
    os.utime(here / "polish.png", (1_790_000_000, 1_790_000_000))
    os.utime(here / "degreaser.png", (1_790_000_000, 1_790_000_000))  # touched only
    assert victim.run("catalogue").counts["images"] == 2
    now = versions(there)
    assert {name for name in now if now[name] != sent.get(name)} == {"lacquer-ms.png", "polish.png"}
    for name in now:
        assert (there / name).read_bytes() == (here / name).read_bytes()

    (there / "polish.png").unlink()
    assert victim.run("catalogue").counts["images"] == 1, "gone on the server"
    assert (there / "polish.png").read_bytes() == bytes(changed)
    victim.check()


def amount(text: str) -> Decimal:
    """A price as the sample's people typed it."""
    return Decimal("".join(text.split()).replace(",", "."))


OWN = """\
format: {type: joomshopping-csv, delimiter: ",", languages: [uk-UA, ru-RU], columns: [
            {header: art, field: code},
            {header: lang, value: uk},
            {header: title, template: "{manufacturer}: {name}"},
            {header: назва, field: name.ru-RU},
            {header: ціна, field: price, decimals: 2, decimal_mark: ","},
            {header: акція, field: special_price, decimals: 2},
            {header: шлях, field: category, as: path, separator: " > "},
            {header: група, field: category, as: leaf},
            {header: фото, field: image},
            {header: ще фото, field: images, separator: ","}]}"""


def test_own_columns_of_the_yaml_stand_in_the_file_on_the_server(make_victim: Callable[[str, str], Victim]) -> None:
    victim = make_victim("sshd", "sqlite")
    victim.catalogue = OWN
    assert victim.run("catalogue").state == "done"
    books = sqlite3.connect(victim.folder / "books.sqlite3")
    with books:  # the sample's promotions end some day, and this test does not
        assert books.execute("UPDATE specials SET start_at = NULL, end_at = NULL").rowcount == 4
    books.close()
    done = mistok("-c", victim.path, "run", "catalogue", "--json")
    assert done.code == 0, done.all
    text = (victim.goods / "catalogue.csv").read_text("utf-8")
    rows = list(csv.DictReader(text.splitlines()))
    with (samples() / "products.csv").open(encoding="utf-8", newline="") as source:
        products = {row["code"]: row for row in csv.DictReader(source, delimiter=";")}
    assert len(rows) == done.json()["counts"]["rows"] == 30
    for row in rows:
        product = products[row["art"]]
        assert row == {
            "art": product["code"],
            "lang": "uk",
            "title": f"{product['manufacturer']}: {product['name_uk-UA']}",
            "назва": product["name_ru-RU"],
            "ціна": f"{amount(product['price']):.2f}".replace(".", ","),
            "акція": product["special_price"] and f"{amount(product['special_price']):.2f}",
            "шлях": product["category"].replace("/", " > "),
            "група": product["category"].rpartition("/")[2],
            "фото": product["image"],
            "ще фото": product["images"].replace("|", ","),
        }
