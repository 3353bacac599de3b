"""What the second process of an import does: it makes the archive's copies, and reads the orders.

It is forked off the run, or, where the format reads apart from all else (:class:`pipeline.ports.formats.ApartFormat`),
started anew: then it loads this module, the archive and the format's reader, and nothing more, so it holds little.
"""

from __future__ import annotations

import gc
import os
import pickle
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace

from pipeline.archive.store import Archive, ArchiveCopy, ArchiveItem
from pipeline.decoded import Decoded
from pipeline.engine.wire import Wire

#: Files whose orders are handed back together.
AT_ONCE = 50
#: New containers between two looks of the cycle collector at the youngest: a MB or two.
_YOUNGEST = 20_000
#: Windows has none: nothing of this is used there, and types are checked all the same.
_KILL: int = getattr(signal, "SIGKILL", signal.SIGTERM)

Keep = Callable[[Sequence[ArchiveItem]], Sequence[ArchiveCopy]]
Read = Callable[[ArchiveItem], Decoded]


def main() -> None:
    """A process that was started anew: it is told by ``sys.argv`` where the run is, and by the run what to do."""
    descriptor, run = map(int, sys.argv[1:3])
    end_with(run)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    wire = Wire(descriptor)
    try:
        root, read, context = wire.recv()
        gc.freeze()
        gc.set_threshold(_YOUNGEST)
        serve(wire, Archive(root).keep_many, lambda item: read(item.data or b"", replace(context, file=item.name)))
    except (EOFError, OSError):  # the run is over
        os._exit(0)


def end_with(run: int) -> None:
    """This process ends when the run does."""
    import ctypes

    set_death_signal = 1  # PR_SET_PDEATHSIG, see prctl(2)
    ctypes.CDLL(None).prctl(set_death_signal, _KILL)
    if os.getppid() != run:
        os._exit(1)


def serve(wire: Wire, keep: Keep, read: Read) -> None:
    """Answer until the run closes the wire or ends."""
    while True:
        try:
            items: Sequence[ArchiveItem] = wire.recv()
        except EOFError:
            return
        try:
            copies: Sequence[ArchiveCopy] | None = keep(items)
        except Exception:  # noqa: BLE001 - the run tries it again, and tells what is wrong
            copies = None
        wire.send(copies)
        if copies is None:
            continue
        for start_at in range(0, len(items), AT_ONCE):
            wire.send_bytes(_read(items[start_at : start_at + AT_ONCE], read))


def _read(items: Sequence[ArchiveItem], read: Read) -> bytes:
    found: list[Decoded | None] = []
    for item in items:
        try:
            found.append(read(item))
        except (Exception, SystemExit):  # noqa: BLE001 - a format may raise anything; the run reads it, and tells
            found.append(None)
    try:
        return pickle.dumps(found, pickle.HIGHEST_PROTOCOL)
    except Exception:  # noqa: BLE001 - __reduce__ of a client's own class may raise anything; what cannot go is read there
        return pickle.dumps([_passable(one) for one in found], pickle.HIGHEST_PROTOCOL)


def _passable(decoded: Decoded | None) -> Decoded | None:
    try:
        pickle.dumps(decoded, pickle.HIGHEST_PROTOCOL)
    except Exception:  # noqa: BLE001 - __reduce__ of a client's own class; None: the run reads it by itself, and tells
        return None
    return decoded
