"""An export of a shop in trouble: cells that are empty or hold what nobody has heard of, and a file that ends early."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest

from pipeline.api import MistokError, Offer
from pipeline.testing.sync_subject import draft, traits_of
from pipeline.testing.wire_contract import NEVER_HEARD, TYPED, spared
from tests.systems.joomshopping.site import Site, put
from tests.systems.joomshopping.test_contract import subject_of

#: Columns by which a row says which product it is of.
KEYS = {"product_id", "product_ean"}


def exported(site: Site) -> tuple[list[str], list[list[str]]]:
    """Header and rows of the newest export."""
    path = max((site.base / "export").iterdir(), key=lambda one: one.stat().st_mtime)
    header, *rows = csv.reader(io.StringIO(path.read_text(encoding="utf-8-sig"), newline=""), delimiter=";")
    return header, rows


def written(header: list[str], rows: list[list[str]]) -> str:
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=";").writerows([header, *rows])
    return text.getvalue()


def told(site: Site) -> dict[str, Offer]:
    return {offer.id: offer for offer in site.open().offers()}


def filled(site: Site, count: int) -> None:
    subject = subject_of(site)
    traits = traits_of(subject)
    subject.seed([draft(subject, traits, traits.reads, f"F-{n:03}") for n in range(count)])
    site.settle()


@pytest.mark.parametrize("value", ["", NEVER_HEARD, TYPED], ids=["empty", "never heard of", "typed"])
def test_f46_a_cell_that_is_not_what_it_should_be_spoils_no_other(tmp_path: Path, value: str) -> None:
    site = Site(tmp_path)
    filled(site, 1)
    header, _ = exported(site)
    strange = [name for name in header if name not in KEYS]
    assert len(strange) > 8
    filled(site, len(strange))
    before, traits = told(site), traits_of(subject_of(site))
    header, rows = exported(site)
    victims = {}
    for row, name in zip(rows[1:], strange, strict=True):
        if row[header.index(name)]:
            row[header.index(name)] = value
            victims[row[header.index("product_id")]] = name
    put(site, written(header, rows), "strange.csv")
    spared(before, told(site), victims, traits)


@pytest.mark.parametrize("part", [0.3, 0.5, 0.9])
def test_f12_an_export_that_ends_within_a_row_is_no_shorter_list(tmp_path: Path, part: float) -> None:
    site = Site(tmp_path)
    filled(site, 20)
    whole = written(*exported(site))
    cut = whole[: int(len(whole) * part)].rstrip("\r\n")
    cut = cut[: cut.rindex(";")]  # whatever the length is, it ends within a row
    put(site, cut, "cut.csv")
    with pytest.raises(MistokError):
        told(site)
    put(site, whole, "whole.csv")
    assert len(told(site)) == 20
