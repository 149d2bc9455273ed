"""The contract of a datastore over PostgreSQL, beside the same contract in memory."""

from datetime import UTC, datetime
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cardsync.operator.store.database import Connection, Database
from cardsync.operator.store.datastore import PostgresDatastore
from cardsync.operator.store.records import Place
from cardsync.syncml.datastore import Anchors, Applied, Change, ChangeKind, Mapping, Rule
from cardsync.syncml.memory import MemoryServerDatastore
from cardsync.syncml.reconcile import reconcile
from cardsync.syncml.record import Application, Parameter

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ADD, REPLACE, DELETE = ChangeKind.ADD, ChangeKind.REPLACE, ChangeKind.DELETE


def make_device(connection: Connection) -> int:
    """Make a device and give its number."""
    row = connection.execute(
        "INSERT INTO device (name, created) VALUES ('IMEI:1', %s) RETURNING device_id", [NOW]
    ).fetchone()
    assert row is not None
    return int(row[0])


def make_store(connection: Connection, *, plain: bool = False) -> PostgresDatastore:
    """Make an empty datastore of a new device."""
    place = Place(make_device(connection), "devman")
    if plain:
        return PostgresDatastore(connection, place, NOW, "text/plain", "1.0")
    return PostgresDatastore(connection, place, NOW)


def history(connection: Connection) -> list[tuple[Any, ...]]:
    """Read all former versions: key, data, how they ended."""
    rows = connection.execute("SELECT key, data, ended_by FROM record_history ORDER BY serial")
    return rows.fetchall()


def bash(version: str) -> bytes:
    """Write the record of an application."""
    return Application("bash", "bash", version, 4096).encode()


def test_apply_add_replace_delete(database: Database) -> None:
    """201 for what is new, 200 for what is replaced or deleted, 211 for what is not there."""
    with database.transaction() as connection:
        store = make_store(connection)
        added = store.apply([Change(ADD, "", bash("1"), "5")])
        again = store.apply([Change(REPLACE, "", bash("2"), "5")])
        gone = store.apply([Change(DELETE, "", None, "5"), Change(DELETE, "", None, "6")])
        left = history(connection)

        assert [Applied(201, "s1")] == added
        assert [Applied(200, "s1")] == again
        assert [Applied(200, "s1"), Applied(211, "")] == gone
        assert [("bash", bash("1"), "replace"), ("bash", bash("2"), "delete")] == left
        assert [] == list(store.changes("0.0"))


def test_apply_same_content_writes_nothing(database: Database) -> None:
    """A record that did not change costs no write and no history."""
    with database.transaction() as connection:
        store = make_store(connection)
        store.apply([Change(ADD, "", bash("1"), "5")])
        token, written = store.token(), store.written
        answer = store.apply([Change(REPLACE, "", bash("1"), "5")])

        assert [Applied(200, "s1")] == answer
        assert (token, written) == (store.token(), store.written)
        assert [] == history(connection)


def test_apply_refuses_what_is_no_record(database: Database) -> None:
    """Status 415 for an item that is not in the one form of a record; the rest is done."""
    with database.transaction() as connection:
        store = make_store(connection)
        answers = store.apply([Change(ADD, "", b"{}", "1"), Change(ADD, "", bash("1"), "2")])

        assert [415, 201] == [answer.code for answer in answers]
        assert 1 == len(list(store.changes(None)))


def test_refresh_keeps_the_history_of_what_changed_only(database: Database) -> None:
    """After forget, what is sent again unchanged leaves no trace; the rest is pruned."""
    gone, kept = Parameter("./Ext/A", "1").encode(), Parameter("./Ext/B", "2").encode()
    with database.transaction() as connection:
        store = make_store(connection)
        store.apply([Change(ADD, "", data, str(n)) for n, data in enumerate((gone, kept))])
        store.forget()
        before = len(list(store.changes(None)))
        store.apply([Change(ADD, "", kept, "1")])
        pruned = store.prune()

        assert (2, 1, 1) == (before, pruned, len(list(store.changes(None))))
        assert [("./Ext/A", gone, "refresh")] == history(connection)


def test_new_names_after_a_lost_database_find_their_records(database: Database) -> None:
    """A device that numbers its records anew keeps their identity: the key is the record's."""
    zlib = Application("zlib", "zlib", "1").encode()
    with database.transaction() as connection:
        store = make_store(connection)
        one, two = store.apply([Change(ADD, "", bash("1"), "1"), Change(ADD, "", zlib, "2")])
        store.forget()
        answers = store.apply([Change(ADD, "", zlib, "1"), Change(ADD, "", bash("2"), "2")])
        pruned = store.prune()

        assert [Applied(200, two.identifier), Applied(200, one.identifier)] == answers
        assert 0 == pruned
        assert [("bash", bash("1"), "replace")] == history(connection)


