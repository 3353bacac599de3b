"""What is told of a call that Tryton refuses, or that is not sent to it at all. Pure."""

from __future__ import annotations

from typing import Any

from pipeline.api import Held, MistokError, Refused, T, Text, Transient

Error = Any  #: the ``error`` of an answer: a name and its arguments, or words and a traceback


def refused(error: Error, *, writing: bool) -> MistokError:
    """An error of Tryton as one of ours, in its own words.

    Its ``UserError`` carries (message, description, domain), its ``UserWarning`` (name, message, description), its
    ``ConcurrencyException`` a message; anything else is a fault of the server: its words, and a traceback that is not
    shown. A call is one transaction there: what is refused has changed nothing.
    """
    name, said = _parts(error)
    match name:
        case "UserError":
            return held(T("Tryton refuses it: {words}", words=_words(said, 0, 1)), code="tryton-refused")
        case "UserWarning":
            return held(
                T("Tryton warns, and goes on only when a person says so: {words}", words=_words(said, 1, 2)),
                T("Do it in Tryton's own client, where the warning can be answered: it is looked at again by itself."),
                code="tryton-warning",
            )
        case "ConcurrencyException":
            return Transient(
                T("Somebody changed it in Tryton meanwhile: {words}", words=_words(said)),
                code="changed",
                hint=T("It is read again and tried again by itself."),
            )
        case "LoginException":
            return Refused(
                T("Tryton asks for more than a password: {words}", words=_words(said, 1)),
                code="login",
                hint=T("Give Mistok a user of its own that logs in by password alone."),
            )
    words = _plain(name) or "?"
    if writing:
        return held(
            T("Tryton failed: {words}", words=words),
            T("Nothing was done. What it says stands in the log of the Tryton server in full."),
            code="tryton-failed",
        )
    return Transient(
        T("Tryton cannot be read: {words}", words=words),
        code="refused-reading",
        hint=T("Look whether the modules that are needed are activated: `mistok check --connect`."),
    )


def _parts(error: Error) -> tuple[str, Any]:
    if isinstance(error, list) and error:
        return str(error[0]), error[1] if len(error) > 1 else None
    return str(error), None


def _words(said: Any, *places: int) -> str:
    if isinstance(said, list):
        texts = [said[n] for n in (places or range(len(said))) if n < len(said)]
        return _plain("\n".join(one.strip() for one in texts if isinstance(one, str) and one.strip())) or "?"
    return _plain(str(said or "")) or "?"


def _plain(words: str) -> str:
    return " ".join(words.split())[:1000]


def held(words: Text, hint: Text | None = None, *, code: str = "tryton-held") -> Held:
    """Something that is not sent, or not shown as it was sent, with the reason."""
    return Held(words, hint=hint, code=code)
