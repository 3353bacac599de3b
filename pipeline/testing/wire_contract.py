"""What every connector to a web service must keep when the service does not: one suite over their fake servers.

Subclass :class:`WireContract` in a test module and give it a fixture ``wire`` (a :class:`Wire`). How a service is busy,
fails, goes silent or refuses is what fakes of all systems have in common (:class:`pipeline.testing.fakehttp.FakeApi`);
a system says only what is its own: which requests write, what makes its key invalid, what limits its lists.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import Held, InDoubt, MistokError, Refused, Transient
from pipeline.flow import SystemEnv, SystemPlugin
from pipeline.http import LocalPacer
from pipeline.model import Offer
from pipeline.ports import (
    AddProducts,
    ApplyCatalogue,
    Clock,
    Gate,
    NewProduct,
    Offers,
    OfferTraits,
    RowOutcome,
    System,
    open_gate,
)
from pipeline.testing.fakehttp import Answer, Asked, FakeApi
from pipeline.testing.sync_subject import Subject, draft, faults_of

NEVER_HEARD = "небувале"  #: a value that no list of values has
TYPED = "1 234,50"  #: a number as people type it, with a no-break space
READ = (Decimal("1234.50"), Decimal("1234.5"))  #: what it may be read as, where that is how the system writes
DAY = 86_400
PAGE = "<html><body>Технічні роботи</body></html>"


class Naps:
    """Time of a pacer that passes only by its naps."""

    def __init__(self) -> None:
        self.now = 0.0
        self.taken: list[float] = []

    def sleep(self, seconds: float) -> None:
        """Later."""
        self.taken.append(seconds)
        self.now += seconds

    def pacer(self) -> LocalPacer:
        """One that naps."""
        return LocalPacer(lambda: self.now, self.sleep)


@dataclass(frozen=True, kw_only=True)
class Wire:
    """A service behind its fake, empty at first, and what is the system's own."""

    subject: Subject  #: the same as the contract of a sync's ends works on
    api: FakeApi
    plugin: SystemPlugin
    config: Mapping[str, Any]  #: the settings of the connection
    clock: Clock
    expire: Callable[[], None]  #: its key is valid no more
    secret: str  #: the key, which is never told
    cap: Mapping[str, Any]  #: settings by which the list of ``subject.many`` products is too long
    codes: Callable[[], Collection[str]]  #: the articles that the service keeps, one for each product
    #: Names by which a row of an answer that has no article says which product it is of.
    marks: Collection[str] = ()
    writes: Callable[[Asked], bool] = lambda asked: asked.method != "GET"  #: a request that changes something
    #: Make the service refuse, in words, to make the products of these articles. None: by 422.
    refuse: Callable[[Collection[str]], None] | None = None
    #: A draft as this service takes it. None: that of the contract of a sync's ends.
    values: Callable[[str], Mapping[str, Any]] = lambda _code: {}
    naps: Naps = field(default_factory=Naps)

    def open(self, gate: Gate = open_gate, **more: Any) -> System:
        """A session of its own."""
        env = SystemEnv(
            "far", "demo", Path(), "UAH", "Europe/Kyiv", self.clock, gate=gate, pacer=self.naps.pacer()
        )  # fmt: skip
        return self.plugin.open(self.plugin.settings.model_validate({**self.config, **more}), env)


@contextmanager
def session(wire: Wire, gate: Gate = open_gate, **more: Any) -> Iterator[Any]:
    """One that is closed."""
    system = wire.open(gate, **more)
    try:
        yield system
    finally:
        system.close()


def filled(wire: Wire, count: int, begin: str = "W") -> list[str]:
    """So many single products put in past the adapter; their articles."""
    with session(wire) as system:
        traits = system.offer_traits()
    codes = [f"{begin}-{n:04}" for n in range(1, count + 1)]
    wire.subject.seed([draft(wire.subject, traits, traits.reads, code) for code in codes])
    wire.subject.settle()
    return codes


def told(wire: Wire, **more: Any) -> list[Offer]:
    """What a session of its own tells."""
    with session(wire, **more) as system:
        assert isinstance(system, Offers)
        return list(system.offers())


