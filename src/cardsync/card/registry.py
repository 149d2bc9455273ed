"""The registry of a card: what is loaded and installed, and the states of its life cycle.

GlobalPlatform Card Specification 2.3 clauses 5, 6.4, 11.1.1, 11.4 and 11.10. Each row is a cell of
memory.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from typing import Self

from cardsync.card.memory import Memory
from cardsync.errors import PeerError
from cardsync.octets.apdu import SW, ResponseApdu
from cardsync.octets.reader import Reader
from cardsync.ota.application import MODULE_AID, MODULES
from cardsync.ota.globalplatform import GetStatus, RegistryEntry, RegistryPart, SetStatus
from cardsync.ota.install import TRUSTED_PATH, encode_lv
from cardsync.ota.packet import SecurityLevel

OWN_AID = bytes.fromhex("A000000151000000")
"""The AID of the issuer security domain. GlobalPlatform annex H."""
MORE_DATA = 0x6310  # clause 11.4.3.2
_LOAD_FILES, _INSTANCES = "load file:", "instance:"
_STILL, _CARD = "locked:", "card state"
_LOADED, _INSTALLED, _SELECTABLE, _LOCK = 0x01, 0x03, 0x07, 0x80  # clause 11.1.1
_LOCKED_CELL, _INSTALLED_CELL = b"\1", b"\2"  # why an application is still
_PRIVILEGES = bytes.fromhex("9EFE80")  # of the issuer's domain. Clause 11.1.2
_MOST_LISTED = 200  # octets of one answer to GET STATUS, which may still be ciphered


class CardState(IntEnum):
    """The life cycle of a card. Clause 11.1.1."""

    OP_READY = 0x01
    INITIALIZED = 0x07
    SECURED = 0x0F
    CARD_LOCKED = 0x7F
    TERMINATED = 0xFF


_NEXT: Mapping[CardState, frozenset[CardState]] = {
    CardState.OP_READY: frozenset({CardState.INITIALIZED, CardState.TERMINATED}),
    CardState.INITIALIZED: frozenset({CardState.SECURED, CardState.TERMINATED}),
    CardState.SECURED: frozenset({CardState.CARD_LOCKED, CardState.TERMINATED}),
    CardState.CARD_LOCKED: frozenset({CardState.SECURED, CardState.TERMINATED}),
    CardState.TERMINATED: frozenset(),
}
"""Which state follows which. Clause 5.1.2."""


@dataclass(frozen=True, slots=True)
class Instance:
    """A row of the registry: an application, what it was made of, its TARs and least security.

    `privileges` are one or three octets, as INSTALL gave them. GlobalPlatform clause 11.1.2.
    """

    aid: bytes
    load_file: bytes
    level: SecurityLevel
    tars: tuple[bytes, ...]
    module: bytes = MODULE_AID
    privileges: bytes = b"\0"

    @property
    def manages(self) -> bool:
        """Whether it is the device-management application."""
        return self.module == MODULE_AID

    @property
    def may_ask(self) -> bool:
        """Whether it may speak to another application: the privilege Trusted Path."""
        return bool(self.privileges[1:] and self.privileges[1] & TRUSTED_PATH[1])

    def encode(self) -> bytes:
        """Give the octets of the cell."""
        named = encode_lv(self.load_file, self.module, self.privileges)
        return bytes([int(self.level)]) + named + b"".join(self.tars)

    @classmethod
    def decode(cls, aid: bytes, cell: bytes) -> Self:
        """Read the octets of the cell."""
        reader = Reader(cell)
        level = SecurityLevel.decode(reader.uint8())
        load_file, module, privileges = [reader.octets(reader.uint8()) for _ in range(3)]
        tars = tuple([reader.octets(3) for _ in range(len(reader) // 3)])
        return cls(aid, load_file, level, tars, module, privileges)


@lru_cache(maxsize=64)
def _instance(aid: bytes, cell: bytes) -> Instance:
    return Instance.decode(aid, cell)


class Registry:
    """The rows over the memory of a card."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._listed = 0  # entries of the last listing that were told already

    @property
    def state(self) -> CardState:
        """The state of the card; one that was personalised is SECURED."""
        octets = self._memory.read(_CARD)
        return CardState(octets[0]) if octets else CardState.SECURED

    def is_still(self, aid: bytes) -> bool:
        """Say whether an application must do nothing. Clause 5.3.1.4.

        It is locked or not selectable yet, or the card is locked.
        """
        return bool(self._memory.read(_cell(_STILL, aid))) or self.state >= CardState.CARD_LOCKED

    def instances(self) -> tuple[Instance, ...]:
        """Give the applications."""
        aids = _aids(self._memory, _INSTANCES)
        return tuple([_instance(aid, self._memory.read(_cell(_INSTANCES, aid))) for aid in aids])

    def load_files(self) -> tuple[bytes, ...]:
        """Give the AIDs of the load files."""
        return _aids(self._memory, _LOAD_FILES)

    def write_load_file(self, aid: bytes, octets: bytes) -> None:
        """Put a load file there, or in the place of the one before; empty octets take it away."""
        self._memory.write(_cell(_LOAD_FILES, aid), octets)

    def write_instance(self, instance: Instance, *, selectable: bool) -> None:
        """Put an application there."""
        self._memory.write(_cell(_INSTANCES, instance.aid), instance.encode())
        self._write_still(instance.aid, b"" if selectable else _INSTALLED_CELL)

    def remove_instance(self, aid: bytes) -> None:
        """Take an application away."""
        self._memory.write(_cell(_INSTANCES, aid), b"")
        self._write_still(aid, b"")

    def make_selectable(self, aid: bytes) -> None:
        """Let an application work that was only installed. Clause 11.5.2.3.3."""
        self._check_there(aid)
        if self._memory.read(_cell(_STILL, aid)) != _INSTALLED_CELL:
            raise PeerError("it is selectable already", answer=SW.CONDITIONS_NOT_SATISFIED)
        self._write_still(aid, b"")

    def set_status(self, command: SetStatus) -> bytes:
        """Move the card, or lock an application or let it go again. Clause 11.10.

        Raises `PeerError`: 6985 for a state that does not follow, 6A88 for what is not there.
        """
        if command.part is RegistryPart.ISSUER_SECURITY_DOMAIN:
            self._move(command.state)
        elif command.part is RegistryPart.APPLICATIONS:
            self._lock(command)
        else:
            raise PeerError("a load file has one state", answer=SW.CONDITIONS_NOT_SATISFIED)
        return b""

    def _lock(self, command: SetStatus) -> None:
        self._check_there(command.aid)
        if command.state & _LOCK:  # the other bits say nothing then
            self._write_still(command.aid, _LOCKED_CELL)
        elif command.state in {0, _INSTALLED, _SELECTABLE}:
            self._write_still(command.aid, b"")
        else:
            raise PeerError("no such state", answer=SW.CONDITIONS_NOT_SATISFIED)

    def _move(self, state: int) -> None:
        if state not in _NEXT[self.state]:
            raise PeerError("that state does not follow", answer=SW.CONDITIONS_NOT_SATISFIED)
        self._memory.write(_CARD, bytes([state]))

    def _check_there(self, aid: bytes) -> None:
        if not self._memory.read(_cell(_INSTANCES, aid)):
            raise PeerError("no such application", answer=SW.REFERENCED_DATA_NOT_FOUND)

    def _write_still(self, aid: bytes, octets: bytes) -> None:
        self._memory.write(_cell(_STILL, aid), octets)

    def listing(self, command: GetStatus) -> ResponseApdu:
        """List what of one part of the registry has an AID that begins as asked. Clause 11.4.

        What does not fit one answer comes with the next command, which asks for what follows.
        """
        entries = [one for one in self._entries(command.part) if one.aid.startswith(command.aid)]
        found = [one.encode() if command.tagged else one.encode_untagged() for one in entries]
        start = self._listed if command.following else 0
        self._listed = 0
        if not found[start:]:
            raise PeerError("nothing is listed", answer=SW.REFERENCED_DATA_NOT_FOUND)
        answer = b""
        for number, entry in enumerate(found[start:], start):
            if answer and len(answer) + len(entry) > _MOST_LISTED:
                self._listed = number
                return ResponseApdu(MORE_DATA, answer)
            answer += entry
        return ResponseApdu(SW.OK, answer)

    def _entries(self, part: RegistryPart) -> list[RegistryEntry]:
        """Give the entries of one part of the registry."""
        if part is RegistryPart.ISSUER_SECURITY_DOMAIN:
            return [RegistryEntry(OWN_AID, self.state, _PRIVILEGES)]
        if part is RegistryPart.APPLICATIONS:
            return [
                RegistryEntry(one.aid, self._state_of(one.aid), one.privileges, one.load_file)
                for one in self.instances()
            ]
        modules = MODULES if part is RegistryPart.LOAD_FILES_AND_MODULES else ()
        return [RegistryEntry(aid, _LOADED, modules=modules) for aid in self.load_files()]

    def _state_of(self, aid: bytes) -> int:
        why = self._memory.read(_cell(_STILL, aid))
        states = {_LOCKED_CELL: _SELECTABLE | _LOCK, _INSTALLED_CELL: _INSTALLED}
        return states.get(why, _SELECTABLE)


def _aids(memory: Memory, kind: str) -> tuple[bytes, ...]:
    return tuple([bytes.fromhex(name[len(kind) :]) for name in memory.names(kind)])


def _cell(kind: str, aid: bytes) -> str:
    return kind + aid.hex()
