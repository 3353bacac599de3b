"""Bytes -> tree, refusing what is hostile before the tree is built.

lxml builds the tree with everything that could reach out switched off. A text that could be hostile or wrong (with a
DOCTYPE, with very many elements, one that lxml refuses) is streamed through expat first: a DOCTYPE stops it at once,
depth and node counts are bounded, and it knows a cut file from a wrong one. Where each element begins is asked of expat
only when somebody is to be told: that pass takes longer than all the others together.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from xml.parsers import expat

from pipeline.errors import Finding, Rejected, Where
from pipeline.texts import T, Text, verbatim
from pipeline.xmlio.encoding import read_text

MAX_SIZE = 50_000_000  #: bytes
MAX_DEPTH = 64  #: elements inside one another
MAX_NODES = 500_000  #: elements and attributes: thousands of orders, a few hundred MB of memory

_codes = expat.errors.codes
_CUT = {
    _codes[expat.errors.XML_ERROR_NO_ELEMENTS],
    _codes[expat.errors.XML_ERROR_UNCLOSED_TOKEN],
    _codes[expat.errors.XML_ERROR_PARTIAL_CHAR],
    _codes[expat.errors.XML_ERROR_UNCLOSED_CDATA_SECTION],
}
_WORDS: dict[str, Text] = {
    expat.errors.XML_ERROR_SYNTAX: T("a syntax error"),
    expat.errors.XML_ERROR_INVALID_TOKEN: T("a character that may not stand here"),
    expat.errors.XML_ERROR_DUPLICATE_ATTRIBUTE: T("the same attribute twice"),
    expat.errors.XML_ERROR_JUNK_AFTER_DOC_ELEMENT: T("something after the end of the document"),
    expat.errors.XML_ERROR_UNDEFINED_ENTITY: T("an entity that XML does not know"),
    expat.errors.XML_ERROR_BAD_CHAR_REF: T("a number of a character that XML does not allow"),
    expat.errors.XML_ERROR_UNBOUND_PREFIX: T("a namespace prefix that is not declared"),
    expat.errors.XML_ERROR_MISPLACED_XML_PI: T("the XML declaration must be the very first thing in the file"),
}
_CONTROL = T(
    "Take control characters out of texts before they are written, in PHP: {code}",
    code=r"preg_replace('/[\x00-\x08\x0B\x0C\x0E-\x1F]/', '', $text)",
)
_SHOWN = 60  #: characters of foreign text in a message
_AMPERSAND = T("Write & as &amp; and < as &lt; in texts; use an XML library (XMLWriter in PHP), which does it for you.")


@dataclass(slots=True)
class ParsedXml:
    """A parsed file. ``root`` is an lxml element without comments and processing instructions."""

    root: Any
    encoding: str
    notes: tuple[Finding, ...]
    file: str
    utf8: bytes = field(repr=False)  #: the text that was parsed
    _guard: _Guard = field(repr=False)

    @property
    def lines(self) -> array[int]:
        """For every element in document order the line where its tag begins (from 1). Raises Rejected where expat
        does not understand what lxml did."""
        return self._guard.ran(self.utf8).lines

    @property
    def columns(self) -> array[int]:
        """As ``lines``, the column."""
        return self._guard.ran(self.utf8).columns

    def places(self) -> Iterator[tuple[Any, int, int]]:
        """Every element in document order with the line and column where its tag begins (from 1)."""
        return zip(self.root.iter(), self.lines, self.columns, strict=True)


def parse(
    data: bytes,
    *,
    file: str,
    default_encoding: str | None = None,
    encoding: str | None = None,
    max_size: int = MAX_SIZE,
    max_depth: int = MAX_DEPTH,
    max_nodes: int = MAX_NODES,
) -> ParsedXml:
    """Parse ``data``; ``file`` is its name for messages, sizes are bytes and counts.

    ``default_encoding`` is that of files which tell none; ``encoding`` is what ``data`` is in, whatever it says itself.

    Raises Rejected with code ``not-xml``, ``truncated``, ``unsafe``, ``encoding``, ``too-large`` or ``too-deep``.
    """
    from lxml import etree

    if len(data) > max_size:
        raise too_large(file, len(data), max_size)
    if not data.strip(b" \t\r\n\0"):
        raise nothing_in(file)
    if encoding is None:
        text, encoding, notes = read_text(data, file=file, default_encoding=default_encoding)
        utf8 = text.encode("utf-8", "surrogatepass")
        del text
    else:
        utf8, notes = (data if encoding == "utf-8" else data.decode(encoding).encode()), ()
    guard = _Guard(file, max_depth, max_nodes)
    # an element needs a "<", an attribute a "="
    if b"<!DOCTYPE" in utf8 or utf8.count(b"<") + utf8.count(b"=") > max_nodes:
        guard.ran(utf8)
    try:
        root = etree.fromstring(utf8, _parser())
    except etree.XMLSyntaxError as error:
        guard.ran(utf8)  # has better words for it
        line, column = error.position
        raise Rejected(
            T("This is not well-formed XML: {words}.", words=verbatim(str(error.msg))),
            code="not-xml",
            where=Where(file, line, column),
        ) from error
    if _deeper_than(max_depth)(root):
        guard.ran(utf8)
    return ParsedXml(root, encoding, notes, file, utf8, guard)


def too_large(file: str, size: int, limit: int) -> Rejected:
    """What is said of so many bytes."""
    return Rejected(
        T("The file has {size} bytes; at most {limit} are read.", size=size, limit=limit),
        code="too-large",
        where=Where(file),
        hint=T("Send fewer orders in one file, or have the admin raise max_size."),
    )


def nothing_in(file: str) -> Rejected:
    """What is said of an empty file."""
    return Rejected(
        T("The file is empty."),
        code="truncated",
        where=Where(file, 1, 1),
        hint=T("Write the file under a temporary name and rename it when it is whole."),
    )


@cache
def _parser() -> Any:
    from lxml import etree

    return etree.XMLParser(
        encoding="utf-8",
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        attribute_defaults=False,
        huge_tree=False,
        recover=False,
        remove_comments=True,
        remove_pis=True,
        collect_ids=False,
    )


@cache
def _deeper_than(depth: int) -> Any:
    """Whether a tree has more than so many elements inside one another."""
    from lxml import etree

    return etree.XPath("boolean(" + "/*" * (depth + 1) + ")")


def path_of(element: Any) -> str:
    """``orders/order[2]/items/item[1]/price``: local names, with a position where there are several."""
    from lxml import etree

    steps = []
    node = element
    while node is not None:
        name = etree.QName(node).localname
        parent = node.getparent()
        if parent is not None and len(twins := [child for child in parent if child.tag == node.tag]) > 1:
            name += f"[{twins.index(node) + 1}]"
        steps.append(name)
        node = parent
    return "/".join(reversed(steps))


class _Guard:
    """The first pass."""

    def __init__(self, file: str, max_depth: int, max_nodes: int) -> None:
        self._file = file
        self._max_depth = max_depth
        self._max_nodes = max_nodes
        self._nodes = 0
        self._open: list[tuple[str, int]] = []
        self.lines = array("L")
        self.columns = array("L")
        self._utf8 = b""
        self._done = False

    def ran(self, utf8: bytes) -> _Guard:
        """Itself, after one pass through the text. Raises Rejected."""
        if not self._done:
            self._run(utf8)
            self._done = True
        return self

    def _run(self, utf8: bytes) -> None:
        self._utf8 = utf8
        self.lines, self.columns = array("L"), array("L")
        try:
            self._prepared().Parse(utf8, True)
        except expat.ExpatError as error:
            raise self._refusal(error) from error
        del self._parser  # it knows our methods, and we know it: nobody would free the text

    def _prepared(self) -> expat.XMLParserType:
        self._parser = expat.ParserCreate("utf-8", " ")
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.StartDoctypeDeclHandler = self._doctype
        self._parser.ordered_attributes = True
        return self._parser

    def _where(self) -> Where:
        return Where(self._file, self._parser.CurrentLineNumber, self._parser.CurrentColumnNumber + 1)

    def _doctype(self, *_: object) -> None:
        raise Rejected(
            T("The file has a DOCTYPE. It is refused unread, because a DOCTYPE can make a program read other files."),
            code="unsafe",
            where=self._where(),
            hint=T("Leave out the <!DOCTYPE …> declaration: an order needs none."),
        )

    def _start(self, name: str, attributes: list[str]) -> None:
        self._nodes += 1 + len(attributes) // 2
        local = name.rpartition(" ")[2]
        self._bounded()
        self._open.append((local, self._parser.CurrentLineNumber))
        self.lines.append(self._parser.CurrentLineNumber)
        self.columns.append(self._parser.CurrentColumnNumber + 1)

    def _bounded(self) -> None:
        if len(self._open) >= self._max_depth:
            raise Rejected(
                T("More than {limit} elements stand inside one another.", limit=self._max_depth),
                code="too-deep",
                where=self._where(),
                hint=T("Close each element before the next one of its kind begins."),
            )
        if self._nodes > self._max_nodes:
            raise Rejected(
                T("The file has more than {limit} elements and attributes.", limit=self._max_nodes),
                code="too-large",
                where=self._where(),
                hint=T("Send fewer orders in one file."),
            )

    def _end(self, _name: str) -> None:
        self._open.pop()

    def _refusal(self, error: expat.ExpatError) -> Rejected:
        line, column = error.lineno, error.offset + 1
        element = "/".join(name for name, _ in self._open) or None
        where = Where(self._file, line, column, element)
        if error.code in _CUT and (self._open or error.code != _codes[expat.errors.XML_ERROR_NO_ELEMENTS]):
            if self._open:
                name, opened = self._open[-1]
                what = T("The file is cut off: <{name}> of line {opened} is never closed.", name=name, opened=opened)
            else:
                what = T("The file is cut off in the middle of a tag.")
            return Rejected(
                what,
                code="truncated",
                where=where,
                hint=T("Write the file under a temporary name and rename it when it is whole; send this one again."),
            )
        message = expat.errors.messages.get(error.code, str(error))
        around = self._around(message)
        if around is not None:
            return Rejected(around[0], code="not-xml", where=where, hint=around[1])
        hint: Text | None = None
        if message == expat.errors.XML_ERROR_TAG_MISMATCH and self._open:
            name, opened = self._open[-1]
            words = T("<{name}> of line {opened} is closed by another name", name=name, opened=opened)
            hint = T("Close <{name}> by </{name}> before the element around it is closed.", name=name)
        else:
            words = _WORDS.get(message, verbatim(message))
            if message in (expat.errors.XML_ERROR_INVALID_TOKEN, expat.errors.XML_ERROR_UNDEFINED_ENTITY):
                hint = _AMPERSAND
            at = self._parser.ErrorByteIndex
            if message == expat.errors.XML_ERROR_INVALID_TOKEN and self._utf8[at - 1 : at] == b"&":
                words = T("an & that is not written as &amp;")
            elif message == expat.errors.XML_ERROR_INVALID_TOKEN and 0 <= at < len(self._utf8) and self._utf8[at] < 32:
                words, hint = T("the control character {code}", code=f"U+{self._utf8[at]:04X}"), _CONTROL
            elif message == expat.errors.XML_ERROR_BAD_CHAR_REF:
                hint = _CONTROL
        what = T("This is not well-formed XML: {words}.", words=words)
        if not self._begun:
            hint = T("An order file begins with <?xml …?> and the element <orders>.")
            if message == expat.errors.XML_ERROR_SYNTAX:
                what = T("This is not XML at all.")
        return Rejected(what, code="not-xml", where=where, hint=hint)

    @property
    def _begun(self) -> bool:
        """Whether any element began."""
        return bool(self.lines)

    def _around(self, message: str) -> tuple[Text, Text] | None:
        """What is said of something that stands before or after the document; None when that is not the trouble."""
        if self._open:
            return None
        start = self._utf8.find(b"<?xml")
        if start < 0 and not self._begun:
            start = self._utf8.find(b"<orders")
        before = self._utf8[: max(start, 0)]
        if before and not before.strip():
            return (
                T("The file begins with blanks or empty lines; <?xml …?> must be the very first thing in it."),
                T("In PHP these are blank lines before <?php or after ?> of some file: leave the closing ?> out."),
            )
        if before:
            return (
                T("The file begins with text that is not XML: {words}", words=_beginning(before)),
                T("Did PHP print a warning into the file? Look at the site's log, and set display_errors = Off."),
            )
        at = self._parser.ErrorByteIndex
        after = self._utf8[at:] if self._begun and at >= 0 else b""
        if after and not after.strip(b"\0 \t\r\n"):
            return (
                T("After the end of the document there are {n} NUL bytes.", n=after.count(b"\0")),
                T("The file was not written to its end, or was given a size beforehand: write it anew, and whole."),
            )
        if message == expat.errors.XML_ERROR_JUNK_AFTER_DOC_ELEMENT:
            return (
                T("After the end of the document there is more: {words}", words=_beginning(after)),
                T("Write nothing after </orders>; a PHP warning there is told in the site's log."),
            )
        return None


def _beginning(data: bytes) -> str:
    """The first characters of foreign text, in one line."""
    words = " ".join(data[: 8 * _SHOWN].decode("utf-8", "replace").replace("\0", "").split())
    return words if len(words) <= _SHOWN else words[: _SHOWN - 1] + "…"
