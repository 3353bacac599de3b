"""POSIX signals for tests that run on POSIX only; the names exist on Windows too, so that types are checked there."""

from __future__ import annotations

import signal

SIGKILL: int = getattr(signal, "SIGKILL", signal.SIGTERM)
SIGSTOP: int = getattr(signal, "SIGSTOP", signal.SIGTERM)
SIGCONT: int = getattr(signal, "SIGCONT", signal.SIGTERM)
