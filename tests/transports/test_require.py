"""A real server that is missing skips its test at home and fails it where servers are required."""

from __future__ import annotations

import pytest

from tests.servers import common


def test_what_is_missing_skips_or_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MISTOK_REQUIRE_SERVERS", raising=False)
    with pytest.raises(pytest.skip.Exception, match="no-such-server"):
        common.require("no-such-server")
    monkeypatch.setenv("MISTOK_REQUIRE_SERVERS", "1")
    with pytest.raises(pytest.fail.Exception, match="no-such-server"):
        common.require("no-such-server")
