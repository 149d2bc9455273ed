"""What the parts of the application share: the way to the terminal, and what they know."""

from collections.abc import Callable, Collection
from dataclasses import dataclass

from cardsync.card.journal import Journal
from cardsync.card.knowledge import Knowledge
from cardsync.card.memory import Memory
from cardsync.card.policy_store import PolicyStore
from cardsync.card.timers import Timers
from cardsync.toolkit.commands import ProactiveCommand, TerminalResponse

Answered = Callable[[TerminalResponse | None], None]
"""What is done with the response to a command; None where the terminal gave none."""
Offer = Callable[[ProactiveCommand, Answered], None]
"""Takes a command for the terminal, and what hears its response."""
Abandon = Callable[[Collection[int]], bool]
"""Gives up the command that the terminal has fetched, if it is of these types."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a synchronization needs to know and to use.

    `offer` takes its commands; `abandon` gives one up, which its `Answered` hears as None.
    """

    memory: Memory
    journal: Journal
    policy: PolicyStore
    knowledge: Knowledge
    timers: Timers
    offer: Offer
    abandon: Abandon
