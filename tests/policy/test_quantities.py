"""Quantities with their units."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cardsync.policy.quantities import minutes, percent, seconds, show, show_minutes
from cardsync.policy.values import LONGEST_DURATION, ValueType


@pytest.mark.parametrize(
    ("text", "value"),
    [("10 min", 10), ("1 minute", 1), ("24 h", 1440), ("2hours", 120), ("45 d", 64800), ("0 d", 0)],
)
def test_minutes(text: str, value: int) -> None:
    """A duration is a number and a unit, counted in minutes."""
    assert value == minutes(text)


@pytest.mark.parametrize("text", ["", "10", "h", "-1 h", "1.5 h", "46 d", "10 s", "1 h 30 min"])
def test_no_minutes(text: str) -> None:
    """Anything else is none; 45 days are the longest."""
    with pytest.raises(ValueError, match=r"duration|45 days"):
        minutes(text)


def test_percent_and_seconds() -> None:
    """Percentages end at 100; seconds may be given in longer units."""
    assert percent("20 %") == 20
    assert percent("100%") == 100
    assert seconds("30 s") == 30
    assert seconds("2 min") == 120
    for wrong in ("101 %", "20", "%"):
        with pytest.raises(ValueError, match="percentage"):
            percent(wrong)


@settings(deadline=None)
@given(st.integers(0, LONGEST_DURATION))
def test_shown_minutes_are_read_again(value: int) -> None:
    """What is shown of a duration reads as the same duration."""
    assert value == minutes(show_minutes(value))


@pytest.mark.parametrize(
    ("value", "kind", "text"),
    [
        (None, ValueType.NUMBER, "unknown"),
        (1440, ValueType.DURATION, "24 h"),
        (2880, ValueType.DURATION, "2 d"),
        (1, ValueType.TRUTH, "true"),
        (8, ValueType.TECHNOLOGY, "LTE"),
        (200, ValueType.TECHNOLOGY, "200"),
        (2, ValueType.SERVICE, "NO_SERVICE"),
        (b"", ValueType.TEXT, "nothing"),
        (b"en", ValueType.TEXT, '"en"'),
        ("ä".encode(), ValueType.TEXT, '"ä"'),
        (b"\xff\x01", ValueType.TEXT, "FF01"),
        (b"en", ValueType.OCTETS, "656E"),
    ],
)
def test_show(value: int | bytes | None, kind: ValueType, text: str) -> None:
    """Values are shown in the words of the language."""
    assert text == show(value, kind)
