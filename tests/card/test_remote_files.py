"""Files over the air: scripts for files, secured, and nothing else. TS 102 226 clause 7."""

import pytest

from cardsync.card.remote_files import SHARED_TAR, SIM_TAR, USIM_TAR
from cardsync.card.uicc import Uicc
from cardsync.octets.apdu import SW, CommandApdu
from cardsync.ota.packet import CounterRule, Integrity, ResponseStatus, SecurityLevel, Spi
from cardsync.ota.script import CompactResponse, ExpandedResponse, ExpandedScript
from cardsync.transport.user_data import COMMAND_HEADER, UserData
from mobiles import KEYS, Sender, bare_card, envelope_of, receive, tpdu


def remote(card: Uicc, sender: Sender, tar: bytes, data: bytes) -> bytes:
    """Send a script to a TAR; give the additional data of its proof."""
    proof = sender.proof(receive(card, sender.messages(data, tar)).data, tar)

    assert ResponseStatus.OK == proof.status
    return proof.data


def compact(card: Uicc, tar: bytes, script: str) -> CompactResponse:
    """Run a compact script."""
    return CompactResponse.decode(remote(card, Sender(), tar, bytes.fromhex(script)))


@pytest.mark.parametrize(
    ("tar", "script", "expected"),
    [
        (SHARED_TAR, "00A40000022FE200B000000A", (2, SW.OK, "988812010000000010F7")),
        (USIM_TAR, "00A40000026F0700B0000009", (2, SW.OK, "080910100000000071")),
        (USIM_TAR, ("00D6870001" "09" "00B0870001"), (2, SW.OK, "09")),
        (SIM_TAR, "A0A40000027F20A0A40000026F07A0B0000001", (3, SW.OK, "08")),
        (SHARED_TAR, "00A40004022FE200C0000002", (2, SW.OK, "6217")),
        (SHARED_TAR, "00A40004022FE200C000000200C0000002", (3, SW.OK, "8202")),
        (SHARED_TAR, "00A40000022FE200C0000002", (2, SW.OK, "6217")),
        (SHARED_TAR, "00A4000C022FE200C0000002", (2, SW.CONDITIONS_NOT_SATISFIED, "")),
        (SHARED_TAR, "00A40000022FE200D60000010000B000000A", (2, SW.SECURITY_NOT_SATISFIED, "")),
        (USIM_TAR, "00A40004023F00", (1, 0x6125, "")),
        (SIM_TAR, "A0A40000023F00", (1, 0x9F16, "")),
        (SHARED_TAR, "00A4000002123400B000000A", (1, SW.FILE_NOT_FOUND, "")),
        (SIM_TAR, "A0A40000021234", (1, 0x9404, "")),
        (SIM_TAR, "00A40000023F00", (1, SW.CLA_NOT_SUPPORTED, "")),
        (SHARED_TAR, "A0A40000023F00", (1, SW.CLA_NOT_SUPPORTED, "")),
        (SHARED_TAR, "01A40000023F00", (1, SW.CHANNEL_NOT_SUPPORTED, "")),
        (USIM_TAR, "008800801110" + "00" * 16, (1, SW.INS_NOT_SUPPORTED, "")),
        (SHARED_TAR, "0070000000", (1, SW.INS_NOT_SUPPORTED, "")),
        (SHARED_TAR, "002000810839" + "39" * 7 + "00A40000022FE2", (1, 0x63C2, "")),
        (SHARED_TAR, "00A4", (0, SW.WRONG_LENGTH, "")),
    ],
)  # fmt: skip
def test_scripts(tar: bytes, script: str, expected: tuple[int, int, str]) -> None:
    """How far it went, and what its last command gave. TS 102 226 clauses 5.1 and 7.1."""
    found = compact(bare_card(), tar, script)

    assert expected == (found.executed, found.sw, found.data.hex().upper())


def test_expanded() -> None:
    """Each command answers for itself. TS 102 226 clause 5.2."""
    commands = [
        CommandApdu.decode(bytes.fromhex(one)) for one in ("00A40004022FE200", "00B0000002")
    ]
    data = remote(bare_card(), Sender(), SHARED_TAR, ExpandedScript(tuple(commands)).encode())
    found = ExpandedResponse.decode(data)

    assert [SW.OK, SW.OK] == [one.sw for one in found.responses]
    assert (b"\x62", b"\x98\x88") == (found.responses[0].data[:1], found.responses[1].data)


def test_expanded_of_indefinite_length() -> None:
    """It is answered in its own coding, which has no count. TS 102 226 clause 5.2.2."""
    script = ExpandedScript((CommandApdu.decode(bytes.fromhex("00A4000C023F00")),), True).encode()

    assert (
        "AF8023029000" + "0000" == remote(bare_card(), Sender(), SHARED_TAR, script).hex().upper()
    )


def test_what_is_written_is_in_the_card() -> None:
    """The administrator of the air writes what a terminal reads; selections do not meet."""
    card = bare_card()
    card.transact(bytes.fromhex("00A4080C047FFF6F46"))
    compact(card, USIM_TAR, "00A40000026F4600D6000002" + b"\x02X".hex())

    assert b"\x02X\x90\0" == card.transact(bytes.fromhex("00B0000002"))


@pytest.mark.parametrize("tar", [SIM_TAR, SHARED_TAR, USIM_TAR])
def test_no_unsecured_script(tar: bytes) -> None:
    """A packet without keys reads and writes nothing, and the card is as before. R-23."""
    spi = Spi(
        SecurityLevel(Integrity.NONE, ciphered=False, counter=CounterRule.NONE),
        proof_integrity=Integrity.NONE,
        proof_ciphered=False,
    )
    card = bare_card()
    before = card.memory.encode()
    script = bytes.fromhex("00A40000026F4600D6000001FF")
    messages = [*Sender(KEYS, spi, 50).messages(script, tar)]
    messages.append(tpdu(UserData(bytes(20), COMMAND_HEADER)))
    for message in messages:
        card.transact(envelope_of(message))

    assert before == card.memory.encode()
    assert 2 == sum(card._secured.refusals.values())
