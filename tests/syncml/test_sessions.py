"""Whole sessions: both halves back to back through octets, with loss and repetition."""

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from cardsync.syncml import codec
from cardsync.syncml.client import ClientSession
from cardsync.syncml.datastore import Rule
from cardsync.syncml.elements import AlertCode
from cardsync.syncml.events import Counts
from cardsync.syncml.memory import MemoryServerDatastore
from syncml.pair import Pair

BOTH = pytest.mark.parametrize("content_type", [codec.WBXML, codec.XML])
KINDS = [kind for kind in AlertCode if 200 <= kind <= 205]


def filled(content_type: str = codec.WBXML, items: int = 20) -> Pair:
    """Give a pair whose client has some items."""
    pair = Pair(content_type=content_type)
    for number in range(items):
        pair.client.put(f"item{number}", f"content <{number}> & more".encode())
    return pair


def synchronized(content_type: str = codec.WBXML) -> Pair:
    """Give a pair that was refreshed from the client."""
    pair = filled(content_type)
    assert pair.sync(AlertCode.REFRESH_FROM_CLIENT).ok
    return pair


def changed(content_type: str = codec.WBXML) -> Pair:
    """Give a pair that was synchronized, with changes of every kind on both sides since."""
    pair = synchronized(content_type)
    ours = {client: server for server, client in pair.names().items()}
    pair.client.put("item1", b"changed by the client")
    pair.client.remove("item2")
    pair.client.put("new", b"added by the client")
    pair.store.put(ours["item3"], b"changed by the server")
    pair.store.remove(ours["item4"])
    pair.store.put("fresh", b"added by the server")
    return pair


@BOTH
def test_refresh_from_client_fills_an_empty_server(content_type: str) -> None:
    """Alert 203: two round trips, every item mapped and equal. Requirement R-01, R-61."""
    pair = filled(content_type)

    result = pair.sync(AlertCode.REFRESH_FROM_CLIENT)

    assert (200, 2, Counts(added=20)) == (
        result.status,
        result.round_trips,
        result.databases[0].sent,
    )
    assert pair.equal()
    assert len(pair.store.items()) == 20


def test_refresh_from_client_replaces_what_the_server_has() -> None:
    """What the client does not send is gone; what it sends keeps its place at the server."""
    pair = synchronized()
    pair.store.put("stray", b"only here")
    before = pair.names()
    pair.client.remove("item0")

    assert pair.sync(AlertCode.REFRESH_FROM_CLIENT).ok
    assert pair.equal()
    assert "stray" not in pair.store.items()
    assert pair.names().items() <= before.items()


@BOTH
def test_nothing_to_do_takes_two_round_trips(content_type: str) -> None:
    """Requirement: two-way with nothing to send, two requests and two replies."""
    pair = synchronized(content_type)

    result = pair.sync()

    assert (200, 2, False) == (result.status, result.round_trips, result.slow)


def test_nothing_to_do_takes_less_than_a_kilobyte() -> None:
    """Both ways together in WBXML, the second session of a device that is known."""
    pair = synchronized()

    result = pair.sync()

    assert result.octets_sent + result.octets_received <= 1024


@BOTH
def test_changes_cross_both_ways(content_type: str) -> None:
    """Alert 200: adds, replaces and deletes of both sides in three round trips."""
    pair = changed(content_type)

    result = pair.sync()

    assert (200, 3) == (result.status, result.round_trips)
    assert Counts(1, 1, 1) == result.databases[0].sent == result.databases[0].received
    assert pair.equal()
    assert pair.sync().round_trips == 2


def test_first_two_way_is_slow() -> None:
    """Without anchors the client asks for 201, and both sides get what the other has."""
    pair = filled()
    pair.store.put("s", b"only at the server")
    pair.store.put("t", b"content <0> & more")

    result = pair.sync()

    assert AlertCode.SLOW is result.databases[0].performed
    assert result.slow
    assert pair.equal()
    assert len(pair.client.items()) == 21


def test_server_asks_for_slow_where_anchors_do_not_match() -> None:
    """Status 508 and Alert 201: the server knows nothing of the last session."""
    pair = synchronized()
    pair.store._agreed = ()

    result = pair.sync()

    assert (200, True) == (result.status, result.slow)
    assert AlertCode.SLOW is result.databases[0].performed
    assert pair.equal()
    assert len(pair.store.items()) == 20
    assert not pair.sync().slow


