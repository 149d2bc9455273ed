"""What the application records for whoever asks later: a few short lines that survive a reset."""

from cardsync.card.memory import Memory

_CELL = "app:journal"
_LINES = 16
_LONGEST = 120  # characters of a line


class Journal:
    """The last lines, the newest last."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    @property
    def lines(self) -> tuple[str, ...]:
        """What was recorded."""
        return tuple(self._memory.read(_CELL).decode("utf-8", "replace").splitlines())

    def note(self, text: str) -> None:
        """Record a line, but not the same twice in a row; the oldest one goes."""
        line = " ".join(text.split())[:_LONGEST]
        if self.lines[-1:] == (line,):
            return
        self._memory.write(_CELL, "\n".join((*self.lines, line)[-_LINES:]).encode())
