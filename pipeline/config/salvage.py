"""What a wrong config still tells: where its ledger is, so that people learn how the service stands that runs by it."""

from __future__ import annotations

import os
from collections.abc import Mapping as Plain
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import ValidationError

from pipeline.config.includes import read_config
from pipeline.config.masking import secrets_of
from pipeline.config.model import ClientConfig
from pipeline.config.secrets import Resolver
from pipeline.config.yaml import MAX_BYTES, Mapping, Mark, Node, Scalar, YamlProblem, parse_yaml

#: Stands in for a name that cannot be read: the ledger knows which client a service runs by this file.
NAMELESS = "unknown"


def salvage(path: Path, *, environ: Plain[str, str] | None = None) -> ClientConfig | None:
    """As much of a wrong config as a look into its ledger takes: client, time zone, language, ledger, archive.

    Of a file that is no YAML, what stands above the mistake counts; of one that is gone, the defaults. Connections and
    jobs are left out. ``environ`` is where ``${env:NAME}`` looks. None when the ledger's own place is what is wrong.
    """
    if path.is_dir():
        path = path / "config.yaml"
    merged, findings = read_config(path)
    if merged is None:
        merged = _above(path, max((finding.where.line or 1 for finding in findings), default=1))
    base = path.resolve().parent
    resolver = Resolver(base, os.environ if environ is None else environ)
    root = resolver.resolve(merged)
    assert isinstance(root, Mapping)
    known: dict[str, object] = {"client": NAMELESS, "connections": {}, "jobs": {}}
    for keys in (("client",), ("language",), ("timezone",), ("archive", "path"), ("ledger", "url")):
        node = _at(root, keys)
        given = isinstance(node, Scalar) and keys not in resolver.failed
        values: object = node.value if isinstance(node, Scalar) else None
        for key in reversed(keys[1:]):
            values = {key: values}
        if given and _fits({**known, keys[0]: values}):
            known[keys[0]] = values
        elif keys[0] == "ledger" and root.get("ledger") is not None:
            return None  # the one by default is another one
    config = ClientConfig.model_validate(known)
    secrets = (*resolver.secrets, *secrets_of(config))
    return config.model_copy(
        update={"base": base, "source": path.resolve(), "secrets": frozenset(filter(None, secrets))}
    )


def names_its_ledger(path: Path) -> bool:
    """Whether the file says for sure which client it is of and where the ledger is: it is YAML, and names the client.

    Of a file with such a mistake in it that is no YAML any more, what says so may be lost.
    """
    merged, _findings = read_config(path / "config.yaml" if path.is_dir() else path)
    return merged is not None and isinstance(merged.get("client"), Scalar)


def _at(root: Mapping, keys: tuple[str, ...]) -> Node | None:
    node: Node | None = root
    for key in keys:
        node = node.get(key) if isinstance(node, Mapping) else None
    return node


def _fits(values: Plain[str, object]) -> bool:
    try:
        ZoneInfo(ClientConfig.model_validate(values).timezone)
    except (ValidationError, ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def _above(path: Path, line: int) -> Mapping:
    """The keys that stand above ``line``, where the file stops being YAML; none when there is no such file."""
    try:
        with path.open("rb") as file:
            lines = file.read(MAX_BYTES).decode("utf-8-sig", "replace").splitlines(keepends=True)
        node, _findings = parse_yaml("".join(lines[: line - 1]), str(path))
    except (OSError, ValueError, YamlProblem):
        return Mapping(Mark(str(path), 1, 1))
    return node if isinstance(node, Mapping) else Mapping(Mark(str(path), 1, 1))