def test_slow_finds_items_again_under_new_names() -> None:
    """A client that was set up anew has other names: equal content is not doubled."""
    pair = synchronized()
    other = filled(items=0)
    other.store, other.server.datastores = pair.store, {"db": pair.store}
    for name, data in pair.client.items().items():
        other.client.put(f"other-{name}", data)

    assert other.sync(AlertCode.SLOW).ok
    assert other.equal()
    assert len(other.store.items()) == 20


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_does_what_it_says(kind: AlertCode) -> None:
    """Alerts 200 to 205 over changes on both sides. Requirement R-53."""
    pair = changed()
    client, server = set(pair.client.items().values()), set(pair.store.items().values())

    result = pair.sync(kind)

    mine, theirs = set(pair.client.items().values()), set(pair.store.items().values())
    assert (200, kind) == (result.status, result.databases[0].performed)
    assert (mine == client) == (kind in {202, 203})
    assert (theirs == server) == (kind in {204, 205})
    assert pair.equal() == (kind in {200, 201, 203, 205})
    assert pair.sync().ok
    assert pair.equal()


def test_one_way_keeps_the_other_direction_for_later() -> None:
    """204 then 200: what the client had to tell is told."""
    pair = changed()

    assert pair.sync(AlertCode.ONE_WAY_FROM_SERVER).ok
    assert Counts(1, 1, 1) == pair.sync().databases[0].sent
    assert pair.equal()


@BOTH
def test_three_hundred_items_in_small_messages(content_type: str) -> None:
    """MaxMsgSize 2,000 of both sides is kept to, both ways, with objects larger than that."""
    pair = filled(content_type, items=300)
    small = 2000
    pair.client_config = lambda config: replace(config, max_msg_size=small)
    pair.server.config = replace(pair.server.config, max_msg_size=small)
    pair.client.put("text", "Stück für Stück".encode() * 400)
    pair.client.put("octets", os.urandom(5000))

    sizes = []
    for _ in range(2):
        assert pair.sync().ok
        assert pair.equal()
        sizes += [len(octets) for exchange in pair.wire for octets in exchange]
        for number in range(300):
            pair.store.put(f"more{number}", b"of the server's " * (number % 5))
        pair.store.put("large", "Stück für Stück".encode() * 400)

    assert max(sizes) <= small


@BOTH
@pytest.mark.parametrize("limit", [1, 300, *range(500, 1500, 61)])
@pytest.mark.parametrize("name", ["n", "a name of eighty octets, which leaves little room" * 2])
def test_session_ends_however_little_a_peer_takes(content_type: str, limit: int, name: str) -> None:
    """MaxMsgSize from nothing to something: everything arrives, in a number of messages."""
    pair = Pair(content_type=content_type)
    pair.client_config = lambda config: replace(config, max_msg_size=limit)
    for number in range(4):
        pair.client.put(f"{name}c{number}", b"x<&" * (number**2 * 20) + b"%d" % number)
        pair.store.put(f"{name}s{number}", b"y<&" * (number**2 * 20) + b"%d" % number)
    pair.client.put(f"{name}b", bytes(range(256)) * 2)

    result = pair.sync()

    assert result.ok
    assert pair.equal()
    assert result.round_trips < 200
    assert max(len(octets) for both in pair.wire for octets in both) <= max(limit, 1100)


def test_small_messages_are_filled() -> None:
    """A package needs few messages more than its octets would."""
    pair = filled(items=300)
    pair.client_config = lambda config: replace(config, max_msg_size=4000)

    assert pair.sync(AlertCode.REFRESH_FROM_CLIENT).ok
    assert min(len(request) for request, _ in pair.wire[1:-1]) > 3500


@pytest.mark.parametrize(
    ("conflict_rule", "kept"),
    [
        (Rule.CLIENT_WINS, b"of the server"),
        (Rule.SERVER_WINS, b"of the client"),
        (Rule.NEWEST, b"of the client"),  # the memory compares octets: "s" is after "c"
    ],
)
def test_conflict_is_settled_and_the_loser_kept(conflict_rule: Rule, kept: bytes) -> None:
    """Both sides changed one item: one version stands on both, the other can be read. O-9."""
    pair = synchronized()
    pair.store.rule = conflict_rule
    name = next(server for server, client in pair.names().items() if client == "item7")
    pair.client.put("item7", b"of the client")
    pair.store.put(name, b"of the server")

    assert pair.sync().ok
    assert pair.equal()
    assert [kept] == [change.data for change in pair.store.kept]
    assert kept != pair.client.items()["item7"]


