"""Short messages: TPDUs, addresses, user data, concatenation. TS 23.040, TS 23.038."""

import struct
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cardsync.errors import LocalError, PeerError
from cardsync.octets import text
from cardsync.octets.reader import Reader
from cardsync.transport.sms import (
    DCS_CLASS_2_OCTETS,
    PID_SIM_DATA_DOWNLOAD,
    Address,
    Deliver,
    DeliverReport,
    Submit,
    TimeStamp,
    TypeOfNumber,
    alphabet,
    message_class,
)
from cardsync.transport.user_data import (
    COMMAND_HEADER,
    RESPONSE_HEADER,
    Alphabet,
    Concatenation,
    Iei,
    InformationElement,
    Reassembler,
    UserData,
    segment,
)
from peers import need
from vectors import load

ORIGINATOR = Address("12345678", TypeOfNumber.UNKNOWN)
STAMP = TimeStamp.of(22, 7, 25, 0, 0, 0)
# A secured packet in SMS-DELIVER, checked by pySim (test_ota.py, 3DES-SJA5-UNCIPHERED-NOCC).
SECURED = bytes.fromhex(
    "400881214365877ff6227052000000002502700000201506013535b00011"
    "3190be334900f52b025f3f7eddfe868e96ebf310023b7769"
)


def tpdu(pdu: str) -> bytes:
    """Give the TPDU behind the service centre address."""
    octets = bytes.fromhex(pdu)
    return octets[1 + octets[0] :]


def test_secured_packet_in_deliver() -> None:
    """UDH 02 70 00, PID 7F, DCS F6: for the card. TS 31.115 clause 4.2, TS 31.111 7.1.1.1."""
    deliver = Deliver.decode(SECURED)

    assert Deliver(
        ORIGINATOR, STAMP, UserData(SECURED[20:], COMMAND_HEADER), more_messages=True
    ) == (deliver)
    assert deliver.encode() == SECURED
    assert deliver.for_card


def test_wrong_user_data_length_is_refused() -> None:
    """TP-UDL that does not fit the octets is no short message. Clause 9.2.3.16."""
    for case in load("scp80.json")["cases"]:
        Deliver.decode(bytes.fromhex(case["sms_deliver_tpdu"]))
        with pytest.raises(PeerError):
            Deliver.decode(bytes.fromhex(case["sms_deliver_tpdu_udl3"]))


@pytest.mark.parametrize(
    "name", ["simple_deliver", "alnum_sender", "unicode_deliver", "simple_mwi"]
)
def test_deliver_both_ways(name: str) -> None:
    """SMS-DELIVER of real networks, both ways. Clause 9.2.2.1."""
    octets = tpdu(load("sms_23040.json")["data"][name])

    assert octets == Deliver.decode(octets).encode()


def _expectations() -> list[dict[str, Any]]:
    found = load("sms_23040.json")
    return [
        {"pdu": found["data"][name], **case["expect"]}
        for case in found["cases"]
        for name in case["uses"]
        if case["check"] in ("test_simple_deliver", "test_alnum_sender", "test_simple_mwi")
        and name != "sc_addr"
    ]


def test_deliver_fields() -> None:
    """What an independent decoder (oFono) reads in each, we read. Clause 9.2.3."""
    for case in _expectations():
        deliver = Deliver.decode(tpdu(case["pdu"]))
        year, month, day, hour, minute, second, zone = deliver.timestamp.parts()

        assert case["sms.deliver.oaddr.address"] == deliver.originator.number
        assert case["sms.deliver.oaddr.number_type"]["value"] == deliver.originator.type_of_number
        assert case["sms.deliver.oaddr.numbering_plan"]["value"] == (
            deliver.originator.numbering_plan
        )
        assert case["sms.deliver.pid"] == deliver.protocol
        assert case["sms.deliver.dcs"] == deliver.coding
        assert case["sms.deliver.udl"] == deliver.user_data.length(alphabet(deliver.coding))
        assert [case[f"sms.deliver.scts.{part}"] for part in ("year", "month", "day")] == [
            year,
            month,
            day,
        ]
        assert [case[f"sms.deliver.scts.{part}"] for part in ("hour", "minute", "second")] == [
            hour,
            minute,
            second,
        ]
        assert case.get("sms.deliver.scts.timezone", zone) == zone
        assert case.get("utf8", "") == text.decode_septets(deliver.user_data.data)


