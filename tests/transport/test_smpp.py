"""PDUs of SMPP 3.4: octets both ways, bounds, and the status owed for what cannot be read."""

from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cardsync.errors import LocalError
from cardsync.transport.smpp import LONGEST_PDU, Body, Framer, MalformedPdu, Pdu
from cardsync.transport.smpp_bodies import (
    ESM_UDHI,
    Address,
    Bind,
    BindResp,
    DeliverSm,
    DeliverSmResp,
    EnquireLink,
    EnquireLinkResp,
    GenericNack,
    SubmitSm,
    SubmitSmResp,
    Tlv,
    Unbind,
    UnbindResp,
)
from cardsync.transport.smpp_codes import (
    BINDS,
    RESPONSE,
    CommandId,
    CommandStatus,
    MessageState,
    MessageType,
    Tag,
    status_name,
)

# The example of SMPP 3.4 clause 3.2.2, "Typical SMPP PDU": a bind_transmitter.
BIND = bytes.fromhex(
    "0000002F 00000002 00000000 00000001 534D50503354455354 00 7365637265743038 00"
    "5355424D495431 00 00 01 01 00"
)
# submit_sm to the card: data coding F6, protocol 7F, a user data header 02 70 00.
SUBMIT = bytes.fromhex(
    "00000033 00000004 00000000 00000007 00 00 00 31323334 00 01 01 343931373131 00 40 7F 00"
    "00 00 05 00 F6 00 08 027000 0102030405"
)


def body_of(octets: bytes) -> Body:
    """Decode one PDU and give its body."""
    return Pdu.decode(octets).body


def refused(octets: bytes) -> MalformedPdu:
    """Give the error that decoding raises."""
    with pytest.raises(MalformedPdu) as caught:
        Pdu.decode(octets)
    return caught.value


def test_bind_of_the_standard() -> None:
    """The example of clause 3.2.2 both ways."""
    bind = Bind(
        CommandId.BIND_TRANSMITTER, "SMPP3TEST", "secret08", "SUBMIT1", 0x00, 0x01, 0x01, ""
    )

    assert Pdu(bind, 1) == Pdu.decode(BIND)
    assert Pdu(bind, 1).encode() == BIND


def test_password_is_never_shown() -> None:
    """A password stands on the wire and nowhere else."""
    assert "secret08" not in repr(Pdu.decode(BIND))


def test_submit_for_the_card() -> None:
    """UDHI, PID 7F and DCS F6 pass as they are. Clause 4.4.1, TS 31.115 clause 4."""
    message = SubmitSm(
        Address("1234"),
        Address("491711", 1, 1),
        bytes.fromhex("027000 0102030405"),
        esm_class=ESM_UDHI,
        protocol_id=0x7F,
        data_coding=0xF6,
        registered_delivery=5,
    )

    assert Pdu(message, 7).encode() == SUBMIT
    assert Pdu(message, 7) == Pdu.decode(SUBMIT)
    assert message.udhi


def test_message_type_beside_udhi() -> None:
    """Bits 5 to 2 of esm_class say what a message is. Clause 5.2.12."""
    message = DeliverSm(Address(), Address(), esm_class=0x48)

    assert message.message_type == MessageType.DELIVERY_ACKNOWLEDGEMENT
    assert message.udhi
    assert not message.is_ordinary


def test_message_payload_in_place_of_short_message() -> None:
    """More than 254 octets travel as message_payload. Clause 5.3.2.32."""
    message = SubmitSm(Address(), Address("1"), tlvs=(Tlv(Tag.MESSAGE_PAYLOAD, bytes(300)),))

    assert bytes(300) == message.user_data
    assert message == body_of(Pdu(message, 1).encode())
    with pytest.raises(LocalError):
        SubmitSm(Address(), Address("1"), bytes(255))


def test_parameters_of_a_receipt() -> None:
    """Known parameters are found by name, unknown ones kept. Clause 5.3."""
    octets = bytes.fromhex("001E 0003 313700 0427 0001 02 0423 0003 030000 1400 0001 FF")
    message = DeliverSm(Address("1"), Address("2"), esm_class=MessageType.DELIVERY_RECEIPT)
    head = Pdu(message, 1).encode()
    length = len(head + octets).to_bytes(4, "big")

    decoded = body_of(length + head[4:] + octets)

    assert isinstance(decoded, DeliverSm)
    assert decoded.tlv(Tag.RECEIPTED_MESSAGE_ID) == b"17\0"
    assert decoded.tlv(Tag.MESSAGE_STATE) == bytes([MessageState.DELIVERED])
    assert decoded.tlv(Tag.NETWORK_ERROR_CODE) == bytes.fromhex("030000")
    assert Tlv(0x1400, b"\xff") in decoded.tlvs
    assert decoded.tlv(Tag.MESSAGE_PAYLOAD) is None


