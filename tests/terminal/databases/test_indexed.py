"""Folders and tables as datastores of both roles: whole sessions over real files."""

import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from cardsync.errors import ConfigError, PeerError
from cardsync.syncml import codec
from cardsync.syncml.datastore import Anchors, Change, ChangeKind, Rule
from cardsync.syncml.elements import (
    Add,
    Alert,
    AlertCode,
    Anchor,
    Atomic,
    Command,
    Delete,
    Item,
    Location,
    Message,
    Meta,
    Replace,
    Status,
    Sync,
    SyncHdr,
)
from cardsync.terminal.databases.sources import open_source
from cardsync.terminal.databases.vdir import Folder
from syncml.files import FolderPair
from syncml.pair import DEVICE, URL
from syncml.test_exclusive import Exclusive
from syncml.test_field_filters import VCARD, ByFields
from syncml.test_sessions import Replicas

KINDS = [kind for kind in AlertCode if 200 <= kind <= 205]
ADD, REPLACE, DELETE = ChangeKind.ADD, ChangeKind.REPLACE, ChangeKind.DELETE


@pytest.fixture
def pair() -> Iterator[FolderPair]:
    """Give two folders, the client's with items, synchronized."""
    made = FolderPair()
    for number in range(10):
        made.client.put(f"item{number}", b"content %d" % number)
    assert made.sync().ok
    yield made
    made.close()


def change(pair: FolderPair) -> None:
    """Change both folders in every way."""
    pair.client.put("item1", b"changed by the client")
    pair.client.remove("item2")
    pair.client.put("new", b"added by the client")
    pair.store.put("item3", b"changed by the server")
    pair.store.remove("item4")
    pair.store.put("fresh", b"added by the server")


def test_names_of_files_are_kept(pair: FolderPair) -> None:
    """Both folders look the same where names are free."""
    change(pair)

    assert pair.sync().ok
    assert pair.client.items() == pair.store.items()
    assert 10 == len(pair.client.items())


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind(pair: FolderPair, kind: AlertCode) -> None:
    """Alerts 200 to 205 over changes on both sides. Requirements R-01, R-53."""
    change(pair)
    client, server = set(pair.client.items().values()), set(pair.store.items().values())

    result = pair.sync(kind)

    mine, theirs = set(pair.client.items().values()), set(pair.store.items().values())
    assert (200, kind) == (result.status, result.databases[0].performed)
    assert (mine == client) == (kind in {202, 203})
    assert (theirs == server) == (kind in {204, 205})
    assert pair.equal() == (kind in {200, 201, 203, 205})
    assert pair.sync().ok
    assert pair.equal()


def test_atomic_leaves_all_or_nothing(pair: FolderPair, monkeypatch: pytest.MonkeyPatch) -> None:
    """One file of an Atomic cannot be written: 507, and the folder is what it was before.

    What was changed, deleted and added in it is put back: 216; the one that failed has 510.
    """
    write = pair.theirs._index.collection.write

    def fail(name: str, data: bytes) -> str:
        if data == b"bad":
            raise PeerError("no", answer=510)
        return write(name, data)

    before = pair.store.items()
    commands = Atomic(
        11,
        (
            Replace(12, (Item(source=Location("item1"), data=b"changed"),)),
            Delete(13, (Item(source=Location("item2")),)),
            Add(14, (Item(source=Location("new"), data=b"new"),)),
            Add(15, (Item(source=Location("other"), data=b"bad"),)),
        ),
    )
    with monkeypatch.context() as patch:
        patch.setattr(pair.theirs._index.collection, "write", fail)
        failed = statuses(pair, "C2", commands)
    after = pair.store.items()
    done = statuses(pair, "C3", replace(commands, commands=commands.commands[:3]))

    assert [
        ("Atomic", 507),
        ("Replace", 216),
        ("Delete", 216),
        ("Add", 216),
        ("Add", 510),
    ] == failed
    assert before == after
    assert [("Atomic", 200), ("Replace", 200), ("Delete", 200), ("Add", 201)] == done
    assert {"changed", "new"} <= {data.decode() for data in pair.store.items().values()}
    assert "item2" not in pair.store.items()


