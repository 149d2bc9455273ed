"""Content that a server pushes to an application of a phone, in short messages.

A Push of WSP without connection (WAP-230 clause 8.2.4.1; WAP-235, "Connectionless push") stands
in the user data, behind the ports of the push client (WAP-259 clause 6.5; TS 23.040 clause
9.2.3.24.4). The application is a number of X-Wap-Application-Id (WAP-235 clause 6.2.2 and WINA).
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from cardsync.errors import PeerError
from cardsync.octets.reader import Reader
from cardsync.transport.user_data import Ports, UserData, segment
from cardsync.transport.wsp import MalformedPdu, Push, read_unit, unit
from cardsync.transport.wsp_codes import HEADER_NAMES, FieldName
from cardsync.transport.wsp_headers import Header, find
from cardsync.transport.wsp_values import encode_integer, read_integer

PORTS: Final = Ports(2948, 9200)
"""From the WSP of a server without connection to the push client of a phone, as IANA has them."""


class Application(IntEnum):
    """Who in the phone is meant. WINA, push application identifiers."""

    SYNCML = 0x05  # x-wap-application:push.syncml
    SYNCML_DM = 0x07  # x-wap-application:syncml.dm


@dataclass(frozen=True, slots=True)
class Pushed:
    """Content, its media type as HTTP writes it, and the number of the application; None: any."""

    content_type: str
    body: bytes
    application: int | None = None


def write(pushed: Pushed, reference: int) -> tuple[UserData, ...]:
    """Give the user data of the short messages; `reference`, 0 to 255, tells pushes apart.

    Raises `LocalError` for a content type that cannot be said, and for more than 255 messages.
    """
    name = HEADER_NAMES[FieldName.X_WAP_APPLICATION_ID]
    number = pushed.application
    headers = () if number is None else (Header(name, encode_integer(number)),)
    octets = unit(reference, Push(pushed.content_type, pushed.body, headers))
    return segment(octets, (), reference, in_each=(PORTS.element(),))


def read(user_data: UserData) -> Pushed | None:
    """Read what was pushed, None if nothing was; `user_data` is a whole message's.

    Raises `PeerError` where the ports are those of a push and the octets are none.
    """
    if user_data.ports is None or user_data.ports.destination != PORTS.destination:
        return None
    _, pdu = read_unit(user_data.data)
    if not isinstance(pdu, Push):
        raise MalformedPdu("no push, though it goes to where pushes go")
    value = find(pdu.headers, FieldName.X_WAP_APPLICATION_ID)
    return Pushed(pdu.content_type, pdu.body, None if value is None else _number(value))


def _number(value: bytes) -> int | None:
    """Read the number of an application; one that is written as a text is none of ours."""
    try:
        return read_integer(Reader(value))
    except PeerError:
        return None
