"""Texts in which `${parameter}` stands for a parameter's value.

In a program the octet 01 and the number of the parameter stand in its place; a text has no
control characters but the line feed, so nothing else can be meant.
"""

import re
from collections.abc import Callable, Mapping, Sequence

MARK = 0x01
_PLACE = re.compile(r"\$\{([^{}]*)\}")


def names(text: str) -> tuple[tuple[int, str], ...]:
    """Give the offset and the parameter's name of each place in `text`."""
    return tuple((found.start(), found[1]) for found in _PLACE.finditer(text))


def fill(text: str, values: Mapping[str, int | str]) -> str:
    """Replace each place by the value of its parameter; `KeyError` if there is none."""
    return _PLACE.sub(lambda found: str(values[found[1]]), text) if "$" in text else text


def encode(text: str, parameters: Sequence[str]) -> bytes:
    """Give the octets of `text` in a program whose parameters have these names."""
    found, octets, last = list(_PLACE.finditer(text)), b"", 0
    for place in found:
        octets += text[last : place.start()].encode() + bytes([MARK, parameters.index(place[1])])
        last = place.end()
    return octets + text[last:].encode()


def decode(octets: bytes, name: Callable[[int], str]) -> str:
    """Give the text of a program's octets; `ValueError` if they are none."""
    head, *parts = octets.split(bytes([MARK]))
    text = _plain(head)
    for part in parts:
        if not part:
            raise ValueError("a text ends within the place of a parameter")
        text += f"${{{name(part[0])}}}" + _plain(part[1:])
    return text


def _plain(octets: bytes) -> str:
    text = octets.decode()
    if _PLACE.search(text) or any(ord(char) < 0x20 and char != "\n" for char in text):
        raise ValueError("a text has control characters or places that are not coded")
    return text
