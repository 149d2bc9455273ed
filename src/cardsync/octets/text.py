"""Characters of the mobile world: the GSM 7-bit default alphabet, packing, UCS2, alpha fields.

TS 23.038 clauses 4 to 6 (data coding schemes, alphabet, packing), TS 102 221 annex A (alpha
fields with UCS2 in three codings, marked 80, 81, 82). Characters beyond the basic plane are
written as UTF-16 writes them, which is what cards and phones do with UCS2 today.
"""

from enum import Enum, auto

from cardsync.errors import LocalError, PeerError
from cardsync.octets.reader import Reader

_BASIC = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_ESCAPE = 0x1B
_EXTENSION = {
    0x0A: "\f", 0x14: "^", 0x28: "{", 0x29: "}", 0x2F: "\\", 0x3C: "[", 0x3D: "~", 0x3E: "]",
    0x40: "|", 0x65: "€",
}  # fmt: skip
_SEPTETS = {character: bytes([code]) for code, character in enumerate(_BASIC) if code != _ESCAPE}
_SEPTETS |= {character: bytes([_ESCAPE, code]) for code, character in _EXTENSION.items()}
_PADDING = b"\xff"  # fills an alpha field behind its text
_HALF_PAGE = 0x80
_PLAIN = bytes([code for code, character in enumerate(_BASIC) if code == ord(character) != _ESCAPE])


class Alphabet(Enum):
    """What the octets of a text are, by its data coding scheme. TS 23.038 clause 4."""

    PACKED = auto()
    OCTETS = auto()
    UCS2 = auto()


_BY_BITS = (Alphabet.PACKED, Alphabet.OCTETS, Alphabet.UCS2, Alphabet.PACKED)


def alphabet(scheme: int) -> Alphabet:
    """Name the alphabet of a short message's coding scheme; what is reserved counts as GSM 7-bit.

    TS 23.038 clause 4. Raises `PeerError` for a compressed text.
    """
    if scheme < 0x80:
        return _general(scheme)
    if scheme >= 0xF0:
        return Alphabet.OCTETS if scheme & 0x04 else Alphabet.PACKED
    return Alphabet.UCS2 if scheme >= 0xE0 else Alphabet.PACKED


def broadcast_alphabet(scheme: int) -> Alphabet:
    """Name the alphabet of a cell broadcast's or USSD's coding scheme. TS 23.038 clause 5."""
    group = scheme >> 4
    if scheme == 0x11:  # UCS2 behind a language in seven-bit characters
        return Alphabet.UCS2
    if group in {4, 5, 6, 7, 9}:
        return _general(scheme & ~0x20 if group == 9 else scheme)
    return Alphabet.OCTETS if group == 0xF and scheme & 0x04 else Alphabet.PACKED


def _general(scheme: int) -> Alphabet:
    if scheme & 0x20:
        raise PeerError(f"data coding scheme {scheme:02X} is a compressed text")
    return _BY_BITS[scheme >> 2 & 3]


def is_gsm(text: str) -> bool:
    """Say whether the default alphabet and its extension table can write `text`."""
    return all(character in _SEPTETS for character in text)


def encode_septets(text: str) -> bytes:
    """Give one octet a septet; raise `LocalError` for a character that is not in the alphabet."""
    if text.isascii():
        octets = text.encode("ascii")
        if not octets.translate(None, _PLAIN):
            return octets
    try:
        return b"".join([_SEPTETS[character] for character in text])
    except KeyError as exc:
        raise LocalError(f"{exc.args[0]!r} is not in the GSM 7-bit default alphabet") from exc


def decode_septets(septets: bytes) -> str:
    """Read one octet a septet; an escape to nothing shows as a space. TS 23.038 clause 6.2.1.1."""
    if not septets.translate(None, _PLAIN):
        return septets.decode("ascii")
    text, escaped = [], False
    for septet in septets:
        if septet > 0x7F:
            raise PeerError(f"octet {septet:02X} is no septet of the GSM default alphabet")
        if septet == _ESCAPE and not escaped:
            escaped = True
            continue
        text.append(_EXTENSION.get(septet, _BASIC[septet]) if escaped else _BASIC[septet])
        escaped = False
    return "".join(text).replace(chr(_ESCAPE), " ") + " " * escaped


