"""What sessions do beyond the plain exchange: credentials of both, stops, redirections, Atomic."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from cardsync.syncml import codec
from cardsync.syncml.auth import Account, AuthResult, Challenge, Proof, Scheme
from cardsync.syncml.client import DatabaseRequest
from cardsync.syncml.datastore import Applied as Answered
from cardsync.syncml.datastore import Change
from cardsync.syncml.elements import (
    Add,
    Alert,
    AlertCode,
    Atomic,
    Copy,
    Delete,
    Item,
    Location,
    Message,
    Meta,
    Replace,
    Status,
    Sync,
)
from cardsync.syncml.elements import Sequence as Ordered
from cardsync.syncml.events import Applied, Finished
from cardsync.syncml.memory import MemoryClientDatastore, MemoryServerDatastore
from syncml.pair import URL, Pair
from syncml.test_client import Line
from syncml.test_client import alert as their_alert
from syncml.test_client import sync as their_sync
from syncml.test_server import Wire, alert, items, sync
from syncml.test_sessions import filled, synchronized

BOTH = pytest.mark.parametrize("content_type", [codec.WBXML, codec.XML])


def messages(pair: Pair) -> list[Message]:
    """Give all messages of the last session, in order."""
    return [codec.decode(e, pair.content_type) for exchange in pair.wire for e in exchange]


# --- several messages -------------------------------------------------------------------------


@BOTH
def test_statuses_of_one_reply_go_over_several(content_type: str) -> None:
    """A client of large messages and a server that may send small ones only: all is answered."""
    pair = filled(content_type, items=120)
    pair.client.put("odd", b"x")
    limit = 900 if content_type == codec.WBXML else 2500
    pair.client_config = lambda config: replace(config, max_msg_size=limit)
    refused = _Picky("db")
    pair.store, pair.server.datastores = refused, {"db": refused}
    session = pair.begin(AlertCode.REFRESH_FROM_CLIENT)
    session._line._limit = 60_000  # a client that takes little and sends much
    sizes, calls = [], 0
    while (octets := session.data_to_send()) is not None:
        calls += 1
        reply = pair.server.post(octets)
        sizes.append(len(reply))
        session.receive_data(reply)
        session._line._limit = 60_000

    assert session.result
    (database,) = session.result.databases
    assert (120, 1, 415) == (database.sent.total, database.failed, database.status)
    assert max(sizes) <= limit
    assert calls > 4


class _Picky(MemoryServerDatastore):
    """A datastore that does not take one of the items, so that each item has its own Status."""

    def apply(self, changes: Sequence[Change]) -> Sequence[Answered]:
        """Refuse the odd one."""
        answers = super().apply(changes)
        return [
            replace(answer, code=415) if change.peer == "odd" else answer
            for change, answer in zip(changes, answers, strict=True)
        ]


def test_one_answer_is_not_worth_a_message() -> None:
    """A server that needs nothing but its header answered is left: the session is over."""
    line = Line().initialized()

    line.say(Status(1, 2, 3, "Sync", 200))

    assert 200 == line.status
    assert line.request is None


# --- who is who -------------------------------------------------------------------------------


def judge(password: bytes, nonce: bytes) -> Callable[[Proof | None, str], AuthResult]:
    """Judge a server by its digest."""

    def check(shown: Proof | None, _name: str) -> AuthResult:
        ok = shown is not None and shown.user == "srv" and shown.matches(password, nonce)
        return AuthResult(ok=ok, identity="srv", challenge=Challenge(Scheme.MD5, nonce))

    return check


@BOTH
@pytest.mark.parametrize(
    ("account", "status", "trips"),
    [
        (Account(Scheme.MD5, "srv", b"right", b"nonce"), 200, 2),
        (Account(Scheme.MD5, "srv", b"right"), 200, 3),
        (Account(Scheme.BASIC, "srv", b"right"), 200, 2),
        (Account(Scheme.BASIC, "srv", b"wrong"), 401, 3),
        (Account(Scheme.MD5, "srv", b"wrong", b"nonce"), 401, 3),
        (None, 407, 3),
    ],
)
def test_server_shows_who_it_is(
    content_type: str, account: Account | None, status: int, trips: int
) -> None:
    """212, or 401 and a challenge that is met, or the end; nothing is applied before."""
    pair = filled(content_type)
    pair.client_config = lambda config: replace(config, authenticate=judge(b"right", b"nonce"))
    pair.server.config = replace(pair.server.config, account=account)

    result = pair.sync()

    assert (status, trips) == (result.status, result.round_trips)
    assert (status == 200) == pair.equal()
    assert (status == 200) == bool(pair.store.items())


def test_server_is_believed_once() -> None:
    """After 212 it shows its credentials no more."""
    pair = filled()
    account = Account(Scheme.MD5, "srv", b"right", b"nonce")
    pair.client_config = lambda config: replace(config, authenticate=judge(b"right", b"nonce"))
    pair.server.config = replace(pair.server.config, account=account)
    pair.store.put("s", b"x")

    assert pair.sync().ok
    shown = [message.header.cred is not None for message in pair.server.replies]
    assert [True, False, False] == shown


def test_both_show_who_they_are() -> None:
    """Credentials and challenges in both directions, in one session."""
    pair = filled()
    mine, theirs = Account(Scheme.MD5, "cli", b"one"), Account(Scheme.MD5, "srv", b"two")

    def guard(shown: Proof | None, _name: str) -> AuthResult:
        ok = shown is not None and shown.matches(b"one", b"n1")
        return AuthResult(ok=ok, identity="cli", challenge=Challenge(Scheme.MD5, b"n1"))

    pair.server.authenticate = guard
    pair.server.config = replace(pair.server.config, account=theirs)
    pair.client_config = lambda config: replace(
        config, account=mine, authenticate=judge(b"two", b"nonce")
    )

    assert pair.sync().ok
    assert pair.equal()
    assert [200] == [
        each.result.status for each in pair.server.events if isinstance(each, Finished)
    ]
    assert not pair.sync().slow  # both have agreed


# --- busy, moved ------------------------------------------------------------------------------


RIGHT = Account(Scheme.MD5, "owner", b"right", b"nonce")


def guard(name: str, shown: Proof | None, _device: str) -> AuthResult:
    """Let the owner of the database `db` in; another one is everybody's."""
    ok = shown is not None and shown.user == "owner" and shown.matches(b"right", b"nonce")
    challenge = Challenge(Scheme.MD5, b"nonce")
    return AuthResult(ok=True) if name != "db" else AuthResult(ok=ok, challenge=challenge)


