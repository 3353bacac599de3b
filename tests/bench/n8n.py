"""The same import in n8n, where it is installed: SFTP list, download, XML to JSON, insert into SQLite, delete.

As a program (``python -m tests.bench.n8n WORK PORT USER KEY FOLDER``) it runs the workflow once, in a fresh n8n of its
own under ``WORK``, and tells what the nodes took and the most memory that n8n held. Its start-up does not count.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

from tests.bench.held import held_by
from tests.bench.stage import NotHere

_TABLES = """
CREATE TABLE documents (id INTEGER PRIMARY KEY, order_id TEXT, number TEXT, created TEXT, source TEXT, customer TEXT,
    phone TEXT, email TEXT, city TEXT, currency TEXT, total TEXT);
CREATE TABLE lines (document INTEGER, position INTEGER, code TEXT, name TEXT, quantity TEXT, price TEXT);
"""
#: What the Code node does with the orders: two statements for each.
_CODE = """
const sqlite3 = require('sqlite3');
const db = new sqlite3.Database(%s);
const run = (sql, values) => new Promise((done, failed) =>
  db.run(sql, ...values, function (error) { error ? failed(error) : done(this.lastID); }));
for (const item of $input.all()) {
  const order = item.json.orders.order, buyer = order.customer;
  const id = await run('INSERT INTO documents VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)', [order.id, order.number,
    order.created, order.source, buyer['last-name'] + ' ' + buyer['first-name'], buyer.phone, buyer.email,
    order.delivery.city, order.currency, order.total]);
  const lines = [].concat(order.items.item);
  for (let n = 0; n < lines.length; n++)
    await run('INSERT INTO lines VALUES (?, ?, ?, ?, ?, ?)', [id, n + 1, lines[n].code, lines[n].name,
      lines[n].quantity, lines[n].price]);
}
await new Promise((done) => db.close(done));
return $input.all();
"""


def program() -> str:
    """Where n8n is. Raises NotHere."""
    found = shutil.which("n8n")
    if found is None:
        raise NotHere("n8n is not installed")
    return found


def _nodes(folder: str, database: Path) -> list[tuple[str, str, float, dict[str, Any]]]:
    login = {"protocol": "sftp"}
    listed = "={{ $('List').item.json.path }}"
    return [
        ("Start", "n8n-nodes-base.manualTrigger", 1, {}),
        ("List", "n8n-nodes-base.ftp", 1, {**login, "operation": "list", "path": folder}),
        ("Get", "n8n-nodes-base.ftp", 1, {**login, "operation": "download", "path": "={{ $json.path }}"}),
        ("Text", "n8n-nodes-base.extractFromFile", 1, {"operation": "text", "destinationKey": "data"}),
        ("Xml", "n8n-nodes-base.xml", 1, {"mode": "xmlToJson", "dataPropertyName": "data"}),
        ("Insert", "n8n-nodes-base.code", 2, {"jsCode": _CODE % json.dumps(str(database))}),
        (
            "Remove",
            "n8n-nodes-base.ftp",
            1,
            {**login, "operation": "delete", "path": listed},
        ),
    ]


def _workflow(folder: str, database: Path) -> dict[str, Any]:
    nodes = _nodes(folder, database)
    names = [name for name, *_ in nodes]
    return {
        "id": "bench",
        "name": "bench",
        "active": False,
        "settings": {"executionOrder": "v1"},
        "nodes": [
            {
                "id": name,
                "name": name,
                "type": kind,
                "typeVersion": version,
                "position": [0, 0],
                "parameters": parameters,
                **({"credentials": {"sftp": {"id": "login", "name": "login"}}} if kind.endswith(".ftp") else {}),
            }
            for name, kind, version, parameters in nodes
        ],
        "connections": {
            one: {"main": [[{"node": other, "type": "main", "index": 0}]]} for one, other in pairwise(names)
        },
    }


def _env(home: Path) -> dict[str, str]:
    quiet = ("DIAGNOSTICS", "VERSION_NOTIFICATIONS", "TEMPLATES", "PERSONALIZATION", "HIRING_BANNER")
    return {
        **os.environ,
        **{f"N8N_{word}_ENABLED": "false" for word in quiet},
        "N8N_USER_FOLDER": str(home),
        "N8N_ENCRYPTION_KEY": "bench",
        "N8N_RUNNERS_ENABLED": "false",
        "N8N_EXPRESSION_ENGINE": "legacy",  # the other one wants a module that is compiled
        "NODE_FUNCTION_ALLOW_EXTERNAL": "sqlite3",
        "EXECUTIONS_DATA_SAVE_ON_SUCCESS": "none",
        "NO_COLOR": "1",
    }


def run(work: Path, port: str, user: str, key: Path, folder: str) -> None:
    """Set n8n up, run the workflow, tell."""
    import psutil

    home, database = work / "n8n", work / "n8n.sqlite3"
    home.mkdir()
    books = sqlite3.connect(database)
    books.executescript(_TABLES)
    books.close()
    login = {"host": "127.0.0.1", "port": int(port), "username": user, "privateKey": key.read_text(encoding="ascii")}
    credentials = [{"id": "login", "name": "login", "type": "sftp", "data": login}]
    for what, value in (("credentials", credentials), ("workflow", [_workflow(folder, database)])):
        given = work / f"{what}.json"
        given.write_text(json.dumps(value), encoding="utf-8")
        subprocess.run(
            (program(), f"import:{what}", f"--input={given}"), check=True, capture_output=True, env=_env(home)
        )
    said = work / "said.json"
    command = (program(), "execute", "--id=bench", "--rawOutput")
    peak = 0
    with (
        said.open("wb") as out,
        subprocess.Popen(command, stdout=out, stderr=subprocess.PIPE, env=_env(home)) as process,
    ):
        watched = psutil.Process(process.pid)
        while process.poll() is None:
            with suppress(psutil.NoSuchProcess):
                peak = max(peak, held_by(watched))
            time.sleep(0.05)
        complaint = process.stderr.read().decode("utf-8", "replace") if process.stderr else ""
    text = said.read_text(encoding="utf-8")
    if process.returncode:
        sys.exit(f"n8n failed:\n{complaint}\n{text[:2000]}")
    result = json.JSONDecoder().raw_decode(text[text.index("{") :])[0]["data"]["resultData"]
    if "error" in result:
        sys.exit(f"n8n failed: {result['error'].get('message')} ({result.get('lastNodeExecuted')})")
    nodes = [one for runs in result["runData"].values() for one in runs]
    begun = min(one["startTime"] for one in nodes)
    ended = max(one["startTime"] + one["executionTime"] for one in nodes)
    books = sqlite3.connect(database)
    done = books.execute("SELECT count(*) FROM documents").fetchone()[0]
    books.close()
    seconds = (ended - begun) / 1000
    print(json.dumps({"seconds": seconds, "cpu": 0.0, "done": done, "peak_mib": peak / 2**20, "figures": {}}))


if __name__ == "__main__":
    run(Path(sys.argv[1]), sys.argv[2], sys.argv[3], Path(sys.argv[4]), sys.argv[5])
