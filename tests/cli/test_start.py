"""The command starts light: the list of verbs loads none of them, and no library that only a verb needs."""

from __future__ import annotations

import importlib
import os
import pkgutil
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.cli.verbs import VERBS, of_systems, system
from pipeline.ports import Catalogue
from pipeline.registry import load_registry
from pipeline.texts import _catalogue, _compiled
from tests.e2e.command import here

ROOT = Path(__file__).parents[2]

#: Once a catalogue was changed, the first process that needs it makes it ready, by babel: no start after that does.
_catalogue("uk")

HEAVY = {"pydantic", "sqlalchemy", "structlog", "rich", "babel", "lxml", "pandas", "paramiko", "fastapi", "alembic"}


def test_the_help_loads_no_verb_and_nothing_heavy() -> None:
    code = (
        "import sys; sys.argv = ['mistok', '--help']\n"
        "from pipeline.cli import main\n"
        "try: main()\n"
        "except SystemExit: print('LOADED', *{name.partition('.')[0] for name in sys.modules})"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, encoding="utf-8", check=True)
    loaded = set(said.stdout.rpartition("LOADED")[2].split())
    assert "typer" in loaded
    assert loaded & HEAVY == set()


def test_a_check_of_the_config_opens_no_ledger_and_no_connection(tmp_path: Path) -> None:
    """Only what this config's plugins need for their settings is loaded: no database, no wire, no step."""
    shutil.copy(ROOT / "config.yaml", tmp_path)
    code = (
        f"import sys; sys.argv = ['mistok', '--config', {str(tmp_path / 'config.yaml')!r}, 'check']\n"
        "from pipeline.cli import main\n"
        "try: main()\n"
        "except SystemExit as end: print('LOADED', end.code, *{name.partition('.')[0] for name in sys.modules},"
        " *(name for name in sys.modules if name.startswith('rich.')))"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, encoding="utf-8", check=True)
    ended, *loaded = said.stdout.rpartition("LOADED")[2].split()
    assert ended in ("0", "None")
    assert {"pydantic", "rich.console"} <= set(loaded)
    unasked = HEAVY - {"pydantic", "structlog", "rich"} | {"httpx", "urllib3", "http", "sqlite3", "rich._emoji_codes"}
    assert set(loaded) & unasked == set()


@pytest.mark.parametrize("verb", ["--help", "check"])
def test_no_garbage_is_looked_for_among_what_is_loaded(tmp_path: Path, verb: str) -> None:
    """Nor at the end: together that took a third of the time. Where a verb is at work, it is collected as ever."""
    shutil.copy(ROOT / "config.yaml", tmp_path)
    code = (
        f"import gc, sys; sys.argv = ['mistok', '--config', {str(tmp_path / 'config.yaml')!r}, {verb!r}]\n"
        "before = [one['collections'] for one in gc.get_stats()]\n"
        "from pipeline.cli import common, main\n"
        "told = common.console; common.console = lambda **words: print('WORKS', gc.isenabled()) or told(**words)\n"
        "try: main()\n"
        "except SystemExit: print('ENDED', gc.isenabled(), gc.get_freeze_count(),"
        " *(one['collections'] - past for one, past in zip(gc.get_stats(), before)))"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, encoding="utf-8", check=True)
    assert (verb == "--help") or "WORKS True" in said.stdout
    enabled, kept, *looks = said.stdout.rpartition("ENDED")[2].split()
    assert enabled == "True"
    assert int(kept) > 20_000
    young, middle, whole = map(int, looks)
    assert young < 60  # some 180, where it is looked for from the beginning
    assert middle < 5
    assert whole == 0


def test_a_verb_that_works_for_long_collects_garbage_from_its_beginning(tmp_path: Path) -> None:
    code = (
        "import gc, sys; sys.argv = ['mistok', 'init', '--help']\n"
        "from pipeline.cli import app, main\n"
        "from typer.core import TyperCommand\n"
        "shown = TyperCommand.get_help\n"
        "TyperCommand.get_help = lambda self, ctx: print('WORKS', gc.isenabled()) or shown(self, ctx)\n"
        "try: main()\n"
        "except SystemExit: print('ENDED', gc.isenabled())"
    )
    said = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, encoding="utf-8", check=True, cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert "WORKS True" in said.stdout
    assert "ENDED True" in said.stdout


