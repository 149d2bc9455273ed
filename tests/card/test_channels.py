"""The class octet and the channels it names. TS 102 221 clauses 10.1.1 and 11.1.17."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cardsync.card import profile
from cardsync.card.channels import Channels, MessageClass
from cardsync.card.selection import Selection
from cardsync.errors import PeerError
from cardsync.octets.apdu import SW, CommandApdu, Ins


def selection() -> Selection:
    """Give a selection at the MF."""
    return Selection(profile.default().tree)


@pytest.mark.parametrize(
    ("cla", "expected"),
    [
        (0x00, MessageClass(0, proprietary=False)),
        (0x83, MessageClass(3, proprietary=True)),
        (0x84, MessageClass(0, proprietary=True, secured=True)),
        (0x86, MessageClass(2, proprietary=True, secured=True)),
    ],
)
def test_class(cla: int, expected: MessageClass) -> None:
    """Channel, kind of instruction, secure messaging. TS 102 221 clause 10.1.1."""
    assert expected == MessageClass.decode(cla)


@given(st.integers(0, 255))
def test_any_class(cla: int) -> None:
    """Each octet is a class of ours or has its status word. TS 102 221 clause 10.2.1.5."""
    answers = {SW.CHANNEL_NOT_SUPPORTED, SW.CLA_NOT_SUPPORTED, 0x6882}
    if cla & 0x78 == 0:
        assert 4 > MessageClass.decode(cla).channel
        return
    with pytest.raises(PeerError) as refused:
        MessageClass.decode(cla)

    assert refused.value.answer in answers


def manage(channels: Channels, p1: int, p2: int, origin: int = 0) -> bytes:
    """Open or close a channel from another."""
    apdu = CommandApdu(0, Ins.MANAGE_CHANNEL, p1, p2)
    return channels.manage(channels.get(origin), apdu, selection())


def test_a_new_channel_begins_at_the_mf() -> None:
    """One that is opened from the basic channel does. TS 102 221 clause 8.7."""
    channels = Channels(selection())
    channels.get(0).selection.by_identifier(bytes.fromhex("7F10"))

    assert b"\1" == manage(channels, 0, 0)
    assert "3F00" == channels.get(1).selection.target.path


def test_from_another_channel() -> None:
    """One that is opened from another begins where that stands. TS 102 221 clause 8.7."""
    channels = Channels(selection())
    manage(channels, 0, 2)
    channels.get(2).selection.by_identifier(bytes.fromhex("7F10"))

    assert b"\1" == manage(channels, 0, 0, origin=2)
    assert "3F00/7F10" == channels.get(1).selection.target.path


def test_close() -> None:
    """A channel that is closed is free again; the basic one stays. TS 102 221 clause 11.1.17."""
    channels = Channels(selection())
    numbers = [manage(channels, 0, 0) for _ in range(3)]
    closed = manage(channels, 0x80, 2)

    assert ([b"\1", b"\2", b"\3"], b"", b"\2") == (numbers, closed, manage(channels, 0, 0))
    for p1, p2, expected in ((0, 0, SW.FUNCTION_NOT_SUPPORTED), (0x80, 0, SW.INCORRECT_P1_P2)):
        with pytest.raises(PeerError) as refused:
            manage(channels, p1, p2)

        assert expected == refused.value.answer
