"""`cardsync decode`: every kind of octets, both ways, and what is told of those that are wrong."""

import json
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from cardsync.cli.commands import app
from cardsync.cli.decode_kinds import KINDS, Decoded, Undecodable, decode
from cardsync.cli.decode_names import OUR_CLAUSES, OUR_OBJECTS
from cardsync.cli.decode_packet import read_keys
from cardsync.cli.decode_tree import clause, lines, plain
from cardsync.errors import ConfigError
from cardsync.toolkit.data_object import classes
from vectors import load

ROOT = Path(__file__).parents[2]
DISPLAY_TEXT = "D01A8103012180820281028D0F04546F6F6C6B697420546573742031"
"""TS 31.124 clause 27.22.4.1.1, sequence 1.1."""
REQUEST = (
    "d056810301f500820281827ffe01030111017ffe0201017ffe0301cb7ffe041001084a095124303257810104"
    "2e2f646d7ffe051f0417687474703a2f2f646d2e6d6e6f2e6578616d706c652f7301042e2f646d7f7e060100"
)
"""docs/request-synchronization.md annex C."""
KEYS = (
    '[{"algorithm": "TRIPLE_DES_2", "number": 3, "kic": "300102030405060708090a0b0c0d0e0f", '
    '"kid": "301102030405060708090a0b0c0d0e0f"}]'
)
PACKET = "00201506193535b00011ae733256918d050b87c94fbfe12e4dc402f262c41cf67f2f"
PROOF = "027100001c12b000118bb989492c632529326a2f4681feb37c825bc9021c9f6d0b"


def run(*arguments: str, status: int = 0, lines_in: str = "", keys: str = "") -> str:
    """Run the command in this process."""
    env = {"CARDSYNC_KEYS": keys}
    found = CliRunner().invoke(app, ["decode", *arguments], input=lines_in, env=env)
    if isinstance(found.exception, ConfigError):
        raise found.exception

    assert status == found.exit_code, found.output
    return found.stdout


def fields(*arguments: str, keys: str = "") -> dict[str, Any]:
    """Give the JSON object."""
    found: dict[str, Any] = json.loads(run(*arguments, "--json", keys=keys))
    return found


def test_a_tree() -> None:
    """Objects with their octets and clauses, codes with their names."""
    assert run("command", DISPLAY_TEXT).splitlines() == [
        "ProactiveCommand, 28 octets",
        "  details: CommandDetails 81 03 01 21 80, TS 102 223 clause 8.6",
        "    number: 1",
        "    type: DISPLAY_TEXT (21)",
        "    qualifier: 128",
        "  devices: DeviceIdentities 82 02 81 02, TS 102 223 clause 8.7",
        "    source: UICC (81)",
        "    destination: DISPLAY (02)",
        "  parts: 1",
        (
            "    TextString 8D 0F 04 54 6F 6F 6C 6B 69 74 20 54 65 73 74 20 31, "
            "TS 102 223 clause 8.15"
        ),
        "      text: Toolkit Test 1",
        "      coding: OCTETS (04)",
        "  flags: [yes, yes]",
    ]


def test_json() -> None:
    """The same as an object, with the octets anew."""
    assert fields("command", DISPLAY_TEXT) == {
        "kind": "command",
        "object": "ProactiveCommand",
        "details": {
            "object": "CommandDetails",
            "number": 1,
            "type": {"name": "DISPLAY_TEXT", "value": 0x21},
            "qualifier": 0x80,
        },
        "devices": {
            "object": "DeviceIdentities",
            "source": {"name": "UICC", "value": 0x81},
            "destination": {"name": "DISPLAY", "value": 0x02},
        },
        "parts": [
            {
                "object": "TextString",
                "text": "Toolkit Test 1",
                "coding": {"name": "OCTETS", "value": 4},
                "comprehension": True,
            }
        ],
        "flags": [True, True],
        "octets": DISPLAY_TEXT,
    }


def test_what_an_object_makes_of_its_octets() -> None:
    """Properties of data objects are shown, and told where they cannot be made."""
    good = fields("envelope", "D90B820283818A054800480069")
    bad = fields("envelope", "D90B820283818A0548D8000041")

    assert good["parts"][1]["text"] == "Hi"
    assert "cannot be read: octet 0" in bad["parts"][1]["text"]


