"""Data objects of the 3GPP network: registration, measurement, connections, places.

TS 31.111 clause 8. Most carry octets of another standard as they stand.
"""

from dataclasses import dataclass
from typing import ClassVar, Self

from cardsync.toolkit.codes import (
    CommandType,
    DataConnection,
    EnvelopeTag,
    EventCode,
    RegistrationType,
)
from cardsync.toolkit.data_object import (
    Characters,
    Code,
    DataObject,
    Fields,
    Octets,
    known,
    of_event,
    within,
)
from cardsync.toolkit.information import plmn, plmn_of

_REJECTION = of_event(EventCode.NETWORK_REJECTION)
_CONNECTION = of_event(EventCode.DATA_CONNECTION_STATUS_CHANGE)
_REGISTRATION = of_event(EventCode.IMS_REGISTRATION)
_SLICES = of_event(EventCode.SLICES_STATUS_CHANGE)
_WLAN = of_event(EventCode.WLAN_ACCESS_STATUS)
_ASKED = CommandType.PROVIDE_LOCAL_INFORMATION


@dataclass(frozen=True, slots=True)
class _Area(DataObject):
    """The shape of a network and an area in it."""

    mcc: str
    mnc: str
    area: bytes

    def __post_init__(self) -> None:
        within("number of digits of MCC", len(self.mcc), 3, 3)
        within("number of digits of MNC", len(self.mnc), 2, 3)

    def value(self) -> bytes:
        """Give network and area."""
        return plmn(self.mcc, self.mnc) + self.area

    @classmethod
    def read(cls, value: bytes) -> Self:
        """Read network and area."""
        return cls(*plmn_of(value[:3]), value[3:])


@known(0x7D)
@dataclass(frozen=True, slots=True)
class TrackingAreaIdentification(_Area):
    """Network and tracking area, of two octets in E-UTRAN, three in NG-RAN. Clause 8.99."""

    @property
    def tracking_area(self) -> int:
        """The code of the tracking area."""
        return int.from_bytes(self.area, "big")


@known(0x73)
@dataclass(frozen=True, slots=True)
class RoutingAreaIdentification(_Area):
    """Network, location area and routing area. TS 31.111 clause 8.91."""

    @property
    def location_area(self) -> int:
        """The code of the location area."""
        return int.from_bytes(self.area[:2], "big")

    @property
    def routing_area(self) -> int:
        """The code of the routing area."""
        return int.from_bytes(self.area[2:], "big")


@known(0x74)
@dataclass(frozen=True, slots=True)
class RegistrationKind(Code):
    """What was refused: an update, an attach or a registration. TS 31.111 clause 8.92."""

    CODES = RegistrationType


@known(0x75)
@dataclass(frozen=True, slots=True)
class RejectionCause(Fields):
    """Why the network refused, as TS 24.008, 24.301 or 24.501 count it. Clause 8.93."""

    cause: int


@known(0x57, _REJECTION)
@dataclass(frozen=True, slots=True)
class ExtendedRejectionCause(Octets):
    """More of why the network refused. TS 101 220 table 7.23."""


@dataclass(frozen=True, slots=True)
class _Networks(DataObject):
    """The shape of a list of networks, three octets each."""

    networks: tuple[tuple[str, str], ...]

    def value(self) -> bytes:
        """Give three octets a network."""
        return b"".join([plmn(mcc, mnc) for mcc, mnc in self.networks])

    @classmethod
    def read(cls, value: bytes) -> Self:
        """Read three octets a network."""
        return cls(tuple([plmn_of(value[at : at + 3]) for at in range(0, len(value), 3)]))


@known(0x79)
@dataclass(frozen=True, slots=True)
class PlmnList(_Networks):
    """Networks, three octets each. TS 31.111 clause 8.97."""


@known(0x72)
@dataclass(frozen=True, slots=True)
class PlmnWithAccessTechnologyList(Octets):
    """Networks and their technologies, five octets each, the preferred one first. Clause 8.90."""

    @property
    def networks(self) -> tuple[tuple[str, str, str], ...]:
        """MCC, MNC and the bits of the technologies in hexadecimal digits (TS 31.102 4.2.5)."""
        starts = range(0, len(self.octets) - 4, 5)
        rows = [self.octets[at : at + 5] for at in starts]
        return tuple([(*plmn_of(row[:3]), row[3:].hex().upper()) for row in rows])


@known(0x69)
@dataclass(frozen=True, slots=True)
class MeasurementQualifier(Code):
    """Which measurement is asked for, 1 to 9. TS 31.111 clause 8.73."""


@known(0x76)
@dataclass(frozen=True, slots=True)
class GeographicalLocationParameters(Fields):
    """How exact and in which form the place shall be told. TS 31.111 clause 8.94."""

    horizontal: int
    vertical: int
    velocity: int
    shapes: int
    sentences: int
    response_time: int


@known(0x77)
@dataclass(frozen=True, slots=True)
class GadShape(Octets):
    """Where the terminal is, as TS 23.032 draws it. TS 31.111 clause 8.95."""


@known(0x78)
@dataclass(frozen=True, slots=True)
class NmeaSentence(Characters):
    """Where the terminal is, as its receiver says it. TS 31.111 clause 8.96."""


