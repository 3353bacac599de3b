"""F35: files that want to read other files, reach the network, or eat the memory. The others go on."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

import pytest

from pipeline.resources import samples
from tests.faults import tally
from tests.faults.conftest import Victim

Make = Callable[[str, str], Victim]
GOOD = next(samples().glob("orders/good/single.xml")).read_text("utf-8")
HEAD, BODY = GOOD.split("\n", 1)


@contextmanager
def listening() -> Iterator[tuple[str, list[str]]]:
    """A server on loopback that writes down who comes; its address."""
    came: list[str] = []
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        server.settimeout(0.1)
        over = threading.Event()

        def take() -> None:
            while not over.is_set():
                try:
                    peer, address = server.accept()
                except TimeoutError:
                    continue
                came.append(str(address))
                peer.close()

        thread = threading.Thread(target=take)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}", came
        over.set()
        thread.join()


def hostile(url: str, secret: str) -> dict[str, tuple[bytes, str]]:
    """Name of a file -> its bytes, and the code of its quarantine."""
    levels = "".join(f'<!ENTITY a{i} "{f"&a{i - 1};" * 10}">' for i in range(1, 12))
    texts = {
        "bomb": (f'<!DOCTYPE orders [<!ENTITY a0 "lol">{levels}]>{BODY.replace("Олена", "&a11;")}', "unsafe"),
        "quadratic": (
            f"<!DOCTYPE orders [<!ENTITY b '{'x' * 200_000}'>]>" + BODY.replace("Олена", "&b;" * 50_000),
            "unsafe",
        ),
        "xxe-file": (
            f'<!DOCTYPE orders [<!ENTITY x SYSTEM "{secret}">]>{BODY.replace("Олена", "&x;")}',
            "unsafe",
        ),
        "xxe-network": (
            f'<!DOCTYPE orders [<!ENTITY x SYSTEM "{url}/x">]>{BODY.replace("Олена", "&x;")}',
            "unsafe",
        ),
        "parameter-entity": (f'<!DOCTYPE orders [<!ENTITY % p SYSTEM "{url}/p.dtd"> %p;]>{BODY}', "unsafe"),
        "external-dtd": (f'<!DOCTYPE orders SYSTEM "{url}/orders.dtd">{BODY}', "unsafe"),
        "public-dtd": (f'<!DOCTYPE orders PUBLIC "-//X//Y" "{url}/orders.dtd">{BODY}', "unsafe"),
        "attribute-bomb": ("<!DOCTYPE orders [<!ATTLIST orders generator CDATA 'x'>]>" + BODY, "unsafe"),
        "depth": (BODY.replace("<items>", "<items>" + "<item>" * 100_000), "too-deep"),
        "wide": (BODY.replace("<items>", "<items>" + "<item/>" * 600_000), "too-large"),
        "long-text": (BODY.replace("Олена", "О" * 12_000_000), ""),
        "long-name": (BODY.replace("<items>", f"<items><{'n' * 2_000_000}/>"), ""),
    }
    files = {f"{name}.xml": ((HEAD + "\n" + text).encode(), code) for name, (text, code) in texts.items()}
    wide = (HEAD.replace("UTF-8", "UTF-16") + "\n" + texts["bomb"][0]).encode("utf-16")
    return {**files, "bomb-utf16.xml": (wide, "unsafe")}


@pytest.mark.parametrize(("transport", "ledger"), [("local", "sqlite"), ("sshd", "postgres")])
def test_f35_hostile_files_are_refused_in_little_memory_and_time(
    make_victim: Make, transport: str, ledger: str
) -> None:
    victim = make_victim(transport, ledger)
    secret = victim.folder / "secret.txt"
    secret.write_text("the-secret-words", "utf-8")
    victim.drop("company.xml")
    baseline = victim.measure()
    assert baseline["counts"]["created"] == 1

    with listening() as (url, came):
        files = hostile(url, secret.as_uri())
        for name, (data, _code) in files.items():
            victim.drop(name, data)
        # the schema that it names is on the network
        instance = ' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="urn:mistok:order:1 '
        victim.drop("zz-schema.xml", GOOD.replace(' generator="', f'{instance}{url}/o.xsd" generator="').encode())
        giant = victim.inbox / "giant.xml"
        with giant.open("wb") as out:
            out.write(HEAD.encode())
            os.truncate(giant, 1_000_000_000)  # 1 GB to the server, nothing on its disk
        victim.own(giant)
        tally.note("inputs", len(files) + 2)
        told = victim.measure()
        assert came == [], "somebody asked the network"
    largest = max(len(data) for data, _code in files.values()) / 1e6
    assert told["rise"] < 150 + 12 * largest, told
    assert told["seconds"] < 60, told
    states = dict(victim.ledger_rows("SELECT name, state FROM files"))
    codes = {name: str(found) for name, found in victim.ledger_rows("SELECT name, findings FROM files")}
    for name, (_data, code) in files.items():
        if code:
            assert states[name] == "quarantined", name
            assert f"{code}" in codes[name], (name, codes[name][:300])
    assert states["giant.xml"] == "quarantined"
    assert "too-large" in codes["giant.xml"]
    assert states["long-text.xml"] in ("quarantined", "acknowledged")
    everything = str(victim.ledger_rows("SELECT findings FROM files")) + str(victim.ledger_rows("SELECT * FROM orders"))
    assert "the-secret-words" not in everything
    books = [path.read_bytes() for path in victim.folder.glob("books.sqlite3*")]
    assert not any(b"the-secret-words" in data for data in books)

    # the others go on
    victim.drop("discounts.xml")
    assert victim.run().counts["created"] == 1
    giant.unlink()
    victim.check()


@pytest.mark.full
def test_f35_many_files_that_want_much_do_not_add_up(make_victim: Make) -> None:
    victim = make_victim("local", "sqlite")
    victim.step = "batch: 3"
    padding = f"<!-- {'x' * 8_000_000} -->"
    number = 24
    for n in range(number):
        text = GOOD.replace(">4701<", f">9{n:03}<").replace("</order>", f"</order>{padding}", 1)
        victim.drop(f"{n:03}.xml", text)
    told = victim.measure()
    assert told["counts"]["created"] == number
    assert told["rise"] < 250, f"{number} files of 8 MB: {told}"
    victim.check()
