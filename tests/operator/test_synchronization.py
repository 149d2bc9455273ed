"""The SyncML endpoint with the real client session, the real database, and lost messages."""

import base64
import secrets
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest

from cardsync.errors import LocalError
from cardsync.octets.semi import swapped
from cardsync.operator.description import describe
from cardsync.operator.store import devices
from cardsync.operator.store.cards import Cards
from cardsync.operator.store.credentials import Accounts
from cardsync.operator.store.database import Database
from cardsync.operator.store.datastore import PostgresDatastore
from cardsync.operator.store.records import Place
from cardsync.operator.store.seal import MasterKey
from cardsync.operator.synchronization import Reply, Synchronization
from cardsync.ota.security import Algorithm, Key, KeySet
from cardsync.ota.token import build_token, derive_token_key
from cardsync.syncml import auth, codec, record
from cardsync.syncml.client import ClientConfig, ClientSession, DatabaseRequest
from cardsync.syncml.devinf import DevInf
from cardsync.syncml.elements import AlertCode, Meta, Status, Version
from cardsync.syncml.events import SessionResult
from cardsync.syncml.filters import ALL, Wanted
from cardsync.syncml.memory import MemoryClientDatastore
from cardsync.syncml.record import Application, Parameter

URL = "http://operator.example/dm"
IMEI = "IMEI:490154203237518"
ICCID = "8949000000000000017"
KID = bytes(range(16))
KEYS = KeySet(1, Key(Algorithm.AES, bytes(16)), Key(Algorithm.AES, KID))
REFRESH, TWO_WAY, SLOW = AlertCode.REFRESH_FROM_CLIENT, AlertCode.TWO_WAY, AlertCode.SLOW
START = datetime(2026, 3, 1, 12, tzinfo=UTC)


@dataclass
class Operator:
    """Two workers over one database, and a clock turned by hand; messages alternate."""

    database: Database
    cards: Cards
    now: datetime = START
    counter: int = 0
    served: int = 0
    bodies: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.accounts = Accounts(self.cards.master)
        self.workers = [
            Synchronization(self.database, self.cards, lambda: self.now) for _ in range(2)
        ]

    def post(self, url: str, body: bytes, content_type: str = codec.WBXML) -> Reply:
        """Serve one message by the next worker."""
        self.served += 1
        self.now += timedelta(milliseconds=10)
        self.bodies.append(body)
        worker = self.workers[self.served % 2]
        return worker.serve(body, content_type, urlsplit(url).query)

    def token(self, target: str = "devman", iccid: str = ICCID) -> bytes:
        """Make the next token of the card."""
        self.counter += 1
        octets = swapped(iccid).ljust(10, b"\xff")
        return build_token(derive_token_key(KID), octets, target, self.counter)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Ask the database."""
        with self.database.transaction() as connection:
            return connection.execute(query.encode()).fetchall()


@pytest.fixture
def operator(database: Database) -> Operator:
    """Give an operator with one card."""
    cards = Cards(database, MasterKey(secrets.token_bytes(32)))
    cards.import_card(ICCID, "262010000000001", None, (KEYS,), START)
    return Operator(database, cards)


def applications(count: int, version: str = "1.0") -> dict[str, bytes]:
    """Make a device's database: its name of each record, and the record."""
    made: dict[str, bytes] = {"0": Parameter("./DevInfo/Lang", "en").encode()}
    for n in range(1, count):
        one = Application(f"package-{n}", f"Package {n}", version, 4096 * n, installed=1700000000)
        made[str(n)] = one.encode()
    return made


def device(items: dict[str, bytes]) -> MemoryClientDatastore:
    """Make the datastore of a device."""
    store = MemoryClientDatastore("devman", record.CONTENT_TYPE, record.CONTENT_VERSION)
    for identifier, data in items.items():
        store.put(identifier, data)
    return store


def by_token(operator: Operator, name: str = IMEI, **how: str) -> auth.Account:
    """Make an account of a card's token."""
    token = base64.b64encode(operator.token(**how))
    return auth.Account(auth.Scheme.BASIC, name, token)


