"""What was noticed while a system was read: each thing once, and of one kind not more than a person can take in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from pipeline.errors import Finding, Who
from pipeline.texts import TN

MOST = 20  #: of one kind


class Notices:
    """Collects findings until they are taken."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], Finding] = {}
        self._kinds: Counter[str] = Counter()

    def add(self, finding: Finding) -> None:
        """One that is there already counts once."""
        key = (finding.code, finding.about or str(finding.text))
        if key not in self._found:
            self._kinds[finding.code] += 1
            if self._kinds[finding.code] <= MOST:
                self._found[key] = finding

    def extend(self, findings: Iterable[Finding]) -> None:
        """Several."""
        for finding in findings:
            self.add(finding)

    def take(self) -> tuple[Finding, ...]:
        """All so far, and how many more of a kind there were; then it is empty."""
        made = list(self._found.values())
        for kind, times in self._kinds.items():
            if times > MOST:
                rest = times - MOST
                text = TN("{n} more product like this.", "{n} more products like this.", rest)
                made.append(Finding(kind, text, who=Who.SITE))
        self._found, self._kinds = {}, Counter()
        return tuple(made)
