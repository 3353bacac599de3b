"""What was noticed while a shop was read: each thing once, and of one kind not more than a person can take in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from pipeline.api import TN, Finding, T, Text, Who

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

    def product(self, code: str, text: Text, number: object, hint: Text | None = None) -> None:
        """One about a product."""
        self.add(Finding(code, text, hint=hint, who=Who.SITE, about=f"product:{number}"))

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


def language_gone(code: str, instead: str) -> Finding:
    """The language that the connection names is not in the shop."""
    return Finding(
        "language-gone",
        T("The shop has no language {code}: texts are told in {instead}.", code=code, instead=instead),
        hint=T("Correct `language` of the connection, or add the language in the shop's admin."),
        who=Who.ADMIN,
        about=f"language:{code}",
    )


def settings_unreadable(table: str) -> Finding:
    """The shop's own settings cannot be looked up."""
    return Finding(
        "settings-unread",
        T("The table {table} may not be read, or is empty: what the shop has set is not known.", table=table),
        hint=T(
            "Give `language`, `currency`, `timezone` and `customer_group` in the connection, or the right to read it."
        ),
        who=Who.ADMIN,
        about=f"table:{table}",
    )
