"""Secured short messages: what is refused has its status and changes nothing; who may speak.

TS 102 225 clause 5, TS 31.115 clause 4.
"""

import random
from collections.abc import Sequence

import pytest

from cardsync.card.secured import SecuredMessages, read_key_sets, write_key_set
from cardsync.card.uicc import Uicc
from cardsync.octets.apdu import CommandApdu, Ins, ResponseApdu
from cardsync.ota.application import APPLICATION_TAR, ISSUER_DOMAIN_TAR, Trigger
from cardsync.ota.globalplatform import GetStatus, RegistryPart
from cardsync.ota.packet import CounterRule, Integrity, Proof, ResponseStatus, SecurityLevel, Spi
from cardsync.ota.script import CompactResponse, ExpandedResponse, ExpandedScript
from cardsync.ota.security import Algorithm, Key, KeySet
from cardsync.ota.session import SendingEntity
from cardsync.toolkit.codes import CommandType
from cardsync.toolkit.commands import ProactiveCommand, required
from cardsync.toolkit.objects import SmsTpdu
from cardsync.transport.sms import Submit
from cardsync.transport.user_data import UserData
from mobiles import (
    KEYS,
    SECURE,
    WRONG_KEYS,
    Sender,
    bare_card,
    card_with,
    compact,
    deliver,
    envelope_of,
    join,
    receive,
    tpdu,
    trigger,
)

IN_SUBMIT = Spi(proof_in_submit=True)
LIST = compact(GetStatus(RegistryPart.APPLICATIONS).encode())


def refused(card: Uicc, messages: Sequence[bytes]) -> int:
    """Bring messages that the card shall refuse; give the status in its bare proof, else -1."""
    before = card.memory.encode()
    response = receive(card, messages)

    assert before == card.memory.encode()
    assert 0x9000 == response.sw
    return response.data[-1] if response.data else -1


def status(report: bytes, sender: Sender, tar: bytes = ISSUER_DOMAIN_TAR) -> ResponseStatus:
    """Read the status of a proof."""
    return sender.proof(report, tar).status


def test_proof_of_receipt() -> None:
    """A right packet is executed, and proved with the keys. R-20, TS 102 225 clause 5.2."""
    card, sender = card_with(), Sender(start=10)
    proof = sender.proof(receive(card, sender.messages(LIST)).data)

    assert proof.authenticated
    assert (1, 0x9000) == (
        CompactResponse.decode(proof.data).executed,
        CompactResponse.decode(proof.data).sw,
    )


@pytest.mark.parametrize(
    ("sender", "tar", "expected"),
    [
        (Sender(WRONG_KEYS, start=90), ISSUER_DOMAIN_TAR, ResponseStatus.CHECKSUM_FAILED),
        (Sender(start=90), b"\xb0\0\1", ResponseStatus.TAR_UNKNOWN),
        (
            Sender(KeySet(2, KEYS.kic, KEYS.kid), start=90),
            ISSUER_DOMAIN_TAR,
            ResponseStatus.UNIDENTIFIED_SECURITY_ERROR,
        ),
        (
            Sender(KEYS, Spi(SecurityLevel(ciphered=False), proof_ciphered=False), start=90),
            APPLICATION_TAR,
            ResponseStatus.INSUFFICIENT_SECURITY_LEVEL,
        ),
        (
            Sender(
                KEYS,
                Spi(
                    SecurityLevel(Integrity.NONE, ciphered=False, counter=CounterRule.NONE),
                    proof_integrity=Integrity.NONE,
                    proof_ciphered=False,
                ),
                start=90,
            ),
            APPLICATION_TAR,
            ResponseStatus.INSUFFICIENT_SECURITY_LEVEL,
        ),
        (
            Sender(
                KEYS,
                Spi(SecurityLevel(counter=CounterRule.AVAILABLE)),
                start=90,
            ),
            ISSUER_DOMAIN_TAR,
            ResponseStatus.INSUFFICIENT_SECURITY_LEVEL,
        ),
        (
            Sender(
                KEYS,
                Spi(
                    SecurityLevel(Integrity.REDUNDANCY_CHECK, ciphered=False),
                    proof_integrity=Integrity.NONE,
                    proof_ciphered=False,
                ),
                start=90,
            ),
            APPLICATION_TAR,
            ResponseStatus.INSUFFICIENT_SECURITY_LEVEL,
        ),
    ],
    ids=["wrong key", "TAR", "key set", "not ciphered", "unsecured", "no counter", "RC"],
)
def test_refused(sender: Sender, tar: bytes, expected: ResponseStatus) -> None:
    """Each refusal has its status; the memory image is the same before and after. R-23."""
    card = card_with()

    assert expected == refused(card, sender.messages(Trigger("sync-now").encode(), tar))
    assert {expected: 1} == card._secured.refusals


