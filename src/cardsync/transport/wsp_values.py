"""Values of WSP headers: texts, integers, content types. WAP-230-WSP-20010705-a clause 8.4.2.

Every value tells its own end: 0 to 30 is a length, 31 a length behind it, 32 to 127 begins a
text that ends with 0, and 128 to 255 is a value of one octet.
"""

from cardsync.errors import LocalError, PeerError
from cardsync.octets.reader import Reader
from cardsync.transport.wsp_codes import (
    CHARSET_CODES,
    CHARSETS,
    CONTENT_TYPES,
    WRITTEN_CONTENT_TYPES,
    ParameterCode,
)

_LENGTH_QUOTE = 31
_TEXT = 32
_SHORT = 0x80
_QUOTE = 0x7F  # stands before a text that begins with an octet of 128 or more
_QUOTATION = 0x22  # begins a quoted string, which has no end of its own
_ANY_CHARSET = 0x80
_MOST_PARAMETERS = 32


def encode_uintvar(value: int) -> bytes:
    """Give an integer of up to 32 bits in groups of seven. Clause 8.1.2."""
    octets = [value & 0x7F]
    while value := value >> 7:
        octets.append(0x80 | value & 0x7F)
    return bytes(reversed(octets))


def encode_integer(value: int) -> bytes:
    """Give a short integer, or a long one from 128 on. Clause 8.4.2.1."""
    if value < _SHORT:
        return bytes([_SHORT | value])
    octets = value.to_bytes((value.bit_length() + 7) // 8, "big")
    return bytes([len(octets)]) + octets


def encode_text(text: str) -> bytes:
    """Give a text. Clause 8.4.2.1. `LocalError` if it holds control characters."""
    try:
        octets = text.encode("latin-1")
    except UnicodeEncodeError as exc:
        raise LocalError("a header holds a character outside of ISO 8859-1") from exc
    if any(octet < _TEXT or octet == _QUOTE for octet in octets):
        raise LocalError("a header holds a control character")
    quote = bytes([_QUOTE]) if octets[:1] >= b"\x80" else b""
    return quote + octets + b"\0"


def encode_value_length(octets: bytes) -> bytes:
    """Give octets behind their length. Clause 8.4.2.2."""
    if len(octets) < _LENGTH_QUOTE:
        return bytes([len(octets)]) + octets
    return bytes([_LENGTH_QUOTE]) + encode_uintvar(len(octets)) + octets


def peek(reader: Reader) -> int:
    """Give the next octet without passing over it."""
    octet = reader.uint8()
    reader.offset -= 1
    return octet


def read_text(reader: Reader) -> str:
    """Read a text, quoted or not. Clause 8.4.2.1."""
    octets = reader.until(0)
    if octets[:1] in {bytes([_QUOTE]), bytes([_QUOTATION])}:
        octets = octets[1:]
    return octets.decode("latin-1")


def read_integer(reader: Reader) -> int:
    """Read a short or a long integer of at most 30 octets. Clause 8.4.2.1."""
    first = reader.uint8()
    if first & _SHORT:
        return first & 0x7F
    if not 1 <= first < _LENGTH_QUOTE:
        raise PeerError(f"{first:02X} begins no integer")
    return int.from_bytes(reader.octets(first), "big")


def read_value(reader: Reader) -> bytes:
    """Read the octets of any value. Clause 8.4.1.2."""
    start = reader.uint8()
    if start < _LENGTH_QUOTE:
        return bytes([start]) + reader.octets(start)
    if start == _LENGTH_QUOTE:
        length = reader.uintvar()
        return bytes([start]) + encode_uintvar(length) + reader.octets(length)
    if start < _SHORT:
        return bytes([start]) + reader.until(0) + b"\0"
    return bytes([start])


def read_length(reader: Reader) -> Reader:
    """Read a value length; give a reader of what it counts. Clause 8.4.2.2."""
    first = reader.uint8()
    if first > _LENGTH_QUOTE:
        raise PeerError(f"{first:02X} begins no length")
    return reader.sub(reader.uintvar() if first == _LENGTH_QUOTE else first)


def encode_content_type(text: str) -> bytes:
    """Give a content type as HTTP writes it. Clause 8.4.2.24.

    `LocalError` if it cannot be said.
    """
    name, *parameters = (part.strip() for part in text.split(";"))
    code = WRITTEN_CONTENT_TYPES.get(name.lower())
    media = encode_text(name) if code is None else encode_integer(code)
    if not parameters:
        return media
    return encode_value_length(media + b"".join(map(_encode_parameter, parameters)))


def _encode_parameter(text: str) -> bytes:
    name, _, value = (part.strip() for part in text.partition("="))
    value = value.strip('"')
    charset = CHARSET_CODES.get(value.lower())
    if name.lower() == "charset" and charset is not None:
        return bytes([_SHORT | ParameterCode.CHARSET]) + encode_integer(charset)
    return encode_text(name) + (encode_text(value) if value else b"\0")


def read_content_type(reader: Reader) -> str:
    """Read a content type as HTTP writes it. Clause 8.4.2.24.

    A code without a name becomes `x-wsp/` and its digits; parameters that we do not know are
    passed over.
    """
    if peek(reader) >= _TEXT:
        return _read_media(reader)
    inner = read_length(reader)
    parts = [_read_media(inner)]
    while len(inner):
        if len(parts) > _MOST_PARAMETERS:
            raise PeerError(f"a content type with more than {_MOST_PARAMETERS} parameters")
        parameter = _read_parameter(inner)
        if parameter:
            parts.append(parameter)
    return "; ".join(parts)


def _read_media(reader: Reader) -> str:
    if _TEXT <= peek(reader) < _SHORT:
        return read_text(reader)
    code = read_integer(reader)
    return CONTENT_TYPES.get(code, f"x-wsp/{code:02x}")


def _read_parameter(reader: Reader) -> str:
    if _TEXT <= peek(reader) < _SHORT:
        name = read_text(reader)
        return f"{name}={_plain(read_value(reader))}"
    code = read_integer(reader)
    if code == ParameterCode.Q:
        reader.uintvar()  # the one value that does not tell its own end
        return ""
    value = read_value(reader)
    if code != ParameterCode.CHARSET or value == bytes([_ANY_CHARSET]):
        return ""
    charset = read_integer(Reader(value))
    return f"charset={CHARSETS.get(charset, charset)}"


def _plain(value: bytes) -> str:
    """Give an untyped value as HTTP writes it."""
    if _TEXT <= value[0] < _SHORT:
        return read_text(Reader(value))
    return str(read_integer(Reader(value))) if value[0] else ""
