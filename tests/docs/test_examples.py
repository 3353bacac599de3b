"""Every YAML in the README and in docs/ is what it says: it loads, and the editor's schema agrees.

Whole configs name the schema in their first line. Fragments (``# fragment: connections``, ``jobs`` or ``NAME.yaml``;
some sections of a config; a list of steps; a ``format:``) are put into a config around them, as docs/config.md tells;
``# fragment: format`` is one of orders, and ``fields`` a part of a mapping, as docs/formats.md has them.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.config.includes import read_config
from pipeline.config.load import load_config
from pipeline.config.reference import with_tables
from pipeline.config.schema import built_in, config_schema, schema_text
from pipeline.config.service import ServiceConfig, load_service
from pipeline.config.yaml import plain
from pipeline.engine.runtime import run_job
from pipeline.registry import load_registry
from pipeline.transports import TRANSPORTS
from tests.editors import check_as_editors_do

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
SCHEMA_LINE = "# yaml-language-server: $schema="
AROUND_JOBS = """\
client: demo
connections:
  site: {type: local, path: site}
  pictures: {type: local, path: pictures}
  books: {type: books}
jobs:
"""
#: Fields that a mapping must have, where an example shows others.
NEEDED = {"id": 'id: "@id"', "created_at": "created_at: date", "total": "total: total"}
AROUND_CONNECTIONS = "client: demo\njobs: {}\nconnections:\n"


def blocks() -> Iterator[tuple[str, int, str]]:
    """(page, line, text) of every block of YAML."""
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for match in re.finditer(r"^( *)```ya?ml\n(.*?)^\1```$", text, re.DOTALL | re.MULTILINE):
            line = text[: match.start()].count("\n") + 1
            yield page.relative_to(ROOT).as_posix(), line, re.sub(f"^{match[1]}", "", match[2], flags=re.MULTILINE)


BLOCKS = list(blocks())


def example_plugins(folder: Path) -> Path:
    """A client's ``plugins/`` folder with every plugin that a page shows (blocks that begin with ``# plugins/…``)."""
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for match in re.finditer(r"^```python\n# (plugins/\w+\.py)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE):
            path = folder / match[1]
            path.parent.mkdir(exist_ok=True)
            path.write_text(match[2], encoding="utf-8")
    return folder / "plugins"


def indented(text: str) -> str:
    """Two spaces further in."""
    return "".join(f"  {line}\n" if line else "\n" for line in text.splitlines())


def whole(text: str) -> tuple[str, str]:
    """(file name, config) of a block; a block that is none of the kinds fails here."""
    number = itertools.count()
    text = re.sub(  # each with a folder of its own: one inbox has one taker
        r"steps: \[\.\.\.\]",
        lambda _: f"steps: [{{step: import-orders, inbox: site, folder: f{next(number)}, into: books}}]",
        text,
    )
    head, _, rest = text.partition("\n")
    kind = head.removeprefix("# fragment: ")
    if kind == "jobs":
        return "config.yaml", AROUND_JOBS + indented(rest)
    if head.startswith("- step: "):
        return "config.yaml", AROUND_JOBS + "  job:\n    steps:\n" + indented(indented(indented(text)))
    if head == "format:" and re.match(r" +\w+-goods:", rest):
        around = "site: {type: local, path: site}\nsupplier:\n  type: catalogue-file\n  files: site\n"
        return whole(f"# fragment: connections\n{around}{indented(text)}")
    if head == "format:":
        step = "  job:\n    steps:\n      - step: export-catalogue\n        from: books\n        to: site\n"
        return "config.yaml", AROUND_JOBS + step + indented(indented(indented(indented(text))))
    if kind == "format":
        step = "  job:\n    steps:\n      - step: import-orders\n        inbox: site\n        into: books\n"
        return "config.yaml", AROUND_JOBS + step + indented(indented(indented(indented(rest))))
    if kind == "fields":
        needed = "".join(f"{line}\n" for key, line in NEEDED.items() if not re.search(rf"^{key}:", rest, re.MULTILINE))
        form = (
            "format:\n  xml:\n    order: /orders/order\n    items: item\n    item: {code: a, quantity: b, price: c}\n"
        )
        fields = "    fields:\n" + indented(indented(indented(needed + rest)))
        return whole(f"# fragment: format\n{form}{fields}")
    if kind == "connections":
        return "config.yaml", AROUND_CONNECTIONS + indented(rest)
    if head.startswith("# fragment: ") and kind.endswith(".yaml"):
        return kind, rest
    if head.startswith(SCHEMA_LINE):
        return "config.yaml", text
    # some sections of a config: the rest is put around them
    keys = set(re.findall(r"^([a-z_]+):", text, re.MULTILINE))
    assert keys, f"what is this block?\n{text}"
    client, connections = AROUND_JOBS.removesuffix("jobs:\n").split("\n", 1)
    parts = {"client": f"{client}\n", "connections": connections, "jobs": "jobs: {}\n"}
    return "config.yaml", "".join(part for key, part in parts.items() if key not in keys) + text


def test_there_are_examples() -> None:
    assert len([page for page, _, _ in BLOCKS if page == "docs/config.md"]) >= 8


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: f"{block[0]}:{block[1]}")
def test_every_example_loads(block: tuple[str, int, str], tmp_path: Path) -> None:
    page = block[0]
    plugins = example_plugins(tmp_path)
    if block[2].startswith("# fragment: service.yaml\n"):  # of a folder of clients: no part of a config
        (tmp_path / "service.yaml").write_text(block[2], encoding="utf-8")
        assert load_service(tmp_path) != ServiceConfig()
        return
    for other_page, _, other in BLOCKS:
        if other_page == page and other.startswith("# fragment: ") and (found := whole(other))[0] != "config.yaml":
            (tmp_path / found[0]).write_text(found[1], encoding="utf-8")
    (tmp_path / "secrets").mkdir()
    for secret in ("site", "db", "site-password"):
        (tmp_path / "secrets" / secret).write_text("password\n", encoding="utf-8")
    name, text = whole(block[2])
    if name != "config.yaml":
        text = f"include: {name}\nclient: demo\n"
    # the key ring of this machine is not asked: its entry is any other secret
    text = re.sub(r"\$\{keyring:[^}]*\}", "${env:SITE_PASSWORD}", text)
    path = tmp_path / "config.yaml"
    path.write_text(text, encoding="utf-8")
    environ = dict.fromkeys(re.findall(r"\$\{env:(\w+)", text), "x-password")
    config = load_config(path, environ={"SITE_PASSWORD": "x-password", **environ})
    assert config.client
    if not text.startswith("include:"):
        node, _ = read_config(path)
        assert node is not None
        own = load_registry(plugins).steps.keys() - built_in(load_registry()).steps.keys()
        if not any(f"step: {name}" in text for name in own):  # an editor learns of own plugins only when told
            check_as_editors_do(plain(node))