def session(
    operator: Operator,
    store: MemoryClientDatastore,
    kind: AlertCode = TWO_WAY,
    account: auth.Account | None = None,
    **settings: Any,
) -> ClientSession:
    """Begin a session of a device."""
    number = str(operator.served + 1)
    settings = {"device_id": IMEI, "session_id": number, "target": "devman"} | settings
    target, asked = settings.pop("target"), settings.pop("filter", ALL)
    partial = settings.pop("partial", False)
    request = DatabaseRequest(
        store, target, kind, f"anchor-{number}", filter=asked, is_partial=partial
    )
    return ClientSession(
        ClientConfig(
            url=URL,
            databases=(request,),
            account=account or by_token(operator),
            devinf=DevInf("1.2", IMEI, "phone", (), "Maker", "Model", software="1"),
            **settings,
        )
    )


def run(operator: Operator, client: ClientSession) -> SessionResult:
    """Let the two talk to the end."""
    while (octets := client.data_to_send()) is not None:
        reply = operator.post(client.url, octets)
        assert 200 == reply.status
        client.receive_data(reply.body)
    assert client.result is not None
    return client.result


def contents(operator: Operator, where: str = "true") -> list[bytes]:
    """Read what the operator has of all devices."""
    query = f"SELECT data FROM record WHERE data IS NOT NULL AND {where}"
    return sorted(data for (data,) in operator.rows(query))


def test_refresh_then_nothing_to_do(operator: Operator) -> None:
    """A refresh brings every record; the next two-way takes two round trips and no write."""
    store = device(applications(60))
    first = run(operator, session(operator, store, REFRESH))
    written = operator.rows("SELECT serial FROM device_database")
    second = run(operator, session(operator, store))
    log = operator.rows("SELECT asked, result, added, written FROM sync_log ORDER BY started")

    assert (200, 200) == (first.status, second.status)
    assert sorted(store.items().values()) == contents(operator)
    assert (2, 0) == (second.round_trips, second.databases[0].sent.total)
    assert written == operator.rows("SELECT serial FROM device_database")
    assert [(203, 200, 60, 60), (200, 200, 0, 0)] == log


def test_changes_of_both_sides(operator: Operator) -> None:
    """Two-way: what the device changed is here, what the operator changed is there."""
    store = device(applications(5))
    run(operator, session(operator, store, REFRESH))
    store.put("1", Application("package-1", "Package 1", "2.0").encode())
    store.remove("2")
    with operator.database.transaction() as connection:
        ours = PostgresDatastore(connection, place(operator), operator.now)
        ours.put("new", Parameter("./Ext/Operator", "x").encode())
        mine = next(change for change in ours.changes(None) if b"package-3" in (change.data or b""))
        ours.remove(mine.identifier)
    result = run(operator, session(operator, store))
    again = run(operator, session(operator, store))

    assert (200, 0) == (result.status, again.databases[0].sent.total)
    assert sorted(store.items().values()) == contents(operator)
    assert Parameter("./Ext/Operator", "x").encode() in store.items().values()
    assert 4 == len(store.items())


def test_what_filters_may_ask() -> None:
    """The device information names the properties, and says that fields go by themselves."""
    (store,) = describe("http://a.example/", "1.2", ["devman"]).datastores

    assert ("syncml:filtertype-cgi",) == tuple(each.type for each in store.filters)
    assert tuple("diknopstv") == store.filter_caps[0].properties
    assert store.ct_caps[0].field_level


def test_device_asks_for_some(operator: Operator) -> None:
    """A query over records keeps back what the operator added; without it that comes."""
    store = device(applications(3))
    run(operator, session(operator, store, REFRESH))
    with operator.database.transaction() as connection:
        ours = PostgresDatastore(connection, place(operator), operator.now)
        ours.put("a", Parameter("./Ext/Operator", "x").encode())
        ours.put("b", Parameter("./DevInfo/Other", "y").encode())
    some = run(operator, session(operator, store, filter=Wanted("P&CON;/Ext/")))
    between = len(store.items())
    again = run(operator, session(operator, store, filter=Wanted("P&CON;/Ext/")))
    every = run(operator, session(operator, store))

    assert (200, 200, 200) == (some.status, again.status, every.status)
    assert (True, False, True) == (some.slow, again.slow, every.slow)
    assert (4, 2) == (between, again.round_trips)
    assert sorted(store.items().values()) == contents(operator)
    assert 5 == len(store.items())


