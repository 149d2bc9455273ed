"""Our client over a folder and over a table, with `cardsync syncml serve` over folders.

What it takes to fill the server, and then to see that nothing has changed; by the number of items,
so that time and memory can be compared.
"""

import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

from bench.peers import HEAD, card, our_client, our_server, run_once

COUNTS = (1000, 10_000, 100_000)
KINDS = ("refresh-from-client", "two-way")


def folders() -> Iterator[object]:
    """Fill a server from each, and look for changes."""
    yield HEAD
    for fill in (_folder, _table):
        for count in COUNTS:
            with tempfile.TemporaryDirectory() as folder, our_server(Path(folder)) as server:
                start = our_client(fill(Path(folder), count), server.place())
                for kind in KINDS:
                    yield run_once(fill.__name__[1:], server, kind, count, start)


def _folder(home: Path, count: int) -> str:
    """Make a folder of so many cards."""
    items = home / "items"
    items.mkdir()
    for number in range(count):
        (items / str(number)).write_bytes(card(number))
    return str(items)


def _table(home: Path, count: int) -> str:
    """Make a table of so many cards."""
    path = home / "items.sqlite"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE cards (id TEXT PRIMARY KEY, data BLOB)")
        rows = ((str(number), card(number)) for number in range(count))
        connection.executemany("INSERT INTO cards VALUES (?, ?)", rows)
    return f"{path}#cards"


BENCHMARKS: dict[str, Callable[[], Iterator[object]]] = {"folders": folders}
