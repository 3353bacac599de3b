"""An XSD, compiled once: a tree in, mistakes out, each with its place, its rule and words for a site's developer.

The words come from the schema itself as well: an element's example is its ``xs:appinfo``, what is missing is worked out
from the declarations, because the validator's own list names optional elements too.
"""

from __future__ import annotations

import re
from copy import deepcopy
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from pipeline.errors import ConfigError, Finding, Rejected, Where
from pipeline.texts import T, Text, verbatim
from pipeline.xmlio.parser import ParsedXml, parse, path_of
from pipeline.xmlio.xsd import Declarations, Declared, alone_in

MAX_ROUNDS = 20
SHOWN = 60  #: characters of a file's own text in a message
MAX_ERRORS = 200  #: more mistakes than this in one file are counted, not listed

_NS = re.compile(r"\{[^{}' ]*\}")
_ATTRIBUTE = re.compile(r"attribute '([^']*)'")
_STEP = re.compile(r"(?:([^:/@\[]+):)?([^:/@\[]+)(?:\[(\d+)\])?\Z")
_QUOTED = re.compile(r"'((?:[^'])*)'")
_LIMIT = re.compile(r"'([^']*)'[).]*\s*$")


@dataclass(frozen=True, slots=True)
class SchemaError:
    """One breach of the schema. ``rule`` is stable: ``missing``, ``unexpected``, ``value``, ``attribute``, ``text``."""

    rule: str
    message: Text
    hint: Text | None
    line: int
    column: int
    path: str
    element: Any  #: the lxml element that it was found at

    def finding(self, file: str, order: str | None = None) -> Finding:
        """As a finding with code ``xsd``."""
        return Finding(
            f"xsd-{self.rule}", self.message, Where(file, self.line, self.column, self.path, order), self.hint
        )


