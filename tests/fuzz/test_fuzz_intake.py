"""F35, F37, F41: order files mutated with knowledge of XML: rejected, or read with their own sums; in bounded time."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.resources import samples
from tests.faults import tally
from tests.fuzz.intake import CENT, independently, look
from tests.fuzz.profile import examples

FILES = [path.read_bytes() for path in sorted(samples().glob("orders/*/*.xml")) if path.stat().st_size < 40_000]
GOOD = [path.read_bytes() for path in sorted(samples().glob("orders/good/*.xml"))]
PIECES: Sequence[bytes] = (
    b"<!DOCTYPE orders>", b"<!DOCTYPE a [<!ENTITY x 'y'>]>", b"<!ENTITY x SYSTEM 'file:///etc/passwd'>",
    b"&x;", b"&amp;", b"&#0;", b"&#xD800;", b"&#1114112;", b"&nbsp;", b"&", b"<", b">", b"]]>", b"<![CDATA[", b"<!--",
    b"-->", b"<?php ?>",
    b"<?xml version='1.0'?>", b"\0", b"\x0b", b"\xff", b"\xfe\xff", b"\xef\xbb\xbf", b"\xed\xa0\x80", b"\xc0\x80",
    b"\xd0",
    b"</order>", b"</orders>", b"<order>", b"<item/>", b"<orders>", b"xmlns='x'", b"xsi:nil='true'", b"\r", b"\r\n",
    b"1e999", b"NaN", b"-0.00", b"00000000000000000000.00", b"9" * 400, "٣".encode(), "\u00a0".encode(), b",", b".",
    b"+", b"-", b"<total>1</total>", b"<price>0</price>", b"<quantity>-1</quantity>", "Ґ".encode("cp1251"),
    b"<discount>5</discount>", b"<rate>41</rate>", b"<currency>usd</currency>",
)  # fmt: skip
ENCODINGS = (
    "utf-8",
    "utf-8-sig",
    "utf-16",
    "utf-16-le",
    "utf-16-be",
    "cp1251",
    "koi8-u",
    "iso-8859-5",
    "cp866",
    "utf-32",
)
Mutation = Callable[[bytes, random.Random], bytes]


def flip(data: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1 << chance.randrange(8)]) + data[at + 1 :]


def truncate(data: bytes, chance: random.Random) -> bytes:
    return data[: chance.randrange(1, len(data) + 1)]


def insert(data: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(data) + 1)
    return data[:at] + chance.choice(PIECES) + data[at:]


def insert_at_a_tag(data: bytes, chance: random.Random) -> bytes:
    places = [found.start() for found in re.finditer(rb"[<>]", data)] or [0]
    at = chance.choice(places) + chance.randrange(2)
    return data[:at] + chance.choice(PIECES) + data[at:]


def drop(data: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(data))
    return data[:at] + data[at + chance.randrange(1, 60) :]


def double(data: bytes, chance: random.Random) -> bytes:
    at, end = sorted(chance.randrange(len(data) + 1) for _ in range(2))
    return data[:end] + data[at : min(end, at + 3000)] + data[end:]


def digits(data: bytes, chance: random.Random) -> bytes:
    places = [found.span(1) for found in re.finditer(rb">([0-9][0-9.]*)<", data)]
    if not places:
        return data
    at, end = chance.choice(places)
    some = b"%d.%02d" % (chance.randrange(999), chance.randrange(99))
    odd = (b"0", b"-1", b"", b"1,5", b"1e3", data[at:end] + b"1", b" " + data[at:end] + b"\n")
    new = chance.choice((some, b"%d" % chance.randrange(10**6), *odd))
    return data[:at] + new + data[end:]


def swap_elements(data: bytes, chance: random.Random) -> bytes:
    leaves = [found.span() for found in re.finditer(rb"<([\w-]+)>[^<>]*</\1>", data)]
    if len(leaves) < 2:
        return data
    (a, b), (c, d) = sorted(chance.sample(leaves, 2))
    return data[:a] + data[c:d] + data[b:c] + data[a:b] + data[d:]


def drop_element(data: bytes, chance: random.Random) -> bytes:
    leaves = [found.span() for found in re.finditer(rb"<([\w-]+)>[^<>]*</\1>", data)]
    if not leaves:
        return data
    a, b = chance.choice(leaves)
    return data[:a] + data[b:]


def rename_element(data: bytes, chance: random.Random) -> bytes:
    names = sorted(set(re.findall(rb"<([\w-]+)", data)))
    if not names:
        return data
    old, new = chance.choice(names), chance.choice([*names, b"x", b"orders", "ціна".encode()])
    return re.sub(rb"(</?)" + re.escape(old) + rb"(?=[\s>/])", lambda found: found[1] + new, data)


def nest(data: bytes, chance: random.Random) -> bytes:
    deep = chance.choice((10, 40, 300, 5000))
    at = data.find(b"<items>")
    return data[:at] + b"<a>" * deep + b"</a>" * deep + data[at:] if at >= 0 else b"<a>" * deep


def recode(data: bytes, chance: random.Random) -> bytes:
    text = data.decode("utf-8", "replace")
    if chance.random() < 0.5:
        text = re.sub(r'encoding="[^"]*"', f'encoding="{chance.choice(ENCODINGS)}"', text, count=1)
    return text.encode(chance.choice(ENCODINGS), "replace")


def more_orders(data: bytes, chance: random.Random) -> bytes:
    found = re.search(rb"<order>.*?</order>", data, re.DOTALL)
    return data[: found.end()] + found[0] * chance.randrange(1, 4) + data[found.end() :] if found else data


MUTATIONS: Sequence[Mutation] = (
    flip, truncate, insert, insert_at_a_tag, insert_at_a_tag, drop, double, digits, digits, digits, swap_elements,
    drop_element, rename_element, nest, recode, more_orders,
)  # fmt: skip


def mutated(seed: int, data: bytes) -> bytes:
    chance = random.Random(seed)
    for _ in range(chance.choice((1, 1, 2, 3, 6))):
        if data:
            data = chance.choice(MUTATIONS)(data, chance)
    return data


tried: list[int] = []


@pytest.fixture(autouse=True)
def _count() -> None:
    tried.clear()


@examples(600, 6_000)
@given(st.integers(0, 2**32), st.sampled_from(FILES))
def _any_mutation(seed: int, data: bytes) -> None:
    tried.append(1)
    look(mutated(seed, data))


@examples(300, 2500)
@given(st.integers(0, 2**32), st.sampled_from(GOOD))
def _any_other_number(seed: int, data: bytes) -> None:
    tried.append(1)
    chance = random.Random(seed)
    for _ in range(chance.randrange(1, 4)):
        data = digits(data, chance)
    look(data)


@examples(200, 2500)
@given(st.binary(max_size=2000))
def _any_bytes(data: bytes) -> None:
    tried.append(1)
    look(data)


def test_f35_f37_f41_any_mutation_of_an_order_file_is_rejected_or_read_with_its_own_sums() -> None:
    _any_mutation()
    tally.note("inputs", len(tried))


def test_f41_any_other_number_in_an_order_is_held_or_booked_as_stated() -> None:
    _any_other_number()
    tally.note("inputs", len(tried))


def test_f35_any_bytes_are_rejected_or_read() -> None:
    _any_bytes()
    tally.note("inputs", len(tried))


def test_the_reckoning_of_our_own_agrees_with_every_good_sample() -> None:
    read = 0
    for data in GOOD:
        decoded = look(data)
        assert decoded is not None
        for one, said in zip(decoded.orders, independently(data) or (), strict=False):
            assert one.order is not None
            stated, made = said
            assert stated == one.order.total
            read += bool(made) and min(abs(one - stated) for one in made) <= CENT
    assert read >= 12, "the test looks at something"