def test_a_system_that_is_known_to_tell_a_catalogue_does() -> None:
    told = [plugin for plugin in load_registry().systems.values() if plugin.exports]
    assert [one.name for one in told] == ["books"]
    assert all(issubclass(one, Catalogue) for plugin in told for one in plugin.classes())


def test_a_process_that_runs_jobs_holds_nothing_for_a_developers_console() -> None:
    code = "import pipeline.engine.worker, pipeline.logs, sys; print(*sys.modules)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, encoding="utf-8", check=True)
    loaded = set(said.stdout.split())
    assert "structlog.dev" in loaded
    assert loaded & {"rich", "pygments", "attr", "greenlet", "asyncio", "ssl", "ftplib"} == set()


def test_a_process_that_takes_files_by_sftp_holds_nothing_that_it_does_not_use(tmp_path: Path) -> None:
    """Each of these is a MiB or more: commands of the OpenSSH client's settings, a database that is not there, TLS."""
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from pipeline import logs\n"
        "from pipeline.engine import runtime, inbound\n"
        "from pipeline.transports import TRANSPORTS, open_transport\n"
        "settings = TRANSPORTS['sftp'](host='127.0.0.1', user='shop')\n"
        f"open_transport('site', 'sftp', settings, base=Path({str(tmp_path)!r}))\n"
        "from pipeline.registry import load_registry\n"
        "registry = load_registry()\n"
        "registry.formats['order-xml'], registry.steps['import-orders'], registry.systems['books']\n"
        "import paramiko\n"
        "from pipeline.sqlitefile import file_engine\n"
        "import sqlalchemy\n"
        f"engine = file_engine(sqlalchemy.make_url({f'sqlite:///{tmp_path}/ledger'!r}))\n"
        "engine.connect().close()\n"
        "print(*sys.modules)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, encoding="utf-8", check=True)
    loaded = set(said.stdout.split())
    assert {"paramiko", "sqlalchemy", "plugins.formats.order_xml"} <= loaded
    unasked = {"invoke", "unittest", "greenlet", "html", "sqlalchemy.dialects.postgresql", "babel", "asyncio", "ssl"}
    assert loaded & unasked == set()


def test_every_verb_is_where_the_table_says() -> None:
    assert all(callable(verb.load()) for verb in VERBS)
    assert len({verb.name for verb in VERBS}) == len(VERBS)


def test_verbs_of_systems_are_known_without_loading_them() -> None:
    told = {name: plugin.summary for name, plugin in load_registry().systems.items() if plugin.cli is not None}
    assert of_systems() == told
    assert all(system(name) is load_registry().systems[name] for name in told)


def test_a_mistyped_verb_is_told_with_the_one_that_is_near() -> None:
    said = here("ordres")
    assert said.code == 2
    assert "Did you mean 'orders'?" in said.err


def test_a_catalogue_that_cannot_be_kept_is_used_all_the_same(tmp_path: Path) -> None:
    source = tmp_path / "mistok.po"
    source.write_text(
        'msgid ""\nmsgstr "Content-Type: text/plain; charset=UTF-8\\n"\n\nmsgid "yes"\nmsgstr "так"\n', encoding="utf-8"
    )
    (tmp_path / "file").write_bytes(b"")
    assert "так".encode() in _compiled(source, tmp_path / "file" / "uk.mo")
    kept = tmp_path / "__pycache__" / "uk-2.mo"
    kept.parent.mkdir()
    (kept.parent / "uk-1.mo").write_bytes(b"old")
    assert _compiled(source, kept) == kept.read_bytes()
    assert [path.name for path in kept.parent.iterdir()] == ["uk-2.mo"]


def test_built_in_plugins_are_known_by_their_sources_as_they_are_by_loading_them() -> None:
    registry = load_registry()
    loaded = set()
    for kind in ("formats", "systems", "steps", "channels"):
        for info in pkgutil.iter_modules([str(ROOT / "plugins" / kind)]):
            if not info.name.startswith("_"):
                module = importlib.import_module(f"plugins.{kind}.{info.name}")
                loaded |= {
                    (kind, one.name, module.__name__) for one in getattr(module, "PLUGINS", None) or (module.PLUGIN,)
                }
    told = {
        (kind, name, registry.origins[kind[:-1], name])
        for kind in ("formats", "systems", "steps", "channels")
        for name in getattr(registry, kind)
    }
    assert told == loaded
    assert all(registry.systems[name].name == name for name in registry.systems)
