"""Names of the numbers in decoded values, and the clauses of our own data objects.

A field that holds a member of an enumeration brings its name along; these tables are for those
that hold a plain number because any other one may come as well.
"""

from collections.abc import Callable
from enum import IntEnum, IntFlag

from cardsync.octets.apdu import SW, CommandApdu, Ins, ResponseApdu
from cardsync.syncml.elements import AlertCode
from cardsync.syncml.record import Category
from cardsync.toolkit import information, objects, texts
from cardsync.toolkit import synchronization_objects as so
from cardsync.toolkit.codes import CommandType, Device, EnvelopeTag, EventCode, GeneralResult
from cardsync.toolkit.envelope import Envelope
from cardsync.transport.user_data import Iei, InformationElement

Name = Callable[[int], str | None]
"""Gives the name of a number, None where it has none."""


def _of(*enumerations: type[IntEnum], more: dict[int, str] | None = None) -> Name:
    names = {one.value: one.name for kind in enumerations for one in kind}
    return (names | (more or {})).get


def _flags(kind: type[IntFlag]) -> Name:
    return lambda number: kind(number).name


_TEXT_CODING = _of(more={0x00: "PACKED", 0x04: "OCTETS", 0x08: "UCS2"})  # TS 23.038 clause 4
_SERVICE = _of(more={0: "NORMAL", 1: "LIMITED", 2: "NO_SERVICE"})  # TS 102 223 clause 8.27

NAMES: dict[tuple[type, str], Name] = {
    (CommandApdu, "ins"): _of(Ins),
    (ResponseApdu, "sw"): _of(SW),
    (Envelope, "tag"): _of(EnvelopeTag),
    (InformationElement, "identifier"): _of(Iei),
    (objects.CommandDetails, "type"): _of(
        CommandType, more={so.CODE_POINTS.command: "REQUEST_SYNCHRONIZATION"}
    ),
    (objects.DeviceIdentities, "source"): _of(Device),
    (objects.DeviceIdentities, "destination"): _of(Device),
    (objects.Result, "general"): _of(GeneralResult),
    (objects.EventList, "events"): _of(
        EventCode, more={so.CODE_POINTS.event: "SYNCHRONIZATION_STATUS"}
    ),
    (texts.TextString, "coding"): _TEXT_CODING,
    (texts.DefaultText, "coding"): _TEXT_CODING,
    (information.LocationStatus, "status"): _SERVICE,
    (so.SynchronizationProtocol, "protocol"): _of(so.Protocol),
    (so.SynchronizationProtocol, "representation"): _of(so.Representation),
    (so.TransportList, "transports"): _of(so.Transport),
    (so.SynchronizationType, "code"): _of(AlertCode, more={0: "AGENT"}),
    (so.SourceDatabase, "device_type"): _of(so.DeviceIdType),
    (so.SourceDatabase, "database_type"): _of(so.DatabaseIdType),
    (so.TargetDatabase, "device_type"): _of(so.DeviceIdType),
    (so.TargetDatabase, "database_type"): _of(so.DatabaseIdType),
    (so.Notification, "mode"): _of(more={0: "NONE", 1: "FINAL", 2: "PROGRESS"}),
    (so.AuthenticationReference, "scheme"): _of(so.AuthenticationScheme),
    (so.CategoryMask, "mask"): _flags(Category),
    (so.Constraints, "bearers"): _flags(so.Bearers),
    (so.Summary, "phase"): _of(so.Phase),
}

OUR_OBJECTS = (
    (so.SynchronizationProtocol,),
    (so.TransportList,),
    (so.SynchronizationType,),
    (so.SourceDatabase, so.TargetDatabase),
    (so.Notification,),
    (so.SessionReference,),
    (so.AuthenticationReference,),
    (so.CategoryMask,),
    (so.Constraints,),
    (so.Retry,),
    (so.Summary,),
    (so.Capability,),
    (so.ProfileReference,),
)
"""Our objects in the order of clause 8 of docs/request-synchronization.md."""

OUR_CLAUSES: dict[type, str] = {
    kind: f"REQUEST SYNCHRONIZATION clause 8.{number}"
    for number, kinds in enumerate(OUR_OBJECTS, 1)
    for kind in kinds
}