def test_replay() -> None:
    """A packet that comes again is refused with "counter low", proved, and changes nothing.

    R-23, R-45: a short message delivered twice starts one synchronization.
    """
    card, sender = card_with(), Sender(start=10)
    messages = sender.messages(LIST)
    receive(card, messages)
    before = card.memory.encode()
    response = receive(card, messages)

    assert ResponseStatus.COUNTER_LOW == status(response.data, sender)
    assert before == card.memory.encode()


@pytest.mark.parametrize("counter", [0, 1, 2])
def test_old_counter(counter: int) -> None:
    """A new packet with an old counter is as old. R-23."""
    card, sender = card_with(), Sender()  # it took two packets
    response = receive(card, sender.messages(LIST, counter=counter))

    assert ResponseStatus.COUNTER_LOW == sender.proof(response.data, counter=counter).status


def test_counter_survives_a_reset() -> None:
    """The counter is in the memory before the command is executed. TS 102 225 clause 5.1.4."""
    card, sender = card_with(), Sender(start=10)
    messages = sender.messages(LIST)
    receive(card, messages)
    again = Uicc(type(card.memory).decode(card.memory.encode()))

    assert ResponseStatus.COUNTER_LOW == status(receive(again, messages).data, sender)


def ready() -> Uicc:
    """Give a card whose terminal has told that it can do next to nothing."""
    card = card_with()
    profile = CommandApdu(0x80, Ins.TERMINAL_PROFILE, data=b"\1").encode()
    fetched_submits(card, int.from_bytes(card.transact(profile), "big"))
    return card


def fetched_submits(card: Uicc, sw: int) -> list[UserData]:
    """Fetch all commands; give the user data of the short messages in them."""
    found = []
    while sw >> 8 == 0x91:
        octets = card.transact(CommandApdu(0x80, Ins.FETCH, le=sw & 0xFF or 256).encode())
        command = ProactiveCommand.decode(octets[:-2])
        if command.details.type == CommandType.SEND_SHORT_MESSAGE:
            submit = Submit.decode(required(command.parts, SmsTpdu).tpdu)
            assert "1234" == submit.destination.number
            found.append(submit.user_data)
        details = command.details.value()
        answer = b"\x81\x03" + details + bytes.fromhex("02028281030100")
        sw = int.from_bytes(
            card.transact(CommandApdu(0x80, Ins.TERMINAL_RESPONSE, data=answer).encode()), "big"
        )
    return found


def test_proof_in_submit() -> None:
    """The proof may come as a short message of the card. TS 31.115 clause 4.2."""
    card, sender = ready(), Sender(spi=IN_SUBMIT, start=10)
    response = receive(card, sender.messages(LIST))
    (content,) = fetched_submits(card, response.sw)

    assert b"" == response.data
    assert ResponseStatus.OK == status(content.encode(), sender)


@pytest.mark.parametrize("messages", ["replay", "wrong key", "unsecured", "TAR"])
def test_nobody_without_keys_makes_the_card_speak(messages: str) -> None:
    """Whoever has no key gets no short message from the card, to whatever number.

    A packet that was right once is no exception: who sends it again may be anybody. R-04.
    """
    card, sender = ready(), Sender(spi=IN_SUBMIT, start=10)
    fetched_submits(card, receive(card, sender.messages(LIST)).sw)
    unsecured = Spi(
        SecurityLevel(Integrity.NONE, ciphered=False, counter=CounterRule.NONE),
        proof_integrity=Integrity.NONE,
        proof_ciphered=False,
        proof_in_submit=True,
    )
    forged = {
        "replay": sender.messages(LIST, counter=11),
        "wrong key": Sender(WRONG_KEYS, IN_SUBMIT, 90).messages(LIST),
        "unsecured": Sender(KEYS, unsecured, 90).messages(LIST),
        "TAR": Sender(spi=IN_SUBMIT, start=90).messages(LIST, b"\xb0\0\1"),
    }[messages]
    response = receive(card, forged)

    assert 0x9000 == response.sw
    assert b"" != response.data


