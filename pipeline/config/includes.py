"""``include:`` - forty clients share one base file. Mappings are merged deep, the including file wins."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.config.mending import parse_mended
from pipeline.config.yaml import (
    Entry,
    Mapping,
    Node,
    Scalar,
    Sequence,
    YamlProblem,
    parse_yaml,
    problem,
    read_text,
)
from pipeline.errors import Finding
from pipeline.texts import T

MAX_FILES = 50
#: A mapping of another kind replaces the base's whole: parameters of two kinds do not mix.
_KIND_KEYS = ("type", "step")


@dataclass(slots=True)
class _Reading:
    findings: list[Finding] = field(default_factory=list)
    files: int = 0
    paths: list[Path] = field(default_factory=list)
    mend: bool = False  #: read on behind slips that make a file no YAML
    last_twin: bool = False
    lost: bool = False  #: something of a file could not be read
    holes: set[tuple[str, int]] = field(default_factory=set)  #: (file, line) that was left out


def read_config(path: Path) -> tuple[Mapping | None, tuple[Finding, ...]]:
    """The config at ``path`` with its includes merged in; None when the file itself cannot be read as a mapping."""
    reading = _Reading()
    root = _read(path, str(path), (), reading)
    return root, tuple(reading.findings)


@dataclass(frozen=True, slots=True)
class Look:
    """A config as far as it can be read, to look for mistakes in: no config is made of it.

    ``lost``: parts are not there at all. ``holes``: lines (of a file) whose value is not known.
    """

    root: Mapping | None
    findings: tuple[Finding, ...]
    lost: bool = False
    holes: frozenset[tuple[str, int]] = frozenset()


def look_at_config(path: Path, *, last_twin: bool = False) -> Look:
    """The config at ``path`` with its includes merged in, read on behind what is no YAML.

    Of a key that is there twice the first counts, or the ``last_twin``.
    """
    reading = _Reading(mend=True, last_twin=last_twin)
    root = _read(path, str(path), (), reading)
    return Look(root, tuple(reading.findings), reading.lost, frozenset(reading.holes))


def config_files(path: Path) -> tuple[Path, ...]:
    """The config and every file that it includes, as far as they can be read."""
    reading = _Reading()
    _read(path, str(path), (), reading)
    return tuple(dict.fromkeys(reading.paths))


def _read(path: Path, shown: str, chain: tuple[Path, ...], reading: _Reading) -> Mapping | None:
    reading.files += 1
    reading.paths.append(path)
    try:
        node, findings = _parse(read_text(path, shown), shown, reading)
    except YamlProblem as error:
        reading.lost = True
        reading.findings.append(error.finding)
        return None
    reading.findings.extend(findings)
    if node is None:
        return None
    if not isinstance(node, Mapping):
        reading.lost = True
        reading.findings.append(
            problem("config-type", node.mark, T("A config is a mapping of keys, such as `client: demo`."))
        )
        return None
    includes = node.entries.get("include")
    if includes is None:
        return node
    merged: Mapping | None = None
    for scalar in _names(includes.node, reading):
        base = _include(scalar, path, shown, (*chain, path.resolve()), reading)
        if base is not None:
            merged = merge(merged, base) if merged else base
    own = node.without("include")
    return merge(merged, own) if merged else own


def _parse(text: str, shown: str, reading: _Reading) -> tuple[Node | None, tuple[Finding, ...]]:
    try:
        return parse_yaml(text, shown, last_twin=reading.last_twin)
    except YamlProblem:
        if not reading.mend:
            raise
    mended = parse_mended(text, shown, last_twin=reading.last_twin)
    reading.holes.update((shown, line) for line in mended.holes)
    reading.lost = reading.lost or bool(mended.holes) or mended.node is None
    return mended.node, mended.findings


def _names(node: Node, reading: _Reading) -> list[Scalar]:
    items = node.items if isinstance(node, Sequence) else (node,)
    names = [
        item for item in items if isinstance(item, Scalar) and isinstance(item.value, str) and "\0" not in item.text
    ]
    if len(names) != len(items):
        reading.findings.append(
            problem("config-include", node.mark, T("`include` takes a file name or a list of them."), element="include")
        )
    return names


def _include(scalar: Scalar, including: Path, shown: str, chain: tuple[Path, ...], reading: _Reading) -> Mapping | None:
    target = including.parent / scalar.text
    # the name as the admin would type it, seen from where they stand
    name = os.path.normpath(str(Path(shown).parent / scalar.text))
    try:
        resolved = target.resolve()
        exists = resolved.is_file()
    except (OSError, ValueError):
        exists = False
    if not exists:
        reading.lost = True
        reading.findings.append(
            problem(
                "config-include",
                scalar.mark,
                T("The included file {path} is not there.", path=name),
                T("Paths in `include` are relative to the file that includes."),
                element="include",
            )
        )
        return None
    if resolved in chain:
        reading.findings.append(
            problem(
                "config-include",
                scalar.mark,
                T("{path} is included by itself, through {count} files.", path=name, count=len(chain)),
                T("Take the `include` out of one of them."),
                element="include",
            )
        )
        return None
    if reading.files >= MAX_FILES:
        if reading.files == MAX_FILES:
            reading.files += 1
            reading.findings.append(
                problem(
                    "config-include",
                    scalar.mark,
                    T("More than {limit} files are included.", limit=MAX_FILES),
                    element="include",
                )
            )
        return None
    return _read(target, name, chain, reading)


def merge(base: Mapping, over: Mapping) -> Mapping:
    """``base`` with ``over`` laid on it: mappings merge, anything else replaces, ``null`` takes the base's key out."""
    entries = dict(base.entries)
    for key, entry in over.entries.items():
        below = entries.get(key)
        if below is None:
            entries[key] = entry
        elif isinstance(entry.node, Scalar) and entry.node.value is None:
            del entries[key]
        elif isinstance(below.node, Mapping) and isinstance(entry.node, Mapping) and _same_kind(below.node, entry.node):
            entries[key] = Entry(entry.key_mark, merge(below.node, entry.node))
        else:
            entries[key] = entry
    return Mapping(over.mark, entries)


def _same_kind(base: Mapping, over: Mapping) -> bool:
    for key in _KIND_KEYS:
        old, new = base.get(key), over.get(key)
        if isinstance(old, Scalar) and isinstance(new, Scalar) and old.text != new.text:
            return False
    return True
