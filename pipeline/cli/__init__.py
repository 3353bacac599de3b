"""The command line: one file a verb, put together here. Verbs load what they need when they are called."""

from __future__ import annotations

import gc
import os
import re
import sys
from pathlib import Path


def main() -> None:
    """Entry of the ``mistok`` command."""
    # Nothing that is loaded is garbage: to look for it takes a fifth of `mistok check`. common.loaded() begins again.
    gc.disable()
    try:
        _main()
    finally:
        gc.enable()
        gc.freeze()  # else the end of the process looks through all of it once more, which costs as much


def _main() -> None:
    from pipeline.cli.common import language_of_environment
    from pipeline.texts import LANGUAGES, use_language

    for stream in (sys.stdout, sys.stderr):
        # A Windows console or a pipe may be in a code page without Ukrainian letters.
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(encoding="utf-8", errors="replace")
    sys.argv[1:] = language_first(sys.argv[1:])
    own = os.environ.get("MISTOK_LANGUAGE", "")[:2].lower()
    use_language(
        _language(sys.argv)
        or (own if own in LANGUAGES else None)
        or language_of_config(sys.argv[1:])
        or language_of_environment()
    )
    from pipeline.cli import common
    from pipeline.cli.app import app
    from pipeline.cli.common import early_log
    from pipeline.cli.words import run

    common.before_verbs.append(early_log)  # the help needs none, and is quicker without

    sys.exit(run(app))


def _language(argv: list[str]) -> str | None:
    # Help texts are made when the verbs are imported, so the language must be known before the arguments are parsed.
    for place, word in enumerate(argv):
        if word == "--language" and place + 1 < len(argv):
            found = argv[place + 1]
        elif word.startswith("--language="):
            found = word.partition("=")[2]
        else:
            continue
        return found if found in ("uk", "en") else None
    return None


#: Verbs with a ``--language`` of their own: that of the folder to be made, that of a table's columns.
_OWN_LANGUAGE = frozenset({"init", "load"})


def language_first(words: list[str]) -> list[str]:
    """The call with ``--language`` before the verb, wherever it was written; verbs with one of their own keep it."""
    if _OWN_LANGUAGE.intersection(words):
        return words
    for place, word in enumerate(words):
        if word == "--":
            break
        if word.startswith("--language="):
            return [word, *words[:place], *words[place + 1 :]]
        if word == "--language" and place + 1 < len(words):
            return [*words[place : place + 2], *words[:place], *words[place + 2 :]]
    return words


#: Verbs that read no client's config: they speak the language of whoever calls them, whatever lies in the folder.
_NO_CONFIG = frozenset({"demo", "init", "validate"})
_LANGUAGE_KEY = re.compile(r"""^language:[ \t]*["']?(uk|en)\b""", re.MULTILINE)
_INCLUDE_KEY = re.compile(r"""^include:[ \t]*\[?[ \t]*["']?([^"'\],#\n]+)""", re.MULTILINE)


def language_of_config(words: list[str]) -> str | None:
    """The config's language, by a light look at the file: wrong calls are told in it before anything is loaded."""
    if _NO_CONFIG.intersection(words):
        return None
    name = os.environ.get("MISTOK_CONFIG") or "config.yaml"
    for place, word in enumerate(words):
        if word in ("-c", "--config") and place + 1 < len(words):
            name = words[place + 1]
        elif word.startswith("--config="):
            name = word.partition("=")[2]
    path = Path(name)
    for _ in range(5):  # a base file may include another one
        try:
            with path.open(encoding="utf-8", errors="replace") as source:
                text = source.read(200_000)
        except (OSError, ValueError):
            return None  # the verb tells what is wrong with it
        found = _LANGUAGE_KEY.search(text)
        if found:
            return found[1]
        base = _INCLUDE_KEY.search(text)
        if not base:
            return None
        path = path.parent / base[1].strip()
    return None
