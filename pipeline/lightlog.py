"""Loads structlog without rich: imported before it, where a process begins.

Structlog loads rich (with pygments and attrs), where it is installed, for tracebacks on a developer's console. Ours are
written as text, and a process that runs jobs needs rich for nothing else: it holds 5 MiB less without it.
"""

from __future__ import annotations

import sys

__all__ = ["structlog"]

_hidden = "structlog" not in sys.modules and "rich" not in sys.modules
if _hidden:
    sys.modules["rich"] = None  # type: ignore[assignment]  # what an import then finds to be missing
try:
    import structlog
finally:
    if _hidden:
        del sys.modules["rich"]
