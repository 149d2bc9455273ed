"""The server's half alone: what each message is answered."""

import base64
from collections.abc import Sequence
from dataclasses import replace

import pytest

from cardsync.errors import LocalError
from cardsync.syncml import codec
from cardsync.syncml.auth import Account, AuthResult, Challenge, Proof, Scheme, credential
from cardsync.syncml.datastore import Anchors, Applied, Change
from cardsync.syncml.devinf import DevInf
from cardsync.syncml.elements import (
    Add,
    Alert,
    AlertCode,
    Anchor,
    Command,
    Copy,
    Cred,
    Delete,
    Exec,
    Get,
    Item,
    Location,
    Map,
    MapItem,
    Message,
    Meta,
    Put,
    Replace,
    Results,
    Search,
    Status,
    Sync,
    SyncHdr,
    Version,
)
from cardsync.syncml.events import Authenticated, Finished, PeerDescribed
from cardsync.syncml.memory import MemoryServerDatastore
from cardsync.syncml.state import Phase, ServerState
from syncml.pair import DEVICE, URL, Pair, Server

DEVINF = DevInf("1.2", DEVICE, "phone", ())
DEVINF_META = Meta(type="application/vnd.syncml-devinf+wbxml")


class Wire:
    """A client that says what it likes; it keeps the server's last reply."""

    def __init__(self, store: MemoryServerDatastore | None = None) -> None:
        self.store = store or MemoryServerDatastore("db")
        self.server = Server({"db": self.store})
        self.msg_id = 0
        self.reply: Message

    def send(
        self, *commands: Command, final: bool = True, cred: Cred | None = None, **header: object
    ) -> list[tuple[str, int]]:
        """Send a message; give the Status commands of the reply as name and code."""
        self.msg_id += 1
        hdr = SyncHdr("1", self.msg_id, Location(URL), Location(DEVICE), cred=cred)
        message = Message(replace(hdr, **header), commands, final)  # type: ignore[arg-type]  # any field
        self.reply = codec.decode(self.server.post(codec.encode(message, codec.WBXML)), codec.WBXML)
        return [(each.cmd, each.code) for each in self.statuses()]

    def statuses(self) -> list[Status]:
        """Give the Status commands of the reply."""
        return [each for each in self.reply.commands if isinstance(each, Status)]

    def state(self) -> ServerState:
        """Give the stored state."""
        return ServerState.decode(self.server.sessions["1"][0])

    def alerted(self, kind: AlertCode = AlertCode.REFRESH_FROM_CLIENT) -> "Wire":
        """Go through packages 1 and 2."""
        assert (200, 200) == tuple(code for _, code in self.send(alert(1, kind)))
        return self


def alert(number: int, code: int, target: str = "db", last: str | None = None) -> Alert:
    """Ask for a synchronization."""
    meta = Meta(anchor=Anchor("C1", last))
    return Alert(number, code, (Item(Location(target), Location("mine"), meta),))


def sync(*commands: Command, target: str = "db") -> Sync:
    """Give a Sync of the client."""
    return Sync(10, Location(target), Location("mine"), commands=commands)


def items(*names: str, data: bytes | None = b"x") -> tuple[Item, ...]:
    """Give items under the client's names."""
    return tuple(Item(source=Location(name), data=data) for name in names)


def test_alert_is_answered_by_status_and_alert() -> None:
    """Package 2: the client's Next in the Status, the kind and our anchors in our Alert."""
    wire = Wire()

    assert [("SyncHdr", 200), ("Alert", 200)] == wire.send(alert(1, 203))
    assert (Item(data=Meta(anchor=Anchor("C1"))),) == wire.statuses()[1].items
    answer = wire.reply.commands[-1]
    assert isinstance(answer, Alert)
    assert 203 == answer.code
    (item,) = answer.items
    assert (Location("mine"), Location("db")) == (item.target, item.source)
    assert item.meta
    assert Anchor("S1") == item.meta.anchor
    assert wire.reply.final


