"""The contract of a client's datastore, kept by the device-management database for each peer.

What the contract says is asked of the datastore in memory too, so that both mean the same.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cardsync.syncml.datastore import (
    Anchors,
    Applied,
    Change,
    ChangeKind,
    ClientDatastore,
    Mapping,
    Readable,
)
from cardsync.syncml.memory import MemoryClientDatastore
from cardsync.syncml.record import Parameter
from cardsync.terminal.databases.management import ManagementDatabase

SERVER = "http://dm.operator.example/syncml"
ADD, REPLACE, DELETE = ChangeKind.ADD, ChangeKind.REPLACE, ChangeKind.DELETE


def data(name: str, value: str) -> bytes:
    """Give the octets of a parameter of this name."""
    return Parameter(f"./Ext/{name}", value).encode()


class Memory:
    """The datastore in memory, and its owner's hand."""

    def __init__(self) -> None:
        self._memory = MemoryClientDatastore("devman")
        self.datastore: ClientDatastore = self._memory

    def put(self, name: str, value: str) -> str:
        """Add or change an item; give our name of it."""
        self._memory.put(name, data(name, value))
        return name

    def remove(self, name: str) -> None:
        """Delete an item."""
        self._memory.remove(name)

    def items(self) -> dict[str, bytes]:
        """Give every item."""
        return self._memory.items()


class Management:
    """The device-management database for one peer, and the collectors' hand."""

    def __init__(self, database: ManagementDatabase) -> None:
        self._database = database
        self._shown: dict[str, Parameter] = {}
        self.datastore: ClientDatastore = database.datastore(SERVER, None)

    def put(self, name: str, value: str) -> str:
        """Show a parameter; give our name of it."""
        shown = Parameter(f"./Ext/{name}", value)
        self._shown[name] = shown
        self._database.update([shown], full=False)
        return next(name for name, octets in self.items().items() if octets == shown.encode())

    def remove(self, name: str) -> None:
        """Show a parameter no more."""
        del self._shown[name]
        self._database.update(self._shown.values(), full=True)

    def items(self) -> dict[str, bytes]:
        """Give every item."""
        return {c.identifier: c.data for c in self.datastore.changes(None) if c.data is not None}


Subject = Memory | Management


@pytest.fixture
def database(tmp_path: Path) -> Iterator[ManagementDatabase]:
    """Make a database."""
    with ManagementDatabase(tmp_path / "devman.sqlite") as made:
        yield made


@pytest.fixture(params=["memory", "management"])
def subject(request: pytest.FixtureRequest, database: ManagementDatabase) -> Subject:
    """Give each datastore that keeps the contract."""
    return Memory() if request.param == "memory" else Management(database)


def told(subject: Subject, since: str | None) -> list[tuple[ChangeKind, str, bytes | None]]:
    """Give what the peer would be told."""
    return [(c.kind, c.identifier, c.data) for c in subject.datastore.changes(since)]


def agree(subject: Subject, token: str | None = None) -> str:
    """End a session well; give the token that was agreed."""
    token = subject.datastore.token() if token is None else token
    subject.datastore.commit(Anchors("n", "p", token))
    return token


def test_first_time(subject: Subject) -> None:
    """There is no anchor, and every item is new to the peer."""
    first, second = subject.put("a", "1"), subject.put("b", "2")
    expected = [(ADD, first, data("a", "1")), (ADD, second, data("b", "2"))]

    assert [] == list(subject.datastore.anchors())
    assert expected == told(subject, None)
    assert expected == told(subject, subject.datastore.forget())


def test_changes_since_the_anchor(subject: Subject) -> None:
    """After a success only what changed is told: added, replaced, deleted; the oldest first."""
    first, second = subject.put("a", "1"), subject.put("b", "2")
    token = agree(subject)
    third = subject.put("c", "3")
    subject.put("a", "4")
    subject.remove("b")
    expected = [
        (ADD, third, data("c", "3")),
        (REPLACE, first, data("a", "4")),
        (DELETE, second, None),
    ]

    assert [Anchors("n", "p", token)] == list(subject.datastore.anchors())
    assert expected == told(subject, token)


def test_what_is_stored(subject: Subject) -> None:
    """The content of what a change means, by either name; fields of it go in there."""
    first = subject.put("a", "1")
    subject.datastore.apply([Change(ADD, "", data("c", "3"), "guid-3")])
    meant = [
        Change(REPLACE, first, data("a", "4")),
        Change(ADD, "", data("c", "4"), "guid-3"),
        Change(ADD, "", data("d", "4"), "guid-4"),
        Change(REPLACE, "99", data("d", "4")),
    ]
    assert isinstance(subject.datastore, Readable)

    assert [data("a", "1"), data("c", "3"), None, None] == subject.datastore.stored(meant)


def test_nothing_changed(subject: Subject) -> None:
    """Nothing is told when nothing changed."""
    subject.put("a", "1")

    assert [] == told(subject, agree(subject))


