"""Delivery receipts and the time formats of SMPP 3.4: clause 7.1.1 and appendix B.

A receipt says how a message ended, in optional parameters and in a text of which every message
centre has its own dialect; the parameters are believed first.
"""

import calendar
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Self

from cardsync.errors import LocalError, PeerError
from cardsync.transport.smpp_bodies import DeliverSm, Tlv
from cardsync.transport.smpp_codes import CommandStatus, MessageState, MessageType, Tag

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
_DATE = "%y%m%d%H%M"
_TIME = re.compile(r"(\d{2})(\d{2})(\d{2})(\d{2})(\d{2})(\d{2})(\d)(\d{2})([+R-])")


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

    def text(self, submitted: datetime, done: datetime) -> bytes:
        """Give the text of appendix B, for who does not read parameters."""
        delivered = int(self.state is MessageState.DELIVERED)
        return (
            f"id:{self.message_id} sub:001 dlvrd:{delivered:03} submit date:{submitted:{_DATE}} "
            f"done date:{done:{_DATE}} stat:{_WORDS[self.state]} err:000 text:"
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


def absolute_time(when: datetime) -> str:
    """Write a moment, which must know its zone, in UTC. Clause 7.1.1.1."""
    when = when.astimezone(UTC)
    return f"{when:%y%m%d%H%M%S}{when.microsecond // 100000}00+"


def read_time(text: str, now: datetime) -> datetime:
    """Give the moment that `text` means at `now`; `PeerError` (ESME_RINVEXPIRY) if it is none."""
    found = _TIME.fullmatch(text)
    message = f"a time of {len(text)} characters is neither absolute nor relative"
    if found is None:
        raise PeerError(message, answer=CommandStatus.ESME_RINVEXPIRY)
    year, month, day, hour, minute, second, tenth, quarters = map(int, found.groups()[:-1])
    try:
        if found.group(9) == "R":
            clock = timedelta(days=day, hours=hour, minutes=minute, seconds=second)
            return _later(now, 12 * year + month) + clock
        zone = timezone(timedelta(minutes=15 * quarters) * (-1 if found.group(9) == "-" else 1))
        return datetime(2000 + year, month, day, hour, minute, second, tenth * 100000, zone)
    except (ValueError, OverflowError) as exc:
        raise PeerError(message, answer=CommandStatus.ESME_RINVEXPIRY) from exc


def _later(moment: datetime, months: int) -> datetime:
    """Add months as the calendar has them: a month behind 31 January is the end of February."""
    years, index = divmod(moment.month - 1 + months, 12)
    year, month = moment.year + years, index + 1
    day = min(moment.day, calendar.monthrange(year, month)[1])
    return moment.replace(year=year, month=month, day=day)