def test_anchors_that_match_make_it_two_way() -> None:
    """The server's Last goes with its Next; the one before the newest is as good."""
    for last in ("B", "A"):
        wire = Wire()
        wire.store.commit(Anchors("SA", "A", "0"))
        wire.store.commit(Anchors("SB", "B", "0"))

        assert [200, 200] == [code for _, code in wire.send(alert(1, 200, last=last))]
        assert f"S{last}" in str(wire.reply.commands[-1])


@pytest.mark.parametrize(
    ("asked", "performed"), [(200, 201), (202, 203), (204, 205), (201, 201), (203, 203)]
)
def test_anchors_that_do_not_match_make_it_anew(asked: int, performed: int) -> None:
    """Status 508 "Refresh required" where the kind needs anchors, and our Alert says what."""
    wire = Wire()

    codes = wire.send(alert(1, asked, last="never"))

    assert [("SyncHdr", 200), ("Alert", 508 if asked != performed else 200)] == codes
    answer = wire.reply.commands[-1]
    assert isinstance(answer, Alert)
    assert performed == answer.code


def test_unknown_database() -> None:
    """Status 404 on the Alert; nothing is alerted by us."""
    wire = Wire()

    assert [("SyncHdr", 200), ("Alert", 404)] == wire.send(alert(1, 200, target="nothing"))
    assert all(isinstance(each, Status) for each in wire.reply.commands)


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        (Alert(1, 299, alert(1, 200).items), 406),
        (Alert(1, 200), 412),
        (Alert(1, 200, (Item(Location("db"), Location("mine")),)), 412),
        (Alert(1, 222), 200),
    ],
)
def test_other_alerts(wrong: Alert, code: int) -> None:
    """406 for what we do not offer, 412 for what lacks its items or anchors."""
    assert [("SyncHdr", 200), ("Alert", code)] == Wire().send(wrong)


def test_alert_comes_in_the_first_package_only() -> None:
    """403 once changes are under way."""
    assert [("SyncHdr", 200), ("Alert", 403)] == Wire().alerted().send(alert(1, 203))[:2]


def test_database_may_be_named_with_its_path() -> None:
    """A client that says "./db" means "db", and hears its own words."""
    wire = Wire()

    assert 200 == wire.send(alert(1, 203, target="./db"))[1][1]
    assert 201 == wire.send(sync(Add(11, items("a")), target="./db"))[2][1]


def basic(password: bytes) -> Cred | None:
    """Give credentials."""
    return credential(Account(Scheme.BASIC, "u", password), Version.V1_2)


def guard(shown: Proof | None, _device: str) -> AuthResult:
    """Let in who knows the password."""
    challenge = Challenge(Scheme.BASIC)
    if shown is None or not shown.matches(b"right"):
        return AuthResult(ok=False, challenge=challenge)
    return AuthResult(ok=True, identity=shown.user)


def test_no_credentials_and_wrong_ones() -> None:
    """407 and 401 with a challenge, for every command; then the right ones go on. 212."""
    wire = Wire()
    wire.server.authenticate = guard

    assert [("SyncHdr", 407), ("Alert", 407)] == wire.send(alert(1, 203))
    assert wire.statuses()[0].chal
    wrong = wire.send(alert(1, 203), cred=basic(b"wrong"))
    assert [("SyncHdr", 401), ("Alert", 401)] == wrong
    assert [] == wire.server.events
    right = wire.send(alert(1, 203), cred=basic(b"right"))
    assert [("SyncHdr", 212), ("Alert", 200)] == right
    assert [Authenticated("u")] == wire.server.events
    assert [200, 200, 201] == [code for _, code in wire.send(sync(Add(11, items("a"))))]


