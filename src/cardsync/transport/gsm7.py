"""The GSM 7 bit default alphabet and its packing. TS 23.038 clauses 6.1.2.1 and 6.2.1.

A run of septets is held as `bytes`, one septet (0 to 7F) to an octet, until it is packed.
"""

from cardsync.errors import LocalError, PeerError

_BASIC = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ"
    " !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§"
    "¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_ESCAPE = 0x1B
_EXTENDED = {
    0x0A: "\f",
    0x14: "^",
    0x28: "{",
    0x29: "}",
    0x2F: "\\",
    0x3C: "[",
    0x3D: "~",
    0x3E: "]",
    0x40: "|",
    0x65: "€",
}
_SEPTETS = {character: bytes([code]) for code, character in enumerate(_BASIC) if code != _ESCAPE}
_SEPTETS |= {character: bytes([_ESCAPE, code]) for code, character in _EXTENDED.items()}


def from_text(text: str) -> bytes:
    """Give the septets of `text`; raise `LocalError` for a character outside the alphabet."""
    try:
        return b"".join(_SEPTETS[character] for character in text)
    except KeyError as exc:
        raise LocalError(f"{exc.args[0]!r} is not in the GSM 7 bit default alphabet") from exc


def to_text(septets: bytes) -> str:
    """Give the text of `septets`.

    An escape before a code that the extension table lacks shows the basic character, and an
    escape at the end is a space. TS 23.038 clause 6.2.1.1, notes 1 and 3.
    """
    characters, escaped = [], False
    for septet in septets:
        if escaped:
            characters.append(_EXTENDED.get(septet, _BASIC[septet]))
            escaped = False
        elif septet == _ESCAPE:
            escaped = True
        else:
            characters.append(_BASIC[septet])
    return "".join(characters) + " " * escaped


def pack(septets: bytes, fill: int = 0) -> bytes:
    """Pack `septets` behind `fill` zero bits (0 to 6), the first septet in the lowest bits."""
    number = 0
    for position, septet in enumerate(septets):
        number |= septet << (7 * position)
    return (number << fill).to_bytes((7 * len(septets) + fill + 7) // 8, "little")


def unpack(octets: bytes, count: int, fill: int = 0) -> bytes:
    """Unpack `count` septets behind `fill` bits; bits behind the last septet are not looked at."""
    if len(octets) != (7 * count + fill + 7) // 8:
        raise PeerError(f"{count} septets do not fit {len(octets)} octets")
    number = int.from_bytes(octets, "little") >> fill
    return bytes(number >> (7 * position) & 0x7F for position in range(count))
