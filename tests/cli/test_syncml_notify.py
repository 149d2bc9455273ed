"""`cardsync syncml notify`: a phone without our card is asked to begin, and what a person reads."""

import asyncio
import json
import subprocess
import sys

import pytest

from cardsync.fleet.smsc import Account, Smsc
from cardsync.syncml.elements import AlertCode
from cardsync.syncml.notification import Asked, Notification
from cardsync.transport import push, sms

SERVER = "http://dm.operator.example/syncml"
ENVIRONMENT = {
    "PATH": "/usr/bin:/bin",
    "HOME": "/nonexistent",
    "CARDSYNC_SYNCML_SERVER_PASSWORD": "pw",
    "CARDSYNC_SMPP_PASSWORD": "centre",
}
WISH = ("notify", "--server", SERVER, "--session", "23")
CARD = Asked(AlertCode.TWO_WAY_BY_SERVER, "card", 7)


def run(*arguments: str, lines: str = "") -> "subprocess.CompletedProcess[str]":
    """Run `cardsync`."""
    return subprocess.run(
        [sys.executable, "-m", "cardsync", *arguments],
        check=False, capture_output=True, text=True, env=ENVIRONMENT, input=lines, timeout=60,
    )  # fmt: skip


def decoded(kind: str, octets: str) -> dict[str, object]:
    """Give what `cardsync decode` makes of octets."""
    ended = run("decode", kind, "--json", octets)
    assert 0 == ended.returncode, ended.stderr
    found: dict[str, object] = json.loads(ended.stdout)
    return found


def test_printed_and_read_again() -> None:
    """The user data of one message; `decode` reads the push and the notification in it."""
    ended = run("syncml", *WISH, "card=text/x-vcard", "--nonce", "bm9uY2U=")
    octets = bytes.fromhex(ended.stdout)
    read = Notification.decode(octets[13:])
    again = decoded("notification", octets[7:].hex())

    assert (0, "") == (ended.returncode, ended.stderr)
    assert bytes.fromhex("0605040B8423F0 170603CEAF85") == octets[:13]
    read.verify(octets[13:], b"pw", b"nonce")
    assert Notification(SERVER, 23, (CARD,)) == read
    assert octets[7:].hex() == again["octets"]


def test_of_1_1() -> None:
    """A message with an Alert and the server's credentials, in parts that each have the ports."""
    ended = run("syncml", *WISH, "card=text/x-vcard", "--protocol", "1.1", "--device", "IMEI:1")
    lines = ended.stdout.split()

    assert 0 == ended.returncode
    assert len(lines) > 1
    assert all(line.startswith("0B000317") and "05040B8423F0" in line for line in lines)


def test_reaches_the_phone() -> None:
    """By a message centre: what it delivers is the push, and its names are told."""
    got: list[bytes] = []

    async def journey() -> "subprocess.CompletedProcess[str]":
        arrived = asyncio.Event()

        async def phone(tpdu: bytes) -> None:
            got.append(tpdu)
            arrived.set()

        async with Smsc([Account("cardsync", "centre")]) as smsc:
            smsc.attach("4915112345678", phone)
            at = f"{smsc.host}:{smsc.port}"
            where = ("--smsc", at, "--to", "+4915112345678")
            ended = await asyncio.to_thread(run, "syncml", *WISH, "card=text/x-vcard", *where)
            if ended.returncode == 0:
                await arrived.wait()
            return ended

    ended = asyncio.run(asyncio.wait_for(journey(), 60))

    assert (0, "+4915112345678: 1 short message, 1\n") == (ended.returncode, ended.stdout)
    (tpdu,) = got
    pushed = push.read(sms.Deliver.decode(tpdu).user_data)
    assert pushed is not None
    assert (CARD,) == Notification.decode(pushed.body).asked
    assert {"push", "notification"} <= set(decoded("sms", tpdu.hex()))


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (["--smsc", "127.0.0.1:1"], "--smsc and --to are needed together"),
        (["--smsc", "here", "--to", "+491"], "--smsc here: HOST:PORT is expected"),
        (["--nonce", "%"], "--nonce %: base64 is expected"),
        (["--protocol", "1.1"], "needs --device"),
        (["x=text/html"], "x=text/html: DATABASE or DATABASE=TYPE is expected"),
        (["--server-password-file", "/nonexistent/p"], "/nonexistent/p: cannot be read"),
        ([f"{'long' * 64}"], "more than 255 octets"),
        ([f"d{number}" for number in range(16)], "at most 15"),
    ],
)
def test_wrong(more: list[str], told: str) -> None:
    """One line that says what is wrong, and status 2."""
    ended = run("syncml", *WISH, "card", *more)

    assert 2 == ended.returncode
    assert told in ended.stderr
    assert 1 == ended.stderr.count("\n")
    assert "" == ended.stdout


def test_no_password(monkeypatch: pytest.MonkeyPatch) -> None:
    """A digest needs one; the older form goes without credentials."""
    monkeypatch.delitem(ENVIRONMENT, "CARDSYNC_SYNCML_SERVER_PASSWORD")
    ended = run("syncml", *WISH, "card")
    older = run("syncml", *WISH, "card", "--protocol", "1.1", "--device", "IMEI:1")

    assert (2, "") == (ended.returncode, ended.stdout)
    assert "expected in the file of --server-password-file" in ended.stderr
    assert 0 == older.returncode


def test_centre_that_refuses() -> None:
    """A wrong password is told as such."""

    async def journey() -> "subprocess.CompletedProcess[str]":
        async with Smsc([Account("cardsync", "another")]) as smsc:
            where = ("--smsc", f"{smsc.host}:{smsc.port}", "--to", "+491")
            return await asyncio.to_thread(run, "syncml", *WISH, "card", *where)

    ended = asyncio.run(asyncio.wait_for(journey(), 60))

    assert 0 != ended.returncode
    assert 1 == ended.stderr.count("\n")
    assert "Traceback" not in ended.stderr
