"""The operator as a SyncML server: items a second, nothing to do, memory; with real PostgreSQL.

Server time is what is spent in the operator's handling of the messages, database included; the
client's own work is not in it. Items are records of 300 octets; messages of 256 KiB at most, which
is what the operator announces.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from bench import watch
from bench.measure import Measured
from cardsync.operator.server import OperatorConfig, storage
from cardsync.operator.store.credentials import Accounts
from cardsync.operator.store.database import Database
from cardsync.operator.synchronization import MAX_MESSAGE, Synchronization
from cardsync.syncml import auth, codec, record
from cardsync.syncml.client import ClientConfig, ClientSession, DatabaseRequest
from cardsync.syncml.elements import AlertCode
from cardsync.syncml.events import SessionResult
from cardsync.syncml.memory import MemoryClientDatastore
from cardsync.syncml.record import Parameter
from cardsync.transport.http import HttpCarrier

ITEMS, ITEM_OCTETS, MANY = 5000, 300, 100_000
_DEVICE = "IMEI:490154203237518"
_ACCOUNT = auth.Account(auth.Scheme.BASIC, "bench", b"bench")
_RUNS = 10

Exchange = Callable[[str, bytes], bytes]
"""Send a message to an address; give the answer."""


@dataclass(slots=True)
class Timed:
    """An exchange, and how long it has taken, in seconds: on the wall, and of our processor."""

    exchange: Exchange
    seconds: float = 0.0
    processor: float = 0.0

    def __call__(self, url: str, body: bytes) -> bytes:
        """Exchange."""
        started, worked = time.perf_counter(), time.process_time()
        try:
            return self.exchange(url, body)
        finally:
            self.seconds += time.perf_counter() - started
            self.processor += time.process_time() - worked


def operator_times() -> Iterator[Measured]:
    """Refresh from the client; nothing to do over many items."""
    with _home() as home, storage(OperatorConfig(home)) as (database, cards, _):
        _add_account(database, Accounts(cards.master))
        server = Synchronization(database, cards)

        def serve(url: str, body: bytes) -> bytes:
            return server.serve(body, codec.WBXML, urlsplit(url).query).body

        runs = [_refresh_anew(database, serve) for _ in range(_RUNS)]
        what = f"refresh-from-client, {ITEMS:,} items of {ITEM_OCTETS} octets, server time"
        best = min(run.seconds for run in runs)
        yield Measured(what, ITEMS / best, "items/s", "20,000")
        best = min(run.processor for run in runs)
        yield Measured(
            "the same, the operator's own work, without PostgreSQL's", ITEMS / best, "items/s"
        )
        yield from _nothing_to_do(database, serve)
        with operator_process(home) as (url, _), HttpCarrier() as carrier:
            exchange = _by_http(url, carrier)
            best = min(_refresh_anew(database, exchange).seconds for _ in range(_RUNS))
            yield Measured(
                "the same by HTTP, time on the wall at the client", ITEMS / best, "items/s"
            )


def memory() -> Iterator[Measured]:
    """Tell the highest memory of the operator's process, by the number of items."""
    for count in (1000, 10_000, MANY):
        with _home() as home:
            prepare(home)
            with operator_process(home) as (url, pid), HttpCarrier() as carrier:
                exchange = _by_http(url, carrier)
                store = _store(count)
                _run(store, AlertCode.REFRESH_FROM_CLIENT, exchange)
                _run(store, AlertCode.REFRESH_FROM_SERVER, exchange)
                peak = watch.memory(pid)
        yield Measured(f"most memory, {count:,} items refreshed from client and server", peak, "MB")


def _refresh_anew(database: Database, exchange: Exchange) -> Timed:
    """Refresh into an empty database."""
    with database.transaction() as connection:
        connection.execute("TRUNCATE device, record CASCADE")
        connection.execute("DELETE FROM ident")
    timed = Timed(exchange)
    _run(_store(ITEMS), AlertCode.REFRESH_FROM_CLIENT, timed)
    return timed


