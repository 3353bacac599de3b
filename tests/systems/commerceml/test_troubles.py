"""Files of an accounting program in trouble: elements that are empty or hold what nobody has heard of."""

from __future__ import annotations

from pathlib import Path

import pytest
from lxml import etree

from pipeline.api import Offer
from pipeline.testing.sync_subject import draft, traits_of
from pipeline.testing.wire_contract import NEVER_HEARD, TYPED, spared
from plugins.systems.commerceml.fake import Quirks
from tests.systems.commerceml.test_contracts import accounting_subject
from tests.systems.commerceml.world import Accounting

KEY = "Ид"
FACTOR = "Коэффициент"  #: of a unit: a price is of so many pieces, so that another factor is another price


def told(world: Accounting) -> dict[str, Offer]:
    return {offer.id: offer for offer in world.open().offers()}


def filled(world: Accounting, count: int, begin: str) -> None:
    subject = accounting_subject(world)
    traits = traits_of(subject)
    subject.seed([draft(subject, traits, traits.reads, f"{begin}-{n:03}") for n in range(count)])
    world.settle()


def goods(root: etree._Element) -> dict[str, etree._Element]:
    """The goods or offers of a file, by their ids."""
    found = {}
    for one in root.iter("{*}Товар", "{*}Предложение"):
        own = one.find("{*}" + KEY)
        if own is not None and own.text:
            found[own.text] = one
    return found


def leaves(one: etree._Element) -> dict[str, etree._Element]:
    """What an entry says, by the path of its elements; not by what it is known."""
    tree = one.getroottree()
    own = tree.getpath(one)
    ends = [leaf for leaf in one.iter() if isinstance(leaf.tag, str) and not len(leaf) and (leaf.text or "").strip()]
    return {
        tree.getpath(leaf).removeprefix(own): leaf for leaf in ends if etree.QName(leaf).localname not in (KEY, FACTOR)
    }


@pytest.mark.parametrize("value", ["", NEVER_HEARD, TYPED], ids=["empty", "never heard of", "typed"])
def test_f46_an_element_that_is_not_what_it_should_be_spoils_no_other(tmp_path: Path, value: str) -> None:
    world = Accounting(tmp_path, Quirks(version="2.08"))
    filled(world, 1, "F")
    files = world.fake.files(full=True)
    places = [
        (name, path)
        for name, data in files.items()
        if name.endswith(".xml")
        for one in goods(etree.fromstring(data)).values()
        for path in leaves(one)
    ]
    assert len(places) > 6
    filled(world, len(places), "W")
    before, traits = told(world), traits_of(accounting_subject(world))
    spare, *ids = before
    assert len(ids) == len(places)
    where = dict(zip(ids, places, strict=True))
    for name, data in world.fake.files(full=True).items():
        if name.endswith(".xml"):
            root = etree.fromstring(data)
            for own, one in goods(root).items():
                if own in where and where[own][0] == name:
                    leaf = leaves(one).get(where[own][1])
                    if leaf is not None:
                        leaf.text = value
            data = etree.tostring(root, xml_declaration=True, encoding="utf-8")  # noqa: PLW2901 - what is dropped
        world.drop(name, data)
    assert spare not in where
    spared(before, told(world), {own: path for own, (_, path) in where.items()}, traits)
