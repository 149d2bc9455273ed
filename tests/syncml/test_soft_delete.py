"""Items that leave the client and stay at the server. Representation Protocol 1.2, SftDel."""

import pytest

from cardsync.syncml.datastore import Anchors, Applied, Change, ChangeKind
from cardsync.syncml.elements import Add, AlertCode, Delete, Replace, Sync
from cardsync.syncml.memory import MemoryServerDatastore
from syncml.test_server import Wire, alert, items, sync

ADD, SOFT_DELETE = ChangeKind.ADD, ChangeKind.SOFT_DELETE
FREED = Delete(11, items("a", data=None), soft=True)


def agreed() -> Wire:
    """Give a server that has items of the client, and a two-way session that began."""
    wire = Wire()
    wire.store.apply([Change(ADD, "", b"1", "a"), Change(ADD, "", b"2", "b")])
    wire.store.commit(Anchors("S0", "C0", wire.store.token()))
    assert ("Alert", 200) == wire.send(alert(1, AlertCode.TWO_WAY, last="C0"))[1]
    return wire


def told(wire: Wire) -> list[str]:
    """Name the commands of the server's Sync."""
    (sent,) = [each for each in wire.reply.commands if isinstance(each, Sync)]
    return [type(each).__name__ for each in sent.commands]


def test_item_stays_at_the_server() -> None:
    """200; the client is not told of it, and after that it is not there: 211."""
    wire = agreed()

    assert ("Delete", 200) == wire.send(sync(FREED), final=False)[2]
    assert ("Delete", 211) == wire.send(sync(FREED))[2]
    assert {b"1", b"2"} == set(wire.store.items().values())
    assert [] == told(wire)


def test_what_was_never_there() -> None:
    """211."""
    gone = Delete(11, items("x", data=None), soft=True)

    assert ("Delete", 211) == agreed().send(sync(gone))[2]


def test_name_can_be_given_again() -> None:
    """The client frees the name with the item: a new item of that name is another one."""
    wire = agreed()
    wire.send(sync(FREED), final=False)
    wire.send(sync(Add(12, items("a", data=b"3"))))

    assert {b"1", b"2", b"3"} == set(wire.store.items().values())


@pytest.mark.parametrize("rule", [1, 2, 4])
def test_change_of_ours_is_not_told(rule: int) -> None:
    """The client gives up the item, whatever became of it here; there is no conflict."""
    wire = agreed()
    wire.store.rule = type(wire.store.rule)(rule)
    (name,) = [name for name, data in wire.store.items().items() if data == b"1"]
    wire.store.put(name, b"new")

    assert ("Delete", 200) == wire.send(sync(FREED))[2]
    assert [] == told(wire)
    assert b"new" == wire.store.items()[name]
    assert [] == wire.store.kept


def test_later_change_comes_as_a_new_item() -> None:
    """What the client does not have cannot be replaced there."""
    wire = agreed()
    wire.send(sync(FREED))
    (name,) = [name for name, data in wire.store.items().items() if data == b"1"]
    token = wire.store.token()
    wire.store.put(name, b"new")

    assert [(ADD, name, None)] == [
        (change.kind, change.identifier, change.peer) for change in wire.store.changes(token)
    ]


def test_refresh_leaves_it_alone() -> None:
    """A refresh of the client removes what it does not bring, but for what it has freed."""
    wire = Wire()
    wire.store.apply([Change(ADD, "", b"1", "a"), Change(ADD, "", b"2", "b")])
    wire.alerted()
    wire.send(sync(FREED, Replace(12, items("c", data=b"3"))))

    assert {b"1", b"3"} == set(wire.store.items().values())


def test_only_where_nothing_has_changed() -> None:
    """With a token, what changed after it is still owed to the peer."""
    store = MemoryServerDatastore("db")
    store.apply([Change(ADD, "", b"1", "a")])
    (name,) = store.items()
    token = store.token()
    store.put(name, b"2")
    released = store.apply([Change(SOFT_DELETE, name, token=token)])

    assert [Applied(200, name)] == released
    assert [ChangeKind.REPLACE] == [change.kind for change in store.changes(token)]
