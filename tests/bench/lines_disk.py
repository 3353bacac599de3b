"""Lines on a disk on which each sync takes 2 ms longer, with the number of syncs."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

from tests.bench import disk, made
from tests.bench.stage import Command, Goal, Line, Stage, ours, plain

SYNC_MS = 2.0


def slow_disk(stage: Stage) -> Line:
    """The import over SFTP at no delay."""

    def mistok(work: Path) -> Command:
        shutil.copytree(stage.client(made.GOODS), work / "client")
        stage.fill_inbox("inbox")
        env = disk.slow(work, SYNC_MS)
        return replace(ours("import", str(work / "client" / "config.yaml")), env=env)

    def script(work: Path) -> Command:
        server = stage.server
        folder = stage.fill_inbox("inbox")
        command = plain("import", str(server.port), server.user, str(server.key), folder, str(work))
        return replace(command, env=disk.slow(work, SYNC_MS))

    return Line(
        "import-2ms",
        "Import over loopback SFTP on a disk with 2 ms a sync",
        "files",
        stage.options.files,
        "as the first line, with fsync, fdatasync and syncfs delayed and counted by LD_PRELOAD in both processes; the "
        "plain script syncs nothing but what SQLite does by itself",
        {"mistok": mistok, "plain": script},
        goal=4,
        goals=(Goal("syncs_per_order", 1.1, at_least=False),),
    )


def booked_on_slow_disk(stage: Stage) -> Line:
    """Orders from a local inbox, beside a script that is as careful, one order at a time."""

    def mistok(work: Path) -> Command:
        site = {"type": "local", "path": "site"}
        shutil.copytree(stage.client(made.GOODS, site), work / "client")
        (work / "client" / "site").mkdir()
        stage.fill(work / "client" / "site" / "inbox")
        env = disk.slow(work, SYNC_MS)
        return replace(ours("import", str(work / "client" / "config.yaml")), env=env)

    def script(work: Path) -> Command:
        stage.fill(work / "inbox")
        return replace(plain("careful", str(work / "inbox"), str(work)), env=disk.slow(work, SYNC_MS))

    return Line(
        "book-2ms",
        "Orders from a local inbox, on a disk with 2 ms a sync",
        "orders",
        stage.options.files,
        "the whole import of a local folder; beside it a script that is as careful one by one: a synced archive copy "
        "and a synced commit for each order",
        {"mistok": mistok, "plain": script},
        goal=10,
    )
