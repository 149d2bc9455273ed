"""Filters of fields: what an Alert asks, and sessions that go by fields."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule, run_state_machine_as_test

from cardsync.syncml import codec, fields, filters, properties, record
from cardsync.syncml.client import ClientConfig
from cardsync.syncml.datastore import ANY_TYPE, Rule
from cardsync.syncml.devinf import ContentType, CtCap, DevInf, Property, PropParam
from cardsync.syncml.elements import (
    Add,
    Alert,
    AlertCode,
    Anchor,
    Data,
    Filter,
    Item,
    Location,
    Message,
    Meta,
    Replace,
    Sync,
    SyncHdr,
    Unread,
)
from cardsync.syncml.filters import Wanted
from cardsync.syncml.memory import MemoryClientDatastore, MemoryServerDatastore
from cardsync.syncml.record import Application
from syncml.pair import Pair
from syncml.test_resume import break_off
from syncml.test_server import Wire
from syncml.test_sessions import Replicas

BOTH = pytest.mark.parametrize("content_type", [codec.WBXML, codec.XML])
VCARD = "text/x-vcard"
DEVINF = "application/vnd.syncml-devinf+wbxml"


def card(**lines: str) -> bytes:
    """Give a card."""
    text = "".join(f"{name}:{value}\r\n" for name, value in lines.items())
    return f"BEGIN:VCARD\r\n{text}END:VCARD\r\n".encode()


# --- what an Alert asks -----------------------------------------------------------------------


def asking(data: Data | None, kind: str | None = DEVINF, **others: object) -> Alert:
    """Ask for fields."""
    field = Item(meta=Meta(type=kind) if kind else None, data=data)
    asked = replace(Filter(None, field), **others)  # type: ignore[arg-type]  # any field
    target = Location("db", filter=asked)
    return Alert(1, 201, (Item(target, Location("mine"), Meta(anchor=Anchor("1"))),))


def named(*names: str | Property) -> CtCap:
    """Name properties."""
    given = [Property(each) if isinstance(each, str) else each for each in names]
    return CtCap(ContentType("", ""), tuple(given))


QUERY = Item(meta=Meta(type=filters.GRAMMAR), data=b"N&EQ;1")


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        (asking(named("N", "TEL")), 200),
        (asking(named("N"), record=QUERY, type=filters.INCLUSIVE), 200),
        (asking(named("N"), meta=Meta(type=VCARD)), 200),
        (asking(named("N"), meta=Meta(type="text/calendar")), 415),
        (asking(named("N"), "text/plain"), 421),
        (asking(named("N"), None), 421),
        (asking(named()), 412),
        (asking(None), 412),
        (asking(DevInf("1.2", "x", "phone", ())), 412),
        (asking(named(Property("N", max_size=20))), 406),
        (asking(named(Property("N", params=(PropParam("HOME"),)))), 406),
        (asking(named("N N")), 422),
        (asking(named("")), 422),
        (asking(named(*map(str, range(65)))), 422),
        (asking(named("N"), record=replace(QUERY, data=b"N")), 422),
        (asking(named("N"), type="OTHER"), 422),
    ],
)
def test_answers_to_filters(asked: Alert, code: int) -> None:
    """Each its status; 406 for limits, by which a value could come back cut."""
    wire = Wire(MemoryServerDatastore("db", VCARD))

    assert ("Alert", code) == wire.send(asked)[1]
    assert (code == 200) is bool(wire.state().databases)


def test_types_without_fields() -> None:
    """422; of a database with items of any type, those without fields go as a whole."""
    assert ("Alert", 422) == Wire().send(asking(named("N")))[1]
    assert ("Alert", 200) == Wire(MemoryServerDatastore("db", ANY_TYPE)).send(asking(named("N")))[1]


@BOTH
def test_octets_of_a_filter(content_type: str) -> None:
    """What is written is read; some clients put the properties into a CTCap. DevInf 1.2."""
    header = SyncHdr("1", 1, Location("http://a.example/"), Location("IMEI:1"))
    asked = filters.write(Wanted(fields=("N", "TEL")), VCARD, content_type)
    item = Item(Location("db", filter=asked), Location("mine"), Meta(anchor=Anchor("1")))
    message = Message(header, (Alert(1, 201, (item,)),), final=True)
    octets = codec.encode(message, content_type)
    capped = octets.replace(b"<Data><Property", b"<Data><CTCap><Property")

    assert message == codec.decode(octets, content_type)
    assert message == codec.decode(
        capped.replace(b"</Property></Data>", b"</Property></CTCap></Data>"), content_type
    )
    assert Wanted(fields=("N", "TEL")) == filters.wanted(item, VCARD)


def test_document_that_cannot_be_read() -> None:
    """The Alert is refused, as with device information. Representation Protocol 1.2, 400."""
    octets = codec.encode(
        Message(
            SyncHdr("1", 1, Location("http://a.example/"), Location("IMEI:1")),
            (asking(b"\x02\xa4\x03j\x00E"),),
        ),
        codec.WBXML,
    )

    (unread,) = codec.decode(octets, codec.WBXML).commands
    assert isinstance(unread, Unread)
    assert ("Alert", 400) == (unread.name, unread.code)
    assert "device information" in unread.reason


# --- sessions ---------------------------------------------------------------------------------


def by_fields(*names: str, partial: bool = True, **config: object) -> Callable[..., ClientConfig]:
    """Ask for fields in all sessions; whoever runs the client remembers that it lacks some."""

    def asked(given: ClientConfig) -> ClientConfig:
        databases = tuple(
            replace(each, filter=Wanted(fields=names), is_partial=partial)
            for each in given.databases
        )
        return replace(given, databases=databases, **config)  # type: ignore[arg-type]  # any field

    return asked


def phone_book(content_type: str = codec.WBXML) -> Pair:
    """Give an address book at the server, and a client that wants names and numbers."""
    client, store = MemoryClientDatastore("db", VCARD), MemoryServerDatastore("db", VCARD)
    two = Pair(client, store, content_type, by_fields("N", "TEL"))
    two.store.put("bo", card(N="bo", TEL="1", ADR="Graz"))
    two.store.put("ann", card(N="ann", ADR="Wien"))
    return two


def at_client(two: Pair, name: str) -> str:
    """Give the client's name of an item."""
    found = two.names()[name]
    assert found
    return found


