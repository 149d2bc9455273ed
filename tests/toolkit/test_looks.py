"""How texts look and what icons stand for, beside what another program shows of them.

The vectors of TS 31.124 tell the text as HTML and the picture as XPM; both are made here of our
fields. TS 23.040 clause 9.2.3.24.10.1.1, TS 31.102 annex B.
"""

from itertools import groupby
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cardsync.errors import PeerError
from cardsync.toolkit import commands
from cardsync.toolkit.commands import ProactiveCommand
from cardsync.toolkit.data_object import MalformedObject, read
from cardsync.toolkit.looks import (
    Alignment,
    Colour,
    ItemTextAttributeList,
    TextAttribute,
    TextFormat,
    TextSize,
)
from cardsync.toolkit.pictures import ImageCoding, Picture
from cardsync.toolkit.texts import AlphaIdentifier, TextString
from vectors import load

WEB = {
    Colour.DARK_GREEN: "347235",
    Colour.DARK_BLUE: "0000A0",
    Colour.WHITE: "FFFFFF",
    Colour.BRIGHT_YELLOW: "FFFF00",
}
"""Colours as the other program gives them to a browser."""
ALIGNED = {Alignment.LEFT: "left", Alignment.CENTRE: "center", Alignment.RIGHT: "right"}
SIZES = {TextSize.LARGE: "big", TextSize.SMALL: "small"}
MARKS = {
    "bold": "font-weight: bold",
    "italic": "font-style: italic",
    "underlined": "text-decoration: underline",
    "struck": "text-decoration: line-through",
}
PLAIN = TextFormat(0, 0, alignment=Alignment.OF_THE_LANGUAGE)


def style(look: TextFormat) -> str:
    """Give the style of characters, without where the line begins."""
    told = [f"font-size: {SIZES[look.size]}"] if look.size in SIZES else []
    told += [css for mark, css in MARKS.items() if getattr(look, mark)]
    if (look.foreground, look.background) != (Colour.BLACK, Colour.BLACK):
        told.append(f"color: #{WEB[look.foreground]}")
        told.append(f"background-color: #{WEB[look.background]}")
    return "".join([f"{one};" for one in told])


def html(text: str, formats: tuple[TextFormat, ...]) -> str:
    """Show a text as the other program does."""
    looks = [PLAIN] * len(text)
    for one in formats:
        end = one.start + one.length if one.length else len(text)
        looks[one.start : end] = [one] * len(looks[one.start : end])
    shown = ""
    for look, run in groupby(range(len(text)), looks.__getitem__):
        inner = "".join([escaped(text, at) for at in run])
        inner = f'<span style="{style(look)}">{inner}</span>' if style(look) else inner
        aligned = ALIGNED.get(look.alignment)
        shown += f'<div style="text-align: {aligned};">{inner}</div>' if aligned else inner
    return shown


def escaped(text: str, at: int) -> str:
    """Give a character as HTML has it; two that end a line are one."""
    if text[at : at + 2] == "\r\n":
        return ""
    return {"&": "&amp;", "<": "&lt;", ">": "&gt;", "\n": "<br/>"}.get(text[at], text[at])


def xpm(picture: Picture) -> str:
    """Show a picture as the other program does."""
    colours = [f'"{index:x}\tc #{red:02X}{green:02X}{blue:02X}",'
               for index, (red, green, blue) in enumerate(picture.palette)]  # fmt: skip
    rows = ['"' + "".join([f"{pixel:x}" for pixel in row]) + '",' for row in picture.rows]
    head = f'"{picture.width} {picture.height} {len(picture.palette)} 1",'
    return "\n".join(["/* XPM */", "static char *xpm[] = {", head, *colours, *rows, "};"])


def vectors(field: str) -> list[dict[str, Any]]:
    """Give the vectors that tell something."""
    return [one for one in load("cat_31124.json")["vectors"] if field in one["expect"]]


