"""The registry: states of a card and of its application, and both forms of listing.

GlobalPlatform Card Specification 2.3 clauses 5, 11.4 and 11.10.
"""

from contextlib import suppress

import pytest

from cardsync.card.memory import Memory
from cardsync.card.registry import OWN_AID, CardState, Instance, Registry
from cardsync.errors import PeerError
from cardsync.octets.apdu import SW
from cardsync.ota.globalplatform import GetStatus, RegistryPart, SetStatus
from cardsync.ota.packet import SecurityLevel

AID = b"\xf0appl"


def registry() -> Registry:
    """Give a registry with one application and its load file."""
    found = Registry(Memory())
    found.write_load_file(b"\xf0file", b"image")
    instance = Instance(AID, b"\xf0file", SecurityLevel(), (b"abc",))
    found.write_instance(instance, selectable=True)
    return found


def of_card(state: int) -> SetStatus:
    """Make a SET STATUS of the card itself."""
    return SetStatus(RegistryPart.ISSUER_SECURITY_DOMAIN, b"", state)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (CardState.OP_READY, {CardState.INITIALIZED, CardState.TERMINATED}),
        (CardState.INITIALIZED, {CardState.SECURED, CardState.TERMINATED}),
        (CardState.SECURED, {CardState.CARD_LOCKED, CardState.TERMINATED}),
        (CardState.CARD_LOCKED, {CardState.SECURED, CardState.TERMINATED}),
        (CardState.TERMINATED, set[CardState]()),
    ],
)
def test_states_of_a_card(before: CardState, after: set[CardState]) -> None:
    """Each state is followed by those of figure 5-1 and by no other. Clause 5.1.2."""
    found = set[int]()
    for state in range(256):
        memory = Memory()
        memory.write("card state", bytes([before]))
        moved = Registry(memory)
        with suppress(PeerError):
            moved.set_status(of_card(state))
            found.add(moved.state)

    assert after == found


@pytest.mark.parametrize(
    ("states", "listed"),
    [([], 0x07), ([0x80], 0x87), ([0xFF], 0x87), ([0x83, 0x00], 0x07), ([0x87, 0x07], 0x07)],
)
def test_lock(states: list[int], listed: int) -> None:
    """The first bit locks and lets go again; the others say nothing then. Clause 11.10.2.2."""
    found = registry()
    for state in states:
        found.set_status(SetStatus(RegistryPart.APPLICATIONS, AID, state))
    answer = found.listing(GetStatus(RegistryPart.APPLICATIONS, tagged=False)).data

    assert b"\5" + AID + bytes([listed, 0]) == answer
    assert (listed == 0x87) is found.is_still(AID)


def test_installed_only() -> None:
    """What is not selectable does nothing until it is made so, once. Clause 11.5.2.3.3."""
    found = registry()
    found.write_instance(found.instances()[0], selectable=False)

    assert found.is_still(AID)
    assert 0x03 == found.listing(GetStatus(RegistryPart.APPLICATIONS, tagged=False)).data[6]
    found.make_selectable(AID)
    assert not found.is_still(AID)
    with pytest.raises(PeerError, match="selectable already"):
        found.make_selectable(AID)


def test_untagged() -> None:
    """The older form of GET STATUS, for each part. GlobalPlatform 2.1.1 clause 9.4."""
    found = registry()
    answers = [found.listing(GetStatus(part, tagged=False)).data for part in RegistryPart]

    assert b"\x08" + OWN_AID + b"\x0f\x9e" == answers[0]
    assert b"\5\xf0file\1\0" == answers[2]
    assert answers[2] + b"\2\x0b" == answers[3][:10]
    assert found.listing(GetStatus(RegistryPart.LOAD_FILES, b"\xf0fi", tagged=False)).data


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (SetStatus(RegistryPart.APPLICATIONS, b"other", 0x80), SW.REFERENCED_DATA_NOT_FOUND),
        (SetStatus(RegistryPart.APPLICATIONS, AID, 0x0F), SW.CONDITIONS_NOT_SATISFIED),
        (SetStatus(RegistryPart.LOAD_FILES, b"\xf0file", 0x80), SW.CONDITIONS_NOT_SATISFIED),
    ],
)
def test_refused(command: SetStatus, expected: SW) -> None:
    """What is not there, or has no such state. Clause 11.10.3.2."""
    with pytest.raises(PeerError) as caught:
        registry().set_status(command)

    assert expected == caught.value.answer