@BOTH
@pytest.mark.parametrize("kind", [AlertCode.SLOW, AlertCode.REFRESH_FROM_SERVER])
def test_client_gets_the_fields_it_asks_for(content_type: str, kind: AlertCode) -> None:
    """The others stay at the server, and a second session has nothing to do."""
    two = phone_book(content_type)

    assert two.sync(kind).ok
    assert {card(N="bo", TEL="1"), card(N="ann")} == set(two.client.items().values())
    assert 2 == two.sync().round_trips
    assert card(N="bo", TEL="1", ADR="Graz") == two.store.items()["bo"]


@BOTH
def test_changes_of_fields(content_type: str) -> None:
    """Neither side loses a field that only it has; one that is gone goes on both sides."""
    two = phone_book(content_type)
    assert two.sync(AlertCode.SLOW).ok
    bo, ann = at_client(two, "bo"), at_client(two, "ann")
    two.client.put(bo, card(N="bo", NOTE="mine"))
    two.store.put("ann", card(N="anna", TEL="2", ADR="Linz"))
    two.client.put("eve", card(N="eve", NOTE="mine"))
    result = two.sync()

    assert (200, False) == (result.status, result.slow)
    assert {
        bo: card(N="bo", NOTE="mine"),
        ann: card(N="anna", TEL="2"),
        "eve": card(N="eve", NOTE="mine"),
    } == two.client.items()
    assert {
        card(N="bo", ADR="Graz"),
        card(N="anna", TEL="2", ADR="Linz"),
        card(N="eve", NOTE="mine"),
    } == set(two.store.items().values())
    two.store.put("bo", card(TEL="3", ADR="Wels"))
    assert two.sync().ok
    assert card(NOTE="mine", TEL="3") == two.client.items()[bo]


def test_both_sides_change_an_item() -> None:
    """The server's version that lost is kept, and so are its other fields where they were."""
    two = phone_book()
    assert two.sync(AlertCode.SLOW).ok
    two.client.put(at_client(two, "bo"), card(N="bo", TEL="7"))
    two.store.put("bo", card(N="bo", TEL="8", ADR="Wels"))

    assert two.sync().ok
    assert card(N="bo", TEL="7", ADR="Wels") == two.store.items()["bo"]
    assert [card(N="bo", TEL="8", ADR="Wels")] == [change.data for change in two.store.kept]