def test_unknown_scheme() -> None:
    """401 and what is wanted, for a scheme that is not ours; nothing, where nothing is wanted."""
    wire = Wire()
    cred = Cred(b"QQ==", Meta(type="syncml:auth-mac"))
    assert [("SyncHdr", 200), ("Alert", 200)] == wire.send(alert(1, 203), cred=cred)

    wire = Wire()
    wire.server.authenticate = lambda _proof, _device: AuthResult(False, "", Challenge(Scheme.MD5))
    assert [("SyncHdr", 401), ("Alert", 401)] == wire.send(alert(1, 203), cred=cred)
    assert wire.statuses()[0].chal


def test_message_out_of_turn() -> None:
    """400, and the session goes on where it was."""
    wire = Wire().alerted()
    before = wire.state()
    wire.msg_id = 5

    assert [("SyncHdr", 400)] == wire.send(sync(Add(11, items("a"))))
    assert before == wire.state()
    assert {} == wire.store.items()
    wire.msg_id = 1
    assert 201 == wire.send(sync(Add(11, items("a"))))[2][1]


def test_client_that_goes_on_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """A session has so many messages and no more: 400, and nothing is done."""
    monkeypatch.setattr("cardsync.syncml.server.MAX_MESSAGES", 3)
    pair = Pair(client_config=lambda config: replace(config, max_msg_size=900))
    for number in range(9):
        pair.client.put(f"c{number}", b"%d" % number * 300)

    result = pair.sync()

    assert (400, 4) == (result.status, result.round_trips)
    assert not pair.store.anchors()


def test_message_1_begins_again() -> None:
    """A client that uses one session identifier for ever begins a session with message 1."""
    wire = Wire().alerted()
    wire.msg_id = 0

    assert [("SyncHdr", 200), ("Alert", 200)] == wire.send(alert(1, 201))


def test_status_for_a_whole_command() -> None:
    """All items alike: one Status without references. Representation Protocol 1.2, Status."""
    wire = Wire().alerted()

    assert [200, 200, 201] == [code for _, code in wire.send(sync(Add(11, items("a", "b", "c"))))]
    assert () == wire.statuses()[2].source_refs


def test_status_for_each_item() -> None:
    """Items that fare differently: a Status for each, with its reference."""
    wire = Wire().alerted()
    odd = Item(source=Location("odd"), meta=Meta(type="image/png"), data=b"x")

    wire.send(sync(Add(11, (*items("a"), odd, *items("b")), Meta(type="text/plain"))))

    answers = [(each.code, each.source_refs) for each in wire.statuses()[2:]]
    assert [(201, ("a",)), (415, ("odd",)), (201, ("b",))] == answers


def test_replaced_and_added_items_share_a_status() -> None:
    """200 is true of what a Replace added, too."""
    wire = Wire().alerted(AlertCode.SLOW)
    wire.send(sync(Add(11, items("a"))), final=False)

    assert ("Replace", 200) == wire.send(sync(Replace(11, items("a", "b", data=b"y"))))[2]


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (Copy(11, items("a")), 406),
        (Delete(11, items("a", data=None), soft=True), 211),
        (Delete(11, items("a", data=None)), 211),
        (Replace(11, items("a"), Meta(field_level=True)), 406),
        (Add(11, (Item(data=b"x"),)), 412),
        (Add(11, items("a", data=None)), 412),
        (Add(11, items("a"), Meta(type="text/x-vcard")), 415),
        (Add(11, items("a"), Meta(type="Text/Plain; charset=utf-8")), 201),
        (Add(11, items("a", data=b"***"), Meta(format="b64")), 400),
        (Add(11, items("a", data=b"eA=="), Meta(format="b64")), 201),
        (Add(11, (Item(source=Location("a"), data=b"x", more_data=True),)), 213),
        (
            Add(11, (Item(None, Location("a"), Meta(size=1 << 30), b"x", more_data=True),)),
            413,
        ),
    ],
)
def test_commands_of_a_sync(command: Command, code: int) -> None:
    """The status of each thing that may stand in a Sync."""
    wire = Wire().alerted()

    assert (type(command).__name__, code) == wire.send(sync(command))[2]
    assert (code == 201) == (wire.store.items() != {})


