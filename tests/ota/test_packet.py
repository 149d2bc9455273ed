"""Command and response packets in the clear. TS 102 225 clause 5, TS 31.115 clause 4."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cardsync.errors import LocalError, PeerError
from cardsync.ota.packet import (
    CommandHeader,
    CommandPacket,
    CounterRule,
    Integrity,
    Proof,
    ResponsePacket,
    ResponseStatus,
    SecurityLevel,
    Spi,
)

TAR = bytes.fromhex("B00034")


def test_spi_octets() -> None:
    """16 39: CC, ciphering, counter higher; PoR required, CC, ciphered, by submit. Clause 5.1.1."""
    spi = Spi(SecurityLevel(), Proof.REQUIRED, proof_in_submit=True)

    assert bytes.fromhex("1639") == spi.encode()
    assert spi == Spi.decode(bytes.fromhex("1639"))


def test_spi_reserved_bits_are_ignored() -> None:
    """The receiving entity ignores the reserved bits of both octets. Clause 5.1.1."""
    assert Spi.decode(bytes.fromhex("1619")) == Spi.decode(bytes.fromhex("F6D9"))


def test_spi_reserved_proof() -> None:
    """Proof 11 is reserved: the command header cannot be interpreted (06)."""
    with pytest.raises(PeerError) as caught:
        Spi.decode(bytes.fromhex("161B"))

    assert ResponseStatus.UNIDENTIFIED_SECURITY_ERROR == caught.value.answer


def test_asks_proof() -> None:
    """No proof, always, on error only. Clause 5.1.1."""
    for proof, of_ok, of_error in (
        (Proof.NONE, False, False),
        (Proof.REQUIRED, True, True),
        (Proof.ON_ERROR, False, True),
    ):
        spi = Spi(proof=proof)

        assert of_ok == spi.asks_proof(ResponseStatus.OK)
        assert of_error == spi.asks_proof(ResponseStatus.COUNTER_LOW)


def test_security_level_admits() -> None:
    """Each part of the SPI is at least the minimum's. TS 102 226 clause 8.2.1.3.2.4."""
    minimum = SecurityLevel.decode(0x12)  # CC, not ciphered, counter higher

    assert minimum.admits(SecurityLevel.decode(0x16))
    assert minimum.admits(SecurityLevel.decode(0x1A))
    assert not minimum.admits(SecurityLevel.decode(0x11))
    assert not minimum.admits(SecurityLevel.decode(0x0E))
    assert not SecurityLevel.decode(0x16).admits(minimum)
    assert 0x12 == int(minimum)


def test_command_packet_octets() -> None:
    """A packet without security, as pySim writes it: CPL 000E, CHL 0D."""
    octets = bytes.fromhex("000e0d10018585b00034010203040500")
    level = SecurityLevel(Integrity.NONE, ciphered=False, counter=CounterRule.HIGHER)
    spi = Spi(level, Proof.REQUIRED, Integrity.NONE, proof_ciphered=False)
    packet = CommandPacket(spi, 0x85, 0x85, TAR, 0x0102030405)

    assert packet == CommandPacket.decode(octets)
    assert octets == packet.encode()
    assert CommandHeader(spi, 0x85, 0x85, TAR) == CommandHeader.decode(octets)


def test_response_packet_octets() -> None:
    """A proof of receipt of a real card: RPL 000E, RHL 0A, three octets of data."""
    octets = bytes.fromhex("000e0ab0001100000000000000016132")
    packet = ResponsePacket(
        bytes.fromhex("B00011"), 0, ResponseStatus.OK, data=bytes.fromhex("016132")
    )

    assert packet == ResponsePacket.decode(octets)
    assert octets == packet.encode()


@pytest.mark.parametrize(
    "octets",
    [
        "",
        "000e0d10018585b000340102030405",  # shorter than a header
        "000f0d10018585b00034010203040500",  # CPL too long
        "000d0d10018585b00034010203040500",  # and too short
        "000e0c10018585b00034010203040500",  # CHL shorter than its fields
        "000e0e10018585b00034010203040500",  # CHL longer than the packet
        "000e0d10018585b00034010203040501",  # padding that is not there
    ],
)
def test_malformed_command_packet(octets: str) -> None:
    """What cannot be interpreted owes the answer 06. Clause 5.2."""
    with pytest.raises(PeerError) as caught:
        CommandPacket.decode(bytes.fromhex(octets))

    assert ResponseStatus.UNIDENTIFIED_SECURITY_ERROR == caught.value.answer


@pytest.mark.parametrize(
    "octets",
    [
        "",
        "000f0ab0001100000000000000016132",
        "000e09b0001100000000000000016132",
        "000e0eb0001100000000000000016132",
        "000e0ab0001100000000000400016132",  # padding that is not there
        "000e0ab00011000000000000e0016132",  # reserved status
    ],
)
def test_malformed_response_packet(octets: str) -> None:
    """A malformed response packet raises `PeerError`."""
    with pytest.raises(PeerError):
        ResponsePacket.decode(bytes.fromhex(octets))


@pytest.mark.parametrize(
    ("tar", "counter", "padding"),
    [(b"\x00\x00", 0, 0), (TAR, 1 << 40, 0), (TAR, -1, 0), (TAR, 0, 256)],
)
def test_impossible_fields(tar: bytes, counter: int, padding: int) -> None:
    """TAR of three octets, counter of five, padding of one."""
    with pytest.raises(LocalError):
        CommandPacket(Spi(), 0, 0, tar, counter, padding)
    with pytest.raises(LocalError):
        ResponsePacket(tar, counter, ResponseStatus.OK, padding)


def test_packet_that_is_too_long() -> None:
    """CPL and RPL have two octets."""
    with pytest.raises(LocalError):
        CommandPacket(Spi(), 0, 0, TAR, 0, data=bytes(0x10000)).encode()


levels = st.builds(
    SecurityLevel, st.sampled_from(Integrity), st.booleans(), st.sampled_from(CounterRule)
)
spis = st.builds(
    Spi,
    levels,
    st.sampled_from(Proof),
    st.sampled_from(Integrity),
    st.booleans(),
    st.booleans(),
)
counters = st.integers(0, (1 << 40) - 1)


@settings(max_examples=100)
@given(
    st.builds(
        CommandPacket,
        spis,
        st.integers(0, 255),
        st.integers(0, 255),
        st.binary(min_size=3, max_size=3),
        counters,
        st.integers(0, 15),
        st.binary(max_size=8),
        st.binary(max_size=40),
    ),
    st.builds(
        ResponsePacket,
        st.binary(min_size=3, max_size=3),
        counters,
        st.sampled_from(ResponseStatus),
        st.integers(0, 15),
        st.binary(max_size=8),
        st.binary(max_size=40),
    ),
)
def test_round_trip(command: CommandPacket, response: ResponsePacket) -> None:
    """decode(encode(x)) is x."""
    assert command == CommandPacket.decode(command.encode())
    assert response == ResponsePacket.decode(response.encode())
