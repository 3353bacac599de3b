"""Modules that are loaded when something of them is asked for."""

from __future__ import annotations

import subprocess
import sys


def _said(code: str) -> list[str]:
    said = subprocess.run(
        [sys.executable, "-c", f"import sys\nfrom pipeline.later import later\n{code}"],
        capture_output=True, text=True, encoding="utf-8", check=True,
    )  # fmt: skip
    return said.stdout.split()


def test_it_is_loaded_when_something_of_it_is_asked_for() -> None:
    code = (
        "with later('wave'):\n"
        "    import wave as taken\n"
        "print('wave' in sys.modules)\n"
        "print(taken.Error.__name__, 'wave' in sys.modules)\n"
        "import wave\n"
        "print(wave is taken, wave.Error is taken.Error)\n"
    )
    assert _said(code) == ["False", "Error", "True", "False", "True"]


def test_who_asks_at_once_gets_the_module_itself() -> None:
    code = (
        "with later('json'):\n"
        "    from json import dumps\n"
        "    import json.decoder\n"
        "    import json\n"
        "print(dumps([1]), json is sys.modules['json'], json.decoder.JSONDecoder().decode('2'))\n"
    )
    assert _said(code) == ["[1]", "True", "2"]


def test_functions_are_taken_before_and_it_is_loaded_when_they_are_called() -> None:
    code = (
        "with later('wave', calls=('open',)):\n"
        "    import wave\n"
        "    take = wave.open\n"
        "print('wave' in sys.modules)\n"
        "try:\n"
        "    take('nowhere', mode='rb')\n"
        "except FileNotFoundError:\n"
        "    print('called', 'wave' in sys.modules)\n"
    )
    assert _said(code) == ["False", "called", "True"]


def test_what_is_loaded_already_is_left_alone() -> None:
    code = "import wave as first\nwith later('wave'):\n    import wave\nprint(first is wave is sys.modules['wave'])\n"
    assert _said(code) == ["True"]


def test_sqlalchemy_without_asyncio_still_tells_cancelled_work_from_errors() -> None:
    code = (
        "from pipeline.lightsql import sqlalchemy\n"
        "print('asyncio' in sys.modules)\n"
        "from sqlalchemy.util import is_exit_exception\n"
        "print(is_exit_exception(ValueError()), is_exit_exception(KeyboardInterrupt()))\n"
        "import asyncio\n"
        "print(is_exit_exception(asyncio.CancelledError()))\n"
        "from sqlalchemy.util.concurrency import iscoroutine\n"
        "async def work(): pass\n"
        "one = work()\n"
        "print(iscoroutine(one), iscoroutine(1)); one.close()\n"
    )
    assert _said(code) == ["False", "False", "True", "True", "True", "False"]
