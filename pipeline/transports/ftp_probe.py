"""What an FTP server lets a user do in a folder, found out with two small files that are removed again."""

from __future__ import annotations

import ftplib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from pipeline.errors import Finding, Who
from pipeline.ports import Capabilities
from pipeline.texts import T
from pipeline.transports import common
from pipeline.transports.ftp_data import upload
from pipeline.transports.ftp_session import Session, as_words
from pipeline.transports.ftp_settings import FtpSettings


@dataclass(frozen=True, slots=True)
class Probed:
    """A folder that is probed, in which ``session`` stands.

    ``modified`` gives the exact time of a file in it; ``empty_reply``: as in Capabilities.
    """

    session: Session
    settings: FtpSettings
    shown: str
    empty_reply: str
    modified: Callable[[bytes], datetime | None]


def probe(place: Probed) -> Capabilities:
    """Write, rename, rename over, delete; measure a round trip. What is refused is a finding, no error."""
    ftp, findings = place.session, list[Finding]()
    one = common.probe_name()
    two = one + "-2"

    def tried(act: Callable[[], object], word: str) -> bool:
        try:
            act()
        except ftplib.error_perm as error:
            findings.append(_lacks(place, word, error))
            return False
        return True

    rename = over = delete = times = None
    try:
        write = tried(lambda: upload(ftp, one, b"mistok"), "write")
        if write:
            times = place.modified(one.encode("ascii")) is not None
            rename = tried(lambda: ftp.rename(one, two), "rename")
            if rename:
                upload(ftp, one, b"mistok")
                try:
                    ftp.rename(one, two)
                    over = True
                except ftplib.error_perm:
                    over = False
                    findings.append(common.cannot_rename_over(place.settings.host))
            delete = tried(lambda: ftp.voidcmd(f"DELE {two if rename else one}"), "delete")
    finally:
        for left in (one, two):  # also when a person stops it
            with suppress(ftplib.Error, OSError, EOFError):
                ftp.voidcmd(f"DELE {left}")
    return Capabilities(
        listing=True,
        write=write,
        rename=rename,
        rename_over=over,
        rename_by="" if over is None else "rename" if over else "swap",
        delete=delete,
        exact_times=times,
        server=ftp.banner,
        features=tuple(f"{word} {rest}".strip() for word, rest in ftp.features.items()),
        empty_reply=place.empty_reply,
        round_trip=common.median_time(lambda: ftp.voidcmd("NOOP")),
        findings=tuple(findings),
    )


def _lacks(place: Probed, word: str, error: ftplib.Error) -> Finding:
    return Finding(
        f"rights-{word}",
        T("{folder}: {act} is refused: {words}", folder=place.shown, act=common.ACTS[word], words=as_words(error)),
        hint=T("Ask the server's admin for the right to do this as user {user}.", user=place.settings.user),
        who=Who.ADMIN,
    )
