"""Device information to a writer and from nodes. SyncML Device Information 1.2, 1.1, 1.0.

In 1.2 a content type has elements around each of its properties and stands in its datastore.
In 1.0 and 1.1 the same things follow each other flat in one CTCap of the whole device, without
the version of the type and without what only 1.2 knows of a property.
"""

from typing import Final

from cardsync.errors import LocalError
from cardsync.syncml.devinf import (
    ContentType,
    CtCap,
    DataStore,
    DevInf,
    DsMem,
    Ext,
    FilterCap,
    Property,
    PropParam,
)
from cardsync.syncml.tokens import DEVINF_PUBLIC_IDS
from cardsync.syncml.tree import (
    Node,
    Unreadable,
    Writer,
    each,
    number,
    once,
    optional_number,
    optional_text,
    required,
    text,
)

_NESTED: Final = "1.2"
"""The first version whose properties are elements of their own."""


def write(w: Writer, info: DevInf) -> None:
    """Write device information in the manner of its version."""
    if info.version not in DEVINF_PUBLIC_IDS:
        raise LocalError(f"there is no device information of version {info.version}")
    flat = info.version < _NESTED
    if info.ct_caps and not flat:
        raise LocalError("from 1.2 on content types stand in the datastores")
    w.open("DevInf")
    w.text("VerDTD", info.version)
    _text(w, "Man", info.manufacturer)
    _text(w, "Mod", info.model)
    _text(w, "OEM", info.oem)
    _text(w, "FwV", info.firmware)
    _text(w, "SwV", info.software)
    _text(w, "HwV", info.hardware)
    w.text("DevID", info.device_id)
    w.text("DevTyp", info.device_type)
    _flag(w, "UTC", is_set=info.utc)
    _flag(w, "SupportLargeObjs", is_set=info.large_objects)
    _flag(w, "SupportNumberOfChanges", is_set=info.number_of_changes)
    for store in info.datastores:
        _write_datastore(w, store, flat=flat)
    if flat:
        _write_flat(w, info)
    for ext in info.ext:
        w.open("Ext")
        w.text("XNam", ext.name)
        _texts(w, "XVal", ext.values)
        w.close("Ext")
    w.close("DevInf")


def write_fields(w: Writer, cap: CtCap) -> None:
    """Write the properties that a filter of fields names; their type stands at the filter."""
    for prop in cap.properties:
        _write_property(w, prop)


def _write_datastore(w: Writer, store: DataStore, *, flat: bool) -> None:
    w.open("DataStore")
    w.text("SourceRef", store.source_ref)
    _text(w, "DisplayName", store.display_name)
    _number(w, "MaxGUIDSize", store.max_guid_size)
    _write_type(w, "Rx-Pref", store.rx_pref)
    for kind in store.rx:
        _write_type(w, "Rx", kind)
    _write_type(w, "Tx-Pref", store.tx_pref)
    for kind in store.tx:
        _write_type(w, "Tx", kind)
    if not flat:
        for cap in store.ct_caps:
            _write_cap(w, cap)
    if store.mem:
        _write_memory(w, store.mem)
    _flag(w, "SupportHierarchicalSync", is_set=store.hierarchical and not flat)
    w.open("SyncCap")
    _texts(w, "SyncType", tuple([str(int(each_type)) for each_type in store.sync_types]))
    w.close("SyncCap")
    if not flat:
        for grammar in store.filters:
            _write_type(w, "Filter-Rx", grammar)
        for asked in store.filter_caps:
            _write_filter_cap(w, asked)
    w.close("DataStore")


def _write_filter_cap(w: Writer, cap: FilterCap) -> None:
    w.open("FilterCap")
    w.text("CTType", cap.content_type.type)
    w.text("VerCT", cap.content_type.version)
    _texts(w, "FilterKeyword", cap.keywords)
    _texts(w, "PropName", cap.properties)
    w.close("FilterCap")


def _write_memory(w: Writer, mem: DsMem) -> None:
    w.open("DSMem")
    _flag(w, "SharedMem", is_set=mem.shared)
    _number(w, "MaxMem", mem.max_mem)
    _number(w, "MaxID", mem.max_id)
    w.close("DSMem")


def _write_type(w: Writer, name: str, kind: ContentType) -> None:
    w.open(name)
    w.text("CTType", kind.type)
    w.text("VerCT", kind.version)
    w.close(name)


