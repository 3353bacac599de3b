"""The command line: one file a verb, put together here. Verbs load what they need when they are called."""

from __future__ import annotations

import sys


def main() -> None:
    """Entry of the ``mistok`` command."""
    from pipeline.cli.common import language_of_environment
    from pipeline.texts import use_language

    for stream in (sys.stdout, sys.stderr):
        # A Windows console or a pipe may be in a code page without Ukrainian letters.
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(encoding="utf-8", errors="replace")
    use_language(_language(sys.argv) or language_of_environment())
    from pipeline.cli.app import app
    from pipeline.cli.common import early_log
    from pipeline.cli.words import run

    early_log()

    sys.exit(run(app))


def _language(argv: list[str]) -> str | None:
    # Help texts are made when the verbs are imported, so the language must be known before the arguments are parsed.
    for place, word in enumerate(argv):
        if word == "--language" and place + 1 < len(argv):
            return argv[place + 1]
        if word.startswith("--language="):
            return word.partition("=")[2]
    return None