def test_proof_longer_than_a_report() -> None:
    """What does not fit the report comes by short messages; the report says so with 0B.

    TS 31.115 clause 7.
    """
    card = ready()
    sender = Sender(start=10)
    script = ExpandedScript(tuple([GetStatus(part).encode() for part in RegistryPart] * 2)).encode()
    response = receive(card, sender.messages(script))
    whole = join(fetched_submits(card, response.sw))
    proof = SendingEntity(KEYS, SECURE, ISSUER_DOMAIN_TAR).receive_data(whole.data, sender.counter)

    assert ResponseStatus.RESPONSE_BY_SMS_SUBMIT == status(response.data, sender)
    assert 8 == ExpandedResponse.decode(proof.data).executed


@pytest.mark.parametrize(
    ("proof", "expected"), [(Proof.NONE, False), (Proof.ON_ERROR, False), (Proof.REQUIRED, True)]
)
def test_proof_as_asked(proof: Proof, *, expected: bool) -> None:
    """No proof where none is wanted. TS 102 225 clause 5.1.1."""
    card, sender = card_with(), Sender(spi=Spi(proof=proof), start=10)

    assert expected is bool(receive(card, sender.messages(LIST)).data)


def test_plain_short_message() -> None:
    """A message without a command packet starts nothing, whatever it says. R-45."""
    card = card_with()

    assert -1 == refused(card, [tpdu(UserData(Trigger("sync-now").encode()))])


def test_truncated() -> None:
    """A packet cut anywhere changes nothing."""
    card = card_with()
    packet = SendingEntity(KEYS, SECURE, APPLICATION_TAR).secure(Trigger("sync-now").encode(), 90)
    for length in range(len(packet)):
        refused(card, deliver(packet[:length], length))


def test_segments_of_many_messages() -> None:
    """Segments that never become whole take a bounded room, and a reset forgets them."""
    card = card_with()
    for number in range(200):
        messages = Sender(WRONG_KEYS, start=number).messages(bytes(300))
        refused(card, messages[:1])

    assert 4 == len(card._secured._reassembler)

    card.reset()

    assert 0 == len(card._secured._reassembler)


def test_too_many_segments() -> None:
    """A message of more than 64 segments is refused at its first one."""
    card = bare_card()
    first = Sender(WRONG_KEYS).messages(bytes(64 * 140))[0]

    assert 0x6A80 == ResponseApdu.decode(card.transact(envelope_of(first))).sw


def test_segments_in_any_order() -> None:
    """Segments come in any order and more than once. TS 23.040 clause 9.2.3.24.1."""
    card, sender = card_with(), Sender(start=10)
    script = ExpandedScript((GetStatus(RegistryPart.APPLICATIONS).encode(),) * 40).encode()
    messages = list(sender.messages(script))
    random.Random(3).shuffle(messages)
    reports = [receive(card, [one]).data for one in [*messages[:1], *messages]]

    assert 3 <= len(messages)
    assert [False] * len(messages) + [True] == [bool(report) for report in reports]


def test_failing_command_changes_only_the_counter() -> None:
    """What the application refuses is undone; the counter has moved, so that it cannot return."""
    card, sender = card_with(), Sender(start=10)
    names = set(card.memory.names(""))
    before = {name: card.memory.read(name) for name in names}
    bad = Trigger("sync-now").encode() + b"\x99\x01\x00"
    response = receive(card, sender.messages(bad, APPLICATION_TAR))
    after = {name: card.memory.read(name) for name in card.memory.names("")}

    assert ResponseStatus.UNIDENTIFIED_SECURITY_ERROR == status(
        response.data, sender, APPLICATION_TAR
    )
    assert {"counter:1"} == {name for name in after if after[name] != before.get(name)}


def test_key_sets() -> None:
    """Key sets are read from the memory as they were written, whatever the algorithm."""
    memory = bare_card().memory
    others = [
        KeySet(15, Key(Algorithm.TRIPLE_DES_3, bytes(range(24))), Key(Algorithm.AES, bytes(32))),
        KeySet(3, Key(Algorithm.TRIPLE_DES_2, bytes(range(16))), Key(Algorithm.DES, bytes(8))),
    ]
    for one in others:
        write_key_set(memory, one)

    assert {1: KEYS, 15: others[0], 3: others[1]} == read_key_sets(memory)


def test_keys_are_not_shown() -> None:
    """No key stands in a representation of what holds it."""
    assert KEYS.kic.octets.hex() not in repr(KEYS) + repr(SecuredMessages(bare_card().memory))


def test_trigger_by_the_operator() -> None:
    """A secured trigger is taken; the proof carries the beginning of the policy's hash. R-40."""
    card, sender = card_with(), Sender(start=10)
    proof = sender.proof(receive(card, trigger(sender)).data, APPLICATION_TAR)
    machine = card.applet._policy.machine

    assert machine is not None
    assert machine.program.digest()[:8] == proof.data
