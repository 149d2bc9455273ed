"""The page that a card opens: its token is taken once, in its window; in real Chromium. O-4."""

import asyncio
import secrets
import threading
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from html import unescape

import httpx
import pytest
import uvicorn
from playwright.sync_api import expect, sync_playwright

from cardsync.octets.semi import swapped
from cardsync.operator import arrivals
from cardsync.operator.app import HEADERS, App
from cardsync.operator.arrivals import Arrivals, Visit
from cardsync.operator.console.phone import _TEXTS, PhonePage
from cardsync.operator.journal import journal_since
from cardsync.operator.reports import Reports
from cardsync.operator.store import devices
from cardsync.operator.store.cards import TOKEN_WINDOW, Cards
from cardsync.operator.store.database import Database
from cardsync.operator.store.seal import MasterKey
from cardsync.operator.synchronization import Synchronization
from cardsync.ota.report import Report, ReportReason, secure_report
from cardsync.ota.token import PAGE_TARGET, build_token, derive_token_key
from mobiles import ICCID, IMEI, IMSI, KEYS, WRONG_KEYS
from peers import need

NOW = datetime(2026, 11, 23, 1, 0, tzinfo=UTC)
AGENT = "Mozilla/5.0 (Linux; Android 6.0) Phone/1.0"


class Site:
    """The operator's pages, asked from somewhere; `now` is its clock."""

    def __init__(self, database: Database) -> None:
        self.now = NOW
        self.database = database
        self.cards = Cards(database, MasterKey(secrets.token_bytes(32)))
        self.cards.import_card(ICCID, IMSI, "+491700000001", (KEYS,), NOW)
        made = Arrivals(database, self.cards)
        self.app = App(database, Synchronization(database, self.cards), made)
        self.app._phone = PhonePage(made, HEADERS, clock=lambda: self.now)

    def ask(self, token: str, method: str = "GET", **headers: str) -> httpx.Response:
        """Ask for the page from elsewhere, under the name that the operator has there."""
        transport = httpx.ASGITransport(self.app, client=("192.0.2.7", 1))
        told = {"user-agent": AGENT, **{name.replace("_", "-"): v for name, v in headers.items()}}

        async def send() -> httpx.Response:
            async with httpx.AsyncClient(
                transport=transport, base_url="https://dm.operator.example"
            ) as client:
                return await client.request(method, f"/phone?t={token}", headers=told)

        return asyncio.run(send())

    @property
    def kept(self) -> tuple[list[Visit], list[str], list[tuple[object, ...]]]:
        """Everything that a page could change: visits, the journal, the last token."""
        with self.database.transaction() as connection:
            lines = [entry.what for entry in journal_since(connection)]
            last = connection.execute("SELECT * FROM card_token").fetchall()
            return arrivals.recent(connection, ICCID), lines, last


@pytest.fixture
def site(database: Database) -> Site:
    """Give the pages of an operator with one card."""
    with database.transaction() as connection:
        connection.execute("TRUNCATE outbox, journal")
    return Site(database)


def token(counter: int, key: bytes = KEYS.kid.octets, target: str = PAGE_TARGET) -> str:
    """Make the token in the address, as the card does."""
    iccid = swapped(ICCID.ljust(20, "F"))
    return urlsafe_b64encode(build_token(derive_token_key(key), iccid, target, counter)).decode()


def test_browser_arrives(site: Site) -> None:
    """The page says what happens; that a browser came stands in the record, without an address."""
    page = site.ask(token(5), accept_language="en")
    visits, lines, _ = site.kept

    assert 200 == page.status_code
    assert "Thank you" in page.text
    assert AGENT in page.text
    assert [Visit(5, NOW, AGENT, "en")] == visits
    assert [f"browser at the card's page: {AGENT}"] == lines
    assert "192.0.2.7" not in str(visits) + str(lines)


@pytest.mark.parametrize(
    ("wanted", "spoken"),
    [("de-AT,de;q=0.9,en;q=0.5", "de"), ("xx, fi", "fi"), ("fr", "fr"), ("", "en"), ("zz", "en")],
)
def test_language_of_the_browser(site: Site, wanted: str, spoken: str) -> None:
    """Where the card has not told a language it is the one that the browser prefers."""
    page = site.ask(token(1), accept_language=wanted)

    assert f'<html lang="{spoken}">' in page.text
    assert _TEXTS[spoken]["good"]["heading"] in unescape(page.text)
    assert spoken == page.headers["content-language"]


