"""How a message centre, or the way to it, fails an ESME."""

from cardsync.errors import CardsyncError, PeerError
from cardsync.transport.smpp_codes import status_name


class BindRefused(PeerError):
    """The message centre does not let us in; `answer` is its status."""

    def __init__(self, status: int) -> None:
        super().__init__(f"the message centre refused the bind: {status_name(status)}")
        self.status = status


class SubmitRefused(PeerError):
    """The message centre refused a message, which is nowhere but with us; `status` says why."""

    def __init__(self, status: int) -> None:
        super().__init__(f"the message centre refused the message: {status_name(status)}")
        self.status = status


class SubmitUnknown(CardsyncError):
    """No response came: the message may be on its way or not. Sending again may double it."""


class Unreachable(CardsyncError):
    """The message centre could not be reached and bound to in the time allowed."""
