"""Writes a support bundle: one zip, part by part, each part hidden on its way in, with a manifest at its end.

It is made for bad days: a config that is wrong, a ledger that is locked, damaged or gone, a log that is no log. What
cannot be told is told to be so, and everything else is in it.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import zipfile
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline import __version__
from pipeline.config.masking import MASK
from pipeline.engine.support import contents
from pipeline.engine.support.hiding import Hider, read_xml, xml
from pipeline.engine.support.vocabulary import of_the_program, of_values, words_of
from pipeline.errors import MistokError
from pipeline.texts import T, Text

if TYPE_CHECKING:
    from pipeline.config.model import ClientConfig
    from pipeline.engine.runtime import Client

#: Of the logs, the newest so many bytes.
LOGS = 20_000_000
#: Lines of a log that are longer are cut: a stack of a runaway recursion tells itself in its beginning.
LINE = 20_000
#: What may go wrong inside of one part; the others are told all the same.
TROUBLES = (OSError, ValueError, KeyError, TypeError, LookupError, ArithmeticError, ImportError)
#: Settings of a config that tell of no people: their words may be told everywhere.
_SETTINGS = ("client", "timezone", "connections", "jobs", "plugins", "archive", "ledger", "log", "web")


@dataclass
class Bundle:
    """What goes into the zip besides what is found here, and what came of it."""

    config: ClientConfig | None
    config_file: Path
    now: datetime
    days: int = 7
    orders: Sequence[str] = ()
    parts: Sequence[tuple[str, Callable[[], Any]]] = ()  #: (name, maker of data) of those who know more: check, status
    logs: tuple[Path, ...] = ()  #: besides that of the config
    trouble: Any = None  #: what is wrong with the config, as data
    left_out: list[dict[str, str]] = field(default_factory=list)
    files: list[dict[str, Any]] = field(default_factory=list)
    hidden: dict[str, int] = field(default_factory=dict)


def write(bundle: Bundle, path: Path, client: Callable[[], Client] | None) -> None:
    """Write the zip to ``path`` (readable by its owner only), whole or not at all; ``bundle`` tells what is in it.

    Args:
        client: opens what there is of ledger and archive. Raises MistokError when they cannot be used.

    Raises OSError when the file cannot be written.
    """
    partial = path.with_name(f".{path.name}.part")
    descriptor = os.open(partial, os.O_RDWR | os.O_CREAT | os.O_TRUNC | getattr(os, "O_BINARY", 0), 0o600)
    try:
        with os.fdopen(descriptor, "w+b") as raw, zipfile.ZipFile(raw, "w", zipfile.ZIP_DEFLATED) as made:
            _Writer(bundle, made).all(client)
        partial.replace(path)
    except BaseException:
        with suppress(OSError):
            partial.unlink()
        raise


class _Writer:
    def __init__(self, bundle: Bundle, made: zipfile.ZipFile) -> None:
        self._bundle, self._zip = bundle, made
        known = set(of_the_program())
        secrets: frozenset[str] = frozenset()
        if bundle.config is not None:
            secrets = bundle.config.secrets
            summary = bundle.config.summary()
            known.update(of_values([{key: summary.get(key) for key in _SETTINGS}]))
        for asked in bundle.orders:
            known.update(words_of(asked))
        self._hider = Hider(known, secrets)
        self._hider.careful = bundle.trouble is not None  # whose client it is may be what is wrong
        self._since = contents.since(bundle.now, bundle.days)

    def all(self, client: Callable[[], Client] | None) -> None:
        bundle = self._bundle
        opened = self._open(client)
        try:
            if opened is not None:
                self._learn(opened)
            self._part("versions.json", contents.versions)
            self._config()
            for name, make in bundle.parts:
                self._part(name, make)
            if opened is not None:
                self._of_ledger(opened)
        finally:
            if opened is not None:
                opened.close()
        self._logs()
        self._manifest()

    def _open(self, client: Callable[[], Client] | None) -> Client | None:
        if client is None:
            self._hider.careful = True
            return None
        try:
            opened = client()
        except (MistokError, *TROUBLES) as error:
            self._miss("ledger", error)
            self._hider.careful = True
            return None
        if opened.without is not None:
            self._miss("ledger", opened.without)
            self._hider.careful = True
        return opened

    def _learn(self, client: Client) -> None:
        """Whose words are to be told nowhere: those of buyers, and what order files say of people."""
        try:
            self._hider.learn(contents.people(client))
            self._hider.know(contents.sources(client))
            for text in contents.order_files(client, self._since):
                if text.lstrip("\ufeff \r\n\t").startswith("<"):
                    theirs, codes = read_xml(text)
                    self._hider.learn(theirs)
                    self._hider.know(codes)
        except (MistokError, *TROUBLES) as error:
            self._miss("people", error)
            self._hider.careful = True

    def _config(self) -> None:
        bundle = self._bundle
        if bundle.trouble is not None:
            self._data("config-trouble.json", bundle.trouble)
        if bundle.config is not None and bundle.trouble is None:
            from pipeline.engine.shown.configs import as_yaml, told

            self._text("config.yaml", [as_yaml(self._hider.data(told(bundle.config)))])
            return
        try:
            lines = bundle.config_file.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)
        except OSError as error:
            self._miss("config", error)
            return
        self._text("config-as-written.yaml", (wrong_yaml(line, self._hider) for line in lines))

    def _of_ledger(self, client: Client) -> None:
        self._part("ledger.json", lambda: contents.ledger_counts(client.ledger))
        self._part("jobs.json", lambda: contents.jobs(client))
        self._part("runs.json", lambda: contents.runs(client, self._since))
        self._part("cards.json", lambda: contents.open_cards(client))
        self._part("notices.json", lambda: contents.notices(client, self._since))
        for place, asked in enumerate(self._bundle.orders, 1):
            self._order(client, place, asked)

    def _order(self, client: Client, place: int, asked: str) -> None:
        try:
            stories, extracts = contents.story(client, asked)
        except (MistokError, *TROUBLES) as error:
            self._miss(f"order {place}", error)
            return
        if not stories:
            self._bundle.left_out.append(
                {"part": f"order {place}", "why": str(T("Nothing is known of {what}.", what=self._hider.text(asked)))}
            )
        self._data(f"orders/{place}.json", stories)
        for row, text in extracts:
            if text.lstrip("\ufeff \r\n\t").startswith("<"):
                self._text(f"orders/{place}-{row}.xml", [xml(text, self._hider)])
            elif text:
                why = T("Its file is no XML: what tells of people cannot be told from the rest.")
                self._bundle.left_out.append({"part": f"orders/{place}-{row}", "why": str(why)})

    def _logs(self) -> None:
        left = LOGS
        try:
            files = contents.log_files(self._bundle.config, self._since, self._bundle.logs)
        except OSError as error:
            self._miss("logs", error)
            return
        for number, path in enumerate(files):
            if left <= 0:
                why = T("The newest {n} MB of the logs are in it.", n=LOGS // 1_000_000)
                self._bundle.left_out.append({"part": f"logs/{path.name}", "why": str(why)})
                continue
            try:
                left -= self._log(f"logs/{number:02}-{re.sub(r'[^A-Za-z0-9._-]', '_', path.name)}", path, left)
            except OSError as error:
                self._miss(f"logs/{path.name}", error)

    def _log(self, name: str, path: Path, most: int) -> int:
        size = path.stat().st_size
        with path.open("rb") as source:
            if size > most:
                source.seek(size - most)
                source.readline()
            lines = (raw.decode("utf-8", "replace") for raw in iter(lambda: source.readline(LINE), b""))
            self._text(name, (log_line(line, self._hider) for line in lines))
        return min(size, most)

    def _manifest(self) -> None:
        bundle = self._bundle
        bundle.hidden = dict(sorted(self._hider.counts.items()))
        about = {
            "made_by": f"mistok {__version__}",
            "at": bundle.now.isoformat(),
            "days": bundle.days,
            "files": list(bundle.files),
            "left_out": bundle.left_out,
            "hidden": bundle.hidden,
            "how": [str(words) for words in HOW],
        }
        self._zip.writestr(self._entry("manifest.json"), json.dumps(about, ensure_ascii=False, indent=2))

    # --- writing -----------------------------------------------------------------------------------------------

    def _part(self, name: str, make: Callable[[], Any]) -> None:
        try:
            data = make()
        except (MistokError, *TROUBLES) as error:
            self._miss(name, error)
            return
        self._data(name, data)

    def _data(self, name: str, data: Any) -> None:
        told = json.dumps(self._hider.data(data), ensure_ascii=False, indent=1)
        self._text(name, [told, "\n"])

    def _entry(self, name: str) -> zipfile.ZipInfo:
        made = zipfile.ZipInfo(name, self._bundle.now.timetuple()[:6])
        made.compress_type = zipfile.ZIP_DEFLATED
        return made

    def _text(self, name: str, pieces: Iterable[str]) -> None:
        """Write what is hidden already, piece by piece."""
        digest, size = hashlib.sha256(), 0
        with self._zip.open(self._entry(name), "w") as out:
            for piece in pieces:
                data = piece.encode("utf-8", "replace")
                digest.update(data)
                size += len(data)
                out.write(data)
        self._bundle.files.append({"name": name, "size": size, "sha256": digest.hexdigest()})

    def _miss(self, part: str, error: BaseException) -> None:
        words = "; ".join(str(one.text) for one in error.findings) if isinstance(error, MistokError) else repr(error)
        self._bundle.left_out.append({"part": self._hider.text(part), "why": self._hider.text(words)})


HOW: tuple[Text, ...] = (
    T("Secrets of the config are three dots."),
    T("Kept of every text are words that the program, its config and servers use; every other word is three dots."),
    T("E-mail addresses, phone numbers, numbers of nine digits and more, keys and tokens are three dots."),
    T("Of orders, what tells of people is three dots as a whole; comments of files are left out."),
)


def log_line(line: str, hider: Hider) -> str:
    """A line of the log, with its JSON as JSON where it is such."""
    words = line.strip()
    if words.startswith("{"):
        try:
            told = json.loads(words)
        except (ValueError, RecursionError):
            told = None
        if isinstance(told, dict):
            return json.dumps(hider.data(told), ensure_ascii=False) + "\n"
    return hider.text(words) + "\n"


_PAIR = re.compile(r"^(?P<head>\s*(?:-\s+)*[\"']?(?P<key>[A-Za-z_][\w.\-]*)[\"']?\s*:)(?P<value>\s.*|)$")
_SECRET = re.compile(r"pass|secret|token|key|pin|auth|credential|login|user|url", re.IGNORECASE)
_PLAIN = re.compile(r"\s*(?:true|false|null|~|\d{1,5}|\d{1,3}(?:ms|[smhd])|[|>][+-]?|\[\]|\{\}|\$\{[\w:./-]+\})?\s*")


def wrong_yaml(line: str, hider: Hider) -> str:
    """A line of a config that could not be read, so that nobody knows which of its values are secrets.

    Its keys stay, and values that are switches, small numbers, durations and references; of others only known words,
    and nothing at all where the key may be that of a secret. Comments and lines without a key are hidden.
    """
    words = line.rstrip("\r\n")
    found = _PAIR.match(words)
    if not words.strip():
        return "\n"
    if found is None:
        blank = words[: len(words) - len(words.lstrip())]
        return f"{blank}{'- ' if words.lstrip().startswith('-') else ''}{MASK}\n"
    value = found["value"].partition(" #")[0].rstrip()
    if _PLAIN.fullmatch(value) and not (_SECRET.search(found["key"]) and value.strip().isdigit()):
        return f"{found['head']}{value}\n"
    if _SECRET.search(words):
        hider.whole(value)
        return f"{found['head']} {MASK}\n"
    return f"{found['head']}{re.sub(r'[0-9]', '0', hider.text(value))}\n"
