"""The process of a selftest that is killed: ``python -m pipeline.engine.selftest.child FILE``.

FILE (JSON) names the client's own config, so that no secret is ever written down; the throw-away client is made of it
here once more. What came of the run is written beside it, if the process lives so long.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pipeline.errors import ConfigError
from pipeline.texts import T


def kill_at(point: str, nth: int, *, before: Callable[[], object] = lambda: None) -> Callable[[str], None]:
    """Something to call at each named point, that kills this very process at ``point`` when it comes for the nth time.

    No clean-up, no flush, no exit handler: as a power cut would (SIGKILL; TerminateProcess on Windows). ``before`` is
    called just before, so that others can tell a kill at the point from a process that died by itself.
    """
    left = nth

    def reach(name: str) -> None:
        nonlocal left
        if name == point:
            left -= 1
            if left == 0:
                before()
                # where there is no SIGKILL, os.kill ends the process by TerminateProcess, whatever the number
                os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))

    return reach


def main(file: str) -> int:
    """Run the job that ``file`` names until it ends or dies."""
    from pipeline.config.load import load_config
    from pipeline.config.masking import mask
    from pipeline.engine.ownplugins import plugin_folder
    from pipeline.engine.runtime import run_job
    from pipeline.engine.selftest.made_up import Trial, throw_away
    from pipeline.logs import configure
    from pipeline.registry import load_registry
    from pipeline.texts import hide_from_now_on

    path = Path(file)
    wanted = json.loads(path.read_text(encoding="utf-8"))
    config = load_config(Path(wanted["config"]))
    hide_from_now_on(lambda words: mask(words, config.secrets))
    if config.config_hash != wanted["config_hash"]:
        raise ConfigError(T("The config was changed while the selftest was running."), hint=T("Run it again."))
    configure(file=path.with_suffix(".log"), secrets=config.secrets, console=False)
    registry = load_registry(plugin_folder(config))
    reached = path.with_suffix(".reached")
    report = run_job(
        throw_away(config, registry, Trial(**wanted["trial"])),
        wanted["job"],
        registry=registry,
        reach=kill_at(wanted["point"], wanted["nth"], before=reached.touch),
    )
    findings = [finding.to_json() for step in report.steps for finding in step.findings]
    said: dict[str, Any] = {"state": report.state, "counts": dict(report.counts), "findings": findings}
    path.with_suffix(".said").write_text(json.dumps(said), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
