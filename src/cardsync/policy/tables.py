"""Reading a table of TOML with checks: every fault is noted with its place, reading goes on.

A getter that finds a fault notes it and gives a value that does no further harm, so that one
reading of a policy tells all that is wrong.
"""

from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches

from cardsync.policy.faults import Fault, Where
from cardsync.policy.positions import Path, Positions
from cardsync.policy.templates import control_character


class Sheet:
    """One text that is being read: its name, its places, the faults found so far."""

    def __init__(self, filename: str, positions: Positions) -> None:
        self._filename = filename
        self._positions = positions
        self.faults: list[Fault] = []

    def where(self, path: Path, *, value: bool = False, index: int | None = None) -> Where:
        """Give the place of a key, of its value, or of a character within its value."""
        if index is not None:
            line, column = self._positions.inside(path, index)
        elif value:
            line, column = self._positions.value(path)
        else:
            line, column = self._positions.key(path)
        return Where(self._filename, line, column, dotted(path))

    def fault(
        self, path: Path, what: str, expected: str, *, key: bool = False, index: int | None = None
    ) -> None:
        """Note a fault of a value, of a key, or at a character within a string."""
        self.faults.append(Fault(self.where(path, value=not key, index=index), what, expected))


def dotted(path: Path) -> str:
    """Write a path as a person does; entries of arrays are counted from 1."""
    text = ""
    for part in path:
        text += f"[{part + 1}]" if isinstance(part, int) else f".{part}"
    return text.removeprefix(".")


def one_of(words: Iterable[str]) -> str:
    """Write a choice."""
    return "one of " + ", ".join(words)


def perhaps(word: str, words: Iterable[str]) -> str:
    """Give `, perhaps ...` where a word is close to a known one."""
    close = get_close_matches(word, list(words), 1)
    return f", perhaps {close[0]!r}" if close else ""


class Table:
    """A table at `path` of a sheet; one that `stands_in` for a faulty value misses nothing."""

    def __init__(
        self, sheet: Sheet, path: Path, values: Mapping[str, object], *, stands_in: bool = False
    ) -> None:
        self.sheet, self.path, self.values = sheet, path, values
        self._stands_in = stands_in

    def __contains__(self, key: str) -> bool:
        return key in self.values

    def only(self, *keys: str) -> None:
        """Note every key that is not one of these."""
        for key in self.values:
            if key not in keys:
                guess = perhaps(key, keys)
                expected = one_of(keys) + guess
                self.sheet.fault((*self.path, key), "unknown key", expected, key=True)

    def missing(self, key: str, expected: str) -> None:
        """Note that a key must be there and is not."""
        if not self._stands_in:
            self.sheet.fault(self.path, f"{key} is missing", expected, key=True)

    def wrong(self, key: str, expected: str, what: str | None = None) -> None:
        """Note that a value is not what was expected."""
        self.sheet.fault((*self.path, key), what or _describe(self.values[key]), expected)

    def text(self, key: str, expected: str, default: str | None = None) -> str:
        """Give a string that is not empty and has no control characters but the line feed."""
        value = self._get(key, expected, required=default is None)
        if value is None:
            return default or ""
        if not isinstance(value, str) or not value:
            self.wrong(key, expected)
            return ""
        index = control_character(value)
        if index >= 0:
            what = f"control character U+{ord(value[index]):04X}"
            self.sheet.fault((*self.path, key), what, expected, index=index)
        return value

    def integer(self, key: str, low: int, high: int, default: int | None = None) -> int:
        """Give an integer of `low` to `high`."""
        expected = f"an integer of {low} to {high}"
        value = self._get(key, expected, required=default is None)
        if value is None:
            return low if default is None else default
        if isinstance(value, int) and not isinstance(value, bool) and low <= value <= high:
            return value
        self.wrong(key, expected)
        return low

    def word(self, key: str, words: Mapping[str, int], default: str | None = None) -> int:
        """Give the number that stands for a word."""
        value = self._get(key, one_of(words), required=default is None)
        if value is None and default is not None:
            return words[default]
        if isinstance(value, str) and value in words:
            return words[value]
        if value is not None:
            self.wrong(key, one_of(words) + perhaps(str(value), words))
        return next(iter(words.values()))

    def words(self, key: str, words: Mapping[str, int], default: Iterable[str]) -> tuple[int, ...]:
        """Give the numbers of a list of different words, in their order; it is not empty."""
        value = self.values.get(key)
        if value is None:
            return tuple(words[word] for word in default)
        if not isinstance(value, list) or not value:
            self.wrong(key, "a list of " + one_of(words))
            return ()
        numbers: list[int] = []
        for index, word in enumerate(value):
            path = (*self.path, key, index)
            if not isinstance(word, str) or word not in words:
                expected = one_of(words) + perhaps(str(word), words)
                self.sheet.fault(path, _describe(word), expected)
            elif words[word] in numbers:
                self.sheet.fault(path, f"{word!r} stands here twice", "each word once")
            else:
                numbers.append(words[word])
        return tuple(numbers)

    def quantity(
        self, key: str, read: Callable[[str], int], low: int, high: int, expected: str
    ) -> int:
        """Give what `read` makes of a string; a `ValueError` of it is a fault."""
        value = self._get(key, expected, required=True)
        if value is None:
            return low
        try:
            number = read(value) if isinstance(value, str) else -1
        except ValueError:
            number = -1
        if low <= number <= high:
            return number
        self.wrong(key, expected)
        return low

    def table(self, key: str, expected: str) -> "Table":
        """Give a table within this one, an empty one where there is none."""
        value = self.values.get(key)
        if isinstance(value, dict):
            return Table(self.sheet, (*self.path, key), value)
        if value is not None:
            self.wrong(key, expected)
        return Table(self.sheet, self.path, {}, stands_in=True)

    def _get(self, key: str, expected: str, *, required: bool) -> object:
        value = self.values.get(key)
        if value is None and required:
            self.missing(key, expected)
        return value


def _describe(value: object) -> str:
    """Say in a few words what stands there."""
    if isinstance(value, bool):
        return "this is true" if value else "this is false"
    if isinstance(value, dict):
        return "this is a table"
    if isinstance(value, list):
        return "this is a list" if value else "this list is empty"
    return f"this is {value!r}" if len(str(value)) <= 60 else f"this is {str(value)[:57]!r}..."
