"""The one HTTP client of connectors: retries by named error, Retry-After, pacing shared through a port, errors as ours.

What a caller learns of a request that failed:

============================  =========================================================================
the connection was refused     Transient: nothing was sent
no answer, or a broken one     Transient when the request is safe to repeat (after a few tries), else InDoubt
401, 402, 403                  Refused, through the connection's gate, so that nobody knocks on and on
429                            waited for as the server says (Retry-After) and tried again, then Transient
5xx                            as no answer
any other 4xx                  a Reply that is not ``ok``: the connector knows the system's words
3xx                            Refused: no key is carried to another address
============================  =========================================================================

Certificates are verified. Numbers in JSON become Decimal or int, never float.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from email.utils import parsedate_to_datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from pipeline.allowance import Allowance
from pipeline.errors import ConfigError, InDoubt, MistokError, Refused, Transient, system_words
from pipeline.ports import Gate, Limits, Pacer, open_gate
from pipeline.texts import T, Text, verbatim

if TYPE_CHECKING:
    import ssl

    import httpx

SAFE = frozenset({"GET", "HEAD", "PUT", "DELETE"})
#: A reply larger than this is not read.
MAX_REPLY = 100_000_000
#: Words of a system that are shown.
WORDS = 400
TRIES = 4
#: Seconds: a server that asks to be left alone for longer than this is left alone by the whole run.
PATIENCE = 120.0
_FIRST_WAIT, _LONGEST_WAIT = 0.5, 8.0


@dataclass(frozen=True, slots=True)
class Reply:
    """What a server answered. Header names are lower-case."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    asked: str  #: method and path, for messages

    @property
    def ok(self) -> bool:
        """Any 2xx."""
        return 200 <= self.status < 300

    def json(self) -> Any:
        """The body as JSON; numbers with a point as Decimal. Raises Transient when it is none (a proxy's page)."""
        try:
            return json.loads(self.body, parse_float=Decimal, parse_constant=_no_constant)
        except (ValueError, RecursionError) as error:
            raise Transient(
                T("{asked} was answered with something that is no JSON: {words}", asked=self.asked, words=self.words),
                code="no-json",
                hint=T("A proxy or a page of maintenance may stand in between: it is tried again."),
            ) from error

    @property
    def words(self) -> str:
        """What it says for a person: of JSON the usual fields, of a page its text, shortened."""
        text = self.body[:20_000].decode("utf-8", "replace").strip()
        try:
            said = _said(json.loads(self.body)) if self.body else ""
        except (ValueError, RecursionError):
            import re

            said = " ".join(re.sub(r"(?is)<(script|style).*?</\1>|<[^>]*>", " ", text).split())
        said = said or str(self.status)
        return said if len(said) <= WORDS else said[: WORDS - 1] + "…"


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no number")


def _said(value: Any) -> str:
    match value:
        case str():
            return value.strip()
        case list():
            return "; ".join(filter(None, map(_said, value[:10])))
        case dict():
            names = ("message", "error", "error_description", "detail", "title")
            parts = [said for name in names if (said := _said(value.get(name)))]
            errors = value.get("errors")
            if isinstance(errors, dict):
                parts += [f"{name}: {_said(one)}" for name, one in list(errors.items())[:10]]
            elif said := _said(errors):
                parts.append(said)
            return "; ".join(dict.fromkeys(parts))
        case None:
            return ""
        case _:
            return str(value)


class LocalPacer:
    """A Pacer for one process: sliding windows in memory. The engine's own shares them through the ledger."""

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._clock, self._sleep = clock, sleep
        self._lock = threading.Lock()
        self._used: dict[str, Allowance] = {}
        self._flights: dict[str, threading.BoundedSemaphore] = {}

    @contextmanager
    def turn(self, key: str, limits: Limits) -> Iterator[None]:
        """See Pacer."""
        flight = None
        if limits.in_flight:
            with self._lock:
                flight = self._flights.setdefault(key, threading.BoundedSemaphore(limits.in_flight))
            flight.acquire()
        name = uuid4().hex
        try:
            while wait := self._wait(key, limits, name):
                self._sleep(wait)
            try:
                yield
            finally:
                with self._lock:
                    self._used[key].land(name, self._clock())
        finally:
            if flight:
                flight.release()

    def leave_alone(self, key: str, seconds: float) -> None:
        """See Pacer."""
        with self._lock:
            used = self._used.setdefault(key, Allowance())
            used.until = max(used.until, self._clock() + seconds)

    def _wait(self, key: str, limits: Limits, name: str) -> float:
        with self._lock:
            now = self._clock()
            used = self._used.setdefault(key, Allowance())
            wait = used.wait(now, limits)
            if wait <= 0:
                used.take(name, now, limits)
            return wait


_pacer: type[Pacer] = LocalPacer


class _Trouble(Exception):
    """One try failed, and another one may help. ``wait``: seconds that the server asked for."""

    def __init__(self, error: MistokError, wait: float | None = None) -> None:
        super().__init__(str(error))
        self.error, self.wait = error, wait


