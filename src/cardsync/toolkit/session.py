"""The proactive session: the card's half and the terminal's half, one table each.

TS 102 221 clause 7.4.2, TS 102 223 clause 6.2: the card tells by `91 XX` that a command of XX
octets waits; the terminal fetches it, does it, and brings its TERMINAL RESPONSE. Neither half
knows what a command means.
"""

from collections import deque
from collections.abc import Collection
from dataclasses import dataclass, replace
from enum import Enum, auto

from cardsync.errors import LocalError, PeerError
from cardsync.octets.apdu import SW, CommandApdu, Ins, ResponseApdu
from cardsync.toolkit.commands import ProactiveCommand, TerminalResponse

_CLA = 0x80
_PENDING = 0x91
_LARGEST = 256
_MOST_OFFERED = 64  # commands that wait; numbers are 1 to 254, so none is given twice at a time
_MOST_REFUSED = 8


class State(Enum):
    """Where a half of the session stands."""

    IDLE = auto()
    PENDING = auto()
    FETCHED = auto()
    ANSWERED = auto()


class OutOfTurn(PeerError):
    """An instruction came in a state that has no place for it; the answer is `69 85`."""

    def __init__(self, state: State, ins: int) -> None:
        super().__init__(
            f"instruction {ins:02X} in state {state.name}", answer=SW.CONDITIONS_NOT_SATISFIED
        )


CARD_NEXT = {
    (State.PENDING, Ins.FETCH): State.FETCHED,
    (State.FETCHED, Ins.FETCH): State.FETCHED,  # the answer was lost on its way: the same again
    (State.FETCHED, Ins.TERMINAL_RESPONSE): State.IDLE,
}

TERMINAL_NEXT = {
    (State.IDLE, Ins.FETCH): State.PENDING,
    (State.PENDING, Ins.FETCH): State.PENDING,  # the answer was lost on its way: ask again
    (State.FETCHED, Ins.TERMINAL_RESPONSE): State.ANSWERED,
    (State.ANSWERED, Ins.TERMINAL_RESPONSE): State.ANSWERED,
}


@dataclass(frozen=True, slots=True)
class CommandAnswered:
    """The terminal answered a command of ours."""

    command: ProactiveCommand
    response: TerminalResponse


@dataclass(frozen=True, slots=True)
class CommandUnanswered:
    """The terminal fetched a command and never answered it."""

    command: ProactiveCommand


@dataclass(frozen=True, slots=True)
class CommandAnsweredLate:
    """The terminal answered a command that had been given up."""

    command: ProactiveCommand
    response: TerminalResponse


Happened = CommandAnswered | CommandUnanswered | CommandAnsweredLate
"""What the card's half tells of its commands."""


@dataclass(frozen=True, slots=True)
class CommandFetched:
    """The card gave us a command; `octets` as they came, to be decoded by whoever does it."""

    octets: bytes


class CardSession:
    """The card's half: commands are offered, fetched one at a time, and answered.

    `patience` is the number of polls after which a fetched command counts as unanswered. One that
    was given up makes room for the next; its response may still come, whatever is under way then.
    """

    def __init__(self, patience: int = 20) -> None:
        self._state = State.IDLE
        self._queue: deque[ProactiveCommand] = deque()
        self._patience = patience
        self._polls = 0
        self._number = 0
        self._current: ProactiveCommand | None = None
        self._given_up: dict[int, ProactiveCommand] = {}  # by number: 254 at most
        self._events: list[Happened] = []

    def offer(self, command: ProactiveCommand) -> int:
        """Take a command for the terminal and give its number, 1 to 254.

        Raises `LocalError` if it does not fit one FETCH, or if too many wait.
        """
        if len(self._queue) >= _MOST_OFFERED:
            raise LocalError(f"{_MOST_OFFERED} commands wait already")
        octets = command.encode()
        if len(octets) > _LARGEST:
            raise LocalError(f"the command has {len(octets)} octets; one FETCH brings {_LARGEST}")
        self._number = self._number % 254 + 1
        self._given_up.pop(self._number, None)  # a response is of the new one from now on
        details = replace(command.details, number=self._number)
        self._queue.append(replace(command, details=details))
        self._advance()
        return self._number

    def receive_data(self, apdu: CommandApdu) -> bytes:
        """Take FETCH or TERMINAL RESPONSE; give the data of the answer; raise `OutOfTurn`."""
        if apdu.ins == Ins.TERMINAL_RESPONSE and self._given_up and self._is_late(apdu.data):
            return b""
        if (self._state, apdu.ins) not in CARD_NEXT or self._current is None:
            raise OutOfTurn(self._state, apdu.ins)
        if apdu.ins == Ins.FETCH:
            self._state = CARD_NEXT[self._state, Ins.FETCH]
            return self._current.encode()
        self._answer(self._current, TerminalResponse.decode(apdu.data))
        return b""

    def _is_late(self, data: bytes) -> bool:
        """Take the response to a command that was given up; say whether it is one."""
        response = TerminalResponse.decode(data)
        command = self._given_up.get(response.details.number)
        if command is None or command.details.type != response.details.type:
            return False
        del self._given_up[response.details.number]
        self._events.append(CommandAnsweredLate(command, response))
        return True

    def _answer(self, current: ProactiveCommand, response: TerminalResponse) -> None:
        if (response.details.number, response.details.type) != (
            current.details.number,
            current.details.type,
        ):
            raise PeerError("the response is of another command", answer=SW.INCORRECT_DATA)
        self._events.append(CommandAnswered(current, response))
        self._finish()

    def _finish(self) -> None:
        self._state, self._current, self._polls = State.IDLE, None, 0
        self._advance()

    def _advance(self) -> None:
        if self._state is State.IDLE and self._queue:
            self._current = self._queue.popleft()
            self._state = State.PENDING

    def poll(self) -> None:
        """Count a STATUS; a command that is fetched and not answered for too long is given up."""
        if self._state is not State.FETCHED or self._current is None:
            return
        self._polls += 1
        if self._polls >= self._patience:
            self._give_up(self._current)

    def abandon(self, types: Collection[int]) -> bool:
        """Give up the command that is fetched, if it is of these types; say whether it is.

        One that was not fetched yet stays: the terminal may be busy with what the user sees.
        """
        current = self._current
        if self._state is not State.FETCHED or current is None or current.details.type not in types:
            return False
        self._give_up(current)
        return True

    def _give_up(self, current: ProactiveCommand) -> None:
        self._given_up[current.details.number] = current
        self._events.append(CommandUnanswered(current))
        self._finish()

    @property
    def status_word(self) -> int:
        """`91 XX` while a command waits, else `90 00`."""
        if self._state is State.PENDING and self._current is not None:
            return _PENDING << 8 | len(self._current.encode()) & 0xFF
        return SW.OK

    @property
    def idle(self) -> bool:
        """Say whether nothing waits and nothing is under way."""
        return self._state is State.IDLE

    def events(self) -> list[Happened]:
        """Give what happened since the last call."""
        happened, self._events = self._events, []
        return happened