def test_chunks_that_do_not_add_up() -> None:
    """424 where the object has another size than was said."""
    wire = Wire().alerted()
    begin = Item(None, Location("a"), Meta(size=5), b"abc", more_data=True)
    wire.send(sync(Add(11, (begin,))), final=False)

    assert ("Add", 424) == wire.send(sync(Add(11, items("a", data=b"d"))))[2]
    assert {} == wire.store.items()


def test_line_ends_that_xml_took() -> None:
    """Size counts CR LF, an XML parser gives LF (XML 1.0 clause 2.11): the text is what it was."""
    wire = Wire().alerted()
    first = Item(None, Location("a"), Meta(size=15), b"one\ntwo\n", more_data=True)
    wire.send(sync(Add(11, (first,))), final=False)

    assert ("Add", 201) == wire.send(sync(Add(11, items("a", data=b"end\n"))))[2]
    assert [b"one\r\ntwo\r\nend\r\n"] == list(wire.store.items().values())


@pytest.mark.parametrize("counts_text", [True, False])
@pytest.mark.parametrize(
    "pieces",
    [
        (b"AAECAwQFBgcI", b"CQoLDA0ODw=="),  # cut after three octets
        (b"AAECAwQ", b"FBgcICQo", b"LDA0ODw=="),  # the text cut anywhere
        (b"AAECAw==", b"BAUGBwgJCgsMDQ4P"),  # each chunk encoded by itself
        (b"AAECAwQF\r\nBgcI", b"CQoL\r\nDA0ODw==\r\n"),  # in lines
    ],
)
def test_chunks_of_base64(pieces: tuple[bytes, ...], counts_text: bool) -> None:
    """Size counts the text or the octets; the format may stand at the first chunk alone."""
    wire = Wire().alerted()
    size = len(b"".join(pieces)) if counts_text else 16
    *begun, last = pieces
    for number, piece in enumerate(begun):
        meta = None if number else Meta(format="b64", size=size)
        item = Item(None, Location("a"), meta, piece, more_data=True)
        assert ("Add", 213) == wire.send(sync(Add(11, (item,))), final=False)[2]

    assert ("Add", 201) == wire.send(sync(Add(11, items("a", data=last))))[2]
    assert [bytes(range(16))] == list(wire.store.items().values())


@pytest.mark.parametrize(
    ("last", "code"), [(b"CQ", 400), (b"C*oLDA0ODw==", 400), (b"==C", 400), (b"CQoL", 424)]
)
def test_chunks_that_are_no_base64(last: bytes, code: int) -> None:
    """400 for what cannot be decoded, 424 for what is too short; nothing is stored."""
    wire = Wire().alerted()
    item = Item(None, Location("a"), Meta(format="b64", size=20), b"AAECAwQFBgcI", more_data=True)
    wire.send(sync(Add(11, (item,))), final=False)

    assert ("Add", code) == wire.send(sync(Add(11, items("a", data=last))))[2]
    assert {} == wire.store.items()


def test_no_final_no_more() -> None:
    """Alert 222 where the client's package goes on and we have nothing to say."""
    wire = Wire().alerted()

    wire.send(sync(Add(11, items("a"))), final=False)

    assert not wire.reply.final
    assert Alert(4, 222) == wire.reply.commands[-1]


def test_sync_without_alert() -> None:
    """403 for a database that was not alerted, 404 for one that is none; nothing is applied."""
    wire = Wire()

    codes = wire.send(sync(Add(11, items("a"))), sync(Add(12, items("a")), target="no"))
    assert [200, 403, 403, 404, 404] == [code for _, code in codes]
    assert {} == wire.store.items()


def test_one_way_from_server_takes_no_changes() -> None:
    """405 for what the kind does not allow."""
    wire = Wire().alerted(AlertCode.REFRESH_FROM_SERVER)

    assert [200, 405, 405] == [code for _, code in wire.send(sync(Add(11, items("a"))))]


