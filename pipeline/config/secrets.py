"""``${env:NAME}``, ``${file:PATH}`` and ``${keyring:SERVICE/NAME}`` inside any text of the config."""

from __future__ import annotations

import re
from collections.abc import Mapping as Environ
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.config.suggest import did_you_mean
from pipeline.config.yaml import Entry, Mapping, Node, Scalar, Sequence, problem
from pipeline.errors import Finding, system_words
from pipeline.texts import T, Text, verbatim

_REFERENCE = re.compile(r"\$\$\{|\$\{([^}]*)\}|\$\{")
_SCHEMES = ("env", "file", "keyring")
_MAX_FILE = 64_000


class Missing(Exception):
    """The secret is not there; says what was looked up."""

    def __init__(self, text: Text, hint: Text | None = None) -> None:
        super().__init__(text.msgid)
        self.text, self.hint = text, hint


@dataclass(slots=True)
class Resolver:
    """Replaces references by their values; keeps what it found and what it missed."""

    base: Path  #: folder that ``${file:…}`` is relative to: that of the client's own config
    environ: Environ[str, str] = field(repr=False)
    secrets: set[str] = field(default_factory=set, repr=False)
    findings: list[Finding] = field(default_factory=list)
    failed: set[tuple[str | int, ...]] = field(default_factory=set)  #: paths whose value is not known

    def resolve(self, node: Node, path: tuple[str | int, ...] = ()) -> Node:
        """``node`` with every reference below it replaced."""
        match node:
            case Mapping():
                entries = {
                    key: Entry(entry.key_mark, self.resolve(entry.node, (*path, key)))
                    for key, entry in node.entries.items()
                }
                return Mapping(node.mark, entries)
            case Sequence():
                return Sequence(
                    node.mark, tuple(self.resolve(item, (*path, index)) for index, item in enumerate(node.items))
                )
            case Scalar(value=str()) if "${" in node.text:
                return self._scalar(node, path)
        return node

    def _scalar(self, node: Scalar, path: tuple[str | int, ...]) -> Scalar:
        def one(match: re.Match[str]) -> str:
            if match[0] == "$${":
                return "${"
            try:
                return self._look_up(match[1])
            except Missing as error:
                self.failed.add(path)
                self.findings.append(problem("config-secret", node.mark, error.text, error.hint, dotted(path)))
                return ""

        text = _REFERENCE.sub(one, node.text)
        return Scalar(node.mark, text, text)

    def _look_up(self, reference: str | None) -> str:
        if reference is None:
            raise Missing(T("`${` is never closed."), T("Write `$${` for these two characters themselves."))
        scheme, colon, name = reference.partition(":")
        if not colon or scheme not in _SCHEMES:
            raise Missing(
                T("`${{{reference}}}` is not known.", reference=reference),
                did_you_mean(scheme, _SCHEMES)
                or T("Write ${env:NAME}, ${file:PATH} or ${keyring:SERVICE/NAME}; `$${` for the characters."),
            )
        if scheme == "env":
            name, has_default, default = name.partition(":-")
            value = self.environ.get(name, "")
            if not value and has_default:
                return default
            if not value:
                raise Missing(
                    T("The environment variable {name} is not set, or is empty.", name=name),
                    T("Set it for the user or service that runs Mistok."),
                )
        elif scheme == "file":
            value = self._file(name)
        else:
            value = _keyring(name)
        self.secrets.add(value)
        return value

    def _file(self, name: str) -> str:
        path = self.base / name
        try:
            small = path.stat().st_size <= _MAX_FILE
            value = path.read_bytes().decode("utf-8-sig") if small else ""
        except FileNotFoundError:
            raise Missing(
                T("The secret file {path} is not there.", path=str(path)),
                T("Make it, with the secret as its only line; paths are relative to the client's config."),
            ) from None
        except UnicodeDecodeError:
            raise Missing(T("The secret file {path} is not UTF-8 text.", path=str(path))) from None
        except (OSError, ValueError) as error:
            words = system_words(error)
            raise Missing(T("The secret file {path} cannot be read: {words}", path=str(path), words=words)) from None
        if not small:
            raise Missing(T("The secret file {path} is too large to be one.", path=str(path)))
        value = value.removesuffix("\n").removesuffix("\r")
        if not value:
            raise Missing(T("The secret file {path} is empty.", path=str(path)))
        return value


def secret_files(node: Node) -> list[str]:
    """The paths of every ``${file:…}`` below ``node``, as they are written."""
    match node:
        case Mapping():
            return [name for entry in node.entries.values() for name in secret_files(entry.node)]
        case Sequence():
            return [name for item in node.items for name in secret_files(item)]
        case Scalar(value=str()) if "${" in node.text:
            names = [match[1] or "" for match in _REFERENCE.finditer(node.text)]
            return [name.removeprefix("file:") for name in names if name.startswith("file:") and "\0" not in name]
    return []


def _keyring(name: str) -> str:
    service, slash, user = name.rpartition("/")
    if not (slash and service and user):
        raise Missing(T("`${{keyring:{name}}}` needs the form SERVICE/NAME.", name=name))
    import keyring
    from keyring.errors import NoKeyringError

    try:
        value = keyring.get_password(service, user)
    except NoKeyringError:
        raise Missing(
            T("This machine has no key ring to look up {name} in.", name=name),
            T("On a server without a desktop use ${env:NAME} or ${file:PATH}."),
        ) from None
    except Exception as error:  # noqa: BLE001 - backends raise whatever their desktop's bus raised
        raise Missing(
            T("The key ring did not give {name}: {words}", name=name, words=verbatim(type(error).__name__)),
            T("Unlock it, or use ${env:NAME} or ${file:PATH}."),
        ) from None
    if not value:
        raise Missing(
            T("The key ring has no {name}.", name=name),
            T("Put it there: keyring set {service} {user}", service=service, user=user),
        )
    return value


def dotted(path: tuple[str | int, ...]) -> str:
    """``("jobs", "orders", "steps", 0, "inbox")`` -> ``jobs.orders.steps[0].inbox``."""
    words = ""
    for part in path:
        words += f"[{part}]" if isinstance(part, int) else f".{part}" if words else part
    return words