class Schema:
    """A compiled XSD. Safe to share; :meth:`check` is pure."""

    def __init__(self, data: bytes, *, file: str) -> None:
        """Compile ``data``. Raises ConfigError when it is no schema, or would fetch another file."""
        from lxml import etree

        try:
            tree = parse(data, file=file)
        except Rejected as error:
            raise ConfigError(error.text, hint=error.hint, where=error.findings[0].where) from error
        for outside in tree.root.iter("{*}import", "{*}include", "{*}redefine"):
            if outside.get("schemaLocation"):
                raise ConfigError(
                    T(
                        "{file} wants to load {other}: a schema must be one file.",
                        file=file,
                        other=outside.get("schemaLocation"),
                    ),
                    hint=T("Copy the other schema's declarations into this file."),
                    where=Where(file, outside.sourceline),
                )
        try:
            self._compiled = etree.XMLSchema(tree.root)
        except etree.XMLSchemaParseError as error:
            last = error.error_log.last_error
            raise ConfigError(
                T("{file} is not a valid XSD: {words}", file=file, words=verbatim(_NS.sub("", str(error)))),
                where=Where(file, last.line if last is not None else None),
            ) from error
        self.namespace: str = tree.root.get("targetNamespace", "")
        self.version: str = tree.root.get("version", "")
        self.declarations = Declarations(tree.root)
        self._alone = frozenset(alone_in(tree.root))

    @classmethod
    def load(cls, path: Path) -> Schema:
        """The schema at ``path``, compiled once for each version of the file. Raises ConfigError."""
        try:
            stat = path.stat()
        except OSError as error:
            raise ConfigError(
                T("The schema {path} cannot be read.", path=str(path)),
                hint=T("Write the path of the XSD relative to the config, or leave `xsd` out to use the built-in one."),
            ) from error
        return _load(path, stat.st_mtime_ns, stat.st_size)

    def one_by_one(self, root: str, child: str) -> bool:
        """Whether a document is right when each ``child`` of its ``root`` is: that one alone may stand there, as often
        as one likes, and nothing must be another, or the same, in all of the document."""
        return (root, child) in self._alone

    def check(self, document: ParsedXml) -> tuple[SchemaError, ...]:
        """Every breach in ``document``, in the order of the file (at most MAX_ERRORS); empty when it conforms."""
        if self._compiled.validate(document.root):
            return ()
        places = {id(element): (element, line, column) for element, line, column in document.places()}
        # The validator looks at nothing that follows an unexpected element in its parent: it is taken out of a copy,
        # which is then checked again, so that one report names everything.
        work = deepcopy(document.root)
        real = {id(copy): (copy, element) for copy, element in zip(work.iter(), document.root.iter(), strict=True)}
        seen: set[tuple[int, str]] = set()
        errors: list[SchemaError] = []
        for _ in range(MAX_ROUNDS):
            unexpected = []
            valid = self._compiled.validate(work)
            for entry in self._compiled.error_log if not valid else ():
                copy = _at(work, entry.path or "")
                _, element = real[id(copy)]
                _, line, column = places[id(element)]
                error = self._put(element, entry.type_name, entry.message, line, column)
                # a broken facet is reported as a wrong type too: the first says more
                key = (id(element), f"{error.rule} {_ATTRIBUTE.findall(entry.message)}")
                if key not in seen:
                    seen.add(key)
                    errors.append(error)
                if error.rule == "unexpected":
                    unexpected.append(copy)
                if len(errors) >= MAX_ERRORS:
                    break
            if not unexpected or len(errors) >= MAX_ERRORS:
                break
            for copy in unexpected:
                if copy.getparent() is not None:
                    copy.getparent().remove(copy)
        return tuple(sorted(errors, key=lambda error: (error.line, error.column)))

    def _put(self, element: Any, kind: str, raw: str, line: int, column: int) -> SchemaError:
        message = _NS.sub("", raw)
        name = _local(element)
        path = path_of(element)
        declared = self.declarations.at(element)
        rule, text, hint = self._words(element, name, kind, message, declared)
        return SchemaError(rule, text, hint, line, column, path, element)

    def _words(
        self, element: Any, name: str, kind: str, message: str, declared: Declared | None
    ) -> tuple[str, Text, Text | None]:
        attribute = next(iter(_ATTRIBUTE.findall(message)), "")
        value = (element.get(attribute) if attribute else element.text) or ""
        if kind in ("SCHEMAV_ELEMENT_CONTENT", "SCHEMAV_CVC_COMPLEX_TYPE_2_4"):
            return self._content(element, name, message, declared)
        if kind == "SCHEMAV_CVC_ELT_1":
            roots = ", ".join(f"<{root}>" for root in self.declarations.roots)
            return "root", T("The document begins with <{name}>, not with {roots}.", name=name, roots=roots), None
        if kind == "SCHEMAV_CVC_COMPLEX_TYPE_4":
            missing = next(iter(_QUOTED.findall(message.split("attribute", 1)[-1])), "")
            return (
                "attribute",
                T("<{name}> must have the attribute {attribute}.", name=name, attribute=missing),
                T("Such as {example}", example=f'<{name} {missing}="…">'),
            )
        if kind == "SCHEMAV_CVC_COMPLEX_TYPE_3_2_1":
            return (
                "attribute",
                T("<{name}> may not have the attribute {attribute}.", name=name, attribute=attribute),
                T("Leave it out, or write it as an element that the format knows."),
            )
        if kind == "SCHEMAV_CVC_COMPLEX_TYPE_2_3":
            return (
                "text",
                T("<{name}> holds elements; there is loose text in it.", name=name),
                T("Put the text into one of its elements: {names}.", names=_names(declared)),
            )
        if kind in ("SCHEMAV_CVC_TYPE_3_1_2", "SCHEMAV_CVC_COMPLEX_TYPE_2_2"):
            return (
                "value",
                T("<{name}> holds a plain value; there are elements in it.", name=name),
                _example(name, declared),
            )
        return ("value", *_value(name, attribute, value, kind, message, declared))

    def _content(
        self, element: Any, name: str, message: str, declared: Declared | None
    ) -> tuple[str, Text, Text | None]:
        if "Missing child" in message:
            present = {_local(child) for child in element}
            missing = [child for child in (declared.children if declared else ()) if child.required]
            lacking = [child for child in missing if child.name not in present]
            names = ", ".join(f"<{child.name}>" for child in lacking) or message.partition("Expected is")[2].strip(" .")
            hint = None
            if lacking:
                hint = T("Add {example}", example=lacking[0].sample())
            return "missing", T("<{name}> lacks {names}.", name=name, names=names), hint
        parent = element.getparent()
        above = _local(parent) if parent is not None else ""
        around = self.declarations.at(parent) if parent is not None else None
        known = [child.name for child in around.children] if around else []
        if name in known:
            return (
                "unexpected",
                T("<{name}> may stand only once in <{parent}>, or not at this place.", name=name, parent=above),
                T("Leave one <{name}>.", name=name),
            )
        close = _close(name, known)
        elsewhere = self.declarations.parents(name)
        if close:
            hint = T("Did you mean <{close}>?", close=close)
        elif elsewhere:
            hint = T("<{name}> belongs into {parents}.", name=name, parents=", ".join(f"<{p}>" for p in elsewhere))
        else:
            hint = T("<{parent}> may hold: {names}.", parent=above, names=_names(around))
        return "unexpected", T("<{parent}> may not hold <{name}>.", name=name, parent=above), hint


