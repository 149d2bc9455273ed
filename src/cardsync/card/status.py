"""The status word that is owed for an error. TS 102 221 clause 10.2."""

from cardsync.errors import CardsyncError, PeerError
from cardsync.octets.apdu import SW

_FIRST, _LAST = 0x6000, 0x9FFF
"""Status words; the answers of other languages are less."""


def status_word(error: CardsyncError) -> int:
    """Give the error's own answer if it is a status word, else what fits its kind."""
    if not isinstance(error, PeerError):
        return SW.TECHNICAL_PROBLEM
    if error.answer is None or not _FIRST <= error.answer <= _LAST:
        return SW.INCORRECT_DATA
    return error.answer