def test_language_of_the_subscriber(site: Site) -> None:
    """The language that the card has reported of its phone comes before that of the browser."""
    report = Report(ReportReason.FALLBACK, IMEI, language="de")
    Reports(site.database, site.cards).take(ICCID, secure_report(report, KEYS, 1), "sms", NOW)

    assert '<html lang="de">' in site.ask(token(1), accept_language="fr").text


def test_texts_are_whole() -> None:
    """Each language says the same things."""
    for texts in _TEXTS.values():
        assert {"title", "noted", "good", "used", "invalid", "busy"} == set(texts)
        for outcome in ("good", "used", "invalid", "busy"):
            assert texts[outcome]["heading"]
            assert len(_TEXTS["en"][outcome]["paragraphs"]) == len(texts[outcome]["paragraphs"])


def test_used_once(site: Site) -> None:
    """Another browser with the same address, and one with an older one, read that it was used."""
    site.ask(token(5))
    before = site.kept
    again, older = site.ask(token(5)), site.ask(token(4))

    assert [410, 410] == [again.status_code, older.status_code]
    assert "used already" in again.text
    assert "set-cookie" not in again.headers
    assert before == site.kept


def test_loaded_anew(site: Site) -> None:
    """The browser that came may load the page again for some minutes; nothing is noted twice."""
    first = site.ask(token(5))
    cookie = first.headers["set-cookie"].partition(";")[0]
    before = site.kept
    site.now = NOW + TOKEN_WINDOW
    again = site.ask(token(5), cookie=cookie)
    site.now += timedelta(seconds=1)
    late = site.ask(token(5), cookie=cookie)

    assert [200, 410] == [again.status_code, late.status_code]
    assert before == site.kept
    for part in ("HttpOnly", "Secure", "SameSite=lax", "Path=/phone", "Max-Age=900"):
        assert part in first.headers["set-cookie"]


@pytest.mark.parametrize(
    "shown",
    [
        "", "x", "%00", "A" * 4000, "%FF%FE",
        token(6)[:-4],
        token(6, WRONG_KEYS.kid.octets),
        token(6, target="devman"),
        ("A" if token(6)[0] != "A" else "B") + token(6)[1:],
    ],
    ids=["none", "short", "nul", "long", "no text", "cut", "other key", "for a database", "card"],
)  # fmt: skip
def test_not_valid(site: Site, shown: str) -> None:
    """What is not genuine is 403 with the same page, and has changed nothing."""
    site.ask(token(5))
    before = site.kept
    page = site.ask(shown)

    assert 403 == page.status_code
    assert "not valid" in page.text
    assert before == site.kept


def test_every_bit_counts(site: Site) -> None:
    """A token with any one bit changed is refused."""
    good = build_token(derive_token_key(KEYS.kid.octets), swapped(ICCID.ljust(20, "F")),
                       PAGE_TARGET, 7)  # fmt: skip
    before = site.kept
    for bit in range(0, 8 * len(good), 7):
        wrong = bytearray(good)
        wrong[bit // 8] ^= 1 << bit % 8

        assert 403 == site.ask(urlsafe_b64encode(wrong).decode()).status_code
    assert before == site.kept


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "HEAD"])
def test_other_methods(site: Site, method: str) -> None:
    """Who only looks at an address, or posts to it, does not use it up."""
    answer = site.ask(token(5), method)

    assert (405, "GET") == (answer.status_code, answer.headers["allow"])
    assert [] == site.kept[0]
    assert 200 == site.ask(token(5)).status_code


def test_no_synchronization_with_it(site: Site) -> None:
    """The token in an address is for the page alone: no database can be reached with it. RS-48."""
    octets = build_token(
        derive_token_key(KEYS.kid.octets), swapped(ICCID.ljust(20, "F")), PAGE_TARGET, 5
    )
    with (
        site.database.transaction() as connection,
        pytest.raises(Exception, match="not genuine"),
    ):
        site.cards.accept_token(connection, octets, ("devman", "./devman"), "s", NOW)


def test_what_a_browser_says_is_text(site: Site) -> None:
    """Markup and control characters in the name of a browser stay what they are: text."""
    page = site.ask(token(1), user_agent="<script>x</script>" + "A" * 500)
    visits, lines, _ = site.kept

    assert "<script" not in page.text
    assert 200 == len(visits[0].agent)
    assert len(lines[0]) < 300


def test_headers(site: Site) -> None:
    """Nothing from elsewhere, no script, nothing kept, no address told to others."""
    headers = site.ask(token(1)).headers

    for part in ("default-src 'none'", "form-action 'none'", "frame-ancestors 'none'"):
        assert part in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"]
    assert ("no-store", "no-referrer") == (headers["cache-control"], headers["referrer-policy"])


