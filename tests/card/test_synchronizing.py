"""One synchronization from its order to its end: results, attempts, resets at each point (O-3)."""

from collections.abc import Callable

import pytest

from cardsync.card.memory import Memory
from cardsync.card.orders import Orders
from cardsync.card.secured import write_key_set
from cardsync.card.uicc import Uicc
from cardsync.errors import LocalError
from cardsync.octets.apdu import CommandApdu, Ins
from cardsync.ota.application import PACKAGE_AID
from cardsync.ota.globalplatform import Delete
from cardsync.ota.security import Algorithm, Key, KeySet
from cardsync.ota.token import derive_token_key, verify_token
from cardsync.toolkit.codes import GeneralResult
from cardsync.toolkit.commands import ProactiveCommand, first
from cardsync.toolkit.objects import Result
from cardsync.toolkit.synchronization import status_event
from cardsync.toolkit.synchronization_objects import (
    CODE_POINTS,
    AuthenticationReference,
    Phase,
    Summary,
)
from mobiles import (
    ENDS,
    HEAD,
    KEYS,
    LOADING,
    OTHER_IMEI,
    PERFORMED,
    POLICY,
    RETRY,
    SYNC_NOW,
    Agent,
    Mobile,
    Sender,
    card_with,
    compact,
    personalising,
    policy_group,
    receive,
    rule,
    trigger,
    variables,
)

TEMPORARY, PERMANENT, INTERRUPTED = Result(0x2E, b"\2"), Result(0x3E, b"\5"), Result(0x2E, b"\5")
BUSY = Result(0x20, b"\x70\1\2\3\4")
SILENT = POLICY.replace('"final"', '"none"')


class Lost(Exception):
    """The power went."""


def ordered(policy: str = POLICY, result: Result = PERFORMED) -> Mobile:
    """Give a mobile whose card has just been triggered; it answers orders with `result`."""
    there = Mobile(card_with(policy), Agent(result)).on()
    there.message(trigger(Sender(start=10)))
    return there


def ends(there: Mobile) -> tuple[int, int]:
    """How often the policy heard of a good and of a bad end."""
    found = variables(there.card)
    return found["good"], found["bad"]


def rebooted(there: Mobile, **changes: object) -> Mobile:
    """Give a new mobile with the card as its memory is now."""
    card = Uicc(Memory.decode(there.card.memory.encode()))
    return Mobile(card, **changes)  # type: ignore[arg-type]  # fields of Mobile


@pytest.mark.parametrize(
    ("result", "good"),
    [
        (Result(0x00), 1), (Result(0x01), 1), (Result(0x07, b"\xc9"), 1),
        (Result(0x10), 0), (Result(0x22, b"\1"), 0), (PERMANENT, 0), (Result(0x3E, b"\x0f\0\1"), 0),
    ],
)  # fmt: skip
def test_each_end(result: Result, good: int) -> None:
    """Success, partial success, refusal and failure reach the policy, once. R-63."""
    there = ordered()
    reference = there.agent.references[0]

    assert there.end(reference, result)
    assert (good, 1 - good) == ends(there)

    there.end(reference, result)

    assert (good, 1 - good) == ends(there)


def test_what_the_policy_knows_of_the_result() -> None:
    """General result, its additional information and the native status are facts. R-63."""
    text = (
        HEAD
        + SYNC_NOW
        + rule(
            '"synchronized"',
            '{ set = { heard = "result.native" } }',
            "result.general == 62 and result.additional == 5",
        )
    )
    there = ordered(text)
    there.end(there.agent.references[0], Result(0x3E, b"\5\1\x91"), Summary(native=401))

    assert 401 == variables(there.card)["heard"]


@pytest.mark.parametrize("result", [Result(0x30), Result(0x31), Result(0x32), Result(0x22, b"\0")])
def test_refused_at_once(result: Result) -> None:
    """What the terminal cannot or the user will not is not tried again. O-4, O-6."""
    there = ordered(result=result)
    there.later(24 * 3600)

    assert (0, 1) == ends(there)
    assert 1 == len(there.agent.orders)


