"""Tryton keeps the contract of documents; what is in it is looked up by proteus and by plain SQL."""

from __future__ import annotations

import pytest

from pipeline.testing.documents_contract import AmendContract, DocumentsContract, Subject
from tests.systems.tryton.world import CODES, World

pytestmark = [pytest.mark.server("tryton"), pytest.mark.xdist_group("tryton")]


def subject_of(world: World) -> Subject:
    def close(number: str) -> None:
        """A person confirms it, and Tryton processes it."""
        (sale,) = world.server.model("sale.sale").find([("number", "=", number)])
        sale.click("confirm")
        assert sale.state == "processing"

    return Subject(world.open, CODES, lambda: world.count("sale_sale"), world.total, close=close)


@pytest.fixture
def subject(world: World) -> Subject:
    return subject_of(world)


class TestDocuments(DocumentsContract):
    pass


class TestAmendments(AmendContract):
    pass
