"""The bodies of SMPP 3.4's protocol data units, one class to a PDU: octets in, objects out.

What the octets of a short message mean is not known here: `data_coding`, `protocol_id` and the
user data pass as they are (F6, 7F and a header 02 70 00 for a message to the card).
Clauses are those of the Short Message Peer-to-Peer Protocol Specification 3.4, issue 1.2.
"""

import struct
from dataclasses import dataclass, field
from typing import ClassVar, Self

from cardsync.errors import LocalError, PeerError, ShortInput
from cardsync.octets.reader import Reader
from cardsync.transport.smpp_codes import (
    BINDS,
    RESPONSE,
    CommandId,
    CommandStatus,
    MessageType,
    Tag,
)

VERSION = 0x34  # clause 5.2.4
ESM_UDHI = 0x40  # the user data begin with a header, clause 5.2.12
_MESSAGE_TYPE = 0x3C
_ANY_SIZE = (0, 0xFFFF)
_SIZES: dict[int, tuple[int, int]] = {  # least and most octets of a value, clause 5.3.2
    Tag.RECEIPTED_MESSAGE_ID: (1, 65),
    Tag.USER_MESSAGE_REFERENCE: (2, 2),
    Tag.SAR_MSG_REF_NUM: (2, 2),
    Tag.SAR_TOTAL_SEGMENTS: (1, 1),
    Tag.SAR_SEGMENT_SEQNUM: (1, 1),
    Tag.SC_INTERFACE_VERSION: (1, 1),
    Tag.NETWORK_ERROR_CODE: (3, 3),
    Tag.MESSAGE_STATE: (1, 1),
}


def _text(name: str, value: str, size: int) -> bytes:
    """Encode a C-octet string of at most `size` octets with its NULL. Clause 3.1."""
    if len(value) >= size or not value.isascii() or "\0" in value:
        raise LocalError(f"{name} is not a text of at most {size - 1} ASCII characters")
    return value.encode("ascii") + b"\0"


def _octets(*values: int) -> bytes:
    """Encode numbers of 0 to 255."""
    try:
        return bytes(values)
    except ValueError as exc:
        raise LocalError(f"{values} are not all octets") from exc


def _read_text(reader: Reader, size: int, wrong: CommandStatus) -> str:
    """Read a C-octet string of at most `size` octets; `wrong` is the answer to a bad one."""
    octets = reader.until(0)
    if len(octets) >= size or not octets.isascii():
        message = f"a text of {len(octets)} octets is not ASCII of at most {size - 1}"
        raise PeerError(message, answer=wrong)
    return octets.decode("ascii")


@dataclass(frozen=True, slots=True)
class Tlv:
    """An optional parameter: `tag` of 16 bits, a value of at most 65,535 octets. Clause 5.3.1."""

    tag: int
    value: bytes

    def __post_init__(self) -> None:
        least, most = _SIZES.get(self.tag, _ANY_SIZE)
        if not 0 <= self.tag <= 0xFFFF or not least <= len(self.value) <= most:
            raise LocalError(f"parameter {self.tag:04X} cannot have {len(self.value)} octets")

    def encode(self) -> bytes:
        """Give the octets."""
        return struct.pack(">HH", self.tag, len(self.value)) + self.value

    @classmethod
    def decode_all(cls, reader: Reader) -> tuple[Self, ...]:
        """Read parameters to the end; unknown ones are kept."""
        found = []
        while len(reader):
            try:
                tag = reader.uint16()
                value = reader.octets(reader.uint16())
            except ShortInput as exc:
                status = CommandStatus.ESME_RINVOPTPARSTREAM
                raise PeerError(f"optional parameters: {exc}", answer=status) from exc
            least, most = _SIZES.get(tag, _ANY_SIZE)
            if not least <= len(value) <= most:
                message = f"parameter {tag:04X} cannot have {len(value)} octets"
                raise PeerError(message, answer=CommandStatus.ESME_RINVPARLEN)
            found.append(cls(tag, value))
        return tuple(found)


@dataclass(frozen=True, slots=True)
class Address:
    """An address of at most 20 characters with type of number and plan. Clause 5.2.8."""

    digits: str = ""
    ton: int = 0
    npi: int = 0

    def __post_init__(self) -> None:
        self.encode()

    def encode(self) -> bytes:
        """Give the octets."""
        return _octets(self.ton, self.npi) + _text("address", self.digits, 21)

    @classmethod
    def decode(cls, reader: Reader, wrong: CommandStatus) -> Self:
        """Read an address; `wrong` is the answer to a bad one."""
        ton, npi = reader.octets(2)
        return cls(_read_text(reader, 21, wrong), ton, npi)


