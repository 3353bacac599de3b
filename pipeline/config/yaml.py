"""Reads one YAML file strictly: text stays text, nothing is guessed, every key and value has its place.

PyYAML's composer gives the node graph; its YAML 1.1 guesses (``no`` -> False, ``0042`` -> 34, ``12:30`` -> 750) are
never asked. What a scalar means is decided later, by the type of the field that takes it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import yaml
from yaml.composer import Composer
from yaml.parser import Parser
from yaml.reader import Reader
from yaml.scanner import Scanner

from pipeline.errors import Finding, Where, Who, system_words
from pipeline.texts import T, Text

MAX_BYTES = 1_000_000
MAX_NODES = 50_000  #: after aliases are expanded
MAX_DEPTH = 40

_NULLS = ("", "~", "null", "Null", "NULL")
_BOOLS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_PLAIN = "plain"
_STR = "tag:yaml.org,2002:str"
_TEXT_TAGS = frozenset(
    {_PLAIN, _STR, "tag:yaml.org,2002:int", "tag:yaml.org,2002:float", "tag:yaml.org,2002:timestamp"}
)
_MAP_TAGS = frozenset({_PLAIN, "tag:yaml.org,2002:map"})
_SEQ_TAGS = frozenset({_PLAIN, "tag:yaml.org,2002:seq"})


@dataclass(frozen=True, slots=True)
class Mark:
    """A place in a file. Line and column count from 1."""

    file: str
    line: int
    column: int

    def where(self, element: str | None = None) -> Where:
        """The same as a finding's place."""
        return Where(file=self.file, line=self.line, column=self.column, element=element)


@dataclass(frozen=True, slots=True)
class Scalar:
    """One value: text as written, or None or a bool for YAML 1.2's own words. ``text`` is always the text."""

    mark: Mark
    # a password may stand here: not even a debugger's dump shows it
    value: str | bool | None = field(repr=False)
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Sequence:
    """A list."""

    mark: Mark
    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """One value of a mapping, and the place of its key."""

    key_mark: Mark
    node: Node


@dataclass(frozen=True, slots=True)
class Mapping:
    """A mapping. Keys are text as written, in the order of the file."""

    mark: Mark
    entries: dict[str, Entry] = field(default_factory=dict)

    def get(self, key: str) -> Node | None:
        """The value of ``key``, or None."""
        entry = self.entries.get(key)
        return entry.node if entry else None

    def without(self, *keys: str) -> Mapping:
        """The same without some keys."""
        return replace(self, entries={key: entry for key, entry in self.entries.items() if key not in keys})


Node = Scalar | Sequence | Mapping


