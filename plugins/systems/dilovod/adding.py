"""Cards of goods that an order names and the base does not have: name, article, unit, barcode, and nothing else.

No price, weight or size is ever sent. Dilovod has no variants: each is a good of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from pipeline.api import Held, NewProduct, Ref, RowOutcome, Strikes, T
from plugins.systems.dilovod.client import Client
from plugins.systems.dilovod.lists import Lists
from plugins.systems.dilovod.names import BARCODE_RECORD, GOODS, PIECE, find, shown
from plugins.systems.dilovod.papers import Papers
from plugins.systems.dilovod.reading import Reader
from plugins.systems.dilovod.refusals import held
from plugins.systems.dilovod.values import both, named, part, text


class Adder:
    """Adds goods to one base."""

    def __init__(self, reader: Reader, papers: Papers) -> None:
        self.reader, self.papers = reader, papers
        self.client: Client = reader.client
        self.lists: Lists = reader.lists
        self.settings = reader.settings.goods

    def add(self, products: Sequence[NewProduct]) -> list[RowOutcome]:
        """See AddProducts. What strikes all is told of each that is left."""
        act = Strikes()
        return [act.row(partial(self._add, product)) for product in products]

    def _add(self, product: NewProduct) -> RowOutcome:
        with self.papers.lock:
            return self._added(product)

    def _added(self, product: NewProduct) -> RowOutcome:
        code, name = product.code.strip(), " ".join(product.name.split())
        if not code or not name:
            raise held(
                T("A product without {what} is not made in Dilovod.", what=T("article") if not code else T("name")),
                T("Give it one in the system that it comes from."),
                code="no-article",
            )
        if known := self.reader.find_products([code]).get(code):
            return RowOutcome(ids=tuple(ref.id for ref in known[-1:]), existed=True)
        header: dict[str, Any] = {"name": both(name), "productNum": code, "mainUnit": self._unit(product.unit).id}
        if policy := self._policy(product):
            header["accPolicy"] = policy
        if self.settings.folder:
            header["parent"] = self._folder(self.settings.folder)
        made = self.client.create(GOODS, header)
        self.reader.changed_goods()
        if product.barcode:
            self._barcode(made, product.barcode)
        found = self.client.one(made)
        if found is None or named(part(found.get("header")).get("name")) != name:
            raise held(T("Dilovod does not show the good {code} as it was sent.", code=code), code="dilovod-kept")
        return RowOutcome(ids=(text(made),))

    def _barcode(self, good: str, code: str) -> None:
        """Raises Held where it is refused: the good is there, without it."""
        try:
            self.client.create(BARCODE_RECORD, {"object": good, "code": code, "activity": 1})
        except Held as error:
            raise held(
                T("The good is made in Dilovod, without its barcode: {words}", words=error.text), code="dilovod-refused"
            ) from error

    def _unit(self, name: str) -> Ref:
        """The unit of measure; pieces where nothing is said. Raises Held for one that the base does not have."""
        known = self.lists.all("unit")
        found = find(known, name.rstrip(". ")) or find(known, name) if name.strip() else find(known, PIECE)
        if found is None:
            raise held(
                T("Dilovod has no unit of measure {name}, or several.", name=name or PIECE),
                T("Make it in Dilovod. It has: {names}.", names=shown(known)),
                code="unknown-unit",
            )
        return found

    def _policy(self, product: NewProduct) -> str:
        if product.service and not self.settings.services:
            raise held(
                T("Nothing says by which accounting policy Dilovod knows a service."),
                T("Name it: `goods: {services: …}` of the connection."),
                code="no-service-policy",
            )
        said = self.settings.services if product.service else self.settings.policy
        return self.lists.wanted("policy", said, T("goods: {policy: …, services: …}")).id if said else ""

    def _folder(self, said: str) -> str:
        folders = [Ref(good.id, good.code, good.name) for good in self.reader.goods() if good.group and not good.marked]
        found = find(folders, said)
        if found is None:
            raise held(
                T("Dilovod has no folder of goods {name}, or several.", name=said),
                T("It has: {names}.", names=shown(folders)),
                code="unknown-folder",
            )
        return found.id
