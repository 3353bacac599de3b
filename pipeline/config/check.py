"""Nodes -> checked settings. Every mistake becomes a finding at its place; none stops the looking."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from pipeline.config import shape
from pipeline.config.secrets import dotted
from pipeline.config.shape import Loc
from pipeline.config.suggest import did_you_mean, misspelt, one_of
from pipeline.config.words import explain, needs_meaning
from pipeline.config.yaml import Entry, Mapping, Mark, Node, Scalar, Sequence, problem
from pipeline.errors import Finding
from pipeline.registry import Broken
from pipeline.settings import described, meaning
from pipeline.texts import T, Text, verbatim

M = TypeVar("M", bound=BaseModel)
#: What the loader sets itself and nobody may write.
OWN_FIELDS = frozenset({"base", "source", "config_hash", "secrets"})
#: More mistakes than this in one part are no help to anybody; and a near word is looked for that often.
MOST, GUESSES = 100, 20


@dataclass(slots=True)
class Checker:
    """Collects findings while parts of the config are checked."""

    root: Mapping
    failed: frozenset[Loc] = frozenset()  #: places whose secret is missing: told already
    findings: list[Finding] = field(default_factory=list)
    broken: tuple[Broken, ...] = ()  #: plugin files that did not load, told already
    left_out: int = 0  #: mistakes beyond those that are told

    def add(self, code: str, path: Loc, text: Text, hint: Text | None = None, *, at_key: bool = False) -> None:
        """A finding at the value (or the key) of ``path``, or at the nearest thing above it that is there."""
        mark, _ = self.find(path, at_key=at_key)
        self.findings.append(problem(code, mark, text, hint, dotted(path) or None))

    def find(self, path: Loc, *, at_key: bool = False) -> tuple[Mark, Node]:
        """The place and the node of ``path``; of the nearest above it that is there."""
        node: Node = self.root
        mark = node.mark
        for part in path:
            if isinstance(node, Mapping) and part in node.entries:
                entry: Entry = node.entries[str(part)]
                node, mark = entry.node, entry.key_mark if at_key else entry.node.mark
            elif isinstance(node, Sequence) and isinstance(part, int) and part < len(node.items):
                node = node.items[part]
                mark = node.mark
            else:
                # what is missing inside a block is told at the key of that block
                break
        return mark, node

    def mapping(self, path: Loc, node: Node | None) -> Mapping | None:
        """``node`` if it is a mapping; a finding and None otherwise."""
        if isinstance(node, Mapping):
            return node
        if node is None or (isinstance(node, Scalar) and node.value is None):
            self.add("config-missing", path, T("`{key}` is empty.", key=str(path[-1])), at_key=True)
        else:
            self.add(
                "config-type",
                path,
                T("A mapping of keys is expected here."),
                T("Write `key: value` lines below it, indented by two spaces."),
            )
        return None

    def text(self, path: Loc, node: Mapping, key: str, known: Iterable[str]) -> str | None:
        """The word that chooses a kind (``type``, ``step``); a finding and None when it is missing or no text."""
        value = node.get(key)
        if isinstance(value, Scalar) and value.value is not None:
            return value.text
        if (*path, key) in self.failed:
            return None
        if value is None:
            hint = misspelt(node.entries, key)
            names = ", ".join(sorted(known))
            self.add(
                "config-missing",
                path,
                T("`{key}` is missing.", key=key),
                hint or T("Write `{key}: …`: {names}.", key=key, names=names),
                at_key=True,
            )
        else:
            self.add("config-type", (*path, key), T("A text is expected here."))
        return None

    def unknown(
        self, code: str, path: Loc, word: str, text: Text, known: Iterable[str], *, at_key: bool = False
    ) -> None:
        """A plugin's name that is none of ``known``; nothing when its plugin is there and was told to be broken."""
        if any(one.may_hold(word) for one in self.broken):
            return
        self.add(code, path, text, one_of(word, known), at_key=at_key)

    def settings(self, model: type[M], node: Mapping, path: Loc, who: str = "") -> M | None:
        """``node`` checked by ``model``; None when something is wrong. ``who`` names the plugin for a fault in it."""
        try:
            return model.model_validate(shape.data_for(model, node))
        except ValidationError as error:
            self._translate(model, error, path)
            self._behind_unknown_keys(model, node, path, error)
        except Exception as error:  # noqa: BLE001 - a plugin's own validator may raise anything
            self.add(
                "config-plugin",
                path,
                T(
                    "The parameters cannot be checked, as {plugin} failed: {kind}: {words}",
                    plugin=who or model.__name__,
                    kind=type(error).__name__,
                    words=verbatim(str(error)),
                ),
                at_key=True,
            )
        return None

    def _behind_unknown_keys(self, model: type[M], node: Mapping, path: Loc, error: ValidationError) -> None:
        """What a class says of its keys together, it says only when each alone is right: unknown ones hide nothing."""
        unknown = {item["loc"] for item in error.errors(include_url=False)}
        if any(len(loc) != 1 for loc in unknown) or not unknown <= {
            item["loc"] for item in error.errors(include_url=False) if item["type"] == "extra_forbidden"
        }:
            return
        rest = node.without(*(str(loc[0]) for loc in unknown))
        try:
            model.model_validate(shape.data_for(model, rest))
        except ValidationError as together:
            self._translate(model, together, path)
        except Exception:  # noqa: BLE001 - a plugin's own validator may raise anything; told once the keys are right
            return

    def _translate(self, model: type[BaseModel], error: ValidationError, path: Loc) -> None:
        told: dict[Loc, list[tuple[bool, Finding]]] = {}
        every = error.errors(include_url=False)
        unknown = [item["loc"] for item in every if item["type"] == "extra_forbidden"]
        # what is missing comes last and must not be cut off by a thousand unknown keys
        items = [item for item in every if item["type"] != "extra_forbidden"][:MOST]
        items += [item for item in every if item["type"] == "extra_forbidden"][: MOST + 1 - len(items)]
        self.left_out += len(every) - len(items)
        guesses = GUESSES
        for item in items:
            if item["type"] == "missing" and any(_means(loc, item["loc"]) for loc in unknown[:MOST]):
                continue  # told as the misspelt key that it is
            loc, inside_union = self._data_path(path, item["loc"])
            is_key = item["type"] == "extra_forbidden"
            # a wrong key is wrong whatever its value would be
            if any(loc[: len(failed)] == failed for failed in self.failed if not (is_key and failed == loc)):
                continue
            code, text, hint = explain(item)
            if is_key:
                code = "config-unknown-key"
                text = T("Key `{key}` is not known here.", key=str(loc[-1]))
                guesses -= 1
                if guesses >= 0:
                    found = shape.model_at(model, loc[len(path) : -1])
                    known = {key for one in found for key in known_keys(one, top=len(loc) == 1)}
                    _, parent = self.find(loc[:-1])
                    taken = set(parent.entries) if isinstance(parent, Mapping) else set()
                    hint = did_you_mean(str(loc[-1]), known - taken) or one_of(str(loc[-1]), known)
            if hint is None and needs_meaning(item["type"]):
                hint = _meaning(model, loc[len(path) :])
            if item["type"] == "missing":
                loc = (*loc, item["loc"][-1])
            mark, node = self.find(loc, at_key=is_key or item["type"] == "missing" or item.get("input") is None)
            # of a union's complaints, those that fit what was written: a word was meant, or a mapping was
            fits = not inside_union or (item["type"] not in ("literal_error", "string_type")) == isinstance(
                node, Mapping
            )
            told.setdefault(loc, []).append((fits, problem(code, mark, text, hint, dotted(loc))))
        above = {loc[:length] for loc in told for length in range(len(loc))}
        for loc, findings in told.items():
            deeper = loc in above
            fitting = [finding for fits, finding in findings if fits]
            if len(findings) > 1 or not fitting:
                self.findings.extend(fitting[:1] or ([] if deeper else [findings[0][1]]))
            else:
                self.findings.extend(fitting)

    def _data_path(self, path: Loc, loc: tuple[int | str, ...]) -> tuple[Loc, bool]:
        """pydantic's loc as a path of the data: names of union members are not part of it."""
        _, node = self.find(path)
        out: list[str | int] = list(path)
        skipped = False
        for part in loc:
            if isinstance(node, Mapping) and isinstance(part, str) and part in node.entries:
                node = node.entries[part].node
                out.append(part)
            elif isinstance(node, Sequence) and isinstance(part, int) and part < len(node.items):
                node = node.items[part]
                out.append(part)
            else:
                skipped = True
        return tuple(out), skipped


def known_keys(model: type[BaseModel], *, top: bool = False) -> set[str]:
    """The keys of a settings class that people may write; ``top``: of the whole config."""
    keys = set(shape.keys_of(model))
    return (keys - OWN_FIELDS) | {"include"} if top else keys


def _means(written: tuple[int | str, ...], wanted: tuple[int | str, ...]) -> bool:
    return written[:-1] == wanted[:-1] and did_you_mean(str(written[-1]), [str(wanted[-1])]) is not None


def _meaning(model: type[BaseModel], loc: Loc) -> Text | None:
    """What the key of a data path below ``model`` stands for, in words."""
    while loc and not isinstance(loc[-1], str):
        loc = loc[:-1]
    for found in shape.model_at(model, loc[:-1]):
        name = shape.name_of(found, str(loc[-1])) if loc else None
        if name is not None and (words := meaning(found, name)):
            return described(words)
    return None