class YamlProblem(Exception):
    """The file cannot be read at all; carries why."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.code)
        self.finding = finding


def problem(code: str, mark: Mark, text: Text, hint: Text | None = None, element: str | None = None) -> Finding:
    """A finding at ``mark`` for the admin."""
    return Finding(code, text, mark.where(element), hint, Who.ADMIN)


def plain(node: Node) -> Any:
    """The data alone: dicts, lists, text, bools and None."""
    match node:
        case Scalar():
            return node.value
        case Sequence():
            return [plain(item) for item in node.items]
        case Mapping():
            return {key: plain(entry.node) for key, entry in node.entries.items()}


def read_yaml(path: Path, shown: str | None = None, *, last_twin: bool = False) -> tuple[Node, tuple[Finding, ...]]:
    """The file's root node, and findings that did not stop the reading (twin keys, unknown tags).

    ``shown`` is the name for messages (the path when not given). Of a key that is there twice the first counts, or
    the ``last_twin``. Raises YamlProblem when nothing can be read.
    """
    name = shown or str(path)
    return parse_yaml(read_text(path, name), name, last_twin=last_twin)


def read_text(path: Path, name: str) -> str:
    """The text of a config file called ``name`` in messages. Raises YamlProblem."""
    top = Mark(name, 1, 1)
    try:
        size = path.stat().st_size
        data = b"" if size > MAX_BYTES else path.read_bytes()
    except FileNotFoundError:
        raise YamlProblem(
            Finding(
                "config-file",
                T("There is no file {path}.", path=name),
                Where(file=name),
                T("Check the path; `mistok init DIR` makes a new client folder."),
                Who.ADMIN,
            )
        ) from None
    except (OSError, ValueError) as error:
        text = T("{path} cannot be read: {words}", path=name, words=system_words(error))
        raise YamlProblem(Finding("config-file", text, Where(file=name), None, Who.ADMIN)) from None
    if size > MAX_BYTES:
        text = T("The file has {size} bytes; a config has at most {limit}.", size=size, limit=MAX_BYTES)
        raise YamlProblem(problem("config-file", top, text))
    return _decode(data, name)


def parse_yaml(text: str, name: str, *, last_twin: bool = False) -> tuple[Node, tuple[Finding, ...]]:
    """Like :func:`read_yaml`, of text already decoded."""
    try:
        root = _compose(text, name)
    except yaml.MarkedYAMLError as error:
        raise YamlProblem(_syntax(error, name)) from None
    except yaml.reader.ReaderError as error:
        mark = _mark_at(text, error.position, name)
        words = T("Character {code} may not stand in a YAML file.", code=f"U+{ord(text[error.position]):04X}")
        raise YamlProblem(problem("yaml-syntax", mark, words, T("Delete it, or type that line again."))) from None
    except (ValueError, OverflowError) as error:
        # PyYAML lets these two out of `\\U…` escapes and numbers of versions that are too large
        words = T("The file has an escape or a number that YAML does not allow: {kind}.", kind=type(error).__name__)
        hint = T("Write Windows paths in single quotes: 'C:\\orders'.")
        raise YamlProblem(problem("yaml-syntax", Mark(name, 1, 1), words, hint)) from None
    if root is None:
        raise YamlProblem(problem("yaml-empty", Mark(name, 1, 1), T("The file is empty.")))
    builder = _Builder(name, last_twin=last_twin)
    node = builder.build(root)
    return node, tuple(builder.findings)


def _decode(data: bytes, name: str) -> str:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise YamlProblem(
            problem(
                "yaml-encoding", Mark(name, 1, 1), T("The file is in UTF-16."), T("Save it as UTF-8 in your editor.")
            )
        )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        # error.start counts after the BOM; the bytes before it are good UTF-8
        body = data.removeprefix(b"\xef\xbb\xbf")
        before = body[: error.start].decode("utf-8")
        mark = Mark(name, before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1)
        text = T("The file is not UTF-8.")
        if _looks_cp1251(body):
            text = T("The file is not UTF-8: it looks like windows-1251.")
        raise YamlProblem(problem("yaml-encoding", mark, text, T("Save it as UTF-8 in your editor."))) from None


def _looks_cp1251(data: bytes) -> bool:
    high = [byte for byte in data if byte >= 0x80]
    letters = sum(1 for byte in high if byte >= 0xC0 or byte in b"\xa5\xa8\xaa\xaf\xb2\xb3\xb4\xb8\xba\xbf")
    return letters * 10 >= len(high) * 8


def _mark_at(text: str, position: int, name: str) -> Mark:
    before = text[:position]
    return Mark(name, before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1)


class _Composer(Composer):
    """PyYAML's composer without its resolver: no scalar is ever guessed."""

    depth = 0

    def resolve(self, kind: type, value: object, implicit: object) -> str:  # noqa: ARG002 - the composer's call
        if kind is yaml.ScalarNode and isinstance(implicit, tuple) and not implicit[0]:
            return _STR
        return _PLAIN

    def descend_resolver(self, current_node: object, current_index: object) -> None:
        """Nothing to follow: there is no resolver."""

    def ascend_resolver(self) -> None:
        """Nothing to follow: there is no resolver."""

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise _TooDeep(None, None, "too deep", self.peek_event().start_mark)  # type: ignore[attr-defined]  # the parser's
        try:
            return super().compose_node(parent, index)
        finally:
            self.depth -= 1


class _Loader(Reader, Scanner, Parser, _Composer):
    """Reads in Python: slow, and its complaints are those that people are told."""

    def __init__(self, text: str) -> None:
        Reader.__init__(self, text)
        Scanner.__init__(self)
        Parser.__init__(self)
        Composer.__init__(self)


#: What libyaml takes another way than PyYAML does: tabs between words, marks of byte order, and `?` inside a flow.
_READ_SLOWLY = re.compile("[\t\ufeff?]")
_Fast: Any = None
if yaml.__with_libyaml__:
    from yaml._yaml import CParser

    class _FastLoader(_Composer, CParser):
        """Reads by libyaml, ten times as fast."""

        def __init__(self, text: str) -> None:
            CParser.__init__(self, text)
            Composer.__init__(self)

    _Fast = _FastLoader


class _TooDeep(yaml.MarkedYAMLError):
    """Nested deeper than any config."""


def _compose(text: str, name: str) -> yaml.Node | None:
    if _Fast is not None and not _READ_SLOWLY.search(text):
        try:
            return cast("yaml.Node | None", _Fast(text).get_single_node())
        except (yaml.YAMLError, ValueError, OverflowError):
            pass  # read anew, for words and places that do not depend on what is installed
    loader = _Loader(text)
    loader.name = name
    try:
        return loader.get_single_node()
    finally:
        loader.dispose()


