"""``mistok selftest`` as an admin runs it: on a fresh sshd, a fresh vsftpd, a folder; and on servers that lie."""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import paramiko
import pytest
from paramiko.sftp import SFTP_PERMISSION_DENIED

from pipeline.resources import samples
from pipeline.testing.ftpd import FtpServer
from pipeline.testing.sftpd import SftpServer
from tests.conftest import Servers
from tests.e2e.command import Said, mistok, start
from tests.faults.conftest import site_yaml
from tests.servers import vsftpd
from tests.servers.common import SystemUser

KILL = getattr(signal, "SIGKILL", signal.SIGTERM)
FULL = bool(os.environ.get("MISTOK_FULL"))
POINTS = ("inbound:staged", "inbound:created", "inbound:deleted", "outbound:uploaded")
FEW = ("inbound:created", "outbound:archived")
Odd = Callable[[str], tuple[Path, Path]]
CONFIG = """\
client: acme
language: en
connections:
  site:
{site}
  books: {{type: books, seed: ["{samples}/products.csv", "{samples}/references.csv"]}}
alerts: {{kinds: []}}
jobs:
  orders:
    steps:
      - {{step: import-orders, inbox: site, folder: {folder}, into: books, stable: 50ms, after: {after},
          client: "0042", object: "01", user: anna, executor: petro}}
  catalogue:
    steps:
      - {{step: export-catalogue, from: books, to: site, folder: {goods}}}
"""


def client(folder: Path, site: str, *, orders: str = "orders", goods: str = "goods", after: str = "delete") -> Path:
    """A client's folder with its config, which has already worked: an order came in, and the catalogue went out."""
    folder.mkdir(exist_ok=True)
    path = folder / "config.yaml"
    lines = "\n".join(f"    {line}" for line in site.splitlines())
    text = CONFIG.format(site=lines, samples=samples().as_posix(), folder=orders, goods=goods, after=after)
    path.write_text(text, encoding="utf-8")
    return path


