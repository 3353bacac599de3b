"""The suites of documents and of what follows them, over tables of a closed program."""

from __future__ import annotations

import pytest

from pipeline.testing import documents_contract, following_subject
from pipeline.testing.documents_contract import AmendContract, DocumentsContract
from pipeline.testing.following_contract import ReturnContract, ShipContract
from pipeline.testing.naming_contract import PartiesContract, ProductNamesContract
from pipeline.testing.settling_contract import PaymentsContract, StatusesContract
from tests.systems.sql.world import FOLLOWING, World, documents_subject, following_subject_of


class TestDocuments(DocumentsContract):
    """On SQLite."""

    @pytest.fixture
    def subject(self, lite: World) -> documents_contract.Subject:
        return documents_subject(lite)


class TestAmending(AmendContract):
    """On SQLite."""

    @pytest.fixture
    def subject(self, lite: World) -> documents_contract.Subject:
        return documents_subject(lite)


class _Following:
    @pytest.fixture
    def subject(self, lite: World) -> following_subject.Subject:
        return following_subject_of(lite)


class TestPayments(_Following, PaymentsContract):
    """On SQLite."""


class TestStatuses(_Following, StatusesContract):
    """On SQLite."""


class TestParties(_Following, PartiesContract):
    """On SQLite."""


class TestProductNames(_Following, ProductNamesContract):
    """On SQLite."""


class _Shipping:
    @pytest.fixture
    def subject(self, lite: World) -> following_subject.Subject:
        lite.usual = FOLLOWING
        return following_subject_of(lite)


class TestShipments(_Shipping, ShipContract):
    """On SQLite."""


class TestReturns(_Shipping, ReturnContract):
    """On SQLite."""