def test_other_commands() -> None:
    """406 for Exec, Search and a manipulation outside of Sync; 404 for a Map of nothing."""
    nothing = Map(4, Location("no"), Location("mine"), (MapItem("s", "c"),))

    codes = Wire().send(Exec(1), Search(2), Add(3, items("a")), nothing)

    assert [200, 406, 406, 406, 404] == [code for _, code in codes]


def test_device_information_is_taken_and_given() -> None:
    """Put is told to the shell; Get of "./devinf12" brings ours, anything else 404."""
    wire = Wire()
    wire.server.config = replace(wire.server.config, devinf=DEVINF, peer_known=False)
    put = Put(1, (Item(source=Location("./devinf12"), data=DEVINF),), DEVINF_META)
    get, other = (Get(n, (Item(Location(uri)),)) for n, uri in ((2, "./devinf12"), (3, "./x")))

    codes = wire.send(put, get, other, alert(4, 203))

    assert [200, 200, 200, 404, 200] == [code for _, code in codes]
    assert PeerDescribed(DEVINF) in wire.server.events
    (results,) = [each for each in wire.reply.commands if isinstance(each, Results)]
    assert DEVINF == results.items[0].data
    assert (1, 2) == (results.msg_ref, results.cmd_ref)
    assert not any(isinstance(each, Get) for each in wire.reply.commands)


def test_device_information_is_asked_for_once() -> None:
    """Get, where the client did not put it and we do not know it; never again."""
    wire = Wire()
    wire.server.config = replace(wire.server.config, peer_known=False)

    wire.send(alert(1, 203))
    assert any(isinstance(each, Get) for each in wire.reply.commands)
    ours = (Item(source=Location("./devinf12"), data=DEVINF),)
    wire.send(Results(1, 3, ours, meta=DEVINF_META), final=False)
    assert not any(isinstance(each, Get) for each in wire.reply.commands)
    assert PeerDescribed(DEVINF) in wire.server.events


def test_no_resp_is_kept_to() -> None:
    """NoResp in the header: no Status at all; in a command: none for it."""
    wire = Wire()

    assert [] == wire.send(alert(1, 203), no_resp=True)
    assert [("SyncHdr", 200), ("Sync", 200)] == wire.send(sync(Add(11, items("a"), no_resp=True)))
    assert [b"x"] == list(wire.store.items().values())


def test_resp_uri_is_given_once() -> None:
    """The first reply says where the next messages go."""
    wire = Wire()
    wire.server.config = replace(wire.server.config, resp_uri="http://a.example/s?k")

    wire.send(alert(1, 203))
    assert "http://a.example/s?k" == wire.reply.header.resp_uri
    wire.send(sync())
    assert wire.reply.header.resp_uri is None


def test_last_package_asks_for_no_answer() -> None:
    """Package 4 without changes has NoResp and ends the session; anchors are agreed."""
    wire = Wire().alerted()

    wire.send(sync(Add(11, items("a"))))

    assert (True, True) == (wire.reply.header.no_resp, wire.reply.final)
    assert [Anchors("S1", "C1", wire.store.token())] == list(wire.store.anchors())
    assert Phase.DONE is wire.state().phase
    (finished,) = [each for each in wire.server.events if isinstance(each, Finished)]
    assert finished.result.ok


def test_client_that_answers_anyway_is_heard() -> None:
    """A peer that does not know NoResp ends with a package 5; nothing is agreed twice."""
    wire = Wire().alerted()
    wire.send(sync())

    assert [("SyncHdr", 200)] == wire.send(Status(1, 2, 0, "SyncHdr", 200))
    assert 1 == len(wire.store.anchors())


class Full(MemoryServerDatastore):
    """A datastore without room."""

    def apply(self, changes: Sequence[Change]) -> Sequence[Applied]:
        """Refuse."""
        return [Applied(420, "") for _ in changes]


