"""Characters of the mobile world: the GSM 7-bit default alphabet, packing, UCS2, alpha fields.

TS 23.038 clause 6 (alphabet, packing), TS 102 221 annex A (alpha fields with UCS2 in three
codings, marked 80, 81, 82).
"""

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
_PADDING = 0xFF  # fills an alpha field behind its text
_HALF_PAGE = 0x80


def is_gsm(text: str) -> bool:
    """Say whether the default alphabet and its extension table can write `text`."""
    return all(character in _SEPTETS for character in text)


def encode_septets(text: str) -> bytes:
    """Give one octet a septet; raise `LocalError` for a character that is not in the alphabet."""
    try:
        return b"".join([_SEPTETS[character] for character in text])
    except KeyError as exc:
        raise LocalError(f"{exc.args[0]!r} is not in the GSM 7-bit default alphabet") from exc


def decode_septets(septets: bytes) -> str:
    """Read one octet a septet; an escape to nothing shows as a space. TS 23.038 clause 6.2.1.1."""
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


def encode_ucs2(text: str) -> bytes:
    """Write UCS2; raise `LocalError` for a character beyond the basic plane."""
    if any(ord(character) > 0xFFFF for character in text):
        raise LocalError("UCS2 has no characters beyond FFFF")
    return text.encode("utf-16-be")


def decode_ucs2(octets: bytes) -> str:
    """Read UCS2; raise `PeerError` for half a character or a surrogate."""
    try:
        return octets.decode("utf-16-be")
    except UnicodeDecodeError as exc:
        raise PeerError(f"{octets.hex().upper()} is not UCS2") from exc


def encode_alpha(text: str) -> bytes:
    """Write an alpha field: the default alphabet, else UCS2 marked 80. TS 102 221 annex A."""
    return encode_septets(text) if is_gsm(text) else b"\x80" + encode_ucs2(text)


def decode_alpha(octets: bytes) -> str:
    """Read an alpha field of any coding; padding FF at its end is passed over."""
    if not octets or octets[0] < _HALF_PAGE:
        return decode_septets(octets.rstrip(b"\xff"))
    if octets[0] == 0x80:
        body = octets[1:]
        while len(body) >= 2 and body[-2:] == b"\xff\xff":
            body = body[:-2]
        return decode_ucs2(body[: len(body) & ~1])
    if octets[0] not in {0x81, 0x82}:
        return decode_septets(octets.rstrip(b"\xff"))
    reader = Reader(octets, 1)
    length = reader.uint8()
    base = reader.uint8() << 7 if octets[0] == 0x81 else reader.uint16()
    return "".join([_paged(octet, base) for octet in reader.octets(length)])


def _paged(octet: int, base: int) -> str:
    """Read one octet of the codings 81 and 82: a septet, or an offset into a half page."""
    return chr(base + (octet & 0x7F)) if octet >= _HALF_PAGE else decode_septets(bytes([octet]))
