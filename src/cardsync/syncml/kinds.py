"""The kinds of synchronization as one table. OMA DS Protocol 1.2, "Synchronization types"."""

from dataclasses import dataclass
from enum import IntEnum

from cardsync.syncml.elements import AlertCode


class Sends(IntEnum):
    """What one side sends."""

    NOTHING = 0
    CHANGES = 1
    EVERYTHING = 2


@dataclass(frozen=True, slots=True)
class Kind:
    """Who sends what, and what it becomes where the anchors do not match.

    `anew` is None where no anchors are needed, because nothing is taken for known.
    """

    client: Sends
    server: Sends
    anew: AlertCode | None = None


KINDS = {
    AlertCode.TWO_WAY: Kind(Sends.CHANGES, Sends.CHANGES, AlertCode.SLOW),
    AlertCode.SLOW: Kind(Sends.EVERYTHING, Sends.CHANGES),
    AlertCode.ONE_WAY_FROM_CLIENT: Kind(
        Sends.CHANGES,
        Sends.NOTHING,
        AlertCode.REFRESH_FROM_CLIENT,
    ),
    AlertCode.REFRESH_FROM_CLIENT: Kind(Sends.EVERYTHING, Sends.NOTHING),
    AlertCode.ONE_WAY_FROM_SERVER: Kind(
        Sends.NOTHING,
        Sends.CHANGES,
        AlertCode.REFRESH_FROM_SERVER,
    ),
    AlertCode.REFRESH_FROM_SERVER: Kind(Sends.NOTHING, Sends.EVERYTHING),
}
"""By the code of the client's Alert."""


BY_SERVER = {
    AlertCode.TWO_WAY_BY_SERVER: AlertCode.TWO_WAY,
    AlertCode.ONE_WAY_FROM_CLIENT_BY_SERVER: AlertCode.ONE_WAY_FROM_CLIENT,
    AlertCode.REFRESH_FROM_CLIENT_BY_SERVER: AlertCode.REFRESH_FROM_CLIENT,
    AlertCode.ONE_WAY_FROM_SERVER_BY_SERVER: AlertCode.ONE_WAY_FROM_SERVER,
    AlertCode.REFRESH_FROM_SERVER_BY_SERVER: AlertCode.REFRESH_FROM_SERVER,
}
"""What a server asks for by a notification, and a client then asks for in its turn."""


HEARD = frozenset({AlertCode.NEXT_MESSAGE, AlertCode.RESULT, AlertCode.DISPLAY})
"""Alerts of either side that ask for nothing but to be answered."""


def kind_of(code: int) -> AlertCode | None:
    """Give the kind that an Alert asks for; None if it asks for something else."""
    asked = next((each for each in AlertCode if each == code), None)
    asked = BY_SERVER.get(asked, asked) if asked else None
    return asked if asked in KINDS else None


def alert_code(kind: AlertCode, *, by_server: bool) -> AlertCode:
    """Give the code of a client's Alert; `by_server` if a notification has asked for it."""
    codes = {ordinary: alerted for alerted, ordinary in BY_SERVER.items()}
    return codes.get(kind, kind) if by_server else kind


def becomes(kind: AlertCode, *, agreed: bool) -> AlertCode:
    """Give what a kind becomes: itself where the anchors match or do not matter."""
    anew = KINDS[kind].anew
    return kind if agreed or anew is None else anew


def may_become(asked: AlertCode, answered: AlertCode) -> bool:
    """Say whether a server may answer one kind with another: the same, or the same anew."""
    return answered in (asked, KINDS[asked].anew)
