"""``config.yaml`` -> :class:`ClientConfig`, or one ConfigError with every mistake in it."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping as Plain
from pathlib import Path

from pipeline.config.build import build
from pipeline.config.check import MOST, Checker
from pipeline.config.includes import config_files, look_at_config, read_config
from pipeline.config.masking import mask_finding, secrets_of
from pipeline.config.model import ClientConfig
from pipeline.config.secrets import Resolver, secret_files
from pipeline.config.yaml import MAX_BYTES, Mapping, Node, Scalar, Sequence, plain
from pipeline.errors import ConfigError, Finding, Where, Who
from pipeline.registry import Registry, load_registry, load_what_loads
from pipeline.settings import Settings
from pipeline.texts import LANGUAGES, TN, T

FILE_NAME = "config.yaml"
DEFAULT_LANGUAGE = str(ClientConfig.model_fields["language"].default)


def load_config(
    path: Path,
    *,
    environ: Plain[str, str] | None = None,
    registry: Registry | None = None,
    transports: Plain[str, type[Settings]] | None = None,
) -> ClientConfig:
    """The client's config at ``path`` (the file, or the folder that has a ``config.yaml``), whole and checked.

    ``environ`` is where ``${env:NAME}`` looks (the process's own by default); ``registry`` and ``transports`` are what
    may be named (all that are installed, and the client's own, by default).
    Raises ConfigError with every finding, each with its file, line, column and key path; no secret is in any of them.
    """
    if path.is_dir():
        path = path / FILE_NAME
    environ = os.environ if environ is None else environ
    merged, findings = read_config(path)
    if merged is None or any(finding.code == "yaml-syntax" for finding in findings):
        raise _all_the_same(path, environ, registry, transports)
    config, checker, resolver = _look(merged, findings, path, environ, registry, transports)
    base = path.resolve().parent
    secrets = frozenset(resolver.secrets)
    if config is None or checker.findings:
        if any(finding.code == "yaml-twin" for finding in checker.findings):
            checker.findings += _in_twins(path, environ, registry, transports)
        raise _error(checker.findings, path, secrets, checker.left_out)
    return config.model_copy(
        update={
            "base": base,
            "source": path.resolve(),
            "config_hash": hash_of(merged),
            "secrets": frozenset(secret for secret in (*secrets, *secrets_of(config)) if secret),
        }
    )


def _look(
    merged: Mapping,
    findings: tuple[Finding, ...],
    path: Path,
    environ: Plain[str, str],
    registry: Registry | None,
    transports: Plain[str, type[Settings]] | None,
) -> tuple[ClientConfig | None, Checker, Resolver]:
    base = path.resolve().parent
    resolver = Resolver(base, environ)
    root = resolver.resolve(merged)
    if not isinstance(root, Mapping):
        raise TypeError(type(root).__name__)  # a mapping stays one
    checker = Checker(root, frozenset(resolver.failed), [*findings, *resolver.findings])
    if registry is None:
        registry = _registry(checker, root, base)
    if transports is None:
        from pipeline.transports import TRANSPORTS

        transports = TRANSPORTS
    return build(checker, registry, transports), checker, resolver


#: What may be there in a part that could not be read.
_MAY_BE_LOST = frozenset({"config-missing", "config-reference", "config-include"})


def _all_the_same(
    path: Path, environ: Plain[str, str], registry: Registry | None, transports: Plain[str, type[Settings]] | None
) -> ConfigError:
    """Every mistake of a config of which something is no YAML: also those that stand behind the slip."""
    look = look_at_config(path)
    if look.root is None:
        return _error(look.findings, path, frozenset())
    _config, checker, resolver = _look(look.root, (), path, environ, registry, transports)
    if any(finding.code == "yaml-twin" for finding in look.findings):
        checker.findings += _in_twins(path, environ, registry, transports)
    left = [
        finding
        for finding in checker.findings
        if not (look.lost and finding.code in _MAY_BE_LOST)
        and (finding.where.file, finding.where.line) not in look.holes
    ]
    return _error([*look.findings, *left], path, frozenset(resolver.secrets), checker.left_out)


def _in_twins(
    path: Path, environ: Plain[str, str], registry: Registry | None, transports: Plain[str, type[Settings]] | None
) -> list[Finding]:
    """The mistakes inside the second of two parts with one key: neither hides those of the other."""
    look = look_at_config(path, last_twin=True)
    if look.root is None:
        return []
    spans = [
        (finding.where.file, finding.where.line or 0, _end(look.root, finding))
        for finding in look.findings
        if finding.code == "yaml-twin"
    ]
    _config, checker, _resolver = _look(look.root, (), path, environ, registry, transports)
    return [
        finding
        for finding in checker.findings
        if any(file == finding.where.file and first <= (finding.where.line or 0) <= last for file, first, last in spans)
    ]


def _end(node: Node, twin: Finding) -> int:
    """The last line of the value whose key stands where ``twin`` says; 0 when it is not there."""
    children: list[Node] = []
    if isinstance(node, Mapping):
        for entry in node.entries.values():
            mark = entry.key_mark
            if (mark.file, mark.line, mark.column) == (twin.where.file, twin.where.line, twin.where.column):
                return _last_line(entry.node)
            children.append(entry.node)
    elif isinstance(node, Sequence):
        children.extend(node.items)
    return max((_end(child, twin) for child in children), default=0)


def _last_line(node: Node) -> int:
    below: list[Node] = []
    if isinstance(node, Mapping):
        below = [entry.node for entry in node.entries.values()]
    elif isinstance(node, Sequence):
        below = list(node.items)
    return max([node.mark.line, *(_last_line(one) for one in below)])


def hash_of(merged: Mapping) -> str:
    """The ``config_hash`` of a config with its includes merged in."""
    canonical = json.dumps(plain(merged), sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def hash_now(path: Path) -> str:
    """The ``config_hash`` that the config at ``path`` would have now, unchecked; "" when it is no YAML."""
    merged, _findings = read_config(path)
    return hash_of(merged) if merged is not None else ""


def files_of(path: Path) -> tuple[Path, ...]:
    """Every file and folder that decides what the config at ``path`` is and does, whether it is there or not.

    The YAML with its includes, the files of its secrets, the folder of the client's own plugins and what is in it.
    """
    found = list(config_files(path))
    merged, _findings = read_config(path)
    base = path.resolve().parent
    folder = base / "plugins"
    if merged is not None:
        found += [base / name for name in secret_files(merged)]
        folder = _plugin_folder(merged, base) or folder
    if "\0" not in str(folder) and not (folder / "__init__.py").exists():
        found += [folder, *sorted(folder.glob("*.py"))]
    return tuple(dict.fromkeys(found))


def plugin_folder(path: Path) -> Path | None:
    """The folder of a client's own plugins, looked up without checking anything else; None when there is none.

    For verbs that must know every plugin though the config is not yet right. Raises ConfigError when it is no YAML.
    """
    if path.is_dir():
        path = path / FILE_NAME
    merged, findings = read_config(path)
    if merged is None:
        raise _error(findings, path, frozenset())
    folder = _plugin_folder(merged, path.resolve().parent)
    return folder if folder and folder.is_dir() else None


def _plugin_folder(root: Mapping, base: Path) -> Path | None:
    node = root.get("plugins")
    if isinstance(node, Scalar) and isinstance(node.value, str):
        return base / node.value
    beside = base / "plugins"
    return beside if node is None and beside.is_dir() else None


def _registry(checker: Checker, root: Mapping, base: Path) -> Registry:
    folder = _plugin_folder(root, base)
    if folder is not None and ("\0" in str(folder) or not folder.is_dir()):
        checker.add("config-plugin", ("plugins",), T("There is no folder {path}.", path=str(folder)))
        folder = None
    try:
        registry, broken = load_what_loads(folder)
    except ConfigError as error:
        if folder is None:
            raise
        for finding in error.findings:
            checker.add("config-plugin", ("plugins",), finding.text, finding.hint)
        return load_registry()
    for one in broken:
        for finding in one.findings:
            checker.add("config-plugin", ("plugins",), finding.text, finding.hint)
    checker.broken = broken
    return registry


def language_of(path: Path) -> str | None:
    """The language that a config asks for, though it may be wrong otherwise; None when there is no such file.

    Its mistakes are told in it. A file that names none, or whose language cannot be read, has the default one.
    """
    if path.is_dir():
        path = path / FILE_NAME
    try:
        with path.open("rb") as text:
            head = text.read(MAX_BYTES)
    except (OSError, ValueError):
        return None
    merged, _ = read_config(path)
    node = merged.get("language") if merged else None
    if isinstance(node, Scalar):
        return node.text if node.text in LANGUAGES else DEFAULT_LANGUAGE
    found = re.search(rb"""^language:\s*["']?(uk|en)\b""", head, re.MULTILINE) if merged is None else None
    return found[1].decode() if found else DEFAULT_LANGUAGE


def _error(
    findings: list[Finding] | tuple[Finding, ...], path: Path, secrets: frozenset[str], left_out: int = 0
) -> ConfigError:
    order = {str(path): 0}
    unique = dict.fromkeys(mask_finding(finding, secrets) for finding in findings)
    placed = sorted(
        unique,
        key=lambda finding: (
            order.get(finding.where.file or "", 1),
            finding.where.file or "",
            finding.where.line or 0,
            finding.where.column or 0,
        ),
    )
    left_out += max(len(placed) - MOST, 0)
    del placed[MOST:]
    if left_out:
        text = TN("… and {n} more mistake.", "… and {n} more mistakes.", left_out)
        hint = T("Mend the first ones: others often go with them.")
        placed.append(Finding("config-more", text, Where(file=str(path)), hint, Who.ADMIN))
    return ConfigError(findings=tuple(placed))
