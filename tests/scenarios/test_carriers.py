"""The card orders, and the session goes by the carrier that the card wants (R-52).

The operator is a process of its own with PostgreSQL; the terminal with its card is here. Between
them is HTTP, HTTPS, WSP in both modes, through Kannel and directly, or OBEX. Kannel is real.
"""

import json
import random
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest

from cardsync.card.personalisation import Subscriber, personalise
from cardsync.card.uicc import Uicc
from cardsync.fleet.capture import Capture
from cardsync.fleet.carriers import Carriers, Settings, Taps
from cardsync.fleet.mobile import device_information
from cardsync.operator.app import App
from cardsync.operator.arrivals import Arrivals
from cardsync.operator.store.cards import Cards
from cardsync.operator.store.database import Database
from cardsync.operator.store.embedded import EmbeddedPostgres
from cardsync.operator.store.seal import MasterKey
from cardsync.operator.synchronization import Synchronization
from cardsync.syncml import codec
from cardsync.syncml.record import Application, Parameter, Record
from cardsync.terminal.agent import Agent, Identity
from cardsync.terminal.databases.management import ManagementDatabase
from cardsync.toolkit.synchronization_objects import Transport
from cardsync.transport import wsp, wtp
from cardsync.transport.carrier import Answered, Fields
from cardsync.transport.wsp_client import WspCarrier
from cardsync.transport.wsp_server import WspServer
from cardsync.transport.wtp_sar import Limits
from certificates import Authority
from mobiles import (
    ENDS,
    HEAD,
    IMEI,
    KEYS,
    LOADING,
    SYNC_NOW,
    Mobile,
    Sender,
    compact,
    personalising,
    policy_group,
    receive,
    trigger,
    variables,
)
from peers import need
from transport.gateway import unkind_path
from transport.test_http import serve
from transport.test_wsp_client import running

HASTY = Limits(retry=0.2, retries=40)
_PATIENCE = 120.0
_CARDS = [f"89882110000000100{number:02}" for number in range(20)]
_numbers = count()
RECORDS: tuple[Record, ...] = (
    Parameter("./DevInfo/DevId", IMEI),
    Parameter("./DevInfo/Lang", "en"),
    *[Application(f"app{n}", f"App {n}", "1.0", 1000 + n) for n in range(300)],
)


def cards() -> str:
    """Give the list of the maker of cards."""
    keys = [{"number": 1, "kic": KEYS.kic.octets.hex(), "kid": KEYS.kid.octets.hex()}]
    return json.dumps([{"iccid": one, "imsi": one[-15:], "keys": keys} for one in _CARDS])


@contextmanager
def operator(home: Path, dsn: str, *options: str) -> Iterator[dict[str, str]]:
    """Run an operator; give what it says when it is ready. It complains of nothing."""
    log = (home / f"operator-{len(list(home.glob('operator-*')))}").open("w+")
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "cardsync", "operator", "serve", "--home", str(home)),
            *("--dsn", dsn, "--port", "0", "--cards", "-", *options),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=log,
        text=True,
    )
    watchdog = threading.Timer(_PATIENCE, process.kill)
    watchdog.start()
    assert process.stdin
    assert process.stdout
    try:
        process.stdin.write(cards())
        process.stdin.close()
        yield json.loads(process.stdout.readline())
    finally:
        process.terminate()
        assert 0 == process.wait()
        watchdog.cancel()
        process.stdout.close()
        with log:
            log.seek(0)
            assert "Traceback" not in log.read()


@dataclass(frozen=True)
class Network:
    """Where everything is."""

    ready: dict[str, str]
    tls: dict[str, str]
    authority: Path
    home: Path
    dsn: str

    def get(self, path: str) -> Any:
        """Ask the operator's API."""
        with urllib.request.urlopen(self.ready["url"] + path, timeout=30) as reply:
            return json.loads(reply.read())