def test_what_is_stored(database: Database) -> None:
    """By the device's name, by ours, by the key of a record that is not known to be there."""
    with database.transaction() as connection:
        store = make_store(connection)
        store.apply([Change(ADD, "", bash("1"), "5"), Change(ADD, "", bash("1"), "6")])
        store.apply([Change(DELETE, "", None, "6")])
        zlib = Application("zlib", "zlib", "1").encode()
        store.put("g", zlib)
        meant = [
            Change(REPLACE, "", bash("2"), "5"),
            Change(REPLACE, "s1", b"no record"),
            Change(ADD, "", Application("zlib", "zlib", "2").encode(), "7"),
            Change(REPLACE, "", Application("x", "x").encode(), "6"),
            Change(ADD, "", b"no record", "8"),
        ]

        assert [
            bash("1"),
            bash("1"),
            Application("zlib", "zlib", "1").encode(),
            None,
            None,
        ] == store.stored(meant)


def test_items_that_leave_the_peer(database: Database) -> None:
    """They stay here without a name of the device's, and what changes later is new to it."""
    zlib = Application("zlib", "zlib", "1").encode()
    with database.transaction() as connection:
        store = make_store(connection)
        store.apply([Change(ADD, "", bash("1"), "5"), Change(ADD, "", zlib, "6")])
        token = store.token()
        store.put("s3", zlib.replace(b'"1"', b'"2"'))
        soft = ChangeKind.SOFT_DELETE
        left = store.apply(
            [
                Change(soft, "", None, "5"),
                Change(soft, "", None, "5"),
                Change(soft, "s3", token=token),
                Change(soft, "x"),
            ]
        )
        store.put("s1", bash("2"))
        told = [(each.identifier, each.kind, each.peer) for each in store.changes(token)]

        assert [200, 211, 200, 211] == [each.code for each in left]
        assert [("s3", REPLACE, "6"), ("s1", ADD, None)] == told


def test_items_that_are_owed(database: Database) -> None:
    """They come once more, as what the device has; nothing is written into the history."""
    with database.transaction() as connection:
        store = make_store(connection)
        store.apply([Change(ADD, "", bash("1"), "5")])
        token = store.token()
        store.owe(["s1", "x"])
        told = [(each.identifier, each.kind, each.data) for each in store.changes(token)]

        assert [("s1", REPLACE, bash("1"))] == told
        assert [] == history(connection)


def test_merge_by_fields(database: Database) -> None:
    """Records whose fields do not contradict each other become one; others do not merge."""
    with database.transaction() as connection:
        store = make_store(connection)
        sized = Application("bash", "bash", None, 4096).encode()
        versioned = Application("bash", "bash", "1").encode()

        assert bash("1") == store.merge(sized, versioned)
        assert None is store.merge(bash("1"), bash("2"))
        assert None is store.merge(b"no record", bash("2"))


def test_losers_of_conflicts_are_kept(database: Database) -> None:
    """The losing version, theirs or ours, can be read in the history (requirement O-9)."""
    theirs = Change(ADD, "", bash("0"), "5")
    with database.transaction() as connection:
        store = make_store(connection)
        store.put("g", bash("1"))
        ours = store.conflicts("0.0", [theirs])[0]
        store.keep([theirs, Change(DELETE, "", None, "6")])
        assert ours is not None
        store.keep([ours])
        store.apply([Change(REPLACE, ours.identifier, bash("2"), "5")])

        assert ("g", bash("1")) == (ours.identifier, ours.data)
        assert sorted(history(connection)) == [
            ("bash", bash("0"), "conflict"),
            ("bash", bash("1"), "conflict"),
        ]


def test_merge_without_a_name_adds_an_item(database: Database) -> None:
    """Of two versions that are both kept, ours becomes a new item, told as ADD (rule DUPLICATE)."""
    with database.transaction() as connection:
        store = make_store(connection, plain=True)
        store.rule = Rule.DUPLICATE
        (named,) = store.apply([Change(ADD, "", b"0", "5")])
        store.put(named.identifier, b"ours")
        theirs = Change(REPLACE, "", b"theirs", "5")
        (decision,) = reconcile([theirs], store.conflicts("0.1", [theirs]), store)
        added, taken = store.apply(decision.changes)
        told = [(c.kind, c.identifier, c.data, c.peer) for c in store.changes("0.1")]

        assert named == Applied(201, "s1")
        assert (200, 200, "s1") == (added.code, taken.code, taken.identifier)
        assert [(ADD, added.identifier, b"ours", None)] == told
        assert {b"ours", b"theirs"} == {change.data for change in store.changes(None)}


