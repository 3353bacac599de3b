"""Order XML of any shape, looked into by XPath."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

from pipeline.api import ParsedXml, T, Unread
from plugins.formats._declared.convert import Wrong
from plugins.formats._declared.record import Value, summed

Namespaces = tuple[tuple[str, str], ...]
_WORDS = re.compile(r"@?[\w.-]+")
_XSI = "{http://www.w3.org/2001/XMLSchema-instance}"


def path_mistake(path: str, namespaces: Namespaces) -> ValueError | None:
    """What is wrong with an XPath; None when nothing is."""
    from lxml import etree

    try:
        # prefixes and functions are only looked up when it is used
        compiled(path, namespaces)(etree.Element("mistok"))
    except etree.XPathError as error:
        words = str(error)
        if "prefix" in words:
            return ValueError(
                T("`{path}` uses a namespace prefix that is not declared.", path=path),
                T("Declare it: `namespaces: {example}`.", example='{o: "urn:…"}'),
            )
        return ValueError(
            T("`{path}` is no XPath: {words}.", path=path, words=words),
            T("Write such as `customer/phone`, `@id`, `param[@name='color']`."),
        )
    return None


@lru_cache(maxsize=1024)
def compiled(path: str, namespaces: Namespaces) -> Any:
    """The XPath, ready to be used. Raises lxml's XPathSyntaxError."""
    from lxml import etree

    return etree.XPath(path, namespaces=dict(namespaces) or None)


class XmlFile:
    """A parsed file: where each element stands, and what was read of it."""

    def __init__(self, document: ParsedXml, namespaces: Mapping[str, str]) -> None:
        self.document = document
        self.namespaces: Namespaces = tuple(sorted(namespaces.items()))
        # lxml makes its elements anew whenever nobody holds them
        self.elements: list[Any] = list(document.root.iter())
        self._index = {element: index for index, element in enumerate(self.elements)}
        self._steps: dict[Any, str] = {}
        self.seen: set[tuple[int, str]] | None = None  #: (element, attribute or ""), when somebody wants to know

    def orders(self, path: str, items: str) -> tuple[XmlRecord, ...]:
        """The elements at ``path``. Raises Wrong when something else is there."""
        return tuple(XmlRecord(self, one, items) for one in self.find(self.document.root.getroottree(), path))

    def find(self, around: Any, path: str) -> list[Any]:
        """The elements at ``path``. Raises Wrong when something else is there."""
        found = self.evaluate(around, path)
        if not isinstance(found, list) or not all(hasattr(one, "tag") for one in found):
            raise Wrong(T("`{path}` gives no elements", path=path), T("Correct the path in the mapping."))
        return found

    def evaluate(self, around: Any, path: str) -> Any:
        """What an XPath gives: a list of nodes, a text, a number, or yes and no. Raises Wrong."""
        from lxml import etree

        try:
            return compiled(path, self.namespaces)(around)
        except etree.XPathError as error:
            raise Wrong(T("`{path}` is no XPath: {words}.", path=path, words=str(error))) from error

    def path(self, element: Any) -> str:
        """``orders/order[2]/items/item[1]/price``: local names, with a position where there are several."""
        steps = []
        node = element
        while node is not None:
            if node not in self._steps:
                self._name(node)
            steps.append(self._steps[node])
            node = node.getparent()
        return "/".join(reversed(steps))

    def _name(self, element: Any) -> None:
        """Name it and what stands beside it: a file of many orders would be counted through for each of them."""
        parent = element.getparent()
        beside = [element] if parent is None else list(parent)
        totals = Counter(one.tag for one in beside)
        so_far: Counter[Any] = Counter()
        for one in beside:
            so_far[one.tag] += 1
            self._steps[one] = local_name(one) + (f"[{so_far[one.tag]}]" if totals[one.tag] > 1 else "")

    def line(self, element: Any) -> tuple[int, int]:
        """Line and column where an element begins."""
        index = self._index[element]
        return self.document.lines[index], self.document.columns[index]

    def look(self, element: Any, attribute: str, path: str) -> None:
        """Remember what was read. A condition of the path reads what it names."""
        if self.seen is None:
            return
        index = self._index[element]
        self.seen.add((index, attribute))
        if "[" in path:
            self.seen.update((index, word[1:]) for word in _WORDS.findall(path) if word.startswith("@"))

    def look_around(self, element: Any, path: str) -> None:
        """Remember what an expression without a node of its own (``concat(a, b)``) may have read below ``element``."""
        if self.seen is None:
            return
        words = set(_WORDS.findall(path))
        for one in element.iter():
            index = self._index[one]
            if local_name(one) in words:
                self.seen.add((index, ""))
            self.seen.update((index, name) for name in one.attrib if f"@{name}" in words)

    def unread(self) -> tuple[Unread, ...]:
        """What nothing was read of, since ``seen`` is kept."""
        return summed(self._unread(self.seen or set()))

    def _unread(self, seen: set[tuple[int, str]]) -> Iterator[tuple[str, str, int | None]]:
        paths: dict[Any, str] = {}
        for index, element in enumerate(self.elements):
            parent = element.getparent()
            path = paths[element] = f"{paths[parent]}/{local_name(element)}" if index else local_name(element)
            line = self.document.lines[index]
            for name, words in element.attrib.items():
                if (index, name) not in seen and not name.startswith(_XSI) and words.strip():
                    yield f"{path}/@{name.rpartition('}')[2]}", words, line
            words = (element.text or "") if not len(element) else "".join(_loose(element))
            if words.strip() and (index, "") not in seen:
                yield path, words, line