@pytest.fixture(scope="module")
def network() -> Iterator[Network]:
    """Run a database and two operators: with plain HTTP, WSP and OBEX, and with HTTPS."""
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cardsync-")))
        home.chmod(0o711)
        embedded = EmbeddedPostgres(home / "postgres")
        stack.callback(embedded.stop)
        dsn, places = embedded.start(), ("--wsp", "127.0.0.1:0", "--obex", "127.0.0.1:0")
        plain = stack.enter_context(operator(home, dsn, *places))
        authority = Authority(home)
        pem = str(authority.issue("127.0.0.1"))
        tls = stack.enter_context(operator(home, dsn, "--certificate", pem, "--key", pem))
        yield Network(plain, tls, authority.path, home, dsn)


@dataclass
class Phone:
    """A terminal with a card of its own, whose policy names transports and an address."""

    folder: Path
    transports: list[str]
    url: str
    settings: Settings
    records: tuple[Record, ...] = RECORDS
    events: int = 0
    iccid: str = field(default_factory=lambda: _CARDS[next(_numbers)])

    def __post_init__(self) -> None:
        """Make it."""
        self.capture = Capture(self.folder / "trace.pcapng", self.folder / "messages")
        self.database = ManagementDatabase(self.folder / "devman.sqlite")
        self.database.update(self.records, full=True)
        hears = self.capture
        taps = Taps(hears.http, hears.wsp, hears.wsp_connectionless, hears.obex)
        self.carriers = Carriers(self.settings, taps)
        self.agent = Agent(
            Identity(IMEI, device_information(IMEI)),
            self.database,
            self.carriers.by_transport,
            lambda: 1_000_000.0,
            heard=self.capture.message,
        )
        self.sender = Sender()
        self.mobile = Mobile(self._card(), self.agent)  # type: ignore[arg-type]  # the real one

    def _card(self) -> Uicc:
        """Load application and policy over the air."""
        text = HEAD.replace("https://dm.operator.example/s", self.url)
        text = text.replace('["https", "http"]', json.dumps(self.transports)) + SYNC_NOW + ENDS
        card = Uicc(personalise(Subscriber(self.iccid, self.iccid[-15:]), [KEYS]))
        for script in (compact(*LOADING), compact(*personalising(policy_group(text)))):
            self.sender.proof(receive(card, self.sender.messages(script)).data)
        return card

    def synchronize(self) -> str:
        """Let the operator's short message set the card off; give the result that it hears."""
        self.mobile.on()
        self.mobile.message(trigger(self.sender))
        told = [self.agent.run(order).value().hex().upper() for order in self.agent.waiting()]
        for reference, event in self.agent.owed(self.iccid):
            self.events += 1
            taken = self.mobile.equipment.status_event(event, self.mobile.now)
            self.agent.told(self.iccid, reference, taken=taken)
        return told[0] if told else "none"

    def close(self) -> None:
        """End the capture."""
        self.carriers.close()
        self.database.close()
        self.capture.close()


@contextmanager
def phone(folder: Path, transports: list[str], url: str, **settings: str) -> Iterator[Phone]:
    """Give a phone."""
    made = Phone(folder, transports, url, Settings(**settings))  # type: ignore[arg-type]  # words only
    try:
        yield made
    finally:
        made.close()


def is_equal(network: Network, phone: Phone) -> bool:
    """Say whether the operator has what the terminal may show, and the card has heard of it."""
    device = next(
        one for one in network.get("api/devices") if one["name"].removeprefix("IMEI:") == IMEI
    )
    databases = network.get(f"api/devices/{device['device_id']}")["databases"]
    theirs = [one["digest"] for one in databases if one["name"] == "devman"]
    mask = 0x0013
    heard = variables(phone.mobile.card)["good"], phone.events
    return ([phone.database.digest(mask)], (1, 1)) == (theirs, heard)


class Frame(NamedTuple):
    """What tshark says of a packet: the kind of WSP's PDU, and the port that is no client's."""

    malformed: str
    wsp: str
    port: str


