"""The client's half alone: what a server may say, and what becomes of it."""

import base64
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from cardsync.errors import LocalError
from cardsync.syncml import codec
from cardsync.syncml.auth import Account, AuthResult, Challenge, Proof, Scheme, credential
from cardsync.syncml.client import ClientConfig, ClientSession, DatabaseRequest
from cardsync.syncml.datastore import Applied, Change
from cardsync.syncml.devinf import DevInf
from cardsync.syncml.elements import (
    Add,
    Alert,
    AlertCode,
    Anchor,
    Chal,
    Command,
    Copy,
    Cred,
    Delete,
    Item,
    Location,
    Map,
    Message,
    Meta,
    Replace,
    Status,
    Sync,
    SyncHdr,
    Version,
)
from cardsync.syncml.events import Counts, Finished, PeerDescribed, SyncTypeChanged
from cardsync.syncml.memory import MemoryClientDatastore, MemoryServerDatastore
from syncml.pair import DEVICE, URL, Pair

DEVINF = DevInf("1.2", DEVICE, "phone", ())


class Line:
    """A session of the client, and a server that says what it likes."""

    def __init__(
        self,
        kind: AlertCode = AlertCode.REFRESH_FROM_CLIENT,
        store: MemoryClientDatastore | None = None,
    ) -> None:
        self.store = store or MemoryClientDatastore("db")
        request = DatabaseRequest(self.store, "theirs", kind, "C1")
        self.session = ClientSession(ClientConfig(URL, DEVICE, "1", (request,)))
        self.msg_id = 0
        self.request = self._next()

    def _next(self) -> Message | None:
        octets = self.session.data_to_send()
        return None if octets is None else codec.decode(octets, codec.WBXML)

    def say(
        self, *commands: Command, code: int = 200, final: bool = True, session: str = "1"
    ) -> "Line":
        """Answer the client's message; its header gets `code`."""
        assert self.request is not None
        self.msg_id += 1
        header = SyncHdr(session, self.msg_id, Location(DEVICE), Location(URL))
        taken = Status(90, self.request.header.msg_id, 0, "SyncHdr", code)
        message = Message(header, (taken, *commands), final)
        self.session.receive_data(codec.encode(message, codec.WBXML))
        self.request = self._next()
        return self

    def initialized(self, code: int = 203) -> "Line":
        """Go through packages 1 and 2."""
        return self.say(Status(1, 1, 1, "Alert", 200), alert(2, code))

    @property
    def status(self) -> int | None:
        """The result's status; None before the end."""
        return self.session.result.status if self.session.result else None

    def codes(self) -> list[tuple[str, int]]:
        """Give the Status commands of the client's last message."""
        assert self.request is not None
        return [(e.cmd, e.code) for e in self.request.commands if isinstance(e, Status)]


def alert(number: int, code: int, *, size: int | None = None) -> Alert:
    """Give the Alert of a server."""
    meta = Meta(anchor=Anchor("S1"), max_obj_size=size)
    return Alert(number, code, (Item(Location("db"), Location("theirs"), meta),))


def sync(*commands: Command) -> Sync:
    """Give a Sync of the server."""
    return Sync(10, Location("db"), Location("theirs"), commands=commands)


def test_first_message() -> None:
    """Package 1: who, where, which database, anchors, and no more. DS Protocol 1.2."""
    line = Line()

    assert line.request is not None
    header, (asked,) = line.request.header, line.request.commands
    assert ("1", 1, URL, DEVICE) == (
        header.session_id,
        header.msg_id,
        header.target.uri,
        header.source.uri,
    )
    assert line.request.final
    assert isinstance(asked, Alert)
    assert 203 == asked.code
    assert (Location("theirs"), Location("db")) == (asked.items[0].target, asked.items[0].source)
    assert line.session.data_to_send() is None


@pytest.mark.parametrize("code", [403, 404, 406, 415, 500])
def test_refused_database_is_the_result(code: int) -> None:
    """The Status of the Alert ends the session, and nothing is agreed."""
    line = Line().say(Status(1, 1, 1, "Alert", code))

    assert code == line.status
    assert () == tuple(line.store.anchors())
    assert isinstance(line.session.events()[-1], Finished)
    assert [] == line.session.events()


@pytest.mark.parametrize("code", [101, 400, 401, 407, 503, 511])
def test_refused_header_is_the_result(code: int) -> None:
    """So does the Status of the header; 401 without a challenge leaves nothing to try."""
    assert code == Line().say(code=code).status


@pytest.mark.parametrize("octets", [b"", b"<html>", b"\x02\xa4\x01\x6a\x00\x6d"])
def test_reply_that_is_no_message(octets: bytes) -> None:
    """What cannot be read is a result, not a traceback."""
    session = Line().session

    session.receive_data(octets)

    assert session.result is not None
    assert not session.result.ok