def test_device_asks_for_some_fields(operator: Operator) -> None:
    """The operator's other fields stay; without the filter the device is told of them."""
    store = device({})
    run(operator, session(operator, store, REFRESH))
    versions = Wanted(fields=("V",))
    with operator.database.transaction() as connection:
        ours = PostgresDatastore(connection, place(operator), operator.now)
        ours.put_all({each: Application(each, f"App {each}", "1", 70).encode() for each in "ab"})
    first = run(operator, session(operator, store, filter=versions))
    got = sorted(store.items().values())
    for name, data in store.items().items():
        store.put(name, data.replace(b'"v":"1"', b'"v":"2"'))
    second = run(operator, session(operator, store, filter=versions))
    between = contents(operator)
    store.put("c", Application("c", "C", "3", 8).encode())
    every = run(operator, session(operator, store, partial=True))

    assert (True, False, True) == (first.slow, second.slow, every.slow)
    assert (200, 200, 200) == (first.status, second.status, every.status)
    assert [Application(each, each, "1").encode() for each in "ab"] == got
    assert [Application(each, f"App {each}", "2", 70).encode() for each in "ab"] == between
    assert sorted(store.items().values()) == contents(operator)
    assert 3 == len(store.items())


def test_device_asks_for_nothing_else(operator: Operator) -> None:
    """What does not meet the query leaves the device and stays with the operator."""
    store = device(applications(3))
    run(operator, session(operator, store, REFRESH))
    asked = Wanted("I&NE;package-1", exclusive=True)
    first = run(operator, session(operator, store, filter=asked))
    here, all_of_it = len(store.items()), contents(operator)
    written = operator.rows("SELECT count(*) FROM record_history")
    store.put("2", Application("package-2", "Package 2", "2.0").encode())
    second = run(operator, session(operator, store, filter=asked))
    third = run(operator, session(operator, store, filter=asked))

    assert (200, 200, 200) == (first.status, second.status, third.status)
    assert (1, 0) == (first.databases[0].received.deleted, second.databases[0].received.total)
    assert (2, 3, 2) == (here, len(all_of_it), third.round_trips)
    assert [(0,)] == written
    assert 3 == len(contents(operator))


def place(operator: Operator, name: str = IMEI) -> Place:
    """Give the place of a device's database."""
    with operator.database.transaction() as connection:
        number = devices.find(connection, name)
    assert number is not None
    return Place(number, "devman")


def test_refresh_again_keeps_history(operator: Operator) -> None:
    """A second refresh writes what differs, with its history; what is gone is removed (R-12)."""
    store = device(applications(5))
    run(operator, session(operator, store, REFRESH))
    store.put("1", Application("package-1", "Package 1", "2.0").encode())
    store.remove("2")
    run(operator, session(operator, store, REFRESH))
    history = operator.rows("SELECT key, ended_by FROM record_history ORDER BY key")

    assert [("package-1", "replace"), ("package-2", "refresh")] == history
    assert sorted(store.items().values()) == contents(operator)


def test_every_message_twice_and_by_other_workers(operator: Operator) -> None:
    """A message that comes again gets the reply that was kept, from any worker; nothing twice."""
    store = device(applications(400))
    client = session(operator, store, REFRESH, max_msg_size=8192)
    while (octets := client.data_to_send()) is not None:
        url = client.url
        before = operator.rows("SELECT serial, epoch FROM device_database")
        first = operator.post(url, octets)
        after = operator.rows("SELECT serial, epoch FROM device_database")
        assert first == operator.post(url, octets)
        assert after == operator.rows("SELECT serial, epoch FROM device_database")
        assert before != after or client._phase < 3
        client.receive_data(first.body)

    assert client.result is not None
    assert 200 == client.result.status
    assert client.result.round_trips > 5
    assert sorted(store.items().values()) == contents(operator)


def test_interrupted_session_then_another(operator: Operator) -> None:
    """A session that ends in the middle leaves nothing that the next one does not put right."""
    store = device(applications(400))
    run(operator, session(operator, store, REFRESH))
    for n in range(1, 400, 3):
        store.put(str(n), Application(f"package-{n}", f"Package {n}", "2.0").encode())
    for n in range(2, 400, 3):
        store.remove(str(n))
    for kind in (TWO_WAY, SLOW, REFRESH):
        client = session(operator, store, kind, max_msg_size=4096)
        for _ in range(3):
            octets = client.data_to_send()
            assert octets is not None
            client.receive_data(operator.post(client.url, octets).body)
    result = run(operator, session(operator, store))

    assert 200 == result.status
    assert sorted(store.items().values()) == contents(operator)


