"""REQUEST SYNCHRONIZATION: the command, its response, its event.

Our specification: docs/request-synchronization.md; its data objects and code points stand in
`synchronization_objects.py`.
"""

from dataclasses import dataclass
from enum import IntEnum, IntFlag
from typing import Self

from cardsync.toolkit import commands, objects
from cardsync.toolkit.commands import Part, ProactiveCommand, TerminalResponse, first, required
from cardsync.toolkit.envelope import Envelope, event_download
from cardsync.toolkit.objects import DataObject, Result
from cardsync.toolkit.synchronization_objects import (
    CODE_POINTS,
    AuthenticationReference,
    CategoryMask,
    Constraints,
    ProfileReference,
    SessionReference,
    SourceDatabase,
    Summary,
    SynchronizationProtocol,
    SynchronizationType,
    TargetDatabase,
    TransportList,
)


class Operation(IntEnum):
    """Bits 1 and 2 of the qualifier."""

    START = 0
    CANCEL = 1
    QUERY_STATUS = 2
    QUERY_CAPABILITIES = 3


class Qualifier(IntFlag):
    """Bits 3 to 5 of the qualifier."""

    CONFIRM = 0x04
    WHEN_CONVENIENT = 0x08
    SOURCE_IN_UICC = 0x10


class Temporary(IntEnum):
    """Additional information of a temporary problem; it may be resumed."""

    TIMEOUT = 0x01
    TRANSPORT_LOST = 0x02
    SERVER_BUSY = 0x03
    SUSPENDED = 0x04
    INTERRUPTED_BY_RESET = 0x05


class Permanent(IntEnum):
    """Additional information of a permanent error; a native status of two octets may follow."""

    PROTOCOL = 0x01
    VERSION = 0x02
    REPRESENTATION = 0x03
    TRANSPORT = 0x04
    CLIENT_AUTHENTICATION = 0x05
    SERVER_AUTHENTICATION = 0x06
    NOT_THIS_TERMINAL = 0x07
    SOURCE_UNKNOWN = 0x08
    TARGET_UNREACHABLE = 0x09
    TARGET_DATABASE_UNKNOWN = 0x0A
    TYPE = 0x0B
    CATEGORY_FORBIDDEN = 0x0C
    QUOTA = 0x0D
    CONFLICT_UNRESOLVED = 0x0E
    PARTIAL = 0x0F
    REFERENCE_CONFLICT = 0x10
    INTERNAL = 0x11


class Unable(IntEnum):
    """Additional information of "terminal unable" (`20`), beyond that of TS 102 223 clause 8.12.2.

    After ALREADY_RUNNING the reference of the order that runs follows.
    """

    ALREADY_RUNNING = 0x70
    AGENT_NOT_READY = 0x71
    BATTERY_LOW = 0x72
    CONSTRAINT_NOT_MET = 0x73
    STORAGE = 0x74


class Refusal(IntEnum):
    """Additional information of "user did not accept" (`22`)."""

    REFUSED_NOW = 0x00
    REFUSED_PERMANENTLY = 0x01
    CONSENT_WITHDRAWN = 0x02


_MANDATORY = (
    SynchronizationProtocol,
    TransportList,
    SynchronizationType,
    SourceDatabase,
    TargetDatabase,
    AuthenticationReference,
    CategoryMask,
    Constraints,
    ProfileReference,
)
"""Objects whose comprehension is required; the others may be ignored by the terminal."""


def request_synchronization(
    *found: DataObject | None,
    operation: Operation = Operation.START,
    flags: Qualifier | None = None,
) -> ProactiveCommand:
    """Make the command of its objects, in their order; those that are None are left out."""
    parts = [Part(one, isinstance(one, _MANDATORY)) for one in found if one is not None]
    return commands.command(CODE_POINTS.command, *parts, qualifier=operation | (flags or 0))


def accepted(command: ProactiveCommand, result: Result, *found: DataObject) -> TerminalResponse:
    """Answer the command, accepted or refused: its reference, then what it asked for. Clause 6."""
    reference = first(command.parts, SessionReference)
    told = found if reference is None else (reference, *found)
    parts = tuple([Part(one, comprehension=False) for one in told])
    return TerminalResponse(command.details, result, parts)


def status_event(reference: bytes, result: Result, summary: Summary | None) -> Envelope:
    """Tell how a session went: EVENT DOWNLOAD, synchronization status."""
    envelope = event_download(CODE_POINTS.event)
    told = [Part(SessionReference(reference), comprehension=False), Part(result)]
    if summary is not None:
        told.append(Part(summary, comprehension=False))
    return Envelope(envelope.tag, envelope.parts + tuple(told))


@dataclass(frozen=True, slots=True)
class SynchronizationStatus:
    """The content of the event: which session, how it went, what it did."""

    reference: bytes
    result: Result
    summary: Summary | None

    @classmethod
    def of(cls, envelope: Envelope) -> Self:
        """Read the event; raise `PeerError` if reference or result are missing."""
        return cls(
            required(envelope.parts, SessionReference).octets,
            required(envelope.parts, Result),
            first(envelope.parts, Summary),
        )


def reference_of(command: ProactiveCommand) -> bytes | None:
    """Give the session reference of a command, where it has one."""
    found = first(command.parts, SessionReference)
    return None if found is None else found.octets


def alpha_of(command: ProactiveCommand) -> str | None:
    """Give the text that the user shall read, where there is one."""
    found = first(command.parts, objects.AlphaIdentifier)
    return None if found is None else found.text
