"""Mappings and verdicts that people give, and what the plan makes of them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from pipeline.clock import SystemClock
from pipeline.ledger import decisions
from pipeline.ledger.store import Ledger

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def test_a_mapping_is_kept_per_client_and_changed_by_the_next(tmp_path: Path) -> None:
    ledger = Ledger("sqlite:///ledger.sqlite3", client="acme", base=tmp_path, clock=SystemClock())
    with ledger.begin() as conn:
        assert decisions.give_mapping(conn, "acme", "sku", "AB-1", "AB1", by="anna", now=NOW) is None
        assert decisions.give_mapping(conn, "acme", "sku", "AB-1", "AB2", by="anna", now=NOW) == "AB1"
        decisions.give_mapping(conn, "other", "sku", "AB-1", "X", by="petro", now=NOW)
    with ledger.read() as conn:
        assert decisions.mappings_of(conn, "acme") == {("sku", "AB-1"): "AB2"}
    with ledger.begin() as conn:
        assert decisions.forget_mapping(conn, "acme", "sku", "AB-1")
        assert not decisions.forget_mapping(conn, "acme", "sku", "AB-1")
        assert decisions.mappings_of(conn, "acme") == {}
        assert decisions.mappings_of(conn, "other") == {("sku", "AB-1"): "X"}
    ledger.close()


def test_a_mapping_of_a_pair_holds_there_only_and_outweighs_one_of_the_client(tmp_path: Path) -> None:
    ledger = Ledger("sqlite:///ledger.sqlite3", client="acme", base=tmp_path, clock=SystemClock())
    with ledger.begin() as conn:
        for code, meant in (("AB-1", "AB1"), ("#7", "OLD"), (decisions.of_pair("#7", "erp", "shop"), "NEW")):
            decisions.give_mapping(conn, "acme", "sku", code, meant, by="anna", now=NOW)
        decisions.give_mapping(conn, "acme", "party", "AB-1", "P", by="anna", now=NOW)
    with ledger.read() as conn:
        here = decisions.articles_of(conn, "acme", "erp", "shop")
        there = decisions.articles_of(conn, "acme", "erp2", "shop")
    assert (here["sku", "AB-1"], here["sku", "#7"]) == ("AB1", "NEW")
    assert (there["sku", "AB-1"], there["sku", "#7"]) == ("AB1", "OLD")  # as ledgers of before have it
    assert ("party", "AB-1") not in here
    ledger.close()


def test_what_is_accepted_holds_for_that_content_until_it_is_rejected(tmp_path: Path) -> None:
    ledger = Ledger("sqlite:///ledger.sqlite3", client="acme", base=tmp_path, clock=SystemClock())
    with ledger.begin() as conn:
        decisions.decide(conn, "acme", "order:7", "aa", "accept", ["totals"], by="anna", now=NOW)
        decisions.decide(conn, "acme", "order:7", "aa", "accept", ["status"], by="anna", now=NOW)
        decisions.decide(conn, "acme", "order:8", "bb", "accept", ["totals"], by="anna", now=NOW)
        decisions.decide(conn, "acme", "order:8", "bb", "reject", [], by="anna", now=NOW, why="a test order")
        assert decisions.accepted_codes(conn, "acme", ["order:7", "order:8"]) == {
            ("order:7", "aa"): frozenset({"totals", "status"})
        }
        assert decisions.accepted_codes(conn, "other", ["order:7"]) == {}
        assert [row["why"] for row in decisions.of_subject(conn, "acme", "order:8")] == [None, "a test order"]
    ledger.close()
