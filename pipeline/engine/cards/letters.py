"""Letters about cards: plain text to copy, in Ukrainian or English, to the one who must mend it. Pure."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from pipeline import __version__
from pipeline.engine import deciding
from pipeline.engine.cards.excerpt import Line, drawn
from pipeline.engine.cards.inside import for_inside
from pipeline.engine.cards.story import Story
from pipeline.engine.cards.ways import here, mapping_command
from pipeline.engine.cards.words import KINDS
from pipeline.engine.nearest import Proposal
from pipeline.errors import Finding, Who
from pipeline.flow import Explained
from pipeline.model import cents
from pipeline.texts import TN, T, Text, verbatim

SHOWN = 20  #: mistakes that one letter tells one by one


@dataclass(frozen=True, slots=True)
class Letter:
    """A letter, ready to be sent."""

    to: Who
    language: str
    subject: str
    body: str


@dataclass(frozen=True, slots=True)
class Known:
    """What a letter needs besides the cards: names, the format's rules, what the target knows, what may be accepted."""

    client: str
    zone: ZoneInfo
    explain: Callable[[Story, Finding], Explained | None]
    proposals: Mapping[str, Sequence[Proposal]] = field(default_factory=dict)
    acceptable: Mapping[int, Collection[str]] = field(default_factory=dict)  #: by card


def addressees(stories: Sequence[Story]) -> tuple[Who, ...]:
    """Who must mend what these cards tell of, the site first, each once."""
    found = {finding.who for story in stories for finding in story.findings}
    return tuple(who for who in Who if who in found)


def letter(stories: Sequence[Story], to: Who, language: str, known: Known) -> Letter:
    """A letter about one card, or about all cards of one file, to the person ``to``.

    It tells the findings that this person must mend; where none is theirs, all of them.
    """
    writer = _Writer(stories, to, language, known)
    return Letter(to, language, writer.subject(), writer.body())


@dataclass(frozen=True, slots=True)
class _Told:
    """One finding, as the letter counts it."""

    story: Story
    place: int  #: among its card's findings
    finding: Finding