def pack(septets: bytes, fill: int = 0) -> bytes:
    """Pack septets into octets behind `fill` bits of zero. TS 23.038 clause 6.1.2.1."""
    number, bits = 0, fill
    for septet in septets:
        number |= septet << bits
        bits += 7
    return number.to_bytes((bits + 7) // 8, "little")


def unpack(octets: bytes, count: int, fill: int = 0) -> bytes:
    """Unpack `count` septets that lie behind `fill` bits."""
    if count * 7 + fill > len(octets) * 8:
        raise PeerError(f"{count} septets do not fit {len(octets)} octets")
    number = int.from_bytes(octets, "little") >> fill
    return bytes([number >> 7 * index & 0x7F for index in range(count)])


def pack_text(text: str) -> bytes:
    """Pack a text that has no length of its own; raise `LocalError`.

    "The carriage return shall be used for padding" where seven bits are left over, and a second
    one where the text itself ends in one on the last bit. TS 23.038 clause 6.1.2.3.1.
    """
    septets = encode_septets(text)
    if len(septets) % 8 == 7 or (septets[-1:] == b"\r" and len(septets) % 8 == 0):
        septets += b"\r"
    return pack(septets)


def unpack_text(octets: bytes) -> str:
    """Unpack a text that has no length of its own, without its padding; raise `PeerError`.

    Seven bits of zero at the end of a full block are padding too: a sender of short messages
    writes them so, and an `@` there is rarer than such a sender.
    """
    septets = unpack(octets, len(octets) * 8 // 7)
    full = len(septets) % 8 == 0 and septets[-1:] in {b"\0", b"\r"}
    if full or (len(septets) % 8 == 1 and septets[-2:] == b"\r\r"):
        septets = septets[:-1]
    return decode_septets(septets)


def encode_text(text: str, alphabet: Alphabet) -> bytes:
    """Write a text that has a data coding scheme; raise `LocalError`."""
    if alphabet is Alphabet.PACKED:
        return pack_text(text)
    return encode_septets(text) if alphabet is Alphabet.OCTETS else encode_ucs2(text)


def decode_text(octets: bytes, alphabet: Alphabet) -> str:
    """Read a text that has a data coding scheme; raise `PeerError`."""
    if alphabet is Alphabet.PACKED:
        return unpack_text(octets)
    return decode_septets(octets) if alphabet is Alphabet.OCTETS else decode_ucs2(octets)


def encode_ucs2(text: str) -> bytes:
    """Write UCS2; raise `LocalError` for half of a surrogate pair."""
    try:
        return text.encode("utf-16-be")
    except UnicodeEncodeError as exc:
        raise LocalError(f"{text[exc.start]!r} is no character of UCS2") from exc


def decode_ucs2(octets: bytes) -> str:
    """Read UCS2; raise `PeerError` for half a character or a surrogate."""
    try:
        return octets.decode("utf-16-be")
    except UnicodeDecodeError as exc:
        raise PeerError(f"octet {exc.start} of {len(octets)} begins no character of UCS2") from exc


def encode_alpha(text: str) -> bytes:
    """Write an alpha field: the default alphabet, else UCS2 marked 80. TS 102 221 annex A."""
    return encode_septets(text) if is_gsm(text) else b"\x80" + encode_ucs2(text)


def decode_alpha(octets: bytes) -> str:
    """Read an alpha field of any coding; padding FF at its end is passed over."""
    marker = octets[0] if octets else 0
    if marker == 0x80:
        body = octets[1:]
        while body[-2:] == _PADDING * 2:
            body = body[:-2]
        return decode_ucs2(body[: len(body) & ~1])  # "the last byte may be FF"
    if marker not in {0x81, 0x82}:
        return decode_septets(octets.rstrip(_PADDING))
    reader = Reader(octets, 1)
    length = reader.uint8()
    base = reader.uint8() << 7 if marker == 0x81 else reader.uint16()
    return "".join([_paged(octet, base) for octet in reader.octets(length)])


def _paged(octet: int, base: int) -> str:
    """Read one octet of the codings 81 and 82: a septet, or an offset into a half page."""
    if octet < _HALF_PAGE:
        return decode_septets(bytes([octet]))
    point = base + (octet & 0x7F)
    if 0xD800 <= point <= 0xDFFF or point > 0xFFFF:
        raise PeerError(f"half page {base:04X} has no character {octet:02X}")
    return chr(point)
