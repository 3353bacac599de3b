"""A key of an order's document is taken apart as it was made, whatever its parts are called."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.rules.keys import key_of, key_parts

PART = st.text(min_size=1, max_size=20)


@given(PART, PART, PART)
def test_a_key_is_taken_apart_as_it_was_made(client: str, source: str, order_id: str) -> None:
    assert key_parts(key_of(client, source, order_id)) == (client, source, order_id)


def test_slashes_and_percents_do_not_shift_the_parts() -> None:
    assert key_of("a/b", "c%2F", "1") == "a%2Fb/c%252F/1/create/0"
    assert key_parts("a%2Fb/c%252F/1/create/0") == ("a/b", "c%2F", "1")
    assert key_parts("demo/shop/7/amend/0f3c") == ("demo", "shop", "7")


@pytest.mark.parametrize("key", ["", " ", "demo", "demo/shop/1", "demo/shop/1/create/0/more", "demo//1/create/0"])
def test_what_is_no_key_has_no_parts(key: str) -> None:
    assert key_parts(key) is None
