"""Messages that are never longer than their receiver takes, and the chunks of large objects."""

import base64
from collections import deque
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cardsync.syncml import codec
from cardsync.syncml.datastore import Change, ChangeKind
from cardsync.syncml.devinf import DevInf, Property
from cardsync.syncml.elements import (
    Add,
    Alert,
    Delete,
    Item,
    Location,
    Meta,
    Replace,
    Results,
    Status,
    Sync,
    SyncHdr,
    Version,
)
from cardsync.syncml.letter import MIN_ROOM, Letter, Owed
from cardsync.syncml.outgoing import Manner, Supply
from syncml_messages import device

BOTH = pytest.mark.parametrize("content_type", [codec.WBXML, codec.XML])
HEADER = SyncHdr("1", 1, Location("http://a.example/s"), Location("IMEI:490154203237518"))
ADD, REPLACE, DELETE = ChangeKind.ADD, ChangeKind.REPLACE, ChangeKind.DELETE


def named(change: Change) -> Item:
    """Name an item by its identifier."""
    return Item(source=Location(change.identifier))


NAMED = Manner("text/plain", named)


def all_letters(
    changes: list[Change], content_type: str, limit: int, version: Version = Version.V1_2
) -> tuple[list[Sync], list[int], list[tuple[Change, int]]]:
    """Write as many messages as it takes: the Syncs in them, their sizes, what was left out."""
    supply = Supply(changes)
    syncs: list[Sync] = []
    sizes: list[int] = []
    left_out: list[tuple[Change, int]] = []
    for _ in range(10_000):
        header = SyncHdr("1", 1, HEADER.target, HEADER.source, version)
        letter = Letter(header, content_type, limit)
        written = letter.sync(Sync(0, HEADER.target, HEADER.source), supply, NAMED)
        assert written is not None
        octets = letter.encode(final=supply.done)
        (sync,) = codec.decode(octets, content_type).commands
        assert isinstance(sync, Sync)
        syncs.append(sync)
        sizes.append(len(octets))
        left_out += written.left_out
        assert written.cmd_id == sync.cmd_id
        carried = [(each.cmd_id, each.items) for each in written.commands]
        assert carried == [
            (c.cmd_id, len(c.items)) for c in sync.commands if isinstance(c, Add | Replace | Delete)
        ]
        if supply.done:
            return syncs, sizes, left_out
    pytest.fail("messages without end")


def joined(syncs: list[Sync]) -> dict[str, bytes | None]:
    """Put the chunks of every item together."""
    found: dict[str, bytes | None] = {}
    for sync in syncs:
        for command in sync.commands:
            assert isinstance(command, Add | Replace | Delete)
            for item in command.items:
                assert item.source
                if isinstance(command, Delete):
                    found[item.source.uri] = None
                    continue
                assert isinstance(item.data, bytes)
                data = item.data
                if item.meta and item.meta.format == "b64":
                    data = base64.b64decode(data, validate=True)
                found[item.source.uri] = (found.get(item.source.uri) or b"") + data
    return found


contents = st.one_of(
    st.binary(max_size=3000),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=800).map(str.encode),
    st.text("äöü<&>\r€😀", min_size=1, max_size=1500).map(str.encode),
)
kinds = st.sampled_from([ADD, REPLACE, DELETE])


@st.composite
def some_changes(draw: st.DrawFn) -> list[Change]:
    """Draw changes of every kind, some of them large."""
    drawn = draw(st.lists(st.tuples(kinds, contents), max_size=8))
    return [
        Change(kind, f"item{n}", None if kind is DELETE else data, token=str(n))
        for n, (kind, data) in enumerate(drawn)
    ]


@BOTH
@given(changes=some_changes(), limit=st.integers(1, 4000))
@settings(max_examples=60, deadline=None)
def test_no_message_is_too_long_and_nothing_is_lost(
    content_type: str, changes: list[Change], limit: int
) -> None:
    """Whatever the sizes: every octet arrives, in messages of at most MaxMsgSize."""
    syncs, sizes, left_out = all_letters(changes, content_type, limit)

    least = len(Letter(HEADER, content_type, 0).encode(final=True)) + MIN_ROOM
    assert max(sizes) <= max(limit, least)
    assert [] == left_out
    assert {change.identifier: change.data for change in changes} == joined(syncs)


