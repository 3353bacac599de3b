"""The documentation's site: which page is for whom, and what must not be in it. A hook of mkdocs, and a check.

As a hook it makes the navigation: a page that is not named here is put among the administrators' by itself, so that a
new page never breaks the site. Links to files beside the docs (samples, the change log) are shown as paths.

``python .ci/site.py FOLDER`` refuses a built site that would load anything from another host.
"""

from __future__ import annotations

import posixpath
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

#: Whose page it is, in the order in which one reads.
READERS: dict[str, tuple[str, ...]] = {
    "Site developers": ("order-format", "catalogue-format", "formats"),
    "Accountants": ("cards", "amendments", "report", "popups", "alerts", "books", "doctor"),
    "Administrators": (
        "config", "scheduling", "servers", "documents", "sync", "systems", "systems/*", "archive", "monitoring",
        "service", "dashboard", "selftest", "scaling", "plugins",
    ),
    "Support": ("support", "replay", "faults", "benchmarks", "dev/*"),
    "Українською": ("*.uk",),
}  # fmt: skip
REST = "Administrators"
HOME = "index.md"
_LINK = re.compile(r"(?<!!)\[([^\]]*)\]\(([^)\s]+)\)")
_LOADED = re.compile(
    r"<(?:script|img|iframe|source)\b[^>]*\bsrc=[\"']?(?:https?:)?//"
    r"|<link\b(?=[^>]*\brel=[\"']?(?:stylesheet|preload|preconnect|icon|manifest))[^>]*\bhref=[\"']?(?:https?:)?//"
    r"|url\([\"']?(?:https?:)?//|@import\s+[\"'](?:https?:)?//",
    re.IGNORECASE,
)


def pages(docs: Path) -> list[str]:
    """Every page of the docs, as mkdocs names it."""
    return sorted(path.relative_to(docs).as_posix() for path in docs.rglob("*.md"))


def navigation(found: list[str]) -> list[Any]:
    """The navigation: each page once, under its first reader; what nobody is named for goes to the administrators."""
    left = [page for page in found if page != HOME]
    shelves: dict[str, list[str]] = {reader: [] for reader in READERS}
    for reader in ("Українською", *READERS):  # its pattern is the narrowest
        for pattern in READERS[reader]:
            for page in [
                one for one in left if Path(one).match(f"{pattern}.md") and one.count("/") == pattern.count("/")
            ]:
                left.remove(page)
                shelves[reader].append(page)
    shelves[REST] += left
    made: list[Any] = [HOME] if HOME in found else []
    return [*made, *({reader: listed} for reader, listed in shelves.items() if listed)]


def on_config(config: Any) -> Any:
    """Called by mkdocs: give it the navigation."""
    config["nav"] = navigation(pages(Path(config["docs_dir"])))
    return config


def on_page_markdown(markdown: str, page: Any, **_more: Any) -> str:
    """Called by mkdocs: links that leave the docs are shown as paths, as the site has no such file."""
    return outside(markdown, page.file.src_uri)


def outside(markdown: str, name: str) -> str:
    """The page with its links to files beside the docs as text."""

    def one(match: re.Match[str]) -> str:
        words, target = match[1], match[2]
        if re.match(r"[a-z]+:|#", target):
            return match[0]
        path = posixpath.normpath(posixpath.join("docs", posixpath.dirname(name), target.partition("#")[0]))
        return match[0] if path.startswith("docs/") else f"{words} (`{path}`)"

    return _LINK.sub(one, markdown)


def foreign(folder: Path) -> Iterator[str]:
    """What a built site would load from another host, as ``file: tag``."""
    for path in sorted(folder.rglob("*")):
        if path.suffix in {".html", ".css"}:
            for match in _LOADED.finditer(path.read_text(encoding="utf-8")):
                yield f"{path.relative_to(folder)}: {match[0]}"


if __name__ == "__main__":
    wrong = list(foreign(Path(sys.argv[1])))
    sys.stdout.write("".join(f"{one}\n" for one in wrong) or "nothing is loaded from other hosts\n")
    sys.exit(bool(wrong))