def statuses(pair: FolderPair, session: str, command: Command) -> list[tuple[str, int]]:
    """Send one command in a session by hand; give the answers to it and to what is in it."""
    names = Location("db"), Location("db")
    item = Item(*names, Meta(anchor=Anchor(session, "C1")))
    said: tuple[Command, ...] = (
        Alert(1, AlertCode.TWO_WAY, (item,)),
        Sync(1, *names, commands=(command,)),
    )
    for number, each in enumerate(said, 1):
        header = SyncHdr(session, number, Location(URL), Location(DEVICE))
        octets = codec.encode(Message(header, (each,), final=number == 1), codec.WBXML)
        reply = codec.decode(pair.server.post(octets), codec.WBXML)
    return [(each.cmd, each.code) for each in reply.commands if isinstance(each, Status)][2:]


def test_loser_becomes_a_file(pair: FolderPair) -> None:
    """The version that lost a conflict can be read, the client's and ours. Requirement O-9."""
    for rule in (Rule.CLIENT_WINS, Rule.SERVER_WINS):
        pair.store.rule = rule
        pair.client.put("item7", b"of the client, %d" % rule)
        pair.store.put("item7", b"of the server, %d" % rule)
        assert pair.sync().ok

    assert {b"of the server, 1", b"of the client, 2"} == pair.theirs.lost()
    assert pair.equal()


def test_newest_goes_by_the_dates_of_items(pair: FolderPair) -> None:
    """A vCard's REV decides under the rule NEWEST."""
    pair.store.rule = Rule.NEWEST
    pair.client.put("item7", b"BEGIN:VCARD\nREV:20240101T000000Z\n")
    pair.store.put("item7", b"BEGIN:VCARD\nREV:20250101T000000Z\n")

    assert pair.sync().ok
    assert b"BEGIN:VCARD\nREV:20250101T000000Z\n" == pair.client.items()["item7"]


def test_edit_that_was_not_seen_is_not_overwritten(pair: FolderPair) -> None:
    """409 for an item that its owner changed or removed since it was looked at; it stays."""
    store = pair.mine
    since = store.token()
    store.put("item1", b"a person wrote this")
    store.remove("item2")
    asked = [
        Change(REPLACE, "item1", b"x"), Change(DELETE, "item2"), Change(REPLACE, "item3", b"y")
    ]  # fmt: skip

    assert [409, 409, 200] == [each.code for each in store.apply(asked)]
    assert b"a person wrote this" == store.items()["item1"]
    store.anchors()  # the next session begins
    assert {"item1": REPLACE, "item2": DELETE} == {
        each.identifier: each.kind for each in store.changes(since)
    }


def test_what_is_stored(tmp_path: Path) -> None:
    """The content of what a change means: by its names, at the server also by its UID."""
    source = open_source(f"db={tmp_path / 'cards'}", "text/x-vcard")
    one, two = (b"BEGIN:VCARD\nUID:%d\nEND:VCARD\n" % number for number in (1, 2))
    (tmp_path / "cards" / "1").write_bytes(one)
    store = source.server("device")
    store.anchors()  # a session begins
    store.apply([Change(ADD, "", two, name) for name in "ab"])
    store.apply([Change(DELETE, "", None, "b")])
    meant = [Change(REPLACE, "", two, name) for name in "ab"]

    assert [two, None] == store.stored(meant)
    assert [one, None] == store.stored([Change(ADD, "", one, "x"), Change(REPLACE, "y", one)])
    assert [None] == source.client("server").stored([Change(ADD, "", one, "x")])
    source.close()


def test_items_that_leave_the_peer(tmp_path: Path) -> None:
    """They stay here without a name of the peer's, and what changes later is new to it."""
    source = open_source(f"db={tmp_path / 'notes'}", "text/plain")
    store = source.server("device")
    store.apply([Change(ADD, "", data, name) for name, data in (("a", b"1"), ("b", b"2"))])
    token = store.token()
    (tmp_path / "notes" / "b").write_bytes(b"3")
    store.anchors()  # a session begins
    assert ["b"] == [change.identifier for change in store.changes(token)]
    soft = ChangeKind.SOFT_DELETE
    left = store.apply(
        [
            Change(soft, "", None, "a"),
            Change(soft, "", None, "a"),
            Change(soft, "b", token=token),
            Change(soft, "x"),
        ]
    )
    (tmp_path / "notes" / "a").write_bytes(b"4")
    store.anchors()  # the next session begins

    assert [200, 211, 200, 211] == [each.code for each in left]
    assert {("a", ADD, None), ("b", REPLACE, "b")} == {
        (change.identifier, change.kind, change.peer) for change in store.changes(token)
    }
    source.close()


