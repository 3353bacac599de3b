"""The words that may stand in a support bundle: those that Mistok itself, Python and servers in general use.

Personal data cannot be told from other words by their looks, so the bundle goes the other way round: a word is kept
when it is known to be nobody's, and hidden otherwise.
"""

from __future__ import annotations

import builtins
import os
import re
import sys
from collections.abc import Iterable, Iterator
from errno import errorcode
from functools import cache
from http import HTTPStatus
from pathlib import Path
from types import MappingProxyType

WORD = re.compile(r"[^\W\d_]+")
_IN_CODE = re.compile(r"\b(?:[a-z][a-z]+|[A-Z]+[a-z]+[A-Z][A-Za-z]*)\b")
_PACKAGE = Path(__file__).resolve().parents[2]
#: What servers say, besides the words of error numbers and of HTTP: FTP, SSH, TLS, SQL.
_SERVERS = """
    a able absent accept accepted access account address after again algorithm allowed already an and answer
    any are at attempt auth authenticated authentication authority available bad banner be before because
    begin binary bind blocked broken bug busy by bytes cannot certificate chain change changed channel check
    cipher client close closed closing code column command commit complete completed connect connected
    connecting connection constraint content corrupt could country crash create created data database deadlock
    default delete deleted denied depth device did different directory disabled disk does domain down driver
    dump duplicate empty enabled encoding end entry errno error errors established exceeded exception exchange
    exclusive exist existing exists expected expired extra failed failure fatal field file files filter folder
    for forbidden foreign format found from full gateway gave get given gone group handshake has header host
    hostname if image in incorrect index input insert instead insufficient integrity interface internal
    interrupted into invalid is issuer it key large last length limit line list local locked log logged login
    long lookup lost malformed many match max maximum message method mismatch missing mode more must name
    negotiate network new no node not null number object of off offset ok on only open operation option or out
    over packet page parse parser passive password path peer permission permissions pipe please policy port
    possible primary privileges process protocol proxy public query quit quota rate reached read reading ready
    reason received record recursion refused rejected relation remote remove rename request required reset
    resolve resource response restart result retry return revoked root row rows running schema secure self
    send sent server service session set shared signature signed size socket space sql ssl start state
    statement status stopped storage store stream string support supported syntax system table temporary text
    the there this thread time timed timeout tls to token too traceback transaction transfer tried try type
    unable unavailable unexpected unique unknown unreachable unsupported until update upload url use used user
    username using valid value verification verify version violates wait wanted was while will with without
    write wrong zone
"""


@cache
def of_the_program() -> frozenset[str]:
    """Every word of the texts (English and Ukrainian), of the code's names, of Python and of servers' usual answers.

    Case matters: a text has a word as it is written there and in small letters, the code's names only as they are, so
    that a name that a comment mentions is no known word.
    """
    found = set(_code())
    for text in (_SERVERS, *(os.strerror(number) for number in errorcode), *(status.phrase for status in HTTPStatus)):
        for word in words_of(text):
            found |= {word, word.lower(), word.capitalize()}
    found |= {*errorcode.values(), *sys.builtin_module_names, *sys.stdlib_module_names, *dir(builtins)}
    for text in _texts():
        for word in words_of(text):
            found |= {word, word.lower()}
    return frozenset(found)


def words_of(text: str) -> Iterator[str]:
    """The runs of letters of a text."""
    for match in WORD.finditer(text):
        yield match[0]


def of_values(values: Iterable[object]) -> Iterator[str]:
    """The words of every string, key or value, inside dicts and lists."""
    for value in values:
        match value:
            case str():
                yield from words_of(value)
            case dict() | MappingProxyType():
                yield from of_values(value.keys())
                yield from of_values(value.values())
            case list() | tuple():
                yield from of_values(value)


def _texts() -> Iterator[str]:
    from babel.messages.pofile import read_po

    with (_PACKAGE / "locales" / "uk" / "LC_MESSAGES" / "mistok.po").open("rb") as source:
        for message in read_po(source):
            for words in (message.id, message.string):
                yield from (words,) if isinstance(words, str) else words or ()


def _code() -> Iterator[str]:
    for folder in (_PACKAGE, _PACKAGE.parent / "plugins"):
        for path in folder.rglob("*.py"):
            yield from words_of(path.stem)
            yield from _IN_CODE.findall(path.read_text(encoding="utf-8"))
