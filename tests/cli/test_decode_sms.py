"""`cardsync decode sms`: every TPDU of TS 23.040, and short messages inside toolkit messages."""

import json
import re

import pytest

from cardsync.cli.decode_kinds import Undecodable, decode
from cardsync.cli.decode_packet import read_keys
from cardsync.cli.decode_tree import plain
from cardsync.transport.sms import Deliver, DeliverReport, Submit
from cardsync.transport.sms_reports import Command, StatusReport, SubmitReport
from vectors import load

TIME = "62113011223400"
TPDUS = [
    ("040B911346610089F60000208062917314480CC8F71D14969741F977FD07", Deliver, "How are you?"),
    ("44049121437F16691010000000000E05000317020141424344454647 48".replace(" ", ""), Deliver, None),
    ("11000B916407281553F80000AA0AE8329BFD4697D9EC37", Submit, "hellohello"),
    ("01000B916407281553F8000804042F0430", Submit, "Яа"),
    ("0000", DeliverReport, None),
    ("00D500", DeliverReport, None),
    ("0007 00 04 02 C834".replace(" ", ""), DeliverReport, None),
    ("0100" + TIME, SubmitReport, None),
    ("01C400" + TIME, SubmitReport, None),
    ("0104" + TIME + "02C834", SubmitReport, "Hi"),
    ("06170B911346610089F6" + TIME * 2 + "00", StatusReport, None),
    ("26170B911346610089F6" + TIME * 2 + "46", StatusReport, None),
    ("06170B911346610089F6" + TIME * 2 + "300600" + "02C834", StatusReport, "Hi"),
    ("02010002170B911346610089F600", Command, None),
    ("22010002170B911346610089F602AABB", Command, None),
]


@pytest.mark.parametrize(("text", "kind", "told"), TPDUS, ids=lambda one: str(one)[:24])
def test_every_tpdu(text: str, kind: type, told: str | None) -> None:
    """Each type, with the text that is in it, and the octets again. TS 23.040 clause 9.2.2."""
    octets = bytes.fromhex(text)
    for centre in ("", "07911326040000F0"):
        found = decode("sms", bytes.fromhex(centre) + octets)

        assert kind is type(found.message)
        assert bytes.fromhex(centre) + octets == found.octets
        assert told == dict(found.inside).get("text")


@pytest.mark.parametrize("text", ["", "03", "02", "01", "07911326040000F0", "0008FF", "06170B91"])
def test_no_tpdu(text: str) -> None:
    """What is of no type, or too short for its type."""
    with pytest.raises(Undecodable, match=r"TS 23\.040"):
        decode("sms", bytes.fromhex(text))


def test_tpdus_of_another_program() -> None:
    """Each TPDU of oFono and pySim is read and comes back; three are of cell broadcast."""
    data = load("sms_23040.json")["data"]
    rows = [one if isinstance(one, str) else one.get("pdu") for one in data.values()]
    texts = [one for one in rows if one and re.fullmatch("(?:[0-9A-Fa-f]{2}){8,}", one)]
    texts += [one["hex"] for one in load("uicc_sms.json")["tpdu"]]
    refused = 0
    for text in texts:
        try:
            found = decode("sms", bytes.fromhex(text))
        except Undecodable:
            refused += 1
        else:
            assert text.lower() == found.octets.hex()

    assert (3, 24) == (refused, len(texts) - refused)


def test_an_address_as_it_was_written() -> None:
    """A sender counted eight half octets where four letters need seven; they come back."""
    text = "0408D0E5759A0E7FF6907090307513000824010101BB400101"
    found = decode("sms", bytes.fromhex(text))

    assert "ekit" == plain(found.message)["originator"]["number"]
    assert "09-07-09 03:57:31 +00:00" == plain(found.message)["timestamp"]["local"]
    assert bytes.fromhex(text) == found.octets


PACKET = "00201506193535b00011ae733256918d050b87c94fbfe12e4dc402f262c41cf67f2f"
SECURED = "400881214365877ff62270520000000025" + "02700000" + PACKET[2:]
KEYS = json.dumps(
    [
        {
            "algorithm": "TRIPLE_DES_2",
            "number": 3,
            "kic": "300102030405060708090a0b0c0d0e0f",
            "kid": "301102030405060708090a0b0c0d0e0f",
        }
    ]
)


def test_a_short_message_in_an_envelope() -> None:
    """What an SMS-PP download brings is shown, deciphered where there is a key."""
    body = bytes.fromhex("82028381 8B") + bytes([len(SECURED) // 2]) + bytes.fromhex(SECURED)
    told = decode("envelope", bytes([0xD1, len(body)]) + body, read_keys(KEYS, "test"))
    inside = dict(told.inside)

    assert isinstance(inside["short_message"], Deliver)
    assert "00A40004023F00" == plain(inside["packet"])["data"]
    assert inside["checksum_right"]

    envelope = bytes([0xD1, len(body)]) + body
    apdu = bytes.fromhex("80C20000") + bytes([len(envelope)]) + envelope
    within = dict(decode("apdu", apdu, read_keys(KEYS, "test")).inside)

    assert {"content", *inside} == set(within)


def test_a_short_message_in_a_command() -> None:
    """What SEND SHORT MESSAGE sends. TS 31.124 clause 27.22.4.10, sequence 1.3."""
    submit = "01000B916407281553F800000AE8329BFD4697D9EC37"
    octets = bytes.fromhex("D022 8103011300 82028183 8B16".replace(" ", "") + submit)
    octets = bytes([0xD0, len(octets) - 2]) + octets[2:]
    inside = dict(decode("command", octets).inside)

    assert isinstance(inside["short_message"], Submit)
    assert "hellohello" == inside["text"]


def test_a_short_message_that_is_none() -> None:
    """The toolkit message is right all the same: a TPDU is opaque to it."""
    told = dict(decode("command", bytes.fromhex("D00C 8103011300 82028183 8B0103")).inside)

    assert "cannot be read: message type 3 is reserved" == told["short_message"]
