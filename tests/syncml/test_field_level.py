"""Items that come without all of their fields: at the server, at the client, in each store.

Meta-Information 1.2, FieldLevel.
"""

import pytest

from cardsync.syncml import record
from cardsync.syncml.datastore import ANY_TYPE
from cardsync.syncml.elements import Add, AlertCode, Delete, Item, Location, Meta, Replace, Status
from cardsync.syncml.memory import MemoryClientDatastore, MemoryServerDatastore
from cardsync.syncml.record import Application
from syncml import test_client as client
from syncml.test_server import Wire, items, sync

VCARD = "text/x-vcard"
SOME = Meta(type=VCARD, field_level=True)
TEL = b"BEGIN:VCARD\r\nTEL:2\r\nEND:VCARD\r\n"
WORK = b"BEGIN:VCARD\r\nN:Bo\r\nADR:Graz\r\nTEL:\r\nEND:VCARD\r\n"
BO = b"BEGIN:VCARD\r\nN:Bo\r\nTEL:1\r\nEND:VCARD\r\n"
CALLED = b"BEGIN:VCARD\r\nN:Bo\r\nTEL:2\r\nEND:VCARD\r\n"
MOVED = b"BEGIN:VCARD\r\nN:Bo\r\nADR:Graz\r\nEND:VCARD\r\n"


def cards(content_type: str = VCARD) -> Wire:
    """Begin a session of a server that has Bo's card, which the client calls "a"."""
    wire = Wire(MemoryServerDatastore("db", content_type)).alerted(AlertCode.SLOW)
    wire.send(sync(Add(11, items("a", data=BO), Meta(type=VCARD))), final=False)
    return wire


def test_fields_go_into_the_stored_item() -> None:
    """What is not sent stays as it was."""
    wire = cards()

    assert ("Replace", 200) == wire.send(sync(Replace(11, items("a", data=TEL), SOME)))[2]
    assert [CALLED] == list(wire.store.items().values())


def test_fields_of_one_item_twice() -> None:
    """The second one goes into what the first one made of it, also after it was deleted."""
    wire = cards()
    twice = Replace(11, items("a", data=TEL), SOME), Replace(12, items("a", data=WORK), SOME)
    wire.send(sync(*twice), final=False)
    again = Delete(13, items("a", data=None)), Add(14, items("a", data=TEL), SOME)

    assert [MOVED] == list(wire.store.items().values())
    assert [208, 201] == [code for _, code in wire.send(sync(*again))[2:]]
    assert [TEL] == list(wire.store.items().values())


def test_fields_of_a_new_item_are_all_of_it() -> None:
    """201, without those that are empty."""
    wire = cards()

    assert ("Add", 201) == wire.send(sync(Add(11, items("b", data=WORK), SOME)))[2]
    assert {BO, MOVED} == set(wire.store.items().values())


def test_fields_in_chunks() -> None:
    """Only the first chunk may say FieldLevel. DS Protocol 1.2, "Large object handling"."""
    wire = cards()
    first = Meta(type=VCARD, size=len(TEL), field_level=True)
    begun = Item(source=Location("a"), meta=first, data=TEL[:15], more_data=True)
    wire.send(sync(Replace(11, (begun,))), final=False)

    assert ("Replace", 200) == wire.send(sync(Replace(11, items("a", data=TEL[15:]))))[2]
    assert [CALLED] == list(wire.store.items().values())


@pytest.mark.parametrize(
    ("meta", "data", "code"),
    [
        (Meta(field_level=True), BO, 406),
        (Meta(type="text/plain", field_level=True), BO, 406),
        (SOME, b"TEL:2", 415),
        (SOME, b"BEGIN:VCARD\r\nTEL:2\r\n", 415),
    ],
)
def test_what_has_no_fields(meta: Meta, data: bytes, code: int) -> None:
    """406 for types that have none, 415 for what is none of its type; nothing has changed."""
    wire = cards(ANY_TYPE)

    assert ("Replace", code) == wire.send(sync(Replace(11, items("a", data=data), meta)))[2]
    assert [BO] == list(wire.store.items().values())


class Closed:
    """A datastore that does not tell what it has."""

    def __init__(self, store: MemoryServerDatastore) -> None:
        self._store = store

    def __getattr__(self, name: str) -> object:
        if name == "stored":
            raise AttributeError(name)
        return getattr(self._store, name)


def test_store_that_tells_nothing() -> None:
    """406: the other fields could not be kept."""
    wire = cards()
    wire.server.datastores = {"db": Closed(wire.store)}  # type: ignore[dict-item]  # as good as one

    assert ("Replace", 406) == wire.send(sync(Replace(11, items("a", data=TEL), SOME)))[2]
    assert [BO] == list(wire.store.items().values())


def test_fields_at_the_client() -> None:
    """They leave alone what is only the client's; of a new item they are all."""
    store = MemoryClientDatastore("db", VCARD)
    store.put("a", BO)
    line = client.Line(AlertCode.SLOW, store).initialized(201)
    some = Replace(11, (Item(Location("a"), data=TEL),), SOME)
    new = Add(12, (Item(source=Location("s"), data=WORK),), SOME)
    line.say(Status(1, 2, 3, "Sync", 200), Status(2, 2, 4, "Add", 200), client.sync(some, new))

    assert [200, 200, 200, 201] == [code for _, code in line.codes()]
    assert {CALLED, MOVED} == set(store.items().values())


def test_records_say_so() -> None:
    """The device information tells that fields are taken. Device Information 1.2, CTCap."""
    assert record.ctcap().field_level


def test_fields_of_a_record() -> None:
    """A version that changed is all that needs to be sent."""
    wire = Wire(MemoryServerDatastore("db", record.CONTENT_TYPE)).alerted(AlertCode.SLOW)
    game = Application("org.x", "X", "1", 70)
    wire.send(sync(Add(11, items("a", data=game.encode()))), final=False)
    meta = Meta(type=record.CONTENT_TYPE, field_level=True)
    some = b'{"i":"org.x","v":"2"}'

    assert ("Replace", 200) == wire.send(sync(Replace(11, items("a", data=some), meta)))[2]
    assert [Application("org.x", "X", "2", 70).encode()] == list(wire.store.items().values())
