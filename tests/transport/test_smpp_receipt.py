"""Delivery receipts and validity periods."""

import pytest

from cardsync.errors import LocalError, PeerError
from cardsync.transport.smpp_bodies import Address, DeliverSm, Tlv
from cardsync.transport.smpp_codes import MessageState, MessageType, Tag
from cardsync.transport.smpp_receipt import Receipt, receipted_message_id, relative_time

# The form of SMPP 3.4 appendix B.
TEXT = (
    b"id:0123456789 sub:001 dlvrd:001 submit date:0211221538 done date:0211221540 "
    b"stat:DELIVRD err:000 text:"
)


def receipt(text: bytes, *tlvs: Tlv, kind: int = MessageType.DELIVERY_RECEIPT) -> DeliverSm:
    """Give a deliver_sm that may be a receipt."""
    return DeliverSm(Address("1"), Address("2"), text, esm_class=kind, tlvs=tlvs)


def test_text_both_ways() -> None:
    """The text of appendix B."""
    expected = Receipt("0123456789", MessageState.DELIVERED)

    assert expected == Receipt.decode(receipt(TEXT))
    assert TEXT == expected.text("0211221538", "0211221540")


def test_parameters_are_believed_first() -> None:
    """receipted_message_id and message_state say more surely what the text says."""
    tlvs = Receipt("17", MessageState.EXPIRED).tlvs()

    assert Receipt("17", MessageState.EXPIRED) == Receipt.decode(receipt(TEXT, *tlvs))
    assert Receipt("17", MessageState.EXPIRED) == Receipt.decode(receipt(b"", *tlvs))
    assert receipted_message_id(receipt(b"", *tlvs)) == "17"
    assert receipted_message_id(receipt(TEXT)) is None


@pytest.mark.parametrize(
    "message",
    [
        receipt(b"hello"),
        receipt(b"id:17 stat:PERHAPS"),
        receipt(b"stat:DELIVRD"),
        receipt(TEXT, kind=0),
        receipt(b"id:17", Tlv(Tag.MESSAGE_STATE, b"\x63")),
    ],
)
def test_what_is_no_receipt(message: DeliverSm) -> None:
    """Without a name and a state it is refused, not guessed."""
    with pytest.raises(PeerError):
        Receipt.decode(message)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (1, "000000000001000R"),
        (86399, "000000235959000R"),
        (30 * 86400, "000030000000000R"),
    ],
)
def test_relative_time(seconds: int, text: str) -> None:
    """Clause 7.1.1.2."""
    assert text == relative_time(seconds)


@pytest.mark.parametrize("seconds", [0, 30 * 86400 + 1])
def test_relative_time_bounds(seconds: int) -> None:
    """Nothing, and more than thirty days, cannot be written."""
    with pytest.raises(LocalError):
        relative_time(seconds)
