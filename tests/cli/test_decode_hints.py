"""`cardsync decode` as it is used: octets as people write them, the wrong kind, hostile input."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cardsync.cli.commands import app
from cardsync.errors import ConfigError

DISPLAY_TEXT = "D01A8103012180820281028D0F04546F6F6C6B697420546573742031"
"""TS 31.124 clause 27.22.4.1.1, sequence 1.1."""
RESPONSE = "810301218082028281830100"
ENVELOPE = "D30782020181900105"


def told(*arguments: str) -> str:
    """Give the message that ends the command."""
    found = CliRunner().invoke(app, ["decode", *arguments], env={"CARDSYNC_KEYS": ""})

    assert isinstance(found.exception, ConfigError), found.output
    return str(found.exception)


SPACED = " ".join([DISPLAY_TEXT[at : at + 2] for at in range(0, len(DISPLAY_TEXT), 2)])


@pytest.mark.parametrize(
    "text",
    [
        DISPLAY_TEXT.lower(),
        "0x" + DISPLAY_TEXT,
        SPACED,
        SPACED.replace(" ", ":"),
        SPACED.replace(" ", "-"),
        "0x" + SPACED.replace(" ", ", 0x"),
        "\ufeff" + SPACED.replace(" ", "\r\n"),
        "  " + SPACED.replace(" ", "\t") + "\n",
    ],
)
def test_octets_as_people_write_them(text: str) -> None:
    """Blanks, colons, commas, dashes, lines, `0x` and a byte order mark are passed over."""
    found = CliRunner().invoke(app, ["decode", "command", "--json", text])

    assert DISPLAY_TEXT == json.loads(found.stdout)["octets"].upper()


@pytest.mark.parametrize(
    ("kind", "text", "other"),
    [
        ("apdu", DISPLAY_TEXT, "command"),
        ("response", DISPLAY_TEXT, "command"),
        ("envelope", DISPLAY_TEXT, "command"),
        ("command", DISPLAY_TEXT + "9000", "apdu"),
        ("command", RESPONSE, "response"),
        ("apdu", RESPONSE, "response"),
        ("command", ENVELOPE, "envelope"),
        ("envelope", "80C2000009" + ENVELOPE, "apdu"),
        ("response", "801400000C" + RESPONSE, "apdu"),
        ("profile", "80100000027FFF", "apdu"),
    ],
)
def test_another_kind(kind: str, text: str, other: str) -> None:
    """Whoever names the wrong kind is told the right one."""
    assert told(kind, text).endswith(f"; try decode {other}")


def test_no_hint() -> None:
    """There is none for what is no message at all, and none for what are no octets."""
    assert "try" not in told("command", "D0098103012180820281 02")
    assert "try" not in told("command", "D00")


@pytest.mark.parametrize(
    ("kind", "text", "place"),
    [
        ("command", ENVELOPE, "offset 0, TS 102 223 clause 6.6: tag D3"),
        ("envelope", DISPLAY_TEXT, "offset 0, TS 102 223 clause 7: tag D0"),
        ("command", "D0810F8103012180820281028D0404546865", "offset 1, TS 101 220 clause 7.1: the"),
        ("profile", "01" * 70_000, "offset 65546, TS 102 223 clause 5.2: 70000 octets are more"),
        ("command", "D0\u0007", "offset 1: U+0007 is no hexadecimal digit"),
    ],
)
def test_the_place_of_a_fault(kind: str, text: str, place: str) -> None:
    """Offset and clause, then the reason."""
    assert place in told(kind, text)


def test_what_nobody_knows() -> None:
    """A command of no known type, or with an object that must be understood, says what is owed."""
    for text, owed in (
        ("D009810301090082028182", "TYPE_NOT_UNDERSTOOD"),
        ("D0128103012180820281028D0404546865DA0100", "DATA_NOT_UNDERSTOOD"),
    ):
        found = CliRunner().invoke(app, ["decode", "command", "--json", text])

        assert owed == json.loads(found.stdout)["answer"]["name"]

    ignored = CliRunner().invoke(
        app, ["decode", "command", "--json", "D0128103012180820281028D04045468655A0100"]
    )

    assert "answer" not in json.loads(ignored.stdout)


def test_bits_that_are_not_kept() -> None:
    """Fill and reserved bits of a short message are nobody's; who looks is told of them."""
    found = CliRunner().invoke(app, ["decode", "sms", "DC00"])

    assert found.stdout.splitlines()[0].endswith(
        "DeliverReport, 2 octets; fill or reserved bits differ, written anew 0000"
    )


def test_keys_are_not_repeated() -> None:
    """Who gives keys as an argument learns better, without reading them again."""
    secret = "00112233445566778899AABBCCDDEEFF"
    message = told("packet", "--keys", f'[{{"kic": "{secret}"}}]', "00")

    assert "--keys takes the name of a file" in message
    assert secret not in message


def test_another_key() -> None:
    """What another key made of a packet is no message; it is said which key set was taken."""
    packet = "00201506193535b00011ae733256918d050b87c94fbfe12e4dc402f262c41cf67f2f"
    wrong = "00112233445566778899AABBCCDDEEFF"
    keys = f'[{{"algorithm": "TRIPLE_DES_2", "number": 3, "kic": "{wrong}", "kid": "{wrong}"}}]'
    found = CliRunner().invoke(app, ["decode", "packet", packet], env={"CARDSYNC_KEYS": keys})

    assert str(found.exception).endswith("deciphered with key set 3; is it the right key?")
    assert wrong not in str(found.exception)


def piped(octets: bytes, stdout: int | None = subprocess.PIPE) -> tuple[int, bytes, bytes]:
    """Run the program with octets on standard input, where text is strictly UTF-8."""
    ran = subprocess.run(
        [sys.executable, "-m", "cardsync", "decode", "command", "-"],
        input=octets, stdout=stdout, stderr=subprocess.PIPE, check=False, timeout=60,
        env=os.environ | {"PYTHONIOENCODING": "utf-8:strict"},
    )  # fmt: skip
    return ran.returncode, ran.stdout or b"", ran.stderr


def test_octets_that_are_no_text() -> None:
    """Standard input that is no UTF-8 spoils its own line alone."""
    status, out, err = piped(b"\xff\xfe\n" + DISPLAY_TEXT.encode() + b"\n")
    first, second = (json.loads(line) for line in out.splitlines())

    assert (2, b"") == (status, err)
    assert "offset 0: octet FF is no hexadecimal digit" == first["error"]
    assert DISPLAY_TEXT == second["octets"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk() -> None:
    """One message, no traceback."""
    with Path("/dev/full").open("wb") as full:
        status, _, err = piped((DISPLAY_TEXT + "\n").encode() * 2000, full.fileno())

    assert 2 == status
    assert err == b"cardsync: standard output: No space left on device\n"


def test_a_long_line() -> None:
    """Ten megabytes in a line are refused, and the next line is read."""
    status, out, err = piped(b"D0" * 5_000_000 + b"\n" + DISPLAY_TEXT.encode() + b"\n")

    assert (2, b"", 2) == (status, err, out.count(b"\n"))
    assert len(out) < 2000
