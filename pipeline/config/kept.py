"""The text of a config, its secrets masked, and the line of each key of its jobs: what is kept of it by its hash."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pipeline.config.includes import config_files, read_config
from pipeline.config.load import hash_now, hash_of
from pipeline.config.masking import mask
from pipeline.config.model import ClientConfig
from pipeline.config.yaml import Mapping, Mark, Node, Scalar, Sequence

#: Keys whose value is no reference to a secret, but may be the secret itself.
_SECRET = re.compile(r"pass(word|phrase)?|secret|token|(api|access|private)[_-]?key", re.IGNORECASE)
_SHORTEST = 3  #: of what is masked by its key alone


@dataclass(frozen=True, slots=True)
class Kept:
    """A config as text: by file name, seen from its folder; and (file, line) by the path of keys, below ``jobs``."""

    files: dict[str, str]
    lines: dict[tuple[str, ...], tuple[str, int]]


def kept(config: ClientConfig) -> Kept | None:
    """The text of this very config; None when its files say something else by now, or cannot be read."""
    path = config.source
    merged, _findings = read_config(path)
    if merged is None or hash_of(merged) != config.config_hash:
        return None
    lines = {keys: (_shown(mark.file, config.base), mark.line) for keys, mark in _marks(merged.get("jobs"), ("jobs",))}
    secrets = frozenset({*config.secrets, *_by_key(merged)})
    files = {}
    for file in config_files(path):
        try:
            text = file.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError):
            return None
        # line by line, so that no line goes and none comes
        files[_shown(str(file), config.base)] = "\n".join(mask(line, secrets) for line in text.splitlines())
    if hash_now(path) != config.config_hash:
        return None  # edited while it was read
    return Kept(files, lines)


def _shown(file: str, base: Path) -> str:
    """A file's name, seen from the config's folder."""
    try:
        return Path(os.path.relpath(file, base)).as_posix()
    except ValueError:  # on another drive of Windows
        return Path(file).as_posix()


def _marks(node: Node | None, keys: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Mark]]:
    match node:
        case Mapping(entries=entries):
            for key, entry in entries.items():
                yield (*keys, key), entry.key_mark
                yield from _marks(entry.node, (*keys, key))
        case Sequence(items=items):
            for place, item in enumerate(items):
                yield (*keys, str(place)), item.mark
                yield from _marks(item, (*keys, str(place)))


def _by_key(node: Node) -> Iterator[str]:
    """Literal values under keys that are called as secrets are."""
    match node:
        case Mapping(entries=entries):
            for key, entry in entries.items():
                value = entry.node
                if isinstance(value, Scalar) and _SECRET.search(key) and "${" not in value.text:
                    if len(value.text) >= _SHORTEST:
                        yield value.text
                else:
                    yield from _by_key(value)
        case Sequence(items=items):
            for item in items:
                yield from _by_key(item)