@dataclass(frozen=True, slots=True)
class Bind:
    """bind_receiver, bind_transmitter or bind_transceiver. Clause 4.1."""

    command: CommandId
    system_id: str
    password: str = field(repr=False)
    system_type: str = ""
    interface_version: int = VERSION
    addr_ton: int = 0
    addr_npi: int = 0
    address_range: str = ""

    def __post_init__(self) -> None:
        if self.command not in BINDS:
            raise LocalError(f"{self.command.name} is no bind")
        self.encode()

    def encode(self) -> bytes:
        """Give the octets of the body."""
        return b"".join(
            (
                _text("system_id", self.system_id, 16),
                _text("password", self.password, 9),
                _text("system_type", self.system_type, 13),
                _octets(self.interface_version, self.addr_ton, self.addr_npi),
                _text("address_range", self.address_range, 41),
            )
        )

    @classmethod
    def decode(cls, command: CommandId, _status: int, reader: Reader) -> Self:
        """Read a body."""
        system_id = _read_text(reader, 16, CommandStatus.ESME_RINVSYSID)
        password = _read_text(reader, 9, CommandStatus.ESME_RINVPASWD)
        system_type = _read_text(reader, 13, CommandStatus.ESME_RINVSYSTYP)
        version, ton, npi = reader.octets(3)
        address_range = _read_text(reader, 41, CommandStatus.ESME_RBINDFAIL)
        reader.finish()
        return cls(command, system_id, password, system_type, version, ton, npi, address_range)


@dataclass(frozen=True, slots=True)
class BindResp:
    """The answer to a bind; `system_id` None is a refusal without body. Clause 4.1.2."""

    command: CommandId
    system_id: str | None
    tlvs: tuple[Tlv, ...] = ()

    def __post_init__(self) -> None:
        if self.command ^ RESPONSE not in BINDS:
            raise LocalError(f"{self.command.name} answers no bind")
        self.encode()

    def encode(self) -> bytes:
        """Give the octets of the body."""
        if self.system_id is None:
            return b""
        return _text("system_id", self.system_id, 16) + b"".join(t.encode() for t in self.tlvs)

    @classmethod
    def decode(cls, command: CommandId, status: int, reader: Reader) -> Self:
        """Read a body, which may be missing when the bind was refused."""
        if status and not len(reader):
            return cls(command, None)
        system_id = _read_text(reader, 16, CommandStatus.ESME_RINVSYSID)
        return cls(command, system_id, Tlv.decode_all(reader))


@dataclass(frozen=True, slots=True)
class _ShortMessage:
    """The fields that submit_sm and deliver_sm share. Clauses 4.4.1 and 4.6.1."""

    command: ClassVar[CommandId]

    source: Address
    destination: Address
    short_message: bytes = field(default=b"", repr=False)
    esm_class: int = 0
    protocol_id: int = 0
    data_coding: int = 0
    registered_delivery: int = 0
    validity_period: str = ""
    schedule_delivery_time: str = ""
    service_type: str = ""
    priority_flag: int = 0
    replace_if_present_flag: int = 0
    sm_default_msg_id: int = 0
    tlvs: tuple[Tlv, ...] = field(default=(), repr=False)

    def __post_init__(self) -> None:
        if len(self.short_message) > 254:
            size = len(self.short_message)
            raise LocalError(f"{size} octets: more than 254 travel as message_payload")
        self.encode()

    @property
    def user_data(self) -> bytes:
        """The message, wherever it travels: short_message or message_payload."""
        payload = self.tlv(Tag.MESSAGE_PAYLOAD)
        return self.short_message if payload is None else payload

    @property
    def udhi(self) -> bool:
        """Whether the user data begin with a user data header."""
        return bool(self.esm_class & ESM_UDHI)

    @property
    def message_type(self) -> int:
        """What the message is: a `MessageType`, or reserved. Clause 5.2.12."""
        return self.esm_class & _MESSAGE_TYPE

    @property
    def is_ordinary(self) -> bool:
        """Whether the message is none of the receipts and acknowledgements."""
        return self.message_type == MessageType.DEFAULT

    def tlv(self, tag: Tag) -> bytes | None:
        """Give the value of the first parameter `tag`, or None."""
        return next((tlv.value for tlv in self.tlvs if tlv.tag == tag), None)

    def encode(self) -> bytes:
        """Give the octets of the body."""
        return b"".join(
            (
                _text("service_type", self.service_type, 6),
                self.source.encode(),
                self.destination.encode(),
                _octets(self.esm_class, self.protocol_id, self.priority_flag),
                _text("schedule_delivery_time", self.schedule_delivery_time, 17),
                _text("validity_period", self.validity_period, 17),
                _octets(self.registered_delivery, self.replace_if_present_flag),
                _octets(self.data_coding, self.sm_default_msg_id, len(self.short_message)),
                self.short_message,
                *(tlv.encode() for tlv in self.tlvs),
            )
        )

    @classmethod
    def decode(cls, _command: CommandId, _status: int, reader: Reader) -> Self:
        """Read a body."""
        service_type = _read_text(reader, 6, CommandStatus.ESME_RINVSERTYP)
        source = Address.decode(reader, CommandStatus.ESME_RINVSRCADR)
        destination = Address.decode(reader, CommandStatus.ESME_RINVDSTADR)
        esm_class, protocol_id, priority = reader.octets(3)
        schedule = _read_text(reader, 17, CommandStatus.ESME_RINVSCHED)
        validity = _read_text(reader, 17, CommandStatus.ESME_RINVEXPIRY)
        registered, replace, data_coding, default_id, length = reader.octets(5)
        if length > 254:
            message = "short_message of 255 octets"
            raise PeerError(message, answer=CommandStatus.ESME_RINVMSGLEN)
        return cls(
            source=source,
            destination=destination,
            short_message=reader.octets(length),
            esm_class=esm_class,
            protocol_id=protocol_id,
            data_coding=data_coding,
            registered_delivery=registered,
            validity_period=validity,
            schedule_delivery_time=schedule,
            service_type=service_type,
            priority_flag=priority,
            replace_if_present_flag=replace,
            sm_default_msg_id=default_id,
            tlvs=Tlv.decode_all(reader),
        )