def read(connection: Connection) -> int:
    """Count the rows of records that this connection has read, by an index or without."""
    row = connection.execute(
        "SELECT coalesce(sum(seq_tup_read + idx_tup_fetch), 0) FROM pg_stat_xact_user_tables "
        "WHERE relname = 'record'"
    ).fetchone()
    assert row is not None
    return int(row[0])


def test_cost_follows_the_change(database: Database) -> None:
    """Of a database without statistics as much is read as changed, and nothing where nothing did.

    A planner that knows nothing of a table takes any index that has the device in it.
    """
    with database.transaction() as connection:
        first = make_store(connection)
        made = [Parameter(f"./Ext/{n}", "0").encode() for n in range(2000)]
        first.apply([Change(ADD, "", data, str(n)) for n, data in enumerate(made)])
        token = first.token()
    with database.transaction() as connection:
        before = read(connection)
        store = PostgresDatastore(connection, first._place, NOW)
        nothing, ours = list(store.changes(token)), store.conflicts(token, [])
        unread = read(connection) - before
        changed = Change(REPLACE, "", Parameter("./Ext/7", "1").encode(), "7")
        store.apply([changed])
        store.put("s9", Parameter("./Ext/4", "1").encode())
        store.conflicts(token, [changed])
        told = list(store.changes(token))

        assert ([], []) == (nothing, list(ours))
        assert 0 == unread
        assert ["4"] == [change.peer for change in told]
        assert read(connection) - before < 20


def counts(connection: Connection) -> tuple[int, int]:
    """Read the counts of parameters and applications that the list of devices shows."""
    row = connection.execute("SELECT parameters, applications FROM device").fetchone()
    assert row is not None
    return int(row[0]), int(row[1])


def test_counts_of_the_device_follow(database: Database) -> None:
    """What is added, replaced, deleted, put, removed or pruned is counted, each once."""
    lang, nano = Parameter("./DevInfo/Lang", "en").encode(), Application("nano", "nano").encode()
    with database.transaction() as connection:
        store = make_store(connection)
        store.apply([Change(ADD, "", data, str(n)) for n, data in enumerate([lang, bash("1")])])
        added = counts(connection)
        store.apply([Change(REPLACE, "", bash("2"), "1"), Change(DELETE, "", None, "0")])
        deleted = counts(connection)
        store.put("g", nano)
        put = counts(connection)
        store.remove("g")
        store.remove("g")
        removed = counts(connection)
        store.forget()
        store.prune()

        assert ((1, 1), (0, 1), (0, 2), (0, 1)) == (added, deleted, put, removed)
        assert (0, 0) == counts(connection)


def test_anchors_keep_the_last_two(database: Database) -> None:
    """The client may not have heard of the last success, so the one before is kept too."""
    agreed = [Anchors(str(n), str(n), f"0.{n}") for n in range(3)]
    with database.transaction() as connection:
        store = make_store(connection)
        for anchors in agreed:
            store.commit(anchors)

        assert [agreed[2], agreed[1]] == store.anchors()


def test_changes_page_by_page(database: Database) -> None:
    """More changes than one page holds come in order, and go on after any token."""
    with database.transaction() as connection:
        store = make_store(connection, plain=True)
        store.apply([Change(ADD, "", str(n).encode(), str(n)) for n in range(1201)])
        start = store.forget()
        everything = list(store.changes(start))
        rest = list(store.changes(everything[599].token))

        assert [str(n) for n in range(1201)] == [change.peer for change in everything]
        assert everything[600:] == rest


