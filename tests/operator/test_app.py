"""Pages, API and endpoint in front of a real database."""

import asyncio
import re
import secrets
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import httpx
import psycopg
import pytest

from cardsync.operator import endpoint
from cardsync.operator.app import App
from cardsync.operator.arrivals import Arrivals
from cardsync.operator.endpoint import MAX_BODY, Endpoint
from cardsync.operator.store import devices
from cardsync.operator.store.cards import Cards
from cardsync.operator.store.database import Database
from cardsync.operator.store.datastore import PostgresDatastore
from cardsync.operator.store.records import Place
from cardsync.operator.store.seal import MasterKey
from cardsync.operator.synchronization import Reply, Synchronization
from cardsync.syncml import codec
from cardsync.syncml.datastore import Change, ChangeKind
from cardsync.syncml.record import Application, Kind, Parameter, collection_digest

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
RECORDS = (
    Parameter("./DevInfo/Lang", "en"),
    Parameter("./DevInfo/Mod", "<script>alert(1)</script>"),
    Application("zlib1g", "Zlib", "1:1.2.13", 168 * 1024, Kind.LIBRARY, 1700000000),
    Application("bash", "bash", "5.2", None, parameters=(("login", "yes"),)),
)


@pytest.fixture
def app(database: Database) -> App:
    """Give the application over the worker's database."""
    cards = Cards(database, MasterKey(secrets.token_bytes(32)))
    return App(database, Synchronization(database, cards), Arrivals(database, cards))


class Browser:
    """Asks the application without a network, from an address and under a name."""

    def __init__(self, app: App, name: str = "localhost", address: str = "127.0.0.1") -> None:
        self.transport = httpx.ASGITransport(app, client=(address, 1))
        self.url = f"http://{name}"

    def request(self, method: str, path: str, **settings: Any) -> httpx.Response:
        """Send a request."""

        async def send() -> httpx.Response:
            async with httpx.AsyncClient(transport=self.transport, base_url=self.url) as client:
                return await client.request(method, path, **settings)

        return asyncio.run(send())

    def get(self, path: str, **settings: Any) -> httpx.Response:
        """Get a page."""
        return self.request("GET", path, **settings)


@pytest.fixture
def client(app: App) -> Browser:
    """Give a browser on this machine."""
    return Browser(app)


@pytest.fixture
def number(database: Database) -> int:
    """Make a device with some records and some history."""
    with database.transaction() as connection:
        made = devices.new_number(connection)
        devices.register(connection, made, "IMEI:490154203237518", NOW)
        devices.pair(connection, made, "8949000000000000017", NOW)
        store = PostgresDatastore(connection, Place(made, "devman"), NOW)
        old = Application("bash", "bash", "5.1").encode()
        store.apply([Change(ChangeKind.ADD, "", old, "bash")])
        store.apply([Change(ChangeKind.REPLACE, "", one.encode(), one.key) for one in RECORDS])
    return made


def test_list_of_devices(client: Browser, number: int) -> None:
    """The first page shows each device with its card and its counts."""
    page = client.get("/").text

    assert f'href="/devices/{number}"' in page
    assert "IMEI:490154203237518" in page
    assert "8949000000000000017" in page


@pytest.mark.parametrize(
    ("words", "found"), [("bash 5.2", True), ("bash 5.1", False), ("4901", True), ("%", False)]
)
def test_search(client: Browser, number: int, words: str, found: bool) -> None:
    """The search finds by identity, application and version (R-12)."""
    page = client.get("/", params={"q": words})
    listed = client.get("/api/devices", params={"q": words}).json()

    assert found == (f'href="/devices/{number}"' in page.text)
    assert found == bool(listed)


def test_page_of_a_device(client: Browser, number: int) -> None:
    """Parameters as a tree, applications with version, size and kind, and the history."""
    page = client.get(f"/devices/{number}").text

    for shown in ("Lang", "Zlib", "1:1.2.13", "168.0 KiB", "Library", "2023-11-14", "login = yes"):
        assert shown in page
    assert "5.1" in page.partition('id="history"')[2]


def test_pages_are_escaped(client: Browser, number: int) -> None:
    """What a device says of itself is text, never markup."""
    page = client.get(f"/devices/{number}").text
    search = client.get("/", params={"q": '"><script>'}).text

    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<script" not in page + search


def test_unknown_device(client: Browser) -> None:
    """A device that is not there is 404, as a page and as JSON."""
    for path in ("/devices/1", f"/devices/{2**70}", "/api/devices/1", f"/api/devices/{2**70}"):
        assert 404 == client.get(path).status_code
    assert "Not found" in client.get("/devices/1").text