@pytest.mark.parametrize(
    ("account", "status", "trips"),
    [
        (RIGHT, 200, 2),
        (replace(RIGHT, nonce=b""), 200, 3),
        (replace(RIGHT, scheme=Scheme.BASIC), 200, 2),
        (replace(RIGHT, password=b"wrong"), 401, 2),
        (None, 407, 1),
    ],
)
@BOTH
def test_credentials_of_a_database(
    content_type: str, account: Account | None, status: int, trips: int
) -> None:
    """Cred in its Alert, Chal in the Status: met once; else nothing of it is synchronized."""
    pair = Pair(content_type=content_type)
    pair.server.config = replace(pair.server.config, guard=guard)
    pair.client.put("a", b"x")
    pair.client_config = lambda config: replace(
        config, databases=tuple(replace(each, account=account) for each in config.databases)
    )

    result = pair.sync()

    assert (status, trips) == (result.status, result.round_trips)
    assert (status == 200) == bool(pair.store.items())


@pytest.mark.parametrize(
    ("account", "codes"),
    [(replace(RIGHT, nonce=b""), [200, 200]), (replace(RIGHT, password=b""), [401, 200]),
     (None, [407, 200])],
)  # fmt: skip
def test_credentials_of_one_of_two_databases(account: Account | None, codes: list[int]) -> None:
    """The session waits once for those of the one; the other is synchronized in any case."""
    pair = Pair()
    other = MemoryClientDatastore("other")
    pair.server.datastores["other"] = MemoryServerDatastore("other")
    pair.server.config = replace(pair.server.config, guard=guard)
    pair.client.put("a", b"x")
    other.put("b", b"y")
    requests = (
        DatabaseRequest(pair.client, "db", AlertCode.SLOW, "C1", account=account),
        DatabaseRequest(other, "other", AlertCode.SLOW, "C1"),
    )
    pair.client_config = lambda config: replace(config, databases=requests)

    result = pair.sync()

    assert codes == [each.status for each in result.databases]
    assert [b"y"] == list(pair.server.datastores["other"].items().values())
    assert (codes[0] == 200) == bool(pair.store.items())


def test_busy_server() -> None:
    """101 for the header: the result is the server's word, and nothing has changed."""
    pair = filled()
    pair.server.config = replace(pair.server.config, busy=True)

    assert 101 == pair.sync().status
    pair.server.config = replace(pair.server.config, busy=False)
    assert pair.sync().ok


