"""Nodes to the elements that commands are made of: items, locations, credentials, meta.

Representation Protocol 1.2 clause 6, Meta-Information 1.2 clause 5.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from typing import Final, TypeVar

from cardsync.syncml import device
from cardsync.syncml.devinf import CtCap, DevInf
from cardsync.syncml.elements import (
    Anchor,
    Chal,
    Cred,
    Data,
    Filter,
    Item,
    Location,
    MapItem,
    Mem,
    Meta,
)
from cardsync.syncml.tokens import METINF_CHILDREN
from cardsync.syncml.tree import (
    BAD_FORMAT,
    MalformedMessage,
    Nested,
    Node,
    Unreadable,
    each,
    once,
    optional_number,
    optional_text,
    required,
    text,
)

_DEVICE_TYPE: Final = "application/vnd.syncml-devinf"
"""Beginning of the media type of device information, in either representation."""

_FIELDS: Final = frozenset({"Property", "CTCap"})
"""What stands in the data of a filter of fields."""

_Read = TypeVar("_Read", DevInf, CtCap)


def items(node: Node, nested: Nested | None = None) -> tuple[Item, ...]:
    """Read the items of a command."""
    return tuple([_item(child, None, nested) for child in node.children if child.name == "Item"])


def some_items(node: Node, nested: Nested | None = None) -> tuple[Item, ...]:
    """Read the items of a command that must have one; `nested` as in `documents`."""
    found = items(node, nested)
    if not found:
        raise Unreadable(node, "Item is missing")
    return found


def documents(node: Node, outer: Meta | None, nested: Nested) -> tuple[Item, ...]:
    """Read the items of Put and Results, whose data may be a document: device information.

    `outer` is the meta-information of the command, which holds where that of an item is silent.
    """
    kind = outer.type if outer else None
    found = []
    for child in each(node, "Item"):
        item = _item(child, None)
        named = item.meta.type if item.meta and item.meta.type is not None else kind
        if _is_device(named) and isinstance(item.data, bytes) and item.data:
            data = required(child, once(child), "Data")
            item = _item(child, _document(data, item.data, nested, device.read))
        found.append(item)
    if not found:
        raise Unreadable(node, "Item is missing")
    return tuple(found)


def _is_device(media_type: str | None) -> bool:
    return (media_type or "").strip().lower().startswith(_DEVICE_TYPE)


def _document(node: Node, octets: bytes, nested: Nested, read: Callable[[Node], _Read]) -> _Read:
    """Read device information that lies in the data as a document of its own."""
    try:
        return read(nested(octets.strip()))
    except MalformedMessage as exc:
        raise Unreadable(node, f"device information: {exc}", exc.answer or BAD_FORMAT) from None
    except Unreadable as fault:
        reason = f"device information: {fault.reason} in {fault.node.name}"
        raise Unreadable(node, reason, fault.answer) from None


def _item(node: Node, info: DevInf | None, nested: Nested | None = None) -> Item:
    parts = once(node)
    data = parts.get("Data")
    return Item(
        optional_location(parts, "Target", nested),
        optional_location(parts, "Source", nested),
        meta(parts),
        info or (None if data is None else _data(data)),
        "MoreData" in parts,
        _address(parts, "SourceParent"),
        _address(parts, "TargetParent"),
    )


def _data(node: Node) -> Data:
    """Read what an item carries: octets, meta-information, or device information in line."""
    if not node.children:
        return node.text
    first = node.children[0]
    if first.name == "DevInf":
        return device.read(first)
    if first.name in _FIELDS:
        return device.read_fields(node)
    for child in node.children:
        if child.name not in METINF_CHILDREN:  # what we dropped would be lost content
            raise Unreadable(child, "neither meta-information nor device information")
    return _meta_fields(node)


def location(node: Node, nested: Nested | None = None) -> Location:
    """Read a Target or a Source; without `nested` a document in its filter stays octets."""
    if len(node.children) == 1 and node.children[0].name == "LocURI":
        return Location(text(node.children[0]))
    parts = once(node)
    found = parts.get("Filter")
    named = parts.get("LocURI") or required(node, parts, "LocName")  # some have only that
    return Location(
        text(named),
        optional_text(parts, "LocName"),
        None if found is None else _filter(found, nested),
    )


def optional_location(
    parts: dict[str, Node], name: str, nested: Nested | None = None
) -> Location | None:
    """Read a Target or a Source that may be missing."""
    found = parts.get(name)
    return None if found is None else location(found, nested)


def _address(parts: dict[str, Node], name: str) -> str | None:
    found = parts.get(name)
    return None if found is None else location(found).uri


def _filter(node: Node, nested: Nested | None) -> Filter:
    parts = once(node)
    field = _filtered(parts, "Field")
    kind = field.meta.type if field and field.meta else None
    if nested and field and _is_device(kind) and isinstance(field.data, bytes) and field.data:
        named = _document(parts["Field"], field.data, nested, device.read_fields)
        field = replace(field, data=named)
    return Filter(
        meta=meta(parts),
        field=field,
        record=_filtered(parts, "Record"),
        type=optional_text(parts, "FilterType"),
    )


def _filtered(parts: dict[str, Node], name: str) -> Item | None:
    found = parts.get(name)
    if found is None:
        return None
    held = some_items(found)
    if len(held) > 1:
        raise Unreadable(found, "more than one Item")
    return held[0]


def map_item(node: Node) -> MapItem:
    """Read one pair of identifiers."""
    parts = once(node)
    return MapItem(
        location(required(node, parts, "Target")).uri,
        location(required(node, parts, "Source")).uri,
    )


def cred(parts: dict[str, Node]) -> Cred | None:
    """Read the credentials of a command or of a header, if it has any."""
    node = parts.get("Cred")
    if node is None:
        return None
    inner = once(node)
    return Cred(required(node, inner, "Data").text, meta(inner))


def chal(parts: dict[str, Node]) -> Chal | None:
    """Read a challenge, if there is one."""
    node = parts.get("Chal")
    if node is None:
        return None
    return Chal(_meta_fields(required(node, once(node), "Meta")))


def meta(parts: dict[str, Node]) -> Meta | None:
    """Read meta-information, if there is any."""
    node = parts.get("Meta")
    return None if node is None else _meta_fields(node)


def _meta_fields(node: Node) -> Meta:
    """Read what stands in Meta or Data, with or without a MetInf around it."""
    if len(node.children) == 1 and node.children[0].name == "Type":
        return _typed(text(node.children[0]))
    parts = once(node)
    if "MetInf" in parts:
        node = parts["MetInf"]
        parts = once(node)
    return Meta(
        optional_text(parts, "Format"),
        optional_text(parts, "Type"),
        optional_text(parts, "Mark"),
        optional_number(parts, "Size"),
        _anchor(parts.get("Anchor")),
        optional_text(parts, "Version"),
        optional_text(parts, "NextNonce"),
        optional_number(parts, "MaxMsgSize"),
        optional_number(parts, "MaxObjSize"),
        _mem(parts.get("Mem")),
        tuple([text(child) for child in each(node, "EMI")]) if "EMI" in parts else (),
        "FieldLevel" in parts,
    )


@lru_cache(64)
def _typed(media_type: str) -> Meta:
    """Give the meta-information that most items of a message have: their type, the same."""
    return Meta(type=media_type)


def _anchor(node: Node | None) -> Anchor | None:
    if node is None:
        return None
    parts = once(node)
    return Anchor(text(required(node, parts, "Next")), optional_text(parts, "Last"))


def _mem(node: Node | None) -> Mem | None:
    if node is None:
        return None
    parts = once(node)
    return Mem(
        optional_number(parts, "FreeMem"),
        optional_number(parts, "FreeID"),
        "SharedMem" in parts,
    )
