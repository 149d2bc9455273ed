"""Records of a program that are refused."""

import pytest

from cardsync.octets.reader import Reader
from cardsync.policy import coding, rule_coding
from cardsync.policy.faults import ProgramRefused
from cardsync.policy.program import Program
from cardsync.policy.values import Parameter, Text, ValueType, Variable
from policy_texts import TABLES, compiled, policy, rule

STRINGS = coding.Strings([b"a", b"", b"\x01\x20", b"\x01\x21"])
STRINGS.parameters = (
    Parameter("wait", ValueType.DURATION, 60),
    Parameter("home", ValueType.TEXT, "en"),
)
STRINGS.texts = (Text("Hi"),)
PLACES = rule_coding.Places([Variable("x", ValueType.NUMBER, 0)], [Text("Go")], ["t"], [])


@pytest.mark.parametrize(
    ("octets", "why"),
    [
        ("04 02 0000", "there is no string 4"),
        ("01 02 0000", "string 1 is no name"),
        ("00 01 0000", "a parameter cannot be a TRUTH"),
        ("00 09 0000", "9 is not a valid ValueType"),
    ],
)
def test_parameters(octets: str, why: str) -> None:
    """A parameter has a name and one of its three types."""
    with pytest.raises(ValueError, match=why):
        coding.read_parameter(Reader(bytes.fromhex(octets)), STRINGS)


def test_variables() -> None:
    """A variable is no text."""
    with pytest.raises(ValueError, match="a variable cannot be a TEXT"):
        coding.read_variable(Reader(bytes.fromhex("00 04 0000")), STRINGS)


@pytest.mark.parametrize(
    ("octets", "why"),
    [("02 00", "parameter 0 is no text"), ("09 00", "there is no string 9")],
)
def test_texts(octets: str, why: str) -> None:
    """Only a parameter that is a text has a place in one."""
    with pytest.raises(ValueError, match=why):
        coding.read_text(Reader(bytes.fromhex(octets)), STRINGS)

    assert coding.read_text(Reader(bytes.fromhex("03 00")), STRINGS) == Text("${home}")


@pytest.mark.parametrize("octets", ["01 0001", "02 0000", "01 0002"])
def test_minutes(octets: str) -> None:
    """A duration is minutes or a parameter that is a duration."""
    with pytest.raises(ValueError, match="parameter"):
        STRINGS.minutes(Reader(bytes.fromhex(octets)))


@pytest.mark.parametrize(
    ("octets", "why"),
    [
        ("00 01 12 01 C8 00 00 00 00 0003 00 00 00 00000000 00 00", "transports"),
        ("00 01 12 01 C8 00 00 00 00 0003 03 00 00 00000000 01 04 00", "notification"),
        ("00 01 12 01 C8 00 00 00 00 0003 01 01 00 00000000 01 04 00", "notification"),
        ("00 01 12 01 C8 00 00 00 00 0003 00 00 00 10010000 01 04 00", "retry of 16"),
        ("00 01 12 01 C8 00 00 00 00 0003 00 00 00 01010400 01 04 00", "backoff 16"),
        ("00 01 12 01 C8 00 00 00 00 0003 00 00 00 00000000 01 04 01 07", "valid Rung"),
    ],
)
def test_requests(octets: str, why: str) -> None:
    """Counts and code points of a request are checked."""
    with pytest.raises(ValueError, match=why):
        coding.read_request(Reader(bytes.fromhex(octets)), STRINGS)


@pytest.mark.parametrize(
    ("octets", "why"),
    [
        ("00 00 FF 00 00", "valid EventKind"),
        ("00 02 00 00 00", "the event POLL has no argument"),
        ("00 04 FF 00 00", "there is no 255 among 1"),
        ("00 12 00 00 00", "there is no 0 among 0"),
        ("00 06 09 00 00", "there is no string 9"),
        ("00 02 FF 00 01 00", "valid ActionTag"),
        ("00 02 FF 00 01 03 05", "BROWSER cannot carry a report"),
        ("00 02 FF 00 01 01 00 FF", "there is no 0 among 0"),
        ("00 02 FF 00 01 02 01", "there is no text 1"),
        ("00 02 FF 00 01 05 01 00", "there is no 1 among 1"),
    ],
)
def test_rules(octets: str, why: str) -> None:
    """Events, arguments and actions refer to what is there."""
    with pytest.raises(ValueError, match=why):
        rule_coding.read_rule(Reader(bytes.fromhex(octets)), STRINGS, PLACES)


def test_the_frame() -> None:
    """Format, length and the order of sections are checked; nothing may follow."""
    octets = compiled(policy(rule(1, '"poll"', '{ tell = "x" }'), tables=TABLES)).encode()
    sections = octets.index(b"\x02\x00\x0d\x03")
    for wrong, why in (
        (b"XX" + octets[2:], "no program of format 1"),
        (octets[:2] + b"\x02" + octets[3:], "no program of format 1"),
        (octets + b"\x00", "announced"),
        (octets[:10] + b"\xff" + octets[11:], "literals, but"),
        (octets[:sections] + b"\x03" + octets[sections + 1 :], "stands where parameters"),
        (octets[:sections] + b"\x02\x00\x0d\x02" + octets[sections + 4 :], "left over"),
    ):
        with pytest.raises(ProgramRefused, match=why):
            Program.decode(wrong)