@BOTH
@pytest.mark.parametrize("before", ["SyncHdr", "Alert", "Add"])
def test_every_boundary(content_type: str, before: str) -> None:
    """Whatever is left in a message, to the octet: what does not fit waits, or goes in chunks.

    It waits only where a later message has more room: this one has not only what all have.
    """
    status = Status(0, 1, 1, before, 200)
    waits = 0
    for size in range(1, 700):
        letter = Letter(HEADER, content_type, 900)
        assert letter.add(status)
        supply = Supply([Change(ADD, "a", b"x" * size)])
        written = letter.sync(Sync(0, HEADER.target, HEADER.source), supply, NAMED)
        assert len(letter.encode(final=supply.done)) <= 900
        assert written
        waits += not written.commands
        assert bool(written.whole) == supply.done
        assert not written.left_out

    assert before == "Add" or not waits


@BOTH
def test_messages_are_full(content_type: str) -> None:
    """Of what a message may take, little is left."""
    changes = [Change(ADD, f"i{n}", b"x" * 90, token=str(n)) for n in range(200)]

    _, sizes, _ = all_letters(changes, content_type, 4000)

    assert min(sizes[:-1]) > 3500


def test_what_is_deleted_goes_first() -> None:
    """Deletions make room; the rest of a cut item comes before all others."""
    changes = [
        Change(ADD, "large", b"x" * 1500),
        Change(ADD, "a", b"a"),
        Change(REPLACE, "r", b"r"),
        Change(DELETE, "d"),
        Change(ADD, "b", b"b"),
    ]

    syncs, _, _ = all_letters(changes, codec.WBXML, 1400)

    names = [[i.source.uri for c in s.commands for i in c.items if i.source]  # type: ignore[union-attr]  # these have items
             for s in syncs]  # fmt: skip
    assert [["large"], ["large", "d", "r", "a", "b"]] == names


def test_size_and_more_data() -> None:
    """The size of the whole with the first chunk, MoreData behind all but the last."""
    syncs, _, _ = all_letters([Change(ADD, "a", b"x" * 4000)], codec.WBXML, 1500)

    adds = [c for sync in syncs for c in sync.commands if isinstance(c, Add)]
    items = [item for each in adds for item in each.items]
    assert [4000, *[None] * (len(items) - 1)] == [i.meta.size if i.meta else None for i in items]
    assert [*[True] * (len(items) - 1), False] == [item.more_data for item in items]
    assert len(items) in (4, 5)


@BOTH
def test_text_is_cut_within_words(content_type: str) -> None:
    """No blank at either end of a chunk, which SyncEvolution would lose in XML; all arrives."""
    text = "eins zwei drei vier fünf\n".encode() * 400
    blank = b" " * 4000

    syncs, _, _ = all_letters([Change(ADD, "a", text), Change(ADD, "b", blank)], content_type, 1500)

    adds = [c for sync in syncs for c in sync.commands if isinstance(c, Add)]
    chunks = [i.data for c in adds for i in c.items if i.source and i.source.uri == "a"]
    inner = [each for each in chunks if isinstance(each, bytes)]
    assert len(inner) > 5
    assert [e.strip() for e in inner[1:-1]] == inner[1:-1]
    assert {"a": text, "b": blank} == joined(syncs)


def test_version_1_0_knows_no_chunks() -> None:
    """What is larger than a message is left out, and told: 413; the others go."""
    changes = [Change(ADD, "large", b"x" * 4000), Change(ADD, "small", b"y")]

    syncs, _, left_out = all_letters(changes, codec.WBXML, 1500, Version.V1_0)

    assert {"small": b"y"} == joined(syncs)
    assert [(changes[0], 413)] == left_out


