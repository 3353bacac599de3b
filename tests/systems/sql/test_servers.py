"""The same promises on real PostgreSQL, MariaDB and Firebird: their core, and with MISTOK_FULL set (CI) all of them."""

from __future__ import annotations

import os
from typing import Any

import pytest

from pipeline.testing.documents_contract import AmendContract, DocumentsContract
from pipeline.testing.following_contract import ReturnContract, ShipContract
from pipeline.testing.naming_contract import PartiesContract, ProductNamesContract
from pipeline.testing.orders_contract import OrdersContract
from pipeline.testing.settling_contract import PaymentsContract, StatusesContract
from tests.systems.sql.test_orders_contract import target_of
from tests.systems.sql.world import World, documents_subject, following_subject_of

pytestmark = pytest.mark.xdist_group("sql-servers")
KINDS = {"postgresql": "pg", "mariadb": "maria", "firebird": "fire"}
CORE = {
    (DocumentsContract, "test_outcomes_stand_in_the_order_of_the_drafts"),
    (DocumentsContract, "test_two_at_once_make_one_document_each"),
    (DocumentsContract, "test_a_failure_of_one_spares_its_siblings"),
    (OrdersContract, "test_no_order_is_dated_into_a_closed_period_and_its_siblings_are_made"),
    (AmendContract, "test_a_document_is_brought_to_the_new_content"),
    (AmendContract, "test_a_cancelled_document_lives_again_when_it_is_amended"),
    (PaymentsContract, "test_an_answer_that_is_lost_leaves_it_in_doubt_and_a_look_finds_it"),
    (StatusesContract, "test_what_the_system_says_is_told_in_its_own_words"),
    (ShipContract, "test_parts_add_up_and_more_than_ordered_is_held"),
    (ReturnContract, "test_parts_add_up_and_more_than_shipped_is_held"),
    (PartiesContract, "test_a_buyer_is_found_however_phone_and_mail_are_written"),
}


@pytest.fixture(params=KINDS)
def world(request: pytest.FixtureRequest) -> World:
    found: World = request.getfixturevalue(KINDS[request.param])
    return found


def promises(*suites: type) -> list[Any]:
    """What these suites ask of a subject."""
    return [
        pytest.param(suite, name, id=f"{suite.__name__}-{name}")
        for suite in suites
        for name in dir(suite)
        if (suite, name) in CORE or (name.startswith("test_") and os.environ.get("MISTOK_FULL"))
    ]


@pytest.mark.parametrize(("suite", "name"), promises(DocumentsContract, AmendContract))
def test_documents_are_made_amended_and_cancelled(world: World, suite: type, name: str) -> None:
    getattr(suite(), name)(documents_subject(world))


@pytest.mark.parametrize(("suite", "name"), promises(OrdersContract))
def test_the_faults_of_orders(world: World, suite: type, name: str) -> None:
    getattr(suite(), name)(target_of(world))


FOLLOW = promises(
    ShipContract, ReturnContract, PaymentsContract, StatusesContract, PartiesContract, ProductNamesContract
)


@pytest.mark.parametrize(("suite", "name"), FOLLOW)
def test_shipments_returns_payments_statuses_and_parties(world: World, suite: type, name: str) -> None:
    getattr(suite(), name)(following_subject_of(world))
