"""Codes of the Wireless Transaction Protocol. WAP-224-WTP-20010710-a clauses 8 and 9."""

from enum import IntEnum


class PduType(IntEnum):
    """What a PDU is. Clause 8.2.2, table 9."""

    INVOKE = 1
    RESULT = 2
    ACK = 3
    ABORT = 4
    SEGMENTED_INVOKE = 5
    SEGMENTED_RESULT = 6
    NEGATIVE_ACK = 7


class Trailer(IntEnum):
    """GTR and TTR: where in its message a packet stands. Clause 8.2.3."""

    MORE = 0
    LAST = 1  # of the message
    GROUP = 2  # the last of a group: the sender waits for its acknowledgement
    UNSEGMENTED = 3  # the sender knows no segmentation


class TransactionClass(IntEnum):
    """How reliable a transaction is. Clause 5.1."""

    UNRELIABLE = 0
    RELIABLE = 1  # without a result
    RESULT = 2  # reliable, with one result


class TpiIdentity(IntEnum):
    """What an item of the variable header is. Clause 8.4."""

    ERROR = 0
    INFO = 1
    OPTION = 2
    PACKET_SEQUENCE_NUMBER = 3


class ProviderAbort(IntEnum):
    """Why the transaction layer gives up. Clause 8.3.4.1."""

    UNKNOWN = 0x00
    PROTOERR = 0x01
    INVALIDTID = 0x02
    NOTIMPLEMENTEDCL2 = 0x03
    NOTIMPLEMENTEDSAR = 0x04
    NOTIMPLEMENTEDUACK = 0x05
    WTPVERSIONZERO = 0x06
    CAPTEMPEXCEEDED = 0x07
    NORESPONSE = 0x08
    MESSAGETOOLARGE = 0x09
    NOTIMPLEMENTEDESAR = 0x0A


RESPONDER = 0x8000
"""The bit of a TID that the responder inverts in what it sends. Clause 8.2.6."""

LAST_TID = 0x7FFF
WINDOW = 0x4000
"""TIDs after the last one that are taken to be new: half of the space. Clause 7.8."""

MOST_PACKETS = 256
"""A packet sequence number is one octet. Clause 8.2.7."""
