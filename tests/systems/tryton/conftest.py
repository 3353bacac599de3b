"""A real Tryton for the session, and its database as it was made for each test.

The contracts are long and every call is one of a real server: by default the tests of EVERYDAY run, with MISTOK_FULL
(CI) all of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import stamina

from pipeline.testing.fakehttp import FakeServer
from tests.servers.tryton import TrytonServer
from tests.systems.tryton.world import Between, World

HERE = Path(__file__).parent
LONG = ("test_documents_contract.py", "test_following_contract.py", "test_orders_contract.py")
EVERYDAY = frozenset({
    "TestDocuments.test_a_second_create_gives_the_first_document",
    "TestDocuments.test_a_failure_of_one_spares_its_siblings",
    "TestDocuments.test_a_total_that_is_not_the_sum_of_its_parts_is_refused",
    "TestAmendments.test_a_cancelled_document_lives_again_when_it_is_amended",
    "TestAmendments.test_a_closed_document_is_left_as_it_is",
    "TestOrders.test_what_is_both_cancelled_and_returned_comes_back_once",
    "TestShipments.test_parts_add_up_and_more_than_ordered_is_held",
    "TestReturns.test_goods_of_a_cancelled_order_come_back",
    "TestParties.test_a_buyer_is_found_however_phone_and_mail_are_written",
    "TestProductNames.test_a_product_is_found_by_its_name_blanks_and_case_aside",
})  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what only CI runs."""
    for item in items:
        suite = getattr(getattr(item, "cls", None), "__name__", "")
        if item.path.parent == HERE and item.path.name in LONG and f"{suite}.{item.name}" not in EVERYDAY:
            item.add_marker(pytest.mark.full)


@pytest.fixture
def world(tryton_server: TrytonServer) -> Iterator[World]:
    """Tries are made again without a pause."""
    tryton_server.restore()
    between = Between(tryton_server.url)
    with FakeServer(between) as proxy, stamina.set_testing(True, attempts=3):
        one = World(tryton_server, between, proxy.url)
        try:
            yield one
        finally:
            for opened in one.sessions:
                opened.close()
