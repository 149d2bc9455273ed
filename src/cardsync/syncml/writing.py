"""Elements to a writer, in the order of the document type definition.

Representation Protocol 1.2 clause 6, Meta-Information 1.2 clause 5. What a version does not
have is written as it is given: the caller knows the version of its peer.
"""

from typing import Final

from cardsync.errors import LocalError
from cardsync.syncml.devinf import CtCap, DevInf
from cardsync.syncml.elements import (
    Add,
    Alert,
    Anchor,
    Atomic,
    Command,
    Copy,
    Cred,
    Data,
    Delete,
    Exec,
    Filter,
    Get,
    Item,
    Location,
    Map,
    Mem,
    Message,
    Meta,
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
)
from cardsync.syncml.tree import Writer

Container = Sync | Atomic | Sequence | Add | Replace | Delete | Copy | Move
"""What holds commands or items of one kind, any number of them."""

_OF_COMMANDS: Final = (Sync, Atomic, Sequence)
_CONTAINERS: Final = (*_OF_COMMANDS, Add, Replace, Delete, Copy, Move)

Plain = Status | Results | Map | Alert | Get | Put | Exec | Search
"""The other commands."""


def message(w: Writer, value: Message) -> None:
    """Write a whole message."""
    begin(w, value.header)
    for each in value.commands:
        command(w, each)
    end(w, final=value.final)


def begin(w: Writer, header: SyncHdr) -> None:
    """Write the header and open the body."""
    w.open("SyncML")
    w.open("SyncHdr")
    w.text("VerDTD", header.version.dtd)
    w.text("VerProto", header.version.proto)
    w.text("SessionID", header.session_id)
    w.text("MsgID", str(header.msg_id))
    _location(w, "Target", header.target)
    _location(w, "Source", header.source)
    _text(w, "RespURI", header.resp_uri)
    _flag(w, "NoResp", is_set=header.no_resp)
    _cred(w, header.cred)
    _meta(w, header.meta)
    w.close("SyncHdr")
    w.open("SyncBody")


def end(w: Writer, *, final: bool) -> None:
    """Close the body and the message."""
    _flag(w, "Final", is_set=final)
    w.close("SyncBody")
    w.close("SyncML")


def command(w: Writer, value: Command) -> None:
    """Write one command with all that it holds."""
    if isinstance(value, Unread):
        raise LocalError(f"a {value.name} that could not be read cannot be written")
    name = type(value).__name__
    if isinstance(value, _CONTAINERS):
        begin_container(w, value)
        _contents(w, value)
    else:
        w.open(name)
        w.text("CmdID", str(value.cmd_id))
        _plain(w, value)
    w.close(name)


def _plain(w: Writer, value: Plain) -> None:
    match value:
        case Status():
            _status(w, value)
        case Results():
            _results(w, value)
        case Map():
            _map(w, value)
        case Alert():
            _alert(w, value)
        case Get() | Put():
            _exchange(w, value)
        case Exec():
            _exec(w, value)
        case Search():
            _search(w, value)


def begin_container(w: Writer, value: Container) -> None:
    """Open a command and write all but what it holds."""
    w.open(type(value).__name__)
    w.text("CmdID", str(value.cmd_id))
    _flag(w, "NoResp", is_set=value.no_resp)
    if isinstance(value, Delete):
        _flag(w, "Archive", is_set=value.archive)
        _flag(w, "SftDel", is_set=value.soft)
    if not isinstance(value, (Atomic, Sequence)):
        _cred(w, value.cred)
    if isinstance(value, Sync):
        _location(w, "Target", value.target)
        _location(w, "Source", value.source)
    _meta(w, value.meta)
    if isinstance(value, Sync):
        _number(w, "NumberOfChanges", value.number_of_changes)


def _contents(w: Writer, value: Container) -> None:
    if isinstance(value, _OF_COMMANDS):
        for each in value.commands:
            command(w, each)
    else:
        _items(w, value.items)


def _status(w: Writer, value: Status) -> None:
    w.text("MsgRef", str(value.msg_ref))
    w.text("CmdRef", str(value.cmd_ref))
    w.text("Cmd", value.cmd)
    for target in value.target_refs:
        w.text("TargetRef", target)
    for source in value.source_refs:
        w.text("SourceRef", source)
    _cred(w, value.cred)
    if value.chal:
        w.open("Chal")
        _meta(w, value.chal.meta)
        w.close("Chal")
    w.text("Data", str(value.code))
    _items(w, value.items)


def _results(w: Writer, value: Results) -> None:
    _number(w, "MsgRef", value.msg_ref)
    w.text("CmdRef", str(value.cmd_ref))
    _meta(w, value.meta)
    _text(w, "TargetRef", value.target_ref)
    _text(w, "SourceRef", value.source_ref)
    _items(w, value.items)


