"""What every plugin of a client's own must do, as tests; ``mistok new plugin`` writes a test that uses them.

Give a subclass a fixture ``plugin`` (see :func:`plugin_of`) and one ``example`` with the parameters of the config, and
pytest runs the suite of its kind over it: :class:`StepContract`, :class:`OrderFormatContract`,
:class:`SystemContract` or :class:`ChannelContract`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pydantic import ValidationError

from pipeline.clock import SystemClock
from pipeline.config import shape
from pipeline.errors import Finding, Rejected
from pipeline.flow import ChannelPlugin, FormatPlugin, FreeStep, Plugin, StepPlugin, SystemEnv, SystemPlugin
from pipeline.flow import StepResult as Result
from pipeline.ports import Clock, Delivered, FormatContext, Notice, Offers, OrderFormat, System, Transport
from pipeline.registry import Source, records_of
from pipeline.settings import Settings, meaning
from pipeline.texts import Text, verbatim
from pipeline.transports.local import LocalSettings, LocalTransport


def plugin_of(path: Path, name: str = "") -> Plugin:
    """The plugin of that file, loaded as Mistok loads it; by name where the file registers several.

    Raises ConfigError, with the line, for a file that gives none; LookupError when none is called so.
    """
    found = records_of(Source(path, path.read_bytes()))
    for plugin in found:
        if name in ("", plugin.name):
            return plugin
    raise LookupError(name)


class Bench:
    """What a step is given in a test: a folder of the test's for each connection, and systems that are handed in."""

    client = "test"

    def __init__(self, base: Path, *, dry_run: bool = False, systems: Mapping[str, System] | None = None) -> None:
        self.base = base
        self.dry_run = dry_run
        self.clock: Clock = SystemClock()
        self._systems = dict(systems or {})

    def transport(self, name: str) -> Transport:
        """A folder called like the connection, below the base."""
        return LocalTransport(name, LocalSettings(path=Path(name), create=True), base=self.base)

    def system(self, name: str) -> System:
        """The one that was handed in. Raises KeyError."""
        return self._systems[name]

    def progress(self, done: int, total: int | None, what: Text) -> None:
        """Nobody looks."""

    def files(self) -> dict[str, bytes]:
        """Everything below the base."""
        paths = (path for path in self.base.rglob("*") if path.is_file())
        return {path.relative_to(self.base).as_posix(): path.read_bytes() for path in paths}


class PluginContract:
    """What holds for each kind."""

    @pytest.fixture
    def example(self) -> Mapping[str, Any]:
        """Parameters as they would stand in the config; give your own when some are required."""
        return {}

    @pytest.fixture
    def settings(self, plugin: Plugin, example: Mapping[str, Any]) -> Settings:
        """The parameters, checked."""
        return plugin.settings.model_validate(dict(example))

    def test_it_has_a_name_for_the_config_and_says_what_it_is(self, plugin: Plugin) -> None:
        assert re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,63}", plugin.name), plugin.name
        assert str(plugin.summary).strip()

    def test_each_parameter_says_what_it_means(self, plugin: Plugin) -> None:
        """A docstring below each: it is what `mistok config explain` and the editor tell."""
        silent = [
            shape.key_of(name, info)
            for name, info in plugin.settings.model_fields.items()
            if not meaning(plugin.settings, name)
        ]
        assert silent == []

    def test_a_key_that_it_does_not_know_is_an_error(self, plugin: Plugin, example: Mapping[str, Any]) -> None:
        with pytest.raises(ValidationError):
            plugin.settings.model_validate({**example, "no-such-key": "1"})


class StepContract(PluginContract):
    """The promises of a step of one's own (a FreeStep)."""

    @pytest.fixture
    def bench(self, tmp_path: Path) -> Bench:
        """Where it works; put files into its folders, or hand systems in, as the step needs them."""
        return Bench(tmp_path)

    def _run(self, plugin: Plugin, settings: Settings, bench: Bench) -> Result:
        assert isinstance(plugin, StepPlugin)
        assert isinstance(plugin.kind, FreeStep)
        result = plugin.kind.run(settings, bench)
        assert isinstance(result, Result)
        assert all(isinstance(note, Text) for note in result.notes), "remarks are T(…)"
        return result

    def test_it_says_what_it_did(self, plugin: Plugin, settings: Settings, bench: Bench) -> None:
        self._run(plugin, settings, bench)

    def test_a_dry_run_changes_nothing(self, plugin: Plugin, settings: Settings, bench: Bench) -> None:
        before = bench.files()
        bench.dry_run = True
        self._run(plugin, settings, bench)
        assert bench.files() == before

    def test_a_second_run_does_no_harm(self, plugin: Plugin, settings: Settings, bench: Bench) -> None:
        self._run(plugin, settings, bench)
        first = bench.files()
        self._run(plugin, settings, bench)
        assert bench.files().keys() == first.keys()


