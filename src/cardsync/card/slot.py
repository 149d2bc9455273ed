"""A card whose memory lies in a file.

The image is written whenever an instruction changed it, before the response leaves: what the
card has answered is kept. It is written beside the old one and renamed over it, so that a loss
of power at any point leaves the old image or the new one.
"""

import os
from pathlib import Path

from cardsync.card.memory import Memory
from cardsync.card.uicc import Uicc
from cardsync.errors import ConfigError, PeerError


def write_image(path: Path, memory: Memory) -> None:
    """Put the image of a memory into a file that only its owner can read, durably.

    Raises `ConfigError` if it cannot be written; the old image is there then.
    """
    beside = path.with_name(path.name + ".new")
    try:
        beside.unlink(missing_ok=True)
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(memory.encode())
            file.flush()
            os.fsync(file.fileno())
        beside.rename(path)
        directory = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
    except OSError as exc:
        raise ConfigError(f"{path}: the card's memory cannot be written: {exc}") from exc


def read_image(path: Path) -> Memory:
    """Give the memory in a file; raise `ConfigError` if there is none."""
    try:
        return Memory.decode(path.read_bytes())
    except (OSError, PeerError) as exc:
        raise ConfigError(
            f"{path}: no memory image of a card can be read: {exc}; personalise a card first"
        ) from exc


class CardSlot:
    """The card of an image, seen through its APDU interface."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.card = Uicc(read_image(path))
        self._written = self.card.memory.generation

    def reset(self) -> bytes:
        """Reset the card and give its answer to reset."""
        return self.card.reset()

    def transact(self, apdu: bytes) -> bytes:
        """Give the response to a command APDU, once what it changed is on the disk."""
        response = self.card.transact(apdu)
        if self.card.memory.generation != self._written:
            write_image(self._path, self.card.memory)
            self._written = self.card.memory.generation
        return response
