"""An order that comes again: what is a change, which one is newer, and what a person's word does."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from typing import Any, Protocol, runtime_checkable

import pytest

from pipeline.engine import amending
from pipeline.engine.replay.apply import apply
from pipeline.engine.replay.choose import Asked, choose
from pipeline.engine.replay.look import look
from pipeline.engine.runtime import Client, RunReport
from pipeline.errors import Finding
from pipeline.ledger import decisions
from pipeline.ledger import orders as order_rows
from tests.engine.conftest import Shop
from tests.engine.revised import version

AMEND = {"changed": "amend", "cancelled": "mark"}


def put(shop: Shop, name: str, data: bytes) -> RunReport:
    """Drop a file and run."""
    (shop.inbox / name).write_bytes(data)
    return shop.run()


def totals(shop: Shop) -> list[tuple[float, str]]:
    with closing(sqlite3.connect(shop.folder / "books.sqlite3")) as books:
        query = (
            "SELECT d.total / 1000000.0, s.code FROM documents d JOIN statuses s ON s.id = d.status_id ORDER BY d.id"
        )
        return books.execute(query).fetchall()


def order(shop: Shop) -> tuple[str, str, str]:
    ((state, status, total),) = shop.ledger_rows("SELECT state, status, total FROM orders")
    return state, status, total


def outcomes(shop: Shop) -> list[str]:
    return [one for (one,) in shop.ledger_rows("SELECT outcome FROM sightings ORDER BY id")]


def cards(shop: Shop) -> list[tuple[str, str]]:
    return shop.ledger_rows("SELECT kind, state FROM cards ORDER BY id")


def decide(shop: Shop, *, accept: bool) -> str | None:
    """What ``mistok resolve`` writes into the ledger."""
    with Client.open(shop.config()) as client, client.ledger.begin() as conn:
        (row,) = order_rows.by_ids(conn, [1]).values()
        now = client.clock.now()
        if accept:
            return amending.accept_change(conn, "acme", row, now)
        revision = amending.reject_change(conn, "acme", row)
        assert revision is not None
        decisions.decide(conn, "acme", "order:1", revision, "reject", [amending.CODE], by="anna", now=now)
        from pipeline.ledger import cards as card_rows

        card_rows.close(conn, "acme", "order:1", ["changed"], now, state="resolved", why="no", by="anna")
        return revision


# --- what is a change --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", ["hold", "amend"])
def test_another_way_of_writing_the_same_is_no_change(shop: Shop, policy: str) -> None:
    shop.more = {"changed": policy}
    put(shop, "a.xml", version())
    text = version().decode()
    for n, (old, new) in enumerate(
        (
            ("<quantity>2<", "<quantity>2.000<"),
            ("<name>Ґрунт", "<name>   Ґрунт"),
            ("</created>", "</created><modified>2026-11-22 10:00:00</modified>"),
            ("+380671234510", "067 123 45 10"),
            ("<currency>UAH<", "<currency> UAH <"),
        )
    ):
        assert old in text
        (shop.inbox / f"b{n}.xml").write_bytes(text.replace(old, new).encode())
    report = shop.run()
    assert report.counts == {"files": 5, "known": 5, "acknowledged": 5}
    assert report.exit_code == 0
    assert outcomes(shop) == ["new", *["same"] * 5]
    assert shop.ledger_rows("SELECT amended FROM orders") == [(None,)]
    assert cards(shop) == []


def test_what_differs_since_it_was_pruned_is_told_by_what_is_known(shop: Shop) -> None:
    put(shop, "a.xml", version())
    (sha,) = shop.ledger_rows("SELECT sha256 FROM files")[0]
    with Client.open(shop.config()) as client:
        paths = [path for path in client.archive.root.rglob(f"*{sha[2:]}*") if path.is_file()]
        paths += client.archive.view_of(sha)
    assert paths
    for path in set(paths):
        path.chmod(0o600)
        path.unlink()
    report = put(shop, "b.xml", version(3, comment="Дзвоніть"))
    (told,) = report.steps[0].result.details  # type: ignore[union-attr]
    words = [finding.text.render("en") for finding in told["findings"]]
    assert "not in the archive any more" in words[0]
    assert words[1:] == ["total: 849.00 UAH → 1,238.50 UAH"]


def test_a_run_that_tells_the_first_differences_says_that_there_are_more(shop: Shop) -> None:
    put(shop, "a.xml", version())
    other = version(3, comment="Дзвоніть").decode()
    for old, new in (("0671234510", "0671234511"), ("olena", "lena"), ("Петрівна", "Іванівна"), ("Вінниця", "Бар")):
        other = other.replace(old, new)
    report = put(shop, "b.xml", other.encode())
    (told,) = report.steps[0].result.details  # type: ignore[union-attr]
    shown = [finding.text.render("en") for finding in told["findings"]]
    assert len(shown) == 1 + amending.SHOWN + 1
    assert shown[-1] == f"… and {len(cards_findings(shop)) - 1 - amending.SHOWN} more"


def cards_findings(shop: Shop) -> list[dict[str, Any]]:
    ((findings,),) = shop.ledger_rows("SELECT findings FROM cards")
    return json.loads(findings)  # type: ignore[no-any-return]


def test_two_versions_in_one_file_are_not_guessed_between(shop: Shop) -> None:
    shop.more = AMEND
    put(shop, "a.xml", version())
    other = version(4).decode()
    inner = other[other.index("  <order>") : other.index("</orders>")]
    report = put(shop, "b.xml", version(3).decode().replace("</orders>", inner + "</orders>").encode())
    assert report.exit_code == 1
    assert totals(shop) == [(849.0, "new")]
    assert cards(shop) == [("changed", "open")]


def test_what_a_cancelled_document_has_is_compared_and_not_what_the_cancellation_said(shop: Shop) -> None:
    put(shop, "a.xml", version())
    put(shop, "b.xml", version(7, status="cancelled"))
    assert decide(shop, accept=True) is not None
    shop.run()
    assert totals(shop) == [(849.0, "cancelled")]
    report = put(shop, "c.xml", version(7))
    (told,) = report.steps[0].result.details  # type: ignore[union-attr]
    words = [finding.text.render("en") for finding in told["findings"] if finding.code == "difference"]
    assert words == [
        "status: cancelled → new",
        "items / 0042 / quantity: 2 → 7",
        "total: 849.00 UAH → 2,796.50 UAH",
    ], "whoever accepts it sees what it makes of the document"


@pytest.mark.parametrize(
    ("first", "state"), [({"status": "cancelled"}, "nothing_to_do"), ({"total": "900.00"}, "held")]
)
def test_the_same_bytes_again_after_other_content_took_their_place_are_asked_about(
    shop: Shop, first: dict[str, str], state: str
) -> None:
    shop.more = AMEND
    put(shop, "a.xml", version(**first))  # type: ignore[arg-type]
    assert order(shop)[0] == state
    put(shop, "b.xml", version(3))
    assert totals(shop) == [(1238.5, "new")]
    report = put(shop, "c.xml", version(**first))  # type: ignore[arg-type]
    assert (report.exit_code, report.counts["changed"]) == (1, 1), "the shop may have gone back to it"
    assert totals(shop) == [(1238.5, "new")]
    assert cards(shop)[-1] == ("changed", "open")


def test_a_cancellation_that_comes_after_what_waits_is_the_last_word(shop: Shop) -> None:
    shop.more = AMEND
    put(shop, "a.xml", version())
    put(shop, "b.xml", version(status="refunded"))
    put(shop, "c.xml", version(5, code="НЕМА"))  # wanted after all, of a product that is not known
    assert cards(shop) == [("changed", "open")]
    put(shop, "d.xml", version(3, status="refunded"))  # and not wanted
    assert cards(shop) == [("changed", "resolved")]
    shop.more = {**AMEND, "mappings": "{sku: {НЕМА: '0042'}}"}
    shop.run()
    assert totals(shop) == [(849.0, "refunded")]


@pytest.mark.parametrize("again", [version(), version().replace(b"<quantity>2<", b"<quantity>2.000<")])
def test_what_waits_is_not_done_by_itself_when_the_shop_may_have_gone_back(shop: Shop, again: bytes) -> None:
    shop.more = AMEND
    put(shop, "a.xml", version())
    put(shop, "b.xml", version(5, code="НЕМА"))
    put(shop, "c.xml", again)  # the same bytes as at first, or the same content
    assert cards(shop) == [("changed", "open")], "a late copy, or the last word: nobody can tell"
    shop.more = {**AMEND, "mappings": "{sku: {НЕМА: '0042'}}"}
    shop.run()
    assert totals(shop) == [(849.0, "new")]
    assert decide(shop, accept=True) is not None
    shop.run()
    assert totals(shop) == [(2017.5, "new")]


# --- which one is newer ------------------------------------------------------------------------------------------


def test_an_order_in_several_files_of_one_batch_is_amended_step_by_step(shop: Shop) -> None:
    shop.more = AMEND
    for n in (2, 3, 4):
        (shop.inbox / f"v{n}.xml").write_bytes(version(n))
    report = shop.run()
    assert report.counts == {"files": 3, "created": 1, "amended": 2, "acknowledged": 3}
    assert totals(shop) == [(1628.0, "new")]


def test_an_older_version_does_not_take_the_place_of_the_one_that_is_asked_about(shop: Shop) -> None:
    put(shop, "a.xml", version(2, modified="2026-11-22 10:00:00"))
    put(shop, "c.xml", version(4, modified="2026-11-22 12:00:00"))
    report = put(shop, "b.xml", version(3, modified="2026-11-22 11:00:00"))
    assert report.exit_code == 0
    assert outcomes(shop) == ["new", "changed", "older"]
    assert decide(shop, accept=True) is not None
    shop.run()
    assert totals(shop) == [(1628.0, "new")]


@pytest.mark.parametrize("together", [True, False])
def test_an_older_version_does_not_take_the_place_of_one_that_is_held(shop: Shop, together: bool) -> None:
    shop.more = AMEND
    (shop.inbox / "a.xml").write_bytes(version(3, code="НЕМА", modified="2026-11-22 12:00:00"))
    if not together:
        assert shop.run().counts["held"] == 1
    (shop.inbox / "b.xml").write_bytes(version(2, modified="2026-11-22 10:00:00"))
    if not together:
        assert [row["outcome"] for row in shop.run(dry_run=True).steps[0].result.details] == ["older"]  # type: ignore[union-attr]
    shop.run()
    assert shop.documents() == []
    assert sorted(outcomes(shop)) == ["new", "older"]
    assert cards(shop) == [("held", "open")]
    with Client.open(shop.config()) as client:
        picks = choose(client, Asked(words=("b.xml",)))
        assert [line.outcome for line in look(client, picks)] == ["older"]
        assert [line.outcome for line in apply(client, picks, by="anna")] == ["older"], (
            "nor does a replay bring it back"
        )
    shop.more = {**AMEND, "mappings": "{sku: {НЕМА: '0042'}}"}
    assert shop.run().counts == {"created": 1}
    assert totals(shop) == [(1238.5, "new")]


def test_newer_content_takes_the_place_of_one_that_is_held(shop: Shop) -> None:
    put(shop, "a.xml", version(3, code="НЕМА", modified="2026-11-22 10:00:00"))
    put(shop, "b.xml", version(2, modified="2026-11-22 12:00:00"))
    assert totals(shop) == [(849.0, "new")]
    assert cards(shop) == [("held", "resolved")]


def test_the_shop_goes_back_to_what_the_document_has(shop: Shop) -> None:
    put(shop, "a.xml", version(2, modified="2026-11-22 10:00:00"))
    put(shop, "b.xml", version(3, modified="2026-11-22 11:00:00"))
    assert cards(shop) == [("changed", "open")]
    assert put(shop, "c.xml", version(2, modified="2026-11-22 12:00:00")).exit_code == 0
    assert cards(shop) == [("changed", "resolved")]
    assert totals(shop) == [(849.0, "new")]


@pytest.mark.parametrize("policy", ["hold", "amend"])
@pytest.mark.parametrize("again", [version(), version() + b"\n", version().replace(b"<quantity>2<", b"<quantity>2.0<")])
def test_whoever_is_asked_about_a_change_is_told_that_the_shop_may_have_gone_back(
    shop: Shop, policy: str, again: bytes
) -> None:
    """The same bytes as at first, other bytes, or the same said otherwise: what came last is what the document has."""
    shop.more = {"changed": policy}
    put(shop, "a.xml", version())
    # with `amend` it is asked about, since it cannot be booked
    put(shop, "b.xml", version(3) if policy == "hold" else version(3, code="НЕМА"))
    for n in range(2):  # told once
        report = put(shop, f"c{n}.xml", again)
        assert report.counts == {"files": 1, "acknowledged": 1, **({"known": 1} if n else {"changed": 1})}
        assert report.exit_code == (0 if n else 1)
    assert cards(shop) == [("changed", "open")]
    ((findings,),) = shop.ledger_rows("SELECT findings FROM cards")
    found = [Finding.from_json(one) for one in json.loads(findings)]
    assert [one.code for one in found][:2] == ["changed-order", "gone-back"]
    assert found[1].where.file == "c1.xml", "of the newest one"
    assert found[1].text.render("en").startswith("Since then №00004701 came again in c")
    notices = shop.ledger_rows("SELECT data FROM notices WHERE kind = 'held' ORDER BY id")
    assert [json.loads(data)["code"] for (data,) in notices] == ["changed-order", "gone-back"]
    assert shop.ledger_rows("SELECT count(*) FROM events WHERE event = 'gone-back'") == [(1,)]
    assert totals(shop) == [(849.0, "new")]
    # other content once more, and the card is about that alone
    assert put(shop, "d.xml", version(4, code="НЕМА" if policy == "amend" else "0042")).exit_code == 1
    ((findings,),) = shop.ledger_rows("SELECT findings FROM cards")
    assert "gone-back" not in findings
    if policy == "hold":
        assert decide(shop, accept=True) is not None
        shop.run()
        assert totals(shop) == [(1628.0, "new")]


def test_a_file_that_came_before_is_no_more_than_a_repetition_when_nobody_is_asked(shop: Shop) -> None:
    put(shop, "a.xml", version())
    put(shop, "b.xml", version(3))
    decide(shop, accept=False)
    report = put(shop, "c.xml", version())
    assert (report.exit_code, report.counts) == (0, {"files": 1, "known": 1, "acknowledged": 1})
    assert cards(shop) == [("changed", "resolved")]


def test_a_policy_that_is_changed_later_does_not_amend_by_an_old_file(shop: Shop) -> None:
    put(shop, "a.xml", version(2))
    put(shop, "b.xml", version(3))
    put(shop, "c.xml", version(4))
    shop.more = AMEND
    assert put(shop, "b2.xml", version(3, extra="    <!-- again -->\n")).exit_code == 1
    assert totals(shop) == [(849.0, "new")]


@pytest.mark.parametrize("copy", [True, False])
def test_a_document_that_a_killed_run_left_behind_is_found_before_newer_content_is_weighed(
    shop: Shop, copy: bool
) -> None:
    """Its file is settled, or out of reach: another inbox, another machine, a damaged copy."""
    shop.more = AMEND
    put(shop, "a.xml", version())
    lost = "" if copy else ", file_id = 2"
    with closing(sqlite3.connect(shop.folder / "ledger.sqlite3")) as ledger, ledger:
        if not copy:
            columns = "client, connection, folder, name, size, state, first_seen, last_look, stable_since, tries, fence"
            ledger.execute(
                f"INSERT INTO files ({columns}, updated)"
                f" SELECT {columns.replace('state,', chr(39) + 'acknowledged' + chr(39) + ',')}, updated FROM files"
            )
        ledger.execute(f"UPDATE orders SET state = 'creating', document_id = NULL, document_number = NULL{lost}")
        ledger.execute("DELETE FROM notices")
    report = put(shop, "b.xml", version(status="cancelled"))
    assert report.counts["cancelled"] == 1
    assert totals(shop) == [(849.0, "cancelled")]
    assert shop.ledger_rows("SELECT kind FROM notices ORDER BY id") == [("order",), ("amended",)]


# --- a person's word ---------------------------------------------------------------------------------------------


def test_what_is_accepted_is_done_by_the_next_run_and_once(shop: Shop) -> None:
    put(shop, "a.xml", version())
    put(shop, "b.xml", version(3))
    assert decide(shop, accept=True) is not None
    report = shop.run()
    assert report.counts == {"amended": 1}
    assert totals(shop) == [(1238.5, "new")]
    assert order(shop) == ("created", "new", "1238.50")
    assert cards(shop) == [("changed", "resolved")]
    assert decide(shop, accept=True) is None, "nothing is asked any more"
    assert shop.run().counts == {}


def test_a_cancellation_that_is_accepted_marks_the_document(shop: Shop) -> None:
    put(shop, "a.xml", version())
    put(shop, "b.xml", version(status="cancelled"))
    decide(shop, accept=True)
    assert shop.run().counts == {"cancelled": 1}
    assert totals(shop) == [(849.0, "cancelled")]
    assert order(shop) == ("created", "cancelled", "849.00")


def test_what_is_rejected_is_not_asked_again_but_newer_content_is(shop: Shop) -> None:
    put(shop, "a.xml", version())
    put(shop, "b.xml", version(3))
    decide(shop, accept=False)
    assert put(shop, "c.xml", version(3)).exit_code == 0
    assert shop.run().exit_code == 0
    assert cards(shop) == [("changed", "resolved")]
    assert put(shop, "d.xml", version(4)).exit_code == 1
    assert cards(shop) == [("changed", "resolved"), ("changed", "open")]
    assert totals(shop) == [(849.0, "new")]


def test_newer_content_takes_the_place_of_what_was_accepted_and_not_done_yet(shop: Shop) -> None:
    put(shop, "a.xml", version())
    put(shop, "b.xml", version(3))
    decide(shop, accept=True)
    assert put(shop, "c.xml", version(4)).exit_code == 1
    assert totals(shop) == [(849.0, "new")]
    assert cards(shop) == [("changed", "open")]
    assert outcomes(shop) == ["new", "changed", "changed"]


def test_there_and_back_again_by_a_persons_word(shop: Shop) -> None:
    shop.more = AMEND
    for n, quantity in enumerate((2, 3, 2, 3, 2)):
        put(shop, f"v{n}.xml", version(quantity))
        if cards(shop)[-1:] == [("changed", "open")]:
            decide(shop, accept=True)
            shop.run()
        assert totals(shop) == [(float(389.5 * quantity + 70), "new")]


def test_an_order_that_needed_no_document_is_asked_about_and_made_when_accepted(shop: Shop) -> None:
    put(shop, "a.xml", version(status="cancelled"))
    assert put(shop, "b.xml", version(status="new")).exit_code == 1
    assert cards(shop) == [("changed", "open")]
    decide(shop, accept=True)
    assert shop.run().counts == {"created": 1}
    assert order(shop) == ("created", "new", "849.00")


def test_a_rejected_order_is_not_booked_by_itself_when_it_comes_changed(shop: Shop) -> None:
    shop.more = AMEND
    put(shop, "a.xml", version(code="НЕМА"))
    with Client.open(shop.config()) as client, client.ledger.begin() as conn:
        order_rows.update(conn, 1, client.clock.now(), state="rejected")
    assert put(shop, "b.xml", version(3)).exit_code == 1
    assert totals_or_none(shop) == []
    decide(shop, accept=True)
    assert shop.run().counts == {"created": 1}


def totals_or_none(shop: Shop) -> list[Any]:
    return totals(shop) if shop.documents() else []


# --- the target --------------------------------------------------------------------------------------------------


def test_a_target_that_cannot_change_documents_asks_a_person(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    from pipeline.engine import weighing

    @runtime_checkable
    class Another(Protocol):
        def nobody_has_this(self) -> None: ...

    shop.more = AMEND
    put(shop, "a.xml", version())
    monkeypatch.setattr(weighing, "AmendDocuments", Another)
    report = put(shop, "b.xml", version(3))
    assert report.exit_code == 1
    (told,) = report.steps[0].result.details  # type: ignore[union-attr]
    assert "books cannot change documents" in told["findings"][0].text.render("en")
    assert totals(shop) == [(849.0, "new")]


def test_a_target_that_does_not_answer_is_asked_again(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    from pipeline.errors import InDoubt, Transient
    from pipeline.ports import DocumentOutcome
    from plugins.systems.books.system import Books

    shop.more = AMEND
    put(shop, "a.xml", version())
    with monkeypatch.context() as patch:
        for error in (Transient("down"), InDoubt("no answer")):
            patch.setattr(
                Books, "amend", lambda _self, some, error=error: [DocumentOutcome(one.key, error=error) for one in some]
            )
            report = put(shop, "b.xml", version(3)) if isinstance(error, Transient) else shop.run()
            assert report.state == "failed"
            assert shop.ledger_rows("SELECT state FROM files ORDER BY id DESC LIMIT 1") == [("checked",)]
            assert (shop.inbox / "b.xml").exists(), "nothing is deleted before it is done"
    assert shop.run().counts["amended"] == 1
    assert totals(shop) == [(1238.5, "new")]
    assert list(shop.inbox.iterdir()) == []


def test_what_nobody_can_do_is_asked_again_and_not_tried_for_ever(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    from pipeline.engine import weighing

    @runtime_checkable
    class Another(Protocol):
        def nobody_has_this(self) -> None: ...

    put(shop, "a.xml", version())
    put(shop, "b.xml", version(3))
    decide(shop, accept=True)
    with monkeypatch.context() as patch:
        patch.setattr(weighing, "AmendDocuments", Another)
        assert shop.run().exit_code == 1
        assert outcomes(shop) == ["new", "changed"]
        assert shop.run().counts == {}
    assert cards(shop) == [("changed", "open")]


def test_newer_content_of_an_order_in_doubt_waits_for_its_document(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    from pipeline.errors import InDoubt
    from pipeline.ports import DocumentOutcome
    from plugins.systems.books.system import Books

    shop.more = AMEND
    create = Books.create

    def no_answer(self: Books, drafts: Any) -> Any:
        return [DocumentOutcome(one.key, error=InDoubt("no answer")) for one in create(self, drafts)]

    with monkeypatch.context() as patch:
        patch.setattr(Books, "create", no_answer)
        assert put(shop, "a.xml", version()).counts["in_doubt"] == 1
    assert put(shop, "b.xml", version(3)).exit_code == 1
    assert totals(shop) == [(849.0, "new")]
    assert sorted(cards(shop)) == [("changed", "open"), ("in_doubt", "open")]
    with closing(sqlite3.connect(shop.folder / "ledger.sqlite3")) as ledger, ledger:
        ledger.execute("UPDATE orders SET next_try = '2026-01-01 00:00:00'")  # the pause is over
    assert shop.run().counts == {"created": 1, "amended": 1}
    assert totals(shop) == [(1238.5, "new")]
    assert sorted(cards(shop)) == [("changed", "resolved"), ("in_doubt", "resolved")]


def test_the_lists_show_the_shops_status_and_the_amendment(shop: Shop) -> None:
    from tests.e2e.command import mistok

    shop.more = AMEND
    put(shop, "a.xml", version())
    put(shop, "b.xml", version(3, status="paid"))
    put(shop, "c.xml", version(number="4702"))
    put(shop, "d.xml", version(number="4702", status="cancelled"))
    path = shop.folder / "config.yaml"
    listed = {row["id"]: row for row in mistok("-c", path, "orders", "--json").json()}
    assert (listed["4701"]["status"], listed["4702"]["status"]) == ("paid", "cancelled")
    assert listed["4701"]["amended"]
    told = mistok("-c", path, "--language", "en", "orders").out
    assert "document marked cancelled" in " ".join(told.split())
    (story,) = mistok("-c", path, "--language", "en", "trace", "4701", "--json").json()
    told_then = [event["text"] for event in story["events"] if event["event"] == "amended"]
    assert len(told_then) == 1
    assert "items / 0042 / quantity: 2 → 3" in told_then[0]
    assert "Status in the shop: paid" in mistok("-c", path, "--language", "en", "trace", "4701").all


def test_a_mapping_given_by_verb_amends_at_once_and_a_verdict_by_verb_holds(shop: Shop) -> None:
    from tests.e2e.command import mistok

    shop.more = AMEND
    put(shop, "a.xml", version())
    put(shop, "b.xml", version(3, code="НОВИЙ-1"))
    path = shop.folder / "config.yaml"
    done = mistok("-c", path, "--language", "en", "resolve", "1", "--map", "sku:НОВИЙ-1=0042")
    assert done.code == 0, done.all
    assert totals(shop) == [(1238.5, "new")]
    assert cards(shop) == [("changed", "resolved")]
    shop.more = {}
    put(shop, "c.xml", version(4))
    done = mistok("-c", path, "--language", "en", "resolve", "2", "--accept")
    assert done.code == 0, done.all
    assert totals(shop) == [(1628.0, "new")]
    put(shop, "d.xml", version(4, status="cancelled"))
    done = mistok("-c", path, "--language", "en", "resolve", "3", "--reject", "--why", "already packed")
    assert done.code == 0, done.all
    assert put(shop, "e.xml", version(4, status="cancelled", extra="    <!-- again -->\n")).exit_code == 0
    assert totals(shop) == [(1628.0, "new")]
    assert [state for _kind, state in cards(shop)] == ["resolved"] * 3
