"""Where keys and values stand in a TOML text that tomllib has already read without complaint.

tomllib gives values and no places. This scanner gives places and no values: it relies on the text
being valid and only tells strings, tables and arrays apart. TOML 1.0.
"""

import re

Path = tuple[str | int, ...]
"""Keys from the top of the document; an `int` is an entry of an array, the first being 0."""

_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_SPACE = re.compile(r"[ \t]*")
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_SCALAR = re.compile(r"[^,\]}\n#]*")
_ESCAPES = {"b": "\b", "t": "\t", "n": "\n", "f": "\f", "r": "\r", '"': '"', "\\": "\\"}
_HEX_DIGITS = {"u": 4, "U": 8}


class Positions:
    """Places of one text; lines and columns count characters from 1."""

    def __init__(self, text: str) -> None:
        self._text = text.replace("\r\n", "\n")
        self._keys: dict[Path, int] = {(): 0}
        self._values: dict[Path, int] = {}
        _Scanner(self._text, self._keys, self._values).document()

    def key(self, path: Path) -> tuple[int, int]:
        """Give line and column of a key, of a table's name, or of an array's entry."""
        offset = self._keys.get(path)
        return self.at(self._values[path] if offset is None else offset)

    def value(self, path: Path) -> tuple[int, int]:
        """Give line and column of a value; of its table's name where it is a table."""
        return self.at(self._values.get(path, self._keys.get(path, 0)))

    def inside(self, path: Path, index: int) -> tuple[int, int]:
        """Give line and column of the character `index` of a string's value."""
        places, end = read_string(self._text, self._values[path])
        return self.at(places[index][1] if index < len(places) else max(0, end - 1))

    def at(self, offset: int) -> tuple[int, int]:
        """Give line and column of an offset in the text."""
        start = self._text.rfind("\n", 0, offset) + 1
        return self._text.count("\n", 0, offset) + 1, offset - start + 1


def read_string(text: str, start: int) -> tuple[list[tuple[str, int]], int]:
    """Read the string at `start`: each character with its offset, and the offset behind it."""
    quote = text[start]
    if text.startswith(quote * 3, start):
        return _read_long(text, start + 3, quote)
    characters, at = [], start + 1
    while text[at] != quote:
        character, after = _character(text, at, quote)
        characters.append((character, at))
        at = after
    return characters, at + 1


def _read_long(text: str, start: int, quote: str) -> tuple[list[tuple[str, int]], int]:
    """Read a multi-line string; a line feed right behind the quotes is not part of it."""
    characters: list[tuple[str, int]] = []
    at = start + text.startswith("\n", start)
    while not (text.startswith(quote * 3, at) and not text.startswith(quote, at + 3)):
        joined = re.compile(r"\\[ \t]*\n[ \t\n]*").match(text, at) if quote == '"' else None
        if joined:
            at = joined.end()
            continue
        character, after = _character(text, at, quote)
        characters.append((character, at))
        at = after
    return characters, at + 3


def _character(text: str, at: int, quote: str) -> tuple[str, int]:
    """Read one character, escaped or not, and the offset behind it."""
    if text[at] != "\\" or quote == "'":
        return text[at], at + 1
    kind = text[at + 1]
    digits = _HEX_DIGITS.get(kind, 0)
    if digits:
        return chr(int(text[at + 2 : at + 2 + digits], 16)), at + 2 + digits
    return _ESCAPES[kind], at + 2


class _Scanner:
    """Walks over the text once and notes the offset of every key and value."""

    def __init__(self, text: str, keys: dict[Path, int], values: dict[Path, int]) -> None:
        self._text, self._at = text, 0
        self._keys, self._values = keys, values
        self._entries: dict[Path, int] = {}

    def document(self) -> None:
        table: Path = ()
        self._skip(_BLANK)
        while self._at < len(self._text):
            if self._text[self._at] == "[":
                table = self._header()
            else:
                self._pair(table)
            self._skip(_BLANK)

    def _skip(self, what: re.Pattern[str]) -> None:
        found = what.match(self._text, self._at)
        self._at = found.end() if found else self._at

    def _header(self) -> Path:
        """Read `[a.b]` or `[[a.b]]` and give the path of the table that begins."""
        brackets = 2 if self._text.startswith("[[", self._at) else 1
        self._at += brackets
        parts = self._key()
        self._at += brackets
        path: Path = ()
        for part, offset in parts:
            path = self._current(path)
            path += (part,)
            self._keys.setdefault(path, offset)
        if brackets == 1:
            self._keys[path] = parts[-1][1]
            return path
        self._entries[path] = self._entries.get(path, -1) + 1
        path = self._current(path)
        self._keys[path] = parts[-1][1]
        return path

    def _current(self, path: Path) -> Path:
        """Give the last entry where `path` is an array of tables."""
        return (*path, self._entries[path]) if path in self._entries else path

    def _key(self) -> list[tuple[str, int]]:
        """Read a dotted key: each part with its offset."""
        parts = []
        while True:
            self._skip(_SPACE)
            start = self._at
            if self._text[start] in "\"'":
                characters, self._at = read_string(self._text, start)
                parts.append(("".join(character for character, _ in characters), start))
            else:
                self._skip(_BARE)
                parts.append((self._text[start : self._at], start))
            self._skip(_SPACE)
            if not self._text.startswith(".", self._at):
                return parts
            self._at += 1

    def _pair(self, table: Path) -> None:
        path = table
        for part, offset in self._key():
            path += (part,)
            self._keys.setdefault(path, offset)
        self._at += 1  # the sign of equality
        self._skip(_SPACE)
        self._value(path)

    def _value(self, path: Path) -> None:
        self._values[path] = self._at
        start = self._text[self._at]
        if start in "\"'":
            _, self._at = read_string(self._text, self._at)
        elif start == "[":
            self._array(path)
        elif start == "{":
            self._inline_table(path)
        else:
            self._skip(_SCALAR)

    def _array(self, path: Path) -> None:
        self._at += 1
        index = 0
        self._skip(_BLANK)
        while self._text[self._at] != "]":
            self._value((*path, index))
            index += 1
            self._comma()
        self._at += 1

    def _inline_table(self, path: Path) -> None:
        self._at += 1
        self._skip(_BLANK)
        while self._text[self._at] != "}":
            self._pair(path)
            self._comma()
        self._at += 1

    def _comma(self) -> None:
        self._skip(_BLANK)
        self._at += self._text.startswith(",", self._at)
        self._skip(_BLANK)
