"""What somebody without the keys can do to a card: nothing, and he learns nothing either.

R-04, R-23. Each attack leaves the memory image as it was, octet by octet, raises nothing out of
`transact`, and no short message of the card answers it.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from itertools import product

import pytest

from cardsync.card.memory import Memory
from cardsync.card.personalisation import Codes, Subscriber, personalise
from cardsync.card.remote_files import SHARED_TAR, SIM_TAR, USIM_TAR
from cardsync.card.secured import write_least_level
from cardsync.card.uicc import Uicc
from cardsync.octets.apdu import SW, CommandApdu, Ins, ResponseApdu
from cardsync.ota.application import (
    APPLICATION_TAR,
    ISSUER_DOMAIN_TAR,
    PACKAGE_AID,
    ParameterUpdate,
    Trigger,
)
from cardsync.ota.channel_keys import ChannelKeys, KeyKind
from cardsync.ota.channel_level import Level
from cardsync.ota.globalplatform import Delete, SetStatus
from cardsync.ota.globalplatform import RegistryPart as Part
from cardsync.ota.packet import CounterRule, Integrity, Proof, ResponseStatus, SecurityLevel, Spi
from cardsync.ota.securechannel import HostChannel
from cardsync.ota.security import Algorithm, Key, KeySet, Redundancy
from cardsync.ota.session import SendingEntity
from cardsync.toolkit.commands import ProactiveCommand
from cardsync.transport.user_data import UserData
from mobiles import (
    ICCID,
    IMSI,
    KEYS,
    LOADING,
    SECURE,
    Sender,
    compact,
    deliver,
    envelope_of,
    personalising,
    policy_group,
    tpdu,
)

TRIPLE = KeySet(
    2,
    Key(Algorithm.TRIPLE_DES_2, bytes(range(16))),
    Key(Algorithm.TRIPLE_DES_2, bytes(range(16, 32))),
)
THREE_KEYS = KeySet(
    3,
    Key(Algorithm.TRIPLE_DES_3, bytes(range(24))),
    Key(Algorithm.TRIPLE_DES_3, bytes(range(24, 48))),
)
CHANNEL = ChannelKeys(0x30, KeyKind.AES, b"E" * 16, b"M" * 16, b"D" * 16)
FORGED = ChannelKeys(0x30, KeyKind.AES, b"X" * 16, b"X" * 16, b"X" * 16)
TARS = (ISSUER_DOMAIN_TAR, APPLICATION_TAR, SIM_TAR, SHARED_TAR, USIM_TAR)
SYNC_NOW = Trigger("sync-now").encode()
DELETION = compact(Delete(PACKAGE_AID, related=True).encode())
UNTRUSTED = {
    ResponseStatus.CHECKSUM_FAILED,
    ResponseStatus.CIPHERING_ERROR,
    ResponseStatus.UNIDENTIFIED_SECURITY_ERROR,
    ResponseStatus.TAR_UNKNOWN,
    ResponseStatus.INSUFFICIENT_SECURITY_LEVEL,
}
BARE = 3 + 13  # octets of a proof without checksum and data, behind its user data header


@cache
def _image() -> bytes:
    codes = Codes("1234", "5678", "11111111", "22222222", b"ADMINKEY", pin1_enabled=True)
    memory = personalise(
        Subscriber(ICCID, IMSI),
        [KEYS, TRIPLE, THREE_KEYS],
        codes=codes,
        channel_keys=[CHANNEL],
    )
    card = Uicc(memory)
    for command in (*LOADING, *personalising(policy_group())):
        assert SW.OK == card._domain.transact(command).sw
    for apdu in envelopes(Sender(start=9).messages(SYNC_NOW, APPLICATION_TAR)):
        card.transact(apdu)
    return card.memory.encode()


def victim() -> Uicc:
    """Give a card with everything in it, whose key set 1 has taken counter 10.

    Its terminal has told its profile and answered all commands: a new one would be seen at once.
    """
    card = Uicc(Memory.decode(_image()))
    response = card.transact(bytes.fromhex("8010000001FF"))
    while response[-2] == 0x91:
        command = ProactiveCommand.decode(card.transact(b"\x80\x12\0\0" + response[-1:])[:-2])
        done = b"\x81\3" + command.details.value() + bytes.fromhex("82028281830100")
        response = card.transact(CommandApdu(0x80, Ins.TERMINAL_RESPONSE, data=done).encode())

    assert b"\x90\0" == response
    return card


def envelopes(messages: Sequence[bytes]) -> list[bytes]:
    """Put short messages into ENVELOPEs."""
    return [envelope_of(message) for message in messages]


def secured(
    keys: KeySet = KEYS,
    spi: Spi = SECURE,
    data: bytes = SYNC_NOW,
    tar: bytes = APPLICATION_TAR,
    counter: int = 90,
) -> list[bytes]:
    """Bring a secured packet."""
    return envelopes(Sender(keys, spi).messages(data, tar, counter))


def level(
    integrity: Integrity = Integrity.CRYPTOGRAPHIC_CHECKSUM,
    counter: CounterRule = CounterRule.HIGHER,
    *,
    ciphered: bool = True,
) -> Spi:
    """Make an SPI whose proof is as the command."""
    proof = integrity if integrity is not Integrity.DIGITAL_SIGNATURE else Integrity.NONE
    return Spi(SecurityLevel(integrity, ciphered, counter), proof_integrity=proof)


def wrong(algorithm: Algorithm, number: int) -> KeySet:
    """Make a key set of zeros."""
    size = {Algorithm.TRIPLE_DES_3: 24, Algorithm.DES: 8}.get(algorithm, 16)
    return KeySet(number, Key(algorithm, bytes(size)), Key(algorithm, bytes(size)))


def truncated() -> list[bytes]:
    """Cut a right packet everywhere."""
    packet = SendingEntity(KEYS, SECURE, APPLICATION_TAR).secure(SYNC_NOW, 90)
    cut = [deliver(packet[:length], length) for length in range(len(packet))]
    return [apdu for messages in cut for apdu in envelopes(messages)]


def at_the_reader(*commands: CommandApdu) -> list[bytes]:
    """Send commands to the domain that was selected, without a channel."""
    select = bytes.fromhex("00A4040008A000000151000000")
    plain = [select, *[one.encode() for one in commands]]
    under_channel = [
        CommandApdu(0x84, one.ins, one.p1, one.p2, one.data + bytes(8)).encode() for one in commands
    ]
    return [*plain, *under_channel]


ATTACKS: dict[str, Callable[[], list[bytes]]] = {
    "wrong key": lambda: [a for tar in TARS for a in secured(wrong(Algorithm.AES, 1), tar=tar)],
    "wrong key of 3DES": lambda: secured(wrong(Algorithm.TRIPLE_DES_2, 2)),
    "wrong key of 3DES with three": lambda: secured(wrong(Algorithm.TRIPLE_DES_3, 3)),
    "no such key set": lambda: secured(wrong(Algorithm.AES, 15)),
    "stale counter": lambda: [a for counter in range(11) for a in secured(counter=counter)],
    "replay": lambda: secured(counter=10),
    "truncated": truncated,
    "no checksum": lambda: secured(spi=level(Integrity.NONE)),
    "redundancy check": lambda: secured(spi=level(Integrity.REDUNDANCY_CHECK)),
    "not ciphered": lambda: secured(spi=level(ciphered=False)),
    "no counter": lambda: secured(spi=level(counter=CounterRule.NONE)),
    "counter not checked": lambda: secured(spi=level(counter=CounterRule.AVAILABLE)),
    "unknown TAR": lambda: [a for tar in (b"\xb0\0\1", b"SAT") for a in secured(tar=tar)],
    "unsecured trigger": lambda: secured(
        spi=level(Integrity.NONE, CounterRule.NONE, ciphered=False)
    ),
    "unsecured parameter": lambda: secured(
        spi=level(Integrity.NONE, CounterRule.NONE, ciphered=False),
        data=ParameterUpdate("server", "http://evil.example").encode(),
    ),
    "plain short message": lambda: envelopes([tpdu(UserData(SYNC_NOW))]),
    "deletion without right": lambda: secured(wrong(Algorithm.AES, 1), SECURE, DELETION, bytes(3)),
    "deletion at the reader": lambda: at_the_reader(Delete(PACKAGE_AID, related=True).encode()),
    "installation at the reader": lambda: at_the_reader(*LOADING),
    "lock at the reader": lambda: at_the_reader(
        SetStatus(Part.ISSUER_SECURITY_DOMAIN, b"", 0xFF).encode()
    ),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_nothing_changes(attack: str) -> None:
    """The memory image is the same before and after; no command of the card follows."""
    card = victim()
    before = card.memory.encode()
    for apdu in ATTACKS[attack]():
        assert 0x91 != ResponseApdu.decode(card.transact(apdu)).sw1

    assert before == card.memory.encode()


def test_the_right_packet_is_taken() -> None:
    """What the attacks mimic works for who has the keys: the tests above show something."""
    for keys in (KEYS, TRIPLE, THREE_KEYS):
        card = victim()
        before = card.memory.encode()
        words = [card.transact(apdu)[-2] for apdu in secured(keys, Spi(proof_in_submit=True))]

        assert before != card.memory.encode()
        assert 0x91 == words[-1]


def test_counter_at_its_end() -> None:
    """A key set that took the highest counter takes nothing more. TS 102 225 clause 5.1.4."""
    card = victim()
    card.memory.write("counter:1", b"\xff" * 5)
    before = card.memory.encode()
    sender = Sender()
    messages = sender.messages(SYNC_NOW, APPLICATION_TAR, 0xFFFFFFFFFF)
    told = [ResponseApdu.decode(card.transact(apdu)).data for apdu in envelopes(messages)]
    proof = sender.proof(told[-1], APPLICATION_TAR, 0xFFFFFFFFFF)

    assert ResponseStatus.COUNTER_BLOCKED == proof.status
    assert before == card.memory.encode()


def test_wrong_pin() -> None:
    """A wrong guess changes its own counter and nothing else, and there are three. R-04."""
    card = victim()
    before = {name: card.memory.read(name) for name in card.memory.names("")}
    words = [card.transact(bytes.fromhex("002000010839393939FFFFFFFF")).hex() for _ in range(5)]
    after = {name: card.memory.read(name) for name in card.memory.names("")}

    assert ["63c2", "63c1", "63c0", "6983", "6983"] == words
    assert {"pin:01"} == {name for name in before if before[name] != after[name]}
    assert before.keys() == after.keys()


def test_forged_channel() -> None:
    """Who has other keys gets no channel; only his failure is counted. R-04."""
    card = victim()
    before = {name: card.memory.read(name) for name in card.memory.names("")}
    host = HostChannel(FORGED, b"12345678", Level.C_MAC)
    card.transact(bytes.fromhex("00A4040008A000000151000000"))
    card.transact(host.initialize_update().encode())
    proof = CommandApdu(0x84, 0x82, 1, 0, bytes(16))

    assert b"\x69\x82" == card.transact(proof.encode())
    for command in LOADING:
        assert b"\x69\x82" == card.transact(command.encode())
    changed = {name for name in card.memory.names("") if card.memory.read(name) != before.get(name)}
    assert {"sequence:30", "failed:30"} == changed


def mutated(packet: bytes, chance: random.Random) -> bytes:
    """Change one to four octets of a packet, or cut it, or make it longer."""
    octets = bytearray(packet)
    for _ in range(chance.randint(1, 4)):
        octets[chance.randrange(len(octets))] ^= chance.randint(1, 255)
    if chance.random() < 0.1:
        return bytes(octets[: chance.randrange(len(octets))])
    return bytes(octets) + bytes(chance.randint(0, 3) * (chance.random() < 0.05))


def test_mutated_packets() -> None:
    """100,000 packets with changed octets, in every algorithm, to every application. R-23."""
    card, chance = victim(), random.Random(102225)
    spi = Spi(proof_in_submit=True)
    packets = [
        SendingEntity(keys, spi, tar).secure(data, 90)
        for keys in (KEYS, TRIPLE, THREE_KEYS)
        for tar, data in ((APPLICATION_TAR, SYNC_NOW), (ISSUER_DOMAIN_TAR, DELETION))
    ]
    frames = [(packet, *envelopes(deliver(packet))) for packet in packets]
    before, words = card.memory.encode(), set[int]()
    for count in range(100_000):
        packet, apdu = frames[count % len(frames)]
        changed = mutated(packet, chance)
        if len(changed) != len(packet):
            (apdu,) = envelopes(deliver(changed))
        elif changed != packet:
            apdu = apdu.replace(packet, changed)
        else:
            continue
        words.add(card.transact(apdu)[-2])

    assert before == card.memory.encode()
    assert {0x90} == words


def test_mutated_instructions() -> None:
    """20,000 instructions with changed octets: guesses and sessions are counted, nothing else."""
    card, chance = victim(), random.Random(102221)

    def kept() -> dict[str, bytes]:
        names = card.memory.names("")
        counted = ("pin:", "failed:", "sequence:")
        return {name: card.memory.read(name) for name in names if not name.startswith(counted)}

    before = kept()
    seeds = [apdu for attack in ATTACKS.values() for apdu in attack()[:2]]
    for _ in range(20_000):
        card.transact(mutated(chance.choice(seeds), chance))

    assert before == kept()


# What is learned


def answer_to(apdus: Sequence[bytes]) -> bytes:
    """Give what the last response tells."""
    card = victim()
    return [ResponseApdu.decode(card.transact(apdu)).data for apdu in apdus][-1]


def every_spi() -> Iterator[Spi]:
    """Give every first octet of SPI with proofs of every kind."""
    for first in range(32):
        for proof, ciphered in ((Integrity.NONE, False), (Integrity.CRYPTOGRAPHIC_CHECKSUM, True)):
            yield Spi(
                SecurityLevel.decode(first),
                Proof.REQUIRED,
                proof,
                proof_ciphered=ciphered,
                proof_in_submit=ciphered,
            )


def raw(spi: Spi, kic: int, kid: int, tar: bytes, data: int) -> bytes:
    """Write a packet of any level by hand, with zeros where a key would be needed."""
    checksum = bytes(8) if spi.level.integrity is not Integrity.NONE else b""
    head = bytes([13 + len(checksum)]) + spi.encode() + bytes([kic, kid]) + tar
    packet = head + bytes(6) + checksum + bytes(data)
    return len(packet).to_bytes(2, "big") + packet


def test_scan_of_all_applications() -> None:
    """Every level, key set, algorithm and TAR: a bare status at most, in the report alone.

    No answer is ciphered, has a checksum, says that the packet was executed (00) or only came too
    early or too late (02, 03): each of those would be something to search keys with.
    """
    card, statuses = victim(), set[int]()
    before = card.memory.encode()
    keys = [number << 4 | algorithm for number in range(5) for algorithm in (0, 1, 2, 5, 9, 0xD)]
    for spi in every_spi():
        for octet, tar, data in product(keys, (*TARS, b"\xb0\0\x20"), (8, 2)):
            (apdu,) = envelopes(deliver(raw(spi, octet, octet, tar, data)))
            response = ResponseApdu.decode(card.transact(apdu))
            assert (0x9000, BARE) == (response.sw, len(response.data))
            assert b"\0\x0b\x0a" + tar == response.data[3:9]
            statuses.add(response.data[-1])

    assert UNTRUSTED == statuses
    assert before == card.memory.encode()


def test_scan_by_an_older_terminal() -> None:
    """The same for a terminal that speaks CLA A0, whose originator has no type of number."""
    card = victim()
    packet = b"\2\x70\0" + raw(Spi(), 0x12, 0x12, SIM_TAR, 2)
    short_message = bytes.fromhex("4405002143F57FF600000000000000") + bytes([len(packet)]) + packet
    told = bytes.fromhex("8202838106050021436587") + bytes([0x8B, len(short_message)])
    told += short_message
    apdu = CommandApdu(0xA0, Ins.ENVELOPE, data=bytes([0xD1, len(told)]) + told)
    response = ResponseApdu.decode(card.transact(apdu.encode()))

    assert bytes.fromhex("027100000B0AB00000000000000000") + b"\1" == response.data


@pytest.mark.parametrize("algorithm", [0x1, 0xD])
@pytest.mark.parametrize("keys", [KEYS, TRIPLE, THREE_KEYS])
def test_weaker_algorithm_for_a_key(keys: KeySet, algorithm: int) -> None:
    """A key of triple DES or AES is never used as one of DES, whatever KIc or KID names."""
    packet = bytearray(SendingEntity(keys, SECURE, APPLICATION_TAR).secure(SYNC_NOW, 90))
    for places in ((5,), (6,), (5, 6)):
        changed = packet.copy()
        for place in places:
            changed[place] = changed[place] & 0xF0 | algorithm
        told = answer_to(envelopes(deliver(bytes(changed))))

        assert ResponseStatus.UNIDENTIFIED_SECURITY_ERROR == told[-1]
        assert BARE == len(told)


def test_no_difference_between_keys() -> None:
    """A wrong checksum is answered alike for every key set; a set that is not there says 06."""
    answers = {
        number: answer_to(secured(wrong(algorithm, number)))
        for number, algorithm in (
            (1, Algorithm.AES),
            (2, Algorithm.TRIPLE_DES_2),
            (3, Algorithm.TRIPLE_DES_3),
            (9, Algorithm.AES),
        )
    }

    assert answers[1] == answers[2] == answers[3]
    assert answers[1][:-1] == answers[9][:-1]
    assert (1, 6) == (answers[1][-1], answers[9][-1])


def test_no_difference_between_faults_behind_ciphering() -> None:
    """Padding, counter and data that come out wrong are one answer: the checksum is.

    Else a sender without keys could ask the card what his octets decipher to.
    """
    packet = SendingEntity(KEYS, SECURE, APPLICATION_TAR).secure(SYNC_NOW, 90)
    answers = set[bytes]()
    for place in range(10, len(packet)):
        changed = bytearray(packet)
        changed[place] ^= 0x40
        answers.add(answer_to(envelopes(deliver(bytes(changed)))))

    assert 1 == len(answers)
    assert ResponseStatus.CHECKSUM_FAILED == answers.pop()[-1]


def test_less_where_the_operator_wants_less() -> None:
    """A card that was ordered so takes packets without a counter; without a checksum none does."""
    card = victim()
    write_least_level(card.memory, SecurityLevel(ciphered=False, counter=CounterRule.NONE))
    uncounted = secured(spi=level(counter=CounterRule.NONE), tar=USIM_TAR, data=b"")
    told = [ResponseApdu.decode(card.transact(apdu)).data for apdu in uncounted]
    before = card.memory.encode()
    for attack in ("no checksum", "redundancy check", "unsecured trigger", "wrong key"):
        for apdu in ATTACKS[attack]():
            card.transact(apdu)

    assert BARE < len(told[-1])
    assert before == card.memory.encode()


def test_redundancy_of_any_kind_is_no_right() -> None:
    """An RC can be made by anybody, so it opens nothing. TS 102 225 clause 5.1.3.2."""
    for kind in Redundancy:
        entity = SendingEntity(KEYS, level(Integrity.REDUNDANCY_CHECK), APPLICATION_TAR, kind)
        told = answer_to(envelopes(deliver(entity.secure(SYNC_NOW, 90))))

        assert ResponseStatus.INSUFFICIENT_SECURITY_LEVEL == told[-1]