def test_new_device_is_registered_and_described(operator: Operator) -> None:
    """An unknown IMEI with a genuine token becomes a device, paired with the card (R-12)."""
    run(operator, session(operator, device(applications(3)), REFRESH))
    with operator.database.transaction() as connection:
        one = devices.search(connection, "")[0]

    assert (IMEI, "490154203237518", ICCID) == (one.name, one.imei, one.iccid)
    assert ("Maker", "Model", "1") == (one.manufacturer, one.model, one.software)
    assert (1, 2) == (one.parameters, one.applications)
    assert one.synchronized is not None


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("IMEI:49", True),
        ("490154", True),
        ("8949", True),
        ("package-1", True),
        ("package-1 1.0", True),
        ("package-1 2", False),
        ("pack%", False),
        ("nothing", False),
        ("", True),
    ],
)
def test_search(operator: Operator, words: str, found: bool) -> None:
    """Devices are found by IMEI, ICCID, application and version (R-12)."""
    run(operator, session(operator, device(applications(3)), REFRESH))
    with operator.database.transaction() as connection:
        assert found == bool(devices.search(connection, words))


def test_card_moves_to_another_device(operator: Operator) -> None:
    """The card in another device is noted at both; each keeps its own records."""
    other = "IMEI:356938035643809"
    run(operator, session(operator, device(applications(3)), REFRESH))
    account = by_token(operator, other)
    run(operator, session(operator, device(applications(2)), REFRESH, account, device_id=other))
    pairs = operator.rows("SELECT name, device.iccid FROM device ORDER BY device_id")
    moves = operator.rows("SELECT device_id, iccid, came_from FROM pairing ORDER BY since")

    assert [(IMEI, None), (other, ICCID)] == pairs
    assert [(1, ICCID, None), (2, ICCID, 1)] == moves
    assert (3, 2) == (
        len(contents(operator, "device_id=1")),
        len(contents(operator, "device_id=2")),
    )


def refused(operator: Operator, account: auth.Account, **settings: Any) -> SessionResult:
    """Run a session that must leave nothing behind."""
    result = run(operator, session(operator, device(applications(3)), REFRESH, account, **settings))
    assert [] == contents(operator)
    assert [] == operator.rows("SELECT 1 FROM device UNION ALL SELECT 1 FROM sync_session")
    return result


def test_strangers_leave_nothing_behind(operator: Operator) -> None:
    """Status 401 for whatever is no genuine token for this database; no row is written."""
    good = operator.token()
    cases = [
        b"password",
        base64.b64encode(good[:-1] + bytes([good[-1] ^ 1])),
        base64.b64encode(operator.token("other")),
        base64.b64encode(operator.token(iccid="8949000000000000025")),
    ]
    results = [refused(operator, auth.Account(auth.Scheme.BASIC, IMEI, each)) for each in cases]
    unknown = refused(operator, auth.Account(auth.Scheme.BASIC, "nobody", b"password"))

    assert [401] * 5 == [result.status for result in [*results, unknown]]


def test_token_opens_one_session(operator: Operator) -> None:
    """A second session with the same token is refused (O-5)."""
    account = by_token(operator)
    store = device(applications(3))
    first = run(operator, session(operator, store, REFRESH, account))
    second = run(operator, session(operator, store, REFRESH, account))

    assert (200, 401) == (first.status, second.status)


def test_session_begun_anew_after_a_power_loss(operator: Operator) -> None:
    """The same order may begin its session anew while it is not over, another one may not (O-3)."""
    account = by_token(operator)
    store = device(applications(200))
    for _ in range(2):
        client = session(operator, store, REFRESH, account, session_id="7", max_msg_size=4096)
        for _ in range(3):
            url, octets = client.url, client.data_to_send()
            client.receive_data(operator.post(url, octets or b"").body)
    other = run(operator, session(operator, store, REFRESH, account, session_id="8"))
    whole = run(operator, session(operator, store, REFRESH, account, session_id="7"))
    after = run(operator, session(operator, store, REFRESH, account, session_id="7"))

    assert (401, 200, 401) == (other.status, whole.status, after.status)
    assert sorted(store.items().values()) == contents(operator)


