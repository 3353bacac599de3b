"""Builds a Tryton database by itself: ``python -m tests.servers.tryton_base FILE``. Runs in a process of its own.

A company in hryvnias with a chart of accounts, a fiscal year, a tax of 20 %, a warehouse, and goods in stock: what a
person would click together before the first order comes. Everything is done by proteus, Tryton's own client.
"""

from __future__ import annotations

import datetime
import os
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

#: What Mistok needs, and the module by which payments are tied to sales. What they depend on comes along.
MODULES = ("sale", "sale_payment")
PASSWORD = "admin-of-the-tests"
CODES = ("COF-1", "TEA-1", "GIFT-1")


def build(file: Path) -> None:
    """Make the database; its name is that of the file."""
    import trytond.config as config

    file.with_suffix(".conf").write_text(f"[database]\nuri = sqlite://\npath = {file.parent}\n", "utf-8")
    config.update_etc(str(file.with_suffix(".conf")))
    file.touch()
    passwords = file.with_suffix(".password")
    passwords.write_text(PASSWORD, "utf-8")
    os.environ["TRYTONPASSFILE"] = str(passwords)
    from argparse import Namespace

    from trytond import admin
    from trytond.ir.translation import Translation
    from trytond.model import ModelStorage

    # two thirds of the time go into the validation of the modules' own records and into translations to English
    validate = ModelStorage.__dict__["_validate"]
    ModelStorage._validate = classmethod(lambda *_, **__: None)
    for name in ("set_ids", "register_model", "register_fields", "register_wizard", "register_error_messages"):
        if hasattr(Translation, name):
            setattr(Translation, name, classmethod(lambda *_, **__: None))
    admin.run(
        Namespace(
            test_email=None, database_names=[file.stem], update=list(MODULES), languages=[], activatedeps=True,
            indexes=False, update_modules_list=False, email="admin@example.com", password=False, reset_password=False,
            hostname=None, validate=None, validate_percentage=100, export_translations=False,
        )
    )  # fmt: skip
    ModelStorage._validate = validate
    fill(file)


def fill(file: Path) -> None:
    """What the tests' company has."""
    from proteus import Model
    from proteus import config as proteus_config
    from trytond.modules.account.tests.tools import create_chart, create_fiscalyear, create_tax, get_accounts
    from trytond.modules.account_invoice.tests.tools import set_fiscalyear_invoice_sequences
    from trytond.modules.company.tests.tools import create_company

    os.environ["TRYTOND_DATABASE_URI"] = "sqlite://"
    session = proteus_config.set_trytond(file.stem, config_file=str(file.with_suffix(".conf")))
    currency = Model.get("currency.currency")
    hryvnia = currency(name="Гривня", symbol="₴", code="UAH", numeric_code="980")
    hryvnia.rates.new(rate=Decimal(1), date=datetime.date(2020, 1, 1))
    hryvnia.save()
    party = Model.get("party.party")
    owner = party(name="ТОВ «Крамниця»")
    owner.save()
    create_company(owner, hryvnia, config=session)
    create_chart(config=session)
    today = datetime.datetime.now(datetime.UTC).date()
    span = (datetime.date(2025, 1, 1), today.replace(month=12, day=31))
    year = set_fiscalyear_invoice_sequences(create_fiscalyear(today=span, config=session), config=session)
    year.click("create_period")
    accounts = get_accounts(config=session)
    tax = create_tax(Decimal("0.20"), config=session)
    tax.name = tax.description = "ПДВ 20 %"
    tax.save()
    category = Model.get("product.category")
    taxed = category(name="З ПДВ", accounting=True)
    taxed.account_expense, taxed.account_revenue = accounts["expense"], accounts["revenue"]
    taxed.customer_taxes.append(tax)
    taxed.save()
    goods = {code: add_product(f"Товар {code}", code, taxed) for code in CODES}
    add_product("Доставка", "DELIVERY", taxed, "service")
    add_product("Комісія", "FEE", taxed, "service")
    stock(goods.values(), 1000)
    journal = Model.get("account.payment.journal")(name="Каса", process_method="manual")
    journal.currency = hryvnia
    journal.save()


def add_product(name: str, code: str, category: Any, kind: str = "goods") -> Any:
    """A template with one product; returned as the product."""
    from proteus import Model

    unit, *_ = Model.get("product.uom").find([("name", "=", "Unit")])
    template = Model.get("product.template")(name=name, type=kind, default_uom=unit, salable=True)
    template.list_price = Decimal(100)
    template.account_category = category
    (product,) = template.products
    product.suffix_code = code
    template.save()
    (product,) = template.products
    return product


def stock(products: Any, quantity: float) -> None:
    """So many of each lie in the warehouse."""
    from proteus import Model

    inventory = Model.get("stock.inventory")()
    location = Model.get("stock.location")
    (inventory.location,) = location.find([("code", "=", "STO")])
    for product in products:
        line = inventory.lines.new(product=product)
        line.quantity = quantity
        line.expected_quantity = 0.0
    inventory.click("confirm")


if __name__ == "__main__":
    build(Path(sys.argv[1]))
