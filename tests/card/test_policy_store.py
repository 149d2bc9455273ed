"""The policy in the memory of the card."""

from dataclasses import replace

import pytest

from cardsync.card.memory import Memory
from cardsync.card.policy_store import PolicyStore
from cardsync.errors import PeerError
from cardsync.octets.apdu import SW
from cardsync.ota.install import MenuEntry, ToolkitParameters
from cardsync.policy.facts import Event
from cardsync.policy.values import EventKind
from mobiles import ENDS, HEAD, POLICY, program, rule

COUNTING = HEAD + rule('"poll"', '{ set = { heard = "heard + 1" } }') + ENDS


def stored(text: str = COUNTING) -> PolicyStore:
    """Give a store with a policy."""
    store = PolicyStore(Memory())
    store.load(program(text))
    return store


def heard(store: PolicyStore) -> int:
    """Give the variable `heard`."""
    machine = store.machine
    assert machine is not None
    names = [variable.name for variable in machine.program.variables]
    return machine.state.variables[names.index("heard")]


def poll(store: PolicyStore) -> None:
    """Give the machine an event and keep what it remembers."""
    machine = store.machine
    assert machine is not None
    store.keep(machine.handle(Event(EventKind.POLL), {}).state)


def test_state_survives() -> None:
    """What the machine remembers is in the memory of the card."""
    store = stored()
    poll(store)
    poll(store)

    assert 2 == heard(PolicyStore(Memory.decode(store._memory.encode())))


def test_new_version_keeps_variables() -> None:
    """A variable of both versions keeps its value; a new one begins. R-21, R-22."""
    store = stored()
    poll(store)
    store.load(program(COUNTING.replace("version = 1", "version = 2").replace("bad", "worse")))

    assert 1 == heard(store)


def test_changed_parameters_survive_a_new_version() -> None:
    """What was set over the air goes on, what was not takes the new policy's value. R-22."""
    store = stored(POLICY)
    store.set_parameter("server", "https://other.example/s")
    store.load(program(POLICY.replace('"24 h"', '"12 h"')))
    request = store.request("all")

    assert request is not None
    assert "https://other.example/s" == request.target.device
    assert store.machine is not None
    assert ("https://other.example/s", 720) == store.machine.state.parameters


def test_bad_program() -> None:
    """A program that is none leaves the old one."""
    store = stored()
    before = store._memory.encode()
    with pytest.raises(PeerError) as refused:
        store.load(b"nothing")

    assert SW.INCORRECT_DATA == refused.value.answer
    assert before == store._memory.encode()


@pytest.mark.parametrize(
    ("name", "text"),
    [("nothing", "1"), ("interval", "soon"), ("interval", "1 min"), ("server", "x" * 201)],
)
def test_bad_parameter(name: str, text: str) -> None:
    """A parameter that is not there, not of its type, or would not fit one FETCH. R-22, O-7."""
    store = stored(POLICY + rule('"timer"', every="${interval}"))
    before = store._memory.encode()
    with pytest.raises(PeerError):
        store.set_parameter(name, text)

    assert before == store._memory.encode()


def test_nothing_yet() -> None:
    """Without a policy there is nothing to set, to ask or to hash."""
    store = PolicyStore(Memory())
    with pytest.raises(PeerError) as refused:
        store.set_parameter("server", "x")

    assert SW.CONDITIONS_NOT_SATISFIED == refused.value.answer
    assert (None, None, b"") == (store.machine, store.request("all"), store.digest())


GRANTED = ToolkitParameters(timers=2, menu_text=11, menu_entries=(MenuEntry(), MenuEntry()))
MENU = COUNTING.replace('"poll"', '{ menu = "Synchronize" }')


def test_no_more_than_was_granted() -> None:
    """A policy that INSTALL leaves no room for is refused, and the old one runs on.

    Timers, menu entries, octets of an entry. TS 102 226 clause 8.2.1.3.2.2.
    """
    store = stored()
    store.grant(GRANTED)
    store.load(program(MENU))
    before = store.digest()
    for least, said in (
        (replace(GRANTED, timers=1), "1 timers"),
        (replace(GRANTED, menu_entries=()), "0 menu entries"),
        (replace(GRANTED, menu_text=10), "10 octets of a menu entry"),
    ):
        store.grant(least)
        with pytest.raises(PeerError, match=f"INSTALL granted {said}") as caught:
            store.load(program(MENU.replace("version = 1", "version = 2")))

        assert (SW.CONDITIONS_NOT_SATISFIED, before) == (caught.value.answer, store.digest())


def test_digest() -> None:
    """The operator reads the hash of the policy back. R-40."""
    store = stored(POLICY)
    machine = store.machine

    assert machine is not None
    assert machine.program.digest()[:8] == store.digest()


def test_requests() -> None:
    """A request has the parameters as they are now. R-22."""
    store = stored(POLICY)
    store.set_parameter("server", "https://now.example/s")
    request = store.request("all")

    assert request is not None
    assert "https://now.example/s" == request.target.device
    assert store.request("another") is None
