"""A redirect server whose table is a CSV or an SQLite file: the longest prefix of a number says which gateways to try.

NUMBERS=routes.csv slbroker run --plugin redirect_table.py       # lines: prefix,gateway,q
NUMBERS=routes.db  slbroker run --plugin redirect_table.py       # a table: routes(prefix TEXT, gateway TEXT, q REAL)

The CSV is read when a worker starts; kill -HUP reads it again. The SQLite file is asked at each call.
"""

import csv
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from slbroker import Handlers, Reply, Request

PATH = os.environ.get("NUMBERS", "routes.csv")
Gateways = list[tuple[str, float]]

app = Handlers()
table: dict[str, Gateways] = {}
database: list[sqlite3.Connection] = []


@app.startup
def load() -> None:
    if PATH.endswith(".csv"):
        with Path(PATH).open(newline="", encoding="utf-8") as lines:
            for prefix, gateway, q in csv.reader(lines):
                table.setdefault(prefix, []).append((gateway, float(q)))
    else:
        database.append(sqlite3.connect(f"file:{PATH}?mode=ro", uri=True))


@app.shutdown
def close() -> None:
    while database:
        database.pop().close()


def prefixes(number: str) -> Iterator[str]:
    return (number[:length] for length in range(len(number), 0, -1))


def look_up(number: str) -> Gateways:
    if not database:
        return next((table[prefix] for prefix in prefixes(number) if prefix in table), [])
    for prefix in prefixes(number):
        rows = database[0].execute("SELECT gateway, q FROM routes WHERE prefix = ? ORDER BY q DESC", (prefix,))
        if found := rows.fetchall():
            return found
    return []


@app.on("INVITE")
def redirect(request: Request) -> Reply:
    number = request.uri.user.removeprefix("+")
    if not (number.isascii() and number.isdigit()):
        return request.reply(484)
    gateways = look_up(number)
    if not gateways:
        return request.reply(404, "No Route To That Number")
    return request.redirect(*((f"sip:+{number}@{gateway}", q) for gateway, q in gateways))


@app.on("OPTIONS")
def keepalive(request: Request) -> Reply:
    return request.reply(200)
