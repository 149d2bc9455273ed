"""A tree of nodes to a message; what is missing, doubled or no number is refused.

Representation Protocol 1.2 clause 6. The order of elements is not looked at, and what stands
where it has no meaning is passed over. A fault costs the command in which it is, `Unread`; the
message only where nobody could be answered: in the header, or without the command's number.
"""

from collections.abc import Callable
from typing import Final, TypeVar

from cardsync.syncml import parts as part
from cardsync.syncml.elements import (
    Add,
    Alert,
    Atomic,
    Command,
    Copy,
    Delete,
    Exec,
    Get,
    Map,
    Message,
    Move,
    Put,
    Replace,
    Results,
    Search,
    Sequence,
    Status,
    Sync,
    SyncHdr,
    Unread,
    Version,
)
from cardsync.syncml.tree import (
    DTD_VERSION_NOT_SUPPORTED,
    PROTOCOL_VERSION_NOT_SUPPORTED,
    MalformedMessage,
    Nested,
    Node,
    Unreadable,
    each,
    number,
    once,
    optional_number,
    optional_text,
    path_to,
    required,
    text,
)

_Part = TypeVar("_Part")
_DTDS: Final = {version.dtd.encode(): version for version in Version}
_PROTOCOLS: Final = {version.proto.lower().encode(): version for version in Version}


def message(root: Node, nested: Nested) -> Message:
    """Read a whole message; `nested` reads documents in items. Raise `MalformedMessage`."""
    header: SyncHdr | None = None
    try:
        if root.name != "SyncML":
            raise Unreadable(root, "the root is no SyncML")  # noqa: TRY301 - one way out below
        parts = once(root)
        header_node = required(root, parts, "SyncHdr")
        header = _header(header_node)
        _check_version(header_node)
        body = required(root, parts, "SyncBody")
        final = any(child.name == "Final" for child in body.children)
        return Message(header, _commands(body, nested), final)
    except Unreadable as fault:
        raise MalformedMessage(
            fault.reason,
            offset=fault.node.offset,
            path=path_to(root, fault.node),
            answer=fault.answer,
            header=header,
        ) from None


def _header(node: Node) -> SyncHdr:
    """Read the header; an unknown version is 1.2 here and refused afterwards."""
    parts = once(node)
    version = _version(parts) or Version.V1_2
    return SyncHdr(
        session_id=text(required(node, parts, "SessionID")),
        msg_id=number(required(node, parts, "MsgID")),
        target=part.location(required(node, parts, "Target")),
        source=part.location(required(node, parts, "Source")),
        version=version,
        resp_uri=optional_text(parts, "RespURI"),
        no_resp="NoResp" in parts,
        cred=_or_none(part.cred, parts),
        meta=_or_none(part.meta, parts),
    )


_Parts = dict[str, Node]


def _or_none(read: Callable[[_Parts], _Part | None], parts: _Parts) -> _Part | None:
    """Read an optional part of the header; one that cannot be read counts as not there."""
    try:
        return read(parts)
    except Unreadable:
        return None


def _version(parts: dict[str, Node]) -> Version | None:
    """Give the version that the header tells: VerDTD, or VerProto where that is missing."""
    for name, versions in (("VerDTD", _DTDS), ("VerProto", _PROTOCOLS)):
        if name in parts:
            return versions.get(parts[name].text.strip().lower())
    return None


def _check_version(node: Node) -> None:
    """Refuse a version of the document type or of the protocol that we do not speak.

    Some peers leave one of the two behind when they speak another version: VerDTD it is then.
    """
    parts = once(node)
    dtd, protocol = parts.get("VerDTD"), parts.get("VerProto")
    if dtd is None and protocol is None:
        raise Unreadable(node, "VerDTD is missing")
    if dtd and dtd.text.strip() not in _DTDS:
        raise Unreadable(dtd, "version is not supported", DTD_VERSION_NOT_SUPPORTED)
    if protocol and protocol.text.strip().lower() not in _PROTOCOLS:
        raise Unreadable(protocol, "protocol is not supported", PROTOCOL_VERSION_NOT_SUPPORTED)