@dataclass(frozen=True, slots=True)
class SubmitSm(_ShortMessage):
    """A message from the ESME to a mobile. Clause 4.4.1."""

    command = CommandId.SUBMIT_SM


@dataclass(frozen=True, slots=True)
class DeliverSm(_ShortMessage):
    """A message, receipt or acknowledgement from the message centre to the ESME. Clause 4.6.1."""

    command = CommandId.DELIVER_SM


@dataclass(frozen=True, slots=True)
class _MessageResp:
    command: ClassVar[CommandId]

    message_id: str | None

    def __post_init__(self) -> None:
        self.encode()

    def encode(self) -> bytes:
        """Give the octets of the body."""
        return b"" if self.message_id is None else _text("message_id", self.message_id, 65)

    @classmethod
    def decode(cls, command: CommandId, status: int, reader: Reader) -> Self:
        """Read a body, which may be missing where it would say nothing."""
        if not len(reader) and (status or command == CommandId.DELIVER_SM_RESP):
            return cls(None)
        message_id = _read_text(reader, 65, CommandStatus.ESME_RINVMSGID)
        Tlv.decode_all(reader)  # 3.4 has none here, 5.0 has: passed over
        return cls(message_id)


@dataclass(frozen=True, slots=True)
class SubmitSmResp(_MessageResp):
    """The centre's name of a message; None where it was refused. Clause 4.4.2."""

    command = CommandId.SUBMIT_SM_RESP


@dataclass(frozen=True, slots=True)
class DeliverSmResp(_MessageResp):
    """The ESME has taken a message; the field is unused and empty. Clause 4.6.2."""

    command = CommandId.DELIVER_SM_RESP
    message_id: str | None = ""


@dataclass(frozen=True, slots=True)
class _NoBody:
    command: ClassVar[CommandId]

    def encode(self) -> bytes:
        """Give no octets."""
        return b""

    @classmethod
    def decode(cls, _command: CommandId, _status: int, reader: Reader) -> Self:
        """Read nothing."""
        reader.finish()
        return cls()


@dataclass(frozen=True, slots=True)
class EnquireLink(_NoBody):
    """Is somebody there. Clause 4.11.1."""

    command = CommandId.ENQUIRE_LINK


@dataclass(frozen=True, slots=True)
class EnquireLinkResp(_NoBody):
    """Somebody is there. Clause 4.11.2."""

    command = CommandId.ENQUIRE_LINK_RESP


@dataclass(frozen=True, slots=True)
class Unbind(_NoBody):
    """The end of a session. Clause 4.2.1."""

    command = CommandId.UNBIND


@dataclass(frozen=True, slots=True)
class UnbindResp(_NoBody):
    """The end of a session, confirmed. Clause 4.2.2."""

    command = CommandId.UNBIND_RESP


@dataclass(frozen=True, slots=True)
class GenericNack(_NoBody):
    """A PDU whose header could not be understood. Clause 4.3.1."""

    command = CommandId.GENERIC_NACK
