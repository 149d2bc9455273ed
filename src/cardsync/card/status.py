"""The status word that is owed for an error. TS 102 221 clause 10.2."""

from cardsync.errors import CardsyncError, PeerError
from cardsync.octets.apdu import SW

_KNOWN = frozenset(SW)


def status_word(error: CardsyncError) -> SW:
    """Give the error's own answer if it is a status word, else what fits its kind."""
    if not isinstance(error, PeerError):
        return SW.TECHNICAL_PROBLEM
    return SW(error.answer) if error.answer in _KNOWN else SW.INCORRECT_DATA
