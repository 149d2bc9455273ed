"""What the user of the terminal sees and answers.

A handset is anything with these four methods; `UnattendedHandset` is one that nobody looks at:
it keeps what it was shown, and answers as it was told beforehand.
"""

from dataclasses import dataclass, field
from typing import Protocol

MOST_KEPT = 100


class Handset(Protocol):
    """The screen and the keys."""

    def show(self, text: str) -> None:
        """Show a text."""

    def ask(self, text: str) -> bool | None:
        """Ask a question; yes, no, or None if the user does not answer."""

    def menu(self, title: str, items: tuple[tuple[int, str], ...]) -> None:
        """Put the card's items, identifier and text, into the menu."""

    def browse(self, url: str) -> bool:
        """Open a page; say whether there is a browser."""


@dataclass(slots=True)
class UnattendedHandset:
    """Nobody looks at it: `consent` is the answer to every question.

    Of what was shown and asked the last `MOST_KEPT` are there.
    """

    consent: bool | None = True
    shown: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    items: tuple[tuple[int, str], ...] = ()

    def show(self, text: str) -> None:
        """Keep the text."""
        self.shown = [*self.shown[1 - MOST_KEPT :], text]

    def ask(self, text: str) -> bool | None:
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
