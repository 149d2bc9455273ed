"""Protocol data units of SMPP 3.4 and the stream that they arrive in.

A PDU is a header of four 32-bit numbers (length, command, status, sequence) and a body of
`smpp_bodies`. Clauses are those of the Short Message Peer-to-Peer Protocol Specification 3.4,
issue 1.2.
"""

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Self, TypeAlias

from cardsync.errors import LocalError, PeerError
from cardsync.octets.reader import Reader
from cardsync.transport.smpp_bodies import (
    Bind,
    BindResp,
    DeliverSm,
    DeliverSmResp,
    EnquireLink,
    EnquireLinkResp,
    GenericNack,
    SubmitSm,
    SubmitSmResp,
    Unbind,
    UnbindResp,
)
from cardsync.transport.smpp_codes import BINDS, RESPONSE, CommandId, CommandStatus

LONGEST_PDU = 0x10000  # 64 kB: a message_payload of nearly that is the most 3.4 can say
LAST_SEQUENCE = 0x7FFFFFFF  # clause 5.1.4

_HEADER = struct.Struct(">IIII")

Request: TypeAlias = Bind | SubmitSm | DeliverSm | EnquireLink | Unbind
Response: TypeAlias = (
    BindResp | SubmitSmResp | DeliverSmResp | EnquireLinkResp | UnbindResp | GenericNack
)
Body: TypeAlias = Request | Response

_DECODERS: Mapping[CommandId, Callable[[CommandId, int, Reader], Body]] = {
    **dict.fromkeys(BINDS, Bind.decode),
    **{CommandId(command | RESPONSE): BindResp.decode for command in BINDS},
    CommandId.SUBMIT_SM: SubmitSm.decode,
    CommandId.SUBMIT_SM_RESP: SubmitSmResp.decode,
    CommandId.DELIVER_SM: DeliverSm.decode,
    CommandId.DELIVER_SM_RESP: DeliverSmResp.decode,
    CommandId.ENQUIRE_LINK: EnquireLink.decode,
    CommandId.ENQUIRE_LINK_RESP: EnquireLinkResp.decode,
    CommandId.UNBIND: Unbind.decode,
    CommandId.UNBIND_RESP: UnbindResp.decode,
    CommandId.GENERIC_NACK: GenericNack.decode,
}

_REFUSALS: Mapping[CommandId, Response] = {
    **{command: BindResp(CommandId(command | RESPONSE), None) for command in BINDS},
    CommandId.SUBMIT_SM: SubmitSmResp(None),
    CommandId.DELIVER_SM: DeliverSmResp(),
    CommandId.ENQUIRE_LINK: EnquireLinkResp(),
    CommandId.UNBIND: UnbindResp(),
}


def refusal(command: CommandId) -> Response:
    """Give the response that refuses a request `command`; the status says why."""
    return _REFUSALS[command]


class MalformedPdu(PeerError):
    """A PDU cannot be read; `answer` is the `CommandStatus` owed for `command`, `sequence`."""

    def __init__(self, message: str, status: int, command: int = 0, sequence: int = 0) -> None:
        super().__init__(message, answer=status)
        self.status = status
        self.command = command
        self.sequence = sequence


@dataclass(frozen=True, slots=True)
class Pdu:
    """One PDU: a body, its sequence number, and the status of a response. Clause 5.1."""

    body: Body
    sequence: int
    status: int = CommandStatus.ESME_ROK

    def encode(self) -> bytes:
        """Give the octets; raise `LocalError` above 64 kB."""
        body = self.body.encode()
        length = _HEADER.size + len(body)
        if length > LONGEST_PDU:
            raise LocalError(f"a PDU of {length} octets is longer than {LONGEST_PDU}")
        return _HEADER.pack(length, self.body.command, self.status, self.sequence) + body

    @classmethod
    def decode(cls, octets: bytes) -> Self:
        """Read one whole PDU, or raise `MalformedPdu`."""
        if len(octets) < _HEADER.size:
            message = f"a PDU of {len(octets)} octets has no header"
            raise MalformedPdu(message, CommandStatus.ESME_RINVCMDLEN)
        length, number, status, sequence = _HEADER.unpack_from(octets)
        if length != len(octets):
            message = f"command_length {length} of a PDU of {len(octets)} octets"
            raise MalformedPdu(message, CommandStatus.ESME_RINVCMDLEN, number, sequence)
        if number not in _DECODERS:
            message = f"command_id {number:08X} is unknown"
            raise MalformedPdu(message, CommandStatus.ESME_RINVCMDID, number, sequence)
        command = CommandId(number)
        try:
            body = _DECODERS[command](command, status, Reader(octets, _HEADER.size))
        except PeerError as exc:
            # A body that its length does not fit: clause 4.3, "either too short or too long".
            answer = CommandStatus.ESME_RINVCMDLEN if exc.answer is None else exc.answer
            message = f"{command.name}: {exc}"
            raise MalformedPdu(message, answer, command, sequence) from exc
        return cls(body, sequence, status)


class Framer:
    """Cuts a stream into PDUs; holds never more than one of them and what came with it."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> None:
        """Take octets of the stream."""
        self._buffer += data

    def take(self) -> bytes | None:
        """Give the next whole PDU, or None; `MalformedPdu` where no border can be found again."""
        if len(self._buffer) < 4:
            return None
        length = int.from_bytes(self._buffer[:4], "big")
        if not _HEADER.size <= length <= LONGEST_PDU:
            message = f"command_length {length} is not {_HEADER.size} to {LONGEST_PDU}"
            raise MalformedPdu(message, CommandStatus.ESME_RINVCMDLEN)
        if len(self._buffer) < length:
            return None
        frame = bytes(self._buffer[:length])
        del self._buffer[:length]
        return frame

    def drain(self) -> bytes:
        """Give all that is held, whole or not, and hold nothing."""
        octets = bytes(self._buffer)
        self._buffer.clear()
        return octets