def _value(
    name: str, attribute: str, value: str, kind: str, message: str, declared: Declared | None
) -> tuple[Text, Text | None]:
    shown = value if len(value) <= SHOWN else value[: SHOWN - 1] + "…"
    place = f"{name} {attribute}=" if attribute else name
    hint = None if attribute else _example(name, declared)
    numeric = declared is not None and declared.numeric and not attribute
    if not value.strip():
        if declared is not None and not declared.required:
            hint = T("Leave <{name}> out when there is nothing to say.", name=name)
        return T("<{place}> is empty.", place=place), hint
    if kind == "SCHEMAV_CVC_ENUMERATION_VALID":
        allowed = ", ".join(_QUOTED.findall(message.partition("the set")[2]))
        close = _close(value.strip(), allowed.split(", "))
        if close:
            hint = T("Did you mean {close}? Allowed: {allowed}.", close=close, allowed=allowed)
        else:
            hint = T("Allowed: {allowed}.", allowed=allowed)
        return T("<{place}> is {value}, which the format does not know.", place=place, value=shown), hint
    limit = next(iter(_LIMIT.findall(message)), "")
    if kind == "SCHEMAV_CVC_MAXLENGTH_VALID":
        text = T("<{place}> has {n} characters; at most {limit} fit.", place=place, n=len(value.strip()), limit=limit)
        return text, T("Shorten it.")
    if kind in ("SCHEMAV_CVC_MININCLUSIVE_VALID", "SCHEMAV_CVC_MINEXCLUSIVE_VALID"):
        if kind == "SCHEMAV_CVC_MINEXCLUSIVE_VALID":
            return T("<{place}> is {value}; it must be more than {limit}.", place=place, value=shown, limit=limit), hint
        return T("<{place}> is {value}; it must be {limit} or more.", place=place, value=shown, limit=limit), hint
    if kind == "SCHEMAV_CVC_MAXINCLUSIVE_VALID":
        return T("<{place}> is {value}; it must be {limit} or less.", place=place, value=shown, limit=limit), hint
    if kind == "SCHEMAV_CVC_FRACTIONDIGITS_VALID":
        return T("<{place}> is {value}: more than {limit} decimals.", place=place, value=shown, limit=limit), T(
            "Round it to {limit} decimals.", limit=limit
        )
    if numeric and re.fullmatch(r"[-+]?[\d\s\u00a0\u202f]*[.,]?\d+", value.strip()):
        right = re.sub(r"[\s\u00a0\u202f]", "", value).replace(",", ".")
        if len(right) > SHOWN:
            return T("<{place}> is {value}: not a number.", place=place, value=shown), hint
        return T("<{place}> is {value}: not a number as XML writes it.", place=place, value=shown), T(
            "Write the decimal point as a dot, with no spaces: <{name}>{right}</{name}>.", name=name, right=right
        )
    if numeric:
        return T("<{place}> is {value}: not a number.", place=place, value=shown), hint
    return T("<{place}> is {value}: not of the form that the format asks for.", place=place, value=shown), hint


def _example(name: str, declared: Declared | None) -> Text | None:
    if declared is None or not declared.example:
        return None
    return T("Write it such as {example}", example=f"<{name}>{declared.example}</{name}>")


def _at(root: Any, path: str) -> Any:
    """The element that libxml2's node path names. As XPath it would need the prefixes that the file happens to use."""
    node = None
    for step in path.strip("/").split("/"):
        match = _STEP.match(step)
        if match is None:
            break  # an attribute: its element is meant
        prefix, name, position = match[1], match[2], int(match[3] or 1)
        children = [root] if node is None else list(node)
        if name != "*":
            children = [child for child in children if child.prefix == prefix and _local(child) == name]
        if len(children) < position:
            break
        node = children[position - 1]
    return root if node is None else node


def _local(element: Any) -> str:
    return str(element.tag).rpartition("}")[2]


def _names(declared: Declared | None) -> str:
    return ", ".join(child.name for child in declared.children) if declared else ""


def _close(word: str, known: list[str]) -> str | None:
    from rapidfuzz import fuzz, process

    found = process.extractOne(word.lower(), known, scorer=fuzz.ratio, score_cutoff=70)
    return str(found[0]) if found else None


@lru_cache(maxsize=32)
def _load(path: Path, _version: int, _size: int) -> Schema:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ConfigError(T("The schema {path} cannot be read.", path=str(path))) from error
    return Schema(data, file=path.name)