class _Writer:
    def __init__(self, stories: Sequence[Story], to: Who, language: str, known: Known) -> None:
        self.stories, self.to, self.language, self.known = stories, to, language, known
        every = [_Told(story, n, one) for story in stories for n, one in enumerate(story.findings)]
        theirs = [told for told in every if told.finding.who is to]
        self.told = theirs or every
        self.file = next((story.file for story in stories if story.file), None)
        #: cards of which this letter says something
        self.own = [story for story in stories if any(told.story is story for told in self.told)]
        #: nothing is wrong with the order: the site is only asked which content of it holds
        self.asks = to is Who.SITE and not theirs and all(one.card["kind"] == "changed" for one in self.own)

    def say(self, text: Text) -> str:
        return text.render(self.language)

    # --- subject ---------------------------------------------------------------------------------------------------

    def subject(self) -> str:
        first = self.told[0].finding.text if self.told else verbatim("")
        numbers = [story.order["number"] for story in self.own if story.order]
        name = self.file["name"] if self.file else ""
        if self.to is Who.US:
            return self.say(
                T("Mistok {version}, {client}: {what}", version=__version__, client=self.known.client, what=first)
            )
        if self.own and self.own[0].card["kind"] == "brake":
            return self.say(T("The catalogue waits for your word: {what}", what=first))
        if self.own and self.own[0].card["kind"] == "plan":
            return self.say(T("A plan waits for your word: {what}", what=first))
        if numbers and self.asks:
            return self.say(T("Which content of order №{number} holds?", number=", ".join(numbers)))
        if len(numbers) == 1 and self.to is Who.SITE and self.read_from_system:
            return self.say(T("Order №{number} has to be mended", number=numbers[0]))
        if len(numbers) == 1 and self.to is Who.SITE:
            return self.say(T("Order №{number} in {file} has to be mended", number=numbers[0], file=name))
        if len(numbers) == 1:
            return self.say(T("Order №{number} waits for you", number=numbers[0]))
        if numbers:
            return self.say(
                TN("{n} order in {file} waits for you", "{n} orders in {file} wait for you", len(numbers), file=name)
            )
        if not name:  # an inbox that cannot be listed
            return self.say(first)
        return self.say(T("Order file {file} could not be accepted", file=name))

    # --- body ------------------------------------------------------------------------------------------------------

    def body(self) -> str:
        title = T("WHAT IS NEW") if self.asks else T("WHAT IS WRONG")
        parts = [self.say(T("Good day!")), *self._opening(), self.say(title), *self._mistakes()]
        parts += [self.say(T("WHAT TO DO")), self._next()]
        cards = ", ".join(str(story.number) for story in self.own)
        parts.append(self.say(T("Thank you!")))
        parts.append(self.say(T("{client}, by Mistok, card {cards}", client=self.known.client, cards=cards)))
        return "\n\n".join(part for part in parts if part) + "\n"

    def _opening(self) -> Iterator[str]:
        file = self.file
        if file is not None and self.read_from_system:
            values = {"source": file["connection"], "when": self._when(file["first_seen"])}
            yield self.say(T("It was read from {source} on {when}.", **values))
            if not self.settled:
                yield self.say(self._waits())
        elif file is not None:
            values = {"file": file["name"], "when": self._when(file["first_seen"])}
            if any(story.card["kind"] == "quarantined" for story in self.own):
                yield self.say(
                    T(
                        "The order file {file} came on {when}. It could not be accepted: no order was taken from it.",
                        **values,
                    )
                )
            elif any(story.card["kind"] in ("lost", "unread") for story in self.own):
                yield self.say(T("The order file {file} was seen on {when}. It could not be taken.", **values))
            elif any(story.card["kind"] == "changed" for story in self.own):
                yield self.say(T("The order file {file} came on {when}. It changes what was sent before.", **values))
            elif self.settled:
                yield self.say(T("The order file {file} came on {when} and was read.", **values))
                yield self.say(T("What is named below is settled by now."))
            elif any(story.card["kind"] == "in_doubt" for story in self.own):
                yield self.say(T("The order file {file} came on {when} and was read.", **values))
                yield self.say(T("Whether its order is booked is not known."))
            else:
                yield self.say(T("The order file {file} came on {when} and was read.", **values))
                yield self.say(self._waits())
        orders = [self._order_line(story) for story in self.own if story.order]
        if orders:
            yield "\n".join(orders)
        if file is not None and self.own and (taken := self.own[0].taken) and self.to is Who.SITE:
            yield self.say(
                TN("{n} other order of this file is booked.", "{n} other orders of this file are booked.", taken)
            )

    def _waits(self) -> Text:
        made = [bool(story.order["document_number"]) for story in self.own if story.order]
        if made and all(made):
            return T("What is named below waits: its document stays as it is until then.")
        if any(made):
            return T("What is named below waits.")
        return T("What is named below waits: it has no document yet.")

    def _order_line(self, story: Story) -> str:
        order = story.order or {}
        parts = [self.say(T("Order №{number}", number=order["number"]))]
        if order["source"]:
            parts.append(order["source"])
        if order["customer"] and self.to is not Who.US:
            parts.append(order["customer"])
        if order["total"]:
            total = cents(Decimal(order["total"]))
            parts.append(self.say(T("{amount} {currency}", amount=total, currency=order["currency"] or "")))
        if order["document_number"]:
            parts.append(self.say(T("document {document}", document=order["document_number"])))
        return "- " + ", ".join(parts)

    def _mistakes(self) -> Iterator[str]:
        explained: dict[tuple[str, str], int] = {}
        seen: set[tuple[Line, ...]] = set()
        for n, told in enumerate(self.told[:SHOWN], 1):
            shown = told.story.excerpts[told.place]
            yield self._mistake(n, told, explained, () if shown in seen else shown)
            seen.add(shown)
        if (more := len(self.told) - SHOWN) > 0:
            yield self.say(TN("… and {n} more.", "… and {n} more.", more))

    def _mistake(self, n: int, told: _Told, explained: dict[tuple[str, str], int], shown: tuple[Line, ...]) -> str:
        finding = told.finding
        place, words = self._place(finding), self.say(finding.text)
        lines = [f"{n}. {place}", words] if place else [f"{n}. {words}"]
        if shown:
            lines += ["", textwrap.indent(drawn(shown), "    "), ""]
        if finding.hint is not None and (self.to is not Who.SITE or finding.who is Who.SITE):
            words = here(self.say(finding.hint), told.story.number)
            lines.append(self.say(T("Advice: {words}", words=words)))
        rule = self.known.explain(told.story, finding)
        if rule is None and self.to in (Who.ACCOUNTANT, Who.ADMIN) and not self.settled:
            rule = for_inside(finding, told.story.number)
        if rule is not None:
            element = (finding.where.element or "").rpartition("/")[2].partition("[")[0]
            known = explained.setdefault((finding.code, element), n)
            if known != n:
                lines.append(self.say(T("Rule and example: as in {n}.", n=known)))
            else:
                lines.append(self.say(T("The rule: {words}", words=rule.rule)))
                if rule.example:
                    lines += [self.say(T("It is rightly written so:")), "", textwrap.indent(rule.example, "    ")]
        for near in self.known.proposals.get(finding.about, ()) if finding.about and self.to is not Who.SITE else ():
            lines.append(self.say(T("Near to it is {code} ({name}).", code=near.code, name=near.name)))
        first, *others = lines
        return "\n".join([first, *(textwrap.indent(line, "   ") if line else "" for line in others)]).rstrip()

    def _place(self, finding: Finding) -> str:
        where = finding.where
        parts = []
        if where.line and where.column:
            parts.append(self.say(T("Line {line}, column {column}", line=where.line, column=where.column)))
        elif where.line:
            parts.append(self.say(T("Line {line}", line=where.line)))
        if where.element:
            parts.append(where.element)
        if where.order:
            parts.append(self.say(T("order №{number}", number=where.order)))
        if where.order_line:
            parts.append(self.say(T("item {number}", number=where.order_line)))
        return ", ".join(parts)

    # --- what to do ------------------------------------------------------------------------------------------------

    def _next(self) -> str:
        match self.to:
            case Who.SITE:
                steps = self._site()
            case Who.US:
                steps = self._support()
            case Who.ACCOUNTANT | Who.ADMIN:
                steps = self._inside()
        return "\n".join(f"- {self.say(step)}" for step in steps)

    def _site(self) -> Iterator[Text]:
        if self.asks and self.file is not None:
            yield T("Tell us whether the order holds as {file} has it.", file=self.file["name"])
            yield T("If it does not, send it once more as it is. Until then its document stays as it was.")
            yield T("An order that says when it was changed (<modified>) is not asked about for its order of arrival.")
        elif self.read_from_system:
            yield T("Mend this in the shop, and give the order once more, whole: it is read again by itself.")
            yield T("Nothing was lost: orders that are right are taken, and the others wait for the mended order.")
            yield T("Nothing is booked twice: an order is known by its id, however often it comes.")
        elif self.file is not None:
            yield T("Mend this on the site, and send the order file again, whole, under the same name or another one.")
            if any(story.card["kind"] == "quarantined" for story in self.own):
                yield T("Nothing was lost: the file is kept as it came, and its orders wait for the mended one.")
            else:
                yield T("Nothing was lost: orders that are right are taken, and the others wait for the mended file.")
            yield T(
                "Nothing is booked twice: an order is known by its id, however often and in whatever file it comes."
            )
            yield T("A file can be tried before it is sent: mistok validate FILE")

    def _support(self) -> Iterator[Text]:
        yield T("The lines of the log with the reference, or of that minute, belong to this letter.")
        if self.file is not None and self.file["sha256"]:
            yield T("So does the file: {name}, SHA-256 {sha}.", name=self.file["name"], sha=self.file["sha256"])

    @property
    def read_from_system(self) -> bool:
        """Whether no file came: the order was asked for, and its file in the archive is of our own making."""
        return self.file is not None and self.file.get("policy") == "asked" and not self.asks

    @property
    def settled(self) -> bool:
        """Whether nobody is waited for any more: somebody wants to tell what was, all the same."""
        return all(story.card["state"] != "open" for story in self.own)

    def _inside(self) -> Iterator[Text]:
        if self.settled:
            yield T("Nothing is left to be done: this tells what was.")
            return
        asked: dict[str, list[int]] = {}
        for story in self.own:
            for about in deciding.asked_for(story.card):
                asked.setdefault(about, []).append(story.number)
        for about, numbers in asked.items():
            kind, _, code = about.partition(":")
            yield T(
                "Add {kind} {code} to the accounting system, or say which known one is meant: {command}",
                kind=KINDS.get(kind) or verbatim(kind),
                code=code,
                command=mapping_command(numbers[:1], about, ""),
            )
        for story in self.own:
            n = story.number
            if codes := self.known.acceptable.get(n):
                yield T(
                    "Right as it is? {command} ({does})",
                    command=f"mistok resolve {n} --accept",
                    does=deciding.accepting(codes),
                )
            match story.card["kind"]:
                case "held":
                    yield T(
                        "Mended elsewhere? {command} (the job's next run tries by itself, too)",
                        command=f"mistok resolve {n} --retry",
                    )
                case "in_doubt":
                    yield T(
                        "Look whether the order has its document in the accounting system. If not, {command} makes it.",
                        command=f"mistok resolve {n} --retry",
                    )
            if story.card["kind"] == "in_doubt":
                yield T("It has one? {command}, with its number", command=f"mistok resolve {n} --document …")
            yield T("Not wanted? {command}", command=f"mistok resolve {n} --reject --why '…'")
        yield T("Nothing was lost, and nothing is booked twice: what waits goes on when this is decided.")

    def _when(self, moment: datetime) -> datetime:
        return moment.astimezone(self.known.zone)
