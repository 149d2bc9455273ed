"""Another application of the card asks for a synchronization: who may, who may not. R-44.

The other application is installed over the air, selected by its AID on a channel of its own or
told by a secured packet to its TAR; the device-management application hears it through the domain.
"""

import pytest

from cardsync.card.requester import ASK
from cardsync.octets.apdu import SW, CommandApdu, Ins, ResponseApdu
from cardsync.ota.application import INSTANCE_AID, PACKAGE_AID, REQUESTER_MODULE_AID
from cardsync.ota.globalplatform import Delete, GetStatus, RegistryEntry, RegistryPart, SetStatus
from cardsync.ota.install import (
    TRUSTED_PATH,
    InstallForInstall,
    InstallForPersonalization,
    InstallParameters,
    ToolkitParameters,
)
from cardsync.ota.packet import ResponseStatus, SecurityLevel
from cardsync.ota.script import CompactResponse
from mobiles import (
    ENDS,
    HEAD,
    LOADING,
    Mobile,
    Sender,
    bare_card,
    card_with,
    compact,
    receive,
    rule,
)

WALLET = bytes.fromhex("A0000000871004FF33FF018900000100")
STRANGER = bytes.fromhex("A0000000871004FF33FF018900000200")
WALLET_TAR = bytes.fromhex("BFFF10")
NO_RIGHT = b"\0"
POLICY = HEAD + rule(f'{{ application = "{WALLET.hex()}" }}') + ENDS


def installing(
    aid: bytes = WALLET, privileges: bytes = TRUSTED_PATH, tars: tuple[bytes, ...] = ()
) -> CommandApdu:
    """Give the INSTALL of another application."""
    toolkit = ToolkitParameters(tars=tars, minimum=SecurityLevel()) if tars else None
    parameters = InstallParameters(toolkit=toolkit)
    return InstallForInstall(
        PACKAGE_AID, REQUESTER_MODULE_AID, aid, parameters, privileges
    ).encode()


def mobile(*commands: CommandApdu, policy: str = POLICY) -> tuple[Mobile, Sender, list[int]]:
    """Give a mobile in whose card these commands were done over the air, with their answers."""
    card, sender = card_with(policy), Sender(start=10)
    answers = []
    for command in commands:
        proof = sender.proof(receive(card, sender.messages(compact(command))).data)
        answers.append(CompactResponse.decode(proof.data).sw)
    return Mobile(card).on(), sender, answers


def ask(there: Mobile, aid: bytes = WALLET) -> int:
    """Open a channel, select the application, ask, close; then the terminal goes on."""

    def sent(
        cla: int, ins: int, p1: int, p2: int, data: bytes = b"", le: int | None = None
    ) -> ResponseApdu:
        return ResponseApdu.decode(there.transact(CommandApdu(cla, ins, p1, p2, data, le).encode()))

    (channel,) = sent(0x00, Ins.MANAGE_CHANNEL, 0, 0, le=1).data
    selected = sent(0x00 | channel, Ins.SELECT, 4, 0, aid, 256)
    answer = sent(0x80 | channel, ASK, 0, 0).sw
    sent(0x00, Ins.MANAGE_CHANNEL, 0x80, channel)
    there.poll()
    return answer if selected.sw == SW.OK or selected.sw >> 8 == 0x91 else selected.sw


def test_it_asks_and_is_heard() -> None:
    """With both halves of the right one synchronization follows, as for any other event. R-44."""
    there, _, answers = mobile(installing())
    answer = ask(there)

    assert [SW.OK] == answers
    assert 0x91 == answer >> 8  # a command waits already
    assert 1 == len(there.agent.orders)
    assert f"application {WALLET.hex().upper()}" in there.card.applet.journal[-1]


def test_without_the_privilege() -> None:
    """The policy names it, but it was installed without the privilege: the firewall refuses."""
    there, _, answers = mobile(installing(privileges=NO_RIGHT))
    before = there.card.memory.read("app:state")

    assert [SW.OK] == answers
    assert SW.SECURITY_NOT_SATISFIED == ask(there)
    assert [] == there.agent.orders
    assert before == there.card.memory.read("app:state")


def test_without_a_rule() -> None:
    """It has the privilege, but the policy names another one: refused, nothing has changed."""
    there, _, _ = mobile(installing(STRANGER))

    assert SW.SECURITY_NOT_SATISFIED == ask(there, STRANGER)
    assert [] == there.agent.orders