def made(wire: Wire, codes: Sequence[str]) -> list[MistokError | None]:
    """Have a product made for each article, in a session of its own; what went wrong with each."""
    with session(wire) as system:
        outcomes: Sequence[RowOutcome]
        if isinstance(system, ApplyCatalogue):
            traits = system.offer_traits()  # type: ignore[attr-defined]  # who takes products tells them, too
            drafts = [draft(wire.subject, traits, traits.creates, code, **wire.values(code)) for code in codes]
            outcomes = system.create_products(drafts)
        else:
            assert isinstance(system, AddProducts)
            outcomes = system.add_products([NewProduct(code=code, name=f"Товар {code}") for code in codes])
    wire.subject.settle()
    assert len(outcomes) == len(codes)
    return [outcome.error for outcome in outcomes]


def struck(wire: Wire, value: Any) -> tuple[dict[str, Offer], dict[str, Offer], dict[str, str]]:
    """What is told before and after each of the fields of a row has become ``value``, in the rows of one product each.

    Gives both by id, and which field was struck in which. One product is left alone.
    """
    seen: dict[str, None] = {}
    articles: dict[str, str] = {}  # of all products: article -> id
    victims: dict[str, str] = {}

    def rows(body: Any) -> Iterator[tuple[dict[str, Any], str]]:
        if isinstance(body, dict):
            own = next((articles[one] for one in body.values() if isinstance(one, str) and one in articles), "")
            own = own or next((str(body[name]) for name in wire.marks if str(body.get(name)) in ids), "")
            if own:
                yield body, own
        for one in body.values() if isinstance(body, dict) else body if isinstance(body, list) else ():
            yield from rows(one)

    real = wire.api.after
    ids: set[str] = set()

    def watch(asked: Asked, answer: Answer) -> Answer:
        answer = real(asked, answer)
        if answer.status >= 400 or isinstance(answer.body, (str, bytes)):
            return answer
        body = _named(copy.deepcopy(answer.body))
        for row, own in list(rows(body)):
            seen.update(dict.fromkeys(name for name in row if name.lower() != "id" and name not in wire.marks))
            if row.get(name := victims.get(own, "")) is not None:
                row[name] = value
        return Answer(answer.status, _as_before(body, answer.body), answer.headers, answer.content_type)

    def look() -> dict[str, Offer]:
        return {offer.id: offer for offer in told(wire)}

    def known() -> dict[str, Offer]:
        offers = look()
        articles.update({article: own for own, offer in offers.items() for article in offer.keys.values()})
        ids.update(offers)
        return offers

    filled(wire, 2, "F")
    known()
    wire.api.after = watch  # type: ignore[method-assign]
    try:
        look()  # which fields there are
        filled(wire, len(seen))
        before = known()
        assert len(before) == len(seen) + 2 > 4, "fields are found by the articles of their rows"
        victims.update(zip(list(before)[1:], seen, strict=False))
        return before, look(), dict(victims)
    finally:
        wire.api.after = real  # type: ignore[method-assign]


def _named(body: Any) -> Any:
    """Rows under columns (``{columns: [...], data: [[...]]}``) as rows with names."""
    if isinstance(body, dict) and isinstance(body.get("columns"), list):
        return {**body, "data": [dict(zip(body["columns"], row, strict=True)) for row in body["data"]]}
    return body


def _as_before(body: Any, like: Any) -> Any:
    """And back."""
    if isinstance(like, dict) and isinstance(like.get("columns"), list):
        return {**body, "data": [[row[name] for name in like["columns"]] for row in body["data"]]}
    return body


def spared(
    before: Mapping[str, Offer], after: Mapping[str, Offer], victims: Mapping[str, str], traits: OfferTraits
) -> None:
    """What became strange in one field of each victim (id -> the field) has spoiled no other, nor become a price."""
    spoiled = {own for own, offer in before.items() if own not in victims and after.get(own) != offer}
    assert spoiled == set(), f"by one of {sorted(victims.values())}"
    for own, name in victims.items():
        if own not in after:
            continue
        assert (faults := faults_of(after[own], traits)) == [], f"{name}: {faults}"
        for field_, known in before[own].values.items():
            if field_.partition(".")[0] == "price":
                shown = after[own].values.get(field_)
                assert shown in (None, known, *READ), f"{name}: {field_} = {shown}"