def test_our_command() -> None:
    """Every code of REQUEST SYNCHRONIZATION has its name, its objects their clauses."""
    found = fields("command", REQUEST)
    tree = run("command", REQUEST)

    assert found["octets"] == REQUEST
    assert found["details"]["type"] == {"name": "REQUEST_SYNCHRONIZATION", "value": 0xF5}
    assert found["parts"][0]["protocol"] == {"name": "SYNCML_DS", "value": 1}
    assert found["parts"][2]["code"] == {"name": "REFRESH_FROM_CLIENT", "value": 203}
    assert "transports: [WSP (01)]" in tree
    assert "database: 2E2F646D './dm'" in tree
    assert "Notification 7F 7E 06 01 00, REQUEST SYNCHRONIZATION clause 8.5, may be ignored" in tree


def test_clauses() -> None:
    """Every data object names its clause; ours are those of the specification's titles."""
    page = (ROOT / "docs" / "request-synchronization.md").read_text()
    titles = re.findall(r"^### 8\.\d+ (.*)$", page, re.MULTILINE)
    named = [", ".join(_words(kind.__name__) for kind in kinds) for kinds in OUR_OBJECTS]

    assert [title.lower() for title in titles] == named
    assert [] == [kind.__name__ for kind in classes() if not clause(kind)]
    assert set(OUR_CLAUSES) == {kind for kind in classes() if "EQUEST" in clause(kind)}


def _words(name: str) -> str:
    """Write a class's name as the words of a title."""
    return " ".join(re.findall(r"[A-Z][a-z]+", name)).lower()


def test_octets_as_a_person_writes_them() -> None:
    """With blanks and colons, in several arguments, small or capital; as they come they go."""
    small = DISPLAY_TEXT.lower()

    assert fields("command", *re.findall("..", small))["octets"] == small
    assert fields("command", ":".join(re.findall("..", small)))["octets"] == small
    assert fields("command", DISPLAY_TEXT)["octets"] == DISPLAY_TEXT


def test_apdu() -> None:
    """Either direction, with what it carries."""
    envelope = "d30782020181900105"
    sent = fields("apdu", f"80c2000009{envelope}")
    fetched = fields("apdu", DISPLAY_TEXT + "9000")

    assert sent["ins"] == {"name": "ENVELOPE", "value": 0xC2}
    assert sent["content"]["parts"][1] == {
        "object": "ItemIdentifier", "identifier": 5, "comprehension": True,
    }  # fmt: skip
    assert fetched["command"]["details"]["type"]["name"] == "DISPLAY_TEXT"
    assert fetched["octets"] == DISPLAY_TEXT + "9000"
    assert fields("apdu", "911C")["sw"] == 0x911C
    assert fields("apdu", "9000")["sw"] == {"name": "OK", "value": 0x9000}
    assert fields("apdu", "80 12 00 00 00")["le"] == 256
    assert "cannot be read" in fields("apdu", "8014000001FF")["content"]
    assert "content: TerminalProfile" in run("apdu", "80100000027FFF")


def test_profile() -> None:
    """Facilities by their names, with byte and bit."""
    assert fields("profile", "09")["features"][0]["name"] == "PROFILE_DOWNLOAD"
    assert "    MENU_SELECTION (1, 4)" in run("profile", "09").splitlines()


