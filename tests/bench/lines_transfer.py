"""One large file over SFTP beside the OpenSSH client, and order files beside programs that only move them.

As a program it is Mistok's side of the large file.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.bench import made, sftp
from tests.bench.child import Stopwatch, tell
from tests.bench.stage import Command, Goal, Line, NotHere, Side, Stage, ours

#: MB of the large file; less with BENCH_BULK_MB in the environment, and in a short run.
BULK = int(os.environ.get("BENCH_BULK_MB", "200"))
FEW = 4
GETS = 20  #: rounds of the get from afar, whose worst counts
_SHORT = 100  #: a run with fewer order files than this is a short one
_BIG, _SENT = "bench-big.bin", "bench-sent.bin"
_OPENSSH, _RCLONE, _LFTP = "sftp", "rclone", "lftp"


def put(stage: Stage) -> Line:
    """To loopback."""
    return _bulk(stage, "put", far=False, goal=1.2)


def get(stage: Stage) -> Line:
    """From loopback."""
    return _bulk(stage, "get", far=False, goal=1.0)


def put_far(stage: Stage) -> Line:
    """To 40 ms away."""
    return _bulk(stage, "put", far=True, goal=1.2)


def get_far(stage: Stage) -> Line:
    """From 40 ms away."""
    return _bulk(stage, "get", far=True, goal=2.0)


def moved_far(stage: Stage) -> Line:
    """The import beside programs that move the files and do nothing else."""
    return Line(
        "moved-40ms",
        "Import of 3 KB order files over SFTP from 40 ms away, beside programs that only move the files",
        "files",
        stage.options.files,
        "every promise kept; beside it: `rclone move --transfers 64`, `lftp mirror --parallel=8 --Remove-source-files`",
        {
            "mistok": lambda work: _imported(stage, work),
            _RCLONE: lambda work: _rclone(stage, work),
            _LFTP: lambda work: _lftp(stage, work),
        },
        goals=(Goal("rate", 12, beside=_RCLONE),),
    )


def _bulk(stage: Stage, act: str, *, far: bool, goal: float) -> Line:
    distance = "from 40 ms away" if far else "over loopback"
    size = _size(stage)
    worst = (Goal("worst", 1.0, beside=_OPENSSH, title=f"… the worst of {GETS} gets"),) if far and act == "get" else ()
    sides: Mapping[str, Side] = {
        "mistok": lambda _work: _own(stage, act, far=far),
        _OPENSSH: lambda work: _openssh(stage, work, act, far=far),
    }
    return Line(
        f"{act}-40ms" if far else act,
        f"{act.capitalize()} of {size} MB over SFTP {distance}",
        "MB",
        size,
        "connect and log in included; Mistok hashes what it gets, and puts it under a partial name, looks at its size "
        "and renames; beside it: OpenSSH `sftp` as it comes",
        sides,
        goals=(Goal("rate", goal, beside=_OPENSSH), *worst),
        rounds=GETS if worst and stage.options.files >= _SHORT else None,
    )


def _size(stage: Stage) -> int:
    return BULK if stage.options.files >= _SHORT else min(BULK, FEW)


def _port(stage: Stage, *, far: bool) -> int:
    return stage.far() if far else stage.server.port


def _big(stage: Stage) -> Path:
    """The large file, on the server."""
    path = stage.server.root / _BIG
    if not path.exists():
        piece = os.urandom(1_000_000)
        with path.open("wb") as target:
            for _ in range(_size(stage)):
                target.write(piece)
    return path


def _own(stage: Stage, act: str, *, far: bool) -> Command:
    server, big = stage.server, _big(stage)
    place = (str(_port(stage, far=far)), server.user, str(server.key), server.fingerprint, server.shown)
    return Command((sys.executable, "-m", "tests.bench.lines_transfer", act, *place, str(big)))


def _openssh(stage: Stage, work: Path, act: str, *, far: bool) -> Command:
    if not shutil.which("sftp"):
        raise NotHere("OpenSSH sftp is not installed")
    server, big = stage.server, _big(stage)
    there = f"{server.shown}/" if server.shown else ""
    order = f"get {there}{_BIG} {work}/got" if act == "get" else f"put {big} {there}{_SENT}"
    (work / "batch").write_text(order + "\n", encoding="utf-8")
    host = _known(stage, work, far=far)
    options = ("-q", "-o", f"UserKnownHostsFile={host}", "-o", "StrictHostKeyChecking=yes", "-o", "BatchMode=yes")
    login = ("-i", str(server.key), "-P", str(_port(stage, far=far)), "-b", str(work / "batch"))
    return _timed(_size(stage), "sftp", *options, *login, f"{server.user}@{sftp.HOST}")


def _known(stage: Stage, work: Path, *, far: bool) -> Path:
    public = (stage.server.key.parent / "host.pub").read_text(encoding="ascii")
    path = work / "known_hosts"
    path.write_text(f"[{sftp.HOST}]:{_port(stage, far=far)} {public}", encoding="ascii")
    return path


def _imported(stage: Stage, work: Path) -> Command:
    shutil.copytree(stage.client(made.GOODS, stage.site(stage.far())), work / "client")
    stage.fill_inbox("inbox")
    return ours("import", str(work / "client" / "config.yaml"))


def _rclone(stage: Stage, work: Path) -> Command:
    if not shutil.which("rclone"):
        raise NotHere("rclone is not installed")
    server, folder = stage.server, stage.fill_inbox("inbox")
    login = f"user={server.user},key_file={server.key},known_hosts_file={_known(stage, work, far=True)}"
    there = f":sftp,host={sftp.HOST},port={stage.far()},{login}:{folder}"
    many = ("--transfers", "64", "--checkers", "64", "--config", os.devnull, "--quiet")
    return _timed(stage.options.files, "rclone", "move", *many, there, str(work / "got"))


def _lftp(stage: Stage, work: Path) -> Command:
    if not shutil.which("lftp"):
        raise NotHere("lftp is not installed")
    server, folder = stage.server, stage.fill_inbox("inbox")
    host = _known(stage, work, far=True)
    ssh = f"ssh -a -x -i {server.key} -o UserKnownHostsFile={host} -o BatchMode=yes"
    orders = (
        f'set sftp:connect-program "{ssh}"; open -u {server.user},none -p {stage.far()} sftp://{sftp.HOST}; '
        f"mirror --parallel=8 --Remove-source-files {folder} {work}/got; exit"
    )
    return _timed(stage.options.files, "lftp", "-c", orders)


def _timed(count: int, *words: str) -> Command:
    """Somebody else's program, which takes no longer to start than it is worth: its whole run is its work."""
    return Command((sys.executable, "-m", "tests.bench.lines_transfer", "run", str(count), *words))


