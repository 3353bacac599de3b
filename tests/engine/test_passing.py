"""What is passed on between two processes of ours comes as it was."""

from __future__ import annotations

import pickle
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from pipeline.archive import ArchiveCopy, ArchiveItem
from pipeline.engine import passing
from pipeline.ports import FormatContext
from pipeline.resources import samples
from plugins.formats.order_xml import OrderXml, OrderXmlSettings

ZONE = ZoneInfo("Europe/Kyiv")
FILES = sorted(samples().glob("orders/good/*.xml"))


def alike(one: Any, other: Any) -> bool:
    """Field by field, also those that do not count in a comparison; each of the very same class."""
    if type(one) is not type(other):
        return False
    if is_dataclass(one):
        return all(alike(getattr(one, field.name), getattr(other, field.name)) for field in fields(one))
    if isinstance(one, tuple):
        return len(one) == len(other) and all(map(alike, one, other))
    return bool(one == other) and repr(one) == repr(other) if not callable(one) else True


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_orders(file: Path) -> None:
    context = FormatContext("shop", ZONE, "UAH", "uk-UA", datetime.now(ZONE), file.name)
    found = OrderXml().decode(file.read_bytes(), OrderXmlSettings(), context)
    back = pickle.loads(passing.dumps([found, None]))[0]
    assert back == found
    assert back.orders
    for one, other in zip(found.orders, back.orders, strict=True):
        assert dict(one.places) == dict(other.places)
        assert all(alike(getattr(one, f.name), getattr(other, f.name)) for f in fields(one) if f.name != "places")
    assert back.notes == found.notes


def test_files_and_their_copies() -> None:
    item = ArchiveItem(None, "a.xml", "shop", datetime.now(ZONE), modified=datetime.now(UTC), raw=b"\xff", data=b"<x/>")
    copy = ArchiveCopy("0" * 64, 4, "/archive/objects", "/archive/view")
    assert alike(tuple(pickle.loads(passing.dumps([item, copy]))), (item, copy))


def test_what_cannot_be_passed_on_says_so() -> None:
    with pytest.raises((pickle.PicklingError, AttributeError, TypeError)):
        passing.dumps([lambda: None])
