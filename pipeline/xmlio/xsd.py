"""What an XSD declares, as far as messages and documentation need it: children, which must be there, examples, texts.

It reads the common shape (global elements, named or inline types, all/sequence/choice, simple types by restriction,
simple content). What it does not understand it leaves out: the validator itself is libxml2's, never this.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

XS = "{http://www.w3.org/2001/XMLSchema}"
_XML_LANG = "{http://www.w3.org/XML/1998/namespace}lang"
_NUMBERS = {"decimal", "integer", "int", "long", "nonNegativeInteger", "positiveInteger", "double", "float"}


@dataclass(frozen=True, slots=True)
class Declared:
    """One element as declared at its place."""

    name: str
    required: bool
    many: bool
    example: str
    docs: Mapping[str, str]  #: language -> text
    children: tuple[Declared, ...]
    attributes: tuple[tuple[str, bool], ...]  #: name, required
    base: str  #: the built-in type underneath a simple value, such as ``decimal``; empty for element content
    allowed: tuple[str, ...]  #: enumerated values
    type_name: str

    @property
    def numeric(self) -> bool:
        """Whether it holds a number."""
        return self.base in _NUMBERS

    def sample(self) -> str:
        """How it is written: ``<id>4711</id>``."""
        attributes = "".join(f' {name}="…"' for name, required in self.attributes if required)
        return f"<{self.name}{attributes}>{self.example or '…'}</{self.name}>"


class Declarations:
    """The declarations of one XSD."""

    def __init__(self, schema: Any) -> None:
        self._types = {node.get("name"): node for node in schema if node.tag in (f"{XS}complexType", f"{XS}simpleType")}
        self._elements = {node.get("name"): node for node in schema if node.tag == f"{XS}element"}
        self.roots: Mapping[str, Declared] = {
            name: self._element(node, (), multiple=False) for name, node in self._elements.items()
        }

    def at(self, element: Any) -> Declared | None:
        """The declaration of a document's ``element``, by its path from the root; None where there is none."""
        names = [_local_tag(node) for node in (element, *element.iterancestors())][::-1]
        found = self.roots.get(names[0])
        for name in names[1:]:
            found = next((child for child in found.children if child.name == name), None) if found else None
        return found

    def parents(self, name: str) -> list[str]:
        """Names of the elements that may hold an element called ``name``."""
        return sorted({above.name for _, above in self.walk() if any(c.name == name for c in above.children)})

    def walk(self) -> Iterator[tuple[str, Declared]]:
        """Every declared element with its path, parents first."""
        stack = [(name, declared) for name, declared in reversed(list(self.roots.items()))]
        while stack:
            path, declared = stack.pop()
            yield path, declared
            stack.extend((f"{path}/{child.name}", child) for child in reversed(declared.children))

    def simple_types(self) -> Mapping[str, Declared]:
        """The named simple types with their texts and enumerated values."""
        found = {}
        for name, node in self._types.items():
            if node.tag == f"{XS}simpleType":
                base, allowed = self._simple(node, name)
                example, docs = _annotation(node)
                found[name] = Declared(name, False, False, example, docs, (), (), base, allowed, name)
        return found

    def _element(self, node: Any, above: tuple[str, ...], *, multiple: bool) -> Declared:
        if node.get("ref"):
            target = self._elements.get(_local(node.get("ref")))
            if target is not None:
                node = target
        type_name = _local(node.get("type", ""))
        kind = self._types.get(type_name)
        if kind is None:
            kind = next((child for child in node if child.tag in (f"{XS}complexType", f"{XS}simpleType")), None)
        children: tuple[Declared, ...] = ()
        attributes: tuple[tuple[str, bool], ...] = ()
        if kind is not None and kind.tag == f"{XS}complexType" and (not type_name or type_name not in above):
            inner = (*above, type_name) if type_name else above
            children = tuple(self._children(kind, inner, optional=False, many=False))
            attributes = tuple((a.get("name", ""), a.get("use") == "required") for a in kind.iter(f"{XS}attribute"))
        base, allowed = self._simple(kind, type_name)
        example, docs = _annotation(node)
        if kind is not None:
            own_example, own_docs = _annotation(kind)
            example, docs = example or own_example, docs or own_docs
        many = multiple or node.get("maxOccurs", "1") not in ("0", "1")
        required = node.get("minOccurs", "1") != "0"
        return Declared(
            node.get("name", ""), required, many, example, docs, children, attributes, base, allowed, type_name
        )

    def _children(self, node: Any, above: tuple[str, ...], *, optional: bool, many: bool) -> Iterator[Declared]:
        for child in node:
            if child.tag == f"{XS}element":
                declared = self._element(child, above, multiple=many)
                if optional and declared.required:
                    declared = _optional(declared)
                yield declared
            elif child.tag in (f"{XS}all", f"{XS}sequence", f"{XS}choice", f"{XS}complexContent", f"{XS}extension"):
                free = optional or child.tag == f"{XS}choice" or child.get("minOccurs", "1") == "0"
                several = many or child.get("maxOccurs", "1") not in ("0", "1")
                yield from self._children(child, above, optional=free, many=several)

    def _simple(self, kind: Any, type_name: str) -> tuple[str, tuple[str, ...]]:
        allowed: tuple[str, ...] = ()
        base = type_name
        for _ in range(20):  # a chain of restrictions is short; a circle is refused by the validator
            if kind is None:
                return base, allowed
            step = next(kind.iter(f"{XS}restriction", f"{XS}extension", f"{XS}union"), None)
            if step is None:
                return "", allowed
            allowed = allowed or tuple(item.get("value") for item in step.iter(f"{XS}enumeration"))
            base = _local(step.get("base", "") or (step.get("memberTypes", "").split() or [""])[0])
            kind = self._types.get(base)
        return base, allowed


