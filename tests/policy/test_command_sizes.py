"""The octets that the compiler counts are those that the card sends.

This test knows both sides of a wall that no module may cross: the policy's count and the
encoders of the card.
"""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cardsync.card.orders import command_of
from cardsync.octets.reader import Reader
from cardsync.octets.tlv import decode_one, walk_comprehension
from cardsync.ota.token import TOKEN_LENGTH
from cardsync.policy import sizes
from cardsync.policy.faults import PolicyError
from cardsync.policy.program import Program
from cardsync.policy.templates import fill_address
from cardsync.policy.values import Database, ResolvedRequest, Retry
from cardsync.toolkit import commands
from cardsync.toolkit.commands import ProactiveCommand
from policy_texts import REQUEST, compiled, example, policies, policy, rule

ICCID = bytes.fromhex("98880000000000000000")
TOKEN = bytes(TOKEN_LENGTH)
URIS = st.text("abc/.:ä", max_size=60)
NAMED = st.sampled_from(["file:3F007F106F3A", "file:7fff6F46", "aid:A000000151", "file:", "aid:A0"])
DATABASES = st.builds(Database, st.sampled_from(["terminal", "imei", "iccid"]) | URIS, URIS | NAMED)
REQUESTS = st.builds(
    ResolvedRequest,
    name=st.just("all"),
    protocol=st.integers(0, 4),
    version=st.integers(0, 0x99),
    representation=st.integers(0, 4),
    transports=st.lists(st.integers(1, 9), min_size=1, max_size=8).map(tuple),
    type=st.sampled_from([0, 0xC8, 0xC9, 0xCD]),
    source=DATABASES,
    target=DATABASES,
    categories=st.integers(1, 0x3FF),
    notify=st.sampled_from([0, 1]),
    retry=st.none() | st.just(Retry(3, 10, 2, 20)),
    duration=st.integers(0, 255),
)


def sent(request: ResolvedRequest) -> ProactiveCommand:
    """Give the command as the card makes it."""
    return command_of(request, "490154203237518", ICCID, bytes(4), TOKEN)


def octets_of(command: ProactiveCommand) -> list[int]:
    """Give the octets of each object of a command."""
    body = decode_one(Reader(command.encode())).value
    return [len(one.encode()) for one in walk_comprehension(body)]


def same(counted: sizes.Sizes, command: ProactiveCommand) -> None:
    """Compare a count with a command: each object, and the whole."""
    assert [octets for _, octets in counted] == octets_of(command)
    assert sizes.total(counted) == len(command.encode())


def check(program: Program) -> None:
    """Compare every request of a program."""
    for request in program.requests:
        found = sizes.resolve(request, program.default_values())

        same(sizes.request_synchronization(found), sent(found))


def test_the_example() -> None:
    """The example's request takes what was counted, though it has a question and a retry. O-7."""
    check(example())


@settings(max_examples=30, deadline=None)
@given(policies())
def test_generated_policies(text: str) -> None:
    """So do those of generated policies. O-7."""
    try:
        program = compiled(text)
    except PolicyError:
        return
    check(program)


@settings(max_examples=100, deadline=None)
@given(REQUESTS)
def test_generated_requests(request: ResolvedRequest) -> None:
    """So does any request, object by object."""
    same(sizes.request_synchronization(request), sent(request))


def test_progress() -> None:
    """A progress interval is an octet more."""
    text = REQUEST + 'notify = { progress = "30 s" }\nduration = "5 min"\n'
    check(compiled(policy(rule(1, '"poll"', '{ synchronize = "all" }')).replace(REQUEST, text)))


@pytest.mark.parametrize(
    "text", ["Update", "Päivitä [1]", "Обнови", "5 €", "😀", "x" * 200, "@" * 119, "ж" * 100]
)
def test_texts(text: str) -> None:
    """What the card asks, tells, opens and shows takes what was counted."""
    same(sizes.display_text(text), commands.display_text(text))
    same(sizes.display_text(text), commands.ask_yes_no(text))
    url = fill_address(f"https://dm.example/{text}", {})
    same(sizes.launch_browser(url), commands.launch_browser(url))
    same(
        sizes.set_up_menu("title", [text, "b"]),
        commands.set_up_menu("title", ((1, text), (2, "b"))),
    )
