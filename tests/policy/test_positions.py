"""Places of keys and values in TOML."""

import tomllib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cardsync.policy.positions import Path, Positions

TEXT = """\
# a comment with [[rules]] in it
top = "x"   # behind
a.b . "c d" = 'y'

[requests.inventory]
list = [ "one", # [ ] { }
         'two', { deep = 1979-05-27 07:32:00 } ]
inline = { name = "SyncML", inner = { version = "1.2" } }

[[rules]]
name = "first"
[rules.more]
x = 1
  [[ rules ]]
  name = "second"
"""


@pytest.mark.parametrize(
    ("path", "key", "value"),
    [
        (("top",), (2, 1), (2, 7)),
        (("a",), (3, 1), (3, 1)),
        (("a", "b"), (3, 3), (3, 3)),
        (("a", "b", "c d"), (3, 7), (3, 15)),
        (("requests",), (5, 2), (5, 2)),
        (("requests", "inventory"), (5, 11), (5, 11)),
        (("requests", "inventory", "list"), (6, 1), (6, 8)),
        (("requests", "inventory", "list", 0), (6, 10), (6, 10)),
        (("requests", "inventory", "list", 1), (7, 10), (7, 10)),
        (("requests", "inventory", "list", 2, "deep"), (7, 19), (7, 26)),
        (("requests", "inventory", "inline", "inner", "version"), (8, 39), (8, 49)),
        (("rules", 0), (10, 3), (10, 3)),
        (("rules", 0, "name"), (11, 1), (11, 8)),
        (("rules", 0, "more"), (12, 8), (12, 8)),
        (("rules", 0, "more", "x"), (13, 1), (13, 5)),
        (("rules", 1), (14, 6), (14, 6)),
        (("rules", 1, "name"), (15, 3), (15, 10)),
    ],
)
def test_keys_and_values(path: Path, key: tuple[int, int], value: tuple[int, int]) -> None:
    """Keys, tables, entries of arrays and inline tables are found to the character. TOML 1.0."""
    places = Positions(TEXT)

    assert key == places.key(path)
    assert value == places.value(path)


@pytest.mark.parametrize(
    ("text", "index", "place"),
    [
        ('k = "abc"', 0, (1, 6)),
        ('k = "a\\tbc"', 2, (1, 9)),
        ('k = "\\u00e9x"', 1, (1, 12)),
        ('k = "\\U0001F600x"', 1, (1, 16)),
        ("k = 'a\\tc'", 3, (1, 9)),
        ('k = """\nab\ncd"""', 0, (2, 1)),
        ('k = """\nab\ncd"""', 4, (3, 2)),
        ('k = """a \\\n\n   b"""', 2, (3, 4)),
        ("k = '''a''b'''", 2, (1, 10)),
        ('k = """a"""""', 2, (1, 10)),
        ('k = "ab"', 99, (1, 8)),
        ('k = """\r\na\r\nb"""', 2, (3, 1)),
    ],
)
def test_inside_a_string(text: str, index: int, place: tuple[int, int]) -> None:
    """A character of a string is found behind escapes, in every kind of string."""
    assert place == Positions(text).inside(("k",), index)


@settings(deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=20), st.data())
def test_characters_are_those_of_tomllib(value: str, data: st.DataObject) -> None:
    """Every character of a string written with escapes has its place in its own line."""
    quoted = "".join(
        f"\\U{ord(char):08X}" if char in '"\\' or ord(char) < 0x20 or ord(char) == 0x7F else char
        for char in value
    )
    text = f'k = "{quoted}"\nbehind = 1'
    places = Positions(text)

    assert tomllib.loads(text)["k"] == value
    assert places.key(("behind",)) == (2, 1)
    if value:
        index = data.draw(st.integers(0, len(value) - 1))
        line, column = places.inside(("k",), index)
        assert (line, True) == (1, text[column - 1] in (value[index], "\\"))
