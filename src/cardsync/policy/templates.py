"""Texts in which `${parameter}` stands for a parameter's value.

In a program the octet 01 stands in its place, and 20 plus the number of the parameter; a text
has no control characters but the line feed, so nothing else can be meant.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from urllib.parse import quote

MARK = 0x01
FIRST = 0x20
_PLACE = re.compile(r"\$\{([^{}]*)\}")
_ASCII = bytes(range(0x80))


def names(text: str) -> tuple[tuple[int, str], ...]:
    """Give the offset and the parameter's name of each place in `text`."""
    return tuple((found.start(), found[1]) for found in _PLACE.finditer(text))


def fill(text: str, values: Mapping[str, int | str]) -> str:
    """Replace each place by the value of its parameter; `KeyError` if there is none."""
    return _PLACE.sub(lambda found: str(values[found[1]]), text) if "$" in text else text


def fill_address(text: str, values: Mapping[str, int | str]) -> str:
    """Fill an address; what is not ASCII becomes `%xx` of its UTF-8. RFC 3987 clause 3.1.

    The browser's object has seven-bit characters alone (TS 102 223 clause 8.48).
    """
    return quote(fill(text, values), safe=_ASCII)


def encode(text: str, parameters: Sequence[str]) -> bytes:
    """Give the octets of `text` in a program whose parameters have these names."""
    found, octets, last = list(_PLACE.finditer(text)), b"", 0
    for place in found:
        number = FIRST + parameters.index(place[1])
        octets += text[last : place.start()].encode() + bytes([MARK, number])
        last = place.end()
    return octets + text[last:].encode()


def decode(octets: bytes, name: Callable[[int], str]) -> str:
    """Give the text of a program's octets; `ValueError` if they are none."""
    head, *parts = octets.split(bytes([MARK]))
    text = _plain(head)
    for part in parts:
        if not part or part[0] < FIRST:
            raise ValueError("a text does not say which parameter stands in it")
        text += f"${{{name(part[0] - FIRST)}}}" + _plain(part[1:])
    return text


def control_character(text: str) -> int:
    """Give the index of the first control character but the line feed, -1 if there is none."""
    return next((i for i, char in enumerate(text) if _is_control(char) and char != "\n"), -1)


def is_line(text: str) -> bool:
    """Say whether a text is not empty and has neither control characters nor line feeds."""
    return bool(text) and not any(_is_control(char) for char in text)


def _is_control(char: str) -> bool:
    return ord(char) < 0x20 or ord(char) == 0x7F


def _plain(octets: bytes) -> str:
    text = octets.decode()
    if _PLACE.search(text) or control_character(text) >= 0:
        raise ValueError("a text has control characters or places that are not coded")
    return text
