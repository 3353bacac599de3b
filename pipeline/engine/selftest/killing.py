"""The kill table: a run is killed at each named point on the client's real server, and the next run must make it good.

The killed run is a process of its own (see :mod:`pipeline.engine.selftest.child`); the run after it, and the look at
what came of both, happen here.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import sqlalchemy as sa
import structlog

from pipeline.config.model import ClientConfig
from pipeline.engine.runtime import Client, RunReport, run_job
from pipeline.engine.selftest import made_up
from pipeline.engine.selftest.folder import join, names
from pipeline.engine.selftest.made_up import Trial, throw_away
from pipeline.engine.selftest.points import INBOUND, POINTS, TAKING_AWAY
from pipeline.engine.selftest.promises import broken_promises
from pipeline.engine.selftest.report import PointResult, State
from pipeline.errors import Finding, FolderMissing, MistokError, Transient, Where, Who
from pipeline.flow import InboundSettings, SystemEnv
from pipeline.ledger import tables as t
from pipeline.ports import DocumentList, Transport
from pipeline.registry import Registry
from pipeline.texts import T, Text

log = structlog.get_logger("mistok.selftest")

#: A killed run that does not get to its point within this many seconds is ended.
LIMIT = 180
#: So often a run is started again on a server that fails for the moment.
_TRIES = 3
#: (point, result so far or None): called before and after each point
Progress = Callable[[str, PointResult | None], None]


@dataclass(kw_only=True)
class KillTable:
    """Kills a run at each of ``points``; keeps what was found in ``results``."""

    config: ClientConfig  #: the client's own
    registry: Registry
    trial: Trial
    transport: Transport  #: a patient one, on the connection under test
    orders: int = 3  #: made-up orders that lie there at each point
    few_sessions: bool = False  #: the server allows so few that ours must be closed while others work
    tell: Progress = lambda _point, _result: None
    results: list[PointResult] = field(default_factory=list)
    dropped: dict[str, bytes] = field(default_factory=dict)
    delivered: dict[str, tuple[str, ...]] = field(default_factory=dict)  #: the ids of the orders in each
    documents: int = 0
    _next: int = 1
    _shelf: int = 0
    _ready: set[str] = field(default_factory=set)
    _published: str = ""  #: hash of the catalogue that the server has, as it should be

    def __post_init__(self) -> None:
        # two batches, so that a run is killed in its midst as well
        self.trial = replace(self.trial, batch=max(1, (self.orders + 1) // 2))

    @property
    def temp(self) -> Path:
        """Where everything is on this machine."""
        return Path(self.trial.temp)

    def run(self, points: Sequence[str]) -> None:
        """Try each point. Raises Transient when the server cannot be reached any more."""
        for place, point in enumerate(points):
            self.tell(point, None)
            before = time.monotonic()
            try:
                result = self._inbound(point, place) if point in INBOUND else self._outbound(point)
            except Transient:
                raise
            except MistokError as error:
                result = PointResult(point, POINTS[point], State.FAULT, findings=error.findings)
            result = replace(result, seconds=round(time.monotonic() - before, 1))
            self.results.append(result)
            log.info("selftest_point", point=point, state=str(result.state), lost=result.lost, doubled=result.doubled)
            self.tell(point, result)

    def absent(self, points: Sequence[str]) -> list[str]:
        """Those of ``points`` at which this client's runs never come by: they take no file away."""
        step = throw_away(self.config, self.registry, self.trial).jobs[made_up.ORDERS_JOB].steps[0].params
        assert isinstance(step, InboundSettings)
        return [point for point in points if point in TAKING_AWAY and step.after == "keep"]

    # --- inbound ---------------------------------------------------------------------------------------------------

    def _inbound(self, point: str, place: int) -> PointResult:
        config = throw_away(self.config, self.registry, self.trial)
        step = config.jobs[made_up.ORDERS_JOB].steps[0].params
        assert isinstance(step, InboundSettings)
        self._folder(step.folder)
        files = made_up.made_up_orders(self._next, self.orders, self.config.currency)
        numbers = range(self._next, self._next + self.orders)
        self.delivered |= {made_up.order_name(n): (made_up.order_id(n),) for n in numbers}
        self._next += self.orders
        for name, data in files.items():
            self.transport.write(step.folder, name, data)
            self.dropped[name] = data
            if step.marker is not None:
                self.transport.write(step.folder, name + step.marker.suffix, b"")
        nth = 1 + place % 2 if self.orders > 1 else 1
        findings = self._kill(made_up.ORDERS_JOB, point, nth, self.trial)
        report = self._again(config, made_up.ORDERS_JOB)
        findings += _failures(report)
        remaining = names(self.transport.list(step.folder))
        documents = self._documents(config)
        with Client.open(config, registry=self.registry) as client:
            findings += broken_promises(
                client,
                [(order, total) for order, total, _number in documents],
                remaining=remaining,
                dropped=self.dropped,
                delivered=self.delivered,
            )
            findings += _stuck(client)
        self.documents = len(documents)
        counted = Counter(order for order, _total, _number in documents)
        mine = [made_up.order_id(number) for number in range(self._next - self.orders, self._next)]
        left = 0 if step.after == "keep" else len(remaining & set(files))
        return PointResult(
            point,
            POINTS[point],
            State.OK if not (findings or left) else State.FAULT,
            files=len(files),
            lost=sum(1 for order in mine if not counted[order]),
            doubled=sum(times - 1 for order, times in counted.items() if times > 1),
            left=left,
            findings=_unique(findings),
        )

    def idle(self) -> tuple[Finding, ...]:
        """One more run of both jobs: nothing may be left to do."""
        config = throw_away(self.config, self.registry, replace(self.trial, shelf=self._shelf))
        found: list[Finding] = []
        if self.dropped:
            report = self._again(throw_away(self.config, self.registry, self.trial), made_up.ORDERS_JOB)
            busy = {word: n for word, n in report.counts.items() if word not in ("refused", "failed")}
            if busy:
                words = ", ".join(f"{word}: {n}" for word, n in busy.items())
                found.append(_finding("not-idle", T("A run with nothing to do did something: {words}", words=words)))
        if self._published:
            report = self._again(config, made_up.CATALOGUE_JOB)
            if report.counts.get("uploaded"):
                found.append(_finding("not-idle", T("An unchanged catalogue was published once more.")))
        return tuple(found)

    def _documents(self, config: ClientConfig) -> list[tuple[str, Decimal, str]]:
        """(order id, total, number) of every document in the throw-away books."""
        spec = config.connections[made_up.BOOKS]
        env = SystemEnv(made_up.BOOKS, config.client, config.base, config.currency, config.timezone, _clock())
        with closing(self.registry.systems[spec.type].open(spec.params, env)) as books:
            assert isinstance(books, DocumentList)
            return [(one.order_id, one.ref.total or Decimal(0), one.ref.number) for one in books.all_documents()]

    # --- outbound --------------------------------------------------------------------------------------------------

    def _outbound(self, point: str) -> PointResult:
        self._shelf += 1
        made_up.stock_shelf(self.temp, self._shelf, self.config.currency)
        trial = replace(self.trial, shelf=self._shelf)
        config = throw_away(self.config, self.registry, trial)
        folder = join(trial.folder, "goods")
        self._folder(folder)
        old = self._published
        findings = self._kill(made_up.CATALOGUE_JOB, point, 1, trial)
        killed = self._hash(folder, made_up.CATALOGUE)
        report = self._again(config, made_up.CATALOGUE_JOB)
        findings += _failures(report)
        meant = self._last_publication(config)
        now = self._hash(folder, made_up.CATALOGUE)
        lost = 0
        if killed not in (old, meant):
            lost = 1
            findings.append(_finding("I4", T("After the kill the catalogue was neither the old one nor the new one.")))
        if now != meant or not meant:
            lost = 1
            findings.append(_finding("I4", T("The catalogue on the server is not the one that was published.")))
        findings += self._marker(folder, now)
        there = names(self.transport.list(folder))
        left = [name for name in sorted(there) if name not in (made_up.CATALOGUE, made_up.MARKER)]
        findings += [_finding("left-over", T("{file} was left there.", file=name), file=name) for name in left]
        self._published = now
        state = State.OK if not findings else State.FAULT
        return PointResult(point, POINTS[point], state, files=1, lost=lost, left=len(left), findings=_unique(findings))

    def _marker(self, folder: str, sha: str) -> list[Finding]:
        words = self._bytes(folder, made_up.MARKER).decode("ascii", "replace").split()
        if words[:1] == [sha]:
            return []
        return [_finding("I4", T("The marker {file} does not vouch for the catalogue beside it.", file=made_up.MARKER))]

    def _last_publication(self, config: ClientConfig) -> str:
        with Client.open(config, registry=self.registry) as client, client.ledger.read() as conn:
            p = t.publications
            query = sa.select(p.c.sha256).where(p.c.name == made_up.CATALOGUE).order_by(p.c.id.desc()).limit(1)
            return str(conn.execute(query).scalar() or "")

    def _hash(self, folder: str, name: str) -> str:
        data = self._bytes(folder, name)
        return hashlib.sha256(data).hexdigest() if data else ""

    def _bytes(self, folder: str, name: str) -> bytes:
        try:
            files = [file for file in self.transport.list(folder) if file.name == name]
        except FolderMissing:
            return b""
        for result in self.transport.read_many(files, self.temp):
            if result.error is not None:
                raise result.error
            if result.path is not None:
                data = result.path.read_bytes()
                result.path.unlink()
                return data
        return b""

    # --- both ------------------------------------------------------------------------------------------------------

    def _folder(self, folder: str) -> None:
        if folder not in self._ready:
            self.transport.make_folder(folder)
            self._ready.add(folder)

    def _kill(self, job: str, point: str, nth: int, trial: Trial) -> list[Finding]:
        """Run the job in a process that is killed at the point; what went otherwise."""
        self._make_way()
        stem = self.temp / f"kill-{len(self.results):03}"
        path = stem.with_suffix(".json")
        wanted = {
            "config": str(self.config.source),
            "config_hash": self.config.config_hash,
            "trial": asdict(trial),
            "job": job,
            "point": point,
            "nth": nth,
        }
        path.write_text(json.dumps(wanted), encoding="utf-8")
        code = _child(path)
        if stem.with_suffix(".reached").exists():
            return []
        where = Where(element=point)
        said = stem.with_suffix(".said")
        if said.exists():
            words = json.loads(said.read_text(encoding="utf-8"))
            findings = [Finding.from_json(one) for one in words["findings"]]
            text = T("The run ended before it came to this point ({state}).", state=words["state"])
            return [Finding("not-reached", text, where, who=Who.US), *findings]
        log.error(
            "selftest_child",
            point=point,
            code=code,
            log=_tail(stem.with_suffix(".log")),
            screen=_tail(stem.with_suffix(".screen")),
        )
        if code is None:
            text = T("The run did not come to this point within {n} seconds.", n=LIMIT)
        else:
            text = T("The run ended by itself before this point (exit code {code}).", code=code)
        return [Finding("not-reached", text, where, who=Who.US)]

    def _make_way(self) -> None:
        if self.few_sessions:
            self.transport.close()

    def _again(self, config: ClientConfig, job: str) -> RunReport:
        """The next run, and the one after it where the server fails for the moment."""
        self._make_way()
        for number in range(_TRIES):
            report = run_job(config, job, registry=self.registry)
            if report.exit_code != 3 or number == _TRIES - 1:
                return report
            time.sleep(1)
        raise AssertionError


