"""The handset that nobody looks at."""

import pytest

from cardsync.terminal.handset import MOST_KEPT, UnattendedHandset


@pytest.mark.parametrize("consent", [True, False, None])
def test_answers_as_told(*, consent: bool | None) -> None:
    """It answers every question in the same way."""
    handset = UnattendedHandset(consent)

    assert consent is handset.ask("Really?")
    assert ["Really?"] == handset.asked


def test_keeps_what_it_was_shown() -> None:
    """The last hundred texts are kept, however many a card shows."""
    handset = UnattendedHandset()
    for number in range(MOST_KEPT + 50):
        handset.show(str(number))
        handset.ask(str(number))

    assert [str(number) for number in range(50, MOST_KEPT + 50)] == handset.shown == handset.asked


def test_menu_and_browser() -> None:
    """It has a menu and no browser."""
    handset = UnattendedHandset()
    handset.menu("Operator", ((1, "Update"),))

    assert ((1, "Update"),) == handset.items
    assert not handset.browse("https://a.example/")
