"""The alert channel ``desktop``: popups of Windows, Linux and macOS, by desktop-notifier.

Nothing here may delay or break an order: each call is limited in time, runs in a thread of its own, and says why a
popup could not be shown instead of raising. A popup counts as shown only when the desktop took it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import platform
import threading
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import TimeoutError as FutureTimeout
from datetime import timedelta
from functools import partial
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pipeline.api import ChannelPlugin, Delivered, Duration, Notice, Notifier, Settings, T, Text

if TYPE_CHECKING:
    from desktop_notifier import DesktopNotifier, Urgency

APP = "Mistok"
ICON = Path(__file__).with_name("icon.png")
#: Stay on the screen until a person closes them, where the desktop knows such a thing.
STICKY = frozenset({"held", "quarantined", "failure", "brake"})
QUIET = frozenset({"catalogue"})
#: Longer bodies are cut: servers of desktops drop what is far too long, some with the connection.
LONGEST = 600

R = TypeVar("R")


class DesktopSettings(Settings):
    """Parameters of the channel ``desktop``."""

    seconds: Duration = timedelta(seconds=15)
    """How long a popup about a new order stays, where the desktop lets programs choose."""
    sound: bool = False
    """Play the desktop's own notification sound."""
    limit: Duration = timedelta(seconds=5)
    """How long to wait for the desktop's answer before the popup counts as not shown."""


class DesktopChannel:
    """Popups on the desktop of the user who runs this process.

    Args:
        settings: see DesktopSettings.
        make: makes the notifier; tests hand in their own.
    """

    name = "desktop"

    def __init__(self, settings: DesktopSettings, make: Callable[[], DesktopNotifier] | None = None) -> None:
        self._settings = settings
        self._make = make or _make
        self._notifier: DesktopNotifier | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._reasons = _Reasons()

    def available(self) -> Delivered:
        """Whether a desktop answers now; if not, why. Takes no longer than ``limit``."""
        return self._within_limit(self._probe)

    def send(self, notice: Notice, language: str) -> Delivered:
        """Show ``notice``; shown only when the desktop took it. Never raises, takes no longer than ``limit``."""
        return self._within_limit(lambda: self._show(notice, language, {"": T("Got it")}, _nothing_more))

    def ask(
        self, notice: Notice, language: str, answers: Mapping[str, Text], answered: Callable[[str], None]
    ) -> Delivered:
        """The same with answers to choose from; a click on the popup itself is the first, where the desktop has it."""
        return self._within_limit(lambda: self._show(notice, language, answers, answered))

    def close(self) -> None:
        """Leave the desktop alone; popups that are on the screen stay there."""
        loop, thread = self._loop, self._thread
        if loop is not None and thread is not None:
            farewell = asyncio.run_coroutine_threadsafe(_leave(self._notifier), loop)
            with contextlib.suppress(FutureTimeout):
                farewell.result(1)
            loop.call_soon_threadsafe(loop.stop)
            thread.join(1)
        self._notifier = self._loop = self._thread = None
        self._reasons.remove()

    # --- inside the loop -----------------------------------------------------------------------------------------

    async def _probe(self) -> Delivered:
        from desktop_notifier import Capability

        if self._notifier is None:
            self._notifier = self._make()
        # The capabilities are kept by the library, so a desktop that went away would still seem to be there.
        backend = self._notifier._backend  # noqa: SLF001 - there is no public way to forget what it remembers
        backend._capabilities = None  # noqa: SLF001 - the same
        capabilities = await self._notifier.get_capabilities()
        if Capability.TITLE not in capabilities:
            return Delivered(False, _no_backend())
        if not await self._notifier.request_authorisation():
            return Delivered(False, _not_allowed())
        return Delivered(True)

    async def _show(
        self, notice: Notice, language: str, answers: Mapping[str, Text], answered: Callable[[str], None]
    ) -> Delivered:
        from desktop_notifier import DEFAULT_SOUND, Button, Capability

        ready = await self._probe()
        if not ready.shown or self._notifier is None:
            return ready
        capabilities = await self._notifier.get_capabilities()
        title, body = _one_line(notice.title.render(language)), notice.body.render(language)
        if len(body) > LONGEST:
            body = body[: LONGEST - 1].rstrip() + "…"
        if await _reads_markup(self._notifier):
            body = escape(body, quote=False)
        dispatched: list[bool] = []
        self._reasons.clear()
        identifier = await self._notifier.send(
            title=title,
            message=body,
            urgency=_urgency(notice.kind),
            # On some desktops a click on the popup does something, on others only a button does: both close it.
            buttons=[
                Button(title=words.render(language), on_pressed=partial(answered, name))
                for name, words in answers.items()
                if Capability.BUTTONS in capabilities
            ],
            on_clicked=partial(answered, next(iter(answers))),
            on_dispatched=lambda: dispatched.append(True),
            sound=DEFAULT_SOUND if self._settings.sound else None,
            timeout=_seconds(self._settings.seconds) if notice.kind not in STICKY else -1,
        )
        if dispatched and identifier:
            return Delivered(True)
        failed, self._notifier = self._notifier, None
        await _leave(failed)
        return Delivered(False, T("The desktop did not take the popup: {words}", words=self._reasons.last()))

    # --- outside it ----------------------------------------------------------------------------------------------

    def _within_limit(self, work: Callable[[], Coroutine[Any, Any, Delivered]]) -> Delivered:
        missing = _no_session()
        if missing:
            return Delivered(False, missing)
        limit = self._settings.limit.total_seconds()
        future = asyncio.run_coroutine_threadsafe(work(), self._running_loop())
        try:
            return future.result(limit)
        except FutureTimeout:
            future.cancel()
            self._abandon()
            return Delivered(False, T("The desktop did not answer within {seconds} s.", seconds=str(limit)))
        except Exception as error:  # noqa: BLE001 - whatever a desktop's library raises, the order must not notice
            self._abandon()
            return Delivered(False, _reason(error))

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            self._reasons.install()
            loop = asyncio.new_event_loop()
            self._thread = threading.Thread(target=_run, args=(loop,), name="mistok-desktop", daemon=True)
            self._thread.start()
            self._loop = loop
        return self._loop

    def _abandon(self) -> None:
        """Begin anew next time. What hangs keeps its thread, which ends with the process."""
        notifier, loop, thread = self._notifier, self._loop, self._thread
        self._notifier = self._loop = self._thread = None
        if loop is not None and thread is not None:
            asyncio.run_coroutine_threadsafe(_end(notifier, loop), loop)