def state_of(folder: Path) -> dict[str, str]:
    """Every file of the client's folder but its log, by hash: books, ledger, archive, config."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "logs" not in path.parts
    }


def selftest(path: Path, *words: str, points: tuple[str, ...] = POINTS) -> Said:
    """``points``: where it is killed; none given: everywhere."""
    chosen = [word for point in points for word in ("--point", point)] if "--kill" in words else []
    return mistok("-c", path, "selftest", "site", *words, *chosen, seconds=400)


@pytest.mark.full
@pytest.mark.parametrize(
    "kind",
    ["sshd", *(pytest.param(kind, marks=pytest.mark.full) for kind in ("vsftpd", "vsftpd-explicit", "local"))],
)
def test_a_fresh_server_gets_a_clean_report_and_the_clients_own_state_is_not_touched(
    servers: Servers, tmp_path: Path, kind: str
) -> None:
    name = f"self{time.monotonic_ns()}"
    if kind == "local":
        root = tmp_path / "site"
        root.mkdir()
        name = "."
        site, own = f"type: local\npath: {root.as_posix()}", None
    else:
        server = servers.get(kind)
        root = server.fresh(name)
        site, own = site_yaml(server), server.owner
    inbox = root / "orders"
    for folder in (inbox, root / "goods"):
        folder.mkdir()
        if own:
            own.own(folder)
    path = client(tmp_path / "client", site, orders=f"{name}/orders", goods=f"{name}/goods")
    order = inbox / "order.xml"
    order.write_bytes((samples() / "orders" / "good" / "single.xml").read_bytes())
    if own:
        own.own(order)
    for job in ("orders", "catalogue"):
        assert mistok("-c", path, "run", job).code == 0
    waiting = inbox / "waits.xml"  # an order that comes while the selftest runs is none of its business
    waiting.write_bytes((samples() / "orders" / "good" / "full.xml").read_bytes())
    before, there = state_of(path.parent), state_of(root)
    assert {"books.sqlite3", "ledger.sqlite3"} < set(before)

    file = tmp_path / "report.json"
    points = POINTS if kind in ("sshd", "vsftpd") else FEW
    everywhere = FULL and kind in ("sshd", "vsftpd-explicit")
    said = selftest(path, "--kill", "--report", str(file), points=() if everywhere else points)
    assert said.code == 0, said.all
    assert "Clean." in said.out
    assert "lost: 0, doubled: 0, left over: 0" in said.out

    told = json.loads(file.read_text(encoding="utf-8"))
    assert (told["kill"]["lost"], told["kill"]["doubled"], told["kill"]["left"]) == (0, 0, 0)
    assert told["kill"]["tried"] == (19 if everywhere else len(points))
    assert told["kill"]["orders"] == told["kill"]["documents"] == 3 * (12 if everywhere else len(points) - 1)
    assert told["connection"] == "site"
    assert told["started"] < told["ended"]
    assert told["findings"] == told["left_over"] == []
    profile = {line["about"]: line for line in told["profile"]}
    assert {line["state"] for line in told["profile"]} <= {"ok", "remark"}, said.out
    assert profile["delete"]["value"] is True
    assert profile["rename-over"]["value"] == ("posix-rename" if kind == "sshd" else "rename")
    assert profile["names"]["value"]["cyrillic"] == "same"
    assert profile["times"]["value"]["minutes"] == 0
    assert profile["times"]["value"]["resolution"] == (0.001 if kind == "local" else 1)
    assert profile["missing"]["value"] == "missing"
    if kind != "local":
        server = servers.get(kind)
        assert server.password not in said.all + file.read_text(encoding="utf-8")
        assert server.version.split("-")[0] in told["server"]
    assert state_of(path.parent) == before, "the client's own ledger, books and archive were touched"
    assert state_of(root) == there, "something was left, or taken, on the server"
    home = root if kind == "local" else servers.get(kind).root
    assert not list(home.glob("mistok-selftest-*"))


@pytest.fixture
def liar(tmp_path: Path) -> Iterator[SftpServer]:
    root = tmp_path / "site"
    (root / "orders").mkdir(parents=True)
    (root / "goods").mkdir()
    with SftpServer(root, user="shop", password="secret-1") as server:
        yield server


def liars_client(liar: SftpServer, folder: Path, **more: str) -> Path:
    site = (
        f"type: sftp\nhost: 127.0.0.1\nport: {liar.port}\nuser: shop\npassword: secret-1\nhost_key: {liar.fingerprint}"
    )
    return client(folder, site, **more)


@pytest.mark.full
def test_a_server_that_refuses_to_delete_is_named_and_what_suits_it_is_told(liar: SftpServer, tmp_path: Path) -> None:
    liar.fault = lambda act, path: SFTP_PERMISSION_DENIED if act in ("remove", "rmdir") else None
    path = liars_client(liar, tmp_path / "client")
    said = selftest(path, "--kill", "--json", points=("inbound:created",))
    assert said.code == 1, said.all
    told = said.json()
    profile = {line["about"]: line for line in told["profile"]}
    assert profile["delete"]["state"] == "fault"
    assert "Permission denied" in profile["delete"]["seen"]
    (after,) = (one for one in told["settings"] if one["key"] == "after")
    assert (after["value"], after["now"], after["differs"]) == ("{move: taken}", "delete", True)
    assert "after: {move: taken}" in told["yaml"]
    points = {one["point"]: one for one in told["kill"]["points"]}
    assert points["inbound:created"]["state"] == "fault"
    assert {finding["code"] for finding in points["inbound:created"]["findings"]} == {"delete-refused"}
    assert (told["kill"]["lost"], told["kill"]["doubled"]) == (0, 0), "remembered, and never booked twice"
    assert told["kill"]["left"] == told["kill"]["orders"] > 0
    # the test's own folder cannot be removed either: that is said, with its name
    assert told["left_over"] == [told["folder"]]
    assert (liar.root / told["folder"]).is_dir()
    # one day the right is given: the next selftest cleans up after this one
    liar.fault = None
    again = selftest(path)
    assert again.code == 0, again.all
    assert f"{told['folder']}, left by a selftest that was cut off, has been removed" in again.out
    assert sorted(one.name for one in liar.root.iterdir()) == ["goods", "orders"]


def test_a_server_that_refuses_to_rename_is_named(liar: SftpServer, tmp_path: Path) -> None:
    liar.fault = lambda act, _path: SFTP_PERMISSION_DENIED if "rename" in act else None
    said = selftest(liars_client(liar, tmp_path / "client"), "--kill", "--json", points=("inbound:created",))
    assert said.code == 1, said.all
    told = said.json()
    states = {line["about"]: line["state"] for line in told["profile"]}
    assert states["rename"] == "fault"
    assert states["write"] == states["delete"] == "ok"
    assert {one["state"] for one in told["kill"]["points"]} == {"untried"}
    assert sorted(one.name for one in liar.root.iterdir()) == ["goods", "orders"]


def test_a_server_that_lies_about_sizes_is_named(liar: SftpServer, tmp_path: Path) -> None:
    def lie(path: str, attributes: paramiko.SFTPAttributes) -> None:
        if "." in path.rpartition("/")[2] and attributes.st_size:
            attributes.st_size += 7

    liar.lie = lie
    said = selftest(liars_client(liar, tmp_path / "client"), "--kill", "--json", points=("inbound:created",))
    assert said.code == 1, said.all
    told = said.json()
    profile = {line["about"]: line for line in told["profile"]}
    assert profile["sizes"]["state"] == "fault"
    assert re.search(r"came through with \d+ of \d+ bytes", profile["sizes"]["seen"])
    assert sorted(one.name for one in liar.root.iterdir()) == ["goods", "orders"]


def test_a_server_in_another_time_zone_does_no_harm(liar: SftpServer, tmp_path: Path) -> None:
    def lie(_path: str, attributes: paramiko.SFTPAttributes) -> None:
        if attributes.st_mtime:
            attributes.st_mtime += 2 * 3600

    liar.lie = lie
    said = selftest(liars_client(liar, tmp_path / "client"), "--json")
    assert said.code == 0, said.all
    times = next(line for line in said.json()["profile"] if line["about"] == "times")
    assert times["state"] == "remark"
    assert times["value"]["minutes"] == 120


def test_no_folder_may_be_made_in_the_root(liar: SftpServer, tmp_path: Path) -> None:
    def only_in(*parents: str) -> Callable[[str, str], int | None]:
        def fault(act: str, path: str) -> int | None:
            inside = any(path.startswith(parent + "/") for parent in parents)
            return None if act != "mkdir" or inside else int(SFTP_PERMISSION_DENIED)

        return fault

    path = liars_client(liar, tmp_path / "client")
    liar.fault = only_in("orders")
    said = selftest(path)
    assert said.code == 0, said.all
    assert "orders/mistok-selftest-" in said.out
    assert list((liar.root / "orders").iterdir()) == []
    liar.fault = only_in()
    said = selftest(path)
    assert said.code == 3, said.all
    assert "No folder could be made on the server for the test" in said.all
    assert "--folder" in said.all
    said = selftest(path, "--folder", "nowhere")
    assert said.code == 3, said.all
    assert "nowhere" in said.all


@pytest.fixture
def old_ftp(tmp_path: Path) -> Iterator[FtpServer]:
    root = tmp_path / "site"
    (root / "orders").mkdir(parents=True)
    (root / "goods").mkdir()
    with FtpServer(root, user="shop", password="secret-1") as server:
        yield server


def old_client(server: FtpServer, folder: Path) -> Path:
    return client(folder, f"type: ftp\nhost: 127.0.0.1\nport: {server.port}\nuser: shop\npassword: secret-1")


@pytest.mark.full
def test_the_manners_of_an_old_ftp_server_are_told_and_do_no_harm(old_ftp: FtpServer, tmp_path: Path) -> None:
    old_ftp.empty = "550 No files found"
    old_ftp.features = {"SIZE"}
    old_ftp.rename_over = False
    points = ("outbound:uploaded",)
    said = selftest(old_client(old_ftp, tmp_path / "client"), "--kill", "--json", points=points)
    assert said.code == 0, said.all
    told = said.json()
    profile = {line["about"]: line for line in told["profile"]}
    assert "550 No files found" in profile["empty"]["seen"]
    assert (profile["rename-over"]["state"], profile["rename-over"]["value"]) == ("remark", "swap")
    assert (profile["times"]["state"], profile["times"]["value"]) == ("remark", None)
    assert "plain listings (LIST)" in profile["features"]["seen"]
    assert {one["key"]: one["value"] for one in told["settings"]}["stable"] == "5s"
    assert (told["kill"]["lost"], told["kill"]["doubled"], told["kill"]["left"]) == (0, 0, 0)
    assert sorted(one.name for one in old_ftp.root.iterdir()) == ["goods", "orders"]


def test_a_server_that_changes_bytes_is_named(old_ftp: FtpServer, tmp_path: Path) -> None:
    old_ftp.mangle = lambda _path, data: data.replace(b"\x1a", b"?")
    said = selftest(old_client(old_ftp, tmp_path / "client"))
    assert said.code == 1, said.all
    assert "bytes came back otherwise than they were sent" in said.out


@pytest.fixture
def odd_vsftpd(system_user: SystemUser, tmp_path: Path) -> Iterator[Odd]:
    """``odd_vsftpd("max_per_ip=1")``: the config of a client on such a server, and the server's root."""
    server = vsftpd.start(system_user)
    for name in ("orders", "goods"):
        server.fresh(name)

    def odd(options: str) -> tuple[Path, Path]:
        with (server.folder / "vsftpd.conf").open("a", encoding="utf-8") as conf:
            conf.write(options + "\n")
        server.restart()
        return client(tmp_path / "client", site_yaml(server)), server.root

    yield odd
    server.remove()