def test_each_change_has_its_token(subject: Subject) -> None:
    """An interrupted session goes on after the last change that was answered."""
    for name in "abc":
        subject.put(name, "1")
    changes = list(subject.datastore.changes(subject.datastore.forget()))

    assert changes[1:] == list(subject.datastore.changes(changes[0].token))
    assert [] == list(subject.datastore.changes(changes[-1].token))


def test_told_in_a_session_that_broke_off(subject: Subject) -> None:
    """An item that a broken session may have taken to the peer is deleted there."""
    token = agree(subject)
    luid = subject.put("a", "1")
    told(subject, token)
    subject.remove("a")

    assert [(DELETE, luid, None)] == told(subject, token)


def test_the_peers_own_doing_is_not_told_back(subject: Subject) -> None:
    """What the peer added, replaced and deleted is not told to it; our later change is."""
    first, second = subject.put("a", "1"), subject.put("b", "2")
    token = agree(subject)
    applied = subject.datastore.apply(
        [
            Change(REPLACE, first, data("a", "5")),
            Change(DELETE, second),
            Change(ADD, "", data("c", "3"), "guid-3"),
        ]
    )
    added = applied[2].identifier

    assert [Applied(200, first), Applied(200, second), Applied(201, added)] == applied
    assert {first: data("a", "5"), added: data("c", "3")} == subject.items()
    assert [] == told(subject, token)

    subject.put("a", "6")

    assert [(REPLACE, first, data("a", "6"))] == told(subject, token)


def test_mappings(subject: Subject) -> None:
    """The server's names of what it added are told until it is known that it heard ours."""
    agree(subject)
    (applied,) = subject.datastore.apply([Change(ADD, "", data("a", "1"), "guid-1")])

    assert [Mapping(applied.identifier, "guid-1")] == list(subject.datastore.mappings())

    agree(subject)

    assert [] == list(subject.datastore.mappings())


def test_add_that_comes_twice(subject: Subject) -> None:
    """A repeated ADD replaces the item that has the peer's name."""
    (first,) = subject.datastore.apply([Change(ADD, "", data("a", "1"), "guid-1")])
    (again,) = subject.datastore.apply([Change(ADD, "", data("a", "2"), "guid-1")])

    assert Applied(200, first.identifier) == again
    assert {first.identifier: data("a", "2")} == subject.items()


def test_add_by_a_name_that_was_forgotten(subject: Subject) -> None:
    """After a conflict of which both versions stay (209) the name is that of another item."""
    (first,) = subject.datastore.apply([Change(ADD, "", data("a", "1"), "guid-1")])
    subject.datastore.part([first.identifier, "no name of ours"])
    (other,) = subject.datastore.apply([Change(ADD, "", data("b", "2"), "guid-1")])

    assert 201 == other.code
    assert {first.identifier: data("a", "1"), other.identifier: data("b", "2")} == subject.items()
    assert [Mapping(other.identifier, "guid-1")] == list(subject.datastore.mappings())


def test_replaced_after_it_came_back(database: ManagementDatabase) -> None:
    """A REPLACE of what was removed and came back under another name changes what there is."""
    subject = Management(database)
    gone = subject.put("a", "1")
    subject.remove("a")
    back = subject.put("a", "2")
    answers = subject.datastore.apply([Change(REPLACE, gone, data("a", "3"))])

    assert [Applied(200, back)] == answers
    assert {back: data("a", "3")} == subject.items()


def test_what_is_not_there(subject: Subject) -> None:
    """A DELETE of what is not there is 211, a REPLACE 404; a deleted item comes back by REPLACE."""
    gone = subject.put("a", "1")
    token = agree(subject)
    subject.remove("a")
    answers = subject.datastore.apply(
        [
            Change(DELETE, "77"),
            Change(DELETE, "", None, "guid-7"),
            Change(REPLACE, "77", data("b", "1")),
            Change(REPLACE, "no number", data("b", "1")),
            Change(DELETE, gone),
            Change(REPLACE, gone, data("a", "2")),
        ]
    )

    assert [211, 211, 404, 404, 211, 201] == [answer.code for answer in answers]
    assert {gone: data("a", "2")} == subject.items()
    assert [] == told(subject, token)


def test_forget_tells_all_that_the_peer_has_not_sent(subject: Subject) -> None:
    """In a slow synchronization what the peer sends meanwhile need not be told to it."""
    first, second = subject.put("a", "1"), subject.put("b", "2")
    agree(subject)
    since = subject.datastore.forget()
    subject.datastore.apply([Change(REPLACE, first, data("a", "5"))])

    assert [] == list(subject.datastore.anchors())
    assert [(ADD, second, data("b", "2"))] == told(subject, since)

    token = agree(subject)

    assert [] == told(subject, token)


def test_prune_removes_what_the_peer_has_not_sent(subject: Subject) -> None:
    """A refresh by the peer leaves what it sent, and what is newer than the refresh."""
    subject.put("a", "1")
    (sent,) = subject.datastore.apply([Change(ADD, "", data("b", "2"), "guid-2")])
    since = subject.datastore.forget()
    subject.datastore.apply([Change(ADD, "", data("b", "3"), "guid-2")])
    newer = subject.put("c", "4")

    assert subject.datastore.prune() == 1
    assert {sent.identifier: data("b", "3"), newer: data("c", "4")} == subject.items()
    assert [(ADD, newer, data("c", "4"))] == told(subject, since)