@pytest.mark.parametrize("names", [(), ("N", "ADR"), ("N", "TEL", "ADR")])
def test_other_fields(names: tuple[str, ...]) -> None:
    """508: everything is compared again, and what was kept back comes; nothing gets lost."""
    two = phone_book()
    assert two.sync(AlertCode.SLOW).ok
    two.client.put(at_client(two, "bo"), card(N="bo", TEL="7", NOTE="mine"))
    two.client_config = by_fields(*names)
    result = two.sync()

    assert (200, True) == (result.status, result.slow)
    assert {"ADR", "N", "NOTE", "TEL"} <= set(
        properties.read(two.client.items()[at_client(two, "bo")], VCARD)
    )
    found = properties.read(two.store.items()["bo"], VCARD)
    assert (("Graz",), ("1" if names == ("N", "ADR") else "7",)) == (found["ADR"], found["TEL"])
    assert card(N="ann", ADR="Wien") in two.client.items().values()
    assert 2 == two.sync().round_trips


def test_item_without_fields_stays() -> None:
    """What is no card has none of the fields."""
    two = phone_book()
    two.store.put("odd", b"no card")

    assert two.sync(AlertCode.SLOW).ok
    assert 2 == len(two.client.items())


def test_number_of_changes() -> None:
    """It is told, for it is as many items; of a query it is not: each would be read twice."""
    two = phone_book()
    two.server.config = replace(two.server.config, number_of_changes=True)
    assert two.sync(AlertCode.SLOW).ok
    replies = [e for reply in two.server.replies for e in reply.commands if isinstance(e, Sync)]

    assert [2] == [each.number_of_changes for each in replies]
    assert all(
        each.meta and each.meta.field_level
        for each in replies[0].commands
        if isinstance(each, Add | Replace)
    )


@pytest.mark.parametrize("after", range(1, 9))
@pytest.mark.parametrize("names", [(), ("N", "TEL"), ("N", "ADR")])
def test_broken_session_goes_on(names: tuple[str, ...], after: int) -> None:
    """With the same fields where it was, with others from the beginning; nothing gets lost."""
    two = phone_book()
    two.client_config = by_fields("N", "TEL", max_msg_size=1400)
    for number in range(12):
        two.store.put(f"x{number}", card(N="x" * 200, TEL=str(number), ADR="y" * 200))
        two.client.put(f"c{number}", card(N="z" * 200, TEL=f"c{number}", NOTE="mine"))
    before = set(two.store.items().values())
    left = break_off(two, AlertCode.SLOW, after, reply_lost=after % 2 == 0)
    two.client_config = by_fields(*names, max_msg_size=1400)

    assert two.sync(AlertCode.SLOW, resume=left).ok
    assert before <= set(two.store.items().values())
    assert 26 == len(two.store.items()) == len(two.client.items())
    for each in two.store.items().values():
        found = properties.read(each, VCARD)
        assert ("ADR" in found) is (found.get("TEL", ("",))[0][:1] != "c")


def fields_of(two: Wire) -> set[bytes]:
    """Give the server's items."""
    return set(two.store.items().values())


def test_client_that_never_says_field_level() -> None:
    """What it asks for is all that it knows: it takes away no other field."""
    store = MemoryServerDatastore("db", VCARD)
    two = Pair(MemoryClientDatastore("db", VCARD), store, client_config=by_fields("N", "TEL"))
    two.store.put("bo", card(N="bo", TEL="1", ADR="Graz"))
    assert two.sync(AlertCode.SLOW).ok
    bo = at_client(two, "bo")
    wire = Wire(store)
    wire.server = two.server
    alert = asking(named("N", "TEL"))
    (item,) = alert.items
    meta = Meta(anchor=Anchor("C2", "C1"))
    wire.send(replace(alert, code=200, items=(replace(item, meta=meta),)), session_id="9")
    change = Replace(11, (Item(source=Location(bo), data=card(N="bob")),), Meta(type=VCARD))
    wire.send(Sync(10, Location("db"), Location("mine"), commands=(change,)), session_id="9")

    assert {card(N="bob", ADR="Graz")} == fields_of(wire)


