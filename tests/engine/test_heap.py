"""One heap of the C library for all threads of a process that runs jobs."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

from pipeline.engine.heap import one_heap


def test_it_is_asked_for_once_and_nothing_breaks_where_there_is_none() -> None:
    assert one_heap() is one_heap()


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has several heaps in a process")
def test_threads_get_no_heap_of_their_own() -> None:
    assert one_heap()
    code = (
        "import ctypes, sys, threading\n"
        "from pipeline.engine.heap import one_heap\n"
        "if sys.argv[1] == 'one':\n"
        "    one_heap()\n"
        "kept = []\n"
        "threads = [threading.Thread(target=lambda: kept.append([bytes(5000) for _ in range(99)])) for _ in range(3)]\n"
        "[thread.start() for thread in threads], [thread.join() for thread in threads]\n"
        "ctypes.CDLL(None).malloc_stats()\n"
    )

    def heaps(word: str) -> int:
        said = subprocess.run([sys.executable, "-c", code, word], capture_output=True, text=True, check=True)
        return said.stderr.count("Arena ")

    assert heaps("one") == 1
    assert heaps("several") > 1, "else the test says nothing"
