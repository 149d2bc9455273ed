"""Which application of its card a terminal works with: a SIM, the USIM, or another by its AID.

The commands of the toolkit are the same in all three; what differs is the class octet and where
the subscriber's identity and the services stand. A configuration of the equipment.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

from cardsync.errors import PeerError
from cardsync.octets.apdu import CommandApdu, Ins, ResponseApdu
from cardsync.octets.reader import Reader
from cardsync.octets.semi import unswapped

_SIM_CLASS = 0xA0
_SIM_HEADER = 22  # octets that a SIM has for STATUS. TS 51.011 clause 9.2.2
_DIRECTORY, _DF_GSM = "2F00", "7F20"
_IMSI, _UST, _SST = "6F07", "6F38", "6F38"
_USIM_DOWNLOAD = 28  # service of EF.UST. TS 31.102 clause 4.2.8
_SIM_DOWNLOAD = 26  # service of EF.SST. TS 51.011 clause 10.3.7
_TAKEN = {0x90, 0x91}

Exchange = Callable[[CommandApdu], ResponseApdu]
"""Gives the card's response; a response that is none counts as a problem of the card."""


@dataclass(frozen=True, slots=True)
class Subscription:
    """What a card says of itself: digits, empty where it does not say; whether it hears SMS."""

    iccid: str
    imsi: str = ""
    downloads: bool = False


class Access(Protocol):
    """How a card is read at power-on, and the form of every instruction."""

    def instruction(self, apdu: CommandApdu) -> CommandApdu:
        """Give an instruction of a UICC in the form of this access."""

    def read(self, exchange: Exchange) -> Subscription:
        """Select the application and read what the terminal wants to know."""


class Usim:
    """The USIM, or whatever application stands first in EF.DIR. TS 31.102 clause 5.1.1."""

    def instruction(self, apdu: CommandApdu) -> CommandApdu:
        """Give it as it is."""
        return apdu

    def read(self, exchange: Exchange) -> Subscription:
        """Read EF.ICCID, then the application of EF.DIR by its AID, its EF.IMSI and EF.UST.

        A card without a USIM, or without these files, leaves us with nothing to know of it.
        """
        iccid = read_iccid(exchange)
        _select(exchange, _DIRECTORY)
        record = exchange(CommandApdu(0x00, Ins.READ_RECORD, 1, 4, le=38))
        aid = _aid_of(record.data if record.sw1 in _TAKEN else b"")
        if not aid:
            return Subscription(iccid)
        exchange(CommandApdu(0x00, Ins.SELECT, 4, 4, aid, 256))
        imsi = unswapped(_read(exchange, _IMSI, 9)[1:])[1:]
        octet, bit = divmod(_USIM_DOWNLOAD - 1, 8)
        services = _read(exchange, _UST, 16)
        return Subscription(iccid, imsi, octet < len(services) and bool(services[octet] >> bit & 1))


class Sim:
    """A card as a SIM: class A0 for everything. TS 51.011."""

    def instruction(self, apdu: CommandApdu) -> CommandApdu:
        """Write it in class A0; SELECT and STATUS have no qualifiers there."""
        apdu = replace(apdu, cla=_SIM_CLASS)
        if apdu.ins == Ins.SELECT:
            return replace(apdu, p1=0, p2=0, le=None)
        return replace(apdu, p1=0, p2=0, le=_SIM_HEADER) if apdu.ins == Ins.STATUS else apdu

    def read(self, exchange: Exchange) -> Subscription:
        """Read EF.ICCID, and in DF.GSM EF.IMSI and EF.SST: two bits for each service."""
        iccid = read_iccid(exchange)
        _select(exchange, _DF_GSM)
        imsi = unswapped(_read(exchange, _IMSI, 9)[1:])[1:]
        octet, place = divmod(_SIM_DOWNLOAD - 1, 4)
        services = _read(exchange, _SST, octet + 1)
        active = octet < len(services) and services[octet] >> 2 * place & 3 == 3
        return Subscription(iccid, imsi, active)


@dataclass(frozen=True, slots=True)
class ByAid:
    """An application that has nothing to do with telecommunication: no IMSI, no messages."""

    aid: bytes

    def instruction(self, apdu: CommandApdu) -> CommandApdu:
        """Give it as it is."""
        return apdu

    def read(self, exchange: Exchange) -> Subscription:
        """Read EF.ICCID and select the application."""
        found = Subscription(read_iccid(exchange))
        exchange(CommandApdu(0x00, Ins.SELECT, 4, 4, self.aid, 256))
        return found


def read_iccid(exchange: Exchange) -> str:
    """Read EF.ICCID. TS 102 221 clause 13.2."""
    _select(exchange, "3F00")
    return unswapped(_read(exchange, "2FE2", 10))


def _select(exchange: Exchange, identifier: str) -> ResponseApdu:
    return exchange(CommandApdu(0x00, Ins.SELECT, 0, 4, bytes.fromhex(identifier), 256))


def _read(exchange: Exchange, identifier: str, length: int) -> bytes:
    if _select(exchange, identifier).sw1 not in _TAKEN:
        return b""
    found = exchange(CommandApdu(0x00, Ins.READ_BINARY, le=length))
    return found.data if found.sw1 in _TAKEN else b""


def _aid_of(record: bytes) -> bytes:
    """Find the AID in a record of EF.DIR: template 61, tag 4F. TS 102 221 clause 13.1."""
    reader = Reader(record)
    try:
        if reader.uint8() != 0x61 or not reader.uint8() or reader.uint8() != 0x4F:
            return b""
        return reader.octets(reader.uint8())
    except PeerError:
        return b""
