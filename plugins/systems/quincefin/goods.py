"""The goods and services of an account: read whole, found by article and name, and new cards."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from pipeline.api import (
    Held,
    InDoubt,
    NewProduct,
    Offer,
    Ref,
    Refused,
    RowOutcome,
    StockLevel,
    SystemEnv,
    T,
    Transient,
    verbatim,
)
from plugins.systems.quincefin.client import Client, found_after, shown_after
from plugins.systems.quincefin.mapping import (
    BASE,
    GOODS,
    PRICE,
    PRODUCT,
    SERVICE,
    SKU,
    Good,
    Goods,
    balance,
    base_card,
    card,
    folders,
    good,
    level,
    offers,
    prices,
    sold,
)
from plugins.systems.quincefin.refusals import held
from plugins.systems.quincefin.settings import QuincefinSettings
from plugins.systems.quincefin.values import flag, text

#: By account and article what sessions of this process have made: the lists of the others were read before.
_MADE: dict[str, dict[str, tuple[str, int, str]]] = {}


class Shelf:
    """Reads goods at the first use, and keeps them for as long as the session: the lists have no filter by article."""

    def __init__(self, client: Client, settings: QuincefinSettings, env: SystemEnv) -> None:
        self.client, self.settings, self.env = client, settings, env
        self._goods: Goods | None = None
        self._archived: Goods | None = None
        self._made = _MADE.setdefault(f"{settings.url}\0{hash(settings.token)}", {})

    # --- reading -----------------------------------------------------------------------------------------------------

    def goods(self) -> Goods:
        """All that is live: goods of each kind, and services."""
        if self._goods is None:
            self._goods = Goods([*self._of_kinds((*GOODS, BASE)), *self._services()])
        return self._goods

    def forget(self) -> None:
        """It may be otherwise now: read it anew."""
        self._goods = self._archived = None

    def _of_kinds(self, kinds: Sequence[str]) -> Iterator[Good]:
        for kind in kinds:
            for row in self.client.rows(PRODUCT, {"Kind": kind}):
                if (one := good(row, self.settings.fields, kind)) is not None:
                    yield one

    def _services(self) -> Iterator[Good]:
        for row in self.client.rows(SERVICE):
            if (one := good(row, self.settings.fields, "")) is not None:
                yield one

    def archived(self) -> Goods:
        """What is archived, as goods: so that no twin of it is made."""
        if self._archived is None:
            found = []
            lists: list[tuple[str, dict[str, Any], str]] = [
                (PRODUCT, {"Kind": kind, "Archive": True}, kind) for kind in (*GOODS, BASE)
            ]
            for path, given, kind in [*lists, (SERVICE, {"Archive": True}, "")]:
                for row in self.client.rows(path, given):
                    one = good({**row, "Archive": False}, self.settings.fields, kind)
                    if one is not None and flag(row.get("Archive")):
                        found.append(one)
            self._archived = Goods(found)
        return self._archived

    def find_products(self, codes: Collection[str]) -> Mapping[str, Sequence[Ref]]:
        """See ProductLookup. Goods and services have their ids in common, as prices name both by one field."""
        goods = self.goods()
        found = {code: goods.with_article(code) for code in codes}
        return {code: _refs(some) for code, some in found.items() if some}

    def find_by_name(self, names: Collection[str]) -> Mapping[str, Sequence[Ref]]:
        """See ProductNames."""
        goods = self.goods()
        found = {name: goods.with_name(name) for name in names}
        return {name: _refs(some) for name, some in found.items() if some}

    # --- Offers, Stock -----------------------------------------------------------------------------------------------

    def offers(self) -> Iterator[Offer]:
        """All goods with their prices, read anew."""
        settings, now = self.settings, self.env.clock.now()
        goods = list(self._of_kinds((*GOODS, BASE)))
        rows = []
        for kind in dict.fromkeys(settings.price_types.values()):  # one by one: whether a list finds all is not known
            rows += self.client.rows(PRICE, {"PriceType": [kind]})
        paths = folders(self.client.rows(f"{PRODUCT}/folder"))
        yield from offers(goods, prices(rows, now, settings.zone), paths, settings, self.env.currency)

    def levels(self) -> Iterator[StockLevel]:
        """What lies in each warehouse that the settings name, goods by goods."""
        if not self.settings.warehouses:
            raise Refused(
                T("Quincefin's API does not tell its warehouses."),
                code="quincefin-warehouses",
                hint=T("Name them with their numbers in `warehouses` of the connection."),
            )
        for name, store in self.settings.warehouses.items():
            for kind in GOODS:
                for row in self.client.rows(PRODUCT, {"Kind": kind, "Store": [store]}):
                    one = good(row, self.settings.fields, kind)
                    if one is None:
                        continue
                    quantity = balance(row, store, self.settings.fields)
                    if quantity is None:
                        raise Refused(
                            T("Quincefin does not tell what lies in the warehouse {name}.", name=name),
                            code="quincefin-balances",
                            hint=T("Look at `fields: {balances: …}` of the connection; `mistok check --connect` tells "
                                   "what the account shows."),
                        )  # fmt: skip
                    yield level(one, name, quantity)

    # --- AddProducts -------------------------------------------------------------------------------------------------

    def add(self, products: Sequence[NewProduct]) -> list[RowOutcome]:
        """See AddProducts. What strikes one strikes no other; a login that fails is raised."""
        outcomes: list[RowOutcome] = []
        for one in products:
            try:
                outcomes.append(self._add(one))
            except (Held, InDoubt, Transient) as error:
                outcomes.append(RowOutcome(error=error))
        return outcomes

    def _add(self, new: NewProduct) -> RowOutcome:
        if not new.code.strip():
            raise held(
                T("Goods without an article would not be found again in Quincefin: {name}.", name=new.name),
                T("Give it an article in the system that it comes from."),
                code="quincefin-no-article",
            )
        if there := [one for one in self.goods().with_article(new.code) if sold(one)]:
            return RowOutcome((*_base_id(there[0]), str(there[0].id)), existed=True)
        if (made := self._of_others(new.code)) is not None:
            return RowOutcome((*_base_id(made), str(made.id)), existed=True)
        self._not_archived(new.code)
        ids: tuple[str, ...] = ()
        base: Good | None = None
        if new.base and not new.service:
            base = self._base(new)
            ids = (str(base.id),)
        body = card(new, self.settings, base=base.id if base else None)
        made = self._make(SERVICE if new.service else PRODUCT, body, new.code)
        return RowOutcome((*ids, str(made.id)))

    def _base(self, new: NewProduct) -> Good:
        """The base of a variant: found by its article, else by its name, else made."""
        goods = self.goods()
        for found in (goods.with_article(new.base), goods.with_name(new.base_name)):
            bases = [one for one in found if one.kind == BASE]
            if bases:
                return bases[0]
        if plain := [one for one in goods.with_article(new.base) if one.kind != BASE]:
            raise held(
                T("{article} is plain goods in Quincefin ({id}), and not a base of variants.", article=new.base,
                  id=str(plain[0].id)),
                T("Give the variant {article} a card by hand.", article=new.code),
            )  # fmt: skip
        if (made := self._of_others(new.base)) is not None and made.kind == BASE:
            return made
        self._not_archived(new.base)
        return self._make(PRODUCT, base_card(new, self.settings), new.base)

    def _not_archived(self, article: str) -> None:
        if old := self.archived().with_article(article):
            raise held(
                T("{article} is archived in Quincefin ({id}).", article=article, id=str(old[0].id)),
                T("Bring it back from the archive there, or give the goods another article."),
                code="quincefin-archived",
            )

    def _make(self, path: str, body: dict[str, Any], article: str) -> Good:
        """The card that was made, as its list shows it. Raises InDoubt where nobody can know."""
        kind = text(body.get("Kind"))
        try:
            key = self.client.add(path, body)
        except InDoubt as doubt:
            return found_after(doubt, lambda: self._look(article, kind))
        made = shown_after(
            lambda: (self._by_id(path, key, kind) if key is not None else None) or self._look(article, kind),
            verbatim(article),
        )
        if made.article != article:
            words = T("Quincefin shows the article {there} for {article}.", there=made.article or "—", article=article)
            raise held(words, T("Look at `fields: {article: …}` of the connection."), code="quincefin-kept")
        self._made[article] = (path, made.id, kind)
        return made

    def _of_others(self, article: str) -> Good | None:
        """What another session of this process has made since all was read."""
        made = self._made.get(article)
        one = self._by_id(*made) if made is not None else None
        return one if one is not None and one.article == article else None

    def _by_id(self, path: str, key: int, kind: str) -> Good | None:
        for row in self.client.rows(path, {"Id": key, **({"Kind": kind} if kind else {})}):
            one = good(row, self.settings.fields, kind)
            if one is not None and one.id == key:
                self.goods().put(one)
                return one
        return None

    def _look(self, article: str, kind: str) -> Good | None:
        """After all was read anew."""
        self.forget()
        return next((one for one in self.goods().with_article(article) if one.kind == kind), None)


def _refs(some: Sequence[Good]) -> list[Ref]:
    """What is sold; a base alone where nothing else has that article or name."""
    return [one.ref for one in some if sold(one)] or [one.ref for one in some]


def _base_id(one: Good) -> tuple[str, ...]:
    return (str(one.base),) if one.kind == SKU and one.base is not None else ()
