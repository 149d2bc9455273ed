"""How the values of a program become octets and again values, record by record.

docs/policy.md has the same as tables. Strings stand once, in the program's table of strings;
elsewhere is their number in one octet.
"""

from collections.abc import Sequence
from typing import TypeVar

from cardsync.octets.reader import Reader
from cardsync.policy import templates
from cardsync.policy.values import (
    Database,
    Parameter,
    Request,
    Retry,
    Rung,
    Text,
    ValueType,
    Variable,
)

_T = TypeVar("_T")

NOTHING = 0xFF  # in place of the number of a string, a text or an argument
_MOST_STRINGS = 0xFF
_LONGEST_STRING = 0xFF


class Writer:
    """Collects strings and knows the names by which records refer to each other."""

    def __init__(self, literals: Sequence[bytes], parameters: Sequence[str]) -> None:
        self._parameters = parameters
        self.strings: dict[bytes, int] = {}
        self.texts: dict[Text, int] = {}
        for octets in literals:
            self.octets(octets)

    def octets(self, octets: bytes) -> int:
        """Give the number of a string, a new one where it is not yet there."""
        number = self.strings.setdefault(octets, len(self.strings))
        if len(octets) > _LONGEST_STRING:
            raise ValueError(f"a string takes {len(octets)} octets, more than {_LONGEST_STRING}")
        if number >= _MOST_STRINGS:
            raise ValueError(f"there are more than {_MOST_STRINGS} different strings")
        return number

    def name(self, name: str) -> int:
        """Give the number of a name."""
        return self.octets(name.encode())

    def template(self, text: str) -> int:
        """Give the number of a text with places for parameters."""
        return self.octets(templates.encode(text, self._parameters))

    def text(self, text: Text) -> int:
        """Give the number of a text with its translations."""
        return self.texts.setdefault(text, len(self.texts))

    def minutes(self, value: int | str) -> bytes:
        """Give three octets: `00` and minutes, or `01 00` and a parameter."""
        if isinstance(value, str):
            return bytes([1, 0, self._parameters.index(value)])
        return b"\x00" + value.to_bytes(2, "big")


class Strings:
    """The strings of a program that is being read; a wrong number raises `ValueError`."""

    def __init__(self, strings: Sequence[bytes]) -> None:
        self.strings = strings
        self.parameters: tuple[Parameter, ...] = ()
        self.texts: tuple[Text, ...] = ()

    def octets(self, number: int) -> bytes:
        """Give a string's octets."""
        return _item(self.strings, number, "string")

    def name(self, number: int) -> str:
        """Give a string that has no places for parameters."""
        name = self.octets(number).decode()
        if not templates.is_line(name):
            raise ValueError(f"string {number} is no name")
        return name

    def template(self, number: int) -> str:
        """Give a string with its places for parameters that are texts."""
        return templates.decode(self.octets(number), self._place)

    def text(self, number: int) -> Text:
        """Give a text with its translations."""
        return _item(self.texts, number, "text")

    def minutes(self, reader: Reader) -> int | str:
        """Read minutes or the parameter that has them."""
        kind, value = reader.uint8(), reader.uint16()
        if kind == 0:
            return value
        parameter = _item(self.parameters, value, "parameter")
        if kind != 1 or parameter.type is not ValueType.DURATION:
            raise ValueError(f"parameter {value} is no duration")
        return parameter.name

    def _place(self, number: int) -> str:
        parameter = _item(self.parameters, number, "parameter")
        if parameter.type is not ValueType.TEXT:
            raise ValueError(f"parameter {number} is no text")
        return parameter.name


def _item(items: Sequence[_T], number: int, what: str) -> _T:
    if number >= len(items):
        raise ValueError(f"there is no {what} {number}")
    return items[number]


def write_parameter(parameter: Parameter, writer: Writer) -> bytes:
    """Write name, type and value in four octets."""
    value = parameter.default
    head = bytes([writer.name(parameter.name), parameter.type])
    number = writer.octets(value.encode()) if isinstance(value, str) else value
    return head + number.to_bytes(2, "big")


def read_parameter(reader: Reader, strings: Strings) -> Parameter:
    """Read what `write_parameter` wrote."""
    name, kind = strings.name(reader.uint8()), ValueType(reader.uint8())
    value = reader.uint16()
    if kind is ValueType.TEXT:
        return Parameter(name, kind, strings.name(value))
    if kind not in (ValueType.NUMBER, ValueType.DURATION):
        raise ValueError(f"a parameter cannot be a {kind.name}")
    return Parameter(name, kind, value)


def write_variable(variable: Variable, writer: Writer) -> bytes:
    """Write name, type and first value in four octets."""
    head = bytes([writer.name(variable.name), variable.type])
    return head + variable.default.to_bytes(2, "big")


def read_variable(reader: Reader, strings: Strings) -> Variable:
    """Read what `write_variable` wrote."""
    name, kind = strings.name(reader.uint8()), ValueType(reader.uint8())
    if kind not in (ValueType.TRUTH, ValueType.NUMBER, ValueType.DURATION):
        raise ValueError(f"a variable cannot be a {kind.name}")
    return Variable(name, kind, reader.uint16())


def write_text(text: Text, writer: Writer) -> bytes:
    """Write a text's default and its translations."""
    octets = bytes([writer.template(text.default), len(text.translations)])
    for language, translation in text.translations:
        octets += language.encode("ascii") + bytes([writer.template(translation)])
    return octets


def read_text(reader: Reader, strings: Strings) -> Text:
    """Read what `write_text` wrote."""
    default, count = strings.template(reader.uint8()), reader.uint8()
    translations = tuple(
        (reader.octets(2).decode("ascii"), strings.template(reader.uint8())) for _ in range(count)
    )
    return Text(default, translations)


def write_request(request: Request, writer: Writer) -> bytes:
    """Write a request: its fixed octets, then the transports, then the fallbacks."""
    retry = request.retry
    rest = bytes([retry.attempts, retry.first, retry.shift, retry.jitter]) if retry else bytes(4)
    return (
        bytes([writer.name(request.name), request.protocol, request.version])
        + bytes([request.representation, request.type])
        + bytes([writer.template(request.source.device), writer.template(request.source.database)])
        + bytes([writer.template(request.target.device), writer.template(request.target.database)])
        + request.categories.to_bytes(2, "big")
        + bytes([request.notify, request.progress, request.duration])
        + rest
        + bytes([len(request.transports), *request.transports])
        + bytes([len(request.fallback), *request.fallback])
    )


def read_request(reader: Reader, strings: Strings) -> Request:
    """Read what `write_request` wrote."""
    name = strings.name(reader.uint8())
    protocol, version, representation, kind = reader.octets(4)
    source = Database(strings.template(reader.uint8()), strings.template(reader.uint8()))
    target = Database(strings.template(reader.uint8()), strings.template(reader.uint8()))
    categories = reader.uint16()
    notify, progress, duration = reader.octets(3)
    attempts, first, shift, jitter = reader.octets(4)
    retry = Retry(attempts, first, 1 << shift, jitter) if attempts else None
    transports = tuple(reader.octets(reader.uint8()))
    fallback = tuple(Rung(rung) for rung in reader.octets(reader.uint8()))
    if not 1 <= len(transports) <= 8 or notify > 2 or (progress > 0) > (notify == 2):
        raise ValueError(f"request {name!r} has transports or a notification out of range")
    return Request(
        name,
        protocol,
        version,
        representation,
        transports,
        kind,
        source,
        target,
        categories,
        notify,
        progress,
        fallback,
        retry,
        duration,
    )