class XmlRecord:
    """An element that values are taken from."""

    def __init__(self, file: XmlFile, element: Any, items: str = "") -> None:
        self._file = file
        self.element = element
        self._items = items

    def values(self, path: str) -> Sequence[Value]:
        """What an XPath gives, as texts. Raises Wrong for what cannot be one text without guessing."""
        found = self._file.evaluate(self.element, path)
        if isinstance(found, bool):
            self._file.look_around(self.element, path)
            return (Value("true" if found else "false", self.element),)
        if isinstance(found, float):
            # XPath reckons in binary fractions: right for counting, wrong for money
            if not found.is_integer():
                raise Wrong(
                    T("`{path}` reckons, and XPath cannot reckon exactly", path=path),
                    T("Take the numbers as the file has them."),
                )
            self._file.look_around(self.element, path)
            return (Value(str(int(found)), self.element),)
        if isinstance(found, str):
            self._file.look_around(self.element, path)
            return (Value(found, self.element),) if found.strip() else ()
        return [value for node in found if (value := self._value(node, path)) is not None]

    def _value(self, node: Any, path: str) -> Value | None:
        if not hasattr(node, "tag"):
            owner, attribute = node.getparent(), node.attrname if node.is_attribute else ""
            self._file.look(owner, attribute, path)
            return Value(str(node), owner) if node.strip() else None
        if len(node):
            if not "".join(node.itertext()).strip():
                return None
            raise Wrong(
                T("`{path}` is an element that holds others", path=path),
                T("Name the one that holds the value, or write `string({path})` for all of its text.", path=path),
            )
        self._file.look(node, "", path)
        return Value(node.text, node) if (node.text or "").strip() else None

    def records(self, path: str) -> Sequence[XmlRecord]:
        """The elements at a path. Raises Wrong when something else is there."""
        return tuple(XmlRecord(self._file, one) for one in self._file.find(self.element, path))

    def items(self) -> Sequence[XmlRecord]:
        """The order's items. Raises Wrong."""
        return self.records(self._items)

    def place(self, at: Any = None) -> tuple[str, int, int]:
        """Path, line and column of an element: of this record's own without one."""
        element = self.element if at is None else at
        return self._file.path(element), *self._file.line(element)

    def fragment(self) -> bytes:
        """Canonical XML, without comments, and without blanks between elements."""
        return canonical(self.element)


def local_name(element: Any) -> str:
    """Its name without the namespace."""
    return str(element.tag).rpartition("}")[2]


def canonical(element: Any) -> bytes:
    """The element's own bytes (C14N), white space between elements left out. The tree itself stays as it is."""
    from copy import deepcopy

    from lxml import etree

    copy = deepcopy(element)
    for node in copy.iter():
        if len(node) and not (node.text or "").strip():
            node.text = None
        if node is not copy and not (node.tail or "").strip():
            node.tail = None
    copy.tail = None
    return bytes(etree.tostring(copy, method="c14n", exclusive=True, with_comments=False, with_tail=False))


def _loose(element: Any) -> Iterator[str]:
    """Text that stands beside child elements."""
    for words in (element.text, *(child.tail for child in element)):
        if words and words.strip():
            yield words.strip()
