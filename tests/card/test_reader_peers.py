"""The card as pcscd, opensc-tool and pyscard see it: programs of others, unchanged."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cardsync.card.milenage import Milenage
from cardsync.card.personalisation import Codes, Subscriber, personalise
from cardsync.card.reader import block_atr
from cardsync.card.remote_files import SHARED_TAR
from cardsync.card.slot import read_image, write_image
from cardsync.card.uicc import ATR
from cardsync.octets.apdu import CommandApdu, ResponseApdu
from cardsync.ota.channel_keys import ChannelKeys, KeyKind
from cardsync.ota.channel_level import Level
from cardsync.ota.globalplatform import GetStatus, RegistryEntry, RegistryPart
from cardsync.ota.securechannel import HostChannel
from cardsync.toolkit import envelope
from mobiles import ICCID, IMSI, LOADING, Sender
from mobiles import KEYS as PACKETS
from pcsc import Reader, Relay, await_reader, reader
from peers import need

CODES = Codes("1234", "5678", "11111111", "22222222", b"ADMINKEY", pin1_enabled=True)
KEYS = Milenage(bytes(16), bytes(range(16)))
CHANNEL = ChannelKeys(0x30, KeyKind.AES, b"E" * 16, b"M" * 16, b"D" * 16)
SCP02 = ChannelKeys(0x20, KeyKind.DES, b"E" * 16, b"M" * 16, b"D" * 16)
USIM = "00A4040410A0000000871002FFFFFFFF8907090000"
VERIFY, WRONG = "002000010831323334FFFFFFFF", "002000010839393939FFFFFFFF"


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """Make a card whose PIN is on."""
    path = tmp_path / "card.image"
    subscriber, channels = Subscriber(ICCID, IMSI, msisdn="+882123"), [CHANNEL, SCP02]
    memory = personalise(subscriber, [PACKETS], codes=CODES, keys=KEYS, channel_keys=channels)
    write_image(path, memory)
    return path


@pytest.fixture
def virtual() -> Iterator[Reader]:
    """Give a reader of pcscd."""
    with reader() as found:
        yield found


def opensc(*arguments: str) -> str:
    """Run opensc-tool."""
    ran = subprocess.run(
        [need("opensc-tool"), *arguments], check=True, capture_output=True, text=True
    )
    return ran.stdout


def test_opensc(image: Path, virtual: Reader) -> None:
    """opensc-tool lists the reader, gives the ATR, and reads EF.ICCID."""
    with virtual.card(image):
        listed, atr = opensc("-l"), opensc("-r", "0", "-a")
        read = opensc("-r", "0", "-s", "00A4000C022FE2", "-s", "00B000000A")

    assert "Virtual PCD 00 00" in listed
    assert ATR.hex(":") == atr.strip()
    assert "98 88 12 01 00 00 00 00 10 F7" in read
    assert 2 == read.count("SW1=0x90, SW2=0x00")


def test_pyscard(image: Path, virtual: Reader) -> None:
    """Selected, read, verified and authenticated by pyscard: TS 102 221 over T=0."""
    with virtual.card(image), virtual.pyscard() as card:
        assert ATR == card.atr
        assert b"\x61" == card.transmit(USIM)[:1]
        assert card.exchange(USIM).startswith(b"\x62")
        assert "9000" == card.exchange("00A4000C026F07").hex()
        assert "6982" == card.exchange("00B0000009").hex()
        assert ["63c2", "9000"] == [card.exchange(one).hex() for one in (WRONG, VERIFY)]
        assert "0809101000000000719000" == card.exchange("00B0000009").hex()
        assert "6c09" == card.transmit("00B0000000").hex()
        answer = card.exchange("0088008011" + "10" + "00" * 16)
        vector = KEYS.vector(bytes(16))
        assert b"\x04" + vector.sres + b"\x08" + vector.kc + b"\x90\0" == answer
        assert "019000" == card.exchange("0070000001").hex()
        assert "9000" == card.exchange("01A4000C022FE2").hex()


def test_pyscard_as_sim(image: Path, virtual: Reader) -> None:
    """The same card for a terminal that knows SIMs only: CLA A0, 9F XX. TS 51.011 clause 9."""
    with virtual.card(image), virtual.pyscard() as card:
        assert "9f16" == card.transmit("A0A40000027F20").hex()
        assert "9f0f" == card.transmit("A0A40000026F07").hex()
        assert "9804" == card.exchange("A0B0000009").hex()
        assert "9000" == card.exchange("A0" + VERIFY[2:]).hex()
        assert "0809101000000000719000" == card.exchange("A0B0000009").hex()
        vector = KEYS.vector(bytes(16))
        assert vector.sres + vector.kc + b"\x90\0" == card.exchange("A088000010" + "00" * 16)


def test_pyscard_over_t1(image: Path, virtual: Reader) -> None:
    """Whole APDUs over T=1: data and status word at once."""
    with virtual.card(image, "--t1"), virtual.pyscard("T1") as card:
        assert block_atr(ATR) == card.atr
        assert card.transmit(USIM + "00").startswith(b"\x62")
        assert "988812010000000010f79000" == (
            card.transmit("00A4080C022FE2") and card.transmit("00B0000000").hex()
        )


@pytest.mark.parametrize(("keys", "level"), [(CHANNEL, 0x33), (CHANNEL, 0x03), (SCP02, 0x03)])
def test_managed_from_the_reader(
    image: Path, virtual: Reader, keys: ChannelKeys, level: int
) -> None:
    """An application is loaded through a secure channel and the reader. R-20."""
    host = HostChannel(keys, os.urandom(8), Level(level))
    with virtual.card(image), virtual.pyscard() as card:
        assert card.exchange("00A4040008A000000151000000").startswith(b"\x6f")
        answer = send(card, host.initialize_update())
        assert 0x9000 == send(card, host.external_authenticate(answer.data)).sw
        words = [host.open_response(send(card, host.protect(one))).sw for one in LOADING]
        listed = send(card, host.protect(GetStatus(RegistryPart.APPLICATIONS).encode()))

    assert [0x9000] * len(LOADING) == words
    assert 1 == len(RegistryEntry.decode_all(host.open_response(listed).data))


def send(card: Relay, apdu: CommandApdu) -> ResponseApdu:
    """Send a command over T=0, where Le does not go with data."""
    octets = CommandApdu(apdu.cla, apdu.ins, apdu.p1, apdu.p2, apdu.data).encode()
    return ResponseApdu.decode(card.exchange(octets))


def test_taken_out_by_a_kill(image: Path, virtual: Reader) -> None:
    """A guess that was told has been counted: killed at once, the card remembers it. O-3."""
    for left in (2, 1, 0):
        with virtual.card(image) as process, virtual.pyscard() as card:
            assert f"63c{left}" == card.exchange(WRONG).hex()
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
        await_reader(False)
    with virtual.card(image), virtual.pyscard() as card:
        assert "6983" == card.exchange(VERIFY).hex()
    assert read_image(image).names("pin:")


def test_an_exchange_is_quick(image: Path, virtual: Reader) -> None:
    """An exchange through pcscd takes a millisecond, not the 40 of a delayed acknowledgement."""
    with virtual.card(image), virtual.pyscard() as card:
        card.exchange("00A4000C022FE2")
        began = time.monotonic()
        for _ in range(50):
            card.exchange("00B000000A")
        took = (time.monotonic() - began) / 50

    assert took < 0.02


def test_a_batch_of_cards(tmp_path: Path, virtual: Reader) -> None:
    """Cards that `cardsync card personalise` made are read like any other."""
    orders, listed = tmp_path / "orders.csv", tmp_path / "cards.json"
    orders.write_text(
        f"iccid,imsi,pin1\n{ICCID},{IMSI},1111\n8988211000000000025,001010000000025,\n"
    )
    subprocess.run(
        [sys.executable, "-m", "cardsync", "card", "personalise", "--batch", str(orders),
         "--folder", str(tmp_path), "--list", str(listed)],
        check=True,
    )  # fmt: skip
    cards = json.loads(listed.read_text())
    with virtual.card(tmp_path / f"{ICCID}.image"), virtual.pyscard() as card:
        adm = cards[0]["codes"]["adm1"].encode().hex()

        assert "9000" == card.exchange(f"0020000A08{adm}").hex()
    assert [ICCID, "8988211000000000025"] == [one["iccid"] for one in cards]


@pytest.mark.parametrize("cla", ["80", "A0"])
def test_secured_message_from_the_reader(image: Path, virtual: Reader, cla: str) -> None:
    """A script for files in a secured message, and its proof, over T=0. TS 31.111 clause 7.1.1."""
    sender = Sender(start=40)
    script = bytes.fromhex("00A4000C022FE2" + "00B000000A")
    with virtual.card(image), virtual.pyscard() as card:
        for message in sender.messages(script, SHARED_TAR):
            told = envelope.sms_pp_download(message).encode()
            answer = card.exchange(f"{cla}C20000{len(told):02X}{told.hex()}")
    proof = sender.proof(answer[:-2], SHARED_TAR)

    assert (b"\x90\0", True) == (answer[-2:], proof.authenticated)
    assert "029000988812010000000010f7" == proof.data.hex()


READING = """\
A0 A4 00 00 02 7F 20
A0 A4 00 00 02 6F AE
A0 B0 00 00 01
00 A4 04 0C 0C A0 00 00 00 87 10 02 FF FF FF FF 89
00 A4 00 0C 02 6F 38
00 20 00 01 08 31 32 33 34 FF FF FF FF
00 B0 00 00 10
00 A4 00 0C 02 6F C5
00 B2 01 04 18
"""


def test_scriptor(image: Path, virtual: Reader, tmp_path: Path) -> None:
    """The scriptor of pcsc-tools reads the card as a SIM and as a UICC, one after the other."""
    script = tmp_path / "reading"
    script.write_text(READING)
    with virtual.card(image):
        ran = subprocess.run(
            [need("scriptor"), "-r", "Virtual PCD 00 00", "-p", "T=0", str(script)],
            check=True, capture_output=True, text=True, timeout=60,
        )  # fmt: skip
    answers = [part.split(" : ")[0] for part in ran.stdout.replace("\n", " ").split("< ")[1:]]
    read = [" ".join(answer.split()) for answer in answers]

    assert ["9F 16", "9F 0F", "03 90 00", "90 00", "90 00", "90 00"] == read[:6]
    assert "1E DE 1F 1C 27 F6 05 00 40 03 10 00 00 00 00 06 90 00" == read[6]
    assert read[8].startswith("43 08 80 E3 B0 9C")


CARDPEEK = Path("/usr/share/cardpeek")
CONFIGURATION = "cardpeek = { updates = { auto_update = false } }\ndofile('scripts/lib/apdu.lua')\n"


def test_cardpeek(tmp_path: Path, virtual: Reader) -> None:
    """Cardpeek, a reader of GSM cards, walks over all files that it knows. TS 51.011 clause 10."""
    program, folder, image = need("cardpeek"), tmp_path / ".cardpeek", tmp_path / "card.image"
    (folder / "replay").mkdir(parents=True)
    (folder / "scripts").symlink_to(CARDPEEK)
    (folder / "version").write_text("2000000000\n")
    (folder / "config.lua").write_text(CONFIGURATION)
    codes = Codes("0000", "5678", pin1_enabled=True)  # the PIN that it offers
    write_image(image, personalise(Subscriber(ICCID, IMSI), [], codes=codes, keys=KEYS))
    script = f'dofile("{CARDPEEK}/gsm (beta).lua")'
    with virtual.card(image):
        ran = subprocess.run(
            [program, "-c", "-r", "pcsc://Virtual PCD 00 00", "-e", script],
            check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60, cwd=tmp_path,
            env=os.environ | {"HOME": str(tmp_path)}, input=b"\nos.exit(0)\n",
        )  # fmt: skip
    received = re.findall(r"Recv: ([0-9A-F]{4})\s+([0-9A-F]*)", ran.stdout.decode(errors="replace"))
    words, octets = {word for word, _ in received}, {found for _, found in received}

    # 9404: not there; 9804: for the administrator
    assert {"9000", "9404", "9804", "9F0F", "9F16"} == words
    assert {"988812010000000010F7", "080910100000000071"} <= octets
    assert 300 < len(received)
