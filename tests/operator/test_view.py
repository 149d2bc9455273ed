"""What the pages show: sizes, lengths of time, trees."""

from datetime import UTC, datetime, timedelta

import pytest

from cardsync.operator.console import view
from cardsync.operator.store.reading import Former
from cardsync.syncml.record import Application, Parameter


@pytest.mark.parametrize(
    ("octets", "shown"),
    [
        (None, ""),
        (0, "0 B"),
        (1023, "1023 B"),
        (4096, "4.0 KiB"),
        (5 << 30, "5.0 GiB"),
        (5 << 60, "5242880.0 TiB"),
    ],
)
def test_size(octets: int | None, shown: str) -> None:
    """Sizes are in powers of 1024, with one digit behind the point."""
    assert shown == view.size(octets)


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0.0123, "12 ms"), (1.4, "1 s"), (90, "2 min"), (7200, "2 h")]
)
def test_span(seconds: float, shown: str) -> None:
    """A length of time is told in its largest unit."""
    assert shown == view.span(seconds)


def test_tree() -> None:
    """Paths become branches in alphabetical order; a node may have a value and nodes below."""
    root = view.tree(
        [
            Parameter("./b/x", "1"),
            Parameter("./a", "2"),
            Parameter("./b", "3"),
            Application("app", "App"),
            None,
        ]
    )

    assert ["a", "b"] == list(root.children)
    assert ("3", "1") == (root.children["b"].value, root.children["b"].children["x"].value)


def test_history_in_words() -> None:
    """A former version says what it was, how it ended and how long it held."""
    start = datetime(2026, 3, 1, tzinfo=UTC)
    end = start + timedelta(days=2)
    old = Application("bash", "bash", "5.1", 2048).encode()
    rows = view.history(
        [
            Former("devman", "s1", "bash", old, False, start, end, "replace"),
            Former("devman", "s2", None, b"\x00\x01", False, start, end, "conflict"),
        ]
    )

    assert ("bash", "5.1 · 2.0 KiB", "replaced", "2 d") == (
        *(rows[0].key, rows[0].was, rows[0].how),
        rows[0].held,
    )
    assert ("s2", "2 octets", "lost a conflict") == (rows[1].key, rows[1].was, rows[1].how)


@pytest.mark.parametrize(("code", "name"), [(203, "refresh from client"), (206, "206")])
def test_sync_type(code: int, name: str) -> None:
    """Alert codes have names (OMA DS Protocol 1.2, "Alert Codes")."""
    assert name == view.sync_type(code)
