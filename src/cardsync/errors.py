"""What can go wrong, and whose doing it was.

    CardsyncError
    |-- LocalError      we asked for what the standard forbids: a mistake of ours
    |-- PeerError       the other side broke the standard: it carries the answer we owe
    |   `-- ShortInput  octets ended before the thing they promised
    `-- ConfigError     a person wrote something that we cannot use

A language adds its own children of `PeerError` where it knows a more exact answer
(`ota.security.PacketRejected`, `toolkit.objects.MalformedObject`).
Any other exception that leaves the package is a bug of ours.
"""


class CardsyncError(Exception):
    """Any error that this package raises on purpose."""


class LocalError(CardsyncError):
    """We asked for what the standard forbids; nothing was sent."""


class PeerError(CardsyncError):
    """The other side broke the standard.

    `answer` is the code that the protocol obliges us to answer, in the language in which the
    error occurred: a general result of TS 102 223, a response status of TS 102 225, a status
    word, a SyncML status; None where the language owes nothing.
    """

    def __init__(self, message: str, *, answer: int | None = None) -> None:
        super().__init__(message)
        self.answer = answer


class ShortInput(PeerError):
    """Octets ended at `offset` while `wanted` more were promised."""

    def __init__(self, offset: int, wanted: int, available: int) -> None:
        super().__init__(
            f"octets end too early: at offset {offset} {wanted} more were expected, "
            f"{available} are there"
        )
        self.offset = offset
        self.wanted = wanted


class ConfigError(CardsyncError):
    """A setting, a file or an argument cannot be used.

    The message says what, where, what was expected and what to do.
    """
