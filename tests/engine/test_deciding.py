"""What a person's answers do: mapped, accepted, tried again, rejected; each for good, each once, each told."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from pipeline.engine import carrying, deciding, planning
from pipeline.engine.cards.story import load
from pipeline.engine.runtime import Client
from pipeline.errors import ConfigError, Finding, InDoubt, Transient, Who
from pipeline.ledger import cards, decisions
from pipeline.ledger import tables as t
from pipeline.ports import DocumentRef
from pipeline.texts import T
from tests.e2e.command import ROOT, environment
from tests.engine.deciding_world import World


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def words(resolved: deciding.Resolved) -> str:
    return " ".join(text.render("en") for text in resolved.said)


# --- accept ----------------------------------------------------------------------------------------------------------


def test_a_total_that_is_accepted_is_booked_as_the_order_states_it(world: World) -> None:
    world.drop(1, total="780.00")
    world.run()
    assert world.states() == {"1": "held"}
    card = world.card()
    with Client.open(world.config()) as client:
        assert deciding.acceptable(client, card) == {"totals"}
    done = world.resolve("accept", why="agreed with the buyer")
    assert (done.waits, done.error) == (False, None)
    assert world.documents() == [("1", "78000")]
    (row,) = world.cards(closed=True)
    assert (row["state"], row["closed_by"]) == ("resolved", "anna")
    (verdict,) = world.decided(card["subject"])
    assert (verdict["verdict"], verdict["codes"], verdict["by"], verdict["why"], verdict["card_id"]) == (
        "accept",
        ["totals"],
        "anna",
        "agreed with the buyer",
        card["id"],
    )
    assert ("accepted",) in world.rows("SELECT event FROM events")


def test_what_was_accepted_holds_for_that_content_only(world: World) -> None:
    world.drop(1, "NOPE", total="780.00")
    world.run()
    assert world.card()["findings"][0]["code"] == "totals"
    done = world.resolve("accept")
    assert done.waits  # the total is settled; now the product is asked for, on the same card
    assert world.card()["findings"][0]["code"] == "unknown-product"
    world.run()
    assert world.card()["findings"][0]["code"] == "unknown-product"
    world.drop(1, "NOPE", total="785.00", name="newer.xml")
    world.run()
    assert world.card()["findings"][0]["code"] == "totals", "other content is another question"


def test_an_order_of_a_status_that_waits_is_made_when_a_person_says_so(world: World) -> None:
    world.more = ", statuses: {new: hold}"
    world.drop(1)
    world.run()
    assert world.card()["findings"][0]["code"] == "status"
    world.resolve("accept")
    assert world.documents() == [("1", "77900")]


def test_taxes_that_are_accepted_are_those_that_the_items_make(world: World) -> None:
    world.drop(1, more="<taxes><tax><rate>20</rate><sum>1.00</sum></tax></taxes>")
    world.run()
    # a tax that no item confirms is a remark; name the rate, and it is a difference
    text = (
        world.dropped["shop"]["order-1.xml"]
        .decode()
        .replace("<price>389.50</price>", "<price>389.50</price><tax-rate>20</tax-rate>")
        .replace("<id>1<", "<id>2<")
        .replace("00001<", "00002<")
    )
    world.put("order-2.xml", text.encode())
    world.run()
    assert world.states() == {"1": "created", "2": "held"}
    world.resolve("accept")
    assert world.documents() == [("1", "77900"), ("2", "77900")]


def test_nobody_can_accept_what_is_no_question(world: World) -> None:
    world.drop(1, "NOPE")
    world.put("cut.xml", b"<?xml version='1.0'?><orders><order>")
    world.run()
    held, cut = (next(one for one in world.cards() if one["kind"] == kind) for kind in ("held", "quarantined"))
    for card, works in ((held, "--map sku:NOPE=…"), (cut, "--letter")):
        with pytest.raises(ConfigError) as refused:
            world.resolve("accept", card)
        assert refused.value.hint is not None
        assert works in refused.value.hint.render("en")
    assert len(world.cards()) == 2
    assert world.rows("SELECT * FROM decisions") == []


def test_a_document_of_another_sum_becomes_the_order_s_own_when_a_person_says_so(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    from plugins.systems.books.system import Books

    world.drop(1)
    find = Books.find

    def other(self: Books, keys: Any) -> Any:
        from decimal import Decimal

        return {key: DocumentRef("77", "000077", key, total=Decimal("500.00"), currency="UAH") for key in keys}

    monkeypatch.setattr(Books, "find", other)
    world.run()
    card = world.card()
    assert card["findings"][0]["code"] == "other-document"
    world.resolve("accept")
    assert world.rows("SELECT state, document_number FROM orders") == [("created", "000077")]
    assert world.cards() == []
    monkeypatch.setattr(Books, "find", find)
    assert world.documents() == []  # nothing was made beside it


# --- reject ----------------------------------------------------------------------------------------------------------


def test_a_rejected_order_is_told_why_and_stays_rejected_when_it_comes_again(world: World) -> None:
    world.drop(1, "NOPE")
    world.run()
    card = world.card()
    world.resolve("reject", why="a test of the site")
    ((state, findings),) = world.rows("SELECT state, findings FROM orders")
    assert state == "rejected"
    told = json.loads(findings) if isinstance(findings, str) else findings
    assert [one["code"] for one in told] == ["unknown-product", "rejected"]
    assert world.cards() == []
    (closed,) = world.cards(closed=True)
    assert (closed["closed_by"], closed["why"]) == ("anna", "a test of the site")
    assert world.decided(card["subject"])[0]["verdict"] == "reject"

    world.drop(1, "NOPE", name="again.xml", more="\n")  # other bytes of the file, the same order
    report = world.run()
    assert report.counts.get("known") == 1
    assert world.cards() == []
    assert world.documents() == []


def test_a_rejected_order_with_other_content_is_a_new_question(world: World) -> None:
    world.drop(1, "NOPE")
    world.run()
    world.resolve("reject", why="a test of the site")
    world.drop(1, "0042", name="mended.xml")
    world.run()
    card = world.card(kind="changed")
    assert world.documents() == []
    world.resolve("accept", card)
    assert world.states() == {"1": "created"}
    assert world.documents() == [("1", "77900")]
    assert world.cards() == []


def changed(world: World) -> dict[str, Any]:
    """An order that was booked, and came again with another sum."""
    world.drop(1)
    world.run()
    world.drop(1, total="829.00", more="<delivery><cost>50.00</cost></delivery>", name="newer.xml")
    world.run()
    assert world.documents() == [("1", "77900")]
    return world.card(kind="changed")


def test_newer_content_that_is_accepted_is_brought_into_the_document(world: World) -> None:
    card = changed(world)
    done = world.resolve("accept", card)
    assert not done.waits
    assert done.came[0].amended
    assert world.documents() == [("1", "82900")]
    assert [(row["kind"], row["closed_by"]) for row in world.cards(closed=True)] == [("changed", "anna")]
    assert world.resolve("accept", world.cards(closed=True)[0]).before


def test_newer_content_is_accepted_with_its_total_as_it_stands(world: World) -> None:
    world.drop(1)
    world.run()
    world.drop(1, total="780.00", name="newer.xml")
    world.run()
    card = world.card(kind="changed")
    with Client.open(world.config()) as client:
        assert deciding.acceptable(client, card) == {"changed-order", "totals"}
        assert load(client, [card])[0].taken == 0, "it is no other order of its file"
    done = world.resolve("accept", card, why="the shop rounds so")
    assert (done.waits, done.came[0].amended) == (False, True)
    assert world.documents() == [("1", "78000")]
    assert world.cards() == []


def test_newer_content_that_is_wrong_in_its_file_cannot_be_accepted(world: World) -> None:
    """Whoever tried was told that it is accepted, and nothing came of it."""
    world.drop(1)
    world.run()
    text = world.drop(1, more="<comment>first</comment>", name="twice.xml").read_bytes()
    order = text[text.index(b"<order>") : text.index(b"</order>") + 8]
    world.put("twice.xml", text.replace(order, order + order.replace(b"first", b"second")))
    world.run()
    card = world.card(kind="changed")
    with pytest.raises(ConfigError, match="nobody can accept") as caught:
        world.resolve("accept", card)
    assert "--letter" in str(caught.value.findings[0].hint)
    assert any("have the site send it rightly" in str(one.hint) for one in deciding.findings_of(card))
    world.drop(1, more="<comment>first</comment>", name="once.xml")
    world.run()
    world.resolve("accept")
    assert world.cards() == []


def test_newer_content_that_is_rejected_is_not_asked_about_again(world: World) -> None:
    card = changed(world)
    world.resolve("reject", card, why="the shop was wrong")
    assert world.documents() == [("1", "77900")]
    world.drop(1, total="829.00", more="<delivery><cost>50.00</cost></delivery>\n", name="once-more.xml")
    world.run()
    assert world.cards() == []
    assert world.documents() == [("1", "77900")]


def test_a_rejected_file_may_go_from_the_server_and_is_known_when_it_comes_again(world: World) -> None:
    data = b"<?xml version='1.0'?><orders><order>"
    path = world.put("cut.xml", data)
    world.run()
    assert path.exists()
    done = world.resolve("reject", why="a file of last year")
    assert not path.exists()
    assert "taken away from the server" in words(done)
    assert world.rows("SELECT state, policy FROM files") == [("acknowledged", "deleted")]
    with Client.open(world.config()) as client:
        assert [client.archive.read(sha) for sha in client.archive.hashes()] == [data]
    again = world.put("cut.xml", data)
    report = world.run()
    assert report.counts.get("known") == 1
    assert not again.exists()
    assert world.cards() == []


def test_a_rejected_file_is_left_where_the_policy_says(world: World) -> None:
    world.more = ", after: keep"
    path = world.put("cut.xml", b"<?xml version='1.0'?><orders><order>")
    world.run()
    world.resolve("reject", why="old")
    assert path.exists()
    assert world.run().counts == {}
    assert world.cards() == []


def test_a_rejected_file_in_the_rejected_folder_stays_there(world: World) -> None:
    world.more = ", rejected: bad"
    world.put("cut.xml", b"<?xml version='1.0'?><orders><order>")
    world.run()
    assert [one.name for one in (world.folder / "site/bad").iterdir()] == ["cut.xml"]
    world.resolve("reject", why="old")
    assert [one.name for one in (world.folder / "site/bad").iterdir()] == ["cut.xml"]
    assert world.rows("SELECT state, policy FROM files") == [("acknowledged", "rejected")]


def test_a_file_that_was_never_fetched_is_not_deleted_by_rejecting_it(world: World) -> None:
    world.more = ", max_size: 100"
    path = world.drop(1)
    world.run()
    world.resolve("reject", why="too large for us")
    assert path.exists()
    assert world.run().counts == {}
    assert path.exists()


def test_the_server_may_be_away_when_a_file_is_rejected(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    from pipeline.transports.local import LocalTransport

    path = world.put("cut.xml", b"<?xml version='1.0'?><orders><order>")
    world.run()

    def away(*_args: Any, **_values: Any) -> Any:
        raise Transient(T("The share is away."))

    with monkeypatch.context() as broken:
        broken.setattr(LocalTransport, "delete_many", away)
        done = world.resolve("reject", why="old")
    assert "next run" in words(done)
    assert path.exists()
    world.run()
    assert not path.exists()


# --- in doubt --------------------------------------------------------------------------------------------------------


def in_doubt(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    from plugins.systems.books.system import Books

    def lost(_self: Books, drafts: Any) -> Any:
        from pipeline.ports import DocumentOutcome

        return [DocumentOutcome(draft.key, error=InDoubt(T("No answer came."))) for draft in drafts]

    with monkeypatch.context() as broken:
        broken.setattr(Books, "create", lost)
        world.drop(1)
        world.run()
    assert world.states() == {"1": "in_doubt"}


def test_an_order_in_doubt_is_made_when_a_person_found_no_document(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_doubt(world, monkeypatch)
    done = world.resolve("try_again")
    assert not done.waits
    assert world.documents() == [("1", "77900")]
    assert [row["closed_by"] for row in world.cards(closed=True)] == ["anna"]


def test_an_order_in_doubt_is_rejected_when_its_document_was_made_by_hand(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_doubt(world, monkeypatch)
    with pytest.raises(ConfigError):
        world.resolve("accept")
    world.resolve("reject", why="entered by hand as 77")
    assert world.states() == {"1": "rejected"}
    world.run()
    assert world.documents() == []
    assert world.cards() == []


# --- a catalogue that was stopped ------------------------------------------------------------------------------------


def catalogue(world: World, rows: int) -> None:
    """The client publishes a catalogue of so many products."""
    head = "code;name_uk-UA;price;currency;stock:main\n"
    lines = "".join(f"P-{n};Товар {n};10.00;UAH;1\n" for n in range(rows))
    (world.folder / "products.csv").write_text(head + lines, encoding="utf-8")
    text = f"""\
