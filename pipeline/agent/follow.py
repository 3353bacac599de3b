"""The program on a person's PC: one popup after the other, none lost, none twice, over restarts and sleep."""

from __future__ import annotations

import contextlib
import json
import queue
import random
import socket
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from pipeline import __version__
from pipeline.agent.state import State, Told, popup_of
from pipeline.errors import Refused
from pipeline.ports import Asker, Notice
from pipeline.texts import T, Text, verbatim

if TYPE_CHECKING:
    import ssl

    import httpx
    from httpx_sse import ServerSentEvent

#: The server gives a sign of life every fifteen seconds; after three that did not come the connection is dead, or this
#: PC was asleep. What is read then may be old, so it is asked for anew: the server makes one summary of it.
SILENCE = 45.0
#: Seconds between tries to connect: doubled each time, up to the second.
FIRST_WAIT, LONGEST_WAIT = 1.0, 60.0
#: Seconds between tries to show a popup while no desktop answers.
AGAIN = 3.0
#: Reports in one call.
_AT_ONCE = 200
ANSWERS = {"open": T("Open"), "done": T("Done")}
_DID = {"open": "clicked", "done": "done"}


def waits(shake: Callable[[], float] = random.random) -> Iterator[float]:
    """The pauses between tries; no two PCs come back at the same moment. ``shake`` gives a number from 0 to 1."""
    wait = FIRST_WAIT
    while True:
        yield wait * (0.5 + shake() / 2)
        wait = min(wait * 2, LONGEST_WAIT)


class Stale(Exception):
    """What is read from this connection may be old."""


