"""The parameters of a bearer by their names. TS 31.111 clauses 8.52.1 to 8.52.6.

What they count is said in TS 24.008, TS 24.301 and TS 24.501; the numbers stand as they are.
"""

from dataclasses import dataclass
from typing import ClassVar, Self

from cardsync.octets.reader import Reader
from cardsync.toolkit.codes import BearerType


@dataclass(frozen=True, slots=True)
class BearerParameters:
    """The shape of the parameters of a bearer: numbers of so many octets each."""

    WIDTHS: ClassVar[tuple[int, ...]] = ()

    @classmethod
    def read(cls, octets: bytes) -> Self | None:
        """Name the octets; None where they are too few or too many."""
        if len(octets) != sum(cls.WIDTHS):
            return None
        reader = Reader(octets)
        return cls(*[int.from_bytes(reader.octets(width), "big") for width in cls.WIDTHS])


@dataclass(frozen=True, slots=True)
class CircuitSwitchedParameters(BearerParameters):
    """Data rate, service and element of a circuit switched call. TS 31.111 clause 8.52.1."""

    data_rate: int
    bearer_service: int
    connection_element: int
    WIDTHS: ClassVar[tuple[int, ...]] = (1, 1, 1)


@dataclass(frozen=True, slots=True)
class PacketParameters(BearerParameters):
    """The quality of service of GPRS, and the type of PDP: 2 is IP. TS 31.111 clause 8.52.2."""

    precedence: int
    delay: int
    reliability: int
    peak: int
    mean: int
    pdp_type: int
    WIDTHS: ClassVar[tuple[int, ...]] = (1, 1, 1, 1, 1, 1)


@dataclass(frozen=True, slots=True)
class ExtendedPacketParameters(BearerParameters):
    """The quality of service of UTRAN; bit rates in kbit/s. TS 31.111 clause 8.52.3."""

    traffic_class: int
    maximum_up: int
    maximum_down: int
    guaranteed_up: int
    guaranteed_down: int
    delivery_order: int
    maximum_sdu: int
    sdu_error_ratio: int
    residual_bit_error_ratio: int
    erroneous_sdus: int
    transfer_delay: int
    handling_priority: int
    pdp_type: int
    WIDTHS: ClassVar[tuple[int, ...]] = (1, 2, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1)


@dataclass(frozen=True, slots=True)
class EvolvedPacketParameters(BearerParameters):
    """The quality of service of E-UTRAN, and the type of PDN. TS 31.111 clause 8.52.5."""

    qci: int
    maximum_up: int
    maximum_down: int
    guaranteed_up: int
    guaranteed_down: int
    extended_maximum_up: int
    extended_maximum_down: int
    extended_guaranteed_up: int
    extended_guaranteed_down: int
    pdn_type: int
    WIDTHS: ClassVar[tuple[int, ...]] = (1,) * 10


@dataclass(frozen=True, slots=True)
class NextGenerationParameters(BearerParameters):
    """The type of PDU session: 1 IPv4, 2 IPv6, 3 both. TS 31.111 clause 8.52.6."""

    pdu_session_type: int
    WIDTHS: ClassVar[tuple[int, ...]] = (1,)


PARAMETERS: dict[int, type[BearerParameters]] = {
    BearerType.CIRCUIT_SWITCHED_DATA: CircuitSwitchedParameters,
    BearerType.PACKET: PacketParameters,
    BearerType.PACKET_EXTENDED: ExtendedPacketParameters,
    BearerType.E_UTRAN: EvolvedPacketParameters,
    BearerType.NG_RAN: NextGenerationParameters,
}
"""The names of the parameters by the type of the bearer."""