def test_nothing_from_elsewhere(client: Browser, number: int) -> None:
    """Every answer has the strict policy; pages name only our own files, which exist."""
    for path in ("/", f"/devices/{number}", "/nowhere", "/api/devices", "/static/console.css"):
        headers = client.get(path).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert "nosniff" == headers["x-content-type-options"]
        assert "no-store" == headers["cache-control"]
    page = client.get(f"/devices/{number}").text
    links = re.findall(r'(?:href|src|action)="([^"]+)"', page)

    assert all(link.startswith(("/", "#")) for link in links)
    assert "style=" not in page
    assert "@import" not in client.get("/static/console.css").text
    assert {200} == {client.get(link).status_code for link in links if "static" in link}


def test_page_reads_well_without_eyes(client: Browser, number: int) -> None:
    """Language, landmarks, one first heading, headers of columns and rows, labels."""
    page = client.get(f"/devices/{number}").text

    for part in ('lang="en"', "<main", "<header", "<footer", "<nav", 'class="skip"'):
        assert part in page
    assert 1 == page.count("<h1")
    assert page.count("<th ") == page.count('scope="')
    assert 'label for="q"' in page


def test_only_from_this_machine(app: App) -> None:
    """Pages and API have no log-in, so they answer to this machine under its own names only."""
    stranger = Browser(app, address="192.0.2.1")
    rebound = Browser(app, "elsewhere.example")
    nobody = Browser(app, address="unknown")

    assert 403 == stranger.get("/").status_code
    assert 403 == nobody.get("/api/devices").status_code
    assert 400 == rebound.get("/").status_code
    assert 405 == stranger.get("/dm").status_code


def test_api_of_a_device(client: Browser, number: int) -> None:
    """The digest of a database is the one that the device computes over its own records."""
    one = client.get(f"/api/devices/{number}").json()
    records = client.get(f"/api/devices/{number}/records").json()
    first = client.get(f"/api/devices/{number}/records", params={"limit": 1}).json()
    after = {"after": first[0]["guid"]}
    rest = client.get(f"/api/devices/{number}/records", params=after).json()

    assert [{"name": "devman", "records": 4, "digest": collection_digest(RECORDS)}] == one[
        "databases"
    ]
    assert (2, 2) == (one["parameters"], one["applications"])
    assert {one.key for one in RECORDS} == {each["key"] for each in records}
    assert records == first + rest
    assert [] == client.get(f"/api/devices/{number}/log").json()
    assert [] == client.get(f"/api/devices/{number}/records?database=%00other").json()


def test_openapi_describes_the_api(client: Browser) -> None:
    """The description names every route of the API and no page."""
    paths = set(client.get("/api/openapi.json").json()["paths"])

    assert {
        "/api/devices",
        "/api/devices/{device_id}",
        "/api/devices/{device_id}/records",
        "/api/devices/{device_id}/log",
        "/api/cards/{iccid}/reports",
    } == paths


def test_health(client: Browser) -> None:
    """Who watches sees that the database answers."""
    assert {"status": "ok"} == client.get("/healthz").json()


def test_pages_without_a_database(server: str) -> None:
    """503 with Retry-After while the database is away, on every page."""
    closed = Database(server)
    cards = Cards(closed, MasterKey(bytes(32)))
    app = App(closed, Synchronization(closed, cards), Arrivals(closed, cards))
    for path in ("/", "/healthz", "/api/devices"):
        answer = Browser(app).get(path)
        assert (503, "2") == (answer.status_code, answer.headers["retry-after"])


@pytest.mark.parametrize(
    ("method", "headers", "body", "status"),
    [
        ("GET", {}, b"", 405),
        ("POST", {"content-type": "text/html"}, b"x", 415),
        ("POST", {}, b"x", 415),
        ("POST", {"content-type": codec.WBXML}, bytes(MAX_BODY + 1), 413),
        ("POST", {"content-type": codec.WBXML, "content-length": "x"}, b"x", 413),
        ("POST", {"content-type": codec.XML}, b"<a/>", 400),
    ],
)
def test_endpoint_refuses(
    client: Browser, method: str, headers: dict[str, str], body: bytes, status: int
) -> None:
    """Method, type and length are refused by the head of the request."""
    assert status == client.request(method, "/dm", headers=headers, content=body).status_code


