"""The socket of an SSH connection, read in large pieces.

Paramiko reads the first 16 bytes of each packet and then the rest of it, and the interpreter looks each time first
whether there is anything: four calls of the system a packet, of which many servers send one for each answer.
"""

from __future__ import annotations

import socket

#: Bytes that are read at once.
AT_ONCE = 1 << 16


class Line(socket.socket):
    """The connection of ``sock``, which is of no use any more. One thread reads it, by ``recv`` alone."""

    def __init__(self, sock: socket.socket) -> None:
        limit = sock.gettimeout()
        super().__init__(sock.family, sock.type, sock.proto, sock.detach())
        self.settimeout(limit)
        self._piece = b""
        self._at = 0

    def recv(self, bufsize: int, flags: int = 0, /) -> bytes:
        """As that of any socket."""
        at = self._at
        if at == len(self._piece):
            if bufsize >= AT_ONCE or flags:
                return super().recv(bufsize, flags)
            self._piece, at = super().recv(AT_ONCE), 0
        piece = self._piece[at : at + bufsize]
        self._at = at + len(piece)
        return piece
