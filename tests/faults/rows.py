"""The rows of the fault table: what can go wrong, and what must be seen then. A test is filed by its number."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Fault:
    """One row. ``comes``: what it waits for, where Mistok has nothing yet that the fault could strike."""

    number: int
    fault: str
    seen: str
    comes: str = ""
    axes: tuple[str, ...] = ("point", "transport", "ledger")  #: what its matrix is made of
    why: str = ""  #: why not of all of them


#: Rows whose matrix has fewer axes, by number: which transport their tests happen to use means nothing.
_NARROW: dict[int, tuple[tuple[str, ...], str]] = {
    23: (("point", "ledger"), "a rebuild reads the archive alone; only a ledger that is a file can be set aside"),
    24: (("point", "ledger"), "copies are dropped from the archive alone"),
    25: (("point", "ledger"), "a replay reads the archive alone"),
}

FAULTS: tuple[Fault, ...] = tuple(
    Fault(*row) if (narrow := _NARROW.get(int(row[0]))) is None else replace(Fault(*row), axes=narrow[0], why=narrow[1])
    for row in (
        (1, "killed after the download, before the archive copy is on disk", "the file is still there; one document"),
        (2, "killed after the archive copy, before the target is called", "goes on from the archive; one document"),
        (3, "killed after the document was made, before the ledger knows", "found by its key; no second document"),
        (4, "killed before the remote file is deleted", "only the delete is done; no second popup"),
        (5, "the reply to a delete is lost", "“not found” counts as done"),
        (6, "the delete is refused for ever", "taken once and remembered; one alarm a day; the inbox goes on"),
        (7, "the target times out after it made the document", "in doubt: looked up with pauses, never sent again"),
        (8, "the target answers 429 or 5xx", "asked again when it said; the other orders go on; nothing is refused"),
        (9, "the target says no: a closed period, no stock", "held with the target's own words; its siblings are made"),
        (10, "the file is still growing", "left alone until it stands still and its end is there"),
        (11, "a truncated file under its final name", "grace, then quarantine; taken when it is replaced"),
        (12, "a download that is refused, short or of another size", "a failure; the remote file is not touched"),
        (13, "the connection drops while listing or reading", "a new session; the other files go on"),
        (14, "a transfer hangs without an error", "the time limit ends it; the next run works"),
        (15, "“550” for an empty folder; a folder that does not exist", "an empty inbox; a clear card"),
        (16, "one file cannot be read", "only that file gets a card; the others are taken"),
        (17, "the same name with new content", "taken"),
        (18, "the same content under a new name", "recognised and acknowledged; no document"),
        (19, "the same order with other content", "never a second document; the difference is shown"),
        (20, "one bad order in a file of many", "the good ones are made, the bad one is held and goes on alone"),
        (21, "the name in the archive is taken", "never overwritten, no loop"),
        (22, "the disk is full", "nothing is deleted; one alarm; goes on when there is room"),
        (23, "the ledger is locked, broken or missing", "waits, or refuses to run and says what to do"),
        (24, "the archive was pruned, and the same old file comes", "still recognised"),
        (25, "a file is replayed twice, or by two people at once", "“already document N”; nothing is made"),
        (26, "two processes on one inbox", "each order once; a dead one's work is taken over"),
        (27, "a run longer than its interval", "the next one is skipped and counted"),
        (28, "the machine slept at the time of a run", "made good once, or as the config says; shown"),
        (29, "the hour that daylight saving skips or repeats", "one run each"),
        (30, "a server's or the computer's clock is wrong", "age is counted from our own first look"),
        (31, "the host key or certificate is unknown or changed", "refused, with both fingerprints; nothing is sent"),
        (32, "the catalogue's upload breaks off", "the shop sees a whole file, old or new; the next run mends it"),
        (33, "the server cannot rename over a file", "a safe swap; on failure the old file is back"),
        (34, "an FTP server in ASCII mode", "always binary; the size is checked"),
        (35, "XXE, entity bombs, depth bombs, a file of 1 GB", "refused in little memory and time; others go on"),
        (36, "file names with ../, NUL, 300 letters, cp1251", "kept under a safe name, never outside"),
        (
            37,
            "windows-1251, BOM, UTF-16, no encoding declared",
            "read rightly or quarantined; no garbled letter booked",
        ),
        (38, "a file that crashes or hangs its reader", "ended by its limits, quarantined after three tries"),
        (39, "the shop changes its XML", "a card with line, column and element; a new schema mends all held"),
        (40, "unknown product, status, currency, tax, warehouse", "held with the missing mapping; goes on with it"),
        (41, "the total is not the sum of its parts", "held; within the tolerance a rounding line"),
        (42, "a gift at 0; one product twice at two prices", "both lines are kept"),
        (43, "cancelled before it came; cancelled twice", "its stock is free once; a status, not a second order"),
        (44, "statuses out of order; the echo of our own write", "no ping-pong in 10 cycles"),
        (45, "the catalogue is empty, or lost half of its products", "nothing is published until a person approves"),
        (46, "a price of 0, none, ten times more, “1 234,50”", "none is not 0; a price brake; strict reading"),
        (47, "special prices across midnight and daylight saving", "cleared when they are over"),
        (48, "negative stock, reserves, two warehouses", "never counted twice"),
        (49, "article twins: case, blanks, dashes, Cyrillic А", "one product; where two fit, a card"),
        (50, "API pages shift while they are read", "no product is lost"),
        (51, "a run dies after half of its pushes", "only what was pushed is recorded"),
        (52, "no desktop, no mail server", "documents never wait; the notice goes another way"),
        (53, "a typo, a tab or 0042 in the config while it runs", "the old config works on; 0042 stays 0042"),
        (54, "the password has expired", "one try in a while; an alarm; other connections go on"),
        (55, "a secret in an error, a log or a report", "masked everywhere"),
        (56, "stopped or upgraded in the middle of a run", "ends well, or goes on as after a kill"),
        (57, "a CSV field with ; quotes, line ends, a backslash", "the shop's own parser reads every product"),
        (58, "nothing arrives for unusually long", "an alarm that tells a quiet shop from a broken pipe"),
        (59, "10,000 files at once", "oldest first, in batches, in flat memory; one popup"),
        (60, "a file locked by an antivirus", "tried again"),
        (61, "one of several workers is killed in the middle of runs", "others go on with its jobs; each order once"),
        (62, "PostgreSQL is restarted while workers run", "they wait for it and go on; each order once"),
        (63, "the service of many clients is killed while they run", "all go on with the next one; each order once"),
    )
)
