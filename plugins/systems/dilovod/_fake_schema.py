"""What objects there are in a base, and their attributes: as far as public client code shows them.

Names and prefixes that are in use by such code are real. Where only a prefix is known (states of orders, kinds of
properties, values of enumerations) the name is the fake's own, and where only a name is known the prefix is: a client
reads them from ``listMetadata``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["text", "ml", "bool", "date", "number", "link"]


@dataclass(frozen=True, slots=True)
class Attr:
    """An attribute. ``ml`` is a text in several languages; ``number`` has so many ``places``."""

    name: str
    kind: Kind
    places: int = 0
    targets: tuple[str, ...] = ()  #: the objects that a link may lead to
    fixed: bool = False  #: read, never written


@dataclass(frozen=True, slots=True)
class Thing:
    """A catalogue or a kind of documents."""

    name: str
    id: str
    prefix: str
    title: str
    list_title: str
    attrs: dict[str, Attr]
    parts: dict[str, dict[str, Attr]] = field(default_factory=dict)

    @property
    def is_document(self) -> bool:
        """Whether it can be posted."""
        return self.name.startswith("documents.")


@dataclass(frozen=True, slots=True)
class Register:
    """A register. What documents move has ``resources`` that are summed; information is looked up by ``dims``."""

    name: str
    title: str
    dims: dict[str, Attr]
    resources: dict[str, Attr]
    dated: bool = False  #: information by day

    @property
    def is_information(self) -> bool:
        """Whether it is written by saves and not by posting."""
        return self.name.startswith("informationRegisters.")

    @property
    def attrs(self) -> dict[str, Attr]:
        """All that a query may name."""
        return {**self.dims, **self.resources}


def attrs(text: str) -> dict[str, Attr]:
    """``name:ml weight:3 parent:@catalogs.goods number:text!``: ``!`` is read only, ``|`` parts several targets."""
    found = {}
    for word in text.split():
        name, _, kind = word.rstrip("!").partition(":")
        fixed = word.endswith("!")
        if kind.startswith("@"):
            found[name] = Attr(name, "link", targets=tuple(kind[1:].split("|")), fixed=fixed)
        elif kind.isdigit():
            found[name] = Attr(name, "number", int(kind), fixed=fixed)
        else:
            assert kind in ("text", "ml", "bool", "date"), word
            found[name] = Attr(name, kind, fixed=fixed)  # type: ignore[arg-type]
    return found


def _without(given: dict[str, Attr], names: Iterable[str]) -> dict[str, Attr]:
    gone = set(names)
    return {name: attr for name, attr in given.items() if name not in gone}


ENUM = "enums.values"
STATES = "catalogs.saleOrderStates"
ORDER, SALE, RETURN = "documents.saleOrder", "documents.sale", "documents.saleReturn"
GOODS, PERSONS = "catalogs.goods", "catalogs.persons"
PRICES, BARCODES, PROPS = (f"informationRegisters.{name}" for name in ("goodsPrices", "barCodes", "propValues"))
STOCK, CONTROL = "balanceRegisters.goods", "accumulationRegisters.saleOrderControl"

_NAMED = "code:text name:ml delMark:bool"
_CATALOGUES = (
    # name, id, prefix, presentation, of the list, attributes
    (PERSONS, 1249, "11001", "Організація або фізична особа", "Організації та фізичні особи",
     (f"{_NAMED} phone:text email:text taxCode:text address:text parent:@{PERSONS} isGroup:bool personType:@{ENUM}"
      " priceType:@catalogs.priceTypes remark:text state:text details:text")),
    (GOODS, 1258, "11003", "Товар або послуга", "Товари та послуги",
     (f"{_NAMED} productNum:text printName:ml description:text parent:@{GOODS} isGroup:bool mainUnit:@catalogs.units"
      " packageRatio:3 weight:3 tradeMark:@catalogs.tradeMarks category:text accPolicy:@catalogs.accPolicies specQty:3"
      " price:2!")),
    ("catalogs.firms", 1259, "11004", "Фірма", "Фірми", _NAMED),
    ("catalogs.storages", 1260, "11007", "Місце зберігання", "Місця зберігання", _NAMED),
    ("catalogs.currency", 1261, "11012", "Валюта", "Валюти", _NAMED),
    ("catalogs.priceTypes", 1262, "11013", "Тип цін", "Типи цін", _NAMED),
    ("catalogs.employees", 1263, "11017", "Співробітник", "Співробітники", _NAMED),
    ("catalogs.departments", 1264, "11019", "Підрозділ", "Підрозділи", _NAMED),
    ("catalogs.contracts", 1265, "11030", "Договір", "Договори", f"{_NAMED} owner:@{PERSONS}"),
    ("catalogs.tradeChanels", 1266, "11032", "Канал продажу", "Канали продажу", _NAMED),
    ("catalogs.units", 1267, "11036", "Одиниця виміру", "Одиниці виміру", _NAMED),
    ("catalogs.tradeMarks", 1268, "11045", "Торгова марка", "Торгові марки", _NAMED),
    ("catalogs.cashAccounts", 1269, "11016", "Рахунок або каса", "Рахунки та каси", f"{_NAMED} owner:@catalogs.firms"),
    ("catalogs.goodParts", 1270, "11038", "Партія товару", "Партії товарів", f"{_NAMED} owner:@{GOODS}"),
    ("catalogs.paymentForms", 1271, "11103", "Форма оплати", "Форми оплати", _NAMED),
    ("catalogs.deliveryMethods", 1272, "11104", "Спосіб доставки", "Способи доставки", _NAMED),
    (STATES, 1273, "11115", "Стан замовлення", "Стани замовлень", _NAMED),
    ("catalogs.propKinds", 1274, "11146", "Додаткова властивість", "Додаткові властивості", _NAMED),
    ("catalogs.business", 1275, "11150", "Бізнес", "Бізнеси", _NAMED),
    ("catalogs.accPolicies", 1276, "12012", "Облікова політика", "Облікові політики", _NAMED),
    ("catalogs.incomeItems", 1277, "11065", "Стаття доходів", "Статті доходів", _NAMED),
    ("catalogs.users", 1278, "10002", "Користувач", "Користувачі", _NAMED),
    (ENUM, 1279, "10040", "Значення переліку", "Значення переліків", _NAMED),
)  # fmt: skip

_ANY_BASE = f"{ORDER}|{SALE}|{RETURN}|documents.saleInvoice|documents.purchase"
_DOCUMENT = "date:date number:text! firm:@catalogs.firms posted:bool! delMark:bool remark:text author:@catalogs.users"
_DEAL = (
    f"person:@{PERSONS} storage:@catalogs.storages currency:@catalogs.currency state:@{STATES}"
    " manager:@catalogs.employees priceType:@catalogs.priceTypes deliveryMethod:@catalogs.deliveryMethods"
    f" contract:@catalogs.contracts|{ORDER} contact:text discountPercent:2 supplyDate:date business:@catalogs.business"
    " taxAccount:bool remarkForPerson:text deliveryMethod_forDel:@catalogs.deliveryMethods details:text amountCur:2"
)
#: What a shipment does not have: one client sends them with orders and has to leave them out here.
_ORDER_ONLY = (
    "tradeChanel:@catalogs.tradeChanels paymentForm:@catalogs.paymentForms cashAccount:@catalogs.cashAccounts"
    " remarkFromPerson:text deliveryRemark_forDel:text"
)
_BASED = f"docMode:@{ENUM} baseDoc:@{_ANY_BASE}"
_LINES = (
    f"rowNum:0 good:@{GOODS} goodPart:@catalogs.goodParts unit:@catalogs.units ratio:3 qty:3 baseQty:3 price:5"
    " priceAmount:2 discount:2 discountPercent:2 amountCur:2 vatTax:text vatAmount:2 remark:text accGood:text "
) + " ".join(f"analytics{number}:text" for number in range(1, 9))
_PURCHASE = (
    f"{_DOCUMENT} person:@{PERSONS} storage:@catalogs.storages currency:@catalogs.currency"
    " business:@catalogs.business department:@catalogs.departments rate:5 amountCur:2 originalNumber:text"
    f" originalDate:date contract:@catalogs.contracts taxAccount:bool {_BASED}"
)
_WRITE = (
    f"{_DOCUMENT} storage:@catalogs.storages currency:@catalogs.currency business:@catalogs.business"
    f" department:@catalogs.departments amountCur:2 docMode:@{ENUM} baseDoc:@{_ANY_BASE}"
)
_CASH = (
    f"{_DOCUMENT} person:@{PERSONS} currency:@catalogs.currency amountCur:2 cashAccount:@catalogs.cashAccounts"
    f" business:@catalogs.business {_BASED}"
)
_DOCUMENTS = (
    (ORDER, 1501, "11091", "Замовлення", f"{_DOCUMENT.replace('text!', 'text')} {_DEAL} {_ORDER_ONLY}"),
    (SALE, 1502, "11092", "Відвантаження", f"{_DOCUMENT} {_DEAL} {_BASED}"),
    (RETURN, 1503, "11093", "Повернення товару", f"{_DOCUMENT} {_DEAL} {_BASED}"),
    ("documents.saleInvoice", 1504, "11094", "Рахунок", f"{_DOCUMENT} {_DEAL} baseDoc:@{_ANY_BASE}"),
    ("documents.purchase", 1505, "11095", "Надходження", _PURCHASE),
    ("documents.goodWriteOn", 1506, "11096", "Оприбуткування",
     f"{_WRITE} incomeItem:@catalogs.incomeItems accIncomes:text"),
    ("documents.goodWriteOff", 1507, "11097", "Списання", _WRITE),
    ("documents.cashIn", 1508, "11098", "Надходження грошей", _CASH),
    ("documents.cashOut", 1509, "11099", "Видаток грошей", _CASH),
)  # fmt: skip
_KIT = f"rowNum:0 good:@{GOODS} unit:@catalogs.units qty:3 remark:text"
_CASH_ROWS = "rowNum:0 amountCur:2 " + " ".join(f"analytics{number}:text" for number in range(1, 9))


def _things() -> dict[str, Thing]:
    found: dict[str, Thing] = {}
    for name, number, prefix, title, listed, text in _CATALOGUES:
        parts = {"tpGoods": attrs(_KIT)} if name == GOODS else {}
        own = {"id": Attr("id", "link", targets=(name,), fixed=True), **attrs(text)}
        found[name] = Thing(name, f"100000000000{number}", prefix, title, listed, own, parts)
    for name, number, prefix, title, text in _DOCUMENTS:
        lines = ("tpAnalytics", _CASH_ROWS) if ".cash" in name else ("tpGoods", _LINES)
        own = {"id": Attr("id", "link", targets=(name,), fixed=True), **attrs(text)}
        if name == RETURN:
            own = _without(own, ("state",))
        found[name] = Thing(name, f"100000000000{number}", prefix, title, title, own, {lines[0]: attrs(lines[1])})
    return found


THINGS = _things()
BY_ID = {thing.id: thing for thing in THINGS.values()}

_WHERE = f"good:@{GOODS} storage:@catalogs.storages firm:@catalogs.firms"
REGISTERS = {
    register.name: register
    for register in (
        Register(
            STOCK,
            "Складські запаси",
            attrs(f"{_WHERE} currency:@catalogs.currency account:text goodPart:@catalogs.goodParts"),
            attrs("qty:3 amount:2 amountCur:2 saleQty:3 saleAmountCur:2"),
        ),
        Register(
            CONTROL,
            "Контроль замовлень покупців",
            attrs(f"{_WHERE} baseDoc:@{ORDER}"),
            attrs("qty:3 qtyReserve:3 qtyPurchase:3 qtyProd:3"),
        ),
        Register(
            PRICES,
            "Ціни товарів",
            attrs(f"good:@{GOODS} priceType:@catalogs.priceTypes"),
            attrs("id:text! date:date price:5 currency:@catalogs.currency markup:2"),
            dated=True,
        ),
        Register(
            BARCODES,
            "Штрихкоди",
            attrs(f"object:@{GOODS} goodPart:@catalogs.goodParts code:text"),
            attrs("activity:bool"),
        ),
        Register(
            PROPS,
            "Значення властивостей",
            attrs(f"object:@{'|'.join(THINGS)} propKind:@catalogs.propKinds"),
            attrs("strValue:text"),
        ),
    )
}
#: Virtual tables name registers without what stands before the point.
SHORT = {name.partition(".")[2]: register for name, register in REGISTERS.items()}