@pytest.mark.parametrize("result", [BUSY, Result(0x20, b"\x71"), Result(0x21, b"\0")])
def test_refused_for_now(result: Result) -> None:
    """A terminal that is unable now is asked again after 10 and 20 minutes, then no more. R-63.

    TIMER MANAGEMENT with back-off; each attempt has a reference and a token of its own.
    """
    there = ordered(result=result)
    delays = list[int]()
    for _ in range(2):
        before = there.now
        while len(there.agent.orders) == len(delays) + 1:
            there.later(60)
        delays.append(int(there.now - before) // 60)
    there.later(24 * 3600)
    key = derive_token_key(KEYS.kid.octets)
    tokens = [first(one.parts, AuthenticationReference) for one in there.agent.orders]

    assert [10, 20] == delays
    assert (0, 1) == ends(there)
    assert 3 == len(set(there.agent.references))
    assert [1, 2, 3] == [verify_token(key, token.data, "devman") for token in tokens if token]


def test_no_key_for_a_token() -> None:
    """A card whose only key is too weak for a token orders nothing, and records why. O-5."""
    card = card_with(POLICY)
    weak = Key(Algorithm.DES, bytes(range(8)))
    write_key_set(card.memory, KeySet(1, weak, weak))
    there = Mobile(card).on()
    there.message(trigger(Sender(KeySet(1, weak, weak), start=10)))

    assert [] == there.agent.orders
    assert "all: no key for a token, or no command for it" in card.applet.journal
    assert Orders(card.memory).session is None


def test_answer_that_comes_too_late() -> None:
    """The answer to a command whose session is over means nothing."""
    card = card_with(POLICY)
    there = Mobile(card).on()
    receive(card, trigger(Sender(start=10)))
    session = Orders(card.memory).session
    assert session is not None
    there.end(session.reference, Result(0x22))  # before the terminal fetches what waits

    assert (0, 1) == ends(there)
    assert [session.reference] == there.agent.references


def test_command_that_does_not_fit() -> None:
    """An order that cannot be said to the terminal is over at once, as not supported. O-7."""
    there = Mobile(card_with(POLICY)).on()
    offer, tried = there.card._session.offer, list[int]()

    def refuse(command: ProactiveCommand) -> int:
        if command.details.type == CODE_POINTS.command:
            tried.append(1)
            raise LocalError("it does not fit")
        return offer(command)

    there.card._session.offer = refuse  # type: ignore[method-assign]  # a card with less room
    there.message(trigger(Sender(start=10)))

    assert ([1], (0, 1)) == (tried, ends(there))


def test_busy_server() -> None:
    """A server that wants to be left alone for an hour is. Retry-After."""
    there = ordered()
    there.end(there.agent.references[0], Result(0x2E, b"\3\x0e\x10"))
    there.later(59 * 60)

    assert 1 == len(there.agent.orders)

    there.later(60)

    assert 2 == len(there.agent.orders)


def test_success_of_a_later_attempt() -> None:
    """The policy hears of the end, not of the attempts."""
    there = ordered()
    there.end(there.agent.references[0], TEMPORARY)
    there.later(600)
    there.end(there.agent.references[1])

    assert (1, 0) == ends(there)


def test_end_of_an_attempt_that_is_over() -> None:
    """The event of an earlier attempt means nothing while the next one waits or runs."""
    there = ordered()
    there.end(there.agent.references[0], TEMPORARY)

    assert there.end(there.agent.references[0])
    assert (0, 0) == ends(there)

    there.later(600)
    there.end(there.agent.references[0])

    assert (0, 0) == ends(there)


@pytest.mark.parametrize("reference", [b"\0\0\0\0", b"xx", b"12345678"])
def test_wrong_reference(reference: bytes) -> None:
    """The end of a session that is not ours is taken and changes nothing. R-63."""
    there = ordered()
    session = Orders(there.card.memory).session

    assert there.end(reference)
    assert session == Orders(there.card.memory).session
    assert (0, 0) == ends(there)
    assert [] == there.handset.shown


def test_progress() -> None:
    """An event of progress is no end."""
    there = ordered()
    there.end(there.agent.references[0], summary=Summary(phase=Phase.EXCHANGING))

    assert (0, 0) == ends(there)
    assert there.end(there.agent.references[0])
    assert (1, 0) == ends(there)


def test_no_notification_wanted() -> None:
    """With "no" the session is over at acceptance, and nothing is waited for. R-56, R-64."""
    there, sender = ordered(SILENT), Sender(start=20)
    there.message(trigger(sender))

    assert 2 == len(there.agent.orders)
    assert (0, 0) == ends(there)
    assert Orders(there.card.memory).session is None


def test_no_notification_wanted_and_refused() -> None:
    """What the terminal refuses at once is known all the same."""
    there = ordered(SILENT, PERMANENT)

    assert (0, 1) == ends(there)


def test_acceptance_is_not_the_end() -> None:
    """The order is answered at once, the result comes by event; polls go on meanwhile. O-1."""
    there = ordered()
    there.poll(10)

    assert there.card._session.idle
    assert (0, 0) == ends(there)


def test_terminal_that_never_answers() -> None:
    """A command that is fetched and not answered for 20 polls counts as not supported. O-4."""
    there = Mobile(card_with(POLICY)).on()
    there.meddle = _swallow_orders
    there.message(trigger(Sender(start=10)))
    there.equipment._session.reset()
    for _ in range(25):
        there.card.transact(CommandApdu(0x80, Ins.STATUS, 0, 0x0C).encode())

    assert (0, 1) == ends(there)
    assert "all: result 31, 0" in there.card.applet.journal


def _swallow_orders(apdu: bytes, response: bytes) -> bytes:
    """Let the terminal hang at our command."""
    if apdu[1] == Ins.FETCH and bytes([CODE_POINTS.command]) in response[4:8]:
        return b"\x6f\x00"
    return response


def test_terminal_that_never_tells() -> None:
    """After an hour without a word an accepted session has timed out, and is tried again."""
    there = ordered()
    there.poll(121)

    assert "all: result 2E01, 0" in there.card.applet.journal
    assert Orders(there.card.memory).session is not None

    there.later(600)

    assert 2 == len(there.agent.orders)


def test_session_of_its_own_length() -> None:
    """A request may allow more than half an hour; twice that is waited."""
    text = POLICY.replace("retry =", 'duration = "90 min"\nretry =')
    there = ordered(text)
    there.poll(3 * 120)

    assert [] == [line for line in there.card.applet.journal if "result" in line]

    there.poll(2)

    assert "all: result 2E01, 0" in there.card.applet.journal


# Reset and loss of power, at every point.


def test_reset_before_the_order_is_fetched() -> None:
    """The order goes out at the next power-on, with the same reference and token. O-3."""
    card, sender = card_with(POLICY), Sender(start=10)
    there = Mobile(card).on()
    there.forget()
    receive(card, trigger(sender))
    session = Orders(card.memory).session
    again = rebooted(there).on()

    assert session is not None
    assert [session.reference] == again.agent.references
    assert 1 == Orders(again.card.memory).session.resumed  # type: ignore[union-attr]  # under way


@pytest.mark.parametrize("lost", [Ins.FETCH, Ins.TERMINAL_RESPONSE])
def test_power_lost_around_the_answer(lost: Ins) -> None:
    """Whether the order or its answer was lost, it is the same order again. O-2, O-3."""
    card = card_with(POLICY)
    there = Mobile(card).on()
    there.forget()
    there.meddle = _power_cut(lost)
    with pytest.raises(Lost):
        there.message(trigger(Sender(start=10)))
    there.agent.orders.clear()
    again = rebooted(there).on()
    again.end(again.agent.references[0])

    assert 1 == len(again.agent.orders)
    assert (1, 0) == ends(again)


def _power_cut(ins: int) -> Callable[[bytes, bytes], bytes]:
    """Cut the power when this instruction of our command is exchanged."""

    def meddle(apdu: bytes, response: bytes) -> bytes:
        if apdu[1] == ins and bytes([CODE_POINTS.command]) in (response + apdu)[4:]:
            raise Lost
        return response

    return meddle


def test_power_lost_at_every_exchange() -> None:
    """Cut off after any exchange of the whole journey, the card comes to its end. O-3.

    From power-on to the text for the user; the terminal loses its power too, and knows no order.
    """
    whole = Mobile(card_with(POLICY)).on()
    whole.message(trigger(Sender(start=10)))
    whole.end(whole.agent.references[0])
    for cut in range(len(whole.exchanges)):
        there = Mobile(card_with(POLICY))
        there.meddle = _cut_after(cut)
        with pytest.raises(Lost):
            _journey(there)
        again = rebooted(there).on()
        if not again.agent.orders and ends(again) == (0, 0):
            again.message(trigger(Sender(start=20)))
        if again.agent.orders:
            again.end(again.agent.references[-1])

        assert (1, 0) == ends(again)
        assert Orders(again.card.memory).session is None


def _journey(there: Mobile) -> None:
    there.on()
    there.message(trigger(Sender(start=10)))
    there.end(there.agent.references[0])


def _cut_after(count: int) -> Callable[[bytes, bytes], bytes]:
    left = [count]

    def meddle(_: bytes, response: bytes) -> bytes:
        if not left[0]:
            raise Lost
        left[0] -= 1
        return response

    return meddle


def test_reset_while_the_terminal_synchronizes() -> None:
    """Reset of the card alone: the terminal knows the order, and the event is still taken. O-3."""
    there = ordered()
    reference = there.agent.references[0]
    there.on()

    assert [reference, reference] == there.agent.references
    assert there.end(reference)
    assert (1, 0) == ends(there)


def test_interrupted_is_tried_at_once() -> None:
    """After a loss of the terminal's power the next attempt follows without a delay. O-3."""
    there = ordered()
    there.end(there.agent.references[0], INTERRUPTED)

    assert 2 == len(set(there.agent.references))

    for _ in range(2):
        there.end(there.agent.references[-1], INTERRUPTED)

    assert 3 == len(set(there.agent.references))
    assert (0, 1) == ends(there)


def test_event_whose_answer_was_lost() -> None:
    """The terminal brings the event again after the reset; it is taken and means nothing. O-3."""
    there = ordered()
    reference = there.agent.references[0]
    there.end(reference)
    again = rebooted(there).on()

    assert again.end(reference)
    assert (1, 0) == ends(again)


def test_reset_while_an_attempt_waits() -> None:
    """The delay begins anew at power-on; too many power-ons make it come at once. O-3."""
    there = ordered()
    there.end(there.agent.references[0], TEMPORARY)
    there.forget()
    for _ in range(3):
        there.on()
        there.later(540)

        assert [] == there.agent.orders

    there.on()

    assert 1 == len(there.agent.orders)


def test_reset_and_then_the_attempt() -> None:
    """After the reset the timer runs, and the attempt follows. O-3."""
    there = ordered()
    there.end(there.agent.references[0], TEMPORARY)
    there.on()
    there.later(600)

    assert 2 == len(set(there.agent.references))


def test_terminal_that_lost_the_session() -> None:
    """After three power-ons without an end the session counts as interrupted. O-3."""
    there = ordered()
    for _ in range(3):
        there.on()
    reference = there.agent.references[0]

    assert {reference} == set(there.agent.references)

    there.on()

    assert 2 == len(set(there.agent.references))
    assert "all: result 2E05, 0" in there.card.applet.journal


def test_card_in_another_terminal() -> None:
    """The session stays behind; the policy decides in the new terminal. O-3."""
    there = ordered()
    other = rebooted(there, imei=OTHER_IMEI).on()

    assert [] == other.agent.orders
    assert "all: left behind in another terminal" in other.card.applet.journal

    other.message(trigger(Sender(start=20)))

    assert 1 == len(other.agent.orders)


def test_decision_at_power_on_takes_the_place_of_an_attempt_that_waits() -> None:
    """What the policy decides now is not held back by what waits for later."""
    there = Mobile(card_with(HEAD + RETRY + rule('"profile_download"') + ENDS)).on()
    there.end(there.agent.references[0], TEMPORARY)
    there.on()
    there.end(there.agent.references[1])
    there.later(24 * 3600)

    assert 2 == len(there.agent.orders)
    assert (1, 0) == ends(there)


def test_decision_at_power_on_is_held_back_by_what_is_under_way() -> None:
    """The user is not asked again for what the terminal is doing."""
    question = '{ synchronize = "all", ask = "Send your data?" }'
    text = HEAD + RETRY + rule('"profile_download"', question, "imei != last.imei") + ENDS
    there = Mobile(card_with(text)).on()
    there.on()

    assert ["Send your data?"] == there.handset.asked
    assert 1 == len(set(there.agent.references))


def test_policy_that_has_the_request_no_more() -> None:
    """A new policy without the request ends the session; nothing fails. R-21."""
    there = ordered()
    new = POLICY.replace("requests.all", "requests.some").replace('"all"', '"some"')
    sender = Sender(start=20)
    there.message(sender.messages(compact(*personalising(policy_group(new)))))

    assert Orders(there.card.memory).session is None
    assert "all: the policy has it no more" in there.card.applet.journal


def test_application_that_is_deleted_meanwhile() -> None:
    """What the terminal answers to an application that is gone leaves no trace of it."""
    there = ordered()
    there.card.applet.removed()
    there.end(there.agent.references[0])
    there.poll(2)

    left = set(there.card.memory.names("app:")) - set(there.card.memory.names("app:journal"))

    assert set() == left


def test_token_counter_outlives_the_application() -> None:
    """Deleted, loaded and installed anew, the card does not use a token twice. O-5."""
    there = ordered()
    sender = Sender(start=20)
    script = (
        Delete(PACKAGE_AID, related=True).encode(), *LOADING, *personalising(policy_group())
    )  # fmt: skip
    there.message(sender.messages(compact(*script)))
    there.message(trigger(sender))
    tokens = [first(one.parts, AuthenticationReference) for one in there.agent.orders]
    key = derive_token_key(KEYS.kid.octets)

    assert [1, 2] == [verify_token(key, token.data, "devman") for token in tokens if token]


def test_octets_of_the_event() -> None:
    """The event that the card takes, octet by octet: docs/request-synchronization.md."""
    there = ordered()
    reference = there.agent.references[0]
    assert reference is not None
    told = status_event(reference, Result(GeneralResult.PERFORMED), None).encode()

    assert bytes.fromhex("d612 9901f5 82028281 7f7e0704") + reference + b"\x83\1\0" == told
    assert (
        bytes.fromhex("91")
        == there.card.transact(CommandApdu(0x80, Ins.ENVELOPE, data=told).encode())[-2:-1]
    )
