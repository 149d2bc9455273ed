"""What `cardsync syncml sync` says of a session: what went each way, and what a person can do."""

from collections.abc import Iterable, Sequence
from typing import Final

from cardsync.errors import PeerError
from cardsync.syncml.auth import AsksForLess, Unproved
from cardsync.syncml.events import DatabaseResult, Event, Finished, NotRead, SessionResult
from cardsync.syncml.status import StatusCode, words

_HINTS: Final = {
    101: "The server is busy; try again later.",
    214: "Broken off; the next synchronization goes on.",
    400: "The server did not understand, or has begun anew; try again, perhaps with --xml.",
    401: "Name or password of user {user} are wrong; see --user.",
    403: "If it would have deleted (nearly) everything: --allow-emptying, here or there.",
    404: "The server has no database {database}; ask who runs it for the names.",
    406: "The server does not offer this; another --type or --protocol may do.",
    407: "The server wants to know who you are: --user NAME:PASSWORD.",
    409: "An item was edited meanwhile; synchronize once more.",
    412: "The server has not answered everything; synchronize once more.",
    413: "An item is too large for the other side, or for --max-message; the others went.",
    415: "An item is of a type that the other side does not take; see --content-type.",
    420: "No room is left, here or at the server.",
    422: "The server cannot answer the query; see --filter, --fields and --content-type.",
    500: "The server has failed; who runs it finds the reason in its log.",
    503: "The server is busy; try again later.",
    508: "The server has lost what was agreed. --type slow, or --allow-slow, compares all.",
    510: "An item could not be written; may the folder be written to, here and at the server?",
    513: "The server speaks another version; try --protocol 1.1 or 1.0.",
}

_ENDED: Final[dict[type[PeerError], str]] = {
    AsksForLess: ". Is it the right server, unchanged? Then a lower --auth allows it.",
    Unproved: ". Is it the right server? It has to show what --server and --server-auth say.",
}


def summary(result: SessionResult) -> Iterable[str]:
    """Say what went each way, and how it ended."""
    for each in result.databases:
        yield _line(each)
    yield (
        f"{words(result.status)}: {result.round_trips} round trips, {result.octets_sent} octets "
        f"sent, {result.octets_received} received"
    )


def hints(result: SessionResult, user: str | None) -> Iterable[str]:
    """Say what a person can do where something has failed."""
    if result.error is not None:
        yield f"We ended it: {result.error}{_ENDED.get(type(result.error), '.')}"
        if type(result.error) in _ENDED:
            return
    hint = _HINTS.get(result.status)
    if hint:
        missing = [each.database for each in result.databases if each.status == result.status]
        yield hint.format(database=", ".join(missing), user=(user or "").partition(":")[0])


def complaints(device: str, events: Sequence[Event]) -> Iterable[str]:
    """Say what failed in sessions with a device, a line each; its names cannot break a line."""
    for event in events:
        if isinstance(event, NotRead):
            unread = event.command
            yield repr(f"{device}: {unread.name} refused, {words(unread.code)}: {unread.reason}")[
                1:-1
            ]
        for each in event.result.databases if isinstance(event, Finished) else ():
            if each.status != StatusCode.OK:
                yield repr(f"{device}: {_line(each)}")[1:-1]


def _line(each: DatabaseResult) -> str:
    ways = [
        f"{way} {counts.added} added, {counts.replaced} replaced, {counts.deleted} deleted"
        for way, counts in (("sent", each.sent), ("received", each.received))
    ]
    kind = each.performed.name.lower().replace("_", "-")
    failed = f"; {each.failed} failed" if each.failed else ""
    return f"{each.database}: {kind}: {'; '.join(ways)}{failed}; {words(each.status)}"