@pytest.mark.full
def test_a_server_that_allows_one_session_is_tried_all_the_same(odd_vsftpd: Odd) -> None:
    path, root = odd_vsftpd("max_per_ip=1")
    said = selftest(path, "--kill", "--json", points=("inbound:created", "outbound:uploaded"))
    assert said.code == 0, said.all
    sessions = next(line for line in said.json()["profile"] if line["about"] == "sessions")
    assert (sessions["state"], sessions["value"]) == ("remark", 1)
    assert sorted(one.name for one in root.iterdir()) == ["goods", "orders"]


def test_a_server_without_passive_mode_gets_the_setting_that_helps(odd_vsftpd: Odd) -> None:
    path, root = odd_vsftpd("pasv_enable=NO")
    said = selftest(path)
    assert said.code == 3, said.all
    assert "Set `passive: false` in connection site." in said.all
    path.write_text(
        path.read_text(encoding="utf-8").replace("type: ftp", "type: ftp\n    passive: false"), encoding="utf-8"
    )
    said = selftest(path)
    assert said.code == 0, said.all
    assert "passive: false" in said.out
    assert sorted(one.name for one in root.iterdir()) == ["goods", "orders"]


def test_a_server_that_hides_files_is_named(odd_vsftpd: Odd) -> None:
    path, _root = odd_vsftpd("hide_file={*.xml}")
    said = selftest(path)
    assert said.code == 1, said.all
    assert "replaced.xml was written and is not listed" in said.out