def test_submit_both_ways() -> None:
    """SMS-SUBMIT with a relative validity period. Clause 9.2.2.2."""
    octets = bytes.fromhex("11000B916407281553F80000AA0AE8329BFD4697D9EC37")
    submit = Submit.decode(octets)

    assert "46708251358" == submit.destination.number
    assert b"\xaa" == submit.validity
    assert b"hellohello" == submit.user_data.data
    assert octets == submit.encode()


def test_septets_behind_a_header() -> None:
    """Septets begin on a septet boundary behind the header. Clause 9.2.3.24."""
    for name in ("ems_udh_test_1", "ems_udh_test_2"):
        case = load("sms_23040.json")["data"][name]
        octets = tpdu(case["pdu"])
        submit = Submit.decode(octets)

        assert case["expected"] == text.decode_septets(submit.user_data.data)
        assert case["udl"] == submit.user_data.length(Alphabet.GSM7)
        assert octets == submit.encode()


def test_every_character_set_message() -> None:
    """Messages of every national table keep their septets. Clause 9.2.3.24.15, 16."""
    data = load("sms_23040.json")["data"]
    for name in (name for name in data if name.startswith("sms_charset")):
        submit = Submit.decode(tpdu(data[name]["pdu"]))
        again = Submit.decode(submit.encode())

        assert again == submit
        assert submit.user_data.length(Alphabet.GSM7) == tpdu(data[name]["pdu"])[12]


def test_port_addressed_message() -> None:
    """A header element that we do not know is kept. Clause 9.2.3.24."""
    octets = tpdu(load("sms_23040.json")["data"]["wap_push_1"]["pdu"])
    deliver = Deliver.decode(octets)

    assert (InformationElement(0x05, bytes.fromhex("0B8423F0")),) == deliver.user_data.header
    assert octets == deliver.encode()


def test_real_segments_in_any_order() -> None:
    """Three segments of a real message join in every order. Clause 9.2.3.24.1."""
    data = load("sms_23040.json")["data"]
    delivers = [Deliver.decode(tpdu(data[f"assembly_pdu{number}"])) for number in (1, 2, 3)]
    parts = [(deliver.originator, deliver.user_data) for deliver in delivers]
    wholes = []
    for order in ((0, 1, 2), (2, 0, 1), (1, 2, 0)):
        reassembler = Reassembler()
        results = [reassembler.receive_data(*parts[index]) for index in order]
        assert results[:2] == [None, None]
        wholes.append(results[2])

    assert wholes[0] == wholes[1] == wholes[2]
    assert wholes[0] is not None
    assert wholes[0].data == b"".join(user_data.data for _, user_data in parts)


def test_user_data_header_vectors() -> None:
    """Headers as pySim writes them. Clause 9.2.3.24."""
    for case in load("uicc_sms.json")["udh"]:
        octets = bytes.fromhex(case["hex"])
        user_data = UserData.decode(octets, len(octets), has_header=True)
        expected = tuple(
            InformationElement(identifier, bytes.fromhex(value))
            for identifier, value in case["expect"]["ies"]
        )

        assert UserData(bytes.fromhex(case["expect"]["tail"]), expected) == user_data
        assert octets == user_data.encode()


def test_address_vectors() -> None:
    """Addresses as pySim writes them; its length octet counts semi-octets. Clause 9.1.2.5."""
    for case in load("uicc_sms.json")["address"]:
        octets, expected = bytes.fromhex(case["hex"]), case["expect"]
        address = Address(expected["digits"], TypeOfNumber(expected["ton"]), expected["npi"])

        assert address == Address.decode(Reader(octets))
        assert octets == address.encode()


def test_uicc_tpdu_vectors() -> None:
    """An SMS-SUBMIT with ports and an SMS-DELIVER for the card."""
    found = {case["name"]: bytes.fromhex(case["hex"]) for case in load("uicc_sms.json")["tpdu"]}
    submit, deliver = Submit.decode(found["submit"]), Deliver.decode(found["deliver"])

    assert found["submit"] == submit.encode()
    assert (True, 0xF5, 140) == (submit.reject_duplicates, submit.coding, submit.user_data.length())
    assert deliver.for_card
    assert (PID_SIM_DATA_DOWNLOAD, DCS_CLASS_2_OCTETS) == (deliver.protocol, deliver.coding)
    assert deliver == Deliver.decode(deliver.encode())