@known(0x76, of_event(EventCode.INCOMING_IMS_DATA), CommandType.OPEN_CHANNEL)
@dataclass(frozen=True, slots=True)
class Iari(Characters):
    """The reference of an IMS application. TS 31.111 clause 8.110."""


@known(0x77, _REGISTRATION)
@dataclass(frozen=True, slots=True)
class ImpuList(Octets):
    """The public identities that were registered. TS 31.111 clause 8.111."""


@known(0x78, _REGISTRATION)
@dataclass(frozen=True, slots=True)
class ImsStatusCode(Characters):
    """How the registration went, three digits. TS 31.111 clause 8.112."""


@known(0x52)
@dataclass(frozen=True, slots=True)
class PdpContextActivationParameters(Octets):
    """The request of TS 24.008 clause 9.5.1. TS 31.111 clause 8.72."""


@known(0x7C)
@dataclass(frozen=True, slots=True)
class EpsPdnConnectionActivationParameters(Octets):
    """The request of TS 24.301 clause 8.3.20. TS 31.111 clause 8.98."""


@known(0x0C, EnvelopeTag.CALL_CONTROL)
@dataclass(frozen=True, slots=True)
class PduSessionEstablishmentParameters(Octets):
    """The request of TS 24.501 clause 8.3.1. TS 101 220 table 7.23."""


@known(0x0B, _CONNECTION)
@dataclass(frozen=True, slots=True)
class ConnectionType(Octets):
    """IPv4, IPv6 or other, of the connection. TS 101 220 table 7.23."""


@known(0x1D, _CONNECTION)
@dataclass(frozen=True, slots=True)
class DataConnectionStatus(Code):
    """0 made, 1 refused, 2 dropped. TS 31.111 clause 8.137."""


@known(0x2A, _CONNECTION)
@dataclass(frozen=True, slots=True)
class DataConnectionType(Code):
    """PDP, PDN or PDU. TS 31.111 clause 8.138."""

    CODES = DataConnection


@known(0x2E, _CONNECTION)
@dataclass(frozen=True, slots=True)
class SessionManagementCause(Fields):
    """Why the connection failed, as TS 24.008, 24.301 or 24.501 count it. Clause 8.139."""

    cause: int


@known(0x55)
@dataclass(frozen=True, slots=True)
class CsgCellSelectionStatus(Octets):
    """Whether the terminal camps in a closed group, and who chose it. TS 31.111 clause 8.101."""

    LENGTHS: ClassVar[range] = range(2, 3)


@known(0x56)
@dataclass(frozen=True, slots=True)
class CsgId(Octets):
    """The closed subscriber group, 27 bits. TS 31.111 clause 8.102."""


@known(0x57)
@dataclass(frozen=True, slots=True)
class HnbName(Octets):
    """The name of a home cell in UTF-8. TS 31.111 clause 8.103."""


@known(0x7E)
@dataclass(frozen=True, slots=True)
class CsgIdList(Octets):
    """The closed subscriber groups around, with their networks. TS 31.111 clause 8.100."""


@known(0x09, of_event(EventCode.CSG_CELL_SELECTION), of_event(EventCode.CAG_CELL_SELECTION))
@dataclass(frozen=True, slots=True)
class PlmnId(_Networks):
    """The network of the cell. TS 101 220 table 7.23."""


@known(0x09, _ASKED, _WLAN)
@dataclass(frozen=True, slots=True)
class Bssid(Octets):
    """The address of a wireless access point. TS 101 220 table 7.23."""


@known(0x0A, _ASKED, _WLAN)
@dataclass(frozen=True, slots=True)
class Hessid(Octets):
    """The address that access points of one network share. TS 101 220 table 7.23."""


@known(0x4A)
@dataclass(frozen=True, slots=True)
class WlanIdentifier(Characters):
    """The name of a wireless network. TS 101 220 table 7.23."""


@known(0x4B)
@dataclass(frozen=True, slots=True)
class WlanAccessStatus(Code):
    """0 none in reach, 1 not connected, 2 connected. TS 101 220 table 7.23."""


@known(0x31, _ASKED, _SLICES)
@dataclass(frozen=True, slots=True)
class RejectedSlicesInformation(Octets):
    """The slices that the network refused. TS 31.111 clause 8.153."""


@known(0x55, _SLICES)
@dataclass(frozen=True, slots=True)
class SlicesStatus(Octets):
    """What is true of the slices, as bits. TS 31.111 clause 8.150."""


@known(0x56, _ASKED, _SLICES)
@dataclass(frozen=True, slots=True)
class SlicesInformation(Octets):
    """The slices that serve. TS 31.111 clause 8.145."""


@known(0x57, _ASKED, _SLICES)
@dataclass(frozen=True, slots=True)
class RejectedSlicesWithMapping(Octets):
    """The slices that were refused and those at home that they stand for. Clause 8.151."""


@known(0x77, _ASKED, _SLICES)
@dataclass(frozen=True, slots=True)
class AllowedSlicesWithMapping(Octets):
    """The slices allowed and those at home that they stand for. TS 31.111 clause 8.152."""


@known(0x78, _ASKED, _SLICES)
@dataclass(frozen=True, slots=True)
class AllowedSlicesInformation(Octets):
    """The slices that are allowed. TS 31.111 clause 8.156."""


@known(0x7C, _ASKED, _SLICES)
@dataclass(frozen=True, slots=True)
class DnnList(Octets):
    """Data networks. TS 31.111 clause 8.159."""
