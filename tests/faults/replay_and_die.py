"""Replays all that is held and kills its own process (SIGKILL) when a named point is reached for the nth time.

``python replay_and_die.py CONFIG POINT NTH``; exits 0 when the point was never reached, so that a test can tell.
"""

from __future__ import annotations

import sys
from pathlib import Path

from pipeline.config.load import load_config
from pipeline.engine.replay.apply import apply
from pipeline.engine.replay.choose import Asked, choose
from pipeline.engine.runtime import Client
from pipeline.engine.selftest.child import kill_at


def main(config: str, point: str, nth: str) -> int:
    with Client.open(load_config(Path(config))) as client:
        picks = choose(client, Asked(all_held=True))
        for line in apply(client, picks, by="anna", reach=kill_at(point, int(nth))):
            print(line.text, file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
