"""What was received is applied, and every command is answered.

OMA SyncML Representation Protocol 1.2, Status: one Status for a command whose items all went
alike, without references; else one for each item, with its reference. Atomic: all or nothing.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from cardsync.syncml.datastore import Transactional
from cardsync.syncml.elements import (
    Add,
    Alert,
    AlertCode,
    Anchor,
    Atomic,
    Chal,
    Command,
    Delete,
    Item,
    Location,
    Map,
    Meta,
    Replace,
    Status,
    Sync,
    SyncHdr,
    Unread,
    name_of,
)
from cardsync.syncml.elements import Sequence as Ordered
from cardsync.syncml.incoming import Received
from cardsync.syncml.status import StatusCode, succeeded

Outcome = tuple[Received, int]
"""An item and its status."""

Apply = Callable[[Sequence[Received]], list[int]]
"""Applies items, all of which have a change, and gives the status of each."""


class _Undone(Exception):
    """A command of an Atomic failed."""


def carry_out(received: Sequence[Received], store: object, apply: Apply) -> list[Outcome]:
    """Apply what was received, in order; all or nothing of what stands in one Atomic."""
    outcomes: list[Outcome] = []
    while len(outcomes) < len(received):
        at = len(outcomes)
        atomic = received[at].atomic
        end = next((i for i in range(at, len(received)) if received[i].atomic != atomic), None)
        part = received[at:end]
        codes = _all_or_nothing(part, store, apply) if atomic else _each(part, apply)
        outcomes += zip(part, codes, strict=True)
    return outcomes


def _each(part: Sequence[Received], apply: Apply) -> list[int]:
    changes = [each for each in part if each.change is not None]
    applied = iter(apply(changes) if changes else ())
    return [each.code if each.change is None else next(applied) for each in part]


def _all_or_nothing(part: Sequence[Received], store: object, apply: Apply) -> list[int]:
    """Undo all if one fails: 216 for what was done, its own status for what failed."""
    if not isinstance(store, Transactional):
        return [StatusCode.NOT_EXECUTED] * len(part)
    if any(each.change is None for each in part):
        return [each.code or StatusCode.NOT_EXECUTED for each in part]
    codes: list[int] = []
    try:
        with store.atomic():
            codes = _each(part, apply)
            _check(codes)
    except _Undone:
        return [StatusCode.ROLLED_BACK if succeeded(code) else code for code in codes]
    return codes


def _check(codes: Sequence[int]) -> None:
    if not all(map(succeeded, codes)):
        raise _Undone


def answers(
    commands: Sequence[Command],
    outcomes: Sequence[Outcome],
    store: object,
    message: int,
    *,
    refs: bool = False,
) -> Iterator[Status]:
    """Answer every command of a Sync, in order; commands that we do not serve get 406.

    `refs` gives every item a Status of its own that names it.
    """
    codes: dict[int, list[tuple[Item, int]]] = {}
    for received, code in outcomes:
        codes.setdefault(id(received.command), []).append((received.item, code))
    yield from _answers(commands, codes, isinstance(store, Transactional), message, refs=refs)


_Codes = Mapping[int, Sequence[tuple[Item, int]]]
"""The items of each command, by its `id`, with their statuses: some peers number twice alike."""


def _answers(
    commands: Sequence[Command], codes: _Codes, can_undo: bool, message: int, *, refs: bool
) -> Iterator[Status]:
    for command in commands:
        code = command.code if isinstance(command, Unread) else StatusCode.NOT_SUPPORTED
        silent = getattr(command, "no_resp", False)
        if isinstance(command, Add | Replace | Delete):
            if not silent:
                yield from _answer(command, codes.get(id(command), ()), message, refs=refs)
            continue
        if isinstance(command, Ordered):
            code = StatusCode.OK
        if isinstance(command, Atomic) and can_undo:
            done = _is_done(command.commands, codes)
            code = StatusCode.OK if done else StatusCode.ATOMIC_FAILED
        if not silent:
            yield refuse(command, code, message, refs=refs)
        if isinstance(command, Ordered | Atomic):
            yield from _answers(command.commands, codes, can_undo, message, refs=refs)


def _is_done(commands: Sequence[Command], codes: _Codes) -> bool:
    """Say whether all of an Atomic was done."""
    return all(
        _is_done(command.commands, codes)
        if isinstance(command, Ordered)
        else isinstance(command, Add | Replace | Delete)
        and id(command) in codes
        and all(succeeded(code) for _, code in codes[id(command)])
        for command in commands
    )


def received(header: SyncHdr, code: int, chal: Chal | None = None, *, refs: bool = False) -> Status:
    """Answer the header of a message, which is command 0; `refs` as in `refuse`."""
    status = Status(0, header.msg_id, 0, "SyncHdr", code, chal=chal)
    named = (header.target.uri,), (header.source.uri,)
    return replace(status, target_refs=named[0], source_refs=named[1]) if refs else status


def refuse(command: Command, code: int, message: int, *, refs: bool = False) -> Status:
    """Answer a whole command; `refs` puts in the names of what it was about."""
    targets, sources = _named(command) if refs else ((), ())
    return Status(0, message, command.cmd_id, name_of(command), code, targets, sources)


def _named(command: Command) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Give targets and sources of a command, which stand at it or at its items."""
    places = [command] if isinstance(command, Sync | Map) else getattr(command, "items", ())
    return (
        tuple([place.target.uri for place in places if place.target]),
        tuple([place.source.uri for place in places if place.source]),
    )


def next_anchors(alert: Alert) -> tuple[Item, ...]:
    """Give the client's Next anchors back, as the Status of an Alert must."""
    anchors = [item.meta.anchor for item in alert.items if item.meta and item.meta.anchor]
    return tuple(Item(data=Meta(anchor=Anchor(each.next))) for each in anchors)


def unfinished_object(name: str) -> Alert:
    """Tell that the end of an object did not come. DS Protocol 1.2, "Large object handling"."""
    return Alert(0, AlertCode.NO_END_OF_DATA, (Item(source=Location(name)),))


def _answer(
    command: Add | Replace | Delete,
    codes: Sequence[tuple[Item, int]],
    message: int,
    *,
    refs: bool,
) -> Iterator[Status]:
    name = type(command).__name__
    different = {_told(command, code) for _, code in codes}
    if different <= {StatusCode.OK, StatusCode.ADDED} and len(different) > 1:
        different = {StatusCode.OK}  # "completed successfully" is true of what was added, too
    if len(different) <= 1 and not (refs and codes):
        code = next(iter(different), StatusCode.INCOMPLETE)
        yield Status(0, message, command.cmd_id, name, code)
        return
    for item, code in codes:
        yield Status(
            cmd_id=0,
            msg_ref=message,
            cmd_ref=command.cmd_id,
            cmd=name,
            code=_told(command, code),
            target_refs=(item.target.uri,) if item.target else (),
            source_refs=(item.source.uri,) if item.source else (),
        )


def _told(command: Add | Replace | Delete, code: int) -> int:
    """Give the status as it is told: 210 where an archive was asked for, which we do not keep."""
    archive = isinstance(command, Delete) and command.archive
    return StatusCode.DELETED_UNARCHIVED if archive and code == StatusCode.OK else code
