"""Fields that a peer sent, put into the items that are here, before anything is decided.

Meta-Information 1.2, FieldLevel. Where a session goes by fields (`filters`), the server does the
same with items that do not say FieldLevel: the client never had the other fields.
"""

from collections.abc import Container, Sequence
from dataclasses import dataclass, replace

from cardsync.errors import PeerError
from cardsync.syncml import fields
from cardsync.syncml.datastore import Change, ChangeKind, Readable
from cardsync.syncml.incoming import Received
from cardsync.syncml.status import StatusCode


@dataclass(frozen=True, slots=True)
class Level:
    """What a peer has of the items that it sends.

    `is_partial` says that it may lack fields. `names` are those that count of an item that is
    here, () for all that it sends; `is_complete` that what it does not send of them is gone.
    """

    is_partial: bool = False
    names: tuple[str, ...] = ()
    is_complete: bool = False


WHOLE = Level()


def whole(
    received: Sequence[Received], store: object, content_type: str, level: Level = WHOLE
) -> list[Change | int]:
    """Give the changes with all fields of their items, or the status of what has none.

    All of `received` have a change. What two of them say of one item goes together.
    """
    changes = [each.change for each in received if each.change is not None]
    if not (level.is_partial or any(each.field_level for each in received)):
        return [*changes]
    kinds = [_kind(each, content_type, level) for each in received]
    if not isinstance(store, Readable):
        pairs = zip(changes, kinds, strict=True)
        return [StatusCode.NOT_SUPPORTED if kind else change for change, kind in pairs]
    alone = [
        _mixed(change, kind, None) if each.field_level and kind else change
        for each, change, kind in zip(received, changes, kinds, strict=True)
    ]
    meant = [change if kind else None for change, kind in zip(alone, kinds, strict=True)]
    stored = iter(store.stored([change for change in meant if isinstance(change, Change)]))
    latest: dict[str | None, bytes | None] = {}
    for at, change in enumerate(alone):
        if isinstance(change, Change):
            name = change.identifier or change.peer
            base = latest.get(name, next(stored)) if kinds[at] else None
            if base is not None:
                alone[at] = _limited(received[at], changes[at], kinds[at], base, level)
            done = alone[at]
            latest[name] = done.data if isinstance(done, Change) else base
    return alone


def _kind(received: Received, content_type: str, level: Level) -> str:
    """Give the type of an item whose fields go into another one; "" for a whole one."""
    kind = received.type or content_type
    is_partial = received.field_level or (level.is_partial and fields.are_known(kind))
    return kind if is_partial and received.change and received.change.data is not None else ""


def _limited(
    received: Received, change: Change, kind: str, base: bytes, level: Level
) -> Change | int:
    """Put the fields that count into what is here."""
    if not level.names:
        told = _mixed(change, kind, None) if level.is_partial else change
        return _mixed(told, kind, base) if isinstance(told, Change) else told
    complete = level.is_complete and not received.field_level
    try:
        some = fields.only(change.data or b"", kind, level.names, complete=complete)
    except PeerError as exc:
        return exc.answer or StatusCode.UNSUPPORTED_TYPE
    return _mixed(replace(change, data=some), kind, base)


def _mixed(change: Change, kind: str, base: bytes | None) -> Change | int:
    try:
        return replace(change, data=fields.overlaid(change.data or b"", kind, base))
    except PeerError as exc:
        return exc.answer or StatusCode.UNSUPPORTED_TYPE


def hold(
    changes: Sequence[Change | int], edited: Container[str], *, stop: bool
) -> list[Change | int]:
    """Put 409 for items that were `edited` meanwhile, and where to `stop`, 403 for deletions."""
    return [
        change
        if not isinstance(change, Change)
        else StatusCode.CONFLICT
        if change.identifier in edited
        else StatusCode.FORBIDDEN
        if stop and change.kind is ChangeKind.DELETE
        else change
        for change in changes
    ]