def test_sms() -> None:
    """TPDUs, with and without the centre's address before them, and what is in them."""
    deliver = "040B911346610089F60000208062917314480CC8F71D14969741F977FD07"
    report = fields("sms", "0000")
    secured = "400881214365877ff62270520000000025027000" + PACKET[2:]

    assert fields("sms", deliver)["text"] == "How are you?"
    assert fields("sms", "07911326040000F0" + deliver)["centre"] == "31624000000"
    assert fields("sms", "07911326040000F0" + deliver)["octets"] == "07911326040000F0" + deliver
    assert fields("sms", "0011000B916407281553F80000AA0AE8329BFD4697D9EC37")["text"] == "hellohello"
    assert report["object"] == "DeliverReport"
    assert fields("sms", "00FF00")["failure"] == 0xFF
    tpdu = secured.replace("027000" + PACKET[2:], "02700000" + PACKET[2:])
    assert fields("sms", tpdu)["packet"]["object"] == "Ciphered"
    assert fields("sms", tpdu, keys=KEYS)["packet"]["data"] == "00A40004023F00"
    ucs2 = "04039121F30008208062917314480400E90021"
    assert fields("sms", ucs2)["text"] == "é!"
    half = "04039121F300082080629173144802D800"
    assert "cannot be read" in fields("sms", half)["text"]
    answer = "440891214365877FF62270520000000021" + PROOF
    assert fields("sms", answer, keys=KEYS)["packet"]["data"] == "016132"
    assert "no keys are given" in fields("sms", answer)["packet"]


def test_packets(tmp_path: Path) -> None:
    """In the clear without keys, deciphered and checked with them; a key is never an argument."""
    path = tmp_path / "keys.json"
    path.write_text(KEYS)
    found = fields("packet", PACKET, "--keys", str(path))
    proof = fields("packet", PROOF, keys=KEYS)

    assert (found["data"], found["checksum_right"]) == ("00A40004023F00", True)
    assert found["octets"] == PACKET
    assert fields("packet", "027000" + PACKET, keys=KEYS)["octets"] == "027000" + PACKET
    assert (proof["status"]["name"], proof["data"]) == ("OK", "016132")
    assert (proof["checksum_right"], proof["octets"]) == (True, PROOF)
    assert fields("packet", PACKET)["object"] == "Ciphered"
    assert fields("packet", PACKET)["octets"] == PACKET
    wrong = KEYS.replace('"301102', '"501102')
    assert fields("packet", PACKET, keys=wrong)["checksum_right"] is False
    clear = "000d0ab00011000000000000009000"
    assert fields("packet", clear)["data"] == "9000"


@pytest.mark.parametrize("group", ["cases", "generated"])
def test_packets_of_another_program(group: str) -> None:
    """What pySim made is deciphered, its checksums are right, and it is written again the same."""
    algorithms = {"triple_des_cbc2": "TRIPLE_DES_2", "aes_cbc": "AES", "aes_cmac": "AES"}
    seen = 0
    for case in load("scp80.json")[group]:
        keys, integrity = case["keyset"], case["spi"]["rc_cc_ds"]
        if keys["algo_crypt"] not in algorithms or integrity == "rc":
            continue
        one = {"algorithm": algorithms[keys["algo_crypt"]], "number": keys["kic_idx"]}
        text = json.dumps([one | {name: keys[name] for name in ("kic", "kid")}])
        octets = bytes.fromhex(case["encoded_cmd"])
        found = decode("packet", octets, read_keys(text, "test"))
        told = plain(found.message) | dict(found.inside)

        assert octets == found.octets
        assert case["tar"].upper() == told["tar"]
        if integrity == "cc":
            assert told["checksum_right"]
        seen += 1

    assert seen


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "no JSON at line 1, column 2"),
        ("5", "no list of key sets"),
        ("[5]", "no list of key sets"),
        ("[{}]", "kid is missing"),
        (KEYS.replace("TRIPLE_DES_2", "AES4"), "an algorithm that is none"),
        (KEYS.replace("3001020304", ""), "11 octets are no key for TRIPLE_DES_2"),
        (KEYS.replace("0e0f", "xx"), "other characters than digits"),
    ],
)
def test_wrong_keys(text: str, told: str) -> None:
    """A message that repeats no key."""
    with pytest.raises(ConfigError) as caught:
        run("packet", PACKET, keys=text)

    assert told in str(caught.value)
    assert "0506070809" not in str(caught.value)


def test_keys_that_cannot_be_read(tmp_path: Path) -> None:
    """The file is named."""
    with pytest.raises(ConfigError, match=f"{tmp_path}: cannot be read"):
        run("packet", PACKET, "--keys", str(tmp_path))