class _Builder:
    """Node graph -> our tree: aliases expanded within bounds, merge keys applied, twins found."""

    def __init__(self, name: str, *, last_twin: bool = False) -> None:
        self.name = name
        self.last_twin = last_twin
        self.findings: list[Finding] = []
        self.count = 0
        self.open: list[yaml.Node] = []

    def build(self, node: yaml.Node) -> Node:
        self.count += 1
        mark = self.mark(node)
        if self.count > MAX_NODES:
            raise YamlProblem(
                problem(
                    "yaml-size",
                    mark,
                    T("With its aliases written out, the file has more than {limit} values.", limit=MAX_NODES),
                    T("Do not nest aliases in aliases."),
                )
            )
        if any(node is other for other in self.open):
            raise YamlProblem(problem("yaml-size", mark, T("This anchor contains itself.")))
        if len(self.open) > MAX_DEPTH:
            raise YamlProblem(problem("yaml-size", mark, T("Nested deeper than {limit} levels.", limit=MAX_DEPTH)))
        self.open.append(node)
        try:
            return self._build(node, mark)
        finally:
            self.open.pop()

    def _build(self, node: yaml.Node, mark: Mark) -> Node:
        match node:
            case yaml.ScalarNode():
                self._check_tag(node, _TEXT_TAGS)
                return self._scalar(node, mark)
            case yaml.SequenceNode():
                self._check_tag(node, _SEQ_TAGS)
                return Sequence(mark, tuple(self.build(item) for item in node.value))
            case yaml.MappingNode():
                self._check_tag(node, _MAP_TAGS)
                return self._mapping(node, mark)
        raise TypeError(type(node).__name__)

    def _scalar(self, node: yaml.ScalarNode, mark: Mark) -> Scalar:
        text = node.value
        if any("\ud800" <= char <= "\udfff" for char in text):
            self.findings.append(problem("yaml-syntax", mark, T("This text has half a character (a lone surrogate).")))
            text = "".join(char for char in text if not "\ud800" <= char <= "\udfff")
        if node.tag == _PLAIN:
            if text in _NULLS:
                return Scalar(mark, None, text)
            if text in _BOOLS:
                return Scalar(mark, _BOOLS[text], text)
        return Scalar(mark, text, text)

    def _mapping(self, node: yaml.MappingNode, mark: Mark) -> Mapping:
        own: dict[str, Entry] = {}
        merged: dict[str, Entry] = {}
        has_merge = False
        for key_node, value_node in node.value:
            key_mark = self.mark(key_node)
            if not isinstance(key_node, yaml.ScalarNode):
                self.findings.append(problem("yaml-key", key_mark, T("A key must be a word, not a list or a mapping.")))
                continue
            key = self._scalar(key_node, key_mark).text
            if key == "<<" and key_node.tag == _PLAIN:
                if has_merge:
                    self.findings.append(
                        problem(
                            "yaml-twin",
                            key_mark,
                            T("`<<` stands here twice."),
                            T("Write one `<<: [*first, *second]`."),
                        )
                    )
                has_merge = True
                for entries in self._merge(value_node):
                    merged = {**entries, **merged}
                continue
            entry = Entry(key_mark, self.build(value_node))
            if key in own:
                first = own[key].key_mark
                self.findings.append(
                    problem(
                        "yaml-twin",
                        key_mark,
                        T("Key `{key}` is here twice; the first is in line {line}.", key=key, line=first.line),
                        T("Keep one of them."),
                        element=key,
                    )
                )
                if not self.last_twin:
                    continue
            own[key] = entry
        return Mapping(mark, {**merged, **own})

    def _merge(self, node: yaml.Node) -> Iterator[dict[str, Entry]]:
        nodes = node.value if isinstance(node, yaml.SequenceNode) else [node]
        for one in nodes:
            built = self.build(one)
            if isinstance(built, Mapping):
                yield built.entries
            else:
                self.findings.append(
                    problem(
                        "yaml-merge",
                        built.mark,
                        T("`<<` takes a mapping by its anchor, such as `<<: *common`, or a list of them."),
                    )
                )

    def _check_tag(self, node: yaml.Node, known: frozenset[str]) -> None:
        if node.tag not in known:
            tag = str(node.tag).replace("tag:yaml.org,2002:", "!!")
            self.findings.append(
                problem(
                    "yaml-tag",
                    self.mark(node),
                    T("Tag `{tag}` is not known here.", tag=tag),
                    T("Delete the tag: values are typed by the key that takes them."),
                )
            )

    def mark(self, node: yaml.Node) -> Mark:
        """The node's place."""
        return Mark(self.name, node.start_mark.line + 1, node.start_mark.column + 1)