def _child(path: Path) -> int | None:
    """Its exit code; None when it had to be ended. It gets no Ctrl-C of ours: whoever stops us ends it here."""
    package = Path(__file__).resolve().parents[3]
    others = os.environ.get("PYTHONPATH")
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join([str(package), *([others] if others else [])])}
    command = [sys.executable, "-m", "pipeline.engine.selftest.child", str(path)]
    with (
        path.with_suffix(".log").open("ab") as screen,
        subprocess.Popen(  # noqa: S603 - our own module
            command, env=environ, stdin=subprocess.DEVNULL, stdout=screen, stderr=screen, **_apart()
        ) as child,
    ):
        try:
            return child.wait(LIMIT)
        except subprocess.TimeoutExpired:
            return None
        finally:
            if child.poll() is None:
                child.kill()


def _apart() -> dict[str, Any]:
    if os.name == "nt":
        return {"creationflags": getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)}
    return {"start_new_session": True}


def _tail(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")[-4000:]
    except OSError:
        return ""


def _failures(report: RunReport) -> list[Finding]:
    """What the run after the kill could not do."""
    found = [finding for step in report.steps for finding in step.findings]
    for step in report.steps:
        for row in step.result.details if step.result else ():
            found += [one for one in row.get("findings") or () if row.get("outcome") in ("failed", "held")]
    if report.state == "skipped":
        found.append(_finding("skipped", T("The next run was skipped: the killed one still held its lease.")))
    return found


def _stuck(client: Client) -> list[Finding]:
    """Files that were taken and could not be taken away."""
    with client.ledger.read() as conn:
        rows = [t.row_dict(row) for row in conn.execute(sa.select(t.files))]
    if not any(row["ack_error"] for row in rows):
        return []
    text = T("Files were taken, and the server does not let them be taken away.")
    hint = T("Give the login the right to delete, or set `after: keep`.")
    return [Finding("delete-refused", text, hint=hint, who=Who.ADMIN)]


def _unique(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    return tuple(dict.fromkeys(findings))


def _finding(code: str, text: Text, **where: Any) -> Finding:
    return Finding(code, text, Where(**where), who=Who.US)


def _clock() -> Any:
    from pipeline.clock import SystemClock

    return SystemClock()


def known(points: Mapping[str, Text], wanted: Sequence[str]) -> list[str]:
    """``wanted`` points, by their names or the part after the colon; all when none is wanted. Raises KeyError."""
    if not wanted:
        return list(points)
    chosen = []
    for one in wanted:
        found = [point for point in points if one in (point, point.partition(":")[2], point.partition(":")[0])]
        if not found:
            raise KeyError(one)
        chosen += found
    return [point for point in points if point in chosen]
