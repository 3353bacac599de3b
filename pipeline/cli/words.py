"""The command line library's own words in the reader's language: headings of the help, and wrong calls.

Typer offers no catalogue for most of them, so its finished English sentences are put into ours here, in one place.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

from typer.core import TyperCommand, TyperGroup

from pipeline.texts import T, Text, current_language, verbatim


def _no_option(match: re.Match[str]) -> Text:
    near = match[2] or match[3]
    if near:
        return T("There is no option {name}. Did you mean {near}?", name=match[1], near=near)
    return T("There is no option {name}.", name=match[1])


def _no_verb(match: re.Match[str]) -> Text:
    if match[2]:
        return T("There is no verb {name}. Did you mean {near}?", name=match[1], near=match[2].replace("'", ""))
    return T("There is no verb {name}.", name=match[1])


_HELP: tuple[tuple[str, Text], ...] = (
    (r"^Usage:", T("Usage:")),
    (r"^Options:", T("Options:")),
    (r"^Commands:", T("Commands:")),
    (r"^Arguments:", T("Arguments:")),
    (r"Show\s+this\s+message\s+and\s+exit\.", T("Show this message and exit.")),
    (r"(?<=[\[ ])required(?=[\];])", T("required")),
    (r"(?<=[\[ ])default:", T("default:")),
    (r"(?<=\[)env var:", T("env var:")),
    (r"\[OPTIONS\]", T("[OPTIONS]")),
    (r"COMMAND \[ARGS\]\.\.\.", T("COMMAND [ARGS]...")),
)

_TYPES: tuple[tuple[str, Text], ...] = (
    (r"<(?:list\[)?(?:int|float)\]?(?: range)?>", T("number")),
    (r"<(?:list\[)?str\]?>", T("text")),
    (r"<(?:list\[)?(?:[Pp]ath|file|directory)\]?>", T("path")),
)

#: What is wrong with a value, inside the sentence below.
_VALUES: tuple[tuple[str, Callable[[re.Match[str]], Text]], ...] = (
    (
        r"(?:Value error, )?'(.*)' is not one of (.+?)\.?$",
        lambda m: T("{value} is not one of {names}", value=m[1], names=m[2].replace("'", "")),
    ),
    (r"Input should be greater than or equal to (\S+)", lambda m: T("at least {limit}", limit=m[1])),
    (r"Input should be less than or equal to (\S+)", lambda m: T("at most {limit}", limit=m[1])),
    (
        r"(?:file|path|directory|File|Path|Directory) '(.+)' does not exist",
        lambda m: T("there is no {path}", path=m[1]),
    ),
    (r"(?i:file|path) '(.+)' is a directory", lambda m: T("{path} is a folder", path=m[1])),
    (r"(?i:file|path) '(.+)' is not readable", lambda m: T("{path} cannot be read", path=m[1])),
    (
        r"Input should be a valid integer.*|'?(.*?)'? is not a valid int(?:eger)?",
        lambda _m: T("a whole number is needed"),
    ),
    (r"Input should be a valid number.*|'?(.*?)'? is not a valid float", lambda _m: T("a number is needed")),
)

_ERRORS: tuple[tuple[str, Callable[[re.Match[str]], Text]], ...] = (
    (r"No such option: (\S+?)\.?(?: Did you mean (.+?)\?| \(Possible options: (.+)\))?$", _no_option),
    (r"No such command '?(.+?)'?\.(?: Did you mean (.+?)\?)?$", _no_verb),
    (r"Missing (?:argument|parameter|option)\s*:?\s*'?(.+?)'?\.?$", lambda m: T("{name} is missing.", name=m[1])),
    (r"Missing command\.$", lambda _m: T("A verb is missing.")),
    (r"Got unexpected extra arguments? ?(?:\(s\) )?\((.+)\)$", lambda m: T("Too many words: {words}.", words=m[1])),
    (r"Option '?(\S+?)'? requires an argument\.?$", lambda m: T("Option {name} needs a value.", name=m[1])),
    (r"Option '?(\S+?)'? does not take a value\.?$", lambda m: T("Option {name} takes no value.", name=m[1])),
    (
        r"Invalid value for (.+?): (.+)$",
        lambda m: T("{name} cannot be used as given: {words}", name=m[1].replace("'", ""), words=_value(m[2])),
    ),
    (r"Invalid value: (.+)$", lambda m: verbatim(m[1])),
)


def _value(message: str) -> Text:
    for pattern, words in _VALUES:
        match = re.match(pattern, message, re.DOTALL)
        if match:
            return words(match)
    return verbatim(message)


class Verb(TyperCommand):
    """A verb whose help is in the reader's language."""

    def get_help(self, ctx: Any) -> str:
        """The help text."""
        types_in_words(self)
        return help_words(super().get_help(ctx))


class VerbGroup(TyperGroup):
    """A verb with verbs of its own, whose help is in the reader's language."""

    def get_help(self, ctx: Any) -> str:
        """The help text."""
        types_in_words(self)
        return help_words(super().get_help(ctx))


def types_in_words(command: Any) -> None:
    """``<number>`` instead of ``<int range>`` in the help, before its columns are measured."""
    for param in command.params:
        param.display_type = partial(_type_words, param, type(param).display_type)


def _type_words(param: Any, original: Callable[..., str], ctx: Any) -> str:
    kind = original(param, ctx)
    return next((f"<{words}>" for pattern, words in _TYPES if re.fullmatch(pattern, kind)), kind)


def in_words(command: Any) -> Any:
    """The same for a command made elsewhere (a system's own verbs) and all its sub-commands."""
    types_in_words(command)
    original = command.get_help
    command.get_help = lambda ctx: help_words(original(ctx))
    for part in getattr(command, "commands", {}).values():
        in_words(part)
    return command


def help_words(text: str) -> str:
    """A help text with the library's own words in the reader's language."""
    if current_language() == "en":
        return text
    for pattern, words in _HELP:
        text = re.sub(pattern, lambda _m, words=words: str(words), text, flags=re.MULTILINE)  # type: ignore[misc]
    return text


def error_words(message: str) -> str:
    """What the library says of a wrong call, in the reader's language; unknown sentences stay as they are."""
    if current_language() == "en":
        return message
    for pattern, words in _ERRORS:
        match = re.match(pattern, message, re.DOTALL)
        if match:
            return str(words(match))
    return message


def run(app: Callable[..., Any]) -> int:
    """Run the app; a wrong call is told in one short card. Gives the exit code."""
    try:
        code = app(standalone_mode=False)
    except Exception as error:
        tell = getattr(error, "format_message", None)
        if tell is None:
            if type(error).__name__ == "Abort":
                print(str(T("Stopped.")), file=sys.stderr)
                return 130
            raise
        context = getattr(error, "ctx", None)
        if type(error).__name__ == "NoArgsIsHelpError":
            print(help_words(tell()), file=sys.stderr)
            return 2
        if context is not None:
            print(help_words(context.get_usage()), file=sys.stderr)
        print(error_words(tell()), file=sys.stderr)
        if context is not None:
            print(str(T("  → {command} --help tells how it is called.", command=context.command_path)), file=sys.stderr)
        return 2
    return code if isinstance(code, int) else 0