def test_the_plugin_of_the_readme_runs(tmp_path: Path) -> None:
    example_plugins(tmp_path)
    text = next(text for page, _, text in BLOCKS if page == "README.md" and "step: count-files" in text)
    (tmp_path / "config.yaml").write_text(text, encoding="utf-8")
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "a.txt").write_text("a", encoding="utf-8")
    report = run_job(load_config(tmp_path / "config.yaml"), "count")
    assert report.state == "done"
    assert report.counts == {"files": 1}


def test_the_schema_is_fresh() -> None:
    made = schema_text(config_schema(built_in(load_registry())))
    kept = (ROOT / "schemas" / "config.schema.json").read_text(encoding="utf-8")
    assert kept == made, "run: python -m pipeline.config.schema"


def test_the_tables_are_fresh() -> None:
    page = (ROOT / "docs" / "config.md").read_text(encoding="utf-8")
    registry = built_in(load_registry())
    assert with_tables(page, registry, TRANSPORTS) == page, "run: python -m pipeline.config.reference"
    for kind, names in (
        ("connection", [*TRANSPORTS, *registry.systems]),
        ("step", registry.steps),
        ("format", registry.formats),
        ("channel", registry.channels),
    ):
        for name in names:
            told = f"<!-- keys: {kind} {name} -->" in page or name == "ftps"
            assert told, f"docs/config.md does not tell {kind} {name}"


def test_examples_of_the_checkout_name_the_schema_first() -> None:
    examples = [ROOT / "config.yaml", *sorted((ROOT / "pipeline" / "cli" / "templates").rglob("config.yaml"))]
    assert len(examples) == 3
    for example in examples:
        assert example.read_text(encoding="utf-8").startswith(SCHEMA_LINE), example
