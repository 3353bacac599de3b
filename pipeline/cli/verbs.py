"""The verbs by name: where each lives and what it does, so that only the one that is called is loaded.

Those of systems (``mistok books …``) are found by a look at the systems' sources: no vendor is named here, and none is
loaded for the list of verbs.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from pipeline.texts import T, Text

SYSTEMS = "plugins.systems"


@dataclass(frozen=True, slots=True)
class Lazy:
    """A verb that is not loaded yet."""

    name: str
    place: str  #: module in pipeline.cli:its function, or its group of verbs
    help: Text

    def load(self) -> Any:
        """The function of the verb, or the Typer of a group of verbs."""
        module, _, attribute = self.place.partition(":")
        return getattr(importlib.import_module(f"pipeline.cli.{module}"), attribute)


#: In the order of a day's work.
VERBS = (
    Lazy("demo", "demo:demo", T("Show the main job on samples: catalogue out, orders in, over SFTP.")),
    Lazy("init", "init:command", T("Make a commented client folder.")),
    Lazy("check", "check:check", T("Check the config; with --connect, every server.")),
    Lazy(
        "selftest",
        "selftest:selftest",
        T("Try a server in a folder of our own; with --kill, see what killed runs leave on it."),
    ),
    Lazy("trust", "trust:trust", T("Show a server's fingerprint, then trust it.")),
    Lazy("run", "run:run", T("Run a job now.")),
    Lazy("sync", "sync:sync", T("Bring two systems in step now; --dry-run shows the difference first.")),
    Lazy("plans", "sync:plans", T("List the plans that a brake stopped, and that wait for you.")),
    Lazy("approve", "sync:approve", T("Approve a plan that a brake stopped, and apply it; or reject it.")),
    Lazy("rules", "rules:rules", T("Show what is done with the orders of each status, and what the rules leave open.")),
    Lazy("compare", "sync:compare", T("Compare two systems by their articles, prices and stock.")),
    Lazy("jobs", "jobs:jobs", T("List the jobs: when each ran last, and its next five runs.")),
    Lazy("serve", "serve:serve", T("Run the jobs on their schedules until it is stopped.")),
    Lazy("worker", "worker:worker", T("Run the jobs of many clients beside other workers, on one machine or on many.")),
    Lazy(
        "status",
        "status:status",
        T(
            "Tell how it stands: service, jobs, connections, inboxes, cards. Exit code 0: all is well; 1: something "
            "fails or waits for a person; 2: wrong config; 3: no service is at work, or the ledger does not answer."
        ),
    ),
    Lazy("orders", "orders:orders", T("List orders, newest first.")),
    Lazy("files", "orders:files", T("List files that came or were published, newest first.")),
    Lazy("notices", "notices:notices", T("List what was told, and what could not be shown.")),
    Lazy("cards", "cards:cards", T("List what waits for a person.")),
    Lazy(
        "card",
        "cards:card",
        T("Tell one card: what happened, who mends it, what can be done; or print a letter about it."),
    ),
    Lazy("resolve", "resolve:resolve", T("Answer cards: say what a code means, accept, try again, or reject.")),
    Lazy("mappings", "mappings:mappings", T("List what codes of the shops mean; take one back.")),
    Lazy("trace", "trace:trace", T("Tell the whole story of an order or a file.")),
    Lazy(
        "replay",
        "replay:replay",
        T("Go through what came before once more, oldest first: shows what it would do, does it with --apply."),
    ),
    Lazy(
        "support-bundle",
        "support:support_bundle",
        T("Write one file for those who help: how it stands, without secrets and people's data."),
    ),
    Lazy("validate", "validate:validate", T("Check order files before they are sent.")),
    Lazy("plugins", "plugins:plugins", T("List the plugins with their parameters.")),
    Lazy("config", "config:group", T("What a key of the config means; what changed in it.")),
    Lazy("new", "new:group", T("Begin something of your own: a plugin with its test.")),
    Lazy("map", "map:group", T("Mappings of files of any shape: see how they read.")),
    Lazy("doctor", "doctor:group", T("Look at the articles of the systems, and keep what people decide about them.")),
    Lazy("service", "service:group", T("Let systemd, Windows or launchd keep mistok serve at work.")),
    Lazy("report", "report:group", T("Sheets for accountants: what the shop told against what the books say.")),
    Lazy("archive", "archive:group", T("The archive: a sound copy of every file that ever came or was published.")),
    Lazy("ledger", "ledger:group", T("The ledger: what is known of every file and order.")),
    Lazy("users", "users:group", T("Who may use the page: add, list, remove.")),
    Lazy("alerts", "alerts:group", T("Popups on your own PC (--server URL); on the server: invite, list, revoke PCs.")),
)


@cache
def of_systems() -> dict[str, Text]:
    """The systems that bring a verb, by name, with what they are: told without loading those that come with Mistok."""
    found = {}
    for folder in importlib.import_module(SYSTEMS).__path__:
        for source in sorted(Path(folder).glob("*/__init__.py")):
            found.update(_declared(source))
    if entry_points(group="mistok.plugins"):  # of other packages: they say what they are when they are loaded only
        from pipeline.registry import load_registry

        systems = load_registry().systems.values()
        found.update({plugin.name: plugin.summary for plugin in systems if plugin.cli is not None})
    return dict(sorted(found.items()))


def system(name: str) -> Any:
    """The record of a system that brings a verb: of the built-in ones, it alone is loaded."""
    if importlib.util.find_spec(f"{SYSTEMS}.{name}") is not None:
        return importlib.import_module(f"{SYSTEMS}.{name}").PLUGIN
    from pipeline.registry import load_registry

    return load_registry().systems[name]


def _declared(source: Path) -> dict[str, Text]:
    """Name and summary of the plugin that a source declares, if it brings a verb."""
    code = source.read_bytes()
    if b"cli=" not in code:  # most bring none, and are not taken apart
        return {}
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "SystemPlugin":
            given = {word.arg: word.value for word in node.keywords}
            name, summary = given.get("name"), given.get("summary")
            if "cli" in given and isinstance(name, ast.Constant) and isinstance(summary, ast.Call):
                (words,) = summary.args
                assert isinstance(words, ast.Constant)
                return {str(name.value): Text(str(words.value))}
    return {}
