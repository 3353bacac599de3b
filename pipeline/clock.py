"""The real clock behind the Clock port."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from pipeline.ports import Clock


class SystemClock:
    """The machine's clock, in UTC."""

    def now(self) -> datetime:
        """The aware moment."""
        return datetime.now(UTC)

    def sleep(self, seconds: float) -> None:
        """Wait; nothing for zero and less."""
        if seconds > 0:
            time.sleep(seconds)


_: type[Clock] = SystemClock
