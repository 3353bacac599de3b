"""The named points of the walks at which a process is killed, with what is going on there, in words."""

from __future__ import annotations

from collections.abc import Mapping

from pipeline.texts import T, Text

#: Between two effects of the inbound walk each; the tests of faults kill at the same ones.
INBOUND: Mapping[str, Text] = {
    "inbound:claimed": T("files chosen, nothing fetched yet"),
    "inbound:staged": T("files fetched, no archive copy yet"),
    "inbound:kept": T("archive copies made, not written down yet"),
    "inbound:archived": T("archive copies written down, files unread"),
    "inbound:planned": T("orders read and planned, nothing written down yet"),
    "inbound:begun": T("keys written down, the books not called yet"),
    "inbound:before-create": T("just before the documents are made"),
    "inbound:created": T("documents made, not written down yet"),
    "inbound:committed": T("documents written down, files still on the server"),
    "inbound:before-delete": T("just before the files are taken away"),
    "inbound:deleted": T("files taken away, not written down yet"),
    "inbound:acknowledged": T("files taken away and written down"),
}
OUTBOUND: Mapping[str, Text] = {
    "outbound:encoded": T("catalogue written here, nothing sent yet"),
    "outbound:images": T("images sent, catalogue still here"),
    "outbound:archived": T("copy archived, nothing of the catalogue sent yet"),
    "outbound:unmarked": T("old marker taken away, old catalogue still there"),
    "outbound:uploaded": T("new catalogue in place, marker missing"),
    "outbound:marked": T("catalogue and marker in place, not written down yet"),
    "outbound:recorded": T("catalogue and marker in place and written down"),
}
#: At which no run ever comes by where ``after: keep`` leaves the files alone.
TAKING_AWAY = frozenset({"inbound:before-delete", "inbound:deleted", "inbound:acknowledged"})
POINTS: Mapping[str, Text] = {**INBOUND, **OUTBOUND}