def test_moved_server() -> None:
    """301 with an Item: the same session begins at the other address."""
    pair = filled()
    pair.server.config = replace(pair.server.config, moved="http://b.example/s")
    session = pair.begin(AlertCode.SLOW)
    octets = session.data_to_send()
    assert octets
    session.receive_data(pair.server.post(octets))
    assert "http://b.example/s" == session.url
    pair.server.config = replace(pair.server.config, moved=None)
    while (octets := session.data_to_send()) is not None:
        session.receive_data(pair.server.post(octets))

    assert session.result
    assert session.result.ok
    assert pair.equal()


@pytest.mark.parametrize(
    ("url", "there", "status"),
    [
        ("https://a.example/s", "http://a.example/s", 301),
        ("http://a.example/s", "ftp://a.example/s", 301),
        ("http://a.example/s", "http://a.example/s", 301),
    ],
)
def test_moved_in_vain(url: str, there: str, status: int) -> None:
    """Not from TLS to what is none, not elsewhere than to http, not in circles."""
    pair = filled()
    pair.client_config = lambda config: replace(config, url=url)
    pair.server.config = replace(pair.server.config, moved=there)

    assert status == pair.sync().status


@pytest.mark.parametrize("code", [301, 302, 303, 305])
@pytest.mark.parametrize(
    "item",
    [
        Item(target=Location("http://b.example/")),
        Item(source=Location("http://b.example/")),
        Item(data=b"http://b.example/"),
    ],
)
def test_redirections_of_others(code: int, item: Item) -> None:
    """The new address stands in the Item of the Status, in one manner or another."""
    line = Line()
    assert line.request
    sent = Status(1, 1, 0, "SyncHdr", code, items=(item,))
    header = line.request.header
    reply = Message(replace(header, target=header.source, source=header.target), (sent,), True)
    line.session.receive_data(codec.encode(reply, codec.WBXML))

    assert "http://b.example/" == line.session.url
    assert line.session.data_to_send()


# --- kinds ------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", range(206, 211))
def test_kinds_that_a_notification_asks_for(code: int) -> None:
    """206 to 210 in the client's Alert are served as 200 and 202 to 205."""
    pair = synchronized()
    pair.client.put("item1", b"changed")

    result = pair.sync(AlertCode(code))

    (asked,) = [each for each in messages(pair)[0].commands if isinstance(each, Alert)]
    (answer,) = [each for each in messages(pair)[1].commands if isinstance(each, Alert)]
    plain = {206: 200, 207: 202, 208: 203, 209: 204, 210: 205}[code]
    assert (code, plain, 200, plain) == (
        asked.code,
        answer.code,
        result.status,
        result.databases[0].performed,
    )


def test_client_that_finds_only_later_that_it_needs_all() -> None:
    """508 in answer to our Alert: the kind becomes slow, and equal items are not doubled."""
    pair = synchronized()
    wire = Wire(pair.store)
    wire.server.datastores = {"db": pair.store}
    (agreed,) = pair.store.anchors()
    wire.send(alert(1, 200, last=agreed.peer))
    late = Status(1, 1, 3, "Alert", 508)
    everything = [Item(source=Location(n), data=d) for n, d in pair.client.items().items()]
    codes = wire.send(late, sync(Replace(11, tuple(everything))))

    assert [200, 200, 200] == [code for _, code in codes]
    assert len(everything) == len(pair.store.items())
    assert AlertCode.SLOW is wire.state().databases[0].kind


# --- safety stops -----------------------------------------------------------------------------


def guarded(*, slow: bool = False, emptying: bool = False) -> Pair:
    """Give a pair that was synchronized, with the stops of both sides as given."""
    pair = synchronized()
    for store in (pair.client, pair.store):
        store.allows_slow, store.allows_emptying = slow, emptying
    return pair


def test_unexpected_slow_is_held_back_at_the_client() -> None:
    """508: nothing is sent; the person opens the stop, or asks for it."""
    pair = guarded()
    pair.store._agreed = ()
    pair.store.allows_slow = True
    before = dict(pair.client.items())

    assert 508 == pair.sync().status
    assert before == pair.client.items()
    pair.client.allows_slow = True
    assert pair.sync().ok
    assert pair.equal()


def test_slow_that_was_asked_for_is_none() -> None:
    """No stop for what a person wants, nor for the first time."""
    pair = guarded()
    assert pair.sync(AlertCode.SLOW).ok

    fresh = filled()
    fresh.client.allows_slow = fresh.store.allows_slow = False
    assert fresh.sync().ok


def test_unexpected_slow_is_held_back_at_the_server() -> None:
    """403 for the Alert, where the rule of the datastore has the stop closed."""
    pair = guarded()
    pair.client.allows_slow = True
    pair.store._agreed = ()

    assert 403 == pair.sync().status