def _nothing_to_do(database: Database, exchange: Exchange) -> Iterator[Measured]:
    """Two-way without a change, over many items; how many rows of them were read."""
    store = _store(MANY)
    _run(store, AlertCode.REFRESH_FROM_CLIENT, exchange)
    before, found = _rows_read(database), []
    for _ in range(_RUNS):
        timed = Timed(exchange)
        result = _run(store, AlertCode.TWO_WAY, timed)
        found.append(timed.seconds * 1000)
    what = f"two-way without a change over {MANY:,} items, server time, median"
    yield Measured(what, statistics.median(found), "ms", "under 50 ms")
    yield Measured("the same, messages of the client", result.round_trips, "", "at most 3")
    yield Measured("the same, rows of items read", _rows_read(database) - before, "rows", "0")


def _rows_read(database: Database) -> int:
    """Count the rows of items that were read so far, by an index or without."""
    time.sleep(1.5)  # PostgreSQL tells its statistics once a second
    with database.transaction() as connection:
        connection.execute("SELECT pg_stat_force_next_flush()")
    with database.transaction() as connection:
        row = connection.execute(
            "SELECT seq_tup_read + coalesce(idx_tup_fetch, 0) FROM pg_stat_user_tables "
            "WHERE relname = 'record'"
        ).fetchone()
    assert row is not None
    return int(row[0])


def _store(count: int) -> MemoryClientDatastore:
    store = MemoryClientDatastore("devman", record.CONTENT_TYPE, record.CONTENT_VERSION)
    for number in range(count):
        bare = len(Parameter(f"./Bench/{number:06}", "").encode())
        store.put(
            str(number), Parameter(f"./Bench/{number:06}", "x" * (ITEM_OCTETS - bare)).encode()
        )
    return store


def _run(store: MemoryClientDatastore, kind: AlertCode, exchange: Exchange) -> SessionResult:
    request = DatabaseRequest(store, "devman", kind, str(time.time_ns()))
    number = str(time.time_ns() % 100_000)
    session = ClientSession(
        ClientConfig(
            "http://127.0.0.1/dm", _DEVICE, number, (request,), account=_ACCOUNT,
            max_msg_size=MAX_MESSAGE,
        )
    )  # fmt: skip
    while (octets := session.data_to_send()) is not None:
        session.receive_data(exchange(session.url, octets))
    assert session.result is not None
    if not session.result.ok:
        raise RuntimeError(f"the session ended with {session.result.status}")
    return session.result


def _by_http(url: str, carrier: HttpCarrier) -> Exchange:
    base = urlsplit(url)

    def exchange(address: str, body: bytes) -> bytes:
        target = urlsplit(address)._replace(netloc=base.netloc).geturl()
        return carrier.exchange(target, codec.WBXML, body)[1]

    return exchange


def _add_account(database: Database, accounts: Accounts, account: auth.Account = _ACCOUNT) -> None:
    with database.transaction() as connection:
        accounts.set_password(connection, account.user, account.password)


def prepare(home: Path, account: auth.Account = _ACCOUNT) -> None:
    """Make the database of an operator, with a user."""
    with storage(OperatorConfig(home)) as (database, cards, _):
        _add_account(database, Accounts(cards.master), account)


@contextmanager
def _home() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)  # PostgreSQL may run as another account
        yield Path(folder) / "operator"


@contextmanager
def operator_process(home: Path, module: str = "cardsync") -> Iterator[tuple[str, int]]:
    """Run an operator as a process of its own; give its address and its number."""
    command = [sys.executable, "-m", module, "operator", "serve", "--home", str(home)]
    process = subprocess.Popen([*command, "--port", "0"], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield json.loads(process.stdout.readline())["url"], process.pid
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


BENCHMARKS: dict[str, Callable[[], Iterator[Measured]]] = {
    "operator": operator_times,
    "memory": memory,
}