def test_client_that_drops_the_filter_and_sends_its_items_whole() -> None:
    """The server remembers that they lack fields, keeps its own and tells them."""
    two = phone_book()
    assert two.sync(AlertCode.SLOW).ok
    two.client_config = by_fields(partial=False)
    result = two.sync()

    assert (200, True) == (result.status, result.slow)
    assert {card(N="bo", TEL="1", ADR="Graz"), card(N="ann", ADR="Wien")} == set(
        two.store.items().values()
    )
    assert two.equal()


@BOTH
def test_records(content_type: str) -> None:
    """The device-management database goes by its own properties."""
    kind = record.CONTENT_TYPE
    client, store = MemoryClientDatastore("db", kind), MemoryServerDatastore("db", kind)
    two = Pair(client, store, content_type, by_fields("V"))
    two.store.put("x", Application("x", "X", "1", 70).encode())
    assert two.sync(AlertCode.SLOW).ok
    luid = at_client(two, "x")
    assert Application("x", "x", "1").encode() == two.client.items()[luid]
    two.client.put(luid, Application("x", "x").encode())
    assert two.sync().ok

    assert Application("x", "X", None, 70).encode() == two.store.items()["x"]


class ByFields(Replicas):
    """The machine of two replicas that go by two fields of four.

    A version is a number; the address is the server's own, the note the client's.
    """

    def make_pair(self) -> Pair:
        """Make two address books."""
        client, store = MemoryClientDatastore("db", VCARD), MemoryServerDatastore("db", VCARD)
        return Pair(client, store)

    @initialize(conflict_rule=st.sampled_from(Rule), small=st.booleans())
    def begin(self, conflict_rule: Rule, small: bool) -> None:
        """Begin with nothing."""
        super().begin(conflict_rule, small)
        self.small = small
        self.owned: dict[tuple[str, str], str] = {}
        self.ask(more=False)

    @rule(more=st.booleans())
    def ask(self, more: bool) -> None:
        """Ask for other fields from now on."""
        names = ("N", "TEL", "FN") if more else ("N", "TEL")
        size = 900 if self.small else 65536
        self.pair.client_config = by_fields(*names, max_msg_size=size)

    def _put(self, side: str, pick: int) -> None:
        store = self.pair.client if side == "c" else self.pair.store
        number = next(self.versions)
        names = [*sorted(store.items()), f"{side}new{number}"]
        name = names[pick % len(names)]
        there = properties.read(store.items().get(name, b""), VCARD)
        self.written.discard(there.get("TEL", ("",))[0].encode())
        self.written.add(f"{number}".encode())
        own = "NOTE" if side == "c" else "ADR"
        told = {each: values[0] for each, values in there.items() if each not in ("BEGIN", "END")}
        self.owned[side, name] = f"own{number}"
        long = "n" * (number % 7 * 30)
        store.put(name, card(**told | {"N": f"x{long}", "TEL": f"{number}", own: f"own{number}"}))

    def _remove(self, side: str, pick: int) -> None:
        store = self.pair.client if side == "c" else self.pair.store
        names = sorted(store.items())
        if names:
            name = names[pick % len(names)]
            tel = properties.read(store.items()[name], VCARD)["TEL"][0]
            self.written.discard(tel.encode())
            self.owned.pop((side, name), None)  # who removes an item gives up its fields
            store.remove(name)

    def _converged(self) -> None:
        names, ours, theirs = self.pair.names(), self.pair.store.items(), self.pair.client.items()
        assert sorted(theirs) == sorted(str(names[each]) for each in ours)
        for name, data in ours.items():
            assert fields.alike(data, theirs[str(names[name])], VCARD, ["N", "TEL"])
        every = [*theirs.values(), *(change.data or b"" for change in self.pair.store.kept)]
        numbers = {tel.encode() for e in every for tel in properties.read(e, VCARD)["TEL"]}
        assert self.written <= numbers
        for side, own, items in (("c", "NOTE", theirs), ("s", "ADR", ours)):
            for name, data in items.items():
                value = self.owned.get((side, name))
                assert value is None or value in properties.read(data, VCARD)[own]


def test_replicas_by_fields_converge() -> None:
    """No order of changes, losses and repetitions takes a field from the side that has it."""
    run_state_machine_as_test(
        ByFields,
        settings=settings(
            max_examples=60,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
