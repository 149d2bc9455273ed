"""PDUs of WTP and datagrams of several of them, octet by octet. WAP-224 clause 8."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cardsync.errors import PeerError
from cardsync.transport import wtp
from cardsync.transport.wtp_codes import ProviderAbort, Trailer, TransactionClass
from transport.datagrams import concatenated

PDUS = [
    (wtp.Invoke(0x1234, b"data"), "0a 1234 02 64617461"),
    (
        wtp.Invoke(
            1, b"", TransactionClass.UNRELIABLE, Trailer.UNSEGMENTED, tid_new=True, user_ack=True
        ),
        "0e 0001 30",
    ),
    (wtp.Invoke(1, b"", trailer=Trailer.GROUP, rid=True), "0d 0001 02"),
    (wtp.Result(0x8001, b"x"), "12 8001 78"),
    (wtp.Ack(1), "18 0001"),
    (wtp.Ack(1, tid_check=True, rid=True), "1d 0001"),
    (wtp.Ack(0x8001, 5), "98 8001 19 05"),
    (wtp.Abort(1, ProviderAbort.NORESPONSE), "20 0001 08"),
    (wtp.Abort(1, 0xE1, user=True), "21 0001 e1"),
    (wtp.SegmentedInvoke(1, 7, b"x", Trailer.MORE), "28 0001 07 78"),
    (wtp.SegmentedResult(0x8001, 255, b"x", Trailer.LAST, rid=True), "33 8001 ff 78"),
    (wtp.NegativeAck(1, (3, 5)), "38 0001 02 03 05"),
    (wtp.NegativeAck(1, (), rid=True), "39 0001 00"),
]


@pytest.mark.parametrize(("pdu", "octets"), PDUS)
def test_pdu(pdu: wtp.Pdu, octets: str) -> None:
    """Each PDU has its octets, both ways. Clause 8.3."""
    assert bytes.fromhex(octets) == wtp.encode(pdu)
    assert pdu == wtp.decode(bytes.fromhex(octets))


def test_variable_header() -> None:
    """Items of other kinds are passed over, short and long ones. Clause 8.4."""
    octets = bytes.fromhex("92 8001  99 02  8c 03 070809  10 78")

    assert wtp.Result(0x8001, b"x") == wtp.decode(octets)
    assert wtp.Ack(1, 9) == wtp.decode(bytes.fromhex("98 0001 8a 0000 19 09"))


@pytest.mark.parametrize(
    ("octets", "answer"),
    [
        ("", ProviderAbort.PROTOERR),
        ("0a00", ProviderAbort.PROTOERR),
        ("020001", ProviderAbort.PROTOERR),  # no such type
        ("0a0001", ProviderAbort.PROTOERR),
        ("0a000103", ProviderAbort.PROTOERR),  # no such class
        ("0a000142", ProviderAbort.WTPVERSIONZERO),
        ("18000100", ProviderAbort.PROTOERR),  # an Ack has no data
        ("98000118", ProviderAbort.PROTOERR),  # no number in the item
        ("22000100", ProviderAbort.PROTOERR),  # no such type of abort
        ("38000102 01", ProviderAbort.PROTOERR),
        ("920001" + "99 02" * 17, ProviderAbort.PROTOERR),
    ],
)
def test_malformed(octets: str, answer: ProviderAbort) -> None:
    """What cannot be read says what is owed. Clause 9.2."""
    with pytest.raises(wtp.MalformedPdu) as caught:
        wtp.decode(bytes.fromhex(octets))

    assert answer == caught.value.answer


def test_concatenation() -> None:
    """A datagram may hold several PDUs, each with one or two octets of length. Clause 8.6."""
    pdus = (wtp.Ack(1), wtp.Invoke(2, bytes(200)), wtp.Abort(3, 0))
    datagram = concatenated(*pdus)

    assert datagram.startswith(bytes.fromhex("00 03 180001 80cc 0a0002"))
    assert pdus == tuple(wtp.decode(octets) for octets in wtp.split(datagram))
    assert (wtp.encode(pdus[0]),) == wtp.split(wtp.encode(pdus[0]))


@pytest.mark.parametrize("octets", ["00 04 180001", "00 80", "00" + "03180001" * 33])
def test_concatenation_is_bounded(octets: str) -> None:
    """A length that lies and too many PDUs are refused."""
    with pytest.raises(wtp.MalformedPdu):
        wtp.split(bytes.fromhex(octets))


@given(st.binary(max_size=64))
def test_any_octets(octets: bytes) -> None:
    """Any octets are read or refused, and what is read is written alike."""
    try:
        for part in wtp.split(octets):
            pdu = wtp.decode(part)
            assert pdu == wtp.decode(wtp.encode(pdu))
    except PeerError:
        return
