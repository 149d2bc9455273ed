"""What a challenge may ask for: as much as we were told to show, or more, never less."""

import base64
from dataclasses import replace

import pytest

from cardsync.syncml import codec
from cardsync.syncml.auth import Account, AsksForLess, AuthResult, Challenge, Proof, Scheme
from cardsync.syncml.elements import AlertCode, Location, Message, Status, SyncHdr
from cardsync.syncml.server import Authenticate
from syncml.pair import DEVICE, URL, Pair

BASIC, MD5, MAC = Scheme
ORDER = [None, BASIC, MD5, MAC]
PASSWORD = b"a password of some length"
IN_BASE64 = base64.b64encode(b"u:" + PASSWORD)


def asking(scheme: Scheme) -> Authenticate:
    """Let in who shows the password in a scheme; ask for that."""
    nonce = b"" if scheme is BASIC else b"nonce"

    def judge(shown: Proof | None, _device: str) -> AuthResult:
        ok = shown is not None and shown.scheme is scheme and shown.matches(PASSWORD, nonce)
        return AuthResult(ok=ok, identity="u", challenge=Challenge(scheme, nonce))

    return judge


def pair_of(scheme: Scheme | None, asked: Scheme, kind: str = codec.WBXML) -> Pair:
    """Give a client that shows at least one scheme, and a server that asks for another."""
    pair = Pair(content_type=kind)
    pair.client.put("1", b"ours")
    pair.server.authenticate = asking(asked)
    account = Account(scheme, "u", PASSWORD)
    pair.client_config = lambda config: replace(config, account=account, beside=True)
    return pair


def talk(pair: Pair) -> tuple[int, bytes, BaseException | None]:
    """Talk to the end; give the status, all that the client sent, and why it ended it."""
    session, sent = pair.begin(AlertCode.SLOW), b""
    while (octets := session.data_to_send()) is not None:
        sent += octets
        session.receive_data(pair.server.post(octets, session.mac), pair.server.mac)
    assert session.result
    return session.result.status, sent, session.result.error


@pytest.mark.parametrize("kind", [codec.WBXML, codec.XML])
@pytest.mark.parametrize("asked", Scheme)
@pytest.mark.parametrize("ours", ORDER)
def test_challenge_of_a_session(ours: Scheme | None, asked: Scheme, kind: str) -> None:
    """What is asked for is shown, unless it is less than was chosen: then the session ends."""
    pair = pair_of(ours, asked, kind)
    status, sent, error = talk(pair)
    allowed = ORDER.index(asked) >= ORDER.index(ours)
    open_now = asked is BASIC and allowed
    seen = PASSWORD in sent or IN_BASE64 in sent

    assert (200 if allowed else 401) == status
    assert allowed == pair.equal()
    assert allowed is not isinstance(error, AsksForLess)
    assert seen == (open_now or ours is BASIC)


def test_nothing_is_shown_unasked() -> None:
    """Without a scheme the first message has neither a Cred nor a MAC."""
    pair = pair_of(None, MD5)
    session = pair.begin(AlertCode.SLOW)
    octets = session.data_to_send()

    assert octets
    assert session.mac is None
    assert codec.decode(octets, codec.WBXML).header.cred is None


@pytest.mark.parametrize(("ours", "trips"), [(None, 2), (MD5, 1), (BASIC, 1)])
def test_refusal_without_a_challenge(ours: Scheme | None, trips: int) -> None:
    """The oldest servers say no more than 407; who was told to show no digest shows basic."""
    pair = pair_of(ours, MD5)
    session = pair.begin(AlertCode.SLOW)
    shown = []
    while (octets := session.data_to_send()) is not None:
        request = codec.decode(octets, codec.WBXML).header
        shown.append(request.cred)
        header = SyncHdr(request.session_id, request.msg_id, Location(DEVICE), Location(URL))
        told = Message(header, (Status(1, request.msg_id, 0, "SyncHdr", 407),), final=True)
        session.receive_data(codec.encode(told, codec.WBXML))

    assert session.result
    assert (407, trips) == (session.result.status, len(shown))
    assert (ours is not MD5) == (shown[-1] is not None and shown[-1].data == IN_BASE64)


@pytest.mark.parametrize("asked", [BASIC, MD5])
@pytest.mark.parametrize("ours", [None, BASIC, MD5])
def test_challenge_of_a_database(ours: Scheme | None, asked: Scheme) -> None:
    """The same for the credentials of one database, which stand in its Alert."""
    pair = pair_of(MD5, MD5)
    pair.server.authenticate = lambda *_: AuthResult(ok=True, identity="u")
    judge = asking(asked)
    guard = replace(pair.server.config, guard=lambda _name, shown, device: judge(shown, device))
    pair.server.config = guard
    account = Account(ours, "u", PASSWORD)
    pair.client_config = lambda config: replace(
        config, databases=tuple(replace(each, account=account) for each in config.databases)
    )
    status, sent, error = talk(pair)
    allowed = ORDER.index(asked) >= ORDER.index(ours)

    assert (200 if allowed else 401) == status
    assert allowed is not isinstance(error, AsksForLess)
    assert (IN_BASE64 in sent) == ((asked is BASIC and allowed) or ours is BASIC)


@pytest.mark.parametrize("wanted", Scheme)
@pytest.mark.parametrize("theirs", Scheme)
def test_challenge_of_a_server(theirs: Scheme, wanted: Scheme) -> None:
    """A server does not show itself by less either, and the client goes without it."""
    pair = pair_of(MD5, MD5)
    account = Account(theirs, "u", PASSWORD)
    pair.server.config = replace(pair.server.config, account=account)
    before, judge = pair.client_config, asking(wanted)
    pair.client_config = lambda config: replace(before(config), authenticate=judge)
    status, _, _ = talk(pair)
    shown = [reply.header.cred.data for reply in pair.server.replies if reply.header.cred]
    allowed = ORDER.index(wanted) >= ORDER.index(theirs)

    assert (200 if allowed else 407) == status
    assert allowed == pair.equal()
    assert (IN_BASE64 in shown) == (theirs is BASIC)


def test_server_is_no_stranger_s() -> None:
    """Who has not shown who he is learns nothing of the server's own account."""
    pair = pair_of(MD5, MD5)
    pair.server.config = replace(pair.server.config, account=Account(BASIC, "u", PASSWORD))
    pair.client_config = lambda config: config
    talk(pair)

    assert [None] == [reply.header.cred for reply in pair.server.replies]