def _commands(node: Node, nested: Nested) -> tuple[Command, ...]:
    """Read the commands that stand in a body or in a command."""
    found: list[Command] = []
    for child in node.children:
        if child.name in _READERS:
            try:
                found.append(_READERS[child.name](child, nested))
            except Unreadable as fault:
                found.append(_unread(child, fault))
    return tuple(found)


def _unread(node: Node, fault: Unreadable) -> Unread:
    """Give what is left of a command: its number, without which it cannot be answered."""
    parts = {child.name: child for child in node.children}
    if node.name == "Status":  # which is never answered
        return Unread(0, node.name, fault.answer, _told(node, fault), no_resp=True)
    try:
        cmd_id = _id(node, parts)
    except Unreadable as worse:
        raise worse from None
    return Unread(cmd_id, node.name, fault.answer, _told(node, fault), "NoResp" in parts)


def _told(node: Node, fault: Unreadable) -> str:
    where = "/".join(path_to(node, fault.node)) or node.name
    return f"{fault.reason} in {where} at offset {fault.node.offset}"


def _id(node: Node, parts: dict[str, Node]) -> int:
    return number(required(node, parts, "CmdID"))


def _add(node: Node, _nested: Nested) -> Command:
    parts = once(node)
    items, meta = part.some_items(node), part.meta(parts)
    return Add(_id(node, parts), items, meta, "NoResp" in parts, part.cred(parts))


def _replace(node: Node, _nested: Nested) -> Command:
    parts = once(node)
    items, meta = part.some_items(node), part.meta(parts)
    return Replace(_id(node, parts), items, meta, "NoResp" in parts, part.cred(parts))


def _copy(node: Node, _nested: Nested) -> Command:
    parts = once(node)
    items, meta = part.some_items(node), part.meta(parts)
    return Copy(_id(node, parts), items, meta, "NoResp" in parts, part.cred(parts))


def _move(node: Node, _nested: Nested) -> Command:
    parts = once(node)
    items, meta = part.some_items(node), part.meta(parts)
    return Move(_id(node, parts), items, meta, "NoResp" in parts, part.cred(parts))


def _delete(node: Node, _nested: Nested) -> Command:
    parts = once(node)
    return Delete(
        cmd_id=_id(node, parts),
        items=part.some_items(node),
        meta=part.meta(parts),
        no_resp="NoResp" in parts,
        cred=part.cred(parts),
        archive="Archive" in parts,
        soft="SftDel" in parts,
    )


def _alert(node: Node, nested: Nested) -> Command:
    parts = once(node)
    return Alert(
        cmd_id=_id(node, parts),
        code=optional_number(parts, "Data") or 0,
        items=part.items(node, nested),
        no_resp="NoResp" in parts,
        cred=part.cred(parts),
        correlator=optional_text(parts, "Correlator"),
    )


def _status(node: Node, _nested: Nested) -> Command:
    parts = once(node)
    return Status(
        cmd_id=optional_number(parts, "CmdID") or 0,  # nobody refers to it
        msg_ref=number(required(node, parts, "MsgRef")),
        cmd_ref=_cmd_ref(node, parts),
        cmd=optional_text(parts, "Cmd") or "",
        code=number(required(node, parts, "Data")),
        target_refs=tuple([text(child) for child in each(node, "TargetRef")]),
        source_refs=tuple([text(child) for child in each(node, "SourceRef")]),
        chal=part.chal(parts),
        cred=part.cred(parts),
        items=part.items(node),
    )


def _cmd_ref(node: Node, parts: dict[str, Node]) -> int:
    """Read what a Status answers; for the header some peers tell no number, which would be 0."""
    if "CmdRef" not in parts and "Cmd" in parts and text(parts["Cmd"]).strip() == "SyncHdr":
        return 0
    return number(required(node, parts, "CmdRef"))


