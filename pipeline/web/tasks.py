"""What takes longer than a page may: it goes on in a thread, and the page shows how far it is and what came of it."""

from __future__ import annotations

import contextvars
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import structlog

from pipeline.engine.endings import unexpected
from pipeline.errors import Finding, MistokError
from pipeline.texts import Text

log = structlog.get_logger("mistok.web")
#: So many go on at once, so many results are kept, and for so long (seconds).
AT_ONCE, KEPT, KEPT_FOR = 4, 200, 3600.0

Report = Callable[[int, int | None, Text], None]


@dataclass
class Task:
    """One thing under way. ``kind`` says how its result is shown; ``who`` may see it."""

    id: str
    kind: str
    who: str
    title: Text
    asked: dict[str, Any] = field(default_factory=dict)
    done: int = 0
    total: int | None = None
    what: Text | None = None
    result: Any = None
    findings: tuple[Finding, ...] = ()
    over: threading.Event = field(default_factory=threading.Event)
    ended: float = 0.0

    def report(self, done: int, total: int | None, what: Text) -> None:
        """How far it is."""
        self.done, self.total, self.what = done, total, what

    @property
    def state(self) -> str:
        """``running``, ``done`` or ``failed``."""
        if not self.over.is_set():
            return "running"
        return "failed" if self.findings else "done"


class Tasks:
    """The tasks of one page. Safe from threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._room = threading.Semaphore(AT_ONCE)
        self._tasks: dict[str, Task] = {}

    def start(
        self,
        kind: str,
        who: str,
        title: Text,
        work: Callable[[Task], Any],
        *,
        asked: dict[str, Any] | None = None,
        patience: float = 1.5,
    ) -> Task:
        """Begin ``work`` and give its task: over already when it took no longer than ``patience`` seconds."""
        task = Task(secrets.token_urlsafe(9), kind, who, title, asked or {})
        with self._lock:
            self._forget_old()
            self._tasks[task.id] = task
        # a thread of its own would know neither the reader's language nor what is to be hidden
        context = contextvars.copy_context()
        threading.Thread(target=context.run, args=(self._go, task, work), name=f"task-{kind}", daemon=True).start()
        task.over.wait(patience)
        return task

    def find(self, task_id: str, who: str) -> Task | None:
        """A task of this person."""
        with self._lock:
            task = self._tasks.get(task_id)
        return task if task is not None and task.who == who else None

    def _go(self, task: Task, work: Callable[[Task], Any]) -> None:
        with self._room:
            try:
                task.result = work(task)
            except MistokError as error:
                task.findings = error.findings
            except Exception as error:
                reference = secrets.token_hex(4)
                log.exception("task_failed", kind=task.kind, reference=reference)
                task.findings = (unexpected("mistok", error, reference),)
            finally:
                task.ended = time.monotonic()
                task.over.set()

    def _forget_old(self) -> None:
        now = time.monotonic()
        over = [one for one in self._tasks.values() if one.over.is_set()]
        for place, task in enumerate(sorted(over, key=lambda one: one.ended, reverse=True)):
            if place >= KEPT or now - task.ended > KEPT_FOR:
                del self._tasks[task.id]