def test_token_is_for_one_database(operator: Operator) -> None:
    """The database that the token was made for is the only one in the session (O-5)."""
    store = device(applications(3))
    good, other = device(applications(3)), MemoryClientDatastore("other")
    client = ClientSession(
        ClientConfig(
            url=URL,
            device_id=IMEI,
            session_id="1",
            databases=(
                DatabaseRequest(good, "./devman", REFRESH, "1"),
                DatabaseRequest(other, "./other", REFRESH, "1"),
            ),
            account=by_token(operator, target="./devman"),
        )
    )
    result = run(operator, client)

    assert [200, 404] == [each.status for each in result.databases]
    assert sorted(store.items().values()) == contents(operator)


def test_session_key_is_needed_to_go_on(operator: Operator) -> None:
    """Who does not know the key from RespURI cannot go on in somebody's session."""
    client = session(operator, device(applications(3)), REFRESH)
    client.receive_data(operator.post(client.url, client.data_to_send() or b"").body)
    second = client.data_to_send() or b""
    before = operator.rows("SELECT * FROM sync_session")
    for url in (URL, URL + "?s=1.x", URL + "?s=x", URL + "?s=99999999999999999999.x"):
        reply = codec.decode(operator.post(url, second).body, codec.WBXML)
        codes = [getattr(command, "code", None) for command in reply.commands]
        assert {407} == set(codes)
    kept = operator.rows("SELECT * FROM sync_session")
    client.receive_data(operator.post(client.url, second).body)

    assert before == kept
    assert client.result is not None
    assert 200 == client.result.status


def test_message_out_of_turn(operator: Operator) -> None:
    """A message that is not the next one is refused, and changes nothing of the session."""
    client = session(operator, device(applications(3)), REFRESH)
    client.receive_data(operator.post(client.url, client.data_to_send() or b"").body)
    second = client.data_to_send() or b""
    message = codec.decode(second, codec.WBXML)
    header = replace(message.header, msg_id=7, meta=Meta(max_msg_size=9999))
    strange = codec.encode(replace(message, header=header), codec.WBXML)
    before = operator.rows("SELECT * FROM sync_session")
    refusal = codec.decode(operator.post(client.url, strange).body, codec.WBXML)
    after = operator.rows("SELECT * FROM sync_session")

    assert before == after
    assert 400 == getattr(refusal.commands[0], "code", None)
    client.receive_data(operator.post(client.url, second).body)
    assert client.result is not None
    assert client.result.ok


def test_user_with_password(operator: Operator) -> None:
    """A peer without a card has a user and a password; its devices are its own."""
    with operator.database.transaction() as connection:
        operator.accounts.set_password(connection, "lab", b"secret")
        operator.accounts.set_password(connection, "other", b"secret")
    for user in ("lab", "other"):
        account = auth.Account(auth.Scheme.BASIC, user, b"secret")
        result = run(operator, session(operator, device(applications(300)), REFRESH, account))
        assert 200 == result.status
    wrong = auth.Account(auth.Scheme.BASIC, "lab", b"guess")
    refusal = run(operator, session(operator, device(applications(3)), REFRESH, wrong))
    names = operator.rows("SELECT name FROM device ORDER BY name")

    assert 401 == refusal.status
    assert [(f"lab: {IMEI}",), (f"other: {IMEI}",)] == names


def lab(operator: Operator, scheme: auth.Scheme, nonce: bytes = b"") -> auth.Account:
    """Make the account of a user without a card, and what the user shows."""
    with operator.database.transaction() as connection:
        operator.accounts.set_password(connection, "lab", b"secret")
    return auth.Account(scheme, "lab", b"secret", nonce)


@pytest.mark.parametrize("version", Version)
def test_user_with_a_digest(operator: Operator, version: Version) -> None:
    """MD5: the first digest lacks the nonce, the second one has it, and it is good once."""
    account, store = lab(operator, auth.Scheme.MD5), device(applications(3))
    told = run(operator, session(operator, store, REFRESH, account, version=version))
    anew = run(operator, session(operator, store, TWO_WAY, account, version=version))

    assert (200, 3, 200, 3) == (told.status, told.round_trips, anew.status, anew.round_trips)
    assert [(f"lab: {IMEI}", 2)] == operator.rows("SELECT name, proofs FROM device")


