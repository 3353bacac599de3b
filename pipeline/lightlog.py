"""Loads structlog without rich and greenlet: imported before it, where a process begins.

Structlog loads rich (with pygments and attrs), where it is installed, for tracebacks on a developer's console, and
greenlet to tell apart what runs in one thread. Ours are written as text, we have no such things, and a process that
runs jobs needs neither for anything else: it holds 6 MiB less without them.
"""

from __future__ import annotations

import sys

__all__ = ["structlog"]

_hidden = () if "structlog" in sys.modules else tuple({"rich", "greenlet"} - set(sys.modules))
for _name in _hidden:
    sys.modules[_name] = None  # type: ignore[assignment]  # what an import then finds to be missing
try:
    import structlog
finally:
    for _name in _hidden:
        del sys.modules[_name]
