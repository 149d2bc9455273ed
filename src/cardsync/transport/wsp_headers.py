"""Headers of WSP: names as codes or texts, values as octets. WAP-230-WSP-20010705-a clause 8.4."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

from cardsync.errors import LocalError, PeerError
from cardsync.octets.reader import Reader
from cardsync.transport.carrier import Fields
from cardsync.transport.wsp_codes import HEADER_NAMES, FieldName
from cardsync.transport.wsp_values import (
    encode_content_type,
    encode_text,
    peek,
    read_integer,
    read_length,
    read_text,
    read_value,
)

_SHIFT = 0x7F  # to another page of codes; 1 to 31 are short for it, clause 8.4.1.1
_DEFAULT_PAGE = 1
_MOST_HEADERS = 200
_ABSOLUTE = 0x80  # a Retry-After that is a date, clause 8.4.2.44
_RELATIVE = 0x81

CODES = {name.lower(): code for code, name in reversed(tuple(enumerate(HEADER_NAMES)))}
"""The first code of each name; what a name means to later versions differs in the value only."""


@dataclass(frozen=True, slots=True)
class Header:
    """One header: its name as HTTP writes it, its value as the octets on the air."""

    name: str
    value: bytes

    @property
    def text(self) -> str | None:
        """The value, where it is a text."""
        if not b"\x20" <= self.value[:1] < b"\x80":
            return None
        return read_text(Reader(self.value))


Headers: TypeAlias = tuple[Header, ...]


def text_header(name: str, text: str) -> Header:
    """Give a header whose value is a text."""
    return Header(name, encode_text(text))


def fields_to_headers(fields: Fields) -> Headers:
    """Give fields as headers by text names, in UTF-8. Clauses 8.4.2.6 and 8.4.2.1, token text."""
    return tuple(
        [text_header(name, value.encode().decode("latin-1")) for name, value in fields.items()]
    )


def headers_to_fields(headers: Headers) -> Fields:
    """Give what stands beside a message as texts, by names in lower case."""
    texts = [(header.name.lower(), header.text) for header in headers]
    return {name: text.encode("latin-1").decode(errors="replace") for name, text in texts if text}


def accept(content_type: str) -> Header:
    """Give an Accept header. Clause 8.4.2.7."""
    return Header(HEADER_NAMES[FieldName.ACCEPT], encode_content_type(content_type))


def find(headers: Headers, name: FieldName) -> bytes | None:
    """Give the value of the first header of a name."""
    wanted = HEADER_NAMES[name]
    return next((header.value for header in headers if header.name == wanted), None)


def encode_headers(headers: Iterable[Header]) -> bytes:
    """Give the octets of headers. `LocalError` if a name is no token."""
    return b"".join(_name(header.name) + header.value for header in headers)


def _name(name: str) -> bytes:
    code = CODES.get(name.lower())
    if code is not None:
        return bytes([0x80 | code])
    if not name or not name.isascii():
        raise LocalError("a header without a name that can be written")
    return encode_text(name)


def decode_headers(reader: Reader) -> Headers:
    """Read headers to the end. Raises `PeerError`.

    Those of other pages than the default one are passed over, clause 8.4.1.1.
    """
    headers: list[Header] = []
    page = _DEFAULT_PAGE
    while len(reader):
        first = peek(reader)
        if first == _SHIFT:
            page = reader.octets(2)[1]
        elif first < 0x20:
            page = reader.uint8()
        else:
            header = _read_header(reader)
            if page == _DEFAULT_PAGE or first < 0x80:
                headers.append(header)
        if len(headers) > _MOST_HEADERS:
            raise PeerError(f"more than {_MOST_HEADERS} headers")
    return tuple(headers)


def _read_header(reader: Reader) -> Header:
    if peek(reader) >= 0x80:
        code = reader.uint8() & 0x7F
        name = HEADER_NAMES[code] if code < len(HEADER_NAMES) else f"x-wsp-{code:02x}"
    else:
        name = read_text(reader)
    return Header(name, read_value(reader))


def retry_after(headers: Headers, epoch: float) -> float | None:
    """Give the seconds to wait, `epoch` being the seconds since 1970; None if none are said.

    Clause 8.4.2.44. Raises `PeerError`.
    """
    value = find(headers, FieldName.RETRY_AFTER)
    if value is None:
        return None
    if 0x20 <= value[0] < 0x80:
        text = read_text(Reader(value))
        return float(text) if text.isdecimal() and len(text) < 10 else None
    inner = read_length(Reader(value))
    kind = inner.uint8()
    if kind not in {_ABSOLUTE, _RELATIVE}:
        raise PeerError(f"{kind:02X} begins no Retry-After")
    seconds = read_integer(inner)
    return max(0.0, seconds - epoch) if kind == _ABSOLUTE else float(min(seconds, 1 << 31))
