"""The bearer independent protocol. TS 102 223 clauses 8.52 to 8.59, 8.70."""

import pytest

from cardsync.errors import PeerError
from cardsync.toolkit.channels import (
    BearerDescription,
    BufferSize,
    ChannelData,
    ChannelStatus,
    NetworkAccessName,
    OtherAddress,
    RemoteEntityAddress,
    TransportLevel,
)
from cardsync.toolkit.codes import AddressType, BearerType
from cardsync.toolkit.data_object import DataObject

OBJECTS: list[tuple[str, DataObject]] = [
    ("B501 03", BearerDescription(BearerType.DEFAULT)),
    ("B507 02 030403041F02", BearerDescription(BearerType.PACKET, bytes.fromhex("030403041F02"))),
    ("B802 8100", ChannelStatus(0x81, b"\0")),
    ("B902 0578", BufferSize(1400)),
    ("BC03 01AD9C", TransportLevel(1, 44444)),
    ("BE05 2101010101", OtherAddress(AddressType.IPV4, b"\1\1\1\1")),
    ("BE00", OtherAddress(None)),
    ("C70A 06546573744770 027273", NetworkAccessName(("TestGp", "rs"))),
    ("C902 0055", RemoteEntityAddress(0, b"\x55")),
]


@pytest.mark.parametrize(("text", "built"), OBJECTS, ids=lambda one: str(one)[:24])
def test_an_object_both_ways(text: str, built: DataObject) -> None:
    """TS 31.124 clause 27.22.4.27 and following."""
    octets = bytes.fromhex(text)

    assert built == type(built).read(octets[2:])
    assert octets == built.encode()


REFUSED: list[tuple[type[DataObject], str]] = [
    (BearerDescription, ""),
    (ChannelStatus, "81"),
    (ChannelStatus, ""),
    (BufferSize, "05"),
    (TransportLevel, "01AD"),
    (TransportLevel, "01AD9C00"),
    (NetworkAccessName, "0354"),
    (NetworkAccessName, "0180"),
    (NetworkAccessName, "40" + 64 * "41"),
    (RemoteEntityAddress, ""),
]


@pytest.mark.parametrize(("kind", "octets"), REFUSED)
def test_an_object_that_is_none(kind: type[DataObject], octets: str) -> None:
    """Too short, too long, no characters of a name."""
    with pytest.raises((ValueError, PeerError)):
        kind.read(bytes.fromhex(octets))


def test_what_cannot_be() -> None:
    """A buffer, a port and an address beyond their octets."""
    with pytest.raises(ValueError, match="buffer"):
        BufferSize(0x10000)
    with pytest.raises(ValueError, match="port"):
        TransportLevel(1, -1)
    with pytest.raises(ValueError, match="type"):
        OtherAddress(None, b"\1")


def test_a_channel() -> None:
    """Its number in three bits, the link in the highest. Clause 8.56."""
    there, dropped = ChannelStatus(0x81, b"\0"), ChannelStatus(0x02, b"\5")

    assert [(1, True), (2, False)] == [(one.channel, one.established) for one in (there, dropped)]


def test_a_name_and_data_that_stay_out_of_sight() -> None:
    """The labels make a name with dots; what is sent is not shown."""
    assert "TestGp.rs" == NetworkAccessName(("TestGp", "rs")).name
    assert "secret" not in repr(ChannelData(b"secret"))