class OrderFormatContract(PluginContract):
    """The promises of a format of order files. Give a fixture ``sample``: the bytes of a good file."""

    @pytest.fixture
    def sample(self) -> bytes:
        """A good file with at least one order."""
        pytest.fail("give your test class a fixture `sample`", pytrace=False)

    @pytest.fixture
    def about(self, tmp_path: Path) -> FormatContext:
        """What a format may know besides the bytes."""
        now = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)
        return FormatContext("test", ZoneInfo("Europe/Kyiv"), "UAH", "uk-UA", now, "orders.file", "site", tmp_path)

    @pytest.fixture
    def form(self, plugin: Plugin) -> OrderFormat:
        """The format's code."""
        assert isinstance(plugin, FormatPlugin)
        assert isinstance(plugin.format, OrderFormat)
        return plugin.format

    def test_a_good_file_gives_its_orders(
        self, form: OrderFormat, settings: Settings, sample: bytes, about: FormatContext
    ) -> None:
        decoded = form.decode(sample, settings, about)
        assert decoded.orders
        ids = [(one.source, one.id) for one in decoded.orders]
        assert len(set(ids)) == len(ids), "an order's id is its own"
        for one in decoded.orders:
            assert one.order is not None, one.findings
            assert (one.id, one.number) == (one.order.id, one.order.number)
            assert one.order.created_at.tzinfo is not None
            assert one.order.lines
            assert one.fragment, "the order's own bytes: by them it is known whether it came again with other content"

    def test_the_same_bytes_give_the_same_answer(
        self, form: OrderFormat, settings: Settings, sample: bytes, about: FormatContext
    ) -> None:
        assert form.decode(sample, settings, about) == form.decode(sample, settings, about)

    def test_a_whole_file_looks_whole(self, form: OrderFormat, settings: Settings, sample: bytes) -> None:
        assert form.complete(sample[-4096:], settings)
        assert not form.complete(b"", settings)

    @pytest.mark.parametrize("cut", [0.1, 0.5, 0.9])
    def test_what_is_no_such_file_is_rejected_or_held_in_words(
        self, form: OrderFormat, settings: Settings, sample: bytes, about: FormatContext, cut: float
    ) -> None:
        """Never with another error: the file is quarantined, and its sender told why."""
        for data in (b"", b"\x00\xff\xfe", b"<html>404</html>", sample[: int(len(sample) * cut)], sample.swapcase()):
            try:
                decoded = form.decode(data, settings, about)
            except Rejected:
                continue  # it carries what is wrong
            assert all(one.order is not None or one.findings for one in decoded.orders)


class SystemContract(PluginContract):
    """What each system promises, whatever it can do; :mod:`pipeline.testing.sync_contract` and its neighbours hold the
    rest."""

    @pytest.fixture
    def env(self, tmp_path: Path) -> SystemEnv:
        """What a system may know of the client; files of the test's belong into ``env.base``."""
        return SystemEnv("mine", "test", tmp_path, "UAH", "Europe/Kyiv", SystemClock())

    def _open(self, plugin: Plugin, settings: Settings, env: SystemEnv) -> System:
        assert isinstance(plugin, SystemPlugin)
        return plugin.open(settings, env)

    def test_it_opens_checks_and_closes(self, plugin: Plugin, settings: Settings, env: SystemEnv) -> None:
        system = self._open(plugin, settings, env)
        assert system.name == env.name
        assert all(isinstance(finding, Finding) for finding in system.check())
        system.close()
        system.close()

    def test_it_says_what_it_can_do(self, plugin: Plugin) -> None:
        from pipeline.capabilities import capabilities

        assert isinstance(plugin, SystemPlugin)
        assert capabilities(plugin), "give SystemPlugin `classes=lambda: (MySystem,)`"

    def test_each_offer_is_told_once_with_its_article(self, plugin: Plugin, settings: Settings, env: SystemEnv) -> None:
        system = self._open(plugin, settings, env)
        if isinstance(system, Offers):
            traits = system.offer_traits()
            offers = list(system.offers())
            ids = [offer.id for offer in offers]
            assert ids
            assert len(set(ids)) == len(ids)
            assert all(set(offer.values) <= traits.reads for offer in offers)
            assert all(set(offer.keys) <= set(traits.keys) for offer in offers)
            assert [offer.id for offer in system.offers()] == ids
        system.close()


class ChannelContract(PluginContract):
    """The promises of an alert channel: it never raises, and says whether somebody could see it."""

    @pytest.mark.parametrize("language", ["uk", "en"])
    def test_it_never_raises(self, plugin: Plugin, settings: Settings, language: str) -> None:
        assert isinstance(plugin, ChannelPlugin)
        channel = plugin.open(settings)
        assert channel.name == plugin.name
        assert isinstance(channel.available(), Delivered)
        texts = ("Order 1234", "Замовлення №7 «Львів» 😀", "<b>&amp;</b>\n\n" + "x" * 5000, "")
        for kind in ("order", "held", "failure", "summary"):
            for words in texts:
                notice = Notice(kind, verbatim(words), verbatim(words), subject="order:1", data={"number": "1234"})
                told = channel.send(notice, language)
                assert isinstance(told, Delivered)
                assert told.shown or told.why is not None, "what was not shown says why"
        channel.close()
