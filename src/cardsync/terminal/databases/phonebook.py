"""Records of a phone book in the card as vCards. TS 31.102 clauses 4.4.2.3, vCard 2.1.

EF.ADN, and the files that have its coding: fixed dialling, own numbers, service numbers.
"""

from typing import Final

from cardsync.errors import PeerError
from cardsync.octets.semi import unswapped
from cardsync.octets.text import decode_alpha

CONTENT_TYPE: Final = "text/x-vcard"
CONTENT_VERSION: Final = "2.1"
_BOOKS: Final = {"6F3A", "6F3B", "6F40", "6F49"}  # ADN, FDN, MSISDN, SDN
_PHONEBOOK, _LOCAL_ADN = "5F3A", "4F3A"
_TAIL: Final = 14  # length, type, ten octets of digits, two identifiers
_LONGEST: Final = 11  # octets of type and digits
_INTERNATIONAL: Final = 0x10  # type of number, of bits 7 to 5. TS 24.008 clause 10.5.4.7
_DIGITS: Final = str.maketrans("ABCD", "*#,?")  # TS 31.102 table 4.4


def is_phonebook(path: bytes) -> bool:
    """Say whether a file has records of a phone book, by its path."""
    steps = [path[at : at + 2].hex().upper() for at in range(0, len(path), 2)]
    return steps[-1] in _BOOKS or steps[-2:] == [_PHONEBOOK, _LOCAL_ADN]


def card_of(record: bytes) -> bytes:
    """Write a record as a vCard; raise `PeerError` for what is none."""
    if len(record) < _TAIL:
        raise PeerError(f"a record of {len(record)} octets is no entry of a phone book")
    name = decode_alpha(record[:-_TAIL].rstrip(b"\xff"))
    lines = ["BEGIN:VCARD", f"VERSION:{CONTENT_VERSION}", f"N{_charset(name)}:{_escaped(name)}"]
    number = _number(record[-_TAIL:])
    lines += [f"TEL:{number}"] if number else []
    return "\r\n".join([*lines, "END:VCARD", ""]).encode()


def _number(tail: bytes) -> str:
    length = tail[0]
    if not 2 <= length <= _LONGEST:  # FF: there is none
        return ""
    digits = unswapped(tail[2 : 1 + length]).translate(_DIGITS)
    return ("+" if tail[1] & 0x70 == _INTERNATIONAL else "") + digits


def _charset(name: str) -> str:
    return "" if name.isascii() else ";CHARSET=UTF-8"


def _escaped(name: str) -> str:
    return "".join([f"\\{char}" if char in "\\;" else char for char in name if char.isprintable()])
