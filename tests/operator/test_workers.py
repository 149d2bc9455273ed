"""Two operator processes over one database; the commands that work beside them."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import cycle
from pathlib import Path
from urllib.parse import urlsplit

from cardsync.syncml import auth, codec, record
from cardsync.syncml.client import ClientConfig, ClientSession, DatabaseRequest
from cardsync.syncml.elements import AlertCode
from cardsync.syncml.events import SessionResult
from cardsync.syncml.memory import MemoryClientDatastore
from cardsync.syncml.record import Parameter
from cardsync.transport.http import HttpCarrier

IMEI = "IMEI:490154203237518"
LAB = auth.Account(auth.Scheme.BASIC, "lab", b"secret")
MAC = auth.Scheme.MAC
COMMAND = [sys.executable, "-m", "cardsync", "operator"]


def command(home: Path, *arguments: str) -> str:
    """Run a command to its end; give what it says."""
    done = subprocess.run(
        [*COMMAND, *arguments, "--home", str(home)],
        env=os.environ | {"CARDSYNC_ACCOUNT_PASSWORD": "secret"},
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done.stdout


@contextmanager
def worker(home: Path, *options: str) -> Iterator[str]:
    """Run an operator; give its address."""
    process = subprocess.Popen(
        [*COMMAND, "serve", "--home", str(home), "--port", "0", *options],
        env=os.environ | {"CARDSYNC_SYNCML_SERVER_PASSWORD": "own secret"},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        yield json.loads(process.stdout.readline())["url"]
    finally:
        process.terminate()
        process.wait(30)
        process.stdout.close()


def synchronize(
    workers: list[str],
    store: MemoryClientDatastore,
    kind: AlertCode,
    number: str,
    account: auth.Account = LAB,
    authenticate: auth.Authenticate | None = None,
) -> SessionResult:
    """Run a session whose messages go to one worker after the other."""
    request = DatabaseRequest(store, "devman", kind, f"anchor-{number}")
    url = f"{workers[0]}dm"
    config = ClientConfig(
        url, IMEI, number, (request,), account=account, max_msg_size=4096, beside=True,
        authenticate=authenticate,
    )  # fmt: skip
    session = ClientSession(config)
    turns = cycle(workers)
    with HttpCarrier() as carrier:
        while (octets := session.data_to_send()) is not None:
            url = urlsplit(session.url)._replace(netloc=urlsplit(next(turns)).netloc).geturl()
            mac = {auth.HMAC_HEADER: session.mac} if session.mac else {}
            _, body, told = carrier.exchange_beside(url, codec.WBXML, octets, mac)
            session.receive_data(body, told.get(auth.HMAC_HEADER))
    assert session.result is not None
    return session.result


def test_any_worker_answers_any_message_and_a_refresh_is_undone(home: Path) -> None:
    """A session over two processes; the command restores what its refresh replaced."""
    store = MemoryClientDatastore("devman", record.CONTENT_TYPE, record.CONTENT_VERSION)
    for number in range(100):
        store.put(str(number), Parameter(f"./Ext/{number}", "old").encode())
    before = store.items()
    added = command(home, "account", "lab")
    with worker(home) as one, worker(home) as other:
        workers = [one, other]
        first = synchronize(workers, store, AlertCode.REFRESH_FROM_CLIENT, "1")
        for number in range(50):
            store.put(str(number), Parameter(f"./Ext/{number}", "new").encode())
        second = synchronize(workers, store, AlertCode.REFRESH_FROM_CLIENT, "2")
        told = command(home, "restore", f"lab: {IMEI}")
        third = synchronize(workers, store, AlertCode.TWO_WAY, "3")

    assert "lab: may synchronize\n" == added
    assert (200, 200, 200) == (first.status, second.status, third.status)
    assert first.round_trips > 2
    assert "50 records put back, 0 removed" in told
    assert before == store.items()


def test_mac_with_every_message(home: Path) -> None:
    """`x-syncml-hmac` over HTTP, each made with the nonce of the reply before, by any process.

    OMA DM Security 1.2 clause 5.4. A wrong password is 401.
    """
    store = MemoryClientDatastore("devman", record.CONTENT_TYPE, record.CONTENT_VERSION)
    for number in range(100):
        store.put(str(number), Parameter(f"./Ext/{number}", "old").encode())
    account = replace(LAB, scheme=auth.Scheme.MAC)
    wrong = replace(account, password=b"guess")
    command(home, "account", "lab")
    with worker(home) as one, worker(home) as other:
        refresh = AlertCode.REFRESH_FROM_CLIENT
        told = synchronize([one, other], store, refresh, "1", account)
        refused = synchronize([one, other], store, refresh, "2", wrong)
        again = synchronize([one, other], store, AlertCode.TWO_WAY, "3", account)

    assert (200, 401, 200) == (told.status, refused.status, again.status)
    assert told.round_trips > 3
    assert 100 == told.databases[0].sent.added + told.databases[0].sent.replaced


def test_operator_shows_itself(home: Path) -> None:
    """`--server NAME`: any process shows the operator's MAC; who expects another one goes away."""
    store = MemoryClientDatastore("devman", record.CONTENT_TYPE, record.CONTENT_VERSION)
    for number in range(100):
        store.put(str(number), Parameter(f"./Ext/{number}", "old").encode())
    nonces = [b""]

    def expecting(password: bytes) -> auth.Authenticate:
        def judge(proof: auth.Proof | None, _operator: str) -> auth.AuthResult:
            given = nonces[-1], b"nonce %d" % len(nonces)
            result, nonce = auth.judge(proof, {"us": password}, given, MAC, least=MAC)
            nonces.append(nonce)
            return result

        return judge

    account, own = replace(LAB, scheme=MAC), ("--server", "us", "--server-auth", "mac")
    command(home, "account", "lab")
    with worker(home, *own) as one, worker(home, *own) as other:
        both, kind = [one, other], AlertCode.REFRESH_FROM_CLIENT
        refused = synchronize(both, store, kind, "1", account, expecting(b"another"))
        told = synchronize(both, store, kind, "2", account, expecting(b"own secret"))
        again = synchronize(both, store, AlertCode.TWO_WAY, "3", account, expecting(b"own secret"))

    assert isinstance(refused.error, auth.Unproved)
    assert (200, 200) == (told.status, again.status)
    assert (0, 100) == (refused.databases[0].sent.total, told.databases[0].sent.total)
