"""The status word that is owed for an error."""

import pytest

from cardsync.card.status import status_word
from cardsync.errors import CardsyncError, LocalError, PeerError, ShortInput
from cardsync.octets.apdu import SW


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (PeerError("x", answer=SW.FILE_NOT_FOUND), SW.FILE_NOT_FOUND),
        (PeerError("x", answer=0x32), SW.INCORRECT_DATA),  # a general result is no status word
        (PeerError("x"), SW.INCORRECT_DATA),
        (ShortInput(0, 1, 0), SW.INCORRECT_DATA),
        (LocalError("x"), SW.TECHNICAL_PROBLEM),
    ],
)
def test_status_word(error: CardsyncError, expected: SW) -> None:
    """The answer of the error if it is a status word. TS 102 221 clause 10.2."""
    assert expected == status_word(error)
