"""A whole life of the application through concatenated short messages, as unkind as they come.

TS 23.040 clause 9.2.3.24.1, TS 31.115 clause 4, TS 102 226 clauses 5 and 8: segments are lost,
repeated and out of order; nothing happens until a packet is whole, and then once.
"""

import random
from collections.abc import Sequence
from functools import cache

from hypothesis import given, settings
from hypothesis import strategies as st

from cardsync.card.uicc import Uicc
from cardsync.octets.apdu import SW
from cardsync.ota.application import (
    APPLICATION_TAR,
    INSTANCE_AID,
    PACKAGE_AID,
    ApplicationImage,
    DataGroup,
    GroupTag,
    ParameterUpdate,
)
from cardsync.ota.globalplatform import Delete, load_blocks
from cardsync.ota.packet import ResponseStatus
from cardsync.ota.script import CompactResponse
from mobiles import (
    HEAD,
    KEYS,
    LOADING,
    POLICY,
    Sender,
    bare_card,
    card_with,
    compact,
    personalising,
    policy_group,
    program,
    receive,
    rule,
)

LARGE = HEAD + "".join(
    [
        rule(f'{{ message = "message-{number:03}" }}', f'{{ tell = "{"text " * 20}{number}" }}')
        for number in range(13)
    ]
)
"""A policy whose program has more than 2,000 octets."""


@cache
def loading_large() -> tuple[tuple[bytes, ...], bytes]:
    """Give the short messages that bring the large program, and one of them that is not in it."""
    group = DataGroup(GroupTag.POLICY, program(LARGE))
    messages = Sender(start=10).messages(compact(*personalising(group)))
    return messages, program(LARGE)


def test_the_program_is_large() -> None:
    """What is tested here is 2 KB over the air, in as many segments as that takes."""
    messages, octets = loading_large()

    assert 2048 <= len(octets) <= 4096
    assert len(octets) // 140 <= len(messages) <= 64


@st.composite
def deliveries(draw: st.DrawFn) -> list[int]:
    """Draw an order in which segments come: each at least once, some more often."""
    count = len(loading_large()[0])
    again = draw(st.lists(st.integers(0, count - 1), max_size=count))
    return list(draw(st.permutations([*range(count), *again])))


@given(deliveries())
@settings(max_examples=150, deadline=None)
def test_reordered_and_repeated(order: Sequence[int]) -> None:
    """2 KB in any order with repetitions: the program is there with its last segment, whole."""
    card, (messages, octets) = card_with(), loading_large()
    last = max(order.index(number) for number in range(len(messages)))
    for place, number in enumerate(order):
        response = receive(card, [messages[number]])

        assert (place >= last) is (octets == card.memory.read("app:program"))
        assert (place == last) is bool(response.data) or place > last


@given(st.sets(st.integers(0, 15), min_size=1), st.randoms(use_true_random=False))
@settings(max_examples=100, deadline=None)
def test_lost(lost: set[int], chance: random.Random) -> None:
    """Without its lost segments nothing of it happens; when they come later, all of it does."""
    card, (messages, octets) = card_with(), loading_large()
    arrived = [message for number, message in enumerate(messages) if number not in lost]
    chance.shuffle(arrived)
    receive(card, arrived)
    assert program(POLICY) == card.memory.read("app:program")
    late = [message for number, message in enumerate(messages) if number in lost]
    report = receive(card, late).data
    sender = Sender()

    assert octets == card.memory.read("app:program")
    assert ResponseStatus.OK == sender.proof(report, counter=11).status


def test_sent_again_after_a_reset() -> None:
    """A reset forgets half a message; the same packet sent again is taken, a third time refused."""
    card, (messages, octets) = card_with(), loading_large()
    receive(card, messages[:-1])
    card.reset()
    receive(card, messages[-1:])
    assert program(POLICY) == card.memory.read("app:program")
    reports = [receive(card, [message]).data for message in messages * 2]
    statuses = [Sender().proof(report, counter=11).status for report in reports if report]

    assert [ResponseStatus.OK, ResponseStatus.COUNTER_LOW] == statuses
    assert octets == card.memory.read("app:program")


class Operator:
    """Sends scripts to one card, each in as many short messages as it takes, the last first."""

    def __init__(self, card: Uicc) -> None:
        self.card, self.sender = card, Sender(KEYS)

    def run(self, script: bytes) -> tuple[int, int]:
        """Run a compact script; give how many commands were done and the last status word."""
        messages = self.sender.messages(script)
        proof = self.sender.proof(receive(self.card, messages[::-1]).data)
        response = CompactResponse.decode(proof.data)
        return response.executed, response.sw


def test_whole_life() -> None:
    """Loaded, installed, parameterised, updated twice and deleted: all by short messages.

    R-20 to R-22.
    """
    card = bare_card()
    operator = Operator(card)
    newer = [one.encode() for one in load_blocks(ApplicationImage((1, 1), 1, "new " * 40).encode())]

    assert (len(LOADING), SW.OK) == operator.run(compact(*LOADING))
    assert SW.OK == operator.run(compact(*personalising(policy_group())))[1]
    update = ParameterUpdate("server", "https://new.example/").encode()
    receive(card, operator.sender.messages(update, APPLICATION_TAR))
    assert b"https://new.example/" in card.memory.read("app:state")
    changed = POLICY.replace("version = 1", "version = 2")
    assert SW.OK == operator.run(compact(*personalising(policy_group(changed))))[1]
    assert program(changed) == card.memory.read("app:program")
    assert b"https://new.example/" in card.memory.read("app:state")
    assert (1 + len(newer), SW.OK) == operator.run(compact(LOADING[0], *newer))
    assert b"https://new.example/" in card.memory.read("app:state")
    assert (1, SW.OK) == operator.run(compact(Delete(PACKAGE_AID, related=True).encode()))
    assert () == card.memory.names("app:") + card.memory.names(f"instance:{INSTANCE_AID.hex()}")
