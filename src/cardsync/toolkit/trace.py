"""APDU exchanges as GSMTAP, the way in which Wireshark reads them.

An exchange is the command, the data of the response and its status word, behind a GSMTAP header
of 16 octets (version 2, type 4: SIM), in a datagram to port 4729.
"""

from cardsync.octets import pcapng
from cardsync.octets.apdu import CommandApdu, ResponseApdu

GSMTAP_PORT = 4729
_HEADER = bytes([2, 4, 4, 0]) + bytes(12)


def gsmtap(command: CommandApdu, response: ResponseApdu) -> bytes:
    """Give the datagram of one exchange."""
    return _HEADER + command.encode() + response.encode()


def packet(command: CommandApdu, response: ResponseApdu) -> bytes:
    """Give an IP packet with the datagram of one exchange, for a capture file."""
    return pcapng.udp(GSMTAP_PORT, GSMTAP_PORT, gsmtap(command, response))
