"""Clients' folders for tests of a fleet."""

from __future__ import annotations

from pathlib import Path

CONFIG = """\
client: {name}
language: en
connections:
  site: {{type: local, path: site}}
  books: {{type: books}}
ledger: {{url: "{ledger}"}}
log: {{file: null}}
jobs:
  orders:
    every: 5m
    watch: true
    steps:
      - {{step: import-orders, inbox: site, folder: orders, into: books,
          client: "0042", object: "01", user: anna, executor: petro}}
"""


def write(folder: Path, name: str, ledger: str = "sqlite:///ledger.sqlite3") -> Path:
    """One client."""
    (folder / name / "site" / "orders").mkdir(parents=True)
    path = folder / name / "config.yaml"
    path.write_text(CONFIG.format(name=name, ledger=ledger), encoding="utf-8")
    return path