def test_reply_of_another_session() -> None:
    """An answer under another SessionID is none."""
    assert 400 == Line().say(session="2").status


@pytest.mark.parametrize("code", [200, 201, 202, 205])
def test_server_may_not_choose_another_direction(code: int) -> None:
    """A refresh from the client is never turned into one from the server: 406."""
    line = Line()
    line.store.put("a", b"x")

    line.initialized(code)

    assert 406 == line.status
    assert {"a": b"x"} == line.store.items()


def test_server_may_ask_for_slow() -> None:
    """Status 508 and Alert 201 in answer to 200: everything is sent, as Replace."""
    store = MemoryClientDatastore("db")
    pair = Pair(client=store)
    store.put("a", b"x")
    assert pair.sync().ok
    line = Line(AlertCode.TWO_WAY, store)

    line.say(Status(1, 1, 1, "Alert", 508), alert(2, 201))

    assert [SyncTypeChanged("db", AlertCode.TWO_WAY, AlertCode.SLOW)] == line.session.events()
    assert line.request is not None
    (sent,) = [each for each in line.request.commands if isinstance(each, Sync)]
    assert isinstance(sent.commands[0], Replace)


def test_server_without_alert() -> None:
    """Without the server's anchors nothing can be agreed: 412."""
    assert 412 == Line().say(Status(1, 1, 1, "Alert", 200)).status


def test_server_that_does_not_know_no_resp() -> None:
    """A package 4 to be answered gets package 5, and the session ends with package 6."""
    line = Line().initialized()

    line.say(Status(1, 2, 3, "Sync", 200), sync())

    assert [("SyncHdr", 200), ("Sync", 200)] == line.codes()
    assert 200 == line.say().status
    assert 1 == len(line.store.anchors())


def test_status_that_does_not_come() -> None:
    """A command without its Status may not have been done: nothing is agreed."""
    line = Line()
    line.store.put("a", b"x")
    line.initialized().say(Status(1, 2, 3, "Sync", 200))

    assert 412 == line.status
    assert () == tuple(line.store.anchors())


def test_item_that_the_server_refuses() -> None:
    """One item of two fails: the status is its own, the other counts, nothing is agreed."""
    line = Line()
    line.store.put("a", b"x")
    line.store.put("b", b"y")
    good, bad = (
        Status(n, 2, 4, "Add", code, source_refs=(name,))
        for n, code, name in ((2, 201, "a"), (3, 420, "b"))
    )

    line.initialized().say(Status(1, 2, 3, "Sync", 200), good, bad)

    assert line.session.result is not None
    (database,) = line.session.result.databases
    assert (420, Counts(added=1), 1) == (database.status, database.sent, database.failed)
    assert () == tuple(line.store.anchors())


def test_object_that_the_server_cannot_take() -> None:
    """An object over the server's MaxObjSize is not sent and not passed over in silence: 413."""
    line = Line()
    line.store.put("a", b"x" * 100)
    line.say(Status(1, 1, 1, "Alert", 200), alert(2, 203, size=99))

    assert line.request is not None
    (sent,) = [each for each in line.request.commands if isinstance(each, Sync)]
    assert () == sent.commands
    line.say(Status(1, 2, 3, "Sync", 200))
    assert 413 == line.status


def test_what_the_server_may_not_send() -> None:
    """405 for changes that the kind does not allow, 406 for commands that are not ours."""
    line = Line().initialized()
    add = Add(11, (Item(source=Location("s"), data=b"x"),))

    line.say(Status(1, 2, 3, "Sync", 200), sync(add), Copy(12, add.items))

    assert [("SyncHdr", 200), ("Sync", 405), ("Add", 405), ("Copy", 406)] == line.codes()
    assert {} == line.store.items()


def test_changes_of_the_server_are_answered_one_by_one() -> None:
    """What is added gets 201 and a Map, what is not there to be replaced 404."""
    line = Line(AlertCode.SLOW).initialized(201)
    add = Add(11, (Item(source=Location("s"), data=b"x"), Item(data=b"nameless")))
    missing = Replace(12, (Item(target=Location("gone"), data=b"y"),))

    line.say(Status(1, 2, 3, "Sync", 200), sync(add, missing))

    answers = [("SyncHdr", 200), ("Sync", 200), ("Add", 201), ("Add", 412), ("Replace", 404)]
    assert answers == line.codes()
    assert line.request is not None
    (told,) = [each for each in line.request.commands if isinstance(each, Map)]
    assert ["s"] == [each.target for each in told.items]
    assert list(line.store.items()) == [each.source for each in told.items]
    line.say(Status(1, 3, 6, "Map", 200))
    assert 412 == line.status