def _get(node: Node, _nested: Nested) -> Command:
    parts = once(node)
    return Get(
        cmd_id=_id(node, parts),
        items=part.some_items(node),
        meta=part.meta(parts),
        no_resp="NoResp" in parts,
        cred=part.cred(parts),
        lang=optional_text(parts, "Lang"),
    )


def _put(node: Node, nested: Nested) -> Command:
    parts = once(node)
    meta = part.meta(parts)
    return Put(
        cmd_id=_id(node, parts),
        items=part.documents(node, meta, nested),
        meta=meta,
        no_resp="NoResp" in parts,
        cred=part.cred(parts),
        lang=optional_text(parts, "Lang"),
    )


def _results(node: Node, nested: Nested) -> Command:
    parts = once(node)
    meta = part.meta(parts)
    return Results(
        cmd_id=_id(node, parts),
        cmd_ref=number(required(node, parts, "CmdRef")),
        items=part.documents(node, meta, nested),
        msg_ref=optional_number(parts, "MsgRef"),
        meta=meta,
        target_ref=optional_text(parts, "TargetRef"),
        source_ref=optional_text(parts, "SourceRef"),
    )


def _map(node: Node, _nested: Nested) -> Command:
    parts = once(node)
    return Map(
        cmd_id=_id(node, parts),
        target=part.location(required(node, parts, "Target")),
        source=part.location(required(node, parts, "Source")),
        items=tuple([part.map_item(child) for child in each(node, "MapItem")]),
        meta=part.meta(parts),
        cred=part.cred(parts),
    )


def _exec(node: Node, _nested: Nested) -> Command:
    parts = once(node)
    return Exec(
        cmd_id=_id(node, parts),
        items=part.items(node),
        meta=part.meta(parts),
        no_resp="NoResp" in parts,
        cred=part.cred(parts),
        correlator=optional_text(parts, "Correlator"),
    )


def _search(node: Node, _nested: Nested) -> Command:
    parts = once(node, also="Source")
    return Search(
        cmd_id=_id(node, parts),
        sources=tuple([part.location(child) for child in each(node, "Source")]),
        data=parts["Data"].text if "Data" in parts else b"",
        target=part.optional_location(parts, "Target"),
        meta=part.meta(parts),
        no_resp="NoResp" in parts,
        cred=part.cred(parts),
        no_results="NoResults" in parts,
        lang=optional_text(parts, "Lang"),
    )


def _sync(node: Node, nested: Nested) -> Command:
    parts = once(node)
    return Sync(
        cmd_id=_id(node, parts),
        target=part.optional_location(parts, "Target"),
        source=part.optional_location(parts, "Source"),
        meta=part.meta(parts),
        number_of_changes=optional_number(parts, "NumberOfChanges"),
        commands=_commands(node, nested),
        no_resp="NoResp" in parts,
        cred=part.cred(parts),
    )


def _atomic(node: Node, nested: Nested) -> Command:
    parts = once(node)
    commands, meta = _commands(node, nested), part.meta(parts)
    return Atomic(_id(node, parts), commands, meta, "NoResp" in parts)


def _sequence(node: Node, nested: Nested) -> Command:
    parts = once(node)
    commands, meta = _commands(node, nested), part.meta(parts)
    return Sequence(_id(node, parts), commands, meta, "NoResp" in parts)


_READERS: Final[dict[str, Callable[[Node, Nested], Command]]] = {
    "Add": _add,
    "Alert": _alert,
    "Atomic": _atomic,
    "Copy": _copy,
    "Delete": _delete,
    "Exec": _exec,
    "Get": _get,
    "Map": _map,
    "Move": _move,
    "Put": _put,
    "Replace": _replace,
    "Results": _results,
    "Search": _search,
    "Sequence": _sequence,
    "Status": _status,
    "Sync": _sync,
}