def test_a_server_that_is_not_there_and_a_wrong_password(liar: SftpServer, tmp_path: Path) -> None:
    path = liars_client(liar, tmp_path / "client")
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("password: secret-1", "password: wrong-secret"), encoding="utf-8")
    said = selftest(path)
    assert said.code == 3, said.all
    assert "refused the login" in said.all
    assert "wrong-secret" not in said.all
    path.write_text(text, encoding="utf-8")
    liar.stop()
    said = selftest(path, "--kill", "--json")
    assert said.code == 3, said.all
    assert said.json()["unreachable"] is True
    assert said.json()["findings"][0]["code"] == "transient"


@pytest.mark.skipif(os.name == "nt", reason="Ctrl-C is sent to a console there")
@pytest.mark.parametrize(
    "how",
    [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.full), pytest.param(KILL, marks=pytest.mark.full)],
    ids=lambda one: one.name,
)
def test_stopped_in_the_middle_it_cleans_up_and_killed_the_next_one_does(
    liar: SftpServer, tmp_path: Path, how: signal.Signals
) -> None:
    path = liars_client(liar, tmp_path / "client")
    screen = tmp_path / "screen"
    running = start("-c", path, "selftest", "site", "--kill", env={"TMPDIR": str(tmp_path)}, screen=screen)
    try:
        _wait(lambda: any(liar.root.glob("mistok-selftest-*/orders/*.xml")), running)
        running.send_signal(how)
        code = running.wait(60)
    finally:
        running.kill()
    words = screen.read_text(encoding="utf-8")
    if how is KILL:
        (left,) = liar.root.glob("mistok-selftest-*")
        again = selftest(path)
        assert again.code == 0, again.all
        assert f"{left.name}, left by a selftest that was cut off, has been removed" in again.out
    else:
        assert code == 130, words
        assert "Stopped; nothing was left on the server." in words
    assert sorted(one.name for one in liar.root.iterdir()) == ["goods", "orders"]


def _wait(until: Callable[[], bool], running: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 60
    while not until():
        assert running.poll() is None, "it ended by itself"
        assert time.monotonic() < end
        time.sleep(0.02)


def test_wrong_calls_are_told(liar: SftpServer, tmp_path: Path) -> None:
    path = liars_client(liar, tmp_path / "client")
    for words, told in (
        (("nobody",), "There is no connection nobody for files"),
        (("books",), "There are: site"),
        (("site", "--point", "created"), "--point goes with --kill"),
        (("site", "--kill", "--point", "nowhere"), "There is no point nowhere"),
        (("site", "--report", str(tmp_path / "no" / "such.txt")), "cannot be written"),
        (("site", "--kill", "--orders", "0"), "--orders"),
        (("site", "--folder", "../.."), "leads out of the connection's root"),
    ):
        said = mistok("-c", path, "selftest", *words)
        assert said.code == 2, said.all
        assert told in said.all
    assert sorted(one.name for one in liar.root.iterdir()) == ["goods", "orders"]
