"""The one hardened XML parser and the XSD check: bytes -> a tree with exact places -> mistakes in words.

Whatever XML enters Mistok enters here. What is hostile, cut, too big or in an unreadable encoding is refused with
:class:`pipeline.errors.Rejected` and one of the codes ``not-xml``, ``truncated``, ``unsafe``, ``encoding``,
``too-large``, ``too-deep``; nothing is ever repaired or guessed.
"""

from __future__ import annotations

from pipeline.xmlio.encoding import garbled, known_encoding, may_be_garbled, open_text, read_text
from pipeline.xmlio.parser import MAX_DEPTH, MAX_NODES, MAX_SIZE, ParsedXml, parse, path_of
from pipeline.xmlio.pieces import Piece, XmlPieces
from pipeline.xmlio.schema import MAX_ERRORS, Schema, SchemaError

__all__ = [
    "MAX_DEPTH",
    "MAX_ERRORS",
    "MAX_NODES",
    "MAX_SIZE",
    "ParsedXml",
    "Piece",
    "Schema",
    "SchemaError",
    "XmlPieces",
    "garbled",
    "known_encoding",
    "may_be_garbled",
    "open_text",
    "parse",
    "path_of",
    "read_text",
]
