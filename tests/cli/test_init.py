"""``mistok init``: what it makes loads, runs at once, and never stands on anything."""

from __future__ import annotations

import os
import re
import shutil
import stat
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipeline.cli.init import Server, ServerKind, client_name, init
from pipeline.config.includes import read_config
from pipeline.config.load import load_config
from pipeline.config.yaml import plain
from pipeline.errors import ConfigError
from tests.editors import SCHEMA, check_as_editors_do

ROOT = Path(__file__).resolve().parents[2]
SERVERS = [
    Server(),
    Server("sftp", "sftp.example", 2222, "mistok"),
    Server("sftp", "sftp.example", None, 'o\'neil "x" # ${env:NO}: &a', None, "keys/id ed25519", "/import folder"),
    Server("ftp", "null", None, "true"),
    Server("ftps", "2001:db8::1", None, "їжак", 'pa"${ss: #', None, "/www"),
]


@pytest.mark.parametrize("language", ["uk", "en"])
@pytest.mark.parametrize("server", SERVERS, ids=lambda server: server.kind)
def test_what_it_makes_loads(tmp_path: Path, server: Server, language: str) -> None:
    folder = tmp_path / "Магазин shop 1"
    written = init(folder, server=server, language=language)
    config = load_config(folder, environ={})
    assert (config.client, config.language, set(config.jobs)) == ("mahazyn-shop-1", language, {"catalogue", "orders"})
    site = config.connections["site"]
    expected: dict[ServerKind, str] = {"local": "local", "sftp": "sftp", "ftp": "ftp", "ftps": "ftp"}
    assert site.type == expected[server.kind]
    if server.kind != "local":
        params = site.params
        assert (params.host, params.user) == (server.host, server.user)  # type: ignore[attr-defined]
        assert server.root is None or params.root == server.root  # type: ignore[attr-defined]
    if server.key is None and server.kind != "local":
        secret = folder / "secrets" / "site-password"
        assert site.params.password.get_secret_value() == (server.password or "change-me")  # type: ignore[attr-defined]
        assert (server.password or "change-me") not in (folder / "config.yaml").read_text(encoding="utf-8")
        if os.name == "posix":
            assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    if server.kind == "ftps":
        assert site.params.tls == "explicit"  # type: ignore[attr-defined]
    assert all(path.is_file() for path in written)
    for path in written:
        assert "{{" not in path.read_text(encoding="utf-8"), path
    assert (folder / ".mistok" / "config.schema.json").read_bytes() == SCHEMA.read_bytes()
    node, _ = read_config(folder / "config.yaml")
    assert node is not None
    check_as_editors_do(plain(node))
    first_line = (folder / "config.yaml").read_text(encoding="utf-8").split("\n")[0]
    assert (folder / first_line.removeprefix("# yaml-language-server: $schema=")).is_file()


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("Фарба Шоп", "farba-shop"),
        ("Shop", "Shop"),
        ("Магазин 2", "mahazyn-2"),
        ("Згурський їжак і Єва-Юля", "zghurskyi-yizhak-i-yeva-yulia"),
        ("Знам'янка, Щастя", "znamianka-shchastia"),
        ("Підйом", "pidiom"),
        ("Йод".replace("Й", "И\u0306"), "yod"),
        ("漢字", "client"),
    ],
)
def test_a_folder_in_cyrillic_names_its_client_in_latin_letters(tmp_path: Path, folder: str, name: str) -> None:
    from pipeline.cli.app import app

    assert client_name(tmp_path / folder) == name
    made = CliRunner().invoke(app, ["--language", "en", "init", str(tmp_path / folder)])
    assert made.exit_code == 0, made.output
    assert load_config(tmp_path / folder).client == name
    assert f"The client is called {name}: a part of every document's key, so do not change it later." in made.output