class TerminalSession:
    """The terminal's half: looks at each status word, fetches, and brings the response.

    An ENVELOPE that the card refuses with `93 00` (TS 102 221 clause 14.6.6) is kept and brought
    again when the card has answered something else.
    """

    def __init__(self) -> None:
        self._state = State.IDLE
        self._outbox: CommandApdu | None = None
        self._last: CommandApdu | None = None
        self._refused: deque[CommandApdu] = deque(maxlen=_MOST_REFUSED)
        self._busy = False
        self._events: list[CommandFetched] = []

    def receive_data(self, response: ResponseApdu, to: CommandApdu | None = None) -> None:
        """Look at what the card answered to any instruction; `to` is that instruction."""
        self._busy = response.sw == SW.BUSY
        if self._busy and to is not None and to.ins == Ins.ENVELOPE:
            self._refused.append(to)
        elif self._state is State.PENDING and self._outbox is None:
            self._take(response)
        else:
            self._look(response)

    def _take(self, response: ResponseApdu) -> None:
        """Take the answer to FETCH; without a command in it there is none."""
        if not response.data:
            self._state = State.IDLE
            return
        self._state = State.FETCHED
        self._events.append(CommandFetched(response.data))

    def _look(self, response: ResponseApdu) -> None:
        if self._state is State.ANSWERED and self._outbox is None:
            self._state = State.IDLE
        if response.sw1 == _PENDING and self._state is State.IDLE:
            self._send(CommandApdu(_CLA, Ins.FETCH, le=response.sw2 or _LARGEST))

    def _send(self, apdu: CommandApdu) -> None:
        if (self._state, apdu.ins) not in TERMINAL_NEXT:
            raise OutOfTurn(self._state, apdu.ins)
        self._state = TERMINAL_NEXT[self._state, Ins(apdu.ins)]
        self._outbox = self._last = apdu

    def respond(self, response: TerminalResponse) -> None:
        """Bring the response of the command that was fetched; raise `OutOfTurn` without one."""
        if self._state is not State.FETCHED:
            raise OutOfTurn(self._state, Ins.TERMINAL_RESPONSE)
        self._send(CommandApdu(_CLA, Ins.TERMINAL_RESPONSE, data=response.encode()))

    def forget(self) -> None:
        """Leave the command that was fetched without a response, as some terminals do.

        The card then waits for it, until it loses its patience.
        """
        if self._state is not State.FETCHED:
            raise OutOfTurn(self._state, Ins.TERMINAL_RESPONSE)
        self._state = State.IDLE

    def repeat(self) -> None:
        """Send the last instruction of `data_to_send` again: it or its answer was lost."""
        if self._last is None:
            raise OutOfTurn(self._state, Ins.FETCH)
        if self._last.ins == Ins.ENVELOPE:
            self._refused.appendleft(self._last)
        else:
            self._send(self._last)

    def data_to_send(self) -> CommandApdu | None:
        """Give the next instruction for the card, or None."""
        apdu, self._outbox = self._outbox, None
        if apdu is None and self._state is State.IDLE and self._refused and not self._busy:
            apdu = self._last = self._refused.popleft()
        return apdu

    def reset(self) -> None:
        """Forget everything: the card was reset."""
        self._state, self._outbox, self._last, self._busy = State.IDLE, None, None, False
        self._refused.clear()
        self._events.clear()

    def events(self) -> list[CommandFetched]:
        """Give what happened since the last call."""
        happened, self._events = self._events, []
        return happened
