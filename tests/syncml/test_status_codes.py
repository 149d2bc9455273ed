"""Every status that we can send, and what makes us send it. Representation Protocol 1.2."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from cardsync.fleet.syncml_server import Settings, SyncmlServer
from cardsync.syncml import codec
from cardsync.syncml.auth import AuthResult
from cardsync.syncml.datastore import Applied, Change, Rule
from cardsync.syncml.elements import (
    Add,
    AlertCode,
    Atomic,
    Command,
    Copy,
    Delete,
    Item,
    Location,
    Message,
    Meta,
    Move,
    Replace,
    Status,
    SyncHdr,
)
from cardsync.syncml.memory import MemoryClientDatastore, MemoryServerDatastore
from cardsync.syncml.status import UNDERSTOOD, StatusCode, succeeded, words
from syncml.test_client import Line
from syncml.test_client import sync as their_sync
from syncml.test_filters import filtered
from syncml.test_server import Wire, alert, basic, guard, items, sync
from syncml.test_sessions import Fields

Codes = list[int]


class Answers(MemoryServerDatastore):
    """A datastore whose disk says what it likes."""

    def __init__(self, code: int) -> None:
        super().__init__("db")
        self.code = code

    def apply(self, changes: Sequence[Change]) -> Sequence[Applied]:
        """Answer everything alike."""
        return [Applied(self.code, "") for _ in changes]


def of(told: list[tuple[str, int]]) -> Codes:
    """Give the codes of a reply."""
    return [code for _, code in told]


def changed(*commands: Command, store: MemoryServerDatastore | None = None) -> Codes:
    """Send a Sync with commands to a server that has nothing."""
    return of(Wire(store).alerted().send(sync(*commands)))


def conflict(rule: Rule) -> Codes:
    """Change one item on both sides."""
    store = MemoryServerDatastore("db", rule=rule)
    return _conflict(store, b"theirs")


def _conflict(store: MemoryServerDatastore, data: bytes) -> Codes:
    wire = Wire(store)
    wire.send(alert(1, 203))
    wire.send(sync(Add(11, items("a", data=b"x"))))
    (name,) = store.items()
    store.put(name, b"ours")
    wire.server.sessions.clear()
    wire.msg_id = 0
    wire.send(alert(1, 200, last="C1"))
    return of(wire.send(sync(Replace(11, items("a", data=data)))))


def merged() -> Codes:
    """Merge two versions field by field."""
    return _conflict(Fields("db"), b"theirs")


def refused(shown: bytes | None) -> Codes:
    """Show a wrong password, or none."""
    wire = Wire()
    wire.server.authenticate = guard
    return of(wire.send(alert(1, 203), cred=None if shown is None else basic(shown)))


def welcome() -> Codes:
    """Show the right password."""
    wire = Wire()
    wire.server.authenticate = lambda *_: AuthResult(ok=True, identity="u")
    return of(wire.send(alert(1, 203), cred=basic(b"right")))


def configured(**more: object) -> Codes:
    """Ask a server of which something else is true."""
    wire = Wire()
    wire.server.config = replace(wire.server.config, **more)  # type: ignore[arg-type]  # any field
    return of(wire.send(alert(1, 203)))


def chunk(size: int, *, more: bool = True) -> Item:
    """Give the first chunk of an object."""
    return Item(None, Location("a"), Meta(size=size), b"abc", more_data=more)


def wrong_size() -> Codes:
    """Send an object that is shorter than was said."""
    wire = Wire().alerted()
    wire.send(sync(Add(11, (chunk(5),))), final=False)
    return of(wire.send(sync(Add(11, items("a", data=b"d")))))


def unreadable(old: bytes, new: bytes) -> Codes:
    """Send a message in which some characters are others."""
    header = SyncHdr("1", 1, Location("http://a.example/s"), Location("IMEI:1"))
    octets = codec.encode(Message(header, (alert(1, 200),), final=True), codec.XML)
    assert old in octets
    reply = SyncmlServer([], Settings()).serve(octets.replace(old, new), codec.XML)
    assert 200 == reply.status
    commands = codec.decode(reply.body, codec.XML).commands
    return [each.code for each in commands if isinstance(each, Status)]


def out_of_turn() -> Codes:
    """Send message 7 first."""
    wire = Wire().alerted()
    wire.msg_id = 6
    return of(wire.send(alert(1, 200)))


def edited() -> Codes:
    """Replace at the client what a person has just edited."""
    line = Line(AlertCode.SLOW, _one_item()).initialized(201)
    line.store.put("a", b"a person wrote this")
    line.say(Status(1, 2, 3, "Sync", 200), their_sync(Replace(11, (_named("a"),))))
    return of(line.codes())


def _named(name: str) -> Item:
    return Item(target=Location(name), data=b"y")


def _one_item() -> MemoryClientDatastore:
    store = MemoryClientDatastore("db")
    store.put("a", b"x")
    return store


def _one_way() -> Wire:
    return Wire().alerted(AlertCode.REFRESH_FROM_SERVER)


class Full(MemoryServerDatastore):
    """A datastore that has room for one item."""

    def apply(self, changes: Sequence[Change]) -> Sequence[Applied]:
        """Take the first, and no more."""
        return [*super().apply(changes[:1]), *(Applied(420, "") for _ in changes[1:])]


def _rolled_back() -> Codes:
    """Let the second of two fail."""
    return changed(Atomic(11, (Add(12, items("a")), Add(13, items("b")))), store=Full("db"))


Case = tuple[int, Callable[[], Codes]]

TABLE: list[Case] = [
    (101, lambda: configured(busy=True)),
    (200, lambda: of(Wire().send(alert(1, 203)))),
    (201, lambda: changed(Add(11, items("a")))),
    (207, merged),
    (208, lambda: conflict(Rule.CLIENT_WINS)),
    (209, lambda: conflict(Rule.DUPLICATE)),
    (210, lambda: changed(Add(11, items("a")), Delete(12, items("a", data=None), archive=True))),
    (211, lambda: changed(Delete(11, items("a", data=None)))),
    (212, welcome),
    (213, lambda: changed(Add(11, (chunk(5),)))),
    (215, lambda: changed(Atomic(11, (Add(12, items("a")), Copy(13, items("b")))))),
    (216, _rolled_back),
    (301, lambda: configured(moved="http://b.example/s")),
    (400, out_of_turn),
    (400, lambda: unreadable(b"<CmdID>1<", b"<CmdID>x<")),
    (400, lambda: changed(Add(11, items("a", data=b"***"), Meta(format="b64")))),
    (401, lambda: refused(b"wrong")),
    (403, lambda: of(Wire().alerted().send(alert(1, 203)))),
    (404, lambda: of(Wire().send(alert(1, 203, target="none")))),
    (405, lambda: of(_one_way().send(sync(Add(11, items("a")))))),
    (406, lambda: changed(Copy(11, items("a")))),
    (406, lambda: changed(Move(11, items("a")))),
    (407, lambda: refused(None)),
    (409, edited),
    (412, lambda: changed(Add(11, (Item(data=b"x"),)))),
    (413, lambda: changed(Add(11, (chunk(1 << 30),)))),
    (415, lambda: changed(Add(11, items("a"), Meta(type="image/png")))),
    (418, lambda: changed(Add(11, items("a")), store=Answers(418))),
    (419, lambda: conflict(Rule.SERVER_WINS)),
    (420, lambda: changed(Add(11, items("a")), store=Answers(420))),
    (421, lambda: of(Wire().send(filtered("x", grammar="x")))),
    (422, lambda: of(Wire().send(filtered("x")))),
    (424, wrong_size),
    (500, lambda: changed(Add(11, items("a")), store=Answers(500))),
    (505, lambda: unreadable(b"<VerDTD>1.2<", b"<VerDTD>2.0<")),
    (507, lambda: changed(Atomic(11, (Add(12, (Item(data=b"x"),)),)))),
    (508, lambda: of(Wire().send(alert(1, 200)))),
    (510, lambda: changed(Add(11, items("a")), store=Answers(510))),
    (513, lambda: unreadable(b"<VerProto>SyncML/1.2<", b"<VerProto>SyncML/2.0<")),
]  # fmt: skip


@pytest.mark.parametrize(("code", "case"), TABLE, ids=[str(code) for code, _ in TABLE])
def test_every_status_that_we_send(code: int, case: Callable[[], Codes]) -> None:
    """The code is among the answers."""
    assert code in case()


def test_no_status_is_forgotten() -> None:
    """What is in no row of the table is only understood, and every one has words."""
    assert set(StatusCode) == {*UNDERSTOOD, *(code for code, _ in TABLE)}
    for code in StatusCode:
        assert words(code) != str(int(code))
    assert "599" == words(599)


def test_what_counts_as_done() -> None:
    """2xx but what was cancelled, not executed or rolled back; 418 and 419."""
    assert {200, 201, 208, 213, 418, 419} == {
        code for code in (200, 201, 208, 213, 214, 215, 216, 404, 418, 419, 500) if succeeded(code)
    }