@pytest.mark.parametrize("side", ["client", "server"])
def test_deletion_of_everything_is_held_back(side: str) -> None:
    """403 for each deletion; the items stay, and go when the stop is opened."""
    pair = guarded()
    store = pair.client if side == "server" else pair.store
    for name in list(pair.client.items() if side == "client" else pair.store.items()):
        (pair.client if side == "client" else pair.store).remove(name)

    assert 403 == pair.sync().status
    assert 20 == len(store.items())
    store.allows_emptying = True
    assert pair.sync().ok
    assert {} == store.items()
    assert pair.equal()


def test_deletion_of_some_is_not() -> None:
    """A few go without a question, and so do all of a few."""
    pair = guarded()
    for number in range(15):
        pair.client.remove(f"item{number}")
    assert pair.sync().ok
    assert 5 == len(pair.store.items())

    small = filled(items=4)
    small.store.allows_emptying = False
    assert small.sync().ok
    for number in range(4):
        small.client.remove(f"item{number}")
    assert small.sync().ok
    assert {} == small.store.items()


def test_refresh_that_would_empty_is_held_back() -> None:
    """203 of an empty client, 205 of an empty server: 403, and everything stays."""
    pair = guarded()
    pair.client = MemoryClientDatastore("db")
    assert 403 == pair.sync(AlertCode.REFRESH_FROM_CLIENT).status
    assert 20 == len(pair.store.items())
    assert () == tuple(pair.client.anchors())

    pair = guarded()
    pair.server.datastores = {"db": MemoryServerDatastore("db")}
    assert 403 == pair.sync(AlertCode.REFRESH_FROM_SERVER).status
    assert 20 == len(pair.client.items())


# --- edits in the middle ----------------------------------------------------------------------


@pytest.mark.parametrize("deleted", [True, False])
def test_edit_during_a_session_is_not_lost(deleted: bool) -> None:
    """409 for the server's change of an item that a person edits meanwhile; the rule decides."""
    pair = synchronized()
    name = next(server for server, client in pair.names().items() if client == "item3")
    if deleted:
        pair.store.remove(name)
    else:
        pair.store.put(name, b"of the server")
    session = pair.begin(AlertCode.TWO_WAY)
    for number in range(10):
        octets = session.data_to_send()
        if octets is None:
            break
        if number == 1:
            pair.client.put("item3", b"edited in the middle")
        session.receive_data(pair.server.post(octets))

    assert session.result
    assert 409 == session.result.status
    assert b"edited in the middle" == pair.client.items()["item3"]
    assert pair.sync().ok
    assert pair.equal()
    assert b"edited in the middle" in pair.store.items().values()
    kept = [] if deleted else [b"of the server"]
    assert kept == [change.data for change in pair.store.kept]


# --- Atomic, Sequence, archive, chunks --------------------------------------------------------


def test_atomic_does_all_or_nothing() -> None:
    """All: 200 and the items. One that fails: 507, its own status, 216 for the others."""
    wire = Wire().alerted()
    good = Atomic(11, (Add(12, items("a")), Ordered(13, (Add(14, items("b")),))))
    assert [200, 201, 200, 201] == [code for _, code in wire.send(sync(good), final=False)[2:]]

    bad = Atomic(11, (Add(12, items("c")), Add(13, items("d"), Meta(type="image/png"))))
    assert [507, 215, 415] == [code for _, code in wire.send(sync(bad), final=False)[2:]]
    assert 2 == len(wire.store.items())


def test_atomic_within_atomic() -> None:
    """Not done, none of it: 507 for both, 215 for what is in them."""
    nested = Atomic(11, (Add(12, items("a")), Atomic(13, (Add(14, items("b")),))))
    wire = Wire().alerted()

    codes = wire.send(sync(nested))[2:]

    assert [("Atomic", 507), ("Add", 215), ("Atomic", 507), ("Add", 215)] == codes
    assert {} == wire.store.items()


def test_atomic_takes_no_chunks() -> None:
    """406 for a part of an object, for its end may never come; nothing is done."""
    chunk = Item(None, Location("a"), Meta(size=5), b"abc", more_data=True)
    wire = Wire().alerted()

    assert [507, 406] == [code for _, code in wire.send(sync(Atomic(11, (Add(12, (chunk,)),))))[2:]]


class Plain:
    """A datastore that cannot undo."""

    def __init__(self) -> None:
        self._inner = MemoryServerDatastore("db")

    def __getattr__(self, name: str) -> object:
        if name == "atomic":
            raise AttributeError(name)
        return getattr(self._inner, name)


