"""Rules that people inside keep: what a letter to an accountant or an admin says was broken, and how it is answered."""

from __future__ import annotations

from collections.abc import Mapping

from pipeline.engine.cards.ways import mapping_command
from pipeline.engine.cards.words import KINDS
from pipeline.errors import Finding
from pipeline.flow import Explained
from pipeline.texts import T, Text, verbatim

_ONE_DOCUMENT = T("An order has one document. Whether it was made is looked up before anything is made once more.")
_LIMITS = T("What would shrink or change by more than the limits in the config waits for a person.")
_LEFT = T("What has left for the buyer is taken back before its order is cancelled or made smaller.")
_BY_HAND = T("What a system cannot change by itself is brought to its order by whoever keeps the accounts.")
_SENT = T("A shipment keeps the sums with which it left. Whoever keeps the accounts decides what a later change does.")

#: Code of a finding that people inside mend -> the rule, and how the answer is written; N is the number of the card.
INSIDE: Mapping[str, tuple[Text, str]] = {
    "in-doubt": (_ONE_DOCUMENT, "mistok resolve N --document 77"),
    "document-gone": (_ONE_DOCUMENT, "mistok resolve N --document 77"),
    "brake": (_LIMITS, "mistok resolve N --accept"),
    "shipped-more": (_LEFT, "mistok resolve N --retry"),
    "shipped-otherwise": (_LEFT, "mistok resolve N --retry"),
    "changed-by-hand": (_BY_HAND, "mistok resolve N --accept"),
    "shipped-changed": (_SENT, "mistok resolve N --accept"),
    "shipped-and-cancelled": (_LEFT, "mistok resolve N --retry"),
}


def for_inside(finding: Finding, number: int) -> Explained | None:
    """The rule of a finding that an accountant or an admin mends, with an answer as an example; None without one.

    ``number``: of the card.
    """
    kind, _, code = (finding.about or "").partition(":")
    if code:
        rule = T(
            "Every {kind} that an order names is known in the accounting system by its code, or a mapping says what "
            "is meant.",
            kind=KINDS.get(kind) or verbatim(kind),
        )
        return Explained(rule, mapping_command([number], finding.about or "", "0042"))
    if finding.code in INSIDE:
        rule, answer = INSIDE[finding.code]
        return Explained(rule, answer.replace(" N ", f" {number} "))
    return None