def test_conflict_may_leave_both_versions() -> None:
    """The rule DUPLICATE: nothing is lost, both sides have two items."""
    pair = synchronized()
    pair.store.rule = Rule.DUPLICATE
    name = next(server for server, client in pair.names().items() if client == "item7")
    pair.client.put("item7", b"of the client")
    pair.store.put(name, b"of the server")

    assert pair.sync().ok
    assert pair.equal()
    assert {b"of the client", b"of the server"} <= set(pair.client.items().values())


class Fields(MemoryServerDatastore):
    """A datastore of comma separated fields, merged where they are not equal."""

    def merge(self, ours: bytes, theirs: bytes) -> bytes | None:
        """Take the fields of both."""
        return b",".join(sorted({*ours.split(b","), *theirs.split(b",")}))


def test_merge_reaches_both_sides_in_the_session() -> None:
    """Status 207, and the merged record goes back to the client at once. Requirement O-9."""
    pair = Pair(store=Fields("db"))
    pair.client.put("x", b"a")
    assert pair.sync().ok
    (name,) = pair.names()
    pair.client.put("x", b"a,b")
    pair.store.put(name, b"a,c")

    assert pair.sync().ok
    assert {"x": b"a,b,c"} == pair.client.items()
    assert pair.equal()


Scene = Callable[[], Pair]


def first() -> Pair:
    """Give a pair before its first, slow, synchronization, with items on both sides."""
    pair = filled(items=6)
    pair.store.put("s1", b"only at the server")
    pair.store.put("s2", b"content <0> & more")
    return pair


def many() -> Pair:
    """Give a pair with changes that need several messages both ways."""
    pair = changed()
    for number in range(12):
        pair.client.put(f"c{number}", b"c%d of the client " % number * 20)
        pair.store.put(f"s{number}", b"s%d of the server " % number * 20)
    pair.client_config = lambda config: replace(config, max_msg_size=1500)
    return pair


def _messages(scene: Scene) -> int:
    pair = scene()
    pair.sync()
    return len(pair.wire)


def _losses() -> Iterator[tuple[Scene, int]]:
    for scene in (first, changed, many):
        for at in range(_messages(scene)):
            yield scene, at


LOSSES = list(_losses())


def _run(pair: Pair, session: ClientSession, lost: int, *, request: bool, again: bool) -> None:
    """Run a session in which one request or reply is lost; go on with the same octets or not."""
    for at in count():
        octets = session.data_to_send()
        if octets is None:
            return
        if at == lost:
            if not request:
                pair.server.post(octets)
            if not again:
                return
        session.receive_data(pair.server.post(octets))


@pytest.mark.parametrize("request_lost", [True, False])
@pytest.mark.parametrize(("scene", "at"), LOSSES)
def test_repeated_message_gets_the_same_reply(scene: Scene, at: int, request_lost: bool) -> None:
    """A request or reply lost anywhere, the same octets again: nothing lost, nothing twice."""
    calm, pair = scene(), scene()
    calm.sync()
    session = pair.begin(AlertCode.TWO_WAY)

    _run(pair, session, at, request=request_lost, again=True)

    assert session.result is not None
    assert session.result.ok
    assert pair.equal()
    assert calm.server.served == pair.server.served
    assert calm.client.items() == pair.client.items()
    assert sorted(calm.store.items().values()) == sorted(pair.store.items().values())


@pytest.mark.parametrize("request_lost", [True, False])
@pytest.mark.parametrize(("scene", "at"), LOSSES)
def test_abandoned_session_is_made_good(scene: Scene, at: int, request_lost: bool) -> None:
    """A session dropped anywhere: the next one makes both equal, nothing lost or twice."""
    calm, pair = scene(), scene()
    calm.sync()

    _run(pair, pair.begin(AlertCode.TWO_WAY), at, request=request_lost, again=False)
    agreed_before = bool(pair.client.anchors())
    result = pair.sync()

    assert result.ok
    assert pair.equal()
    assert not (agreed_before and result.slow)
    assert sorted(calm.store.items().values()) == sorted(pair.store.items().values())