def test_atomic_where_nothing_can_be_undone() -> None:
    """406 for it, 215 for what is in it."""
    wire = Wire(Plain()).alerted()  # type: ignore[arg-type]  # as good as one, for this

    codes = wire.send(sync(Atomic(11, (Add(12, items("a")),))))[2:]

    assert [("Atomic", 406), ("Add", 215)] == codes


def test_sequence_goes_in_order() -> None:
    """200 for it, and what each command is owed."""
    wire = Wire().alerted()
    in_order = Ordered(
        11, (Add(12, items("a")), Replace(13, items("a", data=b"y")), Delete(14, items("a")))
    )

    codes = wire.send(sync(in_order))[2:]

    assert [("Sequence", 200), ("Add", 201), ("Replace", 200), ("Delete", 200)] == codes
    assert {} == wire.store.items()


def test_refused_in_silence() -> None:
    """NoResp of a command that is not served: no Status for it."""
    wire = Wire().alerted()

    assert [] == wire.send(sync(Copy(11, items("a"), no_resp=True)))[2:]


def test_object_that_never_ended() -> None:
    """Alert 223 for the first where another one comes, at the server and at the client."""
    first = Item(None, Location("a"), Meta(size=5), b"abc", more_data=True)
    wire = Wire().alerted()
    wire.send(sync(Add(11, (first,))), final=False)
    wire.send(sync(Add(11, items("b"))), final=False)
    asked = [e for e in wire.reply.commands if isinstance(e, Alert) and e.code == 223]
    assert [(Item(source=Location("a")),)] == [each.items for each in asked]

    line = Line(AlertCode.SLOW).initialized(201)
    line.say(Status(1, 2, 3, "Sync", 200), their_sync(Add(11, (first,))), final=False)
    line.say(their_sync(Add(11, items("b"))), final=False)
    assert line.request
    assert [223, 222] == [e.code for e in line.request.commands if isinstance(e, Alert)]


def test_server_that_misses_the_end_of_an_object() -> None:
    """Alert 223 from the server: answered, and nothing is agreed."""
    line = Line().initialized()

    line.say(Status(1, 2, 3, "Sync", 200), Alert(4, 223, (Item(source=Location("a")),)))

    assert [("SyncHdr", 200), ("Alert", 200)] == line.codes()
    assert 424 == line.say().status


def test_server_that_breaks_off() -> None:
    """Alert 224 from the server: answered, and the session ends: 214."""
    line = Line().initialized()

    line.say(Alert(4, 224))

    assert ("Alert", 200) in line.codes()
    assert 214 == line.say().status


# --- what is told besides ---------------------------------------------------------------------


@BOTH
def test_number_of_changes(content_type: str) -> None:
    """Told where the peer wants to hear it, once, with the first Sync; and heard."""
    pair = filled(content_type, items=60)
    pair.server.config = replace(pair.server.config, number_of_changes=True)
    pair.store.put("s", b"x")
    pair.client_config = lambda config: replace(
        config,
        max_msg_size=1500,
        databases=tuple(replace(each, number_of_changes=True) for each in config.databases),
    )

    assert pair.sync().ok
    syncs = [e for message in messages(pair) for e in message.commands if isinstance(e, Sync)]
    assert [60, 1] == [e.number_of_changes for e in syncs if e.number_of_changes is not None]
    heard = [event.announced for event in pair.server.events if isinstance(event, Applied)]
    assert [60] == [number for number in heard if number is not None]


def test_references_for_old_peers() -> None:
    """TargetRef and SourceRef of what a Status answers, where the configuration says so."""
    pair = filled()
    pair.client_config = lambda config: replace(config, plain=True)
    pair.server.config = replace(pair.server.config, plain=True)
    pair.store.put("s", b"x")

    assert pair.sync().ok
    told = [e for m in messages(pair) for e in m.commands if isinstance(e, Status)]
    alerts = [(e.target_refs, e.source_refs) for e in told if e.cmd in ("Alert", "Sync")]
    assert {(("db",), ("db",))} == set(alerts)
    headers = {(e.target_refs, e.source_refs) for e in told if e.cmd == "SyncHdr"}
    assert ((URL,), ("IMEI:490154203237518",)) in headers


def test_archive_that_we_do_not_keep() -> None:
    """210 "Delete without archive" for a deletion that asked for one."""
    wire = Wire().alerted()
    wire.send(sync(Add(11, items("a"))), final=False)

    assert ("Delete", 210) == wire.send(sync(Delete(11, items("a", data=None), archive=True)))[2]


def test_alert_of_a_server_without_anchors() -> None:
    """412, and nothing can be agreed."""
    line = Line()
    line.say(Status(1, 1, 1, "Alert", 200), replace(their_alert(2, 203), items=()))

    assert 412 == line.status
