"""Dilovod's connector when the service is busy, fails, falls silent, or tells what it should not."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import pytest

from pipeline.testing.fakehttp import Asked
from pipeline.testing.wire_contract import Wire, WireContract
from plugins.systems.dilovod import PLUGIN
from plugins.systems.dilovod._fake_schema import GOODS
from plugins.systems.dilovod.fake import KEY, action, packet_of
from tests.systems.dilovod.base import SYNCED, base, blocked, subject_of, with_cost_type

SECRET = "secret-of-the-base"


class TestDilovod(WireContract):
    @pytest.fixture
    def wire(self) -> Iterator[Wire]:
        with base(page=50) as one:
            one.settings |= SYNCED
            one.fake.base.roles[SECRET] = one.fake.base.roles[KEY]
            saves, marks = action("saveObject"), action("setDelMark")

            def codes() -> list[str]:
                return [row["productNum"] for row in one.fake.rows(GOODS) if row["isGroup"] == "0"]

            def writes(asked: Asked) -> bool:
                assert packet_of(asked) is not None
                return saves(asked) or marks(asked)

            def refuse(codes: Collection[str]) -> None:
                def of_them(asked: Asked) -> bool:
                    return saves(asked) and any(f'"{code}"'.encode() in asked.body for code in codes)

                one.fake.fail(200, blocked("applicationLayerError Не приймаємо"), times=99, when=of_them)

            yield Wire(
                subject=subject_of(with_cost_type(one)),
                api=one.fake,
                plugin=PLUGIN,
                config={"key": SECRET, "url": one.url, **one.settings},
                clock=one.clock,
                expire=one.fake.base.roles.clear,
                secret=SECRET,
                cap={"max_pages": 2},
                codes=codes,
                marks=("id", "good", "parentId", "object"),
                writes=writes,
                refuse=refuse,
            )