def _run(count: int, words: list[str]) -> None:
    import subprocess

    watch = Stopwatch()
    with watch.running():
        subprocess.run(words, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    tell(watch, count)


def _transfer(act: str, port: str, user: str, key: str, fingerprint: str, root: str, big: Path) -> None:
    """Counted from when all code is loaded, as a run of the service has it."""
    from tempfile import TemporaryDirectory

    import paramiko  # noqa: F401 - loaded before the clock starts

    from pipeline.ports import RemoteFile
    from pipeline.transports.sftp import SftpSettings, SftpTransport

    login = {"host": sftp.HOST, "port": int(port), "user": user, "key": key, "host_key": fingerprint, "root": root}
    transport = SftpTransport("bench", SftpSettings.model_validate(login), base=Path())
    watch = Stopwatch()
    size = big.stat().st_size
    with TemporaryDirectory() as into, watch.running():
        if act == "put":
            whole = transport.write("", _SENT, big).size == size
        else:
            (result,) = transport.read_many([RemoteFile("", _BIG, size)], Path(into))
            whole = result.error is None and result.size == size
        transport.close()
    tell(watch, size // 1_000_000 if whole else 0)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["run", count, *words]:
            _run(int(count), words)
        case [("put" | "get") as act, port, user, key, fingerprint, root, big]:
            _transfer(act, port, user, key, fingerprint, root, Path(big))
        case other:
            sys.exit(f"not a line of the bench: {other}")