def test_name_moves_to_another_item(subject: Subject) -> None:
    """A REPLACE that names ours and has the peer's name gives the item that name."""
    first, second = subject.put("a", "1"), subject.put("b", "2")
    subject.datastore.apply([Change(REPLACE, first, data("a", "3"), "guid")])
    subject.datastore.apply([Change(REPLACE, second, data("b", "3"), "guid")])
    subject.datastore.apply([Change(REPLACE, "", data("b", "4"), "guid")])

    assert {first: data("a", "3"), second: data("b", "4")} == subject.items()


def test_deleted_after_it_was_told(database: ManagementDatabase) -> None:
    """An item that was told and deleted before the session ended is deleted by the next one."""
    subject = Management(database)
    luid = subject.put("a", "1")
    token = subject.datastore.token()
    told(subject, subject.datastore.forget())
    subject.remove("a")

    assert [(DELETE, luid, None)] == told(subject, agree(subject, token))


def test_changed_after_it_was_told(database: ManagementDatabase) -> None:
    """An item that was told and changed before the session ended is replaced by the next one."""
    subject = Management(database)
    luid = subject.put("a", "1")
    token = subject.datastore.token()
    subject.put("a", "2")

    assert [(REPLACE, luid, data("a", "2"))] == told(subject, agree(subject, token))


def test_the_same_key_is_the_same_item(database: ManagementDatabase) -> None:
    """A path or identifier stands once: an ADD of it replaces, a REPLACE cannot take another's."""
    subject = Management(database)
    first, second = subject.put("a", "1"), subject.put("b", "2")
    answers = subject.datastore.apply(
        [
            Change(ADD, "", data("a", "3"), "guid-1"),
            Change(REPLACE, second, data("a", "4")),
            Change(REPLACE, second, data("c", "5")),
        ]
    )

    assert [Applied(200, first), Applied(418, second), Applied(200, second)] == answers
    assert {first: data("a", "3"), second: data("c", "5")} == subject.items()


class Replica:
    """The other side: what it believes to be our items, by our names of them."""

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self.items: dict[str, bytes] = {}
        self._added = 0

    def synchronize(self, sent: dict[str, str], *, ends: bool) -> None:
        """Run a session: our changes, then its own; a session that breaks off agrees nothing."""
        datastore = self._subject.datastore
        agreed = datastore.anchors()
        since = agreed[0].token if agreed else datastore.forget()
        if not agreed:
            self.items.clear()
        token = datastore.token()
        for change in datastore.changes(since):
            if change.data is None:
                self.items.pop(change.identifier, None)
            else:
                self.items[change.identifier] = change.data
        for name, value in sent.items():
            self._send(name, value)
        if ends:
            datastore.commit(Anchors("n", "p", token))

    def _send(self, name: str, value: str) -> None:
        held = [luid for luid, octets in self.items.items() if data(name, "")[6:] in octets]
        if held:
            change = Change(REPLACE, held[0], data(name, value))
        else:
            self._added += 1
            change = Change(ADD, "", data(name, value), f"guid-{self._added}")
        (applied,) = self._subject.datastore.apply([change])
        self.items[applied.identifier] = data(name, value)


NAMES = st.sampled_from("abc")
VALUES = st.sampled_from("123")
STEPS = st.lists(
    st.tuples(st.just("put"), NAMES, VALUES)
    | st.tuples(st.just("remove"), NAMES, VALUES)
    | st.tuples(
        st.sampled_from(("good", "bad")), st.dictionaries(NAMES, VALUES, max_size=2), st.none()
    ),
    max_size=12,
)


def run(subject: Subject, steps: list[tuple[str, object, str | None]]) -> Replica:
    """Let owner and peer do these steps, and one good session at the end."""
    replica = Replica(subject)
    owned: set[str] = set()
    for verb, what, value in steps:
        if isinstance(what, dict):
            replica.synchronize(what, ends=verb == "good")
        elif verb == "put":
            subject.put(str(what), str(value))
            owned.add(str(what))
        elif what in owned:
            owned.discard(str(what))
            subject.remove(str(what))
    replica.synchronize({}, ends=True)
    return replica


@settings(max_examples=100, deadline=None)
@given(steps=STEPS, in_memory=st.booleans())
@example(
    steps=[("good", {}, None), ("put", "a", "1"), ("bad", {}, None), ("remove", "a", "1")],
    in_memory=False,
)
def test_both_sides_agree_in_the_end(
    tmp_path_factory: pytest.TempPathFactory,
    steps: list[tuple[str, object, str | None]],
    in_memory: bool,
) -> None:
    """After any steps on either side, and sessions that broke off, a good one makes both equal."""
    with ManagementDatabase(tmp_path_factory.mktemp("devman") / "devman.sqlite") as database:
        subject = Memory() if in_memory else Management(database)
        replica = run(subject, steps)

        assert subject.items() == replica.items
        assert [] == told(subject, subject.datastore.anchors()[0].token)
