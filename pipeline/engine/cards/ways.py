"""What a person can do about a card: each way as a command that can be copied, and what it does. Pure."""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from pipeline.engine import deciding
from pipeline.engine.cards.story import Story
from pipeline.engine.nearest import Proposal
from pipeline.texts import T, Text

PROPOSED = 3  #: near things that are offered as a command
_PLAIN = re.compile(r"[\w.,:=/+@…-]+\Z")


@dataclass(frozen=True, slots=True)
class Way:
    """A command and what it does."""

    command: str
    does: Text


def shell_word(text: str, *, windows: bool = False) -> str:
    """``text`` as one word of a command line: ``sku:AB-1=AB1`` as it is, ``'sku:A B=AB'`` in quotes."""
    if _PLAIN.match(text):
        return text
    return '"' + text.replace('"', '\\"') + '"' if windows else shlex.quote(text)


def here(words: str, number: int) -> str:
    """The words of a hint on the card of that number itself: where they send to the list of cards, to this one."""
    return words.replace("`mistok cards`", f"`mistok card {number}`")


def mapping_command(cards: Sequence[int], about: str, meant: str, *, windows: bool = False) -> str:
    """``mistok resolve 12 --map sku:AB-1=AB1``; an unknown meaning is ``…``."""
    numbers = " ".join(str(number) for number in cards)
    given = shell_word(f"{about}={meant or '…'}", windows=windows)
    return f"mistok resolve {numbers} --map {given}"


def ways(
    story: Story,
    acceptable: Collection[str],
    proposals: Mapping[str, Sequence[Proposal]] | None = None,
    *,
    windows: bool = False,
) -> tuple[Way, ...]:
    """What can be done about an open card, the likeliest first; nothing for a closed one."""
    if story.card["state"] != "open":
        return ()
    return tuple(_ways(story, acceptable, proposals or {}, windows))


def _ways(
    story: Story, acceptable: Collection[str], proposals: Mapping[str, Sequence[Proposal]], windows: bool
) -> Iterator[Way]:
    n, kind = story.number, story.card["kind"]
    for about in deciding.asked_for(story.card):
        near = proposals.get(about, ())[:PROPOSED]
        for one in near:
            does = T(
                "{about} is {code} ({name}), from now on and for every order that waited for it",
                about=about,
                code=one.code,
                name=one.name,
            )
            yield Way(mapping_command([n], about, one.code, windows=windows), does)
        if not near:
            does = T("say what {about} means, from now on and for every order that waited for it", about=about)
            yield Way(mapping_command([n], about, "", windows=windows), does)
    if acceptable:
        does = deciding.accepting(acceptable)
        yield Way(f"mistok resolve {n} --accept", does)
    match kind:
        case "held":
            yield Way(
                f"mistok resolve {n} --retry", T("try again now, when what was missing has been mended elsewhere")
            )
            there = bool(story.order and story.order["document_number"])
            codes = {finding.code for finding in deciding.findings_of(story.card)}
            if not there or "document-gone" in codes:
                yield Way(f"mistok resolve {n} --document …", T("somebody has made the document by hand: its number"))
            rejected = T("the order's document stays as it is") if there else T("no document is made of this order")
        case "in_doubt":
            yield Way(f"mistok resolve {n} --retry", T("you have looked, and there is no document: it is made"))
            yield Way(f"mistok resolve {n} --document …", T("you have looked, and this is its document: its number"))
            rejected = T("you have looked, and there is none, nor is one to be made")
        case "quarantined":
            yield Way(
                f"mistok replay --card {n}", T("read the archived file again, when the settings have been mended")
            )
            rejected = T("nothing is read out of this file; the server's copy is dealt with as `after` says")
        case "changed":
            rejected = T("the order's document stays as it is")
        case "brake":
            yield Way(f"mistok resolve {n} --retry", T("run the job again, when the source has been mended"))
            rejected = T("this catalogue is not published; the last good file stays on the server")
        case "plan":
            yield Way(f"mistok resolve {n} --retry", T("run the job again, when the source has been mended"))
            rejected = T("nothing of this plan is applied; it is not asked about again")
        case "alike":
            rejected = T("the card is closed: they are different buyers")
        case "status":
            rejected = T("the card is closed; documents keep the status that they have")
        case "sync":
            yield Way(f"mistok resolve {n} --retry", T("compare both sides again now"))
            rejected = T("the card is closed; it is opened anew while the next look at everything finds the same")
        case "unread" | "inbox":
            yield Way(
                "mistok check --connect", T("look what the server allows; the card closes by itself when it is read")
            )
            rejected = T("the card is closed; it is opened anew when it cannot be read again")
        case _:
            rejected = T("the card is closed; nothing else happens")
    reason = '"…"' if windows else "'…'"
    yield Way(f"mistok resolve {n} --reject --why {reason}", rejected)
    yield Way(f"mistok card {n} --letter", T("a letter about it, to copy"))