def test_that_is_not_installed() -> None:
    """An AID that the registry does not have cannot even be selected. TS 102 221 clause 11.1.1."""
    there, _, _ = mobile()

    assert SW.FILE_NOT_FOUND == ask(there)
    assert [] == there.agent.orders


def test_locked_and_deleted() -> None:
    """A locked application is not heard, nor one whose peer is locked; a deleted one is gone."""
    lock = SetStatus(RegistryPart.APPLICATIONS, WALLET, 0x87).encode()
    there, _, _ = mobile(installing(), lock)

    assert SW.SECURITY_NOT_SATISFIED == ask(there)

    peer = SetStatus(RegistryPart.APPLICATIONS, INSTANCE_AID, 0x87).encode()
    there, _, _ = mobile(installing(), peer)

    assert SW.CONDITIONS_NOT_SATISFIED == ask(there)

    there, _, _ = mobile(installing(), Delete(WALLET).encode())

    assert SW.FILE_NOT_FOUND == ask(there)
    assert [] == there.agent.orders


def test_deleted_while_it_is_selected() -> None:
    """Whoever had it selected has nothing any more."""
    there, sender, _ = mobile(installing())
    there.transact(CommandApdu(0x00, Ins.SELECT, 4, 0x0C, WALLET).encode())
    receive(there.card, sender.messages(compact(Delete(WALLET).encode())))
    answer = there.transact(CommandApdu(0x80, ASK, 0, 0).encode())

    assert SW.SECURITY_NOT_SATISFIED == ResponseApdu.decode(answer).sw


@pytest.mark.parametrize("privileges", [TRUSTED_PATH, NO_RIGHT])
def test_by_a_packet_to_its_tar(privileges: bytes) -> None:
    """What it hears from outside makes it ask; without the right the proof says that it failed."""
    there, sender, _ = mobile(installing(privileges=privileges, tars=(WALLET_TAR,)))
    report = there.message(sender.messages(b"\x00", WALLET_TAR))
    proof = sender.proof(report, WALLET_TAR)
    heard = privileges == TRUSTED_PATH

    assert (ResponseStatus.OK if heard else ResponseStatus.UNIDENTIFIED_SECURITY_ERROR) == (
        proof.status
    )
    assert int(heard) == len(there.agent.orders)


def test_limits_hold_for_it_too() -> None:
    """It may ask as often as it likes: the limit of the day is the policy's. O-8."""
    policy = POLICY.replace("synchronizations_per_day = 20", "synchronizations_per_day = 2")
    there, _, _ = mobile(installing(), policy=policy)
    for _ in range(5):
        ask(there)
        if there.agent.references:
            there.end(there.agent.references[-1])

    assert 2 == len(there.agent.orders)


def test_registry() -> None:
    """GET STATUS lists both with their privileges; only one is personalised. Clause 11.4."""
    there, _, answers = mobile(
        installing(), installing(), InstallForPersonalization(WALLET).encode()
    )
    listed = RegistryEntry.decode_all(
        there.card._domain.transact(GetStatus(RegistryPart.APPLICATIONS).encode()).data
    )

    assert [SW.OK, SW.CONDITIONS_NOT_SATISFIED, SW.REFERENCED_DATA_NOT_FOUND] == answers
    assert {WALLET: TRUSTED_PATH, INSTANCE_AID: b"\0"} == {
        one.aid: one.privileges for one in listed
    }


def test_deleting_it_leaves_the_policy() -> None:
    """Its end is none of the device-management application's."""
    there, _, _ = mobile(installing(), Delete(WALLET).encode())

    assert there.card.memory.read("app:program")


def test_registry_is_bounded() -> None:
    """Sixteen applications at most. GlobalPlatform clause 11.5.3.1."""
    aids = [WALLET[:-2] + number.to_bytes(2, "big") for number in range(17)]
    _, _, answers = mobile(*map(installing, aids))

    assert [SW.OK] * 15 + [SW.NOT_ENOUGH_MEMORY] * 2 == answers


def test_without_a_policy() -> None:
    """An application that nobody can hear is refused."""
    card, sender = bare_card(), Sender()
    receive(card, sender.messages(compact(*LOADING, installing())))

    assert SW.SECURITY_NOT_SATISFIED == ask(Mobile(card).on())