#: What PyYAML says in rarer cases, by a part of it: what it means, and what to do.
_SYNTAX: tuple[tuple[str, tuple[Text, Text]], ...] = (
    (
        "found '<stream end>'",
        (T("The file ends in the middle of a value."), T("Close every bracket and quote; a whole file ends a line.")),
    ),
    (
        "expected the node content",
        (T("A value is expected here."), T("Write it, or delete the comma, bracket or dash before it.")),
    ),
    ("sequence entries are not allowed", (T("A list may not begin here."), T("Begin it in a line of its own."))),
    ("mapping keys are not allowed", (T("A key may not begin here."), T("Begin it in a line of its own."))),
    (
        "while scanning an anchor",
        (T("The name of an anchor is expected here."), T("A value that begins with `&` needs quotes.")),
    ),
    (
        "while scanning an alias",
        (T("The name of an anchor is expected here."), T("A value that begins with `*` needs quotes.")),
    ),
    (
        "tag",
        (T("A tag is not known or not complete here."), T("A value that begins with `!` needs quotes.")),
    ),
    (
        "block scalar",
        (T("After `|` or `>` only `+`, `-` or a digit may stand."), T("Begin the text in the next line, indented.")),
    ),
    (
        "escape sequence",
        (
            T("A `\\x`, `\\u` or `\\U` in this text is not complete."),
            T("Write Windows paths in single quotes: 'C:\\orders'."),
        ),
    ),
    (
        "document separator",
        (T("A line `---` or `...` stands inside a quoted text."), T("Close the quote, or indent that line.")),
    ),
    (
        "directive",
        (T("A line that begins with `%` is for YAML itself."), T("Delete it, or write the value in quotes.")),
    ),
    ("incompatible YAML document", (T("The file asks for another YAML than 1.x."), T("Delete the line `%YAML`."))),
)


def _syntax(error: yaml.MarkedYAMLError, name: str) -> Finding:
    at = error.problem_mark or error.context_mark
    mark = Mark(name, at.line + 1, at.column + 1) if at else Mark(name, 1, 1)
    started = error.context_mark.line + 1 if error.context_mark else mark.line
    words = error.problem or ""
    hint: Text | None = None
    if isinstance(error, _TooDeep):
        text = T("Nested deeper than {limit} levels.", limit=MAX_DEPTH)
    elif "'\\t'" in words:
        text = T("There is a tab here; YAML wants spaces.")
        hint = T("Put spaces instead of the tab: two for each level.")
    elif "mapping values are not allowed" in words:
        text = T("A colon is not expected here.")
        hint = T("Check the indentation of this line and the one above, or write the value in quotes.")
    elif "could not find expected ':'" in words:
        text = T("A key without a colon, in the text that begins in line {line}.", line=started)
        hint = T("Write `key: value`, with a space after the colon.")
    elif "found undefined alias" in words:
        text = T("The alias `{alias}` has no anchor above it in this file.", alias=_quoted(words))
        hint = T("Anchors hold within one file only; use `include` to share between files.")
    elif "duplicate anchor" in (error.context or ""):
        text = T("The anchor `{anchor}` is here twice.", anchor=_quoted(error.context or ""))
        hint = T("Rename one of them.")
    elif "unexpected end of stream" in words and "quoted" in (error.context or ""):
        text = T("A quote that opens in line {line} is never closed.", line=started)
    elif "that cannot start any token" in words:
        text = T("The character `{char}` may not begin a value.", char=_quoted(words))
        hint = T("Write the value in quotes.")
    elif "found another document" in words or "expected '<document start>'" in words:
        text = T("One file holds one config; a second one begins here.")
        hint = T("Delete the line `---` or `...`, or check the indentation.")
    elif "unknown escape character" in words:
        text = T("`\\{char}` is not an escape that YAML knows.", char=_quoted(words))
        hint = T("Write Windows paths in single quotes: 'C:\\orders'.")
    elif (
        "block end" in words or "block mapping" in (error.context or "") or "block collection" in (error.context or "")
    ):
        text = T("This does not fit the block that begins in line {line}.", line=started)
        hint = T("Check the indentation: keys of one level begin in one column, with spaces.")
    elif "expected ',' or" in words:
        text = T("The brackets that open in line {line} are not closed here, or a comma is missing.", line=started)
    else:
        text, hint = next(
            (said for needle, said in _SYNTAX if needle in f"{error.context or ''} {words}"),
            (T("This cannot be read as YAML."), T("Check the quotes, brackets and indentation of this line.")),
        )
    return problem("yaml-syntax", mark, text, hint)


def _quoted(words: str) -> str:
    """What PyYAML put between quotes."""
    parts = words.split("'")
    return parts[1] if len(parts) > 2 else words.rsplit(" ", 1)[-1].strip("'\"")