def test_digest_that_was_seen_is_refused(operator: Operator) -> None:
    """Whoever repeats the credentials of a session in one of his own gets a new challenge."""
    account, store = lab(operator, auth.Scheme.MD5), device(applications(3))
    told = run(operator, session(operator, store, REFRESH, account))
    shown = codec.decode(operator.bodies[-told.round_trips :][1], codec.WBXML)
    stolen = replace(shown, header=replace(shown.header, session_id="999", msg_id=1))
    reply = operator.post(URL, codec.encode(stolen, codec.WBXML))
    status = codec.decode(reply.body, codec.WBXML).commands[0]

    assert isinstance(status, Status)
    assert status.chal is not None
    assert (401, auth.Scheme.MD5) == (status.code, auth.read_challenge(status.chal).scheme)


def test_wrong_digests_leave_nothing_behind(operator: Operator) -> None:
    """A wrong password, an unknown user: 401, and no row."""
    lab(operator, auth.Scheme.MD5)
    for user in ("lab", "nobody"):
        account = auth.Account(auth.Scheme.MD5, user, b"guess")
        refusal = run(operator, session(operator, device(applications(3)), REFRESH, account))
        assert 401 == refusal.status
    account = auth.Account(auth.Scheme.MD5, "nul\0", b"guess")
    client = session(operator, device({}), REFRESH, account)

    assert 400 == operator.post(URL, client.data_to_send() or b"").status
    assert [] == operator.rows("SELECT name FROM device")


def test_mac_beside_the_message(operator: Operator) -> None:
    """`x-syncml-hmac` over one message: refused with a nonce, taken with it, once."""
    account = lab(operator, auth.Scheme.MAC)
    client = session(operator, device(applications(3)), REFRESH, put_devinf=False)
    bare = codec.decode(client.data_to_send() or b"", codec.WBXML)
    codes = []
    for number in ("1", "2", "3"):
        header = replace(bare.header, cred=None, session_id=number)
        body = codec.encode(replace(bare, header=header), codec.WBXML)
        mac = auth.write_hmac(account, body)
        reply = operator.workers[0].serve(body, codec.WBXML, "", mac)
        status = codec.decode(reply.body, codec.WBXML).commands[0]
        assert isinstance(status, Status)
        assert status.chal is not None
        assert "syncml:auth-MAC" == status.chal.meta.type
        nonce = base64.b64decode(status.chal.meta.next_nonce or "")
        codes.append(status.code)
        if number == "1":
            account = replace(account, nonce=nonce)

    assert [401, 200, 401] == codes
    assert [(f"lab: {IMEI}",)] == operator.rows("SELECT name FROM device")


def test_passwords_are_sealed(operator: Operator) -> None:
    """The database alone does not tell a password; what cannot be an account is refused."""
    lab(operator, auth.Scheme.BASIC)
    ((sealed,),) = operator.rows("SELECT sealed FROM credential")
    refused = [("a:b", b"x"), ("", b"x"), ("a\n", b"x"), ("a", b""), ("a" * 65, b"x")]

    assert b"secret" not in bytes(sealed)
    with operator.database.transaction() as connection:
        for user, password in refused:
            with pytest.raises(LocalError):
                operator.accounts.set_password(connection, user, password)
        assert operator.accounts.remove(connection, "lab")
        assert not operator.accounts.remove(connection, "lab")


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b"\x00", codec.WBXML, 415),
        (b"", codec.WBXML, 400),
        (b"<SyncML/>", codec.XML, 400),
        (b"hello", "text/plain", 415),
    ],
)
def test_no_syncml(operator: Operator, body: bytes, content_type: str, status: int) -> None:
    """What cannot be read is answered by HTTP, and does no harm."""
    assert status == operator.post(URL, body, content_type).status


def test_xml_too(operator: Operator) -> None:
    """The reply has the representation of the request, parameters of its type aside."""
    store = device(applications(40))
    client = session(operator, store, REFRESH, content_type=codec.XML)
    while (octets := client.data_to_send()) is not None:
        reply = operator.post(client.url, octets, codec.XML + "; charset=UTF-8")
        assert codec.XML == reply.content_type
        client.receive_data(reply.body)

    assert client.result is not None
    assert client.result.ok
    assert sorted(store.items().values()) == contents(operator)


# --- the operator's own account -------------------------------------------------------------

OWN = auth.Account(auth.Scheme.MD5, "the operator", b"own secret")


