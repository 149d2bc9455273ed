"""Ends of lines and blanks that XML, or a peer that reads it, changes on the way."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cardsync.syncml import codec
from cardsync.syncml.elements import Add, AlertCode, Item, Location, Message, Meta
from cardsync.syncml.state import ServerState
from syncml.pair import Pair
from syncml.test_server import Wire, sync
from syncml.test_xml import SHORT


def sent(text: bytes, cuts: list[int], *, tells: bool) -> list[bytes] | int:
    """Send text with CR LF in chunks, as XML gives them; give what is stored, or the status."""
    wire = Wire().alerted(AlertCode.REFRESH_FROM_CLIENT)
    code = 0
    for start, end in itertools.pairwise([0, *cuts, len(text)]):
        chunk = text[start:end].replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        emi = (f"datapos={start}",) if tells else ()
        meta = Meta(size=None if start else len(text), emi=emi)
        item = Item(None, Location("a"), meta, chunk, more_data=end < len(text))
        assert wire.state() == ServerState.decode(wire.state().encode())
        code = wire.send(sync(Add(11, (item,))), final=end == len(text))[2][1]
    return list(wire.store.items().values()) or code


@pytest.mark.parametrize("tells", [True, False])
def test_chunk_that_ends_between_cr_and_lf(tells: bool) -> None:
    """XML makes two ends of one; the Size tells it, and so does the place of a chunk."""
    text = b"one\r\ntwo\r\n\r\nthree"

    assert [text] == sent(text, [4, 9], tells=tells)


def test_some_of_the_seams() -> None:
    """Of two that look alike one is an empty line: only a peer that tells the places is read."""
    text = b"one\r\n\r\ntwo\r\nthree"

    assert [text] == sent(text, [5, 11], tells=True)
    assert 424 == sent(text, [5, 11], tells=False)


@given(
    pieces=st.lists(st.sampled_from([b"a", b" ", b"\r\n"]), min_size=2, max_size=12),
    data=st.data(),
)
def test_never_corrupt(pieces: list[bytes], data: st.DataObject) -> None:
    """Cut anywhere, the text is as it was, or refused; whole where the places are told.

    Were all ends of lines cut, nobody could tell them from empty lines; so there are some more.
    """
    text = b"\r\n" * 9 + b"".join(pieces)
    cuts = sorted(data.draw(st.sets(st.integers(1, len(text) - 1), min_size=1, max_size=4)))

    assert sent(text, cuts, tells=False) in ([text], 424)
    assert [text] == sent(text, cuts, tells=True)


@pytest.mark.parametrize("text", ["  a  ", "\ta", "\n\n a", "\r\n", " ", ""])
def test_blanks_at_the_beginning(text: str) -> None:
    """The first is written as a reference: it is character data to every reader. XML 1.0, 4.1."""
    item = Item(source=Location("1"), data=text.encode())
    message = Message(SHORT, (Add(1, (item,)),))
    octets = codec.encode(message, codec.XML)

    assert message == codec.decode(octets, codec.XML)
    assert text[:1].strip() == octets.partition(b"<Data>")[2][:1].decode().strip("<&")


def test_blanks_in_a_session() -> None:
    """Items, and chunks, that begin with blanks."""
    pair = Pair(content_type=codec.XML)
    for number, text in enumerate((b" " * 3000, b"\n" * 3000, b"\t x" * 1000)):
        pair.store.put(f"s{number}", text)
        pair.client.put(f"c{number}", text + b"c")

    assert pair.sync().ok
    assert pair.equal()
