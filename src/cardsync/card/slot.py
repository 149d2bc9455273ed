"""A card whose memory lies in a file.

The image is written whenever an instruction changed it, before the response leaves: what the
card has answered is kept. It is written beside the old one and renamed over it, so that a loss
of power at any point leaves the old image or the new one.
"""

import fcntl
import os
import socket
from pathlib import Path
from typing import TextIO, TypeVar

from cardsync.card.memory import Memory
from cardsync.card.reader import ReaderSession
from cardsync.card.tree import TREE
from cardsync.card.uicc import Uicc
from cardsync.errors import ConfigError, PeerError
from cardsync.octets.apdu import CommandApdu, ResponseApdu

_LARGEST_READ = 65536
_Answer = TypeVar("_Answer", bytes, ResponseApdu)


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
            f"{path}: no memory image of a card can be read: {exc}; personalise a card first "
            "(in the demo: --reset)"
        ) from exc


def _held(path: Path) -> TextIO:
    """Take hold of an image until the process ends; raise `ConfigError` if another one has it.

    Two that write one memory would turn back each other's counters.
    """
    try:
        lock = path.with_name(f".{path.name}.lock").open("w")
    except OSError as exc:
        raise ConfigError(f"{path}: nothing can be written beside it: {exc}") from exc
    try:
        fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as exc:
        lock.close()
        raise ConfigError(
            f"{path}: this card is in another reader or mobile; end that process first"
        ) from exc
    return lock


class CardSlot:
    """The card of an image, seen through its APDU interface, for one process at a time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = _held(path) if path.exists() else None
        memory = read_image(path)
        if not memory.read(TREE):
            raise ConfigError(f"{path}: the card has no files; personalise a card anew")
        self.card = Uicc(memory)
        self._written = self.card.memory.generation

    def reset(self) -> bytes:
        """Reset the card and give its answer to reset."""
        return self.card.reset()

    def transact(self, apdu: bytes) -> bytes:
        """Give the response to a command APDU, once what it changed is on the disk."""
        return self._kept(self.card.transact(apdu))

    def respond(self, apdu: CommandApdu, *, exact: bool = False) -> ResponseApdu:
        """Do the same for a reader, which may count octets itself."""
        return self._kept(self.card.respond(apdu, exact=exact))

    def _kept(self, response: _Answer) -> _Answer:
        """Give an answer once what changed is on the disk."""
        if self.card.memory.generation != self._written:
            write_image(self._path, self.card.memory)
            self._written = self.card.memory.generation
        return response


def connect(host: str, port: int) -> socket.socket:
    """Find the reader that vpcd offers at `host` and `port`; raise `ConfigError` if none is."""
    try:
        return socket.create_connection((host, port))
    except OSError as exc:
        raise ConfigError(
            f"{host}:{port}: no virtual reader: {exc}; start pcscd with the driver of vpcd"
        ) from exc


def serve(session: ReaderSession, connection: socket.socket) -> None:
    """Be in a reader until it goes away."""
    with connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while octets := _received(connection):
            session.receive_data(octets)
            connection.sendall(session.data_to_send())


def _received(connection: socket.socket) -> bytes:
    """Read what is there; nothing is the end.

    vpcd writes length and body apart, and its body waits for our acknowledgement of the length:
    unless that leaves at once an exchange takes 40 ms. The option holds for one read only.
    """
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
    try:
        return connection.recv(_LARGEST_READ)
    except ConnectionError:
        return b""
