"""Data objects of texts, menus and icons. TS 102 223 clause 8.

`written` of a text holds its octets where the sender wrote it in another way than we do: in
another coding, or with padding. It is empty for a text of our own.
"""

from dataclasses import dataclass, field
from typing import Self

from cardsync.octets import text
from cardsync.toolkit.codes import ToneCode
from cardsync.toolkit.data_object import Code, DataObject, Fields, known, within


@known(0x05)
@dataclass(frozen=True, slots=True)
class AlphaIdentifier(DataObject):
    """A text of the application for the user. TS 102 223 clause 8.2."""

    text: str
    written: bytes = field(default=b"", repr=False)

    def value(self) -> bytes:
        """Give the value octets."""
        return self.written or text.encode_alpha(self.text)

    @classmethod
    def read(cls, value: bytes) -> Self:
        """Read an alpha field."""
        return cls(*_alpha(value))


def _alpha(value: bytes) -> tuple[str, bytes]:
    """Read an alpha field; give its octets too where we would write it in another way."""
    found = text.decode_alpha(value)
    return found, b"" if text.encode_alpha(found) == value else value


class TextCoding:
    """Data coding schemes of a text string that we write. TS 102 223 clause 8.15, TS 23.038."""

    PACKED = 0x00
    OCTETS = 0x04
    UCS2 = 0x08


@dataclass(frozen=True, slots=True)
class _Text(DataObject):
    """The shape of a text with its data coding scheme; without one it is a null text."""

    text: str
    coding: int | None = TextCoding.OCTETS
    written: bytes = field(default=b"", repr=False)

    def __post_init__(self) -> None:
        if self.coding is None and self.text:
            raise ValueError("a null text has no characters")

    def value(self) -> bytes:
        """Give the value octets."""
        if self.coding is None:
            return b""
        octets = self.written or text.encode_text(self.text, text.alphabet(self.coding))
        return bytes([self.coding]) + octets

    @classmethod
    def read(cls, value: bytes) -> Self:
        """Read coding and text; "parts of the scheme other than the character set" are kept."""
        if not value:
            return cls("", None)
        coding, body = value[0], value[1:]
        alphabet = text.alphabet(coding)
        found = text.decode_text(body, alphabet)
        return cls(found, coding, b"" if text.encode_text(found, alphabet) == body else body)

    @classmethod
    def of(cls, content: str) -> Self:
        """Choose 8-bit where the default alphabet can write the text, else UCS2."""
        return cls(content, TextCoding.OCTETS if text.is_gsm(content) else TextCoding.UCS2)


@known(0x0D)
@dataclass(frozen=True, slots=True)
class TextString(_Text):
    """A text with its data coding scheme; without one it is a null text. Clause 8.15."""


@known(0x17)
@dataclass(frozen=True, slots=True)
class DefaultText(_Text):
    """What stands in the field before the user writes. TS 102 223 clause 8.23."""


@known(0x0F)
@dataclass(frozen=True, slots=True)
class Item(DataObject):
    """An item of a menu or a choice: `identifier` 1 to 255. TS 102 223 clause 8.9.

    Identifier 0 without a text is the null item, which takes the menu away.
    """

    identifier: int
    text: str
    written: bytes = field(default=b"", repr=False)

    def __post_init__(self) -> None:
        within("item", self.identifier, 1 if self.text or self.written else 0, 255)

    def value(self) -> bytes:
        """Give the value octets."""
        if not self.identifier:
            return b""
        return bytes([self.identifier]) + (self.written or text.encode_alpha(self.text))

    @classmethod
    def read(cls, value: bytes) -> Self:
        """Read identifier and text, or nothing: the null item."""
        if not value:
            return cls(0, "")
        within("item", value[0], 1, 255)
        return cls(value[0], *_alpha(value[1:]))


@known(0x10)
@dataclass(frozen=True, slots=True)
class ItemIdentifier(Fields):
    """Which item was chosen, or is the default one. TS 102 223 clause 8.10."""

    identifier: int


@known(0x11)
@dataclass(frozen=True, slots=True)
class ResponseLength(Fields):
    """How many characters the user must and may write; 255 is no limit. Clause 8.11."""

    minimum: int
    maximum: int


@known(0x0E)
@dataclass(frozen=True, slots=True)
class Tone(Code):
    """A tone to be played. TS 102 223 clause 8.16."""

    CODES = ToneCode


@known(0x15)
@dataclass(frozen=True, slots=True)
class HelpRequest(Fields):
    """The user asks for help on an item. TS 102 223 clause 8.21."""


@known(0x18)
@dataclass(frozen=True, slots=True)
class ItemsNextAction(DataObject):
    """The type of command that follows each item; 0 where there is none. Clause 8.24."""

    actions: tuple[int, ...]

    def value(self) -> bytes:
        """Give one octet an item."""
        return bytes(self.actions)

    @classmethod
    def read(cls, value: bytes) -> Self:
        """Read one octet an item."""
        return cls(tuple(value))


@known(0x1E)
@dataclass(frozen=True, slots=True)
class IconIdentifier(Fields):
    """The record of an icon in EF.IMG; qualifier 0: it stands for the text. Clause 8.31."""

    qualifier: int
    identifier: int


@known(0x1F)
@dataclass(frozen=True, slots=True)
class ItemIconIdentifierList(DataObject):
    """An icon for each item, and their common qualifier. TS 102 223 clause 8.32."""

    qualifier: int
    identifiers: tuple[int, ...]

    def value(self) -> bytes:
        """Give the qualifier and one octet an item."""
        return bytes([self.qualifier, *self.identifiers])

    @classmethod
    def read(cls, value: bytes) -> Self:
        """Read the qualifier and one octet an item."""
        qualifier, *identifiers = value
        return cls(qualifier, tuple(identifiers))


@known(0x2B)
@dataclass(frozen=True, slots=True)
class ImmediateResponse(Fields):
    """The terminal answers at once and leaves the text on its display. Clause 8.43."""