def test_texts_look_alike() -> None:
    """All that have attributes, alone and in their commands."""
    for vector in vectors("html"):
        expected = vector["expect"]
        octets = bytes.fromhex(expected["text_attr"]["attributes"]["hex"])
        look = TextAttribute.read(octets)
        text = expected.get("text")
        if vector["pdu"]:
            parts = ProactiveCommand.decode(bytes.fromhex(vector["pdu"])).parts
            assert look == commands.first(parts, TextAttribute)
            shown = commands.first(parts, TextString) or commands.first(parts, AlphaIdentifier)
            assert shown
            text = shown.text

        assert octets == look.value()
        assert expected["html"] == html(text or "", look.formats), vector["name"]


def test_pictures_look_alike() -> None:
    """All that are there."""
    for vector in vectors("xpm"):
        expected = vector["expect"]
        octets = bytes.fromhex(expected["img"]["hex"])
        found = Picture.decode(expected["scheme"]["value"], octets)

        assert expected["xpm"] == xpm(found), vector["name"]


def test_a_picture_of_two_colours() -> None:
    """Width, height, then a bit a pixel, rows not aligned. TS 31.102 annex B.1."""
    found = Picture.decode(ImageCoding.BASIC, bytes.fromhex("03 02 A8"))

    assert (b"\1\0\1", b"\0\1\0") == found.rows


def test_a_picture_in_colours() -> None:
    """Bits a pixel, colours and where their table stands, then the pixels. Annex B.2."""
    octets = bytes.fromhex("02 02 02 03 0008 1800 FF0000 00FF00 0000FF")
    found = Picture.decode(ImageCoding.COLOUR, octets)

    assert (b"\0\1", b"\2\0") == found.rows
    assert ((255, 0, 0), (0, 255, 0), (0, 0, 255)) == found.palette


@pytest.mark.parametrize(
    ("coding", "octets", "said"),
    [
        (0x11, "0808FF", "octets end too early"),
        (0x33, "0101FF", "image coding 33"),
        (0x21, "0101 09 02 0007 00 000000000000", "9 bits a pixel"),
        (0x21, "0101 01 02 0007 80 000000", "not whole"),
        (0x22, "0101 02 02 0007 C0 000000000000", "not whole"),
    ],
)
def test_what_is_no_picture(coding: int, octets: str, said: str) -> None:
    """A picture that ends early, or points beside its table, is refused."""
    with pytest.raises(PeerError, match=said):
        Picture.decode(coding, bytes.fromhex(octets))


@given(st.sampled_from([*ImageCoding, 0]), st.binary(max_size=64))
def test_any_octets_as_a_picture(coding: int, octets: bytes) -> None:
    """Whatever comes is a picture of its size, or a `PeerError`."""
    try:
        found = Picture.decode(coding, octets)
    except PeerError:
        return

    assert found.width * found.height == len(found.pixels)


@given(st.binary(min_size=4, max_size=4))
def test_any_format_comes_back(octets: bytes) -> None:
    """Each value of the four octets has its fields."""
    assert octets == TextFormat.decode(octets).encode()


def test_formats() -> None:
    """Small letters, dark green on bright yellow. TS 31.124 clause 27.22.4.8, 6.5."""
    value = bytes.fromhex("000608B4 000608B4")
    look = TextFormat(0, 6, Colour.DARK_GREEN, Colour.BRIGHT_YELLOW, size=TextSize.SMALL)
    kinds: list[type[TextAttribute | ItemTextAttributeList]] = [
        TextAttribute,
        ItemTextAttributeList,
    ]
    for kind in kinds:
        assert kind((look, look)) == kind.read(value)
        assert value == kind((look, look)).value()


def test_a_format_that_is_cut() -> None:
    """A format has four octets. TS 102 223 clause 8.72."""
    with pytest.raises(MalformedObject, match="four octets"):
        read(0x50, three_octets=False, value=b"\0\0\3\x94\0")
