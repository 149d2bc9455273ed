"""What the user of the terminal sees and answers.

A handset is anything with these four methods; `UnattendedHandset` is one that nobody looks at:
it keeps what it was shown, and answers as it was told beforehand.
"""

from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

from cardsync.toolkit.objects import Result

MOST_KEPT = 100


Answer: TypeAlias = bool | Result | None
"""Yes, no, None if the user does not answer; or the result of what he did in place of it.

Such as help (`13`), backward move (`11`), "never again" (`22 01`). TS 102 223 clause 8.12.
"""


class Handset(Protocol):
    """The screen and the keys."""

    def show(self, text: str) -> None:
        """Show a text."""

    def ask(self, text: str) -> Answer:
        """Ask a question."""

    def menu(self, title: str, items: tuple[tuple[int, str], ...]) -> None:
        """Put the card's items, identifier and text, into the menu."""

    def browse(self, url: str) -> bool:
        """Open a page; say whether there is a browser."""


@dataclass(slots=True)
class UnattendedHandset:
    """Nobody looks at it: `consent` is the answer to every question.

    Of what was shown and asked the last `MOST_KEPT` are there.
    """

    consent: Answer = True
    shown: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    items: tuple[tuple[int, str], ...] = ()

    def show(self, text: str) -> None:
        """Keep the text."""
        self.shown = [*self.shown[1 - MOST_KEPT :], text]

    def ask(self, text: str) -> Answer:
        """Answer as told."""
        self.asked = [*self.asked[1 - MOST_KEPT :], text]
        return self.consent

    def menu(self, title: str, items: tuple[tuple[int, str], ...]) -> None:
        """Keep the items; the title stands above them on a real screen."""
        del title
        self.items = items

    def browse(self, url: str) -> bool:
        """Say that there is no browser."""
        del url
        return False
