"""The ladder's memory: what follows a failure, what is skipped, what expires. O-4."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cardsync.card.ladder import (
    MOST_DAYS,
    MOST_SUCCESSES,
    NATIVE,
    OFFERED,
    Ladder,
    Mark,
    Terminal,
    climbs_down,
    is_unsupported,
)
from cardsync.card.memory import Memory
from cardsync.policy.values import Rung
from cardsync.toolkit.objects import Result

CLAIMS = Terminal("49015420", b"\1\2\3\4", claims=True)
SILENT = Terminal("49015420", b"\4\3\2\1", claims=False)
FALLBACK = (Rung.BROWSER, Rung.BIP, Rung.SMS)


@pytest.mark.parametrize(
    ("octets", "down"),
    [
        ("30", True), ("31", True), ("3A01", True), ("3E08", True), ("3E05", False),
        ("20 00", False), ("21 00", False), ("22 00", False), ("2E 01", False), ("32", False),
        ("36", False), ("10", False), ("00", False), ("07 C9", False),
    ],
)  # fmt: skip
def test_what_is_a_reason_to_go_down(octets: str, down: bool) -> None:
    """Only "not with this terminal" is; what is temporary or the user's is not. RS-39."""
    assert down == climbs_down(Result.read(bytes.fromhex(octets)))


def test_what_is_remembered() -> None:
    """30 and 31 are; a channel that failed once is not."""
    assert is_unsupported(Result(0x30))
    assert is_unsupported(Result(0x31))
    assert not is_unsupported(Result(0x3A, b"\1"))


def test_order_is_that_of_the_request() -> None:
    """Native first, then the request's own order; what the card does not offer is passed over."""
    ladder = Ladder(Memory())
    fallback = (Rung.HOST, Rung.SMS, Rung.USSD, Rung.BIP, Rung.NETWORK)

    assert NATIVE == ladder.first(CLAIMS, fallback)
    assert Rung.SMS == ladder.after(NATIVE, CLAIMS, fallback)
    assert Rung.BIP == ladder.after(Rung.SMS, CLAIMS, fallback)
    assert ladder.after(Rung.BIP, CLAIMS, fallback) is None


def test_straight_to_what_worked() -> None:
    """The second time what failed is left out. RS-41."""
    ladder = Ladder(Memory())
    ladder.failed(CLAIMS, NATIVE)
    ladder.failed(CLAIMS, Rung.BROWSER)
    ladder.worked(CLAIMS, Rung.BIP)

    assert Rung.BIP == ladder.first(CLAIMS, FALLBACK)


def test_expiry_in_successes() -> None:
    """After so many successes by another rung a claimed native command is tried again."""
    ladder = Ladder(Memory())
    ladder.failed(CLAIMS, NATIVE)
    firsts = []
    for _ in range(MOST_SUCCESSES):
        firsts.append(ladder.first(CLAIMS, FALLBACK))
        ladder.worked(CLAIMS, Rung.BROWSER)

    assert {Rung.BROWSER} == set(firsts)
    assert NATIVE == ladder.first(CLAIMS, FALLBACK)


def test_expiry_in_days() -> None:
    """After so many days too, where the terminal tells the time."""
    ladder = Ladder(Memory())
    ladder.failed(CLAIMS, NATIVE, day=100)

    assert Rung.BROWSER == ladder.first(CLAIMS, FALLBACK, 100 + MOST_DAYS - 1)
    assert Rung.BROWSER == ladder.first(CLAIMS, FALLBACK, 0)
    assert NATIVE == ladder.first(CLAIMS, FALLBACK, 100 + MOST_DAYS)


def test_no_claim_no_second_try() -> None:
    """Without the bit the native command is tried once for a terminal and never again. RS-03."""
    ladder = Ladder(Memory())
    ladder.failed(SILENT, NATIVE, day=1)
    for _ in range(2 * MOST_SUCCESSES):
        ladder.worked(SILENT, Rung.SMS)

    assert Rung.BROWSER == ladder.first(SILENT, FALLBACK, 60_000)
    assert ladder.first(SILENT, ()) is None


def test_all_failed() -> None:
    """Where all failed the first is tried again, once for a decision."""
    ladder = Ladder(Memory())
    for rung in OFFERED:
        ladder.failed(CLAIMS, rung)
        ladder.failed(SILENT, rung)

    assert NATIVE == ladder.first(CLAIMS, FALLBACK)
    assert Rung.BROWSER == ladder.first(SILENT, FALLBACK)
    assert ladder.after(NATIVE, CLAIMS, FALLBACK) is None


def test_other_bits_are_another_terminal() -> None:
    """With another profile, as after an update, nothing is known. RS-41."""
    ladder = Ladder(Memory())
    ladder.failed(CLAIMS, NATIVE)

    assert NATIVE == ladder.first(SILENT, FALLBACK)
    assert ladder.mark_of(SILENT, NATIVE) is None
    assert Mark.FAILED is ladder.mark_of(CLAIMS, NATIVE)


def test_a_try_does_not_hide_what_is_known() -> None:
    """A rung that worked counts as such while it is tried again."""
    ladder = Ladder(Memory())
    ladder.tried(CLAIMS, NATIVE)

    assert Mark.TRIED is ladder.mark_of(CLAIMS, NATIVE)

    ladder.worked(CLAIMS, NATIVE)
    ladder.tried(CLAIMS, NATIVE)

    assert Mark.WORKED is ladder.mark_of(CLAIMS, NATIVE)


def test_memory_is_bounded() -> None:
    """Eight terminals are remembered; the one not heard of longest is forgotten."""
    memory = Memory()
    ladder = Ladder(memory)
    terminals = [Terminal(f"{number:08}", bytes(4), claims=True) for number in range(9)]
    for terminal in terminals:
        for rung in OFFERED:
            ladder.failed(terminal, rung, 0xFFFF)

    assert ladder.mark_of(terminals[0], NATIVE) is None
    assert Mark.FAILED is ladder.mark_of(terminals[1], NATIVE)
    assert 8 * (8 + 1 + 5 * len(OFFERED)) == len(memory.read("app:ladder"))


def test_steps_until_told() -> None:
    """Steps down are kept until a report has told them. RS-42."""
    ladder = Ladder(Memory())
    ladder.stepped(NATIVE)
    ladder.stepped(Rung.BROWSER)

    assert 0b10_0001 == ladder.steps

    ladder.told()

    assert 0 == ladder.steps


@given(
    st.lists(st.sampled_from(Rung), unique=True),
    st.lists(st.tuples(st.sampled_from(sorted(OFFERED)), st.sampled_from(("failed", "worked")))),
    st.booleans(),
)
def test_none_twice_for_one_decision(
    fallback: list[Rung], history: list[tuple[int, str]], claims: bool
) -> None:
    """Whatever is known, going down ends, and takes each rung once at most. RS-40."""
    ladder = Ladder(Memory())
    terminal = Terminal("49015420", bytes(4), claims=claims)
    for rung, what in history:
        (ladder.failed if what == "failed" else ladder.worked)(terminal, rung)
    taken = []
    following = ladder.first(terminal, fallback)
    while following is not None:
        taken.append(following)
        following = ladder.after(following, terminal, fallback)

    assert sorted(set(taken), key=taken.index) == taken
    assert set(taken) <= {NATIVE, *fallback} & OFFERED