@pytest.mark.parametrize(
    ("body", "status", "octets"),
    [
        (EnquireLink(), 0, "00000010 00000015 00000000 00000001"),
        (EnquireLinkResp(), 0, "00000010 80000015 00000000 00000001"),
        (Unbind(), 0, "00000010 00000006 00000000 00000001"),
        (UnbindResp(), 0, "00000010 80000006 00000000 00000001"),
        (GenericNack(), 3, "00000010 80000000 00000003 00000001"),
        (SubmitSmResp("17"), 0, "00000013 80000004 00000000 00000001 3137 00"),
        (SubmitSmResp(None), 0x58, "00000010 80000004 00000058 00000001"),
        (DeliverSmResp(), 0, "00000011 80000005 00000000 00000001 00"),
        (DeliverSmResp(None), 0, "00000010 80000005 00000000 00000001"),
        (
            BindResp(CommandId.BIND_RECEIVER_RESP, "C"),
            0,
            "00000012 80000001 00000000 00000001 4300",
        ),
        (BindResp(CommandId.BIND_RECEIVER_RESP, None), 14, "00000010 80000001 0000000E 00000001"),
    ],
)
def test_short_pdus(body: Body, status: int, octets: str) -> None:
    """Clauses 4.1 to 4.11; a refused request may be answered without body (4.4.2)."""
    assert bytes.fromhex(octets) == Pdu(body, 1, status).encode()
    assert Pdu(body, 1, status) == Pdu.decode(bytes.fromhex(octets))


@pytest.mark.parametrize(
    ("octets", "status"),
    [
        ("0000000F 00000015 00000000 000000", "ESME_RINVCMDLEN"),
        ("00000011 00000015 00000000 00000001", "ESME_RINVCMDLEN"),
        ("00000011 00000015 00000000 00000001 00", "ESME_RINVCMDLEN"),
        ("00000010 00000099 00000000 00000001", "ESME_RINVCMDID"),
        ("00000010 00000004 00000000 00000001", "ESME_RINVCMDLEN"),
        ("00000012 00000004 00000000 00000001 8000", "ESME_RINVSERTYP"),
        ("00000010 80000004 00000000 00000001", "ESME_RINVCMDLEN"),
        ("00000014 80000004 00000000 00000001 3180 0000", "ESME_RINVMSGID"),
    ],
)
def test_malformed(octets: str, status: str) -> None:
    """Each fault has its status. Clauses 4.3 and 5.1.3."""
    error = refused(bytes.fromhex(octets))

    assert error.answer == error.status == CommandStatus[status]


@pytest.mark.parametrize(
    ("find", "put", "status"),
    [
        (b"1234\0", b"\xb1234\0", CommandStatus.ESME_RINVSRCADR),
        (b"491711\0", b"4917\xb11\0", CommandStatus.ESME_RINVDSTADR),
        (b"1234\0", b"1" * 21 + b"\0", CommandStatus.ESME_RINVSRCADR),
        (b"491711\0\x40\x7f\0\0\0", b"491711\0\x40\x7f\0\x80\0\0", CommandStatus.ESME_RINVSCHED),
        (b"491711\0\x40\x7f\0\0\0", b"491711\0\x40\x7f\0\0\x80\0", CommandStatus.ESME_RINVEXPIRY),
        (b"\xf6\0\x08", b"\xf6\0\xff", CommandStatus.ESME_RINVMSGLEN),
        (b"\xf6\0\x08", b"\xf6\0\x09", CommandStatus.ESME_RINVCMDLEN),
        (b"\4\5", b"\4\5\x04", CommandStatus.ESME_RINVOPTPARSTREAM),
        (b"\4\5", b"\4\5\x04\x27\0\2\1\1", CommandStatus.ESME_RINVPARLEN),
    ],
)
def test_malformed_submit(find: bytes, put: bytes, status: CommandStatus) -> None:
    """A bad field of submit_sm is answered by its own status. Clause 5.1.3."""
    octets = SUBMIT.replace(find, put)
    error = refused(len(octets).to_bytes(4, "big") + octets[4:])

    assert (status, CommandId.SUBMIT_SM, 7) == (error.answer, error.command, error.sequence)