@pytest.mark.parametrize(
    ("coding", "expected", "klass"),
    [
        (0x00, Alphabet.GSM7, None),
        (0x04, Alphabet.OCTETS, None),
        (0x08, Alphabet.UCS2, None),
        (0x16, Alphabet.OCTETS, 2),
        (0x19, Alphabet.UCS2, 1),
        (0x20, Alphabet.OCTETS, None),
        (0xC8, Alphabet.GSM7, None),
        (0xE0, Alphabet.UCS2, None),
        (0xF1, Alphabet.GSM7, 1),
        (0xF6, Alphabet.OCTETS, 2),
    ],
)
def test_data_coding_scheme(coding: int, expected: Alphabet, klass: int | None) -> None:
    """Alphabet and class of TP-DCS. TS 23.038 clause 4."""
    assert expected == alphabet(coding)
    assert klass == message_class(coding)


def test_only_class_2_goes_to_the_card() -> None:
    """PID 7F with another class stays in the terminal. TS 31.111 clause 7.1.1.1."""
    assert not Deliver(ORIGINATOR, STAMP, UserData(b"x"), coding=0xF5).for_card
    assert not Deliver(ORIGINATOR, STAMP, UserData(b"x"), protocol=0).for_card


def test_deliver_report_with_proof_of_receipt() -> None:
    """The proof of receipt goes back in TP-UD of the report. Clause 9.2.2.1a, TS 31.115 4.4."""
    octets = bytes.fromhex("40077ff613027100000e0ab0001100000000000000016132")
    report = DeliverReport(UserData(octets[8:], RESPONSE_HEADER), 0x7F, 0xF6)

    assert report == DeliverReport.decode(octets, failed=False)
    assert octets == report.encode()


def test_deliver_report_of_a_failure() -> None:
    """With TP-FCS in an RP-ERROR, and with nothing at all in an RP-ACK."""
    failed = DeliverReport(failure=0xD5)

    assert bytes.fromhex("00d500") == failed.encode()
    assert failed == DeliverReport.decode(bytes.fromhex("00d500"), failed=True)
    assert DeliverReport() == DeliverReport.decode(DeliverReport().encode(), failed=False)


def test_time_stamp_keeps_what_it_received() -> None:
    """A digit that is none counts as 0, the field stays as it was. Clause 9.2.3.11."""
    stamp = TimeStamp(bytes.fromhex("FF208062917348"))

    assert (0, 2, 8, 26, 19, 37, -4) == stamp.parts()
    assert bytes.fromhex("20806291731448") == TimeStamp.of(2, 8, 26, 19, 37, 41, -4).octets


def test_segments_of_a_command_packet() -> None:
    """Only the first carries CPI, behind its concatenation element. TS 31.115 clause 4.3."""
    parts = segment(bytes(400), COMMAND_HEADER, 0x2A)

    assert bytes.fromhex("0700032A03017000") == parts[0].encode()[:8]
    assert bytes.fromhex("0500032A0302") == parts[1].encode()[:6]
    assert [140, 140, 140] == [part.length() for part in parts]
    assert bytes(400) == b"".join(part.data for part in parts)


@pytest.mark.peer("tshark")
def test_tshark_joins_our_segments(tmp_path: Path) -> None:
    """An independent decoder reads every field of our SMS-DELIVERs and joins the two."""
    packets = [
        Deliver(ORIGINATOR, STAMP, part).encode()
        for part in segment(SECURED[20:] + bytes(180), COMMAND_HEADER, 42)
    ]
    trace = tmp_path / "sms.pcap"
    header = struct.pack(
        "<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 0xFFFF, 147
    )  # 147: a private link type
    records = [struct.pack("<IIII", 0, 0, len(tpdu), len(tpdu)) + tpdu for tpdu in packets]
    trace.write_bytes(header + b"".join(records))
    dissector = 'uat:user_dlts:"User 0 (DLT=147)","gsm_sms","0","","0",""'
    command = [need("tshark"), "-r", str(trace), "-o", dissector, "-V"]
    shown = subprocess.run(command, check=True, capture_output=True, text=True).stdout

    for words in (
        "TP-OA Digits: 12345678",
        "Message type: (U)SIM Data download (63)",
        "Message Class: Class 2 (U)SIM specific message (0x2)",
        "IE: (U)SIM Toolkit Security Headers",
        "[Reassembled Short Message length: 214]",
    ):
        assert words in shown
    assert "Malformed" not in shown


