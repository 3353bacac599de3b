"""Coverage-guided fuzzing of the XML intake by atheris, for a night: it is no part of the tests.

``uv run --with atheris python -m tests.fuzz.guided [-max_total_time=3600 …]``; it begins with the samples. What it
finds is written to a file ``crash-…``, and becomes a named case of tests/fuzz or tests/xmlio.
"""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pipeline.resources import samples


def main() -> int:
    """Fuzz until the time is over, or something is found."""
    try:
        atheris: Any = import_module("atheris")  # has no types, and is no dependency
    except ImportError:
        print("atheris is not here: uv run --with atheris python -m tests.fuzz.guided", file=sys.stderr)
        return 2
    with atheris.instrument_imports(include=["plugins.formats", "plugins.steps", "pipeline.xmlio", "pipeline.rules"]):
        from tests.fuzz.intake import look

    def one(data: bytes) -> None:
        look(data)

    with TemporaryDirectory(prefix="mistok-fuzz-") as corpus:
        for path in samples().glob("orders/*/*.xml"):
            (Path(corpus) / path.name).write_bytes(path.read_bytes())
        atheris.Setup([*sys.argv, corpus], one)
        atheris.Fuzz()
    return 0


if __name__ == "__main__":
    sys.exit(main())