class Stub(Synchronization):
    """Answers, or fails, as it is told."""

    def __init__(self, outcome: Reply | Exception) -> None:
        self.outcome = outcome

    def serve(
        self, body: bytes, content_type: str, query: str | None, beside: str | None = None
    ) -> Reply:
        """Do as told."""
        if isinstance(self.outcome, Exception):
            raise self.outcome
        heard = body + (query or "").encode() + (beside or "").encode()
        return Reply(200, content_type, heard, self.outcome.mac)


def call(
    outcome: Reply | Exception, events: list[dict[str, Any]], *headers: tuple[bytes, bytes]
) -> list[dict[str, Any]]:
    """Call the endpoint as a server does; give what it sends. After its events there is silence."""
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        if not events:
            await asyncio.sleep(60)
        return events.pop(0)

    async def send(event: Any) -> None:
        sent.append(event)

    scope = {
        "type": "http",
        "method": "POST",
        "query_string": b"s=1",
        "headers": [(b"content-type", codec.WBXML.encode()), *headers],
    }
    asyncio.run(Endpoint(Stub(outcome))(scope, receive, send))
    return sent


LENGTH = (b"content-length", b"2")
CHUNKED = (b"transfer-encoding", b"chunked")
DONE = {"type": "http.request", "body": b"b"}
PART = {"type": "http.request", "body": b"a", "more_body": True}
OK = Reply(200, "", b"")


def test_endpoint_joins_the_pieces() -> None:
    """A body may come in pieces, with its length or chunked."""
    for header in (LENGTH, CHUNKED):
        start, body = call(OK, [PART, DONE], header)
        assert (200, b"abs=1") == (start["status"], body["body"])


def test_endpoint_has_a_mac_beside_its_messages() -> None:
    """`x-syncml-hmac` both ways: a field of HTTP, and the same by WSP and OBEX."""
    told = replace(OK, mac='username="ö"')
    start, body = call(told, [DONE], LENGTH, (b"x-syncml-hmac", b"ours"))
    other = Endpoint(Stub(told)).answer(b"b", codec.XML, None, {"x-syncml-hmac": "ours"})

    assert (b"x-syncml-hmac", 'username="ö"'.encode()) in start["headers"]
    assert b"bs=1ours" == body["body"]
    assert (200, codec.XML, b"bours", {"x-syncml-hmac": told.mac}) == asyncio.run(other)


def test_endpoint_wants_a_length() -> None:
    """411 for a body that is neither announced nor chunked."""
    assert 411 == call(OK, [DONE])[0]["status"]


def test_endpoint_counts_what_comes() -> None:
    """413 as soon as a chunked body is too long, without reading on."""
    endless = [{**PART, "body": bytes(MAX_BODY // 2)} for _ in range(4)]
    sent = call(OK, endless, CHUNKED)

    assert 413 == sent[0]["status"]
    assert (b"connection", b"close") in sent[0]["headers"]
    assert 1 == len(endless)


def test_endpoint_does_not_wait_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """408 for a body that does not come."""
    monkeypatch.setattr(endpoint, "BODY_SECONDS", 0.05)

    assert 408 == call(OK, [PART], LENGTH)[0]["status"]


def test_endpoint_notices_who_is_gone() -> None:
    """Nothing is sent to a caller that closed the connection."""
    assert [] == call(OK, [PART, {"type": "http.disconnect"}], LENGTH)


def test_endpoint_without_a_database(caplog: pytest.LogCaptureFixture) -> None:
    """503 with Retry-After while the database is away; the log tells no content."""
    sent = call(psycopg.OperationalError("subscriber"), [DONE], LENGTH)

    assert 503 == sent[0]["status"]
    assert (b"retry-after", b"2") in sent[0]["headers"]
    assert "subscriber" not in caplog.text


def test_endpoint_survives_our_own_mistakes(caplog: pytest.LogCaptureFixture) -> None:
    """500 for any other failure; the log tells what and where, but no content."""
    sent = call(KeyError("subscriber"), [DONE], LENGTH)

    assert 500 == sent[0]["status"]
    assert "KeyError" in caplog.text
    assert "subscriber" not in caplog.text


@pytest.mark.parametrize(
    ("content_type", "size", "status"),
    [(codec.WBXML, 2, 200), (f"{codec.XML}; charset=utf-8", 2, 200), ("text/plain", 2, 415),
     ("", 0, 415), (codec.WBXML, endpoint.MAX_BODY + 1, 413)],
)  # fmt: skip
def test_other_carriers_have_the_same_bounds(content_type: str, size: int, status: int) -> None:
    """WSP and OBEX bring their messages here: type and size are looked at as those of HTTP."""
    reply = asyncio.run(Endpoint(Stub(OK)).answer(bytes(size), content_type, None))

    assert status == reply[0]