class WireContract:
    """The promises of a connector about a service that does not keep its own."""

    # --- reading -----------------------------------------------------------------------------------------------------

    def test_f08_a_busy_service_is_left_alone_for_as_long_as_it_says(self, wire: Wire) -> None:
        codes = filled(wire, 3)
        before = told(wire)
        assert len(before) == len(codes)
        wire.naps.taken.clear()
        wire.api.fail(429, {"message": "Too Many Requests"}, headers={"Retry-After": "7"}, times=2)
        assert told(wire) == before
        assert sum(wire.naps.taken) >= 7

    def test_f08_a_service_that_asks_for_a_day_is_asked_nothing_more_by_this_run(self, wire: Wire) -> None:
        filled(wire, 3)
        wire.api.forget()
        wire.api.fail(429, {"message": "Come back tomorrow"}, headers={"Retry-After": str(DAY)}, times=99)
        with pytest.raises(Transient) as caught:
            told(wire)
        assert caught.value.retry_after is not None
        assert caught.value.retry_after.total_seconds() == DAY
        assert len(wire.api.log) == 1

    @pytest.mark.parametrize("status", [500, 502, 503])
    def test_f08_a_service_that_fails_once_is_asked_again(self, wire: Wire, status: int) -> None:
        filled(wire, 3)
        before = told(wire)
        wire.api.fail(status, PAGE)
        assert told(wire) == before

    @pytest.mark.parametrize("fault", ["503", "drop", "cut", "page"])
    def test_f13_f50_what_fails_for_ever_is_an_error_and_never_a_shorter_list(self, wire: Wire, fault: str) -> None:
        filled(wire, wire.subject.many)
        with session(wire) as system:
            reading = system.offers()
            first = next(reading)
            match fault:
                case "503":
                    wire.api.fail(503, PAGE, times=9999)
                case "page":
                    wire.api.fail(200, PAGE, times=9999)
                case "drop":
                    wire.api.drop(times=9999)
                case _:
                    wire.api.cut(20, times=9999)
            asked = len(wire.api.log)
            rest, words = None, ""
            try:
                rest = list(reading)
            except Transient as error:
                words = str(error)
            assert words or rest is not None, "it says what is wrong"
            if rest is not None:  # all had been read before the first was told
                assert len({first.id, *(offer.id for offer in rest)}) == wire.subject.many
            assert len(wire.api.log) - asked <= 40, "it is not asked for ever"
        wire.api.forget()
        assert len(told(wire)) == wire.subject.many

    @pytest.mark.parametrize("fault", ["drop", "cut", "lose"])
    def test_f13_a_line_that_breaks_once_loses_nothing(self, wire: Wire, fault: str) -> None:
        filled(wire, 3)
        before = told(wire)
        if fault == "cut":
            wire.api.cut(20)
        else:
            (wire.api.drop if fault == "drop" else wire.api.lose_reply)()
        assert told(wire) == before

    def test_f54_a_key_that_expires_on_the_way_is_told_and_not_tried_again(self, wire: Wire) -> None:
        filled(wire, 3)
        gone_through: list[str] = []

        def gate(connect: Callable[[], Any]) -> Any:
            gone_through.append("asked")
            return connect()

        with session(wire, gate) as system:
            assert len(list(system.offers())) == 3
            wire.expire()
            wire.api.forget()
            with pytest.raises(Refused) as caught:
                list(system.offers())
        assert caught.value.code == "login"
        assert wire.secret not in f"{caught.value} {caught.value.hint}"
        assert len(gone_through) == 2, f"the first request, and the refusal: {gone_through}"
        assert len(wire.api.log) == 1

    def test_f50_a_list_that_is_longer_than_allowed_is_a_failure(self, wire: Wire) -> None:
        filled(wire, wire.subject.many)
        with pytest.raises(Transient) as caught:
            told(wire, **wire.cap)
        assert caught.value.code == "page-cap"

    @pytest.mark.parametrize("value", [None, NEVER_HEARD, TYPED], ids=["null", "never heard of", "typed"])
    def test_f46_a_field_that_is_not_what_it_should_be_spoils_no_other(self, wire: Wire, value: Any) -> None:
        before, after, victims = struck(wire, value)
        with session(wire) as system:
            spared(before, after, victims, system.offer_traits())

    # --- writing -----------------------------------------------------------------------------------------------------

    def test_f08_a_busy_service_is_written_to_once_when_the_time_has_come(self, wire: Wire) -> None:
        if not _makes(wire):
            return
        wire.api.fail(429, {"message": "Too Many Requests"}, headers={"Retry-After": "7"}, times=2, when=wire.writes)
        assert made(wire, ["N-1"]) == [None]
        assert sum(wire.naps.taken) >= 7
        assert sorted(wire.codes()) == ["N-1"]

    @pytest.mark.parametrize("fault", ["lost", "dropped", "500"])
    def test_f03_f07_nothing_is_made_twice_whatever_answer_is_lost(self, wire: Wire, fault: str) -> None:
        if not _makes(wire):
            return
        match fault:
            case "lost":
                wire.api.lose_reply(when=wire.writes)
            case "dropped":
                wire.api.drop(when=wire.writes)
            case _:
                wire.api.fail(500, PAGE, when=wire.writes)
        try:
            errors = made(wire, ["N-1", "N-2"])
        except (InDoubt, Transient):
            errors = [None, None]
        assert all(error is None or isinstance(error, (InDoubt, Transient)) for error in errors)
        wire.api.forget()
        assert made(wire, ["N-1", "N-2"]) == [None, None], "what was in doubt is looked up, or made now"
        assert sorted(wire.codes()) == ["N-1", "N-2"]

    def test_f08_a_service_that_never_writes_is_told_for_all_and_the_next_run_does_it(self, wire: Wire) -> None:
        if not _makes(wire):
            return
        wire.api.fail(503, PAGE, times=9999, when=wire.writes)
        try:
            errors = made(wire, ["N-1", "N-2"])
        except (InDoubt, Transient) as error:
            errors = [error, error]
        assert all(isinstance(error, (InDoubt, Transient)) for error in errors)
        assert list(wire.codes()) == []
        wire.api.forget()
        assert made(wire, ["N-1", "N-2"]) == [None, None]
        assert sorted(wire.codes()) == ["N-1", "N-2"]

    def test_f54_a_key_that_has_expired_writes_nothing(self, wire: Wire) -> None:
        if not _makes(wire):
            return
        wire.expire()
        try:
            errors = made(wire, ["N-1", "N-2"])
        except Refused as error:
            errors = [error, error]
        assert [type(error) for error in errors] == [Refused, Refused]
        assert {getattr(error, "code", "") for error in errors} == {"login"}
        statuses = [f"{one.asked.method} {one.asked.path} {one.status}" for one in wire.api.log]
        assert len(statuses) == 1, f"a refused login is not tried again: {statuses}"
        assert list(wire.codes()) == []

    def test_f51_half_of_a_batch_is_refused_and_the_other_half_is_made(self, wire: Wire) -> None:
        if not _makes(wire):
            return
        codes = [f"N-{n}" for n in range(1, 7)]
        bad = codes[::2]
        if wire.refuse is not None:
            wire.refuse(bad)
        else:

            def of_them(asked: Asked) -> bool:
                return wire.writes(asked) and any(code.encode() in asked.body for code in bad)

            wire.api.fail(422, {"message": "Не приймаємо"}, times=999, when=of_them)
        errors = dict(zip(codes, made(wire, codes), strict=True))
        refused = {code: str(error) for code, error in errors.items() if error is not None}
        assert set(refused) == set(bad), f"not just {bad}: {refused}"
        assert all(isinstance(errors[code], Held) and str(errors[code]) for code in bad)
        assert sorted(wire.codes()) == codes[1::2]


def _makes(wire: Wire) -> bool:
    with session(wire) as system:
        return isinstance(system, AddProducts) or bool(system.offer_traits().creates)