def cut_off(pair: FolderPair, patch: pytest.MonkeyPatch, *changes: Change) -> None:
    """Apply changes in a process that ends when they are in the memory, not yet in the folder."""

    def end(*_: object) -> None:
        raise KeyboardInterrupt

    with patch.context() as patched:
        patched.setattr(Folder, "_place", end)
        with pytest.raises(KeyboardInterrupt):
            pair.mine.apply(changes)


ASKED = (Change(REPLACE, "item1", b"x"), Change(DELETE, "item2"), Change(ADD, "", b"y", "new"))


def test_what_was_acknowledged_is_done_later(
    pair: FolderPair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The memory knows what the folder shall be; the owner is told nothing of the kind."""
    since = pair.mine.token()
    cut_off(pair, monkeypatch, *ASKED)
    before = pair.client.items()
    pair.mine.anchors()  # the next session begins
    changes = list(pair.mine.changes(since))
    after = pair.client.items()

    assert b"content 1" == before["item1"]
    assert {"item2", "new"} & before.keys() == {"item2"}
    assert (b"x", b"y", []) == (after["item1"], after["new"], changes)
    assert "item2" not in after


def test_what_cannot_be_done_later_is_no_deletion(
    pair: FolderPair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder that takes nothing is asked again; meanwhile nobody hears of a missing item."""
    since = pair.mine.token()
    cut_off(pair, monkeypatch, *ASKED)

    def refuse(*_: object) -> str:
        raise PeerError("read-only", answer=510)

    with monkeypatch.context() as patched:
        for name in ("write", "remove"):
            patched.setattr(pair.mine._index.collection, name, refuse)
        pair.mine.anchors()
        meanwhile = list(pair.mine.changes(since))
    pair.mine.anchors()
    then = list(pair.mine.changes(since))

    assert ([], []) == (meanwhile, then)
    assert b"x" == pair.client.items()["item1"]


def test_owner_who_writes_between_a_crash_and_the_next_start(
    pair: FolderPair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What he wrote is his change, and stays."""
    since = pair.mine.token()
    cut_off(pair, monkeypatch, *ASKED)
    pair.client.put("item1", b"a person wrote this")
    pair.client.put("new", b"and this")
    pair.mine.anchors()
    changes = {each.identifier: each.data for each in pair.mine.changes(since)}

    assert {"item1": b"a person wrote this", "new": b"and this"} == changes
    assert "item2" not in pair.client.items()


def test_item_that_comes_and_goes_while_all_are_read(pair: FolderPair) -> None:
    """One that vanishes is told the next time as deleted, one that appears as added."""
    store = pair.mine
    since = store.token()
    for name in ("item1", "item2"):
        store.put(name, b"changed")
    store.anchors()
    changes = store.changes(since)
    first = next(changes)
    gone = ({"item1", "item2"} - {first.identifier}).pop()
    store.remove(gone)
    store.put("new", b"new")
    rest = list(changes)
    store.anchors()
    after = {each.identifier: each.kind for each in store.changes(since)}

    assert [] == rest
    assert {first.identifier: REPLACE, gone: DELETE, "new": ADD} == after


@pytest.mark.parametrize("kind", KINDS)
def test_all_is_looked_at_once_a_session(
    pair: FolderPair, monkeypatch: pytest.MonkeyPatch, kind: AlertCode
) -> None:
    """A session of many messages costs no look at every file with each of them."""
    looks: list[Path] = []
    stamps = Folder.stamps

    def counted(folder: Folder) -> Mapping[str, str]:
        looks.append(folder._path)
        return stamps(folder)

    for side, store in (("c", pair.client), ("s", pair.store)):
        for number in range(60):
            store.put(f"{side}{number}", b"of %s, %d " % (side.encode(), number) * 40)
    pair.client_config = lambda config: replace(config, max_msg_size=4000)
    monkeypatch.setattr(Folder, "stamps", counted)

    assert pair.sync(kind).ok
    assert len(pair.wire) > 5
    for side in ("c", "s"):
        assert looks.count(pair.home / side) <= 3  # the begin; before a refresh removes the rest


def test_folder_that_was_made_anew_is_another_one(tmp_path: Path) -> None:
    """Nothing of the old one is remembered, so nothing is deleted elsewhere because of it."""
    source = open_source(f"db={tmp_path / 'f'}")
    store = source.client("server")
    store.commit(Anchors("1", "1", store.token()))
    source.close()
    (tmp_path / "f").rename(tmp_path / "g")

    again = open_source(f"db={tmp_path / 'f'}")
    assert () == tuple(again.client("server").anchors())
    again.close()
    moved = open_source(f"db={tmp_path / 'f'}")
    moved.close()


def test_tombstones_go_when_all_have_heard(pair: FolderPair) -> None:
    """A deletion that every peer knows is forgotten."""
    pair.client.remove("item1")
    assert pair.sync().ok
    assert pair.sync().ok

    rows = pair.mine._index.connection.execute("SELECT count(*) FROM items")
    assert 9 == rows.fetchone()[0]


def test_two_devices_share_a_folder(tmp_path: Path) -> None:
    """What one device sent is told to the other."""
    source = open_source(f"db={tmp_path / 'f'}")
    one, two = (source.server(name, Rule.CLIENT_WINS) for name in ("one", "two"))
    since = two.token()
    one.apply([Change(ADD, "", b"x", "c1")])

    assert [] == list(one.changes(since))
    assert [(ADD, b"x", "text/plain")] == [(e.kind, e.data, e.type) for e in two.changes(since)]
    assert (1, 1) == (two.size(), two.count(since))
    source.close()


def test_table_as_a_database(tmp_path: Path) -> None:
    """Rows go by their key; merged column by column; what is no row is 415."""
    connection = sqlite3.connect(tmp_path / "x.sqlite")
    connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, a, b)")
    connection.execute("INSERT INTO t VALUES (1, 'one', NULL)")
    connection.commit()
    source = open_source(f"db={tmp_path / 'x.sqlite'}#t")
    store = source.server("device", Rule.CLIENT_WINS)
    store.anchors()  # a session begins
    (ours,) = store.changes("0")
    theirs = [Change(ADD, "", b'{"a":"two","b":2}', "9"), Change(ADD, "", b"no row", "10")]

    assert [201, 415] == [each.code for each in store.apply(theirs)]
    assert [(1, "one", None), (9, "two", 2)] == connection.execute("SELECT * FROM t").fetchall()
    assert b'{"a":"one","b":2}' == store.merge(ours.data or b"", b'{"a":null,"b":2}')
    connection.close()
    source.close()


@pytest.mark.parametrize("text", ["", "db", "db=", "=folder", "db=/proc/no#t", "db=/proc/no"])
def test_database_that_cannot_be_opened(text: str) -> None:
    """What a person wrote wrong is told."""
    with pytest.raises(ConfigError):
        open_source(text)


class Folders(Replicas):
    """The machine of two replicas, over folders."""

    def make_pair(self) -> FolderPair:
        """Make folders."""
        return FolderPair()

    def teardown(self) -> None:
        """Remove them."""
        if hasattr(self, "pair"):
            assert isinstance(self.pair, FolderPair)
            self.pair.close()


class SomeFolders(Folders, Exclusive):
    """The machine of two replicas of which the client wants some cards, over folders."""

    def make_pair(self) -> FolderPair:
        """Make folders of cards."""
        return FolderPair(VCARD)


class PartOfFolders(Folders, ByFields):
    """The machine of two replicas that go by some fields of cards, over folders."""

    def make_pair(self) -> FolderPair:
        """Make folders of cards."""
        return FolderPair(VCARD)


@pytest.mark.parametrize("machine", [Folders, SomeFolders, PartOfFolders])
def test_replicas_of_folders_converge(machine: type[Folders]) -> None:
    """No order of changes, deletions, losses and repetitions loses or doubles a file."""
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=12,
            stateful_step_count=20,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
