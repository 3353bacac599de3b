"""The channel `desktop` without a desktop: each answer that a desktop may give, and the calls for Windows and macOS."""

from __future__ import annotations

import asyncio
import logging
import platform
import sys
import time
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any
from unittest.mock import MagicMock
from xml.etree import ElementTree

import pytest
from desktop_notifier import Capability, DesktopNotifier, Notification, Urgency
from desktop_notifier.backends.base import DesktopNotifierBackend
from desktop_notifier.backends.dummy import DummyNotificationCenter

from pipeline.alerts import notices
from pipeline.errors import Finding
from pipeline.ports import Delivered, Notice, Notifier
from pipeline.texts import T, verbatim
from plugins.channels.desktop import ICON, LONGEST, PLUGIN, DesktopChannel, DesktopSettings

_: type[Notifier] = DesktopChannel


class Backend(DesktopNotifierBackend):
    """Stands for the part that talks to the system; the rest of desktop-notifier is real."""

    def __init__(self, *, allowed: bool = True, fails: Exception | None = None, slow: float = 0) -> None:
        super().__init__("Mistok", None)
        self.allowed, self.fails, self.slow = allowed, fails, slow
        self.sent: list[Notification] = []

    async def request_authorisation(self) -> bool:
        return self.allowed

    async def has_authorisation(self) -> bool:
        return self.allowed

    async def _send(self, notification: Notification) -> None:
        await asyncio.sleep(self.slow)
        if self.fails:
            raise self.fails
        self.sent.append(notification)

    async def _clear(self, identifier: str) -> None: ...

    async def _clear_all(self) -> None: ...

    async def _get_capabilities(self) -> frozenset[Capability]:
        return frozenset({Capability.TITLE, Capability.MESSAGE, Capability.BUTTONS})


def notifier(backend: DesktopNotifierBackend) -> DesktopNotifier:
    made = DesktopNotifier.__new__(DesktopNotifier)
    made._backend = backend
    made._did_request_authorisation = False
    return made


Open = Callable[..., DesktopChannel]


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Iterator[Open]:
    channels: list[DesktopChannel] = []

    def _open(backend: DesktopNotifierBackend, *, system: str = "Windows", **settings: Any) -> DesktopChannel:
        monkeypatch.setattr(platform, "system", lambda: system)
        channels.append(DesktopChannel(DesktopSettings(**settings), lambda: notifier(backend)))
        return channels[-1]

    yield _open
    for channel in channels:
        channel.close()


HELD = notices.held("order:1", "1", Finding("x", verbatim("a < b & c")))


def order(body: str = "b") -> Notice:
    return Notice(kind="order", title=T("New order {number}", number="7"), body=verbatim(body))


def test_it_is_shown_in_the_asked_language_with_a_button(opened: Open) -> None:
    backend = Backend()
    channel = opened(backend, seconds="20s")
    assert channel.available() == Delivered(True)
    assert channel.send(order("a < b & c"), "uk") == Delivered(True)
    (sent,) = backend.sent
    assert (sent.title, sent.message) == ("Нове замовлення 7", "a < b & c")  # no markup on Windows: nothing to escape
    assert [button.title for button in sent.buttons] == ["Зрозуміло"]
    assert sent.on_clicked is not None
    assert (sent.urgency, sent.timeout) == (Urgency.Normal, 20)


@pytest.mark.parametrize(
    ("kind", "urgency"),
    [
        ("held", Urgency.Critical),
        ("failure", Urgency.Critical),
        ("summary", Urgency.Normal),
        ("catalogue", Urgency.Low),
    ],
)
def test_urgency_goes_by_kind(opened: Open, kind: str, urgency: Urgency) -> None:
    backend = Backend()
    opened(backend).send(Notice(kind=kind, title=T(""), body=T("")), "en")
    assert backend.sent[0].urgency is urgency
    assert (backend.sent[0].timeout == -1) == (urgency is Urgency.Critical)


def test_a_long_body_is_cut(opened: Open) -> None:
    backend = Backend()
    opened(backend).send(order("й" * 5000), "en")
    assert len(backend.sent[0].message) == LONGEST
    assert backend.sent[0].message.endswith("…")


def test_what_fails_after_send_is_not_shown_and_the_reason_is_told_once(
    opened: Open, caplog: pytest.LogCaptureFixture
) -> None:
    channel = opened(Backend(fails=OSError("toast broke")))
    with caplog.at_level(logging.DEBUG):
        answer = channel.send(order(), "en")
    assert not answer.shown
    assert answer.why is not None
    assert answer.why.render("en") == "The desktop did not take the popup: OSError: toast broke"
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