class Agent:
    """Follows one server.

    Args:
        server: its address, without a slash at the end.
        token: of this PC.
        state: what this PC remembers.
        screen: where popups are shown; it is not closed.
        browse: opens a page in the browser.
        say: is given a line for whoever looks at the program.
        language: of the popups; the server's when empty.
        verify: False, or a TLS context, as httpx takes it.
        clock: the wall clock, which goes on while the PC sleeps.
    """

    def __init__(
        self,
        server: str,
        token: str,
        state: State,
        screen: Asker,
        *,
        browse: Callable[[str], object],
        say: Callable[[Text], None],
        language: str = "",
        verify: ssl.SSLContext | bool = True,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._server, self._token, self._state, self._screen = server, token, state, screen
        self._browse, self._say, self._language, self._clock = browse, say, language, clock
        self._verify = verify
        self._stop = threading.Event()
        self._heard = clock()
        self._said = ""
        self._greeted = False
        self._wire: socket.socket | None = None
        self._answers: queue.SimpleQueue[tuple[str, dict[str, Any]] | None] = queue.SimpleQueue()

    def run(self) -> None:
        """Follow until :meth:`stop`. Raises Refused when the server does not know the token (any more)."""
        desk = threading.Thread(target=self._desk, name="mistok-answers", daemon=True)
        desk.start()
        pauses = waits()
        try:
            while not self._stop.is_set():
                self._greeted = False
                wait = self._once()
                if self._greeted:
                    pauses = waits()
                if wait is not None:
                    self._stop.wait(wait or next(pauses))
        finally:
            self._answers.put(None)
            desk.join(5)

    def stop(self) -> None:
        """End now, from any thread."""
        self._stop.set()
        wire = self._wire
        if wire is not None:
            with contextlib.suppress(OSError):  # it is closed already
                wire.shutdown(socket.SHUT_RDWR)

    # --- the stream ----------------------------------------------------------------------------------------------

    def _once(self) -> float | None:
        """One connection to its end. None: connect at once again; else the seconds to wait, 0: as the back-off says."""
        import httpx
        from httpx_sse import SSEError, connect_sse

        headers = {"Last-Event-ID": str(self._state.last)} if self._state.last else {}
        asked = {"language": self._language} if self._language else {}
        asked["away"] = str(max(0, int(self._clock() - self._heard)))
        try:
            with (
                self._http(SILENCE) as http,
                connect_sse(http, "GET", "/alerts/stream", headers=headers, params=asked) as source,
            ):
                if (wait := self._refused(source.response)) is not None:
                    return wait
                self._heard = self._clock()
                self._wire = source.response.extensions["network_stream"].get_extra_info("socket")
                if self._stop.is_set():
                    return None
                for event in source.iter_sse():
                    self._take(event)
                    if self._stop.is_set():
                        return None
        except Stale:
            return None
        except (httpx.HTTPError, SSEError) as error:
            self._tell(T("The server does not answer: {words}", words=f"{type(error).__name__}: {error}".rstrip(": ")))
        finally:
            self._wire = None
        return 0

    def _refused(self, response: httpx.Response) -> float | None:
        """None when the stream begins; else the seconds to wait. Raises Refused."""
        status = response.status_code
        if status == HTTPStatus.UNAUTHORIZED:
            raise Refused(
                T("{server} does not know this PC (any more).", server=self._server),
                code="token",
                hint=T("Ask for a new token (mistok alerts invite NAME on the server), then: mistok alerts --token."),
            )
        if status == HTTPStatus.TOO_MANY_REQUESTS:
            after = response.headers.get("retry-after", "")
            return min(float(after), 900.0) if after.isdigit() else LONGEST_WAIT
        if status != HTTPStatus.OK:
            self._tell(T("The server does not answer: {words}", words=f"HTTP {status}"))
            return 0
        return None

    def _take(self, event: ServerSentEvent) -> None:
        now = self._clock()
        if now - self._heard > SILENCE and event.event != "hello":
            raise Stale  # and what was heard last stays known: the server is told for how long this PC was away
        self._heard = now
        if event.event == "hello":
            hello = json.loads(event.data)
            self._state.begin_at(int(hello["last"]))
            self._language = self._language or hello.get("language", "")
            self._greeted = True
            self._said = ""
            self._say(T("Connected to {server} as {pc}.", server=self._server, pc=hello["pc"]))
        elif event.event == "notice":
            popup = popup_of(event.data)
            if popup is not None and popup["last"] > self._state.last:
                self._show(popup)

    def _show(self, popup: dict[str, Any]) -> None:
        """Show it, however long the desktop takes to be there. Raises Stale when that was long."""
        notice = Notice(
            kind=str(popup.get("kind", "")),
            title=verbatim(popup["title"]),
            body=verbatim(popup["body"]),
            id=popup["last"],
        )
        answered = partial(self._answered, popup)
        while not self._stop.is_set():
            answer = self._screen.ask(notice, self._language or "uk", ANSWERS, answered)
            if answer.shown:
                self._state.shown(popup["first"], popup["last"], self._clock())
                self._answers.put(("", popup))
                self._said = ""
                return
            self._tell(
                T("A popup was not shown; it will be tried again. {why}", why=answer.why or T("It gave no reason."))
            )
            self._stop.wait(AGAIN)
            if self._clock() - self._heard > SILENCE:
                raise Stale

    # --- what people do ------------------------------------------------------------------------------------------

    def _answered(self, popup: dict[str, Any], name: str) -> None:
        """From the desktop's own thread, which must not wait."""
        self._answers.put((name, popup))

    def _desk(self) -> None:
        """Open pages, and report: what the server does not take now it gets later."""
        pauses = waits()
        pause: float | None = 0.0 if self._state.to_report() else None
        while True:
            try:
                taken = self._answers.get(timeout=pause)
            except queue.Empty:
                pass
            else:
                if taken is None:
                    self._report()
                    return
                self._act(*taken)
            if self._report():
                pause, pauses = None, waits()
            else:
                pause = next(pauses)

    def _act(self, name: str, popup: dict[str, Any]) -> None:
        if name in _DID:
            self._state.did(Told(popup["first"], popup["last"], _DID[name], self._clock()))
        if name == "open":
            self._browse(self._server + popup["path"])

    def _report(self) -> bool:
        """Tell the server; True when it knows all."""
        import httpx

        while told := self._state.to_report()[:_AT_ONCE]:
            now = self._clock()
            rows = [
                {"first": one.first, "last": one.last, "did": one.did, "ago": min(max(0.0, now - one.at), 2_592_000.0)}
                for one in told
            ]
            try:
                with self._http(20.0) as http:
                    answer = http.post("/alerts/reports", json={"reports": rows})
            except httpx.HTTPError:
                return False
            if answer.status_code == HTTPStatus.UNPROCESSABLE_ENTITY:
                pass  # an older server that does not know one of them never will
            elif answer.status_code != HTTPStatus.OK:
                return False
            self._state.reported(told)
        return True

    def _http(self, silence: float) -> httpx.Client:
        import httpx

        return httpx.Client(
            base_url=self._server,
            headers={"Authorization": f"Bearer {self._token}", "User-Agent": f"mistok-alerts/{__version__}"},
            timeout=httpx.Timeout(20.0, read=silence),
            verify=self._verify,
        )

    def _tell(self, words: Text) -> None:
        """The same thing once."""
        if (key := str(words.to_json())) != self._said:
            self._said = key
            self._say(words)
