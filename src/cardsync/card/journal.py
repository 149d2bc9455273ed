"""What the application records for whoever asks later: a few short lines that survive a reset."""

from cardsync.card.memory import Memory

_CELL = "app:journal"
_LINES = 16
_LONGEST = 120  # characters of a line


class Journal:
    """The last lines, the newest last. What is only mentioned costs no write, and may be lost."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._lines = memory.read(_CELL).decode("utf-8", "replace").splitlines()

    @property
    def lines(self) -> tuple[str, ...]:
        """What was recorded."""
        return tuple(self._lines)

    def note(self, text: str) -> None:
        """Record a line for good, with those that were mentioned before it."""
        if self.mention(text):
            self._memory.write(_CELL, "\n".join(self._lines).encode())

    def mention(self, text: str) -> bool:
        """Record a line until the next reset, but not the same twice in a row; the oldest goes."""
        line = " ".join(text.split())[:_LONGEST]
        if self._lines[-1:] == [line]:
            return False
        self._lines = [*self._lines, line][-_LINES:]
        return True
