"""Takes secrets and people's data out of what a support bundle tells. Pure.

Kept of a text are known words (see :mod:`pipeline.engine.support.vocabulary`), short Latin codes of articles, numbers
of up to eight digits, times and sums. Hidden are e-mail addresses, phone numbers and all long numbers, keys and tokens,
and every word that is not known: names of people, streets and towns are among those, in any language and spelling.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from pipeline.config.masking import MASK, mask
from pipeline.engine.support.vocabulary import words_of

#: Keys of values that are somebody's, whatever is in them.
PERSONAL_KEYS = frozenset(
    {"customer", "phone", "email", "address", "buyer", "party", "contact", "comment", "city", "street", "zip", "by"}
)
#: The same for names of elements and attributes in files of shops.
PERSONAL_ELEMENT = re.compile(
    r"name|phone|tel|mail|addr|street|city|town|region|zip|post|index|comment|note|buyer|customer|client|person|contact"
    r"|recipient|party|company|organi|inn|ipn|edrpou|tax_?id|passport|birth|deliver|shipping|branch|login|user|message"
    r"|им|фам|отч|адрес|тел|почт|город|улиц|индекс|комм|покуп|клиент|контраг|получ|наимен"
    r"|ім|прізв|батьк|піб|пошт|міст|вул|коммент|комент|приміт|клієнт|отрим|єдрпоу|іпн|назв",
    re.IGNORECASE,
)
#: Elements of goods: what is called a name in them is that of a product.
_GOODS = re.compile(r"^(?:.*item|items?|products?|goods|lines?|positions?|rows?|товары?|позиц\w*)$", re.IGNORECASE)
_NAME = re.compile(r"name|наимен|назв|branch|company|organi", re.IGNORECASE)
#: Leaves that are of a person's, and are words of the shop's all the same.
_TECHNICAL = re.compile(
    r"(?:^|[-_.:])(?:type|kind|id|method|service|carrier|country|currency|status|language)$", re.IGNORECASE
)
_ARTICLE = re.compile(r"(?:^|[-_.:])(?:sku|code|article|art|артикул|код)$", re.IGNORECASE)
_ONE_CODE = re.compile(r"(?=.*\d)[^\s@]{2,40}")
_HASH = re.compile(r"[0-9a-f]{64}|[0-9a-f]{8}")
#: Keys of hashes, and of the references of errors.
_HASHES = frozenset({"sha", "sha256", "config", "config_hash", "reference"})
#: Numbers that count bytes, and so may be long.
_COUNTED = frozenset({"size", "bytes", "free_bytes", "total_bytes", "free", "total_size"})
_CODE = re.compile(r"[A-Z]{1,3}")  #: of an article, such as AB-17
_LONG = 9  #: digits from which on a number may be a phone, a tax number or a card
_CLOSE = 5  #: digits from which on a number of somebody's is hidden elsewhere, too: a post code
_DIGITS = r"\d[\d\u0020\u00a0()./\-]*\d"
_OCTET = r"(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)"
_PARTS = re.compile(
    rf"""
      (?P<time>\b\d{{4}}-\d\d-\d\d(?:[T\u0020]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:[+-]\d\d:\d\d)?)?(?!\d)
        |\b\d\d\.\d\d\.\d{{4}}\b(?:,?\u0020\d\d:\d\d)?)
    | (?P<address>\b{_OCTET}(?:\.{_OCTET}){{3}}\b)
    | (?P<phone>\+?\(?{_DIGITS})
    | (?P<number>\d+)
    | (?P<word>[^\W\d_]+)
    """,
    re.VERBOSE,
)
#: Whole words: looked for before all others, as a part of one may look like a number.
_WHOLE = re.compile(
    r"(?P<email>[^\s@<>\"'(),;:]+@[^\s@<>\"'(),;:]+)"
    r"|(?P<key>\b(?=[A-Za-z_-]*\d)(?=[\d_-]*[A-Za-z])[A-Za-z0-9_\-+/=]{20,})"
)
_LOCAL = re.compile(r"\d{3}[\s-]\d\d[\s-]\d\d")
_HIDDEN = {"email": "e-mails", "key": "keys", "phone": "long numbers", "number": "long numbers", "word": "words"}


class Hider:
    """Hides in texts and data. ``counts`` tells how much of what was hidden."""

    def __init__(self, known: Collection[str], secrets: Collection[str] = ()) -> None:
        """``known``: the words that may be told. ``secrets``: values of the config."""
        self._known = set(known)
        self._secrets = frozenset(secrets)
        #: Nobody has said what is anybody's (the ledger cannot be asked): what may be a post code is hidden, too.
        self.careful = False
        self._theirs: set[str] = set()
        self._digits: set[str] = set()
        self.counts: Counter[str] = Counter()

    def learn(self, values: Iterable[str | None]) -> None:
        """Values that are somebody's: none of their words is told anywhere, however usual it is, and no post code."""
        for value in values:
            if not value:
                continue
            for word in words_of(value):
                self._theirs |= {word, word.lower(), word.upper(), word.capitalize()}
            for digits in re.findall(r"\d+", value):
                if len(digits) >= _CLOSE:
                    self._digits.add(digits)
            whole = re.sub(r"\D", "", value)
            if len(whole) >= _CLOSE:
                self._digits.add(whole)

    def know(self, values: Iterable[str]) -> None:
        """Values that are nobody's, such as codes of articles: their words may be told."""
        for value in values:
            self._known.update(words_of(value))

    def text(self, text: str) -> str:
        """A text without secrets and people's data."""
        clear = mask(text, self._secrets)
        if clear != text:
            self.counts["secrets"] += 1
        return _PARTS.sub(self._part, _WHOLE.sub(self._part, clear))

    def whole(self, value: object) -> object:
        """Something that is somebody's as a whole; nothing and empty texts stay what they are."""
        if value is None or value == "":
            return value
        self.counts["whole values"] += 1
        return MASK

    def data(self, value: Any, key: str = "") -> Any:
        """Plain data (dicts, lists, strings, numbers), all of it hidden as its key says."""
        if key in PERSONAL_KEYS:
            return self.whole(value)
        match value:
            case str():
                return value if key in _HASHES and _HASH.fullmatch(value) else self.text(value)
            case Mapping():
                return {self.text(str(name)): self.data(one, str(name)) for name, one in value.items()}
            case list() | tuple():
                return [self.data(one, key) for one in value]
            case bool() | None | float():
                return value
            case int():
                return value if abs(value) < 10**_LONG or key in _COUNTED else self.text(str(value))
            case _:
                return self.text(str(value))

    def _part(self, match: re.Match[str]) -> str:
        kind, found = str(match.lastgroup), match[0]
        match kind:
            case "time" | "address":
                return found
            case "word":
                usual = found in self._known or bool(_CODE.fullmatch(found))
                kept = len(found) == 1 or (usual and found not in self._theirs)
            case "phone" | "number":
                digits = re.sub(r"\D", "", found)
                longest = _CLOSE if self.careful else _LONG
                kept = len(digits) < longest and not _LOCAL.fullmatch(found) and digits not in self._digits
                if kept and self._digits:
                    kept = self._digits.isdisjoint(re.findall(r"\d+", found))
            case _:
                kept = False
        if kept:
            return found
        self.counts[_HIDDEN[kind]] += 1
        return MASK


_TOKEN = re.compile(
    r"<!--.*?(?:-->|\Z)|<\?.*?(?:\?>|\Z)|<!\[CDATA\[(?P<cdata>.*?)(?:\]\]>|\Z)|<!.*?(?:>|\Z)"
    r"|<(?P<close>/)?(?P<name>[^\W\d][\w.:-]*)(?P<more>(?:\s+[\w.:-]+\s*=\s*(?:\"[^\"<]*\"|'[^'<]*'))*)\s*(?P<end>/?)>"
    r"|(?P<text>[^<]+)|(?P<stray><)",
    re.DOTALL,
)
_ATTRIBUTE = re.compile(r"(\s+)([\w.:-]+)(\s*=\s*)(\"[^\"]*\"|'[^']*')")


def xml(text: str, hider: Hider) -> str:
    """Lines of an XML file (whole, a part or cut): its elements and what is wrong in them, without people's data.

    Comments and processing instructions are left out. What stands in an element or attribute that tells of people is
    hidden as a whole, as is all that is inside of it.
    """

    def value(place: tuple[str, ...], words: str) -> str:
        if not words.strip():
            return words
        if not is_personal(place):
            return hider.text(words)
        hider.whole(words)
        # its lines stay lines, so that the numbers of those that follow are right
        return MASK + "\n" * words.count("\n")

    return "".join(_walk(text, value, hider.text))


def read_xml(text: str) -> tuple[list[str], list[str]]:
    """What an XML file says of people, and its codes of articles."""
    theirs: list[str] = []
    codes: list[str] = []

    def value(place: tuple[str, ...], words: str) -> str:
        if is_personal(place) and not _TECHNICAL.search(place[-1]):
            theirs.append(words)
        elif place and _ARTICLE.search(place[-1]) and _ONE_CODE.fullmatch(words.strip()):
            codes.append(words)
        return ""

    for _ in _walk(text, value, str):
        pass
    return theirs, codes


def is_personal(place: Sequence[str]) -> bool:
    """Whether what stands in this element or attribute (its names, outermost first) may tell of people."""
    of_goods = False
    for name in place:
        of_goods = of_goods or bool(_GOODS.match(name))
        found = PERSONAL_ELEMENT.search(name)
        if found and not _GOODS.match(name) and not (of_goods and _NAME.search(name)):
            return True
    return False


def _walk(text: str, value: Callable[[tuple[str, ...], str], str], odd: Callable[[str], str]) -> Iterator[str]:
    """The text, piece by piece, with each value as ``value`` gives it, and names that close nothing as ``odd`` does."""
    place: list[str] = []
    for match in _TOKEN.finditer(text):
        name = match["name"]
        if name and match["close"]:
            known = name in place
            while known and place.pop() != name:
                pass
            yield f"</{name if known else odd(name)}>"
        elif name:

            def attribute(one: re.Match[str], inside: tuple[str, ...] = (*place, name)) -> str:
                return f"{one[1]}{one[2]}{one[3]}{one[4][0]}{value((*inside, one[2]), one[4][1:-1])}{one[4][0]}"

            yield f"<{name}{_ATTRIBUTE.sub(attribute, match['more'])}{match['end']}>"
            if not match["end"]:
                place.append(name)
        elif (words := match["text"] if match["text"] is not None else match["cdata"]) is not None:
            yield value(tuple(place), words)
        else:
            yield "\n" * match[0].count("\n")