def test_syncml() -> None:
    """Both representations."""
    text = (
        '<?xml version="1.0" encoding="UTF-8"?>'
        "<SyncML><SyncHdr><VerDTD>1.1</VerDTD><VerProto>SyncML/1.1</VerProto>"
        "<SessionID>1</SessionID><MsgID>2</MsgID><Target><LocURI>s</LocURI></Target>"
        "<Source><LocURI>IMEI:1</LocURI></Source></SyncHdr><SyncBody><Final/></SyncBody></SyncML>"
    )
    found = fields("syncml", text.encode().hex())
    binary = "029ff7016a0045c65a00014a46036c0001010101".upper()

    assert found["header"]["msg_id"] in {"2", 2}
    assert found["header"]["version"]["name"] == "V1_1"
    assert found["final"] is True
    with pytest.raises(ConfigError, match=r"decode syncml: offset \d+, OMA SyncML"):
        run("syncml", binary)


@pytest.mark.parametrize(
    ("kind", "octets", "told"),
    [
        ("command", "D0", "offset 1, TS 101 220 clause 7.1: octets end too early"),
        ("command", "D00B81", "offset 2, TS 101 220 clause 7.1: octets end too early"),
        ("command", "D0028103", "offset 4, TS 101 220 clause 7.1.2: octets end too early"),
        ("command", "D1028103", "offset 0, TS 102 223 clause 6.6: tag D1 is not the one"),
        ("command", "D10101", "clause"),
        (
            "command",
            "D00981030121808202810200",
            "offset 11, TS 102 223 clause 6.6: 1 octets are left over",
        ),
        (
            "command",
            "D009810301218082028102",
            "offset 11, TS 102 223 clause 6.6: TextString is missing (answer VALUES_MISSING 36)",
        ),
        (
            "command",
            "D00C810301258082028182050180",
            "offset 14, TS 102 223 clause 6.6: ",
        ),
        (
            "command",
            "D00C81030121808202810284010A",
            ("offset 11, TS 102 223 clause 8.8: Duration cannot be read from 1 octets"),
        ),
        ("command", "D00B8103012180820281020005", "offset 11, TS 101 220 clause 7.1: 00"),
        ("response", "8103012180", "offset 5, TS 102 223 clause 6.8: DeviceIdentities is missing"),
        ("envelope", "D3028202", "offset 4, TS 101 220 clause 7.1.2: octets end too early"),
        ("envelope", "0100", "offset "),
        ("profile", "", "offset 0, TS 102 223 clause 5.2: a terminal profile has at least one"),
        ("apdu", "80", "offset 0, TS 102 221 clause 10: octets end too early"),
        ("apdu", "8010000005AA", "offset 5, TS 102 221 clause 10: octets end too early"),
        ("sms", "", "offset 0, TS 23.040 clause 9.2: octets end too early"),
        ("sms", "03", "TS 23.040 clause 9.2: message type 3 is reserved"),
        ("packet", "00", "TS 102 225 clause 5: "),
        ("packet", "001B15", "TS 102 225 clause 5: "),
        ("syncml", "3C", "OMA SyncML Representation 1.2 clause 6: "),
        ("command", "D0 0", "offset 1: an octet has two digits, one is left over"),
        ("command", "D0 0G", "offset 1: 'G' is no hexadecimal digit"),
        ("command", "ä0", "offset 0: 'ä' is no hexadecimal digit"),
    ],
)
def test_what_is_wrong(kind: str, octets: str, told: str) -> None:
    """One line, with the offset at which reading stopped and the clause that is not followed."""
    with pytest.raises(ConfigError) as caught:
        run(kind, octets)
    text = str(caught.value)

    assert text.startswith(f"decode {kind}: offset ")
    assert told in text
    assert "\n" not in text


