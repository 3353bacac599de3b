"""One order in all its versions, as a shop would send them."""

from __future__ import annotations

from decimal import Decimal

from pipeline.resources import samples

PRICE = Decimal("389.50")


def version(
    quantity: int = 2,
    *,
    status: str = "",
    modified: str = "",
    comment: str = "",
    code: str = "0042",
    total: str | None = None,
    number: str = "4701",
    extra: str = "",
) -> bytes:
    """Order 4701 of the samples with another quantity, status, moment of change or comment; its sums agree."""
    text = next(samples().glob("orders/good/single.xml")).read_text(encoding="utf-8")
    goods = PRICE * quantity
    for old, new in (
        ("<id>4701</id>", f"<id>{number}</id>"),
        ("<number>00004701</number>", f"<number>{number.zfill(8)}</number>"),
        ("<quantity>2<", f"<quantity>{quantity}<"),
        ("<subtotal>779.00<", f"<subtotal>{goods}<"),
        ("<total>849.00<", f"<total>{total or goods + 70}<"),
        ("<code>0042<", f"<code>{code}<"),
        ("</created>\n", "</created>\n" + (f"    <modified>{modified}</modified>\n" if modified else "")),
        ("</source>\n", "</source>\n" + (f"    <status>{status}</status>\n" if status else "") + extra),
        ("</total>\n", "</total>\n" + (f"    <comment>{comment}</comment>\n" if comment else "")),
    ):
        assert old in text, old
        text = text.replace(old, new)
    return text.encode()