def alone_in(schema: Any) -> Iterator[tuple[str, str]]:
    """(root, child) of global elements that hold a sequence of nothing but one element, any number of times; none when
    the schema asks of values that they are unique, or refer to one another, in a whole document."""
    if next(schema.iter(*(f"{XS}{name}" for name in ("key", "keyref", "unique"))), None) is not None:
        return
    words = {_local(value) for node in schema.iter() for value in node.attrib.values()}
    if words & {"ID", "IDREF", "IDREFS", "ENTITY", "ENTITIES"}:
        return
    for node in schema.findall(f"{XS}element"):
        kinds = node.findall(f"{XS}complexType")
        groups = [part for kind in kinds for part in kind if part.tag not in (f"{XS}annotation", f"{XS}attribute")]
        if len(groups) != 1 or groups[0].tag != f"{XS}sequence" or set(groups[0].attrib):
            continue
        inner = [part for part in groups[0] if part.tag != f"{XS}annotation"]
        if len(inner) == 1 and inner[0].tag == f"{XS}element" and inner[0].get("maxOccurs") == "unbounded":
            least = inner[0].get("minOccurs", "1")
            if least in ("0", "1"):
                yield node.get("name", ""), inner[0].get("name", "")


def _optional(declared: Declared) -> Declared:
    return replace(declared, required=False)


def _local_tag(node: Any) -> str:
    return str(node.tag).rpartition("}")[2]


def _local(name: str) -> str:
    return name.rpartition(":")[2]


def _annotation(node: Any) -> tuple[str, dict[str, str]]:
    example = ""
    docs: dict[str, str] = {}
    for annotation in node.findall(f"{XS}annotation"):
        for part in annotation:
            words = " ".join((part.text or "").split())
            if part.tag == f"{XS}appinfo":
                example = words
            elif part.tag == f"{XS}documentation":
                docs[part.get(_XML_LANG, "en")] = words
    return example, docs
