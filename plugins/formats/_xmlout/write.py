"""Values -> XML text. Only what XML itself says is written; nothing of it depends on the parser that reads it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from plugins.formats._xmlout.layout import Layout, Leaf, Path, Written

#: XML 1.0 has none of these letters, not even as an escape.
FORBIDDEN = "".join(chr(code) for code in range(32) if chr(code) not in "\t\n\r") + "\ufffe\uffff"
_TEXT = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;"})
_ATTRIBUTE = str.maketrans({"&": "&amp;", "<": "&lt;", '"': "&quot;", "\r": "&#13;", "\n": "&#10;", "\t": "&#9;"})


def text_of(words: str) -> str:
    """Text of an element."""
    return words.translate(_TEXT)


def attribute(name: str, words: str) -> str:
    """An attribute, with the blank before it."""
    return f' {name}="{words.translate(_ATTRIBUTE)}"'


def cdata(words: str) -> str:
    """Text of an element as CDATA; where that cannot carry it, as text."""
    if "\r" in words:
        return text_of(words)
    return "<![CDATA[" + words.replace("]]>", "]]]]><![CDATA[>") + "]]>"


def opening(layout: Layout, encoding: str) -> str:
    """All that stands before the first product."""
    lines = [f'<?xml version="1.0" encoding="{encoding}"?>']
    for depth, name in enumerate(layout.root):
        attributes = "".join(attribute(*pair) for pair in layout.root_attributes.items()) if depth == 0 else ""
        lines.append(f"{'  ' * depth}<{name}{attributes}>")
    indent = "  " * len(layout.root)
    lines += [f"{indent}<{name}>{text_of(words)}</{name}>" for name, words in layout.head.items()]
    return "\n".join(lines) + "\n"


def closing(layout: Layout) -> str:
    """All that stands after the last product."""
    return "".join(f"{'  ' * depth}</{name}>\n" for depth, name in reversed(list(enumerate(layout.root))))


def product(layout: Layout, written: Written) -> str:
    """One product's element, on lines of its own."""
    texts, lists = iter(written.texts), iter(written.lists)
    start = "".join(attribute(spec.header, text) for spec in layout.attributes if (text := next(texts)))
    depth = len(layout.root)
    lines = [f"{'  ' * depth}<{layout.item}{start}>"]
    opened: Path = ()
    for leaf in layout.leaves:
        for inner in _elements(leaf, texts, lists):
            opened = _move(lines, opened, leaf.path[:-1], depth + 1)
            lines.append(f"{'  ' * (depth + 1 + len(opened))}{inner}")
    _move(lines, opened, (), depth + 1)
    lines.append(f"{'  ' * depth}</{layout.item}>\n")
    return "\n".join(lines)


def _elements(leaf: Leaf, texts: Iterator[str], lists: Iterator[Sequence[str]]) -> Iterator[str]:
    name = leaf.path[-1]
    if leaf.parts:
        parts = next(lists)
        if leaf.parts == "pairs":
            for key, value in zip(parts[0::2], parts[1::2], strict=True):
                yield f"<{name}{attribute(leaf.key, key)}>{text_of(value)}</{name}>"
        else:
            yield from (f"<{name}>{text_of(part)}</{name}>" for part in parts)
        return
    text = next(texts) if leaf.spec is not None else ""
    values: Mapping[str, str] = {spec.header: next(texts) for spec in leaf.attributes}
    if not text and not leaf.empty:
        return
    start = "".join(attribute(key, value) for key, value in values.items() if value)
    yield f"<{name}{start}>{cdata(text) if leaf.cdata and text else text_of(text)}</{name}>"


def _move(lines: list[str], opened: Path, wanted: Path, depth: int) -> Path:
    """Close and open the elements around those that follow."""
    same = 0
    while same < min(len(opened), len(wanted)) and opened[same] == wanted[same]:
        same += 1
    lines += [f"{'  ' * (depth + at)}</{opened[at]}>" for at in range(len(opened) - 1, same - 1, -1)]
    lines += [f"{'  ' * (depth + at)}<{wanted[at]}>" for at in range(same, len(wanted))]
    return wanted