def test_soft_delete_takes_the_item_from_us() -> None:
    """The server keeps it, and hears of no deletion by us. Representation Protocol, SftDel."""
    store = MemoryClientDatastore("db")
    store.put("a", b"x")
    line = Line(AlertCode.SLOW, store).initialized(201)
    gone = Delete(11, (Item(Location("a")),), soft=True)

    line.say(Status(1, 2, 3, "Sync", 200), Status(2, 2, 4, "Replace", 200), sync(gone))

    assert [("SyncHdr", 200), ("Sync", 200), ("Delete", 200)] == line.codes()
    assert {} == store.items()
    assert [] == list(store.changes("0"))


def test_names_that_the_server_may_not_have_heard_go_first() -> None:
    """A Map that was lost is told again before all else in the next session."""
    pair = Pair()
    pair.store.put("s", b"x")
    session = pair.begin(AlertCode.SLOW)
    for _ in range(2):
        octets = session.data_to_send()
        assert octets is not None
        session.receive_data(pair.server.post(octets))

    assert pair.sync(AlertCode.SLOW).ok
    sent = codec.decode(pair.wire[1][0], codec.WBXML).commands
    assert [Map, Sync] == [type(each) for each in sent if isinstance(each, Map | Sync)]
    assert pair.equal()
    assert 1 == len(pair.client.items())


def test_refresh_that_brings_nothing_takes_nothing() -> None:
    """205 without any Sync of the server leaves our items alone: 412."""
    line = Line(AlertCode.REFRESH_FROM_SERVER)
    line.store.put("a", b"x")

    line.initialized(205).say(Status(1, 2, 3, "Sync", 200))

    assert 412 == line.status
    assert {"a": b"x"} == line.store.items()


def test_server_that_goes_on_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server whose package never ends is left."""
    monkeypatch.setattr("cardsync.syncml.client.MAX_ROUND_TRIPS", 10)
    line = Line()
    while line.request:
        line.say(final=False)

    assert 400 == line.status
    assert 11 == line.msg_id


def guard(password: bytes, nonce: bytes) -> Callable[[Proof | None, str], AuthResult]:
    """Let in who shows a digest of the password."""

    def check(shown: Proof | None, _device: str) -> AuthResult:
        ok = shown is not None and shown.scheme is Scheme.MD5 and shown.matches(password, nonce)
        return AuthResult(ok=ok, identity="u", challenge=Challenge(Scheme.MD5, nonce))

    return check


@pytest.mark.parametrize(
    ("account", "status", "trips"),
    [
        (Account(Scheme.MD5, "u", b"right", b"nonce"), 200, 2),
        (Account(Scheme.MD5, "u", b"right"), 200, 3),
        (Account(Scheme.BASIC, "u", b"right"), 200, 3),
        (Account(Scheme.MD5, "u", b"wrong", b"nonce"), 401, 2),
        (None, 407, 1),
    ],
)
def test_challenge_is_met_once(account: Account | None, status: int, trips: int) -> None:
    """The scheme and nonce of the server's challenge; then it is right or not."""
    pair = Pair(client_config=lambda config: replace(config, account=account))
    pair.server.authenticate = guard(b"right", b"nonce")

    result = pair.sync()

    assert (status, trips) == (result.status, result.round_trips)
    assert (status == 200) == bool(pair.client.anchors())


def test_credentials_are_shown_once() -> None:
    """After 212 "Authenticated for the session" no message has a Cred."""
    account = Account(Scheme.BASIC, "u", b"right")
    pair = Pair(client_config=lambda config: replace(config, account=account))

    assert pair.sync().ok
    headers = [codec.decode(request, codec.WBXML).header for request, _ in pair.wire]
    assert [True, False] == [header.cred is not None for header in headers]


@pytest.mark.parametrize(
    ("name", "nonce"), [("syncml:auth-md5", b"next"), ("syncml:auth-MAC", b"first")]
)
def test_challenge_beside_success_is_for_the_next_time(name: str, nonce: bytes) -> None:
    """Chal with 200 or 212 gives the next nonce; one that we cannot meet changes nothing."""
    account = Account(Scheme.MD5, "u", b"right", b"first")
    config = ClientConfig(URL, DEVICE, "1", (), account=account)
    session = ClientSession(config)
    assert session.data_to_send()
    chal = Chal(Meta(format="b64", type=name, next_nonce=base64.b64encode(b"next").decode()))
    header = SyncHdr("1", 1, Location(DEVICE), Location(URL))
    told = Message(header, (Status(1, 1, 0, "SyncHdr", 200, chal=chal),), final=False)

    session.receive_data(codec.encode(told, codec.WBXML))
    octets = session.data_to_send()
    wanted = replace(account, nonce=nonce)

    assert wanted == session.account
    assert octets
    shown = codec.decode(octets, codec.WBXML).header.cred
    assert credential(wanted, Version.V1_2) == shown