client: acme
timezone: Europe/Kyiv
language: en
connections:
  site: {{type: local, path: site}}
  books: {{type: books, url: "sqlite:///books-{rows}.sqlite3", seed: products.csv}}
ledger: {{url: "sqlite:///ledger.sqlite3"}}
log: {{file: null}}
jobs:
  catalogue:
    steps:
      - {{step: export-catalogue, from: books, to: site, folder: shop}}
"""
    world.path.write_text(text, encoding="utf-8")


def publish(world: World, **options: Any) -> Any:
    from pipeline.config.load import load_config
    from pipeline.engine.runtime import RunOptions, run_job

    return run_job(load_config(world.path), "catalogue", RunOptions(**options))


def stopped(world: World, monkeypatch: pytest.MonkeyPatch) -> Path:
    from pipeline.config.load import load_config

    monkeypatch.setattr(World, "config", lambda self: load_config(self.path))
    path = world.folder / "site/shop/catalogue.csv"
    catalogue(world, 20)
    assert publish(world).state == "done"
    catalogue(world, 5)
    assert publish(world).state == "waiting"
    assert len(path.read_text("utf-8").splitlines()) == 21
    return path


def test_a_stopped_catalogue_is_published_when_it_is_accepted(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    path = stopped(world, monkeypatch)
    card = world.card(kind="brake")
    done = world.resolve("accept", why="we sold the rest")
    assert not done.waits, words(done)
    assert len(path.read_text("utf-8").splitlines()) == 6
    assert [(row["state"], row["closed_by"]) for row in world.cards(closed=True)] == [("resolved", "anna")]
    second = world.resolve("accept", card, by="petro")
    assert "Card 1 is resolved: by anna" in words(world.resolve("accept", world.cards(closed=True)[0])) + words(second)


def test_accepting_holds_for_the_catalogue_that_was_stopped_and_for_no_other(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = stopped(world, monkeypatch)
    catalogue(world, 3)  # it shrank further before anybody looked
    done = world.resolve("accept")
    assert done.waits
    assert "card 2" in words(done)
    assert len(path.read_text("utf-8").splitlines()) == 21


def test_a_rejected_catalogue_is_asked_about_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    path = stopped(world, monkeypatch)
    world.resolve("reject", why="the export of the books broke off")
    assert publish(world).exit_code == 0
    assert world.cards() == []
    assert len(path.read_text("utf-8").splitlines()) == 21
    catalogue(world, 4)
    assert publish(world).exit_code == 1
    assert [row["kind"] for row in world.cards()] == ["brake"]


# --- who is first, and runs under way --------------------------------------------------------------------------------


def test_a_run_under_way_carries_on_what_was_decided(world: World) -> None:
    world.drop(1, "NOPE")
    world.run()
    with Client.open(world.config()) as other:
        lease = other.ledger.acquire("inbox:site/shop", carrying.PATIENCE * 6)
        assert lease is not None
        with Client.open(world.config()) as client:
            order = [row[0] for row in world.rows("SELECT id FROM orders")]
            with client.ledger.begin() as conn:
                decisions.give_mapping(conn, "acme", "sku", "NOPE", "0042", by="anna", now=client.clock.now())
            (came,) = carrying.carry_on(client, order, by="anna", patience=carrying.PATIENCE * 0)
        assert came.later is not None
        assert "under way" in came.later.render("en")
        assert not came.settled
        other.ledger.release(lease)
    world.run()
    assert world.documents() == [("1", "77900")]


def test_two_people_answer_one_card_at_once(world: World) -> None:
    world.drop(1, total="780.00")
    world.run()
    command = [sys.executable, "-c", "from pipeline.cli import main; main()"]
    call = [*command, "-c", str(world.path), "resolve", "1", "--accept"]
    env = {name: environment({"MISTOK_USER": name}) for name in ("anna", "petro")}
    started = [subprocess.Popen(call, env=one, cwd=ROOT, stdout=subprocess.PIPE) for one in env.values()]
    said = [one.communicate(timeout=60)[0].decode() for one in started]
    assert [one.returncode for one in started] == [0, 0], said
    assert world.documents() == [("1", "78000")]
    assert len(world.rows("SELECT id FROM decisions")) == 1, said
    assert any("anna" in one or "petro" in one for one in said), said
    third = world.resolve("accept", world.cards(closed=True)[0])
    assert third.before


def test_what_a_person_rejects_while_a_run_plans_it_is_not_made(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.drop(1, "NOPE")
    world.run()
    card = world.card()
    with Client.open(world.config()) as client, client.ledger.begin() as conn:
        decisions.give_mapping(conn, "acme", "sku", "NOPE", "0042", by="anna", now=client.clock.now())
    plan = planning.plan

    def rejected_meanwhile(*values: Any) -> None:
        plan(*values)
        world.resolve("reject", card, by="petro", why="the buyer called")

    monkeypatch.setattr(planning, "plan", rejected_meanwhile)
    world.run()
    assert world.states() == {"1": "rejected"}
    assert world.documents() == []
    assert world.cards() == []


def test_the_order_of_a_job_that_is_gone_waits_and_says_so(world: World) -> None:
    world.drop(1, total="780.00")
    world.run()
    config = world.config()
    text = world.path.read_text("utf-8").replace("folder: shop", "folder: elsewhere")
    world.path.write_text(text, "utf-8")
    from pipeline.config.load import load_config

    with Client.open(load_config(config.source)) as client:
        order = [row[0] for row in world.rows("SELECT id FROM orders")]
        world.path.write_text(text, "utf-8")
        (came,) = carrying.carry_on(client, order, by="anna")
    assert came.later is not None
    assert "No job" in came.later.render("en")


def test_an_order_whose_archive_copy_is_gone_waits_and_says_so(world: World) -> None:
    world.drop(1, total="780.00")
    world.run()
    with Client.open(world.config()) as client:
        for sha in list(client.archive.hashes()):
            path = client.archive.find(sha)
            assert path is not None
            path.chmod(0o600)
            path.unlink()
    done = world.resolve("accept")
    assert done.waits
    assert done.came[0].later is not None
    assert "no copy of order-1.xml" in done.came[0].later.render("en")
    assert world.states() == {"1": "held"}
    world.drop(1, total="780.00", name="again.xml")  # it comes again, and what was accepted holds for its content
    world.run()
    assert world.documents() == [("1", "78000")]


def test_every_card_can_be_closed_with_a_reason(world: World) -> None:
    """Also of a kind that brings nothing else with it."""
    with Client.open(world.config()) as client, client.ledger.begin() as conn:
        finding = Finding("lost-copy", T("A file is gone."), who=Who.SITE)
        cards.open_card(conn, "acme", "lost", "file:9", [finding], client.clock.now())
    done = world.resolve("reject", why="sent once more")
    assert not done.waits
    assert world.cards() == []
    assert world.decided("file:9")[0]["why"] == "sent once more"


def test_the_story_of_a_decision_is_in_the_ledger(world: World) -> None:
    world.drop(1, "NOPE")
    world.run()
    world.map(("sku", "NOPE"), "0042")
    with Client.open(world.config()) as client, client.ledger.read() as conn:
        events = list(conn.execute(sa.select(t.events.c.subject, t.events.c.event, t.events.c.data)))
    told = {(row.subject, row.event): row.data for row in events}
    assert told["order:1", "mapped"]["by"] == "anna"
    assert told["mappings", "mapped"]["meant"] == "0042"