def _write_cap(w: Writer, cap: CtCap) -> None:
    w.open("CTCap")
    w.text("CTType", cap.content_type.type)
    w.text("VerCT", cap.content_type.version)
    _flag(w, "FieldLevel", is_set=cap.field_level)
    for prop in cap.properties:
        _write_property(w, prop)
    w.close("CTCap")


def _write_property(w: Writer, prop: Property) -> None:
    w.open("Property")
    w.text("PropName", prop.name)
    _text(w, "DataType", prop.data_type)
    _number(w, "MaxOccur", prop.max_occur)
    _number(w, "MaxSize", prop.max_size)
    _flag(w, "NoTruncate", is_set=prop.no_truncate)
    _texts(w, "ValEnum", prop.values)
    _text(w, "DisplayName", prop.display_name)
    for param in prop.params:
        w.open("PropParam")
        _write_param(w, param)
        w.close("PropParam")
    w.close("Property")


def _write_param(w: Writer, param: PropParam) -> None:
    w.text("ParamName", param.name)
    _text(w, "DataType", param.data_type)
    _texts(w, "ValEnum", param.values)
    _text(w, "DisplayName", param.display_name)


def _write_flat(w: Writer, info: DevInf) -> None:
    """Write each content type once, those of the datastores too. Device Information 1.1, CTCap."""
    caps = {cap.content_type.type: cap for store in info.datastores for cap in store.ct_caps}
    caps.update({cap.content_type.type: cap for cap in info.ct_caps})
    if not caps:
        return
    w.open("CTCap")
    for cap in caps.values():
        w.text("CTType", cap.content_type.type)
        for prop in cap.properties:
            w.text("PropName", prop.name)
            _text(w, "DataType", prop.data_type)
            _number(w, "Size", prop.max_size)
            _texts(w, "ValEnum", prop.values)
            _text(w, "DisplayName", prop.display_name)
            for param in prop.params:
                _write_param(w, param)
    w.close("CTCap")


def _text(w: Writer, name: str, value: str | None) -> None:
    if value is not None:
        w.text(name, value)


def _texts(w: Writer, name: str, values: tuple[str, ...]) -> None:
    for value in values:
        w.text(name, value)


def _number(w: Writer, name: str, value: int | None) -> None:
    if value is not None:
        w.text(name, str(value))


def _flag(w: Writer, name: str, *, is_set: bool) -> None:
    if is_set:
        w.flag(name)


def read(node: Node) -> DevInf:
    """Read device information of any version; raise `Unreadable`.

    Some peers leave out what the document type asks for, as the examples of the Sync Protocol
    1.1 do: the version, and in a datastore SyncCap. A type that is preferred is then the first.
    """
    if node.name != "DevInf":
        raise Unreadable(node, "the root is no DevInf")
    parts = once(node)
    return DevInf(
        version=optional_text(parts, "VerDTD") or _likely_version(node),
        device_id=text(required(node, parts, "DevID")),
        device_type=text(required(node, parts, "DevTyp")),
        datastores=tuple([_read_datastore(child) for child in each(node, "DataStore")]),
        manufacturer=optional_text(parts, "Man"),
        model=optional_text(parts, "Mod"),
        oem=optional_text(parts, "OEM"),
        firmware=optional_text(parts, "FwV"),
        software=optional_text(parts, "SwV"),
        hardware=optional_text(parts, "HwV"),
        utc="UTC" in parts,
        large_objects="SupportLargeObjs" in parts,
        number_of_changes="SupportNumberOfChanges" in parts,
        ct_caps=_read_caps(node),
        ext=tuple([_read_ext(child) for child in each(node, "Ext")]),
    )


def read_fields(node: Node) -> CtCap:
    """Read the properties that a filter of fields names, alone or in a CTCap."""
    properties = [node] if node.name == "Property" else each(node, "Property")
    for cap in each(node, "CTCap"):
        properties += each(cap, "Property")
    return CtCap(ContentType("", ""), tuple([_read_property(found) for found in properties]))


def _likely_version(node: Node) -> str:
    """Tell the version by what only 1.2 has: types that stand in a datastore."""
    nested = any(child.name == "CTCap" for part in node.children for child in part.children)
    return _NESTED if nested else "1.1"


