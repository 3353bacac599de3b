"""Books on PostgreSQL notice a line that was cut: libpq is told to ask for it, unless their address says otherwise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy.exc import OperationalError

from plugins.systems.books.database import Database


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What the driver is told, each time that a connection is wanted; there is none."""
    told: list[dict[str, Any]] = []

    def connect(*_words: Any, **named: Any) -> None:
        told.append(named)
        raise psycopg.OperationalError("no server here")

    monkeypatch.setattr(psycopg, "connect", connect)
    monkeypatch.setattr(psycopg.Connection, "connect", connect)
    return told


def test_a_line_that_was_cut_is_noticed(asked: list[dict[str, Any]], tmp_path: Path) -> None:
    with pytest.raises(OperationalError):
        Database("postgresql+psycopg://u@db.example/b", tmp_path)._engine.connect()
    assert asked[0]["connect_timeout"] == "10"
    assert asked[0]["tcp_user_timeout"] == "30000"
    assert asked[0]["keepalives_idle"] == "10"


def test_what_the_address_says_goes_before(asked: list[dict[str, Any]], tmp_path: Path) -> None:
    url = "postgresql+psycopg://u@db.example/b?tcp_user_timeout=5000&connect_timeout=3"
    with pytest.raises(OperationalError):
        Database(url, tmp_path)._engine.connect()
    assert (asked[0]["tcp_user_timeout"], asked[0]["connect_timeout"]) == ("5000", "3")