def test_item_that_fails_leaves_nothing_agreed() -> None:
    """420 for the item; without an agreement the client sends it again the next time."""
    wire = Wire(Full("db")).alerted()

    assert ("Add", 420) == wire.send(sync(Add(11, items("a"))))[2]
    assert () == tuple(wire.store.anchors())


def test_failed_status_leaves_nothing_agreed() -> None:
    """What the client could not take is sent again the next time."""
    wire = Wire()
    wire.store.put("s", b"x")
    wire.alerted(AlertCode.SLOW)
    wire.send(sync())
    refused = Status(1, 2, 4, "Add", 500)

    wire.send(Status(2, 2, 0, "SyncHdr", 200), refused)

    assert Phase.DONE is wire.state().phase
    assert () == tuple(wire.store.anchors())


def test_missing_status_leaves_nothing_agreed() -> None:
    """A client that ends without answering our Add has perhaps not taken it."""
    wire = Wire()
    wire.store.put("s", b"x")
    wire.alerted(AlertCode.SLOW)
    wire.send(sync())

    wire.send()

    assert () == tuple(wire.store.anchors())


def test_database_that_is_gone() -> None:
    """Between two messages the datastore was taken away: 404, and no failure of ours."""
    wire = Wire().alerted()
    wire.server.datastores.clear()

    assert [("SyncHdr", 200), ("Sync", 404)] == wire.send(sync())


def test_alert_and_sync_in_one_message() -> None:
    """Synchronization without separate initialization. DS Protocol 1.2."""
    wire = Wire()

    codes = wire.send(alert(1, 203), sync(Add(11, items("a"))))

    assert [200, 200, 200, 201] == [code for _, code in codes]
    assert wire.reply.final
    wire.send(Status(1, 1, 0, "SyncHdr", 200))
    assert 1 == len(wire.store.anchors())


@pytest.mark.parametrize("last", [None, "another one"])
def test_alert_and_changes_where_all_is_to_be_compared(last: str | None) -> None:
    """What came with the Alert are changes alone: 508, nothing is applied, package 3 follows.

    Were they all that the client has, it would be sent all else once more.
    """
    wire = Wire()
    wire.store.put("s", b"x")

    codes = wire.send(alert(1, 200, last=last), sync(Add(11, items("a"))))
    assert [200, 508, 508, 508] == [code for _, code in codes]
    assert {"s": b"x"} == wire.store.items()
    assert [201] == [e.code for e in wire.reply.commands if isinstance(e, Alert)]
    assert [] == [each for each in wire.reply.commands if isinstance(each, Sync)]
    assert wire.reply.final
    codes = wire.send(sync(Add(11, items("theirs"))))

    assert [200, 200, 200] == [code for _, code in codes]
    assert 1 == len(wire.store.items())


def test_state_both_ways() -> None:
    """The state of a session is small text; half an object in chunks is part of it."""
    wire = Wire().alerted()
    begin = Item(None, Location("a"), Meta(size=5), b"a\xffb", more_data=True)
    wire.send(sync(Add(11, (begin,))), final=False)
    state = wire.state()

    assert state.chunk
    assert b"a\xffb" == state.chunk.data
    assert state == ServerState.decode(state.encode())
    assert len(state.encode()) < 1024


@pytest.mark.parametrize("octets", [b"", b"{}", b"[]", b'{"phase": 1}', b"\xff"])
def test_what_is_no_state(octets: bytes) -> None:
    """Anything else is refused."""
    with pytest.raises(LocalError):
        ServerState.decode(octets)


def test_secret_of_a_session_does_not_show() -> None:
    """No credential is in the state or in its repr."""
    wire = Wire()
    wire.server.authenticate = guard
    wire.send(alert(1, 203), cred=basic(b"right"))

    stored = wire.server.sessions["1"][0]
    assert b"right" not in stored
    assert base64.b64encode(b"u:right") not in stored
