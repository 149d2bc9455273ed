"""How fast an ESME submits."""

from cardsync.transport.smpp_pace import Pace


def test_places_are_equally_far() -> None:
    """Ten a second: a place each tenth; time not used is not saved up."""
    pace = Pace(10)
    waits = [pace.reserve(100.0) for _ in range(3)]

    assert [0.0, 0.1, 0.2] == [round(wait, 6) for wait in waits]
    assert pace.reserve(200.0) == 0.0


def test_halved_once_for_one_window() -> None:
    """Several refusals at once are one; a later one halves again, down to the floor."""
    pace = Pace(10)
    for now in (5.0, 5.1, 5.9):
        pace.slower(now)
    assert pace.rate == 5.0
    for now in range(6, 20):
        pace.slower(float(now))

    assert Pace.FLOOR == pace.rate


def test_regained_slowly() -> None:
    """Each message that is accepted gives back a hundredth of the ceiling."""
    pace = Pace(10)
    pace.slower(1.0)
    pace.faster()
    assert round(pace.rate, 6) == 5.1
    for _ in range(100):
        pace.faster()

    assert pace.rate == 10
