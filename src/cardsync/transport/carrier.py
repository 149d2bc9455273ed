"""What all carriers have in common: octets with a content type go to an address, an answer back.

    with HttpCarrier(timeout=30) as carrier:
        content_type, body = carrier.exchange(url, "application/vnd.syncml+wbxml", message)

Nothing is tried twice: whether a message may be sent again is known to the session alone. What
goes wrong is a `CarrierError`, whose `kind` tells the session what is worth doing about it.
"""

from collections.abc import Awaitable, Callable, Collection, Mapping
from enum import Enum
from typing import Protocol, Self, TypeAlias, runtime_checkable
from urllib.parse import SplitResult, urlsplit

from cardsync.errors import PeerError

Tap: TypeAlias = Callable[[str, bytes], None]
"""Hears octets, above TLS, as they are written and read, with `from>to` as `host:port`."""

Fields: TypeAlias = Mapping[str, str]
"""What goes beside a message, by names in lower case, such as `x-syncml-hmac`."""

Answered: TypeAlias = tuple[int, str, bytes, Fields]
"""A status of HTTP, content type, body, and what goes beside it."""

Handler: TypeAlias = Callable[[str, str, bytes, Fields], Awaitable[Answered]]
"""What a server does: takes address, content type, body, and what is beside it, and answers."""

NONE: Fields = {}
"""Nothing beside a message."""


class Failure(Enum):
    """What can go wrong with an exchange."""

    UNREACHABLE = "unreachable"  # no connection, or it broke: the message may have arrived
    UNTRUSTED = "untrusted"  # no TLS that we trust: nothing was sent
    TIMED_OUT = "timed out"  # the message may have arrived
    REFUSED = "refused"  # an answer with another status than 2xx; a redirection too
    TOO_LARGE = "too large"  # an answer longer than we take
    GARBLED = "garbled"  # an answer of another protocol, or in a coding that was not offered
    UNSUPPORTED = "unsupported"  # an address that is none of this carrier's: nothing was sent


class CarrierError(PeerError):
    """An exchange failed. `status` is that of HTTP or None, `retry_after` seconds or None."""

    def __init__(
        self,
        kind: Failure,
        detail: str,
        *,
        status: int | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(f"{kind.value}: {detail}")
        self.kind = kind
        self.status = status
        self.retry_after = retry_after


class Carrier(Protocol):
    """Brings messages to addresses; for one thread at a time."""

    def exchange(self, url: str, content_type: str, body: bytes) -> tuple[str, bytes]:
        """Give the answer's content type (as it was sent, or empty) and body.

        Raises `CarrierError` for whatever address and peer do.
        """


@runtime_checkable
class Headed(Carrier, Protocol):
    """A carrier that brings fields beside a message, by their names in lower case."""

    def exchange_beside(
        self, url: str, content_type: str, body: bytes, fields: Fields
    ) -> tuple[str, bytes, Fields]:
        """Do as `exchange` does; give the answer's fields, too."""


@runtime_checkable
class Relayed(Carrier, Protocol):
    """A carrier that can go by a relay, such as a WAP gateway."""

    def by(self, host: str, port: int | None) -> Self:
        """Give a carrier of its own that goes by another relay; to be closed by whoever asked."""

    def close(self) -> None:
        """Close what is open."""


def parted(url: str, schemes: Collection[str]) -> SplitResult:
    """Take an address apart; raise `CarrierError` unless it has one of the schemes and a host."""
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - it is read when it is asked for
        (parts.hostname or "").encode("idna")  # what is no name cannot be looked up
    except ValueError:  # UnicodeError is one
        parts = SplitResult("", "", "", "", "")
    if parts.scheme not in schemes or not parts.hostname:
        # The address may hold a token: it is not repeated.
        raise CarrierError(Failure.UNSUPPORTED, f"no address of {' or '.join(schemes)}")
    return parts


def check_tls(first: str, url: str) -> None:
    """Raise `CarrierError` where a session that began under TLS would go on without."""
    if first.lower().startswith("https:") and not url.lower().startswith("https:"):
        raise CarrierError(Failure.UNTRUSTED, "the server asks to go on without TLS")