def _map(w: Writer, value: Map) -> None:
    _location(w, "Target", value.target)
    _location(w, "Source", value.source)
    _cred(w, value.cred)
    _meta(w, value.meta)
    for pair in value.items:
        w.open("MapItem")
        _address(w, "Target", pair.target)
        _address(w, "Source", pair.source)
        w.close("MapItem")


def _alert(w: Writer, value: Alert) -> None:
    _flag(w, "NoResp", is_set=value.no_resp)
    _cred(w, value.cred)
    if value.code:
        w.text("Data", str(value.code))
    _text(w, "Correlator", value.correlator)
    _items(w, value.items)


def _exchange(w: Writer, value: Get | Put) -> None:
    _flag(w, "NoResp", is_set=value.no_resp)
    _text(w, "Lang", value.lang)
    _cred(w, value.cred)
    _meta(w, value.meta)
    _items(w, value.items)


def _exec(w: Writer, value: Exec) -> None:
    _flag(w, "NoResp", is_set=value.no_resp)
    _cred(w, value.cred)
    _meta(w, value.meta)
    _text(w, "Correlator", value.correlator)
    _items(w, value.items)


def _search(w: Writer, value: Search) -> None:
    _flag(w, "NoResp", is_set=value.no_resp)
    _flag(w, "NoResults", is_set=value.no_results)
    _cred(w, value.cred)
    _location(w, "Target", value.target)
    for source in value.sources:
        _location(w, "Source", source)
    _text(w, "Lang", value.lang)
    _meta(w, value.meta)
    w.octets("Data", value.data)


def _items(w: Writer, items: tuple[Item, ...]) -> None:
    for each in items:
        item(w, each)


def item(w: Writer, value: Item) -> None:
    """Write one item."""
    w.open("Item")
    _location(w, "Target", value.target)
    _location(w, "Source", value.source)
    if value.source_parent is not None:
        _address(w, "SourceParent", value.source_parent)
    if value.target_parent is not None:
        _address(w, "TargetParent", value.target_parent)
    _meta(w, value.meta)
    _data(w, value.data)
    _flag(w, "MoreData", is_set=value.more_data)
    w.close("Item")


def _data(w: Writer, data: Data | None) -> None:
    if isinstance(data, bytes):
        w.octets("Data", data)
    elif isinstance(data, DevInf | CtCap):
        w.device("Data", data)
    elif data is not None:
        if data == Meta():
            raise LocalError("meta-information as the data of an item must say something")
        w.open("Data")
        _meta_fields(w, data)
        w.close("Data")


def _location(w: Writer, name: str, value: Location | None) -> None:
    if value is None:
        return
    w.open(name)
    w.text("LocURI", value.uri)
    _text(w, "LocName", value.name)
    if value.filter:
        _filter(w, value.filter)
    w.close(name)


def _address(w: Writer, name: str, uri: str) -> None:
    w.open(name)
    w.text("LocURI", uri)
    w.close(name)


def _filter(w: Writer, value: Filter) -> None:
    w.open("Filter")
    _meta(w, value.meta)
    for name, held in (("Field", value.field), ("Record", value.record)):
        if held:
            w.open(name)
            item(w, held)
            w.close(name)
    _text(w, "FilterType", value.type)
    w.close("Filter")


def _cred(w: Writer, value: Cred | None) -> None:
    if value is None:
        return
    w.open("Cred")
    _meta(w, value.meta)
    w.octets("Data", value.data)
    w.close("Cred")


def _meta(w: Writer, value: Meta | None) -> None:
    if value is None:
        return
    w.open("Meta")
    _meta_fields(w, value)
    w.close("Meta")


def _meta_fields(w: Writer, value: Meta) -> None:
    _flag(w, "FieldLevel", is_set=value.field_level)
    _text(w, "Format", value.format)
    _text(w, "Type", value.type)
    _text(w, "Mark", value.mark)
    _number(w, "Size", value.size)
    if value.anchor:
        _anchor(w, value.anchor)
    _text(w, "Version", value.version)
    _text(w, "NextNonce", value.next_nonce)
    _number(w, "MaxMsgSize", value.max_msg_size)
    _number(w, "MaxObjSize", value.max_obj_size)
    for emi in value.emi:
        w.text("EMI", emi)
    if value.mem:
        _mem(w, value.mem)


def _anchor(w: Writer, value: Anchor) -> None:
    w.open("Anchor")
    _text(w, "Last", value.last)
    w.text("Next", value.next)
    w.close("Anchor")


def _mem(w: Writer, value: Mem) -> None:
    w.open("Mem")
    _flag(w, "SharedMem", is_set=value.shared)
    _number(w, "FreeMem", value.free)
    _number(w, "FreeID", value.free_id)
    w.close("Mem")


def _text(w: Writer, name: str, value: str | None) -> None:
    if value is not None:
        w.text(name, value)


def _number(w: Writer, name: str, value: int | None) -> None:
    if value is not None:
        w.text(name, str(value))


def _flag(w: Writer, name: str, *, is_set: bool) -> None:
    if is_set:
        w.flag(name)