def tshark(folder: Path) -> list[Frame]:
    """Let tshark read the trace of a phone."""
    names = ("_ws.malformed", "wsp.pdu_type", "udp.port", "tcp.port")
    fields = [word for name in names for word in ("-e", name)]
    command = [need("tshark"), "-r", str(folder / "trace.pcapng"), "-T", "fields", *fields]
    read = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return [_frame(*line.split("\t")) for line in read.split("\n")[:-1]]


def _frame(malformed: str, wsp: str, udp: str, tcp: str) -> Frame:
    port = min((udp or tcp).split(","), key=int)
    return Frame(malformed, wsp, port)


def local(url: str) -> str:
    """Give where the SyncML of an operator is."""
    return f"{url}dm"


@pytest.mark.parametrize("transport", ["http", "https", "wsp", "wsp-connectionless", "obex"])
def test_each_carrier(network: Network, tmp_path: Path, transport: str) -> None:
    """A whole session, ordered by the card, by each carrier: both sides have the same."""
    urls = network.ready | {"http": local(network.ready["url"]), "https": local(network.tls["url"])}
    records = (*RECORDS, Application(f"by-{transport}", "Only this time", "2", 1))
    with phone(
        tmp_path, [transport], urls[transport], authorities=str(network.authority)
    ) as device:
        device.database.update(records, full=True)

        assert "00" == device.synchronize()
        assert is_equal(network, device)
    assert len(list((tmp_path / "messages").iterdir())) >= 4
    dissected(tmp_path, transport)


def dissected(folder: Path, transport: str) -> None:
    """Let tshark read the trace: nothing is malformed, and the carrier is the one ordered."""
    frames = tshark(folder)
    ports = {"http": "8080", "https": "8080", "obex": "650", "wsp": "9201"}.get(transport, "9200")

    assert {""} == {frame.malformed for frame in frames}
    assert {ports} == {frame.port for frame in frames}
    if transport.startswith("wsp"):
        kinds = [frame.wsp for frame in frames]
        connected = {"0x01", "0x02", "0x05"} if transport == "wsp" else set()

        assert {"0x60", "0x04"} | connected == set(kinds) - {""}
        assert kinds.count("0x60") == kinds.count("0x04") >= 2


@pytest.mark.peer("bearerbox")
@pytest.mark.parametrize("transport", ["wsp", "wsp-connectionless"])
def test_through_kannel(network: Network, tmp_path: Path, kannel: str, transport: str) -> None:
    """The same through a real WAP gateway, to which the terminal is set; by WSP, not by HTTP."""
    url = local(network.ready["url"])
    with phone(tmp_path, [transport, "http"], url, gateway=kannel) as device:
        device.database.update(
            (*RECORDS, Application(f"kannel-{transport}", "By Kannel", "1", 1)), full=True
        )

        assert "00" == device.synchronize()
        assert is_equal(network, device)
    dissected(tmp_path, transport)


@contextmanager
def hasty_server(network: Network) -> Iterator[int]:
    """Serve WSP over the operators' database here, soon sending again; give its port."""
    with Database(network.dsn) as database:
        cards = Cards(database, MasterKey.open(network.home / "master.key"))
        app = App(database, Synchronization(database, cards), Arrivals(database, cards))
        answer = app.endpoint.answer

        async def handle(url: str, content_type: str, body: bytes, fields: Fields) -> Answered:
            return await answer(body, content_type, urlsplit(url).query, fields)

        server = WspServer(handle, port=0, unit_port=None, limits=HASTY)
        with running(server) as ports:
            yield ports[0]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_unkind_network(network: Network, tmp_path: Path, seed: int) -> None:
    """Of all datagrams a tenth is lost, one doubled, one late: both sides have the same.

    The same seed makes the same choices, in the order in which datagrams come.
    """
    dice, fates = random.Random(seed), Counter[str]()

    def fate(_there: bool, _datagram: bytes) -> tuple[float, ...]:
        delays = dice.choice([(), (0.0, 0.0), (0.05,), *[(0.0,)] * 7])
        fates[str(delays)] += 1
        return delays

    records = tuple(Application(f"seed{seed}-{n}", f"App {n}", "1.0", n) for n in range(600))
    with (
        hasty_server(network) as port,
        unkind_path(("127.0.0.1", port), fate) as path,
        WspCarrier(limits=HASTY) as carrier,
        phone(tmp_path, ["wsp"], f"wsp://127.0.0.1:{path}/dm") as device,
    ):
        device.database.update(records, full=True)
        device.carriers.by_transport[Transport.WSP] = carrier

        assert "00" == device.synchronize()
        assert is_equal(network, device)
    assert {"()", "(0.0, 0.0)", "(0.05,)", "(0.0,)"} == set(fates)


