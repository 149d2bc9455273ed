"""Delivery receipts and validity periods of SMPP 3.4: appendix B and clause 7.1.1.

A receipt says how a message ended, in optional parameters and in a text of which every message
centre has its own dialect; the parameters are believed first.
"""

import re
from dataclasses import dataclass
from typing import Self

from cardsync.errors import LocalError, PeerError
from cardsync.transport.smpp_bodies import DeliverSm, Tlv
from cardsync.transport.smpp_codes import MessageState, MessageType, Tag

# The words of appendix B for the states of clause 5.2.28.
_WORDS = {
    MessageState.ENROUTE: "ENROUTE",
    MessageState.DELIVERED: "DELIVRD",
    MessageState.EXPIRED: "EXPIRED",
    MessageState.DELETED: "DELETED",
    MessageState.UNDELIVERABLE: "UNDELIV",
    MessageState.ACCEPTED: "ACCEPTD",
    MessageState.UNKNOWN: "UNKNOWN",
    MessageState.REJECTED: "REJECTD",
}
_STATES = {word: state for state, word in _WORDS.items()}
_ID = re.compile(rb"\bid:(\S{1,64})")
_STAT = re.compile(rb"\bstat:(\w{7})")


@dataclass(frozen=True, slots=True)
class Receipt:
    """How the message `message_id` stands: a final state, or on its way. Appendix B."""

    message_id: str
    state: MessageState

    def tlvs(self) -> tuple[Tlv, ...]:
        """Give the parameters that say it. Clauses 5.3.2.12 and 5.3.2.35."""
        return (
            Tlv(Tag.RECEIPTED_MESSAGE_ID, self.message_id.encode("ascii") + b"\0"),
            Tlv(Tag.MESSAGE_STATE, bytes([self.state])),
        )

    def text(self, submitted: str, done: str) -> bytes:
        """Give the text of appendix B, for who reads no parameters; times are YYMMDDhhmm."""
        delivered = int(self.state is MessageState.DELIVERED)
        return (
            f"id:{self.message_id} sub:001 dlvrd:{delivered:03} submit date:{submitted} "
            f"done date:{done} stat:{_WORDS[self.state]} err:000 text:"
        ).encode("ascii")

    @classmethod
    def decode(cls, message: DeliverSm) -> Self:
        """Read a receipt out of a deliver_sm; raise `PeerError` if it is none or says nothing."""
        kinds = (MessageType.DELIVERY_RECEIPT, MessageType.INTERMEDIATE_NOTIFICATION)
        if message.message_type not in kinds:
            raise PeerError(f"a message of esm_class {message.esm_class:02X} is no receipt")
        name = receipted_message_id(message)
        if name is None:
            found = _ID.search(message.user_data)
            name = found.group(1).decode("ascii", "backslashreplace") if found else ""
        state = _state(message)
        if not name or state is None:
            raise PeerError("a receipt names no message or no state")
        return cls(name, state)


def receipted_message_id(message: DeliverSm) -> str | None:
    """Give the message that a receipt or acknowledgement is about, None if it does not tell."""
    octets = message.tlv(Tag.RECEIPTED_MESSAGE_ID)
    return None if octets is None else octets.rstrip(b"\0").decode("ascii", "backslashreplace")


def _state(message: DeliverSm) -> MessageState | None:
    octets = message.tlv(Tag.MESSAGE_STATE)
    if octets is not None and octets[0] in _WORDS:
        return MessageState(octets[0])
    found = _STAT.search(message.user_data)
    return _STATES.get(found.group(1).decode("ascii", "backslashreplace")) if found else None


def relative_time(seconds: int) -> str:
    """Write a validity period of 1 second to 30 days. Clause 7.1.1.2."""
    if not 1 <= seconds <= 30 * 86400:
        raise LocalError(f"a validity period of {seconds} s is not 1 s to 30 days")
    minutes, second = divmod(seconds, 60)
    hours, minute = divmod(minutes, 60)
    day, hour = divmod(hours, 24)
    return f"0000{day:02}{hour:02}{minute:02}{second:02}000R"