class Both:
    """Two datastores that are asked the same, and must answer the same."""

    def __init__(self, connection: Connection) -> None:
        self.memory = MemoryServerDatastore("devman")
        self.store = make_store(connection, plain=True)
        self.guids = {"": ""}  # of the memory: of PostgreSQL
        self.tokens = [(self.memory.token(), self.store.token())]
        self.is_owed = False  # since `forget`

    def do(self, what: str, item: str, data: bytes) -> None:
        """Do one thing to both and compare the answers."""
        getattr(self, f"_{what}")(item, data)
        self.tokens.append((self.memory.token(), self.store.token()))
        for memory, store in [*self.tokens[-3:], *self._forgotten()]:
            self._compare(list(self.memory.changes(memory)), list(self.store.changes(store)))
        everything = {change.data for change in self.store.changes(None)}
        assert set(self.memory.items().values()) == everything

    def _compare(self, memory: list[Change], store: list[Change]) -> None:
        # In which order forgotten items are told is each datastore's own affair.
        ours = [(c.kind, self.guids[c.identifier], c.data, c.peer or "") for c in memory]
        theirs = [(c.kind, c.identifier, c.data, c.peer or "") for c in store]
        assert sorted(ours) == sorted(theirs)

    def _forgotten(self) -> list[tuple[str, str]]:
        return self.tokens[:1]

    def _apply(self, kind: ChangeKind, item: str, data: bytes | None) -> None:
        change = Change(kind, "", data, item)
        since_memory, since_store = self.tokens[-1]
        self._conflicts(since_memory, since_store, change)
        memory, store = self.memory.apply([change])[0], self.store.apply([change])[0]
        if memory.identifier not in self.guids:
            self.guids[memory.identifier] = store.identifier
        assert (memory.code, self.guids[memory.identifier]) == (store.code, store.identifier)

    def _conflicts(self, memory: str, store: str, change: Change) -> None:
        ours, theirs = (
            self.memory.conflicts(memory, [change]),
            self.store.conflicts(store, [change]),
        )
        assert [c and c.data for c in ours] == [c and c.data for c in theirs]

    def _add(self, item: str, data: bytes) -> None:
        self._apply(ADD, item, data)

    def _replace(self, item: str, data: bytes) -> None:
        self._apply(REPLACE, item, data)

    def _delete(self, item: str, data: bytes) -> None:
        del data
        self._apply(DELETE, item, None)

    def _free(self, item: str, data: bytes) -> None:
        del data
        self._apply(ChangeKind.SOFT_DELETE, item, None)

    def _release(self, item: str, data: bytes) -> None:
        del data
        for memory, store in self.guids.items():
            for state in self.tokens[-2:] if memory else ():
                ours, theirs = (
                    Change(ChangeKind.SOFT_DELETE, name, None, None, token)
                    for name, token in zip((memory, store), state, strict=True)
                )
                if item == "1":
                    assert [e.code for e in self.memory.apply([ours])] == [
                        e.code for e in self.store.apply([theirs])
                    ]

    def _owe(self, item: str, data: bytes) -> None:
        del item, data
        self.is_owed = True
        self.memory.owe(list(self.guids))
        self.store.owe([self.guids[name] for name in self.guids])

    def _stored(self, item: str, data: bytes) -> None:
        changes = [Change(REPLACE, "", data, item), Change(ADD, "", data, "m" + item)]
        assert self.memory.stored(changes) == self.store.stored(changes)

    def _put(self, item: str, data: bytes) -> None:
        self.guids[item] = item
        self.memory.put(item, data)
        self.store.put(item, data)

    def _remove(self, item: str, data: bytes) -> None:
        del data
        if item in self.memory.items():
            self.memory.remove(item)
            self.store.remove(item)

    def _map(self, item: str, data: bytes) -> None:
        del data
        mapping = Mapping(item, "m" + item)
        assert list(self.memory.map([mapping])) == list(self.store.map([mapping]))

    def _forget(self, item: str, data: bytes) -> None:
        del item, data
        self.tokens.append((self.memory.forget(), self.store.forget()))
        self.is_owed = False

    def _prune(self, item: str, data: bytes) -> None:
        del item, data
        if self.is_owed:  # never in a refresh of the client, which begins with `forget`
            return
        assert self.memory.prune() == self.store.prune()


STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            [
                "add",
                "add",
                "replace",
                "delete",
                "put",
                "remove",
                "map",
                "forget",
                "free",
                "release",
                "owe",
                "stored",
            ]
        ),
        st.sampled_from(["1", "2", "3"]),
        st.sampled_from([b"x", b"y", b"z"]),
    ),
    max_size=14,
)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(steps=STEPS, prune=st.booleans())
def test_answers_as_the_datastore_in_memory(
    database: Database, steps: list[tuple[str, str, bytes]], prune: bool
) -> None:
    """Whatever is asked in whatever order, memory and PostgreSQL give the same answers."""
    with database.transaction() as connection:
        both = Both(connection)
        for step in steps:
            both.do(*step)
        if prune:
            both.do("prune", "", b"")
        connection.rollback()