def test_without_a_database(server: str) -> None:
    """503 in words while the database is away."""
    closed = Database(server)
    page = PhonePage(Arrivals(closed, Cards(closed, MasterKey(bytes(32)))), HEADERS)
    transport = httpx.ASGITransport(page)

    async def send() -> httpx.Response:
        async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
            return await client.get(f"/phone?t={token(1)}")

    answer = asyncio.run(send())

    assert (503, "10") == (answer.status_code, answer.headers["retry-after"])
    assert "try again" in answer.text


def test_forget(site: Site) -> None:
    """Old visits can be deleted; the token stays used."""
    site.ask(token(5))
    with site.database.transaction() as connection:
        gone = arrivals.forget(connection, NOW + timedelta(days=1), [ICCID])

    assert (1, 410) == (gone, site.ask(token(5)).status_code)


def test_page_of_the_device(site: Site) -> None:
    """The device's page and the API show reports and browsers of the card that is in it."""
    report = Report(ReportReason.OTHER_TERMINAL, IMEI, "de", b"profile!", 8, 0b10_0001, "inventory")
    Reports(site.database, site.cards).take(ICCID, secure_report(report, KEYS, 1), "bip", NOW)
    site.now = NOW + timedelta(minutes=1)
    site.ask(token(1))
    with site.database.transaction() as connection:
        number = devices.find(connection, f"IMEI:{IMEI}")
    transport = httpx.ASGITransport(site.app, client=("127.0.0.1", 1))

    async def send(path: str) -> httpx.Response:
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await client.get(path)

    page = asyncio.run(send(f"/devices/{number}")).text
    told = asyncio.run(send(f"/api/cards/{ICCID}/reports")).json()

    for shown in ("other phone in this card", "native, browser", "channel", AGENT, IMEI,
                  "language de", report.encode().hex().upper()):  # fmt: skip
        assert shown in page
    assert "last by\n<strong>browser</strong>" in page
    assert ("bip", ["native", "browser"], report.encode().hex().upper()) == (
        told["reports"][0]["carrier"], told["reports"][0]["failed"], told["reports"][0]["octets"],
    )  # fmt: skip
    assert AGENT == told["visits"][0]["agent"]


# In a real browser.


@pytest.fixture
def address(site: Site) -> Iterator[str]:
    """Serve the pages on a free port."""
    config = uvicorn.Config(site.app, port=0, log_config=None, lifespan="off", ws="none")
    served = uvicorn.Server(config)
    thread = threading.Thread(target=served.run, daemon=True)
    thread.start()
    for _ in range(200):
        if served.started:
            break
        threading.Event().wait(0.05)
    yield f"http://127.0.0.1:{served.servers[0].sockets[0].getsockname()[1]}"
    served.should_exit = True
    thread.join(10)


def test_chromium(site: Site, address: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Without JavaScript, in German, again when it is loaded anew; another browser is refused."""
    folder = tmp_path_factory.mktemp("pages")
    arguments = [
        "--headless", "--disable-gpu", "--no-sandbox", "--disable-quic", "--no-first-run",
        "--disable-background-networking", "--disable-component-update", "--disable-sync",
    ]  # fmt: skip
    with sync_playwright() as play:
        chromium = play.chromium.launch(executable_path=need("chromium"), args=arguments)
        context = chromium.new_context(
            java_script_enabled=False, locale="de-DE", viewport={"width": 390, "height": 700}
        )
        page = context.new_page()
        complaints: list[str] = []
        page.on("console", lambda message: complaints.append(message.text))
        page.goto(f"{address}/phone?t={token(5)}")
        expect(page.get_by_role("heading", level=1)).to_have_text("Danke, das ist alles")
        page.screenshot(path=folder / "phone.png")
        page.reload()
        expect(page.get_by_role("heading", level=1)).to_have_text("Danke, das ist alles")
        other = chromium.new_context(java_script_enabled=False, locale="en-GB").new_page()
        answer = other.goto(f"{address}/phone?t={token(5)}")
        expect(other.get_by_role("heading", level=1)).to_have_text("This address was used already")
        other.screenshot(path=folder / "used.png")
        chromium.close()
    (visit,) = site.kept[0]

    assert answer is not None
    assert 410 == answer.status
    assert (5, "de") == (visit.counter, visit.language)
    assert "Chrome" in visit.agent
    assert [] == complaints