def test_a_desktop_that_hangs_costs_the_limit_and_no_more(opened: Open) -> None:
    backend = Backend(slow=60)
    channel = opened(backend, limit="200ms")
    began = time.monotonic()
    answer = channel.send(order(), "en")
    assert time.monotonic() - began < 50, "it was not waited for to its end"
    assert answer.why is not None
    assert answer.why.render("en") == "The desktop did not answer within 0.2 s."
    backend.slow = 0
    assert channel.send(order(), "en").shown  # and it works again when the desktop does


def test_a_forbidden_popup_is_not_shown(opened: Open) -> None:
    answer = opened(Backend(allowed=False)).send(order(), "en")
    assert answer.why is not None
    assert "Windows does not let Mistok show popups" in answer.why.render("en")
    answer = opened(Backend(allowed=False), system="Darwin").send(order(), "en")
    assert answer.why is not None
    assert "allow them in its notification settings" in answer.why.render("en")


def test_a_python_without_a_bundle_on_macos_is_said_so(opened: Open) -> None:
    # what desktop-notifier chooses there: it takes every popup and shows none
    channel = opened(DummyNotificationCenter("Mistok"), system="Darwin")
    for answer in (channel.available(), channel.send(order(), "en")):
        assert not answer.shown
        assert answer.why is not None
        assert "signed Python" in answer.why.render("en")


def test_a_broken_library_never_raises(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "system", lambda: "Windows")

    def explode() -> DesktopNotifier:
        raise RuntimeError("no manager")

    channel = DesktopChannel(DesktopSettings(), explode)
    answer = channel.send(order(), "en")
    channel.close()
    assert answer.why is not None
    assert answer.why.render("en") == "The desktop refused: RuntimeError: no manager"


def test_it_can_be_used_again_after_close(opened: Open) -> None:
    backend = Backend()
    channel = opened(backend)
    for _again in range(3):
        assert channel.send(order(), "en").shown
        channel.close()
    channel.close()
    assert len(backend.sent) == 3


def test_the_plugin_opens_the_channel_with_its_icon() -> None:
    channel = PLUGIN.open(PLUGIN.settings())
    assert channel.name == PLUGIN.name == "desktop"
    channel.close()
    assert ICON.read_bytes().startswith(b"\x89PNG")


def test_the_toast_that_windows_would_be_given(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """desktop-notifier's real code for Windows, on stand-ins of the Windows Runtime: the XML is what Windows gets."""
    loaded: list[str] = []
    shown: list[Any] = []

    class XmlDocument:
        def load_xml(self, xml: str) -> None:
            loaded.append(xml)

    toasts = MagicMock()
    toasts.ToastNotificationManager.get_default().create_toast_notifier_with_id().show = shown.append
    toasts.ToastNotificationManager.get_default().create_toast_notifier_with_id().setting = 0
    toasts.NotificationSetting.ENABLED = 0
    modules = {
        "winreg": MagicMock(),
        "winrt": ModuleType("winrt"),
        "winrt.system": MagicMock(),
        "winrt.windows": ModuleType("winrt.windows"),
        "winrt.windows.applicationmodel": ModuleType("winrt.windows.applicationmodel"),
        "winrt.windows.applicationmodel.core": MagicMock(),
        "winrt.windows.data": ModuleType("winrt.windows.data"),
        "winrt.windows.data.xml": ModuleType("winrt.windows.data.xml"),
        "winrt.windows.data.xml.dom": MagicMock(XmlDocument=XmlDocument),
        "winrt.windows.ui": ModuleType("winrt.windows.ui"),
        "winrt.windows.ui.notifications": toasts,
    }
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr(sys, "getwindowsversion", lambda: MagicMock(build=22000), raising=False)
    monkeypatch.delitem(sys.modules, "desktop_notifier.backends.winrt", raising=False)
    from desktop_notifier.backends.winrt import WinRTDesktopNotifier

    channel = opened(WinRTDesktopNotifier("Mistok"))
    assert channel.send(order("ТОВ «Сонях» <b>&\nдругий рядок"), "uk") == Delivered(True)
    assert channel.send(HELD, "uk") == Delivered(True)
    assert len(shown) == 2
    toast = ElementTree.fromstring(loaded[0])
    assert [text.text for text in toast.iter("text")] == ["Нове замовлення 7", "ТОВ «Сонях» <b>&\nдругий рядок"]
    assert [action.get("content") for action in toast.iter("action")] == ["Зрозуміло"]
    assert toast.get("launch") == "default"
    monkeypatch.delitem(sys.modules, "desktop_notifier.backends.winrt", raising=False)
