"""Words of shops in the YAML that people are told to write."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.config.yaml import Mapping, Scalar, parse_yaml
from pipeline.rules.yamlwords import yaml_word


@pytest.mark.parametrize("word", ["Підтверджено", "Передано кур'єру", "AB-1", "0042", "Нова Пошта (адреса)", "12"])
def test_a_plain_word_stands_as_it_is(word: str) -> None:
    assert yaml_word(word) == word


@given(st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S", "Zs"]), min_size=1, max_size=12))
def test_whatever_a_shop_calls_a_thing_is_read_back_as_it_was(word: str) -> None:
    node, findings = parse_yaml(f"statuses: {{{yaml_word(word)}: {yaml_word(word)}}}\n", "config.yaml")
    assert findings == ()
    assert isinstance(node, Mapping)
    inner = node.get("statuses")
    assert isinstance(inner, Mapping)
    value = inner.get(word)
    assert isinstance(value, Scalar)
    assert value.value == word
