"""``mistok init`` with any accounting: a config that passes, secrets out of it, what does not fit told."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from pipeline.cli.init import Server, Shape, init, jobs_for
from pipeline.cli.init_accounting import chosen, nested, offered, wanted
from pipeline.config.load import load_config
from pipeline.errors import ConfigError
from pipeline.registry import Registry, load_registry
from tests.e2e.command import here

SFTP = Server("sftp", "h.example", None, "u", "pass word", None, None)
ANSWERS = {"url": "https://erp.example", "database": "shop", "user": "mistok: #1", "server.user": "exchange"}


@pytest.fixture(scope="module")
def registry() -> Registry:
    return load_registry(sources=())


def test_each_accounting_that_takes_documents_is_offered_with_what_it_must_be_told(registry: Registry) -> None:
    known = offered(registry)
    assert next(iter(known)) == "books"
    assert {"dilovod", "quincefin", "tryton", "commerceml", "keycrm"} <= set(known)
    assert not {"woocommerce", "opencart", "sql"} & set(known), "no documents, or tables of one's own"
    told = {name: [one.key for one in wanted(plugin) or () if not one.fixed] for name, plugin in known.items()}
    assert told["books"] == []
    assert told["dilovod"] == ["key"]
    assert told["tryton"] == ["url", "database", "user", "password"]
    assert told["commerceml"] == ["server.user", "server.password"]


@pytest.mark.parametrize("language", ["uk", "en"])
def test_what_it_writes_passes_with_and_without_the_secret_at_hand(
    tmp_path: Path, registry: Registry, language: str
) -> None:
    for number, (name, plugin) in enumerate(offered(registry).items()):
        asked = wanted(plugin) or ()
        given = {one.key: ANSWERS[one.key] for one in asked if not one.secret and not one.fixed}
        secrets = {one.key: f"s3cret-of-{name}" for one in asked if one.secret}
        for server, known in ((Server(), given), (SFTP, {**given, **secrets})):
            folder = tmp_path / f"{number}-{server.kind}"
            books = chosen(registry, name, known)
            init(folder, server=server, language=language, shape=Shape(jobs_for(books)), accounting=books)
            environ = dict.fromkeys(books.variables(), "from-the-environment")
            assert bool(environ) is (known is given and bool(secrets))
            config = load_config(folder, environ=environ)
            assert set(config.connections) == {"site", name}
            assert config.jobs["orders"].steps[0].params.into == name  # type: ignore[attr-defined]
            text = (folder / "config.yaml").read_text(encoding="utf-8")
            assert "s3cret" not in text
            assert f"  {name}:\n    type: {name}\n" in text
            if name != "books":
                assert "books" not in text.replace("sqlite:///books", "")
                assert f"mistok config explain {name}" in text
            for path in books.secrets():
                kept = folder / path
                assert kept.read_text(encoding="utf-8") == f"s3cret-of-{name}\n"
                assert os.name == "nt" or stat.S_IMODE(kept.stat().st_mode) == 0o600


def test_what_does_not_fit_writes_nothing(tmp_path: Path) -> None:
    for words, told in (
        (["--accounting", "dilovodd"], "Did you mean `dilovod`?"),
        (["--accounting", "sql"], "no accounting that can be begun here"),
        (["--accounting", "quincefin"], "quincefin must be told: url."),
        (["--accounting", "quincefin", "--set", "url"], "no KEY=VALUE"),
        (["--accounting", "quincefin", "--set", "url=ftp://x"], "url: "),
        (["--accounting", "quincefin", "--set", "urll=https://x.example"], "Did you mean `url`?"),
        (["--accounting", "dilovod", "--set", "key=abc"], "key is a secret"),
        (["--accounting", "quincefin-file", "--job", "catalogue"], "tells no products"),
    ):
        said = here("init", tmp_path / "c", "--yes", *words)
        assert said.code == 2, said.all
        assert told in said.all.replace("\n", " "), said.all
        assert not (tmp_path / "c").exists()


def test_the_verb_says_which_variable_is_to_be_set(tmp_path: Path) -> None:
    said = here("init", tmp_path / "c", "--yes", "--accounting", "commerceml", "--set", "server.user=exchange")
    assert said.code == 0, said.all
    assert "COMMERCEML_PASSWORD" in said.all
    with pytest.raises(ConfigError, match="COMMERCEML_PASSWORD"):
        load_config(tmp_path / "c", environ={})


def test_dotted_keys_are_mappings_in_one_another() -> None:
    assert nested({"a": "1", "b.c": "2", "b.d.e": "3"}) == {"a": "1", "b": {"c": "2", "d": {"e": "3"}}}