@pytest.mark.parametrize("language", ["uk", "en"])
def test_every_page_that_it_points_to_is_there(tmp_path: Path, language: str) -> None:
    written = init(tmp_path / "shop", language=language)
    for path in written:
        if path.suffix == ".json":
            continue  # for editors
        for page in re.findall(r"[\w./-]+\.md\b", path.read_text("utf-8")):
            assert (tmp_path / "shop" / page.lstrip("/")).is_file(), (path, page)


def test_it_never_overwrites(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("mine", encoding="utf-8")
    (tmp_path / "README.md").write_text("mine too", encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        init(tmp_path)
    said = caught.value.text.render("en")
    assert said == f"{tmp_path} has 2 files that would be overwritten; nothing was written: config.yaml, README.md"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["README.md", "config.yaml"]
    assert (tmp_path / "config.yaml").read_text(encoding="utf-8") == "mine"


@pytest.mark.parametrize(
    ("server", "client", "expected"),
    [
        (Server("sftp", None, None, "u"), None, "--host is missing: a server of kind sftp needs it."),
        (Server("ftp", "h"), None, "--user is missing: a server of kind ftp needs it."),
        (Server("ftp", "h", None, "u", None, "key"), None, "--key goes with --server sftp only."),
        (Server("local", "h"), None, "--host says nothing for a local folder."),
        (Server(), "а б", "`а б` cannot be the name of a client."),
    ],
)
def test_options_that_do_not_fit(tmp_path: Path, server: Server, client: str | None, expected: str) -> None:
    with pytest.raises(ConfigError) as caught:
        init(tmp_path / "new", server=server, client=client)
    assert caught.value.text.render("en") == expected
    assert not (tmp_path / "new").exists()


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x", encoding="utf-8")
    with pytest.raises(ConfigError, match="cannot be written"):
        init(tmp_path / "file" / "new")


def test_the_verb(tmp_path: Path) -> None:
    from pipeline.cli.app import app

    runner = CliRunner()
    target = str(tmp_path / "shop")
    options = ["--server", "ftps", "--host", "ftp.example", "--user", "mistok", "--password-stdin"]
    made = runner.invoke(app, ["init", target, *options], input="hunter2\n")
    assert made.exit_code == 0, made.output
    assert "hunter2" not in made.output
    assert load_config(Path(target)).connections["site"].params.password.get_secret_value() == "hunter2"  # type: ignore[attr-defined]
    again = runner.invoke(app, ["init", target])
    assert again.exit_code == 2
    assert runner.invoke(app, ["init", target + "2", "--server", "telnet"]).exit_code == 2


def test_it_runs_at_once(tmp_path: Path) -> None:
    from pipeline.engine.runtime import RunOptions, run_job

    init(tmp_path / "shop")
    config = load_config(tmp_path / "shop")
    assert run_job(config, "catalogue", RunOptions()).exit_code == 0
    assert (tmp_path / "shop" / "site" / "goods" / "catalogue.csv").stat().st_size > 1000
    shutil.copyfile(tmp_path / "shop" / "samples" / "single.xml", tmp_path / "shop" / "site" / "orders" / "single.xml")
    report = run_job(config, "orders", RunOptions())
    assert report.exit_code == 0
    assert not (tmp_path / "shop" / "site" / "orders" / "single.xml").exists()


def test_the_root_config_runs_as_it_stands(tmp_path: Path) -> None:
    from pipeline.engine.runtime import RunOptions, run_job

    shutil.copyfile(ROOT / "config.yaml", tmp_path / "config.yaml")
    shutil.copytree(ROOT / "samples", tmp_path / "samples")
    config = load_config(tmp_path)
    assert set(config.jobs) == {"catalogue", "orders"}
    for job in config.jobs:
        assert run_job(config, job, RunOptions()).exit_code == 0, job
    assert (tmp_path / "demo-data" / "site" / "goods" / "catalogue.csv").stat().st_size > 1000
    written = {path.name for path in tmp_path.iterdir()}
    assert written == {"config.yaml", "samples", "demo-data"}
