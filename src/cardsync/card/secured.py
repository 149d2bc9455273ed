"""Secured short messages as the card receives them: joined, checked, handed on by TAR, proved.

TS 31.115 clause 4, TS 102 225. A plain short message, a packet that fails a check or one for an
application that is not there starts nothing. Key sets and counters are cells of memory.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from cardsync.card.memory import Memory
from cardsync.errors import CardsyncError, LocalError
from cardsync.octets.reader import Reader
from cardsync.ota.packet import Integrity, ResponseStatus, SecurityLevel
from cardsync.ota.security import Algorithm, Key, KeySet, PacketRejected
from cardsync.ota.session import Accepted, ReceivingEntity
from cardsync.transport.sms import Deliver, Submit
from cardsync.transport.user_data import (
    LARGEST_OCTETS,
    RESPONSE_HEADER,
    Iei,
    Reassembler,
    UserData,
    segment,
)

_KEY = "key:"
_COUNTER = "counter:"
_LEVEL = "level"
_MESSAGES, _SEGMENTS = 4, 64  # that wait to be joined: 36 KB at most

Handler = Callable[[Accepted], bytes]
"""What an application does with a command; gives the additional data of the proof."""


def write_key_set(memory: Memory, key_set: KeySet) -> None:
    """Put a key set into the memory of the card."""
    octets = b"".join(
        bytes([key.algorithm, len(key.octets)]) + key.octets for key in (key_set.kic, key_set.kid)
    )
    memory.write(f"{_KEY}{key_set.number}", octets)


def forget_counter(memory: Memory, number: int) -> None:
    """Let the counter of a key set begin anew, for keys that are new."""
    memory.write(f"{_COUNTER}{number}", b"")


def write_least_level(memory: Memory, level: SecurityLevel) -> None:
    """Say how secure a packet must be at least; raise `LocalError` for one without a CC."""
    if level.integrity is not Integrity.CRYPTOGRAPHIC_CHECKSUM:
        raise LocalError("a packet without a cryptographic checksum may come from anybody")
    memory.write(_LEVEL, b"" if level == SecurityLevel() else bytes([int(level)]))


def least_level(memory: Memory) -> SecurityLevel:
    """Give the least security of every application; without another word CC, ciphered, counted."""
    octets = memory.read(_LEVEL)
    return SecurityLevel.decode(octets[0]) if octets else SecurityLevel()


def read_key_sets(memory: Memory) -> dict[int, KeySet]:
    """Give the key sets of the card by their number."""
    return {
        int(name[len(_KEY) :]): _key_set(int(name[len(_KEY) :]), memory.read(name))
        for name in memory.names(_KEY)
    }


@lru_cache(maxsize=64)
def _key_set(number: int, octets: bytes) -> KeySet:
    reader = Reader(octets)
    kic, kid = (Key(Algorithm(reader.uint8()), reader.octets(reader.uint8())) for _ in range(2))
    return KeySet(number, kic, kid)


@dataclass(frozen=True, slots=True)
class Received:
    """What a short message leads to: user data of its report, and short messages to send."""

    report: bytes = b""
    submits: tuple[bytes, ...] = ()


class SecuredMessages:
    """The receiving entity of the card and the short messages that bring its packets.

    `refusals` counts the packets refused since power-on, by response status.
    """

    def __init__(self, memory: Memory) -> None:
        self.refusals: Counter[ResponseStatus] = Counter()
        self._memory = memory
        self._reassembler = Reassembler(_MESSAGES, _SEGMENTS)

    def reset(self) -> None:
        """Forget segments of messages that are not whole."""
        self._reassembler = Reassembler(_MESSAGES, _SEGMENTS)

    def receive_data(
        self, tpdu: bytes, handlers: Mapping[bytes, tuple[SecurityLevel, Handler]]
    ) -> Received:
        """Take an SMS-DELIVER; raise `PeerError` if it is none.

        `handlers` gives for each TAR its least security and what it does.
        """
        message = Deliver.decode(tpdu)
        whole = self._reassembler.receive_data(message.originator, message.user_data)
        if whole is None or whole.element(Iei.COMMAND_PACKET) is None:
            return Received()
        entity = self._entity(handlers)
        try:
            accepted = entity.receive_data(whole.data)
        except PacketRejected as rejected:
            # The sender may be anybody, also of a packet that was right once and comes again: he
            # gets a status in the report of his own short message, never one that we send.
            self.refusals[rejected.status] += 1
            return Received(_report(entity.respond(rejected)))
        status, data = self._execute(accepted, handlers[accepted.tar][1])
        answer = entity.respond(accepted, status, data)
        if answer is None:
            return Received()
        if accepted.spi.proof_in_submit:
            return Received(submits=_submits(message, answer, accepted.counter))
        if UserData(answer, RESPONSE_HEADER).length() > LARGEST_OCTETS:
            hint = entity.respond(accepted, ResponseStatus.RESPONSE_BY_SMS_SUBMIT)
            return Received(_report(hint), _submits(message, answer, accepted.counter))
        return Received(_report(answer))

    def _entity(self, handlers: Mapping[bytes, tuple[SecurityLevel, Handler]]) -> ReceivingEntity:
        counters = {
            int(name[len(_COUNTER) :]): int.from_bytes(self._memory.read(name), "big")
            for name in self._memory.names(_COUNTER)
        }
        minimum = {tar: level for tar, (level, _) in handlers.items()}
        return ReceivingEntity(read_key_sets(self._memory), minimum, counters)

    def _execute(self, accepted: Accepted, handler: Handler) -> tuple[ResponseStatus, bytes]:
        """Write the counter down and do what the command says; what fails changes nothing else."""
        for number, counter in accepted.counters.items():
            self._memory.write(f"{_COUNTER}{number}", counter.to_bytes(5, "big"))
        try:
            with self._memory.transaction():
                return ResponseStatus.OK, handler(accepted)
        except CardsyncError:
            return ResponseStatus.UNIDENTIFIED_SECURITY_ERROR, b""


def _report(answer: bytes | None) -> bytes:
    """Give the user data of the report of the short message."""
    return b"" if answer is None else UserData(answer, RESPONSE_HEADER).encode()


def _submits(message: Deliver, answer: bytes, counter: int) -> tuple[bytes, ...]:
    """Send an answer to where its command came from; its counter tells its segments apart."""
    parts = segment(answer, RESPONSE_HEADER, counter & 0xFF)
    return tuple(
        [Submit(message.originator, part, protocol=message.protocol).encode() for part in parts]
    )