class Replicas(RuleBasedStateMachine):
    """Two replicas, changed at random, synchronized at random, with sessions that break.

    Every version that a person wrote is unique. It must stand on both sides in the end unless a
    person changed or deleted it where it stood, or it lost a conflict and was kept.
    """

    def make_pair(self) -> Pair:
        """Make the two replicas."""
        return Pair()

    @initialize(conflict_rule=st.sampled_from(Rule), small=st.booleans())
    def begin(self, conflict_rule: Rule, small: bool) -> None:
        """Begin with nothing."""
        self.pair = self.make_pair()
        self.pair.store.rule = conflict_rule
        if small:
            self.pair.client_config = lambda config: replace(config, max_msg_size=900)
        self.versions = count()
        self.written: set[bytes] = set()

    def _put(self, side: str, pick: int) -> None:
        store = self.pair.client if side == "c" else self.pair.store
        number = next(self.versions)
        names = [*sorted(store.items()), f"{side}new{number}"]
        name = names[pick % len(names)]
        self.written.discard(store.items().get(name, b""))
        data = b"version %d " % number * (1 + number % 7)
        self.written.add(data)
        store.put(name, data)

    def _remove(self, side: str, pick: int) -> None:
        store = self.pair.client if side == "c" else self.pair.store
        names = sorted(store.items())
        if names:
            self.written.discard(store.items()[names[pick % len(names)]])
            store.remove(names[pick % len(names)])

    @rule(side=st.sampled_from("cs"), pick=st.integers(0, 30))
    def put(self, side: str, pick: int) -> None:
        """Write a new version of an item, or a new item."""
        self._put(side, pick)

    @rule(side=st.sampled_from("cs"), pick=st.integers(0, 30))
    def remove(self, side: str, pick: int) -> None:
        """Delete an item."""
        self._remove(side, pick)

    @rule(at=st.integers(0, 5), request=st.booleans())
    def broken(self, at: int, request: bool) -> None:
        """Lose a request or a reply, and drop the session."""
        session = self.pair.begin(AlertCode.TWO_WAY)
        _run(self.pair, session, at, request=request, again=False)

    @rule(at=st.integers(0, 5), request=st.booleans())
    def repeated(self, at: int, request: bool) -> None:
        """Lose a request or a reply, and repeat."""
        session = self.pair.begin(AlertCode.TWO_WAY)
        _run(self.pair, session, at, request=request, again=True)
        assert session.result is not None
        assert session.result.ok
        self._converged()

    @rule(
        edits=st.lists(
            st.tuples(st.integers(0, 6), st.sampled_from("cs"), st.integers(0, 30), st.booleans()),
            min_size=1,
            max_size=4,
        ),
        ends=st.integers(1, 12),
    )
    def disturbed(self, edits: list[tuple[int, str, int, bool]], ends: int) -> None:
        """Write and delete on both sides while a session runs, which may be dropped."""
        session = self.pair.begin(AlertCode.TWO_WAY)
        for at in range(ends):
            octets = session.data_to_send()
            if octets is None:
                break
            reply = self.pair.server.post(octets)
            for when, side, pick, removes in edits:
                if when == at and removes:
                    self._remove(side, pick)
                elif when == at:
                    self._put(side, pick)
            session.receive_data(reply)

    @rule(at=st.integers(0, 5), served=st.booleans())
    def restarted(self, at: int, served: bool) -> None:
        """Let the server forget its sessions before a message, or before the reply to it."""
        session = self.pair.begin(AlertCode.TWO_WAY)
        for number in count():
            octets = session.data_to_send()
            if octets is None:
                return
            if number == at and served:
                self.pair.server.post(octets)
            if number == at:
                self.pair.server.sessions.clear()
            session.receive_data(self.pair.server.post(octets))

    @rule(slow=st.booleans())
    def synchronize(self, slow: bool) -> None:
        """Synchronize, and see that both sides are equal."""
        assert self.pair.sync(AlertCode.SLOW if slow else AlertCode.TWO_WAY).ok
        self._converged()

    def _converged(self) -> None:
        assert self.pair.equal()
        values = list(self.pair.client.items().values())
        assert len(values) == len(set(values))
        kept = {change.data for change in self.pair.store.kept}
        assert self.written <= {*values, *kept}


def test_replicas_converge() -> None:
    """No order of changes, deletions, losses and repetitions loses or doubles an item."""
    run_state_machine_as_test(
        Replicas,
        settings=settings(
            max_examples=60,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