@dataclass
class Judge:
    """A client's memory of the operator: the nonce that it gave."""

    wanted: auth.Scheme
    password: bytes = OWN.password
    nonce: bytes = b""
    given: int = 0

    def __call__(self, proof: auth.Proof | None, _server: str) -> auth.AuthResult:
        """Judge what the operator shows."""
        self.given += 1
        nonces = self.nonce, b"nonce %d" % self.given
        known = {OWN.user: self.password}
        result, self.nonce = auth.judge(proof, known, nonces, self.wanted, least=self.wanted)
        return result


class Talk:
    """A user's device, and an operator with an account, which answers every message twice."""

    def __init__(self, operator: Operator, ours: auth.Scheme | None, theirs: auth.Scheme) -> None:
        self.operator, self.store = operator, device(applications(20))
        self.account = replace(lab(operator, auth.Scheme.BASIC), scheme=ours)
        self.judge = Judge(theirs)
        self.replies: list[Reply] = []
        own = replace(OWN, scheme=theirs)
        operator.workers = [
            Synchronization(operator.database, operator.cards, lambda: operator.now, own)
            for _ in range(2)
        ]

    def run(self, account: auth.Account | None, *, first: bool = False) -> SessionResult:
        """Synchronize; give the end."""
        client = session(
            self.operator, self.store, REFRESH if first else TWO_WAY, account,
            beside=True, authenticate=self.judge if account else None, max_msg_size=2048,
        )  # fmt: skip
        while (octets := client.data_to_send()) is not None:
            told, query = self.judge.nonce, client.url.partition("?")[2]
            replies = [
                worker.serve(octets, codec.WBXML, query, client.mac)
                for worker in self.operator.workers
            ]
            if client.so_far[1] or codec.decode(octets, codec.WBXML).header.msg_id > 2:
                assert replies[0] == replies[1]
            self.operator.served += 1
            self.replies.append(replies[0])
            client.receive_data(replies[0].body, replies[0].mac)
        assert client.result
        self.judge.nonce = told  # of a later one the operator has not heard
        self.account = replace(self.account, nonce=client.account.nonce if client.account else b"")
        return client.result


@pytest.mark.parametrize("theirs", auth.Scheme)
@pytest.mark.parametrize("ours", auth.Scheme)
def test_both_show_themselves(operator: Operator, ours: auth.Scheme, theirs: auth.Scheme) -> None:
    """Basic, MD5 and MAC both ways; another worker gives the same reply with the same MAC."""
    talk = Talk(operator, ours, theirs)
    results = [talk.run(talk.account, first=True), talk.run(talk.account)]

    assert [200, 200] == [each.status for each in results]
    assert 2 == results[1].round_trips, "both remember the nonces"


def test_another_operator(operator: Operator) -> None:
    """One with another password gets nothing."""
    talk = Talk(operator, auth.Scheme.MD5, auth.Scheme.MD5)
    talk.judge.password = b"another secret"

    assert 401 == talk.run(talk.account, first=True).status
    assert [(0,)] == operator.rows("SELECT count(*) FROM record")


@pytest.mark.parametrize("scheme", auth.Scheme)
def test_card_is_shown_nothing(operator: Operator, scheme: auth.Scheme) -> None:
    """A session that a card ordered costs what it cost: not an octet more on the air."""
    talk = Talk(operator, None, scheme)

    assert [200, 200] == [talk.run(None, first=True).status, talk.run(None).status]
    for reply in talk.replies:
        assert reply.mac is None
        assert codec.decode(reply.body, codec.WBXML).header.cred is None


def test_user_who_shows_nothing_is_asked_for_a_digest(operator: Operator) -> None:
    """He is named beside his device, so the nonce is his: three messages, and then two."""
    talk = Talk(operator, None, auth.Scheme.MD5)
    trips = [talk.run(talk.account, first=True).round_trips, talk.run(talk.account).round_trips]
    client = session(operator, talk.store, TWO_WAY, replace(talk.account, scheme=None))
    reply = operator.post(client.url, client.data_to_send() or b"")
    status = codec.decode(reply.body, codec.WBXML).commands[0]

    assert isinstance(status, Status)
    assert (407, "syncml:auth-md5") == (status.code, status.chal and status.chal.meta.type)
    assert trips[0] > trips[1]
