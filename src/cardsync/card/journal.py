"""What the application records for whoever asks later: a few short lines that survive a reset.

Each line has a place of its own in the memory, and they are written in turn.
"""

from cardsync.card.memory import Memory

LINES = 16
_PLACE = "app:journal {:02}"
_LONGEST = 120  # characters of a line
_NUMBER = 4  # octets before a line: its number, which rises


class Journal:
    """The last lines, the newest last. What is only mentioned costs no write, and may be lost."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        found = [memory.read(_PLACE.format(place)) for place in range(LINES)]
        kept = sorted([(int.from_bytes(one[:_NUMBER], "big"), one) for one in found if one])
        self._number = kept[-1][0] if kept else 0
        self._lines = [one[_NUMBER:].decode("utf-8", "replace") for _, one in kept]
        self._mentioned = ""  # the last line, if it was not written

    @property
    def lines(self) -> tuple[str, ...]:
        """What was recorded."""
        return tuple(self._lines)

    def note(self, text: str) -> None:
        """Record a line for good, with the one that was mentioned last before it."""
        before = self._mentioned
        if self.mention(text):
            for line in (before, self._mentioned) if before else (self._mentioned,):
                self._write(line)
            self._mentioned = ""

    def _write(self, line: str) -> None:
        self._number += 1
        octets = self._number.to_bytes(_NUMBER, "big") + line.encode()
        self._memory.write(_PLACE.format(self._number % LINES), octets)

    def mention(self, text: str) -> bool:
        """Record a line until the next reset, but not the same twice in a row; the oldest goes."""
        line = " ".join(text.split())[:_LONGEST]
        if self._lines[-1:] == [line]:
            return False
        self._lines = [*self._lines, line][-LINES:]
        self._mentioned = line
        return True
