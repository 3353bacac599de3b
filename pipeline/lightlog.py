"""Loads structlog without rich, greenlet and asyncio: imported before it, where a process begins.

Structlog loads rich (with pygments and attrs), where it is installed, for tracebacks on a developer's console, greenlet
to tell apart what runs in one thread, and asyncio for loggers that are awaited. Ours are written as text, we have no
such things, and a process that runs jobs needs none of them for anything else: it holds 6 MiB less without the first
two, and 3 without the last (with :mod:`pipeline.lightsql`).
"""

from __future__ import annotations

import sys

from pipeline.later import later

__all__ = ["structlog"]

_hidden = () if "structlog" in sys.modules else tuple({"rich", "greenlet"} - set(sys.modules))
for _name in _hidden:
    sys.modules[_name] = None  # type: ignore[assignment]  # what an import then finds to be missing
try:
    with later("asyncio"):
        import structlog
finally:
    for _name in _hidden:
        del sys.modules[_name]