def test_what_fits_is_not_cut() -> None:
    """137 octets and UDH 02 70 00 fill one short message; one more makes two."""
    assert (UserData(bytes(137), COMMAND_HEADER),) == segment(bytes(137), COMMAND_HEADER, 0)
    assert 2 == len(segment(bytes(138), COMMAND_HEADER, 0))


def test_wide_reference() -> None:
    """Reference of 16 bits. Clause 9.2.3.24.8."""
    parts = segment(bytes(300), (), 0x1234, wide=True)

    assert Concatenation(0x1234, 3, 2, wide=True) == parts[1].concatenation
    assert bytes.fromhex("06080412340302") == parts[1].encode()[:7]


def test_segment_refuses_the_impossible() -> None:
    """A reference that does not fit, or more than 255 segments."""
    with pytest.raises(LocalError):
        segment(bytes(300), (), 256)
    with pytest.raises(LocalError):
        segment(bytes(255 * 134 + 1), (), 0)


@settings(max_examples=50)
@given(st.data(), st.integers(0, 2000), st.booleans())
def test_any_order_and_repetition(data: st.DataObject, length: int, wide: bool) -> None:
    """Whatever the order and however often each comes, the whole comes once and is the same."""
    octets = bytes(number % 251 for number in range(length))
    parts = segment(octets, COMMAND_HEADER, 7, wide=wide)
    order = data.draw(st.permutations([*parts, *parts[:-1]]))
    reassembler, wholes = Reassembler(), list[UserData]()
    missing = set(parts)
    for part in order:
        whole = reassembler.receive_data("me", part)
        missing.discard(part)
        if whole is not None:
            wholes.append(whole)
        if not missing:
            break

    assert [UserData(octets, COMMAND_HEADER)] == wholes[-1:]
    assert len(wholes) == 1 or len(parts) == 1


def test_reassembler_is_bounded() -> None:
    """The oldest message in progress makes room; too many segments are refused."""
    reassembler = Reassembler(messages=2, segments=3)
    first, second = segment(bytes(200), (), 1)
    reassembler.receive_data("a", first)
    reassembler.receive_data("b", first)
    reassembler.receive_data("c", first)

    assert 2 == len(reassembler)
    assert reassembler.receive_data("a", second) is None
    with pytest.raises(PeerError):
        reassembler.receive_data("a", segment(bytes(600), (), 1)[0])


def test_originators_do_not_mix() -> None:
    """Key: originator, reference and total."""
    reassembler = Reassembler()
    one, two = segment(bytes(200), (), 1)
    reassembler.receive_data("a", one)

    assert reassembler.receive_data("b", two) is None
    assert reassembler.receive_data("a", two) == UserData(bytes(200))


def test_reference_that_comes_round_again() -> None:
    """Another content under a number that is there begins a new message."""
    reassembler = Reassembler()
    old, _ = segment(bytes(200), (), 1)
    new, rest = segment(b"\x01" * 200, (), 1)
    reassembler.receive_data("a", old)
    reassembler.receive_data("a", new)

    assert UserData(b"\x01" * 200) == reassembler.receive_data("a", rest)


def test_impossible_concatenation_is_ignored() -> None:
    """Sequence 0 or beyond the total: as if not concatenated. Clause 9.2.3.24.1."""
    for value in ("010200", "010203", "010001"):
        user_data = UserData(b"x", (InformationElement(Iei.CONCATENATED, bytes.fromhex(value)),))

        assert user_data.concatenation is None
        assert user_data is Reassembler().receive_data("a", user_data)


def test_type_of_address_without_its_first_bit() -> None:
    """Some senders leave the bit out that is always set. TS 23.040 clause 9.1.2.5."""
    octets = bytes.fromhex("04 05002143F5 7FF6 00000000000000 00")
    address = Deliver.decode(octets).originator

    assert ("12345", TypeOfNumber.UNKNOWN, 0) == (
        address.number,
        address.type_of_number,
        address.numbering_plan,
    )


