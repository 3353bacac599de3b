"""A run of a made-up order, before there is a client: what is made once is then there for every process forked off."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import structlog

from pipeline.errors import MistokError

if TYPE_CHECKING:
    from pipeline.registry import Registry

log = structlog.get_logger("mistok.worker")


def rehearse(registry: Registry) -> bool:
    """Import one made-up order from a folder into books, all of it thrown away; gives whether that went well.

    Statements are compiled by it, schemas read, tables of letters filled. Raises nothing of ours: what does not work
    here is told by the run that needs it.
    """
    try:
        return _rehearsed(registry)
    except (MistokError, OSError, KeyError) as error:  # no room for it, say, or a plugin is not there
        log.debug("no_rehearsal", error=str(error))
        return False


def _rehearsed(registry: Registry) -> bool:
    from pipeline.config.model import ClientConfig, ConnectionSpec
    from pipeline.engine.runtime import run_job
    from pipeline.engine.selftest import made_up
    from pipeline.transports import TRANSPORTS

    with TemporaryDirectory(prefix="mistok-rehearsal-", ignore_cleanup_errors=True) as name:
        temp = Path(name)
        nobody = ClientConfig.model_validate(
            {"client": "rehearsal", "connections": {}, "jobs": {}, "base": temp, "source": temp / "config.yaml"}
        )
        site = TRANSPORTS["local"].model_validate({"path": temp})
        spec = ConnectionSpec(type="local", kind="transport", params=site)
        trial = made_up.Trial("site", "site", str(temp))
        config = made_up.throw_away(nobody.model_copy(update={"connections": {"site": spec}}), registry, trial)
        made_up.prepare(temp, nobody.currency)
        inbox = temp / "site" / "orders"
        inbox.mkdir(parents=True)
        (inbox / made_up.order_name(1)).write_bytes(made_up.order_file(1, nobody.currency))
        report = run_job(config, made_up.ORDERS_JOB, registry=registry)
        return report.state == "done" and report.counts.get("created") == 1
