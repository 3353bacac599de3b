"""Sees that the config was edited while the service runs, and checks it without disturbing what runs.

A file of a secret that it names and the client's own plugins are parts of it: a new password, a mended plugin and a
changed line are taken up alike.

The check is a process of its own, as it loads the client's plugins: one that hangs or crashes is no trouble of the
service. Run by hand: ``python -m pipeline.engine.configwatch config.yaml`` prints the answer as JSON.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import structlog

from pipeline.config.clients import Stamp, stamp_of
from pipeline.config.load import files_of, hash_now
from pipeline.config.model import ClientConfig
from pipeline.errors import ConfigError, Finding, Where, Who, system_words
from pipeline.texts import T, Text

log = structlog.get_logger("mistok.config")

#: Seconds between two looks at the files; an edit counts when two looks see the same.
LOOK_EVERY = 1.0
#: Seconds between two looks whether a check is through, at most.
LISTEN_EVERY = 0.5
#: Seconds that a check may take.
CHECK_LIMIT = 60.0
#: Seconds after which a check that gave no answer is tried again, though nobody touched the files.
AGAIN = 60.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the check of an edited config says: its mistakes, or whether there is something that can be taken up."""

    findings: tuple[Finding, ...] = ()
    changed: bool = False


class Turns:
    """So many checks at once, of clients that are watched by one loop: hundreds may be edited in one moment."""

    def __init__(self, size: float = float("inf")) -> None:
        self._free = size

    def take(self) -> bool:
        """Whether one may begin now."""
        if self._free < 1:
            return False
        self._free -= 1
        return True

    def give_back(self) -> None:
        """It is over."""
        self._free += 1


class ConfigWatch:
    """Watches the files of one config. Nothing here blocks: :meth:`look` is called by the service's own loop.

    ``refused``: the hash of an edited config that is right, but could not be taken up; it is left alone until it is
    edited again. ``environ``: where its secrets are looked up (this process's own environment by default). ``more``:
    another file that decides what it is, beside those that it names. ``every``: seconds between two looks. ``turns``:
    when a check may begin.
    """

    def __init__(
        self,
        config: ClientConfig,
        refused: str = "",
        *,
        environ: Callable[[], Mapping[str, str]] | None = None,
        more: Path | None = None,
        every: float | None = None,
        turns: Turns | None = None,
    ) -> None:
        self._path = config.source
        self._turns = turns or Turns()
        self._waits = False  #: for its turn
        self._environ, self._more = environ, (more,) if more else ()
        self._every = LOOK_EVERY if every is None else every
        # what the service works by, so that an edit that was taken back is none; no secret can be guessed by it
        self._salt = secrets.token_hex(16)
        self._print = fingerprint(config, self._salt)
        self._files = (*files_of(self._path), *self._more)
        self._known = self._seen = self._stamp()
        if hash_now(self._path) not in (config.config_hash, refused):
            self._known = ()  # it was edited while the service was loading
        self._next = time.monotonic() + self._every
        self._check: subprocess.Popen[bytes] | None = None
        self._answer: IO[bytes] | None = None
        self._until = 0.0
        self._again = float("inf")

    def look(self) -> Verdict | None:
        """The verdict on an edit, once, as soon as there is one; None most of the time. Never raises."""
        now = time.monotonic()
        if self._check is not None:
            return self._listen(now)
        if self._waits:
            return self._begin(now)
        if now < self._next:
            return None
        self._next = now + self._every
        stamp = self._stamp()
        if stamp != self._seen:
            self._seen = stamp  # it may still be being saved
        elif stamp != self._known:
            self._known = stamp
            return self._begin(now)
        elif now >= self._again:
            return self._begin(now)
        return None

    @property
    def under_way(self) -> bool:
        """Whether a check runs: its answer is looked for by :meth:`look`."""
        return self._check is not None

    def close(self) -> None:
        """End a check under way."""
        if self._check is not None:
            self._check.kill()
            self._check.wait()
            self._check = None
        if self._answer is not None:
            self._answer.close()
            self._answer = None
            self._turns.give_back()

    def _begin(self, now: float) -> Verdict | None:
        self._again = float("inf")
        self._waits = not self._turns.take()
        if self._waits:
            return None
        self._answer = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the check; a pipe could fill up
        command = [sys.executable, "-m", "pipeline.engine.configwatch", str(self._path), self._salt]
        try:
            environ = self._environ() if self._environ is not None else None
        except ConfigError as error:  # the file of its secrets is wrong
            self.close()
            return Verdict(error.findings)
        try:
            self._check = subprocess.Popen(  # noqa: S603 - our own module
                command, stdout=self._answer, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environ
            )
        except OSError as error:
            return self._not_checked(now, T("it could not be started: {words}", words=system_words(error)))
        self._until = now + CHECK_LIMIT
        return None

    def _not_checked(self, now: float, why: Text) -> Verdict:
        """No answer is one, too: people must know that their edit is not in use. It is tried again."""
        log.warning("config_not_checked", error=why.render("en"), again_in=AGAIN)
        self.close()
        self._again = now + AGAIN
        text = T("The edited config could not be checked: {why}.", why=why)
        hint = T("A plugin of your own may hang or end the program: `mistok check` shows it. The check is tried again.")
        return Verdict((Finding("config-not-checked", text, Where(file=str(self._path)), hint, Who.ADMIN),))

    def _listen(self, now: float) -> Verdict | None:
        assert self._check is not None
        if self._check.poll() is None:
            if now >= self._until:
                return self._not_checked(now, T("the check took longer than {n} seconds", n=round(CHECK_LIMIT)))
            return None
        assert self._answer is not None
        self._answer.seek(0)
        told = self._answer.read()
        self.close()
        try:
            answer = json.loads(told)
        except ValueError:
            return self._not_checked(now, T("the check ended without an answer"))
        self._files = (*(Path(name) for name in answer["files"]), *self._more)
        if tuple(name for name, _time, _size in self._known) != tuple(map(str, self._files)):
            self._known = self._seen = self._stamp()
        findings = tuple(Finding.from_json(data) for data in answer["findings"])
        return Verdict(findings, changed=not findings and answer["print"] != self._print)

    def _stamp(self) -> Stamp:
        return stamp_of(self._files)


def fingerprint(config: ClientConfig, salt: str) -> str:
    """What this config is and does, in short: its YAML, its secrets, and the client's own plugins."""
    from pipeline.engine.ownplugins import plugin_folder
    from pipeline.registry import own_sources

    digest = hashlib.sha256(f"{salt}\0{config.config_hash}".encode())
    for secret in sorted(config.secrets):
        digest.update(b"\0" + secret.encode())
    for source in own_sources(plugin_folder(config)):
        digest.update(f"\0{source.path.name}\0".encode() + source.code)
    return digest.hexdigest()


def check(path: Path, salt: str = "") -> dict[str, object]:
    """The config's mistakes, or its :func:`fingerprint`, and the files that it is made of."""
    from pipeline.config.load import load_config

    files = [str(file) for file in files_of(path)]
    try:
        config = load_config(path)
        made = fingerprint(config, salt)
    except ConfigError as error:
        return {"print": "", "findings": [finding.to_json() for finding in error.findings], "files": files}
    return {"print": made, "findings": [], "files": files}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(check(Path(sys.argv[1]), *sys.argv[2:3])))
