"""F39: the shop changes its XML; after a new schema, one replay mends all that was held and all that was quarantined.

The schema file is edited where it lies: the config is the same as before, so that no run would read the files again by
itself.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pipeline.engine.replay.apply import apply
from pipeline.engine.replay.choose import Asked, choose
from pipeline.engine.replay.look import look
from pipeline.engine.runtime import Client
from pipeline.resources import samples, schemas
from tests.faults import invariants, tally
from tests.faults.conftest import Victim

ORDER = '<xs:element name="order" type="Order" maxOccurs="unbounded"/>'
STATUS = '<xs:element name="status"'


def order(number: int) -> str:
    text = (samples() / "orders/twenty/order-00002001.xml").read_text("utf-8")
    return text.replace("<id>2001<", f"<id>{number}<").replace("<number>00002001<", f"<number>{number}<")


@pytest.mark.parametrize("ledger", ["sqlite", "postgres"])
def test_f39_one_replay_after_a_new_schema_mends_all(make_victim: Callable[[str, str], Victim], ledger: str) -> None:
    victim = make_victim("local", ledger)
    schema = (schemas() / "order.xsd").read_text("utf-8")
    assert schema.count(ORDER) == 1
    assert STATUS in schema
    own = victim.folder / "own.xsd"
    own.write_text(schema, encoding="utf-8")
    victim.step = "format: {type: order-xml, xsd: own.xsd}"
    for n in range(12):
        text = order(7000 + n)
        if n % 3 == 0:  # inside of an order: the order is held
            text = text.replace("    <items>", "    <gift-wrap>стрічка</gift-wrap>\n    <items>")
        if n % 3 == 1:  # outside of any: the file is quarantined
            text = text.replace("</orders>", "  <export-id>77</export-id>\n</orders>")
        victim.drop(f"{n:02d}.xml", text)
    tally.note("inputs", 8)
    report = victim.run()
    assert (report.counts["held"], report.counts["quarantined"], report.counts["created"]) == (4, 4, 4)

    wrap = '<xs:element name="gift-wrap" type="Line" minOccurs="0"/>'
    stamp = '<xs:element name="export-id" type="Line" minOccurs="0"/>'
    own.write_text(schema.replace(STATUS, wrap + STATUS, 1).replace(ORDER, ORDER + stamp), encoding="utf-8")
    with Client.open(victim.config()) as client:
        picks = choose(client, Asked(all_held=True))
        shown = [line.outcome for line in look(client, picks)]
        assert sorted(shown) == ["created"] * 8 + ["read"] * 4
        assert [line.outcome for line in apply(client, picks, by="anna")] == shown
    assert len(invariants.books_rows(victim.config())) == 12
    assert victim.ledger_rows("SELECT count(*) FROM cards WHERE state = 'open'") == [(0,)]
    assert victim.run().counts == {"acknowledged": 4}
    assert list(victim.inbox.iterdir()) == []
    victim.check()
