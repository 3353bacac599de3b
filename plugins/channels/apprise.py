"""The alert channel ``apprise``: Telegram, e-mail, Slack, Viber and whatever else the library Apprise can reach.

An address of it holds the secret of its service, so it comes from ``${env:…}`` or ``${file:…}`` and is never shown.
The library only logs why it failed; its own words are kept, without the address.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import Field, field_validator

from pipeline.api import ChannelPlugin, Delivered, Notice, Notifier, Settings, T, Text

if TYPE_CHECKING:
    from apprise import Apprise

#: What messengers take of one message; longer ones are cut.
LONGEST = 3500


class AppriseSettings(Settings):
    """Parameters of the channel ``apprise``."""

    urls: Annotated[tuple[str, ...], Field(min_length=1, repr=False)]
    """Addresses as Apprise knows them, such as `tgram://BOT/CHAT` or `mailtos://…`: a list of `${env:NAME}`."""

    @field_validator("urls")
    @classmethod
    def _are_urls(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for place, one in enumerate(value, 1):
            # not shown: it holds a password
            scheme, mark, rest = one.partition("://")
            if not mark or not scheme.isalnum() or not rest.strip():
                text = T("Address {n} is none of Apprise: it begins like `tgram://` or `mailtos://`.", n=place)
                raise ValueError(text)
        return value


class AppriseChannel:
    """Sends a notice to every address.

    Args:
        settings: see AppriseSettings.
    """

    name = "apprise"

    def __init__(self, settings: AppriseSettings) -> None:
        self._settings = settings
        self._apprise: Apprise | None = None

    def available(self) -> Delivered:
        """Whether the library is there and knows every address."""
        why = self._opened()
        return Delivered(why is None, why)

    def send(self, notice: Notice, language: str) -> Delivered:
        """Send it. Taken only when every service took it; what some took comes to them again with the next try."""
        if (why := self._opened()) is not None:
            return Delivered(False, why)
        assert self._apprise is not None
        body = notice.body.render(language)
        if len(body) > LONGEST:
            body = body[: LONGEST - 1].rstrip() + "…"
        with _Words() as said:
            taken = self._apprise.notify(title=notice.title.render(language), body=body, body_format="text")
        if taken:
            return Delivered(True)
        return Delivered(False, T("The service did not take it: {words}", words=said.last()))

    def close(self) -> None:
        """Nothing is held."""
        self._apprise = None

    def _opened(self) -> Text | None:
        """Why it cannot be used; None when it can."""
        if self._apprise is not None:
            return None
        try:
            from apprise import Apprise
        except ImportError:
            return T("Apprise is not installed: pip install mistok[apprise].")
        made = Apprise()
        for place, url in enumerate(self._settings.urls, 1):
            if not made.add(url):
                return T("Apprise does not understand address {n}.", n=place)
        self._apprise = made
        return None


class _Words(logging.Handler):
    """Keeps what the library says of a failure."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._words = ""
        self._logger = logging.getLogger("apprise")

    def __enter__(self) -> Self:
        self._logger.addHandler(self)
        return self

    def __exit__(self, *_error: object) -> None:
        self._logger.removeHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the last line."""
        self._words = record.getMessage()

    def last(self) -> str:
        """The last thing that was said."""
        return self._words or "?"


def _open(settings: Any) -> Notifier:
    return AppriseChannel(settings)


PLUGIN = ChannelPlugin(
    name="apprise",
    summary=T("Telegram, e-mail and other services, by Apprise"),
    settings=AppriseSettings,
    open=_open,
)
