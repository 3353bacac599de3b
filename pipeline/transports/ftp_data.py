"""Data connections of FTP, and files that go over them."""

from __future__ import annotations

import ftplib
import socket
import ssl
from contextlib import suppress
from pathlib import Path

from pipeline.transports import common
from pipeline.transports.ftp_session import Session


def piece_of(conn: socket.socket, size: int) -> bytes | None:
    """The next piece of a data connection: empty at its end, None where TLS ended without the other side saying so."""
    try:
        return conn.recv(size)
    except ssl.SSLEOFError:
        return None


def finish(conn: socket.socket) -> None:
    """Say goodbye on a data connection and close it. What matters is the server's reply and the size, not this."""
    if isinstance(conn, ssl.SSLSocket):
        with suppress(OSError, ValueError):
            conn.settimeout(5)
            conn.unwrap()
    conn.close()


def upload(ftp: Session, partial: str, source: Path | bytes) -> None:
    """``source`` as ``partial`` (wire text) in the folder where ``ftp`` stands."""
    ftp.binary()
    try:
        conn = ftp.transfercmd(f"STOR {partial}")
    except ftplib.error_perm as error:
        if str(error)[:3] not in ("550", "553"):
            raise
        ftp.voidcmd(f"DELE {partial}")  # left by a killed run, on a server that does not write over
        conn = ftp.transfercmd(f"STOR {partial}")
    try:
        for piece in common.source_chunks(source):
            conn.sendall(piece)
    finally:
        finish(conn)
    ftp.voidresp()


def put_over(ftp: Session, partial: str, name: str, backup: str) -> None:
    """Rename over; servers that refuse get a swap, and the old file back when that fails."""
    try:
        ftp.rename(partial, name)
        return
    except ftplib.error_perm:
        ftp.rename(name, backup)
    try:
        ftp.rename(partial, name)
    except ftplib.Error:
        ftp.rename(backup, name)
        raise
    ftp.voidcmd(f"DELE {backup}")
