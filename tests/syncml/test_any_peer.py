"""Peers that say anything at any time: a session ends, in its own words, and never otherwise."""

from hypothesis import given, settings
from hypothesis import strategies as st

from cardsync.errors import PeerError
from cardsync.syncml import codec
from cardsync.syncml.elements import (
    Add,
    Alert,
    AlertCode,
    Anchor,
    Atomic,
    Chal,
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
    Sequence,
    Status,
    Sync,
    SyncHdr,
)
from syncml.pair import DEVICE, URL, Pair

IDS = st.integers(0, 12)
CODES = st.sampled_from([200, 201, 212, 213, 214, 216, 301, 401, 404, 407, 418, 500, 508, 509, 999])
NAMES = st.sampled_from(["db", "./db", "c1", "s1", ""])
PLACES = st.builds(Location, NAMES)
METAS = st.sampled_from(
    [
        Meta(type="text/plain"),
        Meta(size=3),
        Meta(size=1 << 40),
        Meta(format="b64"),
        Meta(anchor=Anchor("S1", "C1")),
        Meta(max_obj_size=3),
        Meta(max_msg_size=1),
        Meta(field_level=True),
    ]
)
CHALLENGES = st.sampled_from([Chal(Meta(type=f"syncml:auth-{e}")) for e in ("md5", "basic", "x")])
CREDENTIALS = st.none() | st.just(Cred(b"***", Meta(type="syncml:auth-md5")))
ITEMS = st.lists(
    st.builds(
        Item,
        st.none() | PLACES,
        st.none() | PLACES,
        st.none() | METAS,
        st.sampled_from([None, b"", b"abc", b"\xff"]),
        st.booleans(),
    ),
    min_size=1,
    max_size=2,
).map(tuple)
CHANGES = st.lists(
    st.recursive(
        st.one_of(
            *[
                st.builds(kind, IDS, ITEMS, st.none() | METAS, st.booleans())
                for kind in (Add, Replace, Delete, Copy)
            ]
        ),
        lambda inner: st.one_of(
            *[
                st.builds(kind, IDS, st.lists(inner, max_size=2).map(tuple))
                for kind in (Atomic, Sequence)
            ]
        ),
        max_leaves=3,
    ),
    max_size=3,
).map(tuple)
OPEN: st.SearchStrategy[Command] = st.builds(
    Alert,
    IDS,
    st.sampled_from([200, 201, 203, 205, 225]),
    st.just((Item(Location("db"), Location("db"), Meta(anchor=Anchor("S1", "C1"))),)),
)
STATUSES: st.SearchStrategy[Command] = st.builds(
    Status,
    IDS,
    IDS,
    IDS,
    st.sampled_from(["SyncHdr", "Alert", "Sync", "Add", "Map"]),
    CODES,
    chal=st.none() | CHALLENGES,
)
SYNCS: st.SearchStrategy[Command] = st.builds(
    Sync, IDS, PLACES, PLACES, st.none() | METAS, st.none() | IDS, CHANGES
)
OTHERS: st.SearchStrategy[Command] = st.one_of(
    st.builds(Alert, IDS, st.integers(199, 226), ITEMS, st.booleans(), CREDENTIALS),
    st.builds(Map, IDS, PLACES, PLACES, st.just((MapItem("s1", "c1"), MapItem("", "")))),
    st.builds(Results, IDS, IDS, ITEMS, IDS),
    *[st.builds(kind, IDS, ITEMS, st.none() | METAS) for kind in (Get, Put, Exec)],
)
SAYINGS = st.lists(
    st.tuples(
        st.booleans(),
        st.lists(OPEN | STATUSES | SYNCS | OTHERS, max_size=4).map(tuple),
        st.booleans(),
    ),
    min_size=1,
    max_size=8,
)


def filled() -> Pair:
    """Give a pair with items on both sides."""
    pair = Pair()
    for number in range(3):
        pair.client.put(f"c{number}", b"c%d" % number)
        pair.store.put(f"s{number}", b"s%d" % number)
    return pair


def statuses(message: Message) -> tuple[Command, ...]:
    """Answer all of a message well."""
    known = [e for e in message.commands if not isinstance(e, Status)]
    header = message.header.msg_id
    answers = [Status(90, header, e.cmd_id, type(e).__name__, 200) for e in known]
    return (Status(90, header, 0, "SyncHdr", 200), *answers)


@given(
    kind=st.sampled_from([kind for kind in AlertCode if 200 <= kind <= 205]),
    said=SAYINGS,
    no_resp=st.booleans(),
)
@settings(max_examples=150, deadline=None)
def test_any_server(
    kind: AlertCode, said: list[tuple[bool, tuple[Command, ...], bool]], no_resp: bool
) -> None:
    """A client's session has a result after a bounded number of messages, whatever comes."""
    session = filled().begin(kind)
    for number in range(60):
        octets = session.data_to_send()
        if octets is None:
            break
        answers, commands, final = said[number % len(said)]
        if answers:
            commands = (*statuses(codec.decode(octets, codec.WBXML)), *commands)
        header = SyncHdr("1", number + 1, Location(DEVICE), Location(URL), no_resp=no_resp)
        session.receive_data(codec.encode(Message(header, commands, final), codec.WBXML))

    if session.result is None:  # it goes on as long as the server does: never for ever
        session.drop()
    assert session.result is not None
    assert session.data_to_send() is None


@given(said=SAYINGS, no_resp=st.booleans())
@settings(max_examples=150, deadline=None)
def test_any_client(said: list[tuple[bool, tuple[Command, ...], bool]], no_resp: bool) -> None:
    """Every message has a reply that can be read, whatever was said before."""
    pair = filled()
    for number, (_, commands, final) in enumerate(said, 1):
        header = SyncHdr("7", number, Location(URL), Location(DEVICE), no_resp=no_resp)
        octets = codec.encode(Message(header, commands, final), codec.WBXML)
        try:
            codec.decode(octets, codec.WBXML)
        except PeerError:
            continue  # the shell answers what cannot be read

        reply = codec.decode(pair.server.post(octets), codec.WBXML)
        assert "7" == reply.header.session_id
