"""What `mistok check --connect` tells of a base, and what a write probe tries."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from pipeline.api import Refused, Transient, Who
from plugins.systems.dilovod import checking
from plugins.systems.dilovod._fake_schema import GOODS, ORDER, PERSONS, RETURN, SALE
from plugins.systems.dilovod.fake import KEY, Quirks, action
from tests.e2e.command import here
from tests.systems.dilovod.base import DOCUMENTS, SAVING, Base, base, blocked, stocked

ONE_FIRM: dict[str, Any] = {"documents": {**DOCUMENTS, "firm": "ФОП Приклад"}, "goods": {"services": "Послуги"}}


@pytest.fixture
def one() -> Iterator[Base]:
    with base(**ONE_FIRM) as opened:
        yield stocked(opened)


def faults(one: Base, **settings: Any) -> list[tuple[str, str]]:
    return [
        (finding.code, str(finding.text))
        for finding in one.open(**settings).check()
        if finding.who is not Who.ACCOUNTANT
    ]


# --- by reading ------------------------------------------------------------------------------------------------------


def test_a_good_base_has_only_remarks_and_is_only_read(one: Base) -> None:
    findings = one.open().check()
    assert {finding.who for finding in findings} == {Who.ACCOUNTANT}
    assert {packet["action"] for packet in one.packets()} == {"request", "getMetadata", "listMetadata"}


def test_what_the_api_cannot_do_and_what_is_inferred_is_told(one: Base) -> None:
    told = one.open().check()
    words = [str(finding.text) for finding in told]
    assert [str(text) for text in checking.CANNOT] == [w for w, f in zip(words, told, strict=True)
                                                      if f.code == "dilovod-cannot"]  # fmt: skip
    assert "Only inferred: a save lifts a deletion mark." in words
    inferred = [one_of for one_of in words if one_of.startswith("Only inferred")]
    assert len(inferred) == len(checking.INFERRED) + len(checking.PROBED)
    probed = [finding for finding in told if finding.code == "dilovod-inferred" and finding.hint is not None]
    assert [finding.about for finding in probed] == [f"inferred:{name}" for name in checking.PROBED]
    assert "--write-probe" in str(probed[0].hint)
    assert "firm: ФОП Приклад." in words
    assert "storage: Основний склад, Магазин." in words


@pytest.mark.parametrize(
    ("link", "words"),
    [("contract", "linked to its order, and not to its shipment"), ("baseDoc", ""), ("both", "")],
)
def test_how_a_return_is_linked_is_told(link: Any, words: str) -> None:
    with base(Quirks(return_link=link), **ONE_FIRM) as one:
        stocked(one)
        found = [str(finding.text) for finding in one.open().check() if finding.code == "dilovod-return"]
        assert bool(found) == bool(words)
        assert words in "".join(found)


def test_metadata_that_tell_nothing_are_told(one: Base) -> None:
    one.fake.fail(200, b"{}", when=action("getMetadata"), times=99)
    assert any("does not tell the attributes" in str(finding.text) for finding in one.open().check())


def test_a_wrong_key_and_a_dead_service_are_errors(one: Base) -> None:
    with pytest.raises(Refused, match="bad key"):
        one.open(key="other").check()
    one.fake.fail(503, b"<html>maintenance</html>", times=99)
    with pytest.raises(Transient, match="maintenance"):
        one.open().check()


def test_rights_that_are_missing_are_told_each_by_its_name(one: Base) -> None:
    names = (GOODS, "informationRegisters.goodsPrices", "balanceRegisters.goods", "catalogs.storages")
    one.fake.add_key("narrow", {"*": "read", **dict.fromkeys((*names, SALE), "")})
    told = one.open(key="narrow", documents={}, goods={}).check()
    needed = [str(finding.text) for finding in told if finding.who is Who.ADMIN]
    for name in names:
        assert any(f"Dilovod denies access to {name}:" in words for words in needed)
    remarks = [str(finding.text) for finding in told if finding.who is Who.ACCOUNTANT]
    assert any(f"Dilovod denies access to {SALE}:" in words for words in remarks), "a base may be read alone"
    assert "User roles" in str(next(f for f in told if f.code == "dilovod-rights").hint)


def test_a_key_that_may_do_nothing_is_told_in_full(one: Base) -> None:
    one.fake.add_key("new")
    told = faults(one, key="new")
    assert len({words for code, words in told if code == "dilovod-rights"}) >= 5


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"retail": "Акційна"}, "no price type Акційна"),
        ({"warehouses": {"main": "Підвал"}}, "no storage Підвал for the warehouse main"),
        ({"documents": {"firm": "ТОВ"}}, "no firm ТОВ"),
        ({"documents": {"states": {"new": "Немає"}}}, "no order state Немає"),
        ({"documents": {"sources": {"crm": "Немає"}}}, "no trade channel Немає"),
        ({"documents": {"delivery": "NONE"}}, "0 goods with the article NONE"),
        ({"documents": {"person": "17"}}, "no party 17"),
        ({"goods": {"services": "Немає"}}, "no accounting policy Немає"),
    ],
)
def test_names_that_the_settings_have_are_looked_for(one: Base, settings: Any, words: str) -> None:
    (found,) = faults(one, **settings)
    assert found[0] == "unknown-name"
    assert words in found[1]


def test_several_firms_without_a_choice_are_remarked(one: Base) -> None:
    one.fake.add_element("catalogs.firms", "ТОВ Друге")
    told = {finding.code: finding for finding in one.open(documents={}).check()}
    assert "documents: {storage: …}" in str(told["dilovod-choice"].hint)


# --- by writing ------------------------------------------------------------------------------------------------------


def tried(one: Base, **settings: Any) -> list[tuple[bool | None, str]]:
    return [(each.works, str(each.text)) for each in one.open(**settings).try_writes()]


def marked(one: Base) -> None:
    """Nothing of the probe is live, and no stock has moved."""
    for name in (ORDER, SALE, RETURN, "documents.cashIn"):
        assert one.fake.rows(name) == []
    assert [row for row in one.fake.rows(GOODS) if "проба" in row["name"]["uk"]] == []
    assert [row for row in one.fake.rows(PERSONS) if "Проба" in row["name"]["uk"]] == []
    assert {one.fake.stock(row["id"]) for row in one.fake.rows(GOODS) if row["productNum"].endswith("-1")} == {1000}


def test_everything_works_in_a_likely_base(one: Base) -> None:
    found = tried(one)
    assert [works for works, _ in found] == [True] * 10 + [None]
    assert "the API deletes nothing for good" in found[-1][1]
    marked(one)


def test_so_it_does_in_one_that_is_otherwise_in_everything() -> None:
    with base(Quirks(**SAVING), **ONE_FIRM) as one:
        stocked(one)
        assert [words for works, words in tried(one) if works is False] == []
        marked(one)


def test_a_payment_is_posted_by_the_probe_where_the_settings_say_so(one: Base) -> None:
    found = tried(one, documents={"post_payments": True})
    assert [works for works, _ in found] == [True] * 10 + [None]
    assert found[-2][1] == "a payment is taken, posted and unposted again"
    marked(one)


def test_what_is_only_inferred_of_documents_is_untried_until_the_client_says_so(one: Base) -> None:
    papers = frozenset({"documents"})
    assert one.open().untried() == {"documents.post: true": papers}
    assert one.open(documents={"post": False, "post_payments": True}).untried() == {
        "documents.post: false": papers, "documents.post_payments: true": papers,
    }  # fmt: skip
    assert one.open(untried_writes=True).untried() == {}
    assert one.open().account == one.open().account != one.open(key="another").account


@pytest.mark.parametrize(
    ("quirks", "words"),
    [
        ({"lift_mark": False}, "not so: a deletion mark is set, and lifted by a save"),
        ({"return_link": "contract"}, ""),
        ({"edit_posted": "kept"}, ""),
        ({"mark_posted": "refused"}, ""),
    ],
)
def test_what_does_not_work_is_told(quirks: Any, words: str) -> None:
    with base(Quirks(**quirks), **ONE_FIRM) as one:
        stocked(one)
        found = [text for works, text in tried(one) if works is False]
        assert len(found) == bool(words)
        assert words in "".join(found)
        marked(one)


def test_rights_to_write_are_found_out(one: Base) -> None:
    one.fake.add_key("seller", {"*": "read", GOODS: "read+write", PERSONS: "read+write", ORDER: "read+write"})
    found = tried(one, key="seller")
    refused = [words for works, words in found if works is False]
    assert len(refused) == 3
    assert "not so: a shipment is taken (saved, not posted) (Dilovod denies access to documents.sale" in refused[0]
    one.fake.add_key("reader", {"*": "read"})
    assert [works for works, _ in tried(one, key="reader")] == [False, False]
    marked(one)


def test_a_probe_that_breaks_off_leaves_nothing_live(one: Base) -> None:
    one.fake.fail(503, b"<html>maintenance</html>", times=6, when=action("saveObject", SALE))
    found = tried(one)
    assert next(words for works, words in found if works is None).startswith("not certain: a shipment is taken")
    marked(one)
    one.fake.forget()
    one.fake.lose_reply(when=action("saveObject", SALE))
    assert None in [works for works, _ in tried(one)[:-1]]
    assert len(one.fake.rows(SALE, marked=None)) == 1
    marked(one)
    one.fake.fail(200, blocked("bad key"), when=action("saveObject", SALE))
    with pytest.raises(Refused):
        tried(one)
    marked(one)


def test_what_could_not_be_marked_is_told_by_its_id(one: Base) -> None:
    one.fake.fail(200, blocked("applicationLayerError ні"), when=action("setDelMark"), times=99)
    last = list(one.open().try_writes())[-1]
    assert last.works is False
    assert last.needed
    assert "could not be marked for deletion: 11" in str(last.text)
    assert "by hand" in str(last.hint)


# --- by the command --------------------------------------------------------------------------------------------------


def test_what_a_probe_has_shown_is_said_to_be_verified_with_its_day(one: Base, tmp_path: Path) -> None:
    config = {
        "client": "acme", "timezone": "Europe/Kyiv", "language": "en", "log": {"file": None}, "jobs": {},
        "connections": {"erp": {"type": "dilovod", "key": KEY, "url": one.url, "per_second": 50, **ONE_FIRM}},
    }  # fmt: skip
    (tmp_path / "config.yaml").write_text(json.dumps(config, ensure_ascii=False), encoding="utf-8")

    def said(*words: str) -> tuple[list[str], list[str]]:
        shown = here("-c", tmp_path / "config.yaml", "check", "--connect", *words)
        assert shown.code == 0, shown.all
        lines = [" ".join(line.split()) for line in shown.all.splitlines()]
        text = " ".join(lines)
        return ([name for name, what in checking.PROBED.items() if f"Only inferred: {what}" in text],
                [name for name, what in checking.PROBED.items() if f": {what}." in text and
                 f"Verified on this account on {today}: {what}" in text])  # fmt: skip

    today = f"{datetime.now(ZoneInfo('Europe/Kyiv')):%Y-%m-%d}"
    assert said() == (list(checking.PROBED), [])
    assert said("--write-probe") == ([], list(checking.PROBED))
    assert said() == ([], list(checking.PROBED)), "as long as it is this account"