@pytest.mark.parametrize("transport", ["wsp", "wsp-connectionless", "obex"])
def test_noise(network: Network, tmp_path: Path, transport: str) -> None:
    """Strangers send what is none, begin what they do not end, and post nonsense: cards are served.

    What the operator says of it is looked at when it has ended.
    """
    dice = random.Random(transport)
    url = network.ready[transport]
    post = wsp.Post(url.replace("wsp:", "http:"), codec.WBXML, dice.randbytes(500), ())
    nonsense = [dice.randbytes(dice.randrange(1, 1000)) for _ in range(200)]
    nonsense += [wtp.encode(wtp.Invoke(tid, post.encode())) for tid in range(200)]
    nonsense += [wsp.unit(tid, post) for tid in range(50)]
    where = ("127.0.0.1", urlsplit(url).port or 0)
    with ExitStack() as stack, phone(tmp_path, [transport], url) as device:
        for octets in nonsense[:100] if transport == "obex" else ():
            stack.enter_context(socket.create_connection(where)).sendall(octets)
        for octets in nonsense if transport != "obex" else ():
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
                stranger.sendto(octets, where)

        assert "00" == device.synchronize()
        assert is_equal(network, device)


def test_next_of_the_list(network: Network, tmp_path: Path) -> None:
    """Nobody listens at the ports of OBEX and WSP of this host: it goes by HTTP."""
    url = local(network.ready["url"])
    with phone(tmp_path, ["obex", "wsp-connectionless", "wsp", "http"], url) as device:
        assert "00" == device.synchronize()
        assert is_equal(network, device)

    assert ["9200", "9201", "8080"] == list(dict.fromkeys(each.port for each in tshark(tmp_path)))


def test_none_of_the_list(network: Network, tmp_path: Path) -> None:
    """No transport fits the address: refused at once, and not an octet is sent. R-52."""
    with phone(tmp_path, ["http", "wsp", "obex"], local(network.tls["url"])) as device:
        assert "none" == device.synchronize()
        assert "all: result 3E04, 0" in device.mobile.card.applet.journal
        assert 1 == variables(device.mobile.card)["bad"]
    assert [] == tshark(tmp_path)


@pytest.mark.parametrize("wrong", ["name", "expired", "unknown"])
def test_certificates(tmp_path: Path, wrong: str) -> None:
    """A false name, an expired certificate, an authority that is not ours: `3E 06`, nothing sent.

    The card hears it and does not try again by itself; HTTP, next in the list, is not taken.
    """
    ours, other = (Authority(made(tmp_path / name)) for name in ("ours", "other"))
    pem = {
        "name": ours.issue("operator.example"),
        "expired": ours.issue("127.0.0.1", ended=True),
        "unknown": other.issue("127.0.0.1"),
    }[wrong]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    with (
        serve(context) as server,
        phone(
            made(tmp_path / "phone"), ["https", "http"], server.url, authorities=str(ours.path)
        ) as device,
    ):
        result = device.synchronize()

        assert ("3E06", 1, []) == (result, variables(device.mobile.card)["bad"], server.seen)


def made(folder: Path) -> Path:
    """Make a folder."""
    folder.mkdir()
    return folder