def test_status_and_stream() -> None:
    """Status 2 and one line on standard error; in a stream every line has its object."""
    ran = subprocess.run(
        [sys.executable, "-m", "cardsync", "decode", "command", "D0"],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    told = run("command", "-", status=2, lines_in=f"{DISPLAY_TEXT}\nD0\n\n{REQUEST}\n")
    found = [json.loads(line) for line in told.splitlines()]

    assert (2, "", 1) == (ran.returncode, ran.stdout, len(ran.stderr.splitlines()))
    assert ran.stderr.startswith("cardsync: decode command: offset 1, TS 101 220 clause 7.1: ")
    assert [DISPLAY_TEXT, None, None, REQUEST] == [one.get("octets") for one in found]
    assert [{"error"}, {"error"}] == [set(one) for one in found[1:3]]
    assert run("command", lines_in=f"{REQUEST}\n").count("\n") == 1


VECTORS = [("command", 340), ("response", 97), ("envelope", 30)]


@pytest.mark.parametrize(("kind", "count"), VECTORS)
def test_messages_of_the_standard(kind: str, count: int) -> None:
    """Octets that are decoded are written again the same; what is refused is refused for cause.

    TS 31.124 and TS 51.010-4.
    """
    cases = [case for case in load("cat_31124.json")["vectors"] if case["kind"] == kind]
    refused = [case["expect"].get("status", {}).get("value", 0) for case in cases]
    told = run(
        kind, "-", status=2 if any(refused) else 0,
        lines_in="".join([case["pdu"] + "\n" for case in cases]),
    )  # fmt: skip

    assert count == len(cases)
    for case, status, line in zip(cases, refused, told.splitlines(), strict=True):
        found = json.loads(line)
        assert ("error" in found) == bool(status), case["name"]
        assert status or found["octets"] == case["pdu"], case["name"]
        assert status or list(lines(decode(kind, bytes.fromhex(case["pdu"])).message))


def test_ten_thousand_lines() -> None:
    """In under three seconds; more is allowed here for a slow and busy machine."""
    started = time.perf_counter()
    told = run("command", "-", lines_in=f"{DISPLAY_TEXT}\n{REQUEST}\n" * 5000)
    seconds = time.perf_counter() - started

    assert 10_000 == told.count("\n")
    assert seconds < 15


NOTIFICATION = "11" * 16 + "0308000000001703737276106000000704 63617264".replace(" ", "")
SEEDS = {
    "command": (DISPLAY_TEXT, REQUEST),
    "response": ("8103012180820282818301008D020441",),
    "envelope": ("D30782020181900105", "D60B1901038202828115011301"),
    "profile": ("7FFF",),
    "apdu": ("80C2000009D30782020181900105", DISPLAY_TEXT + "9000"),
    "sms": ("040B911346610089F60000208062917314480CC8F71D14969741F977FD07", "0000"),
    "packet": (PACKET, PROOF),
    "syncml": ("02A4016A0045C65A0001",),
    "notification": (NOTIFICATION, f"170603CEAF85{NOTIFICATION}"),
}


@st.composite
def mutated(draw: st.DrawFn) -> tuple[str, bytes]:
    """Change some octets of a message of any kind."""
    kind = draw(st.sampled_from(sorted(KINDS)))
    octets = bytearray.fromhex(draw(st.sampled_from(SEEDS[kind])))
    for _ in range(draw(st.integers(0, 4))):
        place = draw(st.integers(0, len(octets)))
        octets[place : place + draw(st.integers(0, 2))] = draw(st.binary(max_size=2))
    return kind, bytes(octets)


def tried(kind: str, octets: bytes) -> Decoded | Undecodable:
    """Decode, or give the error."""
    try:
        return decode(kind, octets, read_keys(KEYS, "test"))
    except Undecodable as exc:
        return exc


@settings(max_examples=300, deadline=None)
@given(mutated())
def test_nothing_else_is_raised(found: tuple[str, bytes]) -> None:
    """Whatever the octets are, they are decoded or refused, and a toolkit message is kept whole."""
    kind, octets = found
    decoded = tried(kind, octets)
    if isinstance(decoded, Undecodable):
        assert decoded.clause
        assert 0 <= decoded.offset <= len(octets) + 1
    else:
        assert json.dumps(plain(decoded.message))
        assert all(lines(decoded.message))
        assert kind not in {"command", "response", "envelope"} or octets == decoded.octets


def test_help_teaches() -> None:
    """Every kind is explained, with an example."""
    told = run("--help")

    assert all(kind in told for kind in KINDS)
    assert "Example" in told