def _read_datastore(node: Node) -> DataStore:
    parts = once(node)
    mem, cap = parts.get("DSMem"), parts.get("SyncCap")
    names = ("Rx", "Tx", "Rx-Pref", "Tx-Pref", "Filter-Rx")
    kinds = {name: [t for c in each(node, name) for t in _read_types(c)] for name in names}
    none = [ContentType("", "")]
    return DataStore(
        source_ref=text(required(node, parts, "SourceRef")),
        rx_pref=(kinds["Rx-Pref"] or kinds["Rx"] or none)[0],
        tx_pref=(kinds["Tx-Pref"] or kinds["Tx"] or none)[0],
        sync_types=tuple([number(child) for child in each(cap, "SyncType")] if cap else []),
        rx=tuple(kinds["Rx"]),
        tx=tuple(kinds["Tx"]),
        display_name=optional_text(parts, "DisplayName"),
        max_guid_size=optional_number(parts, "MaxGUIDSize"),
        mem=None if mem is None else _read_memory(mem),
        hierarchical="SupportHierarchicalSync" in parts,
        ct_caps=_read_caps(node),
        filters=tuple(kinds["Filter-Rx"]),
        filter_caps=tuple([_read_filter_cap(child) for child in each(node, "FilterCap")]),
    )


def _read_filter_cap(node: Node) -> FilterCap:
    parts = once(node)
    kind = text(required(node, parts, "CTType"))
    return FilterCap(
        ContentType(kind, optional_text(parts, "VerCT") or ""),
        tuple([text(child) for child in each(node, "FilterKeyword")]),
        tuple([text(child) for child in each(node, "PropName")]),
    )


def _read_types(node: Node) -> list[ContentType]:
    """Read a type and its versions; some peers list several versions after one type."""
    kind = text(required(node, once(node), "CTType"))
    versions = [text(child) for child in each(node, "VerCT")] or [""]
    return [ContentType(kind, version) for version in versions]


def _read_memory(node: Node) -> DsMem:
    parts = once(node)
    return DsMem(
        optional_number(parts, "MaxMem"), optional_number(parts, "MaxID"), "SharedMem" in parts
    )


def _read_ext(node: Node) -> Ext:
    name = text(required(node, once(node), "XNam"))
    return Ext(name, tuple([text(child) for child in each(node, "XVal")]))


def _read_caps(node: Node) -> tuple[CtCap, ...]:
    """Read content types, flat ones where names of properties stand directly in CTCap."""
    caps: list[Node] = []
    for child in each(node, "CTCap"):
        flat = not any(part.name == "Property" for part in child.children)
        caps.extend(_unfold(child) if flat else [child])
    return tuple([_read_cap(cap) for cap in caps])


def _unfold(flat: Node) -> list[Node]:
    """Put around each type, property and parameter of a flat CTCap what 1.2 has there."""
    caps: list[Node] = []
    in_cap: list[Node] = []
    in_property = in_latest = in_cap
    for child in flat.children:
        if child.name == "CTType":
            in_cap = in_property = in_latest = _below(caps, "CTCap", child)
        elif not caps:
            raise Unreadable(child, "no CTType before it")
        elif child.name == "PropName":
            in_property = in_latest = _below(in_cap, "Property", child)
        elif child.name == "ParamName":
            in_latest = _below(in_property, "PropParam", child)
        elif child.name == "Size" and in_latest is in_property:
            child.name = "MaxSize"
        in_latest.append(child)
    return caps


def _below(parent: list[Node], name: str, begin: Node) -> list[Node]:
    """Put a node into a list, with the offset of another one, and give the list of its own."""
    made = Node(name, begin.offset)
    inside: list[Node] = []
    made.children = inside
    parent.append(made)
    return inside


def _read_cap(node: Node) -> CtCap:
    parts = once(node)
    return CtCap(
        ContentType(text(required(node, parts, "CTType")), optional_text(parts, "VerCT") or ""),
        tuple([_read_property(child) for child in each(node, "Property")]),
        "FieldLevel" in parts,
    )


def _read_property(node: Node) -> Property:
    parts = once(node)
    return Property(
        name=text(required(node, parts, "PropName")),
        data_type=optional_text(parts, "DataType"),
        max_occur=optional_number(parts, "MaxOccur"),
        max_size=optional_number(parts, "MaxSize"),
        no_truncate="NoTruncate" in parts,
        values=tuple([text(child) for child in each(node, "ValEnum")]),
        display_name=optional_text(parts, "DisplayName"),
        params=tuple([_read_param(child) for child in each(node, "PropParam")]),
    )


def _read_param(node: Node) -> PropParam:
    parts = once(node)
    return PropParam(
        name=text(required(node, parts, "ParamName")),
        data_type=optional_text(parts, "DataType"),
        values=tuple([text(child) for child in each(node, "ValEnum")]),
        display_name=optional_text(parts, "DisplayName"),
    )
