"""Messages by content type, and messages that grow until they are full."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cardsync.errors import LocalError
from cardsync.syncml import codec, tree
from cardsync.syncml.codec import WBXML, XML, MessageBuilder
from cardsync.syncml.elements import (
    Add,
    Alert,
    Anchor,
    Command,
    Delete,
    Item,
    Location,
    Message,
    Meta,
    Sync,
    SyncHdr,
    Version,
)
from syncml_messages import PRINTABLE, Strategies, everything, header

SHORT = SyncHdr("1", 2, Location("a"), Location("b"))
ALERT = Alert(1, 200, (Item(Location("a"), Location("b"), Meta(anchor=Anchor("2", "1"))),))
TYPES = pytest.mark.parametrize("content_type", [WBXML, XML])


def _items(count: int) -> list[Item]:
    return [Item(source=Location(str(i)), data=b"x" * (i % 50)) for i in range(count)]


@pytest.mark.parametrize(
    "content_type", [WBXML, XML, f"{XML}; charset=UTF-8", "Application/vnd.SyncML+wbxml ;x=y"]
)
def test_content_types(content_type: str) -> None:
    """Parameters and capitals do not matter, as peers send them."""
    message = Message(SHORT, (ALERT,), final=True)

    assert message == codec.decode(codec.encode(message, content_type), content_type)


def test_unknown_content_types() -> None:
    """A peer is answered 415, of our own side it is a mistake."""
    with pytest.raises(tree.MalformedMessage) as caught:
        codec.decode(b"", "text/html")
    with pytest.raises(LocalError):
        codec.encode(Message(SHORT), "text/html")
    with pytest.raises(LocalError):
        MessageBuilder(SHORT, "text/html")

    assert tree.UNSUPPORTED_TYPE == caught.value.answer


@TYPES
def test_builder_writes_the_same(content_type: str) -> None:
    """Piece by piece the octets are those of the whole message."""
    items = tuple(_items(3))
    sync = Sync(2, Location("a"), Location("b"), number_of_changes=2)
    add = Add(3, items, Meta(type="text/plain"))
    delete = Delete(4, (Item(target=Location("9")),), archive=True)
    builder = MessageBuilder(header(Version.V1_1), content_type)
    fitted = [builder.add(ALERT), builder.begin(sync), builder.begin(add)]
    fitted += [builder.add(item) for item in items]
    builder.end()
    fitted.append(builder.add(delete))
    whole = Sync(2, Location("a"), Location("b"), None, 2, (add, delete))
    message = Message(header(Version.V1_1), (ALERT, whole), final=True)

    assert all(fitted)
    assert builder.room is None
    assert codec.encode(message, content_type) == builder.finish(final=True)


@TYPES
def test_builder_fills_a_message(content_type: str) -> None:
    """MaxMsgSize is kept to the octet: what is refused would have been too much."""
    waiting = _items(1000)
    builder = MessageBuilder(SHORT, content_type, 10000)
    builder.begin(Sync(2))
    builder.begin(Add(3, ()))
    while builder.add(waiting[0]):
        del waiting[0]
    needed = codec.encoded_size(waiting[0], content_type)
    size, room = builder.size, builder.room
    octets = builder.finish(final=True)
    sync = codec.decode(octets, content_type).commands[0]

    assert room is not None
    assert 0 <= room < needed
    assert len(octets) == size == 10000 - room
    assert isinstance(sync, Sync)
    assert isinstance(sync.commands[0], Add)
    assert tuple(_items(1000 - len(waiting))) == sync.commands[0].items


@TYPES
@given(
    commands=st.lists(
        Strategies(PRINTABLE, st.text(PRINTABLE, max_size=40).map(str.encode)).commands(),
        max_size=4,
    ),
    limit=st.integers(600, 2000),
)
def test_builder_keeps_the_limit(content_type: str, commands: list[Command], limit: int) -> None:
    """Whatever is added, the size is told exactly and never above the limit."""
    builder = MessageBuilder(SHORT, content_type, limit)
    added = tuple([command for command in commands if builder.add(command)])
    size = builder.size
    octets = builder.finish(final=True)

    assert Message(SHORT, added, final=True) == codec.decode(octets, content_type)
    assert len(octets) <= size <= limit
    assert size - len(octets) <= 2


@TYPES
def test_builder_without_room(content_type: str) -> None:
    """A command that does not fit leaves nothing behind, nor does its beginning."""
    empty = codec.encode(Message(SHORT, (), final=True), content_type)
    builder = MessageBuilder(SHORT, content_type, len(empty))

    assert builder.room == 0
    assert not builder.begin(Sync(1))
    assert not builder.add(ALERT)
    assert empty == builder.finish(final=True)
    with pytest.raises(LocalError):
        MessageBuilder(SHORT, content_type, len(empty) - 1)


def test_builder_after_an_error() -> None:
    """An element that cannot be written leaves nothing behind."""
    builder = MessageBuilder(SHORT, XML)
    with pytest.raises(LocalError):
        builder.add(Add(1, (Item(source=Location("1"), data=b"\xff"),)))

    assert codec.encode(Message(SHORT), XML) == builder.finish(final=False)


@TYPES
def test_meta_information_as_data(content_type: str) -> None:
    """Meta-information in data must say something, else it would be read as no octets."""
    with pytest.raises(LocalError):
        codec.encoded_size(Item(data=Meta()), content_type)


@TYPES
@pytest.mark.parametrize("version", Version)
def test_encoded_size(content_type: str, version: Version) -> None:
    """The size of a command is what it adds to a message."""
    empty = len(codec.encode(Message(SHORT), content_type))
    for command in everything(version).commands[:-4]:
        if isinstance(command, Sync):
            continue
        size = codec.encoded_size(command, content_type)
        grown = len(codec.encode(Message(SHORT, (command, Delete(1, ()))), content_type))
        last = len(codec.encode(Message(SHORT, (Delete(1, ()),)), content_type))

        assert size == grown - last
        assert (
            0 <= size - (len(codec.encode(Message(SHORT, (command,)), content_type)) - empty) <= 2
        )
