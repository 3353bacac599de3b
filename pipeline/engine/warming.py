"""What a worker does before it says that it is ready, so that its first run is as quick as the others."""

from __future__ import annotations

import importlib
import threading

import structlog

from pipeline.config.model import ClientConfig
from pipeline.engine.heap import one_heap
from pipeline.flow import InboundSettings, OutboundSettings, SystemEnv
from pipeline.ports import Clock, Documents, ProductLookup
from pipeline.registry import Registry

log = structlog.get_logger("mistok.worker")

#: Seconds that systems are given to answer. One that does not is the affair of the run that needs it.
PATIENCE = 5.0


def warm(config: ClientConfig, registry: Registry, clock: Clock) -> None:
    """Import what the first run would stop to import, and ask every system that jobs work with something.

    Raises nothing: what does not work here is told by the run that needs it.
    """
    one_heap()
    _import(config)
    asking = threading.Thread(target=_ask_all, args=(config, registry, clock), name="mistok-warm", daemon=True)
    asking.start()
    asking.join(PATIENCE)


def _import(config: ClientConfig) -> None:
    wanted = {"psutil", "pipeline.engine.acknowledge", "pipeline.engine.inbound", "pipeline.engine.outbound"}
    servers = {spec.type for spec in config.connections.values() if spec.kind == "transport"} & {"sftp", "ftp"}
    wanted |= {f"pipeline.transports.{kind}" for kind in servers}
    if "sftp" in servers:
        wanted.add("pipeline.lightssh")
    for name in sorted(wanted):
        importlib.import_module(name)
    if any(isinstance(step.params, InboundSettings) for job in config.jobs.values() for step in job.steps):
        _import_reader()


def _import_reader() -> None:
    for name in ("lxml.etree", "_strptime"):
        importlib.import_module(name)


def import_for_orders() -> None:
    """What reading an order would stop to import, whatever stands in it: for many processes that share it."""
    _import_reader()
    import phonenumbers  # 4 MiB; a Ukrainian mobile's number is told without it

    phonenumbers.parse("0441234567", "UA")  # reads the country's rules


def _ask_all(config: ClientConfig, registry: Registry, clock: Clock) -> None:
    for name in sorted(_systems(config)):
        try:
            _ask(config, registry, clock, name)
        except Exception as error:  # noqa: BLE001 - a plugin may raise anything; the run that needs it tells people
            log.debug("system_not_warm", system=name, error=type(error).__name__)


def _systems(config: ClientConfig) -> set[str]:
    names = set()
    for job in config.jobs.values():
        for step in job.steps if job.enabled else ():
            match step.params:
                case InboundSettings(into=name):
                    names.add(name)
                case OutboundSettings(source=name):
                    names.add(name)
    return names


def _ask(config: ClientConfig, registry: Registry, clock: Clock, name: str) -> None:
    spec = config.connections[name]
    env = SystemEnv(name, config.client, config.base, config.currency, config.timezone, clock)
    system = registry.systems[spec.type].open(spec.params, env)
    try:
        system.check()
        if isinstance(system, ProductLookup):
            system.find_products([" "])
        if isinstance(system, Documents):
            system.find([" "])
    finally:
        system.close()