@pytest.mark.parametrize(
    "octets",
    [
        "",
        "01",
        "00",
        "0015918888888888888888888888007ff60000000000000000",  # 21 digits
        "0002 91F1 7FF6 00000000000000 00",  # filler among the digits
        "0002 9121 7FF6 00000000000000 01",  # TP-UDL of more than is there
        "0002 9121 7FF6 00000000000000 00 00",  # and of less
        "4002 9121 7FF6 00000000000000 02 05 70",  # header longer than the data
        "4002 9121 0000 00000000000000 01 00",  # the same in septets
    ],
)
def test_malformed_deliver(octets: str) -> None:
    """Malformed octets raise `PeerError`."""
    with pytest.raises(PeerError):
        Deliver.decode(bytes.fromhex(octets))


@settings(max_examples=300)
@given(st.binary(max_size=60))
def test_any_octets(octets: bytes) -> None:
    """Any octets are read or raise `PeerError`, and what was read can be written and read again."""
    for read in (
        Deliver.decode,
        Submit.decode,
        lambda data: DeliverReport.decode(data, failed=True),
        lambda data: DeliverReport.decode(data, failed=False),
    ):
        try:
            value = read(octets)
        except PeerError:
            continue
        value.encode()


@settings(max_examples=100)
@given(st.binary(max_size=137), st.text("0123456789*#abc", max_size=20))
def test_deliver_and_submit_round_trip(data: bytes, number: str) -> None:
    """decode(encode(x)) is x."""
    user_data, address = UserData(data, COMMAND_HEADER), Address(number)
    deliver = Deliver(address, STAMP, user_data, status_report=True)
    submit = Submit(address, user_data, validity=bytes(7), enhanced=True)

    assert deliver == Deliver.decode(deliver.encode())
    assert submit == Submit.decode(submit.encode())


def test_mutations_raise_nothing_else() -> None:
    """Each octet of a secured SMS-DELIVER changed in eight ways."""
    for position in range(len(SECURED)):
        for bit in range(8):
            octets = bytearray(SECURED)
            octets[position] ^= 1 << bit
            try:
                Deliver.decode(bytes(octets))
            except PeerError:
                continue


@pytest.mark.parametrize(
    "make",
    [
        lambda: Address("1", numbering_plan=16),
        lambda: TimeStamp(bytes(6)),
        lambda: TimeStamp.of(2022, 7, 25, 0, 0, 0),
        lambda: TimeStamp.of(22, 7, 25, 0, 0, 0, 80),
        lambda: Submit(ORIGINATOR, UserData(), validity=b"ab"),
        lambda: Deliver(ORIGINATOR, STAMP, UserData(bytes(141))).encode(),
    ],
)
def test_impossible_values(make: Callable[[], object]) -> None:
    """What the standard cannot say is refused before it is sent."""
    with pytest.raises(LocalError):
        make()


@pytest.mark.parametrize("address", ["12345678901234567890a", "12d", "0x"])
def test_address_that_cannot_be_sent(address: str) -> None:
    """Too long, or not made of what half an octet can say."""
    with pytest.raises(LocalError):
        Address(address)


@pytest.mark.parametrize(
    ("octets", "told"),
    [
        ("20806291731448", "02-08-26 19:37:41 -01:00"),
        ("62113011223408", "26-11-03 11:22:43 +00:00"),
        ("6211301122344A", "26-11-03 11:22:43 -06:00"),
        ("FF113011223400", "00-11-03 11:22:43 +00:00"),
    ],
)
def test_a_time_stamp_for_people(octets: str, told: str) -> None:
    """Local time and its distance from UTC in quarters of an hour. Clause 9.2.3.11."""
    assert told == TimeStamp(bytes.fromhex(octets)).local


@pytest.mark.parametrize("octets", ["0B91534850020290", "07D0E5759A0E"[:-2] + "0E"])
def test_an_address_as_a_sender_wrote_it(octets: str) -> None:
    """A filler that is none, a count that is none of ours: the octets are kept, no more."""
    reader = Reader(bytes.fromhex(octets))
    found = Address.decode(reader)

    assert bytes.fromhex(octets) == found.encode()
    assert found == Address(found.number, found.type_of_number, found.numbering_plan)
