"""One card for several users: an exchange of one never falls into that of another."""

from threading import RLock
from typing import Protocol


class Link(Protocol):
    """The way to a card."""

    def reset(self) -> bytes:
        """Reset the card and give its answer to reset."""

    def transact(self, apdu: bytes) -> bytes:
        """Give the response to a command APDU."""


class SharedLink:
    """A link that many threads may use; each has a logical channel of its own."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._lock = RLock()

    def reset(self) -> bytes:
        """Reset the card and give its answer to reset."""
        with self._lock:
            return self._link.reset()

    def transact(self, apdu: bytes) -> bytes:
        """Give the response to a command APDU."""
        with self._lock:
            return self._link.transact(apdu)
