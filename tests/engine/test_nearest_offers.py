"""What is proposed for an unknown article where the target is a CRM or a shop, which tells offers and no catalogue."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import pytest

from pipeline.engine import nearest
from pipeline.errors import ConfigError
from pipeline.model import Offer
from pipeline.ports import ProductLookup, Ref
from tests.engine.in_step import NOW
from tests.engine.sync_world import FLAT, MemorySystem, put, single


@dataclass
class Crm(MemorySystem):
    """One that finds products by their articles, too."""

    told: int = 0

    def find_products(self, codes: Collection[str]) -> Mapping[str, Sequence[Ref]]:
        found = {one.keys.get("sku", ""): Ref(one.id, one.title, one.title) for one in self.content.values()}
        return {code: [found[code]] for code in codes if code in found}

    def offers(self, since: datetime | None = None) -> Iterator[Offer]:
        for offer in super().offers(since):
            self.told += 1
            yield offer


_: type[ProductLookup] = Crm


def crm() -> Crm:
    made = Crm(replace(FLAT, keys=("sku", "model")), name="crm")
    put(made, single("1", "FB-100", name="Фарба біла"), single("2", "", model="LAK-7", name="Лак паркетний"))
    return made


def test_an_article_and_a_name_that_come_near_are_proposed_from_offers() -> None:
    system = crm()
    assert [one.code for one in nearest.near(system, "sku", "FB-101", "", NOW, "uk-UA")] == ["FB-100"]
    assert [one.code for one in nearest.near(system, "sku", "X", "Паркетний лак", NOW, "uk-UA")] == ["LAK-7"]
    with pytest.raises(ConfigError) as caught:
        nearest.meant(system, "sku", "FB-1000", NOW, "uk-UA")
    assert "FB-100" in str(caught.value.hint)


def test_a_service_with_very_many_products_is_not_read_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nearest, "MOST_OFFERS", 1)
    system = crm()
    assert nearest.near(system, "sku", "LAK-8", "", NOW, "uk-UA") == ()
    assert system.told == 1
