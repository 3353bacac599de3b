"""Tryton keeps the contract of documents; what is in it is looked up by proteus and by plain SQL."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from pipeline.api import DocumentOutcome, Documents
from pipeline.testing.documents_contract import (
    AmendContract,
    DocumentsContract,
    Subject,
    amendment_of,
    drafts_of,
    order,
)
from tests.systems.tryton.world import CODES, World

pytestmark = [pytest.mark.server("tryton"), pytest.mark.xdist_group("tryton")]


LACKS = {"reserved": "a sale reserves nothing in Tryton before it is processed"}


def subject_of(world: World) -> Subject:
    def close(number: str) -> None:
        """A person confirms it, and Tryton processes it."""
        (sale,) = world.server.model("sale.sale").find([("number", "=", number)])
        sale.click("confirm")
        assert sale.state == "processing"

    return Subject(world.open, CODES, lambda: world.count("sale_sale"), world.total, close=close, lacks=LACKS)


@pytest.fixture
def subject(world: World) -> Subject:
    return subject_of(world)


class TestDocuments(DocumentsContract):
    def test_two_at_once_make_one_document_each(self, subject: Subject) -> None:
        """As the contract's own, of fewer: each is a dozen calls of a real server."""
        drafts = drafts_of(subject.open(), [order(n, subject.codes) for n in range(1, 4)])
        start = Barrier(2)

        def work() -> list[DocumentOutcome]:
            system = subject.open()
            assert isinstance(system, Documents)
            start.wait(30)
            return [outcome for draft in drafts for outcome in system.create([draft])]

        with ThreadPoolExecutor(2) as pool:
            first, second = (future.result(60) for future in [pool.submit(work), pool.submit(work)])
        assert subject.count() == 3
        for one, other in zip(first, second, strict=True):
            assert one.ref is not None
            assert other.ref is not None
            assert (one.ref.id, one.existed) == (other.ref.id, not other.existed)


class TestAmendments(AmendContract):
    pass


@pytest.mark.full
def test_a_sale_that_a_person_cancels_there_is_told_as_cancelled_until_it_lives_again(world: World) -> None:
    system = world.open()
    drafts = drafts_of(system, [order(1, CODES)])
    ref = system.create(drafts)[0].ref
    assert ref is not None
    assert not ref.cancelled
    world.sale(ref.id).click("cancel")
    found = world.open().find([drafts[0].key])[drafts[0].key]
    assert (found.id, found.cancelled) == (ref.id, True)
    (again,) = world.open().amend([amendment_of(system, order(1, CODES), ref, "2")])
    assert again.error is None
    assert not world.open().find([drafts[0].key])[drafts[0].key].cancelled
