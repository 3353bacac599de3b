"""JSON is written as Python's own encoder writes it, whatever makes it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.jsonwords import writer

WAYS: list[dict[str, Any]] = [
    {},
    {"ensure_ascii": False, "separators": (",", ":")},
    {"ensure_ascii": True, "separators": (",", ":")},
]
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.lists(inner).map(tuple) | st.dictionaries(st.text() | st.integers(), inner),
)


@pytest.mark.parametrize("way", WAYS)
@given(value=values)
def test_it_writes_what_the_library_writes(way: dict[str, Any], value: Any) -> None:
    assert writer(**way)(value) == json.dumps(value, **way)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("value", [object(), [datetime(2026, 11, 20, tzinfo=UTC)], {(1, 2): 3}])
def test_it_refuses_what_the_library_refuses(way: dict[str, Any], value: Any) -> None:
    write = writer(**way)
    for _ in range(2):
        with pytest.raises(TypeError):
            json.dumps(value, **way)
        with pytest.raises(TypeError):
            write(value)
        assert write({"a": 1}) == json.dumps({"a": 1}, **way)


@pytest.mark.parametrize("found", [None, lambda *_arguments: lambda *_value: ("?",)])
def test_without_an_encoder_that_is_the_same_the_library_s_own_is_used(
    monkeypatch: pytest.MonkeyPatch, found: Any
) -> None:
    monkeypatch.setattr(json.encoder, "c_make_encoder", found)
    assert writer()({"a": ["ґ"]}) == json.dumps({"a": ["ґ"]})