class _Reasons(logging.Handler):
    """Keeps why a popup failed: the library only logs it, with a traceback that would tell an admin nothing."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._words = ""
        self._logger = logging.getLogger("desktop_notifier")

    def install(self) -> None:
        if self not in self._logger.handlers:
            self._logger.addHandler(self)
            self._logger.propagate = False

    def remove(self) -> None:
        if self in self._logger.handlers:
            self._logger.removeHandler(self)
            self._logger.propagate = True

    def clear(self) -> None:
        self._words = ""

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        self._words = f"{type(error).__name__}: {error}" if error else record.getMessage()

    def last(self) -> str:
        return self._words or "?"


def _make() -> DesktopNotifier:
    from desktop_notifier import DesktopNotifier, Icon

    return DesktopNotifier(app_name=APP, app_icon=Icon(path=ICON))


async def _leave(notifier: DesktopNotifier | None) -> None:
    """End the session with the bus, where there is one; the library leaves it open."""
    bus = getattr(getattr(notifier, "_backend", None), "bus", None)
    if bus is not None and bus.connected:
        bus.disconnect()
        # The socket is closed by its reader, which needs a turn to see the end.
        with contextlib.suppress(OSError, EOFError, TimeoutError):
            await asyncio.wait_for(bus.wait_for_disconnect(), 0.5)


async def _end(notifier: DesktopNotifier | None, loop: asyncio.AbstractEventLoop) -> None:
    await _leave(notifier)
    loop.stop()


def _run(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    loop.run_forever()
    loop.close()


def _nothing_more(_answer: str) -> None:
    """A click on a popup closes it; the desktop does that."""


def _urgency(kind: str) -> Urgency:
    from desktop_notifier import Urgency

    return Urgency.Critical if kind in STICKY else Urgency.Low if kind in QUIET else Urgency.Normal


def _seconds(wait: timedelta) -> int:
    return max(1, round(wait.total_seconds()))


def _one_line(text: str) -> str:
    return " ".join(text.split("\n"))


async def _reads_markup(notifier: DesktopNotifier) -> bool:
    """Whether ``<`` and ``&`` in a body would be read as markup: on Linux, where the server says so."""
    interface = getattr(notifier._backend, "interface", None)  # noqa: SLF001 - the library does not pass this one on
    if interface is None:
        return False
    return "body-markup" in await interface.call_get_capabilities()


def _no_session() -> Text | None:
    """Why no desktop can be reached from here, where that is known without asking."""
    if platform.system() == "Linux" and not os.environ.get("DBUS_SESSION_BUS_ADDRESS"):
        # Without it the library would guess a bus from files in the home folder, or fail with riddles.
        return T("No desktop session answers on this machine: DBUS_SESSION_BUS_ADDRESS is not set.")
    return None


def _no_backend() -> Text:
    if platform.system() == "Darwin":
        return T("macOS shows popups of a signed Python only: use the one from python.org, not Homebrew's.")
    return T("This system has no popups that Mistok can use.")


def _not_allowed() -> Text:
    if platform.system() == "Windows":
        return T("Windows does not let Mistok show popups: turn them on in Settings, System, Notifications.")
    return T("The system does not let Mistok show popups: allow them in its notification settings.")


def _reason(error: Exception) -> Text:
    words = f"{type(error).__name__}: {error}"
    if "ServiceUnknown" in words or "was not provided by any .service files" in words:
        return T("No program on this desktop shows popups (nobody answers as org.freedesktop.Notifications).")
    if isinstance(error, (OSError, EOFError)):
        return T("No desktop session answers on this machine: {words}", words=words)
    return T("The desktop refused: {words}", words=words)


def _open(settings: Any) -> Notifier:
    return DesktopChannel(settings)


PLUGIN = ChannelPlugin(
    name="desktop",
    summary=T("Popups on the desktop of Windows, Linux and macOS"),
    settings=DesktopSettings,
    open=_open,
)