@pytest.mark.parametrize(
    "build",
    [
        lambda: Address("1" * 21),
        lambda: Address("1", 256),
        lambda: Address("\u00e4"),
        lambda: Bind(CommandId.SUBMIT_SM, "a", "b"),
        lambda: Bind(CommandId.BIND_RECEIVER, "a", "123456789"),
        lambda: Bind(CommandId.BIND_RECEIVER, "a", "b\0"),
        lambda: BindResp(CommandId.SUBMIT_SM_RESP, "a"),
        lambda: Tlv(Tag.MESSAGE_STATE, b""),
        lambda: Tlv(0x10000, b""),
        lambda: SubmitSm(Address(), Address(), data_coding=256),
        lambda: SubmitSmResp("1" * 65),
    ],
)
def test_what_cannot_be_written(build: Callable[[], object]) -> None:
    """An object that exists is valid."""
    with pytest.raises(LocalError):
        build()


def test_too_long_to_send() -> None:
    """A PDU above 64 kB is refused on our side as well."""
    message = SubmitSm(Address(), Address(), tlvs=(Tlv(Tag.MESSAGE_PAYLOAD, bytes(0xFFF0)),))

    with pytest.raises(LocalError):
        Pdu(message, 1).encode()


def test_framer_over_borders() -> None:
    """PDUs are found however the stream is cut."""
    framer, found = Framer(), []
    for octet in BIND + SUBMIT:
        framer.feed(bytes([octet]))
        frame = framer.take()
        if frame is not None:
            found.append(frame)

    assert found == [BIND, SUBMIT]


@pytest.mark.parametrize("length", [0, 15, LONGEST_PDU + 1, 0xFFFFFFFF])
def test_framer_refuses_a_length_before_buffering(length: int) -> None:
    """Four octets are enough to refuse. Clause 4.3."""
    framer = Framer()
    framer.feed(length.to_bytes(4, "big"))

    with pytest.raises(MalformedPdu) as caught:
        framer.take()

    assert caught.value.answer == CommandStatus.ESME_RINVCMDLEN


def test_names_of_statuses() -> None:
    """A status of the peer's own is shown as a number."""
    assert status_name(0x58) == "ESME_RTHROTTLED"
    assert status_name(0x40F) == "status 0x40f"


def _ascii(most: int) -> st.SearchStrategy[str]:
    letters = st.characters(min_codepoint=1, max_codepoint=127)
    return st.text(letters, max_size=most)


_octet = st.integers(0, 255)
_addresses = st.builds(Address, _ascii(20), _octet, _octet)
_tlvs = st.lists(st.builds(Tlv, st.integers(0x1400, 0x3FFF), st.binary(max_size=20)), max_size=3)
_messages = {
    "source": _addresses,
    "destination": _addresses,
    "short_message": st.binary(max_size=254),
    "esm_class": _octet,
    "protocol_id": _octet,
    "data_coding": _octet,
    "registered_delivery": _octet,
    "validity_period": _ascii(16),
    "service_type": _ascii(5),
    "priority_flag": _octet,
    "tlvs": _tlvs.map(tuple),
}
_bodies: st.SearchStrategy[Body] = st.one_of(
    st.builds(SubmitSm, **_messages),
    st.builds(DeliverSm, **_messages),
    st.builds(Bind, st.sampled_from(sorted(BINDS)), _ascii(15), _ascii(8), _ascii(12), _octet),
    st.builds(
        BindResp,
        st.sampled_from([CommandId(command | RESPONSE) for command in BINDS]),
        _ascii(15),
        _tlvs.map(tuple),
    ),
    st.builds(SubmitSmResp, _ascii(64)),
)


@given(_bodies, st.integers(1, 0x7FFFFFFF))
def test_decode_reverses_encode(body: Body, sequence: int) -> None:
    """`decode(encode(x)) == x` for every PDU."""
    pdu = Pdu(body, sequence)

    assert pdu == Pdu.decode(pdu.encode())


@given(st.binary(max_size=100), st.sampled_from(sorted(CommandId)))
def test_random_bodies_raise_nothing_else(body: bytes, command: CommandId) -> None:
    """Octets are read or refused with `MalformedPdu`, and what was read is written the same."""
    length = (16 + len(body)).to_bytes(4, "big")
    octets = length + command.to_bytes(4, "big") + bytes(4) + b"\0\0\0\1" + body
    with suppress(MalformedPdu):
        pdu = Pdu.decode(octets)

        assert pdu == Pdu.decode(pdu.encode())
