"""The part of :mod:`pipeline.api` that reading order files needs: the standard library and lxml stand behind it.

A process that only reads loads this instead of the whole, which brings pydantic and all ports of systems with it.
"""

from __future__ import annotations

from pipeline.decoded import Decoded, DecodedOrder, FormatContext
from pipeline.errors import Finding, Rejected, Where
from pipeline.model import CENT, Address, Delivery, Discount, Order, OrderLine, Party, Payment, cents
from pipeline.resources import schemas
from pipeline.rules.parties import full_name, normal_party, party_findings
from pipeline.texts import T, Text
from pipeline.xmlio import (
    MAX_ERRORS,
    ParsedXml,
    Schema,
    SchemaError,
    garbled,
    may_be_garbled,
    path_of,
)
from pipeline.xmlio import parse as parse_xml

__all__ = [
    "CENT",
    "MAX_ERRORS",
    "Address",
    "Decoded",
    "DecodedOrder",
    "Delivery",
    "Discount",
    "Finding",
    "FormatContext",
    "Order",
    "OrderLine",
    "ParsedXml",
    "Party",
    "Payment",
    "Rejected",
    "Schema",
    "SchemaError",
    "T",
    "Text",
    "Where",
    "cents",
    "full_name",
    "garbled",
    "may_be_garbled",
    "normal_party",
    "parse_xml",
    "party_findings",
    "path_of",
    "schemas",
]