def test_device_information_goes_both_ways() -> None:
    """Put and Get in package 1; not a word of it where both sides know."""
    pair = Pair()
    pair.server.config = replace(pair.server.config, devinf=DEVINF, peer_known=False)
    pair.client_config = lambda config: replace(config, devinf=DEVINF, get_devinf=True)
    session = pair.begin(AlertCode.SLOW)

    while (octets := session.data_to_send()) is not None:
        session.receive_data(pair.server.post(octets))

    assert PeerDescribed(DEVINF) in session.events()
    assert PeerDescribed(DEVINF) in pair.server.events


def test_device_information_is_given_where_it_is_asked_for() -> None:
    """A server that forgot us gets it by its Get, within the packages that there are."""
    pair = Pair()
    pair.server.config = replace(pair.server.config, peer_known=False)
    pair.client_config = lambda config: replace(config, devinf=DEVINF, put_devinf=False)

    assert 2 == pair.sync().round_trips
    assert PeerDescribed(DEVINF) in pair.server.events


def test_next_messages_go_where_the_server_says() -> None:
    """RespURI is where the second message is sent."""
    pair = Pair()
    pair.server.config = replace(pair.server.config, resp_uri=URL + "?k")
    session = pair.begin(AlertCode.SLOW)
    octets = session.data_to_send()
    assert octets is not None

    session.receive_data(pair.server.post(octets))

    assert URL + "?k" == session.url


def test_several_databases_in_one_session() -> None:
    """Each fares for itself: what the server does not have does not hinder the others."""
    pair = Pair()
    other = MemoryServerDatastore("other")
    pair.server.datastores["other"] = other
    stores = {name: MemoryClientDatastore(name) for name in ("other", "none")}
    for store in (pair.client, *stores.values()):
        store.put("a", store.name.encode())
    more = [DatabaseRequest(store, name, AlertCode.SLOW, "C1") for name, store in stores.items()]
    pair.client_config = lambda config: replace(config, databases=(*config.databases, *more))

    result = pair.sync()

    assert [200, 200, 404] == [each.status for each in result.databases]
    assert 404 == result.status
    assert ([b"db"], [b"other"]) == tuple(
        list(each.items().values()) for each in (pair.store, other)
    )
    assert [1, 1, 0] == [len(s.anchors()) for s in (pair.client, *stores.values())]


def test_kinds_that_a_client_asks_for() -> None:
    """200 to 205, and nothing else."""
    with pytest.raises(LocalError):
        DatabaseRequest(MemoryClientDatastore("db"), "db", AlertCode.RESUME, "C1")


class Broken(MemoryClientDatastore):
    """A datastore that cannot write."""

    def apply(self, changes: Sequence[Change]) -> Sequence[Applied]:
        """Fail."""
        return [Applied(500, "") for _ in changes]


def test_what_we_cannot_take_is_sent_again() -> None:
    """500 for an item: neither side agrees, and the next session brings it."""
    store = MemoryServerDatastore("db")
    store.put("s", b"x")
    pair = Pair(client=Broken("db"), store=store)

    assert 500 == pair.sync().status
    assert () == tuple(store.anchors())
    pair.client = MemoryClientDatastore("db")
    assert pair.sync().ok
    assert pair.equal()


@pytest.mark.parametrize("code", [401, 407])
def test_terse_credentials_are_shown_in_full_where_they_are_not_taken(code: int) -> None:
    """A server that was terse once, and is now another one, gets the usual form."""
    account = Account(Scheme.BASIC, "u", b"secret")
    request = DatabaseRequest(MemoryClientDatastore("db"), "db", AlertCode.TWO_WAY, "C1")
    config = ClientConfig(URL, DEVICE, "1", (request,), account=account, terse=True)
    session = ClientSession(config)
    terse = codec.decode(session.data_to_send() or b"", codec.WBXML).header.cred
    header = SyncHdr("1", 1, Location(DEVICE), Location(URL))
    refusal = Message(header, (Status(1, 1, 0, "SyncHdr", code),), final=True)
    session.receive_data(codec.encode(refusal, codec.WBXML))
    usual = codec.decode(session.data_to_send() or b"", codec.WBXML).header.cred

    assert Cred(b"u:secret") == terse
    assert Cred(b"dTpzZWNyZXQ=", Meta(format="b64", type="syncml:auth-basic")) == usual


def test_server_that_is_terse_is_known() -> None:
    """It leaves out of a Status the names of what the Status answers."""
    told, untold = Line().initialized(), Line()
    assert untold.request is not None
    header = SyncHdr("1", 1, Location(DEVICE), Location(URL))
    status = Status(1, 1, 0, "SyncHdr", 200, (URL,), (DEVICE,))
    untold.session.receive_data(codec.encode(Message(header, (status,)), codec.WBXML))

    assert told.session.is_server_terse
    assert not untold.session.is_server_terse
