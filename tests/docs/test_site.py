"""The documentation's site: every page once, under its reader, and nothing from other hosts."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"


def _load() -> Any:
    spec = importlib.util.spec_from_file_location("ci_site", ROOT / ".ci" / "site.py")
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


site = _load()


def listed(nav: list[Any]) -> list[str]:
    return [page for one in nav for page in ([one] if isinstance(one, str) else next(iter(one.values())))]


def test_every_page_is_in_the_navigation_once() -> None:
    found = site.pages(DOCS)
    assert sorted(listed(site.navigation(found))) == sorted(found)
    assert "index.md" in found
    assert "order-format.uk.md" in found


def test_a_new_page_breaks_nothing() -> None:
    nav = site.navigation(["index.md", "cards.md", "cards.uk.md", "plugins.md", "x/brand-new.md", "systems/new.md"])
    assert nav == [
        "index.md",
        {"Accountants": ["cards.md"]},
        {"Administrators": ["systems/new.md", "plugins.md", "x/brand-new.md"]},
        {"Українською": ["cards.uk.md"]},
    ]


def test_links_out_of_the_docs_are_shown_as_paths() -> None:
    page = "[a](b.md#x) [c](../samples/d/README.md) [e](https://f.example/) [g](#h) ![i](../j.png)"
    told = "[a](b.md#x) c (`samples/d/README.md`) [e](https://f.example/) [g](#h) ![i](../j.png)"
    assert site.outside(page, "cards.md") == told
    assert site.outside("[a](../config.md)", "systems/sql.md") == "[a](../config.md)"
    assert site.outside("[a](../../samples/b.md)", "systems/sql.md") == "a (`samples/b.md`)"


@pytest.mark.parametrize(
    ("html", "wrong"),
    [
        ('<script src="https://cdn.example/x.js">', True),
        ('<link rel="stylesheet" href="//fonts.example/css">', True),
        ("<link href=https://fonts.example rel=preconnect>", True),
        ('<img src="http://x.example/y.png">', True),
        ("a{background:url(https://x.example/y)}", True),
        ('<a href="https://x.example/">a link that one may follow</a>', False),
        ('<script src="assets/x.js"></script><link rel="stylesheet" href="../a.css">', False),
    ],
)
def test_what_comes_from_other_hosts_is_found(tmp_path: Path, html: str, wrong: bool) -> None:
    (tmp_path / "a.html").write_text(html, encoding="utf-8")
    assert bool(list(site.foreign(tmp_path))) is wrong


def test_the_site_has_no_font_of_others() -> None:
    config = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    assert "font: false" in config
    assert "mkdocs build --strict" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")