def test_name_that_xml_cannot_carry() -> None:
    """400 for what has a character that XML does not have; the others go."""
    changes = [Change(ADD, "a\x01b", b"x"), Change(ADD, "c", b"y")]

    syncs, _, left_out = all_letters(changes, codec.XML, 1500)

    assert {"c": b"y"} == joined(syncs)
    assert [(changes[0], 400)] == left_out


def test_items_of_several_types() -> None:
    """Each type has a command of its own."""
    changes = [Change(ADD, "a", b"a"), Change(ADD, "b", b"b", type="text/vcard")]

    (sync,), _, _ = all_letters(changes, codec.WBXML, 4000)

    types = [c.meta.type for c in sync.commands if isinstance(c, Add) and c.meta]
    assert ["text/plain", "text/vcard"] == types


@BOTH
def test_what_is_owed_waits_its_turn(content_type: str) -> None:
    """Statuses go over as many messages as they need, in order; the last Alert has its room."""
    owed: Owed = deque(Status(0, 1, n, "Add", 201, source_refs=(f"item{n}",)) for n in range(1, 90))
    refs, messages = [], 0
    while owed:
        letter = Letter(HEADER, content_type, 1200)
        done = letter.pay(owed)
        letter.ask(Alert(0, 222))
        octets = letter.encode(final=done)
        commands = codec.decode(octets, content_type).commands
        assert len(octets) <= 1200
        assert isinstance(commands[-1], Alert)
        assert list(range(1, len(commands) + 1)) == [each.cmd_id for each in commands]
        refs += [each.cmd_ref for each in commands if isinstance(each, Status)]
        messages += 1

    assert list(range(1, 90)) == refs
    assert messages > 3


def test_status_that_is_longer_than_a_message() -> None:
    """It goes alone, rather than never."""
    owed: Owed = deque([Status(0, 1, 1, "Add", 201, source_refs=("x" * 5000,))])

    assert Letter(HEADER, codec.WBXML, 1000).pay(owed)


@BOTH
def test_command_that_fits_no_message(content_type: str) -> None:
    """It goes all the same where it is alone, for it would wait for ever; else it waits."""
    alert = Alert(0, 200, (Item(source=Location("a" * 1000)),))
    alone, behind = (Letter(HEADER, content_type, 900) for _ in range(2))
    alone.add(Status(0, 1, 0, "SyncHdr", 200))
    behind.add(Status(0, 1, 1, "Add", 200))

    assert (2, 0) == (alone.push(alert), behind.push(alert))
    assert len(behind.encode(final=False)) < 900


def test_sync_without_room_waits() -> None:
    """A Sync is not begun where there is room for next to nothing."""
    letter = Letter(HEADER, codec.WBXML, 700)
    while letter.add(Status(0, 1, 1, "Add", 201)):
        pass
    supply = Supply([Change(ADD, "a", b"x")])

    assert letter.sync(Sync(0), supply, NAMED) is None
    assert not supply.done


@BOTH
@pytest.mark.parametrize(("properties", "limit", "has_them"), [(3, 3000, True), (400, 3000, False)])
def test_device_information_that_has_no_room(
    content_type: str, properties: int, limit: int, has_them: bool
) -> None:
    """It goes without the properties of its types where the message were too long with them."""
    whole = device("1.2")
    store = whole.datastores[0]
    cap = replace(store.ct_caps[0], properties=tuple(Property(f"X-{n}") for n in range(properties)))
    info = replace(whole, datastores=(replace(store, ct_caps=(cap,)),))
    letter = Letter(HEADER, content_type, limit)
    kind = Meta(type=content_type.replace("syncml", "syncml-devinf"))
    owed: Owed = deque([
        Status(0, 1, 0, "SyncHdr", 200),
        Results(0, 2, (Item(source=Location("./devinf12"), data=info),), msg_ref=1, meta=kind),
    ])  # fmt: skip

    assert letter.pay(owed)
    octets = letter.encode(final=True)
    (results,) = [e for e in codec.decode(octets, content_type).commands if isinstance(e, Results)]
    told = results.items[0].data
    assert isinstance(told, DevInf)
    assert len(octets) <= limit
    assert (info if has_them else info.shorter()) == told