@dataclass(kw_only=True)
class HttpClient:
    """Asks one API. Safe to share between threads; close it.

    Args:
        name: the connection's name in the YAML, for messages.
        url: its base; paths are appended.
        headers: sent with every request, the key among them.
        limits: what the API allows; ``account`` tells keys apart that share one allowance (hashed, never shown).
        heard: for an API that tells its refusals by 200 (or all alike): the reply with the status, and the
            Retry-After, that it means. Asked for every reply before it is judged as the module says.
    """

    name: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    auth: tuple[str, str] | None = None  #: user and password of HTTP Basic
    gate: Gate = open_gate
    pacer: Pacer = field(default_factory=LocalPacer)
    limits: Limits = field(default_factory=Limits)
    account: str = ""
    timeout: float = 30.0  #: seconds
    tries: int = TRIES
    ca_file: Path | None = None
    heard: Callable[[Reply], Reply] | None = None
    _client: httpx.Client | None = field(default=None, repr=False)
    _admitted: bool = field(default=False, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def close(self) -> None:
        """Let go of connections."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def ask(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | Sequence[tuple[str, Any]] | None = None,
        json: Any = None,
        form: Mapping[str, str] | None = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        safe: bool | None = None,
    ) -> Reply:
        """One request and its answer, as the module says.

        Args:
            json: sent as JSON; Decimals exactly as they are written.
            safe: it may be repeated when no answer came: True for GET, HEAD, PUT and DELETE unless told otherwise.
        """
        import stamina

        repeatable = method in SAFE if safe is None else safe
        payload, kind = content, ""
        if json is not None:
            payload, kind = dumps(json), "application/json"
        sent = {**({"Content-Type": kind} if kind else {}), **(headers or {})}

        def once() -> Reply:
            return self._once(method, path, params, payload, form, sent, repeatable)

        def again(error: Exception) -> bool | float:
            if not isinstance(error, _Trouble):
                return False
            return True if error.wait is None else error.wait + 0.01

        try:
            for attempt in stamina.retry_context(
                on=again, attempts=self.tries, timeout=None,
                wait_initial=_FIRST_WAIT, wait_max=_LONGEST_WAIT, wait_jitter=_FIRST_WAIT,
            ):  # fmt: skip
                with attempt:
                    return self._through_gate(once)
        except _Trouble as trouble:
            raise trouble.error from trouble.error.__cause__
        raise AssertionError("a retry ends by an answer or an error")

    def _through_gate(self, once: Callable[[], Reply]) -> Reply:
        """The first request, and every refusal, pass the connection's gate."""
        if self._admitted:
            try:
                return once()
            except Refused as error:
                self._admitted = False
                raised = error  # the name of an except clause is gone behind it

                def refused() -> Reply:
                    raise raised

                return self.gate(refused)
        trouble: list[_Trouble] = []

        def first() -> Reply | None:
            try:
                return once()
            except _Trouble as error:
                if error.wait is not None:  # it answers, and asks for patience: that is no failure of the connection
                    trouble.append(error)
                    return None
                raise error.error from error
            except InDoubt:
                raise

        try:
            reply: Reply | None = self.gate(first)
        except Transient as error:
            if isinstance(error.__cause__, _Trouble):
                raise error.__cause__ from error.__cause__.error.__cause__
            raise
        if reply is None:
            raise trouble[0]
        self._admitted = True
        return reply

    def _once(
        self,
        method: str,
        path: str,
        params: Any,
        payload: bytes | None,
        form: Mapping[str, str] | None,
        headers: Mapping[str, str],
        repeatable: bool,
    ) -> Reply:
        import httpx

        client = self._open()
        asked = f"{method} {path}"
        try:
            with (
                self.pacer.turn(self.account_key(), self.limits),
                client.stream(
                    method, path, params=params, content=payload, data=form, headers=dict(headers)
                ) as response,
            ):
                body = _read(response)
                reply = Reply(response.status_code, dict(response.headers), body, asked)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise self._not_reached(error) from error
        except httpx.UnsupportedProtocol as error:
            raise Refused(T("{url} is no address of a web service.", url=self.url), code="url") from error
        except httpx.HTTPError as error:
            words = T("{name} did not answer {asked}: {words}", name=self.name, asked=asked, words=_http_words(error))
            raise self._silent(words, repeatable) from error
        return self._judged(self.heard(reply) if self.heard else reply, repeatable)

    def _judged(self, reply: Reply, repeatable: bool) -> Reply:
        status = reply.status
        if status == 429:
            wait = retry_after(reply.headers, datetime.now(UTC))
            if wait is not None:
                self.pacer.leave_alone(self.account_key(), min(wait, PATIENCE))
            busy = Transient(
                T("{name} asks for patience (429): {words}", name=self.name, words=reply.words),
                code="busy",
                hint=T("It is tried again by itself."),
                retry_after=timedelta(seconds=wait) if wait is not None else None,
            )
            if wait is not None and wait > PATIENCE:
                raise busy
            raise _Trouble(busy, wait)
        if status in (401, 402, 403):
            hint = (
                T("The account's plan does not include the API: ask the service.")
                if status == 402
                else T("Look whether the key is right, still valid and has the rights that are needed.")
            )
            raise Refused(
                T("{name} refuses {asked} ({status}): {words}", name=self.name, asked=reply.asked, status=status,
                  words=reply.words),
                code="login" if status == 401 else "refused", hint=hint,
            )  # fmt: skip
        if 300 <= status < 400:
            raise Refused(
                T("{name} sends {asked} on to another address: {to}", name=self.name, asked=reply.asked,
                  to=reply.headers.get("location", "-")),
                code="moved", hint=T("Write the service's right address into the config."),
            )  # fmt: skip
        if status >= 500:
            words = T(
                "{name} failed in {asked} ({status}): {words}",
                name=self.name, asked=reply.asked, status=status, words=reply.words,
            )  # fmt: skip
            raise self._silent(words, repeatable, retry_after(reply.headers, datetime.now(UTC)))
        return reply

    def _silent(self, words: Text, repeatable: bool, wait: float | None = None) -> Exception:
        """No answer came that says what was done."""
        if not repeatable:
            return InDoubt(words, hint=T("It is looked up by itself whether it was done."))
        error = Transient(
            words, code="no-answer", hint=T("It is tried again by itself."),
            retry_after=timedelta(seconds=wait) if wait is not None else None,
        )  # fmt: skip
        return error if wait is not None and wait > PATIENCE else _Trouble(error, None)

    def _not_reached(self, error: Exception) -> Exception:
        import ssl  # as below: 2 MiB, for those that call somebody

        cause: BaseException | None = error
        while cause is not None:
            if isinstance(cause, ssl.SSLCertVerificationError):
                return Refused(
                    T("The certificate of {url} is not valid: {words}", url=self.url, words=cause.verify_message),
                    code="certificate",
                    hint=T("Nothing was sent. Ask the service, or name its certificate authority by `ca_file`."),
                )
            cause = cause.__cause__ or cause.__context__
        return _Trouble(
            Transient(
                T("{name} cannot be reached: {words}", name=self.name, words=_http_words(error)),
                code="not-reached",
                hint=T("Check the address and the network; it is tried again by itself."),
            )
        )

    def account_key(self) -> str:
        """Which account of which address this is, as a hash that tells nothing of the key."""
        import hashlib

        return hashlib.sha256(f"{self.url}\0{self.account}".encode()).hexdigest()[:32]

    def _trusted(self) -> ssl.SSLContext:
        import ssl

        file = self.ca_file
        if file is None:
            return _verifying()
        try:
            return ssl.create_default_context(cafile=str(file))
        except OSError as error:  # ssl.SSLError is one: what is in the file is no certificate
            raise ConfigError(
                T("The certificates in {file} cannot be read: {words}", file=str(file), words=system_words(error)),
                hint=T("Let `ca_file` name a file in PEM format."),
            ) from error

    def _open(self) -> httpx.Client:
        with self._lock:
            if self._client is None:
                import httpx

                self._client = httpx.Client(
                    base_url=self.url.rstrip("/"),
                    headers={"Accept": "application/json", "User-Agent": "Mistok", **self.headers},
                    auth=self.auth,
                    timeout=httpx.Timeout(self.timeout, connect=min(self.timeout, 15.0)),
                    verify=self._trusted(),
                    follow_redirects=False,
                    trust_env=True,
                )
            return self._client


@cache
def _verifying() -> ssl.SSLContext:
    """Verifies by the system's authorities. Reading them takes a tenth of a second, so it is done once."""
    import ssl

    return ssl.create_default_context()


def dumps(value: Any) -> bytes:
    """JSON with Decimals as numbers, digit by digit as they are (never ``1E+2``, never a float)."""
    import simplejson

    return simplejson.dumps(_plain(value), use_decimal=True, ensure_ascii=False, separators=(",", ":")).encode()


def _plain(value: Any) -> Any:
    match value:
        case Decimal():
            return Decimal(format(value, "f"))
        case str():
            return value
        case Mapping():
            return {str(name): _plain(item) for name, item in value.items()}
        case Sequence():
            return [_plain(item) for item in value]
        case _:
            return value


def retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """Seconds of a Retry-After header, which has seconds or a date (RFC 9110, 10.2.3); None without one."""
    said = headers.get("retry-after", "").strip()
    if not said:
        return None
    if said.isascii() and said.isdigit():
        return float(min(int(said[:9]), 86_400))
    try:
        moment = parsedate_to_datetime(said)
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max((moment - now).total_seconds(), 0.0)


def _read(response: httpx.Response) -> bytes:
    import httpx

    parts: list[bytes] = []
    size = 0
    for part in response.iter_bytes():
        size += len(part)
        if size > MAX_REPLY:
            raise httpx.ReadError("the answer is larger than 100 MB")
        parts.append(part)
    return b"".join(parts)


def _http_words(error: Exception) -> Text:
    import httpx

    if isinstance(error, httpx.TimeoutException):
        return T("no answer in time")
    return verbatim(str(error) or type(error).__name__)
