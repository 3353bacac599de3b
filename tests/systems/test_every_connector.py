"""A system that can do something has the shared cases about it: none is forgotten when a system comes."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from pipeline.capabilities import capabilities
from pipeline.http import HttpClient
from pipeline.registry import load_registry
from pipeline.testing.orders_contract import OrdersContract
from pipeline.testing.sync_contract import SyncContract
from pipeline.testing.wire_contract import WireContract
from tests.systems.walk_contract import SourceWalk, TargetWalk

HERE = Path(__file__).parent
SYSTEMS = load_registry().systems
TELLING = sorted(name for name in SYSTEMS if {"products", "stock"} & set(capabilities(SYSTEMS[name])))
#: What comes as files, and may come by HTTP: files that are hurt are another matter.
FILES = {"commerceml"}


def asks_by_http(name: str) -> bool:
    """Whether the system's own folder makes a client of a web service."""
    folder = HERE.parents[1] / "plugins" / "systems" / name
    return any(f"{HttpClient.__name__}(" in file.read_text(encoding="utf-8") for file in folder.glob("[!_]*.py"))


WEB = [name for name in TELLING if name not in FILES and asks_by_http(name)]


def subjects(name: str, suite: type) -> list[str]:
    """The classes of a system's tests that run a suite, by their text: importing them all takes long."""
    found = []
    for file in sorted((HERE / name.replace("-", "_")).glob("test_*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            bases = [ast.unparse(base) for base in node.bases] if isinstance(node, ast.ClassDef) else []
            if suite.__name__ in bases:
                found.append(f"{file.name}::{ast.unparse(node).splitlines()[0]}")
    return found


@pytest.mark.parametrize("name", TELLING)
def test_whoever_tells_products_keeps_the_contract_of_syncs(name: str) -> None:
    assert subjects(name, SyncContract)


@pytest.mark.parametrize("name", WEB)
def test_whoever_asks_a_web_service_keeps_the_contract_of_services_that_fail(name: str) -> None:
    assert subjects(name, WireContract)


@pytest.mark.parametrize("name", sorted({"opencart", "joomshopping", *FILES}))
def test_whoever_is_a_database_or_files_has_its_own_troubles(name: str) -> None:
    assert name not in WEB
    text = (HERE / name / "test_troubles.py").read_text(encoding="utf-8")
    assert "spared(" in text, "what is strange in one product spoils no other"


def test_the_web_services_are_found() -> None:
    assert {"keycrm", "keepincrm", "woocommerce", "dilovod", "quincefin"} <= set(WEB)


TAKING = sorted(name for name in SYSTEMS if {"take-products", "take-stock"} & set(capabilities(SYSTEMS[name])))
#: Rows of the list of faults that a sync of any system must survive.
ROWS = (40, 45, 46, 47, 48, 49, 50, 51)


@pytest.mark.parametrize("name", TELLING)
def test_whoever_tells_products_is_read_through_the_faults_of_a_sync(name: str) -> None:
    assert subjects(name, SourceWalk)


@pytest.mark.parametrize("name", TAKING)
def test_whoever_takes_products_is_written_to_through_the_faults_of_a_sync(name: str) -> None:
    assert subjects(name, TargetWalk)


@pytest.mark.parametrize("suite", [SourceWalk, TargetWalk])
def test_every_row_of_the_list_of_faults_has_its_case(suite: type) -> None:
    assert [row for row in ROWS if not any(name.startswith(f"test_f{row}_") for name in vars(suite))] == []


TARGETS = sorted(name for name in SYSTEMS if "documents" in capabilities(SYSTEMS[name]))
#: The room whose tests are of another name than the plugin.
ROOMS = {"quincefin-file": "quincefin"}


@pytest.mark.parametrize("name", TARGETS)
def test_whoever_holds_order_documents_goes_through_their_faults(name: str) -> None:
    file = HERE / ROOMS.get(name, name) / "test_orders_contract.py"
    assert subjects(ROOMS.get(name, name), OrdersContract)
    assert f'"{name}"' in file.read_text(encoding="utf-8"), "it is killed by its own name"
