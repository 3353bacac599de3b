"""What was noticed while a shop was read."""

from __future__ import annotations

from pipeline.api import Finding, T, Text, Who
from pipeline.api import Notices as Collected


class Notices(Collected):
    """Collects findings until they are taken."""

    def product(self, code: str, text: Text, number: object, hint: Text | None = None) -> None:
        """One about a product."""
        self.add(Finding(code, text, hint=hint, who=Who.SITE, about=f"product:{number}"))


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
