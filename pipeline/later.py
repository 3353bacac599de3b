"""Modules that a library loads for a part of it that we do not use: loaded when something of them is asked for."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any


class _Later(ModuleType):
    """Stands for a module until something of it is asked for; whoever has it by then may keep it."""

    def __getattr__(self, name: str) -> Any:
        return getattr(_real(self), name)


@contextmanager
def later(name: str, calls: Collection[str] = ()) -> Iterator[None]:
    """Who imports the module ``name`` while the block runs gets what loads it when it is used, unless it is loaded
    already. Functions of it in ``calls`` may be taken out of it before: it is loaded when they are called."""
    if name in sys.modules:
        yield
        return
    stand_in = _Later(name)
    for call in calls:
        setattr(stand_in, call, _calling(stand_in, call))
    sys.modules[name] = stand_in
    try:
        yield
    finally:
        _out_of_the_way(stand_in)


def _calling(stand_in: ModuleType, name: str) -> Any:
    def call(*args: Any, **more: Any) -> Any:
        return getattr(_real(stand_in), name)(*args, **more)

    return call


def _real(stand_in: ModuleType) -> ModuleType:
    _out_of_the_way(stand_in)
    return importlib.import_module(stand_in.__name__)


def _out_of_the_way(stand_in: ModuleType) -> None:
    if sys.modules.get(stand_in.__name__) is stand_in:
        del sys.modules[stand_in.__name__]
