"""What processes are forked off has carried a made-up order through, and nothing is left of it."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.engine.rehearsal import rehearse
from pipeline.registry import load_registry


def test_a_rehearsal_books_one_order_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert rehearse(load_registry())
    assert list(tmp_path.iterdir()) == []


def test_where_it_cannot_be_nothing_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not rehearse(replace(load_registry(), systems={}))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "is" / "not" / "there"))
    with pytest.raises(FileNotFoundError):
        tempfile.mkdtemp()
    assert not rehearse(load_registry())
