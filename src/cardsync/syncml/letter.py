"""One message while it is written: never longer than its receiver takes, written once.

OMA DS Protocol 1.2, "Multiple messages in package". Commands get their numbers here; what does
not fit waits for the next message.
"""

from collections import deque
from dataclasses import dataclass, replace
from typing import Final

from cardsync.syncml import codec
from cardsync.syncml.codec import MessageBuilder
from cardsync.syncml.datastore import Change, ChangeKind
from cardsync.syncml.devinf import DevInf
from cardsync.syncml.elements import Alert, Get, Map, Put, Results, Status, Sync, SyncHdr, Version
from cardsync.syncml.outgoing import Filled, Filling, Manner, Supply
from cardsync.syncml.status import StatusCode

Plain = Status | Results | Alert | Get | Put | Map
"""What is written as a whole; its CmdID is set here."""

Owed = deque[Status | Results | Alert]
"""What the peer is owed, in order; the numbers are yet to be set."""

MIN_ROOM: Final = 512
"""Octets behind the header that every message has, however little a peer says it takes."""

_LAST: Final = 120
"""Octets kept back for the Alert that asks for the next message, in either representation."""


_ALWAYS: Final = {"SyncHdr", "Alert"}
"""Commands that every message of a peer may have: a message with Status for them is fresh."""


_NO_RESP: Final = 9
"""Octets of NoResp in XML, which may come into the header in the end."""


@dataclass(frozen=True, slots=True)
class Carried:
    """A command of a Sync that was written: `items` of a kind."""

    cmd_id: int
    kind: ChangeKind
    items: int


@dataclass(frozen=True, slots=True)
class Written:
    """A Sync that was written: its number, its commands, the changes that are in it whole.

    What is `left_out` is not in it and never will be, for the reason that the status tells.
    `passed` is the token of the last change that is in it whole or left out; "" if there is none.
    """

    cmd_id: int
    commands: tuple[Carried, ...]
    whole: tuple[Change, ...]
    left_out: tuple[tuple[Change, StatusCode], ...]
    passed: str


@dataclass(slots=True)
class Waiting:
    """A command of a client without Status: `items` of a kind, or a Sync or Map (None).

    `before` is the place in our changes before the message in which it went.
    """

    kind: ChangeKind | None
    items: int
    before: str


class Letter:
    """A message that grows; `limit` in octets is the MaxMsgSize of its receiver.

    `singly` gives each item that it carries a command of its own.
    """

    def __init__(
        self, header: SyncHdr, content_type: str, limit: int, *, singly: bool = False
    ) -> None:
        self.header = header
        self._singly = singly
        self._content_type = content_type
        self._builder = MessageBuilder(header, content_type)
        least = self._builder.size + MIN_ROOM * (2 if singly else 1)
        self._limit = max(limit, least)
        self._builder.limit = self._limit - _LAST
        self._capacity = self._builder.limit - self._builder.size
        self._next = 1
        self._is_fresh = True  # whether nothing is in it but what every message has

    def add(self, command: Plain) -> int:
        """Put a command at the end and give its number; 0 if it does not fit."""
        if not self._builder.add(replace(command, cmd_id=self._next)):
            return 0
        self._is_fresh &= isinstance(command, Status) and command.cmd in _ALWAYS
        self._next += 1
        return self._next - 1

    def push(self, command: Plain) -> int:
        """Put a command at the end as `add` does; one that fits no message goes all the same.

        It would wait for ever: of a peer with so little room nothing is known to work at all.
        """
        self._builder.limit = None if self._is_fresh else self._builder.limit
        number = self.add(command)
        self._builder.limit = self._limit - _LAST
        return number

    def pay(self, owed: Owed) -> bool:
        """Put what is owed at the end, in order, as far as it fits; True if that was all."""
        while owed:
            added = self.add(owed[0])
            if not added and self._next > 2:
                return False
            if not added:  # what does not even fit alone would wait for ever
                self._add_anyway(_shorter(owed[0]))
            owed.popleft()
        return True

    def _add_anyway(self, command: Plain) -> None:
        if not self.add(command):
            self._builder.limit = None
            self.add(command)
            self._builder.limit = self._limit - _LAST

    def ask(self, alert: Alert) -> None:
        """Put the last Alert at the end, for which there is always room."""
        self._builder.limit = self._limit
        self.add(alert)

    @property
    def is_plain(self) -> bool:
        """Whether it is for a peer of which nothing is known."""
        return self._singly

    def room(self) -> int:
        """Give how many octets the message can still take."""
        return self._builder.room or 0

    def sync(self, sync: Sync, supply: Supply, manner: Manner) -> Written | None:
        """Fill a Sync with what fits of a supply; None if there is no room for any.

        In a fresh message it always comes to something: no later one would have more room.
        """
        if self.room() < self._capacity // 4 and not supply.done and not self._is_fresh:
            return None
        number = self._next
        self._builder.limit = None if self._is_fresh else self._builder.limit
        begun = self._builder.begin(replace(sync, cmd_id=number))
        self._builder.limit = self._limit - _NO_RESP  # no Alert is behind what is not the last
        if not begun:
            return None
        filling = Filling(
            self._content_type,
            manner,
            number=number + 1,
            room=self.room(),
            capacity=self._capacity,
            is_fresh=self._is_fresh,
            chunks=self.header.version is not Version.V1_0,
            singly=self._singly,
        )
        filling.run(supply)
        carried = [self._carry(each) for each in filling.commands()]
        self._builder.end()
        self._builder.limit = self._limit - _LAST
        self._is_fresh = False
        self._next = number + 1 + len(carried)
        taken = tuple(filling.whole), tuple(filling.left_out), filling.passed
        return Written(number, tuple(carried), *taken)

    def encode(self, *, final: bool, no_resp: bool = False) -> bytes:
        """Give the octets of the message; `no_resp` says in its header that none is awaited."""
        return self._builder.finish(final=final, no_resp=no_resp)

    def _carry(self, filled: Filled) -> Carried:
        self._builder.begin(filled.command)
        for piece in filled.pieces:
            self._builder.put(piece)
        self._builder.end()
        return Carried(filled.command.cmd_id, filled.kind, len(filled.pieces))


def is_wbxml(content_type: str) -> bool:
    """Say whether a representation is the binary one."""
    return codec.media_type(content_type) == codec.WBXML


def _shorter(command: Status | Results | Alert) -> Status | Results | Alert:
    """Leave out of device information what it may do without."""
    if not isinstance(command, Results):
        return command
    items = [
        replace(item, data=item.data.shorter()) if isinstance(item.data, DevInf) else item
        for item in command.items
    ]
    return replace(command, items=tuple(items))
