"""Which error ends with which code."""

from __future__ import annotations

import pytest

from pipeline.cli.common import exit_code
from pipeline.errors import ConfigError, Held, MistokError, Refused, Transient
from pipeline.texts import T


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigError(T("x")), 2),
        (Held(T("x")), 1),
        (Transient(T("x")), 3),
        (Refused(T("x")), 3),
        (Transient(T("x"), code="disk-full"), 1),
        (Transient(T("x"), code="archive"), 1),
        (Transient(T("x"), code="ledger"), 1),
    ],
)
def test_only_a_server_is_unreachable_and_an_own_disk_waits_for_a_person(error: MistokError, code: int) -> None:
    assert exit_code(error) == code
